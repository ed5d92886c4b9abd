//! What can be asked of the cloud.

use std::sync::Arc;

use jiff::Timestamp;

use crate::alarms::Alarm;
use crate::balancing::{
    BackendServer, BalancerProduct, HealthOfGroup, HealthOfServer, ServerGroup,
};
use crate::container::{ContainerGroup, EciScalingConfiguration};
use crate::model::{
    EcsInstance, Execution, Image, Invocation, Package, ScalingActivity, ScalingConfiguration,
    ScalingGroup, ScalingInstance, TaskExecution, Template,
};
use crate::neighbours::{Diagnosis, InstanceRefresh, LifecycleAction};

/// One read. The implementation pages to the end, checks that the rows that came back are the ones
/// asked for (an ignored filter returns everything), and never returns half an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// ESS DescribeScalingGroups of one id, whatever its type. Answer: [`Answer::ScalingGroup`].
    ScalingGroup {
        /// The scaling group id.
        group: String,
    },
    /// The same of many ids (sorted and without repeats), by fewer calls. Answer: [`Answer::ScalingGroups`].
    ScalingGroups {
        /// The scaling group ids.
        groups: Vec<String>,
    },
    /// The same group among all of the region, listed without an id: what is to be asked before one
    /// that [`Query::ScalingGroup`] does not show is taken for gone. Answer: [`Answer::ScalingGroup`].
    ScalingGroupInList {
        /// The scaling group id.
        group: String,
    },
    /// ESS DescribeScalingInstances of a group, all lifecycle states and creation types, all pages.
    ScalingInstances {
        /// The scaling group id.
        group: String,
    },
    /// ESS DescribeScalingInstances of these ids (any number; sorted and without repeats) in a group: what
    /// is to be asked before members that [`Query::ScalingInstances`] does not show are taken for gone.
    /// Answer: [`Answer::ScalingInstances`].
    ScalingInstancesById {
        /// The scaling group id.
        group: String,
        /// The instance ids.
        instances: Vec<String>,
    },
    /// ESS DescribeScalingActivities with `StatusCode=InProgress`.
    ActivitiesInProgress {
        /// The scaling group id.
        group: String,
    },
    /// ESS DescribeInstanceRefreshes: those that have not ended. Answer: [`Answer::InstanceRefreshes`].
    InstanceRefreshes {
        /// The scaling group id.
        group: String,
    },
    /// ESS DescribeLifecycleActions with `LifecycleActionStatus=Pending`: which instances a lifecycle
    /// hook holds.
    LifecycleActions {
        /// The id of a scaling activity that is in progress.
        activity: String,
    },
    /// ESS DescribeScalingGroupDiagnoseDetails: what its latest diagnosis found wrong, however old that
    /// is.
    Diagnosis {
        /// The scaling group id.
        group: String,
    },
    /// CloudMonitor DescribeMetricRuleList of these ids (at most 20; sorted and without repeats). Answer: [`Answer::Alarms`].
    MetricRules {
        /// The rule ids.
        rules: Vec<String>,
    },
    /// CloudMonitor DescribeMetricRuleList of an application group. Answer: [`Answer::Alarms`].
    MetricRulesOfGroup {
        /// The id of the application group.
        monitor_group: String,
    },
    /// ESS DescribeAlarms: the event-triggered tasks of a scaling group. Answer: [`Answer::Alarms`].
    Alarms {
        /// The scaling group id.
        group: String,
    },
    /// The servers of a server group and their weights: SLB DescribeLoadBalancerAttribute or DescribeVServerGroupAttribute, ALB or NLB
    /// ListServerGroupServers. Answer: [`Answer::BackendServers`].
    BackendServers {
        /// Which; of one that [`ServerGroup::Other`] is there is no answer.
        of: ServerGroup,
    },
    /// SLB DescribeHealthStatus of a CLB instance, of all its listeners. Answer: [`Answer::HealthOfServers`].
    HealthOfServers {
        /// The CLB instance.
        load_balancer: String,
    },
    /// The listeners of the load balancers that a server group belongs to: ALB or NLB ListServerGroups and ListListeners. Answer:
    /// [`Answer::Listeners`].
    Listeners {
        /// Of which product it is.
        product: BalancerProduct,
        /// The server group id.
        group: String,
    },
    /// ALB or NLB GetListenerHealthStatus, with forwarding rules. Answer: [`Answer::HealthOfGroups`].
    HealthOfGroups {
        /// Of which product it is.
        product: BalancerProduct,
        /// The listener id.
        listener: String,
    },
    /// ESS DescribeScalingConfigurations of one id.
    ScalingConfiguration {
        /// The scaling configuration id.
        configuration: String,
    },
    /// The same of many ids (sorted and without repeats), by fewer calls. Answer: [`Answer::ScalingConfigurations`].
    ScalingConfigurations {
        /// The scaling configuration ids.
        configurations: Vec<String>,
    },
    /// ESS DescribeEciScalingConfigurations of one id.
    EciScalingConfiguration {
        /// The scaling configuration id.
        configuration: String,
    },
    /// ESS DescribeScalingConfigurations of a whole group, searched for this one: what is to be asked
    /// before one that [`Query::ScalingConfiguration`] does not show is taken for gone. Answer:
    /// [`Answer::ScalingConfiguration`].
    ScalingConfigurationInGroup {
        /// The scaling group id.
        group: String,
        /// The scaling configuration id.
        configuration: String,
    },
    /// ESS DescribeEciScalingConfigurations of a whole group, searched for this one, likewise. Answer:
    /// [`Answer::EciScalingConfiguration`].
    EciScalingConfigurationInGroup {
        /// The scaling group id.
        group: String,
        /// The scaling configuration id.
        configuration: String,
    },
    /// STS GetCallerIdentity: which account the credentials belong to. An access key and a role never
    /// change theirs, so implementations ask once.
    Account,
    /// ECI DescribeContainerGroups of these ids (any number; sorted and without repeats).
    ContainerGroups {
        /// The container group ids: what ESS calls the instances of a group of type ECI.
        groups: Vec<String>,
    },
    /// ECS DescribeImages of one id, in every status.
    Image {
        /// The image id.
        image: String,
    },
    /// ECS DescribeInstances of these ids (any number; sorted and without repeats).
    EcsInstances {
        /// The instance ids.
        instances: Vec<String>,
    },
    /// OOS ListExecutions.
    Executions(ExecutionFilter),
    /// OOS ListTaskExecutions of one execution, loop items included.
    TaskExecutions {
        /// The execution id.
        execution: String,
    },
    /// OOS GetTemplate.
    Template {
        /// The template name.
        name: String,
    },
    /// OOS GetTemplate of a package: packages are templates of a type of their own.
    Package {
        /// The package name.
        name: String,
        /// The version, as `v3`; `None`: the newest.
        version: Option<String>,
    },
    /// OOS ListInstancePackageStates: which version of a package an instance has.
    InstancePackage {
        /// The instance id.
        instance: String,
        /// The package name.
        package: String,
    },
    /// ECS DescribeInvocationResults of one Cloud Assistant invocation on one instance.
    Invocation {
        /// The invocation id (`t-…`).
        invocation: String,
        /// The instance id.
        instance: String,
    },
}

