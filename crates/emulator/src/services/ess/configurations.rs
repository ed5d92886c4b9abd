//! Scaling configurations.

use serde_json::{Value, json};

use super::answers::{list, minutes};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::images::Image;
use crate::state::model::{Configuration, InstanceSource};
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeScalingConfigurations",
    honours: &[
        "PageNumber",
        "PageSize",
        "ScalingConfigurationId.N",
        "ScalingConfigurationName.N",
        "ScalingGroupId",
    ],
    run: Run::Read(describe),
};

pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.text("ScalingGroupId");
    let ids = args.ess_list("ScalingConfigurationId", 10)?;
    let names = args.ess_list("ScalingConfigurationName", 10)?;
    let page = args.page(10, 50)?;
    let seen = world.seen();
    let found: Vec<&Configuration> = seen
        .configurations
        .values()
        .filter(|c| c.account_id == call.caller.account_id && c.region == call.region)
        .filter(|c| group_id.as_ref().is_none_or(|id| *id == c.scaling_group_id))
        .filter(|c| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&c.scaling_configuration_id))
        })
        .filter(|c| names.as_ref().is_none_or(|names| names.contains(&c.name)))
        .collect();
    let total = found.len();
    let rows = page
        .cut(found)
        .into_iter()
        .map(|c| {
            let active = seen.groups.get(&c.scaling_group_id).is_some_and(|g| {
                matches!(&g.source, InstanceSource::Configuration(id) if *id == c.scaling_configuration_id)
            });
            let mut row = json!({
                "ScalingConfigurationId": c.scaling_configuration_id,
                "ScalingConfigurationName": c.name,
                "ScalingGroupId": c.scaling_group_id,
                "LifecycleState": if active { "Active" } else { "Inactive" },
                "ImageId": c.image_id,
                "ImageName": seen.images.get(&c.image_id).map_or("", |i| i.name.as_str()),
                "ImageOwnerAlias": seen.images.get(&c.image_id).map_or("", |i| i.owner_alias.as_str()),
                "InstanceType": c.instance_type,
                "InstanceTypes": list(call.version, "InstanceType", vec![json!(c.instance_type)]),
                "SystemDiskCategory": "cloud_essd",
                "SystemDiskSize": 40,
                "DataDisks": list(call.version, "DataDisk", vec![]),
                "CreationTime": minutes(c.created),
                "Tags": list(call.version, "Tag", vec![]),
            });
            if let Some(text) = &c.user_data {
                row["UserData"] = json!(text);
            }
            if let Some(text) = &c.key_pair_name {
                row["KeyPairName"] = json!(text);
            }
            row
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "ScalingConfigurations": list(call.version, "ScalingConfiguration", rows),
    }))
}

pub const MODIFY: Action = Action {
    name: "ModifyScalingConfiguration",
    honours: &[
        "ImageFamily",
        "ImageId",
        "ImageName",
        "InstanceTypes.N",
        "KeyPairName",
        "ScalingConfigurationId",
        "ScalingConfigurationName",
        "UserData",
    ],
    run: Run::Write(modify),
};

/// Parameters that are left out stay as they are; instances that exist are not touched.
pub fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingConfigurationId")?;
    let known = world
        .resources
        .configurations
        .get(&id)
        .is_some_and(|c| c.account_id == call.caller.account_id && c.region == call.region);
    if !known {
        return Err(ApiError::new(
            404,
            "InvalidScalingConfigurationId.NotFound",
            format!("The specified scaling configuration {id} does not exist."),
        ));
    }
    // An empty id is no image, rather than no wish: a template that lost its image fails here.
    let is_empty = call.params.get("ImageId").and_then(Value::as_str) == Some("");
    let image_id = args.text("ImageId").or(is_empty.then(String::new));
    let image_id = image(world, call, args, image_id)?;
    // The first is tried first.
    let instance_type = args
        .list_up_to("InstanceTypes", 10)?
        .and_then(|types| types.into_iter().next());
    if let Some(configuration) = world.resources.configurations.get_mut(&id) {
        if let Some(image) = image_id {
            configuration.image_id = image;
        }
        if let Some(name) = args.text("ScalingConfigurationName") {
            configuration.name = name;
        }
        if let Some(data) = args.text("UserData") {
            configuration.user_data = Some(data);
        }
        if let Some(name) = args.text("KeyPairName") {
            configuration.key_pair_name = Some(name);
        }
        if let Some(kind) = instance_type {
            configuration.instance_type = kind;
        }
    }
    Ok(json!({}))
}

/// The image that the call names by its id, else by its name, or the newest that is usable of a
/// family.
fn image(
    world: &World,
    call: &Call,
    args: Args<'_>,
    id: Option<String>,
) -> Result<Option<String>, ApiError> {
    let name = args.text("ImageName");
    let family = args.text("ImageFamily");
    if id.is_some() && family.is_some() {
        return Err(invalid("ImageFamily", "it cannot be combined with ImageId"));
    }
    let Some(wanted) = id.clone().or(name.clone()).or(family.clone()) else {
        return Ok(None);
    };
    let is_wanted = |image: &&Image| match (&id, &name) {
        (Some(id), _) => image.image_id == *id,
        (None, Some(name)) => image.name == *name,
        (None, None) => image.family == family && image.is_usable(),
    };
    let found = world
        .resources
        .images
        .values()
        .filter(|i| i.region == call.region)
        .filter(|i| i.account_id == call.caller.account_id || i.owner_alias != "self")
        .filter(is_wanted)
        .max_by_key(|i| i.created);
    found.map(|i| Some(i.image_id.clone())).ok_or_else(|| {
        ApiError::new(
            404,
            "InvalidImageId.NotFound",
            format!("The specified image {wanted} does not exist."),
        )
    })
}
