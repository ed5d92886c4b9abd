//! What the operator answers on a task or a rollback, and its memory of it.
//!
//! One writer: the operator, on the status subresource, guarded by `resourceVersion`. No state that
//! matters lives anywhere else but here and in the group's [`super::record::ScalingGroupRecord`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Action, HandledActions, InstanceRequest};
use super::rollback::Source;
use super::task::ContainerGroupUpdate;
use super::{is_false, is_zero};

/// Condition types of a task.
pub mod condition {
    /// True once the update is done, False once it failed or was cancelled, for good.
    pub const SUCCEEDED: &str = "Succeeded";
    /// For waiters that know no task: True only when done.
    pub const READY: &str = "Ready";
    /// kstatus: work is in progress. Present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// kstatus: a person has to act. Present only while True.
    pub const STALLED: &str = "Stalled";
    /// The update waits for a person.
    pub const PAUSED: &str = "Paused";
    /// Whether the update may start; its message names the cure when not.
    pub const PREFLIGHT: &str = "Preflight";
    /// Whether what the run changed about the group has been put back.
    pub const RESTORED: &str = "Restored";
    /// Whether the cloud, read back, is as the update wanted it.
    pub const VERIFIED: &str = "Verified";
}

/// What is known of a rolling update: of a task, or of a rollback, which is one too.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdateTaskStatus {
    /// The generation of the spec that this status speaks of; -1 before the first visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Succeeded, Ready, Reconciling, Stalled, Paused, Preflight, Restored, Verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// A word for people, derived from the rest; values may be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// The group and its members as they were before the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Of a rollback: what it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Of a task: the rollback that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<RollbackRef>,
    /// The intent to start, on record before the call that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartIntent>,
    /// The OOS execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionRef>,
    /// Progress by batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub batches: Vec<BatchStatus>,
    /// Progress in numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Progress by instance, sorted by batch and id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000), extend("x-kubernetes-list-type" = "atomic"))]
    pub instances: Vec<InstanceStatus>,
    /// How many instances were left out of `instances` to keep the object small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances_truncated: Option<i32>,
    /// The pause that the update is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// The newest requests and what became of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub actions: Vec<Action>,
    /// The last value seen of each request annotation.
    #[serde(default, skip_serializing_if = "HandledActions::is_empty")]
    pub handled_actions: HandledActions,
    /// Annotations under `ess-rollout.io/` that mean nothing to the operator: each is told of once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 128)), extend("x-kubernetes-list-type" = "atomic"))]
    pub unknown_annotations: Vec<String>,
    /// What was ever asked for or approved and cannot be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latched: Option<Latched>,
    /// The cancellation, once one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
    /// How it ended. Set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<TaskResult>,
    /// What the run changed about the group and what of it has been put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// When progress was last written; progress alone is written at most every ten seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_time: Option<Time>,
}

/// Names a Rollback in the same namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackRef {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// The scaling group as found, and who takes part.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// When it was read, by the operator's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// How many batches OOS is asked for.
    pub batches: i32,
    /// The group's active scaling configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub scaling_configuration_id: Option<String>,
    /// The image in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub scaling_configuration_image_id: Option<String>,
    /// The containers in it, of a group of type ECI: JSON, as UpdateContainerGroup takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub scaling_configuration_containers: Option<String>,
    /// Processes that were suspended before the run and stay so after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub suspended_processes: Vec<String>,
    /// The image that all members ran, if all ran the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub source_image_id: Option<String>,
    /// The update that brings back what all members ran, of a group of type ECI, if all ran the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_container_group: Option<ContainerGroupUpdate>,
    /// Of an update to the newest version of a package: the version that was the newest then, which
    /// OOS is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub package_version: Option<String>,
    /// What all members had installed of the package that is updated, if that is known and the same
    /// for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_package: Option<PackageState>,
    /// Of a script update: the scripts by their hash, wherever their text comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<ScriptHashes>,
    /// The members, in the order in which OOS is expected to take them.
    #[serde(default)]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "atomic"))]
    pub members: Vec<Member>,
}

