//! Requests on single instances: retry, skip, cancel-instances.
//!
//! Each goes through these, every step a decision of its own with its own reads:
//!
//! 1. `accept`: on record, with each instance's attempt frozen, before anything is done about it
//! 2. `judge`: what was just read says of each open instance that it is done, cannot be done any
//!    more, has to wait, or is to be told to OOS
//! 3. `notify`: one NotifyExecution for each, all of them on record before the first is sent, and what
//!    the answers mean
//!
//! OOS NotifyExecution has no client token, and names an instance but not an attempt on it. So one is
//! sent only for an attempt that was just read, and where an answer is missing nothing is sent for
//! that instance until the bound on lateness has passed and the attempt was read once more.

use ess_rollout_api::v1alpha1::{
    Action, ActionCall, ActionState, ActionTarget, InstanceState, RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{CloudError, Execution, ExecutionStatus, Mutation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge::{self, Judgement};
use super::notify;
use super::targets::{MESSAGE_MAX, carried_out, forget_details, resolve_if_done, resolve_target};
use crate::rollout::context::Context;
use crate::rollout::decision::{Next, Work};
use crate::rollout::progress::attempts::Attempts;
use crate::task::conditions::shorten;
use crate::task::ledger::{self, is_instance};
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// The verbs, in the order in which requests seen at the same time take effect.
const VERBS: [Verb; 3] = [Verb::CancelInstances, Verb::Skip, Verb::Retry];
/// How many calls go on record with one write of the status: about as many as the rate of an account
/// leaves room for before the decision is too old to be acted on. Those that were not sent by then
/// go on record again.
const CALLS_MAX: usize = 100;

/// What is to be done about open requests.
pub(in crate::rollout) enum Act<'a> {
    /// Calls that are now on record, each for another instance.
    Send(Work, Vec<Mutation>),
    /// Nothing else before this has settled; `failed`: why the calls just sent did nothing.
    Wait {
        next: Next,
        failed: Option<&'a CloudError>,
    },
    /// Nothing, for now.
    Idle,
}

/// Brings open requests forward: calls for those that can be told now, and none for what has to wait.
pub(in crate::rollout) fn act<'a>(
    ctx: &Context<'a>,
    status: &mut RollingUpdateTaskStatus,
    root: &Execution,
    attempts: &Attempts<'_>,
) -> Known<Act<'a>> {
    if ledger::count_open(&status.actions) == 0 {
        return Ok(Act::Idle);
    }
    let failed = notify::passing_failure(ctx);
    let mut actions = std::mem::take(&mut status.actions);
    reset_clocks(ctx, &mut actions);
    let mut wait = None;
    let mut calls = Vec::new();
    for verb in VERBS {
        for action in 0..actions.len() {
            if actions[action].verb != verb {
                continue;
            }
            for target in in_order(status, &actions[action]) {
                if calls.len() >= CALLS_MAX {
                    break;
                }
                let look = judge::Look {
                    ctx,
                    status,
                    root,
                    attempts,
                    busy: busy(ctx, &actions, (action, target)),
                };
                let judgement = look.judge(&actions[action], &actions[action].instances[target])?;
                let one = &mut actions[action].instances[target];
                match judgement {
                    Judgement::Done(state, reason, message) => {
                        settle(ctx, status, verb, one, (state, reason, &message));
                    }
                    Judgement::Hold(message) => one.message = shorten(&message, MESSAGE_MAX),
                    Judgement::Wait(next) => wait = Some(sooner(wait, next)),
                    // The answer that just came says to wait; a call for another instance would
                    // meet the same.
                    Judgement::Call { .. } if failed.is_some() => {}
                    Judgement::Call {
                        address,
                        mutation,
                        seen,
                    } => {
                        one.message.clear();
                        one.call = Some(notify::intent(ctx, one.call.as_ref(), address, seen));
                        calls.push(mutation);
                    }
                }
            }
            resolve_if_done(ctx, &mut actions[action]);
        }
    }
    status.actions = actions;
    forget_details(status);
    let mut calls = calls.into_iter();
    if let Some(mutation) = calls.next() {
        return Ok(Act::Send(Work { mutation }, calls.collect()));
    }
    let next = failed.map(|error| ctx.waits().after(error)).or(wait);
    Ok(next.map_or(Act::Idle, |next| Act::Wait { next, failed }))
}

