//! What a creating action honours is seen afterwards: by the read of what was made, and for scaling
//! configurations in an instance that is made from one. What cannot be seen stands here with the
//! reason.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{control, ecs, ess, pass, small};

const MORE: &str = r#"
durations: {scaleOut: 60, scaleIn: 30, healthCheck: 20}
disks: [{diskId: d-free, instanceId: i-small-02}]
snapshots: [{snapshotId: s-free, diskId: d-free}]
"#;

/// Calls an action with each of its parameters by itself, and looks for it. A line of `shown` is a
/// parameter, a value, and where which value is seen as JSON; one of `unseen` a parameter and why
/// nothing shows it.
fn check(
    (service, action): (&str, &str),
    needed: &[(&str, &str)],
    shown: &str,
    unseen: &str,
    look: fn(&mut Cloud, Value) -> Value,
) {
    let (_, list) = control(&mut small(MORE), "GET", "actions", Value::Null);
    let all = list["actions"].as_array().unwrap();
    let own = all
        .iter()
        .find(|a| a["service"] == service && a["action"] == action)
        .unwrap();
    let shown: Vec<Vec<&str>> = shown
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split(" | ").collect())
        .collect();
    let unseen: Vec<&str> = unseen
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect();
    for path in own["honoured"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        let is_common = path == "RegionId" || path == "DryRun" || path.contains("Owner");
        let is_named = shown.iter().any(|row| row[0] == path) || unseen.contains(&path);
        assert!(is_common || is_named, "{action} {path} is not looked for");
    }
    for row in shown {
        let [path, value, pointer, expected] = row[..] else {
            panic!("{row:?}");
        };
        let expected: Value = serde_json::from_str(expected).unwrap();
        let mut params = json!({});
        let own = |path: &str| path.replace(".N", ".1");
        for (name, value) in needed {
            params[own(name)] = json!(value);
        }
        if path.starts_with("DataDisk") {
            let list = path.split('.').next().unwrap();
            params[format!("{list}.1.Size")] = json!("30");
        }
        if path.starts_with("Tag.N") {
            params["Tag.1.Key"] = json!("team");
        }
        if path.starts_with("SpotPriceLimit") {
            params["SpotPriceLimits.1.InstanceType"] = json!("ecs.g7.large");
        }
        params[own(path)] = json!(value);
        let mut cloud = small(MORE);
        let seen = look(&mut cloud, params);
        let found = seen.pointer(pointer);
        assert_eq!(found, Some(&expected), "{action} {path} in {seen}");
    }
}

fn disks(cloud: &mut Cloud, instance: &str) -> (Value, Value) {
    let read = ecs(cloud, "DescribeDisks", json!({"InstanceId": instance})).unwrap();
    let disks = read["Disks"]["Disk"].as_array().unwrap();
    let data = disks.get(1).cloned().unwrap_or_default();
    (disks[0].clone(), data)
}

/// An ECS instance with its disks.
fn whole(cloud: &mut Cloud, id: &str) -> Value {
    let ask = json!({"InstanceIds": json!([id]).to_string()});
    let read = ecs(cloud, "DescribeInstances", ask).unwrap();
    let attribute = json!({"InstanceId": id});
    let attribute = ecs(cloud, "DescribeInstanceAttribute", attribute).unwrap();
    let data = ecs(cloud, "DescribeUserData", json!({"InstanceId": id})).unwrap();
    let public = &read["Instances"]["Instance"][0]["PublicIpAddress"]["IpAddress"];
    let (system, disk) = disks(cloud, id);
    json!({"i": read["Instances"]["Instance"][0], "attribute": attribute, "system": system, "data": disk,
        "userData": data["UserData"], "isPublic": public != &json!([])})
}

fn configuration(cloud: &mut Cloud, mut params: Value) -> Value {
    params["ScalingGroupId"] = json!("asg-small");
    // They exclude each other.
    if params
        .as_object()
        .unwrap()
        .keys()
        .any(|name| name.starts_with("InstanceTypes"))
    {
        params.as_object_mut().unwrap().remove("InstanceType");
    }
    let made = ess(cloud, "CreateScalingConfiguration", params).unwrap();
    made["ScalingConfigurationId"].clone()
}

