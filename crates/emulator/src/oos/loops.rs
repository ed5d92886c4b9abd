//! Loops: items, batches, errors, and the pauses between batches and upon failure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::execution::{LoopRun, Mode, Pause, PauseOption, Status};
use super::run::{Due, Ending, pause_option};
use super::switches::{
    ChildInFailurePause, FailurePauseAt, OosSwitches, OthersInFailurePause, PausedStatus,
    SkippedItemStatus,
};
use super::{Engine, Host};

/// Most items of one loop (OOS limit).
const MAX_ITEMS: usize = 1000;
/// `ConcurrencyInBatches` when a template names none (OOS default).
const IN_BATCH: usize = 20;

impl LoopRun {
    /// The item range of the batch that is under way.
    fn batch_end(&self) -> usize {
        self.batches.iter().take(self.batch + 1).sum()
    }

    fn limit(&self) -> usize {
        let last = self.at_a_time.last().copied().unwrap_or(1);
        self.at_a_time
            .get(self.batch)
            .copied()
            .unwrap_or(last)
            .max(1)
    }

    fn errors(&self, switches: &OosSwitches) -> usize {
        let given_up = if switches.cancelled_items_count_as_errors {
            self.given_up
        } else {
            0
        };
        self.unresolved.len() + given_up
    }

    /// Whether `FailurePause` holds this loop.
    fn is_held(&self, switches: &OosSwitches) -> bool {
        let tolerated = match (switches.failure_pause_at, switches.child_in_failure_pause) {
            (FailurePauseAt::EveryFailure, _) | (_, ChildInFailurePause::Waiting) => 0,
            (FailurePauseAt::BeyondMaxErrors, ChildInFailurePause::Failed) => self.max_errors,
        };
        self.unresolved.len() > tolerated
    }
}

/// What the `Loop` section of a task says, resolved.
fn plan(settings: &Value, loop_mode: PauseOption) -> Result<LoopRun, String> {
    let items = match settings.get("Items") {
        Some(Value::Array(list)) => list.clone(),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Array(list)) => list,
            _ => return Err("Loop.Items is not a list".to_owned()),
        },
        Some(_) => return Err("Loop.Items is not a list".to_owned()),
        None => return Err("Loop.Items is missing".to_owned()),
    };
    let n = items.len();
    if n > MAX_ITEMS {
        return Err(format!(
            "Loop.Items holds {n} items; {MAX_ITEMS} are allowed"
        ));
    }
    let control = settings.get("RateControl").filter(|v| !v.is_null());
    let get = |key: &str| {
        control
            .and_then(|c| c.get(key))
            .or_else(|| settings.get(key))
            .filter(|v| !v.is_null())
    };
    let max_errors = match get("MaxErrors") {
        Some(value) => count(value, n, false).map_err(|e| format!("Loop.MaxErrors {e}"))?,
        None => 0,
    };
    let own = match get("BatchPauseOption") {
        None => None,
        Some(value) => Some(
            value
                .as_str()
                .and_then(PauseOption::parse)
                .ok_or_else(|| format!("Loop.BatchPauseOption cannot be {value}"))?,
        ),
    };
    let is_batch = control.and_then(|c| c.get("Mode")) == Some(&json!("Batch"));
    let (batches, at_a_time) = if is_batch {
        let batches = match get("Batch") {
            Some(Value::Array(list)) => sizes(list, n, "Batch")?,
            Some(other) => sizes(std::slice::from_ref(other), n, "Batch")?,
            None => return Err("Loop.RateControl.Batch is missing".to_owned()),
        };
        let inside = match get("ConcurrencyInBatches") {
            Some(Value::Array(list)) if !list.is_empty() => list
                .iter()
                .map(|v| count(v, n, true).map_err(|e| format!("Loop.ConcurrencyInBatches {e}")))
                .collect::<Result<_, _>>()?,
            _ => vec![IN_BATCH],
        };
        (batches, inside)
    } else {
        match get("Concurrency") {
            // A list is what `Fn::CalculateBatch` gives: whole batches, each all at once.
            Some(Value::Array(list)) => {
                let batches = sizes(list, n, "Concurrency")?;
                (batches.clone(), batches)
            }
            Some(value) => {
                let at_a_time =
                    count(value, n, true).map_err(|e| format!("Loop.Concurrency {e}"))?;
                (vec![n], vec![at_a_time])
            }
            None => (vec![n], vec![1]),
        }
    };
    Ok(LoopRun {
        items,
        batches,
        at_a_time,
        max_errors,
        pause_option: pause_option(own, loop_mode),
        batch: 0,
        next: 0,
        active: 0,
        children: BTreeMap::new(),
        unresolved: BTreeSet::new(),
        given_up: 0,
        passed_over: BTreeMap::new(),
        approved: false,
        frozen: BTreeSet::new(),
    })
}

