//! What every stage works with: the input, and all that is derived from it once.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Place, RollingUpdateTaskSpec, RollingUpdateTaskStatus, ScalingGroupRecordStatus,
};
use ess_rollout_api::{FINALIZER, FORCE_DELETE_ANNOTATION};
use ess_rollout_cloud::{CloudError, ScalingGroup};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decision::{Decision, Input, Next};
use super::kind::{self, Author, UpdateKind};
use super::scripts;
use crate::identity;
use crate::task::conditions::shorten;
use crate::task::observation::Known;
use crate::task::waits::Waits;
use crate::task::{absence, ledger};

/// The input with everything that is derived from it once.
pub(super) struct Context<'a> {
    pub(super) input: Input<'a>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    /// When the deletion was asked for.
    pub(super) deleting: Option<Timestamp>,
    pub(super) spec: &'a RollingUpdateTaskSpec,
    /// Empty when neither the task nor the operator names one.
    pub(super) region: String,
    pub(super) group: String,
    pub(super) update: Box<dyn UpdateKind + 'a>,
    pub(super) record: ScalingGroupRecordStatus,
    /// Of what the task does: see [`scripts::spec_hash`].
    pub(super) spec_hash: String,
    /// Of the spec as written, whatever a ConfigMap that it names holds.
    pub(super) written_hash: String,
}

impl<'a> Context<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let (metadata, spec) = (input.subject.metadata, input.subject.spec);
        let (status, texts) = (input.subject.status, input.subject.texts);
        let written_hash = identity::spec_hash(spec);
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation,
            deleting: metadata.deletion_timestamp.as_ref().map(|time| time.0),
            spec,
            region: input
                .settings
                .region(
                    status.and_then(|status| status.place.as_ref()),
                    spec.region_id.as_deref(),
                )
                .unwrap_or_default()
                .to_owned(),
            group: spec.scaling_group_id.clone(),
            update: kind::of(spec, status, texts, author(&input)),
            record: input
                .record
                .and_then(|record| record.status.clone())
                .unwrap_or_default(),
            spec_hash: scripts::spec_hash(spec, status, texts, &written_hash),
            written_hash,
            input,
        }
    }

    /// Whether this very object holds the group.
    pub(super) fn holds(&self) -> bool {
        self.record
            .holder
            .as_ref()
            .is_some_and(|h| h.uid == self.uid)
    }

    /// Whether the group, which this object held and whose record exists, is not its own any more.
    pub(super) fn lost_group(&self) -> bool {
        let exists = self
            .input
            .record
            .is_some_and(|record| record.status.is_some());
        let held = self.input.subject.status.is_some_and(|s| s.start.is_some());
        exists && held && !self.holds()
    }

    /// Whether the group is to be put back as the record says, not as it is now: it was taken over
    /// from another object, or that vanished before anything was put back. (What an earlier run has
    /// left is on a list of its own: see `leftovers`.)
    pub(super) fn inherits_baseline(&self) -> bool {
        let another = self.record.holder.is_some() && !self.holds();
        let baseline = self.record.baseline.as_ref();
        baseline.is_some_and(|baseline| another || baseline.inherited)
    }

    /// Where a run that begins now takes place. Asks for the account.
    pub(super) fn place(&self) -> Known<Place> {
        Ok(Place {
            region_id: self.region.clone(),
            account_id: absence::account(self.input.observation)?.map(|id| shorten(&id, 64)),
        })
    }

    /// The group, if any way of asking shows it.
    pub(super) fn scaling_group(&self) -> Known<Option<&'a ScalingGroup>> {
        absence::group(self.input.observation, &self.group)
    }

    /// Whose the client token is.
    pub(super) fn token_owner(&self) -> String {
        match &self.spec.policy.run_key {
            Some(key) => format!("run-key/{}/{}/{key}", self.region, self.group),
            None => self.uid.clone(),
        }
    }

    /// `namespace/name`.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The kind as `kubectl` takes it.
    pub(super) fn resource(&self) -> String {
        self.input.subject.kind.to_lowercase()
    }

    /// The field that names the group.
    pub(super) fn field_of_group(&self) -> &'static str {
        let undo = self.input.subject.undo;
        match undo.is_some_and(|undo| undo.spec.task_ref.is_some()) {
            true => "spec.scalingGroupId of the task",
            false => "spec.scalingGroupId",
        }
    }

    /// Where the region comes from.
    pub(super) fn field_of_region(&self) -> &'static str {
        let undo = self.input.subject.undo;
        match (
            undo.is_some_and(|undo| undo.spec.task_ref.is_some()),
            &self.spec.region_id,
        ) {
            (_, None) => "the operator's default: chart value region, flag --region",
            (true, Some(_)) => "spec.regionId of the task",
            (false, Some(_)) => "spec.regionId",
        }
    }

    /// Who wrote the object, and so knows which fields.
    pub(super) fn author(&self) -> Author {
        author(&self.input)
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

    /// L, the bound on lateness.
    pub(super) fn settle(&self) -> SignedDuration {
        self.waits().settle()
    }

    /// See [`Waits::settled_since`].
    pub(super) fn settled_since(&self, time: &Time) -> bool {
        self.waits().settled_since(time)
    }

    /// See [`Waits::since`].
    pub(super) fn since(&self, time: &Time) -> SignedDuration {
        self.waits().since(time)
    }

    pub(super) fn has_finalizer(&self) -> bool {
        self.input
            .subject
            .metadata
            .finalizers
            .as_ref()
            .is_some_and(|all| all.iter().any(|f| f == FINALIZER))
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        ledger::annotation(self.input.subject.metadata, key)
    }

    /// When a deletion may no longer wait.
    pub(super) fn deletion_due(&self) -> Option<Timestamp> {
        let patience = SignedDuration::from_secs(self.spec.policy.deletion_timeout_seconds.into());
        Some(self.deleting? + patience)
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
    pub(super) fn decide(&self, status: RollingUpdateTaskStatus, next: Next) -> Decision {
        Decision::of_status(status, next)
    }

    /// See [`Waits::after`].
    pub(super) fn wait_after(&self, error: &CloudError) -> Next {
        self.waits().after(error)
    }

    /// See [`Waits::patience`].
    pub(super) fn patience(&self) -> SignedDuration {
        self.waits().patience()
    }

    /// See [`Waits::poll`].
    pub(super) fn poll(&self) -> Next {
        self.waits().poll()
    }

    /// See [`Waits::recheck`].
    pub(super) fn recheck(&self) -> Next {
        self.waits().recheck()
    }

    /// See [`Waits::soon`].
    pub(super) fn soon(&self) -> Next {
        self.waits().soon()
    }

    /// Whether nothing has moved for the bound on lateness, by what is on record.
    pub(super) fn is_quiet(&self, status: &RollingUpdateTaskStatus) -> bool {
        let begun = status.start.as_ref().map(|intent| &intent.time);
        let moved = status.progress_time.as_ref().or(begun);
        moved.is_some_and(|time| self.settled_since(time))
    }

    /// Whether this is a rollback that has taken the group over from a suspended update.
    pub(super) fn has_taken_over(&self, status: &RollingUpdateTaskStatus) -> bool {
        status.source.as_ref().is_some_and(|s| s.suspended) && self.holds()
    }
}

fn author(input: &Input<'_>) -> Author {
    match input.subject.undo {
        Some(_) => Author::OfRollback,
        None => Author::OfTask,
    }
}
