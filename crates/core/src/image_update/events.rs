//! The Events that a change of status is worth. Everything in them is in the status too.

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, RunOutcome, condition};

use super::context::Context;
use super::report::Phase;
use crate::task::decision::Event;
use crate::task::display::Phase as _;
use crate::task::reason::Reason;
use crate::task::{conditions, ledger};

/// The Events that a change of status is worth.
pub(super) fn events(
    ctx: &Context<'_>,
    old: &ImageUpdateTaskStatus,
    new: &ImageUpdateTaskStatus,
) -> Vec<Event> {
    let (known, found) = (&old.unknown_annotations, &new.unknown_annotations);
    let mut events = ledger::unknown_annotation_events(known, found);
    events.extend(missed(old, new));
    events.extend(ended(old, new));
    events.extend(started(ctx, old, new));
    events.extend(of_state(old, new));
    events.extend(ledger::resolved_events(&old.actions, &new.actions));
    events
}

fn missed(old: &ImageUpdateTaskStatus, new: &ImageUpdateTaskStatus) -> Option<Event> {
    let schedule = |status: &ImageUpdateTaskStatus| {
        let followed = status.followed_schedule.as_ref();
        followed.map(|followed| followed.hash.clone())
    };
    let missed = new.missed_runs.unwrap_or(0) - old.missed_runs.unwrap_or(0);
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
    let note = format!("{missed} due and not made{until}: {why}");
    (missed > 0).then(|| Event::warning(Reason::RunMissed, "Schedule", note))
}

fn ended(old: &ImageUpdateTaskStatus, new: &ImageUpdateTaskStatus) -> Option<Event> {
    let now = new.active.as_ref().map(|run| run.number);
    let run = old.active.as_ref().map(|run| run.number);
    let number = run.filter(|_| run != now)?;
    let message = conditions::message(&new.conditions, condition::SUCCEEDED);
    let note = format!("run {number}: {message}");
    Some(match new.last_outcome? {
        RunOutcome::Succeeded => Event::normal(Reason::RunSucceeded, "Finish", note),
        RunOutcome::Failed => Event::warning(Reason::RunFailed, "Finish", note),
        RunOutcome::Cancelled => Event::warning(Reason::RunCancelled, "Finish", note),
    })
}

/// Worth telling once it is certain: of an execution when it is known.
fn started(
    ctx: &Context<'_>,
    old: &ImageUpdateTaskStatus,
    new: &ImageUpdateTaskStatus,
) -> Option<Event> {
    let execution = |status: &ImageUpdateTaskStatus| {
        let run = status.active.as_ref()?;
        let execution = run.execution.as_ref().map(|e| e.id.clone());
        Some((run.number, execution, run.start.is_some()))
    };
    let now = execution(new).filter(|now| execution(old).as_ref() != Some(now));
    let note = match now? {
        (number, Some(id), _) => format!(
            "run {number}: execution {id} builds an image for scaling group {}",
            ctx.group
        ),
        (_, None, false) => conditions::message(&new.conditions, condition::READY),
        (_, None, true) => return None,
    };
    Some(Event::normal(Reason::RunStarted, "StartExecution", note))
}

fn of_state(old: &ImageUpdateTaskStatus, new: &ImageUpdateTaskStatus) -> Option<Event> {
    let state = new.state.as_deref().filter(|_| old.state != new.state)?;
    let ready = conditions::get(&new.conditions, condition::READY)?;
    let message = ready.message.as_str();
    let event = match (Phase::from_word(state)?, Reason::recorded(&ready.reason)) {
        // Told of above.
        (Phase::Blocked, Reason::RunMissed) => return None,
        (Phase::Blocked, Reason::InvalidSchedule | Reason::InvalidTimeZone | Reason::NeverDue) => {
            Event::warning(Reason::InvalidSchedule, "Schedule", message)
        }
        (Phase::Blocked, _) => Event::warning(Reason::PreflightFailed, "Preflight", message),
        (Phase::Cancelling, _) => Event::normal(Reason::Cancelling, "CancelExecution", message),
        _ => return None,
    };
    Some(event)
}
