//! No run is under way and none is due: the group is free, and what is shown is the last run and the next.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{RunOutcome, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::due::{self, Timetable};
use super::report::{self, Phase};
use super::schedule::Due;
use super::{Draft, Drafted, ahead, ending};
use crate::task::decision::Next;
use crate::task::display::Value;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// Of a cron expression that names a day that there is not.
pub(super) const NEVER_DUE: &str =
    "spec.schedule.cron: there is no such time in the next four years; write another";

/// The longest wait for the next run: a machine that was suspended does not oversleep by more.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(3600);

/// Nothing is due.
pub(super) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    timetable: &Timetable,
    times: &Due,
) -> Known<Drafted> {
    if ctx.holds() {
        return Ok(ctx.release(status));
    }
    status.vanished_holder = None;
    let next = match status.next_schedule_time.as_ref().map(|next| next.0) {
        Some(next) => {
            let mut wait = ctx.waits().left(next).min(LOOK_AT_THE_CLOCK);
            // While nothing begins by itself nothing is looked at either.
            if !ctx.spec.suspend {
                wait = wait.min(ahead::check(ctx, &mut status, next)?);
            }
            Next::After(wait)
        }
        None => {
            status.preflight_check = None;
            Next::OnChange
        }
    };
    show_rest(ctx, &mut status, timetable, times);
    // An edit of the limits acts at once.
    ending::trim(ctx, &mut status);
    Ok(ctx.decide(status, next))
}

fn show_rest(ctx: &Context<'_>, status: &mut Draft, timetable: &Timetable, times: &Due) {
    // While another was due that was not shown.
    report::show_last_run(status);
    let reason = Reason::recorded(&status.last_reason);
    let message = status.last_message.clone();
    show_preflight(status);
    let next = status.next_schedule_time.as_ref().map(|time| time.0);
    let undone = due::is_undone(ctx, status, timetable);
    let waiting = times.newest;
    if ctx.spec.suspend && (next.is_some() || waiting.is_some() || undone) {
        let message = match (waiting, &ctx.spec.image_id) {
            (Some(due), _) => format!(
                "spec.suspend is set: nothing begins by itself, and the run that was due at {due} is made when it is taken away"
            ),
            (None, Some(image)) if undone => format!(
                "spec.suspend is set: image {image} of spec.imageId has not been put into the scaling configurations; take spec.suspend away (while spec.imageId is set nothing is built), or ask for it with the annotation ess-rollout.io/run-now"
            ),
            (None, None) if undone => "spec.suspend is set: what is asked for has not been built; take it away, or ask for a run with the annotation ess-rollout.io/run-now".to_owned(),
            (None, _) => "spec.suspend is set: nothing begins by itself".to_owned(),
        };
        status.completion_time = None;
        return status.show(Phase::Suspended, Reason::Suspended, &message);
    }
    status.completion_time = match next {
        Some(_) => None,
        None => status.completion_time.take().or(Some(Time(ctx.now()))),
    };
    let ahead = next.map(|next| format!("the next run is due at {next}"));
    if let (Some(found), Some(ahead)) = (ahead::found(status).filter(|f| !f.passes), &ahead) {
        let reason = Reason::recorded(&found.reason);
        let message = format!("{}; {ahead}", found.message);
        return status.show(Phase::BlockedAhead, reason, &message);
    }
    match (status.last_outcome, ahead, timetable) {
        (Some(RunOutcome::Failed), Some(ahead), _) => {
            let message = format!("{message}; {ahead}");
            status.show(Phase::Failed, reason, &message);
        }
        (_, Some(ahead), _) => status.show(Phase::Scheduled, Reason::Scheduled, &ahead),
        (Some(outcome), None, _) => {
            let phase = match outcome {
                RunOutcome::Succeeded => Phase::Succeeded,
                RunOutcome::Failed => Phase::Failed,
                RunOutcome::Cancelled => Phase::Cancelled,
            };
            status.show(phase, reason, &message);
        }
        (None, None, _) if status.missed_runs.is_some() => {
            let message = missed(ctx, status.missed_runs.unwrap_or_default());
            status.show(Phase::Blocked, Reason::RunMissed, &message);
        }
        (None, None, Timetable::Now) => {
            let message = "it had its run before the object was restored without its status; for another use the annotation ess-rollout.io/run-now";
            status.show(Phase::Finished, Reason::AlreadyRun, message);
        }
        (None, None, Timetable::Scheduled(schedule)) if schedule.is_never_due(ctx.now()) => {
            status.show(Phase::Blocked, Reason::NeverDue, NEVER_DUE);
        }
        (None, None, _) => {
            let message = "no run is due any more";
            status.show(Phase::Finished, Reason::NothingDue, message);
        }
    }
}

/// What was found when it was looked whether the next run could begin. What was found against an earlier
/// one is not said of it.
fn show_preflight(status: &mut Draft) {
    let Some(check) = status.preflight_check.clone() else {
        // None is due: what was found before the last one stays, unless it was against it.
        return status.forget_obstacles(Reason::NothingDue);
    };
    if check.reason.is_empty() {
        return status.passed("a run could begin");
    }
    let value = Value::of_obstacle(check.passes);
    let (reason, message) = (Reason::recorded(&check.reason), &check.message);
    status.set(condition::PREFLIGHT, value, reason, message);
}

/// Runs were due, none was made, and none is due any more.
fn missed(ctx: &Context<'_>, count: i64) -> String {
    let cure = "or ask for a run with the annotation ess-rollout.io/run-now";
    match due::single_time(ctx.spec) {
        Some(at) if at <= ctx.created() => format!(
            "spec.schedule.at: {at} is not later than the creation of this object, so no run was made; set it to a later time, {cure}"
        ),
        Some(at) => format!(
            "spec.schedule.at: the run that was due at {at} was not made; set it to a later time, {cure}"
        ),
        None => format!(
            "no run was made of {count} that came due, and none is due any more; change spec.schedule, {cure}"
        ),
    }
}
