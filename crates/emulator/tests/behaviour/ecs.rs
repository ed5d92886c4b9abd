//! ECS: instances, disks, images, tags, launch templates.

use serde_json::json;

use crate::support::{cloud, code, control, ecs, instance, members, pass, small, status};

#[test]
fn instances_take_their_time_to_stop_and_start() {
    let mut cloud = small("durations: {stopInstance: 10, startInstance: 20}");
    let id = json!({"InstanceId": "i-small-01"});
    ecs(&mut cloud, "StopInstance", id.clone()).unwrap();
    assert_eq!(status(&mut cloud, "i-small-01"), "Stopping");
    assert_eq!(
        code(ecs(&mut cloud, "StopInstance", id.clone())),
        "IncorrectInstanceStatus"
    );
    assert_eq!(
        code(ecs(&mut cloud, "StartInstance", id.clone())),
        "IncorrectInstanceStatus"
    );
    pass(&mut cloud, 10);
    assert_eq!(status(&mut cloud, "i-small-01"), "Stopped");
    ecs(&mut cloud, "StartInstance", id).unwrap();
    pass(&mut cloud, 19);
    assert_eq!(status(&mut cloud, "i-small-01"), "Starting");
    pass(&mut cloud, 1);
    assert_eq!(status(&mut cloud, "i-small-01"), "Running");
    let none = json!({"InstanceId": "i-none"});
    assert_eq!(
        code(ecs(&mut cloud, "StopInstance", none)),
        "InvalidInstanceId.NotFound"
    );
}

#[test]
fn a_system_disk_is_replaced_while_the_instance_is_stopped() {
    let mut cloud = small("durations: {stopInstance: 1, replaceSystemDisk: 30, healthCheck: 9999}");
    let replace = |image: &str| json!({"InstanceId": "i-small-01", "ImageId": image});
    assert_eq!(
        code(ecs(&mut cloud, "ReplaceSystemDisk", replace("m-2"))),
        "IncorrectInstanceStatus"
    );
    ecs(
        &mut cloud,
        "StopInstance",
        json!({"InstanceId": "i-small-01"}),
    )
    .unwrap();
    pass(&mut cloud, 1);
    assert_eq!(
        code(ecs(&mut cloud, "ReplaceSystemDisk", replace(""))),
        "MissingParameter"
    );
    assert_eq!(
        code(ecs(&mut cloud, "ReplaceSystemDisk", replace("m-none"))),
        "InvalidImageId.NotFound"
    );
    let disk = ecs(&mut cloud, "ReplaceSystemDisk", replace("m-2")).unwrap()["DiskId"].clone();
    let disks = json!({"DiskIds": json!([disk]).to_string()});
    let read = ecs(&mut cloud, "DescribeDisks", disks.clone()).unwrap();
    assert_eq!(read["Disks"]["Disk"][0]["Status"], "ReIniting");
    assert_eq!(
        code(ecs(
            &mut cloud,
            "StartInstance",
            json!({"InstanceId": "i-small-01"})
        )),
        "IncorrectDiskStatus"
    );
    pass(&mut cloud, 30);
    let read = ecs(&mut cloud, "DescribeDisks", disks).unwrap();
    assert_eq!(read["Disks"]["Disk"][0]["Status"], "In_use");
    assert_eq!(
        instance(&mut cloud, "i-small-01").unwrap()["ImageId"],
        "m-2"
    );
    ecs(
        &mut cloud,
        "StartInstance",
        json!({"InstanceId": "i-small-01"}),
    )
    .unwrap();
}

