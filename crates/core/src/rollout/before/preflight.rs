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

use super::refusal::unless;
use super::{calendar, checks, neighbours, run_keys};
use crate::batches;
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::kind::Eligible;
use crate::rollout::kind::content::ConfigurationContent;
use crate::rollout::others::{OTHERS_RUN, by, foreign_runs};
use crate::rollout::progress::durations;
use crate::rollout::restore::{left, left_out};
use crate::rollout::rollback;
use crate::task::absence::ROLLING_TEMPLATES;
use crate::task::observation::Known;
use crate::task::problem::{self, Checked, Problem};
use crate::task::reason::Reason;

/// The most items that an OOS loop takes.
pub(in crate::rollout) const MAX_INSTANCES: usize = 1000;

/// How long after its creation an object may wait for a ConfigMap that was applied with it.
const NEW: SignedDuration = SignedDuration::from_mins(1);

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
    if ctx.region.is_empty() {
        return Some(problem::region_missing());
    }
    let policy = &ctx.spec.policy;
    let refused = problem::of_credentials(
        ctx.input.settings,
        &ctx.namespace,
        policy.credentials_ref.is_some(),
        policy.ram_role.as_deref(),
    );
    refused
        .or_else(|| not_kept(ctx))
        .or_else(|| calendar::check_spec(ctx))
        .or_else(|| ctx.update.check_spec())
}

/// The update that a rollback was found to be is kept in a Secret, and that is gone.
fn not_kept(ctx: &Context<'_>) -> Option<Problem> {
    let source = ctx.input.subject.status?.source.as_ref()?;
    let secret = kept::referred(source.kept_update.as_deref()?)?;
    let message = format!(
        "Secret {secret} in the operator's namespace, which kept what this rollback goes back to, is missing: put it back, or say in a new Rollback by spec.to what to go back to"
    );
    Some(Problem::blocked(Reason::SecretMissing, message))
}

/// What stands against what ConfigMaps hold. One that is applied together with the task may come a
/// little after it: that much is waited for before a person is called.
pub(in crate::rollout) fn check_config_maps(ctx: &Context<'_>) -> Option<Problem> {
    let mut problem = ctx.update.scripts()?.problem(true)?.clone();
    let created = ctx.metadata.creation_timestamp.as_ref();
    problem.passes &= created.is_some_and(|created| ctx.waits().is_recent(created, NEW));
    Some(problem)
}

/// The group, if the credentials reach it and it is one that the update is for.
pub(super) fn usable_group<'a>(ctx: &Context<'a>) -> Checked<&'a ScalingGroup> {
    let wanted = ctx.update.group_type();
    let instead = match wanted {
        GroupType::Eci => {
            "there is no public template that updates containers of ECS instances; use update.image, update.script or update.package"
        }
        GroupType::Ecs | GroupType::Unknown(_) => {
            "container groups have no system disk and no Cloud Assistant, and the only public template for them updates their containers; use update.containerGroup"
        }
    };
    let group = ctx.input.observation.scaling_group(&ctx.group)?.as_ref();
    let names = (ctx.field_of_group(), &*ctx.group, &*ctx.region);
    Ok(problem::usable_group(group, names, &wanted, instead)?)
}

