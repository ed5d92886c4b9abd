//! Writes: what becomes of an object that a client sends, before it is stored.

use std::sync::Arc;

use ess_rollout_validation::{Cause, Kind, Problem};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::store::{By, ChangeKind, Store};

/// What a client says about the write itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    pub dry_run: bool,
    /// Unknown fields are refused rather than dropped.
    pub strict: bool,
}

/// What only the apiserver writes.
const OWN: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

fn metadata(object: &mut Value) -> Result<&mut Map<String, Value>, Failure> {
    object["metadata"]
        .as_object_mut()
        .ok_or_else(|| Failure::bad_request("metadata is no object"))
}

/// The object must be of the kind that the path names.
fn same_kind(kind: &Kind, object: &mut Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request("the object is no object"));
    }
    for (field, wanted) in [
        ("apiVersion", kind.api_version()),
        ("kind", kind.kind.clone()),
    ] {
        match object[field].as_str() {
            None => object[field] = wanted.into(),
            Some(given) if given == wanted => {}
            Some(given) => {
                return Err(Failure::bad_request(format!(
                    "the {field} in the data ({given}) does not match the expected {field} ({wanted})"
                )));
            }
        }
    }
    Ok(())
}

/// Pruned, filled and held against the schema.
fn admit(
    kind: &Kind,
    name: &str,
    object: &mut Value,
    old: Option<&Value>,
    options: Options,
    hidden: &[String],
    by: &By<'_>,
) -> Result<(), Failure> {
    let Some(schema) = &kind.schema else {
        builtin(kind, object);
        return Ok(());
    };
    let mut unknown = schema.prune(object);
    for path in hidden {
        hide(object, path, "", &mut unknown);
    }
    if options.strict && !unknown.is_empty() {
        let all: Vec<String> = unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect();
        if by.verb == "patch" {
            // The real one quotes the whole object, too.
            let quoted = format!("{:?}", object.to_string());
            let why = format!("{quoted}: strict decoding error: {}", all.join(", "));
            return Err(Failure::undecodable_patch(&why));
        }
        return Err(Failure::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
            kind.kind,
            kind.version,
            kind.kind,
            all.join(", ")
        )));
    }
    schema.fill(object);
    let causes = schema.check(object, old);
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(kind, name, &causes))
    }
}

/// Drops what is at a path, in any item of the lists on it, and says where it was.
fn hide(value: &mut Value, path: &str, at: &str, unknown: &mut Vec<String>) {
    if let Value::Array(items) = value {
        for (index, item) in items.iter_mut().enumerate() {
            hide(item, path, &format!("{at}[{index}]"), unknown);
        }
        return;
    }
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let at = match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    };
    if rest.is_empty() {
        if fields.remove(name).is_some() {
            unknown.push(at);
        }
    } else if let Some(value) = fields.get_mut(name) {
        hide(value, rest, &at, unknown);
    }
}

/// `stringData` of a Secret goes into its data.
fn builtin(kind: &Kind, object: &mut Value) {
    if kind.plural != "secrets" {
        return;
    }
    let given = object.as_object_mut().and_then(|o| o.remove("stringData"));
    for (key, value) in given
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let bytes = value.as_str().unwrap_or_default().as_bytes();
        let encoded = k8s_openapi::ByteString(bytes.to_vec());
        object["data"][key] = serde_json::to_value(encoded).unwrap_or_default();
    }
}

