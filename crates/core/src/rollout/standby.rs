//! What a run leaves changed about instances: in Standby, their ECS instance stopped, without their
//! protection from scale-in.

use ess_rollout_api::v1alpha1::{
    FailedInstancePolicy, InstanceState, Member, Plan, RestoreKind, RestoreState,
    RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{LifecycleState, Mutation, ScalingInstance};

use super::compute::{self, Compute, Power};
use super::context::Context;
use super::verify::{Need, need};

/// Of the members: what is to be put back, or left.
pub(super) fn needs(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    instances: &[ScalingInstance],
    computes: &[Compute],
) -> Vec<Need> {
    let mut needs = Vec::new();
    for member in &plan.members {
        let Some(instance) = instances.iter().find(|i| i.id == member.id) else {
            continue;
        };
        if instance.state == LifecycleState::Standby {
            needs.push(in_standby(ctx, status, member, computes));
        } else if member.protected && instance.state == LifecycleState::InService {
            needs.push(protect(ctx, &member.id));
        }
    }
    needs
}

/// Gives protection from scale-in back.
pub(super) fn protect(ctx: &Context<'_>, id: &str) -> Need {
    let mut need = need(
        RestoreKind::Protection,
        id,
        "Protected",
        RestoreState::Pending,
        "",
    );
    need.call = Some(Mutation::SetInstancesProtection {
        group: ctx.group.clone(),
        instances: vec![id.to_owned()],
        protected: true,
    });
    need
}

fn in_standby(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    member: &Member,
    computes: &[Compute],
) -> Need {
    let state = status
        .instances
        .iter()
        .find(|i| i.id == member.id)
        .map(|i| i.state);
    // A person said of a skipped one that it is fine.
    let returns = state == Some(InstanceState::Skipped)
        || state == Some(InstanceState::Succeeded)
        || ctx.spec.policy.failed_instance_policy == FailedInstancePolicy::ReturnToService;
    if returns {
        return back_to_service(ctx, &member.id, member.stopped, computes);
    }
    let noun = ctx.kind.noun();
    let message = match compute::of(computes, &member.id).map(|compute| &compute.power) {
        Some(Power::Stopped) => format!(
            "spec.failedInstancePolicy is KeepInStandby, and its {noun} is Stopped: mend it, start it and take it out of Standby, or remove it"
        ),
        Some(Power::Broken(status)) => format!(
            "spec.failedInstancePolicy is KeepInStandby, and its {noun} is {status}: remove it"
        ),
        Some(Power::Running | Power::Changing) | None => "spec.failedInstancePolicy is KeepInStandby: mend it and take it out of Standby, or remove it".to_owned(),
    };
    let mut left = need(
        RestoreKind::Standby,
        &member.id,
        "InService",
        RestoreState::Left,
        &message,
    );
    left.item.kept = true;
    left
}

/// The next step on an instance's way back to service. Nothing returns whose ECS instance, or
/// container group, is not Running; an ECS instance that ran before the run was stopped by it and is
/// started first.
pub(super) fn back_to_service(
    ctx: &Context<'_>,
    id: &str,
    stopped_before: bool,
    computes: &[Compute],
) -> Need {
    let noun = ctx.kind.noun();
    let left = |message: &str| {
        need(
            RestoreKind::Standby,
            id,
            "InService",
            RestoreState::Left,
            message,
        )
    };
    let start = || {
        need(
            RestoreKind::StoppedInstance,
            id,
            "Running",
            RestoreState::Pending,
            "",
        )
    };
    match compute::of(computes, id).map(|compute| &compute.power) {
        Some(Power::Running) => {
            let mut exit = need(
                RestoreKind::Standby,
                id,
                "InService",
                RestoreState::Pending,
                "",
            );
            exit.call = Some(Mutation::ExitStandby {
                group: ctx.group.clone(),
                instances: vec![id.to_owned()],
            });
            exit
        }
        Some(Power::Stopped) if stopped_before => left(&format!(
            "its {noun} was not Running before the run and is not now: start it and take it out of Standby, or remove it"
        )),
        Some(Power::Stopped) => {
            let mut start = start();
            start.call = Some(Mutation::StartInstance {
                instance: id.to_owned(),
            });
            start
        }
        // On its way up, or down first.
        Some(Power::Changing) => start(),
        Some(Power::Broken(status)) => left(&format!(
            "its {noun} is {status} and cannot serve: remove it from the group"
        )),
        None => left(&format!("its {noun} is gone: remove it from the group")),
    }
}