/// The open instances of a request, those that have not begun first: once those that hold the update
/// up are decided about it goes on, and their turn would come.
fn in_order(status: &RollingUpdateTaskStatus, action: &Action) -> Vec<usize> {
    let has_begun = |index: &usize| {
        let id = &action.instances[*index].instance;
        let mut all = status.instances.iter();
        all.any(|i| i.id == *id && i.state != InstanceState::Pending)
    };
    let is_open = |index: &usize| action.instances[*index].state == ActionState::Accepted;
    let mut open: Vec<usize> = (0..action.instances.len()).filter(is_open).collect();
    open.sort_by_cached_key(has_begun);
    open
}

/// The execution has ended: what is still open had its effect, or will have none.
pub(in crate::rollout) fn finish(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    root: &Execution,
) {
    let well = root.status == ExecutionStatus::Success;
    let mut actions = std::mem::take(&mut status.actions);
    for action in &mut actions {
        let verb = action.verb;
        for one in &mut action.instances {
            if one.state != ActionState::Accepted {
                continue;
            }
            if !is_instance(one) {
                if well {
                    let message = "the execution went on";
                    resolve_target(one, ActionState::Applied, Reason::AlreadyEffective, message);
                }
                continue;
            }
            let instance = status.instances.iter().find(|i| i.id == one.instance);
            let done = instance.and_then(|instance| {
                let given_up = well && judge::may_be_given_up(verb, one, instance);
                judge::already(verb, one, instance).or(given_up.then(|| judge::effective(instance)))
            });
            if let Some(Judgement::Done(state, reason, message)) = done {
                settle(ctx, status, verb, one, (state, reason, &message));
            }
        }
        resolve_if_done(ctx, action);
    }
    status.actions = actions;
}

/// Ends a target. What passes an instance over, or gives it up, shows in the instance as well.
fn settle(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    target: &mut ActionTarget,
    (state, reason, message): (ActionState, Reason, &str),
) {
    if state == ActionState::Applied && verb != Verb::Retry && is_instance(target) {
        carried_out(ctx, status, verb, &target.instance);
    }
    resolve_target(target, state, reason, message);
}

/// A clock that was ahead when a call went on record must not make anything wait for it.
fn reset_clocks(ctx: &Context<'_>, actions: &mut [Action]) {
    let instances = actions.iter_mut().flat_map(|a| &mut a.instances);
    let calls = instances.filter_map(|one| one.call.as_mut());
    for call in calls.filter(|call| call.time.0 > ctx.now()) {
        let until = call.until.as_ref();
        let wait = until.map(|until| until.0.duration_since(call.time.0));
        call.time = Time(ctx.now());
        call.until = wait.map(|wait| Time(ctx.now() + wait));
    }
}

/// Whether a call for the same instance, of another request, may yet take effect: it would meet what
/// this one begins.
fn busy(ctx: &Context<'_>, actions: &[Action], this: (usize, usize)) -> bool {
    let one = &actions[this.0].instances[this.1];
    let under_way = |call: &ActionCall| call.unanswered && judge::rests(ctx, call).is_some();
    actions.iter().enumerate().any(|(a, action)| {
        action.instances.iter().enumerate().any(|(t, other)| {
            (a, t) != this
                && other.instance == one.instance
                && other.task_execution_id == one.task_execution_id
                && other.call.as_ref().is_some_and(under_way)
        })
    })
}

fn sooner(one: Option<Next>, other: Next) -> Next {
    match (one, other) {
        (Some(Next::After(one)), Next::After(other)) => Next::After(one.min(other)),
        (Some(Next::OnChange) | None, next) | (Some(next), Next::OnChange) => next,
        (Some(Next::Now), _) | (_, Next::Now) => Next::Now,
    }
}
