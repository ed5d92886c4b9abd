//! One run: a scenario, a seed, faults. The same three give the same run.

use std::sync::Arc;
use std::time::Duration;

use ess_rollout_test_support::apiserver::Kinds;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attendant::Attendant;
use crate::canaries::Logged;
use crate::gate::{Boundary, Fault, Plan};
use crate::golden::Golden;
use crate::invariants;
use crate::operator::Operator;
use crate::person::{self, Person};
use crate::scenario::{Ending, Scenario};
use crate::world::{Latency, OPERATOR, SETTLE, World};

/// Between two looks of the people.
const LOOK: Duration = Duration::from_secs(1);
/// Between a stop and the next start: longer than between any two changes, shorter than the bound on lateness.
const AWAY: Duration = Duration::from_secs(12);
/// The same where the next pause is to come meanwhile.
const LONG_AWAY: Duration = Duration::from_secs(300);
/// The same once everything has ended.
const REST_LOOK: Duration = Duration::from_secs(20);
/// What is on its way has its effect within this time. Then everything rests.
const QUIET: Duration = Duration::from_secs(SETTLE.as_secs() * 3);
/// For how long it has to rest.
const REST: Duration = Duration::from_secs(90);

/// What to run.
#[derive(Debug, Clone)]
pub struct Run {
    pub scenario: Arc<Scenario>,
    pub plan: Plan,
    /// `Some`: times are drawn, and the operator's starts.
    pub seed: Option<u64>,
    /// `Some`: the cloud behaves in this one of the ways that the documentation leaves open, where the scenario does not say
    /// how.
    pub profile: Option<u64>,
    /// Where it begins, if not at the beginning, and the name of that.
    pub from: Option<Arc<(String, Golden)>>,
    /// Whether every moment is kept.
    pub keeps_moments: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub boundaries: Vec<Boundary>,
    pub passes: usize,
    /// Virtual.
    pub seconds: u64,
    /// Faults whose boundary was not reached.
    pub missed: usize,
    pub trace: Vec<String>,
    /// After each request of the operator, if they are kept.
    pub moments: Vec<Golden>,
}

/// Those that run: one, or two of which one leads.
struct Operators {
    running: Vec<Operator>,
    /// When others are started in place of those that have ended.
    due: Vec<Instant>,
    /// Those that are told to stop, until they have.
    leaving: JoinSet<()>,
    of_two: bool,
    started: usize,
}

impl Operators {
    fn start(world: &Arc<World>, of_two: bool) -> Self {
        let mut operators = Self {
            running: Vec::new(),
            due: vec![Instant::now(); if of_two { 2 } else { 1 }],
            leaving: JoinSet::new(),
            of_two,
            started: 0,
        };
        operators.start_those_due(world);
        operators
    }

    fn start_those_due(&mut self, world: &Arc<World>) {
        let now = Instant::now();
        let due = self.due.iter().filter(|at| **at <= now).count();
        self.due.retain(|at| *at > now);
        for _ in 0..due {
            self.started += 1;
            if self.started > 1 {
                world.trace(|| "operator starts".to_owned());
            }
            self.running.push(match self.of_two {
                true => Operator::candidate(world, self.started),
                false => Operator::start(world),
            });
        }
    }

    fn end(&mut self, fault: Fault, name: &str, away: Duration) {
        let Some(at) = self.running.iter().position(|one| one.name == name) else {
            return;
        };
        let operator = self.running.swap_remove(at);
        if fault == Fault::TakenTold {
            self.leaving.spawn(operator.told_to_stop());
        }
        self.due.push(Instant::now() + away);
    }

    fn any(&self) -> bool {
        !self.running.is_empty()
    }
}

impl Run {
    /// Without faults, from the beginning.
    pub fn dry(scenario: &Arc<Scenario>) -> Self {
        Self {
            scenario: scenario.clone(),
            plan: Plan::new(),
            seed: None,
            profile: None,
            from: None,
            keeps_moments: false,
        }
    }

    /// As `ONLY` takes it.
    pub fn name(&self) -> String {
        if let Some(golden) = &self.from {
            return format!("golden:{}", golden.0);
        }
        let mut name = self.scenario.name.to_owned();
        if let Some(profile) = self.profile {
            name.push_str(&format!(":profile={profile}"));
        }
        if let Some(seed) = self.seed {
            return format!("{name}:seed={seed}");
        }
        for (number, fault) in &self.plan {
            name.push_str(&format!(":{number}:{}", fault.name()));
        }
        name
    }

    /// Runs it, on a thread of its own as far as tokio is concerned.
    pub fn run(&self, kinds: &Arc<Kinds>, traced: bool) -> Outcome {
        // The operator scatters some delays; the same seed scatters them in the same way.
        fastrand::seed(self.seed.unwrap_or(1));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O");
        // Without faults; what is logged with them is no different.
        if !self.plan.is_empty() || self.seed.is_some() {
            return runtime.block_on(self.live(kinds.clone(), traced));
        }
        let logged = Logged::default();
        let mut outcome = tracing::subscriber::with_default(logged.subscriber(), || {
            runtime.block_on(self.live(kinds.clone(), traced))
        });
        outcome.violations.extend(logged.violations());
        outcome
    }

