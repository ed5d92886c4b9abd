//! The probe as people run it: against an address, with credentials from the environment, and not before they agreed.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ess_rollout_test_support::Emulator;
use serde_json::{Value, json};

/// Seconds of the emulator in one: a look each second of it comes through a machine that is busy.
const SCALE: &str = "60";

/// Nothing of it is told by how long it takes.
fn switches() -> Value {
    json!({
        "groupTypeDefaultsToEcs": true,
        "repeatedStateChangesAccepted": true,
        "rates": {"ESS DescribeScalingGroups": 60, "ESS DescribeScalingInstances": 80},
        "oos": {
            "waitingStatusFailurePause": "PendingFailure",
            "batchSplit": "remainderLast",
            "rejectedExecution": "Failed",
            "unknownTemplateParameters": "accepted",
            "skipWithFailurePause": "refused",
            "safetyCheckDefault": "ConfirmEveryHighRiskAction",
            "pauseAfterLastBatch": true,
            "skippedItemStatus": "Success",
            "stablePages": false,
        },
    })
}

fn fixture(switches: &Value) -> Value {
    json!({
        "accountId": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "principals": [{"name": "prober", "accessKeyId": "probe-key", "accessKeySecret": "probe-secret", "allow": ["*"]}],
        "images": [{"imageId": "m-1"}],
        "scalingGroups": [
            {"scalingGroupId": "asg-ecs", "maxSize": 4,
                "configurations": [{"scalingConfigurationId": "asc-1", "imageId": "m-1"}], "instances": {"count": 2}},
            {"scalingGroupId": "asg-eci", "maxSize": 4, "groupType": "ECI",
                "eciConfigurations": [{"scalingConfigurationId": "asc-2",
                    "containers": [{"Name": "c", "Image": "i:1", "Cpu": 1, "Memory": 2}]}],
                "containerGroups": {"count": 1}},
        ],
        "switches": switches,
    })
}

fn probe(emulator: &Emulator, flags: &[&str]) -> Output {
    command(emulator, flags).output().unwrap()
}

fn command(emulator: &Emulator, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ess-emulator"));
    command
        .args(["probe", "--region=cn-hangzhou", "--groups=asg-ecs,asg-eci"])
        .arg(format!("--endpoint=all={}", emulator.endpoint()))
        .arg(format!("--clock-scale={SCALE}"))
        .args(flags)
        .env_clear()
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "probe-key")
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "probe-secret")
        .stdin(Stdio::null());
    command
}

async fn changes(emulator: &Emulator) -> Vec<String> {
    let calls = emulator.calls().await.unwrap();
    let actions = calls
        .iter()
        .map(|call| call["action"].as_str().unwrap().to_owned());
    let reads = ["Describe", "List", "Get"];
    actions
        .filter(|action| !reads.iter().any(|verb| action.starts_with(verb)))
        .collect()
}

fn start(directory: &Path, switches: &Value, flags: &[&str]) -> Emulator {
    let file = directory.join("fixture.yaml");
    std::fs::write(&file, fixture(switches).to_string()).unwrap();
    Emulator::start_with(&file, flags).unwrap()
}

/// The members of `wanted` have these values in `found`.
fn contains(found: &Value, wanted: &Value) {
    for (name, wanted) in wanted.as_object().unwrap() {
        match wanted {
            Value::Object(_) => contains(&found[name], wanted),
            wanted => assert_eq!(&found[name], wanted, "{name} of {found}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_done_before_somebody_agreed_and_what_is_found_can_be_served() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = start(directory.path(), &switches(), &["--clock-scale", SCALE]);
    let asked = probe(&emulator, &[]);
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(!asked.status.success(), "{said}");
    for part in [
        "suspend the process AlarmNotification and resume it",
        "Go on? [y/N]",
        "nothing was done",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(changes(&emulator).await, Vec::<String>::new());

    let file = directory.path().join("profile.json");
    let done = probe(
        &emulator,
        &["--yes", "--rates", "--output", file.to_str().unwrap()],
    );
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert!(!said.contains("probe-secret"), "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    let profile: Value = serde_json::from_str(&text).unwrap();
    let unknown = profile["notFound"].as_object().unwrap();
    // It has no limit.
    assert_eq!(unknown.len(), 1, "{said}");
    let why = unknown["rates.OOS ListExecutions"].as_str().unwrap();
    assert!(
        why.ends_with("calls in a minute were all answered"),
        "{why}"
    );
    contains(&profile["switches"], &switches());
    let changes = changes(&emulator).await;
    let count = |action: &str| changes.iter().filter(|made| *made == action).count();
    assert_eq!(count("CreateTemplate"), count("DeleteTemplate"), "{said}");
    assert_eq!(
        count("SuspendProcesses"),
        count("ResumeProcesses"),
        "{said}"
    );
    let groups = emulator.get("state").await.unwrap();
    assert!(!groups.to_string().contains("Protected\""), "{groups}");

    let file = file.to_str().unwrap();
    let served = start(directory.path(), &json!({}), &["--profile", file]);
    assert_eq!(served.get("switches").await.unwrap(), profile["switches"]);
}

#[tokio::test]
async fn what_cannot_be_done_is_found_before_anything_is() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = start(directory.path(), &json!({}), &["--clock-scale", SCALE]);
    let file = directory.path().join("none").join("profile.json");
    for (flags, part) in [
        (vec!["--yes", "--groups=asg-ecs,asg-none"], "asg-none"),
        (
            vec!["--yes", "--output", file.to_str().unwrap()],
            "profile.json",
        ),
    ] {
        let refused = probe(&emulator, &flags);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success(), "{said}");
        assert!(said.contains(part), "{part} is not in {said}");
        assert_eq!(changes(&emulator).await, Vec::<String>::new());
    }
    let file = directory.path().join("profile.json");
    let refused = probe(&emulator, &["--output", file.to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(!file.exists(), "nobody agreed, and nothing is written");
}

#[tokio::test]
async fn one_that_is_stopped_deletes_what_it_made() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let directory = tempfile::tempdir().unwrap();
        let emulator = start(directory.path(), &json!({}), &["--clock-scale", SCALE]);
        let file = directory.path().join("profile.json");
        let flags = ["--yes", "--output", file.to_str().unwrap()];
        let child = command(&emulator, &flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while !changes(&emulator)
            .await
            .contains(&"StartExecution".to_owned())
        {
            assert!(Instant::now() < deadline, "nothing was begun");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert!(said.contains("no profile is written"), "{said}");
        assert!(!said.contains("could not be taken back"), "{said}");
        assert!(!file.exists());
        let changes = changes(&emulator).await;
        let count = |action: &str| changes.iter().filter(|made| *made == action).count();
        assert_eq!(count("CreateTemplate"), count("DeleteTemplate"), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_profile_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (fixture_file, file) = (
        directory.path().join("f.yaml"),
        directory.path().join("p.json"),
    );
    std::fs::write(&fixture_file, fixture(&json!({})).to_string()).unwrap();
    std::fs::write(&file, "{\"switches\": {\"noSuchSwitch\": 1}}").unwrap();
    let failed = Command::new(env!("CARGO_BIN_EXE_ess-emulator"))
        .arg("--fixture")
        .arg(&fixture_file)
        .arg("--profile")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(!failed.status.success());
    assert!(
        said.contains("p.json") && said.contains("noSuchSwitch"),
        "{said}"
    );
}
