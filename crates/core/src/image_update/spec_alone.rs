//! What can be said against a spec without the operator's settings, the cluster and the cloud.

use ess_rollout_api::v1alpha1::{ImageUpdateTaskSpec, ImageUpdateTaskStatus};
use jiff::Timestamp;

use super::due::{self, Timetable};
use super::idle::NEVER_DUE;
use super::preflight;
use crate::task::reason::Reason;
use crate::task::refusal::Refusal;
use crate::task::windows_of;
use crate::windows::Invalid;

/// What is refused of a task by its spec alone, if it is created now: its image's name, and a schedule that says nothing. Of a
/// region that is missing and of credentials nothing is said: that depends on the operator's settings.
pub fn check_spec(spec: &ImageUpdateTaskSpec, now: Timestamp) -> Option<Refusal> {
    if let Some(problem) = preflight::check_image(spec) {
        return Some(problem.into());
    }
    if let Err(Invalid { reason, message }) = windows_of::in_spec(spec.window.as_ref()) {
        return Some(Refusal { reason, message });
    }
    let (reason, message) = match due::timetable(spec, &ImageUpdateTaskStatus::default()) {
        Err(invalid) => (invalid.reason, invalid.message),
        Ok(Timetable::Scheduled(schedule)) if schedule.is_never_due(now) => {
            (Reason::NeverDue, NEVER_DUE.to_owned())
        }
        Ok(_) => return None,
    };
    Some(Refusal { reason, message })
}
