//! An execution is known and has not ended: progress, pauses, requests, cancellation.

use ess_rollout_api::v1alpha1::{
    ActionState, Approval, Cancellation, DeletionPolicy, InstanceState, Outcome, Pause, PauseKind,
    RollingUpdateTaskStatus, Verb, condition,
};
use ess_rollout_cloud::{
    CloudError, Done, ErrorClass, Execution, ExecutionFilter, ExecutionStatus, Mutation,
    NotifyType, Outcome as Effect, Query, TaskExecution,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decision::{Decision, Next, Work};
use super::observation::{Interrupt, Known};
use super::report::{self, Phase};
use super::step::Context;
use super::{ending, ledger, pause, pending, progress};
use crate::conditions;

/// How soon to look again while something is about to move.
const SOON: SignedDuration = SignedDuration::from_secs(1);
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
        return Ok(abandon(ctx, status));
    }
    let (root, children, tasks) = match parts(ctx, &execution.id) {
        Err(Interrupt::Failed(error)) => {
            // What cannot be read does not keep an execution from being ended.
            ledger::ingest_cancel(ctx, &mut status);
            let Some(reason) = cancel_reason(ctx, &status) else {
                return Err(Interrupt::Failed(error));
            };
            let mut decision = cancel(ctx, status, reason, true);
            if decision.work.is_none() {
                report::trouble(ctx, &mut decision.status, &error);
                let wait = error.retry_after.unwrap_or(RETRY.unsigned_abs());
                decision.next = Next::After(wait);
            }
            return Ok(decision);
        }
        parts => parts?,
    };
    let Some(root) = root else {
        return Ok(not_listed(ctx, status));
    };
    progress::apply(ctx, &mut status, children, tasks)?;
    if let Some(execution) = &mut status.execution {
        execution.status = conditions::shorten(root.status.as_str(), 64);
        execution.end_time = root.end.map(Time);
        if !root.template_version.is_empty() {
            execution.template_version = conditions::shorten(&root.template_version, 64);
        }
    }
    status.pause = pause::classify(ctx, &status, root);
    let pause = status.pause.clone();
    ledger::ingest(ctx, &mut status, pause.as_ref());
    settle_continues(ctx, &mut status, pause.as_ref(), &execution.id);

    if root.status.is_final() {
        if children.iter().all(ending::has_ended) {
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
        return Ok(cancel(ctx, status, reason, true));
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

type Parts<'a> = (Option<&'a Execution>, &'a [Execution], &'a [TaskExecution]);

/// The execution, if it is listed, its children and its tasks.
fn parts<'a>(ctx: &Context<'a>, id: &str) -> Known<Parts<'a>> {
    let root = ExecutionFilter::Id(id.to_owned());
    let children = ExecutionFilter::ChildrenOf(id.to_owned());
    let observation = ctx.input.observation;
    observation.require([
        Query::Executions(root.clone()),
        Query::Executions(children.clone()),
        Query::TaskExecutions {
            execution: id.to_owned(),
        },
    ])?;
    Ok((
        observation.executions(&root)?.iter().find(|e| e.id == id),
        observation.executions(&children)?,
        observation.task_executions(id)?,
    ))
}

/// The time of the deletion is up. Its cancellation is asked for once, whatever comes of it.
fn abandon(ctx: &Context<'_>, status: RollingUpdateTaskStatus) -> Decision {
    let asked = status
        .cancellation
        .as_ref()
        .is_some_and(|cancellation| cancellation.last_call_time.is_some());
    if !asked {
        return cancel(ctx, status, "Deletion", true);
    }
    let message = "the task was deleted and its execution could not be ended in time";
    ending::begin(ctx, status, Outcome::Cancelled, ending::ABANDONED, message)
}

