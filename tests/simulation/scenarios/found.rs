//! What is said in the end, where some were not updated, others have changed something, or an answer left something out at
//! the moment that mattered.

use serde_json::{Value, json};

use super::{another_active, console, disk_not_replaced, omit, suspended_first, tags_denied};
use crate::scenario::{
    Act::{Annotate, Console, Create, Delete, Wait},
    GROUP, NEW_IMAGE, OLD_IMAGE, Scenario,
    When::{Gone, Later, Paused, State},
    attached, image, object, script, with,
};

const IMAGE_TEMPLATE: &str = "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup";
const SCRIPT_TEMPLATE: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";

/// Nested executions.
fn children() -> Value {
    json!({"params": {"ParentExecutionId": "*"}})
}

fn when_it_succeeds(template: &str, fault: Value) -> Value {
    let when = json!({"execution": {"status": "Success", "templateName": template}});
    json!({"events": [{"when": when, "do": {"fault": fault}}]})
}

pub fn all() -> Vec<Scenario> {
    let at_once = |more: Value| with(json!({"batches": 1, "onFailure": "Fail"}), more);
    let mut all = vec![
        Scenario::new("nobody-is-updated", image("web", at_once(json!({"maxErrors": 4}))))
            .cloud(json!({"faults": [disk_not_replaced("*")]}))
            .ends("web", &["Failed"])
            .because("NotUpdated"),
        Scenario::new("one-failure-is-tolerated", image("web", at_once(json!({"maxErrors": 1}))))
            .cloud(json!({"faults": [disk_not_replaced("i-web-02")]}))
            .ends("web", &["Succeeded"]),
        Scenario::new("one-instance-is-passed-over", image("web", json!({})))
            .cloud(json!({"faults": [disk_not_replaced("i-web-02")]}))
            .then(State("web", "FailureSuspended"), Annotate("web", "skip", "i-web-02@1"))
            .ends("web", &["Succeeded"]),
        Scenario::new("all-updated-and-another-active", image("web", json!({})))
            .cloud(with(another_active("asc-next", OLD_IMAGE), json!({"faults": [tags_denied()]})))
            .then(State("web", "FailureSuspended"), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        // Whom the update touched is known from the task, whatever one list says.
        Scenario::new("a-rollback-is-told-of-nobody", image("web", json!({})))
            .cloud(when_it_succeeds(IMAGE_TEMPLATE, with(omit("ListExecutions", &["*"]), with(children(), json!({"afterSeconds": 60, "forSeconds": 30, "count": 0})))))
            .then(State("web", "Succeeded"), Wait)
            .then(Later(62), Create(object("Rollback", "undo", json!({"taskRef": {"name": "web"}, "batches": 2}))))
            .ends("rollbacks/undo", &["Succeeded"]),
        Scenario::new("members-left-out-at-the-start", image("web", json!({})))
            .cloud(json!({"faults": [omit("DescribeScalingInstances", &["i-web-01", "i-web-02", "i-web-03"])]}))
            .ends("web", &["Succeeded"]),
        Scenario::new("nested-executions-left-out-at-the-end", script("web", json!({})))
            .cloud(when_it_succeeds(SCRIPT_TEMPLATE, with(omit("ListExecutions", &["*"]), children())))
            .ends("web", &["Succeeded"]),
        // It is in service, and nobody is served by it.
        Scenario::new("stopped-after-its-update", script("web", suspended_first(json!({}))))
            .then(Paused("web", 1), Console { of: "web", service: "ECS", action: "StopInstance", params: json!({"InstanceId": "i-web-01"}) })
            .others_change(&["i-web-01"])
            .then(Later(30), Annotate("web", "continue", "1"))
            .ends("web", &["Succeeded"]),
        // Who is in a server group has not left the scaling group, whatever the one list says that is read once the others are healthy.
        Scenario::new("unhealthy-and-left-out-at-the-end", script("web", json!({})))
            .cloud(attached(json!([{"instance": "i-web-02", "attempt": 1, "status": "abnormal", "loadBalancer": "lb-web"}])))
            .cloud(when_it_succeeds(SCRIPT_TEMPLATE, with(omit("DescribeScalingInstances", &["i-web-02"]), json!({"nth": 3}))))
            .ends("web", &["Succeeded"]),
    ];
    all.extend(ended_early());
    all
}

fn ended_early() -> Vec<Scenario> {
    let on_cancel = |fault: Value| {
        let when = json!({"call": {"service": "OOS", "action": "CancelExecution"}});
        json!({"when": when, "do": {"fault": fault}})
    };
    let orphan = |more: Value| with(json!({"deletionPolicy": "Orphan"}), more);
    vec![
        Scenario::new("an-instance-left-out-after-a-cancel", image("web", json!({})))
            .cloud(json!({"faults": [tags_denied()], "events": [
                on_cancel(with(omit("DescribeInstances", &["i-web-03"]), json!({"count": 0, "forSeconds": 90}))),
            ]}))
            .then(State("web", "FailureSuspended"), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        // Both are left out while its end is looked at first (300 s after the deletion), and not for as long as the bound on
        // lateness asks for before what no answer shows is taken for gone.
        Scenario::new("an-orphan-and-what-is-left-out", image("web", orphan(json!({"onFailure": "Fail"}))))
            .cloud(json!({"faults": [
                disk_not_replaced("i-web-02"),
                with(omit("DescribeScalingConfigurations", &["asc-web"]), json!({"count": 0, "afterSeconds": 285, "forSeconds": 70})),
                with(omit("DescribeScalingInstances", &["i-web-02"]), json!({"count": 0, "afterSeconds": 285, "forSeconds": 70})),
            ]}))
            .then(State("web", "Running"), Delete("web"))
            .ends("web", &["Gone"]),
        // No list shows it for longer than an effect takes, and nobody else begins meanwhile.
        Scenario::new("an-orphan-that-is-not-listed", image("web", orphan(suspended_first(json!({})))))
            .cloud(json!({"faults": [
                with(omit("ListExecutions", &["*"]), json!({"count": 0, "afterSeconds": 300, "forSeconds": 120})),
            ]}))
            .then(Paused("web", 1), Delete("web"))
            .then(Gone("web"), Create(script("next", json!({}))))
            .then(Later(600), Console {
                of: "scalinggrouprecords/cn-hangzhou.asg-web",
                service: "OOS",
                action: "CancelExecution",
                params: json!({"ExecutionId": "$execution"}),
            })
            .ends("next", &["Succeeded"]),
        Scenario::new("a-person-holds-an-instance", image("web", suspended_first(json!({"failedInstancePolicy": "ReturnToService"}))))
            .then(Paused("web", 1), console("web", "EnterStandby", json!({"ScalingGroupId": GROUP, "InstanceIds": ["i-web-04"]})))
            .then(Later(5), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"])
            .others_change(&["i-web-04"]),
        Scenario::new("a-person-puts-in-another-image", image("web", suspended_first(json!({}))))
            .cloud(json!({"images": [{"imageId": OLD_IMAGE}, {"imageId": NEW_IMAGE}, {"imageId": "m-v3"}]}))
            .then(Paused("web", 1), console("web", "ModifyScalingConfiguration", json!({"ScalingConfigurationId": "asc-web", "ImageId": "m-v3"})))
            .then(Later(5), Annotate("web", "continue", "1"))
            .ends("web", &["Succeeded"])
            .others_change(&["asc-web"]),
        Scenario::new("may-not-cancel-for-a-while", script("web", suspended_first(json!({}))))
            .cloud(json!({"events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"fault": {
                "service": "OOS", "action": "CancelExecution", "principal": "operator", "count": 0, "forSeconds": 900, "effect": {"kind": "deny"},
            }}}]}))
            .then(Paused("web", 1), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
    ]
}
