//! An object whose execution is known from elsewhere than its status: from the annotation, after a
//! restore from backup, which keeps metadata and drops the status.
//!
//! It never starts a second execution, and touches none that is somebody else's.

use std::time::Duration;

use ess_rollout_api::EXECUTION_ID_ANNOTATION;
use ess_rollout_api::v1alpha1::{
    ExecutionRef, Member, Outcome, Place, Plan, RollingUpdateTaskStatus, ScalingGroupRecordStatus,
    ScriptHashes, StartIntent, SuspensionPolicy,
};
use ess_rollout_cloud::{Execution, ExecutionFilter, LifecycleState, Query, ScalingInstance};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{cancel, starting};
use crate::rollout::before::{preflight, refusal};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Event, Next};
use crate::rollout::execution::reference;
use crate::rollout::kind::{self, content};
use crate::rollout::parameters::{list, text};
use crate::rollout::report::{self, Phase};
use crate::rollout::requests::thaw;
use crate::rollout::restore::{record, run_end};
use crate::rollout::{result, scripts};
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::conditions::shorten;
use crate::task::observation::Known;
use crate::task::problem::Problem;
use crate::task::reason::Reason;
use crate::{batches, identity};

/// How often a rollback looks whether an execution that it does not follow has ended.
const LOOK_FOR_THE_END: Duration = Duration::from_secs(300);

