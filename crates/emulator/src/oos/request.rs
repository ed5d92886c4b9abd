//! Reading the parameters of a request to OOS, with the errors that it gives for bad ones.

use serde_json::Value;

use crate::error::ApiError;
use crate::params::Params;

/// A refusal of one request parameter.
pub(super) fn bad_parameter(name: &str, reason: &str) -> ApiError {
    ApiError::new(
        400,
        "InvalidParameter",
        format!("The parameter {name} is invalid: {reason}."),
    )
}

/// A request parameter as text; numbers and booleans are spelled out, the empty text is none.
pub(super) fn optional_text(params: &Params, name: &str) -> Result<Option<String>, ApiError> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(bad_parameter(name, "must be a text")),
    }
}

pub(super) fn required_text(params: &Params, name: &str) -> Result<String, ApiError> {
    optional_text(params, name)?.ok_or_else(|| {
        ApiError::new(
            400,
            "MissingParameter",
            format!("{name} is mandatory for this action."),
        )
    })
}

/// A parameter that holds JSON text, or already the value it spells.
pub(super) fn json_parameter(params: &Params, name: &str) -> Result<Option<Value>, ApiError> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => serde_json::from_str(text)
            .map(Some)
            .map_err(|e| bad_parameter(name, &format!("is not valid JSON: {e}"))),
        Some(other) => Ok(Some(other.clone())),
    }
}
