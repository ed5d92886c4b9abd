//! What stands against a start, reported; and whether the group is kept meanwhile.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{Outcome, RollingUpdateTaskStatus, condition};

use super::deadline;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::report::Phase;
use crate::rollout::restore::record;
use crate::rollout::result;
use crate::task::display::Value;
use crate::task::problem::Problem;

/// How often a task that a person has to mend something for is checked again.
pub(in crate::rollout) const RECHECK: Next = Next::After(Duration::from_secs(60));

/// To be asked with `?`: what was found stands against the start.
pub(in crate::rollout) fn unless(found: Option<Problem>) -> Result<(), Problem> {
    found.map_or(Ok(()), Err)
}

/// Reports what stands against the start. The group is not kept while it does. What nothing lifts any more ends
/// the object.
pub(in crate::rollout) fn refuse(ctx: &Context<'_>, status: Draft, problem: &Problem) -> Drafted {
    let next = match problem.passes {
        true => ctx.waits().recheck(),
        false => RECHECK,
    };
    refuse_until(ctx, status, problem, next)
}

/// The same, looked at again at `next`.
pub(in crate::rollout) fn refuse_until(
    ctx: &Context<'_>,
    mut status: Draft,
    problem: &Problem,
    next: Next,
) -> Drafted {
    let (phase, value) = match problem.passes {
        true => (Phase::Pending, Value::Unknown),
        false => (Phase::Blocked, Value::False),
    };
    let (reason, message) = (problem.reason, &problem.message);
    status.set(condition::PREFLIGHT, value, reason, message);
    if problem.is_final {
        deadline::note(ctx, &mut status, None);
        return result::nothing_ran(ctx, status, Outcome::Failed, reason, message);
    }
    deadline::note(ctx, &mut status, problem.counts.then_some(message));
    status.show(phase, reason, message);
    put_off(ctx, status, next)
}

/// A start that is looked at again no later than its deadline. The group is not kept until then.
pub(in crate::rollout) fn put_off(ctx: &Context<'_>, status: Draft, next: Next) -> Drafted {
    let left = deadline::left(ctx, &status).map(|left| left.unsigned_abs());
    let left = left.into_iter().chain(deadline::until_missed(ctx)).min();
    let next = match (next, left) {
        (Next::OnChange, Some(left)) => Next::After(left),
        (next, _) => next,
    };
    let releases = releases_group(ctx, &status);
    let mut decision = ctx.decide(status, next).within(left);
    decision.record = releases.then(|| record::given_back(ctx));
    decision
}

/// Takes the intent to start back. What a rollback took over is put back by the plan, should nothing be started in
/// the end.
pub(in crate::rollout) fn unstart(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    status.start = None;
    if !ctx.has_taken_over(status) {
        (status.plan, status.place) = (None, None);
    }
}

/// Whether the group goes to others while something stands against the start. Not from a rollback
/// that took it over: how the group was before the update that it undoes is on record for it alone.
pub(in crate::rollout) fn releases_group(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> bool {
    ctx.holds() && !ctx.has_taken_over(status)
}
