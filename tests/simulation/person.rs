//! Does what the people of a scenario do, and remembers what they asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ess_emulator::front::Response;
use ess_emulator::oos::Caller;
use ess_emulator::params::{Params, nest};
use ess_emulator::state::call::{Call, EssVersion, Outcome, Service};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::invariants;
use crate::scenario::{Act, Name, Scenario, When};
use crate::story;
use crate::world::{self, Answer, KINDS, NAMESPACE, OPERATOR, PERSON, REGION, World};

/// Something that a person asked of a run, by the uid of its object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonRequest {
    pub uid: String,
    pub time: Timestamp,
    pub what: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// Leave this pause.
    Pause(i64),
    /// Leave every pause before this batch is done.
    Batches(i64),
    /// A verb for these instances.
    Instances { verb: String, targets: Vec<Target> },
}

/// An instance, and the attempt of it that is meant, if it matters which. Kept as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Target {
    pub instance: String,
    pub attempt: Option<usize>,
}

impl Target {
    fn whichever(instance: String) -> Self {
        Self {
            instance,
            attempt: None,
        }
    }

    pub fn is(&self, instance: &str, attempt: usize) -> bool {
        self.instance == instance && self.attempt.is_none_or(|meant| meant == attempt)
    }
}

impl From<String> for Target {
    fn from(text: String) -> Self {
        let (instance, attempt) = text.split_once('/').unwrap_or((&text, ""));
        Self {
            instance: instance.trim().to_owned(),
            attempt: attempt.trim().parse().ok(),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        match target.attempt {
            Some(attempt) => format!("{}/{attempt}", target.instance),
            None => target.instance,
        }
    }
}

/// What a call that names no instance is about.
pub const UNKNOWN: &str = "an unknown instance";

pub struct Person {
    scenario: Scenario,
    next: usize,
    /// When each of those before was done.
    done_at: Vec<Timestamp>,
    since: Instant,
    /// How often something was done again.
    again: usize,
    /// Whether they find out that a moment has passed which they waited for.
    pub can_be_late: bool,
    /// They did: what they did later was not what the scenario is about.
    pub was_late: bool,
    pub requests: Vec<PersonRequest>,
    /// To what was tried.
    pub answers: Vec<Answer>,
}

/// The instances that a request names: one by one, or as the set that the person sees.
fn named(world: &World, object: &Value, list: &str) -> Vec<Target> {
    let whichever = |ids: Vec<String>| ids.into_iter().map(Target::whichever).collect();
    let all = object
        .pointer("/status/instances")
        .and_then(Value::as_array);
    let all = || all.into_iter().flatten();
    let ids = |those: &dyn Fn(&&Value) -> bool| -> Vec<String> {
        let those = all().filter(|instance| those(instance));
        those
            .filter_map(|instance| Some(instance["id"].as_str()?.to_owned()))
            .collect()
    };
    if list == "failed" {
        let mut targets = ids(&|instance| instance["state"] == "Failed");
        // The set is that of when the operator accepts it; those in it have failed by now.
        let execution = object
            .pointer("/status/execution/id")
            .and_then(Value::as_str);
        targets.extend(invariants::failed(world, execution.unwrap_or_default()));
        return whichever(targets);
    }
    if let Some(batch) = list.strip_prefix("batch-") {
        let batch: i64 = batch.parse().unwrap_or_default();
        return whichever(ids(&|instance| instance["batch"] == batch));
    }
    if list.starts_with("task:") {
        // A loop has an item for each instance; anything else is about none.
        let mut targets = ids(&|_| true);
        targets.push(UNKNOWN.to_owned());
        return whichever(targets);
    }
    list.split(',').map(|text| text.to_owned().into()).collect()
}

/// Before a person does something again.
const PATIENCE: Duration = Duration::from_secs(120);

/// After that nobody waits any more for what has ended meanwhile.
const LATE: Duration = Duration::from_secs(600);

/// States of an object that has ended, in one way or another.
const FINAL: [&str; 5] = ["Succeeded", "Failed", "Cancelled", "Finished", "Gone"];

/// Whether an object has ended, in one way or another.
pub fn has_ended(world: &World, name: &str) -> bool {
    find(world, name).is_none_or(|object| {
        let state = object["status"]["state"].as_str();
        state.is_some_and(|state| FINAL.contains(&state))
    })
}

/// `plural/name` in parts.
pub fn parts(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("rollingupdatetasks", name))
}

