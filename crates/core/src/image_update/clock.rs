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
    let now = ctx.now();
    bound_schedule(ctx, status);
    let waiting = status.waiting.as_mut().map(|waiting| {
        let refused = waiting.refusal.as_mut().map(|refusal| &mut refusal.time);
        let due = Some(&mut waiting.due);
        [due, waiting.blocked_since.as_mut(), refused]
    });
    let check = status
        .preflight_check
        .as_mut()
        .map(|check| [Some(&mut check.time), check.failing_since.as_mut()]);
    let run = status.active.as_mut().map(|run| {
        let start = run
            .start
            .as_mut()
            .map(|start| [Some(&mut start.time), start.last_lookup_time.as_mut()]);
        let cancellation = run.cancellation.as_mut().map(|cancellation| {
            [
                Some(&mut cancellation.time),
                cancellation.last_call_time.as_mut(),
            ]
        });
        let own = [
            run.image_missing_since.as_mut(),
            run.configuration_missing_since.as_mut(),
            run.last_call_time.as_mut(),
            run.end.as_mut().map(|end| &mut end.time),
        ];
        let start = start.into_iter().flatten();
        own.into_iter()
            .chain(start)
            .chain(cancellation.into_iter().flatten())
    });
    let all = waiting.into_iter().flatten();
    let all = all.chain(check.into_iter().flatten());
    let all = all.chain(run.into_iter().flatten());
    for time in all.flatten() {
        if is_ahead(time.0, now) {
            *time = Time(now);
        }
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
