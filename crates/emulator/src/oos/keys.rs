//! What a template may say where: the keys of tasks, loops, parameters and of the properties of the
//! actions that the interpreter carries out itself. A key that is none is refused, so that a
//! misspelled one is not passed over; one that OOS has and the interpreter does not is told of.
//!
//! The names are those of the OOS help on tasks, loops, parameters and the actions.

mod message;
mod outputs;
mod tasks;
mod triggers;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::functions::truth;
use super::loops;
use super::template::{TaskSpec, Template, call_in, is_in, only};
use super::trigger_state::TriggerKind;
use message::message;
use outputs::{output_of_task, output_of_template};
pub(super) use tasks::RETRIES;
use tasks::only_what_counts;

const TASK: &[&str] = &[
    "Name",
    "Action",
    "Description",
    "Properties",
    "Outputs",
    "When",
    "Loop",
    "OnError",
    "OnSuccess",
    "Retries",
    "DelayType",
    "Delay",
    "BackOff",
    "MaxRetryInterval",
];
/// What follows from a cancellation, and whether a failure is one of the whole.
const TASK_ABSENT: &[&str] = &["OnCancel", "IsCritical"];

/// The last ones are what consoles show and ask for; they change nothing about an execution.
const PARAMETER: &[&str] = &[
    "Type",
    "Default",
    "AllowedValues",
    "AllowedPattern",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "Description",
    "Label",
    "NoEcho",
    "Required",
    "ConstraintDescription",
    "AssociationProperty",
    "AssociationPropertyMetadata",
    "Confirm",
    "TextArea",
    "Placeholder",
];

/// What targets can be selected by besides.
const FILTER_ABSENT: &[&str] = &["ResourceGroupId", "Status"];

