//! Instances that failed, or have not begun, and what people decide about each: `kubectl annotate` with retry, skip,
//! cancel-instances.

use serde_json::{Value, json};

use crate::scene::{
    GROUP, Scene, assert_condition, assert_says, fixture, image_task, script_task, with,
};

const BAD: &str = "i-web-03";

/// The script ends with 7 on the first instance of the second batch, so many times.
async fn failing(times: u32) -> Scene {
    let commands: Vec<Value> = (1..=times)
        .map(|attempt| {
            json!({"instance": BAD, "attempt": attempt, "exitCode": 7, "output": "disk full\n"})
        })
        .collect();
    Scene::with_fixture(with(fixture(), json!({"commands": commands}))).await
}

/// As a person would.
fn annotate(scene: &Scene, task: &str, verb: &str, value: &str) {
    let annotation = format!("ess-rollout.io/{verb}={value}");
    let args = [
        "annotate",
        "rollingupdatetask",
        "-n",
        &scene.namespace,
        task,
    ];
    let args: Vec<&str> = args
        .into_iter()
        .chain([annotation.as_str(), "--overwrite"])
        .collect();
    scene.kubectl.run(&args).unwrap();
}

/// Waits until a request with this value has ended, and gives its entry in the ledger.
async fn settled(scene: &Scene, task: &str, field: &str, value: &str) -> Value {
    let task = scene
        .until(task, &format!("{field} {value} has ended"), |task| {
            let actions = task["status"]["actions"].as_array();
            task["status"]["handledActions"][field] == value
                && actions.is_some_and(|all| all.iter().all(|a| a["state"] != "Accepted"))
        })
        .await;
    task["status"]["actions"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone()
}

fn instance<'a>(task: &'a Value, id: &str) -> &'a Value {
    let all = task["status"]["instances"].as_array().unwrap();
    all.iter().find(|instance| instance["id"] == id).unwrap()
}

#[tokio::test]
async fn a_retry_runs_a_failed_instance_again_and_the_update_goes_on() {
    let scene = failing(1).await;
    scene.create("agent", script_task()).await;
    let task = scene.until_state("agent", "FailureSuspended").await;
    let command = format!(
        "kubectl annotate rollingupdatetask -n {} agent ess-rollout.io/retry={BAD}/1@",
        scene.namespace
    );
    assert_says(&task["status"]["pause"]["message"], &[BAD, &command]);

    for (value, reason) in [
        (BAD.to_owned(), "Malformed"),
        (format!("{BAD}/2@a"), "StaleAttempt"),
        ("i-web-01@b".to_owned(), "InstanceNotFailed"),
        ("i-other@c".to_owned(), "UnknownInstance"),
    ] {
        annotate(&scene, "agent", "retry", &value);
        let action = settled(&scene, "agent", "retry", &value).await;
        assert_eq!(
            (&action["state"], &action["reason"]),
            (&json!("Rejected"), &json!(reason)),
            "{action}"
        );
    }
    assert_eq!(scene.asked("OOS", "NotifyExecution").await, 0);

    let value = format!("{BAD}/1@1");
    annotate(&scene, "agent", "retry", &value);
    let action = settled(&scene, "agent", "retry", &value).await;
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Applied"), &json!("Retried"))
    );
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "Updated");
    assert_condition(&task, "Restored", "True", "Restored");
    assert_eq!(instance(&task, BAD)["attempt"], 2);
    assert_eq!(scene.notifications("RetryTask").await, 1);
    assert!(
        scene
            .all_instances(GROUP, "lifecycleState", "InService")
            .await
    );

    annotate(&scene, "agent", "retry", "i-web-03@late");
    let action = settled(&scene, "agent", "retry", "i-web-03@late").await;
    assert_eq!(action["reason"], "TaskFinished");
    let events = scene.event_reasons("agent").await;
    let told = |reason: &str| events.iter().any(|found| found == reason);
    assert!(
        told("ActionApplied") && told("ActionRejected"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_skip_whose_answer_is_lost_has_one_effect_and_the_instance_returns_to_service() {
    let scene = failing(9).await;
    let fault = json!({
        "service": "OOS", "action": "NotifyExecution", "caller": "outside", "count": 1, "effect": {"kind": "answerLost"},
    });
    scene.emulator.add_fault(&fault).await.unwrap();
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "FailureSuspended").await;
    let value = format!("{BAD}@1");
    annotate(&scene, "agent", "skip", &value);
    let action = settled(&scene, "agent", "skip", &value).await;
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Applied"), &json!("AlreadyEffective"))
    );
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "PartlyUpdated");
    assert_condition(&task, "Restored", "True", "Restored");
    assert_eq!(instance(&task, BAD)["state"], "Skipped");
    assert_eq!(task["status"]["summary"]["skipped"], 1);
    assert_eq!(scene.notifications("SkipTask").await, 1);
    assert!(
        scene
            .all_instances(GROUP, "lifecycleState", "InService")
            .await
    );
}

