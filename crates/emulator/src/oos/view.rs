//! Executions, tasks and templates in the shapes that the API shows.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::execution::{Execution, Pause, Task, time_text};
use super::records;
use super::switches::OosSwitches;
use super::template::Version;
use super::trigger_state::Trigger;
use crate::secrets::HIDDEN;

fn date(at: Option<Timestamp>) -> String {
    at.map(time_text).unwrap_or_default()
}

fn common(execution: &Execution) -> Map<String, Value> {
    let current: Vec<Value> = execution
        .tasks
        .iter()
        .filter(|task| task.parent.is_none() && !task.status.is_final())
        .map(|task| {
            let spec = &execution.template.parsed.tasks[task.spec];
            json!({
                "TaskExecutionId": task.id, "TaskName": spec.name, "TaskAction": spec.action,
            })
        })
        .collect();
    let value = json!({
        "ExecutionId": execution.id,
        "TemplateId": execution.template.id,
        "TemplateName": execution.template.name,
        "TemplateVersion": execution.template.version,
        "Mode": execution.mode.name(),
        "LoopMode": execution.loop_mode_text,
        "SafetyCheck": execution.safety_check,
        "ExecutedBy": execution.starter.principal,
        "RamRole": execution.ram_role,
        "ParentExecutionId": execution.parent_id,
        "IsParent": !execution.children.is_empty() || !execution.gone.is_empty(),
        "Status": execution.status.name(),
        "StatusMessage": execution.message,
        "StartDate": time_text(execution.created),
        "EndDate": date(execution.ended),
        "CreateDate": time_text(execution.created),
        "UpdateDate": time_text(execution.updated()),
        "Outputs": Value::Object(execution.outputs.clone()).to_string(),
        "CurrentTasks": current,
        "Tags": execution.tags,
        "Description": execution.description,
        "ResourceGroupId": execution.resource_group,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The parameters of an execution, without the values of those with `NoEcho`. Where else OOS hides
/// them is not documented: properties and outputs show what was made of them.
fn parameters(execution: &Execution) -> Map<String, Value> {
    let mut shown = execution.parameters.clone();
    for (name, declaration) in &execution.template.parsed.parameters {
        if declaration.is_masked()
            && let Some(value) = shown.get_mut(name)
            && !value.is_null()
            && *value != json!("")
        {
            *value = json!(HIDDEN);
        }
    }
    shown
}

/// The `Execution` of a `StartExecution` answer: `Parameters` is a text.
pub(super) fn started(execution: &Execution) -> Value {
    let mut map = common(execution);
    let parameters = Value::Object(parameters(execution)).to_string();
    map.insert("Parameters".to_owned(), json!(parameters));
    map.insert("Counters".to_owned(), json!({}));
    Value::Object(map)
}

impl Engine {
    /// An item of `ListExecutions`: `Parameters` is an object.
    pub(super) fn listed(
        &self,
        execution: &Execution,
        switches: &OosSwitches,
        now: Timestamp,
    ) -> Value {
        let mut map = common(execution);
        let lag = SignedDuration::from_secs(i64::from(switches.update_date_lag_seconds));
        let seen = now.checked_sub(lag).unwrap_or(now);
        let update = execution
            .updates
            .iter()
            .rev()
            .find(|at| **at <= seen)
            .unwrap_or(&execution.created);
        map.insert("UpdateDate".to_owned(), json!(time_text(*update)));
        let waiting = match execution.tasks.iter().find_map(|task| task.pause) {
            _ if execution.status.is_final() => "",
            Some(Pause::Batch) => &switches.waiting_status_batch_pause,
            Some(Pause::Failure) => &switches.waiting_status_failure_pause,
            Some(Pause::Approval | Pause::HighRisk) => &switches.waiting_status_approval,
            Some(Pause::Child | Pause::Trigger) | None => "",
        };
        let more = json!({
            "Parameters": parameters(execution),
            "Counters": self.counters(execution),
            "AccountId": execution.starter.account_id,
            "Category": category(execution),
            "StatusReason": "",
            "WaitingStatus": waiting,
            "ResourceStatus": "",
            "Targets": "[]",
            "LastTriggerTime": "",
            "LastSuccessfulTriggerTime": "",
            "LastTriggerStatus": "",
            "LastTriggerStatusMessage": "",
            "LastTriggerOutputs": "",
            "NextScheduleTime": "",
        });
        if let Value::Object(more) = more {
            map.extend(more);
        }
        map.extend(
            execution
                .trigger
                .iter()
                .flat_map(|trigger| of_trigger(trigger)),
        );
        Value::Object(map)
    }

    /// Children by status where there are any, tasks otherwise.
    fn counters(&self, execution: &Execution) -> Value {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut total = 0;
        for name in ["Success", "Failed", "Running"] {
            counts.insert(name, 0);
        }
        if execution.children.is_empty() && execution.gone.is_empty() {
            for task in execution.tasks.iter().filter(|t| t.parent.is_none()) {
                *counts.entry(task.status.name()).or_insert(0) += 1;
                total += 1;
            }
        } else {
            for (status, count) in &execution.gone {
                *counts.entry(status.name()).or_insert(0) += count;
                total += count;
            }
            for child in &execution.children {
                if let Some(child) = self.executions.get(child) {
                    *counts.entry(child.status.name()).or_insert(0) += 1;
                    total += 1;
                }
            }
        }
        counts.insert("Total", total);
        json!(counts)
    }
}

/// The fields that tell of a trigger.
fn of_trigger(trigger: &Trigger) -> [(String, Value); 6] {
    [
        ("LastTriggerTime", date(trigger.last)),
        ("LastSuccessfulTriggerTime", date(trigger.last_success)),
        ("LastTriggerStatus", trigger.last_status.clone()),
        ("LastTriggerStatusMessage", trigger.last_message.clone()),
        ("LastTriggerOutputs", trigger.last_outputs.clone()),
        ("NextScheduleTime", date(trigger.next)),
    ]
    .map(|(name, text)| (name.to_owned(), json!(text)))
}

/// What a root waits for, or `Other`. The children that a trigger starts are like any others.
pub(super) fn category(execution: &Execution) -> &'static str {
    match execution.link {
        None => records::category(&execution.template),
        Some(_) => "Other",
    }
}

/// An item of `ListTaskExecutions`.
pub(super) fn task(execution: &Execution, task: &Task) -> Value {
    let spec = &execution.template.parsed.tasks[task.spec];
    let parent = task
        .parent
        .map(|parent| execution.tasks[parent].id.as_str())
        .unwrap_or_default();
    let mut value = json!({
        "TaskExecutionId": task.id,
        "TaskName": spec.name,
        "TaskAction": spec.action,
        "ExecutionId": execution.id,
        "ParentTaskExecutionId": parent,
        "ChildExecutionId": task.child.as_deref().unwrap_or_default(),
        "TemplateId": execution.template.id,
        "Status": task.status.name(),
        "StatusMessage": task.message,
        "StartDate": time_text(task.created),
        "EndDate": date(task.ended),
        "CreateDate": time_text(task.created),
        "UpdateDate": time_text(task.updated),
        "Properties": match &task.properties {
            Value::Null => "{}".to_owned(),
            properties => properties.to_string(),
        },
        "Outputs": Value::Object(task.outputs.clone()).to_string(),
        "ExtraData": if task.note.is_empty() { json!({}) } else { json!({"NotifyNote": task.note}) },
    });
    if let Value::Object(map) = &mut value {
        if let Some(run) = &task.looped {
            map.insert(
                "Loop".to_owned(),
                json!({
                    "Items": run.items,
                    "BatchPauseOption": format!("{:?}", run.pause_option),
                    "Concurrency": run.batches,
                    "MaxErrors": run.max_errors,
                    "Counters": {
                        "Total": run.items.len(),
                        "Started": run.children.len(),
                        "Running": run.active,
                        "Failed": run.unresolved.len(),
                    },
                }),
            );
        }
        if let Some(batch) = task.batch_number {
            map.insert("LoopBatchNumber".to_owned(), json!(batch));
        }
        if let Some(item) = &task.item {
            map.insert("LoopItem".to_owned(), json!(item_text(item)));
        }
    }
    value
}

/// A loop item as `LoopItem` shows it: a text as it is, anything else as JSON.
pub(super) fn item_text(item: &Value) -> String {
    match item {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The `Template` object of template reads.
pub(super) fn template(version: &Version) -> Value {
    json!({
        "TemplateId": version.id,
        "TemplateName": version.name,
        "TemplateVersion": version.version,
        "VersionName": "",
        "TemplateFormat": version.format(),
        "TemplateType": "Automation",
        "ShareType": if version.public { "Public" } else { "Private" },
        "CreatedBy": if version.public { "ACS" } else { "" },
        "UpdatedBy": if version.public { "ACS" } else { "" },
        "Description": version.parsed.description,
        "Hash": version.hash,
        "HasTrigger": version.parsed.trigger().is_some(),
        "Tags": {},
    })
}
