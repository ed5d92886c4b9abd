//! What can stand against an update of containers.

use std::collections::BTreeSet;

use ess_rollout_cloud::{Container, ContainerGroup, ContainerGroupStatus};

use super::update::{CONTAINERS_MAX, ContainerGroups, specs};
use crate::rollout::containers;
use crate::rollout::kind::update_kind::{Eligible, UpdateKind as _, blocked};
use crate::task::absence;
use crate::task::observation::Known;
use crate::task::problem::Problem;
use crate::task::reason::Reason;

impl ContainerGroups<'_> {
    /// Containers of a spec, before anything is read.
    pub(super) fn check_containers(&self, field: &str, given: &[Container]) -> Option<Problem> {
        let path = self.row().field_of(self.author, field);
        let invalid = |message: String| Some(Problem::blocked(Reason::InvalidSpec, message));
        let mut names = BTreeSet::new();
        for container in given {
            let name = &container.name;
            if !names.insert(name) {
                return invalid(format!("{path} names container {name} twice"));
            }
            if self.renews() && container.text("Image").is_empty() {
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
            let message = format!(
                "{path} contains {{{{, which OOS would read as a reference to a template parameter: leave it out"
            );
            return Some(Problem::blocked(Reason::ContainersAmbiguous, message));
        }
        too_large(&path, &text)
    }

    /// As the cloud is now.
    pub(super) fn check(&self, eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        if let Some(problem) = self.check_configuration(eligible)? {
            return Ok(Some(problem));
        }
        let ids = eligible.ids;
        if ids.is_empty() {
            return Ok(None);
        }
        let found = eligible.observation.container_groups(ids)?;
        let gone = ids.iter().find(|id| found.iter().all(|g| g.id != **id));
        if let Some(gone) = gone {
            let message = format!(
                "container group {gone} does not exist any more, and its update would fail: remove it from the scaling group"
            );
            return blocked(Reason::ContainerGroupNotFound, message);
        }
        Ok(found.iter().find_map(|group| self.check_group(group)))
    }

    fn check_configuration(&self, eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        let group = eligible.group;
        let missing = |what: &str| {
            let message = format!(
                "{what}, and the public template needs one: activate a scaling configuration of the group"
            );
            blocked(Reason::ScalingConfigurationNotFound, message)
        };
        let Some(id) = &group.active_scaling_configuration else {
            let id = &group.id;
            return missing(&format!(
                "scaling group {id} has no active scaling configuration"
            ));
        };
        let Some(found) = absence::eci_configuration(eligible.observation, &group.id, id)? else {
            return missing(&format!("scaling configuration {id} does not exist"));
        };
        let place = format!("scaling configuration {id}");
        let problem = too_large(&place, &containers::write(&found.containers));
        Ok(problem.or_else(|| self.check_found(&place, &found.containers)))
    }

    /// Whether the update fits what is there.
    fn check_found(&self, place: &str, found: &[Container]) -> Option<Problem> {
        let lost = self.lost(place, found);
        if lost.is_some() || self.renews() {
            return lost;
        }
        let mut given = self.update.containers.iter();
        let absent = given.find(|c| containers::named(found, &c.name).is_none())?;
        let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
        let message = format!(
            "spec.update.containerGroup.containers: {place} has no container {}, it has {}: with updateType Incremental containers that are there are changed; use Renew to add one",
            absent.name,
            names.join(", ")
        );
        Some(Problem::blocked(Reason::ContainerNotFound, message))
    }

    fn check_group(&self, group: &ContainerGroup) -> Option<Problem> {
        let place = format!("container group {}", group.id);
        let reason = Reason::ContainerGroupNotRunning;
        match &group.status {
            ContainerGroupStatus::Running | ContainerGroupStatus::Pending => {
                self.check_found(&place, &specs(group))
            }
            status @ (ContainerGroupStatus::Scheduling
            | ContainerGroupStatus::Restarting
            | ContainerGroupStatus::Updating) => {
                let message = format!("{place} is {status}; this task starts when it is Running");
                Some(Problem::wait(reason, message))
            }
            status => {
                let message = format!(
                    "{place} is {status}, and ECI updates only those that are Pending or Running: remove it from the scaling group, so that a new one takes its place"
                );
                Some(Problem::blocked(reason, message))
            }
        }
    }

    /// What a container has and an update cannot say, and this one would remove: with `Renew` whatever it does not give,
    /// with `Incremental` what stands in a list that it gives, for lists are exchanged as a whole.
    fn lost(&self, place: &str, found: &[Container]) -> Option<Problem> {
        let renew = self.renews();
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
            true => (Reason::RenewRemovesFields, "use updateType Incremental"),
            false => (
                Reason::UpdateRemovesFields,
                "leave that field out, and with updateType Incremental it stays as it is",
            ),
        };
        let message = format!(
            "container {name} of {place} has {what}, which update.containerGroup cannot give and this update would remove: {cure}"
        );
        Some(Problem::blocked(reason, message))
    }
}

fn too_large(place: &str, text: &str) -> Option<Problem> {
    (text.len() > CONTAINERS_MAX).then(|| {
        let message = format!(
            "the containers of {place} are {} bytes of JSON, and no more than {CONTAINERS_MAX} can be kept on record to be put back: shorten their variables",
            text.len()
        );
        Problem::blocked(Reason::ContainersTooLarge, message)
    })
}
