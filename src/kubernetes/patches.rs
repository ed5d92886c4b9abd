//! The JSON patches of single writes. Each begins with a test of the version that was read.

use ess_rollout_api::{EXECUTION_ID_ANNOTATION, FINALIZER};
use ess_rollout_core::task::reason::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

use super::changes::changes;

/// The reason of an object that holds what this version cannot read.
pub const NOT_UNDERSTOOD: &str = Reason::NotUnderstood.word();

fn guarded(metadata: &ObjectMeta, operations: Vec<Value>) -> Vec<Value> {
    let test = json!({"op": "test", "path": "/metadata/resourceVersion",
        "value": metadata.resource_version});
    [vec![test], operations].concat()
}

/// Changes the status to the new one, and of what this version does not know nothing.
///
/// # Errors
/// When a status is no JSON, which none of ours is.
pub(super) fn status<T: Serialize>(
    metadata: &ObjectMeta,
    old: Option<&T>,
    new: &T,
) -> Result<Vec<Value>, serde_json::Error> {
    let old = old.map(serde_json::to_value).transpose()?;
    let new = serde_json::to_value(new)?;
    Ok(guarded(metadata, changes("/status", old.as_ref(), &new)))
}

/// Sets the annotation that keeps the execution's id.
pub(super) fn annotation(metadata: &ObjectMeta, value: &str) -> Vec<Value> {
    let change = match &metadata.annotations {
        // JSON pointer: a slash in a key is written ~1.
        Some(annotations) if !annotations.is_empty() => {
            let key = EXECUTION_ID_ANNOTATION.replace('/', "~1");
            json!({"op": "add", "path": format!("/metadata/annotations/{key}"), "value": value})
        }
        _ => json!({"op": "add", "path": "/metadata/annotations",
            "value": {EXECUTION_ID_ANNOTATION: value}}),
    };
    guarded(metadata, vec![change])
}

/// Adds or removes the operator's finalizer; `None`: nothing to change.
pub(super) fn finalizer(metadata: &ObjectMeta, present: bool) -> Option<Vec<Value>> {
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default();
    let position = finalizers.iter().position(|name| name == FINALIZER);
    let change = match (present, position) {
        (true, Some(_)) | (false, None) => return None,
        (true, None) if finalizers.is_empty() => {
            json!({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]})
        }
        (true, None) => json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}),
        (false, Some(index)) => {
            json!({"op": "remove", "path": format!("/metadata/finalizers/{index}")})
        }
    };
    Some(guarded(metadata, vec![change]))
}

