//! What is otherwise in two things that should be the same.

use std::fmt;

use serde_json::Value;

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
            let found = match new.get(name) {
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
        _ => Some((shown(recorded), shown(came))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;
    use serde_json::json;

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
    }
}
