//! Many updates at once, on virtual time: what each costs in calls, and how long people wait. The same code as the operator's
//! at its own rates; only times and counts are looked at, so nothing of this depends on the machine.
//!
//! `SCALE=n` measures with n updates and prints; without it [`TASKS`] are held to their budgets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ess_rollout_aliyun::Limits;
use ess_rollout_test_support::apiserver::Kinds;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gate::Gate;
use crate::operator::{self, Operator, Told};
use crate::scenario::{Scenario, fixture, group, object, with};
use crate::world::{Latency, NAMESPACE, PERSON, World, begin};

/// How many updates are held to the budgets.
pub const TASKS: usize = 300;
/// Instances of each.
const INSTANCES: usize = 50;
/// For how long they are watched.
const WATCHED: Duration = Duration::from_secs(300);
/// After something has changed for many.
const SETTLING: Duration = Duration::from_secs(300);
/// How long nobody runs: longer than an instance takes, so that each update has gone on.
const ABSENCE: Duration = Duration::from_secs(75);
/// After its start an operator has so long to look at all that run.
const CATCHING_UP: Duration = Duration::from_secs(60);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The bound on lateness, as it is by default.
const LATENESS: Duration = Duration::from_secs(60);
/// When the window opens that all wait for, and how long before that each is looked at again at the most.
const OPENS: Duration = Duration::from_secs(6 * 3600);
const LEAD: Duration = Duration::from_secs(3600);
/// How many people ask for something at the same time.
const PEOPLE: usize = 30;

/// A call or a request that the operator made.
#[derive(Debug, Clone)]
pub struct Made {
    pub at: Instant,
    pub what: String,
}

fn name(number: usize) -> String {
    format!("web-{number:04}")
}

fn task(number: usize) -> Value {
    let spec = json!({
        "scalingGroupId": format!("asg-{}", name(number)),
        "batches": INSTANCES,
        "suspensionPolicy": "SuspendFirstBatch",
        "update": {"script": {"run": {"inline": "systemctl restart agent"}}},
    });
    object("RollingUpdateTask", &name(number), spec)
}

/// The same, which waits for a window that all have in common.
fn waiting_task(number: usize) -> Value {
    let at = |wait: Duration| {
        let time = begin() + SignedDuration::try_from(wait).expect("some hours");
        time.to_string()
    };
    let end = OPENS + Duration::from_secs(4 * 3600);
    with(
        task(number),
        json!({"spec": {"window": {"start": at(OPENS), "end": at(end)}, "finishBy": "Off"}}),
    )
}

struct Scale {
    world: Arc<World>,
    tasks: usize,
}

impl Scale {
    fn create(&self, task: &Value) {
        let body = task.to_string().into_bytes();
        let uri =
            format!("/apis/ess-rollout.io/v1alpha1/namespaces/{NAMESPACE}/rollingupdatetasks");
        let request = Request::post(uri).body(body).expect("a request");
        let answer = self.world.apiserver.answer(PERSON, &request);
        assert!(answer.status().is_success(), "{:?}", answer.status());
    }

