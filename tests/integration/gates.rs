//! Checks between batches, on the wire of CloudMonitor, of ESS and of the load balancers.

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

/// The group is attached to load balancers of each product, to one of ALB by a forwarding rule, and these health checks are decided.
fn attached(health: Value) -> Value {
    let mut cloud = with(
        fixture(),
        json!({
            "durations": {"backendHealthCheck": 5},
            "loadBalancers": [{"loadBalancerId": "alb-shop", "type": "ALB", "listeners": [{
                "port": 443, "protocol": "HTTPS", "serverGroupId": "sgp-home",
                "rules": [{"ruleId": "rule-api", "serverGroupId": "sgp-web"}],
            }]}],
            "backendHealth": health,
        }),
    );
    let group = &mut cloud["scalingGroups"][0];
    group["loadBalancerIds"] = json!(["lb-web"]);
    group["vServerGroups"] = json!([{
        "loadBalancerId": "lb-other", "vServerGroupAttributes": [{"vServerGroupId": "rsp-web", "port": 8080, "weight": 70}],
    }]);
    group["albServerGroups"] = json!([{"albServerGroupId": "sgp-web", "port": 8080}]);
    group["serverGroups"] = json!([{"serverGroupId": "sgp-tcp", "type": "NLB", "port": 9000}]);
    cloud
}

fn balanced(gate: Value) -> Value {
    let gates = json!({"loadBalancer": gate, "intervalSeconds": 15, "consecutivePasses": 1});
    with(image_task(), json!({ "gates": gates }))
}

#[tokio::test]
async fn an_update_whose_instances_are_found_healthy_goes_on_unattended() {
    let scene = Scene::with_fixture(attached(json!([]))).await;
    scene
        .create("web-v2", balanced(json!({"scope": "Group"})))
        .await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    assert_eq!(scene.notifications("Approve").await, 2);
    assert_eq!(task["status"]["approve"]["by"], "spec.gates");
}

#[tokio::test]
async fn an_instance_that_any_of_the_load_balancers_finds_unhealthy_holds_the_next_batch() {
    for (at, said) in [
        (
            json!({"loadBalancer": "lb-web"}),
            "is unhealthy in CLB lb-web",
        ),
        (
            json!({"serverGroup": "rsp-web"}),
            "is unhealthy in vServer group rsp-web of CLB lb-other",
        ),
        (
            json!({"serverGroup": "sgp-web", "reason": "RESPONSE_MISMATCH"}),
            "is unhealthy in ALB server group sgp-web (RESPONSE_MISMATCH)",
        ),
        (
            json!({"serverGroup": "sgp-tcp"}),
            "is unhealthy in NLB server group sgp-tcp (CONNECT_FAILED)",
        ),
    ] {
        let health = with(json!({"attempt": 1, "status": "abnormal"}), at);
        let scene = Scene::with_fixture(attached(json!([health]))).await;
        let gate = json!({"gracePeriodSeconds": 0});
        scene.create("web-v2", balanced(gate)).await;
        let task = scene.until_state("web-v2", "BatchSuspended").await;
        assert_condition(&task, "Paused", "True", "GateFailed");
        let verdict = &task["status"]["gate"]["verdict"];
        assert_says(&verdict["message"], &["loadBalancer: ", said]);
        assert_eq!(scene.notifications("Approve").await, 0);
    }
}

#[tokio::test]
async fn load_balancers_that_may_not_be_read_are_said_before_anything_begins() {
    for (service, action) in [
        ("slb", "DescribeHealthStatus"),
        ("slb", "DescribeVServerGroupAttribute"),
        ("alb", "ListServerGroupServers"),
        ("nlb", "GetListenerHealthStatus"),
    ] {
        let mut cloud = attached(json!([]));
        let action = format!("{service}:{action}");
        cloud["principals"][0]["deny"] = json!([action]);
        let scene = Scene::with_fixture(cloud).await;
        scene.create("web-v2", balanced(json!({}))).await;
        let task = scene.until_state("web-v2", "Blocked").await;
        assert_condition(&task, "Preflight", "False", "GateUnusable");
        let conditions = task["status"]["conditions"].as_array().unwrap();
        let preflight = conditions.iter().find(|c| c["type"] == "Preflight");
        assert_says(&preflight.unwrap()["message"], &[&action]);
        assert_eq!(scene.starts().await, 0);
    }
}

