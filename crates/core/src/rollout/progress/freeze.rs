//! The group stands still while a run has its processes suspended: since when, and that people are told of it.
//!
//! In a pause nothing of the run moves, and yet the group neither scales nor replaces what is unhealthy. Whoever
//! leaves a run in a pause has to know that.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{Freeze, FrozenPolicy, RollingUpdateTaskStatus, Thaw, ThawState};
use ess_rollout_cloud::{Process, ScalingGroup};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::rollout::decision::Event;
use crate::task::conditions::shorten;
use crate::task::reason::Reason;

/// How long a pause lasts before the first reminder; the wait for each next one is twice as long.
const REMIND_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// The most reminders of one pause: the last after more than a year.
const REMINDERS_MAX: i32 = 15;

/// Takes note of what the run has suspended, and of what was read since.
pub(in crate::rollout) fn note(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    if status.restore.as_ref().is_some_and(|restore| restore.done) {
        // What is not put back by now is listed there.
        status.freeze = None;
        return;
    }
    if status.result.is_none() {
        match is_thawed(status) {
            true => status.freeze = None,
            false => begin(ctx, status),
        }
    } else if let Some(freeze) = &mut status.freeze
        && let Ok(Some(group)) = ctx.input.observation.scaling_group(&ctx.group)
    {
        freeze
            .processes
            .retain(|process| is_suspended(group, process));
        if freeze.processes.is_empty() {
            status.freeze = None;
        }
    }
    remind(ctx, status);
    let over = over_at(ctx, status).is_some_and(|over| ctx.now() >= over);
    if let Some(freeze) = &mut status.freeze {
        freeze.too_long |= over;
    }
}

/// Whether a process of the group is suspended, by whomever.
pub(in crate::rollout) fn is_suspended(group: &ScalingGroup, process: &str) -> bool {
    group.suspended_processes.contains(&Process::from(process))
}

