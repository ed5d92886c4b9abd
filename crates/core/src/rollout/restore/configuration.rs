//! What the scaling configuration that a run has changed is to carry afterwards.

use ess_rollout_api::v1alpha1::{
    Member, Plan, RestoreItem, RestoreKind, RestoreState, RollingUpdateTaskStatus, Source,
};

use super::need::{Need, missing, need};
use crate::rollout::compute;
use crate::rollout::context::Context;
use crate::rollout::result::went_well;
use crate::task::observation::Known;

/// The scaling configuration that the run has changed: the one that was active, or the one that the
/// update changed that is undone, whichever is active by now.
pub(in crate::rollout) fn changed_configuration<'a>(
    status: &'a RollingUpdateTaskStatus,
    plan: &'a Plan,
) -> Option<&'a str> {
    let source = status.source.as_ref();
    source
        .and_then(|source| source.scaling_configuration_id.as_deref())
        .or(plan.scaling_configuration_id.as_deref())
}

/// What that scaling configuration is to carry, and what the run may have put there.
pub(in crate::rollout) struct ConfigurationGoal {
    pub(in crate::rollout) wanted: String,
    /// Whether that was read before the run, and is not what an update makes of it.
    pub(in crate::rollout) exactly: bool,
    /// `None`: it is put right whatever it carries.
    pub(in crate::rollout) from: Option<String>,
}

/// After an update that succeeded the configuration carries what it brought; after one that did not,
/// what it did before, unless all instances were found to run the new all the same. After a rollback that succeeded it carries what it did before the update; one
/// that did not succeed leaves it alone, unless it took the group over from a suspended update,
/// whose end it then is.
pub(in crate::rollout) fn configuration_goal(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
) -> Option<ConfigurationGoal> {
    let brought = ctx.update.brings()?;
    let carries = ctx.update.carries();
    let id = changed_configuration(status, plan);
    let before = match &status.source {
        Some(source) if plan.scaling_configuration_id.as_deref() != id => carries.in_source(source),
        _ => carries.in_plan(plan),
    };
    let goal = |wanted: Option<&str>, from| {
        Some(ConfigurationGoal {
            wanted: wanted?.to_owned(),
            exactly: true,
            from,
        })
    };
    let new = || {
        let wanted = ctx.update.configured(before)?;
        Some(ConfigurationGoal {
            wanted,
            exactly: false,
            from: None,
        })
    };
    // What the update that is undone had put there.
    let undone = |source: &Source| {
        let brought = source.updated_image_id.clone();
        brought.or_else(|| ctx.update.undoes())
    };
    let everywhere = went_well(status) || all_updated(status);
    match &status.source {
        // What somebody else has put there since is theirs.
        None if went_well(status) => new().map(|goal| ConfigurationGoal {
            from: before.map(str::to_owned),
            ..goal
        }),
        // It keeps what the update put there; what somebody else has put there since is theirs.
        None if everywhere => new().map(|goal| ConfigurationGoal {
            from: Some(before.map_or(brought, str::to_owned)),
            ..goal
        }),
        None => goal(before, Some(brought)),
        Some(source) if everywhere => match carries.in_source(source) {
            Some(wanted) => goal(Some(wanted), undone(source)),
            None => carries.without_record(brought).and_then(|_| new()),
        },
        Some(source) if source.suspended => goal(before, undone(source)),
        Some(_) => None,
    }
}

/// Whether all who took part were found to run what the update brings, although it did not succeed. What
/// new instances get then follows what the others run.
pub(in crate::rollout) fn all_updated(status: &RollingUpdateTaskStatus) -> bool {
    let restore = status.restore.as_ref();
    restore.is_some_and(|restore| restore.all_updated)
}

/// Puts on record whether all who took part run what the update brings, although it did not succeed: what
/// the scaling configuration goes back to follows that. `ids` are those whose compute is read.
pub(in crate::rollout) fn judge_instances(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    ids: &[String],
) -> Known<()> {
    let Some(plan) = status.plan.as_ref().filter(|_| !went_well(status)) else {
        return Ok(());
    };
    if ctx.update.brings().is_none() || plan.members.is_empty() || status.execution.is_none() {
        return Ok(());
    }
    let computes = ctx.update.compute(ctx.input.observation, ids)?;
    // Whom no answer shows has left, or is shown by the next one: nothing is written on the strength of that.
    let is_updated = |member: &Member| {
        let compute = compute::of(&computes, &member.id)?;
        Some(ctx.update.difference(compute).is_none())
    };
    let mut judged = plan.members.iter().filter_map(is_updated).peekable();
    let all = judged.peek().is_some() && judged.all(|updated| updated);
    status.restore.get_or_insert_default().all_updated = all;
    Ok(())
}

/// What the update brings to a configuration of which it is not on record what it carried before, and
/// the configuration.
pub(in crate::rollout) fn content_without_record<'a>(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &'a Plan,
) -> Option<(String, &'a str)> {
    let new = ctx.update.brings()?;
    let configuration = plan.scaling_configuration_id.as_deref()?;
    let goal = configuration_goal(ctx, status, plan);
    let unknown = goal.is_none() && status.source.is_none() && !went_well(status);
    unknown.then_some((new, configuration))
}

/// Of an item that this run leaves: the containers to put back, for which the item has no room.
pub(in crate::rollout) fn containers_of(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    item: &RestoreItem,
) -> Option<String> {
    let goal = configuration_goal(ctx, status, status.plan.as_ref()?)?;
    (item.kind == RestoreKind::ScalingConfigurationContainers).then_some(goal.wanted)
}

/// What the active scaling configuration carries. The template for images changes it before it
/// touches an instance, that for containers after the last one, so after a run that did not succeed
/// it may be the new content, and goes back; after one that succeeded it is the new one and stays,
/// an empty group included.
pub(in crate::rollout) fn configuration_content(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    id: &str,
) -> Known<Option<Need>> {
    let Some(goal) = configuration_goal(ctx, status, plan) else {
        return Ok(None);
    };
    let carries = ctx.update.carries();
    let wanted = carries.short(&goal.wanted);
    let new = |state, message: &str| need(carries.kind(), id, &wanted, state, message);
    let Some(found) = carries.found(ctx.input.observation, &ctx.group, id)? else {
        let state = match plan.scaling_configuration_id.as_deref() == Some(id) {
            true => RestoreState::Left,
            false => RestoreState::Restored,
        };
        let message = "the scaling configuration is gone";
        let item = new(RestoreState::Pending, "").item;
        return Ok(Some(missing(item, state, message)));
    };
    let ours = |from: &String| carries.comes_from(&found, from);
    Ok(Some(if carries.is(&found, &goal.wanted, goal.exactly) {
        new(RestoreState::Restored, "")
    } else if goal.from.as_ref().is_none_or(ours) {
        let mut pending = new(RestoreState::Pending, "");
        pending.item.found = Some(carries.short(&found));
        pending.call = Some(carries.put(id, &found, &goal.wanted, goal.exactly));
        pending
    } else {
        let message = format!(
            "the configuration carries {}, which neither this update nor the group before it did: somebody changed it",
            carries.short(&found)
        );
        new(RestoreState::Left, &message)
    }))
}
