//! Whether an update may start: everything that can be known to go wrong before anything is
//! touched.

use ess_rollout_api::v1alpha1::{
    EligibleState, Member, Plan, RollbackMethod, RollbackSpec, Source,
};
use ess_rollout_cloud::{
    EcsInstance, EcsStatus, Execution, ExecutionFilter, GroupState, LifecycleState, Query,
    ScalingGroup, ScalingInstance,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::leftovers;
use super::rollback;
use crate::observation::Known;
use crate::problem::{self, Problem};
use crate::{batches, identity};

/// The most items that an OOS loop takes.
pub(super) const MAX_INSTANCES: usize = 1000;

/// Part of the name of every public rolling-update template.
pub(super) const ROLLING_TEMPLATES: &str = "ACS-ESS-RollingUpdate";

/// The answer of preflight.
pub(super) enum Verdict {
    /// Nothing stands against it.
    Ready(Ready),
    /// This does.
    Problem(Problem),
}

/// What the start is derived from.
pub(super) struct Ready {
    /// The group and its members as they are. No members: there is nothing to update.
    pub(super) plan: Plan,
    /// The template's newest version.
    pub(super) template_version: String,
    /// Of a rollback: how it starts.
    pub(super) method: Option<RollbackMethod>,
    /// What a person should know, although nothing stands against the start.
    pub(super) notes: Vec<String>,
}

/// What can be said against a task without looking at the cloud.
pub(super) fn check_spec(ctx: &Context<'_>) -> Option<Problem> {
    let settings = ctx.input.settings;
    if ctx.region.is_empty() {
        return Some(Problem::blocked(
            "RegionMissing",
            "spec.regionId is not set and the operator has no default region: set it in a new task, or start the operator with --region".into(),
        ));
    }
    let refused = problem::of_credentials(
        settings,
        &ctx.namespace,
        ctx.spec.credentials_ref.is_some(),
        ctx.spec.ram_role.as_deref(),
    );
    refused.or_else(|| ctx.kind.check_spec())
}

/// Whether the update may start, as the cloud is now.
pub(super) fn check_cloud(ctx: &Context<'_>) -> Known<Verdict> {
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
            name: ctx.kind.template().to_owned(),
        },
    ];
    reads.extend(ctx.kind.reads());
    let undo = undo(ctx);
    reads.extend(
        undo.iter()
            .flat_map(|(_, source)| rollback::takeover::reads(source)),
    );
    observation.require(reads)?;

    let Some(group) = observation.scaling_group(&ctx.group)? else {
        return Ok(problem(Problem::blocked(
            "ScalingGroupNotFound",
            format!(
                "spec.scalingGroupId: scaling group {} does not exist in {}, or these credentials cannot see it",
                ctx.group, ctx.region
            ),
        )));
    };
    if group.group_type != ctx.kind.group_type() {
        return Ok(problem(Problem::blocked(
            "ScalingGroupTypeMismatch",
            format!(
                "scaling group {} is of type {}, and this update is for {} groups",
                ctx.group,
                group.group_type,
                ctx.kind.group_type()
            ),
        )));
    }
    if group.state != GroupState::Active {
        return Ok(problem(Problem::blocked(
            "ScalingGroupNotActive",
            format!(
                "scaling group {} is {}: enable it in the ESS console",
                ctx.group, group.state
            ),
        )));
    }
    let Some(template) = observation.template(ctx.kind.template())? else {
        return Ok(problem(Problem::blocked(
            "TemplateNotFound",
            format!(
                "OOS in {} has no public template {}: rolling updates are not offered there",
                ctx.region,
                ctx.kind.template()
            ),
        )));
    };
    if let Some(other) = foreign_runs(ctx)?.first() {
        return Ok(problem(Problem::wait(
            "RollingUpdateInProgress",
            format!(
                "execution {} ({}) of {} is updating the group; this task starts when it has ended",
                other.id,
                other.status,
                by(other)
            ),
        )));
    }
    if let Some(activity) = observation.activities(&ctx.group)?.first() {
        return Ok(problem(Problem::wait(
            "ScalingActivityInProgress",
            format!(
                "scaling activity {} is in progress ({}); this task starts when it has ended",
                activity.id, activity.description
            ),
        )));
    }
    if group.instances_in_motion > 0 {
        return Ok(problem(Problem::wait(
            "ScalingActivityInProgress",
            "instances are joining or leaving the group; this task starts when they have".into(),
        )));
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
            "TooManyInstances",
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
        reads.push(Query::EcsInstances {
            instances: ids.clone(),
        });
    }
    let configuration = group.active_scaling_configuration.as_deref();
    if let Some(configuration) = configuration {
        reads.push(Query::ScalingConfiguration {
            configuration: configuration.to_owned(),
        });
    }
    observation.require(reads)?;
    let none = Vec::new();
    let instances: &Vec<EcsInstance> = if ids.is_empty() {
        &none
    } else {
        observation.ecs_instances(&ids)?
    };
    if let Some(found) = ctx.kind.check_cloud(observation, group, instances)? {
        return Ok(problem(found));
    }
    let notes = ctx.kind.notes(observation, group, instances)?;

    let batches = match batches::count(ctx.spec.batches, ctx.spec.batch_size.as_ref(), ids.len()) {
        Ok(batches) => batches,
        Err(message) => return Ok(problem(Problem::blocked("TooManyBatches", message))),
    };
    let image_of = |id: &str| {
        instances
            .iter()
            .find(|i| i.id == id)
            .map(|i| i.image.clone())
    };
    let stopped = |id: &str| {
        let found = instances.iter().find(|i| i.id == id);
        found.is_some_and(|i| i.status != EcsStatus::Running)
    };
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
    let configuration_image = match configuration {
        Some(id) => observation
            .scaling_configuration(id)?
            .as_ref()
            .and_then(|c| c.image.clone()),
        None => None,
    };
    let baseline = ctx.record.baseline.as_ref();
    let baseline = baseline.filter(|_| ctx.inherits_baseline());
    Ok(Verdict::Ready(Ready {
        plan: Plan {
            time: Some(Time(ctx.input.now)),
            batches,
            scaling_configuration_id: configuration.map(str::to_owned),
            scaling_configuration_image_id: baseline
                .filter(|b| b.scaling_configuration_id.as_deref() == configuration)
                .and_then(|b| b.image_id.clone())
                .or_else(|| image_as_found(ctx, configuration, configuration_image)),
            suspended_processes: suspended,
            source_image_id,
            members,
        },
        template_version: template.version.clone(),
        method,
        notes,
    }))
}

