//! What is told of images.

use serde_json::{Value, json};

use super::answers::{seconds, tag_rows, wanted};
use super::words::{IMAGE_OWNERS, IMAGE_STATUSES};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, check_word, has_tags};
use crate::state::call::Call;
use crate::state::images::Image;
use crate::state::model::Resources;
use crate::state::ram::wildcard;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeImages",
    honours: &[
        "ActionType",
        "Architecture",
        "ImageFamily",
        "ImageId",
        "ImageName",
        "ImageOwnerAlias",
        "ImageOwnerId",
        "IsPublic",
        "IsSupportIoOptimized",
        "OSType",
        "PageNumber",
        "PageSize",
        "ResourceGroupId",
        "SnapshotId",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "Usage",
    ],
    run: Run::Read(describe),
};

/// DescribeImages: only Available ones unless `Status` asks for others.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let words = |name: &str| -> Option<Vec<String>> {
        args.text(name)
            .map(|t| t.split(',').map(|w| w.trim().to_owned()).collect())
    };
    let ids = words("ImageId");
    let statuses = words("Status").unwrap_or_else(|| vec!["Available".into()]);
    for status in &statuses {
        check_word("Status", status, IMAGE_STATUSES)?;
    }
    let all = statuses.iter().any(|status| status == "ALL");
    let os = args.word_in_any_case("OSType", &["linux", "windows"])?;
    let architecture = args.word("Architecture", &["i386", "x86_64", "arm64"])?;
    let group = args.text("ResourceGroupId");
    let account = args.text("ImageOwnerId");
    let snapshot = args.text("SnapshotId");
    let tags = args.pairs("Tag", "Key", "Value");
    // Images of others that are neither of Alibaba Cloud nor shared with the account are not here.
    let public = args.flag("IsPublic")?;
    let io_optimized = args.flag("IsSupportIoOptimized")?;
    args.word("ActionType", &["CreateEcs", "ChangeOS"])?;
    let used = args.word("Usage", &["instance", "none"])?;
    let used = used.map(|usage| usage == "instance");
    let is_used = |image: &Image| {
        let mut instances = world.seen().instances.values();
        instances.any(|i| i.image_id == image.image_id)
    };
    let name = args
        .text("ImageName")
        .map(|n| format!("*{}*", n.trim_matches('*')));
    let family = args.text("ImageFamily");
    let owner = args.word("ImageOwnerAlias", IMAGE_OWNERS)?;
    let page = args.page(10, 100)?;
    let me = call.caller.account_id.as_str();
    let found: Vec<&Image> = world
        .seen()
        .images
        .values()
        .filter(|i| i.region == call.region)
        .filter(|i| i.is_seen_by(me))
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.image_id)))
        .filter(|i| all || statuses.contains(&i.status))
        .filter(|i| os.is_none_or(|os| os == i.os_type.name()))
        .filter(|i| wanted(&architecture, &i.architecture) && wanted(&group, &i.resource_group_id))
        .filter(|i| wanted(&account, &i.account_id))
        .filter(|i| snapshot.is_none() || snapshot == i.snapshot_id)
        .filter(|i| has_tags(&i.tags, &tags))
        .filter(|i| public.is_none_or(|public| public == (i.owner_alias != "self")))
        .filter(|_| io_optimized != Some(false))
        .filter(|i| used.is_none_or(|used| used == is_used(i)))
        .filter(|i| name.as_ref().is_none_or(|name| wildcard(name, &i.name)))
        .filter(|i| family.is_none() || family == i.family)
        .filter(|i| wanted(&owner, i.alias_for(me)))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|i| {
            let mut row = row(i, me);
            row["ResourceGroupId"] = json!(i.resource_group_id);
            row["ImageOwnerId"] = json!(i.account_id);
            row
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "RegionId": call.region,
        "Images": { "Image": rows },
    }))
}

/// What DescribeImages and DescribeImageFromFamily say of an image.
fn row(i: &Image, account: &str) -> Value {
    json!({
        "ImageId": i.image_id,
        "ImageName": i.name,
        "Status": i.status,
        "Progress": progress(&i.status),
        "Architecture": i.architecture,
        "OSType": i.os_type.name(),
        "Platform": if i.os_type.name() == "linux" { "Aliyun" } else { "Windows Server 2022" },
        "Size": i.size,
        "CreationTime": seconds(i.created),
        "ImageFamily": i.family.as_deref().unwrap_or_default(),
        "ImageVersion": i.version,
        "Description": i.description,
        "ImageOwnerAlias": i.alias_for(account),
        "IsCopied": i.copy_of.is_some(),
        "IsSelfShared": if i.shared_with.is_empty() { "False" } else { "True" },
        "Usage": "instance",
        "DiskDeviceMappings": { "DiskDeviceMapping": disks(i) },
        "Tags": tag_rows(&i.tags),
    })
}

fn progress(status: &str) -> &'static str {
    match status {
        "Creating" | "Waiting" | "CreateFailed" => "45%",
        _ => "100%",
    }
}

fn disks(image: &Image) -> Vec<Value> {
    let system = |id| {
        json!({
            "Type": "system", "Device": "/dev/xvda", "SnapshotId": id,
            "Size": image.size.to_string(),
        })
    };
    let data = image.data_disks.iter().map(|disk| {
        json!({
            "Type": "data", "Device": disk.device, "SnapshotId": disk.snapshot_id,
            "Size": disk.size.to_string(),
        })
    });
    image.snapshot_id.iter().map(system).chain(data).collect()
}

pub const FROM_FAMILY: Action = Action {
    name: "DescribeImageFromFamily",
    honours: &["ImageFamily"],
    run: Run::Read(from_family),
};

/// DescribeImageFromFamily: the newest image of a family that is Available. A Deprecated one is
/// passed over; without one the answer has no image.
fn from_family(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let family = args.required("ImageFamily")?;
    let me = &call.caller.account_id;
    let found = world
        .seen()
        .images
        .values()
        .filter(|i| i.region == call.region && i.is_seen_by(me))
        .filter(|i| i.family.as_ref() == Some(&family) && i.status == "Available")
        .max_by_key(|i| i.created);
    Ok(match found {
        Some(image) => json!({ "Image": row(image, me) }),
        None => json!({}),
    })
}

pub const PERMISSION: Action = Action {
    name: "DescribeImageSharePermission",
    honours: &["ImageId", "PageNumber", "PageSize"],
    run: Run::Read(permission),
};

/// DescribeImageSharePermission: the accounts that an image is shared with.
fn permission(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ImageId")?;
    let page = args.page(10, 100)?;
    let image = own(world.seen(), call, &id)?;
    let rows: Vec<Value> = image
        .shared_with
        .iter()
        .map(|(account, since)| json!({ "AliyunId": account, "SharedTime": seconds(*since) }))
        .collect();
    let total = rows.len();
    Ok(json!({
        "ImageId": id,
        "RegionId": call.region,
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Accounts": { "Account": page.cut(rows) },
        "ShareGroups": { "ShareGroup": [] },
    }))
}

/// The custom image of the caller that a call names.
pub(super) fn own<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a Image, ApiError> {
    resources
        .images
        .get(id)
        .filter(|i| i.region == call.region && i.is_own(&call.caller.account_id))
        .ok_or_else(no_image)
}

pub(super) fn no_image() -> ApiError {
    ApiError::new(
        404,
        "InvalidImageId.NotFound",
        "The specified ImageId does not exist.",
    )
}
