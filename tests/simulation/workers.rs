//! Runs in processes of one thread each, as many as there is work for: they are forked (see [`crate::branches`]), and one that
//! dies takes no other with it.
//!
//! A worker is this program again. It is handed jobs, a line each, and answers with a line for each run and an empty one
//! when a job is done.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ess_rollout_test_support::apiserver::Kinds;
use serde::{Deserialize, Serialize};

use crate::fields::{self, Found};
use crate::run::{Outcome, Run};

/// Set for a worker.
pub const WORKER: &str = "SWEEP_WORKER";
/// One for each core of the smallest machine that this is for.
const WORKERS: usize = 2;
/// After so many broken runs no more are begun, unless told otherwise.
const ENOUGH: u64 = 8;

/// What a worker is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    /// The run of this name.
    One(String),
    /// The run of this name, and all that branch off it: one for each fault at each boundary.
    Tree(String),
    /// What [`crate::fields`] calls so.
    Field(String),
}

/// A run and what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    pub name: String,
    pub outcome: Outcome,
    /// Of a field.
    pub found: Option<Found>,
}

impl Done {
    /// The run itself.
    pub fn run(&self) -> Run {
        Run::named(&self.name).expect("a run that was asked for")
    }
}

/// Works off jobs; at the end whatever is asked for.
pub fn serve() -> ExitCode {
    let kinds = Arc::new(Kinds::of_this_tree().expect("the CRDs of this tree"));
    for line in std::io::stdin().lines() {
        let Ok(job) = serde_json::from_str(&line.unwrap_or_default()) else {
            return ExitCode::FAILURE;
        };
        match job {
            Job::One(name) => {
                let run = Run::named(&name).expect("a run that was asked for");
                let outcome = run.run(&kinds, false);
                let found = None;
                answer(&Done {
                    name,
                    outcome,
                    found,
                });
            }
            Job::Field(name) => {
                let (outcome, found) = fields::found(&kinds, &name);
                let found = Some(found);
                answer(&Done {
                    name,
                    outcome,
                    found,
                });
            }
            Job::Tree(name) => {
                let dry = Run::named(&name).expect("a run that was asked for");
                let outcome = dry.branching(&kinds);
                let branched = !outcome.met.is_empty();
                let name = Run {
                    plan: outcome.met.clone(),
                    ..dry
                }
                .name();
                let found = None;
                answer(&Done {
                    name,
                    outcome,
                    found,
                });
                if branched {
                    // A child of the process that has the jobs. Nothing that it has is taken apart.
                    std::process::exit(0);
                }
            }
        }
        write("\n");
    }
    ExitCode::SUCCESS
}

fn answer(done: &Done) {
    write(&(serde_json::to_string(done).expect("an outcome is JSON") + "\n"));
}

/// At once: what was in a buffer would be written by each child, too. Where nobody listens any more there is no more to do.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if written.is_err() {
        std::process::exit(0);
    }
}

/// A number in the environment.
pub fn set(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Has jobs worked off, in their order.
pub fn work(jobs: Vec<Job>) -> Vec<Done> {
    let queue = Mutex::new(VecDeque::from(jobs));
    let broken = AtomicU64::new(0);
    let enough = set("ENOUGH").unwrap_or(ENOUGH);
    let go_on = || broken.load(Ordering::Relaxed) < enough;
    let next = || {
        let next = queue.lock().expect("no panic").pop_front();
        next.filter(|_| go_on())
    };
    let seen = |done: &Done| {
        if !done.outcome.violations.is_empty() {
            broken.fetch_add(1, Ordering::Relaxed);
        }
        go_on()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| scope.spawn(|| attend(next, seen)))
            .collect();
        let all = workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no panic"));
        all.collect()
    })
}

/// Starts a worker, and hands jobs to it as long as there are some, and as long as there is to be more after what was seen.
fn attend(next: impl Fn() -> Option<Job>, seen: impl Fn(&Done) -> bool) -> Vec<Done> {
    let mut all = Vec::new();
    let mut worker = None;
    while let Some(job) = next() {
        let (child, answers) = worker.get_or_insert_with(start);
        let line = serde_json::to_string(&job).expect("a job is JSON") + "\n";
        let input = child.stdin.as_mut().expect("a pipe");
        let sent = input.write_all(line.as_bytes());
        let mut complete = false;
        for line in answers.by_ref() {
            let line = line.expect("text");
            complete = line.is_empty();
            if sent.is_err() || complete {
                break;
            }
            let done: Done = serde_json::from_str(&line).expect("an outcome");
            let go_on = seen(&done);
            all.push(done);
            if !go_on {
                // What has branched off it ends with its run: nobody listens to it.
                child.kill().expect("a worker that has not been waited for");
                child.wait().expect("a worker that is killed ends");
                return all;
            }
        }
        if !complete {
            let (Job::One(name) | Job::Tree(name) | Job::Field(name)) = job;
            let status = child.wait();
            let what =
                format!("the process of this run, or of one that branches off, ended: {status:?}");
            let outcome = Outcome {
                violations: vec![what],
                ..Outcome::default()
            };
            let found = None;
            let done = Done {
                name,
                outcome,
                found,
            };
            seen(&done);
            all.push(done);
            worker = None;
        }
    }
    if let Some((mut child, _)) = worker {
        drop(child.stdin.take());
        child.wait().expect("a worker ends when nothing comes");
    }
    all
}

type Answers = std::io::Lines<BufReader<std::process::ChildStdout>>;

fn start() -> (Child, Answers) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .env(WORKER, "1")
        // What mimalloc gives back each child faults in again: a run takes a twentieth longer.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, answers)
}
