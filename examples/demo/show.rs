//! What is printed of an object.

use std::collections::BTreeSet;

use serde_json::Value;

/// The instances that wait for a word about their failure.
pub fn failed(status: &Value) -> Vec<Value> {
    let all = status["instances"].as_array().into_iter().flatten();
    all.filter(|instance| instance["state"] == "Failed")
        .cloned()
        .collect()
}

pub fn words(set: &BTreeSet<String>) -> String {
    set.iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The images of containers, without the registry.
pub fn images(containers: &Value) -> String {
    let all = containers.as_array().into_iter().flatten();
    // Of a running container the group knows more than what it was made from.
    let images =
        all.filter_map(|container| container.get("spec").unwrap_or(container)["Image"].as_str());
    let short: Vec<&str> = images
        .map(|image| image.rsplit('/').next().unwrap_or(image))
        .collect();
    short.join(" + ")
}

pub fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let all = status["conditions"].as_array();
    all.and_then(|all| all.iter().find(|c| c["type"] == kind))
        .unwrap_or(&Value::Null)
}

/// One line: the state, the batch, each instance as a sign, and what it waits for.
pub fn progress(task: &str, status: &Value) -> String {
    let state = status["state"].as_str().unwrap_or("-");
    let batch = status["summary"]["batch"].as_str().unwrap_or("-");
    let instances: String = status["instances"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|instance| match instance["state"].as_str() {
            Some("Succeeded") => '#',
            Some("Updating") => '>',
            Some("Failed") => '!',
            Some("Pending") => '.',
            Some("Skipped") => '~',
            _ => '?',
        })
        .collect();
    let ready = condition(status, "Ready");
    let why = match state {
        "Running" => "",
        _ => ready["message"].as_str().unwrap_or(""),
    };
    format!("  {task:<14} {state:<16} batch {batch:<4} [{instances}] {why}")
}
