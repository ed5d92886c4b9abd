//! What a package is, and what an instance has installed of one.

use jiff::Timestamp;
use serde::Serialize;

/// A package. The last version is the newest.
#[derive(Debug, Clone)]
pub struct Package {
    pub template_id: String,
    pub name: String,
    /// `None` for a public one, which every account sees.
    pub account_id: Option<String>,
    pub region: String,
    pub description: String,
    pub versions: Vec<PackageVersion>,
}

#[derive(Debug, Clone)]
pub struct PackageVersion {
    /// `v1`, as OOS counts them.
    pub version: String,
    pub version_name: String,
    pub content: String,
}

impl Package {
    /// A version by its number; the newest when none is asked for.
    pub fn version(&self, wanted: Option<&str>) -> Option<&PackageVersion> {
        match wanted {
            None => self.versions.last(),
            Some(wanted) => self.versions.iter().find(|v| v.version == wanted),
        }
    }

    pub fn is_seen_by(&self, account: &str, region: &str) -> bool {
        self.region == region && self.account_id.as_deref().is_none_or(|own| own == account)
    }
}

/// A package on an instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    pub version: String,
    pub since: Timestamp,
}
