//! What a task that is a trigger may say.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::oos::events;
use crate::oos::parameters::is_resolved_later;
use crate::oos::template::{TaskSpec, call_in};
use crate::oos::trigger_state::TriggerKind;

/// Refuses what would make a trigger fire for what nobody meant, or never, and notes what OOS has and
/// is not looked at here.
pub(super) fn check(
    kind: TriggerKind,
    task: &TaskSpec,
    absent: &mut BTreeSet<String>,
) -> Result<(), String> {
    let place = format!("task {}", task.name);
    // OOS help on Loop: actions such as triggers have none.
    if task.looped.is_some() {
        return Err(format!("Loop of {place}: a trigger cannot be repeated"));
    }
    if task.on_success.as_ref() == Some(&task.name) {
        return Err(format!(
            "OnSuccess of {place} goes back to the trigger, which is no part of what it starts"
        ));
    }
    let place = format!("Properties of {place} ({})", task.action);
    let none = Map::new();
    let properties = match &task.properties {
        Value::Object(properties) if call_in(properties).is_some() => return Ok(()),
        Value::Object(properties) => properties,
        Value::Null => &none,
        later if is_resolved_later(later) => return Ok(()),
        _ => return Err(format!("{place} is not an object")),
    };
    match kind {
        TriggerKind::Timer => timer(properties, &place),
        TriggerKind::Event | TriggerKind::Alarm => events::check(kind, properties, &place, absent),
    }
}

/// What a schedule must have (OOS help on `ACS::TimerTrigger`). Its values are read when the
/// execution begins to wait.
fn timer(properties: &Map<String, Value>, place: &str) -> Result<(), String> {
    let given = |key: &str| properties.get(key).filter(|value| !value.is_null());
    let is_once = given("Type").and_then(Value::as_str).is_some_and(|kind| {
        // One that a reference stands for may be so.
        kind.trim().eq_ignore_ascii_case("at") || kind.contains("{{")
    }) || given("Type").is_some_and(Value::is_object);
    for key in ["Type", "Expression", "EndDate"] {
        let is_needed = key != "EndDate" || !is_once;
        if is_needed && given(key).is_none() {
            return Err(format!("{key} is missing in {place}"));
        }
    }
    Ok(())
}
