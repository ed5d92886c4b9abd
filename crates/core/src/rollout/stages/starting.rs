//! The intent to start is on record and no execution is known: look first, then send again, by the rules of
//! [`crate::task::start`].

use ess_rollout_api::v1alpha1::{
    ActionState, Cancellation, Outcome, Plan, RollingUpdateTaskStatus, StartIntent, Verb,
};
use ess_rollout_cloud::{
    CloudError, Execution, ExecutionFilter, ExecutionMode, Mutation, Query, SafetyCheck,
    StartExecution,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value};

use super::cancel;
use crate::identity;
use crate::rollout::before::{denied, run_keys};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Event, Next, Work};
use crate::rollout::report::{self, Phase};
use crate::rollout::requests::{close, ingest};
use crate::rollout::{execution, kind, others, result, rollback};
use crate::task::absence::ROLLING_TEMPLATES;
use crate::task::observation::{Known, Missing};
use crate::task::reason::Reason;
use crate::task::start::{self, Answer, Then};

/// Reason of what a person has to grant, where that is all that is known of it.
const DENIED: Reason = Reason::AccessDenied;

/// The call that the intent on record describes.
pub(in crate::rollout) fn mutation(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    intent: &StartIntent,
    plan: &Plan,
) -> Mutation {
    let automatic = ctx.spec.policy.on_failure == ess_rollout_api::v1alpha1::OnFailure::Fail;
    let description = match &ctx.spec.policy.description {
        Some(text) => text.clone(),
        None => format!("{} {}", ctx.input.subject.kind, ctx.path()),
    };
    let mut tags = identity::tags(
        &ctx.namespace,
        &ctx.name,
        &ctx.uid,
        &ctx.group,
        ctx.spec.policy.run_key.as_deref(),
        intent,
    );
    if let Some(source) = &status.source {
        let tag = identity::TAG_SOURCE_EXECUTION.to_owned();
        tags.push((tag, source.execution_id.clone()));
        tags.sort();
    }
    Mutation::StartExecution(StartExecution {
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
    })
}

/// Whether the call would still be the one that the intent was put on record for. With the same token and other
/// parameters it would be another update, or none.
fn is_same_call(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    intent: &StartIntent,
    plan: &Plan,
) -> bool {
    let parameters = parameters(ctx, status, plan, &intent.exit_processes);
    identity::hash_value(&parameters) == intent.parameters_hash
}

/// The template parameters of the start.
pub(in crate::rollout) fn parameters(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    exit_processes: &[String],
) -> Map<String, Value> {
    match &status.source {
        None => kind::invoke_parameters(&*ctx.update, ctx.spec, plan, exit_processes),
        Some(source) => {
            rollback::call::parameters(&*ctx.update, ctx.spec, plan, exit_processes, source)
        }
    }
}

