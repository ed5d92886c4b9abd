//! How requests end.

use ess_rollout_api::v1alpha1::{Action, ActionState, Outcome, RollingUpdateTaskStatus, Verb};

use super::targets;
use crate::rollout::context::Context;
use crate::task::ledger;
use crate::task::reason::Reason;

/// Ends a request.
pub(in crate::rollout) fn resolve(
    ctx: &Context<'_>,
    action: &mut Action,
    state: ActionState,
    reason: Reason,
    message: &str,
) {
    ledger::resolve(action, state, reason, message, ctx.now());
}

/// Ends every open request of a verb.
pub(in crate::rollout) fn resolve_all(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    state: ActionState,
    reason: Reason,
    message: &str,
) {
    ledger::resolve_all(&mut status.actions, verb, state, reason, message, ctx.now());
}

/// Ends what is still open where nothing more will be done: every accepted request ends.
pub(in crate::rollout) fn close(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    use ActionState::{Applied, Rejected};
    let result = status.result.as_ref().map(|result| result.outcome);
    let cancelled = result == Some(Outcome::Cancelled);
    let (reason, message) = match result {
        None if status.cancellation.is_none() => return,
        None => (Reason::Superseded, "the task is being cancelled"),
        Some(_) if cancelled => (Reason::Superseded, "the task was cancelled"),
        Some(_) => (Reason::TaskFinished, "the task has ended"),
    };
    reject_open(ctx, status, reason, message);
    if cancelled {
        resolve_all(ctx, status, Verb::Cancel, Applied, Reason::Cancelled, "");
    } else if result.is_some() {
        resolve_all(ctx, status, Verb::Cancel, Rejected, reason, message);
    }
}

/// Rejects every open request but those to cancel the task.
pub(in crate::rollout) fn reject_open(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    reason: Reason,
    message: &str,
) {
    for action in &mut status.actions {
        if action.state != ActionState::Accepted || action.verb == Verb::Cancel {
            continue;
        }
        if action.instances.is_empty() {
            resolve(ctx, action, ActionState::Rejected, reason, message);
            continue;
        }
        let instances = action.instances.iter_mut();
        for one in instances.filter(|one| one.state == ActionState::Accepted) {
            targets::resolve_target(one, ActionState::Rejected, reason, message);
        }
        targets::resolve_if_done(ctx, action);
    }
}
