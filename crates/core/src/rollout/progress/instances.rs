//! What the execution has done so far, per instance and per batch, from its children and tasks.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    InstanceRequest, InstanceState, InstanceStatus, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{Execution, TaskExecution};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::attempts::{Attempt, Attempts, attempts, state};
use super::{details, summary, unready};
use crate::rollout::context::Context;
use crate::task::conditions;
use crate::task::observation::Known;

/// The longest id of a task execution that is kept.
const TASK_ID_MAX: usize = 160;

/// Brings instances, batches and summary up to what was read, and gives what they were read from.
/// Asks for the details of instances that have newly failed.
pub(in crate::rollout) fn apply<'a>(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    children: &'a [Execution],
    tasks: &'a [TaskExecution],
) -> Known<Attempts<'a>> {
    let members = status.plan.iter().flat_map(|plan| &plan.members);
    let planned: BTreeMap<String, i32> = members.map(|m| (m.id.clone(), m.batch)).collect();
    let mut attempts = attempts(planned.keys(), children, tasks);
    details::look_inside(ctx, status, &mut attempts)?;
    details::want_details(ctx, status, &attempts)?;
    let unready = unready::look(ctx, status, &attempts)?;
    // OOS may have divided otherwise than expected: whoever has not begun comes after those who have.
    // (One that was passed over has not: it may be listed before its batch.)
    let begun = attempts.values().filter(|attempt| attempt.newest.is_some());
    let begun = begun.filter_map(|attempt| Some(attempt.item.as_ref()?.batch));
    let old = status.instances.iter();
    let old: BTreeMap<&str, &InstanceStatus> = old.map(|i| (i.id.as_str(), i)).collect();
    // What is on record of an attempt is not forgotten because one answer leaves it out.
    let is_listed = |id: &str| attempts.get(id).is_some_and(|a| a.newest.is_some());
    let is_kept = |old: &&InstanceStatus| old.execution_id.is_some() && !is_listed(&old.id);
    let kept = old.values().copied().filter(is_kept);
    let mut instances: Vec<InstanceStatus> = kept.cloned().collect();
    let kept = instances.iter().map(|kept| kept.batch);
    let begun = begun.chain(kept).max().unwrap_or(0);
    for (id, attempt) in &attempts {
        let old = old.get(id.as_str()).copied();
        if old.as_ref().is_some_and(is_kept) {
            continue;
        }
        let expected = match planned.get(id).copied().unwrap_or(1) {
            batch if attempt.newest.is_none() && batch < begun => begun + 1,
            batch => batch,
        };
        // Where its item is not listed, it is where it was.
        let known = old.filter(|old| is_same(old, attempt)).map(|old| old.batch);
        let listed = attempt.item.as_ref().map(|item| item.batch);
        let batch = listed.or(known).unwrap_or(expected);
        instances.push(instance(ctx, id, batch, attempt, old, unready.get(id)));
    }
    instances.sort_by(|a, b| (a.batch, &a.id).cmp(&(b.batch, &b.id)));
    status.instances = instances;
    status.instances_truncated = None;
    status.latest_instance_time = latest(&status.instances);
    status.batches = summary::batches(&status.instances);
    status.summary = Some(summary::summary(&status.instances, &status.batches));
    Ok(attempts)
}

fn latest(instances: &[InstanceStatus]) -> Option<Time> {
    let times = instances.iter().flat_map(|i| [&i.start_time, &i.end_time]);
    times.flatten().max().cloned()
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
        (Verb::Retry, Failed) if !ctx.waits().settled_since(&request.time) => Updating,
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
    let Some(old) = old.filter(|old| is_same(old, attempt)) else {
        return begun;
    };
    let known = old.attempt.max(begun);
    // Passed over inside its execution, it goes on as well, and that is no new attempt.
    let request = old.request.as_ref();
    let skipped = request.is_some_and(|r| r.verb == Verb::Skip && r.attempt == old.attempt);
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

/// Whether that is on record of this very attempt.
fn is_same(old: &InstanceStatus, attempt: &Attempt<'_>) -> bool {
    let newest = attempt.newest.map(|child| &child.id);
    newest.is_some() && old.execution_id.as_ref() == newest
}

fn instance(
    ctx: &Context<'_>,
    id: &str,
    batch: i32,
    attempt: &Attempt<'_>,
    old: Option<&InstanceStatus>,
    unready: Option<&Option<String>>,
) -> InstanceStatus {
    let state = state(attempt);
    let (child, item) = (attempt.newest, attempt.item.as_ref());
    let number = number(attempt, state, old);
    // Passed over before its turn, it keeps that until it begins all the same.
    let request = old
        .and_then(|old| old.request.clone())
        .filter(|request| request.attempt == number || (request.attempt == 0 && child.is_none()));
    let state = match &request {
        Some(request) if request.attempt > 0 => state_after(ctx, state, request),
        _ => state,
    };
    let failure_time = attempt.failure_time.map(Time);
    let same = old.filter(|old| {
        old.state == state
            && old.execution_id.as_ref() == child.map(|c| &c.id)
            && old.failure_time == failure_time
    });
    let listed = item.map(|item| &item.task.id);
    let known = old.filter(|old| is_same(old, attempt));
    let known = || known.and_then(|old| old.task_execution_id.as_ref());
    let mut status = InstanceStatus {
        id: id.to_owned(),
        batch,
        state,
        message: String::new(),
        conditions: Vec::new(),
        attempt: number,
        failure_time,
        request,
        execution_id: child.map(|c| c.id.clone()),
        task_execution_id: listed
            .filter(|id| id.len() <= TASK_ID_MAX)
            .or_else(known)
            .cloned(),
        start_time: child.and_then(|c| c.start).map(Time),
        end_time: child
            .map_or_else(|| item?.task.end, |child| child.end)
            .map(Time),
        exit_code: None,
        output_tail: None,
    };
    if let Some(same) = same {
        (status.exit_code, status.output_tail) = (same.exit_code, same.output_tail.clone());
        let waits = unready.filter(|_| state == InstanceState::Updating);
        status.message = match waits {
            Some(waits) => waits.clone().unwrap_or_default(),
            // Not looked at: what is said stays.
            None => same.message.clone(),
        };
        return status;
    }
    if state == InstanceState::Failed {
        match (child, item) {
            (Some(child), item) => details::describe(ctx, child, item, &mut status),
            (None, Some(item)) => {
                status.message = conditions::shorten(&item.task.status_message, 512);
            }
            (None, None) => {}
        }
        if let Some(waits) = unready.and_then(Option::as_ref) {
            status.message = format!("{}; {waits}", status.message);
        }
    }
    status.message = conditions::shorten(&status.message, conditions::MESSAGE_MAX);
    status
}
