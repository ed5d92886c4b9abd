//! A given image is put into the configurations by the operator itself, one call after the other.
//!
//! Convergent: the run on record is the ledger, each call follows a fresh read that shows it is still
//! needed, and goes on record before it is sent.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{ActiveRun, ImageUpdateTaskStatus, RunOutcome};
use ess_rollout_cloud::{CloudError, ErrorClass, Mutation, Outcome as Effect};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::preflight::of_configuration;
use super::report::{self, Phase};
use super::{Draft, Drafted, cancel, ending, waiting};
use crate::task::absence;
use crate::task::decision::{Next, Work};
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// How soon a configuration is read again that does not show yet what was put into it.
const READ_AGAIN: Duration = Duration::from_secs(5);

pub(super) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    run: &ActiveRun,
    image: &str,
) -> Known<Drafted> {
    if ctx.deletion_overdue() {
        let message = "the task was deleted before its run had ended";
        return Ok(ending::abandon(ctx, status, message));
    }
    let sent = ctx.input.outcome.map(|sent| (&sent.mutation, &sent.result));
    let mut just_put = None;
    if let Some((Mutation::ModifyScalingConfiguration { configuration, .. }, result)) = sent {
        if let Err(error) = result {
            return Ok(not_put(ctx, status, (image, configuration), error));
        }
        note_answer(&mut status);
        status.waiting = None;
        just_put = Some(configuration);
    }
    if let Some(cancellation) = cancel::wanted(ctx, &status) {
        let reason = Reason::recorded(&cancellation.reason);
        let end = (RunOutcome::Cancelled, reason, &*cancellation.message);
        return Ok(ending::begin(ctx, status, end));
    }
    let ids = || run.configurations.iter().map(|c| &c.id);
    let observation = ctx.input.observation;
    observation.require(ids().map(|id| of_configuration(id)))?;
    // One call at a time: the answer of a later one says nothing of an earlier one whose own was lost.
    let last = status
        .active
        .as_ref()
        .and_then(|run| run.last_call_time.as_ref());
    let calling = last.is_some_and(|last| !ctx.waits().settled_since(last));
    let (mut waits, mut missing) = (false, false);
    for id in ids() {
        let Some(found) = absence::configuration(observation, &ctx.group, id)? else {
            missing = true;
            continue;
        };
        if found.image.as_deref() == Some(image) {
            continue;
        }
        if !calling && just_put != Some(id) {
            return Ok(put(ctx, status, (image, id)));
        }
        waits = true;
    }
    if let Some(run) = &mut status.active {
        // A list may leave one out: it is looked for until the bound on lateness has passed. Then it
        // is read back at the end, and said so.
        let since = run.configuration_missing_since.take().filter(|_| missing);
        let since = since.or_else(|| missing.then(|| Time(ctx.now())));
        waits |= since
            .as_ref()
            .is_some_and(|since| !ctx.waits().settled_since(since));
        run.configuration_missing_since = since;
    }
    if waits {
        return Ok(ctx.decide(status, Next::After(READ_AGAIN)));
    }
    let message = format!("image {image} was put into place");
    let end = (RunOutcome::Succeeded, Reason::ImageUpdated, &*message);
    Ok(ending::begin(ctx, status, end))
}

/// The last call is known to do nothing more.
fn note_answer(status: &mut ImageUpdateTaskStatus) {
    if let Some(run) = &mut status.active {
        run.last_call_time = None;
    }
}

/// The image is put into a configuration: on record first.
fn put(ctx: &Context<'_>, mut status: Draft, (image, id): (&str, &str)) -> Drafted {
    if let Some(run) = &mut status.active {
        run.last_call_time = Some(Time(ctx.now()));
    }
    let message = format!("image {image} is being put into scaling configuration {id}");
    status.show_unless_refused(Phase::Running, Reason::Running, &message);
    let mut decision = ctx.decide(status, Next::Now);
    decision.work = Some(Work {
        mutation: Mutation::ModifyScalingConfiguration {
            configuration: id.to_owned(),
            image: image.to_owned(),
        },
    });
    decision
}

/// What follows from a call that failed.
fn not_put(
    ctx: &Context<'_>,
    mut status: Draft,
    (image, id): (&str, &str),
    error: &CloudError,
) -> Drafted {
    if error.outcome == Effect::NoEffect {
        note_answer(&mut status);
        match error.class {
            // It has put nothing into place so far.
            ErrorClass::Denied | ErrorClass::Unauthenticated if status.waiting.is_some() => {
                return waiting::take_back(ctx, status, error);
            }
            ErrorClass::Denied
            | ErrorClass::Unauthenticated
            | ErrorClass::Invalid
            | ErrorClass::NotFound => {
                let message =
                    format!("image {image} cannot be put into scaling configuration {id}: {error}");
                let end = (RunOutcome::Failed, Reason::Refused, &*message);
                return ending::begin(ctx, status, end);
            }
            _ => {}
        }
    }
    report::failed(&mut status, error);
    ctx.decide(status, ctx.waits().after(error))
}
