//! A driver for one task: answers reads, carries decisions out in their order and against the version
//! that was read, crashes where it is told to, and holds every decision to what must always be true.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Action, EndedRun, Holder, ImageUpdateTask, ImageUpdateTaskStatus, RunOutcome,
    ScalingGroupRecord, ScalingGroupRecordSpec, ScalingGroupRecordStatus, condition,
};
use ess_rollout_api::{EXECUTION_ID_ANNOTATION, FINALIZER};
use ess_rollout_cloud::Mutation;
use ess_rollout_core::ask::{Ask, QueueEntry, Reply, SeenWindows};
use ess_rollout_core::decision::{Event, Next, Settings, WorkOutcome};
use ess_rollout_core::endpoints::EndpointNames;
use ess_rollout_core::image_update::{Decision, Input, Step, step};
use ess_rollout_core::observation::Observation;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::cloud::{Cloud, GROUP, SOURCE};
use crate::schema;

/// The most rounds of reads that a decision may take.
const ROUNDS_MAX: usize = 8;
/// The most rounds of facts of the cluster: the record, then its holder.
const FACTS_MAX: usize = 2;
/// The most decisions that a pass may take: more is a loop that nothing ends.
const DECISIONS_MAX: usize = 40;

/// After which effect of a decision the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    Finalizer,
    Annotation,
    Record,
    Status,
    Mutation,
}

/// Which versions of the task and the record a decision was made from.
type Versions = (usize, usize);

pub struct World {
    pub task: ImageUpdateTask,
    pub record: Option<ScalingGroupRecord>,
    pub cloud: Cloud,
    pub settings: Settings,
    /// Whether an admission policy makes sure of the names in requests.
    pub names_verified: bool,
    /// By how many seconds the operator's clock is ahead.
    pub skew: i64,
    /// An object that does not exist any more.
    pub vanished: Option<&'static str>,
    pub ahead: Option<QueueEntry>,
    pub windows: SeenWindows,
    pub gone: bool,
    pub task_writes: usize,
    pub record_writes: usize,
    pub events: Vec<Event>,
    pub next: Next,
    /// Every state word that was written, without repeats in a row.
    pub states: Vec<String>,
    /// Of how many decisions and writes one is held against what must always be true: all, but where
    /// there are a great many.
    pub held_to_account: usize,
    pub looked: usize,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A task as a person writes it, created at noon of a Monday.
pub fn task(spec: Value) -> ImageUpdateTask {
    let mut all = json!({"scalingGroupId": GROUP});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": "ImageUpdateTask",
        "metadata": {"name": "nightly", "namespace": "shop", "uid": "uid-1", "generation": 1,
            "creationTimestamp": "2026-01-05T12:00:00Z"},
        "spec": all,
        "status": {"observedGeneration": -1},
    }))
    .unwrap()
}

/// A task that builds, with more or other fields of the spec.
pub fn building(spec: Value) -> World {
    let mut all = json!({"source": {"instanceId": SOURCE, "imageName": "nightly"}});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    World::new(task(all))
}

/// One with this cron schedule.
pub fn cron(cron: &str, spec: Value) -> World {
    let mut all = json!({"schedule": {"cron": cron}});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    building(all)
}

impl World {
    pub fn new(task: ImageUpdateTask) -> Self {
        let created = task.metadata.creation_timestamp.as_ref().unwrap().0;
        Self {
            task,
            record: None,
            cloud: Cloud::at(created.as_second()),
            settings: Settings {
                default_region: Some("cn-hangzhou".into()),
                own_credentials_namespaces: ["shop".to_owned()].into(),
                own_credentials_ram_roles: ["OOSServiceRole".to_owned()].into(),
                call_lifetime: Duration::from_secs(60),
                acts_since: None,
                list_lag: Duration::from_secs(60),
                poll_interval: Duration::from_secs(10),
                progress_interval: Duration::from_secs(10),
                endpoints: EndpointNames::default(),
            },
            names_verified: true,
            skew: 0,
            vanished: None,
            ahead: None,
            windows: SeenWindows::default(),
            gone: false,
            task_writes: 0,
            record_writes: 0,
            events: Vec::new(),
            next: Next::Now,
            states: Vec::new(),
            held_to_account: 1,
            looked: 0,
        }
    }

