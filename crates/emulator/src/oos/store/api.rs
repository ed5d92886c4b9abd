//! The API of the parameter store.

use serde_json::{Map, Value, json};

use super::{HIDDEN, Parameter, Stored};
use crate::error::ApiError;
use crate::oos::engine::Engine;
use crate::oos::execution::time_text;
use crate::oos::host::{Caller, Host};
use crate::oos::parameters::Declaration;
use crate::oos::request::{Page, bad_parameter, json_parameter, optional_text, required_text};
use crate::params::Params;

/// Longest value, in characters, and longest name and description (API reference).
const MAX_VALUE: usize = 4096;
const MAX_NAME: usize = 200;
/// Most parameters of one account, so that a caller in a loop does not fill the memory.
const MAX_PARAMETERS: usize = 10_000;
/// Most versions of one parameter, for the same reason.
const MAX_VERSIONS: usize = 1_000;

/// Whether an action is one of the parameter store's.
pub(in crate::oos) fn is_store_action(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    [
        "parameter",
        "parameters",
        "parameterversions",
        "parametersbypath",
    ]
    .iter()
    .flat_map(|noun| [(*noun).to_owned(), format!("secret{noun}")])
    .any(|noun| {
        let verbs = ["create", "get", "update", "delete", "list"];
        verbs.iter().any(|verb| action == format!("{verb}{noun}"))
    })
}

impl Engine {
    /// Answers one call to the parameter store.
    pub(in crate::oos) fn store_action(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let lower = action.to_ascii_lowercase();
        let secret = lower.contains("secret");
        match lower.replace("secret", "").as_str() {
            "createparameter" => self.create_parameter(host, caller, region, secret, params),
            "updateparameter" => self.update_parameter(host, caller, region, secret, params),
            "getparameter" => self.get_parameter(region, secret, params),
            "getparameters" => self.get_parameters(region, secret, params),
            "deleteparameter" => {
                let name = required_text(params, "Name")?;
                let key = (region.to_owned(), secret, name.clone());
                let gone = self.store.parameters.remove(&key);
                gone.map(|_| json!({})).ok_or_else(|| not_there(&name))
            }
            "listparameters" => self.list_parameters(region, secret, params),
            "listparameterversions" => self.list_versions(region, secret, params),
            "getparametersbypath" => self.by_path(region, secret, params),
            _ => Err(ApiError::new(
                404,
                "InvalidAction.NotFound",
                format!("Specified api is not found: {action}."),
            )),
        }
    }

    fn create_parameter(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "Name")?;
        check_name(&name)?;
        let kind = match optional_text(params, "Type")?.as_deref() {
            Some("String") => "String",
            Some("StringList") if !secret => "StringList",
            Some("Secret") | None if secret => "Secret",
            None => return Err(missing("Type")),
            Some(_) => {
                let kinds = if secret {
                    "must be Secret"
                } else {
                    "must be String or StringList"
                };
                return Err(bad_parameter("Type", kinds));
            }
        };
        let constraints = optional_text(params, "Constraints")?.unwrap_or_default();
        let value = value_of(params, &constraints)?;
        let key = (region.to_owned(), secret, name.clone());
        if self.store.parameters.contains_key(&key) {
            return Err(ApiError::new(
                400,
                "EntityAlreadyExists.Parameter",
                format!("The parameter {name} already exists."),
            ));
        }
        if self.store.parameters.len() >= MAX_PARAMETERS {
            return Err(ApiError::new(
                400,
                "QuotaExceeded.Parameter",
                format!("There are {MAX_PARAMETERS} parameters; delete some first."),
            ));
        }
        let now = host.now();
        let parameter = Parameter {
            id: host.fresh_id("p-"),
            secret,
            kind: kind.to_owned(),
            description: description(params)?.unwrap_or_default(),
            constraints,
            key_id: optional_text(params, "KeyId")?.unwrap_or_default(),
            resource_group: optional_text(params, "ResourceGroupId")?.unwrap_or_default(),
            tags: tags(params)?.unwrap_or_default(),
            created: now,
            created_by: caller.principal.clone(),
            versions: vec![Stored {
                value: value.clone(),
                updated: now,
                updated_by: caller.principal.clone(),
            }],
        };
        let shown = parameter.show(&name, None, None);
        self.store.parameters.insert(key, parameter);
        self.keep_secret(host, secret, value);
        Ok(json!({ "Parameter": shown }))
    }

    fn keep_secret(&mut self, host: &mut dyn Host, secret: bool, value: String) {
        if secret {
            host.keep_secret(&value);
            self.store.secrets.insert(value);
        }
    }

    fn update_parameter(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "Name")?;
        let key = (region.to_owned(), secret, name.clone());
        let parameter = self
            .store
            .parameters
            .get_mut(&key)
            .ok_or_else(|| not_there(&name))?;
        let value = match optional_text(params, "Value")? {
            None => None,
            Some(_) => Some(value_of(params, &parameter.constraints)?),
        };
        if value.is_some() && parameter.versions.len() >= MAX_VERSIONS {
            let reason = format!("the parameter has {MAX_VERSIONS} versions; delete it first");
            return Err(bad_parameter("Value", &reason));
        }
        let (description, tags) = (description(params)?, tags(params)?);
        let group = optional_text(params, "ResourceGroupId")?;
        if let Some(description) = description {
            parameter.description = description;
        }
        if let Some(tags) = tags {
            parameter.tags = tags;
        }
        if let Some(group) = group {
            parameter.resource_group = group;
        }
        let (updated, updated_by) = (host.now(), caller.principal.clone());
        match &value {
            Some(value) => parameter.versions.push(Stored {
                value: value.clone(),
                updated,
                updated_by,
            }),
            None => {
                if let Some(last) = parameter.versions.last_mut() {
                    (last.updated, last.updated_by) = (updated, updated_by);
                }
            }
        }
        let shown = parameter.show(&name, None, None);
        if let Some(value) = value {
            self.keep_secret(host, secret, value);
        }
        Ok(json!({ "Parameter": shown }))
    }

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

    fn get_parameter(
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

    fn get_parameters(
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

    fn list_parameters(
        &self,
        region: &str,
        secret: bool,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let part = optional_text(params, "Name")?;
        let kind = optional_text(params, "Type")?;
        let group = optional_text(params, "ResourceGroupId")?;
        let share = optional_text(params, "ShareType")?;
        let path = optional_text(params, "Path")?;
        let recursive = flag(params, "Recursive")?;
        let tags = tags(params)?;
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
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "Parameters": shown, "MaxResults": page.size, "NextToken": next,
            "TotalCount": rows.len(),
        }))
    }

    fn list_versions(
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

    fn by_path(&self, region: &str, secret: bool, params: &Params) -> Result<Value, ApiError> {
        let path = required_text(params, "Path")?;
        let recursive = flag(params, "Recursive")?;
        let clear = !secret || flag(params, "WithDecryption")?;
        let page = Page::of(params, 1..=100)?;
        let rows: Vec<Value> = self
            .of_region(region, secret)
            .filter(|(name, _)| is_below(name, &path, recursive))
            .filter_map(|(name, parameter)| parameter.show(name, Some(clear), None))
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "Parameters": shown, "MaxResults": page.size, "NextToken": next,
            "TotalCount": rows.len(),
        }))
    }
}

