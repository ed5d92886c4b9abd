//! What a run leaves changed about instances: in Standby, their ECS instance stopped, without their
//! protection from scale-in.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    FailedInstancePolicy, InstanceState, Plan, RestoreKind, RestoreState, RollingUpdateTaskStatus,
    SourceMember,
};
use ess_rollout_cloud::{ExecutionFilter, LifecycleState, Mutation, ScalingInstance};

use super::need::{Need, missing, need};
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::progress::attempts;

/// An instance that the run, or the one that it took the group over from, may have touched.
pub(in crate::rollout) struct Touched {
    pub(in crate::rollout) id: String,
    /// Whether it is to be protected from scale-in.
    pub(in crate::rollout) protected: bool,
    /// Whether its ECS instance, or container group, was not running before.
    pub(in crate::rollout) stopped: bool,
    /// How far the run is with it, or else the one before was.
    pub(in crate::rollout) state: InstanceState,
}

/// Everybody who took part, of a rollback that took the group over in the update that it undoes as
/// well: such an instance it may not reach, or find as the update had left it.
pub(in crate::rollout) fn members(status: &RollingUpdateTaskStatus, plan: &Plan) -> Vec<Touched> {
    let before: &[SourceMember] = status.source.as_ref().map_or(&[], |source| &source.members);
    let before: BTreeMap<&str, &SourceMember> = before.iter().map(|m| (m.id.as_str(), m)).collect();
    let states: BTreeMap<&str, InstanceState> = status
        .instances
        .iter()
        .map(|i| (i.id.as_str(), i.state))
        .collect();
    let mut members: BTreeMap<&str, Touched> = BTreeMap::new();
    for member in before.values() {
        let touched = Touched {
            id: member.id.clone(),
            protected: member.protected,
            stopped: member.stopped,
            state: member.state,
        };
        members.insert(&member.id, touched);
    }
    for member in &plan.members {
        let known = before.get(member.id.as_str());
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
        members.entry(&instance.id).or_insert_with(|| Touched {
            id: instance.id.clone(),
            protected: false,
            stopped: false,
            state: instance.state,
        });
    }
    for (id, member) in &mut members {
        let own = states.get(id).filter(|own| **own != InstanceState::Pending);
        member.state = own.copied().unwrap_or(member.state);
    }
    members.into_values().collect()
}

/// Of the members: what is to be put back, or left.
pub(in crate::rollout) fn needs(
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
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    let mut items: Vec<_> = items
        .filter(|item| item.target == member.id && item.state != RestoreState::Restored)
        .cloned()
        .collect();
    let rests = [InstanceState::Pending, InstanceState::Succeeded].contains(&member.state);
    if items.is_empty() && !rests {
        let pending = RestoreState::Pending;
        items.push(need(RestoreKind::Standby, &member.id, "InService", pending, "").item);
    }
    let gone = |item| missing(item, RestoreState::Restored, LEFT_GROUP);
    items.into_iter().map(gone).collect()
}

/// What becomes of an item about an instance that is taken for gone.
pub(in crate::rollout) const LEFT_GROUP: &str = "the instance has left the scaling group";

/// Gives protection from scale-in back.
pub(in crate::rollout) fn protect(ctx: &Context<'_>, id: &str) -> Need {
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
pub(in crate::rollout) fn back_to_service(
    ctx: &Context<'_>,
    id: &str,
    stopped_before: bool,
    computes: &[Compute],
) -> Need {
    let noun = ctx.update.noun();
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
        None => {
            let left = left("");
            let message = format!("its {noun} is gone: remove it from the group");
            missing(left.item, RestoreState::Left, &message)
        }
    }
}
