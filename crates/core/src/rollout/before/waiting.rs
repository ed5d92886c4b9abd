//! The wait for the time at which an update may begin, and what would stand against it then.
//!
//! Before its window opens nothing is taken: no place in the group's queue, no group, no start of OOS, which would suspend the
//! group's processes for as long as it waits.

use ess_rollout_api::v1alpha1::{RollingUpdateTaskStatus, StartBlocked};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::refusal::{refuse_until, unless};
use super::{pinned, preflight};
use crate::identity::hash_value;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::progress::window;
use crate::task::ahead::Ahead;
use crate::task::closed::Held;
use crate::task::observation::Known;
use crate::task::problem::Checked;
use crate::task::reason::Reason;

/// The wait for the time at which it may begin, if that is not now. What will stand against it then is said before.
pub(in crate::rollout) fn wait(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    ctx.require_tags()?;
    let held = held(ctx);
    note(status, held.as_ref().and_then(|held| held.until));
    let Some(held) = held else {
        status.preflight_check = None;
        return Ok(None);
    };
    let ahead = Ahead {
        object: &ctx.object,
        asked: hash_value(&json!({
            "does": ctx.spec_hash,
            "role": ctx.spec.policy.ram_role,
            "secret": ctx.spec.policy.credentials_ref,
            "region": ctx.region,
        })),
    };
    let look = || -> Checked<()> {
        let ready = preflight::check_cloud(ctx)?;
        Ok(unless(pinned::changed(ctx, status, &ready))?)
    };
    let mut known = status.preflight_check.clone();
    let (problem, wait) = ahead.while_held(&mut known, &held, look)?;
    status.preflight_check = known;
    let next = Next::After(wait);
    Ok(Some(refuse_until(ctx, status.clone(), &problem, next)))
}

fn held(ctx: &Context<'_>) -> Option<Held> {
    let not_before = ctx.spec.policy.windows.not_before.as_ref();
    match not_before.filter(|time| ctx.now() < time.0) {
        Some(time) => Some(Held {
            reason: Reason::WindowClosed,
            message: format!("it begins at {} at the earliest (spec.notBefore)", time.0),
            until: Some(time.0),
            mended_by: None,
        }),
        None => window::held(ctx, &[]),
    }
}

/// Puts on record until when it has no place in the queue of its group.
fn note(status: &mut RollingUpdateTaskStatus, until: Option<Timestamp>) {
    let mut blocked = status.start_blocked.take().unwrap_or_default();
    blocked.held_until = until.map(Time);
    status.start_blocked = (blocked != StartBlocked::default()).then_some(blocked);
}
