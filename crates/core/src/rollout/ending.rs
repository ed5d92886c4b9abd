//! The result is known: the group is put back, read back, and let go.
//!
//! Everything here is convergent: the ledger in `status.restore` is written once, and then each
//! call follows a fresh read that shows it is still needed.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ActionState, Outcome, Restore, RestoreState, RollingUpdateTaskStatus, TaskResult, Verb,
    condition,
};
use ess_rollout_cloud::{Execution, ExecutionFilter, ExecutionStatus, Query};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::decision::{Decision, Next};
use super::preflight::{self, ROLLING_TEMPLATES};
use super::report::{self, Phase};
use super::restore::{self, SOON};
use super::verify::{self, Need};
use super::{goal, ledger, leftovers, outcome, release};
use crate::absence;
use crate::conditions::shorten;
use crate::identity::hash_value;
use crate::observation::{Interrupt, Known};

/// How often an outcome that differs is read again.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Reason of a result: the deletion could not wait for what may be under way.
pub(super) const ABANDONED: &str = "Abandoned";
/// Reason of a result: nothing was started, and nothing will be.
pub(super) const CANCELLED_BEFORE_START: &str = "CancelledBeforeStart";
/// Reason of a result: OOS refused to start, and nothing was started.
pub(super) const START_REFUSED: &str = "StartRefused";

/// Whether a nested execution acts no more, its root having ended: one that waits for somebody will
/// not be asked again.
pub(super) fn has_ended(child: &Execution) -> bool {
    child.status.is_final() || child.status == ExecutionStatus::Waiting
}

/// Records how it ended. The group is looked after from the next step on.
pub(super) fn begin(
    ctx: &Context<'_>,
    mut status: RollingUpdateTaskStatus,
    outcome: Outcome,
    reason: &str,
    message: &str,
) -> Decision {
    status.pause = None;
    // Nothing is sent any more.
    if let Some(intent) = status.start.as_mut() {
        intent.scripts = None;
    }
    status.result = Some(TaskResult {
        outcome,
        reason: reason.to_owned(),
        message: shorten(message, 2048),
        time: Time(ctx.now()),
        read_back: None,
        end_unseen: reason == ABANDONED,
    });
    let doing = format!("{message}; the scaling group is being put back and read back");
    report::show(ctx, &mut status, Phase::Restoring, reason, &doing);
    ctx.decide(status, Next::Now)
}

/// Records the end of a task that never touched the group. What it was to put back after another run is
/// put back first.
pub(super) fn nothing_ran(
    ctx: &Context<'_>,
    status: RollingUpdateTaskStatus,
    outcome: Outcome,
    reason: &str,
    message: &str,
) -> Decision {
    let inherits = ctx.holds() && ctx.inherits_baseline() && status.plan.is_some();
    let mut decision = begin(ctx, status, outcome, reason, message);
    if inherits {
        return decision;
    }
    decision.status.restore = Some(Restore {
        done: true,
        ..Restore::default()
    });
    let status = &mut decision.status;
    ledger::settle_all(
        ctx,
        status,
        Verb::Cancel,
        ActionState::Applied,
        "Cancelled",
        "",
    );
    report::set(
        ctx,
        status,
        condition::RESTORED,
        "True",
        "NothingChanged",
        "nothing was started",
    );
    report::set(
        ctx,
        status,
        condition::VERIFIED,
        "Unknown",
        "NothingRan",
        "",
    );
    show_result(ctx, status);
    decision
}

