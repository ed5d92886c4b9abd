//! What the services hold: scaling groups, instances, images, commands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::activities::Activity;
use super::alarms::Alarms;
use super::attachments::Attachments;
use super::balancing::Balancing;
use super::commands::SavedCommand;
use super::container_groups::{ContainerGroup, EciConfiguration};
use super::disks::{Disk, DiskAttributes};
use super::file_sends::FileSend;
use super::images::{Image, OsType, Snapshot};
use super::members::{InGroup, Members};
use super::neighbours::{Finding, InstanceRefresh, LifecycleAction, LifecycleHook};
use super::scaling_rules::ScalingRule;
use super::settings::Settings;
use crate::oos::Installed;

/// The five processes of a scaling group that can be suspended here.
pub(crate) const PROCESSES: [&str; 5] = [
    "ScaleIn",
    "ScaleOut",
    "HealthCheck",
    "AlarmNotification",
    "ScheduledAction",
];

/// Everything that reads can lag behind on. Cheap enough to copy when a lag is switched on.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Scaling groups by id.
    pub groups: BTreeMap<String, Group>,
    /// Scaling configurations of groups of type ECS, by id.
    pub configurations: BTreeMap<String, Configuration>,
    /// Those of groups of type ECI, by id.
    pub eci_configurations: BTreeMap<String, EciConfiguration>,
    pub(crate) launch_templates: BTreeMap<String, LaunchTemplate>,
    /// Members of scaling groups, by the id of the ECS instance or container group.
    pub members: Members<Member>,
    /// ECS instances by id, members of a group or not.
    pub instances: BTreeMap<String, Instance>,
    /// The instance that each system disk belongs to.
    pub(crate) system_disks: BTreeMap<String, String>,
    /// All other disks, by id.
    pub(crate) disks: BTreeMap<String, Disk>,
    pub(crate) container_groups: BTreeMap<String, ContainerGroup>,
    /// Images by id, public and own.
    pub images: BTreeMap<String, Image>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) activities: BTreeMap<String, Activity>,
    pub(crate) invocations: BTreeMap<String, Invocation>,
    /// Commands that were created or kept, by id.
    pub(crate) commands: BTreeMap<String, SavedCommand>,
    /// Files that were sent, by the id of the invocation.
    pub(crate) file_sends: BTreeMap<String, FileSend>,
    pub(crate) instance_refreshes: BTreeMap<String, InstanceRefresh>,
    pub(crate) balancing: Balancing,
    /// Rules of CloudMonitor and alarms of ESS.
    pub alarms: Alarms,
    /// By id.
    pub(crate) scaling_rules: BTreeMap<String, ScalingRule>,
    /// By token.
    pub(crate) lifecycle_actions: BTreeMap<String, LifecycleAction>,
}

/// What the members of a scaling group are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum GroupType {
    #[default]
    Ecs,
    /// Container groups of Elastic Container Instance.
    Eci,
}

impl GroupType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::Eci => "ECI",
        }
    }
}

/// A scaling group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub(crate) scaling_group_id: String,
    pub(crate) group_type: GroupType,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) enabled: bool,
    pub(crate) min_size: usize,
    pub(crate) max_size: usize,
    pub(crate) desired_capacity: usize,
    /// Those of the five that do nothing until they are resumed.
    pub suspended_processes: BTreeSet<String>,
    /// What an instance is made from that is added now.
    pub source: InstanceSource,
    pub(crate) load_balancer_ids: Vec<String>,
    /// Server groups that its members are in.
    #[serde(flatten)]
    pub(crate) attachments: Attachments,
    /// The application group of CloudMonitor that has its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) monitor_group_id: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Keys of those that new instances get, too.
    pub(crate) propagated_tags: BTreeSet<String>,
    /// Empty when the fixture gives none.
    pub(crate) resource_group_id: String,
    /// Seconds. Only shown: there are no scaling rules.
    pub(crate) default_cooldown: i64,
    /// Only shown: groups cannot be deleted.
    pub(crate) deletion_protection: bool,
    pub(crate) created: Timestamp,
    pub(crate) lifecycle_hooks: Vec<LifecycleHook>,
    /// What the latest diagnosis found.
    pub(crate) diagnosis: Vec<Finding>,
    /// What was given besides.
    #[serde(skip)]
    pub(crate) settings: Settings,
    /// Whether its size was changed to less than it has: members are removed until it fits. What
    /// came in otherwise (a fixture, AttachInstances) is left as it is.
    #[serde(skip)]
    pub(crate) is_too_large: bool,
    /// Until when changes of load-balancer weights are refused with `BackendServer.configuring`.
    #[serde(skip)]
    pub(crate) backend_busy_until: Option<Timestamp>,
}

impl Group {
    /// How many members it is to have at most now, of so many that it has.
    pub(crate) fn kept_of(&self, total: usize) -> usize {
        match self.is_too_large {
            true => total.min(self.desired_capacity.min(self.max_size)),
            false => total,
        }
    }

