//! One group, one update at a time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{GROUP, Scene, condition, image_task, script_task, task, with};

/// When each update of the group suspended and resumed its processes, in order.
async fn turns(scene: &Scene) -> Vec<String> {
    let calls = scene.emulator.calls().await.unwrap();
    let processes = calls.iter().filter(|call| {
        ["SuspendProcesses", "ResumeProcesses"]
            .iter()
            .any(|a| call["action"] == *a)
    });
    processes
        .map(|call| call["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn two_tasks_created_at_the_same_instant_run_one_after_the_other() {
    let scene = Scene::start().await;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        task("a-script", script_task()), task("b-image", image_task()),
    ]});
    scene
        .kubectl
        .apply(&scene.namespace, &list.to_string())
        .unwrap();
    let first = scene.until_state("a-script", "Succeeded").await;
    let second = scene.until_state("b-image", "Succeeded").await;

    assert_eq!(
        turns(&scene).await,
        [
            "SuspendProcesses",
            "ResumeProcesses",
            "SuspendProcesses",
            "ResumeProcesses"
        ]
    );
    let time = |task: &Value, field: &str| {
        task["status"]["execution"][field]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ([first_start, first_end], [second_start, second_end]) = [&first, &second]
        .map(|task| [time(task, "startTime"), time(task, "endTime")])
        .into();
    assert!(
        first_end <= second_start || second_end <= first_start,
        "{first_start} {first_end} {second_start} {second_end}"
    );
    assert_eq!(scene.starts().await, 2);
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn a_task_that_waits_names_whom_it_waits_for_and_goes_at_once() {
    let scene = Scene::start().await;
    scene
        .create(
            "first",
            with(
                script_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    scene.until_paused("first", 1).await;
    scene.create("second", script_task()).await;
    scene.create("third", image_task()).await;
    let second = scene
        .until_condition("second", "Preflight", "Unknown", "WaitingForScalingGroup")
        .await;
    let message = condition(&second, "Preflight")["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("{}/first holds", scene.namespace)),
        "{message}"
    );
    assert_eq!(second["status"]["state"], "Pending");

    scene.delete("second").await;
    scene
        .eventually("second is gone", async || {
            scene.find_task("second").await.is_none().then_some(())
        })
        .await;
    assert_eq!(
        scene.task("first").await["status"]["state"],
        "BatchSuspended"
    );

    // Whoever is next starts when the group is free, not at its next look a minute later.
    scene.request("first", "continue", "1").await;
    scene.until_state("first", "Succeeded").await;
    let begun = scene.until("third", "it has begun", |task| {
        !task["status"]["start"].is_null()
    });
    tokio::time::timeout(Duration::from_secs(40), begun)
        .await
        .expect("it is woken when the group is free");
    scene.until_state("third", "Succeeded").await;
    assert_eq!(scene.starts().await, 2);
}

#[tokio::test]
async fn tasks_of_different_groups_run_side_by_side() {
    let mut fixture = crate::scene::fixture();
    fixture["scalingGroups"]
        .as_array_mut()
        .unwrap()
        .push(crate::scene::group("asg-api", 2));
    let scene = Scene::with_fixture(fixture).await;
    let pause = json!({"suspensionPolicy": "SuspendFirstBatch", "batches": 2});
    scene
        .create("web", with(script_task(), pause.clone()))
        .await;
    scene
        .create(
            "api",
            with(
                with(script_task(), pause),
                json!({"scalingGroupId": "asg-api"}),
            ),
        )
        .await;
    scene.until_paused("web", 1).await;
    scene.until_paused("api", 1).await;
}
