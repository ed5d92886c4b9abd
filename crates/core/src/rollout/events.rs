//! The Events that a change of status is worth. Everything in them is in the status too.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    ApproveAnswer, BatchState, BatchStatus, DesiredState, InstanceState, InstanceStatus, Outcome,
    PauseKind, RestoreItem, RestoreState, RollingUpdateTaskStatus, condition,
};

use super::context::Context;
use super::decision::Event;
use super::progress::{freeze, gate, window};
use super::report::Phase;
use super::requests::thaw;
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
    events.extend(started(ctx, old, new));
    if old.observed_generation != new.observed_generation {
        events.extend(of_spec(ctx, new));
        events.extend(of_spec_after_the_end(old, new));
    }
    events.extend(of_state(old, new));
    events.extend(of_pause(old, new));
    events.extend(failed_instances(old, new));
    events.extend(ended_batches(old, new));
    let done = |status: &RollingUpdateTaskStatus| status.restore.as_ref().is_some_and(|r| r.done);
    if !done(old) && done(new) {
        events.extend(of_ending(new));
    }
    events.extend(freeze::event(old, new));
    events.extend(freeze::too_long_event(ctx, old, new));
    events.extend(thaw::event(old, new));
    events.extend(gate::event(ctx, old, new));
    events.extend(window::event(old, new));
    events
}

fn started(
    ctx: &Context<'_>,
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let execution = new.execution.as_ref().filter(|_| old.execution.is_none())?;
    let note = format!(
        "execution {} of template {} updates scaling group {}",
        execution.id, execution.template_name, ctx.group
    );
    Some(Event::normal(Reason::Started, "StartExecution", note))
}

/// What a spec that was changed cannot have any more.
fn of_spec(ctx: &Context<'_>, new: &RollingUpdateTaskStatus) -> Vec<Event> {
    let mut events = Vec::new();
    let mut warn = |reason, note: String| events.push(Event::warning(reason, "Update", note));
    let policy = &ctx.spec.policy;
    let (level, latched) = (policy.approved_batches.unwrap_or(0), &new.latched);
    let kept = latched.as_ref().map_or(0, |l| l.approved_batches);
    if level < kept {
        let note = format!(
            "spec.approvedBatches was {kept} before and only ever rises: {level} has no effect"
        );
        warn(Reason::LoweringIgnored, note);
    }
    if policy.desired_state == DesiredState::Plan && new.start.is_some() {
        let note = "spec.desiredState is Plan, and the update has been started: Plan has no effect any more; to end it set Cancelled";
        warn(Reason::LoweringIgnored, note.to_owned());
    }
    let deleted_and_synced =
        policy.ttl_seconds_after_finished.is_some() && policy.run_key.is_none();
    if deleted_and_synced && ctx.deleting.is_none() {
        let note = "spec.ttlSecondsAfterFinished is set and spec.runKey is not: if the manifest is synced from Git, it is created, and run, again after it was deleted";
        warn(Reason::MayRunAgain, note.to_owned());
    }
    let cancelled = latched.as_ref().is_some_and(|latched| latched.cancelled);
    if cancelled && policy.desired_state != DesiredState::Cancelled {
        let note = format!(
            "spec.desiredState was Cancelled before, for good: {:?} has no effect; create a new task",
            policy.desired_state
        );
        warn(Reason::CancellationIsFinal, note);
    }
    events
}

