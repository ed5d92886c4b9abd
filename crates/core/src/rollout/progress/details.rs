//! What nested executions say of their failures, and what the scripts in them printed.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{
    InstanceState, InstanceStatus, OnFailure, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{Execution, ExecutionStatus, Query, TaskExecution};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::attempts::{Attempt, Attempts, Item, state};
use crate::rollout::context::Context;
use crate::task::observation::{Known, Missing, Observation};
use crate::task::{conditions, ledger};

/// The most failed instances that are looked into at once.
const DETAILS_MAX: usize = 20;
/// How many nested executions that show no reason for it are looked into at one time.
const LOOKS_IN_TURN: i64 = 2;
/// How long it is their turn.
const TURN_SECONDS: i64 = 10;
/// Where nothing moves for longer, it is anybody's turn so often, and for how long: a fleet of updates whose scripts take an
/// hour is not to be looked into all the time.
const TURNS_EVERY: SignedDuration = SignedDuration::from_mins(15);
const TURNS_FOR: SignedDuration = SignedDuration::from_secs(65);
/// `InvocationStatus` of a command that was given up.
const UNFINISHED: [&str; 6] = [
    "Timeout",
    "Error",
    "Cancelled",
    "Terminated",
    "Stopped",
    "Aborted",
];
/// The most bytes of a script's output in the message of a failure.
const WORDS_MAX: usize = 256;
/// How much of the end of a script's output is kept, bytes.
const TAIL_MAX: usize = 1024;

/// The task of a nested execution that failed, or waits because it failed.
fn failed_task(tasks: &[TaskExecution]) -> Option<&TaskExecution> {
    let has_failed = |task: &TaskExecution| task.status == ExecutionStatus::Failed;
    let said = tasks
        .iter()
        .filter(|task| has_failed(task) || !task.status_message.is_empty());
    said.max_by_key(|task| (has_failed(task), task.end, task.start))
}

/// The last of these tasks that failed.
pub(in crate::rollout) fn last_failed(tasks: &[TaskExecution]) -> Option<&TaskExecution> {
    let failed = tasks
        .iter()
        .filter(|task| task.status == ExecutionStatus::Failed);
    failed.max_by_key(|task| task.end)
}

fn tasks_of(execution: &str) -> Query {
    Query::TaskExecutions {
        execution: execution.to_owned(),
    }
}

/// The execution one level down in which it failed, or may have: a package is installed by an
/// `ACS::ECS::RunCommand` within the execution of its instance.
pub(in crate::rollout) fn below(tasks: &[TaskExecution]) -> Option<&str> {
    let open = || tasks.iter().find(|task| !task.status.is_final());
    last_failed(tasks).or_else(open)?.child_execution.as_deref()
}

/// The tasks one level down, if there are any and they could be read.
fn tasks_below<'o>(observation: &'o Observation, tasks: &[TaskExecution]) -> &'o [TaskExecution] {
    let found = below(tasks).and_then(|inner| observation.task_executions(inner).ok());
    found.map(Vec::as_slice).unwrap_or_default()
}

/// The Cloud Assistant invocation that a nested execution made.
fn invocation_of(tasks: &[TaskExecution]) -> Option<String> {
    tasks.iter().find_map(|task| {
        let mut outputs = task.outputs.iter();
        let (_, value) = outputs.find(|(name, _)| name.eq_ignore_ascii_case("invokeId"))?;
        Some(value.as_str()?.to_owned())
    })
}

/// What is on record of this very nested execution.
fn known<'s>(
    status: &'s RollingUpdateTaskStatus,
    id: &str,
    child: &Execution,
) -> Option<&'s InstanceStatus> {
    let mut all = status.instances.iter();
    all.find(|old| old.id == id && old.execution_id.as_ref() == Some(&child.id))
}

/// Whether this very failure is on record.
pub(super) fn known_failed(
    status: &RollingUpdateTaskStatus,
    id: &str,
    child: &Execution,
    failure: Option<Timestamp>,
) -> bool {
    known(status, id, child).is_some_and(|old| {
        old.state == InstanceState::Failed && old.failure_time.as_ref().map(|t| t.0) == failure
    })
}

