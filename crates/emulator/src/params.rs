//! Parameters of API calls: the decoding of query strings and forms, and from `Name.1.Key=value` to
//! nested values.

pub(crate) mod exact;
pub(crate) mod object;

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Parameters of an API call, decoded: lists are arrays, numbers and booleans may still be text.
pub type Params = Map<String, Value>;

/// Names with more members than this are taken literally: no API nests deeper.
const DEPTH: usize = 8;

/// The pairs of a query string or a form, decoded, in order.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Lists and structures out of dotted names: `InstanceIds.2` becomes the second member of the list
/// `InstanceIds`, `Tag.1.Key` a member of a structure in a list. Values that are lists or
/// structures already stay as they are. The first of two that collide wins: whoever takes parameters
/// from somebody refuses such with [`given_twice`].
pub fn nest(flat: &Params) -> Params {
    let mut root = Map::new();
    for (name, value) in flat {
        let path: Vec<&str> = name.split('.').collect();
        if path.len() > DEPTH || path.iter().any(|part| part.is_empty()) {
            root.entry(name.clone()).or_insert_with(|| value.clone());
        } else {
            insert(&mut root, &path, value);
        }
    }
    root.into_iter()
        .map(|(name, value)| (name, lists(value)))
        .collect()
}

/// Two names that stand for the same, or of which one lies in the other: the same name again,
/// `InstanceIds.1` and `InstanceIds.01`, `SystemDisk` and `SystemDisk.Size`. One of the values would be
/// lost.
pub fn given_twice<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<(&'n str, &'n str)> {
    let mut all: Vec<(Vec<String>, &str)> = names.into_iter().map(|n| (parts(n), n)).collect();
    // What lies in another follows right behind it.
    all.sort();
    all.windows(2)
        .find(|pair| pair[1].0.starts_with(&pair[0].0))
        .map(|pair| (pair[0].1, pair[1].1))
}

/// What a name consists of: numbers without the zeros before them, and the members of a structure in a
/// list as the metadata spells them, because older clients send `Tag.1.key`.
fn parts(name: &str) -> Vec<String> {
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > DEPTH || parts.iter().any(|part| part.is_empty()) {
        return vec![name.to_owned()];
    }
    let before = std::iter::once(None).chain(parts.iter().map(Some));
    let all = before.zip(&parts).map(|(before, part)| {
        let rest = part.strip_prefix(|c: char| c.is_ascii_lowercase());
        match rest {
            _ if is_number(part) => match part.trim_start_matches('0') {
                "" => "0".to_owned(),
                number => number.to_owned(),
            },
            Some(rest) if before.is_some_and(|before| is_number(before)) => {
                format!("{}{rest}", part[..1].to_ascii_uppercase())
            }
            _ => (*part).to_owned(),
        }
    });
    all.collect()
}

/// The refusal of what [`given_twice`] found.
pub(crate) fn twice((one, other): (&str, &str)) -> ApiError {
    let how = match one == other {
        true => "more than once".to_owned(),
        false => format!("twice, as {one} and as {other}"),
    };
    let name = one.split('.').next().unwrap_or(one);
    ApiError::new(
        400,
        "InvalidParameter",
        format!(
            "The parameter {name} is given {how}: only one of the values could count. Give one."
        ),
    )
}

fn insert(into: &mut Map<String, Value>, path: &[&str], value: &Value) {
    match path {
        [] => {}
        [last] => {
            into.entry(*last).or_insert_with(|| value.clone());
        }
        [first, rest @ ..] => {
            let inner = into
                .entry(*first)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, rest, value);
            }
        }
    }
}

