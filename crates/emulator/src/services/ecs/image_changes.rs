//! What is done to custom images that are there: copied, shared, changed, deleted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::{put, text_of};
use super::image_views::{no_image, own};
use super::images::{check_name, outcome};
use super::tags::new_tags;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::images::{Image, ImageDisk, Snapshot, SnapshotDetails};
use crate::state::model::Resources;
use crate::state::queue::Event;
use crate::state::world::World;

pub const COPY: Action = Action {
    name: "CopyImage",
    honours: &[
        "ClientToken",
        "DestinationDescription",
        "DestinationImageName",
        "DestinationRegionId",
        "ImageId",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Write(copy),
};

/// CopyImage: an own image that is Available, to another region or the same. The copy is Creating
/// there until it is done, and has snapshots of its own.
fn copy(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ImageId")?;
    let to = args
        .text("DestinationRegionId")
        .unwrap_or_else(|| call.region.clone());
    if !world.regions.contains(&to) {
        return Err(ApiError::new(
            404,
            "InvalidRegionId.NotFound",
            "The specified DestinationRegionId does not exist.",
        ));
    }
    let source = own(&world.resources, call, &id)?.clone();
    if source.status != "Available" {
        return Err(ApiError::new(
            403,
            "IncorrectImageStatus",
            "The specified image is not available.",
        ));
    }
    let image_id = world.ids.id("m-");
    let name = args
        .text("DestinationImageName")
        .unwrap_or_else(|| image_id.clone());
    check_name(world, call, &to, &name, "DestinationImageName")?;
    let description = text_of(args, "DestinationDescription", 2, 256)?.unwrap_or_default();
    let tags = new_tags(args)?;
    let usual = world.durations.copy_image;
    let (end, duration) = outcome(world, &id, false, &name, usual);
    let event = Event::ImageSettles {
        image_id: image_id.clone(),
        status: end.name().to_owned(),
    };
    world.after(duration, event);
    let snapshot_id = source
        .snapshot_id
        .as_ref()
        .map(|of| snapshot(world, &source, of, &to));
    let data_disks = source
        .data_disks
        .iter()
        .map(|disk| ImageDisk {
            snapshot_id: snapshot(world, &source, &disk.snapshot_id, &to),
            ..disk.clone()
        })
        .collect();
    let image = Image {
        image_id: image_id.clone(),
        name,
        region: to,
        status: "Creating".into(),
        family: None,
        version: String::new(),
        description,
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags,
        snapshot_id,
        data_disks,
        copy_of: Some(id),
        shared_with: BTreeMap::new(),
        created: world.now,
        ..source
    };
    world.resources.images.insert(image_id.clone(), image);
    Ok(json!({ "ImageId": image_id }))
}

/// A snapshot that a copy brings along.
fn snapshot(world: &mut World, image: &Image, of: &str, region: &str) -> String {
    let id = world.ids.id("s-");
    let source = world.resources.snapshots.get(of).cloned();
    let details = source.as_ref().map(|s| SnapshotDetails {
        system: s.details.system.clone(),
        category: s.details.category.clone(),
        ..SnapshotDetails::default()
    });
    let copy = Snapshot {
        snapshot_id: id.clone(),
        account_id: image.account_id.clone(),
        region: region.to_owned(),
        source_disk_id: String::new(),
        size: source.map_or(image.size, |s| s.size),
        status: "accomplished".into(),
        created: world.now,
        details: details.unwrap_or_default(),
    };
    world.resources.snapshots.insert(id.clone(), copy);
    id
}

pub const CANCEL_COPY: Action = Action {
    name: "CancelCopyImage",
    honours: &["ImageId"],
    run: Run::Write(cancel_copy),
};

/// CancelCopyImage: the copy that is being made is gone. It is named, not its source.
fn cancel_copy(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ImageId")?;
    let image = own(&world.resources, call, &id)?;
    if image.copy_of.is_none() || image.status != "Creating" {
        // The code is not documented.
        return Err(ApiError::new(
            403,
            "IncorrectImageStatus",
            "The specified image is not being copied.",
        ));
    }
    remove_with_snapshots(world, &id);
    Ok(json!({}))
}

fn remove_with_snapshots(world: &mut World, id: &str) {
    let Some(image) = world.resources.images.remove(id) else {
        return;
    };
    let data = image.data_disks.into_iter().map(|disk| disk.snapshot_id);
    for snapshot in image.snapshot_id.into_iter().chain(data) {
        world.resources.snapshots.remove(&snapshot);
    }
}

pub const DELETE: Action = Action {
    name: "DeleteImage",
    honours: &["Force", "ImageId"],
    run: Run::Write(delete),
};

/// DeleteImage. One that does not exist is no error. One that instances were made from goes only
/// with `Force`, one that is shared or copied not at all (API reference). Its snapshots stay.
fn delete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ImageId")?;
    let force = args.flag("Force")?.unwrap_or(false);
    let Ok(image) = own(&world.resources, call, &id) else {
        return Ok(json!({}));
    };
    let refused = |code: &str, message: &str| Err(ApiError::new(403, code, message));
    if !image.shared_with.is_empty() {
        return refused(
            "ImageUseShared",
            "The specified image has been shared to others.",
        );
    }
    if is_being_copied(&world.resources, &id) || (image.copy_of.is_some() && is_creating(image)) {
        return refused("OperationDenied.ImageCopying", "The image is being copied.");
    }
    if is_creating(image) {
        return refused("ImageIsCreating", "The specified image is being created.");
    }
    if !force && world.resources.instances.values().any(|i| i.image_id == id) {
        return refused(
            "ImageUsingByInstance",
            "The specified image has been used to create instances. You can use the \
             DescribeInstances API to query these instances, or you can use the force parameter \
             to proceed.",
        );
    }
    world.resources.images.remove(&id);
    Ok(json!({}))
}

