//! Scaling configurations: created, changed, deleted, deactivated.

use serde_json::{Map, Value, json};

use super::answers::group;
use super::configurations::{image, own};
use super::stored::{CONFIGURATION, DISK_CATEGORIES, PERFORMANCE_LEVELS, read};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, check_word, flag_of, invalid, missing, scalar};
use crate::services::disk_sizes;
use crate::state::call::Call;
use crate::state::model::{Configuration, GroupType, InstanceSource, Resources};
use crate::state::settings::Settings;
use crate::state::world::World;

pub const CREATE: Action = Action {
    name: "CreateScalingConfiguration",
    honours: &[
        "ClientToken",
        "CreditSpecification",
        "DataDisk.N.Category",
        "DataDisk.N.DeleteWithInstance",
        "DataDisk.N.Description",
        "DataDisk.N.Device",
        "DataDisk.N.DiskName",
        "DataDisk.N.Encrypted",
        "DataDisk.N.PerformanceLevel",
        "DataDisk.N.Size",
        "DataDisk.N.SnapshotId",
        "DeletionProtection",
        "DeploymentSetId",
        "HostName",
        "HttpEndpoint",
        "HttpTokens",
        "ImageFamily",
        "ImageId",
        "ImageName",
        "InstanceDescription",
        "InstanceName",
        "InstanceType",
        "InstanceTypes.N",
        "InternetChargeType",
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthOut",
        "IoOptimized",
        "KeyPairName",
        "LoadBalancerWeight",
        "PasswordInherit",
        "RamRoleName",
        "ResourceGroupId",
        "ScalingConfigurationName",
        "ScalingGroupId",
        "SecurityEnhancementStrategy",
        "SecurityGroupId",
        "SecurityGroupIds.N",
        "SpotDuration",
        "SpotInterruptionBehavior",
        "SpotPriceLimit.N.InstanceType",
        "SpotPriceLimit.N.PriceLimit",
        "SpotStrategy",
        "SystemDisk.Category",
        "SystemDisk.Description",
        "SystemDisk.DiskName",
        "SystemDisk.Encrypted",
        "SystemDisk.KMSKeyId",
        "SystemDisk.PerformanceLevel",
        "SystemDisk.Size",
        "SystemDiskCategories.N",
        "Tags",
        "Tenancy",
        "UserData",
        "ZoneId",
    ],
    run: Run::Write(create),
};

/// CreateScalingConfiguration, of a group of type ECS. It is Inactive until the group says otherwise.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.required("ScalingGroupId")?;
    let found = group(&world.resources, call, &of)?;
    if found.group_type != GroupType::Ecs {
        return Err(invalid("ScalingGroupId", "the group is not of type ECS"));
    }
    let image_id = image(world, call, args, args.text("ImageId"))?;
    let image_id = image_id.ok_or_else(|| missing("ImageId"))?;
    let mut settings = Settings::default();
    if let Some(strategy) = args.word("SecurityEnhancementStrategy", &["Active", "Deactive"])? {
        settings.put("SecurityEnhancementStrategy", strategy.into());
    }
    let first = take(args, &mut settings)?;
    let instance_type = args.text("InstanceType").or(first);
    let instance_type = instance_type.ok_or_else(|| missing("InstanceType"))?;
    let name = args.text("ScalingConfigurationName");
    check_name(&world.resources, &of, name.as_deref())?;
    let id = world.ids.id("asc-");
    let made = Configuration {
        scaling_configuration_id: id.clone(),
        name: name.unwrap_or_else(|| id.clone()),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        scaling_group_id: of,
        image_id,
        instance_type,
        user_data: args.text("UserData"),
        key_pair_name: args.text("KeyPairName"),
        settings,
        created: world.now,
    };
    world.resources.configurations.insert(id.clone(), made);
    Ok(json!({ "ScalingConfigurationId": id }))
}

fn check_name(resources: &Resources, of: &str, name: Option<&str>) -> Result<(), ApiError> {
    let mut own = resources.configurations.values();
    match own.any(|c| c.scaling_group_id == of && Some(c.name.as_str()) == name) {
        true => Err(ApiError::new(
            400,
            "InvalidScalingConfigurationName.Duplicate",
            "The specified value of parameter ScalingConfigurationName is duplicated.",
        )),
        false => Ok(()),
    }
}

