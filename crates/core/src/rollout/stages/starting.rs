//! The intent to start is on record and no execution is known: look first, then send again, by the rules of
//! [`crate::task::start`].

use ess_rollout_api::v1alpha1::{
    ActionState, OnFailure, Outcome, Plan, RollingUpdateTaskStatus, StartIntent, Verb,
};
use ess_rollout_cloud::{
    Execution, ExecutionFilter, ExecutionMode, Mutation, SafetyCheck, StartExecution,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::cancel;
use crate::identity;
use crate::rollout::before::{denied, refusal, run_keys};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Event, Next, Work};
use crate::rollout::progress::window;
use crate::rollout::report::{self, Phase};
use crate::rollout::requests::{close, ingest};
use crate::rollout::{execution, kind, others, result, rollback};
use crate::task::absence::ROLLING_TEMPLATES;
use crate::task::closed::Held;
use crate::task::observation::{Known, Missing};
use crate::task::reason::Reason;
use crate::task::start::{self, Answer, Then};

/// The call that the intent on record describes.
pub(super) fn call(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    intent: &StartIntent,
    plan: &Plan,
) -> StartExecution {
    let (mode, safety_check) = match ctx.spec.policy.on_failure {
        // OOS documents Skip as valid with Automatic only.
        OnFailure::Fail => (ExecutionMode::Automatic, Some(SafetyCheck::Skip)),
        OnFailure::Suspend => (ExecutionMode::FailurePause, None),
    };
    let description = ctx.spec.policy.description.clone();
    let description = description.unwrap_or_else(|| format!("{} {}", ctx.kind, ctx.path()));
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
    let (update, spec) = (&*ctx.update, ctx.spec);
    let parameters = match &status.source {
        None => kind::invoke_parameters(update, spec, plan, intent),
        Some(source) => rollback::call::parameters(update, spec, plan, intent, source),
    };
    StartExecution {
        template_name: intent.template_name.clone(),
        template_version: intent.template_version.clone(),
        parameters,
        mode,
        safety_check,
        client_token: intent.client_token.clone(),
        description,
        tags,
    }
}

/// Makes the call that is on record.
pub(super) fn send(ctx: &Context<'_>, status: Draft, call: StartExecution) -> Drafted {
    let mut decision = ctx.decide(status, Next::Now);
    let mutation = Mutation::StartExecution(call);
    decision.work = Some(Work { mutation });
    decision
}

/// The intent to start from this plan, but for what the call is made of besides.
pub(super) fn intent(ctx: &Context<'_>, spec_hash: String, plan: &Plan) -> StartIntent {
    let token = identity::client_token(&ctx.token_owner(), &spec_hash, 1);
    StartIntent {
        exit_processes: kind::processes_but(&plan.suspended_processes),
        // Where one is overridden, those that come later hold it all the same.
        pauses_after_each_batch: ctx.spec.policy.holds_batches()
            || !ctx.windows().is_empty()
            || !ctx.windows.own.overridden.is_empty(),
        ..start::intent(ctx.update.template(), token, spec_hash, ctx.now())
    }
}

pub(super) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    intent: StartIntent,
    plan: &Plan,
) -> Known<Drafted> {
    ingest::ingest(ctx, &mut status, None);
    if ctx.deletion_overdue() {
        let message = "the task was deleted and it could not be learned in time whether its start took effect";
        return Ok(result::abandon(ctx, status, message));
    }
    let answer = start::answer(ctx.input.outcome, &intent);
    if let Some(decision) = answered(ctx, &status, &intent, &answer)? {
        return Ok(decision);
    }
    if let Some(decision) = found(ctx, &status, &intent)? {
        return Ok(decision);
    }
    Ok(nothing_found(ctx, status, intent, plan, &answer))
}

