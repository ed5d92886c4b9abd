//! The main job: a script, run on every instance of a group, in batches.

use std::time::Duration;

use serde_json::json;

use crate::scene::{GROUP, Scene, assert_condition, condition, kstatus, script_task};

#[tokio::test]
async fn a_script_update_runs_in_batches_to_succeeded() {
    let scene = Scene::start().await;
    scene.create("agent", script_task()).await;
    scene
        .kubectl
        .wait(
            &scene.namespace,
            "rollingupdatetask/agent",
            "condition=Succeeded",
            Duration::from_secs(60),
        )
        .unwrap();
    let task = scene.task("agent").await;
    let status = &task["status"];

    assert_condition(&task, "Succeeded", "True", "Updated");
    assert_condition(&task, "Verified", "True", "AsWanted");
    assert_condition(&task, "Restored", "True", "Restored");
    assert_condition(&task, "Paused", "False", "NotPaused");
    assert_eq!(kstatus(&task), "Current");
    assert!(condition(&task, "Reconciling").is_null() && condition(&task, "Stalled").is_null());
    assert_eq!(status["observedGeneration"], task["metadata"]["generation"]);
    assert_eq!(status["state"], "Succeeded");
    assert_eq!(status["execution"]["status"], "Success");

    let batches = status["batches"].as_array().unwrap();
    assert_eq!(batches.len(), 3);
    for (index, batch) in batches.iter().enumerate() {
        assert_eq!(
            (&batch["index"], &batch["size"], &batch["state"]),
            (&json!(index + 1), &json!(2), &json!("Succeeded"))
        );
        assert!(batch["startTime"].is_string() && batch["endTime"].is_string());
    }
    let instances = status["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 6);
    for instance in instances {
        assert_condition(instance, "Updated", "True", "Updated");
        assert_condition(instance, "InService", "True", "InService");
        assert_eq!(instance["attempt"], 1);
    }
    let summary = &status["summary"];
    assert_eq!(
        (
            &summary["total"],
            &summary["succeeded"],
            &summary["percent"],
            &summary["progress"],
            &summary["batch"]
        ),
        (
            &json!(6),
            &json!(6),
            &json!(100),
            &json!("6/6"),
            &json!("3/3")
        ),
    );

    assert!(
        scene
            .all_instances(GROUP, "lifecycleState", "InService")
            .await
    );
    assert_eq!(scene.effects("RunCommand").await, 6);
}

#[tokio::test]
async fn the_group_is_left_as_it_was_found_and_each_call_is_made_once() {
    let scene = Scene::start().await;
    scene.create("agent", script_task()).await;
    let task = scene.until_state("agent", "Succeeded").await;

    assert_eq!(scene.asked("OOS", "StartExecution").await, 1);
    assert_eq!(scene.effects("SuspendProcesses").await, 1);
    assert_eq!(scene.effects("ResumeProcesses").await, 1);
    // A person had suspended this one.
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    assert_eq!(
        task["status"]["plan"]["suspendedProcesses"],
        json!(["ScheduledAction"])
    );

    let record = scene
        .eventually("the record is free", async || {
            Some(scene.record(GROUP).await).filter(|record| record["status"]["holder"].is_null())
        })
        .await;
    assert_eq!(record["spec"]["scalingGroupId"], GROUP);
    assert!(record["status"]["leftovers"].is_null());
    assert_eq!(
        record["status"]["current"]["by"],
        format!("{}/agent", scene.namespace)
    );
}

#[tokio::test]
async fn people_can_follow_an_update() {
    let scene = Scene::start().await;
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "Succeeded").await;

    let reasons = scene
        .eventually("the Event of the end", async || {
            Some(scene.event_reasons("agent").await)
                .filter(|reasons| reasons.iter().any(|r| r == "Succeeded"))
        })
        .await;
    let count = |reason: &str| reasons.iter().filter(|found| *found == reason).count();
    assert_eq!(
        (count("Started"), count("BatchEnded")),
        (1, 3),
        "{reasons:?}"
    );

    let table = scene
        .kubectl
        .run(&["get", "rut", "-n", &scene.namespace])
        .unwrap();
    let cells: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        cells[0],
        [
            "NAME",
            "STATE",
            "BATCH",
            "UPDATED",
            "FAILED",
            "SCALING-GROUP",
            "AGE"
        ]
    );
    assert_eq!(
        cells[1][..6],
        ["agent", "Succeeded", "3/3", "6/6", "0", GROUP]
    );

    let records = scene
        .kubectl
        .run(&["get", "sgr", "-n", &scene.installation.namespace])
        .unwrap();
    assert!(
        records.contains(GROUP) && records.contains("cn-hangzhou"),
        "{records}"
    );
}
