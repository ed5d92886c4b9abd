//! The driver: which stage a task is in, and what every decision has in common.

use ess_rollout_api::EXECUTION_ID_ANNOTATION;
use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, ScalingGroupRecordStatus};

use super::context::Context;
use super::due::{self, Timetable};
use super::{
    Decision, Input, Step, clock, due_run, ending, events, report, requests, running, set_image,
    starting,
};
use crate::identity;
use crate::task::decision::{Next, visited};
use crate::task::deletion::{self, Wait};
use crate::task::observation::{Interrupt, Known};
use crate::task::{absence, ledger};

/// Asks for more, or decides.
pub fn step(input: Input<'_>) -> Step {
    let ctx = Context::new(input);
    let old = input.task.status.clone().unwrap_or_default();
    let mut status = old.clone();

    if !visited(status.observed_generation) {
        if ctx.deleting.is_some() {
            return Step::Decided(Box::new(never_visited(&ctx, old)));
        }
        requests::present_at_creation(&ctx, &mut status);
        due::follow(&ctx, &mut status, true);
        note_unknown_annotations(&ctx, &mut status);
        restored(&ctx, &mut status);
        report::first(&ctx, &mut status);
        let decision = ctx.decide(status, Next::Now);
        return decided(&ctx, &old, decision);
    }
    if let Some(value) = missing_annotation(&ctx, &status) {
        let mut decision = ctx.decide(status, Next::Now);
        decision.execution_annotation = Some(value);
        return decided(&ctx, &old, decision);
    }
    if let Some(record) = regained(&ctx, &status) {
        let mut decision = ctx.decide(status, Next::Now);
        decision.record = Some(record);
        return decided(&ctx, &old, decision);
    }

    clock::bound(&ctx, &mut status);
    due::follow(&ctx, &mut status, false);
    note_unknown_annotations(&ctx, &mut status);
    requests::ingest(&ctx, &mut status);
    let staged = stage(&ctx, status.clone());
    let decision = match with_account(&ctx, &mut status, staged) {
        Ok(decision) => decision,
        Err(Interrupt::Read(queries)) => return Step::Read(queries),
        Err(Interrupt::Failed(error)) => {
            report::trouble(&ctx, &mut status, &error);
            let waits = status.active.is_none();
            let mut decision = ctx.decide(status, ctx.waits().after(&error));
            // A group is not kept from others for something that only a person can mend.
            if waits && ctx.holds() && error.needs_person() {
                decision.record = Some(ctx.released(&decision.status));
            }
            decision
        }
    };
    decided(&ctx, &old, decision)
}

/// Deleted before it was ever seen: nothing was started for it.
fn never_visited(ctx: &Context<'_>, status: ImageUpdateTaskStatus) -> Decision {
    let mut decision = ctx.decide(status, Next::OnChange);
    decision.finalizer = ctx.has_finalizer().then_some(false);
    decision
}

/// An object whose annotation names the execution that built the very image that it asks for, or the run that put a
/// given one into place, lost its status to a restore: what it asks for has been done.
fn restored(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let hash = due::content_hash(ctx.spec);
    let named = ctx
        .annotation(EXECUTION_ID_ANNOTATION)
        .and_then(|value| identity::annotated_execution(value, &ctx.namespace, &ctx.name, &hash));
    if named.is_some() {
        status.done_hash = Some(hash);
    }
}

