//! Which instances a rollback reaches, and by which call: the public template's rollback takes exactly
//! those that the source touched; a fresh update takes all that are in service.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{RollbackMethod, RollbackScope, RollbackSpec, Source};
use ess_rollout_cloud::{ExecutionFilter, ScalingInstance};

use super::checks;
use crate::rollout::context::Context;
use crate::rollout::progress::attempts;
use crate::task::observation::Known;
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// How a rollback starts, and on whom.
pub(in crate::rollout) struct Reach<'a> {
    pub(in crate::rollout) method: RollbackMethod,
    pub(in crate::rollout) instances: Vec<&'a ScalingInstance>,
}

/// `in_service` are those that a fresh update would take; `suspended` the processes that stay suspended
/// afterwards.
pub(in crate::rollout) fn reach<'a>(
    ctx: &Context<'_>,
    spec: &RollbackSpec,
    source: &Source,
    all: &'a [ScalingInstance],
    in_service: Vec<&'a ScalingInstance>,
    suspended: &[String],
) -> Known<Result<Reach<'a>, Problem>> {
    let children = ExecutionFilter::ChildrenOf(source.execution_id.clone());
    let children = ctx.input.observation.executions(&children)?;
    let touched: BTreeSet<String> = attempts::instances_of(children).into_iter().collect();
    if let Some(problem) = not_listed(ctx, source, &touched)? {
        return Ok(Err(problem));
    }
    let untouched = in_service.iter().find(|i| !touched.contains(&i.id));
    // The template resumes what the source resumes, whoever has suspended it since.
    let resumed = source.exit_processes.iter().find(|p| suspended.contains(p));
    let why = if source.method == RollbackMethod::Invoke {
        Some("the public template cannot roll this update back".to_owned())
    } else if let Some(process) = resumed {
        Some(format!(
            "{process} was suspended after the update, and the public template's rollback would resume it"
        ))
    } else {
        let each: Vec<&str> = children
            .iter()
            .filter_map(|child| attempts::instance_of(&child.parameters))
            .collect();
        ctx.update
            .template_cannot_undo(ctx.input.observation, &each, all)?
    };
    let widest = spec.scope == RollbackScope::AllInService;
    Ok(match (why, untouched) {
        (Some(why), Some(other)) if spec.scope == RollbackScope::Updated => Err(Problem::refused(
            Reason::ScopeTooNarrow,
            format!(
                "{why}, and a fresh update would reach {} as well, which the update did not touch: set spec.scope to AllInService in a new rollback",
                other.id
            ),
        )),
        (why, other) if why.is_some() || (widest && other.is_some()) => Ok(Reach {
            method: RollbackMethod::Invoke,
            instances: in_service,
        }),
        _ => Ok(Reach {
            method: RollbackMethod::Template,
            instances: all.iter().filter(|i| touched.contains(&i.id)).collect(),
        }),
    })
}

/// The update has touched somebody whom the list of its nested executions leaves out. A rollback without them would count as
/// one that has undone it all.
fn not_listed(
    ctx: &Context<'_>,
    source: &Source,
    touched: &BTreeSet<String>,
) -> Known<Option<Problem>> {
    let known = checks::task(ctx, source).and_then(|task| task.status.as_ref());
    let mut known = known.into_iter().flat_map(|known| &known.instances);
    let missing = known.find(|i| i.execution_id.is_some() && !touched.contains(&i.id));
    let mut missing = missing.map(|instance| instance.id.clone());
    if missing.is_none() && touched.is_empty() {
        // Its own tasks are another list.
        let id = &source.execution_id;
        let tasks = ctx.input.observation.task_executions(id)?;
        let began = tasks.iter().any(|task| task.child_execution.is_some());
        missing = began.then(|| "the instances".to_owned());
    }
    Ok(missing.map(|missing| {
        let message = format!(
            "OOS does not list (yet) what execution {} did to {missing}, which it has touched: this rollback starts when it does",
            source.execution_id
        );
        Problem::wait(Reason::SourceExecutionNotListed, message).counted()
    }))
}
