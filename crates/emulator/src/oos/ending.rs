//! The end of tasks and executions: outputs, where to go on, and what becomes of failures.

use serde_json::{Map, Value, json};

use super::engine::{Due, Engine};
use super::execution::{Mode, Pause, Status};
use super::expr::UNSHOWN;
use super::host::Host;
use super::jq;
use super::kept;
use super::parameters::Kind;
use super::store::derived;
use super::template::{MAX_DEPTH, depth};

/// Weight of all outputs that an execution may keep.
const MAX_KEPT: usize = 4_000_000;

/// How a task ended.
pub(super) enum Ending {
    /// The answer that outputs select from, and where to go instead of the next task.
    Success {
        answer: Value,
        next: Option<String>,
    },
    Failure(String),
}

impl Engine {
    /// Takes the end of a task's action: repeats, outputs, loops, and where to go on.
    pub(super) fn task_ended(&mut self, host: &mut dyn Host, id: &str, task: usize, end: Ending) {
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let spec = execution.template.parsed.tasks[execution.tasks[task].spec].clone();
        let (answer, next) = match end {
            Ending::Failure(message) => {
                self.task_failed(host, id, task, message);
                return;
            }
            Ending::Success { answer, next } => (answer, next),
        };
        let outputs = match self.select_outputs(host, id, task, &spec.outputs, &answer) {
            Ok(outputs) => outputs,
            Err(message) => {
                self.task_failed(host, id, task, message);
                return;
            }
        };
        if let Err(message) = self.keep(id, task, outputs) {
            self.task_failed(host, id, task, message);
            return;
        }
        self.set_task(host, id, task, Status::Success, String::new());
        if self.parent_loop(id, task).is_some() {
            self.item_ended(host, id, task);
            return;
        }
        self.publish_outputs(id, task);
        let target = next
            .or(spec.on_success)
            .unwrap_or_else(|| "ACS::NEXT".to_owned());
        self.go_to(host, id, &target, true);
    }

    /// Stores a task's outputs, within bounds on their nesting and on all outputs together.
    pub(super) fn keep(
        &mut self,
        id: &str,
        task: usize,
        outputs: Map<String, Value>,
    ) -> Result<(), String> {
        let Some(execution) = self.executions.get_mut(id) else {
            return Ok(());
        };
        let outputs = Value::Object(outputs);
        if depth(&outputs) > MAX_DEPTH {
            return Err(format!("the outputs nest deeper than {MAX_DEPTH}"));
        }
        execution.kept += jq::weight(&outputs);
        if execution.kept > MAX_KEPT {
            return Err("the outputs of the execution are too large".to_owned());
        }
        // In the task, and where references look for them.
        let bytes = 2 * kept::of_value(&outputs);
        if let Value::Object(outputs) = outputs {
            execution.tasks[task].outputs = outputs;
        }
        self.charge(id, bytes);
        Ok(())
    }

    pub(super) fn publish_outputs(&mut self, id: &str, task: usize) {
        if let Some(execution) = self.executions.get_mut(id) {
            let t = &execution.tasks[task];
            let name = execution.template.parsed.tasks[t.spec].name.clone();
            execution.named.insert(name, t.outputs.clone());
        }
    }

    fn task_failed(&mut self, host: &mut dyn Host, id: &str, task: usize, message: String) {
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let spec = execution.template.parsed.tasks[execution.tasks[task].spec].clone();
        let is_pausing = execution.mode == Mode::FailurePause;
        let is_root = execution.is_root();
        if self.repeat(host, id, task, &spec) {
            return;
        }
        let now = host.now();
        self.log(
            id,
            task,
            now,
            format!("Task {} failed: {message}", spec.name),
        );
        self.set_task(host, id, task, Status::Failed, message.clone());
        if self.parent_loop(id, task).is_some() {
            self.item_ended(host, id, task);
            return;
        }
        if let Some(target) = &spec.on_error
            && target != "ACS::END"
        {
            self.publish_outputs(id, task);
            self.go_to(host, id, target, false);
            return;
        }
        let is_loop = self.executions[id].tasks[task].looped.is_some();
        // The items of a loop were resolved one by one before it ended.
        if is_pausing && !is_loop {
            self.pause_task(id, task, Pause::Failure);
            self.refresh(host, id);
            return;
        }
        let shown = if is_root {
            format!("Task {} failed.", spec.name)
        } else {
            message
        };
        self.finish(host, id, Status::Failed, shown);
    }

