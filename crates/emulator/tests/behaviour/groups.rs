//! Scaling groups: what belongs to them is created, changed and deleted.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{code, control, ecs, ess, ess_2014, member, members, pass, small, status};

const APART: &str = r"
durations: {scaleOut: 60, scaleIn: 30, healthCheck: 20}
instances:
  - {instanceId: i-apart, imageId: m-1}
  - {instanceId: i-off, imageId: m-1, status: Stopped}
";

fn group(cloud: &mut Cloud) -> Value {
    let ask = json!({"ScalingGroupIds.1": "asg-small"});
    let read = ess(cloud, "DescribeScalingGroups", ask).unwrap();
    read["ScalingGroups"][0].clone()
}

fn configuration(cloud: &mut Cloud, id: &Value) -> Value {
    let ask = json!({"ScalingConfigurationIds.1": id});
    let read = ess(cloud, "DescribeScalingConfigurations", ask).unwrap();
    read["ScalingConfigurations"][0].clone()
}

fn create(cloud: &mut Cloud, more: Value) -> Value {
    let mut ask = json!({
        "ScalingGroupId": "asg-small", "ImageId": "m-2", "InstanceType": "ecs.c7.large",
    });
    ask.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = ess(cloud, "CreateScalingConfiguration", ask).unwrap();
    made["ScalingConfigurationId"].clone()
}

fn activity(cloud: &mut Cloud, id: &Value) -> Value {
    let ask = json!({"ScalingActivityIds.1": id});
    let read = ess(cloud, "DescribeScalingActivities", ask).unwrap();
    read["ScalingActivities"][0].clone()
}

#[test]
fn what_a_group_is_given_is_read_back() {
    let mut cloud = small("");
    let ask = json!({
        "ScalingGroupId": "asg-small", "RemovalPolicies.1": "NewestInstance",
        "HealthCheckType": "NONE", "MultiAZPolicy": "BALANCE", "VSwitchIds.1": "vsw-a",
        "VSwitchIds.2": "vsw-b", "MaxInstanceLifetime": 86_400, "SpotInstanceRemedy": true,
        "CapacityOptions.OnDemandBaseCapacity": 2,
    });
    ess(&mut cloud, "ModifyScalingGroup", ask).unwrap();
    let shown = group(&mut cloud);
    assert_eq!(shown["RemovalPolicies"], json!(["NewestInstance"]));
    assert_eq!(shown["HealthCheckTypes"], json!(["NONE"]));
    assert_eq!(shown["VSwitchIds"], json!(["vsw-a", "vsw-b"]));
    assert_eq!(
        [&shown["MultiAZPolicy"], &shown["VSwitchId"]],
        ["BALANCE", "vsw-a"]
    );
    assert_eq!(shown["MaxInstanceLifetime"], 86_400);
    assert_eq!(shown["CapacityOptions"]["OnDemandBaseCapacity"], 2);
    let old = ess_2014(
        &mut cloud,
        "DescribeScalingGroups",
        json!({"ScalingGroupId.1": "asg-small"}),
    );
    let old = &old.unwrap()["ScalingGroups"]["ScalingGroup"][0];
    assert_eq!(
        old["RemovalPolicies"]["RemovalPolicy"],
        json!(["NewestInstance"])
    );
    let odd = json!({"ScalingGroupId": "asg-small", "HealthCheckType": "SOME"});
    assert_eq!(
        code(ess(&mut cloud, "ModifyScalingGroup", odd)),
        "InvalidParameter"
    );
    // Nobody looks after the instances any more.
    ecs(
        &mut cloud,
        "StopInstance",
        json!({"InstanceId": "i-small-01"}),
    )
    .unwrap();
    pass(&mut cloud, 600);
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "InService");
}

#[test]
fn the_first_removal_policy_says_who_goes() {
    let mut cloud = small("");
    control(
        &mut cloud,
        "POST",
        "groups/asg-small/scaleOut",
        json!({"count": 1}),
    );
    pass(&mut cloud, 120);
    let newest = members(&mut cloud, "asg-small").pop().unwrap();
    let ask = json!({"ScalingGroupId": "asg-small", "RemovalPolicies.1": "NewestInstance"});
    ess(&mut cloud, "ModifyScalingGroup", ask).unwrap();
    control(
        &mut cloud,
        "POST",
        "groups/asg-small/scaleIn",
        json!({"count": 1}),
    );
    pass(&mut cloud, 120);
    let left = members(&mut cloud, "asg-small");
    assert_eq!((left.len(), left.contains(&newest)), (3, false));
}

