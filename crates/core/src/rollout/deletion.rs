//! What the deletion of an object means to its run: the finalizer, and what is said and listed while
//! it waits.

use ess_rollout_api::v1alpha1::RollingUpdateTaskStatus;

use super::context::Context;
use super::decision::Decision;
use crate::deletion::Wait;

/// Whether nothing is left to put back, or it is on record elsewhere.
pub(super) fn is_finished(status: &RollingUpdateTaskStatus) -> bool {
    status.restore.as_ref().is_some_and(|restore| restore.done)
}

/// The finalizer is there from before the group is taken until it is let go, and no longer: an object
/// that has nothing to put back goes without the operator, whatever has become of that. Once the object
/// is being deleted none can be added, and the stage that is done with it takes it away.
pub(super) fn guard(ctx: &Context<'_>, old: &RollingUpdateTaskStatus, decision: &mut Decision) {
    if ctx.deleting.is_some() {
        return;
    }
    let runs = |status: &RollingUpdateTaskStatus| {
        let begun = status.start.is_some() || status.execution.is_some();
        (begun || status.result.is_some()) && !is_finished(status)
    };
    let takes = decision.record.as_ref().and_then(|r| r.holder.as_ref());
    let takes = takes.is_some_and(|holder| holder.uid == ctx.uid);
    let guards = ctx.holds() || takes || runs(old) || runs(&decision.status);
    decision.finalizer = (guards != ctx.has_finalizer()).then_some(guards);
}

/// Says of a deletion that waits how long it does, and how to end that.
pub(super) fn say(ctx: &Context<'_>, decision: &mut Decision) {
    let Some(until) = ctx.deletion_due().filter(|_| !ctx.deletion_overdue()) else {
        return;
    };
    let wait = Wait {
        resource: &ctx.resource(),
        namespace: &ctx.namespace,
        name: &ctx.name,
        until,
        rule: "spec.deletionTimeoutSeconds, which may be lowered",
    };
    wait.add_to(&mut decision.status.conditions);
}
