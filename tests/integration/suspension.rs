//! Pauses between batches, and how people end them.

use serde_json::json;

use crate::scene::{
    CONFIGURATION, GROUP, Scene, assert_condition, assert_says, image_task, kstatus, with,
};

#[tokio::test]
async fn an_image_update_that_suspends_after_each_batch_goes_on_by_annotation() {
    let scene = Scene::start().await;
    scene
        .create(
            "web-v2",
            with(
                image_task(),
                json!({"suspensionPolicy": "SuspendEachBatch"}),
            ),
        )
        .await;

    let task = scene.until_paused("web-v2", 1).await;
    assert_condition(&task, "Paused", "True", "BatchSuspended");
    assert_says(
        &task["status"]["pause"]["message"],
        &["batch 1 of 3", "ess-rollout.io/continue=1"],
    );
    // A pause is part of the plan: nobody has to be alarmed by it.
    assert_eq!(kstatus(&task), "InProgress");
    let done: Vec<_> = scene
        .instances(GROUP, "imageId")
        .await
        .into_iter()
        .filter(|(_, image)| image == "m-v2")
        .collect();
    assert_eq!(done.len(), 2, "{done:?}");

    for (value, reason) in [
        ("yes", "Malformed"),
        ("current@", "Malformed"),
        ("2", "NotPaused"),
    ] {
        scene.request("web-v2", "continue", value).await;
        let action = scene.until_settled("web-v2", "continue", value).await;
        assert_eq!(
            (&action["state"], &action["reason"]),
            (&json!("Rejected"), &json!(reason)),
            "{value}: {action}"
        );
    }
    scene.polls(3).await;
    assert_eq!(scene.notifications("Approve").await, 0);
    assert_eq!(scene.task("web-v2").await["status"]["pause"]["id"], 1);

    scene.request("web-v2", "continue", "current@first").await;
    let action = scene
        .until_settled("web-v2", "continue", "current@first")
        .await;
    assert_eq!(
        (&action["state"], &action["targets"]),
        (&json!("Applied"), &json!(["1"]))
    );
    scene.until_paused("web-v2", 2).await;

    // One that was meant for the pause before, and comes late.
    scene.request("web-v2", "continue", "1").await;
    let action = scene.until_settled("web-v2", "continue", "1").await;
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Rejected"), &json!("StalePause"))
    );
    assert_eq!(scene.notifications("Approve").await, 1);

    scene.request("web-v2", "continue", "2").await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    assert_eq!(scene.notifications("Approve").await, 2);
    assert_eq!(scene.starts().await, 1);
    assert_condition(&task, "Verified", "True", "AsWanted");
    assert_condition(&task, "Restored", "True", "Restored");
    assert!(scene.all_instances(GROUP, "imageId", "m-v2").await);
    assert!(
        scene
            .all_instances(GROUP, "lifecycleState", "InService")
            .await
    );
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v2");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn an_update_that_suspends_after_the_first_batch_pauses_once() {
    let scene = Scene::start().await;
    scene
        .create(
            "web-v2",
            with(
                image_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    scene.until_paused("web-v2", 1).await;
    scene.request("web-v2", "continue", "1").await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    assert_eq!(scene.notifications("Approve").await, 1);
    assert!(scene.all_instances(GROUP, "imageId", "m-v2").await);
    assert_eq!(task["status"]["actions"][0]["state"], "Applied");
}

#[tokio::test]
async fn approved_batches_let_batches_run_ahead_and_only_ever_rise() {
    let scene = Scene::start().await;
    let spec = json!({"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 2});
    scene.create("web-v2", with(image_task(), spec)).await;
    // The pause after the first batch is left without a person.
    scene.until_paused("web-v2", 2).await;
    assert_eq!(scene.notifications("Approve").await, 1);

    scene
        .patch_spec("web-v2", json!({"approvedBatches": 0}))
        .await;
    scene
        .patch_spec("web-v2", json!({"approvedBatches": 2}))
        .await;
    scene.polls(3).await;
    let task = scene.task("web-v2").await;
    assert_eq!(
        (
            &task["status"]["pause"]["id"],
            &task["status"]["latched"]["approvedBatches"]
        ),
        (&json!(2), &json!(2))
    );

    scene
        .patch_spec("web-v2", json!({"approvedBatches": 3}))
        .await;
    scene.until_state("web-v2", "Succeeded").await;
    assert_eq!(scene.notifications("Approve").await, 2);
}

#[tokio::test]
async fn a_request_is_for_the_pause_that_there_is_and_not_for_a_later_one() {
    let scene = Scene::start().await;
    scene.stop_time(true).await;
    let mut task = crate::scene::task(
        "web-v2",
        with(
            image_task(),
            json!({"suspensionPolicy": "SuspendFirstBatch"}),
        ),
    );
    // As in a manifest that was copied from a task that had run.
    task["metadata"]["annotations"] = json!({"ess-rollout.io/continue": "1"});
    scene
        .kubectl
        .apply(&scene.namespace, &task.to_string())
        .unwrap();
    let task = scene.until_state("web-v2", "Running").await;
    assert_eq!(task["status"]["actions"][0]["reason"], "PresentAtCreation");

    scene
        .request("web-v2", "continue", "current@too-early")
        .await;
    let action = scene
        .until_settled("web-v2", "continue", "current@too-early")
        .await;
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Rejected"), &json!("NotPaused"))
    );

    scene.stop_time(false).await;
    scene.until_paused("web-v2", 1).await;
    scene.polls(3).await;
    assert_eq!(scene.notifications("Approve").await, 0);
    assert_eq!(
        scene.task("web-v2").await["status"]["state"],
        "BatchSuspended"
    );
}
