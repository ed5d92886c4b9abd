//! What is done to disks that are there: attributes, size, content.

use serde_json::{Value, json};

use super::answers::{put, text_of, wrong_disk_status};
use super::data_disks::{MOST, change};
use super::disk_views::{View, disk};
use super::power::wrong_status;
use super::snapshots::{check_idle, usable};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::disks::DiskStatus;
use crate::state::model::InstanceStatus;
use crate::state::queue::Event;
use crate::state::world::World;

pub const MODIFY: Action = Action {
    name: "ModifyDiskAttribute",
    honours: &[
        "DeleteAutoSnapshot",
        "DeleteWithInstance",
        "Description",
        "DiskId",
        "DiskIds.N",
        "DiskName",
        "EnableAutoSnapshot",
    ],
    run: Run::Write(modify),
};

/// ModifyDiskAttribute, of one disk or of several. What is left out stays as it is.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let mut ids = args.list_up_to("DiskIds", 100)?.unwrap_or_default();
    ids.extend(args.text("DiskId"));
    if ids.is_empty() {
        return Err(missing("DiskId"));
    }
    let name = text_of(args, "DiskName", 2, 128)?;
    let description = text_of(args, "Description", 2, 256)?;
    let goes_along = args.flag("DeleteWithInstance")?;
    let snapshots_go = args.flag("DeleteAutoSnapshot")?;
    let automatic = args.flag("EnableAutoSnapshot")?;
    for id in &ids {
        disk(&world.resources, call, id)?;
    }
    for id in &ids {
        let Some(own) = world.resources.disk_attributes(id) else {
            continue;
        };
        own.name = name.clone().or(own.name.take());
        put(&mut own.description, description.clone());
        own.delete_with_instance = goes_along.unwrap_or(own.delete_with_instance);
        own.delete_auto_snapshot = snapshots_go.unwrap_or(own.delete_auto_snapshot);
        own.enable_auto_snapshot = automatic.unwrap_or(own.enable_auto_snapshot);
    }
    Ok(json!({}))
}

pub const RESIZE: Action = Action {
    name: "ResizeDisk",
    honours: &["ClientToken", "DiskId", "NewSize", "Type"],
    run: Run::Write(resize),
};

/// ResizeDisk: disks only grow. The size is shown at once; `Type` says when the instance sees it,
/// which cannot be seen here.
fn resize(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("DiskId")?;
    let size = args.number("NewSize", 1, MOST)?;
    let size = size.ok_or_else(|| missing("NewSize"))?;
    let size = u64::try_from(size).unwrap_or_default();
    args.word("Type", &["offline", "online"])?;
    let found = disk(&world.resources, call, &id)?;
    if !matches!(found.status, DiskStatus::InUse | DiskStatus::Available) {
        return Err(wrong_disk_status());
    }
    let of = found.instance_id.map(str::to_owned);
    if let Some(status) = status_of(world, of.as_deref())
        && !matches!(status, InstanceStatus::Running | InstanceStatus::Stopped)
    {
        return Err(wrong_status());
    }
    if size <= found.size {
        return Err(ApiError::new(
            403,
            "InvalidDiskSize.TooSmall",
            "Specified new disk size is less than the original disk size.",
        ));
    }
    check_idle(&world.resources, &id)?;
    if let Some(disk) = world.resources.disks.get_mut(&id) {
        disk.size = size;
    } else if let Some(instance) = of.and_then(|of| world.resources.instances.get_mut(&of)) {
        instance.disk_size = size;
    }
    Ok(json!({}))
}

pub const RESET: Action = Action {
    name: "ResetDisk",
    honours: &["DiskId", "SnapshotId"],
    run: Run::Write(reset),
};

/// ResetDisk: back to a snapshot of this disk, while its instance is Stopped.
fn reset(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("DiskId")?;
    let snapshot = args.required("SnapshotId")?;
    let found = disk(&world.resources, call, &id)?;
    let snapshot = usable(&world.resources, call, &snapshot)?;
    if snapshot.source_disk_id != found.disk_id {
        return Err(ApiError::new(
            403,
            "InvalidParameter.Mismatch",
            "The specified snapshot is not created from the specified disk.",
        ));
    }
    let of = still(world, &found)?;
    check_idle(&world.resources, &id)?;
    begin(world, &id, of.as_deref());
    Ok(json!({}))
}

pub const REINIT: Action = Action {
    name: "ReInitDisk",
    honours: &[
        "AutoStartInstance",
        "DiskId",
        "KeyPairName",
        "SecurityEnhancementStrategy",
    ],
    run: Run::Write(reinit),
};

/// ReInitDisk: as it was when it was made, while its instance is Stopped; a system disk by its
/// image. The instance may be started afterwards.
fn reinit(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("DiskId")?;
    let starts = args.flag("AutoStartInstance")?.unwrap_or(false);
    args.word("SecurityEnhancementStrategy", &["Active", "Deactive"])?;
    let key_pair = args.text("KeyPairName");
    let found = disk(&world.resources, call, &id)?;
    if found.status != DiskStatus::InUse {
        return Err(wrong_disk_status());
    }
    if key_pair.is_some() && !found.is_system {
        return Err(invalid("KeyPairName", "only system disks have one"));
    }
    if let Some(source) = found.source_snapshot_id
        && !world.resources.snapshots.contains_key(source)
    {
        return Err(ApiError::new(
            403,
            "InvalidSnapshotId.NotFound",
            "The snapshot that the disk was created from does not exist.",
        ));
    }
    let of = still(world, &found)?;
    check_idle(&world.resources, &id)?;
    begin(world, &id, of.as_deref());
    if let Some(of) = of {
        if let Some(instance) = world.resources.instances.get_mut(&of) {
            instance.key_pair_name = key_pair.or_else(|| instance.key_pair_name.take());
        }
        if starts {
            let event = Event::InstanceStarts { instance_id: of };
            world.after(world.durations.reset_disk, event);
        }
    }
    Ok(json!({}))
}

fn status_of(world: &World, instance: Option<&str>) -> Option<InstanceStatus> {
    let instance = world.resources.instances.get(instance?)?;
    Some(instance.status)
}

/// The instance of a disk whose content may change: Stopped, if there is one.
fn still(world: &World, disk: &View<'_>) -> Result<Option<String>, ApiError> {
    if !matches!(disk.status, DiskStatus::InUse | DiskStatus::Available) {
        return Err(wrong_disk_status());
    }
    match status_of(world, disk.instance_id) {
        None | Some(InstanceStatus::Stopped) => Ok(disk.instance_id.map(str::to_owned)),
        Some(_) => Err(wrong_status()),
    }
}

/// The content changes, which takes its time.
fn begin(world: &mut World, id: &str, of: Option<&str>) {
    let seconds = world.durations.reset_disk;
    if world.resources.disks.contains_key(id) {
        change(world, id, DiskStatus::ReIniting, seconds);
    } else if let Some(of) = of {
        if let Some(instance) = world.resources.instances.get_mut(of) {
            instance.disk_ready = false;
        }
        let event = Event::DiskReady {
            instance_id: of.to_owned(),
            disk_id: id.to_owned(),
        };
        world.after(seconds, event);
    }
}
