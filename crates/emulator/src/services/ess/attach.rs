//! Instances that exist already come into a group, and leave it without being released.

use serde_json::{Value, json};

use super::activities::{in_progress, start_attachment, start_removal};
use super::answers::{group, no_instance};
use super::health::check_soon;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::model::{
    CreationType, Group, GroupType, InstanceStatus, LifecycleState, Member, Resources, Traffic,
};
use crate::state::world::World;

pub const ATTACH: Action = Action {
    name: "AttachInstances",
    honours: &[
        "ClientToken",
        "Entrusted",
        "IgnoreInvalidInstance",
        "InstanceId.N",
        "LifecycleHook",
        "LoadBalancerWeight.N",
        "ScalingGroupId",
    ],
    run: Run::Write(attach_call),
};

/// AttachInstances: instances that are Running and in no group. Those that are not entrusted are
/// not released when they leave.
fn attach_call(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingGroupId")?;
    let ids = args.ess_list_required("InstanceId", 20)?;
    let how = How {
        entrusted: args.flag("Entrusted")?.unwrap_or(false),
        with_hooks: args.flag("LifecycleHook")?.unwrap_or(false),
        passes_over: args.flag("IgnoreInvalidInstance")?.unwrap_or(false),
        weights: weights(args)?,
    };
    let found = quiet(&world.resources, call, &id)?;
    check_size(&world.resources, found, ids.len())?;
    let activity = attach(world, call, &id, ids, &how)?;
    Ok(json!({ "ScalingActivityId": activity }))
}

/// How instances are attached.
pub(super) struct How {
    pub(super) entrusted: bool,
    pub(super) with_hooks: bool,
    /// What cannot be attached is left out.
    pub(super) passes_over: bool,
    pub(super) weights: Vec<u32>,
}

/// `LoadBalancerWeight.N`: of the n-th instance.
pub(super) fn weights(args: Args<'_>) -> Result<Vec<u32>, ApiError> {
    let name = args.ess_list_name("LoadBalancerWeight");
    let given = args.ess_list("LoadBalancerWeight", 20)?.unwrap_or_default();
    let number = |text: &String| text.parse().ok().filter(|n| *n <= 100);
    let numbers: Option<Vec<u32>> = given.iter().map(number).collect();
    numbers.ok_or_else(|| invalid(&name, "each must be a number from 0 to 100"))
}

/// Starts to attach instances.
pub(super) fn attach(
    world: &mut World,
    call: &Call,
    id: &str,
    ids: Vec<String>,
    how: &How,
) -> Result<String, ApiError> {
    let mut ready = Vec::new();
    for (at, instance) in ids.into_iter().enumerate() {
        match check(&world.resources, call, &instance) {
            Ok(()) => ready.push((instance, how.weights.get(at).copied().unwrap_or(50))),
            Err(_) if how.passes_over => {}
            Err(error) => return Err(error),
        }
    }
    let ids: Vec<String> = ready.iter().map(|(id, _)| id.clone()).collect();
    let activity = start_attachment(world, id, ids, !how.with_hooks);
    for (instance, weight) in ready {
        let member = Member {
            instance_id: instance.clone(),
            scaling_group_id: id.to_owned(),
            lifecycle_state: LifecycleState::Pending,
            creation_type: CreationType::Attached,
            scaling_configuration_id: None,
            launch_template: None,
            load_balancer_weight: 0,
            normal_weight: weight,
            activity_id: Some(activity.clone()),
            entrusted: how.entrusted,
            said_unhealthy: false,
            created: world.now,
            traffic: Traffic::default(),
        };
        world.resources.members.insert(instance, member);
    }
    let total = world.resources.members_of(id).count();
    if let Some(group) = world.resources.groups.get_mut(id) {
        group.desired_capacity = group.desired_capacity.max(total);
    }
    Ok(activity)
}

/// An error unless the instance can be attached.
pub(super) fn check(resources: &Resources, call: &Call, id: &str) -> Result<(), ApiError> {
    let found = resources
        .instances
        .get(id)
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .ok_or_else(|| no_instance(id))?;
    if resources.members.contains_key(id) {
        return Err(ApiError::new(
            400,
            "InvalidInstanceId.InUse",
            format!("Instance \"{id}\" is already attached to another scaling group."),
        ));
    }
    match found.status == InstanceStatus::Running {
        true => Ok(()),
        false => Err(ApiError::new(
            400,
            "IncorrectInstanceStatus",
            format!("The current status of instance \"{id}\" does not support this action."),
        )),
    }
}

