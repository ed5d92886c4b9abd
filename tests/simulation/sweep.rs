//! Which runs there are.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use ess_rollout_test_support::apiserver::Kinds;

use crate::fault::EVERY;
use crate::run::{Outcome, Run};
use crate::scenario::Scenario;
use crate::scenarios;
use crate::story;
use crate::workers::{self, Done, Job, set};

/// Random schedules, unless told otherwise.
const SEEDS: u64 = 500;
/// Those of `make soak`, unless told otherwise.
const SOAKING: u64 = 10_000;
/// Ways in which the cloud could behave, drawn from what its documentation leaves open, unless told otherwise; and where not all
/// is tried.
const PROFILES: u64 = 20;
const FEW_PROFILES: u64 = 6;
/// Of so many of them one has a random schedule for a scenario, too.
const PROFILES_A_SCHEDULE: u64 = 4;
/// One run of so many is run again, from its beginning and in another process.
const AGAIN: usize = 97;
/// Of so many broken runs it is found out how few faults they take.
const SHORTENED: usize = 3;
/// A run takes at most so many passes more for each fault: while an answer is missing, the operator looks once a second for
/// as long as the bound on lateness.
const PASSES_A_FAULT: usize = 80;

/// Runs that broke a rule once, and that would not be among those of one fault, or only in turn.
const FOUND: [&str; 6] = [
    // Groups that were held for good by objects which look elsewhere since the default region is another: taken, and nothing
    // begun; let go after a run; taken again.
    "script:4:to-elsewhere",
    "image-built:12:to-elsewhere",
    "image-given-denied:13:to-elsewhere",
    "image-given-denied:28:to-elsewhere",
    // The process that takes over starts while the clock is an hour behind: a time about which was decided was due once more.
    "images-on-a-schedule:20:hour-behind:21:before",
    "images-on-a-schedule:24:hour-behind:25:before",
];

/// The same scenario on a cloud that behaves in another way: as it is, and on some of those with random faults.
fn under_profile(scenario: &Scenario, profile: u64) -> Vec<Job> {
    let run = format!("{}:profile={profile}", scenario.name);
    let turn = profile + scenario.name.len() as u64;
    let schedule = !scenario.one_fault && turn.is_multiple_of(PROFILES_A_SCHEDULE);
    let schedule = schedule.then(|| Job::One(format!("{run}:seed={profile}")));
    std::iter::once(Job::One(run)).chain(schedule).collect()
}

/// Random schedules, each of another scenario in turn.
fn schedules(scenarios: &[Arc<Scenario>], seeds: u64) -> impl Iterator<Item = Job> {
    let several = scenarios.iter().filter(|scenario| !scenario.one_fault);
    several.cycle().zip(1..=seeds).map(|(scenario, seed)| {
        // Of every third, another operator stands by.
        let two = if seed.is_multiple_of(3) { ":two" } else { "" };
        Job::One(format!("{}:seed={seed}{two}", scenario.name))
    })
}

