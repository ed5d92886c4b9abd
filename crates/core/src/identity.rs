//! Names by which one thing is known in two places: the record of a group, the hash of a spec,
//! the tags and the client token of an execution.

use std::fmt::Write as _;

use ess_rollout_api::v1alpha1::{
    RollbackSpec, RollingUpdateTaskSpec, RunPolicy, StartIntent, default_deletion_timeout,
};
use ess_rollout_cloud::Execution;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The tag by which the ESS console lists an execution with its scaling group.
pub const TAG_SCALING_GROUP: &str = "scaling_group";
/// The tag that all executions of this operator carry, so that one list serves all tasks.
pub const TAG_MANAGED_BY: (&str, &str) = ("managed-by", "ess-rollout");
/// The tag that names the task: `namespace/name`.
pub const TAG_TASK: &str = "ess-rollout/task";
/// The tag with the task's uid, by which an execution whose start had no answer is found.
pub const TAG_UID: &str = "ess-rollout/uid";
/// The tag with `spec.runKey`.
pub const TAG_RUN_KEY: &str = "ess-rollout/run-key";
/// The tag with the hash of the spec.
pub const TAG_SPEC_HASH: &str = "ess-rollout/spec-hash";

/// The tag with the number of the run of an image update task.
pub const TAG_RUN: &str = "ess-rollout/run";

/// The tag with the execution that a rollback undoes, whichever way it does.
pub const TAG_SOURCE_EXECUTION: &str = "ess-rollout/source-execution";

/// The longest value that is put into a tag (ECS tags: 128 characters).
pub const TAG_VALUE_MAX: usize = 128;

/// The name of the `ScalingGroupRecord` of a group: readable where the ids allow, and with a hash
/// where making them a valid object name lost something, so that two groups never share one.
pub fn record_name(region: &str, group: &str) -> String {
    let plain = format!("{region}.{group}");
    let lost = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    let name = plain.to_lowercase().replace(lost, "-");
    let name: String = name.chars().take(200).collect();
    if name == plain && valid_subdomain(&name) {
        return name;
    }
    let labels = name.split('.').map(|label| label.trim_matches('-'));
    let mut labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
    if labels.is_empty() {
        labels.push("group");
    }
    format!("{}-{}", labels.join("."), &hash_text(&plain)[..10])
}

fn valid_subdomain(name: &str) -> bool {
    name.split('.').all(|label| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
    })
}

/// SHA-256 of a text, in lower-case hex.
pub fn hash_text(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// SHA-256 of a value as JSON with sorted keys.
pub fn hash_value(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    let mut text = String::new();
    canonical(&value, &mut text);
    hash_text(&text)
}

/// JSON with sorted keys, whatever order the map type in use keeps.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(&map[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The hash of what a list shows of an execution that tells whether it has moved. Ids and parameters do not change, and a
/// message may be worded anew at each look.
pub fn fingerprint(execution: &Execution) -> String {
    let mut hash = hash_value(&json!([
        execution.status.as_str(),
        execution.waiting_status,
        execution.updated,
        execution.end,
        execution.current_actions,
        execution.counters,
    ]));
    hash.truncate(16);
    hash
}

/// The hash of what a task does: of its spec without the fields that may change while it runs.
pub fn spec_hash(spec: &RollingUpdateTaskSpec) -> String {
    hash_without_mutable(spec)
}

fn hash_without_mutable(spec: &impl Serialize) -> String {
    let mut value = serde_json::to_value(spec).unwrap_or(Value::Null);
    if let Some(map) = value.as_object_mut() {
        // It was hashed before it could be changed: one that is left at its default has the hash that
        // executions, annotations and run keys of objects that exist carry.
        let timeout = map.remove("deletionTimeoutSeconds");
        for field in RunPolicy::MUTABLE {
            map.remove(*field);
        }
        if timeout.is_some() {
            let default = default_deletion_timeout().into();
            map.insert("deletionTimeoutSeconds".into(), default);
        }
    }
    hash_value(&value)
}

/// The value of the annotation that keeps an execution's id: bound to the object, so that a copy of
/// its manifest under another name, or for another update, says nothing.
pub fn execution_annotation(namespace: &str, name: &str, hash: &str, execution: &str) -> String {
    format!("{namespace}/{name}/{hash}/{execution}")
}

/// The execution that the annotation names, if it was written for this very object.
pub fn annotated_execution<'a>(
    value: &'a str,
    namespace: &str,
    name: &str,
    hash: &str,
) -> Option<&'a str> {
    let bound = format!("{namespace}/{name}/{hash}/");
    let execution = value.strip_prefix(&bound)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let valid = !execution.is_empty() && execution.len() <= 128 && execution.chars().all(plain);
    valid.then_some(execution)
}

