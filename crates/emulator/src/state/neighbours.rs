//! What else is at work on a scaling group: instance refreshes, lifecycle hooks, and what a diagnosis
//! found.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A native instance refresh. It replaces nothing here: it only is under way.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRefresh {
    pub instance_refresh_task_id: String,
    pub scaling_group_id: String,
    /// `InProgress`, `Paused`, `Successful`, `Cancelled`, ...
    pub status: String,
    /// What the group goes by once it is Successful.
    #[serde(skip)]
    pub desired: Desired,
    /// What it was asked to keep to. Only shown.
    #[serde(skip)]
    pub limits: RefreshLimits,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// When it ends by itself, while it is InProgress.
    #[serde(skip)]
    pub ends_at: Option<Timestamp>,
    /// How long it would still have taken when it was paused.
    #[serde(skip)]
    pub left: SignedDuration,
}

/// What an instance refresh is to keep to (StartInstanceRefresh).
#[derive(Debug, Clone, Copy)]
pub struct RefreshLimits {
    /// Of the instances of the group, in percent.
    pub min_healthy: i64,
    pub max_healthy: i64,
    /// Whether instances that fit already are left alone.
    pub skip_matching: bool,
}

/// What instances are to be after a refresh (DesiredConfiguration). Nothing for the configuration that
/// is active anyway.
#[derive(Debug, Clone, Default)]
pub enum Desired {
    #[default]
    Active,
    /// An image, which the active configuration gets.
    Image(String),
    /// A configuration of the group, which becomes the active one.
    Configuration(String),
}

impl Default for RefreshLimits {
    fn default() -> Self {
        Self {
            min_healthy: 80,
            max_healthy: 120,
            skip_matching: true,
        }
    }
}

impl InstanceRefresh {
    pub fn is_final(&self) -> bool {
        [
            "Failed",
            "Successful",
            "Cancelled",
            "RollbackSuccessful",
            "RollbackFailed",
        ]
        .contains(&self.status.as_str())
    }
}

/// Which scaling activities a lifecycle hook holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Transition {
    ScaleOut,
    ScaleIn,
}

/// What becomes of the instances when a lifecycle action ends. An instance on its way in is released
/// with `Abandon`; one on its way out leaves either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ActionResult {
    #[default]
    Continue,
    Abandon,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LifecycleHook {
    pub lifecycle_hook_id: String,
    pub lifecycle_transition: Transition,
    /// Virtual seconds.
    #[serde(default = "heartbeat")]
    pub heartbeat_timeout: f64,
    #[serde(default)]
    pub default_result: ActionResult,
    /// Its id when absent.
    #[serde(default)]
    pub lifecycle_hook_name: Option<String>,
    /// Whom it tells. Only shown.
    #[serde(default)]
    pub notification_arn: String,
    #[serde(default)]
    pub notification_metadata: String,
    /// Whether it holds nothing for the time being.
    #[serde(default)]
    pub inactive: bool,
}

impl Transition {
    pub fn name(self) -> &'static str {
        match self {
            Self::ScaleOut => "SCALE_OUT",
            Self::ScaleIn => "SCALE_IN",
        }
    }
}

impl LifecycleHook {
    pub fn name(&self) -> &str {
        let name = self.lifecycle_hook_name.as_deref();
        name.unwrap_or(&self.lifecycle_hook_id)
    }
}

fn heartbeat() -> f64 {
    600.0
}

/// What a hook does to the instances of one scaling activity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleAction {
    pub lifecycle_action_token: String,
    pub lifecycle_hook_id: String,
    pub scaling_activity_id: String,
    pub scaling_group_id: String,
    pub instance_ids: Vec<String>,
    /// `Pending`, `Timeout`, `Completed`.
    pub status: String,
    pub result: ActionResult,
    /// How long it is waited for.
    #[serde(skip)]
    pub until: Timestamp,
}

/// An item of the latest diagnosis of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// `AccountArrearage`, `VSwitch`, `ElasticStrength`, ...
    pub diagnose_type: String,
    /// `Normal`, `Warn`, `Critical`.
    pub status: String,
    #[serde(default)]
    pub resource_id: String,
    #[serde(default)]
    pub error_code: String,
}
