//! The operator's own memory of a scaling group. It outlives the tasks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::durations::DurationHistogram;
use super::is_false;
use super::place::Place;
use super::restore::RestoreKind;
use super::run_policy::CredentialsRef;
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
        json_path = ".status.leftoversSummary"
    ),
    printcolumn(
        name = "Let-Go",
        type_ = "string",
        json_path = ".status.runs[?(@.letGo)].executionId"
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
    /// Which layout this has: a version of the operator that knows only older ones leaves the scaling group alone. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub layout_version: Option<i32>,
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
    /// The same in words, for people: `ScaleIn, i-web-02 and 3 more`. Derived: nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub leftovers_summary: Option<String>,
    /// Runs whose end has not been seen: that of the holder, and those that were let go before they had
    /// ended. No other begins on the group before each of the latter has been seen to end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub runs: Vec<GroupRun>,
    /// What was last rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    /// Run keys that have been used, newest last. When there are 500, the oldest of those under which nothing ran goes for
    /// a new one; where there is none, a task with a new key is Blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub run_keys: Vec<RunKey>,
    /// How long batches took that went well, by template and size: what the next ones are expected to take. When there are 40,
    /// those that were added to longest ago go for new ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), extend("x-kubernetes-list-type" = "atomic"))]
    pub durations: Vec<BatchDurations>,
}

/// How long batches of one template took that had about as many instances.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchDurations {
    /// The public template.
    #[schemars(length(max = 200))]
    pub template_name: String,
    /// The most instances of a batch that is counted here, a power of two; the fewest is one more than half of it.
    #[schemars(range(min = 1, max = 1024))]
    pub instances: i32,
    /// When the last batch was added.
    pub time: Time,
    /// How long they took.
    pub batches: DurationHistogram,
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
    /// The containers in it, of a group of type ECI: `secret:NAME`, the Secret in the operator's namespace that keeps
    /// them. Operators of version 0.1.0 wrote them here, as JSON.
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
    /// Of containers: what to put back, for which `wanted` has no room: `secret:NAME`, the Secret in the operator's
    /// namespace that keeps them. Operators of version 0.1.0 wrote them here, as JSON.
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

/// A run whose end has not been seen, with all that it may leave changed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupRun {
    /// The kind of the object whose run it is.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Its namespace.
    #[schemars(length(max = 253))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid, which the execution carries as a tag.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// When it took the group.
    pub since: Time,
    /// The OOS execution, once known; until then it is looked for by its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub execution_id: Option<String>,
    /// The Secret in that namespace with the credentials that it was started with. Absent: the
    /// operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,
    /// The region and the account that it is of. With credentials of another account nothing is seen of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it rolls out, as `current` shows it once it has succeeded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub what: String,
    /// The processes that it suspends and that are to run again after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub exit_processes: Vec<String>,
    /// The scaling configuration that it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<RunConfiguration>,
    /// The instances that take part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000), extend("x-kubernetes-list-type" = "atomic"))]
    pub members: Vec<RunMember>,
    /// Whether instances that it leaves in Standby are left there on purpose (`failedInstancePolicy`,
    /// `restorePolicy`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub keeps_standby: bool,
    /// Why no object looks after it any more. Absent: its object does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_go: Option<LetGo>,
    /// What is known of it since: what it waits for, and how to end that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Since when the execution, or the scaling group, is not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
    /// Since when it has ended and something that it may have left changed is in no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_since: Option<Time>,
    /// When the execution and all its children were first seen ended, without a change since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Time>,
    /// A hash of what was seen then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub fingerprint: String,
}

/// Why no object looks after a run any more.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum LetGo {
    /// Its object was deleted with `deletionPolicy: Orphan`.
    Orphaned,
    /// The deletion of its object was forced, or its time was up.
    Abandoned,
    /// Its object vanished: the finalizer was taken away by hand.
    HolderVanished,
}

/// What a run makes of a scaling configuration.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunConfiguration {
    /// The scaling configuration.
    #[schemars(length(max = 128))]
    pub id: String,
    /// `ScalingConfigurationImage` or `ScalingConfigurationContainers`.
    pub kind: RestoreKind,
    /// What it is to carry if the run does not succeed. Absent: whatever it carries then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub if_failed: Option<String>,
    /// What it is to carry if the run succeeds. Absent: whatever it carries then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub if_succeeded: Option<String>,
    /// What the run puts there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub brings: Option<String>,
}

/// An instance that takes part in a run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunMember {
    /// The instance.
    #[schemars(length(max = 128))]
    pub id: String,
    /// Whether it was Protected before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
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
