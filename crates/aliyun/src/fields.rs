//! Lenient reading of answers. A field without a value may be missing, null or empty; numbers come
//! as text now and then; JSON comes inside strings.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

/// The text of a field; empty when there is none.
pub(crate) fn text(row: &Value, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    }
}

/// The text of a field, if it has any.
pub(crate) fn some_text(row: &Value, name: &str) -> Option<String> {
    Some(text(row, name)).filter(|text| !text.is_empty())
}

/// A whole number, written as number or as text.
pub(crate) fn integer(row: &Value, name: &str) -> Option<i64> {
    match row.get(name)? {
        // A weight of 50.0 is 50; `as` saturates, it cannot wrap.
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(|float| float as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A JSON object, given as such or as JSON text; empty when it is neither.
pub(crate) fn object(row: &Value, name: &str) -> Map<String, Value> {
    match row.get(name) {
        Some(Value::Object(map)) => map.clone(),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Map::new(),
    }
}

/// A point in time, with or without seconds: `2024-05-06T07:08:09Z`, `2024-05-06T07:08Z`.
pub(crate) fn time(row: &Value, name: &str) -> Option<Timestamp> {
    let text = some_text(row, name)?;
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    DateTime::strptime("%Y-%m-%dT%H:%MZ", text)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// The rows under a path: a list, or a list wrapped in an object as the older encodings have it.
/// Missing and null are no rows.
pub(crate) fn rows<'v>(body: &'v Value, path: &[&str]) -> &'v [Value] {
    let mut at = body;
    for name in path {
        match at.get(name) {
            Some(inner) => at = inner,
            None => return &[],
        }
    }
    at.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn missing_null_and_empty_are_the_same() {
        for row in [json!({}), json!({"A": null}), json!({"A": ""})] {
            assert_eq!(some_text(&row, "A"), None);
            assert_eq!(integer(&row, "A"), None);
            assert_eq!(time(&row, "A"), None);
            assert!(object(&row, "A").is_empty());
            assert!(rows(&row, &["A"]).is_empty());
        }
    }

    #[test]
    fn numbers_come_in_three_ways() {
        for row in [json!({"N": 50}), json!({"N": "50"}), json!({"N": 50.0})] {
            assert_eq!(integer(&row, "N"), Some(50));
        }
    }

    #[test]
    fn objects_come_in_two_ways() {
        for row in [
            json!({"P": {"a": [1, "x"]}}),
            json!({"P": r#"{"a":[1,"x"]}"#}),
        ] {
            assert_eq!(object(&row, "P")["a"], json!([1, "x"]));
        }
        for row in [
            json!({"P": "no json"}),
            json!({"P": "[1]"}),
            json!({"P": 3}),
        ] {
            assert!(object(&row, "P").is_empty());
        }
    }

    #[test]
    fn times_come_with_and_without_seconds() {
        let row = json!({"A": "2024-05-06T07:08:09Z", "B": "2024-05-06T07:08Z", "C": "soon"});
        assert_eq!(time(&row, "A").unwrap().to_string(), "2024-05-06T07:08:09Z");
        assert_eq!(time(&row, "B").unwrap().to_string(), "2024-05-06T07:08:00Z");
        assert_eq!(time(&row, "C"), None);
    }
}
