//! Whose turn the group is, before the start: the queue of this operator's objects, and the updates of others.

use ess_rollout_api::v1alpha1::RollingUpdateTaskStatus;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::preflight::{self, Ready};
use super::refusal::{RECHECK, refuse_until};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted};
use crate::rollout::{others, rollback};
use crate::task::problem::{Checked, Problem};
use crate::task::reason::Reason;
use crate::task::turn;

/// Puts on record that these credentials reach the group, when they are first seen to.
pub(in crate::rollout) fn note_group(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let seen = ctx.input.observation.scaling_group(&ctx.group);
    if status.group_seen_time.is_none() && seen.is_ok_and(Option::is_some) {
        status.group_seen_time = Some(Time(ctx.now()));
    }
}

/// Puts on record when a run of others that the start waits for was first seen to have ended.
pub(in crate::rollout) fn note_end_of_others(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    found: &Result<Ready, Problem>,
) {
    let waited = status.waits_for_others;
    note_others(status, found);
    if waited && !status.waits_for_others {
        status.others_ended = Some(Time(ctx.now()));
    }
}

/// Puts on record whether a run of others is what stands against the start.
pub(in crate::rollout) fn note_others(
    status: &mut RollingUpdateTaskStatus,
    found: &Result<Ready, Problem>,
) {
    let problem = found.as_ref().err();
    status.waits_for_others = problem.is_some_and(|problem| problem.reason == others::OTHERS_RUN);
    if status.waits_for_others {
        status.others_ended = None;
    }
}

/// How long the group is not yet read for the start: the bound on lateness. A process that the run of
/// others had suspended, read too early, would be taken for one that a person suspended, and stay so.
pub(in crate::rollout) fn after_others(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<SignedDuration> {
    let ended = status.others_ended.as_ref()?;
    let left = ctx.waits().settled_at(ended).duration_since(ctx.now());
    left.is_positive().then_some(left)
}

/// First come, first served: whoever holds the group, then whoever asked earlier. Nobody waits for a group that
/// the credentials do not reach.
pub(in crate::rollout) fn wait(ctx: &Context<'_>, status: &mut Draft) -> Checked<Option<Drafted>> {
    // What the run of a holder that vanished still does is seen as an update of others.
    let holder = ctx.held_by_other();
    // A rollback takes the group over from its source, ahead of the queue: whoever is before it there
    // waits for the source's end.
    if let Some(source) = &status.source
        && rollback::takeover::may_begin(source, holder)
    {
        return Ok(None);
    }
    let Some(before) = turn::before(ctx) else {
        return Ok(None);
    };
    if status.group_seen_time.is_none() {
        preflight::usable_group(ctx)?;
        note_group(ctx, status);
    }
    // By the turn's end it has ended for long.
    status.waits_for_others = false;
    let problem = Problem::wait(Reason::WaitingForScalingGroup, format!("waits: {before}"));
    Ok(Some(refuse_until(ctx, status.clone(), &problem, RECHECK)))
}
