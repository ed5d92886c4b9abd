//! What stands behind the members of a scaling group: ECS instances, or container groups.

use ess_rollout_cloud::{EcsInstance, EcsStatus, GroupContainer};

/// What stands behind one member.
pub(super) struct Compute {
    pub(super) id: String,
    pub(super) power: Power,
    /// Of an ECS instance: the image that it runs.
    pub(super) image: Option<String>,
    /// Of a container group: its containers.
    pub(super) containers: Vec<GroupContainer>,
}

/// Whether it can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Power {
    /// Now.
    Running,
    /// Once it is started.
    Stopped,
    /// By and by.
    Changing,
    /// Never again, in this state.
    Broken(String),
}

impl Compute {
    pub(super) fn of_ecs(instance: &EcsInstance) -> Self {
        Self {
            id: instance.id.clone(),
            power: match instance.status {
                EcsStatus::Running => Power::Running,
                EcsStatus::Stopped => Power::Stopped,
                EcsStatus::Pending
                | EcsStatus::Starting
                | EcsStatus::Stopping
                | EcsStatus::Unknown(_) => Power::Changing,
            },
            image: Some(instance.image.clone()),
            containers: Vec::new(),
        }
    }
}

/// What stands behind a member, if it is there.
pub(super) fn of<'a>(all: &'a [Compute], id: &str) -> Option<&'a Compute> {
    all.iter().find(|compute| compute.id == id)
}
