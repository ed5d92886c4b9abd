//! Everything that one run shares: the virtual time, the emulated cloud, the fake apiserver, and what was seen.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::state::behaviour::Switches;
use ess_emulator_probe::random;
use ess_rollout::kubernetes::ObjectKey;
use ess_rollout_core::endpoints::WebhookCall;
use ess_rollout_test_support::FakeApiserver;
use ess_rollout_test_support::apiserver::Kinds;
use futures::FutureExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::gate::{Gate, Side};
use crate::golden::Moment;
use crate::lease::KeptLease;
use crate::lists::Lists;
use crate::others::Others;
use crate::pages::Pages;
use crate::scale::Made;
use crate::scenario::{Scenario, with};
use crate::story;

/// The namespace of the tasks, and of the operator with its records.
pub const NAMESPACE: &str = "shop";
/// The kinds that people have objects of.
pub const KINDS: [&str; 3] = ["rollingupdatetasks", "rollbacks", "imageupdatetasks"];
/// Who acts at the apiserver, and in the cloud.
pub const OPERATOR: &str = "operator";
pub const PERSON: &str = "person";
pub const REGION: &str = "cn-hangzhou";
/// Where there is nothing.
pub const ELSEWHERE: &str = "cn-beijing";
/// The bound on lateness that the operator is told. A batch takes less than that, so that a late call can meet the next
/// pause; and the shorter it is, the fewer looks a run takes while an answer is missing.
pub const SETTLE: Duration = Duration::from_secs(20);
/// How late a late effect comes after its connection ended.
pub const LATE_SECONDS: f64 = 18.0;
/// How long what is wrong for a while is wrong: longer than the bound on lateness.
pub const FOR_A_WHILE: Duration = Duration::from_secs(60);
/// More passes than this within a minute of virtual time make no progress.
const PASSES_A_MINUTE: usize = 150;
/// More calls and writes than this that change something, or are to, within a minute of virtual time are the same over and over.
const CHANGES_A_MINUTE: usize = 100;

pub struct World {
    pub apiserver: FakeApiserver,
    pub gate: Gate,
    cloud: Mutex<Cloud>,
    /// It is always right.
    clock: VirtualClock,
    /// That of the nodes of operators.
    node: VirtualClock,
    seen: Mutex<Seen>,
    /// Where calls take how long.
    pub latency: Latency,
    /// What OOS has listed, for lists that are behind.
    pub lists: Lists,
    /// Lists that come in pages.
    pub pages: Pages,
    /// What others are about.
    pub others: Others,
    /// Which of two operators leads.
    pub lease: KeptLease,
}

#[derive(Default)]
struct Seen {
    violations: Vec<String>,
    /// Of every request and answer.
    exchanged: DefaultHasher,
    /// `None`: nobody reads it.
    trace: Option<Vec<String>>,
    passes: Vec<Instant>,
    changes: Vec<Instant>,
    /// What webhooks were called about, by the keys that they tell repetitions by.
    webhooks: BTreeMap<String, (String, String, i32)>,
    count: usize,
    /// When each object is to be looked at again.
    due: BTreeMap<ObjectKey, Instant>,
    /// `None`: nobody keeps them.
    moments: Option<Vec<Moment>>,
    /// `None`: nobody counts calls, and few passes are expected.
    made: Option<Vec<Made>>,
}

/// Virtual time: tokio's paused clock, from a fixed date on.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    began: Instant,
    /// By how much it is wrong.
    ahead: SignedDuration,
    /// By how much it is wrong for a while, and until when.
    jump: Arc<Mutex<Option<(SignedDuration, Instant)>>>,
}

const BEGIN: i64 = 1_767_600_000;

impl VirtualClock {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            ahead: SignedDuration::ZERO,
            jump: Arc::default(),
        }
    }

    fn jump(&self) -> MutexGuard<'_, Option<(SignedDuration, Instant)>> {
        self.jump.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That of a node that is wrong by so much.
    pub fn ahead_by(self, ahead: SignedDuration) -> Self {
        Self { ahead, ..self }
    }

    /// For a while it is wrong by so much.
    pub fn jumps(&self, by: SignedDuration) {
        *self.jump() = Some((by, Instant::now() + FOR_A_WHILE));
    }

    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        let jump = self.jump().filter(|(_, until)| *until > Instant::now());
        let jump = jump.map_or(SignedDuration::ZERO, |(by, _)| by);
        begin()
            .saturating_add(elapsed + self.ahead + jump)
            .unwrap_or(Timestamp::MAX)
    }
}

/// The time at which every run begins.
pub fn begin() -> Timestamp {
    Timestamp::from_second(BEGIN).unwrap_or_default()
}

impl ess_rollout::runtime::clock::Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(VirtualClock::now(self).as_second()).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl ess_rollout_aliyun::Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        VirtualClock::now(self)
    }
}

/// How long calls take.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Otherwise fixed.
    pub random: bool,
}

