//! Container groups of Elastic Container Instance (ECI), and the scaling configurations that they
//! are made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::containers::Container;

/// What becomes of a container that ends (ECI `RestartPolicy`).
pub(crate) const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];

/// The status of a container group (ECI `DescribeContainerGroups`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ContainerGroupStatus {
    Scheduling,
    ScheduleFailed,
    Pending,
    #[default]
    Running,
    Succeeded,
    Failed,
    Restarting,
    Updating,
    Terminating,
    Expired,
}

impl ContainerGroupStatus {
    /// What a filter may ask for.
    pub(crate) const NAMES: &'static [&'static str] = &[
        "Scheduling",
        "ScheduleFailed",
        "Pending",
        "Running",
        "Succeeded",
        "Failed",
        "Restarting",
        "Updating",
        "Terminating",
        "Expired",
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scheduling => "Scheduling",
            Self::ScheduleFailed => "ScheduleFailed",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Restarting => "Restarting",
            Self::Updating => "Updating",
            Self::Terminating => "Terminating",
            Self::Expired => "Expired",
        }
    }

    /// Whether ESS leaves the member alone: an update in place is no illness.
    pub(crate) fn is_healthy(self) -> bool {
        matches!(self, Self::Running | Self::Updating | Self::Restarting)
    }
}

/// `CurrentState` or `PreviousState` of a container.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerState {
    /// `Waiting`, `Running` or `Terminated`.
    pub(crate) state: &'static str,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) exit_code: Option<i64>,
    pub(crate) since: Timestamp,
}

impl ContainerState {
    pub(crate) fn running(since: Timestamp) -> Self {
        Self {
            state: "Running",
            reason: String::new(),
            message: String::new(),
            exit_code: None,
            since,
        }
    }

    pub(crate) fn waiting(reason: &str, message: &str, since: Timestamp) -> Self {
        Self {
            state: "Waiting",
            reason: reason.to_owned(),
            message: message.to_owned(),
            exit_code: None,
            since,
        }
    }
}

/// A container in a container group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunningContainer {
    pub(crate) spec: Container,
    pub(crate) ready: bool,
    pub(crate) restart_count: u32,
    pub(crate) current: ContainerState,
    pub(crate) previous: Option<ContainerState>,
}

/// A container group, which is what ESS calls an instance in a group of type ECI.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerGroup {
    pub(crate) container_group_id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) zone_id: String,
    pub(crate) status: ContainerGroupStatus,
    pub(crate) restart_policy: String,
    pub(crate) cpu: f64,
    /// GiB.
    pub(crate) memory: f64,
    pub(crate) containers: Vec<RunningContainer>,
    pub(crate) private_ip: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// (when, reason, message), oldest first.
    pub(crate) events: Vec<(Timestamp, String, String)>,
    pub(crate) created: Timestamp,
    /// How many updates it was sent.
    pub(crate) updates: u32,
}

impl ContainerGroup {
    /// The group runs, and so do all its containers.
    pub(crate) fn come_up(&mut self, now: Timestamp) {
        self.status = ContainerGroupStatus::Running;
        for container in self.containers.iter_mut().filter(|c| !c.ready) {
            container.ready = true;
            container.current = ContainerState::running(now);
        }
    }

    pub(crate) fn specs(&self) -> Vec<Container> {
        self.containers.iter().map(|c| c.spec.clone()).collect()
    }
}

/// A scaling configuration of a group of type ECI.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EciConfiguration {
    pub(crate) scaling_configuration_id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// The one group that may use it.
    pub scaling_group_id: String,
    pub(crate) container_group_name: String,
    pub(crate) restart_policy: String,
    pub(crate) cpu: f64,
    /// GiB.
    pub(crate) memory: f64,
    /// What new container groups run.
    pub containers: Vec<Container>,
    pub(crate) created: Timestamp,
}

/// What a new container group is called and where it belongs.
#[derive(Debug, Clone)]
pub(crate) struct NewContainerGroup {
    pub(crate) id: String,
    pub(crate) zone_id: String,
    pub(crate) private_ip: String,
    pub(crate) status: ContainerGroupStatus,
    pub(crate) created: Timestamp,
}

impl EciConfiguration {
    /// A container group as the configuration says now.
    pub(crate) fn make(&self, new: NewContainerGroup) -> ContainerGroup {
        let up = new.status == ContainerGroupStatus::Running;
        let current = if up {
            ContainerState::running(new.created)
        } else {
            ContainerState::waiting("ContainerCreating", "", new.created)
        };
        ContainerGroup {
            container_group_id: new.id,
            name: self.container_group_name.clone(),
            account_id: self.account_id.clone(),
            region: self.region.clone(),
            zone_id: new.zone_id,
            status: new.status,
            restart_policy: self.restart_policy.clone(),
            cpu: self.cpu,
            memory: self.memory,
            containers: self
                .containers
                .iter()
                .map(|spec| RunningContainer {
                    spec: spec.clone(),
                    ready: up,
                    restart_count: 0,
                    current: current.clone(),
                    previous: None,
                })
                .collect(),
            private_ip: new.private_ip,
            tags: BTreeMap::new(),
            events: Vec::new(),
            created: new.created,
            updates: 0,
        }
    }
}
