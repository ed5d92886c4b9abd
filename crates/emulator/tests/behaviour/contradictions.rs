//! Calls that say two things of which one would be passed over, and calls about something else than
//! what is there.

use ess_emulator::cloud::Cloud;
use ess_emulator::error::ApiError;
use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Ask, ecs, ess, ess_2014, execution, oos, pass, small};

/// The message of a refusal for a parameter.
fn refused(result: Result<Value, ApiError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(
        (error.status, error.code.as_str()),
        (400, "InvalidParameter"),
        "{error:?}"
    );
    error.message
}

fn assert_names(said: &str, names: &[&str]) {
    for name in names {
        assert!(said.contains(name), "{name} is not in: {said}");
    }
}

fn started(cloud: &mut Cloud, ask: Value) -> String {
    let answer = oos(cloud, "StartExecution", ask).unwrap();
    pass(cloud, 5);
    answer["Execution"]["ExecutionId"].as_str().unwrap().into()
}

/// The task executions that show an item, by it.
fn items(cloud: &mut Cloud, id: &str) -> Vec<Value> {
    let ask = json!({"ExecutionId": id, "IncludeChildTaskExecution": true, "MaxResults": 100});
    let list = oos(cloud, "ListTaskExecutions", ask).unwrap();
    let rows = list["TaskExecutions"].as_array().unwrap();
    rows.iter()
        .filter(|row| row.get("LoopItem").is_some())
        .cloned()
        .collect()
}

#[test]
fn an_approval_is_of_the_task_that_it_names() {
    let mut cloud = small("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "ask", "Action": "ACS::Approve", "Properties": {"Approvers": []}}]});
    for verb in ["Approve", "Reject"] {
        let ask = json!({"TemplateContent": template.to_string()});
        let id = started(&mut cloud, ask);
        let tasks = oos(&mut cloud, "ListTaskExecutions", json!({"ExecutionId": id})).unwrap();
        let task = tasks["TaskExecutions"][0]["TaskExecutionId"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut tell = |more: Value| {
            let mut ask = json!({"ExecutionId": id, "NotifyType": verb});
            ask.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            oos(&mut cloud, "NotifyExecution", ask)
        };
        assert_names(&refused(tell(json!({"LoopItem": "99"}))), &["LoopItem"]);
        for odd in ["[]", "nope", "{}", "[1]", "\"x\""] {
            let said = refused(tell(json!({"TaskExecutionIds": odd})));
            assert_names(&said, &["TaskExecutionIds"]);
        }
        let twice = json!([task, task]).to_string();
        assert_names(
            &refused(tell(json!({"TaskExecutionIds": twice}))),
            &["twice"],
        );
        for (name, other) in [
            ("TaskExecutionIds", "[\"nope\"]"),
            ("TaskExecutionId", "nope"),
        ] {
            let error = tell(json!({name: other})).unwrap_err();
            assert_eq!(error.code, "InvalidExecutionStatus");
            assert_names(&error.message, &["task execution"]);
        }
        let more = json!({"TaskExecutionIds": json!([task, "nope"]).to_string()});
        assert_names(&refused(tell(more)), &["TaskExecutionIds"]);
        tell(json!({"TaskExecutionIds": json!([task]).to_string(), "TaskExecutionId": task}))
            .unwrap();
        pass(&mut cloud, 5);
        assert_ne!(execution(&mut cloud, &id)["Status"], "Waiting", "{verb}");
    }
}

#[test]
fn an_approval_is_of_the_item_that_it_names() {
    let mut cloud = small("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "look", "Action": "ACS::ExecuteAPI",
         "Properties": {"Service": "ECS", "API": "DescribeRegions", "Risk": "High"},
         "Loop": {"Items": ["a", "b", "c"], "RateControl": {"Mode": "Concurrency", "Concurrency": 3}}}]});
    let ask = json!({"TemplateContent": template.to_string(), "SafetyCheck": "ConfirmEveryHighRiskAction"});
    let id = started(&mut cloud, ask);
    let approve =
        |item: &str| json!({"ExecutionId": id, "NotifyType": "Approve", "LoopItem": item});
    let said = refused(oos(&mut cloud, "NotifyExecution", approve("d")));
    assert_names(&said, &["LoopItem"]);
    oos(&mut cloud, "NotifyExecution", approve("b")).unwrap();
    pass(&mut cloud, 5);
    for row in items(&mut cloud, &id) {
        let done = row["LoopItem"] == "b";
        assert_eq!(row["Status"] == "Success", done, "{row}");
    }
    let again = oos(&mut cloud, "NotifyExecution", approve("b"));
    assert_names(&refused(again), &["LoopItem"]);
    for item in ["c", "a"] {
        oos(&mut cloud, "NotifyExecution", approve(item)).unwrap();
    }
    pass(&mut cloud, 5);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Success");
}

