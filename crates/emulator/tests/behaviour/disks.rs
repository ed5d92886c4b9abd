//! Disks and snapshots: made, attached, changed, deleted.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{code, ecs, pass, small, status};

fn disk(cloud: &mut Cloud, id: &Value) -> Value {
    let ask = json!({"DiskIds": json!([id]).to_string()});
    let read = ecs(cloud, "DescribeDisks", ask).unwrap();
    read["Disks"]["Disk"][0].clone()
}

fn snapshot(cloud: &mut Cloud, id: &Value) -> Value {
    let ask = json!({"SnapshotIds": json!([id]).to_string()});
    let read = ecs(cloud, "DescribeSnapshots", ask).unwrap();
    read["Snapshots"]["Snapshot"][0].clone()
}

fn make(cloud: &mut Cloud, more: Value) -> Value {
    let mut ask = json!({"ZoneId": "cn-hangzhou-h", "Size": 40});
    ask.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    ecs(cloud, "CreateDisk", ask).unwrap()["DiskId"].clone()
}

/// A data disk that is in use by i-small-01.
fn attached(cloud: &mut Cloud) -> Value {
    let id = make(cloud, json!({}));
    pass(cloud, 10);
    attach(cloud, &id, "i-small-01").unwrap();
    pass(cloud, 10);
    id
}

fn attach(cloud: &mut Cloud, id: &Value, to: &str) -> Result<Value, ess_emulator::error::ApiError> {
    ecs(cloud, "AttachDisk", json!({"DiskId": id, "InstanceId": to}))
}

fn system_disk(cloud: &mut Cloud, of: &str) -> Value {
    let ask = json!({"InstanceId": of, "DiskType": "system"});
    let read = ecs(cloud, "DescribeDisks", ask).unwrap();
    read["Disks"]["Disk"][0]["DiskId"].clone()
}

fn stop(cloud: &mut Cloud, id: &str) {
    ecs(cloud, "StopInstance", json!({"InstanceId": id})).unwrap();
    pass(cloud, 20);
    assert_eq!(status(cloud, id), "Stopped");
}

#[test]
fn a_replaced_system_disk_is_as_large_as_asked_for() {
    // Before the group finds it unhealthy.
    let mut cloud = small("durations: {replaceSystemDisk: 5, healthCheck: 600}");
    stop(&mut cloud, "i-small-01");
    let size = |cloud: &mut Cloud| {
        let ask = json!({"InstanceId": "i-small-01", "DiskType": "system"});
        let read = ecs(cloud, "DescribeDisks", ask).unwrap();
        read["Disks"]["Disk"][0]["Size"]
            .as_u64()
            .unwrap_or_else(|| panic!("{read}"))
    };
    let before = size(&mut cloud);
    for (asked, came) in [
        (None, before),
        (Some(before + 60), before + 60),
        (None, before + 60),
    ] {
        let mut ask = json!({"InstanceId": "i-small-01", "ImageId": "m-2"});
        if let Some(asked) = asked {
            ask["SystemDisk.Size"] = json!(asked);
        }
        ecs(&mut cloud, "ReplaceSystemDisk", ask).unwrap();
        pass(&mut cloud, 30);
        assert_eq!(size(&mut cloud), came, "{asked:?}");
    }
}

#[test]
fn a_tag_s_value_without_its_key_selects_nothing() {
    let mut cloud = small("");
    for (action, list) in [
        ("DescribeInstances", "Tag"),
        ("DescribeDisks", "Tag"),
        ("DescribeImages", "Tag"),
    ] {
        let ask = json!({format!("{list}.1.Value"): "nope"});
        let refused = ecs(&mut cloud, action, ask).unwrap_err();
        assert_eq!(refused.code, "MissingParameter", "{action}");
        assert!(refused.message.contains("Tag.1.Key"), "{refused:?}");
    }
}