/// All runs, or those of `only`.
pub fn all(kinds: &Arc<Kinds>, only: Option<&str>) -> ExitCode {
    let began = Instant::now();
    let (name, rest) = match only.map(|only| only.split_once(':').unwrap_or((only, ""))) {
        Some((name, rest)) => (Some(name), rest),
        None => (None, ""),
    };
    let part = name.filter(|name| ["all", "profiles", "soak"].contains(name));
    let name = name.filter(|_| part.is_none());
    let mut scenarios = scenarios::shared().to_vec();
    scenarios.retain(|scenario| name.is_none_or(|name| scenario.name == name));
    if scenarios.is_empty() {
        println!("sweep: there is no scenario {:?}", name.unwrap_or_default());
        return ExitCode::FAILURE;
    }
    if !rest.is_empty() {
        return replay(kinds, only.unwrap_or_default());
    }

    let mut jobs = Vec::new();
    // Without faults, and with all that is logged looked at; where only schedules are drawn no longer than it takes.
    let how = if part == Some("soak") { ":brief" } else { "" };
    let dry = scenarios
        .iter()
        .map(|scenario| format!("{}{how}", scenario.name));
    jobs.extend(dry.map(Job::One));
    let found = FOUND.into_iter();
    let found = found.filter(|run| name.is_none() || run.split(':').next() == name);
    jobs.extend(found.map(|run| Job::One(run.to_owned())));
    if part.is_none_or(|part| part == "all") {
        jobs.extend(scenarios.iter().flat_map(|scenario| {
            let alone = scenario.name.to_owned();
            let of_two = format!("{alone}:two");
            [Job::Tree(alone), Job::Tree(of_two)]
        }));
    }
    if part != Some("soak") {
        let unless_told = if *EVERY == 1 { PROFILES } else { FEW_PROFILES };
        let profiles = 1..=set("PROFILES").unwrap_or(unless_told);
        jobs.extend(profiles.flat_map(|n| scenarios.iter().flat_map(move |s| under_profile(s, n))));
    }
    if part != Some("profiles") {
        let seeds = match part {
            Some("soak") => SOAKING,
            _ if name.is_some() => SEEDS / scenarios::shared().len() as u64,
            _ => SEEDS,
        };
        jobs.extend(schedules(&scenarios, set("SEEDS").unwrap_or(seeds)));
    }
    let mut done = workers::work(jobs);
    too_many_passes(&mut done);
    let again = the_same_again(&mut done);
    let broken = tell_of_broken(kinds, &done);
    if std::env::var_os("SCENARIOS").is_some() {
        table(&scenarios, &done);
    }
    conclude(
        part == Some("soak"),
        &scenarios,
        &done,
        (again, broken),
        began,
    )
}

/// How often the operator looks without a fault bounds how often it looks with some.
fn too_many_passes(done: &mut [Done]) {
    let without_faults = |done: &Done| {
        let name = done.name.strip_suffix(":brief").unwrap_or(&done.name);
        let usual = (name.to_owned(), done.outcome.passes);
        (!name.contains(':')).then_some(usual)
    };
    let usual: BTreeMap<String, usize> = done.iter().filter_map(without_faults).collect();
    for Done { name, outcome, .. } in done {
        // What ends otherwise may have been waited for.
        if outcome.met.values().any(|fault| fault.may_end_otherwise()) {
            continue;
        }
        let usual = name.split(':').next().and_then(|name| usual.get(name));
        let drawn = [":profile=", ":seed="].iter();
        let drawn = drawn.filter(|drawn| name.contains(**drawn)).count();
        let faults = outcome.met.len() + drawn;
        let bound = usual.map_or(0, |usual| usual * 3) + faults * PASSES_A_FAULT;
        if usual.is_some() && outcome.passes > bound.max(1) {
            let text = format!("{} passes, and {bound} would be many", outcome.passes);
            outcome.violations.push(text);
        }
    }
}

/// Some of the runs once more, from their beginning and in another process: they are what they were. How many.
fn the_same_again(done: &mut [Done]) -> usize {
    let held = done
        .iter()
        .filter(|done| done.outcome.violations.is_empty());
    let every = set("AGAIN").and_then(|every| usize::try_from(every).ok());
    let some = held.step_by(every.unwrap_or(AGAIN).max(1));
    let jobs: Vec<Job> = some.map(|done| Job::One(done.name.clone())).collect();
    let count = jobs.len();
    let again = workers::work(jobs);
    let again: BTreeMap<&str, &Outcome> = again
        .iter()
        .map(|done| (done.name.as_str(), &done.outcome))
        .collect();
    for Done { name, outcome, .. } in done {
        if let Some(again) = again.get(name.as_str())
            && again.hash != outcome.hash
        {
            let text = format!(
                "run again it is another: {:x}, {:x}",
                outcome.hash, again.hash
            );
            outcome.violations.push(text);
        }
    }
    count
}

