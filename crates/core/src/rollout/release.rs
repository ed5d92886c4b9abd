//! The task is at rest: the group's record goes on without it.

use ess_rollout_api::v1alpha1::{
    Current, Leftover, Outcome, RestoreItem, RestoreKind, RestoreState, RollingUpdateTaskStatus,
    ScalingGroupRecordStatus,
};
use ess_rollout_cloud::LifecycleState;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::decision::{Decision, Next};
use super::ending::{CANCELLED_BEFORE_START, START_REFUSED};
use super::observation::{Interrupt, Known};

/// The task is done: the group goes to whoever is next, and the object may go.
pub(super) fn after(ctx: &Context<'_>, status: RollingUpdateTaskStatus) -> Known<Decision> {
    let mut decision = ctx.decide(status, Next::OnChange);
    if ctx.holds() {
        decision.record = Some(record_after(ctx, &decision.status)?);
        decision.next = Next::Now;
    } else if ctx.deleting.is_some() && ctx.has_finalizer() {
        decision.finalizer = Some(false);
    }
    Ok(decision)
}

/// The record without a holder, with what this run left behind and what it brought.
fn record_after(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Known<ScalingGroupRecordStatus> {
    let mut record = ctx.record.clone();
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    let same = |leftover: &Leftover, item: &RestoreItem| {
        leftover.kind == item.kind && leftover.target == item.target
    };
    let items: Vec<&RestoreItem> = items.collect();
    // What this run found in order, or put back, is left no more.
    record
        .leftovers
        .retain(|leftover| !items.iter().any(|item| same(leftover, item)));
    if !record.leftovers.is_empty() {
        match ctx.input.observation.scaling_instances(&ctx.group) {
            Ok(instances) => record.leftovers.retain(|leftover| {
                leftover.kind != RestoreKind::Standby
                    || instances
                        .iter()
                        .any(|i| i.id == leftover.target && i.state == LifecycleState::Standby)
            }),
            Err(Interrupt::Read(queries)) => return Err(Interrupt::Read(queries)),
            // Not being able to look keeps them on the list, and nobody from the group.
            Err(Interrupt::Failed(_)) => {}
        }
    }
    for item in items.iter().filter(|item| item.state == RestoreState::Left) {
        record.leftovers.push(Leftover {
            kind: item.kind,
            target: item.target.clone(),
            wanted: item.wanted.clone(),
            since: Time(ctx.now()),
            by: ctx.path(),
            message: item.message.clone(),
        });
    }
    record.holder = None;
    if record.leftovers.is_empty() {
        record.baseline = None;
    }
    let Some(result) = &status.result else {
        return Ok(record);
    };
    if result.outcome == Outcome::Succeeded && status.execution.is_some() {
        record.current = Some(Current {
            what: ctx.kind.what(),
            by: ctx.path(),
            time: result.time.clone(),
        });
    }
    if [CANCELLED_BEFORE_START, START_REFUSED].contains(&result.reason.as_str()) {
        record.run_keys.retain(|key| key.uid != ctx.uid);
    }
    for key in &mut record.run_keys {
        if Some(&key.key) == ctx.spec.run_key.as_ref() && key.uid == ctx.uid {
            key.outcome = Some(result.outcome);
            key.execution_id = status.execution.as_ref().map(|e| e.id.clone());
        }
    }
    Ok(record)
}
