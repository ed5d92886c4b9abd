//! A start that OOS refuses for lack of a permission: nothing was started, and what was taken for it is given
//! back. The next start is tried after growing waits, in its turn, until the starting deadline.

use std::time::Duration;

use ess_rollout_api::v1alpha1::RollingUpdateTaskStatus;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::refusal;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::task::problem::Problem;
use crate::task::reason::Reason;
use crate::task::waits::RETRY;

/// The longest wait between two starts: whoever grants the permission sees the update start within it.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// The longest wait between two tries of a call that fails for a reason that passes.
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// The group goes to whoever is next, and the run key is free.
pub(in crate::rollout) fn give_back(
    ctx: &Context<'_>,
    mut status: Draft,
    (reason, why): (Reason, &str),
) -> Drafted {
    refusal::unstart(ctx, &mut status);
    let blocked = status.start_blocked.get_or_insert_default();
    blocked.denied_starts = blocked.denied_starts.saturating_add(1);
    blocked.last_denied_time = Some(Time(ctx.now()));
    let wait = wait(ctx, blocked.denied_starts);
    let message = format!(
        "{why}; nothing was started, the scaling group goes to others meanwhile, and the next start is tried in {} s",
        wait.as_secs()
    );
    let problem = Problem::blocked(reason, message);
    refusal::refuse_until(ctx, status, &problem, Next::After(wait.unsigned_abs()))
}

/// How long nothing is started after so many refusals in a row.
fn wait(ctx: &Context<'_>, denied_starts: i32) -> SignedDuration {
    let doublings = u32::try_from(denied_starts - 1).unwrap_or(0).min(10);
    let wait = ctx.waits().patience().saturating_mul(1 << doublings);
    wait.min(LONGEST).max(ctx.waits().patience())
}

/// How long it is until the next start may be tried.
pub(in crate::rollout) fn left(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Duration> {
    let blocked = status.start_blocked.as_ref()?;
    let last = blocked.last_denied_time.as_ref()?;
    let left = wait(ctx, blocked.denied_starts) - ctx.waits().since(last);
    left.is_positive().then(|| left.unsigned_abs())
}

/// The wait until the next try of a call that has failed for so long.
pub(in crate::rollout) fn growing(since: SignedDuration) -> Next {
    Next::After((since / 4).clamp(RETRY, LONGEST_RETRY).unsigned_abs())
}
