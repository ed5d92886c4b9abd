//! Scaling groups.

use serde_json::{Value, json};

use super::answers::{group, list, list_or_null, minutes};
use super::attach::{How, attach, check as check_instance, weights};
use super::health::check_soon;
use super::stored::{GROUP, read, show};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid};
use crate::state::call::{Call, EssVersion};
use crate::state::model::{Group, GroupType, InstanceSource, LifecycleState, Resources};
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeScalingGroups",
    honours: &[
        "GroupType",
        "PageNumber",
        "PageSize",
        "ResourceGroupId",
        "ScalingGroupId.N",
        "ScalingGroupName",
        "ScalingGroupName.N",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Read(describe),
};

/// DescribeScalingGroups. Ids that do not exist are left out.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.ess_list("ScalingGroupId", 20)?;
    let names = args.ess_list("ScalingGroupName", 20)?;
    let name = args.text("ScalingGroupName");
    let group_type = args.word("GroupType", &["ECS", "ECI"])?;
    let resource_group = args.text("ResourceGroupId");
    let tags = args.ess_tags();
    let only_ecs = call.version == EssVersion::V2014 || world.switches.group_type_defaults_to_ecs;
    let wanted_type = group_type.or_else(|| only_ecs.then(|| "ECS".to_owned()));
    let page = args.page(10, 50)?;
    let seen = world.seen();
    let found: Vec<&Group> = seen
        .groups
        .values()
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .filter(|g| {
            wanted_type
                .as_ref()
                .is_none_or(|t| *t == g.group_type.name())
        })
        .filter(|g| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&g.scaling_group_id))
        })
        .filter(|g| names.as_ref().is_none_or(|names| names.contains(&g.name)))
        .filter(|g| name.as_ref().is_none_or(|name| *name == g.name))
        .filter(|g| {
            resource_group
                .as_ref()
                .is_none_or(|id| *id == g.resource_group_id)
        })
        .filter(|g| has_tags(&g.tags, &tags))
        .collect();
    let total = found.len();
    let rows = page
        .cut(found)
        .into_iter()
        .map(|g| row(seen, g, call.version))
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "ScalingGroups": list(call.version, "ScalingGroup", rows),
    }))
}

