//! A run that is due and has not begun: since when, what the cloud refused, and until when it may begin.

use ess_rollout_api::v1alpha1::{
    ActiveRun, ImageUpdateTaskStatus, RunOutcome, RunRefusal, RunTrigger, Verb, WaitingRun,
    condition,
};
use ess_rollout_cloud::CloudError;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::due::{self, Timetable, Wanted};
use super::report::{self, Phase};
use super::requests::{self, RUN_NOW_REJECTED};
use super::schedule::Due;
use super::{Draft, Drafted, window};
use crate::task::cloud_failure::Failure;
use crate::task::conditions::shorten;
use crate::task::decision::Next;
use crate::task::display::Value;
use crate::task::ledger;
use crate::task::reason::Reason;
use crate::task::waits::doubled;

/// How long a run may be Blocked where the spec does not say how late it may begin. A cause that is mended
/// later than that has something happen that nobody expects any more.
pub(super) const BLOCKED_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The first wait after a refusal, and the longest.
const REFUSED: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
/// The first wait after something was found that a person has to mend, and the longest.
const BLOCKED: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_mins(5));

/// Takes note of the run that is due, while it is suspended, too: it is told of as missed should it never begin. Forgets what
/// is not due any more.
pub(super) fn take_note(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    wanted: Option<Wanted>,
    times: &Due,
) {
    let Some(wanted) = wanted.or(due::scheduled(times)) else {
        status.waiting.take_if(|waiting| waiting.refusal.is_none());
        return;
    };
    let before = status.waiting.take();
    // Taken back, and now a newer one is due in its stead.
    if let Some(before) = &before
        && let Some(newest) = wanted.schedule_time
        && before.trigger == RunTrigger::Schedule
        && before.refusal.is_some()
        && before.due.0 < newest
    {
        due::count_missed(status, 1);
    }
    let same_thing = before.as_ref().filter(|before| before.hash == ctx.hash);
    let same = same_thing.filter(|before| before.trigger == wanted.trigger);
    let due = match wanted.schedule_time {
        Some(time) => Time(time),
        None => same.map_or(Time(ctx.now()), |same| same.due.clone()),
    };
    let mut refusal = before.as_ref().and_then(|before| before.refusal.clone());
    // A refusal of another thing says nothing of this one, which is tried at once.
    if let Some(refusal) = refusal.as_mut().filter(|_| same_thing.is_none()) {
        refusal.count = 0;
    }
    let kept = before.map(|before| (before.blocked_since, before.done_before));
    let (blocked_since, done_before) = kept.unwrap_or_default();
    status.waiting = Some(WaitingRun {
        trigger: wanted.trigger,
        due,
        queued: false,
        count: i32::try_from(wanted.count).unwrap_or(i32::MAX),
        blocked_since,
        done_before,
        refusal,
        hash: ctx.hash.clone(),
    });
}

/// Takes note of whether a person has to mend something before it can begin. When to look again: the longer that stands, the
/// less often; at what passes by itself after `soon`.
pub(super) fn blocked(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    passes: bool,
    soon: Next,
) -> Next {
    if let Some(waiting) = &mut status.waiting {
        match passes {
            true => waiting.blocked_since = None,
            false => _ = waiting.blocked_since.get_or_insert(Time(ctx.now())),
        }
    }
    let stood = stood(ctx, status).unwrap_or_default();
    match passes {
        true => soon,
        false => ctx.within(status, stood.clamp(BLOCKED.0, BLOCKED.1).unsigned_abs()),
    }
}

