//! Parameters are honoured or refused, never ignored.

use ess_emulator::api::Api;
use ess_emulator::cloud::Cloud;
use ess_emulator::error::ApiError;
use ess_emulator::state::behaviour::UnsupportedParameters;
use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Ask, code, ecs, ess, ess_2014, oos, pass, small};

/// Instances beside the group that differ in everything that can be asked for.
const APART: &str = "
instances:
  - {instanceId: i-db, imageId: m-1, name: db-main, zone: k, vpcId: vpc-2, vSwitchId: vsw-2, instanceType: ecs.r7.xlarge,
     securityGroupIds: [sg-2], publicIpAddress: 47.0.0.1, resourceGroupId: rg-2, tags: {role: db}, status: Stopped}
  - {instanceId: i-db2, imageId: m-2, name: db-other, hostName: other, tags: {role: db, spare: 'yes'}}
";

fn ids(answer: &Value, list: &str, row: &str, id: &str) -> Vec<String> {
    let rows = answer[list][row]
        .as_array()
        .or(answer[list].as_array())
        .unwrap();
    rows.iter()
        .map(|row| row[id].as_str().unwrap().to_owned())
        .collect()
}

fn instances(cloud: &mut Cloud, params: Value) -> Vec<String> {
    let answer = ecs(cloud, "DescribeInstances", params).unwrap();
    let found = ids(&answer, "Instances", "Instance", "InstanceId");
    assert_eq!(answer["TotalCount"], found.len());
    found
}