    pub(crate) fn has_load_balancers(&self) -> bool {
        !self.load_balancer_ids.is_empty()
            || !self.attachments.v_server_groups.is_empty()
            || !self.attachments.alb_server_groups.is_empty()
            || !self.attachments.server_groups.is_empty()
    }
}

/// Where new instances of a group come from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum InstanceSource {
    /// The active scaling configuration, of the group's type.
    Configuration(String),
    /// A launch template of ECS, in place of a configuration.
    LaunchTemplate {
        /// `lt-…`.
        id: String,
        /// A number, `Default` or `Latest`.
        version: String,
    },
}

/// A scaling configuration of a group of type ECS.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// `asc-…`.
    pub scaling_configuration_id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// The one group that may use it.
    pub scaling_group_id: String,
    /// What new instances get.
    pub image_id: String,
    pub(crate) instance_type: String,
    pub(crate) user_data: Option<String>,
    pub(crate) key_pair_name: Option<String>,
    /// What was given besides.
    #[serde(skip)]
    pub(crate) settings: Settings,
    pub(crate) created: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LaunchTemplateVersion {
    pub(crate) version: u64,
    pub(crate) image_id: String,
    #[serde(default)]
    pub(crate) user_data: Option<String>,
    #[serde(default)]
    pub(crate) key_pair_name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LaunchTemplate {
    pub(crate) launch_template_id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) default_version: u64,
    pub(crate) versions: Vec<LaunchTemplateVersion>,
    #[serde(skip)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl LaunchTemplate {
    /// By number, `Default` or `Latest`.
    pub(crate) fn version(&self, version: &str) -> Option<&LaunchTemplateVersion> {
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
    /// It takes traffic and counts as healthy while its instance runs.
    InService,
    /// On its way in.
    Pending,
    /// In service, and never chosen by a scale-in.
    Protected,
    /// Out of service and not looked after, as an update wants it.
    Standby,
    /// On its way out.
    Removing,
    /// Held by a lifecycle hook on its way in.
    #[serde(rename = "Pending:Wait")]
    PendingWait,
    /// Held by a lifecycle hook on its way out.
    #[serde(rename = "Removing:Wait")]
    RemovingWait,
}

impl LifecycleState {
    pub(crate) fn name(self) -> &'static str {
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
pub(crate) enum CreationType {
    AutoCreated,
    Attached,
    Managed,
}

impl CreationType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AutoCreated => "AutoCreated",
            Self::Attached => "Attached",
            Self::Managed => "Managed",
        }
    }
}

/// An ECS instance or container group as the member of a scaling group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Of the instance or container group.
    pub instance_id: String,
    pub(crate) scaling_group_id: String,
    /// Where ESS has it.
    pub lifecycle_state: LifecycleState,
    pub(crate) creation_type: CreationType,
    pub(crate) scaling_configuration_id: Option<String>,
    pub(crate) launch_template: Option<(String, String)>,
    /// Its weight in the backend servers of the group: 0 in Standby.
    pub load_balancer_weight: u32,
    /// The weight outside Standby.
    pub(crate) normal_weight: u32,
    pub(crate) activity_id: Option<String>,
    /// Whether the instance goes with it. Those that were attached stay, unless they were entrusted.
    #[serde(skip)]
    pub(crate) entrusted: bool,
    /// Whether somebody said that it is unhealthy (SetInstanceHealth).
    #[serde(skip)]
    pub(crate) said_unhealthy: bool,
    pub(crate) created: Timestamp,
    #[serde(skip)]
    pub(crate) traffic: Traffic,
}

impl InGroup for Member {
    fn group_id(&self) -> &str {
        &self.scaling_group_id
    }
}

/// What ESS did with a member in the load balancers of its group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// How often ESS set its weight. What calls did to the load balancer before does not count any
    /// more.
    pub(crate) placements: u32,
    /// How often it came out of Standby.
    pub(crate) returns: u32,
    /// When it came into service last; `None` for those that are there from the start.
    pub(crate) since: Option<Timestamp>,
}

/// The statuses of an ECS instance that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceStatus {
    /// It is being made (RunInstances, CreateInstance).
    Pending,
    /// It can run commands.
    Running,
    /// On its way to Running, for as long as the fixture says.
    Starting,
    /// On its way to Stopped, likewise.
    Stopping,
    /// Its system disk can be replaced.
    Stopped,
}

impl InstanceStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
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
    pub(crate) instance_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// What ECS says; ESS goes by it.
    pub status: InstanceStatus,
    /// When a Starting or Stopping instance gets there.
    #[serde(skip)]
    pub settles_at: Option<Timestamp>,
    /// Since when it has been Running; `None` for the start of the scene.
    #[serde(skip)]
    pub(crate) running_since: Option<Timestamp>,
    /// What its system disk was last made from.
    pub image_id: String,
    pub(crate) os_type: OsType,
    pub(crate) architecture: String,
    pub(crate) zone_id: String,
    pub(crate) instance_type: String,
    pub(crate) private_ip: String,
    pub(crate) disk_id: String,
    pub(crate) disk_size: u64,
    pub(crate) disk_ready: bool,
    /// What somebody gave to its system disk.
    #[serde(skip)]
    pub(crate) system_disk: Option<Box<DiskAttributes>>,
    pub(crate) user_data: Option<String>,
    pub(crate) key_pair_name: Option<String>,
    /// Whether the Cloud Assistant client answers.
    pub(crate) cloud_assistant: bool,
    pub(crate) attributes: Attributes,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    /// How many commands were sent to it.
    pub(crate) commands_sent: u32,
    /// OOS packages that are installed, by name.
    pub(crate) packages: BTreeMap<String, Installed>,
}

