//! A given image is put into the configurations by the operator itself, one call after the other.
//!
//! Convergent: the run on record is the ledger, each call follows a fresh read that shows it is still
//! needed, and goes on record before it is sent.

use std::time::Duration;

use ess_rollout_api::v1alpha1::RunOutcome;
use ess_rollout_cloud::{Done, ErrorClass, Mutation, Outcome as Effect, Query};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::report::{self, Phase};
use super::{Draft, Drafted, cancel, ending, waiting};
use crate::task::absence;
use crate::task::decision::{Next, Work};
use crate::task::observation::Known;

/// How soon a configuration is read again that does not show yet what was put into it.
const READ_AGAIN: Duration = Duration::from_secs(5);

pub(super) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    let Some(run) = status.active.clone() else {
        return Ok(ctx.decide(status, Next::Now));
    };
    let Some(image) = run.image_id.clone() else {
        return Ok(ctx.decide(status, Next::Now));
    };
    if ctx.deletion_overdue() {
        let message = "the task was deleted before its run had ended";
        return Ok(ending::abandon(ctx, status, message));
    }
    let ours = ctx.input.outcome.and_then(|o| match &o.mutation {
        Mutation::ModifyScalingConfiguration { configuration, .. } => {
            Some((configuration, &o.result))
        }
        _ => None,
    });
    let mut just_put = None;
    if let (Some((configuration, result)), Some(run)) = (ours, &mut status.active) {
        match result {
            Ok(Done::Accepted { .. } | Done::Started { .. }) => {
                run.last_call_time = None;
                status.waiting = None;
                just_put = Some(configuration.as_str());
            }
            Err(error) => {
                if error.outcome == Effect::NoEffect {
                    run.last_call_time = None;
                }
                let denied = matches!(
                    error.class,
                    ErrorClass::Denied | ErrorClass::Unauthenticated
                );
                // It has put nothing into place so far.
                if denied && error.outcome == Effect::NoEffect && status.waiting.is_some() {
                    return Ok(waiting::take_back(ctx, status, error));
                }
                let refused = matches!(error.class, ErrorClass::Invalid | ErrorClass::NotFound);
                if (refused || denied) && error.outcome == Effect::NoEffect {
                    let message = format!(
                        "image {image} cannot be put into scaling configuration {configuration}: {error}"
                    );
                    let outcome = RunOutcome::Failed;
                    return Ok(ending::begin(ctx, status, outcome, "Refused", &message));
                }
                report::failed(&mut status, error);
                return Ok(ctx.decide(status, ctx.waits().after(error)));
            }
        }
    }
    if let Some(cancellation) = cancel::wanted(ctx, &status) {
        let (outcome, reason) = (RunOutcome::Cancelled, cancellation.reason);
        return Ok(ending::begin(
            ctx,
            status,
            outcome,
            &reason,
            &cancellation.message,
        ));
    }
    let observation = ctx.input.observation;
    let query = |id: &String| Query::ScalingConfiguration {
        configuration: id.clone(),
    };
    observation.require(run.configurations.iter().map(|c| query(&c.id)))?;
    let (mut waits, mut missing) = (false, false);
    // One call at a time: the answer of a later one says nothing of an earlier one whose own was lost.
    let calling = status
        .active
        .as_ref()
        .and_then(|run| run.last_call_time.clone())
        .filter(|last| !ctx.waits().settled_since(last));
    for configuration in &run.configurations {
        match absence::configuration(observation, &ctx.group, &configuration.id)? {
            Some(found) if found.image.as_deref() == Some(image.as_str()) => continue,
            // A list may leave one out: it is looked for until the bound on lateness has passed. Then it
            // is read back at the end, and said so.
            None => {
                missing = true;
                continue;
            }
            Some(_) if just_put == Some(configuration.id.as_str()) => {
                waits = true;
                continue;
            }
            Some(_) if calling.is_some() => {
                waits = true;
                continue;
            }
            Some(_) => {}
        }
        if let Some(run) = &mut status.active {
            run.last_call_time = Some(Time(ctx.now()));
        }
        let message = format!(
            "image {image} is being put into scaling configuration {}",
            configuration.id
        );
        status.show_unless_refused(Phase::Running, "Running", &message);
        let mut decision = ctx.decide(status, Next::Now);
        decision.work = Some(Work {
            mutation: Mutation::ModifyScalingConfiguration {
                configuration: configuration.id.clone(),
                image,
            },
        });
        return Ok(decision);
    }
    if let Some(run) = &mut status.active {
        run.configuration_missing_since = match (missing, run.configuration_missing_since.take()) {
            (true, since) => since.or_else(|| Some(Time(ctx.now()))),
            (false, _) => None,
        };
        let since = run.configuration_missing_since.as_ref();
        waits |= since.is_some_and(|since| !ctx.waits().settled_since(since));
    }
    if waits {
        return Ok(ctx.decide(status, Next::After(READ_AGAIN)));
    }
    let message = format!("image {image} was put into place");
    let outcome = RunOutcome::Succeeded;
    Ok(ending::begin(
        ctx,
        status,
        outcome,
        "ImageUpdated",
        &message,
    ))
}
