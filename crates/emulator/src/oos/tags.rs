//! Tags of templates, executions and parameters.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::parameters::same;
use super::records::{TAGS, tags};
use super::request::{
    Page, bad_parameter, each_once, flag, json_parameter, missing, optional_text, required_text,
};
use crate::error::ApiError;
use crate::params::Params;

/// Rows of one page of ListTagResources.
const ROWS: usize = 50;

/// What carries tags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Template,
    Execution,
    Parameter,
    SecretParameter,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Template,
        Self::Execution,
        Self::Parameter,
        Self::SecretParameter,
    ];

    fn of(params: &Params) -> Result<Self, ApiError> {
        let given = required_text(params, "ResourceType")?.to_ascii_lowercase();
        let named = Self::ALL.into_iter().find(|kind| kind.name() == given);
        named.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            bad_parameter("ResourceType", &format!("must be one of {known}"))
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Execution => "execution",
            Self::Parameter => "parameter",
            Self::SecretParameter => "secretparameter",
        }
    }
}

/// A JSON array of at most so many texts.
fn texts(params: &Params, name: &str, most: usize) -> Result<Option<Vec<String>>, ApiError> {
    let bad = || {
        bad_parameter(
            name,
            &format!("must be a JSON array of at most {most} texts"),
        )
    };
    let items = match json_parameter(params, name)? {
        None => return Ok(None),
        Some(Value::Array(items)) if items.len() <= most => items,
        Some(_) => return Err(bad()),
    };
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    texts.map(Some).ok_or_else(bad)
}

impl Engine {
    /// The tags of everything of a kind, by id.
    fn tagged(&self, region: &str, kind: Kind) -> Vec<(&str, &Map<String, Value>)> {
        match kind {
            Kind::Template => self
                .records
                .iter()
                .filter(|((r, _), _)| r == region)
                .map(|((_, name), record)| (name.as_str(), &record.tags))
                .collect(),
            Kind::Execution => self
                .executions
                .values()
                .filter(|e| e.region == region)
                .map(|e| (e.id.as_str(), &e.tags))
                .collect(),
            Kind::Parameter => self.store.tagged(region, false),
            Kind::SecretParameter => self.store.tagged(region, true),
        }
    }

    /// The name of the template or the parameter, or the id of the execution, that is named: a template and a parameter may go
    /// by their id as well.
    fn resource(&self, region: &str, kind: Kind, id: &str) -> Result<String, ApiError> {
        if kind == Kind::Execution {
            return self.existing(region, id).map(|e| e.id.clone());
        }
        let found = match kind {
            Kind::Parameter => self.store.named(region, false, id),
            Kind::SecretParameter => self.store.named(region, true, id),
            Kind::Template | Kind::Execution => {
                let own = self.private.iter().find(|((r, name), versions)| {
                    r == region && (name == id || versions.iter().any(|v| v.id == id))
                });
                own.map(|((_, name), _)| name.clone())
            }
        };
        let (code, what) = match kind {
            Kind::Template | Kind::Execution => ("EntityNotExists.Template", "template"),
            Kind::Parameter | Kind::SecretParameter => ("EntityNotExists.Parameter", "parameter"),
        };
        found.ok_or_else(|| {
            ApiError::new(
                404,
                code,
                format!("The specified {what} {id} does not exist."),
            )
        })
    }

    fn tags_mut(&mut self, region: &str, kind: Kind, id: &str) -> Option<&mut Map<String, Value>> {
        match kind {
            Kind::Template => {
                let key = (region.to_owned(), id.to_owned());
                self.records.get_mut(&key).map(|record| &mut record.tags)
            }
            Kind::Execution => self.executions.get_mut(id).map(|e| &mut e.tags),
            Kind::Parameter => self.store.tags_mut(region, false, id),
            Kind::SecretParameter => self.store.tags_mut(region, true, id),
        }
    }

