//! Whether an update may start: everything that can be known to go wrong before anything is
//! touched.

use ess_rollout_api::kept;
use ess_rollout_api::v1alpha1::{
    EligibleState, Member, Place, Plan, RollbackMethod, RollbackSpec, Source,
};
use ess_rollout_cloud::{
    ExecutionFilter, GroupType, LifecycleState, Query, ScalingGroup, ScalingInstance,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{neighbours, run_keys};
use crate::batches;
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::others::{OTHERS_RUN, by, foreign_runs};
use crate::rollout::restore::{left, left_out};
use crate::rollout::rollback;
use crate::task::absence::ROLLING_TEMPLATES;
use crate::task::observation::Known;
use crate::task::problem::{self, Problem};
use crate::task::reason::Reason;

/// The most items that an OOS loop takes.
pub(in crate::rollout) const MAX_INSTANCES: usize = 1000;

/// How long after its creation an object may wait for a ConfigMap that was applied with it.
const NEW: SignedDuration = SignedDuration::from_mins(1);

/// The answer of preflight.
pub(in crate::rollout) enum PreflightResult {
    /// Nothing stands against it.
    Ready(Box<Ready>),
    /// This does.
    Problem(Problem),
}

/// What the start is derived from.
pub(in crate::rollout) struct Ready {
    /// The group and its members as they are. No members: there is nothing to update.
    pub(in crate::rollout) plan: Plan,
    /// The template's newest version.
    pub(in crate::rollout) template_version: String,
    /// Of a rollback: how it starts.
    pub(in crate::rollout) method: Option<RollbackMethod>,
    /// What a person should know, although nothing stands against the start.
    pub(in crate::rollout) notes: Vec<String>,
    /// Where it takes place.
    pub(in crate::rollout) place: Place,
}

/// What can be said against a task without looking at the cloud.
pub(in crate::rollout) fn check_spec(ctx: &Context<'_>) -> Option<Problem> {
    let settings = ctx.input.settings;
    if ctx.region.is_empty() {
        return Some(problem::region_missing());
    }
    let refused = problem::of_credentials(
        settings,
        &ctx.namespace,
        ctx.spec.policy.credentials_ref.is_some(),
        ctx.spec.policy.ram_role.as_deref(),
    );
    refused
        .or_else(|| not_kept(ctx))
        .or_else(|| ctx.update.check_spec())
}

/// The update that a rollback was found to be is kept in a Secret, and that is gone.
fn not_kept(ctx: &Context<'_>) -> Option<Problem> {
    let source = ctx.input.subject.status?.source.as_ref()?;
    let secret = kept::referred(source.kept_update.as_deref()?)?;
    Some(Problem::blocked(
        Reason::SecretMissing,
        format!(
            "Secret {secret} in the operator's namespace, which kept what this rollback goes back to, is missing: put it back, or say in a new Rollback by spec.to what to go back to"
        ),
    ))
}

/// What stands against what ConfigMaps hold. One that is applied together with the task may come a
/// little after it: that much is waited for before a person is called.
pub(in crate::rollout) fn check_config_maps(ctx: &Context<'_>) -> Option<Problem> {
    let mut problem = ctx.update.check_config_maps()?;
    let created = ctx.metadata.creation_timestamp.as_ref();
    problem.passes &= created.is_some_and(|created| ctx.waits().is_recent(created, NEW));
    Some(problem)
}

/// The group, if the credentials reach it and it is one that the update is for.
pub(in crate::rollout) fn usable_group<'a>(
    ctx: &Context<'a>,
) -> Known<Result<&'a ScalingGroup, Problem>> {
    let wanted = ctx.update.group_type();
    Ok(problem::usable_group(
        ctx.input.observation.scaling_group(&ctx.group)?.as_ref(),
        (ctx.field_of_group(), &ctx.group, &ctx.region),
        &wanted,
        match wanted {
            GroupType::Eci => {
                "there is no public template that updates containers of ECS instances; use update.image, update.script or update.package"
            }
            GroupType::Ecs | GroupType::Unknown(_) => {
                "container groups have no system disk and no Cloud Assistant, and the only public template for them updates their containers; use update.containerGroup"
            }
        },
    ))
}

