//! What has been read, each piece known, unknown because of an error, or not yet asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ess_rollout_api::v1alpha1::{RollbackRef, RollingUpdateTask, ScalingGroupRecord};
use ess_rollout_cloud::{
    Answer, CloudError, ContainerGroup, Diagnosis, EciScalingConfiguration, EcsInstance, Execution,
    ExecutionFilter, Image, InstanceRefresh, Invocation, LifecycleAction, Package, Query,
    ScalingActivity, ScalingConfiguration, ScalingGroup, ScalingInstance, TaskExecution, Template,
};

use jiff::Timestamp;

use super::ask::{Ask, ConfigMap, ObjectRef, QueueEntry, Reply, SeenWindows, Sight};
use super::endpoints::{EndpointAnswer, EndpointError, EndpointQuery};

/// What was told, all read after the object, and what is of the cloud after its group's record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    replies: BTreeMap<Ask, Reply>,
}

/// Why a decision cannot be made yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Missing {
    /// More has to be read.
    Read(Vec<Ask>),
    /// Something that has to be known could not be read.
    Failed(Box<CloudError>),
}

/// A value, or why there is none.
pub(crate) type Known<T> = Result<T, Missing>;

/// A fact of the cluster, or what has to be asked for it. What cannot be read fails the pass, so that no decision is made
/// without it.
pub(crate) type Fact<T> = Result<T, Vec<Ask>>;

impl From<Vec<Ask>> for Missing {
    fn from(asks: Vec<Ask>) -> Self {
        Self::Read(asks)
    }
}

/// Two facts that do not depend on each other, asked for together.
pub(crate) fn both<A, B>(one: Fact<A>, other: Fact<B>) -> Fact<(A, B)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(one.into_iter().chain(other).collect()),
        (Err(asks), Ok(_)) | (Ok(_), Err(asks)) => Err(asks),
    }
}

/// Declares one typed accessor for each fact of the cluster.
macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty, $ask:expr, $reply:path, $as:expr;)+) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name(&self, $($arg: $ty),*) -> Fact<$out> {
                let ask = $ask;
                match self.replies.get(&ask) {
                    Some($reply(value)) => Ok($as(value)),
                    _ => Err(vec![ask]),
                }
            }
        )+
    };
}

/// Declares one typed accessor for each query.
macro_rules! accessors {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty, $query:expr, $answer:path;)+) => {
        $(
            pub(crate) fn $name(&self, $($arg: $ty),*) -> Known<&$out> {
                let ask = Ask::Cloud($query);
                match self.replies.get(&ask) {
                    Some(Reply::Cloud(Ok($answer(value)))) => Ok(value),
                    Some(Reply::Cloud(Err(error))) => Err(Missing::Failed(Box::new(error.clone()))),
                    _ => Err(Missing::Read(vec![ask])),
                }
            }
        )+
    };
}

/// The same for queries that have the arguments as their fields.
macro_rules! accessors_by_fields {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty, $query:ident, $answer:ident;)+) => {
        accessors! { $($name($($arg: $ty),*) -> $out, Query::$query { $($arg: $arg.to_owned()),* }, Answer::$answer;)+ }
    };
}

impl Observation {
    /// Adds what was told.
    pub fn insert(&mut self, ask: Ask, reply: Reply) {
        self.replies.insert(ask, reply);
    }

    /// Whether this has been told, be it that the cloud refuses to.
    pub fn holds(&self, ask: &Ask) -> bool {
        self.replies.contains_key(ask)
    }

    /// The record of a scaling group as it was told of, with the version that its writes are to be made with; `None`: there is
    /// none, or it was not asked for.
    pub fn into_record(mut self, region: Option<&str>, group: &str) -> Option<ScalingGroupRecord> {
        let (region, group) = (region?.to_owned(), group.to_owned());
        match self.replies.remove(&Ask::Record { region, group }) {
            Some(Reply::Record(record)) => record.map(|record| *record),
            _ => None,
        }
    }

    /// In which version the record of a scaling group was told of; `None`: there is none, or it was not asked for.
    pub fn record_version(&self, region: &str, group: &str) -> Option<&str> {
        let (region, group) = (region.to_owned(), group.to_owned());
        match self.replies.get(&Ask::Record { region, group }) {
            Some(Reply::Record(Some(record))) => record.metadata.resource_version.as_deref(),
            _ => None,
        }
    }

    /// The first refusal that only a person can mend, if there was one.
    pub(crate) fn refused(&self) -> Option<&CloudError> {
        let mut errors = self.replies.iter().filter_map(|told| match told {
            (Ask::Cloud(_), Reply::Cloud(answer)) => answer.as_ref().err(),
            _ => None,
        });
        errors.find(|error| error.needs_person())
    }

