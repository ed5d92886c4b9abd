//! The runs on a group's record: each from before it begins until somebody has seen its end. The object
//! of a run may go before that, by `deletionPolicy: Orphan`, by force or without a word; what its
//! execution then leaves changed is found by whoever looks next, and listed.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    FailedInstancePolicy, GroupRun, Holder, LetGo, Place, Plan, RestorePolicy,
    RollingUpdateTaskStatus, RunConfiguration, RunMember, ScalingGroupRecordStatus,
};

use super::run_end::{Look, Lookout};
use super::{configuration, standby};
use crate::rollout::context::Context;
use crate::rollout::decision::Next;
use crate::rollout::kind;
use crate::task::conditions::shorten;
use crate::task::observation::Known;
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// How soon an object that waits for the end of such a run looks again.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most members that a record keeps of one run.
const MEMBERS_MAX: usize = 2000;

/// Puts the run of this object on record, with all that it may leave changed.
pub(in crate::rollout) fn put(
    ctx: &Context<'_>,
    plan: Option<&Plan>,
    place: Option<&Place>,
    record: &mut ScalingGroupRecordStatus,
) {
    let mut run = of(ctx, plan, place);
    match record.runs.iter_mut().find(|run| run.uid == ctx.uid) {
        Some(known) => {
            run.since.clone_from(&known.since);
            run.execution_id = run.execution_id.or(known.execution_id.take());
            *known = run;
        }
        None => record.runs.push(run),
    }
}

fn of(ctx: &Context<'_>, plan: Option<&Plan>, place: Option<&Place>) -> GroupRun {
    let status = ctx.input.subject.status.cloned().unwrap_or_default();
    let policy = &ctx.spec.policy;
    let keeps = policy.failed_instance_policy == FailedInstancePolicy::KeepInStandby;
    let exit_processes = plan.map(|plan| kind::processes_but(&plan.suspended_processes));
    let members = plan.map(|plan| standby::members(&status, plan));
    let members = members.into_iter().flatten().map(|member| RunMember {
        id: member.id,
        protected: member.protected,
    });
    GroupRun {
        execution_id: status.execution.as_ref().map(|e| e.id.clone()),
        credentials_ref: policy.credentials_ref.clone(),
        place: place.cloned(),
        what: shorten(&ctx.update.what(plan), 256),
        exit_processes: exit_processes.unwrap_or_default(),
        configuration: plan.and_then(|plan| configuration(ctx, &status, plan)),
        members: members.take(MEMBERS_MAX).collect(),
        keeps_standby: keeps || policy.restore_policy == RestorePolicy::Manual,
        ..of_holder(ctx.as_holder(None))
    }
}

/// The run of an object that holds a group, of which no more is known than that.
pub(super) fn of_holder(holder: Holder) -> GroupRun {
    GroupRun {
        kind: holder.kind,
        namespace: holder.namespace,
        name: holder.name,
        uid: holder.uid,
        since: holder.since,
        execution_id: None,
        credentials_ref: None,
        place: None,
        what: String::new(),
        exit_processes: Vec::new(),
        configuration: None,
        members: Vec::new(),
        keeps_standby: false,
        let_go: None,
        message: String::new(),
        missing_since: None,
        unseen_since: None,
        quiet_since: None,
        fingerprint: String::new(),
    }
}

/// What the run makes of the scaling configuration, by how it ends.
fn configuration(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
) -> Option<RunConfiguration> {
    let id = configuration::changed_configuration(status, plan)?;
    let brings = ctx.update.brings()?;
    let kind = ctx.update.content_kind();
    let before = kind.recorded(plan);
    let put = ctx.update.configured(before.as_ref()).unwrap_or(brings);
    let wanted = |well| {
        let wanted = configuration::wanted_after(ctx, status, plan, well)?;
        Some(wanted.content.short())
    };
    // After an update that succeeded it carries what that brought, whoever looks.
    let undoes = status.source.is_some();
    Some(RunConfiguration {
        id: id.to_owned(),
        kind: kind.kind(),
        if_failed: wanted(false),
        if_succeeded: wanted(true).filter(|_| undoes),
        brings: Some(put.short()),
    })
}

/// Takes the runs off the record whose end this object has seen: its own, and that of the update which
/// it took the group over from.
pub(in crate::rollout) fn ended(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    record: &mut ScalingGroupRecordStatus,
) {
    let seen = |run: &GroupRun| run.uid == ctx.uid || is_source(status, run);
    record.runs.retain(|run| !seen(run));
}

/// Whether it is the update that this rollback cancels and undoes.
fn is_source(status: &RollingUpdateTaskStatus, run: &GroupRun) -> bool {
    let source = status.source.as_ref().filter(|source| source.suspended);
    source.is_some_and(|source| {
        run.uid == source.uid || run.execution_id.as_ref() == Some(&source.execution_id)
    })
}

/// Notes that no object looks any more after the runs of this one: they stay until their end is seen.
pub(in crate::rollout) fn let_go(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    record: &mut ScalingGroupRecordStatus,
    why: LetGo,
) {
    let own = status.start.is_some() || status.execution.is_some();
    if own && !record.runs.iter().any(|run| run.uid == ctx.uid) {
        // Somebody deleted the record meanwhile.
        put(ctx, status.plan.as_ref(), status.place.as_ref(), record);
    }
    for run in &mut record.runs {
        if run.uid == ctx.uid {
            run.let_go = Some(why);
            run.place.clone_from(&status.place);
            if let Some(execution) = &status.execution {
                run.execution_id = Some(execution.id.clone());
            }
        } else if let Some(source) = status.source.as_ref().filter(|_| is_source(status, run)) {
            run.let_go = Some(why);
            run.execution_id = Some(source.execution_id.clone());
        }
    }
}

/// Whether the run of this object is on record as let go.
pub(in crate::rollout) fn is_let_go(ctx: &Context<'_>) -> bool {
    let mut runs = ctx.record.runs.iter();
    runs.any(|run| run.uid == ctx.uid && run.let_go.is_some())
}

/// A run on the record that no object looks after any more has to be seen to end before this one
/// begins: what it leaves would be taken for how people want the group. Gives why this one waits, which it
/// does unless the run was seen to end, and what came of the look.
pub(in crate::rollout) fn unattended(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Known<Option<(Option<Problem>, Look)>> {
    if ctx.holds() {
        return Ok(None);
    }
    let mut others = ctx.record.runs.iter();
    let Some(run) = others.find(|run| run.uid != ctx.uid && !is_source(status, run)) else {
        return Ok(None);
    };
    let lookout = Lookout {
        record: &ctx.record,
        region: &ctx.region,
        group: &ctx.group,
        waits: ctx.waits(),
        observation: ctx.input.observation,
    };
    let mut look = lookout.look(run)?;
    let known = look.record.runs.iter().find(|known| known.uid == run.uid);
    let problem = known.map(|known| {
        let message = format!("{}; this one starts when that has ended", known.message);
        Problem::wait(Reason::UnattendedRun, message)
    });
    look.next = match (&problem, look.next) {
        (None, _) => Next::Now,
        // Somebody waits for it.
        (Some(_), Next::After(wait)) => Next::After(wait.min(PATIENCE)),
        (Some(_), _) => ctx.waits().recheck(),
    };
    Ok(Some((problem, look)))
}
