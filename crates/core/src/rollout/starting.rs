//! The intent to start is on record and no execution is known: look first, then send again.
//!
//! The same client token starts nothing twice, so sending again is safe while OOS remembers the
//! token. After that a new token is used only when two look-ups, each a bound on lateness after
//! what came before, have found nothing.

use ess_rollout_api::v1alpha1::{
    ActionState, Cancellation, ExecutionRef, Outcome, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{
    Done, ErrorClass, Execution, ExecutionFilter, ExecutionMode, Mutation, Outcome as Effect,
    Query, SafetyCheck, StartExecution,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decision::{Decision, Event, EventKind, Next, Work};
use super::observation::{Interrupt, Known};
use super::preflight::{self, ROLLING_TEMPLATES};
use super::report::{self, Phase};
use super::step::Context;
use super::{ending, kind, ledger, running};
use crate::identity;

/// How long a start is sent again with the same token: OOS keeps tokens for an undocumented time,
/// and a few hours at most can be relied on.
const SAME_TOKEN: SignedDuration = SignedDuration::from_mins(30);
/// How soon to look after a start whose answer was lost.
const LOOK_SOON: SignedDuration = SignedDuration::from_secs(2);
/// How soon to try again after a refusal that only a person can mend.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_secs(60);
/// How soon to try again after a passing failure.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// The call that the intent on record describes.
pub(super) fn mutation(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<Mutation> {
    let (intent, plan) = (status.start.as_ref()?, status.plan.as_ref()?);
    let automatic = ctx.spec.on_failure == ess_rollout_api::v1alpha1::OnFailure::Fail;
    let description = match &ctx.spec.description {
        Some(text) => text.clone(),
        None => format!("RollingUpdateTask {}", ctx.path()),
    };
    Some(Mutation::StartExecution(StartExecution {
        template_name: intent.template_name.clone(),
        template_version: intent.template_version.clone(),
        parameters: kind::invoke_parameters(&*ctx.kind, ctx.spec, plan, &intent.exit_processes),
        mode: if automatic {
            ExecutionMode::Automatic
        } else {
            ExecutionMode::FailurePause
        },
        // OOS documents Skip as valid with Automatic only.
        safety_check: automatic.then_some(SafetyCheck::Skip),
        client_token: intent.client_token.clone(),
        description,
        tags: identity::tags(
            &ctx.namespace,
            &ctx.name,
            &ctx.uid,
            &ctx.group,
            ctx.spec.run_key.as_deref(),
            intent,
        ),
    }))
}

pub(super) fn decide(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Known<Decision> {
    ledger::ingest(ctx, &mut status, None);
    let Some(intent) = status.start.clone() else {
        return Ok(ctx.decide(status, Next::Now));
    };
    let outcome = ctx.input.outcome.filter(|outcome| {
        matches!(&outcome.mutation, Mutation::StartExecution(start) if start.client_token == intent.client_token)
    });
    match outcome.map(|outcome| &outcome.result) {
        Some(Ok(Done::Started { execution, .. })) => return adopt(ctx, status, execution),
        Some(Err(error)) if error.outcome == Effect::Unknown => {
            report::trouble(ctx, &mut status, error);
            return Ok(ctx.decide(status, Next::After(LOOK_SOON.unsigned_abs())));
        }
        Some(Err(error)) => match error.class {
            // It ran: find it.
            ErrorClass::TokenMismatch => {}
            ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict => {
                let message = format!("OOS refused to start: {error}");
                return Ok(ending::nothing_ran(
                    ctx,
                    status,
                    Outcome::Failed,
                    "StartRefused",
                    &message,
                ));
            }
            ErrorClass::Denied | ErrorClass::Unauthenticated => {
                report::trouble(ctx, &mut status, error);
                return Ok(ctx.decide(status, Next::After(RETRY_REFUSED.unsigned_abs())));
            }
            ErrorClass::Retry | ErrorClass::Throttled => {
                report::trouble(ctx, &mut status, error);
                let wait = error.retry_after.unwrap_or(RETRY.unsigned_abs());
                return Ok(ctx.decide(status, Next::After(wait)));
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
    if let Some(reason) = running::cancel_reason(ctx, &status) {
        return Ok(wait_out(ctx, status, reason));
    }
    let tokens_end = Time(intent.time.0 + SAME_TOKEN);
    if ctx.now() > tokens_end.0 {
        return Ok(new_attempt(ctx, status, &tokens_end));
    }
    let work = mutation(ctx, &status).map(|mutation| Work { mutation });
    let mut decision = ctx.decide(status, Next::Now);
    decision.work = work;
    Ok(decision)
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
    if ctx.deletion_overdue() || count_empty_lookup(ctx, &mut status, since) >= 2 {
        let message = "cancelled; no execution was ever started";
        return ending::nothing_ran(
            ctx,
            status,
            Outcome::Cancelled,
            "CancelledBeforeStart",
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
        intent.client_token = identity::client_token(&ctx.uid, &ctx.spec_hash, intent.attempt);
        intent.time = Time(ctx.now());
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
    let clash =
        match ctx
            .input
            .observation
            .require([Query::Executions(ExecutionFilter::ActiveByTemplate(
                ROLLING_TEMPLATES.into(),
            ))]) {
            Err(Interrupt::Read(queries)) => return Err(Interrupt::Read(queries)),
            // Not being able to look for others is no reason to lose our own.
            _ => preflight::foreign_runs(ctx).unwrap_or_default(),
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
    status.execution = Some(ExecutionRef {
        id: execution.id.clone(),
        template_name: execution.template_name.clone(),
        template_version: execution.template_version.clone(),
        status: execution.status.as_str().to_owned(),
        start_time: execution.start.map(Time),
        end_time: execution.end.map(Time),
        url: identity::execution_url(&ctx.region, &execution.id),
    });
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
