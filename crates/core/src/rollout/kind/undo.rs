//! What differs between the kinds in going back: what an execution says of its update, and the update that undoes it.

use ess_rollout_api::v1alpha1::{RollbackPayload, Update};
use ess_rollout_cloud::Execution;

use super::update_kind::{
    Before, CONTAINER_TEMPLATE, IMAGE_TEMPLATE, PACKAGE_TEMPLATE, SCRIPT_TEMPLATE, UpdateKind,
};
use super::{container_group, image, package, script};
use crate::task::problem::Problem;

/// The update that undoes the update of a kind: what `spec.to` says, else what the update itself says, else for images,
/// packages and containers what all instances had before.
pub(in crate::rollout) fn way_back(
    kind: &dyn UpdateKind,
    before: &Before<'_>,
    to: Option<&RollbackPayload>,
) -> Result<Update, Problem> {
    let none = RollbackPayload::default();
    let to = to.unwrap_or(&none);
    let given = [
        ("imageId", to.image_id.is_some()),
        ("script", to.script.is_some()),
        ("packageVersion", to.package_version.is_some()),
        ("containers", to.containers.is_some()),
    ];
    let own = kind.payload_field();
    match given.iter().find(|(field, given)| *given && *field != own) {
        Some((field, _)) => Err(Problem::refused(
            "PayloadMismatch",
            format!("spec.to.{field} does not fit: the update that is undone is of another kind"),
        )),
        None => kind.way_back(before, to),
    }
}

/// The update that an execution ran, with what it knows of the way back.
pub(in crate::rollout) fn of_execution(root: &Execution) -> Result<Update, Problem> {
    type Read = fn(&Execution) -> Result<Update, Problem>;
    let reads: [(&str, Read); 4] = [
        (IMAGE_TEMPLATE, image::undo::of_execution),
        (SCRIPT_TEMPLATE, script::undo::of_execution),
        (PACKAGE_TEMPLATE, package::undo::of_execution),
        (CONTAINER_TEMPLATE, container_group::undo::of_execution),
    ];
    let template = root.template_name.as_str();
    match reads.iter().find(|(name, _)| *name == template) {
        Some((_, read)) => read(root),
        None => Err(Problem::refused(
            "NotYetSupported",
            format!(
                "execution {} is of template {template}, which this version of the operator cannot roll back",
                root.id
            ),
        )),
    }
}
