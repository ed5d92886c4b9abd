//! Instances and their system disks.

use serde_json::{Value, json};

use super::answers::{instance, no_instance, seconds};
use super::window::Window;
use crate::error::ApiError;
use crate::services::args::{Args, missing};
use crate::services::ess::check_soon;
use crate::state::call::Call;
use crate::state::model::{Instance, InstanceStatus};
use crate::state::queue::Event;
use crate::state::world::World;

/// DescribeInstances: ids that do not exist are left out.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("InstanceIds", 100)?;
    let status = args.text("Status");
    let image = args.text("ImageId");
    let tags = args.pairs("Tag", "Key", "Value");
    let window = Window::of(args, 10, 100)?;
    let seen = world.seen();
    let found: Vec<&Instance> = seen
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.instance_id)))
        .filter(|i| status.as_ref().is_none_or(|s| s == i.status.name()))
        .filter(|i| image.as_ref().is_none_or(|image| *image == i.image_id))
        .filter(|i| {
            tags.iter().all(|(key, value)| {
                i.tags
                    .get(key)
                    .is_some_and(|have| value.as_ref().is_none_or(|v| v == have))
            })
        })
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows.into_iter().map(row).collect();
    answer.insert("Instances".into(), json!({ "Instance": rows }));
    Ok(answer.into())
}

fn row(i: &Instance) -> Value {
    json!({
        "InstanceId": i.instance_id,
        "InstanceName": i.instance_id,
        "HostName": i.instance_id,
        "Status": i.status.name(),
        "RegionId": i.region,
        "ZoneId": i.zone_id,
        "ImageId": i.image_id,
        "OSType": i.os_type.name(),
        "OSName": if i.os_type.name() == "linux" { "Alibaba Cloud Linux 3" } else { "Windows Server 2022" },
        "InstanceType": i.instance_type,
        "CreationTime": seconds(i.created),
        "KeyPairName": i.key_pair_name.as_deref().unwrap_or_default(),
        "ResourceGroupId": "",
        "InstanceChargeType": "PostPaid",
        "Tags": {
            "Tag": i.tags.iter().map(|(k, v)| json!({"TagKey": k, "TagValue": v})).collect::<Vec<_>>(),
        },
        "VpcAttributes": {
            "VpcId": "vpc-emulator",
            "VSwitchId": "vsw-emulator",
            "PrivateIpAddress": { "IpAddress": [i.private_ip] },
        },
    })
}

fn wrong_status() -> ApiError {
    ApiError::new(
        403,
        "IncorrectInstanceStatus",
        "The current status of the resource does not support this operation.",
    )
}

/// StopInstance: only a Running instance can be stopped.
pub fn stop_call(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    instance(&world.resources, call, &id)?;
    stop(world, &id)?;
    Ok(json!({}))
}

/// Stops an instance, whoever asks.
pub fn stop(world: &mut World, id: &str) -> Result<(), ApiError> {
    change(
        world,
        id,
        InstanceStatus::Running,
        InstanceStatus::Stopping,
        world.durations.stop_instance,
    )
}

/// StartInstance: only a Stopped instance whose disk is in use can be started.
pub fn start_call(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    if !instance(&world.resources, call, &id)?.disk_ready {
        return Err(ApiError::new(
            403,
            "IncorrectDiskStatus",
            "The current disk status does not support this operation.",
        ));
    }
    change(
        world,
        &id,
        InstanceStatus::Stopped,
        InstanceStatus::Starting,
        world.durations.start_instance,
    )?;
    Ok(json!({}))
}

fn change(
    world: &mut World,
    id: &str,
    from: InstanceStatus,
    to: InstanceStatus,
    duration: f64,
) -> Result<(), ApiError> {
    let instance = world
        .resources
        .instances
        .get_mut(id)
        .ok_or_else(no_instance)?;
    if instance.status != from {
        return Err(wrong_status());
    }
    instance.status = to;
    super::commands::interrupt(world, id);
    let at = world.after(
        duration,
        Event::InstanceSettles {
            instance_id: id.to_owned(),
        },
    );
    if let Some(instance) = world.resources.instances.get_mut(id) {
        instance.settles_at = Some(at);
    }
    notice(world, id);
    Ok(())
}

/// A Starting or Stopping instance gets there.
pub fn settle(world: &mut World, id: &str) {
    let now = world.now;
    let Some(instance) = world.resources.instances.get_mut(id) else {
        return;
    };
    if instance.settles_at.is_none_or(|at| at > now) {
        return;
    }
    instance.settles_at = None;
    instance.status = match instance.status {
        InstanceStatus::Stopping => InstanceStatus::Stopped,
        InstanceStatus::Starting => InstanceStatus::Running,
        settled => settled,
    };
    notice(world, id);
}

/// The instance is released behind the back of ESS.
pub fn vanish(world: &mut World, id: &str) -> Result<(), ApiError> {
    super::commands::interrupt(world, id);
    world
        .resources
        .instances
        .remove(id)
        .ok_or_else(no_instance)?;
    notice(world, id);
    Ok(())
}

/// Lets ESS look at the group of an instance whose health may have changed.
fn notice(world: &mut World, id: &str) {
    if let Some(group) = world
        .resources
        .members
        .get(id)
        .map(|m| m.scaling_group_id.clone())
    {
        check_soon(world, &group);
    }
}

/// ReplaceSystemDisk: a Stopped instance gets a new disk with the image; size grows only if the
/// image needs it.
pub fn replace_system_disk(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let image_id = args.required("ImageId")?;
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

/// DescribeDisks: the system disks.
pub fn describe_disks(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("DiskIds", 100)?;
    let of = args.text("InstanceId");
    let page = args.page(10, 100)?;
    let found: Vec<&Instance> = world
        .seen()
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.disk_id)))
        .filter(|i| of.as_ref().is_none_or(|of| *of == i.instance_id))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|i| {
            json!({
                "DiskId": i.disk_id,
                "InstanceId": i.instance_id,
                "RegionId": i.region,
                "ZoneId": i.zone_id,
                "Status": if i.disk_ready { "In_use" } else { "ReIniting" },
                "Type": "system",
                "Category": "cloud_essd",
                "Size": i.disk_size,
                "ImageId": i.image_id,
                "Portable": false,
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Disks": { "Disk": rows },
    }))
}

/// ModifyInstanceAttribute: user data.
pub fn modify_attribute(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args
        .text("InstanceId")
        .ok_or_else(|| missing("InstanceId"))?;
    instance(&world.resources, call, &id)?;
    if let Some(instance) = world.resources.instances.get_mut(&id)
        && let Some(data) = args.text("UserData")
    {
        instance.user_data = Some(data);
    }
    Ok(json!({}))
}
