//! The group scales while its update waits after a batch, and stands still again before the next one.
//!
//! What is wanted is derived each time: the processes run while something holds the batch for long enough and nothing has been
//! sent that ends the pause, and are suspended otherwise. From one to the other leads one call, repeated until the group is read
//! back as it is to be. No Approve is sent, and no request on an instance either, before it is read back as suspended.
//!
//! Both calls may be repeated at will. But one whose answer was lost takes effect late, if at all: the opposite is asked for only
//! when that can no longer be.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ActionState, FrozenPolicy, Pause, PauseKind, RollingUpdateTaskStatus, Thaw, ThawState, Verb,
};
use ess_rollout_cloud::{CloudError, Done, Mutation, Outcome as Effect, Process, ScalingGroup};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::approve;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Event, Next, Work};
use crate::rollout::progress::show_progress::show_progress;
use crate::rollout::progress::{approval, freeze, pause};
use crate::rollout::report;
use crate::task::conditions::shorten;
use crate::task::observation::Known;
use crate::task::reason::Reason;
use crate::task::waits::{RETRY, doubled};

/// What ends sooner is waited for as the group is: resuming and suspending take two calls, and the time that they do.
const WORTH: SignedDuration = SignedDuration::from_mins(2);
/// The most bytes of what ESS said (CRD: `status.thaw.message`).
const MESSAGE_MAX: usize = 512;

/// What is to be done about the processes.
enum Step {
    /// A call, on record by now.
    Send(Mutation),
    /// Nothing yet.
    Wait(Next),
    /// They are as they are to be.
    Idle,
}

/// The newest answer to a call of these, if it is one of this step.
fn outcome<'a>(ctx: &Context<'a>) -> Option<&'a Result<Done, CloudError>> {
    let outcome = ctx.input.outcome?;
    let (Mutation::ResumeProcesses { group, .. } | Mutation::SuspendProcesses { group, .. }) =
        &outcome.mutation
    else {
        return None;
    };
    (*group == ctx.group).then_some(&outcome.result)
}

/// Puts on record what became of the newest call, whatever becomes of the reads after it.
pub(in crate::rollout) fn take_outcome(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    // What is put back after the end has a record of its own.
    if status.result.is_some() {
        return;
    }
    let Some(thaw) = status.thaw.as_mut() else {
        return;
    };
    // None was made in this state, or what became of it is on record.
    if thaw.attempts == 0 || thaw.last_call_time.is_none() || thaw.retry_time.is_some() {
        return;
    }
    let (now, waits) = (ctx.now(), ctx.waits());
    let again = |wait: SignedDuration| Some(Time(now + wait));
    match outcome(ctx) {
        Some(Ok(_)) => {
            thaw.message.clear();
            if thaw.state == ThawState::Resuming {
                thaw.resumed_time = Some(Time(now));
            }
            // By then it shows, or it was undone by somebody.
            thaw.retry_time = Some(Time(waits.shown_at(now)));
        }
        Some(Err(error)) if error.outcome != Effect::Unknown => {
            // Without the request id, which changes at each try.
            let message = format!("{}: {} {}", error.call, error.code, error.message);
            thaw.message = shorten(message.trim(), MESSAGE_MAX);
            thaw.retry_time = again(waits.after_no_effect(error, thaw.attempts));
        }
        // The operator died over it, or nobody knows.
        _ => {
            thaw.answer_lost = true;
            thaw.retry_time = again(doubled(RETRY, thaw.attempts));
        }
    }
    if !thaw.answer_lost {
        thaw.last_call_time = None;
    }
}

/// What is known of a run whose status was lost, and which may have been in a pause: that it has to be suspended, and read
/// back, before a batch begins.
pub(in crate::rollout) fn unknown(ctx: &Context<'_>, processes: &[String]) -> Option<Thaw> {
    let may_be = ctx.spec.policy.may_thaw() && !processes.is_empty();
    may_be.then(|| Thaw {
        resumed_time: Some(Time(ctx.now())),
        // The last call that was made of it may be under way.
        last_call_time: Some(Time(ctx.now())),
        answer_lost: true,
        ..begun(ctx, 0, ThawState::Suspending, processes.to_vec())
    })
}

fn begun(ctx: &Context<'_>, pause: i32, state: ThawState, processes: Vec<String>) -> Thaw {
    Thaw {
        pause,
        state,
        since: Time(ctx.now()),
        processes,
        resumed_time: None,
        last_call_time: None,
        answer_lost: false,
        attempts: 0,
        retry_time: None,
        message: String::new(),
    }
}

fn state(status: &RollingUpdateTaskStatus) -> ThawState {
    let thaw = status.thaw.as_ref();
    thaw.map_or(ThawState::Suspended, |thaw| thaw.state)
}

/// Whether a batch may begin: nothing was resumed, or all of that is read back as suspended.
pub(in crate::rollout) fn is_suspended(status: &RollingUpdateTaskStatus) -> bool {
    state(status) == ThawState::Suspended
}

