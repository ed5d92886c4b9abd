//! What was just read says of one instance of an open request.

use ess_rollout_api::v1alpha1::{
    Action, ActionCall, ActionState, ActionTarget, InstanceState, InstanceStatus, NotifyAddress,
    RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{Execution, ExecutionStatus, Mutation, TaskExecution};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::notify;
use crate::identity::hash_value;
use crate::rollout::context::Context;
use crate::rollout::decision::Next;
use crate::rollout::progress::attempts::Attempts;
use crate::rollout::progress::{details, tolerance};
use crate::task::observation::{Known, Missing};
use crate::task::reason::Reason;

/// How often OOS may refuse a failed instance while the update is paused: what it says twice, a bound
/// on lateness apart, it will say again.
pub(super) const REFUSALS_MAX: i32 = 2;

/// What to make of an instance.
pub(super) enum Judgement {
    /// It has had its effect, or will have none.
    Done(ActionState, Reason, String),
    /// OOS would not take it now, and nothing has to wait for it.
    Hold(String),
    /// A call may yet take effect: nothing is done after it before that is known.
    Wait(Next),
    /// OOS is to be told. `seen`: a hash of what was seen.
    Call {
        address: NotifyAddress,
        mutation: Mutation,
        seen: String,
    },
}

/// What is known when an instance is judged. `status` holds the progress as just read.
pub(super) struct Look<'l, 'a> {
    pub(super) ctx: &'l Context<'a>,
    pub(super) status: &'l RollingUpdateTaskStatus,
    pub(super) root: &'l Execution,
    pub(super) attempts: &'l Attempts<'l>,
    /// Whether a call of another request on this instance may yet take effect.
    pub(super) busy: bool,
}

/// Whether a call may yet take effect, or lists may not show yet whether it did; or, where it had none
/// for a reason that passes, whether it is too soon for another. Until when, then.
pub(super) fn rests(ctx: &Context<'_>, call: &ActionCall) -> Option<Next> {
    let until = match &call.until {
        Some(until) if call.unanswered => ctx.waits().over_at(&call.time, until.0),
        Some(until) => until.0,
        // On record by an earlier version.
        None if call.unanswered => ctx.waits().clear_at(&call.time),
        None => return None,
    };
    (ctx.now() < until).then(|| match ctx.waits().until(until) {
        // That it had its effect shows sooner.
        Next::After(wait) if call.unanswered => {
            Next::After(wait.min(ctx.input.settings.poll_interval))
        }
        wait => wait,
    })
}

/// Until when the lists may not show the attempt that a retry has begun: whatever else is asked for would meet that one, which nobody
/// has seen.
fn not_listed_yet(ctx: &Context<'_>, instance: &InstanceStatus) -> Option<Next> {
    let retry = instance.request.as_ref();
    let retry = retry.filter(|r| r.verb == Verb::Retry && r.attempt == instance.attempt)?;
    // As it is shown meanwhile, see `progress::instances`.
    let is_hidden = instance.state == InstanceState::Updating;
    let shown = ctx.waits().settled_at(&retry.time);
    (is_hidden && ctx.now() < shown).then(|| ctx.waits().until(shown))
}

/// Whether a call had no answer and may have had its effect.
pub(super) fn maybe_effective(target: &ActionTarget) -> bool {
    let call = target.call.as_ref();
    call.is_some_and(|call| call.unanswered || call.lost)
}

/// Whether a call that gives an instance up had no answer and may have had its effect. OOS shows an
/// instance that was given up like one that failed; that the update does not wait for it any more
/// tells.
pub(super) fn may_be_given_up(
    verb: Verb,
    target: &ActionTarget,
    instance: &InstanceStatus,
) -> bool {
    verb == Verb::CancelInstances
        && instance.state == InstanceState::Failed
        && maybe_effective(target)
}

/// An instance in a few words, for messages.
pub(super) fn describe(instance: &InstanceStatus) -> String {
    let state = match instance.state {
        InstanceState::Pending => return "it has not begun".to_owned(),
        InstanceState::Updating => "in progress",
        InstanceState::Succeeded => "updated",
        InstanceState::Failed => "failed",
        InstanceState::Cancelled => "given up",
        InstanceState::Skipped => "skipped",
    };
    format!("it is {state}, attempt {}", instance.attempt)
}

/// What was asked for an instance has happened.
pub(super) fn effective(instance: &InstanceStatus) -> Judgement {
    let reason = Reason::AlreadyEffective;
    Judgement::Done(ActionState::Applied, reason, describe(instance))
}

/// It will have no effect any more.
pub(super) fn rejected(reason: Reason, message: impl Into<String>) -> Judgement {
    Judgement::Done(ActionState::Rejected, reason, message.into())
}

/// Whether the request has had its effect, whoever caused it, or can have none any more.
pub(super) fn already(
    verb: Verb,
    target: &ActionTarget,
    instance: &InstanceStatus,
) -> Option<Judgement> {
    use InstanceState::{Cancelled, Skipped, Succeeded, Updating};
    use Verb::{CancelInstances, Retry, Skip};
    let rejected = |reason| rejected(reason, describe(instance));
    let maybe_sent = maybe_effective(target);
    let other = target.execution_id.is_some() && instance.execution_id != target.execution_id;
    let newer = instance.attempt > target.attempt.max(1) || (other && instance.attempt > 0);
    Some(match (verb, instance.state) {
        (Retry, _) if newer => effective(instance),
        (Retry, Updating | Succeeded) => effective(instance),
        // Its failed attempt is gone. If a call of ours may have had a part in that, it is not said
        // that it had none.
        (Retry, Skipped | Cancelled) if maybe_sent => effective(instance),
        (Retry, Skipped | Cancelled) => rejected(Reason::InstanceFinished),
        // Told to the nested execution, a skip lets it go on to its end, as a retry would.
        (Skip, Updating) if newer && !other && maybe_sent => {
            Judgement::Hold("its nested execution goes on: what it comes to will tell".to_owned())
        }
        // OOS may show a skipped instance as any other that succeeded. Taken for skipped: nothing
        // says that the update was done to it.
        (Skip, Succeeded | Skipped) if !other && maybe_sent => effective(instance),
        (Skip | CancelInstances, _) if newer => rejected(Reason::StaleAttempt),
        (Skip, Skipped) | (CancelInstances, Cancelled) => effective(instance),
        (Skip | CancelInstances, Succeeded | Skipped | Cancelled) => {
            rejected(Reason::InstanceFinished)
        }
        _ => return None,
    })
}

/// What would have to change before OOS answers otherwise.
pub(super) fn fingerprint(status: &RollingUpdateTaskStatus, instance: &InstanceStatus) -> String {
    let pause = status
        .pause
        .as_ref()
        .map(|p| (p.id, format!("{:?}", p.kind)));
    let seen = (
        pause,
        format!("{:?}", instance.state),
        instance.attempt,
        &instance.execution_id,
        &instance.task_execution_id,
    );
    hash_value(&seen)[..16].to_owned()
}

impl Look<'_, '_> {
    pub(super) fn judge(&self, action: &Action, target: &ActionTarget) -> Known<Judgement> {
        let (ctx, verb) = (self.ctx, action.verb);
        if let Some(task) = target.task_execution_id.as_deref() {
            return self.judge_task(action, target, task);
        }
        let all = &self.status.instances;
        let Some(instance) = all.iter().find(|i| i.id == target.instance) else {
            let message = "it is no longer listed among the instances of this update";
            return Ok(rejected(Reason::UnknownInstance, message));
        };
        if let Some(judgement) = already(verb, target, instance) {
            let call = target.call.as_ref().filter(|call| call.unanswered);
            let rest = call.and_then(|call| rests(ctx, call));
            return Ok(match (&judgement, rest) {
                // Not before the call that was made for it can have no effect any more.
                (Judgement::Done(ActionState::Rejected, ..), Some(rest)) => Judgement::Wait(rest),
                _ => judgement,
            });
        }
        if !self.is_paused()
            && !tolerance::is_held(ctx, self.status)
            && may_be_given_up(verb, target, instance)
        {
            return Ok(effective(instance));
        }
        if self.busy {
            return Ok(Judgement::Wait(ctx.waits().soon()));
        }
        if let Some(next) = not_listed_yet(ctx, instance) {
            return Ok(Judgement::Wait(next));
        }
        let call = target.call.as_ref();
        let not_refused = call.filter(|call| call.refusals == 0);
        if let Some(rest) = not_refused.and_then(|call| rests(ctx, call)) {
            return Ok(Judgement::Wait(rest));
        }
        if let Some(judgement) = self.obstacle(verb, target, instance) {
            return Ok(judgement);
        }
        match call.and_then(|call| self.refused_rest(&call.time)) {
            Some(rest) => Ok(Judgement::Wait(rest)),
            None => self.address(action, target, instance),
        }
    }

    /// Whether OOS takes requests on instances.
    pub(super) fn is_paused(&self) -> bool {
        self.status.pause.is_some() || self.root.status == ExecutionStatus::Waiting
    }

    /// While a refusal that only a person can mend is on show, calls are made at long intervals.
    fn refused_rest(&self, last: &Time) -> Option<Next> {
        let due = last.0 + self.ctx.waits().patience();
        let rest = due.duration_since(self.ctx.now());
        (self.status.call_refused.is_some() && rest.is_positive())
            .then(|| Next::After(rest.unsigned_abs()))
    }

    /// Why OOS is not to be told now.
    fn obstacle(
        &self,
        verb: Verb,
        target: &ActionTarget,
        instance: &InstanceStatus,
    ) -> Option<Judgement> {
        let ctx = self.ctx;
        let failed = instance.state == InstanceState::Failed;
        if !self.is_paused() {
            return Some(match failed && !tolerance::is_held(ctx, self.status) {
                true => rejected(
                    Reason::NotPaused,
                    "the update goes on, as spec.maxErrors tolerates the failure: OOS takes requests on instances only while it waits",
                ),
                false => Judgement::Hold(
                    "waits for the update to be suspended: OOS takes requests on instances only then"
                        .to_owned(),
                ),
            });
        }
        let call = target.call.as_ref().filter(|call| call.refusals > 0)?;
        let other_address = call.address == NotifyAddress::ChildExecution;
        if other_address || call.seen != fingerprint(self.status, instance) {
            return None;
        }
        if may_be_given_up(verb, target, instance) {
            return Some(effective(instance));
        }
        if call.refusals < REFUSALS_MAX && rests(ctx, call).is_none() {
            return None;
        }
        if failed && call.refusals >= REFUSALS_MAX {
            return Some(rejected(Reason::Refused, target.message.clone()));
        }
        Some(Judgement::Hold(target.message.clone()))
    }

    /// How the instance is addressed, if what was read holds an address.
    fn address(
        &self,
        action: &Action,
        target: &ActionTarget,
        instance: &InstanceStatus,
    ) -> Known<Judgement> {
        let attempt = self.attempts.get(&instance.id);
        let item = attempt.and_then(|attempt| attempt.item.as_ref());
        let call = |address, execution: &str, task, item| {
            let mutation = notify::mutation(self.ctx, action, target, execution, task, item);
            Judgement::Call {
                address,
                mutation,
                seen: fingerprint(self.status, instance),
            }
        };
        let root = self.root.id.as_str();
        // The lists are read one after the other: an item that names another execution is older, or
        // newer, than what is known of the instance.
        let item = item
            .map(|item| item.task)
            .filter(|task| task.child_execution == instance.execution_id);
        let Some(task) = item else {
            let text = (instance.state == InstanceState::Pending)
                .then(|| self.item_not_begun(&instance.id))
                .flatten();
            return Ok(match text {
                Some(text) => call(NotifyAddress::LoopItem, root, None, Some(text)),
                None => Judgement::Hold("waits until OOS lists the instance".to_owned()),
            });
        };
        let call_before = target.call.as_ref();
        let second = call_before.is_some_and(|call| call.address == NotifyAddress::ChildExecution);
        if let Some(child) = instance.execution_id.as_deref().filter(|_| second) {
            let mut child = child;
            let Some(mut tasks) = self.tasks_of(child)? else {
                return Ok(Judgement::Hold(format!("execution {child} cannot be read")));
            };
            // It waits for one within itself, whose failed task is meant.
            if details::last_failed(tasks).is_none()
                && let Some(inner) = details::below(tasks)
                && let Some(found) = self.tasks_of(inner)?
            {
                (child, tasks) = (inner, found);
            }
            let failed = details::last_failed(tasks).map(|task| task.id.clone());
            return Ok(call(NotifyAddress::ChildExecution, child, failed, None));
        }
        let (id, item) = (Some(task.id.clone()), task.loop_item.clone());
        Ok(call(NotifyAddress::LoopTask, root, id, item))
    }

    /// The tasks of a nested execution; `None`: they cannot be read.
    fn tasks_of(&self, execution: &str) -> Known<Option<&[TaskExecution]>> {
        match self.ctx.input.observation.task_executions(execution) {
            Ok(tasks) => Ok(Some(tasks)),
            Err(Missing::Failed(_)) => Ok(None),
            Err(read) => Err(read),
        }
    }

    /// The loop item of an instance that has not begun: OOS lists none, so it is written as those
    /// of its neighbours are.
    fn item_not_begun(&self, id: &str) -> Option<String> {
        let members = self.status.plan.iter().flat_map(|plan| &plan.members);
        let protected = |id: &str| members.clone().any(|m| m.id == id && m.protected);
        let mut listed = self.attempts.iter().filter_map(|(other, attempt)| {
            let text = attempt.item.as_ref()?.task.loop_item.as_deref()?;
            text.contains(other.as_str()).then_some((other, text))
        });
        let (other, text) = listed.next()?;
        let text = text.replace(other.as_str(), id);
        const STATES: [&str; 2] = ["\"InService\"", "\"Protected\""];
        let [from, to] = [protected(other), protected(id)].map(|p| STATES[usize::from(p)]);
        Some(text.replace(from, to))
    }
}