fn conclude(
    soaked: bool,
    scenarios: &[Arc<Scenario>],
    done: &[Done],
    (again, broken): (usize, usize),
    began: Instant,
) -> ExitCode {
    let count = |those: &dyn Fn(&Done) -> bool| done.iter().filter(|done| those(done)).count();
    let drawn = count(&|done| done.name.contains(":seed="));
    let of_profiles = count(&|done| done.name.contains(":profile="));
    let one_of = |done: &Done| !done.name.contains('=');
    let single = count(&|done| one_of(done) && done.outcome.met.len() == 1);
    let pairs = count(&|done| one_of(done) && done.outcome.met.len() > 1);
    let of_two = count(&|done| done.run().of_two());
    println!(
        "sweep: of these runs {single} have one fault, {pairs} two, {drawn} random ones; {of_two} are of two operators, {of_profiles} on \
         clouds that behave otherwise; {again} were run again"
    );
    if *EVERY > 1 {
        println!(
            "sweep: one in {} of what is tried at a boundary; EVERY=1 tries all",
            *EVERY
        );
    }
    let seconds = began.elapsed().as_secs_f64();
    if soaked {
        println!("soak: seeds={drawn} violations={broken} {seconds:.0} s");
    } else {
        let faults: usize = done.iter().map(|done| done.outcome.met.len()).sum();
        println!(
            "sweep: scenarios={} runs={} faults={faults} violations={broken} {seconds:.0} s",
            scenarios.len(),
            done.len(),
        );
    }
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Says which runs broke rules, and tells the story of the first, with no more faults than it takes. How many there are.
pub fn tell_of_broken(kinds: &Arc<Kinds>, done: &[Done]) -> usize {
    let broken = done
        .iter()
        .filter(|done| !done.outcome.violations.is_empty());
    let mut count = 0;
    for (index, done) in broken.enumerate() {
        count += 1;
        let shortest = match index {
            ..SHORTENED => shortest(done),
            _ => done.run(),
        };
        // The same run again, with its story.
        let trace = match index {
            0 => shortest.run(kinds, true).trace,
            _ => Vec::new(),
        };
        let violations = &done.outcome.violations;
        let told = story::of(&done.name, &shortest.name(), violations, &trace);
        println!("\n{told}");
    }
    count
}

/// The same run with as few faults as it takes to break a rule.
fn shortest(done: &Done) -> Run {
    let run = done.run();
    let breaks = |run: &Run| {
        let outcome = workers::work(vec![Job::One(run.name())]);
        outcome
            .iter()
            .any(|done| !done.outcome.violations.is_empty())
    };
    let mut shortest = Run {
        plan: done.outcome.met.clone(),
        two: run.of_two(),
        ..run.clone()
    };
    if done.outcome.met.len() < 2 || !breaks(&shortest) {
        return run;
    }
    for number in done.outcome.met.keys() {
        let mut shorter = shortest.clone();
        shorter.plan.remove(number);
        if !shorter.plan.is_empty() && breaks(&shorter) {
            shortest = shorter;
        }
    }
    shortest
}

/// One line for each scenario.
fn table(scenarios: &[Arc<Scenario>], done: &[Done]) {
    for scenario in scenarios {
        let prefix = format!("{}:", scenario.name);
        let runs = done.iter().filter(|done| done.name.starts_with(&prefix));
        let Some(Done { outcome: dry, .. }) = done.iter().find(|done| done.name == scenario.name)
        else {
            continue;
        };
        println!(
            "{:28} boundaries={:3} runs={:4} passes={:3} virtual={} s",
            scenario.name,
            dry.boundaries,
            runs.count(),
            dry.passes,
            dry.seconds
        );
    }
}

/// One run, with its story.
fn replay(kinds: &Arc<Kinds>, name: &str) -> ExitCode {
    let Some(run) = Run::named(name) else {
        println!(
            "sweep: {name:?} is not scenario:boundary:fault, nor scenario:seed=n, nor scenario:dry"
        );
        return ExitCode::FAILURE;
    };
    let outcome = run.run(kinds, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    println!(
        "sweep: {}: {} boundaries, {} passes, {} virtual seconds, trace {:x}, violations: {:#?}",
        run.name(),
        outcome.boundaries,
        outcome.passes,
        outcome.seconds,
        outcome.hash,
        outcome.violations
    );
    match outcome.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