/// The hash that the annotation of a rollback is bound to: of what its author wrote. The update that
/// it is depends on its source, which is not known again after a restore.
pub fn rollback_hash(spec: &RollbackSpec) -> String {
    hash_without_mutable(spec)
}

/// The client token of an attempt: always the same for the same owner, spec and attempt, so that
/// a start that is sent again after its record was lost still starts nothing new. The owner is the
/// object's uid, or what its run key stands for: then two clusters that start at the same moment
/// send the same token, and OOS starts one execution.
pub fn client_token(owner: &str, spec_hash: &str, attempt: i32) -> String {
    let name = format!("ess-rollout.io/{owner}/{spec_hash}/{attempt}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// The value of [`TAG_TASK`].
pub(crate) fn task_tag(namespace: &str, name: &str) -> String {
    let path = format!("{namespace}/{name}");
    path.chars().take(TAG_VALUE_MAX).collect()
}

/// The tags of an execution, sorted by key.
pub fn tags(
    namespace: &str,
    name: &str,
    uid: &str,
    group: &str,
    run_key: Option<&str>,
    intent: &StartIntent,
) -> Vec<(String, String)> {
    let mut tags = vec![
        (TAG_SCALING_GROUP.to_owned(), group.to_owned()),
        (TAG_MANAGED_BY.0.to_owned(), TAG_MANAGED_BY.1.to_owned()),
        (TAG_TASK.to_owned(), task_tag(namespace, name)),
        (TAG_UID.to_owned(), uid.to_owned()),
        (TAG_SPEC_HASH.to_owned(), intent.spec_hash.clone()),
    ];
    if let Some(key) = run_key {
        tags.push((TAG_RUN_KEY.to_owned(), key.to_owned()));
    }
    tags.sort();
    tags
}

/// The page of an execution in the OOS console.
pub fn execution_url(region: &str, execution: &str) -> String {
    format!("https://oos.console.aliyun.com/{region}/execution/detail/{execution}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_after_region_and_group() {
        assert_eq!(
            record_name("cn-hangzhou", "asg-bp1example"),
            "cn-hangzhou.asg-bp1example"
        );
    }

    #[test]
    fn groups_whose_ids_differ_in_case_only_have_records_of_their_own() {
        let lower = record_name("cn-hangzhou", "asg-a");
        let upper = record_name("cn-hangzhou", "asg-A");
        assert_ne!(lower, upper);
        assert!(upper.starts_with("cn-hangzhou.asg-a-"));
        assert!(valid_subdomain(&record_name("cn-hangzhou", "-_x_-")));
        assert!(valid_subdomain(&record_name("-", "_")));
    }

    /// Executions, annotations and run keys of objects that exist carry these. A field that is added to the spec must
    /// not be serialized at its default.
    #[test]
    fn the_hash_of_a_spec_stays_as_it_is() {
        let spec = serde_json::json!({
            "scalingGroupId": "asg-a",
            "update": {"image": {"imageId": "m-1"}},
            "batchSize": "25%",
            "runKey": "r1",
        });
        let spec: RollingUpdateTaskSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(
            spec_hash(&spec),
            "c8d4d0f49e9ec1c63a939b805ac90efe79bed13b235f3eb6030bc73d4d6608af"
        );
        let mut changed = spec.clone();
        changed.policy.deletion_timeout_seconds = 0;
        assert_eq!(
            spec_hash(&changed),
            spec_hash(&spec),
            "it may be lowered while a deletion waits"
        );
        let rollback = serde_json::json!({"taskRef": {"name": "a"}});
        let rollback: RollbackSpec = serde_json::from_value(rollback).unwrap();
        assert_eq!(
            rollback_hash(&rollback),
            "8fc98518777cdb08110b8210856cd2e0e1bed33b714a592ad8718856afc9df00"
        );
    }

    #[test]
    fn the_token_changes_with_uid_spec_and_attempt_only() {
        let token = client_token("u", "h", 1);
        assert_eq!(token, client_token("u", "h", 1));
        assert!(token.len() <= 64 && token.is_ascii());
        for other in [
            client_token("v", "h", 1),
            client_token("u", "i", 1),
            client_token("u", "h", 2),
        ] {
            assert_ne!(token, other);
        }
    }
}
