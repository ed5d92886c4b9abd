//! The servers of the default server group: added, removed, and their weights.

use serde_json::{Value, json};

use super::answers::balancer;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::services::balancers::{Asked, Kind, change, servers};
use crate::state::call::Call;
use crate::state::world::World;

const HONOURS: &[&str] = &["BackendServers", "LoadBalancerId"];

pub const ADD: Action = Action {
    name: "AddBackendServers",
    honours: HONOURS,
    run: Run::Write(|world, call, args| act(world, call, args, Kind::Add)),
};

pub const SET: Action = Action {
    name: "SetBackendServers",
    honours: HONOURS,
    run: Run::Write(|world, call, args| act(world, call, args, Kind::Set)),
};

pub const REMOVE: Action = Action {
    name: "RemoveBackendServers",
    honours: HONOURS,
    run: Run::Write(|world, call, args| act(world, call, args, Kind::Remove)),
};

/// AddBackendServers, SetBackendServers, RemoveBackendServers: answers with the servers that there
/// are then. A server that is added twice stays as it is.
fn act(world: &mut World, call: &Call, args: Args<'_>, kind: Kind) -> Result<Value, ApiError> {
    let id = args.required("LoadBalancerId")?;
    balancer(&world.resources, call, &id)?;
    let mut asked = asked(args)?.ok_or_else(|| missing("BackendServers"))?;
    // The listeners say the port.
    for server in &mut asked {
        server.port = 0;
    }
    change(world, &id, kind, asked, |server| {
        let why = match kind {
            Kind::Add => format!("{server} does not exist"),
            Kind::Set | Kind::Remove => format!("{server} is not in the default server group"),
        };
        invalid("BackendServers", &why)
    })?;
    let rows: Vec<Value> = servers(&world.resources, &id)
        .values()
        .map(|server| {
            let weight = match kind {
                // A number in this answer, a text in the others (SDK model).
                Kind::Remove => json!(server.weight),
                Kind::Add | Kind::Set => json!(server.weight.to_string()),
            };
            json!({
                "ServerId": server.server_id,
                "Type": server.server_type,
                "Weight": weight,
                "Description": server.description,
            })
        })
        .collect();
    Ok(json!({"LoadBalancerId": id, "BackendServers": {"BackendServer": rows}}))
}

/// The most servers that one call may name (API reference).
const SERVERS: usize = 20;

/// `BackendServers`, JSON in one text: `ServerId`, `Port`, `Weight`, `Description`, `Type`. Numbers
/// may be texts. Plain ids are taken, too, as RemoveBackendServers documents.
pub(super) fn asked(args: Args<'_>) -> Result<Option<Vec<Asked>>, ApiError> {
    const NAME: &str = "BackendServers";
    const MEMBERS: [&str; 5] = ["ServerId", "Port", "Weight", "Description", "Type"];
    let Some(list) = args.json(NAME)? else {
        return Ok(None);
    };
    let Some(list) = list.as_array() else {
        return Err(invalid(NAME, "it must be a JSON array"));
    };
    if list.len() > SERVERS {
        return Err(invalid(
            NAME,
            &format!("at most {SERVERS} servers are allowed"),
        ));
    }
    let number = |value: &Value, name: &str, most: u64| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(given) => {
            let parsed = given
                .as_u64()
                .or_else(|| given.as_str().and_then(|text| text.parse().ok()));
            parsed
                .filter(|n| *n <= most)
                .map(Some)
                .ok_or_else(|| invalid(NAME, &format!("{name} must be a number from 0 to {most}")))
        }
    };
    let mut found = Vec::new();
    for item in list {
        let id = item.as_str().or_else(|| item["ServerId"].as_str());
        let id = id.filter(|id| !id.is_empty());
        let Some(id) = id else {
            return Err(missing("BackendServers.ServerId"));
        };
        let mut names = item.as_object().into_iter().flat_map(|item| item.keys());
        if let Some(odd) = names.find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(invalid(NAME, &format!("a server has no {odd} here")));
        }
        if let Some(kind) = item.get("Type").filter(|kind| !kind.is_null())
            && !["ecs", "eci"].iter().any(|known| kind == known)
        {
            return Err(invalid(
                NAME,
                &format!("the emulator has servers of the types ecs and eci, not {kind}"),
            ));
        }
        let port = number(item, "Port", 65_535)?.and_then(|n| u16::try_from(n).ok());
        let weight = number(item, "Weight", 100)?.and_then(|n| u32::try_from(n).ok());
        found.push(Asked {
            server_id: id.to_owned(),
            port: port.unwrap_or(0),
            weight,
            description: item["Description"].as_str().map(str::to_owned),
        });
    }
    Ok(Some(found))
}
