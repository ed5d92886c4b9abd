//! What can be changed in the cloud.

use serde_json::{Map, Value};

use crate::container::Container;
use crate::model::{Execution, Process};

/// One change. The implementation sends it once: who calls decides about trying again.
#[derive(Debug, Clone, PartialEq)]
pub enum Mutation {
    /// OOS StartExecution. *Once*: its client token is on record before it is sent.
    StartExecution(StartExecution),
    /// OOS NotifyExecution. *Once*, and it has no client token.
    NotifyExecution {
        /// The root execution, or a child where OOS wants to be addressed there.
        execution: String,
        /// What to tell it.
        notify: NotifyType,
        /// The task execution it is meant for. None for a batch pause: an Approve of the root.
        task_execution: Option<String>,
        /// The loop item it is meant for, exactly as ListTaskExecutions shows it.
        loop_item: Option<String>,
        /// Shown in the console.
        note: String,
    },
    /// OOS CancelExecution. Convergent; takes effect some time later.
    CancelExecution {
        /// The root execution.
        execution: String,
    },
    /// ESS SuspendProcesses. Convergent.
    SuspendProcesses {
        /// The scaling group id.
        group: String,
        /// Not empty.
        processes: Vec<Process>,
    },
    /// ESS ResumeProcesses. Convergent.
    ResumeProcesses {
        /// The scaling group id.
        group: String,
        /// Not empty.
        processes: Vec<Process>,
    },
    /// ESS ExitStandby. Convergent. Any number of instances: the implementation sends one call
    /// for each 20 and stops at the first refusal.
    ExitStandby {
        /// The scaling group id.
        group: String,
        /// Not empty.
        instances: Vec<String>,
    },
    /// ESS SetInstancesProtection. Convergent, in calls of 20.
    SetInstancesProtection {
        /// The scaling group id.
        group: String,
        /// Not empty.
        instances: Vec<String>,
        /// The state wanted.
        protected: bool,
    },
    /// ESS ModifyScalingConfiguration of the image alone. Convergent.
    ModifyScalingConfiguration {
        /// The scaling configuration id.
        configuration: String,
        /// The image that new instances get.
        image: String,
    },
    /// ESS ModifyEciScalingConfiguration of the containers alone. Convergent.
    ModifyEciScalingConfiguration {
        /// The scaling configuration id.
        configuration: String,
        /// Not empty.
        containers: Vec<Container>,
        /// What becomes of that which is not named.
        update: ContainersUpdate,
    },
    /// ECS StartInstance. Convergent.
    StartInstance {
        /// The instance id.
        instance: String,
    },
}

/// The arguments of OOS StartExecution.
#[derive(Clone, PartialEq)]
pub struct StartExecution {
    /// The public template.
    pub template_name: String,
    /// Pinned, because public templates change under their users. `None`: the newest.
    pub template_version: Option<String>,
    /// Template parameters with their JSON types.
    pub parameters: Map<String, Value>,
    /// `Automatic` or `FailurePause`.
    pub mode: ExecutionMode,
    /// `None` leaves the parameter out: OOS documents `Skip` as valid with Automatic only.
    pub safety_check: Option<SafetyCheck>,
    /// At most 64 ASCII characters.
    pub client_token: String,
    /// Shown in the consoles.
    pub description: String,
    /// At most 20 pairs, sorted by key.
    pub tags: Vec<(String, String)>,
}

/// `UpdateType` of ECI UpdateContainerGroup, `ContainersUpdateType` of ESS
/// ModifyEciScalingConfiguration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainersUpdate {
    /// Containers and fields that are not given stay.
    Incremental,
    /// Containers and fields that are not given go.
    Renew,
}

impl ContainersUpdate {
    /// The word as the APIs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incremental => "IncrementalUpdate",
            Self::Renew => "RenewUpdate",
        }
    }
}

/// OOS execution mode, as far as the operator uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionMode {
    /// The first unhandled error ends the execution.
    Automatic,
    /// A failed task suspends the execution until somebody says retry, skip or cancel.
    FailurePause,
}

/// OOS SafetyCheck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SafetyCheck {
    /// High-risk actions run unasked.
    Skip,
    /// Each high-risk action waits for an Approve.
    ConfirmEveryHighRiskAction,
}

/// OOS NotifyType, as far as the operator uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotifyType {
    /// Go on after a batch pause.
    Approve,
    /// Run the failed task again.
    RetryTask,
    /// Count the failed task as success and go on.
    SkipTask,
    /// Give the item up and go on.
    CancelTask,
}

/// What a mutation answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// The execution as StartExecution returned it.
    Started {
        /// The new execution.
        execution: Box<Execution>,
        /// The request id of the call.
        request_id: String,
    },
    /// Every other mutation: accepted.
    Accepted {
        /// The request id of the (last) call.
        request_id: String,
    },
}