#[test]
fn instances_are_filtered_by_what_is_asked_for() {
    let mut cloud = small(APART);
    for params in [
        json!({"InstanceName": "db-m*"}),
        json!({"VpcId": "vpc-2"}),
        json!({"VSwitchId": "vsw-2"}),
        json!({"ZoneId": "cn-hangzhou-k"}),
        json!({"InstanceType": "ecs.r7.xlarge"}),
        json!({"InstanceTypeFamily": "ecs.r7"}),
        json!({"SecurityGroupId": "sg-2"}),
        json!({"PublicIpAddresses": "[\"47.0.0.1\"]"}),
        json!({"ResourceGroupId": "rg-2"}),
        json!({"Status": "Stopped"}),
        json!({"Tag.1.key": "role", "Tag.1.value": "db", "ImageId": "m-1"}),
        json!({"Tag.1.Key": "role", "InstanceIds": "[\"i-db\", \"i-small-01\"]"}),
    ] {
        assert_eq!(instances(&mut cloud, params.clone()), ["i-db"], "{params}");
    }
    let mine = ecs(
        &mut cloud,
        "DescribeInstances",
        json!({"InstanceName": "db-other"}),
    )
    .unwrap();
    let row = &mine["Instances"]["Instance"][0];
    assert_eq!(
        (&row["InstanceId"], &row["HostName"]),
        (&json!("i-db2"), &json!("other"))
    );
    let address = &row["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0];
    let by_address = json!({"PrivateIpAddresses": format!("[{address}]")});
    assert_eq!(instances(&mut cloud, by_address), ["i-db2"]);
    for nothing in [
        json!({"Ipv6Address.1": "::1"}),
        json!({"InstanceChargeType": "PrePaid"}),
        json!({"LockReason": "financial"}),
        json!({"InstanceName": "db"}),
        json!({"EipAddresses": "[\"47.0.0.1\"]"}),
    ] {
        assert_eq!(instances(&mut cloud, nothing.clone()).len(), 0, "{nothing}");
    }
}

#[test]
fn pages_of_ecs_have_ten_to_a_hundred_instances() {
    let mut cloud = small("instances: [{imageId: m-1, count: 110}]");
    for (asked, got) in [("1", 10), ("9", 10), ("20", 20), ("101", 100), ("-5", 10)] {
        let answer = ecs(
            &mut cloud,
            "DescribeInstances",
            json!({"MaxResults": asked}),
        )
        .unwrap();
        let rows = answer["Instances"]["Instance"].as_array().unwrap();
        assert_eq!(rows.len(), got, "{asked}");
    }
}

#[test]
fn disks_images_and_groups_are_filtered_too() {
    let mut cloud = small(APART);
    let mut found = |action: &str, list: &str, row: &str, id: &str, params: Value| {
        ids(&ecs(&mut cloud, action, params).unwrap(), list, row, id).len()
    };
    let mut disks = |params| found("DescribeDisks", "Disks", "Disk", "DiskId", params);
    assert_eq!(disks(json!({"DiskType": "system", "Status": "In_use"})), 5);
    assert_eq!(disks(json!({"DiskType": "data"})), 0);
    assert_eq!(disks(json!({"Status": "Available"})), 0);
    assert_eq!(disks(json!({"Category": "cloud_ssd"})), 0);
    assert_eq!(
        disks(json!({"Category": "all", "ZoneId": "cn-hangzhou-k"})),
        1
    );
    let mut images = |params| found("DescribeImages", "Images", "Image", "ImageId", params);
    assert_eq!(
        images(json!({"OSType": "linux", "Architecture": "x86_64"})),
        2
    );
    assert_eq!(images(json!({"OSType": "windows"})), 0);
    assert_eq!(images(json!({"Architecture": "arm64"})), 0);
    assert_eq!(images(json!({"Tag.1.Key": "a"})), 0);
    assert_eq!(images(json!({"Status": "ALL"})), 2);

    let tagged = json!({"ResourceType": "scalinggroup", "ResourceIds.1": "asg-small",
        "Tags.1.Key": "team", "Tags.1.Value": "web"});
    ess(&mut cloud, "TagResources", tagged).unwrap();
    let groups = |cloud: &mut Cloud, params: Value| {
        ess(cloud, "DescribeScalingGroups", params).unwrap()["TotalCount"].clone()
    };
    assert_eq!(
        groups(
            &mut cloud,
            json!({"Tags.1.Key": "team", "Tags.1.Value": "web"})
        ),
        1
    );
    assert_eq!(
        groups(
            &mut cloud,
            json!({"Tags.1.Key": "team", "Tags.1.Value": "x"})
        ),
        0
    );
    assert_eq!(groups(&mut cloud, json!({"ResourceGroupId": "rg-1"})), 0);
    let old = ess_2014(
        &mut cloud,
        "DescribeScalingGroups",
        json!({"Tag.1.Key": "x"}),
    )
    .unwrap();
    assert_eq!(old["TotalCount"], 0);
}

fn refused(result: Result<Value, ApiError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(
        (error.status, error.code.as_str()),
        (400, "UnsupportedParameter")
    );
    error.message
}

#[test]
fn what_is_not_honoured_is_refused_by_its_name() {
    let mut cloud = small("");
    let ask = json!({"AdditionalAttributes.1": "META_OPTIONS", "HttpTokens": "required"});
    let message = refused(ecs(&mut cloud, "DescribeInstances", ask));
    assert!(
        message.contains("AdditionalAttributes.N, HttpTokens"),
        "{message}"
    );
    let ask = json!({"ScalingGroupId": "asg-small", "DisableDesiredCapacity": "true"});
    refused(ess(&mut cloud, "ModifyScalingGroup", ask.clone()));
    refused(ess_2014(&mut cloud, "ModifyScalingGroup", ask.clone()));
    refused(oos(
        &mut cloud,
        "ListExecutions",
        json!({"RdFolderIds": "[]x"}),
    ));
    // The account is the caller's, or it is refused.
    let own = json!({"ScalingGroupId": "asg-small", "OwnerId": ACCOUNT});
    ess(&mut cloud, "DisableScalingGroup", own).unwrap();
    let other = json!({"ScalingGroupId": "asg-small", "OwnerId": "7"});
    refused(ess(&mut cloud, "EnableScalingGroup", other));
    // Without a value it is not there; a name that nobody knows changes nothing.
    let ask = json!({"ScalingGroupId": "asg-small", "DisableDesiredCapacity": "", "Nonsense": "1"});
    ess(&mut cloud, "ModifyScalingGroup", ask.clone()).unwrap();
    let last = cloud.world.journal.since(0).last().unwrap();
    assert_eq!(last.ignored, ["Nonsense"]);

    cloud.world.switches.unsupported_parameters = UnsupportedParameters::Ignore;
    let ask =
        json!({"ScalingGroupId": "asg-small", "DisableDesiredCapacity": "true", "MaxSize": "7"});
    ess(&mut cloud, "ModifyScalingGroup", ask).unwrap();
    let last = cloud.world.journal.since(0).last().unwrap();
    assert_eq!(last.ignored, ["DisableDesiredCapacity"]);
    let group = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(group["ScalingGroups"][0]["MaxSize"], 7);
}

/// Every published parameter of every action, by itself: it is taken, or refused by its name, or
/// something else is wrong that is not the server's fault.
#[test]
fn no_published_parameter_is_passed_over() {
    let apis = [
        (Service::Ess, Api::Ess2022),
        (Service::Ecs, Api::Ecs),
        (Service::Oos, Api::Oos),
        (Service::Eci, Api::Eci),
        (Service::Sts, Api::Sts),
        (Service::Slb, Api::Slb),
        (Service::Alb, Api::Alb),
        (Service::Nlb, Api::Nlb),
        (Service::Cms, Api::Cms),
    ];
    let mut honoured = 0;
    for (service, api) in apis {
        for action in ess_emulator::services::actions(service) {
            let mut cloud = small("");
            for path in api.parameters(action).unwrap() {
                let ask = json!({path.split('.').map(|part| if part == "N" { "1" } else { part }).collect::<Vec<_>>().join("."): "1"});
                let result = Ask::default().call(&mut cloud, service, action, ask);
                let last = cloud.world.journal.since(0).last().unwrap();
                assert!(
                    last.ignored.is_empty(),
                    "{action} {path}: {:?}",
                    last.ignored
                );
                match result {
                    Err(e) if e.code == "UnsupportedParameter" => {
                        assert!(e.message.contains(path), "{action} {path}: {}", e.message);
                    }
                    Err(e) => assert!(e.status < 500, "{action} {path}: {e:?}"),
                    Ok(_) => honoured += 1,
                }
            }
        }
    }
    assert!(honoured > 100, "{honoured}");
}

#[test]
fn actions_that_are_not_there_say_whether_the_cloud_has_them() {
    let mut cloud = small("");
    let mut message = |service, action: &str| {
        let error = Ask::default()
            .call(&mut cloud, service, action, json!({}))
            .unwrap_err();
        assert_eq!(
            (error.status, error.code.as_str()),
            (404, "InvalidAction.NotFound")
        );
        error.message
    };
    for (service, action) in [
        (Service::Ess, "CreateAlarm"),
        (Service::Ecs, "CreateKeyPair"),
        (Service::Oos, "ListInventoryEntries"),
        (Service::Eci, "CreateContainerGroup"),
        (Service::Sts, "AssumeRoleWithSAML"),
    ] {
        assert!(
            message(service, action).contains("the emulator does not"),
            "{action}"
        );
    }
    assert!(!message(Service::Ecs, "DescribeNonsense").contains("emulator"));
}

#[test]
fn a_dry_run_checks_and_does_nothing() {
    let mut cloud = small("");
    let before = serde_json::to_string(&cloud.world.resources.instances).unwrap();
    let ask = |id: &str| json!({"InstanceId": id, "DryRun": "true"});
    let done = ecs(&mut cloud, "StopInstance", ask("i-small-01"));
    assert_eq!(code(done), "DryRunOperation");
    assert_eq!(
        code(ecs(&mut cloud, "StopInstance", ask("i-none"))),
        "InvalidInstanceId.NotFound"
    );
    // RunCommand does not have it: a name that changes nothing.
    let run = json!({"Type": "RunShellScript", "CommandContent": "true", "InstanceId.1": "i-none", "DryRun": "true"});
    let run = ecs(&mut cloud, "RunCommand", run);
    assert_eq!(code(run), "InvalidInstanceId.NotFound");
    let listed = ecs(&mut cloud, "DescribeInstances", json!({"DryRun": "true"}));
    assert_eq!(code(listed), "DryRunOperation");
    pass(&mut cloud, 100);
    assert_eq!(
        serde_json::to_string(&cloud.world.resources.instances).unwrap(),
        before
    );
}

#[test]
fn attributes_have_effect_and_protection_keeps_an_instance() {
    let mut cloud = small(APART);
    let change = json!({"InstanceId": "i-db", "InstanceName": "renamed", "HostName": "host",
        "Description": "for tests", "DeletionProtection": "true", "SecurityGroupIds.1": "sg-9"});
    ecs(&mut cloud, "ModifyInstanceAttribute", change).unwrap();
    assert_eq!(
        instances(
            &mut cloud,
            json!({"InstanceName": "ren*", "SecurityGroupId": "sg-9"})
        ),
        ["i-db"]
    );
    let gone = json!({"InstanceId": "i-db"});
    let refused = ecs(&mut cloud, "DeleteInstance", gone.clone());
    assert_eq!(code(refused), "InvalidOperation.DeletionProtection");
    let open = json!({"InstanceId": "i-db", "DeletionProtection": "false"});
    ecs(&mut cloud, "ModifyInstanceAttribute", open).unwrap();
    ecs(&mut cloud, "DeleteInstance", gone).unwrap();
    // A Running one stays, unless by force.
    let running = ecs(
        &mut cloud,
        "DeleteInstances",
        json!({"InstanceId.1": "i-db2"}),
    );
    assert_eq!(code(running), "IncorrectInstanceStatus");
    let force = json!({"InstanceId.1": "i-db2", "Force": "true"});
    ecs(&mut cloud, "DeleteInstances", force).unwrap();
    assert_eq!(instances(&mut cloud, json!({})).len(), 3);
}

#[test]
fn several_instances_go_together_or_each_by_itself() {
    let mut cloud = small(APART);
    let both = json!({"InstanceId.1": "i-small-01", "InstanceId.2": "i-db"});
    let together = ecs(&mut cloud, "StopInstances", both);
    assert_eq!(code(together), "IncorrectInstanceStatus");
    let each = json!({"InstanceId.1": "i-small-01", "InstanceId.2": "i-db", "BatchOptimization": "SuccessFirst"});
    let answer = ecs(&mut cloud, "StopInstances", each).unwrap();
    let rows = &answer["InstanceResponses"]["InstanceResponse"];
    assert_eq!(
        (&rows[0]["CurrentStatus"], &rows[0]["Code"]),
        (&json!("Stopping"), &json!("200"))
    );
    assert_eq!(rows[1]["Code"], "IncorrectInstanceStatus");
    pass(&mut cloud, 60);
    let reboot = ecs(
        &mut cloud,
        "RebootInstance",
        json!({"InstanceId": "i-small-02"}),
    );
    reboot.unwrap();
    let status = json!({"InstanceId.1": "i-small-02"});
    let answer = ecs(&mut cloud, "DescribeInstanceStatus", status).unwrap();
    assert_eq!(
        answer["InstanceStatuses"]["InstanceStatus"][0]["Status"],
        "Starting"
    );
    pass(&mut cloud, 60);
    let assistant = ecs(&mut cloud, "DescribeCloudAssistantStatus", json!({})).unwrap();
    let rows = &assistant["InstanceCloudAssistantStatusSet"]["InstanceCloudAssistantStatus"];
    let up = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["CloudAssistantStatus"] == "true");
    assert_eq!(up.count(), 3);
}

