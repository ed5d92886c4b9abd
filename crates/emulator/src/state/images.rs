//! Custom images and their snapshots.

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
    pub(crate) created: Timestamp,
}

impl Image {
    /// Whether instances can be made from it and system disks replaced by it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.status.as_str(), "Available" | "Deprecated")
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

/// A snapshot that belongs to an image.
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
}
