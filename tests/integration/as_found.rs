//! After an image update that was cancelled, failed, was skipped in part or was rolled back, the scaling group is as it
//! was found: processes, scaling configuration, and each instance's lifecycle state, protection and load-balancer weight.

use serde_json::{Value, json};

use crate::rolling_back;
use crate::scene::{Scene, assert_condition, fixture, image_task, with};

const GROUPS: [&str; 4] = ["cancelled", "failed", "skipped", "back"];

/// Four instances, one of them Protected. The disk of the first of a group whose update is to fail cannot be replaced.
fn scaling_group(name: &str) -> Value {
    json!({
        "scalingGroupId": format!("asg-{name}"),
        "maxSize": 20,
        "suspendedProcesses": ["ScheduledAction"],
        "configurations": [{"scalingConfigurationId": format!("asc-{name}"), "imageId": "m-v1"}],
        "instances": [
            {"count": 3, "idPrefix": format!("i-{name}-")},
            {"count": 1, "idPrefix": format!("i-{name}-protected-"), "lifecycleState": "Protected"},
        ],
    })
}

/// What an update changes and has to put back.
async fn found(scene: &Scene, name: &str) -> Value {
    let group = format!("asg-{name}");
    let mut instances = Vec::new();
    for field in ["lifecycleState", "loadBalancerWeight", "status"] {
        instances.push(json!({field: scene.instances(&group, field).await}));
    }
    json!({
        "processes": scene.suspended_processes(&group).await,
        "image": scene.configuration_image(&format!("asc-{name}")).await,
        "instances": instances,
    })
}

fn update(name: &str, more: Value) -> Value {
    let of_group = json!({
        "scalingGroupId": format!("asg-{name}"),
        "lifecycleStates": ["InService", "Protected"],
        "batches": 2,
    });
    with(with(image_task(), of_group), more)
}

#[tokio::test]
async fn the_group_is_as_it_was_found_however_an_image_update_ends() {
    let groups: Vec<Value> = GROUPS.map(scaling_group).into();
    let scene = Scene::with_fixture(with(fixture(), json!({"scalingGroups": groups}))).await;
    let mut before = Vec::new();
    for name in GROUPS {
        before.push(found(&scene, name).await);
    }
    assert!(before[0].to_string().contains("Protected"), "{}", before[0]);
    for name in ["failed", "skipped"] {
        let instance = format!("i-{name}-02");
        let fault = json!({
            "service": "ECS", "action": "ReplaceSystemDisk", "params": {"InstanceId": instance}, "caller": "oos", "count": 0,
            "effect": {"kind": "error", "status": 403, "code": "OperationDenied.ImageNotValid", "message": "The image is not valid."},
        });
        scene.emulator.add_fault(&fault).await.unwrap();
    }

    let pausing = json!({"suspensionPolicy": "SuspendFirstBatch"});
    let failing = json!({"onFailure": "Fail", "failedInstancePolicy": "ReturnToService"});
    for (name, more) in [
        ("cancelled", pausing),
        ("failed", failing),
        ("skipped", json!({})),
        ("back", json!({})),
    ] {
        scene.create(name, update(name, more)).await;
    }
    scene.until_paused("cancelled", 1).await;
    let paused = found(&scene, "cancelled").await;
    assert_ne!(paused, before[0], "nothing was changed meanwhile");
    scene
        .patch_spec("cancelled", json!({"desiredState": "Cancelled"}))
        .await;
    scene.until_state("skipped", "FailureSuspended").await;
    scene.request("skipped", "skip", "i-skipped-02@1").await;
    scene.until_state("back", "Succeeded").await;
    let back = json!({"taskRef": {"name": "back"}, "batches": 2});
    rolling_back::apply(&scene, "back", back);

    for (name, state) in [("cancelled", "Cancelled"), ("failed", "Failed")] {
        scene.until_state(name, state).await;
    }
    let rollback = rolling_back::until_state(&scene, "back", "Succeeded").await;
    assert_condition(&rollback, "Restored", "True", "Restored");
    let skipped = scene.until_state("skipped", "Succeeded").await;
    assert_condition(&skipped, "Restored", "True", "Restored");

    // A skipped instance keeps what it runs, the others have the new image: that update has succeeded, and the
    // configuration keeps the new image.
    before[2]["image"] = json!("m-v2");
    for (name, before) in GROUPS.iter().zip(before) {
        assert_eq!(found(&scene, name).await, before, "{name}");
    }
}
