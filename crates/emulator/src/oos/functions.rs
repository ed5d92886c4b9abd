//! The `Fn::` functions of the template language.

mod lists;
#[cfg(test)]
pub(super) use lists::calculate_batch;
mod text;
mod times;

use serde_json::{Map, Value, json};

use super::expr::Scope;
use super::jq;
use super::parameters::same;

/// The function call that an object stands for: a single key that begins with `Fn::`.
pub(super) fn call_in(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    if map.len() != 1 {
        return None;
    }
    let (key, argument) = map.iter().next()?;
    Some((key.strip_prefix("Fn::")?, argument))
}

/// Applies function `name` (without `Fn::`) to its resolved argument.
pub(super) fn apply(name: &str, argument: Value, scope: &Scope<'_>) -> Result<Value, String> {
    let result = match name {
        "Equals" | "If" | "Not" | "And" | "Or" => logic(name, &argument),
        "Jq" => run_jq(&argument),
        "CalculateBatch" => lists::calculate_batch(&argument, scope.split),
        "AddHour" | "FormatUTCTime" | "DurationBetween" | "CalculateTimeByOpsWindow" => {
            times::apply(name, &argument, scope.now)
        }
        "Join" | "Split" | "Replace" | "Sub" | "Base64Encode" | "Base64Decode" | "Escape"
        | "IsIpInCIDR" | "Eval" => text::apply(name, &argument),
        _ => lists::apply(name, &argument),
    };
    result.map_err(|e| format!("Fn::{name}: {e}"))
}

/// The argument as exactly `N` positional values.
fn positional<const N: usize>(argument: &Value) -> Result<[&Value; N], String> {
    argument
        .as_array()
        .and_then(|list| list.iter().collect::<Vec<_>>().try_into().ok())
        .ok_or_else(|| format!("takes a list of {N} arguments"))
}

fn as_list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| {
        format!(
            "{} is not a list",
            super::parameters::shorten(&value.to_string())
        )
    })
}

fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err("a text is needed, not a list or an object".to_owned()),
    }
}

fn as_number(value: &Value) -> Result<f64, String> {
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
fn number(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 9e15 {
        json!(x as i64)
    } else {
        json!(x)
    }
}

/// What counts as true in `When`, `Fn::If` and their kind.
pub(super) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(format!(
            "{} is neither true nor false",
            super::parameters::shorten(&other.to_string())
        )),
    }
}

fn logic(name: &str, argument: &Value) -> Result<Value, String> {
    match name {
        "Equals" => {
            let list = as_list(argument)?;
            if list.len() < 2 {
                return Err("takes at least two values".to_owned());
            }
            Ok(json!(list.windows(2).all(|pair| same(&pair[0], &pair[1]))))
        }
        "If" => {
            let [condition, yes, no] = positional(argument)?;
            Ok(if truth(condition)? { yes } else { no }.clone())
        }
        "Not" => {
            let inner = match argument {
                Value::Array(list) if list.len() == 1 => &list[0],
                other => other,
            };
            Ok(json!(!truth(inner)?))
        }
        _ => {
            let mut result = name == "And";
            for value in as_list(argument)? {
                let value = truth(value)?;
                result = if name == "And" {
                    result && value
                } else {
                    result || value
                };
            }
            Ok(json!(result))
        }
    }
}

/// `Fn::Jq: [All | First, program, input]`.
fn run_jq(argument: &Value) -> Result<Value, String> {
    let [mode, program, input] = positional(argument)?;
    let program = as_text(program)?;
    let mut outputs = jq::run(&program, input)?;
    match mode.as_str() {
        Some("All") => Ok(Value::Array(outputs)),
        Some("First") => Ok(if outputs.is_empty() {
            Value::Null
        } else {
            outputs.swap_remove(0)
        }),
        _ => Err("the first argument must be All or First".to_owned()),
    }
}
