//! The scheduler: what is due, the walk from task to task, the end of executions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::ending::Ending;
use super::engine::{Due, Engine, Pace};
use super::execution::{Execution, Log, Pause, Status, Task, time_text};
use super::expr::{Resolver, Scope};
use super::host::Host;
use super::kept;
use super::store::Store;

/// Task runs that one execution may make, loop items included. Templates that run in circles end
/// here instead of running for ever.
const MAX_RUNS: u32 = 5_000;
/// Task runs that a root and all executions below it may make together.
const MAX_FAMILY_RUNS: usize = 200_000;
/// Log lines kept per execution.
const MAX_LOGS: usize = 2_000;

impl Engine {
    pub(super) fn schedule(&mut self, host: &mut dyn Host, delay_seconds: i64, due: Due) {
        let now = host.now();
        let at = now
            .checked_add(SignedDuration::from_secs(delay_seconds))
            .unwrap_or(now);
        self.schedule_at(host, at, due);
    }

    pub(super) fn schedule_at(&mut self, host: &mut dyn Host, at: Timestamp, due: Due) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), due);
        host.wake_at(at);
    }

    /// Does what is due, as much of it as one instant may have.
    pub(super) fn drain(&mut self, host: &mut dyn Host) {
        let now = host.now();
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                break;
            }
            if self.pace.is_spent(now) {
                let rest = now.checked_add(Pace::REST).unwrap_or(now);
                host.wake_at(rest);
                self.tell_derived(host);
                return;
            }
            self.pace.count();
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
                        self.begin_or_step(host, &execution, task);
                    }
                }
                Due::ChildChanged { execution, task } => {
                    self.child_changed(host, &execution, task);
                }
                Due::Trigger { execution } => self.timer_due(host, &execution),
                Due::Cancel { execution } => self.cancel_now(host, &execution, "Cancelled."),
            }
            // Here nothing is under way that could still name an ended execution.
            self.make_room();
            self.tell_derived(host);
        }
        self.tell_derived(host);
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
        if position >= execution.template.parsed.tasks.len() {
            self.finish(host, id, Status::Success, String::new());
            return;
        }
        if execution.runs >= MAX_RUNS {
            let message = format!("The execution ran more than {MAX_RUNS} tasks.");
            self.finish(host, id, Status::Failed, message);
            return;
        }
        if let Some(message) = self.is_over(id) {
            self.finish(host, id, Status::Failed, message);
            return;
        }
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let spec = &execution.template.parsed.tasks[position];
        let name = spec.name.clone();
        let task = self.new_task(id, position, now);
        self.log(id, task, now, format!("Task {name} started."));
        self.begin(host, id, task);
    }

    /// Goes on with a task that is due: from its `When` if that was not passed yet.
    fn begin_or_step(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let t = &execution.tasks[task];
        if execution.status.is_final() || t.status.is_final() {
            return;
        }
        if t.begun {
            self.step(host, id, task);
        } else {
            self.begin(host, id, task);
        }
    }

    /// Begins a task outside loops, or a loop: `When`, then the items, then the action. Retries
    /// come here, too: what guards an action is looked at before each first run of it.
    fn begin(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let spec = &execution.template.parsed.tasks[execution.tasks[task].spec];
        let is_item = execution.tasks[task].parent.is_some();
        let looped = spec.looped.clone().filter(|_| !is_item);
        // A condition on the item is looked at for each item, any other one before the loop.
        let of_items = execution.template.parsed.is_judged_by_item(spec);
        let when = spec.when.clone().filter(|_| of_items == is_item);
        if let Some(when) = when {
            match self.holds(host, id, Some(task), &when) {
                Ok(true) => {}
                Ok(false) => {
                    self.set_task(host, id, task, Status::Skipped, String::new());
                    if is_item {
                        self.item_ended(host, id, task);
                    } else {
                        self.go_to(host, id, "ACS::NEXT", true);
                    }
                    return;
                }
                Err(e) => {
                    self.task_ended(host, id, task, Ending::Failure(format!("When: {e}")));
                    return;
                }
            }
        }
        if let Some(looped) = looped {
            self.begin_loop(host, id, task, &looped);
            return;
        }
        if let Some(t) = self.task_mut(id, task) {
            t.begun = true;
        }
        self.step(host, id, task);
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
        self.pace.count();
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
            begun: false,
            approvals: BTreeSet::new(),
            approved: false,
            looped: None,
        });
        let bytes = kept::of_new_task(&execution.tasks[number]);
        if let Some(family) = self.families.get_mut(&execution.family) {
            family.runs += 1;
            if family.runs > MAX_FAMILY_RUNS {
                family.over.get_or_insert_with(|| {
                    format!("All executions together ran more than {MAX_FAMILY_RUNS} tasks.")
                });
            }
        }
        self.charge(id, bytes);
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
        let scope = scope_of(execution, task, host, &self.store);
        let mut resolver = Resolver::new(&scope);
        let value = resolver.resolve(value);
        // Before the error is told, which may show them.
        let derived = std::mem::take(&mut resolver.derived);
        self.store.add_derived(host, derived)?;
        value
    }

    /// Lets the journal know what was made of encrypted parameters.
    pub(super) fn tell_derived(&mut self, host: &mut dyn Host) {
        for text in self.store.take_untold() {
            let kind = host.meaning(&text);
            host.keep_secret(&text, kind);
        }
        for text in self.store.take_unsaid() {
            host.keep_unsaid(&text);
        }
    }

    /// Whether a `When` holds: a condition of the template by its name, or an expression.
    pub(super) fn holds(
        &mut self,
        host: &dyn Host,
        id: &str,
        task: Option<usize>,
        when: &Value,
    ) -> Result<bool, String> {
        let execution = self.executions.get(id).ok_or("the execution is gone")?;
        let scope = scope_of(execution, task, host, &self.store);
        let mut resolver = Resolver::new(&scope);
        let holds = resolver.holds(when);
        let derived = std::mem::take(&mut resolver.derived);
        self.store.add_derived(host, derived)?;
        holds
    }

    pub(super) fn task_mut(&mut self, id: &str, task: usize) -> Option<&mut Task> {
        self.executions.get_mut(id)?.tasks.get_mut(task)
    }

    pub(super) fn parent_loop(&self, id: &str, task: usize) -> Option<usize> {
        self.executions.get(id)?.tasks.get(task)?.parent
    }

    pub(super) fn log(&mut self, id: &str, task: usize, at: Timestamp, message: String) {
        let message = self.store.told(&message);
        if let Some(execution) = self.executions.get_mut(id)
            && execution.logs.len() < MAX_LOGS
        {
            let task = execution.tasks.get(task).map(|t| t.id.clone());
            let log = Log {
                at,
                task: task.unwrap_or_default(),
                message,
            };
            let bytes = kept::of_log(&log);
            execution.logs.push(log);
            self.charge(id, bytes);
        }
    }
}

/// `ACS::OOSUtilVersion`: the version of the tool that installs packages where Cloud Assistant has
/// no plug-in for it. Any will do here, where it is never downloaded.
pub(super) const OOS_UTIL_VERSION: &str = "1.0.0";

/// What expressions of an execution see.
pub(super) fn scope_of<'a>(
    execution: &'a Execution,
    task: Option<usize>,
    host: &dyn Host,
    store: &'a Store,
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
    pseudo.insert("ExecuteUser", json!(execution.starter.principal));
    pseudo.insert("OOSUtilVersion", json!(OOS_UTIL_VERSION));
    pseudo.insert("CurrentDate", json!(now.strftime("%Y-%m-%d").to_string()));
    pseudo.insert("CurrentUTCTime", json!(time_text(now)));
    Scope {
        parameters: &execution.parameters,
        tasks: &execution.named,
        declared: &execution.template.parsed.tasks,
        conditions: &execution.template.parsed.conditions,
        item: task
            .and_then(|t| execution.tasks.get(t))
            .and_then(|t| t.item.as_ref()),
        store,
        region: &execution.region,
        pseudo,
        now,
        split: host.switches().batch_split,
    }
}
