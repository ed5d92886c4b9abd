//! No run is under way and none is due: the group is free, and what is shown is the last run and the next.

use ess_rollout_api::v1alpha1::{RunOutcome, condition};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::due::{self, Timetable};
use super::report::{self, Phase};
use super::schedule::Due;
use super::{Draft, Drafted, ahead, ending};
use crate::task::decision::Next;
use crate::task::display::Value;
use crate::task::observation::Known;

/// The longest wait for the next run: a machine that was suspended does not oversleep by more.
const LOOK_AT_THE_CLOCK: SignedDuration = SignedDuration::from_hours(1);

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
            // While nothing begins by itself nothing is looked at either.
            let look = match ctx.spec.suspend {
                true => None,
                false => Some(ahead::check(ctx, &mut status, next)?),
            };
            let wait = ctx.until(next).min(LOOK_AT_THE_CLOCK.unsigned_abs());
            Next::After(look.map_or(wait, |look| wait.min(look)))
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
    let (reason, message) = (status.last_reason.clone(), status.last_message.clone());
    show_preflight(status);
    let next = status.next_schedule_time.as_ref().map(|time| time.0);
    let undone = matches!(timetable, Timetable::Now)
        && status.done_hash.as_deref() != Some(due::content_hash(ctx.spec).as_str());
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
        return status.show(Phase::Suspended, "Suspended", &message);
    }
    status.completion_time = match next {
        Some(_) => None,
        None => status.completion_time.take().or(Some(Time(ctx.now()))),
    };
    let ahead = next.map(|next| format!("the next run is due at {next}"));
    if let (Some(found), Some(ahead)) = (ahead::found(status).filter(|f| !f.passes), &ahead) {
        let (reason, message) = (found.reason.clone(), format!("{}; {ahead}", found.message));
        return status.show(Phase::BlockedAhead, &reason, &message);
    }
    match (status.last_outcome, ahead) {
        (Some(RunOutcome::Failed), Some(ahead)) => {
            let message = format!("{message}; {ahead}");
            status.show(Phase::Failed, &reason, &message);
        }
        (_, Some(ahead)) => status.show(Phase::Scheduled, "Scheduled", &ahead),
        (Some(outcome), None) => {
            let phase = match outcome {
                RunOutcome::Succeeded => Phase::Succeeded,
                RunOutcome::Failed => Phase::Failed,
                RunOutcome::Cancelled => Phase::Cancelled,
            };
            status.show(phase, &reason, &message);
        }
        (None, None) if status.missed_runs.is_some() => {
            let message = missed(ctx, status.missed_runs.unwrap_or_default());
            status.show(Phase::Blocked, "RunMissed", &message);
        }
        (None, None) if matches!(timetable, Timetable::Now) => {
            let message = "it had its run before the object was restored without its status; for another use the annotation ess-rollout.io/run-now";
            status.show(Phase::Finished, "AlreadyRun", message);
        }
        (None, None) if is_never_due(ctx, timetable) => {
            let message =
                "spec.schedule.cron: there is no such time in the next four years; write another";
            status.show(Phase::Blocked, "NeverDue", message);
        }
        (None, None) => {
            let message = "no run is due any more";
            status.show(Phase::Finished, "NothingDue", message);
        }
    }
}

/// What was found when it was looked whether the next run could begin. What was found against an earlier
/// one is not said of it.
fn show_preflight(status: &mut Draft) {
    let Some(check) = status.preflight_check.clone() else {
        // None is due: what was found before the last one stays, unless it was against it.
        return status.set_unless_true(condition::PREFLIGHT, Value::Unknown, "NothingDue", "");
    };
    match (check.reason.as_str(), check.passes) {
        ("", _) => status.passed("a run could begin"),
        (reason, passes) => {
            let value = if passes { Value::Unknown } else { Value::False };
            status.set(condition::PREFLIGHT, value, reason, &check.message);
        }
    }
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

fn is_never_due(ctx: &Context<'_>, timetable: &Timetable) -> bool {
    match timetable {
        Timetable::Scheduled(schedule) => schedule.is_never_due(ctx.now()),
        Timetable::Now => false,
    }
}
