//! Custom images.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{instance, seconds};
use crate::cloud::call::Call;
use crate::cloud::model::{Image, InstanceStatus};
use crate::cloud::queue::Event;
use crate::cloud::ram::wildcard;
use crate::cloud::world::World;
use crate::error::ApiError;
use crate::services::args::{Args, invalid};

/// DescribeImages: only Available ones unless `Status` asks for others.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let words = |name: &str| -> Option<Vec<String>> {
        args.text(name)
            .map(|t| t.split(',').map(|w| w.trim().to_owned()).collect())
    };
    let ids = words("ImageId");
    let statuses = words("Status").unwrap_or_else(|| vec!["Available".into()]);
    let name = args
        .text("ImageName")
        .map(|n| format!("*{}*", n.trim_matches('*')));
    let family = args.text("ImageFamily");
    let owner = args.text("ImageOwnerAlias");
    let page = args.page(10, 100)?;
    let found: Vec<&Image> = world
        .seen()
        .images
        .values()
        .filter(|i| i.region == call.region)
        .filter(|i| i.account_id == call.caller.account_id || i.owner_alias != "self")
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.image_id)))
        .filter(|i| statuses.contains(&i.status))
        .filter(|i| name.as_ref().is_none_or(|name| wildcard(name, &i.name)))
        .filter(|i| family.is_none() || family == i.family)
        .filter(|i| owner.as_ref().is_none_or(|o| *o == i.owner_alias))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|i| {
            json!({
                "ImageId": i.image_id,
                "ImageName": i.name,
                "Status": i.status,
                "Progress": if i.status == "Creating" { "45%" } else { "100%" },
                "Architecture": i.architecture,
                "OSType": i.os_type.name(),
                "Platform": if i.os_type.name() == "linux" { "Aliyun" } else { "Windows Server 2022" },
                "Size": i.size,
                "CreationTime": seconds(i.created),
                "ImageFamily": i.family.as_deref().unwrap_or_default(),
                "ImageOwnerAlias": i.owner_alias,
                "Usage": "instance",
                "Tags": { "Tag": i.tags.iter().map(|(k, v)| json!({"TagKey": k, "TagValue": v})).collect::<Vec<_>>() },
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "RegionId": call.region,
        "Images": { "Image": rows },
    }))
}

/// CreateImage, from an instance that is Running or Stopped.
pub fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let source = args.required("InstanceId")?;
    let source = instance(&world.resources, call, &source)?.clone();
    if !matches!(
        source.status,
        InstanceStatus::Running | InstanceStatus::Stopped
    ) {
        return Err(ApiError::new(
            403,
            "IncorrectInstanceStatus",
            "The current status of the resource does not support this operation.",
        ));
    }
    let image_id = world.ids.id("m-");
    let name = args.text("ImageName").unwrap_or_else(|| image_id.clone());
    let length = name.chars().count();
    let legal = name.chars().next().is_some_and(char::is_alphabetic)
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || ":_-".contains(c));
    if !(2..=128).contains(&length) || !legal {
        return Err(invalid(
            "ImageName",
            "it must have 2 to 128 letters, digits, colons, underscores or hyphens, a letter first",
        ));
    }
    let taken = world.resources.images.values().any(|i| {
        i.name == name && i.region == call.region && i.account_id == call.caller.account_id
    });
    if taken {
        return Err(ApiError::new(
            400,
            "InvalidImageName.Duplicated",
            "The specified Image name has already been used.",
        ));
    }
    let tags: BTreeMap<String, String> = args
        .pairs("Tag", "Key", "Value")
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect();
    let image = Image {
        image_id: image_id.clone(),
        name,
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        status: "Creating".into(),
        os_type: source.os_type,
        architecture: source.architecture,
        size: source.disk_size,
        owner_alias: "self".into(),
        family: args.text("ImageFamily"),
        tags,
        created: world.now,
    };
    world.resources.images.insert(image_id.clone(), image);
    world.after(
        world.durations.create_image,
        Event::ImageReady {
            image_id: image_id.clone(),
        },
    );
    Ok(json!({ "ImageId": image_id }))
}

/// An image that was being created is done.
pub fn image_ready(world: &mut World, image_id: &str) {
    if let Some(image) = world.resources.images.get_mut(image_id)
        && image.status == "Creating"
    {
        image.status = "Available".into();
    }
}