#[test]
fn a_data_disk_goes_through_its_statuses() {
    let mut cloud = small("durations: {createDisk: 5, attachDisk: 5, detachDisk: 5}");
    let name = json!({"DiskName": "data", "Tag.1.Key": "team", "Tag.1.Value": "web"});
    let id = make(&mut cloud, name);
    let ask = json!({"DiskId": id, "InstanceId": "i-small-01", "DeleteWithInstance": true});
    let status = |cloud: &mut Cloud| disk(cloud, &id)["Status"].as_str().unwrap().to_owned();
    assert_eq!(status(&mut cloud), "Creating");
    let early = ecs(&mut cloud, "AttachDisk", ask.clone());
    assert_eq!(code(early), "IncorrectDiskStatus");
    pass(&mut cloud, 5);
    assert_eq!(status(&mut cloud), "Available");
    ecs(&mut cloud, "AttachDisk", ask).unwrap();
    assert_eq!(status(&mut cloud), "Attaching");
    pass(&mut cloud, 5);
    let shown = disk(&mut cloud, &id);
    assert_eq!(
        [
            &shown["Status"],
            &shown["Device"],
            &shown["InstanceId"],
            &shown["DiskName"]
        ],
        ["In_use", "/dev/xvdb", "i-small-01", "data"]
    );
    assert_eq!(shown["DeleteWithInstance"], true);
    let of_team = json!({"Tag.1.Key": "team", "Portable": true});
    let found = ecs(&mut cloud, "DescribeDisks", of_team).unwrap();
    assert_eq!(found["TotalCount"], 1);
    let used = ecs(&mut cloud, "DeleteDisk", json!({"DiskId": id}));
    assert_eq!(code(used), "IncorrectDiskStatus");
    let off = json!({"DiskId": id, "InstanceId": "i-small-02"});
    assert_eq!(
        code(ecs(&mut cloud, "DetachDisk", off)),
        "DependencyViolation"
    );
    let off = json!({"DiskId": id, "InstanceId": "i-small-01"});
    ecs(&mut cloud, "DetachDisk", off).unwrap();
    assert_eq!(status(&mut cloud), "Detaching");
    pass(&mut cloud, 5);
    assert_eq!(status(&mut cloud), "Available");
    ecs(&mut cloud, "DeleteDisk", json!({"DiskId": id})).unwrap();
    let gone = ecs(&mut cloud, "DeleteDisk", json!({"DiskId": id}));
    assert_eq!(code(gone), "InvalidDiskId.NotFound");
}

#[test]
fn disks_go_with_their_instance_or_stay() {
    let mut cloud = small("switches: {readLagSeconds: 0}");
    let [stays, goes] = [attached(&mut cloud), attached(&mut cloud)];
    assert_eq!(disk(&mut cloud, &goes)["Device"], "/dev/xvdc");
    let along = json!({"DiskId": goes, "DeleteWithInstance": true});
    ecs(&mut cloud, "ModifyDiskAttribute", along).unwrap();
    let system = system_disk(&mut cloud, "i-small-01");
    let alone = json!({"DiskIds.1": system, "DeleteWithInstance": false, "DiskName": "kept"});
    ecs(&mut cloud, "ModifyDiskAttribute", alone).unwrap();
    let delete = json!({"InstanceId": "i-small-01", "Force": true});
    ecs(&mut cloud, "DeleteInstance", delete).unwrap();
    assert_eq!(disk(&mut cloud, &stays)["Status"], "Available");
    assert_eq!(disk(&mut cloud, &goes), Value::Null);
    let kept = disk(&mut cloud, &system);
    assert_eq!(
        [&kept["Type"], &kept["Status"], &kept["DiskName"]],
        ["system", "Available", "kept"]
    );
}

#[test]
fn disks_are_refused_where_they_do_not_fit() {
    let mut cloud = small("instances: [{instanceId: i-far, imageId: m-1, zone: k}]");
    let id = make(&mut cloud, json!({}));
    pass(&mut cloud, 10);
    assert_eq!(
        code(attach(&mut cloud, &id, "i-far")),
        "ResourcesNotInSameZone"
    );
    assert_eq!(
        code(attach(&mut cloud, &id, "i-none")),
        "InvalidInstanceId.NotFound"
    );
    let system = system_disk(&mut cloud, "i-small-01");
    let off = json!({"DiskId": system, "InstanceId": "i-small-01"});
    assert_eq!(code(ecs(&mut cloud, "DetachDisk", off)), "DiskNotPortable");
    let resize = json!({"DiskId": id, "NewSize": 40});
    assert_eq!(
        code(ecs(&mut cloud, "ResizeDisk", resize)),
        "InvalidDiskSize.TooSmall"
    );
    for (disk, size) in [(&id, 60), (&system, 80)] {
        let resize = json!({"DiskId": disk, "NewSize": size, "Type": "online"});
        ecs(&mut cloud, "ResizeDisk", resize).unwrap();
        assert_eq!(self::disk(&mut cloud, disk)["Size"], size);
    }
    let nowhere = ecs(&mut cloud, "CreateDisk", json!({"Size": 40}));
    assert_eq!(code(nowhere), "MissingParameter");
}

