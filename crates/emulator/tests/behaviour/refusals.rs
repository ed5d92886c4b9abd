//! What can only be meant otherwise is refused by its name: shapes of parameters, targets, kinds.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{ecs, ess, execution, oos, pass, small, status};

fn message(result: Result<Value, ess_emulator::error::ApiError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.code, "InvalidParameter", "{error:?}");
    error.message
}

#[test]
fn a_parameter_of_another_shape_is_refused_by_its_name() {
    let mut cloud = small("");
    for (action, given, name) in [
        (
            "DeleteInstance",
            json!({"InstanceId": "i-small-01", "Force": "true", "DryRun.1": "true"}),
            "\"DryRun\"",
        ),
        (
            "DescribeInstances",
            json!({"InstanceName.1": "zzz"}),
            "InstanceName",
        ),
        (
            "DescribeInstances",
            json!({"Status.1": "Stopped"}),
            "Status",
        ),
        ("DescribeInstances", json!({"ImageId.Foo": "x"}), "ImageId"),
        (
            "DescribeInstances",
            json!({"InstanceIds.1.Foo": "x"}),
            "InstanceIds",
        ),
        (
            "DescribeInstances",
            json!({"InstanceName": []}),
            "InstanceName",
        ),
        ("DescribeInstances", json!({"Tag": "team"}), "Tag"),
        ("DescribeInstances", json!({"Tag.1": "team"}), "Tag.1"),
        (
            "DescribeInstances",
            json!({"Tag.1.Key.1": "team"}),
            "Tag.1.Key",
        ),
        (
            "DescribeInstances",
            json!({"RegionId": ["cn-none"]}),
            "RegionId",
        ),
        (
            "StopInstances",
            json!({"InstanceId.0": "i-small-01"}),
            "InstanceId",
        ),
    ] {
        let said = message(ecs(&mut cloud, action, given.clone()));
        assert!(said.contains(name), "{given}: {said}");
    }
    let ids = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01",
        "InstanceIds.2.x": "i-small-02"});
    let said = message(ess(&mut cloud, "EnterStandby", ids));
    assert!(said.contains("InstanceIds.2"), "{said}");
    assert_eq!(status(&mut cloud, "i-small-01"), "Running");
    // A value that travels as JSON may come as what it spells, from templates.
    let found = ecs(
        &mut cloud,
        "DescribeInstances",
        json!({"InstanceIds": ["i-small-01"]}),
    );
    assert_eq!(found.unwrap()["TotalCount"], 1);
}

/// The message of the task of an execution that failed.
fn failure(cloud: &mut Cloud, template: &Value) -> String {
    let ask = json!({"TemplateContent": template.to_string()});
    let started = oos(cloud, "StartExecution", ask).unwrap();
    let id = started["Execution"]["ExecutionId"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(cloud, 600);
    let found = execution(cloud, &id);
    assert_eq!(found["Status"], "Failed", "{found}");
    let tasks = oos(cloud, "ListTaskExecutions", json!({"ExecutionId": id})).unwrap();
    tasks["TaskExecutions"][0]["StatusMessage"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn template(tasks: &Value) -> Value {
    json!({"FormatVersion": "OOS-2019-06-01", "Tasks": tasks})
}

#[test]
fn a_template_gives_no_list_for_one_value() {
    let mut cloud = small("");
    for (service, api, parameters, name) in [
        (
            "ECS",
            "DescribeInstances",
            json!({"InstanceName": ["zzz"]}),
            "InstanceName",
        ),
        (
            "ECS",
            "DescribeInstances",
            json!({"RegionId": ["cn-none"]}),
            "RegionId",
        ),
        (
            "ESS",
            "DescribeScalingInstances",
            json!({"ScalingGroupId": ["asg-none"]}),
            "ScalingGroupId",
        ),
        (
            "ECS",
            "DescribeInstances",
            json!({"InstanceIds": [{"x": 1}]}),
            "InstanceIds",
        ),
        (
            "OOS",
            "ListExecutions",
            json!({"Status": ["Failed"]}),
            "Status",
        ),
    ] {
        let call = json!({"Service": service, "API": api, "Parameters": parameters});
        let task = json!([{"Name": "read", "Action": "ACS::ExecuteAPI", "Properties": call}]);
        let said = failure(&mut cloud, &template(&task));
        assert!(said.contains(name), "{parameters}: {said}");
    }
}