#[test]
fn a_retry_of_another_item_is_refused() {
    let mut cloud = small("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "stop", "Action": "ACS::ExecuteAPI", "Properties": {
            "Service": "ECS", "API": "StopInstance", "Parameters": {"InstanceId": "i-none"}}}]});
    let ask = json!({"TemplateContent": template.to_string(), "Mode": "FailurePause"});
    let id = started(&mut cloud, ask);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Waiting");
    for verb in ["RetryTask", "SkipTask", "CancelTask"] {
        let ask = json!({"ExecutionId": id, "NotifyType": verb, "LoopItem": "99"});
        let said = refused(oos(&mut cloud, "NotifyExecution", ask));
        assert_names(&said, &["LoopItem"]);
        let ask = json!({"ExecutionId": id, "NotifyType": verb, "TaskExecutionIds": "[]"});
        let said = refused(oos(&mut cloud, "NotifyExecution", ask));
        assert_names(&said, &["TaskExecutionIds"]);
    }
}

#[test]
fn a_trigger_is_not_fired_by_what_it_does_not_wait_for() {
    let mut cloud = small("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "wait", "Action": "ACS::EventTrigger", "Properties": {
            "Product": "ECS", "Name": ["A"], "Level": ["INFO"]}},
        {"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]});
    let ask = json!({"TemplateContent": template.to_string()});
    let id = started(&mut cloud, ask);
    let trigger = |content: Value| json!({"ExecutionId": id, "Type": "Event", "Content": content.to_string()});
    for (content, name) in [
        (
            json!({"product": "ECS", "name": "A", "level": "INFO", "foo": 1}),
            "foo",
        ),
        (
            json!({"product": "ECS", "name": "A", "level": "INFO", "content": 1}),
            "content",
        ),
        (json!({"product": "ECS", "level": "INFO"}), "name"),
        (json!({}), "product"),
        (json!([]), "object"),
        (
            json!({"product": "RDS", "name": "A", "level": "INFO"}),
            "product",
        ),
        (
            json!({"product": "ECS", "name": "B", "level": "INFO"}),
            "name",
        ),
        (
            json!({"product": "ECS", "name": "A", "level": "WARN"}),
            "level",
        ),
        (json!({"product": "ECS", "name": "A"}), "level"),
    ] {
        let said = refused(oos(&mut cloud, "TriggerExecution", trigger(content)));
        assert_names(&said, &["Content", name]);
    }
    assert_eq!(execution(&mut cloud, &id)["Status"], "Waiting");
    let fits = json!({"product": "ECS", "name": "A", "level": "INFO"});
    oos(&mut cloud, "TriggerExecution", trigger(fits)).unwrap();
    pass(&mut cloud, 5);
    // By hand, of nothing that happened.
    let by_hand = json!({"ExecutionId": id, "Type": "Event"});
    oos(&mut cloud, "TriggerExecution", by_hand).unwrap();
}

