//! Instances that belong to no group: made, looked at, deleted.

use serde_json::{Value, json};

use crate::support::{code, ecs, instance, pass, small, status};

#[test]
fn instances_are_pending_then_starting_then_running() {
    let mut cloud = small("durations: {createInstance: 10, startInstance: 20}");
    let ask = json!({
        "ImageId": "m-1", "InstanceType": "ecs.g7.large", "Amount": 2, "InstanceName": "web-[7,3]",
        "SecurityGroupIds.1": "sg-a", "Tag.1.Key": "team", "Tag.1.Value": "web",
        "SystemDisk.Size": 60, "DataDisk.1.Size": 100, "DataDisk.1.DeleteWithInstance": false,
        "InternetMaxBandwidthOut": 5, "UserData": "ZWNobw==",
    });
    let made = ecs(&mut cloud, "RunInstances", ask).unwrap();
    let ids: Vec<String> =
        serde_json::from_value(made["InstanceIdSets"]["InstanceIdSet"].clone()).unwrap();
    assert_eq!(ids.len(), 2);
    assert_eq!(status(&mut cloud, &ids[0]), "Pending");
    let early = ecs(&mut cloud, "StopInstance", json!({"InstanceId": ids[0]}));
    assert_eq!(code(early), "IncorrectInstanceStatus");
    pass(&mut cloud, 10);
    assert_eq!(status(&mut cloud, &ids[0]), "Starting");
    pass(&mut cloud, 20);
    let names: Vec<Value> = ids
        .iter()
        .map(|id| instance(&mut cloud, id).unwrap()["InstanceName"].clone())
        .collect();
    assert_eq!(names, ["web-007", "web-008"]);
    let of = json!({"InstanceId": ids[0]});
    let shown = ecs(&mut cloud, "DescribeInstanceAttribute", of.clone()).unwrap();
    assert_eq!(shown["Status"], "Running");
    assert_eq!(
        shown["SecurityGroupIds"]["SecurityGroupId"],
        json!(["sg-a"])
    );
    assert_eq!(
        shown["PublicIpAddress"]["IpAddress"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        ecs(&mut cloud, "DescribeUserData", of.clone()).unwrap()["UserData"],
        "ZWNobw=="
    );
    let disks = ecs(&mut cloud, "DescribeDisks", of.clone()).unwrap();
    assert_eq!(disks["Disks"]["Disk"][1]["Size"], 100);
    let data = disks["Disks"]["Disk"][1]["DiskId"].clone();
    let delete = json!({"InstanceId": ids[0], "Force": true});
    ecs(&mut cloud, "DeleteInstance", delete).unwrap();
    let left = json!({"DiskIds": json!([data]).to_string()});
    let left = ecs(&mut cloud, "DescribeDisks", left).unwrap();
    assert_eq!(left["Disks"]["Disk"][0]["Status"], "Available");
}

#[test]
fn a_created_instance_is_stopped_and_can_become_another_type() {
    let mut cloud = small("durations: {createInstance: 10, startInstance: 20}");
    let ask = json!({"ImageId": "m-1", "InstanceType": "ecs.g7.large"});
    let id = ecs(&mut cloud, "CreateInstance", ask).unwrap()["InstanceId"].clone();
    let id = id.as_str().unwrap();
    assert_eq!(status(&mut cloud, id), "Pending");
    pass(&mut cloud, 60);
    assert_eq!(status(&mut cloud, id), "Stopped");
    let change = json!({"InstanceId": id, "InstanceType": "ecs.c7.xlarge"});
    ecs(&mut cloud, "ModifyInstanceSpec", change.clone()).unwrap();
    assert_eq!(
        instance(&mut cloud, id).unwrap()["InstanceType"],
        "ecs.c7.xlarge"
    );
    let address = ecs(
        &mut cloud,
        "AllocatePublicIpAddress",
        json!({"InstanceId": id}),
    )
    .unwrap();
    let found = json!({"PublicIpAddresses": json!([address["IpAddress"]]).to_string()});
    assert_eq!(
        ecs(&mut cloud, "DescribeInstances", found).unwrap()["TotalCount"],
        1
    );
    ecs(&mut cloud, "StartInstance", json!({"InstanceId": id})).unwrap();
    pass(&mut cloud, 20);
    let running = ecs(&mut cloud, "ModifyInstanceSpec", change);
    assert_eq!(code(running), "IncorrectInstanceStatus");
}

#[test]
fn what_no_instance_here_is_cannot_be_asked_for() {
    let mut cloud = small("");
    for (name, value) in [
        ("InstanceChargeType", "PrePaid"),
        ("SpotStrategy", "SpotAsPriceGo"),
    ] {
        let mut ask = json!({"ImageId": "m-1", "InstanceType": "ecs.g7.large"});
        ask[name] = json!(value);
        let refused = ecs(&mut cloud, "RunInstances", ask).unwrap_err();
        assert_eq!(refused.code, "UnsupportedParameter");
        assert!(refused.message.contains(name), "{}", refused.message);
    }
    let none = json!({"ImageId": "m-none", "InstanceType": "ecs.g7.large"});
    assert_eq!(
        code(ecs(&mut cloud, "RunInstances", none)),
        "InvalidImageId.NotFound"
    );
    let dry = json!({"ImageId": "m-1", "InstanceType": "ecs.g7.large", "DryRun": true});
    assert_eq!(
        code(ecs(&mut cloud, "RunInstances", dry)),
        "DryRunOperation"
    );
}

#[test]
fn an_owner_is_the_caller_or_refused_and_a_default_that_is_given_changes_nothing() {
    let mut cloud = small("");
    let account = crate::support::ACCOUNT;
    let own = json!({"OwnerAccount": account, "ResourceOwnerAccount": account});
    ecs(&mut cloud, "DescribeInstances", own).unwrap();
    for name in ["OwnerAccount", "ResourceOwnerAccount"] {
        let other = json!({name: "somebody@example.com"});
        let refused = ecs(&mut cloud, "DescribeInstances", other).unwrap_err();
        assert_eq!(refused.code, "UnsupportedParameter");
        assert!(refused.message.contains(name), "{}", refused.message);
    }
    let image = json!({"ImageId": "m-1"});
    for (action, name, default) in [
        ("ModifyInstanceSpec", "Async", "false"),
        ("CopyImage", "Encrypted", "false"),
        ("AttachDisk", "Bootable", "False"),
    ] {
        let mut with = image.clone();
        with[name] = json!(default);
        let given = ecs(&mut cloud, action, with.clone());
        let without = ecs(&mut cloud, action, image.clone());
        let code = |answer: &Result<Value, ess_emulator::error::ApiError>| {
            answer.as_ref().err().map(|error| error.code.clone())
        };
        assert_ne!(
            code(&given).as_deref(),
            Some("UnsupportedParameter"),
            "{action}"
        );
        // A copy takes a name of its own.
        if action != "CopyImage" {
            assert_eq!(code(&given), code(&without), "{action}");
        }
        with[name] = json!(true);
        let refused = ecs(&mut cloud, action, with).unwrap_err();
        assert_eq!(refused.code, "UnsupportedParameter", "{action}");
    }
    // A filter has no default.
    let filter = json!({"IsSupportCloudinit": false});
    assert_eq!(
        code(ecs(&mut cloud, "DescribeImages", filter)),
        "UnsupportedParameter"
    );
}
