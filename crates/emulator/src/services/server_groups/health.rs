//! GetListenerHealthStatus. Only servers that are not normal are in the answers.

use serde_json::{Value, json};

use super::answers::{Part, not_found};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::services::balancers::{Health, health, sees_balancer, servers};
use crate::state::balancing::{Forwarding, Listener, LoadBalancer, Product};
use crate::state::call::Call;
use crate::state::world::World;

pub const OF_ALB: Action = Action {
    name: "GetListenerHealthStatus",
    honours: &["IncludeRule", "ListenerId", "MaxResults", "NextToken"],
    run: Run::Read(of_alb),
};

pub const OF_NLB: Action = Action {
    name: "GetListenerHealthStatus",
    honours: &["ListenerId"],
    run: Run::Read(of_nlb),
};

fn listener<'a>(
    world: &'a World,
    call: &Call,
    args: Args<'_>,
) -> Result<(&'a LoadBalancer, &'a Listener), ApiError> {
    let id = args.required("ListenerId")?;
    let found = world.seen().balancing.listener(&id);
    found
        .filter(|(balancer, _)| sees_balancer(call, balancer))
        .ok_or_else(|| not_found("Listener", &id))
}

/// GetListenerHealthStatus of ALB: the default server group of the listener first, then, with
/// `IncludeRule`, one entry for each forwarding rule. Pages are cut from all of these.
fn of_alb(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (balancer, listener) = listener(world, call, args)?;
    let include = args.flag("IncludeRule")?.unwrap_or(false);
    let part = Part::of(args, 30)?;
    let rules = listener.rules.iter().filter(|_| include);
    let rules: Vec<_> = rules.collect();
    let total = 1 + rules.len();
    let mut of_listener = Vec::new();
    let mut of_rules = Vec::new();
    for at in (0..total).skip(part.skip).take(part.take) {
        match at.checked_sub(1).map(|at| rules[at]) {
            None => of_listener.push(json!({
                "ListenerId": listener.listener_id,
                "ListenerPort": listener.port,
                "ListenerProtocol": listener.protocol,
                "ServerGroupInfos": [info_of_alb(world, balancer, &listener.to)],
            })),
            Some(rule) => of_rules.push(json!({
                "RuleId": rule.rule_id,
                "ServerGroupInfos": [info_of_alb(world, balancer, &rule.to)],
            })),
        }
    }
    Ok(json!({
        "ListenerHealthStatus": of_listener,
        "RuleHealthStatus": of_rules,
        "NextToken": part.next(total),
    }))
}

fn info_of_alb(world: &World, by: &LoadBalancer, forwarding: &Forwarding) -> Value {
    let count = servers(world.seen(), &forwarding.server_group_id).len();
    json!({
        "ServerGroupId": forwarding.server_group_id,
        "ActionType": "ForwardGroup",
        // A text in this answer; the reference has `on` alone.
        "HealthCheckEnabled": if forwarding.health_check { "on" } else { "off" },
        "ServerCount": count,
        "NonNormalServers": not_normal(world, by, forwarding),
    })
}

/// GetListenerHealthStatus of NLB, on one page.
fn of_nlb(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (balancer, listener) = listener(world, call, args)?;
    let info = json!({
        "ServerGroupId": listener.to.server_group_id,
        // The API spells it so.
        "HeathCheckEnabled": listener.to.health_check,
        "NonNormalServers": not_normal(world, balancer, &listener.to),
    });
    Ok(json!({
        "ListenerHealthStatus": [{
            "ListenerId": listener.listener_id,
            "ListenerPort": listener.port,
            "ListenerProtocol": listener.protocol,
            "ServerGroupInfos": [info],
        }],
        "TotalCount": 1,
        "MaxResults": 20,
        "NextToken": "",
    }))
}

/// The servers of a group that a health check does not find normal. ALB does not check those of
/// weight 0: they are `Unused`.
fn not_normal(world: &World, by: &LoadBalancer, forwarding: &Forwarding) -> Vec<Value> {
    let all = servers(world.seen(), &forwarding.server_group_id);
    all.values()
        .filter_map(|server| {
            let found = health(world, by, forwarding, server, server.port);
            let unused = by.product == Product::Alb && server.weight == 0;
            let (status, reason) = match found {
                Health::Unavailable if !forwarding.health_check => ("Unavailable", None),
                _ if unused => ("Unused", None),
                Health::Normal => return None,
                Health::Initial => ("Initial", None),
                Health::Unavailable => ("Unavailable", None),
                Health::Abnormal(reason) => ("Unhealthy", Some(reason)),
            };
            let mut row = json!({
                "ServerId": server.server_id,
                "ServerIp": server.server_ip,
                "Port": server.port,
                "Status": status,
            });
            if let Some(reason) = reason {
                row["Reason"] = why(&reason);
            }
            Some(row)
        })
        .collect()
}

fn why(reason: &str) -> Value {
    let mut why = json!({ "ReasonCode": reason });
    // ALB tells what it got for this reason alone.
    if reason == "RESPONSE_MISMATCH" {
        why["ActualResponse"] = json!("500");
        why["ExpectedResponse"] = json!("HTTP_2xx,HTTP_3xx");
    }
    why
}
