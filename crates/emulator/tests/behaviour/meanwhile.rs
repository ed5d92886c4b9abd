//! What changes under a client while it works: faults that begin and end, answers that leave
//! something out, rights that are taken away, another account behind the same key.

use std::collections::BTreeSet;

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{
    code, control, ecs, ess, execution, fault, members, oos, pass, retry_failed, small, start,
};

const TEMPLATE: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";

fn rolling(batches: u32) -> Value {
    json!({
        "invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true",
        "batchNumber": batches, "batchPauseOption": "FirstBatchPause",
    })
}

fn groups(cloud: &mut Cloud) -> Vec<String> {
    let answer = ess(cloud, "DescribeScalingGroups", json!({})).unwrap();
    let groups = answer["ScalingGroups"].as_array().unwrap();
    assert_eq!(answer["TotalCount"], groups.len());
    groups
        .iter()
        .map(|g| g["ScalingGroupId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_entry_is_left_out_of_an_answer_so_many_times() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"action": "DescribeScalingGroups", "nth": 2, "count": 2, "effect": {"kind": "omit", "entries": ["asg-small"]}}),
    );
    let seen: Vec<usize> = (0..4).map(|_| groups(&mut cloud).len()).collect();
    assert_eq!(seen, [1, 0, 0, 1]);

    fault(
        &mut cloud,
        json!({"action": "DescribeScalingInstances", "effect": {"kind": "omit", "entries": ["i-small-02"]}}),
    );
    assert_eq!(
        members(&mut cloud, "asg-small"),
        ["i-small-01", "i-small-03"]
    );
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
}

#[test]
fn an_execution_is_left_out_for_a_while_and_goes_on() {
    let mut cloud = small("");
    let id = start(&mut cloud, "Automatic", TEMPLATE, &rolling(3));
    fault(
        &mut cloud,
        json!({"action": "List*Executions", "count": 0, "afterSeconds": 10, "forSeconds": 20, "effect": {"kind": "omit"}}),
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(execution(&mut cloud, &id)["Status"].is_string());
        pass(&mut cloud, 10);
    }
    assert_eq!(seen, [true, false, false, true]);
}

#[test]
fn rights_are_taken_away_in_the_middle() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"service": "OOS", "action": "StartExecution", "nth": 2, "count": 0, "effect": {"kind": "deny"}}),
    );
    start(&mut cloud, "Automatic", TEMPLATE, &rolling(3));
    let ask = json!({"TemplateName": TEMPLATE, "Parameters": rolling(3).to_string()});
    let denied = oos(&mut cloud, "StartExecution", ask).unwrap_err();
    assert_eq!(
        (denied.status, denied.code.as_str()),
        (403, "Forbidden.RAM")
    );
    let detail = denied.access_denied_detail.unwrap();
    assert_eq!(detail["AuthAction"], "oos:StartExecution");
    assert_eq!(detail["AuthPrincipalDisplayName"], "admin");
}

/// `events` of a fixture; the instances are updated, and then the tags are refused.
const NO_TAGS: &str = "
events:
  - when: {execution: {status: Waiting, nth: 1}}
    do: {fault: {service: ECS, action: TagResources, caller: oos, count: 0, effect: {kind: deny}}}
";

#[test]
fn a_task_after_the_loop_of_instances_fails() {
    let mut cloud = small(NO_TAGS);
    let id = start(&mut cloud, "FailurePause", TEMPLATE, &rolling(3));
    pass(&mut cloud, 300);
    oos(
        &mut cloud,
        "NotifyExecution",
        json!({"ExecutionId": id, "NotifyType": "Approve"}),
    )
    .unwrap();
    pass(&mut cloud, 600);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Waiting");
    let ask = json!({"ExecutionId": id, "IncludeChildTaskExecution": true, "MaxResults": 100});
    let tasks = oos(&mut cloud, "ListTaskExecutions", ask).unwrap();
    let failed: Vec<&Value> = tasks["TaskExecutions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|task| task["Status"] == "Failed")
        .collect();
    let names: BTreeSet<&str> = failed
        .iter()
        .map(|task| task["TaskName"].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["tagInstance"]));
    let says = |task: &&Value| task["StatusMessage"].to_string().contains("Forbidden.RAM");
    assert!(failed.iter().any(says), "{failed:?}");

    // The rights are back: retried, it comes to its end.
    control(&mut cloud, "DELETE", "faults", Value::Null);
    retry_failed(&mut cloud, &id);
    pass(&mut cloud, 300);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Success");
}

