//! The guard around child programs: what tests rely on when they kill an operator between two steps.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use ess_rollout_test_support::Process;
use ess_rollout_test_support::process::find_program;

const SOON: Duration = Duration::from_secs(10);

fn shell(directory: &tempfile::TempDir, script: &str) -> Process {
    Process::new("shell", "/bin/sh", directory.path().join("log")).args(["-c", script])
}

#[test]
fn it_waits_for_a_ready_file_and_for_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready.json");
    // Half of the file first: a reader must not take it for the whole.
    let script = format!(
        "printf '{{\"http\"' >{0}; echo soon; printf '{{\"http\":1}}' >{0}; exec sleep 60",
        ready.display()
    );
    let mut process = shell(&directory, &script);
    process.start().unwrap();
    assert_eq!(process.wait_for_line("soon", SOON).unwrap(), "soon");
    assert_eq!(
        process.wait_for_ready_file(&ready, SOON).unwrap()["http"],
        1
    );
}

#[test]
fn a_program_that_ends_too_early_is_reported_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = shell(&directory, "echo no such fixture >&2; exit 3");
    process.start().unwrap();
    let error = process
        .wait_for_ready_file(&directory.path().join("never"), SOON)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exit status: 3") && error.contains("no such fixture"),
        "{error}"
    );
}

#[test]
fn kill_is_sigkill_and_restart_keeps_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = shell(
        &directory,
        "trap 'echo asked' TERM; echo up $$; while :; do sleep 0.05; done",
    )
    .grace(Duration::from_millis(100));
    process.start().unwrap();
    let first = process.wait_for_line("up", SOON).unwrap();
    process.restart().unwrap();
    let pid = process.pid().unwrap();
    process.wait_for_line(&format!("up {pid}"), SOON).unwrap();
    assert!(process.log().contains(&first));
    assert!(!process.log().contains("asked"));
}

#[test]
fn stop_asks_first_and_kills_a_program_that_does_not_listen() {
    let directory = tempfile::tempdir().unwrap();
    let mut polite = shell(
        &directory,
        "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done",
    );
    polite.start().unwrap();
    polite.wait_for_line("up", SOON).unwrap();
    assert_eq!(polite.stop().unwrap().unwrap().code(), Some(5));

    let other = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let mut deaf = shell(&other, script).grace(Duration::from_millis(300));
    deaf.start().unwrap();
    deaf.wait_for_line("up", SOON).unwrap();
    assert_eq!(deaf.stop().unwrap().unwrap().code(), None);
    assert!(!deaf.running());
}

#[test]
fn a_program_that_was_not_built_is_named_with_the_cure() {
    let error = find_program("ess-nothing").unwrap_err().to_string();
    assert!(error.contains("cargo build --workspace --bins"), "{error}");
    find_program("with-control-plane").unwrap();
}