/// Takes over what a configuration is besides its image. Gives the first instance type.
fn take(args: Args<'_>, settings: &mut Settings) -> Result<Option<String>, ApiError> {
    read(args, CONFIGURATION, settings)?;
    if args.text("SystemDisk.Category").is_some() && args.list("SystemDiskCategories").is_some() {
        let why =
            "it cannot be combined with SystemDisk.Category: give all categories in one of them";
        return Err(invalid("SystemDiskCategories", why));
    }
    check_system_disk(settings)?;
    let types = args.list_up_to("InstanceTypes", 10)?;
    let first = types.as_ref().and_then(|types| types.first().cloned());
    if let Some(types) = types {
        settings.put("InstanceTypes", types.into());
    }
    let disks = args.structures(&args.ess_list_name("DataDisk"));
    if !disks.is_empty() {
        let disks: Result<Vec<Value>, ApiError> = disks.iter().map(data_disk).collect();
        settings.put("DataDisks", disks?.into());
    }
    let prices = args.structures(&args.ess_list_name("SpotPriceLimit"));
    if !prices.is_empty() {
        let prices: Result<Vec<Value>, ApiError> = prices.iter().map(price_limit).collect();
        settings.put("SpotPriceLimits", prices?.into());
    }
    if let Some(tags) = tags(args)? {
        settings.put("Tags", tags);
    }
    Ok(first)
}

/// Of several categories it is the first that can be had: a size has to fit one of them.
fn check_system_disk(settings: &Settings) -> Result<(), ApiError> {
    let size = settings.number("SystemDiskSize");
    let size = size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let level = settings.text("SystemDiskPerformanceLevel");
    let mut categories = settings.texts("SystemDiskCategories");
    categories.extend(settings.text("SystemDiskCategory"));
    let check = |category| disk_sizes::check(size, category, level.as_deref());
    let checked: Vec<_> = categories.iter().map(|c| check(Some(c.as_str()))).collect();
    match checked.into_iter().reduce(Result::or) {
        Some(checked) => checked,
        None => check(None),
    }
}

/// The most that an hour of a spot instance may cost.
fn price_limit(given: &Value) -> Result<Value, ApiError> {
    let limit = match scalar(&given["PriceLimit"]) {
        None => Value::Null,
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|limit| limit.is_finite() && *limit >= 0.0)
            .map(Value::from)
            .ok_or_else(|| {
                invalid(
                    "SpotPriceLimit.N.PriceLimit",
                    "it must be a number that is not negative",
                )
            })?,
    };
    Ok(json!({ "InstanceType": given["InstanceType"], "PriceLimit": limit }))
}

/// A data disk as it is shown: numbers and flags may come as texts.
fn data_disk(given: &Value) -> Result<Value, ApiError> {
    let mut disk = Map::new();
    for (name, value) in given.as_object().into_iter().flatten() {
        let Some(text) = scalar(value) else {
            continue;
        };
        let shown = format!("DataDisk.N.{name}");
        let value = match name.as_str() {
            "Size" => text
                .parse::<u64>()
                .ok()
                .filter(|size| *size > 0)
                .map(Value::from)
                .ok_or_else(|| invalid(&shown, "it must be a number above 0"))?,
            "DeleteWithInstance" | "Encrypted" => Value::from(flag_of(&shown, value)?),
            "Category" => {
                check_word(&shown, &text, DISK_CATEGORIES)?;
                value.clone()
            }
            "PerformanceLevel" => {
                check_word(&shown, &text, PERFORMANCE_LEVELS)?;
                value.clone()
            }
            _ => value.clone(),
        };
        disk.insert(name.clone(), value);
    }
    Ok(disk.into())
}

/// `Tags`: an object of keys and values as JSON, or a list of structures as templates may give it.
fn tags(args: Args<'_>) -> Result<Option<Value>, ApiError> {
    let pairs: Vec<(String, Value)> = match args.json("Tags")? {
        None => return Ok(None),
        Some(Value::Object(map)) => map.into_iter().collect(),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|tag| {
                let members = tag.as_object()?;
                let is_known = |name: &String| ["Key", "Value"].contains(&name.as_str());
                members.keys().all(is_known).then_some(())?;
                Some((tag["Key"].as_str()?.to_owned(), tag["Value"].clone()))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| invalid("Tags", "each tag must be a structure with Key and Value"))?,
        Some(_) => return Err(invalid("Tags", "it must be a JSON object")),
    };
    if pairs.len() > 20 {
        return Err(invalid("Tags", "at most 20 tags are allowed"));
    }
    let tag = |(key, value): (String, Value)| {
        let value = match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let why = format!("the value of {key} must be a text");
                return Err(invalid("Tags", &why));
            }
        };
        Ok(json!({ "Key": key, "Value": value }))
    };
    let tags: Result<Value, ApiError> = pairs.into_iter().map(tag).collect();
    tags.map(Some)
}

