//! What holds the next batch in the pause after one: a person who is to say so, a soak, checks, a window. One list; the pause is left
//! when nothing is on it any more.
//!
//! A person's `continue` is a verdict for that pause: it stands for everything but the window, which is not that person's to
//! open. A level in the spec stands for the person alone: who raised it did not see how the batch does.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{ApproveAnswer, Gates, Pause, RollingUpdateTaskStatus};
use jiff::{SignedDuration, Timestamp};

use super::approval::{self, Obstacle};
use super::{gate, summary, window};
use crate::rollout::context::Context;
use crate::task::closed::{Held, Mended};
use crate::task::observation::Known;
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
    /// Checks have not passed.
    Checks(gate::Held),
    /// The window does not let it begin.
    Window(Held),
}

impl Hold {
    /// Why, in a word.
    fn reason(&self) -> Reason {
        match self {
            Self::Person => Reason::BatchSuspended,
            Self::Soak { .. } => Reason::Soaking,
            Self::Checks(gate::Held::Evaluating { .. }) => Reason::GateEvaluating,
            Self::Checks(gate::Held::Verdict(reason, _)) => *reason,
            Self::Window(held) => held.reason,
        }
    }

    /// When it may let go by itself.
    pub(in crate::rollout) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Person | Self::Checks(gate::Held::Verdict(..)) => None,
            Self::Soak { until } | Self::Checks(gate::Held::Evaluating { until, .. }) => {
                Some(*until)
            }
            Self::Window(held) => held.until,
        }
    }

    /// Whether it never lets go.
    pub(in crate::rollout) fn is_for_good(&self) -> bool {
        matches!(self, Self::Window(held) if held.mended_by == Some(Mended::Never))
    }

    /// What it waits for, as a part of a sentence; `None`: that is what the commands are said for.
    fn said(&self) -> Option<String> {
        match self {
            Self::Person => None,
            Self::Soak { until } => Some(format!(
                "the next one begins at {until} at the earliest (spec.gates.soakSeconds)"
            )),
            Self::Checks(gate::Held::Evaluating {
                passes: (passes, wanted),
                ..
            }) => Some(format!(
                "the checks of spec.gates have to pass {wanted} times in a row, and have {passes} times (status.gate)"
            )),
            Self::Checks(gate::Held::Verdict(_, message)) => Some(message.clone()),
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
    let mut holds = match decided {
        true => window(ctx, status, pause).into_iter().collect(),
        false => besides_checks(ctx, status, (pause, since)),
    };
    if !decided && !summary::is_last(status, pause) {
        // They count once the rest lets go by itself: until then they are not what is waited for.
        let is_early = holds.iter().any(|hold| hold.until().is_some());
        let checks = gate::held(ctx, status, pause);
        let checks = checks.filter(|held| !is_early || matches!(held, gate::Held::Verdict(..)));
        holds.extend(checks.map(Hold::Checks));
    }
    holds
}

/// What holds it but for checks, where nothing has been said yet.
fn besides_checks(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    (pause, since): (i32, Timestamp),
) -> Vec<Hold> {
    let mut holds = Vec::new();
    holds.extend(person(ctx, status, pause));
    holds.extend(soak(ctx, status, (pause, since)));
    holds.extend(window(ctx, status, pause));
    holds
}

fn window(ctx: &Context<'_>, status: &RollingUpdateTaskStatus, pause: i32) -> Option<Hold> {
    // After the last batch there is none that could be held.
    if summary::is_last(status, pause) {
        return None;
    }
    window::held(ctx, &status.batches).map(Hold::Window)
}

fn person(ctx: &Context<'_>, status: &RollingUpdateTaskStatus, pause: i32) -> Option<Hold> {
    let latched = status.latched.as_ref();
    let level = latched.map_or(0, |latched| latched.approved_batches);
    (asks_person(ctx, status, pause) && level <= pause).then_some(Hold::Person)
}

/// Whether a person is asked in this pause. Without anything else that may hold, OOS pauses nowhere else.
pub(in crate::rollout) fn asks_person(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: i32,
) -> bool {
    ctx.spec.policy.asks_person_after(pause) || !ctx.holds_batches(status)
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

/// Makes the checks of the gates, if that is due, and puts on record what they come to.
pub(in crate::rollout) fn look_at_checks(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
) -> Known<()> {
    let besides = besides(ctx, status);
    gate::look(ctx, status, besides)
}

/// How long until they are to be made again, in a batch as well.
pub(in crate::rollout) fn until_checks(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Duration> {
    gate::until_next(ctx, status, besides(ctx, status))
}

/// Whether the checks of this pause wait for a person, who may have them made again; the number of the pause.
///
/// # Errors
/// Why not, in a word and a sentence.
pub(in crate::rollout) fn can_be_retried(
    status: &RollingUpdateTaskStatus,
    pause: Option<&Pause>,
) -> Result<i32, (Reason, String)> {
    let Some(pause) = pause else {
        return Err((Reason::NotPaused, "the update is not paused".to_owned()));
    };
    if let Some(rollback) = &status.automatic_rollback {
        let message = format!("Rollback {} undoes the update", rollback.name);
        return Err((Reason::Superseded, message));
    }
    if approval::of_pause(status, pause.id).is_some() {
        let message = "the pause is being left".to_owned();
        return Err((Reason::Superseded, message));
    }
    match gate::has_verdict(status, pause.id) {
        true => Ok(pause.id),
        false => Err((
            Reason::NoVerdict,
            "no check of spec.gates has come to something that holds the update: those that have not passed yet are made by themselves".to_owned(),
        )),
    }
}

/// Has the checks made again.
pub(in crate::rollout) fn retry_checks(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    gate::retry(ctx, status);
}

fn besides(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> gate::Besides {
    let mut besides = gate::Besides::default();
    let gates = ctx.spec.policy.gates.as_ref();
    let are_made = gates.is_some_and(Gates::has_checks);
    let Some(pause) = status.pause.as_ref().filter(|_| are_made) else {
        return besides;
    };
    for hold in besides_checks(ctx, status, (pause.id, pause.since.0)) {
        match hold {
            Hold::Person => besides.person = true,
            Hold::Soak { .. } => besides.soak = true,
            Hold::Window(_) => besides.window = true,
            Hold::Checks(_) => {}
        }
    }
    besides
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

/// Who is waited for in a pause after a batch, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollout) enum WaitsFor {
    /// Nobody: it goes on by itself.
    Nobody(Reason),
    /// A person.
    Person(Reason),
}

/// Who is waited for in this pause after a batch.
pub(in crate::rollout) fn waits_for(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: &Pause,
) -> WaitsFor {
    const PERSON: WaitsFor = WaitsFor::Person(Reason::BatchSuspended);
    let holds = of_pause(ctx, status, (pause.id, pause.since.0), false);
    // A window that came after the start holds in a pause that there is for a person.
    let window = |hold: &Hold| matches!(hold, Hold::Window(_));
    if !ctx.holds_batches(status) && !holds.iter().any(window) {
        return PERSON;
    }
    let stuck = match approval::obstacle(ctx, status, pause.id, None) {
        None => false,
        Some(Obstacle::Taken(record)) => ctx.now() >= approval::over_at(ctx, record),
        Some(Obstacle::Refused(_) | Obstacle::Alike) => true,
    };
    let record = approval::of_pause(status, pause.id);
    let refused = record.is_some_and(|record| record.answer == Some(ApproveAnswer::Refused));
    if stuck || refused {
        return PERSON;
    }
    let verdict = holds.iter().find_map(|hold| match hold {
        Hold::Checks(gate::Held::Verdict(reason, _)) => Some(*reason),
        _ => None,
    });
    if let Some(reason) = verdict {
        return WaitsFor::Person(reason);
    }
    // What a window that somebody can change never lets go waits for that person.
    let mended = holds.iter().find_map(|hold| match hold {
        Hold::Window(held) if held.until.is_none() && !hold.is_for_good() => Some(held.reason),
        _ => None,
    });
    if let Some(reason) = mended.filter(|_| !holds.contains(&Hold::Person)) {
        return WaitsFor::Person(reason);
    }
    // What never lets go waits for a person, too.
    if holds.iter().any(|hold| hold.until().is_none()) {
        return PERSON;
    }
    WaitsFor::Nobody(holds.first().map_or(Reason::BatchHeld, Hold::reason))
}