/// Whether the update may start, as the cloud is now.
pub(in crate::rollout) fn check_cloud(ctx: &Context<'_>) -> Known<PreflightResult> {
    let observation = ctx.input.observation;
    let mut reads = vec![
        Query::ScalingGroup {
            group: ctx.group.clone(),
        },
        Query::ScalingInstances {
            group: ctx.group.clone(),
        },
        Query::ActivitiesInProgress {
            group: ctx.group.clone(),
        },
        Query::Executions(ExecutionFilter::ActiveByTemplate(ROLLING_TEMPLATES.into())),
        Query::Template {
            name: ctx.update.template().to_owned(),
        },
        Query::Account,
    ];
    reads.extend(ctx.update.reads());
    let undo = undo(ctx);
    reads.extend(
        undo.iter()
            .flat_map(|(_, source)| rollback::source::reads(source)),
    );
    observation.require(reads)?;

    let group = match usable_group(ctx)? {
        Ok(group) => group,
        Err(found) => return Ok(problem(found)),
    };
    let Some(template) = observation.template(ctx.update.template())? else {
        return Ok(problem(Problem::blocked(
            Reason::TemplateNotFound,
            format!(
                "OOS in {} has no public template {}: rolling updates are not offered there",
                ctx.region,
                ctx.update.template()
            ),
        )));
    };
    if let Some(other) = foreign_runs(ctx)?.first() {
        return Ok(problem(Problem::wait(
            OTHERS_RUN,
            format!(
                "execution {} ({}) of {} is updating the group; this task starts when it has ended",
                other.id,
                other.status,
                by(other)
            ),
        )));
    }
    if let Some((_, source)) = undo
        && let Some(mut found) = rollback::source::overtaken(ctx, source)?
    {
        if ctx.holds() && source.suspended {
            found.message.push_str(
                "; the update that it was to undo has been cancelled, and the group is put back",
            );
        }
        return Ok(problem(found));
    }
    if let Some(found) = neighbours::in_motion(ctx, group)? {
        return Ok(problem(found));
    }

    let mut eligible: Vec<&ScalingInstance> = observation
        .scaling_instances(&ctx.group)?
        .iter()
        .filter(|instance| is_eligible(ctx, instance))
        .collect();
    let suspended = suspended_processes(ctx, group);
    let mut method = None;
    if let Some((spec, source)) = undo {
        let all = observation.scaling_instances(&ctx.group)?;
        match rollback::scope::reach(ctx, spec, source, all, eligible, &suspended)? {
            Ok(reach) => (method, eligible) = (Some(reach.method), reach.instances),
            Err(found) => return Ok(problem(found)),
        }
    }
    eligible.sort_by(|a, b| a.id.cmp(&b.id));
    if eligible.len() > MAX_INSTANCES {
        return Ok(problem(Problem::blocked(
            Reason::TooManyInstances,
            format!(
                "{} instances are eligible, and an OOS loop takes at most {MAX_INSTANCES}",
                eligible.len()
            ),
        )));
    }
    let ids: Vec<String> = eligible
        .iter()
        .map(|instance| instance.id.clone())
        .collect();
    let mut reads = Vec::new();
    if !ids.is_empty() {
        reads.push(ctx.update.compute_query(&ids));
    }
    let configuration = group.active_scaling_configuration.as_deref();
    let kind = ctx.update.content_kind();
    reads.extend(configuration.map(|id| kind.query(id)));
    observation.require(reads)?;
    let computes = if ids.is_empty() {
        Vec::new()
    } else {
        ctx.update.compute(observation, &ids)?
    };
    if let Some(found) = ctx.update.check_members(observation, group, &ids)? {
        return Ok(problem(found));
    }
    if let Some(found) = not_shown(ctx, &ids, &computes, configuration)? {
        return Ok(problem(found));
    }
    let mut notes = ctx.update.notes(observation, group, &ids)?;
    notes.extend(run_keys::note(ctx));
    match neighbours::look(ctx)? {
        Ok(more) => notes.extend(more),
        Err(found) => return Ok(problem(found)),
    }
    let changed = undo.and_then(|(_, source)| source.scaling_configuration_id.as_deref());
    if let Some(changed) = changed
        && let Some(active) = group.active_scaling_configuration.as_deref()
        && active != changed
    {
        notes.push(format!(
            "the update changed scaling configuration {changed}, which goes back; {active} is active by now and is left alone"
        ));
    }

    let left_out = left_out::at_start(ctx, observation.scaling_instances(&ctx.group)?, &ids);
    if let Some(note) = left_out::note(&left_out) {
        notes.push(note);
    }

    let batches = match batches::count(
        ctx.spec.policy.batches,
        ctx.spec.policy.batch_size.as_ref(),
        ids.len(),
    ) {
        Ok(batches) => batches,
        Err(message) => return Ok(problem(Problem::blocked(Reason::TooManyBatches, message))),
    };
    let image_of = |id: &str| compute::of(&computes, id)?.image.clone();
    let stopped = |id: &str| compute::of(&computes, id).is_some_and(|c| c.power != Power::Running);
    let members: Vec<Member> = eligible
        .iter()
        .zip(batches::assign(ids.len(), batches))
        .map(|(instance, batch)| Member {
            id: instance.id.clone(),
            batch,
            protected: instance.state == LifecycleState::Protected,
            stopped: stopped(&instance.id),
            image_id: image_of(&instance.id),
        })
        .collect();
    let source_image_id = match members.split_first() {
        Some((first, rest)) if rest.iter().all(|m| m.image_id == first.image_id) => {
            first.image_id.clone()
        }
        _ => None,
    };
    let mut plan = Plan {
        time: Some(Time(ctx.input.now)),
        batches,
        scaling_configuration_id: configuration.map(str::to_owned),
        suspended_processes: suspended,
        source_image_id,
        left_out: Some(left_out),
        members,
        ..Plan::default()
    };
    if let Some(id) = configuration {
        let found = kind.found(observation, &ctx.group, id)?;
        let baseline = ctx.record.baseline.as_ref();
        let inherited = baseline
            .filter(|_| ctx.inherits_baseline())
            .filter(|b| b.scaling_configuration_id.as_deref() == configuration)
            .and_then(|baseline| kind.recorded(baseline));
        let content = inherited.or_else(|| left::content_as_found(ctx, kind, id, found));
        if let Some(content) = content {
            content.record(&mut plan);
        }
    }
    ctx.update.complete(observation, &mut plan)?;
    Ok(PreflightResult::Ready(Box::new(Ready {
        plan,
        template_version: template.version.clone(),
        method,
        notes,
        place: ctx.place()?,
    })))
}

