//! What `ACS::Notify` has in a template that is no matter of everybody: passwords and headers.

use serde_json::Value;

use super::template::{MAX_DEPTH, value_of};

/// What the name of a member says that holds one.
const TELLING: &[&str] = &["password", "secret", "token", "authorization"];

/// Whether the name of a member says that it holds a password or a token.
pub(super) fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|word| name.contains(word))
}

/// Passwords and tokens that a template has in clear. None of a text that is no template.
pub(crate) fn tokens(content: &str) -> Vec<String> {
    let mut found = Vec::new();
    if content.contains("ACS::Notify")
        && let Ok(template) = value_of(content)
    {
        tasks(&template, 0, &mut found);
    }
    found
}

/// Goes through everything that may hold a task.
fn tasks(value: &Value, depth: usize, found: &mut Vec<String>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|v| tasks(v, depth + 1, found)),
        Value::Object(map) => {
            let is_notify = map
                .get("Action")
                .is_some_and(|action| action == "ACS::Notify");
            match map.get("Properties").filter(|_| is_notify) {
                Some(properties) => members(properties, false, depth, found),
                None => map.values().for_each(|v| tasks(v, depth + 1, found)),
            }
        }
        _ => {}
    }
}

fn members(value: &Value, is_secret: bool, depth: usize, found: &mut Vec<String>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        // A reference is looked up when the message is sent.
        Value::String(text) if is_secret && !text.contains("{{") => found.push(text.clone()),
        Value::Array(list) => {
            for value in list {
                members(value, is_secret, depth + 1, found);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                members(value, is_secret || is_telling(name), depth + 1, found);
            }
        }
        _ => {}
    }
}