/// A count or a percentage of `n`.
fn count(value: &Value, n: usize, at_least_one: bool) -> Result<usize, String> {
    let bad = || format!("cannot be {value}");
    let result = match value {
        Value::String(text) if text.trim().ends_with('%') => {
            let percent: f64 = text
                .trim()
                .trim_end_matches('%')
                .parse()
                .map_err(|_| bad())?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(bad());
            }
            (n as f64 * percent / 100.0) as usize
        }
        Value::String(text) => text.trim().parse().map_err(|_| bad())?,
        other => {
            let x = other.as_f64().filter(|x| *x >= 0.0 && x.fract() == 0.0);
            x.ok_or_else(bad)? as usize
        }
    };
    Ok(if at_least_one { result.max(1) } else { result })
}

/// Batch sizes that cover exactly `n` items; the last size repeats.
fn sizes(list: &[Value], n: usize, key: &str) -> Result<Vec<usize>, String> {
    let mut left = n;
    let mut out = Vec::new();
    let mut size = n.max(1);
    let mut given = list.iter();
    while left > 0 {
        if let Some(value) = given.next() {
            size = count(value, n, true).map_err(|e| format!("Loop.{key} {e}"))?;
        }
        out.push(size.min(left));
        left -= size.min(left);
    }
    Ok(out)
}

impl Engine {
    pub(super) fn begin_loop(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        settings: &Value,
    ) {
        let mut settings = settings.clone();
        if let Value::Object(map) = &mut settings {
            map.remove("Outputs");
        }
        let loop_mode = self.executions[id].loop_mode;
        let planned = self
            .resolve(host, id, None, &settings)
            .and_then(|settings| plan(&settings, loop_mode));
        match planned {
            Ok(run) => {
                if let Some(t) = self.task_mut(id, task) {
                    t.looped = Some(Box::new(run));
                }
                self.changed(host, id);
                self.loop_progress(host, id, task);
            }
            Err(e) => self.task_ended(host, id, task, Ending::Failure(e)),
        }
    }

    /// Starts what may start, and pauses or ends the loop when it is time to.
    pub(super) fn loop_progress(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        let switches = host.switches().clone();
        loop {
            let Some(execution) = self.executions.get(id) else {
                return;
            };
            let parent = &execution.tasks[task];
            let Some(run) = &parent.looped else { return };
            if execution.status.is_final() || parent.status.is_final() {
                return;
            }
            let pauses = execution.mode == Mode::FailurePause;
            let held = pauses && run.is_held(&switches);
            if held != (parent.pause == Some(Pause::Failure)) {
                self.hold(host, id, task, held, &switches);
                continue;
            }
            let stops = !pauses && run.errors(&switches) > run.max_errors;
            if stops {
                if run.active == 0 {
                    self.end_loop(host, id, task, &switches);
                }
                break;
            }
            let may_start = !held || switches.others_in_failure_pause == OthersInFailurePause::GoOn;
            let end = run.batch_end();
            if may_start && run.next < end && run.active < run.limit() {
                self.start_item(host, id, task, &switches);
                continue;
            }
            if held || run.active > 0 || run.next < end {
                break;
            }
            let is_last = run.batch + 1 >= run.batches.len();
            let wants_pause = match run.pause_option {
                PauseOption::Automatic => false,
                PauseOption::FirstBatchPause => run.batch == 0,
                PauseOption::EveryBatchPause => true,
            };
            let pauses_here = wants_pause
                && !run.items.is_empty()
                && (!is_last || switches.pause_after_last_batch);
            if pauses_here && !run.approved {
                let batch = run.batch + 1;
                if parent.pause != Some(Pause::Batch) {
                    self.log(id, task, host.now(), format!("Paused after batch {batch}."));
                }
                self.pause_loop(host, id, task, Pause::Batch, &switches);
                break;
            }
            if is_last {
                self.end_loop(host, id, task, &switches);
                return;
            }
            if let Some(run) = self.loop_mut(id, task) {
                run.batch += 1;
                run.approved = false;
            }
        }
        self.refresh(host, id);
    }

    fn pause_loop(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        pause: Pause,
        switches: &OosSwitches,
    ) {
        let status = match switches.loop_task_in_pause {
            PausedStatus::Waiting => Status::Waiting,
            PausedStatus::Running => Status::Running,
        };
        self.set_task(host, id, task, status, String::new());
        if let Some(t) = self.task_mut(id, task) {
            t.pause = Some(pause);
        }
    }

