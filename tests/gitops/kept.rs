//! What is kept in the repository of a run, and how it is written again.

use std::path::{Path, PathBuf};

use ess_rollout_test_support::source_root;
use regex::Regex;
use serde_json::{Value, json};

/// The scripts for Argo CD, in the layout in which it keeps those that it comes with.
pub fn customizations() -> PathBuf {
    source_root().join("config/argocd/resource_customizations/ess-rollout.io")
}

/// Whether this run writes what is kept.
pub fn writes() -> bool {
    std::env::var("GOLDEN").is_ok_and(|value| value == "write")
}

/// Compares a text with the file that is kept of it, or writes the file.
pub fn check_file(path: &Path, text: &str) {
    if writes() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        kept,
        text,
        "{} is not what it would be now: GOLDEN=write cargo test --test gitops writes it",
        path.display()
    );
}

/// Reads YAML.
pub fn read(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where the object of a case is kept.
pub fn object_path(kind: &str, case: &str) -> PathBuf {
    customizations()
        .join(kind)
        .join("testdata")
        .join(format!("{case}.yaml"))
}

/// An object without what differs from run to run.
pub fn normalised(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("managedFields");
    metadata.insert("resourceVersion".to_owned(), json!("1000"));
    metadata.insert(
        "uid".to_owned(),
        json!("00000000-0000-0000-0000-000000000000"),
    );
    let namespace = metadata["namespace"].as_str().unwrap().to_owned();
    if object["status"]["layout"].is_string() {
        object["status"]["layout"] = json!("0000000000000000");
    }
    let mut words = vec![
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "2026-01-01T00:00:00Z"),
        (r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d", "2026-01-01-00-00-00"),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "00000000-0000-0000-0000-000000000000",
        ),
        (
            r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}",
            "00000000-0000-0000-0000-000000000000",
        ),
        (r"exec-[0-9a-z]+", "exec-1"),
        (r"\b[0-9a-f]{16,64}\b", "0000000000000000"),
    ];
    let namespace = regex::escape(&namespace);
    words.push((namespace.as_str(), "shop"));
    let words: Vec<(Regex, &str)> = words
        .iter()
        .map(|(word, by)| (Regex::new(word).unwrap(), *by))
        .collect();
    replace(&mut object, &words);
    object
}

fn replace(value: &mut Value, words: &[(Regex, &str)]) {
    match value {
        Value::String(text) => {
            for (word, by) in words {
                *text = word.replace_all(text, *by).into_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, words)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, words)),
        _ => {}
    }
}

/// What decides about an object: the rest may differ from run to run.
pub fn shape(object: &Value) -> Value {
    let conditions = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let mut conditions: Vec<Value> = conditions
        .map(|c| json!([c["type"], c["status"], c["reason"]]))
        .collect();
    conditions.sort_by_key(Value::to_string);
    json!({
        "state": object["status"]["state"],
        "conditions": conditions,
        "observed": object["status"]["observedGeneration"] == object["metadata"]["generation"],
        "deleting": !object["metadata"]["deletionTimestamp"].is_null(),
    })
}

/// YAML with the fields of each object in the order of their names.
pub fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap()
}
