//! Functions over lists and maps.

use serde_json::{Map, Value, json};

use super::arguments::{as_list, as_number, as_text, number, positional};
use super::text::{fits, times};
use crate::oos::jq::weight;
use crate::oos::parameters::same;
use crate::oos::switches::BatchSplit;

pub(super) fn apply(name: &str, argument: &Value) -> Result<Value, String> {
    match name {
        "Select" => select(argument),
        "RangeSelect" => range_select(argument),
        "First" => Ok(as_list(argument)?.first().cloned().unwrap_or(Value::Null)),
        "Last" => Ok(as_list(argument)?.last().cloned().unwrap_or(Value::Null)),
        "Min" | "Max" => extreme(name == "Max", argument),
        "ListJoin" | "MergeList" => list_join(argument),
        "Intersection" | "Union" | "Difference" => sets(name, argument),
        "MergeMap" => merge_map(argument),
        "MergeMapToList" => merge_map_to_list(argument),
        "ConvertMapToList" => convert_map_to_list(argument),
        "MapJoin" => map_join(argument),
        _ => Err("there is no such function".to_owned()),
    }
}

/// `[index or key, list or map]`.
fn select(argument: &Value) -> Result<Value, String> {
    let [index, from] = positional(argument)?;
    match from {
        Value::Object(map) => {
            let key = as_text(index)?;
            map.get(&key)
                .cloned()
                .ok_or_else(|| format!("there is no key {key:?}"))
        }
        _ => {
            let list = as_list(from)?;
            let i = as_number(index)?;
            list.get(i as usize)
                .filter(|_| i >= 0.0 && i.fract() == 0.0)
                .cloned()
                .ok_or_else(|| format!("there is no index {index} in {} items", list.len()))
        }
    }
}

/// `[first, end, list]`: from the first up to the end, which is not in it; below zero they count from the end of the list.
fn range_select(argument: &Value) -> Result<Value, String> {
    let [first, end, list] = positional(argument)?;
    let list = as_list(list)?;
    let place = |of: &Value| {
        let i = as_number(of)?;
        if i.fract() != 0.0 {
            return Err(format!("{of} is no place in a list"));
        }
        let len = list.len() as f64;
        let from_start = if i < 0.0 { len + i } else { i };
        Ok(from_start.clamp(0.0, len) as usize)
    };
    let (first, end) = (place(first)?, place(end)?);
    Ok(list.get(first..end).unwrap_or_default().to_vec().into())
}

fn extreme(max: bool, argument: &Value) -> Result<Value, String> {
    let mut numbers = as_list(argument)?.iter().map(as_number);
    let mut best = numbers.next().ok_or("takes at least one number")??;
    for x in numbers {
        let x = x?;
        best = if max { best.max(x) } else { best.min(x) };
    }
    Ok(number(best))
}

/// Joins lists into one; members that are no lists are appended as they are.
fn list_join(argument: &Value) -> Result<Value, String> {
    let mut out = Vec::new();
    for member in as_list(argument)? {
        match member {
            Value::Array(list) => out.extend(list.iter().cloned()),
            other => out.push(other.clone()),
        }
    }
    Ok(Value::Array(out))
}

/// The difference is what the union holds beyond the intersection (OOS help on functions). Members are
/// the same if they are as JSON: 1 and "1" are two, as they are where a list is made of each.
fn sets(name: &str, argument: &Value) -> Result<Value, String> {
    // Each member is compared with all others.
    const MAX_MEMBERS: usize = 5_000;
    let lists: Vec<&Vec<Value>> = as_list(argument)?
        .iter()
        .map(as_list)
        .collect::<Result<_, _>>()?;
    if lists.is_empty() {
        return Err("takes at least one list".to_owned());
    }
    if lists.iter().map(|list| list.len()).sum::<usize>() > MAX_MEMBERS {
        return Err(format!("takes at most {MAX_MEMBERS} members in all lists"));
    }
    let mut unique: Vec<Value> = Vec::new();
    for value in lists.iter().copied().flatten() {
        let in_all = || {
            lists
                .iter()
                .all(|list| list.iter().any(|other| equal(other, value)))
        };
        let is_wanted = match name {
            "Intersection" => in_all(),
            "Difference" => !in_all(),
            _ => true,
        };
        if is_wanted && !unique.iter().any(|other| equal(other, value)) {
            unique.push(value.clone());
        }
    }
    Ok(Value::Array(unique))
}

