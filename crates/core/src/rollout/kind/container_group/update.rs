//! The update itself, and what is looked at of container groups whatever is done to them.

use ess_rollout_api::v1alpha1::{ContainerGroupUpdate, ContainerUpdateType, Plan};
use ess_rollout_cloud::{Container, ContainerGroup, ContainerGroupStatus};
use serde_json::{Map, Value, json};

use crate::rollout::compute::Power;
use crate::rollout::containers;
use crate::rollout::kind::update_kind::{Author, parameters};

/// The most bytes of containers as JSON: what is changed goes on record, where there is no more room.
pub(super) const CONTAINERS_MAX: usize = 64 * 1024;

/// An update of containers.
pub(in crate::rollout::kind) struct ContainerGroups<'a> {
    pub(in crate::rollout::kind) update: &'a ContainerGroupUpdate,
    pub(in crate::rollout::kind) author: Author,
}

pub(super) fn specs(group: &ContainerGroup) -> Vec<Container> {
    let containers = group.containers.iter();
    containers.map(|c| c.container.clone()).collect()
}

/// A group that runs serves once its containers are ready.
pub(super) fn power(group: &ContainerGroup) -> Power {
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

impl ContainerGroups<'_> {
    pub(super) fn given(&self) -> Vec<Container> {
        containers::of_specs(&self.update.containers)
    }

    /// Whether what is not given goes.
    pub(super) fn renews(&self) -> bool {
        self.update.update_type == ContainerUpdateType::Renew
    }

    pub(super) fn shared_parameters(&self, plan: &Plan) -> Map<String, Value> {
        let update_type = containers::update_type(self.update.update_type);
        let configuration = plan.scaling_configuration_id.as_deref();
        parameters([
            ("updateType", json!(update_type.as_str())),
            ("scalingConfigurationId", json!(configuration.unwrap_or(""))),
        ])
    }
}
