//! The patches that clients send.

use json_patch::{Patch, PatchErrorKind};
use serde_json::Value;

use super::failure::Failure;
use ess_rollout_validation::Kind;

/// The object with a patch applied to it.
pub(super) fn apply(
    kind: &Kind,
    name: &str,
    object: &Value,
    media_type: &str,
    body: &[u8],
) -> Result<Value, Failure> {
    let malformed =
        |error: serde_json::Error| Failure::bad_request(format!("error decoding patch: {error}"));
    let mut patched = object.clone();
    match media_type {
        "application/merge-patch+json" => {
            let patch: Value = serde_json::from_slice(body).map_err(malformed)?;
            json_patch::merge(&mut patched, &patch);
        }
        "application/json-patch+json" => {
            let patch: Patch = serde_json::from_slice(body).map_err(malformed)?;
            json_patch::patch(&mut patched, &patch).map_err(|error| {
                let why = match error.kind {
                    PatchErrorKind::TestFailed => "testing value failed",
                    PatchErrorKind::InvalidPointer | PatchErrorKind::InvalidFromPointer => {
                        "a path does not exist"
                    }
                    _ => "it cannot be moved there",
                };
                // The real one answers 422 as well, with no field to blame.
                Failure::unprocessable(
                    kind,
                    name,
                    &format!(
                        "the server rejected our request due to an error in our request: {why}: {}",
                        error.path
                    ),
                )
            })?;
        }
        other => return Err(Failure::unsupported_media_type(other)),
    }
    if !patched.is_object() {
        return Err(Failure::bad_request("the patched object is no object"));
    }
    Ok(patched)
}
