//! The scheduler: what is due, the walk from task to task, the end of executions.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::execution::{Execution, Log, Mode, Pause, PauseOption, Status, Task, time_text};
use super::expr::{Resolver, Scope};
use super::functions::truth;
use super::jq;
use super::parameters::Kind;
use super::switches::{ChildInFailurePause, PausedStatus};
use super::template::{MAX_DEPTH, depth};
use super::{Engine, Host};

/// Task runs that one execution may make, loop items included. Templates that run in circles end
/// here instead of running for ever.
const MAX_RUNS: u32 = 5_000;
/// Weight of all outputs that an execution may keep.
const MAX_KEPT: usize = 4_000_000;
/// Log lines kept per execution.
const MAX_LOGS: usize = 2_000;

/// Something to do at its time.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// Begin the task at the execution's position.
    Advance { execution: String },
    /// Run or go on with one task, if nobody restarted it since.
    Step {
        execution: String,
        task: usize,
        generation: u32,
    },
    /// The child of a task changed its status.
    ChildChanged { execution: String, task: usize },
    /// Make a cancellation that was asked for earlier take effect.
    Cancel { execution: String },
}

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
    pub(super) fn schedule(&mut self, host: &mut dyn Host, delay_seconds: i64, due: Due) {
        let now = host.now();
        let at = now
            .checked_add(SignedDuration::from_secs(delay_seconds))
            .unwrap_or(now);
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), due);
        host.wake_at(at);
    }

    /// Does everything that is due.
    pub(super) fn drain(&mut self, host: &mut dyn Host) {
        let now = host.now();
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Due::Advance { execution } => self.advance(host, &execution),
                Due::Step {
                    execution,
                    task,
                    generation,
                } => {
                    let current = self
                        .executions
                        .get(&execution)
                        .and_then(|e| e.tasks.get(task))
                        .map(|t| t.generation);
                    if current == Some(generation) {
                        self.step(host, &execution, task);
                    }
                }
                Due::ChildChanged { execution, task } => {
                    self.child_changed(host, &execution, task);
                }
                Due::Cancel { execution } => self.cancel_now(host, &execution, "Cancelled."),
            }
        }
        if let Some(((at, _), _)) = self.agenda.first_key_value() {
            host.wake_at(*at);
        }
    }

    fn advance(&mut self, host: &mut dyn Host, id: &str) {
        if self.stand_still(host, id) {
            return;
        }
        let now = host.now();
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        if execution.status.is_final() {
            return;
        }
        if execution.status == Status::Started {
            execution.status = Status::Running;
            self.changed(host, id);
        }
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let position = execution.position;
        let Some(spec) = execution.template.parsed.tasks.get(position) else {
            self.finish(host, id, Status::Success, String::new());
            return;
        };
        if execution.runs >= MAX_RUNS {
            let message = format!("The execution ran more than {MAX_RUNS} tasks.");
            self.finish(host, id, Status::Failed, message);
            return;
        }
        let (name, when, looped) = (spec.name.clone(), spec.when.clone(), spec.looped.clone());
        let task = self.new_task(id, position, now);
        self.log(id, task, now, format!("Task {name} started."));
        if let Some(when) = when {
            match self.resolve(host, id, None, &when).and_then(|v| truth(&v)) {
                Ok(true) => {}
                Ok(false) => {
                    self.set_task(host, id, task, Status::Skipped, String::new());
                    self.go_to(host, id, "ACS::NEXT", true);
                    return;
                }
                Err(e) => {
                    self.task_ended(host, id, task, Ending::Failure(format!("When: {e}")));
                    return;
                }
            }
        }
        match looped {
            Some(looped) => self.begin_loop(host, id, task, &looped),
            None => self.step(host, id, task),
        }
    }

    /// Whether this child execution has to wait because its loop is in a failure pause.
    fn stand_still(&mut self, host: &mut dyn Host, id: &str) -> bool {
        use super::switches::OthersInFailurePause::StandStill;
        if host.switches().others_in_failure_pause != StandStill {
            return false;
        }
        let Some(link) = self.executions.get(id).and_then(|e| e.link.clone()) else {
            return false;
        };
        let Some(parent) = self.executions.get_mut(&link.execution) else {
            return false;
        };
        let Some(loop_task) = parent.tasks.get(link.task).and_then(|t| t.parent) else {
            return false;
        };
        let is_paused = parent.tasks[loop_task].pause == Some(Pause::Failure);
        match &mut parent.tasks[loop_task].looped {
            Some(run) if is_paused => {
                run.frozen.insert(id.to_owned());
                true
            }
            _ => false,
        }
    }

    pub(super) fn new_task(&mut self, id: &str, spec: usize, now: Timestamp) -> usize {
        let Some(execution) = self.executions.get_mut(id) else {
            return 0;
        };
        execution.runs += 1;
        let number = execution.tasks.len();
        execution.tasks.push(Task {
            id: format!("{id}.t{:04}", number + 1),
            spec,
            parent: None,
            item: None,
            item_index: 0,
            batch_number: None,
            status: Status::Running,
            message: String::new(),
            created: now,
            ended: None,
            updated: now,
            properties: Value::Null,
            outputs: Map::new(),
            note: String::new(),
            child: None,
            attempt: 0,
            generation: 0,
            pause: None,
            approved: false,
            looped: None,
        });
        number
    }

    /// Resolves a template value in the scope of an execution and, in a loop, one of its tasks.
    pub(super) fn resolve(
        &mut self,
        host: &dyn Host,
        id: &str,
        task: Option<usize>,
        value: &Value,
    ) -> Result<Value, String> {
        let execution = self.executions.get(id).ok_or("the execution is gone")?;
        let scope = scope_of(execution, task, host);
        Resolver::new(&scope).resolve(value)
    }

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
    fn keep(&mut self, id: &str, task: usize, outputs: Map<String, Value>) -> Result<(), String> {
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
        if let Value::Object(outputs) = outputs {
            execution.tasks[task].outputs = outputs;
        }
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
        if is_pausing && spec.on_error.is_none() && !is_loop {
            if let Some(t) = self.task_mut(id, task) {
                t.pause = Some(Pause::Failure);
            }
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
        if status == Status::Success {
            let declared = match self.executions.get(id) {
                Some(execution) => execution.template.parsed.outputs.clone(),
                None => return,
            };
            let mut outputs = Map::new();
            for (name, spec) in declared {
                let value = spec.get("Value").cloned().unwrap_or(Value::Null);
                match self.resolve(host, id, None, &value) {
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
        execution.message = message;
        execution.ended = Some(now);
        self.changed(host, id);
        self.tell_parent(host, id);
    }

    fn tell_parent(&mut self, host: &mut dyn Host, id: &str) {
        if let Some(link) = self.executions.get(id).and_then(|e| e.link.clone()) {
            let due = Due::ChildChanged {
                execution: link.execution,
                task: link.task,
            };
            self.schedule(host, 0, due);
        }
    }

    /// Sets a task's status, with the dates that go with it.
    pub(super) fn set_task(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        status: Status,
        message: String,
    ) {
        let now = host.now();
        if let Some(t) = self.task_mut(id, task) {
            t.status = status;
            t.message = message;
            t.updated = now;
            t.ended = status.is_final().then_some(now);
            t.pause = None;
        }
        self.changed(host, id);
    }

    /// Works out whether a running execution waits for somebody, and tells the parent if that
    /// changed.
    pub(super) fn refresh(&mut self, host: &mut dyn Host, id: &str) {
        let switches = host.switches().clone();
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        if execution.status.is_final() || execution.status == Status::Started {
            return;
        }
        let mut waits = false;
        for task in &mut execution.tasks {
            let Some(pause) = task.pause else { continue };
            let shows = match pause {
                Pause::Failure => switches.root_in_failure_pause == PausedStatus::Waiting,
                _ => true,
            };
            waits |= shows && pause_shows(task, &switches);
        }
        let status = if waits {
            Status::Waiting
        } else {
            Status::Running
        };
        if execution.status != status {
            execution.status = status;
            self.changed(host, id);
            self.tell_parent(host, id);
        } else {
            self.changed(host, id);
        }
    }

    /// Notes that something changed in an execution, for `UpdateDate`.
    pub(super) fn changed(&mut self, host: &dyn Host, id: &str) {
        let now = host.now();
        let switches = host.switches();
        let lag = SignedDuration::from_secs(i64::from(switches.update_date_lag_seconds));
        let horizon = now.checked_sub(lag).unwrap_or(now);
        let mut next = Some(id.to_owned());
        while let Some(id) = next {
            let Some(execution) = self.executions.get_mut(&id) else {
                return;
            };
            if execution.updates.back() != Some(&now) {
                execution.updates.push_back(now);
            }
            while execution.updates.len() > 1 && execution.updates[1] <= horizon {
                execution.updates.pop_front();
            }
            next = execution
                .link
                .as_ref()
                .filter(|_| switches.update_date_moves_with_children)
                .map(|link| link.execution.clone());
        }
    }

    pub(super) fn task_mut(&mut self, id: &str, task: usize) -> Option<&mut Task> {
        self.executions.get_mut(id)?.tasks.get_mut(task)
    }

    pub(super) fn parent_loop(&self, id: &str, task: usize) -> Option<usize> {
        self.executions.get(id)?.tasks.get(task)?.parent
    }

    pub(super) fn log(&mut self, id: &str, task: usize, at: Timestamp, message: String) {
        if let Some(execution) = self.executions.get_mut(id)
            && execution.logs.len() < MAX_LOGS
        {
            let task = execution.tasks.get(task).map(|t| t.id.clone());
            execution.logs.push(Log {
                at,
                task: task.unwrap_or_default(),
                message,
            });
        }
    }

    fn select_outputs(
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
            let kind = spec
                .get("Type")
                .and_then(Value::as_str)
                .and_then(Kind::parse)
                .unwrap_or(Kind::String);
            let value = if let Some(value) = spec.get("Value") {
                self.resolve(host, id, Some(task), value)?
            } else {
                let selector = spec
                    .get("ValueSelector")
                    .and_then(Value::as_str)
                    .unwrap_or(".");
                let selector = match self.resolve(host, id, Some(task), &json!(selector))? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                collect(kind, jq::run(&selector, answer)?)
            };
            outputs.insert(name.clone(), value);
        }
        Ok(outputs)
    }
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

/// Whether a pause shows as `Waiting` yet.
fn pause_shows(task: &Task, switches: &super::OosSwitches) -> bool {
    use super::switches::FailurePauseShows::AtOnce;
    match (&task.looped, task.pause) {
        (Some(run), Some(Pause::Failure)) => {
            switches.failure_pause_shows == AtOnce || run.active <= waiting_inside(run, switches)
        }
        _ => true,
    }
}

/// Items of a paused loop that are not final because they wait themselves.
fn waiting_inside(run: &super::execution::LoopRun, switches: &super::OosSwitches) -> usize {
    match switches.child_in_failure_pause {
        ChildInFailurePause::Failed => 0,
        ChildInFailurePause::Waiting => run.unresolved.len(),
    }
}

/// What expressions of an execution see.
pub(super) fn scope_of<'a>(
    execution: &'a Execution,
    task: Option<usize>,
    host: &dyn Host,
) -> Scope<'a> {
    let now = host.now();
    let mut pseudo = BTreeMap::new();
    pseudo.insert("RegionId", json!(execution.region));
    pseudo.insert("AccountId", json!(execution.starter.account_id));
    pseudo.insert("UserId", json!(execution.starter.account_id));
    pseudo.insert("ExecutionId", json!(execution.id));
    pseudo.insert("ParentExecutionId", json!(execution.parent_id));
    pseudo.insert("TemplateId", json!(execution.template.id));
    pseudo.insert("TemplateName", json!(execution.template.name));
    pseudo.insert("TemplateVersion", json!(execution.template.version));
    pseudo.insert("CurrentDate", json!(now.strftime("%Y-%m-%d").to_string()));
    pseudo.insert("CurrentUTCTime", json!(time_text(now)));
    Scope {
        parameters: &execution.parameters,
        tasks: &execution.named,
        declared: &execution.template.parsed.tasks,
        item: task
            .and_then(|t| execution.tasks.get(t))
            .and_then(|t| t.item.as_ref()),
        pseudo,
        now,
        split: host.switches().batch_split,
    }
}

/// The pause option that a loop's setting and the execution's `LoopMode` amount to.
pub(super) fn pause_option(own: Option<PauseOption>, loop_mode: PauseOption) -> PauseOption {
    own.unwrap_or(loop_mode)
}
