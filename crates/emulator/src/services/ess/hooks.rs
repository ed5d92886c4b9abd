//! Lifecycle hooks: they hold the instances of a scaling activity before it ends.

use crate::state::activities::Activity;
use crate::state::model::{LifecycleState, Resources};
use crate::state::neighbours::{ActionResult, LifecycleAction, LifecycleHook, Transition};
use crate::state::past::make_room;
use crate::state::queue::Event;
use crate::state::time::{later, seconds};
use crate::state::world::World;

/// Whether hooks hold an activity that would end now. The first time they begin to.
pub(super) fn hold(world: &mut World, activity: &Activity) -> bool {
    let id = &activity.scaling_activity_id;
    let mut of_activity = world
        .resources
        .lifecycle_actions
        .values()
        .filter(|action| action.scaling_activity_id == *id)
        .peekable();
    if of_activity.peek().is_some() {
        return of_activity.any(|action| action.status == "Pending");
    }
    let (transition, instances, held) = match activity.created_instances.is_empty() {
        false => (
            Transition::ScaleOut,
            &activity.created_instances,
            LifecycleState::PendingWait,
        ),
        true => (
            Transition::ScaleIn,
            &activity.destroyed_instances,
            LifecycleState::RemovingWait,
        ),
    };
    let group = world.resources.groups.get(&activity.scaling_group_id);
    let hooks: Vec<LifecycleHook> = group
        .into_iter()
        .flat_map(|group| &group.lifecycle_hooks)
        .filter(|hook| hook.lifecycle_transition == transition && !hook.inactive)
        .filter(|_| !instances.is_empty() && !activity.skips_hooks)
        .cloned()
        .collect();
    for instance in instances.iter().filter(|_| !hooks.is_empty()) {
        if let Some(member) = world.resources.members.get_mut(instance) {
            member.lifecycle_state = held;
        }
    }
    for hook in &hooks {
        let token = world.ids.id("lat-");
        let action = LifecycleAction {
            lifecycle_action_token: token.clone(),
            lifecycle_hook_id: hook.lifecycle_hook_id.clone(),
            scaling_activity_id: id.clone(),
            scaling_group_id: activity.scaling_group_id.clone(),
            instance_ids: instances.clone(),
            status: "Pending".to_owned(),
            result: hook.default_result,
            until: later(world.now, seconds(hook.heartbeat_timeout)),
        };
        keep(&mut world.resources, action);
        world.after(hook.heartbeat_timeout, Event::LifecycleTimeout { token });
    }
    !hooks.is_empty()
}

/// Keeps a lifecycle action, and lets go of older ones that nothing waits for: neither a client, nor the end of
/// their activity.
fn keep(resources: &mut Resources, action: LifecycleAction) {
    let activities = &resources.activities;
    make_room(&mut resources.lifecycle_actions, |action| {
        let activity = activities.get(&action.scaling_activity_id);
        let is_over = activity.is_none_or(|activity| activity.ended.is_some());
        (is_over && action.status != "Pending").then_some(action.until)
    });
    let token = action.lifecycle_action_token.clone();
    resources.lifecycle_actions.insert(token, action);
}

/// Whether the instances of an activity are released rather than put into service.
pub(super) fn abandons(world: &World, activity: &str) -> bool {
    world
        .resources
        .lifecycle_actions
        .values()
        .any(|a| a.scaling_activity_id == activity && a.result == ActionResult::Abandon)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn lifecycle_actions_that_nothing_waits_for_are_let_go_of() {
        let mut resources = Resources::default();
        let action = |n: usize, status: &str| LifecycleAction {
            lifecycle_action_token: format!("lat-{n:06}"),
            lifecycle_hook_id: "ash-1".into(),
            scaling_activity_id: "asa-gone".into(),
            scaling_group_id: "asg-1".into(),
            instance_ids: Vec::new(),
            status: status.into(),
            result: ActionResult::Continue,
            until: later(Timestamp::UNIX_EPOCH, seconds(n as f64)),
        };
        keep(&mut resources, action(0, "Pending"));
        for n in 1..30_000 {
            keep(&mut resources, action(n, "Completed"));
        }
        let left = &resources.lifecycle_actions;
        assert!(left.len() < 20_001, "{}", left.len());
        assert!(left.contains_key("lat-000000") && !left.contains_key("lat-000001"));
        assert!(left.contains_key("lat-029999"));
    }
}
