//! DescribeHealthStatus.

use serde_json::{Value, json};

use super::answers::balancer;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::services::balancers::{Health, health, port_of, servers};
use crate::state::call::Call;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeHealthStatus",
    honours: &["ListenerPort", "ListenerProtocol", "LoadBalancerId"],
    run: Run::Read(describe),
};

/// DescribeHealthStatus: one row for each listener and server that it sends to; servers of weight
/// 0 are checked, too. `unavailable` is what is not checked, and what no check has ended for yet.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("LoadBalancerId")?;
    let port = args.number("ListenerPort", 1, 65_535)?;
    let protocol = args.word_in_any_case("ListenerProtocol", &["tcp", "udp", "http", "https"])?;
    let seen = world.seen();
    let balancer = balancer(seen, call, &id)?;
    let listeners: Vec<_> = balancer
        .listeners
        .iter()
        .filter(|l| port.is_none_or(|port| port == i64::from(l.port)))
        .filter(|l| protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case(&l.protocol)))
        .collect();
    if listeners.is_empty() && (port.is_some() || protocol.is_some()) {
        return Err(ApiError::new(
            400,
            "ListenerNotFound",
            format!("Load balancer {id} has no such listener."),
        ));
    }
    let mut rows = Vec::new();
    for listener in listeners {
        let group = seen
            .balancing
            .server_groups
            .get(&listener.to.server_group_id);
        for server in servers(seen, &listener.to.server_group_id).values() {
            let port = group.map_or(server.port, |group| port_of(group, listener, server));
            let status = match health(world, balancer, &listener.to, server, port) {
                Health::Normal => "normal",
                Health::Abnormal(_) => "abnormal",
                Health::Initial | Health::Unavailable => "unavailable",
            };
            rows.push(json!({
                "ListenerPort": listener.port,
                "Protocol": listener.protocol,
                "Port": port,
                "ServerId": server.server_id,
                "ServerIp": server.server_ip,
                "ServerHealthStatus": status,
            }));
        }
    }
    Ok(json!({"BackendServers": {"BackendServer": rows}}))
}
