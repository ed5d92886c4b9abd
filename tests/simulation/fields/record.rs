//! What a run was as far as a field can make a difference: what the operator asked of the cloud, what it wrote and what it said.

use std::sync::Arc;
use std::time::Duration;

use ess_rollout_test_support::apiserver::{Change, ChangeKind, Kinds};
use jiff::Timestamp;
use regex::Regex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gate::Gate;
use crate::operator::{Operator, Told};
use crate::person::{self, Person};
use crate::scenario::Scenario;
use crate::wire::is_read;
use crate::world::{Answer, Latency, OPERATOR, PERSON, World, begin};

/// Between two looks of the people.
const LOOK: Duration = Duration::from_secs(1);
/// An edit has the operator look at once, and with that at another moment than it would have looked: what is only as much
/// later or earlier is the same.
const SAME_TIME: i64 = 15;

/// One run.
#[derive(Debug, Default)]
pub struct Record {
    /// Everything, with its times to the second.
    all: Vec<String>,
    /// What was decided, and when, in seconds since the beginning.
    decided: Vec<(String, i64)>,
    /// The answers that the person got to edits and creations, in their order.
    pub answers: Vec<Answer>,
    /// Whether something was started in the cloud for the object.
    pub started: bool,
    /// `status.state` of the object at the end, and the reason of `Succeeded` or `Ready`; empty: it is gone.
    pub ended: String,
    pub violations: Vec<String>,
    /// Of every request and every answer of the operator.
    pub hash: u64,
    pub trace: Vec<String>,
}

impl Record {
    /// A difference between two runs that nothing tells apart before their first request; `None`: they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let differs = |(mine, other): &(&String, &String)| mine != other;
        let first = self.all.iter().zip(&other.all).find(differs);
        match first {
            Some((mine, other)) => Some(format!("{mine} <> {other}")),
            None if self.all.len() != other.all.len() => Some("more, or less".to_owned()),
            None => None,
        }
    }

    /// The same of two runs of which one had an edit in the midst of it.
    pub fn otherwise_decided(&self, other: &Self) -> Option<String> {
        let differs = |((mine, at), (other, other_at)): &(&(String, i64), &(String, i64))| {
            mine != other || (at - other_at).abs() > SAME_TIME
        };
        let first = self.decided.iter().zip(&other.decided).find(differs);
        match first {
            Some((mine, other)) => Some(format!("{mine:?} <> {other:?}")),
            None if self.decided.len() != other.decided.len() => {
                let longer = if self.decided.len() > other.decided.len() {
                    self
                } else {
                    other
                };
                let at = self.decided.len().min(other.decided.len());
                Some(format!("only one has {:?}", longer.decided[at]))
            }
            None => None,
        }
    }

    /// A number for what it was, for whoever compares many.
    pub fn number(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.all.hash(&mut hasher);
        hasher.finish()
    }
}

/// Runs a scenario for `bound` of virtual time, or until all is done and `rest` has passed. `about`: the object, as
/// [`person::find`] takes it. At `refused` everything in it is tried, and has to be refused.
pub fn run(
    kinds: &Arc<Kinds>,
    scenario: &Scenario,
    about: &str,
    rest: Duration,
    traced: bool,
) -> Record {
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(live(kinds.clone(), scenario, about, rest, traced))
}

async fn live(
    kinds: Arc<Kinds>,
    scenario: &Scenario,
    about: &str,
    rest: Duration,
    traced: bool,
) -> Record {
    let latency = Latency { random: false };
    let world = World::new(kinds, scenario, Gate::open(), latency, None, traced);
    let mut person = Person::new(scenario);
    let began = Instant::now();
    let mut done_at = None;
    let operator = Operator::start(&world, Told::default());
    while began.elapsed() < scenario.bound {
        tokio::time::sleep(LOOK).await;
        person.look(&world);
        if person.done() && done_at.is_none() {
            done_at = Some(Instant::now());
        }
        let over = done_at.is_some_and(|at| at.elapsed() >= rest);
        if over || !world.violations().is_empty() {
            break;
        }
    }
    drop(operator);
    let mut record = Record {
        answers: std::mem::take(&mut person.answers),
        violations: world.violations(),
        hash: world.hash(),
        ended: ended(&world, about),
        trace: world.take_trace(),
        ..Record::default()
    };
    calls(&world, &mut record);
    writes(&world, about, &mut record);
    let left = person::find(&world, about).map(|object| timeless(told(object["status"].clone())));
    record
        .decided
        .push((left.unwrap_or_default().to_string(), 0));
    record
}

