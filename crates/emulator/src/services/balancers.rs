//! What the APIs of load balancers have in common: whose is what, what health checks find, and
//! changes of weights.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::state::backend_health::{BackendStatus, Checked};
use crate::state::backends::Backend;
use crate::state::balancing::{
    BackendChange, Changed, Forwarding, Listener, LoadBalancer, Product, ServerGroup,
};
use crate::state::call::{Call, Service};
use crate::state::model::{InstanceStatus, Resources};
use crate::state::time::{later, seconds};
use crate::state::world::World;

/// The kind of load balancers that a call is about.
pub(super) fn product(call: &Call) -> Product {
    match call.service {
        Service::Alb => Product::Alb,
        Service::Nlb => Product::Nlb,
        _ => Product::Clb,
    }
}

/// The load balancers that a call can see, by id.
pub(super) fn balancers<'a>(
    resources: &'a Resources,
    call: &'a Call,
) -> impl Iterator<Item = &'a LoadBalancer> {
    let all = resources.balancing.balancers.values();
    all.filter(|b| sees_balancer(call, b))
}

pub(super) fn sees_balancer(call: &Call, balancer: &LoadBalancer) -> bool {
    balancer.product == product(call)
        && balancer.account_id == call.caller.account_id
        && balancer.region == call.region
}

/// The server groups that a call can see, by id; without default ones of CLB.
pub(super) fn groups<'a>(
    resources: &'a Resources,
    call: &'a Call,
) -> impl Iterator<Item = &'a ServerGroup> {
    let all = resources.balancing.server_groups.values();
    all.filter(|g| sees_group(call, g) && !g.is_default())
}

fn sees_group(call: &Call, group: &ServerGroup) -> bool {
    group.product == product(call)
        && group.account_id == call.caller.account_id
        && group.region == call.region
}

/// A server group that a call can see, the default one of a CLB instance included.
pub(super) fn find_group<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Option<&'a ServerGroup> {
    let found = resources.balancing.server_groups.get(id);
    found.filter(|g| sees_group(call, g))
}

/// What a health check finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Normal,
    /// With the reason code of ALB and NLB.
    Abnormal(String),
    /// No check has ended yet.
    Initial,
    /// Nothing is checked, or a rule says that nothing is known.
    Unavailable,
}

/// What the check of one server by one listener finds. A rule decides; without one a server is
/// well while its instance runs, and once it has done so in service for long enough.
pub(super) fn health(
    world: &World,
    by: &LoadBalancer,
    forwarding: &Forwarding,
    server: &Backend,
    port: u16,
) -> Health {
    if !forwarding.health_check {
        return Health::Unavailable;
    }
    let resources = world.seen();
    let traffic = resources.members.get(&server.server_id).map(|m| m.traffic);
    let traffic = traffic.unwrap_or_default();
    let rule = world.backend_health.decide(
        world.now,
        Checked {
            server_id: &server.server_id,
            load_balancer_id: &by.load_balancer_id,
            server_group_id: &forwarding.server_group_id,
            port,
            returns: traffic.returns,
            in_service: traffic.since,
        },
    );
    if let Some(rule) = rule {
        return match rule.status {
            BackendStatus::Normal => Health::Normal,
            BackendStatus::Unavailable => Health::Unavailable,
            BackendStatus::Abnormal => {
                let reason = rule.reason.as_deref().unwrap_or("CONNECT_FAILED");
                Health::Abnormal(reason.to_owned())
            }
        };
    }
    let instance = resources.instances.get(&server.server_id);
    let container_group = resources.container_groups.get(&server.server_id);
    let runs = instance.is_some_and(|i| i.status == InstanceStatus::Running)
        || container_group.is_some_and(|g| g.status.is_healthy());
    if !runs {
        return Health::Abnormal("CONNECT_TIMEOUT".into());
    }
    let since = traffic.since.max(instance.and_then(|i| i.running_since));
    let check = seconds(world.durations.backend_health_check);
    match since {
        Some(since) if world.now < later(since, check) => Health::Initial,
        _ => Health::Normal,
    }
}

