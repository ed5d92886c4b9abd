//! The result of a run, put on record when it is known.

use ess_rollout_api::v1alpha1::{
    ActionState, Outcome, Restore, RollingUpdateTaskStatus, TaskResult, Verb, condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::decision::{Draft, Drafted, Next};
use super::report::Phase;
use super::requests::{close, thaw};
use crate::task::conditions::shorten;
use crate::task::display::Value;
use crate::task::reason::Reason;

/// Reason of a result: the deletion could not wait for what may be under way.
pub(super) const ABANDONED: Reason = Reason::Abandoned;

/// Records how it ended. The group is looked after from the next step on.
pub(super) fn begin(
    ctx: &Context<'_>,
    mut status: Draft,
    outcome: Outcome,
    reason: Reason,
    message: &str,
) -> Drafted {
    status.pause = None;
    thaw::hand_on(&mut status);
    // Nothing is sent any more.
    if let Some(intent) = status.start.as_mut() {
        intent.scripts = None;
    }
    status.result = Some(TaskResult {
        outcome,
        reason: reason.into(),
        message: shorten(message, 2048),
        time: Time(ctx.now()),
        read_back: None,
        end_unseen: reason == ABANDONED,
    });
    let doing = format!("{message}; the scaling group is being put back and read back");
    status.show(Phase::Restoring, reason, &doing);
    ctx.decide(status, Next::Now)
}

/// The end of a task whose deletion could not wait for what may be under way.
pub(super) fn abandon(ctx: &Context<'_>, status: Draft, message: &str) -> Drafted {
    begin(ctx, status, Outcome::Cancelled, ABANDONED, message)
}

/// Records the end of a task that never touched the group. What it was to put back after another run is
/// put back first.
pub(super) fn nothing_ran(
    ctx: &Context<'_>,
    status: Draft,
    outcome: Outcome,
    reason: Reason,
    message: &str,
) -> Drafted {
    let inherits = ctx.holds() && ctx.inherits_baseline() && status.plan.is_some();
    let mut decision = begin(ctx, status, outcome, reason, message);
    if inherits {
        return decision;
    }
    decision.status.restore = Some(Restore {
        done: true,
        ..Restore::default()
    });
    let status = &mut decision.status;
    cancelled(ctx, status);
    let message = "nothing was started";
    status.set(
        condition::RESTORED,
        Value::True,
        Reason::NothingChanged,
        message,
    );
    status.set(condition::VERIFIED, Value::Unknown, Reason::NothingRan, "");
    show_result(status);
    decision
}

/// Ends every open request to cancel the task: it is being cancelled.
pub(super) fn cancelled(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let (verb, state, reason) = (Verb::Cancel, ActionState::Applied, Reason::Cancelled);
    close::resolve_all(ctx, status, verb, state, reason, "");
}

pub(super) fn show_result(status: &mut Draft) {
    if let Some(result) = status.result.clone() {
        let phase = match result.outcome {
            Outcome::Succeeded => Phase::Succeeded,
            Outcome::Failed => Phase::Failed,
            Outcome::Cancelled => Phase::Cancelled,
        };
        status.show(phase, Reason::recorded(&result.reason), &result.message);
    }
}

pub(super) fn went_well(status: &RollingUpdateTaskStatus) -> bool {
    let result = status.result.as_ref();
    result.is_some_and(|result| result.outcome == Outcome::Succeeded)
}
