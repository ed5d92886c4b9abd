//! Stand-ins for the ports of a pass: an apiserver in memory that refuses stale versions, a cloud
//! that answers by script, and one journal of everything that was written or sent.

mod cloud;
mod kubernetes;

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use ess_rollout_api::v1alpha1::{RollingUpdateTask, RollingUpdateTaskStatus, ScalingGroupRecord};
use ess_rollout_cloud::{CloudError, ErrorClass as CloudClass, Mutation, Outcome, Turn};
use ess_rollout_core::ask::Ask;
use ess_rollout_core::endpoints::EndpointNames;
use ess_rollout_core::rollout::{
    Decision, Event, EventKind, Input, Next, Settings, Step, Subject, Work,
};
use jiff::Timestamp;
use serde_json::json;

use super::{Context, Limits, StepFn};
use crate::{
    kubernetes::{Object, ObjectKey},
    runtime::{clock::Clock, events::Events, pace::Pace},
    seen::Sightings,
    tasks::TaskIndex,
    windows::Windows,
};
pub use cloud::FakeCloud;
use cloud::FakeClouds;
pub use kubernetes::FakeKubernetes;

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
pub fn idle(subject: Subject<'_>) -> Decision {
    Decision {
        finalizer: None,
        execution_annotation: None,
        record: None,
        rollback: None,
        lets_go_anyway: false,
        status: subject.status.cloned().unwrap_or_default(),
        work: None,
        also: Vec::new(),
        events: Vec::new(),
        delete: false,
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
        reason: ess_rollout_core::task::reason::Reason::Started,
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

/// Where Events go. Each takes so many turns of whoever waits for it.
pub struct FakeEvents {
    /// What happened.
    pub journal: Journal,
    /// 0: it is there at once.
    pub turns: usize,
}

impl Events for FakeEvents {
    fn publish<'a>(
        &'a self,
        _: &'a Object,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let mut turns = self.turns;
            futures::future::poll_fn(|context| {
                if turns == 0 {
                    return std::task::Poll::Ready(());
                }
                turns -= 1;
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
            let line = format!("event {}", event.reason);
            self.journal.lock().unwrap().push(line);
        })
    }

    fn publish_on_record<'a>(
        &'a self,
        _: &'a ScalingGroupRecord,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let line = format!("event {} on the record", event.reason);
        self.journal.lock().unwrap().push(line);
        Box::pin(std::future::ready(()))
    }
}

/// A clock that stands still until somebody sleeps on it.
#[derive(Clone)]
pub struct FakeClock(Arc<Mutex<Timestamp>>);

impl FakeClock {
    /// One at the beginning of 2026.
    pub fn new() -> Self {
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

/// Makes the decision once the record is known, as the core does: what it writes is of the version that it was told of.
fn knowing_the_record(step: Script) -> StepFn {
    let record = Ask::Record {
        region: "cn-hangzhou".to_owned(),
        group: "asg-1".to_owned(),
    };
    Arc::new(move |input| match input.observation.holds(&record) {
        false => Step::Read(vec![record.clone()]),
        true => step(input),
    })
}

/// How decisions are made.
pub type Script = Box<dyn for<'a> Fn(Input<'a>) -> Step + Send + Sync>;

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
    pub fn new(step: Script) -> Self {
        Self::with(task("ns", "a"), step, |_| {})
    }

    /// About this task, in this cloud.
    pub fn with(
        task: RollingUpdateTask,
        step: Script,
        change: impl FnOnce(&mut FakeCloud),
    ) -> Self {
        let journal = Journal::default();
        let kubernetes = Arc::new(FakeKubernetes::new(journal.clone(), task));
        let clock = FakeClock::new();
        let mut cloud = FakeCloud {
            journal: journal.clone(),
            results: Mutex::default(),
            takes: Duration::ZERO,
            clock: clock.clone(),
            hangs: false,
            answers_after: Duration::ZERO,
            closed: None,
        };
        change(&mut cloud);
        let cloud = Arc::new(cloud);
        let settings = Settings {
            default_region: Some("cn-hangzhou".to_owned()),
            own_credentials_namespaces: BTreeSet::new(),
            own_credentials_ram_roles: BTreeSet::new(),
            call_lifetime: Duration::from_secs(60),
            acts_since: None,
            list_lag: Duration::from_secs(60),
            poll_interval: Duration::from_secs(10),
            progress_interval: Duration::from_secs(10),
            endpoints: EndpointNames::default(),
        };
        Self {
            context: Context {
                kubernetes: kubernetes.clone(),
                clouds: Arc::new(FakeClouds(cloud)),
                events: Arc::new(FakeEvents {
                    journal: journal.clone(),
                    turns: 0,
                }),
                clock: Arc::new(clock.clone()),
                windows: Arc::new(Windows::new("ess-rollout")),
                pace: Arc::new(Pace::new(1_000.0)),
                sightings: Arc::new(Sightings::new(settings.list_lag)),
                recent: Arc::default(),
                endpoints: Arc::default(),
                tasks: Arc::new(TaskIndex::new(settings.default_region.clone())),
                settings,
                limits: Limits::default(),
                schemas: Arc::default(),
                vouching: Arc::default(),
                counting: Arc::default(),
                step: knowing_the_record(step),
            },
            journal,
            kubernetes,
            clock,
        }
    }

    /// One pass.
    pub fn pass(&self) -> super::Pass {
        futures::executor::block_on(super::reconcile(
            &self.context,
            &ObjectKey::task("ns", "a"),
            Turn::default(),
        ))
    }

    /// What happened so far.
    pub fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }
}
