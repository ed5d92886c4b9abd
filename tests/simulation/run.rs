//! One run: a scenario, a seed, faults. The same three give the same run.
//!
//! Its name is what `ONLY` takes: `scenario`, then what is peculiar to it, `:profile=N`, `:seed=N`, `:NUMBER:FAULT` for each
//! fault. With a seed and no fault, the faults are drawn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ess_rollout_test_support::apiserver::Kinds;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::subscriber::NoSubscriber;

use crate::attendant::Attendant;
use crate::canaries::Logged;
use crate::fault::Fault;
use crate::gate::{Draw, Faults, Gate, Plan};
use crate::golden::{self, Golden};
use crate::invariants;
use crate::operator::{Operator, Told};
use crate::person::{self, Person};
use crate::scenario::{Ending, Scenario};
use crate::scenarios;
use crate::world::{ELSEWHERE, Latency, OPERATOR, SETTLE, World};

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
/// And, where nothing went wrong, for so much longer: what has ended costs nothing.
const SILENCE: Duration = Duration::from_secs(24 * 3600);
/// A look may be so late: whoever looks has other things to do.
const LATE_LOOK: Duration = Duration::from_secs(30);
/// And so much later where the process stood still, or another takes over.
const HARDSHIP: Duration = Duration::from_secs(90);
/// A schedule has its task look at the clock once an hour.
const LOOKS_A_DAY: usize = 50;

/// By so much a run may take longer for each fault that it meets, of virtual time: people have patience, and calls a bound.
const A_FAULT_TAKES: Duration = Duration::from_secs(600);

/// What to run.
#[derive(Debug, Clone)]
pub struct Run {
    pub scenario: Arc<Scenario>,
    pub plan: Plan,
    /// `Some`: times are drawn, and the operator's starts; and the faults, if none are planned.
    pub seed: Option<u64>,
    /// Whether another operator stands by, though nothing befalls the one that leads.
    pub two: bool,
    /// `Some`: the cloud behaves in this one of the ways that the documentation leaves open, where the scenario does not say
    /// how.
    pub profile: Option<u64>,
    /// Where it begins, if not at the beginning, and the name of that.
    pub from: Option<Arc<(String, Golden)>>,
    /// Whether every moment is kept.
    pub keeps_moments: bool,
    /// Without a fault: whether it is over soon after its end, and nobody looks at what is logged. It tells how many passes are usual.
    pub brief: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub violations: Vec<String>,
    /// How many boundaries were passed.
    pub boundaries: usize,
    pub passes: usize,
    /// Virtual.
    pub seconds: u64,
    /// Faults whose boundary was not reached.
    pub missed: usize,
    /// What went wrong, and where.
    #[serde(with = "crate::fault::as_pairs")]
    pub met: Plan,
    /// Of every request of the operator and every answer, with their times.
    pub hash: u64,
    #[serde(skip)]
    pub trace: Vec<String>,
    /// After each request of the operator, if they are kept.
    #[serde(skip)]
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
    /// What those are told which are started.
    told: Told,
}