    pub fn status(&self) -> &ImageUpdateTaskStatus {
        self.task.status.as_ref().unwrap()
    }

    pub fn state(&self) -> &str {
        self.status().state.as_deref().unwrap_or("")
    }

    /// Status and reason of a condition, as `True/Passed`; empty where there is none.
    pub fn condition(&self, type_: &str) -> String {
        let found = self.status().conditions.iter().find(|c| c.type_ == type_);
        found.map_or(String::new(), |c| format!("{}/{}", c.status, c.reason))
    }

    pub fn message(&self, type_: &str) -> &str {
        let found = self.status().conditions.iter().find(|c| c.type_ == type_);
        found.map_or("", |c| &c.message)
    }

    pub fn action(&self, verb: &str) -> &Action {
        let named = |a: &&Action| format!("{:?}", a.verb) == verb;
        self.status().actions.iter().rev().find(named).unwrap()
    }

    pub fn newest(&self) -> &EndedRun {
        &self.status().history[0]
    }

    pub fn outcomes(&self) -> Vec<(i64, RunOutcome)> {
        let all = self.status().history.iter();
        all.map(|run| (run.number, run.outcome)).collect()
    }

    pub fn reasons(&self) -> Vec<&str> {
        self.events.iter().map(|e| e.reason.word()).collect()
    }

    pub fn record_status(&self) -> ScalingGroupRecordStatus {
        let status = self.record.as_ref().and_then(|r| r.status.clone());
        status.unwrap_or_default()
    }

    pub fn holder(&self) -> Option<String> {
        self.record_status().holder.map(|holder| holder.name)
    }