pub const MODIFY: Action = Action {
    name: "ModifyScalingConfiguration",
    honours: &[
        "CreditSpecification",
        "DataDisk.N.Category",
        "DataDisk.N.DeleteWithInstance",
        "DataDisk.N.Description",
        "DataDisk.N.Device",
        "DataDisk.N.DiskName",
        "DataDisk.N.Encrypted",
        "DataDisk.N.PerformanceLevel",
        "DataDisk.N.Size",
        "DataDisk.N.SnapshotId",
        "DeletionProtection",
        "DeploymentSetId",
        "HostName",
        "HttpEndpoint",
        "HttpTokens",
        "ImageFamily",
        "ImageId",
        "ImageName",
        "InstanceDescription",
        "InstanceName",
        "InstanceTypes.N",
        "InternetChargeType",
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthOut",
        "IoOptimized",
        "KeyPairName",
        "LoadBalancerWeight",
        "PasswordInherit",
        "RamRoleName",
        "ResourceGroupId",
        "ScalingConfigurationId",
        "ScalingConfigurationName",
        "SecurityGroupId",
        "SecurityGroupIds.N",
        "SpotDuration",
        "SpotInterruptionBehavior",
        "SpotPriceLimit.N.InstanceType",
        "SpotPriceLimit.N.PriceLimit",
        "SpotStrategy",
        "SystemDisk.Category",
        "SystemDisk.Description",
        "SystemDisk.DiskName",
        "SystemDisk.Encrypted",
        "SystemDisk.KMSKeyId",
        "SystemDisk.PerformanceLevel",
        "SystemDisk.Size",
        "SystemDiskCategories.N",
        "Tags",
        "Tenancy",
        "UserData",
        "ZoneId",
    ],
    run: Run::Write(modify),
};

/// Parameters that are left out stay as they are; instances that exist are not touched.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingConfigurationId")?;
    let mut changed = own(&world.resources, call, &id)?.clone();
    // An empty id is no image, rather than no wish: a template that lost its image fails here.
    let is_empty = call.params.get("ImageId").and_then(Value::as_str) == Some("");
    let image_id = args.text("ImageId").or(is_empty.then(String::new));
    if let Some(image) = image(world, call, args, image_id)? {
        changed.image_id = image;
    }
    // The first is tried first.
    if let Some(kind) = take(args, &mut changed.settings)? {
        changed.instance_type = kind;
    }
    if let Some(name) = args.text("ScalingConfigurationName") {
        changed.name = name;
    }
    changed.user_data = args.text("UserData").or(changed.user_data);
    changed.key_pair_name = args.text("KeyPairName").or(changed.key_pair_name);
    world.resources.configurations.insert(id, changed);
    Ok(json!({}))
}

/// The group in which a configuration is the active one.
fn active_in(resources: &Resources, of: &Configuration) -> Option<String> {
    let id = &of.scaling_configuration_id;
    let group = resources.groups.get(&of.scaling_group_id)?;
    let active = matches!(&group.source, InstanceSource::Configuration(own) if own == id);
    active.then(|| group.scaling_group_id.clone())
}

pub const DELETE: Action = Action {
    name: "DeleteScalingConfiguration",
    honours: &["ScalingConfigurationId"],
    run: Run::Write(delete),
};

/// DeleteScalingConfiguration: one that is Inactive, and that no instance was made from.
fn delete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingConfigurationId")?;
    let found = own(&world.resources, call, &id)?;
    if active_in(&world.resources, found).is_some() {
        return Err(wrong_state());
    }
    let is_in_use = world
        .resources
        .members_of(&found.scaling_group_id)
        .any(|member| member.scaling_configuration_id.as_ref() == Some(&id));
    if is_in_use {
        return Err(ApiError::new(
            400,
            "InstanceInUse",
            "You cannot delete a scaling configuration or scaling group while there is an \
             instance associated with it.",
        ));
    }
    world.resources.configurations.remove(&id);
    Ok(json!({}))
}

fn wrong_state() -> ApiError {
    ApiError::new(
        400,
        "IncorrectScalingConfigurationLifecycleState",
        "The current lifecycle state of specified scaling configuration does not support this \
         action.",
    )
}

pub const DEACTIVATE: Action = Action {
    name: "DeactivateScalingConfiguration",
    honours: &["ScalingConfigurationId"],
    run: Run::Write(deactivate),
};

/// DeactivateScalingConfiguration: the active one of a group that is disabled, which then has none.
fn deactivate(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingConfigurationId")?;
    let found = own(&world.resources, call, &id)?;
    let of = active_in(&world.resources, found).ok_or_else(wrong_state)?;
    if let Some(group) = world.resources.groups.get_mut(&of) {
        if group.enabled {
            return Err(ApiError::new(
                400,
                "IncorrectScalingGroupStatus",
                format!("The current status of scaling group {of} does not support this action."),
            ));
        }
        group.source = InstanceSource::Configuration(String::new());
    }
    Ok(json!({}))
}