impl Instance {
    /// What it is called: by its id unless somebody gave it a name.
    pub(crate) fn name(&self) -> &str {
        let name = self.attributes.instance_name.as_ref();
        name.unwrap_or(&self.instance_id)
    }
}

/// What an instance has that rolling updates do not touch.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attributes {
    pub(crate) instance_name: Option<String>,
    pub(crate) host_name: Option<String>,
    pub(crate) description: String,
    /// DeleteInstance refuses.
    pub(crate) deletion_protection: bool,
    /// What becomes of the bill while it is stopped.
    pub(crate) stopped_mode: &'static str,
    pub(crate) vpc_id: String,
    pub(crate) v_switch_id: String,
    pub(crate) security_group_ids: Vec<String>,
    pub(crate) public_ip_address: Option<String>,
    /// Empty when the fixture gives none.
    pub(crate) resource_group_id: String,
    /// What was given besides and is only shown, by the names of DescribeInstances.
    #[serde(skip)]
    pub(crate) told: Settings,
}

impl Attributes {
    /// How traffic to the internet is paid for.
    pub(crate) fn internet_charge_type(&self) -> &str {
        let given = self.told.get("InternetChargeType");
        given
            .and_then(serde_json::Value::as_str)
            .unwrap_or("PayByTraffic")
    }

    /// Whether it is not short of I/O, as every instance is that nobody wanted otherwise.
    pub(crate) fn is_io_optimized(&self) -> bool {
        self.told.get("IoOptimized") != Some(&serde_json::Value::Bool(false))
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            instance_name: None,
            host_name: None,
            description: String::new(),
            deletion_protection: false,
            stopped_mode: "Not-applicable",
            vpc_id: "vpc-emulator".into(),
            v_switch_id: "vsw-emulator".into(),
            security_group_ids: vec!["sg-emulator".into()],
            public_ip_address: None,
            resource_group_id: String::new(),
            told: Settings::default(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invocation {
    pub(crate) invoke_id: String,
    pub(crate) command_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) command_type: String,
    pub(crate) command_content: String,
    pub(crate) timeout_seconds: i64,
    pub(crate) description: String,
    pub(crate) working_dir: String,
    pub(crate) username: String,
    /// `Process` or `ProcessTree`, when it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) termination_mode: Option<String>,
    /// Of the placeholders in the content.
    pub(crate) parameters: serde_json::Map<String, serde_json::Value>,
    pub(crate) resource_group_id: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) runs: BTreeMap<String, CommandRun>,
}

/// One command on one instance.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandRun {
    /// `Running`, `Success`, `Failed`, `Timeout`, `Aborted`, `Terminated`, ...
    pub(crate) status: String,
    pub(crate) exit_code: Option<i64>,
    pub(crate) error_code: String,
    pub(crate) error_info: String,
    /// No more of it than can be shown.
    pub(crate) output: String,
    /// Bytes of the output that are not kept.
    #[serde(skip)]
    pub(crate) output_lost: usize,
    pub(crate) started: Timestamp,
    pub(crate) finished: Option<Timestamp>,
    /// What it becomes when it ends.
    #[serde(skip)]
    pub(crate) verdict: Option<Box<CommandRun>>,
}

/// What a new instance of a group is made from.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) image_id: String,
    pub(crate) instance_type: String,
    pub(crate) user_data: Option<String>,
    pub(crate) key_pair_name: Option<String>,
    pub(crate) settings: Settings,
}

impl Resources {
    /// What `source` says now.
    pub(crate) fn blueprint(&self, source: &InstanceSource) -> Option<Blueprint> {
        match source {
            InstanceSource::Configuration(id) => self.configurations.get(id).map(|c| Blueprint {
                image_id: c.image_id.clone(),
                instance_type: c.instance_type.clone(),
                user_data: c.user_data.clone(),
                key_pair_name: c.key_pair_name.clone(),
                settings: c.settings.clone(),
            }),
            InstanceSource::LaunchTemplate { id, version } => {
                let version = self.launch_templates.get(id)?.version(version)?;
                Some(Blueprint {
                    image_id: version.image_id.clone(),
                    instance_type: "ecs.g7.large".into(),
                    user_data: version.user_data.clone(),
                    key_pair_name: version.key_pair_name.clone(),
                    settings: Settings::default(),
                })
            }
        }
    }

    /// The members of a group, by instance id.
    pub fn members_of<'a>(&'a self, group_id: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members.of_group(group_id)
    }
}
