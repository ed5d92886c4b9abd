//! What people and tools read: the state word, the conditions, Events, and the size of it all.

use ess_rollout_api::v1alpha1::{InstanceState, RollingUpdateTaskStatus, condition};
use ess_rollout_cloud::{CloudError, ErrorClass, Outcome};

use super::context::Context;
use crate::task::cloud_failure::{self, Trouble};
use crate::task::conditions;

/// The most bytes of a serialized status: with metadata and managed fields the object stays well
/// under etcd's limit of 1.5 MiB.
const STATUS_BYTES_MAX: usize = 900 * 1024;
/// The most instances that carry the tail of their output.
const OUTPUT_TAILS_MAX: usize = 20;
/// The most bytes of an instance's message once there is no room for more.
const SHORT_MESSAGE: usize = 96;
/// Where a task is, in the word that people read. Derived: nothing is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for its turn, or is about to start.
    Pending,
    /// Preflight found what a person has to mend.
    Blocked,
    /// Checked, not to be run yet.
    Planned,
    /// In progress.
    Running,
    /// In progress, and nothing has moved for too long.
    StandingStill,
    /// Waits for a person after a batch.
    BatchSuspended,
    /// Waits for a person because an instance failed.
    FailureSuspended,
    /// Waits for confirmation of a high-risk action.
    ApprovalSuspended,
    /// Waits for something unknown.
    Suspended,
    /// On its way to the end, on request.
    Cancelling,
    /// Ended; the group is being put back.
    Restoring,
    /// Done.
    Succeeded,
    /// Not done.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl Phase {
    const ALL: [Self; 13] = [
        Self::Pending,
        Self::Blocked,
        Self::Planned,
        Self::Running,
        Self::BatchSuspended,
        Self::FailureSuspended,
        Self::ApprovalSuspended,
        Self::Suspended,
        Self::Cancelling,
        Self::Restoring,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Blocked => "Blocked",
            Self::Planned => "Planned",
            Self::Running | Self::StandingStill => "Running",
            Self::BatchSuspended => "BatchSuspended",
            Self::FailureSuspended => "FailureSuspended",
            Self::ApprovalSuspended => "ApprovalSuspended",
            Self::Suspended => "Suspended",
            Self::Cancelling => "Cancelling",
            Self::Restoring => "Restoring",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    fn is_paused(self) -> bool {
        matches!(
            self,
            Self::BatchSuspended
                | Self::FailureSuspended
                | Self::ApprovalSuspended
                | Self::Suspended
        )
    }

    /// Whether a person has to act before anything moves (kstatus `Stalled`).
    fn is_stalled(self) -> bool {
        matches!(
            self,
            Self::Blocked
                | Self::StandingStill
                | Self::FailureSuspended
                | Self::Failed
                | Self::Cancelled
        )
    }

    fn succeeded(self) -> &'static str {
        match self {
            Self::Succeeded => "True",
            Self::Failed | Self::Cancelled => "False",
            _ => "Unknown",
        }
    }
}

/// Writes the state word and the conditions that follow from the phase.
pub(super) fn show(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    phase: Phase,
    reason: &str,
    message: &str,
) {
    status.state = Some(phase.word().to_owned());
    let ready = match phase {
        Phase::Succeeded => "True",
        _ if phase.is_stalled() => "False",
        _ => "Unknown",
    };
    set(
        ctx,
        status,
        condition::SUCCEEDED,
        phase.succeeded(),
        reason,
        message,
    );
    set(ctx, status, condition::READY, ready, reason, message);
    // kstatus: abnormal-true, present only while True, and never both.
    let (present, absent) = if phase.is_stalled() {
        (Some(condition::STALLED), condition::RECONCILING)
    } else if phase == Phase::Succeeded {
        conditions::remove(&mut status.conditions, condition::STALLED);
        (None, condition::RECONCILING)
    } else {
        (Some(condition::RECONCILING), condition::STALLED)
    };
    conditions::remove(&mut status.conditions, absent);
    if let Some(type_) = present {
        set(ctx, status, type_, "True", reason, message);
    }
    let paused = if phase.is_paused() { "True" } else { "False" };
    let (paused_reason, paused_message) = if phase.is_paused() {
        (reason, message)
    } else {
        ("NotPaused", "")
    };
    set(
        ctx,
        status,
        condition::PAUSED,
        paused,
        paused_reason,
        paused_message,
    );
}

/// Whether a refusal that only a person can mend is on show.
pub(super) fn is_refused(status: &RollingUpdateTaskStatus) -> bool {
    cloud_failure::is_refused(&status.conditions)
}

/// As [`show`] before another try; but a refusal of the last one stays on show until one succeeds,
/// or each try would change the object twice.
pub(super) fn show_unless_refused(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    phase: Phase,
    reason: &str,
    message: &str,
) {
    if status.state.as_deref() != Some(phase.word()) || !is_refused(status) {
        show(ctx, status, phase, reason, message);
    }
}

