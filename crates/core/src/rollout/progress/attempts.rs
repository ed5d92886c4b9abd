//! The newest attempt on each instance, from the nested executions and the items of the loop.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::v1alpha1::InstanceState;
use ess_rollout_cloud::{Execution, ExecutionStatus, TaskExecution};
use jiff::Timestamp;
use serde_json::Value;

/// The longest id of an instance or an execution that is taken for one (CRD: `status.instances`).
const ID_MAX: usize = 128;

/// The highest batch number that is taken for one: OOS makes at most 100, and `status.batches` holds
/// 1,000, one of them being for instances that have not begun.
const BATCH_MAX: i32 = 999;

/// One item of the loop over instances.
pub(in crate::rollout) struct Item<'a> {
    pub(in crate::rollout) task: &'a TaskExecution,
    pub(in crate::rollout) batch: i32,
}

/// The newest attempt on one instance.
#[derive(Default)]
pub(in crate::rollout) struct Attempt<'a> {
    pub(in crate::rollout) newest: Option<&'a Execution>,
    pub(in crate::rollout) count: usize,
    pub(in crate::rollout) item: Option<Item<'a>>,
    /// The nested execution has not ended, and waits because a task in it has failed.
    pub(in crate::rollout) failed_inside: bool,
    /// When that task failed.
    pub(in crate::rollout) failure_time: Option<Timestamp>,
}

/// The newest attempt on each instance that takes part.
pub(in crate::rollout) type Attempts<'a> = BTreeMap<String, Attempt<'a>>;

/// The instances that nested executions were for, in the order in which they began.
pub(in crate::rollout) fn instances_of(children: &[Execution]) -> Vec<String> {
    let mut children: Vec<&Execution> = children.iter().collect();
    children.sort_by_key(|child| (child.start, &child.id));
    let ids = children.into_iter();
    let ids = ids.filter_map(|child| instance_of(&child.parameters));
    let mut seen = BTreeSet::new();
    ids.filter(|id| seen.insert(*id))
        .map(str::to_owned)
        .collect()
}

/// The tasks that loop over instances: their items have nested executions.
pub(super) fn loops_over_instances(tasks: &[TaskExecution]) -> BTreeSet<&str> {
    let items = tasks.iter().filter(|task| task.child_execution.is_some());
    items.filter_map(|task| task.parent.as_deref()).collect()
}

/// Which instance an execution or a loop item is for.
pub(in crate::rollout) fn instance_of(parameters: &serde_json::Map<String, Value>) -> Option<&str> {
    ["instanceId", "containerGroupId"]
        .iter()
        .find_map(|name| parameters.get(*name)?.as_str())
        .filter(|id| !id.is_empty() && id.len() <= ID_MAX)
}

/// In invoke runs an item is an object with `InstanceId`; in rollback runs it is the bare id.
fn instance_of_item(item: &str) -> Option<String> {
    match serde_json::from_str::<Value>(item) {
        Ok(Value::Object(map)) => Some(map.get("InstanceId")?.as_str()?.to_owned()),
        Ok(Value::String(id)) => Some(id),
        _ => Some(item.to_owned()).filter(|id| !id.is_empty() && !id.contains(['{', ' '])),
    }
}

pub(super) fn attempts<'a, 'p>(
    planned: impl Iterator<Item = &'p String>,
    children: &'a [Execution],
    tasks: &'a [TaskExecution],
) -> Attempts<'a> {
    let mut attempts: Attempts<'a> = planned.map(|id| (id.clone(), Attempt::default())).collect();
    for child in children.iter().filter(|child| child.id.len() <= ID_MAX) {
        let Some(id) = instance_of(&child.parameters) else {
            continue;
        };
        // An instance that joined between the plan and the start takes part all the same.
        let attempt = attempts.entry(id.to_owned()).or_default();
        attempt.count += 1;
        // A retry makes another child for the same instance: the newest tells how it is now.
        if attempt
            .newest
            .is_none_or(|n| (n.start, &n.id) < (child.start, &child.id))
        {
            attempt.newest = Some(child);
        }
    }
    let by_child: BTreeMap<&str, &str> = children
        .iter()
        .filter_map(|child| Some((child.id.as_str(), instance_of(&child.parameters)?)))
        .collect();
    // Other loops of the template (the one that tags) go over instances too, but only the one that
    // updates has nested executions.
    let loops = loops_over_instances(tasks);
    for task in tasks {
        // An item that was passed over before its turn has none of its own.
        let updates = task.child_execution.is_some()
            || task.parent.as_deref().is_some_and(|p| loops.contains(p));
        if !updates {
            continue;
        }
        let batch = task.loop_batch.and_then(|batch| i32::try_from(batch).ok());
        let Some(batch) = batch.filter(|batch| (1..=BATCH_MAX).contains(batch)) else {
            continue;
        };
        let child = task.child_execution.as_deref();
        let by_execution = child
            .and_then(|id| by_child.get(id))
            .map(|id| (*id).to_owned());
        let id = by_execution.or_else(|| instance_of_item(task.loop_item.as_deref()?));
        let Some(attempt) = id.and_then(|id| attempts.get_mut(&id)) else {
            continue;
        };
        let known = attempt.item.as_ref().map(|item| item.task);
        if known.is_none_or(|known| (known.start, &known.id) < (task.start, &task.id)) {
            attempt.item = Some(Item { task, batch });
        }
    }
    attempts
}

/// How far the newest attempt is, as OOS shows it.
pub(in crate::rollout) fn state(attempt: &Attempt<'_>) -> InstanceState {
    let item = attempt.item.as_ref().map(|item| item.task);
    let Some(child) = attempt.newest else {
        let item = item.filter(|task| task.child_execution.is_none());
        return match item.map(|task| &task.status) {
            Some(ExecutionStatus::Skipped | ExecutionStatus::Success) => InstanceState::Skipped,
            Some(ExecutionStatus::Cancelled) => InstanceState::Cancelled,
            Some(ExecutionStatus::Failed) => InstanceState::Failed,
            _ => InstanceState::Pending,
        };
    };
    // An item that still names an older attempt says nothing about this one.
    let item = item.filter(|task| task.child_execution.as_ref() == Some(&child.id));
    let item = item.map(|task| &task.status);
    // The two lists are read one after the other, so an item may be ahead of its execution: what is
    // still in motion is so until its own list says otherwise.
    match (&child.status, item) {
        (ExecutionStatus::Success, _) => InstanceState::Succeeded,
        (ExecutionStatus::Skipped, _) => InstanceState::Skipped,
        // A person skipped the failed item: OOS counts it as done, and the instance is not.
        (
            ExecutionStatus::Failed | ExecutionStatus::Cancelled | ExecutionStatus::Waiting,
            Some(ExecutionStatus::Success | ExecutionStatus::Skipped),
        ) => InstanceState::Skipped,
        (ExecutionStatus::Cancelled, _)
        | (ExecutionStatus::Failed | ExecutionStatus::Waiting, Some(ExecutionStatus::Cancelled)) => {
            InstanceState::Cancelled
        }
        (ExecutionStatus::Failed, _)
        | (ExecutionStatus::Waiting, Some(ExecutionStatus::Failed)) => InstanceState::Failed,
        _ if attempt.failed_inside => InstanceState::Failed,
        _ => InstanceState::Updating,
    }
}
