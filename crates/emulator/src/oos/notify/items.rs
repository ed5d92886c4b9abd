//! Retrying, skipping and giving up tasks and loop items.

use serde_json::Value;

use super::Verb;
use super::targets::{Target, What};
use crate::oos::engine::Engine;
use crate::oos::execution::{Pause, Status};
use crate::oos::host::Host;
use crate::oos::loops::skipped_status;

impl Engine {
    pub(super) fn apply(&mut self, host: &mut dyn Host, target: &Target, verb: Verb, note: &str) {
        let id = target.execution.as_str();
        match target.what {
            What::Unstarted { parent, index } => {
                if let Some(run) = self.loop_mut(id, parent) {
                    run.passed_over.insert(index, verb == Verb::Skip);
                }
                self.changed(host, id);
            }
            What::Task(task) => {
                self.note(id, task, note);
                self.on_task(host, id, task, verb);
            }
            What::Item(task) => {
                self.note(id, task, note);
                self.on_item(host, id, task, verb);
            }
        }
    }

    fn note(&mut self, id: &str, task: usize, note: &str) {
        if let Some(t) = self.task_mut(id, task) {
            note.clone_into(&mut t.note);
        }
    }

    fn on_task(&mut self, host: &mut dyn Host, id: &str, task: usize, verb: Verb) {
        let execution = &self.executions[id];
        let spec = execution.template.parsed.tasks[execution.tasks[task].spec].clone();
        self.log(
            id,
            task,
            host.now(),
            format!("{verb:?} of task {}.", spec.name),
        );
        match verb {
            Verb::Retry => {
                self.restart(host, id, task);
                if let Some(t) = self.task_mut(id, task) {
                    t.begun = false;
                }
                self.schedule_step(host, id, task, 0);
                self.refresh(host, id);
            }
            Verb::Skip => {
                self.set_task(host, id, task, Status::Skipped, String::new());
                self.publish_outputs(id, task);
                let target = spec.on_success.unwrap_or_else(|| "ACS::NEXT".to_owned());
                self.go_to(host, id, &target, true);
            }
            Verb::Cancel => {
                // Inside a loop's child, giving up the task gives up the item.
                let item = self.executions[id]
                    .link
                    .clone()
                    .filter(|link| self.parent_loop(&link.execution, link.task).is_some());
                if let Some(link) = item {
                    self.on_item(host, &link.execution, link.task, Verb::Cancel);
                    return;
                }
                let message = format!("Task {} was cancelled.", spec.name);
                self.set_task(host, id, task, Status::Failed, message.clone());
                self.finish(host, id, Status::Failed, message);
            }
        }
    }

    fn on_item(&mut self, host: &mut dyn Host, id: &str, task: usize, verb: Verb) {
        let t = &self.executions[id].tasks[task];
        let Some(parent) = t.parent else { return };
        let was_active = !t.status.is_final();
        let child = t.child.clone();
        self.log(id, task, host.now(), format!("{verb:?} of the item."));
        if verb == Verb::Retry {
            if was_active {
                // The child waits: what failed is inside it.
                self.retry_inside(host, child.as_deref());
                return;
            }
            self.restart(host, id, task);
            if let Some(run) = self.loop_mut(id, parent) {
                run.unresolved.remove(&task);
                run.active += 1;
            }
            self.schedule_step(host, id, task, 0);
            self.loop_progress(host, id, parent);
            return;
        }
        let switches = host.switches().clone();
        let status = match verb {
            Verb::Skip => skipped_status(&switches),
            _ => Status::Failed,
        };
        let message = match verb {
            Verb::Skip => "Skipped.".to_owned(),
            _ if was_active => "Cancelled.".to_owned(),
            _ => self.executions[id].tasks[task].message.clone(),
        };
        self.set_task(host, id, task, status, message.clone());
        if let Some(t) = self.task_mut(id, task) {
            t.generation += 1;
        }
        if was_active && let Some(child) = child {
            if verb == Verb::Skip {
                // What the child has started must not go on calling the cloud.
                self.end_all(host, &child, status, &message);
            } else {
                self.cancel_now(host, &child, &message);
            }
        }
        if let Some(run) = self.loop_mut(id, parent) {
            run.unresolved.remove(&task);
            if was_active {
                run.active = run.active.saturating_sub(1);
            }
            if verb == Verb::Cancel {
                run.given_up += 1;
            }
        }
        self.loop_progress(host, id, parent);
    }

    /// Makes a task as if it had not run.
    fn restart(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        self.set_task(host, id, task, Status::Running, String::new());
        if let Some(t) = self.task_mut(id, task) {
            t.attempt = 0;
            t.child = None;
            t.properties = Value::Null;
            t.approved = false;
            t.approvals.clear();
            t.looped = None;
            t.generation += 1;
        }
        if let Some(execution) = self.executions.get_mut(id) {
            execution.runs += 1;
        }
    }

    /// Retries the failed tasks that hold up a waiting child execution.
    fn retry_inside(&mut self, host: &mut dyn Host, child: Option<&str>) {
        let mut open: Vec<String> = child.map(str::to_owned).into_iter().collect();
        while let Some(id) = open.pop() {
            let Some(execution) = self.executions.get(&id) else {
                continue;
            };
            let mut failed = Vec::new();
            for (i, task) in execution.tasks.iter().enumerate() {
                match task.pause {
                    Some(Pause::Failure) if task.looped.is_none() => failed.push(i),
                    Some(Pause::Child) => open.extend(task.child.clone()),
                    _ => {}
                }
            }
            for task in failed {
                self.on_task(host, &id, task, Verb::Retry);
            }
        }
    }
}