/// Whether the update may start, as the cloud is now.
pub(in crate::rollout) fn check_cloud(ctx: &Context<'_>) -> Checked<Ready> {
    let observation = ctx.input.observation;
    let undo = undo(ctx);
    observation.require(reads(ctx, undo))?;
    let group = usable_group(ctx)?;
    let template = observation.template(ctx.update.template())?.as_ref();
    let template = template.ok_or_else(|| not_offered(ctx))?;
    check_others(ctx, group, undo)?;

    let suspended = suspended_processes(ctx, group);
    let (method, eligible) = members(ctx, undo, &suspended)?;
    let ids: Vec<String> = eligible.iter().map(|i| i.id.clone()).collect();
    let configuration = group.active_scaling_configuration.as_deref();
    let computes = computes(ctx, &ids, configuration)?;
    let looked_at = Eligible {
        observation,
        group,
        ids: &ids,
    };
    unless(ctx.update.check_cloud(&looked_at)?)?;
    unless(not_shown(ctx, &ids, &computes, configuration)?)?;

    let mut notes = ctx.update.notes(&looked_at)?;
    notes.extend(run_keys::note(ctx));
    notes.extend(neighbours::look(ctx)?);
    notes.extend(undo.and_then(|(_, source)| left_alone(source, configuration?)));
    let left_out = left_out::at_start(ctx, observation.scaling_instances(&ctx.group)?, &ids);
    notes.extend(left_out::note(&left_out));

    let policy = &ctx.spec.policy;
    let batches = batches::count(policy.batches, policy.batch_size.as_ref(), ids.len())
        .map_err(|message| Problem::blocked(Reason::TooManyBatches, message))?;
    unless(calendar::unknown(ctx))?;
    unless(calendar::too_long_between(ctx, batches))?;
    notes.extend(durations::note(ctx, ids.len(), batches));
    notes.extend(calendar::notes(ctx, batches));
    notes.extend(checks::look(ctx, group)?);
    let member = |(instance, batch): (&&ScalingInstance, i32)| {
        let compute = compute::of(&computes, &instance.id);
        Member {
            id: instance.id.clone(),
            batch,
            protected: instance.state == LifecycleState::Protected,
            stopped: compute.is_some_and(|compute| compute.power != Power::Running),
            image_id: compute.and_then(|compute| compute.image.clone()),
        }
    };
    let batch_of = batches::assign(ids.len(), batches);
    let members: Vec<Member> = eligible.iter().zip(batch_of).map(member).collect();
    let image = members.first().and_then(|first| first.image_id.clone());
    let mut plan = Plan {
        time: Some(Time(ctx.input.now)),
        batches,
        scaling_configuration_id: configuration.map(str::to_owned),
        monitor_group_id: checks::monitor_group(ctx, group),
        suspended_processes: suspended,
        source_image_id: image.filter(|image| {
            let mut all = members.iter().map(|member| member.image_id.as_ref());
            all.all(|other| other == Some(image))
        }),
        left_out: Some(left_out),
        members,
        ..Plan::default()
    };
    if let Some(id) = configuration
        && let Some(content) = content_before(ctx, id)?
    {
        content.record(&mut plan);
    }
    ctx.update.complete(observation, &mut plan)?;
    unless(rollback::automatic::no_way_back(ctx, &plan))?;
    Ok(Ready {
        plan,
        template_version: template.version.clone(),
        method,
        notes,
        place: ctx.place()?,
    })
}

/// What can be asked before anything is known.
fn reads(ctx: &Context<'_>, undo: Option<(&RollbackSpec, &Source)>) -> Vec<Query> {
    let group = || ctx.group.clone();
    let mut reads = vec![
        Query::ScalingGroup { group: group() },
        Query::ScalingInstances { group: group() },
        Query::ActivitiesInProgress { group: group() },
        Query::Executions(ExecutionFilter::ActiveByTemplate(ROLLING_TEMPLATES.into())),
        Query::Template {
            name: ctx.update.template().to_owned(),
        },
        Query::Account,
    ];
    reads.extend(ctx.update.reads());
    if let Some((_, source)) = undo {
        reads.extend(rollback::source::reads(source));
    }
    reads
}

fn not_offered(ctx: &Context<'_>) -> Problem {
    let (region, template) = (&ctx.region, ctx.update.template());
    let message = format!(
        "OOS in {region} has no public template {template}: rolling updates are not offered there"
    );
    Problem::blocked(Reason::TemplateNotFound, message)
}

