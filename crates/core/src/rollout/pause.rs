//! What an execution in `Waiting` waits for. OOS does not say: it is read off its parts.

use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{
    Approval, InstanceState, InstanceStatus, OnFailure, Pause, PauseKind, RollingUpdateTaskStatus,
    SuspensionPolicy, Verb,
};
use ess_rollout_cloud::{Execution, ExecutionStatus, TaskExecution};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::progress;
use crate::conditions::shorten;

/// How many instances are named in a message.
const SHOWN: usize = 3;
/// The most bytes of a pause's message.
const MESSAGE_MAX: usize = 1024;

/// Actions that wait for an Approve when the execution runs with
/// `SafetyCheck=ConfirmEveryHighRiskAction`.
const HIGH_RISK: [&str; 4] = ["delete", "stop", "release", "replace"];

/// Whether nothing has moved for the bound on lateness, by what is on record.
pub(super) fn is_quiet(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    let begun = status.start.as_ref().map(|intent| &intent.time);
    let moved = status.progress_time.as_ref().or(begun);
    moved.is_some_and(|time| ctx.settled_since(time))
}

/// How many failures OOS tolerates over the whole run.
fn tolerated(ctx: &Context<'_>) -> usize {
    usize::try_from(ctx.spec.policy.max_errors.unwrap_or(0)).unwrap_or(0)
}

/// The failed instances that somebody has yet to decide about. OOS shows one that was given up in the
/// console as failed; but it begins no further batch before the failures beyond `maxErrors` are
/// resolved.
pub(super) fn unresolved<'s>(
    ctx: &Context<'_>,
    status: &'s RollingUpdateTaskStatus,
) -> Vec<&'s InstanceStatus> {
    let begun = status
        .instances
        .iter()
        .filter(|i| i.state != InstanceState::Pending)
        .map(|i| i.batch)
        .max()
        .unwrap_or(0);
    let failed = |last: i32| {
        let all = status.instances.iter();
        all.filter(move |i| i.state == InstanceState::Failed && i.batch <= last)
    };
    let given_up = (1..begun)
        .rev()
        .find(|batch| failed(*batch).count() > tolerated(ctx))
        .unwrap_or(0);
    failed(i32::MAX).filter(|i| i.batch > given_up).collect()
}

/// Whether more have failed than OOS tolerates, so that it goes no further by itself.
pub(super) fn is_held(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    ctx.spec.policy.on_failure == OnFailure::Suspend
        && unresolved(ctx, status).len() > tolerated(ctx)
}

/// The pause that the execution is in, if it is in one. `status` holds the progress as just read;
/// `quiet`: nothing has moved for a while.
pub(super) fn classify(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    root: &Execution,
    tasks: &[TaskExecution],
    quiet: bool,
) -> Option<Pause> {
    let id = progress::highest_ended_batch(status);
    let of = status.batches.len();
    let failed = unresolved(ctx, status);
    let in_motion = status
        .instances
        .iter()
        .any(|i| i.state == InstanceState::Updating);
    let suspends = ctx.spec.policy.on_failure == OnFailure::Suspend;
    let beyond = failed.len() > tolerated(ctx);
    let same = status.pause.as_ref().filter(|pause| pause.id == id);
    let shown = same.is_some_and(|pause| pause.kind == PauseKind::Failure);
    // Whether the root itself shows Waiting in a failure pause is not documented, nor whether the
    // others of the batch go on.
    let held_up = suspends && beyond && (!in_motion || loop_waits(tasks) || quiet || shown);
    if root.status != ExecutionStatus::Waiting
        && !(root.status == ExecutionStatus::Running && held_up)
    {
        return None;
    }
    let due = match ctx.spec.policy.suspension_policy {
        SuspensionPolicy::Automatic => false,
        SuspensionPolicy::SuspendFirstBatch => id == 1,
        SuspensionPolicy::SuspendEachBatch => id >= 1,
    };
    // Whether OOS pauses at each failure or only beyond maxErrors is not documented, and at the end
    // of a batch the two pauses look alike: an Approve that it refuses tells.
    let refused = same.is_some_and(|pause| pause.approval_refused);
    let coincides = refused && suspends && !failed.is_empty();
    let (kind, message) = if beyond {
        (PauseKind::Failure, failure_message(ctx, &failed))
    } else if let Some(task) = failed_task(tasks).filter(|_| suspends) {
        (
            PauseKind::Failure,
            format!(
                "task {} failed: {}; retry or skip it in the OOS console, or cancel the update",
                task.name, task.status_message
            ),
        )
    } else if due && !in_motion && !coincides {
        (
            PauseKind::Batch,
            format!(
                "batch {id} of {of} has ended; to go on: kubectl annotate {} -n {} {} {}={id} --overwrite, or raise spec.approvedBatches to {}",
                ctx.resource(),
                ctx.namespace,
                ctx.name,
                keys::CONTINUE,
                id + 1
            ),
        )
    } else if waits_for_approval(root) {
        (
            PauseKind::Approval,
            "OOS waits for confirmation of a high-risk action: confirm or refuse it in the OOS console".to_owned(),
        )
    } else if in_motion {
        // The lists lag behind the root, or the other way round: judge when they agree.
        return None;
    } else if suspends && !failed.is_empty() {
        (PauseKind::Failure, failure_message(ctx, &failed))
    } else if was_told_of_late(ctx, status) {
        // OOS has taken a request, and its lists do not show that yet.
        return None;
    } else {
        (
            PauseKind::Unknown,
            format!(
                "OOS waits, and does not say for what (WaitingStatus {:?}): look at the execution in the OOS console",
                root.waiting_status
            ),
        )
    };
    let message = shorten(&message, MESSAGE_MAX);
    let update_time = root.updated.map(Time);
    let before = same.filter(|pause| pause.kind == kind);
    let approved = status
        .latched
        .as_ref()
        .map_or(0, |latched| latched.approved_pause);
    if kind == PauseKind::Batch && before.is_none() && id <= approved {
        return approved_before(ctx, status, id, message, update_time);
    }
    Some(match before {
        // The same pause: it keeps its time and what was done about it.
        Some(before) => Pause {
            message,
            ..before.clone()
        },
        None => Pause {
            id,
            kind,
            since: Time(ctx.now()),
            message,
            execution_update_time: update_time,
            approval: None,
            approval_refused: kind == PauseKind::Failure && refused,
        },
    })
}

