//! What every stage works with: the input, and all that is derived from it once.

use std::ops::Deref;
use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ImageUpdateTask, ImageUpdateTaskSpec, ImageUpdateTaskStatus, Place, ScalingGroupRecordStatus,
};
use jiff::{SignedDuration, Timestamp};

use super::{Draft, Drafted, Input};
use crate::task::ask::Target;
use crate::task::decision::Next;
use crate::task::object::{IMAGE_UPDATE_TASK, Object, Surroundings};
use crate::task::observation::Fact;

/// How long a deletion waits for a run to end: as long as that of a rolling update by default.
const DELETION_PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The input with everything that is derived from it once.
pub(super) struct Context<'a> {
    pub(super) input: Input<'a>,
    pub(super) object: Object<'a>,
    pub(super) spec: &'a ImageUpdateTaskSpec,
}

impl<'a> Deref for Context<'a> {
    type Target = Object<'a>;

    fn deref(&self) -> &Object<'a> {
        &self.object
    }
}

/// Where the run under way takes place, if one is.
fn place(task: &ImageUpdateTask) -> Option<&Place> {
    task.status.as_ref()?.active.as_ref()?.place.as_ref()
}

/// The scaling group of a task, and whose credentials reach it.
pub fn target(input: &Input<'_>) -> Target {
    let spec = &input.task.spec;
    let region = input
        .settings
        .region(place(input.task), spec.region_id.as_deref());
    let secret = spec.credentials_ref.as_ref();
    Target {
        region: region.map(str::to_owned),
        group: spec.scaling_group_id.clone(),
        secret: secret.map(|secret| secret.name.clone()),
    }
}

impl<'a> Context<'a> {
    /// Asks for what every object asks for.
    pub(super) fn new(input: Input<'a>) -> Fact<Self> {
        let metadata = &input.task.metadata;
        let surroundings = Surroundings {
            target: target(&input),
            observation: input.observation,
            deletion_patience: DELETION_PATIENCE,
            settings: input.settings,
            now: input.now,
        };
        Ok(Self {
            object: Object::new(IMAGE_UPDATE_TASK, metadata, surroundings)?,
            spec: &input.task.spec,
            input,
        })
    }

    /// The record with this task as holder. How the group was found and what is left to put back is
    /// of rolling updates, and stays.
    pub(super) fn taken(&self) -> ScalingGroupRecordStatus {
        let mut record = self.record.clone();
        if !self.holds() {
            record.holder = Some(self.as_holder(None));
        }
        record
    }

    /// The record without this task as holder.
    pub(super) fn released(&self, status: &ImageUpdateTaskStatus) -> ScalingGroupRecordStatus {
        let mut record = self.record.clone();
        record.holder.clone_from(&status.vanished_holder);
        record
    }

    /// The wait, but no longer than until the next run is due.
    pub(super) fn within(&self, status: &ImageUpdateTaskStatus, wait: Duration) -> Next {
        match &status.next_schedule_time {
            Some(next) => Next::After(wait.min(self.until(next.0))),
            None => Next::After(wait),
        }
    }

    /// How long it is until then; no less than a second.
    pub(super) fn until(&self, time: Timestamp) -> Duration {
        let wait = time.duration_since(self.now());
        wait.max(SignedDuration::from_secs(1)).unsigned_abs()
    }

    /// Lets the group go, and looks anew.
    pub(super) fn release(&self, status: Draft) -> Drafted {
        let mut decision = self.decide(status, Next::Now);
        decision.record = Some(self.released(&decision.status));
        decision
    }

    /// A decision that changes nothing but the status.
    pub(super) fn decide(&self, status: Draft, next: Next) -> Drafted {
        Drafted::of_status(status, next)
    }
}
