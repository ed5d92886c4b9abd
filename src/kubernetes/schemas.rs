//! Whether the CRDs of the cluster have what this version writes.
//!
//! Strict field validation refuses a write that they do not have all fields of; this says so before the first one, and
//! keeps what comes before a status (the group's record) from being written in vain. The schema is read where every
//! ServiceAccount may read it, in the OpenAPI document of the group.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ess_rollout_api::{GROUP, crds};
use ess_rollout_core::conditions::named;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;

use super::{ErrorClass, KubeError, api::call};

/// The kinds that have a status.
const KINDS: [&str; 4] = [
    "RollingUpdateTask",
    "Rollback",
    "ImageUpdateTask",
    "ScalingGroupRecord",
];
/// The most fields of a kind that are told of.
const FIELDS_MAX: usize = 50;

/// The fields that the CRDs do not have, by kind, each as a path such as `status.restore.quietSince`; after `=` a word
/// that is not among those of the field.
type Missing = BTreeMap<String, BTreeSet<String>>;

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
        let count = |kind: &str| missing.get(kind).map_or(0, BTreeSet::len);
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
        let document: Document = call(operation, client.request(request)).await?;
        Ok(compare(&document))
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
        "update them with `ess-rollout crds | kubectl apply --server-side --force-conflicts -f -` of version {}",
        env!("CARGO_PKG_VERSION")
    )
}

/// An OpenAPI document, as far as it is looked at: the rest, descriptions above all, never reaches memory.
#[derive(Deserialize)]
struct Document {
    components: Components,
}

#[derive(Deserialize)]
struct Components {
    schemas: BTreeMap<String, Part>,
}

/// One node of a schema.
#[derive(Deserialize, Default)]
struct Part {
    #[serde(default, rename = "x-kubernetes-group-version-kind")]
    kinds: Vec<GroupVersionKind>,
    #[serde(default)]
    properties: BTreeMap<String, Part>,
    #[serde(default)]
    items: Option<Box<Part>>,
    #[serde(default, rename = "enum")]
    words: Vec<Value>,
    #[serde(default, rename = "x-kubernetes-preserve-unknown-fields")]
    open: bool,
}

#[derive(Deserialize)]
struct GroupVersionKind {
    group: String,
    kind: String,
}

impl Part {
    /// The same of a CRD of ours.
    fn of(schema: JSONSchemaProps) -> Self {
        let properties = schema.properties.into_iter().flatten();
        Self {
            kinds: Vec::new(),
            properties: properties
                .map(|(name, schema)| (name, Self::of(schema)))
                .collect(),
            items: match schema.items {
                Some(JSONSchemaPropsOrArray::Schema(items)) => Some(Box::new(Self::of(*items))),
                _ => None,
            },
            words: schema.enum_.into_iter().flatten().map(|w| w.0).collect(),
            open: schema.x_kubernetes_preserve_unknown_fields == Some(true),
        }
    }
}

/// What the served schemas lack of ours. A kind that is not served at all is the watch's to tell.
fn compare(document: &Document) -> Missing {
    let mut all = Missing::new();
    for crd in crds::all() {
        let kind = crd.spec.names.kind;
        let served = document.components.schemas.values().find(|schema| {
            let mut kinds = schema.kinds.iter();
            kinds.any(|gvk| gvk.kind == kind && gvk.group == GROUP)
        });
        let wanted = crd.spec.versions.into_iter().next();
        let wanted = wanted.and_then(|version| version.schema?.open_api_v3_schema);
        let wanted = wanted.and_then(|mut schema| schema.properties.as_mut()?.remove("status"));
        let (Some(served), Some(wanted)) = (served, wanted.map(Part::of)) else {
            continue;
        };
        let mut missing = BTreeSet::new();
        match served.properties.get("status") {
            Some(served) => lack("status", &wanted, served, &mut missing),
            None => _ = missing.insert("status".to_owned()),
        }
        if !missing.is_empty() {
            all.insert(kind, missing.into_iter().take(FIELDS_MAX).collect());
        }
    }
    all
}

fn lack(path: &str, wanted: &Part, served: &Part, missing: &mut BTreeSet<String>) {
    for (name, wanted) in &wanted.properties {
        let path = format!("{path}.{name}");
        match served.properties.get(name) {
            Some(served) => lack(&path, wanted, served, missing),
            None if served.open => {}
            None => _ = missing.insert(path),
        }
    }
    if let (Some(wanted), Some(served)) = (&wanted.items, &served.items) {
        lack(path, wanted, served, missing);
    }
    if !served.words.is_empty() {
        let words = wanted.words.iter();
        let words = words.filter(|word| !served.words.contains(word));
        let words = words.filter_map(Value::as_str);
        missing.extend(words.map(|word| format!("{path}={word}")));
    }
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
        let mut schemas = serde_json::Map::new();
        for crd in crds::all() {
            let kind = &crd.spec.names.kind;
            let schema = crd.spec.versions[0].schema.clone().unwrap();
            let mut schema = serde_json::to_value(schema.open_api_v3_schema.unwrap()).unwrap();
            if kind == "RollingUpdateTask" {
                change(&mut schema["properties"]["status"]);
            }
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": GROUP, "version": "v1alpha1", "kind": kind}]);
            schemas.insert(format!("io.ess-rollout.v1alpha1.{kind}"), schema);
        }
        json!({"components": {"schemas": schemas}})
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
        assert_eq!(schemas.missing().len(), 4);
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
