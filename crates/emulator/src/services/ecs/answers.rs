//! What the answers of several actions have in common.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::model::{Instance, Resources};

pub(super) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn no_instance() -> ApiError {
    ApiError::new(
        404,
        "InvalidInstanceId.NotFound",
        "The specified InstanceId does not exist.",
    )
}

/// The instance that a call names, if it is in the caller's account and in the region.
pub(super) fn instance<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a Instance, ApiError> {
    resources
        .instances
        .get(id)
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .ok_or_else(no_instance)
}

/// Whether a filter, if there is one, is what something has.
pub(super) fn wanted(filter: &Option<String>, own: &str) -> bool {
    filter.as_ref().is_none_or(|filter| filter == own)
}

/// A text of so many characters, if it is given. Names and descriptions of ECS have bounds.
pub(super) fn text_of(
    args: Args<'_>,
    name: &str,
    least: usize,
    most: usize,
) -> Result<Option<String>, ApiError> {
    let text = args.text(name);
    match text.as_ref().map(|text| text.chars().count()) {
        Some(count) if !(least..=most).contains(&count) => Err(invalid(
            name,
            &format!("it must have {least} to {most} characters"),
        )),
        _ => Ok(text),
    }
}

/// Tags in an answer.
pub(super) fn tag_rows(tags: &BTreeMap<String, String>) -> Value {
    let rows: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({ "TagKey": key, "TagValue": value }))
        .collect();
    json!({ "Tag": rows })
}

/// What a call puts into the fields that it names.
pub(super) fn put(into: &mut String, value: Option<String>) {
    if let Some(value) = value {
        *into = value;
    }
}

pub(super) fn wrong_disk_status() -> ApiError {
    ApiError::new(
        403,
        "IncorrectDiskStatus",
        "The current disk status does not support this operation.",
    )
}
