//! What has been read, each piece known, unknown because of an error, or not yet asked for.

use std::collections::BTreeMap;

use ess_rollout_cloud::{
    Answer, CloudError, ContainerGroup, Diagnosis, EciScalingConfiguration, EcsInstance, Execution,
    ExecutionFilter, Image, InstanceRefresh, Invocation, LifecycleAction, Package, Query,
    ScalingActivity, ScalingConfiguration, ScalingGroup, ScalingInstance, TaskExecution, Template,
};

/// Answers to queries, all read after the task and its group's record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    answers: BTreeMap<Query, Result<Answer, CloudError>>,
}

/// Why a decision cannot be made yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Interrupt {
    /// More has to be read.
    Read(Vec<Query>),
    /// Something that has to be known could not be read.
    Failed(Box<CloudError>),
}

/// A value, or why there is none.
pub(crate) type Known<T> = Result<T, Interrupt>;

/// Declares one typed accessor for each query.
macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty, $query:expr, $answer:path;)+) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name(&self, $($arg: $ty),*) -> Known<&$out> {
                let query = $query;
                match self.answers.get(&query) {
                    Some(Ok($answer(value))) => Ok(value),
                    Some(Ok(_)) | None => Err(Interrupt::Read(vec![query])),
                    Some(Err(error)) => Err(Interrupt::Failed(Box::new(error.clone()))),
                }
            }
        )+
    };
}

impl Observation {
    /// Adds an answer, or the reason why there is none.
    pub fn insert(&mut self, query: Query, answer: Result<Answer, CloudError>) {
        self.answers.insert(query, answer);
    }

    /// Whether a query has been answered, well or badly.
    pub fn holds(&self, query: &Query) -> bool {
        self.answers.contains_key(query)
    }

    /// The first refusal that only a person can mend, if there was one.
    pub(crate) fn refused(&self) -> Option<&CloudError> {
        let errors = self.answers.values().filter_map(|a| a.as_ref().err());
        errors.into_iter().find(|error| error.needs_person())
    }

    /// Asks for everything at once that is going to be looked at one by one: a stage names its
    /// reads up front, so that they are made side by side.
    pub(crate) fn require(&self, queries: impl IntoIterator<Item = Query>) -> Known<()> {
        let mut missing: Vec<Query> = queries
            .into_iter()
            .filter(|query| !self.holds(query))
            .collect();
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Interrupt::Read(missing))
        }
    }

    accessors! {
        scaling_group(group: &str) -> Option<ScalingGroup>,
            Query::ScalingGroup { group: group.to_owned() }, Answer::ScalingGroup;
        scaling_group_in_list(group: &str) -> Option<ScalingGroup>,
            Query::ScalingGroupInList { group: group.to_owned() }, Answer::ScalingGroup;
        scaling_instances_by_id(group: &str, instances: &[String]) -> Vec<ScalingInstance>,
            Query::ScalingInstancesById { group: group.to_owned(), instances: instances.to_vec() }, Answer::ScalingInstances;
        scaling_configuration_in_group(group: &str, configuration: &str) -> Option<ScalingConfiguration>,
            Query::ScalingConfigurationInGroup { group: group.to_owned(), configuration: configuration.to_owned() }, Answer::ScalingConfiguration;
        eci_scaling_configuration_in_group(group: &str, configuration: &str) -> Option<EciScalingConfiguration>,
            Query::EciScalingConfigurationInGroup { group: group.to_owned(), configuration: configuration.to_owned() }, Answer::EciScalingConfiguration;
        account() -> Option<String>,
            Query::Account, Answer::Account;
        scaling_instances(group: &str) -> Vec<ScalingInstance>,
            Query::ScalingInstances { group: group.to_owned() }, Answer::ScalingInstances;
        activities(group: &str) -> Vec<ScalingActivity>,
            Query::ActivitiesInProgress { group: group.to_owned() }, Answer::Activities;
        instance_refreshes(group: &str) -> Vec<InstanceRefresh>,
            Query::InstanceRefreshes { group: group.to_owned() }, Answer::InstanceRefreshes;
        lifecycle_actions(activity: &str) -> Vec<LifecycleAction>,
            Query::LifecycleActions { activity: activity.to_owned() }, Answer::LifecycleActions;
        diagnosis(group: &str) -> Vec<Diagnosis>,
            Query::Diagnosis { group: group.to_owned() }, Answer::Diagnosis;
        scaling_configuration(configuration: &str) -> Option<ScalingConfiguration>,
            Query::ScalingConfiguration { configuration: configuration.to_owned() }, Answer::ScalingConfiguration;
        eci_scaling_configuration(configuration: &str) -> Option<EciScalingConfiguration>,
            Query::EciScalingConfiguration { configuration: configuration.to_owned() }, Answer::EciScalingConfiguration;
        container_groups(groups: &[String]) -> Vec<ContainerGroup>,
            Query::ContainerGroups { groups: groups.to_vec() }, Answer::ContainerGroups;
        image(image: &str) -> Option<Image>,
            Query::Image { image: image.to_owned() }, Answer::Image;
        ecs_instances(instances: &[String]) -> Vec<EcsInstance>,
            Query::EcsInstances { instances: instances.to_vec() }, Answer::EcsInstances;
        executions(filter: &ExecutionFilter) -> Vec<Execution>,
            Query::Executions(filter.clone()), Answer::Executions;
        task_executions(execution: &str) -> Vec<TaskExecution>,
            Query::TaskExecutions { execution: execution.to_owned() }, Answer::TaskExecutions;
        template(name: &str) -> Option<Template>,
            Query::Template { name: name.to_owned() }, Answer::Template;
        package(name: &str, version: Option<&str>) -> Option<Package>,
            Query::Package { name: name.to_owned(), version: version.map(str::to_owned) }, Answer::Package;
        instance_package(instance: &str, package: &str) -> Option<String>,
            Query::InstancePackage { instance: instance.to_owned(), package: package.to_owned() }, Answer::InstancePackage;
        invocation(invocation: &str, instance: &str) -> Option<Invocation>,
            Query::Invocation { invocation: invocation.to_owned(), instance: instance.to_owned() }, Answer::Invocation;
    }
}