/// When it has lasted for longer than `spec.maxFrozenSeconds`; `None`: there is no such time, or a batch is under way.
pub(in crate::rollout) fn over_at(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Timestamp> {
    let most = ctx.spec.policy.max_frozen_seconds?;
    let freeze = status
        .freeze
        .as_ref()
        .filter(|_| status.pause.is_some() && status.result.is_none())?;
    Some(freeze.since.0 + SignedDuration::from_secs(most.into()))
}

/// Whether it is to be cancelled because of that.
pub(in crate::rollout) fn cancels(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    ctx.spec.policy.on_frozen_too_long == FrozenPolicy::Cancel
        && over_at(ctx, status).is_some_and(|over| ctx.now() >= over)
}

/// How long until it has lasted for too long, if that is to come.
pub(in crate::rollout) fn until_too_long(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Duration> {
    let over = over_at(ctx, status)?;
    (ctx.now() < over).then(|| ctx.waits().left(over))
}

/// Whether the group scales in the pause that the run is in.
fn is_thawed(status: &RollingUpdateTaskStatus) -> bool {
    let thaw = status.thaw.as_ref();
    thaw.is_some_and(|thaw| thaw.state == ThawState::Resumed)
}

/// The template suspends the processes before it does anything else, and the operator after a pause in which they ran.
fn begin(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let (None, Some(execution)) = (&status.freeze, &status.execution) else {
        return;
    };
    // Those that somebody had suspended before stand still on purpose.
    let again = status.thaw.as_ref();
    let again = again.filter(|thaw| thaw.state != ThawState::Resuming);
    let start = status.start.as_ref();
    let processes = match again {
        Some(thaw) => Some(thaw.processes.clone()),
        None => start.map(|start| start.exit_processes.clone()),
    };
    let Some(processes) = processes.filter(|all| !all.is_empty()) else {
        return;
    };
    let undone = ctx.undo.as_ref().and_then(|undo| undo.source);
    let inherited = undone
        .and_then(|source| source.status.as_ref()?.freeze.as_ref())
        .map(|freeze| freeze.since.clone());
    let own = execution.start_time.clone();
    let again = again.map(|thaw| thaw.since.clone());
    let since = again.or(inherited).or(own);
    let since = since.unwrap_or_else(|| Time(ctx.now()));
    status.freeze = Some(Freeze {
        processes,
        since: Time(since.0.min(ctx.now())),
        pause_since: None,
        reminders: 0,
        too_long: false,
    });
}

/// Counts the reminders that are due.
fn remind(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let Some(freeze) = &mut status.freeze else {
        return;
    };
    let since = status.pause.as_ref().map(|pause| &pause.since);
    if freeze.pause_since.as_ref() != since {
        (freeze.pause_since, freeze.reminders) = (since.cloned(), 0);
    }
    let Some(since) = since else {
        return;
    };
    let lasted = ctx.now().duration_since(since.0);
    while freeze.reminders < REMINDERS_MAX
        && lasted >= REMIND_AFTER * 2_i32.saturating_pow(freeze.reminders.unsigned_abs())
    {
        freeze.reminders += 1;
    }
}

/// What a pause says of it, behind what it waits for, within so many bytes in all.
pub(super) fn added_to(status: &RollingUpdateTaskStatus, message: &str, max: usize) -> String {
    let words = match (&status.thaw, &status.freeze) {
        (Some(thaw), _) if thaw.state != ThawState::Suspended => thawing(thaw),
        (_, Some(freeze)) => said(freeze),
        (_, None) => return shorten(message, max),
    };
    let words = format!("; {words}");
    let room = max.saturating_sub(words.len());
    format!("{}{words}", shorten(message, room))
}

fn thawing(thaw: &Thaw) -> String {
    let processes = match thaw.processes.as_slice() {
        [] => "no process".to_owned(),
        all => all.join(", "),
    };
    let mut said = match thaw.state {
        ThawState::Resuming => {
            format!("meanwhile the scaling group is to scale: {processes} are being resumed")
        }
        ThawState::Resumed => format!(
            "meanwhile, since {}, the scaling group scales: {processes} are resumed, and suspended again before the next batch",
            thaw.since.0
        ),
        ThawState::Suspending | ThawState::Suspended => {
            format!("the next batch waits until {processes} are suspended again")
        }
    };
    if !thaw.message.is_empty() {
        said.push_str(&format!(" ({})", thaw.message));
    }
    said
}

fn said(freeze: &Freeze) -> String {
    format!(
        "meanwhile, since {}, the scaling group does not scale and replaces no unhealthy instance: {} stay suspended until the update ends",
        freeze.since.0,
        freeze.processes.join(", ")
    )
}

/// That it has lasted for too long.
pub(in crate::rollout) fn too_long_event(
    ctx: &Context<'_>,
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let is_too_long = |freeze: &&Freeze| freeze.too_long;
    let freeze = new.freeze.as_ref().filter(is_too_long)?;
    if old.freeze.as_ref().is_some_and(|freeze| freeze.too_long) {
        return None;
    }
    let then = match ctx.spec.policy.on_frozen_too_long {
        FrozenPolicy::Hold => "continue it, or cancel it to put the group back",
        FrozenPolicy::Cancel => "it is cancelled (spec.onFrozenTooLong)",
        FrozenPolicy::Thaw => {
            "in the pause after a batch its processes are resumed until that is over (spec.onFrozenTooLong)"
        }
    };
    let most = ctx.spec.policy.max_frozen_seconds.unwrap_or_default();
    let note = format!(
        "{}; that is longer than the {most} s of spec.maxFrozenSeconds: {then}",
        said(freeze)
    );
    Some(Event::warning(Reason::FrozenTooLong, "Pause", note))
}

/// The reminder that has come due.
pub(in crate::rollout) fn event(
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let freeze = new.freeze.as_ref()?;
    let before = old.freeze.as_ref();
    let before = before.filter(|old| old.pause_since == freeze.pause_since);
    let before = before.map_or(0, |old| old.reminders);
    (freeze.reminders > before).then(|| Event::warning(Reason::GroupFrozen, "Pause", format!(
            "the update has been paused since {}; {}: continue it, or cancel it to put the group back",
            freeze.pause_since.as_ref().map_or_else(String::new, |time| time.0.to_string()),
            said(freeze)
        )))
}