#[test]
fn a_new_configuration_is_used_once_it_is_active() {
    let mut cloud = small("");
    let id = create(
        &mut cloud,
        json!({
            "ScalingConfigurationName": "next", "InstanceName": "web", "SecurityGroupIds.1": "sg-1",
            "Tags": "{\"team\":\"web\"}", "SystemDisk.Size": 60, "SystemDisk.Category": "cloud_essd",
            "DataDisks.1.Size": 100, "DataDisks.1.Category": "cloud_essd", "LoadBalancerWeight": 70,
            "SpotStrategy": "NoSpot", "RamRoleName": "web-role",
        }),
    );
    let shown = configuration(&mut cloud, &id);
    assert_eq!(
        [
            &shown["LifecycleState"],
            &shown["InstanceType"],
            &shown["RamRoleName"]
        ],
        ["Inactive", "ecs.c7.large", "web-role"]
    );
    assert_eq!(shown["SystemDiskSize"], 60);
    assert_eq!(shown["DataDisks"][0]["Size"], 100);
    assert_eq!(shown["Tags"][0], json!({"Key": "team", "Value": "web"}));
    let active = json!({"ScalingGroupId": "asg-small", "ActiveScalingConfigurationId": id});
    ess(&mut cloud, "ModifyScalingGroup", active).unwrap();
    control(
        &mut cloud,
        "POST",
        "groups/asg-small/scaleOut",
        json!({"count": 1}),
    );
    pass(&mut cloud, 120);
    let mut now = members(&mut cloud, "asg-small").into_iter();
    let new = now.find(|id| !id.starts_with("i-small")).unwrap();
    let made = crate::support::instance(&mut cloud, &new).unwrap();
    assert_eq!([&made["InstanceName"], &made["ImageId"]], ["web", "m-2"]);
    assert_eq!(made["SecurityGroupIds"]["SecurityGroupId"], json!(["sg-1"]));
    assert_eq!(made["Tags"]["Tag"][0]["TagKey"], "team");
    assert_eq!(member(&mut cloud, &new).unwrap().1, 70);
    let disks = ecs(&mut cloud, "DescribeDisks", json!({"InstanceId": new})).unwrap();
    let sizes: Vec<_> = disks["Disks"]["Disk"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["Size"])
        .collect();
    assert_eq!(sizes, [60, 100]);
    let change =
        json!({"ScalingConfigurationId": id, "HostName": "web-host", "SystemDisk.Size": 80});
    ess(&mut cloud, "ModifyScalingConfiguration", change).unwrap();
    let shown = configuration(&mut cloud, &id);
    assert_eq!(
        (&shown["HostName"], &shown["SystemDiskSize"]),
        (&json!("web-host"), &json!(80))
    );
    assert_eq!(shown["InstanceName"], "web");
    // The older one is in use by instances, the newer one by the group.
    for (id, want) in [
        (json!("asc-small"), "InstanceInUse"),
        (id, "IncorrectScalingConfigurationLifecycleState"),
    ] {
        let ask = json!({"ScalingConfigurationId": id});
        assert_eq!(
            code(ess(&mut cloud, "DeleteScalingConfiguration", ask)),
            want
        );
    }
}

#[test]
fn a_configuration_that_nothing_uses_is_deleted() {
    let mut cloud = small("");
    let id = create(&mut cloud, json!({"ScalingConfigurationName": "spare"}));
    let twice = json!({
        "ScalingGroupId": "asg-small", "ImageId": "m-2", "InstanceType": "x",
        "ScalingConfigurationName": "spare",
    });
    let twice = ess(&mut cloud, "CreateScalingConfiguration", twice);
    assert_eq!(code(twice), "InvalidScalingConfigurationName.Duplicate");
    let ask = json!({"ScalingConfigurationId": id});
    ess(&mut cloud, "DeleteScalingConfiguration", ask.clone()).unwrap();
    let gone = ess(&mut cloud, "DeleteScalingConfiguration", ask);
    assert_eq!(code(gone), "InvalidScalingConfigurationId.NotFound");
}

