//! What every stage works with: the input, and all that is derived from it once.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Holder, ImageUpdateTask, ImageUpdateTaskSpec, ImageUpdateTaskStatus, Place,
    ScalingGroupRecordStatus,
};
use ess_rollout_api::{FINALIZER, FORCE_DELETE_ANNOTATION};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::{Decision, Input};
use crate::task::decision::Next;
use crate::task::ledger;
use crate::task::waits::Waits;

/// The kind, as records name it.
pub(super) const KIND: &str = "ImageUpdateTask";
/// How long a deletion waits for a run to end: as long as that of a rolling update by default.
const DELETION_PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The input with everything that is derived from it once.
pub(super) struct Context<'a> {
    pub(super) input: Input<'a>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    /// When the deletion was asked for.
    pub(super) deleting: Option<Timestamp>,
    pub(super) spec: &'a ImageUpdateTaskSpec,
    /// Empty when neither the task nor the operator names one.
    pub(super) region: String,
    pub(super) group: String,
    pub(super) record: ScalingGroupRecordStatus,
}

/// Where the run under way takes place, if one is.
fn place(task: &ImageUpdateTask) -> Option<&Place> {
    task.status.as_ref()?.active.as_ref()?.place.as_ref()
}

impl<'a> Context<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let (metadata, spec) = (&input.task.metadata, &input.task.spec);
        let record = input.record.and_then(|record| record.status.clone());
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation,
            deleting: metadata.deletion_timestamp.as_ref().map(|time| time.0),
            spec,
            region: input
                .settings
                .region(place(input.task), spec.region_id.as_deref())
                .unwrap_or_default()
                .to_owned(),
            group: spec.scaling_group_id.clone(),
            record: record.unwrap_or_default(),
            input,
        }
    }

    pub(super) fn metadata(&self) -> &'a ObjectMeta {
        &self.input.task.metadata
    }

    pub(super) fn now(&self) -> Timestamp {
        self.input.now
    }

    pub(super) fn waits(&self) -> Waits<'a> {
        Waits {
            settings: self.input.settings,
            now: self.input.now,
        }
    }

    /// `namespace/name`.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        ledger::annotation(self.metadata(), key)
    }

    pub(super) fn has_finalizer(&self) -> bool {
        let all = self.metadata().finalizers.as_ref();
        all.is_some_and(|all| all.iter().any(|f| f == FINALIZER))
    }

    /// When the object was created.
    pub(super) fn created(&self) -> Timestamp {
        let created = self.metadata().creation_timestamp.as_ref();
        created.map_or(self.now(), |time| time.0)
    }

    /// Whether this very object holds the group.
    pub(super) fn holds(&self) -> bool {
        let holder = self.record.holder.as_ref();
        holder.is_some_and(|holder| holder.uid == self.uid)
    }

    /// Another object that holds the group and exists.
    pub(super) fn held_by_other(&self) -> Option<&Holder> {
        let holder = self.record.holder.as_ref();
        holder.filter(|holder| holder.uid != self.uid && !self.input.holder_gone)
    }

    /// The record with this task as holder. How the group was found and what is left to put back is
    /// of rolling updates, and stays.
    pub(super) fn taken(&self) -> ScalingGroupRecordStatus {
        let mut record = self.record.clone();
        if !self.holds() {
            record.holder = Some(Holder {
                kind: KIND.to_owned(),
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                uid: self.uid.clone(),
                since: Time(self.now()),
                taken_over_from: None,
            });
        }
        record
    }

    /// The record without this task as holder.
    pub(super) fn released(&self, status: &ImageUpdateTaskStatus) -> ScalingGroupRecordStatus {
        let mut record = self.record.clone();
        record.holder.clone_from(&status.vanished_holder);
        record
    }

    /// When a deletion may no longer wait.
    pub(super) fn deletion_due(&self) -> Option<Timestamp> {
        Some(self.deleting? + DELETION_PATIENCE)
    }

    /// How long a deletion may still wait, if there is one and its time is not up.
    pub(super) fn deletion_time_left(&self) -> Option<Duration> {
        let left = self.deletion_due()?.duration_since(self.now());
        left.is_positive().then(|| left.unsigned_abs())
    }

    /// Whether a deletion may no longer wait: it was forced, or its time is up.
    pub(super) fn deletion_overdue(&self) -> bool {
        let Some(due) = self.deletion_due() else {
            return false;
        };
        self.annotation(FORCE_DELETE_ANNOTATION) == Some("true") || self.now() >= due
    }

    /// A decision that changes nothing but the status.
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
    pub(super) fn release(&self, status: ImageUpdateTaskStatus) -> Decision {
        let mut decision = self.decide(status, Next::Now);
        decision.record = Some(self.released(&decision.status));
        decision
    }

    pub(super) fn decide(&self, status: ImageUpdateTaskStatus, next: Next) -> Decision {
        Decision::of_status(status, next)
    }
}
