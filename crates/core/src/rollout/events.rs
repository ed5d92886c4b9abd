//! The Events that a change of status is worth. Everything in them is in the status too.

use ess_rollout_api::v1alpha1::{
    ApproveAnswer, BatchState, DesiredState, InstanceState, Outcome, PauseKind, RestoreState,
    RollingUpdateTaskStatus, condition,
};

use super::context::Context;
use super::decision::{Event, EventKind};
use super::progress::freeze;
use super::report::Phase;
use crate::task::display::Phase as _;
use crate::task::reason::Reason;
use crate::task::{conditions, ledger};

/// The most Events for failed instances that one change leads to.
const INSTANCE_EVENTS_MAX: usize = 5;
/// The most Events for what is left behind.
const LEFTOVER_EVENTS_MAX: usize = 10;

/// The Events that a change of status is worth. Everything in them is in the status too.
pub(super) fn events(
    ctx: &Context<'_>,
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Vec<Event> {
    let (known, found) = (&old.unknown_annotations, &new.unknown_annotations);
    let mut events = ledger::unknown_annotation_events(known, found);
    events.extend(ledger::resolved_events(&old.actions, &new.actions));
    let mut push = |kind, reason: Reason, action: &str, note: String| {
        events.push(Event {
            kind,
            reason,
            action: action.into(),
            note,
        });
    };
    if old.execution.is_none()
        && let Some(execution) = &new.execution
    {
        let template = &execution.template_name;
        push(
            EventKind::Normal,
            Reason::Started,
            "StartExecution",
            format!(
                "execution {} of template {template} updates scaling group {}",
                execution.id, ctx.group
            ),
        );
    }
    let respecified = old.observed_generation != new.observed_generation;
    let (level, latched) = (ctx.spec.policy.approved_batches.unwrap_or(0), &new.latched);
    let kept = latched.as_ref().map_or(0, |l| l.approved_batches);
    if level < kept && respecified {
        push(
            EventKind::Warning,
            Reason::LoweringIgnored,
            "Update",
            format!(
                "spec.approvedBatches was {kept} before and only ever rises: {level} has no effect"
            ),
        );
    }
    let planned = ctx.spec.policy.desired_state == DesiredState::Plan && new.start.is_some();
    if planned && respecified {
        push(
            EventKind::Warning,
            Reason::LoweringIgnored,
            "Update",
            "spec.desiredState is Plan, and the update has been started: Plan has no effect any more; to end it set Cancelled".into(),
        );
    }
    if respecified
        && ctx.spec.policy.ttl_seconds_after_finished.is_some()
        && ctx.spec.policy.run_key.is_none()
        && ctx.deleting.is_none()
    {
        push(
            EventKind::Warning,
            Reason::MayRunAgain,
            "Update",
            "spec.ttlSecondsAfterFinished is set and spec.runKey is not: if the manifest is synced from Git, it is created, and run, again after it was deleted".into(),
        );
    }
    let revived = ctx.spec.policy.desired_state != DesiredState::Cancelled
        && latched.as_ref().is_some_and(|latched| latched.cancelled);
    if revived && respecified {
        push(
            EventKind::Warning,
            Reason::CancellationIsFinal,
            "Update",
            format!(
                "spec.desiredState was Cancelled before, for good: {:?} has no effect; create a new task",
                ctx.spec.policy.desired_state
            ),
        );
    }
    if old.state != new.state {
        let ready = conditions::get(&new.conditions, condition::READY);
        let message = ready.map(|c| c.message.clone()).unwrap_or_default();
        match new.state.as_deref().and_then(Phase::from_word) {
            Some(Phase::Blocked) => push(
                EventKind::Warning,
                Reason::PreflightFailed,
                "Preflight",
                message,
            ),
            Some(Phase::Cancelling) => push(
                EventKind::Normal,
                Reason::Cancelling,
                "CancelExecution",
                message,
            ),
            Some(Phase::Restoring) => {
                push(EventKind::Normal, Reason::Restoring, "Restore", message)
            }
            _ => {}
        }
    }
    if let Some(pause) = &new.pause
        && old.pause.as_ref().map(|p| (p.id, p.kind)) != Some((pause.id, pause.kind))
    {
        let (kind, reason) = match pause.kind {
            PauseKind::Batch => (EventKind::Normal, Reason::BatchSuspended),
            PauseKind::Failure => (EventKind::Warning, Reason::FailureSuspended),
            PauseKind::Approval => (EventKind::Warning, Reason::ApprovalNeeded),
            PauseKind::Unknown => (EventKind::Warning, Reason::Suspended),
        };
        push(kind, reason, "Pause", pause.message.clone());
    }
    let refusals = |status: &RollingUpdateTaskStatus| {
        let record = status.approve.as_ref();
        record.map(|record| (record.time.0, record.refusals))
    };
    if let Some(record) = &new.approve
        && record.answer == Some(ApproveAnswer::Refused)
        && refusals(old) != refusals(new)
    {
        push(
            EventKind::Warning,
            Reason::ApproveRefused,
            "Continue",
            format!(
                "OOS refused to leave the pause after batch {}: {}",
                record.pause, record.message
            ),
        );
    }
    instance_events(old, new, &mut push);
    let done = |status: &RollingUpdateTaskStatus| status.restore.as_ref().is_some_and(|r| r.done);
    if !done(old) && done(new) {
        ending_events(new, &mut push);
    }
    events.extend(freeze::event(old, new));
    events
}

fn instance_events(
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
    push: &mut impl FnMut(EventKind, Reason, &str, String),
) {
    let failed = |instance: &&ess_rollout_api::v1alpha1::InstanceStatus| {
        instance.state == InstanceState::Failed
            && !old.instances.iter().any(|before| {
                before.id == instance.id
                    && before.state == instance.state
                    && before.execution_id == instance.execution_id
            })
    };
    let all: Vec<_> = new.instances.iter().filter(failed).collect();
    for instance in all.iter().take(INSTANCE_EVENTS_MAX) {
        let why = &instance.message;
        push(
            EventKind::Warning,
            Reason::InstanceFailed,
            "Update",
            format!(
                "instance {} in batch {}: {why}",
                instance.id, instance.batch
            ),
        );
    }
    if all.len() > INSTANCE_EVENTS_MAX {
        let more = all.len() - INSTANCE_EVENTS_MAX;
        push(
            EventKind::Warning,
            Reason::InstanceFailed,
            "Update",
            format!("{more} more instances failed: see status.instances"),
        );
    }
    for batch in &new.batches {
        let before = old.batches.iter().find(|b| b.index == batch.index);
        let ended = matches!(batch.state, BatchState::Succeeded | BatchState::Failed);
        if ended && before.is_none_or(|b| b.state != batch.state) && !new.batches.is_empty() {
            let of = new.batches.len();
            let word = if batch.state == BatchState::Succeeded {
                "updated"
            } else {
                "ended with failures"
            };
            push(
                EventKind::Normal,
                Reason::BatchEnded,
                "Update",
                format!(
                    "batch {} of {of} ({} instances) {word}",
                    batch.index, batch.size
                ),
            );
        }
    }
}

fn ending_events(
    new: &RollingUpdateTaskStatus,
    push: &mut impl FnMut(EventKind, Reason, &str, String),
) {
    if let Some(result) = &new.result {
        let (kind, reason) = match result.outcome {
            Outcome::Succeeded => (EventKind::Normal, Reason::Succeeded),
            Outcome::Failed => (EventKind::Warning, Reason::Failed),
            Outcome::Cancelled => (EventKind::Warning, Reason::Cancelled),
        };
        push(kind, reason, "Finish", result.message.clone());
    }
    let items = new.restore.iter().flat_map(|restore| &restore.items);
    let left: Vec<_> = items
        .filter(|item| item.state == RestoreState::Left)
        .collect();
    for item in left.iter().take(LEFTOVER_EVENTS_MAX) {
        push(
            EventKind::Warning,
            Reason::LeftBehind,
            "Restore",
            format!(
                "{:?} {} is not put back to {}: {}",
                item.kind, item.target, item.wanted, item.message
            ),
        );
    }
    if left.len() > LEFTOVER_EVENTS_MAX {
        let more = left.len() - LEFTOVER_EVENTS_MAX;
        push(
            EventKind::Warning,
            Reason::LeftBehind,
            "Restore",
            format!("{more} more things are not put back: see status.restore"),
        );
    }
}
