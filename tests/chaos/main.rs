//! Whatever becomes of the operator that leads, the other one goes on, nothing happens twice and no request is lost.
//!
//! On each site two operators run as processes under the chart's rights, with the times of the election that are its defaults,
//! against a real apiserver and an emulator of their own, each behind proxies of its own. In each round people begin one run of
//! each kind and make their requests of them, and in the middle of it one thing is done to the leader: it is killed, told to stop,
//! stopped as a whole for longer than its lease, or cut off from the apiserver or the cloud. Then everything that the emulator and the
//! apiserver hold is compared with what people asked for, and every request that changes something with who had the lease when it
//! arrived.
//!
//! `CHAOS_ROUNDS=200` is `make chaos`; `CHAOS_SEED` replays a plan, `CHAOS_STORIES=1` tells each round, `CHAOS_SITES` is how many
//! sites work side by side, and `CHAOS_ONLY=crash` leaves out the rounds with another fault.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod chronicle;
mod faults;
mod invariants;
mod objects;
mod plan;
mod scenario;
mod site;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use ess_rollout_test_support as support;
use fastrand::Rng;

use faults::Struck;
use invariants::{Findings, Rule};
use plan::{Fault, Round};
use scenario::Scenario;
use site::Site;

/// Each kind of fault once.
const ROUNDS: usize = 6;
/// Sites that work side by side, for each processor. Most of a round is waiting, and what a round costs besides is twelve seconds of
/// a processor: with more of them, processors that are half as fast are busy all the time, and what is measured is that.
const SITES: usize = 2;
/// Between the first rounds of two sites, so that not all of them do the same at the same time.
const APART: Duration = Duration::from_millis(800);
/// After so many rounds that broke a rule, no more are begun.
const ENOUGH: usize = 5;
/// The runs of a round begin within this time.
const BEGIN: u64 = 3000;
/// At the default times of the election another leads by then.
const AFTER_CRASH: Duration = Duration::from_secs(17);
/// After the word to stop.
const AFTER_STOP: Duration = Duration::from_secs(3);