/// Looks into nested executions that do not move: whether one shows `Failed`, `Waiting` or
/// something else while the root is suspended upon failure is not documented. What cannot be read
/// is done without.
pub(super) fn look_inside(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    attempts: &mut Attempts<'_>,
) -> Known<()> {
    let observation = ctx.input.observation;
    let mut queries = Vec::new();
    let quiet = in_turn(ctx, status, attempts);
    for (id, attempt) in attempts.iter_mut() {
        let Some(child) = attempt.newest else {
            continue;
        };
        if state(attempt) != InstanceState::Updating {
            continue;
        }
        let waits = child.status == ExecutionStatus::Waiting;
        let failure = known(status, id, child).and_then(|old| old.failure_time.as_ref());
        if !waits && failure.is_none() && !quiet.contains(id) {
            continue;
        }
        let unchanged = failure.is_some_and(|at| child.updated.is_some_and(|u| u <= at.0));
        let trusted = waits && unchanged && !ledger::is_open(&status.actions, id);
        let looks = !trusted && queries.len() < DETAILS_MAX;
        if looks {
            queries.push(tasks_of(&child.id));
        }
        let read = observation.task_executions(&child.id);
        let Some(mut tasks) = read.ok().filter(|_| looks).map(Vec::as_slice) else {
            // As is on record.
            attempt.failed_inside = failure.is_some();
            attempt.failure_time = failure.map(|at| at.0);
            continue;
        };
        if last_failed(tasks).is_none()
            && let Some(inner) = below(tasks)
        {
            queries.push(tasks_of(inner));
            tasks = tasks_below(observation, tasks);
        }
        // One that goes on after a failed task was told to by its template.
        let rests = waits || tasks.iter().all(|task| task.status.is_final());
        if let Some(task) = last_failed(tasks).filter(|_| rests) {
            attempt.failed_inside = true;
            attempt.failure_time = task.end.or(child.start);
        }
    }
    observation.require(queries)
}

/// Which of the instances in motion are looked into although their nested executions do not wait: a
/// few at a time, once nothing has moved for the bound on lateness, and only where OOS suspends upon
/// failure.
fn in_turn(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    attempts: &Attempts<'_>,
) -> BTreeSet<String> {
    let quiet = ctx.quiet_for(status);
    let is_time = quiet.is_some_and(|quiet| {
        let since = quiet.as_secs().rem_euclid(TURNS_EVERY.as_secs());
        since <= TURNS_FOR.as_secs()
    });
    // What is on record may be from before the operator was away.
    let newest = attempts.values().filter_map(|attempt| attempt.newest);
    let times = newest.flat_map(|child| [child.start, child.end]).flatten();
    let has_moved = times
        .max()
        .is_some_and(|time| !ctx.waits().settled_since(&Time(time)));
    if ctx.spec.policy.on_failure != OnFailure::Suspend || !is_time || has_moved {
        return BTreeSet::new();
    }
    let moves = |attempt: &Attempt<'_>| {
        let child = attempt.newest;
        state(attempt) == InstanceState::Updating
            && child.is_some_and(|child| child.status != ExecutionStatus::Waiting)
    };
    let moving = attempts.iter().filter(|(_, attempt)| moves(attempt));
    let moving: Vec<&String> = moving.map(|(id, _)| id).collect();
    let Ok(count) = i64::try_from(moving.len().max(1)) else {
        return BTreeSet::new();
    };
    let turn = ctx.now().as_second().div_euclid(TURN_SECONDS) * LOOKS_IN_TURN;
    (turn..turn + LOOKS_IN_TURN)
        .filter_map(|n| usize::try_from(n.rem_euclid(count)).ok())
        .filter_map(|n| moving.get(n))
        .map(|id| (*id).clone())
        .collect()
}

