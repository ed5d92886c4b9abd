//! A cloud that builds images and puts them into configurations as the public template does, small
//! enough to be seen through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ess_rollout_cloud::{
    Answer, CloudError, Done, EcsInstance, EcsStatus, ErrorClass, Execution, ExecutionFilter,
    ExecutionStatus, GroupState, GroupType, Image, ImageStatus, Mutation, Outcome, Query,
    ScalingConfiguration, ScalingGroup, StartExecution, TaskExecution, Template,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The group of all tests.
pub const GROUP: &str = "asg-example";
/// The instance that images are built from.
pub const SOURCE: &str = "i-source";
/// What the configurations carry at first.
pub const OLD_IMAGE: &str = "m-old";
/// How long an image takes, seconds.
pub const BUILD_SECONDS: i64 = 600;
/// How long the template waits for an image that failed.
const DAY: i64 = 86_400;

/// What becomes of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It takes effect and the answer is lost.
    AnswerLost,
    /// The answer is lost and it takes effect so many seconds later.
    Late(i64),
    /// It never arrives.
    Lost,
    /// The service refuses it.
    Refused(ErrorClass),
    /// It is answered as if all were well.
    Answered,
}

/// An execution of the template.
#[derive(Debug, Clone)]
pub struct Run {
    pub root: String,
    pub image: Option<String>,
    configurations: Vec<String>,
    /// When something happens next.
    due: i64,
}

#[derive(Debug, Clone)]
pub struct Cloud {
    pub now: i64,
    pub group: Option<ScalingGroup>,
    /// By id: the group, and the image.
    pub configurations: BTreeMap<String, (String, String)>,
    pub images: BTreeMap<String, Image>,
    pub instance: Option<EcsInstance>,
    pub template: Option<Template>,
    /// Whose the credentials are; none: STS does not say.
    pub account: Option<String>,
    /// Queries that answer that nothing of the sort is there.
    pub empty: BTreeSet<&'static str>,
    pub executions: Vec<Execution>,
    pub tasks: BTreeMap<String, Vec<TaskExecution>>,
    pub runs: Vec<Run>,
    /// Whether images come to nothing.
    pub images_fail: bool,
    /// Configurations that take no image from OOS, though it says that they did.
    pub deaf: Vec<String>,
    /// What becomes of the next mutations, first to last; then all are answered.
    pub fates: Vec<Fate>,
    /// Calls that fail, by the name of the query or mutation.
    pub broken: BTreeMap<&'static str, ErrorClass>,
    /// A configuration that answers leave out between two times.
    pub hidden: Option<String>,
    pub hidden_from: i64,
    pub hidden_until: i64,
    /// How many queries were answered.
    pub asked: std::cell::Cell<usize>,
    /// Every mutation that was sent.
    pub sent: Vec<Mutation>,
    late: Vec<(i64, Mutation)>,
    tokens: BTreeMap<String, String>,
}

pub fn error(call: &str, class: ErrorClass, outcome: Outcome) -> CloudError {
    CloudError {
        call: call.to_owned(),
        class,
        outcome,
        code: format!("{class:?}"),
        message: "as scripted".into(),
        request_id: Some("req-1".into()),
        missing_action: (class == ErrorClass::Denied).then(|| format!("ram:{call}")),
        retry_after: None,
    }
}

fn query_name(query: &Query) -> &'static str {
    match query {
        Query::ScalingGroup { .. } => "ScalingGroup",
        Query::ScalingConfiguration { .. } => "ScalingConfiguration",
        Query::ScalingConfigurationInGroup { .. } => "ScalingConfigurationInGroup",
        Query::Account => "Account",
        Query::Image { .. } => "Image",
        Query::EcsInstances { .. } => "EcsInstances",
        Query::Executions(ExecutionFilter::ChildrenOf(_)) => "Children",
        Query::Executions(ExecutionFilter::Tagged { .. }) => "TaggedExecutions",
        Query::Executions(_) => "Execution",
        Query::TaskExecutions { .. } => "TaskExecutions",
        Query::Template { .. } => "Template",
        other => panic!("not a query of image update tasks: {other:?}"),
    }
}

pub fn mutation_name(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::StartExecution(_) => "StartExecution",
        Mutation::CancelExecution { .. } => "CancelExecution",
        Mutation::ModifyScalingConfiguration { .. } => "ModifyScalingConfiguration",
        other => panic!("not a call of image update tasks: {other:?}"),
    }
}