const PAUSE: &str = r#"{"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "p", "Action": "ACS::Pause", "Properties": {}}]}"#;

#[test]
fn a_template_keeps_what_it_was_saved_with() {
    let mut cloud = small("");
    let save = json!({"TemplateName": "mine", "Content": PAUSE, "VersionName": "first",
        "Tags": "{\"team\": \"web\"}", "ResourceGroupId": "rg-1"});
    let created = oos(&mut cloud, "CreateTemplate", save).unwrap();
    let read = oos(&mut cloud, "GetTemplate", json!({"TemplateName": "mine"})).unwrap();
    assert_eq!(created["Template"], read["Template"]);
    for (field, value) in [
        ("VersionName", json!("first")),
        ("Tags", json!({"team": "web"})),
        ("ResourceGroupId", json!("rg-1")),
        ("CreatedBy", json!("admin")),
        ("CreatedDate", json!("2026-01-05T08:00:00Z")),
        ("UpdatedDate", json!("2026-01-05T08:00:00Z")),
    ] {
        assert_eq!(read["Template"][field], value, "{field}");
    }
    pass(&mut cloud, 60);
    let update = json!({"TemplateName": "mine", "Content": PAUSE, "VersionName": "second"});
    oos(&mut cloud, "UpdateTemplate", update).unwrap();
    let versions = oos(
        &mut cloud,
        "ListTemplateVersions",
        json!({"TemplateName": "mine"}),
    )
    .unwrap();
    let names: Vec<&Value> = [0, 1]
        .map(|n| &versions["TemplateVersions"][n]["VersionName"])
        .into();
    assert_eq!(names, ["second", "first"]);
    assert_eq!(
        versions["TemplateVersions"][0]["UpdatedDate"],
        "2026-01-05T08:01:00Z"
    );
    for head in ["ALICLOUD-x", "acs-x", "Aliyun_x", "alibaba"] {
        let ask = json!({"TemplateName": head, "Content": PAUSE});
        assert_eq!(
            code(oos(&mut cloud, "CreateTemplate", ask)),
            "InvalidParameter"
        );
    }
}