#[tokio::test]
async fn several_instances_are_given_up_at_once_also_before_their_turn() {
    let scene = failing(9).await;
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "FailureSuspended").await;
    let value = format!("{BAD},i-web-06,i-web-01@1");
    annotate(&scene, "agent", "cancel-instances", &value);
    let action = settled(&scene, "agent", "cancelInstances", &value).await;
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Applied"), &json!("PartlyApplied"))
    );
    let outcomes: Vec<_> = action["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["instance"].clone(), one["reason"].clone()))
        .collect();
    assert_eq!(
        json!(outcomes),
        json!([
            [BAD, "Cancelled"],
            ["i-web-06", "Cancelled"],
            ["i-web-01", "InstanceFinished"]
        ])
    );
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "PartlyUpdated");
    for id in [BAD, "i-web-06"] {
        assert_eq!(instance(&task, id)["state"], "Cancelled", "{id}");
    }
    // One waits in Standby for somebody to look at it; the other was never touched.
    assert_condition(&task, "Restored", "False", "LeftBehind");
    let states = scene.instances(GROUP, "lifecycleState").await;
    let standby: Vec<_> = states
        .iter()
        .filter(|(_, state)| state == "Standby")
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(standby, [BAD]);
    assert_eq!(scene.notifications("CancelTask").await, 2);
}

#[tokio::test]
async fn requests_on_a_task_that_is_to_fail_are_refused_with_the_reason() {
    let scene = failing(9).await;
    let spec = json!({"onFailure": "Fail", "suspensionPolicy": "SuspendFirstBatch"});
    scene.create("agent", with(script_task(), spec)).await;
    scene.until_paused("agent", 1).await;
    for (verb, field) in [
        ("retry", "retry"),
        ("skip", "skip"),
        ("cancel-instances", "cancelInstances"),
    ] {
        let value = format!("{BAD}@{verb}");
        annotate(&scene, "agent", verb, &value);
        let action = settled(&scene, "agent", field, &value).await;
        assert_eq!(
            (&action["state"], &action["reason"]),
            (&json!("Rejected"), &json!("NotSuspended")),
            "{action}"
        );
        assert_says(&action["message"], &["spec.onFailure is Fail"]);
    }
    assert_eq!(scene.asked("OOS", "NotifyExecution").await, 0);
}

/// Calls that OOS makes for an instance, refused.
async fn refuse(scene: &Scene, service: &str, action: &str, code: &str) {
    let fault = json!({
        "service": service, "action": action, "caller": "oos", "count": 0,
        "effect": {"kind": "error", "status": 403, "code": code, "message": "not today"},
    });
    scene.emulator.add_fault(&fault).await.unwrap();
}

#[tokio::test]
async fn a_failed_instance_says_which_call_failed_and_why() {
    let cases = [
        ("ECS", "RunCommand", "InstanceLocked", script_task()),
        (
            "ESS",
            "EnterStandby",
            "ScalingActivityInProgress",
            script_task(),
        ),
        (
            "ECS",
            "StopInstance",
            "IncorrectInstanceStatus",
            image_task(),
        ),
    ];
    for (service, action, code, spec) in cases {
        let scene = Scene::start().await;
        refuse(&scene, service, action, code).await;
        scene.create("web", spec).await;
        let task = scene.until_state("web", "FailureSuspended").await;
        let failed = instance(&task, "i-web-01");
        assert_condition(failed, "Updated", "False", "Failed");
        let updated = failed["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["type"] == "Updated");
        assert_says(&updated.unwrap()["message"], &[action, code]);
    }
    let commands = json!([{"instance": "i-web-01", "errorCode": "ClientNotResponse"}]);
    let scene = Scene::with_fixture(with(fixture(), json!({"commands": commands}))).await;
    scene.create("agent", script_task()).await;
    let task = scene.until_state("agent", "FailureSuspended").await;
    let failed = instance(&task, "i-web-01");
    let updated = failed["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == "Updated");
    assert_says(
        &updated.unwrap()["message"],
        &["Cloud Assistant", "ClientNotResponse"],
    );
}