fn check_size(resources: &Resources, group: &Group, more: usize) -> Result<(), ApiError> {
    if group.group_type != GroupType::Ecs {
        return Err(invalid("ScalingGroupId", "the group is not of type ECS"));
    }
    let total = resources.members_of(&group.scaling_group_id).count();
    match total + more > group.max_size {
        true => Err(ApiError::new(
            400,
            "IncorrectCapacity.MaxSize",
            "The total capacity of the scaling group would be greater than MaxSize.",
        )),
        false => Ok(()),
    }
}

/// The group of the call, enabled and with nothing in progress.
fn quiet<'a>(resources: &'a Resources, call: &Call, id: &str) -> Result<&'a Group, ApiError> {
    let found = group(resources, call, id)?;
    if !found.enabled {
        return Err(ApiError::new(
            400,
            "IncorrectScalingGroupStatus",
            format!("The current status of scaling group {id} does not support this action."),
        ));
    }
    match in_progress(resources, id).is_some() {
        true => Err(ApiError::new(
            400,
            "ScalingActivityInProgress",
            format!("A scaling activity of scaling group {id} is in progress."),
        )),
        false => Ok(found),
    }
}

pub const DETACH: Action = Action {
    name: "DetachInstances",
    honours: &[
        "ClientToken",
        "DecreaseDesiredCapacity",
        "IgnoreInvalidInstance",
        "InstanceId.N",
        "LifecycleHook",
        "ScalingGroupId",
    ],
    run: Run::Write(detach),
};

/// DetachInstances: they leave the group and go on. Unless it is said otherwise fewer are desired
/// from then on.
fn detach(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingGroupId")?;
    let mut ids = args.ess_list_required("InstanceId", 20)?;
    let with_hooks = args.flag("LifecycleHook")?.unwrap_or(false);
    let fewer = args.flag("DecreaseDesiredCapacity")?.unwrap_or(true);
    let passes_over = args.flag("IgnoreInvalidInstance")?.unwrap_or(false);
    let least = quiet(&world.resources, call, &id)?.min_size;
    let is_member = |resources: &Resources, instance: &String| {
        let member = resources.members.get(instance);
        member.is_some_and(|member| member.scaling_group_id == id)
    };
    if passes_over {
        ids.retain(|instance| is_member(&world.resources, instance));
    }
    if let Some(odd) = ids.iter().find(|i| !is_member(&world.resources, i)) {
        return Err(no_instance(odd));
    }
    let total = world.resources.members_of(&id).count();
    let left = total.saturating_sub(ids.len());
    if fewer && left < least {
        return Err(ApiError::new(
            400,
            "IncorrectCapacity.MinSize",
            "The total capacity of the scaling group would be less than MinSize.",
        ));
    }
    if let Some(group) = world.resources.groups.get_mut(&id).filter(|_| fewer) {
        group.desired_capacity = group.desired_capacity.saturating_sub(ids.len()).max(least);
    }
    let cause = "A user requests to detach instances.";
    let activity = start_removal(world, &id, ids, cause);
    if let Some(activity) = world.resources.activities.get_mut(&activity) {
        activity.detaches = true;
        activity.skips_hooks = !with_hooks;
    }
    Ok(json!({ "ScalingActivityId": activity }))
}

pub const HEALTH: Action = Action {
    name: "SetInstanceHealth",
    honours: &["HealthStatus", "InstanceId"],
    run: Run::Write(health),
};

/// SetInstanceHealth: what ESS goes by from now on. An Unhealthy one is replaced.
fn health(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let unhealthy = match args.text("HealthStatus").as_deref() {
        None => return Err(missing("HealthStatus")),
        Some("Healthy") => false,
        Some("Unhealthy") => true,
        Some(_) => {
            return Err(invalid("HealthStatus", "it must be Healthy or Unhealthy"));
        }
    };
    let of = world
        .resources
        .members
        .get(&id)
        .map(|m| m.scaling_group_id.clone());
    let of = of.ok_or_else(|| no_instance(&id))?;
    group(&world.resources, call, &of).map_err(|_| no_instance(&id))?;
    if let Some(member) = world.resources.members.get_mut(&id) {
        member.said_unhealthy = unhealthy;
    }
    check_soon(world, &of);
    Ok(json!({}))
}
