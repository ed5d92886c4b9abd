//! Scaling groups come and go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::activities::in_progress;
use super::answers::group;
use super::groups::{launch_template, take};
use super::members::release;
use super::tags::propagated;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::attachments::Attachments;
use crate::state::call::Call;
use crate::state::model::{Group, GroupType, InstanceSource};
use crate::state::settings::Settings;
use crate::state::world::World;

pub const CREATE: Action = Action {
    name: "CreateScalingGroup",
    honours: &[
        "AllocationStrategy",
        "AzBalance",
        "CapacityOptions.CompensateWithOnDemand",
        "CapacityOptions.OnDemandBaseCapacity",
        "CapacityOptions.OnDemandPercentageAboveBaseCapacity",
        "CapacityOptions.PriceComparisonMode",
        "CapacityOptions.SpotAutoReplaceOnDemand",
        "ClientToken",
        "CompensateWithOnDemand",
        "CustomPolicyARN",
        "DefaultCooldown",
        "DesiredCapacity",
        "GroupDeletionProtection",
        "GroupType",
        "HealthCheckType",
        "HealthCheckTypes.N",
        "LaunchTemplateId",
        "LaunchTemplateVersion",
        "LoadBalancerIds",
        "MaxInstanceLifetime",
        "MaxSize",
        "MinSize",
        "MultiAZPolicy",
        "OnDemandBaseCapacity",
        "OnDemandPercentageAboveBaseCapacity",
        "RemovalPolicy.N",
        "ResourceGroupId",
        "ScalingGroupName",
        "ScalingPolicy",
        "SpotAllocationStrategy",
        "SpotInstancePools",
        "SpotInstanceRemedy",
        "StopInstanceTimeout",
        "Tag.N.Key",
        "Tag.N.Propagate",
        "Tag.N.Value",
        "VSwitchId",
        "VSwitchIds.N",
    ],
    run: Run::Write(create),
};

/// CreateScalingGroup. The group is Inactive until EnableScalingGroup says what instances are made
/// from, or has a launch template.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let size = |name: &str| -> Result<Option<usize>, ApiError> {
        let given = args.number(name, 0, 2000)?;
        Ok(given.and_then(|n| usize::try_from(n).ok()))
    };
    let min_size = size("MinSize")?.ok_or_else(|| missing("MinSize"))?;
    let max_size = size("MaxSize")?.ok_or_else(|| missing("MaxSize"))?;
    if min_size > max_size {
        return Err(invalid("MinSize", "it must not be above MaxSize"));
    }
    let desired = size("DesiredCapacity")?;
    if desired.is_some_and(|n| !(min_size..=max_size).contains(&n)) {
        return Err(invalid(
            "DesiredCapacity",
            "it must be from MinSize to MaxSize",
        ));
    }
    let group_type = match args.text("GroupType").as_deref() {
        None | Some("ECS") => GroupType::Ecs,
        Some("ECI") => GroupType::Eci,
        Some(_) => return Err(invalid("GroupType", "it must be ECS or ECI")),
    };
    let name = args.text("ScalingGroupName");
    let own = world.resources.groups.values();
    let mut own = own.filter(|g| g.account_id == call.caller.account_id && g.region == call.region);
    if own.any(|g| Some(&g.name) == name.as_ref()) {
        return Err(ApiError::new(
            400,
            "InvalidScalingGroupName.Duplicate",
            "The specified value of parameter ScalingGroupName is duplicated.",
        ));
    }
    let id = world.ids.id("asg-");
    let given = args.ess_tags();
    let propagated = propagated(args, &args.ess_list_name("Tag"))?;
    let tags: BTreeMap<String, String> = given
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect();
    let mut group = Group {
        scaling_group_id: id.clone(),
        group_type,
        name: name.unwrap_or_else(|| id.clone()),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        enabled: false,
        min_size,
        max_size,
        desired_capacity: desired.unwrap_or(min_size),
        suspended_processes: BTreeSet::new(),
        source: InstanceSource::Configuration(String::new()),
        load_balancer_ids: args.json_list("LoadBalancerIds", 5)?.unwrap_or_default(),
        tags,
        propagated_tags: propagated.into_iter().collect(),
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        default_cooldown: args.number("DefaultCooldown", 0, 86_400)?.unwrap_or(300),
        deletion_protection: args.flag("GroupDeletionProtection")?.unwrap_or(false),
        created: world.now,
        lifecycle_hooks: Vec::new(),
        diagnosis: Vec::new(),
        settings: Settings::default(),
        is_too_large: false,
        backend_busy_until: None,
        attachments: Attachments::default(),
        monitor_group_id: None,
    };
    take(args, &mut group)?;
    if let Some(switch) = args.text("VSwitchId") {
        group.settings.put("VSwitchIds", json!([switch]));
    }
    if let Some(template) = launch_template(&world.resources, &group, args)? {
        group.source = template;
    }
    world.resources.groups.insert(id.clone(), group);
    Ok(json!({ "ScalingGroupId": id }))
}

pub const DELETE: Action = Action {
    name: "DeleteScalingGroup",
    honours: &["ForceDelete", "ScalingGroupId"],
    run: Run::Write(delete),
};

/// DeleteScalingGroup: an empty group in which nothing is in progress; with `ForceDelete` any, whose
/// instances are released. None that is protected from deletion. What belongs to it goes with it.
fn delete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingGroupId")?;
    let force = args.flag("ForceDelete")?.unwrap_or(false);
    let found = group(&world.resources, call, &id)?;
    let refused = |code: &str, message: &str| Err(ApiError::new(400, code, message));
    if found.deletion_protection {
        // The code is not documented.
        return refused(
            "OperationDenied.GroupDeletionProtection",
            "The scaling group is protected from deletion.",
        );
    }
    let members: Vec<String> = world
        .resources
        .members_of(&id)
        .map(|member| member.instance_id.clone())
        .collect();
    if !force && in_progress(&world.resources, &id).is_some() {
        return refused(
            "ScalingActivityInProgress",
            "You cannot delete a scaling group or launch a new scaling activity while there is a \
             scaling activity in progress for the specified scaling group.",
        );
    }
    if !force && !members.is_empty() {
        return refused(
            "InstanceInUse",
            "You cannot delete a scaling configuration or scaling group while there is an \
             instance associated with it.",
        );
    }
    for member in members {
        release(world, &member);
    }
    let resources = &mut world.resources;
    resources.groups.remove(&id);
    resources
        .configurations
        .retain(|_, c| c.scaling_group_id != id);
    resources
        .eci_configurations
        .retain(|_, c| c.scaling_group_id != id);
    resources
        .scaling_rules
        .retain(|_, r| r.scaling_group_id != id);
    resources.activities.retain(|_, a| a.scaling_group_id != id);
    Ok(json!({}))
}

pub const PROTECT: Action = Action {
    name: "SetGroupDeletionProtection",
    honours: &["GroupDeletionProtection", "ScalingGroupId"],
    run: Run::Write(|world, call, args| {
        let id = args.required("ScalingGroupId")?;
        let protected = args.flag("GroupDeletionProtection")?;
        let protected = protected.ok_or_else(|| missing("GroupDeletionProtection"))?;
        group(&world.resources, call, &id)?;
        if let Some(group) = world.resources.groups.get_mut(&id) {
            group.deletion_protection = protected;
        }
        Ok(json!({}))
    }),
};
