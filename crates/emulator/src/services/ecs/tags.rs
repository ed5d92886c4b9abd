//! Tags of instances, disks, snapshots, images and launch templates.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answers::wanted;
use super::words::TAGGED;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Disk,
    Image,
    Instance,
    LaunchTemplate,
    Snapshot,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Disk,
        Self::Image,
        Self::Instance,
        Self::LaunchTemplate,
        Self::Snapshot,
    ];

    /// As ResourceType has it.
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Image => "image",
            Self::Instance => "instance",
            Self::LaunchTemplate => "launchtemplate",
            Self::Snapshot => "snapshot",
        }
    }

    /// As DescribeTags counts it.
    fn counted(self) -> &'static str {
        match self {
            Self::Disk => "Disk",
            Self::Image => "Image",
            Self::Instance => "Instance",
            Self::LaunchTemplate => "LaunchTemplate",
            Self::Snapshot => "Snapshot",
        }
    }
}

pub const TAG: Action = Action {
    name: "TagResources",
    honours: &["ResourceId.N", "ResourceType", "Tag.N.Key", "Tag.N.Value"],
    run: Run::Write(tag),
};

fn tag(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (kind, ids) = targets(world, call, args)?;
    add(world, kind, &ids, given(args)?)
}

/// The tags that a call gives, which must have at least one.
fn given(args: Args<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = new_tags(args)?;
    match tags.is_empty() {
        true => Err(missing("Tag")),
        false => Ok(tags),
    }
}

/// The tags that a call gives to what it makes.
pub(super) fn new_tags(args: Args<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = args.pairs("Tag", "Key", "Value");
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
    Ok(tags
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect())
}

fn add(
    world: &mut World,
    kind: Kind,
    ids: &[String],
    tags: BTreeMap<String, String>,
) -> Result<Value, ApiError> {
    for id in ids {
        let Some(held) = held(&mut world.resources, kind, id) else {
            continue;
        };
        let added = tags.keys().filter(|key| !held.contains_key(*key)).count();
        if held.len() + added > TAGS {
            return Err(ApiError::new(
                400,
                "QuotaExceed.TagsPerResource",
                format!("The resource {id} would have more than {TAGS} tags."),
            ));
        }
        held.extend(tags.clone());
    }
    Ok(json!({}))
}

pub const ADD: Action = Action {
    name: "AddTags",
    honours: &["ResourceId", "ResourceType", "Tag.N.Key", "Tag.N.Value"],
    run: Run::Write(|world, call, args| {
        let (kind, id) = target(world, call, args)?;
        add(world, kind, &[id], given(args)?)
    }),
};

pub const REMOVE: Action = Action {
    name: "RemoveTags",
    honours: &["ResourceId", "ResourceType", "Tag.N.Key", "Tag.N.Value"],
    run: Run::Write(|world, call, args| {
        let (kind, id) = target(world, call, args)?;
        let tags = args.pairs("Tag", "Key", "Value");
        if let Some(held) = held(&mut world.resources, kind, &id) {
            held.retain(|key, own| {
                let is_named = |(k, v): &(String, Option<String>)| {
                    k == key && v.as_ref().is_none_or(|v| v == own)
                };
                // Without tags all of them go.
                !tags.is_empty() && !tags.iter().any(is_named)
            });
        }
        Ok(json!({}))
    }),
};

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
        if let Some(held) = held(&mut world.resources, kind, id) {
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
    for (n, filter) in filters.iter().enumerate() {
        if filter["TagKey"].as_str().is_none_or(str::is_empty) {
            return Err(missing(&format!("TagFilter.{}.TagKey", n + 1)));
        }
    }
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
    let rows: Vec<Value> = tagged(world, call, kind)
        .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.iter().any(|i| i == id)))
        .filter(|(_, own)| has_tags(own, &tags) && filters.iter().all(|f| fits(own, f)))
        .flat_map(|(id, own)| own.iter().map(move |(key, value)| (id, key, value)))
        .map(|(id, key, value)| {
            json!({"ResourceId": id, "ResourceType": kind.name(), "TagKey": key, "TagValue": value})
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
    let wanted_kind = args.word_in_any_case("ResourceType", TAGGED)?;
    let wanted_id = args.text("ResourceId");
    let category = args.word("Category", &["all", "custom", "system"])?;
    let category = category.filter(|category| category != "all");
    let filter = args.pairs("Tag", "Key", "Value");
    let page = args.page(50, 100)?;
    let mut counts: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for kind in Kind::ALL {
        let resources = tagged(world, call, kind).filter(|(id, _)| {
            wanted_kind.is_none_or(|wanted| wanted == kind.name()) && wanted(&wanted_id, id)
        });
        for (key, value) in resources.flat_map(|(_, own)| own) {
            let fits = filter.is_empty()
                || filter
                    .iter()
                    .any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value));
            // Alibaba Cloud puts none of its own on anything here.
            if fits && wanted(&category, "custom") {
                let of_tag = counts.entry((key.as_str(), value.as_str())).or_default();
                *of_tag.entry(kind.counted()).or_default() += 1;
            }
        }
    }
    let total = counts.len();
    let rows: Vec<Value> = page
        .cut(counts.into_iter().collect())
        .into_iter()
        .map(|((key, value), kinds)| {
            let counts: Map<String, Value> = Kind::ALL
                .iter()
                .map(|kind| kind.counted())
                .map(|kind| (kind.to_owned(), json!(kinds.get(kind).unwrap_or(&0))))
                .collect();
            json!({ "TagKey": key, "TagValue": value, "ResourceTypeCount": counts })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Tags": { "Tag": rows },
    }))
}

