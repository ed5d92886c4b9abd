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
    // What is on record of an attempt is not forgotten because one answer leaves it out.
    let is_listed = |id: &str| attempts.get(id).is_some_and(|a| a.newest.is_some());
    let unlisted = old.values().filter(|old| old.execution_id.is_some());
    let unlisted: BTreeMap<&str, &InstanceStatus> = unlisted
        .filter(|old| !is_listed(&old.id))
        .map(|old| (old.id.as_str(), *old))
        .collect();
    let mut instances: Vec<InstanceStatus> = unlisted.values().map(|old| (*old).clone()).collect();
    let read = attempts.iter();
    for (id, attempt) in read.filter(|(id, _)| !unlisted.contains_key(id.as_str())) {
        // Where its item is not listed, it is where it was.
        let known = old.get(id.as_str()).filter(|old| is_same(old, attempt));
        let batch = attempt.item.as_ref().map(|item| item.batch);
        let batch = batch.or(known.map(|old| old.batch));
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

/// Whether that is on record of this very attempt.
fn is_same(old: &InstanceStatus, attempt: &Attempt<'_>) -> bool {
    let newest = attempt.newest.map(|child| child.id.as_str());
    newest.is_some() && old.execution_id.as_deref() == newest
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
        message: String::new(),
        conditions: Vec::new(),
        attempt: number,
        failure_time,
        request,
        execution_id: child.map(|c| c.id.clone()),
        task_execution_id: attempt
            .item
            .as_ref()
            .map(|item| item.task.id.clone())
            .filter(|id| id.len() <= TASK_ID_MAX)
            .or_else(|| {
                let known = old.filter(|old| is_same(old, attempt));
                known.and_then(|old| old.task_execution_id.clone())
            }),
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
        let waits = unready.filter(|_| state == InstanceState::Updating);
        status.message = match waits {
            Some(waits) => waits.clone().unwrap_or_default(),
            // Not looked at: what is said stays.
            None => same.message.clone(),
        };
        return status;
    }
    if state == InstanceState::Failed {
        match (child, &attempt.item) {
            (Some(child), item) => {
                let details = details::details(ctx, child, item.as_ref(), id);
                (status.message, status.exit_code, status.output_tail) =
                    (details.message, details.exit_code, details.output_tail);
            }
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
