//! Instances that belong to no group are made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::instance_plan::{Plan, template};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::model::{Instance, InstanceStatus};
use crate::state::queue::Event;
use crate::state::world::World;

pub const RUN: Action = Action {
    name: "RunInstances",
    honours: &[
        "Amount",
        "ClientToken",
        "DataDisk.N.Category",
        "DataDisk.N.DeleteWithInstance",
        "DataDisk.N.Description",
        "DataDisk.N.Device",
        "DataDisk.N.DiskName",
        "DataDisk.N.PerformanceLevel",
        "DataDisk.N.Size",
        "DataDisk.N.SnapshotId",
        "DeletionProtection",
        "Description",
        "HostName",
        "ImageFamily",
        "ImageId",
        "InstanceChargeType",
        "InstanceName",
        "InstanceType",
        "InternetChargeType",
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthOut",
        "IoOptimized",
        "KeyPairName",
        "LaunchTemplateId",
        "LaunchTemplateName",
        "LaunchTemplateVersion",
        "MinAmount",
        "PasswordInherit",
        "PrivateIpAddress",
        "ResourceGroupId",
        "SecurityEnhancementStrategy",
        "SecurityGroupId",
        "SecurityGroupIds.N",
        "SpotStrategy",
        "SystemDisk.Category",
        "SystemDisk.Description",
        "SystemDisk.DiskName",
        "SystemDisk.PerformanceLevel",
        "SystemDisk.Size",
        "Tag.N.Key",
        "Tag.N.Value",
        "UniqueSuffix",
        "UserData",
        "VSwitchId",
        "ZoneId",
    ],
    run: Run::Write(run),
};

/// RunInstances: they are Pending, then Starting, then Running.
fn run(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let amount = args.number("Amount", 1, 100)?.unwrap_or(1);
    let least = args.number("MinAmount", 1, 100)?.unwrap_or(1);
    if least > amount {
        return Err(invalid("MinAmount", "it must not be above Amount"));
    }
    let suffix = args.flag("UniqueSuffix")?.unwrap_or(false);
    let template = template(world, call, args)?;
    let groups = args.list_up_to("SecurityGroupIds", 16)?.unwrap_or_default();
    let plan = Plan::of(world, call, args, template.as_ref(), groups)?;
    if plan.private_ip.is_some() && amount > 1 {
        return Err(invalid("PrivateIpAddress", "it is for one instance alone"));
    }
    let ids: Vec<String> = (0..amount)
        .map(|nth| {
            let id = make(world, call, &plan, nth, suffix && amount > 1);
            let event = Event::InstanceStarts {
                instance_id: id.clone(),
            };
            // After it is made: what is due at one time happens in the order of asking.
            world.after(world.durations.create_instance, event);
            id
        })
        .collect();
    Ok(json!({ "InstanceIdSets": { "InstanceIdSet": ids } }))
}

pub const CREATE: Action = Action {
    name: "CreateInstance",
    honours: &[
        "ClientToken",
        "DataDisk.N.Category",
        "DataDisk.N.DeleteWithInstance",
        "DataDisk.N.Description",
        "DataDisk.N.Device",
        "DataDisk.N.DiskName",
        "DataDisk.N.PerformanceLevel",
        "DataDisk.N.Size",
        "DataDisk.N.SnapshotId",
        "DeletionProtection",
        "Description",
        "HostName",
        "ImageFamily",
        "ImageId",
        "InstanceChargeType",
        "InstanceName",
        "InstanceType",
        "InternetChargeType",
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthOut",
        "IoOptimized",
        "KeyPairName",
        "PasswordInherit",
        "PrivateIpAddress",
        "ResourceGroupId",
        "SecurityEnhancementStrategy",
        "SecurityGroupId",
        "SpotStrategy",
        "SystemDisk.Category",
        "SystemDisk.Description",
        "SystemDisk.DiskName",
        "SystemDisk.PerformanceLevel",
        "SystemDisk.Size",
        "Tag.N.Key",
        "Tag.N.Value",
        "UserData",
        "VSwitchId",
        "ZoneId",
    ],
    run: Run::Write(|world, call, args| {
        let plan = Plan::of(world, call, args, None, Vec::new())?;
        let id = make(world, call, &plan, 0, false);
        Ok(json!({ "InstanceId": id }))
    }),
};

/// Makes the n-th instance, which is Pending, then Stopped.
fn make(world: &mut World, call: &Call, plan: &Plan, nth: i64, suffix: bool) -> String {
    let id = world.ids.id("i-");
    let mut attributes = plan.attributes.clone();
    for name in [&mut attributes.instance_name, &mut attributes.host_name] {
        *name = name.take().map(|name| numbered(&name, nth, suffix));
    }
    if plan.has_public_ip {
        attributes.public_ip_address = Some(world.fresh_public_address());
    }
    let private_ip = plan.private_ip.clone();
    let instance = Instance {
        instance_id: id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        status: InstanceStatus::Pending,
        settles_at: None,
        running_since: None,
        image_id: plan.image.image_id.clone(),
        os_type: plan.image.os_type,
        architecture: plan.image.architecture.clone(),
        zone_id: plan.zone_id.clone(),
        instance_type: plan.instance_type.clone(),
        private_ip: private_ip.unwrap_or_else(|| world.fresh_address()),
        disk_id: world.ids.id("d-"),
        disk_size: plan.disk_size,
        disk_ready: true,
        system_disk: Some(Box::new(plan.system_disk.clone())),
        user_data: plan.user_data.clone(),
        key_pair_name: plan.key_pair_name.clone(),
        cloud_assistant: true,
        attributes,
        tags: plan.tags.clone(),
        created: world.now,
        commands_sent: 0,
        packages: BTreeMap::new(),
    };
    for disk in &plan.data_disks {
        let id = world.ids.id("d-");
        world.resources.add_data_disk(&instance, id, disk.clone());
    }
    world.resources.add_instance(instance);
    let event = Event::InstanceSettles {
        instance_id: id.clone(),
    };
    let at = world.after(world.durations.create_instance, event);
    if let Some(instance) = world.resources.instances.get_mut(&id) {
        instance.settles_at = Some(at);
    }
    id
}

/// `web-[1,3]-x` counts from 1 with three digits; with `UniqueSuffix` a name without that ends in 001
/// and so on (API reference: RunInstances).
fn numbered(name: &str, nth: i64, suffix: bool) -> String {
    let counted = name.split_once('[').and_then(|(before, rest)| {
        let (numbers, after) = rest.split_once(']')?;
        let (first, digits) = numbers.split_once(',')?;
        let first: i64 = first.trim().parse().ok()?;
        let digits: usize = digits.trim().parse().unwrap_or(0);
        let number = first.checked_add(nth)?;
        let digits = digits.min(6);
        Some(format!("{before}{number:0digits$}{after}"))
    });
    counted.unwrap_or_else(|| match suffix {
        true => format!("{name}{:03}", nth + 1),
        false => name.to_owned(),
    })
}
