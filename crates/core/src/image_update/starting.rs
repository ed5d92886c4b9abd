//! The intent to start the execution is on record and none is known: look first, then send again, by
//! the rules of [`crate::task::start`].

use ess_rollout_api::v1alpha1::{ActiveRun, ExecutionRef, RunOutcome, StartIntent};
use ess_rollout_cloud::{Execution, ExecutionMode, Mutation, SafetyCheck, StartExecution};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::report::{self, Phase};
use super::{Draft, Drafted, cancel, due, ending, preflight, waiting};
use crate::identity;
use crate::task::conditions::shorten;
use crate::task::decision::{Event, Next, Work};
use crate::task::observation::Known;
use crate::task::reason::Reason;
use crate::task::start::{self, Answer, Then};

/// The call that the intent of a run describes.
pub(super) fn mutation(ctx: &Context<'_>, run: &ActiveRun, intent: &StartIntent) -> Mutation {
    let (namespace, name) = (&ctx.namespace, &ctx.name);
    let mut tags = identity::tags(namespace, name, &ctx.uid, &ctx.group, None, intent);
    tags.push((identity::TAG_RUN.to_owned(), run.number.to_string()));
    tags.sort();
    Mutation::StartExecution(StartExecution {
        template_name: intent.template_name.clone(),
        template_version: intent.template_version.clone(),
        parameters: parameters(run),
        // Nobody waits at it to say retry: the next run is the retry.
        mode: ExecutionMode::Automatic,
        safety_check: Some(SafetyCheck::Skip),
        client_token: intent.client_token.clone(),
        description: run.description.clone(),
        tags,
    })
}

/// The template parameters.
pub(super) fn parameters(run: &ActiveRun) -> Map<String, Value> {
    let Some(source) = &run.source else {
        return Map::new();
    };
    let ids: Vec<&str> = run.configurations.iter().map(|c| c.id.as_str()).collect();
    let tags = source.tags.iter();
    let tags = tags.map(|tag| json!({"Key": tag.key, "Value": tag.value}));
    let name = preflight::image_name(source);
    let role = run.ram_role.as_deref().unwrap_or("");
    Map::from_iter([
        ("instanceId".to_owned(), json!(source.instance_id)),
        ("targetImageName".to_owned(), json!(name)),
        ("scalingConfigurationIds".to_owned(), json!(ids)),
        ("tags".to_owned(), tags.collect()),
        ("OOSAssumeRole".to_owned(), json!(role)),
    ])
}

pub(super) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    run: ActiveRun,
    mut intent: StartIntent,
) -> Known<Drafted> {
    if ctx.deletion_overdue() {
        let message = "the task was deleted and it could not be learned in time whether the start of its run took effect";
        return Ok(ending::abandon(ctx, status, message));
    }
    let answer = start::answer(ctx.input.outcome, &intent);
    match &answer {
        Answer::Started(execution) => return Ok(adopt(ctx, status, execution)),
        Answer::Lost(error) => {
            report::failed(&mut status, error);
            return Ok(ctx.decide(status, start::look_soon()));
        }
        Answer::Failed(error) => {
            report::failed(&mut status, error);
            return Ok(ctx.decide(status, ctx.waits().after(error)));
        }
        Answer::Refused(message) if !intent.resent => return Ok(refused(ctx, status, message)),
        Answer::Denied(error) if !intent.resent => {
            return Ok(waiting::take_back(ctx, status, error));
        }
        // One before it may have taken effect.
        Answer::Refused(message) => {
            start::note_refusal(&mut intent, message, ctx.now());
            put_back(&mut status, run, intent);
            return Ok(ctx.decide(status, start::look_soon()));
        }
        Answer::Denied(error) => {
            waiting::note_refusal(ctx, &mut status, error);
            start::note_refusal(&mut intent, &error.to_string(), ctx.now());
            put_back(&mut status, run, intent);
            return Ok(ctx.decide(status, start::look_soon()));
        }
        Answer::TokenUsed(_) | Answer::None => {}
    }

    // Sorted by key.
    let tags = vec![
        (identity::TAG_RUN.to_owned(), run.number.to_string()),
        (identity::TAG_UID.to_owned(), ctx.uid.clone()),
        (identity::TAG_SCALING_GROUP.to_owned(), ctx.group.clone()),
    ];
    let found = start::tagged(ctx.input.observation, tags)?;
    Ok(match found.first() {
        Some(first) => {
            let mut decision = adopt(ctx, status, first);
            if found.len() > 1 {
                let note = format!(
                    "more than one execution carries the tags of run {}; following {}",
                    run.number, first.id
                );
                let reason = Reason::DuplicateExecution;
                let event = Event::warning(reason, "StartExecution", note);
                decision.events.push(event);
            }
            decision
        }
        None => not_found(ctx, status, run, intent, &answer),
    })
}