    /// Goes on after a task. `well` says what `ACS::END` means.
    pub(super) fn go_to(&mut self, host: &mut dyn Host, id: &str, target: &str, well: bool) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        match target {
            "ACS::NEXT" => execution.position += 1,
            "ACS::END" => {
                let (status, message) = if well {
                    (Status::Success, String::new())
                } else {
                    (Status::Failed, "A task failed.".to_owned())
                };
                self.finish(host, id, status, message);
                return;
            }
            name => match execution.template.parsed.task_index(name) {
                Some(index) => execution.position = index,
                None => {
                    let message = format!("There is no task {name}.");
                    self.finish(host, id, Status::Failed, message);
                    return;
                }
            },
        }
        if execution.position >= execution.template.parsed.tasks.len() {
            self.finish(host, id, Status::Success, String::new());
            return;
        }
        self.refresh(host, id);
        let delay = i64::from(host.switches().task_delay_seconds);
        let execution = id.to_owned();
        self.schedule(host, delay, Due::Advance { execution });
    }

    /// Ends an execution, with its outputs, and tells its parent.
    pub(super) fn finish(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        status: Status,
        message: String,
    ) {
        let now = host.now();
        let (mut status, mut message) = (status, message);
        let is_schedule = self.executions.get(id).is_some_and(|e| e.trigger.is_some());
        // What tasks put out is in the children that a trigger started.
        if status == Status::Success && !is_schedule {
            let declared = match self.executions.get(id) {
                Some(execution) => execution.template.parsed.outputs.clone(),
                None => return,
            };
            let mut outputs = Map::new();
            for (name, spec) in declared {
                let value = spec.get("Value").cloned().unwrap_or(Value::Null);
                let made = self.resolve(host, id, None, &value).and_then(|value| {
                    let declared = declared_kind(&spec);
                    self.in_kind(host, id, None, (&name, declared), value)
                });
                match made {
                    Ok(value) => {
                        outputs.insert(name, value);
                    }
                    Err(e) => {
                        status = Status::Failed;
                        message = format!("Output {name}: {e}.");
                    }
                }
            }
            if let Some(execution) = self.executions.get_mut(id) {
                execution.outputs = outputs;
            }
        }
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        if execution.status.is_final() {
            return;
        }
        execution.status = status;
        execution.message = self.store.told(&message);
        execution.ended = Some(now);
        self.settle_kept(id);
        self.changed(host, id);
        self.tell_parent(host, id);
    }

    pub(super) fn tell_parent(&mut self, host: &mut dyn Host, id: &str) {
        if let Some(link) = self.executions.get(id).and_then(|e| e.link.clone()) {
            let due = Due::ChildChanged {
                execution: link.execution,
                task: link.task,
            };
            self.schedule(host, 0, due);
        }
    }

    pub(super) fn select_outputs(
        &mut self,
        host: &dyn Host,
        id: &str,
        task: usize,
        declared: &Map<String, Value>,
        answer: &Value,
    ) -> Result<Map<String, Value>, String> {
        let is_child = self
            .executions
            .get(id)
            .is_some_and(|e| e.tasks[task].child.is_some());
        let mut outputs = match answer {
            // The outputs of a child execution can be referred to without declaring them again.
            Value::Object(map) if is_child => map.clone(),
            _ => Map::new(),
        };
        for (name, spec) in declared {
            let declared = declared_kind(spec);
            let value = if let Some(value) = spec.get("Value") {
                self.resolve(host, id, Some(task), value)?
            } else {
                let selector = match spec.get("ValueSelector") {
                    None | Some(Value::Null) => ".",
                    Some(Value::String(text)) => text,
                    Some(_) => return Err(format!("ValueSelector of output {name} is not a text")),
                };
                let selector = match self.resolve(host, id, Some(task), &json!(selector))? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                let secret = self.store.is_in(answer) || self.store.is_in(&json!(selector));
                // An error of jq shows the value that it is at odds with.
                let found = jq::run(&selector, answer)
                    .map_err(|e| if secret { UNSHOWN.to_owned() } else { e })?;
                let value = collect(declared.unwrap_or(Kind::String), found);
                if secret {
                    self.store.add_derived(host, derived(answer, &value))?;
                }
                value
            };
            let value = self.in_kind(host, id, Some(task), (name, declared), value)?;
            outputs.insert(name.clone(), value);
        }
        Ok(outputs)
    }

    /// The value of an output in the type that it declares. Nothing found is null in each of them.
    fn in_kind(
        &mut self,
        host: &dyn Host,
        id: &str,
        task: Option<usize>,
        (name, declared): (&str, Option<Kind>),
        value: Value,
    ) -> Result<Value, String> {
        let is_structure = value.is_object() || value.is_array();
        let given = value.clone();
        let made = match declared {
            _ if value.is_null() => Ok(value),
            None => Ok(value),
            // Any value is JSON.
            Some(Kind::Json) => Ok(Kind::Json.coerce(value.clone()).unwrap_or(value)),
            // Public templates declare objects so, and take them apart again.
            Some(Kind::String) if is_structure => {
                let message = format!(
                    "The output {name} is declared as String and holds a structure, which is passed \
                     on as it is."
                );
                self.log(id, task.unwrap_or(usize::MAX), host.now(), message);
                Ok(value)
            }
            // Not the value itself, which may be secret.
            Some(kind) => kind.coerce(value).ok_or_else(|| {
                format!(
                    "the output {name} must be of type {}, and is not",
                    kind.name()
                )
            }),
        }?;
        self.store.add_converted(host, &given, &made)?;
        Ok(made)
    }
}

/// The type that an output declares, if it does.
fn declared_kind(spec: &Value) -> Option<Kind> {
    let declared = spec.get("Type").and_then(Value::as_str);
    declared.and_then(Kind::parse)
}

/// One output value of what a selector yielded: a list takes all, the rest the first.
fn collect(kind: Kind, mut values: Vec<Value>) -> Value {
    if kind == Kind::List {
        return match values.as_slice() {
            [Value::Array(list)] => Value::Array(list.clone()),
            [Value::Null] => json!([]),
            _ => Value::Array(values),
        };
    }
    if values.is_empty() {
        return Value::Null;
    }
    let value = values.swap_remove(0);
    kind.coerce(value.clone()).unwrap_or(value)
}
