//! An installation with a cloud of its own, and what it costs between two moments.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ess_rollout_test_support as support;
use jiff::Timestamp;
use serde_json::json;
use support::{ControlPlane, Emulator, Installation, Operator};

use crate::audit::Requests;
use crate::cloud::{ACCESS_KEY, Groups, REGION, name_in};
use crate::common::{memory, percentile, write_fixture};
use crate::journal::{self, Call};
use crate::people::{Answered, People};
use crate::process::processor_time;
use crate::report::number;
use crate::seen::{Board, Seen};

/// Between two looks at what the watch has brought; when it came is on the board, whenever it is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Between two lines about what is waited for. The audit log is read as often.
const SAID: Duration = Duration::from_secs(10);
/// Between two looks at the journal for a single call, and for many.
const LOOK: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

pub struct Scene {
    title: String,
    began: Instant,
    pub people: People,
    pub seen: Seen,
    pub emulator: Emulator,
    operator: Operator,
    requests: Requests,
    /// Its directory has the operator's kubeconfig.
    _installation: Installation,
}

/// A moment from which on things are counted.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub at: Timestamp,
    /// The number of the next call in the journal.
    pub call: u64,
    operator: Duration,
    emulator: Duration,
}

/// What happened from one moment to another.
#[derive(Debug)]
pub struct Spent {
    pub seconds: f64,
    /// Of the cloud, by action.
    pub calls: BTreeMap<String, usize>,
    /// To the apiserver, by verb and resource, without watches and Events.
    pub requests: BTreeMap<String, usize>,
    pub events: usize,
    /// Time on the processor.
    pub operator: Duration,
    pub emulator: Duration,
}

impl Spent {
    pub fn calls_in_10s(&self) -> f64 {
        number(self.calls.values().sum()) / self.seconds * 10.0
    }

    pub fn requests(&self) -> usize {
        self.requests.values().sum()
    }

    pub fn requests_in_10s(&self) -> f64 {
        number(self.requests()) / self.seconds * 10.0
    }

    /// In percent of one processor.
    pub fn load(&self, used: Duration) -> f64 {
        used.as_secs_f64() / self.seconds * 100.0
    }

    /// How many of each in 10 s, most first.
    pub fn words(&self, counts: &BTreeMap<String, usize>) -> String {
        let mut sorted: Vec<_> = counts.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let word = |(name, count): (&String, &usize)| {
            format!("{name} {:.1}", number(*count) / self.seconds * 10.0)
        };
        let words: Vec<String> = sorted.into_iter().map(word).collect();
        match words.is_empty() {
            true => "none".to_owned(),
            false => words.join(", "),
        }
    }
}

/// How long something took for each of many.
#[derive(Debug)]
pub struct Waits {
    sorted: Vec<Duration>,
    /// When the last of them was over.
    pub ended: Timestamp,
    /// When that of each object was, by its name, where they are of objects.
    pub over: HashMap<String, Timestamp>,
}

impl Waits {
    pub fn new(mut waits: Vec<Duration>, ended: Timestamp) -> Result<Self> {
        ensure!(!waits.is_empty(), "nothing was waited for");
        waits.sort();
        Ok(Self {
            sorted: waits,
            ended,
            over: HashMap::new(),
        })
    }

    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    pub fn percent(&self, percent: usize) -> Duration {
        percentile(&self.sorted, percent)
    }

    pub fn last(&self) -> Duration {
        self.percent(100)
    }
}

/// From one moment to another, none if they are the other way round: an answer may come after what it has caused.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