fn row(resources: &Resources, group: &Group, version: EssVersion) -> Value {
    let id = &group.scaling_group_id;
    let count = |state: LifecycleState| {
        resources
            .members_of(id)
            .filter(|m| m.lifecycle_state == state)
            .count()
    };
    let texts = |items: &mut dyn Iterator<Item = &String>| -> Vec<Value> {
        items.map(|t| json!(t)).collect()
    };
    let total = resources.members_of(id).count();
    let mut row = json!({
        "ScalingGroupId": id,
        "ScalingGroupName": group.name,
        "RegionId": group.region,
        "GroupType": group.group_type.name(),
        "LifecycleState": if group.enabled { "Active" } else { "Inactive" },
        "SuspendedProcesses": list_or_null(
            version,
            "SuspendedProcess",
            texts(&mut group.suspended_processes.iter()),
        ),
        "SystemSuspended": false,
        "MinSize": group.min_size,
        "MaxSize": group.max_size,
        "DesiredCapacity": group.desired_capacity,
        "EnableDesiredCapacity": true,
        "DefaultCooldown": group.default_cooldown,
        "TotalCapacity": total,
        "TotalInstanceCount": total,
        "ActiveCapacity": count(LifecycleState::InService),
        "PendingCapacity": count(LifecycleState::Pending),
        "PendingWaitCapacity": count(LifecycleState::PendingWait),
        "ProtectedCapacity": count(LifecycleState::Protected),
        "StandbyCapacity": count(LifecycleState::Standby),
        "StoppedCapacity": 0,
        "RemovingCapacity": count(LifecycleState::Removing),
        "RemovingWaitCapacity": count(LifecycleState::RemovingWait),
        "InitCapacity": 0,
        "SpotCapacity": 0,
        "HealthCheckType": "ECS",
        "HealthCheckTypes": list(version, "HealthCheckType", vec![json!("ECS")]),
        "ScalingPolicy": "recycle",
        "MultiAZPolicy": "PRIORITY",
        "RemovalPolicies": list(
            version,
            "RemovalPolicy",
            vec![json!("OldestScalingConfiguration"), json!("OldestInstance")],
        ),
        "LoadBalancerIds": list(
            version,
            "LoadBalancerId",
            texts(&mut group.load_balancer_ids.iter()),
        ),
        "VServerGroups": v_server_groups(group, version),
        "AlbServerGroups": list(version, "AlbServerGroup", alb_server_groups(group)),
        "DBInstanceIds": list(version, "DBInstanceId", vec![]),
        "GroupDeletionProtection": group.deletion_protection,
        "MaxInstanceLifetime": 0,
        "Tags": list(
            version,
            "Tag",
            group
                .tags
                .iter()
                .map(|(k, v)| json!({"TagKey": k, "TagValue": v, "Propagate": group.propagated_tags.contains(k)}))
                .collect(),
        ),
        "CreationTime": minutes(group.created),
        "ModificationTime": minutes(group.created),
    });
    let others = &group.attachments.server_groups;
    if !others.is_empty() {
        let rows = others.iter().map(|g| {
            json!({
                "ServerGroupId": g.server_group_id,
                "Type": g.product.name(),
                "Port": g.port,
                "Weight": g.weight.unwrap_or(WEIGHT),
            })
        });
        row["ServerGroups"] = list(version, "ServerGroup", rows.collect());
    }
    if let Some(id) = &group.monitor_group_id {
        row["MonitorGroupId"] = json!(id);
    }
    show(&mut row, GROUP, &group.settings, version);
    if let Some(first) = group.settings.list("VSwitchIds").first() {
        row["VSwitchId"] = first.clone();
    }
    if !group.resource_group_id.is_empty() {
        row["ResourceGroupId"] = json!(group.resource_group_id);
    }
    match &group.source {
        // A new group has none.
        InstanceSource::Configuration(id) if id.is_empty() => {}
        InstanceSource::Configuration(id) => row["ActiveScalingConfigurationId"] = json!(id),
        InstanceSource::LaunchTemplate { id, version } => {
            row["LaunchTemplateId"] = json!(id);
            row["LaunchTemplateVersion"] = json!(version);
        }
    }
    row
}

/// What a server group gives a member unless it is attached with a weight (API reference).
const WEIGHT: u32 = 50;

fn v_server_groups(group: &Group, version: EssVersion) -> Value {
    let of_balancers = group.attachments.v_server_groups.iter().map(|of| {
        let attributes = of.v_server_group_attributes.iter().map(|g| {
            json!({
                "VServerGroupId": g.v_server_group_id,
                "Port": g.port,
                "Weight": g.weight.unwrap_or(WEIGHT),
            })
        });
        json!({
            "LoadBalancerId": of.load_balancer_id,
            "VServerGroupAttributes":
                list(version, "VServerGroupAttribute", attributes.collect()),
        })
    });
    list(version, "VServerGroup", of_balancers.collect())
}

fn alb_server_groups(group: &Group) -> Vec<Value> {
    let rows = group.attachments.alb_server_groups.iter().map(|g| {
        json!({
            "AlbServerGroupId": g.alb_server_group_id,
            "Port": g.port,
            "Weight": g.weight.unwrap_or(WEIGHT),
        })
    });
    rows.collect()
}

pub const MODIFY: Action = Action {
    name: "ModifyScalingGroup",
    honours: &[
        "ActiveScalingConfigurationId",
        "AllocationStrategy",
        "AzBalance",
        "CapacityOptions.CompensateWithOnDemand",
        "CapacityOptions.OnDemandBaseCapacity",
        "CapacityOptions.OnDemandPercentageAboveBaseCapacity",
        "CapacityOptions.PriceComparisonMode",
        "CapacityOptions.SpotAutoReplaceOnDemand",
        "CompensateWithOnDemand",
        "CustomPolicyARN",
        "DefaultCooldown",
        "DesiredCapacity",
        "GroupDeletionProtection",
        "HealthCheckType",
        "HealthCheckTypes.N",
        "LaunchTemplateId",
        "LaunchTemplateVersion",
        "MaxInstanceLifetime",
        "MaxSize",
        "MinSize",
        "MultiAZPolicy",
        "OnDemandBaseCapacity",
        "OnDemandPercentageAboveBaseCapacity",
        "RemovalPolicy.N",
        "ScalingGroupId",
        "ScalingGroupName",
        "ScalingPolicy",
        "SpotAllocationStrategy",
        "SpotInstancePools",
        "SpotInstanceRemedy",
        "StopInstanceTimeout",
        "VSwitchIds.N",
    ],
    run: Run::Write(modify),
};

