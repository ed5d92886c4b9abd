//! A cloud that runs rolling updates as the public templates do, small enough to be seen through.

pub mod containers;
mod notify;
mod run;
mod tagging;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ess_rollout_cloud::{
    Alarm, Answer, BackendServer, CloudError, Container, ContainerGroup, Diagnosis, Done,
    EcsInstance, EcsStatus, ErrorClass, Execution, ExecutionFilter, ExecutionMode, ExecutionStatus,
    GroupState, GroupType, HealthOfGroup, HealthOfServer, Image, ImageStatus, InstanceRefresh,
    Invocation, LifecycleAction, LifecycleState, Mutation, NotifyType, Outcome, Package, Process,
    Query, ScalingActivity, ScalingConfiguration, ScalingGroup, ScalingInstance, ServerHealth,
    StartExecution, TaskExecution, Template,
};
use ess_rollout_core::batches;
use jiff::Timestamp;
use serde_json::{Map, json};

/// How long one instance takes, seconds.
pub const ITEM_SECONDS: i64 = 20;
/// The group of all tests.
pub const GROUP: &str = "asg-example";
/// What the group's instances and its scaling configuration run at first.
pub const OLD_IMAGE: &str = "m-old";
/// What image updates bring.
pub const NEW_IMAGE: &str = "m-new";

/// What becomes of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It takes effect and is answered.
    Answered,
    /// It takes effect and the answer is lost.
    AnswerLost,
    /// The answer is lost and it takes effect so many seconds later.
    Late(i64),
    /// It never arrives.
    Lost,
    /// The service refuses it.
    Refused(ErrorClass),
}

/// A rolling update in the model.
#[derive(Debug, Clone)]
pub struct Run {
    pub root: String,
    items: Vec<String>,
    batch_of: BTreeMap<String, i32>,
    option: String,
    suspend_on_failure: bool,
    max_errors: usize,
    exit: Vec<Process>,
    image: Option<String>,
    containers: Option<containers::Update>,
    pub batch: i32,
    /// Whether the loop over instances has ended.
    pub over: bool,
    /// The batch after which it waits for an Approve.
    pub paused_after: Option<i32>,
    attempts: BTreeMap<String, u32>,
    /// Failed instances that nobody has decided about.
    unresolved: BTreeSet<String>,
    /// Instances to pass over when their turn comes: skipped, or else given up.
    passed_over: BTreeMap<String, bool>,
}

/// What no documentation of OOS settles.
#[derive(Debug, Clone)]
pub struct Oos {
    /// The nested execution of a failed instance waits, and a retry goes on inside it.
    pub child_waits: bool,
    /// It shows Running all the same.
    pub child_shows_running: bool,
    /// The root shows Running in a failure pause.
    pub root_shows_running: bool,
    /// Each failure suspends, whatever maxErrors says.
    pub every_failure: bool,
    /// The others of a batch stand still in a failure pause.
    pub stand_still: bool,
    /// NotifyExecution takes the root with the task execution of the loop item.
    pub by_task: bool,
    /// NotifyExecution takes the root with the loop item.
    pub by_item: bool,
    /// NotifyExecution takes the nested execution.
    pub by_child: bool,
    /// A skip that was told to a nested execution skips its failed task, and it goes on.
    pub skip_inside: bool,
    /// A skipped instance shows Success.
    pub skipped_as_success: bool,
}

impl Default for Oos {
    fn default() -> Self {
        Self {
            child_waits: false,
            child_shows_running: false,
            root_shows_running: false,
            every_failure: false,
            stand_still: false,
            by_task: true,
            by_item: true,
            by_child: false,
            skip_inside: false,
            skipped_as_success: false,
        }
    }
}

/// An attempt on an instance.
#[derive(Debug, Clone)]
pub struct Begun {
    pub instance: String,
    pub time: i64,
    /// The nested execution within which it goes on, and when the attempt before failed there.
    pub after: Option<(String, Timestamp)>,
}

type Listed = (Vec<Execution>, BTreeMap<String, Vec<TaskExecution>>);

