//! What can only be meant otherwise is refused by its name: shapes of parameters, targets, kinds.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{ecs, ess, ess_2014, execution, oos, pass, small, status};

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

#[test]
fn targets_are_selected_by_nothing_that_is_not_looked_at() {
    let mut cloud = small("");
    let ids = json!(["i-small-01"]);
    for (properties, name) in [
        (
            json!({"Type": "All", "Tags": [{"Key": "a", "Value": "b"}]}),
            "Tags",
        ),
        (
            json!({"Type": "All", "ResourceGroupId": "rg-1"}),
            "ResourceGroupId",
        ),
        (json!({"Type": "All", "RegionId": ["cn-none"]}), "RegionId"),
        (json!({"Type": "All", "ResourceType": 5}), "ResourceType"),
        (
            json!({"Filters": [{"Type": "All", "Parameters": {"Status": "Stopped"}}]}),
            "Status",
        ),
        (
            json!({"Filters": [{"Type": "ResourceIds", "ResourceIds": ids, "Status": "Stopped"}]}),
            "Status",
        ),
        (
            json!({"Filters": [{"Type": "All"}], "Type": "ResourceIds", "ResourceIds": ids}),
            "ResourceIds is not supported beside Filters",
        ),
        (json!({"Filters": ["{{ targets }}"]}), "Bogus"),
    ] {
        let task =
            json!([{"Name": "find", "Action": "ACS::SelectTargets", "Properties": properties}]);
        let mut template = template(&task);
        template["Parameters"] =
            json!({"targets": {"Type": "Json", "Default": {"Type": "All", "Bogus": 1}}});
        let said = failure(&mut cloud, &template);
        assert!(said.contains(name), "{properties}: {said}");
    }
    let bogus = json!([{"Name": "find", "Action": "ACS::SelectTargets",
        "Properties": {"Filters": [{"Type": "All", "Bogus": 1}]}}]);
    let ask = json!({"TemplateContent": template(&bogus).to_string()});
    let said = oos(&mut cloud, "StartExecution", ask).unwrap_err();
    assert!(said.message.contains("Bogus"), "{said}");
}

/// What is of a wrong kind would count as absent: another way on, a value that is let through.
#[test]
fn what_is_of_a_wrong_kind_in_a_template_is_refused_with_its_place() {
    let mut cloud = small("");
    let call = json!({"Service": "ECS", "API": "DescribeInstances"});
    let task = |more: &Value| {
        let mut task = json!({"Name": "one", "Action": "ACS::ExecuteAPI", "Properties": call});
        for (key, value) in more.as_object().unwrap() {
            task[key] = value.clone();
        }
        template(&json!([task]))
    };
    let choice =
        |properties: Value| task(&json!({"Action": "ACS::Choice", "Properties": properties}));
    let parameter = |more: Value| {
        let mut template = task(&json!({}));
        template["Parameters"] = json!({"p": more});
        template
    };
    for (template, what) in [
        (task(&json!({"OnError": 5})), "OnError of task one"),
        (
            task(&json!({"OnError": ["ACS::NEXT"]})),
            "OnError of task one",
        ),
        (
            task(&json!({"OnSuccess": {"a": 1}})),
            "OnSuccess of task one",
        ),
        (task(&json!({"Name": ""})), "Name"),
        (task(&json!({"Name": "a b"})), "Name"),
        (task(&json!({"Name": "a".repeat(201)})), "Name"),
        (choice(json!({})), "Choices"),
        (choice(json!({"Choices": "x"})), "Choices"),
        (choice(json!({"Choices": [{"When": true}]})), "NextTask"),
        (
            choice(json!({"Choices": [{"NextTask": "ACS::END"}]})),
            "When",
        ),
        (
            choice(json!({"Choices": [{"When": true, "NextTask": "ACS::END"}], "DefaultTask": 5})),
            "DefaultTask",
        ),
        (parameter(json!({"AllowedValues": "a"})), "AllowedValues"),
        (parameter(json!({"AllowedPattern": 5})), "AllowedPattern"),
        (parameter(json!({"AllowedPattern": "("})), "AllowedPattern"),
        (parameter(json!({"MinLength": "few"})), "MinLength"),
        (parameter(json!({"MaxLength": -1})), "MaxLength"),
        (
            parameter(json!({"Type": "Number", "MaxValue": [1]})),
            "MaxValue",
        ),
        (parameter(json!({"NoEcho": "maybe"})), "NoEcho"),
        (
            task(
                &json!({"Properties": {"Service": "ECS", "API": "DescribeInstances", "AutoPaging": "maybe"}}),
            ),
            "AutoPaging",
        ),
        (
            task(
                &json!({"Properties": {"Service": "ECS", "API": "DescribeInstances", "Api": "StopInstance"}}),
            ),
            "API and Api",
        ),
        (
            task(&json!({"Outputs": {"o": {"ValueSelector": 5}}})),
            "ValueSelector",
        ),
        (task(&json!({"Outputs": {"o": {"Type": "Sring"}}})), "Sring"),
        (
            task(&json!({"Action": "ACS::Notify", "Properties":
                {"NotifyType": "WebHook", "WebHook": {"URI": "u", "Content": {}, "Header": {}}}})),
            "Header",
        ),
    ] {
        for action in ["ValidateTemplateContent", "StartExecution"] {
            let name = if action == "StartExecution" {
                "TemplateContent"
            } else {
                "Content"
            };
            let error = oos(&mut cloud, action, json!({name: template.to_string()})).unwrap_err();
            assert_eq!(error.code, "InvalidTemplate", "{template}: {error}");
            assert!(error.message.contains(what), "{template}: {error}");
        }
    }
    for (constraints, what) in [
        (json!({"MinLenght": 3}), "MinLenght"),
        (json!({"Type": "Number"}), "Type"),
        (json!({"AllowedValues": "a"}), "AllowedValues"),
        (json!([]), "JSON object"),
    ] {
        let ask = json!({"Name": "n", "Type": "String", "Value": "v",
            "Constraints": constraints.to_string()});
        let said = message(oos(&mut cloud, "CreateParameter", ask));
        assert!(
            said.contains("Constraints") && said.contains(what),
            "{said}"
        );
    }
}

