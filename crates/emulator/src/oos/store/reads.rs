//! The reads of the parameter store.

use serde_json::{Value, json};

use super::api::{flag, missing, not_there};
use super::{HIDDEN, Parameter};
use crate::error::ApiError;
use crate::oos::engine::Engine;
use crate::oos::execution::time_text;
use crate::oos::records::tags;
use crate::oos::request::{
    Page, SHARE_TYPES, bad_parameter, json_parameter, one_of, optional_text, required_text,
};
use crate::params::Params;

impl Engine {
    fn existing_parameter(
        &self,
        region: &str,
        secret: bool,
        name: &str,
    ) -> Result<&Parameter, ApiError> {
        let key = (region.to_owned(), secret, name.to_owned());
        self.store
            .parameters
            .get(&key)
            .ok_or_else(|| not_there(name))
    }

    pub(super) fn get_parameter(
        &self,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "Name")?;
        let parameter = self.existing_parameter(region, secret, &name)?;
        let version = match optional_text(params, "ParameterVersion")? {
            None => None,
            Some(text) => Some(
                text.parse::<usize>()
                    .map_err(|_| bad_parameter("ParameterVersion", "must be a number"))?,
            ),
        };
        let clear = !secret || flag(params, "WithDecryption")?;
        let shown = parameter.show(&name, Some(clear), version).ok_or_else(|| {
            ApiError::new(
                404,
                "EntityNotExists.ParameterVersion",
                format!("The parameter {name} does not have that version."),
            )
        })?;
        Ok(json!({ "Parameter": shown }))
    }

    pub(super) fn get_parameters(
        &self,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let names: Vec<String> = match json_parameter(params, "Names")? {
            Some(Value::Array(list)) => list
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| bad_parameter("Names", "must be a JSON list of texts"))?,
            Some(_) => return Err(bad_parameter("Names", "must be a JSON list of texts")),
            None => return Err(missing("Names")),
        };
        let clear = !secret || flag(params, "WithDecryption")?;
        let (mut found, mut invalid) = (Vec::new(), Vec::new());
        for name in names {
            match self.existing_parameter(region, secret, &name) {
                Ok(parameter) => found.extend(parameter.show(&name, Some(clear), None)),
                Err(_) => invalid.push(name),
            }
        }
        Ok(json!({ "Parameters": found, "InvalidParameters": invalid }))
    }

    fn of_region<'a>(
        &'a self,
        region: &'a str,
        secret: bool,
    ) -> impl Iterator<Item = (&'a str, &'a Parameter)> {
        self.store
            .parameters
            .iter()
            .filter(move |((r, s, _), _)| r == region && *s == secret)
            .map(|((_, _, name), parameter)| (name.as_str(), parameter))
    }

    pub(super) fn list_parameters(
        &self,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let part = optional_text(params, "Name")?;
        // Encrypted ones are all of one type, and nobody shares them.
        let of_open = |name: &str, allowed: &[&str]| match secret {
            true => Ok(None),
            false => one_of(params, name, allowed),
        };
        let kind = of_open("Type", &["String", "StringList"])?;
        let group = optional_text(params, "ResourceGroupId")?;
        let share = of_open("ShareType", SHARE_TYPES)?;
        let path = optional_text(params, "Path")?;
        let recursive = flag(params, "Recursive")?;
        let tags = tags(params, "Tags")?;
        let by_name = match optional_text(params, "SortField")?.as_deref() {
            None | Some("CreatedDate") => false,
            Some("Name") => true,
            Some(_) => return Err(bad_parameter("SortField", "must be Name or CreatedDate")),
        };
        let ascending = match optional_text(params, "SortOrder")?.as_deref() {
            None | Some("Descending") => false,
            Some("Ascending") => true,
            Some(_) => {
                return Err(bad_parameter(
                    "SortOrder",
                    "must be Ascending or Descending",
                ));
            }
        };
        let page = Page::of(params, 1..=100)?;
        let mut found: Vec<(&str, &Parameter)> = self
            .of_region(region, secret)
            .filter(|(name, _)| {
                part.as_ref()
                    .is_none_or(|part| name.contains(part.as_str()))
            })
            .filter(|(name, _)| {
                path.as_ref()
                    .is_none_or(|path| is_below(name, path, recursive))
            })
            .filter(|(_, p)| kind.as_ref().is_none_or(|kind| p.kind == *kind))
            .filter(|(_, p)| {
                group
                    .as_ref()
                    .is_none_or(|group| p.resource_group == *group)
            })
            .filter(|_| share.as_ref().is_none_or(|share| share == "Private"))
            .filter(|(_, p)| {
                tags.as_ref()
                    .is_none_or(|tags| tags.iter().all(|(k, v)| p.tags.get(k) == Some(v)))
            })
            .collect();
        if !by_name {
            found.sort_by_key(|(_, parameter)| parameter.created);
        }
        if !ascending {
            found.reverse();
        }
        let rows: Vec<Value> = found
            .iter()
            .filter_map(|(name, parameter)| parameter.show(name, None, None))
            .map(|row| without(row, &["Constraints"]))
            .collect();
        let (shown, next) = page.cut(&rows);
        let mut answer = json!({
            "Parameters": shown, "MaxResults": page.size, "NextToken": next,
        });
        // The SDK's models have it for those that are not encrypted alone.
        if !secret {
            answer["TotalCount"] = json!(rows.len());
        }
        Ok(answer)
    }

    pub(super) fn list_versions(
        &self,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "Name")?;
        let parameter = self.existing_parameter(region, secret, &name)?;
        let clear = !secret || flag(params, "WithDecryption")?;
        let page = Page::of(params, 1..=100)?;
        let rows: Vec<Value> = parameter
            .versions
            .iter()
            .enumerate()
            .rev()
            .map(|(i, stored)| {
                json!({
                    "ParameterVersion": i + 1, "UpdatedBy": stored.updated_by,
                    "UpdatedDate": time_text(stored.updated),
                    "Value": if clear { stored.value.as_str() } else { HIDDEN },
                })
            })
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "Id": parameter.id, "Name": name, "Type": parameter.kind,
            "Description": parameter.description, "CreatedBy": parameter.created_by,
            "CreatedDate": time_text(parameter.created), "ParameterVersions": shown,
            "MaxResults": page.size, "NextToken": next, "TotalCount": rows.len(),
        }))
    }

    pub(super) fn by_path(
        &self,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let path = required_text(params, "Path")?;
        let recursive = flag(params, "Recursive")?;
        let clear = !secret || flag(params, "WithDecryption")?;
        let page = Page::of(params, 1..=100)?;
        let rows: Vec<Value> = self
            .of_region(region, secret)
            .filter(|(name, _)| is_below(name, &path, recursive))
            .filter_map(|(name, parameter)| parameter.show(name, Some(clear), None))
            .map(|row| match secret {
                true => without(row, &["ResourceGroupId", "Tags"]),
                false => without(row, &["ResourceGroupId"]),
            })
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "Parameters": shown, "MaxResults": page.size, "NextToken": next,
            "TotalCount": rows.len(),
        }))
    }
}

/// A row as lists have it: less than an answer about one parameter alone (SDK models).
fn without(mut row: Value, names: &[&str]) -> Value {
    if let Some(members) = row.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
    row
}

/// Whether a name is in a folder: `/a/b` is in `/a`, and `/a/b/c` is below it.
fn is_below(name: &str, path: &str, recursive: bool) -> bool {
    let path = path.trim_end_matches('/');
    name.strip_prefix(path)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| recursive || !rest.contains('/'))
}