/// Structures whose member names are all numbers are lists, in the order of the numbers.
fn lists(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let numbered: Option<BTreeMap<u64, String>> = map
        .keys()
        .map(|key| {
            let is_number = key.bytes().all(|b| b.is_ascii_digit());
            key.parse()
                .ok()
                .filter(|n| is_number && *n > 0)
                .map(|n| (n, key.clone()))
        })
        .collect();
    match numbered {
        Some(order) if !order.is_empty() => {
            let mut map = map;
            Value::Array(
                order
                    .values()
                    .filter_map(|key| map.remove(key))
                    .map(lists)
                    .collect(),
            )
        }
        _ => Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, lists(value)))
                .collect(),
        ),
    }
}

/// Which parameters are read: a test compares them with those that actions say they honour.
#[cfg(test)]
pub(crate) mod reads {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static READ: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
        static AS_JSON: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Those read as JSON in one text since the last call of this.
    pub(crate) fn take_json() -> BTreeSet<String> {
        AS_JSON.take()
    }

    pub(super) fn note_json(name: &str) {
        AS_JSON.with_borrow_mut(|read| read.insert(name.to_owned()));
    }

    /// Those read since the last call of this.
    pub(crate) fn take() -> BTreeSet<String> {
        READ.take()
    }

    pub(super) fn note(name: String) {
        READ.with_borrow_mut(|read| read.insert(name));
    }
}

/// Says that a parameter is looked at: `.N` marks a list, as in [`api`](crate::api).
#[cfg(test)]
pub(crate) fn read(name: std::fmt::Arguments<'_>) {
    reads::note(name.to_string());
}

/// Says that a parameter is looked at, for tests.
#[cfg(not(test))]
pub(crate) fn read(_name: std::fmt::Arguments<'_>) {}

/// Says that a parameter is looked at which travels as JSON in one text.
pub(crate) fn read_json(name: &str) {
    read(format_args!("{name}"));
    #[cfg(test)]
    reads::note_json(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(text: &str) -> Value {
        let flat = pairs(text)
            .into_iter()
            .map(|(k, v)| (k, Value::String(v)))
            .collect();
        Value::Object(nest(&flat))
    }

    #[test]
    fn lists_keep_the_order_of_their_numbers() {
        assert_eq!(
            nested("I.10=j&I.2=b&I.1=a&T.1.Key=k&T.1.Value=&A.B=1&C=x%20y%2B"),
            json!({"I": ["a", "b", "j"], "T": [{"Key": "k", "Value": ""}], "A": {"B": "1"}, "C": "x y+"})
        );
    }

    #[test]
    fn one_parameter_in_two_spellings_is_found() {
        for names in [
            ["A.1", "A.1"],
            ["A.1", "A.01"],
            ["A.1.B", "A.001.B"],
            ["A.1.Key", "A.1.key"],
            ["A", "A.1"],
            ["A.B", "A.B.C"],
            ["A..B", "A..B"],
            ["A.0", "A.00"],
        ] {
            let all = ["Z", names[1], "A.2", "B", names[0], "AB"];
            let (one, other) = given_twice(all).unwrap();
            let is_either = [[one, other], [other, one]].contains(&names);
            assert!(is_either, "{names:?}: {one}, {other}");
        }
        let apart = [
            "A.1", "A.10", "A.2.B", "A.2.C", "AB", "A1", "B..1", "B.1", "a.1",
        ];
        assert_eq!(given_twice(apart), None);
    }

    #[test]
    fn odd_names_do_no_harm() {
        assert_eq!(nested("A=1&A.1=2"), json!({"A": "1"}));
        assert_eq!(nested("A..B=1&.=2"), json!({"A..B": "1", ".": "2"}));
        assert_eq!(
            nested("A.99999999999999999999=1"),
            json!({"A": {"99999999999999999999": "1"}})
        );
        assert_eq!(nested("A.0=1"), json!({"A": {"0": "1"}}));
        assert_eq!(nested("A.%2B1=1"), json!({"A": {"+1": "1"}}));
        let deep = vec!["a"; 1000].join(".");
        assert_eq!(nested(&deep), json!({ deep: "" }));
    }
}
