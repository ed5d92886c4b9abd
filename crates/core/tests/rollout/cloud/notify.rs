//! Retry-, Skip- and CancelTask: whom they are aimed at, and what they do.

use ess_rollout_cloud::{
    CloudError, ErrorClass, Execution, ExecutionStatus, NotifyType, Outcome, TaskExecution,
};

use super::run::loop_item;
use super::{Begun, Cloud, error};

impl Cloud {
    pub(super) fn notify(
        &mut self,
        notify: NotifyType,
        execution: &str,
        task: Option<&str>,
        item: Option<&str>,
    ) -> Result<(), CloudError> {
        let refused = |class| Err(error("NotifyExecution", class, Outcome::NoEffect));
        let is_root = self.runs.iter().any(|r| r.root == *execution);
        let found = self.executions.iter().find(|e| e.id == *execution);
        let Some(found) = found.cloned() else {
            return refused(ErrorClass::NotFound);
        };
        let root = found.parent.clone().unwrap_or(found.id.clone());
        let run = self.run(&root);
        if let Some(tagging) = task.filter(|task| self.is_tagging(&root, task)) {
            return self.decide_about_tagging(notify, &root, tagging);
        }
        let instance = if is_root {
            run.items.iter().find(|id| {
                let by_task = self.oos.by_task && task == Some(format!("{root}.{id}").as_str());
                by_task || (self.oos.by_item && item == Some(loop_item(id).as_str()))
            })
        } else {
            // Only the newest child of an item stands for it.
            let item = self.tasks[&root]
                .iter()
                .find(|t| t.child_execution.as_deref() == Some(execution));
            run.items
                .iter()
                .find(|id| item.is_some_and(|t| t.id == format!("{root}.{id}")))
                .filter(|_| self.oos.by_child)
        };
        let Some(instance) = instance.cloned() else {
            return refused(ErrorClass::Invalid);
        };
        if !self.takes(notify, &root, &instance) {
            return refused(ErrorClass::Conflict);
        }
        self.act_on(notify, &root, &instance);
        let attempt = run.attempts.get(&instance).copied().unwrap_or(0);
        self.notified.push((notify, instance, attempt));
        self.notified_sent.push(self.sent_at);
        Ok(())
    }

    /// Whether a notification fits what the update and the instance are doing.
    pub(super) fn takes(&self, notify: NotifyType, root: &str, id: &str) -> bool {
        let run = self.run(root);
        let waits = run.paused_after.is_some() || self.is_held(root);
        let ended = |e: &Execution| e.id == *root && e.status.is_final();
        if !run.suspend_on_failure || !waits || self.executions.iter().any(ended) {
            return false;
        }
        let unresolved = run.unresolved.contains(id);
        let begun = self.item_of(root, id).map(|t| t.status.is_final());
        match (notify, begun) {
            (NotifyType::RetryTask, _) => unresolved,
            (_, Some(true)) => unresolved,
            (_, _) => run.items.iter().any(|item| item == id),
        }
    }

    pub(super) fn item_of(&self, root: &str, id: &str) -> Option<&TaskExecution> {
        let items = self.tasks.get(root)?;
        items.iter().find(|t| t.id == format!("{root}.{id}"))
    }

    /// What a notification, or somebody in the console, does to an instance.
    pub(super) fn act_on(&mut self, notify: NotifyType, root: &str, id: &str) {
        let run = self.run(root);
        let Some(item) = self.item_of(root, id).cloned() else {
            let skipped = notify == NotifyType::SkipTask;
            self.run_mut(root)
                .passed_over
                .insert(id.to_owned(), skipped);
            if self.passed_over_at_once {
                self.pass_over(root, id, run.batch_of[id], skipped);
                self.remember();
            }
            return;
        };
        self.run_mut(root).unresolved.remove(id);
        let child = item.child_execution.clone().unwrap_or_default();
        let ended = self
            .executions
            .iter()
            .any(|e| e.id == child && e.status.is_final());
        let time = self.time();
        match notify {
            NotifyType::Approve => unreachable!("an Approve names no instance"),
            NotifyType::RetryTask if ended => {
                self.begin_item(root, id, run.batch_of[id]);
            }
            NotifyType::RetryTask => {
                let mut inner = self.tasks.get(&child).into_iter().flatten();
                let failed = inner.find_map(|t| t.end).unwrap();
                self.begun.push(Begun {
                    instance: id.to_owned(),
                    time: self.now,
                    after: Some((child.clone(), failed)),
                });
                *self.run_mut(root).attempts.get_mut(id).unwrap() += 1;
                self.show(
                    root,
                    id,
                    &child,
                    ExecutionStatus::Running,
                    ExecutionStatus::Running,
                );
                for t in self.tasks.get_mut(&child).into_iter().flatten() {
                    (t.status, t.end) = (ExecutionStatus::Running, None);
                }
                for e in self.executions.iter_mut().filter(|e| e.id == child) {
                    e.updated = Some(time);
                }
            }
            NotifyType::SkipTask if self.oos.skip_inside && !ended => {
                *self.run_mut(root).attempts.get_mut(id).unwrap() += 1;
                self.show(
                    root,
                    id,
                    &child,
                    ExecutionStatus::Running,
                    ExecutionStatus::Running,
                );
                for t in self.tasks.get_mut(&child).into_iter().flatten() {
                    t.status = ExecutionStatus::Skipped;
                }
                for e in self.executions.iter_mut().filter(|e| e.id == child) {
                    e.updated = Some(time);
                }
            }
            NotifyType::SkipTask => {
                let status = if self.oos.skipped_as_success {
                    ExecutionStatus::Success
                } else {
                    ExecutionStatus::Skipped
                };
                self.show(root, id, &child, status.clone(), status);
            }
            NotifyType::CancelTask => {
                let item = ExecutionStatus::Failed;
                self.show(root, id, &child, item, ExecutionStatus::Cancelled);
            }
        }
        self.remember();
        self.go_on(root);
    }

    /// Sets an item, and its execution unless that has ended.
    fn show(
        &mut self,
        root: &str,
        id: &str,
        child: &str,
        item: ExecutionStatus,
        execution: ExecutionStatus,
    ) {
        let time = self.time();
        for t in self.tasks.get_mut(root).into_iter().flatten() {
            if t.id == format!("{root}.{id}") {
                t.status = item.clone();
                t.end = item.is_final().then_some(time);
            }
        }
        for e in &mut self.executions {
            if e.id == *child && !e.status.is_final() {
                e.status = execution.clone();
                e.end = execution.is_final().then_some(time);
            }
        }
    }
}
