//! The `Fn::` functions of the template language.

mod arguments;
mod lists;
#[cfg(test)]
pub(super) use lists::calculate_batch;
mod text;
mod times;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cut::shorten;
use super::jq;
use super::parameters::same;
use super::switches::BatchSplit;
use arguments::{as_list, as_text, positional};

/// All functions, without `Fn::`.
pub(super) const NAMES: &[&str] = &[
    "AddHour",
    "And",
    "Base64Decode",
    "Base64Encode",
    "CalculateBatch",
    "CalculateTimeByOpsWindow",
    "ContainsSubString",
    "ConvertMapToList",
    "Difference",
    "DurationBetween",
    "Equals",
    "Escape",
    "Eval",
    "FindMatchedPackage",
    "First",
    "FormatUTCTime",
    "If",
    "Intersection",
    "IsIpInCIDR",
    "Join",
    "Jq",
    "Last",
    "ListJoin",
    "MapJoin",
    "Max",
    "MergeList",
    "MergeMap",
    "MergeMapToList",
    "Min",
    "Not",
    "Or",
    "RangeSelect",
    "Replace",
    "Select",
    "Split",
    "Sub",
    "Union",
];

/// Those that OOS has and that are not carried out: what they do exactly is not documented.
pub(super) const UNSUPPORTED: &[&str] = &["CalculateTimeByOpsWindow", "FindMatchedPackage"];

/// Applies function `name` (without `Fn::`) to its resolved argument.
pub(super) fn apply(
    name: &str,
    argument: Value,
    now: Timestamp,
    split: BatchSplit,
) -> Result<Value, String> {
    let result = match name {
        "Equals" | "If" | "Not" | "And" | "Or" => logic(name, &argument),
        "Jq" => run_jq(&argument),
        "CalculateBatch" => lists::calculate_batch(&argument, split),
        "AddHour" | "FormatUTCTime" | "DurationBetween" | "CalculateTimeByOpsWindow" => {
            times::apply(name, &argument, now)
        }
        "FindMatchedPackage" => Err("is not supported".to_owned()),
        "ContainsSubString" | "Join" | "Split" | "Replace" | "Sub" | "Base64Encode"
        | "Base64Decode" | "Escape" | "IsIpInCIDR" | "Eval" => text::apply(name, &argument),
        _ => lists::apply(name, &argument),
    };
    result.map_err(|e| format!("Fn::{name}: {e}"))
}

/// What counts as true in `When`, `Fn::If` and their kind.
pub(super) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(format!(
            "{} is neither true nor false",
            shorten(&other.to_string())
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
