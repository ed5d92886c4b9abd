//! What people and ESS do meanwhile.

use serde_json::{Value, json};

use crate::scene::{GROUP, Scene, assert_condition, fixture, group, image_task, script_task, with};

/// The task, in its first pause, and the id of its execution.
async fn paused(scene: &Scene, spec: Value) -> String {
    scene
        .create(
            "task",
            with(spec, json!({"suspensionPolicy": "SuspendFirstBatch"})),
        )
        .await;
    let task = scene.until_paused("task", 1).await;
    task["status"]["execution"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_pause_that_is_left_in_the_console_is_left_here_too() {
    let scene = Scene::start().await;
    let execution = paused(&scene, image_task()).await;
    let approve =
        json!({"RegionId": "cn-hangzhou", "ExecutionId": execution, "NotifyType": "Approve"});
    scene.console("OOS", "NotifyExecution", approve).await;
    scene.until_state("task", "Succeeded").await;
    let by_alice = scene
        .emulator
        .journal("OOS", "NotifyExecution")
        .await
        .unwrap();
    assert!(by_alice.iter().all(|call| call["principal"] == "alice"));
}

#[tokio::test]
async fn an_execution_that_is_cancelled_in_the_console_ends_the_task_and_the_group_is_restored() {
    let scene = Scene::start().await;
    let execution = paused(&scene, image_task()).await;
    scene
        .console(
            "OOS",
            "CancelExecution",
            json!({"RegionId": "cn-hangzhou", "ExecutionId": execution}),
        )
        .await;
    let task = scene.until_state("task", "Cancelled").await;
    assert_condition(&task, "Succeeded", "False", "CancelledElsewhere");
    assert_condition(&task, "Restored", "True", "Restored");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    assert_eq!(scene.configuration_image("asc-web").await, "m-v1");
    assert_eq!(scene.asked("OOS", "CancelExecution").await, 1);
}

#[tokio::test]
async fn an_instance_that_vanishes_fails_alone_and_is_named() {
    let scene = Scene::start().await;
    paused(&scene, with(script_task(), json!({"onFailure": "Fail"}))).await;
    scene
        .emulator
        .post("instances/i-web-04/vanish", &json!({}))
        .await
        .unwrap();
    scene.request("task", "continue", "1").await;
    let task = scene
        .until("task", "the end", |task| {
            task["status"]["restore"]["done"] == true
        })
        .await;
    assert_condition(&task, "Succeeded", "False", "ExecutionFailed");
    let message = task["status"]["result"]["message"].as_str().unwrap();
    assert!(message.contains("i-web-04"), "{message}");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn protected_instances_take_part_where_the_task_says_so_and_stay_protected() {
    let mut web = group(GROUP, 0);
    web["instances"] = json!([
        {"count": 2, "idPrefix": "i-web-in-"},
        {"count": 2, "idPrefix": "i-web-protected-", "lifecycleState": "Protected"},
    ]);
    let fixture = with(fixture(), json!({"scalingGroups": [web]}));
    let protected = async |scene: &Scene| {
        let all = scene.instances(GROUP, "lifecycleState").await;
        all.into_iter()
            .filter(|(_, state)| state == "Protected")
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };

    let scene = Scene::with_fixture(fixture).await;
    scene
        .create("in-service", with(script_task(), json!({"batches": 2})))
        .await;
    let task = scene.until_state("in-service", "Succeeded").await;
    assert_eq!(task["status"]["summary"]["total"], 2);

    let states = json!({"batches": 2, "lifecycleStates": ["InService", "Protected"]});
    scene.create("both", with(script_task(), states)).await;
    let task = scene.until_state("both", "Succeeded").await;
    assert_eq!(task["status"]["summary"]["succeeded"], 4);
    assert_condition(&task, "Restored", "True", "Restored");
    assert_eq!(
        protected(&scene).await,
        ["i-web-protected-01", "i-web-protected-02"]
    );
}

#[tokio::test]
async fn a_batch_size_is_a_most_and_the_configuration_can_be_left_alone() {
    let scene = Scene::start().await;
    let mut spec = with(
        image_task(),
        json!({"update": {"image": {"updateScalingConfiguration": false}}, "batchSize": "40%"}),
    );
    spec.as_object_mut().unwrap().remove("batches");
    scene.create("web-v2", spec).await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    // 40 % of six are two and a bit.
    let sizes: Vec<&Value> = task["status"]["batches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| &batch["size"])
        .collect();
    assert_eq!(sizes, [2, 2, 2]);
    assert_eq!(scene.configuration_image("asc-web").await, "m-v1");
    assert!(scene.all_instances(GROUP, "imageId", "m-v2").await);
    assert_condition(&task, "Verified", "True", "AsWanted");
}
