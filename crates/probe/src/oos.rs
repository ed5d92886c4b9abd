//! Executions and templates, as experiments handle them.

use std::time::Duration;

use ess_emulator::state::call::Service;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::account::{Account, CallError};
use crate::findings::ProbeError;

/// How often something is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long something is waited for: lists of real accounts were seen to be minutes behind, never so long.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The tag of all that a probe starts.
pub(crate) const TAG: &str = "ess-rollout-probe";

/// What experiments ask through.
pub(crate) struct Oos<'a> {
    pub account: &'a mut dyn Account,
    /// Tells the things of this probe from those of others: part of all names.
    run: String,
    /// How far lists are behind, in seconds, once that is known.
    pub list_lag: u32,
    templates: Vec<String>,
    executions: Vec<String>,
}

/// A task execution that stands for an item of a loop.
pub(crate) struct Item {
    pub task: String,
    pub status: String,
    pub child: String,
}

impl<'a> Oos<'a> {
    pub(crate) fn new(account: &'a mut dyn Account, run: &str) -> Self {
        Self {
            account,
            run: run.to_owned(),
            list_lag: 0,
            templates: Vec::new(),
            executions: Vec::new(),
        }
    }

    pub(crate) fn ask(
        &mut self,
        action: &'static str,
        parameters: Value,
    ) -> Result<Value, CallError> {
        self.account.call(Service::Oos, action, &parameters)
    }

    /// The name of a template of this probe.
    pub(crate) fn template(&self, name: &str) -> String {
        format!("{TAG}-{}-{name}", self.run)
    }

    pub(crate) fn create_template(
        &mut self,
        name: &str,
        content: &Value,
    ) -> Result<(), ProbeError> {
        let name = self.template(name);
        let content = content.to_string();
        let ask = json!({"TemplateName": name, "Content": content});
        let made = self.ask("CreateTemplate", ask);
        // Without an answer it may be there.
        if made.as_ref().map_or_else(CallError::may_be_done, |_| true) {
            self.templates.push(name);
        }
        made?;
        Ok(())
    }

    /// Starts an execution; `more` are parameters of the call besides.
    pub(crate) fn try_start(
        &mut self,
        template: &str,
        parameters: &Value,
        more: &Value,
    ) -> Result<Value, CallError> {
        let mut ask = Map::from_iter([
            ("TemplateName".to_owned(), json!(self.template(template))),
            ("Parameters".to_owned(), json!(parameters.to_string())),
            (
                "Tags".to_owned(),
                json!(json!({TAG: self.run.clone()}).to_string()),
            ),
        ]);
        ask.extend(more.as_object().cloned().unwrap_or_default());
        let answer = self.ask("StartExecution", Value::Object(ask))?;
        let execution = answer["Execution"].clone();
        self.executions.push(text(&execution, "ExecutionId"));
        Ok(execution)
    }

    pub(crate) fn start(
        &mut self,
        template: &str,
        parameters: &Value,
        more: &Value,
    ) -> Result<String, ProbeError> {
        Ok(text(
            &self.try_start(template, parameters, more)?,
            "ExecutionId",
        ))
    }

    /// As it is listed now, if it is.
    pub(crate) fn listed(&mut self, id: &str) -> Result<Option<Value>, ProbeError> {
        let list = self.ask("ListExecutions", json!({"ExecutionId": id}))?;
        Ok(list["Executions"]
            .as_array()
            .and_then(|list| list.first())
            .cloned())
    }

    /// As it is listed, once it is.
    pub(crate) fn execution(&mut self, id: &str) -> Result<Value, ProbeError> {
        self.until(&format!("{id} is listed"), |oos| oos.listed(id))
    }

    /// Its tasks, loop items included, oldest first.
    pub(crate) fn tasks(&mut self, id: &str) -> Result<Vec<Value>, ProbeError> {
        let list = self.ask(
            "ListTaskExecutions",
            json!({"ExecutionId": id, "IncludeChildTaskExecution": "true", "MaxResults": "100", "SortOrder": "Ascending"}),
        )?;
        let list = list["TaskExecutions"].as_array().cloned();
        Ok(list.unwrap_or_default())
    }

