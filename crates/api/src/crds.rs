//! The CRDs as they are installed: derived from the types, completed with what the derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};
use kube_core::CustomResourceExt;
use serde_json::json;

use crate::v1alpha1::rules::Immutability;
use crate::v1alpha1::{
    ImageUpdateTask, MaintenanceWindow, Rollback, RollingUpdateTask, RunPolicy, ScalingGroupRecord,
    image_update, maintenance_window,
};

/// All CRDs, in the order in which they are printed.
pub fn all() -> Vec<CustomResourceDefinition> {
    let written_by_people = people().map(|(crd, immutability)| complete(crd, Some(&immutability)));
    let mut all = Vec::from(written_by_people);
    all.push(complete(ScalingGroupRecord::crd(), None));
    all
}

/// Those of what people write, and which fields of the specs stay as they are.
fn people() -> [(CustomResourceDefinition, Immutability); 4] {
    let [task, rollback, image_update, window] =
        immutabilities().map(|(_, immutability)| immutability);
    [
        (RollingUpdateTask::crd(), task),
        (Rollback::crd(), rollback),
        (ImageUpdateTask::crd(), image_update),
        (MaintenanceWindow::crd(), window),
    ]
}

/// Which fields of the specs stay as they are, by the names of the kinds.
fn immutabilities() -> [(&'static str, Immutability); 4] {
    [
        (
            "RollingUpdateTask",
            RunPolicy::immutability("create a new task"),
        ),
        ("Rollback", RunPolicy::immutability("create a new rollback")),
        ("ImageUpdateTask", image_update::IMMUTABILITY),
        ("MaintenanceWindow", maintenance_window::IMMUTABILITY),
    ]
}

/// What to do instead of changing a field of the spec of an object that is there, by the names of the kind and of the field in
/// JSON; `None`: it may be changed, or there is no such kind.
pub fn immutable(kind: &str, field: &str) -> Option<&'static str> {
    let mut known = immutabilities().into_iter();
    let (_, immutability) = known.find(|(name, _)| *name == kind)?;
    immutability.cure_for(field)
}

/// One CRD as YAML.
///
/// # Errors
/// When the CRD cannot be serialized, which no derived one does.
pub fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(crd)
}

/// Bounds that `Condition` of meta/v1 does not carry in its own schema (they are in its
/// documentation), and of what people write the immutable fields and the default status: kstatus takes an object without any
/// status as done. `None`: the operator writes it, and its spec says itself that it does not change.
fn complete(
    mut crd: CustomResourceDefinition,
    immutability: Option<&Immutability>,
) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(root) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        bound_conditions(root);
        // Stands here because kube's derive for rules on the root needs the `kube` crate in scope.
        root.x_kubernetes_validations = Some(vec![ValidationRule {
            rule: "size(self.metadata.name) <= 200".into(),
            message: Some(
                "metadata.name must be at most 200 characters, so that Events can be named after it"
                    .into(),
            ),
            ..ValidationRule::default()
        }]);
        let (Some(immutability), Some(parts)) = (immutability, root.properties.as_mut()) else {
            continue;
        };
        if let Some(spec) = parts.get_mut("spec") {
            let immutable = immutability.rules(spec);
            let rules = spec.x_kubernetes_validations.get_or_insert_default();
            rules.extend(immutable);
        }
        if let Some(status) = parts.get_mut("status") {
            status.default = serde_json::from_value(json!({"observedGeneration": -1})).ok();
        }
    }
    crd
}

fn bound_conditions(schema: &mut JSONSchemaProps) {
    if let Some(properties) = schema.properties.as_mut() {
        if properties.contains_key("lastTransitionTime") {
            for (name, max) in [
                ("type", 316),
                ("status", 16),
                ("reason", 1024),
                ("message", 32768),
            ] {
                if let Some(property) = properties.get_mut(name) {
                    property.max_length.get_or_insert(max);
                }
            }
        }
        properties.values_mut().for_each(bound_conditions);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        bound_conditions(items);
    }
}

#[cfg(test)]
#[path = "crds_tests.rs"]
mod tests;