impl Scene {
    /// Everything but the operator, which [`Scene::launch`] starts. What is watched are the objects of this kind.
    pub async fn prepare(
        control_plane: &ControlPlane,
        title: &str,
        groups: Groups,
        kind: &str,
    ) -> Result<Self> {
        let fixture = write_fixture(&groups.fixture())?;
        let emulator = Emulator::start_with(&fixture, &["--clock-scale", "1"])?;
        let installation = Installation::new(
            control_plane,
            "bench-scale",
            REGION,
            emulator.endpoint(),
            // What the chart has by default, which is not what tests have.
            &json!({"pollIntervalSeconds": 10}),
        )?;
        let options = installation
            .operator()
            .access_key(ACCESS_KEY.0, ACCESS_KEY.1);
        let people = People::new(control_plane.client().await?, kind, &installation.tasks);
        Ok(Self {
            title: title.to_owned(),
            began: Instant::now(),
            seen: Seen::watch(people.api.clone()),
            people,
            emulator,
            operator: Operator::new(&options)?,
            requests: Requests::of(
                control_plane.audit_log().path().to_owned(),
                installation.user(),
            )?,
            _installation: installation,
        })
    }

    /// The same, and the operator is ready.
    pub async fn start(
        control_plane: &ControlPlane,
        title: &str,
        groups: Groups,
        kind: &str,
    ) -> Result<Self> {
        let mut scene = Self::prepare(control_plane, title, groups, kind).await?;
        scene.launch()?;
        Ok(scene)
    }

    /// A line about how far it is.
    pub fn say(&self, text: impl std::fmt::Display) {
        let elapsed = self.began.elapsed().as_secs();
        eprintln!("[{}] {elapsed:>5} s  {text}", self.title);
    }

    /// Starts the operator, and gives how long it took to be ready.
    pub fn launch(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.operator.launch()?;
        self.operator.wait_ready()?;
        let took = began.elapsed();
        self.say(format!("the operator is ready after {took:.1?}"));
        Ok(took)
    }

    pub fn stop(&mut self) -> Result<()> {
        self.operator.process().stop().map(drop)
    }

    pub fn kill(&mut self) -> Result<()> {
        self.operator.process().kill()
    }

    fn pid(&mut self) -> Result<u32> {
        let pid = self.operator.process().pid();
        pid.context("the operator does not run")
    }

    /// What of the operator is in memory.
    pub fn resident(&mut self) -> Result<u64> {
        memory(self.pid()?, "VmRSS")
    }

    /// The most that ever was, since it was started last.
    pub fn peak(&mut self) -> Result<u64> {
        memory(self.pid()?, "VmHWM")
    }

    /// The operator's and the emulator's time on the processor.
    fn processor_times(&mut self) -> Result<(Duration, Duration)> {
        let emulator = self.emulator.process().pid();
        // None of an operator that does not run: what it used is gone with it.
        let operator = match self.operator.process().pid() {
            Some(pid) => processor_time(pid)?,
            None => Duration::ZERO,
        };
        let emulator = emulator.context("the emulator does not run")?;
        Ok((operator, processor_time(emulator)?))
    }

    pub async fn mark(&mut self) -> Result<Mark> {
        let (operator, emulator) = self.processor_times()?;
        Ok(Mark {
            call: journal::next(&self.emulator).await?,
            at: Timestamp::now(),
            operator,
            emulator,
        })
    }

    /// What it has cost since, up to now.
    pub async fn since(&mut self, mark: &Mark) -> Result<Spent> {
        self.until_then(mark, Timestamp::now()).await
    }

    /// What it has cost between these moments. Time on the processor is that up to now.
    pub async fn until_then(&mut self, mark: &Mark, to: Timestamp) -> Result<Spent> {
        let (operator, emulator) = self.processor_times()?;
        let mut calls = BTreeMap::new();
        for call in journal::of_operator(&self.emulator, mark.call, None).await? {
            if call.at <= to {
                *calls.entry(call.action).or_default() += 1;
            }
        }
        let mut requests = BTreeMap::new();
        let mut events = 0;
        for request in self.requests.between(mark.at, to)? {
            match request.is_event() {
                true => events += 1,
                false => *requests.entry(request.what.clone()).or_default() += 1,
            }
        }
        Ok(Spent {
            seconds: between(mark.at, to).as_secs_f64(),
            calls,
            requests,
            events,
            operator: operator.saturating_sub(mark.operator),
            emulator: emulator.saturating_sub(mark.emulator),
        })
    }

