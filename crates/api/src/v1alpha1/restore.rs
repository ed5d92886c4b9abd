//! The ledger of what a run changed about its group, and how far that is put back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_false, is_zero};

/// The ledger of what the run changed about the group.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// What to put back, and how far that is.
    #[serde(default)]
    #[schemars(length(max = 3000), extend("x-kubernetes-list-type" = "atomic"))]
    pub items: Vec<RestoreItem>,
    /// When the execution and all its children were first seen ended, without a change since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Time>,
    /// A hash of what was seen then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub fingerprint: String,
    /// When the last call that puts something back was put on record; gone once it is known what
    /// became of all of them. The group is not let go before none can take effect any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call_time: Option<Time>,
    /// Whether the answer of one of these calls was lost.
    #[serde(default, skip_serializing_if = "is_false")]
    pub answer_lost: bool,
    /// When the outcome, read back, was first seen to differ. It is read again for a while, since
    /// what OOS has just changed may show late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs_since: Option<Time>,
    /// Whether all instances that took part were found to run what the update brings although it did
    /// not succeed: then the scaling configuration keeps, or gets, that too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub all_updated: bool,
    /// Set once everything is put back or given up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub done: bool,
}

/// One thing to put back.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreItem {
    /// What kind of thing.
    pub kind: RestoreKind,
    /// The process, the instance or the scaling configuration.
    #[schemars(length(max = 128))]
    pub target: String,
    /// The state to put it back to.
    #[schemars(length(max = 256))]
    pub wanted: String,
    /// Of an image, or containers: what was found in their place, which the run had put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub found: Option<String>,
    /// How far.
    pub state: RestoreState,
    /// Whether it is left on purpose, because a policy of the spec says so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kept: bool,
    /// How many calls that put it back were put on record.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: i32,
    /// When the last of them was, or since when it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_time: Option<Time>,
    /// Since when no answer of the cloud shows what it is about: the scaling group, the instance, or the
    /// scaling configuration. It is asked for in another way as well, and taken for gone only once it
    /// has been in no answer for the bound on lateness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
    /// Why it is left, or why it is not yet put back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// What a run can leave changed.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum RestoreKind {
    /// A suspended scaling process.
    Process,
    /// The image in a scaling configuration.
    ScalingConfigurationImage,
    /// The containers in a scaling configuration of a group of type ECI.
    ScalingConfigurationContainers,
    /// An instance in Standby.
    Standby,
    /// An instance that lost its protection from scale-in.
    Protection,
    /// An ECS instance that was stopped, or a container group that is not up yet.
    StoppedInstance,
}

/// How far a thing is put back.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum RestoreState {
    /// To be put back.
    Pending,
    /// Put back, or found as wanted.
    Restored,
    /// Left to a person: see the message.
    Left,
}
