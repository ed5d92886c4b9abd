//! Container groups: DescribeContainerGroups, and how they go behind the back of ESS.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid};
use crate::services::ess::check_soon;
use crate::state::call::Call;
use crate::state::container_groups::{
    ContainerGroup, ContainerGroupStatus, ContainerState, RunningContainer,
};
use crate::state::model::Resources;
use crate::state::world::World;

/// The most container groups that one answer holds.
const LIMIT: i64 = 20;

/// Where every container group is.
const V_SWITCH: &str = "vsw-emulator";
const SECURITY_GROUP: &str = "sg-emulator";

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub const DESCRIBE: Action = Action {
    name: "DescribeContainerGroups",
    honours: &[
        "ContainerGroupIds",
        "ResourceGroupId",
        "SecurityGroupId",
        "VSwitchId",
        "ZoneId",
        "ContainerGroupName",
        "Limit",
        "NextToken",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "WithEvent",
    ],
    run: Run::Read(describe),
};

/// Ids that do not exist are left out. Pages by `Limit` and `NextToken`.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("ContainerGroupIds", 20)?;
    let status = args.word("Status", ContainerGroupStatus::NAMES)?;
    let name = args.text("ContainerGroupName");
    let tags = args.pairs("Tag", "Key", "Value");
    let place = [
        ("ZoneId", None),
        ("VSwitchId", Some(V_SWITCH)),
        ("SecurityGroupId", Some(SECURITY_GROUP)),
        // None is in a resource group.
        ("ResourceGroupId", Some("")),
    ]
    .map(|(name, own)| (args.text(name), own));
    let with_events = args.flag("WithEvent")?.unwrap_or(false);
    let size = args.number("Limit", 1, LIMIT)?.unwrap_or(LIMIT);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let start: usize = match args.text("NextToken") {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| invalid("NextToken", "it was not given out by this API"))?,
    };
    let found: Vec<&ContainerGroup> = world
        .seen()
        .container_groups
        .values()
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .filter(|g| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&g.container_group_id))
        })
        .filter(|g| status.as_ref().is_none_or(|s| s == g.status.name()))
        .filter(|g| name.as_ref().is_none_or(|n| *n == g.name))
        .filter(|g| {
            place.iter().all(|(wanted, own)| {
                let own = own.unwrap_or(&g.zone_id);
                wanted.as_ref().is_none_or(|wanted| wanted == own)
            })
        })
        .filter(|g| has_tags(&g.tags, &tags))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = found
        .into_iter()
        .skip(start)
        .take(size)
        .map(|g| row(g, with_events))
        .collect();
    let end = start.saturating_add(rows.len());
    Ok(json!({
        "TotalCount": total,
        "NextToken": if end < total { end.to_string() } else { String::new() },
        "ContainerGroups": rows,
    }))
}

fn row(group: &ContainerGroup, with_events: bool) -> Value {
    let events: Vec<Value> = group
        .events
        .iter()
        .filter(|_| with_events)
        .map(|(at, reason, message)| {
            json!({
                "Type": "Warning", "Reason": reason, "Message": message, "Count": 1,
                "FirstTimestamp": seconds(*at), "LastTimestamp": seconds(*at),
            })
        })
        .collect();
    let tags: Vec<Value> = group
        .tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    json!({
        "ContainerGroupId": group.container_group_id,
        "ContainerGroupName": group.name,
        "RegionId": group.region,
        "ZoneId": group.zone_id,
        "VSwitchId": V_SWITCH,
        "SecurityGroupId": SECURITY_GROUP,
        "Status": group.status.name(),
        "RestartPolicy": group.restart_policy,
        "Cpu": group.cpu,
        "Memory": group.memory,
        "IntranetIp": group.private_ip,
        "CreationTime": seconds(group.created),
        "Containers": group.containers.iter().map(container).collect::<Vec<_>>(),
        "InitContainers": [],
        "Volumes": [],
        "Events": events,
        "Tags": tags,
    })
}

fn container(container: &RunningContainer) -> Value {
    let mut shown = container.spec.shown();
    shown.insert("Ready".into(), json!(container.ready));
    shown.insert("RestartCount".into(), json!(container.restart_count));
    shown.insert("CurrentState".into(), state(&container.current));
    if let Some(previous) = &container.previous {
        shown.insert("PreviousState".into(), state(previous));
    }
    Value::Object(shown)
}

fn state(state: &ContainerState) -> Value {
    let mut shown = json!({
        "State": state.state,
        "Reason": state.reason,
        "Message": state.message,
        "DetailStatus": state.reason,
        "StartTime": seconds(state.since),
    });
    if let Some(code) = state.exit_code {
        shown["ExitCode"] = json!(code);
    }
    shown
}

fn no_group(id: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidContainerGroupId.NotFound",
        format!("The specified container group {id} does not exist."),
    )
}

/// The container group that a call names, if it is in the caller's account and in the region.
pub(super) fn group<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a ContainerGroup, ApiError> {
    resources
        .container_groups
        .get(id)
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .ok_or_else(|| no_group(id))
}

/// The container group is released behind the back of ESS.
pub fn vanish(world: &mut World, id: &str) -> Result<(), ApiError> {
    world
        .resources
        .container_groups
        .remove(id)
        .ok_or_else(|| no_group(id))?;
    notice(world, id);
    Ok(())
}

/// Lets ESS look at the scaling group of a container group whose health may have changed.
pub(super) fn notice(world: &mut World, id: &str) {
    let group = world.resources.members.get(id);
    if let Some(group) = group.map(|m| m.scaling_group_id.clone()) {
        check_soon(world, &group);
    }
}
