//! Container groups of Elastic Container Instance (ECI), and the scaling configurations that they
//! are made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::containers::Container;

/// The status of a container group (ECI `DescribeContainerGroups`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerGroupStatus {
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
    pub fn name(self) -> &'static str {
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
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Running | Self::Updating | Self::Restarting)
    }
}

/// `CurrentState` or `PreviousState` of a container.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerState {
    /// `Waiting`, `Running` or `Terminated`.
    pub state: &'static str,
    pub reason: String,
    pub message: String,
    pub exit_code: Option<i64>,
    pub since: Timestamp,
}

impl ContainerState {
    pub fn running(since: Timestamp) -> Self {
        Self {
            state: "Running",
            reason: String::new(),
            message: String::new(),
            exit_code: None,
            since,
        }
    }

    pub fn waiting(reason: &str, message: &str, since: Timestamp) -> Self {
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
pub struct RunningContainer {
    pub spec: Container,
    pub ready: bool,
    pub restart_count: u32,
    pub current: ContainerState,
    pub previous: Option<ContainerState>,
}

/// A container group, which is what ESS calls an instance in a group of type ECI.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerGroup {
    pub container_group_id: String,
    pub name: String,
    pub account_id: String,
    pub region: String,
    pub zone_id: String,
    pub status: ContainerGroupStatus,
    pub restart_policy: String,
    pub cpu: f64,
    /// GiB.
    pub memory: f64,
    pub containers: Vec<RunningContainer>,
    pub private_ip: String,
    pub tags: BTreeMap<String, String>,
    /// (when, reason, message), oldest first.
    pub events: Vec<(Timestamp, String, String)>,
    pub created: Timestamp,
    /// How many updates it was sent.
    pub updates: u32,
}

impl ContainerGroup {
    /// The group runs, and so do all its containers.
    pub fn come_up(&mut self, now: Timestamp) {
        self.status = ContainerGroupStatus::Running;
        for container in self.containers.iter_mut().filter(|c| !c.ready) {
            container.ready = true;
            container.current = ContainerState::running(now);
        }
    }

    pub fn specs(&self) -> Vec<Container> {
        self.containers.iter().map(|c| c.spec.clone()).collect()
    }
}

/// A scaling configuration of a group of type ECI.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EciConfiguration {
    pub scaling_configuration_id: String,
    pub name: String,
    pub account_id: String,
    pub region: String,
    pub scaling_group_id: String,
    pub container_group_name: String,
    pub restart_policy: String,
    pub cpu: f64,
    /// GiB.
    pub memory: f64,
    pub containers: Vec<Container>,
    pub created: Timestamp,
}

/// What a new container group is called and where it belongs.
#[derive(Debug, Clone)]
pub struct NewContainerGroup {
    pub id: String,
    pub zone_id: String,
    pub private_ip: String,
    pub status: ContainerGroupStatus,
    pub created: Timestamp,
}

impl EciConfiguration {
    /// A container group as the configuration says now.
    pub fn make(&self, new: NewContainerGroup) -> ContainerGroup {
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
