//! What the driver ([`crate::task::step`]) is told of image update tasks.

use ess_rollout_api::EXECUTION_ID_ANNOTATION;
use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, Place, ScalingGroupRecordStatus};
use ess_rollout_cloud::CloudError;

use super::context::Context;
use super::due::{self, Timetable};
use super::{Draft, Drafted, Input, Step, clock, ending, events, report, requests, stage};
use crate::identity;
use crate::task::decision::Event;
use crate::task::step::{Engine, Staged};

/// Asks for more, or decides.
pub fn step(input: Input<'_>) -> Step {
    let read = input.task.status.as_ref();
    match Context::new(input) {
        Ok(ctx) => crate::task::step::step(&ctx, read, input.observation),
        Err(asks) => Step::Read(asks),
    }
}

impl<'a> Engine<'a> for Context<'a> {
    type Status = ImageUpdateTaskStatus;
    const DELETION_RULE: &'static str = "an hour after it was asked for";
    const CONTRADICTION_CURE: &'static str = "create the object anew";

    fn record_lost(&self) -> Option<&'a str> {
        self.input.record_lost
    }

    /// A run may hold the group that its status does not know any more.
    fn is_restored(&self) -> bool {
        self.holds()
    }

    fn bound(&self, status: &mut ImageUpdateTaskStatus) {
        clock::bound(self, status);
    }

    fn first_visit(&self, status: &mut Draft) {
        requests::present_at_creation(self, status);
        due::follow(self, status, true);
        restored(self, status);
        report::first(status);
    }

    /// Metadata survives a restore, a status does not. Of what is made at times of a schedule none is needed: those before
    /// the object was created are not due.
    fn missing_annotation(&self, status: &ImageUpdateTaskStatus) -> Option<String> {
        let run = status.active.as_ref()?;
        let fresh = ImageUpdateTaskStatus::default();
        let at_once = matches!(due::timetable(self.spec, &fresh), Ok(Timetable::Now));
        let done = status.done_hash.as_ref() == Some(&run.hash);
        if !at_once || !done || self.deleting.is_some() {
            return None;
        }
        let done = match (&run.execution, &run.source) {
            (Some(execution), _) => execution.id.clone(),
            (None, Some(_)) => return None,
            // No execution puts a given image into place.
            (None, None) => format!("run-{}", run.number),
        };
        let value = identity::execution_annotation(&self.namespace, &self.name, &run.hash, &done);
        (self.annotation(EXECUTION_ID_ANNOTATION) != Some(value.as_str())).then_some(value)
    }

    /// Somebody has deleted the record, or let the group go by hand, while the run was on.
    fn regained(&self, status: &ImageUpdateTaskStatus) -> Option<ScalingGroupRecordStatus> {
        let on = status.active.is_some() && !self.region.is_empty() && !self.deletion_overdue();
        let free = self.record.holder.is_none() || self.holder_gone;
        (on && free && !self.holds()).then(|| self.taken())
    }

    fn prepare(&self, status: &mut ImageUpdateTaskStatus) {
        due::follow(self, status, false);
        requests::ingest(self, status);
    }

    fn place<'s>(&'s self, status: &'s ImageUpdateTaskStatus) -> Option<&'s Place> {
        status.active.as_ref()?.place.as_ref()
    }

    fn stage(&self, status: Draft) -> Staged<Drafted> {
        stage::decide(self, status)
    }

    fn abandon(&self, status: Draft, message: &str) -> Drafted {
        ending::abandon(self, status, message)
    }

    fn not_read(&self, mut status: Draft, error: &CloudError) -> Drafted {
        report::failed(&mut status, error);
        let waits = status.active.is_none();
        let mut decision = self.decide(status, self.waits().after(error));
        // A group is not kept from others for something that only a person can mend.
        if waits && self.holds() && error.needs_person() {
            decision.record = Some(self.released(&decision.status));
        }
        decision
    }

    fn given_back(&self, status: &ImageUpdateTaskStatus) -> ScalingGroupRecordStatus {
        self.released(status)
    }

    fn runs(status: &ImageUpdateTaskStatus) -> bool {
        status.active.is_some()
    }

    fn left(&self, old: &ImageUpdateTaskStatus, _status: &ImageUpdateTaskStatus) -> String {
        let run = old.active.as_ref();
        match run.and_then(|run| run.execution.as_ref()) {
            Some(execution) => format!("execution {} may go on", execution.id),
            None => "nothing is left changed".to_owned(),
        }
    }

    fn events(&self, old: &ImageUpdateTaskStatus, status: &ImageUpdateTaskStatus) -> Vec<Event> {
        events::events(self, old, status)
    }
}

/// An object whose annotation names the execution that built the very image that it asks for, or the run that put a
/// given one into place, lost its status to a restore: what it asks for has been done.
fn restored(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let value = ctx.annotation(EXECUTION_ID_ANNOTATION).unwrap_or_default();
    if identity::annotated_execution(value, &ctx.namespace, &ctx.name, &ctx.hash).is_some() {
        status.done_hash = Some(ctx.hash.clone());
    }
}
