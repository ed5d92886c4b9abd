//! Validation rules that several kinds share.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, ValidationRule,
};
use kube_core::{Message, Rule};

/// Which fields of a spec may change once its object is there. Every other field is immutable: its rule is made from the
/// schema, so that a field that nobody thought of here has one.
pub(crate) struct Immutability {
    /// The fields that may change, by their names in JSON.
    pub(crate) mutable: &'static [&'static str],
    /// What to do instead of changing another: a refusal ends with it.
    pub(crate) cure: &'static str,
    /// The same of certain fields.
    pub(crate) cures: &'static [(&'static str, &'static str)],
}

impl Immutability {
    /// What to do instead of changing a field; `None`: it may be changed.
    pub(crate) fn cure_for(&self, field: &str) -> Option<&'static str> {
        if self.mutable.contains(&field) {
            return None;
        }
        let own = self.cures.iter().find(|(name, _)| *name == field);
        Some(own.map_or(self.cure, |(_, cure)| cure))
    }

    /// The rules of a spec with this schema, in the order of the fields' names.
    pub(crate) fn rules(&self, spec: &JSONSchemaProps) -> Vec<ValidationRule> {
        let fields = spec.properties.iter().flatten();
        let immutable = fields.filter(|(field, _)| !self.mutable.contains(&field.as_str()));
        let rules = immutable.map(|(field, schema)| {
            let mut required = spec.required.iter().flatten();
            let always_has_value = schema.default.is_some() || required.any(|name| name == field);
            let same = format!("self.{field} == oldSelf.{field}");
            // CEL fails on a field that is missing. One that may be is neither set, changed nor taken away.
            let rule = match always_has_value {
                true => same,
                false => format!(
                    "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
                ),
            };
            let cure = self.cure_for(field).unwrap_or(self.cure);
            ValidationRule {
                rule,
                message: Some(format!("spec.{field} is immutable: {cure}")),
                ..ValidationRule::default()
            }
        });
        rules.collect()
    }
}

/// A date-time that may be missing and is of a year that every reader of dates knows.
pub(super) fn dated(field: &str) -> Rule {
    Rule::new(format!(
        "!has(self.{field}) || timestamp(self.{field}) < timestamp('9000-01-01T00:00:00Z')"
    ))
    .message(Message::Message(format!(
        "spec.schedule.{field} must be before the year 9000"
    )))
}
