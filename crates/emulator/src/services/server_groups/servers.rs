//! The servers of a server group, and their weights.

use serde_json::{Value, json};

use super::answers::{Part, group};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::services::balancers::{Asked, Kind, change, product};
use crate::state::backends::Backend;
use crate::state::balancing::Product;
use crate::state::call::Call;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "ListServerGroupServers",
    honours: &["MaxResults", "NextToken", "ServerGroupId", "ServerIds.N"],
    run: Run::Read(list),
};

pub const LIST_OF_NLB: Action = Action {
    name: "ListServerGroupServers",
    honours: &[
        "MaxResults",
        "NextToken",
        "ServerGroupId",
        "ServerIds.N",
        "ServerIps.N",
    ],
    run: Run::Read(list),
};

/// ListServerGroupServers. Of ids and addresses that are not in the group there are no rows.
fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    // The NLB reference asks for it no less: there is no list of the servers of all groups here.
    let id = args.required("ServerGroupId")?;
    let ids = args.list_up_to("ServerIds", 40)?;
    let addresses = match product(call) {
        Product::Nlb => args.list_up_to("ServerIps", 40)?,
        _ => None,
    };
    let part = Part::of(args, 100)?;
    let seen = world.seen();
    let servers = seen.backends(group(seen, call, &id)?);
    let found = servers
        .values()
        .filter(|s| ids.as_ref().is_none_or(|ids| ids.contains(&s.server_id)))
        .filter(|s| {
            addresses
                .as_ref()
                .is_none_or(|addresses| addresses.contains(&s.server_ip))
        });
    Ok(part.answer("Servers", found.map(|s| row(call, &id, s))))
}

fn row(call: &Call, group: &str, server: &Backend) -> Value {
    let mut row = json!({
        "ServerGroupId": group,
        "ServerId": server.server_id,
        "ServerIp": server.server_ip,
        "ServerType": match server.server_type {
            "eci" => "Eci",
            _ => "Ecs",
        },
        "Port": server.port,
        "Weight": server.weight,
        "Description": server.description,
        "Status": "Available",
    });
    if product(call) == Product::Nlb {
        row["ZoneId"] = json!(server.zone_id);
    }
    row
}

pub const UPDATE: Action = Action {
    name: "UpdateServerGroupServersAttribute",
    honours: &[
        "ClientToken",
        "ServerGroupId",
        "Servers.N.Description",
        "Servers.N.Port",
        "Servers.N.ServerId",
        "Servers.N.ServerType",
        "Servers.N.Weight",
    ],
    run: Run::Write(update),
};

/// UpdateServerGroupServersAttribute: weights and descriptions of servers that are in the group, at
/// once: in the cloud a job does it. Up to 40 servers of ALB and 200 of NLB.
fn update(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ServerGroupId")?;
    group(&world.resources, call, &id)?;
    let most = match product(call) {
        Product::Nlb => 200,
        _ => 40,
    };
    let given = args.structures("Servers");
    if given.is_empty() {
        return Err(missing("Servers"));
    }
    if given.len() > most {
        return Err(invalid(
            "Servers",
            &format!("at most {most} items are allowed"),
        ));
    }
    let mut asked = Vec::new();
    for (n, server) in given.iter().enumerate() {
        let n = n + 1;
        let Some(server_id) = server["ServerId"].as_str().filter(|id| !id.is_empty()) else {
            return Err(missing(&format!("Servers.{n}.ServerId")));
        };
        if let Some(kind) = server["ServerType"].as_str()
            && !["Ecs", "Eci"].contains(&kind)
        {
            return Err(invalid(
                &format!("Servers.{n}.ServerType"),
                &format!("the emulator has servers of the types Ecs and Eci, not {kind}"),
            ));
        }
        let port = number(&server["Port"], &format!("Servers.{n}.Port"), 65_535)?;
        let weight = number(&server["Weight"], &format!("Servers.{n}.Weight"), 100)?;
        asked.push(Asked {
            server_id: server_id.to_owned(),
            port: port
                .and_then(|n| u16::try_from(n).ok())
                .ok_or_else(|| missing(&format!("Servers.{n}.Port")))?,
            weight: weight.and_then(|n| u32::try_from(n).ok()),
            description: server["Description"].as_str().map(str::to_owned),
        });
    }
    change(world, &id, Kind::Set, asked, |server| {
        ApiError::new(
            404,
            "ResourceNotFound.BackendServer",
            format!("The specified resource {server} is not in server group {id}."),
        )
    })?;
    let job = world.ids.request_id();
    let mut answer = json!({ "JobId": job });
    if product(call) == Product::Nlb {
        answer["ServerGroupId"] = json!(id);
    }
    Ok(answer)
}

fn number(value: &Value, name: &str, most: u64) -> Result<Option<u64>, ApiError> {
    if value.is_null() {
        return Ok(None);
    }
    let parsed = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    parsed
        .filter(|n| *n <= most)
        .map(Some)
        .ok_or_else(|| invalid(name, &format!("it must be a number from 0 to {most}")))
}