#[derive(Debug, Clone)]
pub struct Cloud {
    pub now: i64,
    pub group: Option<ScalingGroup>,
    pub instances: Vec<ScalingInstance>,
    pub ecs: Vec<EcsInstance>,
    pub configuration_image: String,
    /// The images of configurations that people have made active since.
    pub other_configurations: BTreeMap<String, String>,
    /// Answers that leave entries out: the name of the query, and the ids, or `*` for all of them.
    pub hidden: BTreeSet<(&'static str, String)>,
    /// Whose the credentials are; none: STS does not say.
    pub account: Option<String>,
    /// Of a group of type ECI, which has these in the place of ECS instances.
    pub container_groups: Vec<ContainerGroup>,
    pub configuration_containers: Vec<Container>,
    pub images: Vec<Image>,
    pub template: Option<Template>,
    /// The versions of each package, the newest last.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Package and version by instance.
    pub installed: BTreeMap<String, BTreeMap<String, String>>,
    pub activities: Vec<ScalingActivity>,
    /// How many more instances ESS counts than it lists.
    pub unlisted: usize,
    pub refreshes: Vec<InstanceRefresh>,
    pub held: Vec<LifecycleAction>,
    pub diagnosis: Vec<Diagnosis>,
    /// Alert rules of CloudMonitor, by their ids, and those of the group; event-triggered tasks of the group.
    pub metric_rules: Vec<Alarm>,
    pub rules_of_group: Vec<Alarm>,
    /// Instances that load balancers do not find healthy, and why.
    pub not_normal: BTreeMap<String, (ServerHealth, String)>,
    /// Weights in server groups that are not those of their lifecycle states.
    pub weights: BTreeMap<String, i64>,
    /// Instances that are in no server group.
    pub not_attached: BTreeSet<String>,
    /// Instances that server groups are still adding.
    pub being_added: BTreeSet<String>,
    /// Of CLB: instances whose health is told of no port, as where no listener has their server group for its backend.
    pub not_checked: BTreeSet<String>,
    /// Of ALB and NLB: whether a listener forwards to the server groups, and whether these have health checks.
    pub forwarded: bool,
    pub checked: bool,
    pub alarms: Vec<Alarm>,
    pub invocations: BTreeMap<(String, String), Invocation>,
    pub executions: Vec<Execution>,
    pub tasks: BTreeMap<String, Vec<TaskExecution>>,
    pub runs: Vec<Run>,
    /// Instances that fail, and how many attempts do.
    pub failing: BTreeMap<String, u32>,
    /// Instances that take longer, seconds more.
    pub slow: BTreeMap<String, i64>,
    pub oos: Oos,
    /// For each Retry-, Skip- or CancelTask that took effect: what, on which instance, on which
    /// attempt.
    pub notified: Vec<(NotifyType, String, u32)>,
    /// When each of these was sent.
    pub notified_sent: Vec<i64>,
    /// Every attempt on an instance, in order.
    pub begun: Vec<Begun>,
    /// Whether EveryBatchPause pauses after the last batch too.
    pub pause_after_last: bool,
    /// Whether `UpdateDate` of the root moves when it pauses or goes on.
    pub update_date_moves: bool,
    /// Whether runs do nothing by themselves.
    pub frozen: bool,
    /// Seconds by which lists of executions and tasks are behind.
    pub lag: i64,
    /// The same of all but the row of a root execution, if that is more.
    pub lag_of_parts: i64,
    /// The same of the tasks of executions, if that is more.
    pub lag_of_tasks: i64,
    /// Seconds by which what is read of the group is behind what was suspended and resumed.
    pub lag_of_group: i64,
    /// Batches in which a process of the group ran.
    pub scaling_meanwhile: Vec<i32>,
    /// Whether OOS may not tag the instances after the last batch, as the template wants it.
    pub tagging_denied: bool,
    /// Whether a list that is asked for by tags has everything.
    pub tags_ignored: bool,
    /// Whether one that is passed over before its turn is listed at once.
    pub passed_over_at_once: bool,
    /// What becomes of the next mutations, first to last; then all are answered.
    pub fates: Vec<Fate>,
    /// Calls that fail, by the name of the query or mutation.
    pub broken: BTreeMap<&'static str, ErrorClass>,
    /// Every mutation that was sent.
    pub sent: Vec<Mutation>,
    /// For each Approve that took effect: the pause that it left.
    pub approved: Vec<i32>,
    /// Calls under way: when they take effect, and when they were sent.
    late: Vec<(i64, i64, Mutation)>,
    /// When the call that takes effect now was sent.
    sent_at: i64,
    tokens: BTreeMap<String, String>,
    history: Vec<(i64, Listed)>,
    /// What was suspended before each change, and until when.
    suspended_before: Vec<(i64, Vec<Process>)>,
}

pub fn error(call: &str, class: ErrorClass, outcome: Outcome) -> CloudError {
    CloudError {
        call: call.to_owned(),
        class,
        outcome,
        code: format!("{class:?}"),
        message: "as scripted".into(),
        request_id: Some("req-1".into()),
        missing_action: None,
        retry_after: None,
    }
}

pub fn query_name(query: &Query) -> &'static str {
    match query {
        Query::ScalingGroup { .. } => "ScalingGroup",
        Query::ScalingGroups { .. } => "ScalingGroups",
        Query::ScalingConfigurations { .. } => "ScalingConfigurations",
        Query::ScalingGroupInList { .. } => "ScalingGroupInList",
        Query::ScalingInstancesById { .. } => "ScalingInstancesById",
        Query::ScalingConfigurationInGroup { .. } => "ScalingConfigurationInGroup",
        Query::EciScalingConfigurationInGroup { .. } => "EciScalingConfigurationInGroup",
        Query::Account => "Account",
        Query::ScalingInstances { .. } => "ScalingInstances",
        Query::ActivitiesInProgress { .. } => "Activities",
        Query::InstanceRefreshes { .. } => "InstanceRefreshes",
        Query::LifecycleActions { .. } => "LifecycleActions",
        Query::Diagnosis { .. } => "Diagnosis",
        Query::MetricRules { .. } => "MetricRules",
        Query::MetricRulesOfGroup { .. } => "MetricRulesOfGroup",
        Query::Alarms { .. } => "Alarms",
        Query::BackendServers { .. } => "BackendServers",
        Query::HealthOfServers { .. } => "HealthOfServers",
        Query::Listeners { .. } => "Listeners",
        Query::HealthOfGroups { .. } => "HealthOfGroups",
        Query::ScalingConfiguration { .. } => "ScalingConfiguration",
        Query::EciScalingConfiguration { .. } => "EciScalingConfiguration",
        Query::ContainerGroups { .. } => "ContainerGroups",
        Query::Image { .. } => "Image",
        Query::EcsInstances { .. } => "EcsInstances",
        Query::Executions(ExecutionFilter::ActiveByTemplate(_)) => "ForeignExecutions",
        Query::Executions(ExecutionFilter::NewestByTemplate(_)) => "NewestExecutions",
        Query::Executions(ExecutionFilter::ChildrenOf(_)) => "Children",
        Query::Executions(
            ExecutionFilter::Tagged { .. } | ExecutionFilter::TaggedProgress { .. },
        ) => "TaggedExecutions",
        Query::Executions(ExecutionFilter::NestedSince(_)) => "NestedExecutions",
        Query::Executions(ExecutionFilter::Id(_)) => "Execution",
        Query::TaskExecutions { .. } => "TaskExecutions",
        Query::Template { .. } => "Template",
        Query::Package { .. } => "Package",
        Query::InstancePackage { .. } => "InstancePackage",
        Query::Invocation { .. } => "Invocation",
    }
}

