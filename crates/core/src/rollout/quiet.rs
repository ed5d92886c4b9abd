//! Whether an execution is at rest.

use ess_rollout_cloud::{ExecutionFilter, Query};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::observation::Known;
use crate::task::quiet::{self, Rest};

/// Looks whether an execution and its nested ones are at rest, by the rules of [`crate::task::quiet`].
pub(super) fn rest(
    ctx: &Context<'_>,
    execution: &str,
    quiet_since: &mut Option<Time>,
    fingerprint: &mut String,
) -> Known<Rest> {
    let root = ExecutionFilter::Id(execution.to_owned());
    let children = ExecutionFilter::ChildrenOf(execution.to_owned());
    let observation = ctx.input.observation;
    observation.require([root, children.clone()].map(Query::Executions))?;
    let children = observation.executions(&children)?;
    // One that no list shows any more has ended; one that a single answer leaves out may not have.
    let root = absence::execution(observation, execution, ROLLING_TEMPLATES)?;
    let rest = quiet::judge(&ctx.waits(), root, children, quiet_since, fingerprint);
    Ok(rest)
}
