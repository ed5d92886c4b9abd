//! What holds the next batch in the pause after one: a person who is to say so, a soak, a window. One list; the pause is left
//! when nothing is on it any more.
//!
//! A person's `continue` is a verdict for that pause: it stands for everything but the window, which is not that person's to
//! open. A level in the spec stands for the person alone: who raised it did not see how the batch does.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{ApproveAnswer, PauseKind, RollingUpdateTaskStatus};
use jiff::{SignedDuration, Timestamp};

use super::approval::{self, Obstacle};
use super::{summary, window};
use crate::rollout::context::Context;
use crate::task::reason::Reason;

/// What holds the next batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) enum Hold {
    /// The suspension policy asks for a person.
    Person,
    /// The batch has not been in service for long enough.
    Soak {
        /// When it has.
        until: Timestamp,
    },
    /// The window does not let it begin.
    Window(window::Held),
}

impl Hold {
    /// Why, in a word.
    fn reason(&self) -> Reason {
        match self {
            Self::Person => Reason::BatchSuspended,
            Self::Soak { .. } => Reason::Soaking,
            Self::Window(held) => held.reason,
        }
    }

    /// When it may let go by itself.
    fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Person => None,
            Self::Soak { until } => Some(*until),
            Self::Window(held) => held.until,
        }
    }

    /// Whether it never lets go.
    pub(in crate::rollout) fn is_for_good(&self) -> bool {
        matches!(self, Self::Window(held) if held.until.is_none())
    }

    /// What it waits for, as a part of a sentence; `None`: that is what the commands are said for.
    fn said(&self) -> Option<String> {
        match self {
            Self::Person => None,
            Self::Soak { until } => Some(format!(
                "the next one begins at {until} at the earliest (spec.gates.soakSeconds)"
            )),
            Self::Window(held) => Some(held.message.clone()),
        }
    }
}

/// What holds the batch after a pause that began at `since`. `decided`: whatever a person, or the time, could still say has been
/// said.
pub(in crate::rollout) fn of_pause(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    (pause, since): (i32, Timestamp),
    decided: bool,
) -> Vec<Hold> {
    let mut holds = Vec::new();
    if !decided {
        holds.extend(person(ctx, status, pause));
        holds.extend(soak(ctx, status, (pause, since)));
    }
    if !summary::is_last(status, pause) {
        holds.extend(window::held(ctx, &status.batches).map(Hold::Window));
    }
    holds
}

fn person(ctx: &Context<'_>, status: &RollingUpdateTaskStatus, pause: i32) -> Option<Hold> {
    let latched = status.latched.as_ref();
    let level = latched.map_or(0, |latched| latched.approved_batches);
    (asks_person(ctx, pause) && level <= pause).then_some(Hold::Person)
}

/// Whether a person is asked in this pause. Without anything else that may hold, OOS pauses nowhere else.
pub(in crate::rollout) fn asks_person(ctx: &Context<'_>, pause: i32) -> bool {
    let policy = &ctx.spec.policy;
    policy.asks_person_after(pause) || !policy.holds_batches()
}

fn soak(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    (pause, since): (i32, Timestamp),
) -> Option<Hold> {
    let gates = ctx.spec.policy.gates.as_ref()?;
    // After the last batch there is none that could be held.
    let seconds = gates
        .soak_seconds
        .filter(|_| !summary::is_last(status, pause))?;
    let until = since + SignedDuration::from_secs(seconds.into());
    (ctx.now() < until).then_some(Hold::Soak { until })
}

/// How long until one of them may let go by itself.
pub(in crate::rollout) fn until_next(ctx: &Context<'_>, holds: &[Hold]) -> Option<Duration> {
    let next = holds.iter().filter_map(Hold::until).min()?;
    Some(ctx.waits().left(next))
}

/// What they wait for, each after a semicolon.
pub(in crate::rollout) fn said(holds: &[Hold]) -> String {
    let said = holds.iter().filter_map(Hold::said);
    said.map(|said| format!("; {said}")).collect()
}

/// Why the batch after the pause on show is held, where no person has to do anything about it; `None`: one has, or it is no
/// pause after a batch.
pub(in crate::rollout) fn by_itself(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Reason> {
    let pause = status.pause.as_ref()?;
    if pause.kind != PauseKind::Batch || !ctx.spec.policy.holds_batches() {
        return None;
    }
    let stuck = match approval::obstacle(ctx, status, pause.id, None) {
        None => false,
        Some(Obstacle::Taken(record)) => ctx.now() >= approval::over_at(ctx, record),
        Some(Obstacle::Refused(_) | Obstacle::Alike) => true,
    };
    let record = approval::of_pause(status, pause.id);
    let refused = record.is_some_and(|record| record.answer == Some(ApproveAnswer::Refused));
    let holds = of_pause(ctx, status, (pause.id, pause.since.0), false);
    // What never lets go waits for a person, too.
    let needs_person = |hold: &Hold| hold.until().is_none();
    if stuck || refused || holds.iter().any(needs_person) {
        return None;
    }
    Some(holds.first().map_or(Reason::BatchHeld, Hold::reason))
}
