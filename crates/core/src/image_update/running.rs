//! The execution of a run is known and has not ended: the image that it builds, and cancellation.

use ess_rollout_api::v1alpha1::{ExecutionRef, ImageUpdateTaskStatus, RunCancellation, RunOutcome};
use ess_rollout_cloud::{
    Execution, ExecutionFilter, ExecutionStatus, ImageStatus, Mutation, Query, TaskExecution,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::report::{self, Phase};
use super::{Draft, Drafted, cancel, due, ending};
use crate::task::absence::{self, IMAGE_UPDATE_TEMPLATE};
use crate::task::conditions::shorten;
use crate::task::observation::{Known, Missing};
use crate::task::quiet::has_ended;
use crate::task::reason::Reason;

/// The nested action that builds the image: the template name of its execution.
const CREATE_IMAGE: &str = "ACS::ECS::CreateImage";
/// The output that names the image, of that action and of its tasks.
const IMAGE_ID: &str = "imageId";

/// What is seen of an execution.
struct Seen<'a> {
    root: &'a Execution,
    tasks: &'a [TaskExecution],
    children: &'a [Execution],
    /// Of the nested execution that builds the image, once there is one.
    building: Option<(&'a Execution, &'a [TaskExecution])>,
}

pub(super) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    execution: &ExecutionRef,
) -> Known<Drafted> {
    if ctx.deletion_overdue() {
        return Ok(abandon(ctx, status));
    }
    let cancellation = cancel::wanted(ctx, &status);
    let seen = match look(ctx, &execution.id) {
        Err(Missing::Failed(error)) => {
            // What cannot be read does not keep an execution from being ended.
            let Some(cancellation) = cancellation else {
                return Err(Missing::Failed(error));
            };
            let mut decision = cancel::cancel(ctx, status, cancellation, true);
            if decision.work.is_none() {
                report::failed(&mut decision.status, &error);
                decision.next = ctx.waits().after(&error);
            }
            return Ok(decision);
        }
        seen => seen?,
    };
    let Some(seen) = seen else {
        return Ok(not_listed(ctx, status, &execution.id, cancellation));
    };
    if let Some(run) = &mut status.active {
        if let Some(cancellation) = &mut run.cancellation {
            cancellation.missing_since = None;
        }
        if let Some(known) = &mut run.execution {
            known.status = shorten(seen.root.status.as_str(), 64);
            known.end_time = seen.root.end.map(Time);
            if !seen.root.template_version.is_empty() {
                known.template_version = shorten(&seen.root.template_version, 64);
            }
        }
        if run.image_id.is_none() {
            run.image_id = seen.image();
        }
    }
    if seen.root.status.is_final() {
        if seen.children.iter().all(has_ended) {
            return Ok(conclude(ctx, status, &seen));
        }
        let message = "the execution has ended and waits for its nested executions";
        status.show(Phase::Running, Reason::Ending, message);
        return Ok(ctx.decide(status, ctx.waits().soon()));
    }
    due::leave_out(ctx, &mut status);
    let cancellation = match cancellation {
        None => failed_image(ctx, &mut status, &seen)?,
        wanted => wanted,
    };
    if let Some(cancellation) = cancellation {
        return Ok(cancel::cancel(ctx, status, cancellation, true));
    }
    let message = match status.active.as_ref().and_then(|run| run.image_id.as_ref()) {
        Some(image) => format!("execution {} builds image {image}", execution.id),
        None => format!("execution {} is in progress", execution.id),
    };
    status.show(Phase::Running, Reason::Running, &message);
    let run = status.active.as_ref();
    let missing = run.is_some_and(|run| run.image_missing_since.is_some());
    // Two answers far apart that leave it out are not taken for its deletion.
    let next = match missing {
        true => ctx.waits().recheck(),
        false => ctx.waits().poll(),
    };
    Ok(ctx.decide(status, next))
}

/// The execution, if it is listed, its tasks, its children, and the tasks of the one that builds the
/// image.
fn look<'a>(ctx: &Context<'a>, id: &str) -> Known<Option<Seen<'a>>> {
    let observation = ctx.input.observation;
    let (execution, children) = (id.to_owned(), ExecutionFilter::ChildrenOf(id.to_owned()));
    observation.require([
        Query::Executions(ExecutionFilter::Id(id.to_owned())),
        Query::Executions(children.clone()),
        Query::TaskExecutions { execution },
    ])?;
    let Some(root) = absence::execution(observation, id, IMAGE_UPDATE_TEMPLATE)? else {
        return Ok(None);
    };
    let children = observation.executions(&children)?.as_slice();
    let building = children
        .iter()
        .filter(|child| child.template_name == CREATE_IMAGE)
        .max_by_key(|child| (child.start, &child.id));
    let building = match building {
        Some(child) => Some((child, observation.task_executions(&child.id)?.as_slice())),
        None => None,
    };
    Ok(Some(Seen {
        root,
        tasks: observation.task_executions(id)?,
        children,
        building,
    }))
}

