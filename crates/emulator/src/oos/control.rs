//! Writes on executions other than notifications: cancel, update, delete, trigger.

use serde_json::{Map, Value, json};

use super::engine::{Due, Engine};
use super::events;
use super::execution::Status;
use super::host::Host;
use super::records::tags;
use super::request::{
    bad_parameter, each_once, flag, json_parameter, optional_text, required_text,
};
use super::template::{MAX_DEPTH, depth};
use super::trigger_state::TriggerKind;
use crate::error::ApiError;
use crate::params::Params;

/// A request that the execution's status does not allow.
pub(super) fn wrong_status(id: &str, status: Status, what: &str) -> ApiError {
    ApiError::new(
        400,
        "InvalidExecutionStatus",
        format!("The execution {id} is {}; {what}.", status.name()),
    )
}

impl Engine {
    /// `CancelExecution`: takes effect a little later, children included. Calls already made are
    /// not undone and nothing is cleaned up.
    pub(super) fn cancel_execution(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let id = required_text(params, "ExecutionId")?;
        let execution = self.existing(region, &id)?;
        if execution.status.is_final() {
            return Err(wrong_status(
                &id,
                execution.status,
                "it cannot be cancelled",
            ));
        }
        if execution.cancelling {
            return Ok(json!({}));
        }
        if let Some(execution) = self.executions.get_mut(&id) {
            execution.cancelling = true;
        }
        let delay = i64::from(host.switches().cancel_delay_seconds);
        self.schedule(host, delay, Due::Cancel { execution: id });
        Ok(json!({}))
    }

    /// Cancels an execution and everything below it that is not final.
    pub(super) fn cancel_now(&mut self, host: &mut dyn Host, id: &str, message: &str) {
        self.end_all(host, id, Status::Cancelled, message);
    }

    /// Ends an execution with a status, and cancels everything below it that is not final.
    pub(super) fn end_all(
        &mut self,
        host: &mut dyn Host,
        top: &str,
        status: Status,
        message: &str,
    ) {
        let mut open = vec![top.to_owned()];
        while let Some(id) = open.pop() {
            let Some(execution) = self.executions.get(&id) else {
                continue;
            };
            if execution.status.is_final() {
                continue;
            }
            open.extend(execution.children.iter().cloned());
            let running: Vec<usize> = (0..execution.tasks.len())
                .filter(|i| !execution.tasks[*i].status.is_final())
                .collect();
            for task in running {
                self.set_task(host, &id, task, Status::Cancelled, message.to_owned());
                if let Some(t) = self.task_mut(&id, task) {
                    t.generation += 1;
                }
            }
            let status = if id == top { status } else { Status::Cancelled };
            self.finish(host, &id, status, message.to_owned());
        }
    }

    pub(super) fn update_execution(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let id = required_text(params, "ExecutionId")?;
        let execution = self.existing(region, &id)?;
        if !matches!(execution.status, Status::Running | Status::Waiting) {
            return Err(wrong_status(&id, execution.status, "it cannot be updated"));
        }
        // The same update twice is one.
        optional_text(params, "ClientToken")?;
        let tags = tags(params, "Tags")?;
        let parameters = object(params, "Parameters")?;
        let description = optional_text(params, "Description")?;
        let group = optional_text(params, "ResourceGroupId")?;
        let mut checked = Map::new();
        for (name, value) in parameters.unwrap_or_default() {
            let Some(declaration) = execution.template.parsed.parameters.get(&name) else {
                let reason = format!("the template has no parameter {name}");
                return Err(bad_parameter("Parameters", &reason));
            };
            if depth(&value) > MAX_DEPTH {
                return Err(bad_parameter("Parameters", "nest too deeply"));
            }
            let value = declaration
                .check(&name, value)
                .map_err(|e| ApiError::new(400, "InvalidParameter", e))?;
            checked.insert(name, value);
        }
        if let Some(execution) = self.executions.get_mut(&id) {
            if let Some(tags) = tags {
                execution.tags = tags;
            }
            execution.parameters.extend(checked);
            if let Some(description) = description {
                execution.description = description;
            }
            if let Some(group) = group {
                execution.resource_group = group;
            }
        }
        self.weigh(&id);
        self.changed(host, &id);
        Ok(json!({}))
    }

    pub(super) fn delete_executions(
        &mut self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let ids = match json_parameter(params, "ExecutionIds")? {
            Some(Value::Array(list)) if list.len() <= 100 => list,
            None => {
                required_text(params, "ExecutionIds")?;
                Vec::new()
            }
            Some(_) => {
                let form = "must be a JSON array of at most 100 ids";
                return Err(bad_parameter("ExecutionIds", form));
            }
        };
        let force = flag(params, "Force")?.unwrap_or(false);
        let mut gone = Vec::new();
        for id in &ids {
            let form = || bad_parameter("ExecutionIds", "must be a JSON array of at most 100 ids");
            let id = id.as_str().ok_or_else(form)?;
            let execution = self.existing(region, id)?;
            if !execution.status.is_final() && !force {
                return Err(wrong_status(id, execution.status, "it cannot be deleted"));
            }
            gone.push(id.to_owned());
        }
        each_once("ExecutionIds", &gone)?;
        self.forget(gone);
        Ok(json!({}))
    }

    /// `TriggerExecution`: an execution that waits for its trigger starts a child now. `Content` is
    /// the event, as JSON.
    pub(super) fn trigger_execution(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let id = required_text(params, "ExecutionId")?;
        let kind = TriggerKind::parse(&required_text(params, "Type")?)
            .ok_or_else(|| bad_parameter("Type", "must be Event, Alarm or Timer"))?;
        let given = json_parameter(params, "Content")?;
        if given.as_ref().is_some_and(|given| depth(given) > MAX_DEPTH) {
            return Err(bad_parameter("Content", "nests too deeply"));
        }
        let execution = self.existing(region, &id)?;
        let status = execution.status;
        // Without a content it is started by hand, and nothing is said to have happened.
        if let (Some(event), Some(trigger)) = (&given, &execution.trigger)
            && trigger.kind == kind
            && kind != TriggerKind::Timer
        {
            let properties = &execution.tasks[trigger.task].properties;
            if let Some(problem) = events::problem(kind, event, &[region.to_owned()]) {
                return Err(bad_parameter("Content", &format!("is refused: {problem}")));
            }
            if let Some(field) = events::misfit(kind, properties, event, region) {
                let why =
                    format!("does not fit: {field} is not what the trigger of {id} waits for");
                return Err(bad_parameter("Content", &why));
            }
        }
        let content = given.unwrap_or_else(|| json!({}));
        if self.trigger_now(host, &id, kind, content)? {
            return Ok(json!({}));
        }
        Err(wrong_status(
            &id,
            status,
            "it does not wait for such a trigger",
        ))
    }
}

fn object(params: &Params, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
    match json_parameter(params, name)? {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(bad_parameter(name, "must be a JSON object")),
    }
}
