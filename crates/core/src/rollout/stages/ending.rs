//! The result is known: the group is put back, read back, and let go.
//!
//! Everything here is convergent: the ledger in `status.restore` is written once, and then each
//! call follows a fresh read that shows it is still needed.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{RestoreState, RollingUpdateTaskStatus, condition};
use ess_rollout_cloud::{ExecutionFilter, Query};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::release;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::others;
use crate::rollout::progress::attempts::instances_of;
use crate::rollout::progress::gate::last::{self, AtEnd};
use crate::rollout::quiet::rest;
use crate::rollout::report::Phase;
use crate::rollout::requests::ingest;
use crate::rollout::restore::calls::{self, SOON};
use crate::rollout::restore::need::Need;
use crate::rollout::restore::outcome::{self, Verification};
use crate::rollout::restore::{configuration, leftovers, verify};
use crate::rollout::result::{show_result, went_well};
use crate::task::absence::{self, ROLLING_TEMPLATES};
use crate::task::conditions::shorten;
use crate::task::display::Value;
use crate::task::observation::{Known, Missing};
use crate::task::quiet::Rest;
use crate::task::reason::Reason;

/// How often an outcome that differs is read again.
const READ_AGAIN: Next = Next::After(Duration::from_secs(5));

pub(super) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    ingest::ingest(ctx, &mut status, None);
    if status.restore.as_ref().is_some_and(|restore| restore.done) {
        show_result(&mut status);
        return release::after(ctx, status);
    }
    if status.execution.is_some() && ctx.lost_group() {
        return Ok(hand_over(ctx, status));
    }
    if ctx.deletion_overdue() {
        return give_up(ctx, status);
    }
    if let Some(decision) = soak(ctx, &mut status)? {
        return Ok(decision);
    }
    if let Some(decision) = wait_until_quiet(ctx, &mut status)? {
        return Ok(decision);
    }
    let active = ExecutionFilter::ActiveByTemplate(ROLLING_TEMPLATES.into());
    ctx.input.observation.require([Query::Executions(active)])?;
    if let Some(plan) = &status.plan {
        let ids = leftovers::instances(ctx, &status, plan);
        configuration::judge_instances(ctx, &mut status, &ids)?;
    }
    let needs = verify::needs(ctx, &status)?;
    let items = || status.restore.iter().flat_map(|restore| &restore.items);
    let given_up = |need: &Need| {
        let about = (need.item.kind, &need.item.target);
        items().any(|i| (i.kind, &i.target) == about && i.state == RestoreState::Left)
    };
    let pending = |need: &Need| need.item.state == RestoreState::Pending;
    let open = needs.iter().any(|need| pending(need) && !given_up(need));
    if let Some(other) = others::foreign_runs(ctx)?.first().filter(|_| open) {
        let message = format!(
            "execution {} of somebody else is updating the group: what is left to put back waits for its end",
            other.id
        );
        status.show(Phase::Restoring, Reason::RollingUpdateInProgress, &message);
        return Ok(ctx.decide(status, ctx.waits().recheck()));
    }

    match calls::step(ctx, &mut status, &needs) {
        Some(decision) => Ok(decision),
        None => finish(ctx, status),
    }
}

/// A run that did not end well may have calls under way: the group is touched only when the
/// execution and its children have ended and two reads, a bound on lateness apart, agree.
fn wait_until_quiet(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    let execution = status.execution.as_ref().map(|e| e.id.clone());
    let Some(execution) = execution.filter(|_| !went_well(status)) else {
        return Ok(None);
    };
    let mark = status.restore.get_or_insert_default();
    let found = rest(
        ctx,
        &execution,
        &mut mark.quiet_since,
        &mut mark.fingerprint,
    )?;
    let next = match found {
        _ if is_listed_late(ctx, status, &execution)? => {
            status.result = None;
            let message = "OOS lists only now what else the execution did";
            status.show(Phase::Running, Reason::Ending, message);
            Next::Now
        }
        Rest::Moving if is_shown_again(ctx, status, &execution)? => {
            status.result = None;
            let message = format!(
                "execution {execution}, which was taken for gone, is listed again: it is cancelled again"
            );
            status.show(Phase::Cancelling, Reason::Cancelling, &message);
            Next::Now
        }
        Rest::Quiet => return Ok(None),
        Rest::Settling(wait) => Next::After(wait),
        Rest::Moving => {
            let message = "waiting until the execution and all nested executions have ended";
            status.show(Phase::Restoring, Reason::Ending, message);
            Next::After(SOON.unsigned_abs())
        }
    };
    Ok(Some(ctx.decide(status.clone(), next)))
}

