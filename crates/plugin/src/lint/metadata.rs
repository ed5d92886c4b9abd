//! The metadata of an object, as an apiserver takes it of one that is created.

use ess_rollout_api::{GROUP, requests as keys};
use ess_rollout_core::requests;
use serde_json::{Map, Value, json};

use super::fields::join;
use super::names::nearest;
use super::say::shown;

/// The most bytes of all annotations together.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Its schema: no CRD has it.
pub fn schema() -> Value {
    let text = || json!({"type": "string", "nullable": true});
    let number = || json!({"type": "integer", "nullable": true});
    let time = || json!({"type": "string", "format": "date-time", "nullable": true});
    let texts = || json!({"type": "object", "nullable": true, "additionalProperties": text()});
    let any = || json!({"type": "array", "nullable": true, "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let owner = json!({
        "type": "object",
        "required": ["apiVersion", "kind", "name", "uid"],
        "properties": {
            "apiVersion": {"type": "string", "minLength": 1}, "kind": {"type": "string", "minLength": 1},
            "name": {"type": "string", "minLength": 1}, "uid": {"type": "string", "minLength": 1},
            "controller": {"type": "boolean", "nullable": true},
            "blockOwnerDeletion": {"type": "boolean", "nullable": true},
        },
    });
    json!({
        "type": "object",
        "properties": {
            "name": text(), "generateName": text(), "namespace": text(),
            "labels": texts(), "annotations": texts(),
            "finalizers": {"type": "array", "nullable": true, "items": {"type": "string"}},
            "ownerReferences": {"type": "array", "nullable": true, "items": owner},
            "uid": text(), "resourceVersion": text(), "selfLink": text(),
            "generation": number(), "deletionGracePeriodSeconds": number(),
            "creationTimestamp": time(), "deletionTimestamp": time(),
            "managedFields": any(),
        },
    })
}

/// What is wrong, each with its field: beyond the schema, which holds by then.
pub fn faults(metadata: &Map<String, Value>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let text = |field: &str| {
        metadata
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut fault = |field: String, message: String| found.push((field, message));
    match (text("name"), text("generateName")) {
        ("", "") => fault("metadata.name".into(), "is missing: add it".into()),
        ("", prefix) => {
            // What is added to it is right.
            if let Some(message) = wrong_name(&format!("{prefix}x"), prefix) {
                fault("metadata.generateName".into(), message);
            }
        }
        (name, _) => {
            if let Some(message) = wrong_name(name, name) {
                fault("metadata.name".into(), message);
            }
        }
    }
    let namespace = text("namespace");
    if !namespace.is_empty()
        && (namespace.contains('.') || namespace.len() > 63 || !is_subdomain(namespace))
    {
        let message = format!(
            "{} is no namespace: use lower-case letters, digits and -, beginning and ending with a letter or a digit, 63 characters at most",
            shown(namespace)
        );
        fault("metadata.namespace".into(), message);
    }
    if !text("resourceVersion").is_empty() {
        let message =
            "is the apiserver's to give, and refused of an object that is created: leave it out";
        fault("metadata.resourceVersion".into(), message.into());
    }
    for (key, value) in pairs(metadata, "labels") {
        let field = join("metadata.labels", key);
        if let Some(message) = wrong_key(key) {
            fault(field, message);
        } else if !value.is_empty() && !is_label_name(value) {
            let message = format!(
                "{} is no value of a label: use letters, digits, -, _ and ., beginning and ending with a letter or a digit, 63 characters at most; longer texts go into an annotation",
                shown(value)
            );
            fault(field, message);
        }
    }
    let mut bytes = 0;
    for (key, value) in pairs(metadata, "annotations") {
        bytes += key.len() + value.len();
        // An apiserver does not mind capitals in their prefixes.
        if let Some(message) = wrong_key(&key.to_lowercase()) {
            fault(join("metadata.annotations", key), message);
        }
    }
    if bytes > ANNOTATIONS_MAX {
        let message =
            format!("have {bytes} bytes together, and the most is {ANNOTATIONS_MAX}: shorten them");
        fault("metadata.annotations".into(), message);
    }
    let finalizers = metadata.get("finalizers").and_then(Value::as_array);
    for (index, finalizer) in finalizers.into_iter().flatten().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        let standard = ["kubernetes", "orphan", "foregroundDeletion"].contains(&name);
        if !standard && (wrong_key(name).is_some() || !name.contains('/')) {
            let message = format!(
                "{} is no finalizer: write domain/name, or leave it out",
                shown(name)
            );
            fault(format!("metadata.finalizers[{index}]"), message);
        }
    }
    found
}

