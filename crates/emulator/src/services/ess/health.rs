//! ESS looks after its groups: unhealthy members are replaced, missing ones are made.

use super::activities::{held_back, in_progress, scale_out, start_removal};
use super::instances::health_of;
use crate::cloud::model::{LifecycleState, Resources};
use crate::cloud::queue::Event;
use crate::cloud::world::World;
use crate::fixture::Trigger;

/// Asks ESS to look at the group after its health-check interval, if there is anything to see.
pub fn check_soon(world: &mut World, group_id: &str) {
    let Some(group) = world.resources.groups.get(group_id) else {
        return;
    };
    let total = world.resources.members_of(group_id).count();
    if unhealthy(&world.resources, group_id).is_empty() && total >= group.desired_capacity {
        return;
    }
    let waiting = world
        .queue
        .any(|event| matches!(event, Event::GroupCheck { group_id: id } if id == group_id));
    if !waiting {
        world.after(
            world.durations.health_check,
            Event::GroupCheck {
                group_id: group_id.to_owned(),
            },
        );
    }
}

/// `check_soon` for every group.
pub fn check_all_groups(world: &mut World) {
    let ids: Vec<String> = world.resources.groups.keys().cloned().collect();
    for id in ids {
        check_soon(world, &id);
    }
}

/// Members that an unsuspended HealthCheck replaces: InService and not Running. Standby and
/// Protected ones are not looked at.
fn unhealthy(resources: &Resources, group_id: &str) -> Vec<String> {
    resources
        .members_of(group_id)
        .filter(|m| m.lifecycle_state == LifecycleState::InService)
        .filter(|m| health_of(resources, m) == "Unhealthy")
        .map(|m| m.instance_id.clone())
        .collect()
}

/// ESS looks at a group: unhealthy members are removed, missing ones are made.
pub fn check_group(world: &mut World, group_id: &str) {
    if in_progress(&world.resources, group_id).is_some() {
        // Its end looks again.
        return;
    }
    let bad = unhealthy(&world.resources, group_id);
    if !bad.is_empty() && held_back(world, group_id, "HealthCheck", Trigger::Manual).is_none() {
        start_removal(world, group_id, bad, "Unhealthy instances are removed.");
        return;
    }
    let total = world.resources.members_of(group_id).count();
    let wanted = world
        .resources
        .groups
        .get(group_id)
        .map_or(0, |g| g.desired_capacity);
    if total < wanted && held_back(world, group_id, "ScaleOut", Trigger::Manual).is_none() {
        // The outcome is in the activity.
        scale_out(world, group_id, wanted - total, Trigger::Manual).ok();
    }
}
