//! Which fields of a spec may change.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;

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
