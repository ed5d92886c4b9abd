//! Load balancers and server groups.

use serde_json::{Value, json};

use super::answers::Part;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::services::balancers::{balancers, groups, product};
use crate::state::balancing::{LoadBalancer, Product, ServerGroup};
use crate::state::call::Call;
use crate::state::model::Resources;
use crate::state::world::World;

pub const BALANCERS: Action = Action {
    name: "ListLoadBalancers",
    honours: &[
        "LoadBalancerIds.N",
        "LoadBalancerNames.N",
        "LoadBalancerStatus",
        "MaxResults",
        "NextToken",
    ],
    run: Run::Read(load_balancers),
};

/// The statuses of load balancers of ALB and NLB. All are Active here.
const STATUSES: &[&str] = &[
    "Active",
    "Configuring",
    "CreateFailed",
    "Inactive",
    "Provisioning",
];

/// ListLoadBalancers. Ids that do not exist are left out.
fn load_balancers(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.list_up_to("LoadBalancerIds", 20)?;
    let names = args.list_up_to("LoadBalancerNames", 20)?;
    let status = args.word("LoadBalancerStatus", STATUSES)?;
    let part = Part::of(args, 100)?;
    let found = balancers(world.seen(), call)
        .filter(|b| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&b.load_balancer_id))
        })
        .filter(|b| names.as_ref().is_none_or(|names| names.contains(&b.name)))
        .filter(|_| status.as_ref().is_none_or(|status| status == "Active"));
    Ok(part.answer("LoadBalancers", found.map(balancer)))
}

fn balancer(balancer: &LoadBalancer) -> Value {
    let mut row = json!({
        "LoadBalancerId": balancer.load_balancer_id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerStatus": "Active",
        "AddressType": "Intranet",
        "AddressIpVersion": "IPv4",
        "VpcId": "vpc-emulator",
        "CreateTime": balancer.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "Tags": [],
    });
    if balancer.product == Product::Nlb {
        row["LoadBalancerBusinessStatus"] = json!("Normal");
        row["LoadBalancerType"] = json!("Network");
        row["RegionId"] = json!(balancer.region);
    } else {
        row["LoadBalancerBussinessStatus"] = json!("Normal");
        row["LoadBalancerEdition"] = json!("Standard");
    }
    row
}

pub const GROUPS: Action = Action {
    name: "ListServerGroups",
    honours: &[
        "MaxResults",
        "NextToken",
        "ServerGroupIds.N",
        "ServerGroupNames.N",
        "ServerGroupType",
    ],
    run: Run::Read(server_groups),
};

/// The types of server groups that a product has. All are of instances here.
fn types(call: &Call) -> &'static [&'static str] {
    match product(call) {
        Product::Alb => &["Instance", "Ip", "Fc"],
        _ => &["Instance", "Ip"],
    }
}

/// ListServerGroups, with the load balancers that forward to each.
fn server_groups(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.list_up_to("ServerGroupIds", 20)?;
    let names = args.list_up_to("ServerGroupNames", 20)?;
    let kind = args.word("ServerGroupType", types(call))?;
    let part = Part::of(args, 100)?;
    let seen = world.seen();
    let found: Vec<&ServerGroup> = groups(seen, call)
        .filter(|g| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&g.server_group_id))
        })
        .filter(|g| names.as_ref().is_none_or(|names| names.contains(&g.name)))
        .filter(|_| kind.as_ref().is_none_or(|kind| kind == "Instance"))
        .collect();
    // What a group has is looked at only for those that are shown.
    let shown = found.iter().skip(part.skip).take(part.take);
    let rows: Vec<Value> = shown.map(|g| group(seen, call, g)).collect();
    Ok(json!({
        "ServerGroups": rows,
        "TotalCount": found.len(),
        "MaxResults": part.take,
        "NextToken": part.next(found.len()),
    }))
}

fn group(resources: &Resources, call: &Call, group: &ServerGroup) -> Value {
    let id = &group.server_group_id;
    let balancing = &resources.balancing;
    let related: Vec<&str> = balancing
        .forwarders(id)
        .map(|b| b.load_balancer_id.as_str())
        .collect();
    let checked = balancing.forwarders(id).any(|b| {
        let mut all = b.listeners.iter().flat_map(|l| l.forwardings());
        all.any(|f| f.server_group_id == *id && f.health_check)
    });
    let mut row = json!({
        "ServerGroupId": id,
        "ServerGroupName": group.name,
        "ServerGroupStatus": "Available",
        "ServerGroupType": "Instance",
        "ServerCount": resources.backends(group).len(),
        "RelatedLoadBalancerIds": related,
        "Scheduler": "Wrr",
        "VpcId": "vpc-emulator",
        "Tags": [],
    });
    if product(call) == Product::Nlb {
        row["Protocol"] = json!("TCP");
        row["HealthCheck"] = json!({"HealthCheckEnabled": checked, "HealthCheckType": "TCP"});
        row["AddressIPVersion"] = json!("ipv4");
        row["RegionId"] = json!(group.region);
    } else {
        row["Protocol"] = json!("HTTP");
        row["HealthCheckConfig"] =
            json!({"HealthCheckEnabled": checked, "HealthCheckProtocol": "HTTP"});
        row["CreateTime"] = json!(group.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    row
}
