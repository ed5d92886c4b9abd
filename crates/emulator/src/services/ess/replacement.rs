//! ESS looks after its groups: unhealthy members are replaced, missing ones are made, and those that
//! a changed size leaves no place for are removed.

use super::activities::{held_back, in_progress, scale_in, scale_out, start_removal};
use super::health::{surplus, unhealthy};
use crate::state::activities::Trigger;
use crate::state::world::World;

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
    let surplus = surplus(world, group_id);
    if surplus > 0 && held_back(world, group_id, "ScaleIn", Trigger::Manual).is_none() {
        scale_in(world, group_id, surplus, Trigger::Manual).ok();
        return;
    }
    if total < wanted && held_back(world, group_id, "ScaleOut", Trigger::Manual).is_none() {
        // The outcome is in the activity.
        scale_out(world, group_id, wanted - total, Trigger::Manual).ok();
    }
}
