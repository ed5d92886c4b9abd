//! Every scenario, with the operator stopped at every boundary, and whatever else can go wrong there.
//!
//! The operator's own code runs over a fake apiserver and the emulated cloud in one thread, under virtual time: the same
//! scenario, faults and seed give the same run. `make sweep` needs nothing but cargo, and prints
//!
//! ```text
//! golden: layouts=N objects=N violations=0 S s
//! sweep: scenarios=N runs=N of_two=N profiles=N violations=0 S s
//! ```
//!
//! and for each violation the command that replays it with its story. `ONLY='scenario'` sweeps one scenario,
//! `ONLY='scenario:12:after'` does one run (more than one fault: `scenario:12:after:20:late`), `ONLY='scenario:seed=7'` one
//! random schedule; `ONLY=cardinality` has many updates come and go (see [`cardinality`]); `ONLY=golden` takes what released versions have left on to its end; `SCALE=n` measures what n updates at once cost (see [`scale`]) and no more; `SEEDS=n` says how many random schedules each scenario gets, `PROFILES=n` on how many clouds it runs that behave otherwise
//! (`ONLY=profiles` for those alone, `ONLY='scenario:profile=7'`, `ONLY='scenario:profile=7:seed=7'`).
//!
//! | module | what |
//! |---|---|
//! | [`scenario`], [`scenarios`] | what people do, as data; where to add one |
//! | [`gate`] | boundaries and faults |
//! | [`run`] | one run |
//! | [`sweep`] | which runs there are |
//! | [`invariants`] | what must hold in each |
//! | [`golden`] | what released versions have left, taken on to its end |
//! | [`scale`] | what many updates at once cost |
//! | [`cardinality`] | what `/metrics` is after many updates have come and gone |
//! | [`canaries`] | what must be found nowhere |
//! | [`operator`], [`wire`], [`lease`], [`lists`], [`person`], [`attendant`], [`world`] | what a run is made of |

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod attendant;
mod canaries;
mod cardinality;
mod gate;
mod golden;
mod invariants;
mod lease;
mod lists;
mod operator;
mod person;
mod run;
mod scale;
mod scenario;
mod scenarios;
mod sweep;
mod wire;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use ess_rollout_test_support::apiserver::{FakeApiserver, Kinds};
use ess_rollout_test_support::conformity;

fn main() -> ExitCode {
    // As libtest has it: names of tests on request, and nothing for a filter that asks for another test.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("sweep: test");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    if !filters.is_empty()
        && !filters
            .iter()
            .any(|filter| "sweep".contains(filter.as_str()))
    {
        return ExitCode::SUCCESS;
    }
    let only = std::env::var("ONLY").ok();
    let only = only.filter(|only| !only.is_empty());
    let kinds = Arc::new(Kinds::of_this_tree().unwrap());
    if only.is_none() && !apiserver_conforms(&kinds) {
        return ExitCode::FAILURE;
    }
    if let Some(tasks) = std::env::var("SCALE")
        .ok()
        .and_then(|scale| scale.parse().ok())
    {
        return ended(scale::measure(&kinds, tasks));
    }
    if std::env::var("GOLDEN").is_ok_and(|golden| golden == "write") {
        return golden::write(&kinds);
    }
    if only.as_deref() == Some("cardinality") {
        return ended(cardinality::hold(&kinds));
    }
    let bounded = only.is_none().then(beside);
    let held = match only.as_deref().map(|only| only.strip_prefix("golden")) {
        None => golden::hold(&kinds, None),
        Some(Some(rest)) => return golden::hold(&kinds, rest.strip_prefix(':')),
        Some(None) => ExitCode::SUCCESS,
    };
    let scaled = match &only {
        None => ended(scale::hold(&kinds)),
        Some(_) => ExitCode::SUCCESS,
    };
    // Before the sweep, which has work for every core.
    let bounded = match bounded.map(|process| process.and_then(|mut process| process.wait())) {
        None => ExitCode::SUCCESS,
        Some(Ok(status)) if status.success() => ExitCode::SUCCESS,
        Some(other) => ended(Err(format!("ONLY=cardinality: {other:?}"))),
    };
    let swept = sweep::all(&kinds, only.as_deref());
    let all = [held, scaled, bounded, swept].into_iter();
    let mut failed = all.filter(|part| *part != ExitCode::SUCCESS);
    failed.next().unwrap_or(ExitCode::SUCCESS)
}

/// Begins `ONLY=cardinality` in a process of its own: it takes one core, as what goes on meanwhile does.
fn beside() -> std::io::Result<std::process::Child> {
    std::process::Command::new(std::env::current_exe()?)
        .env("ONLY", "cardinality")
        .spawn()
}

fn ended(scaled: Result<(), String>) -> ExitCode {
    match scaled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The suite that the real apiserver passes in the integration tests.
fn apiserver_conforms(kinds: &Arc<Kinds>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let begin = jiff::Timestamp::UNIX_EPOCH;
    let apiserver = FakeApiserver::new(kinds.clone(), Arc::new(move || begin));
    let passed = runtime.block_on(async {
        conformity::all(&apiserver.client("suite", "conformity"), "conformity").await
    });
    match passed {
        Ok(cases) => println!("conformity: cases={cases} rules={}", kinds.rules()),
        Err(ref error) => println!("conformity: {error:?}"),
    }
    passed.is_ok()
}
