//! An execution is known and has not ended: progress, pauses, requests, cancellation.

use ess_rollout_api::v1alpha1::{
    ActionState, Approval, Cancellation, DeletionPolicy, InstanceState, Outcome, Pause, PauseKind,
    RollingUpdateTaskStatus, Verb, condition,
};
use ess_rollout_cloud::{
    ErrorClass, Execution, ExecutionFilter, ExecutionStatus, Mutation, NotifyType,
    Outcome as Effect, Query, TaskExecution,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decision::{Decision, Next, Work, WorkOutcome};
use super::observation::Known;
use super::report::{self, Phase};
use super::step::Context;
use super::{ending, ledger, pause, pending, progress};
use crate::conditions;

/// How soon to look again while something is about to move.
const SOON: SignedDuration = SignedDuration::from_secs(1);
/// How soon to try again after a refusal that only a person can mend.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_secs(60);
/// How soon to try again after another refusal.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn decide(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Known<Decision> {
    let Some(execution) = status.execution.clone() else {
        return Ok(ctx.decide(status, Next::Now));
    };
    if ctx.deleting.is_some() && ctx.spec.deletion_policy == DeletionPolicy::Orphan {
        return Ok(orphan(ctx, status));
    }
    if ctx.deletion_overdue() {
        let message = "the task was deleted and its execution could not be ended in time";
        return Ok(ending::begin(
            ctx,
            status,
            Outcome::Cancelled,
            "Abandoned",
            message,
        ));
    }
    let root_filter = ExecutionFilter::Id(execution.id.clone());
    let children_filter = ExecutionFilter::ChildrenOf(execution.id.clone());
    let observation = ctx.input.observation;
    observation.require([
        Query::Executions(root_filter.clone()),
        Query::Executions(children_filter.clone()),
        Query::TaskExecutions {
            execution: execution.id.clone(),
        },
    ])?;
    let roots = observation.executions(&root_filter)?;
    let Some(root) = roots.iter().find(|root| root.id == execution.id) else {
        // Lists lag behind the start; and history does not last for ever.
        let message = format!(
            "OOS does not list execution {} (yet, or any more)",
            execution.id
        );
        report::set(
            ctx,
            &mut status,
            condition::RECONCILING,
            "True",
            "ExecutionNotListed",
            &message,
        );
        conditions::remove(&mut status.conditions, condition::STALLED);
        return Ok(ctx.decide(status, ctx.poll()));
    };
    let children = observation.executions(&children_filter)?;
    let tasks = observation.task_executions(&execution.id)?;
    progress::apply(ctx, &mut status, children, tasks)?;
    if let Some(execution) = &mut status.execution {
        execution.status = root.status.as_str().to_owned();
        execution.end_time = root.end.map(Time);
        if !root.template_version.is_empty() {
            execution
                .template_version
                .clone_from(&root.template_version);
        }
    }
    status.pause = pause::classify(ctx, &status, root);
    let pause = status.pause.clone();
    ledger::ingest(ctx, &mut status, pause.as_ref());
    settle_continues(ctx, &mut status, pause.as_ref());

    if root.status.is_final() {
        if children.iter().all(|child| child.status.is_final()) {
            return Ok(conclude(ctx, status, root, tasks));
        }
        report::show(
            ctx,
            &mut status,
            Phase::Running,
            "Ending",
            "the execution has ended and waits for its nested executions",
        );
        return Ok(ctx.decide(status, soon(ctx)));
    }
    if let Some(reason) = cancel_reason(ctx, &status) {
        return Ok(cancel(ctx, status, reason));
    }
    if let Some(pause) = pause
        && pause.kind == PauseKind::Batch
        && let Some(by) = approved_by(&status, &pause)
    {
        return Ok(approve(ctx, status, root, pause, &by));
    }
    show_progress(ctx, &mut status);
    let next = ctx.poll();
    Ok(ctx.decide(status, next))
}

/// Why the task is to end early, if it is: in one CamelCase word.
pub(super) fn cancel_reason(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<&'static str> {
    if status
        .latched
        .as_ref()
        .is_some_and(|latched| latched.cancelled)
    {
        Some("DesiredState")
    } else if ledger::open(status, Verb::Cancel).is_some() {
        Some("Request")
    } else if ctx.deleting.is_some() {
        Some("Deletion")
    } else {
        // What was once begun is brought to its end.
        status.cancellation.as_ref().map(|_| "Requested")
    }
}

