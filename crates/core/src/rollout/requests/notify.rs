//! One NotifyExecution for one instance: on record, sent, and what its answer means.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    Action, ActionCall, ActionState, ActionTarget, InstanceState, NotifyAddress,
    RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{CloudError, Done, Mutation, NotifyType, Outcome as Effect};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::targets::{MESSAGE_MAX, carried_out, resolve_if_done, resolve_target, word};
use crate::rollout::context::Context;
use crate::task::cloud_failure::is_passing;
use crate::task::conditions::shorten;
use crate::task::ledger::is_instance;

/// The call for one instance of one request, to the root execution, which finds the instance by its
/// loop item, or to a nested one, whose failed task is meant.
pub(super) fn mutation(
    ctx: &Context<'_>,
    action: &Action,
    target: &ActionTarget,
    execution: &str,
    task_execution: Option<String>,
    loop_item: Option<String>,
) -> Mutation {
    Mutation::NotifyExecution {
        execution: execution.to_owned(),
        notify: match action.verb {
            Verb::Retry => NotifyType::RetryTask,
            Verb::Skip => NotifyType::SkipTask,
            Verb::CancelInstances | Verb::Cancel => NotifyType::CancelTask,
            // None of them names instances.
            Verb::Continue | Verb::RunNow | Verb::RetryGate | Verb::OverrideWindow => {
                NotifyType::Approve
            }
        },
        task_execution,
        loop_item,
        note: note(ctx, &action.id, target),
    }
}

/// Shown in the console. No two calls that are on record at the same time have the same.
fn note(ctx: &Context<'_>, action: &str, target: &ActionTarget) -> String {
    let what = target.task_execution_id.as_ref();
    let what = what.unwrap_or(&target.instance);
    format!("{} ({action} {what})", ctx.path())
}

/// What goes on record before a call is sent.
pub(super) fn intent(
    ctx: &Context<'_>,
    before: Option<&ActionCall>,
    address: NotifyAddress,
    seen: String,
) -> ActionCall {
    let same = before.filter(|call| call.seen == seen);
    let now = Time(ctx.now());
    ActionCall {
        until: Some(Time(ctx.waits().clear_at(&now))),
        time: now,
        count: before.map_or(0, |call| call.count) + 1,
        address,
        unanswered: true,
        lost: before.is_some_and(|call| call.lost || call.unanswered),
        refusals: same.map_or(0, |call| call.refusals),
        seen,
    }
}

/// The calls just sent, each with its answer; `None`: it was not sent, as one before it had failed or
/// it would have been too late.
fn sent<'a>(
    ctx: &Context<'a>,
) -> impl Iterator<Item = (&'a Mutation, Option<&'a Result<Done, CloudError>>)> {
    ctx.input.outcome.into_iter().flat_map(|outcome| {
        let also = outcome.also.iter();
        let also = also.map(|call| (&call.mutation, call.result.as_ref()));
        std::iter::once((&outcome.mutation, Some(&outcome.result))).chain(also)
    })
}

/// Why a call just sent did nothing, where that is no answer about the instance.
pub(super) fn passing_failure<'a>(ctx: &Context<'a>) -> Option<&'a CloudError> {
    sent(ctx).find_map(|(mutation, result)| {
        let Mutation::NotifyExecution { notify, .. } = mutation else {
            return None;
        };
        let error = result?.as_ref().err()?;
        let ours = *notify != NotifyType::Approve;
        (ours && error.outcome == Effect::NoEffect && is_passing(error)).then_some(error)
    })
}

/// Puts on record what became of the calls just sent.
pub(in crate::rollout) fn take_outcome(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let notified = sent(ctx).filter_map(|(mutation, result)| match mutation {
        Mutation::NotifyExecution { note, .. } => Some((note.as_str(), result)),
        _ => None,
    });
    let answers: BTreeMap<&str, _> = notified.collect();
    if answers.is_empty() {
        return;
    }
    let mut actions = std::mem::take(&mut status.actions);
    for action in &mut actions {
        let verb = action.verb;
        let instances = action.instances.iter_mut();
        for one in instances.filter(|one| one.state == ActionState::Accepted) {
            let note = note(ctx, &action.id, one);
            let Some(call) = one.call.as_mut().filter(|call| call.unanswered) else {
                continue;
            };
            match answers.get(note.as_str()) {
                Some(Some(Ok(_))) => {
                    call.unanswered = false;
                    resolve_target(one, ActionState::Applied, word(verb), "");
                    if is_instance(one) {
                        carried_out(ctx, status, verb, &one.instance);
                    }
                }
                Some(Some(Err(error))) if error.outcome == Effect::Unknown => {}
                Some(Some(Err(error))) if is_passing(error) => {
                    // It had no effect, for a reason that passes: the next one comes later each time.
                    call.unanswered = false;
                    let wait = ctx.waits().after_no_effect(error, call.count);
                    call.until = Some(Time(ctx.now() + wait));
                }
                Some(Some(Err(error))) => refused(ctx, status, one, error),
                Some(None) => (call.unanswered, call.until) = (false, None),
                None => {}
            }
        }
        resolve_if_done(ctx, action);
    }
    status.actions = actions;
}

/// OOS does not take it so. Which addresses it takes is not documented, so the next is tried; when
/// there is none left, it is a matter of what the instance and the update are doing.
fn refused(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    target: &mut ActionTarget,
    error: &CloudError,
) {
    // Without the request id, which changes at each try.
    let message = format!("OOS refused it: {} {}", error.code, error.message);
    target.message = shorten(&message, MESSAGE_MAX);
    let found = status.instances.iter().find(|i| i.id == target.instance);
    let Some(call) = &mut target.call else {
        return;
    };
    (call.unanswered, call.until) = (false, None);
    let has_child =
        found.is_some_and(|i| i.state == InstanceState::Failed && i.execution_id.is_some());
    if call.address == NotifyAddress::LoopTask && has_child {
        call.address = NotifyAddress::ChildExecution;
        return;
    }
    call.address = NotifyAddress::LoopTask;
    call.refusals += 1;
    // What it is judged by next is newer than the refusal.
    call.until = Some(Time(ctx.waits().shown_at(ctx.now())));
}
