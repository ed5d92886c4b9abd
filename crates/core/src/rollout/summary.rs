//! Progress in numbers: by batch, over all, and when it will be done.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{BatchState, BatchStatus, InstanceState, InstanceStatus, Summary};
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
            let well = members
                .iter()
                .all(|m| matches!(m.state, InstanceState::Succeeded | InstanceState::Skipped));
            BatchStatus {
                index,
                size: i32::try_from(members.len()).unwrap_or(i32::MAX),
                state: match (begun, ended, well) {
                    (_, true, true) => BatchState::Succeeded,
                    (_, true, false) => BatchState::Failed,
                    (true, false, _) => BatchState::Updating,
                    (false, false, _) => BatchState::Pending,
                },
                start_time: members
                    .iter()
                    .filter_map(|m| m.start_time.as_ref())
                    .map(|t| t.0)
                    .min()
                    .map(Time),
                end_time: ended
                    .then(|| {
                        members
                            .iter()
                            .filter_map(|m| m.end_time.as_ref())
                            .map(|t| t.0)
                            .max()
                    })
                    .flatten()
                    .map(Time),
            }
        })
        .collect()
}

/// Progress over all batches.
pub(super) fn summary(instances: &[InstanceStatus], batches: &[BatchStatus]) -> Summary {
    let count = |state: InstanceState| {
        i32::try_from(instances.iter().filter(|i| i.state == state).count()).unwrap_or(i32::MAX)
    };
    let total = i32::try_from(instances.len()).unwrap_or(i32::MAX);
    let ended = instances.iter().filter(|i| i.state.is_final()).count();
    let succeeded = count(InstanceState::Succeeded);
    let current = batches
        .iter()
        .filter(|b| b.state != BatchState::Pending)
        .map(|b| b.index)
        .max();
    Summary {
        total,
        pending: count(InstanceState::Pending),
        updating: count(InstanceState::Updating),
        succeeded,
        failed: count(InstanceState::Failed),
        cancelled: count(InstanceState::Cancelled),
        skipped: count(InstanceState::Skipped),
        percent: i32::try_from((ended * 100).checked_div(instances.len()).unwrap_or(100))
            .unwrap_or(100),
        progress: format!("{succeeded}/{total}"),
        batch: format!("{}/{}", current.unwrap_or(0), batches.len()),
        estimated_end_time: estimate(batches).map(Time),
    }
}

/// If the batches to come take as long as those that ended took: when the last one ends.
fn estimate(batches: &[BatchStatus]) -> Option<Timestamp> {
    let ended: Vec<SignedDuration> = batches
        .iter()
        .filter_map(|b| {
            Some(
                b.end_time
                    .as_ref()?
                    .0
                    .duration_since(b.start_time.as_ref()?.0),
            )
        })
        .collect();
    let average = ended.iter().sum::<SignedDuration>()
        / i32::try_from(ended.len()).ok().filter(|n| *n > 0)?;
    let current = batches.iter().find(|b| b.end_time.is_none())?;
    let begun = match &current.start_time {
        Some(time) => time.0,
        None => batches
            .iter()
            .filter_map(|b| b.end_time.as_ref())
            .map(|t| t.0)
            .max()?,
    };
    let left = i32::try_from(batches.iter().filter(|b| b.end_time.is_none()).count()).ok()?;
    let span = average.checked_mul(left)?;
    let end = begun.checked_add(span).ok()?;
    Timestamp::from_second(end.as_second()).ok()
}