#[test]
fn one_parameter_in_two_spellings_is_refused_with_both() {
    let mut cloud = small("");
    let head = "Action=DescribeScalingInstances&Version=2022-02-22&RegionId=cn-hangzhou";
    for (query, both) in [
        (
            "InstanceIds.1=a&InstanceIds.1=b",
            ["InstanceIds", "more than once"],
        ),
        (
            "InstanceIds.1=a&InstanceIds.01=b",
            ["InstanceIds.1", "InstanceIds.01"],
        ),
        (
            "InstanceIds=a&InstanceIds.1=b",
            ["InstanceIds", "InstanceIds.1"],
        ),
        ("RegionId=cn-beijing", ["RegionId", "more than once"]),
        ("Action=DescribeScalingGroups", ["Action", "more than once"]),
    ] {
        let request = ess_emulator::front::Request {
            method: "POST".into(),
            path: "/".into(),
            query: head.into(),
            headers: vec![
                ("host".into(), "ess.aliyuncs.com".into()),
                (
                    "content-type".into(),
                    "application/x-www-form-urlencoded".into(),
                ),
            ],
            body: query.as_bytes().to_vec(),
        };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let answer = match ess_emulator::front::handle(&mut cloud, &request, now) {
            ess_emulator::front::Outcome::Answer(answer) => answer,
            other => panic!("an answer was expected, not {other:?}"),
        };
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["Code"], "InvalidParameter", "{query}: {body}");
        for part in both {
            assert!(
                body["Message"].as_str().unwrap().contains(part),
                "{query}: {body}"
            );
        }
    }
    for (api, parameters, both) in [
        (
            "ReplaceSystemDisk",
            json!({"InstanceId": "i-small-01", "SystemDisk": {"Size": 40}, "SystemDiskSize": 50}),
            ["SystemDisk", "SystemDiskSize"],
        ),
        (
            "DescribeInstances",
            json!({"Tag": [{"Key": "a"}], "Tags": [{"Key": "b"}]}),
            ["Tag", "Tags"],
        ),
    ] {
        let call = json!({"Service": "ECS", "API": api, "Parameters": parameters});
        let task = json!([{"Name": "read", "Action": "ACS::ExecuteAPI", "Properties": call}]);
        let said = failure(&mut cloud, &template(&task));
        for name in both {
            assert!(said.contains(name), "{parameters}: {said}");
        }
    }
}

#[test]
fn the_singular_and_the_plural_of_a_parameter_exclude_each_other() {
    let mut cloud = small("");
    for (given, both) in [
        (
            json!({"LifecycleState": "Standby", "LifecycleStates.1": "InService"}),
            ["LifecycleState", "LifecycleStates"],
        ),
        (
            json!({"CreationType": "Attached", "CreationTypes.1": "AutoCreated"}),
            ["CreationType", "CreationTypes"],
        ),
    ] {
        for ask in [ess, ess_2014] {
            let said = message(ask(&mut cloud, "DescribeScalingInstances", given.clone()));
            assert!(
                both.iter().all(|name| said.contains(name)),
                "{given}: {said}"
            );
        }
    }
    let given = json!({"ScalingGroupName": "x", "ScalingGroupNames.1": "y"});
    let said = message(ess(&mut cloud, "DescribeScalingGroups", given));
    assert!(
        said.contains("ScalingGroupName and ScalingGroupNames"),
        "{said}"
    );
}

#[test]
fn a_start_is_refused_that_names_what_would_not_count() {
    let mut cloud = small("");
    let content = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "nap",
        "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]});
    let mut start = |more: Value| {
        let mut ask = json!({"TemplateContent": content.to_string()});
        for (key, value) in more.as_object().unwrap() {
            ask[key] = value.clone();
        }
        oos(&mut cloud, "StartExecution", ask)
    };
    for (more, what) in [
        (
            json!({"TemplateName": "ACS-ECS-BulkyRunCommand"}),
            "TemplateName",
        ),
        (json!({"TemplateVersion": "v1"}), "TemplateVersion"),
        (
            json!({"Tags": r#"{"a": {"b": "c"}}"#}),
            "the value of a must be a text",
        ),
        (
            json!({"Tags": r#"{"a": "1", "a": "2"}"#}),
            "the key a is there twice",
        ),
    ] {
        let said = message(start(more.clone()));
        assert!(said.contains(what), "{more}: {said}");
    }
    let orphan = start(json!({"ParentExecutionId": "exec-none"})).unwrap_err();
    assert_eq!(orphan.code, "EntityNotExists.Execution");
    assert!(orphan.message.contains("ParentExecutionId"), "{orphan}");
    let parent = start(json!({"Tags": r#"{"n": 1}"#})).unwrap()["Execution"].clone();
    assert_eq!(parent["Tags"], json!({"n": "1"}), "{parent}");
    let id = &parent["ExecutionId"];
    let child = start(json!({"ParentExecutionId": id})).unwrap();
    assert_eq!(&child["Execution"]["ParentExecutionId"], id);
}