fn ended(world: &World, about: &str) -> String {
    let Some(object) = person::find(world, about) else {
        return String::new();
    };
    let state = object["status"]["state"].as_str().unwrap_or_default();
    let outcome = object.pointer("/status/result/reason");
    format!(
        "{state} {}",
        outcome.and_then(Value::as_str).unwrap_or_default()
    )
}

fn since_begin(time: Timestamp) -> i64 {
    time.duration_since(begin()).as_secs()
}

/// Calls that change something, whoever's credentials they have.
fn calls(world: &World, record: &mut Record) {
    let cloud = world.cloud();
    let made = cloud.world.journal.since(0);
    let made = made.filter(|e| !e.by_oos && !e.by_script && e.principal != PERSON);
    for entry in made.filter(|entry| !is_read(&entry.action)) {
        record.started |= entry.action == "StartExecution" && entry.code == "OK";
        let params = told(serde_json::to_value(&entry.params).unwrap_or_default());
        let call = format!(
            "{} {} {} {params} -> {}",
            entry.principal, entry.region, entry.action, entry.code
        );
        record
            .all
            .push(format!("{} {call}", entry.time.as_second()));
        record.decided.push((call, since_begin(entry.time)));
    }
}

/// What it wrote: all of it, and of it what was decided.
fn writes(world: &World, about: &str, record: &mut Record) {
    let (_, name) = person::parts(about);
    let changes = world.apiserver.changes_since(0);
    let mut last = Value::Null;
    let mut last_of_others = std::collections::BTreeMap::new();
    for change in changes.iter().filter(|change| &*change.user == OPERATOR) {
        let at = since_begin(change.time);
        let resource = change.resource.as_str();
        if resource == "events" {
            let of = change.new["regarding"]["name"].as_str().unwrap_or_default();
            let said = told(json!([
                of,
                change.new["type"],
                change.new["reason"],
                change.new["note"]
            ]));
            record.all.push(format!("{at} {said}"));
            record.decided.push((said.to_string(), at));
            continue;
        }
        if change.kind == ChangeKind::Deleted {
            let gone = format!("{resource} {} is gone", change.name);
            record.all.push(format!("{at} {gone}"));
            record.decided.push((gone, at));
            continue;
        }
        let written = told(match resource {
            "secrets" => change.new["data"].clone(),
            _ => change.new["status"].clone(),
        });
        let before =
            last_of_others.insert((resource.to_owned(), change.name.clone()), written.clone());
        if before.as_ref() == Some(&written) {
            continue;
        }
        record
            .all
            .push(format!("{at} {resource} {} {written}", change.name));
        if *change.name == *name {
            let now = decisions(change);
            if now != last {
                record.decided.push((now.to_string(), at));
                last = now;
            }
        }
    }
}

/// The state and what the conditions say, without how far it is.
fn decisions(change: &Change) -> Value {
    let status = &change.new["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<Value> = conditions
        .map(|condition| json!([condition["type"], condition["status"], condition["reason"]]))
        .collect();
    json!([status["state"], conditions])
}

/// Without what differs whenever a spec does, and says nothing: its hash, its generation, what is derived from these.
fn told(mut value: Value) -> Value {
    strip(&mut value);
    value
}

/// Without times, which an edit moves a little.
fn timeless(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(strip),
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::String(text) if text.parse::<Timestamp>().is_ok() => *text = "a time".to_owned(),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

const NAMES: [&str; 7] = [
    "observedGeneration",
    "specHash",
    "clientToken",
    "ClientToken",
    "ess-rollout/spec-hash",
    "lastTransitionTime",
    "latched",
];

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !NAMES.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::String(text) => {
            if text.starts_with('{')
                && let Ok(mut inner) = serde_json::from_str::<Value>(text)
            {
                strip(&mut inner);
                *text = inner.to_string();
            }
            static HASH: std::sync::LazyLock<Regex> =
                std::sync::LazyLock::new(|| Regex::new("[0-9a-f]{64}").expect("a pattern"));
            if HASH.is_match(text) {
                *text = HASH.replace_all(text, "#").into_owned();
            }
        }
        _ => {}
    }
}