impl Operators {
    fn start(world: &Arc<World>, of_two: bool) -> Self {
        let mut operators = Self {
            running: Vec::new(),
            due: vec![Instant::now(); if of_two { 2 } else { 1 }],
            leaving: JoinSet::new(),
            of_two,
            started: 0,
            told: Told::default(),
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
                true => Operator::candidate(world, self.started, self.told),
                false => {
                    // One that was told to stop ended what it was about, and wanted to look again.
                    world.nobody_looks();
                    Operator::start(world, self.told)
                }
            });
        }
    }

    fn end(&mut self, world: &Arc<World>, fault: Fault, name: &str, away: Duration) {
        let Some(at) = self.running.iter().position(|one| one.name == name) else {
            return;
        };
        let operator = self.running.swap_remove(at);
        world.nobody_looks();
        match fault {
            Fault::StopToShorter => self.told.settle = SETTLE / 2,
            Fault::StopToLonger => self.told.settle = SETTLE * 2,
            Fault::StopToElsewhere => self.told.region = ELSEWHERE,
            _ => {}
        }
        if matches!(fault, Fault::Told | Fault::TakenTold) {
            self.leaving.spawn(operator.told_to_stop(world.clone()));
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
            two: false,
            profile: None,
            from: None,
            keeps_moments: false,
            brief: false,
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
            name.push_str(&format!(":seed={seed}"));
        }
        if self.two && !self.has_faults_of_two() {
            name.push_str(":two");
        }
        if self.brief {
            name.push_str(":brief");
        }
        for (number, fault) in &self.plan {
            name.push_str(&format!(":{number}:{}", fault.name()));
        }
        name
    }

    /// The run of this name; `None`: there is none.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(golden) = name.strip_prefix("golden:") {
            return golden::run(golden);
        }
        let mut words = name.split(':');
        let scenario = words.next()?;
        let mut run = Self::dry(scenarios::shared().iter().find(|s| s.name == scenario)?);
        while let Some(word) = words.next() {
            if word == "two" {
                run.two = true;
            } else if word == "brief" {
                run.brief = true;
            } else if let Some(profile) = word.strip_prefix("profile=") {
                run.profile = Some(profile.parse().ok()?);
            } else if let Some(seed) = word.strip_prefix("seed=") {
                run.seed = Some(seed.parse().ok()?);
            } else if word != "dry" {
                run.plan
                    .insert(word.parse().ok()?, Fault::parse(words.next()?)?);
            }
        }
        Some(run)
    }

    fn has_faults_of_two(&self) -> bool {
        self.plan.values().any(|fault| fault.is_of_two())
    }

    fn faults(&self) -> Faults {
        match self.seed {
            Some(seed) if self.plan.is_empty() => Faults::Drawn(Draw::seeded(seed)),
            _ => Faults::Planned(self.plan.clone()),
        }
    }

    /// Runs it.
    pub fn run(&self, kinds: &Arc<Kinds>, traced: bool) -> Outcome {
        self.meeting(self.faults(), kinds, traced)
    }

    /// Runs it without a fault, and in children of this process with each: what is given back in a child has met one.
    pub fn branching(&self, kinds: &Arc<Kinds>) -> Outcome {
        self.meeting(Faults::Branching, kinds, false)
    }

    /// On a thread of its own as far as tokio is concerned.
    fn meeting(&self, faults: Faults, kinds: &Arc<Kinds>, traced: bool) -> Outcome {
        // The operator scatters some delays; the same seed scatters them in the same way.
        fastrand::seed(self.seed.unwrap_or(1));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O");
        let branches = matches!(faults, Faults::Branching);
        // Without faults; what is logged with them is no different.
        if !faults.none() || self.brief {
            let outcome = runtime.block_on(self.live(faults, kinds.clone(), traced));
            if branches && !outcome.met.is_empty() {
                std::mem::forget(runtime);
            }
            return outcome;
        }
        let logged = Logged::default();
        let mut outcome = tracing::subscriber::with_default(logged.subscriber(), || {
            runtime.block_on(self.live(faults, kinds.clone(), traced))
        });
        outcome.violations.extend(logged.violations());
        outcome
    }

    async fn live(&self, faults: Faults, kinds: Arc<Kinds>, traced: bool) -> Outcome {
        let latency = Latency {
            random: self.seed.is_some(),
        };
        let scenario = &self.scenario;
        let (is_dry, branches) = (faults.none(), matches!(faults, Faults::Branching));
        let world = World::new(
            kinds,
            scenario,
            Gate::new(faults, self.of_two(), scenario),
            latency,
            self.profile,
            traced,
        );
        let found = invariants::Found::of(&world);
        let mut person = Person::new(scenario);
        person.can_be_late = self.profile.is_some() || !is_dry;
        if self.keeps_moments {
            world.keep_moments();
        }
        if let Some(golden) = &self.from {
            golden.1.restore(&world, &mut person).await;
        }
        let began = Instant::now();
        let mut operators = Operators::start(&world, self.of_two());
        let mut ended_at = None;
        let mut rests_blocked = false;
        let mut attendant = Attendant::default();
        loop {
            tokio::select! {
                biased;
                (fault, name) = world.gate.stopped() => operators.end(&world, fault, &name, self.away(fault)),
                () = tokio::time::sleep(if ended_at.is_some() { REST_LOOK } else { LOOK }) => {}
            }
            operators.start_those_due(&world);
            person.look(&world);
            person::asks_for_tasks(&world);
            world.others.look(&world, &mut person);
            world.looks_are_in_time(LATE_LOOK + HARDSHIP * u32::from(world.gate.faults() > 0));
            let may_end_otherwise = world.gate.has_met(Fault::may_end_otherwise);
            let attended = self.profile.is_some() || self.seed.is_some() || may_end_otherwise;
            if attended {
                attendant.look(&world, &mut person);
            }
            if may_end_otherwise && self.objects_ended(&world) {
                person.give_up(&world);
            }
            let people_done = (person.done() || attendant.gave_up || world.others.terminating())
                && !world.others.busy();
            let otherwise = attendant.gave_up || person.was_late || may_end_otherwise;
            let over = people_done && operators.any() && self.ended(&world, otherwise);
            let blocked = self.any_is_blocked(&world);
            match ended_at {
                Some(_) if blocked != rests_blocked => ended_at = None,
                None if over => ended_at = Some(Instant::now()),
                Some(_) if !over => ended_at = None,
                _ => {}
            }
            rests_blocked = blocked;
            if ended_at.is_some_and(|at| at.elapsed() >= QUIET + REST) {
                break;
            }
            // Who attends to it waits long before giving up.
            let bound = scenario.bound * if attended { 3 } else { 1 }
                + A_FAULT_TAKES * u32::try_from(world.gate.faults()).unwrap_or(u32::MAX);
            if began.elapsed() > bound {
                // What was asked for went with the status, and nobody asks again.
                if world.gate.has_met(|fault| fault == Fault::StatusWiped) {
                    return self.outcome(&world, scenario, &person, began);
                }
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
        // Whether it is listened to afterwards is no part of the run: a window may say then that it has opened.
        let (passes, hash) = (world.passes(), world.hash());
        let is_alone = self.profile.is_none() && self.from.is_none() && !self.brief;
        if is_dry && is_alone && world.violations().is_empty() {
            silence(&world).await;
        }
        // What is left by a run that was broken off says nothing.
        if world.violations().is_empty() {
            invariants::at_the_end(&world, scenario, &person.requests, &found);
        }
        // A process that has branched off ends here: to take all apart would cost it a tenth of its time.
        match branches && world.gate.faults() > 0 {
            true => std::mem::forget(operators),
            false => drop(operators),
        }
        Outcome {
            passes,
            hash,
            ..self.outcome(&world, scenario, &person, began)
        }
    }

    fn outcome(
        &self,
        world: &World,
        scenario: &Scenario,
        person: &Person,
        began: Instant,
    ) -> Outcome {
        Outcome {
            violations: world.violations(),
            boundaries: world.gate.passed(),
            passes: world.passes(),
            seconds: began.elapsed().as_secs(),
            missed: world.gate.missed(),
            met: world.gate.met(),
            hash: world.hash(),
            trace: world.take_trace(),
            moments: Golden::all_of(world, scenario, person),
        }
    }

    /// Whether another operator stands by.
    pub fn of_two(&self) -> bool {
        self.two || self.has_faults_of_two()
    }

    fn away(&self, fault: Fault) -> Duration {
        match (fault, self.seed) {
            (Fault::StopLong, _) => LONG_AWAY,
            (_, Some(_)) => Duration::from_millis(fastrand::u64(10..90_000)),
            _ => AWAY,
        }
    }

    /// `otherwise`: not as the scenario says.
    fn ended(&self, world: &World, otherwise: bool) -> bool {
        let mut endings = self.scenario.endings.iter();
        let objects = match otherwise {
            true => self.objects_ended(world),
            false => endings.all(|e| has_ended(world, e)),
        };
        objects && invariants::nothing_runs(world)
    }

    /// In one way or another.
    fn objects_ended(&self, world: &World) -> bool {
        let mut endings = self.scenario.endings.iter();
        endings.all(|e| person::has_ended(world, e.object) || Self::is_blocked(world, e))
    }

    fn any_is_blocked(&self, world: &World) -> bool {
        let mut endings = self.scenario.endings.iter();
        endings.any(|ending| Self::is_blocked(world, ending))
    }

    /// Whether an object waits for somebody to mend what others did to its group or to what it refers to.
    fn is_blocked(world: &World, ending: &Ending) -> bool {
        let others = |fault| fault == Fault::StopToElsewhere || fault == Fault::Recreated;
        world.gate.has_met(others) && state_of(world, ending).0 == "Blocked"
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
        // Whatever is blocked is tried again, and says so.
        if self.any_is_blocked(world) {
            return;
        }
        let rest_began = world.now() - jiff::SignedDuration::try_from(REST).unwrap_or_default();
        let changes = world.apiserver.changes_since(0);
        let late: Vec<_> = changes
            .iter()
            .filter(|c| &*c.user == OPERATOR && c.time > rest_began)
            // A window says of itself when it has opened and closed.
            .filter(|c| !["events", "maintenancewindows"].contains(&&*c.resource))
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

/// Long after the end nothing is written, said or asked of the cloud any more, and nobody looks.
async fn silence(world: &World) {
    let before = world.apiserver.changes_since(0).len();
    let passes = world.passes();
    world.count_calls();
    // Watches end and begin again, and log the same lines for a day: a third of what such a run would cost.
    let unheard = tracing::subscriber::set_default(NoSubscriber::default());
    tokio::time::sleep(SILENCE).await;
    drop(unheard);
    let changes = world.apiserver.changes_since(0);
    let written = changes.iter().skip(before).filter(|c| &*c.user == OPERATOR);
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    for change in written {
        let what = format!("{} {} {}", change.verb, change.resource, change.name);
        *heard.entry(what).or_default() += 1;
    }
    for made in world.made() {
        // A watch ends and begins again all the time.
        if !made.what.starts_with("GET ") {
            *heard.entry(made.what).or_default() += 1;
        }
    }
    // A window says of itself that it has opened, and that it has closed.
    heard.retain(|what, count| *count > 2 || !what.contains("maintenancewindows"));
    let looks = world.passes() - passes;
    if !heard.is_empty() || looks > LOOKS_A_DAY {
        world.violation(format!(
            "within {SILENCE:?} after the end: {looks} passes, {heard:?}"
        ));
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
    let misled = || world.gate.has_met(Fault::is_of_reads);
    let as_wanted = ending.states.contains(&state.as_str())
        && ending.reason.is_none_or(|wanted| wanted == reason);
    as_wanted || (ending.misled.contains(&state.as_str()) && misled())
}