/// Asks for the tasks of nested executions that have newly failed, and then for the invocations
/// that they made. What cannot be read is done without.
pub(super) fn want_details(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    attempts: &Attempts<'_>,
) -> Known<()> {
    let fresh = attempts.iter().filter_map(|(id, attempt)| {
        let child = attempt
            .newest
            .filter(|_| state(attempt) == InstanceState::Failed)?;
        (!known_failed(status, id, child, attempt.failure_time)).then_some((id, child))
    });
    let fresh: Vec<(&String, &Execution)> = fresh.take(DETAILS_MAX).collect();
    let observation = ctx.input.observation;
    observation.require(fresh.iter().map(|(_, child)| tasks_of(&child.id)))?;
    let inner = fresh.iter().filter_map(|(_, child)| {
        let tasks = observation.task_executions(&child.id).ok()?;
        Some(tasks_of(below(tasks)?))
    });
    observation.require(inner)?;
    let invocations = fresh.iter().filter_map(|(id, child)| {
        let tasks = observation.task_executions(&child.id).ok()?;
        let made_below = || invocation_of(tasks_below(observation, tasks));
        Some(Query::Invocation {
            invocation: invocation_of(tasks).or_else(made_below)?,
            instance: (*id).clone(),
        })
    });
    match observation.require(invocations) {
        Err(Missing::Read(queries)) => Err(Missing::Read(queries)),
        _ => Ok(()),
    }
}

/// Says of an instance why it failed, and what its script printed.
pub(super) fn describe(
    ctx: &Context<'_>,
    child: &Execution,
    item: Option<&Item<'_>>,
    instance: &mut InstanceStatus,
) {
    let observation = ctx.input.observation;
    let tasks = observation.task_executions(&child.id);
    let tasks = tasks.map(Vec::as_slice).unwrap_or_default();
    let inner = tasks_below(observation, tasks);
    let failed = failed_task(inner).or_else(|| failed_task(tasks));
    let said = [
        failed.map(|task| match task.status_message.as_str() {
            "" => format!("task {} ({}) failed", task.name, task.action),
            said => format!("{}: {said}", task.name),
        }),
        Some(child.status_message.clone()),
        item.map(|item| item.task.status_message.clone()),
    ];
    let mut said = said.into_iter().flatten();
    let said = said.find(|text| !text.is_empty());
    let mut message =
        said.unwrap_or_else(|| format!("execution {} failed and OOS gives no reason", child.id));
    let invocation = invocation_of(tasks).or_else(|| invocation_of(inner));
    let invocation =
        invocation.and_then(|made| observation.invocation(&made, &instance.id).ok()?.as_ref());
    if let Some(invocation) = invocation {
        if invocation.exit_code.is_some_and(|code| code != 0) || !invocation.error_code.is_empty() {
            let code = invocation.exit_code;
            instance.exit_code = code.and_then(|code| i32::try_from(code).ok());
            if let Some(code) = instance.exit_code {
                // In place of what OOS says, which is how its template looked at it.
                message = format!("the script ended with exit code {code}");
                if let Some(said) = last_words(&invocation.output) {
                    message = format!("{message}, and with: {said}");
                }
            }
            if !invocation.error_code.is_empty() {
                message = format!(
                    "Cloud Assistant: {} {}; {message}",
                    invocation.error_code, invocation.error_info
                );
            }
        }
        // Neither an exit code nor an error: the words of ECS for a command that did not come to its
        // end.
        if instance.exit_code.is_none() && UNFINISHED.contains(&invocation.status.as_str()) {
            message = format!(
                "Cloud Assistant: the command is {}; {message}",
                invocation.status
            );
        }
        let tail = tail(invocation.output.trim_end(), TAIL_MAX);
        instance.output_tail = (!tail.is_empty()).then(|| tail.to_owned());
    }
    instance.message = conditions::shorten(&message, 512);
}

/// The end of a script's output on one line, if it has said anything.
fn last_words(output: &str) -> Option<String> {
    let lines = output.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let text = lines.join(" / ");
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = tail(&text, WORDS_MAX);
    let cut = if end.len() < text.len() { "..." } else { "" };
    (!text.is_empty()).then(|| format!("{cut}{end}"))
}

fn tail(text: &str, max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max))..]
}
