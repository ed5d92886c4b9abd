//! An upper bound on the work of a jq program, found without running it.
//!
//! jq has no step limit, and a program of a hundred characters can ask for more than any machine
//! has. The bound follows the syntax: how many values a stream can hold and how large they can be
//! in all. Paths only take a value apart, so they cost no more than its size; what multiplies
//! (bindings, operators on streams) multiplies the bound.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::Part;
use serde_json::Value;

/// Most work that a program may be asked for: values handled, plus one for each 32 bytes.
const MAX_WORK: f64 = 5e7;
/// Bytes of text that weigh as much as one value.
const BYTES_PER_VALUE: f64 = 32.0;

/// What a value weighs: the values in it, itself included, plus its share of text.
pub(in crate::oos) fn weight(value: &Value) -> usize {
    let mut values = 0;
    let mut bytes = 0;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        values += 1;
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                bytes += map.keys().map(String::len).sum::<usize>();
                open.extend(map.values());
            }
            _ => {}
        }
    }
    values + (bytes as f64 / BYTES_PER_VALUE) as usize
}

/// Functions that yield one value, no larger than what they are given.
const ONE: &str = "select from_entries length not first last nth unique unique_by sort sort_by group_by \
    min max min_by max_by reverse keys keys_unsorted has in inside contains add any all \
    type tonumber toboolean fromjson null true false empty error startswith endswith \
    ltrimstr rtrimstr trim ltrim rtrim ascii_downcase ascii_upcase test floor ceil round \
    sqrt pow log log2 log10 exp exp2 exp10 trunc fabs abs bsearch index rindex flatten values nulls strings numbers booleans arrays \
    objects iterables scalars finites normals isnan isinfinite isnormal del fromdate \
    fromdateiso8601 todate todateiso8601 date getpath map map_values pick mktime gmtime \
    utf8bytelength isempty";
/// Functions that yield one value, up to a few times as large.
const LARGER: &str = "tostring tojson to_entries with_entries join split sub gsub implode match scan \
    capture splits paths leaf_paths @base64 @base64d @json @text @sh @uri @html strftime strptime";
/// Functions that yield one value of a character each.
const OF_CHARACTERS: &str = "explode indices";

/// A stream: how many values it can hold, how large they can be together, and whether each input
/// gives at most one.
#[derive(Clone, Copy)]
struct Stream {
    count: f64,
    size: f64,
    single: bool,
}

struct Cost {
    work: f64,
    /// Size of the largest value that a variable may hold.
    bound: f64,
}

/// Checks a program against an input of that [`weight`].
pub(super) fn check(term: &Term<&str>, size: usize) -> Result<(), String> {
    let size = size.max(1) as f64;
    let mut cost = Cost {
        work: 0.0,
        bound: size,
    };
    let input = Stream {
        count: 1.0,
        size,
        single: true,
    };
    cost.of(term, input).map(|_| ())
}

impl Cost {
    fn of(&mut self, term: &Term<&str>, input: Stream) -> Result<Stream, String> {
        let out = self.inner(term, input)?;
        self.work += out.count + out.size;
        if self.work > MAX_WORK {
            return Err("it could take too long for its input".to_owned());
        }
        Ok(out)
    }