/// A package on instances.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageState {
    /// The installed version; none: it is not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
}

/// The scripts of an update by the SHA-256 of their text, in lower-case hex.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptHashes {
    /// Of `spec.update.script.run`.
    #[schemars(length(max = 64))]
    pub run: String,
    /// Of `spec.update.script.rollback`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub rollback: Option<String>,
}

/// The text of the scripts that come from ConfigMaps.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptTexts {
    /// Of `spec.update.script.run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub run: Option<String>,
    /// Of `spec.update.script.rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub rollback: Option<String>,
}

/// One instance that takes part.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The instance.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The batch it is expected in, from 1.
    pub batch: i32,
    /// Whether it was Protected rather than InService.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
    /// Whether its ECS instance was not Running: then it is not started when it is put back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stopped: bool,
    /// The image it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
}

/// The intent to start an execution. Everything that is derived is frozen here.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartIntent {
    /// From 1. A new attempt has a new token; it comes only after the last is known to have
    /// started nothing.
    pub attempt: i32,
    /// OOS `ClientToken`: the same call again starts nothing new.
    #[schemars(length(max = 64))]
    pub client_token: String,
    /// When it was put on record.
    pub time: Time,
    /// The public template.
    #[schemars(length(max = 200))]
    pub template_name: String,
    /// The version, pinned: public templates change under their users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub template_version: Option<String>,
    /// SHA-256 of the template parameters.
    #[schemars(length(max = 64))]
    pub parameters_hash: String,
    /// SHA-256 of the spec, without the fields that may change, and with the text of its scripts in
    /// the place of the ConfigMap keys that hold them.
    #[schemars(length(max = 64))]
    pub spec_hash: String,
    /// The scripts from ConfigMaps as they were when this was put on record: sent again, the call is
    /// the same, whatever has become of the ConfigMaps. Gone once the execution is known, since OOS
    /// has them then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<ScriptTexts>,
    /// The processes that the template resumes at its end.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub exit_processes: Vec<String>,
    /// Look-ups that found no execution, each at least the bound on lateness after the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_lookups: i32,
    /// When the last of them was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_lookup_time: Option<Time>,
    /// Whether the call was, or may have been, sent more than once: a refusal then says nothing of
    /// the calls before it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resent: bool,
    /// Why nothing is sent any more, once a call was refused that may not have been the only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub refusal: String,
    /// Whether the refusal said that the token had been used: then something was started.
    #[serde(default, skip_serializing_if = "is_false")]
    pub token_used: bool,
}

/// The OOS root execution.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionRef {
    /// `exec-…`.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The template.
    #[schemars(length(max = 200))]
    pub template_name: String,
    /// The version that OOS says it runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub template_version: String,
    /// The status as OOS words it.
    #[schemars(length(max = 64))]
    pub status: String,
    /// When it started, by the cloud's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Its page in the OOS console.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub url: String,
}

/// One batch.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchStatus {
    /// From 1.
    pub index: i32,
    /// How many instances.
    pub size: i32,
    /// How far.
    pub state: BatchState,
    /// When its first instance began, by the cloud's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When its last instance ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// How far a batch is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum BatchState {
    /// Not begun.
    Pending,
    /// Some instance has begun and some has not ended.
    Updating,
    /// All ended, all well.
    Succeeded,
    /// All ended, some badly.
    Failed,
}

/// Progress in numbers.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Instances that take part.
    pub total: i32,
    /// Not begun.
    pub pending: i32,
    /// In progress.
    pub updating: i32,
    /// Ended well.
    pub succeeded: i32,
    /// Ended badly.
    pub failed: i32,
    /// Given up.
    pub cancelled: i32,
    /// Passed over by a person.
    pub skipped: i32,
    /// Of all instances, how many ended, in percent.
    pub percent: i32,
    /// For the printer column: succeeded of total.
    #[schemars(length(max = 32))]
    pub progress: String,
    /// For the printer column: the batch in progress, or the last ended one, of all.
    #[schemars(length(max = 32))]
    pub batch: String,
    /// When it will be done if it goes on as it went, without pauses. By the cloud's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_end_time: Option<Time>,
}