/// Lists lag behind the start; and history does not last for ever. Which of the two it is, only a
/// person can say, by cancelling.
fn not_listed(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Decision {
    ledger::ingest_cancel(ctx, &mut status);
    if let Some(reason) = cancel_reason(ctx, &status) {
        return cancel(ctx, status, reason, false);
    }
    let id = status.execution.as_ref().map_or("", |e| e.id.as_str());
    let message = format!(
        "OOS does not list execution {id} (yet, or any more); if it is gone for good, end the task by setting spec.desiredState to Cancelled"
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
    ctx.decide(status, ctx.poll())
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
    if status.pause.as_ref().is_some_and(|p| p.approval.is_some()) {
        report::show_unless_refused(ctx, status, phase, reason, &message);
    } else {
        report::show(ctx, status, phase, reason, &message);
    }
}

/// Deletion with `deletionPolicy: Orphan`: the execution goes on by itself, and the template puts
/// the processes back at its end.
fn orphan(ctx: &Context<'_>, status: RollingUpdateTaskStatus) -> Decision {
    let execution = status.execution.as_ref().map(|e| e.id.clone());
    let mut decision = ctx.decide(status, Next::Now);
    if ctx.holds() {
        let mut record = pending::released(ctx);
        // Its end will not be seen; that it ran must not be forgotten.
        for key in record.run_keys.iter_mut().filter(|k| k.uid == ctx.uid) {
            key.execution_id.clone_from(&execution);
        }
        decision.record = Some(record);
    } else {
        decision.finalizer = ctx.has_finalizer().then_some(false);
        decision.next = Next::OnChange;
    }
    decision
}

/// A request whose pause is gone has had its effect, whoever caused it.
fn settle_continues(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
    execution: &str,
) {
    let (reason, message) = match approve_outcome(ctx, execution) {
        Some(Ok(_)) => ("Continued", ""),
        _ => ("AlreadyEffective", "the pause has been left"),
    };
    let current = pause
        .filter(|p| p.kind == PauseKind::Batch)
        .map(|p| p.id.to_string());
    for action in &mut status.actions {
        let open = action.verb == Verb::Continue && action.state == ActionState::Accepted;
        if open && action.targets.first() != current.as_ref() {
            ledger::settle(ctx, action, ActionState::Applied, reason, message);
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

/// What became of an Approve that was sent just before.
fn approve_outcome<'a>(ctx: &Context<'a>, execution: &str) -> Option<&'a Result<Done, CloudError>> {
    let outcome = ctx.input.outcome?;
    matches!(&outcome.mutation, Mutation::NotifyExecution { execution: id, .. } if id == execution)
        .then_some(&outcome.result)
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
            if error.needs_person() {
                // Stays on record, so that it is tried again no sooner than a lost one.
                return ctx.decide(status, Next::After(ctx.settle().unsigned_abs()));
            }
            // Certain to have done nothing: the pause is open again for the next try.
            if let Some(pause) = &mut status.pause {
                pause.approval = None;
            }
            if let Some(latched) = &mut status.latched {
                latched.approved_pause = latched.approved_pause.min(pause.id - 1);
            }
            let wait = error.retry_after.unwrap_or(RETRY.unsigned_abs());
            ctx.decide(status, Next::After(wait))
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

/// Ends the execution: on record first, then the call, again whenever the last one can no longer
/// take effect. CancelExecution is convergent. `listed`: OOS still shows the execution, or it is not
/// known whether it does.
fn cancel(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    reason: &str,
    listed: bool,
) -> Decision {
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
            report::show(ctx, &mut status, Phase::Cancelling, "Cancelling", &message);
            ledger::settle_all(
                ctx,
                &mut status,
                Verb::Cancel,
                ActionState::Applied,
                "Cancelled",
                "",
            );
        }
        Some(Err(error)) if error.class == ErrorClass::NotFound && !listed => {
            let message = format!("execution {id} is not known to OOS any more: {error}");
            return ending::begin(ctx, status, Outcome::Cancelled, "ExecutionGone", &message);
        }
        Some(Err(error)) if error.needs_person() => {
            report::trouble(ctx, &mut status, error);
            return ctx.decide(status, Next::After(ctx.settle().unsigned_abs()));
        }
        Some(Err(error)) => {
            let after = error.retry_after.unwrap_or(RETRY.unsigned_abs());
            wait = Next::After(after);
            // Certain to have done nothing: the next look tries again. (A refusal because of the
            // execution's state is no such thing: the lists will show why.)
            if error.outcome == Effect::NoEffect
                && error.class != ErrorClass::Conflict
                && let Some(cancellation) = &mut status.cancellation
            {
                cancellation.last_call_time = None;
            }
        }
        None if report::is_refused(&status) => wait = ctx.poll(),
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
    report::show_unless_refused(ctx, &mut status, Phase::Cancelling, "Cancelling", &message);
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
    let (state, reason, message) = if root.status == ExecutionStatus::Cancelled {
        (ActionState::Applied, "Cancelled", "")
    } else {
        (
            ActionState::Rejected,
            "TaskFinished",
            "the execution ended before it could be cancelled",
        )
    };
    ledger::settle_all(ctx, &mut status, Verb::Cancel, state, reason, message);
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