impl Latency {
    /// One way of a call, in milliseconds.
    pub async fn pass(self, milliseconds: u64) {
        let milliseconds = match self.random {
            true => fastrand::u64(1..=milliseconds * 8),
            false => milliseconds,
        };
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// An account whose lists are further behind needs an operator that is told of a longer bound.
fn within_the_bound(mut switches: Switches) -> Switches {
    let bound = SETTLE.as_secs() as u32;
    let oos = &mut switches.oos;
    for seconds in [
        &mut oos.list_lag_seconds,
        &mut oos.tag_lag_seconds,
        &mut oos.update_date_lag_seconds,
    ] {
        *seconds %= bound;
    }
    switches
}

/// In a random schedule what is read may be behind what is.
fn lag(fixture: &mut Fixture) {
    let switches = &mut fixture.switches;
    for seconds in [
        &mut switches.oos.list_lag_seconds,
        &mut switches.oos.tag_lag_seconds,
        &mut switches.oos.update_date_lag_seconds,
    ] {
        if fastrand::u8(..4) == 0 {
            // No further than the bound on lateness that the operator is told: what it promises holds until there.
            *seconds = fastrand::u32(1..SETTLE.as_secs() as u32);
        }
    }
    if fastrand::u8(..4) == 0 {
        switches.read_lag_seconds = f64::from(fastrand::u32(1..15));
    }
    switches.oos.update_date_moves_with_children = fastrand::bool();
    switches.oos.stable_pages = fastrand::bool();
    switches.oos.cancel_delay_seconds = fastrand::u32(1..30);
}

fn request(method: &str, path: &str, body: &Value) -> Request<Vec<u8>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/merge-patch+json")
        .body(body.to_string().into_bytes())
        .expect("a valid request")
}

/// What an apiserver says to a write.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// Its newest version before the write and after.
    pub versions: (u64, u64),
}

/// A write by somebody, and the answer; a patch is a merge patch.
pub fn send(
    apiserver: &FakeApiserver,
    user: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let before = apiserver.revision();
    let answer = apiserver.answer(user, &request(method, path, body));
    let status = answer.status().as_u16();
    let read = answer.into_body().collect().now_or_never();
    let bytes = read
        .and_then(Result::ok)
        .map(http_body_util::Collected::to_bytes);
    Answer {
        status,
        body: serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default(),
        versions: (before, apiserver.revision()),
    }
}

impl World {
    pub fn new(
        kinds: Arc<Kinds>,
        scenario: &Scenario,
        gate: Gate,
        latency: Latency,
        profile: Option<u64>,
        traced: bool,
    ) -> Arc<Self> {
        let drawn = match profile {
            Some(seed) => json!({ "switches": within_the_bound(random::switches(seed)) }),
            None => json!({}),
        };
        let mut fixture: Fixture = serde_json::from_value(with(drawn, scenario.fixture.clone()))
            .expect("a scenario's fixture is valid");
        if latency.random && profile.is_none() {
            lag(&mut fixture);
        }
        if scenario.fresh_reads {
            fixture.switches.read_lag_seconds = 0.0;
        }
        fixture.start_time = Some(begin());
        let clock = VirtualClock::new();
        let of_apiserver = clock.clone();
        Arc::new(Self {
            apiserver: FakeApiserver::new(kinds, Arc::new(move || of_apiserver.now())),
            gate,
            cloud: Mutex::new(Cloud::new(&fixture).expect("a scenario's fixture is valid")),
            node: VirtualClock {
                jump: Arc::default(),
                ..clock.clone()
            },
            clock,
            seen: Mutex::new(Seen {
                trace: traced.then(Vec::new),
                ..Seen::default()
            }),
            latency,
            lists: Lists::new(scenario.lists_behind, scenario.tasks_behind),
            pages: Pages::default(),
            others: Others::default(),
            lease: KeptLease::default(),
        })
    }

    /// That of a node.
    pub fn clock(&self) -> VirtualClock {
        self.node.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The cloud, with everything that is due by now done.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        let mut cloud = self.cloud.lock().unwrap_or_else(PoisonError::into_inner);
        cloud.advance_to(self.clock.now());
        cloud
    }

