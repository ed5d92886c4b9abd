//! From what the apiserver answers to our types. What cannot be read is named, and never quoted; what has a newer layout than
//! this version knows counts as that, whether it can be read or not.

use ess_rollout_api::{LAYOUT_VERSION, v1alpha1::ScalingGroupRecord};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Cause, ErrorClass, KubeError, Object, ObjectKind};

/// One object of this kind.
///
/// # Errors
/// Of class [`ErrorClass::NotUnderstood`] when it holds what this version does not know.
pub(super) fn object(operation: &str, kind: ObjectKind, text: &str) -> Result<Object, KubeError> {
    Ok(match kind {
        ObjectKind::RollingUpdateTask => Object::Task(laid_out(operation, text)?),
        ObjectKind::Rollback => Object::Rollback(laid_out(operation, text)?),
        ObjectKind::ImageUpdateTask => Object::ImageUpdate(laid_out(operation, text)?),
        ObjectKind::ScalingGroupRecord => {
            let why = "records have calls of their own";
            return Err(KubeError::other(operation, ErrorClass::Invalid, why));
        }
    })
}

/// A record.
///
/// # Errors
/// As [`object`].
pub(super) fn record(operation: &str, text: &str) -> Result<ScalingGroupRecord, KubeError> {
    laid_out(operation, text)
}

/// What is asked of an object before anything else.
#[derive(Deserialize)]
struct LaidOut {
    #[serde(default)]
    status: Option<Layout>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    #[serde(default)]
    layout_version: Option<i64>,
}

/// Something of ours, which has a layout. That comes first: the rest of a newer one may mean something else, or be wrong in a
/// way that says nothing.
fn laid_out<T: DeserializeOwned>(operation: &str, text: &str) -> Result<T, KubeError> {
    let laid_out: Option<LaidOut> = serde_json::from_str(text).ok();
    let layout = laid_out.and_then(|object| object.status?.layout_version);
    match layout {
        Some(newer) if newer > i64::from(LAYOUT_VERSION) => Err(KubeError {
            operation: operation.to_owned(),
            class: ErrorClass::NotUnderstood,
            source: Cause::NotUnderstood {
                path: "status.layoutVersion".to_owned(),
                why: format!("it is {newer}, and the newest layout known here is {LAYOUT_VERSION}"),
            },
        }),
        _ => decoded(operation, text),
    }
}

/// The same of any type.
///
/// # Errors
/// As [`object`].
pub(super) fn decoded<T: DeserializeOwned>(operation: &str, text: &str) -> Result<T, KubeError> {
    // Where it is wrong is only looked for when it is: that takes longer.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let mut source = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let path = error.path().to_string();
        KubeError {
            operation: operation.to_owned(),
            class: ErrorClass::NotUnderstood,
            source: Cause::NotUnderstood {
                path,
                why: explain(&error.into_inner().to_string()),
            },
        }
    })
}

/// What the decoder says, without what it found where that may be anything: a script, for instance.
pub fn explain(said: &str) -> String {
    let said = said.split(" at line ").next().unwrap_or(said);
    let harmless = ["unknown variant", "missing field", "unknown field"];
    if harmless.iter().any(|word| said.starts_with(word)) {
        let mut end = said.len().min(256);
        while !said.is_char_boundary(end) {
            end -= 1;
        }
        return said[..end].to_owned();
    }
    match said.rsplit_once("expected ") {
        Some((_, wanted)) => format!("expected {wanted}"),
        None => "it is not what is expected there".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::telemetry::chain;

    fn refused(status: serde_json::Value) -> String {
        let task = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask", "metadata": {"name": "a"},
            "spec": {"scalingGroupId": "asg-1", "update": {"script": {"run": {"inline": "true"}}}}, "status": status
        });
        let text = task.to_string();
        let error = object("get x", ObjectKind::RollingUpdateTask, &text).unwrap_err();
        assert_eq!(error.class, ErrorClass::NotUnderstood);
        chain(&error)
    }

    #[test]
    fn a_word_of_a_newer_version_is_named_with_its_field() {
        let action = json!({"id": "a", "verb": "Explode", "state": "Applied", "time": "2026-01-01T00:00:00Z"});
        let text = refused(json!({"actions": [action]}));
        assert!(
            text.starts_with(
                "cannot get x: status.actions[0].verb is not understood: unknown variant `Explode`, expected one of"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_newer_layout_is_said_before_anything_else_that_cannot_be_read() {
        let known = json!({"layoutVersion": LAYOUT_VERSION, "plan": {"batches": "hunter2"}});
        assert!(refused(known).starts_with("cannot get x: status.plan.batches is not"));
        let newer = LAYOUT_VERSION + 1;
        let said = format!(
            "cannot get x: status.layoutVersion is not understood: it is {newer}, and the newest layout known here is {LAYOUT_VERSION}"
        );
        let batches = json!({"layoutVersion": newer, "plan": {"batches": "hunter2"}});
        assert_eq!(refused(batches), said);
        assert_eq!(refused(json!({"layoutVersion": newer})), said);

        let of_a_record = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord", "metadata": {"name": "a"},
            "spec": {"scalingGroupId": "asg-1", "regionId": "r"}, "status": {"layoutVersion": newer}
        });
        let error = record("get x", &of_a_record.to_string()).unwrap_err();
        assert_eq!(chain(&error), said);
    }

    #[test]
    fn what_is_found_in_place_of_something_else_is_not_repeated() {
        let text = refused(json!({"plan": {"batches": "hunter2"}}));
        assert_eq!(
            text,
            "cannot get x: status.plan.batches is not understood: expected i32"
        );
    }
}
