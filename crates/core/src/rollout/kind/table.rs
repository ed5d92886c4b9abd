//! The kinds of update: the one place that tells them apart.

use ess_rollout_api::v1alpha1::{RollbackPayload, Update};
use ess_rollout_cloud::Execution;
use serde_json::Map;

use super::nothing::Nothing;
use super::update_kind::{Asked, Before, KindRow, UpdateKind};
use super::{container_group, image, package, script};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// A row for each kind.
static KINDS: &[&KindRow] = &[
    &image::ROW,
    &script::ROW,
    &package::ROW,
    &container_group::ROW,
];

/// The update that is asked for.
pub(super) fn bound<'a>(asked: &Asked<'a>) -> Box<dyn UpdateKind + 'a> {
    let mut kinds = KINDS.iter();
    let found = kinds.find_map(|kind| (kind.of)(asked));
    found.unwrap_or_else(|| Box::new(Nothing))
}

/// The update that undoes the update of a kind: what `spec.to` says, else what the update itself says, else for images,
/// packages and containers what all instances had before.
pub(in crate::rollout) fn way_back(
    kind: &dyn UpdateKind,
    before: &Before<'_>,
    to: Option<&RollbackPayload>,
) -> Result<Update, Problem> {
    let none = RollbackPayload::default();
    let to = to.unwrap_or(&none);
    let own = kind.row().payload_field;
    let given = serde_json::to_value(to).unwrap_or_default();
    let mut given = given.as_object().into_iter().flat_map(Map::keys);
    match given.find(|field| *field != own) {
        Some(field) => Err(Problem::refused(
            Reason::PayloadMismatch,
            format!("spec.to.{field} does not fit: the update that is undone is of another kind"),
        )),
        None => kind.way_back(before, to),
    }
}

/// The update that an execution ran, with what it knows of the way back.
pub(in crate::rollout) fn of_execution(root: &Execution) -> Result<Update, Problem> {
    let template = root.template_name.as_str();
    if let Some(kind) = KINDS.iter().find(|kind| kind.template == template) {
        return (kind.of_execution)(root);
    }
    let message = format!(
        "execution {} is of template {template}, which this version of the operator cannot roll back",
        root.id
    );
    Err(Problem::refused(Reason::NotYetSupported, message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ess_rollout_api::crds;

    use super::*;
    use crate::task::absence::ROLLING_TEMPLATES;

    /// The fields of a part of the spec of a kind of object.
    fn fields(object: &str, part: &str) -> BTreeSet<String> {
        let crd = crds::all()
            .into_iter()
            .find(|crd| crd.spec.names.kind == object)
            .unwrap();
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let spec = &schema["openAPIV3Schema"]["properties"]["spec"]["properties"];
        let fields = spec[part]["properties"].as_object().unwrap();
        fields.keys().cloned().collect()
    }

    fn each(of: impl Fn(&KindRow) -> &str) -> BTreeSet<String> {
        KINDS.iter().map(|kind| of(kind).to_owned()).collect()
    }

    #[test]
    fn each_kind_of_the_api_has_its_row() {
        assert_eq!(
            each(|kind| kind.field),
            fields("RollingUpdateTask", "update")
        );
        assert_eq!(each(|kind| kind.payload_field), fields("Rollback", "to"));
    }

    /// Executions are looked for by this part of the name of their template.
    #[test]
    fn each_kind_has_a_rolling_template_of_its_own() {
        let templates = each(|kind| kind.template);
        assert_eq!(templates.len(), KINDS.len());
        assert!(templates.iter().all(|t| t.starts_with(ROLLING_TEMPLATES)));
    }
}
