//! Commands of Cloud Assistant that are kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// A command that CreateCommand made, or that RunCommand kept.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SavedCommand {
    pub(crate) command_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// `RunShellScript`, `RunPythonScript`, ...
    pub(crate) command_type: String,
    /// Decoded.
    pub(crate) content: String,
    pub(crate) working_dir: String,
    pub(crate) timeout_seconds: i64,
    /// Whether the content has placeholders.
    pub(crate) enable_parameter: bool,
    pub(crate) resource_group_id: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    /// How many times it was invoked.
    pub(crate) invoke_times: u64,
}
