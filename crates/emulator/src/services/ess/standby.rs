//! Calls on members of a group: Standby, protection, removal.

use serde_json::{Value, json};

use super::activities::{in_progress, remove_instances};
use super::answers::{group, no_instance};
use super::health::check_soon;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, missing};
use crate::state::call::Call;
use crate::state::model::LifecycleState;
use crate::state::time::{later, seconds};
use crate::state::world::World;

pub const ENTER: Action = Action {
    name: "EnterStandby",
    honours: &["Async", "ClientToken", "InstanceId.N", "ScalingGroupId"],
    run: Run::Write(enter),
};

/// EnterStandby: from InService; the load-balancer weight becomes 0.
pub fn enter(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (group_id, ids) = target(world, call, args)?;
    let is_async = args.flag("Async")?.unwrap_or(false);
    let ids = ready(
        world,
        &ids,
        LifecycleState::InService,
        LifecycleState::Standby,
    )?;
    quiet(world, call, &group_id)?;
    for id in ids {
        if let Some(member) = world.resources.members.get_mut(&id) {
            member.lifecycle_state = LifecycleState::Standby;
            member.load_balancer_weight = 0;
            member.traffic.placements += 1;
        }
    }
    Ok(asynchronous(world, is_async))
}

pub const EXIT: Action = Action {
    name: "ExitStandby",
    honours: &["Async", "ClientToken", "InstanceId.N", "ScalingGroupId"],
    run: Run::Write(exit),
};

/// ExitStandby: to InService, the weight as before; neither health nor ECS status is looked at.
pub fn exit(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (group_id, ids) = target(world, call, args)?;
    let is_async = args.flag("Async")?.unwrap_or(false);
    let ids = ready(
        world,
        &ids,
        LifecycleState::Standby,
        LifecycleState::InService,
    )?;
    quiet(world, call, &group_id)?;
    let now = world.now;
    for id in ids {
        if let Some(member) = world.resources.members.get_mut(&id) {
            member.lifecycle_state = LifecycleState::InService;
            member.load_balancer_weight = member.normal_weight;
            member.traffic.placements += 1;
            member.traffic.returns += 1;
            member.traffic.since = Some(now);
        }
    }
    check_soon(world, &group_id);
    Ok(asynchronous(world, is_async))
}

pub const PROTECT: Action = Action {
    name: "SetInstancesProtection",
    honours: &["InstanceId.N", "ProtectedFromScaleIn", "ScalingGroupId"],
    run: Run::Write(protect),
};

/// SetInstancesProtection: InService to Protected and back.
pub fn protect(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (group_id, ids) = target(world, call, args)?;
    let protected = args
        .flag("ProtectedFromScaleIn")?
        .ok_or_else(|| missing("ProtectedFromScaleIn"))?;
    let (from, to) = if protected {
        (LifecycleState::InService, LifecycleState::Protected)
    } else {
        (LifecycleState::Protected, LifecycleState::InService)
    };
    for id in ready(world, &ids, from, to)? {
        if let Some(member) = world.resources.members.get_mut(&id) {
            member.lifecycle_state = to;
        }
    }
    check_soon(world, &group_id);
    Ok(json!({}))
}

pub const REMOVE: Action = Action {
    name: "RemoveInstances",
    honours: &["ClientToken", "InstanceId.N", "ScalingGroupId"],
    run: Run::Write(remove),
};

/// RemoveInstances: an activity that takes the instances out of the group and releases them.
pub fn remove(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (group_id, ids) = target(world, call, args)?;
    quiet(world, call, &group_id)?;
    let activity = remove_instances(
        world,
        &group_id,
        ids,
        "A user requests to remove instances.",
    );
    Ok(json!({ "ScalingActivityId": activity }))
}

fn target(world: &World, call: &Call, args: Args<'_>) -> Result<(String, Vec<String>), ApiError> {
    let id = args.required("ScalingGroupId")?;
    let ids = args.ess_list_required("InstanceId", 20)?;
    group(&world.resources, call, &id)?;
    for instance in &ids {
        let member = world.resources.members.get(instance);
        if member.is_none_or(|m| m.scaling_group_id != id) {
            return Err(no_instance(instance));
        }
    }
    Ok((id, ids))
}

/// The instances that change from `from` to `to`; an error when one is in another state.
fn ready(
    world: &World,
    ids: &[String],
    from: LifecycleState,
    to: LifecycleState,
) -> Result<Vec<String>, ApiError> {
    let mut ready = Vec::new();
    for id in ids {
        match world.resources.members.get(id).map(|m| m.lifecycle_state) {
            Some(state) if state == from => ready.push(id.clone()),
            Some(state) if state == to && world.switches.repeated_state_changes_accepted => {}
            state => {
                let state = state.map_or("none", LifecycleState::name);
                return Err(ApiError::new(
                    400,
                    "IncorrectInstanceStatus",
                    format!(
                        "The current status {state} of instance {id} does not support this action."
                    ),
                ));
            }
        }
    }
    Ok(ready)
}

/// An error while the group is disabled, busy with an activity, or its load balancer with a
/// change; else notes that the load balancer is busy from now on.
fn quiet(world: &mut World, call: &Call, group_id: &str) -> Result<(), ApiError> {
    let now = world.now;
    let found = group(&world.resources, call, group_id)?;
    if !found.enabled {
        return Err(ApiError::new(
            400,
            "IncorrectScalingGroupStatus",
            format!("The current status of scaling group {group_id} does not support this action."),
        ));
    }
    if in_progress(&world.resources, group_id).is_some() {
        return Err(ApiError::new(
            400,
            "ScalingActivityInProgress",
            format!("A scaling activity of scaling group {group_id} is in progress."),
        ));
    }
    let busy = world.durations.load_balancer;
    if busy > 0.0 && found.has_load_balancers() {
        if found.backend_busy_until.is_some_and(|until| until > now) {
            return Err(ApiError::new(
                400,
                "BackendServer.configuring",
                "The backend servers of the load balancer are being configured, try again later.",
            ));
        }
        if let Some(group) = world.resources.groups.get_mut(group_id) {
            group.backend_busy_until = Some(later(now, seconds(busy)));
        }
    }
    Ok(())
}

/// The answer of a call that may be asynchronous: an activity id only then.
fn asynchronous(world: &mut World, is_async: bool) -> Value {
    match is_async {
        true => json!({ "ScalingActivityId": world.ids.id("asa-") }),
        false => json!({}),
    }
}
