//! What is kept of templates beside their text: who saved them and when, tags, names of versions.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::request::{bad_parameter, json_parameter, optional_text};
use super::template::Version;
use crate::error::ApiError;
use crate::params::Params;

/// The most tags that something carries.
pub(super) const TAGS: usize = 20;

/// An own template.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) created: Timestamp,
    pub(super) created_by: String,
    pub(super) tags: Map<String, Value>,
    pub(super) resource_group: String,
    /// One for each version: its name, when it was saved, and by whom.
    pub(super) versions: Vec<(String, Timestamp, String)>,
}

/// What a request to save a template gives beside its text.
#[derive(Debug)]
pub(super) struct Given {
    version_name: String,
    tags: Option<Map<String, Value>>,
    resource_group: Option<String>,
}

impl Given {
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            version_name: optional_text(params, "VersionName")?.unwrap_or_default(),
            tags: tags(params, "Tags")?,
            resource_group: optional_text(params, "ResourceGroupId")?,
        })
    }

    /// The record of a new template.
    pub(super) fn record(self, now: Timestamp, by: &str) -> Record {
        Record {
            created: now,
            created_by: by.to_owned(),
            tags: self.tags.unwrap_or_default(),
            resource_group: self.resource_group.unwrap_or_default(),
            versions: vec![(self.version_name, now, by.to_owned())],
        }
    }

    /// Notes a further version. What is not given stays.
    pub(super) fn update(self, record: &mut Record, now: Timestamp, by: &str) {
        record.tags = self.tags.unwrap_or_else(|| record.tags.clone());
        let group = self.resource_group;
        record.resource_group = group.unwrap_or_else(|| record.resource_group.clone());
        record
            .versions
            .push((self.version_name, now, by.to_owned()));
    }
}

/// Tags as a JSON object of texts. What is one value and no text counts as the text that it is
/// written as.
pub(super) fn tags(params: &Params, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
    let map = match json_parameter(params, name)? {
        None => return Ok(None),
        Some(Value::Object(map)) if map.len() <= TAGS => map,
        Some(_) => {
            return Err(bad_parameter(
                name,
                "must be a JSON object of at most 20 pairs",
            ));
        }
    };
    let texts = map.into_iter().map(|(key, value)| match value {
        Value::String(_) => Ok((key, value)),
        Value::Number(_) | Value::Bool(_) => {
            let text = value.to_string();
            Ok((key, Value::String(text)))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(bad_parameter(
            name,
            &format!("the value of {key} must be a text"),
        )),
    });
    texts.collect::<Result<_, _>>().map(Some)
}

/// What starts the executions of a template, as `Category` says it.
pub(super) fn category(version: &Version) -> &'static str {
    version
        .parsed
        .trigger()
        .map_or("Other", |kind| kind.category())
}
