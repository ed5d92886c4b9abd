//! What is shown of an execution that is in progress.

use ess_rollout_api::v1alpha1::{InstanceState, PauseKind, RollingUpdateTaskStatus};
use jiff::{SignedDuration, Timestamp};

use super::approval;
use crate::rollout::context::Context;
use crate::rollout::decision::Draft;
use crate::rollout::report::Phase;
use crate::task::ledger;

/// Since when nothing has moved, if that is longer than `spec.progressDeadlineSeconds` and it is
/// not a person who is waited for.
fn stands_still(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<Timestamp> {
    let deadline = SignedDuration::from_secs(ctx.spec.policy.progress_deadline_seconds?.into());
    if status.pause.is_some() {
        return None;
    }
    let moved = [
        status.progress_time.as_ref().map(|time| time.0),
        status.start.as_ref().map(|intent| intent.time.0),
        status.resumed_time.as_ref().map(|time| time.0),
    ];
    let since = moved.into_iter().flatten().max()?;
    (ctx.now() >= since + deadline).then_some(since)
}

pub(in crate::rollout) fn show_progress(ctx: &Context<'_>, status: &mut Draft) {
    let (phase, reason, message) = match &status.pause {
        None => match stands_still(ctx, status) {
            None => (Phase::Running, "Running", in_progress(status)),
            Some(since) => (
                Phase::StandingStill,
                "ProgressDeadlineExceeded",
                format!(
                    "nothing has moved since {since}: look at the execution in the OOS console"
                ),
            ),
        },
        Some(pause) => {
            let (phase, reason) = match pause.kind {
                PauseKind::Batch => (Phase::BatchSuspended, "BatchSuspended"),
                PauseKind::Failure => (Phase::FailureSuspended, "FailurePaused"),
                PauseKind::Approval => (Phase::ApprovalSuspended, "ApprovalNeeded"),
                PauseKind::Unknown => (Phase::Suspended, "Suspended"),
            };
            (phase, reason, pause.message.clone())
        }
    };
    if approval::is_under_way(status) || ledger::is_calling(&status.actions) {
        status.show_unless_refused(phase, reason, &message);
    } else {
        status.show(phase, reason, &message);
    }
}

/// With what the first instance that takes long waits for, if anything is wrong with it.
fn in_progress(status: &RollingUpdateTaskStatus) -> String {
    let mut message = "the execution is in progress".to_owned();
    let mut updating = status.instances.iter();
    let stuck = updating.find_map(|instance| {
        let waits = &instance.message;
        let stuck = instance.state == InstanceState::Updating && !waits.is_empty();
        stuck.then(|| format!("; {}: {waits}", instance.id))
    });
    message.extend(stuck);
    message
}
