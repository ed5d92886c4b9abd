//! Why the containers of instances in motion do not run yet. The template waits for them for most of an hour, and OOS says
//! nothing meanwhile; an image that cannot be pulled is known to ECI after seconds.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{InstanceState, RollingUpdateTaskStatus};
use ess_rollout_cloud::GroupContainer;
use jiff::SignedDuration;

use super::attempts::{Attempts, state};
use super::details;
use crate::rollout::context::Context;
use crate::rollout::kind::content::ContentKind;
use crate::task::conditions;
use crate::task::observation::{Known, Missing};

/// The most container groups that are looked at in one pass: as many as one call gives.
const GROUPS_MAX: usize = 20;
/// Most updates are through by then, and need no look.
const AFTER: SignedDuration = SignedDuration::from_secs(60);
/// The most bytes of what ECI says of a container.
const SAID_MAX: usize = 320;
/// `Reason` of containers on their way: nothing is wrong with those.
const ON_THEIR_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// `Reason` while an image cannot be pulled: the one follows the other every few seconds.
const NOT_PULLED: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

/// What each instance that was looked at waits for; `None`: its containers are ready, or on their way.
pub(super) type Unready = BTreeMap<String, Option<String>>;

/// Looks at container groups that take long to update, and at those whose update has newly failed. What cannot be read is
/// done without.
pub(super) fn look(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    attempts: &Attempts<'_>,
) -> Known<Unready> {
    if ctx.update.content_kind() != ContentKind::Containers {
        return Ok(Unready::new());
    }
    let due = attempts.iter().filter(|(id, attempt)| {
        let Some(child) = attempt.newest else {
            return false;
        };
        match state(attempt) {
            InstanceState::Updating => child.start.is_some_and(|s| s + AFTER <= ctx.now()),
            InstanceState::Failed => {
                !details::known_failed(status, id, child, attempt.failure_time)
            }
            _ => false,
        }
    });
    let ids: Vec<String> = due.map(|(id, _)| id.clone()).take(GROUPS_MAX).collect();
    if ids.is_empty() {
        return Ok(Unready::new());
    }
    let seen = match ctx.update.compute(ctx.input.observation, &ids) {
        Err(Missing::Failed(_)) => return Ok(Unready::new()),
        known => known?,
    };
    let old = |id: &str| {
        let known = status.instances.iter().find(|instance| instance.id == id);
        known.map_or("", |instance| &instance.message)
    };
    let each = seen.into_iter().map(|compute| {
        let waits = reason(&compute.containers, old(&compute.id));
        (compute.id, waits)
    });
    Ok(each.collect())
}

/// What the first container that does not come up says. `old` stays as long as it says the same in other words, so that
/// tries to pull an image do not write the object again and again.
fn reason(containers: &[GroupContainer], old: &str) -> Option<String> {
    let stuck = containers.iter().find(|container| {
        let reason = container.reason.as_str();
        !container.ready && !reason.is_empty() && !ON_THEIR_WAY.contains(&reason)
    })?;
    let begins = format!("container {} is not ready: ", stuck.container.name);
    let same: &[&str] = match NOT_PULLED.contains(&stuck.reason.as_str()) {
        true => &NOT_PULLED,
        false => &[&stuck.reason],
    };
    if old.starts_with(&begins) && same.iter().any(|reason| old.contains(reason)) {
        return Some(old.to_owned());
    }
    Some(begins + &conditions::shorten(&stuck.state, SAID_MAX))
}

#[cfg(test)]
mod tests {
    use ess_rollout_cloud::Container;

    use super::*;

    fn container(ready: bool, reason: &str, message: &str) -> GroupContainer {
        GroupContainer {
            container: Container::new("app", []),
            ready,
            reason: reason.into(),
            state: format!("Waiting, {reason}, {message}"),
        }
    }

    fn said(ready: bool, reason_: &str, message: &str, old: &str) -> Option<String> {
        reason(&[container(ready, reason_, message)], old)
    }

    #[test]
    fn only_what_does_not_come_up_is_said() {
        assert_eq!(said(true, "", "", ""), None);
        assert_eq!(said(false, "", "", ""), None);
        assert_eq!(said(false, "ContainerCreating", "", ""), None);
        assert_eq!(
            said(false, "ErrImagePull", "not found", "").as_deref(),
            Some("container app is not ready: Waiting, ErrImagePull, not found")
        );
    }

    #[test]
    fn tries_to_pull_an_image_are_one_reason() {
        let first = said(false, "ErrImagePull", "not found", "").unwrap();
        let next = said(false, "ImagePullBackOff", "back-off", &first);
        assert_eq!(next.as_ref(), Some(&first));
        let other = said(false, "CrashLoopBackOff", "back-off", &first).unwrap();
        assert_eq!(
            other,
            "container app is not ready: Waiting, CrashLoopBackOff, back-off"
        );
    }
}
