//! What can stand against an update of containers.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::ContainerUpdateType;
use ess_rollout_cloud::{Container, ContainerGroup, ContainerGroupStatus, ScalingGroup};

use super::update::{CONTAINERS_MAX, ContainerGroups, specs};
use crate::rollout::containers;
use crate::rollout::kind::update_kind::UpdateKind as _;
use crate::task::absence;
use crate::task::observation::{Known, Observation};
use crate::task::problem::Problem;

impl ContainerGroups<'_> {
    /// Containers of a spec, before anything is read.
    pub(super) fn check_containers(&self, field: &str, given: &[Container]) -> Option<Problem> {
        let path = self.row().field_of(self.author, field);
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

    /// As the cloud is now.
    pub(super) fn check(
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
        let Some(found) = absence::eci_configuration(observation, &group.id, id)? else {
            return missing(format!("scaling configuration {id} does not exist"));
        };
        let place = format!("scaling configuration {id}");
        let problem = too_large(&place, &containers::write(&found.containers));
        Ok(problem.or_else(|| self.check_found(&place, &found.containers)))
    }

    /// Whether the update fits what is there.
    fn check_found(&self, place: &str, found: &[Container]) -> Option<Problem> {
        let lost = self.lost(place, found);
        if lost.is_some() || self.update.update_type == ContainerUpdateType::Renew {
            return lost;
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

    /// What a container has and an update cannot say, and this one would remove: with `Renew` whatever it does not give,
    /// with `Incremental` what stands in a list that it gives, for lists are exchanged as a whole.
    fn lost(&self, place: &str, found: &[Container]) -> Option<Problem> {
        let renew = self.update.update_type == ContainerUpdateType::Renew;
        let given = self.given();
        let (container, what) = found.iter().find_map(|found| {
            let given = containers::named(&given, &found.name)?;
            let fields = found.fields.iter();
            let mut fields = fields.filter(|(field, _)| renew || given.fields.contains_key(*field));
            let lost = fields.find_map(|(field, value)| containers::beyond_spec(field, value))?;
            Some((found, lost))
        })?;
        let name = &container.name;
        let (reason, cure) = match renew {
            true => ("RenewRemovesFields", "use updateType Incremental"),
            false => (
                "UpdateRemovesFields",
                "leave that field out, and with updateType Incremental it stays as it is",
            ),
        };
        Some(Problem::blocked(
            reason,
            format!(
                "container {name} of {place} has {what}, which update.containerGroup cannot give and this update would remove: {cure}"
            ),
        ))
    }
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