/// Whether others are at work on the group, or have been since what is undone was found.
fn check_others(
    ctx: &Context<'_>,
    group: &ScalingGroup,
    undo: Option<(&RollbackSpec, &Source)>,
) -> Checked<()> {
    if let Some(other) = foreign_runs(ctx)?.first() {
        let message = format!(
            "execution {} ({}) of {} is updating the group; this task starts when it has ended",
            other.id,
            other.status,
            by(other)
        );
        return Err(Problem::wait(OTHERS_RUN, message).into());
    }
    if let Some((_, source)) = undo
        && let Some(mut found) = rollback::source::overtaken(ctx, source)?
    {
        if ctx.holds() && source.suspended {
            found.message.push_str(
                "; the update that it was to undo has been cancelled, and the group is put back",
            );
        }
        return Err(found.into());
    }
    neighbours::in_motion(ctx, group)
}

/// Whom the update takes, by their ids; and of a rollback how it starts.
fn members<'a>(
    ctx: &Context<'a>,
    undo: Option<(&RollbackSpec, &Source)>,
    suspended: &[String],
) -> Checked<(Option<RollbackMethod>, Vec<&'a ScalingInstance>)> {
    let all = ctx.input.observation.scaling_instances(&ctx.group)?;
    let eligible = all.iter().filter(|instance| is_eligible(ctx, instance));
    let (mut method, mut eligible) = (None, eligible.collect());
    if let Some((spec, source)) = undo {
        let reach = rollback::scope::reach(ctx, spec, source, all, eligible, suspended)??;
        (method, eligible) = (Some(reach.method), reach.instances);
    }
    eligible.sort_by(|a, b| a.id.cmp(&b.id));
    if eligible.len() > MAX_INSTANCES {
        let message = format!(
            "{} instances are eligible, and an OOS loop takes at most {MAX_INSTANCES}",
            eligible.len()
        );
        return Err(Problem::blocked(Reason::TooManyInstances, message).into());
    }
    Ok((method, eligible))
}

/// What stands behind the members. The active scaling configuration is read beside it.
fn computes(ctx: &Context<'_>, ids: &[String], configuration: Option<&str>) -> Known<Vec<Compute>> {
    let observation = ctx.input.observation;
    let members = (!ids.is_empty()).then(|| ctx.update.compute_query(ids));
    let configuration = configuration.map(|id| ctx.update.content_kind().query(id));
    observation.require(members.into_iter().chain(configuration))?;
    match ids.is_empty() {
        true => Ok(Vec::new()),
        false => ctx.update.compute(observation, ids),
    }
}

/// What a rollback does not put back: another scaling configuration than the update had changed.
fn left_alone(source: &Source, active: &str) -> Option<String> {
    let changed = source.scaling_configuration_id.as_deref();
    changed.filter(|changed| *changed != active).map(|changed| {
        format!(
            "the update changed scaling configuration {changed}, which goes back; {active} is active by now and is left alone"
        )
    })
}

/// What the active scaling configuration goes back to.
fn content_before(ctx: &Context<'_>, id: &str) -> Known<Option<ConfigurationContent>> {
    let kind = ctx.update.content_kind();
    let found = kind.found(ctx.input.observation, &ctx.group, id)?;
    let baseline = ctx.record.baseline.as_ref();
    let inherited = baseline
        .filter(|_| ctx.inherits_baseline())
        .filter(|baseline| baseline.scaling_configuration_id.as_deref() == Some(id))
        .and_then(|baseline| kind.recorded(baseline));
    Ok(inherited.or_else(|| left::content_as_found(ctx, kind, id, found)))
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

pub(in crate::rollout) fn is_eligible(ctx: &Context<'_>, instance: &ScalingInstance) -> bool {
    let state = match instance.state {
        LifecycleState::InService => EligibleState::InService,
        LifecycleState::Protected => EligibleState::Protected,
        _ => return false,
    };
    ctx.spec.lifecycle_states.contains(&state) && ctx.update.takes(&instance.creation_type)
}