impl Seen<'_> {
    /// The tasks, those of the nested execution first.
    fn tasks(&self) -> impl Iterator<Item = &TaskExecution> {
        let nested = self.building.iter().flat_map(|(_, tasks)| tasks.iter());
        nested.chain(self.tasks)
    }

    /// The image, as soon as any task has it among its outputs.
    fn image(&self) -> Option<String> {
        self.tasks()
            .filter_map(|task| task.outputs.get(IMAGE_ID)?.as_str())
            .find(|id| !id.trim().is_empty())
            .map(|id| shorten(id, 256))
    }

    /// Whether the source instance was gone when it was to be imaged: the nested action passes over
    /// that and ends well, without an image.
    fn source_was_gone(&self) -> bool {
        let child = self.building.map(|(child, _)| &child.status);
        child == Some(&ExecutionStatus::Success) && self.image().is_none()
    }

    /// What failed, by the task that says so.
    fn failure(&self) -> String {
        let (id, failed) = (&self.root.id, ExecutionStatus::Failed);
        match self.tasks().find(|task| task.status == failed) {
            Some(task) => format!(
                "task {} of execution {id} failed: {}",
                task.name, task.status_message
            ),
            None => format!("execution {id} failed: {}", self.root.status_message),
        }
    }
}

/// The template waits for an image that failed, or was deleted, until its tries run out, after about
/// a day: ECS says at once that it has failed.
fn failed_image(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    seen: &Seen<'_>,
) -> Known<Option<RunCancellation>> {
    let building = seen.building.filter(|(child, _)| !child.status.is_final());
    let Some(run) = status.active.as_mut().filter(|_| building.is_some()) else {
        return Ok(None);
    };
    let Some(id) = &run.image_id else {
        return Ok(None);
    };
    let image = match ctx.input.observation.image(id) {
        // It ends by itself all the same.
        Err(Missing::Failed(_)) => return Ok(None),
        image => image?,
    };
    let message = if let Some(image) = image {
        run.image_missing_since = None;
        match &image.status {
            bad @ (ImageStatus::CreateFailed | ImageStatus::UnAvailable) => format!(
                "image {id} is {bad}: ECS could not build it; look at it and its snapshots in the ECS console"
            ),
            _ => return Ok(None),
        }
    } else {
        // A list may lag behind the image's creation, by no more than the bound on lateness.
        let since = run.image_missing_since.get_or_insert(Time(ctx.now()));
        if !ctx.waits().settled_since(since) {
            return Ok(None);
        }
        format!("ECS does not know image {id} any more: it was deleted while it was being made")
    };
    Ok(Some(cancel::new(
        ctx,
        Reason::ImageCreationFailed,
        &message,
    )))
}

/// The time of the deletion is up. Its cancellation is asked for once, whatever comes of it.
fn abandon(ctx: &Context<'_>, status: Draft) -> Drafted {
    let run = status.active.as_ref();
    let cancellation = run.and_then(|run| run.cancellation.as_ref());
    let asked = cancellation.is_some_and(|c| c.last_call_time.is_some());
    // A call that was refused is as good as one without an answer here.
    let sent = ctx.input.outcome.map(|outcome| &outcome.mutation);
    if !asked && !matches!(sent, Some(Mutation::CancelExecution { .. })) {
        let cancellation = cancel::new(ctx, Reason::Deletion, "the task was deleted");
        return cancel::cancel(ctx, status, cancellation, true);
    }
    let message =
        "the task was deleted and its execution could not be ended in time: it goes on by itself";
    ending::abandon(ctx, status, message)
}

/// Lists lag behind the start; and history does not last for ever. Which of the two it is, only a
/// person can say, by cancelling.
fn not_listed(
    ctx: &Context<'_>,
    mut status: Draft,
    id: &str,
    cancellation: Option<RunCancellation>,
) -> Drafted {
    if let Some(cancellation) = cancellation {
        return cancel::cancel(ctx, status, cancellation, false);
    }
    let message = format!(
        "OOS does not list execution {id} (yet, or any more); if it is gone for good, end the run with the annotation ess-rollout.io/cancel"
    );
    status.show(Phase::Running, Reason::ExecutionNotListed, &message);
    ctx.decide(status, ctx.waits().poll())
}

/// The execution has ended.
fn conclude(ctx: &Context<'_>, status: Draft, seen: &Seen<'_>) -> Drafted {
    let run = status.active.as_ref();
    let cancellation = run.and_then(|run| run.cancellation.as_ref());
    let failed_image = cancellation.filter(|c| c.reason == Reason::ImageCreationFailed);
    let id = &seen.root.id;
    let (outcome, reason, message) = match (&seen.root.status, cancellation) {
        (ExecutionStatus::Success, _) => {
            let image = run.and_then(|run| run.image_id.as_deref());
            let message = format!("image {} was built", image.unwrap_or("(unknown)"));
            (RunOutcome::Succeeded, Reason::ImageUpdated, message)
        }
        (ExecutionStatus::Cancelled, None) => (
            RunOutcome::Cancelled,
            Reason::CancelledElsewhere,
            format!("execution {id} was cancelled by somebody else"),
        ),
        (ExecutionStatus::Cancelled, Some(cancellation)) if failed_image.is_none() => (
            RunOutcome::Cancelled,
            Reason::recorded(&cancellation.reason),
            format!("execution {id} was cancelled: {}", cancellation.message),
        ),
        _ => match failed_image {
            Some(cancellation) => (
                RunOutcome::Failed,
                Reason::ImageCreationFailed,
                cancellation.message.clone(),
            ),
            None if seen.source_was_gone() => (
                RunOutcome::Failed,
                Reason::SourceInstanceNotFound,
                format!(
                    "the source instance was gone when execution {id} was to build an image from it; name another in spec.source.instanceId"
                ),
            ),
            None => (RunOutcome::Failed, Reason::ExecutionFailed, seen.failure()),
        },
    };
    ending::begin(ctx, status, (outcome, reason, &message))
}