/// Keys of the properties of an action: those that count, and those that OOS has besides. `None` for
/// an action whose properties are the parameters of a template.
type Known = (&'static [&'static [&'static str]], &'static [&'static str]);

fn properties_of(action: &str) -> Option<Known> {
    const CALL: &[&str] = &["Service", "API", "Api", "Parameters", "AutoPaging", "Risk"];
    const WANTED: &[&str] = &["PropertySelector", "DesiredValues", "NotDesiredValues"];
    /// Of APIs in the style of ROA.
    const ROA: &[&str] = &["Method", "URI", "Headers", "Body"];
    Some(match action {
        "ACS::ExecuteAPI" | "ACS::ExecuteApi" => (&[CALL], ROA),
        "ACS::WaitFor" => (&[CALL, WANTED, RETRIES, &["StopRetryValues"]], ROA),
        "ACS::CheckFor" => (
            &[CALL, WANTED],
            &["StopRetryValues", "Method", "URI", "Headers", "Body"],
        ),
        "ACS::Choice" => (&[&["Choices", "DefaultTask"]], &[]),
        "ACS::Template" => (
            &[&["TemplateName", "TemplateVersion", "Parameters"]],
            &["TemplateURL"],
        ),
        "ACS::SelectTargets" => (
            &[&[
                "ResourceType",
                "RegionId",
                "Filters",
                "Type",
                "ResourceIds",
                "Tags",
                "Parameters",
            ]],
            &["ResourceGroupId"],
        ),
        "ACS::Approve" | "ACS::Pause" => (
            &[&[
                "Approvers",
                "MinRequiredApprovals",
                "NotifyType",
                "WebHook",
                "Mail",
                "SMS",
                "AppendExecutionLink",
                "Message",
                "Description",
            ]],
            &["ApproveRamRole"],
        ),
        "ACS::Sleep" => (&[&["Duration", "EndDate"]], &[]),
        "ACS::Notify" => (
            &[&[
                "NotifyType",
                "WebHook",
                "Mail",
                "SMS",
                "AppendExecutionLink",
            ]],
            &[],
        ),
        "ACS::TimerTrigger" => (
            &[&["Type", "Expression", "TimeZone", "EndDate"]],
            &["StartDate"],
        ),
        _ => return None,
    })
}

/// Refuses keys that are none, and notes those that OOS has and the interpreter does not:
/// `OnCancel of task stop`.
pub(super) fn check(template: &Template, absent: &mut BTreeSet<String>) -> Result<(), String> {
    if template.has_rules {
        absent.insert("Rules of the template".to_owned());
    }
    for (name, declaration) in &template.parameters {
        only(&declaration.raw, &[PARAMETER], &format!("parameter {name}"))?;
    }
    for (name, output) in &template.outputs {
        output_of_template(output, &format!("output {name}"))?;
    }
    for task in &template.tasks {
        check_task(task, absent)?;
    }
    Ok(())
}

fn check_task(task: &TaskSpec, absent: &mut BTreeSet<String>) -> Result<(), String> {
    let place = format!("task {}", task.name);
    only(&task.raw, &[TASK, TASK_ABSENT], &place)?;
    note(&task.raw, TASK_ABSENT, &place, absent);
    for (name, output) in &task.outputs {
        output_of_task(output, &format!("output {name} of {place}"))?;
    }
    retries(&task.raw, &place)?;
    only_what_counts(task, &place)?;
    approvers(task, &place)?;
    if let Some(looped) = &task.looped {
        loops::check(looped)
            .map_err(|e| format!("{place}: {e}"))?
            .into_iter()
            .for_each(|what| {
                absent.insert(format!("{what} of {place}"));
            });
    }
    if let Some(kind) = TriggerKind::of(&task.action) {
        triggers::check(kind, task, absent)?;
    }
    let Value::Object(properties) = &task.properties else {
        return Ok(());
    };
    if call_in(properties).is_some() {
        return Ok(());
    }
    let Some((known, more)) = properties_of(&task.action) else {
        return Ok(());
    };
    let place = format!("Properties of {place} ({})", task.action);
    let all: Vec<&[&str]> = known.iter().copied().chain([more]).collect();
    only(properties, &all, &place)?;
    for key in properties.keys().filter(|key| more.contains(&key.as_str())) {
        absent.insert(format!("{key} in {place}"));
    }
    if is_in(known, "AutoPaging") {
        call(properties, &place)?;
    }
    if is_in(known, "Risk")
        && let Some(risk) = properties.get("Risk")
    {
        is_risk(risk).map_err(|e| format!("{place}: {e}"))?;
    }
    if is_in(known, "Retries") {
        retries(properties, &place)?;
    }
    match task.action.as_str() {
        "ACS::Choice" => choices(properties, &place)?,
        "ACS::SelectTargets" => filters(properties, &place, absent)?,
        "ACS::Approve" | "ACS::Pause" | "ACS::Notify" => message(properties, &place, absent)?,
        _ => {}
    }
    Ok(())
}

/// `Approvers` is required (OOS help on `ACS::Approve`).
fn approvers(task: &TaskSpec, place: &str) -> Result<(), String> {
    let is_named = match &task.properties {
        Value::Null => false,
        Value::Object(map) if call_in(map).is_none() => {
            map.get("Approvers").is_some_and(|value| !value.is_null())
        }
        _ => true,
    };
    match task.action == "ACS::Approve" && !is_named {
        true => Err(format!(
            "Approvers is missing in Properties of {place} (ACS::Approve): name the RAM users who may \
             approve, or give [] for anybody"
        )),
        false => Ok(()),
    }
}

/// Filters as far as they are written out. What a reference stands for is looked at when it runs.
fn filters(
    properties: &Map<String, Value>,
    place: &str,
    absent: &mut BTreeSet<String>,
) -> Result<(), String> {
    const FILTER: &[&str] = &[
        "Type",
        "RegionId",
        "ResourceType",
        "ResourceIds",
        "Tags",
        "Parameters",
    ];
    let list = properties.get("Filters").and_then(Value::as_array);
    let written = list.into_iter().flatten().filter_map(Value::as_object);
    for filter in written.filter(|filter| call_in(filter).is_none()) {
        only(
            filter,
            &[FILTER, FILTER_ABSENT],
            &format!("Filters in {place}"),
        )?;
        note(
            filter,
            FILTER_ABSENT,
            &format!("Filters in {place}"),
            absent,
        );
    }
    Ok(())
}

/// A reference is not known before the task runs.
fn is_risk(value: &Value) -> Result<(), String> {
    let refers = value.as_str().is_none_or(|text| text.contains("{{"));
    match refers && !value.is_number() && !value.is_boolean() {
        true => Ok(()),
        false => risk_of(value).map(|_| ()),
    }
}

/// Whether a call is of high risk by its own word (`Risk: High` or `Normal`, by the OOS help on ACS::ExecuteAPI).
pub(super) fn risk_of(value: &Value) -> Result<bool, String> {
    match value.as_str() {
        Some(word) if word.eq_ignore_ascii_case("high") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case("normal") => Ok(false),
        _ => Err(format!("Risk must be High or Normal, not {value}")),
    }
}

fn choices(properties: &Map<String, Value>, place: &str) -> Result<(), String> {
    if properties
        .get("DefaultTask")
        .is_some_and(|v| !v.is_null() && !v.is_string())
    {
        return Err(format!("DefaultTask in {place} must be the name of a task"));
    }
    let form = || format!("Choices in {place} must be a list of objects with When and NextTask");
    let choices = match properties.get("Choices") {
        Some(Value::Array(choices)) if !choices.is_empty() => choices,
        Some(Value::Object(call)) if call_in(call).is_some() => return Ok(()),
        Some(Value::String(text)) if text.contains("{{") => return Ok(()),
        _ => return Err(form()),
    };
    for choice in choices {
        let choice = choice.as_object().ok_or_else(form)?;
        only(
            choice,
            &[&["When", "NextTask"]],
            &format!("Choices in {place}"),
        )?;
        let is_whole = choice.get("When").is_some_and(|when| !when.is_null())
            && choice.get("NextTask").is_some_and(Value::is_string);
        if !is_whole {
            return Err(form());
        }
    }
    Ok(())
}

/// The call of an action that makes one. What a reference stands for is looked at when it runs.
fn call(properties: &Map<String, Value>, place: &str) -> Result<(), String> {
    if properties.contains_key("API") && properties.contains_key("Api") {
        return Err(format!("API and Api in {place} exclude each other"));
    }
    match properties.get("AutoPaging") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(Value::String(text)) if text.contains("{{") => Ok(()),
        Some(value) => truth(value)
            .map(drop)
            .map_err(|_| format!("AutoPaging in {place} must be true or false")),
    }
}

/// How a task repeats itself. What a reference stands for is looked at when it runs.
fn retries(map: &Map<String, Value>, place: &str) -> Result<(), String> {
    for (key, range) in [
        ("Retries", 0.0..=300.0),
        ("Delay", 1.0..=3600.0),
        ("BackOff", 0.0..=3600.0),
        ("MaxRetryInterval", 1.0..=3600.0),
    ] {
        let number = match map.get(key) {
            None | Some(Value::Null | Value::Object(_)) => continue,
            Some(Value::String(text)) if text.contains("{{") => continue,
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(other) => other.as_f64(),
        };
        if !number.is_some_and(|x| range.contains(&x)) {
            return Err(format!(
                "{key} of {place} must be a number from {} to {}, not {}",
                range.start(),
                range.end(),
                map[key]
            ));
        }
    }
    match map.get("DelayType") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(Value::String(text))
            if text.contains("{{")
                || matches!(text.as_str(), "Exponential" | "Constant" | "Linear") =>
        {
            Ok(())
        }
        Some(other) => Err(format!(
            "DelayType of {place} must be Exponential, Constant or Linear, not {other}"
        )),
    }
}

fn note(map: &Map<String, Value>, known: &[&str], place: &str, absent: &mut BTreeSet<String>) {
    for key in map.keys().filter(|key| known.contains(&key.as_str())) {
        absent.insert(format!("{key} of {place}"));
    }
}
