//! One NotifyExecution for one instance: on record, sent, and what its answer means.

use ess_rollout_api::v1alpha1::{
    Action, ActionCall, ActionState, ActionTarget, InstanceState, NotifyAddress,
    RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{CloudError, ErrorClass, Mutation, NotifyType, Outcome as Effect};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{MESSAGE_MAX, carried_out, settle_if_done, settle_target, word};
use crate::conditions::shorten;
use crate::rollout::context::Context;

/// Writes calls for one instance of one request.
pub(super) struct Builder<'b, 'a> {
    pub(super) ctx: &'b Context<'a>,
    pub(super) root: &'b str,
    pub(super) action: &'b Action,
    pub(super) target: &'b ActionTarget,
}

impl Builder<'_, '_> {
    /// To the root execution, which finds the instance by its loop item.
    pub(super) fn root(&self, task: Option<String>, item: Option<String>) -> Mutation {
        self.to(self.root, task, item)
    }

    /// To the nested execution, whose failed task is meant.
    pub(super) fn child(&self, child: &str, failed_task: Option<String>) -> Mutation {
        self.to(child, failed_task, None)
    }

    fn to(&self, execution: &str, task: Option<String>, item: Option<String>) -> Mutation {
        Mutation::NotifyExecution {
            execution: execution.to_owned(),
            notify: match self.action.verb {
                Verb::Retry => NotifyType::RetryTask,
                Verb::Skip => NotifyType::SkipTask,
                Verb::CancelInstances | Verb::Cancel => NotifyType::CancelTask,
                // Neither names instances.
                Verb::Continue | Verb::RunNow => NotifyType::Approve,
            },
            task_execution: task,
            loop_item: item,
            note: note(self.ctx, self.action, self.target),
        }
    }
}

/// Shown in the console. No two calls that are on record at the same time have the same.
fn note(ctx: &Context<'_>, action: &Action, target: &ActionTarget) -> String {
    format!("{} ({} {})", ctx.path(), action.id, target.instance)
}

/// What goes on record before a call is sent.
pub(super) fn intent(
    ctx: &Context<'_>,
    before: Option<&ActionCall>,
    address: NotifyAddress,
    seen: String,
) -> ActionCall {
    let same = before.filter(|call| call.seen == seen);
    ActionCall {
        time: Time(ctx.now()),
        count: before.map_or(0, |call| call.count) + 1,
        address,
        unanswered: true,
        lost: before.is_some_and(|call| call.lost || call.unanswered),
        refusals: same.map_or(0, |call| call.refusals),
        seen,
    }
}

/// Whether a failed call is to be tried again as it was: the service did not judge it.
fn is_passing(error: &CloudError) -> bool {
    match error.class {
        ErrorClass::Retry
        | ErrorClass::Throttled
        | ErrorClass::Denied
        | ErrorClass::Unauthenticated => true,
        ErrorClass::Invalid
        | ErrorClass::NotFound
        | ErrorClass::Conflict
        | ErrorClass::TokenMismatch => false,
    }
}

/// Why the call just sent did nothing, where that is no answer about the instance.
pub(super) fn passing_failure<'a>(ctx: &Context<'a>) -> Option<&'a CloudError> {
    let outcome = ctx.input.outcome?;
    let Mutation::NotifyExecution { notify, .. } = &outcome.mutation else {
        return None;
    };
    let error = outcome.result.as_ref().err()?;
    let ours = *notify != NotifyType::Approve;
    (ours && error.outcome == Effect::NoEffect && is_passing(error)).then_some(error)
}

/// Puts on record what became of the call just sent.
pub(in crate::rollout) fn take_outcome(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let Some(outcome) = ctx.input.outcome else {
        return;
    };
    let Mutation::NotifyExecution { note: sent, .. } = &outcome.mutation else {
        return;
    };
    let mut actions = std::mem::take(&mut status.actions);
    for action in &mut actions {
        let (verb, mut applied) = (action.verb, None);
        let notes: Vec<String> = action
            .instances
            .iter()
            .map(|one| note(ctx, action, one))
            .collect();
        for (one, note) in action.instances.iter_mut().zip(notes) {
            let open = one.state == ActionState::Accepted && note == *sent;
            let Some(call) = one.call.as_mut().filter(|call| open && call.unanswered) else {
                continue;
            };
            match &outcome.result {
                Ok(_) => {
                    call.unanswered = false;
                    settle_target(one, ActionState::Applied, word(verb), "");
                    applied = Some(one.instance.clone());
                }
                Err(error) if error.outcome == Effect::Unknown => {}
                Err(error) if is_passing(error) => call.unanswered = false,
                Err(error) => {
                    refused(status, one, error);
                }
            }
        }
        if let Some(instance) = applied {
            carried_out(ctx, status, verb, &instance);
        }
        settle_if_done(ctx, action);
    }
    status.actions = actions;
}

/// OOS does not take it so. Which addresses it takes is not documented, so the next is tried; when
/// there is none left, it is a matter of what the instance and the update are doing.
fn refused(status: &RollingUpdateTaskStatus, target: &mut ActionTarget, error: &CloudError) {
    // Without the request id, which changes at each try.
    let message = format!("OOS refused it: {} {}", error.code, error.message);
    target.message = shorten(&message, MESSAGE_MAX);
    let found = status.instances.iter().find(|i| i.id == target.instance);
    let Some(call) = &mut target.call else {
        return;
    };
    call.unanswered = false;
    let has_child = found.is_some_and(|instance| {
        instance.state == InstanceState::Failed && instance.execution_id.is_some()
    });
    if call.address == NotifyAddress::LoopTask && has_child {
        call.address = NotifyAddress::ChildExecution;
        return;
    }
    call.address = NotifyAddress::LoopTask;
    call.refusals += 1;
}