/// Whether an execution that was to be cancelled, and was taken for gone, is there and goes on: nobody else would end it.
fn is_shown_again(ctx: &Context<'_>, status: &Draft, execution: &str) -> Known<bool> {
    let result = status.result.as_ref();
    if result.is_none_or(|result| Reason::recorded(&result.reason) != Reason::ExecutionGone) {
        return Ok(false);
    }
    let root = absence::execution(ctx.input.observation, execution, ROLLING_TEMPLATES)?;
    Ok(root.is_some_and(|root| !root.status.is_final()))
}

/// Whether there are nested executions for instances of which none was on record when the run ended: lists lag, and who
/// was updated and how it is told are to be one.
fn is_listed_late(ctx: &Context<'_>, status: &Draft, execution: &str) -> Known<bool> {
    // The end itself has not been seen: nothing more is to be found out.
    if status
        .result
        .as_ref()
        .is_some_and(|result| result.end_unseen)
    {
        return Ok(false);
    }
    let children = ExecutionFilter::ChildrenOf(execution.to_owned());
    let children = ctx.input.observation.executions(&children)?;
    let listed = instances_of(children);
    let mut unknown = status.instances.iter().filter(|i| i.execution_id.is_none());
    Ok(unknown.any(|instance| listed.contains(&instance.id)))
}

/// Everything is put back, or listed: read the outcome back and publish it.
fn finish(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    let verdict = outcome::outcome(ctx, &mut status)?;
    // What OOS has just changed may show late: it is read again until it would have shown.
    let restore = status.restore.get_or_insert_default();
    if verdict.may_lag {
        let since = restore.differs_since.get_or_insert(Time(ctx.now())).clone();
        if !ctx.waits().settled_since(&since) {
            let message = format!("reading the outcome back: {}", verdict.message);
            status.show(Phase::Restoring, Reason::Verifying, &message);
            return Ok(ctx.decide(status, READ_AGAIN));
        }
    } else {
        restore.differs_since = None;
    }
    let (value, reason, message) = match checked(ctx, &mut status, &verdict)? {
        Ok(found) => found,
        Err(wait) => return Ok(wait),
    };
    let message = &message;
    status.set(condition::VERIFIED, value, reason, message);
    if let Some(result) = &mut status.result {
        result.read_back = verdict.read_back;
        if !verdict.found.is_empty() {
            let message = format!("{}; read back: {}", result.message, verdict.found);
            result.message = shorten(&message, 2048);
        }
    }
    close(ctx, &mut status, verdict.group_gone.then_some(message));
    Ok(ctx.decide(status, Next::Now))
}

/// What was read back, and the checks after the last batch beside it: a verdict that all is well waits for them.
fn checked(
    ctx: &Context<'_>,
    status: &mut Draft,
    verdict: &Verification,
) -> Known<Result<(Value, Reason, String), Drafted>> {
    let as_read = (verdict.status, verdict.reason, verdict.message.clone());
    if verdict.status != Value::True || is_given_up(ctx, status) {
        return Ok(Ok(as_read));
    }
    let but = |why: &str| format!("{}; but {why}", verdict.message);
    Ok(Ok(match last::look(ctx, status)? {
        AtEnd::Passed => as_read,
        AtEnd::Failed(why) => (Value::False, Reason::GateFailed, but(&why)),
        AtEnd::Unclear(why) => (Value::Unknown, Reason::GateInconclusive, but(&why)),
        AtEnd::NotServing(why) => (Value::False, Reason::Different, but(&why)),
        AtEnd::NotTold(why) => {
            let but = format!(
                "{}; what load balancers have of it is not known: {why}",
                verdict.message
            );
            (verdict.status, verdict.reason, but)
        }
        AtEnd::Wait { until, next, said } => {
            return Ok(Err(watch(ctx, status, (until, next), &said)));
        }
    }))
}

/// The time after the last batch: all is put back, and nothing but the checks is asked until it is over.
fn soak(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    if !last::has_begun(status) || is_given_up(ctx, status) {
        return Ok(None);
    }
    Ok(match last::look(ctx, status)? {
        AtEnd::Wait { until, next, said } => Some(watch(ctx, status, (until, next), &said)),
        AtEnd::Passed
        | AtEnd::Failed(_)
        | AtEnd::Unclear(_)
        | AtEnd::NotServing(_)
        | AtEnd::NotTold(_) => None,
    })
}