#[test]
fn an_active_configuration_is_given_up_by_a_disabled_group_alone() {
    let mut cloud = small("");
    let ask = json!({"ScalingConfigurationId": "asc-small"});
    let busy = ess(&mut cloud, "DeactivateScalingConfiguration", ask.clone());
    assert_eq!(code(busy), "IncorrectScalingGroupStatus");
    let of = json!({"ScalingGroupId": "asg-small"});
    ess(&mut cloud, "DisableScalingGroup", of.clone()).unwrap();
    ess(&mut cloud, "DeactivateScalingConfiguration", ask).unwrap();
    let none = ess(&mut cloud, "EnableScalingGroup", of);
    assert_eq!(code(none), "MissingActiveScalingConfiguration");
    let with = json!({"ScalingGroupId": "asg-small", "ActiveScalingConfigurationId": "asc-small"});
    ess(&mut cloud, "EnableScalingGroup", with).unwrap();
    assert_eq!(group(&mut cloud)["LifecycleState"], "Active");
}

#[test]
fn instances_are_attached_and_detached_again() {
    let mut cloud = small(APART);
    let ask = |id: &str| json!({"ScalingGroupId": "asg-small", "InstanceIds.1": id, "LoadBalancerWeights.1": 20});
    let off = ess(&mut cloud, "AttachInstances", ask("i-off"));
    assert_eq!(code(off), "IncorrectInstanceStatus");
    let own = ess(&mut cloud, "AttachInstances", ask("i-small-01"));
    assert_eq!(code(own), "InvalidInstanceId.InUse");
    let started = ess(&mut cloud, "AttachInstances", ask("i-apart")).unwrap();
    let busy = ess(&mut cloud, "AttachInstances", ask("i-apart"));
    assert_eq!(code(busy), "ScalingActivityInProgress");
    assert_eq!(
        member(&mut cloud, "i-apart").unwrap(),
        ("Pending".into(), 0)
    );
    pass(&mut cloud, 60);
    let ended = activity(&mut cloud, &started["ScalingActivityId"]);
    assert_eq!(ended["StatusCode"], "Successful");
    assert_eq!(
        member(&mut cloud, "i-apart").unwrap(),
        ("InService".into(), 20)
    );
    assert_eq!(group(&mut cloud)["DesiredCapacity"], 4);
    let off = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-apart"});
    ess(&mut cloud, "DetachInstances", off.clone()).unwrap();
    pass(&mut cloud, 30);
    assert_eq!(member(&mut cloud, "i-apart"), None);
    assert_eq!(status(&mut cloud, "i-apart"), "Running");
    assert_eq!(group(&mut cloud)["DesiredCapacity"], 3);
    let none = ess(&mut cloud, "DetachInstances", off);
    assert_eq!(code(none), "InvalidInstanceId.NotFound");
}

#[test]
fn an_attached_instance_outlives_its_removal_unless_it_is_entrusted() {
    for (entrusted, left) in [(false, "Running"), (true, "gone")] {
        let mut cloud = small(APART);
        let ask = json!({
            "ScalingGroupId": "asg-small", "InstanceIds.1": "i-apart", "Entrusted": entrusted,
        });
        ess(&mut cloud, "AttachInstances", ask).unwrap();
        pass(&mut cloud, 60);
        let remove = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-apart"});
        ess(&mut cloud, "RemoveInstances", remove).unwrap();
        pass(&mut cloud, 30);
        assert_eq!(member(&mut cloud, "i-apart"), None);
        assert_eq!(status(&mut cloud, "i-apart"), left);
    }
}

#[test]
fn a_group_is_enabled_with_instances() {
    let mut cloud = small(APART);
    ess(
        &mut cloud,
        "DisableScalingGroup",
        json!({"ScalingGroupId": "asg-small"}),
    )
    .unwrap();
    let ask = |id: &str| json!({"ScalingGroupId": "asg-small", "InstanceIds.1": id});
    let off = ess(&mut cloud, "EnableScalingGroup", ask("i-off"));
    assert_eq!(code(off), "IncorrectInstanceStatus");
    assert_eq!(group(&mut cloud)["LifecycleState"], "Inactive");
    ess(&mut cloud, "EnableScalingGroup", ask("i-apart")).unwrap();
    pass(&mut cloud, 60);
    assert_eq!(member(&mut cloud, "i-apart").unwrap().0, "InService");
}

