//! Custom images after they are made: copied, shared, deprecated, deleted.

use ess_emulator::cloud::Cloud;
use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{Ask, SMALL, cloud, code, ecs, pass, small};

const ALL: &str = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated";

fn two_regions(more: &str) -> Cloud {
    let yaml = SMALL.replace(
        "regions: [cn-hangzhou]",
        "regions: [cn-hangzhou, cn-beijing]",
    );
    cloud(&format!("{yaml}\n{more}"))
}

fn made(cloud: &mut Cloud, family: &str) -> Value {
    let ask = json!({"InstanceId": "i-small-01", "ImageFamily": family});
    let id = ecs(cloud, "CreateImage", ask).unwrap()["ImageId"].clone();
    pass(cloud, 120);
    id
}

fn status(cloud: &mut Cloud, region: &str, id: &Value) -> Value {
    let there = Ask {
        region,
        ..Ask::default()
    };
    let ask = json!({"ImageId": id, "Status": ALL});
    let read = there
        .call(cloud, Service::Ecs, "DescribeImages", ask)
        .unwrap();
    read["Images"]["Image"][0]["Status"].clone()
}

#[test]
fn a_copy_is_made_in_the_other_region() {
    let mut cloud = two_regions("durations: {copyImage: 300}");
    let source = made(&mut cloud, "web");
    let ask = json!({
        "ImageId": source, "DestinationRegionId": "cn-beijing", "DestinationImageName": "the-copy",
    });
    let copy = ecs(&mut cloud, "CopyImage", ask.clone()).unwrap()["ImageId"].clone();
    assert_eq!(status(&mut cloud, "cn-beijing", &copy), "Creating");
    assert_eq!(status(&mut cloud, "cn-hangzhou", &copy), Value::Null);
    let busy = ecs(
        &mut cloud,
        "DeleteImage",
        json!({"ImageId": source, "Force": true}),
    );
    assert_eq!(code(busy), "OperationDenied.ImageCopying");
    assert_eq!(
        code(ecs(&mut cloud, "CopyImage", ask)),
        "InvalidImageName.Duplicated"
    );
    pass(&mut cloud, 300);
    assert_eq!(status(&mut cloud, "cn-beijing", &copy), "Available");
    let nowhere = json!({"ImageId": source, "DestinationRegionId": "cn-nowhere"});
    assert_eq!(
        code(ecs(&mut cloud, "CopyImage", nowhere)),
        "InvalidRegionId.NotFound"
    );
    let public = json!({"ImageId": "m-none", "DestinationRegionId": "cn-beijing"});
    assert_eq!(
        code(ecs(&mut cloud, "CopyImage", public)),
        "InvalidImageId.NotFound"
    );
}

#[test]
fn a_copy_can_fail_and_be_cancelled() {
    let mut cloud =
        two_regions("imageCreations: [{source: m-1, status: CreateFailed, durationSeconds: 10}]");
    let ask = |name: &str| json!({"ImageId": "m-1", "DestinationRegionId": "cn-beijing", "DestinationImageName": name});
    let first = ecs(&mut cloud, "CopyImage", ask("one")).unwrap()["ImageId"].clone();
    pass(&mut cloud, 10);
    assert_eq!(status(&mut cloud, "cn-beijing", &first), "CreateFailed");
    let second = ecs(&mut cloud, "CopyImage", ask("two")).unwrap()["ImageId"].clone();
    let there = Ask {
        region: "cn-beijing",
        ..Ask::default()
    };
    let cancel = json!({"ImageId": second});
    let cancel =
        |cloud: &mut Cloud| there.call(cloud, Service::Ecs, "CancelCopyImage", cancel.clone());
    cancel(&mut cloud).unwrap();
    assert_eq!(status(&mut cloud, "cn-beijing", &second), Value::Null);
    assert_eq!(code(cancel(&mut cloud)), "InvalidImageId.NotFound");
    pass(&mut cloud, 60);
    assert_eq!(status(&mut cloud, "cn-beijing", &second), Value::Null);
}

#[test]
fn what_is_in_use_is_deleted_with_force_alone() {
    let mut cloud = small("");
    let delete = |force: bool| json!({"ImageId": "m-1", "Force": force});
    let used = ecs(&mut cloud, "DeleteImage", delete(false));
    assert_eq!(code(used), "ImageUsingByInstance");
    ecs(&mut cloud, "DeleteImage", delete(true)).unwrap();
    assert_eq!(
        status(&mut cloud, "cn-hangzhou", &json!("m-1")),
        Value::Null
    );
    ecs(&mut cloud, "DeleteImage", delete(false)).unwrap();
    let ask = json!({"InstanceId": "i-small-01"});
    let new = ecs(&mut cloud, "CreateImage", ask).unwrap()["ImageId"].clone();
    let early = ecs(&mut cloud, "DeleteImage", json!({"ImageId": new}));
    assert_eq!(code(early), "ImageIsCreating");
}

