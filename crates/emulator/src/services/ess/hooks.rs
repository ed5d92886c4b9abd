//! Lifecycle hooks: they hold the instances of a scaling activity before it ends.

use crate::state::activities::Activity;
use crate::state::model::LifecycleState;
use crate::state::neighbours::{ActionResult, LifecycleAction, LifecycleHook, Transition};
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
        world
            .resources
            .lifecycle_actions
            .insert(token.clone(), action);
        world.after(hook.heartbeat_timeout, Event::LifecycleTimeout { token });
    }
    !hooks.is_empty()
}

/// Whether the instances of an activity are released rather than put into service.
pub(super) fn abandons(world: &World, activity: &str) -> bool {
    world
        .resources
        .lifecycle_actions
        .values()
        .any(|a| a.scaling_activity_id == activity && a.result == ActionResult::Abandon)
}
