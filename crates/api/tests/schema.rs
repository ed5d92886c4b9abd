//! The schemas of the CRDs: everything has a bound, and numbers have formats that Kubernetes knows.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ess_rollout_api::crds;
use serde_json::Value;

/// Calls `visit` with every schema below this one, and its path.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            walk(&format!("{path}.{key}"), &schema[key], visit);
        }
    }
}

/// What a lint finds in all schemas of all CRDs, as `path: problem`.
fn findings(lint: impl Fn(&Value) -> Option<&'static str>) -> (usize, Vec<String>) {
    let (mut seen, mut found) = (0, Vec::new());
    for crd in crds::all() {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let root = &version["schema"]["openAPIV3Schema"];
            for part in ["spec", "status"] {
                walk(
                    &format!("{kind}.{part}"),
                    &root["properties"][part],
                    &mut |path, schema| {
                        seen += 1;
                        found.extend(lint(schema).map(|problem| format!("{path}: {problem}")));
                    },
                );
            }
        }
    }
    (seen, found)
}

fn is(schema: &Value, kind: &str) -> bool {
    schema["type"] == kind
}

#[test]
fn every_text_list_and_map_has_a_bound() {
    let (seen, found) = findings(|schema| {
        // A choice of words and a time are bounded by what they are.
        let bounded_text = schema["enum"].is_array() || schema["format"] == "date-time";
        if is(schema, "string") && !bounded_text && schema["maxLength"].is_null() {
            Some("no maxLength")
        } else if is(schema, "array") && schema["maxItems"].is_null() {
            Some("no maxItems")
        } else if schema["additionalProperties"].is_object() && schema["maxProperties"].is_null() {
            Some("no maxProperties")
        } else {
            None
        }
    });
    assert!(seen > 100, "only {seen} schemas were looked at");
    assert_eq!(found, [] as [String; 0]);
}

/// `kubectl explain` shows descriptions and no defaults.
#[test]
fn a_field_of_a_spec_that_has_a_default_says_so() {
    let mut seen = 0;
    let mut silent = Vec::new();
    for crd in crds::all() {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(
            &format!("{kind}.spec"),
            &root["properties"]["spec"],
            &mut |path, schema| {
                let description = schema["description"].as_str().unwrap_or_default();
                if !schema["default"].is_null() {
                    seen += 1;
                    if !description.contains("Default: ") {
                        silent.push(path.to_owned());
                    }
                }
            },
        );
    }
    assert!(seen > 20, "only {seen} fields have a default");
    assert_eq!(silent, [] as [String; 0]);
}

/// The apiserver ignores formats that it does not know, and kubectl warns of them.
#[test]
fn numbers_have_formats_that_kubernetes_knows() {
    let (_, found) = findings(|schema| {
        let format = schema["format"].as_str()?;
        (!["int32", "int64", "float", "double", "date-time"].contains(&format))
            .then_some("unknown format")
    });
    assert_eq!(found, [] as [String; 0]);
}