fn scaled_out(cloud: &mut Cloud, params: Value) -> Value {
    let id = configuration(cloud, params);
    let active = json!({"ScalingGroupId": "asg-small", "ActiveScalingConfigurationId": id});
    ess(cloud, "ModifyScalingGroup", active).unwrap();
    let (_, done) = control(cloud, "POST", "groups/asg-small/scaleOut", json!({}));
    let instance = done["activity"]["createdInstances"][0].as_str().unwrap();
    let instance = instance.to_owned();
    pass(cloud, 60);
    let member = json!({"InstanceIds.1": instance});
    let member = ess(cloud, "DescribeScalingInstances", member).unwrap();
    let mut all = whole(cloud, &instance);
    all["member"] = member["ScalingInstances"][0].clone();
    all
}

#[test]
fn an_instance_of_a_scale_out_has_what_its_configuration_says() {
    let needed = [("ImageId", "m-2"), ("InstanceType", "ecs.g7.large")];
    let shown = r#"
CreditSpecification | Unlimited | /i/CreditSpecification | "Unlimited"
DataDisks.N.Category | cloud_ssd | /data/Category | "cloud_ssd"
DataDisks.N.DeleteWithInstance | false | /data/DeleteWithInstance | false
DataDisks.N.Description | for data | /data/Description | "for data"
DataDisks.N.Device | /dev/xvdq | /data/Device | "/dev/xvdq"
DataDisks.N.DiskName | data-1 | /data/DiskName | "data-1"
DataDisks.N.Encrypted | true | /data/Encrypted | true
DataDisks.N.PerformanceLevel | PL2 | /data/PerformanceLevel | "PL2"
DataDisks.N.Size | 77 | /data/Size | 77
DataDisks.N.SnapshotId | s-free | /data/SourceSnapshotId | "s-free"
DeletionProtection | true | /i/DeletionProtection | true
DeploymentSetId | ds-1 | /i/DeploymentSetId | "ds-1"
HostName | shop-host | /i/HostName | "shop-host"
HttpEndpoint | enabled | /i/MetadataOptions/HttpEndpoint | "enabled"
HttpTokens | required | /i/MetadataOptions/HttpTokens | "required"
ImageId | m-1 | /i/ImageId | "m-1"
InstanceDescription | of a shop | /i/Description | "of a shop"
InstanceName | shop | /i/InstanceName | "shop"
InstanceType | ecs.c7.4xlarge | /i/InstanceType | "ecs.c7.4xlarge"
InternetChargeType | PayByBandwidth | /i/InternetChargeType | "PayByBandwidth"
InternetMaxBandwidthIn | 5 | /i/InternetMaxBandwidthIn | 5
InternetMaxBandwidthOut | 6 | /i/InternetMaxBandwidthOut | 6
InternetMaxBandwidthOut | 6 | /isPublic | true
InternetMaxBandwidthOut | 0 | /isPublic | false
IoOptimized | none | /i/IoOptimized | false
KeyPairName | key | /i/KeyPairName | "key"
LoadBalancerWeight | 33 | /member/LoadBalancerWeight | 33
ResourceGroupId | rg-1 | /i/ResourceGroupId | "rg-1"
SecurityGroupId | sg-1 | /i/SecurityGroupIds/SecurityGroupId | ["sg-1"]
SecurityGroupIds.N | sg-2 | /i/SecurityGroupIds/SecurityGroupId | ["sg-2"]
SpotDuration | 1 | /i/SpotDuration | 1
SpotInterruptionBehavior | Stop | /i/SpotInterruptionBehavior | "Stop"
SpotPriceLimits.N.PriceLimit | 1.5 | /i/SpotPriceLimit | 1.5
SpotStrategy | SpotAsPriceGo | /i/SpotStrategy | "SpotAsPriceGo"
SpotStrategy | SpotAsPriceGo | /member/SpotStrategy | "SpotAsPriceGo"
SystemDisk.Category | cloud_ssd | /system/Category | "cloud_ssd"
SystemDisk.Description | system | /system/Description | "system"
SystemDisk.DiskName | root | /system/DiskName | "root"
SystemDisk.Encrypted | true | /system/Encrypted | true
SystemDisk.KMSKeyId | key-1 | /system/KMSKeyId | "key-1"
SystemDisk.PerformanceLevel | PL2 | /system/PerformanceLevel | "PL2"
SystemDisk.Size | 100 | /system/Size | 100
SystemDiskCategories.N | cloud_ssd | /system/Category | "cloud_ssd"
Tags | {"t":"u"} | /i/Tags/Tag | [{"TagKey": "t", "TagValue": "u"}]
Tenancy | host | /i/DedicatedInstanceAttribute/Tenancy | "host"
UserData | dQ== | /userData | "dQ=="
ZoneId | cn-hangzhou-b | /i/ZoneId | "cn-hangzhou-b"
ZoneId | cn-hangzhou-b | /member/ZoneId | "cn-hangzhou-b"
"#;
    let unseen = "
ClientToken: it is of the call
ImageFamily: it chooses the ImageId
ImageName: it chooses the ImageId
InstanceTypes.N: the first is the InstanceType
PasswordInherit: no read of an instance has it
RamRoleName: DescribeInstances has no such member, and DescribeInstanceRamRole is not there
ScalingConfigurationName: it is of the configuration
ScalingGroupId: it is of the member
SecurityEnhancementStrategy: no read of an instance has it
SpotPriceLimits.N.InstanceType: it chooses the SpotPriceLimit
";
    let action = ("ESS", "CreateScalingConfiguration");
    check(action, &needed, shown, unseen, scaled_out);
}