    /// The kind and the ids that a write names, all of which are there.
    fn targets_of_tags(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<(Kind, Vec<String>), ApiError> {
        let kind = Kind::of(params)?;
        let ids = texts(params, "ResourceIds", 50)?.ok_or_else(|| missing("ResourceIds"))?;
        each_once("ResourceIds", &ids)?;
        let found: Result<Vec<String>, ApiError> = ids
            .iter()
            .map(|id| self.resource(region, kind, id))
            .collect();
        Ok((kind, found?))
    }

    pub(super) fn tag_resources(
        &mut self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let (kind, ids) = self.targets_of_tags(region, params)?;
        let new = tags(params, "Tags")?.ok_or_else(|| missing("Tags"))?;
        for id in &ids {
            let own = self.tags_mut(region, kind, id).map_or(0, |own| {
                own.keys().filter(|key| !new.contains_key(*key)).count()
            });
            if own + new.len() > TAGS {
                return Err(bad_parameter(
                    "Tags",
                    "would be more than 20 of one resource",
                ));
            }
        }
        for id in &ids {
            if let Some(own) = self.tags_mut(region, kind, id) {
                own.extend(new.clone());
            }
        }
        Ok(json!({}))
    }

    pub(super) fn untag_resources(
        &mut self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let (kind, ids) = self.targets_of_tags(region, params)?;
        let keys = texts(params, "TagKeys", TAGS)?;
        each_once("TagKeys", keys.as_deref().unwrap_or_default())?;
        let all = flag(params, "All")?.unwrap_or(false);
        if keys.is_none() && !all {
            return Err(missing("TagKeys"));
        }
        for id in &ids {
            if let Some(own) = self.tags_mut(region, kind, id) {
                own.retain(|key, _| keys.as_ref().is_some_and(|keys| !keys.contains(key)));
            }
        }
        Ok(json!({}))
    }

    pub(super) fn list_tag_resources(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let kind = Kind::of(params)?;
        let ids = texts(params, "ResourceIds", 50)?;
        let wanted = tags(params, "Tags")?.unwrap_or_default();
        let start = match optional_text(params, "NextToken")? {
            None => 0,
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| bad_parameter("NextToken", "is not one that a list gave"))?,
        };
        let named: Option<Vec<String>> = ids.map(|ids| {
            ids.iter()
                .filter_map(|id| self.resource(region, kind, id).ok())
                .collect()
        });
        let rows: Vec<Value> = self
            .tagged(region, kind)
            .into_iter()
            .filter(|(id, _)| named.as_ref().is_none_or(|ids| ids.iter().any(|i| i == id)))
            .filter(|(_, own)| {
                let has =
                    |key: &String, value: &Value| own.get(key).is_some_and(|v| same(v, value));
                wanted.iter().all(|(key, value)| has(key, value))
            })
            .flat_map(|(id, own)| {
                own.iter().map(move |(key, value)| {
                    json!({"ResourceId": id, "ResourceType": kind.name(),
                           "TagKey": key, "TagValue": plain(value)})
                })
            })
            .collect();
        let end = start.saturating_add(ROWS).min(rows.len());
        let next = match end < rows.len() {
            true => end.to_string(),
            false => String::new(),
        };
        let rows = rows.get(start..end).unwrap_or_default();
        Ok(json!({ "TagResources": { "TagResource": rows }, "NextToken": next }))
    }

    pub(super) fn list_tag_keys(&self, region: &str, params: &Params) -> Result<Value, ApiError> {
        self.distinct(region, params, "Keys", |key, _| Some(key.to_owned()))
    }

    pub(super) fn list_tag_values(&self, region: &str, params: &Params) -> Result<Value, ApiError> {
        let wanted = required_text(params, "Key")?;
        self.distinct(region, params, "Values", |key, value| {
            (key == wanted).then(|| plain(value))
        })
    }

    /// What `of` finds in the tags of one kind of resource, or of all, each once.
    fn distinct(
        &self,
        region: &str,
        params: &Params,
        field: &str,
        of: impl Fn(&str, &Value) -> Option<String>,
    ) -> Result<Value, ApiError> {
        let kinds = match optional_text(params, "ResourceType")? {
            None => Kind::ALL.to_vec(),
            Some(_) => vec![Kind::of(params)?],
        };
        let page = Page::of(params, 1..=100)?;
        let found: BTreeSet<String> = kinds
            .into_iter()
            .flat_map(|kind| self.tagged(region, kind))
            .flat_map(|(_, own)| own)
            .filter_map(|(key, value)| of(key, value))
            .collect();
        let rows: Vec<Value> = found.into_iter().map(Value::String).collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({ field: shown, "MaxResults": page.size, "NextToken": next }))
    }
}

/// A tag's value as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
