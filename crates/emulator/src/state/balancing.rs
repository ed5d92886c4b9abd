//! Load balancers: what listens where, which server groups it forwards to, and which servers those
//! have. The members of scaling groups are not kept here a second time: a server group knows the
//! scaling groups that are attached to it, and has what they have in service.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of load balancers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Product {
    /// Classic Load Balancer, API `Slb`.
    #[default]
    Clb,
    /// Application Load Balancer.
    Alb,
    /// Network Load Balancer.
    Nlb,
    /// Gateway Load Balancer: shown by ESS, has no API here.
    Gwlb,
}

impl Product {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clb => "CLB",
            Self::Alb => "ALB",
            Self::Nlb => "NLB",
            Self::Gwlb => "GWLB",
        }
    }
}

/// Where a request goes, and whether the servers there are checked.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Forwarding {
    pub(crate) server_group_id: String,
    pub(crate) health_check: bool,
}

/// A forwarding rule of an ALB listener.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForwardingRule {
    pub(crate) rule_id: String,
    pub(crate) to: Forwarding,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listener {
    /// Those of CLB go by their port.
    pub(crate) listener_id: String,
    pub(crate) port: u16,
    pub(crate) protocol: String,
    /// The port of the servers in the default server group of a CLB instance, which has none.
    pub(crate) backend_port: u16,
    pub(crate) to: Forwarding,
    pub(crate) rules: Vec<ForwardingRule>,
}

impl Listener {
    /// The server groups that requests may go to, the default one first.
    pub(crate) fn forwardings(&self) -> impl Iterator<Item = &Forwarding> {
        std::iter::once(&self.to).chain(self.rules.iter().map(|rule| &rule.to))
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadBalancer {
    pub(crate) load_balancer_id: String,
    pub(crate) product: Product,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) created: Timestamp,
}

/// A scaling group that keeps its members in a server group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attached {
    pub(crate) scaling_group_id: String,
    /// 0 in the default server group of a CLB instance, whose listeners say the port.
    pub(crate) port: u16,
    /// Of a member in service; the member's own when absent.
    pub(crate) weight: Option<u32>,
}

/// A server group of ALB or NLB, a vServer group of CLB, or the default server group of a CLB
/// instance, which goes by the instance's own id.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerGroup {
    pub(crate) server_group_id: String,
    pub(crate) product: Product,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// The CLB instance that it belongs to.
    pub(crate) load_balancer_id: Option<String>,
    pub(crate) attached: Vec<Attached>,
    pub(crate) created: Timestamp,
}

impl ServerGroup {
    /// Whether it is the default server group of a CLB instance.
    pub(crate) fn is_default(&self) -> bool {
        self.load_balancer_id.as_ref() == Some(&self.server_group_id)
    }
}

/// What a call did to one server of a server group, on top of what ESS does.
#[derive(Debug, Clone)]
pub(crate) struct BackendChange {
    pub(crate) what: Changed,
    /// How often ESS had placed the server when it was done: what ESS does later counts more.
    pub(crate) placements: Option<u32>,
}

#[derive(Debug, Clone)]
pub(crate) enum Changed {
    Put { weight: u32, description: String },
    Removed,
}

/// The load balancers of all accounts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balancing {
    pub(crate) balancers: BTreeMap<String, LoadBalancer>,
    pub(crate) server_groups: BTreeMap<String, ServerGroup>,
    /// Which load balancer has a listener.
    listeners: BTreeMap<String, String>,
    /// The load balancers that forward to a server group.
    forwarders: BTreeMap<String, BTreeSet<String>>,
    changes: BTreeMap<String, BTreeMap<(String, u16), BackendChange>>,
}

impl Balancing {
    /// Adds a listener to a load balancer that is there.
    pub(crate) fn listen(&mut self, load_balancer_id: &str, listener: Listener) {
        let Some(balancer) = self.balancers.get_mut(load_balancer_id) else {
            return;
        };
        for forwarding in listener.forwardings() {
            let of_group = self.forwarders.entry(forwarding.server_group_id.clone());
            of_group.or_default().insert(load_balancer_id.to_owned());
        }
        let id = listener.listener_id.clone();
        self.listeners.insert(id, load_balancer_id.to_owned());
        balancer.listeners.push(listener);
    }

    /// A listener and the load balancer that has it.
    pub(crate) fn listener(&self, id: &str) -> Option<(&LoadBalancer, &Listener)> {
        let balancer = self.balancers.get(self.listeners.get(id)?)?;
        let mut own = balancer.listeners.iter();
        Some((balancer, own.find(|l| l.listener_id == id)?))
    }

    /// The load balancers that forward to a server group, by id.
    pub(crate) fn forwarders(&self, server_group_id: &str) -> impl Iterator<Item = &LoadBalancer> {
        let ids = self.forwarders.get(server_group_id).into_iter().flatten();
        ids.filter_map(|id| self.balancers.get(id))
    }

    /// What calls did to the servers of a server group, by id and port.
    pub(crate) fn changes(
        &self,
        server_group_id: &str,
    ) -> impl Iterator<Item = (&(String, u16), &BackendChange)> {
        let of_group = self.changes.get(server_group_id);
        of_group.into_iter().flatten()
    }

    pub(crate) fn change(
        &mut self,
        server_group_id: &str,
        server: (String, u16),
        change: BackendChange,
    ) {
        let of_group = self.changes.entry(server_group_id.to_owned());
        of_group.or_default().insert(server, change);
    }
}