    fn inner(&mut self, term: &Term<&str>, input: Stream) -> Result<Stream, String> {
        let same = Stream {
            single: true,
            ..input
        };
        let text = |length: usize| Stream {
            count: input.count,
            size: input.count * (length as f64 / BYTES_PER_VALUE + 1.0),
            single: true,
        };
        Ok(match term {
            Term::Id => same,
            Term::Recurse => Stream {
                count: input.count + input.size,
                size: input.size * 48.0,
                single: false,
            },
            Term::Num(n) => text(n.len()),
            Term::Str(_, parts) => {
                let mut out = text(0);
                for part in parts {
                    match part {
                        StrPart::Str(s) => out = both(out, text(s.len())),
                        StrPart::Term(inner) => out = both(out, self.of(inner, input)?),
                        StrPart::Char(_) => out = both(out, text(4)),
                    }
                }
                if parts.iter().any(|part| matches!(part, StrPart::Term(_))) {
                    // Escaping may write up to six characters for one.
                    out.size *= 6.0;
                }
                out
            }
            Term::Arr(None) => text(0),
            Term::Arr(Some(inner)) => Stream {
                count: input.count,
                size: {
                    let inner = self.of(inner, input)?;
                    inner.size + inner.count
                },
                single: true,
            },
            Term::Obj(entries) => {
                let mut out = text(0);
                for (key, value) in entries {
                    out = both(out, self.of(key, input)?);
                    if let Some(value) = value {
                        out = both(out, self.of(value, input)?);
                    } else {
                        out = both(out, same);
                    }
                }
                out
            }
            Term::Neg(inner) => self.of(inner, input)?,
            Term::BinOp(left, BinaryOp::Pipe(None), right) => {
                let left = self.of(left, input)?;
                let right = self.of(right, left)?;
                Stream {
                    single: left.single && right.single,
                    ..right
                }
            }
            Term::BinOp(left, BinaryOp::Pipe(Some(_)), right) => {
                let left = self.of(left, input)?;
                self.bound = self.bound.max(left.size);
                let again = Stream {
                    count: left.count,
                    size: if left.single {
                        input.size
                    } else {
                        left.count * input.size
                    },
                    single: left.single,
                };
                let right = self.of(right, again)?;
                Stream {
                    single: left.single && right.single,
                    ..right
                }
            }
            Term::BinOp(left_term, op, right_term) => {
                let (left, right) = (self.of(left_term, input)?, self.of(right_term, input)?);
                match op {
                    BinaryOp::Comma => Stream {
                        count: left.count + right.count,
                        size: left.size + right.size,
                        single: false,
                    },
                    BinaryOp::Alt => Stream {
                        count: left.count + right.count,
                        size: left.size + right.size,
                        single: left.single && right.single,
                    },
                    BinaryOp::And | BinaryOp::Or | BinaryOp::Cmp(_) => Stream {
                        size: both(left, right).count,
                        ..both(left, right)
                    },
                    // Multiplying a text repeats it: by how much has to be known.
                    BinaryOp::Math(jaq_core::ops::Math::Mul) => {
                        let times = literal(left_term)
                            .or_else(|| literal(right_term))
                            .ok_or("multiplication is only supported by a number of the program")?;
                        let mut out = both(left, right);
                        out.size *= times.max(1.0);
                        out
                    }
                    BinaryOp::Math(_) => both(left, right),
                    _ => return Err("assignments are not supported".to_owned()),
                }
            }
            Term::IfThenElse(branches, otherwise) => {
                let mut out = same;
                let mut single = true;
                for (condition, value) in branches {
                    let condition = self.of(condition, input)?;
                    let value = self.of(value, input)?;
                    single &= condition.single && value.single;
                    out.count = out.count.max(both(condition, value).count);
                    out.size += value.size;
                }
                if let Some(otherwise) = otherwise {
                    let otherwise = self.of(otherwise, input)?;
                    single &= otherwise.single;
                    out.count = out.count.max(otherwise.count);
                    out.size += otherwise.size;
                }
                Stream { single, ..out }
            }
            Term::TryCatch(inner, catch) => {
                let inner = self.of(inner, input)?;
                match catch {
                    Some(catch) => {
                        let catch = self.of(catch, input)?;
                        Stream {
                            count: inner.count + catch.count,
                            size: inner.size + catch.size,
                            single: inner.single && catch.single,
                        }
                    }
                    None => inner,
                }
            }
            Term::Var(_) => Stream {
                count: input.count,
                size: input.count * self.bound,
                single: true,
            },
            Term::Path(base, path) => self.path(base, &path.0, input)?,
            Term::Call(name, arguments) => self.call(name, arguments, input)?,
            Term::Label(..) | Term::Break(_) | Term::Fold(..) | Term::Def(..) => {
                return Err("definitions, folds and labels are not supported".to_owned());
            }
        })
    }

