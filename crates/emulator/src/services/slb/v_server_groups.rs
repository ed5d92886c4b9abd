//! vServer groups.

use serde_json::{Value, json};

use super::answers::{balancer, row};
use super::servers::asked;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::services::balancers::{Kind, change, find_group, groups, servers};
use crate::state::backends::Backend;
use crate::state::balancing::ServerGroup;
use crate::state::call::Call;
use crate::state::model::Resources;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "DescribeVServerGroups",
    honours: &["Description", "IncludeListener", "LoadBalancerId"],
    run: Run::Read(list),
};

/// DescribeVServerGroups: those of one instance. `Description` is a name.
pub fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("LoadBalancerId")?;
    let name = args.text("Description");
    let include = args.flag("IncludeListener")?.unwrap_or(false);
    let seen = world.seen();
    let balancer = balancer(seen, call, &id)?;
    let rows: Vec<Value> = groups(seen, call)
        .filter(|g| g.load_balancer_id.as_ref() == Some(&id))
        .filter(|g| name.as_ref().is_none_or(|name| *name == g.name))
        .map(|g| {
            let listeners: Vec<Value> = balancer
                .listeners
                .iter()
                .filter(|l| include && l.to.server_group_id == g.server_group_id)
                .map(|l| json!({"Port": l.port, "Protocol": l.protocol}))
                .collect();
            json!({
                "VServerGroupId": g.server_group_id,
                "VServerGroupName": g.name,
                "ServerCount": seen.backends(g).len(),
                "AssociatedObjects": {
                    "Listeners": {"Listener": listeners},
                    "Rules": {"Rule": []},
                },
                "Tags": {"Tag": []},
                "CreateTime": g.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })
        })
        .collect();
    Ok(json!({"VServerGroups": {"VServerGroup": rows}}))
}

fn group<'a>(resources: &'a Resources, call: &Call, id: &str) -> Result<&'a ServerGroup, ApiError> {
    find_group(resources, call, id)
        .filter(|g| !g.is_default())
        .ok_or_else(|| {
            // No code of its own: the message tells.
            ApiError::new(
                400,
                "InvalidParameter",
                format!("The specified VServerGroupId {id} does not exist."),
            )
        })
}

pub const ATTRIBUTE: Action = Action {
    name: "DescribeVServerGroupAttribute",
    honours: &["VServerGroupId"],
    run: Run::Read(attribute),
};

/// DescribeVServerGroupAttribute: the servers of a vServer group.
pub fn attribute(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("VServerGroupId")?;
    let seen = world.seen();
    let group = group(seen, call, &id)?;
    Ok(json!({
        "VServerGroupId": id,
        "VServerGroupName": group.name,
        "LoadBalancerId": group.load_balancer_id,
        "BackendServers": backends(seen, &id, with_port),
        "Tags": {"Tag": []},
        "CreateTime": group.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }))
}

fn backends(resources: &Resources, id: &str, row: fn(&Backend) -> Value) -> Value {
    let rows: Vec<Value> = servers(resources, id).values().map(row).collect();
    json!({"BackendServer": rows})
}

fn with_port(server: &Backend) -> Value {
    let mut row = row(server);
    row["Port"] = json!(server.port);
    row
}

pub const SET: Action = Action {
    name: "SetVServerGroupAttribute",
    honours: &["BackendServers", "VServerGroupId", "VServerGroupName"],
    run: Run::Write(set),
};

/// SetVServerGroupAttribute: weights of servers that are in the group, and its name.
pub fn set(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("VServerGroupId")?;
    group(&world.resources, call, &id)?;
    let asked = asked(args)?.unwrap_or_default();
    if asked.iter().any(|server| server.port == 0) {
        return Err(missing("BackendServers.Port"));
    }
    change(world, &id, Kind::Set, asked, |server| {
        invalid(
            "BackendServers",
            &format!("{server} is not in the vServer group"),
        )
    })?;
    if let Some(name) = args.text("VServerGroupName")
        && let Some(group) = world.resources.balancing.server_groups.get_mut(&id)
    {
        group.name = name;
    }
    let group = group(&world.resources, call, &id)?;
    Ok(json!({
        "VServerGroupId": id,
        "VServerGroupName": group.name,
        "BackendServers": backends(&world.resources, &id, |server| {
            let mut row = with_port(server);
            if let Some(row) = row.as_object_mut() {
                row.remove("ServerIp");
            }
            row
        }),
    }))
}
