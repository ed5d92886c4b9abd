//! A failing update is taken to its end.

use crate::scene::{Scene, fixture, task};

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
