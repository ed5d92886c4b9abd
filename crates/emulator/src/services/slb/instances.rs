//! CLB instances.

use serde_json::{Value, json};

use super::answers::{balancer, row};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::services::balancers::{balancers, servers};
use crate::state::balancing::LoadBalancer;
use crate::state::call::Call;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "DescribeLoadBalancers",
    honours: &[
        "LoadBalancerId",
        "LoadBalancerName",
        "LoadBalancerStatus",
        "PageNumber",
        "PageSize",
    ],
    run: Run::Read(list),
};

/// DescribeLoadBalancers: up to 10 ids, separated by commas. Ids that do not exist are left out.
pub fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.text("LoadBalancerId");
    let ids: Option<Vec<&str>> = ids.as_ref().map(|ids| ids.split(',').collect());
    if ids.as_ref().is_some_and(|ids| ids.len() > 10) {
        return Err(invalid("LoadBalancerId", "at most 10 ids are allowed"));
    }
    let name = args.text("LoadBalancerName");
    let status = args.word("LoadBalancerStatus", &["inactive", "active", "locked"])?;
    let page = args.page(10, 100)?;
    let found: Vec<&LoadBalancer> = balancers(world.seen(), call)
        .filter(|b| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&b.load_balancer_id.as_str()))
        })
        .filter(|b| name.as_ref().is_none_or(|name| *name == b.name))
        .filter(|_| status.as_ref().is_none_or(|status| status == "active"))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page.cut(found).into_iter().map(about).collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "LoadBalancers": {"LoadBalancer": rows},
    }))
}

/// What both calls say of an instance.
fn about(balancer: &LoadBalancer) -> Value {
    json!({
        "LoadBalancerId": balancer.load_balancer_id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerStatus": "active",
        "RegionId": balancer.region,
        "RegionIdAlias": balancer.region,
        "AddressType": "intranet",
        "AddressIPVersion": "ipv4",
        "NetworkType": "vpc",
        "VpcId": "vpc-emulator",
        "VSwitchId": "vsw-emulator",
        "PayType": "PayOnDemand",
        "InternetChargeType": "paybytraffic",
        "DeleteProtection": "off",
        "ModificationProtectionStatus": "NonProtection",
        "Tags": {"Tag": []},
        "CreateTime": balancer.created.strftime("%Y-%m-%dT%H:%MZ").to_string(),
        "CreateTimeStamp": balancer.created.as_millisecond(),
    })
}

pub const ATTRIBUTE: Action = Action {
    name: "DescribeLoadBalancerAttribute",
    honours: &["LoadBalancerId"],
    run: Run::Read(attribute),
};

/// DescribeLoadBalancerAttribute: the listeners, and the servers of the default server group.
pub fn attribute(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("LoadBalancerId")?;
    let seen = world.seen();
    let balancer = balancer(seen, call, &id)?;
    let mut answer = about(balancer);
    let rows: Vec<Value> = servers(seen, &id).values().map(row).collect();
    answer["BackendServers"] = json!({"BackendServer": rows});
    let listeners = &balancer.listeners;
    let ports: Vec<u16> = listeners.iter().map(|l| l.port).collect();
    answer["ListenerPorts"] = json!({"ListenerPort": ports});
    let old: Vec<Value> = listeners
        .iter()
        .map(|l| json!({"ListenerPort": l.port, "ListenerProtocal": l.protocol}))
        .collect();
    answer["ListenerPortsAndProtocal"] = json!({"ListenerPortAndProtocal": old});
    let rows: Vec<Value> = listeners
        .iter()
        .map(|l| {
            json!({
                "ListenerPort": l.port,
                "ListenerProtocol": l.protocol,
                "ListenerForward": "off",
            })
        })
        .collect();
    answer["ListenerPortsAndProtocol"] = json!({"ListenerPortAndProtocol": rows});
    Ok(answer)
}
