//! What every stage works with: the input, and all that is derived from it once.

use std::ops::Deref;

use ess_rollout_api::EXECUTION_ID_ANNOTATION;
use ess_rollout_api::v1alpha1::{
    Place, RollbackRef, RollingUpdateTaskSpec, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::ScalingGroup;
use jiff::SignedDuration;

use super::decision::{Draft, Drafted, Input, Next, Subject, Undo};
use super::kind::{self, Author, UpdateKind};
use super::scripts;
use super::wanted::Wanted;
use crate::identity;
use crate::task::absence;
use crate::task::ask::Target;
use crate::task::decision::Settings;
use crate::task::ledger;
use crate::task::object::Object;
use crate::task::observation::{Fact, Known, both};
use crate::task::waits::Waits;
use crate::task::windows_of::{Own, Windows, WindowsOf};

/// The input with everything that is derived from it once.
pub(super) struct Context<'a> {
    pub(super) input: Input<'a>,
    pub(super) object: Object<'a>,
    pub(super) spec: &'a RollingUpdateTaskSpec,
    /// Of a rollback: what it undoes.
    pub(super) undo: Option<Undo<'a>>,
    /// Of a task: the rollback that undoes it.
    pub(super) rolled_back_by: Option<&'a RollbackRef>,
    /// The windows that are for it, and what of it decides that.
    pub(super) windows: WindowsOf<'a>,
    pub(super) update: Box<dyn UpdateKind + 'a>,
    /// Who wrote the object, and so knows which fields.
    pub(super) author: Author,
    /// Of what the task does: see [`scripts::spec_hash`].
    pub(super) spec_hash: String,
    /// Of the spec as written, whatever a ConfigMap that it names holds.
    pub(super) written_hash: String,
}

impl<'a> Deref for Context<'a> {
    type Target = Object<'a>;

    fn deref(&self) -> &Object<'a> {
        &self.object
    }
}

impl<'a> Context<'a> {
    /// What the annotation that names the execution is bound to besides namespace and name.
    pub(super) fn annotation_hash(&self) -> String {
        match &self.undo {
            Some(undo) => identity::rollback_hash(undo.spec),
            None => self.written_hash.clone(),
        }
    }

