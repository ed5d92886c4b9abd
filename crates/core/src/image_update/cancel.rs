//! Ending a run before its time.

use ess_rollout_api::v1alpha1::{
    ActionState, ConcurrencyPolicy, ImageUpdateTaskStatus, RunCancellation, RunOutcome, Verb,
};
use ess_rollout_cloud::{CloudError, ErrorClass, Mutation, Outcome as Effect};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::report::{self, Phase};
use super::{Decision, due, ending, requests};
use crate::task::cloud_failure::is_refused;
use crate::task::conditions::shorten;
use crate::task::decision::{Next, Work};
use crate::task::ledger;

/// Reason of a cancellation: the image did not come to be.
pub(super) const IMAGE_CREATION_FAILED: &str = "ImageCreationFailed";

/// The cancellation that is wanted of the run under way, if one is. What was once begun is brought to
/// its end under the name that it began with.
pub(super) fn wanted(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> Option<RunCancellation> {
    let run = status.active.as_ref()?;
    if let Some(cancellation) = &run.cancellation {
        return Some(cancellation.clone());
    }
    let replaces = || {
        ctx.spec.concurrency_policy == ConcurrencyPolicy::Replace
            && due::timetable(ctx.spec, status).is_ok_and(|timetable| {
                let times = due::open_times(ctx, status, &timetable);
                due::wanted(ctx, status, &timetable, &times).is_some()
            })
    };
    // Somebody deleted the record, and another object took the group before this one saw it.
    if let Some(holder) = ctx.held_by_other() {
        let message = format!(
            "{} {}/{} has taken the scaling group meanwhile",
            holder.kind, holder.namespace, holder.name
        );
        return Some(new(ctx, "ScalingGroupLost", &message));
    }
    let (reason, message) = if ctx.deleting.is_some() {
        ("Deletion", "the task was deleted")
    } else if ledger::open(&status.actions, Verb::Cancel).is_some() {
        ("Cancelled", "it was cancelled on request")
    } else if replaces() {
        (
            "Replaced",
            "another run is due, and spec.concurrencyPolicy is Replace",
        )
    } else {
        return None;
    };
    Some(new(ctx, reason, message))
}

/// A cancellation from now on.
pub(super) fn new(ctx: &Context<'_>, reason: &str, message: &str) -> RunCancellation {
    RunCancellation {
        time: Time(ctx.now()),
        reason: reason.to_owned(),
        message: shorten(message, 512),
        last_call_time: None,
        retry_time: None,
        failures: 0,
        missing_since: None,
    }
}

/// Ends the execution: on record first, then the call, again whenever the last one can no longer
/// take effect. CancelExecution is convergent. `listed`: OOS still shows the execution, or it is not
/// known whether it does.
pub(super) fn cancel(
    ctx: &Context<'_>,
    mut status: ImageUpdateTaskStatus,
    mut cancellation: RunCancellation,
    listed: bool,
) -> Decision {
    let run = status.active.as_ref();
    let execution = run.and_then(|run| run.execution.as_ref());
    let id = execution.map(|e| e.id.clone()).unwrap_or_default();
    let ours = ctx
        .input
        .outcome
        .filter(|o| matches!(o.mutation, Mutation::CancelExecution { .. }));
    let mut next = ctx.waits().recheck();
    match ours.map(|outcome| &outcome.result) {
        Some(Ok(_)) => {
            let (state, word) = (ActionState::Applied, "Cancelled");
            requests::settle(ctx, &mut status, Verb::Cancel, state, word, "");
            next = ctx.waits().soon();
        }
        Some(Err(error)) if error.class == ErrorClass::NotFound && !listed => {
            let missing = &mut cancellation.missing_since;
            let since = missing.get_or_insert(Time(ctx.now())).clone();
            if ctx.waits().settled_since(&since) {
                let message = format!(
                    "execution {id} is not known to OOS any more, and listed nowhere: {error}"
                );
                let outcome = RunOutcome::Cancelled;
                return ending::begin(ctx, status, outcome, "ExecutionGone", &message);
            }
            let message = format!(
                "OOS does not know execution {id}, and does not list it: it is looked for again before it is taken for gone"
            );
            set(&mut status, cancellation);
            let (phase, reason) = (Phase::Cancelling, "ExecutionNotListed");
            report::show(ctx, &mut status, phase, reason, &message);
            let wait = ctx.waits().settled_at(&since).duration_since(ctx.now());
            return ctx.decide(status, Next::After(wait.unsigned_abs()));
        }
        Some(Err(error)) if error.needs_person() => {
            failed(ctx, &mut cancellation, error);
            set(&mut status, cancellation);
            report::trouble(ctx, &mut status, error);
            return ctx.decide(status, ctx.waits().after(error));
        }
        Some(Err(error)) => {
            next = ctx.waits().after(error);
            failed(ctx, &mut cancellation, error);
        }
        None if is_refused(&status.conditions) => next = ctx.waits().poll(),
        None => {}
    }
    let due = match (&cancellation.retry_time, &cancellation.last_call_time) {
        // A clock that was ahead then must not make anything wait for it.
        (_, None) => true,
        (_, Some(last)) if last.0 > ctx.now() => true,
        (Some(retry), _) => ctx.now() >= retry.0,
        (None, Some(last)) => ctx.waits().settled_since(last),
    };
    let call = ours.is_none() && due;
    let mut message = format!(
        "execution {id} is being cancelled: {}",
        cancellation.message
    );
    if cancellation.failures > 1 {
        message.push_str(&format!(
            "; CancelExecution had no effect {} times, and is tried again at longer intervals",
            cancellation.failures
        ));
    }
    if call {
        cancellation.retry_time = None;
        cancellation.last_call_time = Some(Time(ctx.now()));
    }
    let reason = cancellation.reason.clone();
    set(&mut status, cancellation);
    report::show_unless_refused(ctx, &mut status, Phase::Cancelling, &reason, &message);
    let mut decision = ctx.decide(status, next);
    if call {
        decision.next = Next::Now;
        decision.work = Some(Work {
            mutation: Mutation::CancelExecution { execution: id },
        });
    }
    decision
}

/// Where a call is certain to have done nothing, the next one may come sooner than after one that was
/// lost, and later each time.
fn failed(ctx: &Context<'_>, cancellation: &mut RunCancellation, error: &CloudError) {
    if error.outcome == Effect::NoEffect {
        cancellation.failures += 1;
        let wait = ctx.waits().after_no_effect(error, cancellation.failures);
        cancellation.retry_time = Some(Time(ctx.now() + wait));
    }
}

fn set(status: &mut ImageUpdateTaskStatus, cancellation: RunCancellation) {
    if let Some(run) = &mut status.active {
        run.cancellation = Some(cancellation);
    }
}
