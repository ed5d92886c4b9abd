//! The intent to start is on record and no execution is known: look first, then send again.
//!
//! The same client token starts nothing twice, so sending again is safe while OOS remembers the
//! token. After that a new token is used only when two look-ups, each a bound on lateness after
//! what came before, have found nothing.

use ess_rollout_api::v1alpha1::{
    ActionState, Cancellation, Outcome, Plan, RollingUpdateTaskStatus, StartIntent, Verb,
};
use ess_rollout_cloud::{
    CloudError, Done, ErrorClass, Execution, ExecutionFilter, ExecutionMode, Mutation,
    Outcome as Effect, Query, SafetyCheck, StartExecution,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value};

use super::context::Context;
use super::decision::{Decision, Event, EventKind, Next, Work};
use super::observation::{Interrupt, Known};
use super::preflight::{self, ROLLING_TEMPLATES};
use super::report::{self, Phase};
use super::{adoption, cancel, ending, kind, ledger, rollback};
use crate::conditions::shorten;
use crate::identity;

/// How long a start is sent again with the same token: OOS keeps tokens for an undocumented time,
/// and a few hours at most can be relied on.
const SAME_TOKEN: SignedDuration = SignedDuration::from_mins(30);
/// How soon to look after a start whose answer was lost.
const LOOK_SOON: SignedDuration = SignedDuration::from_secs(2);

