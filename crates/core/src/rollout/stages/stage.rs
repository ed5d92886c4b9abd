//! Which stage an object is in, told by what is on record, and by nothing else.

use super::{ending, pending, running, starting};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted};
use crate::task::step::Staged;

/// The decision of the stage that the object is in, with what is on record in that stage.
pub(in crate::rollout) fn decide(ctx: &Context<'_>, status: Draft) -> Staged<Drafted> {
    if status.result.is_some() {
        return Ok(ending::decide(ctx, status));
    }
    if let Some(execution) = status.execution.clone() {
        return Ok(running::decide(ctx, status, &execution));
    }
    match (status.start.clone(), status.plan.clone()) {
        (None, _) => Ok(pending::decide(ctx, status)),
        (Some(intent), Some(plan)) => Ok(starting::decide(ctx, status, intent, &plan)),
        (Some(_), None) => Err("status.start is there, and status.plan is not"),
    }
}
