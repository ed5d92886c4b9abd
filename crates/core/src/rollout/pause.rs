//! What an execution in `Waiting` waits for. OOS does not say: it is read off its parts.

use ess_rollout_api::v1alpha1::{
    Approval, InstanceState, OnFailure, Pause, PauseKind, RollingUpdateTaskStatus,
    SuspensionPolicy, Verb,
};
use ess_rollout_cloud::{Execution, ExecutionStatus, TaskExecution};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::progress;
use crate::conditions::shorten;

/// The most bytes of a pause's message.
const MESSAGE_MAX: usize = 1024;

/// Actions that wait for an Approve when the execution runs with
/// `SafetyCheck=ConfirmEveryHighRiskAction`.
const HIGH_RISK: [&str; 4] = ["delete", "stop", "release", "replace"];

/// The pause that the execution is in, if it is in one. `status` holds the progress as just read.
pub(super) fn classify(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    root: &Execution,
    tasks: &[TaskExecution],
) -> Option<Pause> {
    let id = progress::highest_ended_batch(status);
    let of = status.batches.len();
    let failed: Vec<&str> = status
        .instances
        .iter()
        .filter(|i| i.state == InstanceState::Failed)
        .map(|i| i.id.as_str())
        .collect();
    let in_motion = status
        .instances
        .iter()
        .any(|i| i.state == InstanceState::Updating);
    let tolerated = usize::try_from(ctx.spec.max_errors.unwrap_or(0)).unwrap_or(0);
    let suspends = ctx.spec.on_failure == OnFailure::Suspend;
    // Whether the root itself shows Waiting in a failure pause is not documented.
    let held_up = suspends && failed.len() > tolerated && !in_motion;
    if root.status != ExecutionStatus::Waiting
        && !(root.status == ExecutionStatus::Running && held_up)
    {
        return None;
    }
    let due = match ctx.spec.suspension_policy {
        SuspensionPolicy::Automatic => false,
        SuspensionPolicy::SuspendFirstBatch => id == 1,
        SuspensionPolicy::SuspendEachBatch => id >= 1,
    };
    let (kind, message) = if failed.len() > tolerated {
        (
            PauseKind::Failure,
            format!("{} failed; see status.instances", list(&failed)),
        )
    } else if let Some(task) = failed_task(tasks).filter(|_| suspends) {
        (
            PauseKind::Failure,
            format!(
                "task {} failed: {}; retry or skip it in the OOS console, or cancel the update",
                task.name, task.status_message
            ),
        )
    } else if due && !in_motion {
        (
            PauseKind::Batch,
            format!(
                "batch {id} of {of} has ended; to go on: kubectl annotate {} -n {} {} {}={id} --overwrite, or raise spec.approvedBatches to {}",
                ctx.input.subject.kind.to_lowercase(),
                ctx.namespace,
                ctx.name,
                ess_rollout_api::requests::CONTINUE,
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
        // Whether OOS pauses at each failure or only beyond maxErrors is not documented.
        (
            PauseKind::Failure,
            format!("{} failed; see status.instances", list(&failed)),
        )
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
    let before = status
        .pause
        .as_ref()
        .filter(|p| p.id == id && p.kind == kind);
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
        },
    })
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
    const SHOWN: usize = 3;
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
