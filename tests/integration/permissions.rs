//! Permissions that are missing, and what happens once they are granted.

use serde_json::json;

use crate::scene::{
    GROUP, Scene, Setup, assert_condition, assert_says, condition, fixture, kstatus, script_task,
    with,
};

/// A scene whose operator may do everything but this.
async fn without(action: &str) -> Scene {
    let mut fixture = fixture();
    fixture["principals"][0]["deny"] = json!([action]);
    Scene::with(Setup {
        fixture,
        ..Setup::default()
    })
    .await
}

async fn grant_everything(scene: &Scene) {
    scene
        .emulator
        .put("principals/operator", &json!({"allow": ["*"]}))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_start_that_is_denied_names_the_permission_and_goes_on_once_it_is_granted() {
    let scene = without("oos:StartExecution").await;
    scene.create("agent", script_task()).await;
    let task = scene
        .until_condition("agent", "Stalled", "True", "AccessDenied")
        .await;
    let message = &condition(&task, "Ready")["message"];
    assert_says(message, &["oos:StartExecution", "request id", "grant"]);
    assert_eq!(kstatus(&task), "Failed");
    // Nothing was started: the group is free for others until the next try. It is let go of after the status says why.
    let is_free = async || {
        let record = scene.record(GROUP).await;
        record["status"]["holder"]["name"].is_null().then_some(())
    };
    scene.eventually("the group is free", is_free).await;

    grant_everything(&scene).await;
    scene.poke("agent").await;
    scene.until_state("agent", "Succeeded").await;
    assert_eq!(scene.effects("StartExecution").await, 1);
}

#[tokio::test]
async fn reads_that_are_denied_block_the_start_and_it_goes_on_once_they_are_granted() {
    for action in ["oos:ListExecutions", "ess:DescribeScalingGroups"] {
        let scene = without(action).await;
        scene.create("agent", script_task()).await;
        let task = scene
            .until_condition("agent", "Preflight", "False", "AccessDenied")
            .await;
        assert_says(
            &condition(&task, "Preflight")["message"],
            &[action, "grant"],
        );
        assert_eq!(
            (&task["status"]["state"], kstatus(&task)),
            (&json!("Blocked"), "Failed")
        );
        assert_eq!(scene.starts().await, 0);
        grant_everything(&scene).await;
        scene.poke("agent").await;
        scene.until_state("agent", "Succeeded").await;
    }
}

#[tokio::test]
async fn lists_that_are_denied_in_the_middle_of_a_run_lose_nothing() {
    let scene = Scene::start().await;
    scene
        .create(
            "agent",
            with(
                script_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    scene.until_paused("agent", 1).await;
    let policy = json!({"allow": ["*"], "deny": ["oos:ListExecutions"]});
    scene
        .emulator
        .put("principals/operator", &policy)
        .await
        .unwrap();
    scene.request("agent", "continue", "1").await;
    let task = scene
        .until_condition("agent", "Stalled", "True", "AccessDenied")
        .await;
    assert_says(
        &condition(&task, "Stalled")["message"],
        &["oos:ListExecutions"],
    );

    grant_everything(&scene).await;
    scene.poke("agent").await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_eq!(task["status"]["actions"][0]["state"], "Applied");
    assert_eq!(scene.notifications("Approve").await, 1);
}

#[tokio::test]
async fn a_call_of_the_execution_that_is_denied_ends_up_in_the_result() {
    let scene = without("ess:SuspendProcesses").await;
    scene
        .create("agent", with(script_task(), json!({"onFailure": "Fail"})))
        .await;
    let task = scene.until_state("agent", "Failed").await;
    assert_says(
        &task["status"]["result"]["message"],
        &["ess:SuspendProcesses", "Forbidden.RAM"],
    );
    assert_condition(&task, "Restored", "True", "Restored");
    assert_eq!(scene.effects("RunCommand").await, 0);
}

#[tokio::test]
async fn a_call_for_an_instance_that_is_denied_ends_up_at_the_instance() {
    let scene = without("ecs:RunCommand").await;
    scene
        .create("agent", with(script_task(), json!({"onFailure": "Fail"})))
        .await;
    let task = scene.until_state("agent", "Failed").await;
    assert_says(
        &task["status"]["result"]["message"],
        &["i-web-01", "ecs:RunCommand", "Forbidden.RAM"],
    );
    let instance = &task["status"]["instances"][0];
    assert_condition(instance, "Updated", "False", "Failed");
    assert_says(
        &condition(instance, "Updated")["message"],
        &["ecs:RunCommand"],
    );
}
