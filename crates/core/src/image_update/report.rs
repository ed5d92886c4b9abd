//! What people and tools read: the state word and the conditions.

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, RunOutcome, condition};
use ess_rollout_cloud::CloudError;
use jiff::Timestamp;

use super::{Draft, End};
use crate::task::cloud_failure::{self, Failure};
use crate::task::conditions;
use crate::task::display::{self, Displayed, Fields, Value};
use crate::task::reason::Reason;

/// Where a task is, in the word that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A run is due and is about to begin, or waits for something that passes by itself.
    Pending,
    /// A run is due and waits for the scaling group.
    Waiting,
    /// A run is due, or would be, and a person has to mend something first.
    Blocked,
    /// The same of one that is not due yet: `Succeeded` is still of the last one.
    BlockedAhead,
    /// A run is under way.
    Running,
    /// It is being cancelled.
    Cancelling,
    /// It has ended, and its configurations are read back.
    Verifying,
    /// Nothing is due; the next run is.
    Scheduled,
    /// Nothing begins by itself.
    Suspended,
    /// Nothing is due any more, and the last run succeeded.
    Succeeded,
    /// The last run failed.
    Failed,
    /// Nothing is due any more, and the last run was cancelled.
    Cancelled,
    /// Nothing is due any more, and nothing was run.
    Finished,
}

impl display::Phase for Phase {
    const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Waiting,
        Self::Blocked,
        Self::Running,
        Self::Cancelling,
        Self::Verifying,
        Self::Scheduled,
        Self::Suspended,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Finished,
    ];

    fn named(self) -> Self {
        match self {
            Self::BlockedAhead => Self::Blocked,
            named => named,
        }
    }

    fn ready(self) -> Value {
        match self {
            Self::Blocked | Self::BlockedAhead | Self::Failed | Self::Cancelled => Value::False,
            Self::Pending | Self::Waiting | Self::Running | Self::Cancelling | Self::Verifying => {
                Value::Unknown
            }
            Self::Scheduled | Self::Suspended | Self::Succeeded | Self::Finished => Value::True,
        }
    }

    /// `Succeeded` is of the last run, and not known from the moment that another is due.
    fn succeeded(self) -> Option<Value> {
        let due = self == Self::Blocked || self.ready() == Value::Unknown;
        due.then_some(Value::Unknown)
    }
}

/// Every word that `status.state` of an ImageUpdateTask can have.
pub fn states() -> Vec<String> {
    display::words::<Phase>()
}

impl Displayed for ImageUpdateTaskStatus {
    type Phase = Phase;

    fn fields(&mut self) -> Fields<'_> {
        Fields {
            state: &mut self.state,
            conditions: &mut self.conditions,
            call_refused: &mut self.call_refused,
            layout: &mut self.layout,
            layout_version: &mut self.layout_version,
            observed_generation: &mut self.observed_generation,
            unknown_annotations: &mut self.unknown_annotations,
        }
    }

    fn displayed(&self) -> String {
        let (state, outcome) = (&self.state, self.last_outcome);
        let conditions = display::conditions_as_text(&self.conditions);
        format!("{state:?} {outcome:?} {conditions}")
    }

    fn note_phase(&mut self, phase: Phase) {
        if let Some(waiting) = &mut self.waiting {
            waiting.queued = phase == Phase::Waiting;
        }
    }

    fn recall(&mut self, _now: Timestamp) {
        if self.active.is_some() {
            self.call_refused = cloud_failure::shown_refusal(&self.conditions);
        }
        let Some(outcome) = self.last_outcome else {
            return;
        };
        let shown = conditions::get(&self.conditions, condition::SUCCEEDED);
        let shown = shown.filter(|shown| shown.status != Value::Unknown.word());
        let newest = self.history.iter().find(|run| run.outcome == outcome);
        (self.last_reason, self.last_message) = match (shown, newest) {
            (Some(shown), _) => (shown.reason.clone(), shown.message.clone()),
            (None, Some(run)) => (run.reason.clone(), run.message.clone()),
            (None, None) => (format!("{outcome:?}"), String::new()),
        };
    }
}

/// All conditions on the first visit, so that a missing one never has to be guessed at.
pub(super) fn first(status: &mut Draft) {
    let message = "the task has been seen and nothing has been started";
    status.show(Phase::Pending, Reason::Accepted, message);
    for type_ in [condition::PREFLIGHT, condition::VERIFIED] {
        status.set(type_, Value::Unknown, Reason::NotYet, "");
    }
}

/// A failure of the cloud that keeps the task from moving. What is known stays as it is.
pub(super) fn failed(status: &mut Draft, error: &CloudError) {
    let Some(failure) = Failure::of(error) else {
        return;
    };
    if status.active.is_some() {
        status.failed(&failure);
    } else {
        status.refuse_start(&failure);
        status.hold_up(&failure, Phase::Blocked, Phase::Pending);
    }
}

/// Puts on record how the last run ended, and publishes it.
pub(super) fn ended(status: &mut Draft, (outcome, reason, message): End<'_>) {
    status.last_outcome = Some(outcome);
    status.last_reason = reason.into();
    status.last_message = conditions::shorten(message, conditions::MESSAGE_MAX);
    show_last_run(status);
}

/// Publishes how the last run ended.
pub(super) fn show_last_run(status: &mut Draft) {
    let none = "no run has ended yet";
    let value = match status.last_outcome {
        Some(RunOutcome::Succeeded) => Value::True,
        Some(RunOutcome::Failed | RunOutcome::Cancelled) => Value::False,
        None => return status.set(condition::SUCCEEDED, Value::Unknown, Reason::NoRun, none),
    };
    let reason = Reason::recorded(&status.last_reason);
    let message = status.last_message.clone();
    status.set(condition::SUCCEEDED, value, reason, &message);
}