    /// A request of somebody else than the operator to the apiserver; a patch is a merge patch.
    pub fn request(&self, user: &str, method: &str, path: &str, body: &Value) -> StatusCode {
        let request = request(method, path, body);
        self.apiserver.answer(user, &request).status()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rule was broken.
    pub fn violation(&self, what: impl Into<String>) {
        let what = what.into();
        self.trace(|| format!("VIOLATION {what}"));
        if self.seen().trace.is_some() {
            let believed = story::believed(self)
                .into_iter()
                .map(|line| ("believed", line));
            let truth = story::truth(self)
                .into_iter()
                .map(|line| ("true    ", line));
            for (whose, line) in believed.chain(truth) {
                self.trace(|| format!("  {whose}  {line}"));
            }
        }
        self.seen().violations.push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    /// Something that the operator sent, or was answered.
    pub fn exchanged(&self, what: &[u8]) {
        let mut seen = self.seen();
        self.clock.now().as_nanosecond().hash(&mut seen.exchanged);
        what.hash(&mut seen.exchanged);
    }

    /// Of all of that so far.
    pub fn hash(&self) -> u64 {
        self.seen().exchanged.finish()
    }

    /// A line of the story, if anybody reads it.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        let mut seen = self.seen();
        if let Some(trace) = &mut seen.trace {
            let at = self.clock.began.elapsed().as_secs_f64();
            trace.push(format!("{at:9.3} s  {}", line()));
        }
    }

    pub fn take_trace(&self) -> Vec<String> {
        self.seen().trace.take().unwrap_or_default()
    }

    /// A pass over an object begins.
    pub fn pass_begins(&self, about: &ObjectKey) {
        let now = Instant::now();
        let mut seen = self.seen();
        seen.count += 1;
        seen.due.remove(about);
        if seen.made.is_some() {
            return;
        }
        let passes = within_a_minute(&mut seen.passes, now);
        drop(seen);
        if passes == PASSES_A_MINUTE {
            self.violation(format!("{PASSES_A_MINUTE} passes within a minute"));
        }
    }

    /// A request that changes something comes to its boundary: what goes wrong there.
    pub fn reach(&self, side: Side) -> Option<Fault> {
        let mut seen = self.seen();
        // Of many updates at once there are many, and their calls are counted otherwise.
        let changes = match seen.made {
            None => within_a_minute(&mut seen.changes, Instant::now()),
            Some(_) => 0,
        };
        drop(seen);
        if changes == CHANGES_A_MINUTE {
            self.violation(format!(
                "{CHANGES_A_MINUTE} calls and writes that change something, within a minute"
            ));
        }
        self.gate.reach(side)
    }

    /// A webhook is called: whoever is called does its work once for each key, and so for each batch of each object.
    pub fn webhook_is_called(&self, call: &WebhookCall) {
        let about = (call.namespace.clone(), call.name.clone(), call.batch);
        let before = self.seen().webhooks.insert(call.key.clone(), about.clone());
        if let Some(before) = before.filter(|before| *before != about) {
            let key = &call.key;
            self.violation(format!("webhooks are called with the key {key:?} about {about:?}, and were about {before:?}"));
        }
    }

    /// Whoever looked at an object wants to look again after this time.
    pub fn look_is_due(&self, about: ObjectKey, after: Duration) {
        // What is due in a year is due at the end of time.
        if let Some(at) = Instant::now().checked_add(after) {
            self.seen().due.insert(about, at);
        }
    }

    /// Nobody looks any more who wanted to: whoever comes looks at everything.
    pub fn nobody_looks(&self) {
        self.seen().due.clear();
    }

    /// No look is later than this.
    pub fn looks_are_in_time(&self, bound: Duration) {
        let now = Instant::now();
        let mut seen = self.seen();
        let late = seen.due.iter().find(|(_, at)| now > **at + bound);
        let Some((about, at)) = late.map(|(about, at)| (about.clone(), *at)) else {
            return;
        };
        seen.due.remove(&about);
        drop(seen);
        let plural = format!("{}s", about.kind.name().to_lowercase());
        let namespace = match about.namespace.as_str() {
            "" => NAMESPACE,
            namespace => namespace,
        };
        // Of what is gone nothing is due.
        if self
            .apiserver
            .get(&plural, namespace, &about.name)
            .is_none()
        {
            return;
        }
        let late = now - at;
        self.violation(format!(
            "nobody looks at {about}, which was due {late:?} ago"
        ));
    }

    /// From now on moments are kept.
    pub fn keep_moments(&self) {
        self.seen().moments = Some(Vec::new());
    }

    /// A request of the operator has had its effect.
    pub fn effect(&self, side: Side) {
        if self.seen().moments.is_some() {
            let moment = Moment::of(self, side);
            self.seen().moments.get_or_insert_default().push(moment);
        }
    }

    pub fn take_moments(&self) -> Vec<Moment> {
        self.seen().moments.take().unwrap_or_default()
    }

    /// From now on calls are counted, and passes are not.
    pub fn count_calls(&self) {
        self.seen().made = Some(Vec::new());
    }

    /// The operator called this.
    pub fn call_made(&self, what: impl FnOnce() -> String) {
        if let Some(made) = &mut self.seen().made {
            let (at, what) = (Instant::now(), what());
            made.push(Made { at, what });
        }
    }

    /// What was called since it is counted.
    pub fn made(&self) -> Vec<Made> {
        self.seen().made.clone().unwrap_or_default()
    }

    pub fn passes(&self) -> usize {
        self.seen().count
    }
}

/// Adds one, and counts those of the last minute.
fn within_a_minute(times: &mut Vec<Instant>, now: Instant) -> usize {
    times.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
    times.push(now);
    times.len()
}
