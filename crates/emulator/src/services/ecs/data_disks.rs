//! Data disks come, go, and are attached.

use serde_json::{Value, json};

use super::answers::{instance, text_of, wrong_disk_status};
use super::disk_views::{disk, of_instance};
use super::power::wrong_status;
use super::snapshots::usable;
use super::tags::new_tags;
use super::words::{CATEGORIES, LEVELS};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::disks::{CATEGORY, Disk, DiskAttributes, DiskStatus};
use crate::state::model::{Instance, InstanceStatus, Resources};
use crate::state::queue::Event;
use crate::state::world::World;

/// The most data disks that an instance has (API reference: AttachDisk).
const DATA_DISKS: usize = 16;
/// The smallest disk, in GiB.
const LEAST: i64 = 20;
/// The largest one.
pub(super) const MOST: i64 = 65_536;
pub const CREATE: Action = Action {
    name: "CreateDisk",
    honours: &[
        "ClientToken",
        "Description",
        "DiskCategory",
        "DiskName",
        "Encrypted",
        "InstanceId",
        "PerformanceLevel",
        "ResourceGroupId",
        "Size",
        "SnapshotId",
        "Tag.N.Key",
        "Tag.N.Value",
        "ZoneId",
    ],
    run: Run::Write(create),
};

/// CreateDisk: in a zone, or for an instance, to which it is then attached.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.text("InstanceId");
    let zone = args.text("ZoneId");
    let zone_id = match (&of, zone) {
        (Some(_), Some(_)) => {
            return Err(invalid("ZoneId", "it cannot be combined with InstanceId"));
        }
        (Some(id), None) => {
            let found = ready(instance(&world.resources, call, id)?)?;
            let zone_id = found.zone_id.clone();
            check_room(&world.resources, id)?;
            zone_id
        }
        (None, Some(zone)) => zone,
        (None, None) => return Err(missing("ZoneId")),
    };
    let source = args.text("SnapshotId");
    let least = match &source {
        Some(id) => usable(&world.resources, call, id)?.size,
        None => 0,
    };
    let size = match args.number("Size", 1, MOST)? {
        Some(size) if source.is_none() && size < LEAST => {
            return Err(invalid("Size", "it must be a number from 20 to 65536"));
        }
        Some(size) => u64::try_from(size).unwrap_or_default(),
        None if source.is_none() => return Err(missing("Size")),
        None => least,
    };
    if size < least {
        return Err(ApiError::new(
            403,
            "InvalidDiskSize.TooSmall",
            "Specified disk size is less than the size of snapshot.",
        ));
    }
    let attributes = DiskAttributes {
        name: text_of(args, "DiskName", 2, 128)?,
        description: text_of(args, "Description", 2, 256)?.unwrap_or_default(),
        delete_with_instance: of.is_some(),
        performance_level: args.word("PerformanceLevel", LEVELS)?,
        category: Some(
            args.word("DiskCategory", CATEGORIES)?
                .unwrap_or_else(|| CATEGORY.to_owned()),
        ),
        encrypted: args.flag("Encrypted")?.unwrap_or(false),
        tags: new_tags(args)?,
        ..DiskAttributes::default()
    };
    let device = match &of {
        Some(id) => world.resources.free_device(id),
        None => String::new(),
    };
    let disk = Disk {
        disk_id: world.ids.id("d-"),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        zone_id,
        is_system: false,
        size,
        status: DiskStatus::Creating,
        settles_at: None,
        instance_id: of,
        device,
        image_id: String::new(),
        source_snapshot_id: source,
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        attributes,
        created: world.now,
        attached: None,
        detached: None,
    };
    let id = disk.disk_id.clone();
    world.resources.disks.insert(id.clone(), disk);
    change(
        world,
        &id,
        DiskStatus::Creating,
        world.durations.create_disk,
    );
    Ok(json!({ "DiskId": id }))
}

/// The disk is on its way from here on, for so many seconds.
pub(super) fn change(world: &mut World, id: &str, to: DiskStatus, seconds: f64) {
    let event = Event::DiskSettles {
        disk_id: id.to_owned(),
    };
    let at = world.after(seconds, event);
    if let Some(disk) = world.resources.disks.get_mut(id) {
        disk.status = to;
        disk.settles_at = Some(at);
    }
}

