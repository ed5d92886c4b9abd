//! Which runs there are, made from what the dry runs did; two threads work them off.

use std::collections::{BTreeSet, VecDeque};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ess_rollout_test_support::apiserver::Kinds;

use crate::gate::{Boundary, Fault, Plan, Side};
use crate::run::{Outcome, Run};
use crate::scenario::Scenario;
use crate::scenarios;

const THREADS: usize = 2;
/// Random schedules for each scenario, unless told otherwise.
const SEEDS: u64 = 3;
/// Ways in which the cloud could behave, drawn from what its documentation leaves open, unless told otherwise.
const PROFILES: u64 = 20;
/// Of so many of them one has a random schedule for a scenario, too.
const PROFILES_A_SCHEDULE: u64 = 4;
/// People look once a second, and nothing in the cloud takes less: what follows within this time follows at once.
const AT_ONCE: Duration = Duration::from_secs(1);
/// After so many broken runs no more are begun.
const ENOUGH: usize = 8;
/// A run takes at most so many passes more for each fault: while an answer is missing, the operator looks once a second for
/// as long as the bound on lateness.
const PASSES_A_FAULT: usize = 80;

/// A run and what came of it.
pub type Done = (Run, Outcome);

/// One run for each boundary and each fault that fits it.
fn single_faults(scenario: &Arc<Scenario>, boundaries: &[Boundary]) -> Vec<Run> {
    let mut runs = Vec::new();
    for (index, boundary) in boundaries.iter().enumerate() {
        // Scenarios do the same at first: each begins the turn elsewhere.
        let number = index + scenario.name.len();
        let before = index.checked_sub(1).map(|before| boundaries[before].at);
        let follows = before.is_some_and(|before| boundary.at - before < AT_ONCE);
        let stops = Fault::EVERYWHERE.into_iter();
        let stops = stops.filter(|stop| *stop != Fault::StopBefore || !follows);
        // Another operator takes over at each, in one way or another in turn.
        let taken = Fault::OF_LEADERS[number % Fault::OF_LEADERS.len()];
        for fault in stops
            .chain(Fault::in_turn(boundary.side, number))
            .chain([taken])
        {
            runs.push(Run {
                plan: Plan::from([(index + 1, fault)]),
                ..Run::dry(scenario)
            });
        }
    }
    runs
}

/// A schedule with one to four faults, all drawn.
fn schedule(scenario: &Arc<Scenario>, boundaries: &[Boundary], seed: u64) -> Run {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut plan = Plan::new();
    for _ in 0..random.usize(1..=4) {
        // Faults make runs longer: some fall behind the end of the dry run.
        let at = random.usize(1..=boundaries.len() * 5 / 4 + 1);
        let side = boundaries.get(at - 1).map(|boundary| boundary.side);
        let mut faults = match side {
            Some(Side::Apiserver) => Fault::OF_WRITES.to_vec(),
            _ => Fault::OF_CALLS.to_vec(),
        };
        // Every other one: what was found with an even seed before there were left-out entries stays what it is.
        if !seed.is_multiple_of(2) {
            faults.push(Fault::Omitted);
        }
        plan.insert(at, faults[random.usize(..faults.len())]);
    }
    Run {
        plan,
        seed: Some(seed),
        ..Run::dry(scenario)
    }
}

/// The same scenario on a cloud that behaves in another way: as it is, and on some of those with faults.
fn under_profile(scenario: &Arc<Scenario>, boundaries: &[Boundary], profile: u64) -> Vec<Run> {
    let mut runs = vec![Run::dry(scenario)];
    let turn = profile + scenario.name.len() as u64;
    if turn.is_multiple_of(PROFILES_A_SCHEDULE) {
        runs.push(schedule(scenario, boundaries, profile));
    }
    let on_it = |run| Run {
        profile: Some(profile),
        ..run
    };
    runs.into_iter().map(on_it).collect()
}

/// Works off runs on all threads.
pub fn work(kinds: &Arc<Kinds>, runs: Vec<Run>) -> Vec<Done> {
    let queue = Mutex::new(VecDeque::from(runs));
    let broken = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap().pop_front();
            let Some(run) = next.filter(|_| broken.load(Ordering::Relaxed) < ENOUGH) else {
                return done;
            };
            let began = Instant::now();
            let outcome = run.run(kinds, false);
            if std::env::var_os("VERBOSE").is_some() {
                eprintln!("{:.3} s  {}", began.elapsed().as_secs_f64(), run.name());
            }
            if !outcome.violations.is_empty() {
                broken.fetch_add(1, Ordering::Relaxed);
            }
            done.push((run, outcome));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        let all = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap());
        all.collect()
    })
}

/// The run of `ONLY`, once its scenario is known: faults or a seed.
fn chosen(scenario: &Arc<Scenario>, boundaries: &[Boundary], rest: &str) -> Option<Run> {
    if let Some(profile) = rest.strip_prefix("profile=") {
        let (profile, seed) = match profile.split_once(":seed=") {
            Some((profile, seed)) => (profile, Some(seed.parse().ok()?)),
            None => (profile, None),
        };
        let run = seed.map(|seed| schedule(scenario, boundaries, seed));
        return Some(Run {
            profile: Some(profile.parse().ok()?),
            ..run.unwrap_or(Run::dry(scenario))
        });
    }
    if let Some(seed) = rest.strip_prefix("seed=") {
        return Some(schedule(scenario, boundaries, seed.parse().ok()?));
    }
    let words: Vec<&str> = rest.split(':').collect();
    let mut plan = Plan::new();
    for pair in words.chunks(2) {
        let [number, fault] = pair else { return None };
        plan.insert(number.parse().ok()?, Fault::parse(fault)?);
    }
    Some(Run {
        plan,
        ..Run::dry(scenario)
    })
}

