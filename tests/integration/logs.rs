//! What the lines of the log have, of a run some of whose calls fail.

use std::collections::BTreeSet;

use ess_rollout_test_support::source_root;
use serde_json::{Map, Value, json};

use crate::scene::{GROUP, Scene, Setup, fixture, script_task, with};

type Line = Map<String, Value>;

/// The lines of the operator's own modules.
fn own(log: &str) -> Vec<Line> {
    let lines = log.lines().map(|line| {
        serde_json::from_str::<Line>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    lines
        .filter(|line| {
            line["target"]
                .as_str()
                .is_some_and(|t| t.starts_with("ess_rollout"))
        })
        .collect()
}

fn sources(directory: &std::path::Path, all: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

fn text<'a>(line: &'a Line, key: &str) -> &'a str {
    line.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn each_line_of_a_pass_says_whose_it_is_and_which_answer_it_is_about() {
    const SECRET: &str = "said-only-to-the-instance";
    let scene = Scene::with(Setup {
        fixture: fixture(),
        values: json!({"log": {"format": "json", "level": "info,ess_rollout=debug"}}),
        ..Setup::default()
    })
    .await;
    // The first approval is refused, and so is the first look at the group.
    for (service, action, status, code) in [
        ("OOS", "NotifyExecution", 503, "ServiceUnavailable"),
        ("ESS", "DescribeScalingGroups", 500, "InternalError"),
    ] {
        let fault = json!({
            "service": service, "action": action, "count": 1,
            "effect": {"kind": "error", "status": status, "code": code, "message": "Not now."},
        });
        scene.emulator.add_fault(&fault).await.unwrap();
    }
    let script = json!({"run": {"inline": format!("#!/bin/sh\necho {SECRET}\n")}});
    let spec = with(
        script_task(),
        json!({"suspensionPolicy": "SuspendFirstBatch", "update": {"script": script}}),
    );
    scene.create("agent", spec).await;
    scene.until_paused("agent", 1).await;
    scene.request("agent", "continue", "1").await;
    let task = scene.until_state("agent", "Succeeded").await;
    let mut scene = scene;
    let log = scene.operator.process().log();
    for secret in [SECRET, "operator-secret"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let lines = own(&log);

    // Constant text: each message stands in the source as it is.
    let mut source = String::new();
    for directory in ["src", "crates/aliyun/src"] {
        sources(&source_root().join(directory), &mut source);
    }
    let messages: BTreeSet<&str> = lines.iter().map(|line| text(line, "msg")).collect();
    for message in &messages {
        assert!(
            source.contains(&format!("\"{message}\"")),
            "{message:?} is not in the source"
        );
    }

    // Whose.
    let of_passes: Vec<&Line> = lines
        .iter()
        .filter(|line| text(line, "controller") == "RollingUpdateTask")
        .collect();
    for line in &of_passes {
        let about = (text(line, "namespace"), text(line, "name"));
        assert_eq!(about, (scene.namespace.as_str(), "agent"));
        assert_eq!(text(line, "reconcileID").len(), 36, "{line:?}");
        assert_eq!(line["uid"], task["metadata"]["uid"], "{line:?}");
        assert_eq!(line["generation"], task["metadata"]["generation"]);
    }
    let ended: Vec<&str> = of_passes
        .iter()
        .filter(|line| text(line, "msg") == "pass ended")
        .map(|line| text(line, "reconcileID"))
        .collect();
    let passes: BTreeSet<&str> = ended.iter().copied().collect();
    assert!(passes.len() > 3);
    assert_eq!(passes.len(), ended.len(), "one id, one pass");

    // Once there is an execution, every line of a pass has it.
    let execution = task["status"]["execution"]["id"].as_str().unwrap();
    let started = of_passes
        .iter()
        .position(|line| text(line, "executionId") == execution)
        .unwrap();
    let pass = text(of_passes[started], "reconcileID");
    let later = of_passes[started..]
        .iter()
        .filter(|line| text(line, "reconcileID") != pass);
    for line in later {
        assert_eq!(text(line, "executionId"), execution, "{line:?}");
    }

    // Which answer.
    let answered = |line: &&Line| {
        // What was not answered has a word of the operator's own.
        text(line, "msg") == "cloud call"
            && !text(line, "code").starts_with(|c: char| c.is_ascii_lowercase())
    };
    let mut calls = 0;
    for line in lines.iter().filter(answered) {
        calls += 1;
        for key in ["service", "action", "region", "requestId"] {
            assert!(!text(line, key).is_empty(), "{key}: {line:?}");
        }
        assert!(line["duration"].as_f64().is_some_and(|d| d > 0.0));
    }
    assert!(calls > 10, "{calls}");
    let changed: Vec<&&Line> = of_passes
        .iter()
        .filter(|line| text(line, "msg") == "cloud changed")
        .collect();
    assert!(
        changed
            .iter()
            .any(|line| text(line, "call") == "OOS StartExecution")
    );
    for line in &changed {
        assert!(!text(line, "requestId").is_empty(), "{line:?}");
        assert_eq!(text(line, "scalingGroupId"), GROUP);
    }
    let failed: Vec<&&Line> = of_passes
        .iter()
        .filter(|line| text(line, "msg") == "cloud call failed")
        .filter(|line| text(line, "code") == "ServiceUnavailable")
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(text(failed[0], "error").contains("Not now."));
    // The answer that caused it, as the line of the call has it.
    let refused = lines.iter().find(|line| {
        text(line, "msg") == "cloud call" && text(line, "code") == "ServiceUnavailable"
    });
    let refused = refused.unwrap();
    assert_eq!(text(refused, "requestId"), text(failed[0], "requestId"));
    assert_eq!(text(refused, "reconcileID"), text(failed[0], "reconcileID"));
    assert_eq!(text(refused, "error"), "Not now.");
}