/// The object of this name; of one that ends in `*`, the first whose name begins so.
pub fn find(world: &World, name: &str) -> Option<Arc<Value>> {
    let (plural, name) = parts(name);
    if let Some(begin) = name.strip_suffix('*') {
        let mut all = world.apiserver.list(plural).into_iter();
        return all.find(|object| {
            let name = object["metadata"]["name"].as_str();
            name.is_some_and(|name| name.starts_with(begin))
        });
    }
    world.apiserver.get(plural, NAMESPACE, name)
}

impl Person {
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.clone(),
            next: 0,
            done_at: Vec::new(),
            since: Instant::now(),
            again: 0,
            can_be_late: false,
            was_late: false,
            requests: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Whether everything is done.
    pub fn done(&self) -> bool {
        self.next >= self.scenario.steps.len()
    }

    /// Nothing comes any more of what they wait for: everything has ended, in one way or another.
    pub fn give_up(&mut self, world: &World) {
        if self.since.elapsed() >= LATE && !self.done() {
            world.trace(|| "people wait no more".to_owned());
            // Whoever has installed an older CRD would see that.
            for plural in KINDS.iter().chain(&["scalinggrouprecords"]) {
                world.apiserver.hide(plural, &[]);
            }
            self.was_late = true;
            self.next = self.scenario.steps.len();
        }
    }

    /// How many steps were done by then.
    pub fn steps_by(&self, time: Timestamp) -> usize {
        self.done_at.iter().filter(|done| **done <= time).count()
    }

    /// So many steps are done, and this was asked for.
    pub fn goes_on_after(&mut self, steps: usize, asked: Vec<PersonRequest>) {
        (self.next, self.requests, self.since) = (steps, asked, Instant::now());
    }

    /// Looks once, and does what is to be done now.
    pub fn look(&mut self, world: &World) {
        while let Some(step) = self.scenario.steps.get(self.next).cloned() {
            if !self.holds(world, &step.when) {
                if !self.is_too_late(world, &step.when) {
                    return;
                }
                self.was_late = true;
            }
            world.trace(|| format!("person {}", story::act(&step.act)));
            self.act(world, &step.act);
            self.next += 1;
            self.done_at.push(world.now());
            self.since = Instant::now();
        }
        for step in self.scenario.whenever.clone() {
            if self.since.elapsed() >= PATIENCE && self.holds(world, &step.when) {
                world.trace(|| format!("person again {}", story::act(&step.act)));
                self.again += 1;
                self.act(world, &step.act);
                self.since = Instant::now();
            }
        }
    }

    /// Whether the object has ended in another state.
    fn is_too_late(&self, world: &World, when: &When) -> bool {
        let When::State(name, _) = when else {
            return false;
        };
        self.can_be_late && self.since.elapsed() >= LATE && has_ended(world, name)
    }

    fn holds(&self, world: &World, when: &When) -> bool {
        let field = |name: Name, pointer: &str| -> Option<Value> {
            find(world, name)?.pointer(pointer).cloned()
        };
        match when {
            When::Now => true,
            When::Later(seconds) => self.since.elapsed().as_secs() >= *seconds,
            When::State(name, state) => field(name, "/status/state") == Some(json!(state)),
            When::Paused(name, id) => {
                field(name, "/status/pause/id") == Some(json!(id))
                    && field(name, "/status/pause/kind") == Some(json!("Batch"))
            }
            When::Field(name, pointer, value) => field(name, pointer).as_ref() == Some(value),
            When::Stalled(name, reason) => has_condition(world, name, "Stalled", "reason", reason),
            When::True(name, kind) => has_condition(world, name, kind, "status", "True"),
            When::Gone(name) => find(world, name).is_none(),
            When::Named(name) => {
                field(name, "/status/runs/0").is_none()
                    || field(name, "/status/runs/0/executionId").is_some()
            }
            When::Boundary(number) => world.gate.passed() >= *number,
        }
    }

