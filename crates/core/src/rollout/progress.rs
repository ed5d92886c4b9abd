//! What the execution has done so far, per instance and per batch, from its children and tasks.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::v1alpha1::{
    InstanceRequest, InstanceState, InstanceStatus, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{Execution, ExecutionStatus, TaskExecution};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::context::Context;
use super::{details, summary, unready};
use crate::conditions;
use crate::observation::Known;

/// Instance condition: the update was done to it.
pub(super) const UPDATED: &str = "Updated";
/// Instance condition: it serves.
pub(super) const IN_SERVICE: &str = "InService";
/// The longest id of an instance or an execution that is taken for one (CRD: `status.instances`).
const ID_MAX: usize = 128;
/// The longest id of a task execution that is kept.
const TASK_ID_MAX: usize = 160;
/// The highest batch number that is taken for one: OOS makes at most 100, and `status.batches` holds
/// 1,000, one of them being for instances that have not begun.
const BATCH_MAX: i64 = 999;
/// One item of the loop over instances.
pub(super) struct Item<'a> {
    pub(super) task: &'a TaskExecution,
    batch: i32,
}

/// The newest attempt on one instance.
pub(super) struct Attempt<'a> {
    pub(super) newest: Option<&'a Execution>,
    count: usize,
    pub(super) item: Option<Item<'a>>,
    /// The nested execution has not ended, and waits because a task in it has failed.
    pub(super) failed_inside: bool,
    /// When that task failed.
    pub(super) failure_time: Option<Timestamp>,
}

impl Attempt<'_> {
    /// Of an instance that nothing is known of.
    fn none() -> Self {
        Self {
            newest: None,
            count: 0,
            item: None,
            failed_inside: false,
            failure_time: None,
        }
    }
}

/// The newest attempt on each instance that takes part.
pub(super) type Attempts<'a> = BTreeMap<String, Attempt<'a>>;

/// Brings instances, batches and summary up to what was read, and gives what they were read from.
/// Asks for the details of instances that have newly failed.
pub(super) fn apply<'a>(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    children: &'a [Execution],
    tasks: &'a [TaskExecution],
) -> Known<Attempts<'a>> {
    let planned: BTreeMap<String, i32> = status
        .plan
        .iter()
        .flat_map(|plan| &plan.members)
        .map(|member| (member.id.clone(), member.batch))
        .collect();
    let mut attempts = attempts(planned.keys(), children, tasks);
    details::look_inside(ctx, status, &mut attempts)?;
    details::want_details(ctx, status, &attempts)?;
    let unready = unready::look(ctx, status, &attempts)?;
    // OOS may have divided otherwise than expected: whoever has not begun comes after those who have.
    // (One that was passed over has not: it may be listed before its batch.)
    let begun = attempts
        .values()
        .filter(|attempt| attempt.newest.is_some())
        .filter_map(|a| Some(a.item.as_ref()?.batch))
        .max()
        .unwrap_or(0);
    let old: BTreeMap<&str, &InstanceStatus> = status
        .instances
        .iter()
        .map(|i| (i.id.as_str(), i))
        .collect();
    let mut instances = Vec::with_capacity(attempts.len());
    for (id, attempt) in &attempts {
        let batch = attempt.item.as_ref().map(|item| item.batch);
        let expected = planned.get(id).copied().unwrap_or(1);
        let batch = batch.unwrap_or(if attempt.newest.is_none() && expected < begun {
            begun + 1
        } else {
            expected
        });
        instances.push(instance(
            ctx,
            id,
            batch,
            attempt,
            old.get(id.as_str()).copied(),
            unready.get(id),
        ));
    }
    instances.sort_by(|a, b| (a.batch, &a.id).cmp(&(b.batch, &b.id)));
    status.instances = instances;
    status.instances_truncated = None;
    status.batches = summary::batches(&status.instances);
    status.summary = Some(summary::summary(&status.instances, &status.batches));
    Ok(attempts)
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