/// Says on an object that it stands still and why, whatever else its status holds; `None`: it says so already.
/// Of the object as the apiserver has it, since it may hold what this version cannot read. An update that has ended and
/// has nothing to put back says how, for good: that this version cannot read it is no news to anybody. What is to be
/// written of it all the same is said, or its group would stay taken and its deletion hang without a word.
pub(super) fn stalled(
    object: &Value,
    reason: &str,
    message: &str,
    now: &str,
) -> Option<Vec<Value>> {
    let metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone()).ok()?;
    let old = match &object["status"] {
        Value::Null => json!({}),
        status => status.clone(),
    };
    let mut new = old.clone();
    let mut conditions = match &old["conditions"] {
        Value::Array(conditions) => conditions.clone(),
        _ => Vec::new(),
    };
    let ended =
        |condition: &Value| condition["type"] == "Succeeded" && condition["status"] != "Unknown";
    let finalizers = metadata.finalizers.iter().flatten();
    let at_rest = metadata.deletion_timestamp.is_none()
        && finalizers.filter(|name| *name == FINALIZER).count() == 0
        && object["kind"] != "ImageUpdateTask"
        && conditions.iter().any(ended);
    if at_rest && reason == NOT_UNDERSTOOD {
        return None;
    }
    // kstatus: never both.
    conditions.retain(|condition| condition["type"] != "Reconciling");
    for (type_, status) in [("Stalled", "True"), ("Ready", "False")] {
        let mut condition = json!({"type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": now});
        if let Some(generation) = metadata.generation {
            condition["observedGeneration"] = generation.into();
        }
        match conditions.iter_mut().find(|c| c["type"] == type_) {
            Some(before) => {
                if before["status"] == status {
                    condition["lastTransitionTime"] = before["lastTransitionTime"].clone();
                }
                *before = condition;
            }
            None => conditions.push(condition),
        }
    }
    new["conditions"] = conditions.into();
    if new == old {
        return None;
    }
    let old = (!object["status"].is_null()).then_some(&old);
    Some(guarded(&metadata, changes("/status", old, &new)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;
    use crate::reconcile::fake::task;

    #[test]
    fn the_annotation_is_set_beside_others() {
        let mut object = task("ns", "a");
        object.metadata.resource_version = Some("7".into());
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        assert_eq!(
            annotation(&object.metadata, "v"),
            [
                test.clone(),
                json!({"op": "add", "path": "/metadata/annotations",
                "value": {"ess-rollout.io/execution-id": "v"}})
            ]
        );
        object.metadata.annotations = Some([("other".to_owned(), "x".to_owned())].into());
        assert_eq!(
            annotation(&object.metadata, "v"),
            [
                test,
                json!({"op": "add",
                "path": "/metadata/annotations/ess-rollout.io~1execution-id", "value": "v"})
            ]
        );
    }

    #[test]
    fn the_finalizer_is_added_beside_others_and_removed_alone() {
        let mut object = task("ns", "a");
        object.metadata.resource_version = Some("7".into());
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        let changed = |change: Value| Some(vec![test.clone(), change]);

        assert_eq!(finalizer(&object.metadata, false), None);
        assert_eq!(
            finalizer(&object.metadata, true),
            changed(json!({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}))
        );
        object.metadata.finalizers = Some(vec!["other/one".into()]);
        assert_eq!(
            finalizer(&object.metadata, true),
            changed(json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}))
        );
        object.metadata.finalizers = Some(vec!["other/one".into(), FINALIZER.into()]);
        assert_eq!(finalizer(&object.metadata, true), None);
        assert_eq!(
            finalizer(&object.metadata, false),
            changed(json!({"op": "remove", "path": "/metadata/finalizers/1"}))
        );
    }

    #[test]
    fn an_object_that_stands_still_says_so_once_and_keeps_the_rest_of_its_status() {
        let mut object = json!({
            "metadata": {"name": "a", "resourceVersion": "7", "generation": 2},
            "status": {"state": "Running", "newer": 1, "conditions": [
                {"type": "Reconciling", "status": "True", "newer": 1},
                {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z", "newer": 2}]},
        });
        let mut patch = |message: &str| {
            let operations = stalled(&object, "CRDOutdated", message, "2026-01-01T00:00:09Z")?;
            let patch: json_patch::Patch = serde_json::from_value(operations.into()).unwrap();
            json_patch::patch(&mut object, &patch).unwrap();
            Some(object["status"].clone())
        };
        let status = patch("update them").unwrap();
        let said = json!({"status": "False", "reason": "CRDOutdated", "message": "update them",
            "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:09Z"});
        let mut ready = said.clone();
        ready["type"] = "Ready".into();
        let mut stalled = said;
        stalled["type"] = "Stalled".into();
        stalled["status"] = "True".into();
        assert_eq!(
            status,
            json!({"state": "Running", "newer": 1, "conditions": [ready, stalled]})
        );
        assert_eq!(patch("update them"), None);
        assert!(patch("another word").is_some());
    }

    #[test]
    fn an_object_that_has_ended_says_what_it_cannot_write_and_at_rest_not_what_cannot_be_read() {
        let said = |kind: &str, metadata: Value, reason: &str| {
            let object = json!({
                "kind": kind, "metadata": metadata,
                "status": {"conditions": [{"type": "Succeeded", "status": "True"}]},
            });
            stalled(&object, reason, "update them", "2026-01-01T00:00:09Z").is_some()
        };
        let at_rest = json!({"name": "a", "finalizers": ["somebody.else/hook"]});
        let holds = json!({"name": "a", "finalizers": [FINALIZER]});
        let deleted = json!({"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"});
        for metadata in [&at_rest, &holds, &deleted] {
            assert!(said("Rollback", metadata.clone(), "CRDOutdated"));
            let is_busy = metadata != &at_rest;
            assert_eq!(said("Rollback", metadata.clone(), NOT_UNDERSTOOD), is_busy);
            assert!(said("ImageUpdateTask", metadata.clone(), NOT_UNDERSTOOD));
        }
    }
}