/// Whether there is anything to do or to wait for.
pub(in crate::rollout) fn is_due(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    match state(status) {
        ThawState::Resuming | ThawState::Suspending => true,
        ThawState::Resumed => !is_wanted(ctx, status),
        ThawState::Suspended => is_wanted(ctx, status),
    }
}

/// How long until the processes are to be resumed, if nothing else comes to pass.
pub(in crate::rollout) fn until_due(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Duration> {
    let pause = paused(ctx, status)?;
    let due = due_at(ctx, status, pause)?;
    let is_to_come = is_suspended(status) && ctx.now() < due;
    is_to_come.then(|| ctx.waits().left(due))
}

/// The pause after a batch in which they may run: nothing has been sent that ends it, and nothing but that is asked for.
fn paused<'s>(ctx: &Context<'_>, status: &'s RollingUpdateTaskStatus) -> Option<&'s Pause> {
    if !ctx.spec.policy.may_thaw() {
        return None;
    }
    let pause = status.pause.as_ref();
    let pause = pause.filter(|pause| pause.kind == PauseKind::Batch)?;
    let ends = status.result.is_some() || status.cancellation.is_some() || ctx.deleting.is_some();
    let mut actions = status.actions.iter();
    let is_asked = actions.any(|a| a.state == ActionState::Accepted && a.verb != Verb::Continue);
    let is_left = approval::of_pause(status, pause.id).is_some()
        || approve::approved_by(ctx, status, pause).is_some();
    (!ends && !is_asked && !is_left).then_some(pause)
}

/// From when on they are to run in this pause: once it is sure to be one, and the group has stood still for as long as it may.
fn due_at(ctx: &Context<'_>, status: &RollingUpdateTaskStatus, pause: &Pause) -> Option<Timestamp> {
    let policy = &ctx.spec.policy;
    let sure = pause.since.0 + pause::SURE_AFTER;
    if policy.thaw_while_paused {
        return Some(sure);
    }
    let bound = freeze::over_at(ctx, status);
    let bound = bound.filter(|_| policy.on_frozen_too_long == FrozenPolicy::Thaw);
    bound.map(|bound| bound.max(sure))
}

/// Whether they are to run now.
fn is_wanted(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    let Some(pause) = paused(ctx, status) else {
        return false;
    };
    let thaw = status.thaw.as_ref().filter(|thaw| thaw.pause == pause.id);
    if thaw.is_some_and(|t| matches!(t.state, ThawState::Resuming | ThawState::Resumed)) {
        return true;
    }
    status.freeze.is_some()
        && due_at(ctx, status, pause).is_some_and(|due| ctx.now() >= due)
        && !approve::lets_go_by(ctx, status, pause, ctx.now() + WORTH)
}

/// Brings the processes on the way to what they are to be. `None`: they are, or nothing has to wait for it.
pub(in crate::rollout) fn bring(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    if ctx.lost_group() {
        return Ok(None);
    }
    let is_wanted = is_wanted(ctx, status);
    let step = step(ctx, status, is_wanted)?;
    // What a pause says tells how they are.
    pause::tell_again(ctx, status);
    let (next, failed, work) = match step {
        Step::Idle => return Ok(None),
        Step::Wait(_) if is_wanted => return Ok(None),
        Step::Wait(next) => (next, outcome(ctx).and_then(|o| o.as_ref().err()), None),
        Step::Send(mutation) => (Next::Now, None, Some(Work { mutation })),
    };
    match failed {
        Some(error) => report::failed(ctx, status, error),
        None => show_progress(ctx, status),
    }
    let mut decision = ctx.decide(status.clone(), next);
    decision.work = work;
    Ok(Some(decision))
}

fn step(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus, is_wanted: bool) -> Known<Step> {
    match (state(status), is_wanted) {
        (ThawState::Suspended, false) | (ThawState::Resumed, true) => Ok(Step::Idle),
        (ThawState::Resuming, true) | (ThawState::Suspending, false) => pursue(ctx, status),
        (ThawState::Suspended | ThawState::Suspending, true) => {
            turn(ctx, status, ThawState::Resuming)
        }
        (ThawState::Resumed | ThawState::Resuming, false) => {
            turn(ctx, status, ThawState::Suspending)
        }
    }
}

/// Begins to bring them to the opposite.
fn turn(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus, to: ThawState) -> Known<Step> {
    let before = status.thaw.as_ref();
    let (pause, processes) = match (before, to) {
        (Some(thaw), ThawState::Suspending) => (thaw.pause, thaw.processes.clone()),
        _ => {
            let Some(group) = ctx.scaling_group()? else {
                return Ok(Step::Wait(ctx.waits().recheck()));
            };
            let back = before.filter(|thaw| thaw.state == ThawState::Suspending);
            let processes = match (back, &status.freeze) {
                (Some(thaw), _) => thaw.processes.clone(),
                (None, Some(freeze)) => suspended(group, &freeze.processes).cloned().collect(),
                (None, None) => Vec::new(),
            };
            let pause = status.pause.as_ref().map_or(0, |pause| pause.id);
            (pause, processes)
        }
    };
    let mut thaw = begun(ctx, pause, to, processes);
    if let Some(before) = before {
        thaw.last_call_time.clone_from(&before.last_call_time);
        thaw.answer_lost = before.answer_lost;
        if to == ThawState::Suspending {
            thaw.resumed_time.clone_from(&before.resumed_time);
        }
    }
    status.thaw = Some(thaw);
    pursue(ctx, status)
}

/// Calls until they are read back as they are to be.
fn pursue(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) -> Known<Step> {
    let (now, waits) = (ctx.now(), ctx.waits());
    let group = ctx.scaling_group()?;
    let Some(thaw) = &mut status.thaw else {
        return Ok(Step::Idle);
    };
    let Some(group) = group else {
        return Ok(Step::Wait(waits.recheck()));
    };
    // The opposite was asked for, and nobody knows whether that is to come.
    let last = thaw.last_call_time.take_if(|_| thaw.attempts == 0);
    if let Some(last) = last {
        if !waits.settled_since(&last) {
            let until = waits.until(waits.settled_at(&last));
            thaw.last_call_time = Some(last);
            return Ok(Step::Wait(until));
        }
        thaw.answer_lost = false;
        if thaw.state == ThawState::Suspending {
            thaw.resumed_time.get_or_insert(Time(now));
        }
    }
    let count = suspended(group, &thaw.processes).count();
    // Until then what is read may be from before they were resumed.
    let resumed = thaw.resumed_time.as_ref();
    let shown = resumed.map_or(now, |resumed| waits.shown_at(resumed.0));
    let (done, is_reached) = match thaw.state {
        ThawState::Resuming => (ThawState::Resumed, count == 0),
        _ => {
            let all = count == thaw.processes.len();
            (ThawState::Suspended, all && now >= shown)
        }
    };
    if is_reached {
        (thaw.state, thaw.since) = (done, Time(now));
        (thaw.attempts, thaw.retry_time) = (0, None);
        thaw.message.clear();
        if done == ThawState::Resumed {
            thaw.resumed_time.get_or_insert(Time(now));
        }
        return Ok(Step::Idle);
    }
    let retry = thaw.retry_time.as_ref().map(|retry| retry.0);
    if let Some(retry) = retry.filter(|retry| now < *retry) {
        let until = match now < shown {
            true => retry.min(shown),
            false => retry,
        };
        let left = waits.left(until);
        let next = match waits.recheck() {
            // What was taken shows sooner.
            Next::After(look) if thaw.message.is_empty() => Next::After(left.min(look)),
            _ => Next::After(left),
        };
        return Ok(Step::Wait(next));
    }
    thaw.attempts += 1;
    (thaw.last_call_time, thaw.retry_time) = (Some(Time(now)), None);
    let group = ctx.group.clone();
    let processes = thaw.processes.iter();
    let processes = processes.map(|p| Process::from(p.as_str())).collect();
    Ok(Step::Send(match thaw.state {
        ThawState::Resuming => Mutation::ResumeProcesses { group, processes },
        _ => Mutation::SuspendProcesses { group, processes },
    }))
}

fn suspended<'p>(
    group: &ScalingGroup,
    processes: &'p [String],
) -> impl Iterator<Item = &'p String> {
    let is_suspended = |process: &&String| freeze::is_suspended(group, process);
    processes.iter().filter(is_suspended)
}

