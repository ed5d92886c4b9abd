//! What the cloud answers, reduced to what decisions use. Enums from outside keep unknown values.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::balancing::ServerGroup;
use crate::words::open_enum;

open_enum! {
    /// ESS `GroupType`.
    GroupType {
        /// Instances are ECS instances.
        Ecs = "ECS",
        /// Instances are elastic container instances.
        Eci = "ECI",
    }
}

open_enum! {
    /// ESS `LifecycleState` of a scaling group.
    GroupState {
        /// Scales.
        Active = "Active",
        /// Disabled by a person.
        Inactive = "Inactive",
        /// On its way out.
        Deleting = "Deleting",
    }
}

open_enum! {
    /// ESS scaling process.
    Process {
        /// Removing instances.
        ScaleIn = "ScaleIn",
        /// Adding instances.
        ScaleOut = "ScaleOut",
        /// Replacing unhealthy instances.
        HealthCheck = "HealthCheck",
        /// Rules fired by alarms.
        AlarmNotification = "AlarmNotification",
        /// Scheduled tasks.
        ScheduledAction = "ScheduledAction",
    }
}

impl Process {
    /// The five that a rolling update suspends (template parameter `enterProcess`).
    pub const ALL: [Process; 5] = [
        Process::ScaleIn,
        Process::ScaleOut,
        Process::HealthCheck,
        Process::AlarmNotification,
        Process::ScheduledAction,
    ];
}

open_enum! {
    /// ESS `LifecycleState` of an instance.
    LifecycleState {
        /// Serving.
        InService = "InService",
        /// Serving, and not removed by scale-in.
        Protected = "Protected",
        /// Load-balancer weight 0, not health-checked.
        Standby = "Standby",
        /// Joining.
        Pending = "Pending",
        /// Joining, held by a lifecycle hook.
        PendingWait = "Pending:Wait",
        /// Leaving.
        Removing = "Removing",
        /// Leaving, held by a lifecycle hook.
        RemovingWait = "Removing:Wait",
        /// Stopped in economical mode.
        Stopped = "Stopped",
    }
}

impl LifecycleState {
    /// Whether it may be in Standby. An unknown word may be another one for it: what is taken for serving is not put back.
    pub fn may_be_standby(&self) -> bool {
        matches!(self, Self::Standby | Self::Unknown(_))
    }
}

open_enum! {
    /// ECS `Status` of an instance.
    EcsStatus {
        /// Being created.
        Pending = "Pending",
        /// Up, as a virtual machine.
        Running = "Running",
        /// On its way up.
        Starting = "Starting",
        /// On its way down.
        Stopping = "Stopping",
        /// Down.
        Stopped = "Stopped",
    }
}

open_enum! {
    /// ECI `Status` of a container group.
    ContainerGroupStatus {
        /// Being placed.
        Scheduling = "Scheduling",
        /// Could not be placed.
        ScheduleFailed = "ScheduleFailed",
        /// Being created.
        Pending = "Pending",
        /// Up. Says nothing of the readiness of its containers.
        Running = "Running",
        /// All containers ended well.
        Succeeded = "Succeeded",
        /// A container ended badly and is not started again.
        Failed = "Failed",
        /// Containers are being started again.
        Restarting = "Restarting",
        /// Containers are being exchanged.
        Updating = "Updating",
        /// On its way out.
        Terminating = "Terminating",
        /// A preemptible one that was taken back.
        Expired = "Expired",
    }
}

open_enum! {
    /// ECS `Status` of an image.
    ImageStatus {
        /// Being built.
        Creating = "Creating",
        /// Queued.
        Waiting = "Waiting",
        /// Usable.
        Available = "Available",
        /// Not usable.
        UnAvailable = "UnAvailable",
        /// The build failed.
        CreateFailed = "CreateFailed",
        /// Usable, but its owner advises against it.
        Deprecated = "Deprecated",
    }
}