/// A Creating, Attaching, Detaching or ReIniting disk gets there.
pub fn settle(world: &mut World, id: &str) {
    let now = world.now;
    let Some(disk) = world.resources.disks.get_mut(id) else {
        return;
    };
    if disk.settles_at.is_none_or(|at| at > now) {
        return;
    }
    disk.settles_at = None;
    if disk.status == DiskStatus::Detaching {
        disk.instance_id = None;
        disk.device.clear();
        disk.detached = Some(now);
    }
    disk.status = match disk.instance_id.is_some() {
        true => DiskStatus::InUse,
        false => DiskStatus::Available,
    };
    if disk.status == DiskStatus::InUse && disk.attached.is_none() {
        disk.attached = Some(now);
    }
}

pub const DELETE: Action = Action {
    name: "DeleteDisk",
    honours: &["DiskId"],
    run: Run::Write(delete),
};

/// DeleteDisk: only one that is Available. Its snapshots stay.
fn delete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("DiskId")?;
    if disk(&world.resources, call, &id)?.status != DiskStatus::Available {
        return Err(wrong_disk_status());
    }
    super::snapshots::check_idle(&world.resources, &id)?;
    world.resources.disks.remove(&id);
    Ok(json!({}))
}

pub const ATTACH: Action = Action {
    name: "AttachDisk",
    honours: &["DeleteWithInstance", "Device", "DiskId", "InstanceId"],
    run: Run::Write(attach),
};

/// AttachDisk: an Available disk to an instance in its zone that is Running or Stopped.
fn attach(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.required("InstanceId")?;
    let id = args.required("DiskId")?;
    let goes_along = args.flag("DeleteWithInstance")?.unwrap_or(false);
    let found = ready(instance(&world.resources, call, &of)?)?;
    let disk = disk(&world.resources, call, &id)?;
    if disk.status != DiskStatus::Available {
        return Err(wrong_disk_status());
    }
    if disk.is_system {
        // It would have to be attached as the system disk.
        return Err(not_portable());
    }
    if disk.zone_id != found.zone_id {
        return Err(ApiError::new(
            403,
            "ResourcesNotInSameZone",
            "The specified instance and disk are not in the same zone.",
        ));
    }
    check_room(&world.resources, &of)?;
    let device = match args.text("Device") {
        Some(device) if world.resources.has_device(&of, &device) => {
            return Err(ApiError::new(
                403,
                "InvalidDevice.InUse",
                "The specified device has been occupied.",
            ));
        }
        Some(device) => device,
        None => world.resources.free_device(&of),
    };
    if let Some(disk) = world.resources.disks.get_mut(&id) {
        disk.instance_id = Some(of);
        disk.device = device;
        disk.attached = Some(world.now);
        disk.attributes.delete_with_instance = goes_along;
    }
    change(
        world,
        &id,
        DiskStatus::Attaching,
        world.durations.attach_disk,
    );
    Ok(json!({}))
}

pub const DETACH: Action = Action {
    name: "DetachDisk",
    honours: &["DeleteWithInstance", "DiskId", "InstanceId"],
    run: Run::Write(detach),
};

/// DetachDisk: a data disk from an instance that is Running or Stopped.
fn detach(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.required("InstanceId")?;
    let id = args.required("DiskId")?;
    let goes_along = args.flag("DeleteWithInstance")?;
    ready(instance(&world.resources, call, &of)?)?;
    let disk = disk(&world.resources, call, &id)?;
    if disk.is_system {
        return Err(not_portable());
    }
    if disk.instance_id != Some(of.as_str()) {
        return Err(ApiError::new(
            403,
            "DependencyViolation",
            "The specified disk has not been attached to the specified instance.",
        ));
    }
    if disk.status != DiskStatus::InUse {
        return Err(wrong_disk_status());
    }
    if let Some(disk) = world.resources.disks.get_mut(&id) {
        let own = &mut disk.attributes.delete_with_instance;
        *own = goes_along.unwrap_or(*own);
    }
    change(
        world,
        &id,
        DiskStatus::Detaching,
        world.durations.detach_disk,
    );
    Ok(json!({}))
}

fn not_portable() -> ApiError {
    ApiError::new(
        403,
        "DiskNotPortable",
        "The specified disk is not a portable disk.",
    )
}

/// Disks can be attached to and detached from it.
fn ready(instance: &Instance) -> Result<&Instance, ApiError> {
    match instance.status {
        InstanceStatus::Running | InstanceStatus::Stopped => Ok(instance),
        _ => Err(wrong_status()),
    }
}

fn check_room(resources: &Resources, id: &str) -> Result<(), ApiError> {
    match of_instance(resources, id).count() > DATA_DISKS {
        true => Err(ApiError::new(
            403,
            "InstanceDiskNumLimitExceed",
            "The number of specified disk in an instance exceeds.",
        )),
        false => Ok(()),
    }
}
