//! A suspended source is cancelled before it is undone, and the group goes from it to the rollback in
//! one write: holder, baseline and everything that is still to be put back. The source, once it sees
//! that, puts nothing back.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    Baseline, Holder, InstanceState, Member, Plan, RollingUpdateTaskStatus,
    ScalingGroupRecordStatus, Source, SourceMember,
};
use ess_rollout_cloud::{ErrorClass, Execution, ExecutionFilter, ExecutionStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{checks, foreign, source};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::kind::{self, content};
use crate::rollout::progress::attempts;
use crate::rollout::quiet;
use crate::rollout::report::{self, Phase};
use crate::rollout::restore::{left, record};
use crate::task::cancel::{self, Calls};
use crate::task::observation::Known;
use crate::task::problem::{self, Problem};
use crate::task::quiet::Rest;
use crate::task::reason::Reason;
use crate::task::waits::RETRY;

/// Whether the group may be taken over although others may wait for it: it is held by the source
/// itself, still suspended, or by nobody, the source being a run that was started elsewhere.
pub(in crate::rollout) fn may_begin(source: &Source, holder: Option<&Holder>) -> bool {
    let from = |holder: &Holder| !source.uid.is_empty() && holder.uid == source.uid;
    source.suspended && holder.is_none_or(from)
}

/// Takes the group over. A source that has moved on since it was found is looked at anew.
pub(in crate::rollout) fn take_over(
    ctx: &Context<'_>,
    mut status: Draft,
    found: &Source,
) -> Known<Result<Drafted, Problem>> {
    let still = match checks::task(ctx, found) {
        Some(task) => source::standing(ctx, task),
        None => {
            problem::verdict(checks::root(ctx, &found.execution_id))?.and_then(foreign::standing)
        }
    };
    match still {
        Err(problem) => return Ok(Err(problem)),
        Ok(true) => {}
        Ok(false) => {
            // It has ended meanwhile, by itself: an ordinary rollback.
            if let Some(source) = &mut status.source {
                source.suspended = false;
            }
            return Ok(Ok(ctx.decide(status, Next::Now)));
        }
    }
    freeze(ctx, &mut status)?;
    let plan = status.plan.clone().unwrap_or_default();
    let record = taken_over(ctx, found, &plan);
    show(&mut status, found);
    let mut decision = ctx.decide(status, Next::Now);
    decision.record = Some(record);
    Ok(Ok(decision))
}

/// Puts on record what the source had changed: that is put back should this rollback not come to its
/// own start, and what its own run does not reach in any case.
pub(in crate::rollout) fn freeze(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
) -> Known<()> {
    let Some(source) = &mut status.source else {
        return Ok(());
    };
    let known = checks::task(ctx, source).and_then(|task| task.status.as_ref());
    let plan = match known.and_then(|known| known.plan.clone()) {
        Some(plan) => plan,
        None => plan_of_execution(ctx, source)?,
    };
    let states: BTreeMap<&str, InstanceState> = match known {
        Some(known) => {
            let all = known.instances.iter();
            all.map(|i| (i.id.as_str(), i.state)).collect()
        }
        None => states_of_execution(ctx, source)?,
    };
    source.members = plan
        .members
        .iter()
        .map(|member| SourceMember {
            id: member.id.clone(),
            protected: member.protected,
            stopped: member.stopped,
            state: states
                .get(member.id.as_str())
                .copied()
                .unwrap_or(InstanceState::Pending),
        })
        .collect();
    source.taken_over_time = Some(Time(ctx.now()));
    status.place = Some(match known.and_then(|known| known.place.clone()) {
        Some(place) => place,
        None => ctx.place()?,
    });
    status.plan = Some(plan);
    Ok(())
}

/// How far an execution that was started elsewhere is with each instance.
fn states_of_execution<'a>(
    ctx: &Context<'a>,
    source: &Source,
) -> Known<BTreeMap<&'a str, InstanceState>> {
    let mut children: Vec<&Execution> = children(ctx, source)?.iter().collect();
    // The newest one of an instance comes last, and stays.
    children.sort_by_key(|child| (child.start, &child.id));
    let state = |child: &Execution| match child.status {
        ExecutionStatus::Success => InstanceState::Succeeded,
        ExecutionStatus::Skipped => InstanceState::Skipped,
        _ => InstanceState::Failed,
    };
    let each = children.into_iter();
    let each = each.filter_map(|c| Some((attempts::instance_of(&c.parameters)?, state(c))));
    Ok(each.collect())
}

