//! The failed instances of a run, and how many of them OOS tolerates.

use ess_rollout_api::v1alpha1::{
    InstanceState, InstanceStatus, OnFailure, RollingUpdateTaskStatus,
};

use crate::rollout::context::Context;

/// How many failures OOS tolerates over the whole run.
pub(in crate::rollout) fn tolerated(ctx: &Context<'_>) -> usize {
    usize::try_from(ctx.spec.policy.max_errors.unwrap_or(0)).unwrap_or(0)
}

/// The failed instances that somebody has yet to decide about. OOS shows one that was given up in the
/// console as failed; but it begins no further batch before the failures beyond `maxErrors` are
/// resolved.
pub(in crate::rollout) fn unresolved<'s>(
    ctx: &Context<'_>,
    status: &'s RollingUpdateTaskStatus,
) -> Vec<&'s InstanceStatus> {
    let all = || status.instances.iter();
    let begun = all().filter(|i| i.state != InstanceState::Pending);
    let begun = begun.map(|i| i.batch).max().unwrap_or(0);
    let failed =
        |last: i32| all().filter(move |i| i.state == InstanceState::Failed && i.batch <= last);
    let mut before = (1..begun).rev();
    let given_up = before.find(|batch| failed(*batch).count() > tolerated(ctx));
    let given_up = given_up.unwrap_or(0);
    failed(i32::MAX).filter(|i| i.batch > given_up).collect()
}

/// Whether more have failed than OOS tolerates, so that it goes no further by itself.
pub(in crate::rollout) fn is_held(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    ctx.spec.policy.on_failure == OnFailure::Suspend
        && unresolved(ctx, status).len() > tolerated(ctx)
}
