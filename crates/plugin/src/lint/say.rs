//! What a schema finds wrong, for people: what the field is, what it should be, and the cure.

use ess_rollout_validation::{Cause, Wanted};
use serde_json::Value;

use super::names::{containing, nearest};
use super::yaml::Node;

/// The most characters of a value that are repeated.
const SHOWN_MAX: usize = 40;

/// The message about a field; `found` is what stands there.
pub fn message(cause: &Cause, found: Option<&Node>) -> String {
    let value = found.map(Node::value).unwrap_or_default();
    let is = || is(&value);
    let Some(wanted) = &cause.wanted else {
        return cause.text();
    };
    match wanted {
        Wanted::Type(wanted) => {
            let (noun, cure) = of_type(wanted, &value);
            format!("{}, and {noun} is wanted: {cure}", is())
        }
        Wanted::Words(words) => one_of(&value, words),
        Wanted::Pattern(pattern) => {
            let text = value.as_str().unwrap_or_default();
            let alike = [
                text.trim().to_owned(),
                text.to_lowercase(),
                text.to_uppercase(),
                text.to_lowercase().replace('_', "-"),
            ];
            let alike = alike.iter().find(|text| pattern.is_match(text));
            let cure = match alike {
                Some(alike) => format!("write {}", shown(alike)),
                None if text.chars().any(char::is_whitespace) && pattern.as_str() == r"^\S+$" => {
                    "take the blanks out".to_owned()
                }
                None => format!("it has to match {pattern}"),
            };
            format!("{} is not taken here: {cure}", shown(text))
        }
        Wanted::DateTime => format!(
            "{} is no time: write it as 2026-12-31T02:00:00Z, or with another zone, 2026-12-31T10:00:00+08:00",
            is_short(&value)
        ),
        Wanted::AtLeast(least) => format!("{}, and the least is {least}: raise it", is()),
        Wanted::AtMost(most) => format!("{}, and the most is {most}: lower it", is()),
        Wanted::NoShorter(least) => match size(&value) {
            (0, _) => "is empty: give it a value, or leave the field out".to_owned(),
            (size, of) => format!("has {size} {of}, and the least is {least}: add to it"),
        },
        Wanted::NoLonger(most) => {
            let (size, of) = size(&value);
            format!("has {size} {of}, and the most is {most}: shorten it")
        }
        Wanted::Present if found.is_some() => "is empty: give it a value".to_owned(),
        Wanted::Present => "is missing: add it".to_owned(),
        Wanted::Once => "is the same as an item before it: leave one of them out".to_owned(),
        Wanted::Rule(message) => message.clone(),
    }
}

/// How many, and of what.
fn size(value: &Value) -> (usize, &'static str) {
    let (size, one, many) = match value {
        Value::Array(items) => (items.len(), "item", "items"),
        Value::Object(fields) => (fields.len(), "field", "fields"),
        other => {
            let text = other.as_str().unwrap_or_default();
            (text.chars().count(), "character", "characters")
        }
    };
    (size, if size == 1 { one } else { many })
}

/// What a value is.
fn is(value: &Value) -> String {
    match value {
        Value::Null => "is empty".to_owned(),
        Value::Bool(flag) => format!("is {flag}"),
        Value::Number(number) => format!("is the number {number}"),
        Value::String(text) => format!("is the text {}", shown(text)),
        Value::Array(_) => "is a list".to_owned(),
        Value::Object(_) => "is a mapping".to_owned(),
    }
}

fn is_short(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => other.to_string(),
    }
}

/// A text in quotes, the beginning of a long one.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// What is wanted, and how to come to it.
fn of_type(wanted: &str, value: &Value) -> (&'static str, String) {
    let noun = match wanted {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "integer or string" => "a whole number or a text",
        _ => "a number",
    };
    let cure = match (wanted, value) {
        ("string", Value::Number(_) | Value::Bool(_)) => "put it in quotes".to_owned(),
        ("string", Value::Array(items)) if items.len() == 1 => {
            "write it alone, not as a list".to_owned()
        }
        ("integer" | "number", Value::String(text)) if text.parse::<f64>().is_ok() => {
            "take the quotes away".to_owned()
        }
        ("integer" | "number", Value::String(text)) if text.ends_with('%') => {
            "only spec.batchSize takes a percentage; write a number".to_owned()
        }
        ("boolean", Value::String(text)) => match text.to_lowercase().as_str() {
            "true" | "false" => "take the quotes away".to_owned(),
            _ => "write true or false".to_owned(),
        },
        ("object", Value::Array(_)) => "take the dashes away".to_owned(),
        ("object", _) => "write its fields below it, further to the right".to_owned(),
        ("array", Value::Object(_)) => "begin each item with a dash".to_owned(),
        ("array", _) => "write its items below it, each after a dash".to_owned(),
        _ => format!("write {noun}"),
    };
    (noun, cure)
}

fn one_of(value: &Value, words: &[Value]) -> String {
    let texts: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    let given = value.as_str().unwrap_or_default();
    let near = nearest(given, texts.iter().copied());
    let cure = match near.or_else(|| containing(given, texts.iter().copied())) {
        Some(word) => format!("write {word}"),
        None => "use one of them".to_owned(),
    };
    format!(
        "{} is none of {}: {cure}",
        is_short(value),
        texts.join(", ")
    )
}

/// A field that begins a message, and the rest of it.
pub fn field_before(message: &str) -> Option<(&str, &str)> {
    let (field, rest) = message.split_once(' ')?;
    let field = field.strip_suffix(':').unwrap_or(field);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    (field.starts_with("spec.") && field.chars().all(plain)).then_some((field, rest))
}

/// The fields that a message names.
pub fn named(message: &str) -> impl Iterator<Item = &str> {
    let outside = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    let words = message
        .split(outside)
        .map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.starts_with("spec."))
}
