//! What nested executions say of their failures, and what the scripts in them printed.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{InstanceState, RollingUpdateTaskStatus};
use ess_rollout_cloud::{Execution, ExecutionStatus, Query, TaskExecution};

use super::context::Context;
use super::observation::{Interrupt, Known};
use super::progress::{Attempt, Item, state};
use crate::conditions;

/// The most failed instances that are looked into at once.
const DETAILS_MAX: usize = 20;
/// How much of the end of a script's output is kept, bytes.
const TAIL_MAX: usize = 1024;

/// Why an instance failed.
pub(super) struct Details {
    pub(super) message: String,
    pub(super) exit_code: Option<i32>,
    pub(super) output_tail: Option<String>,
}

/// The task of a nested execution that failed, or waits because it failed.
fn failed_task(tasks: &[TaskExecution]) -> Option<&TaskExecution> {
    tasks
        .iter()
        .filter(|task| task.status == ExecutionStatus::Failed || !task.status_message.is_empty())
        .max_by_key(|task| (task.status == ExecutionStatus::Failed, task.end, task.start))
}

/// The Cloud Assistant invocation that a nested execution made.
fn invocation_of(tasks: &[TaskExecution]) -> Option<String> {
    tasks.iter().find_map(|task| {
        let (_, value) = task
            .outputs
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("invokeId"))?;
        Some(value.as_str()?.to_owned())
    })
}

/// Whether this very attempt is on record as failed.
fn known_failed(status: &RollingUpdateTaskStatus, id: &str, child: &Execution) -> bool {
    status.instances.iter().any(|old| {
        old.id == id
            && old.state == InstanceState::Failed
            && old.execution_id.as_deref() == Some(child.id.as_str())
    })
}

/// Looks into nested executions that wait: whether one shows `Failed` or `Waiting` while the root is
/// suspended upon failure is not documented. What cannot be read is done without.
pub(super) fn look_inside(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    attempts: &mut BTreeMap<String, Attempt<'_>>,
) -> Known<()> {
    let observation = ctx.input.observation;
    let mut queries = Vec::new();
    for (id, attempt) in attempts.iter_mut() {
        let Some(child) = attempt.newest else {
            continue;
        };
        if child.status != ExecutionStatus::Waiting || state(attempt) != InstanceState::Updating {
            continue;
        }
        if known_failed(status, id, child) {
            attempt.failed_inside = true;
        } else if queries.len() < DETAILS_MAX {
            queries.push(Query::TaskExecutions {
                execution: child.id.clone(),
            });
            let tasks = observation.task_executions(&child.id);
            attempt.failed_inside = tasks.is_ok_and(|tasks| {
                tasks
                    .iter()
                    .any(|task| task.status == ExecutionStatus::Failed)
            });
        }
    }
    observation.require(queries)
}

/// Asks for the tasks of nested executions that have newly failed, and then for the invocations
/// that they made. What cannot be read is done without.
pub(super) fn want_details(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    attempts: &BTreeMap<String, Attempt<'_>>,
) -> Known<()> {
    let fresh: Vec<(&String, &Execution)> = attempts
        .iter()
        .filter(|(_, attempt)| state(attempt) == InstanceState::Failed)
        .filter_map(|(id, attempt)| Some((id, attempt.newest?)))
        .filter(|(id, child)| !known_failed(status, id, child))
        .take(DETAILS_MAX)
        .collect();
    let observation = ctx.input.observation;
    observation.require(fresh.iter().map(|(_, child)| Query::TaskExecutions {
        execution: child.id.clone(),
    }))?;
    let invocations = fresh.iter().filter_map(|(id, child)| {
        let tasks = observation.task_executions(&child.id).ok()?;
        Some(Query::Invocation {
            invocation: invocation_of(tasks)?,
            instance: (*id).clone(),
        })
    });
    match observation.require(invocations) {
        Err(Interrupt::Read(queries)) => Err(Interrupt::Read(queries)),
        _ => Ok(()),
    }
}

pub(super) fn details(
    ctx: &Context<'_>,
    child: &Execution,
    item: Option<&Item<'_>>,
    id: &str,
) -> Details {
    let observation = ctx.input.observation;
    let tasks = observation
        .task_executions(&child.id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let said = [
        failed_task(tasks).map(|task| {
            if task.status_message.is_empty() {
                format!("task {} ({}) failed", task.name, task.action)
            } else {
                format!("{}: {}", task.name, task.status_message)
            }
        }),
        Some(child.status_message.clone()),
        item.map(|item| item.task.status_message.clone()),
    ];
    let mut message = said
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| format!("execution {} failed and OOS gives no reason", child.id));
    let invocation = invocation_of(tasks).and_then(|invocation| {
        observation
            .invocation(&invocation, id)
            .ok()
            .cloned()
            .flatten()
    });
    let (mut exit_code, mut output_tail) = (None, None);
    if let Some(invocation) = invocation {
        if invocation.exit_code.is_some_and(|code| code != 0) || !invocation.error_code.is_empty() {
            exit_code = invocation
                .exit_code
                .and_then(|code| i32::try_from(code).ok());
            if let Some(code) = exit_code {
                message = format!("the script ended with exit code {code}; {message}");
            }
            if !invocation.error_code.is_empty() {
                message = format!(
                    "Cloud Assistant: {} {}; {message}",
                    invocation.error_code, invocation.error_info
                );
            }
        }
        output_tail = Some(tail(&invocation.output)).filter(|tail| !tail.is_empty());
    }
    Details {
        message: conditions::shorten(&message, 512),
        exit_code,
        output_tail,
    }
}

fn tail(output: &str) -> String {
    let output = output.trim_end();
    let start = output.ceil_char_boundary(output.len().saturating_sub(TAIL_MAX));
    output[start..].to_owned()
}