pub fn mutation_name(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::StartExecution(_) => "StartExecution",
        Mutation::NotifyExecution { .. } => "NotifyExecution",
        Mutation::CancelExecution { .. } => "CancelExecution",
        Mutation::SuspendProcesses { .. } => "SuspendProcesses",
        Mutation::ResumeProcesses { .. } => "ResumeProcesses",
        Mutation::ExitStandby { .. } => "ExitStandby",
        Mutation::SetInstancesProtection { .. } => "SetInstancesProtection",
        Mutation::ModifyScalingConfiguration { .. } => "ModifyScalingConfiguration",
        Mutation::ModifyEciScalingConfiguration { .. } => "ModifyEciScalingConfiguration",
        Mutation::StartInstance { .. } => "StartInstance",
    }
}

impl Cloud {
    pub fn with_instances(count: usize) -> Self {
        let ids: Vec<String> = (1..=count).map(|n| format!("i-{n:04}")).collect();
        let image = |id: &str| Image {
            id: id.into(),
            status: ImageStatus::Available,
            architecture: "x86_64".into(),
            os_type: "linux".into(),
            size_gib: 40,
        };
        Self {
            now: 1_700_000_000,
            group: Some(ScalingGroup {
                id: GROUP.into(),
                group_type: GroupType::Ecs,
                state: GroupState::Active,
                suspended_processes: Vec::new(),
                active_scaling_configuration: Some("asc-1".into()),
                launch_template: None,
                total_instances: 0,
                instances_in_motion: 0,
                instances_held: 0,
                monitor_group: None,
                server_groups: Vec::new(),
                tags: BTreeMap::new(),
            }),
            instances: ids
                .iter()
                .map(|id| ScalingInstance {
                    id: id.clone(),
                    state: LifecycleState::InService,
                    creation_type: "AutoCreated".into(),
                    load_balancer_weight: Some(50),
                    scaling_configuration: Some("asc-1".into()),
                })
                .collect(),
            ecs: ids
                .iter()
                .map(|id| EcsInstance {
                    id: id.clone(),
                    status: EcsStatus::Running,
                    image: OLD_IMAGE.into(),
                    os_type: "linux".into(),
                    instance_type: "ecs.g7.large".into(),
                    addresses: Vec::new(),
                })
                .collect(),
            configuration_image: OLD_IMAGE.into(),
            other_configurations: BTreeMap::new(),
            hidden: BTreeSet::new(),
            account: Some("1001".into()),
            container_groups: Vec::new(),
            configuration_containers: Vec::new(),
            images: vec![image(OLD_IMAGE), image(NEW_IMAGE)],
            template: Some(Template {
                name: String::new(),
                version: "v3".into(),
            }),
            packages: BTreeMap::new(),
            installed: BTreeMap::new(),
            activities: Vec::new(),
            unlisted: 0,
            refreshes: Vec::new(),
            held: Vec::new(),
            diagnosis: Vec::new(),
            metric_rules: Vec::new(),
            rules_of_group: Vec::new(),
            not_normal: BTreeMap::new(),
            weights: BTreeMap::new(),
            not_attached: BTreeSet::new(),
            being_added: BTreeSet::new(),
            not_checked: BTreeSet::new(),
            forwarded: true,
            checked: true,
            alarms: Vec::new(),
            invocations: BTreeMap::new(),
            executions: Vec::new(),
            tasks: BTreeMap::new(),
            runs: Vec::new(),
            failing: BTreeMap::new(),
            slow: BTreeMap::new(),
            oos: Oos::default(),
            notified: Vec::new(),
            notified_sent: Vec::new(),
            begun: Vec::new(),
            pause_after_last: false,
            update_date_moves: true,
            frozen: false,
            lag: 0,
            lag_of_parts: 0,
            lag_of_tasks: 0,
            tagging_denied: false,
            tags_ignored: false,
            passed_over_at_once: false,
            fates: Vec::new(),
            broken: BTreeMap::new(),
            sent: Vec::new(),
            approved: Vec::new(),
            late: Vec::new(),
            sent_at: 0,
            tokens: BTreeMap::new(),
            history: Vec::new(),
            suspended_before: Vec::new(),
            lag_of_group: 0,
            scaling_meanwhile: Vec::new(),
        }
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    pub fn count(&self, name: &str) -> usize {
        self.sent
            .iter()
            .filter(|m| mutation_name(m) == name)
            .count()
    }

    pub fn suspended(&self) -> BTreeSet<String> {
        let group = self.group.iter().flat_map(|g| &g.suspended_processes);
        group.map(|p| p.as_str().to_owned()).collect()
    }

    pub fn root(&mut self) -> &mut Execution {
        self.executions
            .iter_mut()
            .find(|e| e.parent.is_none())
            .unwrap()
    }

    /// An instance in Standby gets no traffic, and one that comes back gets its share again.
    pub fn set_state(&mut self, id: &str, state: LifecycleState) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.id == id) {
            let serves = state != LifecycleState::Standby;
            instance.load_balancer_weight = Some(if serves { 50 } else { 0 });
            instance.state = state;
        }
    }

    pub fn set_ecs(&mut self, id: &str, status: EcsStatus) {
        for ecs in self.ecs.iter_mut().filter(|ecs| ecs.id == id) {
            ecs.status = status.clone();
        }
    }

    // ---- reads

    fn backend_servers(&self) -> Vec<BackendServer> {
        let attached = self.instances.iter();
        let attached = attached.filter(|member| !self.not_attached.contains(&member.id));
        let server = |member: &ScalingInstance| {
            let serves = member.state != LifecycleState::Standby;
            let usual = if serves { 50 } else { 0 };
            BackendServer {
                server: member.id.clone(),
                port: 80,
                weight: self.weights.get(&member.id).copied().unwrap_or(usual),
                available: !self.being_added.contains(&member.id),
            }
        };
        attached.map(server).collect()
    }

    fn health(&self, id: &str) -> HealthOfServer {
        let normal = (ServerHealth::Normal, String::new());
        let (health, reason) = self.not_normal.get(id).cloned().unwrap_or(normal);
        HealthOfServer {
            server: id.to_owned(),
            port: 80,
            health,
            reason,
        }
    }

    fn health_of_groups(&self) -> Vec<HealthOfGroup> {
        let of_group = |group: &str| HealthOfGroup {
            group: group.to_owned(),
            checked: self.checked,
            not_normal: self.not_normal.keys().map(|id| self.health(id)).collect(),
        };
        let groups = ["sgp-other", "sgp-1"].into_iter();
        let groups = groups.filter(|group| self.forwarded || *group != "sgp-1");
        groups.map(of_group).collect()
    }

    pub fn answer(&self, query: &Query) -> Result<Answer, CloudError> {
        let name = query_name(query);
        if let Some(class) = self.broken.get(name) {
            return Err(error(name, *class, Outcome::NoEffect));
        }
        let (mut executions, tasks) = self.listed();
        let shows = |id: &str| {
            let hides = |id: &str| self.hidden.contains(&(name, id.to_owned()));
            !hides(id) && !hides("*")
        };
        executions.retain(|e| shows(&e.id));
        Ok(match query {
            Query::ScalingGroup { group } | Query::ScalingGroupInList { group } => {
                let mut found = self.group.clone().filter(|_| shows(group));
                if let Some(group) = &mut found {
                    let count = self.instances.len() + self.unlisted;
                    group.total_instances = i64::try_from(count).unwrap();
                    let mut before = self.suspended_before.iter();
                    let shown = before.find(|(until, _)| *until > self.now - self.lag_of_group);
                    if let Some((_, suspended)) = shown {
                        group.suspended_processes.clone_from(suspended);
                    }
                }
                Answer::ScalingGroup(found)
            }
            Query::ScalingGroups { .. } | Query::ScalingConfigurations { .. } => {
                panic!("a question of the reader")
            }
            Query::InstanceRefreshes { .. } => Answer::InstanceRefreshes(self.refreshes.clone()),
            Query::LifecycleActions { .. } => Answer::LifecycleActions(self.held.clone()),
            Query::Diagnosis { .. } => Answer::Diagnosis(self.diagnosis.clone()),
            Query::MetricRules { rules } => {
                let all = self.metric_rules.iter();
                Answer::Alarms(
                    all.filter(|rule| rules.contains(&rule.id))
                        .cloned()
                        .collect(),
                )
            }
            Query::MetricRulesOfGroup { .. } => Answer::Alarms(self.rules_of_group.clone()),
            Query::Alarms { .. } => Answer::Alarms(self.alarms.clone()),
            Query::BackendServers { .. } => Answer::BackendServers(self.backend_servers()),
            Query::HealthOfServers { .. } => {
                let servers = self.backend_servers().into_iter();
                let checked = servers.filter(|s| !self.not_checked.contains(&s.server));
                Answer::HealthOfServers(checked.map(|s| self.health(&s.server)).collect())
            }
            Query::Listeners { .. } => Answer::Listeners(vec!["lsn-1".into()]),
            Query::HealthOfGroups { .. } => Answer::HealthOfGroups(self.health_of_groups()),
            Query::ScalingInstances { .. } => {
                let shown = self.instances.iter().filter(|i| shows(&i.id));
                Answer::ScalingInstances(shown.cloned().collect())
            }
            Query::ScalingInstancesById { instances, .. } => {
                let asked = self.instances.iter().filter(|i| instances.contains(&i.id));
                Answer::ScalingInstances(asked.filter(|i| shows(&i.id)).cloned().collect())
            }
            Query::Account => Answer::Account(self.account.clone()),
            Query::ActivitiesInProgress { .. } => Answer::Activities(self.activities.clone()),
            Query::ScalingConfiguration { configuration }
            | Query::ScalingConfigurationInGroup { configuration, .. } => {
                let other = self.other_configurations.get(configuration);
                let image = other.unwrap_or(&self.configuration_image).clone();
                let found = ScalingConfiguration {
                    id: configuration.clone(),
                    group: GROUP.into(),
                    image: Some(image),
                };
                Answer::ScalingConfiguration(shows(configuration).then_some(found))
            }
            Query::EciScalingConfiguration { configuration }
            | Query::EciScalingConfigurationInGroup { configuration, .. } => {
                let found = self.eci_configuration(configuration);
                Answer::EciScalingConfiguration(found.filter(|_| shows(configuration)))
            }
            Query::ContainerGroups { groups } => Answer::ContainerGroups(
                self.container_groups
                    .iter()
                    .filter(|group| groups.contains(&group.id) && shows(&group.id))
                    .cloned()
                    .collect(),
            ),
            Query::Image { image } => {
                Answer::Image(self.images.iter().find(|i| i.id == *image).cloned())
            }
            Query::EcsInstances { instances } => Answer::EcsInstances(
                self.ecs
                    .iter()
                    .filter(|e| instances.contains(&e.id) && shows(&e.id))
                    .cloned()
                    .collect(),
            ),
            Query::Executions(filter) => Answer::Executions(Arc::new(
                executions
                    .into_iter()
                    .filter(|e| match filter {
                        ExecutionFilter::Id(id) => e.id == *id,
                        ExecutionFilter::ChildrenOf(id) => e.parent.as_ref() == Some(id),
                        ExecutionFilter::NestedSince(_)
                        | ExecutionFilter::TaggedProgress { .. } => {
                            panic!("a question of the poller")
                        }
                        ExecutionFilter::Tagged { tags, .. } => {
                            let fits = || tags.iter().all(|(k, v)| e.tags.get(k) == Some(v));
                            e.parent.is_none() && (self.tags_ignored || fits())
                        }
                        ExecutionFilter::NewestByTemplate(text) => {
                            e.parent.is_none() && e.template_name.contains(text.as_str())
                        }
                        ExecutionFilter::ActiveByTemplate(text) => {
                            e.parent.is_none()
                                && e.template_name.contains(text.as_str())
                                && !e.status.is_final()
                        }
                    })
                    .collect(),
            )),
            Query::TaskExecutions { execution } => {
                let tasks = tasks.get(execution).filter(|_| shows(execution));
                let mut tasks = tasks.cloned().unwrap_or_default();
                tasks.retain(|task| shows(&task.id));
                Answer::TaskExecutions(tasks)
            }
            Query::Template { .. } => Answer::Template(self.template.clone()),
            Query::Package { name, version } => Answer::Package(self.package(name, version)),
            Query::InstancePackage { instance, package } => Answer::InstancePackage(
                self.installed
                    .get(instance)
                    .and_then(|installed| installed.get(package))
                    .cloned(),
            ),
            Query::Invocation {
                invocation,
                instance,
            } => Answer::Invocation(
                self.invocations
                    .get(&(invocation.clone(), instance.clone()))
                    .cloned(),
            ),
        })
    }

    fn package(&self, name: &str, version: &Option<String>) -> Option<Package> {
        let versions = self.packages.get(name)?;
        let version = match version {
            None => versions.last(),
            Some(version) => versions.iter().find(|v| *v == version),
        };
        Some(Package {
            name: name.into(),
            version: version?.clone(),
            template_type: "Package".into(),
        })
    }

    fn listed(&self) -> Listed {
        let behind = |lag: i64| match lag {
            0 => self.everything(),
            lag => {
                let mut known = self.history.iter().rev();
                let known = known.find(|(time, _)| *time <= self.now - lag);
                known.map(|(_, listed)| listed.clone()).unwrap_or_default()
            }
        };
        let (mut executions, mut tasks) = behind(self.lag);
        if self.lag_of_parts > self.lag {
            let (parts, older) = behind(self.lag_of_parts);
            executions.retain(|e| e.parent.is_none());
            executions.extend(parts.into_iter().filter(|e| e.parent.is_some()));
            tasks = older;
        }
        if self.lag_of_tasks > self.lag.max(self.lag_of_parts) {
            tasks = behind(self.lag_of_tasks).1;
        }
        (executions, tasks)
    }

    /// What lists show that are up to date: with the task of each loop over instances, which ends
    /// before the execution does.
    fn everything(&self) -> Listed {
        let mut tasks = self.tasks.clone();
        for run in &self.runs {
            let root = self.executions.iter().find(|e| e.id == run.root);
            let status = root.map_or(ExecutionStatus::Running, |root| root.status.clone());
            let mut task = self.item(&run.root, "", 0, None, status);
            if run.over {
                task.status = ExecutionStatus::Success;
            }
            (task.id, task.parent) = ("loop".to_owned(), None);
            (task.loop_batch, task.loop_item) = (None, None);
            tasks.entry(run.root.clone()).or_default().push(task);
        }
        (self.executions.clone(), tasks)
    }

    // ---- writes

    pub fn mutate(&mut self, mutation: &Mutation) -> Result<Done, CloudError> {
        self.sent.push(mutation.clone());
        self.sent_at = self.now;
        let name = mutation_name(mutation);
        if let Some(class) = self.broken.get(name) {
            return Err(error(name, *class, Outcome::NoEffect));
        }
        let fate = if self.fates.is_empty() {
            Fate::Answered
        } else {
            self.fates.remove(0)
        };
        let unknown = || Err(error(name, ErrorClass::Retry, Outcome::Unknown));
        match fate {
            Fate::Answered => self.apply(mutation),
            Fate::AnswerLost => {
                let _ = self.apply(mutation);
                unknown()
            }
            Fate::Late(seconds) => {
                self.late
                    .push((self.now + seconds, self.now, mutation.clone()));
                unknown()
            }
            Fate::Lost => unknown(),
            Fate::Refused(class) => Err(error(name, class, Outcome::NoEffect)),
        }
    }

    fn apply(&mut self, mutation: &Mutation) -> Result<Done, CloudError> {
        let conflict = error(
            mutation_name(mutation),
            ErrorClass::Conflict,
            Outcome::NoEffect,
        );
        match mutation {
            Mutation::StartExecution(start) => return self.start(start),
            Mutation::NotifyExecution {
                execution,
                notify,
                task_execution,
                loop_item,
                ..
            } if *notify != NotifyType::Approve => {
                self.notify(
                    *notify,
                    execution,
                    task_execution.as_deref(),
                    loop_item.as_deref(),
                )?;
            }
            Mutation::NotifyExecution { execution, .. } => {
                let run = self.runs.iter_mut().find(|r| r.root == *execution);
                let Some(batch) = run.and_then(|r| r.paused_after.take()) else {
                    return Err(conflict);
                };
                self.approved.push(batch);
                self.next_batch(execution);
            }
            Mutation::CancelExecution { execution } => {
                if !self.executions.iter().any(|e| e.id == *execution) {
                    return Err(error(
                        "CancelExecution",
                        ErrorClass::NotFound,
                        Outcome::NoEffect,
                    ));
                }
                self.end(execution, ExecutionStatus::Cancelled);
            }
            Mutation::SuspendProcesses { processes, .. } => self.suspend(processes, true),
            Mutation::ResumeProcesses { processes, .. } => {
                let goes_on = |root: &String| {
                    let mut roots = self.executions.iter().filter(|e| e.id == *root);
                    roots.any(|root| !root.status.is_final())
                };
                let runs = self.runs.iter().filter(|run| !run.over);
                let runs = runs.filter(|run| run.paused_after.is_none() && goes_on(&run.root));
                self.scaling_meanwhile.extend(runs.map(|run| run.batch));
                self.suspend(processes, false);
            }
            Mutation::ExitStandby { instances, .. } => {
                for id in instances {
                    let mut ecs = self.ecs.iter().filter(|ecs| ecs.id == *id);
                    let runs = ecs.any(|ecs| ecs.status == EcsStatus::Running);
                    assert!(runs || self.group_serves(id), "{id} would not serve");
                    self.set_state(id, LifecycleState::InService);
                }
            }
            Mutation::SetInstancesProtection {
                instances,
                protected,
                ..
            } => {
                for id in instances {
                    let state = if *protected {
                        LifecycleState::Protected
                    } else {
                        LifecycleState::InService
                    };
                    self.set_state(id, state);
                }
            }
            Mutation::ModifyScalingConfiguration {
                image,
                configuration,
            } => {
                let other = self.other_configurations.get_mut(configuration);
                other
                    .unwrap_or(&mut self.configuration_image)
                    .clone_from(image);
            }
            Mutation::ModifyEciScalingConfiguration {
                containers, update, ..
            } => containers::change(&mut self.configuration_containers, containers, *update),
            Mutation::StartInstance { instance } => self.set_ecs(instance, EcsStatus::Running),
        }
        self.remember();
        Ok(Done::Accepted {
            request_id: "req-2".into(),
        })
    }

    fn suspend(&mut self, processes: &[Process], suspended: bool) {
        let Some(group) = &mut self.group else { return };
        let before = group.suspended_processes.clone();
        self.suspended_before.push((self.now, before));
        for process in processes {
            group.suspended_processes.retain(|p| p != process);
            if suspended {
                group.suspended_processes.push(process.clone());
            }
        }
        group.suspended_processes.sort();
    }

    fn start(&mut self, start: &StartExecution) -> Result<Done, CloudError> {
        if let Some(id) = self.tokens.get(&start.client_token) {
            let execution = self.executions.iter().find(|e| e.id == *id).unwrap();
            if execution.parameters != start.parameters {
                let outcome = Outcome::NoEffect;
                return Err(error("StartExecution", ErrorClass::TokenMismatch, outcome));
            }
            return Ok(Done::Started {
                execution: Box::new(execution.clone()),
                request_id: "req-2".into(),
            });
        }
        let id = format!("exec-{}", self.runs.len() + 1);
        self.tokens.insert(start.client_token.clone(), id.clone());
        let text = |name: &str| {
            let value = start.parameters.get(name).and_then(|v| v.as_str());
            value.unwrap_or("").to_owned()
        };
        let source = self.source(start);
        let (items, exit) = match &source {
            Some((items, exit)) => (items.clone(), exit.clone()),
            None => self.invoked(start),
        };
        let wanted = start.parameters["batchNumber"].as_i64().unwrap() as i32;
        let batch_of = items
            .iter()
            .cloned()
            .zip(batches::assign(items.len(), wanted))
            .collect();
        let image = match (&source, start.parameters.contains_key("maxErrors")) {
            (_, false) => None,
            (Some(_), true) => Some(text("sourceImageId")),
            (None, true) => Some(text("imageId")),
        };
        let mut execution = execution(&id, None, &start.template_name, self.time());
        execution.parameters = start.parameters.clone();
        execution.tags = start.tags.iter().cloned().collect();
        self.executions.push(execution.clone());
        self.suspend(&Process::ALL, true);
        if image.is_some() && !text("scalingConfigurationId").is_empty() {
            self.configuration_image = text("imageId");
        }
        let max_errors = start.parameters.get("maxErrors").and_then(|v| v.as_u64());
        self.runs.push(Run {
            root: id.clone(),
            items,
            batch_of,
            option: text("batchPauseOption"),
            suspend_on_failure: start.mode == ExecutionMode::FailurePause,
            max_errors: max_errors.unwrap_or(0) as usize,
            exit,
            image,
            containers: containers::update_of(start),
            batch: 0,
            over: false,
            paused_after: None,
            attempts: BTreeMap::new(),
            unresolved: BTreeSet::new(),
            passed_over: BTreeMap::new(),
        });
        self.next_batch(&id);
        Ok(Done::Started {
            execution: Box::new(execution),
            request_id: "req-2".into(),
        })
    }
}