/// The call that the intent on record describes.
pub(super) fn mutation(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<Mutation> {
    let (intent, plan) = (status.start.as_ref()?, status.plan.as_ref()?);
    let automatic = ctx.spec.on_failure == ess_rollout_api::v1alpha1::OnFailure::Fail;
    let description = match &ctx.spec.description {
        Some(text) => text.clone(),
        None => format!("{} {}", ctx.input.subject.kind, ctx.path()),
    };
    let mut tags = identity::tags(
        &ctx.namespace,
        &ctx.name,
        &ctx.uid,
        &ctx.group,
        ctx.spec.run_key.as_deref(),
        intent,
    );
    if let Some(source) = &status.source {
        let tag = identity::TAG_SOURCE_EXECUTION.to_owned();
        tags.push((tag, source.execution_id.clone()));
        tags.sort();
    }
    Some(Mutation::StartExecution(StartExecution {
        template_name: intent.template_name.clone(),
        template_version: intent.template_version.clone(),
        parameters: parameters(ctx, status, plan, &intent.exit_processes),
        mode: if automatic {
            ExecutionMode::Automatic
        } else {
            ExecutionMode::FailurePause
        },
        // OOS documents Skip as valid with Automatic only.
        safety_check: automatic.then_some(SafetyCheck::Skip),
        client_token: intent.client_token.clone(),
        description,
        tags,
    }))
}

/// The template parameters of the start.
pub(super) fn parameters(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    exit_processes: &[String],
) -> Map<String, Value> {
    match &status.source {
        None => kind::invoke_parameters(&*ctx.kind, ctx.spec, plan, exit_processes),
        Some(source) => {
            rollback::call::parameters(&*ctx.kind, ctx.spec, plan, exit_processes, source)
        }
    }
}

pub(super) fn decide(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Known<Decision> {
    ledger::ingest(ctx, &mut status, None);
    let Some(intent) = status.start.clone() else {
        return Ok(ctx.decide(status, Next::Now));
    };
    if ctx.deletion_overdue() {
        let message = "the task was deleted and it could not be learned in time whether its start took effect";
        return Ok(ending::begin(
            ctx,
            status,
            Outcome::Cancelled,
            ending::ABANDONED,
            message,
        ));
    }
    let outcome = ctx.input.outcome.filter(|outcome| {
        matches!(&outcome.mutation, Mutation::StartExecution(start) if start.client_token == intent.client_token)
    });
    match outcome.map(|outcome| &outcome.result) {
        Some(Ok(Done::Started { execution, .. })) => {
            // With a run key the token may be that of another cluster, and the execution its own.
            let uid = execution.tags.get(identity::TAG_UID);
            return match uid.filter(|_| ctx.spec.run_key.is_some()) {
                Some(uid) if *uid != ctx.uid => Ok(adoption::step_back(ctx, status, execution)),
                _ => adopt(ctx, status, execution),
            };
        }
        Some(Err(error)) if error.outcome == Effect::Unknown => {
            report::trouble(ctx, &mut status, error);
            return Ok(ctx.decide(status, Next::After(LOOK_SOON.unsigned_abs())));
        }
        Some(Err(error)) => match error.class {
            // It ran: find it.
            ErrorClass::TokenMismatch => {}
            ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict => {
                let message = format!("OOS refused to start: {error}");
                if intent.resent {
                    return Ok(note_refusal(ctx, status, &message));
                }
                return Ok(start_refused(ctx, status, &message));
            }
            ErrorClass::Denied
            | ErrorClass::Unauthenticated
            | ErrorClass::Retry
            | ErrorClass::Throttled => {
                report::trouble(ctx, &mut status, error);
                return Ok(ctx.decide(status, ctx.wait_after(error)));
            }
        },
        Some(Ok(Done::Accepted { .. })) | None => {}
    }

    let mut found: Vec<&Execution> = ctx
        .input
        .observation
        .executions(&own_runs(ctx))?
        .iter()
        // An ignored filter returns everything: believe the tags that come back.
        .filter(|e| e.parent.is_none() && e.tags.get(identity::TAG_UID) == Some(&ctx.uid))
        .filter(|e| e.tags.get(identity::TAG_SPEC_HASH) == Some(&intent.spec_hash))
        .collect();
    found.sort_by_key(|e| (e.start, e.id.clone()));
    if let Some(first) = found.first() {
        let mut decision = adopt(ctx, status, first)?;
        if found.len() > 1 {
            decision.events.push(Event {
                kind: EventKind::Warning,
                reason: "DuplicateExecution".into(),
                action: "StartExecution".into(),
                note: format!(
                    "more than one execution carries this task's uid; following {}",
                    first.id
                ),
            });
        }
        return Ok(decision);
    }
    if let Some(key) = ctx.spec.run_key.as_deref() {
        let others = adoption::with_run_key(ctx, key)?;
        let same = |e: &&&Execution| e.tags.get(identity::TAG_SPEC_HASH) == Some(&ctx.spec_hash);
        // The same key and the same update: the same token, so nothing was started for this object,
        // and nothing will be.
        if let Some(other) = others.iter().rfind(same) {
            return Ok(adoption::step_back(ctx, status, other));
        }
    }
    if let Some(Err(error)) = outcome.map(|outcome| &outcome.result)
        && error.class == ErrorClass::TokenMismatch
    {
        return Ok(note_used_token(ctx, status, error));
    }
    if !intent.refusal.is_empty() {
        return Ok(without_answer(ctx, status, &intent));
    }
    if let Some(reason) = cancel::reason(ctx, &status) {
        return Ok(wait_out(ctx, status, &reason));
    }
    let tokens_end = Time(intent.time.0 + SAME_TOKEN);
    if ctx.now() > tokens_end.0 {
        return Ok(new_attempt(ctx, status, &tokens_end));
    }
    if let Some(intent) = status.start.as_mut() {
        intent.resent = true;
    }
    let work = mutation(ctx, &status).map(|mutation| Work { mutation });
    let mut decision = ctx.decide(status, Next::Now);
    decision.work = work;
    Ok(decision)
}

fn start_refused(ctx: &Context<'_>, status: RollingUpdateTaskStatus, message: &str) -> Decision {
    ending::nothing_ran(ctx, status, Outcome::Failed, ending::START_REFUSED, message)
}

/// A call was refused that was not the only one: one before it, whose answer was lost, may still
/// take effect. Nothing is sent any more until that is known.
fn note_refusal(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus, message: &str) -> Decision {
    if let Some(intent) = status.start.as_mut() {
        intent.refusal = shorten(message, 1024);
        (intent.empty_lookups, intent.last_lookup_time) = (0, Some(Time(ctx.now())));
    }
    ctx.decide(status, Next::After(LOOK_SOON.unsigned_abs()))
}

/// The token was used with other parameters, so something was started: it is only looked for, for
/// as long as lists may lag behind.
fn note_used_token(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    error: &CloudError,
) -> Decision {
    if let Some(intent) = status.start.as_mut() {
        intent.refusal = shorten(&error.to_string(), 1024);
        intent.token_used = true;
        (intent.empty_lookups, intent.last_lookup_time) = (0, None);
    }
    ctx.decide(status, Next::After(LOOK_SOON.unsigned_abs()))
}

/// After a refusal, another look found nothing either.
fn without_answer(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    intent: &StartIntent,
) -> Decision {
    let patient = intent.token_used && cancel::reason(ctx, &status).is_none();
    let since = patient.then(|| Time(intent.time.0 + SAME_TOKEN));
    if count_empty_lookup(ctx, &mut status, since) < 2 {
        return ctx.decide(status, ctx.poll());
    }
    if intent.token_used {
        let message = format!(
            "OOS lists no execution of this task and says that its client token was used: {}",
            intent.refusal
        );
        return ending::begin(ctx, status, Outcome::Failed, "ExecutionNotFound", &message);
    }
    start_refused(ctx, status, &intent.refusal)
}

fn own_runs(ctx: &Context<'_>) -> ExecutionFilter {
    ExecutionFilter::Tagged {
        tags: vec![
            (identity::TAG_UID.to_owned(), ctx.uid.clone()),
            (identity::TAG_SCALING_GROUP.to_owned(), ctx.group.clone()),
        ],
        started_after: None,
    }
}

/// Nothing was found and the task is to end: nothing is sent any more, and it ends once a call
/// that may be under way can no longer have an effect.
fn wait_out(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus, reason: &str) -> Decision {
    if status.cancellation.is_none() {
        status.cancellation = Some(Cancellation {
            time: Time(ctx.now()),
            reason: reason.to_owned(),
            last_call_time: None,
        });
        if let Some(intent) = status.start.as_mut() {
            (intent.empty_lookups, intent.last_lookup_time) = (0, None);
        }
        let message =
            "cancelled while the start had no answer: waiting until it can no longer take effect";
        report::show(ctx, &mut status, Phase::Cancelling, "Cancelling", message);
        return ctx.decide(status, Next::Now);
    }
    let since = status.cancellation.as_ref().map(|c| c.time.clone());
    if count_empty_lookup(ctx, &mut status, since) >= 2 {
        let message = "cancelled; no execution was ever started";
        return ending::nothing_ran(
            ctx,
            status,
            Outcome::Cancelled,
            ending::CANCELLED_BEFORE_START,
            message,
        );
    }
    ctx.decide(status, wait_for_settle(ctx))
}

/// The token may have been forgotten: start anew, once it is known that nothing runs.
fn new_attempt(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus, since: &Time) -> Decision {
    if count_empty_lookup(ctx, &mut status, Some(since.clone())) < 2 {
        return ctx.decide(status, wait_for_settle(ctx));
    }
    if let Some(intent) = status.start.as_mut() {
        intent.attempt += 1;
        intent.client_token =
            identity::client_token(&ctx.token_owner(), &ctx.spec_hash, intent.attempt);
        intent.time = Time(ctx.now());
        intent.resent = false;
        (intent.empty_lookups, intent.last_lookup_time) = (0, None);
    }
    let work = mutation(ctx, &status).map(|mutation| Work { mutation });
    let mut decision = ctx.decide(status, Next::Now);
    decision.work = work;
    decision
}

/// Counts a look-up that found nothing, if it came late enough to count. Gives the count.
fn count_empty_lookup(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    since: Option<Time>,
) -> i32 {
    let Some(intent) = status.start.as_mut() else {
        return 0;
    };
    let since = intent.last_lookup_time.clone().or(since);
    if since.is_none_or(|since| ctx.settled_since(&since)) {
        intent.empty_lookups += 1;
        intent.last_lookup_time = Some(Time(ctx.now()));
    }
    intent.empty_lookups
}

fn wait_for_settle(ctx: &Context<'_>) -> Next {
    Next::After((ctx.settle() + SignedDuration::from_secs(1)).unsigned_abs())
}

/// The execution is known. Whoever else runs on the group by now is reported: other people's runs
/// cannot be excluded, only seen.
fn adopt(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    execution: &Execution,
) -> Known<Decision> {
    // Whoever was there before the start was seen by preflight: the newest are enough.
    let newest = ExecutionFilter::NewestByTemplate(ROLLING_TEMPLATES.into());
    let observation = ctx.input.observation;
    let clash = match observation.require([Query::Executions(newest.clone())]) {
        Err(Interrupt::Read(queries)) => return Err(Interrupt::Read(queries)),
        // Not being able to look for others is no reason to lose our own.
        _ => observation
            .executions(&newest)
            .map(|listed| preflight::of_others(ctx, listed))
            .unwrap_or_default(),
    };
    let events = clash.iter().map(|other| Event {
        kind: EventKind::Warning,
        reason: "ForeignExecution".into(),
        action: "StartExecution".into(),
        note: format!(
            "execution {} was started on the same scaling group at the same time by somebody else",
            other.id
        ),
    });
    status.execution = Some(adoption::reference(ctx, execution));
    // OOS has them now.
    if let Some(intent) = status.start.as_mut() {
        intent.scripts = None;
    }
    ledger::settle_all(
        ctx,
        &mut status,
        Verb::Continue,
        ActionState::Rejected,
        "NotPaused",
        "",
    );
    report::show(
        ctx,
        &mut status,
        Phase::Running,
        "Running",
        "the execution has started",
    );
    let mut decision = ctx.decide(status, Next::Now);
    decision.events = events.collect();
    Ok(decision)
}