pub(in crate::rollout) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    mut intent: StartIntent,
    plan: &Plan,
) -> Known<Drafted> {
    ingest::ingest(ctx, &mut status, None);
    if ctx.deletion_overdue() {
        let message = "the task was deleted and it could not be learned in time whether its start took effect";
        return Ok(result::begin(
            ctx,
            status,
            Outcome::Cancelled,
            result::ABANDONED,
            message,
        ));
    }
    let answer = start::answer(ctx.input.outcome, &intent);
    match &answer {
        Answer::Started(execution) => {
            // With a run key the token may be that of another cluster, and the execution its own.
            let uid = execution.tags.get(identity::TAG_UID);
            return match uid.filter(|_| ctx.spec.policy.run_key.is_some()) {
                Some(uid) if *uid != ctx.uid => Ok(run_keys::step_back(ctx, status, execution)),
                _ => adopt(ctx, status, execution),
            };
        }
        Answer::Lost(error) => {
            report::failed(ctx, &mut status, error);
            return Ok(ctx.decide(status, start::look_soon()));
        }
        Answer::Refused(message) if intent.resent => {
            start::note_refusal(&mut intent, message, ctx.now());
            status.start = Some(intent);
            return Ok(ctx.decide(status, start::look_soon()));
        }
        Answer::Refused(message) => return Ok(start_refused(ctx, status, message)),
        Answer::Denied(error) if intent.resent => {
            let (reason, why) = refusal(ctx, error);
            start::note_refusal(&mut intent, &why, ctx.now());
            intent.denied = true;
            status.start = Some(intent);
            report::failed(ctx, &mut status, error);
            status.call_refused = Some(reason.into());
            return Ok(ctx.decide(status, start::look_soon()));
        }
        Answer::Denied(error) => {
            let (reason, why) = refusal(ctx, error);
            return Ok(denied::give_back(ctx, status, (reason, &why)));
        }
        Answer::Failed(error) => {
            report::failed(ctx, &mut status, error);
            let wait = denied::growing(ctx.since(&intent.time));
            let next = error.retry_after.map_or(wait, Next::After);
            return Ok(ctx.decide(status, next));
        }
        Answer::TokenUsed(_) | Answer::None => {}
    }

    let listed = ctx.input.observation.executions(&own_runs(ctx))?;
    let own = [
        (identity::TAG_UID.to_owned(), ctx.uid.clone()),
        (identity::TAG_SPEC_HASH.to_owned(), intent.spec_hash.clone()),
    ];
    let mut found = start::with_tags(listed, &own);
    // Tags can be written by whoever may start executions: another template is not what was started.
    found.retain(|found| found.template_name == intent.template_name);
    if let Some(first) = found.first() {
        let mut decision = adopt(ctx, status, first)?;
        if found.len() > 1 {
            decision.events.push(Event::warning(
                Reason::DuplicateExecution,
                "StartExecution",
                format!(
                    "more than one execution carries this task's uid; following {}",
                    first.id
                ),
            ));
        }
        return Ok(decision);
    }
    if let Some(key) = ctx.spec.policy.run_key.as_deref() {
        let others = run_keys::with_run_key(ctx, key)?;
        let same = |e: &&&Execution| e.tags.get(identity::TAG_SPEC_HASH) == Some(&ctx.spec_hash);
        // The same key and the same update: the same token, so nothing was started for this object,
        // and nothing will be.
        if let Some(other) = others.iter().rfind(same) {
            return Ok(run_keys::step_back(ctx, status, other));
        }
    }
    let cancel = cancel::reason(ctx, &status);
    let waits_out = !matches!(answer, Answer::TokenUsed(_)) && intent.refusal.is_empty();
    if let Some(reason) = cancel.as_ref().filter(|_| waits_out)
        && status.cancellation.is_none()
    {
        return Ok(begin_wait(ctx, status, reason));
    }
    let since = match &status.cancellation {
        Some(cancellation) => Some(cancellation.time.clone()),
        None => cancel.map(|_| Time(ctx.now())),
    };
    let (waits, since) = (ctx.waits(), since.as_ref());
    let then = start::nothing_found(&waits, &mut intent, &answer, since, |attempt| {
        identity::client_token(&ctx.token_owner(), &ctx.spec_hash, attempt)
    });
    status.start = Some(intent.clone());
    let denied_as = status
        .call_refused
        .as_deref()
        .map_or(DENIED, Reason::recorded);
    Ok(match then {
        Then::Wait(next) => ctx.decide(status, next),
        // The group was given back after a refusal, and the operator died before the status said so. Sent
        // again, it would run beside whoever holds the group by now.
        Then::Send if ctx.lost_group() => {
            let why = match intent.refusal.as_str() {
                "" => "the start was refused",
                why => why,
            };
            denied::give_back(ctx, status, (denied_as, why))
        }
        Then::Send if !is_same_call(ctx, &status, &intent, plan) => {
            let why = "what the start was made of is not known any more (a Secret of the operator's namespace that kept it is missing, or another version of the operator made it): it is not sent again";
            start::note_refusal(&mut intent, why, ctx.now());
            status.start = Some(intent);
            ctx.decide(status, start::look_soon())
        }
        Then::Send => {
            let mutation = mutation(ctx, &status, &intent, plan);
            let mut decision = ctx.decide(status, Next::Now);
            decision.work = Some(Work { mutation });
            decision
        }
        Then::NothingRan => result::nothing_ran(
            ctx,
            status,
            Outcome::Cancelled,
            result::CANCELLED_BEFORE_START,
            "cancelled; no execution was ever started",
        ),
        Then::Refused(why) if intent.denied => denied::give_back(ctx, status, (denied_as, &why)),
        Then::Refused(why) => start_refused(ctx, status, &why),
        Then::NotFound(why) => result::begin(
            ctx,
            status,
            Outcome::Failed,
            Reason::ExecutionNotFound,
            &why,
        ),
    })
}

/// Reason and words of a refusal that a person can mend.
fn refusal(ctx: &Context<'_>, error: &CloudError) -> (Reason, String) {
    let failure = report::failure(ctx, error);
    failure.map_or((DENIED, error.to_string()), |f| (f.reason, f.message))
}

fn start_refused(ctx: &Context<'_>, status: Draft, message: &str) -> Drafted {
    result::nothing_ran(ctx, status, Outcome::Failed, result::START_REFUSED, message)
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
fn begin_wait(ctx: &Context<'_>, mut status: Draft, reason: &str) -> Drafted {
    status.cancellation = Some(Cancellation {
        time: Time(ctx.now()),
        reason: reason.to_owned(),
        last_call_time: None,
        retry_time: None,
        failures: 0,
        message: String::new(),
        missing_since: None,
    });
    if let Some(intent) = status.start.as_mut() {
        start::count_anew(intent);
    }
    let message =
        "cancelled while the start had no answer: waiting until it can no longer take effect";
    status.show(Phase::Cancelling, Reason::Cancelling, message);
    ctx.decide(status, Next::Now)
}

/// The execution is known. Whoever else runs on the group by now is reported: other people's runs
/// cannot be excluded, only seen.
fn adopt(ctx: &Context<'_>, mut status: Draft, execution: &Execution) -> Known<Drafted> {
    // Whoever was there before the start was seen by preflight: the newest are enough.
    let newest = ExecutionFilter::NewestByTemplate(ROLLING_TEMPLATES.into());
    let observation = ctx.input.observation;
    let clash = match observation.require([Query::Executions(newest.clone())]) {
        Err(Missing::Read(queries)) => return Err(Missing::Read(queries)),
        // Not being able to look for others is no reason to lose our own.
        _ => observation
            .executions(&newest)
            .map(|listed| others::of_others(ctx, listed))
            .unwrap_or_default(),
    };
    let events = clash.iter().map(|other| Event::warning(Reason::ForeignExecution, "StartExecution", format!(
            "execution {} was started on the same scaling group at the same time by somebody else",
            other.id
        )));
    status.execution = Some(execution::reference(ctx, execution));
    status.start_blocked = None;
    // OOS has them now.
    if let Some(intent) = status.start.as_mut() {
        (intent.scripts, intent.kept_scripts) = (None, None);
    }
    close::resolve_all(
        ctx,
        &mut status,
        Verb::Continue,
        ActionState::Rejected,
        Reason::NotPaused,
        "",
    );
    status.show(Phase::Running, Reason::Running, "the execution has started");
    let mut decision = ctx.decide(status, Next::Now);
    decision.events = events.collect();
    Ok(decision)
}
