//! What runs before left changed: lines of the group's record that outlive their tasks. The next run
//! takes them up, puts back what it can, and drops the lines that are done.

use std::collections::BTreeSet;
use std::slice::from_ref;

use ess_rollout_api::v1alpha1::{
    FailedInstancePolicy, Leftover, Plan, RestoreItem, RestoreKind, RestorePolicy, RestoreState,
    RollingUpdateTaskStatus, ScalingGroupRecordStatus,
};
use ess_rollout_cloud::{LifecycleState, Query, ScalingGroup, ScalingInstance};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub(in crate::rollout) use super::run_left::LEFTOVERS_MAX;

use super::need::{self, Need, Thing as _};
use super::{configuration, processes, run_left, standby};
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::kind::content::{ConfigurationContent, ContentKind};
use crate::rollout::kind::if_read;
use crate::task::observation::Known;

/// The most lines that one run takes up, so that its own items have room beside them.
const TAKEN_UP_MAX: usize = 500;

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
    let kinds = [RestoreKind::Standby, RestoreKind::StoppedInstance];
    let left = taken_up(ctx).into_iter();
    let left = left.filter(|leftover| kinds.contains(&leftover.kind));
    let left = left.map(|leftover| leftover.target.clone());
    let ids: BTreeSet<String> = members.map(|member| member.id).chain(left).collect();
    ids.into_iter().collect()
}

/// What stands behind these; nothing is asked for nobody.
pub(super) fn computes(ctx: &Context<'_>, ids: &[String]) -> Known<Vec<Compute>> {
    match ids {
        [] => Ok(Vec::new()),
        ids => ctx.update.compute(ctx.input.observation, ids),
    }
}

/// All instances that the record lists.
pub(super) fn all_instances<'a>(ctx: &'a Context<'_>) -> impl Iterator<Item = String> + 'a {
    let all = ctx.record.leftovers.iter();
    all.filter(|leftover| need::is_of_instance(leftover.kind))
        .map(|leftover| leftover.target.clone())
}

/// What [`needs`] reads beyond the group and its instances.
pub(super) fn reads<'a>(ctx: &'a Context<'_>) -> impl Iterator<Item = Query> + 'a {
    let changed = taken_up(ctx).into_iter().filter(|l| l.found.is_some());
    changed.filter_map(|l| Some(ContentKind::of_kind(l.kind)?.query(&l.target)))
}

/// What of it is to be put back now, besides what this run has to put back itself.
pub(super) fn needs(
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
            && need::is_of_instance(leftover.kind)
            && ctx.spec.policy.restore_policy != RestorePolicy::Manual
            && instances.iter().all(|i| i.id != leftover.target)
    });
    for leftover in taken_up.iter().copied().chain(kept) {
        let (kind, target) = (leftover.kind, leftover.target.as_str());
        let mut known = own.iter().chain(&needs);
        if known.any(|need| need.item.thing() == leftover.thing()) {
            continue;
        }
        let state = instances.iter().find(|i| i.id == target).map(|i| &i.state);
        let in_standby = state == Some(&LifecycleState::Standby);
        let runs = compute::of(computes, target).is_some_and(|c| c.power == Power::Running);
        let found = match kind {
            RestoreKind::Process => processes::needs(ctx, group, from_ref(&leftover.target)).pop(),
            RestoreKind::ScalingConfigurationImage
            | RestoreKind::ScalingConfigurationContainers => content(ctx, leftover)?,
            _ if state.is_none() => Some(standby::left_group(of(leftover))),
            // Nobody knows what it is in: it stays on the list.
            _ if matches!(state, Some(LifecycleState::Unknown(_))) => None,
            RestoreKind::Standby if in_standby => {
                Some(standby::back_to_service(ctx, target, false, computes))
            }
            RestoreKind::Protection if state == Some(&LifecycleState::InService) => {
                Some(standby::protect(ctx, target))
            }
            // Waits for the instance to serve again, and is in Standby's hands.
            RestoreKind::Protection if in_standby => None,
            RestoreKind::StoppedInstance if in_standby && !runs => None,
            RestoreKind::Standby | RestoreKind::Protection | RestoreKind::StoppedInstance => {
                Some(of(leftover).restored())
            }
        };
        needs.extend(found);
    }
    Ok(needs)
}

fn of(leftover: &Leftover) -> Need {
    Need::wanting(leftover.kind, &leftover.target, &leftover.wanted)
}

/// `None`: somebody has changed the configuration since, and it stays on the list as it is.
fn content(ctx: &Context<'_>, leftover: &Leftover) -> Known<Option<Need>> {
    let kind = ContentKind::of_kind(leftover.kind);
    let Some(kind) = kind.filter(|_| leftover.found.is_some()) else {
        return Ok(None);
    };
    let (target, need) = (&leftover.target, of(leftover));
    let Some(found) = kind.found(ctx.input.observation, &ctx.group, target)? else {
        let gone = need.in_no_answer(RestoreState::Restored, configuration::GONE);
        return Ok(Some(gone));
    };
    let short = found.short();
    if short == leftover.wanted {
        return Ok(Some(need.restored()));
    }
    let wanted = ConfigurationContent::of_leftover(leftover);
    let Some(wanted) = wanted.filter(|_| Some(&short) == leftover.found.as_ref()) else {
        return Ok(None);
    };
    let mut need = need.by(wanted.put(target, &found, true));
    need.item.found = Some(short);
    Ok(Some(need))
}

/// Brings the record's list up to what this run has found in order, put back, or left.
pub(in crate::rollout) fn update(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    record: &mut ScalingGroupRecordStatus,
) -> Known<()> {
    let items: Vec<&RestoreItem> = need::items(status).collect();
    let before = std::mem::take(&mut record.leftovers);
    let line = |item: &RestoreItem| {
        let known = before.iter().find(|line| line.thing() == item.thing());
        let known = known.cloned().unwrap_or_else(|| Leftover {
            containers: configuration::containers_of(ctx, status, item),
            ..run_left::line(item.thing(), Time(ctx.now()), ctx.path(), "")
        });
        Leftover {
            wanted: item.wanted.clone(),
            found: item.found.clone(),
            kept: item.kept,
            message: item.message.clone(),
            ..known
        }
    };
    // What was listed of this very run while its deletion waited is judged by what is known now.
    let own = ctx.record.runs.iter().find(|run| run.uid == ctx.uid);
    let mut leftovers = before.clone();
    leftovers.retain(|line| {
        items.iter().all(|item| item.thing() != line.thing())
            && own.is_none_or(|run| !run_left::is_of(run, line))
    });
    if !leftovers.is_empty() {
        // Not being able to look keeps them on the list, and nobody from the group.
        let instances = if_read(ctx.input.observation.scaling_instances(&ctx.group))?;
        let instances = instances.map_or(&[][..], |instances| instances);
        // One that the list leaves out stays: see `needs`.
        leftovers.retain(|line| {
            let mut of_line = instances.iter().filter(|i| i.id == line.target);
            line.kind != RestoreKind::Standby || of_line.all(|i| i.state.may_be_standby())
        });
    }
    let left = items.into_iter().filter(|i| i.state == RestoreState::Left);
    leftovers.extend(left.map(line));
    run_left::keep_newest(&mut leftovers);
    record.leftovers = leftovers;
    Ok(())
}