#[test]
fn templates_are_filtered_and_sorted() {
    let mut cloud = small("packages: [{name: nginx}]");
    for (name, tag) in [("b", "web"), ("a", "db")] {
        let save = json!({"TemplateName": name, "Content": PAUSE, "Tags": json!({"team": tag}).to_string()});
        oos(&mut cloud, "CreateTemplate", save).unwrap();
        pass(&mut cloud, 60);
    }
    let mut names = |params: Value| {
        let answer = oos(&mut cloud, "ListTemplates", params).unwrap();
        ids(&answer, "Templates", "", "TemplateName")
    };
    assert_eq!(names(json!({"Tags": "{\"team\": \"db\"}"})), ["a"]);
    assert_eq!(names(json!({"CreatedBy": "admin"})), ["a", "b"]);
    let newest = json!({"CreatedBy": "admin", "SortField": "CreatedDate"});
    assert_eq!(names(newest), ["a", "b"]);
    let oldest =
        json!({"CreatedBy": "admin", "SortField": "CreatedDate", "SortOrder": "Ascending"});
    assert_eq!(names(oldest), ["b", "a"]);
    assert_eq!(
        names(json!({"CreatedDateAfter": "2026-01-05T08:00:30Z"})),
        ["a"]
    );
    let timed = ["ACS-ECS-ScheduleToExecuteTemplate"];
    assert_eq!(names(json!({"HasTrigger": "true"})), timed);
    assert_eq!(names(json!({"Category": "TimerTrigger"})), timed);
    assert_eq!(
        names(json!({"Category": "AlarmTrigger"})),
        Vec::<String>::new()
    );
    assert_eq!(
        names(json!({"TemplateFormat": "JSON", "ShareType": "Private", "CreatedBy": "admin"}))
            .len(),
        2
    );
    assert_eq!(names(json!({"TemplateType": "Package"})), ["nginx"]);
}