/// One instance.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// The instance.
    #[schemars(length(max = 128))]
    pub id: String,
    /// Its batch, from 1.
    pub batch: i32,
    /// How far.
    pub state: InstanceState,
    /// `Updated` and `InService`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Vec<Condition>,
    /// How many times it was begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: i32,
    /// When the task failed that the nested execution waits upon, where a retry goes on inside it:
    /// a later failure in the same execution is another attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_time: Option<Time>,
    /// The request that was last carried out on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<InstanceRequest>,
    /// The nested execution of the newest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub execution_id: Option<String>,
    /// The loop item's task execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 160))]
    pub task_execution_id: Option<String>,
    /// When the newest attempt began, by the cloud's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Exit code of the script, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The end of the script's output, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub output_tail: Option<String>,
}

/// How far an instance is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum InstanceState {
    /// Not begun.
    Pending,
    /// In progress.
    Updating,
    /// Updated.
    Succeeded,
    /// Not updated.
    Failed,
    /// Given up.
    Cancelled,
    /// Passed over by a person.
    Skipped,
}

impl InstanceState {
    /// Whether nothing more happens to it by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Updating)
    }
}

/// A pause of the execution.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// The number of the highest batch that has ended. A request names it, so that a late one
    /// cannot pass the next pause.
    pub id: i32,
    /// What it waits for.
    pub kind: PauseKind,
    /// When the operator first saw it.
    pub since: Time,
    /// What a person can do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The execution's `UpdateDate` when the pause was first seen, or when an Approve was last put
    /// on record: while it stays, the pause is the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_update_time: Option<Time>,
    /// The Approve that is to end it, on record before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether OOS refused the Approve although the pause is still there: then it waits because of
    /// a failure that `spec.maxErrors` tolerates, and an Approve does not end it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub approval_refused: bool,
}

/// What a pause waits for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum PauseKind {
    /// A person, after a batch, because the suspension policy says so.
    Batch,
    /// A person, because an instance failed.
    Failure,
    /// Confirmation of a high-risk action in the console.
    Approval,
    /// Not known: shown and left alone.
    Unknown,
}

/// An Approve of a batch pause.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// When it was last put on record, the call following at once, or when the execution was seen
    /// to have changed since. Another comes only after the bound on lateness without a change.
    pub time: Time,
    /// How many times it was put on record.
    pub attempt: i32,
    /// The request that asked for it, or `spec.approvedBatches`.
    #[schemars(length(max = 128))]
    pub by: String,
}

/// Levels that only rise: lowering the field of the spec later changes nothing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latched {
    /// The highest `approvedBatches` seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approved_batches: i32,
    /// The highest pause that an Approve was put on record for. A pause that is not higher is an old
    /// one, seen through a list that lags.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approved_pause: i32,
    /// When that was. Should the pause still be there a bound on lateness later, the Approve was
    /// lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_pause_time: Option<Time>,
    /// Whether `desiredState` was ever Cancelled.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelled: bool,
}

/// A cancellation in progress.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancellation {
    /// When it was first put on record, before any call.
    pub time: Time,
    /// Who asked, in one CamelCase word: `DesiredState`, `Request`, `Deletion`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// When CancelExecution was last put on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call_time: Option<Time>,
}

/// How a task ended.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskResult {
    /// In one word.
    pub outcome: Outcome,
    /// Why, in one CamelCase word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence: for failures the instance, the call, the code and the request id.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// When the operator saw it.
    pub time: Time,
}

/// The three ends of a task.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Outcome {
    /// Done.
    Succeeded,
    /// Not done.
    Failed,
    /// Ended on request.
    Cancelled,
}

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
