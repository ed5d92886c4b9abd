//! Whether the CRDs of the cluster have what this version writes.
//!
//! Strict field validation refuses a write that they do not have all fields of; this says so before the first one, and
//! keeps what comes before a status (the group's record) from being written in vain. The schema is read where every
//! ServiceAccount may read it, in the OpenAPI document of the group.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ess_rollout_api::{
    GROUP,
    status_fields::{self, Fields, Served},
};
use ess_rollout_core::conditions::named;
use kube::Client;
use serde_json::Value;
use tokio::sync::Notify;

use super::{ErrorClass, KubeError, api::call};

/// The kinds that have a status.
const KINDS: [&str; 5] = [
    "RollingUpdateTask",
    "Rollback",
    "ImageUpdateTask",
    "MaintenanceWindow",
    "ScalingGroupRecord",
];
/// The most fields of a kind that are told of.
const FIELDS_MAX: usize = 50;

/// The fields that the CRDs do not have, by kind, each as a path such as `status.restore.quietSince`; after `=` a word
/// that is not among those of the field.
type Missing = BTreeMap<String, Fields>;

/// What is known of the CRDs of the cluster.
#[derive(Debug, Default)]
pub struct Schemas {
    known: Mutex<Known>,
    suspected: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// By the schemas that are served.
    served: Missing,
    /// By the writes that were refused since those were read. Told of only: the CRD may be another by now, and the next
    /// write finds out.
    refused: Missing,
}

impl Known {
    fn all(&self) -> Missing {
        let mut all = self.served.clone();
        for (kind, fields) in &self.refused {
            let of_kind = all.entry(kind.clone()).or_default();
            of_kind.extend(fields.iter().cloned());
        }
        all
    }
}

impl Schemas {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while holding it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which fields of a status the served CRD of a kind does not have. Costs nothing while it has all.
    pub fn lacking(&self, kind: &str, status: &impl serde::Serialize) -> Vec<String> {
        let Some(missing) = self.lock().served.get(kind).cloned() else {
            return Vec::new();
        };
        let status = serde_json::to_value(status).unwrap_or_default();
        let held = |field: &&String| {
            let (path, word) = match field.split_once('=') {
                Some((path, word)) => (path, Some(word)),
                None => (field.as_str(), None),
            };
            path.strip_prefix("status.")
                .is_some_and(|path| holds(&status, path, word))
        };
        missing.iter().filter(held).cloned().collect()
    }

    /// A write was refused for these fields.
    pub fn refused(&self, kind: &str, fields: &[String]) {
        let mut known = self.lock();
        let of_kind = known.refused.entry(kind.to_owned()).or_default();
        of_kind.extend(fields.iter().cloned());
        while of_kind.len() > FIELDS_MAX {
            of_kind.pop_last();
        }
        drop(known);
        self.suspected.notify_one();
    }

    /// Ends when a write was refused since the last time.
    pub async fn suspected(&self) {
        self.suspected.notified().await;
    }

    /// How many fields each kind lacks.
    pub fn missing(&self) -> BTreeMap<String, i64> {
        let missing = self.lock().all();
        let count = |kind: &str| missing.get(kind).map_or(0, Fields::len);
        let counts = KINDS.map(|kind| {
            let count = i64::try_from(count(kind)).unwrap_or(i64::MAX);
            (kind.to_owned(), count)
        });
        counts.into()
    }

    /// What is missing, in a sentence with the cure; `None`: nothing.
    pub fn trouble(&self) -> Option<String> {
        let missing = self.lock().all();
        if missing.is_empty() {
            return None;
        }
        let kinds = missing.iter().map(|(kind, fields)| {
            let fields: Vec<&String> = fields.iter().collect();
            format!("that of {kind} does not have {}", named(&fields, 5))
        });
        let kinds: Vec<String> = kinds.collect();
        Some(format!(
            "the CustomResourceDefinitions are older than the operator: {}; {}",
            kinds.join("; "),
            cure()
        ))
    }

    /// Reads the schemas that the cluster serves. Gives whether what is missing has changed.
    ///
    /// # Errors
    /// When they cannot be read; then what was last read stays.
    pub async fn read(&self, client: &Client) -> Result<bool, KubeError> {
        let before = self.lock().all();
        let read = self.served(client).await;
        let mut known = self.lock();
        known.refused.clear();
        known.served = read?;
        Ok(known.served != before)
    }

