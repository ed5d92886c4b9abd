//! Rolling updates of others on the group: of the console, the command line, another cluster.

use ess_rollout_cloud::{Execution, ExecutionFilter};

use super::context::Context;
use crate::identity;
use crate::task::absence::ROLLING_TEMPLATES;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// Why a start waits while others update the group.
pub(super) const OTHERS_RUN: Reason = Reason::RollingUpdateInProgress;

/// Those that have not ended.
pub(super) fn foreign_runs<'a>(ctx: &Context<'a>) -> Known<Vec<&'a Execution>> {
    let filter = ExecutionFilter::ActiveByTemplate(ROLLING_TEMPLATES.into());
    let listed = ctx.input.observation.executions(&filter)?;
    Ok(of_others(ctx, listed))
}

/// Those of the listed executions that update this group, have not ended and are not of this task.
pub(super) fn of_others<'a>(ctx: &Context<'_>, listed: &'a [Execution]) -> Vec<&'a Execution> {
    let source = ctx.input.subject.status.and_then(|s| s.source.as_ref());
    listed
        .iter()
        .filter(|execution| updates_group(ctx, execution) && !execution.status.is_final())
        .filter(|execution| execution.tags.get(identity::TAG_UID) != Some(&ctx.uid))
        // A suspended source is cancelled before anything else.
        .filter(|execution| source.is_none_or(|source| source.execution_id != execution.id))
        .collect()
}

/// Whether this is a rolling update of the group, by whomever.
pub(super) fn updates_group(ctx: &Context<'_>, execution: &Execution) -> bool {
    let parameter = execution.parameters.get("scalingGroupId");
    let tag = execution.tags.get(identity::TAG_SCALING_GROUP);
    let group = parameter.and_then(|group| group.as_str());
    group.or(tag.map(String::as_str)) == Some(&ctx.group)
        && execution.parent.is_none()
        // A schedule waits by nature and updates nothing while it does.
        && execution.category != "TimerTrigger"
}

pub(super) fn by(execution: &Execution) -> &str {
    match execution.executed_by.as_str() {
        "" => "somebody else",
        by => by,
    }
}