#[test]
fn an_instance_that_is_said_to_be_unhealthy_is_replaced() {
    let mut cloud = small(APART);
    let ask = json!({"InstanceId": "i-small-01", "HealthStatus": "Unhealthy"});
    ess(&mut cloud, "SetInstanceHealth", ask).unwrap();
    let read = json!({"ScalingGroupId": "asg-small", "HealthStatus": "Unhealthy"});
    let read = ess(&mut cloud, "DescribeScalingInstances", read).unwrap();
    assert_eq!(read["TotalCount"], 1);
    pass(&mut cloud, 300);
    assert_eq!(member(&mut cloud, "i-small-01"), None);
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
}

#[test]
fn rules_scale_as_far_as_the_group_allows() {
    let mut cloud = small(APART);
    let rule = |cloud: &mut Cloud, kind: &str, value: i64| {
        let ask = json!({
            "ScalingGroupId": "asg-small", "AdjustmentType": kind, "AdjustmentValue": value,
        });
        ess(cloud, "CreateScalingRule", ask).unwrap()
    };
    let run = |cloud: &mut Cloud, rule: &Value| {
        let ask = json!({"ScalingRuleAri": rule["ScalingRuleAri"]});
        let started = ess(cloud, "ExecuteScalingRule", ask).unwrap();
        pass(cloud, 120);
        activity(cloud, &started["ScalingActivityId"])["StatusCode"].clone()
    };
    let count = |cloud: &mut Cloud| members(cloud, "asg-small").len();
    let more = rule(&mut cloud, "QuantityChangeInCapacity", 2);
    assert_eq!(run(&mut cloud, &more), "Successful");
    assert_eq!(count(&mut cloud), 5);
    // Six are the most.
    assert_eq!(run(&mut cloud, &more), "Successful");
    assert_eq!(count(&mut cloud), 6);
    assert_eq!(run(&mut cloud, &more), "Rejected");
    let half = rule(&mut cloud, "PercentChangeInCapacity", -50);
    assert_eq!(run(&mut cloud, &half), "Successful");
    assert_eq!(count(&mut cloud), 3);
    let total = rule(&mut cloud, "TotalCapacity", 1);
    let change = json!({"ScalingRuleId": total["ScalingRuleId"], "AdjustmentValue": 2, "ScalingRuleName": "two"});
    ess(&mut cloud, "ModifyScalingRule", change).unwrap();
    assert_eq!(run(&mut cloud, &total), "Successful");
    assert_eq!(count(&mut cloud), 2);
    let read = ess(
        &mut cloud,
        "DescribeScalingRules",
        json!({"ScalingRuleNames.1": "two"}),
    )
    .unwrap();
    assert_eq!(read["ScalingRules"][0]["AdjustmentValue"], 2);
    let gone = json!({"ScalingRuleId": total["ScalingRuleId"]});
    ess(&mut cloud, "DeleteScalingRule", gone.clone()).unwrap();
    assert_eq!(
        code(ess(&mut cloud, "DeleteScalingRule", gone)),
        "InvalidScalingRuleId.NotFound"
    );
    let ask = json!({"ScalingRuleAri": total["ScalingRuleAri"]});
    assert_eq!(
        code(ess(&mut cloud, "ExecuteScalingRule", ask)),
        "InvalidScalingRuleId.NotFound"
    );
    let by_hand = json!({
        "ScalingGroupId": "asg-small", "AdjustmentType": "QuantityChangeInCapacity", "AdjustmentValue": 1,
    });
    ess(&mut cloud, "ScaleWithAdjustment", by_hand.clone()).unwrap();
    let busy = ess(&mut cloud, "ScaleWithAdjustment", by_hand);
    assert_eq!(code(busy), "ScalingActivityInProgress");
    let alarm =
        json!({"ScalingGroupId": "asg-small", "ScalingRuleType": "TargetTrackingScalingRule"});
    assert_eq!(
        code(ess(&mut cloud, "CreateScalingRule", alarm)),
        "UnsupportedParameter"
    );
}

