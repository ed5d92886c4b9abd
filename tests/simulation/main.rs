//! Every scenario, with the operator stopped at every boundary, and whatever else can go wrong there.
//!
//! The operator's own code runs over a fake apiserver and the emulated cloud in one thread, under virtual time: the same
//! scenario, faults and seed give the same run, to the last byte that is sent and answered. `make sweep` needs nothing but cargo, and
//! prints
//!
//! ```text
//! golden: layouts=N objects=N violations=0 S s
//! fields: kinds=3 fields=N mutations=N refused=N changed=N inert=N violations=0 S s
//! sweep: scenarios=N runs=N faults=N violations=0 S s
//! ```
//!
//! and for each violation its story, with what the operator believed and what was true, and the command that replays it.
//! Random schedules that break a rule are told with as few faults as it takes.
//!
//! | set | what |
//! |---|---|
//! | `ONLY='scenario'` | one scenario |
//! | `ONLY='scenario:12:after:20:late'` | one run with these faults at these boundaries |
//! | `ONLY='scenario:seed=7'`, `:two`, `:profile=7` | one with faults that are drawn; where another operator stands by; on a cloud that behaves otherwise |
//! | `ONLY='scenario:brief'` | one without faults, without the day of silence after it |
//! | `ONLY=names` | no run: the names of the scenarios |
//! | `ONLY=all`, `soak`, `profiles`, `golden`, `cardinality`, `fields`, `story` | that part |
//! | `FAULTS='late,reads-null'`, `FAULTS=all` | these faults at every boundary, and no others; all of them |
//! | `EVERY=1` | all that is tried at a boundary, as `make sweep` and every part asked for with `ONLY` do: without, a third of it |
//! | `PAIRS=all` | after each call of which it is open whether it had its effect, each second fault at the next two requests |
//! | `SEEDS=n`, `PROFILES=n` | how many schedules are drawn, and clouds |
//! | `AGAIN=n` | one run of so many is run again: it has to be the same |
//! | `ENOUGH=n` | no more is begun after so many broken runs |
//! | `SCALE=n` | what n updates at once cost (see [`scale`]) and no more |
//!
//! | module | what |
//! |---|---|
//! | [`scenario`], [`scenarios`] | what people do, as data; where to add one |
//! | [`fault`], [`gate`] | what can go wrong, and where |
//! | [`run`] | one run |
//! | [`sweep`], [`workers`], [`branches`] | which runs there are, in processes, and that what they have in common is run once |
//! | [`invariants`] | what must hold in each |
//! | [`story`] | how a run is told |
//! | [`golden`] | what released versions have left, taken on to its end |
//! | [`scale`] | what many updates at once cost |
//! | [`cardinality`] | what `/metrics` is after many updates have come and gone |
//! | [`fields`] | that every field of every spec makes a difference, or is refused by its name |
//! | [`canaries`] | what must be found nowhere |
//! | [`operator`], [`wire`], [`spoil`], [`lease`], [`lists`], [`pages`], [`person`], [`attendant`], [`others`], [`world`] | what a run is made of |
//!
//! What a run costs: about 250 million instructions, half of them in calls of the cloud, from the operator's client through the
//! emulator and back, a fifth in writes and what an apiserver makes of them, a tenth in watches. All of it is encoding, decoding and
//! copying of JSON.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod attendant;
mod branches;
mod canaries;
mod cardinality;
mod endpoints;
mod fault;
mod fields;
mod gate;
mod golden;
mod invariants;
mod lease;
mod lists;
mod operator;
mod others;
mod pages;
mod person;
mod run;
mod scale;
mod scenario;
mod scenarios;
mod spoil;
mod story;
mod sweep;
mod wire;
mod workers;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use ess_rollout_test_support::apiserver::{FakeApiserver, Kinds};
use ess_rollout_test_support::conformity;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    if std::env::var_os(workers::WORKER).is_some() {
        return workers::serve();
    }
    let only = std::env::var("ONLY").ok();
    let only = only.filter(|only| !only.is_empty());
    if only.as_deref() == Some("names") {
        for scenario in scenarios::shared() {
            println!("{}", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
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
    if let Some(rest) = only.as_deref().and_then(|only| only.strip_prefix("fields")) {
        return ended(fields::hold(&kinds, Some(rest)));
    }
    if only.as_deref() == Some("cardinality") {
        return ended(cardinality::hold(&kinds));
    }
    if only.is_none() || only.as_deref() == Some("story") {
        let told = ended(story::hold(&kinds));
        if told != ExitCode::SUCCESS || only.is_some() {
            return told;
        }
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
    let tried = match &only {
        None => ended(fields::hold(&kinds, None)),
        Some(_) => ExitCode::SUCCESS,
    };
    let swept = sweep::all(&kinds, only.as_deref());
    let all = [held, scaled, bounded, tried, swept].into_iter();
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
