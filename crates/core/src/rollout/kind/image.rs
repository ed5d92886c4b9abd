//! `update.image`: the system disk replaced by one made from an image.

use ess_rollout_api::v1alpha1::{ImageUpdate, Plan, RollbackPayload, Update};
use ess_rollout_cloud::{EcsInstance, GroupType, Query, ScalingGroup};
use serde_json::{Map, Value, json};

use super::author::Author;
use super::update_kind::{self, Before, KindRow, UpdateKind};
use crate::task::observation::{Known, Missing, Observation};
use crate::task::problem::{self, Problem};
use crate::task::reason::Reason;

/// How many images that instances run are looked at: groups run one or two, and each is a call.
const REPLACED_MAX: usize = 8;

mod undo;

pub(super) static ROW: KindRow = KindRow {
    template: "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
    field: "image",
    payload_field: "imageId",
    made_of_payload: &["imageId"],
    of: |asked| {
        Some(Box::new(Image {
            update: asked.update.image.as_ref()?,
            max_errors: asked.max_errors,
            author: asked.author,
        }))
    },
    of_execution: undo::of_execution,
};

struct Image<'a> {
    update: &'a ImageUpdate,
    max_errors: i32,
    author: Author,
}

impl Image<'_> {
    /// The images that instances run now, as far as they still exist.
    fn replaced<'o>(
        &self,
        observation: &'o Observation,
        instances: &[EcsInstance],
    ) -> Known<Vec<&'o ess_rollout_cloud::Image>> {
        let images = instances.iter().map(|instance| instance.image.as_str());
        let mut images: Vec<&str> = images
            .filter(|id| !id.is_empty() && *id != self.update.image_id)
            .collect();
        images.sort_unstable();
        images.dedup();
        images.truncate(REPLACED_MAX);
        observation.require(images.iter().map(|id| Query::Image {
            image: (*id).to_owned(),
        }))?;
        let mut found = Vec::new();
        for id in images {
            // What cannot be read stops no update: it is a check more, not one that OOS makes.
            match observation.image(id) {
                Ok(image) => found.extend(image),
                Err(Missing::Failed(_)) => {}
                Err(read @ Missing::Read(_)) => return Err(read),
            }
        }
        Ok(found)
    }
}

impl UpdateKind for Image<'_> {
    fn row(&self) -> &'static KindRow {
        &ROW
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
        let found = observation.image(id)?.as_ref();
        let field = ROW.field_of(self.author, "imageId");
        let instead = format!("name another {}", self.author.anew());
        let region = "the group's region";
        let image = match problem::usable_image(found, &field, (id, region), &instead) {
            Ok(image) => image,
            Err(problem) => return Ok(Some(problem)),
        };
        // Another operating system is certain to end in dead instances.
        let other = instances
            .iter()
            .find(|instance| problem::differ(&instance.os_type, &image.os_type));
        if let Some(instance) = other {
            return Ok(Some(Problem::blocked(
                Reason::ImageOSMismatch,
                format!(
                    "{field}: image {id} is for {}, and instance {} runs {}",
                    image.os_type, instance.id, instance.os_type
                ),
            )));
        }
        // DescribeInstances does not tell the architecture; the image that an instance runs does.
        let old = self.replaced(observation, instances)?;
        let other = old
            .iter()
            .find(|old| problem::differ(&old.architecture, &image.architecture));
        Ok(other.map(|old| {
            let instance = instances.iter().find(|instance| instance.image == old.id);
            Problem::blocked(
                Reason::ImageArchitectureMismatch,
                format!(
                    "{field}: image {id} is for {}, and instance {} runs image {}, which is for {}",
                    image.architecture,
                    instance.map_or("?", |instance| &instance.id),
                    old.id,
                    old.architecture
                ),
            )
        }))
    }

    fn notes(
        &self,
        observation: &Observation,
        group: &ScalingGroup,
        ids: &[String],
    ) -> Known<Vec<String>> {
        let instances = update_kind::ecs(observation, ids)?;
        let mut notes = Vec::new();
        if self.update.update_scaling_configuration
            && let Some(template) = &group.launch_template
        {
            notes.push(format!(
                "new instances of the group come from launch template {template}, which is left alone: put the image into it, or they run another"
            ));
        }
        let size = match observation.image(&self.update.image_id)? {
            Some(image) => image.size_gib,
            None => 0,
        };
        let old = self.replaced(observation, instances)?;
        if old.iter().any(|old| old.size_gib < size) {
            notes.push(format!(
                "the image takes {size} GiB: smaller system disks grow to that size, which costs more"
            ));
        }
        Ok(notes)
    }

    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        undo::way_back(self.update, before, to)
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

    fn for_undoing(&self, parameters: &mut Map<String, Value>) {
        // The image in the scaling configuration goes back at the end, when the instances have.
        parameters.insert("scalingConfigurationId".into(), json!(""));
    }

    fn rollback_parameters(&self, _plan: &Plan) -> Map<String, Value> {
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

    fn what(&self, _plan: Option<&Plan>) -> String {
        self.update.image_id.clone()
    }
}
