//! Reading the parameters of a request to OOS, with the errors that it gives for bad ones.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::Value;

use crate::error::ApiError;
use crate::params::{self, Params};

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
    params::read(format_args!("{name}"));
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(bad_parameter(name, "must be a text")),
    }
}

pub(super) fn missing(name: &str) -> ApiError {
    ApiError::new(
        400,
        "MissingParameter",
        format!("{name} is mandatory for this action."),
    )
}

pub(super) fn required_text(params: &Params, name: &str) -> Result<String, ApiError> {
    optional_text(params, name)?.ok_or_else(|| missing(name))
}

/// A parameter that says yes or no.
pub(super) fn flag(params: &Params, name: &str) -> Result<Option<bool>, ApiError> {
    match optional_text(params, name)?.as_deref() {
        None => Ok(None),
        Some("true" | "True") => Ok(Some(true)),
        Some("false" | "False") => Ok(Some(false)),
        Some(_) => Err(bad_parameter(name, "must be true or false")),
    }
}

/// A parameter with a fixed set of values.
pub(super) fn one_of(
    params: &Params,
    name: &str,
    allowed: &[&str],
) -> Result<Option<String>, ApiError> {
    let given = optional_text(params, name)?;
    if given
        .as_deref()
        .is_some_and(|value| !allowed.contains(&value))
    {
        let reason = format!("must be one of {}", allowed.join(", "));
        return Err(bad_parameter(name, &reason));
    }
    Ok(given)
}

/// What executions and tasks can be listed by as their `Status` (API reference of ListExecutions).
pub(super) const STATUSES: &[&str] = &[
    "Running",
    "Started",
    "Success",
    "Failed",
    "Waiting",
    "Cancelled",
    "Pending",
    "Skipped",
];

/// What starts executions, as `Category` says it.
pub(super) const CATEGORIES: &[&str] = &["Other", "TimerTrigger", "EventTrigger", "AlarmTrigger"];

/// Who sees a template or a parameter.
pub(super) const SHARE_TYPES: &[&str] = &["Public", "Private"];

/// `Err` for a list of a parameter in which something is twice: one of the two would say nothing.
pub(super) fn each_once(name: &str, list: &[String]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|item| !seen.insert(*item)) {
        None => Ok(()),
        Some(item) => Err(bad_parameter(
            name,
            &format!("has {item} twice; leave one out"),
        )),
    }
}

/// A point in time.
pub(super) fn time(params: &Params, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = optional_text(params, name)? else {
        return Ok(None);
    };
    let time = text.parse();
    let bad = || bad_parameter(name, "must be like 2024-05-06T07:08:10Z");
    time.map(Some).map_err(|_| bad())
}

/// A parameter that holds JSON text, or already the value it spells.
pub(super) fn json_parameter(params: &Params, name: &str) -> Result<Option<Value>, ApiError> {
    params::read(format_args!("{name}"));
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => params::exact::read(text)
            .map(Some)
            .map_err(|e| bad_parameter(name, &format!("is not valid JSON: {e}"))),
        Some(other) => Ok(Some(other.clone())),
    }
}

/// A page of a list whose tokens are offsets.
pub(super) struct Page {
    start: usize,
    /// `MaxResults`.
    pub(super) size: usize,
}

impl Page {
    /// The page that a request asks for: 50 rows unless it says otherwise, within `sizes`.
    pub(super) fn of(params: &Params, sizes: RangeInclusive<usize>) -> Result<Self, ApiError> {
        let size = match optional_text(params, "MaxResults")? {
            None => 50,
            Some(text) => {
                let size = text.parse().ok().filter(|size| sizes.contains(size));
                let bounds = format!("must be {} to {}", sizes.start(), sizes.end());
                size.ok_or_else(|| bad_parameter("MaxResults", &bounds))?
            }
        };
        let start = match optional_text(params, "NextToken")? {
            None => 0,
            Some(text) => text
                .parse()
                .map_err(|_| bad_parameter("NextToken", "is not one that a list gave"))?,
        };
        Ok(Self { start, size })
    }

    /// Its rows, and the token of the next one.
    pub(super) fn cut<'r>(&self, rows: &'r [Value]) -> (&'r [Value], String) {
        let end = self.start.saturating_add(self.size).min(rows.len());
        let next = match end < rows.len() {
            true => end.to_string(),
            false => String::new(),
        };
        (rows.get(self.start..end).unwrap_or_default(), next)
    }
}
