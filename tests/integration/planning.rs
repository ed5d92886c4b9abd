//! `desiredState: Plan` and `runKey`: nothing runs that nobody asked for, and nothing runs twice.

use serde_json::{Value, json};

use crate::scene::{
    GROUP, Scene, assert_condition, assert_says, condition, image_task, kstatus, script_task, with,
};

#[tokio::test]
async fn a_plan_shows_the_batches_and_touches_nothing_until_it_is_to_run() {
    let scene = Scene::start().await;
    scene
        .create(
            "web-v2",
            with(image_task(), json!({"desiredState": "Plan"})),
        )
        .await;
    let task = scene.until_state("web-v2", "Planned").await;
    assert_condition(&task, "Preflight", "True", "Passed");
    assert_says(
        &condition(&task, "Ready")["message"],
        &[
            "6 instances in 3 batches",
            "up to 2 of them (33%)",
            "spec.desiredState",
        ],
    );
    let plan = &task["status"]["plan"];
    let members: Vec<(&Value, &Value)> = plan["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (&member["id"], &member["batch"]))
        .collect();
    assert_eq!(members.len(), 6);
    assert_eq!(members[0], (&json!("i-web-01"), &json!(1)));
    assert_eq!(members[5], (&json!("i-web-06"), &json!(3)));
    assert_eq!(
        (&plan["sourceImageId"], &plan["scalingConfigurationImageId"]),
        (&json!("m-v1"), &json!("m-v1"))
    );
    let calls = scene.emulator.calls().await.unwrap();
    let reads = |call: &&Value| {
        ["Describe", "List", "Get"]
            .iter()
            .any(|verb| call["action"].as_str().unwrap().starts_with(verb))
    };
    assert!(calls.iter().all(|call| reads(&call)), "{calls:?}");

    // A plan does not stand in the way of others.
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "Succeeded").await;

    scene
        .patch_spec("web-v2", json!({"desiredState": "Run"}))
        .await;
    scene.until_state("web-v2", "Succeeded").await;
    assert!(scene.all_instances(GROUP, "imageId", "m-v2").await);
}

#[tokio::test]
async fn a_run_key_runs_one_spec_once() {
    let scene = Scene::start().await;
    let spec = with(script_task(), json!({"runKey": "release-7"}));
    scene.create("release-7", spec.clone()).await;
    let first = scene.until_state("release-7", "Succeeded").await;

    // As after a prune, or a restore from a backup.
    scene.delete("release-7").await;
    scene
        .eventually("it is gone", async || {
            scene.find_task("release-7").await.is_none().then_some(())
        })
        .await;
    scene.create("release-7", spec.clone()).await;
    let again = scene.until_state("release-7", "Succeeded").await;
    assert_condition(&again, "Succeeded", "True", "AlreadyRun");
    assert_says(
        &again["status"]["result"]["message"],
        &[
            "release-7",
            first["status"]["execution"]["id"].as_str().unwrap(),
        ],
    );
    assert_eq!(kstatus(&again), "Current");

    scene.create("same", spec).await;
    let same = scene.until_state("same", "Succeeded").await;
    assert_condition(&same, "Succeeded", "True", "AlreadyRun");

    scene
        .create("other", with(image_task(), json!({"runKey": "release-7"})))
        .await;
    let other = scene.until_state("other", "Failed").await;
    assert_condition(&other, "Succeeded", "False", "RunKeyConflict");
    assert_says(
        &other["status"]["result"]["message"],
        &["release-7", "choose another key"],
    );
    assert_eq!(scene.starts().await, 1);
}