/// Whether a name is in a folder: `/a/b` is in `/a`, and `/a/b/c` is below it.
fn is_below(name: &str, path: &str, recursive: bool) -> bool {
    let path = path.trim_end_matches('/');
    name.strip_prefix(path)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| recursive || !rest.contains('/'))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    if name.len() > MAX_NAME || !name.chars().all(is_word) {
        let form = "must be 1 to 200 letters, digits, hyphens, underscores and slashes";
        return Err(bad_parameter("Name", form));
    }
    let lower = name.trim_start_matches('/').to_ascii_lowercase();
    if ["aliyun", "acs", "alibaba", "alicloud", "oos"]
        .iter()
        .any(|head| lower.starts_with(head))
    {
        let reason = "must not begin with ALIYUN, ACS, ALIBABA, ALICLOUD or OOS";
        return Err(bad_parameter("Name", reason));
    }
    Ok(())
}

fn value_of(params: &Params, constraints: &str) -> Result<String, ApiError> {
    let value = required_text(params, "Value")?;
    if value.chars().count() > MAX_VALUE {
        return Err(bad_parameter("Value", "must be at most 4096 characters"));
    }
    if constraints.trim().is_empty() {
        return Ok(value);
    }
    let refused = |_| bad_parameter("Value", "does not keep to the Constraints");
    let wrong = || bad_parameter("Constraints", "must be a JSON object");
    let rules: Map<String, Value> = serde_json::from_str(constraints).map_err(|_| wrong())?;
    let declaration = Declaration::parse("Value", &Value::Object(rules)).map_err(|_| wrong())?;
    declaration.check("Value", json!(value)).map_err(refused)?;
    Ok(value)
}

fn description(params: &Params) -> Result<Option<String>, ApiError> {
    let text = optional_text(params, "Description")?;
    if text
        .as_ref()
        .is_some_and(|text| text.chars().count() > MAX_NAME)
    {
        return Err(bad_parameter(
            "Description",
            "must be at most 200 characters",
        ));
    }
    Ok(text)
}

fn tags(params: &Params) -> Result<Option<Map<String, Value>>, ApiError> {
    match json_parameter(params, "Tags")? {
        None => Ok(None),
        Some(Value::Object(map)) if map.len() <= 20 => Ok(Some(map)),
        Some(_) => Err(bad_parameter(
            "Tags",
            "must be a JSON object of at most 20 pairs",
        )),
    }
}

fn flag(params: &Params, name: &str) -> Result<bool, ApiError> {
    match optional_text(params, name)?.as_deref() {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(bad_parameter(name, "must be true or false")),
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::new(
        400,
        "MissingParameter",
        format!("{name} is mandatory for this action."),
    )
}

fn not_there(name: &str) -> ApiError {
    ApiError::new(
        404,
        "EntityNotExists.Parameter",
        format!("The specified parameter {name} does not exist."),
    )
}