#[test]
fn a_template_is_deleted_with_its_executions_if_that_is_asked() {
    let mut cloud = small("");
    let save = json!({"TemplateName": "mine", "Content": PAUSE});
    oos(&mut cloud, "CreateTemplate", save.clone()).unwrap();
    let started = oos(
        &mut cloud,
        "StartExecution",
        json!({"TemplateName": "mine"}),
    )
    .unwrap();
    let id = started["Execution"]["ExecutionId"].clone();
    pass(&mut cloud, 10);
    let both = json!({"TemplateName": "mine", "AutoDeleteExecutions": "true"});
    assert_eq!(
        code(oos(&mut cloud, "DeleteTemplate", both.clone())),
        "InvalidExecutionStatus"
    );
    oos(&mut cloud, "CancelExecution", json!({"ExecutionId": id})).unwrap();
    pass(&mut cloud, 10);
    oos(&mut cloud, "DeleteTemplate", both).unwrap();
    let left = oos(&mut cloud, "ListExecutions", json!({"ExecutionId": id})).unwrap();
    assert_eq!(left["TotalCount"], 0);
    // Several at once, all or none; executions stay.
    oos(&mut cloud, "CreateTemplate", save).unwrap();
    let all = json!({"TemplateNames": "[\"mine\", \"none\"]"});
    assert_eq!(
        code(oos(&mut cloud, "DeleteTemplates", all)),
        "EntityNotExists.Template"
    );
    oos(
        &mut cloud,
        "DeleteTemplates",
        json!({"TemplateNames": "[\"mine\"]"}),
    )
    .unwrap();
    let read = oos(&mut cloud, "GetTemplate", json!({"TemplateName": "mine"}));
    assert_eq!(code(read), "EntityNotExists.Template");
}

