//! Functions and references that cannot be anything, found before a template has done something. In
//! doubt a reference is left for when it is looked up: parameters may hold further references, and a
//! nested template has outputs of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::actions::is_built_in;
use super::expr::references;
use super::functions;
use super::keys::RETRIES;
use super::loops;
use super::template::{TaskSpec, Template, call_in, stray_call};

/// Refuses what names a function, a parameter, a task or an output that there is not, and notes functions that OOS has and the
/// interpreter does not: `Fn::FindMatchedPackage in task install`.
pub(super) fn check(template: &Template, absent: &mut BTreeSet<String>) -> Result<(), String> {
    for task in &template.tasks {
        let place = format!("task {}", task.name);
        values(template, &task.properties, &place, absent)?;
        for value in task.when.iter().chain(&task.looped) {
            values(template, value, &place, absent)?;
        }
        for key in RETRIES {
            if let Some(value) = task.raw.get(*key) {
                values(template, value, &format!("{key} of {place}"), absent)?;
            }
        }
        aggregated(task, &place)?;
        for (name, output) in &task.outputs {
            values(
                template,
                output,
                &format!("output {name} of {place}"),
                absent,
            )?;
        }
    }
    if let Some(role) = &template.ram_role {
        values(template, role, "RamRole", absent)?;
    }
    for (name, condition) in &template.conditions {
        values(template, condition, &format!("condition {name}"), absent)?;
    }
    for (name, output) in &template.outputs {
        values(template, output, &format!("output {name}"), absent)?;
    }
    for (name, declaration) in &template.parameters {
        if let Some(default) = &declaration.default {
            known_functions(default, &format!("parameter {name}"), absent)?;
        }
    }
    Ok(())
}

/// Refuses a loop that joins an output which no item of it has: the list would always be empty.
fn aggregated(task: &TaskSpec, place: &str) -> Result<(), String> {
    let joined = task.looped.as_ref().and_then(|l| l.get("Outputs"));
    for (name, rule) in joined.and_then(Value::as_object).into_iter().flatten() {
        let is_joined = loops::joins(rule);
        let field = loops::joined_field(name, rule);
        let is_declared = || {
            let mut names = task.outputs.keys();
            names.any(|own| own.eq_ignore_ascii_case(field))
        };
        if is_joined && puts_out_only_what_it_declares(task) && !is_declared() {
            return Err(format!(
                "{place}: Loop.Outputs.{name} joins the output {field}, which the task does not \
                 declare"
            ));
        }
    }
    Ok(())
}

fn values(
    template: &Template,
    value: &Value,
    place: &str,
    absent: &mut BTreeSet<String>,
) -> Result<(), String> {
    known_functions(value, place, absent)?;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => {
                for name in references(text) {
                    known_name(template, name).map_err(|e| format!("{place}: {e}"))?;
                }
            }
            Value::Array(list) => open.extend(list),
            Value::Object(map) => open.extend(map.values()),
            _ => {}
        }
    }
    Ok(())
}

fn known_functions(
    value: &Value,
    place: &str,
    absent: &mut BTreeSet<String>,
) -> Result<(), String> {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                if let Some(key) = stray_call(map) {
                    return Err(format!(
                        "{place}: {key:?} calls no function: one is spelt Fn::Name, and is the only \
                         key of its object"
                    ));
                }
                if let Some((name, _)) = call_in(map) {
                    if !functions::NAMES.contains(&name) {
                        return Err(format!("{place}: there is no function Fn::{name}"));
                    }
                    if functions::UNSUPPORTED.contains(&name) {
                        absent.insert(format!("Fn::{name} in {place}"));
                    }
                }
                open.extend(map.values());
            }
            _ => {}
        }
    }
    Ok(())
}

fn known_name(template: &Template, name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        // Of the parameter store, a pseudo parameter, or none of OOS's at all.
        return Ok(());
    }
    let same = |own: &str, other: &str| own.eq_ignore_ascii_case(other);
    let (head, rest) = name.split_once('.').unwrap_or((name, ""));
    let is_parameter = |name: &str| template.parameters.keys().any(|own| same(own, name));
    if is_parameter(name) || is_parameter(head) {
        return Ok(());
    }
    let Some(task) = template.tasks.iter().find(|task| same(&task.name, head)) else {
        return Err(format!(
            "{{{{ {name} }}}} refers to {head}, which is neither a parameter nor a task"
        ));
    };
    let output = rest.split('.').next().unwrap_or_default();
    if !rest.is_empty() && puts_out_only_what_it_declares(task) && !task.declares_path(rest) {
        return Err(format!(
            "{{{{ {name} }}}} refers to the output {output} of task {}, which declares none of \
             that name",
            task.name
        ));
    }
    Ok(())
}

/// Only a nested template has outputs that the task does not declare, and an action that is not here
/// may have some. A trigger passes on what its children put out.
fn puts_out_only_what_it_declares(task: &TaskSpec) -> bool {
    let action = task.action.as_str();
    is_built_in(action) && action != "ACS::Template"
}
