//! The group read back against what it should be: what is still to be put back, and whether the
//! update did what it said.

use ess_rollout_api::v1alpha1::{
    InstanceState, InstanceStatus, Outcome, Plan, RestoreItem, RestoreKind, RestorePolicy,
    RestoreState, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{LifecycleState, Mutation, Process, Query, ScalingInstance};

use super::context::Context;
use super::{leftovers, progress, rollback, standby};
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
        && let Some(id) = &plan.scaling_configuration_id
        && let Some(goal) = configuration_goal(ctx, status, plan)
    {
        let mut item = pending(RestoreKind::ScalingConfigurationImage, id, goal.wanted);
        item.found = goal.from.map(str::to_owned);
        items.push(item);
    }
    let touched = status
        .instances
        .iter()
        .filter(|i| !matches!(i.state, InstanceState::Pending | InstanceState::Succeeded));
    items.extend(touched.map(|i| pending(RestoreKind::Standby, &i.id, "InService")));
    let members = status.plan.iter().flat_map(|plan| &plan.members);
    let touched = |id: &str| {
        let of = |i: &InstanceStatus| i.id == id && i.state != InstanceState::Pending;
        status.instances.iter().any(of)
    };
    let protected = members.filter(|member| member.protected && touched(&member.id));
    items.extend(protected.map(|m| pending(RestoreKind::Protection, &m.id, "Protected")));
    items
}

/// The processes that are to run again afterwards.
fn exit_processes<'a>(ctx: &Context<'_>, status: &'a RollingUpdateTaskStatus) -> &'a [String] {
    match (&status.start, &status.source) {
        (Some(start), _) => &start.exit_processes,
        // Its own start was not reached: what the source suspended is its to put back.
        (None, Some(source)) if rollback::takeover::has_taken_over(ctx, status) => {
            &source.exit_processes
        }
        (None, _) => &[],
    }
}

/// What the active scaling configuration is to carry, and what the run may have put there.
struct ConfigurationGoal<'a> {
    wanted: &'a str,
    /// `None`: it is put right whatever it carries.
    from: Option<&'a str>,
}

/// After an update that succeeded the configuration carries the new image; after one that did not, the
/// one from before. After a rollback that succeeded it carries what it did before the update; one
/// that did not succeed leaves it alone, unless it took the group over from a suspended update,
/// whose end it then is.
fn configuration_goal<'a>(
    ctx: &'a Context<'_>,
    status: &'a RollingUpdateTaskStatus,
    plan: &'a Plan,
) -> Option<ConfigurationGoal<'a>> {
    let Some((new, true)) = ctx.kind.wanted_image() else {
        return None;
    };
    let well = status
        .result
        .as_ref()
        .is_some_and(|r| r.outcome == Outcome::Succeeded);
    let before = plan.scaling_configuration_image_id.as_deref();
    let (wanted, from) = match &status.source {
        None if well => (Some(new), None),
        None => (before, Some(new)),
        Some(source) if well => (source.scaling_configuration_image_id.as_deref(), None),
        Some(source) if source.suspended => (before, source.updated_image_id.as_deref()),
        Some(_) => (None, None),
    };
    Some(ConfigurationGoal {
        wanted: wanted?,
        from,
    })
}

