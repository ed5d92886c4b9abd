//! Recordings as people make and use them: `--record`, and `ess-emulator verify`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use ess_rollout_test_support::Emulator;
use serde_json::{Value, json};

const SECRET: &str = "hunter2-of-the-database";

fn fixture() -> Value {
    json!({
        "regions": ["cn-hangzhou"],
        "startTime": "2026-05-01T08:00:00Z",
        "clockScale": 0.0,
        "principals": [
            {"name": "ci", "accessKeyId": "ci-key", "accessKeySecret": "ci-secret", "allow": ["*"]},
            {"name": "alice", "accessKeyId": "alice-key", "accessKeySecret": "alice-secret", "allow": ["*"]},
        ],
        "roles": [{"name": "OOSServiceRole", "trustsOos": true, "allow": ["*"]}],
        "images": [{"imageId": "m-1"}, {"imageId": "m-2"}],
        "scalingGroups": [{"scalingGroupId": "asg-ci", "maxSize": 4, "instances": {"count": 2},
            "configurations": [{"scalingConfigurationId": "asc-ci", "imageId": "m-1"}]}],
        // Somebody else is at work, too.
        "events": [{"atSeconds": 500, "do": {"call": {"as": "alice", "service": "ESS", "action": "SuspendProcesses",
            "params": {"ScalingGroupId": "asg-ci", "Processes": ["AlarmNotification"]}}}}],
    })
}

/// Starts it with `--record`.
fn start(directory: &Path, name: &str) -> (Emulator, PathBuf) {
    let file = directory.join("fixture.yaml");
    std::fs::write(&file, fixture().to_string()).unwrap();
    let recording = directory.join(name);
    let record = ["--record", recording.to_str().unwrap()];
    (Emulator::start_with(&file, &record).unwrap(), recording)
}

