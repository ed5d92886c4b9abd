//! DescribeDisks, and the disk that a call names.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{seconds, tag_rows, wanted};
use super::window::Window;
use super::words::{DISK_STATUSES, FILTER_CATEGORIES, LEVELS};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags};
use crate::state::call::Call;
use crate::state::disks::{Disk, DiskAttributes, DiskStatus};
use crate::state::model::{Instance, Resources};
use crate::state::world::World;

/// A disk as the API shows it, whatever holds it.
pub(super) struct View<'a> {
    pub(super) disk_id: &'a str,
    account_id: &'a str,
    region: &'a str,
    pub(super) zone_id: &'a str,
    pub(super) is_system: bool,
    pub(super) size: u64,
    pub(super) status: DiskStatus,
    pub(super) instance_id: Option<&'a str>,
    device: &'a str,
    image_id: &'a str,
    pub(super) source_snapshot_id: Option<&'a str>,
    resource_group_id: &'a str,
    pub(super) attributes: Cow<'a, DiskAttributes>,
    created: Timestamp,
    pub(super) attached: Option<Timestamp>,
    detached: Option<Timestamp>,
}

/// Where system disks are attached.
const SYSTEM_DEVICE: &str = "/dev/xvda";

impl<'a> View<'a> {
    fn of_system(i: &'a Instance) -> Self {
        Self {
            disk_id: &i.disk_id,
            account_id: &i.account_id,
            region: &i.region,
            zone_id: &i.zone_id,
            is_system: true,
            size: i.disk_size,
            status: match i.disk_ready {
                true => DiskStatus::InUse,
                false => DiskStatus::ReIniting,
            },
            instance_id: Some(&i.instance_id),
            device: SYSTEM_DEVICE,
            image_id: &i.image_id,
            source_snapshot_id: None,
            resource_group_id: &i.attributes.resource_group_id,
            attributes: match i.system_disk.as_deref() {
                Some(own) => Cow::Borrowed(own),
                None => Cow::Owned(DiskAttributes::of_system()),
            },
            created: i.created,
            attached: Some(i.created),
            detached: None,
        }
    }

    fn of_disk(d: &'a Disk) -> Self {
        Self {
            disk_id: &d.disk_id,
            account_id: &d.account_id,
            region: &d.region,
            zone_id: &d.zone_id,
            is_system: d.is_system,
            size: d.size,
            status: d.status,
            instance_id: d.instance_id.as_deref(),
            device: &d.device,
            image_id: &d.image_id,
            source_snapshot_id: d.source_snapshot_id.as_deref(),
            resource_group_id: &d.resource_group_id,
            attributes: Cow::Borrowed(&d.attributes),
            created: d.created,
            attached: d.attached,
            detached: d.detached,
        }
    }

    /// By its id, whoever it belongs to.
    fn find(resources: &'a Resources, id: &str) -> Option<Self> {
        let data = resources.disks.get(id).map(Self::of_disk);
        data.or_else(|| resources.with_system_disk(id).map(Self::of_system))
    }

    fn is_of(&self, call: &Call) -> bool {
        self.account_id == call.caller.account_id && self.region == call.region
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.is_system {
            true => "system",
            false => "data",
        }
    }

    fn name(&self) -> &str {
        self.attributes.name.as_deref().unwrap_or(self.disk_id)
    }

    fn is_portable(&self) -> bool {
        !self.is_system
    }
}

/// The disk that a call names, if it is in the caller's account and in the region.
pub(super) fn disk<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<View<'a>, ApiError> {
    View::find(resources, id)
        .filter(|disk| disk.is_of(call))
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidDiskId.NotFound",
                "The specified DiskId does not exist.",
            )
        })
}

/// The disks of an instance, the system disk first.
pub(super) fn of_instance<'a>(
    resources: &'a Resources,
    id: &'a str,
) -> impl Iterator<Item = View<'a>> {
    let system = resources.instances.get(id).map(View::of_system);
    let data = resources.disks.values();
    let data = data.filter(move |disk| disk.instance_id.as_deref() == Some(id));
    system.into_iter().chain(data.map(View::of_disk))
}

pub const DESCRIBE: Action = Action {
    name: "DescribeDisks",
    honours: &[
        "Category",
        "DeleteAutoSnapshot",
        "DeleteWithInstance",
        "DiskChargeType",
        "DiskIds",
        "DiskName",
        "DiskType",
        "EnableAutoSnapshot",
        "Encrypted",
        "InstanceId",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "PerformanceLevel",
        "Portable",
        "ResourceGroupId",
        "SnapshotId",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "ZoneId",
    ],
    run: Run::Read(describe),
};

