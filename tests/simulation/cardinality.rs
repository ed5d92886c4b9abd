//! What `/metrics` is after many updates have come and gone, on virtual time, with the operator's own index and counters.

use std::sync::Arc;
use std::time::Duration;

use ess_rollout_test_support::apiserver::Kinds;
use http::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gate::Gate;
use crate::operator::{self, Operator, Told};
use crate::scale::runtime;
use crate::scenario::{Scenario, fixture, group, object};
use crate::world::{Latency, NAMESPACE, PERSON, World};

/// How many updates come and go.
const UPDATES: usize = 1000;
/// How many are there at once, each in a group of its own.
const AT_ONCE: usize = 50;
/// By how much the text may be longer then, in percent: numbers get longer.
const LONGER: usize = 5;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// After the last object has gone.
const SETTLING: Duration = Duration::from_secs(120);
/// The bound on lateness.
const LATENESS: Duration = Duration::from_secs(20);

/// What becomes of an update.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Runs,
    /// It waits for a person, who lets it go on.
    Continued,
    /// It waits for a person, who deletes it.
    Deleted,
}

fn fate(number: usize) -> Fate {
    match number % 4 {
        0 | 1 => Fate::Runs,
        2 => Fate::Continued,
        _ => Fate::Deleted,
    }
}

fn name(number: usize) -> String {
    format!("web-{number:04}")
}

struct Many {
    world: Arc<World>,
    operator: Operator,
}

impl Many {
    fn path(name: &str) -> String {
        let kind = "/apis/ess-rollout.io/v1alpha1/namespaces";
        format!("{kind}/{NAMESPACE}/rollingupdatetasks{name}")
    }

    fn ask(&self, request: http::request::Builder, body: &Value) {
        let request = request.body(body.to_string().into_bytes());
        let request = request.expect("a request");
        let answer = self.world.apiserver.answer(PERSON, &request);
        assert!(answer.status().is_success(), "{:?}", answer.status());
    }

    fn create(&self, number: usize) {
        let pauses = match fate(number) {
            Fate::Runs => "Automatic",
            Fate::Continued | Fate::Deleted => "SuspendFirstBatch",
        };
        let spec = json!({
            "scalingGroupId": format!("asg-{}", name(number % AT_ONCE)),
            "batches": 2,
            "suspensionPolicy": pauses,
            "update": {"script": {"run": {"inline": "systemctl restart agent"}}},
        });
        let task = object("RollingUpdateTask", &name(number), spec);
        self.ask(Request::post(Self::path("")), &task);
    }

    fn goes_on(&self, number: usize) {
        let patch = json!({"metadata": {"annotations": {"ess-rollout.io/continue": "1"}}});
        let path = Self::path(&format!("/{}", name(number)));
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        self.ask(request, &patch);
    }

    fn delete(&self, number: usize) {
        let path = Self::path(&format!("/{}", name(number)));
        self.ask(Request::delete(path), &json!({}));
    }

    fn state(&self, number: usize) -> String {
        let kind = "rollingupdatetasks";
        let task = self.world.apiserver.get(kind, NAMESPACE, &name(number));
        let state = task.map_or(json!("gone"), |task| task["status"]["state"].clone());
        state.as_str().unwrap_or_default().to_owned()
    }

    async fn until(&self, numbers: &[usize], state: &str) -> Result<(), String> {
        let began = Instant::now();
        while let Some(other) = numbers.iter().find(|number| self.state(**number) != state) {
            if began.elapsed() > PATIENCE {
                let is = self.state(*other);
                return Err(format!("{} is {is}, and not {state}", name(*other)));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// All of these come, each has its fate, and go. Gives what was exposed while they were there, and when they had ended.
    async fn come_and_go(&self, numbers: Vec<usize>) -> Result<(String, String), String> {
        let with = |wanted: &[Fate]| -> Vec<usize> {
            let those = numbers
                .iter()
                .filter(|number| wanted.contains(&fate(**number)));
            those.copied().collect()
        };
        numbers.iter().for_each(|number| self.create(*number));
        let pause = with(&[Fate::Continued, Fate::Deleted]);
        self.until(&pause, "BatchSuspended").await?;
        let during = self.operator.metrics();
        let (continued, deleted) = (with(&[Fate::Continued]), with(&[Fate::Deleted]));
        continued.iter().for_each(|number| self.goes_on(*number));
        deleted.iter().for_each(|number| self.delete(*number));
        let ended = with(&[Fate::Runs, Fate::Continued]);
        self.until(&ended, "Succeeded").await?;
        self.until(&deleted, "gone").await?;
        tokio::time::sleep(SETTLING).await;
        let after = self.operator.metrics();
        ended.iter().for_each(|number| self.delete(*number));
        self.until(&ended, "gone").await?;
        Ok((during, after))
    }
}

/// Fails if a series of an update that has ended stays, or the text grows.
pub fn hold(kinds: &Arc<Kinds>) -> Result<(), String> {
    let began = std::time::Instant::now();
    fastrand::seed(1);
    let (before, after) = runtime().block_on(async {
        let groups = (0..AT_ONCE).map(|number| group(&format!("asg-{}", name(number)), 2));
        let scenario = Scenario {
            fixture: fixture(groups.collect()),
            ..Scenario::new("cardinality", json!({}))
        };
        let latency = Latency { random: false };
        let gate = Gate::open();
        let world = World::new(kinds.clone(), &scenario, gate, latency, None, false);
        let operator = Operator::start(
            &world,
            Told {
                workers: operator::DEFAULT_WORKERS,
                settle: LATENESS,
                ..Told::default()
            },
        );
        let many = Many { world, operator };
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Each of the closed sets of labels has been met by then.
        many.come_and_go((0..AT_ONCE).collect()).await?;
        tokio::time::sleep(SETTLING).await;
        let before = many.operator.metrics();
        for first in (AT_ONCE..AT_ONCE + UPDATES).step_by(AT_ONCE) {
            let (during, ended) = many.come_and_go((first..first + AT_ONCE).collect()).await?;
            let series = |text: &str| text.matches("name=\"web-").count();
            // Those that wait have all of theirs.
            let waiting = AT_ONCE / 2;
            if series(&during) < 4 * waiting {
                return Err(format!("{} series of {AT_ONCE} updates", series(&during)));
            }
            if series(&ended) > 0 {
                let line = ended.lines().find(|line| line.contains("name=\"web-"));
                return Err(format!("an update that has ended has a series: {line:?}"));
            }
        }
        tokio::time::sleep(SETTLING).await;
        Ok::<_, String>((before, many.operator.metrics()))
    })?;
    let ended = r#"ess_rollout_task_outcomes_total{kind="RollingUpdateTask",outcome="#;
    let count = |text: &str, outcome: &str| -> usize {
        let line = format!("{ended}\"{outcome}\"}} ");
        let value = text.lines().find_map(|text| text.strip_prefix(&line));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_default()
    };
    let counted = ["Succeeded", "Cancelled"].map(|word| count(&after, word) - count(&before, word));
    println!(
        "cardinality: updates={UPDATES} succeeded={} cancelled={} before={} after={} bytes {} s",
        counted[0],
        counted[1],
        before.len(),
        after.len(),
        began.elapsed().as_secs()
    );
    if counted.iter().sum::<usize>() != UPDATES {
        return Err(format!("{counted:?} ends of {UPDATES} are counted"));
    }
    match after.len() * 100 > before.len() * (100 + LONGER) {
        true => Err(format!(
            "{} bytes have become {}",
            before.len(),
            after.len()
        )),
        false => Ok(()),
    }
}
