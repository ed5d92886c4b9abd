//! Many updates at once, on virtual time: what each costs in calls, and how long people wait. The same code as the operator's
//! at its own rates; only times and counts are looked at, so nothing of this depends on the machine.
//!
//! `SCALE=n` measures with n updates and prints; without it [`TASKS`] are held to their budgets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ess_rollout_test_support::apiserver::Kinds;
use http::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gate::Plan;
use crate::operator::{self, Operator};
use crate::scenario::{Scenario, fixture, group, object, with};
use crate::world::{Latency, NAMESPACE, PERSON, World};

/// How many updates are held to the budgets.
pub const TASKS: usize = 300;
/// Instances of each.
const INSTANCES: usize = 50;
/// For how long they are watched.
const WATCHED: Duration = Duration::from_secs(300);
/// After something has changed for many.
const SETTLING: Duration = Duration::from_secs(300);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The bound on lateness, as it is by default.
const LATENESS: Duration = Duration::from_secs(60);
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

struct Scale {
    world: Arc<World>,
    tasks: usize,
}

impl Scale {
    fn create(&self, number: usize) {
        let body = task(number).to_string().into_bytes();
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
        let began = Instant::now();
        loop {
            let there = (0..self.tasks).filter(|n| self.state(*n) == state).count();
            if there >= count {
                return Ok(began.elapsed());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{there} of {count} are {state} after {PATIENCE:?}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
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

/// Measures with so many updates.
pub fn measure(kinds: &Arc<Kinds>, tasks: usize) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    fastrand::seed(1);
    runtime.block_on(run(kinds.clone(), tasks))
}

async fn run(kinds: Arc<Kinds>, tasks: usize) -> Result<(), String> {
    let groups = (0..tasks).map(|n| {
        with(
            group(&format!("asg-{}", name(n)), INSTANCES),
            json!({"maxSize": 100}),
        )
    });
    let cloud = with(
        fixture(groups.collect()),
        json!({"durations": {"command": 60}}),
    );
    let scenario = Scenario {
        fixture: cloud,
        ..Scenario::new("scale", json!({}))
    };
    let world = World::new(
        kinds,
        &scenario,
        Plan::new(),
        Latency { random: false },
        false,
    );
    world.count_calls();
    let scale = Scale {
        world: world.clone(),
        tasks,
    };
    let _operator = Operator::with(&world, operator::DEFAULT_WORKERS, LATENESS);
    tokio::time::sleep(Duration::from_secs(1)).await;

    let created = Instant::now();
    for number in 0..tasks {
        scale.create(number);
    }
    let took = scale.until("Running", tasks).await?;
    while world.called("StartExecution") < tasks {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if created.elapsed() > PATIENCE {
            return Err("not all have been started".to_owned());
        }
    }
    let all_run = Instant::now();
    let made = world.made();
    let mut starts = firsts(&made, "StartExecution", created);
    println!("scale: tasks={tasks} instances={INSTANCES}");
    println!(
        "  create -> StartExecution: {} ({} sent), all shown as running after {:.0} s",
        seconds(&mut starts),
        starts.len(),
        took.as_secs_f64()
    );
    report("  calls of the starts", &made, created, all_run, tasks);

    let took = scale.until("BatchSuspended", tasks).await?;
    println!(
        "  all shown as paused {:.0} s after that",
        took.as_secs_f64()
    );
    tokio::time::sleep(SETTLING).await;
    let paused = Instant::now();
    tokio::time::sleep(WATCHED).await;
    let made = world.made();
    report(
        "  calls while all are paused",
        &made,
        paused,
        Instant::now(),
        tasks,
    );

    let asked = Instant::now();
    let people = PEOPLE.min(tasks);
    (0..people).for_each(|number| scale.annotate(number, "continue", "1"));
    tokio::time::sleep(SETTLING).await;
    let mut notified = firsts(&world.made(), "NotifyExecution", asked);
    let minute = asked + Duration::from_secs(60);
    report(
        "  calls of the next minute",
        &world.made(),
        asked,
        minute,
        people,
    );
    println!(
        "  annotation -> NotifyExecution, {people} at once: {} ({} sent)",
        seconds(&mut notified),
        notified.len()
    );

    let asked = Instant::now();
    (people..tasks).for_each(|number| scale.annotate(number, "continue", "1"));
    let took = scale.until("Running", tasks).await?;
    let mut notified = firsts(&world.made(), "NotifyExecution", asked);
    println!(
        "  the same, all others at once: {} ({} sent), all shown as running after {:.0} s",
        seconds(&mut notified),
        notified.len(),
        took.as_secs_f64()
    );
    tokio::time::sleep(SETTLING).await;
    let running = Instant::now();
    tokio::time::sleep(WATCHED).await;
    let made = world.made();
    report(
        "  calls while all run, a change a minute in each",
        &made,
        running,
        Instant::now(),
        tasks,
    );
    Ok(())
}

fn report(what: &str, made: &[Made], from: Instant, to: Instant, tasks: usize) {
    let counts = counts(made, from, to);
    let span = (to - from).as_secs_f64();
    let (calls, requests): (Vec<_>, Vec<_>) =
        counts.into_iter().partition(|(name, _)| !is_request(name));
    let total = |list: &[(&str, usize)]| list.iter().map(|(_, count)| count).sum::<usize>();
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let (each, poll) = (
        total(&calls) as f64 / tasks as f64,
        total(&calls) as f64 / span * 10.0,
    );
    println!(
        "{what}: {} in {span:.0} s, {each:.1} a task, {poll:.1} in 10 s; {} requests to the apiserver",
        total(&calls),
        total(&requests)
    );
    for (name, count) in calls.iter().chain(&requests) {
        println!("      {name} {count}");
    }
}
