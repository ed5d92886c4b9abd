//! Custom images.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::{instance, seconds};
use crate::error::ApiError;
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::images::{Image, Snapshot};
use crate::state::model::InstanceStatus;
use crate::state::outcomes::ImageEnd;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::world::World;

/// DescribeImages: only Available ones unless `Status` asks for others.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let words = |name: &str| -> Option<Vec<String>> {
        args.text(name)
            .map(|t| t.split(',').map(|w| w.trim().to_owned()).collect())
    };
    let ids = words("ImageId");
    let statuses = words("Status").unwrap_or_else(|| vec!["Available".into()]);
    let name = args
        .text("ImageName")
        .map(|n| format!("*{}*", n.trim_matches('*')));
    let family = args.text("ImageFamily");
    let owner = args.text("ImageOwnerAlias");
    let page = args.page(10, 100)?;
    let found: Vec<&Image> = world
        .seen()
        .images
        .values()
        .filter(|i| i.region == call.region)
        .filter(|i| i.account_id == call.caller.account_id || i.owner_alias != "self")
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.image_id)))
        .filter(|i| statuses.contains(&i.status))
        .filter(|i| name.as_ref().is_none_or(|name| wildcard(name, &i.name)))
        .filter(|i| family.is_none() || family == i.family)
        .filter(|i| owner.as_ref().is_none_or(|o| *o == i.owner_alias))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|i| {
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
                "ImageOwnerAlias": i.owner_alias,
                "Usage": "instance",
                "DiskDeviceMappings": { "DiskDeviceMapping": disks(i) },
                "Tags": { "Tag": i.tags.iter().map(|(k, v)| json!({"TagKey": k, "TagValue": v})).collect::<Vec<_>>() },
            })
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
    image.snapshot_id.iter().map(system).collect()
}

/// CreateImage, from an instance that is Running or Stopped. A snapshot of its system disk comes
/// with the image.
pub fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let source = args.required("InstanceId")?;
    let source = instance(&world.resources, call, &source)?.clone();
    if !matches!(
        source.status,
        InstanceStatus::Running | InstanceStatus::Stopped
    ) {
        return Err(ApiError::new(
            403,
            "IncorrectInstanceStatus",
            "The current status of the resource does not support this operation.",
        ));
    }
    let image_id = world.ids.id("m-");
    let name = args.text("ImageName").unwrap_or_else(|| image_id.clone());
    check_name(world, call, &name)?;
    let tags: BTreeMap<String, String> = args
        .pairs("Tag", "Key", "Value")
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect();
    let attempt = world
        .images_asked
        .entry(source.instance_id.clone())
        .or_default();
    *attempt += 1;
    let attempt = *attempt;
    let rule = world.image_outcomes.iter().find(|rule| {
        rule.instance
            .as_ref()
            .is_none_or(|pattern| wildcard(pattern, &source.instance_id))
            && rule.attempt.is_none_or(|n| n == attempt)
            && rule
                .name_contains
                .as_ref()
                .is_none_or(|part| name.contains(part.as_str()))
    });
    let status = rule.map_or(ImageEnd::Available, |r| r.status);
    let duration = rule
        .and_then(|r| r.duration_seconds)
        .unwrap_or(world.durations.create_image);
    let snapshot_id = world.ids.id("s-");
    world.resources.snapshots.insert(
        snapshot_id.clone(),
        Snapshot {
            snapshot_id: snapshot_id.clone(),
            account_id: call.caller.account_id.clone(),
            region: call.region.clone(),
            source_disk_id: source.disk_id,
            size: source.disk_size,
            status: "progressing".into(),
            created: world.now,
        },
    );
    let image = Image {
        image_id: image_id.clone(),
        name,
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        status: "Creating".into(),
        os_type: source.os_type,
        architecture: source.architecture,
        size: source.disk_size,
        owner_alias: "self".into(),
        family: args.text("ImageFamily"),
        tags,
        snapshot_id: Some(snapshot_id),
        created: world.now,
    };
    world.resources.images.insert(image_id.clone(), image);
    world.after(
        duration,
        Event::ImageSettles {
            image_id: image_id.clone(),
            status: status.name().to_owned(),
        },
    );
    Ok(json!({ "ImageId": image_id }))
}

/// 2 to 128 characters of the kinds that the API reference allows, and no other image of the
/// account in the region has it.
fn check_name(world: &World, call: &Call, name: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    let legal = name.chars().next().is_some_and(char::is_alphabetic)
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || ":_-".contains(c));
    let lower = name.to_ascii_lowercase();
    let reserved = ["acs:", "aliyun", "http://", "https://"]
        .iter()
        .any(|head| lower.starts_with(head));
    if !(2..=128).contains(&length) || !legal || reserved {
        return Err(invalid(
            "ImageName",
            "it must have 2 to 128 letters, digits, colons, underscores or hyphens, a letter first, \
             and must not begin with acs: or aliyun",
        ));
    }
    let taken = world.resources.images.values().any(|i| {
        i.name == name && i.region == call.region && i.account_id == call.caller.account_id
    });
    if taken {
        return Err(ApiError::new(
            400,
            "InvalidImageName.Duplicated",
            "The specified Image name has already been used.",
        ));
    }
    Ok(())
}

/// The creation of an image ends. A snapshot without a usable image is a failed one.
pub fn image_settles(world: &mut World, image_id: &str, status: &str) {
    let Some(image) = world.resources.images.get_mut(image_id) else {
        return;
    };
    if image.status != "Creating" {
        return;
    }
    image.status = status.to_owned();
    let snapshot = image.snapshot_id.as_ref();
    if let Some(snapshot) = snapshot.and_then(|id| world.resources.snapshots.get_mut(id)) {
        snapshot.status = if status == "CreateFailed" {
            "failed"
        } else {
            "accomplished"
        }
        .to_owned();
    }
}

/// DescribeSnapshots: those that came with images.
pub fn snapshots(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("SnapshotIds", 100)?;
    let page = args.page(10, 100)?;
    let found: Vec<&Snapshot> = world
        .seen()
        .snapshots
        .values()
        .filter(|s| s.account_id == call.caller.account_id && s.region == call.region)
        .filter(|s| ids.as_ref().is_none_or(|ids| ids.contains(&s.snapshot_id)))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|s| {
            json!({
                "SnapshotId": s.snapshot_id,
                "SourceDiskId": s.source_disk_id,
                "SourceDiskSize": s.size.to_string(),
                "SourceDiskType": "system",
                "Status": s.status,
                "Progress": if s.status == "accomplished" { "100%" } else { "45%" },
                "CreationTime": seconds(s.created),
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Snapshots": { "Snapshot": rows },
    }))
}
