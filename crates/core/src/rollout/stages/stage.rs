//! Which stage an object is in, with what is on record in that stage.

use ess_rollout_api::v1alpha1::{
    ExecutionRef, Outcome, Plan, RollingUpdateTaskStatus, StartIntent,
};

use super::{ending, pending, running, starting};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::result;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// Told by what is on record, and by nothing else.
enum Stage {
    Pending,
    Starting(Box<(StartIntent, Plan)>),
    Running(ExecutionRef),
    Ending,
    /// What is on record cannot be.
    Contradiction(&'static str),
}

impl Stage {
    fn of(status: &RollingUpdateTaskStatus) -> Self {
        if status.result.is_some() {
            return Self::Ending;
        }
        if let Some(execution) = &status.execution {
            return Self::Running(execution.clone());
        }
        match (&status.start, &status.plan) {
            (None, _) => Self::Pending,
            (Some(intent), Some(plan)) => Self::Starting(Box::new((intent.clone(), plan.clone()))),
            (Some(_), None) => Self::Contradiction("status.start is there, and status.plan is not"),
        }
    }
}

/// The decision of the stage that the object is in.
pub(in crate::rollout) fn decide(ctx: &Context<'_>, status: Draft) -> Known<Drafted> {
    match Stage::of(&status) {
        Stage::Pending => pending::decide(ctx, status),
        Stage::Starting(of) => starting::decide(ctx, status, of.0, &of.1),
        Stage::Running(execution) => running::decide(ctx, status, &execution),
        Stage::Ending => ending::decide(ctx, status),
        Stage::Contradiction(what) => Ok(contradiction(ctx, status, what)),
    }
}

fn contradiction(ctx: &Context<'_>, mut status: Draft, what: &str) -> Drafted {
    let message = format!("{what}: somebody has edited the status. Nothing is sent; {CURE}");
    if ctx.deletion_overdue() {
        let outcome = Outcome::Cancelled;
        return result::begin(ctx, status, outcome, result::ABANDONED, &message);
    }
    status.needs_person(Reason::StatusContradiction, &message);
    ctx.decide(status, Next::After(ctx.patience().unsigned_abs()))
}

const CURE: &str = "look at the group's executions in the OOS console, and create the object anew";