#[test]
fn a_snapshot_progresses_and_a_disk_goes_back_to_it() {
    let mut cloud = small(
        r"
durations: {createSnapshot: 60, resetDisk: 30}
snapshotCreations: [{nameContains: bad, status: failed, durationSeconds: 10}]
",
    );
    let id = attached(&mut cloud);
    let ask = json!({"DiskId": id, "SnapshotName": "before", "Tag.1.Key": "k", "RetentionDays": 1});
    let made = ecs(&mut cloud, "CreateSnapshot", ask.clone()).unwrap()["SnapshotId"].clone();
    pass(&mut cloud, 30);
    let shown = snapshot(&mut cloud, &made);
    assert_eq!(
        [
            &shown["Status"],
            &shown["Progress"],
            &shown["SourceDiskType"],
            &shown["SnapshotName"]
        ],
        ["progressing", "50%", "data", "before"]
    );
    let second = ecs(&mut cloud, "CreateSnapshot", ask);
    assert_eq!(code(second), "IncorrectDiskStatus.CreatingSnapshot");
    let back = json!({"DiskId": id, "SnapshotId": made});
    let early = ecs(&mut cloud, "ResetDisk", back.clone());
    assert_eq!(code(early), "InvalidSnapshotId.NotReady");
    pass(&mut cloud, 30);
    assert_eq!(snapshot(&mut cloud, &made)["Progress"], "100%");
    let running = ecs(&mut cloud, "ResetDisk", back.clone());
    assert_eq!(code(running), "IncorrectInstanceStatus");
    stop(&mut cloud, "i-small-01");
    ecs(&mut cloud, "ResetDisk", back).unwrap();
    assert_eq!(disk(&mut cloud, &id)["Status"], "ReIniting");
    pass(&mut cloud, 30);
    assert_eq!(disk(&mut cloud, &id)["Status"], "In_use");
    let bad = json!({"DiskId": id, "SnapshotName": "bad-one"});
    let bad = ecs(&mut cloud, "CreateSnapshot", bad).unwrap()["SnapshotId"].clone();
    pass(&mut cloud, 10);
    assert_eq!(snapshot(&mut cloud, &bad)["Status"], "failed");
    // The day is over.
    pass(&mut cloud, 24 * 3600);
    assert_eq!(snapshot(&mut cloud, &made), Value::Null);
    assert_eq!(snapshot(&mut cloud, &bad)["Status"], "failed");
}

#[test]
fn a_system_disk_is_made_anew_and_its_instance_started() {
    let mut cloud = small("durations: {resetDisk: 30, startInstance: 10}");
    let system = system_disk(&mut cloud, "i-small-01");
    let suspend = json!({"ScalingGroupId": "asg-small", "Processes.1": "HealthCheck"});
    crate::support::ess(&mut cloud, "SuspendProcesses", suspend).unwrap();
    let ask = json!({"DiskId": system, "AutoStartInstance": true});
    let running = ecs(&mut cloud, "ReInitDisk", ask.clone());
    assert_eq!(code(running), "IncorrectInstanceStatus");
    stop(&mut cloud, "i-small-01");
    ecs(&mut cloud, "ReInitDisk", ask).unwrap();
    assert_eq!(disk(&mut cloud, &system)["Status"], "ReIniting");
    let start = ecs(
        &mut cloud,
        "StartInstance",
        json!({"InstanceId": "i-small-01"}),
    );
    assert_eq!(code(start), "IncorrectDiskStatus");
    pass(&mut cloud, 30);
    assert_eq!(status(&mut cloud, "i-small-01"), "Starting");
    pass(&mut cloud, 10);
    assert_eq!(status(&mut cloud, "i-small-01"), "Running");
}

