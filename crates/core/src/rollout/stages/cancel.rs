//! Ending an execution before its time.

use ess_rollout_api::v1alpha1::{Cancellation, Outcome, RollingUpdateTaskStatus, Verb};
use ess_rollout_cloud::ErrorClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::progress::{freeze, gate};
use crate::rollout::report::{self, Phase};
use crate::rollout::result;
use crate::task::cancel::{self, Calls};
use crate::task::conditions::shorten;
use crate::task::ledger;
use crate::task::reason::Reason;

/// Why the task is to end early, if it is: in one CamelCase word.
pub(super) fn reason(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<String> {
    let reason = if let Some(cancellation) = &status.cancellation {
        // What was once begun is brought to its end, under the name that it began with.
        cancellation.reason.as_str()
    } else if status.latched.as_ref().is_some_and(|l| l.cancelled) {
        "DesiredState"
    } else if ledger::open(&status.actions, Verb::Cancel).is_some() {
        "Request"
    } else if ctx.deleting.is_some() {
        "Deletion"
    } else if freeze::cancels(ctx, status) {
        "FrozenTooLong"
    } else if gate::cancels(ctx, status) {
        gate::CANCELLED
    } else {
        return None;
    };
    Some(reason.to_owned())
}

/// The cancellation on record, which begins here if there is none.
pub(super) fn begun<'s>(
    ctx: &Context<'_>,
    status: &'s mut RollingUpdateTaskStatus,
    reason: &str,
) -> &'s mut Cancellation {
    status.cancellation.get_or_insert_with(|| Cancellation {
        time: Time(ctx.now()),
        reason: reason.to_owned(),
        last_call_time: None,
        retry_time: None,
        failures: 0,
        message: String::new(),
        missing_since: None,
    })
}

/// Ends the execution, by the rules of [`crate::task::cancel`]. `listed`: OOS still shows it, or it is not known whether it
/// does.
pub(super) fn cancel(ctx: &Context<'_>, mut status: Draft, reason: &str, listed: bool) -> Drafted {
    let id = status.execution.as_ref().map(|e| e.id.clone());
    let (id, waits) = (id.unwrap_or_default(), ctx.waits());
    let mut message = format!("execution {id} is being cancelled ({reason})");
    let answer = cancel::answer(ctx.input.outcome, &id);
    let mut wait = ctx.waits().soon();
    match answer {
        Some(Ok(_)) => {
            status.show(Phase::Cancelling, Reason::Cancelling, &message);
            result::cancelled(ctx, &mut status);
        }
        Some(Err(error)) if error.class == ErrorClass::NotFound && !listed => {
            let known = begun(ctx, &mut status, reason);
            let Some(wait) = cancel::missing(&waits, &mut known.missing_since) else {
                let (outcome, message) = (Outcome::Cancelled, cancel::gone(&id, error));
                return result::begin(ctx, status, outcome, Reason::ExecutionGone, &message);
            };
            let (reason, message) = cancel::not_listed(&id);
            status.show(Phase::Cancelling, reason, &message);
            return ctx.decide(status, wait);
        }
        Some(Err(error)) => {
            let known = begun(ctx, &mut status, reason);
            if calls(known).failed(&waits, error) {
                // Without the request id, which changes at each try.
                let said = format!("{} {}", error.code, error.message);
                known.message = shorten(said.trim(), MESSAGE_MAX);
            }
            wait = ctx.waits().after(error);
            if error.needs_person() {
                report::failed(ctx, &mut status, error);
                return ctx.decide(status, wait);
            }
        }
        None if status.call_refused.is_some() => wait = ctx.waits().poll(),
        None => {}
    }
    let known = begun(ctx, &mut status, reason);
    message.push_str(&cancel::tries(known.failures));
    if known.failures > 1 {
        message.push_str(&format!(" ({})", known.message));
    }
    let call = answer.is_none() && calls(known).send_if_due(&waits);
    wait = calls(known).wait(&waits, wait);
    status.show_unless_refused(Phase::Cancelling, Reason::Cancelling, &message);
    let mut decision = ctx.decide(status, if call { Next::Now } else { wait });
    decision.work = call.then(|| cancel::work(id));
    decision
}

/// The most bytes of what OOS said (CRD: `status.cancellation.message`).
const MESSAGE_MAX: usize = 256;

fn calls(cancellation: &mut Cancellation) -> Calls<'_> {
    Calls {
        last: &mut cancellation.last_call_time,
        retry: &mut cancellation.retry_time,
        failures: &mut cancellation.failures,
    }
}