    /// The requests for each of these objects and the record of its group until it was over for that one, on average. Those
    /// that the audit log names no object for are counted until it was over for all.
    pub fn requests_each(&mut self, mark: &Mark, waits: &Waits) -> Result<f64> {
        let all = self.requests.between(mark.at, waits.ended)?;
        let own = all.filter(|request| !request.is_event()).filter(|request| {
            let name = name_in(&request.name).unwrap_or_else(|| request.name.clone());
            waits.over.get(&name).is_none_or(|over| request.at <= *over)
        });
        Ok(number(own.count()) / number(waits.over.len()))
    }

    /// Waits until the board has so many of what is counted.
    pub async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        of: usize,
        count: impl Fn(&Board) -> usize,
    ) -> Result<()> {
        let began = Instant::now();
        let mut said = began;
        loop {
            let there = count(&self.seen.board());
            if there >= of {
                self.say(format!("{of} {what}"));
                return Ok(());
            }
            ensure!(
                began.elapsed() < patience,
                "{there} of {of} {what} after {patience:?}"
            );
            if said.elapsed() >= SAID {
                said = Instant::now();
                self.say(format!("{there} of {of} {what}"));
                self.requests.read()?;
                ensure!(
                    self.operator.process().running(),
                    "the operator has ended: {}",
                    self.operator.process().log_tail()
                );
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits until all of them are in this state.
    pub async fn until_all(&mut self, state: &str, patience: Duration, of: usize) -> Result<()> {
        self.until(&format!("are {state}"), patience, of, |board| {
            board.count(|object| object.state == state)
        })
        .await
    }

    /// Lets so much time pass.
    pub async fn pass(&mut self, time: Duration, why: &str) -> Result<()> {
        self.say(format!("{why} for {time:?}"));
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            tokio::time::sleep(left.min(SAID)).await;
            self.requests.read()?;
        }
        Ok(())
    }

    /// Lets so much time pass, and gives what it has cost.
    pub async fn measure(&mut self, time: Duration, why: &str) -> Result<Spent> {
        let mark = self.mark().await?;
        self.pass(time, why).await?;
        self.since(&mark).await
    }

    /// Waits until the operator has made this call for each of them, and gives how long after the answer to the person each arrived.
    pub async fn arrivals(
        &mut self,
        action: &str,
        since: &Mark,
        asked: &Answered,
        patience: Duration,
    ) -> Result<Waits> {
        let began = Instant::now();
        let look = LOOK[usize::from(asked.len() > 1)];
        loop {
            let calls = journal::of_operator(&self.emulator, since.call, Some(action)).await?;
            let arrived = first_for_each(&calls, &self.seen.board().executions());
            let missing = asked
                .keys()
                .filter(|name| !arrived.contains_key(*name))
                .count();
            if missing == 0 {
                let waits = asked
                    .iter()
                    .map(|(name, asked)| between(*asked, arrived[name]));
                let last = asked.keys().map(|name| arrived[name]).max();
                return Ok(Waits {
                    over: arrived.clone(),
                    ..Waits::new(waits.collect(), last.unwrap_or_default())?
                });
            }
            ensure!(
                began.elapsed() < patience,
                "no {action} for {missing} of {} after {patience:?}",
                asked.len()
            );
            self.requests.read()?;
            tokio::time::sleep(look).await;
        }
    }

    /// Ends its programs; the objects stay, as nobody looks at their namespace any more.
    pub fn end(mut self) -> Result<()> {
        self.operator.process().stop()?;
        self.emulator.process().stop()?;
        self.say("done");
        Ok(())
    }
}

/// When the first call that succeeded arrived, for each object by its name.
fn first_for_each(
    calls: &[Call],
    executions: &HashMap<String, String>,
) -> HashMap<String, Timestamp> {
    let mut arrived = HashMap::new();
    for call in calls.iter().filter(|call| call.succeeded()) {
        let name = match call.text("ExecutionId") {
            Some(execution) => executions.get(execution).cloned(),
            None => name_in(&call.params.to_string()),
        };
        if let Some(name) = name {
            arrived.entry(name).or_insert(call.at);
        }
    }
    arrived
}
