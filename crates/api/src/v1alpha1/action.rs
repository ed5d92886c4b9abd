//! The ledger of requests: what people asked for by annotation, and what became of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_false, is_zero};

/// A request and what became of it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The verb and a hash of the annotation's value.
    #[schemars(length(max = 64))]
    pub id: String,
    /// What was asked for.
    pub verb: Verb,
    /// The pause or the instances that it names, as resolved when it was accepted; of a set, its name
    /// (`failed`, `batch-3`, `task:tagInstance`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 160)))]
    pub targets: Vec<String>,
    /// What became of each instance that it names, or that was in the set that it names when it was
    /// accepted. Dropped from older requests that are settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000), extend("x-kubernetes-list-type" = "atomic"))]
    pub instances: Vec<ActionTarget>,
    /// How far.
    pub state: ActionState,
    /// Why, in one CamelCase word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
    /// Who asked: the value of the annotation ess-rollout.io/requested-by at that time, behind `unverified:` where no admission
    /// policy made sure of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub requested_by: String,
    /// Why: the value of the annotation ess-rollout.io/request-note at that time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub note: String,
    /// When the operator first saw it.
    pub time: Time,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// One instance of a request, and what became of it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionTarget {
    /// The instance; of a task of the execution itself, the loop item or the task's name.
    #[schemars(length(max = 128))]
    pub instance: String,
    /// The task execution, where a task of the execution itself is meant and no instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 160))]
    pub task_execution_id: Option<String>,
    /// When that task failed: a later failure of it is another attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_time: Option<Time>,
    /// The attempt that it is for (`status.instances[].attempt`), fixed when the request was
    /// accepted. 0: the instance had not begun, and it is for its first attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: i32,
    /// The nested execution of that attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub execution_id: Option<String>,
    /// How far.
    pub state: ActionState,
    /// Why, in one CamelCase word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in a sentence; while it is open, what it waits for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,
    /// The NotifyExecution that is to bring it about, on record before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<ActionCall>,
}

/// A NotifyExecution for one instance of a request.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionCall {
    /// When it was last put on record, the call following at once.
    pub time: Time,
    /// From when on it can no longer take effect and what OOS lists shows that, by the bounds as they
    /// were then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// How many times it was put on record.
    pub count: i32,
    /// How the instance is addressed.
    pub address: NotifyAddress,
    /// Whether its answer is not known: it may have taken effect, or may yet, within the bound on
    /// lateness.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unanswered: bool,
    /// Whether an earlier one was never answered.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost: bool,
    /// A hash of what was seen of the instance and the update.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub seen: String,
    /// How many times OOS refused it, under every address, while that was seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: i32,
}

/// How NotifyExecution names an instance. Which of these OOS takes is not documented.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum NotifyAddress {
    /// The root execution, with the task execution of the loop item and the item.
    LoopTask,
    /// The root execution, with the item alone: the instance has not begun.
    LoopItem,
    /// The nested execution, with its failed task.
    ChildExecution,
}

/// A request that was carried out on an instance: OOS said so.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRequest {
    /// What was asked for.
    pub verb: Verb,
    /// On which attempt; 0: before the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: i32,
    /// When.
    pub time: Time,
}

/// The verbs of requests.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum Verb {
    /// Leave a batch pause.
    Continue,
    /// Run failed instances again.
    Retry,
    /// Pass over instances.
    Skip,
    /// Give up instances.
    CancelInstances,
    /// Cancel the task; of an ImageUpdateTask, the run under way.
    Cancel,
    /// Of an ImageUpdateTask: make a run now.
    RunNow,
    /// Have the checks of `spec.gates` made again that came to a verdict.
    RetryGate,
    /// Have windows count no more for this object.
    OverrideWindow,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Continue,
        Self::Retry,
        Self::Skip,
        Self::CancelInstances,
        Self::Cancel,
        Self::RunNow,
        Self::RetryGate,
        Self::OverrideWindow,
    ];

    /// As annotations, Events and the plugin spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::CancelInstances => "cancel-instances",
            Self::Cancel => "cancel",
            Self::RunNow => "run-now",
            Self::RetryGate => "retry-gate",
            Self::OverrideWindow => "override-window",
        }
    }
}

/// How far a request is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ActionState {
    /// On record; its effect may or may not have happened.
    Accepted,
    /// Its effect has happened.
    Applied,
    /// It has had no effect and will have none.
    Rejected,
}

/// The last value seen of each request annotation. Never trimmed.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandledActions {
    /// Of `continue`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "continue")]
    #[schemars(length(max = 2048))]
    pub continue_: Option<String>,
    /// Of `retry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub retry: Option<String>,
    /// Of `skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub skip: Option<String>,
    /// Of `cancel-instances`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub cancel_instances: Option<String>,
    /// Of `cancel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub cancel: Option<String>,
    /// Of `run-now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub run_now: Option<String>,
    /// Of `retry-gate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub retry_gate: Option<String>,
    /// Of `override-window`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub override_window: Option<String>,
}

impl HandledActions {
    /// Whether none was ever seen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The last value seen for a verb.
    pub fn get(&self, verb: Verb) -> Option<&str> {
        match verb {
            Verb::Continue => self.continue_.as_deref(),
            Verb::Retry => self.retry.as_deref(),
            Verb::Skip => self.skip.as_deref(),
            Verb::CancelInstances => self.cancel_instances.as_deref(),
            Verb::Cancel => self.cancel.as_deref(),
            Verb::RunNow => self.run_now.as_deref(),
            Verb::RetryGate => self.retry_gate.as_deref(),
            Verb::OverrideWindow => self.override_window.as_deref(),
        }
    }

    /// Records the value seen for a verb.
    pub fn set(&mut self, verb: Verb, value: String) {
        let slot = match verb {
            Verb::Continue => &mut self.continue_,
            Verb::Retry => &mut self.retry,
            Verb::Skip => &mut self.skip,
            Verb::CancelInstances => &mut self.cancel_instances,
            Verb::Cancel => &mut self.cancel,
            Verb::RunNow => &mut self.run_now,
            Verb::RetryGate => &mut self.retry_gate,
            Verb::OverrideWindow => &mut self.override_window,
        };
        *slot = Some(value);
    }
}