/// A look-up found nothing.
fn not_found(
    ctx: &Context<'_>,
    mut status: Draft,
    mut run: ActiveRun,
    mut intent: StartIntent,
    answer: &Answer<'_>,
) -> Drafted {
    let waits_out = !matches!(answer, Answer::TokenUsed(_)) && intent.refusal.is_empty();
    if run.cancellation.is_none()
        && let Some(cancellation) = cancel::wanted(ctx, &status).filter(|_| waits_out)
    {
        run.cancellation = Some(cancellation);
        start::count_anew(&mut intent);
        put_back(&mut status, run, intent);
        let message =
            "cancelled while the start had no answer: waiting until it can no longer take effect";
        status.show(Phase::Cancelling, Reason::Cancelling, message);
        return ctx.decide(status, Next::Now);
    }
    let since = run.cancellation.as_ref().map(|c| &c.time);
    let token = |attempt| identity::client_token(&ctx.uid, &due::run_hash(&run), attempt);
    let then = start::nothing_found(&ctx.waits(), &mut intent, answer, since, false, token);
    let mutation = mutation(ctx, &run, &intent);
    put_back(&mut status, run.clone(), intent);
    match then {
        Then::Wait(next) => ctx.decide(status, next),
        Then::Send => {
            let mut decision = ctx.decide(status, Next::Now);
            decision.work = Some(Work { mutation });
            decision
        }
        Then::NothingRan | Then::PutOff => {
            let reason = run
                .cancellation
                .map_or(Reason::Cancelled, |c| Reason::recorded(&c.reason));
            let message = "cancelled; no execution was ever started";
            ending::nothing_ran(ctx, status, (RunOutcome::Cancelled, reason, message))
        }
        Then::Refused(_) if run.cancellation.is_none() && waiting::is_refused(&status) => {
            waiting::take_back_noted(ctx, status)
        }
        Then::Refused(why) => refused(ctx, status, &why),
        Then::NotFound(why) => {
            let end = (RunOutcome::Failed, Reason::ExecutionNotFound, &*why);
            ending::begin(ctx, status, end)
        }
    }
}

fn put_back(status: &mut Draft, run: ActiveRun, intent: StartIntent) {
    let start = Some(intent);
    status.active = Some(ActiveRun { start, ..run });
}

fn refused(ctx: &Context<'_>, status: Draft, message: &str) -> Drafted {
    let end = (RunOutcome::Failed, Reason::StartRefused, message);
    ending::nothing_ran(ctx, status, end)
}

/// The execution is known.
pub(super) fn adopt(ctx: &Context<'_>, mut status: Draft, execution: &Execution) -> Drafted {
    if let Some(run) = &mut status.active {
        run.execution = Some(ExecutionRef {
            id: shorten(&execution.id, 128),
            template_name: shorten(&execution.template_name, 200),
            template_version: shorten(&execution.template_version, 64),
            status: shorten(execution.status.as_str(), 64),
            start_time: execution.start.map(Time),
            end_time: execution.end.map(Time),
            ended_seen_time: None,
            url: identity::execution_url(&ctx.region, &execution.id),
        });
    }
    status.waiting = None;
    let message = "the execution has started";
    status.show(Phase::Running, Reason::Running, message);
    ctx.decide(status, Next::Now)
}
