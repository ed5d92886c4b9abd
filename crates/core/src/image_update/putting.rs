//! A given image is put into the configurations by the operator itself, one call after the other.
//!
//! Convergent: the run on record is the ledger, each call follows a fresh read that shows it is still
//! needed, and goes on record before it is sent.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, RunOutcome};
use ess_rollout_cloud::{Done, ErrorClass, Mutation, Outcome as Effect, Query};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::report::{self, Phase};
use super::{Decision, cancel, ending};
use crate::decision::{Next, Work};
use crate::observation::Known;

/// How soon a configuration is read again that does not show yet what was put into it.
const READ_AGAIN: Duration = Duration::from_secs(5);

pub(super) fn decide(ctx: &Context<'_>, mut status: ImageUpdateTaskStatus) -> Known<Decision> {
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
                just_put = Some(configuration.as_str());
            }
            Err(error) => {
                if error.outcome == Effect::NoEffect {
                    run.last_call_time = None;
                }
                let refused = matches!(error.class, ErrorClass::Invalid | ErrorClass::NotFound);
                if refused && error.outcome == Effect::NoEffect {
                    let message = format!(
                        "image {image} cannot be put into scaling configuration {configuration}: {error}"
                    );
                    let outcome = RunOutcome::Failed;
                    return Ok(ending::begin(ctx, status, outcome, "Refused", &message));
                }
                report::trouble(ctx, &mut status, error);
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
    let mut waits = false;
    for configuration in &run.configurations {
        let found = observation.scaling_configuration(&configuration.id)?;
        match found.as_ref() {
            Some(found) if found.image.as_deref() == Some(image.as_str()) => continue,
            // Read back at the end, and said so.
            None => continue,
            Some(_) if just_put == Some(configuration.id.as_str()) => {
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
        report::show_unless_refused(ctx, &mut status, Phase::Running, "Running", &message);
        let mut decision = ctx.decide(status, Next::Now);
        decision.work = Some(Work {
            mutation: Mutation::ModifyScalingConfiguration {
                configuration: configuration.id.clone(),
                image,
            },
        });
        return Ok(decision);
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
