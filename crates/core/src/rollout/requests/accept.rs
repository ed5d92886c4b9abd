//! A request is seen for the first time: whom it is for, each with the attempt that it means. A set is
//! resolved then: who fails later is not in it.

use ess_rollout_api::v1alpha1::{
    ActionState, ActionTarget, InstanceState, InstanceStatus, OnFailure, RollingUpdateTaskStatus,
    Verb,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge;
use super::targets::{INSTANCE_MAX, MESSAGE_MAX, TASK_ID_MAX};
use crate::rollout::context::Context;
use crate::rollout::progress::{pause, tolerance};
use crate::task::conditions::shorten;
use crate::task::ledger;
use crate::task::reason::Reason;
use crate::task::requests::{self, InstanceTarget, InstancesError, Targets};

/// How many instances that are named one by one may have an open request. With the details of settled
/// ones they fit the bound on the status.
const OPEN_MAX: usize = 200;
/// How many may with the sets: as many as an update has instances. Of a set each is some hundred
/// bytes, and no more than a few have a call on record at a time.
const SET_OPEN_MAX: usize = 2000;

/// Judges a new request against the instances as just read.
pub(super) fn accept(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
) -> Result<Accepted, Refusal> {
    let targets = requests::parse_targets(value).map_err(|error| match error {
        InstancesError::Malformed(why) => (Reason::Malformed, why),
        InstancesError::TooManyTargets(why) => (Reason::TooManyTargets, why),
    })?;
    if status.execution.is_none() {
        return refuse(Reason::NotPaused, "the update has not started");
    }
    if ctx.spec.policy.on_failure == OnFailure::Fail {
        return refuse(
            Reason::NotSuspended,
            "spec.onFailure is Fail: OOS ends the update at a failure instead of suspending it, and takes no requests on instances",
        );
    }
    let set = targets.set();
    let (resolved, bound) = match targets {
        Targets::Instances(named) => {
            let judged = named.into_iter().map(|target| {
                let found = status.instances.iter().find(|i| i.id == target.instance);
                resolve(verb, target, found)
            });
            (judged.collect(), OPEN_MAX)
        }
        Targets::Failed => (failed(ctx, status, verb)?, SET_OPEN_MAX),
        Targets::Batch(batch) => (members(status, verb, batch)?, SET_OPEN_MAX),
        Targets::Task(name) => (task(ctx, status, verb, &name)?, SET_OPEN_MAX),
    };
    if ledger::count_open(&status.actions) + resolved.len() > bound {
        return refuse(
            Reason::TooManyRequests,
            format!(
                "requests on {bound} instances would be open: wait for the effect of those that are"
            ),
        );
    }
    Ok(Accepted::Instances(set, resolved))
}

fn failed(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    verb: Verb,
) -> Result<Vec<ActionTarget>, Refusal> {
    let targets = applicable(verb, tolerance::unresolved(ctx, status).into_iter());
    match targets.is_empty() {
        true => refuse(Reason::InstanceNotFailed, "no instance has failed"),
        false => Ok(targets),
    }
}

fn members(
    status: &RollingUpdateTaskStatus,
    verb: Verb,
    batch: i32,
) -> Result<Vec<ActionTarget>, Refusal> {
    let all = || status.instances.iter().filter(|i| i.batch == batch);
    let targets = applicable(verb, all());
    match (targets.is_empty(), all().next().is_none(), verb) {
        (false, ..) => Ok(targets),
        (true, true, _) => {
            let message = format!("there is no batch {batch}, but {}", status.batches.len());
            refuse(Reason::UnknownBatch, message)
        }
        (true, false, Verb::Retry) => {
            let message = format!("no instance of batch {batch} has failed");
            refuse(Reason::InstanceNotFailed, message)
        }
        (true, false, _) => {
            let message = format!("every instance of batch {batch} has ended");
            refuse(Reason::InstanceFinished, message)
        }
    }
}

/// Those of a set that a verb can be for.
fn applicable<'s>(verb: Verb, all: impl Iterator<Item = &'s InstanceStatus>) -> Vec<ActionTarget> {
    let named = |found: &InstanceStatus| InstanceTarget {
        instance: found.id.clone(),
        attempt: None,
    };
    let resolved = all.map(|found| resolve(verb, named(found), Some(found)));
    let accepted = resolved.filter(|target| target.state == ActionState::Accepted);
    accepted.collect()
}

