//! Custom images, and `ACS-ESS-CreateImageAndUpdateScalingConfiguration` from end to end.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{
    SMALL, changes_by_oos, children, cloud, code, control, ecs, ess, execution, oos, pass, small,
    start,
};

const TEMPLATE: &str = "ACS-ESS-CreateImageAndUpdateScalingConfiguration";
const ALL: &str = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated";

fn image(cloud: &mut Cloud, id: &Value) -> Value {
    let ask = json!({"ImageId": id, "Status": ALL});
    let read = ecs(cloud, "DescribeImages", ask).unwrap();
    read["Images"]["Image"][0].clone()
}

fn create(cloud: &mut Cloud, instance: &str, name: &str) -> Value {
    let ask = json!({"InstanceId": instance, "ImageName": name});
    ecs(cloud, "CreateImage", ask).unwrap()["ImageId"].clone()
}

fn configured(cloud: &mut Cloud, id: &str) -> Value {
    let ask = json!({"ScalingConfigurationIds.1": id});
    let read = ess(cloud, "DescribeScalingConfigurations", ask).unwrap();
    read["ScalingConfigurations"][0]["ImageId"].clone()
}

fn two_configurations(more: &str) -> Cloud {
    let yaml = SMALL.replace(
        "      - {scalingConfigurationId: asc-small, imageId: m-1}\n",
        "      - {scalingConfigurationId: asc-small, imageId: m-1}\n      - {scalingConfigurationId: asc-spare, imageId: m-1}\n",
    );
    cloud(&format!("{yaml}\n{more}"))
}

fn parameters(instance: &str) -> Value {
    json!({
        "instanceId": instance, "targetImageName": "nightly",
        "scalingConfigurationIds": ["asc-small", "asc-spare"],
        "tags": [{"Key": "made-by", "Value": "nightly"}],
    })
}

#[test]
fn the_fixture_decides_what_becomes_of_an_image() {
    let mut cloud = small(
        r#"
imageCreations:
  - {instance: i-small-01, attempt: 1, status: CreateFailed, durationSeconds: 30}
  - {nameContains: odd, status: UnAvailable}
"#,
    );
    let failed = create(&mut cloud, "i-small-01", "first");
    assert_eq!(image(&mut cloud, &failed)["Status"], "Creating");
    pass(&mut cloud, 30);
    assert_eq!(image(&mut cloud, &failed)["Status"], "CreateFailed");
    let fine = create(&mut cloud, "i-small-01", "second");
    let odd = create(&mut cloud, "i-small-02", "odd-one");
    pass(&mut cloud, 120);
    assert_eq!(image(&mut cloud, &fine)["Status"], "Available");
    assert_eq!(image(&mut cloud, &odd)["Status"], "UnAvailable");
    // The snapshot of a failed image is no good either.
    let snapshot = |image: Value| image["DiskDeviceMappings"]["DiskDeviceMapping"][0].clone();
    for (id, want) in [(failed, "failed"), (fine, "accomplished")] {
        let disk = snapshot(image(&mut cloud, &id));
        assert_eq!(disk["Type"], "system");
        let ask = json!({"SnapshotIds": json!([disk["SnapshotId"]]).to_string()});
        let read = ecs(&mut cloud, "DescribeSnapshots", ask).unwrap();
        assert_eq!(read["Snapshots"]["Snapshot"][0]["Status"], want);
    }
}

#[test]
fn an_image_takes_after_its_instance() {
    let yaml = SMALL.replace(
        "{imageId: m-1}\n",
        "{imageId: m-1, osType: windows, architecture: arm64, size: 60}\n",
    );
    let mut cloud = cloud(&yaml);
    let made = create(&mut cloud, "i-small-01", "like-it");
    let made = image(&mut cloud, &made);
    assert_eq!(
        (&made["OSType"], &made["Architecture"], &made["Size"]),
        (&json!("windows"), &json!("arm64"), &json!(60))
    );
}

#[test]
fn names_of_images_have_rules() {
    let mut cloud = small("");
    let long = "x".repeat(129);
    for bad in ["x", "9lives", "a b", "acs:x", "Aliyun-x", long.as_str()] {
        let ask = json!({"InstanceId": "i-small-01", "ImageName": bad});
        let got = code(ecs(&mut cloud, "CreateImage", ask));
        assert_eq!(got, "InvalidParameter", "{bad}");
    }
    create(&mut cloud, "i-small-01", &"x".repeat(128));
}

