//! The operator's own memory of a scaling group. It outlives the tasks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use super::restore::RestoreKind;
use super::status::Outcome;

/// Written by the operator only, in its own namespace: one for each scaling group it ever touched.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "ess-rollout.io",
    version = "v1alpha1",
    kind = "ScalingGroupRecord",
    plural = "scalinggrouprecords",
    shortname = "sgr",
    category = "ess-rollout",
    namespaced,
    derive = "PartialEq",
    doc = "ScalingGroupRecord is what the operator remembers of a scaling group: who holds it, how it was found, what is left to put back, which run keys have run. Written by the operator only.",
    status = "ScalingGroupRecordStatus",
    selectable = ".spec.scalingGroupId",
    printcolumn(
        name = "Scaling-Group",
        type_ = "string",
        json_path = ".spec.scalingGroupId"
    ),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.regionId"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".status.holder.name"),
    printcolumn(name = "Current", type_ = "string", json_path = ".status.current.what"),
    printcolumn(name = "By", type_ = "string", json_path = ".status.current.by"),
    printcolumn(
        name = "Leftovers",
        type_ = "string",
        json_path = ".status.leftovers[*].target"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        priority = 1
    ),
    crates(kube_core = "::kube_core")
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self == oldSelf").message("a ScalingGroupRecord belongs to one scaling group for good")
)]
#[serde(rename_all = "camelCase")]
pub struct ScalingGroupRecordSpec {
    /// The scaling group.
    #[schemars(length(min = 1, max = 128))]
    pub scaling_group_id: String,
    /// Its region.
    #[schemars(length(min = 1, max = 64))]
    pub region_id: String,
}

/// What is remembered.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct ScalingGroupRecordStatus {
    /// The one object that may run on the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// The group as found when it was last whole. Inherited, not read again, while something is
    /// left to put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// What earlier runs left changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3000), extend("x-kubernetes-list-type" = "atomic"))]
    pub leftovers: Vec<Leftover>,
    /// What was last rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    /// Run keys that have been used, newest last. When there are 500, the oldest of those under which nothing ran goes for
    /// a new one; where there is none, a task with a new key is Blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub run_keys: Vec<RunKey>,
}

/// Who holds a group.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// `RollingUpdateTask` or `Rollback`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Its namespace.
    #[schemars(length(max = 253))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid: another object of the same name is not it.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Since when.
    pub since: Time,
    /// Of a rollback: the task from which it took the group over, whose baseline and open
    /// restorations are now its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub taken_over_from: Option<String>,
}

/// How a group was found.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// When it was read.
    pub time: Time,
    /// Processes that were suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub suspended_processes: Vec<String>,
    /// The active scaling configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub scaling_configuration_id: Option<String>,
    /// The image in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
    /// The containers in it, of a group of type ECI: JSON, as UpdateContainerGroup takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub containers: Option<String>,
    /// Whether the group has not been whole since: a run that suspended processes was taken over, or
    /// vanished, before it had put them back. The next run then puts the group back to this, and does
    /// not read it anew.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inherited: bool,
}

/// Something that a run left changed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// What kind of thing.
    pub kind: RestoreKind,
    /// The process, the instance or the scaling configuration.
    #[schemars(length(max = 128))]
    pub target: String,
    /// The state to put it back to.
    #[schemars(length(max = 256))]
    pub wanted: String,
    /// Of an image, or containers: what was in their place then. The next run puts them back if that
    /// is still so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub found: Option<String>,
    /// Of containers: what to put back, for which `wanted` has no room. JSON, as UpdateContainerGroup
    /// takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub containers: Option<String>,
    /// Whether it was left on purpose, because a policy of the task said so: only a run whose policy
    /// says otherwise puts it back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kept: bool,
    /// Since when.
    pub since: Time,
    /// The object whose run left it: `namespace/name`.
    #[schemars(length(max = 512))]
    pub by: String,
    /// Why it was left.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// What was last rolled out.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// The image, or the kind of update and a hash of what it did.
    #[schemars(length(max = 256))]
    pub what: String,
    /// By which object: `namespace/name`.
    #[schemars(length(max = 512))]
    pub by: String,
    /// When.
    pub time: Time,
}

/// A run key and the run it belongs to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunKey {
    /// `spec.runKey`.
    #[schemars(length(max = 63))]
    pub key: String,
    /// SHA-256 of the spec that ran under it.
    #[schemars(length(max = 64))]
    pub spec_hash: String,
    /// `namespace/name` of the object.
    #[schemars(length(max = 512))]
    pub by: String,
    /// Its uid: another object of the same name is not it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The execution, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub execution_id: Option<String>,
    /// How it ended, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether it is known that nothing ran under it, as in a group without instances.
    #[serde(default, skip_serializing_if = "is_false")]
    pub never_ran: bool,
    /// When it was first used.
    pub time: Time,
}
