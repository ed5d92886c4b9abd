//! The main job: a script, run on every instance of a group, in batches.

use serde_json::json;

use crate::rolling_back::{apply, until_state};
use crate::scene::{
    GROUP, PATIENCE, Scene, assert_condition, assert_says, condition, fixture, kstatus,
    script_task, with,
};

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
            PATIENCE,
        )
        .unwrap();
    let task = scene.task("agent").await;
    let status = &task["status"];

    assert_condition(&task, "Succeeded", "True", "Updated");
    assert_condition(&task, "Verified", "True", "AsReported");
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

    assert_eq!(scene.starts().await, 1);
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

/// How many commands of this type with this text ran.
async fn commands(scene: &Scene, kind: &str, text: &str) -> usize {
    let calls = scene.emulator.calls().await.unwrap();
    calls
        .iter()
        .filter(|call| call["action"] == "RunCommand" && call["code"] == "OK")
        .filter(|call| call["params"]["Type"] == kind && call["params"]["CommandContent"] == text)
        .count()
}

/// The public template runs every rollback script as a shell script.
#[tokio::test]
async fn windows_instances_run_windows_scripts_there_and_back() {
    let mut windows = fixture();
    windows["images"] = json!([{"imageId": "m-v1", "osType": "windows"}]);
    let scene = Scene::with_fixture(windows).await;
    let script = json!({
        "type": "WindowsPowerShell",
        "run": {"inline": "Restart-Service agent"}, "rollback": {"inline": "Stop-Service agent"},
    });
    let update = json!({"update": {"script": script}});
    scene.create("agent", with(script_task(), update)).await;
    scene.until_state("agent", "Succeeded").await;
    apply(
        &scene,
        "back",
        json!({"taskRef": {"name": "agent"}, "batches": 2}),
    );
    let back = until_state(&scene, "back", "Succeeded").await;
    assert_eq!(back["status"]["source"]["method"], "Invoke");
    for text in ["Restart-Service agent", "Stop-Service agent"] {
        assert_eq!(commands(&scene, "RunPowerShellScript", text).await, 6);
    }
    assert_eq!(scene.effects("RunCommand").await, 12);
}

fn config_map(scene: &Scene, run: &str, rollback: &str) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"},
        "data": {"run.sh": run, "rollback.sh": rollback},
    });
    scene
        .kubectl
        .apply(&scene.namespace, &manifest.to_string())
        .unwrap();
}

#[tokio::test]
async fn a_script_from_a_config_map_is_waited_for_and_fixed_at_the_start() {
    let mut scene = Scene::start().await;
    let source = |key: &str| json!({"configMapKeyRef": {"name": "scripts", "key": key}});
    let script = json!({"run": source("run.sh"), "rollback": source("rollback.sh")});
    let spec = json!({
        "scalingGroupId": GROUP, "batches": 3, "suspensionPolicy": "SuspendFirstBatch",
        "runKey": "r1", "update": {"script": script},
    });
    scene.create("agent", spec.clone()).await;
    let task = scene
        .until_condition("agent", "Preflight", "Unknown", "ConfigMapNotFound")
        .await;
    let message = &condition(&task, "Preflight")["message"];
    assert_says(message, &["ConfigMap scripts", "key run.sh", "create it"]);
    config_map(&scene, "{{ value }}", "restart old");
    scene
        .until_condition("agent", "Preflight", "False", "ScriptAmbiguous")
        .await;
    config_map(&scene, "restart new", "restart old");
    scene.until_paused("agent", 1).await;

    // Nobody looks at it any more, a new operator neither.
    config_map(&scene, "restart newer", "restart older");
    scene.operator.kill_and_relaunch().unwrap();
    scene.operator.wait_ready().unwrap();
    scene
        .kubectl
        .run(&[
            "delete",
            "configmap",
            "scripts",
            "--namespace",
            &scene.namespace,
        ])
        .unwrap();
    scene.request("agent", "continue", "1").await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_eq!(commands(&scene, "RunShellScript", "restart new").await, 6);
    let hash = task["status"]["plan"]["scripts"]["run"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
    assert!(task["status"]["start"]["scripts"].is_null());

    apply(
        &scene,
        "back",
        json!({"taskRef": {"name": "agent"}, "batches": 2}),
    );
    until_state(&scene, "back", "Succeeded").await;
    assert_eq!(commands(&scene, "RunShellScript", "restart old").await, 6);

    // The run key stands for the text.
    config_map(&scene, "restart newer", "restart old");
    scene.create("other", spec).await;
    let other = scene.until_state("other", "Failed").await;
    assert_condition(&other, "Succeeded", "False", "RunKeyConflict");
    assert_eq!(scene.starts().await, 2);
}
