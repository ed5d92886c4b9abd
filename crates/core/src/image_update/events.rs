//! The Events that a change of status is worth. Everything in them is in the status too.

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, RunOutcome, condition};

use super::context::Context;
use super::report::Phase;
use crate::task::decision::{Event, EventKind};
use crate::task::display::Phase as _;
use crate::task::reason::Reason;
use crate::task::{conditions, ledger};

/// The Events that a change of status is worth.
pub(super) fn events(
    ctx: &Context<'_>,
    old: &ImageUpdateTaskStatus,
    new: &ImageUpdateTaskStatus,
) -> Vec<Event> {
    let mut events =
        ledger::unknown_annotation_events(&old.unknown_annotations, &new.unknown_annotations);
    let schedule = |status: &ImageUpdateTaskStatus| {
        let followed = status.followed_schedule.as_ref();
        followed.map(|followed| followed.hash.clone())
    };
    let mut push = |kind, reason: Reason, action: &str, note: String| {
        events.push(Event {
            kind,
            reason,
            action: action.into(),
            note,
        });
    };
    let missed = new.missed_runs.unwrap_or(0) - old.missed_runs.unwrap_or(0);
    if missed > 0 {
        let why = if old.active.is_some() {
            "another run was under way"
        } else if new.active.is_some() {
            "of several that were due the newest alone is made"
        } else if schedule(old) != schedule(new) {
            "spec.schedule was changed, or spec.imageId has it stand still, before it could begin"
        } else {
            "it could no longer begin in time, or was cancelled"
        };
        let newest = new.last_schedule_time.as_ref();
        let until = newest.map_or(String::new(), |time| format!(", the newest at {}", time.0));
        push(
            EventKind::Warning,
            Reason::RunMissed,
            "Schedule",
            format!("{missed} due and not made{until}: {why}"),
        );
    }
    let ended = old.active.as_ref().filter(|run| {
        let now = new.active.as_ref();
        now.is_none_or(|now| now.number != run.number)
    });
    if let (Some(run), Some(outcome)) = (ended, new.last_outcome) {
        let (kind, reason) = match outcome {
            RunOutcome::Succeeded => (EventKind::Normal, Reason::RunSucceeded),
            RunOutcome::Failed => (EventKind::Warning, Reason::RunFailed),
            RunOutcome::Cancelled => (EventKind::Warning, Reason::RunCancelled),
        };
        let message = message(new, condition::SUCCEEDED);
        push(
            kind,
            reason,
            "Finish",
            format!("run {}: {message}", run.number),
        );
    }
    let execution = |status: &ImageUpdateTaskStatus| {
        let run = status.active.as_ref()?;
        let execution = run.execution.as_ref().map(|e| e.id.clone());
        Some((run.number, execution, run.start.is_some()))
    };
    if let Some((number, id, starts)) =
        execution(new).filter(|now| execution(old).as_ref() != Some(now))
    {
        // Worth telling once it is certain: of an execution when it is known.
        let note = match id {
            Some(id) => Some(format!(
                "run {number}: execution {id} builds an image for scaling group {}",
                ctx.group
            )),
            None if !starts => Some(message(new, condition::READY)),
            None => None,
        };
        if let Some(note) = note {
            push(
                EventKind::Normal,
                Reason::RunStarted,
                "StartExecution",
                note,
            );
        }
    }
    if old.state != new.state {
        let message = message(new, condition::READY);
        match new.state.as_deref().and_then(Phase::from_word) {
            Some(Phase::Blocked) => {
                let ready = conditions::get(&new.conditions, condition::READY);
                match ready.map(|ready| Reason::recorded(&ready.reason)) {
                    // Told of above.
                    Some(Reason::RunMissed) => {}
                    Some(Reason::InvalidSchedule | Reason::InvalidTimeZone | Reason::NeverDue) => {
                        push(
                            EventKind::Warning,
                            Reason::InvalidSchedule,
                            "Schedule",
                            message,
                        );
                    }
                    _ => push(
                        EventKind::Warning,
                        Reason::PreflightFailed,
                        "Preflight",
                        message,
                    ),
                }
            }
            Some(Phase::Cancelling) => {
                push(
                    EventKind::Normal,
                    Reason::Cancelling,
                    "CancelExecution",
                    message,
                );
            }
            _ => {}
        }
    }
    events.extend(ledger::resolved_events(&old.actions, &new.actions));
    events
}

fn message(status: &ImageUpdateTaskStatus, type_: &str) -> String {
    let found = conditions::get(&status.conditions, type_);
    found.map(|c| c.message.clone()).unwrap_or_default()
}