/// The instances that nested executions were for, in the order in which they began.
pub(super) fn instances_of(children: &[Execution]) -> Vec<String> {
    let mut children: Vec<&Execution> = children.iter().collect();
    children.sort_by_key(|child| (child.start, &child.id));
    let mut ids: Vec<String> = Vec::new();
    for id in children
        .into_iter()
        .filter_map(|child| instance_of(&child.parameters))
    {
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    ids
}

/// Which instance an execution or a loop item is for.
pub(super) fn instance_of(parameters: &serde_json::Map<String, Value>) -> Option<&str> {
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

fn attempts<'a, 'p>(
    planned: impl Iterator<Item = &'p String>,
    children: &'a [Execution],
    tasks: &'a [TaskExecution],
) -> Attempts<'a> {
    let mut attempts: Attempts<'a> = planned.map(|id| (id.clone(), Attempt::none())).collect();
    for child in children.iter().filter(|child| child.id.len() <= ID_MAX) {
        let Some(id) = instance_of(&child.parameters) else {
            continue;
        };
        // An instance that joined between the plan and the start takes part all the same.
        let attempt = attempts.entry(id.to_owned()).or_insert_with(Attempt::none);
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
    let loops: BTreeSet<&str> = tasks
        .iter()
        .filter(|task| task.child_execution.is_some())
        .filter_map(|task| task.parent.as_deref())
        .collect();
    for task in tasks {
        // An item that was passed over before its turn has none of its own.
        let updates = task.child_execution.is_some()
            || task.parent.as_deref().is_some_and(|p| loops.contains(p));
        if !updates {
            continue;
        }
        let batch = task
            .loop_batch
            .filter(|batch| (1..=BATCH_MAX).contains(batch));
        let Some(batch) = batch.and_then(|batch| i32::try_from(batch).ok()) else {
            continue;
        };
        let by_execution = task
            .child_execution
            .as_deref()
            .and_then(|id| by_child.get(id))
            .map(|id| (*id).to_owned());
        let Some(id) = by_execution.or_else(|| instance_of_item(task.loop_item.as_deref()?)) else {
            continue;
        };
        let Some(attempt) = attempts.get_mut(&id) else {
            continue;
        };
        let known = attempt
            .item
            .as_ref()
            .map(|item| (item.task.start, &item.task.id));
        let newer = known.is_none_or(|known| known < (task.start, &task.id));
        if newer {
            attempt.item = Some(Item { task, batch });
        }
    }
    attempts
}

/// How far the newest attempt is, as OOS shows it.
pub(super) fn state(attempt: &Attempt<'_>) -> InstanceState {
    let Some(child) = attempt.newest else {
        let item = attempt
            .item
            .as_ref()
            .filter(|i| i.task.child_execution.is_none());
        return match item.map(|item| &item.task.status) {
            Some(ExecutionStatus::Skipped | ExecutionStatus::Success) => InstanceState::Skipped,
            Some(ExecutionStatus::Cancelled) => InstanceState::Cancelled,
            Some(ExecutionStatus::Failed) => InstanceState::Failed,
            _ => InstanceState::Pending,
        };
    };
    // An item that still names an older attempt says nothing about this one.
    let item = attempt
        .item
        .as_ref()
        .filter(|item| item.task.child_execution.as_deref() == Some(child.id.as_str()))
        .map(|item| &item.task.status);
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

/// The same in the light of the request that was last carried out on this attempt: OOS shows a
/// skipped or given-up instance like others that ended, and its lists lag behind its answers.
fn state_after(
    ctx: &Context<'_>,
    state: InstanceState,
    request: &InstanceRequest,
) -> InstanceState {
    use InstanceState::{Cancelled, Failed, Skipped, Succeeded, Updating};
    match (request.verb, state) {
        (Verb::Retry, Failed) if !ctx.settled_since(&request.time) => Updating,
        (Verb::Skip, Failed | Cancelled | Succeeded) => Skipped,
        (Verb::CancelInstances, Failed | Skipped | Succeeded) => Cancelled,
        _ => state,
    }
}

/// The number of the newest attempt: its nested execution, or a retry that went on inside it, which
/// shows by the failure there being gone or another one.
fn number(attempt: &Attempt<'_>, state: InstanceState, old: Option<&InstanceStatus>) -> i32 {
    let children = i32::try_from(attempt.count).unwrap_or(i32::MAX);
    // An item can fail before it has a nested execution.
    let begun = children.max(i32::from(state == InstanceState::Failed));
    let Some(child) = attempt.newest else {
        return begun;
    };
    let Some(old) = old.filter(|old| old.execution_id.as_deref() == Some(child.id.as_str())) else {
        return begun;
    };
    let known = old.attempt.max(begun);
    // Passed over inside its execution, it goes on as well, and that is no new attempt.
    let skipped = old
        .request
        .as_ref()
        .is_some_and(|request| request.verb == Verb::Skip && request.attempt == old.attempt);
    let moves = matches!(state, InstanceState::Updating | InstanceState::Succeeded);
    let goes_on = moves && !skipped;
    match &old.failure_time {
        Some(failure) if attempt.failed_inside => {
            let same = attempt.failure_time.is_none_or(|time| time == failure.0);
            known.saturating_add(i32::from(!same))
        }
        Some(_) => known.saturating_add(i32::from(goes_on)),
        None => known,
    }
}

fn instance(
    ctx: &Context<'_>,
    id: &str,
    batch: i32,
    attempt: &Attempt<'_>,
    old: Option<&InstanceStatus>,
    unready: Option<&Option<String>>,
) -> InstanceStatus {
    let now = ctx.now();
    let state = state(attempt);
    let child = attempt.newest;
    let number = number(attempt, state, old);
    // Passed over before its turn, it keeps that until it begins all the same.
    let request = old.and_then(|old| old.request.clone()).filter(|request| {
        request.attempt == number || (request.attempt == 0 && attempt.newest.is_none())
    });
    let state = match &request {
        Some(request) if request.attempt > 0 => state_after(ctx, state, request),
        _ => state,
    };
    let failure_time = attempt.failure_time.map(Time);
    let same = old.filter(|old| {
        old.state == state
            && old.execution_id.as_deref() == child.map(|c| c.id.as_str())
            && old.failure_time == failure_time
    });
    let mut status = InstanceStatus {
        id: id.to_owned(),
        batch,
        state,
        conditions: old.map(|old| old.conditions.clone()).unwrap_or_default(),
        attempt: number,
        failure_time,
        request,
        execution_id: child.map(|c| c.id.clone()),
        task_execution_id: attempt
            .item
            .as_ref()
            .map(|item| item.task.id.clone())
            .filter(|id| id.len() <= TASK_ID_MAX),
        start_time: child.and_then(|c| c.start).map(Time),
        end_time: match (child, &attempt.item) {
            (Some(child), _) => child.end.map(Time),
            (None, Some(item)) => item.task.end.map(Time),
            (None, None) => None,
        },
        exit_code: None,
        output_tail: None,
    };
    if let Some(same) = same {
        (status.exit_code, status.output_tail) = (same.exit_code, same.output_tail.clone());
        // Not looked at: what is said stays.
        if let Some(waits) = unready.filter(|_| state == InstanceState::Updating) {
            let why = waits.as_deref().unwrap_or_default();
            let (all, word) = (&mut status.conditions, "Updating");
            conditions::set(all, UPDATED, "Unknown", word, why, None, now);
        }
        return status;
    }
    let mut why = String::new();
    if state == InstanceState::Failed {
        match (child, &attempt.item) {
            (Some(child), item) => {
                let details = details::details(ctx, child, item.as_ref(), id);
                (why, status.exit_code, status.output_tail) =
                    (details.message, details.exit_code, details.output_tail);
            }
            (None, Some(item)) => why = conditions::shorten(&item.task.status_message, 512),
            (None, None) => {}
        }
        if let Some(waits) = unready.and_then(Option::as_ref) {
            why = format!("{why}; {waits}");
        }
    }
    let (updated, in_service) = match state {
        InstanceState::Pending => (("Unknown", "NotStarted"), ("True", "AsFound")),
        InstanceState::Updating => (("Unknown", "Updating"), ("Unknown", "Updating")),
        InstanceState::Succeeded => (("True", "Updated"), ("True", "Returned")),
        InstanceState::Failed => (("False", "Failed"), ("False", "LeftInStandby")),
        InstanceState::Cancelled => (("False", "Cancelled"), ("Unknown", "Interrupted")),
        InstanceState::Skipped => (("False", "Skipped"), ("False", "LeftInStandby")),
    };
    let all = &mut status.conditions;
    conditions::set(all, UPDATED, updated.0, updated.1, &why, None, now);
    conditions::set(all, IN_SERVICE, in_service.0, in_service.1, "", None, now);
    status
}
