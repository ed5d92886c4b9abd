//! Whether the next run could begin as things are: looked at while nothing is due, so that it is known before the
//! night of the run what will keep it from being made.
//!
//! Bounded by what changes: once when the task is created or changed, once before each run, and where
//! something stands against it ever less often.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, PreflightCheck};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::context::Context;
use super::preflight;
use crate::identity::hash_value;
use crate::task::cloud_failure::Failure;
use crate::task::conditions::shorten;
use crate::task::observation::{Known, Missing};
use crate::task::problem::{Problem, Stop};
use crate::task::waits::RETRY;

/// How long before a run is due it is looked at again.
pub(super) const LEAD: SignedDuration = SignedDuration::from_mins(30);
/// The first wait before something that stands against it is looked at again, and the longest.
const AGAIN: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_hours(1));

/// Looks, if it is time to; `next`: when the next run is due. Gives when to look again.
pub(super) fn check(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    next: Timestamp,
) -> Known<Duration> {
    if let Some(problem) = preflight::check_spec(ctx) {
        note_news(ctx, status, &problem);
    } else if when(ctx, status, next) <= ctx.now() {
        match preflight::check_cloud(ctx) {
            Ok(_) => note(ctx, status, None),
            Err(Stop::Problem(problem)) => note(ctx, status, Some(&problem)),
            Err(Stop::Missing(Missing::Failed(error))) => match Failure::of(&error) {
                Some(failure) => {
                    let passes = !failure.needs_person;
                    let problem = Problem::blocked(failure.reason, failure.message);
                    note(ctx, status, Some(&Problem { passes, ..problem }));
                }
                None => return Ok(error.retry_after.unwrap_or(RETRY.unsigned_abs())),
            },
            Err(Stop::Missing(read)) => return Err(read),
        }
    }
    Ok(ctx.waits().left(when(ctx, status, next)))
}

/// When to look next.
fn when(ctx: &Context<'_>, status: &ImageUpdateTaskStatus, next: Timestamp) -> Timestamp {
    let check = status.preflight_check.as_ref();
    let Some(check) = check.filter(|check| check.hash == asked(ctx)) else {
        return ctx.now();
    };
    let again = check.failing_since.as_ref().map(|since| {
        let stood = check.time.0.duration_since(since.0);
        check.time.0 + stood.clamp(AGAIN.0, AGAIN.1)
    });
    // A run that was begun, or looked at, since then was looked at as well.
    let before = Some(next - LEAD).filter(|lead| check.time.0 < *lead);
    again.into_iter().chain(before).min().unwrap_or(next)
}

/// What a check is about.
fn asked(ctx: &Context<'_>) -> String {
    hash_value(&json!({"does": ctx.hash, "role": ctx.spec.ram_role, "region": ctx.region}))
}

/// Takes note of what was found.
pub(super) fn note(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    problem: Option<&Problem>,
) {
    let (hash, time) = (asked(ctx), Time(ctx.now()));
    let before = status.preflight_check.take().filter(|b| b.hash == hash);
    let since = before.and_then(|before| before.failing_since);
    status.preflight_check = Some(PreflightCheck {
        failing_since: problem.map(|_| since.unwrap_or_else(|| time.clone())),
        time,
        hash,
        reason: problem.map_or_else(String::new, |problem| problem.reason.into()),
        message: problem.map_or_else(String::new, |problem| shorten(&problem.message, 1024)),
        passes: problem.is_some_and(|problem| problem.passes),
    });
}

/// The same of what is looked at without being noted each time.
pub(super) fn note_news(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, problem: &Problem) {
    let known = found(status).is_some_and(|known| {
        known.hash == asked(ctx) && known.reason == problem.reason && known.passes == problem.passes
    });
    if !known {
        note(ctx, status, Some(problem));
    }
}

/// What stands against the next run, by the last look.
pub(super) fn found(status: &ImageUpdateTaskStatus) -> Option<&PreflightCheck> {
    let check = status.preflight_check.as_ref();
    check.filter(|check| !check.reason.is_empty())
}