open_enum! {
    /// OOS `Status` of an execution or a task execution.
    ExecutionStatus {
        /// Accepted.
        Started = "Started",
        /// Held by OOS flow control.
        Queued = "Queued",
        /// Not yet runnable.
        Pending = "Pending",
        /// In progress.
        Running = "Running",
        /// Needs something from outside.
        Waiting = "Waiting",
        /// Ended well.
        Success = "Success",
        /// Ended badly.
        Failed = "Failed",
        /// Ended by CancelExecution.
        Cancelled = "Cancelled",
        /// Not run.
        Skipped = "Skipped",
    }
}

impl ExecutionStatus {
    /// Whether nothing more will happen. Unknown words are taken as not final.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Success | Self::Failed | Self::Cancelled | Self::Skipped
        )
    }
}

/// A scaling group (ESS DescribeScalingGroups).
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingGroup {
    /// `ScalingGroupId`.
    pub id: String,
    /// `GroupType`.
    pub group_type: GroupType,
    /// `LifecycleState`.
    pub state: GroupState,
    /// `SuspendedProcesses`; null reads as none. Sorted.
    pub suspended_processes: Vec<Process>,
    /// `ActiveScalingConfigurationId`, where the group uses one.
    pub active_scaling_configuration: Option<String>,
    /// `LaunchTemplateId`, where the group uses one.
    pub launch_template: Option<String>,
    /// `TotalInstanceCount`.
    pub total_instances: i64,
    /// Instances joining or leaving: the sum of the Pending, PendingWait, Removing and RemovingWait
    /// capacities.
    pub instances_in_motion: i64,
    /// Those of them that a lifecycle hook holds: the sum of the PendingWait and RemovingWait
    /// capacities.
    pub instances_held: i64,
    /// `MonitorGroupId`: its application group in CloudMonitor, if it has one.
    pub monitor_group: Option<String>,
    /// `LoadBalancerIds`, `VServerGroups`, `AlbServerGroups`, `ServerGroups`: where its instances are backend servers. Sorted, each
    /// once.
    pub server_groups: Vec<ServerGroup>,
    /// `Tags`: keys and their values.
    pub tags: BTreeMap<String, String>,
}

/// A member of a scaling group (ESS DescribeScalingInstances).
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingInstance {
    /// `InstanceId`.
    pub id: String,
    /// `LifecycleState`.
    pub state: LifecycleState,
    /// `CreationType`: `AutoCreated`, `Attached`, `Managed`.
    pub creation_type: String,
    /// `LoadBalancerWeight`, where it was given.
    pub load_balancer_weight: Option<i64>,
    /// `ScalingConfigurationId`, where it has one.
    pub scaling_configuration: Option<String>,
}

/// A scaling activity (ESS DescribeScalingActivities).
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingActivity {
    /// `ScalingActivityId`.
    pub id: String,
    /// `Description`.
    pub description: String,
    /// `Progress`, percent.
    pub progress: i64,
}

/// A scaling configuration (ESS DescribeScalingConfigurations).
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingConfiguration {
    /// `ScalingConfigurationId`.
    pub id: String,
    /// `ScalingGroupId`.
    pub group: String,
    /// `ImageId`.
    pub image: Option<String>,
}

/// An image (ECS DescribeImages).
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// `ImageId`.
    pub id: String,
    /// `Status`.
    pub status: ImageStatus,
    /// `Architecture`: `x86_64`, `arm64`, ….
    pub architecture: String,
    /// `OSType`: `linux` or `windows`.
    pub os_type: String,
    /// `Size`, GiB.
    pub size_gib: i64,
}

/// An instance (ECS DescribeInstances).
#[derive(Debug, Clone, PartialEq)]
pub struct EcsInstance {
    /// `InstanceId`.
    pub id: String,
    /// `Status`.
    pub status: EcsStatus,
    /// `ImageId`: after an image update the new one.
    pub image: String,
    /// `OSType`.
    pub os_type: String,
    /// `InstanceType`.
    pub instance_type: String,
    /// Private addresses: `VpcAttributes.PrivateIpAddress`, of the classic network `InnerIpAddress`.
    pub addresses: Vec<String>,
}

