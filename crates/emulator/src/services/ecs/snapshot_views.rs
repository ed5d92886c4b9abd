//! What is told of snapshots.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{seconds, tag_rows, wanted};
use super::disk_views::of_instance;
use super::snapshots::{has_made_disks, image_of};
use super::window::Window;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags};
use crate::state::call::Call;
use crate::state::images::Snapshot;
use crate::state::model::Resources;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeSnapshots",
    honours: &[
        "Category",
        "DiskId",
        "Encrypted",
        "InstanceId",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "ResourceGroupId",
        "SnapshotIds",
        "SnapshotName",
        "SnapshotType",
        "SourceDiskType",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "Usage",
    ],
    run: Run::Read(describe),
};

/// DescribeSnapshots. Every one was made by a user.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("SnapshotIds", 100)?;
    let disk = args.text("DiskId");
    let of = args.text("InstanceId");
    let word = |name: &str, known: &[&str]| -> Result<Option<String>, ApiError> {
        Ok(args.word(name, known)?.filter(|word| word != "all"))
    };
    let status = word("Status", &["all", "progressing", "accomplished", "failed"])?;
    let kind = word("SnapshotType", &["all", "auto", "user"])?;
    let source = args.word_in_any_case("SourceDiskType", &["system", "data"])?;
    let usage = args.word("Usage", &["image", "disk", "image_disk", "none"])?;
    let (name, group) = (args.text("SnapshotName"), args.text("ResourceGroupId"));
    let category = args.word_in_any_case("Category", &["standard", "flash", "archive"])?;
    let encrypted = args.flag("Encrypted")?;
    let tags = args.pairs("Tag", "Key", "Value");
    let window = Window::of(args, 10, 10..=100)?;
    let seen = world.seen();
    let disks_of: Option<Vec<&str>> = of
        .as_deref()
        .map(|id| of_instance(seen, id).map(|disk| disk.disk_id).collect());
    let found: Vec<(&Snapshot, &str)> = seen
        .snapshots
        .values()
        .filter(|s| s.account_id == call.caller.account_id && s.region == call.region)
        .filter(|s| ids.as_ref().is_none_or(|ids| ids.contains(&s.snapshot_id)))
        .filter(|s| wanted(&disk, &s.source_disk_id) && wanted(&status, &s.status))
        .filter(|s| {
            let own = s.source_disk_id.as_str();
            disks_of.as_ref().is_none_or(|disks| disks.contains(&own))
        })
        .filter(|s| wanted(&kind, "user") && encrypted.is_none_or(|e| e == s.details.encrypted))
        .filter(|s| wanted(&name, &s.details.name))
        .filter(|s| category.is_none_or(|category| category == s.details.category))
        .filter(|s| wanted(&group, &s.details.resource_group_id))
        .filter(|s| source.is_none_or(|source| source == source_of(s)))
        .filter(|s| has_tags(&s.details.tags, &tags))
        .map(|s| (s, usage_of(seen, s)))
        .filter(|(_, own)| wanted(&usage, own))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(s, usage)| row(s, usage, world.now))
        .collect();
    answer.insert("Snapshots".into(), json!({ "Snapshot": rows }));
    Ok(answer.into())
}

fn source_of(snapshot: &Snapshot) -> &'static str {
    match snapshot.details.system {
        Some(_) => "system",
        None => "data",
    }
}

fn usage_of(resources: &Resources, snapshot: &Snapshot) -> &'static str {
    let id = &snapshot.snapshot_id;
    match (
        image_of(resources, id).is_some(),
        has_made_disks(resources, id),
    ) {
        (true, true) => "image_disk",
        (true, false) => "image",
        (false, true) => "disk",
        (false, false) => "none",
    }
}

/// How far it is: by its time, if it has one of its own.
fn progress(snapshot: &Snapshot, now: Timestamp) -> String {
    if snapshot.status == "accomplished" {
        return "100%".into();
    }
    let Some(ends_at) = snapshot.details.ends_at else {
        return "45%".into();
    };
    let whole = ends_at.duration_since(snapshot.created).as_secs().max(1);
    let gone = now.duration_since(snapshot.created).as_secs();
    format!("{}%", (gone.saturating_mul(100) / whole).clamp(0, 99))
}

fn row(s: &Snapshot, usage: &str, now: Timestamp) -> Value {
    let own = &s.details;
    let left = own.ends_at.map_or(0, |at| at.duration_since(now).as_secs());
    let mut row = json!({
        "SnapshotId": s.snapshot_id,
        "SnapshotName": own.name,
        "Description": own.description,
        "SnapshotType": "user",
        "Category": own.category,
        "RegionId": s.region,
        "SourceDiskId": s.source_disk_id,
        "SourceDiskSize": s.size.to_string(),
        "SourceDiskType": source_of(s),
        "Status": s.status,
        "Available": s.status == "accomplished",
        "Progress": progress(s, now),
        "RemainTime": if s.status == "progressing" { left.max(0) } else { 0 },
        "Usage": usage,
        "Encrypted": own.encrypted,
        "ResourceGroupId": own.resource_group_id,
        "CreationTime": seconds(s.created),
        "LastModifiedTime": seconds(own.modified.unwrap_or(s.created)),
        "Tags": tag_rows(&own.tags),
    });
    if let Some(days) = own.retention_days {
        row["RetentionDays"] = json!(days);
    }
    if let Some(flag) = own.instant_access {
        row["InstantAccess"] = json!(flag);
    }
    if let Some(days) = own.instant_access_days {
        row["InstantAccessRetentionDays"] = json!(days);
    }
    row
}
