//! Progress in numbers: by batch, over all, and when it will be done.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    BatchState, BatchStatus, InstanceState, InstanceStatus, RollingUpdateTaskStatus, Summary,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Progress by batch, in their order.
pub(super) fn batches(instances: &[InstanceStatus]) -> Vec<BatchStatus> {
    let mut batches: BTreeMap<i32, Vec<&InstanceStatus>> = BTreeMap::new();
    for instance in instances {
        batches.entry(instance.batch).or_default().push(instance);
    }
    batches
        .into_iter()
        .map(|(index, members)| {
            let ended = members.iter().all(|m| m.state.is_final());
            let begun = members.iter().any(|m| m.state != InstanceState::Pending);
            let is_done =
                |state| matches!(state, InstanceState::Succeeded | InstanceState::Skipped);
            let well = members.iter().all(|m| is_done(m.state));
            let last = members.iter().filter_map(|m| m.end_time.clone()).max();
            BatchStatus {
                index,
                size: number(members.len()),
                state: match (begun, ended, well) {
                    (_, true, true) => BatchState::Succeeded,
                    (_, true, false) => BatchState::Failed,
                    (true, false, _) => BatchState::Updating,
                    (false, false, _) => BatchState::Pending,
                },
                start_time: members.iter().filter_map(|m| m.start_time.clone()).min(),
                end_time: last.filter(|_| ended),
            }
        })
        .collect()
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Progress over all batches.
pub(super) fn summary(instances: &[InstanceStatus], batches: &[BatchStatus]) -> Summary {
    let count = |state| number(instances.iter().filter(|i| i.state == state).count());
    let total = number(instances.len());
    let ended = instances.iter().filter(|i| i.state.is_final()).count();
    let succeeded = count(InstanceState::Succeeded);
    let begun = batches.iter().filter(|b| b.state != BatchState::Pending);
    let current = begun.map(|b| b.index).max();
    Summary {
        total,
        pending: count(InstanceState::Pending),
        updating: count(InstanceState::Updating),
        succeeded,
        failed: count(InstanceState::Failed),
        cancelled: count(InstanceState::Cancelled),
        skipped: count(InstanceState::Skipped),
        percent: number((ended * 100).checked_div(instances.len()).unwrap_or(100)),
        progress: format!("{succeeded}/{total}"),
        batch: format!("{}/{}", current.unwrap_or(0), batches.len()),
        estimated_end_time: estimate(batches).map(Time),
    }
}

/// If the batches to come take as long as those that ended took: when the last one ends.
fn estimate(batches: &[BatchStatus]) -> Option<Timestamp> {
    let took = |batch: &BatchStatus| {
        let (start, end) = (batch.start_time.as_ref()?, batch.end_time.as_ref()?);
        Some(end.0.duration_since(start.0))
    };
    let ended: Vec<SignedDuration> = batches.iter().filter_map(took).collect();
    let average = ended.iter().sum::<SignedDuration>()
        / i32::try_from(ended.len()).ok().filter(|n| *n > 0)?;
    let current = batches.iter().find(|b| b.end_time.is_none())?;
    let last = || batches.iter().filter_map(|b| b.end_time.as_ref()).max();
    let begun = current.start_time.as_ref().or_else(last)?;
    let left = i32::try_from(batches.iter().filter(|b| b.end_time.is_none()).count()).ok()?;
    let span = average.checked_mul(left)?;
    let end = begun.0.checked_add(span).ok()?;
    Timestamp::from_second(end.as_second()).ok()
}

/// Whether every instance of a batch was passed over before its turn.
pub(super) fn passed_over(status: &RollingUpdateTaskStatus, batch: i32) -> bool {
    let all = status.instances.iter();
    let mut members = all.filter(|i| i.batch == batch).peekable();
    members.peek().is_some()
        && members.all(|i| {
            i.execution_id.is_none() && i.state.is_final() && i.state != InstanceState::Failed
        })
}

/// Whether no instance that is known comes after a pause.
pub(in crate::rollout) fn is_last(status: &RollingUpdateTaskStatus, id: i32) -> bool {
    status.instances.iter().all(|i| i.batch <= id)
}

/// The number of the highest batch of which an item has ended. When nothing is in motion, all of
/// that batch has: OOS begins a batch only after the one before, and all of a batch at once. An
/// instance that was passed over before its turn may be listed before its batch begins: it counts only
/// where all before it have ended, and ended before it did.
pub(super) fn highest_ended_batch(status: &RollingUpdateTaskStatus) -> i32 {
    let all = || status.instances.iter();
    let begun = |i: &&InstanceStatus| i.execution_id.is_some() || i.state == InstanceState::Failed;
    let open = all().filter(|i| !i.state.is_final()).map(|i| i.batch).min();
    let turn = |i: &&InstanceStatus| {
        let before = all().filter(|b| b.batch < i.batch).filter(begun);
        let last = before.filter_map(|b| b.end_time.as_ref()).max();
        let its = i.end_time.as_ref();
        open.is_none_or(|open| i.batch < open) && (its.is_none() || its >= last)
    };
    let ended = all().filter(|i| i.state.is_final());
    let reached = ended.filter(|i| begun(i) || turn(i));
    reached.map(|i| i.batch).max().unwrap_or(0)
}