/// Whether the loop over instances waits, whatever the root shows.
fn loop_waits(tasks: &[TaskExecution]) -> bool {
    tasks.iter().any(|task| {
        task.status == ExecutionStatus::Waiting
            && tasks
                .iter()
                .any(|item| item.parent.as_deref() == Some(task.id.as_str()))
    })
}

/// Whether a request on an instance was carried out within the bound on lateness.
fn was_told_of_late(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    status.instances.iter().any(|instance| {
        let request = instance.request.as_ref();
        request.is_some_and(|request| !ctx.settled_since(&request.time))
    })
}

/// What failed, and the commands that decide about it.
fn failure_message(ctx: &Context<'_>, failed: &[&InstanceStatus]) -> String {
    let ids: Vec<&str> = failed.iter().map(|i| i.id.as_str()).collect();
    let named = failed
        .iter()
        .take(SHOWN)
        .map(|instance| format!("{}/{}", instance.id, instance.attempt))
        .collect::<Vec<_>>()
        .join(",");
    let command = |key: &str| {
        format!(
            "kubectl annotate {} -n {} {} {key}={named}@$(date +%s) --overwrite",
            ctx.resource(),
            ctx.namespace,
            ctx.name
        )
    };
    format!(
        "{} failed (see status.instances); to run again: {}; to pass over, as done: {}; to give up, as failed: {}=... in the same way; or cancel the update",
        list(&ids),
        command(keys::RETRY),
        command(keys::SKIP),
        keys::CANCEL_INSTANCES,
    )
}

/// An Approve of this pause was put on record, and then the pause was not seen for a while. Most
/// likely it was left, and the lists do not show the batch that ran since. If it stays, the Approve
/// was lost: the pause is taken up again, and the wait for another one begins anew.
fn approved_before(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    id: i32,
    message: String,
    execution_update_time: Option<Time>,
) -> Option<Pause> {
    let latched = status.latched.as_ref()?;
    let lost = latched
        .approved_pause_time
        .as_ref()
        .is_some_and(|time| ctx.settled_since(time));
    if id != latched.approved_pause || !lost {
        return None;
    }
    let request = status.actions.iter().rev().find(|action| {
        action.verb == Verb::Continue && action.targets.first() == Some(&id.to_string())
    });
    let by = request.map_or("spec.approvedBatches", |action| action.id.as_str());
    Some(Pause {
        id,
        kind: PauseKind::Batch,
        since: Time(ctx.now()),
        message,
        execution_update_time,
        approval: Some(Approval {
            time: Time(ctx.now()),
            attempt: 1,
            by: by.to_owned(),
        }),
        approval_refused: false,
    })
}

/// A task of the root itself that failed, a refused SuspendProcesses for instance. The loop over
/// instances is none: it is judged by its items.
fn failed_task(tasks: &[TaskExecution]) -> Option<&TaskExecution> {
    tasks.iter().find(|task| {
        let is_loop = tasks
            .iter()
            .any(|item| item.parent.as_deref() == Some(task.id.as_str()));
        task.status == ExecutionStatus::Failed && task.parent.is_none() && !is_loop
    })
}

fn waits_for_approval(root: &Execution) -> bool {
    root.current_actions.iter().any(|action| {
        action == "ACS::Approve"
            || (root.safety_check == "ConfirmEveryHighRiskAction"
                && HIGH_RISK
                    .iter()
                    .any(|word| action.to_lowercase().contains(word)))
    })
}

/// The first few of a list, and how many more.
fn list(ids: &[&str]) -> String {
    let shown = ids
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => format!("instance {shown}"),
        more => format!("instances {shown} and {more} more"),
    }
}