/// Annotations of ours that follow no grammar.
pub fn request_faults(metadata: &Map<String, Value>) -> Vec<(String, String)> {
    let wrong = |(key, value): (&String, &str)| {
        let (verb, _) = requests::VERBS.iter().find(|(_, known)| known == key)?;
        let why = requests::check(*verb, value).err()?;
        let message = format!("{why}: the operator would reject this request");
        Some((join("metadata.annotations", key), message))
    };
    pairs(metadata, "annotations").filter_map(wrong).collect()
}

/// Annotations under our group that mean nothing.
pub fn unknown_annotations(metadata: &Map<String, Value>) -> Vec<(String, String)> {
    let unknown = |(key, _): (&String, &str)| {
        let word = key.strip_prefix(GROUP)?.strip_prefix('/')?;
        if keys::KNOWN.contains(&key.as_str()) {
            return None;
        }
        let known = keys::KNOWN.iter().filter_map(|known| known.split_once('/'));
        let known: Vec<&str> = known.map(|(_, word)| word).collect();
        let cure = match nearest(word, known.iter().copied()) {
            Some(meant) => format!("write {GROUP}/{meant}"),
            None => format!("those that do are {}", known.join(", ")),
        };
        let message = format!("means nothing to the operator: {cure}");
        Some((join("metadata.annotations", key), message))
    };
    pairs(metadata, "annotations").filter_map(unknown).collect()
}

/// Keys and values; an empty value is an empty text.
fn pairs<'a>(
    metadata: &'a Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = (&'a String, &'a str)> {
    let all = metadata.get(field).and_then(Value::as_object);
    let pairs = all.into_iter().flatten();
    pairs.map(|(key, value)| (key, value.as_str().unwrap_or_default()))
}

fn wrong_name(name: &str, given: &str) -> Option<String> {
    if is_subdomain(name) {
        return None;
    }
    let alike = given.to_lowercase().replace(['_', ' '], "-");
    let cure = match is_subdomain(&alike) {
        true => format!("write {alike}"),
        false => "use lower-case letters, digits, - and ., beginning and ending with a letter or a digit, 253 characters at most".to_owned(),
    };
    Some(format!(
        "{} is no name that Kubernetes takes: {cure}",
        shown(given)
    ))
}

/// A DNS-1123 subdomain.
fn is_subdomain(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// What stands against the key of a label or an annotation: `name` or `domain/name`.
fn wrong_key(key: &str) -> Option<String> {
    let right = match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => is_subdomain(prefix) && is_label_name(name),
    };
    (!right).then(|| {
        format!(
            "{} is no key that Kubernetes takes: write name or domain/name, where name has letters, digits, -, _ and ., and 63 characters at most",
            shown(key)
        )
    })
}

fn is_label_name(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| edge(c) || "-_.".contains(c);
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(edge)
        && name.ends_with(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_are_those_of_kubernetes() {
        for (key, right) in [
            ("app", true),
            ("app.kubernetes.io/name", true),
            ("A_b.c-d", true),
            ("", false),
            ("/x", false),
            ("x/", false),
            ("a/b/c", false),
            ("Caps.io/x", false),
            ("-a", false),
            ("ä", false),
        ] {
            assert_eq!(wrong_key(key).is_none(), right, "{key}");
        }
        for (name, right) in [
            ("web-1.example", true),
            ("1", true),
            ("a..b", false),
            ("a-.b", false),
            ("Web", false),
            ("", false),
        ] {
            assert_eq!(is_subdomain(name), right, "{name}");
        }
        assert!(!is_subdomain(&"a".repeat(254)));
    }
}