impl Query {
    /// The service and API that answer it, as errors name a call: `ESS DescribeScalingGroups`.
    pub fn call(&self) -> &'static str {
        match self {
            Self::ScalingGroup { .. }
            | Self::ScalingGroups { .. }
            | Self::ScalingGroupInList { .. } => "ESS DescribeScalingGroups",
            Self::ScalingInstances { .. } | Self::ScalingInstancesById { .. } => {
                "ESS DescribeScalingInstances"
            }
            Self::ActivitiesInProgress { .. } => "ESS DescribeScalingActivities",
            Self::InstanceRefreshes { .. } => "ESS DescribeInstanceRefreshes",
            Self::LifecycleActions { .. } => "ESS DescribeLifecycleActions",
            Self::Diagnosis { .. } => "ESS DescribeScalingGroupDiagnoseDetails",
            Self::MetricRules { .. } | Self::MetricRulesOfGroup { .. } => {
                "CMS DescribeMetricRuleList"
            }
            Self::Alarms { .. } => "ESS DescribeAlarms",
            Self::BackendServers { of } => match of {
                ServerGroup::Default { .. } => "SLB DescribeLoadBalancerAttribute",
                ServerGroup::VServerGroup { .. } => "SLB DescribeVServerGroupAttribute",
                ServerGroup::Alb { .. } => "ALB ListServerGroupServers",
                ServerGroup::Nlb { .. } | ServerGroup::Other { .. } => "NLB ListServerGroupServers",
            },
            Self::HealthOfServers { .. } => "SLB DescribeHealthStatus",
            Self::Listeners { product, .. } => match product {
                BalancerProduct::Alb => "ALB ListListeners",
                BalancerProduct::Nlb => "NLB ListListeners",
            },
            Self::HealthOfGroups { product, .. } => match product {
                BalancerProduct::Alb => "ALB GetListenerHealthStatus",
                BalancerProduct::Nlb => "NLB GetListenerHealthStatus",
            },
            Self::ScalingConfiguration { .. }
            | Self::ScalingConfigurations { .. }
            | Self::ScalingConfigurationInGroup { .. } => "ESS DescribeScalingConfigurations",
            Self::EciScalingConfiguration { .. } | Self::EciScalingConfigurationInGroup { .. } => {
                "ESS DescribeEciScalingConfigurations"
            }
            Self::Account => "STS GetCallerIdentity",
            Self::ContainerGroups { .. } => "ECI DescribeContainerGroups",
            Self::Image { .. } => "ECS DescribeImages",
            Self::EcsInstances { .. } => "ECS DescribeInstances",
            Self::Executions(_) => "OOS ListExecutions",
            Self::TaskExecutions { .. } => "OOS ListTaskExecutions",
            Self::Template { .. } | Self::Package { .. } => "OOS GetTemplate",
            Self::InstancePackage { .. } => "OOS ListInstancePackageStates",
            Self::Invocation { .. } => "ECS DescribeInvocationResults",
        }
    }

    /// The name of that API.
    pub fn action(&self) -> &'static str {
        let call = self.call();
        call.split_once(' ').map_or(call, |(_, action)| action)
    }
}

