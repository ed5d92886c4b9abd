//! Tasks that run another template as a child execution: `ACS::Template` and the nested
//! cloud-product actions.

use serde_json::{Map, Value, json};

use super::Outcome;
use crate::oos::ending::Ending;
use crate::oos::engine::Engine;
use crate::oos::execution::NewExecution;
use crate::oos::execution::{Mode, ParentLink, Pause, Status};
use crate::oos::host::Host;
use crate::oos::switches::ChildInFailurePause;

/// Deepest nesting of child executions.
const MAX_LEVEL: usize = 5;
/// Most executions that the templates of one root may make, so that templates which call
/// themselves, in loops or through StartExecution, end.
const MAX_FAMILY: usize = 5_000;

impl Engine {
    pub(super) fn start_template(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        properties: &Value,
    ) -> Outcome {
        let text = |key: &str| properties.get(key).and_then(Value::as_str);
        let Some(name) = text("TemplateName") else {
            return Outcome::Failed("TemplateName is missing".to_owned());
        };
        let parameters = match properties.get("Parameters") {
            Some(Value::Object(map)) => map.clone(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Outcome::Failed("Parameters is not an object".to_owned()),
        };
        self.start_child(host, id, task, name, text("TemplateVersion"), parameters)
    }

    /// A cloud-product action: its properties are the child's parameters.
    pub(super) fn start_nested(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        action: &str,
        properties: Value,
    ) -> Outcome {
        let Value::Object(parameters) = properties else {
            return Outcome::Failed("Properties is not an object".to_owned());
        };
        self.start_child(host, id, task, action, None, parameters)
    }

    /// Counts one more execution that a template made, unless there are too many.
    pub(in crate::oos) fn join_family(&mut self, family: &str) -> Result<(), String> {
        let family = self.families.entry(family.to_owned()).or_default();
        if family.children >= MAX_FAMILY {
            return Err(format!("there are more than {MAX_FAMILY} child executions"));
        }
        family.children += 1;
        Ok(())
    }

    fn start_child(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        name: &str,
        version: Option<&str>,
        parameters: Map<String, Value>,
    ) -> Outcome {
        let parent = &self.executions[id];
        if parent.level >= MAX_LEVEL {
            return Outcome::Failed(format!("executions nest deeper than {MAX_LEVEL} levels"));
        }
        let family = parent.family.clone();
        if let Err(e) = self.join_family(&family) {
            // Loops would make one failed task after the other.
            if let Some(family) = self.families.get_mut(&family) {
                family.over.get_or_insert_with(|| format!("{e}."));
            }
            return Outcome::Failed(e);
        }
        let parent = &self.executions[id];
        let inherits = host.switches().child_in_failure_pause == ChildInFailurePause::Waiting;
        let region = parent.region.clone();
        let new = NewExecution {
            link: Some(ParentLink {
                execution: id.to_owned(),
                task,
            }),
            parent_id: id.to_owned(),
            root_id: Some(parent.root_id.clone()),
            family: Some(family),
            level: parent.level + 1,
            mode: if inherits {
                parent.mode
            } else {
                Mode::Automatic
            },
            loop_mode: String::new(),
            safety_check: parent.safety_check.clone(),
            confirm_high_risk: parent.confirm_high_risk,
            starter: parent.starter.clone(),
            acting: parent.acting.clone(),
            resource_group: parent.resource_group.clone(),
            ..NewExecution::default_for(&parent.starter)
        };
        let template = match self.find_template(&region, name, version) {
            Ok(template) => template,
            Err(_) if name.contains("::") => {
                return Outcome::Failed(format!(
                    "there is no action {name}; register it with CreateTemplate or --actions"
                ));
            }
            Err(e) => return Outcome::Failed(e.to_string()),
        };
        match self.create(host, &region, template, parameters, new) {
            Ok(child) => {
                if let Some(execution) = self.executions.get_mut(id) {
                    execution.children.push(child.clone());
                    execution.tasks[task].child = Some(child);
                }
                self.changed(host, id);
                Outcome::Stays(None)
            }
            Err(e) => Outcome::Failed(e.to_string()),
        }
    }

    /// Takes a change of the child execution's status into its task.
    pub(in crate::oos) fn child_changed(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        if self.trigger_child_changed(host, id, task) {
            return;
        }
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let t = &execution.tasks[task];
        if execution.status.is_final() || t.status.is_final() {
            return;
        }
        let Some(child) = t.child.as_ref().and_then(|c| self.executions.get(c)) else {
            return;
        };
        match child.status {
            Status::Success | Status::Skipped => {
                let mut answer = child.outputs.clone();
                answer.insert("ExecutionId".to_owned(), json!(child.id));
                let answer = Value::Object(answer);
                self.task_ended(host, id, task, Ending::Success { answer, next: None });
            }
            Status::Failed => {
                let message = child.message.clone();
                self.task_ended(host, id, task, Ending::Failure(message));
            }
            Status::Cancelled => {
                let mut message = "The child execution was cancelled.".to_owned();
                if !child.message.is_empty() {
                    message = format!("{message} {}", child.message);
                }
                self.task_ended(host, id, task, Ending::Failure(message));
            }
            Status::Waiting => {
                let failed = self.waits_for_failure(&child.id.clone());
                self.set_task(host, id, task, Status::Waiting, String::new());
                self.pause_task(id, task, Pause::Child);
                self.note_waiting_item(host, id, task, failed);
            }
            Status::Started | Status::Running => {
                if t.pause == Some(Pause::Child) {
                    self.set_task(host, id, task, Status::Running, String::new());
                    self.note_waiting_item(host, id, task, false);
                }
            }
        }
    }

    /// Whether an execution waits because of a failed task in it or below it.
    fn waits_for_failure(&self, id: &str) -> bool {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(execution) = self.executions.get(id) else {
                continue;
            };
            for task in &execution.tasks {
                match task.pause {
                    Some(Pause::Failure) => return true,
                    Some(Pause::Child) => open.extend(task.child.as_deref()),
                    _ => {}
                }
            }
        }
        false
    }

    /// Lets the loop know that an item waits for a failure inside it to be resolved, or no longer.
    fn note_waiting_item(&mut self, host: &mut dyn Host, id: &str, task: usize, failed: bool) {
        let Some(parent) = self.parent_loop(id, task) else {
            self.refresh(host, id);
            return;
        };
        if let Some(run) = self.loop_mut(id, parent) {
            if failed {
                run.unresolved.insert(task);
            } else {
                run.unresolved.remove(&task);
            }
        }
        self.loop_progress(host, id, parent);
    }
}
