//! Loops: items, batches, errors, and the pauses between batches and upon failure.

mod plan;

pub(super) use plan::{check, joined_field, joins};

use serde_json::{Map, Value};

use super::ending::Ending;
use super::engine::{Due, Engine};
use super::execution::{LoopRun, Mode, Pause, PauseOption, Status};
use super::host::Host;
use super::kept;
use super::switches::{
    ChildInFailurePause, FailurePauseAt, OosSwitches, OthersInFailurePause, PausedStatus,
    SkippedItemStatus,
};

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
            .and_then(|settings| plan::read(&settings, loop_mode));
        match planned {
            Ok(run) => {
                // In the loop and, one by one, in the tasks of the items.
                let bytes: usize = run.items.iter().map(kept::of_value).sum();
                self.charge(id, 2 * bytes);
                if let Some(t) = self.task_mut(id, task) {
                    t.looped = Some(Box::new(run));
                    t.begun = true;
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
            let over = self.is_over(id);
            if stops || over.is_some() {
                if run.active == 0 {
                    if let Some(message) = over {
                        self.set_task(host, id, task, Status::Failed, message.clone());
                        self.finish(host, id, Status::Failed, message);
                        return;
                    }
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
        self.pause_task(id, task, pause);
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
        let template = &self.executions[id].template.parsed;
        let is_judged = template.is_judged_by_item(&template.tasks[spec]);
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
        t.begun = !is_judged;
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
        let status = self.executions[id].tasks[child].status;
        let failed = !matches!(status, Status::Success | Status::Skipped);
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
                let field = joined_field(name, rule);
                let mut list = Vec::new();
                for child in run.children.values() {
                    let outputs = &execution.tasks[*child].outputs;
                    // As with references, case does not count.
                    let same = || {
                        outputs
                            .iter()
                            .find(|(own, _)| own.eq_ignore_ascii_case(field))
                    };
                    match outputs.get(field).or_else(|| Some(same()?.1)) {
                        Some(Value::Array(values)) => list.extend(values.iter().cloned()),
                        Some(Value::Null) | None => {}
                        Some(value) => list.push(value.clone()),
                    }
                }
                outputs.insert(name.clone(), Value::Array(list));
            }
        }
        let target = spec.on_success.clone();
        if let Err(message) = self.keep(id, task, outputs) {
            self.task_ended(host, id, task, Ending::Failure(message));
            return;
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
