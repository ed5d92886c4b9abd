//! A failing update is taken to its end.

use std::io::Read;
use std::path::Path;

use serde_json::json;

use crate::scene::{Scene, fixture, task};

/// All files of an archive, one after the other.
fn unpacked(archive: &Path) -> String {
    let file = std::fs::File::open(archive).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn a_failing_update_is_taken_to_its_end_with_the_plugin_alone() {
    let scene = Scene::start(&fixture());
    let missing = "cannot read the RollingUpdateTask web";
    scene.says(&["status", "web"], 1, &[missing, "not found"]);
    scene.says(&["continue", "web"], 1, &[missing]);
    scene.apply(&task("web", "asg-web"));

    // A pipeline that waits for the end is told that nobody comes.
    scene.says(&["wait", "web"], 4, &["web FailureSuspended", "1 failed"]);
    scene.says(&["wait", "web", "--for=Paused", "--timeout=90s"], 0, &[]);
    let next = format!("kubectl ess-rollout retry web -n {}", scene.tasks());
    scene.says(
        &["status", "web"],
        0,
        &["FailureSuspended", "i-web-02 Failed", "exit code 7", &next],
    );
    // What it said is in the logs, and not in what is given to others.
    scene.says(&["logs", "web"], 0, &["[i-web-02] disk full"]);
    scene.says(
        &["report", "web", "-f", "report.tar.gz"],
        0,
        &["is written"],
    );
    let report = unpacked(&scene.files.path().join("report.tar.gz"));
    for part in [
        "i-web-02 Failed",
        "exit code 7",
        "scalingGroupId: asg-web",
        "reason: InstanceFailed",
    ] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    assert!(!report.contains("disk full"), "{report}");
    scene.says(&["continue", "web"], 1, &["waits for something else"]);
    scene.says(
        &["skip", "web", "i-other"],
        5,
        &["web: skip i-other: Rejected"],
    );
    scene.says(
        &["retry", "web", "-m", "made room"],
        0,
        &["web: retry all that failed: Applied"],
    );

    // The pause that was answered is none, although it may be on show for a moment.
    scene.says(
        &["wait", "web", "--for=Paused", "--timeout=90s"],
        0,
        &["web BatchSuspended, 2/4 instances, batch 1/2, paused after batch 1"],
    );
    scene.says(&["retry", "web"], 1, &["no instance of web has failed"]);
    scene.says(&["continue", "web"], 0, &["web: continue 1: Applied"]);
    // Nobody looks at a terminal: a line for each change, and the end is the verdict.
    scene.says(
        &["status", "web", "--watch"],
        0,
        &["web Succeeded, 4/4 instances"],
    );
    scene.says(
        &["wait", "task/web", "--for=Finished"],
        0,
        &["web Succeeded"],
    );
    scene.says(
        &["continue", "web"],
        1,
        &["web is in no pause: it is Succeeded"],
    );
    scene.says(&["cancel", "web"], 1, &["web has ended"]);

    let task = scene.get("rollingupdatetask/web");
    let actions = task["status"]["actions"].as_array().unwrap();
    let verbs: Vec<_> = actions
        .iter()
        .map(|action| action["verb"].as_str().unwrap())
        .collect();
    assert_eq!(verbs, ["Skip", "Retry", "Continue"]);
    for action in actions {
        let by = action["requestedBy"].as_str().unwrap_or_default();
        assert!(!by.is_empty(), "{action}");
    }
    let annotations = &task["metadata"]["annotations"];
    assert!(
        annotations["ess-rollout.io/request-note"].is_null(),
        "of the retry, and no other: {annotations}"
    );
}

#[test]
fn what_soaks_goes_on_by_itself_and_at_once_when_somebody_has_looked() {
    let mut fixture = fixture();
    fixture["commands"] = json!([]);
    let scene = Scene::start(&fixture);
    let mut soaking = task("web", "asg-web");
    soaking["spec"]["suspensionPolicy"] = "Automatic".into();
    soaking["spec"]["gates"] = json!({"soakSeconds": 7200});
    scene.apply(&soaking);
    scene.until(&["status", "web"], "BatchHeld");
    // It is no pause: a pipeline waits on.
    scene.says(
        &["wait", "web", "--timeout=1s"],
        124,
        &["web BatchHeld, 2/4 instances, batch 1/2, held after batch 1"],
    );
    scene.says(&["status", "web"], 0, &["spec.gates.soakSeconds"]);
    scene.says(&["continue", "web"], 0, &["web: continue 1: Applied"]);
    scene.says(
        &["wait", "web", "--timeout=90s"],
        0,
        &["web Succeeded, 4/4 instances"],
    );
}

#[test]
fn checks_that_hold_an_update_are_made_again_and_it_says_how() {
    let mut fixture = fixture();
    fixture["commands"] = json!([]);
    fixture["metricRules"] =
        json!([{"ruleId": "rule-web", "ruleName": "web errors", "state": "OK"}]);
    let alarm = json!({"alarmState": {"id": "rule-web", "state": "ALARM"}});
    fixture["events"] = json!([{"when": {"execution": {"status": "Waiting"}}, "do": alarm}]);
    let scene = Scene::start(&fixture);
    let mut task = task("web", "asg-web");
    task["spec"]["suspensionPolicy"] = "Automatic".into();
    task["spec"]["gates"] = json!({"alarms": {"ruleIds": ["rule-web"]}});
    scene.apply(&task);
    scene.says(
        &["wait", "web", "--for=Paused", "--timeout=90s"],
        0,
        &["web BatchSuspended"],
    );
    let again = format!("kubectl ess-rollout retry-gate web -n {}", scene.tasks());
    scene.says(&["status", "web"], 0, &["web errors", &again]);
    scene.says(
        &["retry-gate", "web", "-m", "looked at it"],
        0,
        &["web: retry-gate 1: Applied: Retried"],
    );
    // It is still so.
    scene.until(&["status", "web"], &again);
    scene.says(
        &["override-window", "web"],
        5,
        &["web: override-window: Rejected: WindowNotFound"],
    );
}