/// The port of a server that a listener sends to.
pub(super) fn port_of(group: &ServerGroup, listener: &Listener, server: &Backend) -> u16 {
    match group.is_default() {
        true => listener.backend_port,
        false => server.port,
    }
}

/// What a call asks for one server.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) server_id: String,
    pub(super) port: u16,
    pub(super) weight: Option<u32>,
    pub(super) description: Option<String>,
}

/// The weight of a server that is added without one (API reference).
pub(super) const WEIGHT: u32 = 100;

/// How a call changes servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Add,
    Set,
    Remove,
}

/// Carries out a change of servers, all or none. ESS overrides it when it next places them.
pub(super) fn change(
    world: &mut World,
    group_id: &str,
    kind: Kind,
    asked: Vec<Asked>,
    missing: impl Fn(&str) -> ApiError,
) -> Result<(), ApiError> {
    let resources = &world.resources;
    let Some(group) = resources.balancing.server_groups.get(group_id) else {
        return Ok(());
    };
    let present = resources.backends(group);
    let mut changes = Vec::new();
    for ask in asked {
        let key = (ask.server_id.clone(), ask.port);
        let known = present.get(&key);
        let what = match (kind, known) {
            (Kind::Add, None) => {
                if !reachable(resources, group, &ask.server_id) {
                    return Err(missing(&ask.server_id));
                }
                Changed::Put {
                    weight: ask.weight.unwrap_or(WEIGHT),
                    description: ask.description.unwrap_or_default(),
                }
            }
            // It is there already, as somebody or ESS wants it.
            (Kind::Add, Some(_)) => continue,
            (Kind::Remove, None) => continue,
            (Kind::Remove, Some(_)) => Changed::Removed,
            (Kind::Set, None) => return Err(missing(&ask.server_id)),
            (Kind::Set, Some(known)) => Changed::Put {
                weight: ask.weight.unwrap_or(WEIGHT),
                description: ask.description.unwrap_or_else(|| known.description.clone()),
            },
        };
        let placements = resources.placements(&ask.server_id);
        changes.push((key, BackendChange { what, placements }));
    }
    not_busy(world, group_id)?;
    for (key, change) in changes {
        world.resources.balancing.change(group_id, key, change);
    }
    Ok(())
}

/// Whether a server can be put into a group: it is where the group is.
fn reachable(resources: &Resources, group: &ServerGroup, id: &str) -> bool {
    let here = |account: &str, region: &str| account == group.account_id && region == group.region;
    let instance = resources.instances.get(id);
    let container_group = resources.container_groups.get(id);
    instance.is_some_and(|i| here(&i.account_id, &i.region))
        || container_group.is_some_and(|g| here(&g.account_id, &g.region))
}

/// An error while the servers of the group are being changed; from now on they are, for as long as
/// the fixture says.
fn not_busy(world: &mut World, group_id: &str) -> Result<(), ApiError> {
    let busy = world.durations.load_balancer;
    if busy <= 0.0 {
        return Ok(());
    }
    let now = world.now;
    let group = world.resources.balancing.server_groups.get(group_id);
    let attached: Vec<String> = group
        .into_iter()
        .flat_map(|g| g.attached.iter().map(|a| a.scaling_group_id.clone()))
        .collect();
    let scaling_groups = &mut world.resources.groups;
    let is_busy = |id: &String| {
        let until = scaling_groups.get(id).and_then(|g| g.backend_busy_until);
        until.is_some_and(|until| until > now)
    };
    if attached.iter().any(is_busy) {
        return Err(ApiError::new(
            400,
            "BackendServer.configuring",
            "The backend servers of the load balancer are being configured, try again later.",
        ));
    }
    for id in attached {
        if let Some(group) = scaling_groups.get_mut(&id) {
            group.backend_busy_until = Some(later(now, seconds(busy)));
        }
    }
    Ok(())
}

/// The servers of a group.
pub(super) fn servers(resources: &Resources, group_id: &str) -> BTreeMap<(String, u16), Backend> {
    let group = resources.balancing.server_groups.get(group_id);
    group.map(|g| resources.backends(g)).unwrap_or_default()
}
