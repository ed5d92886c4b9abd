//! What stands against a start, reported; and whether the group is kept meanwhile.

use ess_rollout_api::v1alpha1::{Outcome, RollingUpdateTaskStatus, condition};
use jiff::SignedDuration;

use super::deadline;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::report::Phase;
use crate::rollout::restore::record;
use crate::rollout::result;
use crate::task::display::Value;
use crate::task::problem::Problem;

/// How often a task that a person has to mend something for is checked again.
pub(in crate::rollout) const RECHECK: SignedDuration = SignedDuration::from_secs(60);

/// Reports what stands against the start. The group is not kept while it does. What nothing lifts any more ends
/// the object.
pub(in crate::rollout) fn refuse(
    ctx: &Context<'_>,
    mut status: Draft,
    problem: &Problem,
    of_spec: bool,
) -> Drafted {
    let (phase, value) = if problem.passes {
        (Phase::Pending, Value::Unknown)
    } else {
        (Phase::Blocked, Value::False)
    };
    status.set(
        condition::PREFLIGHT,
        value,
        problem.reason,
        &problem.message,
    );
    if problem.is_final {
        deadline::note(ctx, &mut status, None);
        let (reason, message) = (problem.reason, &problem.message);
        return result::nothing_ran(ctx, status, Outcome::Failed, reason, message);
    }
    deadline::note(ctx, &mut status, problem.counts.then_some(&problem.message));
    status.show(phase, problem.reason, &problem.message);
    let left = deadline::left(ctx, &status).map(|left| left.unsigned_abs());
    let next = if of_spec {
        left.map_or(Next::OnChange, Next::After)
    } else if problem.passes {
        ctx.recheck()
    } else {
        Next::After(RECHECK.unsigned_abs())
    };
    let releases = releases_group(ctx, &status);
    let mut decision = ctx.decide(status, next).within(left);
    if releases {
        decision.record = Some(record::given_back(ctx));
    }
    decision
}

/// Whether the group goes to others while something stands against the start. Not from a rollback
/// that took it over: how the group was before the update that it undoes is on record for it alone.
pub(in crate::rollout) fn releases_group(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> bool {
    ctx.holds() && !ctx.has_taken_over(status)
}
