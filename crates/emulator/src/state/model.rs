//! What the services hold: scaling groups, instances, images, commands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::container_groups::{ContainerGroup, EciConfiguration};
use super::images::{Image, OsType, Snapshot};
use super::neighbours::{Finding, InstanceRefresh, LifecycleAction, LifecycleHook};
use crate::oos::Installed;

/// The five processes of a scaling group that can be suspended here.
pub const PROCESSES: [&str; 5] = [
    "ScaleIn",
    "ScaleOut",
    "HealthCheck",
    "AlarmNotification",
    "ScheduledAction",
];

/// Everything that reads can lag behind on. Cheap enough to copy when a lag is switched on.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    pub groups: BTreeMap<String, Group>,
    pub configurations: BTreeMap<String, Configuration>,
    pub eci_configurations: BTreeMap<String, EciConfiguration>,
    pub launch_templates: BTreeMap<String, LaunchTemplate>,
    /// Members of scaling groups, by the id of the ECS instance or container group.
    pub members: BTreeMap<String, Member>,
    pub instances: BTreeMap<String, Instance>,
    pub container_groups: BTreeMap<String, ContainerGroup>,
    pub images: BTreeMap<String, Image>,
    pub snapshots: BTreeMap<String, Snapshot>,
    pub activities: BTreeMap<String, Activity>,
    pub invocations: BTreeMap<String, Invocation>,
    pub instance_refreshes: BTreeMap<String, InstanceRefresh>,
    /// By token.
    pub lifecycle_actions: BTreeMap<String, LifecycleAction>,
}

/// What the members of a scaling group are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GroupType {
    #[default]
    Ecs,
    /// Container groups of Elastic Container Instance.
    Eci,
}

impl GroupType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::Eci => "ECI",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub scaling_group_id: String,
    pub group_type: GroupType,
    pub name: String,
    pub account_id: String,
    pub region: String,
    pub enabled: bool,
    pub min_size: usize,
    pub max_size: usize,
    pub desired_capacity: usize,
    pub suspended_processes: BTreeSet<String>,
    pub source: InstanceSource,
    pub load_balancer_ids: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub created: Timestamp,
    pub lifecycle_hooks: Vec<LifecycleHook>,
    /// What the latest diagnosis found.
    pub diagnosis: Vec<Finding>,
    /// Until when changes of load-balancer weights are refused with `BackendServer.configuring`.
    #[serde(skip)]
    pub backend_busy_until: Option<Timestamp>,
}

/// Where new instances of a group come from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum InstanceSource {
    /// The active scaling configuration, of the group's type.
    Configuration(String),
    LaunchTemplate {
        id: String,
        /// A number, `Default` or `Latest`.
        version: String,
    },
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    pub scaling_configuration_id: String,
    pub name: String,
    pub account_id: String,
    pub region: String,
    pub scaling_group_id: String,
    pub image_id: String,
    pub instance_type: String,
    pub user_data: Option<String>,
    pub key_pair_name: Option<String>,
    pub created: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchTemplateVersion {
    pub version: u64,
    pub image_id: String,
    #[serde(default)]
    pub user_data: Option<String>,
    #[serde(default)]
    pub key_pair_name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchTemplate {
    pub launch_template_id: String,
    pub name: String,
    pub account_id: String,
    pub region: String,
    pub default_version: u64,
    pub versions: Vec<LaunchTemplateVersion>,
}

impl LaunchTemplate {
    /// By number, `Default` or `Latest`.
    pub fn version(&self, version: &str) -> Option<&LaunchTemplateVersion> {
        let number = match version {
            "Default" => self.default_version,
            "Latest" => self.versions.iter().map(|v| v.version).max()?,
            number => number.parse().ok()?,
        };
        self.versions.iter().find(|v| v.version == number)
    }
}

/// The states of a member of a scaling group that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleState {
    InService,
    Pending,
    Protected,
    Standby,
    Removing,
    /// Held by a lifecycle hook on its way in.
    #[serde(rename = "Pending:Wait")]
    PendingWait,
    /// Held by a lifecycle hook on its way out.
    #[serde(rename = "Removing:Wait")]
    RemovingWait,
}

impl LifecycleState {
    pub fn name(self) -> &'static str {
        match self {
            Self::InService => "InService",
            Self::Pending => "Pending",
            Self::Protected => "Protected",
            Self::Standby => "Standby",
            Self::Removing => "Removing",
            Self::PendingWait => "Pending:Wait",
            Self::RemovingWait => "Removing:Wait",
        }
    }
}

/// How an instance came into its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreationType {
    AutoCreated,
    Attached,
    Managed,
}