#[test]
fn the_policy_of_a_role_is_changed() {
    let mut cloud = small("");
    let policy = json!({"allow": ["*"], "deny": ["ecs:RunCommand"]});
    assert_eq!(
        control(&mut cloud, "PUT", "roles/OOSServiceRole", policy.clone()).1,
        policy
    );
    assert_eq!(control(&mut cloud, "PUT", "roles/nobody", policy).0, 404);
    let mut parameters = rolling(1);
    parameters["OOSAssumeRole"] = json!("OOSServiceRole");
    let id = start(&mut cloud, "Automatic", TEMPLATE, &parameters);
    pass(&mut cloud, 300);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Failed");
}

#[test]
fn others_make_another_configuration_the_active_one_at_a_pause() {
    let mut cloud = crate::support::cloud(&format!(
        "{}{}",
        crate::support::SMALL.replace(
            "      - {scalingConfigurationId: asc-small, imageId: m-1}",
            "      - {scalingConfigurationId: asc-small, imageId: m-1}\n      - {scalingConfigurationId: asc-other, imageId: m-2}"
        ),
        "
events:
  - when: {execution: {status: Waiting, nth: 1}}
    delaySeconds: 5
    do: {call: {as: admin, service: ESS, action: ModifyScalingGroup, params: {ScalingGroupId: asg-small, ActiveScalingConfigurationId: asc-other}}}
  - atSeconds: 3000
    do: {scaleOut: {scalingGroupId: asg-small}}
"
    ));
    let id = start(&mut cloud, "Automatic", TEMPLATE, &rolling(3));
    let active = |cloud: &mut Cloud| {
        let answer = ess(cloud, "DescribeScalingGroups", json!({})).unwrap();
        answer["ScalingGroups"][0]["ActiveScalingConfigurationId"].clone()
    };
    assert_eq!(active(&mut cloud), "asc-small");
    pass(&mut cloud, 300);
    assert_eq!(active(&mut cloud), "asc-other");
    let approve = json!({"ExecutionId": id, "NotifyType": "Approve"});
    oos(&mut cloud, "NotifyExecution", approve).unwrap();
    pass(&mut cloud, 3600);
    // What comes later is made from it.
    let new = members(&mut cloud, "asg-small").pop().unwrap();
    let ids = json!([new]).to_string();
    let answer = ecs(&mut cloud, "DescribeInstances", json!({"InstanceIds": ids})).unwrap();
    assert_eq!(answer["Instances"]["Instance"][0]["ImageId"], "m-2");

    let unknown =
        json!({"ScalingGroupId": "asg-small", "ActiveScalingConfigurationId": "asc-none"});
    assert_eq!(
        code(ess(&mut cloud, "ModifyScalingGroup", unknown)),
        "InvalidScalingConfigurationId.NotFound"
    );
    let absurd = json!({"ScalingGroupId": "asg-small", "MinSize": 7});
    assert_eq!(
        code(ess(&mut cloud, "ModifyScalingGroup", absurd)),
        "InvalidParameter"
    );
}

#[test]
fn the_same_key_reaches_another_account_for_a_while() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"count": 0, "forSeconds": 60, "effect": {"kind": "elsewhere", "accountId": "1000000000000002"}}),
    );
    assert!(groups(&mut cloud).is_empty());
    let ask = json!({"ScalingGroupId": "asg-small", "Processes.1": "ScaleIn"});
    assert_eq!(
        code(ess(&mut cloud, "ResumeProcesses", ask)),
        "InvalidScalingGroupId.NotFound"
    );
    pass(&mut cloud, 60);
    assert_eq!(groups(&mut cloud), ["asg-small"]);
}

/// Of a fixture's group.
fn with_group(more: &str) -> Cloud {
    let group = "    configurations:\n";
    crate::support::cloud(&crate::support::SMALL.replace(group, &format!("{more}{group}")))
}

fn count(cloud: &mut Cloud, name: &str) -> Value {
    let answer = ess(cloud, "DescribeScalingGroups", json!({})).unwrap();
    answer["ScalingGroups"][0][name].clone()
}