/// A number in the environment.
fn set(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// All runs, or those of `only`.
pub fn all(kinds: &Arc<Kinds>, only: Option<&str>) -> ExitCode {
    let began = Instant::now();
    let mut all: Vec<Arc<Scenario>> = scenarios::all().into_iter().map(Arc::new).collect();
    let (name, rest) = match only.map(|only| only.split_once(':').unwrap_or((only, ""))) {
        Some((name, rest)) => (Some(name), rest),
        None => (None, ""),
    };
    let only_profiles = name == Some("profiles");
    let name = name.filter(|_| !only_profiles);
    all.retain(|scenario| name.is_none_or(|name| scenario.name == name));
    if all.is_empty() {
        println!("sweep: there is no scenario {:?}", name.unwrap_or_default());
        return ExitCode::FAILURE;
    }
    if !rest.is_empty() {
        return replay(kinds, &all[0], rest);
    }

    let mut done = work(kinds, all.iter().map(Run::dry).collect());
    let profiles = set("PROFILES").unwrap_or(PROFILES);
    let seeds = set("SEEDS").unwrap_or(SEEDS);
    let mut runs = Vec::new();
    for (run, outcome) in done.iter().filter(|(_, o)| o.violations.is_empty()) {
        let profiles = 1..=profiles;
        runs.extend(profiles.flat_map(|n| under_profile(&run.scenario, &outcome.boundaries, n)));
        if only_profiles {
            continue;
        }
        runs.extend(single_faults(&run.scenario, &outcome.boundaries));
        let schedules = (1..=seeds).map(|seed| schedule(&run.scenario, &outcome.boundaries, seed));
        runs.extend(schedules);
    }
    let passes = |scenario: &Scenario| {
        let dry = done
            .iter()
            .find(|(run, _)| run.scenario.name == scenario.name);
        dry.map_or(0, |(_, outcome)| outcome.passes)
    };
    let usual: Vec<(&str, usize)> = all
        .iter()
        .map(|scenario| (scenario.name, passes(scenario)))
        .collect();
    done.extend(work(kinds, runs));
    for (run, outcome) in &mut done {
        let usual = usual.iter().find(|(name, _)| *name == run.scenario.name);
        let usual = usual.map_or(0, |(_, passes)| *passes);
        let faults = run.plan.len() + usize::from(run.profile.is_some());
        let bound = usual * 3 + faults * PASSES_A_FAULT;
        if outcome.passes > bound.max(1) {
            let text = format!("{} passes, and {bound} would be many", outcome.passes);
            outcome.violations.push(text);
        }
    }
    conclude(kinds, &all, &done, began)
}

fn conclude(kinds: &Arc<Kinds>, all: &[Arc<Scenario>], done: &[Done], began: Instant) -> ExitCode {
    let profiles: BTreeSet<u64> = done.iter().filter_map(|(run, _)| run.profile).collect();
    let broken = tell_of_broken(kinds, done);
    if std::env::var_os("SCENARIOS").is_some() {
        table(all, done);
    }
    println!(
        "sweep: scenarios={} runs={} of_two={} profiles={} violations={broken} {:.0} s",
        all.len(),
        done.len(),
        done.iter().filter(|(run, _)| run.of_two()).count(),
        profiles.len(),
        began.elapsed().as_secs_f64()
    );
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Says which runs broke rules, and tells the story of the first. How many there are.
pub fn tell_of_broken(kinds: &Arc<Kinds>, done: &[Done]) -> usize {
    let broken: Vec<&Done> = done
        .iter()
        .filter(|(_, outcome)| !outcome.violations.is_empty())
        .collect();
    for (index, (run, outcome)) in broken.iter().enumerate() {
        println!(
            "\nsweep: {} broke {} rules",
            run.name(),
            outcome.violations.len()
        );
        for violation in &outcome.violations {
            println!("  {violation}");
        }
        println!("  replay: make sweep ONLY='{}'", run.name());
        if index == 0 {
            // The same run again, with its story.
            for line in run.run(kinds, true).trace {
                println!("    {line}");
            }
        }
    }
    broken.len()
}

/// One line for each scenario.
fn table(all: &[Arc<Scenario>], done: &[Done]) {
    for scenario in all {
        let runs = done
            .iter()
            .filter(|(run, _)| run.scenario.name == scenario.name);
        let runs: Vec<&Done> = runs.collect();
        let Some((_, dry)) = runs.first() else {
            continue;
        };
        let missed: usize = runs
            .iter()
            .filter(|(r, o)| r.seed.is_none() && o.missed > 0)
            .count();
        println!(
            "{:28} boundaries={:3} runs={:4} missed={missed} passes={:3} virtual={} s",
            scenario.name,
            dry.boundaries.len(),
            runs.len(),
            dry.passes,
            dry.seconds
        );
    }
}

/// One run, with its story.
fn replay(kinds: &Arc<Kinds>, scenario: &Arc<Scenario>, rest: &str) -> ExitCode {
    let boundaries = match rest.contains("seed=") {
        true => Run::dry(scenario).run(kinds, false).boundaries,
        false => Vec::new(),
    };
    let run = if rest == "dry" {
        Some(Run::dry(scenario))
    } else {
        chosen(scenario, &boundaries, rest)
    };
    let Some(run) = run else {
        println!("sweep: {rest:?} is not boundary:fault, nor seed=n, nor dry");
        return ExitCode::FAILURE;
    };
    let outcome = run.run(kinds, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    println!(
        "sweep: {}: {} boundaries, {} passes, {} virtual seconds, violations: {:#?}",
        run.name(),
        outcome.boundaries.len(),
        outcome.passes,
        outcome.seconds,
        outcome.violations
    );
    match outcome.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
