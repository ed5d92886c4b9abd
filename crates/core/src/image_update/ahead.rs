//! Whether the next run could begin as things are: see [`crate::task::ahead`].

use std::time::Duration;

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, PreflightCheck};
use jiff::Timestamp;
use serde_json::json;

use super::context::Context;
use super::preflight;
use crate::identity::hash_value;
use crate::task::ahead::{self, Ahead};
use crate::task::closed::Held;
use crate::task::observation::Known;
use crate::task::problem::{Checked, Problem};

fn ahead<'a>(ctx: &'a Context<'a>) -> Ahead<'a> {
    Ahead {
        object: &ctx.object,
        asked: hash_value(
            &json!({"does": ctx.hash, "role": ctx.spec.ram_role, "region": ctx.region}),
        ),
    }
}

fn look(ctx: &Context<'_>) -> Checked<()> {
    preflight::check_cloud(ctx).map(|_| ())
}

/// Looks, if it is time to; `next`: when the next run is due. Gives when to look again.
pub(super) fn check(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    next: Timestamp,
) -> Known<Duration> {
    let (ahead, known) = (ahead(ctx), &mut status.preflight_check);
    // What a spec says by itself is looked at each time.
    if let Some(problem) = preflight::check_spec(ctx) {
        ahead.note_news(known, &problem);
        return Ok(ahead.left(known.as_ref(), next));
    }
    let (again, _) = ahead.check(known, next, || look(ctx))?;
    Ok(again)
}

/// What is said of a run that waits for its windows, and when to look again.
pub(super) fn while_held(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    held: &Held,
) -> Known<(Problem, Duration)> {
    ahead(ctx).while_held(&mut status.preflight_check, held, || look(ctx))
}

/// Takes note of what was found.
pub(super) fn note(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    problem: Option<&Problem>,
) {
    ahead(ctx).note(&mut status.preflight_check, problem);
}

/// The same of what is looked at without being noted each time.
pub(super) fn note_news(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, problem: &Problem) {
    ahead(ctx).note_news(&mut status.preflight_check, problem);
}

/// What stands against the next run, by the last look.
pub(super) fn found(status: &ImageUpdateTaskStatus) -> Option<&PreflightCheck> {
    ahead::found(status.preflight_check.as_ref())
}