pub(super) fn decide(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Known<Decision> {
    ledger::ingest(ctx, &mut status, None);
    if status.restore.as_ref().is_some_and(|restore| restore.done) {
        return release::after(ctx, status);
    }
    if status.execution.is_some() && ctx.lost_group() {
        return Ok(hand_over(ctx, status));
    }
    if ctx.deletion_overdue() {
        return give_up(ctx, status);
    }
    if let Some(decision) = wait_until_quiet(ctx, &mut status)? {
        return Ok(decision);
    }
    ctx.input
        .observation
        .require([Query::Executions(ExecutionFilter::ActiveByTemplate(
            ROLLING_TEMPLATES.into(),
        ))])?;
    if let Some(plan) = &status.plan {
        let ids = leftovers::instances(ctx, &status, plan);
        goal::judge_instances(ctx, &mut status, &ids)?;
    }
    let needs = verify::needs(ctx, &status)?;
    let items = status
        .restore
        .as_ref()
        .map_or(&[][..], |restore| &restore.items);
    let given_up = |need: &&Need| {
        items.iter().any(|item| {
            (item.kind, &item.target) == (need.item.kind, &need.item.target)
                && item.state == RestoreState::Left
        })
    };
    let mut open = needs.iter().filter(|need| !given_up(need));
    let open = open.any(|need| need.item.state == RestoreState::Pending);
    if let Some(other) = preflight::foreign_runs(ctx)?.first().filter(|_| open) {
        let message = format!(
            "execution {} of somebody else is updating the group: what is left to put back waits for its end",
            other.id
        );
        report::show(
            ctx,
            &mut status,
            Phase::Restoring,
            "RollingUpdateInProgress",
            &message,
        );
        return Ok(ctx.decide(status, ctx.recheck()));
    }

    match restore::step(ctx, &mut status, &needs) {
        Some(decision) => Ok(decision),
        None => finish(ctx, status),
    }
}

/// A run that did not end well may have calls under way: the group is touched only when the
/// execution and its children have ended and two reads, a bound on lateness apart, agree.
fn wait_until_quiet(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
) -> Known<Option<Decision>> {
    let well = status
        .result
        .as_ref()
        .is_some_and(|r| r.outcome == Outcome::Succeeded);
    let Some(execution) = status
        .execution
        .as_ref()
        .filter(|_| !well)
        .map(|e| e.id.clone())
    else {
        return Ok(None);
    };
    let mut mark = status.restore.take().unwrap_or_default();
    let found = rest(
        ctx,
        &execution,
        &mut mark.quiet_since,
        &mut mark.fingerprint,
    );
    status.restore = Some(mark);
    let next = match found? {
        Rest::Quiet => return Ok(None),
        Rest::Settling(wait) => Next::After(wait),
        Rest::Moving => {
            report::show(
                ctx,
                status,
                Phase::Restoring,
                "Ending",
                "waiting until the execution and all nested executions have ended",
            );
            Next::After(SOON.unsigned_abs())
        }
    };
    Ok(Some(ctx.decide(status.clone(), next)))
}

/// Whether an execution can still act.
pub(super) enum Rest {
    /// It, or a nested one, has not ended.
    Moving,
    /// All have ended: the next look after this long decides.
    Settling(Duration),
    /// All have ended, and two looks, a bound on lateness apart, agree.
    Quiet,
}

/// Looks whether an execution and its nested ones are at rest. What was seen, and since when, is
/// kept in the status between looks.
pub(super) fn rest(
    ctx: &Context<'_>,
    execution: &str,
    quiet_since: &mut Option<Time>,
    fingerprint: &mut String,
) -> Known<Rest> {
    let root = ExecutionFilter::Id(execution.to_owned());
    let children = ExecutionFilter::ChildrenOf(execution.to_owned());
    let observation = ctx.input.observation;
    observation.require([Query::Executions(root), Query::Executions(children.clone())])?;
    let children = observation.executions(&children)?;
    // One that no list shows any more has ended; one that a single answer leaves out may not have.
    let root = absence::execution(observation, execution, ROLLING_TEMPLATES)?;
    let moves = root.is_some_and(|root| !root.status.is_final())
        || children.iter().any(|child| !has_ended(child));
    if moves {
        *quiet_since = None;
        return Ok(Rest::Moving);
    }
    let all = root.into_iter().chain(children);
    let mut seen: Vec<(&str, &str)> = all.map(|e| (e.id.as_str(), e.status.as_str())).collect();
    seen.sort_unstable();
    let seen = hash_value(&seen);
    let since = quiet_since.clone().filter(|_| *fingerprint == seen);
    match since {
        Some(since) if ctx.settled_since(&since) => Ok(Rest::Quiet),
        Some(since) => {
            let due = since.0 + ctx.settle() + SignedDuration::from_secs(1);
            Ok(Rest::Settling(due.duration_since(ctx.now()).unsigned_abs()))
        }
        None => {
            *quiet_since = Some(Time(ctx.now()));
            *fingerprint = seen;
            let wait = ctx.settle() + SignedDuration::from_secs(1);
            Ok(Rest::Settling(wait.unsigned_abs()))
        }
    }
}

/// Everything is put back, or listed: read the outcome back and publish it.
fn finish(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Known<Decision> {
    let verdict = outcome::outcome(ctx, &mut status)?;
    // What OOS has just changed may show late: it is read again until it would have shown.
    let restore = status.restore.get_or_insert_default();
    if verdict.may_lag {
        let since = restore.differs_since.get_or_insert(Time(ctx.now())).clone();
        if !ctx.settled_since(&since) {
            let message = format!("reading the outcome back: {}", verdict.message);
            report::show(ctx, &mut status, Phase::Restoring, "Verifying", &message);
            return Ok(ctx.decide(status, Next::After(READ_AGAIN.unsigned_abs())));
        }
    } else {
        restore.differs_since = None;
    }
    report::set(
        ctx,
        &mut status,
        condition::VERIFIED,
        verdict.status,
        verdict.reason,
        &verdict.message,
    );
    if let Some(result) = &mut status.result {
        result.read_back = verdict.read_back;
        if !verdict.found.is_empty() {
            let message = format!("{}; read back: {}", result.message, verdict.found);
            result.message = shorten(&message, 2048);
        }
    }
    close(
        ctx,
        &mut status,
        verdict.group_gone.then_some(&verdict.message),
    );
    Ok(ctx.decide(status, Next::Now))
}

/// The deletion may not wait any longer: what is not put back is listed, as it is found in one look if
/// that can be had.
fn give_up(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Known<Decision> {
    let started = status.start.is_none() || status.execution.is_some();
    let unread = verify::unread(ctx, &status);
    let found = match verify::needs(ctx, &status) {
        Err(Interrupt::Read(queries)) if started => return Err(Interrupt::Read(queries)),
        found => found.ok().filter(|_| started),
    };
    let plan = status.plan.clone();
    let restore = status.restore.get_or_insert_default();
    match found {
        Some(needs) => restore.items = restore::items(ctx, &restore.items, &needs, plan.as_ref()),
        None if restore.items.is_empty() => restore.items = unread,
        None => {}
    }
    for item in &mut restore.items {
        if item.state == RestoreState::Pending {
            item.state = RestoreState::Left;
            item.message = "the task was deleted before this could be put back".into();
        }
    }
    report::set(
        ctx,
        &mut status,
        condition::VERIFIED,
        "Unknown",
        "Abandoned",
        "",
    );
    close(ctx, &mut status, None);
    Ok(ctx.decide(status, Next::Now))
}

/// Another object holds the group by now, with everything that is to be put back: a rollback that took
/// it over.
fn hand_over(ctx: &Context<'_>, mut status: RollingUpdateTaskStatus) -> Decision {
    let by = match &ctx.record.holder {
        Some(holder) => format!("{} {}/{}", holder.kind, holder.namespace, holder.name),
        None => "a rollback that has ended".to_owned(),
    };
    let message = format!("{by} took the scaling group over, and puts it back");
    status.restore.get_or_insert_default().done = true;
    for (kind, value) in [
        (condition::RESTORED, "Unknown"),
        (condition::VERIFIED, "Unknown"),
    ] {
        report::set(ctx, &mut status, kind, value, "TakenOver", &message);
    }
    show_result(ctx, &mut status);
    ctx.decide(status, Next::Now)
}

/// `group_gone`: what to say of a scaling group that no answer shows.
fn close(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus, group_gone: Option<&String>) {
    let restore = status.restore.get_or_insert_default();
    restore.done = true;
    let left: Vec<String> = restore
        .items
        .iter()
        .filter(|item| item.state == RestoreState::Left)
        .map(|item| format!("{:?} {} ({})", item.kind, item.target, item.message))
        .collect();
    if status.plan.is_none() {
        let message =
            "the scaling group was not looked at: this object is not the one that changed it";
        report::not_looked_at(ctx, status, message);
    } else if let Some(message) = group_gone {
        let message = match left.is_empty() {
            true => message.clone(),
            false => format!(
                "{message}: if it was deleted there is nothing to put back; else what the run changed is still changed, and stays listed: {}",
                left.join("; ")
            ),
        };
        let reason = "ScalingGroupNotFound";
        report::set(
            ctx,
            status,
            condition::RESTORED,
            "Unknown",
            reason,
            &message,
        );
    } else if left.is_empty() {
        report::set(
            ctx,
            status,
            condition::RESTORED,
            "True",
            "Restored",
            "the scaling group is as it was found",
        );
    } else {
        let message = format!("left for a person: {}", left.join("; "));
        report::set(
            ctx,
            status,
            condition::RESTORED,
            "False",
            "LeftBehind",
            &message,
        );
    }
    show_result(ctx, status);
}

fn show_result(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    if let Some(result) = status.result.clone() {
        let phase = match result.outcome {
            Outcome::Succeeded => Phase::Succeeded,
            Outcome::Failed => Phase::Failed,
            Outcome::Cancelled => Phase::Cancelled,
        };
        report::show(ctx, status, phase, &result.reason, &result.message);
    }
}
