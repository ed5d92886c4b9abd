//! The fields of the statuses, by which an operator knows whether the CRDs of a cluster have what it writes.
//!
//! [`ours`] is a text made from the types (`make crds`), since deriving the CRDs takes megabytes and half of a start's
//! time; [`Served`] is read from a document without keeping any more of it than the names. Both are lists of the same
//! paths: `status.actions.verb` for a field, `status.actions.verb=Retry` for a word that it may have, `status.open.*` for
//! one that takes everything below it. Items of a list are at the path of the list.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::GROUP;

/// A line with the kind, a line for each path, and so on.
const OURS: &str = include_str!("status_fields.txt");

/// The fields of one status: paths, in order.
pub type Fields = BTreeSet<String>;

/// The kinds of this version that have a status, and the paths of each in order.
pub fn ours() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    OURS.split_terminator("\n\n").filter_map(|section| {
        let (kind, paths) = section.split_once('\n')?;
        Some((kind, paths.lines()))
    })
}

/// The text behind [`ours`], of the statuses that are served by a document.
pub fn text(served: &Served) -> String {
    let sections = served.0.iter().map(|(kind, fields)| {
        let paths: Vec<&str> = fields.iter().map(String::as_str).collect();
        format!("{kind}\n{}\n", paths.join("\n"))
    });
    sections.collect::<Vec<_>>().join("\n")
}

/// Which of `wanted` are not served: of a field that is missing, not what is below it.
pub fn missing<'a>(wanted: impl Iterator<Item = &'a str>, served: &Fields) -> Fields {
    let mut missing = Fields::new();
    let mut last: Option<&str> = None;
    for path in wanted {
        let below = |parent: &str| {
            let rest = path.strip_prefix(parent);
            rest.is_some_and(|rest| rest.starts_with(['.', '=']))
        };
        if last.is_some_and(below) || served.contains(path) || is_open(path, served) {
            continue;
        }
        if let Some((field, _)) = path.split_once('=') {
            // A field without a list of words takes any.
            let words = format!("{field}=");
            let mut served = served.range(words.clone()..);
            if !served.next().is_some_and(|word| word.starts_with(&words)) {
                continue;
            }
        }
        missing.insert(path.to_owned());
        last = Some(path);
    }
    missing
}

/// Whether a field above takes everything.
fn is_open(path: &str, served: &Fields) -> bool {
    let dots = path.match_indices('.').map(|(at, _)| at);
    dots.into_iter()
        .any(|at| served.contains(&format!("{}.*", &path[..at])))
}

/// The statuses that the schemas of an `OpenAPI` document have (`/openapi/v3/apis/ess-rollout.io/v1alpha1`), by kind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Served(pub BTreeMap<String, Fields>);

impl<'de> Deserialize<'de> for Served {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Document {
            components: Components,
        }
        #[derive(serde::Deserialize)]
        struct Components {
            schemas: Schemas,
        }
        let document = Document::deserialize(deserializer)?;
        Ok(Self(document.components.schemas.0))
    }
}

struct Schemas(BTreeMap<String, Fields>);

impl<'de> Deserialize<'de> for Schemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Schemas;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("schemas by name")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Schemas, M::Error> {
                let mut all = BTreeMap::new();
                while map.next_key::<IgnoredAny>()?.is_some() {
                    let (mut kinds, mut fields) = (Vec::new(), Fields::new());
                    map.next_value_seed(Schema {
                        path: String::new(),
                        kinds: &mut kinds,
                        fields: &mut fields,
                    })?;
                    let ours = kinds.into_iter().find(|kind| kind.group == GROUP);
                    if let Some(kind) = ours {
                        all.insert(kind.kind, fields);
                    }
                }
                Ok(Schemas(all))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[derive(serde::Deserialize)]
struct GroupVersionKind {
    group: String,
    kind: String,
}

/// Adds the paths of one node of a schema, and of all below it. The path of the root is empty.
struct Schema<'a> {
    path: String,
    kinds: &'a mut Vec<GroupVersionKind>,
    fields: &'a mut Fields,
}

impl<'de> DeserializeSeed<'de> for Schema<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Schema<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schema")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let root = self.path.is_empty();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "x-kubernetes-group-version-kind" if root => *self.kinds = map.next_value()?,
                "properties" => map.next_value_seed(Properties(Schema {
                    path: self.path.clone(),
                    kinds: self.kinds,
                    fields: self.fields,
                }))?,
                "items" if !root => map.next_value_seed(Schema {
                    path: self.path.clone(),
                    kinds: self.kinds,
                    fields: self.fields,
                })?,
                "enum" if !root => {
                    let words: Vec<serde_json::Value> = map.next_value()?;
                    let words = words.iter().filter_map(|word| word.as_str());
                    self.fields
                        .extend(words.map(|word| format!("{}={word}", self.path)));
                }
                "x-kubernetes-preserve-unknown-fields" if !root => {
                    if map.next_value()? {
                        self.fields.insert(format!("{}.*", self.path));
                    }
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// The properties of a node; of the root's, only the status is of interest.
struct Properties<'a>(Schema<'a>);

