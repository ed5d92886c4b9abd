//! Snapshots of disks.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{put, text_of, wrong_disk_status};
use super::disk_views::disk;
use super::power::wrong_status;
use super::tags::new_tags;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::state::call::Call;
use crate::state::disks::DiskStatus;
use crate::state::images::{Image, Snapshot, SnapshotDetails, SystemOf};
use crate::state::model::{InstanceStatus, Resources};
use crate::state::outcomes::SnapshotEnd;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::world::World;

/// The longest time that a snapshot is kept for, in days.
const DAYS: i64 = 65_536;

/// An error while a snapshot of the disk is being made.
pub(super) fn check_idle(resources: &Resources, disk: &str) -> Result<(), ApiError> {
    let mut snapshots = resources.snapshots.values();
    match snapshots.any(|s| s.source_disk_id == disk && s.status == "progressing") {
        true => Err(ApiError::new(
            403,
            "DiskCreatingSnapshot",
            "The operation is denied due to a snapshot of the specified disk is not completed yet.",
        )),
        false => Ok(()),
    }
}

/// The snapshot that a call names, if something can be made from it.
pub(super) fn usable<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a Snapshot, ApiError> {
    let found = own(resources, call, id).ok_or_else(no_snapshot)?;
    match found.status == "accomplished" {
        true => Ok(found),
        false => Err(ApiError::new(
            403,
            "InvalidSnapshotId.NotReady",
            "The specified snapshot has not completed yet.",
        )),
    }
}

fn own<'a>(resources: &'a Resources, call: &Call, id: &str) -> Option<&'a Snapshot> {
    let found = resources.snapshots.get(id)?;
    (found.account_id == call.caller.account_id && found.region == call.region).then_some(found)
}

fn no_snapshot() -> ApiError {
    ApiError::new(
        404,
        "InvalidSnapshotId.NotFound",
        "The specified SnapshotId does not exist.",
    )
}

pub const CREATE: Action = Action {
    name: "CreateSnapshot",
    honours: &[
        "Category",
        "ClientToken",
        "Description",
        "DiskId",
        "InstantAccess",
        "InstantAccessRetentionDays",
        "ResourceGroupId",
        "RetentionDays",
        "SnapshotName",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Write(create),
};

/// CreateSnapshot: of a disk that is in use by an instance which is Running or Stopped, or was in
/// use once. One at a time.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("DiskId")?;
    let instant_access = args.flag("InstantAccess")?;
    let instant_access_days = args.number("InstantAccessRetentionDays", 1, DAYS)?;
    let found = disk(&world.resources, call, &id)?;
    let of = found
        .instance_id
        .and_then(|of| world.resources.instances.get(of));
    if !matches!(found.status, DiskStatus::InUse | DiskStatus::Available) {
        return Err(wrong_disk_status());
    }
    if of.is_some_and(|of| !matches!(of.status, InstanceStatus::Running | InstanceStatus::Stopped))
    {
        return Err(wrong_status());
    }
    if found.attached.is_none() {
        return Err(ApiError::new(
            403,
            "IncorrectDiskStatus.NeverAttached",
            "The specified disk has never been attached to any instance.",
        ));
    }
    if check_idle(&world.resources, &id).is_err() {
        return Err(ApiError::new(
            403,
            "IncorrectDiskStatus.CreatingSnapshot",
            "A previous snapshot creation is in process.",
        ));
    }
    let name = text_of(args, "SnapshotName", 2, 128)?.unwrap_or_default();
    let details = SnapshotDetails {
        description: text_of(args, "Description", 2, 256)?.unwrap_or_default(),
        category: args
            .word("Category", &["standard", "flash"])?
            .unwrap_or_else(|| "standard".to_owned()),
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        retention_days: args.number("RetentionDays", 1, DAYS)?,
        tags: new_tags(args)?,
        system: of.filter(|_| found.is_system).map(|of| SystemOf {
            os_type: of.os_type,
            architecture: of.architecture.clone(),
        }),
        encrypted: found.attributes.encrypted,
        instant_access,
        instant_access_days,
        ends_at: None,
        modified: None,
        name,
    };
    let size = found.size;
    let (end, duration) = outcome(world, &id, &details.name);
    let snapshot_id = world.ids.id("s-");
    let event = Event::SnapshotSettles {
        snapshot_id: snapshot_id.clone(),
        status: end.name().to_owned(),
    };
    let ends_at = world.after(duration, event);
    let snapshot = Snapshot {
        snapshot_id: snapshot_id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        source_disk_id: id,
        size,
        status: "progressing".into(),
        created: world.now,
        details: SnapshotDetails {
            ends_at: Some(ends_at),
            ..details
        },
    };
    world
        .resources
        .snapshots
        .insert(snapshot_id.clone(), snapshot);
    keep(world, &snapshot_id);
    Ok(json!({ "SnapshotId": snapshot_id }))
}

