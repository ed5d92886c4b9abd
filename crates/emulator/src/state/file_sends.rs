//! Files that Cloud Assistant sends to instances.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// One call of SendFile.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileSend {
    pub(crate) invoke_id: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) target_dir: String,
    pub(crate) description: String,
    /// As it was given: text or Base64, as `content_type` says.
    pub(crate) content: String,
    /// `PlainText` or `Base64`.
    pub(crate) content_type: String,
    pub(crate) file_owner: String,
    pub(crate) file_group: String,
    pub(crate) file_mode: String,
    pub(crate) overwrite: bool,
    pub(crate) resource_group_id: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    /// By instance.
    pub(crate) runs: BTreeMap<String, FileRun>,
}

/// One file on its way to one instance.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileRun {
    /// `Running`, `Success`, `Failed`, `Timeout`, ...
    pub(crate) status: String,
    pub(crate) error_code: String,
    pub(crate) error_info: String,
    pub(crate) started: Timestamp,
    pub(crate) finished: Option<Timestamp>,
    /// Status, code and words that it ends with.
    #[serde(skip)]
    pub(crate) verdict: Option<(&'static str, String, String)>,
}
