//! What is looked at of the execution that a rollback undoes, whoever started it.

use ess_rollout_api::v1alpha1::{RollbackMethod, RollingUpdateTask, Source, Update};
use ess_rollout_cloud::{Execution, ExecutionFilter, ExecutionStatus, Query};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::identity;
use crate::rollout::context::Context;
use crate::rollout::{kind, others};
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::problem::{Checked, Problem, Stop};
use crate::task::reason::Reason;

/// The call for the way back, as far as its kind decides.
pub(super) fn method(way_back: &Update) -> RollbackMethod {
    match kind::of_update(way_back).is_run_by_templates_rollback() {
        true => RollbackMethod::Template,
        false => RollbackMethod::Invoke,
    }
}

/// The source's root execution.
pub(super) fn root<'a>(ctx: &Context<'a>, id: &str) -> Checked<&'a Execution> {
    let observation = ctx.input.observation;
    observation.require(reads(id))?;
    let found = absence::execution(observation, id, ROLLING_TEMPLATES)?;
    Ok(found.ok_or_else(|| not_listed(ctx, id))?)
}

/// What [`root`] and [`be_latest`] read.
pub(super) fn reads(id: &str) -> [Query; 2] {
    [
        Query::Executions(ExecutionFilter::Id(id.to_owned())),
        Query::Executions(newest()),
    ]
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

fn newest() -> ExecutionFilter {
    ExecutionFilter::NewestByTemplate(ROLLING_TEMPLATES.into())
}

/// Only the last run on a group can be undone: what came after it would be undone as well. A
/// rollback of the same source that did not succeed may be tried again.
pub(super) fn be_latest(ctx: &Context<'_>, root: &Execution) -> Checked<()> {
    let listed = ctx.input.observation.executions(&newest())?;
    let undoes_it = |other: &Execution| undone_by(other) == Some(root.id.as_str());
    let later = listed.iter().find(|other| {
        let again = undoes_it(other) && other.status != ExecutionStatus::Success;
        other.id != root.id
            && other.start > root.start
            && others::updates_group(ctx, other)
            && !again
    });
    let Some(later) = later else {
        return Ok(());
    };
    Err(Stop::Problem(match undoes_it(later) {
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
pub(super) fn undone_by(execution: &Execution) -> Option<&str> {
    let tag = execution.tags.get(identity::TAG_SOURCE_EXECUTION);
    let parameter = || execution.parameters.get("sourceExecutionId")?.as_str();
    let id = tag.map(String::as_str).or_else(parameter);
    id.filter(|id| !id.is_empty())
}

/// What is known of a source, whoever started it; the rest as of one that has left nothing.
pub(super) fn source(
    ctx: &Context<'_>,
    execution_id: String,
    update: Update,
    suspended: bool,
) -> Source {
    Source {
        time: Time(ctx.now()),
        name: String::new(),
        uid: String::new(),
        execution_id,
        scaling_group_id: ctx.group.clone(),
        region_id: None,
        method: method(&update),
        updated_image_id: None,
        scaling_configuration_image_id: None,
        scaling_configuration_containers: None,
        scaling_configuration_id: None,
        lifecycle_states: Vec::new(),
        exit_processes: Vec::new(),
        ram_role: None,
        credentials_ref: None,
        suspended,
        update,
        kept_update: None,
        cancel_time: None,
        cancel_retry_time: None,
        cancel_failures: 0,
        quiet_since: None,
        fingerprint: String::new(),
        taken_over_time: None,
        members: Vec::new(),
    }
}

/// The task that a source is, while it is there.
pub(super) fn task<'a>(ctx: &Context<'a>, source: &Source) -> Option<&'a RollingUpdateTask> {
    let task = ctx.undo.and_then(|undo| undo.source);
    task.filter(|task| task.metadata.uid.as_ref() == Some(&source.uid))
}