/// Equal as JSON, where 1 and 1.0 are one number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => same(a, b),
        _ => a == b,
    }
}

/// A list of maps becomes one map; later keys win.
fn merge_map(argument: &Value) -> Result<Value, String> {
    let mut out = Map::new();
    for member in as_list(argument)? {
        let map = member.as_object().ok_or("takes a list of objects")?;
        out.extend(map.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    Ok(Value::Object(out))
}

/// Maps of lists become one list of maps: `[{a: [1, 2]}, {b: [3, 4]}]` is
/// `[{a: 1, b: 3}, {a: 2, b: 4}]`. A shorter list repeats its last value (as the help of Resource
/// Orchestration Service says of its function of the same name).
fn merge_map_to_list(argument: &Value) -> Result<Value, String> {
    let mut columns: Vec<(&String, &Vec<Value>)> = Vec::new();
    for member in as_list(argument)? {
        for (key, values) in member.as_object().ok_or("takes a list of objects")? {
            columns.push((key, as_list(values)?));
        }
    }
    let rows = columns.iter().map(|(_, values)| values.len()).max();
    let rows = rows.unwrap_or_default();
    let bytes: usize = columns
        .iter()
        .map(|(key, values)| {
            let repeated = rows - values.len();
            let last = values.last().map_or(0, weight);
            let values: usize = values.iter().map(weight).sum();
            times(rows, key.len() + 1)
                .saturating_add(values)
                .saturating_add(times(repeated, last))
        })
        .fold(0, usize::saturating_add);
    fits(bytes)?;
    let row = |i: usize| -> Map<String, Value> {
        columns
            .iter()
            .filter_map(|(key, values)| {
                let value = values.get(i).or_else(|| values.last())?;
                Some(((*key).clone(), value.clone()))
            })
            .collect()
    };
    Ok((0..rows).map(|i| Value::Object(row(i))).collect())
}

/// `[map, key name, value name]`: one object per entry.
fn convert_map_to_list(argument: &Value) -> Result<Value, String> {
    let (map, key_name, value_name) = match argument {
        Value::Object(map) => (map, "Key".to_owned(), "Value".to_owned()),
        _ => {
            let [map, key, value] = positional(argument)?;
            let map = map
                .as_object()
                .ok_or("the first argument must be an object")?;
            (map, as_text(key)?, as_text(value)?)
        }
    };
    fits(times(map.len(), key_name.len() + value_name.len()))?;
    Ok(map
        .iter()
        .map(|(k, v)| json!({ key_name.clone(): k, value_name.clone(): v }))
        .collect())
}

/// `[keys, values]`: one map of both lists, which must be of the same length.
fn map_join(argument: &Value) -> Result<Value, String> {
    let [keys, values] = positional(argument)?;
    let (keys, values) = (as_list(keys)?, as_list(values)?);
    if keys.len() != values.len() {
        return Err(format!(
            "there are {} keys and {} values",
            keys.len(),
            values.len()
        ));
    }
    keys.iter()
        .zip(values)
        .map(|(key, value)| Ok((as_text(key)?, value.clone())))
        .collect::<Result<Map<_, _>, String>>()
        .map(Value::Object)
}

/// `[number of batches, items]`: the sizes of consecutive batches. Not documented by OOS; the
/// even split agrees with the console and with the official Jenkins plugin.
pub(in crate::oos) fn calculate_batch(
    argument: &Value,
    split: BatchSplit,
) -> Result<Value, String> {
    let [batches, items] = positional(argument)?;
    let n = as_list(items)?.len();
    let wanted = as_number(batches)?;
    if wanted < 1.0 || wanted.fract() != 0.0 {
        return Err(format!("{batches} is no number of batches"));
    }
    if n == 0 {
        return Ok(json!([]));
    }
    let b = (wanted as usize).min(n);
    let (base, rest) = (n / b, n % b);
    let sizes: Vec<usize> = match split {
        BatchSplit::Even => (0..b).map(|i| base + usize::from(i < rest)).collect(),
        BatchSplit::RemainderLast => (0..b)
            .map(|i| base + if i + 1 == b { rest } else { 0 })
            .collect(),
        BatchSplit::CeilingFirst => {
            let size = n.div_ceil(b);
            (0..n.div_ceil(size))
                .map(|i| size.min(n - i * size))
                .collect()
        }
    };
    Ok(json!(sizes))
}
