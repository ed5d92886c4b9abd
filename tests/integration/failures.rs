//! An instance that fails, and what becomes of the update, of it and of the group.

use serde_json::{Value, json};

use crate::scene::{
    CONFIGURATION, GROUP, Scene, assert_condition, assert_says, fixture, image_task, kstatus,
    script_task, with,
};

const BAD: &str = "i-web-03";

/// The script ends with 7 on the first instance of the second batch.
fn one_fails() -> Value {
    with(
        fixture(),
        json!({"commands": [{"instance": BAD, "exitCode": 7, "output": "disk full\n"}]}),
    )
}

/// The disk of the same instance cannot be replaced.
async fn refuse_the_disk(scene: &Scene) {
    let fault = json!({
        "service": "ECS", "action": "ReplaceSystemDisk", "params": {"InstanceId": BAD}, "caller": "oos", "count": 0,
        "effect": {"kind": "error", "status": 403, "code": "OperationDenied.ImageNotValid", "message": "The image is not valid."},
    });
    scene.emulator.add_fault(&fault).await.unwrap();
}

fn instance<'a>(task: &'a Value, id: &str) -> &'a Value {
    let all = task["status"]["instances"].as_array().unwrap();
    all.iter().find(|instance| instance["id"] == id).unwrap()
}

fn restore_item<'a>(task: &'a Value, target: &str) -> &'a Value {
    let items = task["status"]["restore"]["items"].as_array().unwrap();
    items
        .iter()
        .find(|item| item["target"] == target)
        .unwrap_or(&Value::Null)
}

