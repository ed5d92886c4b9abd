//! Rollbacks of suspended and finished tasks, and of runs that were started in the console.

use serde_json::{Value, json};

use crate::scene::{
    CONFIGURATION, GROUP, Scene, assert_condition, assert_says, image_task, script_task, with,
};

/// `kubectl apply` of a rollback.
pub fn apply(scene: &Scene, name: &str, spec: Value) {
    let manifest = json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": "Rollback",
        "metadata": {"name": name},
        "spec": spec,
    });
    let applied = scene.kubectl.apply(&scene.namespace, &manifest.to_string());
    applied.unwrap();
}

fn of_task(name: &str) -> Value {
    json!({"taskRef": {"name": name}, "batches": 2})
}

async fn until(scene: &Scene, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let api = scene.api(&scene.namespace, "Rollback");
    scene
        .eventually(&format!("rollback {name}: {what}"), async || {
            Some(json!(api.get(name).await.unwrap())).filter(&wanted)
        })
        .await
}

pub async fn until_state(scene: &Scene, name: &str, state: &str) -> Value {
    until(scene, name, state, |found| {
        found["status"]["state"] == state
    })
    .await
}

/// Instances, scaling configuration and processes are as before the update.
async fn assert_as_before(scene: &Scene) {
    assert!(scene.all_instances(GROUP, "imageId", "m-v1").await);
    let in_service = scene.all_instances(GROUP, "lifecycleState", "InService");
    assert!(in_service.await);
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v1");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn a_finished_image_update_is_rolled_back() {
    let scene = Scene::start().await;
    scene.create("web-v2", image_task()).await;
    scene.until_state("web-v2", "Succeeded").await;

    apply(&scene, "back", of_task("web-v2"));
    let back = until_state(&scene, "back", "Succeeded").await;
    assert_condition(&back, "Verified", "True", "AsWanted");
    assert_condition(&back, "Restored", "True", "Restored");
    assert_eq!(back["status"]["source"]["method"], "Template");
    assert_eq!(back["status"]["summary"]["progress"], "6/6");
    assert_as_before(&scene).await;
    let task = scene.task("web-v2").await;
    assert_eq!(task["status"]["state"], "Succeeded");
    assert_eq!(task["status"]["rolledBackBy"]["name"], "back");
    assert_eq!(scene.starts().await, 2);

    // Once is enough, and a rollback of a rollback is none.
    apply(&scene, "again", of_task("web-v2"));
    let again = until_state(&scene, "again", "Failed").await;
    assert_condition(&again, "Preflight", "False", "AlreadyRolledBack");
    let execution = back["status"]["execution"]["id"].as_str().unwrap();
    apply(
        &scene,
        "of-rollback",
        json!({"executionId": execution, "scalingGroupId": GROUP}),
    );
    let refused = until_state(&scene, "of-rollback", "Failed").await;
    assert_condition(&refused, "Preflight", "False", "UseTaskRef");
    let table = scene
        .kubectl
        .run(&["get", "rollbacks", "--namespace", &scene.namespace])
        .unwrap();
    assert_says(&json!(table), &["Succeeded", "web-v2", GROUP, "6/6"]);
}

