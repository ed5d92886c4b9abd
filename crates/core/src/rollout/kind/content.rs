//! What of the active scaling configuration an update changes: the image of ECS instances, or the containers of container
//! groups. The API has fields of its own for each, wherever a status or a record keeps what a configuration carries; they
//! are read and written here alone.
//!
//! Containers are on record as JSON. What is kept in a Secret that is gone is not known any more: a reference is never taken
//! for content, and only ever copied.

use ess_rollout_api::kept;
use ess_rollout_api::v1alpha1::{Baseline, Leftover, Plan, RestoreKind, Source};
use ess_rollout_cloud::{Container, Mutation, Query};

use crate::rollout::containers;
use crate::task::absence;
use crate::task::observation::{Known, Observation};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollout) enum ContentKind {
    /// `ImageId`.
    Image,
    /// `Containers`.
    Containers,
}

/// What a scaling configuration carries, carried, or is to carry.
#[derive(Clone, PartialEq)]
pub(in crate::rollout) enum ConfigurationContent {
    /// `ImageId`.
    Image(String),
    /// `Containers`.
    Containers(Vec<Container>),
}

impl ContentKind {
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

    /// What [`ContentKind::found`] reads.
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
    ) -> Known<Option<ConfigurationContent>> {
        Ok(match self {
            Self::Image => {
                let found = absence::configuration(observation, group, configuration)?;
                let image = found.and_then(|found| found.image.clone());
                image.map(ConfigurationContent::Image)
            }
            Self::Containers => {
                let found = absence::eci_configuration(observation, group, configuration)?;
                found.map(|found| ConfigurationContent::Containers(found.containers.clone()))
            }
        })
    }

    /// What is on record; `None` also for a reference that could not be followed.
    pub(in crate::rollout) fn recorded(
        self,
        record: &impl RecordsContent,
    ) -> Option<ConfigurationContent> {
        let (image, containers) = record.fields();
        match self {
            Self::Image => Some(ConfigurationContent::Image(image?.to_owned())),
            Self::Containers => of_text(containers?),
        }
    }
}

impl ConfigurationContent {
    /// What a line of a record wants a configuration to carry.
    pub(in crate::rollout) fn of_leftover(leftover: &Leftover) -> Option<Self> {
        match ContentKind::of_kind(leftover.kind)? {
            ContentKind::Image => Some(Self::Image(leftover.wanted.clone())),
            ContentKind::Containers => of_text(leftover.containers.as_deref()?),
        }
    }

    /// For a line of a record: the containers, for which `wanted` has no room.
    pub(in crate::rollout) fn beyond_wanted(&self) -> Option<String> {
        match self {
            Self::Image(_) => None,
            Self::Containers(all) => Some(containers::write(all)),
        }
    }

    pub(in crate::rollout) fn record(self, record: &mut impl RecordsContent) {
        let (image, containers) = record.fields_mut();
        match self {
            Self::Image(id) => *image = Some(id),
            Self::Containers(all) => *containers = Some(containers::write(&all)),
        }
    }

    /// The containers; none in an image.
    pub(in crate::rollout) fn containers(&self) -> &[Container] {
        match self {
            Self::Image(_) => &[],
            Self::Containers(all) => all,
        }
    }

    /// As people read it and lists keep it: at most 256 characters, the same for what is the same.
    pub(in crate::rollout) fn short(&self) -> String {
        match self {
            Self::Image(id) => id.clone(),
            Self::Containers(all) => containers::short(all),
        }
    }

    /// Whether it is as wanted. What was read before is wanted exactly; of what an update made of it
    /// the service may show more.
    pub(in crate::rollout) fn is(&self, wanted: &Self, exactly: bool) -> bool {
        match (self, wanted) {
            (Self::Containers(a), Self::Containers(b)) if exactly => containers::same(a, b),
            (Self::Containers(a), Self::Containers(b)) => containers::as_wanted(a, b),
            (found, wanted) => found == wanted,
        }
    }