/// What befalls the calls of a check in a pause, and what it comes to: doubt holds, and is nobody's guilt.
async fn in_doubt(scene: &Scene, (service, action): (&str, &str), none: &str) {
    scene
        .until("web-v2", "a check that passes in a pause", |task| {
            // Alarms are asked while the batch is under way, too.
            let status = &task["status"];
            status["state"] == "BatchHeld" && status["gate"]["checks"][0]["verdict"] == "Pass"
        })
        .await;
    let refused = |status: u16, code: &str| json!({"kind": "error", "status": status, "code": code, "message": "as the test says"});
    let unanswered = |code: &str| format!("{action} gave no answer: {code}");
    for (effect, verdict, said) in [
        (
            json!({"kind": "deny"}),
            "Inconclusive",
            unanswered("Forbidden.RAM"),
        ),
        (
            refused(401, "InvalidSecurityToken.Expired"),
            "Inconclusive",
            unanswered("InvalidSecurityToken.Expired"),
        ),
        (
            refused(503, "ServiceUnavailable"),
            "Inconclusive",
            unanswered("ServiceUnavailable"),
        ),
        (
            json!({"kind": "throttle"}),
            "Inconclusive",
            // It is asked again as soon as it may be, and nothing new is said until then.
            unanswered(""),
        ),
        // Later than the operator waits for any call.
        (
            json!({"kind": "delay", "millis": 4000}),
            "Inconclusive",
            unanswered(""),
        ),
        (json!({"kind": "omit"}), "Inconclusive", none.to_owned()),
        // Slow, and an answer.
        (
            json!({"kind": "delay", "millis": 500}),
            "Pass",
            String::new(),
        ),
    ] {
        let fault = json!({"service": service, "action": action, "count": 0, "effect": effect});
        let id = scene.emulator.add_fault(&fault).await.unwrap();
        let what = format!("{verdict} by {effect}");
        let kind = &effect["kind"];
        let met = async || {
            let calls = scene.emulator.calls().await.unwrap();
            calls
                .iter()
                .any(|call| call["fault"] == *kind && call["action"] == action)
                .then_some(())
        };
        scene.eventually(&what, met).await;
        let task = scene
            .until("web-v2", &what, |task| {
                let check = &task["status"]["gate"]["checks"][0];
                let message = check["message"].as_str().unwrap_or_default();
                check["verdict"] == verdict && message.contains(&said)
            })
            .await;
        assert_eq!(task["status"]["state"], "BatchHeld", "{what}");
        assert!(task["status"]["gate"]["verdict"].is_null(), "{what}");
        let gone = format!("faults/{id}");
        scene.emulator.delete(&gone).await.unwrap();
    }
    assert_eq!(scene.notifications("Approve").await, 0);
}

/// Checks in a pause that a soak keeps for longer than the test takes.
fn in_a_soak(gates: Value) -> Value {
    gated(with(gates, json!({"soakSeconds": 900})))
}

#[tokio::test]
async fn whatever_befalls_the_calls_about_alarms_is_doubt() {
    let scene = Scene::with_fixture(watched(json!([]))).await;
    let gates = json!({"alarms": {"ruleIds": ["web-errors"]}});
    scene.create("web-v2", in_a_soak(gates)).await;
    in_doubt(&scene, ("CMS", "DescribeMetricRuleList"), "web-errors").await;
}

#[tokio::test]
async fn whatever_befalls_the_calls_about_health_is_doubt() {
    let scene = Scene::with_fixture(attached(json!([]))).await;
    let gates = json!({"loadBalancer": {}});
    scene.create("web-v2", in_a_soak(gates)).await;
    let health = ("SLB", "DescribeHealthStatus");
    in_doubt(&scene, health, "is checked by no listener in").await;
}

#[tokio::test]
async fn whatever_befalls_the_calls_about_weights_is_doubt() {
    let scene = Scene::with_fixture(attached(json!([]))).await;
    let gates = json!({"loadBalancer": {}});
    scene.create("web-v2", in_a_soak(gates)).await;
    in_doubt(&scene, ("ALB", "ListServerGroupServers"), "is not in").await;
}
