//! What is said of the times at which it may begin: `spec.notBefore`, `spec.window`, MaintenanceWindows.

use crate::rollout::context::Context;
use crate::rollout::progress::window;
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