async fn leftovers(scene: &Scene) -> Vec<Value> {
    let record = scene
        .eventually("the record is free", async || {
            Some(scene.record(GROUP).await).filter(|record| record["status"]["holder"].is_null())
        })
        .await;
    let left = record["status"]["leftovers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    left.iter().map(|left| left["target"].clone()).collect()
}

#[tokio::test]
async fn a_failure_ends_the_update_where_it_is_to_fail() {
    let scene = Scene::with_fixture(one_fails()).await;
    scene
        .create("agent", with(script_task(), json!({"onFailure": "Fail"})))
        .await;
    let task = scene.until_state("agent", "Failed").await;

    assert_condition(&task, "Succeeded", "False", "ExecutionFailed");
    assert_eq!(kstatus(&task), "Failed");
    assert_says(
        &task["status"]["result"]["message"],
        &[BAD, "batch 2", "exit code 7"],
    );
    let failed = instance(&task, BAD);
    assert_eq!(
        (&failed["state"], &failed["exitCode"], &failed["outputTail"]),
        (&json!("Failed"), &json!(7), &json!("disk full"))
    );
    assert_condition(failed, "Updated", "False", "Failed");
    assert_condition(failed, "InService", "False", "Standby");
    assert_eq!(task["status"]["summary"]["failed"], 1);
    assert_eq!(instance(&task, "i-web-06")["state"], "Pending");

    // The group works as before; the instance waits for somebody to look at it.
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    assert_condition(&task, "Restored", "False", "LeftBehind");
    let item = restore_item(&task, BAD);
    assert_eq!(
        (&item["kind"], &item["state"]),
        (&json!("Standby"), &json!("Left"))
    );
    assert_eq!(leftovers(&scene).await, [BAD]);
    let reasons = scene.event_reasons("agent").await;
    for reason in ["InstanceFailed", "Failed", "LeftBehind"] {
        assert!(
            reasons.iter().any(|found| found == reason),
            "{reason} is not in {reasons:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_suspends_the_update_until_a_person_ends_it() {
    let scene = Scene::with_fixture(one_fails()).await;
    scene.create("agent", script_task()).await;
    let task = scene.until_state("agent", "FailureSuspended").await;
    assert_condition(&task, "Paused", "True", "FailurePaused");
    assert_eq!(kstatus(&task), "Failed");
    assert_eq!(instance(&task, BAD)["exitCode"], 7);

    scene.request("agent", "continue", "current@1").await;
    let action = scene.until_settled("agent", "continue", "current@1").await;
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Rejected"), &json!("FailurePause"))
    );
    scene.polls(3).await;
    assert_eq!(scene.notifications("Approve").await, 0);

    scene
        .patch_spec("agent", json!({"desiredState": "Cancelled"}))
        .await;
    let task = scene.until_state("agent", "Cancelled").await;
    assert_condition(&task, "Succeeded", "False", "Cancelled");
    assert_condition(&task, "Restored", "False", "LeftBehind");
    assert_eq!(task["status"]["execution"]["status"], "Cancelled");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    assert_eq!(restore_item(&task, BAD)["state"], "Left");
    assert_eq!(leftovers(&scene).await, [BAD]);

    // Cancelled is final.
    scene
        .patch_spec("agent", json!({"desiredState": "Run"}))
        .await;
    scene
        .until("agent", "the change is seen", |task| {
            kstatus(task) != "InProgress"
        })
        .await;
    assert_eq!(scene.task("agent").await["status"]["state"], "Cancelled");
    assert_eq!(scene.starts().await, 1);
}

#[tokio::test]
async fn a_failed_instance_returns_to_service_where_the_task_says_so() {
    let scene = Scene::with_fixture(one_fails()).await;
    let spec = json!({"onFailure": "Fail", "failedInstancePolicy": "ReturnToService"});
    scene.create("agent", with(script_task(), spec)).await;
    let task = scene.until_state("agent", "Failed").await;
    assert_condition(&task, "Restored", "True", "Restored");
    assert!(
        scene
            .all_instances(GROUP, "lifecycleState", "InService")
            .await
    );
    assert_eq!(leftovers(&scene).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_failed_image_update_puts_the_old_image_back_into_the_scaling_configuration() {
    let scene = Scene::start().await;
    refuse_the_disk(&scene).await;
    scene
        .create("web-v2", with(image_task(), json!({"onFailure": "Fail"})))
        .await;
    let task = scene.until_state("web-v2", "Failed").await;
    assert_says(
        &task["status"]["result"]["message"],
        &[BAD, "OperationDenied.ImageNotValid", "ReplaceSystemDisk"],
    );
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v1");
    assert_eq!(restore_item(&task, CONFIGURATION)["state"], "Restored");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    assert_eq!(leftovers(&scene).await, [BAD]);
}

#[tokio::test]
async fn a_cancelled_image_update_puts_the_old_image_back_unless_told_to_leave_it() {
    for (policy, image, restored) in [("Restore", "m-v1", "True"), ("Manual", "m-v2", "False")] {
        let scene = Scene::start().await;
        let spec = json!({"suspensionPolicy": "SuspendFirstBatch", "restorePolicy": policy});
        scene.create("web-v2", with(image_task(), spec)).await;
        scene.until_paused("web-v2", 1).await;
        assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v2");
        scene.request("web-v2", "cancel", "enough").await;
        let task = scene.until_state("web-v2", "Cancelled").await;
        assert_eq!(scene.configuration_image(CONFIGURATION).await, image);
        let reason = if restored == "True" {
            "Restored"
        } else {
            "LeftBehind"
        };
        assert_condition(&task, "Restored", restored, reason);
        assert_eq!(task["status"]["actions"][0]["state"], "Applied");
        if policy == "Manual" {
            assert_eq!(restore_item(&task, CONFIGURATION)["state"], "Left");
        } else {
            assert_eq!(
                scene.suspended_processes(GROUP).await,
                json!(["ScheduledAction"])
            );
        }
    }
}

#[tokio::test]
async fn as_many_instances_may_fail_as_max_errors_says() {
    let scene = Scene::start().await;
    refuse_the_disk(&scene).await;
    scene
        .create(
            "web-v2",
            with(image_task(), json!({"maxErrors": 1, "onFailure": "Fail"})),
        )
        .await;
    let task = scene
        .until("web-v2", "the end", |task| {
            !task["status"]["result"].is_null() && task["status"]["restore"]["done"] == true
        })
        .await;
    assert_eq!(
        (
            &task["status"]["summary"]["succeeded"],
            &task["status"]["summary"]["failed"]
        ),
        (&json!(5), &json!(1))
    );
    assert_condition(&task, "Succeeded", "True", "PartlyUpdated");
    assert_says(
        &task["status"]["result"]["message"],
        &["5 of 6", "1 failed"],
    );
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v2");
    assert_eq!(leftovers(&scene).await, [BAD]);
}
