//! What the operator answers on an image update task, and its memory of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Action, HandledActions};
use super::image_source::ImageSource;
use super::is_false;
use super::place::Place;
use super::plan::{PreflightCheck, StartIntent};
use super::record::Holder;
use super::status::ExecutionRef;

/// What is known of an ImageUpdateTask.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateTaskStatus {
    /// The generation of the spec that this status speaks of; -1 before the first visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Succeeded, Ready, Reconciling, Stalled, Preflight, Verified. Succeeded and Verified are of the last run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// A word for people, derived from the rest; values may be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
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
    /// When the last run had ended and no other was due: of a task without a schedule, or whose schedule
    /// has no more times, the time to wait for with `kubectl wait
    /// --for=jsonpath='{.status.completionTime}'`, whatever came of the run. Gone while another run is
    /// due, is under way, or will be by the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Windows that count no more for the object, as somebody asked for (`ess-rollout.io/override-window`): `spec.window`, or a
    /// MaintenanceWindow by namespace and name. Until the run that they held has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 320)))]
    pub windows_overridden: Vec<String>,
    /// The image that was last put into the configurations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
    /// What the scaling configurations of the last run carried when they were read back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub configurations: Vec<ConfigurationImage>,
    /// The schedule that is followed. Times that had passed when it was first seen are not due: an edit makes nothing up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed_schedule: Option<FollowedSchedule>,
    /// The newest time at which a run was due and was begun, given up as missed, or passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,
    /// When a run last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Time>,
    /// When the next run is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Time>,
    /// How many runs were due and not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_runs: Option<i64>,
    /// The number of the newest run, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<i64>,
    /// How the newest run that has ended did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<RunOutcome>,
    /// Why, in one CamelCase word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub last_reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub last_message: String,
    /// A run that is due and has not begun, or that the cloud has refused to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingRun>,
    /// What was last found when it was looked whether a run could begin. While runs are scheduled, or wait for their
    /// window, that is done when the task is created or changed, and again half an hour to an hour before a run is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_check: Option<PreflightCheck>,
    /// The run under way. On record before anything is done for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveRun>,
    /// Runs that have ended, newest first, within the history limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub history: Vec<EndedRun>,
    /// SHA-256 of what the last run did: without a schedule an edit that changes it leads to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub done_hash: Option<String>,
    /// Who held the group and had vanished when a run took it. It is put back as its holder, because
    /// the next rolling update needs to know how that one found the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vanished_holder: Option<Holder>,
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
}

/// A run that is due and has not begun.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingRun {
    /// Why it is to be made.
    pub trigger: RunTrigger,
    /// When it was due, by the schedule; else when it was first seen to be.
    pub due: Time,
    /// How many times of the schedule were due; of several the newest is made.
    pub count: i32,
    /// SHA-256 of what it is to do.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Whether it waits for the scaling group: it has a place in the group's queue.
    #[serde(default, skip_serializing_if = "is_false")]
    pub queued: bool,
    /// Since when something stands against it that a person has to mend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_since: Option<Time>,
    /// What the last run had done before this one was begun: it is so again if this one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub done_before: Option<String>,
    /// How the cloud has refused to let it begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RunRefusal>,
}

/// A refusal that only a person can mend. Nothing was changed, and the group was given back.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRefusal {
    /// How many times in a row. It is tried again after a minute, two, four, and so on up to an hour.
    pub count: i32,
    /// When it was last refused.
    pub time: Time,
    /// Why, in one CamelCase word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// A schedule and since when it is followed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowedSchedule {
    /// SHA-256 of what of the spec decides when runs are due.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Times after this one are due: when the object was created, or when the edit was seen.
    pub since: Time,
}

/// One scaling configuration and the image that it carries.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationImage {
    /// The scaling configuration (`asc-…`).
    #[schemars(length(max = 128))]
    pub id: String,
    /// The image in it; none: there is no such configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
    /// Whether that is the image of the last run.
    pub updated: bool,
}

/// Why a run is made.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum RunTrigger {
    /// There is no schedule, and what is asked for has not been done.
    Now,
    /// `schedule.at`, or a time of `schedule.cron`.
    Schedule,
    /// The annotation `ess-rollout.io/run-now`.
    RunNow,
}

/// A run under way, frozen when it began: an edit of the spec has no effect on it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveRun {
    /// Its number, from 1.
    pub number: i64,
    /// Why it is made.
    pub trigger: RunTrigger,
    /// Of a scheduled one: when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_time: Option<Time>,
    /// When it was put on record.
    pub time: Time,
    /// SHA-256 of what it does.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Where it takes place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What the image is built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ImageSource>,
    /// The image: given, or built by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
    /// The RAM role that OOS assumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ram_role: Option<String>,
    /// What the consoles show.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub description: String,
    /// The configurations that get it, and what they carried before.
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub configurations: Vec<ConfigurationImage>,
    /// The intent to start the execution, on record before the call that it describes. None for a
    /// given image: the operator puts that into the configurations itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartIntent>,
    /// The OOS execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionRef>,
    /// Since when ECS has not known the image that is being built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_missing_since: Option<Time>,
    /// Since when ESS has not shown one of the configurations that get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_missing_since: Option<Time>,
    /// When and why its cancellation was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<RunCancellation>,
    /// When a ModifyScalingConfiguration was last put on record whose answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call_time: Option<Time>,
    /// What it has come to, while its configurations are read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

/// What a run has come to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunEnd {
    /// When that was seen.
    pub time: Time,
    /// How it ended, as far as the service says.
    pub outcome: RunOutcome,
    /// Why, in one CamelCase word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// The cancellation of a run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunCancellation {
    /// When it was asked for.
    pub time: Time,
    /// Why, in one CamelCase word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
    /// When CancelExecution was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_call_time: Option<Time>,
    /// When the next one may come, where the last one had no effect: later each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_time: Option<Time>,
    /// How many had no effect.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub failures: i32,
    /// Since when OOS has answered that there is no such execution, and listed it nowhere. It is taken
    /// for gone only when that is still so after the bound on lateness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
}

/// How a run ended.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum RunOutcome {
    /// All its configurations carried the image when they were read back.
    Succeeded,
    /// Something failed, or was not as it should be when it was read back.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// A run that has ended.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedRun {
    /// Its number, from 1.
    pub number: i64,
    /// Why it was made.
    pub trigger: RunTrigger,
    /// Of a scheduled one: when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_time: Option<Time>,
    /// When it began.
    pub start_time: Time,
    /// When it ended.
    pub end_time: Time,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Why, in one CamelCase word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The image; also of one that failed, if it had come to one: it exists and costs its snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
    /// The execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub execution_id: Option<String>,
}