#[test]
fn a_rule_of_the_scene_is_executed_by_its_ari() {
    let yaml = crate::support::SMALL.replace(
        "    maxSize: 6\n",
        "    maxSize: 6\n    scalingRules: [{scalingRuleId: asr-up, adjustmentType: QuantityChangeInCapacity, adjustmentValue: 1}]\n",
    );
    let mut cloud = crate::support::cloud(&yaml);
    let account = crate::support::ACCOUNT;
    let ari = format!("ari:acs:ess:cn-hangzhou:{account}:scalingrule/asr-up");
    ess(
        &mut cloud,
        "ExecuteScalingRule",
        json!({"ScalingRuleAri": ari}),
    )
    .unwrap();
    pass(&mut cloud, 120);
    assert_eq!(members(&mut cloud, "asg-small").len(), 4);
}

#[test]
fn a_hook_holds_until_it_is_completed_and_waits_longer_if_asked() {
    let mut cloud = small("durations: {scaleOut: 10}");
    let ask = json!({
        "ScalingGroupId": "asg-small", "LifecycleHookName": "wait", "LifecycleTransition": "SCALE_OUT",
        "HeartbeatTimeout": 60, "DefaultResult": "ABANDON",
    });
    let hook =
        ess(&mut cloud, "CreateLifecycleHook", ask.clone()).unwrap()["LifecycleHookId"].clone();
    let twice = ess(&mut cloud, "CreateLifecycleHook", ask);
    assert_eq!(code(twice), "InvalidLifecycleHookName.Duplicate");
    let (_, started) = control(
        &mut cloud,
        "POST",
        "groups/asg-small/scaleOut",
        json!({"count": 1}),
    );
    pass(&mut cloud, 10);
    let of = json!({"ScalingActivityId": started["activityId"]});
    let of = match of["ScalingActivityId"].is_string() {
        true => of,
        false => {
            let ask = json!({"ScalingGroupId": "asg-small"});
            let read = ess(&mut cloud, "DescribeScalingActivities", ask).unwrap();
            json!({"ScalingActivityId": read["ScalingActivities"][0]["ScalingActivityId"]})
        }
    };
    let actions = ess(&mut cloud, "DescribeLifecycleActions", of.clone()).unwrap();
    let token = actions["LifecycleActions"][0]["LifecycleActionToken"].clone();
    pass(&mut cloud, 50);
    let more = json!({
        "lifecycleHookId": hook, "lifecycleActionToken": token, "heartbeatTimeout": 300,
    });
    ess(&mut cloud, "RecordLifecycleActionHeartbeat", more.clone()).unwrap();
    pass(&mut cloud, 200);
    let status = |cloud: &mut Cloud| {
        let read = ess(cloud, "DescribeLifecycleActions", of.clone()).unwrap();
        read["LifecycleActions"][0]["LifecycleActionStatus"].clone()
    };
    assert_eq!(status(&mut cloud), "Pending");
    pass(&mut cloud, 100);
    assert_eq!(status(&mut cloud), "Timeout");
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
    let late = ess(&mut cloud, "RecordLifecycleActionHeartbeat", more);
    assert_eq!(code(late), "InvalidLifecycleActionToken.NotFound");
}

