//! What an execution in `Waiting` waits for. OOS does not say: it is read off its parts.

mod message;
pub(in crate::rollout) mod tasks;

use ess_rollout_api::v1alpha1::{
    Approval, ApproveAnswer, InstanceState, OnFailure, Pause, PauseKind, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{Execution, ExecutionStatus, TaskExecution};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::approval;
use super::summary::{self, passed_over};
use super::tolerance::{tolerated, unresolved};
use crate::identity::fingerprint;
use crate::rollout::context::Context;
use message::WaitsFor;

/// A pause that has lasted for so long is one: an answer that leaves something out may have shown another, and a second look would
/// have corrected it.
pub(in crate::rollout) const SURE_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// Actions that wait for an Approve when the execution runs with
/// `SafetyCheck=ConfirmEveryHighRiskAction`.
const HIGH_RISK: [&str; 4] = ["delete", "stop", "release", "replace"];

/// The pause that the execution is in, if it is in one. `status` holds the progress as just read;
/// `quiet`: nothing has moved for a while.
pub(in crate::rollout) fn classify(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    root: &Execution,
    tasks: &[TaskExecution],
    quiet: bool,
) -> Option<Pause> {
    let id = number(ctx, status);
    let what = waits_for(ctx, status, root, tasks, quiet, id)?;
    let kind = what.kind();
    let before = status.pause.as_ref();
    let before = before.filter(|pause| pause.id == id && pause.kind == kind);
    let now = ctx.now();
    // A clock that was ahead must not make anything wait for it.
    let since = before.map_or(now, |before| before.since.0.min(now));
    let message = message::message(ctx, status, root, (&what, since));
    let record = approval::of_pause(status, id);
    if kind == PauseKind::Batch && !may_show(ctx, status, id, before.is_some()) {
        return None;
    }
    let approval = match before {
        Some(before) => before.approval.clone(),
        // It was not seen for a while: what was done about it still counts.
        None => record.filter(|r| r.answer.is_none()).map(|r| Approval {
            time: r.time.clone(),
            attempt: r.attempt,
            by: r.by.clone(),
        }),
    };
    Some(Pause {
        id,
        kind,
        since: Time(since),
        message,
        execution_update_time: match before {
            Some(before) => before.execution_update_time.clone(),
            None => root.updated.map(Time),
        },
        execution_fingerprint: Some(fingerprint(root)),
        approval: approval.filter(|_| kind == PauseKind::Batch),
        approval_refused: approval::is_refused(status, id)
            && matches!(kind, PauseKind::Batch | PauseKind::Failure),
    })
}

/// Brings what a pause after a batch says up to what is on record by now.
pub(in crate::rollout) fn tell_again(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let Some(pause) = status.pause.as_ref() else {
        return;
    };
    if pause.kind != PauseKind::Batch {
        return;
    }
    let said = message::of_batch(ctx, status, (pause.id, pause.since.0));
    if let Some(pause) = &mut status.pause {
        pause.message = said;
    }
}

fn waits_for<'w>(
    ctx: &Context<'_>,
    status: &'w RollingUpdateTaskStatus,
    root: &Execution,
    tasks: &'w [TaskExecution],
    quiet: bool,
    id: i32,
) -> Option<WaitsFor<'w>> {
    let failed = unresolved(ctx, status);
    let mut instances = status.instances.iter();
    let in_motion = instances.any(|i| i.state == InstanceState::Updating);
    let suspends = ctx.spec.policy.on_failure == OnFailure::Suspend;
    let tolerated = tolerated(ctx);
    let beyond = failed.len() > tolerated;
    let failed_tasks = match suspends {
        true => tasks::failed(tasks),
        false => Vec::new(),
    };
    let pause = status.pause.as_ref();
    let shown = pause.is_some_and(|pause| pause.id == id && pause.kind == PauseKind::Failure);
    // Whether the root itself shows Waiting in a failure pause is not documented, nor whether the
    // others of the batch go on.
    let settled = !in_motion || tasks::loop_waits(tasks) || quiet || shown;
    let held_up = suspends && beyond && settled;
    let held_by_task = !failed_tasks.is_empty() && (quiet || shown || tasks::loop_waits(tasks));
    let runs = root.status == ExecutionStatus::Running;
    if root.status != ExecutionStatus::Waiting && !(runs && (held_up || held_by_task)) {
        return None;
    }
    let asked = ctx.spec.policy.asks_person_after(id);
    let due = asked || (ctx.holds_batches(status) && id >= 1);
    // Whether OOS pauses at each failure or only beyond maxErrors is not documented, and at the end
    // of a batch the two pauses look alike: an Approve that it refuses tells.
    let coincides = approval::is_refused(status, id) && suspends && !failed.is_empty();
    Some(if beyond {
        WaitsFor::Instances { failed, tolerated }
    } else if !failed_tasks.is_empty() {
        WaitsFor::Tasks(failed_tasks)
    } else if due && !in_motion && !coincides && !tasks::loop_has_ended(tasks) {
        WaitsFor::Batch(id)
    } else if waits_for_approval(root) {
        WaitsFor::Approval
    } else if in_motion {
        // The lists lag behind the root, or the other way round: judge when they agree.
        return None;
    } else if suspends && !failed.is_empty() {
        WaitsFor::Instances { failed, tolerated }
    } else if was_told_of_late(ctx, status) {
        // OOS has taken a request, and its lists do not show that yet.
        return None;
    } else {
        WaitsFor::Unknown
    })
}

/// Whether a batch pause that is read off the lists is one, and no old list of one that was left.
/// `seen`: it has been on show since it began.
fn may_show(ctx: &Context<'_>, status: &RollingUpdateTaskStatus, id: i32, seen: bool) -> bool {
    let Some(record) = status.approve.as_ref().filter(|r| r.pause >= id) else {
        return true;
    };
    let newer = ctx.now() >= approval::over_at(ctx, record);
    match record.answer {
        _ if record.pause > id => false,
        Some(ApproveAnswer::Refused | ApproveAnswer::Failed) => true,
        None | Some(ApproveAnswer::Taken) => seen || newer,
    }
}

/// The number of the pause: of the highest batch that has ended. A batch of which every instance was
/// passed over before its turn may be listed as ended long before that, so it tells nothing: the
/// pause after it is another one if OOS took the Approve of the one before it.
fn number(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> i32 {
    let mut id = summary::highest_ended_batch(status);
    let left = status.approve.as_ref().filter(|record| {
        record.answer == Some(ApproveAnswer::Taken) && ctx.now() >= approval::over_at(ctx, record)
    });
    while left.is_some_and(|record| id <= record.pause) && passed_over(status, id + 1) {
        id += 1;
    }
    id
}

/// Whether a request on an instance was carried out within the bound on lateness.
fn was_told_of_late(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    status.instances.iter().any(|instance| {
        let request = instance.request.as_ref();
        request.is_some_and(|request| !ctx.waits().settled_since(&request.time))
    })
}

fn waits_for_approval(root: &Execution) -> bool {
    let confirms = root.safety_check == "ConfirmEveryHighRiskAction";
    let is_high_risk = |action: &str| {
        let action = action.to_lowercase();
        HIGH_RISK.iter().any(|word| action.contains(word))
    };
    let mut actions = root.current_actions.iter();
    actions.any(|action| action == "ACS::Approve" || (confirms && is_high_risk(action)))
}
