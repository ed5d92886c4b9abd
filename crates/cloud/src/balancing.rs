//! Load balancers: where the instances of a scaling group are backend servers, with which weight, and how healthy they are found.
//!
//! Classic Load Balancer (CLB, service SLB) tells of every server and port. Application and Network Load Balancer (ALB, NLB) tell,
//! for each listener, of the servers that are *not* normal: one that is not told of is normal where it is in the server group, and
//! only there.

use std::fmt;

use crate::words::open_enum;

/// A server group that a scaling group puts its instances into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerGroup {
    /// The default server group of a CLB instance (`LoadBalancerIds`).
    Default {
        /// The CLB instance.
        load_balancer: String,
    },
    /// A vServer group of CLB (`VServerGroups`).
    VServerGroup {
        /// The CLB instance.
        load_balancer: String,
        /// `VServerGroupId`.
        group: String,
    },
    /// A server group of ALB (`AlbServerGroups`, `ServerGroups`).
    Alb {
        /// `ServerGroupId`.
        group: String,
    },
    /// A server group of NLB (`ServerGroups`).
    Nlb {
        /// `ServerGroupId`.
        group: String,
    },
    /// One of a product that has no API for the health of its servers: GWLB (`ServerGroups`).
    Other {
        /// `Type`.
        product: String,
        /// `ServerGroupId`.
        group: String,
    },
}

impl fmt::Display for ServerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { load_balancer } => write!(f, "CLB {load_balancer}"),
            Self::VServerGroup {
                load_balancer,
                group,
            } => write!(f, "vServer group {group} of CLB {load_balancer}"),
            Self::Alb { group } => write!(f, "ALB server group {group}"),
            Self::Nlb { group } => write!(f, "NLB server group {group}"),
            Self::Other { product, group } => write!(f, "{product} server group {group}"),
        }
    }
}

/// Which of the two products that have listeners with ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BalancerProduct {
    /// Application Load Balancer.
    Alb,
    /// Network Load Balancer.
    Nlb,
}

/// A server in a server group. One instance may be in it several times, with other ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendServer {
    /// `ServerId`: an instance, a container group.
    pub server: String,
    /// `Port`; 0 in the default server group of CLB, which has none.
    pub port: i64,
    /// `Weight`: 0 gets no requests.
    pub weight: i64,
    /// `Status` of ALB and NLB: it is being added or removed, if this is not so.
    pub available: bool,
}

open_enum! {
    /// `ServerHealthStatus` of CLB, `Status` of ALB and NLB.
    ServerHealth {
        /// CLB: healthy.
        Normal = "normal",
        /// CLB: not healthy.
        Abnormal = "abnormal",
        /// CLB: there is no health check, or none has ended.
        NotChecked = "unavailable",
        /// ALB, NLB: no check has ended.
        Initial = "Initial",
        /// ALB, NLB: not healthy.
        Unhealthy = "Unhealthy",
        /// ALB: of weight 0, or in a zone that the balancer is not in.
        Unused = "Unused",
        /// ALB, NLB: there is no health check.
        Unavailable = "Unavailable",
    }
}

/// How a server is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthOfServer {
    /// `ServerId`.
    pub server: String,
    /// `Port` of the server.
    pub port: i64,
    /// How it is found.
    pub health: ServerHealth,
    /// `ReasonCode`, where one is told.
    pub reason: String,
}

/// What a listener of ALB or NLB tells of a server group that it forwards to, be it by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthOfGroup {
    /// `ServerGroupId`.
    pub group: String,
    /// Whether its servers are checked.
    pub checked: bool,
    /// Those that are not normal.
    pub not_normal: Vec<HealthOfServer>,
}
