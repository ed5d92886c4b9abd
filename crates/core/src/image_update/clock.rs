//! Times on record that lie ahead of the clock: it was ahead when they were written, and has been set
//! back since. Taken as they are, nothing would be due before they have passed.

use ess_rollout_api::v1alpha1::ImageUpdateTaskStatus;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::due::{self, Timetable};

/// How far ahead a time may be without being taken for wrong: the clocks of two machines differ by
/// less, and the apiserver's is among those that are compared with.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// Has what counts from a time in the future count from now. So no wait is longer than the rule that made it.
pub(super) fn bound(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    bound_schedule(ctx, status);
    let mut all: Vec<&mut Time> = Vec::new();
    if let Some(waiting) = &mut status.waiting {
        all.push(&mut waiting.due);
        all.extend(&mut waiting.blocked_since);
        all.extend(waiting.refusal.as_mut().map(|refusal| &mut refusal.time));
    }
    if let Some(check) = &mut status.preflight_check {
        all.push(&mut check.time);
        all.extend(&mut check.failing_since);
    }
    if let Some(run) = &mut status.active {
        all.extend(&mut run.image_missing_since);
        all.extend(&mut run.configuration_missing_since);
        all.extend(&mut run.last_call_time);
        all.extend(run.end.as_mut().map(|end| &mut end.time));
        if let Some(start) = &mut run.start {
            all.push(&mut start.time);
            all.extend(&mut start.last_lookup_time);
            all.extend(&mut start.held_since);
        }
        if let Some(cancellation) = &mut run.cancellation {
            all.push(&mut cancellation.time);
            all.extend(&mut cancellation.last_call_time);
        }
    }
    let now = ctx.now();
    for time in all.into_iter().filter(|time| is_ahead(time.0, now)) {
        *time = Time(now);
    }
}

fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time > now + TOLERANCE
}

/// The newest time about which something was decided may be ahead by one run, which was then made
/// early and is not made twice. Those after it were never due.
fn bound_schedule(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let now = ctx.now();
    if let Some(followed) = &mut status.followed_schedule
        && is_ahead(followed.since.0, now)
    {
        followed.since = Time(now);
    }
    let Some(last) = status.last_schedule_time.as_ref().map(|time| time.0) else {
        return;
    };
    if last <= now {
        return;
    }
    let only = due::single_time(ctx.spec);
    let made = match due::timetable(ctx.spec, status) {
        Ok(Timetable::Scheduled(schedule)) => schedule.next_after(now),
        _ => None,
    };
    if only != Some(last) && made.is_none_or(|next| last > next) {
        status.last_schedule_time = Some(Time(now));
    }
}
