//! A driver for one task: answers reads, carries decisions out in their order, crashes where it is
//! told to, and holds every decision to what must always be true.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use ess_rollout_api::v1alpha1::Rollback;
use ess_rollout_api::v1alpha1::{
    ActionState, ActionTarget, ConfigMapKeyRef, RollbackSpec, RollingUpdateTask,
    RollingUpdateTaskStatus, ScalingGroupRecord, ScalingGroupRecordSpec, ScalingGroupRecordStatus,
    StartBlocked, ThawState, Verb, condition,
};
use ess_rollout_api::{EXECUTION_ID_ANNOTATION, FINALIZER};
use ess_rollout_cloud::{
    Answer, CloudError, Done, ErrorClass, ExecutionFilter, Mutation, NotifyType, Query,
};
use ess_rollout_core::ask::{Ask, ConfigMap, QueueEntry, Reply, Seen, SeenWindows, Sight};
use ess_rollout_core::endpoints::{EndpointAnswer, EndpointError, EndpointQuery};
use ess_rollout_core::rollout::{
    CallOutcome, Decision, Event, Input, Next, Observation, Settings, Spec, Step, Subject,
    WorkOutcome, step,
};

use jiff::Timestamp;

use crate::builders::settings;
use crate::cloud::{Cloud, GROUP, query_name};
use crate::schema;

/// The region of the group.
pub const REGION: &str = "cn-hangzhou";
/// The most rounds of reads that a decision may take.
const ROUNDS_MAX: usize = 8;
/// The most rounds of facts of the cluster: what is undone, then the record, then its holder.
const FACTS_MAX: usize = 3;
/// The most decisions that a pass may take: more is a loop that nothing ends.
const DECISIONS_MAX: usize = 60;

/// After which effect of a decision the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    Finalizer,
    Annotation,
    Record,
    Rollback,
    Status,
    Mutation,
}

/// What makes a world that of a rollback: `World::task` then carries its metadata and status alone.
#[derive(Clone)]
pub struct RollingBack {
    pub spec: RollbackSpec,
    pub source: Option<RollingUpdateTask>,
}

/// What a key of a ConfigMap holds.
#[derive(Debug, Clone)]
pub enum KeyText {
    Text(String),
    NoKey,
    Refused(String),
}

