//! The group read back against what it should be: what is still to be put back, and whether the
//! update did what it said.

use ess_rollout_api::v1alpha1::{
    InstanceState, InstanceStatus, Outcome, Plan, RestoreItem, RestoreKind, RestorePolicy,
    RestoreState, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{LifecycleState, Mutation, Process, Query, ScalingInstance};

use super::context::Context;
use super::observation::Known;
use super::{leftovers, progress, standby};
use crate::conditions;

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
    let Some(start) = &status.start else {
        return Vec::new();
    };
    let pending = |kind, target: &str, wanted: &str| {
        need(kind, target, wanted, RestoreState::Pending, "").item
    };
    let mut items: Vec<RestoreItem> = start
        .exit_processes
        .iter()
        .map(|process| pending(RestoreKind::Process, process, "Resumed"))
        .collect();
    let well = status
        .result
        .as_ref()
        .is_some_and(|r| r.outcome == Outcome::Succeeded);
    if let Some(plan) = &status.plan
        && let Some((new, true)) = ctx.kind.wanted_image()
        && let Some(id) = &plan.scaling_configuration_id
        && let Some(image) = &plan.scaling_configuration_image_id
        && !well
    {
        let mut item = pending(RestoreKind::ScalingConfigurationImage, id, image);
        item.found = Some(new.to_owned());
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
    let configuration =
        configuration.filter(|_| matches!(ctx.kind.wanted_image(), Some((_, true))));
    if let Some(id) = configuration {
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
    let suspended: Vec<Process> = status
        .start
        .iter()
        .flat_map(|start| &start.exit_processes)
        .map(|process| Process::from(process.as_str()))
        .filter(|process| group.suspended_processes.contains(process))
        .collect();
    for process in status.start.iter().flat_map(|start| &start.exit_processes) {
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
    let Some((new, _)) = ctx.kind.wanted_image() else {
        return Ok(None);
    };
    let well = status
        .result
        .as_ref()
        .is_some_and(|r| r.outcome == Outcome::Succeeded);
    let before = plan.scaling_configuration_image_id.as_deref();
    let found = ctx
        .input
        .observation
        .scaling_configuration(id)?
        .as_ref()
        .and_then(|c| c.image.clone());
    let Some(wanted) = (if well { Some(new) } else { before }) else {
        let unknown = "which image it carried before the run is not on record: set it";
        let left = need(kind, id, "unknown", RestoreState::Left, unknown);
        return Ok(Some(left).filter(|_| found.as_deref() == Some(new)));
    };
    let mut result = match found.as_deref() {
        Some(found) if found == wanted => need(kind, id, wanted, RestoreState::Restored, ""),
        Some(found) if well || found == new => need(kind, id, wanted, RestoreState::Pending, ""),
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
