//! Going back to an image.

use ess_rollout_api::v1alpha1::{ImageUpdate, RollbackPayload, Update};
use ess_rollout_cloud::Execution;

use crate::rollout::kind::update_kind::{Before, missing};
use crate::rollout::parameters::text;
use crate::task::problem::Problem;

pub(super) fn way_back(
    update: &ImageUpdate,
    before: &Before<'_>,
    to: &RollbackPayload,
) -> Result<Update, Problem> {
    let target = to
        .image_id
        .as_ref()
        .or(update.rollback_image_id.as_ref())
        .or(before.plan.source_image_id.as_ref());
    let target = target.ok_or_else(|| {
        missing("the instances ran different images before: name the one to go back to by spec.to.imageId in a new rollback")
    })?;
    Ok(Update {
        image: Some(ImageUpdate {
            image_id: target.clone(),
            rollback_image_id: Some(update.image_id.clone()),
            update_scaling_configuration: update.update_scaling_configuration,
        }),
        ..Update::default()
    })
}

pub(in crate::rollout::kind) fn of_execution(root: &Execution) -> Result<Update, Problem> {
    Ok(Update {
        image: Some(ImageUpdate {
            image_id: text(root, "imageId").unwrap_or_default().to_owned(),
            rollback_image_id: text(root, "sourceImageId").map(str::to_owned),
            update_scaling_configuration: text(root, "scalingConfigurationId").is_some(),
        }),
        ..Update::default()
    })
}