/// DescribeDisks: system disks first, by their instances, then the others by id. A disk without a
/// name goes by its id.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.json_list("DiskIds", 100)?;
    let of = args.text("InstanceId");
    let word = |name: &str, known: &[&str], all: &str| -> Result<Option<String>, ApiError> {
        Ok(args.word(name, known)?.filter(|word| word != all))
    };
    let kind = word("DiskType", &["all", "system", "data"], "all")?;
    let category = word("Category", FILTER_CATEGORIES, "all")?;
    let (status, name) = (word("Status", DISK_STATUSES, "All")?, args.text("DiskName"));
    let charge = args.word("DiskChargeType", &["PrePaid", "PostPaid"])?;
    let group = args.text("ResourceGroupId");
    let (zone, snapshot) = (args.text("ZoneId"), args.text("SnapshotId"));
    let level = args.word("PerformanceLevel", LEVELS)?;
    let encrypted = args.flag("Encrypted")?;
    let portable = args.flag("Portable")?;
    let goes_along = args.flag("DeleteWithInstance")?;
    let snapshots_go = args.flag("DeleteAutoSnapshot")?;
    let automatic = args.flag("EnableAutoSnapshot")?;
    let tags = args.pairs("Tag", "Key", "Value");
    let window = Window::of(args, 10, 10..=500)?;
    let seen = world.seen();
    let is = |wanted: Option<bool>, own: bool| wanted.is_none_or(|wanted| wanted == own);
    let found: Vec<View<'_>> = candidates(seen, ids.as_deref(), of.as_deref())
        .filter(|d| d.is_of(call))
        .filter(|d| wanted(&of, d.instance_id.unwrap_or_default()) && wanted(&zone, d.zone_id))
        .filter(|d| wanted(&kind, d.kind()) && wanted(&category, d.attributes.category()))
        .filter(|d| wanted(&status, d.status.name()) && wanted(&name, d.name()))
        .filter(|d| wanted(&charge, "PostPaid") && wanted(&group, d.resource_group_id))
        .filter(|d| wanted(&snapshot, d.source_snapshot_id.unwrap_or_default()))
        .filter(|d| wanted(&level, level_of(d)))
        .filter(|d| is(encrypted, d.attributes.encrypted) && is(portable, d.is_portable()))
        .filter(|d| is(goes_along, d.attributes.delete_with_instance))
        .filter(|d| is(snapshots_go, d.attributes.delete_auto_snapshot))
        .filter(|d| is(automatic, d.attributes.enable_auto_snapshot))
        .filter(|d| has_tags(&d.attributes.tags, &tags))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows.iter().map(row).collect();
    answer.insert("Disks".into(), json!({ "Disk": rows }));
    Ok(answer.into())
}

/// The disks that may be meant. Those that are named are looked up.
fn candidates<'a>(
    seen: &'a Resources,
    ids: Option<&[String]>,
    of: Option<&'a str>,
) -> Box<dyn Iterator<Item = View<'a>> + 'a> {
    if let Some(ids) = ids {
        let mut ids = ids.to_vec();
        ids.sort();
        ids.dedup();
        let mut named: Vec<View<'a>> = ids.iter().filter_map(|id| View::find(seen, id)).collect();
        named.sort_by_key(|disk| (!disk.is_system, disk.instance_id, disk.disk_id));
        return Box::new(named.into_iter());
    }
    if let Some(of) = of {
        return Box::new(of_instance(seen, of));
    }
    let system = seen.instances.values().map(View::of_system);
    Box::new(system.chain(seen.disks.values().map(View::of_disk)))
}

fn level_of<'a>(disk: &'a View<'_>) -> &'a str {
    let level = disk.attributes.performance_level.as_deref();
    level.unwrap_or(match disk.attributes.category() {
        "cloud_essd" => "PL1",
        _ => "",
    })
}

fn row(d: &View<'_>) -> Value {
    let time = |at: Option<Timestamp>| at.map_or(String::new(), seconds);
    let mut row = json!({
        "DiskId": d.disk_id,
        "DiskName": d.name(),
        "Description": d.attributes.description,
        "InstanceId": d.instance_id.unwrap_or_default(),
        "RegionId": d.region,
        "ZoneId": d.zone_id,
        "Status": d.status.name(),
        "Type": d.kind(),
        "Category": d.attributes.category(),
        "PerformanceLevel": level_of(d),
        "Size": d.size,
        "ImageId": d.image_id,
        "SourceSnapshotId": d.source_snapshot_id.unwrap_or_default(),
        "Device": d.device,
        "Portable": d.is_portable(),
        "Encrypted": d.attributes.encrypted,
        "DiskChargeType": "PostPaid",
        "DeleteWithInstance": d.attributes.delete_with_instance,
        "DeleteAutoSnapshot": d.attributes.delete_auto_snapshot,
        "EnableAutoSnapshot": d.attributes.enable_auto_snapshot,
        "EnableAutomatedSnapshotPolicy": false,
        "ResourceGroupId": d.resource_group_id,
        "CreationTime": seconds(d.created),
        "AttachedTime": time(d.attached),
        "DetachedTime": time(d.detached),
        "Tags": tag_rows(&d.attributes.tags),
    });
    if let Some(key) = &d.attributes.kms_key_id {
        row["KMSKeyId"] = json!(key);
    }
    if let Some(id) = d.instance_id {
        row["Attachments"] = json!({"Attachment": [{
            "InstanceId": id, "Device": d.device, "AttachedTime": time(d.attached),
        }]});
    }
    row
}
