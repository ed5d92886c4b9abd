//! Stand-ins for the ports of a pass: an apiserver in memory that refuses stale versions, a cloud
//! that answers by script, and one journal of everything that was written or sent.

use std::{
    collections::VecDeque,
    future::{Future, pending, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use ess_rollout_api::{
    FINALIZER,
    v1alpha1::{RollingUpdateTask, RollingUpdateTaskStatus, ScalingGroupRecord},
};
use ess_rollout_cloud::{
    Answer, Cloud, CloudError, CloudFuture, Done, ErrorClass as CloudClass, Mutation, Outcome,
    Query,
};
use ess_rollout_core::rollout::{Decision, Event, EventKind, Next, Settings, Work};
use jiff::Timestamp;
use serde_json::json;

use super::{Context, Limits, StepFn};
use crate::{
    clouds::Clouds,
    kubernetes::{ErrorClass, KubeError, KubeFuture, Kubernetes, ObjectKey, SecretData},
    runtime::{clock::Clock, events::Events},
    tasks::{CredentialsScope, TaskIndex},
};

/// The name of the record of the group that [`task`] is about.
pub const RECORD: &str = "cn-hangzhou.asg-1";

/// A task with the least that the CRD asks for.
pub fn task(namespace: &str, name: &str) -> RollingUpdateTask {
    serde_json::from_value(json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask",
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": "1"},
        "spec": {"scalingGroupId": "asg-1", "update": {"script": {"run": {"inline": "true"}}}}
    }))
    .expect("a valid task")
}

/// A decision that changes nothing.
pub fn idle(task: &RollingUpdateTask) -> Decision {
    Decision {
        finalizer: None,
        record: None,
        status: task.status.clone().unwrap_or_default(),
        work: None,
        events: Vec::new(),
        next: Next::OnChange,
    }
}

/// A status that differs from others by its word.
pub fn status(word: &str) -> RollingUpdateTaskStatus {
    RollingUpdateTaskStatus {
        state: Some(word.to_owned()),
        ..RollingUpdateTaskStatus::default()
    }
}

/// A mutation.
pub fn work() -> Work {
    Work {
        mutation: Mutation::CancelExecution {
            execution: "exec-1".to_owned(),
        },
    }
}

/// An Event.
pub fn event() -> Event {
    Event {
        kind: EventKind::Normal,
        reason: "Reason".to_owned(),
        action: "Action".to_owned(),
        note: "A note.".to_owned(),
    }
}

/// What the cloud says when it fails.
pub fn failure(class: CloudClass) -> CloudError {
    CloudError {
        call: "OOS CancelExecution".to_owned(),
        class,
        outcome: Outcome::Unknown,
        code: "timeout".to_owned(),
        message: String::new(),
        request_id: None,
        missing_action: None,
        retry_after: None,
    }
}

/// What happened, in order.
pub type Journal = Arc<Mutex<Vec<String>>>;