/// What one round came to.
struct Outcome {
    round: Round,
    takeover: Option<Duration>,
    /// Requests, and the longest that one waited for its verdict.
    requests: usize,
    longest_verdict: Duration,
    /// What was sent by a process that had been stopped between its check and the sending.
    late: usize,
    findings: Findings,
    took: Duration,
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_becomes_of_the_leader_nothing_happens_twice_and_nothing_is_lost() {
    support::install_crypto_provider();
    let count = setting("CHAOS_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    say(&format!("chaos: CHAOS_SEED={seed} CHAOS_ROUNDS={count}"));
    let mut rounds = plan::rounds(seed, count);
    if let Ok(only) = std::env::var("CHAOS_ONLY") {
        rounds.retain(|round| round.fault.name() == only);
    }
    assert!(!rounds.is_empty(), "no rounds are left");
    let began = Instant::now();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let sites = setting("CHAOS_SITES").unwrap_or(SITES * processors);
    let sites = sites.clamp(1, rounds.len());
    let control_plane = tokio::task::spawn_blocking(support::shared).await.unwrap();
    // Rounds do not take the same time: a site has as many as it comes to.
    let each = rounds.len().min(2 * rounds.len().div_ceil(sites));
    let starts = (0..sites).map(|_| Site::start(control_plane, each));
    let started = futures::future::join_all(starts).await;
    let sites: Result<Vec<Site>> = started.into_iter().collect();
    let sites = sites.unwrap();
    say(&format!(
        "chaos: {} sites are up after {:.0} s",
        sites.len(),
        began.elapsed().as_secs_f64()
    ));
    let outcomes = all(sites, rounds, each).await;
    conclude(&outcomes, began.elapsed());
}

/// Distributes the rounds over the sites, of which none can have more than `each`.
async fn all(sites: Vec<Site>, rounds: Vec<Round>, each: usize) -> Vec<Outcome> {
    let queue = Arc::new(Mutex::new(VecDeque::from(rounds)));
    let broken = Arc::new(AtomicUsize::new(0));
    let workers = sites.into_iter().zip(0..).map(|(site, number)| {
        let (queue, broken) = (queue.clone(), broken.clone());
        tokio::spawn(async move {
            tokio::time::sleep(APART * number).await;
            let mut outcomes = Vec::new();
            for name in (0..each).map(site::round_name) {
                let Some(round) = queue.lock().unwrap().pop_front() else {
                    break;
                };
                let outcome = once(&site, round, &name).await;
                let is_broken = !outcome.findings.0.is_empty();
                outcomes.push(outcome);
                if is_broken && broken.fetch_add(1, Ordering::Relaxed) + 1 >= ENOUGH {
                    queue.lock().unwrap().clear();
                }
            }
            // An operator takes its time to end, which is not to be this runtime's.
            tokio::task::spawn_blocking(move || drop(site))
                .await
                .unwrap();
            outcomes
        })
    });
    let outcomes = futures::future::join_all(workers.collect::<Vec<_>>()).await;
    outcomes.into_iter().flat_map(Result::unwrap).collect()
}

async fn once(site: &Site, round: Round, name: &str) -> Outcome {
    let (began, mark) = (Instant::now(), site.chronicle.mark());
    site.chronicle.tell(round.to_string());
    let mut outcome = match attempt(site, &round, name, mark).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let mut findings = Findings::default();
            findings.add(Rule::WrongEnd, format!("{error:#}"));
            Outcome {
                round,
                takeover: None,
                requests: 0,
                longest_verdict: Duration::ZERO,
                late: 0,
                findings,
                took: Duration::ZERO,
            }
        }
    };
    outcome.took = began.elapsed();
    let stories = std::env::var_os("CHAOS_STORIES").is_some();
    if stories || !outcome.findings.0.is_empty() {
        let findings = outcome.findings.0.iter().map(|one| format!("\n  {one}"));
        say(&format!(
            "chaos: {} ({:.1} s):{}\n{}{}",
            outcome.round,
            outcome.took.as_secs_f64(),
            findings.collect::<String>(),
            site.chronicle.story(mark),
            site.logs()
        ));
    }
    outcome
}

async fn attempt(site: &Site, round: &Round, name: &str, mark: usize) -> Result<Outcome> {
    let scale = f64::from(round.clock_scale);
    site.emulator.scale_clock(scale).await?;
    let leader = site.leader().await?;
    let since = support::evidence::journal_end(&site.emulator).await?;
    let mut random = Rng::with_seed(round.seed);
    let lives = Scenario::ALL.map(|scenario| {
        let begins = Duration::from_millis(random.u64(..BEGIN));
        async move {
            tokio::time::sleep(begins).await;
            scenario.live(site, name).await
        }
    });
    let lives = futures::future::join_all(lives);
    let (stories, struck) = tokio::join!(lives, faults::strike(site, leader, round));
    let mut findings = invariants::check(site, &stories, since).await?;
    let struck = struck.unwrap_or_else(|error| Struck {
        takeover: None,
        violations: vec![format!("{error:#}")],
    });
    for what in struck.violations {
        findings.add(Rule::WrongEnd, what);
    }
    let bound = match round.fault {
        Fault::Stop => AFTER_STOP,
        _ => AFTER_CRASH,
    };
    if let Some(late) = struck.takeover.filter(|takeover| *takeover > bound) {
        let what = format!("{} was followed after {late:.1?}", round.fault);
        findings.add(Rule::LateTakeover, what);
    }
    let without = site.chronicle.without_lease(mark);
    for what in without.sent {
        findings.add(Rule::WithoutLease, what);
    }
    for what in &without.late {
        say(&format!(
            "chaos: {round}: sent by what had been on its way when the process was stopped: {what}"
        ));
    }
    let requests = || stories.iter().flat_map(|story| &story.requests);
    Ok(Outcome {
        round: round.clone(),
        takeover: struck.takeover,
        requests: requests().count(),
        longest_verdict: requests()
            .filter_map(|asked| asked.took)
            .max()
            .unwrap_or_default(),
        late: without.late.len(),
        findings,
        took: Duration::ZERO,
    })
}

