//! What every stage works with: the input, and all that is derived from it once.

use std::ops::Deref;
use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ImageSource, ImageUpdateTaskSpec, ImageUpdateTaskStatus, ScalingGroupRecordStatus, Verb,
};
use jiff::SignedDuration;
use serde_json::json;

use super::{Draft, Drafted, Input};
use crate::identity::hash_value;
use crate::task::ask::Target;
use crate::task::decision::Next;
use crate::task::ledger;
use crate::task::object::{IMAGE_UPDATE_TASK, Object};
use crate::task::observation::{Fact, Known, Missing, both};
use crate::task::waits::Waits;
use crate::task::windows_of::{Own, WindowsOf};

/// How long a deletion waits for a run to end: as long as that of a rolling update by default.
const DELETION_PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The input with everything that is derived from it once.
pub(super) struct Context<'a> {
    pub(super) input: Input<'a>,
    pub(super) object: Object<'a>,
    pub(super) spec: &'a ImageUpdateTaskSpec,
    /// Of what a run of this spec does.
    pub(super) hash: String,
    /// The windows that are for it.
    pub(super) windows: WindowsOf<'a>,
}

impl<'a> Deref for Context<'a> {
    type Target = Object<'a>;

    fn deref(&self) -> &Object<'a> {
        &self.object
    }
}

/// The scaling group of a task, and whose credentials reach it.
pub fn target(input: &Input<'_>) -> Target {
    let spec = &input.task.spec;
    let run = input.task.status.as_ref().and_then(|s| s.active.as_ref());
    let place = run.and_then(|run| run.place.as_ref());
    let region = input.settings.region(place, spec.region_id.as_deref());
    let secret = spec.credentials_ref.as_ref();
    Target {
        region: region.map(str::to_owned),
        group: spec.scaling_group_id.clone(),
        secret: secret.map(|secret| secret.name.clone()),
    }
}

/// A given image stands before the source.
fn content_hash(spec: &ImageUpdateTaskSpec) -> String {
    let ids = &spec.scaling_configuration_ids;
    hash_value(&match &spec.image_id {
        Some(image) => json!({"imageId": image, "scalingConfigurationIds": ids}),
        None => json!({"source": spec.source, "scalingConfigurationIds": ids}),
    })
}

impl<'a> Context<'a> {
    /// Asks for what every object asks for.
    pub(super) fn new(input: Input<'a>) -> Fact<Self> {
        let waits = Waits {
            settings: input.settings,
            now: input.now,
        };
        let object = Object::new(
            IMAGE_UPDATE_TASK,
            &input.task.metadata,
            target(&input),
            input.observation,
            DELETION_PATIENCE,
            waits,
        );
        let (seen_windows, object) = both(input.observation.windows(), object)?;
        let (task, status) = (input.task, input.task.status.as_ref());
        let own = Own {
            namespace: task.metadata.namespace.as_deref().unwrap_or_default(),
            window: task.spec.window.as_ref(),
            refs: &task.spec.window_refs,
            is_rollback: false,
            is_fixed: false,
            group: &task.spec.scaling_group_id,
            overridden: status.map_or(&[], |status| &status.windows_overridden),
        };
        Ok(Self {
            object,
            spec: &input.task.spec,
            hash: content_hash(&input.task.spec),
            windows: WindowsOf::new(seen_windows, own, input.observation, input.now),
            input,
        })
    }

    /// What the image is built from, unless one is given.
    pub(super) fn source(&self) -> Option<&'a ImageSource> {
        let source = self.spec.source.as_ref();
        source.filter(|_| self.spec.image_id.is_none())
    }

    /// Asks for the tags of its group, if they say which windows are for it.
    pub(super) fn require_tags(&self) -> Known<()> {
        self.windows.require_tags(false)
    }

    /// Whether it is not known yet which windows are for it.
    pub(super) fn lacks_tags(&self) -> bool {
        matches!(self.require_tags(), Err(Missing::Read(_)))
    }

    /// Whether somebody asks for this, and that is not on record.
    pub(super) fn is_asked(&self, verb: Verb) -> bool {
        let status = self.input.task.status.as_ref();
        ledger::is_asked(self.metadata, status.map(|s| &s.handled_actions), verb)
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

    /// The wait, but no longer than until the next run is due, or the one that waits may no longer begin.
    pub(super) fn within(&self, status: &ImageUpdateTaskStatus, wait: Duration) -> Next {
        let next = status.next_schedule_time.as_ref().map(|next| next.0);
        let deadline = self.spec.starting_deadline_seconds;
        let waiting = status.waiting.as_ref().zip(deadline);
        // It may begin until that second is over.
        let too_late = waiting.map(|(waiting, deadline)| {
            waiting.due.0 + SignedDuration::from_secs(i64::from(deadline) + 1)
        });
        let too_late = too_late.filter(|late| *late > self.now());
        let times = next.into_iter().chain(too_late);
        let left = times.map(|time| self.waits().left(time)).min();
        Next::After(left.map_or(wait, |left| wait.min(left)))
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