pub fn image(id: &str, status: ImageStatus) -> Image {
    Image {
        id: id.into(),
        status,
        architecture: "x86_64".into(),
        os_type: "linux".into(),
        size_gib: 40,
    }
}

impl Cloud {
    pub fn at(now: i64) -> Self {
        let configured = |id: &str| (id.to_owned(), (GROUP.to_owned(), OLD_IMAGE.to_owned()));
        let old = image(OLD_IMAGE, ImageStatus::Available);
        Self {
            now,
            group: Some(ScalingGroup {
                id: GROUP.into(),
                group_type: GroupType::Ecs,
                state: GroupState::Active,
                suspended_processes: Vec::new(),
                active_scaling_configuration: Some("asc-1".into()),
                launch_template: None,
                total_instances: 2,
                instances_in_motion: 0,
                instances_held: 0,
                monitor_group: None,
                server_groups: Vec::new(),
                tags: std::collections::BTreeMap::new(),
            }),
            configurations: [configured("asc-1"), configured("asc-2")].into(),
            images: [(OLD_IMAGE.to_owned(), old)].into(),
            account: Some("1001".into()),
            empty: BTreeSet::new(),
            instance: Some(EcsInstance {
                id: SOURCE.into(),
                status: EcsStatus::Running,
                image: OLD_IMAGE.into(),
                os_type: "linux".into(),
                instance_type: "ecs.g7.large".into(),
                addresses: Vec::new(),
            }),
            template: Some(Template {
                name: "ACS-ESS-CreateImageAndUpdateScalingConfiguration".into(),
                version: "v3".into(),
            }),
            executions: Vec::new(),
            tasks: BTreeMap::new(),
            runs: Vec::new(),
            images_fail: false,
            deaf: Vec::new(),
            fates: Vec::new(),
            broken: BTreeMap::new(),
            hidden: None,
            hidden_from: 0,
            hidden_until: 0,
            asked: std::cell::Cell::new(0),
            sent: Vec::new(),
            late: Vec::new(),
            tokens: BTreeMap::new(),
        }
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    pub fn count(&self, name: &str) -> usize {
        let named = self.sent.iter().filter(|m| mutation_name(m) == name);
        named.count()
    }

    pub fn carried(&self, configuration: &str) -> &str {
        &self.configurations[configuration].1
    }

    pub fn started(&self) -> Option<&StartExecution> {
        self.sent.iter().rev().find_map(|sent| match sent {
            Mutation::StartExecution(start) => Some(start),
            _ => None,
        })
    }

    /// Lets time pass, from one thing that happens to the next.
    pub fn advance(&mut self, seconds: i64) {
        let end = self.now + seconds;
        loop {
            let late = self.late.iter().map(|(time, _)| *time).min();
            let due = self.active().map(|run| run.due).min();
            let next = late
                .into_iter()
                .chain(due)
                .min()
                .filter(|next| *next <= end);
            let Some(next) = next else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            let calls: Vec<Mutation> = self
                .late
                .extract_if(.., |(time, _)| *time <= now)
                .map(|(_, mutation)| mutation)
                .collect();
            for mutation in calls {
                let _ = self.apply(&mutation);
            }
            let roots: Vec<String> = self
                .active()
                .filter(|run| run.due <= now)
                .map(|run| run.root.clone())
                .collect();
            for root in roots {
                self.work(&root);
            }
        }
        self.now = end;
    }

    fn active(&self) -> impl Iterator<Item = &Run> {
        let ended = |root: &str| {
            let found = self.executions.iter().find(|e| e.id == *root);
            found.is_none_or(|e| e.status.is_final())
        };
        // The newest alone can be under way, but for those that were started by somebody else.
        let newest = self.runs.len().saturating_sub(8);
        self.runs[newest..]
            .iter()
            .filter(move |run| !ended(&run.root))
    }

    pub fn answer(&self, query: &Query) -> Result<Answer, CloudError> {
        let name = query_name(query);
        self.asked.set(self.asked.get() + 1);
        if let Some(class) = self.broken.get(name) {
            return Err(error(name, *class, Outcome::NoEffect));
        }
        Ok(match query {
            Query::ScalingGroup { .. } => Answer::ScalingGroup(self.group.clone()),
            Query::Account => Answer::Account(self.account.clone()),
            Query::ScalingConfiguration { configuration }
            | Query::ScalingConfigurationInGroup { configuration, .. } => {
                let hidden = self.hidden.as_ref() == Some(configuration)
                    && (self.hidden_from..self.hidden_until).contains(&self.now);
                let hidden = hidden || self.empty.contains(name);
                let found = self.configurations.get(configuration).filter(|_| !hidden);
                Answer::ScalingConfiguration(found.map(|(group, image)| ScalingConfiguration {
                    id: configuration.clone(),
                    group: group.clone(),
                    image: Some(image.clone()),
                }))
            }
            Query::Image { image } => Answer::Image(self.images.get(image).cloned()),
            Query::EcsInstances { instances } => {
                let found = self.instance.iter().filter(|i| instances.contains(&i.id));
                Answer::EcsInstances(found.cloned().collect())
            }
            Query::Executions(filter) => {
                let wanted = |e: &&Execution| match filter {
                    ExecutionFilter::Id(id) => e.id == *id,
                    ExecutionFilter::ChildrenOf(id) => e.parent.as_ref() == Some(id),
                    ExecutionFilter::NestedSince(_) | ExecutionFilter::TaggedProgress { .. } => {
                        panic!("a question of the poller")
                    }
                    ExecutionFilter::Tagged { tags, .. } => {
                        e.parent.is_none() && tags.iter().all(|(k, v)| e.tags.get(k) == Some(v))
                    }
                    ExecutionFilter::NewestByTemplate(text) => {
                        e.parent.is_none() && e.template_name.contains(text.as_str())
                    }
                    ExecutionFilter::ActiveByTemplate(text) => {
                        e.parent.is_none()
                            && e.template_name.contains(text.as_str())
                            && !e.status.is_final()
                    }
                };
                Answer::Executions(Arc::new(
                    self.executions.iter().filter(wanted).cloned().collect(),
                ))
            }
            Query::TaskExecutions { execution } => {
                Answer::TaskExecutions(self.tasks.get(execution).cloned().unwrap_or_default())
            }
            Query::Template { .. } => Answer::Template(self.template.clone()),
            other => panic!("not a query of image update tasks: {other:?}"),
        })
    }

    pub fn mutate(&mut self, mutation: &Mutation) -> Result<Done, CloudError> {
        let name = mutation_name(mutation);
        self.sent.push(mutation.clone());
        if let Some(class) = self.broken.get(name) {
            return Err(error(name, *class, Outcome::NoEffect));
        }
        let fate = match self.fates.is_empty() {
            true => Fate::Answered,
            false => self.fates.remove(0),
        };
        let unknown = || Err(error(name, ErrorClass::Retry, Outcome::Unknown));
        match fate {
            Fate::Answered => self.apply(mutation),
            Fate::AnswerLost => {
                let _ = self.apply(mutation);
                unknown()
            }
            Fate::Late(seconds) => {
                self.late.push((self.now + seconds, mutation.clone()));
                unknown()
            }
            Fate::Lost => unknown(),
            Fate::Refused(class) => Err(error(name, class, Outcome::NoEffect)),
        }
    }

    fn apply(&mut self, mutation: &Mutation) -> Result<Done, CloudError> {
        match mutation {
            Mutation::StartExecution(start) => return self.start(start),
            Mutation::CancelExecution { execution } => {
                if !self.executions.iter().any(|e| e.id == *execution) {
                    let class = ErrorClass::NotFound;
                    return Err(error("CancelExecution", class, Outcome::NoEffect));
                }
                self.end(execution, ExecutionStatus::Cancelled);
            }
            Mutation::ModifyScalingConfiguration {
                configuration,
                image,
            } => {
                let Some(found) = self.configurations.get_mut(configuration) else {
                    let class = ErrorClass::NotFound;
                    return Err(error(
                        "ModifyScalingConfiguration",
                        class,
                        Outcome::NoEffect,
                    ));
                };
                found.1.clone_from(image);
            }
            other => panic!("not a call of image update tasks: {other:?}"),
        }
        Ok(Done::Accepted {
            request_id: "req-2".into(),
        })
    }

    fn start(&mut self, start: &StartExecution) -> Result<Done, CloudError> {
        let answered = |execution: &Execution| Done::Started {
            execution: Box::new(execution.clone()),
            request_id: "req-2".into(),
        };
        if let Some(id) = self.tokens.get(&start.client_token) {
            let execution = self.executions.iter().find(|e| e.id == *id).unwrap();
            if execution.parameters != start.parameters {
                let class = ErrorClass::TokenMismatch;
                return Err(error("StartExecution", class, Outcome::NoEffect));
            }
            return Ok(answered(execution));
        }
        let number = self.runs.len() + 1;
        let root = format!("exec-{number}");
        self.tokens.insert(start.client_token.clone(), root.clone());
        let mut execution = self.execution(&root, None, &start.template_name);
        execution.parameters.clone_from(&start.parameters);
        execution.tags = start.tags.iter().cloned().collect();
        let done = answered(&execution);
        self.executions.push(execution);
        let child = format!("{root}-image");
        let mut nested = self.execution(&child, Some(&root), "ACS::ECS::CreateImage");
        let source = self.instance.as_ref();
        let gone = source.is_none_or(|i| start.parameters["instanceId"] != json!(i.id));
        let image = (!gone).then(|| format!("m-{number}"));
        let mut outputs = Map::new();
        match &image {
            Some(id) => {
                outputs.insert("imageId".into(), json!(id));
                self.images
                    .insert(id.clone(), self::image(id, ImageStatus::Creating));
            }
            None => nested.status = ExecutionStatus::Success,
        }
        self.executions.push(nested);
        let task = self.task(&child, "createImage", ExecutionStatus::Success, outputs);
        self.tasks.insert(child, vec![task]);
        let ids = start.parameters["scalingConfigurationIds"].as_array();
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        let takes = if gone { 10 } else { BUILD_SECONDS };
        self.runs.push(Run {
            root,
            image,
            configurations: ids.map(str::to_owned).collect(),
            due: self.now + takes,
        });
        Ok(done)
    }

    fn work(&mut self, root: &str) {
        let index = self.runs.iter().position(|run| run.root == *root).unwrap();
        let run = self.runs[index].clone();
        let Some(id) = run.image.clone() else {
            let why = "ImageId is missing";
            let task = self.task(
                root,
                "modifyScalingConfiguration",
                ExecutionStatus::Failed,
                Map::new(),
            );
            self.tasks.insert(
                root.to_owned(),
                vec![TaskExecution {
                    status_message: why.into(),
                    ..task
                }],
            );
            return self.end(root, ExecutionStatus::Failed);
        };
        let waited = self.images[&id].status == ImageStatus::CreateFailed;
        if waited {
            return self.end(root, ExecutionStatus::Failed);
        }
        if self.images_fail {
            self.images.get_mut(&id).unwrap().status = ImageStatus::CreateFailed;
            self.runs[index].due += DAY;
            return;
        }
        self.images.get_mut(&id).unwrap().status = ImageStatus::Available;
        for configuration in &run.configurations {
            if self.deaf.contains(configuration) {
                continue;
            }
            if let Some(found) = self.configurations.get_mut(configuration) {
                found.1.clone_from(&id);
            }
        }
        let mut outputs = Map::new();
        outputs.insert("imageId".into(), json!(id));
        let task = self.task(root, "createImage", ExecutionStatus::Success, outputs);
        self.tasks.insert(root.to_owned(), vec![task]);
        self.end(root, ExecutionStatus::Success);
    }

    /// Ends an execution and what is nested in it.
    pub fn end(&mut self, root: &str, status: ExecutionStatus) {
        let time = self.time();
        for e in self.executions.iter_mut().rev().take(16) {
            let own = e.id == *root || e.parent.as_deref() == Some(root);
            if own && !e.status.is_final() {
                (e.status, e.end) = (status.clone(), Some(time));
            }
        }
    }

    fn execution(&self, id: &str, parent: Option<&str>, template: &str) -> Execution {
        Execution {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            template_name: template.to_owned(),
            template_version: "v3".into(),
            status: ExecutionStatus::Running,
            status_message: String::new(),
            waiting_status: String::new(),
            mode: String::new(),
            safety_check: String::new(),
            category: "Other".into(),
            executed_by: "somebody@example.com".into(),
            start: Some(self.time()),
            end: None,
            updated: Some(self.time()),
            parameters: Map::new(),
            counters: Map::new(),
            current_actions: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    fn task(
        &self,
        execution: &str,
        name: &str,
        status: ExecutionStatus,
        outputs: Map<String, Value>,
    ) -> TaskExecution {
        TaskExecution {
            id: format!("{execution}.{name}"),
            name: name.to_owned(),
            action: String::new(),
            parent: None,
            child_execution: None,
            status,
            status_message: String::new(),
            start: Some(self.time()),
            end: Some(self.time()),
            loop_batch: None,
            loop_item: None,
            outputs,
        }
    }
}