/// What was asked of an update that had ended, and that nothing comes of. What had been asked before was no use either, but
/// was not asked for in vain then.
fn of_spec_after_the_end(
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Vec<Event> {
    if old.result.is_none() {
        return Vec::new();
    }
    let latched = |status: &RollingUpdateTaskStatus| {
        let latched = status.latched.as_ref();
        latched.map_or((false, 0), |l| (l.cancelled, l.approved_batches))
    };
    let (before, now) = (latched(old), latched(new));
    let mut notes = Vec::new();
    if now.0 && !before.0 {
        notes.push("spec.desiredState is Cancelled, and the update has ended: there is nothing to cancel any more".to_owned());
    }
    if now.1 > before.1 {
        notes.push(format!(
            "spec.approvedBatches is {}, and the update has ended: there is no pause to leave any more",
            now.1
        ));
    }
    let events = notes.into_iter();
    events
        .map(|note| Event::warning(Reason::LoweringIgnored, "Update", note))
        .collect()
}

fn of_state(old: &RollingUpdateTaskStatus, new: &RollingUpdateTaskStatus) -> Option<Event> {
    let state = new.state.as_deref().filter(|_| old.state != new.state)?;
    let message = conditions::message(&new.conditions, condition::READY);
    Some(match Phase::from_word(state)? {
        Phase::Blocked => Event::warning(Reason::PreflightFailed, "Preflight", message),
        Phase::Cancelling => Event::normal(Reason::Cancelling, "CancelExecution", message),
        Phase::Restoring => Event::normal(Reason::Restoring, "Restore", message),
        _ => return None,
    })
}

fn of_pause(old: &RollingUpdateTaskStatus, new: &RollingUpdateTaskStatus) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(pause) = &new.pause
        && old.pause.as_ref().map(|p| (p.id, p.kind)) != Some((pause.id, pause.kind))
    {
        let message = pause.message.clone();
        events.push(match pause.kind {
            PauseKind::Batch => {
                let state = new.state.as_deref().and_then(Phase::from_word);
                let reason = match state {
                    Some(Phase::BatchHeld) => Reason::BatchHeld,
                    _ => Reason::BatchSuspended,
                };
                Event::normal(reason, "Pause", message)
            }
            PauseKind::Failure => Event::warning(Reason::FailureSuspended, "Pause", message),
            PauseKind::Approval => Event::warning(Reason::ApprovalNeeded, "Pause", message),
            PauseKind::Unknown => Event::warning(Reason::Suspended, "Pause", message),
        });
    }
    let refusals = |status: &RollingUpdateTaskStatus| {
        let record = status.approve.as_ref();
        record.map(|record| (record.time.0, record.refusals))
    };
    if let Some(record) = &new.approve
        && record.answer == Some(ApproveAnswer::Refused)
        && refusals(old) != refusals(new)
    {
        let note = format!(
            "OOS refused to leave the pause after batch {}: {}",
            record.pause, record.message
        );
        events.push(Event::warning(Reason::ApproveRefused, "Continue", note));
    }
    events
}

fn failed_instances(old: &RollingUpdateTaskStatus, new: &RollingUpdateTaskStatus) -> Vec<Event> {
    let old: BTreeMap<&str, &InstanceStatus> =
        old.instances.iter().map(|i| (i.id.as_str(), i)).collect();
    let failed = |instance: &&InstanceStatus| {
        let before = old.get(instance.id.as_str());
        let same = before.is_some_and(|before| {
            before.state == instance.state && before.execution_id == instance.execution_id
        });
        instance.state == InstanceState::Failed && !same
    };
    let note =
        |i: &InstanceStatus| format!("instance {} in batch {}: {}", i.id, i.batch, i.message);
    let all = new.instances.iter().filter(failed).map(note).collect();
    let more = "more instances failed: see status.instances";
    let warn = |note| Event::warning(Reason::InstanceFailed, "Update", note);
    bounded(all, INSTANCE_EVENTS_MAX, more).map(warn).collect()
}

/// The first of many notes, and one that says how many more there are.
fn bounded(mut all: Vec<String>, max: usize, what: &str) -> impl Iterator<Item = String> {
    let more = all.len().saturating_sub(max);
    all.truncate(max);
    let more = (more > 0).then(|| format!("{more} {what}"));
    all.into_iter().chain(more)
}

fn ended_batches(old: &RollingUpdateTaskStatus, new: &RollingUpdateTaskStatus) -> Vec<Event> {
    let ended = |batch: &&BatchStatus| {
        let before = old.batches.iter().find(|b| b.index == batch.index);
        let ended = matches!(batch.state, BatchState::Succeeded | BatchState::Failed);
        ended && before.is_none_or(|before| before.state != batch.state)
    };
    let note = |batch: &BatchStatus| {
        let word = match batch.state {
            BatchState::Succeeded => "updated",
            _ => "ended with failures",
        };
        let (index, of, size) = (batch.index, new.batches.len(), batch.size);
        let note = format!("batch {index} of {of} ({size} instances) {word}");
        Event::normal(Reason::BatchEnded, "Update", note)
    };
    new.batches.iter().filter(ended).map(note).collect()
}

fn of_ending(new: &RollingUpdateTaskStatus) -> Vec<Event> {
    let result = new.result.iter().map(|result| {
        let message = result.message.clone();
        match result.outcome {
            Outcome::Succeeded => Event::normal(Reason::Succeeded, "Finish", message),
            Outcome::Failed => Event::warning(Reason::Failed, "Finish", message),
            Outcome::Cancelled => Event::warning(Reason::Cancelled, "Finish", message),
        }
    });
    let items = new.restore.iter().flat_map(|restore| &restore.items);
    let left = items.filter(|item| item.state == RestoreState::Left);
    let note = |item: &RestoreItem| {
        let (kind, target, wanted) = (item.kind, &item.target, &item.wanted);
        format!(
            "{kind:?} {target} is not put back to {wanted}: {}",
            item.message
        )
    };
    let more = "more things are not put back: see status.restore";
    let warn = |note| Event::warning(Reason::LeftBehind, "Restore", note);
    let left = bounded(left.map(note).collect(), LEFTOVER_EVENTS_MAX, more);
    result.chain(left.map(warn)).collect()
}