/// What follows from the answer to the call just made. `None`: a look has to tell.
fn answered(
    ctx: &Context<'_>,
    status: &Draft,
    intent: &StartIntent,
    answer: &Answer<'_>,
) -> Known<Option<Drafted>> {
    let mut status = status.clone();
    let mut next = start::look_soon();
    match answer {
        Answer::Started(execution) => {
            // With a run key the token may be that of another cluster, and the execution its own.
            let uid = execution.tags.get(identity::TAG_UID);
            let uid = uid.filter(|_| ctx.spec.policy.run_key.is_some());
            return match uid.is_some_and(|uid| *uid != ctx.uid) {
                true => Ok(Some(run_keys::step_back(ctx, status, execution))),
                false => adopt(ctx, status, execution).map(Some),
            };
        }
        Answer::Lost(error) => report::failed(ctx, &mut status, error),
        Answer::Refused(why) if intent.resent => {
            note_refusal(ctx, &mut status, intent, why);
        }
        Answer::Refused(message) => return Ok(Some(start_refused(ctx, status, message))),
        Answer::Denied(error) => {
            let failure = report::failure(ctx, error);
            let (reason, why) = failure.map_or((Reason::AccessDenied, error.to_string()), |f| {
                (f.reason, f.message)
            });
            if !intent.resent {
                return Ok(Some(denied::give_back(ctx, status, (reason, &why))));
            }
            note_refusal(ctx, &mut status, intent, &why).denied = true;
            report::failed(ctx, &mut status, error);
            status.call_refused = Some(reason.into());
        }
        Answer::Failed(error) => {
            report::failed(ctx, &mut status, error);
            let wait = denied::growing(ctx.waits().since(&intent.time));
            next = error.retry_after.map_or(wait, Next::After);
        }
        Answer::TokenUsed(_) | Answer::None => return Ok(None),
    }
    Ok(Some(ctx.decide(status, next)))
}

/// See [`start::note_refusal`].
fn note_refusal<'s>(
    ctx: &Context<'_>,
    status: &'s mut Draft,
    intent: &StartIntent,
    why: &str,
) -> &'s mut StartIntent {
    let intent = status.start.insert(intent.clone());
    start::note_refusal(intent, why, ctx.now());
    intent
}

/// The execution, or that of somebody else with the same run key, if OOS lists it.
fn found(ctx: &Context<'_>, status: &Draft, intent: &StartIntent) -> Known<Option<Drafted>> {
    let uid = (identity::TAG_UID.to_owned(), ctx.uid.clone());
    let group = (identity::TAG_SCALING_GROUP.to_owned(), ctx.group.clone());
    let hash = (identity::TAG_SPEC_HASH.to_owned(), intent.spec_hash.clone());
    let filter = ExecutionFilter::Tagged {
        tags: vec![uid.clone(), group],
        started_after: None,
    };
    let listed = ctx.input.observation.executions(&filter)?;
    let mut found = start::with_tags(listed, &[uid, hash]);
    // Tags can be written by whoever may start executions: another template is not what was started.
    found.retain(|found| found.template_name == intent.template_name);
    if let Some(first) = found.first() {
        let mut decision = adopt(ctx, status.clone(), first)?;
        if found.len() > 1 {
            let note = format!(
                "more than one execution carries this task's uid; following {}",
                first.id
            );
            let event = Event::warning(Reason::DuplicateExecution, "StartExecution", note);
            decision.events.push(event);
        }
        return Ok(Some(decision));
    }
    let Some(key) = ctx.spec.policy.run_key.as_deref() else {
        return Ok(None);
    };
    let others = run_keys::with_run_key(ctx, key)?;
    let same = |e: &&&Execution| e.tags.get(identity::TAG_SPEC_HASH) == Some(&ctx.spec_hash);
    // The same key and the same update: the same token, so nothing was started for this object, and nothing will be.
    let other = others.iter().rfind(same);
    Ok(other.map(|other| run_keys::step_back(ctx, status.clone(), other)))
}

