//! When ESS looks at a group, and which members it finds unhealthy.

use super::instances::health_of;
use crate::state::model::{LifecycleState, Resources};
use crate::state::queue::Event;
use crate::state::world::World;

/// Asks ESS to look at the group after its health-check interval, if there is anything to see.
pub fn check_soon(world: &mut World, group_id: &str) {
    let Some(group) = world.resources.groups.get(group_id) else {
        return;
    };
    let total = world.resources.members_of(group_id).count();
    let has_its_size = total >= group.desired_capacity && surplus(world, group_id) == 0;
    if unhealthy(&world.resources, group_id).is_empty() && has_its_size {
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

/// How many members are to be removed, and can be, because the size of the group was changed.
pub(super) fn surplus(world: &World, group_id: &str) -> usize {
    let Some(group) = world.resources.groups.get(group_id) else {
        return 0;
    };
    let total = world.resources.members_of(group_id).count();
    let members = world.resources.members_of(group_id);
    let removable = members
        .filter(|m| m.lifecycle_state == LifecycleState::InService)
        .count();
    (total - group.kept_of(total)).min(removable)
}

/// `check_soon` for every group.
pub fn check_all_groups(world: &mut World) {
    let ids: Vec<String> = world.resources.groups.keys().cloned().collect();
    for id in ids {
        check_soon(world, &id);
    }
}

/// Members that an unsuspended HealthCheck replaces: InService and not Running. Standby and
/// Protected ones are not looked at, and none where the group's HealthCheckType is NONE.
pub(super) fn unhealthy(resources: &Resources, group_id: &str) -> Vec<String> {
    let group = resources.groups.get(group_id);
    if group.is_some_and(|group| group.settings.texts("HealthCheckTypes") == ["NONE"]) {
        return Vec::new();
    }
    resources
        .members_of(group_id)
        .filter(|m| m.lifecycle_state == LifecycleState::InService)
        .filter(|m| health_of(resources, m) == "Unhealthy")
        .map(|m| m.instance_id.clone())
        .collect()
}