    /// Another object holds the group, or nobody does.
    pub fn held_by(&mut self, name: Option<&str>) {
        let mut status = self.record_status();
        status.holder = name.map(|name| Holder {
            kind: "RollingUpdateTask".into(),
            namespace: "shop".into(),
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
            since: Time(self.cloud.time()),
            taken_over_from: None,
        });
        self.write_record(status);
    }

    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.task.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|f| f == FINALIZER)
    }

    pub fn annotated(&mut self, key: &str, value: &str) {
        let annotations = self.task.metadata.annotations.get_or_insert_default();
        annotations.insert(format!("ess-rollout.io/{key}"), value.to_owned());
    }

    /// `kubectl delete`, without waiting.
    pub fn deleted(&mut self) {
        self.task.metadata.deletion_timestamp = Some(Time(self.cloud.time()));
        if !self.has_finalizer() {
            self.gone = true;
        }
    }

    /// A change of the spec, as the apiserver counts it.
    pub fn edited(&mut self, change: impl FnOnce(&mut ImageUpdateTask)) {
        change(&mut self.task);
        self.task.metadata.generation = self.task.metadata.generation.map(|g| g + 1);
    }

    /// Decides once, with as many reads as it takes.
    fn decide(&self, outcome: Option<&WorkOutcome>) -> (Decision, Observation) {
        let mut observation = Observation::default();
        for _ in 0..=ROUNDS_MAX {
            match self.step(&self.task, &mut observation, outcome) {
                Step::Decided(decision) => return (*decision, observation),
                Step::Read(asks) => {
                    for ask in asks {
                        let reply = self.reply(&ask);
                        observation.insert(ask, reply);
                    }
                }
            }
        }
        panic!("still asks for more after {ROUNDS_MAX} rounds");
    }

    /// Tells what is asked of the cluster, until it decides or asks the cloud.
    fn step(
        &self,
        task: &ImageUpdateTask,
        observation: &mut Observation,
        outcome: Option<&WorkOutcome>,
    ) -> Step {
        for _ in 0..=FACTS_MAX {
            let asks = match step(self.input(task, observation, outcome)) {
                Step::Read(asks) => asks,
                decided @ Step::Decided(_) => return decided,
            };
            assert!(!asks.is_empty(), "asks for nothing");
            for ask in &asks {
                assert!(!observation.holds(ask), "asks again for {ask:?}");
            }
            let is_fact = |ask: &Ask| ask.query().is_none();
            if !asks.iter().any(is_fact) {
                return Step::Read(asks);
            }
            for ask in asks.into_iter().filter(is_fact) {
                let reply = self.reply(&ask);
                observation.insert(ask, reply);
            }
        }
        panic!("still asks for facts after {FACTS_MAX} rounds");
    }

    fn reply(&self, ask: &Ask) -> Reply {
        match ask {
            Ask::Record { .. } => Reply::Record(self.record.clone().map(Box::new)),
            Ask::Exists(_) => {
                Reply::Exists(self.vanished.is_none() || self.holder().as_deref() != self.vanished)
            }
            Ask::Ahead { .. } => Reply::Ahead(self.ahead.clone()),
            Ask::Cloud(query) | Ask::Recent { query, .. } => Reply::Cloud(self.cloud.answer(query)),
            Ask::Windows => Reply::Windows(self.windows.clone()),
            Ask::Endpoint { .. } => unreachable!("an image update has no checks"),
            Ask::Task { .. }
            | Ask::ConfigMap { .. }
            | Ask::RolledBackBy
            | Ask::StartTurn
            | Ask::Seen { .. } => {
                panic!("{ask:?} of an image update")
            }
        }
    }

    fn input<'a>(
        &'a self,
        task: &'a ImageUpdateTask,
        observation: &'a Observation,
        outcome: Option<&'a WorkOutcome>,
    ) -> Input<'a> {
        Input {
            task,
            record_lost: None,
            settings: &self.settings,
            names_verified: self.names_verified,
            now: self.clock(),
            observation,
            outcome,
        }
    }

    /// What the operator takes the time to be.
    pub fn clock(&self) -> Timestamp {
        Timestamp::from_second(self.cloud.now + self.skew).unwrap()
    }

    fn versions(&self) -> Versions {
        (self.task_writes, self.record_writes)
    }

    /// What the next decision would be, and what it is made from: for a leader that was held up.
    pub fn held_up(&self) -> (Decision, Versions) {
        (self.decide(None).0, self.versions())
    }

    /// Carries out a decision, each write against the version that was read. `None`: it stopped
    /// short, because somebody wrote first or the operator died.
    pub fn carry_out(
        &mut self,
        decision: Decision,
        (mut task, record): Versions,
        crash: Option<Crash>,
    ) -> Option<(Next, Option<WorkOutcome>)> {
        let dies = |at: Crash| crash == Some(at);
        if let Some(present) = decision.finalizer {
            if task != self.task_writes {
                return None;
            }
            self.set_finalizer(present);
            self.task_writes += 1;
            task += 1;
            if dies(Crash::Finalizer) {
                return None;
            }
        }
        if let Some(value) = decision.execution_annotation.filter(|_| !self.gone) {
            if task != self.task_writes {
                return None;
            }
            let annotations = self.task.metadata.annotations.get_or_insert_default();
            annotations.insert(EXECUTION_ID_ANNOTATION.into(), value);
            self.task_writes += 1;
            task += 1;
            if dies(Crash::Annotation) {
                return None;
            }
        }
        if let Some(next) = decision.record {
            if record != self.record_writes {
                return None;
            }
            self.write_record(next);
            if dies(Crash::Record) {
                return None;
            }
        }
        if !self.gone && self.task.status.as_ref() != Some(&decision.status) {
            if task != self.task_writes {
                return None;
            }
            self.write_status(decision.status);
        }
        if dies(Crash::Status) {
            return None;
        }
        self.events.extend(decision.events);
        assert!(!decision.delete, "deletes the object");
        let outcome = decision.work.map(|work| {
            assert!(!self.gone, "lets the task go and still has work");
            let result = self.cloud.mutate(&work.mutation);
            WorkOutcome::of(work.mutation, result)
        });
        if outcome.is_some() && dies(Crash::Mutation) {
            return None;
        }
        Some((decision.next, outcome))
    }

    /// One pass: until there is nothing more to do at once, or the operator dies. `crash` is when:
    /// after which effect of which of the pass's decisions.
    pub fn pass_with(&mut self, crash: Option<(usize, Crash)>) {
        let mut outcome: Option<WorkOutcome> = None;
        for number in 0..DECISIONS_MAX {
            if self.gone {
                return;
            }
            let (decision, observation) = self.decide(outcome.as_ref());
            self.looked += 1;
            if self.looked.is_multiple_of(self.held_to_account) {
                self.hold(&decision, &observation, outcome.as_ref());
            }
            let crash = crash
                .filter(|(at, _)| *at == number)
                .map(|(_, crash)| crash);
            let Some((next, worked)) = self.carry_out(decision, self.versions(), crash) else {
                self.next = Next::Now;
                return;
            };
            self.next = next;
            if worked.is_none() && next != Next::Now {
                return;
            }
            outcome = worked;
        }
        panic!(
            "a pass without end, in state {:?}: {:#?}",
            self.state(),
            self.status()
        );
    }

    pub fn pass(&mut self) {
        self.pass_with(None);
    }

    /// Passes and waits, until the condition holds.
    ///
    /// # Panics
    /// When it does not within so many seconds.
    pub fn run_until(&mut self, seconds: i64, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.cloud.now + seconds;
        loop {
            self.pass();
            if holds(self) {
                return;
            }
            assert!(
                self.cloud.now < end,
                "not within {seconds} s: {what}; state {}, {:#?}",
                self.state(),
                self.status()
            );
            self.wait();
        }
    }

    pub fn run_to_state(&mut self, state: &str) {
        self.run_until(3 * 86_400, state, |w| w.state() == state);
    }

    /// Until no run is under way and the group is free.
    pub fn run_to_rest(&mut self) {
        self.run_until(7200, "at rest", |w| {
            let free = w.holder().as_deref() != Some("nightly");
            w.gone || w.status().active.is_none() && free && w.next != Next::Now
        });
    }

    /// Passes as they come, until this time.
    pub fn run_to(&mut self, time: &str) {
        let end = at(time).as_second();
        loop {
            self.pass();
            if self.cloud.now >= end || self.gone {
                return;
            }
            let wait = self.wait_seconds().min(end - self.cloud.now);
            self.cloud.advance(wait);
        }
    }

    pub fn wait_seconds(&self) -> i64 {
        match self.next {
            Next::Now => 1,
            Next::After(wait) => i64::try_from(wait.as_secs_f64().ceil() as u64)
                .unwrap()
                .max(1),
            Next::OnChange => 3600,
        }
    }

    pub fn wait(&mut self) {
        self.cloud.advance(self.wait_seconds());
    }

    fn set_finalizer(&mut self, present: bool) {
        let finalizers = self.task.metadata.finalizers.get_or_insert_default();
        finalizers.retain(|f| f != FINALIZER);
        if present {
            assert!(
                self.task.metadata.deletion_timestamp.is_none(),
                "the apiserver takes no finalizer on an object that is being deleted"
            );
            finalizers.push(FINALIZER.into());
        } else if self.task.metadata.deletion_timestamp.is_some() && finalizers.is_empty() {
            self.gone = true;
        }
    }

    pub fn write_record(&mut self, status: ScalingGroupRecordStatus) {
        let mut record = self.record.take().unwrap_or_else(|| {
            let spec = ScalingGroupRecordSpec {
                scaling_group_id: GROUP.into(),
                region_id: "cn-hangzhou".into(),
            };
            ScalingGroupRecord::new("cn-hangzhou.asg-example", spec)
        });
        if record.status.as_ref() != Some(&status) {
            schema::check("ScalingGroupRecord", &status);
            record.status = Some(through_json(&status));
            self.record_writes += 1;
        }
        self.record = Some(record);
    }

    fn write_status(&mut self, status: ImageUpdateTaskStatus) {
        if self.task_writes.is_multiple_of(self.held_to_account) {
            schema::check("ImageUpdateTask", &status);
        }
        self.task.status = Some(through_json(&status));
        self.task_writes += 1;
        let state = self.state().to_owned();
        if self.states.last() != Some(&state) {
            self.states.push(state);
        }
    }

    /// What is true of every decision.
    fn hold(&self, decision: &Decision, observation: &Observation, outcome: Option<&WorkOutcome>) {
        let status = &decision.status;
        let has = |type_: &str| status.conditions.iter().any(|c| c.type_ == type_);
        assert!(
            !(has(condition::RECONCILING) && has(condition::STALLED)),
            "both Reconciling and Stalled"
        );
        if let Some(work) = &decision.work {
            assert!(
                intended(&work.mutation, status),
                "no intent on record for {:?}",
                work.mutation
            );
            let held = decision
                .record
                .as_ref()
                .or(self.record.as_ref().and_then(|r| r.status.as_ref()));
            let holder = held.and_then(|record| record.holder.as_ref());
            // Its own execution it may end whoever holds the group.
            let ends = matches!(work.mutation, Mutation::CancelExecution { .. });
            assert!(
                ends || holder.is_some_and(|h| h.name == "nightly"),
                "acts on a group that it does not hold: {holder:?}"
            );
            return;
        }
        let metadata = decision.finalizer.is_some() || decision.execution_annotation.is_some();
        if outcome.is_some() || metadata || decision.record.is_some() || decision.next == Next::Now
        {
            return;
        }
        // Looking again at the same things, having written, is no news.
        let mut again = self.task.clone();
        again.status = Some(through_json(status));
        let mut observation = observation.clone();
        if let Step::Decided(second) = self.step(&again, &mut observation, None) {
            assert_eq!(second.status, through_json(status), "a second look differs");
            // So does an object that was last written in the older layout, and is not written for that alone.
            let older = older_layout(status);
            again.status = Some(older.clone());
            let third = self.step(&again, &mut observation, None);
            let Step::Decided(third) = third else {
                panic!("the older layout asks for more: {third:?}");
            };
            let expected = Decision {
                status: older,
                ..*second
            };
            assert_eq!(*third, expected, "the older layout is decided otherwise");
        }
    }
}

