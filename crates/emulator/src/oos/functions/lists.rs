//! Functions over lists and maps.

use serde_json::{Map, Value, json};

use super::{as_list, as_number, as_text, number, positional};
use crate::oos::parameters::same;
use crate::oos::switches::BatchSplit;

pub(super) fn apply(name: &str, argument: &Value) -> Result<Value, String> {
    match name {
        "Select" => select(argument),
        "First" => Ok(as_list(argument)?.first().cloned().unwrap_or(Value::Null)),
        "Last" => Ok(as_list(argument)?.last().cloned().unwrap_or(Value::Null)),
        "Min" | "Max" => extreme(name == "Max", argument),
        "ListJoin" => list_join(argument),
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

fn sets(name: &str, argument: &Value) -> Result<Value, String> {
    let mut lists = as_list(argument)?.iter();
    let mut result: Vec<Value> = as_list(lists.next().ok_or("takes at least one list")?)?.clone();
    for list in lists {
        let list = as_list(list)?;
        let holds = |v: &Value| list.iter().any(|other| same(other, v));
        match name {
            "Intersection" => result.retain(holds),
            "Difference" => result.retain(|v| !holds(v)),
            _ => result.extend(list.iter().cloned()),
        }
    }
    let mut unique: Vec<Value> = Vec::with_capacity(result.len());
    for value in result {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    Ok(Value::Array(unique))
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

/// Lists of maps, merged place by place: `[[{a}], [{b}]]` is `[{a, b}]`.
fn merge_map_to_list(argument: &Value) -> Result<Value, String> {
    let lists = as_list(argument)?;
    let mut out: Vec<Map<String, Value>> = Vec::new();
    for list in lists {
        for (i, member) in as_list(list)?.iter().enumerate() {
            let map = member.as_object().ok_or("takes lists of objects")?;
            if i == out.len() {
                out.push(Map::new());
            }
            out[i].extend(map.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
    }
    Ok(json!(out))
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
    Ok(map
        .iter()
        .map(|(k, v)| json!({ key_name.clone(): k, value_name.clone(): v }))
        .collect())
}

/// `[between pairs, between key and value, map]` as text.
fn map_join(argument: &Value) -> Result<Value, String> {
    let [pairs, inner, map] = positional(argument)?;
    let (pairs, inner) = (as_text(pairs)?, as_text(inner)?);
    let map = map
        .as_object()
        .ok_or("the third argument must be an object")?;
    let joined: Result<Vec<String>, String> = map
        .iter()
        .map(|(k, v)| Ok(format!("{k}{inner}{}", as_text(v)?)))
        .collect();
    Ok(json!(joined?.join(&pairs)))
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
