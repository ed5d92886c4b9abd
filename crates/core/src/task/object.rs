//! An object that runs something on a scaling group, as the core sees it: what does not depend on what it runs.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{Holder, Place, ScalingGroupRecordStatus};
use ess_rollout_api::{FINALIZER, FORCE_DELETE_ANNOTATION};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::absence;
use super::ask::{QueueEntry, Target};
use super::conditions::shorten;
use super::ledger;
use super::observation::{Fact, Known, Observation, both};
use super::waits::Waits;

/// The kind of image update tasks, as records name it.
pub(crate) const IMAGE_UPDATE_TASK: &str = "ImageUpdateTask";

/// What it is, where it runs, and the record of its scaling group.
pub(crate) struct Object<'a> {
    pub(crate) kind: &'static str,
    pub(crate) metadata: &'a ObjectMeta,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: Option<i64>,
    pub(crate) deleting: Option<Timestamp>,
    /// Empty when neither the object nor the operator names one.
    pub(crate) region: String,
    pub(crate) group: String,
    pub(crate) record: ScalingGroupRecordStatus,
    /// Whether there is a record with a status.
    pub(crate) record_exists: bool,
    /// Whether another object holds the group that does not exist any more: its finalizer was taken by hand, or its
    /// namespace by force.
    pub(crate) holder_gone: bool,
    /// The first of the objects that wait for the group and were created earlier.
    pub(crate) ahead: Option<&'a QueueEntry>,
    /// How long a deletion waits for what is under way.
    deletion_patience: SignedDuration,
    waits: Waits<'a>,
}

impl<'a> Object<'a> {
    /// Asks for the record, for its holder if that is another, and for the queue. Of an object whose region or group is not
    /// known there are none.
    pub(crate) fn new(
        kind: &'static str,
        metadata: &'a ObjectMeta,
        Target { region, group, .. }: Target,
        observation: &'a Observation,
        deletion_patience: SignedDuration,
        waits: Waits<'a>,
    ) -> Fact<Self> {
        let region = region.unwrap_or_default();
        let (record, ahead) = match region.is_empty() || group.is_empty() {
            true => (None, None),
            // The queue at each look, whatever it is for: who has not been seen to reach the group is waited for from
            // the first time that somebody behind is looked at.
            false => both(
                observation.record(&region, &group),
                observation.ahead(&region, &group),
            )?,
        };
        let record = record.and_then(|record| record.status.clone());
        let holder = record.as_ref().and_then(|record| record.holder.as_ref());
        let other = holder.filter(|holder| metadata.uid.as_ref() != Some(&holder.uid));
        let holder_gone = match other {
            Some(holder) => !observation.exists(holder.into())?,
            None => false,
        };
        Ok(Self {
            kind,
            metadata,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation,
            deleting: metadata.deletion_timestamp.as_ref().map(|time| time.0),
            region,
            group,
            record_exists: record.is_some(),
            record: record.unwrap_or_default(),
            holder_gone,
            ahead,
            deletion_patience,
            waits,
        })
    }

    /// Where a run that begins now takes place. Asks for the account.
    pub(crate) fn place(&self, observation: &Observation) -> Known<Place> {
        Ok(Place {
            region_id: self.region.clone(),
            account_id: absence::account(observation)?.map(|id| shorten(&id, 64)),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.waits.now
    }

    pub(crate) fn waits(&self) -> Waits<'a> {
        self.waits
    }

    /// `namespace/name`.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The kind as `kubectl` takes it.
    pub(crate) fn resource(&self) -> String {
        self.kind.to_lowercase()
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&'a str> {
        ledger::annotation(self.metadata, key)
    }

    pub(crate) fn has_finalizer(&self) -> bool {
        let all = self.metadata.finalizers.as_ref();
        all.is_some_and(|all| all.iter().any(|f| f == FINALIZER))
    }

    pub(crate) fn created(&self) -> Timestamp {
        let created = self.metadata.creation_timestamp.as_ref();
        created.map_or(self.now(), |time| time.0)
    }

    pub(crate) fn holds(&self) -> bool {
        let holder = self.record.holder.as_ref();
        holder.is_some_and(|holder| holder.uid == self.uid)
    }

    pub(crate) fn held_by_other(&self) -> Option<&Holder> {
        let holder = self.record.holder.as_ref();
        holder.filter(|holder| holder.uid != self.uid && !self.holder_gone)
    }

    /// This object as the holder of the group from now on.
    pub(crate) fn as_holder(&self, taken_over_from: Option<String>) -> Holder {
        Holder {
            kind: self.kind.to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            since: Time(self.now()),
            taken_over_from,
        }
    }

    /// When a deletion may no longer wait.
    pub(crate) fn deletion_due(&self) -> Option<Timestamp> {
        Some(self.deleting? + self.deletion_patience)
    }

    /// How long a deletion may still wait, if there is one and its time is not up.
    pub(crate) fn deletion_time_left(&self) -> Option<Duration> {
        let left = self.deletion_due()?.duration_since(self.now());
        left.is_positive().then(|| left.unsigned_abs())
    }

    /// Whether a deletion may no longer wait: it was forced, or its time is up.
    pub(crate) fn deletion_overdue(&self) -> bool {
        let forced = self.annotation(FORCE_DELETE_ANNOTATION) == Some("true");
        self.deletion_due()
            .is_some_and(|due| forced || self.now() >= due)
    }
}
