//! What was just read says of a failed task of the execution itself that a request is for.

use ess_rollout_api::v1alpha1::{Action, ActionState, ActionTarget, NotifyAddress, Verb};
use ess_rollout_cloud::ExecutionStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge::{Judgement, Look, REFUSALS_MAX, maybe_effective, rejected, rests};
use super::notify;
use crate::identity::hash_value;
use crate::task::observation::Known;
use crate::task::reason::Reason;

impl Look<'_, '_> {
    /// What to make of a failed task of the execution itself, or of a failed item of one.
    pub(super) fn judge_task(
        &self,
        action: &Action,
        target: &ActionTarget,
        id: &str,
    ) -> Known<Judgement> {
        let (ctx, verb) = (self.ctx, action.verb);
        let tasks = ctx.input.observation.task_executions(&self.root.id)?;
        let Some(task) = tasks.iter().find(|task| task.id == id) else {
            let message = "OOS does not list that task any more";
            let call = target.call.as_ref();
            return Ok(match call.and_then(|call| rests(ctx, call)) {
                Some(rest) => Judgement::Wait(rest),
                // It is not said that a call had no part in that which may have had one.
                None if maybe_effective(target) => Judgement::Done(
                    ActionState::Applied,
                    Reason::AlreadyEffective,
                    message.into(),
                ),
                None => rejected(Reason::UnknownTask, message),
            });
        };
        let failed = task.status == ExecutionStatus::Failed;
        if !failed || task.end.map(Time) != target.failure_time {
            return Ok(match verb == Verb::Skip && failed {
                true => rejected(Reason::StaleAttempt, "it has failed again"),
                false => Judgement::Done(
                    ActionState::Applied,
                    Reason::AlreadyEffective,
                    format!("it is {}", task.status.as_str()),
                ),
            });
        }
        if let Some(call) = &target.call {
            if let Some(rest) = rests(ctx, call) {
                return Ok(Judgement::Wait(rest));
            }
            if call.refusals >= REFUSALS_MAX {
                return Ok(rejected(Reason::Refused, target.message.clone()));
            }
        }
        if !self.is_paused() {
            let message = "waits for the update to be suspended: OOS takes requests only then";
            return Ok(Judgement::Hold(message.to_owned()));
        }
        let (root, item) = (&self.root.id, task.loop_item.clone());
        Ok(Judgement::Call {
            address: NotifyAddress::LoopTask,
            mutation: notify::mutation(ctx, action, target, root, Some(id.to_owned()), item),
            // A refusal of the same failure is the same refusal.
            seen: hash_value(&(id, &target.failure_time))[..16].to_owned(),
        })
    }
}
