//! The group read back against what it should be: what is still to be put back, and whether the
//! update did what it said.

use ess_rollout_api::v1alpha1::{
    InstanceState, InstanceStatus, RestoreItem, RestoreKind, RestorePolicy, RestoreState,
    RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{LifecycleState, Mutation, Process, Query, ScalingInstance};

use super::compute;
use super::context::Context;
use super::{goal, kind, leftovers, progress, rollback, standby};
use crate::conditions;
use crate::observation::Known;

/// One thing that a run can have left changed.
pub(super) struct Need {
    pub(super) item: RestoreItem,
    /// The call that puts it back; none when it is as wanted, or left to a person.
    pub(super) call: Option<Mutation>,
}

/// The verdict of the condition `Verified`.
pub(super) struct Verdict {
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// Whether it may be that the cloud does not show yet what was done.
    pub(super) may_lag: bool,
}

pub(super) fn need(
    kind: RestoreKind,
    target: &str,
    wanted: &str,
    state: RestoreState,
    message: &str,
) -> Need {
    Need {
        item: RestoreItem {
            kind,
            target: target.to_owned(),
            wanted: wanted.to_owned(),
            found: None,
            state,
            kept: false,
            attempts: 0,
            last_attempt_time: None,
            message: message.to_owned(),
        },
        call: None,
    }
}

/// What the run may have left changed, without having looked: for a deletion that cannot wait.
pub(super) fn unread(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Vec<RestoreItem> {
    let pending = |kind, target: &str, wanted: &str| {
        need(kind, target, wanted, RestoreState::Pending, "").item
    };
    let mut items: Vec<RestoreItem> = exit_processes(ctx, status)
        .iter()
        .map(|process| pending(RestoreKind::Process, process, "Resumed"))
        .collect();
    if let Some(plan) = &status.plan
        && let Some(id) = goal::changed_configuration(status, plan)
        && let Some(goal) = goal::configuration_goal(ctx, status, plan)
    {
        let carries = ctx.kind.carries();
        let mut item = pending(carries.kind(), id, &carries.short(&goal.wanted));
        item.found = goal.from.map(|from| carries.short(&from));
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
        (None, Some(source), _) if rollback::takeover::has_taken_over(ctx, status) => {
            source.exit_processes.clone()
        }
        // Nor was there anybody to update: what the run before it suspended is.
        (None, _, Some(plan)) if ctx.inherits_baseline() && ctx.holds() => {
            kind::processes_but(&plan.suspended_processes)
        }
        (None, _, _) => Vec::new(),
    }
}

/// Everything that is or was to be put back, as the cloud is now.
pub(super) fn needs(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Known<Vec<Need>> {
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
    let configuration = goal::changed_configuration(status, plan);
    let configuration =
        configuration.filter(|_| goal::configuration_goal(ctx, status, plan).is_some());
    let carries = ctx.kind.carries();
    reads.extend(configuration.map(|id| carries.query(id)));
    let without_record = goal::content_without_record(ctx, status, plan);
    reads.extend(without_record.iter().map(|(_, id)| carries.query(id)));
    reads.extend(leftovers::reads(ctx));
    let members = leftovers::instances(ctx, status, plan);
    if !members.is_empty() {
        reads.push(ctx.kind.compute_query(&members));
    }
    observation.require(reads)?;

    let Some(group) = observation.scaling_group(&ctx.group)? else {
        // The group is gone, and everything about it.
        return Ok(Vec::new());
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
        needs.extend(goal::configuration_content(ctx, status, plan, id)?);
    }
    if let Some((new, id)) = without_record {
        let found = carries.found(observation, id)?;
        let message = "what it carried before the run is not on record: set it";
        let left = need(carries.kind(), id, "unknown", RestoreState::Left, message);
        let changed = found.is_some_and(|found| carries.comes_from(&found, &new));
        needs.extend(changed.then_some(left));
    }
    let computes = if members.is_empty() {
        Vec::new()
    } else {
        ctx.kind.compute(observation, &members)?
    };
    let instances = observation.scaling_instances(&ctx.group)?;
    needs.extend(standby::needs(ctx, status, plan, instances, &computes));
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
    let taken_up = leftovers::needs(ctx, group, instances, &computes, &needs)?;
    needs.extend(taken_up);
    Ok(needs)
}

/// Reads the outcome back: whether each updated instance runs what it should and serves, and
/// whether processes and configuration are as they should be.
pub(super) fn outcome(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) -> Known<Verdict> {
    let observation = ctx.input.observation;
    let Some(plan) = status.plan.clone() else {
        return Ok(Verdict {
            status: "Unknown",
            reason: "NothingRan",
            message: String::new(),
            may_lag: false,
        });
    };
    if observation.scaling_group(&ctx.group)?.is_none() {
        return Ok(Verdict {
            status: "False",
            reason: "ScalingGroupNotFound",
            message: "the scaling group is gone".into(),
            may_lag: false,
        });
    }
    let members = leftovers::instances(ctx, status, &plan);
    let computes = if members.is_empty() {
        Vec::new()
    } else {
        ctx.kind.compute(observation, &members)?
    };
    let instances = observation.scaling_instances(&ctx.group)?;
    let mut differ = Vec::new();
    for instance in &mut status.instances {
        let found = instances.iter().find(|i| i.id == instance.id);
        show_service(ctx, instance, found);
        if instance.state != InstanceState::Succeeded {
            continue;
        }
        match found.map(|f| &f.state) {
            Some(LifecycleState::InService | LifecycleState::Protected) => {}
            Some(state) => differ.push(format!("{} is {state}", instance.id)),
            None => differ.push(format!("{} has left the group", instance.id)),
        }
        let weight = found.and_then(|f| f.load_balancer_weight);
        if weight == Some(0) {
            differ.push(format!("{} has load-balancer weight 0", instance.id));
        }
        let compute = compute::of(&computes, &instance.id);
        differ.extend(compute.and_then(|compute| ctx.kind.difference(compute)));
    }
    let ended_well = status
        .instances
        .iter()
        .filter(|i| i.state == InstanceState::Succeeded);
    let ended_well: Vec<&str> = ended_well.map(|i| i.id.as_str()).collect();
    let back = ctx.kind.read_back(observation, &plan, &ended_well)?;
    differ.extend(back.differ);
    let may_lag = !differ.is_empty();
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    let of_group = |kind| {
        matches!(
            kind,
            RestoreKind::Process
                | RestoreKind::ScalingConfigurationImage
                | RestoreKind::ScalingConfigurationContainers
        )
    };
    for item in items.filter(|i| i.state != RestoreState::Restored && of_group(i.kind)) {
        differ.push(format!(
            "{:?} {} is not {}",
            item.kind, item.target, item.wanted
        ));
    }
    let well = goal::went_well(status);
    Ok(if !differ.is_empty() {
        Verdict {
            status: "False",
            reason: "Different",
            message: differ.join("; "),
            may_lag,
        }
    } else if let Some(unread) = back.unread.filter(|_| well) {
        Verdict {
            status: "True",
            reason: "AsReported",
            message: format!(
                "OOS reports that the instances were updated; they serve, and processes and scaling configuration were read back and are as wanted; {unread}"
            ),
            may_lag,
        }
    } else if well {
        Verdict {
            status: "True",
            reason: "AsWanted",
            message:
                "instances, processes and scaling configuration were read back and are as wanted"
                    .into(),
            may_lag,
        }
    } else {
        Verdict {
            status: "Unknown",
            reason: "NotSucceeded",
            message: "the update did not succeed".into(),
            may_lag,
        }
    })
}

fn show_service(ctx: &Context<'_>, instance: &mut InstanceStatus, found: Option<&ScalingInstance>) {
    let (value, reason, message) = match found.map(|f| &f.state) {
        Some(LifecycleState::InService) => ("True", "InService", String::new()),
        Some(LifecycleState::Protected) => ("True", "Protected", String::new()),
        Some(LifecycleState::Standby) => (
            "False",
            "Standby",
            "in Standby: it gets no traffic".to_owned(),
        ),
        Some(state) => (
            "False",
            "NotInService",
            format!("its lifecycle state is {state}"),
        ),
        None => (
            "False",
            "LeftGroup",
            "it is no longer in the scaling group".to_owned(),
        ),
    };
    conditions::set(
        &mut instance.conditions,
        progress::IN_SERVICE,
        value,
        reason,
        &message,
        None,
        ctx.now(),
    );
}