/// Hands on what may still take effect to what puts the group back: that does not end before it can no longer be.
pub(in crate::rollout) fn hand_on(status: &mut RollingUpdateTaskStatus) {
    let thaw = status.thaw.as_ref();
    let Some(last) = thaw.and_then(|thaw| thaw.last_call_time.clone()) else {
        return;
    };
    let restore = status.restore.get_or_insert_default();
    restore.last_call_time.get_or_insert(last);
    restore.answer_lost = true;
}

/// What has come of it, for the Events.
pub(in crate::rollout) fn event(
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let thaw = new
        .thaw
        .as_ref()
        .filter(|thaw| !thaw.processes.is_empty())?;
    let before = old.thaw.as_ref()?;
    let processes = thaw.processes.join(", ");
    match (before.state, thaw.state) {
        (ThawState::Resuming, ThawState::Resumed) => Some(Event::normal(
            Reason::ProcessesResumed,
            "ResumeProcesses",
            format!(
                "the scaling group scales while the update waits after batch {}: {processes} are resumed, and suspended again before the next batch",
                thaw.pause
            ),
        )),
        (ThawState::Suspending, ThawState::Suspended) => Some(Event::normal(
            Reason::ProcessesSuspended,
            "SuspendProcesses",
            format!("{processes} are suspended again, for the next batch"),
        )),
        _ => None,
    }
}
