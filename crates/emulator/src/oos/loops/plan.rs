//! Reading the `Loop` section of a task: the documented `RateControl` form, and the form of the
//! rolling-update templates, where a list as `Concurrency` means the sizes of consecutive batches.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::oos::execution::{LoopRun, PauseOption};

/// Most items of one loop (OOS limit).
const MAX_ITEMS: usize = 1000;
/// `ConcurrencyInBatches` when a template names none (OOS default).
const IN_BATCH: usize = 20;

/// What the `Loop` section of a task says, resolved.
pub(super) fn read(settings: &Value, loop_mode: PauseOption) -> Result<LoopRun, String> {
    let items = match settings.get("Items") {
        Some(Value::Array(list)) => list.clone(),
        Some(Value::String(text)) => match serde_json::from_str(text) {
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
        Some(value) => Some(
            value
                .as_str()
                .and_then(PauseOption::parse)
                .ok_or_else(|| format!("Loop.BatchPauseOption cannot be {value}"))?,
        ),
    };
    let is_batch = control.and_then(|c| c.get("Mode")) == Some(&json!("Batch"));
    let (batches, at_a_time) = if is_batch {
        let batches = match get("Batch") {
            Some(Value::Array(list)) => sizes(list, n, "Batch")?,
            Some(other) => sizes(std::slice::from_ref(other), n, "Batch")?,
            None => return Err("Loop.RateControl.Batch is missing".to_owned()),
        };
        let inside = match get("ConcurrencyInBatches") {
            Some(Value::Array(list)) if !list.is_empty() => list
                .iter()
                .map(|v| count(v, n, true).map_err(|e| format!("Loop.ConcurrencyInBatches {e}")))
                .collect::<Result<_, _>>()?,
            _ => vec![IN_BATCH],
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

/// A count or a percentage of `n`.
fn count(value: &Value, n: usize, at_least_one: bool) -> Result<usize, String> {
    let bad = || format!("cannot be {value}");
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
        Value::String(text) => text.trim().parse().map_err(|_| bad())?,
        other => {
            let x = other.as_f64().filter(|x| *x >= 0.0 && x.fract() == 0.0);
            x.ok_or_else(bad)? as usize
        }
    };
    Ok(if at_least_one { result.max(1) } else { result })
}

/// Batch sizes that cover exactly `n` items; the last size repeats.
fn sizes(list: &[Value], n: usize, key: &str) -> Result<Vec<usize>, String> {
    let mut left = n;
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