#[derive(Clone)]
pub struct World {
    pub task: RollingUpdateTask,
    pub rolling_back: Option<RollingBack>,
    pub record: Option<ScalingGroupRecord>,
    pub cloud: Cloud,
    /// By how many seconds the operator's clock is ahead.
    pub skew: i64,
    pub settings: Settings,
    /// Whether an admission policy makes sure of the names in requests.
    pub names_verified: bool,
    pub holder_gone: bool,
    /// Nobody lets the operator write records.
    pub record_refused: bool,
    /// Whether every status is kept as an earlier version would have written it: see [`older_layout`].
    pub older: bool,
    /// The queries that were ever asked, by name.
    pub asked: RefCell<Vec<&'static str>>,
    /// How old the answers might have been that all who ask share: which query it was, and since when they had to be true.
    pub shared: RefCell<Vec<(&'static str, Timestamp)>>,
    /// The rollbacks that were created.
    pub rollbacks: Vec<Rollback>,
    /// What endpoints of the operator's configuration answer, by their names.
    pub endpoints: BTreeMap<&'static str, Result<EndpointAnswer, EndpointError>>,
    /// What they were asked, and since when the answer had to be true.
    pub endpoints_asked: RefCell<Vec<(EndpointQuery, Timestamp)>>,
    /// How long until its turn to start.
    pub start_turn: std::time::Duration,
    /// Whether the poller sees how far executions are.
    pub glances: bool,
    /// For so long the poller has not had its turn.
    pub late: Option<std::time::Duration>,
    pub ahead: Option<QueueEntry>,
    /// The MaintenanceWindows that may be for the object.
    pub windows: SeenWindows,
    /// The ConfigMaps, by key.
    pub texts: BTreeMap<ConfigMapKeyRef, KeyText>,
    pub gone: bool,
    pub task_writes: usize,
    pub record_writes: usize,
    pub events: Vec<Event>,
    pub next: Next,
    /// Every state word that was written, without repeats in a row.
    pub states: Vec<String>,
    /// Approves in the console.
    pub by_console: usize,
    /// Requests to continue that were ever accepted.
    pub requests: usize,
    /// What accepted requests on instances named: the instance, and the attempt or 0.
    pub named: Vec<(NotifyType, String, u32)>,
    /// Failures that were ever on record: the nested execution, and when it failed.
    pub failures: BTreeSet<(String, Timestamp)>,
    /// Of each notification that took effect: which attempts it may have been meant for.
    pub meant: Vec<RangeInclusive<u32>>,
}

impl World {
    /// Where what the poller sees will do, it shows what was read.
    fn hold_a_glance(&self, task: &RollingUpdateTask, shown: &RollingUpdateTaskStatus) {
        let execution = shown.execution.as_ref().filter(|_| shown.result.is_none());
        let Some(seen) = execution.and_then(|execution| self.seen(&execution.id)) else {
            return;
        };
        let ask = Ask::Seen {
            execution: seen.root.id.clone(),
            latest: shown.latest_instance_time.as_ref().map(|time| time.0),
        };
        let mut observation = Observation::default();
        observation.insert(ask, Reply::Seen(Sight::Seen(Box::new(seen))));
        if let Step::Decided(glance) = self.step(task, &mut observation, None, None) {
            assert_eq!(glance.status, *shown, "a glance shows something else");
            assert!(glance.work.is_none() && glance.record.is_none());
        }
    }

    pub fn new(task: RollingUpdateTask, cloud: Cloud) -> Self {
        Self {
            task,
            rolling_back: None,
            record: None,
            cloud,
            names_verified: true,
            skew: 0,
            settings: settings(),
            holder_gone: false,
            record_refused: false,
            older: false,
            asked: RefCell::default(),
            shared: RefCell::default(),
            rollbacks: Vec::new(),
            endpoints: BTreeMap::new(),
            endpoints_asked: RefCell::default(),
            start_turn: std::time::Duration::ZERO,
            glances: false,
            late: None,
            ahead: None,
            windows: SeenWindows::default(),
            texts: BTreeMap::new(),
            gone: false,
            task_writes: 0,
            record_writes: 0,
            events: Vec::new(),
            next: Next::Now,
            states: Vec::new(),
            by_console: 0,
            requests: 0,
            named: Vec::new(),
            failures: BTreeSet::new(),
            meant: Vec::new(),
        }
    }

    pub fn status(&self) -> &RollingUpdateTaskStatus {
        self.task.status.as_ref().unwrap()
    }

    pub fn state(&self) -> &str {
        self.status().state.as_deref().unwrap_or("")
    }

    pub fn record_status(&self) -> ScalingGroupRecordStatus {
        let status = self.record.as_ref().and_then(|r| r.status.clone());
        status.unwrap_or_default()
    }

    pub fn holds(&self) -> bool {
        let holder = self.record_status().holder;
        holder.is_some_and(|h| Some(&h.uid) == self.task.metadata.uid.as_ref())
    }

    pub fn at_rest(&self) -> bool {
        self.gone || self.status().restore.as_ref().is_some_and(|r| r.done) && !self.holds()
    }

    /// Whether calls go to the region of the group: the one that is on record, or else the one that is
    /// asked for, or else the default.
    fn is_home(&self) -> bool {
        let place = self.task.status.as_ref().and_then(|s| s.place.as_ref());
        let own = self.task.spec.region_id.as_deref();
        self.settings.region(place, own) == Some(REGION)
    }