#[test]
fn images_must_fit_the_instance() {
    let yaml = crate::support::SMALL.replace(
        "  - {imageId: m-2}",
        "  - {imageId: m-2}\n  - {imageId: m-arm, architecture: arm64}\n  - {imageId: m-new, status: Creating}\n  - {imageId: m-past, status: Deprecated}",
    );
    let mut cloud = cloud(&format!(
        "{yaml}\ndurations: {{stopInstance: 1, healthCheck: 9999}}"
    ));
    ecs(
        &mut cloud,
        "StopInstance",
        json!({"InstanceId": "i-small-01"}),
    )
    .unwrap();
    pass(&mut cloud, 1);
    let replace = |image: &str| json!({"InstanceId": "i-small-01", "ImageId": image});
    assert_eq!(
        code(ecs(&mut cloud, "ReplaceSystemDisk", replace("m-arm"))),
        "ImageNotSupportInstanceType"
    );
    assert_eq!(
        code(ecs(&mut cloud, "ReplaceSystemDisk", replace("m-new"))),
        "IncorrectImageStatus"
    );
    // Neither to be shared nor copied, and to be used all the same.
    ecs(&mut cloud, "ReplaceSystemDisk", replace("m-past")).unwrap();
}

#[test]
fn instances_are_listed_by_token_and_by_page() {
    let mut cloud = small("instances: [{idPrefix: i-lone-, count: 10, imageId: m-1}]");
    let first = ecs(&mut cloud, "DescribeInstances", json!({"MaxResults": 10})).unwrap();
    assert_eq!(first["Instances"]["Instance"].as_array().unwrap().len(), 10);
    let next = json!({"MaxResults": 10, "NextToken": first["NextToken"]});
    let second = ecs(&mut cloud, "DescribeInstances", next).unwrap();
    assert_eq!(second["Instances"]["Instance"].as_array().unwrap().len(), 3);
    assert_eq!(second["NextToken"], "");
    let page = ecs(
        &mut cloud,
        "DescribeInstances",
        json!({"PageSize": 5, "PageNumber": 3}),
    )
    .unwrap();
    assert_eq!(page["Instances"]["Instance"].as_array().unwrap().len(), 3);
    assert_eq!(
        members(&mut cloud, "asg-small").len(),
        3,
        "the others are in no group"
    );
    assert_eq!(
        code(ecs(
            &mut cloud,
            "DescribeInstances",
            json!({"NextToken": "x"})
        )),
        "InvalidParameter"
    );
    assert_eq!(
        code(ecs(
            &mut cloud,
            "DescribeInstances",
            json!({"InstanceIds": "i-1"})
        )),
        "InvalidParameter"
    );
    let missing = json!({"InstanceIds": "[\"i-none\", \"i-small-01\"]"});
    assert_eq!(
        ecs(&mut cloud, "DescribeInstances", missing).unwrap()["TotalCount"],
        1
    );
}

#[test]
fn only_available_images_are_listed_unless_asked() {
    let yaml =
        crate::support::SMALL.replace("  - {imageId: m-2}", "  - {imageId: m-2, status: Creating}");
    let mut cloud = cloud(&yaml);
    let ask =
        |cloud: &mut _, params| ecs(cloud, "DescribeImages", params).unwrap()["TotalCount"].clone();
    assert_eq!(ask(&mut cloud, json!({"ImageId": "m-1,m-2"})), 1);
    assert_eq!(
        ask(
            &mut cloud,
            json!({"ImageId": "m-1,m-2", "Status": "Creating,Available"})
        ),
        2
    );
    assert_eq!(ask(&mut cloud, json!({"ImageName": "m-"})), 1);
}

#[test]
fn images_are_made_from_instances() {
    let mut cloud = small("durations: {createImage: 60}");
    let ask = json!({"InstanceId": "i-small-01", "ImageName": "web_2026"});
    let id = ecs(&mut cloud, "CreateImage", ask.clone()).unwrap()["ImageId"].clone();
    let read = json!({"ImageId": id, "Status": "Creating,Available"});
    let image = ecs(&mut cloud, "DescribeImages", read.clone()).unwrap();
    assert_eq!(image["Images"]["Image"][0]["Status"], "Creating");
    pass(&mut cloud, 60);
    let image = ecs(&mut cloud, "DescribeImages", read).unwrap();
    assert_eq!(image["Images"]["Image"][0]["Status"], "Available");
    assert_eq!(
        code(ecs(&mut cloud, "CreateImage", ask)),
        "InvalidImageName.Duplicated"
    );
    let bad = json!({"InstanceId": "i-small-01", "ImageName": "9"});
    assert_eq!(
        code(ecs(&mut cloud, "CreateImage", bad)),
        "InvalidParameter"
    );
}

