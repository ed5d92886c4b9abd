//! System disks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::{instance, wanted};
use super::power::wrong_status;
use super::window::Window;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid};
use crate::state::call::Call;
use crate::state::model::{Instance, InstanceStatus};
use crate::state::queue::Event;
use crate::state::world::World;

pub const REPLACE: Action = Action {
    name: "ReplaceSystemDisk",
    honours: &[
        "ClientToken",
        "ImageId",
        "InstanceId",
        "KeyPairName",
        "PasswordInherit",
        "SecurityEnhancementStrategy",
        "SystemDisk.Size",
    ],
    run: Run::Write(replace),
};

/// ReplaceSystemDisk: a Stopped instance gets a new disk with the image; size grows only if the
/// image needs it.
fn replace(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let image_id = args.required("ImageId")?;
    // Nothing of either can be seen from outside.
    args.flag("PasswordInherit")?;
    if let Some(strategy) = args.text("SecurityEnhancementStrategy")
        && !["Active", "Deactive"].contains(&strategy.as_str())
    {
        return Err(invalid(
            "SecurityEnhancementStrategy",
            "it must be Active or Deactive",
        ));
    }
    let found = instance(&world.resources, call, &id)?;
    let image = world
        .resources
        .images
        .get(&image_id)
        .filter(|i| {
            i.region == call.region
                && (i.account_id == call.caller.account_id || i.owner_alias != "self")
        })
        .cloned()
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidImageId.NotFound",
                "The specified ImageId does not exist.",
            )
        })?;
    // A Deprecated one can be neither shared nor copied, but used.
    if !image.is_usable() {
        return Err(ApiError::new(
            403,
            "IncorrectImageStatus",
            "The specified image is not available.",
        ));
    }
    if image.architecture != found.architecture {
        return Err(ApiError::new(
            403,
            "ImageNotSupportInstanceType",
            "The specified image does not support the specified instance type.",
        ));
    }
    if let Some(size) = args.number("SystemDisk.Size", 1, 32_768)?
        && u64::try_from(size).unwrap_or(0) < image.size
    {
        return Err(ApiError::new(
            403,
            "InvalidSystemDiskSize.LessThanImageSize",
            "The specified size is smaller than that of the image.",
        ));
    }
    if found.status != InstanceStatus::Stopped || !found.disk_ready {
        return Err(wrong_status());
    }
    let disk_id = world.ids.id("d-");
    let key_pair = args.text("KeyPairName");
    if let Some(instance) = world.resources.instances.get_mut(&id) {
        instance.image_id = image_id;
        instance.os_type = image.os_type;
        instance.disk_id.clone_from(&disk_id);
        instance.disk_size = instance.disk_size.max(image.size);
        instance.disk_ready = false;
        instance.key_pair_name = key_pair.or_else(|| instance.key_pair_name.clone());
    }
    world.after(
        world.durations.replace_system_disk,
        Event::DiskReady {
            instance_id: id,
            disk_id: disk_id.clone(),
        },
    );
    Ok(json!({ "DiskId": disk_id }))
}

/// A replaced disk is in use.
pub fn disk_ready(world: &mut World, id: &str, disk_id: &str) {
    if let Some(instance) = world.resources.instances.get_mut(id)
        && instance.disk_id == disk_id
    {
        instance.disk_ready = true;
    }
}

pub const DESCRIBE: Action = Action {
    name: "DescribeDisks",
    honours: &[
        "Category",
        "DeleteWithInstance",
        "DiskChargeType",
        "DiskIds",
        "DiskName",
        "DiskType",
        "Encrypted",
        "InstanceId",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "Portable",
        "ResourceGroupId",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "ZoneId",
    ],
    run: Run::Read(describe),
};

/// What every system disk here is.
const CATEGORY: &str = "cloud_essd";

fn status(of: &Instance) -> &'static str {
    match of.disk_ready {
        true => "In_use",
        false => "ReIniting",
    }
}

/// DescribeDisks: the system disks. They have no tags, no name but their id, and go with their
/// instance.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("DiskIds", 100)?;
    let of = args.text("InstanceId");
    let text = |name: &str, all: &str| args.text(name).filter(|text| text != all);
    let (kind, category) = (text("DiskType", "all"), text("Category", "all"));
    let (wanted_status, name) = (text("Status", "All"), args.text("DiskName"));
    let (charge, group) = (args.text("DiskChargeType"), args.text("ResourceGroupId"));
    let zone = args.text("ZoneId");
    let encrypted = args.flag("Encrypted")?;
    let portable = args.flag("Portable")?;
    let goes_along = args.flag("DeleteWithInstance")?;
    let tags = args.pairs("Tag", "Key", "Value");
    let window = Window::of(args, 10, 10..=500)?;
    let found: Vec<&Instance> = world
        .seen()
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.disk_id)))
        .filter(|i| wanted(&of, &i.instance_id) && wanted(&zone, &i.zone_id))
        .filter(|_| wanted(&kind, "system") && wanted(&category, CATEGORY))
        .filter(|i| wanted(&wanted_status, status(i)) && wanted(&name, &i.disk_id))
        .filter(|i| wanted(&charge, "PostPaid") && wanted(&group, &i.attributes.resource_group_id))
        .filter(|_| encrypted != Some(true) && portable != Some(true) && goes_along != Some(false))
        .filter(|_| has_tags(&BTreeMap::new(), &tags))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|i| {
            json!({
                "DiskId": i.disk_id,
                "InstanceId": i.instance_id,
                "RegionId": i.region,
                "ZoneId": i.zone_id,
                "Status": status(i),
                "Type": "system",
                "Category": CATEGORY,
                "Size": i.disk_size,
                "ImageId": i.image_id,
                "Portable": false,
            })
        })
        .collect();
    answer.insert("Disks".into(), json!({ "Disk": rows }));
    Ok(answer.into())
}
