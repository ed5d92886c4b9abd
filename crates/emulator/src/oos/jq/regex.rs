//! Regular expressions of jq: `test`, `match`, `capture`, `scan`, `split` and `sub` stand on the
//! three functions here. They have look-around and back references, as jq's own have, which the
//! expressions of `jaq_std` have not.
//!
//! An expression that needs neither runs in linear time. One that does may go back a bounded number
//! of steps for a text, and a program may ask for a bounded number of such texts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use fancy_regex::{Regex, RegexBuilder};
use jaq_core::data::JustLut;
use jaq_core::native::{Fun, bome, run};
use jaq_core::{Bind, Cv, Error};
use jaq_json::{Val, read};
use jaq_std::ValT;
use serde_json::{Map, Value, json};

/// Most steps back in one text.
const MAX_STEPS: usize = 10_000;
/// Most texts that one run of a program looks through.
const MAX_TEXTS: usize = 20_000;
/// Longest expression, in bytes, and the most that its automaton may take.
const MAX_PATTERN: usize = 4096;
const MAX_AUTOMATON: usize = 1024 * 1024;
/// Compiled expressions kept.
const MAX_CACHED: usize = 64;

/// The functions, by the names that jq's definitions call them by.
pub(super) const NAMES: &[&str] = &["matches", "split_matches", "split_"];

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
    static COMPILED: RefCell<BTreeMap<String, Rc<Regex>>> = const { RefCell::new(BTreeMap::new()) };
}

/// To be called before each run of a program.
pub(super) fn begin() {
    LEFT.set(MAX_TEXTS);
}

pub(super) fn functions() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    let two = || [Bind::Var(()), Bind::Var(())].into();
    [
        run(("matches", two(), |cv| bome(apply(cv, false, true)))),
        run(("split_matches", two(), |cv| bome(apply(cv, true, true)))),
        run(("split_", two(), |cv| bome(apply(cv, true, false)))),
    ]
    .into_iter()
}

/// Of a text the parts that do not match, the matches, or both, in their order.
fn apply(mut cv: Cv<'_, JustLut<Val>>, gaps: bool, matches: bool) -> Result<Val, Error<Val>> {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    let fail = |message: String| Error::str(message);
    let parts = (|| {
        let (flags, pattern) = (text_of(&flags)?, text_of(&pattern)?);
        let text = text_of(&cv.1)?;
        parts(&text, &pattern, &flags, gaps, matches)
    })()
    .map_err(fail)?;
    read::parse_single(Value::Array(parts).to_string().as_bytes())
        .map_err(|e| Error::str(format!("{e}")))
}

fn text_of(value: &Val) -> Result<String, String> {
    value
        .as_bytes()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .ok_or_else(|| "a regular expression takes a text".to_owned())
}

fn parts(
    text: &str,
    pattern: &str,
    flags: &str,
    gaps: bool,
    matches: bool,
) -> Result<Vec<Value>, String> {
    let left = LEFT.get();
    LEFT.set(
        left.checked_sub(1)
            .ok_or("too many texts for a regular expression")?,
    );
    let regex = compiled(pattern, flags)?;
    let (global, no_empty) = (flags.contains('g'), flags.contains('n'));
    let mut out = Vec::new();
    let mut last = 0;
    // Characters before a byte: matches come in order, so each is counted once.
    let mut counted = (0, 0);
    for captures in regex.captures_iter(text) {
        let captures = captures.map_err(|e| format!("the regular expression {pattern:?}: {e}"))?;
        let Some(whole) = captures.get(0) else { break };
        if no_empty && whole.as_str().is_empty() {
            continue;
        }
        if gaps {
            out.push(json!(&text[last..whole.start()]));
            last = whole.end();
        }
        if matches {
            counted.1 += text[counted.0..whole.start()].chars().count();
            counted.0 = whole.start();
            let groups: Vec<Value> = captures
                .iter()
                .zip(regex.capture_names())
                .filter_map(|(group, name)| {
                    let group = group?;
                    let (from, to) = (group.start().min(whole.start()), group.start());
                    let before = text[from..to].chars().count();
                    let after = text[group.start().min(counted.0)..counted.0]
                        .chars()
                        .count();
                    let mut shown = Map::from_iter([
                        ("offset".to_owned(), json!(counted.1 + before - after)),
                        ("length".to_owned(), json!(group.as_str().chars().count())),
                        ("string".to_owned(), json!(group.as_str())),
                    ]);
                    if let Some(name) = name {
                        shown.insert("name".to_owned(), json!(name));
                    }
                    Some(Value::Object(shown))
                })
                .collect();
            out.push(Value::Array(groups));
        }
        if !global {
            break;
        }
    }
    if gaps {
        out.push(json!(&text[last..]));
    }
    Ok(out)
}

fn compiled(pattern: &str, flags: &str) -> Result<Rc<Regex>, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!(
            "the regular expression is longer than {MAX_PATTERN} bytes"
        ));
    }
    if let Some(flag) = flags.chars().find(|flag| !"gnimslxp".contains(*flag)) {
        return Err(format!("{flag:?} is no flag of a regular expression"));
    }
    let key = format!("{flags}/{pattern}");
    if let Some(known) = COMPILED.with_borrow(|all| all.get(&key).cloned()) {
        return Ok(known);
    }
    let has = |flag: char| flags.contains(flag);
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(has('i'))
        .multi_line(has('m') || has('p'))
        .dot_matches_new_line(has('s') || has('p'))
        .ignore_whitespace(has('x'))
        .backtrack_limit(MAX_STEPS)
        .delegate_size_limit(MAX_AUTOMATON)
        .build()
        .map_err(|e| format!("the regular expression {pattern:?} is not valid: {e}"))?;
    let regex = Rc::new(regex);
    COMPILED.with_borrow_mut(|all| {
        if all.len() >= MAX_CACHED {
            all.clear();
        }
        all.insert(key, Rc::clone(&regex));
    });
    Ok(regex)
}