#[test]
fn instances_are_spread_over_v_switches_as_the_group_says() {
    for (policy, expected) in [
        (None, ["vsw-a", "vsw-a", "vsw-a"]),
        (Some("PRIORITY"), ["vsw-a", "vsw-a", "vsw-a"]),
        (Some("BALANCE"), ["vsw-a", "vsw-b", "vsw-a"]),
        (Some("COMPOSABLE"), ["vsw-a", "vsw-b", "vsw-a"]),
    ] {
        let mut cloud = small(MORE);
        let mut ask = json!({"ScalingGroupId": "asg-small", "VSwitchIds.1": "vsw-a", "VSwitchIds.2": "vsw-b"});
        if let Some(policy) = policy {
            ask["MultiAZPolicy"] = json!(policy);
        }
        ess(&mut cloud, "ModifyScalingGroup", ask).unwrap();
        let (_, done) = control(
            &mut cloud,
            "POST",
            "groups/asg-small/scaleOut",
            json!({"count": 3}),
        );
        let made = done["activity"]["createdInstances"].as_array().unwrap();
        let switches: Vec<Value> = made
            .iter()
            .map(|id| {
                whole(&mut cloud, id.as_str().unwrap())["i"]["VpcAttributes"]["VSwitchId"].clone()
            })
            .collect();
        assert_eq!(json!(switches), json!(expected), "{policy:?}");
    }
}

