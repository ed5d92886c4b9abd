//! What people and tools read: the state word and the conditions.

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, RunOutcome, condition};
use ess_rollout_cloud::CloudError;

use super::context::Context;
use crate::task::cloud_failure::{self, Trouble};
use crate::task::conditions;

/// Where a task is, in the word that people read. Derived: nothing is decided by it, but that one
/// in `Waiting` stands in its group's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A run is due and is about to begin, or waits for something that passes by itself.
    Pending,
    /// A run is due and waits for the scaling group.
    Waiting,
    /// A run is due, or would be, and a person has to mend something first.
    Blocked,
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

impl Phase {
    const ALL: [Self; 12] = [
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

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Waiting => "Waiting",
            Self::Blocked => "Blocked",
            Self::Running => "Running",
            Self::Cancelling => "Cancelling",
            Self::Verifying => "Verifying",
            Self::Scheduled => "Scheduled",
            Self::Suspended => "Suspended",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Finished => "Finished",
        }
    }

    /// Whether a run is due or under way.
    fn is_busy(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Waiting | Self::Running | Self::Cancelling | Self::Verifying
        )
    }

    /// Whether a person has to act (kstatus `Stalled`).
    fn is_stalled(self) -> bool {
        matches!(self, Self::Blocked | Self::Failed | Self::Cancelled)
    }
}

/// Writes the state word and the conditions that follow from the phase. `Succeeded` is of the last
/// run, and not known from the moment that another is due.
pub(super) fn show(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    phase: Phase,
    reason: &str,
    message: &str,
) {
    if phase.is_busy() || phase == Phase::Blocked {
        set(
            ctx,
            status,
            condition::SUCCEEDED,
            "Unknown",
            reason,
            message,
        );
    }
    show_ahead(ctx, status, phase, reason, message);
}

/// The same of a run that is not due yet: `Succeeded` is still of the last one.
pub(super) fn show_ahead(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    phase: Phase,
    reason: &str,
    message: &str,
) {
    status.state = Some(phase.word().to_owned());
    let (ready, present) = if phase.is_stalled() {
        ("False", Some(condition::STALLED))
    } else if phase.is_busy() {
        ("Unknown", Some(condition::RECONCILING))
    } else {
        ("True", None)
    };
    set(ctx, status, condition::READY, ready, reason, message);
    // kstatus: abnormal-true, present only while True, and never both.
    for type_ in [condition::STALLED, condition::RECONCILING] {
        if present == Some(type_) {
            set(ctx, status, type_, "True", reason, message);
        } else {
            conditions::remove(&mut status.conditions, type_);
        }
    }
}

/// As [`show`] before another try; but a refusal of the last one stays on show until one succeeds,
/// or each try would change the object twice.
pub(super) fn show_unless_refused(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    phase: Phase,
    reason: &str,
    message: &str,
) {
    let same = status.state.as_deref() == Some(phase.word());
    if !same || !cloud_failure::is_refused(&status.conditions) {
        show(ctx, status, phase, reason, message);
    }
}

/// Sets one condition.
pub(super) fn set(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    type_: &str,
    value: &str,
    reason: &str,
    message: &str,
) {
    let (all, now) = (&mut status.conditions, ctx.now());
    conditions::set(all, type_, value, reason, message, ctx.generation, now);
}

/// All conditions on the first visit, so that a missing one never has to be guessed at.
pub(super) fn first(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let message = "the task has been seen and nothing has been started";
    show(ctx, status, Phase::Pending, "Accepted", message);
    for type_ in [condition::PREFLIGHT, condition::VERIFIED] {
        set(ctx, status, type_, "Unknown", "NotYet", "");
    }
}

/// A failure of the cloud that keeps the task from moving. What is known stays as it is.
pub(super) fn trouble(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, error: &CloudError) {
    let Some(trouble) = Trouble::of(error) else {
        return;
    };
    let (reason, message) = (trouble.reason, trouble.message.as_str());
    if status.active.is_none() {
        let (phase, value) = if trouble.needs_person {
            (Phase::Blocked, "False")
        } else {
            (Phase::Pending, "Unknown")
        };
        set(ctx, status, condition::PREFLIGHT, value, reason, message);
        return show(ctx, status, phase, reason, message);
    }
    let (present, absent, ready) = if trouble.needs_person {
        (condition::STALLED, condition::RECONCILING, "False")
    } else if cloud_failure::is_refused(&status.conditions) {
        // Already waits for a person: not reaching the cloud changes nothing about that.
        return;
    } else {
        (condition::RECONCILING, condition::STALLED, "Unknown")
    };
    conditions::remove(&mut status.conditions, absent);
    set(ctx, status, present, "True", reason, message);
    set(ctx, status, condition::READY, ready, reason, message);
}

/// Something besides a failed call keeps the run from moving until a person acts. What is known stays as
/// it is.
pub(super) fn needs_person(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    reason: &str,
    message: &str,
) {
    conditions::remove(&mut status.conditions, condition::RECONCILING);
    set(ctx, status, condition::STALLED, "True", reason, message);
    set(ctx, status, condition::READY, "False", reason, message);
}

/// Publishes how the last run ended.
pub(super) fn ended(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    outcome: RunOutcome,
    reason: &str,
    message: &str,
) {
    let value = match outcome {
        RunOutcome::Succeeded => "True",
        RunOutcome::Failed | RunOutcome::Cancelled => "False",
    };
    set(ctx, status, condition::SUCCEEDED, value, reason, message);
}