/// Says that what a run may have left changed was not looked at, and why.
pub(super) fn not_looked_at(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    message: &str,
) {
    set(
        ctx,
        status,
        condition::RESTORED,
        "Unknown",
        "NotLookedAt",
        message,
    );
}

/// Sets one condition.
pub(super) fn set(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    type_: &str,
    value: &str,
    reason: &str,
    message: &str,
) {
    let now = ctx.now();
    conditions::set(
        &mut status.conditions,
        type_,
        value,
        reason,
        message,
        ctx.generation,
        now,
    );
}

/// Says that nothing stands against the start.
pub(super) fn passed(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus, message: &str) {
    set(ctx, status, condition::PREFLIGHT, "True", "Passed", message);
}

/// All conditions on the first visit, so that a missing one never has to be guessed at.
pub(super) fn first(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    show(
        ctx,
        status,
        Phase::Pending,
        "Accepted",
        "the task has been seen and nothing has been started",
    );
    for type_ in [
        condition::PREFLIGHT,
        condition::RESTORED,
        condition::VERIFIED,
    ] {
        set(ctx, status, type_, "Unknown", "NotYet", "");
    }
}

/// A failure of the cloud that keeps the task from moving. What is known stays as it is.
pub(super) fn trouble(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus, error: &CloudError) {
    let Some(Trouble {
        reason,
        mut message,
        needs_person,
    }) = Trouble::of(error)
    else {
        return;
    };
    // A region that is misspelt has no endpoint, or one that knows nothing of it.
    let unreached = error.class == ErrorClass::Retry && error.outcome == Outcome::NoEffect;
    if unreached || error.code.starts_with("InvalidRegionId") {
        let (region, field) = (&ctx.region, ctx.field_of_region());
        message.push_str(&format!("; the region is {region} ({field})"));
    }
    if status.execution.is_none() && status.result.is_none() {
        let phase = if needs_person {
            Phase::Blocked
        } else {
            Phase::Pending
        };
        let value = if needs_person { "False" } else { "Unknown" };
        if status.start.is_none() {
            set(ctx, status, condition::PREFLIGHT, value, reason, &message);
        }
        show(ctx, status, phase, reason, &message);
        return;
    }
    let phase = Phase::of_status(status).unwrap_or(Phase::Running);
    let (present, absent) = if needs_person {
        (condition::STALLED, condition::RECONCILING)
    } else if phase.is_stalled() || is_refused(status) {
        // Already waits for a person: not reaching the cloud changes nothing about that.
        return;
    } else {
        (condition::RECONCILING, condition::STALLED)
    };
    conditions::remove(&mut status.conditions, absent);
    set(ctx, status, present, "True", reason, &message);
    set(
        ctx,
        status,
        condition::READY,
        if needs_person { "False" } else { "Unknown" },
        reason,
        &message,
    );
}

/// Something besides a failed call keeps the task from moving until a person acts. What is known stays as
/// it is.
pub(super) fn needs_person(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    reason: &str,
    message: &str,
) {
    conditions::remove(&mut status.conditions, condition::RECONCILING);
    set(ctx, status, condition::STALLED, "True", reason, message);
    set(ctx, status, condition::READY, "False", reason, message);
}

/// Keeps the status small: output tails first, then messages, then the conditions of healthy
/// instances, then healthy instances. Intents, ledgers and membership are never touched.
pub(super) fn trim(status: &mut RollingUpdateTaskStatus) {
    let mut tails = 0;
    for instance in &mut status.instances {
        if instance.output_tail.is_some() {
            tails += 1;
            if tails > OUTPUT_TAILS_MAX {
                instance.output_tail = None;
            }
        }
    }
    if size(status) <= STATUS_BYTES_MAX {
        return;
    }
    status
        .instances
        .iter_mut()
        .for_each(|i| i.output_tail = None);
    if size(status) <= STATUS_BYTES_MAX {
        return;
    }
    for condition in status.instances.iter_mut().flat_map(|i| &mut i.conditions) {
        condition.message = conditions::shorten(&condition.message, SHORT_MESSAGE);
    }
    if size(status) <= STATUS_BYTES_MAX {
        return;
    }
    for instance in &mut status.instances {
        if instance.state == InstanceState::Succeeded || instance.state == InstanceState::Pending {
            instance.conditions.clear();
        }
    }
    if size(status) <= STATUS_BYTES_MAX {
        return;
    }
    let before = status.instances.len();
    status
        .instances
        .retain(|i| !matches!(i.state, InstanceState::Succeeded | InstanceState::Pending));
    let dropped = before - status.instances.len();
    status.instances_truncated = i32::try_from(dropped).ok();
}

fn size(status: &RollingUpdateTaskStatus) -> usize {
    serde_json::to_vec(status).map_or(0, |bytes| bytes.len())
}