impl Cloud {
    /// Who takes part in an update, and what is resumed after it.
    fn invoked(&self, start: &StartExecution) -> (Vec<String>, Vec<Process>) {
        let exit = start.parameters["exitProcess"].as_array().unwrap();
        let exit = exit.iter().map(|p| p.as_str().unwrap().into()).collect();
        // The template of container groups does not declare it.
        let in_service = json!(["InService"]);
        let states = start
            .parameters
            .get("lifecycleState")
            .unwrap_or(&in_service);
        let states = states.as_array().unwrap();
        let mut items: Vec<String> = self
            .instances
            .iter()
            .filter(|i| states.contains(&json!(i.state.as_str())))
            .map(|i| i.id.clone())
            .collect();
        items.sort();
        (items, exit)
    }

    /// The same of a rollback: every instance that the source has a nested execution for, and the
    /// processes of the source.
    fn source(&self, start: &StartExecution) -> Option<(Vec<String>, Vec<Process>)> {
        let id = start.parameters.get("sourceExecutionId")?.as_str()?;
        let mut items: Vec<String> = self
            .executions
            .iter()
            .filter(|e| e.parent.as_deref() == Some(id))
            .filter_map(|e| Some(e.parameters["instanceId"].as_str()?.to_owned()))
            .collect();
        items.sort();
        let each = items.len();
        items.dedup();
        let containers = start.parameters.contains_key("containerConfigure");
        assert!(
            !containers || items.len() == each,
            "updated twice at a time"
        );
        let run = self.runs.iter().find(|run| run.root == id)?;
        Some((items, run.exit.clone()))
    }
}

/// An execution that has just begun.
pub fn execution(id: &str, parent: Option<&str>, template: &str, start: Timestamp) -> Execution {
    Execution {
        id: id.into(),
        parent: parent.map(str::to_owned),
        template_name: template.into(),
        template_version: "v3".into(),
        status: ExecutionStatus::Running,
        status_message: String::new(),
        waiting_status: String::new(),
        mode: String::new(),
        safety_check: String::new(),
        category: "Other".into(),
        executed_by: "somebody@example.com".into(),
        start: Some(start),
        end: None,
        updated: Some(start),
        parameters: Map::new(),
        counters: Map::new(),
        current_actions: Vec::new(),
        tags: BTreeMap::new(),
    }
}
