//! Killing the operator at any moment and starting it again never has a second effect.
//!
//! The operator runs as a process under the chart's rights, against a real apiserver and the emulator, each behind a
//! proxy of this test. A dry run of each scenario records every request that changes something: writes to the apiserver
//! and mutations of the cloud. Then, once for each such request and each side of it, the operator is killed with SIGKILL just
//! there and started again; further runs add a second kill during the recovery, time that passes while nobody runs,
//! calls that take effect after their sender died, lost answers, and lists that lag.
//!
//! `CRASH_ONLY=text` runs only what has the text in its name; `CRASH_STORIES=1` tells each run's requests and the operator's log.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod gate;
mod invariants;
mod plan;
mod scenario;
mod site;

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use ess_rollout_test_support as support;

use gate::Event;
use invariants::Findings;
use plan::Run;
use scenario::Scenario;
use site::Site;

/// Sites that work side by side. Most of a run is waiting.
const SITES: usize = 8;
/// Scaling groups per site: more than there are runs.
const RUNS: usize = 500;
/// After so many runs that broke a rule, no more are begun.
const ENOUGH: usize = 12;
/// How often a run is begun again in which the machine broke a bound that the operator is told.
const ATTEMPTS: usize = 3;
/// The fewest kill points that count as a sweep.
const POINTS: usize = 36;

/// What one run came to.
struct Outcome {
    run: Run,
    /// Whether every event was reached.
    reached: bool,
    findings: Findings,
    steps: Vec<String>,
    seconds: f64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_kill_has_a_second_effect() {
    support::install_crypto_provider();
    let control_plane = tokio::task::spawn_blocking(support::shared).await.unwrap();
    let sites =
        futures::future::join_all((0..SITES).map(|_| Site::start(control_plane, RUNS))).await;
    let sites: Vec<Arc<Site>> = sites
        .into_iter()
        .map(|site| Arc::new(site.unwrap()))
        .collect();
    let numbers = Arc::new(AtomicUsize::new(0));

    let dry = all(&sites, &numbers, plan::dry()).await;
    if dry
        .iter()
        .any(|outcome| !outcome.findings.violations.is_empty())
    {
        conclude(&dry);
    }
    let steps = |scenario: Scenario| {
        let run = dry.iter().find(|outcome| outcome.run.scenario == scenario);
        run.map(|outcome| outcome.steps.clone()).unwrap_or_default()
    };
    let mut runs = Vec::new();
    for scenario in [
        Scenario::Script,
        Scenario::Image,
        Scenario::Failing,
        Scenario::Deleted,
        Scenario::Cancelled,
    ] {
        let steps = steps(scenario);
        say(&format!(
            "crash: {} has {} steps: {}",
            scenario.name(),
            steps.len(),
            steps.join(", ")
        ));
        runs.extend(plan::sweep(scenario, &steps));
    }
    runs.extend(plan::combinations(&steps(Scenario::Script)));
    if let Ok(only) = std::env::var("CRASH_ONLY") {
        runs.retain(|run| run.name.contains(&only));
    }
    let mut outcomes = dry;
    outcomes.extend(all(&sites, &numbers, runs).await);
    conclude(&outcomes);
}

/// Distributes the runs over the sites.
async fn all(sites: &[Arc<Site>], numbers: &Arc<AtomicUsize>, runs: Vec<Run>) -> Vec<Outcome> {
    let queue = Arc::new(Mutex::new(VecDeque::from(runs)));
    let failures = Arc::new(AtomicUsize::new(0));
    let workers = sites.iter().map(|site| {
        let (site, queue, numbers) = (site.clone(), queue.clone(), numbers.clone());
        let failures = failures.clone();
        tokio::spawn(async move {
            let mut outcomes = Vec::new();
            loop {
                let Some(run) = queue.lock().unwrap().pop_front() else {
                    return outcomes;
                };
                let outcome = within_bounds(&site, &run, &numbers).await;
                let broken = !outcome.findings.violations.is_empty();
                outcomes.push(outcome);
                if broken && failures.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH {
                    queue.lock().unwrap().clear();
                }
            }
        })
    });
    let outcomes = futures::future::join_all(workers.collect::<Vec<_>>()).await;
    outcomes.into_iter().flat_map(Result::unwrap).collect()
}

/// A run in which no call came later than the operator is told is the latest, if one of a few is.
async fn within_bounds(site: &Site, run: &Run, numbers: &AtomicUsize) -> Outcome {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let outcome = once(site, run.clone(), number).await;
        let Some(late) = site.gate.overdue() else {
            return outcome;
        };
        say(&format!(
            "crash: run {number}, {}: a call came {late:?} late, which is beyond the bound, attempt {attempt}",
            run.name
        ));
        if attempt == ATTEMPTS {
            return outcome;
        }
    }
}

