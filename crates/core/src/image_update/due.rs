//! Which run is due: by the schedule, because what is asked for has not been done, or on request.

use ess_rollout_api::v1alpha1::{
    ActiveRun, ConcurrencyPolicy, FollowedSchedule, ImageUpdateTaskSpec, ImageUpdateTaskStatus,
    RunTrigger, Verb, WaitingRun,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::context::Context;
use super::schedule::{Due, Invalid, Schedule};
use crate::cron::whole_seconds;
use crate::identity::hash_value;
use crate::task::ledger;

/// When a task runs by itself.
pub(super) enum Timetable {
    /// Once for each different thing that is asked for.
    Now,
    /// At these times.
    Scheduled(Schedule),
}

/// A run that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) trigger: RunTrigger,
    /// Of a scheduled one: when it was due.
    pub(super) schedule_time: Option<Timestamp>,
    /// How many are due; of several the newest is made.
    pub(super) count: u32,
}

/// `schedule.at`.
pub(super) fn single_time(spec: &ImageUpdateTaskSpec) -> Option<Timestamp> {
    let at = spec.schedule.as_ref()?.at.as_ref()?;
    Some(whole_seconds(at))
}

/// The timetable that a spec asks for. A given image has a cron schedule stand still, and one time of
/// its own that has had its run is over for it.
pub(super) fn timetable(
    spec: &ImageUpdateTaskSpec,
    status: &ImageUpdateTaskStatus,
) -> Result<Timetable, Invalid> {
    let had_its_run = |at: Timestamp| {
        let last = status.last_schedule_time.as_ref();
        status.last_run.is_some() && last.is_some_and(|last| last.0 >= at)
    };
    let follows = spec.image_id.is_none() || single_time(spec).is_some_and(|at| !had_its_run(at));
    let parsed = match spec.schedule.as_ref().filter(|_| follows) {
        Some(schedule) => Schedule::parse(schedule)?,
        None => None,
    };
    Ok(parsed.map_or(Timetable::Now, Timetable::Scheduled))
}

/// Takes note of which schedule is followed and since when. A run of the one before that has not begun is missed. Times of a
/// cron schedule that had passed when it was first seen are not due. One time of its own is, if it is after the task was created:
/// whoever sets it wants that very run.
pub(super) fn follow(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, first_visit: bool) {
    let spec = ctx.spec;
    let schedule = spec.schedule.as_ref();
    let Some(schedule) = schedule.filter(|s| spec.image_id.is_none() || s.at.is_some()) else {
        if status.followed_schedule.take().is_some() {
            schedule_changed(status);
        }
        return;
    };
    let hash = hash_value(schedule);
    let followed = status.followed_schedule.as_ref();
    if followed.is_some_and(|followed| followed.hash == hash) {
        return;
    }
    schedule_changed(status);
    let since = match first_visit || schedule.at.is_some() {
        true => Time(ctx.created()),
        false => Time(ctx.now()),
    };
    status.followed_schedule = Some(FollowedSchedule { hash, since });
}

/// After which time runs are due.
pub(super) fn counted_from(status: &ImageUpdateTaskStatus) -> Option<Timestamp> {
    let since = status.followed_schedule.as_ref()?.since.0;
    let last = status.last_schedule_time.as_ref().map(|time| time.0);
    Some(last.map_or(since, |last| last.max(since)))
}

/// The scheduled times that are due and about which nothing has been decided, and the next one.
pub(super) fn open_times(
    ctx: &Context<'_>,
    status: &ImageUpdateTaskStatus,
    timetable: &Timetable,
) -> Due {
    match (timetable, counted_from(status)) {
        (Timetable::Scheduled(schedule), Some(from)) => schedule.between(from, ctx.now()),
        _ => Due::default(),
    }
}

/// Of the times that are due, those that will lead to no run any more are counted as missed: later
/// than the deadline, or before the task was created.
pub(super) fn give_up_late(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    timetable: &Timetable,
    deadline: Option<SignedDuration>,
) {
    let Timetable::Scheduled(schedule) = timetable else {
        return;
    };
    if let (Some(at), Some(followed)) = (single_time(ctx.spec), &status.followed_schedule)
        && at <= followed.since.0
        && status.last_schedule_time.is_none()
    {
        return miss(status, 1, at);
    }
    let (Some(deadline), Some(from)) = (deadline, counted_from(status)) else {
        return;
    };
    let last_chance = ctx.now() - deadline - SignedDuration::from_secs(1);
    let late = schedule.between(from, last_chance);
    if let Some(newest) = late.newest {
        miss(status, late.count, newest);
        forgo_given(ctx, status);
    }
}

/// A given image that had its time and missed it is not put into place at once instead.
fn forgo_given(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    if ctx.spec.image_id.is_some() {
        status.done_hash = Some(ctx.hash.clone());
    }
}

/// A run is seen to be under way: one that has come due by the schedule is left out, unless it replaces
/// it. One that came due when the run had ended and nobody had looked yet is not.
pub(super) fn leave_out(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let Ok(timetable) = timetable(ctx.spec, status) else {
        return;
    };
    let times = open_times(ctx, status, &timetable);
    status.next_schedule_time = times.next.map(Time);
    let forbids = ctx.spec.concurrency_policy == ConcurrencyPolicy::Forbid;
    let newest = times.newest.filter(|_| forbids && !ctx.spec.suspend);
    if let Some(newest) = newest.filter(|_| ctx.deleting.is_none()) {
        miss(status, times.count, newest);
    }
}

