//! The program as it is started.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::{Duration, Instant};

use ess_rollout_test_support::Emulator;
use serde_json::json;

#[tokio::test]
async fn two_files_of_one_name_are_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = directory.path().join("fixture.yaml");
    std::fs::write(&fixture, "regions: [cn-hangzhou]\n").unwrap();
    let template = "FormatVersion: OOS-2019-06-01\nTasks: [{Name: a, Action: 'ACS::Sleep', Properties: {Duration: PT1S}}]\n";
    let actions = directory.path().join("actions");
    for folder in ["old", "new"] {
        std::fs::create_dir_all(actions.join(folder)).unwrap();
        std::fs::write(actions.join(folder).join("ACS::My::Action.yml"), template).unwrap();
    }
    std::fs::write(actions.join("ACS::My::Other.yml"), template).unwrap();
    let flags = ["--actions", actions.to_str().unwrap()];
    let mut emulator = Emulator::start_with(&fixture, &flags).unwrap();
    let log = std::fs::read_to_string(emulator.directory().join("emulator.log")).unwrap();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("same name"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    for part in ["ACS::My::Action", "old/ACS::My", "new/ACS::My"] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    emulator.process().stop().unwrap();
}

#[tokio::test]
async fn what_is_no_template_is_left_out_and_what_it_replaces_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = directory.path().join("fixture.yaml");
    std::fs::write(&fixture, "regions: [cn-hangzhou]\n").unwrap();
    let template = "FormatVersion: OOS-2019-06-01\nTasks: [{Name: a, Action: 'ACS::Sleep', Properties: {Duration: PT1S}}]\n";
    let actions = directory.path().join("actions");
    std::fs::create_dir_all(&actions).unwrap();
    for name in [
        "ACS::My::Action",
        "ACS::my::Action",
        "ACS::ECS::StopInstance",
    ] {
        std::fs::write(actions.join(format!("{name}.yml")), template).unwrap();
    }
    std::fs::write(actions.join("Large.yml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    std::os::unix::fs::symlink("/dev/zero", actions.join("Endless.yml")).unwrap();
    let fifo = actions.join("Fifo.yml");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let flags = ["--actions", actions.to_str().unwrap()];
    let mut emulator = Emulator::start_with(&fixture, &flags).unwrap();
    let log = std::fs::read_to_string(emulator.directory().join("emulator.log")).unwrap();
    for (file, why) in [
        ("Large.yml", "larger"),
        ("Endless.yml", "no file"),
        ("Fifo.yml", "no file"),
        ("ACS::my::Action", "case of letters"),
        ("ACS::ECS::StopInstance", "built in"),
    ] {
        let is_told = |line: &str| line.contains(file) && line.contains(why);
        assert!(log.lines().any(is_told), "{file}: {log}");
    }
    emulator.process().stop().unwrap();
}

/// A schedule of seconds, a clock that runs as fast as can be, and a week to go: whoever wants it to end does not wait.
#[tokio::test]
async fn a_signal_ends_it_whatever_is_due() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = directory.path().join("fixture.yaml");
    let scene = "startTime: 2026-01-05T08:00:00Z\n\
        principals: [{name: admin, accessKeyId: k, accessKeySecret: s, allow: ['*']}]\n";
    std::fs::write(&fixture, scene).unwrap();
    let template = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [
            {"Name": "each", "Action": "ACS::TimerTrigger", "Properties": {
                "Type": "cron", "Expression": "* * * * * ?", "EndDate": "2027-01-01T00:00:00Z"}},
            {"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT0S"}},
        ],
    });
    let start = json!({"as": "admin", "service": "OOS", "action": "StartExecution",
        "params": {"TemplateContent": template.to_string()}});
    for flags in [["--clock-scale", "1"], ["--clock-scale", "1000000"]] {
        let mut emulator = Emulator::start_with(&fixture, &flags).unwrap();
        let started = emulator.post("calls", &start).await.unwrap();
        assert_eq!(started["status"], 200, "{started}");
        // It answers when it has arrived, for which nobody waits here.
        let week = json!({"advanceSeconds": 604_800});
        let moving =
            tokio::time::timeout(Duration::from_millis(300), emulator.post("clock", &week));
        assert!(moving.await.is_err(), "a week passed at once");
        let asked = Instant::now();
        emulator.get("clock").await.unwrap();
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{:?}",
            asked.elapsed()
        );
        let told = Instant::now();
        emulator.process().stop().unwrap();
        assert!(
            told.elapsed() < Duration::from_secs(5),
            "{:?}",
            told.elapsed()
        );
    }
}
