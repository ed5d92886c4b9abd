//! `NotifyExecution`: what people and programs tell an execution that waits.

mod address;
mod items;
mod targets;

use serde_json::{Value, json};

use self::address::{named_tasks, other_item};
use super::approval::Approval;
use super::control::wrong_status;
use super::ending::Ending;
use super::engine::Engine;
use super::execution::{Mode, Pause, Status};
use super::host::{Caller, Host};
use super::request::{bad_parameter, optional_text, required_text};
use super::switches::RejectedStatus;
use crate::error::ApiError;
use crate::params::Params;

/// What to do about a failed (or not yet finished) task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Retry,
    Skip,
    Cancel,
}

impl Engine {
    pub(super) fn notify_execution(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let id = required_text(params, "ExecutionId")?;
        let kind = required_text(params, "NotifyType")?;
        let note = optional_text(params, "NotifyNote")?.unwrap_or_default();
        let execution = self.existing(region, &id)?;
        match kind.as_str() {
            "Approve" | "Reject" => {
                let tasks = named_tasks(params)?;
                if tasks.len() > 1 {
                    let why = "names more than one task: Approve and Reject are about one";
                    return Err(bad_parameter("TaskExecutionIds", why));
                }
                let item = optional_text(params, "LoopItem")?;
                if !self.is_paused(&id) {
                    return Err(wrong_status(&id, execution.status, "it waits for nobody"));
                }
                let aim = tasks.first().map(String::as_str);
                let (execution, task) = self.to_be_decided(&id, aim, item.as_deref())?;
                let has_enough = self.is_decided(caller, &execution, task)?;
                if let Some(t) = self.task_mut(&execution, task) {
                    t.note.clone_from(&note);
                }
                if kind == "Approve" {
                    if has_enough {
                        self.approve(host, &execution, task);
                    } else {
                        let message = format!("Approved by {}.", caller.principal);
                        self.log(&execution, task, host.now(), message);
                        self.changed(host, &execution);
                    }
                } else {
                    self.reject(host, &execution, task, &note);
                }
            }
            "RetryTask" => self.act_on_tasks(host, &id, params, Verb::Retry, &note)?,
            "SkipTask" => self.act_on_tasks(host, &id, params, Verb::Skip, &note)?,
            "CancelTask" => self.act_on_tasks(host, &id, params, Verb::Cancel, &note)?,
            "ExecuteTask" | "CompleteExecution" => {
                return Err(wrong_status(
                    &id,
                    execution.status,
                    "this is only for executions in Debug mode",
                ));
            }
            _ => {
                return Err(bad_parameter(
                    "NotifyType",
                    "must be Approve, Reject, RetryTask, SkipTask, CancelTask, ExecuteTask or \
                     CompleteExecution",
                ));
            }
        }
        Ok(json!({}))
    }

    /// Whether something in an execution waits, whatever its status shows.
    pub(super) fn is_paused(&self, id: &str) -> bool {
        self.executions
            .get(id)
            .is_some_and(|execution| !execution.status.is_final() && !execution.paused.is_empty())
    }

    /// The first task that waits for approval in an execution or below it, of those that are named.
    fn to_be_decided(
        &self,
        id: &str,
        aim: Option<&str>,
        item: Option<&str>,
    ) -> Result<(String, usize), ApiError> {
        let waiting = self.waiting_for_approval(id);
        let refused = |why| Err(wrong_status(id, Status::Waiting, why));
        if waiting.is_empty() {
            return refused("nothing in it waits for approval");
        }
        let named: Vec<(String, usize)> = waiting
            .into_iter()
            .filter(|(execution, task)| {
                aim.is_none_or(|aim| self.executions[execution].tasks[*task].id == aim)
            })
            .collect();
        if named.is_empty() {
            return refused("the task execution that is named does not wait for approval");
        }
        named
            .into_iter()
            .find(|(execution, task)| {
                item.is_none_or(|item| self.is_of_item(execution, *task, item))
            })
            .ok_or_else(|| other_item("a task that waits for approval"))
    }

    /// The tasks that wait for approval in an execution and below it.
    fn waiting_for_approval(&self, id: &str) -> Vec<(String, usize)> {
        let mut waiting = Vec::new();
        let mut open = vec![id];
        let mut next = 0;
        while let Some(id) = open.get(next).copied() {
            next += 1;
            let Some(execution) = self.executions.get(id) else {
                continue;
            };
            for (i, task) in execution.tasks.iter().enumerate() {
                match task.pause {
                    Some(Pause::Batch | Pause::Approval | Pause::HighRisk) => {
                        waiting.push((id.to_owned(), i));
                    }
                    Some(Pause::Child) => {
                        open.extend(task.child.as_deref());
                    }
                    _ => {}
                }
            }
        }
        waiting
    }

    /// Notes what a caller has to say to a waiting task, and tells whether an approval of it is
    /// the last one needed. Only `ACS::Approve` tasks ask for more than one.
    fn is_decided(&mut self, caller: &Caller, id: &str, task: usize) -> Result<bool, ApiError> {
        let Some(t) = self.task_mut(id, task) else {
            return Ok(true);
        };
        if t.pause != Some(Pause::Approval) {
            return Ok(true);
        }
        let approval =
            Approval::of(&t.properties).map_err(|e| bad_parameter("TaskExecutionId", &e))?;
        if !approval.admits(caller) {
            return Err(ApiError::new(
                403,
                "Forbidden",
                format!(
                    "{} is not among the approvers of the task {}.",
                    caller.principal, t.id
                ),
            ));
        }
        t.approvals.insert(caller.principal.clone());
        Ok(t.approvals.len() >= approval.required)
    }

    fn approve(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        self.log(id, task, host.now(), "Approved.".to_owned());
        self.set_task(host, id, task, Status::Running, String::new());
        if let Some(run) = self.loop_mut(id, task) {
            run.approved = true;
            self.loop_progress(host, id, task);
            return;
        }
        if let Some(t) = self.task_mut(id, task) {
            t.approved = true;
        }
        self.refresh(host, id);
        self.schedule_step(host, id, task, 0);
    }

    fn reject(&mut self, host: &mut dyn Host, id: &str, task: usize, note: &str) {
        let message = if note.is_empty() {
            "Rejected.".to_owned()
        } else {
            format!("Rejected: {note}")
        };
        if self.parent_loop(id, task).is_some() {
            self.task_ended(host, id, task, Ending::Failure(message));
            return;
        }
        self.log(id, task, host.now(), message.clone());
        let status = match host.switches().rejected_execution {
            RejectedStatus::Cancelled => Status::Cancelled,
            RejectedStatus::Failed => Status::Failed,
        };
        self.set_task(host, id, task, status, message.clone());
        self.finish(host, id, status, message);
    }

    fn act_on_tasks(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        params: &Params,
        verb: Verb,
        note: &str,
    ) -> Result<(), ApiError> {
        let targets = self.targets(host.switches(), id, params)?;
        for target in &targets {
            if self.executions[&target.execution].mode != Mode::FailurePause {
                return Err(wrong_status(
                    id,
                    self.executions[id].status,
                    "tasks can be retried, skipped and cancelled only in Mode=FailurePause",
                ));
            }
            if !self.is_paused(&target.execution) {
                let status = self.executions[&target.execution].status;
                return Err(wrong_status(id, status, "it waits for nobody"));
            }
            self.check(target, verb)?;
        }
        for target in targets {
            self.apply(host, &target, verb, note);
        }
        Ok(())
    }
}