    /// The execution that the annotation names, if that was written for this object. Its status may not know of it.
    pub(super) fn annotated_execution(&self) -> Option<&'a str> {
        let value = self.annotation(EXECUTION_ID_ANNOTATION)?;
        identity::annotated_execution(value, &self.namespace, &self.name, &self.annotation_hash())
    }

    /// Asks for the texts of its scripts, and for what every object asks for.
    pub(super) fn new(input: Input<'a>, wanted: &'a Wanted<'a>) -> Fact<Self> {
        let (subject, spec, status) = (input.subject, &*wanted.spec, input.subject.status);
        let written_hash = identity::spec_hash(spec);
        let patience = SignedDuration::from_secs(spec.policy.deletion_timeout_seconds.into());
        let waits = Waits {
            settings: input.settings,
            now: input.now,
        };
        let namespace = subject.metadata.namespace.as_deref().unwrap_or_default();
        let texts = scripts::texts(input.observation, namespace, spec, status);
        let object = Object::new(
            subject.kind,
            subject.metadata,
            target(subject, spec, input.settings),
            input.observation,
            patience,
            waits,
        );
        let first = both(texts, input.observation.rolled_back_by());
        let first = both(first, input.observation.windows());
        let (((texts, rolled_back_by), seen_windows), object) = both(first, object)?;
        let author = match wanted.undo {
            Some(_) => Author::OfRollback,
            None => Author::OfTask,
        };
        let own = Own {
            namespace,
            window: spec.policy.windows.window.as_ref(),
            refs: &spec.policy.windows.window_refs,
            is_rollback: wanted.undo.is_some(),
            is_fixed: true,
            group: &spec.scaling_group_id,
            overridden: status.map_or(&[], |status| &status.windows_overridden),
        };
        Ok(Self {
            object,
            spec,
            undo: wanted.undo,
            rolled_back_by,
            windows: WindowsOf::new(seen_windows, own, input.observation, input.now),
            spec_hash: scripts::spec_hash(spec, status, &texts, &written_hash),
            update: kind::of(spec, status, texts, author),
            author,
            written_hash,
            input,
        })
    }

    /// The windows that are for it.
    pub(super) fn windows(&self) -> &Windows {
        self.windows.found()
    }

    /// Asks for the tags of its group, if they say which windows are for it.
    pub(super) fn require_tags(&self) -> Known<()> {
        let status = self.input.subject.status;
        let begun = status.is_some_and(|status| status.start.is_some());
        self.windows.require_tags(begun)
    }

    /// Whether somebody asks for this, and that is not on record.
    pub(super) fn is_asked(&self, verb: Verb) -> bool {
        let handled = self.input.subject.status.map(|s| &s.handled_actions);
        ledger::is_asked(self.metadata, handled, verb)
    }

    /// Whether anything but a person may hold its batches in pauses that OOS makes for that: by its spec, or by windows that
    /// were for it when it started.
    pub(super) fn holds_batches(&self, status: &RollingUpdateTaskStatus) -> bool {
        let start = status.start.as_ref();
        self.spec.policy.holds_batches()
            || start.is_some_and(|intent| intent.pauses_after_each_batch)
    }

    /// Whether the group, which this object held and whose record exists, is not its own any more.
    pub(super) fn lost_group(&self) -> bool {
        let held = self.input.subject.status.is_some_and(|s| s.start.is_some());
        self.record_exists && held && !self.holds()
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
        self.object.place(self.input.observation)
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

    /// The field that names the group.
    pub(super) fn field_of_group(&self) -> &'static str {
        match self.is_of_task() {
            true => "spec.scalingGroupId of the task",
            false => "spec.scalingGroupId",
        }
    }

    /// Where the region comes from.
    pub(super) fn field_of_region(&self) -> &'static str {
        match &self.spec.region_id {
            None => "the operator's default: chart value region, flag --region",
            Some(_) if self.is_of_task() => "spec.regionId of the task",
            Some(_) => "spec.regionId",
        }
    }

    /// Whether this is a rollback that names the task that it undoes.
    fn is_of_task(&self) -> bool {
        self.undo.is_some_and(|undo| undo.spec.task_ref.is_some())
    }

    /// A decision that changes nothing but the status.
    pub(super) fn decide(&self, status: Draft, next: Next) -> Drafted {
        Drafted::of_status(status, next)
    }

    /// Whether nothing has moved for the bound on lateness, by what is on record.
    pub(super) fn is_quiet(&self, status: &RollingUpdateTaskStatus) -> bool {
        self.quiet_for(status).is_some()
    }

    /// For how long nothing has moved, after the bound on lateness, by what is on record.
    pub(super) fn quiet_for(&self, status: &RollingUpdateTaskStatus) -> Option<SignedDuration> {
        let begun = status.start.as_ref().map(|intent| &intent.time);
        let moved = status.progress_time.as_ref().or(begun);
        let moved = moved.max(status.resumed_time.as_ref())?;
        let quiet = self.now().duration_since(self.waits().settled_at(moved));
        (!quiet.is_negative()).then_some(quiet)
    }

    /// Whether this is a rollback that has taken the group over from a suspended update.
    pub(super) fn has_taken_over(&self, status: &RollingUpdateTaskStatus) -> bool {
        status.source.as_ref().is_some_and(|s| s.suspended) && self.holds()
    }
}

/// The scaling group of an object that asks for this, and whose credentials reach it.
pub(super) fn target(
    subject: Subject<'_>,
    spec: &RollingUpdateTaskSpec,
    settings: &Settings,
) -> Target {
    let place = subject.status.and_then(|status| status.place.as_ref());
    let region = settings.region(place, spec.region_id.as_deref());
    let secret = spec.policy.credentials_ref.as_ref();
    Target {
        region: region.map(str::to_owned),
        group: spec.scaling_group_id.clone(),
        secret: secret.map(|secret| secret.name.clone()),
    }
}