    fn act(&mut self, world: &World, act: &Act) {
        match act {
            Act::Wait => {}
            Act::Create(object) => {
                let plural = format!(
                    "{}s",
                    object["kind"].as_str().unwrap_or_default().to_lowercase()
                );
                let uid = self.send(world, "POST", &plural, "", object);
                self.asked_by_spec(world, &uid["metadata"]["uid"], &object["spec"]);
            }
            Act::Annotate(name, verb, value) => {
                let value = value.replace("$n", &self.again.to_string());
                self.annotate(world, name, verb, &value);
            }
            Act::Edit(name, spec) => {
                let Some(object) = find(world, name) else {
                    return;
                };
                self.asked_by_spec(world, &object["metadata"]["uid"], spec);
                self.patch(world, name, &json!({"spec": spec}));
            }
            Act::Try(name, specs) => self.tries(world, name, specs),
            Act::Crd(plural, fields) => world.apiserver.hide(plural, fields),
            Act::Change(name, patch) => self.patch(world, name, patch),
            Act::Replica(name, status) => {
                let (plural, name) = parts(name);
                let path = format!("{}/status", path_of(plural, name));
                world.request(OPERATOR, "PATCH", &path, &json!({ "status": status }));
            }
            Act::Delete(name) => {
                if let Some(found) = find(world, name) {
                    let found = found["metadata"]["name"].as_str().unwrap_or_default();
                    self.send(world, "DELETE", parts(name).0, found, &json!({}));
                }
            }
            Act::Console {
                of,
                service,
                action,
                params,
            } => {
                // Of a record: that of the first run on it.
                let at = ["/status/execution/id", "/status/runs/0/executionId"];
                let execution = find(world, of)
                    .and_then(|object| at.iter().find_map(|at| object.pointer(at).cloned()));
                let execution = execution.as_ref().and_then(Value::as_str).unwrap_or("");
                let text = params.to_string().replace("$execution", execution);
                let params = serde_json::from_str(&text).unwrap_or_default();
                // What is not possible any more is refused, as for people.
                let answer = call(world, service, action, params);
                world.trace(|| format!("person was answered {answer:?}"));
            }
        }
    }

    /// Asks for something by an annotation.
    pub fn annotate(&mut self, world: &World, name: &str, verb: &str, value: &str) {
        let Some(object) = find(world, name) else {
            return;
        };
        self.asked_by_annotation(world, &object, verb, value);
        let key = format!("ess-rollout.io/{verb}");
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.patch(world, name, &patch);
    }

    fn asked(&mut self, world: &World, uid: &Value, what: Asked) {
        self.requests.push(PersonRequest {
            uid: uid.as_str().unwrap_or_default().to_owned(),
            time: world.now(),
            what,
        });
    }

    /// What a spec asks for by itself.
    pub fn asked_by_spec(&mut self, world: &World, uid: &Value, spec: &Value) {
        if let Some(batches) = spec["approvedBatches"].as_i64() {
            self.asked(world, uid, Asked::Batches(batches));
        }
    }

    fn asked_by_annotation(&mut self, world: &World, object: &Value, verb: &str, value: &str) {
        let uid = object["metadata"]["uid"].clone();
        let what = match verb {
            "continue" => {
                // The pause that the person sees.
                let seen = object.pointer("/status/pause/id").and_then(Value::as_i64);
                let meant = match value.starts_with("current@") {
                    true => seen,
                    false => value.split('@').next().and_then(|id| id.parse().ok()),
                };
                meant.map(Asked::Pause)
            }
            "retry" | "skip" | "cancel-instances" => {
                let list = value.split('@').next().unwrap_or_default();
                Some(Asked::Instances {
                    verb: verb.to_owned(),
                    targets: named(world, object, list),
                })
            }
            _ => None,
        };
        if let Some(what) = what {
            self.asked(world, &uid, what);
        }
    }

