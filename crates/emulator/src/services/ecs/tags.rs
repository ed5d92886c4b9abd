//! Tags of instances and images.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::wanted;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid, missing};
use crate::state::call::Call;
use crate::state::model::Resources;
use crate::state::world::World;

/// A resource carries at most so many tags.
const TAGS: usize = 20;
/// Rows of one page of ListTagResources.
const ROWS: usize = 50;
/// The kinds of resources that have tags here.
const KINDS: [&str; 2] = ["instance", "image"];

pub const TAG: Action = Action {
    name: "TagResources",
    honours: &["ResourceId.N", "ResourceType", "Tag.N.Key", "Tag.N.Value"],
    run: Run::Write(tag),
};

fn tag(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (kind, ids) = targets(world, call, args)?;
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
    for id in &ids {
        let Some(held) = held(&mut world.resources, &kind, id) else {
            continue;
        };
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

pub const UNTAG: Action = Action {
    name: "UntagResources",
    honours: &["All", "ResourceId.N", "ResourceType", "TagKey.N"],
    run: Run::Write(untag),
};

/// UntagResources: the named tags, or with `All` every one.
fn untag(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (kind, ids) = targets(world, call, args)?;
    let keys = args.list_up_to("TagKey", TAGS)?;
    let all = args.flag("All")?.unwrap_or(false);
    if keys.is_none() && !all {
        return Err(missing("TagKey"));
    }
    for id in &ids {
        if let Some(held) = held(&mut world.resources, &kind, id) {
            held.retain(|key, _| keys.as_ref().is_some_and(|keys| !keys.contains(key)));
        }
    }
    Ok(json!({}))
}

pub const LIST: Action = Action {
    name: "ListTagResources",
    honours: &[
        "NextToken",
        "ResourceId.N",
        "ResourceType",
        "Tag.N.Key",
        "Tag.N.Value",
        "TagFilter.N.TagKey",
        "TagFilter.N.TagValues.N",
    ],
    run: Run::Read(list),
};

/// ListTagResources: one row for each tag of each resource of one kind. `TagFilter` asks for one of
/// several values.
fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let kind = kind(args)?;
    let ids = args.list_up_to("ResourceId", 50)?;
    let tags = args.pairs("Tag", "Key", "Value");
    let filters = args.structures("TagFilter");
    let start = args.number("NextToken", 0, i64::MAX)?.unwrap_or(0);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    if ids.is_none() && tags.is_empty() && filters.is_empty() {
        return Err(missing("ResourceId"));
    }
    let fits = |own: &BTreeMap<String, String>, filter: &Value| {
        let value = filter["TagKey"].as_str().and_then(|key| own.get(key));
        let among = match filter["TagValues"].as_array() {
            Some(values) if !values.is_empty() => values.as_slice(),
            _ => return value.is_some(),
        };
        value.is_some_and(|value| among.iter().any(|v| v.as_str() == Some(value)))
    };
    let rows: Vec<Value> = tagged(world, call, &kind)
        .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.iter().any(|i| i == id)))
        .filter(|(_, own)| has_tags(own, &tags) && filters.iter().all(|f| fits(own, f)))
        .flat_map(|(id, own)| own.iter().map(move |(key, value)| (id, key, value)))
        .map(|(id, key, value)| {
            json!({"ResourceId": id, "ResourceType": kind, "TagKey": key, "TagValue": value})
        })
        .collect();
    let end = start.saturating_add(ROWS);
    let next = match end < rows.len() {
        true => end.to_string(),
        false => String::new(),
    };
    let rows: Vec<Value> = rows.into_iter().skip(start).take(ROWS).collect();
    Ok(json!({ "TagResources": { "TagResource": rows }, "NextToken": next }))
}

pub const DESCRIBE: Action = Action {
    name: "DescribeTags",
    honours: &[
        "Category",
        "PageNumber",
        "PageSize",
        "ResourceId",
        "ResourceType",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Read(describe),
};

/// DescribeTags: each tag once, and how many resources of each kind carry it.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let wanted_kind = args.text("ResourceType").map(|k| k.to_ascii_lowercase());
    let wanted_id = args.text("ResourceId");
    let category = args.text("Category").filter(|category| category != "all");
    let filter = args.pairs("Tag", "Key", "Value");
    let page = args.page(50, 100)?;
    let mut counts: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for kind in KINDS {
        let resources = tagged(world, call, kind)
            .filter(|(id, _)| wanted(&wanted_kind, kind) && wanted(&wanted_id, id));
        for (key, value) in resources.flat_map(|(_, own)| own) {
            let fits = filter.is_empty()
                || filter
                    .iter()
                    .any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value));
            // Alibaba Cloud puts none of its own on anything here.
            if fits && wanted(&category, "custom") {
                let of_tag = counts.entry((key.as_str(), value.as_str())).or_default();
                *of_tag.entry(kind).or_default() += 1;
            }
        }
    }
    let total = counts.len();
    let rows: Vec<Value> = page
        .cut(counts.into_iter().collect())
        .into_iter()
        .map(|((key, value), kinds)| {
            let count = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
            json!({
                "TagKey": key, "TagValue": value,
                "ResourceTypeCount": { "Instance": count("instance"), "Image": count("image") },
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Tags": { "Tag": rows },
    }))
}

fn kind(args: Args<'_>) -> Result<String, ApiError> {
    // The samples for templates write `Instance`.
    let kind = args.required("ResourceType")?.to_ascii_lowercase();
    match KINDS.contains(&kind.as_str()) {
        true => Ok(kind),
        false => Err(invalid("ResourceType", "only instance and image are known")),
    }
}

/// The kind and the ids of the resources that a call names, all of which are there.
fn targets(world: &World, call: &Call, args: Args<'_>) -> Result<(String, Vec<String>), ApiError> {
    let kind = kind(args)?;
    let ids = args
        .list_up_to("ResourceId", 50)?
        .ok_or_else(|| missing("ResourceId"))?;
    for id in &ids {
        let resources = &world.resources;
        let known = match kind.as_str() {
            "instance" => resources
                .instances
                .get(id)
                .is_some_and(|i| i.account_id == call.caller.account_id && i.region == call.region),
            _ => resources.images.contains_key(id),
        };
        if !known {
            return Err(ApiError::new(
                404,
                "InvalidResourceId.NotFound",
                format!("The specified resource {id} does not exist."),
            ));
        }
    }
    Ok((kind, ids))
}

/// The resources of a kind with their tags.
fn tagged<'a>(
    world: &'a World,
    call: &'a Call,
    kind: &str,
) -> Box<dyn Iterator<Item = (&'a str, &'a BTreeMap<String, String>)> + 'a> {
    let seen = world.seen();
    let own = move |account: &str, region: &str| {
        account == call.caller.account_id && region == call.region
    };
    match kind {
        "instance" => Box::new(
            seen.instances
                .values()
                .filter(move |i| own(&i.account_id, &i.region))
                .map(|i| (i.instance_id.as_str(), &i.tags)),
        ),
        _ => Box::new(
            seen.images
                .values()
                .filter(move |i| own(&i.account_id, &i.region))
                .map(|i| (i.image_id.as_str(), &i.tags)),
        ),
    }
}

fn held<'a>(
    resources: &'a mut Resources,
    kind: &str,
    id: &str,
) -> Option<&'a mut BTreeMap<String, String>> {
    match kind {
        "instance" => resources.instances.get_mut(id).map(|i| &mut i.tags),
        _ => resources.images.get_mut(id).map(|i| &mut i.tags),
    }
}
