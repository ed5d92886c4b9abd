//! The task is at rest: the group's record goes on without it.

use ess_rollout_api::v1alpha1::{
    Current, LetGo, Outcome, RollingUpdateTaskStatus, ScalingGroupRecordStatus,
};

use jiff::SignedDuration;

use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::progress::durations;
use crate::rollout::restore::{left, leftovers, record, runs};
use crate::task::conditions::shorten;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// The task is done: the group goes to whoever is next, and the object may go.
pub(super) fn after(ctx: &Context<'_>, status: Draft) -> Known<Drafted> {
    let mut decision = ctx.decide(status, Next::OnChange);
    if ctx.holds() {
        decision.record = Some(record_after(ctx, &decision.status)?);
        decision.next = Next::Now;
    } else if ctx.deleting.is_some() {
        decision.finalizer = ctx.has_finalizer().then_some(false);
    } else if let Some(left) = time_left(ctx, &decision.status) {
        match left.is_positive() {
            true => decision.next = Next::After(left.unsigned_abs()),
            false => decision.delete = true,
        }
    }
    Ok(decision)
}

/// How long the object is kept yet, if `ttlSecondsAfterFinished` says so.
fn time_left(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<SignedDuration> {
    let kept = ctx.spec.policy.ttl_seconds_after_finished?;
    let end = status.result.as_ref()?.time.0 + SignedDuration::from_secs(kept.into());
    Some(end.duration_since(ctx.now()))
}

/// The record without a holder, with what this run left behind and what it brought.
fn record_after(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Known<ScalingGroupRecordStatus> {
    // A run that was adopted without its plan, because no answer showed the group: the record knows what it changed.
    let lost = status.execution.is_some() && status.plan.is_none();
    let let_go = match status.result.as_ref().is_some_and(|r| r.end_unseen) {
        true => Some(LetGo::Abandoned),
        false => lost.then_some(LetGo::HolderVanished),
    };
    let unseen = let_go.is_some();
    let mut record = match let_go {
        Some(why) => record::let_go(ctx, status, why),
        None => ctx.record.clone(),
    };
    leftovers::update(ctx, status, &mut record)?;
    durations::learn(ctx, status, &mut record);
    if !unseen {
        runs::ended(ctx, status, &mut record);
    }
    let put_back =
        status.execution.is_some() || status.restore.as_ref().is_some_and(|r| !r.items.is_empty());
    if ctx.inherits_baseline() && !put_back {
        left::add_inherited(ctx, &mut record);
    } else {
        let whole = record.leftovers.is_empty() && record.runs.is_empty();
        record.baseline = record.baseline.filter(|_| !whole);
        if let Some(baseline) = &mut record.baseline {
            baseline.inherited = false;
        }
    }
    record.holder = None;
    let Some(result) = &status.result else {
        return Ok(record);
    };
    if result.outcome == Outcome::Succeeded && status.execution.is_some() {
        record.current = Some(Current {
            what: shorten(&ctx.update.what(status.plan.as_ref()), 256),
            by: ctx.path(),
            time: result.time.clone(),
        });
    }
    if unseen {
        // Its end will be seen by whoever looks at the run, and says what becomes of the key.
        return Ok(record);
    }
    // No start was ever sent: nothing ran, whatever the reason.
    let never_ran = status.start.is_none() && status.execution.is_none();
    let refused = [Reason::CancelledBeforeStart, Reason::StartRefused];
    let refused = refused.contains(&Reason::recorded(&result.reason));
    if refused || never_ran && result.outcome != Outcome::Succeeded {
        record.run_keys.retain(|key| key.uid != ctx.uid);
    }
    for key in &mut record.run_keys {
        if Some(&key.key) == ctx.spec.policy.run_key.as_ref() && key.uid == ctx.uid {
            key.outcome = Some(result.outcome);
            key.execution_id = status.execution.as_ref().map(|e| e.id.clone());
            key.never_ran = never_ran;
        }
    }
    Ok(record)
}