#[test]
fn the_template_makes_an_image_and_puts_it_into_every_configuration() {
    let mut cloud = two_configurations("");
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters("i-small-01"));
    pass(&mut cloud, 3600);
    let ended = execution(&mut cloud, &root);
    assert_eq!(ended["Status"], "Success", "{ended}");
    let outputs: Value = serde_json::from_str(ended["Outputs"].as_str().unwrap()).unwrap();
    let made = image(&mut cloud, &outputs["imageId"]);
    assert_eq!(
        made["ImageName"],
        format!("nightly_on_{root}_at_2026-01-05")
    );
    assert!(made["Tags"].to_string().contains("made-by"));
    for id in ["asc-small", "asc-spare"] {
        assert_eq!(configured(&mut cloud, id), outputs["imageId"]);
    }
    // Instances that are there keep their image.
    let kept = crate::support::instance(&mut cloud, "i-small-01").unwrap();
    assert_eq!(kept["ImageId"], "m-1");
}

#[test]
fn an_image_that_is_being_built_is_named_by_the_task_that_began_it() {
    let mut cloud = two_configurations("imageCreations: [{durationSeconds: 600}]");
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters("i-small-01"));
    pass(&mut cloud, 60);
    let child = children(&mut cloud, &root)[0].clone();
    assert_eq!(child["TemplateName"], "ACS::ECS::CreateImage");
    assert_eq!(child["Status"], "Running");
    let ask = json!({"ExecutionId": child["ExecutionId"]});
    let listed = oos(&mut cloud, "ListTaskExecutions", ask).unwrap();
    let tasks = listed["TaskExecutions"].as_array().unwrap();
    let began = tasks
        .iter()
        .find(|t| t["TaskName"] == "createImage")
        .unwrap();
    let outputs: Value = serde_json::from_str(began["Outputs"].as_str().unwrap()).unwrap();
    assert_eq!(image(&mut cloud, &outputs["imageId"])["Status"], "Creating");
}

#[test]
fn the_template_notices_a_failed_image_only_when_its_tries_run_out() {
    let mut cloud = two_configurations("imageCreations: [{status: CreateFailed}]");
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters("i-small-01"));
    pass(&mut cloud, 23 * 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Running");
    pass(&mut cloud, 2 * 3600);
    let ended = execution(&mut cloud, &root);
    assert_eq!(ended["Status"], "Failed");
    assert_eq!(configured(&mut cloud, "asc-small"), "m-1");
    assert_eq!(changes_by_oos(&cloud), ["CreateImage"]);
}

#[test]
fn the_template_passes_over_a_missing_instance_and_fails_one_step_later() {
    let mut cloud = two_configurations("");
    control(
        &mut cloud,
        "POST",
        "instances/i-small-01/vanish",
        Value::Null,
    );
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters("i-small-01"));
    pass(&mut cloud, 600);
    let child = children(&mut cloud, &root)[0].clone();
    assert_eq!(child["Status"], "Success");
    assert!(!child["Outputs"].as_str().unwrap().contains("m-"));
    let ended = execution(&mut cloud, &root);
    assert_eq!(ended["Status"], "Failed", "{ended}");
    assert_eq!(configured(&mut cloud, "asc-small"), "m-1");
}

#[test]
fn a_stopped_instance_is_as_good_as_a_running_one_and_others_are_refused() {
    let mut cloud = two_configurations("durations: {stopInstance: 300, healthCheck: 99999}");
    let stop = json!({"InstanceId": "i-small-01"});
    ecs(&mut cloud, "StopInstance", stop).unwrap();
    let early = start(&mut cloud, "Automatic", TEMPLATE, &parameters("i-small-01"));
    pass(&mut cloud, 200);
    assert_eq!(execution(&mut cloud, &early)["Status"], "Failed");
    pass(&mut cloud, 200);
    let late = start(&mut cloud, "Automatic", TEMPLATE, &parameters("i-small-01"));
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &late)["Status"], "Success");
}
