//! What else is at work on a scaling group, or stands in its way: native instance refreshes, lifecycle hooks, and
//! what ESS's own diagnosis found.

use crate::words::open_enum;

open_enum! {
    /// ESS `Status` of an instance refresh.
    InstanceRefreshStatus {
        /// Accepted.
        Pending = "Pending",
        /// Replaces instances.
        InProgress = "InProgress",
        /// Stopped by a person, until it is resumed or cancelled.
        Paused = "Paused",
        /// Stopped at a checkpoint, for as long as it was told to.
        CheckpointPause = "CheckpointPause",
        /// Ended badly.
        Failed = "Failed",
        /// Ended well.
        Successful = "Successful",
        /// On its way to Cancelled.
        Cancelling = "Cancelling",
        /// Ended by a person.
        Cancelled = "Cancelled",
        /// Replaces instances once more.
        RollbackInProgress = "RollbackInProgress",
        /// Was undone.
        RollbackSuccessful = "RollbackSuccessful",
        /// Could not be undone.
        RollbackFailed = "RollbackFailed",
    }
}

impl InstanceRefreshStatus {
    /// Whether nothing more will happen. Unknown words are taken as not final.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Failed
                | Self::Successful
                | Self::Cancelled
                | Self::RollbackSuccessful
                | Self::RollbackFailed
        )
    }
}

/// A native instance refresh of a scaling group (ESS DescribeInstanceRefreshes).
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRefresh {
    /// `InstanceRefreshTaskId`.
    pub id: String,
    /// `Status`.
    pub status: InstanceRefreshStatus,
}

/// Instances that a lifecycle hook holds (ESS DescribeLifecycleActions).
#[derive(Debug, Clone, PartialEq)]
pub struct LifecycleAction {
    /// `LifecycleHookId`.
    pub hook: String,
    /// `InstanceIds`.
    pub instances: Vec<String>,
}

open_enum! {
    /// ESS `Status` of an item of its diagnosis.
    DiagnosisStatus {
        /// Nothing is wrong.
        Normal = "Normal",
        /// Something may go wrong.
        Warn = "Warn",
        /// Something goes wrong.
        Critical = "Critical",
    }
}

/// An item of ESS's latest diagnosis of a scaling group (DescribeScalingGroupDiagnoseDetails).
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// `DiagnoseType`: `AccountArrearage`, `VSwitch`, `ElasticStrength`, ….
    pub kind: String,
    /// `Status`.
    pub status: DiagnosisStatus,
    /// `ResourceId`; empty where it is about none.
    pub resource: String,
    /// `ErrorCode`.
    pub code: String,
}
