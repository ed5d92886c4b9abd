//! What the scaling configuration that a run has changed is to carry afterwards.

use ess_rollout_api::v1alpha1::{
    Member, Plan, RestoreItem, RestoreState, RollingUpdateTaskStatus, Source,
};

use super::need::Need;
use crate::rollout::compute;
use crate::rollout::context::Context;
use crate::rollout::kind::content::{ConfigurationContent, ContentKind};
use crate::rollout::result::went_well;
use crate::task::observation::Known;

/// The scaling configuration that the run has changed: the one that was active, or the one that the
/// update changed that is undone, whichever is active by now.
pub(in crate::rollout) fn changed_configuration<'a>(
    status: &'a RollingUpdateTaskStatus,
    plan: &'a Plan,
) -> Option<&'a str> {
    let source = status.source.as_ref();
    let of_source = source.and_then(|source| source.scaling_configuration_id.as_deref());
    of_source.or(plan.scaling_configuration_id.as_deref())
}

/// What becomes of an item about a scaling configuration that is taken for gone.
pub(super) const GONE: &str = "the scaling configuration is gone";

/// What that scaling configuration is to carry, and what the run may have put there.
pub(in crate::rollout) struct WantedConfiguration {
    pub(in crate::rollout) content: ConfigurationContent,
    /// Whether that was read before the run, and is not what an update makes of it.
    pub(in crate::rollout) exactly: bool,
    /// `None`: it is put right whatever it carries.
    pub(in crate::rollout) from: Option<ConfigurationContent>,
}

/// After an update that succeeded the configuration carries what it brought; after one that did not,
/// what it did before, unless all instances were found to run the new all the same. After a rollback
/// that succeeded it carries what it did before the update; one that did not succeed leaves it alone,
/// unless it took the group over from a suspended update, whose end it then is.
pub(in crate::rollout) fn wanted_configuration(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
) -> Option<WantedConfiguration> {
    wanted_after(ctx, status, plan, went_well(status))
}

/// The same of a run that ends, or would end, like this.
pub(super) fn wanted_after(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    well: bool,
) -> Option<WantedConfiguration> {
    let brought = ctx.update.brings()?;
    let kind = ctx.update.content_kind();
    let id = changed_configuration(status, plan);
    let before = match &status.source {
        Some(source) if plan.scaling_configuration_id.as_deref() != id => kind.recorded(source),
        _ => kind.recorded(plan),
    };
    let wanted = |content: Option<ConfigurationContent>, exactly, from| {
        Some(WantedConfiguration {
            content: content?,
            exactly,
            from,
        })
    };
    let as_before = |content, from| wanted(content, true, from);
    let new = |from| wanted(ctx.update.configured(before.as_ref()), false, from);
    // What the update that is undone had put there.
    let undone = |source: &Source| {
        let image = source.updated_image_id.clone();
        let brought = image.map(ConfigurationContent::Image);
        brought.or_else(|| ctx.update.undoes())
    };
    let everywhere = well || all_updated(status);
    match &status.source {
        // What somebody else has put there since is theirs.
        None if well => new(before.clone()),
        // It keeps what the update put there; what somebody else has put there since is theirs.
        None if everywhere => new(Some(before.clone().unwrap_or(brought))),
        None => as_before(before, Some(brought)),
        Some(source) if everywhere => match (kind.recorded(source), kind) {
            (Some(wanted), _) => as_before(Some(wanted), undone(source)),
            // An image that was never known is nobody's to set; containers go back with those of the group.
            (None, ContentKind::Image) => None,
            (None, ContentKind::Containers) => new(None),
        },
        Some(source) if source.suspended => as_before(before, undone(source)),
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
    let matters = !went_well(status) && status.execution.is_some() && ctx.update.brings().is_some();
    let plan = status.plan.as_ref().filter(|_| matters);
    let Some(plan) = plan.filter(|plan| !plan.members.is_empty()) else {
        return Ok(());
    };
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

/// Of an item that this run leaves: the containers to put back, for which the item has no room.
pub(in crate::rollout) fn containers_of(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    item: &RestoreItem,
) -> Option<String> {
    let wanted = wanted_configuration(ctx, status, status.plan.as_ref()?)?;
    let own = item.kind == ctx.update.content_kind().kind();
    own.then(|| wanted.content.beyond_wanted())?
}

/// The scaling configuration that is looked at, and what it is to carry. `None` of that: it is not on record what it carried
/// before, and it may carry what the update brings.
pub(super) fn looked_at<'a>(
    ctx: &Context<'_>,
    status: &'a RollingUpdateTaskStatus,
    plan: &'a Plan,
) -> Option<(&'a str, Option<WantedConfiguration>)> {
    ctx.update.brings()?;
    let wanted = wanted_configuration(ctx, status, plan);
    let left_alone = wanted.is_none() && (status.source.is_some() || went_well(status));
    let id = changed_configuration(status, plan).filter(|_| !left_alone)?;
    Some((id, wanted))
}

/// What of the scaling configuration is to be put back, or left. The template for images changes it before it
/// touches an instance, that for containers after the last one, so after a run that did not succeed
/// it may be the new content, and goes back; after one that succeeded it is the new one and stays,
/// an empty group included.
pub(super) fn need(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
) -> Known<Option<Need>> {
    let Some((id, wanted)) = looked_at(ctx, status, plan) else {
        return Ok(None);
    };
    let kind = ctx.update.content_kind();
    let found = kind.found(ctx.input.observation, &ctx.group, id)?;
    let Some(wanted) = wanted else {
        let new = found.zip(ctx.update.brings());
        let is_new = new.is_some_and(|(found, new)| found.comes_from(&new));
        let message = "what it carried before the run is not on record: set it";
        return Ok(is_new.then(|| Need::pending(kind.kind(), id).left(message)));
    };
    let need = Need::wanting(kind.kind(), id, &wanted.content.short());
    let Some(found) = found else {
        let state = match plan.scaling_configuration_id.as_deref() == Some(id) {
            true => RestoreState::Left,
            false => RestoreState::Restored,
        };
        return Ok(Some(need.in_no_answer(state, GONE)));
    };
    let ours = |from: &ConfigurationContent| found.comes_from(from);
    Ok(Some(if found.is(&wanted.content, wanted.exactly) {
        need.restored()
    } else if wanted.from.as_ref().is_none_or(ours) {
        let mut pending = need.by(wanted.content.put(id, &found, wanted.exactly));
        pending.item.found = Some(found.short());
        pending
    } else {
        need.left(format!(
            "the configuration carries {}, which neither this update nor the group before it did: somebody changed it",
            found.short()
        ))
    }))
}
