//! What of the active scaling configuration an update changes: the image of ECS instances, or the
//! containers of container groups. Either is kept and compared as text: an image id, or the
//! containers as JSON. What is kept in a Secret that is gone is not known any more: a reference is never taken for content.

use ess_rollout_api::kept;
use ess_rollout_api::v1alpha1::{Baseline, Leftover, Plan, RestoreKind, Source};
use ess_rollout_cloud::{Mutation, Query};

use crate::rollout::containers;
use crate::task::absence;
use crate::task::observation::{Known, Observation};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollout) enum ConfigurationContent {
    /// `ImageId`.
    Image,
    /// `Containers`.
    Containers,
}

impl ConfigurationContent {
    /// What an item of this kind is about, if it is about a scaling configuration.
    pub(in crate::rollout) fn of_kind(kind: RestoreKind) -> Option<Self> {
        match kind {
            RestoreKind::ScalingConfigurationImage => Some(Self::Image),
            RestoreKind::ScalingConfigurationContainers => Some(Self::Containers),
            RestoreKind::Process
            | RestoreKind::Standby
            | RestoreKind::Protection
            | RestoreKind::StoppedInstance => None,
        }
    }

    /// Items that are about it.
    pub(in crate::rollout) fn kind(self) -> RestoreKind {
        match self {
            Self::Image => RestoreKind::ScalingConfigurationImage,
            Self::Containers => RestoreKind::ScalingConfigurationContainers,
        }
    }

    /// What [`ConfigurationContent::found`] reads.
    pub(in crate::rollout) fn query(self, configuration: &str) -> Query {
        let configuration = configuration.to_owned();
        match self {
            Self::Image => Query::ScalingConfiguration { configuration },
            Self::Containers => Query::EciScalingConfiguration { configuration },
        }
    }

    /// What a configuration of a group carries; `None`: nothing of the sort, or no answer shows the
    /// configuration.
    pub(in crate::rollout) fn found(
        self,
        observation: &Observation,
        group: &str,
        configuration: &str,
    ) -> Known<Option<String>> {
        Ok(match self {
            Self::Image => {
                let found = absence::configuration(observation, group, configuration)?;
                found.and_then(|found| found.image.clone())
            }
            Self::Containers => {
                let found = absence::eci_configuration(observation, group, configuration)?;
                found.map(|found| containers::write(&found.containers))
            }
        })
    }

    /// As people read it and lists keep it: at most 256 characters, the same for what is the same.
    pub(in crate::rollout) fn short(self, content: &str) -> String {
        match self {
            Self::Image => content.to_owned(),
            Self::Containers => containers::short(&containers::read(content)),
        }
    }

    /// Whether `found` is as wanted. What was read before is wanted exactly; of what an update made
    /// of it the service may show more.
    pub(in crate::rollout) fn is(self, found: &str, wanted: &str, exactly: bool) -> bool {
        match self {
            Self::Image => found == wanted,
            Self::Containers => {
                let (found, wanted) = (containers::read(found), containers::read(wanted));
                if exactly {
                    containers::same(&found, &wanted)
                } else {
                    containers::as_wanted(&found, &wanted)
                }
            }
        }
    }

    /// Whether an update that brings `brought` has made `found` what it is.
    pub(in crate::rollout) fn comes_from(self, found: &str, brought: &str) -> bool {
        match self {
            Self::Image => found == brought,
            Self::Containers => {
                containers::carried(&containers::read(found), &containers::read(brought))
            }
        }
    }

    /// The call that makes `wanted` of `found`.
    pub(in crate::rollout) fn put(
        self,
        configuration: &str,
        found: &str,
        wanted: &str,
        exactly: bool,
    ) -> Mutation {
        match self {
            Self::Image => Mutation::ModifyScalingConfiguration {
                configuration: configuration.to_owned(),
                image: wanted.to_owned(),
            },
            Self::Containers => {
                let (found, wanted) = (containers::read(found), containers::read(wanted));
                let (containers, update) = containers::change(&found, &wanted, exactly);
                Mutation::ModifyEciScalingConfiguration {
                    configuration: configuration.to_owned(),
                    containers,
                    update,
                }
            }
        }
    }

    /// What it carried before the run.
    pub(in crate::rollout) fn in_plan(self, plan: &Plan) -> Option<&str> {
        match self {
            Self::Image => plan.scaling_configuration_image_id.as_deref(),
            Self::Containers => content(&plan.scaling_configuration_containers),
        }
    }

    /// Puts that on record.
    pub(in crate::rollout) fn set_in_plan(self, plan: &mut Plan, content: Option<String>) {
        match self {
            Self::Image => plan.scaling_configuration_image_id = content,
            Self::Containers => plan.scaling_configuration_containers = content,
        }
    }

    /// What it carried when the group was found.
    pub(in crate::rollout) fn in_baseline(self, baseline: &Baseline) -> Option<&str> {
        match self {
            Self::Image => baseline.image_id.as_deref(),
            Self::Containers => content(&baseline.containers),
        }
    }

    /// What it is to carry once the source is undone, if that is on record.
    pub(in crate::rollout) fn in_source(self, source: &Source) -> Option<&str> {
        match self {
            Self::Image => source.scaling_configuration_image_id.as_deref(),
            Self::Containers => content(&source.scaling_configuration_containers),
        }
    }

    /// What it is to carry once the source is undone, if that is not on record. An image that was
    /// never known is nobody's to set; containers go back with those of the group.
    pub(in crate::rollout) fn without_record(self, brought: String) -> Option<String> {
        match self {
            Self::Image => None,
            Self::Containers => Some(brought),
        }
    }

    /// What a line of a record wants it to carry.
    pub(in crate::rollout) fn in_leftover(self, leftover: &Leftover) -> Option<&str> {
        match self {
            Self::Image => Some(&leftover.wanted),
            Self::Containers => content(&leftover.containers),
        }
    }
}

/// What is on record, unless it is a reference that could not be followed.
fn content(on_record: &Option<String>) -> Option<&str> {
    let on_record = on_record.as_deref();
    on_record.filter(|text| kept::referred(text).is_none())
}