/// The apiserver.
pub struct FakeKubernetes {
    journal: Journal,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    version: u64,
    task: Option<RollingUpdateTask>,
    record: Option<ScalingGroupRecord>,
    always_failing: Option<(&'static str, ErrorClass)>,
    secrets: std::collections::HashMap<(String, String), SecretData>,
    /// How many Secrets were read.
    secret_reads: usize,
    /// The write of this name fails, after so many that do not.
    failing: Option<(usize, &'static str, ErrorClass)>,
}

impl State {
    fn next_version(&mut self) -> Option<String> {
        self.version += 1;
        Some(self.version.to_string())
    }
}

impl FakeKubernetes {
    /// With this task in it.
    pub fn new(journal: Journal, task: RollingUpdateTask) -> Self {
        Self {
            journal,
            state: Mutex::new(State {
                version: 1,
                task: Some(task),
                ..State::default()
            }),
        }
    }

    /// The next write of this name fails so.
    pub fn fail(&self, write: &'static str, class: ErrorClass) {
        self.fail_after(0, write, class);
    }

    /// A write of this name fails so, once, after so many that do not.
    pub fn fail_after(&self, passing: usize, write: &'static str, class: ErrorClass) {
        self.state.lock().unwrap().failing = Some((passing, write, class));
    }

    /// Somebody else edits the task.
    pub fn touch(&self) {
        let mut state = self.state.lock().unwrap();
        let version = state.next_version();
        if let Some(task) = &mut state.task {
            task.metadata.resource_version = version;
        }
    }

    /// Every write of this name fails so.
    pub fn always_fail(&self, write: &'static str, class: ErrorClass) {
        self.state.lock().unwrap().always_failing = Some((write, class));
    }

    /// Puts a Secret there, or replaces it.
    pub fn put_secret(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let mut state = self.state.lock().unwrap();
        let secret = SecretData {
            resource_version: state.next_version().unwrap(),
            data: data
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        };
        let place = (namespace.to_owned(), name.to_owned());
        state.secrets.insert(place, secret);
    }

    /// How many times a Secret was read.
    pub fn secret_reads(&self) -> usize {
        self.state.lock().unwrap().secret_reads
    }

    /// The task as it is.
    pub fn task(&self) -> Option<RollingUpdateTask> {
        self.state.lock().unwrap().task.clone()
    }

    fn write<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, ErrorClass>,
    ) -> Result<T, KubeError> {
        let mut state = self.state.lock().unwrap();
        let always = match state.always_failing {
            Some((write, class)) if write == name => Some(class),
            _ => None,
        };
        let scripted = match &mut state.failing {
            Some((0, write, class)) if *write == name => Some(*class),
            Some((passing, write, _)) if *write == name => {
                *passing -= 1;
                None
            }
            _ => None,
        };
        let done = match scripted.or(always) {
            Some(class) => {
                state.failing = None;
                Err(class)
            }
            None => act(&mut state),
        };
        let word = if done.is_ok() {
            name.to_owned()
        } else {
            format!("{name} refused")
        };
        self.journal.lock().unwrap().push(word);
        done.map_err(|class| KubeError::other(name, class, "scripted"))
    }
}

fn same(stored: Option<&String>, given: Option<&String>) -> Result<(), ErrorClass> {
    if stored == given {
        Ok(())
    } else {
        Err(ErrorClass::Conflict)
    }
}

impl Kubernetes for FakeKubernetes {
    fn get_task<'a>(&'a self, _: &'a ObjectKey) -> KubeFuture<'a, Option<RollingUpdateTask>> {
        Box::pin(ready(Ok(self.task())))
    }

    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>> {
        assert_eq!(name, RECORD);
        Box::pin(ready(Ok(self.state.lock().unwrap().record.clone())))
    }

    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(ready(self.write("create record", |state| {
            if state.record.is_some() {
                return Err(ErrorClass::Conflict);
            }
            let mut record = record.clone();
            record.metadata.resource_version = state.next_version();
            record.status = None;
            state.record = Some(record.clone());
            Ok(record)
        })))
    }

    fn replace_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(ready(self.write("write record", |state| {
            let stored = state.record.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                record.metadata.resource_version.as_ref(),
            )?;
            let mut record = record.clone();
            record.metadata.resource_version = state.next_version();
            state.record = Some(record.clone());
            Ok(record)
        })))
    }

    fn replace_task_status<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
    ) -> KubeFuture<'a, RollingUpdateTask> {
        Box::pin(ready(self.write("write status", |state| {
            let stored = state.task.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                task.metadata.resource_version.as_ref(),
            )?;
            // Through the wire form, as times lose their fractions there.
            let status = serde_json::to_value(&task.status).expect("a status");
            let mut task = task.clone();
            task.status = serde_json::from_value(status).expect("a status");
            task.metadata.resource_version = state.next_version();
            state.task = Some(task.clone());
            Ok(task)
        })))
    }

    fn set_finalizer<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
        present: bool,
    ) -> KubeFuture<'a, RollingUpdateTask> {
        Box::pin(ready(self.write("set finalizer", |state| {
            let stored = state.task.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                task.metadata.resource_version.as_ref(),
            )?;
            let mut task = task.clone();
            task.metadata.finalizers = Some(match present {
                true => vec![FINALIZER.to_owned()],
                false => Vec::new(),
            });
            task.metadata.resource_version = state.next_version();
            let dropped = !present && task.metadata.deletion_timestamp.is_some();
            state.task = (!dropped).then(|| task.clone());
            Ok(task)
        })))
    }

    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>> {
        let mut state = self.state.lock().unwrap();
        state.secret_reads += 1;
        let place = (namespace.to_owned(), name.to_owned());
        Box::pin(ready(Ok(state.secrets.get(&place).cloned())))
    }
}

/// The cloud, and whoever opens it.
pub struct FakeCloud {
    journal: Journal,
    /// Answers to mutations, in order; accepted when there are no more.
    pub results: Mutex<VecDeque<Result<Done, CloudError>>>,
    /// Queries never come back.
    pub hangs: bool,
    /// There are no credentials.
    pub closed: Option<CloudError>,
}