#[test]
fn hooks_are_changed_shown_and_deleted() {
    let mut cloud = small("");
    let ask = json!({
        "ScalingGroupId": "asg-small", "LifecycleHookName": "wait", "LifecycleTransition": "SCALE_IN",
    });
    let id = ess(&mut cloud, "CreateLifecycleHook", ask).unwrap()["LifecycleHookId"].clone();
    let change = json!({
        "ScalingGroupId": "asg-small", "LifecycleHookName": "wait", "HeartbeatTimeout": 90,
        "NotificationMetadata": "x", "LifecycleHookStatus": "InActive",
    });
    ess(&mut cloud, "ModifyLifecycleHook", change).unwrap();
    let rename = json!({"LifecycleHookId": id, "LifecycleHookName": "rest"});
    ess(&mut cloud, "ModifyLifecycleHook", rename).unwrap();
    let of = json!({"ScalingGroupId": "asg-small"});
    let read = ess(&mut cloud, "DescribeLifecycleHooks", of.clone()).unwrap();
    let hook = &read["LifecycleHooks"][0];
    assert_eq!(
        [
            &hook["LifecycleHookName"],
            &hook["LifecycleHookStatus"],
            &hook["DefaultResult"]
        ],
        ["rest", "InActive", "CONTINUE"]
    );
    assert_eq!(
        (&hook["HeartbeatTimeout"], &hook["NotificationMetadata"]),
        (&json!(90), &json!("x"))
    );
    let delete = json!({"LifecycleHookId": id});
    ess(&mut cloud, "DeleteLifecycleHook", delete.clone()).unwrap();
    let read = ess(&mut cloud, "DescribeLifecycleHooks", of).unwrap();
    assert_eq!(read["TotalCount"], 0);
    let gone = ess(&mut cloud, "DeleteLifecycleHook", delete);
    assert_eq!(code(gone), "InvalidLifecycleHookId.NotExist");
}

#[test]
fn a_group_is_created_filled_protected_and_deleted() {
    let mut cloud = small("durations: {scaleOut: 10, healthCheck: 1}");
    let ask = json!({
        "ScalingGroupName": "fresh", "MinSize": 1, "MaxSize": 3, "VSwitchIds.1": "vsw-1",
        "Tags.1.Key": "team", "Tags.1.Value": "web", "Tags.1.Propagate": true,
    });
    let id = ess(&mut cloud, "CreateScalingGroup", ask).unwrap()["ScalingGroupId"].clone();
    let of = json!({"ScalingGroupId": id});
    let none = ess(&mut cloud, "EnableScalingGroup", of.clone());
    assert_eq!(code(none), "MissingActiveScalingConfiguration");
    let configure = json!({"ScalingGroupId": id, "ImageId": "m-1", "InstanceType": "ecs.c7.large"});
    let made = ess(&mut cloud, "CreateScalingConfiguration", configure).unwrap();
    let enable = json!({
        "ScalingGroupId": id, "ActiveScalingConfigurationId": made["ScalingConfigurationId"],
    });
    ess(&mut cloud, "EnableScalingGroup", enable).unwrap();
    pass(&mut cloud, 60);
    let own = members(&mut cloud, id.as_str().unwrap());
    assert_eq!(own.len(), 1);
    let keys = ess(
        &mut cloud,
        "ListTagKeys",
        json!({"ResourceType": "scalinggroup"}),
    )
    .unwrap();
    assert_eq!(keys["Keys"], json!(["team"]));
    let ask = json!({"ResourceType": "scalinggroup", "Key": "team"});
    assert_eq!(
        ess(&mut cloud, "ListTagValues", ask).unwrap()["Values"],
        json!(["web"])
    );
    let protect = |on: bool| json!({"ScalingGroupId": id, "GroupDeletionProtection": on});
    ess(&mut cloud, "SetGroupDeletionProtection", protect(true)).unwrap();
    let force = json!({"ScalingGroupId": id, "ForceDelete": true});
    let kept = ess(&mut cloud, "DeleteScalingGroup", force.clone());
    assert_eq!(code(kept), "OperationDenied.GroupDeletionProtection");
    ess(&mut cloud, "SetGroupDeletionProtection", protect(false)).unwrap();
    assert_eq!(
        code(ess(&mut cloud, "DeleteScalingGroup", of.clone())),
        "InstanceInUse"
    );
    ess(&mut cloud, "DeleteScalingGroup", force).unwrap();
    assert_eq!(status(&mut cloud, &own[0]), "gone");
    assert_eq!(
        code(ess(&mut cloud, "DisableScalingGroup", of)),
        "InvalidScalingGroupId.NotFound"
    );
}

