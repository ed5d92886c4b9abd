//! What is shown of an execution that is in progress.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{InstanceState, PauseKind, RollingUpdateTaskStatus};
use jiff::{SignedDuration, Timestamp};

use super::approval;
use super::holds::{self, WaitsFor};
use crate::rollout::context::Context;
use crate::rollout::decision::Draft;
use crate::rollout::report::Phase;
use crate::task::ledger;
use crate::task::reason::Reason;

/// Since when nothing has moved, if that is longer than `spec.progressDeadlineSeconds` and it is
/// not a person who is waited for.
fn stands_still(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<Timestamp> {
    let (since, until) = progress_deadline(ctx, status)?;
    (ctx.now() >= until).then_some(since)
}

/// How long until it has stood still for too long, if it goes on like this. It is looked at then: where nothing moves,
/// nothing else tells of it.
pub(in crate::rollout) fn until_it_stands_still(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Duration> {
    let (_, until) = progress_deadline(ctx, status)?;
    (ctx.now() < until).then(|| ctx.waits().left(until))
}

/// Since when nothing has moved, and until when that is not reported; `None` where nothing is to be reported, or a person is
/// waited for.
fn progress_deadline(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<(Timestamp, Timestamp)> {
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
    Some((since, since + deadline))
}

pub(in crate::rollout) fn show_progress(ctx: &Context<'_>, status: &mut Draft) {
    let (phase, reason, message) = match &status.pause {
        None => match stands_still(ctx, status) {
            None => (Phase::Running, Reason::Running, in_progress(status)),
            Some(since) => (
                Phase::StandingStill,
                Reason::ProgressDeadlineExceeded,
                format!(
                    "nothing has moved since {since}: look at the execution in the OOS console"
                ),
            ),
        },
        Some(pause) => {
            let (phase, reason) = match pause.kind {
                PauseKind::Batch => match holds::waits_for(ctx, status, pause) {
                    WaitsFor::Nobody(why) => (Phase::BatchHeld, why),
                    WaitsFor::Person(why) => (Phase::BatchSuspended, why),
                },
                PauseKind::Failure => (Phase::FailureSuspended, Reason::FailurePaused),
                PauseKind::Approval => (Phase::ApprovalSuspended, Reason::ApprovalNeeded),
                PauseKind::Unknown => (Phase::Suspended, Reason::Suspended),
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
