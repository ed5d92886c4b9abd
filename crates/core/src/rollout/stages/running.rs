//! An execution is known and has not ended: progress, pauses, requests, cancellation.

use ess_rollout_api::v1alpha1::{
    ActionState, DeletionPolicy, ExecutionRef, InstanceState, InstanceStatus, LetGo, Outcome,
    Pause, PauseKind, RollingUpdateTaskStatus, Summary, Verb,
};
use ess_rollout_cloud::{
    CloudError, Execution, ExecutionFilter, ExecutionStatus, Mutation, Query, TaskExecution,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{cancel, progressing};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::progress::attempts::Attempts;
use crate::rollout::progress::show_progress::{show_progress, until_it_stands_still};
use crate::rollout::progress::{approval, failure, freeze, holds, instances, pause};
use crate::rollout::report::{self, Phase};
use crate::rollout::requests::act::{self, Act};
use crate::rollout::requests::{approve, close, ingest, thaw};
use crate::rollout::restore::{record, runs};
use crate::rollout::result;
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::conditions;
use crate::task::observation::{Known, Missing};
use crate::task::quiet::has_ended;
use crate::task::reason::Reason;

/// A paused task is looked at so many times less often than a running one: a fleet of them waits
/// for people for hours, and each look costs three reads of the account's rate.
const WHILE_PAUSED: u32 = 3;

pub(super) fn decide(ctx: &Context<'_>, status: Draft, execution: &ExecutionRef) -> Known<Drafted> {
    if ctx.deleting.is_some() && ctx.spec.policy.deletion_policy == DeletionPolicy::Orphan {
        return orphan(ctx, status);
    }
    if ctx.deletion_overdue() {
        return Ok(abandon(ctx, status));
    }
    let mut status = status;
    if cancel::reason(ctx, &status).is_none() {
        ctx.require_tags()?;
    }
    holds::look_at_checks(ctx, &mut status)?;
    if let Some(decision) = progressing::look(ctx, &status, execution)? {
        return Ok(decision);
    }
    if let Some(decision) = with_one_read(ctx, &status, execution)? {
        return Ok(decision);
    }
    let (root, children, tasks) = match parts(ctx, &execution.id) {
        Err(Missing::Failed(error)) => return unread(ctx, status, error),
        parts => parts?,
    };
    match root {
        Some(root) => {
            note_account(ctx, &mut status)?;
            look_at(ctx, status, root, children, tasks)
        }
        None => Ok(not_listed(ctx, status)),
    }
}

/// Puts on record whose account the run is in, where that could not be told at the start: these credentials have just shown it.
fn note_account(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) -> Known<()> {
    if let Some(place) = &mut status.place
        && place.account_id.is_none()
    {
        *place = ctx.place()?;
    }
    Ok(())
}

/// Where what the poller has seen makes up for the rest of what is read: a pause that is left, and one that has come. `None`: it
/// takes all of it.
fn with_one_read(
    ctx: &Context<'_>,
    status: &Draft,
    execution: &ExecutionRef,
) -> Known<Option<Drafted>> {
    if let Some((pause, by)) = progressing::to_be_left(ctx, status) {
        let id = ExecutionFilter::Id(execution.id.clone());
        let found = tried(ctx.input.observation.executions(&id))?;
        let root = found.and_then(|found| found.iter().find(|root| root.id == execution.id));
        return Ok(root
            .filter(|root| progressing::waits_as_before(&pause, root))
            .map(|root| approve::approve(ctx, status.clone(), root, pause, &by)));
    }
    let Some((root, nested)) = progressing::waiting(ctx, status, execution)? else {
        return Ok(None);
    };
    let tasks = ctx.input.observation.task_executions(&execution.id);
    let Some(tasks) = tried(tasks)? else {
        return Ok(None);
    };
    let decision = tried(look_at(ctx, status.clone(), root, nested, tasks))?;
    Ok(decision.filter(progressing::only_shows))
}

/// What cannot be read is nothing to decide by: the look that reads all of it says why.
fn tried<T>(known: Known<T>) -> Known<Option<T>> {
    match known {
        Err(Missing::Failed(_)) => Ok(None),
        known => known.map(Some),
    }
}

/// Decides by how the execution is.
fn look_at(
    ctx: &Context<'_>,
    mut status: Draft,
    root: &Execution,
    children: &[Execution],
    tasks: &[TaskExecution],
) -> Known<Drafted> {
    if let Some(cancellation) = &mut status.cancellation {
        cancellation.missing_since = None;
    }
    let has_run = !children.is_empty() || has_begun(&status);
    if root.status == ExecutionStatus::Waiting && tasks.is_empty() && has_run {
        return Ok(tasks_left_out(ctx, status));
    }
    let before = shape(&status);
    let attempts = instances::apply(ctx, &mut status, children, tasks)?;
    let quiet = shape(&status) == before && ctx.is_quiet(&status);
    note_execution(&mut status, root);
    let lost = ctx.lost_group();
    let pause = match lost {
        false => pause::classify(ctx, &status, root, tasks, quiet),
        true => None,
    };
    if status.pause.is_some() && pause.is_none() {
        status.resumed_time = Some(Time(ctx.now()));
    }
    status.pause.clone_from(&pause);
    let accepted = ingest::ingest(ctx, &mut status, pause.as_ref());
    approve::resolve_continues(ctx, &mut status, pause.as_ref(), root.status.is_final());

    if root.status.is_final() {
        return Ok(ended(ctx, status, root, children, tasks));
    }
    if lost {
        return Ok(wait_for_rollback(ctx, status));
    }
    if let Some(reason) = cancel::reason(ctx, &status) {
        return Ok(cancel::cancel(ctx, status, &reason, true));
    }
    if accepted {
        // On record first; what is to be done about it is judged by what is read after that.
        show_progress(ctx, &mut status);
        return Ok(ctx.decide(status, Next::Now));
    }
    go_on(ctx, status, root, pause, &attempts)
}

/// What cannot be read does not keep an execution from being ended.
fn unread(ctx: &Context<'_>, mut status: Draft, error: Box<CloudError>) -> Known<Drafted> {
    ingest::ingest_cancel(ctx, &mut status);
    let Some(reason) = cancel::reason(ctx, &status) else {
        return Err(Missing::Failed(error));
    };
    let mut decision = cancel::cancel(ctx, status, &reason, true);
    if decision.work.is_none() {
        report::failed(ctx, &mut decision.status, &error);
        decision.next = ctx.waits().after(&error);
    }
    Ok(decision)
}

fn note_execution(status: &mut RollingUpdateTaskStatus, root: &Execution) {
    if let Some(execution) = &mut status.execution {
        execution.status = conditions::shorten(root.status.as_str(), 64);
        execution.end_time = root.end.map(Time);
        if !root.template_version.is_empty() {
            execution.template_version = conditions::shorten(&root.template_version, 64);
        }
    }
}

/// The execution has ended, and is done with once all that it did is shown.
fn ended(
    ctx: &Context<'_>,
    mut status: Draft,
    root: &Execution,
    children: &[Execution],
    tasks: &[TaskExecution],
) -> Drafted {
    if let Some(decision) = not_shown_yet(ctx, &mut status, root, children, tasks) {
        return decision;
    }
    act::finish(ctx, &mut status, root);
    if children.iter().all(has_ended) {
        return conclude(ctx, status, root, tasks);
    }
    let message = "the execution has ended and waits for its nested executions";
    status.show(Phase::Running, Reason::Ending, message);
    ctx.decide(status, ctx.waits().soon())
}

/// A rollback has the group by now.
fn wait_for_rollback(ctx: &Context<'_>, mut status: Draft) -> Drafted {
    let message = "a rollback took the scaling group over, and cancels the execution";
    close::reject_open(ctx, &mut status, Reason::Superseded, message);
    // Whoever took it over ends the execution; this object does if that one never will.
    let alone = ctx.record.holder.is_none() || ctx.holder_gone;
    let reason = cancel::reason(ctx, &status);
    if let Some(reason) = reason.or_else(|| alone.then(|| "RolledBack".to_owned())) {
        return cancel::cancel(ctx, status, &reason, true);
    }
    status.show(Phase::Cancelling, Reason::RolledBack, message);
    ctx.decide(status, ctx.waits().soon())
}

/// The processes of the group, requests on single instances, then the pause.
fn go_on(
    ctx: &Context<'_>,
    mut status: Draft,
    root: &Execution,
    pause: Option<Pause>,
    attempts: &Attempts<'_>,
) -> Known<Drafted> {
    if let Some(decision) = thaw::bring(ctx, &mut status)? {
        return Ok(decision);
    }
    match act::act(ctx, &mut status, root, attempts)? {
        Act::Send(work, also) => {
            show_progress(ctx, &mut status);
            let mut decision = ctx.decide(status, Next::Now);
            (decision.work, decision.also) = (Some(work), also);
            return Ok(decision);
        }
        Act::Wait { next, failed } => {
            match failed {
                Some(error) => report::failed(ctx, &mut status, error),
                None => show_progress(ctx, &mut status),
            }
            return Ok(ctx.decide(status, next));
        }
        Act::Idle => {}
    }
    if let Some(pause) = pause
        && pause.kind == PauseKind::Batch
        && let Some(by) = approve::approved_by(ctx, &status, &pause)
    {
        return Ok(approve::approve(ctx, status, root, pause, &by));
    }
    show_progress(ctx, &mut status);
    let next = match &status.pause {
        None => ctx.waits().poll(),
        // Leaving a pause shows in the execution's own row, which the poller reads.
        Some(pause) => {
            let wait = ctx.input.settings.poll_interval * WHILE_PAUSED;
            let shown = approval::left_is_shown_at(ctx, &status, pause.id);
            let shown = shown.filter(|shown| *shown > ctx.now());
            Next::After(shown.map_or(wait, |shown| wait.min(ctx.waits().left(shown))))
        }
    };
    let left = until_it_stands_still(ctx, &status);
    let held = approve::until_let_go(ctx, &status);
    let checks = holds::until_checks(ctx, &status);
    let frozen = freeze::until_too_long(ctx, &status);
    let thawed = thaw::until_due(ctx, &status);
    Ok(ctx
        .decide(status, next)
        .within(left)
        .within(held)
        .within(checks)
        .within(frozen)
        .within(thawed))
}

/// How far each instance is: what tells that something moved.
fn shape(status: &RollingUpdateTaskStatus) -> Vec<(String, InstanceState, Option<String>)> {
    let instances = status.instances.iter();
    instances
        .map(|i| (i.id.clone(), i.state, i.execution_id.clone()))
        .collect()
}

type Parts<'a> = (Option<&'a Execution>, &'a [Execution], &'a [TaskExecution]);

