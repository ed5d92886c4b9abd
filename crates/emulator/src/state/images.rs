//! Custom images and their snapshots.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    pub image_id: String,
    pub name: String,
    pub account_id: String,
    pub region: String,
    /// `Creating`, `Waiting`, `Available`, `UnAvailable`, `CreateFailed`, `Deprecated`.
    pub status: String,
    pub os_type: OsType,
    pub architecture: String,
    /// GiB.
    pub size: u64,
    pub owner_alias: String,
    pub family: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// Of the system disk; only images made here have one.
    pub snapshot_id: Option<String>,
    pub created: Timestamp,
}

impl Image {
    /// Whether instances can be made from it and system disks replaced by it.
    pub fn is_usable(&self) -> bool {
        matches!(self.status.as_str(), "Available" | "Deprecated")
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OsType {
    #[default]
    Linux,
    Windows,
}

impl OsType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}

/// A snapshot that belongs to an image.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub snapshot_id: String,
    pub account_id: String,
    pub region: String,
    pub source_disk_id: String,
    /// GiB.
    pub size: u64,
    /// `progressing`, `accomplished`, `failed`.
    pub status: String,
    pub created: Timestamp,
}
