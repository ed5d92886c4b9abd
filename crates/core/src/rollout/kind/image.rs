//! `update.image`: the system disk replaced by one made from an image.

use std::collections::BTreeSet;
use std::time::Duration;

use ess_rollout_api::v1alpha1::{ImageUpdate, Plan, RollbackPayload, Update};
use ess_rollout_cloud::{EcsInstance, Execution, Query};
use serde_json::{Map, Value, json};

use super::content::ConfigurationContent;
use super::update_kind::{
    Author, Before, Eligible, KindRow, UpdateKind, blocked, if_read, missing, parameters,
};
use crate::eta;
use crate::rollout::compute::Compute;
use crate::rollout::parameters::text;
use crate::task::observation::{Known, Observation};
use crate::task::problem::{self, Problem};
use crate::task::reason::Reason;

/// How many images that instances run are looked at: groups run one or two, and each is a call.
const REPLACED_MAX: usize = 8;

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
    of_execution,
};

struct Image<'a> {
    update: &'a ImageUpdate,
    max_errors: i32,
    author: Author,
}

impl Image<'_> {
    /// The image to go back to, if all instances ran the same before or the update names one.
    fn source<'s>(&'s self, plan: &'s Plan) -> Option<&'s String> {
        let named = self.update.rollback_image_id.as_ref();
        named.or(plan.source_image_id.as_ref())
    }

    /// The images that instances run now, as far as they still exist.
    fn replaced<'o>(
        &self,
        observation: &'o Observation,
        instances: &[EcsInstance],
    ) -> Known<Vec<&'o ess_rollout_cloud::Image>> {
        let images = instances.iter().map(|instance| instance.image.as_str());
        let others = images.filter(|id| !id.is_empty() && *id != self.update.image_id);
        let others: BTreeSet<&str> = others.collect();
        let images: Vec<&str> = others.into_iter().take(REPLACED_MAX).collect();
        observation.require(images.iter().map(|id| query(id)))?;
        let mut found = Vec::new();
        for id in images {
            // What cannot be read stops no update: it is a check more, not one that OOS makes.
            found.extend(if_read(observation.image(id))?.and_then(Option::as_ref));
        }
        Ok(found)
    }
}

fn query(image: &str) -> Query {
    Query::Image {
        image: image.to_owned(),
    }
}

impl UpdateKind for Image<'_> {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn batch_minimum(&self) -> Duration {
        eta::IMAGE_MINIMUM
    }

    fn reads(&self) -> Vec<Query> {
        vec![query(&self.update.image_id)]
    }

    fn check_cloud(&self, eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        let (observation, instances) = (eligible.observation, eligible.instances()?);
        let id = &self.update.image_id;
        let found = observation.image(id)?.as_ref();
        let field = ROW.field_of(self.author, "imageId");
        let instead = match self.author {
            Author::OfTask => "name another in a new task",
            Author::OfRollback => "name another in a new rollback",
        };
        let region = "the group's region";
        let image = match problem::usable_image(found, &field, (id, region), instead) {
            Ok(image) => image,
            Err(problem) => return Ok(Some(problem)),
        };
        // Another operating system is certain to end in dead instances.
        let differs = |i: &&EcsInstance| problem::differ(&i.os_type, &image.os_type);
        if let Some(instance) = instances.iter().find(differs) {
            let message = format!(
                "{field}: image {id} is for {}, and instance {} runs {}",
                image.os_type, instance.id, instance.os_type
            );
            return blocked(Reason::ImageOSMismatch, message);
        }
        // DescribeInstances does not tell the architecture; the image that an instance runs does.
        let mut old = self.replaced(observation, instances)?.into_iter();
        let other = old.find(|old| problem::differ(&old.architecture, &image.architecture));
        let Some(old) = other else {
            return Ok(None);
        };
        let instance = instances.iter().find(|instance| instance.image == old.id);
        let message = format!(
            "{field}: image {id} is for {}, and instance {} runs image {}, which is for {}",
            image.architecture,
            instance.map_or("?", |instance| &instance.id),
            old.id,
            old.architecture
        );
        blocked(Reason::ImageArchitectureMismatch, message)
    }

    fn notes(&self, eligible: &Eligible<'_>) -> Known<Vec<String>> {
        let (observation, instances) = (eligible.observation, eligible.instances()?);
        let mut notes = Vec::new();
        if self.update.update_scaling_configuration
            && let Some(template) = &eligible.group.launch_template
        {
            notes.push(format!(
                "new instances of the group come from launch template {template}, which is left alone: put the image into it, or they run another"
            ));
        }
        let image = observation.image(&self.update.image_id)?.as_ref();
        let size = image.map_or(0, |image| image.size_gib);
        let old = self.replaced(observation, instances)?;
        if old.iter().any(|old| old.size_gib < size) {
            notes.push(format!(
                "the image takes {size} GiB: smaller system disks grow to that size, which costs more"
            ));
        }
        Ok(notes)
    }

    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        let target = to.image_id.as_ref().or(self.source(before.plan));
        let target = target.ok_or_else(|| {
            missing("the instances ran different images before: name the one to go back to by spec.to.imageId in a new rollback")
        })?;
        Ok(Update {
            image: Some(ImageUpdate {
                image_id: target.clone(),
                rollback_image_id: Some(self.update.image_id.clone()),
                update_scaling_configuration: self.update.update_scaling_configuration,
            }),
            ..Update::default()
        })
    }

    fn parameters(&self, plan: &Plan) -> Map<String, Value> {
        let configuration = plan.scaling_configuration_id.as_deref();
        let configuration = configuration.filter(|_| self.update.update_scaling_configuration);
        // For the way back: OOS keeps what the run was started with, whatever becomes of the task.
        let source = self.source(plan).map_or("", String::as_str);
        parameters([
            ("imageId", json!(self.update.image_id)),
            ("sourceImageId", json!(source)),
            ("scalingConfigurationId", json!(configuration.unwrap_or(""))),
            ("maxErrors", json!(self.max_errors)),
        ])
    }

    fn for_undoing(&self, parameters: &mut Map<String, Value>) {
        // The image in the scaling configuration goes back at the end, when the instances have.
        parameters.insert("scalingConfigurationId".into(), json!(""));
    }

    fn rollback_parameters(&self, _plan: &Plan) -> Map<String, Value> {
        parameters([
            ("sourceImageId", json!(self.update.image_id)),
            ("maxErrors", json!(self.max_errors)),
        ])
    }

    fn brings(&self) -> Option<ConfigurationContent> {
        let configured = self.update.update_scaling_configuration;
        configured.then(|| ConfigurationContent::Image(self.update.image_id.clone()))
    }

    fn difference(&self, compute: &Compute) -> Option<String> {
        let image = compute.image.as_ref()?;
        let differs = *image != self.update.image_id;
        differs.then(|| format!("{} runs image {image}", compute.id))
    }

    fn is_seen_in_compute(&self) -> bool {
        true
    }

    fn what(&self, _plan: Option<&Plan>) -> String {
        self.update.image_id.clone()
    }
}

fn of_execution(root: &Execution) -> Result<Update, Problem> {
    Ok(Update {
        image: Some(ImageUpdate {
            image_id: text(root, "imageId").unwrap_or_default().to_owned(),
            rollback_image_id: text(root, "sourceImageId").map(str::to_owned),
            update_scaling_configuration: text(root, "scalingConfigurationId").is_some(),
        }),
        ..Update::default()
    })
}