fn kind(args: Args<'_>) -> Result<Kind, ApiError> {
    // The samples for templates write `Instance`.
    let wanted = args.required("ResourceType")?.to_ascii_lowercase();
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == wanted);
    found.ok_or_else(|| {
        let known = Kind::ALL.map(Kind::name).join(", ");
        invalid("ResourceType", &format!("only {known} are known"))
    })
}

/// The kind and the ids of the resources that a call names, all of which are there.
fn targets(world: &World, call: &Call, args: Args<'_>) -> Result<(Kind, Vec<String>), ApiError> {
    let kind = kind(args)?;
    let ids = args
        .list_up_to("ResourceId", 50)?
        .ok_or_else(|| missing("ResourceId"))?;
    for id in &ids {
        check(world, call, kind, id)?;
    }
    Ok((kind, ids))
}

/// The one that the older actions name.
fn target(world: &World, call: &Call, args: Args<'_>) -> Result<(Kind, String), ApiError> {
    let kind = kind(args)?;
    let id = args.required("ResourceId")?;
    check(world, call, kind, &id)?;
    Ok((kind, id))
}

fn check(world: &World, call: &Call, kind: Kind, id: &str) -> Result<(), ApiError> {
    let r = &world.resources;
    let own =
        |account: &str, region: &str| account == call.caller.account_id && region == call.region;
    let known = match kind {
        Kind::Instance => r
            .instances
            .get(id)
            .is_some_and(|i| own(&i.account_id, &i.region)),
        Kind::Image => r.images.contains_key(id),
        Kind::Snapshot => r
            .snapshots
            .get(id)
            .is_some_and(|s| own(&s.account_id, &s.region)),
        Kind::LaunchTemplate => {
            let found = r.launch_templates.get(id);
            found.is_some_and(|t| own(&t.account_id, &t.region))
        }
        Kind::Disk => {
            let data = r.disks.get(id).map(|d| (&d.account_id, &d.region));
            let system = r.with_system_disk(id).map(|i| (&i.account_id, &i.region));
            data.or(system)
                .is_some_and(|(account, region)| own(account, region))
        }
    };
    match known {
        true => Ok(()),
        false => Err(ApiError::new(
            404,
            "InvalidResourceId.NotFound",
            format!("The specified resource {id} does not exist."),
        )),
    }
}

/// A resource with its tags.
type Tagged<'a> = (&'a str, &'a BTreeMap<String, String>);

/// The resources of a kind with their tags.
fn tagged<'a>(
    world: &'a World,
    call: &'a Call,
    kind: Kind,
) -> Box<dyn Iterator<Item = Tagged<'a>> + 'a> {
    let seen = world.seen();
    let own = move |account: &str, region: &str| {
        account == call.caller.account_id && region == call.region
    };
    match kind {
        Kind::Instance => Box::new(
            seen.instances
                .values()
                .filter(move |i| own(&i.account_id, &i.region))
                .map(|i| (i.instance_id.as_str(), &i.tags)),
        ),
        Kind::Image => Box::new(
            seen.images
                .values()
                .filter(move |i| own(&i.account_id, &i.region))
                .map(|i| (i.image_id.as_str(), &i.tags)),
        ),
        Kind::Snapshot => Box::new(
            seen.snapshots
                .values()
                .filter(move |s| own(&s.account_id, &s.region))
                .map(|s| (s.snapshot_id.as_str(), &s.details.tags)),
        ),
        Kind::LaunchTemplate => Box::new(
            seen.launch_templates
                .values()
                .filter(move |t| own(&t.account_id, &t.region))
                .map(|t| (t.launch_template_id.as_str(), &t.tags)),
        ),
        Kind::Disk => {
            let system = seen.instances.values();
            let system = system
                .filter(move |i| own(&i.account_id, &i.region))
                .filter_map(|i| Some((i.disk_id.as_str(), &i.system_disk.as_deref()?.tags)));
            let data = seen.disks.values();
            let data = data
                .filter(move |d| own(&d.account_id, &d.region))
                .map(|d| (d.disk_id.as_str(), &d.attributes.tags));
            Box::new(system.chain(data))
        }
    }
}

fn held<'a>(
    resources: &'a mut Resources,
    kind: Kind,
    id: &str,
) -> Option<&'a mut BTreeMap<String, String>> {
    match kind {
        Kind::Instance => resources.instances.get_mut(id).map(|i| &mut i.tags),
        Kind::Image => resources.images.get_mut(id).map(|i| &mut i.tags),
        Kind::Snapshot => resources.snapshots.get_mut(id).map(|s| &mut s.details.tags),
        Kind::LaunchTemplate => resources.launch_templates.get_mut(id).map(|t| &mut t.tags),
        Kind::Disk => resources.disk_attributes(id).map(|own| &mut own.tags),
    }
}