impl CreationType {
    pub fn name(self) -> &'static str {
        match self {
            Self::AutoCreated => "AutoCreated",
            Self::Attached => "Attached",
            Self::Managed => "Managed",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub instance_id: String,
    pub scaling_group_id: String,
    pub lifecycle_state: LifecycleState,
    pub creation_type: CreationType,
    pub scaling_configuration_id: Option<String>,
    pub launch_template: Option<(String, String)>,
    pub load_balancer_weight: u32,
    /// The weight outside Standby.
    pub normal_weight: u32,
    pub activity_id: Option<String>,
    pub created: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceStatus {
    Running,
    Starting,
    Stopping,
    Stopped,
}

impl InstanceStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Starting => "Starting",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
        }
    }
}

/// An ECS instance.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub instance_id: String,
    pub account_id: String,
    pub region: String,
    pub status: InstanceStatus,
    /// When a Starting or Stopping instance gets there.
    #[serde(skip)]
    pub settles_at: Option<Timestamp>,
    pub image_id: String,
    pub os_type: OsType,
    pub architecture: String,
    pub zone_id: String,
    pub instance_type: String,
    pub private_ip: String,
    pub disk_id: String,
    pub disk_size: u64,
    pub disk_ready: bool,
    pub user_data: Option<String>,
    pub key_pair_name: Option<String>,
    /// Whether the Cloud Assistant client answers.
    pub cloud_assistant: bool,
    pub tags: BTreeMap<String, String>,
    pub created: Timestamp,
    /// How many commands were sent to it.
    pub commands_sent: u32,
    /// OOS packages that are installed, by name.
    pub packages: BTreeMap<String, Installed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ActivityStatus {
    InProgress,
    Successful,
    Warning,
    Failed,
    Rejected,
}

impl ActivityStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Warning => "Warning",
            Self::Failed => "Failed",
            Self::Rejected => "Rejected",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    pub scaling_activity_id: String,
    pub scaling_group_id: String,
    pub status: ActivityStatus,
    pub description: String,
    pub cause: String,
    pub error_code: String,
    pub error_message: String,
    pub created_instances: Vec<String>,
    pub destroyed_instances: Vec<String>,
    pub started: Timestamp,
    pub ends_at: Timestamp,
    pub ended: Option<Timestamp>,
    pub total_capacity: usize,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    pub invoke_id: String,
    pub command_id: String,
    pub account_id: String,
    pub region: String,
    pub name: String,
    pub command_type: String,
    pub command_content: String,
    pub timeout_seconds: i64,
    pub created: Timestamp,
    pub runs: BTreeMap<String, CommandRun>,
}

/// One command on one instance.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandRun {
    /// `Running`, `Success`, `Failed`, `Timeout`, `Aborted`, `Terminated`, ...
    pub status: String,
    pub exit_code: Option<i64>,
    pub error_code: String,
    pub error_info: String,
    pub output: String,
    pub started: Timestamp,
    pub finished: Option<Timestamp>,
    /// What it becomes when it ends.
    #[serde(skip)]
    pub verdict: Option<Box<CommandRun>>,
}

/// What a new instance of a group is made from.
#[derive(Debug, Clone)]
pub struct Blueprint {
    pub image_id: String,
    pub instance_type: String,
    pub user_data: Option<String>,
    pub key_pair_name: Option<String>,
}

impl Resources {
    /// What `source` says now.
    pub fn blueprint(&self, source: &InstanceSource) -> Option<Blueprint> {
        match source {
            InstanceSource::Configuration(id) => self.configurations.get(id).map(|c| Blueprint {
                image_id: c.image_id.clone(),
                instance_type: c.instance_type.clone(),
                user_data: c.user_data.clone(),
                key_pair_name: c.key_pair_name.clone(),
            }),
            InstanceSource::LaunchTemplate { id, version } => {
                let version = self.launch_templates.get(id)?.version(version)?;
                Some(Blueprint {
                    image_id: version.image_id.clone(),
                    instance_type: "ecs.g7.large".into(),
                    user_data: version.user_data.clone(),
                    key_pair_name: version.key_pair_name.clone(),
                })
            }
        }
    }

    /// The members of a group, by instance id.
    pub fn members_of<'a>(&'a self, group_id: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members
            .values()
            .filter(move |m| m.scaling_group_id == group_id)
    }
}

/// What sets a scaling activity off: processes can be suspended for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    #[default]
    Manual,
    /// Held back by a suspended ScheduledAction.
    Scheduled,
    /// Held back by a suspended AlarmNotification.
    Alarm,
}
