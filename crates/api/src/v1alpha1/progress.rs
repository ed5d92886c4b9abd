//! How far a rolling update is: its batches, its instances, the pause that it is in.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::InstanceRequest;
use super::{is_false, is_zero};

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
    /// Why it has failed, or what it waits for while it takes long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
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
    /// A hash of what OOS listed of the execution when it was last looked at: while a list shows the same, the pause is as it
    /// was, also after a restart of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub execution_fingerprint: Option<String>,
    /// The Approve that is to end it. What is judged by is `status.approve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether OOS refused the last Approve although the pause is still there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub approval_refused: bool,
}

/// What a pause waits for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum PauseKind {
    /// A person, after a batch, because the suspension policy says so; or what else holds the next one.
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
    /// When it was last put on record, the call following at once.
    pub time: Time,
    /// How many times it was put on record.
    pub attempt: i32,
    /// The request that asked for it; `spec.approvedBatches`; or `spec.gates` or `spec.window`, where nothing held the next
    /// batch any more.
    #[schemars(length(max = 128))]
    pub by: String,
}

/// The newest Approve that was put on record, whichever pause it was for, and what became of it.
///
/// An Approve has no address: one that takes effect late, or that is repeated by what an old list
/// shows, leaves the next pause. So what it was sent under stays on record, and the settings of a
/// later start of the operator change nothing about it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApproveRecord {
    /// The pause that it is to leave.
    pub pause: i32,
    /// When it was put on record, the call following at once.
    pub time: Time,
    /// How many times one was put on record for that pause.
    pub attempt: i32,
    /// The request that asked for it; `spec.approvedBatches`; or `spec.gates` or `spec.window`, where nothing held the next
    /// batch any more.
    #[schemars(length(max = 128))]
    pub by: String,
    /// The execution's `UpdateDate` as it was shown then, or later: while it stays, the pause is the
    /// same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_update_time: Option<Time>,
    /// From when on what is read shows what became of it: it can no longer take effect, and what
    /// OOS lists is newer than that. No other one is sent before, by the bounds as they were then.
    pub until: Time,
    /// What OOS answered; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<ApproveAnswer>,
    /// When the answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_time: Option<Time>,
    /// How many times OOS refused one for that pause: no more than two are sent for one request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: i32,
    /// How many in a row had no effect for a reason that passes: each makes the next wait longer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: i32,
    /// What OOS said when it refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// What became of an Approve.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ApproveAnswer {
    /// OOS took it: the pause is left.
    Taken,
    /// OOS judged it, and refused: it had no effect.
    Refused,
    /// It had no effect, for a reason that passes or that a person can mend.
    Failed,
}

/// The time for which a group stands still because of a run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    /// The processes that the run has suspended and nobody before it: of `ScaleIn`, `ScaleOut`, `HealthCheck`,
    /// `AlarmNotification` and `ScheduledAction`.
    #[schemars(length(max = 16), inner(length(max = 64)), extend("x-kubernetes-list-type" = "atomic"))]
    pub processes: Vec<String>,
    /// Since when. An update that a Rollback undoes hands it on.
    pub since: Time,
    /// The pause, by when it began, of which the reminders were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_since: Option<Time>,
    /// How many Warning Events `GroupFrozen` were published of it: after half an hour of a pause, an hour, two,
    /// four, and so on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reminders: i32,
    /// Whether `spec.maxFrozenSeconds` were over in a pause: a Warning Event `FrozenTooLong` was published of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub too_long: bool,
}

/// The processes of a group that are resumed while the update waits after a batch, and suspended again before the next one
/// (`spec.thawWhilePaused`, `spec.onFrozenTooLong: Thaw`).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thaw {
    /// The pause, by its number, in which they were resumed; 0 where the status was lost and that is not known.
    pub pause: i32,
    /// How far it is.
    pub state: ThawState,
    /// Since when.
    pub since: Time,
    /// Those that were found suspended by the run: they are resumed, and suspended again. What a person resumed meanwhile
    /// is not among them.
    #[schemars(length(max = 16), inner(length(max = 64)), extend("x-kubernetes-list-type" = "atomic"))]
    pub processes: Vec<String>,
    /// When they were resumed, at the latest: what is read before lists show that says nothing of what came after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_time: Option<Time>,
    /// When the newest call went on record that may still take effect; absent once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call_time: Option<Time>,
    /// Whether the answer to a call was lost: it is waited out before the opposite is asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub answer_lost: bool,
    /// How many calls were made in this state.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: i32,
    /// When the call may be made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_time: Option<Time>,
    /// What ESS said when it refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// How far the processes are that are resumed in a pause.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ThawState {
    /// ESS ResumeProcesses is called, until they are read back as running.
    Resuming,
    /// They run: the group scales.
    Resumed,
    /// ESS SuspendProcesses is called, until they are read back as suspended. No batch begins before.
    Suspending,
    /// They are suspended again.
    Suspended,
}