#[test]
fn executions_and_templates_are_tagged_and_found_by_it() {
    let mut cloud = small("");
    oos(
        &mut cloud,
        "CreateTemplate",
        json!({"TemplateName": "mine", "Content": PAUSE}),
    )
    .unwrap();
    let start = json!({"TemplateName": "mine", "Tags": "{\"k\": \"1\"}"});
    let id = oos(&mut cloud, "StartExecution", start).unwrap()["Execution"]["ExecutionId"].clone();
    for (kind, id) in [("execution", id.as_str().unwrap()), ("template", "mine")] {
        let tag = json!({"ResourceType": kind, "ResourceIds": json!([id]).to_string(), "Tags": "{\"team\": \"web\"}"});
        oos(&mut cloud, "TagResources", tag).unwrap();
        let list = json!({"ResourceType": kind, "Tags": "{\"team\": \"web\"}"});
        let rows = oos(&mut cloud, "ListTagResources", list.clone()).unwrap();
        assert_eq!(rows["TagResources"]["TagResource"][0]["ResourceId"], id);
        let untag = json!({"ResourceType": kind, "ResourceIds": json!([id]).to_string(), "TagKeys": "[\"team\"]"});
        let keys = oos(&mut cloud, "ListTagKeys", json!({"ResourceType": kind})).unwrap();
        assert!(keys["Keys"].as_array().unwrap().contains(&json!("team")));
        oos(&mut cloud, "UntagResources", untag).unwrap();
        let rows = oos(&mut cloud, "ListTagResources", list).unwrap();
        assert_eq!(rows["TagResources"]["TagResource"], json!([]));
    }
    let values = oos(&mut cloud, "ListTagValues", json!({"Key": "k"})).unwrap();
    assert_eq!(values["Values"], json!(["1"]));
}

#[test]
fn the_rights_that_a_template_needs_are_told() {
    let mut cloud = small("");
    let ask = json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup"});
    let answer = oos(&mut cloud, "GenerateExecutionPolicy", ask).unwrap();
    let policy: Value = serde_json::from_str(answer["Policy"].as_str().unwrap()).unwrap();
    let actions = policy["Statement"][0]["Action"].as_array().unwrap();
    for needed in ["ess:SuspendProcesses", "ecs:RunCommand", "ess:EnterStandby"] {
        assert!(actions.contains(&json!(needed)), "{actions:?}");
    }
    let listed = oos(
        &mut cloud,
        "ListActions",
        json!({"OOSActionName": "ACS::ESS"}),
    )
    .unwrap();
    assert!(ids(&listed, "Actions", "", "OOSActionName").contains(&"ACS::ESS::RunCommand".into()));
}