/// How long something has stood against it that a person has to mend.
fn stood(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> Option<SignedDuration> {
    let since = status.waiting.as_ref()?.blocked_since.as_ref()?;
    Some(ctx.now().duration_since(since.0))
}

/// Shows what the cloud refused while the run is left alone: until when, if it is. Somebody who asks for it is not kept
/// waiting.
pub(super) fn left_alone(ctx: &Context<'_>, status: &mut Draft) -> Option<Next> {
    let refusal = status.waiting.as_ref()?.refusal.clone()?;
    if refusal.count == 0 || ledger::open(&status.actions, Verb::RunNow).is_some() {
        return None;
    }
    let wait = doubled(REFUSED.0, refusal.count).min(REFUSED.1);
    let left = (refusal.time.0 + wait).duration_since(ctx.now());
    left.is_positive().then(|| {
        show(status, &refusal);
        ctx.within(status, left.unsigned_abs())
    })
}

fn show(status: &mut Draft, refusal: &RunRefusal) {
    let (reason, message) = (Reason::recorded(&refusal.reason), refusal.message.as_str());
    status.set(condition::PREFLIGHT, Value::False, reason, message);
    status.show(Phase::Blocked, reason, message);
}

/// The call that would have begun the run is refused, and certain to have done nothing: the run is taken
/// back, and with it all that was taken for it. It is tried again, ever less often, until it may no longer begin.
pub(super) fn take_back(ctx: &Context<'_>, mut status: Draft, error: &CloudError) -> Drafted {
    note_refusal(ctx, &mut status, error);
    take_back_noted(ctx, status)
}

/// Puts a refusal on record. The run stays, for what was sent before may have begun it.
pub(super) fn note_refusal(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    error: &CloudError,
) {
    let Some(run) = &status.active else {
        return;
    };
    let (reason, message) = match Failure::of(error) {
        Some(failure) => (failure.reason, failure.message),
        None => (Reason::CloudUnavailable, error.to_string()),
    };
    let before = status.waiting.take().unwrap_or_else(|| begun(run));
    let count = before.refusal.as_ref().map_or(0, |refusal| refusal.count);
    let since = before.blocked_since.clone();
    status.waiting = Some(WaitingRun {
        blocked_since: since.or_else(|| Some(Time(ctx.now()))),
        refusal: Some(RunRefusal {
            count: count.saturating_add(1),
            time: Time(ctx.now()),
            reason: reason.into(),
            message: shorten(&message, 1024),
        }),
        ..before
    });
}

/// Whether the run under way was refused after it was put on record.
pub(super) fn is_refused(status: &ImageUpdateTaskStatus) -> bool {
    let refusal = status.waiting.as_ref().and_then(|w| w.refusal.as_ref());
    let both = refusal.zip(status.active.as_ref());
    both.is_some_and(|(refusal, run)| refusal.time.0 >= run.time.0)
}

/// Takes a run back whose refusal is on record.
pub(super) fn take_back_noted(ctx: &Context<'_>, mut status: Draft) -> Drafted {
    status.active = None;
    if let Some(waiting) = status.waiting.clone() {
        status.done_hash = waiting.done_before;
        if let Some(refusal) = &waiting.refusal {
            show(&mut status, refusal);
        }
    }
    // The group is let go by the next decision.
    ctx.decide(status, Next::Now)
}

/// What is kept of a run while it begins.
pub(super) fn begun(run: &ActiveRun) -> WaitingRun {
    WaitingRun {
        trigger: run.trigger,
        due: run.schedule_time.as_ref().unwrap_or(&run.time).clone(),
        count: 1,
        hash: run.hash.clone(),
        queued: false,
        blocked_since: None,
        done_before: None,
        refusal: None,
    }
}

/// Gives up what may no longer begin: it is missed, and said so. Whether something was.
pub(super) fn give_up(ctx: &Context<'_>, status: &mut Draft, timetable: &Timetable) -> bool {
    let own = ctx.spec.starting_deadline_seconds;
    let own = own.map(|seconds| SignedDuration::from_secs(seconds.into()));
    let by_default = stood(ctx, status).filter(|stood| *stood >= BLOCKED_MAX);
    let deadline = own.or(by_default.map(|_| BLOCKED_MAX));
    let open = is_open(status);
    due::give_up_late(ctx, status, timetable, deadline);
    let Some(deadline) = deadline else {
        return false;
    };
    if open {
        if !is_open(status) {
            status.waiting = None;
        }
        return false;
    }
    let late = |waiting: &mut WaitingRun| ctx.now() > waiting.due.0 + deadline;
    let Some(waiting) = status.waiting.take_if(late) else {
        return false;
    };
    due::count_missed(status, 1);
    status.windows_overridden = Vec::new();
    let why = waiting.refusal.map(|refusal| refusal.message);
    let why = why.or_else(|| window::held(ctx).map(|held| held.message));
    let why = why.or_else(|| status.preflight_check.as_ref().map(|c| c.message.clone()));
    let why = why.filter(|why| !why.is_empty());
    let message = format!(
        "the run that was due at {} could not begin within {} s and is not made any more{}; for another use the annotation ess-rollout.io/run-now",
        waiting.due.0,
        deadline.as_secs(),
        why.map_or(String::new(), |why| format!(": {why}")),
    );
    let word = Reason::StartingDeadlineExceeded;
    requests::resolve(ctx, status, RUN_NOW_REJECTED, word, &message);
    if waiting.trigger != RunTrigger::RunNow {
        status.done_hash = Some(ctx.hash.clone());
    }
    report::ended(status, (RunOutcome::Failed, word, &message));
    true
}

/// Whether what waits is a time of the schedule about which nothing has been decided.
fn is_open(status: &ImageUpdateTaskStatus) -> bool {
    let last = status.last_schedule_time.as_ref();
    status.waiting.as_ref().is_some_and(|waiting| {
        waiting.trigger == RunTrigger::Schedule && last.is_none_or(|last| last.0 < waiting.due.0)
    })
}
