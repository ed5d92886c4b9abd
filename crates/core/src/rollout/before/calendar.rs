//! When it may begin: `spec.notBefore`, `spec.window`, MaintenanceWindows.
//!
//! Before its window opens nothing is taken: no place in the group's queue, no group, no start of OOS, which would suspend the
//! group's processes for as long as it waits.

use ess_rollout_api::v1alpha1::{RollingUpdateTaskStatus, StartBlocked};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::refusal::refuse_until;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::progress::window;
use crate::task::closed::{Held, LOOK};
use crate::task::observation::Known;
use crate::task::problem::Problem;
use crate::task::reason::Reason;
use crate::task::windows_of;

/// What is wrong with the window as it is written.
pub(super) fn check_spec(ctx: &Context<'_>) -> Option<Problem> {
    if ctx.windows.own.is_overridden(windows_of::FIELD) {
        return None;
    }
    let invalid = windows_of::in_spec(ctx.spec.policy.windows.window.as_ref()).err()?;
    let message = format!("{} in a new object", invalid.message);
    Some(Problem::blocked(invalid.reason, message))
}

/// What is said of the time, of an update into so many batches.
pub(super) fn notes(ctx: &Context<'_>, batches: i32) -> impl Iterator<Item = String> {
    let windows = &ctx.spec.policy.windows;
    let not_before = windows.not_before.as_ref();
    let not_before = not_before.filter(|time| ctx.now() < time.0);
    let begins = not_before.map(|time| format!("it begins at {} at the earliest", time.0));
    let begins = begins.into_iter().chain(window::note(ctx, batches));
    begins.chain(window::passed_over(ctx))
}

/// A window of which it is not known what it says.
pub(super) fn unknown(ctx: &Context<'_>) -> Option<Problem> {
    ctx.windows().unknown.as_ref()?;
    window::held(ctx, &[]).map(|held| held.problem())
}

/// An update that would leave its group standing still between two times at which its window opens, for longer than it may.
pub(super) fn too_long_between(ctx: &Context<'_>, batches: i32) -> Option<Problem> {
    let message = window::too_long_between(ctx, batches)?;
    Some(Problem::blocked(Reason::WindowTooShort, message))
}

/// The wait for the time at which it may begin, if that is not now.
pub(in crate::rollout) fn wait(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    ctx.require_tags()?;
    let held = held(ctx);
    note(status, held.as_ref().and_then(|held| held.until));
    let Some(held) = held else {
        return Ok(None);
    };
    let left = held.until.map(|until| ctx.waits().left(until));
    let next = Next::After(left.map_or(LOOK, |left| left.min(LOOK)));
    Ok(Some(refuse_until(
        ctx,
        status.clone(),
        &held.problem(),
        next,
    )))
}

fn held(ctx: &Context<'_>) -> Option<Held> {
    let not_before = ctx.spec.policy.windows.not_before.as_ref();
    match not_before.filter(|time| ctx.now() < time.0) {
        Some(time) => Some(Held {
            reason: Reason::WindowClosed,
            message: format!("it begins at {} at the earliest (spec.notBefore)", time.0),
            until: Some(time.0),
            mended_by: None,
        }),
        None => window::held(ctx, &[]),
    }
}

/// Puts on record until when it has no place in the queue of its group.
fn note(status: &mut RollingUpdateTaskStatus, until: Option<Timestamp>) {
    let mut blocked = status.start_blocked.take().unwrap_or_default();
    blocked.held_until = until.map(Time);
    status.start_blocked = (blocked != StartBlocked::default()).then_some(blocked);
}