/// The execution, if it is listed, its children and its tasks.
fn parts<'a>(ctx: &Context<'a>, id: &str) -> Known<Parts<'a>> {
    let children = ExecutionFilter::ChildrenOf(id.to_owned());
    let observation = ctx.input.observation;
    observation.require([
        Query::Executions(ExecutionFilter::Id(id.to_owned())),
        Query::Executions(children.clone()),
        Query::TaskExecutions {
            execution: id.to_owned(),
        },
    ])?;
    Ok((
        absence::execution(observation, id, ROLLING_TEMPLATES)?,
        observation.executions(&children)?,
        observation.task_executions(id)?,
    ))
}

/// The time of the deletion is up. Its cancellation is asked for once, whatever comes of it.
fn abandon(ctx: &Context<'_>, status: Draft) -> Drafted {
    let cancellation = status.cancellation.as_ref();
    let asked = cancellation.is_some_and(|cancellation| cancellation.last_call_time.is_some());
    // A call that was refused is as good as one without an answer here.
    let outcome = ctx.input.outcome;
    let refused = outcome.is_some_and(|o| matches!(o.mutation, Mutation::CancelExecution { .. }));
    if !asked && !refused {
        return cancel::cancel(ctx, status, "Deletion", true);
    }
    let message = "the task was deleted and its execution could not be ended in time";
    result::abandon(ctx, status, message)
}