impl<'de> DeserializeSeed<'de> for Properties<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Properties<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("schemas by the name of their field")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let parent = self.0;
        while let Some(name) = map.next_key::<String>()? {
            let path = match parent.path.as_str() {
                "" if name != "status" => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                "" => name,
                path => format!("{path}.{name}"),
            };
            parent.fields.insert(path.clone());
            map.next_value_seed(Schema {
                path,
                kinds: parent.kinds,
                fields: parent.fields,
            })?;
        }
        Ok(())
    }
}

/// The document that an apiserver publishes for the CRDs of this version. Takes megabytes.
///
/// # Errors
/// When the CRDs cannot be written as JSON, which the derived ones can.
pub fn document() -> serde_json::Result<serde_json::Value> {
    let mut schemas = serde_json::Map::new();
    for crd in crate::crds::all() {
        let kind = crd.spec.names.kind;
        let version = crd.spec.versions.into_iter().next();
        let schema = version.and_then(|version| version.schema?.open_api_v3_schema);
        let mut schema = serde_json::to_value(schema)?;
        schema["x-kubernetes-group-version-kind"] =
            serde_json::json!([{"group": GROUP, "version": "v1alpha1", "kind": kind}]);
        schemas.insert(format!("io.ess-rollout.v1alpha1.{kind}"), schema);
    }
    Ok(serde_json::json!({"components": {"schemas": schemas}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(paths: &[&str]) -> Fields {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn the_text_is_that_of_the_types() -> serde_json::Result<()> {
        let served: Served = serde_json::from_value(document()?)?;
        assert!(
            text(&served) == OURS,
            "crates/api/src/status_fields.txt is not that of the types: run `make crds`"
        );
        let ours: BTreeMap<String, Fields> = ours()
            .map(|(kind, paths)| (kind.to_owned(), paths.map(str::to_owned).collect()))
            .collect();
        assert_eq!(Served(ours), served);
        assert_eq!(served.0.len(), 5);
        let task = &served.0["RollingUpdateTask"];
        assert!(task.contains("status.actions.verb=Retry"), "{task:?}");
        assert!(task.contains("status.restore.quietSince"), "{task:?}");
        Ok(())
    }

    #[test]
    fn a_document_is_read_whatever_else_is_in_it_and_in_which_order() -> serde_json::Result<()> {
        let document = serde_json::json!({
            "openapi": "3.0.0",
            "paths": {"/": {"get": [1, null]}},
            "components": {"schemas": {
                "list": {"properties": {"items": {"items": {"$ref": "x"}}},
                    "x-kubernetes-group-version-kind": [{"group": GROUP, "version": "v", "kind": "RollbackList"}]},
                "other": {"properties": {"status": {"properties": {"a": {}}}},
                    "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v", "kind": "Rollback"}]},
                "rollback": {
                    "description": "d",
                    "properties": {
                        "spec": {"properties": {"s": {"enum": ["S"]}}},
                        "status": {"properties": {
                            "open": {"x-kubernetes-preserve-unknown-fields": true},
                            "closed": {"x-kubernetes-preserve-unknown-fields": false},
                            "list": {"items": {"properties": {"word": {"enum": ["A", null, 1]}}}},
                        }},
                    },
                    "x-kubernetes-group-version-kind": [
                        {"group": "", "version": "v1", "kind": "DeleteOptions"},
                        {"group": GROUP, "version": "v", "kind": "Rollback"},
                    ],
                },
            }},
        });
        let served: Served = serde_json::from_value(document)?;
        let wanted = fields(&[
            "status",
            "status.closed",
            "status.list",
            "status.list.word",
            "status.list.word=A",
            "status.open",
            "status.open.*",
        ]);
        assert_eq!(
            served,
            Served(BTreeMap::from([
                ("Rollback".to_owned(), wanted),
                ("RollbackList".to_owned(), Fields::new()),
            ]))
        );
        Ok(())
    }

    #[test]
    fn what_is_missing_is_named_without_what_is_below_it() {
        let served = fields(&[
            "status",
            "status.any",
            "status.open",
            "status.open.*",
            "status.word",
            "status.word=A",
        ]);
        let wanted = [
            "status",
            "status.any",
            "status.any=A",
            "status.gone",
            "status.gone.below",
            "status.gone.below=A",
            "status.gonetoo",
            "status.open.below.more",
            "status.word=A",
            "status.word=B",
        ];
        assert_eq!(
            missing(wanted.into_iter(), &served),
            fields(&["status.gone", "status.gonetoo", "status.word=B"])
        );
        assert_eq!(
            missing(wanted.into_iter(), &Fields::new()),
            fields(&["status"])
        );
    }
}
