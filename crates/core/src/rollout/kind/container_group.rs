//! `update.containerGroup`: the containers of elastic container instances exchanged in place.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{
    ContainerGroupUpdate, ContainerUpdateType, Plan, RollbackPayload, Update,
};
use ess_rollout_cloud::{
    Container, ContainerGroup, ContainerGroupStatus, GroupType, Query, ScalingGroup,
    ScalingInstance,
};
use serde_json::{Map, Value, json};

use super::{Before, Kind};
use crate::conditions::shorten;
use crate::observation::{Known, Observation};
use crate::problem::Problem;
use crate::rollout::compute::{Compute, Power};
use crate::rollout::configuration::Carries;
use crate::rollout::containers;

/// The most bytes of containers as JSON: what is changed goes on record, where there is no more room.
const CONTAINERS_MAX: usize = 64 * 1024;
/// Bound of `current.what` of a record, in characters.
const WHAT_MAX: usize = 200;

pub(super) mod undo;

pub(super) struct ContainerGroups<'a> {
    pub(super) update: &'a ContainerGroupUpdate,
}

impl ContainerGroups<'_> {
    fn given(&self) -> Vec<Container> {
        containers::of_specs(&self.update.containers)
    }

    fn shared_parameters(&self, plan: &Plan) -> Map<String, Value> {
        let update_type = containers::update_type(self.update.update_type);
        let configuration = plan.scaling_configuration_id.as_deref();
        let mut parameters = Map::new();
        parameters.insert("updateType".into(), json!(update_type.as_str()));
        parameters.insert(
            "scalingConfigurationId".into(),
            json!(configuration.unwrap_or("")),
        );
        parameters
    }

    /// Containers of a spec, before anything is read.
    fn check_containers(&self, field: &str, given: &[Container]) -> Option<Problem> {
        let path = format!("spec.update.containerGroup.{field}");
        let invalid = |message: String| Some(Problem::blocked("InvalidSpec", message));
        let mut names = BTreeSet::new();
        for container in given {
            let name = &container.name;
            if !names.insert(name) {
                return invalid(format!("{path} names container {name} twice"));
            }
            let renew = self.update.update_type == ContainerUpdateType::Renew;
            if renew && container.text("Image").is_empty() {
                return invalid(format!(
                    "{path}: container {name} has no image, and with updateType Renew what is not given goes: give its image"
                ));
            }
            if container.fields.is_empty() {
                return invalid(format!(
                    "{path}: container {name} has nothing but its name: say what to change, or leave it out"
                ));
            }
        }
        let text = containers::write(given);
        if text.contains("{{") {
            return Some(Problem::blocked(
                "ContainersAmbiguous",
                format!(
                    "{path} contains {{{{, which OOS would read as a reference to a template parameter: leave it out"
                ),
            ));
        }
        too_large(&path, &text)
    }

    /// What a container has and an update cannot say, which `Renew` would remove.
    fn lost(&self, place: &str, found: &[Container]) -> Option<Problem> {
        let renewed = found
            .iter()
            .filter(|found| self.update.containers.iter().any(|c| c.name == found.name));
        let mut fields = renewed.flat_map(|found| found.fields.keys().map(move |f| (found, f)));
        let (container, field) =
            fields.find(|(_, field)| !containers::IN_SPEC.contains(&field.as_str()))?;
        Some(Problem::blocked(
            "RenewRemovesFields",
            format!(
                "container {} of {place} has {field}, which update.containerGroup cannot give and updateType Renew would remove: use updateType Incremental",
                container.name
            ),
        ))
    }

    fn check_configuration(
        &self,
        observation: &Observation,
        group: &ScalingGroup,
    ) -> Known<Option<Problem>> {
        let missing = |message: String| {
            Ok(Some(Problem::blocked(
                "ScalingConfigurationNotFound",
                format!(
                    "{message}, and the public template needs one: activate a scaling configuration of the group"
                ),
            )))
        };
        let Some(id) = &group.active_scaling_configuration else {
            return missing(format!(
                "scaling group {} has no active scaling configuration",
                group.id
            ));
        };
        let Some(found) = observation.eci_scaling_configuration(id)? else {
            return missing(format!("scaling configuration {id} does not exist"));
        };
        let place = format!("scaling configuration {id}");
        let problem = too_large(&place, &containers::write(&found.containers));
        Ok(problem.or_else(|| self.check_found(&place, &found.containers)))
    }

    /// Whether the update fits what is there.
    fn check_found(&self, place: &str, found: &[Container]) -> Option<Problem> {
        if self.update.update_type == ContainerUpdateType::Renew {
            return self.lost(place, found);
        }
        let given = &self.update.containers;
        let absent = given
            .iter()
            .find(|c| containers::named(found, &c.name).is_none())?;
        let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
        Some(Problem::blocked(
            "ContainerNotFound",
            format!(
                "spec.update.containerGroup.containers: {place} has no container {}, it has {}: with updateType Incremental containers that are there are changed; use Renew to add one",
                absent.name,
                names.join(", ")
            ),
        ))
    }

    fn check_group(&self, group: &ContainerGroup) -> Option<Problem> {
        let place = format!("container group {}", group.id);
        match &group.status {
            ContainerGroupStatus::Running | ContainerGroupStatus::Pending => {}
            ContainerGroupStatus::Scheduling
            | ContainerGroupStatus::Restarting
            | ContainerGroupStatus::Updating => {
                return Some(Problem::wait(
                    "ContainerGroupNotRunning",
                    format!(
                        "{place} is {}; this task starts when it is Running",
                        group.status
                    ),
                ));
            }
            status => {
                return Some(Problem::blocked(
                    "ContainerGroupNotRunning",
                    format!(
                        "{place} is {status}, and ECI updates only those that are Pending or Running: remove it from the scaling group, so that a new one takes its place"
                    ),
                ));
            }
        }
        self.check_found(&place, &specs(group))
    }
}