#[test]
fn a_lifecycle_hook_holds_instances_until_it_is_completed_or_times_out() {
    let mut cloud = with_group(
        "    lifecycleHooks:
      - {lifecycleHookId: ash-in, lifecycleTransition: SCALE_OUT, heartbeatTimeout: 300}
      - {lifecycleHookId: ash-out, lifecycleTransition: SCALE_IN, heartbeatTimeout: 100}
",
    );
    let scale_out = |cloud: &mut Cloud| {
        let body = control(cloud, "POST", "groups/asg-small/scaleOut", Value::Null).1;
        let id = body["activity"]["scalingActivityId"].as_str().unwrap();
        json!({"ScalingActivityId": id, "LifecycleActionStatus": "Pending"})
    };
    let ask = scale_out(&mut cloud);
    pass(&mut cloud, 120);
    assert_eq!(count(&mut cloud, "PendingWaitCapacity"), 1);
    let held = ess(&mut cloud, "DescribeLifecycleActions", ask.clone()).unwrap();
    let action = held["LifecycleActions"][0].clone();
    assert_eq!(action["LifecycleHookId"], "ash-in");
    assert_eq!(action["InstanceIds"].as_array().unwrap().len(), 1);
    let complete = json!({"LifecycleHookId": "ash-in", "LifecycleActionToken": action["LifecycleActionToken"], "LifecycleActionResult": "CONTINUE"});
    ess(&mut cloud, "CompleteLifecycleAction", complete.clone()).unwrap();
    assert_eq!(count(&mut cloud, "ActiveCapacity"), 4);
    assert_eq!(
        code(ess(&mut cloud, "CompleteLifecycleAction", complete)),
        "InvalidLifecycleActionToken.NotFound"
    );
    let held = ess(&mut cloud, "DescribeLifecycleActions", ask).unwrap();
    assert_eq!(held["LifecycleActions"], json!([]));

    // Nobody completes it.
    scale_out(&mut cloud);
    pass(&mut cloud, 120);
    assert_eq!(count(&mut cloud, "PendingWaitCapacity"), 1);
    pass(&mut cloud, 300);
    assert_eq!(count(&mut cloud, "ActiveCapacity"), 5);
    control(&mut cloud, "POST", "groups/asg-small/scaleIn", Value::Null);
    pass(&mut cloud, 60);
    assert_eq!(count(&mut cloud, "RemovingWaitCapacity"), 1);
    pass(&mut cloud, 100);
    assert_eq!(members(&mut cloud, "asg-small").len(), 4);
}

#[test]
fn an_instance_refresh_is_paused_resumed_and_ends() {
    let mut cloud =
        with_group("    instanceRefreshes: [{instanceRefreshTaskId: ir-old, status: Failed}]\n");
    let of_group = || json!({"ScalingGroupId": "asg-small"});
    let started = ess(&mut cloud, "StartInstanceRefresh", of_group()).unwrap();
    let id = started["InstanceRefreshTaskId"].clone();
    assert_eq!(
        code(ess(&mut cloud, "StartInstanceRefresh", of_group())),
        "InstanceRefreshInProgress"
    );
    let status = |cloud: &mut Cloud| {
        let answer = ess(
            cloud,
            "DescribeInstanceRefreshes",
            json!({"ScalingGroupId": "asg-small"}),
        );
        let answer = answer.unwrap();
        let rows = answer["InstanceRefreshTasks"].as_array().unwrap().clone();
        assert_eq!(rows.len(), 2);
        let row = rows.iter().find(|row| row["InstanceRefreshTaskId"] == id);
        row.unwrap()["Status"].as_str().unwrap().to_owned()
    };
    let named = || json!({"ScalingGroupId": "asg-small", "InstanceRefreshTaskId": id.clone()});
    pass(&mut cloud, 500);
    ess(&mut cloud, "SuspendInstanceRefresh", named()).unwrap();
    pass(&mut cloud, 500);
    assert_eq!(status(&mut cloud), "Paused");
    ess(&mut cloud, "ResumeInstanceRefresh", named()).unwrap();
    pass(&mut cloud, 99);
    assert_eq!(status(&mut cloud), "InProgress");
    pass(&mut cloud, 1);
    assert_eq!(status(&mut cloud), "Successful");
    assert_eq!(
        code(ess(&mut cloud, "CancelInstanceRefresh", named())),
        "IncorrectInstanceRefreshTaskStatus"
    );
}

#[test]
fn a_diagnosis_is_shown_when_something_is_wrong() {
    let well = "    diagnosis: [{diagnoseType: KeyPair, status: Normal}]\n";
    let ill = "    diagnosis: [{diagnoseType: KeyPair, status: Normal}, {diagnoseType: VSwitch, status: Critical, resourceId: vsw-1, errorCode: VSwitchIdNotFound}]\n";
    for (more, items) in [(well, 0), (ill, 2)] {
        let mut cloud = with_group(more);
        let ask = json!({"ScalingGroupId": "asg-small"});
        let answer = ess(&mut cloud, "DescribeScalingGroupDiagnoseDetails", ask).unwrap();
        assert_eq!(answer["Details"].as_array().unwrap().len(), items);
    }
}