fn children<'a>(ctx: &Context<'a>, source: &Source) -> Known<&'a [Execution]> {
    let children = ExecutionFilter::ChildrenOf(source.execution_id.clone());
    Ok(ctx.input.observation.executions(&children)?)
}

fn taken_over(ctx: &Context<'_>, source: &Source, plan: &Plan) -> ScalingGroupRecordStatus {
    let mut record = ctx.record.clone();
    // One whose object has gone is on the record by its execution.
    let mut known = record.runs.iter();
    let known = known.find(|run| run.execution_id.as_ref() == Some(&source.execution_id));
    let from = known.map_or(&source.uid, |run| &run.uid).clone();
    record.holder = Some(ctx.as_holder(Some(from)));
    // Without a holder it is that of an earlier run, kept for what that one left.
    let known = ctx.record.holder.is_some() || ctx.inherits_baseline();
    let baseline = record.baseline.take().filter(|_| known);
    let baseline = baseline.unwrap_or_else(|| record::as_found(plan, source.time.clone()));
    record.baseline = Some(Baseline {
        inherited: true,
        ..baseline
    });
    record
}

/// The group before an execution that was started elsewhere, as far as that can be told: what it does
/// not resume at its end was suspended before.
fn plan_of_execution(ctx: &Context<'_>, source: &Source) -> Known<Plan> {
    let member = |id| Member {
        id,
        batch: 1,
        protected: false,
        stopped: false,
        image_id: None,
    };
    let members = attempts::instances_of(children(ctx, source)?).into_iter();
    let mut plan = Plan {
        time: Some(source.time.clone()),
        batches: 1,
        scaling_configuration_id: source.scaling_configuration_id.clone(),
        suspended_processes: left::but_left(ctx, kind::processes_but(&source.exit_processes)),
        members: members.map(member).collect(),
        ..Plan::default()
    };
    content::copy(source, &mut plan);
    Ok(plan)
}

/// Ends the source's execution, and waits until nothing of it can act any more. `None`: it is so.
pub(in crate::rollout) fn end_source(
    ctx: &Context<'_>,
    status: &mut Draft,
) -> Known<Option<Drafted>> {
    let Some(mut source) = status.source.clone() else {
        return Ok(None);
    };
    let (since, fingerprint) = (&mut source.quiet_since, &mut source.fingerprint);
    let rest = quiet::rest(ctx, &source.execution_id, since, fingerprint)?;
    if matches!(rest, Rest::Quiet) {
        // What stands against the start is shown now.
        return Ok(None);
    }
    show(status, &source);
    let Rest::Settling(wait) = rest else {
        return cancel(ctx, status, source).map(Some);
    };
    status.source = Some(source);
    Ok(Some(ctx.decide(status.clone(), Next::After(wait))))
}

/// By the rules of [`crate::task::cancel`].
fn cancel(ctx: &Context<'_>, status: &mut Draft, mut source: Source) -> Known<Drafted> {
    let (id, waits) = (source.execution_id.clone(), ctx.waits());
    let listed = ExecutionFilter::Id(id.clone());
    let mut listed = ctx.input.observation.executions(&listed)?.iter();
    let ended = listed.all(|root| root.status.is_final());
    let answer = cancel::answer(ctx.input.outcome, &id);
    let mut calls = Calls {
        last: &mut source.cancel_time,
        retry: &mut source.cancel_retry_time,
        failures: &mut source.cancel_failures,
    };
    let mut next = Next::After(ctx.input.settings.poll_interval.min(RETRY.unsigned_abs()));
    if let Some(Err(error)) = answer {
        calls.failed(&waits, error);
        // It has ended meanwhile: the lists will show it.
        if error.class != ErrorClass::Conflict {
            report::failed(ctx, status, error);
            if error.needs_person() {
                next = ctx.waits().after(error);
            }
        }
    }
    let call = !ended && answer.is_none() && calls.send_if_due(&waits);
    let next = calls.wait(&waits, next);
    status.source = Some(source);
    let mut decision = ctx.decide(status.clone(), if call { Next::Now } else { next });
    decision.work = call.then(|| cancel::work(id));
    Ok(decision)
}

fn show(status: &mut Draft, source: &Source) {
    let mut message = format!(
        "execution {} is suspended: it is cancelled, and then rolled back",
        source.execution_id
    );
    message.push_str(&cancel::tries(source.cancel_failures));
    if source.cancel_failures > 1 {
        message.push_str(": look at the execution in the OOS console");
    }
    status.show_unless_refused(Phase::Pending, Reason::CancellingSource, &message);
}