#[test]
fn a_snapshot_that_is_needed_cannot_go() {
    let mut cloud = small("");
    let system = system_disk(&mut cloud, "i-small-01");
    let made = ecs(&mut cloud, "CreateSnapshot", json!({"DiskId": system})).unwrap();
    let made = made["SnapshotId"].clone();
    pass(&mut cloud, 60);
    let image = json!({"SnapshotId": made, "ImageName": "from-it"});
    let image = ecs(&mut cloud, "CreateImage", image).unwrap()["ImageId"].clone();
    let usage = |cloud: &mut Cloud| snapshot(cloud, &made)["Usage"].clone();
    assert_eq!(usage(&mut cloud), "image");
    let go = json!({"SnapshotId": made});
    let force = json!({"SnapshotId": made, "Force": true});
    let used = ecs(&mut cloud, "DeleteSnapshot", force.clone());
    assert_eq!(code(used), "SnapshotCreatedImage");
    pass(&mut cloud, 120);
    ecs(&mut cloud, "DeleteImage", json!({"ImageId": image})).unwrap();
    let disk = make(&mut cloud, json!({"SnapshotId": made}));
    assert_eq!(self::disk(&mut cloud, &disk)["SourceSnapshotId"], made);
    let used = ecs(&mut cloud, "DeleteSnapshot", go.clone());
    assert_eq!(code(used), "SnapshotCreatedDisk");
    let find = json!({"SnapshotId": made});
    assert_eq!(
        ecs(&mut cloud, "DescribeDisks", find).unwrap()["TotalCount"],
        1
    );
    ecs(&mut cloud, "DeleteSnapshot", force).unwrap();
    assert_eq!(snapshot(&mut cloud, &made), Value::Null);
    // What is gone is no error.
    ecs(&mut cloud, "DeleteSnapshot", go).unwrap();
}

#[test]
fn a_disk_that_was_never_in_use_has_nothing_to_keep() {
    let mut cloud = small("");
    let id = make(&mut cloud, json!({}));
    pass(&mut cloud, 10);
    let new = ecs(&mut cloud, "CreateSnapshot", json!({"DiskId": id}));
    assert_eq!(code(new), "IncorrectDiskStatus.NeverAttached");
}

#[test]
fn an_image_brings_the_data_disks_of_its_instance_along() {
    let mut cloud = small("");
    let id = attached(&mut cloud);
    let ask = json!({"InstanceId": "i-small-01", "ImageName": "whole"});
    let image = ecs(&mut cloud, "CreateImage", ask).unwrap()["ImageId"].clone();
    pass(&mut cloud, 120);
    let read = ecs(&mut cloud, "DescribeImages", json!({"ImageId": image})).unwrap();
    let disks = read["Images"]["Image"][0]["DiskDeviceMappings"]["DiskDeviceMapping"].clone();
    assert_eq!([&disks[0]["Type"], &disks[1]["Type"]], ["system", "data"]);
    let made = snapshot(&mut cloud, &disks[1]["SnapshotId"]);
    assert_eq!(made["SourceDiskId"], id);
    assert_eq!(made["Status"], "accomplished");
}

#[test]
fn tags_are_on_disks_and_snapshots_as_on_instances() {
    let mut cloud = small("");
    let system = system_disk(&mut cloud, "i-small-01");
    let data = attached(&mut cloud);
    let made = ecs(&mut cloud, "CreateSnapshot", json!({"DiskId": data})).unwrap();
    let ids = [
        ("disk", &system),
        ("disk", &data),
        ("snapshot", &made["SnapshotId"]),
    ];
    for (kind, id) in ids {
        let ask =
            json!({"ResourceType": kind, "ResourceId.1": id, "Tag.1.Key": "a", "Tag.1.Value": "1"});
        ecs(&mut cloud, "TagResources", ask).unwrap();
        let ask = json!({"ResourceType": kind, "ResourceId": id, "Tag.1.Key": "b"});
        ecs(&mut cloud, "AddTags", ask.clone()).unwrap();
        let rows = json!({"ResourceType": kind, "ResourceId.1": id});
        let read = ecs(&mut cloud, "ListTagResources", rows.clone()).unwrap();
        assert_eq!(
            read["TagResources"]["TagResource"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        ecs(&mut cloud, "RemoveTags", ask).unwrap();
        let read = ecs(&mut cloud, "ListTagResources", rows).unwrap();
        assert_eq!(read["TagResources"]["TagResource"][0]["TagKey"], "a");
    }
    let read = ecs(&mut cloud, "DescribeTags", json!({})).unwrap();
    let counts = &read["Tags"]["Tag"][0]["ResourceTypeCount"];
    assert_eq!(
        (&counts["Disk"], &counts["Snapshot"]),
        (&json!(2), &json!(1))
    );
    let none = json!({"ResourceType": "disk", "ResourceId.1": "d-none", "Tag.1.Key": "a"});
    assert_eq!(
        code(ecs(&mut cloud, "TagResources", none)),
        "InvalidResourceId.NotFound"
    );
}