#[test]
fn tags_have_rules() {
    let mut cloud = small("");
    let tag = |key: &str, id: &str| json!({"ResourceType": "instance", "ResourceId.1": id, "Tag.1.Key": key, "Tag.1.Value": "v"});
    ecs(
        &mut cloud,
        "TagResources",
        tag("ess:rollingupdate", "i-small-01"),
    )
    .unwrap();
    let found = ecs(
        &mut cloud,
        "DescribeInstances",
        json!({"Tag.1.Key": "ess:rollingupdate"}),
    )
    .unwrap();
    assert_eq!(
        found["Instances"]["Instance"][0]["InstanceId"],
        "i-small-01"
    );
    assert_eq!(found["TotalCount"], 1);
    assert_eq!(
        code(ecs(&mut cloud, "TagResources", tag("acs:x", "i-small-01"))),
        "InvalidTagKey.Malformed"
    );
    assert_eq!(
        code(ecs(&mut cloud, "TagResources", tag("k", "i-none"))),
        "InvalidResourceId.NotFound"
    );
    for n in 0..19 {
        ecs(
            &mut cloud,
            "TagResources",
            tag(&format!("k{n}"), "i-small-01"),
        )
        .unwrap();
    }
    assert_eq!(
        code(ecs(
            &mut cloud,
            "TagResources",
            tag("one-more", "i-small-01")
        )),
        "QuotaExceed.TagsPerResource"
    );
}

#[test]
fn launch_templates_give_instances_their_image() {
    let yaml = crate::support::SMALL.replace(
        "    configurations:\n      - {scalingConfigurationId: asc-small, imageId: m-1}",
        "    launchTemplateId: lt-1\n    launchTemplateVersion: Latest",
    ) + "\nlaunchTemplates: [{launchTemplateId: lt-1, defaultVersion: 1, versions: [{version: 1, imageId: m-1}, {version: 2, imageId: m-2, userData: eA==}]}]";
    let mut cloud = cloud(&yaml);
    assert_eq!(
        instance(&mut cloud, "i-small-01").unwrap()["ImageId"],
        "m-2"
    );
    let group = crate::support::ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(group["ScalingGroups"][0]["LaunchTemplateId"], "lt-1");
    assert_eq!(
        group["ScalingGroups"][0]["ActiveScalingConfigurationId"],
        json!(null)
    );
    let sets = ecs(
        &mut cloud,
        "DescribeLaunchTemplates",
        json!({"LaunchTemplateId.1": "lt-1"}),
    )
    .unwrap();
    assert_eq!(
        sets["LaunchTemplateSets"]["LaunchTemplateSet"][0]["DefaultVersionNumber"],
        1
    );
    let versions = json!({"LaunchTemplateId": "lt-1", "LaunchTemplateVersion.1": "2"});
    let versions = ecs(&mut cloud, "DescribeLaunchTemplateVersions", versions).unwrap();
    assert_eq!(
        versions["LaunchTemplateVersionSets"]["LaunchTemplateVersionSet"][0]["LaunchTemplateData"]
            ["UserData"],
        "eA=="
    );
    let (_, out) = control(&mut cloud, "POST", "groups/asg-small/scaleOut", json!({}));
    let new = out["activity"]["createdInstances"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(instance(&mut cloud, &new).unwrap()["ImageId"], "m-2");
}
