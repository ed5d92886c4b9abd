//! What people and tools read of an update: where it can be, what that means for the conditions, and the size of it all.

use ess_rollout_api::v1alpha1::{InstanceState, RollingUpdateTaskStatus, StartBlocked, condition};
use ess_rollout_cloud::{CloudError, ErrorClass, Outcome};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::decision::Draft;
use super::instance_display;
use super::others::OTHERS_RUN;
use crate::task::cloud_failure::{self, Failure};
use crate::task::conditions;
use crate::task::display::{self, Displayed, Fields, SaidOfPart, Value};
use crate::task::reason::Reason;

/// The most bytes of a serialized status: with metadata and managed fields the object stays well
/// under etcd's limit of 1.5 MiB.
const STATUS_BYTES_MAX: usize = 900 * 1024;
/// The most instances that carry the tail of their output.
const OUTPUT_TAILS_MAX: usize = 20;
/// The most bytes of an instance's message once there is no room for more.
const SHORT_MESSAGE: usize = 96;
/// Where a task is, in the word that people read. Derived: nothing is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
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
    /// Waits after a batch for what comes by itself: the end of a soak, a window.
    BatchHeld,
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

impl display::Phase for Phase {
    const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Blocked,
        Self::Planned,
        Self::Running,
        Self::BatchSuspended,
        Self::BatchHeld,
        Self::FailureSuspended,
        Self::ApprovalSuspended,
        Self::Suspended,
        Self::Cancelling,
        Self::Restoring,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    fn named(self) -> Self {
        match self {
            Self::StandingStill => Self::Running,
            named => named,
        }
    }

    fn ready(self) -> Value {
        match self {
            Self::Succeeded => Value::True,
            Self::Blocked
            | Self::StandingStill
            | Self::FailureSuspended
            | Self::Failed
            | Self::Cancelled => Value::False,
            _ => Value::Unknown,
        }
    }

    fn succeeded(self) -> Option<Value> {
        Some(match self {
            Self::Succeeded => Value::True,
            Self::Failed | Self::Cancelled => Value::False,
            _ => Value::Unknown,
        })
    }

    fn paused(self) -> Option<bool> {
        Some(matches!(
            self,
            Self::BatchSuspended
                | Self::BatchHeld
                | Self::FailureSuspended
                | Self::ApprovalSuspended
                | Self::Suspended
        ))
    }
}

/// Every word that `status.state` of a RollingUpdateTask or a Rollback can have.
pub fn states() -> Vec<String> {
    display::words::<Phase>()
}

impl Displayed for RollingUpdateTaskStatus {
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
        let mut text = self.state.clone().unwrap_or_default();
        text.push_str(&display::conditions_as_text(&self.conditions));
        for instance in &self.instances {
            text.push_str(&instance.id);
            text.push_str(&display::conditions_as_text(&instance.conditions));
        }
        text
    }

    fn note_phase(&mut self, phase: Phase) {
        let mut blocked = self.start_blocked.take().unwrap_or_default();
        blocked.needs_person = phase == Phase::Blocked && self.start.is_none();
        self.start_blocked = (blocked != StartBlocked::default()).then_some(blocked);
    }

    fn clear_parts(&mut self) {
        let instances = self.instances.iter_mut();
        instances.for_each(|instance| instance.conditions.clear());
    }

    fn show_parts(&mut self, old: &Self, said: &[SaidOfPart], now: Timestamp) {
        instance_display::show(&old.instances, &mut self.instances, said, now);
    }

    fn recall(&mut self, now: Timestamp) {
        self.instances.iter_mut().for_each(instance_display::recall);
        if self.execution.is_some() || self.result.is_some() {
            self.call_refused = cloud_failure::shown_refusal(&self.conditions);
        }
        let paused = conditions::get(&self.conditions, condition::PAUSED);
        let resumed = paused.filter(|paused| paused.status == Value::False.word());
        self.resumed_time = resumed.map(|paused| Time(paused.last_transition_time.0.min(now)));
        let Some(preflight) = conditions::get(&self.conditions, condition::PREFLIGHT) else {
            return;
        };
        self.waits_for_others = preflight.reason == OTHERS_RUN && self.others_ended.is_none();
        if let Some(blocked) = self.start_blocked.as_mut().filter(|b| b.since.is_some()) {
            blocked.message.clone_from(&preflight.message);
        }
    }
}

/// All conditions on the first visit, so that a missing one never has to be guessed at.
pub(super) fn first(status: &mut Draft) {
    let message = "the task has been seen and nothing has been started";
    status.show(Phase::Pending, Reason::Accepted, message);
    for type_ in [
        condition::PREFLIGHT,
        condition::RESTORED,
        condition::VERIFIED,
    ] {
        status.set(type_, Value::Unknown, Reason::NotYet, "");
    }
}

/// Says that what a run may have left changed was not looked at, and why.
pub(super) fn not_looked_at(status: &mut Draft, message: &str) {
    let reason = Reason::NotLookedAt;
    status.set(condition::RESTORED, Value::Unknown, reason, message);
}

/// What there is to say of a failure of the cloud, if that is anybody's news.
pub(super) fn failure(ctx: &Context<'_>, error: &CloudError) -> Option<Failure> {
    let mut failure = Failure::of(error)?;
    // A region that is misspelt has no endpoint, or one that knows nothing of it.
    let unreached = error.class == ErrorClass::Retry && error.outcome == Outcome::NoEffect;
    if unreached || error.code.starts_with("InvalidRegionId") {
        let (region, field) = (&ctx.region, ctx.field_of_region());
        let where_ = format!("; the region is {region} ({field})");
        failure.message.push_str(&where_);
    }
    Some(failure)
}

/// Says that a failure of the cloud keeps the task from moving. What is known stays as it is.
pub(super) fn failed(ctx: &Context<'_>, status: &mut Draft, error: &CloudError) {
    let Some(failure) = failure(ctx, error) else {
        return;
    };
    if status.execution.is_some() || status.result.is_some() {
        status.failed(&failure);
    } else {
        if status.start.is_none() {
            status.refuse_start(&failure);
        }
        status.hold_up(&failure, Phase::Blocked, Phase::Pending);
    }
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
    let short = |message: &mut String| *message = conditions::shorten(message, SHORT_MESSAGE);
    for instance in &mut status.instances {
        short(&mut instance.message);
        let said = instance.conditions.iter_mut();
        said.for_each(|condition| short(&mut condition.message));
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
