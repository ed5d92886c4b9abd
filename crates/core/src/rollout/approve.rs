//! Leaving a batch pause: who lets it, and one Approve for each.

use ess_rollout_api::v1alpha1::{
    ActionState, Approval, Pause, PauseKind, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{
    CloudError, Done, ErrorClass, Execution, Mutation, NotifyType, Outcome as Effect,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::decision::{Decision, Next, Work};
use super::ledger;
use super::report;
use super::running::{show_progress, soon};

/// A request whose pause is gone has had its effect, whoever caused it.
pub(super) fn settle_continues(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
    execution: &str,
) {
    let (reason, message) = match approve_outcome(ctx, execution) {
        Some(Ok(_)) => ("Continued", ""),
        _ => ("AlreadyEffective", "the pause has been left"),
    };
    let current = pause.map(|p| p.id.to_string());
    let kind = pause.map(|p| p.kind);
    for action in &mut status.actions {
        let open = action.verb == Verb::Continue && action.state == ActionState::Accepted;
        if !open {
            continue;
        }
        let same = action.targets.first() == current.as_ref();
        if same && kind == Some(PauseKind::Failure) {
            ledger::settle(
                ctx,
                action,
                ActionState::Rejected,
                "FailurePause",
                "OOS refused to go on: the update waits because instances failed",
            );
        } else if !same || kind != Some(PauseKind::Batch) {
            ledger::settle(ctx, action, ActionState::Applied, reason, message);
        }
    }
}

/// Who lets the update leave this pause: a request, or the level in the spec.
pub(super) fn approved_by(status: &RollingUpdateTaskStatus, pause: &Pause) -> Option<String> {
    if let Some(action) = ledger::open(status, Verb::Continue) {
        return Some(action.id.clone());
    }
    let level = status
        .latched
        .as_ref()
        .map_or(0, |latched| latched.approved_batches);
    if level > pause.id {
        return Some("spec.approvedBatches".to_owned());
    }
    // What is on record stays wanted until the pause is left.
    pause.approval.as_ref().map(|approval| approval.by.clone())
}

/// What became of an Approve that was sent just before.
fn approve_outcome<'a>(ctx: &Context<'a>, execution: &str) -> Option<&'a Result<Done, CloudError>> {
    let outcome = ctx.input.outcome?;
    let Mutation::NotifyExecution {
        execution: id,
        notify: NotifyType::Approve,
        ..
    } = &outcome.mutation
    else {
        return None;
    };
    (id == execution).then_some(&outcome.result)
}

/// Leaves a batch pause: one Approve for each pause, and another only when the first can no longer
/// take effect and the pause is still the same one.
pub(super) fn approve(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    root: &Execution,
    pause: Pause,
    by: &str,
) -> Decision {
    match (&pause.approval, approve_outcome(ctx, &root.id)) {
        (Some(_), Some(Ok(_))) => {
            ledger::settle_all(
                ctx,
                &mut status,
                Verb::Continue,
                ActionState::Applied,
                "Continued",
                "",
            );
            show_progress(ctx, &mut status);
            ctx.decide(status, soon(ctx))
        }
        (Some(_), Some(Err(error))) if error.outcome == Effect::NoEffect => {
            report::trouble(ctx, &mut status, error);
            let wait = ctx.wait_after(error);
            if error.needs_person() {
                // Stays on record, so that it is tried again no sooner than a lost one.
                return ctx.decide(status, wait);
            }
            // Certain to have done nothing: the pause is open again for the next try.
            if let Some(pause) = &mut status.pause {
                pause.approval = None;
                // Two pauses look alike where a failure is tolerated: this is not the one that an
                // Approve ends, unless it has been left by now.
                pause.approval_refused = error.class == ErrorClass::Conflict;
            }
            if let Some(latched) = &mut status.latched {
                latched.approved_pause = latched.approved_pause.min(pause.id - 1);
            }
            ctx.decide(status, wait)
        }
        (Some(approval), _) if !ctx.settled_since(&approval.time) => {
            show_progress(ctx, &mut status);
            ctx.decide(status, soon(ctx))
        }
        // An Approve has no address: a second one that met the next pause would let a batch run
        // that nobody approved. So the execution must not have changed while it was waited for.
        (Some(_), _) if root.updated.map(Time) != pause.execution_update_time => {
            if let Some(pause) = &mut status.pause {
                pause.execution_update_time = root.updated.map(Time);
                if let Some(approval) = &mut pause.approval {
                    approval.time = Time(ctx.now());
                }
            }
            show_progress(ctx, &mut status);
            ctx.decide(status, soon(ctx))
        }
        (approval, _) => {
            let attempt = approval.as_ref().map_or(0, |a| a.attempt) + 1;
            if let Some(pause) = &mut status.pause {
                pause.approval = Some(Approval {
                    time: Time(ctx.now()),
                    attempt,
                    by: by.to_owned(),
                });
                // The pause is judged the same from here on by what the root says now.
                pause.execution_update_time = root.updated.map(Time);
            }
            let latched = status.latched.get_or_insert_default();
            latched.approved_pause = latched.approved_pause.max(pause.id);
            latched.approved_pause_time = Some(Time(ctx.now()));
            show_progress(ctx, &mut status);
            let mut decision = ctx.decide(status, Next::Now);
            decision.work = Some(Work {
                mutation: Mutation::NotifyExecution {
                    execution: root.id.clone(),
                    notify: NotifyType::Approve,
                    task_execution: None,
                    loop_item: None,
                    note: format!("{} ({by})", ctx.path()),
                },
            });
            decision
        }
    }
}
