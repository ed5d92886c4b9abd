//! What a run leaves changed about instances: in Standby, their ECS instance stopped, without their
//! protection from scale-in.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    FailedInstancePolicy, InstanceState, Plan, RestoreKind, RestoreState, RollingUpdateTaskStatus,
    SourceMember,
};
use ess_rollout_cloud::{ExecutionFilter, LifecycleState, Mutation, ScalingInstance};

use super::need::{self, Need};
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::progress::attempts;

/// An instance that the run, or the one that it took the group over from, may have touched: whether it is to be protected
/// from scale-in, whether its ECS instance, or container group, was not running before, and how far the run is with it, or
/// else the one before was.
pub(super) type Touched = SourceMember;

/// Whether a run has begun with it and has not succeeded.
pub(super) fn is_in_motion(member: &Touched) -> bool {
    ![InstanceState::Pending, InstanceState::Succeeded].contains(&member.state)
}

/// Everybody who took part, of a rollback that took the group over in the update that it undoes as
/// well: such an instance it may not reach, or find as the update had left it.
pub(super) fn members(status: &RollingUpdateTaskStatus, plan: &Plan) -> Vec<Touched> {
    let before = status.source.iter().flat_map(|source| &source.members);
    let mut members: BTreeMap<&str, Touched> = before
        .map(|member| (member.id.as_str(), member.clone()))
        .collect();
    for member in &plan.members {
        let known = members.get(member.id.as_str());
        let touched = Touched {
            id: member.id.clone(),
            // The update takes the protection away; only a person gives it.
            protected: member.protected || known.is_some_and(|known| known.protected),
            // The update stops it; only a person starts it again before the rollback.
            stopped: member.stopped && known.is_none_or(|known| known.stopped),
            state: known.map_or(InstanceState::Pending, |known| known.state),
        };
        members.insert(&member.id, touched);
    }
    // One that joined between the plan and the start took part all the same.
    for instance in &status.instances {
        let member = members.entry(&instance.id).or_insert_with(|| Touched {
            id: instance.id.clone(),
            protected: false,
            stopped: false,
            state: instance.state,
        });
        if instance.state != InstanceState::Pending {
            member.state = instance.state;
        }
    }
    members.into_values().collect()
}

/// Of the members: what is to be put back, or left.
pub(super) fn needs(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    instances: &[ScalingInstance],
    computes: &[Compute],
) -> Vec<Need> {
    let mut needs = Vec::new();
    // One that was not reached is in Standby because somebody put it there.
    let members = members(status, plan);
    for member in members.iter().filter(|member| is_touched(ctx, member)) {
        let Some(instance) = instances.iter().find(|i| i.id == member.id) else {
            needs.extend(in_no_answer(status, member));
            continue;
        };
        if instance.state == LifecycleState::Standby {
            needs.push(in_standby(ctx, member, computes));
        } else if let LifecycleState::Unknown(state) = &instance.state {
            // It may be in Standby by another word.
            let message = format!(
                "its lifecycle state is {state:?}, which this version does not know: see whether it serves, or take it out of Standby"
            );
            let unknown = Need::pending(RestoreKind::Standby, &member.id);
            needs.push(unknown.in_no_answer(RestoreState::Left, &message));
        } else if member.protected && instance.state == LifecycleState::InService {
            needs.push(protect(ctx, &member.id));
        }
    }
    needs
}

/// Whether the run has reached a member. The list of nested executions, where it was read, tells of one that began when
/// nobody looked any more.
fn is_touched(ctx: &Context<'_>, member: &Touched) -> bool {
    let execution = ctx.input.subject.status.and_then(|s| s.execution.as_ref());
    let children = execution.map(|e| ExecutionFilter::ChildrenOf(e.id.clone()));
    let children = children.and_then(|filter| ctx.input.observation.executions(&filter).ok());
    let mut begun = children.into_iter().flatten();
    member.state != InstanceState::Pending
        || begun.any(|child| attempts::instance_of(&child.parameters) == Some(&member.id))
}

/// What is on record, or may be, of a member that no answer shows. One that has left the group has
/// nothing to be put back.
fn in_no_answer(status: &RollingUpdateTaskStatus, member: &Touched) -> Vec<Need> {
    let of_member = need::items(status).filter(|item| item.target == member.id);
    let open = of_member.filter(|item| item.state != RestoreState::Restored);
    let mut needs: Vec<Need> = open.cloned().map(Need::of).collect();
    if needs.is_empty() && is_in_motion(member) {
        needs.push(Need::pending(RestoreKind::Standby, &member.id));
    }
    needs.into_iter().map(left_group).collect()
}

/// The same, about an instance that no answer shows.
pub(super) fn left_group(need: Need) -> Need {
    let message = "the instance has left the scaling group";
    need.in_no_answer(RestoreState::Restored, message)
}

/// Gives protection from scale-in back.
pub(super) fn protect(ctx: &Context<'_>, id: &str) -> Need {
    Need::pending(RestoreKind::Protection, id).by(Mutation::SetInstancesProtection {
        group: ctx.group.clone(),
        instances: vec![id.to_owned()],
        protected: true,
    })
}

fn in_standby(ctx: &Context<'_>, member: &Touched, computes: &[Compute]) -> Need {
    // A person said of a skipped one that it is fine.
    let returns = [InstanceState::Skipped, InstanceState::Succeeded].contains(&member.state)
        || ctx.spec.policy.failed_instance_policy == FailedInstancePolicy::ReturnToService;
    if returns {
        return back_to_service(ctx, &member.id, member.stopped, computes);
    }
    let noun = ctx.update.noun();
    let message = match compute::of(computes, &member.id).map(|compute| &compute.power) {
        Some(Power::Stopped) => format!(
            "spec.failedInstancePolicy is KeepInStandby, and its {noun} is Stopped: mend it, start it and take it out of Standby, or remove it"
        ),
        Some(Power::Broken(status)) => format!(
            "spec.failedInstancePolicy is KeepInStandby, and its {noun} is {status}: remove it"
        ),
        Some(Power::Running | Power::Changing) | None => "spec.failedInstancePolicy is KeepInStandby: mend it and take it out of Standby, or remove it".to_owned(),
    };
    let mut left = Need::pending(RestoreKind::Standby, &member.id).left(message);
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
    let noun = ctx.update.noun();
    let in_standby = Need::pending(RestoreKind::Standby, id);
    let stopped = Need::pending(RestoreKind::StoppedInstance, id);
    match compute::of(computes, id).map(|compute| &compute.power) {
        Some(Power::Running) => in_standby.by(Mutation::ExitStandby {
            group: ctx.group.clone(),
            instances: vec![id.to_owned()],
        }),
        Some(Power::Stopped) if stopped_before => in_standby.left(format!(
            "its {noun} was not Running before the run and is not now: start it and take it out of Standby, or remove it"
        )),
        Some(Power::Stopped) => stopped.by(Mutation::StartInstance {
            instance: id.to_owned(),
        }),
        // On its way up, or down first.
        Some(Power::Changing) => stopped,
        Some(Power::Broken(status)) => in_standby.left(format!(
            "its {noun} is {status} and cannot serve: remove it from the group"
        )),
        None => {
            let message = format!("its {noun} is gone: remove it from the group");
            in_standby.in_no_answer(RestoreState::Left, &message)
        }
    }
}
