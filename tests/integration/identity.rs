//! One run for one object, on an apiserver that really takes objects away: time to live, restore from backup, copies,
//! `kubectl replace --force`, and a namespace that goes.

use ess_rollout_test_support::chart;
use serde_json::{Value, json};

use crate::scene::{GROUP, Scene, Setup, assert_condition, fixture, script_task, task, with};

const ANNOTATION: &str = "ess-rollout.io/execution-id";

async fn gone(scene: &Scene, name: &str) {
    scene
        .eventually(&format!("{name} is gone"), async || {
            scene.find_task(name).await.is_none().then_some(())
        })
        .await;
}

/// What a backup keeps of an object: no status, and of the metadata what a person writes.
fn backup(object: &Value, name: &str) -> Value {
    let mut manifest = task(name, object["spec"].clone());
    manifest["metadata"]["annotations"] = object["metadata"]["annotations"].clone();
    manifest
}

#[tokio::test]
async fn a_finished_task_is_deleted_when_its_time_is_up_and_its_run_key_stays() {
    let scene = Scene::start().await;
    let spec = with(
        script_task(),
        json!({"ttlSecondsAfterFinished": 2, "runKey": "v1"}),
    );
    scene.create("agent", spec.clone()).await;
    gone(&scene, "agent").await;
    let record = scene.record(GROUP).await;
    assert!(record["status"]["holder"].is_null());
    assert_eq!(record["status"]["runKeys"][0]["outcome"], "Succeeded");

    // What a sync from Git does next.
    scene
        .create(
            "agent",
            with(spec, json!({"ttlSecondsAfterFinished": null})),
        )
        .await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "AlreadyRun");
    assert_eq!(scene.starts().await, 1);
    scene
        .patch_spec("agent", json!({"ttlSecondsAfterFinished": 0}))
        .await;
    gone(&scene, "agent").await;
}

#[tokio::test]
async fn a_task_restored_without_its_status_follows_its_execution_and_a_copy_does_not() {
    let scene = Scene::start().await;
    let spec = with(
        script_task(),
        json!({"suspensionPolicy": "SuspendFirstBatch", "deletionPolicy": "Orphan"}),
    );
    scene.create("agent", spec).await;
    scene.until_paused("agent", 1).await;
    let before = scene
        .until("agent", "is annotated", |task| {
            task["metadata"]["annotations"][ANNOTATION].is_string()
        })
        .await;
    let id = before["status"]["execution"]["id"].clone();
    let uid = before["metadata"]["uid"].clone();
    scene.delete("agent").await;
    gone(&scene, "agent").await;

    let both = json!({"apiVersion": "v1", "kind": "List",
        "items": [backup(&before, "agent"), backup(&before, "copy")]});
    scene
        .kubectl
        .apply(&scene.namespace, &both.to_string())
        .unwrap();
    let again = scene.until_paused("agent", 1).await;
    assert_ne!(again["metadata"]["uid"], uid);
    assert_eq!(again["status"]["execution"]["id"], id);
    scene.polls(3).await;
    assert_eq!(scene.starts().await, 1);

    scene.request("agent", "continue", "1").await;
    let done = scene.until_state("agent", "Succeeded").await;
    assert_condition(&done, "Restored", "True", "Restored");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    // The copy is an object of its own, and its turn comes.
    let copy = scene.until_paused("copy", 1).await;
    assert_ne!(copy["status"]["execution"]["id"], id);
    scene.request("copy", "continue", "1").await;
    scene.until_state("copy", "Succeeded").await;
    assert_eq!(scene.starts().await, 2);
}

#[tokio::test]
async fn replacing_a_task_by_force_runs_it_again_unless_it_has_a_run_key() {
    let scene = Scene::start().await;
    for (name, key, starts, reason) in [
        ("keyed", json!("v1"), 1, "AlreadyRun"),
        ("plain", Value::Null, 3, "Updated"),
    ] {
        let spec = with(script_task(), json!({"runKey": key}));
        scene.create(name, spec.clone()).await;
        let first = scene.until_state(name, "Succeeded").await;
        scene
            .kubectl
            .run_with_input(
                &["replace", "--force", "-n", &scene.namespace, "-f", "-"],
                Some(&task(name, spec).to_string()),
            )
            .unwrap();
        let second = scene
            .until(name, "the new one is done", |task| {
                task["metadata"]["uid"] != first["metadata"]["uid"]
                    && task["status"]["state"] == "Succeeded"
            })
            .await;
        assert_condition(&second, "Succeeded", "True", reason);
        assert_eq!(scene.starts().await, starts, "{name}");
    }
}

#[tokio::test]
async fn what_is_left_when_a_namespace_goes_is_on_record() {
    let mut fixture = fixture();
    // May start an update and may not end it.
    fixture["principals"].as_array_mut().unwrap().push(json!({
        "name": "team", "accessKeyId": "team-key", "accessKeySecret": "team-secret",
        "allow": ["ess:*", "ecs:*", "oos:List*", "oos:Get*", "oos:StartExecution"],
    }));
    let scene = Scene::with(Setup {
        fixture,
        ..Setup::default()
    })
    .await;
    let secret = json!({"accessKeyId": "team-key", "accessKeySecret": "team-secret"});
    scene.create_secret("team", secret).await;
    let spec = with(
        script_task(),
        json!({"credentialsRef": {"name": "team"}, "suspensionPolicy": "SuspendFirstBatch",
            "deletionTimeoutSeconds": 4}),
    );
    scene.create("agent", spec).await;
    scene.until_paused("agent", 1).await;

    // What the namespace controller does: marks it, and deletes what is in it, in no good order.
    let namespace = scene.namespace.as_str();
    for args in [
        &["delete", "rolebindings", "--all", "-n", namespace][..],
        &["delete", "secret", "team", "-n", namespace],
    ] {
        scene.kubectl.run(args).unwrap();
    }
    scene.delete("agent").await;
    let args = ["delete", "namespace", namespace, "--wait=false"];
    scene.kubectl.run(&args).unwrap();
    let deleted = scene.task("agent").await;
    assert!(!deleted["metadata"]["deletionTimestamp"].is_null());

    // The cure that the chart's values name.
    let values = json!({
        "watchNamespaces": [namespace],
        "crds": {"enabled": false},
        "rbac": {"aggregate": false, "clusterWideTasks": true},
    });
    for document in chart::render_chart_in(&scene.installation.namespace, &values).unwrap() {
        if chart::kind(&document).starts_with("ClusterRole") {
            let manifest = document.to_string();
            scene.kubectl.apply("default", &manifest).unwrap();
        }
    }
    gone(&scene, "agent").await;
    let record = scene.record(GROUP).await;
    assert!(record["status"]["holder"].is_null());
    let left = record["status"]["leftovers"].as_array().unwrap();
    let processes = left.iter().filter(|line| line["kind"] == "Process");
    assert_eq!(processes.count(), 4, "{left:?}");
}
