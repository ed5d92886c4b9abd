//! The group read back against what it was before: what is still to be put back.

use ess_rollout_api::v1alpha1::{
    InstanceState, Plan, RestoreItem, RestoreKind, RestorePolicy, RestoreState,
    RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{Mutation, Process, Query, ScalingInstance};

use super::need::{Need, missing, need};
use super::{configuration, leftovers, standby};
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
    let pending = |kind, target: &str, wanted: &str| {
        need(kind, target, wanted, RestoreState::Pending, "").item
    };
    let mut items: Vec<RestoreItem> = exit_processes(ctx, status)
        .iter()
        .map(|process| pending(RestoreKind::Process, process, "Resumed"))
        .collect();
    if let Some(plan) = &status.plan
        && let Some(id) = configuration::changed_configuration(status, plan)
        && let Some(wanted) = configuration::wanted_configuration(ctx, status, plan)
    {
        let kind = ctx.update.content_kind().kind();
        let mut item = pending(kind, id, &wanted.content.short());
        item.found = wanted.from.map(|from| from.short());
        items.push(item);
    }
    let Some(plan) = &status.plan else {
        return items;
    };
    let members = standby::members(status, plan);
    let in_motion = |member: &standby::Touched| {
        let rests = [InstanceState::Pending, InstanceState::Succeeded].contains(&member.state);
        !rests
    };
    let touched = members.iter().filter(|member| in_motion(member));
    items.extend(touched.map(|m| pending(RestoreKind::Standby, &m.id, "InService")));
    let begun = |member: &standby::Touched| member.state != InstanceState::Pending;
    let protected = members
        .iter()
        .filter(|member| member.protected && begun(member));
    items.extend(protected.map(|m| pending(RestoreKind::Protection, &m.id, "Protected")));
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
    let observation = ctx.input.observation;
    let Some(plan) = &status.plan else {
        return Ok(Vec::new());
    };
    let mut reads = vec![
        Query::ScalingGroup {
            group: ctx.group.clone(),
        },
        Query::ScalingInstances {
            group: ctx.group.clone(),
        },
    ];
    let configuration = configuration::changed_configuration(status, plan);
    let configuration =
        configuration.filter(|_| configuration::wanted_configuration(ctx, status, plan).is_some());
    let content = ctx.update.content_kind();
    reads.extend(configuration.map(|id| content.query(id)));
    let without_record = configuration::content_without_record(ctx, status, plan);
    reads.extend(without_record.iter().map(|(_, id)| content.query(id)));
    reads.extend(leftovers::reads(ctx));
    let members = leftovers::instances(ctx, status, plan);
    if !members.is_empty() {
        reads.push(ctx.update.compute_query(&members));
    }
    observation.require(reads)?;

    let Some(group) = ctx.scaling_group()? else {
        return Ok(without_group(ctx, status));
    };
    let mut needs = Vec::new();
    let exit = exit_processes(ctx, status);
    let suspended: Vec<Process> = exit
        .iter()
        .map(|process| Process::from(process.as_str()))
        .filter(|process| group.suspended_processes.contains(process))
        .collect();
    for process in &exit {
        let process = Process::from(process.as_str());
        let found = group.suspended_processes.contains(&process);
        let state = if found {
            RestoreState::Pending
        } else {
            RestoreState::Restored
        };
        let mut need = need(RestoreKind::Process, process.as_str(), "Resumed", state, "");
        if found {
            need.call = Some(Mutation::ResumeProcesses {
                group: ctx.group.clone(),
                processes: suspended.clone(),
            });
        }
        needs.push(need);
    }
    if let Some(id) = configuration {
        needs.extend(configuration::configuration_content(ctx, status, plan, id)?);
    }
    if let Some((new, id)) = without_record {
        let found = content.found(observation, &ctx.group, id)?;
        let message = "what it carried before the run is not on record: set it";
        let left = need(content.kind(), id, "unknown", RestoreState::Left, message);
        let changed = found.is_some_and(|found| found.comes_from(&new));
        needs.extend(changed.then_some(left));
    }
    let computes = if members.is_empty() {
        Vec::new()
    } else {
        ctx.update.compute(observation, &members)?
    };
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
pub(in crate::rollout) fn instances(
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
    let known = status.restore.iter().flat_map(|restore| &restore.items);
    let known: Vec<RestoreItem> = known.cloned().collect();
    let is_known = |item: &RestoreItem| {
        known
            .iter()
            .any(|k| (k.kind, &k.target) == (item.kind, &item.target))
    };
    let mut items = unread(ctx, status);
    items.retain(|item| !is_known(item));
    let open = known.iter().filter(|k| k.state == RestoreState::Pending);
    items.extend(open.cloned());
    // What was left before stays so, for the reason that it has.
    let left = known.iter().filter(|k| k.state == RestoreState::Left);
    let left = left.map(|item| Need {
        item: item.clone(),
        call: None,
        gone: None,
    });
    let each = items.into_iter();
    each.map(|item| missing(item, RestoreState::Left, &message))
        .chain(left)
        .collect()
}
