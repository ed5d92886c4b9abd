//! Ending an execution before its time.

use ess_rollout_api::v1alpha1::{
    ActionState, Cancellation, Outcome, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{CloudError, ErrorClass, Mutation, Outcome as Effect};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::rollout::decision::{Decision, Next, Work};
use crate::rollout::report::{self, Phase};
use crate::rollout::requests::close;
use crate::rollout::result;
use crate::task::conditions::shorten;

/// Why the task is to end early, if it is: in one CamelCase word.
pub(in crate::rollout) fn reason(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<String> {
    let reason = if let Some(cancellation) = &status.cancellation {
        // What was once begun is brought to its end, under the name that it began with.
        cancellation.reason.as_str()
    } else if status
        .latched
        .as_ref()
        .is_some_and(|latched| latched.cancelled)
    {
        "DesiredState"
    } else if close::open(status, Verb::Cancel).is_some() {
        "Request"
    } else if ctx.deleting.is_some() {
        "Deletion"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

fn begun(ctx: &Context<'_>, reason: &str) -> Cancellation {
    Cancellation {
        time: Time(ctx.now()),
        reason: reason.to_owned(),
        last_call_time: None,
        retry_time: None,
        failures: 0,
        message: String::new(),
        missing_since: None,
    }
}

/// Ends the execution: on record first, then the call, again whenever the last one can no longer
/// take effect. CancelExecution is convergent. `listed`: OOS still shows the execution, or it is not
/// known whether it does.
pub(in crate::rollout) fn cancel(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    reason: &str,
    listed: bool,
) -> Decision {
    let id = status
        .execution
        .as_ref()
        .map(|e| e.id.clone())
        .unwrap_or_default();
    let mut message = format!("execution {id} is being cancelled ({reason})");
    let ours = ctx
        .input
        .outcome
        .filter(|o| matches!(o.mutation, Mutation::CancelExecution { .. }));
    let mut wait = ctx.soon();
    match ours.map(|outcome| &outcome.result) {
        Some(Ok(_)) => {
            report::show(ctx, &mut status, Phase::Cancelling, "Cancelling", &message);
            close::settle_all(
                ctx,
                &mut status,
                Verb::Cancel,
                ActionState::Applied,
                "Cancelled",
                "",
            );
        }
        Some(Err(error)) if error.class == ErrorClass::NotFound && !listed => {
            let missing = status
                .cancellation
                .get_or_insert_with(|| begun(ctx, reason));
            let since = missing.missing_since.get_or_insert(Time(ctx.now())).clone();
            if ctx.settled_since(&since) {
                let message = format!(
                    "execution {id} is not known to OOS any more, and listed nowhere: {error}"
                );
                return result::begin(ctx, status, Outcome::Cancelled, "ExecutionGone", &message);
            }
            let message = format!(
                "OOS does not know execution {id}, and does not list it: it is looked for again before it is taken for gone"
            );
            report::show(
                ctx,
                &mut status,
                Phase::Cancelling,
                "ExecutionNotListed",
                &message,
            );
            let wait = ctx.waits().settled_at(&since).duration_since(ctx.now());
            return ctx.decide(status, Next::After(wait.unsigned_abs()));
        }
        Some(Err(error)) => {
            // Certain to have done nothing. (A refusal because of the execution's state may be one of
            // an execution that is ending: the lists will show.)
            if error.outcome == Effect::NoEffect
                && let Some(cancellation) = &mut status.cancellation
            {
                failed(ctx, cancellation, error);
            }
            if error.needs_person() {
                report::trouble(ctx, &mut status, error);
                return ctx.decide(status, ctx.wait_after(error));
            }
            wait = ctx.wait_after(error);
        }
        None if report::is_refused(&status) => wait = ctx.poll(),
        None => {}
    }
    let last = status.cancellation.as_ref();
    if let Some(cancellation) = last.filter(|c| c.failures > 1) {
        message.push_str(&format!(
            "; it had no effect {} times ({}), and is tried again at longer intervals",
            cancellation.failures, cancellation.message
        ));
    }
    let due = last.and_then(|c| {
        // A clock that was ahead then must not make anything wait for it.
        let last = c
            .last_call_time
            .as_ref()
            .filter(|last| last.0 <= ctx.now())?;
        Some(match &c.retry_time {
            Some(time) => time.0,
            None => ctx.waits().settled_at(last),
        })
    });
    let call = ours.is_none() && due.is_none_or(|due| ctx.now() >= due);
    if let (Next::After(soon), Some(due)) = (wait, due.filter(|_| !call)) {
        let failing = last.is_some_and(|c| c.failures > 0);
        if let (true, Next::After(rest)) = (failing, ctx.waits().until(due)) {
            wait = Next::After(soon.max(rest.min(ctx.input.settings.poll_interval)));
        }
    }
    if call {
        let now = Time(ctx.now());
        let cancellation = status
            .cancellation
            .get_or_insert_with(|| begun(ctx, reason));
        cancellation.last_call_time = Some(now);
        cancellation.retry_time = None;
    }
    report::show_unless_refused(ctx, &mut status, Phase::Cancelling, "Cancelling", &message);
    let mut decision = ctx.decide(status, wait);
    if call {
        decision.next = Next::Now;
        decision.work = Some(Work {
            mutation: Mutation::CancelExecution { execution: id },
        });
    }
    decision
}

/// The most bytes of what OOS said (CRD: `status.cancellation.message`).
const MESSAGE_MAX: usize = 256;

/// Puts on record that a call had no effect, and when the next one may come: later each time.
fn failed(ctx: &Context<'_>, cancellation: &mut Cancellation, error: &CloudError) {
    cancellation.failures += 1;
    // Without the request id, which changes at each try.
    let said = format!("{} {}", error.code, error.message);
    cancellation.message = shorten(said.trim(), MESSAGE_MAX);
    let wait = ctx.waits().after_no_effect(error, cancellation.failures);
    cancellation.retry_time = Some(Time(ctx.now() + wait));
}
