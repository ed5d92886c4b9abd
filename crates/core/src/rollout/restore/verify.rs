//! The group read back against what it was before: what is still to be put back.

use ess_rollout_api::v1alpha1::{
    InstanceState, Plan, RestoreItem, RestoreKind, RestorePolicy, RestoreState,
    RollingUpdateTaskStatus,
};
use ess_rollout_cloud::ScalingInstance;

use super::need::{self, Need, Thing as _};
use super::{configuration, leftovers, processes, standby};
use crate::rollout::context::Context;
use crate::rollout::kind;
use crate::task::absence;
use crate::task::observation::Known;

/// What the run may have left changed, without having looked: for a deletion that cannot wait. A start of
/// which nothing is known has changed nothing that is known of.
pub(in crate::rollout) fn unread(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Vec<RestoreItem> {
    let unproved = status.start.is_some() && status.execution.is_none();
    if unproved && !ctx.has_taken_over(status) {
        return Vec::new();
    }
    let pending = |kind, target: &String| Need::pending(kind, target).item;
    let mut items: Vec<RestoreItem> = exit_processes(ctx, status)
        .iter()
        .map(|process| pending(RestoreKind::Process, process))
        .collect();
    let Some(plan) = &status.plan else {
        return items;
    };
    if let Some(id) = configuration::changed_configuration(status, plan)
        && let Some(wanted) = configuration::wanted_configuration(ctx, status, plan)
    {
        let kind = ctx.update.content_kind().kind();
        items.push(RestoreItem {
            found: wanted.from.map(|from| from.short()),
            ..Need::wanting(kind, id, &wanted.content.short()).item
        });
    }
    let members = standby::members(status, plan);
    let touched = members.iter().filter(|m| standby::is_in_motion(m));
    items.extend(touched.map(|m| pending(RestoreKind::Standby, &m.id)));
    let begun = members.iter().filter(|m| m.state != InstanceState::Pending);
    let protected = begun.filter(|m| m.protected);
    items.extend(protected.map(|m| pending(RestoreKind::Protection, &m.id)));
    items
}

/// The processes that are to run again afterwards.
fn exit_processes(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Vec<String> {
    match (&status.start, &status.source, &status.plan) {
        (Some(start), _, _) => start.exit_processes.clone(),
        // Its own start was not reached: what the source suspended is its to put back.
        (None, Some(source), _) if ctx.has_taken_over(status) => source.exit_processes.clone(),
        // Nor was there anybody to update: what the run before it suspended is.
        (None, _, Some(plan)) if ctx.inherits_baseline() && ctx.holds() => {
            kind::processes_but(&plan.suspended_processes)
        }
        (None, _, _) => Vec::new(),
    }
}

/// Everything that is or was to be put back, as the cloud is now.
pub(in crate::rollout) fn needs(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Known<Vec<Need>> {
    let Some(plan) = &status.plan else {
        return Ok(Vec::new());
    };
    let ids = leftovers::instances(ctx, status, plan);
    let mut reads = need::reads(&ctx.group);
    let configuration = configuration::looked_at(ctx, status, plan);
    reads.extend(configuration.map(|(id, _)| ctx.update.content_kind().query(id)));
    reads.extend(leftovers::reads(ctx));
    reads.extend((!ids.is_empty()).then(|| ctx.update.compute_query(&ids)));
    ctx.input.observation.require(reads)?;

    let Some(group) = ctx.scaling_group()? else {
        return Ok(without_group(ctx, status));
    };
    let mut needs = processes::needs(ctx, group, &exit_processes(ctx, status));
    needs.extend(configuration::need(ctx, status, plan)?);
    let computes = leftovers::computes(ctx, &ids)?;
    let instances = instances(ctx, status, plan)?;
    needs.extend(standby::needs(ctx, status, plan, &instances, &computes));
    if ctx.spec.policy.restore_policy == RestorePolicy::Manual {
        for need in &mut needs {
            if need.item.state == RestoreState::Pending {
                need.call = None;
                need.item.kept = true;
                need.item.state = RestoreState::Left;
                need.item.message = "spec.restorePolicy is Manual".into();
            }
        }
    }
    let taken_up = leftovers::needs(ctx, group, &instances, &computes, &needs)?;
    needs.extend(taken_up);
    Ok(needs)
}

/// The members of the group, with those that are on record and that the list of members leaves out.
pub(super) fn instances(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
) -> Known<Vec<ScalingInstance>> {
    let members = standby::members(status, plan).into_iter();
    let touched = members.filter(|member| member.state != InstanceState::Pending);
    let wanted = touched.map(|member| member.id);
    let wanted = wanted.chain(leftovers::all_instances(ctx));
    absence::instances(ctx.input.observation, &ctx.group, wanted)
}

/// No answer shows the group: everything that is on record stays so. Once that is certain it is left, and
/// listed: a group that was deleted has nothing to put back, and one that the credentials do not show has.
fn without_group(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Vec<Need> {
    let message = format!(
        "no answer of the cloud shows scaling group {} in {}: if it was deleted there is nothing to put back",
        ctx.group, ctx.region
    );
    let known: Vec<&RestoreItem> = need::items(status).collect();
    let mut items = unread(ctx, status);
    items.retain(|item| known.iter().all(|known| known.thing() != item.thing()));
    let of_state = |state| {
        let items = known.iter().filter(move |item| item.state == state);
        items.map(|item| (*item).clone())
    };
    items.extend(of_state(RestoreState::Pending));
    let gone = |item| Need::of(item).in_no_answer(RestoreState::Left, &message);
    // What was left before stays so, for the reason that it has.
    let left = of_state(RestoreState::Left).map(Need::of);
    items.into_iter().map(gone).chain(left).collect()
}
