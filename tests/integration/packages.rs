//! Packages: installed, failed, retried and rolled back, and what is known of them when not everything can be read.

use serde_json::{Value, json};

use crate::rolling_back::{apply, until_state};
use crate::scene::{GROUP, Scene, assert_condition, assert_says, condition, fixture, with};

const BAD: &str = "i-web-03";

/// All instances have version 1 of the package; the first attempt to change that fails on one.
fn agents() -> Value {
    let mut fixture = with(
        fixture(),
        json!({
            "packages": [{"name": "my-agent", "versions": 3}],
            "commands": [
                {"instance": BAD, "attempt": 1, "contentContains": "configure_package", "exitCode": 4, "output": "mirror unreachable\n"},
            ],
        }),
    );
    fixture["scalingGroups"][0]["instances"]["packages"] = json!({"my-agent": "v1"});
    fixture
}

fn task(package: Value) -> Value {
    let package = with(json!({"name": "my-agent"}), package);
    json!({"scalingGroupId": GROUP, "batches": 3, "update": {"package": package}})
}

async fn all_have(scene: &Scene, version: Option<&str>) -> bool {
    let installed = scene.instances(GROUP, "packages").await;
    installed
        .iter()
        .all(|(_, packages)| packages["my-agent"]["version"].as_str() == version)
}

/// What the newest execution was started with.
async fn last_start(scene: &Scene) -> Value {
    let starts = scene
        .emulator
        .journal("OOS", "StartExecution")
        .await
        .unwrap();
    let parameters = starts.last().unwrap()["params"]["Parameters"].clone();
    serde_json::from_str(parameters.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_package_is_updated_retried_where_it_failed_and_rolled_back_to_what_was_there() {
    let scene = Scene::with_fixture(agents()).await;
    // The newest: v3.
    scene.create("agent", task(json!({}))).await;
    let failed = scene.until_state("agent", "FailureSuspended").await;
    let all = failed["status"]["instances"].as_array().unwrap();
    let instance = all.iter().find(|i| i["id"] == BAD).unwrap();
    // Of the command one level below the execution of the instance.
    assert_eq!(instance["exitCode"], 4, "{instance}");
    assert_eq!(instance["outputTail"], "mirror unreachable");
    scene.request("agent", "retry", &format!("{BAD}@1")).await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Verified", "True", "AsWanted");
    assert_condition(&task, "Restored", "True", "Restored");
    assert!(all_have(&scene, Some("v3")).await);
    let start = last_start(&scene).await;
    assert_eq!(
        (
            &start["packageName"],
            &start["packageVersion"],
            &start["action"]
        ),
        (&json!("my-agent"), &json!("v3"), &json!("install"))
    );
    assert_eq!(task["status"]["plan"]["sourcePackage"]["version"], "v1");

    let of_task = json!({"taskRef": {"name": "agent"}, "batches": 2});
    apply(&scene, "back", of_task);
    let back = until_state(&scene, "back", "Succeeded").await;
    assert_condition(&back, "Verified", "True", "AsWanted");
    assert_eq!(back["status"]["source"]["method"], "Template");
    assert!(all_have(&scene, Some("v1")).await);
    let record = scene
        .eventually("the record says what is installed", async || {
            let record = scene.record(GROUP).await;
            Some(record).filter(|r| r["status"]["current"]["what"] == "package my-agent v1")
        })
        .await;
    assert!(record["status"]["leftovers"].is_null(), "{record}");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn an_uninstalled_package_comes_back_and_what_may_not_be_read_is_said() {
    let mut fixture = agents();
    fixture["commands"] = json!([]);
    let scene = Scene::with_fixture(fixture).await;
    let uninstall = task(json!({"action": "Uninstall"}));
    scene.create("gone", uninstall).await;
    let task = scene.until_state("gone", "Succeeded").await;
    assert_condition(&task, "Verified", "True", "AsWanted");
    assert!(all_have(&scene, None).await);
    apply(
        &scene,
        "undo",
        json!({"taskRef": {"name": "gone"}, "batches": 2}),
    );
    until_state(&scene, "undo", "Succeeded").await;
    assert!(all_have(&scene, Some("v1")).await);

    let denied = json!({"allow": ["*"], "deny": ["oos:ListInstancePackageStates"]});
    scene
        .emulator
        .put("principals/operator", &denied)
        .await
        .unwrap();
    scene
        .create("agent", self::task(json!({"version": "v2"})))
        .await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Verified", "True", "AsReported");
    let message = &condition(&task, "Verified")["message"];
    assert_says(message, &["ListInstancePackageStates", "request id"]);
    assert!(all_have(&scene, Some("v2")).await);
    // What was there before is not known, and not guessed.
    apply(
        &scene,
        "back",
        json!({"taskRef": {"name": "agent"}, "batches": 2}),
    );
    let refused = until_state(&scene, "back", "Failed").await;
    assert_condition(&refused, "Preflight", "False", "NoRollbackPayload");
    let to = json!({"taskRef": {"name": "agent"}, "batches": 2, "to": {"packageVersion": "v1"}});
    apply(&scene, "back-to", to);
    until_state(&scene, "back-to", "Succeeded").await;
    assert!(all_have(&scene, Some("v1")).await);
}
