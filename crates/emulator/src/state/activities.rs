//! Scaling activities, and what sets them off.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    pub(crate) scaling_activity_id: String,
    pub(crate) scaling_group_id: String,
    pub(crate) status: ActivityStatus,
    pub(crate) description: String,
    pub(crate) cause: String,
    pub(crate) error_code: String,
    pub(crate) error_message: String,
    pub(crate) created_instances: Vec<String>,
    pub(crate) destroyed_instances: Vec<String>,
    pub(crate) started: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) total_capacity: usize,
    /// Whether the instances that leave go on outside of the group (DetachInstances).
    #[serde(skip)]
    pub(crate) detaches: bool,
    /// Whether no lifecycle hook holds it (AttachInstances and DetachInstances, unless asked for).
    #[serde(skip)]
    pub(crate) skips_hooks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ActivityStatus {
    InProgress,
    Successful,
    Failed,
    Rejected,
}

impl ActivityStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Rejected => "Rejected",
        }
    }
}
