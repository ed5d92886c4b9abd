//! The instances, and the tasks of the execution itself, that a request is for.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{
    Action, ActionState, ActionTarget, InstanceRequest, InstanceState, RollingUpdateTaskStatus,
    Verb,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::task::conditions::shorten;
use crate::task::ledger;
use crate::task::reason::Reason;

/// How many instances settled requests keep their details of, newest first.
const DETAILS_MAX: usize = 200;

/// The most bytes of what is said of one instance (CRD: `status.actions[].instances[].message`).
pub(in crate::rollout) const MESSAGE_MAX: usize = 256;

/// The most bytes of an instance's id (CRD: `status.actions[].instances[].instance`).
pub(in crate::rollout) const INSTANCE_MAX: usize = 128;

/// The most bytes of a task execution's id.
pub(in crate::rollout) const TASK_ID_MAX: usize = 160;

/// An instance as `status.actions[].targets` names it: with its attempt, where there is one.
pub(in crate::rollout) fn name(target: &ActionTarget) -> String {
    match target.attempt {
        0 => target.instance.clone(),
        attempt => format!("{}/{attempt}", target.instance),
    }
}

/// Ends every open instance of a request in the same way.
pub(in crate::rollout) fn reject_open(
    ctx: &Context<'_>,
    action: &mut Action,
    reason: Reason,
    message: &str,
) {
    for one in &mut action.instances {
        if one.state == ActionState::Accepted {
            resolve_target(one, ActionState::Rejected, reason, message);
        }
    }
    resolve_if_done(ctx, action);
}

/// Ends a request of which every instance has ended. It is Applied if it was for one of them.
pub(in crate::rollout) fn resolve_if_done(ctx: &Context<'_>, action: &mut Action) {
    let open = action.state == ActionState::Accepted && !action.instances.is_empty();
    let all = &action.instances;
    if !open || all.iter().any(|one| one.state == ActionState::Accepted) {
        return;
    }
    let applied = all.iter().any(|one| one.state == ActionState::Applied);
    let reasons: BTreeSet<&str> = all.iter().map(|one| one.reason.as_str()).collect();
    let partly = applied && all.iter().any(|one| one.state == ActionState::Rejected);
    let reason = match reasons.first() {
        Some(reason) if reasons.len() == 1 => Reason::recorded(reason),
        _ if partly => Reason::PartlyApplied,
        _ if applied => word(action.verb),
        _ => Reason::Rejected,
    };
    let message = match all.as_slice() {
        [one] => one.message.clone(),
        all => {
            let rejected = all.iter().filter(|one| one.state == ActionState::Rejected);
            let each: Vec<String> = rejected
                .map(|one| format!("{}: {} ({})", name(one), one.reason, one.message))
                .collect();
            match (each.len(), partly) {
                (0, _) => format!("{} instances", all.len()),
                (_, false) => each.join("; "),
                (some, true) => format!("{some} of {} not: {}", all.len(), each.join("; ")),
            }
        }
    };
    let state = if applied {
        ActionState::Applied
    } else {
        ActionState::Rejected
    };
    ledger::resolve(action, state, reason, &message, ctx.now());
}

/// Keeps the ledger small: older settled requests keep what they came to, but not for each instance.
pub(in crate::rollout) fn forget_details(status: &mut RollingUpdateTaskStatus) {
    let mut room = DETAILS_MAX;
    for action in status.actions.iter_mut().rev() {
        if action.state != ActionState::Accepted {
            if action.instances.len() > room {
                // A call that may yet take effect keeps others away from its instance.
                let calling = |one: &ActionTarget| one.call.is_some();
                action.instances.retain(calling);
            }
            room = room.saturating_sub(action.instances.len());
        }
    }
}

pub(in crate::rollout) fn resolve_target(
    target: &mut ActionTarget,
    state: ActionState,
    reason: Reason,
    message: &str,
) {
    target.state = state;
    target.reason = reason.into();
    target.message = shorten(message, MESSAGE_MAX);
    // One that may yet take effect keeps others away from the instance until it cannot.
    target.call = target.call.take().filter(|call| call.unanswered);
}

/// Puts on record that a request was carried out on an instance.
pub(in crate::rollout) fn carried_out(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    instance: &str,
) {
    let found = status.instances.iter_mut().find(|i| i.id == instance);
    if let Some(instance) = found {
        let known = instance.request.as_ref();
        let known = known.is_some_and(|r| r.verb == verb && r.attempt == instance.attempt);
        if !known {
            instance.request = Some(InstanceRequest {
                verb,
                attempt: instance.attempt,
                time: Time(ctx.now()),
            });
        }
        match (verb, instance.state) {
            (_, InstanceState::Pending) | (Verb::Cancel | Verb::Continue | Verb::RunNow, _) => {}
            (Verb::Retry, _) => instance.state = InstanceState::Updating,
            (Verb::Skip, _) if instance.state.is_final() => instance.state = InstanceState::Skipped,
            (Verb::CancelInstances, _) if instance.state.is_final() => {
                instance.state = InstanceState::Cancelled;
            }
            (Verb::Skip | Verb::CancelInstances, _) => {}
        }
    }
}

/// What a verb has done to an instance, in one CamelCase word.
pub(in crate::rollout) fn word(verb: Verb) -> Reason {
    match verb {
        Verb::Retry => Reason::Retried,
        Verb::Skip => Reason::Skipped,
        Verb::CancelInstances => Reason::Cancelled,
        Verb::Continue => Reason::Continued,
        Verb::Cancel => Reason::Cancelled,
        Verb::RunNow => Reason::Started,
    }
}
