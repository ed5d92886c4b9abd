//! Whether an execution, its root having ended or not, can still act.

use std::time::Duration;

use ess_rollout_cloud::{Execution, ExecutionFilter, ExecutionStatus, Query};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use crate::identity::hash_value;
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::observation::Known;

/// Whether a nested execution acts no more, its root having ended: one that waits for somebody will
/// not be asked again.
pub(super) fn has_ended(child: &Execution) -> bool {
    child.status.is_final() || child.status == ExecutionStatus::Waiting
}

/// Whether an execution can still act.
pub(super) enum Rest {
    /// It, or a nested one, has not ended.
    Moving,
    /// All have ended: the next look after this long decides.
    Settling(Duration),
    /// All have ended, and two looks, a bound on lateness apart, agree.
    Quiet,
}

/// Looks whether an execution and its nested ones are at rest. What was seen, and since when, is
/// kept in the status between looks.
pub(super) fn rest(
    ctx: &Context<'_>,
    execution: &str,
    quiet_since: &mut Option<Time>,
    fingerprint: &mut String,
) -> Known<Rest> {
    let root = ExecutionFilter::Id(execution.to_owned());
    let children = ExecutionFilter::ChildrenOf(execution.to_owned());
    let observation = ctx.input.observation;
    observation.require([Query::Executions(root), Query::Executions(children.clone())])?;
    let children = observation.executions(&children)?;
    // One that no list shows any more has ended; one that a single answer leaves out may not have.
    let root = absence::execution(observation, execution, ROLLING_TEMPLATES)?;
    let moves = root.is_some_and(|root| !root.status.is_final())
        || children.iter().any(|child| !has_ended(child));
    if moves {
        *quiet_since = None;
        return Ok(Rest::Moving);
    }
    let all = root.into_iter().chain(children);
    let mut seen: Vec<(&str, &str)> = all.map(|e| (e.id.as_str(), e.status.as_str())).collect();
    seen.sort_unstable();
    let seen = hash_value(&seen);
    let since = quiet_since.clone().filter(|_| *fingerprint == seen);
    match since {
        Some(since) if ctx.settled_since(&since) => Ok(Rest::Quiet),
        Some(since) => {
            let due = since.0 + ctx.settle() + SignedDuration::from_secs(1);
            Ok(Rest::Settling(due.duration_since(ctx.now()).unsigned_abs()))
        }
        None => {
            *quiet_since = Some(Time(ctx.now()));
            *fingerprint = seen;
            let wait = ctx.settle() + SignedDuration::from_secs(1);
            Ok(Rest::Settling(wait.unsigned_abs()))
        }
    }
}