/// Which executions to list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionFilter {
    /// The one with this id. An unknown id is an empty answer, not an error.
    Id(String),
    /// The direct children of this one.
    ChildrenOf(String),
    /// The nested executions of the region that started or ended at or after this time of the cloud's clock, whosever they
    /// are (OOS IncludeChildExecution).
    NestedSince(Timestamp),
    /// Roots that carry all of these tags, newest first. The tags that come back are checked.
    Tagged {
        /// Tag keys and values, sorted by key.
        tags: Vec<(String, String)>,
        /// Only those started at or after this time of the cloud's clock.
        started_after: Option<Timestamp>,
    },
    /// The same, without their parameters and tags, which are most of them: how far they are.
    TaggedProgress {
        /// Tag keys and values, sorted by key.
        tags: Vec<(String, String)>,
        /// Only those started at or after this time of the cloud's clock.
        started_after: Option<Timestamp>,
    },
    /// Roots that are not final and whose template name contains this text (the API matches
    /// substrings): what other people run on a group carries no tag of ours.
    ActiveByTemplate(String),
    /// The roots started last, about a hundred, whose template name contains this text, ended or
    /// not: one call, where [`Self::ActiveByTemplate`] takes one for each state.
    NewestByTemplate(String),
}

/// The answer to a [`Query`], of the variant with the query's name, or of the one that the query names.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `None`: no such group in this region.
    ScalingGroup(Option<ScalingGroup>),
    /// Ids that do not exist in this region are absent.
    ScalingGroups(Vec<ScalingGroup>),
    /// Sorted by instance id.
    ScalingInstances(Vec<ScalingInstance>),
    /// In the order of the API.
    Activities(Vec<ScalingActivity>),
    /// In the order of the API.
    InstanceRefreshes(Vec<InstanceRefresh>),
    /// In the order of the API.
    LifecycleActions(Vec<LifecycleAction>),
    /// In the order of the API; empty when nothing is wrong.
    Diagnosis(Vec<Diagnosis>),
    /// Sorted by id; rules that do not exist are absent.
    Alarms(Vec<Alarm>),
    /// In the order of the API.
    BackendServers(Vec<BackendServer>),
    /// In the order of the API.
    HealthOfServers(Vec<HealthOfServer>),
    /// Listener ids, sorted, each once.
    Listeners(Vec<String>),
    /// In the order of the API.
    HealthOfGroups(Vec<HealthOfGroup>),
    /// `None`: no such configuration.
    ScalingConfiguration(Option<ScalingConfiguration>),
    /// Ids that do not exist in this region are absent.
    ScalingConfigurations(Vec<ScalingConfiguration>),
    /// `None`: no such configuration.
    EciScalingConfiguration(Option<EciScalingConfiguration>),
    /// Sorted by id; ids that do not exist are absent.
    ContainerGroups(Vec<ContainerGroup>),
    /// `None`: no such image, or not shared with this account.
    Image(Option<Image>),
    /// Sorted by instance id; ids that do not exist are absent.
    EcsInstances(Vec<EcsInstance>),
    /// In the order of the API. All who ask at the same time have the same list: of who else runs in the account it is long.
    Executions(Arc<Vec<Execution>>),
    /// In the order of the API.
    TaskExecutions(Vec<TaskExecution>),
    /// `None`: no such template.
    Template(Option<Template>),
    /// `None`: no such package, or no such version of it.
    Package(Option<Package>),
    /// The installed version; `None`: OOS does not list the package for the instance.
    InstancePackage(Option<String>),
    /// `None`: no record of it, or not any more (kept about two weeks).
    Invocation(Option<Invocation>),
    /// The account's id; `None`: it cannot be told, for instance because STS is out of reach.
    Account(Option<String>),
}
