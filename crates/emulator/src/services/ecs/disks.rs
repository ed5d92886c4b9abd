//! System disks.

use serde_json::{Value, json};

use super::answers::instance;
use super::power::wrong_status;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::services::disk_sizes;
use crate::state::call::Call;
use crate::state::model::InstanceStatus;
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

/// ReplaceSystemDisk: a Stopped instance gets a new disk with the image, of the size that is asked for,
/// else that of the old one, or as large as the image needs.
fn replace(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let image_id = args.required("ImageId")?;
    // Nothing of either can be seen from outside.
    args.flag("PasswordInherit")?;
    args.word("SecurityEnhancementStrategy", &["Active", "Deactive"])?;
    let found = instance(&world.resources, call, &id)?;
    let image = world
        .resources
        .images
        .get(&image_id)
        .filter(|i| i.region == call.region && i.is_seen_by(&call.caller.account_id))
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
    let size = args.number("SystemDisk.Size", 1, disk_sizes::MOST)?;
    let disk = found.system_disk.as_deref();
    disk_sizes::check(
        size,
        disk.and_then(|disk| disk.category.as_deref()),
        disk.and_then(|disk| disk.performance_level.as_deref()),
    )?;
    let size = size.and_then(|size| u64::try_from(size).ok());
    if size.is_some_and(|size| size < image.size) {
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
    world.resources.change_system_disk(&id, &disk_id);
    if let Some(instance) = world.resources.instances.get_mut(&id) {
        instance.image_id = image_id;
        instance.os_type = image.os_type;
        instance.system_disk = None;
        instance.disk_size = size.unwrap_or(instance.disk_size.max(image.size));
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