fn task(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    verb: Verb,
    name: &str,
) -> Result<Vec<ActionTarget>, Refusal> {
    if verb == Verb::CancelInstances {
        let message = "a task of the execution itself cannot be given up: cancel the update";
        return refuse(Reason::Unsupported, message);
    }
    let root = status.execution.as_ref().map_or("", |e| e.id.as_str());
    // Read for this very decision.
    let tasks = ctx.input.observation.task_executions(root);
    let failed = pause::tasks::failed(tasks.map_or(&[], Vec::as_slice));
    let Some(found) = failed.iter().find(|task| task.name == name) else {
        let names: Vec<&str> = failed.iter().map(|task| task.name).collect();
        let message = match names.as_slice() {
            [] => format!("no task {name} of the execution itself has failed, and no other either"),
            names => format!(
                "no task {name} of the execution itself has failed, but {}",
                names.join(", ")
            ),
        };
        return refuse(Reason::TaskNotFailed, shorten(&message, 512));
    };
    let parts = found.parts.iter();
    let parts = parts.filter(|part| part.id.len() <= TASK_ID_MAX);
    let targets = parts.map(|part| ActionTarget {
        instance: shorten(part.loop_item.as_deref().unwrap_or(name), INSTANCE_MAX),
        task_execution_id: Some(part.id.clone()),
        failure_time: part.end.map(Time),
        attempt: 0,
        execution_id: None,
        state: ActionState::Accepted,
        reason: String::new(),
        message: String::new(),
        call: None,
    });
    Ok(targets.collect())
}

fn resolve(verb: Verb, named: InstanceTarget, found: Option<&InstanceStatus>) -> ActionTarget {
    let applicable = match found {
        None => refuse(Reason::UnknownInstance, "it takes no part in this update"),
        Some(found) => applies(verb, &named, found),
    };
    let attempt = found.map_or(0, |found| found.attempt);
    let (state, reason, message) = match applicable {
        Ok(()) => (ActionState::Accepted, String::new(), String::new()),
        Err((reason, message)) => (ActionState::Rejected, reason.into(), message),
    };
    ActionTarget {
        instance: named.instance,
        task_execution_id: None,
        failure_time: None,
        // A refused one is listed as it was named.
        attempt: match (state, named.attempt) {
            (ActionState::Rejected, Some(named)) => named,
            _ => attempt,
        },
        execution_id: found.and_then(|found| found.execution_id.clone()),
        state,
        reason,
        message: shorten(&message, MESSAGE_MAX),
        call: None,
    }
}

/// Whether a verb can be for an instance.
fn applies(verb: Verb, named: &InstanceTarget, found: &InstanceStatus) -> Result<(), Refusal> {
    if let Some(attempt) = named.attempt
        && attempt != found.attempt
    {
        let message = match found.attempt {
            0 => "it has not begun".to_owned(),
            newest => format!("its newest attempt is {newest}, not {attempt}"),
        };
        return refuse(Reason::StaleAttempt, message);
    }
    let told = found.request.as_ref();
    if found.state == InstanceState::Pending && told.is_some_and(|r| r.verb == verb) {
        let message = "it was told so already, and is passed over when its turn comes";
        return refuse(Reason::InstanceFinished, message);
    }
    match (verb, found.state) {
        (Verb::Retry, InstanceState::Failed) => Ok(()),
        (Verb::Retry, _) => refuse(Reason::InstanceNotFailed, judge::describe(found)),
        (_, InstanceState::Pending | InstanceState::Updating | InstanceState::Failed) => Ok(()),
        (_, _) => refuse(Reason::InstanceFinished, judge::describe(found)),
    }
}

/// Whom an accepted request is for.
pub(super) enum Accepted {
    /// The pause with this number or, empty, the task.
    Targets(Vec<String>),
    /// The checks of the pause with this number.
    Checks(i32),
    /// These windows.
    Windows(Vec<String>),
    /// These instances, each judged by itself; the name of the set that they are, if it is one.
    Instances(Option<String>, Vec<ActionTarget>),
}

/// Why a request is refused: in a word and a sentence.
pub(super) type Refusal = (Reason, String);

pub(super) fn refuse<T>(reason: Reason, message: impl Into<String>) -> Result<T, Refusal> {
    Err((reason, message.into()))
}
