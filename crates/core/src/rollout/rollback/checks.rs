//! What is looked at of the execution that a rollback undoes, whoever started it.

use ess_rollout_api::v1alpha1::{RollbackMethod, Update};
use ess_rollout_cloud::{Execution, ExecutionFilter, ExecutionStatus, Query};

use crate::identity;
use crate::rollout::context::Context;
use crate::rollout::{kind, others};
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::observation::Known;
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// The call for the way back, as far as its kind decides.
pub(in crate::rollout) fn method(way_back: &Update) -> RollbackMethod {
    match kind::of_update(way_back).is_run_by_templates_rollback() {
        true => RollbackMethod::Template,
        false => RollbackMethod::Invoke,
    }
}

/// The source's root execution.
pub(in crate::rollout) fn root<'a>(
    ctx: &Context<'a>,
    id: &str,
) -> Known<Result<&'a Execution, Problem>> {
    let filter = ExecutionFilter::Id(id.to_owned());
    let observation = ctx.input.observation;
    observation.require([
        Query::Executions(filter.clone()),
        Query::Executions(newest()),
    ])?;
    let found = absence::execution(observation, id, ROLLING_TEMPLATES)?;
    Ok(found.ok_or_else(|| not_listed(ctx, id)))
}

/// OOS does not list what is to be undone. Lists lag: only after the bound on lateness is that its last word.
fn not_listed(ctx: &Context<'_>, id: &str) -> Problem {
    let created = ctx.metadata.creation_timestamp.as_ref();
    if created.is_some_and(|created| ctx.waits().lags(created)) {
        return Problem::wait(
            Reason::SourceExecutionNotListed,
            format!("waiting for OOS to list execution {id}"),
        );
    }
    Problem::refused(
        Reason::SourceExecutionGone,
        format!(
            "OOS does not list execution {id}, or not to these credentials, and without it cannot roll back: start a new RollingUpdateTask with what you want to go back to"
        ),
    )
}

pub(in crate::rollout) fn newest() -> ExecutionFilter {
    ExecutionFilter::NewestByTemplate(ROLLING_TEMPLATES.into())
}

/// Only the last run on a group can be undone: what came after it would be undone as well. A
/// rollback of the same source that did not succeed may be tried again.
pub(in crate::rollout) fn not_latest(
    ctx: &Context<'_>,
    root: &Execution,
) -> Known<Option<Problem>> {
    let listed = ctx.input.observation.executions(&newest())?;
    let later = listed.iter().find(|other| {
        let again =
            undone_by(other) == Some(root.id.as_str()) && other.status != ExecutionStatus::Success;
        other.id != root.id
            && other.start > root.start
            && others::updates_group(ctx, other)
            && !again
    });
    Ok(later.map(|later| match undone_by(later) == Some(root.id.as_str()) {
        true => Problem::refused(
            Reason::AlreadyRolledBack,
            format!(
                "execution {} was rolled back already, by execution {}",
                root.id, later.id
            ),
        ),
        false => Problem::refused(
            Reason::NotLatest,
            format!(
                "execution {} updated the group after {}: only the latest update can be rolled back",
                later.id, root.id
            ),
        ),
    }))
}

/// The execution that this one rolls back, if it is a rollback.
pub(in crate::rollout) fn undone_by(execution: &Execution) -> Option<&str> {
    let tag = execution.tags.get(identity::TAG_SOURCE_EXECUTION);
    let parameter = execution
        .parameters
        .get("sourceExecutionId")
        .and_then(|id| id.as_str());
    tag.map(String::as_str)
        .or(parameter)
        .filter(|id| !id.is_empty())
}