#[test]
fn a_new_instance_shows_what_it_was_given() {
    let needed = [("ImageId", "m-2"), ("InstanceType", "ecs.g7.large")];
    let shown = r#"
DataDisk.N.Category | cloud_ssd | /data/Category | "cloud_ssd"
DataDisk.N.DeleteWithInstance | false | /data/DeleteWithInstance | false
DataDisk.N.Description | for data | /data/Description | "for data"
DataDisk.N.Device | /dev/xvdq | /data/Device | "/dev/xvdq"
DataDisk.N.DiskName | data-1 | /data/DiskName | "data-1"
DataDisk.N.PerformanceLevel | PL2 | /data/PerformanceLevel | "PL2"
DataDisk.N.Size | 77 | /data/Size | 77
DataDisk.N.SnapshotId | s-free | /data/SourceSnapshotId | "s-free"
DeletionProtection | true | /i/DeletionProtection | true
Description | of a shop | /i/Description | "of a shop"
HostName | shop-host | /i/HostName | "shop-host"
ImageId | m-1 | /i/ImageId | "m-1"
InstanceChargeType | PostPaid | /i/InstanceChargeType | "PostPaid"
InstanceName | shop | /i/InstanceName | "shop"
InstanceType | ecs.c7.4xlarge | /i/Cpu | 16
InstanceType | ecs.t6-c1m4.large | /i/Memory | 8192
InstanceType | ecs.g7.large | /attribute/Memory | 8192
InternetChargeType | PayByBandwidth | /i/InternetChargeType | "PayByBandwidth"
InternetMaxBandwidthIn | 5 | /i/InternetMaxBandwidthIn | 5
InternetMaxBandwidthOut | 6 | /attribute/InternetMaxBandwidthOut | 6
InternetMaxBandwidthOut | 6 | /i/InternetMaxBandwidthOut | 6
IoOptimized | optimized | /i/IoOptimized | true
KeyPairName | key | /i/KeyPairName | "key"
PrivateIpAddress | 10.1.2.3 | /i/VpcAttributes/PrivateIpAddress/IpAddress/0 | "10.1.2.3"
ResourceGroupId | rg-1 | /i/ResourceGroupId | "rg-1"
SecurityGroupId | sg-1 | /i/SecurityGroupIds/SecurityGroupId | ["sg-1"]
SecurityGroupIds.N | sg-2 | /i/SecurityGroupIds/SecurityGroupId | ["sg-2"]
SpotStrategy | NoSpot | /i/SpotStrategy | "NoSpot"
SystemDisk.Category | cloud_ssd | /system/Category | "cloud_ssd"
SystemDisk.Description | system | /system/Description | "system"
SystemDisk.DiskName | root | /system/DiskName | "root"
SystemDisk.PerformanceLevel | PL2 | /system/PerformanceLevel | "PL2"
SystemDisk.Size | 100 | /system/Size | 100
Tag.N.Key | stage | /i/Tags/Tag/0/TagKey | "stage"
Tag.N.Value | u | /i/Tags/Tag/0/TagValue | "u"
UserData | dQ== | /userData | "dQ=="
VSwitchId | vsw-1 | /i/VpcAttributes/VSwitchId | "vsw-1"
ZoneId | cn-hangzhou-b | /i/ZoneId | "cn-hangzhou-b"
"#;
    let unseen = "
Amount: it is how many there are
ClientToken: it is of the call
ImageFamily: it chooses the ImageId
LaunchTemplateId: it gives what is left out
LaunchTemplateName: it gives what is left out
LaunchTemplateVersion: it gives what is left out
MinAmount: it is how many there are
PasswordInherit: no read of an instance has it
SecurityEnhancementStrategy: no read of an instance has it
UniqueSuffix: it is part of the names
";
    check(
        ("ECS", "RunInstances"),
        &needed,
        shown,
        unseen,
        |cloud, params| {
            let made = ecs(cloud, "RunInstances", params).unwrap();
            let id = made["InstanceIdSets"]["InstanceIdSet"][0].as_str().unwrap();
            whole(cloud, id)
        },
    );
}