    fn annotate(&self, number: usize, verb: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {format!("ess-rollout.io/{verb}"): value}}});
        let uri = format!(
            "/apis/ess-rollout.io/v1alpha1/namespaces/{NAMESPACE}/rollingupdatetasks/{}",
            name(number)
        );
        let request = Request::patch(uri)
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string().into_bytes());
        let answer = self
            .world
            .apiserver
            .answer(PERSON, &request.expect("a request"));
        assert!(answer.status().is_success(), "{:?}", answer.status());
    }

    fn field(&self, number: usize, pointer: &str) -> Option<Value> {
        let object = self
            .world
            .apiserver
            .get("rollingupdatetasks", NAMESPACE, &name(number))?;
        object.pointer(pointer).cloned()
    }

    fn state(&self, number: usize) -> String {
        let state = self.field(number, "/status/state");
        state
            .and_then(|s| s.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Waits until this many are in that state; gives how long it took.
    async fn until(&self, state: &str, count: usize) -> Result<Duration, String> {
        self.until_so(state, count, |number| self.state(number) == state)
            .await
    }

    /// Waits until this is so of that many, which are then `what`; gives how long it took.
    async fn until_so(
        &self,
        what: &str,
        count: usize,
        is_so: impl Fn(usize) -> bool,
    ) -> Result<Duration, String> {
        let began = Instant::now();
        loop {
            let there = (0..self.tasks).filter(|number| is_so(*number)).count();
            if there >= count {
                return Ok(began.elapsed());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{there} of {count} are {what} after {PATIENCE:?}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// An operator at its own rates.
    fn operator(&self) -> Operator {
        let told = Told {
            workers: operator::DEFAULT_WORKERS,
            settle: LATENESS,
            ..Told::default()
        };
        Operator::start(&self.world, told)
    }
}

fn percentile(sorted: &[Duration], part: f64) -> Duration {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand"
    )]
    let at = ((sorted.len() as f64 - 1.0) * part).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn seconds(durations: &mut [Duration]) -> String {
    durations.sort();
    let [p50, p99] = [0.5, 0.99].map(|part| percentile(durations, part).as_secs_f64());
    let last = percentile(durations, 1.0).as_secs_f64();
    format!("p50 {p50:.1} s, p99 {p99:.1} s, last {last:.1} s")
}

/// Of the apiserver: it begins with a verb of HTTP.
fn is_request(name: &str) -> bool {
    name.split(' ')
        .next()
        .is_some_and(|word| word.chars().all(char::is_uppercase))
}

/// How often each was called between these moments.
fn counts(made: &[Made], from: Instant, to: Instant) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for made in made.iter().filter(|made| made.at >= from && made.at < to) {
        *counts.entry(made.what.as_str()).or_default() += 1;
    }
    counts
}

/// When each was called first.
fn firsts(made: &[Made], what: &str, from: Instant) -> Vec<Duration> {
    let those = made
        .iter()
        .filter(|made| made.what == what && made.at >= from);
    those.map(|made| made.at - from).collect()
}

/// Measures with so many updates, and prints.
pub fn measure(kinds: &Arc<Kinds>, tasks: usize) -> Result<(), String> {
    let figures = run(kinds, tasks)?;
    println!("scale: tasks={tasks} instances={INSTANCES}");
    figures.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

/// Holds [`TASKS`] updates to their budgets. They are those of `docs/architecture.md`.
pub fn hold(kinds: &Arc<Kinds>) -> Result<(), String> {
    let began = std::time::Instant::now();
    let figures = run(kinds, TASKS)?;
    let exceeded: Vec<String> = figures
        .iter()
        .filter(|figure| figure.value > figure.budget)
        .map(ToString::to_string)
        .collect();
    println!(
        "scale: tasks={TASKS} figures={} exceeded={} {} s",
        figures.len(),
        exceeded.len(),
        began.elapsed().as_secs()
    );
    match exceeded.is_empty() {
        true => Ok(()),
        false => Err(exceeded.join("\n")),
    }
}

/// Something that was measured, and what it may be at most.
struct Figure {
    what: &'static str,
    value: f64,
    budget: f64,
    more: String,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            value,
            budget,
            more,
        } = self;
        write!(
            f,
            "  {what:<58} {value:>8.1}   budget {budget:>6.1}   {more}"
        )
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O")
}

/// One update and nobody else's: what others make the poller list is not there for it.
fn alone(kinds: &Arc<Kinds>) -> Result<Figure, String> {
    fastrand::seed(1);
    runtime().block_on(async {
        let scale = Scale::new(kinds.clone(), 1);
        let _operator = scale.operator();
        tokio::time::sleep(Duration::from_secs(1)).await;
        scale.create(&task(0));
        scale.until("BatchSuspended", 1).await?;
        let cloud = scale.world.cloud();
        let done = cloud.world.journal.since(0);
        let done = done.filter(|entry| entry.action == "ExitStandby").last();
        let done = done.ok_or("no instance was put back")?.time;
        Ok(Figure {
            what: "one update alone: its batch is done -> its pause is shown (s)",
            value: cloud.now().duration_since(done).as_secs_f64(),
            // A poll, and what OOS itself takes from an instance to the next task.
            budget: 15.0,
            more: String::new(),
        })
    })
}

/// All wait for one window: what it costs to say what would stand against each.
fn waiting(kinds: &Arc<Kinds>, tasks: usize) -> Result<Vec<Figure>, String> {
    fastrand::seed(1);
    runtime().block_on(async {
        let scale = Scale::new(kinds.clone(), tasks);
        let began = Instant::now();
        let _operator = scale.operator();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let created = Instant::now();
        (0..tasks).for_each(|number| scale.create(&waiting_task(number)));
        let check = "/status/preflightCheck/time";
        let is_looked_at = |number| scale.field(number, check).is_some();
        let took = scale.until_so("looked at", tasks, is_looked_at).await?;
        tokio::time::sleep(SETTLING).await;
        let (at_rest, opens) = (Instant::now(), began + OPENS);
        tokio::time::sleep_until(opens - LEAD).await;
        let before = Instant::now();
        tokio::time::sleep_until(opens - Duration::from_secs(1)).await;
        let [first, rest, again] = [
            (created, at_rest),
            (at_rest, before),
            (before, Instant::now()),
        ]
        .map(|(from, to)| scale.made(from, to));
        let minutes = (0..LEAD.as_secs() / 60).map(|minute| {
            let from = before + Duration::from_secs(60 * minute);
            scale.made(from, from + Duration::from_secs(60)).0
        });
        Ok(vec![
            Figure {
                what: "create before the window -> all are looked at (s)",
                value: took.as_secs_f64(),
                budget: 5.0 + number(tasks) / 10.0,
                more: String::new(),
            },
            Figure {
                what: "calls of the cloud to look at each",
                value: scale.each(first.0),
                budget: 8.0,
                more: first.2,
            },
            Figure {
                what: "calls of the cloud in the hours while all wait",
                value: number(rest.0),
                budget: 0.0,
                more: rest.2,
            },
            Figure {
                what: "calls of the cloud to look at each before it opens",
                value: scale.each(again.0),
                // Spread over half an hour fewer of them share a call.
                budget: 16.0,
                more: again.2,
            },
            Figure {
                what: "their busiest minute, in shares of an even half an hour",
                value: number(minutes.max().unwrap_or_default()) * 30.0 / number(again.0.max(1)),
                budget: 2.5,
                more: String::new(),
            },
        ])
    })
}

fn run(kinds: &Arc<Kinds>, tasks: usize) -> Result<Vec<Figure>, String> {
    let mut figures = vec![alone(kinds)?];
    figures.extend(waiting(kinds, tasks)?);
    fastrand::seed(1);
    runtime().block_on(async {
        let scale = Scale::new(kinds.clone(), tasks);
        let first = scale.operator();
        tokio::time::sleep(Duration::from_secs(1)).await;
        scale.starts(&mut figures).await?;
        scale.pauses(&mut figures).await?;
        scale.continues(&mut figures, PEOPLE.min(tasks)).await;
        scale.runs(&mut figures).await?;
        drop(first);
        tokio::time::sleep(ABSENCE).await;
        let began = Instant::now();
        let before = scale.versions();
        let _second = scale.operator();
        scale.catches_up(&mut figures, began, &before).await?;
        Ok(figures)
    })
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand")]
fn number(count: usize) -> f64 {
    count as f64
}

impl Scale {
    fn new(kinds: Arc<Kinds>, tasks: usize) -> Self {
        let groups = (0..tasks).map(|n| {
            let group = group(&format!("asg-{}", name(n)), INSTANCES);
            with(group, json!({"maxSize": 100}))
        });
        let minute = json!({"durations": {"command": 60}});
        let scenario = Scenario {
            fixture: with(fixture(groups.collect()), minute),
            ..Scenario::new("scale", json!({}))
        };
        let latency = Latency { random: false };
        let gate = Gate::open();
        let world = World::new(kinds, &scenario, gate, latency, None, false);
        world.count_calls();
        Self { world, tasks }
    }

    fn each(&self, count: usize) -> f64 {
        number(count) / number(self.tasks)
    }

    /// Calls of the cloud and requests to the apiserver between these moments, and which.
    fn made(&self, from: Instant, to: Instant) -> (usize, usize, String) {
        let made = self.world.made();
        let counts = counts(&made, from, to);
        // Events are said besides.
        let counts = counts
            .into_iter()
            .filter(|(name, _)| !name.ends_with(" events"));
        let (requests, calls): (Vec<_>, Vec<_>) = counts.partition(|(name, _)| is_request(name));
        let total = |list: &[(&str, usize)]| list.iter().map(|(_, count)| count).sum::<usize>();
        let mut words = String::new();
        for (name, count) in calls.iter().chain(&requests) {
            words.push_str(&format!("\n      {name} {count}"));
        }
        (total(&calls), total(&requests), words)
    }

    /// Waits until all have started; gives how long each has taken.
    async fn all_start(&self, created: Instant) -> Result<Vec<Duration>, String> {
        loop {
            let starts = firsts(&self.world.made(), "StartExecution", created);
            if starts.len() >= self.tasks {
                return Ok(starts);
            }
            if created.elapsed() > PATIENCE {
                let (there, tasks) = (starts.len(), self.tasks);
                return Err(format!(
                    "{there} of {tasks} have started after {PATIENCE:?}"
                ));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// All at once.
    async fn starts(&self, figures: &mut Vec<Figure>) -> Result<(), String> {
        let created = Instant::now();
        (0..self.tasks).for_each(|number| self.create(&task(number)));
        let mut starts = self.all_start(created).await?;
        let ended = created + starts.iter().max().copied().unwrap_or_default();
        let rate = Limits::default().oos_starts.per_second;
        let (calls, requests, words) = self.made(created, ended);
        figures.push(Figure {
            what: "create -> StartExecution, the last of all (s)",
            value: (ended - created).as_secs_f64(),
            budget: 1.2 * number(self.tasks) / rate + 5.0,
            more: seconds(&mut starts),
        });
        figures.push(Figure {
            what: "calls of the cloud for each start",
            value: self.each(calls),
            budget: 12.0,
            more: words,
        });
        figures.push(Figure {
            what: "requests to the apiserver for each start",
            value: self.each(requests),
            budget: 21.0,
            more: String::new(),
        });
        Ok(())
    }

    /// All wait for a person.
    async fn pauses(&self, figures: &mut Vec<Figure>) -> Result<(), String> {
        self.until("BatchSuspended", self.tasks).await?;
        tokio::time::sleep(SETTLING).await;
        let from = Instant::now();
        tokio::time::sleep(WATCHED).await;
        let (calls, requests, words) = self.made(from, Instant::now());
        figures.push(Figure {
            what: "calls in 10 s while all are paused",
            value: number(calls) / WATCHED.as_secs_f64() * 10.0,
            budget: 3.0 + number(self.tasks) * 22.0 / 1000.0,
            more: words,
        });
        figures.push(Figure {
            what: "requests to the apiserver in 10 s while all are paused",
            value: number(requests) / WATCHED.as_secs_f64() * 10.0,
            // Watches are begun anew, whatever there is.
            budget: 4.0,
            more: String::new(),
        });
        Ok(())
    }

    /// So many people at the same time.
    async fn continues(&self, figures: &mut Vec<Figure>, people: usize) {
        let asked = Instant::now();
        self.annotate(0, "continue", "1");
        tokio::time::sleep(SETTLING).await;
        let mut notified = firsts(&self.world.made(), "NotifyExecution", asked);
        figures.push(Figure {
            what: "annotation -> NotifyExecution, one person (s)",
            value: notified.first().map_or(f64::MAX, Duration::as_secs_f64),
            budget: 1.0,
            more: seconds(&mut notified),
        });
        let asked = Instant::now();
        (1..people).for_each(|number| self.annotate(number, "continue", "1"));
        tokio::time::sleep(SETTLING).await;
        let mut notified = firsts(&self.world.made(), "NotifyExecution", asked);
        let text = seconds(&mut notified);
        let all = notified.len() + 1 >= people;
        figures.push(Figure {
            what: "annotation -> NotifyExecution, 30 people at once, last (s)",
            value: notified
                .last()
                .filter(|_| all)
                .map_or(f64::MAX, Duration::as_secs_f64),
            budget: 18.0,
            more: text,
        });
    }

    fn versions(&self) -> Vec<Option<Value>> {
        let pointer = "/metadata/resourceVersion";
        (0..self.tasks).map(|n| self.field(n, pointer)).collect()
    }

    /// Another operator begins, and each update has gone on since the first one ended.
    async fn catches_up(
        &self,
        figures: &mut Vec<Figure>,
        began: Instant,
        before: &[Option<Value>],
    ) -> Result<(), String> {
        let written = || {
            let now = self.versions();
            now.iter()
                .zip(before)
                .filter(|(now, before)| now != before)
                .count()
        };
        while written() < self.tasks {
            if began.elapsed() > PATIENCE {
                return Err(format!("{} of {} are looked at", written(), self.tasks));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let took = began.elapsed();
        tokio::time::sleep(CATCHING_UP.saturating_sub(took)).await;
        let (calls, requests, words) = self.made(began, began + CATCHING_UP);
        figures.push(Figure {
            what: "restart: all that run are looked at (s)",
            value: took.as_secs_f64(),
            budget: CATCHING_UP.as_secs_f64(),
            more: format!(
                "{:.1} requests for each in {CATCHING_UP:?}",
                self.each(requests)
            ),
        });
        figures.push(Figure {
            what: "restart: calls in 10 s",
            value: number(calls) / CATCHING_UP.as_secs_f64() * 10.0,
            budget: 5.0 + number(self.tasks) * 55.0 / 1000.0,
            more: words,
        });
        Ok(())
    }

    /// All others go on, and something changes in each once a minute.
    async fn runs(&self, figures: &mut Vec<Figure>) -> Result<(), String> {
        let asked = Instant::now();
        let people = PEOPLE.min(self.tasks);
        (people..self.tasks).for_each(|number| self.annotate(number, "continue", "1"));
        self.until("Running", self.tasks).await?;
        let mut notified = firsts(&self.world.made(), "NotifyExecution", asked);
        figures.push(Figure {
            what: "annotation -> NotifyExecution, all others at once, last (s)",
            value: notified.iter().max().map_or(0.0, Duration::as_secs_f64),
            budget: number(self.tasks),
            more: seconds(&mut notified),
        });
        tokio::time::sleep(SETTLING).await;
        let from = Instant::now();
        tokio::time::sleep(WATCHED).await;
        let (calls, requests, words) = self.made(from, Instant::now());
        figures.push(Figure {
            what: "calls in 10 s while all run, a change a minute in each",
            value: number(calls) / WATCHED.as_secs_f64() * 10.0,
            budget: 5.0 + number(self.tasks) * 55.0 / 1000.0,
            more: words,
        });
        figures.push(Figure {
            what: "requests to the apiserver for each change",
            value: number(requests) / number(self.tasks) / WATCHED.as_secs_f64() * 60.0,
            budget: 5.5,
            more: String::new(),
        });
        Ok(())
    }
}
