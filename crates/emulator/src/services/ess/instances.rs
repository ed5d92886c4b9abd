//! DescribeScalingInstances.

use serde_json::{Value, json};

use super::answers::{list, minutes, seconds};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, check_word, invalid};
use crate::state::call::Call;
use crate::state::model::{InstanceStatus, Member, Resources};
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeScalingInstances",
    honours: &[
        "CreationType",
        "CreationTypes.N",
        "HealthStatus",
        "InstanceId.N",
        "LifecycleState",
        "LifecycleStates.N",
        "PageNumber",
        "PageSize",
        "ScalingActivityId",
        "ScalingConfigurationId",
        "ScalingGroupId",
    ],
    run: Run::Read(describe),
};

/// Page sizes up to 100 (current metadata; older documentation says 50).
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.text("ScalingGroupId");
    let ids = args.ess_list("InstanceId", 20)?;
    let mut states = args.list("LifecycleStates").unwrap_or_default();
    states.extend(args.text("LifecycleState"));
    if let Some(unknown) = states.iter().find(|s| !KNOWN_STATES.contains(&s.as_str())) {
        return Err(invalid(
            "LifecycleState",
            &format!("{unknown} is not a lifecycle state"),
        ));
    }
    let mut types = args.list("CreationTypes").unwrap_or_default();
    types.extend(args.text("CreationType"));
    for kind in &types {
        check_word(
            "CreationType",
            kind,
            &["AutoCreated", "Attached", "Managed"],
        )?;
    }
    let health = args.word("HealthStatus", &["Healthy", "Unhealthy"])?;
    let configuration = args.text("ScalingConfigurationId");
    let activity = args.text("ScalingActivityId");
    let page = args.page(10, 100)?;
    let seen = world.seen();
    // The members of all other groups are not looked at for one.
    let members: Box<dyn Iterator<Item = &Member>> = match &group_id {
        Some(id) => Box::new(seen.members.of_group(id)),
        None => Box::new(seen.members.values()),
    };
    let mut found: Vec<&Member> = members
        .filter(|m| {
            seen.groups
                .get(&m.scaling_group_id)
                .is_some_and(|g| g.account_id == call.caller.account_id && g.region == call.region)
        })
        .filter(|m| ids.as_ref().is_none_or(|ids| ids.contains(&m.instance_id)))
        .filter(|m| states.is_empty() || states.iter().any(|s| s == m.lifecycle_state.name()))
        .filter(|m| types.is_empty() || types.iter().any(|t| t == m.creation_type.name()))
        .filter(|m| health.as_ref().is_none_or(|h| *h == health_of(seen, m)))
        .filter(|m| configuration.is_none() || configuration == m.scaling_configuration_id)
        .filter(|m| activity.is_none() || activity == m.activity_id)
        .collect();
    found.sort_by(|a, b| (a.created, &a.instance_id).cmp(&(b.created, &b.instance_id)));
    let total = found.len();
    let rows = page.cut(found).into_iter().map(|m| row(seen, m)).collect();
    Ok(json!({
        "TotalCount": total,
        "TotalSpotCount": 0,
        "PageNumber": page.number,
        "PageSize": page.size,
        "ScalingInstances": list(call.version, "ScalingInstance", rows),
    }))
}

const KNOWN_STATES: &[&str] = &[
    "InService",
    "Pending",
    "Pending:Wait",
    "Protected",
    "Standby",
    "Stopped",
    "Removing",
    "Removing:Wait",
];

/// An instance that is not Running, or is gone, counts as unhealthy. A container group may also be
/// in an update.
pub fn health_of(resources: &Resources, member: &Member) -> &'static str {
    let id = &member.instance_id;
    let instance = resources.instances.get(id);
    let container_group = resources.container_groups.get(id);
    let healthy = !member.said_unhealthy
        && (instance.is_some_and(|i| i.status == InstanceStatus::Running)
            || container_group.is_some_and(|g| g.status.is_healthy()));
    if healthy { "Healthy" } else { "Unhealthy" }
}

/// `i-x` and `eci-x` both become `asi-x`.
fn scaling_instance_id(id: &str) -> String {
    let own = id.split_once('-').map_or(id, |(_, own)| own);
    format!("asi-{own}")
}

fn row(resources: &Resources, member: &Member) -> Value {
    let instance = resources.instances.get(&member.instance_id);
    let container_group = resources.container_groups.get(&member.instance_id);
    let (zone_id, private_ip) = instance
        .map(|i| (i.zone_id.as_str(), i.private_ip.as_str()))
        .or(container_group.map(|g| (g.zone_id.as_str(), g.private_ip.as_str())))
        .unwrap_or_default();
    let spot = instance.and_then(|i| i.attributes.told.text("SpotStrategy"));
    let mut row = json!({
        "InstanceId": member.instance_id,
        "ScalingGroupId": member.scaling_group_id,
        "ScalingInstanceId": scaling_instance_id(&member.instance_id),
        "LifecycleState": member.lifecycle_state.name(),
        "HealthStatus": health_of(resources, member),
        "CreationType": member.creation_type.name(),
        "CreationTime": minutes(member.created),
        "CreatedTime": seconds(member.created),
        "LoadBalancerWeight": member.load_balancer_weight,
        "WarmupState": "NoNeedWarmup",
        "WeightedCapacity": 1,
        "ZoneId": zone_id,
        "PrivateIpAddress": private_ip,
        "Entrusted": member.entrusted,
        "SpotStrategy": spot.as_deref().unwrap_or("NoSpot"),
    });
    if let Some(id) = &member.scaling_configuration_id {
        row["ScalingConfigurationId"] = json!(id);
    }
    if let Some((id, version)) = &member.launch_template {
        row["LaunchTemplateId"] = json!(id);
        row["LaunchTemplateVersion"] = json!(version);
    }
    if let Some(id) = &member.activity_id {
        row["ScalingActivityId"] = json!(id);
    }
    row
}
