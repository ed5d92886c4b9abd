//! Custom images and snapshots.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An image that system disks are made from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    pub(crate) image_id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// `Creating`, `Waiting`, `Available`, `UnAvailable`, `CreateFailed`, `Deprecated`.
    pub status: String,
    pub(crate) os_type: OsType,
    pub(crate) architecture: String,
    /// GiB.
    pub(crate) size: u64,
    pub(crate) owner_alias: String,
    pub(crate) family: Option<String>,
    pub(crate) version: String,
    pub(crate) description: String,
    /// Empty when nobody gave one.
    pub(crate) resource_group_id: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Of the system disk; only images made here have one.
    pub(crate) snapshot_id: Option<String>,
    /// Of the data disks of the instance that it was made from.
    #[serde(skip)]
    pub(crate) data_disks: Vec<ImageDisk>,
    /// The image that it is a copy of.
    #[serde(skip)]
    pub(crate) copy_of: Option<String>,
    /// The accounts that it is shared with, and since when.
    #[serde(skip)]
    pub(crate) shared_with: BTreeMap<String, Timestamp>,
    pub(crate) created: Timestamp,
}

/// A data disk that an image brings along.
#[derive(Debug, Clone)]
pub(crate) struct ImageDisk {
    /// `/dev/xvdb`.
    pub(crate) device: String,
    /// GiB.
    pub(crate) size: u64,
    pub(crate) snapshot_id: String,
}

impl Image {
    /// Whether instances can be made from it and system disks replaced by it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.status.as_str(), "Available" | "Deprecated")
    }

    /// Whether an account can use it: its own ones, public ones, and those shared with it.
    pub(crate) fn is_seen_by(&self, account: &str) -> bool {
        self.account_id == account
            || self.owner_alias != "self"
            || self.shared_with.contains_key(account)
    }

    /// Whether it is a custom image of this account.
    pub(crate) fn is_own(&self, account: &str) -> bool {
        self.account_id == account && self.owner_alias == "self"
    }

    /// `ImageOwnerAlias` as an account sees it.
    pub(crate) fn alias_for(&self, account: &str) -> &str {
        match self.shared_with.contains_key(account) {
            true => "others",
            false => &self.owner_alias,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OsType {
    #[default]
    Linux,
    Windows,
}

impl OsType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}

/// A snapshot of a disk, with an image or by itself.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    pub(crate) snapshot_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) source_disk_id: String,
    /// GiB.
    pub(crate) size: u64,
    /// `progressing`, `accomplished`, `failed`.
    pub(crate) status: String,
    pub(crate) created: Timestamp,
    #[serde(skip)]
    pub(crate) details: SnapshotDetails,
}

/// What CreateSnapshot gives to a snapshot, and what is known of its disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SnapshotDetails {
    pub(crate) name: String,
    pub(crate) description: String,
    /// `standard` or `flash`.
    pub(crate) category: String,
    pub(crate) resource_group_id: String,
    /// Days; `None` for one that stays.
    pub(crate) retention_days: Option<i64>,
    pub(crate) tags: BTreeMap<String, String>,
    /// What the system disk has; `None` for a data disk.
    pub(crate) system: Option<SystemOf>,
    pub(crate) encrypted: bool,
    /// Whether it was asked to be of use at once, and for how many days. Only shown: snapshots are
    /// when they are done.
    pub(crate) instant_access: Option<bool>,
    pub(crate) instant_access_days: Option<i64>,
    /// When it is done, for one that was asked for by itself.
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) modified: Option<Timestamp>,
}

/// What an image is that is made from a snapshot of a system disk.
#[derive(Debug, Clone)]
pub(crate) struct SystemOf {
    pub(crate) os_type: OsType,
    pub(crate) architecture: String,
}
