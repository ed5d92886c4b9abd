//! Which fields of a spec may change.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;
use crate::v1alpha1::{MaintenanceWindow, maintenance_window};

fn spec_of(crd: &mut CustomResourceDefinition) -> &mut JSONSchemaProps {
    let schema = crd.spec.versions[0].schema.as_mut().unwrap();
    let root = schema.open_api_v3_schema.as_mut().unwrap();
    root.properties.as_mut().unwrap().get_mut("spec").unwrap()
}

#[test]
fn a_field_that_is_in_no_list_is_immutable() {
    for (mut crd, immutability) in people() {
        let spec = spec_of(&mut crd);
        let text = |default: Option<&str>| JSONSchemaProps {
            default: default.map(|word| serde_json::from_value(json!(word)).unwrap()),
            ..JSONSchemaProps::default()
        };
        let fields = spec.properties.as_mut().unwrap();
        fields.insert("newOptional".into(), text(None));
        fields.insert("newDefaulted".into(), text(Some("word")));
        fields.insert("newRequired".into(), text(None));
        let required = spec.required.get_or_insert_default();
        required.push("newRequired".into());

        let mut crd = complete(crd, Some(&immutability));
        let rules = spec_of(&mut crd).x_kubernetes_validations.as_ref().unwrap();
        let rule_of = |field: &str| {
            let message = format!("spec.{field} is immutable: {}", immutability.cure);
            let found = rules.iter().find(|r| r.message.as_ref() == Some(&message));
            found.unwrap().rule.as_str()
        };
        assert_eq!(
            rule_of("newOptional"),
            "has(self.newOptional) == has(oldSelf.newOptional) && (!has(self.newOptional) || self.newOptional == oldSelf.newOptional)"
        );
        for field in ["newDefaulted", "newRequired"] {
            assert_eq!(rule_of(field), format!("self.{field} == oldSelf.{field}"));
        }
    }
}

/// One that was renamed or taken away would stay in a list for ever.
#[test]
fn the_lists_name_fields_that_there_are_once() {
    for (mut crd, immutability) in people() {
        let fields = spec_of(&mut crd).properties.as_ref().unwrap();
        let cures = immutability.cures.iter().map(|(field, _)| field);
        let mut listed: Vec<&&str> = immutability.mutable.iter().chain(cures).collect();
        assert!(listed.iter().all(|field| fields.contains_key(**field)));
        let count = listed.len();
        listed.sort();
        listed.dedup();
        assert_eq!(listed.len(), count);
    }
}

/// Every field of a calendar may change, and none is without a bound.
#[test]
fn a_maintenance_window_may_change_in_every_field() {
    let immutability = maintenance_window::IMMUTABILITY;
    let mut plain = MaintenanceWindow::crd();
    let fields = spec_of(&mut plain).properties.as_ref().unwrap().keys();
    let mut fields: Vec<&str> = fields.map(String::as_str).collect();
    let mut listed = immutability.mutable.to_vec();
    fields.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, fields);

    let rules = |crd: &mut CustomResourceDefinition| {
        let rules = spec_of(crd).x_kubernetes_validations.clone();
        rules.unwrap_or_default().len()
    };
    let own = rules(&mut plain);
    let mut crd = complete(plain, Some(&immutability));
    assert_eq!(rules(&mut crd), own);
    let schema = crd.spec.versions[0].schema.as_ref().unwrap();
    let root = schema.open_api_v3_schema.as_ref().unwrap();
    let status = &root.properties.as_ref().unwrap()["status"];
    assert_eq!(status.default.as_ref().unwrap().0["observedGeneration"], -1);
    let unbounded = unbounded("", &serde_json::to_value(root).unwrap());
    assert_eq!(unbounded, [] as [String; 0]);
}

/// The paths of the texts, lists and maps that may grow without end.
fn unbounded(path: &str, schema: &serde_json::Value) -> Vec<String> {
    let endless = match schema["type"].as_str() {
        Some("string") => {
            let choice = schema["enum"].is_array() || schema["format"] == "date-time";
            !choice && schema["maxLength"].is_null()
        }
        Some("array") => schema["maxItems"].is_null(),
        _ => schema["additionalProperties"].is_object() && schema["maxProperties"].is_null(),
    };
    let mut found = Vec::from_iter(endless.then(|| path.to_owned()));
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        // The metadata's schema is the apiserver's, and so are the two names of the kind.
        if !(path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str())) {
            found.extend(unbounded(&format!("{path}.{name}"), property));
        }
    }
    for part in ["items", "additionalProperties"] {
        if schema[part].is_object() {
            found.extend(unbounded(&format!("{path}.{part}"), &schema[part]));
        }
    }
    found
}
