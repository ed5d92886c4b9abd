//! What the operator answers on a task or a rollback, and its memory of it.
//!
//! One writer: the operator, on the status subresource, guarded by `resourceVersion`. No state that
//! matters lives anywhere else but here and in the group's [`super::record::ScalingGroupRecord`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Action, HandledActions};
use super::gates::GateStatus;
use super::place::Place;
use super::plan::{PinnedInputs, Plan, PreflightCheck, StartBlocked, StartIntent};
use super::progress::{ApproveRecord, BatchStatus, Freeze, InstanceStatus, Pause, Summary, Thaw};
use super::restore::Restore;
use super::source::Source;
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
    /// Whether the checks of `spec.gates` let the next batch begin. Present once they have been made, and as it was when the
    /// update ended.
    pub const GATE_PASSED: &str = "GatePassed";
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
    /// Succeeded, Ready, Reconciling, Stalled, Paused, Preflight, GatePassed, Restored, Verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// A word for people, derived from the rest; values may be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// When everything was finished, well or not: the result is known, and the scaling group has been put
    /// back and read back, or what could not be is listed. Set once, in every case: wait for it with
    /// `kubectl wait --for=jsonpath='{.status.completionTime}'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Where the update takes place, once it has taken the scaling group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The group and its members as they were before the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Of a rollback: what it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Of a task: the rollback that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<RollbackRef>,
    /// The Rollback that was created because a check of `spec.gates` failed. Once it is on record none is created any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic_rollback: Option<AutomaticRollback>,
    /// Says that the fields that decisions need are of one piece with what is displayed: a hash of the latter. None, or of
    /// something else: a version of the operator that does not have those fields has written since, and they are read from
    /// the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub layout: Option<String>,
    /// Which layout this has: a version of the operator that knows only older ones leaves the object alone. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub layout_version: Option<i32>,
    /// The reason for which the cloud last refused a call that a person has to mend something for, until one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub call_refused: Option<String>,
    /// When the execution was last seen to have left a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_time: Option<Time>,
    /// Whether the start waits for a run of others, or has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub waits_for_others: bool,
    /// When a run of others, which the start waited for, was first seen to have ended. The start comes a little later:
    /// what that run put back may show late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_ended: Option<Time>,
    /// When these credentials were first seen to reach the group. Only then has the object a place in the group's queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_seen_time: Option<Time>,
    /// What has stood against the start, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_blocked: Option<StartBlocked>,
    /// Of an object that waits for its window or for `spec.notBefore`: what was last found when it was looked whether it could begin
    /// as things are. That is done when it is first seen, again half an hour to an hour before its time comes, and at least once
    /// an hour while a person has to mend something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_check: Option<PreflightCheck>,
    /// What the start is made of besides the spec, as it was when it was first read: anything else is not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<PinnedInputs>,
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
    /// The latest start or end of an instance's update in `instances`, by the cloud's clock: what came before it is on
    /// record, as far as lists did not lag. After a restart the operator asks for what came later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_instance_time: Option<Time>,
    /// The processes of the group that this run has suspended and that have not been seen running again: meanwhile the
    /// group does not scale, and replaces no unhealthy instance, in a pause too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// The processes that are resumed while the update waits after a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thaw: Option<Thaw>,
    /// What the checks of `spec.gates` came to in the batch that is under way, or has ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,
    /// MaintenanceWindows that are for the update, by namespace and name, and hold none of its batches: they came after its
    /// start, which did not tell OOS to pause after each batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 320)))]
    pub windows_not_holding: Vec<String>,
    /// Windows that count no more for the object, as somebody asked for (`ess-rollout.io/override-window`): `spec.window`, or a
    /// MaintenanceWindow by namespace and name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 320)))]
    pub windows_overridden: Vec<String>,
    /// The pause that the update is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// The newest Approve, and what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<ApproveRecord>,
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

/// A Rollback that the operator has created.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutomaticRollback {
    /// Its name, in the same namespace.
    #[schemars(length(max = 253))]
    pub name: String,
    /// When.
    pub time: Time,
    /// Which check failed, and what of it.
    #[schemars(length(max = 512))]
    pub message: String,
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
    /// When the operator saw that it had ended, while the lists of OOS did not show yet what it did to all instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_seen_time: Option<Time>,
    /// Its page in the OOS console.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub url: String,
}

/// Levels that only rise: lowering the field of the spec later changes nothing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latched {
    /// The highest `approvedBatches` seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approved_batches: i32,
    /// Of earlier versions: the highest pause that an Approve was put on record for. Now in
    /// `status.approve`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approved_pause: i32,
    /// When that was.
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
    /// When the next one may come, where the last one had no effect: later each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_time: Option<Time>,
    /// How many had no effect.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: i32,
    /// What OOS said of the last of these.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,
    /// Since when OOS has answered that there is no such execution, and listed it nowhere. It is taken
    /// for gone only when that is still so after the bound on lateness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
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
    /// Whether the end of the execution was not seen: the deletion did not wait for it. The run then
    /// stays on the record of its group.
    #[serde(default, skip_serializing_if = "is_false")]
    pub end_unseen: bool,
    /// What the instances were found to run when they were read back at the end, whatever OOS says of
    /// them; none: what the update does to an instance cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back: Option<ReadBack>,
}

/// What the instances that took part were found to run.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadBack {
    /// Instances that took part.
    pub total: i32,
    /// Of those: how many run what the update brings.
    pub updated: i32,
    /// Of those that do: how many serve (InService or Protected).
    pub serving: i32,
    /// How many run something else.
    pub other: i32,
    /// How many are not in the scaling group any more, or could not be read.
    pub unknown: i32,
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
