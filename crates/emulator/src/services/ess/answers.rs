//! What the answers of several actions have in common: lists, times, pages, and what is not found.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::call::{Call, EssVersion};
use crate::state::model::{Group, Resources};

/// A list in an answer: wrapped in 2014, plain in 2022.
pub(super) fn list(version: EssVersion, singular: &str, items: Vec<Value>) -> Value {
    match version {
        EssVersion::V2014 => json!({ singular: items }),
        EssVersion::V2022 => Value::Array(items),
    }
}

/// A list of texts that the 2022 version gives as null when it is empty.
pub(super) fn list_or_null(version: EssVersion, singular: &str, items: Vec<Value>) -> Value {
    match version {
        EssVersion::V2022 if items.is_empty() => Value::Null,
        _ => list(version, singular, items),
    }
}

/// Minutes, as the older fields of ESS have them.
pub(super) fn minutes(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

pub(super) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The group that a call names, if it is in the caller's account and in the region.
pub(super) fn group<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a Group, ApiError> {
    resources
        .groups
        .get(id)
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .ok_or_else(|| no_group(id))
}

pub(super) fn no_group(id: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidScalingGroupId.NotFound",
        format!("The specified scaling group {id} does not exist."),
    )
}

pub(super) fn no_instance(id: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidInstanceId.NotFound",
        format!("Instance \"{id}\" does not exist."),
    )
}

pub(super) fn index(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The token of the page after this one; empty when there is none.
pub(super) fn next(skip: usize, take: usize, total: usize) -> String {
    let next = skip.saturating_add(take);
    match next < total {
        true => next.to_string(),
        false => String::new(),
    }
}