#[test]
fn a_log_of_another_type_is_refused() {
    let mut cloud = small("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]});
    let id = started(&mut cloud, json!({"TemplateContent": template.to_string()}));
    let ask = |kind: &str| json!({"ExecutionId": id, "LogType": kind});
    oos(&mut cloud, "ListExecutionLogs", ask("System")).unwrap();
    let said = refused(oos(&mut cloud, "ListExecutionLogs", ask("system logs")));
    assert_names(&said, &["LogType", "System"]);
}

#[test]
fn a_hook_is_the_one_of_all_that_names_it() {
    let mut cloud = small("");
    let group = json!({"MinSize": 0, "MaxSize": 1, "ScalingGroupName": "other"});
    let other = ess(&mut cloud, "CreateScalingGroup", group).unwrap()["ScalingGroupId"].clone();
    let hook = json!({"ScalingGroupId": "asg-small", "LifecycleTransition": "SCALE_IN",
        "LifecycleHookName": "hook"});
    let hook = ess(&mut cloud, "CreateLifecycleHook", hook).unwrap()["LifecycleHookId"].clone();
    for action in ["ModifyLifecycleHook", "DeleteLifecycleHook"] {
        let ask = json!({"LifecycleHookId": hook, "ScalingGroupId": other, "HeartbeatTimeout": 60});
        let said = refused(ess(&mut cloud, action, ask));
        assert_names(&said, &["ScalingGroupId", "asg-small"]);
    }
    let ask = json!({"LifecycleHookId": hook, "LifecycleHookName": "another"});
    let said = refused(ess(&mut cloud, "DeleteLifecycleHook", ask));
    assert_names(&said, &["LifecycleHookName", "called hook"]);
    let ask =
        json!({"LifecycleHookId": hook, "ScalingGroupId": "asg-small", "LifecycleHookName": "new"});
    ess(&mut cloud, "ModifyLifecycleHook", ask.clone()).unwrap();
    ess(&mut cloud, "DeleteLifecycleHook", ask).unwrap();
}

#[test]
fn a_group_makes_its_instances_from_one_thing() {
    let mut cloud = small(
        "launchTemplates: [{launchTemplateId: lt-1, versions: [{version: 1, imageId: m-1}]}]",
    );
    for (more, names) in [
        (
            json!({"LaunchTemplateId": "lt-1", "ActiveScalingConfigurationId": "asc-small"}),
            ["LaunchTemplateId", "ActiveScalingConfigurationId"],
        ),
        (
            json!({"LaunchTemplateVersion": "1"}),
            ["LaunchTemplateVersion", "LaunchTemplateId"],
        ),
        (
            json!({"LaunchTemplateVersion": "1", "ActiveScalingConfigurationId": "asc-small"}),
            ["LaunchTemplateVersion", "LaunchTemplateId"],
        ),
    ] {
        let mut ask = json!({"ScalingGroupId": "asg-small"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let said = refused(ess(&mut cloud, "ModifyScalingGroup", ask));
        assert_names(&said, &names);
    }
    let ask = json!({"MinSize": 0, "MaxSize": 1, "LaunchTemplateVersion": "1"});
    assert_names(
        &refused(ess(&mut cloud, "CreateScalingGroup", ask)),
        &["LaunchTemplateVersion"],
    );
}

#[test]
fn a_configuration_is_told_each_thing_once() {
    let mut cloud = small("");
    for (more, names) in [
        (
            json!({"InstanceType": "a", "InstanceTypes.1": "b"}),
            vec!["InstanceType", "InstanceTypes"],
        ),
        (
            json!({"InstanceType": "a", "SystemDisk.Category": "cloud_essd",
                "SystemDiskCategories.1": "cloud_ssd"}),
            vec!["SystemDisk.Category", "SystemDiskCategories"],
        ),
        (
            json!({"InstanceType": "a", "ImageName": "m-2"}),
            vec!["ImageId", "ImageName"],
        ),
        (
            json!({"InstanceType": "a", "ImageFamily": "f"}),
            vec!["ImageId", "ImageFamily"],
        ),
        (
            json!({"InstanceType": "a", "DataDisks.1.Device": "/dev/xvdb", "DataDisks.1.Size": 40,
                "DataDisks.2.Device": "/dev/xvdb", "DataDisks.2.Size": 80}),
            vec!["DataDisks.2", "/dev/xvdb"],
        ),
        (
            json!({"InstanceType": "a", "SpotPriceLimits.1.InstanceType": "x",
                "SpotPriceLimits.1.PriceLimit": 1, "SpotPriceLimits.2.InstanceType": "x",
                "SpotPriceLimits.2.PriceLimit": 2}),
            vec!["SpotPriceLimits.2", "SpotPriceLimits.1"],
        ),
        (
            json!({"InstanceTypes.1": "b", "InstanceTypes.2": "b"}),
            vec!["InstanceTypes.2"],
        ),
        (
            json!({"InstanceType": "a", "Tags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}),
            vec!["Tags.2", "k is there already"],
        ),
    ] {
        let mut ask = json!({"ScalingGroupId": "asg-small", "ImageId": "m-1"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let said = refused(ess(&mut cloud, "CreateScalingConfiguration", ask));
        assert_names(&said, &names);
    }
    // Disks that say nothing of their devices are several.
    let ask = json!({"ScalingGroupId": "asg-small", "ImageId": "m-1", "InstanceType": "a",
        "DataDisks.1.Size": 40, "DataDisks.2.Size": 40});
    ess(&mut cloud, "CreateScalingConfiguration", ask).unwrap();
}

#[test]
fn what_is_changed_is_named_once() {
    let mut cloud = small("instances: [{instanceId: i-own, imageId: m-1}]");
    let twice = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01",
        "InstanceIds.2": "i-small-02", "InstanceIds.3": "i-small-01", "ProtectedFromScaleIn": true});
    for action in [
        "EnterStandby",
        "ExitStandby",
        "DetachInstances",
        "AttachInstances",
        "RemoveInstances",
        "SetInstancesProtection",
    ] {
        let said = refused(ess(&mut cloud, action, twice.clone()));
        assert_names(&said, &["InstanceIds.3", "i-small-01", "InstanceIds.1"]);
    }
    let old = json!({"ScalingGroupId": "asg-small", "InstanceId.1": "i-small-01",
        "InstanceId.2": "i-small-01"});
    assert_names(
        &refused(ess_2014(&mut cloud, "EnterStandby", old)),
        &["InstanceId.2"],
    );
    let processes =
        json!({"ScalingGroupId": "asg-small", "Processes.1": "ScaleIn", "Processes.2": "ScaleIn"});
    assert_names(
        &refused(ess(&mut cloud, "SuspendProcesses", processes)),
        &["Processes.2"],
    );
    // Who asks twice for one thing gets it.
    let ask = json!({"InstanceIds.1": "i-small-01", "InstanceIds.2": "i-small-01"});
    let found = ess(&mut cloud, "DescribeScalingInstances", ask).unwrap();
    assert_eq!(found["TotalCount"], 1);
    for (action, more) in [
        (
            "TagResources",
            json!({"Tag.1.Key": "k", "Tag.1.Value": "1", "Tag.2.Key": "k", "Tag.2.Value": "2"}),
        ),
        ("UntagResources", json!({"TagKey.1": "k", "TagKey.2": "k"})),
        (
            "TagResources",
            json!({"ResourceId.2": "i-small-01", "Tag.1.Key": "k"}),
        ),
    ] {
        let mut ask = json!({"ResourceType": "instance", "ResourceId.1": "i-small-01"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_names(
            &refused(ecs(&mut cloud, action, ask)),
            &[".2", "is there already"],
        );
    }
    // Two values of one key are two tags to remove.
    let ask = json!({"ResourceType": "instance", "ResourceId": "i-small-01", "Tag.1.Key": "k",
        "Tag.1.Value": "1", "Tag.2.Key": "k", "Tag.2.Value": "2"});
    ecs(&mut cloud, "RemoveTags", ask).unwrap();
    for (action, more) in [
        (
            "TagResources",
            json!({"Tags.1.Key": "k", "Tags.2.Key": "k"}),
        ),
        (
            "UntagResources",
            json!({"TagKeys.1": "k", "TagKeys.2": "k"}),
        ),
    ] {
        let mut ask = json!({"ResourceType": "scalinggroup", "ResourceIds.1": "asg-small"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_names(
            &refused(ess(&mut cloud, action, ask)),
            &[".2", "k is there already"],
        );
    }
    for (action, more, name) in [
        (
            "UntagResources",
            json!({"ResourceIds": "[\"x\"]", "TagKeys": "[\"k\", \"k\"]"}),
            "TagKeys",
        ),
        (
            "TagResources",
            json!({"ResourceIds": "[\"x\", \"x\"]", "Tags": "{\"k\": \"v\"}"}),
            "ResourceIds",
        ),
        (
            "TagResources",
            json!({"ResourceIds": "[\"x\"]", "Tags": "{\"k\": \"v\", \"k\": \"w\"}"}),
            "Tags",
        ),
    ] {
        let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
            {"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]});
        // The first makes it.
        let _ = oos(
            &mut cloud,
            "CreateTemplate",
            json!({"TemplateName": "x", "Content": template.to_string()}),
        );
        let mut ask = json!({"ResourceType": "template"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_names(&refused(oos(&mut cloud, action, ask)), &[name]);
    }
    let names = json!({"TemplateNames": "[\"x\", \"x\"]"});
    assert_names(
        &refused(oos(&mut cloud, "DeleteTemplates", names)),
        &["TemplateNames"],
    );
}

#[test]
fn a_server_is_given_one_weight() {
    let attached = crate::support::SMALL.replace(
        "    instances: {count: 3}",
        "    instances: {count: 3}\n    loadBalancerIds: [lb-1]\n    albServerGroups: [{albServerGroupId: sgp-a, port: 81}]",
    );
    let mut cloud = crate::support::cloud(&attached);
    let servers = json!([{"ServerId": "i-small-01", "Weight": 1, "Port": 80}, {"ServerId": "i-small-01", "Weight": 2}]);
    for action in [
        "SetBackendServers",
        "AddBackendServers",
        "RemoveBackendServers",
    ] {
        let ask = json!({"LoadBalancerId": "lb-1", "BackendServers": servers.to_string()});
        let said = refused(Ask::default().call(&mut cloud, Service::Slb, action, ask));
        assert_names(&said, &["BackendServers.2", "i-small-01"]);
    }
    let ask = |port: u16| {
        json!({"ServerGroupId": "sgp-a", "Servers.1.ServerId": "i-small-01", "Servers.1.Port": 81,
            "Servers.1.Weight": 1, "Servers.2.ServerId": "i-small-01", "Servers.2.Port": port,
            "Servers.2.Weight": 2})
    };
    const UPDATE: &str = "UpdateServerGroupServersAttribute";
    let said = refused(Ask::default().call(&mut cloud, Service::Alb, UPDATE, ask(81)));
    assert_names(&said, &["Servers.2", "i-small-01"]);
    // Of another port it is another server, which is not in the group.
    let error = Ask::default()
        .call(&mut cloud, Service::Alb, UPDATE, ask(82))
        .unwrap_err();
    assert_eq!(error.code, "ResourceNotFound.BackendServer");
}

#[test]
fn a_policy_of_a_session_says_nothing_that_is_passed_over() {
    let roles = "roles:\n  - {name: r, trustsAccounts: ['1000000000000001'], allow: ['*']}\n  - ";
    let yaml = crate::support::SMALL.replace("roles:\n  - ", roles);
    let mut cloud = crate::support::cloud(&yaml);
    let assume = |cloud: &mut Cloud, policy: &str| {
        let ask = json!({"RoleArn": format!("acs:ram::{ACCOUNT}:role/r"), "RoleSessionName": "me",
            "Policy": policy});
        Ask::default().call(cloud, Service::Sts, "AssumeRole", ask)
    };
    for (policy, name) in [
        ("[]", "Policy"),
        ("{}", "Statement"),
        (r#"{"Statement": []}"#, "Statement"),
        (r#"{"Statement": ["x"]}"#, "Statement[0]"),
        (
            r#"{"Version": "2", "Statement": [{"Effect": "Allow", "Action": "*"}]}"#,
            "Version",
        ),
        (
            r#"{"Statement": [{"Effect": "Allow", "Action": "*"}], "Foo": 1}"#,
            "Foo",
        ),
        (
            r#"{"Statement": [{"Effect": "Allow", "NotAction": "ecs:*"}]}"#,
            "NotAction",
        ),
        (r#"{"Statement": [{"Effect": "Allow"}]}"#, "Action"),
        (
            r#"{"Statement": [{"Effect": "Allow", "Action": [1]}]}"#,
            "Action",
        ),
        (
            r#"{"Statement": [{"Effect": "allow", "Action": "*"}]}"#,
            "Effect",
        ),
        ("{", "JSON"),
    ] {
        let error = assume(&mut cloud, policy).unwrap_err();
        assert_eq!(error.code, "InvalidParameter.PolicyGrammar", "{policy}");
        assert_names(&error.message, &["Policy", name]);
    }
    for (part, name) in [
        (r#""Resource": "acs:ecs:*:*:instance/i-1""#, "Resource"),
        (
            r#""Resource": "*", "Condition": {"Bool": {"acs:SecureTransport": "true"}}"#,
            "Condition",
        ),
    ] {
        let policy = format!(r#"{{"Statement": {{"Effect": "Allow", "Action": "*", {part}}}}}"#);
        let error = assume(&mut cloud, &policy).unwrap_err();
        assert_eq!(error.code, "UnsupportedParameter");
        assert_names(&error.message, &["Policy", name]);
        let ignoring = yaml.clone() + "\nswitches: {unsupportedParameters: ignore}";
        assume(&mut crate::support::cloud(&ignoring), &policy).unwrap();
    }
    let fine = r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}"#;
    assume(&mut cloud, fine).unwrap();
}

#[test]
fn removal_policies_are_named_once_and_a_function_has_its_policy() {
    let mut cloud = small("");
    let modify = |more: Value| {
        let mut ask = json!({"ScalingGroupId": "asg-small"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ask
    };
    let arn = "acs:fc:cn-hangzhou:1000000000000001:functions/choose";
    for (more, names) in [
        (
            json!({"RemovalPolicies.1": "OldestInstance", "RemovalPolicies.2": "OldestInstance"}),
            ["RemovalPolicies.2", "OldestInstance"],
        ),
        (
            json!({"CustomPolicyARN": arn}),
            ["CustomPolicyARN", "CustomPolicy is the first"],
        ),
        (
            json!({"CustomPolicyARN": arn, "RemovalPolicies.1": "NewestInstance",
                "RemovalPolicies.2": "CustomPolicy"}),
            ["CustomPolicyARN", "CustomPolicy is the first"],
        ),
    ] {
        let said = refused(ess(&mut cloud, "ModifyScalingGroup", modify(more.clone())));
        assert_names(&said, &names);
        let mut ask = modify(more);
        ask.as_object_mut().unwrap().remove("ScalingGroupId");
        ask["MinSize"] = json!(0);
        ask["MaxSize"] = json!(1);
        let said = refused(ess(&mut cloud, "CreateScalingGroup", ask));
        assert_names(&said, &names);
    }
    let custom = json!({"RemovalPolicies.1": "CustomPolicy", "CustomPolicyARN": arn});
    ess(&mut cloud, "ModifyScalingGroup", modify(custom)).unwrap();
    // What the group has already counts.
    let again = json!({ "CustomPolicyARN": arn });
    ess(&mut cloud, "ModifyScalingGroup", modify(again)).unwrap();
}

#[test]
fn a_system_disk_is_as_large_as_its_category_allows() {
    let mut cloud = small("instances: [{instanceId: i-own, imageId: m-1, status: Stopped}]");
    let made = |size: i64, more: Value| {
        let mut ask = json!({"ScalingGroupId": "asg-small", "ImageId": "m-1", "InstanceType": "a",
            "SystemDisk.Size": size});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ask
    };
    for (size, more) in [
        (5, json!({})),
        (19, json!({"SystemDisk.Category": "cloud_ssd"})),
        (19, json!({"SystemDisk.Category": "cloud_essd"})),
        (
            400,
            json!({"SystemDisk.Category": "cloud_essd", "SystemDisk.PerformanceLevel": "PL2"}),
        ),
        (
            5,
            json!({"SystemDiskCategories.1": "cloud_ssd", "SystemDiskCategories.2": "cloud_essd"}),
        ),
        (2049, json!({})),
        (501, json!({"SystemDisk.Category": "cloud"})),
    ] {
        let said = refused(ess(
            &mut cloud,
            "CreateScalingConfiguration",
            made(size, more),
        ));
        assert_names(&said, &["SystemDisk.Size", "from"]);
    }
    for (size, more) in [
        (20, json!({})),
        (5, json!({"SystemDisk.Category": "cloud_auto"})),
        (
            5,
            json!({"SystemDisk.Category": "cloud_essd", "SystemDisk.PerformanceLevel": "PL0"}),
        ),
        (
            5,
            json!({"SystemDiskCategories.1": "cloud_ssd", "SystemDiskCategories.2": "cloud_auto"}),
        ),
    ] {
        ess(&mut cloud, "CreateScalingConfiguration", made(size, more)).unwrap();
    }
    let new = json!({"ImageId": "m-1", "InstanceType": "a", "SystemDisk.Size": 5});
    let said = refused(ecs(&mut cloud, "RunInstances", new));
    assert_names(&said, &["SystemDisk.Size", "from 20"]);
    let other = json!({"InstanceId": "i-own", "ImageId": "m-1", "SystemDisk.Size": 5});
    let said = refused(ecs(&mut cloud, "ReplaceSystemDisk", other));
    assert_names(&said, &["SystemDisk.Size", "from 20"]);
    let data = made(40, json!({"DataDisks.1.Size": 0}));
    let said = refused(ess(&mut cloud, "CreateScalingConfiguration", data));
    assert_names(&said, &["Size", "above 0"]);
}

#[test]
fn a_template_url_is_refused_or_ignored_as_the_switch_says() {
    let mut cloud = small("");
    let ask = json!({"TemplateURL": "https://example.com/t.yml"});
    let error = oos(&mut cloud, "StartExecution", ask.clone()).unwrap_err();
    assert_eq!(error.code, "UnsupportedParameter");
    assert_names(&error.message, &["TemplateURL"]);
    let mut cloud = small("switches: {unsupportedParameters: ignore}");
    let error = oos(&mut cloud, "StartExecution", ask.clone()).unwrap_err();
    assert_eq!(error.code, "MissingParameter");
    assert_names(&error.message, &["TemplateName", "TemplateContent"]);
    let ignored = |cloud: &Cloud| {
        let last = cloud.world.journal.since(0).last().unwrap();
        last.ignored.clone()
    };
    assert_eq!(ignored(&cloud), ["TemplateURL"]);
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]});
    let mut ask = ask;
    ask["TemplateContent"] = json!(template.to_string());
    oos(&mut cloud, "StartExecution", ask).unwrap();
    assert_eq!(ignored(&cloud), ["TemplateURL"]);
}

#[test]
fn a_call_of_a_template_that_is_none_is_in_the_journal() {
    let mut cloud = small("");
    for (properties, service, code) in [
        (
            json!({"Service": "RDS", "API": "RestartInstance"}),
            None,
            "InvalidProduct.NotFound",
        ),
        (
            json!({"Service": "ECS", "API": "DescribeInstances",
                "Parameters": {"InstanceIds.1": "a", "InstanceIds.01": "b"}}),
            Some(Service::Ecs),
            "InvalidParameter",
        ),
    ] {
        let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
            {"Name": "call", "Action": "ACS::ExecuteAPI", "Properties": properties}]});
        let id = started(&mut cloud, json!({"TemplateContent": template.to_string()}));
        assert_eq!(execution(&mut cloud, &id)["Status"], "Failed");
        let entries: Vec<_> = cloud.world.journal.since(0).collect();
        let found = entries.iter().rev().find(|entry| entry.by_oos).unwrap();
        assert_eq!(
            (found.service, found.code.as_str()),
            (service, code),
            "{properties}"
        );
        assert_eq!(
            (&*found.action, &*found.principal),
            (properties["API"].as_str().unwrap(), "admin")
        );
        assert!(found.params.is_empty() && found.status >= 400);
    }
}

#[test]
fn no_more_commands_are_kept_than_an_account_may_have() {
    let mut cloud = small("");
    let make = json!({"Name": "c", "Type": "RunShellScript", "CommandContent": "bHM="});
    for _ in 0..5_000 {
        ecs(&mut cloud, "CreateCommand", make.clone()).unwrap();
    }
    let error = ecs(&mut cloud, "CreateCommand", make).unwrap_err();
    assert_eq!(error.code, "CmdCount.ExceedQuota");
    let mut run = json!({"Type": "RunShellScript", "CommandContent": "ls", "InstanceId.1": "i-small-01",
        "KeepCommand": true});
    let error = ecs(&mut cloud, "RunCommand", run.clone()).unwrap_err();
    assert_eq!(error.code, "CmdCount.ExceedQuota");
    run["KeepCommand"] = json!(false);
    ecs(&mut cloud, "RunCommand", run).unwrap();
}