impl Cloud for FakeCloud {
    fn query<'a>(&'a self, _: &'a str, query: &'a Query) -> CloudFuture<'a, Answer> {
        self.journal.lock().unwrap().push(format!("ask {query:?}"));
        if self.hangs {
            return Box::pin(pending());
        }
        Box::pin(ready(Ok(Answer::ScalingGroup(None))))
    }

    fn mutate<'a>(&'a self, region: &'a str, mutation: &'a Mutation) -> CloudFuture<'a, Done> {
        assert_eq!(region, "cn-hangzhou");
        let _ = mutation;
        self.journal.lock().unwrap().push("mutate".to_owned());
        let result = self.results.lock().unwrap().pop_front();
        Box::pin(ready(result.unwrap_or(Ok(Done::Accepted {
            request_id: "R-1".to_owned(),
        }))))
    }
}

struct FakeClouds(Arc<FakeCloud>);

impl Clouds for FakeClouds {
    fn open<'a>(&'a self, _: &'a CredentialsScope) -> CloudFuture<'a, Arc<dyn Cloud>> {
        Box::pin(ready(match &self.0.closed {
            Some(error) => Err(error.clone()),
            None => Ok(self.0.clone() as Arc<dyn Cloud>),
        }))
    }

    fn rejected(&self, _: &CredentialsScope) {
        self.0.journal.lock().unwrap().push("rejected".to_owned());
    }
}

struct FakeEvents(Journal);

impl Events for FakeEvents {
    fn publish<'a>(
        &'a self,
        _: &'a RollingUpdateTask,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0
            .lock()
            .unwrap()
            .push(format!("event {}", event.reason));
        Box::pin(ready(()))
    }
}

/// A clock that stands still until somebody sleeps on it.
#[derive(Clone)]
pub struct FakeClock(Arc<Mutex<Timestamp>>);

impl FakeClock {
    fn new() -> Self {
        let start = "2026-01-01T00:00:00Z".parse().expect("a time");
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves it.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut polled = false;
        Box::pin(futures::future::poll_fn(move |context| {
            // Gives what it races against one turn first.
            if std::mem::replace(&mut polled, true) {
                self.advance(duration);
                std::task::Poll::Ready(())
            } else {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        }))
    }
}

/// A pass with all its stand-ins.
pub struct Bench {
    /// What happened.
    pub journal: Journal,
    /// The apiserver.
    pub kubernetes: Arc<FakeKubernetes>,
    /// The time.
    pub clock: FakeClock,
    /// What the pass works with.
    pub context: Context,
}

impl Bench {
    /// Decisions are made by this.
    pub fn new(step: StepFn) -> Self {
        Self::with(task("ns", "a"), step, |_| {})
    }

    /// About this task, in this cloud.
    pub fn with(
        task: RollingUpdateTask,
        step: StepFn,
        change: impl FnOnce(&mut FakeCloud),
    ) -> Self {
        let journal = Journal::default();
        let kubernetes = Arc::new(FakeKubernetes::new(journal.clone(), task));
        let mut cloud = FakeCloud {
            journal: journal.clone(),
            results: Mutex::default(),
            hangs: false,
            closed: None,
        };
        change(&mut cloud);
        let cloud = Arc::new(cloud);
        let clock = FakeClock::new();
        let settings = Settings {
            default_region: Some("cn-hangzhou".to_owned()),
            own_credentials_namespaces: std::collections::BTreeSet::new(),
            own_credentials_ram_roles: std::collections::BTreeSet::new(),
            settle: Duration::from_secs(60),
            poll_interval: Duration::from_secs(10),
            progress_interval: Duration::from_secs(10),
        };
        Self {
            context: Context {
                kubernetes: kubernetes.clone(),
                clouds: Arc::new(FakeClouds(cloud)),
                events: Arc::new(FakeEvents(journal.clone())),
                clock: Arc::new(clock.clone()),
                tasks: Arc::new(TaskIndex::new(settings.default_region.clone())),
                settings,
                limits: Limits::default(),
                step,
            },
            journal,
            kubernetes,
            clock,
        }
    }

    /// One pass.
    pub fn pass(&self) -> super::Pass {
        futures::executor::block_on(super::reconcile(&self.context, &ObjectKey::new("ns", "a")))
    }

    /// What happened so far.
    pub fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }
}
