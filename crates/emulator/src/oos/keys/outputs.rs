//! What an output of a task or a template may say (OOS help on tasks and on template outputs).

use serde_json::{Map, Value};

use crate::oos::parameters::Kind;
use crate::oos::template::only;

const OUTPUT: &[&str] = &["Type", "Value", "Description", "Label"];
/// There is an answer to select from.
const SELECTED: &[&str] = &["ValueSelector"];

/// An output of a task: what a selector finds in its answer, or a value.
pub(super) fn output_of_task(output: &Value, place: &str) -> Result<(), String> {
    let map = declaration(output, &[OUTPUT, SELECTED], place)?;
    let is_given = |key: &str| map.get(key).is_some_and(|value| !value.is_null());
    if is_given("Value") && is_given("ValueSelector") {
        return Err(format!(
            "Value and ValueSelector of {place} exclude each other"
        ));
    }
    Ok(())
}

/// An output of a template: a value, without which it would always be null.
pub(super) fn output_of_template(output: &Value, place: &str) -> Result<(), String> {
    let map = declaration(output, &[OUTPUT], place)?;
    match map.get("Value").is_some_and(|value| !value.is_null()) {
        true => Ok(()),
        false => Err(format!("Value of {place} is missing")),
    }
}

fn declaration<'o>(
    output: &'o Value,
    known: &[&[&str]],
    place: &str,
) -> Result<&'o Map<String, Value>, String> {
    let Value::Object(map) = output else {
        return Err(format!("{place} is not an object"));
    };
    only(map, known, place)?;
    for key in ["Type", "ValueSelector"] {
        if map.get(key).is_some_and(|v| !v.is_null() && !v.is_string()) {
            return Err(format!("{key} of {place} must be a text"));
        }
    }
    match map.get("Type").and_then(Value::as_str) {
        Some(kind) if Kind::parse(kind).is_none() => {
            Err(format!("{place} has the unknown type {kind:?}"))
        }
        _ => Ok(map),
    }
}