fn is_creating(image: &Image) -> bool {
    image.status == "Creating"
}

fn is_being_copied(resources: &Resources, id: &str) -> bool {
    let mut images = resources.images.values();
    images.any(|image| is_creating(image) && image.copy_of.as_deref() == Some(id))
}

pub const MODIFY: Action = Action {
    name: "ModifyImageAttribute",
    honours: &[
        "Description",
        "ImageFamily",
        "ImageId",
        "ImageName",
        "Status",
    ],
    run: Run::Write(modify),
};

/// ModifyImageAttribute. What is left out stays as it is. `Status` turns an Available image
/// Deprecated, unless it is shared, and back.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ImageId")?;
    let mut changed = own(&world.resources, call, &id)?.clone();
    let refused = |code: &str, message: &str| Err(ApiError::new(403, code, message));
    let status = args.word("Status", &["Available", "Deprecated"])?;
    match status.as_deref() {
        Some("Deprecated") if changed.status != "Available" => {
            return refused(
                "ImageStatus.NotAvailable",
                "The specified image status is not available.",
            );
        }
        Some("Deprecated") if !changed.shared_with.is_empty() => {
            return refused(
                "ImageUseShared",
                "The specified image has been shared to others, please remove shared accounts \
                 first.",
            );
        }
        Some("Available") if changed.status != "Deprecated" => {
            return refused(
                "ImageStatus.NotDeprecated",
                "The specified image status is not deprecated.",
            );
        }
        _ => put(&mut changed.status, status),
    }
    if let Some(name) = args.text("ImageName").filter(|name| *name != changed.name) {
        check_name(world, call, &call.region, &name, "ImageName")?;
        changed.name = name;
    }
    put(
        &mut changed.description,
        text_of(args, "Description", 2, 256)?,
    );
    changed.family = text_of(args, "ImageFamily", 2, 128)?.or(changed.family);
    world.resources.images.insert(id, changed);
    Ok(json!({}))
}

pub const SHARE: Action = Action {
    name: "ModifyImageSharePermission",
    honours: &["AddAccount.N", "ImageId", "RemoveAccount.N"],
    run: Run::Write(share),
};

/// ModifyImageSharePermission: who else can use an image that is Available. An account that is both
/// added and removed is added (API reference).
fn share(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ImageId")?;
    let added = args.list_up_to("AddAccount", 10)?.unwrap_or_default();
    let removed = args.list_up_to("RemoveAccount", 10)?.unwrap_or_default();
    let image = own(&world.resources, call, &id)?;
    if image.status != "Available" {
        return Err(ApiError::new(
            403,
            "IncorrectImageStatus",
            "The specified image is not available.",
        ));
    }
    let is_id = |account: &String| account.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(odd) = added.iter().find(|account| !is_id(account)) {
        return Err(invalid("AddAccount", &format!("{odd} is no account id")));
    }
    if added.contains(&call.caller.account_id) {
        return Err(invalid("AddAccount", "it is the account of the caller"));
    }
    let now = world.now;
    let image = world.resources.images.get_mut(&id).ok_or_else(no_image)?;
    image
        .shared_with
        .retain(|account, _| !removed.contains(account));
    for account in added {
        image.shared_with.entry(account).or_insert(now);
    }
    Ok(json!({}))
}
