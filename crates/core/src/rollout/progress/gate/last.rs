//! The checks after the last batch: the group is put back by then, and nothing is left to be held but the verdict, the condition
//! `Verified`, and whoever has the group next.

use ess_rollout_api::v1alpha1::{
    GateStatus, Gates, LoadBalancerGate, RollingUpdateTaskStatus, Verdict,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::balancers::Serving;
use super::check::{self, next_slot};
use super::{alarms, balancers, metrics, webhooks};
use crate::rollout::context::Context;
use crate::task::observation::Known;

/// What they come to.
pub(in crate::rollout) enum AtEnd {
    /// All passed, or nothing is checked.
    Passed,
    /// It is too early to tell.
    Wait {
        /// Until when at the least.
        until: Timestamp,
        /// When they are made again.
        next: Timestamp,
        /// What is waited for.
        said: String,
    },
    /// One failed, and why.
    Failed(String),
    /// One came to nothing, and why.
    Unclear(String),
    /// Nobody asked for them, and what was updated gets no requests all the same, and why.
    NotServing(String),
    /// Nobody asked for them, and whether what was updated gets requests is not known, and why.
    NotTold(String),
}

fn final_soak(gates: &Gates) -> SignedDuration {
    SignedDuration::from_secs(gates.final_soak_seconds.unwrap_or_default().into())
}

/// What is asked after the last batch: a soak, or the load balancers, which say whether instances serve.
fn asked<'a>(ctx: &Context<'a>) -> Option<&'a Gates> {
    let gates = ctx.spec.policy.gates.as_ref();
    gates.filter(|gates| gates.final_soak_seconds.is_some() || gates.load_balancer.is_some())
}

/// Whether they have been looked at: all was put back and read back before.
pub(in crate::rollout) fn has_begun(status: &RollingUpdateTaskStatus) -> bool {
    let id = last_pause(status);
    let gate = status.gate.as_ref().filter(|gate| gate.pause_id == id);
    gate.is_some_and(|gate| gate.since.is_some() && gate.verdict.is_none())
}

/// The number of the pause after the last batch, which is none.
fn last_pause(status: &RollingUpdateTaskStatus) -> i32 {
    status.batches.last().map_or(0, |batch| batch.index)
}

/// Makes the checks once more, and puts on record what they come to. Load balancers count in any case, the others as long as the last
/// soak does.
pub(in crate::rollout) fn look(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
) -> Known<AtEnd> {
    let gates = asked(ctx);
    if gates.is_none() && !balancers::is_attached(ctx)? {
        return Ok(AtEnd::Passed);
    }
    let id = last_pause(status);
    let before = status.gate.take();
    let before = before.filter(|gate| gate.pause_id == id && gate.since.is_some());
    let mut gate = before.unwrap_or_else(|| super::new(id));
    let since = gate.since.get_or_insert_with(|| Time(ctx.now())).clone();
    let answer = match gates {
        Some(gates) => made(ctx, gates, status, &mut gate, &since),
        None => unasked(ctx, status, &mut gate, &since),
    };
    // What has been waited for is kept while something is read.
    status.gate = Some(gate);
    answer
}

/// What is looked at where nothing is asked for after the last batch: an update is not verified by what only ESS and OOS say of it.
fn unasked(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    gate: &mut GateStatus,
    since: &Time,
) -> Known<AtEnd> {
    let serving = balancers::serving(ctx, status, since.0)?;
    let found = balancers::found_of(&serving);
    check::show(ctx, gate, &found);
    let (why, passes) = match &serving {
        Serving::Yes => return Ok(AtEnd::Passed),
        Serving::No(why) => (why.clone(), true),
        Serving::Unknown { why, passes } => (why.clone(), *passes),
    };
    let until = since.0 + SignedDuration::from_secs(LoadBalancerGate::GRACE_PERIOD.into());
    if passes && until > ctx.now() {
        let next = next_slot(ctx, &Gates::default()).min(until);
        let said = format!("loadBalancer: {why}");
        return Ok(AtEnd::Wait { until, next, said });
    }
    Ok(match serving {
        Serving::No(_) => AtEnd::NotServing(why),
        _ => AtEnd::NotTold(why),
    })
}

fn made(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
    gate: &mut GateStatus,
    since: &Time,
) -> Known<AtEnd> {
    // What was found is not forgotten because it is over.
    if let Some(found) = &gate.verdict {
        let message = found.message.clone();
        return Ok(match found.verdict {
            Verdict::Fail => AtEnd::Failed(message),
            Verdict::Pass | Verdict::Inconclusive => AtEnd::Unclear(message),
        });
    }
    let soak = final_soak(gates);
    let mut kinds = Vec::new();
    if gates.final_soak_seconds.is_some() {
        let about = (gate.pause_id, since.0);
        kinds.push(alarms::check(ctx, gates, status, Some(since.0)));
        kinds.push(metrics::at_end(ctx, gates, status, about));
        kinds.push(webhooks::at_end(ctx, gates, status, about));
    }
    kinds.push(balancers::at_end(ctx, gates, status, since.0));
    let found = check::all(kinds)?.concat();
    check::show(ctx, gate, &found);
    if let Some(failed) = check::first(&found, Verdict::Fail) {
        let verdict = failed.verdict(ctx, Verdict::Fail);
        let message = verdict.message.clone();
        gate.verdict = Some(verdict);
        return Ok(AtEnd::Failed(message));
    }
    let unclear = check::first(&found, Verdict::Inconclusive);
    // As long as an instance may be unhealthy it may be that nothing is known of it, and what is asked later says nothing yet.
    let grace = balancers::grace(gates).unwrap_or_default();
    let grace = match (unclear, gates.final_soak_seconds) {
        (None, _) => SignedDuration::ZERO,
        (Some(_), None) => grace,
        (Some(_), Some(_)) => grace.max(metrics::longest_delay(gates)),
    };
    let until = since.0 + grace.max(soak);
    if ctx.now() < until {
        // No more than changes: the message is written when it does.
        let said = match unclear {
            Some(unclear) => format!("{}: {}", unclear.name, unclear.message),
            None => "spec.gates.finalSoakSeconds".to_owned(),
        };
        let next = next_slot(ctx, gates);
        let next = next.min(until);
        return Ok(AtEnd::Wait { until, next, said });
    }
    Ok(match unclear {
        None => AtEnd::Passed,
        Some(unclear) => {
            let verdict = unclear.verdict(ctx, Verdict::Inconclusive);
            let message = verdict.message.clone();
            gate.verdict = Some(verdict);
            AtEnd::Unclear(message)
        }
    })
}