/// Counts runs that were due and are not made, the newest of them at this time.
pub(super) fn miss(status: &mut ImageUpdateTaskStatus, count: u32, newest: Timestamp) {
    count_missed(status, count);
    status.last_schedule_time = Some(Time(newest));
}

pub(super) fn count_missed(status: &mut ImageUpdateTaskStatus, count: u32) {
    status.missed_runs = Some(status.missed_runs.unwrap_or(0).saturating_add(count.into()));
}

/// Whether what is asked for is to be done once, and has not been.
pub(super) fn is_undone(
    ctx: &Context<'_>,
    status: &ImageUpdateTaskStatus,
    timetable: &Timetable,
) -> bool {
    matches!(timetable, Timetable::Now) && status.done_hash.as_ref() != Some(&ctx.hash)
}

/// The run that is to be made now, if one is. On request even while the task is suspended; else one
/// that is due by the schedule goes first, and whatever begins serves the request, too.
pub(super) fn wanted(
    ctx: &Context<'_>,
    status: &ImageUpdateTaskStatus,
    timetable: &Timetable,
    times: &Due,
) -> Option<Wanted> {
    let by_itself = !ctx.spec.suspend;
    if let Some(scheduled) = scheduled(times).filter(|_| by_itself) {
        return Some(scheduled);
    }
    if let Some(refused) = refused(ctx, status).filter(|_| status.active.is_none()) {
        return Some(refused);
    }
    let one = |trigger| Wanted {
        trigger,
        schedule_time: None,
        count: 1,
    };
    if ledger::open(&status.actions, Verb::RunNow).is_some() {
        return Some(one(RunTrigger::RunNow));
    }
    let now = by_itself && is_undone(ctx, status, timetable);
    now.then(|| one(RunTrigger::Now))
}

/// The run that is due by the schedule.
pub(super) fn scheduled(times: &Due) -> Option<Wanted> {
    times.newest.map(|newest| Wanted {
        trigger: RunTrigger::Schedule,
        schedule_time: Some(newest),
        count: times.count,
    })
}

/// What is on record of a run that begins: which times it settles, and which number it has.
pub(super) fn begin(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, wanted: Wanted) -> i64 {
    if let Some(newest) = wanted.schedule_time {
        if wanted.count > 1 {
            count_missed(status, wanted.count - 1);
        }
        status.last_schedule_time = Some(Time(newest));
    }
    // Of a scheduled run, too: a schedule that is taken away leaves nothing to be made up for.
    status.done_hash = Some(ctx.hash.clone());
    let number = status.last_run.unwrap_or(0) + 1;
    status.last_run = Some(number);
    number
}

/// Gives a run up that is due and was not begun.
pub(super) fn pass_over(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, wanted: Wanted) {
    match (wanted.trigger, wanted.schedule_time) {
        (RunTrigger::Schedule, Some(newest)) => {
            miss(status, wanted.count, newest);
            forgo_given(ctx, status);
        }
        (RunTrigger::Now, _) => status.done_hash = Some(ctx.hash.clone()),
        (RunTrigger::Schedule | RunTrigger::RunNow, _) => {}
    }
    (status.waiting, status.windows_overridden) = (None, Vec::new());
}

/// How a run is told from others: by its number, by when it was due, and by what it does.
pub(super) fn run_hash(run: &ActiveRun) -> String {
    let due = run.schedule_time.as_ref().map(|time| time.0);
    hash_of(run.number, due, &run.hash)
}

/// The same of a run that is on no record.
pub(super) fn hash_of(number: i64, due: Option<Timestamp>, does: &str) -> String {
    let due = due.map(Timestamp::as_second);
    hash_value(&json!({"run": number, "due": due, "does": does}))
}

/// The run that the cloud has refused to let begin, if there is one. Its times are settled, so the
/// schedule does not know of it any more.
pub(super) fn refused(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> Option<Wanted> {
    let waiting = status.waiting.as_ref().filter(|w| w.refusal.is_some())?;
    let by_itself = !ctx.spec.suspend || waiting.trigger == RunTrigger::RunNow;
    let scheduled = waiting.trigger == RunTrigger::Schedule;
    by_itself.then(|| Wanted {
        trigger: waiting.trigger,
        schedule_time: scheduled.then_some(waiting.due.0),
        count: 1,
    })
}

/// The schedule is another one now, or there is none: a run of the old one that was due and had not begun
/// will not be made.
pub(super) fn schedule_changed(status: &mut ImageUpdateTaskStatus) {
    let idle = status.active.is_none();
    let of_schedule = |waiting: &mut WaitingRun| idle && waiting.trigger == RunTrigger::Schedule;
    if let Some(waiting) = status.waiting.take_if(of_schedule) {
        let count = u32::try_from(waiting.count).unwrap_or(0);
        miss(status, count, waiting.due.0);
    }
}