    fn path(
        &mut self,
        base: &Term<&str>,
        parts: &[(Part<Term<&str>>, jaq_core::path::Opt)],
        input: Stream,
    ) -> Result<Stream, String> {
        let mut out = self.of(base, input)?;
        for (part, _) in parts {
            match part {
                Part::Range(None, None) => {
                    out.count += out.size;
                    out.single = false;
                }
                Part::Index(index) => out = narrowed(out, self.of(index, input)?),
                Part::Range(from, to) => {
                    for bound in [from, to].into_iter().flatten() {
                        out = narrowed(out, self.of(bound, input)?);
                    }
                }
            }
        }
        Ok(out)
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Term<&str>],
        input: Stream,
    ) -> Result<Stream, String> {
        match (name, arguments) {
            // As many as its bounds, which the program must name itself.
            ("range", arguments) if !arguments.is_empty() && arguments.len() < 3 => {
                let last = arguments.iter().filter_map(literal).fold(0.0, f64::max);
                if arguments.iter().any(|bound| literal(bound).is_none()) {
                    return Err("range is only supported with numbers of the program".to_owned());
                }
                return Ok(Stream {
                    count: input.count * (last + 1.0),
                    size: input.count * (last + 1.0),
                    single: false,
                });
            }
            ("recurse", []) => return self.inner(&Term::Recurse, input),
            // Each row becomes as long as the longest.
            ("transpose", []) => {
                return Ok(Stream {
                    count: input.count,
                    size: input.size * (input.size / 4.0 + 1.0),
                    single: true,
                });
            }
            // No more than the stream that it cuts short.
            ("limit", [_, stream]) => return self.of(stream, input),
            _ => {}
        }
        let growth = if ONE.split(' ').any(|known| known == name) {
            1.0
        } else if LARGER.split(' ').any(|known| known == name) {
            6.0
        } else if OF_CHARACTERS.split(' ').any(|known| known == name) {
            BYTES_PER_VALUE + 1.0
        } else {
            return Err(format!("the function {name} is not supported"));
        };
        // Arguments may be applied to each member of the input, or to the input itself.
        let members = Stream {
            count: input.count + input.size,
            size: input.size * 2.0,
            single: true,
        };
        let maps = matches!(name, "map" | "map_values" | "with_entries" | "add");
        let mut out = Stream {
            count: input.count,
            size: input.size * growth,
            single: !matches!(
                name,
                "scan" | "match" | "capture" | "paths" | "leaf_paths" | "splits"
            ),
        };
        if !out.single {
            out.count += input.size;
        }
        for argument in arguments {
            let argument = self.of(argument, members)?;
            // Results of an argument become the result, or are compared with it.
            if maps {
                out.size += argument.size * growth;
            } else if matches!(
                name,
                "first" | "last" | "nth" | "getpath" | "pick" | "error"
            ) {
                out.size += argument.size;
            } else if matches!(name, "join" | "sub" | "gsub") {
                // The argument is put in once per member.
                out.size += argument.size * growth * out.size.min(self.bound);
            }
            if !argument.single {
                out.count = out.count.max(argument.count);
                out.single = false;
            }
        }
        Ok(out)
    }
}

/// The number that a term spells, if it is one between 0 and ten thousand.
fn literal(term: &Term<&str>) -> Option<f64> {
    match term {
        Term::Num(text) => text.parse().ok().filter(|n| (0.0..=1e4).contains(n)),
        _ => None,
    }
}

/// Values that come of each pair of two streams' values.
fn both(a: Stream, b: Stream) -> Stream {
    if a.single || b.single {
        // One for each of the other's: nothing multiplies but the single one's size.
        let times = if a.single && b.single {
            1.0
        } else {
            a.count.max(b.count)
        };
        let size = if a.single && b.single {
            a.size + b.size
        } else {
            let (one, many) = if a.single { (a, b) } else { (b, a) };
            many.size + one.size * times
        };
        return Stream {
            count: a.count.max(b.count),
            size,
            single: a.single && b.single,
        };
    }
    Stream {
        count: a.count * b.count,
        size: a.size * b.count + b.size * a.count,
        single: false,
    }
}

/// A path step by computed index: as many values as indices, none larger than before.
fn narrowed(base: Stream, index: Stream) -> Stream {
    if index.single {
        return base;
    }
    Stream {
        count: base.count * index.count,
        size: base.size * index.count,
        single: false,
    }
}