/// The image of the active scaling configuration, as people want it.
fn image_as_found(
    ctx: &Context<'_>,
    configuration: Option<&str>,
    found: Option<String>,
) -> Option<String> {
    leftovers::image_as_found(ctx, configuration?, found)
}

/// What a rollback undoes, once that was found.
fn undo<'a>(ctx: &Context<'a>) -> Option<(&'a RollbackSpec, &'a Source)> {
    let subject = ctx.input.subject;
    Some((subject.undo?.spec, subject.status?.source.as_ref()?))
}

/// The processes that stay suspended afterwards: as the group is, or as it was found by the run
/// whose baseline is inherited.
fn suspended_processes(ctx: &Context<'_>, group: &ScalingGroup) -> Vec<String> {
    let baseline = ctx.record.baseline.as_ref();
    match baseline.filter(|_| ctx.inherits_baseline()) {
        Some(baseline) => baseline.suspended_processes.clone(),
        None => leftovers::suspended_as_found(ctx, group),
    }
}

fn problem(problem: Problem) -> Verdict {
    Verdict::Problem(problem)
}

pub(super) fn is_eligible(ctx: &Context<'_>, instance: &ScalingInstance) -> bool {
    let state = match instance.state {
        LifecycleState::InService => EligibleState::InService,
        LifecycleState::Protected => EligibleState::Protected,
        _ => return false,
    };
    // The templates list instances of these creation types only.
    ctx.spec.lifecycle_states.contains(&state)
        && matches!(instance.creation_type.as_str(), "AutoCreated" | "Attached")
}

/// Rolling updates of others on this group that have not ended: of the console, the command line,
/// another cluster.
pub(super) fn foreign_runs<'a>(ctx: &Context<'a>) -> Known<Vec<&'a Execution>> {
    let filter = ExecutionFilter::ActiveByTemplate(ROLLING_TEMPLATES.into());
    let listed = ctx.input.observation.executions(&filter)?;
    Ok(of_others(ctx, listed))
}

/// Those of the listed executions that update this group, have not ended and are not of this task.
pub(super) fn of_others<'a>(ctx: &Context<'_>, listed: &'a [Execution]) -> Vec<&'a Execution> {
    let source = ctx.input.subject.status.and_then(|s| s.source.as_ref());
    listed
        .iter()
        .filter(|execution| updates_group(ctx, execution) && !execution.status.is_final())
        .filter(|execution| execution.tags.get(identity::TAG_UID) != Some(&ctx.uid))
        // A suspended source is cancelled before anything else.
        .filter(|execution| source.is_none_or(|source| source.execution_id != execution.id))
        .collect()
}

/// Whether this is a rolling update of the group, by whomever.
pub(super) fn updates_group(ctx: &Context<'_>, execution: &Execution) -> bool {
    let parameter = execution
        .parameters
        .get("scalingGroupId")
        .and_then(|v| v.as_str());
    let tag = execution
        .tags
        .get(identity::TAG_SCALING_GROUP)
        .map(String::as_str);
    parameter.or(tag) == Some(ctx.group.as_str())
        && execution.parent.is_none()
        // A schedule waits by nature and updates nothing while it does.
        && execution.category != "TimerTrigger"
}

fn by(execution: &Execution) -> &str {
    if execution.executed_by.is_empty() {
        "somebody else"
    } else {
        &execution.executed_by
    }
}
