//! The group's record as it is taken, given back and let go.

use ess_rollout_api::v1alpha1::{
    Baseline, LetGo, Place, Plan, RollingUpdateTaskStatus, RunKey, ScalingGroupRecordStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{left, run_end, runs};
use crate::rollout::context::Context;
use crate::rollout::kind::content;

/// The record with this task as holder and the group as found.
pub(in crate::rollout) fn taken(
    ctx: &Context<'_>,
    plan: &Plan,
    place: Option<&Place>,
) -> ScalingGroupRecordStatus {
    let mut record = ctx.record.clone();
    let now = Time(ctx.now());
    if !ctx.holds() {
        record.holder = Some(ctx.as_holder(None));
    }
    match &mut record.baseline {
        Some(baseline) if ctx.inherits_baseline() => baseline.inherited = true,
        baseline => *baseline = Some(as_found(plan, now.clone())),
    }
    let key = ctx.spec.policy.run_key.as_ref();
    let own = |used: &&mut RunKey| Some(&used.key) == key && used.uid == ctx.uid;
    if let Some(used) = record.run_keys.iter_mut().find(own) {
        // Put there before a crash; a ConfigMap may have changed since.
        if used.execution_id.is_none() {
            used.spec_hash.clone_from(&ctx.spec_hash);
        }
    } else if let Some(key) = key
        && !record.run_keys.iter().any(|used| used.key == *key)
        // Before a start there is: see `run_keys::conflict`. A run that is adopted keeps its key in OOS.
        && make_room(&mut record.run_keys)
    {
        record.run_keys.push(RunKey {
            key: key.clone(),
            spec_hash: ctx.spec_hash.clone(),
            by: ctx.path(),
            uid: ctx.uid.clone(),
            execution_id: None,
            outcome: None,
            never_ran: false,
            time: now,
        });
    }
    runs::put(ctx, Some(plan), place, &mut record);
    record
}

/// The group as a plan found it.
pub(in crate::rollout) fn as_found(plan: &Plan, time: Time) -> Baseline {
    let mut baseline = Baseline {
        time,
        suspended_processes: plan.suspended_processes.clone(),
        scaling_configuration_id: plan.scaling_configuration_id.clone(),
        image_id: None,
        containers: None,
        inherited: false,
    };
    content::copy(plan, &mut baseline);
    baseline
}

/// The record as it was before this task took the group and started nothing: its run key is free.
pub(in crate::rollout) fn given_back(ctx: &Context<'_>) -> ScalingGroupRecordStatus {
    if let Some(record) = status_lost(ctx) {
        return record;
    }
    let mut record = ctx.record.clone();
    record.holder = None;
    record.run_keys.retain(|key| key.uid != ctx.uid);
    record.runs.retain(|run| run.uid != ctx.uid);
    if ctx.inherits_baseline() {
        left::add_inherited(ctx, &mut record);
    } else {
        run_end::forget_baseline(&mut record);
    }
    record
}

/// The record without this object as holder, whose run goes on by itself: it stays until somebody has
/// seen its end.
pub(in crate::rollout) fn let_go(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    why: LetGo,
) -> ScalingGroupRecordStatus {
    let known = ctx.record.runs.iter().any(|run| run.uid == ctx.uid);
    let mut record = match &status.plan {
        // Somebody has deleted the record: that it ran must not be forgotten.
        Some(plan) if !known && status.start.is_some() => taken(ctx, plan, status.place.as_ref()),
        _ => ctx.record.clone(),
    };
    record.holder = record.holder.filter(|holder| holder.uid != ctx.uid);
    runs::let_go(ctx, status, &mut record, why);
    for key in record.run_keys.iter_mut().filter(|k| k.uid == ctx.uid) {
        key.execution_id = status.execution.as_ref().map(|e| e.id.clone());
    }
    record
}

/// The record without this object as holder, where its status was lost, which says so no more than that a run of it is on record:
/// the run stays until somebody has seen its end. `None`: nothing of it is on record, or its status knows of it.
pub(in crate::rollout) fn status_lost(ctx: &Context<'_>) -> Option<ScalingGroupRecordStatus> {
    let id = ctx.annotated_execution().filter(|_| ctx.holds())?;
    let status = ctx.input.subject.status;
    if status.is_some_and(|status| status.start.is_some() || status.execution.is_some()) {
        return None;
    }
    let mut record = ctx.record.clone();
    let holder = record.holder.take()?;
    let mut runs = record.runs.iter_mut();
    let own = runs.find(|run| run.uid == holder.uid)?;
    own.let_go = Some(LetGo::HolderVanished);
    own.execution_id.get_or_insert(id.to_owned());
    let from = holder.taken_over_from;
    let mut runs = record.runs.iter_mut();
    if let Some(source) = runs.find(|run| Some(&run.uid) == from.as_ref()) {
        source.let_go = Some(LetGo::HolderVanished);
    }
    Some(record)
}

/// The most run keys that a record keeps.
pub(in crate::rollout) const MAX: usize = 500;

/// Makes room for one more, at the cost of one under which nothing ran: anybody can have many of those. A key under which
/// something ran, or may have, is never forgotten. Whether there is room now.
pub(in crate::rollout) fn make_room(keys: &mut Vec<RunKey>) -> bool {
    if keys.len() < MAX {
        return true;
    }
    let oldest = keys.iter().position(|key| key.never_ran);
    oldest.map(|oldest| keys.remove(oldest)).is_some()
}
