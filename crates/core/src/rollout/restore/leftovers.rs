//! What runs before left changed: lines of the group's record that outlive their tasks. The next run
//! takes them up, puts back what it can, and drops the lines that are done.

use ess_rollout_api::v1alpha1::{
    FailedInstancePolicy, Leftover, Plan, RestoreItem, RestoreKind, RestorePolicy, RestoreState,
    RollingUpdateTaskStatus, ScalingGroupRecordStatus,
};
use ess_rollout_cloud::{LifecycleState, Mutation, Process, Query, ScalingGroup, ScalingInstance};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::need::{Need, missing, need};
use super::{configuration, run_left, standby};
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::kind::content::{ConfigurationContent, ContentKind};
use crate::task::observation::{Known, Missing};

/// The most lines that one run takes up, so that its own items have room beside them.
const TAKEN_UP_MAX: usize = 500;
pub(in crate::rollout) use super::run_end::LEFTOVERS_MAX;

/// The lines that this run takes up.
fn taken_up<'a>(ctx: &'a Context<'_>) -> Vec<&'a Leftover> {
    if ctx.spec.policy.restore_policy == RestorePolicy::Manual {
        return Vec::new();
    }
    let all = ctx.record.leftovers.iter();
    all.filter(|leftover| {
        !leftover.kept
            || leftover.kind != RestoreKind::Standby
            || ctx.spec.policy.failed_instance_policy == FailedInstancePolicy::ReturnToService
    })
    .take(TAKEN_UP_MAX)
    .collect()
}

/// Members and instances that were left before, sorted: those whose ECS instances are looked at.
pub(in crate::rollout) fn instances(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
) -> Vec<String> {
    let members = standby::members(status, plan).into_iter();
    let members = members.map(|member| member.id);
    let left = taken_up(ctx);
    let left = left.iter().filter(|leftover| {
        matches!(
            leftover.kind,
            RestoreKind::Standby | RestoreKind::StoppedInstance
        )
    });
    let mut ids: Vec<String> = members.chain(left.map(|l| l.target.clone())).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// All instances that the record lists.
pub(in crate::rollout) fn all_instances<'a>(
    ctx: &'a Context<'_>,
) -> impl Iterator<Item = String> + 'a {
    let all = ctx.record.leftovers.iter();
    all.filter(|leftover| is_of_instance(leftover.kind))
        .map(|leftover| leftover.target.clone())
}

fn is_of_instance(kind: RestoreKind) -> bool {
    matches!(
        kind,
        RestoreKind::Standby | RestoreKind::Protection | RestoreKind::StoppedInstance
    )
}

/// What [`needs`] reads beyond the group and its instances.
pub(in crate::rollout) fn reads(ctx: &Context<'_>) -> Vec<Query> {
    let configurations = taken_up(ctx);
    let configurations = configurations
        .iter()
        .filter(|leftover| leftover.found.is_some())
        .filter_map(|leftover| Some(ContentKind::of_kind(leftover.kind)?.query(&leftover.target)));
    configurations.collect()
}

/// What of it is to be put back now, besides what this run has to put back itself.
pub(in crate::rollout) fn needs(
    ctx: &Context<'_>,
    group: &ScalingGroup,
    instances: &[ScalingInstance],
    computes: &[Compute],
    own: &[Need],
) -> Known<Vec<Need>> {
    let mut needs: Vec<Need> = Vec::new();
    let taken_up = taken_up(ctx);
    // What a policy leaves to people is done with as well once its instance is gone.
    let kept = ctx.record.leftovers.iter().filter(|leftover| {
        !taken_up.contains(leftover)
            && is_of_instance(leftover.kind)
            && ctx.spec.policy.restore_policy != RestorePolicy::Manual
            && instances.iter().all(|i| i.id != leftover.target)
    });
    for leftover in taken_up.iter().copied().chain(kept) {
        let (kind, target) = (leftover.kind, leftover.target.as_str());
        let known = |needs: &[Need]| {
            needs
                .iter()
                .any(|need| need.item.kind == kind && need.item.target == target)
        };
        if known(own) || known(&needs) {
            continue;
        }
        let state = instances.iter().find(|i| i.id == target).map(|i| &i.state);
        let found = match kind {
            RestoreKind::Process => process(ctx, group, target),
            RestoreKind::ScalingConfigurationImage
            | RestoreKind::ScalingConfigurationContainers => content(ctx, leftover)?,
            kind if is_of_instance(kind) && state.is_none() => Some(missing(
                done(leftover).item,
                RestoreState::Restored,
                standby::LEFT_GROUP,
            )),
            RestoreKind::Standby if state == Some(&LifecycleState::Standby) => {
                Some(standby::back_to_service(ctx, target, false, computes))
            }
            RestoreKind::Protection if state == Some(&LifecycleState::InService) => {
                Some(standby::protect(ctx, target))
            }
            // Waits for the instance to serve again, and is in Standby's hands.
            RestoreKind::Protection | RestoreKind::StoppedInstance
                if state == Some(&LifecycleState::Standby)
                    && (kind == RestoreKind::Protection || !runs(computes, target)) =>
            {
                None
            }
            RestoreKind::Standby | RestoreKind::Protection | RestoreKind::StoppedInstance => {
                Some(done(leftover))
            }
        };
        needs.extend(found);
    }
    Ok(needs)
}

