//! Finds what a rollback undoes, and freezes it: the task may be deleted afterwards, its execution
//! pruned, its ConfigMaps changed.

use ess_rollout_api::v1alpha1::{RollbackSpec, RollingUpdateTask, Source, Update};
use ess_rollout_cloud::{ExecutionFilter, Query};

use super::{checks, foreign};
use crate::rollout::context::Context;
use crate::rollout::decision::Undo;
use crate::rollout::kind::content::{self, ConfigurationContent};
use crate::rollout::kind::{self, Author, Before};
use crate::rollout::parameters::text;
use crate::rollout::scripts::Texts;
use crate::task::observation::Known;
use crate::task::problem::{self, Checked, Problem};
use crate::task::reason::Reason;

/// What is undone, or why it cannot be.
pub(in crate::rollout) fn find(
    ctx: &Context<'_>,
    undo: Undo<'_>,
) -> Known<Result<Source, Problem>> {
    let found = match (&undo.spec.task_ref, undo.source, &undo.spec.execution_id) {
        (_, Some(task), _) => problem::verdict(of_task(ctx, undo, task))?,
        (Some(named), None, _) => Err(Problem::refused(
            Reason::SourceNotFound,
            format!(
                "spec.taskRef.name: there was no RollingUpdateTask {}/{} when this rollback was created, and one that comes later is not undone; to undo a run whose task is gone, name its execution by spec.executionId",
                ctx.namespace, named.name
            ),
        )),
        (None, None, Some(execution)) => {
            problem::verdict(foreign::find(ctx, undo.spec, execution))?
        }
        // The CRD refuses it.
        (None, None, None) => Err(Problem::refused(
            Reason::InvalidSpec,
            "neither spec.taskRef nor spec.executionId is set".into(),
        )),
    };
    Ok(found.and_then(|source| tolerable(undo.spec, source)))
}

fn tolerable(spec: &RollbackSpec, source: Source) -> Result<Source, Problem> {
    match intolerant(spec, &source.update) {
        Some(problem) => Err(problem),
        None => Ok(source),
    }
}

/// Of the public templates only that for images has a parameter `maxErrors`. `way_back` is the update that the rollback is.
pub(in crate::rollout) fn intolerant(spec: &RollbackSpec, way_back: &Update) -> Option<Problem> {
    let tolerated = spec.policy.max_errors.filter(|tolerated| *tolerated > 0)?;
    way_back.image.is_none().then(|| {
        Problem::refused(
            Reason::InvalidSpec,
            format!(
                "spec.maxErrors is {tolerated}, and only a rollback of an image update can tolerate failures: the public templates for the other kinds do not; leave it out in a new rollback"
            ),
        )
    })
}

fn of_task(ctx: &Context<'_>, undo: Undo<'_>, task: &RollingUpdateTask) -> Checked<Source> {
    be_no_later(ctx, task)?;
    let suspended = standing(ctx, task)?;
    let status = task.status.clone().unwrap_or_default();
    let execution = status.execution.map(|e| e.id).unwrap_or_default();
    let root = checks::root(ctx, &execution)?;
    let plan = status.plan.unwrap_or_default();
    let source = kind::of(&task.spec, None, Texts::new(), Author::OfTask);
    let before = Before {
        plan: &plan,
        script: text(root, "rollbackScript"),
    };
    let update = kind::way_back(source.as_ref(), &before, undo.spec.to.as_ref())?;
    checks::be_latest(ctx, root)?;
    let image = task.spec.update.image.as_ref();
    let configuration = plan
        .scaling_configuration_id
        .clone()
        .filter(|_| source.brings().is_some());
    let mut found = Source {
        name: task.metadata.name.clone().unwrap_or_default(),
        uid: task.metadata.uid.clone().unwrap_or_default(),
        scaling_group_id: task.spec.scaling_group_id.clone(),
        region_id: match &status.place {
            Some(place) => Some(place.region_id.clone()),
            None => task.spec.region_id.clone(),
        },
        updated_image_id: image.map(|image| image.image_id.clone()),
        scaling_configuration_id: configuration,
        lifecycle_states: task.spec.lifecycle_states.clone(),
        exit_processes: status.start.map(|s| s.exit_processes).unwrap_or_default(),
        ram_role: task.spec.policy.ram_role.clone(),
        credentials_ref: task.spec.policy.credentials_ref.clone(),
        ..checks::source(ctx, execution, update, suspended)
    };
    if found.scaling_configuration_id.is_some() {
        let chosen = undo.spec.to.as_ref();
        match chosen.map(|to| to.image_id.clone()) {
            None => content::copy(&plan, &mut found),
            // Where to is said by a person: that is what new instances are to get, too.
            Some(Some(image)) => ConfigurationContent::Image(image).record(&mut found),
            // Containers: it is what they make of the configuration.
            Some(None) => {}
        }
    }
    Ok(found)
}

