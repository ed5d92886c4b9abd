//! What the answers of several actions have in common.

use jiff::Timestamp;

use crate::error::ApiError;
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
