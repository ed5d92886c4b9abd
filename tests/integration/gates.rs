//! Alarms between batches, on the wire of CloudMonitor and of ESS.

use serde_json::{Value, json};

use crate::scene::{GROUP, Scene, assert_condition, assert_says, fixture, image_task, with};

/// A cloud with an alert rule of the group's application group, an event-triggered task, and these events.
fn watched(events: Value) -> Value {
    let mut cloud = with(
        fixture(),
        json!({
            "metricRules": [{"ruleId": "web-errors", "ruleName": "errors of web", "groupId": "7301", "state": "OK"}],
            "alarms": [{"alarmTaskId": "asg-alarm-1", "scalingGroupId": GROUP, "state": "OK"}],
            "events": events,
        }),
    );
    cloud["scalingGroups"][0]["monitorGroupId"] = json!("7301");
    cloud
}

/// In the first pause an alarm gets to this state.
fn in_the_first_pause(id: &str, state: &str) -> Value {
    json!([{"when": {"execution": {"status": "Waiting"}}, "do": {"alarmState": {"id": id, "state": state}}}])
}

fn gated(gates: Value) -> Value {
    let gates = with(
        json!({"intervalSeconds": 15, "consecutivePasses": 1}),
        gates,
    );
    with(image_task(), json!({ "gates": gates }))
}

#[tokio::test]
async fn an_update_whose_alarms_are_well_goes_on_unattended() {
    let scene = Scene::with_fixture(watched(json!([]))).await;
    let alarms = json!({"ruleIds": ["web-errors"], "fromScalingGroup": true});
    scene
        .create("web-v2", gated(json!({ "alarms": alarms })))
        .await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    assert_eq!(scene.notifications("Approve").await, 2);
    assert_eq!(task["status"]["approve"]["by"], "spec.gates");
    assert_condition(&task, "Verified", "True", "AsWanted");
}

#[tokio::test]
async fn an_alarm_holds_the_next_batch_until_a_person_continues() {
    for id in ["web-errors", "asg-alarm-1"] {
        let scene = Scene::with_fixture(watched(in_the_first_pause(id, "ALARM"))).await;
        let alarms = json!({"fromScalingGroup": true});
        scene
            .create("web-v2", gated(json!({ "alarms": alarms })))
            .await;
        let task = scene.until_state("web-v2", "BatchSuspended").await;
        assert_condition(&task, "Paused", "True", "GateFailed");
        let message = &task["status"]["pause"]["message"];
        assert_says(message, &["in ALARM", id, "ess-rollout.io/continue=1"]);
        let checks = &task["status"]["gate"]["checks"];
        assert_eq!(checks[0]["verdict"], "Fail", "{checks}");
        assert_eq!(scene.notifications("Approve").await, 0);
        scene.request("web-v2", "continue", "1").await;
        scene.until_paused("web-v2", 2).await;
        let task = scene.until_state("web-v2", "BatchSuspended").await;
        assert_condition(&task, "Paused", "True", "GateFailed");
        scene.request("web-v2", "continue", "2").await;
        scene.until_state("web-v2", "Succeeded").await;
    }
}

#[tokio::test]
async fn an_alarm_cancels_an_update_that_wants_it_so_and_the_group_is_put_back() {
    let alarm = in_the_first_pause("web-errors", "ALARM");
    let scene = Scene::with_fixture(watched(alarm)).await;
    let gates = json!({"alarms": {"ruleIds": ["web-errors"]}, "onFailed": "Cancel"});
    scene.create("web-v2", gated(gates)).await;
    let task = scene.until_state("web-v2", "Cancelled").await;
    assert_eq!(task["status"]["cancellation"]["reason"], "GateFailed");
    assert_condition(&task, "Restored", "True", "Restored");
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn a_permission_that_is_missing_is_said_before_anything_begins() {
    let mut cloud = watched(json!([]));
    cloud["principals"][0]["deny"] = json!(["cms:*"]);
    let scene = Scene::with_fixture(cloud).await;
    let gates = json!({"alarms": {"ruleIds": ["web-errors"]}});
    scene.create("web-v2", gated(gates)).await;
    let task = scene.until_state("web-v2", "Blocked").await;
    assert_condition(&task, "Preflight", "False", "GateUnusable");
    let conditions = task["status"]["conditions"].as_array().unwrap();
    let preflight = conditions.iter().find(|c| c["type"] == "Preflight");
    let said = &preflight.unwrap()["message"];
    assert_says(said, &["cms:DescribeMetricRuleList"]);
    assert_eq!(scene.starts().await, 0);
}
