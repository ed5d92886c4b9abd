//! How long an object that a person has to mend something for stays ready to start.
//!
//! What was asked for is about now: an update that starts by itself, because a Secret or an image came into
//! being a week later, surprises whoever is there then. So the time for which an object is Blocked is counted,
//! and when there is more of it than `spec.startingDeadlineSeconds` it ends. What passes by itself is waited
//! for: the group's turn, the updates of others. `spec.notAfter` bounds that, too.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{DesiredState, Outcome, RollingUpdateTaskStatus, StartBlocked};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted};
use crate::rollout::result;
use crate::task::conditions;
use crate::task::reason::Reason;

/// Without `spec.startingDeadlineSeconds`.
const DEFAULT: SignedDuration = SignedDuration::from_hours(24);

/// Puts on record what stands against the start, if something does that counts.
pub(in crate::rollout) fn note(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    found: Option<&str>,
) {
    // What is only planned starts nothing, however long that lasts.
    let found = found.filter(|_| ctx.spec.policy.desired_state == DesiredState::Run);
    let spent = spent(ctx, status);
    let mut blocked = status.start_blocked.take().unwrap_or_default();
    match found {
        Some(message) => {
            blocked.since.get_or_insert(Time(ctx.now()));
            conditions::replace(&mut blocked.message, message);
        }
        None => {
            if blocked.since.take().is_some() {
                blocked.seconds = spent.as_secs();
            }
            blocked.message.clear();
        }
    }
    status.start_blocked = (blocked != StartBlocked::default()).then_some(blocked);
}

/// For how long it has been Blocked, in all.
fn spent(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> SignedDuration {
    let blocked = status.start_blocked.clone().unwrap_or_default();
    let before = SignedDuration::from_secs(blocked.seconds);
    let since = blocked.since.as_ref();
    since.map_or(before, |since| {
        before.saturating_add(ctx.waits().since(since))
    })
}

fn deadline(ctx: &Context<'_>) -> SignedDuration {
    let own = ctx.spec.policy.starting_deadline_seconds;
    own.map_or(DEFAULT, |seconds| SignedDuration::from_secs(seconds.into()))
}

/// How long it may still be Blocked, if it is.
pub(in crate::rollout) fn left(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<SignedDuration> {
    status.start_blocked.as_ref()?.since.as_ref()?;
    Some((deadline(ctx) - spent(ctx, status)).max(SignedDuration::ZERO))
}

/// The end of an object that has been Blocked for longer than it may.
pub(in crate::rollout) fn exceeded(ctx: &Context<'_>, status: &Draft) -> Option<Drafted> {
    // It was let go of since, and is not looked at to be started.
    let armed = ctx.spec.policy.desired_state == DesiredState::Run;
    left(ctx, status).filter(|left| armed && left.is_zero())?;
    let last = status.start_blocked.clone().unwrap_or_default().message;
    let mut status = status.clone();
    note(ctx, &mut status, None);
    let message = format!(
        "Blocked for longer than the {} s of spec.startingDeadlineSeconds: nothing was started, and nothing will be, although what stood against it may go away ({last}); when it has, create the object anew",
        deadline(ctx).as_secs()
    );
    let (outcome, reason) = (Outcome::Failed, Reason::StartingDeadlineExceeded);
    Some(result::nothing_ran(ctx, status, outcome, reason, &message))
}

/// The end of what has not begun in time.
pub(in crate::rollout) fn missed(ctx: &Context<'_>, status: &Draft) -> Option<Drafted> {
    let limit = limit(ctx)?;
    if ctx.now() < limit {
        return None;
    }
    let mut status = status.clone();
    let last = status.start_blocked.take().unwrap_or_default().message;
    let why = match last.is_empty() {
        true => String::new(),
        false => format!(" ({last})"),
    };
    let message = format!(
        "it had not begun at {limit} (spec.notAfter){why}: nothing was started, and nothing will be; to have it after all create it anew with a later one"
    );
    let (outcome, reason) = (Outcome::Failed, Reason::WindowMissed);
    Some(result::nothing_ran(ctx, status, outcome, reason, &message))
}

/// How long until it has not begun in time.
pub(in crate::rollout) fn until_missed(ctx: &Context<'_>) -> Option<Duration> {
    limit(ctx).map(|limit| ctx.waits().left(limit))
}

/// What is only planned misses nothing.
fn limit(ctx: &Context<'_>) -> Option<Timestamp> {
    let policy = &ctx.spec.policy;
    let limit = policy.windows.not_after.as_ref()?;
    (policy.desired_state == DesiredState::Run).then_some(limit.0)
}
