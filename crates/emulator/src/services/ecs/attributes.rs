//! Attributes of one instance: shown and changed.

use serde_json::{Value, json};

use super::answers::{instance, seconds, text_of};
use super::instances::tell;
use super::power::wrong_status;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::state::call::Call;
use crate::state::model::InstanceStatus;
use crate::state::world::World;

pub const MODIFY: Action = Action {
    name: "ModifyInstanceAttribute",
    honours: &[
        "DeletionProtection",
        "Description",
        "HostName",
        "InstanceId",
        "InstanceName",
        "SecurityGroupIds.N",
        "UserData",
    ],
    run: Run::Write(modify),
};

/// ModifyInstanceAttribute. What is left out stays as it is. An instance that is protected from
/// deletion cannot be deleted by DeleteInstance.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let mut changed = instance(&world.resources, call, &id)?.clone();
    let own = &mut changed.attributes;
    let length = |name: &str, least: usize, most: usize| text_of(args, name, least, most);
    if let Some(name) = length("InstanceName", 2, 128)? {
        own.instance_name = Some(name);
    }
    if let Some(name) = length("HostName", 2, 64)? {
        own.host_name = Some(name);
    }
    if let Some(text) = length("Description", 2, 256)? {
        own.description = text;
    }
    if let Some(protected) = args.flag("DeletionProtection")? {
        own.deletion_protection = protected;
    }
    if let Some(groups) = args.list_up_to("SecurityGroupIds", 16)? {
        own.security_group_ids = groups;
    }
    if let Some(data) = args.text("UserData") {
        changed.user_data = Some(data);
    }
    world.resources.instances.insert(id, changed);
    Ok(json!({}))
}

pub const DESCRIBE: Action = Action {
    name: "DescribeInstanceAttribute",
    honours: &["InstanceId"],
    run: Run::Read(describe),
};

/// DescribeInstanceAttribute.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let i = instance(world.seen(), call, &id)?;
    let own = &i.attributes;
    let mut row = json!({
        "InstanceId": i.instance_id,
        "InstanceName": i.name(),
        "HostName": own.host_name.as_deref().unwrap_or(&i.instance_id),
        "Description": own.description,
        "Status": i.status.name(),
        "StoppedMode": own.stopped_mode,
        "RegionId": i.region,
        "ZoneId": i.zone_id,
        "ImageId": i.image_id,
        "InstanceType": i.instance_type,
        "InstanceChargeType": "PostPaid",
        "InstanceNetworkType": "vpc",
        "InternetChargeType": own.internet_charge_type(),
        "IoOptimized": if own.is_io_optimized() { "optimized" } else { "none" },
        "CreationTime": seconds(i.created),
        "SecurityGroupIds": { "SecurityGroupId": own.security_group_ids },
        "PublicIpAddress": { "IpAddress": own.public_ip_address.iter().collect::<Vec<_>>() },
        "VpcAttributes": {
            "VpcId": own.vpc_id,
            "VSwitchId": own.v_switch_id,
            "PrivateIpAddress": { "IpAddress": [i.private_ip] },
        },
    });
    let told = [
        "CreditSpecification",
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthOut",
    ];
    tell(&mut row, i, &told);
    Ok(row)
}

pub const USER_DATA: Action = Action {
    name: "DescribeUserData",
    honours: &["InstanceId"],
    run: Run::Read(|world, call, args| {
        let id = args.required("InstanceId")?;
        let found = instance(world.seen(), call, &id)?;
        Ok(json!({
            "InstanceId": id,
            "RegionId": call.region,
            "UserData": found.user_data.as_deref().unwrap_or_default(),
        }))
    }),
};

pub const SPEC: Action = Action {
    name: "ModifyInstanceSpec",
    honours: &["ClientToken", "InstanceId", "InstanceType"],
    run: Run::Write(spec),
};

/// ModifyInstanceSpec: another instance type, while the instance is Stopped.
fn spec(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let kind = args.text("InstanceType");
    if instance(&world.resources, call, &id)?.status != InstanceStatus::Stopped {
        return Err(wrong_status());
    }
    if let Some(instance) = world.resources.instances.get_mut(&id) {
        instance.instance_type = kind.unwrap_or_else(|| instance.instance_type.clone());
    }
    Ok(json!({}))
}

pub const PUBLIC_ADDRESS: Action = Action {
    name: "AllocatePublicIpAddress",
    honours: &["InstanceId"],
    run: Run::Write(public_address),
};

/// AllocatePublicIpAddress, for an instance that is Running or Stopped and has none.
fn public_address(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let found = instance(&world.resources, call, &id)?;
    if !matches!(
        found.status,
        InstanceStatus::Running | InstanceStatus::Stopped
    ) {
        return Err(wrong_status());
    }
    if found.attributes.public_ip_address.is_some() {
        return Err(ApiError::new(
            400,
            "AllocatedAlready",
            "The public IP has been allocated to the specified instance already.",
        ));
    }
    let address = world.fresh_public_address();
    if let Some(instance) = world.resources.instances.get_mut(&id) {
        instance.attributes.public_ip_address = Some(address.clone());
    }
    Ok(json!({ "IpAddress": address }))
}