fn runs(computes: &[Compute], id: &str) -> bool {
    compute::of(computes, id).is_some_and(|compute| compute.power == Power::Running)
}

fn done(leftover: &Leftover) -> Need {
    need(
        leftover.kind,
        &leftover.target,
        &leftover.wanted,
        RestoreState::Restored,
        "",
    )
}

fn process(ctx: &Context<'_>, group: &ScalingGroup, target: &str) -> Option<Need> {
    let process = Process::from(target);
    let suspended = group.suspended_processes.contains(&process);
    let state = if suspended {
        RestoreState::Pending
    } else {
        RestoreState::Restored
    };
    let mut need = need(RestoreKind::Process, target, "Resumed", state, "");
    need.call = suspended.then(|| Mutation::ResumeProcesses {
        group: ctx.group.clone(),
        processes: vec![process],
    });
    Some(need)
}

/// `None`: somebody has changed the configuration since, and it stays on the list as it is.
fn content(ctx: &Context<'_>, leftover: &Leftover) -> Known<Option<Need>> {
    let kind = ContentKind::of_kind(leftover.kind);
    let Some(kind) = kind.filter(|_| leftover.found.is_some()) else {
        return Ok(None);
    };
    let target = &leftover.target;
    let Some(found) = kind.found(ctx.input.observation, &ctx.group, target)? else {
        let message = "the scaling configuration is gone";
        let item = done(leftover).item;
        return Ok(Some(missing(item, RestoreState::Restored, message)));
    };
    let short = found.short();
    if short == leftover.wanted {
        return Ok(Some(done(leftover)));
    }
    let wanted = ConfigurationContent::of_leftover(leftover);
    let Some(wanted) = wanted.filter(|_| Some(&short) == leftover.found.as_ref()) else {
        return Ok(None);
    };
    let mut need = done(leftover);
    need.item.state = RestoreState::Pending;
    need.item.found.clone_from(&leftover.found);
    need.call = Some(wanted.put(target, &found, true));
    Ok(Some(need))
}

/// Brings the record's list up to what this run has found in order, put back, or left.
pub(in crate::rollout) fn update(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    record: &mut ScalingGroupRecordStatus,
) -> Known<()> {
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    let items: Vec<&RestoreItem> = items.collect();
    let before = std::mem::take(&mut record.leftovers);
    let line = |item: &RestoreItem| {
        let same = before
            .iter()
            .find(|l| l.kind == item.kind && l.target == item.target);
        Leftover {
            kind: item.kind,
            target: item.target.clone(),
            wanted: item.wanted.clone(),
            found: item.found.clone(),
            containers: match same {
                Some(line) => line.containers.clone(),
                None => configuration::containers_of(ctx, status, item),
            },
            kept: item.kept,
            since: same.map_or(Time(ctx.now()), |line| line.since.clone()),
            by: same.map_or_else(|| ctx.path(), |line| line.by.clone()),
            message: item.message.clone(),
        }
    };
    // What was listed of this very run while its deletion waited is judged by what is known now.
    let own = ctx.record.runs.iter().find(|run| run.uid == ctx.uid);
    let mut leftovers: Vec<Leftover> = before
        .iter()
        .filter(|l| {
            let same = |item: &&&RestoreItem| item.kind == l.kind && item.target == l.target;
            items.iter().find(same).is_none() && own.is_none_or(|run| !run_left::is_of(run, l))
        })
        .cloned()
        .collect();
    if !leftovers.is_empty() {
        match ctx.input.observation.scaling_instances(&ctx.group) {
            // One that the list leaves out stays: see `needs`.
            Ok(instances) => leftovers.retain(|leftover| {
                let of = |i: &&ScalingInstance| i.id == leftover.target;
                let found = instances.iter().find(of);
                leftover.kind != RestoreKind::Standby
                    || found.is_none_or(|i| i.state == LifecycleState::Standby)
            }),
            Err(Missing::Read(queries)) => return Err(Missing::Read(queries)),
            // Not being able to look keeps them on the list, and nobody from the group.
            Err(Missing::Failed(_)) => {}
        }
    }
    let left = items
        .iter()
        .filter(|item| item.state == RestoreState::Left)
        .map(|item| line(item));
    leftovers.extend(left);
    // The newest are the ones that somebody will look for.
    let excess = leftovers.len().saturating_sub(LEFTOVERS_MAX);
    leftovers.drain(..excess);
    record.leftovers = leftovers;
    Ok(())
}