#[test]
fn instances_and_images_are_tagged_and_found_by_it() {
    let mut cloud = small(APART);
    let of = |kind: &str, id: &str| json!({"ResourceType": kind, "ResourceId.1": id});
    let mut tag = of("image", "m-1");
    tag["Tag.1.Key"] = json!("role");
    tag["Tag.1.Value"] = json!("base");
    ecs(&mut cloud, "TagResources", tag).unwrap();
    let tags = ecs(&mut cloud, "DescribeTags", json!({"Tag.1.Key": "role"})).unwrap();
    let count = |n: usize| {
        let counts = &tags["Tags"]["Tag"][n]["ResourceTypeCount"];
        json!({"Instance": counts["Instance"], "Image": counts["Image"]})
    };
    assert_eq!(count(0), json!({"Instance": 0, "Image": 1}));
    assert_eq!(count(1), json!({"Instance": 2, "Image": 0}));
    let filter = json!({"ResourceType": "instance", "TagFilter.1.TagKey": "spare", "TagFilter.1.TagValues.1": "yes"});
    let rows = ecs(&mut cloud, "ListTagResources", filter).unwrap();
    let found = ids(&rows["TagResources"], "TagResource", "", "ResourceId");
    assert_eq!(found, ["i-db2", "i-db2"]);
    let mut untag = of("instance", "i-db2");
    untag["All"] = json!("true");
    ecs(&mut cloud, "UntagResources", untag).unwrap();
    assert_eq!(
        instances(&mut cloud, json!({"Tag.1.Key": "role"})),
        ["i-db"]
    );
}

#[test]
fn tags_that_propagate_are_on_new_instances() {
    let mut cloud = small("");
    let tag = json!({"ResourceType": "scalinggroup", "ResourceIds.1": "asg-small",
        "Tags.1.Key": "team", "Tags.1.Value": "web", "Tags.1.Propagate": "true", "Tags.2.Key": "own"});
    ess(&mut cloud, "TagResources", tag).unwrap();
    let more = json!({"ScalingGroupId": "asg-small", "DesiredCapacity": "4"});
    ess(&mut cloud, "ModifyScalingGroup", more).unwrap();
    pass(&mut cloud, 300);
    assert_eq!(
        instances(
            &mut cloud,
            json!({"Tag.1.Key": "team", "Tag.1.Value": "web"})
        )
        .len(),
        1
    );
    assert_eq!(instances(&mut cloud, json!({"Tag.1.Key": "own"})).len(), 0);
    let activities = ess(
        &mut cloud,
        "DescribeScalingActivities",
        json!({"ScalingGroupId": "asg-small"}),
    )
    .unwrap();
    let id = &activities["ScalingActivities"][0]["ScalingActivityId"];
    let detail = ess(
        &mut cloud,
        "DescribeScalingActivityDetail",
        json!({"ScalingActivityId": id}),
    )
    .unwrap();
    assert!(
        detail["Detail"]
            .as_str()
            .unwrap()
            .starts_with("Created ECS instances")
    );
    let keys =
        json!({"ResourceType": "scalinggroup", "ResourceIds.1": "asg-small", "TagKeys.1": "own"});
    ess(&mut cloud, "UntagResources", keys).unwrap();
    let rows = ess(
        &mut cloud,
        "ListTagResources",
        json!({"ResourceType": "scalinggroup"}),
    )
    .unwrap();
    assert_eq!(rows["TagResources"].as_array().unwrap().len(), 1);
}

#[test]
fn commands_take_parameters_and_run_in_any_language() {
    let mut cloud = small("commands: [{contentContains: 'hello world', output: said}]");
    let run = json!({"Type": "RunPythonScript", "CommandContent": "print('hello {{ who }}{{x')",
        "EnableParameter": "true", "Parameters": "{\"who\": \"world\"}", "InstanceId.1": "i-small-01",
        "Username": "app", "WorkingDir": "/srv", "Tag.1.Key": "job", "Tag.1.Value": "1"});
    let started = ecs(&mut cloud, "RunCommand", run).unwrap();
    pass(&mut cloud, 60);
    let list = json!({"Tag.1.Key": "job", "IncludeOutput": "true", "ContentEncoding": "PlainText"});
    let found = ecs(&mut cloud, "DescribeInvocations", list).unwrap();
    let row = &found["Invocations"]["Invocation"][0];
    assert_eq!(row["InvokeId"], started["InvokeId"]);
    assert_eq!(
        (&row["Username"], &row["WorkingDir"]),
        (&json!("app"), &json!("/srv"))
    );
    assert_eq!(
        row["InvokeInstances"]["InvokeInstance"][0]["Output"],
        "said"
    );
    let timed = json!({"Type": "RunShellScript", "CommandContent": "true", "InstanceId.1": "i-small-01", "Timed": "true"});
    refused(ecs(&mut cloud, "RunCommand", timed));
}