/// What a pipeline does: an update by a public template, a parameter with a secret, a call that is refused, and a fault.
async fn run(emulator: &Emulator, script: &str) {
    let (service, region) = ("OOS", "cn-hangzhou");
    let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-ci", "invokeScript": script, "batchNumber": 2});
    let start = json!({"RegionId": region, "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string()});
    let started = emulator.call_as("ci", service, "StartExecution", &start);
    let started = started.await.unwrap();
    let secret = json!({"RegionId": region, "Name": "db", "Value": SECRET});
    let created = emulator.call_as("ci", service, "CreateSecretParameter", &secret);
    created.await.unwrap();
    let fault = json!({"service": "ESS", "action": "DescribeScalingGroups", "effect": {"kind": "throttle"}});
    emulator.add_fault(&fault).await.unwrap();
    for refused in ["DescribeScalingGroups", "EnableScalingGroup"] {
        let params = json!({"RegionId": region, "ScalingGroupId": "asg-ci"});
        let answer = emulator.call_as("ci", "ESS", refused, &params).await;
        answer.unwrap_err();
    }
    emulator.advance(Duration::from_secs(600)).await.unwrap();
    let list = json!({"RegionId": region, "ExecutionId": started["Execution"]["ExecutionId"]});
    let listed = emulator.call_as("ci", service, "ListExecutions", &list);
    let listed = listed.await.unwrap();
    assert_eq!(listed["Executions"][0]["Status"], "Success", "{listed}");
}

fn verify(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ess-emulator"))
        .arg("verify")
        .args(arguments)
        .output()
        .unwrap()
}

/// What it said, with its exit status.
fn verdict(arguments: &[&Path]) -> (Option<i32>, String) {
    let output = verify(arguments);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Records a run, and gives the file.
async fn record(directory: &Path, name: &str, script: &str) -> PathBuf {
    let (mut emulator, file) = start(directory, name);
    run(&emulator, script).await;
    assert!(!file.exists(), "it is written at the end, whole");
    emulator.process().stop().unwrap();
    file
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut recording: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut recording);
    let edited = file.with_extension("edited.json");
    std::fs::write(&edited, recording.to_string()).unwrap();
    edited
}

/// The index of a call by a client.
fn index_of(recording: &Value, action: &str) -> usize {
    let calls = recording["calls"].as_array().unwrap();
    calls
        .iter()
        .position(|call| call["action"] == action && call["byOos"] == false)
        .unwrap()
}

#[tokio::test]
async fn a_recording_replays_and_what_is_otherwise_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = record(directory.path(), "run.json", "uptime").await;
    let fixture = directory.path().join("fixture.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in [SECRET, "ci-secret", "alice-secret"] {
        assert!(!text.contains(secret), "{secret} is in the recording");
    }
    let (code, said) = verdict(&[&file, Path::new("--fixture"), &fixture]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("5 calls were made again"), "{said}");
    assert!(said.contains("1 calls had secrets"), "{said}");
    let recording: Value = serde_json::from_str(&text).unwrap();
    let changed = &recording["changes"]["scalingGroups"]["asg-ci"];
    assert_eq!(changed["suspendedProcesses"], json!(["AlarmNotification"]));
    assert!(recording["changes"]["executions"].is_object(), "{text}");

    // A client's call that was answered otherwise, and the answer itself.
    let edited = edit(&file, |recording| {
        let at = index_of(recording, "EnableScalingGroup");
        recording["calls"][at]["code"] = json!("SomethingElse");
        let at = index_of(recording, "ListExecutions");
        recording["calls"][at]["answer"]["Executions"][0]["Status"] = json!("Failed");
        recording["calls"][at]["answerDigest"] = json!("0");
    });
    let (code, said) = verdict(&[&edited]);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "ESS EnableScalingGroup by ci at 2026-05-01T08:00:00Z: recorded SomethingElse",
        "now IncorrectScalingGroupStatus",
        "the answer has another Executions.0.Status: recorded \"Failed\", now \"Success\"",
        "2 differences",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    // What an execution called, and what there is at the end.
    let edited = edit(&file, |recording| {
        let calls = recording["calls"].as_array_mut().unwrap();
        let by_oos = calls
            .iter_mut()
            .find(|call| call["action"] == "EnterStandby");
        by_oos.unwrap()["params"]["ScalingGroupId"] = json!("asg-other");
        recording["changes"]["scalingGroups"]["asg-ci"]["minSize"] = json!(1);
    });
    let (code, said) = verdict(&[&edited]);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "the parameter ScalingGroupId",
        "at the end, scalingGroups asg-ci: minSize: recorded 1, now 0",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[tokio::test]
async fn what_is_no_recording_is_told_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let (mut emulator, file) = start(directory.path(), "run.json");
    emulator.process().stop().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let other = directory.path().join("other.yaml");
    std::fs::write(&other, "regions: [cn-beijing]\n").unwrap();
    let bad = directory.path().join("bad.json");
    let deep = "[".repeat(100_000);
    let wild = |from: &str, to: &str| {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        changed
    };
    let year = wild("2026-05-01T08:00:00Z\"\n}", "9000-05-01T08:00:00Z\"\n}");
    for (text, part) in [
        ("", "is no recording"),
        ("{}", "is no recording"),
        ("\u{1}\u{2}", "is no recording"),
        (&text[..text.len() / 2], "is no recording"),
        (deep.as_str(), "is no recording"),
        (&wild("\"regions\"", "\"regoins\""), "regoins"),
        (&wild("\"version\": 1", "\"version\": 2"), "format 2"),
        (&wild("\"version\": 1", "\"version\": 2"), "record again"),
        (&year, "more than a year"),
    ] {
        std::fs::write(&bad, text).unwrap();
        let (code, said) = verdict(&[&bad]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(part), "{part} is not in {said}");
        assert!(
            said.starts_with("Error: ") && !said.contains("panicked"),
            "{said}"
        );
    }
    let (code, said) = verdict(&[&file, Path::new("--fixture"), &other]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("is not the fixture that was recorded"),
        "{said}"
    );
    let (code, said) = verdict(&[Path::new("/no/such/file")]);
    assert_eq!(code, Some(2), "{said}");
}

#[tokio::test]
async fn another_run_is_held_against_the_recorded_one() {
    let directory = tempfile::tempdir().unwrap();
    let recorded = record(directory.path(), "recorded.json", "uptime").await;
    let same = record(directory.path(), "same.json", "uptime").await;
    let calls = Path::new("--calls");
    let (code, said) = verdict(&[&recorded, calls, &same]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing is otherwise"), "{said}");

    let (emulator, _) = start(directory.path(), "other.json");
    run(&emulator, "uptime --pretty").await;
    let journal = emulator.get("journal").await.unwrap();
    let other = directory.path().join("journal.json");
    std::fs::write(&other, journal.to_string()).unwrap();
    let (code, said) = verdict(&[&recorded, calls, &other]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("what changes asg-ci, step 1") && said.contains("uptime --pretty"),
        "{said}"
    );
    let ignored = [
        &*recorded,
        calls,
        &other,
        Path::new("--ignore"),
        Path::new("invokeScript,CommandContent"),
    ];
    let (code, said) = verdict(&ignored);
    assert_eq!(code, Some(0), "{said}");
}
