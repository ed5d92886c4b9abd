//! Disks of ECS. An instance has its system disk in itself; what is here are data disks, and system
//! disks that outlived their instance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What disks are unless somebody asks for another kind.
pub(crate) const CATEGORY: &str = "cloud_essd";

/// The statuses of a disk that is not the system disk of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DiskStatus {
    #[default]
    Creating,
    Available,
    Attaching,
    #[serde(rename = "In_use")]
    InUse,
    Detaching,
    ReIniting,
}

impl DiskStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Available => "Available",
            Self::Attaching => "Attaching",
            Self::InUse => "In_use",
            Self::Detaching => "Detaching",
            Self::ReIniting => "ReIniting",
        }
    }
}

/// What people give to a disk (ModifyDiskAttribute, CreateDisk), system disk or not.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiskAttributes {
    /// Its id when nobody gave it a name.
    pub(crate) name: Option<String>,
    pub(crate) description: String,
    /// Whether it goes with its instance.
    pub(crate) delete_with_instance: bool,
    /// Whether its automatic snapshots go with it. There are none here: only shown.
    pub(crate) delete_auto_snapshot: bool,
    /// Whether an automatic snapshot policy counts for it. Only shown.
    pub(crate) enable_auto_snapshot: bool,
    /// `PL0` to `PL3`; `PL1` when absent.
    pub(crate) performance_level: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) encrypted: bool,
    /// Of the key that it is encrypted with. Only shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key_id: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl DiskAttributes {
    /// Those of a system disk that nobody has changed.
    pub(crate) fn of_system() -> Self {
        Self {
            delete_with_instance: true,
            ..Self::default()
        }
    }

    pub(crate) fn category(&self) -> &str {
        self.category.as_deref().unwrap_or(CATEGORY)
    }
}

/// A disk that is not the system disk of an instance.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disk {
    pub(crate) disk_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) zone_id: String,
    /// Whether it was the system disk of an instance that is gone.
    pub(crate) is_system: bool,
    /// GiB.
    pub(crate) size: u64,
    pub(crate) status: DiskStatus,
    /// When a Creating, Attaching, Detaching or ReIniting disk gets on.
    #[serde(skip)]
    pub(crate) settles_at: Option<Timestamp>,
    /// Of the instance that it is attached to, or on its way to or from.
    pub(crate) instance_id: Option<String>,
    /// `/dev/xvdb`, while there is an instance.
    pub(crate) device: String,
    /// What the system disk was made from.
    pub(crate) image_id: String,
    pub(crate) source_snapshot_id: Option<String>,
    pub(crate) resource_group_id: String,
    pub(crate) attributes: DiskAttributes,
    pub(crate) created: Timestamp,
    pub(crate) attached: Option<Timestamp>,
    pub(crate) detached: Option<Timestamp>,
}

/// A data disk that is asked for with its instance (`DataDisk.N`).
#[derive(Debug, Clone)]
pub(crate) struct NewDisk {
    /// GiB.
    pub(crate) size: u64,
    pub(crate) snapshot_id: Option<String>,
    /// The next that is free when absent or taken.
    pub(crate) device: Option<String>,
    pub(crate) attributes: DiskAttributes,
}
