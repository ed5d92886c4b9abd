//! What is otherwise in two things that should be the same.

use std::fmt;

use serde_json::Value;

use crate::secrets::HIDDEN;

/// As much of a value as a line shows.
const SHOWN: usize = 160;

/// One difference, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `call 7, ESS EnterStandby by ci`.
    pub place: String,
    /// What the recording says.
    pub recorded: String,
    /// What there is now.
    pub came: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            recorded,
            came,
        } = self;
        write!(f, "{place}: recorded {recorded}, now {came}")
    }
}

impl Difference {
    pub(super) fn new(
        place: impl Into<String>,
        recorded: impl Into<String>,
        came: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            recorded: recorded.into(),
            came: came.into(),
        }
    }
}

/// A value on a line, cut off where it is long.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Where `came` first is not what was recorded. Members that a structure has besides are none of it:
/// later versions of the emulator tell more.
pub(super) fn first(recorded: &Value, came: &Value) -> Option<Difference> {
    let mut path = Vec::new();
    let (recorded, came) = look(recorded, came, &mut path)?;
    path.reverse();
    Some(Difference::new(path.join("."), recorded, came))
}

/// What differs; `path` is filled from the inside out.
fn look(recorded: &Value, came: &Value, path: &mut Vec<String>) -> Option<(String, String)> {
    match (recorded, came) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(name, old)| {
            let named = |other: &&String| fits(name, other) || fits(other, name);
            let hidden = || new.get(new.keys().find(named)?);
            let found = match new.get(name).or_else(hidden) {
                // What is hashed is compared where it is shown, and a recording has stand-ins in it.
                Some(_) if name == "Hash" => return None,
                Some(new) => look(old, new, path)?,
                None => (shown(old), "nothing".to_owned()),
            };
            path.push(name.clone());
            Some(found)
        }),
        (Value::Array(old), Value::Array(new)) => {
            let within = old.iter().zip(new).enumerate().find_map(|(n, (old, new))| {
                let found = look(old, new, path)?;
                path.push(n.to_string());
                Some(found)
            });
            let entries = |list: &[Value]| format!("{} entries", list.len());
            within.or_else(|| (old.len() != new.len()).then(|| (entries(old), entries(new))))
        }
        _ if recorded == came => None,
        // The other run has something else for a secret, or had no secret there.
        (Value::String(old), new) if old == HIDDEN && !new.is_null() => None,
        (old, Value::String(new)) if new == HIDDEN && !old.is_null() => None,
        (Value::String(old), Value::String(new)) if fits(old, new) || fits(new, old) => None,
        // Another version may make more or fewer requests on the way.
        (Value::String(old), Value::String(new)) if without_ids(old) == without_ids(new) => None,
        _ => Some((shown(recorded), shown(came))),
    }
}

/// Whether a text with hidden secrets may be another one.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    if !pattern.contains(HIDDEN) {
        return false;
    }
    // A number that is hidden in JSON got quotes.
    let quotes: [&[char]; 2] = [&['"', '\\'], &[]];
    quotes.into_iter().any(|quotes| {
        let mut parts = pattern.split(HIDDEN).map(|part| part.trim_matches(quotes));
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }) || text.contains(HIDDEN) && {
        // Both hide something, and not in the same places: what is before the first and behind the last one is compared.
        let ends = |text: &str| {
            let first = text.split(HIDDEN).next().unwrap_or_default().len();
            let last = text.rsplit(HIDDEN).next().unwrap_or_default().len();
            (first, last)
        };
        let ((a, z), (b, y)) = (ends(pattern), ends(text));
        let (head, tail) = (a.min(b), z.min(y));
        pattern.as_bytes()[..head] == text.as_bytes()[..head]
            && pattern.as_bytes()[pattern.len() - tail..] == text.as_bytes()[text.len() - tail..]
    }
}

/// A text with `*` for ids of requests, as they stand in messages.
fn without_ids(text: &str) -> String {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split_inclusive(|c| !is_of_word(c));
    words
        .map(|part| {
            let word = part.trim_end_matches(|c| !is_of_word(c));
            match is_uuid(word) {
                true => format!("*{}", &part[word.len()..]),
                false => part.to_owned(),
            }
        })
        .collect()
}

/// Whether a text is a number of hexadecimal digits.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Whether it looks like the id of a request.
pub(super) fn is_uuid(word: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = word.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| is_hex(part, length))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_hidden_in_one_may_be_anything_in_the_other() {
        let hidden = |one: Value, other: Value| {
            let alike = first(&one, &other).is_none();
            assert_eq!(first(&other, &one).is_none(), alike, "{one} {other}");
            alike
        };
        for (one, other) in [
            (json!("******"), json!("asg-small")),
            (json!("******"), json!(5)),
            (json!("x-******-y"), json!("x-a-y")),
            (json!("******-a-******"), json!("b-a-c")),
            (json!(r#"{"o":"******","p":1}"#), json!(r#"{"o":7,"p":1}"#)),
            (json!("a ****** c d"), json!("a b c ******")),
        ] {
            assert!(hidden(one.clone(), other.clone()), "{one} {other}");
        }
        for (one, other) in [
            (json!("x-******-y"), json!("x-a-z")),
            (json!("x-******-y"), json!("x-y")),
            (json!("a ****** c"), json!("b ****** c")),
            (json!({"a": "******"}), json!({"a": null})),
            (json!("***"), json!("a")),
        ] {
            assert!(!hidden(one.clone(), other.clone()), "{one} {other}");
        }
    }

    #[test]
    fn the_first_difference_is_named_and_more_members_are_none() {
        let old = json!({"Groups": [{"Id": "a", "Size": 3}, {"Id": "b", "Size": 4}]});
        let mut new = old.clone();
        new["Groups"][0]["Colour"] = json!("red");
        assert_eq!(first(&old, &new), None);
        new["Groups"][1]["Size"] = json!(5);
        let found = first(&old, &new).unwrap();
        assert_eq!(found.to_string(), "Groups.1.Size: recorded 4, now 5");
        let found = first(&old, &json!({"Groups": []})).unwrap();
        assert_eq!(
            found.to_string(),
            "Groups: recorded 2 entries, now 0 entries"
        );
        let found = first(&old, &json!({})).unwrap();
        assert_eq!(found.came, "nothing");
        let failed = |id: &str, code: &str| json!(format!("Code: {code}, RequestId: {id}"));
        let (one, two) = (
            "123E4567-E89B-12D3-A456-426614174000",
            "223E4567-E89B-12D3-A456-426614174000",
        );
        assert_eq!(first(&failed(one, "A"), &failed(two, "A")), None);
        assert!(first(&failed(one, "A"), &failed(two, "B")).is_some());
    }
}