    /// The task that is the loop.
    pub(crate) fn loop_status(&mut self, id: &str) -> Result<String, ProbeError> {
        let tasks = self.tasks(id)?;
        let parent = tasks.iter().find(|task| text(task, "LoopItem").is_empty());
        Ok(parent.map_or(String::new(), |task| text(task, "Status")))
    }

    /// The item of its loop, if it was begun.
    pub(crate) fn item(&mut self, id: &str, item: &str) -> Result<Option<Item>, ProbeError> {
        let tasks = self.tasks(id)?;
        let found = tasks.iter().find(|task| text(task, "LoopItem") == item);
        Ok(found.map(|task| Item {
            task: text(task, "TaskExecutionId"),
            status: text(task, "Status"),
            child: text(task, "ChildExecutionId"),
        }))
    }

    /// Waits for it to end, and gives how.
    pub(crate) fn end(&mut self, id: &str) -> Result<String, ProbeError> {
        self.until(&format!("{id} ends"), |oos| {
            let listed = oos.listed(id)?.unwrap_or_default();
            let status = text(&listed, "Status");
            Ok(["Success", "Failed", "Cancelled"]
                .contains(&status.as_str())
                .then_some(status))
        })
    }

    pub(crate) fn notify(&mut self, id: &str, kind: &str, more: &Value) -> Result<(), CallError> {
        let mut ask = Map::from_iter([
            ("ExecutionId".to_owned(), json!(id)),
            ("NotifyType".to_owned(), json!(kind)),
        ]);
        ask.extend(more.as_object().cloned().unwrap_or_default());
        self.ask("NotifyExecution", Value::Object(ask)).map(drop)
    }

    /// Looks until there is something to see.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>, ProbeError>,
    ) -> Result<T, ProbeError> {
        let deadline = self.account.now().saturating_add(PATIENCE);
        let deadline = deadline.unwrap_or(Timestamp::MAX);
        loop {
            if let Some(seen) = look(self)? {
                return Ok(seen);
            }
            if self.account.now() >= deadline {
                return Err(ProbeError::NotSeen(what.to_owned()));
            }
            self.account.sleep(EVERY);
        }
    }

    /// For how many seconds something is looked for until it is there.
    pub(crate) fn seconds_until(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<bool, ProbeError>,
    ) -> Result<u32, ProbeError> {
        let began = self.account.now();
        self.until(what, |oos| Ok(look(oos)?.then_some(())))?;
        let passed = self.account.now().duration_since(began);
        Ok(u32::try_from(passed.as_secs()).unwrap_or(0))
    }

    pub(crate) fn sleep(&mut self, seconds: u32) {
        self.account.sleep(Duration::from_secs(seconds.into()));
    }

    /// Ends what still runs and deletes what was created. What could not be is named.
    pub(crate) fn clean_up(&mut self) -> Vec<String> {
        self.account.take_back(true);
        let left = self.clear();
        self.account.take_back(false);
        left
    }

    fn clear(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        let executions = std::mem::take(&mut self.executions);
        for id in &executions {
            // One that has ended meanwhile cannot be cancelled, which is as well.
            let _ = self.ask("CancelExecution", json!({"ExecutionId": id}));
        }
        // A template goes with its executions, once they have ended.
        for id in executions {
            if self.end(&id).is_err() {
                left.push(format!("execution {id}"));
            }
        }
        for name in std::mem::take(&mut self.templates) {
            let ask = json!({"TemplateName": name, "AutoDeleteExecutions": "true"});
            if self.ask("DeleteTemplate", ask).is_err() {
                left.push(format!("template {name}"));
            }
        }
        left
    }
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// A date that the service shows.
pub(crate) fn date(value: &Value, name: &str) -> Option<Timestamp> {
    value[name].as_str()?.parse().ok()
}

/// Whole seconds between two dates.
pub(crate) fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<u32> {
    let seconds = to?.duration_since(from?).as_secs();
    u32::try_from(seconds).ok()
}
