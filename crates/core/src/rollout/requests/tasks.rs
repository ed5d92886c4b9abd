//! What was just read says of a failed task of the execution itself that a request is for.

use ess_rollout_api::v1alpha1::{Action, ActionState, ActionTarget, NotifyAddress, Verb};
use ess_rollout_cloud::ExecutionStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge::{Call, EFFECTIVE, Look, REFUSALS_MAX, Verdict, rests};
use super::notify;
use crate::identity::hash_value;
use crate::task::observation::Known;
use crate::task::reason::Reason;

impl Look<'_, '_> {
    /// What to make of a failed task of the execution itself, or of a failed item of one.
    pub(in crate::rollout) fn judge_task(
        &self,
        action: &Action,
        target: &ActionTarget,
        id: &str,
    ) -> Known<Verdict> {
        use ActionState::{Applied, Rejected};
        let (ctx, verb) = (self.ctx, action.verb);
        let tasks = ctx.input.observation.task_executions(&self.root.id)?;
        let Some(task) = tasks.iter().find(|task| task.id == id) else {
            let message = "OOS does not list that task any more".to_owned();
            return Ok(Verdict::Done(Rejected, Reason::UnknownTask, message));
        };
        let same =
            task.status == ExecutionStatus::Failed && task.end.map(Time) == target.failure_time;
        if !same {
            let how = format!("it is {}", task.status.as_str());
            return Ok(
                match verb == Verb::Skip && task.status == ExecutionStatus::Failed {
                    true => Verdict::Done(
                        Rejected,
                        Reason::StaleAttempt,
                        "it has failed again".to_owned(),
                    ),
                    false => Verdict::Done(Applied, EFFECTIVE, how),
                },
            );
        }
        if let Some(call) = &target.call {
            if let Some(rest) = rests(ctx, call) {
                return Ok(Verdict::Wait(rest));
            }
            if call.refusals >= REFUSALS_MAX {
                return Ok(Verdict::Done(
                    Rejected,
                    Reason::Refused,
                    target.message.clone(),
                ));
            }
        }
        if !self.is_paused() {
            let message = "waits for the update to be suspended: OOS takes requests only then";
            return Ok(Verdict::Hold(message.to_owned()));
        }
        let build = notify::Builder {
            ctx,
            root: &self.root.id,
            action,
            target,
        };
        Ok(Verdict::Call(Call {
            address: NotifyAddress::LoopTask,
            mutation: build.root(Some(id.to_owned()), task.loop_item.clone()),
            // A refusal of the same failure is the same refusal.
            seen: hash_value(&(id, &target.failure_time))[..16].to_owned(),
        }))
    }
}
