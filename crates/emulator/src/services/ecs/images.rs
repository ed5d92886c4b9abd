//! Custom images are made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::instance;
use super::snapshots::usable;
use super::tags::new_tags;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::disks::DiskStatus;
use crate::state::images::{Image, ImageDisk, OsType, Snapshot, SnapshotDetails, SystemOf};
use crate::state::model::InstanceStatus;
use crate::state::outcomes::ImageEnd;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::world::World;

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
        "SnapshotId",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Write(create),
};

/// What an image is made from.
struct Source {
    id: String,
    os_type: OsType,
    architecture: String,
    size: u64,
    /// Disks of which snapshots are made with the image, with their sizes: the system disk first,
    /// then data disks with their devices.
    system_disk: Option<String>,
    data_disks: Vec<(String, String, u64)>,
    snapshot_id: Option<String>,
}

/// CreateImage, from an instance that is Running or Stopped, or from a snapshot of a system disk.
/// Snapshots of the instance's disks come with the image.
pub fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let source = source(world, call, args)?;
    // A detection finds nothing here that anybody could ask for.
    args.word("DetectionStrategy", &["Standard"])?;
    let image_id = world.ids.id("m-");
    let name = args.text("ImageName").unwrap_or_else(|| image_id.clone());
    check_name(world, call, &call.region, &name, "ImageName")?;
    let tags = new_tags(args)?;
    let from_instance = source.system_disk.is_some();
    let usual = world.durations.create_image;
    let (status, duration) = outcome(world, &source.id, from_instance, &name, usual);
    let system = Some(SystemOf {
        os_type: source.os_type,
        architecture: source.architecture.clone(),
    });
    let snapshot_id = match (source.system_disk, source.snapshot_id) {
        (Some(disk), _) => Some(snapshot(world, call, disk, source.size, system)),
        (None, given) => given,
    };
    let mut data_disks = Vec::new();
    for (disk, device, size) in source.data_disks {
        data_disks.push(ImageDisk {
            snapshot_id: snapshot(world, call, disk, size, None),
            device,
            size,
        });
    }
    let image = Image {
        image_id: image_id.clone(),
        name,
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        status: "Creating".into(),
        os_type: source.os_type,
        architecture: source.architecture,
        size: source.size,
        owner_alias: "self".into(),
        family: args.text("ImageFamily"),
        version: args.text("ImageVersion").unwrap_or_default(),
        description: args.text("Description").unwrap_or_default(),
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags,
        snapshot_id,
        data_disks,
        copy_of: None,
        shared_with: BTreeMap::new(),
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

fn source(world: &World, call: &Call, args: Args<'_>) -> Result<Source, ApiError> {
    let snapshot = args.text("SnapshotId");
    let Some(id) = args.text("InstanceId") else {
        let id = snapshot.ok_or_else(|| missing("InstanceId"))?;
        let found = usable(&world.resources, call, &id)?;
        let Some(system) = &found.details.system else {
            return Err(ApiError::new(
                403,
                "OperationDenied",
                "The specified snapshot is not of a system disk.",
            ));
        };
        return Ok(Source {
            os_type: system.os_type,
            architecture: system.architecture.clone(),
            size: found.size,
            system_disk: None,
            data_disks: Vec::new(),
            snapshot_id: Some(id.clone()),
            id,
        });
    };
    if snapshot.is_some() {
        return Err(invalid(
            "SnapshotId",
            "it cannot be combined with InstanceId",
        ));
    }
    let found = instance(&world.resources, call, &id)?;
    if !matches!(
        found.status,
        InstanceStatus::Running | InstanceStatus::Stopped
    ) {
        return Err(ApiError::new(
            403,
            "IncorrectInstanceStatus",
            "The current status of the resource does not support this operation.",
        ));
    }
    let data = world.resources.disks.values();
    let data = data
        .filter(|disk| disk.instance_id.as_ref() == Some(&id) && disk.status == DiskStatus::InUse);
    Ok(Source {
        os_type: found.os_type,
        architecture: found.architecture.clone(),
        size: found.disk_size,
        system_disk: Some(found.disk_id.clone()),
        data_disks: data
            .map(|disk| (disk.disk_id.clone(), disk.device.clone(), disk.size))
            .collect(),
        snapshot_id: None,
        id,
    })
}

/// What the fixture says of the next image of this source.
pub(super) fn outcome(
    world: &mut World,
    source: &str,
    is_instance: bool,
    name: &str,
    usual: f64,
) -> (ImageEnd, f64) {
    let attempt = world.images_asked.entry(source.to_owned()).or_default();
    *attempt += 1;
    let attempt = *attempt;
    let rule = world.image_outcomes.iter().find(|rule| {
        let instance = rule.instance.as_ref();
        let part = rule.name_contains.as_deref().unwrap_or_default();
        instance.is_none_or(|pattern| is_instance && wildcard(pattern, source))
            && rule
                .source
                .as_ref()
                .is_none_or(|pattern| wildcard(pattern, source))
            && rule.attempt.is_none_or(|n| n == attempt)
            && name.contains(part)
    });
    rule.map_or((ImageEnd::Available, usual), |rule| {
        (rule.status, rule.duration_seconds.unwrap_or(usual))
    })
}

/// A snapshot that comes with an image.
fn snapshot(
    world: &mut World,
    call: &Call,
    disk: String,
    size: u64,
    system: Option<SystemOf>,
) -> String {
    let id = world.ids.id("s-");
    let snapshot = Snapshot {
        snapshot_id: id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        source_disk_id: disk,
        size,
        status: "progressing".into(),
        created: world.now,
        details: SnapshotDetails {
            category: "standard".into(),
            system,
            ..SnapshotDetails::default()
        },
    };
    world.resources.snapshots.insert(id.clone(), snapshot);
    id
}

/// 2 to 128 characters of the kinds that the API reference allows, and no other image of the
/// account in the region has it.
pub(super) fn check_name(
    world: &World,
    call: &Call,
    region: &str,
    name: &str,
    parameter: &str,
) -> Result<(), ApiError> {
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
            parameter,
            "it must have 2 to 128 letters, digits, colons, underscores or hyphens, a letter first, \
             and must not begin with acs: or aliyun",
        ));
    }
    let taken =
        world.resources.images.values().any(|i| {
            i.name == name && i.region == region && i.account_id == call.caller.account_id
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
    if image.copy_of.is_some() {
        return;
    }
    let data = image.data_disks.iter().map(|disk| disk.snapshot_id.clone());
    let ids: Vec<String> = image.snapshot_id.iter().cloned().chain(data).collect();
    for id in ids {
        if let Some(snapshot) = world.resources.snapshots.get_mut(&id)
            && snapshot.status == "progressing"
        {
            snapshot.status = if status == "CreateFailed" {
                "failed"
            } else {
                "accomplished"
            }
            .to_owned();
        }
    }
}
