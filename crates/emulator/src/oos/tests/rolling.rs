//! The rolling-update templates from end to end.

use serde_json::{Value, json};

use super::world::{Cloud, GROUP};

const SCRIPT: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
const IMAGE: &str = "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup";

fn script(more: Value) -> Value {
    let mut parameters = json!({
        "invokeType": "invoke", "scalingGroupId": GROUP, "invokeScript": "echo ok",
        "batchNumber": 2,
    });
    let extra = more.as_object().unwrap().clone();
    parameters.as_object_mut().unwrap().extend(extra);
    json!({"TemplateName": SCRIPT, "Parameters": parameters.to_string()})
}

#[test]
fn script_update_runs_to_success_and_leaves_the_group_as_it_was() {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3"]);
    let root = cloud.start(script(json!({})));
    assert_eq!(cloud.status(&root), "Started");
    cloud.settle();
    let execution = cloud.execution(&root);
    assert_eq!(execution["Status"], "Success", "{execution}");
    assert_eq!(
        execution["Outputs"],
        r#"{"commandOutputs":["ok\n","ok\n","ok\n"]}"#
    );
    assert!(cloud.world.suspended.is_empty());
    assert_eq!(cloud.world.count("SuspendProcesses"), 1);
    assert_eq!(cloud.world.count("ResumeProcesses"), 1);
    for instance in cloud.world.instances.values() {
        assert_eq!(instance.state, "InService");
        assert_eq!(instance.tags["ess:rollingupdate"], format!("oos:{root}"));
    }
    let children = cloud.children(&root);
    assert_eq!(children.len(), 3);
    assert_eq!(children[0]["TemplateName"], "ACS::ESS::RunCommand");
    assert_eq!(children[0]["Parameters"]["instanceId"], "i-1");
    assert_eq!(children[0]["Parameters"]["lifecycleState"], "InService");
}

#[test]
fn image_update_changes_configuration_first_and_then_every_disk() {
    let mut cloud = Cloud::new(&["i-1", "i-2"]);
    cloud.world.instances.get_mut("i-2").unwrap().state = "Protected".into();
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": GROUP, "imageId": "m-new",
        "sourceImageId": "m-old", "scalingConfigurationId": "asc-1",
        "lifecycleState": ["InService", "Protected"],
    });
    let root = cloud.start(json!({"TemplateName": IMAGE, "Parameters": parameters.to_string()}));
    cloud.settle();
    let execution = cloud.execution(&root);
    assert_eq!(
        execution["Status"],
        "Success",
        "{execution} {:?}",
        cloud.children(&root)
    );
    assert_eq!(cloud.world.configuration_image, "m-new");
    let names = cloud.world.names();
    let first = |name: &str| names.iter().position(|n| *n == name).unwrap();
    assert!(first("ModifyScalingConfiguration") < first("EnterStandby"));
    assert!(first("ReplaceSystemDisk") < first("ModifyInstanceAttribute"));
    for instance in cloud.world.instances.values() {
        assert_eq!(
            (instance.image.as_str(), instance.status.as_str()),
            ("m-new", "Running")
        );
    }
    assert_eq!(cloud.world.instances["i-1"].state, "InService");
    assert_eq!(cloud.world.instances["i-2"].state, "Protected");
    assert_eq!(
        execution["Outputs"],
        r#"{"commandOutputs":["d-i-1","d-i-2"]}"#
    );
}

#[test]
fn an_empty_group_ends_well_and_untouched() {
    let mut cloud = Cloud::new(&[]);
    let root = cloud.start(script(json!({})));
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    assert_eq!(cloud.world.names(), ["DescribeScalingInstances"]);
}

#[test]
fn every_batch_pause_waits_for_one_approval_per_batch() {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3"]);
    let root = cloud.start(script(json!({"batchPauseOption": "EveryBatchPause"})));
    cloud.settle();
    assert_eq!(cloud.status(&root), "Waiting");
    let items = cloud.items(&root);
    assert_eq!(items.len(), 2, "the first batch of 3 in 2 holds two");
    assert_eq!(items[0]["LoopBatchNumber"], 1);
    assert_eq!(
        items[0]["LoopItem"],
        r#"{"InstanceId":"i-1","LifecycleState":"InService"}"#
    );
    let approve = json!({"ExecutionId": root, "NotifyType": "Approve"});
    cloud.ask("NotifyExecution", approve.clone()).unwrap();
    assert_eq!(cloud.status(&root), "Running");
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    let refused = cloud.ask("NotifyExecution", approve).unwrap_err();
    assert_eq!(refused.status, 400);
}

#[test]
fn without_failure_pause_a_failing_script_fails_the_root_and_leaves_standby() {
    let mut cloud = Cloud::new(&["i-1", "i-2"]);
    cloud.world.instances.get_mut("i-1").unwrap().exit_codes = [3].into();
    let root = cloud.start(script(json!({})));
    cloud.settle();
    let execution = cloud.execution(&root);
    assert_eq!(execution["Status"], "Failed");
    assert!(
        !execution["StatusMessage"]
            .as_str()
            .unwrap()
            .contains("ExitCode")
    );
    let children = cloud.children(&root);
    assert_eq!(children.len(), 1, "the second batch never starts");
    assert!(
        children[0]["StatusMessage"]
            .as_str()
            .unwrap()
            .contains("ExitCode")
    );
    assert_eq!(cloud.world.instances["i-1"].state, "Standby");
    assert_eq!(cloud.world.suspended.len(), 5);
}

