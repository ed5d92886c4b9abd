//! Reading the `Loop` section of a task: the documented `RateControl` form, and the form of the
//! rolling-update templates, where a list as `Concurrency` means the sizes of consecutive batches.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::oos::execution::{LoopRun, PauseOption};
use crate::oos::template::{call_in, only};
use crate::params::exact;

/// Most items of one loop (OOS limit).
const MAX_ITEMS: usize = 1000;
/// `ConcurrencyInBatches` when a template names none (OOS default).
const IN_BATCH: usize = 20;

/// The only way to aggregate that is here.
const JOIN: &str = "Fn::ListJoin";

const CONTROL: &[&str] = &[
    "Mode",
    "MaxErrors",
    "Batch",
    "ConcurrencyInBatches",
    "Concurrency",
    "BatchPauseOption",
];

/// Settings that may be empty where there are no items, as the batches of none are.
const MAY_BE_OF_NONE: &[&str] = &["Concurrency", "Batch"];

/// Refuses keys of a `Loop` section that are none, and values that can only be wrong, as far as they
/// are known before it is resolved. Gives what OOS has and is not here.
pub(in crate::oos) fn check(settings: &Value) -> Result<Vec<String>, String> {
    let Value::Object(settings) = settings else {
        return Err("Loop is not an object".to_owned());
    };
    let known = ["Items", "RateControl", "Outputs"];
    only(settings, &[&known, CONTROL], "Loop")?;
    if !settings.contains_key("Items") {
        return Err("Loop.Items is missing".to_owned());
    }
    control(settings)?;
    match settings.get("RateControl") {
        Some(Value::Object(map)) if call_in(map).is_none() => {
            only(map, &[CONTROL], "Loop.RateControl")?;
            control(map)?;
        }
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(Value::String(text)) if text.contains("{{") => {}
        Some(_) => return Err("Loop.RateControl is not an object".to_owned()),
    }
    idle(settings.get("RateControl"), settings)?;
    let mut absent = Vec::new();
    match settings.get("Outputs") {
        None | Some(Value::Null) => {}
        Some(Value::Object(outputs)) => {
            for (name, output) in outputs {
                let place = format!("Loop.Outputs.{name}");
                let Value::Object(output) = output else {
                    return Err(format!("{place} is not an object"));
                };
                let known = ["AggregateType", "AggregateField", "Type", "Description"];
                only(output, &[&known], &place)?;
                for key in known {
                    let value = output.get(key).filter(|value| !value.is_null());
                    if key.starts_with("Aggregate") && value.is_some_and(|v| !v.is_string()) {
                        return Err(format!("{key} in {place} must be a text"));
                    }
                }
                match output.get("AggregateType").and_then(Value::as_str) {
                    None | Some(JOIN) => joined_type(output.get("Type"), &place)?,
                    Some(other) => absent.push(format!("AggregateType {other} in {place}")),
                }
            }
        }
        Some(_) => return Err("Loop.Outputs is not an object".to_owned()),
    }
    Ok(absent)
}

/// What joins the outputs of all items is a list.
fn joined_type(declared: Option<&Value>, place: &str) -> Result<(), String> {
    match declared {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kind)) if kind == "List" => Ok(()),
        Some(kind) => Err(format!(
            "Type in {place} must be List, which {JOIN} gives, not {kind}"
        )),
    }
}

/// Whether an output of a loop joins those of its items.
pub(in crate::oos) fn joins(rule: &Value) -> bool {
    let kind = rule.get("AggregateType").and_then(Value::as_str);
    kind.is_none_or(|kind| kind == JOIN)
}

/// The output of the items that an output of a loop is made of: of its own name if it says none.
pub(in crate::oos) fn joined_field<'r>(name: &'r str, rule: &'r Value) -> &'r str {
    let field = rule.get("AggregateField").and_then(Value::as_str);
    field.unwrap_or(name)
}

/// The settings that stand in `RateControl` or, as the rolling-update templates have them, beside
/// it. What has to be resolved first is looked at then.
fn control(map: &Map<String, Value>) -> Result<(), String> {
    let given = |key: &str| {
        map.get(key).filter(|value| match value {
            Value::Null | Value::Object(_) => false,
            Value::String(text) => !text.contains("{{"),
            Value::Array(list) => !list.iter().any(|v| v.is_object() || is_reference(v)),
            _ => true,
        })
    };
    if let Some(mode) = given("Mode") {
        mode_of(mode)?;
    }
    for key in ["Concurrency", "Batch", "ConcurrencyInBatches"] {
        let Some(value) = given(key) else { continue };
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        if list.is_empty() && MAY_BE_OF_NONE.contains(&key) {
            return Err(no_sizes(key));
        }
        for value in list {
            count(value, 1, true).map_err(|e| format!("Loop.{key} {e}"))?;
        }
    }
    if let Some(value) = given("MaxErrors") {
        count(value, 1, false).map_err(|e| format!("Loop.MaxErrors {e}"))?;
    }
    if let Some(value) = given("BatchPauseOption") {
        pause_option(value)?;
    }
    Ok(())
}