    async fn served(&self, client: &Client) -> Result<Missing, KubeError> {
        let operation = "read the schemas of the CustomResourceDefinitions";
        let path = format!("/openapi/v3/apis/{GROUP}/v1alpha1");
        let request = http::Request::get(path).body(Vec::new());
        let request = request
            .map_err(|error| KubeError::other(operation, ErrorClass::Invalid, error.to_string()))?;
        let served: Served = call(operation, client.request(request)).await?;
        Ok(compare(&served))
    }

    /// Of a CRD that is served without this field.
    #[cfg(test)]
    pub(crate) fn without(kind: &str, field: &str) -> Self {
        let served = Missing::from([(kind.to_owned(), [field.to_owned()].into())]);
        Self {
            known: Mutex::new(Known {
                served,
                refused: Missing::new(),
            }),
            suspected: Notify::new(),
        }
    }
}

/// What to do about CRDs that are too old.
pub fn cure() -> String {
    format!(
        "update them with `ess-rollout crds | kubectl apply --server-side --force-conflicts -f -` of version {}, with `--field-manager=helm` too where Helm installed them",
        env!("CARGO_PKG_VERSION")
    )
}

/// What the served schemas lack of ours. A kind that is not served at all is the watch's to tell.
fn compare(served: &Served) -> Missing {
    let mut all = Missing::new();
    for (kind, wanted) in status_fields::ours() {
        let Some(served) = served.0.get(kind) else {
            continue;
        };
        let missing = status_fields::missing(wanted, served);
        if !missing.is_empty() {
            all.insert(
                kind.to_owned(),
                missing.into_iter().take(FIELDS_MAX).collect(),
            );
        }
    }
    all
}

/// Whether there is something at a path, in any item of the lists on it; and, if one is asked for, that word.
fn holds(value: &Value, path: &str, word: Option<&str>) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| holds(item, path, word));
    }
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    match (value.get(name), rest) {
        (None, _) => false,
        (Some(value), Some(rest)) => holds(value, rest, word),
        (Some(Value::Array(items)), None) => match word {
            Some(word) => items.iter().any(|item| item == word),
            None => true,
        },
        (Some(value), None) => word.is_none_or(|word| value == word),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the apiserver publishes the CRDs, after something was done to the status of tasks.
    fn document(change: impl Fn(&mut Value)) -> Value {
        let mut document = status_fields::document().unwrap();
        let schemas = &mut document["components"]["schemas"];
        let task = &mut schemas["io.ess-rollout.v1alpha1.RollingUpdateTask"];
        change(&mut task["properties"]["status"]);
        document
    }

    fn schemas(change: impl Fn(&mut Value)) -> Schemas {
        Schemas {
            known: Mutex::new(Known {
                served: compare(&serde_json::from_value(document(change)).unwrap()),
                refused: Missing::new(),
            }),
            suspected: Notify::new(),
        }
    }

    #[test]
    fn crds_of_this_version_lack_nothing() {
        let schemas = schemas(|_| {});
        assert_eq!(schemas.trouble(), None);
        assert!(schemas.missing().values().all(|count| *count == 0));
        assert_eq!(schemas.missing().len(), 5);
    }

    #[test]
    fn a_field_and_a_word_that_are_missing_are_named_and_found_in_a_status_that_has_them() {
        let schemas = schemas(|status| {
            let fields = &mut status["properties"];
            let restore = fields["restore"]["properties"].as_object_mut().unwrap();
            restore.remove("quietSince");
            let verbs = &mut fields["actions"]["items"]["properties"]["verb"]["enum"];
            verbs.as_array_mut().unwrap().retain(|verb| verb != "Skip");
        });
        let trouble = schemas.trouble().unwrap();
        assert!(
            trouble.contains("that of RollingUpdateTask does not have status.actions.verb=Skip, status.restore.quietSince; update them with `"),
            "{trouble}"
        );
        let kind = "RollingUpdateTask";
        assert_eq!(schemas.missing()[kind], 2);
        let none: [&str; 0] = [];
        for (status, lacking) in [
            (json!({"restore": {"done": true}}), &none[..]),
            (json!({"actions": [{"verb": "Retry"}]}), &none[..]),
            (
                json!({"restore": {"quietSince": "2026-01-01T00:00:00Z"}}),
                &["status.restore.quietSince"],
            ),
            (
                json!({"actions": [{"verb": "Retry"}, {"verb": "Skip"}]}),
                &["status.actions.verb=Skip"],
            ),
        ] {
            assert_eq!(schemas.lacking(kind, &status), lacking);
            assert_eq!(schemas.lacking("Rollback", &status), none);
        }
    }
}
