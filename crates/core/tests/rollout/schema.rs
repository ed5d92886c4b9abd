//! Objects held against the bounds of the CRDs, as the apiserver would before it stores them.

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde::Serialize;
use serde_json::Value;

fn status_of(kind: &str) -> &'static JSONSchemaProps {
    static ALL: OnceLock<Vec<(String, JSONSchemaProps)>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        ess_rollout_api::crds::all()
            .into_iter()
            .map(|crd| {
                let schema = crd.spec.versions[0].schema.clone().unwrap();
                let mut root = schema.open_api_v3_schema.unwrap();
                let status = root.properties.as_mut().unwrap().remove("status").unwrap();
                (crd.spec.names.kind, status)
            })
            .collect()
    });
    &all.iter().find(|(name, _)| name == kind).unwrap().1
}

/// Panics, naming the path, where the status of a kind breaks a bound of its CRD.
pub fn check(kind: &str, status: &impl Serialize) {
    let value = serde_json::to_value(status).unwrap();
    if let Err(why) = conforms(status_of(kind), &value, "status") {
        panic!("the apiserver would refuse this {kind}: {why}");
    }
}

fn conforms(schema: &JSONSchemaProps, value: &Value, path: &str) -> Result<(), String> {
    if value.is_null() && schema.nullable == Some(true) {
        return Ok(());
    }
    if let Some(allowed) = &schema.enum_
        && !allowed.iter().any(|a| a.0 == *value)
    {
        return Err(format!("{path}: {value} is not one of the enum"));
    }
    match value {
        Value::String(text) => {
            let length = i64::try_from(text.chars().count()).unwrap();
            if schema.max_length.is_some_and(|max| length > max) {
                return Err(format!("{path} has {length} characters"));
            }
            if schema.min_length.is_some_and(|min| length < min) {
                return Err(format!("{path} is too short"));
            }
        }
        Value::Array(items) => {
            let length = i64::try_from(items.len()).unwrap();
            if schema.max_items.is_some_and(|max| length > max) {
                return Err(format!("{path} has {length} items"));
            }
            if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
                for (index, value) in items.iter().enumerate() {
                    conforms(item, value, &format!("{path}[{index}]"))?;
                }
            }
            if let Some(keys) = &schema.x_kubernetes_list_map_keys {
                let key = |v: &Value| keys.iter().map(|k| v[k].to_string()).collect::<String>();
                let mut seen: Vec<String> = items.iter().map(key).collect();
                seen.sort();
                let count = seen.len();
                seen.dedup();
                if seen.len() != count {
                    return Err(format!("{path} has two items with the same key"));
                }
            }
        }
        Value::Object(map) => {
            let known = schema.properties.as_ref();
            for name in schema.required.iter().flatten() {
                if !map.contains_key(name) {
                    return Err(format!("{path}.{name} is required"));
                }
            }
            for (name, value) in map {
                let path = format!("{path}.{name}");
                match (
                    known.and_then(|k| k.get(name)),
                    &schema.additional_properties,
                ) {
                    (Some(schema), _) => conforms(schema, value, &path)?,
                    (None, Some(JSONSchemaPropsOrBool::Schema(s))) => conforms(s, value, &path)?,
                    (None, _) => return Err(format!("{path} is not in the schema")),
                }
            }
        }
        _ => {}
    }
    Ok(())
}
