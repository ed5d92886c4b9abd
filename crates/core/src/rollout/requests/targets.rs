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
pub(super) const MESSAGE_MAX: usize = 256;

/// The most bytes of an instance's id (CRD: `status.actions[].instances[].instance`).
pub(super) const INSTANCE_MAX: usize = 128;

/// The most bytes of a task execution's id.
pub(super) const TASK_ID_MAX: usize = 160;

/// An instance as `status.actions[].targets` names it: with its attempt, where there is one.
pub(super) fn name(target: &ActionTarget) -> String {
    match target.attempt {
        0 => target.instance.clone(),
        attempt => format!("{}/{attempt}", target.instance),
    }
}

/// Ends a request of which every instance has ended. It is Applied if it was for one of them.
pub(super) fn resolve_if_done(ctx: &Context<'_>, action: &mut Action) {
    use ActionState::{Accepted, Applied, Rejected};
    let all = &action.instances;
    let any = |state| all.iter().any(|one| one.state == state);
    if action.state != Accepted || all.is_empty() || any(Accepted) {
        return;
    }
    let (applied, partly) = (any(Applied), any(Applied) && any(Rejected));
    let reasons: BTreeSet<&str> = all.iter().map(|one| one.reason.as_str()).collect();
    let reason = match reasons.first() {
        Some(reason) if reasons.len() == 1 => Reason::recorded(reason),
        _ if partly => Reason::PartlyApplied,
        _ if applied => word(action.verb),
        _ => Reason::Rejected,
    };
    let message = match all.as_slice() {
        [one] => one.message.clone(),
        all => {
            let rejected = all.iter().filter(|one| one.state == Rejected);
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
    let state = if applied { Applied } else { Rejected };
    ledger::resolve(action, state, reason, &message, ctx.now());
}

/// Keeps the ledger small: older settled requests keep what they came to, but not for each instance.
pub(super) fn forget_details(status: &mut RollingUpdateTaskStatus) {
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

pub(super) fn resolve_target(
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
pub(super) fn carried_out(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    instance: &str,
) {
    let mut all = status.instances.iter_mut();
    let Some(instance) = all.find(|i| i.id == instance) else {
        return;
    };
    let known = instance.request.as_ref();
    if known.is_none_or(|r| r.verb != verb || r.attempt != instance.attempt) {
        instance.request = Some(InstanceRequest {
            verb,
            attempt: instance.attempt,
            time: Time(ctx.now()),
        });
    }
    instance.state = match (verb, instance.state) {
        (Verb::Retry, state) if state != InstanceState::Pending => InstanceState::Updating,
        (Verb::Skip, state) if state.is_final() => InstanceState::Skipped,
        (Verb::CancelInstances, state) if state.is_final() => InstanceState::Cancelled,
        (_, state) => state,
    };
}

/// What a verb has done to an instance, in one CamelCase word.
pub(super) fn word(verb: Verb) -> Reason {
    match verb {
        Verb::Retry | Verb::RetryGate => Reason::Retried,
        Verb::Skip => Reason::Skipped,
        Verb::CancelInstances | Verb::Cancel => Reason::Cancelled,
        Verb::Continue => Reason::Continued,
        Verb::RunNow => Reason::Started,
        Verb::OverrideWindow => Reason::Overridden,
    }
}
