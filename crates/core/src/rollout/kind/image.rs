//! `update.image`: the system disk replaced by one made from an image.

use ess_rollout_api::v1alpha1::{ImageUpdate, Plan};
use ess_rollout_cloud::{EcsInstance, GroupType, ImageStatus, Query, ScalingGroup};
use serde_json::{Map, Value, json};

use super::Kind;
use crate::observation::{Known, Observation};
use crate::problem::Problem;

pub(super) struct Image<'a> {
    pub(super) update: &'a ImageUpdate,
    pub(super) max_errors: i32,
}

impl Kind for Image<'_> {
    fn template(&self) -> &'static str {
        super::IMAGE_TEMPLATE
    }

    fn group_type(&self) -> GroupType {
        GroupType::Ecs
    }

    fn check_spec(&self) -> Option<Problem> {
        None
    }

    fn reads(&self) -> Vec<Query> {
        vec![Query::Image {
            image: self.update.image_id.clone(),
        }]
    }

    fn check_cloud(
        &self,
        observation: &Observation,
        _group: &ScalingGroup,
        instances: &[EcsInstance],
    ) -> Known<Option<Problem>> {
        let id = &self.update.image_id;
        let Some(image) = observation.image(id)? else {
            return Ok(Some(Problem::blocked(
                "ImageNotFound",
                format!(
                    "spec.update.image.imageId: image {id} does not exist in the group's region, or is not shared with this account; name another in a new task, or copy it to the region"
                ),
            )));
        };
        match &image.status {
            ImageStatus::Available | ImageStatus::Deprecated => {}
            ImageStatus::Creating | ImageStatus::Waiting => {
                return Ok(Some(Problem::wait(
                    "ImageNotAvailable",
                    format!(
                        "image {id} is {}; the update starts when it is Available",
                        image.status
                    ),
                )));
            }
            status => {
                return Ok(Some(Problem::blocked(
                    "ImageNotAvailable",
                    format!(
                        "spec.update.image.imageId: image {id} is {status}; only an Available image can be rolled out"
                    ),
                )));
            }
        }
        // A missing OS type says nothing; a different one is certain to end in dead instances.
        let other = instances.iter().find(|instance| {
            !image.os_type.is_empty()
                && !instance.os_type.is_empty()
                && !instance.os_type.eq_ignore_ascii_case(&image.os_type)
        });
        Ok(other.map(|instance| {
            Problem::blocked(
                "ImageOSMismatch",
                format!(
                    "spec.update.image.imageId: image {id} is for {}, and instance {} runs {}",
                    image.os_type, instance.id, instance.os_type
                ),
            )
        }))
    }

    fn parameters(&self, plan: &Plan) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("imageId".into(), json!(self.update.image_id));
        // For the way back: OOS keeps what the run was started with, whatever becomes of the task.
        let source = self
            .update
            .rollback_image_id
            .as_ref()
            .or(plan.source_image_id.as_ref());
        parameters.insert(
            "sourceImageId".into(),
            json!(source.map_or("", String::as_str)),
        );
        let configuration = plan
            .scaling_configuration_id
            .as_deref()
            .filter(|_| self.update.update_scaling_configuration);
        parameters.insert(
            "scalingConfigurationId".into(),
            json!(configuration.unwrap_or("")),
        );
        parameters.insert("maxErrors".into(), json!(self.max_errors));
        parameters
    }

    fn rollback_parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("sourceImageId".into(), json!(self.update.image_id));
        parameters.insert("maxErrors".into(), json!(self.max_errors));
        parameters
    }

    fn wanted_image(&self) -> Option<(&str, bool)> {
        Some((
            &self.update.image_id,
            self.update.update_scaling_configuration,
        ))
    }

    fn what(&self) -> String {
        self.update.image_id.clone()
    }
}
