//! Tags of scaling groups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answers::{group, index, list, next};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, flag_of, has_tags, invalid, missing};
use crate::state::call::Call;
use crate::state::model::Group;
use crate::state::world::World;

/// The most tags that a group carries, and rows that one page of them has (API reference).
const TAGS: usize = 20;
const ROWS: usize = 50;

pub const LIST: Action = Action {
    name: "ListTagResources",
    honours: &[
        "NextToken",
        "ResourceId.N",
        "ResourceType",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Read(of_resources),
};

fn check_type(args: Args<'_>) -> Result<(), ApiError> {
    let kind = args.required("ResourceType")?;
    match kind.eq_ignore_ascii_case("scalinggroup") {
        true => Ok(()),
        false => Err(invalid("ResourceType", "only scalinggroup is known")),
    }
}

/// ListTagResources: one row for each tag of each group.
fn of_resources(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    check_type(args)?;
    let ids = args.ess_list("ResourceId", 50)?;
    let tags = args.ess_tags();
    let start = args.number("NextToken", 0, i64::MAX)?.unwrap_or(0);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let rows: Vec<Value> = world
        .seen()
        .groups
        .values()
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .filter(|g| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&g.scaling_group_id))
        })
        .filter(|g| has_tags(&g.tags, &tags))
        .flat_map(|g| {
            g.tags.iter().map(|(key, value)| {
                json!({"ResourceId": g.scaling_group_id, "ResourceType": "scalinggroup",
                       "TagKey": key, "TagValue": value,
                       "Propagate": g.propagated_tags.contains(key)})
            })
        })
        .collect();
    let token = next(start, ROWS, rows.len());
    let rows = rows.into_iter().skip(start).take(ROWS).collect();
    Ok(json!({"TagResources": list(call.version, "TagResource", rows), "NextToken": token}))
}

pub const TAG: Action = Action {
    name: "TagResources",
    honours: &[
        "ResourceId.N",
        "ResourceType",
        "Tag.N.Key",
        "Tag.N.Propagate",
        "Tag.N.Value",
    ],
    run: Run::Write(tag),
};

/// TagResources. With `Propagate` new instances get the tag, too.
fn tag(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = targets(world, call, args)?;
    let name = args.ess_list_name("Tag");
    let tags = args.ess_tags();
    if tags.is_empty() {
        return Err(missing(&name));
    }
    if tags.len() > TAGS {
        return Err(invalid(&name, "at most 20 tags are allowed"));
    }
    let propagated = propagated(args, &name)?;
    for id in &ids {
        let Some(group) = world.resources.groups.get(id) else {
            continue;
        };
        let new = tags.iter().filter(|(key, _)| !group.tags.contains_key(key));
        if group.tags.len() + new.count() > TAGS {
            return Err(ApiError::new(
                400,
                "QuotaExceed.TagsPerResource",
                format!("The resource {id} would have more than {TAGS} tags."),
            ));
        }
    }
    for id in &ids {
        let Some(group) = world.resources.groups.get_mut(id) else {
            continue;
        };
        for (key, value) in &tags {
            group
                .tags
                .insert(key.clone(), value.clone().unwrap_or_default());
            match propagated.contains(key) {
                true => group.propagated_tags.insert(key.clone()),
                false => group.propagated_tags.remove(key),
            };
        }
    }
    Ok(json!({}))
}

/// The keys of the tags that new instances get, too.
pub(super) fn propagated(args: Args<'_>, name: &str) -> Result<Vec<String>, ApiError> {
    let mut keys = Vec::new();
    for (n, (key, value)) in args.pairs(name, "Key", "Propagate").into_iter().enumerate() {
        let flag = Value::from(value);
        if flag_of(&format!("{name}.{}.Propagate", n + 1), &flag)? == Some(true) {
            keys.push(key);
        }
    }
    Ok(keys)
}

pub const KEYS: Action = Action {
    name: "ListTagKeys",
    honours: &["NextToken", "PageSize", "ResourceType"],
    run: Run::Read(|world, call, args| {
        let keys = own(world, call).flat_map(|g| g.tags.keys());
        names(call, args, "Key", keys.collect())
    }),
};

pub const VALUES: Action = Action {
    name: "ListTagValues",
    honours: &["Key", "NextToken", "PageSize", "ResourceType"],
    run: Run::Read(|world, call, args| {
        let key = args.required("Key")?;
        let values = own(world, call).filter_map(|g| g.tags.get(&key));
        names(call, args, "Value", values.collect())
    }),
};

fn own<'a>(world: &'a World, call: &'a Call) -> impl Iterator<Item = &'a Group> {
    let groups = world.seen().groups.values();
    groups.filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
}

/// A page of ListTagKeys or ListTagValues.
fn names(
    call: &Call,
    args: Args<'_>,
    what: &str,
    found: BTreeSet<&String>,
) -> Result<Value, ApiError> {
    check_type(args)?;
    let start = args.number("NextToken", 0, i64::MAX)?.unwrap_or(0);
    let size = args.number("PageSize", 1, 50)?.unwrap_or(50);
    let (start, size) = (index(start), index(size));
    let token = next(start, size, found.len());
    let rows = found.into_iter().skip(start).take(size);
    let rows = rows.map(|name| json!(name)).collect();
    Ok(json!({
        format!("{what}s"): list(call.version, what, rows),
        "NextToken": token,
        "PageSize": size,
    }))
}

pub const UNTAG: Action = Action {
    name: "UntagResources",
    honours: &["All", "ResourceId.N", "ResourceType", "TagKey.N"],
    run: Run::Write(untag),
};

/// UntagResources: the named tags, or all of them.
fn untag(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = targets(world, call, args)?;
    let keys = args.ess_list("TagKey", TAGS)?;
    let all = args.flag("All")?.unwrap_or(false);
    if keys.is_none() && !all {
        return Err(missing(&args.ess_list_name("TagKey")));
    }
    for id in &ids {
        if let Some(group) = world.resources.groups.get_mut(id) {
            // Keys that are named go before All.
            let goes = |key: &String| keys.as_ref().is_none_or(|keys| keys.contains(key));
            group.tags.retain(|key, _| !goes(key));
            group.propagated_tags.retain(|key| !goes(key));
        }
    }
    Ok(json!({}))
}

/// The groups that a call names, all of which are there.
fn targets(world: &World, call: &Call, args: Args<'_>) -> Result<Vec<String>, ApiError> {
    check_type(args)?;
    let ids = args.ess_list_required("ResourceId", 50)?;
    for id in &ids {
        group(&world.resources, call, id)?;
    }
    Ok(ids)
}