#[test]
fn a_scaling_configuration_shows_what_it_was_given() {
    let needed = [("ImageId", "m-2"), ("InstanceType", "ecs.g7.large")];
    let shown = r#"
CreditSpecification | Unlimited | /CreditSpecification | "Unlimited"
DataDisks.N.Category | cloud_ssd | /DataDisks/0/Category | "cloud_ssd"
DataDisks.N.DeleteWithInstance | false | /DataDisks/0/DeleteWithInstance | false
DataDisks.N.Description | for data | /DataDisks/0/Description | "for data"
DataDisks.N.Device | /dev/xvdq | /DataDisks/0/Device | "/dev/xvdq"
DataDisks.N.DiskName | data-1 | /DataDisks/0/DiskName | "data-1"
DataDisks.N.Encrypted | true | /DataDisks/0/Encrypted | true
DataDisks.N.PerformanceLevel | PL2 | /DataDisks/0/PerformanceLevel | "PL2"
DataDisks.N.Size | 77 | /DataDisks/0/Size | 77
DataDisks.N.SnapshotId | s-free | /DataDisks/0/SnapshotId | "s-free"
DeletionProtection | true | /DeletionProtection | true
DeploymentSetId | ds-1 | /DeploymentSetId | "ds-1"
HostName | shop-host | /HostName | "shop-host"
HttpEndpoint | enabled | /HttpEndpoint | "enabled"
HttpTokens | required | /HttpTokens | "required"
ImageId | m-1 | /ImageId | "m-1"
InstanceDescription | of a shop | /InstanceDescription | "of a shop"
InstanceName | shop | /InstanceName | "shop"
InstanceType | ecs.c7.4xlarge | /InstanceType | "ecs.c7.4xlarge"
InstanceTypes.N | ecs.c7.large | /InstanceTypes/0 | "ecs.c7.large"
InternetChargeType | PayByBandwidth | /InternetChargeType | "PayByBandwidth"
InternetMaxBandwidthIn | 5 | /InternetMaxBandwidthIn | 5
InternetMaxBandwidthOut | 6 | /InternetMaxBandwidthOut | 6
IoOptimized | none | /IoOptimized | "none"
KeyPairName | key | /KeyPairName | "key"
LoadBalancerWeight | 33 | /LoadBalancerWeight | 33
PasswordInherit | true | /PasswordInherit | true
RamRoleName | role | /RamRoleName | "role"
ResourceGroupId | rg-1 | /ResourceGroupId | "rg-1"
ScalingConfigurationName | c | /ScalingConfigurationName | "c"
ScalingGroupId | asg-small | /ScalingGroupId | "asg-small"
SecurityEnhancementStrategy | Active | /SecurityEnhancementStrategy | "Active"
SecurityGroupId | sg-1 | /SecurityGroupId | "sg-1"
SecurityGroupIds.N | sg-2 | /SecurityGroupIds/0 | "sg-2"
SpotDuration | 1 | /SpotDuration | 1
SpotInterruptionBehavior | Stop | /SpotInterruptionBehavior | "Stop"
SpotPriceLimits.N.InstanceType | ecs.c7.large | /SpotPriceLimits/0/InstanceType | "ecs.c7.large"
SpotPriceLimits.N.PriceLimit | 1.5 | /SpotPriceLimits/0/PriceLimit | 1.5
SpotStrategy | SpotAsPriceGo | /SpotStrategy | "SpotAsPriceGo"
SystemDisk.Category | cloud_ssd | /SystemDiskCategory | "cloud_ssd"
SystemDisk.Description | system | /SystemDiskDescription | "system"
SystemDisk.DiskName | root | /SystemDiskName | "root"
SystemDisk.Encrypted | true | /SystemDiskEncrypted | true
SystemDisk.KMSKeyId | key-1 | /SystemDiskKMSKeyId | "key-1"
SystemDisk.PerformanceLevel | PL2 | /SystemDiskPerformanceLevel | "PL2"
SystemDisk.Size | 100 | /SystemDiskSize | 100
SystemDiskCategories.N | cloud_ssd | /SystemDiskCategories/0 | "cloud_ssd"
Tags | {"t":"u"} | /Tags/0/Value | "u"
Tenancy | host | /Tenancy | "host"
UserData | dQ== | /UserData | "dQ=="
ZoneId | cn-hangzhou-b | /ZoneId | "cn-hangzhou-b"
"#;
    let unseen = "
ClientToken: it is of the call
ImageFamily: it chooses the ImageId
ImageName: it chooses the ImageId
";
    let action = ("ESS", "CreateScalingConfiguration");
    check(action, &needed, shown, unseen, |cloud, params| {
        let id = configuration(cloud, params);
        let ask = json!({"ScalingConfigurationIds.1": id});
        let read = ess(cloud, "DescribeScalingConfigurations", ask).unwrap();
        read["ScalingConfigurations"][0].clone()
    });
}