    fn tries(&mut self, world: &World, name: &str, specs: &[Value]) {
        let (plural, name) = parts(name);
        let path = path_of(plural, name);
        let answers = specs.iter().map(|spec| {
            let patch = json!({ "spec": spec });
            world::send(&world.apiserver, PERSON, "PATCH", &path, &patch)
        });
        self.answers.extend(answers);
    }

    fn patch(&self, world: &World, name: &str, patch: &Value) {
        let (plural, name) = parts(name);
        self.send(world, "PATCH", plural, name, patch);
    }

    fn send(&self, world: &World, method: &str, plural: &str, name: &str, body: &Value) -> Value {
        let path = path_of(plural, name);
        let status = world.request(PERSON, method, path.trim_end_matches('/'), body);
        // In a namespace that is being deleted people find less and less.
        if !status.is_success() && !world.others.terminating() {
            world.violation(format!(
                "a person's {method} of {plural} {name} was answered {status}: the scenario is wrong"
            ));
        }
        let created = body["metadata"]["name"].as_str().unwrap_or(name);
        let object = world.apiserver.get(plural, NAMESPACE, created);
        object
            .map(|object| Value::clone(&object))
            .unwrap_or_default()
    }
}

fn path_of(plural: &str, name: &str) -> String {
    let api = match plural {
        "configmaps" | "secrets" => "/api/v1",
        _ => "/apis/ess-rollout.io/v1alpha1",
    };
    format!("{api}/namespaces/{NAMESPACE}/{plural}/{name}")
}

/// A call in the cloud by a person.
pub fn call(
    world: &World,
    service: &str,
    action: &str,
    params: BTreeMap<String, Value>,
) -> Result<Value, String> {
    let service = Service::parse(service).expect("a service");
    let params = nest(&params.into_iter().collect());
    called_by(PERSON, world, service, action, params)
}

/// Asks again for what the operator has asked for, so that what it is shown is behind whenever it asks.
pub fn asks_for_tasks(world: &World) {
    for body in world.lists.of_tasks() {
        let params = ess_emulator::params::pairs(&body);
        let params = params.into_iter().map(|(name, value)| (name, json!(value)));
        let Ok(answer) = call(world, "OOS", "ListTaskExecutions", params.collect()) else {
            continue;
        };
        let answer = Response {
            status: 200,
            headers: Vec::new(),
            body: answer.to_string().into_bytes(),
        };
        world
            .lists
            .shown("ListTaskExecutions", &body, world.now(), answer);
    }
}

/// The same by somebody, with parameters as the journal has them.
pub fn called_by(
    principal: &str,
    world: &World,
    service: Service,
    action: &str,
    params: Params,
) -> Result<Value, String> {
    let mut cloud = world.cloud();
    let principal = &cloud.world.ram.principals[principal];
    let caller = Caller {
        principal: principal.name.clone(),
        account_id: principal.account_id.clone(),
    };
    let outcome = cloud.call(Call {
        caller,
        region: REGION.to_owned(),
        service,
        action: action.to_owned(),
        version: EssVersion::V2022,
        params,
        by_oos: false,
        wall_now: world.now(),
    });
    match outcome {
        Outcome::Answered(Ok(body)) | Outcome::AnsweredAt(_, Ok(body)) => Ok(body),
        Outcome::Answered(Err(error)) | Outcome::AnsweredAt(_, Err(error)) => {
            Err(error.to_string())
        }
        Outcome::Dropped => Err("no answer".to_owned()),
    }
}

/// Whether the condition of this type has this value in this field.
fn has_condition(world: &World, name: Name, kind: &str, field: &str, value: &str) -> bool {
    find(world, name).is_some_and(|object| {
        let conditions = object["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|c| c["type"] == kind && c[field] == value)
    })
}
