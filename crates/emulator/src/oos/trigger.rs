//! Triggers: executions that wait, and start a child execution of the same template whenever it is
//! time or something happens (OOS help on `ACS::TimerTrigger`, `ACS::EventTrigger` and
//! `ACS::AlarmTrigger`).

mod cron;
mod timer;

use serde_json::{Map, Value, json};

use super::actions::Outcome;
use super::engine::{Due, Engine};
use super::events;
use super::execution::{NewExecution, ParentLink, Pause, Status, time_text};
use super::host::Host;
use super::template::{MAX_DEPTH, TaskSpec, Template, depth};
use super::trigger_state::{Trigger, TriggerKind};
use crate::error::ApiError;
use timer::Timer;

/// Finished children that a trigger keeps. A schedule of minutes makes half a million in a year.
const KEPT_CHILDREN: usize = 200;

impl Template {
    /// The trigger that the template begins with.
    pub(super) fn trigger(&self) -> Option<TriggerKind> {
        self.tasks
            .first()
            .and_then(|task| TriggerKind::of(&task.action))
    }

    /// Where the child that a trigger starts begins: behind the trigger, or where `OnSuccess` of it
    /// says.
    fn behind_trigger(&self, trigger: &TaskSpec) -> usize {
        match trigger.on_success.as_deref() {
            None | Some("ACS::NEXT") => 1,
            Some("ACS::END") => self.tasks.len(),
            Some(name) => self.task_index(name).unwrap_or(1),
        }
    }
}

impl Engine {
    /// Begins to wait for a trigger.
    pub(super) fn await_trigger(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        kind: TriggerKind,
        properties: &Value,
    ) -> Outcome {
        let Some(execution) = self.executions.get_mut(id) else {
            return Outcome::Stays(None);
        };
        if execution.link.is_some() {
            return Outcome::Failed("a trigger is not allowed in a child template".to_owned());
        }
        if let Err(e) = events::check_resolved(kind, properties) {
            return Outcome::Failed(e);
        }
        let now = host.now();
        let timer = match kind {
            TriggerKind::Timer => match Timer::read(properties) {
                Ok(timer) if timer.next(now, now).is_none() => {
                    let reason = "there is no time to start at before EndDate";
                    return Outcome::Failed(reason.to_owned());
                }
                Ok(timer) => Some(timer),
                Err(e) => return Outcome::Failed(e),
            },
            TriggerKind::Event | TriggerKind::Alarm => None,
        };
        // Not before it waits: what `OnError` goes on with is no schedule.
        execution.trigger = Some(Box::new(Trigger {
            kind,
            task,
            next: None,
            last: None,
            last_success: None,
            last_status: String::new(),
            last_message: String::new(),
            last_outputs: String::new(),
            child: None,
            fired: 0,
        }));
        if let Some(timer) = timer {
            self.schedule_trigger(host, id, &timer);
        }
        Outcome::Stays(Some(Pause::Trigger))
    }

    /// Notes when the timer is due next, and has the engine woken then, or at its end.
    fn schedule_trigger(&mut self, host: &mut dyn Host, id: &str, timer: &Timer) {
        let now = host.now();
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        let created = execution.created;
        let Some(trigger) = &mut execution.trigger else {
            return;
        };
        trigger.next = timer.next(created, now);
        if let Some(at) = trigger.next.or(timer.end) {
            let execution = id.to_owned();
            self.schedule_at(host, at.max(now), Due::Trigger { execution });
        }
    }

    /// A timer is due, or at its end.
    pub(super) fn timer_due(&mut self, host: &mut dyn Host, id: &str) {
        let now = host.now();
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        let Some(trigger) = &execution.trigger else {
            return;
        };
        if execution.status.is_final() {
            return;
        }
        let Some(next) = trigger.next else {
            if trigger.child.is_none() {
                self.end_trigger(host, id);
            }
            return;
        };
        if next > now {
            return;
        }
        let properties = execution.tasks[trigger.task].properties.clone();
        let is_busy = trigger.child.is_some();
        let task = trigger.task;
        if is_busy {
            // What is due while a child runs is passed over.
            let message = "The time was passed over: a child execution runs.".to_owned();
            self.log(id, task, now, message);
        } else {
            let event = json!({ "time": time_text(next) });
            if let Err(e) = self.fire(host, id, event) {
                self.log(id, task, now, format!("The trigger could not start: {e}"));
            }
        }
        if let Ok(timer) = Timer::read(&properties) {
            self.schedule_trigger(host, id, &timer);
        }
    }

