//! What new instances are to be, by the call that asks for them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answers::text_of;
use super::image_views::no_image;
use super::snapshots::usable;
use super::tags::new_tags;
use super::words::{CATEGORIES, LEVELS};
use crate::error::ApiError;
use crate::services::args::{Args, check_word, flag_of, invalid, missing};
use crate::services::disk_sizes;
use crate::state::call::Call;
use crate::state::disks::{DiskAttributes, NewDisk};
use crate::state::images::Image;
use crate::state::model::{Attributes, LaunchTemplateVersion};
use crate::state::settings::Settings;
use crate::state::world::World;

/// What the instances are to be.
pub(super) struct Plan {
    pub(super) image: Image,
    pub(super) instance_type: String,
    pub(super) zone_id: String,
    pub(super) user_data: Option<String>,
    pub(super) key_pair_name: Option<String>,
    pub(super) private_ip: Option<String>,
    pub(super) has_public_ip: bool,
    pub(super) disk_size: u64,
    pub(super) system_disk: DiskAttributes,
    pub(super) data_disks: Vec<NewDisk>,
    pub(super) attributes: Attributes,
    pub(super) tags: BTreeMap<String, String>,
}

impl Plan {
    /// What a call asks for; `template` gives what it leaves out.
    pub(super) fn of(
        world: &World,
        call: &Call,
        args: Args<'_>,
        template: Option<&LaunchTemplateVersion>,
        mut groups: Vec<String>,
    ) -> Result<Self, ApiError> {
        paid_as_it_is_used(args)?;
        let image = image(world, call, args, template)?;
        let usual_type = template.map(|_| "ecs.g7.large".to_owned());
        let instance_type = args.text("InstanceType").or(usual_type);
        let size = args.number("SystemDisk.Size", 1, disk_sizes::MOST)?;
        let level = args.word("SystemDisk.PerformanceLevel", LEVELS)?;
        let category = args.word("SystemDisk.Category", CATEGORIES)?;
        disk_sizes::check(size, category.as_deref(), level.as_deref())?;
        let size = size.and_then(|size| u64::try_from(size).ok());
        if size.is_some_and(|size| size < image.size) {
            return Err(ApiError::new(
                403,
                "InvalidSystemDiskSize.LessThanImageSize",
                "The specified size is smaller than that of the image.",
            ));
        }
        let bandwidth = args.number("InternetMaxBandwidthOut", 0, 1024)?;
        let told = told(args, bandwidth)?;
        let usual = Attributes::default();
        groups.extend(args.text("SecurityGroupId"));
        let description = text_of(args, "Description", 2, 256)?;
        Ok(Self {
            instance_type: instance_type.ok_or_else(|| missing("InstanceType"))?,
            zone_id: args
                .text("ZoneId")
                .unwrap_or_else(|| format!("{}-h", call.region)),
            user_data: args
                .text("UserData")
                .or_else(|| template.and_then(|t| t.user_data.clone())),
            key_pair_name: args
                .text("KeyPairName")
                .or_else(|| template.and_then(|t| t.key_pair_name.clone())),
            private_ip: args.text("PrivateIpAddress"),
            has_public_ip: bandwidth.is_some_and(|most| most > 0),
            disk_size: size.unwrap_or_default().max(image.size),
            system_disk: DiskAttributes {
                name: text_of(args, "SystemDisk.DiskName", 2, 128)?,
                description: text_of(args, "SystemDisk.Description", 2, 256)?.unwrap_or_default(),
                performance_level: level,
                category,
                ..DiskAttributes::of_system()
            },
            data_disks: data_disks(world, call, args, &image)?,
            attributes: Attributes {
                instance_name: text_of(args, "InstanceName", 2, 128)?,
                host_name: text_of(args, "HostName", 2, 64)?,
                description: description.unwrap_or_default(),
                deletion_protection: args.flag("DeletionProtection")?.unwrap_or(false),
                v_switch_id: args.text("VSwitchId").unwrap_or(usual.v_switch_id),
                security_group_ids: match groups.is_empty() {
                    true => usual.security_group_ids,
                    false => groups,
                },
                resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
                vpc_id: usual.vpc_id,
                stopped_mode: usual.stopped_mode,
                public_ip_address: None,
                told,
            },
            tags: new_tags(args)?,
            image,
        })
    }
}

/// What is only shown.
fn told(args: Args<'_>, bandwidth: Option<i64>) -> Result<Settings, ApiError> {
    let mut told = Settings::default();
    let incoming = args.number("InternetMaxBandwidthIn", 1, 1024)?;
    let charge = args.word("InternetChargeType", &["PayByTraffic", "PayByBandwidth"])?;
    for (name, value) in [
        ("InternetMaxBandwidthIn", incoming.map(Value::from)),
        ("InternetMaxBandwidthOut", bandwidth.map(Value::from)),
        ("InternetChargeType", charge.map(Value::from)),
        ("SpotStrategy", args.text("SpotStrategy").map(Value::from)),
        (
            "IoOptimized",
            args.text("IoOptimized").map(|_| Value::Bool(true)),
        ),
    ] {
        if let Some(value) = value {
            told.put(name, value);
        }
    }
    Ok(told)
}