/// Whether the status that goes with a mutation says that it will be sent.
fn intended(mutation: &Mutation, status: &ImageUpdateTaskStatus) -> bool {
    let Some(run) = &status.active else {
        return false;
    };
    match mutation {
        Mutation::StartExecution(start) => {
            let intent = run.start.as_ref();
            intent.is_some_and(|intent| intent.client_token == start.client_token)
        }
        Mutation::CancelExecution { .. } => run
            .cancellation
            .as_ref()
            .is_some_and(|c| c.last_call_time.is_some()),
        Mutation::ModifyScalingConfiguration { configuration, .. } => {
            let named = run.configurations.iter().any(|c| c.id == *configuration);
            named && run.last_call_time.is_some()
        }
        _ => false,
    }
}

/// As the operator wrote it before it had fields for what it then read from the conditions.
fn older_layout(status: &ImageUpdateTaskStatus) -> ImageUpdateTaskStatus {
    let mut older: ImageUpdateTaskStatus = through_json(status);
    (older.layout, older.call_refused) = (None, None);
    (older.last_reason, older.last_message) = (String::new(), String::new());
    if let Some(waiting) = &mut older.waiting {
        waiting.queued = false;
    }
    older
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_value(serde_json::to_value(value).unwrap()).unwrap()
}