    /// Asks for everything at once that is going to be looked at one by one: a stage names its
    /// reads up front, so that they are made side by side.
    pub(crate) fn require(&self, queries: impl IntoIterator<Item = Query>) -> Known<()> {
        let asks = queries.into_iter().map(Ask::Cloud);
        let missing: BTreeSet<Ask> = asks.filter(|ask| !self.holds(ask)).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Missing::Read(missing.into_iter().collect())),
        }
    }

    /// Something in the cloud as it was then, or later.
    pub(crate) fn recent(&self, query: &Query, since: Timestamp) -> Known<&Answer> {
        let ask = Ask::Recent {
            query: query.clone(),
            since,
        };
        match self.replies.get(&ask) {
            Some(Reply::Cloud(Ok(answer))) => Ok(answer),
            Some(Reply::Cloud(Err(error))) => Err(Missing::Failed(Box::new(error.clone()))),
            _ => Err(Missing::Read(vec![ask])),
        }
    }

    /// What an endpoint said then, or later; an error of its own is an answer.
    pub(crate) fn endpoint(
        &self,
        query: &EndpointQuery,
        since: Timestamp,
    ) -> Fact<Result<&EndpointAnswer, &EndpointError>> {
        let ask = Ask::Endpoint {
            query: query.clone(),
            since,
        };
        match self.replies.get(&ask) {
            Some(Reply::Endpoint(told)) => Ok(told.as_ref()),
            _ => Err(vec![ask]),
        }
    }

    pub(crate) fn executions(&self, filter: &ExecutionFilter) -> Known<&Vec<Execution>> {
        self.shared_executions(filter).map(Arc::as_ref)
    }

    facts! {
        /// A task, if there is one of that name.
        task(namespace: &str, name: &str) -> Option<&RollingUpdateTask>,
            Ask::Task { namespace: namespace.to_owned(), name: name.to_owned() }, Reply::Task, Option::as_deref;
        /// What was found where a ConfigMap was asked for.
        config_map(namespace: &str, name: &str) -> &ConfigMap,
            Ask::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() }, Reply::ConfigMap, std::convert::identity;
        /// The newest rollback that was found to undo the object.
        rolled_back_by() -> Option<&RollbackRef>,
            Ask::RolledBackBy, Reply::RolledBackBy, Option::as_ref;
        /// The record of a scaling group, if there is one.
        record(region: &str, group: &str) -> Option<&ScalingGroupRecord>,
            Ask::Record { region: region.to_owned(), group: group.to_owned() }, Reply::Record, Option::as_deref;
        /// Whether this very object exists, for all that is known.
        exists(object: ObjectRef) -> bool,
            Ask::Exists(object), Reply::Exists, bool::clone;
        /// The MaintenanceWindows that may be for the object.
        windows() -> &SeenWindows,
            Ask::Windows, Reply::Windows, std::convert::identity;
        /// How long until it is the object's turn to start.
        start_turn() -> Duration,
            Ask::StartTurn, Reply::StartTurn, Duration::clone;
        /// An execution as it was last seen.
        seen(execution: &str, latest: Option<Timestamp>) -> &Sight,
            Ask::Seen { execution: execution.to_owned(), latest }, Reply::Seen, std::convert::identity;
        /// The first of the objects that wait for a scaling group and were created earlier.
        ahead(region: &str, group: &str) -> Option<&QueueEntry>,
            Ask::Ahead { region: region.to_owned(), group: group.to_owned() }, Reply::Ahead, Option::as_ref;
    }

    accessors_by_fields! {
        scaling_group(group: &str) -> Option<ScalingGroup>, ScalingGroup, ScalingGroup;
        scaling_group_in_list(group: &str) -> Option<ScalingGroup>, ScalingGroupInList, ScalingGroup;
        scaling_instances_by_id(group: &str, instances: &[String]) -> Vec<ScalingInstance>, ScalingInstancesById, ScalingInstances;
        scaling_configuration_in_group(group: &str, configuration: &str) -> Option<ScalingConfiguration>, ScalingConfigurationInGroup, ScalingConfiguration;
        eci_scaling_configuration_in_group(group: &str, configuration: &str) -> Option<EciScalingConfiguration>, EciScalingConfigurationInGroup, EciScalingConfiguration;
        account() -> Option<String>, Account, Account;
        scaling_instances(group: &str) -> Vec<ScalingInstance>, ScalingInstances, ScalingInstances;
        activities(group: &str) -> Vec<ScalingActivity>, ActivitiesInProgress, Activities;
        instance_refreshes(group: &str) -> Vec<InstanceRefresh>, InstanceRefreshes, InstanceRefreshes;
        lifecycle_actions(activity: &str) -> Vec<LifecycleAction>, LifecycleActions, LifecycleActions;
        diagnosis(group: &str) -> Vec<Diagnosis>, Diagnosis, Diagnosis;
        scaling_configuration(configuration: &str) -> Option<ScalingConfiguration>, ScalingConfiguration, ScalingConfiguration;
        eci_scaling_configuration(configuration: &str) -> Option<EciScalingConfiguration>, EciScalingConfiguration, EciScalingConfiguration;
        container_groups(groups: &[String]) -> Vec<ContainerGroup>, ContainerGroups, ContainerGroups;
        image(image: &str) -> Option<Image>, Image, Image;
        ecs_instances(instances: &[String]) -> Vec<EcsInstance>, EcsInstances, EcsInstances;
        task_executions(execution: &str) -> Vec<TaskExecution>, TaskExecutions, TaskExecutions;
        template(name: &str) -> Option<Template>, Template, Template;
        instance_package(instance: &str, package: &str) -> Option<String>, InstancePackage, InstancePackage;
        invocation(invocation: &str, instance: &str) -> Option<Invocation>, Invocation, Invocation;
    }

    accessors! {
        shared_executions(filter: &ExecutionFilter) -> Arc<Vec<Execution>>,
            Query::Executions(filter.clone()), Answer::Executions;
        package(name: &str, version: Option<&str>) -> Option<Package>,
            Query::Package { name: name.to_owned(), version: version.map(str::to_owned) }, Answer::Package;
    }
}