/// The value that the annotation must have and has not: metadata survives a restore, a status does
/// not.
pub(in crate::rollout) fn missing_annotation(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<String> {
    if ctx.deleting.is_some() {
        return None;
    }
    let execution = status.execution.as_ref()?;
    let (namespace, name) = (&ctx.namespace, &ctx.name);
    let value =
        identity::execution_annotation(namespace, name, &ctx.annotation_hash(), &execution.id);
    (ctx.annotation(EXECUTION_ID_ANNOTATION) != Some(value.as_str())).then_some(value)
}

/// An object without a status whose annotation names its execution: that is followed, whatever it
/// has come to, and no other is started. `None`: there is no such annotation, or it was written for
/// another object.
pub(super) fn restored(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    let Some(id) = ctx
        .annotated_execution()
        .filter(|_| !ctx.deletion_overdue())
    else {
        return Ok(None);
    };
    // Of a rollback it is not known yet what it undoes, and so not whether that is supported.
    if ctx.undo.is_none() && preflight::check_spec(ctx).is_some() {
        return Ok(None);
    }
    let found = absence::execution(ctx.input.observation, id, ROLLING_TEMPLATES)?;
    let Some(execution) = found else {
        return Ok(Some(not_listed(ctx, status.clone(), id)));
    };
    let ends = cancel::reason(ctx, status).is_some();
    if !is_own(ctx, execution) {
        if ends {
            return Ok(None);
        }
        let message = format!(
            "annotation {EXECUTION_ID_ANNOTATION} names execution {id}, which is not of this object: nothing is started; remove the annotation to run the update anew, or delete this object"
        );
        let problem = Problem::blocked(Reason::ExecutionIdMismatch, message);
        return Ok(Some(refusal::refuse(ctx, status.clone(), &problem)));
    }
    match ctx.undo {
        // Its execution is left to itself: what it undoes, and so what it would leave, is not known.
        Some(_) if ctx.deleting.is_some() => Ok(None),
        Some(_) => {
            let mut decision = of_rollback(ctx, status.clone(), execution);
            // Whoever holds the group next lists what it leaves.
            decision.record = record::status_lost(ctx).or(decision.record);
            Ok(Some(decision))
        }
        None => adopt(ctx, status.clone(), execution).map(Some),
    }
}

/// Whether an execution was started for this object, before it lost its status and its uid.
fn is_own(ctx: &Context<'_>, execution: &Execution) -> bool {
    let tag = |key: &str| execution.tags.get(key).map(String::as_str);
    let (managed, by) = identity::TAG_MANAGED_BY;
    execution.parent.is_none()
        && tag(managed) == Some(by)
        && tag(identity::TAG_TASK) == Some(&identity::task_tag(&ctx.namespace, &ctx.name))
        && tag(identity::TAG_SCALING_GROUP) == Some(ctx.group.as_str())
        && (ctx.undo.is_some()
            // The text that ran is not known any more. The annotation is bound to the spec as written.
            || scripts::from_config_maps(ctx.spec)
            || tag(identity::TAG_SPEC_HASH) == Some(ctx.spec_hash.as_str()))
}

/// OOS keeps its history for a time only, and lists may lag behind a start: what is not listed once
/// the object is older than that lag never will be.
fn not_listed(ctx: &Context<'_>, mut status: Draft, id: &str) -> Drafted {
    let created = ctx.metadata.creation_timestamp.as_ref();
    if created.is_some_and(|created| ctx.waits().lags(created)) {
        let message = format!("waiting for OOS to list execution {id}, which ran for this object");
        status.show(Phase::Pending, Reason::ExecutionNotListed, &message);
        return ctx.decide(status, ctx.waits().recheck());
    }
    let mut keys = ctx.record.run_keys.iter();
    let key = keys.find(|key| key.execution_id.as_deref() == Some(id));
    status.execution = Some(ExecutionRef {
        id: id.to_owned(),
        template_name: ctx.update.template().to_owned(),
        template_version: String::new(),
        status: "Unknown".into(),
        start_time: None,
        end_time: None,
        ended_seen_time: None,
        url: identity::execution_url(&ctx.region, id),
    });
    let (outcome, reason, known) = match key.and_then(|key| key.outcome) {
        Some(outcome) => (outcome, Reason::AlreadyRun, "its result is on record"),
        None => (
            Outcome::Failed,
            Reason::ExecutionNotFound,
            "its result is not known: create another object to run the update again",
        ),
    };
    let message = format!(
        "execution {id} ran for this object before it was restored, and OOS does not list it any more; {known}"
    );
    not_looked_at(result::nothing_ran(ctx, status, outcome, reason, &message))
}

/// The group was touched, by a run of which too little is known to put it back.
fn not_looked_at(mut decision: Drafted) -> Drafted {
    let message = "the execution ran before this object was restored, and what it may have left changed was not looked at: see the instances, processes and configuration of the scaling group";
    report::not_looked_at(&mut decision.status, message);
    decision
}

/// A rollback that was restored is not taken up again, since what it undoes is not known any more:
/// its execution ends by itself, and its result is shown.
fn of_rollback(ctx: &Context<'_>, mut status: Draft, execution: &Execution) -> Drafted {
    let id = &execution.id;
    match run_end::outcome_of(&execution.status) {
        Some(outcome) => {
            status.execution = Some(reference(ctx, execution));
            let message = format!("execution {id} ran for this object before it was restored");
            let ended = result::nothing_ran(ctx, status, outcome, Reason::AlreadyRun, &message);
            not_looked_at(ended)
        }
        None if cancel::reason(ctx, &status).is_some() => {
            let message = format!(
                "execution {id} was started for this object before it was restored, and is left to itself: cancel it in the OOS console"
            );
            let (outcome, reason) = (Outcome::Cancelled, Reason::Cancelled);
            not_looked_at(result::nothing_ran(ctx, status, outcome, reason, &message))
        }
        None => {
            let message = format!(
                "execution {id} was started for this object before it was restored: waiting for its end; to end it sooner cancel it in the OOS console, or delete this object, which leaves it to itself"
            );
            let problem = Problem::wait(Reason::ExecutionInProgress, message);
            refusal::refuse_until(ctx, status, &problem, Next::After(LOOK_FOR_THE_END))
        }
    }
}

/// Follows the execution. The group is looked after at its end if it still has to be: if the run is
/// not over, or was over and the object before this one still holds the group.
fn adopt(ctx: &Context<'_>, mut status: Draft, execution: &Execution) -> Known<Drafted> {
    let holder = ctx.record.holder.as_ref();
    let free = holder.is_none() || ctx.holds() || ctx.holder_gone;
    let before = holder.is_some_and(|h| {
        let same = (h.kind.as_str(), &h.namespace, &h.name);
        same == (ctx.input.subject.kind, &ctx.namespace, &ctx.name)
    });
    let restores = free && (before || !execution.status.is_final());
    let plan = match restores {
        true => plan(ctx, execution)?,
        false => None,
    };
    let place = ctx.place()?;
    if let Some(plan) = &plan {
        let version = shorten(&execution.template_version, 64);
        status.start = Some(StartIntent {
            time: Time(execution.start.unwrap_or(ctx.now())),
            template_name: shorten(&execution.template_name, 200),
            template_version: Some(version).filter(|version| !version.is_empty()),
            parameters_hash: identity::hash_value(&execution.parameters),
            pauses_after_each_batch: pauses_after_each_batch(ctx, execution),
            ..starting::intent(ctx, spec_hash_of(ctx, execution), plan)
        });
    }
    let taken = |plan| taken(ctx, plan, &place, execution);
    let record = plan.as_ref().map(taken);
    (status.plan, status.place) = (plan, Some(place));
    status.execution = Some(reference(ctx, execution));
    let start = status
        .start
        .as_ref()
        .filter(|_| !execution.status.is_final());
    status.thaw = start.and_then(|start| thaw::unknown(ctx, &start.exit_processes));
    let message = format!(
        "execution {} ran for this object before it was restored without its status: it is followed, and nothing is started",
        execution.id
    );
    status.show(Phase::Running, Reason::Adopted, &message);
    let mut decision = ctx.decide(status, Next::Now);
    decision.record = record;
    let event = Event::normal(Reason::Adopted, "StartExecution", message);
    decision.events.push(event);
    Ok(decision)
}

/// Whether the run was told to pause after each batch although no person asks for that.
fn pauses_after_each_batch(ctx: &Context<'_>, execution: &Execution) -> bool {
    let option = execution.parameters.get("batchPauseOption");
    let each = ctx.spec.policy.suspension_policy == SuspensionPolicy::SuspendEachBatch;
    !each && option.is_some_and(|option| option == "EveryBatchPause")
}

/// The group as it was before the run, as far as that can still be known: from the record, from what
/// the execution was started with, and from who takes part. `None`: the group is gone.
fn plan(ctx: &Context<'_>, execution: &Execution) -> Known<Option<Plan>> {
    let observation = ctx.input.observation;
    let children = ExecutionFilter::ChildrenOf(execution.id.clone());
    let group = || ctx.group.clone();
    observation.require([
        Query::ScalingGroup { group: group() },
        Query::ScalingInstances { group: group() },
        Query::Executions(children.clone()),
    ])?;
    let Some(group) = ctx.scaling_group()? else {
        return Ok(None);
    };
    let begun: Vec<&str> = observation
        .executions(&children)?
        .iter()
        .filter_map(|child| child.parameters.get("instanceId")?.as_str())
        .collect();
    let takes_part = |instance: &&ScalingInstance| {
        begun.contains(&instance.id.as_str()) || preflight::is_eligible(ctx, instance)
    };
    let members = observation.scaling_instances(&ctx.group)?.iter();
    let mut members: Vec<&ScalingInstance> = members.filter(takes_part).collect();
    members.sort_by(|a, b| a.id.cmp(&b.id));
    members.truncate(preflight::MAX_INSTANCES);
    let count = execution.parameters.get("batchNumber");
    let count = count.and_then(|count| i32::try_from(count.as_i64()?).ok());
    let count = count.map_or(1, |count| count.clamp(1, 100));
    let baseline = ctx.record.baseline.as_ref();
    let suspended = match (list(execution, "exitProcess"), baseline) {
        (Some(exit), _) => kind::processes_but(&exit),
        (None, Some(baseline)) => baseline.suspended_processes.clone(),
        // Nothing is known: nothing is resumed.
        (None, None) => kind::processes_but::<&str>(&[]),
    };
    let configuration = group.active_scaling_configuration.clone();
    let baseline = baseline.filter(|baseline| baseline.scaling_configuration_id == configuration);
    let mut plan = Plan {
        time: Some(Time(ctx.now())),
        batches: count,
        scaling_configuration_id: configuration,
        suspended_processes: suspended,
        package_version: text(execution, "packageVersion").map(|version| shorten(version, 64)),
        scripts: text(execution, "invokeScript").map(|run| ScriptHashes {
            run: identity::hash_text(run),
            rollback: text(execution, "rollbackScript").map(identity::hash_text),
        }),
        members: members
            .iter()
            .zip(batches::assign(members.len(), count))
            .map(|(instance, batch)| Member {
                id: instance.id.clone(),
                batch,
                protected: instance.state == LifecycleState::Protected,
                stopped: false,
                image_id: None,
            })
            .collect(),
        ..Plan::default()
    };
    if let Some(baseline) = baseline {
        content::copy(baseline, &mut plan);
    }
    Ok(Some(plan))
}

/// The hash of the spec that an execution of this object was started with.
fn spec_hash_of(ctx: &Context<'_>, execution: &Execution) -> String {
    let tag = execution.tags.get(identity::TAG_SPEC_HASH);
    shorten(tag.unwrap_or(&ctx.spec_hash), 64)
}

/// The record with this object in the place of the one before it, whose run key is now its own.
fn taken(
    ctx: &Context<'_>,
    plan: &Plan,
    place: &Place,
    execution: &Execution,
) -> ScalingGroupRecordStatus {
    let mut record = record::taken(ctx, plan, Some(place));
    let hash = spec_hash_of(ctx, execution);
    let run_key = ctx.spec.policy.run_key.as_ref();
    let mut keys = record.run_keys.iter_mut();
    if let Some(key) = keys.find(|key| Some(&key.key) == run_key && key.spec_hash == hash) {
        key.uid.clone_from(&ctx.uid);
        key.execution_id = Some(execution.id.clone());
    }
    record
}