/// ModifyScalingGroup: another active configuration, a launch template instead, the size, the name,
/// the protection from deletion, whether health is checked, which instances a scale-in takes first,
/// and what is only shown here: the cooldown and the rest.
/// Parameters that are left out stay as they are. A group that is too small or too large then is
/// scaled to its size, as far as ScaleOut and ScaleIn are not suspended (API reference); otherwise
/// instances that exist are not touched: the next scale-out goes by what is said here.
pub fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingGroupId")?;
    let mut changed = group(&world.resources, call, &id)?.clone();
    if let Some(source) = source(&world.resources, &changed, args)? {
        changed.source = source;
    }
    let size = |name: &str, now: usize| -> Result<usize, ApiError> {
        let given = args.number(name, 0, 2000)?;
        Ok(given.and_then(|n| usize::try_from(n).ok()).unwrap_or(now))
    };
    changed.min_size = size("MinSize", changed.min_size)?;
    changed.max_size = size("MaxSize", changed.max_size)?;
    if changed.min_size > changed.max_size {
        return Err(invalid("MinSize", "it must not be above MaxSize"));
    }
    let (least, most) = (changed.min_size, changed.max_size);
    // What is wanted follows the bounds, unless the call says something else.
    let wanted = size(
        "DesiredCapacity",
        changed.desired_capacity.clamp(least, most),
    )?;
    if !(least..=most).contains(&wanted) {
        return Err(invalid(
            "DesiredCapacity",
            "it must be from MinSize to MaxSize",
        ));
    }
    let is_sized = ["MinSize", "MaxSize", "DesiredCapacity"]
        .iter()
        .any(|name| args.text(name).is_some());
    if is_sized {
        changed.desired_capacity = wanted;
        let total = world.resources.members_of(&id).count();
        changed.is_too_large = total > wanted;
    }
    take(args, &mut changed)?;
    if let Some(name) = args.text("ScalingGroupName") {
        changed.name = name;
    }
    if let Some(seconds) = args.number("DefaultCooldown", 0, 86_400)? {
        changed.default_cooldown = seconds;
    }
    if let Some(protected) = args.flag("GroupDeletionProtection")? {
        changed.deletion_protection = protected;
    }
    world.resources.groups.insert(id.clone(), changed);
    check_soon(world, &id);
    Ok(json!({}))
}

/// Takes over what a group is besides its size and its source.
pub(super) fn take(args: Args<'_>, group: &mut Group) -> Result<(), ApiError> {
    read(args, GROUP, &mut group.settings)?;
    // By the SDK model.
    let policies = group.settings.texts("RemovalPolicies");
    let is_custom = policies
        .first()
        .is_some_and(|first| first == "CustomPolicy");
    if args.text("CustomPolicyARN").is_some() && !is_custom {
        return Err(invalid(
            "CustomPolicyARN",
            "it has no effect unless CustomPolicy is the first removal policy of the scaling group",
        ));
    }
    // The one says the same as the other.
    let (one, several) = (
        args.text("HealthCheckType"),
        args.list_up_to("HealthCheckTypes", 5)?,
    );
    if let (Some(kind), None) = (&one, &several) {
        group.settings.put("HealthCheckTypes", json!([kind]));
    }
    if let (None, Some(first)) = (one, several.and_then(|kinds| kinds.into_iter().next())) {
        group.settings.put("HealthCheckType", first.into());
    }
    Ok(())
}

