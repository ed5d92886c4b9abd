//! Starts are spread over the rate that the account has for them, and whoever waits for that says so.

use std::time::Duration;

use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::report::Phase;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// What is read before a start takes about as long: whoever is next may read meanwhile.
const READING: Duration = Duration::from_secs(3);

/// The wait for a turn, where it is not yet.
pub(in crate::rollout) fn wait(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    let wait = ctx.input.observation.start_turn()?;
    if wait <= READING {
        return Ok(None);
    }
    let mut status = status.clone();
    let message = format!(
        "its turn to start comes in about {} s: so many start at the same time that the account's rate of StartExecution is used up",
        wait.as_secs()
    );
    status.show(Phase::Pending, Reason::StartPaced, &message);
    Ok(Some(ctx.decide(status, Next::After(wait))))
}