fn watch(
    ctx: &Context<'_>,
    status: &mut Draft,
    (until, next): (Timestamp, Timestamp),
    said: &str,
) -> Drafted {
    let message = format!("all is put back, and watched until {until} at the least: {said}");
    status.show(Phase::Restoring, Reason::Verifying, &message);
    ctx.decide(status.clone(), ctx.waits().until(next))
}

/// Nobody waits any more for what is deleted or was given up.
fn is_given_up(ctx: &Context<'_>, status: &Draft) -> bool {
    ctx.deleting.is_some() || status.cancellation.is_some()
}

/// The deletion may not wait any longer: what is not put back is listed, as it is found in one look if
/// that can be had.
fn give_up(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    let started = status.start.is_none() || status.execution.is_some();
    let unread = verify::unread(ctx, &status);
    let found = match verify::needs(ctx, &status) {
        Err(Missing::Read(queries)) if started => return Err(Missing::Read(queries)),
        found => found.ok().filter(|_| started),
    };
    let plan = status.plan.clone();
    let restore = status.restore.get_or_insert_default();
    match found {
        Some(needs) => restore.items = calls::items(ctx, &restore.items, &needs, plan.as_ref()),
        None if restore.items.is_empty() => restore.items = unread,
        None => {}
    }
    for item in &mut restore.items {
        if item.state == RestoreState::Pending {
            item.state = RestoreState::Left;
            item.message = "the task was deleted before this could be put back".into();
        }
    }
    status.set(condition::VERIFIED, Value::Unknown, Reason::Abandoned, "");
    close(ctx, &mut status, None);
    Ok(ctx.decide(status, Next::Now))
}

/// Another object holds the group by now, with everything that is to be put back: a rollback that took
/// it over.
fn hand_over(ctx: &Context<'_>, mut status: Draft) -> Drafted {
    let by = match &ctx.record.holder {
        Some(holder) => format!("{} {}/{}", holder.kind, holder.namespace, holder.name),
        None => "a rollback that has ended".to_owned(),
    };
    let message = format!("{by} took the scaling group over, and puts it back");
    status.restore.get_or_insert_default().done = true;
    for kind in [condition::RESTORED, condition::VERIFIED] {
        status.set(kind, Value::Unknown, Reason::TakenOver, &message);
    }
    show_result(&mut status);
    ctx.decide(status, Next::Now)
}

/// `group_gone`: what to say of a scaling group that no answer shows.
fn close(ctx: &Context<'_>, status: &mut Draft, group_gone: Option<&String>) {
    let restore = status.restore.get_or_insert_default();
    restore.done = true;
    let left: Vec<String> = restore
        .items
        .iter()
        .filter(|item| item.state == RestoreState::Left)
        .map(|item| format!("{:?} {} ({})", item.kind, item.target, item.message))
        .collect();
    let left = left.join("; ");
    let (value, reason, message) = if status.plan.is_none() {
        let message =
            "the scaling group was not looked at: this object is not the one that changed it";
        (Value::Unknown, Reason::NotLookedAt, message.to_owned())
    } else if let Some(message) = group_gone {
        let message = match left.is_empty() {
            true => message.clone(),
            false => format!(
                "{message}: if it was deleted there is nothing to put back; else what the run changed is still changed, and stays listed: {left}"
            ),
        };
        (Value::Unknown, Reason::ScalingGroupNotFound, message)
    } else if left.is_empty() {
        (Value::True, Reason::Restored, as_found(ctx, status))
    } else {
        let message = format!("left for a person: {left}");
        (Value::False, Reason::LeftBehind, message)
    };
    status.set(condition::RESTORED, value, reason, &message);
    show_result(status);
}

/// What is put back, and what keeps what the update put there.
fn as_found(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> String {
    let mut message = "the scaling group is as it was found".to_owned();
    let plan = status.plan.as_ref();
    let wanted = plan.and_then(|plan| configuration::wanted_configuration(ctx, status, plan));
    if let (Some(plan), Some(wanted)) = (plan, wanted)
        && let Some(id) = configuration::changed_configuration(status, plan)
        && ctx.update.content_kind().recorded(plan).as_ref() != Some(&wanted.content)
    {
        let carries = wanted.content.short();
        message.push_str(&format!(
            ", but for scaling configuration {id}, which carries {carries} now"
        ));
    }
    message
}
