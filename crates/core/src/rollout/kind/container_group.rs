//! `update.containerGroup`: the containers of elastic container instances exchanged in place.

use ess_rollout_api::v1alpha1::{ContainerUpdateType, Plan, RollbackPayload, Update};
use ess_rollout_cloud::{GroupType, Query, ScalingInstance};
use serde_json::{Map, Value, json};

use self::update::{ContainerGroups, power};
use super::content::{ConfigurationContent, ContentKind};
use super::update_kind::{Before, Eligible, KindRow, UpdateKind};
use crate::rollout::compute::{Compute, Power};
use crate::rollout::containers;
use crate::task::conditions::shorten;
use crate::task::observation::{Known, Observation};
use crate::task::problem::Problem;

/// Bound of `current.what` of a record, in characters.
const WHAT_MAX: usize = 200;

mod check;
mod undo;
mod update;

pub(super) static ROW: KindRow = KindRow {
    template: "ACS-ESS-RollingUpdateByUpdateContainerGroup",
    field: "containerGroup",
    payload_field: "containers",
    made_of_payload: &["containers", "rollbackContainers"],
    of: |asked| {
        Some(Box::new(ContainerGroups {
            update: asked.update.container_group.as_ref()?,
            author: asked.author,
        }))
    },
    of_execution: undo::of_execution,
};

impl UpdateKind for ContainerGroups<'_> {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn group_type(&self) -> GroupType {
        GroupType::Eci
    }

    fn check_spec(&self) -> Option<Problem> {
        let back = containers::of_specs(&self.update.rollback_containers);
        self.check_containers("containers", &self.given())
            .or_else(|| self.check_containers("rollbackContainers", &back))
    }

    fn check_cloud(&self, eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        self.check(eligible)
    }

    fn notes(&self, eligible: &Eligible<'_>) -> Known<Vec<String>> {
        if !self.update.rollback_containers.is_empty() {
            return Ok(Vec::new());
        }
        let dropped = self.undone_by(eligible.observation, eligible.ids)?.err();
        Ok(dropped.into_iter().collect())
    }

    fn complete(&self, observation: &Observation, plan: &mut Plan) -> Known<()> {
        let ids: Vec<String> = plan.members.iter().map(|m| m.id.clone()).collect();
        plan.source_container_group = self.undone_by(observation, &ids)?.ok().flatten();
        Ok(())
    }

    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        undo::way_back(self.update, before, to)
    }

    fn parameters(&self, plan: &Plan) -> Map<String, Value> {
        let mut parameters = self.shared_parameters(plan);
        parameters.insert("containerConfigure".into(), json!(self.given()));
        // For the way back: OOS keeps what the run was started with, whatever becomes of the task.
        let given = &self.update.rollback_containers;
        let back = match &plan.source_container_group {
            Some(way) if given.is_empty() => &way.containers,
            _ => given,
        };
        if !back.is_empty() {
            let back = containers::of_specs(back);
            parameters.insert("sourceContainerConfigure".into(), json!(back));
        }
        parameters
    }

    fn undeclared(&self) -> &'static [&'static str] {
        &["lifecycleState"]
    }

    fn rollback_parameters(&self, plan: &Plan) -> Map<String, Value> {
        let mut parameters = self.shared_parameters(plan);
        parameters.insert("sourceContainerConfigure".into(), json!(self.given()));
        // The template does not look at it then, and does not start without it.
        let declared = match &self.update.rollback_containers[..] {
            [] => self.given(),
            undone => containers::of_specs(undone),
        };
        parameters.insert("containerConfigure".into(), json!(declared));
        parameters
    }

    fn template_cannot_undo(
        &self,
        observation: &Observation,
        children: &[&str],
        members: &[ScalingInstance],
    ) -> Known<Option<String>> {
        undo::template_cannot(observation, children, members)
    }

    fn content_kind(&self) -> ContentKind {
        ContentKind::Containers
    }

    fn brings(&self) -> Option<ConfigurationContent> {
        Some(ConfigurationContent::Containers(self.given()))
    }

    fn configured(&self, before: Option<&ConfigurationContent>) -> Option<ConfigurationContent> {
        let update = containers::update_type(self.update.update_type);
        let before = match self.update.update_type {
            ContainerUpdateType::Renew => &[],
            ContainerUpdateType::Incremental => before?.containers(),
        };
        let after = containers::after(update, before, &self.given());
        Some(ConfigurationContent::Containers(after))
    }

    fn undoes(&self) -> Option<ConfigurationContent> {
        let undone = containers::of_specs(&self.update.rollback_containers);
        (!undone.is_empty()).then_some(ConfigurationContent::Containers(undone))
    }

    fn takes(&self, _creation_type: &str) -> bool {
        // The template lists all of them.
        true
    }

    fn noun(&self) -> &'static str {
        "container group"
    }

    fn compute_query(&self, ids: &[String]) -> Query {
        Query::ContainerGroups {
            groups: ids.to_vec(),
        }
    }

    fn compute(&self, observation: &Observation, ids: &[String]) -> Known<Vec<Compute>> {
        let groups = observation.container_groups(ids)?;
        let computes = groups.iter().map(|group| Compute {
            id: group.id.clone(),
            power: power(group),
            image: None,
            containers: group.containers.clone(),
        });
        Ok(computes.collect())
    }

    fn difference(&self, compute: &Compute) -> Option<String> {
        if let Power::Broken(status) = &compute.power {
            return Some(format!("{} is {status}", compute.id));
        }
        let (id, all) = (&compute.id, self.given());
        for wanted in &all {
            let (name, mut found) = (&wanted.name, compute.containers.iter());
            let Some(found) = found.find(|c| c.container.name == *name) else {
                return Some(format!("{id} has no container {name}"));
            };
            let image = found.container.text("Image");
            match containers::differing(&found.container, wanted).first() {
                None => {}
                Some(&"Image") => {
                    return Some(format!("container {name} of {id} runs image {image}"));
                }
                Some(field) => return Some(format!("{field} of container {name} of {id} differs")),
            }
        }
        let mut found = compute.containers.iter().map(|c| &c.container.name);
        let extra = found.find(|name| containers::named(&all, name).is_none());
        if let Some(extra) = extra.filter(|_| self.renews()) {
            return Some(format!("{id} still has container {extra}"));
        }
        let unready = compute.containers.iter().find(|c| !c.ready)?;
        Some(format!(
            "container {} of {id} is not ready ({})",
            unready.container.name, unready.state
        ))
    }

    fn is_seen_in_compute(&self) -> bool {
        true
    }

    fn what(&self, _plan: Option<&Plan>) -> String {
        let given = self.given();
        let images = given.iter().map(|c| (&c.name, c.text("Image")));
        let images = images.filter(|(_, image)| !image.is_empty());
        let images: Vec<String> = images
            .map(|(name, image)| format!("{name}={image}"))
            .collect();
        match images.is_empty() {
            true => containers::short(&given),
            false => shorten(&images.join(" "), WHAT_MAX),
        }
    }
}