#[test]
fn with_failure_pause_a_retry_takes_the_standby_branch_and_goes_on() {
    let mut cloud = Cloud::new(&["i-1", "i-2"]);
    cloud.world.instances.get_mut("i-1").unwrap().exit_codes = [3].into();
    let mut params = script(json!({}));
    params["Mode"] = json!("FailurePause");
    let root = cloud.start(params);
    cloud.settle();
    assert_eq!(cloud.status(&root), "Waiting");
    let items = cloud.items(&root);
    assert_eq!(items[0]["Status"], "Failed");
    let approve = json!({"ExecutionId": root, "NotifyType": "Approve"});
    assert!(
        cloud.ask("NotifyExecution", approve).is_err(),
        "approval solves no failure"
    );
    cloud
        .ask(
            "NotifyExecution",
            json!({
                "ExecutionId": root, "NotifyType": "RetryTask",
                "TaskExecutionId": items[0]["TaskExecutionId"], "LoopItem": items[0]["LoopItem"],
            }),
        )
        .unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    assert_eq!(cloud.world.count("EnterStandby"), 2);
    let children = cloud.children(&root);
    let of_first: Vec<&Value> = children
        .iter()
        .filter(|c| c["Parameters"]["instanceId"] == "i-1")
        .collect();
    assert_eq!(of_first.len(), 2, "a retry makes another child");
}

#[test]
fn cancelling_takes_a_moment_and_undoes_nothing() {
    let mut cloud = Cloud::new(&["i-1", "i-2"]);
    let root = cloud.start(script(json!({})));
    while cloud.world.count("EnterStandby") == 0 {
        cloud.pass(1);
    }
    assert_eq!(cloud.world.instances["i-1"].state, "Standby");
    cloud
        .ask("CancelExecution", json!({"ExecutionId": root}))
        .unwrap();
    assert_eq!(cloud.status(&root), "Running");
    cloud.settle();
    assert_eq!(cloud.status(&root), "Cancelled");
    assert_eq!(cloud.children(&root)[0]["Status"], "Cancelled");
    assert_eq!(cloud.world.instances["i-1"].state, "Standby");
    assert_eq!(cloud.world.suspended.len(), 5);
    let again = cloud.ask("CancelExecution", json!({"ExecutionId": root}));
    assert_eq!(again.unwrap_err().status, 400);
}

#[test]
fn a_thousand_instances_in_one_loop_are_fine() {
    let names: Vec<String> = (0..1000).map(|i| format!("i-{i:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cloud = Cloud::new(&names);
    let root = cloud.start(script(json!({"batchNumber": 10})));
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    assert_eq!(cloud.world.count("RunCommand"), 1000);
}

#[test]
fn an_image_is_made_from_an_instance_and_put_into_configurations() {
    let run = |instance: &str| {
        let mut cloud = Cloud::new(&["i-1"]);
        let parameters = json!({"instanceId": instance, "scalingConfigurationIds": ["asc-1"]});
        let root = cloud.start(json!({
            "TemplateName": "ACS-ESS-CreateImageAndUpdateScalingConfiguration",
            "Parameters": parameters.to_string(),
        }));
        cloud.settle();
        (cloud.execution(&root), cloud)
    };
    let (execution, cloud) = run("i-1");
    assert_eq!(execution["Status"], "Success", "{execution}");
    assert_eq!(execution["Outputs"], r#"{"imageId":"m-made"}"#);
    assert_eq!(cloud.world.configuration_image, "m-made");
    let made = cloud
        .world
        .calls
        .iter()
        .find(|c| c.name == "CreateImage")
        .unwrap();
    let id = execution["ExecutionId"].as_str().unwrap();
    assert_eq!(
        made.params["ImageName"],
        format!("CreateImage_from_i-1_on_{id}_at_2024-05-06")
    );

    // A vanished instance is noticed one step too late, by the configuration's refusal.
    let (execution, mut cloud) = run("i-gone");
    let id = execution["ExecutionId"].as_str().unwrap();
    assert_eq!(cloud.children(id)[0]["Status"], "Success");
    assert_eq!(cloud.world.count("CreateImage"), 0);
    assert_eq!(
        cloud.world.calls.last().unwrap().name,
        "ModifyScalingConfiguration"
    );
    assert_eq!(cloud.world.calls.last().unwrap().params["ImageId"], "");
}

#[test]
fn a_command_can_be_run_as_a_nested_action() {
    let template = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: run
    Action: ACS::ECS::RunCommand
    Properties: {instanceId: '{{ ACS::TaskLoopItem }}', commandType: RunShellScript, commandContent: hostname}
    Loop:
      Items: [i-1, i-2]
      RateControl: {Mode: Concurrency, Concurrency: 2, MaxErrors: 0}
      Outputs:
        all: {AggregateType: 'Fn::ListJoin', AggregateField: invocationOutput}
Outputs:
  all: {Type: List, Value: '{{ run.all }}'}
";
    let mut cloud = Cloud::new(&["i-1", "i-2"]);
    let execution = cloud.run(template, json!({}));
    assert_eq!(execution["Outputs"], r#"{"all":["ok\n","ok\n"]}"#);
    assert_eq!(cloud.world.count("EnterStandby"), 0);
    let id = execution["ExecutionId"].as_str().unwrap();
    assert_eq!(
        cloud.children(id)[1]["TemplateName"],
        "ACS::ECS::RunCommand"
    );
}

#[test]
fn the_same_run_makes_the_same_calls() {
    let journal = || {
        let mut cloud = Cloud::new(&["i-1", "i-2", "i-3", "i-4", "i-5"]);
        cloud.world.instances.get_mut("i-2").unwrap().exit_codes = [3].into();
        let root = cloud.start(script(json!({})));
        cloud.settle();
        let calls: Vec<String> = cloud.world.calls.iter().map(|c| format!("{c:?}")).collect();
        (calls, cloud.execution(&root), cloud.items(&root))
    };
    assert_eq!(journal(), journal());
}
