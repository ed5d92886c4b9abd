//! Somebody who answers what a cloud asks that behaves otherwise than the scenario expects: it wants an approval for each
//! high-risk action, pauses after the last batch, too, or waits where nobody can retry. What the scenario is about is left to its
//! people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::invariants;
use crate::person::{self, Person};
use crate::world::{KINDS, World};

/// For how long a pause is left to the people of the scenario.
const PATIENCE: Duration = Duration::from_secs(180);
/// After that nothing is expected of a failure pause any more.
const ENOUGH: Duration = Duration::from_secs(600);
/// Nothing takes so long: OOS stands still and does not show it. The operator reads all of it every half an hour.
const TOO_LONG: Duration = Duration::from_secs(2400);

/// What it has seen and done.
#[derive(Default)]
pub struct Attendant {
    /// Since when an object is in a state.
    since: BTreeMap<String, (String, Instant)>,
    number: usize,
    /// Since when something runs that no object names.
    alone_since: Option<Instant>,
    /// A run was given up: then it ends otherwise than the scenario says.
    pub gave_up: bool,
}

impl Attendant {
    /// Looks once at whatever there is.
    pub fn look(&mut self, world: &World, person: &mut Person) {
        for plural in ["rollingupdatetasks", "rollbacks"] {
            for object in world.apiserver.list(plural) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let state = object["status"]["state"].as_str().unwrap_or_default();
                self.attend(world, person, &format!("{plural}/{name}"), state);
            }
        }
        self.end_what_nobody_looks_after(world);
    }

    fn attend(&mut self, world: &World, person: &mut Person, name: &str, state: &str) {
        let now = (state.to_owned(), Instant::now());
        let since = self.since.entry(name.to_owned()).or_insert(now.clone());
        if since.0 != state {
            *since = now;
        }
        let waited = since.1.elapsed();
        match state {
            "ApprovalSuspended" | "Suspended" => approve_all(world),
            "BatchSuspended" if waited >= PATIENCE && (person.done() || waited >= ENOUGH) => {
                let pause = format!("current@late-{}", self.next());
                self.act(world, person, name, "continue", pause);
            }
            "FailureSuspended" if waited >= ENOUGH => self.give_up(world, person, name),
            "Running" | "Pending" if waited >= TOO_LONG => self.give_up(world, person, name),
            _ => {}
        }
    }

    /// An execution that no object looks after waits for whoever ends it in the console.
    fn end_what_nobody_looks_after(&mut self, world: &World) {
        let objects = KINDS.iter().flat_map(|plural| world.apiserver.list(plural));
        let attended: BTreeSet<String> = objects
            .filter_map(|object| {
                let own = ["/status/execution/id", "/status/active/execution/id"];
                let id = own.iter().find_map(|at| object.pointer(at))?;
                id.as_str().map(str::to_owned)
            })
            .collect();
        let mut alone = invariants::running(world);
        alone.retain(|root| !attended.contains(root));
        let since = match alone.is_empty() {
            true => None,
            false => self.alone_since.or(Some(Instant::now())),
        };
        self.alone_since = since;
        if since.is_none_or(|since| since.elapsed() < ENOUGH) {
            return;
        }
        self.alone_since = None;
        for root in alone {
            let params = [("ExecutionId", json!(root))];
            let params = params.map(|(name, value)| (name.to_owned(), value));
            if person::call(world, "OOS", "CancelExecution", params.into()).is_ok() {
                world.trace(|| format!("somebody cancels {root} in the console"));
            }
        }
    }

    fn give_up(&mut self, world: &World, person: &mut Person, name: &str) {
        let why = format!("nothing-helps-{}", self.next());
        self.act(world, person, name, "cancel", why);
        self.gave_up = true;
    }

    fn next(&mut self) -> usize {
        self.number += 1;
        self.number
    }

    fn act(
        &mut self,
        world: &World,
        person: &mut Person,
        name: &str,
        verb: &'static str,
        value: String,
    ) {
        world.trace(|| format!("somebody asks for {verb} {value} of {name}"));
        person.annotate(world, name, verb, &value);
        self.since.remove(name);
    }
}

/// Agrees in the console to whatever waits for it inside of an execution. Pauses between batches are those of the roots.
fn approve_all(world: &World) {
    for root in invariants::executions(world) {
        for child in invariants::nested(world, &root) {
            let params = [
                ("ExecutionId", json!(child)),
                ("NotifyType", json!("Approve")),
            ];
            let params = params.map(|(name, value)| (name.to_owned(), value));
            let answer = person::call(world, "OOS", "NotifyExecution", params.into());
            if answer.is_ok() {
                world.trace(|| format!("somebody approves {child}"));
            }
        }
    }
}
