//! What is on record of the newest Approve.

use ess_rollout_api::v1alpha1::{ApproveAnswer, ApproveRecord, RollingUpdateTaskStatus};

/// The record of the newest Approve, if it was for this pause.
pub(super) fn of_pause(status: &RollingUpdateTaskStatus, pause: i32) -> Option<&ApproveRecord> {
    status
        .approve
        .as_ref()
        .filter(|record| record.pause == pause)
}

/// Whether an Approve of the pause on show is wanted and its effect not seen.
pub(super) fn is_under_way(status: &RollingUpdateTaskStatus) -> bool {
    let id = status.pause.as_ref().map(|pause| pause.id);
    let record = id.and_then(|id| of_pause(status, id));
    record.is_some_and(|r| matches!(r.answer, None | Some(ApproveAnswer::Failed)))
}