/// The time within which so many of a hundred are.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let at = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(at.min(last)).copied().unwrap_or_default()
}

fn conclude(outcomes: &[Outcome], took: Duration) {
    let takeovers = |keep: &dyn Fn(Fault) -> bool| {
        let kept = outcomes.iter().filter(|outcome| keep(outcome.round.fault));
        let mut takeovers: Vec<Duration> = kept.filter_map(|outcome| outcome.takeover).collect();
        takeovers.sort_unstable();
        takeovers
    };
    for fault in ["crash", "SIGTERM", "SIGSTOP", "apiserver", "cloud"] {
        let rounds = outcomes.iter().filter(|o| o.round.fault.name() == fault);
        let took = takeovers(&|of| of.name() == fault);
        let measured = match took.last() {
            Some(longest) => format!(
                " p50={:.1} max={:.1} s",
                percentile(&took, 50).as_secs_f64(),
                longest.as_secs_f64()
            ),
            None => String::new(),
        };
        say(&format!(
            "chaos: {fault}: rounds={} takeovers={}{measured}",
            rounds.count(),
            took.len()
        ));
    }
    let broken = |rule: Rule| {
        let all = outcomes.iter().flat_map(|outcome| &outcome.findings.0);
        all.filter(|one| one.rule == rule).count()
    };
    let requests: usize = outcomes.iter().map(|outcome| outcome.requests).sum();
    let verdict = outcomes.iter().map(|outcome| outcome.longest_verdict).max();
    let late: usize = outcomes.iter().map(|outcome| outcome.late).sum();
    let longest = outcomes.iter().map(|outcome| outcome.took).max();
    say(&format!(
        "chaos: runs={} requests={requests} longest_verdict={:.1} s acts_without_lease={} sent_when_thawed={late} wrong_ends={} longest_round={:.0} s in {:.0} s",
        outcomes.len() * Scenario::ALL.len(),
        verdict.unwrap_or_default().as_secs_f64(),
        broken(Rule::WithoutLease),
        broken(Rule::WrongEnd),
        longest.unwrap_or_default().as_secs_f64(),
        took.as_secs_f64()
    ));
    let all = takeovers(&|_| true);
    say(&format!(
        "chaos: rounds={} takeovers={} double_effects={} lost_requests={} takeover_p50={:.1} p99={:.1} s",
        outcomes.len(),
        all.len(),
        broken(Rule::DoubleEffect),
        broken(Rule::LostRequest),
        percentile(&all, 50).as_secs_f64(),
        percentile(&all, 99).as_secs_f64()
    ));
    // The first of each round in the panic itself: of a long log only the end is read.
    let broken: Vec<String> = outcomes
        .iter()
        .filter_map(|o| {
            Some(format!(
                "{}: {}",
                o.round.fault.name(),
                o.findings.0.first()?
            ))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join(" | "));
    // Without a deadline every third process that goes on sends something; with one it has to be stopped in the very moment between
    // the check and the sending.
    let frozen = outcomes.iter().filter(|o| o.round.fault == Fault::Freeze);
    let tolerated = 1 + frozen.count() / 20;
    assert!(
        late <= tolerated,
        "{late} requests were on their way when a process was stopped: so many are no accident"
    );
    let deposed = outcomes.iter().filter(|o| o.round.fault.deposes());
    assert_eq!(all.len(), deposed.count(), "each of them is measured");
}

/// Past the capture of the test harness: what a passing run measured is to be seen, too.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