/// What the fixture says of the next snapshot of this disk.
fn outcome(world: &mut World, disk: &str, name: &str) -> (SnapshotEnd, f64) {
    let attempt = world.images_asked.entry(disk.to_owned()).or_default();
    *attempt += 1;
    let attempt = *attempt;
    let rule = world.snapshot_outcomes.iter().find(|rule| {
        let disk_fits = rule.disk.as_ref().is_none_or(|d| wildcard(d, disk));
        let part = rule.name_contains.as_deref().unwrap_or_default();
        disk_fits && rule.attempt.is_none_or(|n| n == attempt) && name.contains(part)
    });
    let usual = world.durations.create_snapshot;
    rule.map_or((SnapshotEnd::default(), usual), |rule| {
        (rule.status, rule.duration_seconds.unwrap_or(usual))
    })
}

/// A snapshot that is kept for some days goes when they are over.
fn keep(world: &mut World, id: &str) {
    let snapshot = world.resources.snapshots.get(id);
    if let Some(at) = snapshot.and_then(expiry) {
        let event = Event::SnapshotExpires {
            snapshot_id: id.to_owned(),
        };
        world.queue.push(at.max(world.now), event);
    }
}

fn expiry(of: &Snapshot) -> Option<Timestamp> {
    let hours = of.details.retention_days?.checked_mul(24)?;
    let span = jiff::SignedDuration::from_hours(hours);
    of.created.checked_add(span).ok()
}

/// A snapshot is done.
pub fn settle(world: &mut World, id: &str, status: &str) {
    if let Some(snapshot) = world.resources.snapshots.get_mut(id)
        && snapshot.status == "progressing"
    {
        status.clone_into(&mut snapshot.status);
    }
}

/// The days of a snapshot are over, unless they were changed meanwhile or an image has it.
pub fn expires(world: &mut World, id: &str) {
    let Some(snapshot) = world.resources.snapshots.get(id) else {
        return;
    };
    let is_due = expiry(snapshot).is_some_and(|at| at <= world.now);
    if is_due && image_of(&world.resources, id).is_none() {
        world.resources.snapshots.remove(id);
    }
}

/// An image that has this snapshot.
pub(super) fn image_of<'a>(resources: &'a Resources, id: &str) -> Option<&'a Image> {
    resources.images.values().find(|image| {
        image.snapshot_id.as_deref() == Some(id)
            || image.data_disks.iter().any(|disk| disk.snapshot_id == id)
    })
}

/// Whether disks were made from this snapshot.
pub(super) fn has_made_disks(resources: &Resources, id: &str) -> bool {
    let mut disks = resources.disks.values();
    disks.any(|disk| disk.source_snapshot_id.as_deref() == Some(id))
}

pub const DELETE: Action = Action {
    name: "DeleteSnapshot",
    honours: &["Force", "SnapshotId"],
    run: Run::Write(delete),
};

/// DeleteSnapshot, which also ends the making of one. One that does not exist is no error; one
/// that an image has cannot go, one that a disk was made from only with `Force` (API reference).
fn delete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("SnapshotId")?;
    let force = args.flag("Force")?.unwrap_or(false);
    if own(&world.resources, call, &id).is_none() {
        return Ok(json!({}));
    }
    if image_of(&world.resources, &id).is_some() {
        return Err(ApiError::new(
            403,
            "SnapshotCreatedImage",
            "The snapshot has been used to create user defined image(s).",
        ));
    }
    if !force && has_made_disks(&world.resources, &id) {
        return Err(ApiError::new(
            403,
            "SnapshotCreatedDisk",
            "The snapshot has been used to create disk(s).",
        ));
    }
    world.resources.snapshots.remove(&id);
    Ok(json!({}))
}

pub const MODIFY: Action = Action {
    name: "ModifySnapshotAttribute",
    honours: &[
        "Description",
        "DisableInstantAccess",
        "RetentionDays",
        "SnapshotId",
        "SnapshotName",
    ],
    run: Run::Write(modify),
};

/// ModifySnapshotAttribute. What is left out stays as it is.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("SnapshotId")?;
    let name = text_of(args, "SnapshotName", 2, 128)?;
    let description = text_of(args, "Description", 2, 256)?;
    let days = args.number("RetentionDays", 1, DAYS)?;
    let is_disabled = args.flag("DisableInstantAccess")?.unwrap_or(false);
    own(&world.resources, call, &id).ok_or_else(no_snapshot)?;
    let now = world.now;
    if let Some(snapshot) = world.resources.snapshots.get_mut(&id) {
        put(&mut snapshot.details.name, name);
        put(&mut snapshot.details.description, description);
        snapshot.details.retention_days = days.or(snapshot.details.retention_days);
        if is_disabled {
            snapshot.details.instant_access = Some(false);
            snapshot.details.instant_access_days = None;
        }
        snapshot.details.modified = Some(now);
    }
    if days.is_some() {
        keep(world, &id);
    }
    Ok(json!({}))
}