    /// Decides once, with as many reads as it takes.
    fn decide(
        &self,
        outcome: Option<&WorkOutcome>,
        record_lost: Option<&str>,
    ) -> (Decision, Observation) {
        let mut observation = Observation::default();
        for _ in 0..=ROUNDS_MAX {
            match self.step(&self.task, &mut observation, outcome, record_lost) {
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
    pub fn step(
        &self,
        task: &RollingUpdateTask,
        observation: &mut Observation,
        outcome: Option<&WorkOutcome>,
        record_lost: Option<&str>,
    ) -> Step {
        for _ in 0..=FACTS_MAX {
            let mut input = self.input(task, observation, outcome);
            input.record_lost = record_lost;
            let asks = match step(input) {
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

    /// What the operator would tell of this.
    pub fn reply(&self, ask: &Ask) -> Reply {
        match ask {
            Ask::Task { .. } => {
                let back = self.rolling_back.as_ref();
                Reply::Task(back.and_then(|back| back.source.clone()).map(Box::new))
            }
            Ask::ConfigMap { name, .. } => Reply::ConfigMap(self.config_map(name)),
            Ask::RolledBackBy => Reply::RolledBackBy(None),
            Ask::Record { region, .. } => {
                let record = self.record.clone().filter(|_| region == REGION);
                Reply::Record(record.map(Box::new))
            }
            Ask::Exists(_) => Reply::Exists(!self.holder_gone),
            Ask::Ahead { .. } => Reply::Ahead(self.ahead.clone()),
            Ask::Windows => Reply::Windows(self.windows.clone()),
            Ask::StartTurn => Reply::StartTurn(self.start_turn),
            Ask::Seen { .. } if self.late.is_some() => {
                Reply::Seen(self.late.map_or(Sight::Unknown, Sight::Late))
            }
            Ask::Seen { execution, .. } => {
                let seen = self.glances.then(|| self.seen(execution));
                Reply::Seen(
                    seen.flatten()
                        .map_or(Sight::Unknown, |seen| Sight::Seen(Box::new(seen))),
                )
            }
            Ask::Endpoint { query, since } => {
                let mut asked = self.endpoints_asked.borrow_mut();
                asked.push((query.clone(), *since));
                Reply::Endpoint(self.endpoints[query.endpoint()].clone())
            }
            Ask::Cloud(query) | Ask::Recent { query, .. } => {
                self.asked.borrow_mut().push(query_name(query));
                if let Ask::Recent { since, .. } = ask {
                    self.shared.borrow_mut().push((query_name(query), *since));
                }
                Reply::Cloud(match self.is_home() {
                    true => self.cloud.answer(query),
                    false => nothing_there(&self.cloud).answer(query),
                })
            }
        }
    }

    /// What a poll shows of an execution.
    fn seen(&self, execution: &str) -> Option<Seen> {
        let list = |filter| match self.cloud.answer(&Query::Executions(filter)) {
            Ok(Answer::Executions(found)) => found.to_vec(),
            _ => Vec::new(),
        };
        let id = execution.to_owned();
        let root = list(ExecutionFilter::Id(id.clone())).pop()?;
        let mut nested = list(ExecutionFilter::ChildrenOf(id));
        for one in &mut nested {
            one.parameters
                .retain(|name, _| ["instanceId", "containerGroupId"].contains(&name.as_str()));
            (one.status_message, one.updated) = (String::new(), None);
        }
        Some(Seen {
            root,
            nested: Some(nested),
        })
    }

    /// The ConfigMap of this name. There is none without a key.
    fn config_map(&self, name: &str) -> ConfigMap {
        let keys = self.texts.iter().filter(|(key, _)| key.name == name);
        if keys.clone().next().is_none() {
            return ConfigMap::Missing;
        }
        if let Some(why) = keys.clone().find_map(|(_, text)| match text {
            KeyText::Refused(why) => Some(why.clone()),
            KeyText::Text(_) | KeyText::NoKey => None,
        }) {
            return ConfigMap::Refused(why);
        }
        ConfigMap::Data(
            keys.filter_map(|(key, text)| match text {
                KeyText::Text(text) => Some((key.key.clone(), text.clone())),
                KeyText::NoKey | KeyText::Refused(_) => None,
            })
            .collect(),
        )
    }

    pub fn input<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
        observation: &'a Observation,
        outcome: Option<&'a WorkOutcome>,
    ) -> Input<'a> {
        Input {
            subject: match &self.rolling_back {
                None => task.into(),
                Some(back) => Subject {
                    kind: "Rollback",
                    spec: Spec::Rollback(&back.spec),
                    ..task.into()
                },
            },
            record_lost: None,
            settings: &self.settings,
            names_verified: self.names_verified,
            now: self.cloud.time() + jiff::SignedDuration::from_secs(self.skew),
            observation,
            outcome,
        }
    }

    /// One pass: until there is nothing more to do at once, or the operator dies. `crash` is when:
    /// after which effect of which of the pass's decisions.
    pub fn pass_with(&mut self, crash: Option<(usize, Crash)>) {
        let mut outcome: Option<WorkOutcome> = None;
        let mut record_lost = None;
        for number in 0..DECISIONS_MAX {
            if self.gone {
                return;
            }
            let (decision, observation) = self.decide(outcome.as_ref(), record_lost);
            self.hold(&decision, &observation, outcome.as_ref());
            let dies = |at: Crash| crash == Some((number, at));
            if let Some(present) = decision.finalizer {
                self.set_finalizer(present);
                if dies(Crash::Finalizer) {
                    return;
                }
            }
            if let Some(value) = decision.execution_annotation.filter(|_| !self.gone) {
                let annotations = self.task.metadata.annotations.get_or_insert_default();
                annotations.insert(EXECUTION_ID_ANNOTATION.into(), value);
                self.task_writes += 1;
                if dies(Crash::Annotation) {
                    return;
                }
            }
            if let Some(record) = decision.record {
                if self.record_refused {
                    assert_eq!(record_lost, None, "refused twice");
                    if !decision.lets_go_anyway {
                        self.next = Next::After(std::time::Duration::from_secs(30));
                        return;
                    }
                    record_lost = Some("403 Forbidden");
                    continue;
                }
                self.write_record(record);
                if dies(Crash::Record) {
                    return;
                }
            }
            if let Some(rollback) = decision.rollback {
                let same = |there: &Rollback| there.metadata.name == rollback.metadata.name;
                if !self.rollbacks.iter().any(same) {
                    self.rollbacks.push(*rollback);
                }
                if dies(Crash::Rollback) {
                    return;
                }
            }
            if !self.gone {
                self.write_status(decision.status);
            }
            self.events.extend(decision.events);
            if dies(Crash::Status) {
                return;
            }
            self.next = decision.next;
            if decision.delete && !self.gone {
                self.deleted();
            }
            outcome = match decision.work {
                Some(work) => {
                    assert!(!self.gone, "lets the task go and still has work");
                    let result = match self.is_home() {
                        true => self.cloud.mutate(&work.mutation),
                        false => nothing_there(&self.cloud).mutate(&work.mutation),
                    };
                    if dies(Crash::Mutation) {
                        return;
                    }
                    let mut outcome = WorkOutcome::of(work.mutation, result);
                    self.send_also(decision.also, &mut outcome);
                    Some(outcome)
                }
                None if decision.next == Next::Now => None,
                None => return,
            };
        }
        panic!(
            "a pass without end, in state {:?}: {:#?}",
            self.state(),
            self.status().conditions
        );
    }

    /// The other calls of a decision, as the shell sends them: none after one that was not judged.
    fn send_also(&mut self, also: Vec<Mutation>, outcome: &mut WorkOutcome) {
        let judged = |result: &Result<Done, CloudError>| match result {
            Ok(_) => true,
            Err(error) => matches!(
                error.class,
                ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict
            ),
        };
        let mut goes_on = judged(&outcome.result);
        for mutation in also {
            let result = goes_on.then(|| self.cloud.mutate(&mutation));
            goes_on = goes_on && result.as_ref().is_some_and(judged);
            outcome.also.push(CallOutcome { mutation, result });
        }
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
                self.status().conditions
            );
            self.wait();
        }
    }

    pub fn run_to_state(&mut self, state: &str) {
        self.run_until(900, state, |w| w.state() == state);
    }

    pub fn run_to_rest(&mut self) {
        self.run_until(1200, "at rest", World::at_rest);
    }

    /// Passes as they come, for so long.
    pub fn run_for(&mut self, seconds: i64) {
        let end = self.cloud.now + seconds;
        while self.cloud.now < end {
            self.pass();
            self.wait();
        }
    }

    pub fn wait(&mut self) {
        let seconds = match self.next {
            Next::Now => 1,
            Next::After(wait) => i64::try_from(wait.as_secs_f64().ceil() as u64).unwrap(),
            Next::OnChange => 10,
        };
        self.cloud.advance(seconds.clamp(1, 60));
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

    fn write_status(&mut self, status: RollingUpdateTaskStatus) {
        if self.task.status.as_ref() == Some(&status) {
            return;
        }
        schema::check("RollingUpdateTask", &status);
        let known = self.task.status.clone().unwrap_or_default().actions;
        self.requests += status
            .actions
            .iter()
            .filter(|a| a.verb == Verb::Continue && a.state != ActionState::Rejected)
            .filter(|a| !known.iter().any(|k| k.id == a.id && k.time == a.time))
            .count();
        for action in &status.actions {
            let new = !known
                .iter()
                .any(|k| k.id == action.id && k.time == action.time);
            let notify = match action.verb {
                Verb::Retry => NotifyType::RetryTask,
                Verb::Skip => NotifyType::SkipTask,
                _ => NotifyType::CancelTask,
            };
            let open = |t: &&ActionTarget| t.state == ActionState::Accepted;
            for target in action.instances.iter().filter(open).filter(|_| new) {
                let attempt = u32::try_from(target.attempt).unwrap();
                self.named.push((notify, target.instance.clone(), attempt));
            }
        }
        self.failures.extend(
            status
                .instances
                .iter()
                .filter_map(|i| Some((i.execution_id.clone()?, i.failure_time.as_ref()?.0))),
        );
        let before = self.task.status.take().unwrap_or_default();
        self.task.status = Some(match self.older {
            true if self.task_writes.is_multiple_of(2) => older_layout(&status),
            true => with_fields_of(&before, &status),
            false => through_json(&status),
        });
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
            for mutation in decision.also.iter().chain([&work.mutation]) {
                assert!(
                    intended(mutation, status),
                    "no intent on record for {mutation:?}"
                );
            }
            return;
        }
        let metadata = decision.finalizer.is_some() || decision.execution_annotation.is_some();
        if outcome.is_some() || metadata || decision.delete || decision.next == Next::Now {
            return;
        }
        // Looking again at the same things, having written, is no news.
        let mut again = self.task.clone();
        again.status = Some(through_json(status));
        let mut observation = observation.clone();
        if let Step::Decided(second) = self.step(&again, &mut observation, None, None) {
            assert_eq!(second.status, through_json(status), "a second look differs");
            // So does an object that was last written in the older layout, and is not written for that alone.
            let older = older_layout(status);
            again.status = Some(older.clone());
            let third = self.step(&again, &mut observation, None, None);
            let Step::Decided(third) = third else {
                panic!("the older layout asks for more: {third:?}");
            };
            let expected = Decision {
                status: older,
                ..*second
            };
            assert_eq!(*third, expected, "the older layout is decided otherwise");
            self.hold_a_glance(&again, &expected.status);
        }
    }
}

/// Another region at that time: it has nothing of ours.
fn nothing_there(home: &Cloud) -> Cloud {
    let mut there = Cloud::with_instances(0);
    there.now = home.now;
    there.group = None;
    there.broken.clone_from(&home.broken);
    there
}

/// Whether the status that goes with a mutation says that it will be sent.
fn intended(mutation: &Mutation, status: &RollingUpdateTaskStatus) -> bool {
    let restored = |target: &str| {
        let items = status.restore.iter().flat_map(|r| &r.items);
        items.into_iter().any(|i| i.target == target)
    };
    let in_pause = |state| {
        let thaw = status.thaw.as_ref();
        thaw.is_some_and(|t| t.state == state && t.last_call_time.is_some())
    };
    match mutation {
        Mutation::StartExecution(start) => status
            .start
            .as_ref()
            .is_some_and(|s| s.client_token == start.client_token),
        Mutation::NotifyExecution {
            notify: NotifyType::Approve,
            ..
        } => status.pause.as_ref().is_some_and(|p| p.approval.is_some()),
        Mutation::NotifyExecution { note, .. } => {
            let actions = status.actions.iter();
            let mut targets = actions.flat_map(|a| a.instances.iter().map(move |t| (a, t)));
            targets.any(|(action, target)| {
                target.state == ActionState::Accepted
                    && target.call.as_ref().is_some_and(|c| c.unanswered)
                    && [Some(&target.instance), target.task_execution_id.as_ref()]
                        .into_iter()
                        .flatten()
                        .any(|what| note.contains(&format!("({} {what})", action.id)))
            })
        }
        Mutation::CancelExecution { .. } => {
            let source = status.source.as_ref();
            status.cancellation.is_some() || source.is_some_and(|s| s.cancel_time.is_some())
        }
        Mutation::ResumeProcesses { processes, .. } => {
            in_pause(ThawState::Resuming) || processes.iter().all(|p| restored(p.as_str()))
        }
        Mutation::SuspendProcesses { .. } => in_pause(ThawState::Suspending),
        Mutation::ExitStandby { instances, .. }
        | Mutation::SetInstancesProtection { instances, .. } => {
            instances.iter().all(|i| restored(i))
        }
        Mutation::ModifyScalingConfiguration { configuration, .. } => restored(configuration),
        Mutation::ModifyEciScalingConfiguration { configuration, .. } => restored(configuration),
        Mutation::StartInstance { instance } => restored(instance),
    }
}

/// As it is after an earlier version has written it, which leaves the fields that it does not know as they were.
fn with_fields_of(
    before: &RollingUpdateTaskStatus,
    status: &RollingUpdateTaskStatus,
) -> RollingUpdateTaskStatus {
    let mut older = older_layout(status);
    older.layout.clone_from(&before.layout);
    older.call_refused.clone_from(&before.call_refused);
    older.resumed_time.clone_from(&before.resumed_time);
    older.waits_for_others = before.waits_for_others;
    if let (Some(blocked), Some(before)) = (&mut older.start_blocked, &before.start_blocked) {
        (blocked.needs_person, blocked.message) = (before.needs_person, before.message.clone());
    }
    for instance in &mut older.instances {
        let before = before.instances.iter().find(|i| i.id == instance.id);
        instance.message = before.map_or(String::new(), |before| before.message.clone());
    }
    older
}

/// As the operator wrote it before it had fields for what it then read from the conditions.
fn older_layout(status: &RollingUpdateTaskStatus) -> RollingUpdateTaskStatus {
    let mut older: RollingUpdateTaskStatus = through_json(status);
    (older.layout, older.call_refused, older.resumed_time) = (None, None, None);
    older.waits_for_others = false;
    if let Some(blocked) = &mut older.start_blocked {
        (blocked.needs_person, blocked.message) = (false, String::new());
        if *blocked == StartBlocked::default() {
            older.start_blocked = None;
        }
    }
    let instances = older.instances.iter_mut();
    instances.for_each(|instance| instance.message.clear());
    older
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_value(serde_json::to_value(value).unwrap()).unwrap()
}