    /// Whether an update that brings `brought` has made it what it is.
    pub(in crate::rollout) fn comes_from(&self, brought: &Self) -> bool {
        match (self, brought) {
            (Self::Containers(a), Self::Containers(b)) => containers::carried(a, b),
            (found, brought) => found == brought,
        }
    }

    /// The call that makes this of what was found.
    pub(in crate::rollout) fn put(
        &self,
        configuration: &str,
        found: &Self,
        exactly: bool,
    ) -> Mutation {
        let configuration = configuration.to_owned();
        match self {
            Self::Image(id) => Mutation::ModifyScalingConfiguration {
                configuration,
                image: id.clone(),
            },
            Self::Containers(wanted) => {
                let (containers, update) = containers::change(found.containers(), wanted, exactly);
                Mutation::ModifyEciScalingConfiguration {
                    configuration,
                    containers,
                    update,
                }
            }
        }
    }
}

/// Containers on record, unless it is a reference that could not be followed.
fn of_text(text: &str) -> Option<ConfigurationContent> {
    let known = kept::referred(text).is_none();
    known.then(|| ConfigurationContent::Containers(containers::read(text)))
}

/// A part of a status or of a record that keeps what a configuration carries: an image in one field, containers in another.
pub(in crate::rollout) trait RecordsContent {
    fn fields(&self) -> (Option<&str>, Option<&str>);
    fn fields_mut(&mut self) -> (&mut Option<String>, &mut Option<String>);
}

macro_rules! records_content {
    ($($part:ty: $image:ident, $containers:ident;)*) => {$(
        impl RecordsContent for $part {
            fn fields(&self) -> (Option<&str>, Option<&str>) {
                (self.$image.as_deref(), self.$containers.as_deref())
            }

            fn fields_mut(&mut self) -> (&mut Option<String>, &mut Option<String>) {
                (&mut self.$image, &mut self.$containers)
            }
        }
    )*};
}

records_content! {
    Plan: scaling_configuration_image_id, scaling_configuration_containers;
    Source: scaling_configuration_image_id, scaling_configuration_containers;
    Baseline: image_id, containers;
}

/// Puts on record what another part has there, a reference that could not be followed included.
pub(in crate::rollout) fn copy(from: &impl RecordsContent, to: &mut impl RecordsContent) {
    let (from_image, from_containers) = from.fields();
    let (image, containers) = to.fields_mut();
    *image = from_image.map(str::to_owned);
    *containers = from_containers.map(str::to_owned);
}

/// The same to a line about a configuration that goes back to a baseline: what its `wanted` has no room for.
pub(in crate::rollout) fn copy_to_leftover(baseline: Option<&Baseline>, line: &mut Leftover) {
    if line.kind == RestoreKind::ScalingConfigurationContainers {
        line.containers = baseline.and_then(|baseline| baseline.containers.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_record_is_read_from_there() {
        let app = Container::new("app", [("Image".to_owned(), "web:1".into())]);
        for (kind, content) in [
            (
                ContentKind::Image,
                ConfigurationContent::Image("m-1".into()),
            ),
            (
                ContentKind::Containers,
                ConfigurationContent::Containers(vec![app]),
            ),
        ] {
            let mut plan = Plan::default();
            content.clone().record(&mut plan);
            assert!(kind.recorded(&plan) == Some(content));
        }
    }

    /// The Secret may be back one day, and it is the way back of somebody.
    #[test]
    fn a_reference_is_copied_and_never_taken_for_content() {
        let plan = Plan {
            scaling_configuration_containers: Some(kept::reference("content")),
            ..Plan::default()
        };
        assert!(ContentKind::Containers.recorded(&plan).is_none());
        let mut other = Plan::default();
        copy(&plan, &mut other);
        assert_eq!(other, plan);
    }
}