/// The new image in a configuration of which it is not on record what it carried before, and the
/// configuration.
fn image_without_record<'a>(
    ctx: &'a Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &'a Plan,
) -> Option<(&'a str, &'a str)> {
    let (new, true) = ctx.kind.wanted_image()? else {
        return None;
    };
    let configuration = plan.scaling_configuration_id.as_deref()?;
    let goal = configuration_goal(ctx, status, plan);
    (goal.is_none() && status.source.is_none()).then_some((new, configuration))
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
    let configuration = plan.scaling_configuration_id.as_deref();
    let configuration = configuration.filter(|_| configuration_goal(ctx, status, plan).is_some());
    if let Some(id) = configuration {
        reads.push(Query::ScalingConfiguration {
            configuration: id.to_owned(),
        });
    }
    let without_record = image_without_record(ctx, status, plan);
    if let Some((_, id)) = without_record {
        reads.push(Query::ScalingConfiguration {
            configuration: id.to_owned(),
        });
    }
    reads.extend(leftovers::reads(ctx));
    let members = leftovers::instances(ctx, plan);
    if !members.is_empty() {
        reads.push(Query::EcsInstances {
            instances: members.clone(),
        });
    }
    observation.require(reads)?;

    let Some(group) = observation.scaling_group(&ctx.group)? else {
        // The group is gone, and everything about it.
        return Ok(Vec::new());
    };
    let mut needs = Vec::new();
    let suspended: Vec<Process> = exit_processes(ctx, status)
        .iter()
        .map(|process| Process::from(process.as_str()))
        .filter(|process| group.suspended_processes.contains(process))
        .collect();
    for process in exit_processes(ctx, status) {
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
        needs.extend(configuration_image(ctx, status, plan, id)?);
    }
    if let Some((new, id)) = without_record {
        let found = observation.scaling_configuration(id)?.as_ref();
        let kind = RestoreKind::ScalingConfigurationImage;
        let message = "which image it carried before the run is not on record: set it";
        let left = need(kind, id, "unknown", RestoreState::Left, message);
        let changed = found.is_some_and(|c| c.image.as_deref() == Some(new));
        needs.extend(changed.then_some(left));
    }
    let none = Vec::new();
    let ecs = if members.is_empty() {
        &none
    } else {
        observation.ecs_instances(&members)?
    };
    let instances = observation.scaling_instances(&ctx.group)?;
    needs.extend(standby::needs(ctx, status, plan, instances, ecs));
    if ctx.spec.restore_policy == RestorePolicy::Manual {
        for need in &mut needs {
            if need.item.state == RestoreState::Pending {
                need.call = None;
                need.item.kept = true;
                need.item.state = RestoreState::Left;
                need.item.message = "spec.restorePolicy is Manual".into();
            }
        }
    }
    let taken_up = leftovers::needs(ctx, group, instances, ecs, &needs)?;
    needs.extend(taken_up);
    Ok(needs)
}

/// The image in the active scaling configuration. The template changes it before it touches an
/// instance, so after a run that did not succeed it is the new one, and goes back; after one that
/// succeeded it is the new one and stays, an empty group included, where the template leaves it.
fn configuration_image(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    id: &str,
) -> Known<Option<Need>> {
    let kind = RestoreKind::ScalingConfigurationImage;
    let Some(ConfigurationGoal { wanted, from }) = configuration_goal(ctx, status, plan) else {
        return Ok(None);
    };
    let found = ctx
        .input
        .observation
        .scaling_configuration(id)?
        .as_ref()
        .and_then(|c| c.image.clone());
    let mut result = match found.as_deref() {
        Some(found) if found == wanted => need(kind, id, wanted, RestoreState::Restored, ""),
        Some(found) if from.is_none_or(|from| found == from) => {
            need(kind, id, wanted, RestoreState::Pending, "")
        }
        Some(found) => {
            let message = format!(
                "the configuration carries {found}, which neither this update nor the group before it did: somebody changed it"
            );
            need(kind, id, wanted, RestoreState::Left, &message)
        }
        None => need(
            kind,
            id,
            wanted,
            RestoreState::Left,
            "the scaling configuration is gone",
        ),
    };
    if result.item.state == RestoreState::Pending {
        result.item.found = found;
        result.call = Some(Mutation::ModifyScalingConfiguration {
            configuration: id.to_owned(),
            image: wanted.to_owned(),
        });
    }
    Ok(Some(result))
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
    let members = leftovers::instances(ctx, &plan);
    let none = Vec::new();
    let ecs = if members.is_empty() {
        &none
    } else {
        observation.ecs_instances(&members)?
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
        if let Some((wanted, _)) = ctx.kind.wanted_image()
            && let Some(ecs) = ecs.iter().find(|e| e.id == instance.id)
            && ecs.image != wanted
        {
            differ.push(format!("{} runs image {}", instance.id, ecs.image));
        }
    }
    let may_lag = !differ.is_empty();
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    let of_group = |kind| {
        matches!(
            kind,
            RestoreKind::Process | RestoreKind::ScalingConfigurationImage
        )
    };
    for item in items.filter(|i| i.state != RestoreState::Restored && of_group(i.kind)) {
        differ.push(format!(
            "{:?} {} is not {}",
            item.kind, item.target, item.wanted
        ));
    }
    let well = status
        .result
        .as_ref()
        .is_some_and(|r| r.outcome == Outcome::Succeeded);
    Ok(if !differ.is_empty() {
        Verdict {
            status: "False",
            reason: "Different",
            message: differ.join("; "),
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