/// Refuses what makes no difference in the mode that a loop is in, as far as that is known. `Automatic`
/// does not either, and is what holds without it.
fn idle(control: Option<&Value>, settings: &Map<String, Value>) -> Result<(), String> {
    let control = match control.filter(|v| !v.is_null()) {
        None => None,
        Some(Value::Object(map)) if call_in(map).is_none() => Some(map),
        // A reference, which is looked at when it is resolved.
        Some(_) => return Ok(()),
    };
    let mode = "Loop.RateControl.Mode";
    let is_given = |map: &Map<String, Value>, key: &str| map.get(key).is_some_and(|v| !v.is_null());
    if let Some(control) = control {
        // Required by the OOS help on Loop.
        if !is_given(control, "Mode") {
            return Err(format!(
                "{mode} is missing: it must be Batch or Concurrency; without RateControl, MaxErrors and \
                 Concurrency stand beside Items"
            ));
        }
        let mut both = CONTROL.iter();
        if let Some(key) = both.find(|key| is_given(control, key) && is_given(settings, key)) {
            return Err(format!(
                "{key} stands in Loop.RateControl and beside it: leave one of the two out"
            ));
        }
    }
    let get = |key: &str| {
        let own = control.and_then(|c| c.get(key));
        own.or_else(|| settings.get(key)).filter(|v| !v.is_null())
    };
    let is_later = |value: &Value| value.is_object() || is_reference(value);
    if get("Mode").is_some_and(is_later) {
        return Ok(());
    }
    let is_batch = get("Mode").is_some_and(|mode| mode == "Batch");
    if is_batch {
        return match get("Concurrency") {
            Some(_) => Err(format!(
                "Loop.Concurrency has no effect when {mode} is Batch: ConcurrencyInBatches says how \
                 many items run at a time"
            )),
            None => Ok(()),
        };
    }
    for key in ["Batch", "ConcurrencyInBatches"] {
        if get(key).is_some() {
            return Err(format!("Loop.{key} has no effect unless {mode} is Batch"));
        }
    }
    // The sizes of batches, as the rolling-update templates give them.
    let has_batches = get("Concurrency").is_some_and(|value| value.is_array() || is_later(value));
    let pauses = get("BatchPauseOption").is_some_and(|option| option != "Automatic");
    // It is of the other mode by the OOS help on Loop. One that a reference stands for may be Automatic.
    let is_known = !get("BatchPauseOption").is_some_and(is_later);
    if pauses && is_known && get("Mode").is_some() {
        return Err(format!(
            "Loop.BatchPauseOption has no effect when {mode} is Concurrency: it must be Batch"
        ));
    }
    match pauses && !has_batches {
        true => Err(format!(
            "Loop.BatchPauseOption has no effect without batches: {mode} must be Batch"
        )),
        false => Ok(()),
    }
}

fn no_sizes(key: &str) -> String {
    format!("Loop.{key} is empty: it gives the sizes of the batches")
}

fn is_reference(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("{{"))
}

/// Whether items run in batches.
fn mode_of(mode: &Value) -> Result<bool, String> {
    match mode.as_str() {
        Some("Batch") => Ok(true),
        Some("Concurrency") => Ok(false),
        _ => Err(format!(
            "Loop.RateControl.Mode must be Batch or Concurrency, not {mode}"
        )),
    }
}

fn pause_option(value: &Value) -> Result<PauseOption, String> {
    value
        .as_str()
        .and_then(PauseOption::parse)
        .ok_or_else(|| format!("Loop.BatchPauseOption cannot be {value}"))
}

/// What the `Loop` section of a task says, resolved.
pub(super) fn read(settings: &Value, loop_mode: PauseOption) -> Result<LoopRun, String> {
    let items = match settings.get("Items") {
        Some(Value::Array(list)) => list.clone(),
        Some(Value::String(text)) => match exact::read(text) {
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
    match control {
        Some(Value::Object(map)) => only(map, &[CONTROL], "Loop.RateControl")?,
        None => {}
        Some(_) => return Err("Loop.RateControl is not an object".to_owned()),
    }
    if let Some(settings) = settings.as_object() {
        idle(control, settings)?;
    }
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
        Some(value) => Some(pause_option(value)?),
    };
    let is_batch = match get("Mode") {
        Some(mode) => mode_of(mode)?,
        None => false,
    };
    let (batches, at_a_time) = if is_batch {
        let batches = match get("Batch") {
            Some(Value::Array(list)) => sizes(list, n, "Batch")?,
            Some(other) => sizes(std::slice::from_ref(other), n, "Batch")?,
            None => return Err("Loop.RateControl.Batch is missing".to_owned()),
        };
        let inside = match get("ConcurrencyInBatches") {
            None => vec![IN_BATCH],
            Some(Value::Array(list)) if list.is_empty() => vec![IN_BATCH],
            Some(Value::Array(list)) => in_batches(list, n)?,
            Some(one) => in_batches(std::slice::from_ref(one), n)?,
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
        pause_option: own.unwrap_or(loop_mode),
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

/// How many items of each batch may run at a time.
fn in_batches(list: &[Value], n: usize) -> Result<Vec<usize>, String> {
    list.iter()
        .map(|v| count(v, n, true).map_err(|e| format!("Loop.ConcurrencyInBatches {e}")))
        .collect()
}

/// A count or a percentage of `n`.
fn count(value: &Value, n: usize, at_least_one: bool) -> Result<usize, String> {
    let bad = || format!("cannot be {value}");
    // A small part of a few is one; none at all would never end.
    let at_least = |number: usize| (number > 0 || !at_least_one).then_some(number);
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
        Value::String(text) => {
            let number: usize = text.trim().parse().map_err(|_| bad())?;
            at_least(number).ok_or_else(bad)?
        }
        other => {
            let x = other.as_f64().filter(|x| *x >= 0.0 && x.fract() == 0.0);
            at_least(x.ok_or_else(bad)? as usize).ok_or_else(bad)?
        }
    };
    Ok(if at_least_one { result.max(1) } else { result })
}

/// Batch sizes that cover exactly `n` items; the last size repeats.
fn sizes(list: &[Value], n: usize, key: &str) -> Result<Vec<usize>, String> {
    let mut left = n;
    if list.is_empty() && n > 0 {
        return Err(no_sizes(key));
    }
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