/// What cannot be seen from outside has to be as it is for every instance here: paid for as it is
/// used, never a spot instance, not short of I/O.
fn paid_as_it_is_used(args: Args<'_>) -> Result<(), ApiError> {
    args.flag("PasswordInherit")?;
    args.word("SecurityEnhancementStrategy", &["Active", "Deactive"])?;
    for (name, only) in [
        ("InstanceChargeType", "PostPaid"),
        ("SpotStrategy", "NoSpot"),
        ("IoOptimized", "optimized"),
    ] {
        if let Some(other) = args.text(name).filter(|value| value != only) {
            return Err(ApiError::new(
                400,
                "UnsupportedParameter",
                format!("The emulator does not support {other} as {name}: it has {only} only."),
            ));
        }
    }
    Ok(())
}

/// The version of a launch template that the call names.
pub(super) fn template(
    world: &World,
    call: &Call,
    args: Args<'_>,
) -> Result<Option<LaunchTemplateVersion>, ApiError> {
    let (id, name) = (
        args.text("LaunchTemplateId"),
        args.text("LaunchTemplateName"),
    );
    let version = args.text("LaunchTemplateVersion");
    if id.is_none() && name.is_none() {
        return Ok(None);
    }
    let mut own = world
        .resources
        .launch_templates
        .values()
        .filter(|t| t.account_id == call.caller.account_id && t.region == call.region);
    let found = own.find(|t| {
        id.as_ref().is_none_or(|id| *id == t.launch_template_id)
            && name.as_ref().is_none_or(|name| *name == t.name)
    });
    let version = version.unwrap_or_else(|| "Default".to_owned());
    let found = found.and_then(|t| t.version(&version)).cloned();
    found.map(Some).ok_or_else(|| {
        ApiError::new(
            404,
            "InvalidLaunchTemplate.NotFound",
            "The specified launch template or its version does not exist.",
        )
    })
}

fn image(
    world: &World,
    call: &Call,
    args: Args<'_>,
    template: Option<&LaunchTemplateVersion>,
) -> Result<Image, ApiError> {
    let me = &call.caller.account_id;
    let id = args.text("ImageId");
    let family = args.text("ImageFamily");
    let id = match &family {
        None => id.or_else(|| template.map(|t| t.image_id.clone())),
        Some(_) if id.is_some() => {
            return Err(invalid("ImageFamily", "it cannot be combined with ImageId"));
        }
        Some(_) => None,
    };
    if id.is_none() && family.is_none() {
        return Err(missing("ImageId"));
    }
    let seen = world.resources.images.values();
    let found = seen
        .filter(|i| i.region == call.region && i.is_seen_by(me))
        .filter(|i| match &id {
            Some(id) => i.image_id == *id,
            None => i.family == family && i.status == "Available",
        })
        .max_by_key(|i| i.created)
        .ok_or_else(no_image)?;
    match found.is_usable() {
        true => Ok(found.clone()),
        false => Err(ApiError::new(
            403,
            "IncorrectImageStatus",
            "The specified image is not available.",
        )),
    }
}

/// The data disks of the image, and those that the call asks for.
fn data_disks(
    world: &World,
    call: &Call,
    args: Args<'_>,
    image: &Image,
) -> Result<Vec<NewDisk>, ApiError> {
    let goes_along = || DiskAttributes {
        delete_with_instance: true,
        ..DiskAttributes::default()
    };
    let mut disks: Vec<NewDisk> = image
        .data_disks
        .iter()
        .map(|disk| NewDisk {
            size: disk.size,
            snapshot_id: Some(disk.snapshot_id.clone()),
            device: Some(disk.device.clone()),
            attributes: goes_along(),
        })
        .collect();
    for given in args.structures("DataDisk") {
        let text = |name: &str| match &given[name] {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let word = |name: &str, known: &[&str]| -> Result<Option<String>, ApiError> {
            let word = text(name).filter(|word| !word.is_empty());
            if let Some(word) = &word {
                check_word(&format!("DataDisk.N.{name}"), word, known)?;
            }
            Ok(word)
        };
        let snapshot = match text("SnapshotId") {
            Some(id) => Some(usable(&world.resources, call, &id)?),
            None => None,
        };
        let least = snapshot.map_or(0, |s| s.size);
        let size = match text("Size").map(|text| text.parse::<u64>()) {
            Some(Ok(size)) if (1..=65_536).contains(&size) => size.max(least),
            Some(_) => {
                return Err(invalid(
                    "DataDisk.N.Size",
                    "it must be a number from 1 to 65536",
                ));
            }
            None if snapshot.is_some() => least,
            None => return Err(missing("DataDisk.N.Size")),
        };
        disks.push(NewDisk {
            size,
            snapshot_id: text("SnapshotId"),
            device: text("Device"),
            attributes: DiskAttributes {
                name: text("DiskName"),
                description: text("Description").unwrap_or_default(),
                delete_with_instance: flag_of(
                    "DataDisk.N.DeleteWithInstance",
                    &given["DeleteWithInstance"],
                )?
                .unwrap_or(true),
                performance_level: word("PerformanceLevel", LEVELS)?,
                category: word("Category", CATEGORIES)?,
                ..DiskAttributes::default()
            },
        });
    }
    match disks.len() > 16 {
        true => Err(invalid("DataDisk", "at most 16 data disks are allowed")),
        false => Ok(disks),
    }
}