/// Where new instances are to come from, if the call says.
fn source(
    resources: &Resources,
    of: &Group,
    args: Args<'_>,
) -> Result<Option<InstanceSource>, ApiError> {
    let template = launch_template(resources, of, args)?;
    if let Some(id) = args.text("ActiveScalingConfigurationId") {
        if template.is_some() {
            return Err(invalid(
                "LaunchTemplateId",
                "it excludes ActiveScalingConfigurationId: new instances come from one of the two",
            ));
        }
        let group = match of.group_type {
            GroupType::Ecs => resources
                .configurations
                .get(&id)
                .map(|c| &c.scaling_group_id),
            GroupType::Eci => resources
                .eci_configurations
                .get(&id)
                .map(|c| &c.scaling_group_id),
        };
        if group != Some(&of.scaling_group_id) {
            return Err(ApiError::new(
                404,
                "InvalidScalingConfigurationId.NotFound",
                format!("The specified scaling configuration {id} does not exist."),
            ));
        }
        return Ok(Some(InstanceSource::Configuration(id)));
    }
    Ok(template)
}

/// The launch template that new instances are to come from, if the call says.
pub(super) fn launch_template(
    resources: &Resources,
    of: &Group,
    args: Args<'_>,
) -> Result<Option<InstanceSource>, ApiError> {
    let version = args.text("LaunchTemplateVersion");
    let Some(id) = args.text("LaunchTemplateId") else {
        return match version {
            None => Ok(None),
            Some(_) => Err(invalid(
                "LaunchTemplateVersion",
                "it is the version of a LaunchTemplateId, which is missing",
            )),
        };
    };
    let version = version.unwrap_or_else(|| "Default".to_owned());
    let template = resources.launch_templates.get(&id);
    let template = template.filter(|t| t.account_id == of.account_id && t.region == of.region);
    if template.and_then(|t| t.version(&version)).is_none() {
        return Err(ApiError::new(
            404,
            "InvalidLaunchTemplate.NotFound",
            format!("The specified launch template {id} does not have version {version}."),
        ));
    }
    Ok(Some(InstanceSource::LaunchTemplate { id, version }))
}

pub const ENABLE: Action = Action {
    name: "EnableScalingGroup",
    honours: &[
        "ActiveScalingConfigurationId",
        "InstanceId.N",
        "LaunchTemplateId",
        "LaunchTemplateVersion",
        "LoadBalancerWeight.N",
        "ScalingGroupId",
    ],
    run: Run::Write(enable_call),
};

pub const DISABLE: Action = Action {
    name: "DisableScalingGroup",
    honours: &["ScalingGroupId"],
    run: Run::Write(|world, call, args| enable(world, call, args, false)),
};

/// EnableScalingGroup: with instances, which are attached then.
fn enable_call(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingGroupId")?;
    let ids = args.ess_list("InstanceId", 20)?;
    let how = How {
        entrusted: false,
        with_hooks: false,
        passes_over: false,
        weights: weights(args)?,
    };
    for instance in ids.iter().flatten() {
        check_instance(&world.resources, call, instance)?;
    }
    let answer = enable(world, call, args, true)?;
    if let Some(ids) = ids {
        attach(world, call, &id, ids, &how)?;
    }
    Ok(answer)
}

/// EnableScalingGroup, which may also say where new instances come from, and DisableScalingGroup.
pub fn enable(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
    enabled: bool,
) -> Result<Value, ApiError> {
    let id = args.required("ScalingGroupId")?;
    let found = group(&world.resources, call, &id)?;
    if found.enabled == enabled {
        return Err(ApiError::new(
            400,
            "IncorrectScalingGroupStatus",
            format!("The current status of scaling group {id} does not support this action."),
        ));
    }
    let source = match enabled {
        true => source(&world.resources, found, args)?,
        false => None,
    };
    let has_none = matches!(&found.source, InstanceSource::Configuration(id) if id.is_empty());
    if enabled && source.is_none() && has_none {
        return Err(ApiError::new(
            400,
            "MissingActiveScalingConfiguration",
            "An active scaling configuration is missing in the specified scaling group.",
        ));
    }
    if let Some(group) = world.resources.groups.get_mut(&id) {
        group.enabled = enabled;
        group.source = source.unwrap_or_else(|| group.source.clone());
    }
    check_soon(world, &id);
    Ok(json!({}))
}
