//! Templates as answers show them.

use serde_json::{Value, json};

use super::engine::Engine;
use super::execution::time_text;
use super::template::Version;
use super::view;

/// When the public templates were made. The real dates are not known; this is that of the API.
const PUBLIC_SINCE: &str = "2019-06-01T00:00:00Z";

impl Engine {
    /// The `Template` of answers, in the shape of GetTemplate and ListTemplates.
    pub(super) fn shown(&self, region: &str, version: &Version) -> Value {
        let mut shown = view::template(version);
        if version.public {
            shown["CreatedDate"] = json!(PUBLIC_SINCE);
            shown["UpdatedDate"] = json!(PUBLIC_SINCE);
            shown["ResourceGroupId"] = json!("");
            return shown;
        }
        let key = (region.to_owned(), version.name.clone());
        // A text that was run without being saved has none.
        let Some(record) = self.records.get(&key) else {
            return shown;
        };
        let number = version
            .version
            .trim_start_matches('v')
            .parse::<usize>()
            .ok();
        let own = number.and_then(|n| record.versions.get(n.checked_sub(1)?));
        let (name, at, by) = match own {
            Some((name, at, by)) => (name.as_str(), *at, by.as_str()),
            None => ("", record.created, record.created_by.as_str()),
        };
        shown["VersionName"] = json!(name);
        shown["CreatedBy"] = json!(record.created_by);
        shown["CreatedDate"] = json!(time_text(record.created));
        shown["UpdatedBy"] = json!(by);
        shown["UpdatedDate"] = json!(time_text(at));
        shown["ResourceGroupId"] = json!(record.resource_group);
        shown["Tags"] = Value::Object(record.tags.clone());
        shown
    }
}