/// `POST` of a collection.
pub(super) fn create(
    store: &mut Store,
    kind: &Kind,
    namespace: &str,
    mut object: Value,
    options: Options,
    by: &By<'_>,
) -> Result<Arc<Value>, Failure> {
    same_kind(kind, &mut object)?;
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    if kind.namespaced {
        let given = text(&object, "namespace");
        if !given.is_empty() && given != namespace {
            return Err(Failure::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request ({given}, {namespace})"
            )));
        }
        object["metadata"]["namespace"] = namespace.into();
    }
    if text(&object, "name").is_empty() && !text(&object, "generateName").is_empty() {
        let generated = format!("{}{:05}", text(&object, "generateName"), store.fresh());
        object["metadata"]["name"] = generated.into();
    }
    let name = text(&object, "name").to_owned();
    if !text(&object, "resourceVersion").is_empty() {
        return Err(Failure::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if let Some(problem) = wrong_name(&name) {
        let cause = Cause::new(
            "metadata.name",
            problem,
            format!(
                "{name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            ),
        );
        return Err(Failure::invalid(kind, &name, &[cause]));
    }
    let fields = metadata(&mut object)?;
    for field in OWN.iter().chain(&["managedFields"]) {
        fields.remove(*field);
    }
    if kind.status
        && let Some(object) = object.as_object_mut()
    {
        object.remove("status");
    }
    let hidden = store.hidden(kind);
    admit(kind, &name, &mut object, None, options, &hidden, by)?;
    if store.get(kind, namespace, &name).is_some() {
        return Err(Failure::already_exists(kind, &name));
    }
    let number = store.fresh();
    object["metadata"]["uid"] = format!("00000000-0000-4000-8000-{number:012}").into();
    object["metadata"]["creationTimestamp"] = seconds(by).into();
    if kind.custom() {
        object["metadata"]["generation"] = 1.into();
    }
    if options.dry_run {
        return Ok(Arc::new(object));
    }
    Ok(store.write(kind, object, ChangeKind::Added, by))
}

fn seconds(by: &By<'_>) -> String {
    by.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn wrong_name(name: &str) -> Option<Problem> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() {
        return Some(Problem::Required);
    }
    let right = name.len() <= 253
        && name.chars().all(allowed)
        && name.starts_with(edge)
        && name.ends_with(edge)
        && !name.contains("..");
    (!right).then_some(Problem::Invalid)
}

/// `PUT`, and the result of a patch: of the object, or of its status.
pub(super) fn update(
    store: &mut Store,
    kind: &Kind,
    old: &Arc<Value>,
    mut object: Value,
    options: Options,
    by: &By<'_>,
) -> Result<Arc<Value>, Failure> {
    let name = text(old, "name").to_owned();
    same_kind(kind, &mut object)?;
    if !object["metadata"].is_object() {
        return Err(Failure::bad_request("metadata is no object"));
    }
    for field in ["name", "namespace"] {
        let given = text(&object, field);
        if !given.is_empty() && given != text(old, field) {
            return Err(Failure::bad_request(format!(
                "the {field} of the object ({given}) does not match the {field} on the URL ({})",
                text(old, field)
            )));
        }
    }
    let version = text(&object, "resourceVersion");
    if version.is_empty() && kind.custom() {
        let cause = Cause::new(
            "metadata.resourceVersion",
            Problem::Invalid,
            "0: must be specified for an update",
        );
        return Err(Failure::invalid(kind, &name, &[cause]));
    }
    if !version.is_empty() && version != text(old, "resourceVersion") {
        return Err(Failure::stale(kind, &name));
    }
    let uid = text(&object, "uid");
    if !uid.is_empty() && uid != text(old, "uid") {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            text(old, "uid")
        );
        return Err(Failure::conflict(kind, &name, &why));
    }

    let mut new = if by.subresource == "status" {
        let mut new = Value::clone(old);
        set(&mut new, "status", object.get("status").cloned());
        new
    } else {
        let fields = metadata(&mut object)?;
        for field in OWN.iter().chain(&["name", "namespace", "resourceVersion"]) {
            match old["metadata"].get(*field) {
                Some(value) => fields.insert((*field).to_owned(), value.clone()),
                None => fields.remove(*field),
            };
        }
        fields.remove("managedFields");
        if kind.status {
            set(&mut object, "status", old.get("status").cloned());
        }
        object
    };
    tidy(&mut new);
    let hidden = store.hidden(kind);
    admit(kind, &name, &mut new, Some(old), options, &hidden, by)?;
    let going = !old["metadata"]["deletionTimestamp"].is_null();
    if going {
        no_new_finalizers(kind, &name, old, &new)?;
    }
    if by.subresource.is_empty() && kind.custom() && spec_differs(kind, old, &new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        new["metadata"]["generation"] = generation.into();
    }
    if new == **old {
        // A write that changes nothing gives no version, and no watch sees it.
        return Ok(old.clone());
    }
    if options.dry_run {
        return Ok(Arc::new(new));
    }
    if going && finalizers(&new).is_empty() {
        return Ok(store.write(kind, new, ChangeKind::Deleted, by));
    }
    Ok(store.write(kind, new, ChangeKind::Modified, by))
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(fields) = object.as_object_mut() {
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
    }
}

/// Empty lists and maps of the metadata are not stored.
fn tidy(object: &mut Value) {
    if let Some(fields) = object["metadata"].as_object_mut() {
        fields.retain(|_, value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        });
    }
}

/// Whether anything but the metadata and the status changed.
fn spec_differs(kind: &Kind, old: &Value, new: &Value) -> bool {
    let counts = |name: &String| name != "metadata" && !(kind.status && name == "status");
    let part = |object: &Value| -> Map<String, Value> {
        let fields = object.as_object().into_iter().flatten();
        fields
            .filter(|(name, _)| counts(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    part(old) != part(new)
}

fn finalizers(object: &Value) -> Vec<&str> {
    let all = object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten();
    all.filter_map(Value::as_str).collect()
}

fn no_new_finalizers(kind: &Kind, name: &str, old: &Value, new: &Value) -> Result<(), Failure> {
    let before = finalizers(old);
    let added: Vec<&str> = finalizers(new)
        .into_iter()
        .filter(|finalizer| !before.contains(finalizer))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let message = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
    );
    let cause = Cause::new("metadata.finalizers", Problem::Forbidden, message);
    Err(Failure::invalid(kind, name, &[cause]))
}

/// `DELETE` of an object. `Ok(None)`: it is gone; else it waits for its finalizers.
pub(super) fn delete(
    store: &mut Store,
    kind: &Kind,
    old: &Arc<Value>,
    parameters: &Value,
    by: &By<'_>,
) -> Result<Option<Arc<Value>>, Failure> {
    let name = text(old, "name").to_owned();
    for (field, words, happened) in [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ] {
        let Some(wanted) = parameters["preconditions"][field].as_str() else {
            continue;
        };
        if wanted != text(old, field) {
            let why = format!(
                "the {words} in the precondition ({wanted}) does not match the {words} in record ({}). The object might \
                 have been {happened}",
                text(old, field)
            );
            return Err(Failure::conflict(kind, &name, &why));
        }
    }
    if parameters["dryRun"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
    {
        return Ok(Some(old.clone()));
    }
    if finalizers(old).is_empty() {
        store.write(kind, Value::clone(old), ChangeKind::Deleted, by);
        return Ok(None);
    }
    if !old["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Some(old.clone()));
    }
    let mut new = Value::clone(old);
    new["metadata"]["deletionTimestamp"] = seconds(by).into();
    new["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    if let Some(generation) = old["metadata"]["generation"].as_i64() {
        new["metadata"]["generation"] = (generation + 1).into();
    }
    Ok(Some(store.write(kind, new, ChangeKind::Modified, by)))
}
