//! What functions take and give.

use serde_json::{Value, json};

use crate::oos::cut::shorten;

/// The argument as exactly `N` positional values.
pub(super) fn positional<const N: usize>(argument: &Value) -> Result<[&Value; N], String> {
    argument
        .as_array()
        .and_then(|list| list.iter().collect::<Vec<_>>().try_into().ok())
        .ok_or_else(|| format!("takes a list of {N} arguments"))
}

pub(super) fn as_list(value: &Value) -> Result<&Vec<Value>, String> {
    value
        .as_array()
        .ok_or_else(|| format!("{} is not a list", shorten(&value.to_string())))
}

pub(super) fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err("a text is needed, not a list or an object".to_owned()),
    }
}

pub(super) fn as_number(value: &Value) -> Result<f64, String> {
    match value {
        Value::String(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("{text:?} is no number")),
        other => other
            .as_f64()
            .ok_or_else(|| format!("{other} is no number")),
    }
}

/// A number as JSON, whole where it is whole.
pub(super) fn number(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 9e15 {
        json!(x as i64)
    } else {
        json!(x)
    }
}