fn soon(ctx: &Context<'_>) -> Next {
    Next::After(ctx.input.settings.poll_interval.min(SOON.unsigned_abs()))
}

fn show_progress(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let (phase, reason, message) = match &status.pause {
        None => (
            Phase::Running,
            "Running",
            "the execution is in progress".to_owned(),
        ),
        Some(pause) => {
            let (phase, reason) = match pause.kind {
                PauseKind::Batch => (Phase::BatchSuspended, "BatchSuspended"),
                PauseKind::Failure => (Phase::FailureSuspended, "FailurePaused"),
                PauseKind::Approval => (Phase::ApprovalSuspended, "ApprovalNeeded"),
                PauseKind::Unknown => (Phase::Suspended, "Suspended"),
            };
            (phase, reason, pause.message.clone())
        }
    };
    report::show(ctx, status, phase, reason, &message);
}

/// Deletion with `deletionPolicy: Orphan`: the execution goes on by itself, and the template puts
/// the processes back at its end.
fn orphan(ctx: &Context<'_>, status: RollingUpdateTaskStatus) -> Decision {
    let mut decision = ctx.decide(status, Next::Now);
    if ctx.holds() {
        decision.record = Some(pending::released(ctx));
    } else {
        decision.finalizer = Some(false);
        decision.next = Next::OnChange;
    }
    decision
}

/// A request whose pause is gone has had its effect, whoever caused it.
fn settle_continues(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
) {
    let current = pause
        .filter(|p| p.kind == PauseKind::Batch)
        .map(|p| p.id.to_string());
    for action in &mut status.actions {
        let open = action.verb == Verb::Continue && action.state == ActionState::Accepted;
        if open && action.targets.first() != current.as_ref() {
            ledger::settle(
                ctx,
                action,
                ActionState::Applied,
                "AlreadyEffective",
                "the pause has been left",
            );
        }
    }
}