/// The value that the annotation must have and has not: metadata survives a restore, a status does
/// not. Of what is made at times of a schedule none is needed: those before the object was created are not due.
fn missing_annotation(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> Option<String> {
    let run = status.active.as_ref()?;
    let fresh = ImageUpdateTaskStatus::default();
    if !matches!(due::timetable(ctx.spec, &fresh), Ok(Timetable::Now)) {
        return None;
    }
    if status.done_hash.as_ref() != Some(&run.hash) || ctx.deleting.is_some() {
        return None;
    }
    let done = match (&run.execution, &run.source) {
        (Some(execution), _) => execution.id.clone(),
        (None, Some(_)) => return None,
        // No execution puts a given image into place.
        (None, None) => format!("run-{}", run.number),
    };
    let value = identity::execution_annotation(&ctx.namespace, &ctx.name, &run.hash, &done);
    (ctx.annotation(EXECUTION_ID_ANNOTATION) != Some(value.as_str())).then_some(value)
}

/// The record with this object as holder again: somebody has deleted it, or let the group go by hand,
/// while the run was on.
fn regained(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> Option<ScalingGroupRecordStatus> {
    let on = status.active.is_some() && !ctx.region.is_empty() && !ctx.deletion_overdue();
    let free = ctx.record.holder.is_none() || ctx.input.holder_gone;
    (on && free && !ctx.holds()).then(|| ctx.taken())
}

/// What the stage has come to, if the credentials are still of the account that the run is of: with those
/// of another nothing of it is seen, and nothing is to be sent. A deletion that may not wait any longer
/// waits for no credentials either.
fn with_account(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    staged: Known<Decision>,
) -> Known<Decision> {
    let place = status.active.as_ref().and_then(|run| run.place.as_ref());
    if ctx.deletion_overdue() {
        return staged;
    }
    match absence::other_account(ctx.input.observation, place) {
        Ok(None) => staged,
        Ok(Some(message)) => {
            report::needs_person(ctx, status, "AccountChanged", &message);
            let wait = ctx.waits().patience().unsigned_abs();
            Ok(ctx.decide(status.clone(), Next::After(wait)))
        }
        // Together with what the stage asks for: one round.
        Err(Interrupt::Read(account)) => match staged {
            Err(Interrupt::Read(queries)) => Err(Interrupt::Read(
                account.into_iter().chain(queries).collect(),
            )),
            _ => Err(Interrupt::Read(account)),
        },
        Err(failed) => Err(failed),
    }
}

fn stage(ctx: &Context<'_>, status: ImageUpdateTaskStatus) -> Known<Decision> {
    let Some(run) = &status.active else {
        return due_run::decide(ctx, status);
    };
    if run.end.is_some() {
        ending::decide(ctx, status)
    } else if run.execution.is_some() {
        running::decide(ctx, status)
    } else if run.start.is_some() {
        starting::decide(ctx, status)
    } else {
        set_image::decide(ctx, status)
    }
}

fn note_unknown_annotations(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    ledger::note_unknown_annotations(ctx.metadata, &mut status.unknown_annotations);
}

fn decided(ctx: &Context<'_>, old: &ImageUpdateTaskStatus, mut decision: Decision) -> Step {
    // A change of the spec that changes nothing else must be seen too: kstatus, and with it Argo CD
    // and Flux, takes a status of an older generation for work in progress.
    if decision.status != *old || visited(old.observed_generation) {
        decision.status.observed_generation = ctx.generation;
    }
    // No wait outlasts the time that the deletion has.
    decision = decision.within(ctx.deletion_time_left());
    guard(ctx, old, &mut decision);
    if ctx.deletion_overdue() {
        let execution = old.active.as_ref().and_then(|run| run.execution.as_ref());
        let left = || match execution {
            Some(execution) => format!("execution {} may go on", execution.id),
            None => "nothing is left changed".to_owned(),
        };
        let (has, why) = (ctx.has_finalizer(), ctx.input.record_lost);
        deletion::without_record(&mut decision, has, why, left);
    }
    say_of_deletion(ctx, &mut decision);
    let events = events::events(ctx, old, &decision.status);
    decision.events.extend(events);
    Step::Decided(Box::new(decision))
}

/// The finalizer is there from before the group is taken until it is let go, and no longer: an object
/// that has no run under way goes without the operator, whatever has become of that. Once the object is
/// being deleted none can be added, and the stage that is done with it takes it away.
fn guard(ctx: &Context<'_>, old: &ImageUpdateTaskStatus, decision: &mut Decision) {
    if ctx.deleting.is_some() {
        return;
    }
    let takes = decision.record.as_ref().and_then(|r| r.holder.as_ref());
    let takes = takes.is_some_and(|holder| holder.uid == ctx.uid);
    let runs = old.active.is_some() || decision.status.active.is_some();
    let guards = ctx.holds() || takes || runs;
    decision.finalizer = (guards != ctx.has_finalizer()).then_some(guards);
}

/// Says of a deletion that waits how long it does, and how to end that.
fn say_of_deletion(ctx: &Context<'_>, decision: &mut Decision) {
    let Some(until) = ctx.deletion_due().filter(|_| !ctx.deletion_overdue()) else {
        return;
    };
    let wait = Wait {
        resource: "imageupdatetask".to_owned(),
        namespace: &ctx.namespace,
        name: &ctx.name,
        until,
        rule: "an hour after it was asked for",
    };
    wait.add_to(&mut decision.status.conditions);
}
