//! What a text says that is JSON.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::secrets::SHORT;

/// The texts and long numbers in a text that is a list or a structure in JSON. Names of members say too little to be hidden, and so
/// does what is short.
pub(super) fn members(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Value> = match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => vec![value],
        _ => return found,
    };
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => open.extend(map.into_iter().map(|(_, value)| value)),
            Value::String(text) => found.extend([text]),
            Value::Number(number) => found.extend([number.to_string()]),
            Value::Bool(_) | Value::Null => {}
        }
    }
    found.retain(|text| text.len() >= SHORT);
    found
}
