//! The actions that tasks may name.

mod api;
mod child;
mod message;
mod targets;
mod waits;

use serde_json::{Value, json};

use super::approval::Approval;
use super::ending::Ending;
use super::engine::Engine;
use super::execution::Pause;
use super::execution::Status;
use super::host::Host;
use super::kept;
use super::template::TaskSpec;
use super::trigger_state::TriggerKind;

/// Actions that the interpreter carries out itself. Others are nested templates of that name.
pub(super) const BUILT_IN: &[&str] = &[
    "ACS::ExecuteAPI",
    "ACS::ExecuteApi",
    "ACS::WaitFor",
    "ACS::CheckFor",
    "ACS::Choice",
    "ACS::Template",
    "ACS::SelectTargets",
    "ACS::Approve",
    "ACS::Pause",
    "ACS::Sleep",
    "ACS::Notify",
];

pub(super) fn is_built_in(action: &str) -> bool {
    BUILT_IN.contains(&action)
}

/// Whether an API is among those that `ConfirmEveryHighRiskAction` holds for approval.
pub(super) fn is_high_risk(api: &str) -> bool {
    const VERBS: &[&str] = &[
        "Stop",
        "Delete",
        "Release",
        "Replace",
        "Reboot",
        "Remove",
        "Terminate",
        "ReInit",
    ];
    VERBS.iter().any(|verb| {
        api.get(..verb.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(verb))
    })
}

/// What running an action once led to.
pub(super) enum Outcome {
    Done(Value),
    GoTo(String),
    Failed(String),
    /// Run the action again after so many seconds.
    Later(i64),
    /// Somebody or something else will go on with the task.
    Stays(Option<Pause>),
}

impl Engine {
    /// Runs a task's action once.
    pub(super) fn step(&mut self, host: &mut dyn Host, id: &str, task: usize) {
        let Some(execution) = self.executions.get(id) else {
            return;
        };
        if execution.status.is_final() || execution.tasks[task].status.is_final() {
            return;
        }
        let spec = execution.template.parsed.tasks[execution.tasks[task].spec].clone();
        if execution.tasks[task].properties.is_null() {
            match self.resolve(host, id, Some(task), &spec.properties) {
                Ok(properties) => {
                    self.charge(id, kept::of_value(&properties));
                    if let Some(t) = self.task_mut(id, task) {
                        t.properties = match properties {
                            Value::Null => json!({}),
                            other => other,
                        };
                    }
                }
                Err(e) => {
                    self.task_ended(
                        host,
                        id,
                        task,
                        Ending::Failure(format!("{}: {e}", spec.name)),
                    );
                    return;
                }
            }
        }
        self.tell_derived(host);
        match self.act(host, id, task, &spec) {
            Outcome::Done(answer) => {
                self.task_ended(host, id, task, Ending::Success { answer, next: None });
            }
            Outcome::GoTo(target) => {
                let next = Some(target);
                let answer = Value::Null;
                self.task_ended(host, id, task, Ending::Success { answer, next });
            }
            Outcome::Failed(message) => {
                self.task_ended(host, id, task, Ending::Failure(message));
            }
            Outcome::Later(seconds) => self.schedule_step(host, id, task, seconds),
            Outcome::Stays(pause) => {
                if let Some(pause) = pause {
                    self.set_task(host, id, task, Status::Waiting, String::new());
                    self.pause_task(id, task, pause);
                }
                self.refresh(host, id);
            }
        }
    }

    fn act(&mut self, host: &mut dyn Host, id: &str, task: usize, spec: &TaskSpec) -> Outcome {
        let properties = self.executions[id].tasks[task].properties.clone();
        match spec.action.as_str() {
            "ACS::ExecuteAPI" | "ACS::ExecuteApi" => self.execute_api(host, id, task, &properties),
            "ACS::WaitFor" => self.wait_for(host, id, task, spec, &properties),
            "ACS::CheckFor" => self.check_for(host, id, &properties),
            "ACS::Choice" => self.choose(host, id, task, &properties),
            "ACS::Template" => self.start_template(host, id, task, &properties),
            "ACS::SelectTargets" => self.select_targets(host, id, &properties),
            "ACS::Approve" | "ACS::Pause" => {
                if self.executions[id].tasks[task].approved {
                    return Outcome::Done(Value::Null);
                }
                match Approval::of(&properties) {
                    Ok(_) => Outcome::Stays(Some(Pause::Approval)),
                    Err(e) => Outcome::Failed(e),
                }
            }
            "ACS::Sleep" => self.sleep(host, id, task, &properties),
            "ACS::Notify" => self.notify(host, id, &properties),
            action => match TriggerKind::of(action) {
                Some(kind) => self.await_trigger(host, id, task, kind, &properties),
                None => self.start_nested(host, id, task, action, properties),
            },
        }
    }

    /// The first choice whose `When` holds decides where to go on.
    fn choose(&mut self, host: &dyn Host, id: &str, task: usize, properties: &Value) -> Outcome {
        let Some(Value::Array(choices)) = properties.get("Choices") else {
            return Outcome::Failed("Choices is not a list".to_owned());
        };
        for choice in choices {
            let when = choice.get("When").unwrap_or(&Value::Null);
            match self.holds(host, id, Some(task), when) {
                Ok(true) => {
                    return match choice.get("NextTask").and_then(Value::as_str) {
                        Some(target) => Outcome::GoTo(target.to_owned()),
                        None => Outcome::Failed("a choice has no NextTask".to_owned()),
                    };
                }
                Ok(false) => {}
                Err(e) => return Outcome::Failed(format!("Choices: {e}")),
            }
        }
        match properties.get("DefaultTask") {
            Some(Value::String(target)) => Outcome::GoTo(target.clone()),
            None | Some(Value::Null) => Outcome::GoTo("ACS::NEXT".to_owned()),
            Some(_) => Outcome::Failed("DefaultTask is not the name of a task".to_owned()),
        }
    }
}