fn specs(group: &ContainerGroup) -> Vec<Container> {
    let containers = group.containers.iter();
    containers.map(|c| c.container.clone()).collect()
}

fn too_large(place: &str, text: &str) -> Option<Problem> {
    (text.len() > CONTAINERS_MAX).then(|| {
        Problem::blocked(
            "ContainersTooLarge",
            format!(
                "the containers of {place} are {} bytes of JSON, and no more than {CONTAINERS_MAX} can be kept on record to be put back: shorten their variables",
                text.len()
            ),
        )
    })
}

impl Kind for ContainerGroups<'_> {
    fn template(&self) -> &'static str {
        super::CONTAINER_TEMPLATE
    }

    fn group_type(&self) -> GroupType {
        GroupType::Eci
    }

    fn check_spec(&self) -> Option<Problem> {
        let back = containers::of_specs(&self.update.rollback_containers);
        self.check_containers("containers", &self.given())
            .or_else(|| self.check_containers("rollbackContainers", &back))
    }

    fn reads(&self) -> Vec<Query> {
        Vec::new()
    }

    fn check_members(
        &self,
        observation: &Observation,
        group: &ScalingGroup,
        ids: &[String],
    ) -> Known<Option<Problem>> {
        if let Some(problem) = self.check_configuration(observation, group)? {
            return Ok(Some(problem));
        }
        if ids.is_empty() {
            return Ok(None);
        }
        let found = observation.container_groups(ids)?;
        let gone = ids.iter().find(|id| found.iter().all(|g| g.id != **id));
        if let Some(gone) = gone {
            return Ok(Some(Problem::blocked(
                "ContainerGroupNotFound",
                format!(
                    "container group {gone} does not exist any more, and its update would fail: remove it from the scaling group"
                ),
            )));
        }
        Ok(found.iter().find_map(|group| self.check_group(group)))
    }

    fn complete(&self, observation: &Observation, plan: &mut Plan) -> Known<()> {
        let ids: Vec<String> = plan.members.iter().map(|m| m.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = observation.container_groups(&ids)?;
        let mut ways = found
            .iter()
            .map(|group| containers::way_back(self.update, &specs(group)));
        let first = ways.next().flatten();
        plan.source_container_group = first
            .filter(|first| ways.all(|way| way.as_ref() == Some(first)))
            .filter(|way| {
                containers::write(&containers::of_specs(&way.containers)).len() <= CONTAINERS_MAX
            });
        Ok(())
    }

    fn payload_field(&self) -> &'static str {
        "containers"
    }

    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        undo::way_back(self.update, before, to)
    }

    fn parameters(&self, plan: &Plan) -> Map<String, Value> {
        let mut parameters = self.shared_parameters(plan);
        parameters.insert("containerConfigure".into(), json!(self.given()));
        // For the way back: OOS keeps what the run was started with, whatever becomes of the task.
        let back = match (
            &self.update.rollback_containers[..],
            &plan.source_container_group,
        ) {
            ([], Some(way)) => &way.containers[..],
            (given, _) => given,
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
        let undone = containers::of_specs(&self.update.rollback_containers);
        let declared = if undone.is_empty() {
            self.given()
        } else {
            undone
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
        let mut seen = BTreeSet::new();
        if let Some(twice) = children.iter().find(|id| !seen.insert(**id)) {
            return Ok(Some(format!(
                "{twice} was tried more than once, and the public template's rollback would update it as often, at the same time"
            )));
        }
        let gone = |id: &&&str| members.iter().all(|member| member.id != ***id);
        if let Some(gone) = seen.iter().find(|id| gone(id)) {
            return Ok(Some(format!(
                "{gone} has left the group, and the public template's rollback would fail at it"
            )));
        }
        let ids: Vec<String> = seen.iter().map(|id| (*id).to_owned()).collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let found = observation.container_groups(&ids)?;
        let broken = ids.iter().find(|id| {
            let group = found.iter().find(|group| group.id == **id);
            group.is_none_or(|group| matches!(power(group), Power::Broken(_)))
        });
        Ok(broken.map(|id| {
            format!("container group {id} can be updated no more, and the public template's rollback would fail at it")
        }))
    }

    fn carries(&self) -> Carries {
        Carries::Containers
    }

    fn brings(&self) -> Option<String> {
        Some(containers::write(&self.given()))
    }

    fn configured(&self, before: Option<&str>) -> Option<String> {
        let update = containers::update_type(self.update.update_type);
        let before = match self.update.update_type {
            ContainerUpdateType::Renew => Vec::new(),
            ContainerUpdateType::Incremental => containers::read(before?),
        };
        let after = containers::after(update, &before, &self.given());
        Some(containers::write(&after))
    }

    fn undoes(&self) -> Option<String> {
        let undone = containers::of_specs(&self.update.rollback_containers);
        (!undone.is_empty()).then(|| containers::write(&undone))
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
        Ok(groups
            .iter()
            .map(|group| Compute {
                id: group.id.clone(),
                power: power(group),
                image: None,
                containers: group.containers.clone(),
            })
            .collect())
    }

    fn difference(&self, compute: &Compute) -> Option<String> {
        if let Power::Broken(status) = &compute.power {
            return Some(format!("{} is {status}", compute.id));
        }
        let id = &compute.id;
        for wanted in self.given() {
            let mut found = compute.containers.iter();
            let Some(found) = found.find(|c| c.container.name == wanted.name) else {
                return Some(format!("{id} has no container {}", wanted.name));
            };
            let differing = containers::differing(&found.container, &wanted);
            if let Some(field) = differing.first() {
                return Some(match *field {
                    "Image" => format!(
                        "container {} of {id} runs image {}",
                        wanted.name,
                        found.container.text("Image")
                    ),
                    field => format!("{field} of container {} of {id} differs", wanted.name),
                });
            }
        }
        let wanted = |name: &str| self.update.containers.iter().any(|c| c.name == name);
        let renew = self.update.update_type == ContainerUpdateType::Renew;
        let mut found = compute.containers.iter();
        if let Some(extra) = found.find(|c| renew && !wanted(&c.container.name)) {
            return Some(format!("{id} still has container {}", extra.container.name));
        }
        let unready = compute.containers.iter().find(|c| !c.ready)?;
        Some(format!(
            "container {} of {id} is not ready ({})",
            unready.container.name, unready.state
        ))
    }

    fn what(&self, _plan: Option<&Plan>) -> String {
        let given = self.given();
        let images: Vec<String> = given
            .iter()
            .filter(|c| !c.text("Image").is_empty())
            .map(|c| format!("{}={}", c.name, c.text("Image")))
            .collect();
        if images.is_empty() {
            containers::short(&given)
        } else {
            shorten(&images.join(" "), WHAT_MAX)
        }
    }
}

/// A group that runs serves once its containers are ready.
fn power(group: &ContainerGroup) -> Power {
    match &group.status {
        ContainerGroupStatus::Running if group.containers.iter().all(|c| c.ready) => Power::Running,
        ContainerGroupStatus::Running
        | ContainerGroupStatus::Scheduling
        | ContainerGroupStatus::Pending
        | ContainerGroupStatus::Restarting
        | ContainerGroupStatus::Updating
        | ContainerGroupStatus::Unknown(_) => Power::Changing,
        ContainerGroupStatus::ScheduleFailed
        | ContainerGroupStatus::Succeeded
        | ContainerGroupStatus::Failed
        | ContainerGroupStatus::Terminating
        | ContainerGroupStatus::Expired => Power::Broken(group.status.to_string()),
    }
}