    /// Starts the child of a trigger that waits.
    fn fire(&mut self, host: &mut dyn Host, id: &str, event: Value) -> Result<(), ApiError> {
        let now = host.now();
        let refused = |e: String| ApiError::new(400, "InvalidTriggerContent", e);
        let Some(execution) = self.executions.get_mut(id) else {
            return Ok(());
        };
        let template = execution.template.clone();
        let Some(trigger) = &mut execution.trigger else {
            return Ok(());
        };
        trigger.fired += 1;
        let (fired, task) = (trigger.fired, trigger.task);
        let spec: &TaskSpec = &template.parsed.tasks[execution.tasks[task].spec];
        execution.tasks[task].child = None;
        let outputs = self
            .select_outputs(host, id, task, &spec.outputs, &event)
            .map_err(refused)?;
        let execution = &self.executions[id];
        let new = NewExecution {
            link: Some(ParentLink {
                execution: id.to_owned(),
                task,
            }),
            parent_id: id.to_owned(),
            root_id: Some(execution.root_id.clone()),
            // The limits of a family are for each start: a schedule has no end of them.
            family: Some(format!("{id}#{fired}")),
            level: execution.level + 1,
            mode: execution.mode,
            loop_mode: execution.loop_mode_text.clone(),
            safety_check: execution.safety_check.clone(),
            confirm_high_risk: execution.confirm_high_risk,
            starter: execution.starter.clone(),
            acting: execution.acting.clone(),
            tags: Map::new(),
            description: execution.description.clone(),
            resource_group: execution.resource_group.clone(),
        };
        let (region, parameters) = (execution.region.clone(), execution.parameters.clone());
        let name = spec.name.clone();
        let position = template.parsed.behind_trigger(spec);
        let child = self.make(host, &region, template, parameters, new)?;
        if let Some(made) = self.executions.get_mut(&child) {
            made.position = position;
            made.named.insert(name, outputs);
        }
        if let Some(execution) = self.executions.get_mut(id) {
            execution.children.push(child.clone());
            execution.tasks[task].child = Some(child.clone());
            if let Some(trigger) = &mut execution.trigger {
                trigger.child = Some(child.clone());
                trigger.last = Some(now);
            }
        }
        self.log(id, task, now, format!("The trigger started {child}."));
        self.set_task(host, id, task, Status::Running, String::new());
        self.refresh(host, id);
        self.prune_children(id);
        Ok(())
    }

    /// Takes a change of the child that a trigger started. `false` if the task is no trigger.
    pub(super) fn trigger_child_changed(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
    ) -> bool {
        let Some(execution) = self.executions.get(id) else {
            return false;
        };
        let Some(trigger) = execution.trigger.as_ref().filter(|t| t.task == task) else {
            return false;
        };
        let Some(child) = trigger.child.as_ref().and_then(|c| self.executions.get(c)) else {
            return true;
        };
        if !child.status.is_final() {
            return true;
        }
        let (status, message) = (child.status, child.message.clone());
        let outputs = Value::Object(child.outputs.clone()).to_string();
        let child = child.id.clone();
        let timer = Timer::read(&execution.tasks[task].properties).ok();
        let is_over = trigger.kind == TriggerKind::Timer
            && trigger.next.is_none()
            && timer.is_none_or(|timer| timer.end.is_none_or(|end| end <= host.now()));
        self.note_ended(&child);
        if let Some(execution) = self.executions.get_mut(id)
            && let Some(trigger) = &mut execution.trigger
        {
            trigger.child = None;
            if status == Status::Success {
                trigger.last_success = trigger.last;
            }
            status.name().clone_into(&mut trigger.last_status);
            trigger.last_message = message;
            trigger.last_outputs = outputs;
        }
        if is_over {
            self.end_trigger(host, id);
            return true;
        }
        self.set_task(host, id, task, Status::Waiting, String::new());
        self.pause_task(id, task, Pause::Trigger);
        self.refresh(host, id);
        true
    }

    /// Ends a schedule that has no more times.
    fn end_trigger(&mut self, host: &mut dyn Host, id: &str) {
        let task = self
            .executions
            .get(id)
            .and_then(|e| Some(e.trigger.as_ref()?.task));
        if let Some(task) = task {
            self.set_task(host, id, task, Status::Success, String::new());
            self.finish(host, id, Status::Success, String::new());
        }
    }

    /// `TriggerExecution`: starts the child of one execution now.
    pub(super) fn trigger_now(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        kind: TriggerKind,
        event: Value,
    ) -> Result<bool, ApiError> {
        let waits = self.executions.get(id).is_some_and(|execution| {
            let trigger = execution.trigger.as_ref();
            !execution.status.is_final()
                && trigger.is_some_and(|t| t.kind == kind && t.child.is_none())
        });
        if waits {
            self.fire(host, id, event)?;
        }
        Ok(waits)
    }

    /// Something happened: every execution whose trigger it fits starts its child. Gives how many
    /// did.
    pub fn happened(&mut self, host: &mut dyn Host, kind: TriggerKind, event: &Value) -> usize {
        if depth(event) > MAX_DEPTH {
            return 0;
        }
        let waiting: Vec<String> = self
            .executions
            .values()
            .filter(|e| !e.status.is_final())
            .filter(|e| {
                e.trigger.as_ref().is_some_and(|trigger| {
                    let properties = &e.tasks[trigger.task].properties;
                    trigger.kind == kind && events::fits(kind, properties, event, &e.region)
                })
            })
            .map(|e| e.id.clone())
            .collect();
        let mut started = 0;
        for id in waiting {
            let now = host.now();
            match self.trigger_now(host, &id, kind, event.clone()) {
                Ok(true) => started += 1,
                Ok(false) => {
                    let message = "An event was passed over: a child execution runs.".to_owned();
                    self.log(&id, 0, now, message);
                }
                Err(e) => self.log(&id, 0, now, format!("The trigger could not start: {e}")),
            }
        }
        self.drain(host);
        started
    }

    /// Lets go of the oldest children of a trigger, with all below them.
    fn prune_children(&mut self, id: &str) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        let surplus = execution.children.len().saturating_sub(KEPT_CHILDREN);
        let gone: Vec<String> = execution.children.drain(..surplus).collect();
        self.forget(gone);
    }
}

/// The first times of a schedule; none if it is none.
#[cfg(test)]
pub(super) fn times(
    properties: &Value,
    start: jiff::Timestamp,
    count: usize,
) -> Vec<jiff::Timestamp> {
    let Ok(timer) = Timer::read(properties) else {
        return Vec::new();
    };
    let step = |after: &jiff::Timestamp| timer.next(start, *after);
    std::iter::successors(timer.next(start, start), step)
        .take(count)
        .collect()
}