    /// Enters or leaves a failure pause.
    fn hold(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        held: bool,
        switches: &OosSwitches,
    ) {
        if held {
            self.pause_loop(host, id, task, Pause::Failure, switches);
            return;
        }
        self.set_task(host, id, task, Status::Running, String::new());
        let frozen = match self.loop_mut(id, task) {
            Some(run) => std::mem::take(&mut run.frozen),
            None => return,
        };
        for execution in frozen {
            self.schedule(host, 0, Due::Advance { execution });
        }
    }

    fn start_item(&mut self, host: &mut dyn Host, id: &str, parent: usize, switches: &OosSwitches) {
        let now = host.now();
        let spec = self.executions[id].tasks[parent].spec;
        let child = self.new_task(id, spec, now);
        let Some(run) = self.loop_mut(id, parent) else {
            return;
        };
        let index = run.next;
        let batch = run.batch + 1;
        let item = run.items[index].clone();
        run.next += 1;
        run.children.insert(index, child);
        let passed_over = run.passed_over.get(&index).copied();
        if passed_over.is_none() {
            run.active += 1;
        }
        let Some(t) = self.task_mut(id, child) else {
            return;
        };
        t.parent = Some(parent);
        t.item = Some(item);
        t.item_index = index;
        t.batch_number = Some(batch);
        match passed_over {
            Some(true) => {
                let status = skipped_status(switches);
                self.set_task(host, id, child, status, "Skipped before it ran.".to_owned());
            }
            Some(false) => {
                let message = "Cancelled before it ran.".to_owned();
                self.set_task(host, id, child, Status::Cancelled, message);
                if let Some(run) = self.loop_mut(id, parent) {
                    run.given_up += 1;
                }
            }
            None => self.schedule_step(host, id, child, 0),
        }
    }

    pub(super) fn schedule_step(&mut self, host: &mut dyn Host, id: &str, task: usize, delay: i64) {
        let Some(t) = self.task_mut(id, task) else {
            return;
        };
        let due = Due::Step {
            execution: id.to_owned(),
            task,
            generation: t.generation,
        };
        self.schedule(host, delay, due);
    }

    /// Takes the end of a loop child task.
    pub(super) fn item_ended(&mut self, host: &mut dyn Host, id: &str, child: usize) {
        let Some(parent) = self.parent_loop(id, child) else {
            return;
        };
        let failed = self.executions[id].tasks[child].status != Status::Success;
        if let Some(run) = self.loop_mut(id, parent) {
            run.active = run.active.saturating_sub(1);
            if failed {
                run.unresolved.insert(child);
            } else {
                run.unresolved.remove(&child);
            }
        }
        self.loop_progress(host, id, parent);
    }

    fn end_loop(&mut self, host: &mut dyn Host, id: &str, task: usize, switches: &OosSwitches) {
        let execution = &self.executions[id];
        let Some(run) = &execution.tasks[task].looped else {
            return;
        };
        let spec = &execution.template.parsed.tasks[execution.tasks[task].spec];
        let errors = run.errors(switches);
        if errors > run.max_errors {
            let message = format!("{errors} of {} items failed.", run.items.len());
            self.task_ended(host, id, task, Ending::Failure(message));
            return;
        }
        let mut outputs = Map::new();
        let declared = spec.looped.as_ref().and_then(|l| l.get("Outputs"));
        if let Some(Value::Object(declared)) = declared {
            for (name, rule) in declared {
                let field = rule
                    .get("AggregateField")
                    .and_then(Value::as_str)
                    .unwrap_or(name);
                let mut list = Vec::new();
                for child in run.children.values() {
                    match execution.tasks[*child].outputs.get(field) {
                        Some(Value::Array(values)) => list.extend(values.iter().cloned()),
                        Some(Value::Null) | None => {}
                        Some(value) => list.push(value.clone()),
                    }
                }
                outputs.insert(name.clone(), Value::Array(list));
            }
        }
        let target = spec.on_success.clone();
        if let Some(t) = self.task_mut(id, task) {
            t.outputs = outputs;
        }
        self.set_task(host, id, task, Status::Success, String::new());
        self.publish_outputs(id, task);
        self.go_to(host, id, target.as_deref().unwrap_or("ACS::NEXT"), true);
    }

    pub(super) fn loop_mut(&mut self, id: &str, task: usize) -> Option<&mut LoopRun> {
        self.task_mut(id, task)?.looped.as_deref_mut()
    }
}

pub(super) fn skipped_status(switches: &OosSwitches) -> Status {
    match switches.skipped_item_status {
        SkippedItemStatus::Skipped => Status::Skipped,
        SkippedItemStatus::Success => Status::Success,
    }
}