#[tokio::test]
async fn a_suspended_image_update_is_cancelled_and_rolled_back() {
    let scene = Scene::start().await;
    let spec = json!({"suspensionPolicy": "SuspendFirstBatch"});
    scene.create("web-v2", with(image_task(), spec)).await;
    scene.until_paused("web-v2", 1).await;

    apply(&scene, "back", of_task("web-v2"));
    let back = until_state(&scene, "back", "Succeeded").await;
    assert_eq!(back["status"]["summary"]["total"], 2);
    assert_condition(&back, "Restored", "True", "Restored");
    assert_as_before(&scene).await;
    let task = scene.until_state("web-v2", "Cancelled").await;
    assert_condition(&task, "Succeeded", "False", "RolledBack");
    assert_condition(&task, "Restored", "Unknown", "TakenOver");
    assert_eq!(task["status"]["rolledBackBy"]["name"], "back");
    assert_eq!(scene.effects("CancelExecution").await, 1);
    // Let go just after the end is on record.
    scene
        .eventually("the group is free", async || {
            let record = scene.record(GROUP).await;
            record["status"]["holder"].is_null().then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_rollback_pauses_and_goes_on_as_an_update_does() {
    let scene = Scene::start().await;
    let update = json!({"update": {"script": {"rollback": {"inline": "systemctl restart old"}}}});
    scene.create("restart", with(script_task(), update)).await;
    scene.until_state("restart", "Succeeded").await;
    let spec = with(
        of_task("restart"),
        json!({"suspensionPolicy": "SuspendFirstBatch"}),
    );
    apply(&scene, "back", spec);
    let back = until_state(&scene, "back", "BatchSuspended").await;
    assert_says(
        &back["status"]["pause"]["message"],
        &["kubectl annotate rollback ", "ess-rollout.io/continue=1"],
    );
    let (namespace, request) = (scene.namespace.as_str(), "ess-rollout.io/continue=1");
    scene
        .kubectl
        .run(&[
            "annotate",
            "rollback",
            "back",
            request,
            "--namespace",
            namespace,
        ])
        .unwrap();
    let back = until_state(&scene, "back", "Succeeded").await;
    assert_eq!(back["status"]["actions"][0]["state"], "Applied");
    assert_eq!(scene.notifications("Approve").await, 1);
}

#[tokio::test]
async fn a_run_of_the_console_is_rolled_back_by_its_execution() {
    let scene = Scene::start().await;
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": GROUP, "imageId": "m-v2", "sourceImageId": "m-v1",
        "scalingConfigurationId": CONFIGURATION, "batchNumber": 2,
        "exitProcess": ["ScaleIn", "ScaleOut", "HealthCheck", "AlarmNotification"],
    });
    let started = scene
        .console(
            "OOS",
            "StartExecution",
            json!({
                "RegionId": "cn-hangzhou",
                "TemplateName": "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
                "Parameters": parameters.to_string(),
            }),
        )
        .await;
    let execution = started["Execution"]["ExecutionId"].as_str().unwrap();
    scene
        .eventually("the console's run ends", async || {
            let changed = scene.configuration_image(CONFIGURATION).await == "m-v2";
            let done = scene.suspended_processes(GROUP).await == json!(["ScheduledAction"]);
            let all = scene.all_instances(GROUP, "imageId", "m-v2").await;
            (changed && done && all).then_some(())
        })
        .await;
    apply(
        &scene,
        "back",
        json!({"executionId": execution, "scalingGroupId": GROUP, "batches": 2}),
    );
    let back = until_state(&scene, "back", "Succeeded").await;
    assert_condition(&back, "Verified", "True", "AsWanted");
    assert_as_before(&scene).await;
}

#[tokio::test]
async fn what_cannot_be_rolled_back_is_refused_with_the_reason() {
    let scene = Scene::start().await;
    apply(&scene, "nothing", of_task("none-such"));
    let refused = until_state(&scene, "nothing", "Failed").await;
    assert_condition(&refused, "Preflight", "False", "SourceNotFound");

    scene.create("restart", script_task()).await;
    scene.until_state("restart", "Succeeded").await;
    apply(&scene, "no-script", of_task("restart"));
    let refused = until_state(&scene, "no-script", "Failed").await;
    assert_condition(&refused, "Preflight", "False", "NoRollbackPayload");
    assert_says(
        &refused["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["type"] == "Preflight")
            .unwrap()["message"],
        &["spec.to.script"],
    );

    scene.create("later", script_task()).await;
    scene.until_state("later", "Succeeded").await;
    let to = json!({"to": {"script": {"inline": "true"}}});
    apply(&scene, "not-latest", with(of_task("restart"), to));
    let refused = until_state(&scene, "not-latest", "Failed").await;
    assert_condition(&refused, "Preflight", "False", "NotLatest");

    for spec in [
        json!({}),
        json!({"taskRef": {"name": "a"}, "executionId": "exec-1"}),
        json!({"executionId": "exec-1"}),
        json!({"taskRef": {"name": "a"}, "scalingGroupId": GROUP}),
        json!({"taskRef": {"name": "a"}, "to": {"imageId": "m-1", "packageVersion": "1"}}),
        json!({"taskRef": {"name": "a"}, "batches": 2, "batchSize": 3}),
    ] {
        let manifest = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "Rollback",
            "metadata": {"name": "refused"}, "spec": spec,
        });
        let applied = scene.kubectl.apply(&scene.namespace, &manifest.to_string());
        assert!(applied.is_err(), "{spec}");
    }
    assert_eq!(scene.starts().await, 2);
}

#[tokio::test]
async fn a_rollback_waits_for_its_turn_behind_another_task() {
    let scene = Scene::start().await;
    scene.create("web-v2", image_task()).await;
    scene.until_state("web-v2", "Succeeded").await;
    let spec = json!({"suspensionPolicy": "SuspendFirstBatch"});
    scene.create("restart", with(script_task(), spec)).await;
    scene.until_paused("restart", 1).await;
    apply(&scene, "back", of_task("web-v2"));
    // The task in between started later: its end does not make the one before it the latest again.
    let back = until_state(&scene, "back", "Failed").await;
    assert_condition(&back, "Preflight", "False", "NotLatest");

    apply(
        &scene,
        "undo-restart",
        with(
            of_task("restart"),
            json!({"to": {"script": {"inline": "true"}}}),
        ),
    );
    until_state(&scene, "undo-restart", "Succeeded").await;
    let restart = scene.until_state("restart", "Cancelled").await;
    assert_condition(&restart, "Succeeded", "False", "RolledBack");
}
