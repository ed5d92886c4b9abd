//! What an execution and its tasks are made of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::host::Caller;
use super::template::Version;
use super::trigger_state::Trigger;

/// Status of an execution or task execution, as OOS spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Started,
    Running,
    Waiting,
    Success,
    Failed,
    Cancelled,
    Skipped,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Running => "Running",
            Self::Waiting => "Waiting",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Skipped => "Skipped",
        }
    }

    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Failed | Self::Cancelled | Self::Skipped
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Automatic,
    FailurePause,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Automatic => "Automatic",
            Self::FailurePause => "FailurePause",
        }
    }
}

/// When a loop stops between batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PauseOption {
    Automatic,
    FirstBatchPause,
    EveryBatchPause,
}

impl PauseOption {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Automatic" => Self::Automatic,
            "FirstBatchPause" => Self::FirstBatchPause,
            "EveryBatchPause" => Self::EveryBatchPause,
            _ => return None,
        })
    }
}

/// Why a task is `Waiting` for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// An `ACS::Approve` task.
    Approval,
    /// A high-risk call under `ConfirmEveryHighRiskAction`.
    HighRisk,
    /// A failed task under `FailurePause`.
    Failure,
    /// A loop between two batches.
    Batch,
    /// The child execution of this task waits.
    Child,
    /// A trigger that waits for its time or event.
    Trigger,
}

/// The state of a loop parent task.
#[derive(Debug, Clone)]
pub(super) struct LoopRun {
    pub(super) items: Vec<Value>,
    /// Sizes of consecutive batches; one batch of everything for plain concurrency.
    pub(super) batches: Vec<usize>,
    /// How many items may run at a time, by batch; the last one repeats.
    pub(super) at_a_time: Vec<usize>,
    pub(super) max_errors: usize,
    pub(super) pause_option: PauseOption,
    /// Index of the batch that is under way.
    pub(super) batch: usize,
    /// Index of the next item to start.
    pub(super) next: usize,
    /// Items that are started and not final.
    pub(super) active: usize,
    /// Loop child tasks by item index, once started.
    pub(super) children: BTreeMap<usize, usize>,
    /// Child tasks whose failure nobody has resolved yet.
    pub(super) unresolved: BTreeSet<usize>,
    /// Items given up through `CancelTask`.
    pub(super) given_up: usize,
    /// Items to pass over (`true`: skipped, `false`: cancelled) when their turn comes.
    pub(super) passed_over: BTreeMap<usize, bool>,
    /// Whether the pause after batch `batch` was approved.
    pub(super) approved: bool,
    /// Child executions that stand still until the failure pause is resolved.
    pub(super) frozen: BTreeSet<String>,
}

/// One task execution.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) id: String,
    /// Index among the tasks of the template.
    pub(super) spec: usize,
    /// The loop parent task.
    pub(super) parent: Option<usize>,
    pub(super) item: Option<Value>,
    pub(super) item_index: usize,
    pub(super) batch_number: Option<usize>,
    pub(super) status: Status,
    pub(super) message: String,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) updated: Timestamp,
    /// Resolved properties; null until the action first runs.
    pub(super) properties: Value,
    pub(super) outputs: Map<String, Value>,
    pub(super) note: String,
    pub(super) child: Option<String>,
    /// Polls of a wait, or repetitions after errors.
    pub(super) attempt: u32,
    /// Counts restarts; work that was due for an older one is void.
    pub(super) generation: u32,
    pub(super) pause: Option<Pause>,
    /// Whether `When` was passed and, for a loop, the items are known. Until then the action must
    /// not run, whatever is repeated or retried.
    pub(super) begun: bool,
    /// Who has approved an `ACS::Approve` task so far.
    pub(super) approvals: BTreeSet<String>,
    /// A high-risk call or approval that was let through.
    pub(super) approved: bool,
    pub(super) looped: Option<Box<LoopRun>>,
}

/// The task that a child execution belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParentLink {
    pub(super) execution: String,
    pub(super) task: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) at: Timestamp,
    pub(super) task: String,
    pub(super) message: String,
}

#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) id: String,
    /// Creation order, over all executions.
    pub(super) number: u64,
    pub(super) region: String,
    pub(super) link: Option<ParentLink>,
    /// `ParentExecutionId`; empty for a root.
    pub(super) parent_id: String,
    pub(super) root_id: String,
    /// Whose limits count: the root, or the root of the execution whose template made this one by
    /// a call of StartExecution.
    pub(super) family: String,
    /// Nesting below the root.
    pub(super) level: usize,
    pub(super) template: Arc<Version>,
    pub(super) mode: Mode,
    pub(super) loop_mode: PauseOption,
    pub(super) loop_mode_text: String,
    pub(super) confirm_high_risk: bool,
    pub(super) safety_check: String,
    pub(super) starter: Caller,
    /// Who calls the cloud: the starter, or the role assumed.
    pub(super) acting: Caller,
    pub(super) ram_role: String,
    pub(super) status: Status,
    pub(super) message: String,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// Moments at which something changed, newest last; older ones only as far as lag needs.
    pub(super) updates: VecDeque<Timestamp>,
    pub(super) parameters: Map<String, Value>,
    pub(super) outputs: Map<String, Value>,
    pub(super) tags: Map<String, Value>,
    pub(super) description: String,
    pub(super) resource_group: String,
    pub(super) tasks: Vec<Task>,
    /// Index of the template task that is next or under way.
    pub(super) position: usize,
    pub(super) named: BTreeMap<String, Map<String, Value>>,
    pub(super) children: Vec<String>,
    /// The tasks that have a [`Pause`].
    pub(super) paused: BTreeSet<usize>,
    /// Task runs so far; a bound on endless `OnError` circles.
    pub(super) runs: u32,
    /// Weight of all task outputs so far.
    pub(super) kept: usize,
    /// Bytes that it keeps, by estimate.
    pub(super) bytes: usize,
    /// Children that were let go of, by status.
    pub(super) gone: BTreeMap<Status, usize>,
    pub(super) logs: Vec<Log>,
    pub(super) cancelling: bool,
    /// Once the template's trigger waits.
    pub(super) trigger: Option<Box<Trigger>>,
}

impl Execution {
    pub(super) fn updated(&self) -> Timestamp {
        self.updates.back().copied().unwrap_or(self.created)
    }

    pub(super) fn is_root(&self) -> bool {
        self.parent_id.is_empty()
    }
}

/// What a new execution is given besides its template and parameters.
pub(super) struct NewExecution {
    pub(super) link: Option<ParentLink>,
    pub(super) parent_id: String,
    pub(super) root_id: Option<String>,
    pub(super) family: Option<String>,
    pub(super) level: usize,
    pub(super) mode: Mode,
    /// `LoopMode` as given; empty for none.
    pub(super) loop_mode: String,
    pub(super) safety_check: String,
    pub(super) confirm_high_risk: bool,
    pub(super) starter: Caller,
    pub(super) acting: Caller,
    pub(super) tags: Map<String, Value>,
    pub(super) description: String,
    pub(super) resource_group: String,
}

impl NewExecution {
    pub(super) fn default_for(caller: &Caller) -> Self {
        Self {
            link: None,
            parent_id: String::new(),
            root_id: None,
            family: None,
            level: 0,
            mode: Mode::Automatic,
            loop_mode: String::new(),
            safety_check: String::new(),
            confirm_high_risk: false,
            starter: caller.clone(),
            acting: caller.clone(),
            tags: Map::new(),
            description: String::new(),
            resource_group: String::new(),
        }
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`, as OOS writes times.
pub(super) fn time_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