#[test]
fn the_newest_image_of_a_family_that_is_not_deprecated_is_found() {
    let mut cloud = small("");
    let [older, newer] = [made(&mut cloud, "web"), made(&mut cloud, "web")];
    let ask = json!({"ImageFamily": "web"});
    let found = |cloud: &mut Cloud| {
        let read = ecs(cloud, "DescribeImageFromFamily", ask.clone()).unwrap();
        read["Image"]["ImageId"].clone()
    };
    assert_eq!(found(&mut cloud), newer);
    let turn = |to: &str| json!({"ImageId": newer, "Status": to});
    ecs(&mut cloud, "ModifyImageAttribute", turn("Deprecated")).unwrap();
    assert_eq!(status(&mut cloud, "cn-hangzhou", &newer), "Deprecated");
    assert_eq!(found(&mut cloud), older);
    let again = ecs(&mut cloud, "ModifyImageAttribute", turn("Deprecated"));
    assert_eq!(code(again), "ImageStatus.NotAvailable");
    let copy = json!({"ImageId": newer, "DestinationRegionId": "cn-hangzhou"});
    assert_eq!(
        code(ecs(&mut cloud, "CopyImage", copy)),
        "IncorrectImageStatus"
    );
    ecs(&mut cloud, "ModifyImageAttribute", turn("Available")).unwrap();
    assert_eq!(found(&mut cloud), newer);
    let other = json!({"ImageId": newer, "ImageFamily": "db", "ImageName": "renamed", "Description": "for db"});
    ecs(&mut cloud, "ModifyImageAttribute", other).unwrap();
    assert_eq!(found(&mut cloud), older);
    let named = ecs(
        &mut cloud,
        "DescribeImages",
        json!({"ImageName": "renamed"}),
    )
    .unwrap();
    assert_eq!(named["Images"]["Image"][0]["Description"], "for db");
    let none = ecs(
        &mut cloud,
        "DescribeImageFromFamily",
        json!({"ImageFamily": "none"}),
    );
    assert_eq!(none.unwrap()["Image"], Value::Null);
}

#[test]
fn a_shared_image_is_seen_by_the_other_account() {
    let mut cloud = small("");
    let other = |cloud: &mut Cloud| {
        let mut ask = json!({"ImageId": "m-1", "RegionId": "cn-hangzhou"});
        let params = ess_emulator::params::nest(ask.as_object_mut().unwrap());
        let call = ess_emulator::state::call::Call {
            caller: ess_emulator::oos::Caller {
                principal: "admin".into(),
                account_id: "1000000000000009".into(),
            },
            region: "cn-hangzhou".into(),
            service: Service::Ecs,
            action: "DescribeImages".into(),
            version: ess_emulator::state::call::EssVersion::V2022,
            params,
            by_oos: false,
            wall_now: cloud.now(),
        };
        match cloud.call(call) {
            ess_emulator::state::call::Outcome::Answered(answer) => answer.unwrap(),
            other => panic!("an answer at once was expected, not {other:?}"),
        }
    };
    assert_eq!(other(&mut cloud)["TotalCount"], 0);
    let share = json!({"ImageId": "m-1", "AddAccount.1": "1000000000000009"});
    ecs(&mut cloud, "ModifyImageSharePermission", share).unwrap();
    let shown = other(&mut cloud);
    assert_eq!(shown["Images"]["Image"][0]["ImageOwnerAlias"], "others");
    let of = json!({"ImageId": "m-1"});
    let read = ecs(&mut cloud, "DescribeImageSharePermission", of.clone()).unwrap();
    assert_eq!(
        read["Accounts"]["Account"][0]["AliyunId"],
        "1000000000000009"
    );
    let delete = json!({"ImageId": "m-1", "Force": true});
    assert_eq!(
        code(ecs(&mut cloud, "DeleteImage", delete)),
        "ImageUseShared"
    );
    let turn = json!({"ImageId": "m-1", "Status": "Deprecated"});
    assert_eq!(
        code(ecs(&mut cloud, "ModifyImageAttribute", turn)),
        "ImageUseShared"
    );
    let back = json!({"ImageId": "m-1", "RemoveAccount.1": "1000000000000009"});
    ecs(&mut cloud, "ModifyImageSharePermission", back).unwrap();
    assert_eq!(other(&mut cloud)["TotalCount"], 0);
}
