//! What the checks of `spec.gates` say before anything has begun: an update does not begin beside an alarm, nor where what is to be
//! asked could never answer.

use ess_rollout_cloud::ScalingGroup;

use crate::rollout::context::Context;
use crate::rollout::progress::gate::{self, AtStart};
use crate::task::observation::Missing;
use crate::task::problem::{Checked, Problem};
use crate::task::reason::Reason;

/// What stands against the start, or else what is to be said.
pub(super) fn look(ctx: &Context<'_>, group: &ScalingGroup) -> Checked<Option<String>> {
    let found = match gate::at_start(ctx, group) {
        Ok(found) => found,
        Err(missing @ Missing::Read(_)) => return Err(missing.into()),
        Err(Missing::Failed(_)) => return Ok(None),
    };
    Ok(match found {
        AtStart::Nothing => None,
        AtStart::Noted(note) => Some(note),
        AtStart::Unusable(why) => return Err(Problem::blocked(Reason::GateUnusable, why).into()),
        AtStart::Failing(why) => {
            let message = format!("{why}: this update begins when that is over (spec.gates)");
            // Nobody promises that it will be.
            return Err(Problem::wait(Reason::GateFailing, message).counted().into());
        }
    })
}

/// What is asked for the alarms of the group, if it has them there.
pub(super) fn monitor_group(ctx: &Context<'_>, group: &ScalingGroup) -> Option<String> {
    let alarms = ctx.spec.policy.gates.as_ref()?.alarms.as_ref()?;
    group
        .monitor_group
        .clone()
        .filter(|_| alarms.from_scaling_group)
}
