//! Behaviours of OOS that no public source settles, one switch each.

use serde::{Deserialize, Serialize};

/// What a failing child execution looks like while its root is suspended upon failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChildInFailurePause {
    /// The child ends `Failed`; a retry makes another child.
    Failed,
    /// The child inherits `FailurePause` and is `Waiting`; a retry goes on inside it.
    Waiting,
}

/// When a loop in `FailurePause` suspends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailurePauseAt {
    /// Once more items have failed than `MaxErrors` tolerates.
    BeyondMaxErrors,
    /// At each failed item, whatever `MaxErrors` says.
    EveryFailure,
}

/// What happens to the other items of a batch while one of them holds the loop in a failure pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OthersInFailurePause {
    /// They are started and run to their end.
    GoOn,
    /// They finish the task that they are in and stand still until the pause is resolved.
    StandStill,
}

/// When an execution whose loop has a failed item begins to show `Waiting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailurePauseShows {
    /// As soon as the item has failed.
    AtOnce,
    /// Only when the other items that run are final.
    AfterRunningItems,
}

/// How `Fn::CalculateBatch` splits n items into b batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchSplit {
    /// The remainder goes one by one to the first batches: 7 in 3 is 3, 2, 2.
    Even,
    /// The remainder goes to the last batch: 7 in 3 is 2, 2, 3.
    RemainderLast,
    /// Each batch holds n/b rounded up until the items run out: 7 in 3 is 3, 3, 1.
    CeilingFirst,
}

/// The status that a paused loop or execution shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PausedStatus {
    /// `Waiting`, as for any other pause.
    Waiting,
    /// `Running`, as if nothing had happened.
    Running,
}

/// The status of an item that was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkippedItemStatus {
    /// It is told apart from those that ran.
    Skipped,
    /// It counts as updated.
    Success,
}

/// How an execution ends that somebody rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RejectedStatus {
    /// As after `CancelExecution`.
    Cancelled,
    /// As after a task that failed.
    Failed,
}

/// What `StartExecution` assumes when it is given no `SafetyCheck`: the Chinese and the English
/// documentation disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SafetyCheckDefault {
    /// Nothing waits for approval.
    Skip,
    /// Calls that stop, delete or replace something wait for approval.
    ConfirmEveryHighRiskAction,
}

/// Whether a request of a questionable kind is taken or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Taken {
    /// The request is carried out.
    Accepted,
    /// The request ends with an error, and nothing happens.
    Refused,
}

/// Which undocumented behaviour the service shows. Defaults are what the documentation makes
/// likeliest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct OosSwitches {
    /// `WaitingStatus` during a batch pause. The published example is empty.
    pub waiting_status_batch_pause: String,
    /// `WaitingStatus` during a failure pause.
    pub waiting_status_failure_pause: String,
    /// `WaitingStatus` while an `ACS::Approve` task or a high-risk call waits.
    pub waiting_status_approval: String,
    /// Status of the loop parent task during a batch or failure pause.
    pub loop_task_in_pause: PausedStatus,
    /// Status of the root during a failure pause. In a batch pause it is always `Waiting`.
    pub root_in_failure_pause: PausedStatus,
    /// What a failing child shows while the root is suspended upon failure.
    pub child_in_failure_pause: ChildInFailurePause,
    /// When a loop in `FailurePause` suspends.
    pub failure_pause_at: FailurePauseAt,
    /// What the other items of the batch do meanwhile.
    pub others_in_failure_pause: OthersInFailurePause,
    /// When the suspension shows in the status of loop and root.
    pub failure_pause_shows: FailurePauseShows,
    /// Whether `EveryBatchPause` pauses after the last batch, too.
    pub pause_after_last_batch: bool,
    /// How `Fn::CalculateBatch` splits.
    pub batch_split: BatchSplit,
    /// Retry-, Skip- and CancelTask accept the root with `TaskExecutionId(s)` of the loop child.
    pub notify_by_task_execution_id: bool,
    /// Retry-, Skip- and CancelTask accept the root with `LoopItem`.
    pub notify_by_loop_item: bool,
    /// Retry-, Skip- and CancelTask accept the child execution (its failed task, or none named).
    pub notify_by_child_execution: bool,
    /// The status of a loop item that `SkipTask` passed over.
    pub skipped_item_status: SkippedItemStatus,
    /// Whether an item given up with `CancelTask` still counts against `MaxErrors` at the end of
    /// the loop.
    pub cancelled_items_count_as_errors: bool,
    /// How an execution ends after `Reject`. The help on `ACS::Approve` says `Cancelled`; nothing
    /// is said of rejected high-risk calls and batch pauses.
    pub rejected_execution: RejectedStatus,
    /// `SafetyCheck=Skip` together with `Mode=FailurePause`.
    pub skip_with_failure_pause: Taken,
    /// What a missing `SafetyCheck` means.
    pub safety_check_default: SafetyCheckDefault,
    /// Template parameters that the template does not declare.
    pub unknown_template_parameters: Taken,
    /// Templates that ask for actions or APIs which this emulator does not have.
    pub missing_actions: Taken,
    /// `UpdateDate` of an execution moves when something changes in its children.
    pub update_date_moves_with_children: bool,
    /// Virtual seconds before a new execution shows in `ListExecutions`.
    pub list_lag_seconds: u32,
    /// Virtual seconds before the `Tags` filter finds a new execution.
    pub tag_lag_seconds: u32,
    /// Virtual seconds by which `UpdateDate` in lists is behind.
    pub update_date_lag_seconds: u32,
    /// `NextToken` points behind the last row, so that rows which come or go between two pages
    /// shift nothing. Otherwise it is an offset.
    pub stable_pages: bool,
    /// Virtual seconds that an execution is `Started` before its first task.
    pub start_delay_seconds: u32,
    /// Virtual seconds between two tasks of an execution.
    pub task_delay_seconds: u32,
    /// Virtual seconds between `CancelExecution` and the status `Cancelled`.
    pub cancel_delay_seconds: u32,
}

impl Default for OosSwitches {
    fn default() -> Self {
        Self {
            waiting_status_batch_pause: String::new(),
            waiting_status_failure_pause: String::new(),
            waiting_status_approval: String::new(),
            loop_task_in_pause: PausedStatus::Waiting,
            root_in_failure_pause: PausedStatus::Waiting,
            child_in_failure_pause: ChildInFailurePause::Failed,
            failure_pause_at: FailurePauseAt::BeyondMaxErrors,
            others_in_failure_pause: OthersInFailurePause::GoOn,
            failure_pause_shows: FailurePauseShows::AtOnce,
            pause_after_last_batch: false,
            batch_split: BatchSplit::Even,
            notify_by_task_execution_id: true,
            notify_by_loop_item: true,
            notify_by_child_execution: false,
            skipped_item_status: SkippedItemStatus::Skipped,
            cancelled_items_count_as_errors: false,
            rejected_execution: RejectedStatus::Cancelled,
            skip_with_failure_pause: Taken::Accepted,
            safety_check_default: SafetyCheckDefault::Skip,
            unknown_template_parameters: Taken::Refused,
            missing_actions: Taken::Accepted,
            update_date_moves_with_children: true,
            list_lag_seconds: 0,
            tag_lag_seconds: 0,
            update_date_lag_seconds: 0,
            stable_pages: true,
            start_delay_seconds: 1,
            task_delay_seconds: 1,
            cancel_delay_seconds: 2,
        }
    }
}
