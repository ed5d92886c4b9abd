//! Scaling configurations: shown, and the image that a call names.

use serde_json::{Value, json};

use super::answers::{list, minutes};
use super::stored::{CONFIGURATION, show};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::images::Image;
use crate::state::model::{Configuration, InstanceSource, Resources};
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
                "InstanceTypes": list(call.version, "InstanceType", types(c)),
                "SystemDiskCategory": "cloud_essd",
                "SystemDiskSize": 40,
                "DataDisks": list(call.version, "DataDisk", c.settings.list("DataDisks").to_vec()),
                "SpotPriceLimits": list(
                    call.version,
                    "SpotPriceModel",
                    c.settings.list("SpotPriceLimits").to_vec(),
                ),
                "CreationTime": minutes(c.created),
                "Tags": list(call.version, "Tag", c.settings.list("Tags").to_vec()),
            });
            show(&mut row, CONFIGURATION, &c.settings, call.version);
            // Only CreateScalingConfiguration has it, so it is not among those.
            if let Some(strategy) = c.settings.get("SecurityEnhancementStrategy") {
                row["SecurityEnhancementStrategy"] = strategy.clone();
            }
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

/// The instance types of a configuration, the first one first.
fn types(of: &Configuration) -> Vec<Value> {
    let mut types = of.settings.list("InstanceTypes").to_vec();
    if types.is_empty() {
        types.push(json!(of.instance_type));
    }
    types
}

/// The configuration of the caller that a call names.
pub(super) fn own<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a Configuration, ApiError> {
    resources
        .configurations
        .get(id)
        .filter(|c| c.account_id == call.caller.account_id && c.region == call.region)
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidScalingConfigurationId.NotFound",
                format!("The specified scaling configuration {id} does not exist."),
            )
        })
}

/// The image that the call names by its id, else by its name, or the newest that is usable of a
/// family.
pub(super) fn image(
    world: &World,
    call: &Call,
    args: Args<'_>,
    id: Option<String>,
) -> Result<Option<String>, ApiError> {
    let name = args.text("ImageName");
    let family = args.text("ImageFamily");
    let given = [
        ("ImageId", &id),
        ("ImageName", &name),
        ("ImageFamily", &family),
    ];
    let mut given = given.iter().filter(|(_, value)| value.is_some());
    if let (Some((one, _)), Some((other, _))) = (given.next(), given.next()) {
        return Err(invalid(
            other,
            &format!("it cannot be combined with {one}: each of them names the image"),
        ));
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
        .filter(|i| i.region == call.region && i.is_seen_by(&call.caller.account_id))
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