/// An OOS execution (ListExecutions, StartExecution).
#[derive(Clone, PartialEq)]
pub struct Execution {
    /// `ExecutionId`.
    pub id: String,
    /// `ParentExecutionId`; empty reads as none.
    pub parent: Option<String>,
    /// `TemplateName`; of a nested execution its action.
    pub template_name: String,
    /// `TemplateVersion`.
    pub template_version: String,
    /// `Status`.
    pub status: ExecutionStatus,
    /// `StatusMessage`.
    pub status_message: String,
    /// `WaitingStatus`: values not documented; shown, never branched on.
    pub waiting_status: String,
    /// `Mode`.
    pub mode: String,
    /// `SafetyCheck`.
    pub safety_check: String,
    /// `Category`; `TimerTrigger` executions wait by nature.
    pub category: String,
    /// `ExecutedBy`.
    pub executed_by: String,
    /// `StartDate`, of the cloud's clock.
    pub start: Option<Timestamp>,
    /// `EndDate`.
    pub end: Option<Timestamp>,
    /// `UpdateDate`.
    pub updated: Option<Timestamp>,
    /// `Parameters`, a string in one API and an object in the other; always an object here.
    pub parameters: Map<String, Value>,
    /// `Counters`, as given.
    pub counters: Map<String, Value>,
    /// `CurrentTasks[].TaskAction`.
    pub current_actions: Vec<String>,
    /// `Tags`.
    pub tags: BTreeMap<String, String>,
}

/// One task of an execution (OOS ListTaskExecutions).
#[derive(Debug, Clone, PartialEq)]
pub struct TaskExecution {
    /// `TaskExecutionId`, opaque.
    pub id: String,
    /// `TaskName`.
    pub name: String,
    /// `TaskAction`.
    pub action: String,
    /// `ParentTaskExecutionId`: the loop task of a loop item.
    pub parent: Option<String>,
    /// `ChildExecutionId`: the nested execution.
    pub child_execution: Option<String>,
    /// `Status`.
    pub status: ExecutionStatus,
    /// `StatusMessage`: where OOS says what failed.
    pub status_message: String,
    /// `StartDate`.
    pub start: Option<Timestamp>,
    /// `EndDate`.
    pub end: Option<Timestamp>,
    /// `LoopBatchNumber`, from 1.
    pub loop_batch: Option<i64>,
    /// `LoopItem`, exactly as given: NotifyExecution wants it back so.
    pub loop_item: Option<String>,
    /// `Outputs`, parsed; empty when they are no JSON object.
    pub outputs: Map<String, Value>,
}

/// An OOS template (GetTemplate).
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// `TemplateName`.
    pub name: String,
    /// `TemplateVersion`: the newest.
    pub version: String,
}

/// An OOS package (GetTemplate).
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// `TemplateName`.
    pub name: String,
    /// `TemplateVersion`: the one asked for, or the newest.
    pub version: String,
    /// `TemplateType`: `Package` for what the package plug-in of Cloud Assistant can install. Empty
    /// where the service does not say.
    pub template_type: String,
}

/// What a command did on one instance (ECS DescribeInvocationResults).
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// `InvocationStatus`.
    pub status: String,
    /// `ExitCode`, once it ended.
    pub exit_code: Option<i64>,
    /// `ErrorCode`: empty unless Cloud Assistant itself failed or the exit code was not 0.
    pub error_code: String,
    /// `ErrorInfo`.
    pub error_info: String,
    /// `Output`, decoded; bytes that are no UTF-8 replaced.
    pub output: String,
    /// `Dropped`: bytes that the service cut off.
    pub dropped_bytes: i64,
}