#[test]
fn a_disk_shows_what_it_was_given() {
    let shown = r#"
Description | for data | /Description | "for data"
DiskCategory | cloud_ssd | /Category | "cloud_ssd"
DiskName | data-1 | /DiskName | "data-1"
Encrypted | true | /Encrypted | true
PerformanceLevel | PL2 | /PerformanceLevel | "PL2"
ResourceGroupId | rg-1 | /ResourceGroupId | "rg-1"
Size | 77 | /Size | 77
SnapshotId | s-free | /SourceSnapshotId | "s-free"
Tag.N.Key | stage | /Tags/Tag/0/TagKey | "stage"
Tag.N.Value | u | /Tags/Tag/0/TagValue | "u"
ZoneId | cn-hangzhou-b | /ZoneId | "cn-hangzhou-b"
"#;
    let unseen = "
ClientToken: it is of the call
InstanceId: not together with ZoneId
";
    let needed = [("ZoneId", "cn-hangzhou-h"), ("Size", "40")];
    check(
        ("ECS", "CreateDisk"),
        &needed,
        shown,
        unseen,
        |cloud, params| {
            let made = ecs(cloud, "CreateDisk", params).unwrap();
            let ask = json!({"DiskIds": json!([made["DiskId"]]).to_string()});
            ecs(cloud, "DescribeDisks", ask).unwrap()["Disks"]["Disk"][0].clone()
        },
    );
}

#[test]
fn a_snapshot_shows_what_it_was_given() {
    let shown = r#"
Category | flash | /Category | "flash"
Description | before | /Description | "before"
DiskId | d-free | /SourceDiskId | "d-free"
InstantAccess | true | /InstantAccess | true
InstantAccessRetentionDays | 3 | /InstantAccessRetentionDays | 3
ResourceGroupId | rg-1 | /ResourceGroupId | "rg-1"
RetentionDays | 7 | /RetentionDays | 7
SnapshotName | s-name | /SnapshotName | "s-name"
Tag.N.Key | stage | /Tags/Tag/0/TagKey | "stage"
Tag.N.Value | u | /Tags/Tag/0/TagValue | "u"
"#;
    let unseen = "
ClientToken: it is of the call
";
    let action = ("ECS", "CreateSnapshot");
    check(
        action,
        &[("DiskId", "d-free")],
        shown,
        unseen,
        |cloud, params| {
            let made = ecs(cloud, "CreateSnapshot", params).unwrap();
            let ask = json!({"SnapshotIds": json!([made["SnapshotId"]]).to_string()});
            let read = ecs(cloud, "DescribeSnapshots", ask).unwrap();
            read["Snapshots"]["Snapshot"][0].clone()
        },
    );
}

#[test]
fn an_invocation_shows_what_it_was_given() {
    let needed = [
        ("Type", "RunShellScript"),
        ("CommandContent", "dHJ1ZQ=="),
        ("InstanceId.N", "i-small-01"),
    ];
    let shown = r#"
CommandContent | false | /CommandContent | "ZmFsc2U="
Description | why | /CommandDescription | "why"
InstanceId.N | i-small-02 | /InvokeInstances/InvokeInstance/0/InstanceId | "i-small-02"
Name | n | /CommandName | "n"
RepeatMode | Once | /RepeatMode | "Once"
Tag.N.Key | stage | /Tags/Tag/0/TagKey | "stage"
Tag.N.Value | u | /Tags/Tag/0/TagValue | "u"
TerminationMode | ProcessTree | /TerminationMode | "ProcessTree"
Timed | false | /Timed | false
Timeout | 70 | /Timeout | 70
Type | RunPythonScript | /CommandType | "RunPythonScript"
Username | app | /Username | "app"
WorkingDir | /srv | /WorkingDir | "/srv"
"#;
    let unseen = "
ClientToken: it is of the call
ContentEncoding: it is of the content
EnableParameter: without placeholders it changes nothing
KeepCommand: DescribeCommands has the command
Parameters: only where EnableParameter is true
ResourceGroupId: DescribeInvocations has a filter for it, and no member
ResourceTag.N.Key: it chooses the instances
ResourceTag.N.Value: it chooses the instances
WindowsPasswordName: it names a secret
";
    check(
        ("ECS", "RunCommand"),
        &needed,
        shown,
        unseen,
        |cloud, params| {
            let made = ecs(cloud, "RunCommand", params).unwrap();
            let ask = json!({"InvokeId": made["InvokeId"]});
            let read = ecs(cloud, "DescribeInvocations", ask).unwrap();
            read["Invocations"]["Invocation"][0].clone()
        },
    );
}