/// Whether the execution is known to have run tasks.
fn has_begun(status: &RollingUpdateTaskStatus) -> bool {
    let mut instances = status.instances.iter();
    let paused = status.pause.as_ref().map(|pause| pause.kind);
    let by_tasks = matches!(paused, Some(PauseKind::Batch | PauseKind::Failure));
    by_tasks || instances.any(|instance| instance.execution_id.is_some())
}

/// An execution that has run tasks and lists none: that says nothing of it, and nothing that a person asked for is judged by it. To be cancelled it need not be known.
fn tasks_left_out(ctx: &Context<'_>, mut status: Draft) -> Drafted {
    ingest::ingest_cancel(ctx, &mut status);
    match cancel::reason(ctx, &status) {
        Some(reason) => cancel::cancel(ctx, status, &reason, true),
        // A pause that was seen before stays what it was.
        None if status.pause.is_some() => ctx.decide(status, ctx.waits().poll()),
        None => {
            let message = "the execution waits, and OOS lists none of its tasks: what it waits for is not known, and looked for again";
            status.show(Phase::Running, Reason::TasksNotListed, message);
            ctx.decide(status, ctx.waits().poll())
        }
    }
}

/// Lists lag behind the start; and history does not last for ever. Which of the two it is, only a
/// person can say, by cancelling.
fn not_listed(ctx: &Context<'_>, mut status: Draft) -> Drafted {
    ingest::ingest_cancel(ctx, &mut status);
    if let Some(reason) = cancel::reason(ctx, &status) {
        return cancel::cancel(ctx, status, &reason, false);
    }
    let id = status.execution.as_ref().map_or("", |e| e.id.as_str());
    let message = format!(
        "OOS does not list execution {id} (yet, or any more); if it is gone for good, end the task by setting spec.desiredState to Cancelled"
    );
    status.unseen(Reason::ExecutionNotListed, &message);
    ctx.decide(status, ctx.waits().poll())
}

