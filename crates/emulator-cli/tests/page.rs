//! The commands of docs/emulator.md that need nothing but the program.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use ess_rollout_test_support::{pages, source_root};

fn blocks(page: &str, heading: &str) -> Vec<String> {
    let page = format!("docs/{page}");
    let found = pages::blocks(&source_root(), &page, heading, "sh").unwrap();
    found.into_iter().map(|block| block.text).collect()
}

/// Types what the page says in a folder, with a script that suspends these processes of the group.
fn typed(folder: &Path, commands: &str, processes: &[&str]) -> Output {
    let params = serde_json::json!({"ScalingGroupId": "asg-bp1ci", "Processes": processes});
    let call = serde_json::json!({"as": "operator", "service": "ESS", "action": "SuspendProcesses", "params": params});
    let script = folder.join("update-web");
    let text = format!("#!/bin/sh\ncurl --silent --fail --data '{call}' \"$1/_emulator/calls\"\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_ess-emulator"))
        .parent()
        .unwrap();
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-euc", commands])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", program.display()))
        .output()
        .unwrap()
}

#[test]
fn a_run_is_recorded_and_verified_as_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = pages::blocks(&source_root(), "docs/emulator.md", "A fixture", "yaml").unwrap();
    assert_eq!(fixture[0].saved_as.as_deref(), Some("fixture.yaml"));
    std::fs::write(folder.path().join("fixture.yaml"), &fixture[0].text).unwrap();
    let commands = &blocks("emulator.md", "Record and verify")[0];
    for _ in 0..2 {
        let done = typed(folder.path(), commands, &["ScaleIn"]);
        let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert!(done.status.success(), "{said}");
        assert!(said.matches("nothing is otherwise").count() == 2, "{said}");
    }
    let done = typed(folder.path(), commands, &["ScaleIn", "ScaleOut"]);
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(
        said.contains("what changes asg-bp1ci, step 1: recorded call 1, ESS SuspendProcesses"),
        "{said}"
    );
}
