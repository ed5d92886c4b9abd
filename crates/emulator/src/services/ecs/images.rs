//! Custom images.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::{instance, seconds, wanted};
use super::window::Window;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid};
use crate::state::call::Call;
use crate::state::images::{Image, Snapshot};
use crate::state::model::InstanceStatus;
use crate::state::outcomes::ImageEnd;
use crate::state::queue::Event;
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
    let all = statuses.iter().any(|status| status == "ALL");
    let os = args.text("OSType");
    let architecture = args.text("Architecture");
    let group = args.text("ResourceGroupId");
    let account = args.text("ImageOwnerId");
    let snapshot = args.text("SnapshotId");
    let tags = args.pairs("Tag", "Key", "Value");
    // Images of others that are neither of Alibaba Cloud nor shared with the account are not here.
    let public = args.flag("IsPublic")?;
    let io_optimized = args.flag("IsSupportIoOptimized")?;
    if let Some(purpose) = args.text("ActionType")
        && !["CreateEcs", "ChangeOS"].contains(&purpose.as_str())
    {
        return Err(invalid("ActionType", "it must be CreateEcs or ChangeOS"));
    }
    let used = match args.text("Usage").as_deref() {
        None => None,
        Some("instance") => Some(true),
        Some("none") => Some(false),
        Some(_) => return Err(invalid("Usage", "it must be instance or none")),
    };
    let is_used = |image: &Image| {
        let mut instances = world.seen().instances.values();
        instances.any(|i| i.image_id == image.image_id)
    };
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
        .filter(|i| all || statuses.contains(&i.status))
        .filter(|i| {
            os.as_ref()
                .is_none_or(|os| os.eq_ignore_ascii_case(i.os_type.name()))
        })
        .filter(|i| wanted(&architecture, &i.architecture) && wanted(&group, &i.resource_group_id))
        .filter(|i| wanted(&account, &i.account_id))
        .filter(|i| snapshot.is_none() || snapshot == i.snapshot_id)
        .filter(|i| has_tags(&i.tags, &tags))
        .filter(|i| public.is_none_or(|public| public == (i.owner_alias != "self")))
        .filter(|_| io_optimized != Some(false))
        .filter(|i| used.is_none_or(|used| used == is_used(i)))
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
                "ImageVersion": i.version,
                "Description": i.description,
                "ResourceGroupId": i.resource_group_id,
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

pub const CREATE: Action = Action {
    name: "CreateImage",
    honours: &[
        "ClientToken",
        "Description",
        "DetectionStrategy",
        "ImageFamily",
        "ImageName",
        "ImageVersion",
        "InstanceId",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Write(create),
};

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
    // A detection finds nothing here that anybody could ask for.
    if let Some(strategy) = args.text("DetectionStrategy")
        && strategy != "Standard"
    {
        return Err(invalid("DetectionStrategy", "it must be Standard"));
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
        version: args.text("ImageVersion").unwrap_or_default(),
        description: args.text("Description").unwrap_or_default(),
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
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

pub const SNAPSHOTS: Action = Action {
    name: "DescribeSnapshots",
    honours: &[
        "DiskId",
        "Encrypted",
        "InstanceId",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "SnapshotIds",
        "SnapshotType",
        "SourceDiskType",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "Usage",
    ],
    run: Run::Read(snapshots),
};

/// DescribeSnapshots: those that came with images.
pub fn snapshots(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("SnapshotIds", 100)?;
    let disk = args.text("DiskId");
    let of = args.text("InstanceId");
    let text = |name: &str, all: &str| args.text(name).filter(|text| text != all);
    let (status, kind) = (text("Status", "all"), text("SnapshotType", "all"));
    let (source, usage) = (args.text("SourceDiskType"), args.text("Usage"));
    let encrypted = args.flag("Encrypted")?;
    let tags = args.pairs("Tag", "Key", "Value");
    let window = Window::of(args, 10, 10..=100)?;
    let seen = world.seen();
    let disk_of = of
        .as_ref()
        .map(|id| seen.instances.get(id).map(|i| i.disk_id.as_str()));
    let found: Vec<&Snapshot> = seen
        .snapshots
        .values()
        .filter(|s| s.account_id == call.caller.account_id && s.region == call.region)
        .filter(|s| ids.as_ref().is_none_or(|ids| ids.contains(&s.snapshot_id)))
        .filter(|s| wanted(&disk, &s.source_disk_id) && wanted(&status, &s.status))
        .filter(|s| disk_of.is_none_or(|disk| disk == Some(s.source_disk_id.as_str())))
        .filter(|_| wanted(&kind, "user") && encrypted != Some(true))
        // Each is of a system disk, has no tags, and belongs to an image.
        .filter(|_| {
            source
                .as_ref()
                .is_none_or(|s| s.eq_ignore_ascii_case("system"))
        })
        .filter(|_| wanted(&usage, "image") && tags.is_empty())
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows
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
    answer.insert("Snapshots".into(), json!({ "Snapshot": rows }));
    Ok(answer.into())
}