/// A rollback is about what was there when it was created: never about a task, or the run of one, that
/// came later under the same name.
///
/// Both creation times are the apiserver's. The run is dated by its intent, the operator's clock, which comes before
/// the call: the cloud's own times may be of another clock. They have whole seconds, and in the same second nobody has
/// seen the run that is to be undone: objects that are applied together do not undo each other.
fn be_no_later(ctx: &Context<'_>, task: &RollingUpdateTask) -> Result<(), Problem> {
    let Some(created) = &ctx.metadata.creation_timestamp else {
        return Ok(());
    };
    let name = task.metadata.name.as_deref().unwrap_or_default();
    let intent = task.status.as_ref().and_then(|s| s.start.as_ref());
    let begun = intent.map(|start| &start.time);
    let (what, time) = match (&task.metadata.creation_timestamp, begun) {
        (Some(time), _) if time > created => ("was created", time),
        (_, Some(time)) if time >= created => ("began its run", time),
        _ => return Ok(()),
    };
    Err(Problem::refused(
        Reason::SourceIsNewer,
        format!(
            "RollingUpdateTask {}/{name} {what} at {}, and this rollback was created at {}: a rollback undoes what had begun when it was created; to undo this run create a new rollback",
            ctx.namespace, time.0, created.0
        ),
    ))
}

/// Whether the task is suspended rather than finished. Anything else cannot be undone, or not yet.
pub(super) fn standing(ctx: &Context<'_>, task: &RollingUpdateTask) -> Result<bool, Problem> {
    let name = task.metadata.name.as_deref().unwrap_or_default();
    let status = task.status.clone().unwrap_or_default();
    let path = format!("RollingUpdateTask {}/{name}", ctx.namespace);
    let has_begun = status.execution.is_some();
    Err(match (&status.result, &status.pause) {
        (None, _) if !has_begun && status.start.is_some() => Problem::wait(
            Reason::SourceStarting,
            format!("{path} is being started; whether it can be rolled back is seen then"),
        ),
        _ if !has_begun => Problem::refused(
            Reason::NothingToRollBack,
            format!("{path} has started nothing: there is nothing to roll back"),
        ),
        (Some(_), _) if status.restore.as_ref().is_some_and(|r| r.done) => return Ok(false),
        (Some(_), _) => Problem::wait(
            Reason::SourceRestoring,
            format!("the scaling group is still being put back after {path}"),
        ),
        _ if status.cancellation.is_some() => Problem::wait(
            Reason::SourceCancelling,
            format!("{path} is being cancelled; the rollback starts when it has ended"),
        ),
        // About to be left otherwise: the approval may be on its way.
        (None, Some(pause)) if pause.approval.is_none() => return Ok(true),
        (None, _) => Problem::blocked(
            Reason::SourceRunning,
            format!(
                "{path} is running: the rollback starts once it is suspended or finished; cancel it to roll back sooner"
            ),
        ),
    })
}

/// Whether, since it was found, others have updated the group or undone the same: a rollback may have
/// waited for long.
pub(in crate::rollout) fn overtaken(ctx: &Context<'_>, source: &Source) -> Known<Option<Problem>> {
    let latest =
        checks::root(ctx, &source.execution_id).and_then(|root| checks::be_latest(ctx, root));
    Ok(problem::verdict(latest)?.err())
}

/// What [`overtaken`] and the takeover read, to be made side by side.
pub(in crate::rollout) fn reads(source: &Source) -> impl Iterator<Item = Query> {
    let children = ExecutionFilter::ChildrenOf(source.execution_id.clone());
    let children = Query::Executions(children);
    checks::reads(&source.execution_id)
        .into_iter()
        .chain([children])
}