    async fn live(&self, kinds: Arc<Kinds>, traced: bool) -> Outcome {
        let latency = Latency {
            random: self.seed.is_some(),
        };
        let scenario = &self.scenario;
        let world = World::new(
            kinds,
            scenario,
            self.plan.clone(),
            latency,
            self.profile,
            traced,
        );
        let found = invariants::Found::of(&world);
        let mut person = Person::new(scenario);
        person.can_be_late = self.profile.is_some();
        if self.keeps_moments {
            world.keep_moments();
        }
        if let Some(golden) = &self.from {
            golden.1.restore(&world, &mut person).await;
        }
        let began = Instant::now();
        let mut operators = Operators::start(&world, self.of_two());
        let mut ended_at = None;
        let mut attendant = Attendant::default();
        // Who attends to it waits long before giving up.
        let bound = scenario.bound * if self.profile.is_some() { 3 } else { 1 };
        loop {
            tokio::select! {
                biased;
                (fault, name) = world.gate.stopped() => operators.end(fault, &name, self.away(fault)),
                () = tokio::time::sleep(if ended_at.is_some() { REST_LOOK } else { LOOK }) => {}
            }
            operators.start_those_due(&world);
            person.look(&world);
            if self.profile.is_some() {
                attendant.look(&world, &mut person);
            }
            let people_done = person.done() || attendant.gave_up;
            let over = people_done && operators.any() && self.ended(&world, &attendant);
            match ended_at {
                None if over => ended_at = Some(Instant::now()),
                Some(_) if !over => ended_at = None,
                _ => {}
            }
            if ended_at.is_some_and(|at| at.elapsed() >= QUIET + REST) {
                break;
            }
            if began.elapsed() > bound {
                world.violation(format!(
                    "not ended within {bound:?}: {}",
                    self.missing(&world, &person)
                ));
                break;
            }
            if !world.violations().is_empty() && !traced {
                break;
            }
        }
        if let Some(at) = ended_at {
            self.rests(&world, at);
        }
        invariants::at_the_end(&world, scenario, &person.requests, &found);
        drop(operators);
        Outcome {
            violations: world.violations(),
            boundaries: world.gate.boundaries(),
            passes: world.passes(),
            seconds: began.elapsed().as_secs(),
            missed: world.gate.missed(),
            trace: world.take_trace(),
            moments: Golden::all_of(&world, scenario, &person),
        }
    }

    /// Whether another operator stands by.
    pub fn of_two(&self) -> bool {
        self.plan.values().any(|fault| fault.is_of_two())
    }

    fn away(&self, fault: Fault) -> Duration {
        match (fault, self.seed) {
            (Fault::StopLong, _) => LONG_AWAY,
            (_, Some(_)) => Duration::from_millis(fastrand::u64(10..90_000)),
            _ => AWAY,
        }
    }

    fn ended(&self, world: &World, attendant: &Attendant) -> bool {
        let mut endings = self.scenario.endings.iter();
        let objects = match attendant.gave_up {
            true => endings.all(|e| person::has_ended(world, e.object)),
            false => endings.all(|e| has_ended(world, e)),
        };
        objects && invariants::nothing_runs(world)
    }

    fn missing(&self, world: &World, person: &Person) -> String {
        let open = self
            .scenario
            .endings
            .iter()
            .filter(|e| !has_ended(world, e));
        let mut open: Vec<String> = open
            .map(|ending| {
                let (state, reason) = state_of(world, ending);
                format!(
                    "{} is {state} ({reason}), not {:?}",
                    ending.object, ending.states
                )
            })
            .collect();
        if !person.done() {
            open.push("people still wait".to_owned());
        }
        if !invariants::nothing_runs(world) {
            open.push("something runs, or a group is held".to_owned());
        }
        open.join("; ")
    }

    /// At rest nothing is written.
    fn rests(&self, world: &World, ended_at: Instant) {
        let rest_began = world.now() - jiff::SignedDuration::try_from(REST).unwrap_or_default();
        let changes = world.apiserver.changes_since(0);
        let late: Vec<_> = changes
            .iter()
            .filter(|c| &*c.user == OPERATOR && c.resource != "events" && c.time > rest_began)
            .map(|change| format!("{} {} {}", change.verb, change.resource, change.name))
            .collect();
        if !late.is_empty() {
            world.violation(format!(
                "written at rest, {:?} after the end: {late:?}",
                ended_at.elapsed()
            ));
        }
    }
}

/// State and reason of an object.
fn state_of(world: &World, ending: &Ending) -> (String, String) {
    let Some(object) = crate::person::find(world, ending.object) else {
        return ("Gone".to_owned(), String::new());
    };
    let text = |pointer: &str| {
        let found = object.pointer(pointer).and_then(|v| v.as_str());
        found.unwrap_or("").to_owned()
    };
    let conditions = object["status"]["conditions"].as_array();
    let succeeded = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Succeeded");
    let reason = succeeded.and_then(|condition| condition["reason"].as_str());
    (text("/status/state"), reason.unwrap_or("").to_owned())
}

fn has_ended(world: &World, ending: &Ending) -> bool {
    let (state, reason) = state_of(world, ending);
    ending.states.contains(&state.as_str()) && ending.reason.is_none_or(|wanted| wanted == reason)
}