#[test]
fn regions_have_names_in_two_languages() {
    let mut cloud = small("");
    for (service, list) in [(Service::Ecs, "Region"), (Service::Ess, "")] {
        for (language, name) in [("en-US", "China (Hangzhou)"), ("zh-CN", "华东1（杭州）")] {
            let ask = json!({"AcceptLanguage": language});
            let answer = Ask::default()
                .call(&mut cloud, service, "DescribeRegions", ask)
                .unwrap();
            assert_eq!(ids(&answer, "Regions", list, "LocalName"), [name]);
        }
    }
}

#[test]
fn a_policy_narrows_a_session() {
    let roles = "roles:\n  - {name: r, trustsAccounts: ['1000000000000001'], allow: ['*']}\n  - ";
    let yaml = crate::support::SMALL.replace("roles:\n  - ", roles);
    let mut cloud = crate::support::cloud(&yaml);
    let policy = r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "ess:Describe*", "Resource": "*"}]}"#;
    let ask = json!({"RoleArn": format!("acs:ram::{ACCOUNT}:role/r"), "RoleSessionName": "me", "Policy": policy,
        "SourceIdentity": "who"});
    let answer = Ask::default()
        .call(&mut cloud, Service::Sts, "AssumeRole", ask)
        .unwrap();
    assert_eq!(answer["SourceIdentity"], "who");
    let session = Ask {
        by: "assumed-role/r/me",
        ..Ask::default()
    };
    session
        .call(&mut cloud, Service::Ess, "DescribeScalingGroups", json!({}))
        .unwrap();
    let denied = session.call(&mut cloud, Service::Ecs, "DescribeInstances", json!({}));
    assert_eq!(code(denied), "Forbidden.RAM");

    let strict = yaml.replace("name: r,", "name: r, externalId: e-1,");
    let mut cloud = crate::support::cloud(&strict);
    for (id, works) in [("e-1", true), ("e-2", false), ("", false)] {
        let ask = json!({"RoleArn": format!("acs:ram::{ACCOUNT}:role/r"), "RoleSessionName": "me", "ExternalId": id});
        let answer = Ask::default().call(&mut cloud, Service::Sts, "AssumeRole", ask);
        assert_eq!(answer.is_ok(), works, "{id}");
    }
}

/// Of both kinds, and each apart from the other.
#[test]
fn parameters_of_the_store_are_tagged_as_templates_are() {
    let mut cloud = small("");
    for (create, kind) in [
        ("CreateParameter", "parameter"),
        ("CreateSecretParameter", "secretparameter"),
    ] {
        let own =
            json!({"Name": "db", "Type": "String", "Value": "one", "Tags": "{\"first\": \"1\"}"});
        oos(&mut cloud, create, own).unwrap();
        let tags = format!("{{\"{kind}\": \"2\"}}");
        let named = json!({"ResourceType": kind, "ResourceIds": "[\"db\"]", "Tags": tags});
        oos(&mut cloud, "TagResources", named).unwrap();
        let read = oos(
            &mut cloud,
            "ListTagResources",
            json!({"ResourceType": kind}),
        )
        .unwrap();
        let keys = ids(&read, "TagResources", "TagResource", "TagKey");
        assert_eq!(keys, ["first", kind]);
    }
    let untag =
        json!({"ResourceType": "parameter", "ResourceIds": "[\"db\"]", "TagKeys": "[\"first\"]"});
    oos(&mut cloud, "UntagResources", untag).unwrap();
    let keys = oos(
        &mut cloud,
        "ListTagKeys",
        json!({"ResourceType": "parameter"}),
    )
    .unwrap();
    assert_eq!(keys["Keys"], json!(["parameter"]));
    let nobody =
        json!({"ResourceType": "parameter", "ResourceIds": "[\"none\"]", "Tags": "{\"a\": \"b\"}"});
    let refused = oos(&mut cloud, "TagResources", nobody);
    assert_eq!(code(refused), "EntityNotExists.Parameter");
}