/// Who lets the update leave this pause: a request, or the level in the spec.
fn approved_by(status: &RollingUpdateTaskStatus, pause: &Pause) -> Option<String> {
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

/// Leaves a batch pause: one Approve for each pause, and another only when the first can no longer
/// take effect and the pause is still the same one.
fn approve(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    root: &Execution,
    pause: Pause,
    by: &str,
) -> Decision {
    let ours = |outcome: &&WorkOutcome| matches!(&outcome.mutation, Mutation::NotifyExecution { execution, .. } if *execution == root.id);
    match (
        &pause.approval,
        ctx.input.outcome.filter(ours).map(|o| &o.result),
    ) {
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
            // Certain to have done nothing: the pause is open again for the next try.
            if let Some(pause) = &mut status.pause {
                pause.approval = None;
            }
            show_progress(ctx, &mut status);
            report::trouble(ctx, &mut status, error);
            let wait = match error.class {
                ErrorClass::Denied | ErrorClass::Unauthenticated | ErrorClass::Invalid => {
                    RETRY_REFUSED
                }
                _ => RETRY,
            };
            let wait = error.retry_after.unwrap_or(wait.unsigned_abs());
            let mut decision = ctx.decide(status, Next::After(wait));
            if by == "spec.approvedBatches" || error.class == ErrorClass::Conflict {
                decision.next = Next::After(RETRY.unsigned_abs());
            }
            decision
        }
        (Some(approval), _) if !may_repeat(ctx, approval, &pause, root) => {
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

/// Whether another Approve is safe: the last one can no longer take effect, and nothing about the
/// execution has changed since it was put on record. An Approve has no address, so a second one
/// that meets the next pause would let a batch run that nobody approved.
fn may_repeat(ctx: &Context<'_>, approval: &Approval, pause: &Pause, root: &Execution) -> bool {
    ctx.settled_since(&approval.time) && root.updated.map(Time) == pause.execution_update_time
}

/// Ends the execution: on record first, then the call, again whenever the last one can no longer
/// take effect. CancelExecution is convergent.
fn cancel(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus, reason: &str) -> Decision {
    let id = status
        .execution
        .as_ref()
        .map(|e| e.id.clone())
        .unwrap_or_default();
    let message = format!("execution {id} is being cancelled ({reason})");
    let ours = ctx
        .input
        .outcome
        .filter(|o| matches!(o.mutation, Mutation::CancelExecution { .. }));
    let mut wait = soon(ctx);
    match ours.map(|outcome| &outcome.result) {
        Some(Ok(_)) => {
            ledger::settle_all(
                ctx,
                &mut status,
                Verb::Cancel,
                ActionState::Applied,
                "Cancelled",
                "",
            );
        }
        Some(Err(error))
            if matches!(
                error.class,
                ErrorClass::Denied | ErrorClass::Unauthenticated
            ) =>
        {
            report::trouble(ctx, &mut status, error);
            return ctx.decide(status, Next::After(RETRY_REFUSED.unsigned_abs()));
        }
        Some(Err(error)) => {
            let after = error.retry_after.unwrap_or(RETRY.unsigned_abs());
            wait = Next::After(after);
        }
        None => {}
    }
    let last = status
        .cancellation
        .as_ref()
        .and_then(|c| c.last_call_time.clone());
    let call = ours.is_none() && last.is_none_or(|last| ctx.settled_since(&last));
    if call {
        let now = Time(ctx.now());
        let cancellation = status.cancellation.get_or_insert_with(|| Cancellation {
            time: now.clone(),
            reason: reason.to_owned(),
            last_call_time: None,
        });
        cancellation.last_call_time = Some(now);
    }
    report::show(ctx, &mut status, Phase::Cancelling, "Cancelling", &message);
    let mut decision = ctx.decide(status, wait);
    if call {
        decision.next = Next::Now;
        decision.work = Some(Work {
            mutation: Mutation::CancelExecution { execution: id },
        });
    }
    decision
}

/// The execution has ended: the result, for good.
fn conclude(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    root: &Execution,
    tasks: &[TaskExecution],
) -> Decision {
    ledger::settle_all(
        ctx,
        &mut status,
        Verb::Cancel,
        ActionState::Applied,
        "Cancelled",
        "",
    );
    let summary = status.summary.clone().unwrap_or_default();
    let (outcome, reason, message) = match root.status {
        ExecutionStatus::Success => {
            let all = summary.succeeded == summary.total;
            let reason = if all { "Updated" } else { "PartlyUpdated" };
            let mut message = format!(
                "{} of {} instances updated",
                summary.succeeded, summary.total
            );
            for (count, word) in [
                (summary.failed, "failed"),
                (summary.skipped, "skipped"),
                (summary.cancelled, "cancelled"),
                (summary.pending, "not reached"),
            ] {
                if count > 0 {
                    message.push_str(&format!(", {count} {word}"));
                }
            }
            (Outcome::Succeeded, reason, message)
        }
        ExecutionStatus::Cancelled => {
            let reason = if status.cancellation.is_some() {
                "Cancelled"
            } else {
                "CancelledElsewhere"
            };
            let message = format!(
                "execution {} was cancelled; {} of {} instances had been updated",
                root.id, summary.succeeded, summary.total
            );
            (Outcome::Cancelled, reason, message)
        }
        _ => (
            Outcome::Failed,
            "ExecutionFailed",
            failure(&status, root, tasks),
        ),
    };
    ending::begin(ctx, status, outcome, reason, &message)
}

/// What failed: the first failed instance, or the task of the root itself.
fn failure(status: &RollingUpdateTaskStatus, root: &Execution, tasks: &[TaskExecution]) -> String {
    if let Some(instance) = status
        .instances
        .iter()
        .find(|i| i.state == InstanceState::Failed)
    {
        let why = conditions::get(&instance.conditions, "Updated").map_or("", |c| &c.message);
        return format!(
            "instance {} failed in batch {}: {why}",
            instance.id, instance.batch
        );
    }
    let task = tasks
        .iter()
        .find(|task| task.status == ExecutionStatus::Failed);
    match task {
        Some(task) => format!(
            "task {} of execution {} failed: {}",
            task.name, root.id, task.status_message
        ),
        None => format!("execution {} failed: {}", root.id, root.status_message),
    }
}