/// OOS lists no execution of this start.
fn nothing_found(
    ctx: &Context<'_>,
    mut status: Draft,
    mut intent: StartIntent,
    plan: &Plan,
    answer: &Answer<'_>,
) -> Drafted {
    let cancel = cancel::reason(ctx, &status);
    let waits_out = !matches!(answer, Answer::TokenUsed(_)) && intent.refusal.is_empty();
    if let Some(reason) = cancel.as_ref().filter(|_| waits_out)
        && status.cancellation.is_none()
    {
        return begin_wait(ctx, status, reason);
    }
    let since = match &status.cancellation {
        Some(cancellation) => Some(cancellation.time.clone()),
        None => cancel.map(|_| Time(ctx.now())),
    };
    let token = |attempt| identity::client_token(&ctx.token_owner(), &ctx.spec_hash, attempt);
    // What was decided while a window was open, and may never have come about, does not begin when it is closed.
    let held = window::held(ctx, &[]);
    let (waits, closed) = (ctx.waits(), held.is_some());
    let then = start::nothing_found(&waits, &mut intent, answer, since.as_ref(), closed, token);
    status.start = Some(intent.clone());
    let denied_as = status.call_refused.as_deref();
    let denied_as = denied_as.map_or(Reason::AccessDenied, Reason::recorded);
    match then {
        Then::Wait(next) => ctx.decide(status, next),
        Then::PutOff => put_off(ctx, status, held),
        // The group was given back after a refusal, and the operator died before the status said so. Sent
        // again, it would run beside whoever holds the group by now.
        Then::Send if ctx.lost_group() => {
            let why = match intent.refusal.as_str() {
                "" => "the start was refused",
                why => why,
            };
            denied::give_back(ctx, status, (denied_as, why))
        }
        Then::Send => {
            let call = call(ctx, &status, &intent, plan);
            // With the same token and other parameters it would be another update, or none.
            if identity::hash_value(&call.parameters) == intent.parameters_hash {
                return send(ctx, status, call);
            }
            let why = "what the start was made of is not known any more (a Secret of the operator's namespace that kept it is missing, or another version of the operator made it): it is not sent again";
            note_refusal(ctx, &mut status, &intent, why);
            ctx.decide(status, start::look_soon())
        }
        Then::NothingRan => {
            let message = "cancelled; no execution was ever started";
            let reason = Reason::CancelledBeforeStart;
            result::nothing_ran(ctx, status, Outcome::Cancelled, reason, message)
        }
        Then::Refused(why) if intent.denied => denied::give_back(ctx, status, (denied_as, &why)),
        Then::Refused(why) => start_refused(ctx, status, &why),
        Then::NotFound(why) => {
            let reason = Reason::ExecutionNotFound;
            result::begin(ctx, status, Outcome::Failed, reason, &why)
        }
    }
}

/// Nothing was started, and nothing may begin now: it waits as one that has not been decided about.
fn put_off(ctx: &Context<'_>, mut status: Draft, held: Option<Held>) -> Drafted {
    refusal::unstart(ctx, &mut status);
    match held {
        Some(held) => refusal::refuse_until(ctx, status, &held.problem(), Next::Now),
        None => ctx.decide(status, Next::Now),
    }
}

fn start_refused(ctx: &Context<'_>, status: Draft, message: &str) -> Drafted {
    result::nothing_ran(ctx, status, Outcome::Failed, Reason::StartRefused, message)
}

/// Nothing was found and the task is to end: nothing is sent any more, and it ends once a call
/// that may be under way can no longer have an effect.
fn begin_wait(ctx: &Context<'_>, mut status: Draft, reason: &str) -> Drafted {
    cancel::begun(ctx, &mut status, reason);
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
    let clash = match ctx.input.observation.executions(&newest) {
        Ok(listed) => others::of_others(ctx, listed),
        // Not being able to look for others is no reason to lose our own.
        Err(Missing::Failed(_)) => Vec::new(),
        Err(read) => return Err(read),
    };
    let events = clash.iter().map(|other| {
        let note = format!(
            "execution {} was started on the same scaling group at the same time by somebody else",
            other.id
        );
        Event::warning(Reason::ForeignExecution, "StartExecution", note)
    });
    status.execution = Some(execution::reference(ctx, execution));
    status.start_blocked = None;
    // OOS has them now.
    if let Some(intent) = status.start.as_mut() {
        (intent.scripts, intent.kept_scripts) = (None, None);
    }
    let (state, reason) = (ActionState::Rejected, Reason::NotPaused);
    close::resolve_all(ctx, &mut status, Verb::Continue, state, reason, "");
    status.show(Phase::Running, Reason::Running, "the execution has started");
    let mut decision = ctx.decide(status, Next::Now);
    decision.events = events.collect();
    Ok(decision)
}
