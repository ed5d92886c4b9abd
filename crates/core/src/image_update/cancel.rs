//! Ending a run before its time.

use ess_rollout_api::v1alpha1::{
    ActionState, ConcurrencyPolicy, ImageUpdateTaskStatus, RunCancellation, RunOutcome, Verb,
};
use ess_rollout_cloud::ErrorClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::report::{self, Phase};
use super::{Draft, Drafted, due, ending, requests};
use crate::task::cancel::{self, Calls};
use crate::task::conditions::shorten;
use crate::task::decision::Next;
use crate::task::ledger;
use crate::task::reason::Reason;

/// The cancellation that is wanted of the run under way, if one is. What was once begun is brought to
/// its end under the name that it began with.
pub(super) fn wanted(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> Option<RunCancellation> {
    let run = status.active.as_ref()?;
    if let Some(cancellation) = &run.cancellation {
        return Some(cancellation.clone());
    }
    let is_due = |timetable| {
        let times = due::open_times(ctx, status, &timetable);
        due::wanted(ctx, status, &timetable, &times).is_some()
    };
    let replaces = || {
        ctx.spec.concurrency_policy == ConcurrencyPolicy::Replace
            && due::timetable(ctx.spec, status).is_ok_and(is_due)
    };
    // Somebody deleted the record, and another object took the group before this one saw it.
    if let Some(holder) = ctx.held_by_other() {
        let message = format!(
            "{} {}/{} has taken the scaling group meanwhile",
            holder.kind, holder.namespace, holder.name
        );
        return Some(new(ctx, Reason::ScalingGroupLost, &message));
    }
    let (reason, message) = if ctx.deleting.is_some() {
        (Reason::Deletion, "the task was deleted")
    } else if ledger::open(&status.actions, Verb::Cancel).is_some() {
        (Reason::Cancelled, "it was cancelled on request")
    } else if replaces() {
        let message = "another run is due, and spec.concurrencyPolicy is Replace";
        (Reason::Replaced, message)
    } else {
        return None;
    };
    Some(new(ctx, reason, message))
}

/// A cancellation from now on.
pub(super) fn new(ctx: &Context<'_>, reason: Reason, message: &str) -> RunCancellation {
    RunCancellation {
        time: Time(ctx.now()),
        reason: reason.into(),
        message: shorten(message, 512),
        last_call_time: None,
        retry_time: None,
        failures: 0,
        missing_since: None,
    }
}

/// Ends the execution, by the rules of [`crate::task::cancel`]. `listed`: OOS still shows it, or it is not known whether it
/// does.
pub(super) fn cancel(
    ctx: &Context<'_>,
    mut status: Draft,
    mut cancellation: RunCancellation,
    listed: bool,
) -> Drafted {
    let run = status.active.as_ref();
    let execution = run.and_then(|run| run.execution.as_ref());
    let (id, waits) = (execution.map(|e| e.id.clone()), ctx.waits());
    let id = id.unwrap_or_default();
    let answer = cancel::answer(ctx.input.outcome, &id);
    let mut next = waits.recheck();
    match answer {
        Some(Ok(_)) => {
            let applied = (Verb::Cancel, ActionState::Applied);
            requests::resolve(ctx, &mut status, applied, Reason::Cancelled, "");
            next = waits.soon();
        }
        Some(Err(error)) if error.class == ErrorClass::NotFound && !listed => {
            let Some(wait) = cancel::missing(&waits, &mut cancellation.missing_since) else {
                let message = cancel::gone(&id, error);
                let end = (RunOutcome::Cancelled, Reason::ExecutionGone, &*message);
                return ending::begin(ctx, status, end);
            };
            let (reason, message) = cancel::not_listed(&id);
            set(&mut status, cancellation);
            status.show(Phase::Cancelling, reason, &message);
            return ctx.decide(status, wait);
        }
        Some(Err(error)) => {
            calls(&mut cancellation).failed(&waits, error);
            next = waits.after(error);
            if error.needs_person() {
                set(&mut status, cancellation);
                report::failed(&mut status, error);
                return ctx.decide(status, next);
            }
        }
        None if status.call_refused.is_some() => next = waits.poll(),
        None => {}
    }
    let call = answer.is_none() && calls(&mut cancellation).send_if_due(&waits);
    next = calls(&mut cancellation).wait(&waits, next);
    let message = format!(
        "execution {id} is being cancelled: {}{}",
        cancellation.message,
        cancel::tries(cancellation.failures)
    );
    let reason = cancellation.reason.clone();
    set(&mut status, cancellation);
    status.show_unless_refused(Phase::Cancelling, Reason::recorded(&reason), &message);
    let mut decision = ctx.decide(status, if call { Next::Now } else { next });
    decision.work = call.then(|| cancel::work(id));
    decision
}

fn calls(cancellation: &mut RunCancellation) -> Calls<'_> {
    Calls {
        last: &mut cancellation.last_call_time,
        retry: &mut cancellation.retry_time,
        failures: &mut cancellation.failures,
    }
}

fn set(status: &mut ImageUpdateTaskStatus, cancellation: RunCancellation) {
    if let Some(run) = &mut status.active {
        run.cancellation = Some(cancellation);
    }
}