async fn once(site: &Site, run: Run, number: usize) -> Outcome {
    let began = Instant::now();
    let findings = match attempt(site, &run, number).await {
        Ok(findings) => findings,
        Err(error) => Findings {
            violations: vec![format!("{error:#}")],
            ..Findings::default()
        },
    };
    let seconds = began.elapsed().as_secs_f64();
    let steps = site.gate.steps();
    if !findings.violations.is_empty() || std::env::var_os("CRASH_STORIES").is_some() {
        say(&format!(
            "crash: run {number}, {} ({seconds:.1} s): {:#?}\n{}",
            run.name,
            findings.violations,
            site.gate.story()
        ));
    }
    Outcome {
        reached: site.gate.happened() == run.events.len(),
        run,
        findings,
        steps,
        seconds,
    }
}

async fn attempt(site: &Site, run: &Run, number: usize) -> Result<Findings> {
    let since = support::evidence::journal_end(&site.emulator).await?;
    site.emulator
        .put("switches", &serde_json::json!({"oos": run.switches}))
        .await?;
    for fault in &run.faults {
        site.emulator.add_fault(fault).await?;
    }
    site.gate.begin(run.events.clone());
    let lived = run.scenario.live(site, number).await;
    site.emulator.delete("faults").await?;
    site.emulator
        .put("switches", &serde_json::json!({}))
        .await?;
    let story = lived?;
    if run.scenario == Scenario::DeletedAtOnce {
        // With the task gone, what is still on its way has nobody who looks after it.
        tokio::time::sleep(site::SETTLE * 2).await;
    }
    invariants::check(site, run.scenario, number, &story, since).await
}

fn conclude(outcomes: &[Outcome]) {
    let points: BTreeSet<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.reached && outcome.run.events.iter().any(Event::kills))
        .map(|outcome| outcome.run.name.as_str())
        .collect();
    let missed: Vec<&str> = outcomes
        .iter()
        .filter(|o| !o.reached)
        .map(|o| o.run.name.as_str())
        .collect();
    let executions: usize = outcomes
        .iter()
        .map(|outcome| outcome.findings.executions)
        .sum();
    let violations: usize = outcomes
        .iter()
        .map(|outcome| outcome.findings.violations.len())
        .sum();
    if !missed.is_empty() {
        say(&format!(
            "crash: {} kill points were not reached: {missed:?}",
            missed.len()
        ));
    }
    let slowest = outcomes
        .iter()
        .map(|outcome| outcome.seconds)
        .fold(0.0, f64::max);
    say(&format!(
        "crash: points={} runs={} executions={executions} violations={violations} slowest={slowest:.0} s",
        points.len(),
        outcomes.len(),
    ));
    // The first of them in the panic itself: of a long log only the end is read.
    let broken: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.findings.violations.first()?)))
        .map(|(outcome, first)| format!("{} ({:.0} s): {first}", outcome.run.name, outcome.seconds))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join(" | "));
    if std::env::var_os("CRASH_ONLY").is_none() {
        assert!(
            points.len() >= POINTS,
            "only {} kill points were reached",
            points.len()
        );
        assert!(
            missed.len() * 10 <= outcomes.len(),
            "{} kill points were not reached",
            missed.len()
        );
    }
}

/// Past the capture of the test harness: what a passing run measured is to be seen, too.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