#[test]
fn a_refresh_leaves_the_group_with_what_was_desired_or_is_rolled_back() {
    let mut cloud = small("durations: {instanceRefresh: 100}");
    let ask = json!({"ScalingGroupId": "asg-small", "DesiredConfiguration.ImageId": "m-2"});
    let start = |cloud: &mut Cloud| {
        let started = ess(cloud, "StartInstanceRefresh", ask.clone()).unwrap();
        started["InstanceRefreshTaskId"].clone()
    };
    let status = |cloud: &mut Cloud, id: &Value| {
        let ask = json!({"InstanceRefreshTaskIds.1": id});
        let read = ess(cloud, "DescribeInstanceRefreshes", ask).unwrap();
        read["InstanceRefreshTasks"][0]["Status"].clone()
    };
    let image = |cloud: &mut Cloud| configuration(cloud, &json!("asc-small"))["ImageId"].clone();
    let first = start(&mut cloud);
    pass(&mut cloud, 40);
    let back = json!({"ScalingGroupId": "asg-small", "InstanceRefreshTaskId": first});
    ess(&mut cloud, "RollbackInstanceRefresh", back.clone()).unwrap();
    assert_eq!(status(&mut cloud, &first), "RollbackInProgress");
    let busy = ess(&mut cloud, "StartInstanceRefresh", ask.clone());
    assert_eq!(code(busy), "InstanceRefreshInProgress");
    pass(&mut cloud, 40);
    assert_eq!(status(&mut cloud, &first), "RollbackSuccessful");
    assert_eq!(image(&mut cloud), "m-1");
    let again = ess(&mut cloud, "RollbackInstanceRefresh", back);
    assert_eq!(code(again), "IncorrectInstanceRefreshTaskStatus");
    let second = start(&mut cloud);
    pass(&mut cloud, 100);
    assert_eq!(status(&mut cloud, &second), "Successful");
    assert_eq!(image(&mut cloud), "m-2");
    let none = json!({"ScalingGroupId": "asg-small", "DesiredConfiguration.ImageId": "m-none"});
    assert_eq!(
        code(ess(&mut cloud, "StartInstanceRefresh", none)),
        "InvalidImageId.NotFound"
    );
}

#[test]
fn a_group_is_scaled_to_a_size_that_is_changed() {
    let mut cloud = small(APART);
    let modify = |cloud: &mut Cloud, name: &str, size: u64| {
        let ask = json!({"ScalingGroupId": "asg-small", name: size});
        ess(cloud, "ModifyScalingGroup", ask)
    };
    let size = |cloud: &mut Cloud| {
        let shown = group(cloud);
        let count = |name: &str| shown[name].as_u64().unwrap();
        (count("TotalCapacity"), count("DesiredCapacity"))
    };
    modify(&mut cloud, "MinSize", 5).unwrap();
    assert_eq!(size(&mut cloud), (3, 5));
    pass(&mut cloud, 200);
    assert_eq!(size(&mut cloud), (5, 5));
    modify(&mut cloud, "MinSize", 1).unwrap();
    modify(&mut cloud, "MaxSize", 4).unwrap();
    pass(&mut cloud, 200);
    assert_eq!(size(&mut cloud), (4, 4));
    modify(&mut cloud, "DesiredCapacity", 2).unwrap();
    pass(&mut cloud, 200);
    assert_eq!(size(&mut cloud), (2, 2));
    // By activities, which a suspended process holds back until it is resumed.
    let suspended = json!({"ScalingGroupId": "asg-small", "Processes.1": "ScaleIn"});
    ess(&mut cloud, "SuspendProcesses", suspended.clone()).unwrap();
    modify(&mut cloud, "DesiredCapacity", 1).unwrap();
    pass(&mut cloud, 200);
    assert_eq!(size(&mut cloud), (2, 1));
    ess(&mut cloud, "ResumeProcesses", suspended).unwrap();
    pass(&mut cloud, 200);
    assert_eq!(size(&mut cloud), (1, 1));
    let ask = json!({"ScalingGroupId": "asg-small"});
    let read = ess(&mut cloud, "DescribeScalingActivities", ask).unwrap();
    assert_eq!(read["TotalCount"], 4, "{read}");
    for (name, wrong) in [
        ("DesiredCapacity", 5),
        ("DesiredCapacity", 0),
        ("MinSize", 5),
    ] {
        let refused = modify(&mut cloud, name, wrong);
        assert_eq!(code(refused), "InvalidParameter", "{name} {wrong}");
    }
}
