//! TagResources, for instances and images.

use serde_json::{Value, json};

use super::answers::instance;
use crate::error::ApiError;
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::world::World;

/// A resource carries at most so many tags.
const TAGS: usize = 20;

pub fn tag(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    // The samples for templates write `Instance`.
    let kind = args.required("ResourceType")?.to_ascii_lowercase();
    let ids = args
        .list_up_to("ResourceId", 50)?
        .ok_or_else(|| missing("ResourceId"))?;
    let tags = args.pairs("Tag", "Key", "Value");
    if tags.is_empty() {
        return Err(missing("Tag"));
    }
    if tags.len() > TAGS {
        return Err(invalid("Tag", "at most 20 tags are allowed"));
    }
    for (key, _) in &tags {
        let lower = key.to_ascii_lowercase();
        if key.chars().count() > 128
            || lower.starts_with("aliyun")
            || lower.starts_with("acs:")
            || lower.contains("http://")
            || lower.contains("https://")
        {
            return Err(ApiError::new(
                400,
                "InvalidTagKey.Malformed",
                format!("The specified tag key {key} is not valid."),
            ));
        }
    }
    let unknown = |id: &str| {
        ApiError::new(
            404,
            "InvalidResourceId.NotFound",
            format!("The specified resource {id} does not exist."),
        )
    };
    for id in &ids {
        match kind.as_str() {
            "instance" => instance(&world.resources, call, id)
                .map(drop)
                .map_err(|_| unknown(id))?,
            "image" if world.resources.images.contains_key(id) => {}
            "image" => return Err(unknown(id)),
            _ => return Err(invalid("ResourceType", "only instance and image are known")),
        }
    }
    for id in &ids {
        let held = if kind == "instance" {
            world.resources.instances.get_mut(id).map(|i| &mut i.tags)
        } else {
            world.resources.images.get_mut(id).map(|i| &mut i.tags)
        };
        let Some(held) = held else { continue };
        let added = tags
            .iter()
            .filter(|(key, _)| !held.contains_key(key))
            .count();
        if held.len() + added > TAGS {
            return Err(ApiError::new(
                400,
                "QuotaExceed.TagsPerResource",
                format!("The resource {id} would have more than {TAGS} tags."),
            ));
        }
        for (key, value) in &tags {
            held.insert(key.clone(), value.clone().unwrap_or_default());
        }
    }
    Ok(json!({}))
}