/// What has to be there and is in no answer: what the instances run, and what new ones get, would be missing from the plan,
/// and with it the way back.
fn not_shown(
    ctx: &Context<'_>,
    ids: &[String],
    computes: &[Compute],
    configuration: Option<&str>,
) -> Known<Option<Problem>> {
    let missing = |what: String, grant: &str| {
        let message = format!(
            "no answer shows {what}; this task starts when one does; where the credentials in use may not see it, grant {grant}"
        );
        // Nobody promises that one does.
        Problem::wait(Reason::NotShown, message).counted()
    };
    if let Some(id) = ids.iter().find(|id| compute::of(computes, id).is_none()) {
        let grant = match ctx.update.group_type() {
            GroupType::Eci => "eci:DescribeContainerGroups",
            GroupType::Ecs | GroupType::Unknown(_) => "ecs:DescribeInstances",
        };
        let what = format!("the {} of {id}, which is in service", ctx.update.noun());
        return Ok(Some(missing(what, grant)));
    }
    let (kind, observation) = (ctx.update.content_kind(), ctx.input.observation);
    if let Some(id) = configuration.filter(|_| ctx.update.brings().is_some())
        && kind.found(observation, &ctx.group, id)?.is_none()
    {
        let what = format!("scaling configuration {id}, which is active");
        return Ok(Some(missing(what, "reading it")));
    }
    Ok(None)
}

/// What a rollback undoes, once that was found.
fn undo<'a>(ctx: &Context<'a>) -> Option<(&'a RollbackSpec, &'a Source)> {
    let status = ctx.input.subject.status;
    Some((ctx.undo?.spec, status?.source.as_ref()?))
}

/// The processes that stay suspended afterwards: as the group is, or as it was found by the run
/// whose baseline is inherited.
fn suspended_processes(ctx: &Context<'_>, group: &ScalingGroup) -> Vec<String> {
    let baseline = ctx.record.baseline.as_ref();
    match baseline.filter(|_| ctx.inherits_baseline()) {
        Some(baseline) => baseline.suspended_processes.clone(),
        None => left::suspended_as_found(ctx, group),
    }
}

fn problem(problem: Problem) -> PreflightResult {
    PreflightResult::Problem(problem)
}

pub(in crate::rollout) fn is_eligible(ctx: &Context<'_>, instance: &ScalingInstance) -> bool {
    let state = match instance.state {
        LifecycleState::InService => EligibleState::InService,
        LifecycleState::Protected => EligibleState::Protected,
        _ => return false,
    };
    ctx.spec.lifecycle_states.contains(&state) && ctx.update.takes(&instance.creation_type)
}