/// Deletion with `deletionPolicy: Orphan`: the execution goes on by itself, and the template puts
/// the processes back at its end, if it comes to that. The run stays on record until its end is seen.
fn orphan(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    // Whoever lets it go on then does not know that the group scales.
    if !ctx.deletion_overdue()
        && let Some(decision) = thaw::bring(ctx, &mut status)?
    {
        return Ok(decision);
    }
    let mut decision = ctx.decide(status, Next::Now);
    if ctx.holds() || !(runs::is_let_go(ctx) || ctx.lost_group()) {
        decision.record = Some(record::let_go(ctx, &decision.status, LetGo::Orphaned));
    } else {
        decision.finalizer = ctx.has_finalizer().then_some(false);
        decision.next = Next::OnChange;
    }
    Ok(decision)
}

/// An execution that has succeeded has been through all of its instances, and one that has ended in another way is at
/// none of them any more. Where its lists do not show that they may lag, for the bound on lateness; whom they leave out
/// then has left the group before its turn. Whether one that failed was passed over or given up, its item alone tells.
fn not_shown_yet(
    ctx: &Context<'_>,
    status: &mut Draft,
    root: &Execution,
    children: &[Execution],
    tasks: &[TaskExecution],
) -> Option<Drafted> {
    use InstanceState::{Cancelled, Failed};
    let is_listed = |id: &String| children.iter().any(|child| child.id == *id);
    let well = root.status == ExecutionStatus::Success;
    let lag = well && tasks.iter().any(|task| !task.status.is_final());
    let is_open = |i: &&InstanceStatus| match i.state {
        Failed | Cancelled => lag,
        state if state.is_final() => false,
        _ => well || i.execution_id.as_ref().is_some_and(|id| !is_listed(id)),
    };
    let open = status.instances.iter().filter(is_open).count();
    let execution = status.execution.as_mut().filter(|_| open > 0)?;
    // By this clock: the cloud's may be another.
    let seen = execution.ended_seen_time.get_or_insert(Time(ctx.now()));
    if ctx.now() >= ctx.waits().shown_at(seen.0) {
        return None;
    }
    let message = format!(
        "the execution is {}, and OOS does not list yet what it did to {open} instances",
        root.status
    );
    status.show(Phase::Running, Reason::Ending, &message);
    Some(ctx.decide(status.clone(), ctx.waits().recheck()))
}

/// The instances that were not updated, in words.
fn others(summary: &Summary) -> String {
    let all = [
        (summary.failed, "failed"),
        (summary.skipped, "skipped"),
        (summary.cancelled, "cancelled"),
        (summary.pending, "not reached"),
    ];
    let some = all.into_iter().filter(|(count, _)| *count > 0);
    let some = some.map(|(count, word)| format!("{count} {word}"));
    some.collect::<Vec<_>>().join(", ")
}

/// The execution has ended: the result, for good.
fn conclude(
    ctx: &Context<'_>,
    mut status: Draft,
    root: &Execution,
    tasks: &[TaskExecution],
) -> Drafted {
    if root.status == ExecutionStatus::Cancelled {
        result::cancelled(ctx, &mut status);
    } else {
        let (state, reason) = (ActionState::Rejected, Reason::TaskFinished);
        let message = "the execution ended before it could be cancelled";
        close::resolve_all(ctx, &mut status, Verb::Cancel, state, reason, message);
    }
    let summary = status.summary.clone().unwrap_or_default();
    let (succeeded, total, others) = (summary.succeeded, summary.total, others(&summary));
    let (outcome, reason, message) = match root.status {
        // Where nothing at all is listed of what it did, that says nothing of the instances.
        ExecutionStatus::Success if succeeded == 0 && summary.pending < total => (
            Outcome::Failed,
            Reason::NotUpdated,
            format!("OOS reports success, and none of {total} instances was updated: {others}"),
        ),
        ExecutionStatus::Success => {
            let reason = match succeeded == total {
                true => Reason::Updated,
                false => Reason::PartlyUpdated,
            };
            let mut message = format!("{succeeded} of {total} instances updated");
            if !others.is_empty() {
                message = format!("{message}, {others}");
            }
            (Outcome::Succeeded, reason, message)
        }
        ExecutionStatus::Cancelled => {
            let reason = match status.cancellation {
                _ if ctx.lost_group() => Reason::RolledBack,
                Some(_) => Reason::Cancelled,
                None => Reason::CancelledElsewhere,
            };
            let message = format!(
                "execution {} was cancelled; OOS had finished {succeeded} of {total} instances",
                root.id
            );
            (Outcome::Cancelled, reason, message)
        }
        _ => (
            Outcome::Failed,
            Reason::ExecutionFailed,
            failure::describe(ctx, &status, root, tasks),
        ),
    };
    result::begin(ctx, status, outcome, reason, &message)
}
