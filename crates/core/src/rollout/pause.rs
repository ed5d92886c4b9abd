//! What an execution in `Waiting` waits for. OOS does not say: it is read off its parts.

use ess_rollout_api::v1alpha1::{
    InstanceState, Pause, PauseKind, RollingUpdateTaskStatus, SuspensionPolicy,
};
use ess_rollout_cloud::{Execution, ExecutionStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::progress;
use super::step::Context;

/// Actions that wait for an Approve when the execution runs with
/// `SafetyCheck=ConfirmEveryHighRiskAction`.
const HIGH_RISK: [&str; 4] = ["delete", "stop", "release", "replace"];

/// The pause that the execution is in, if it is in one. `status` holds the progress as just read.
pub(super) fn classify(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    root: &Execution,
) -> Option<Pause> {
    if root.status != ExecutionStatus::Waiting {
        return None;
    }
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
    } else if due && !in_motion {
        (
            PauseKind::Batch,
            format!(
                "batch {id} of {of} has ended; to go on: kubectl annotate rollingupdatetask -n {} {} {}={id} --overwrite, or raise spec.approvedBatches to {}",
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
    } else {
        (
            PauseKind::Unknown,
            format!(
                "OOS waits, and does not say for what (WaitingStatus {:?}): look at the execution in the OOS console",
                root.waiting_status
            ),
        )
    };
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
        // This pause was left: the lists do not show the batch that ran since.
        return None;
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
