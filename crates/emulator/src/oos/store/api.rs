//! The API of the parameter store: which actions there are, and those that write.

use serde_json::{Value, json};

use super::{Parameter, Stored};
use crate::error::ApiError;
use crate::oos::engine::Engine;
use crate::oos::host::{Caller, Host};
use crate::oos::members::members;
use crate::oos::parameters::Declaration;
use crate::oos::records::tags;
use crate::oos::request::{bad_parameter, optional_text, required_text};
use crate::oos::template::only;
use crate::params::{Params, exact};
use crate::secrets::Kind;

/// Longest value, in characters, and longest name and description (API reference).
const MAX_VALUE: usize = 4096;
const MAX_NAME: usize = 200;
/// Most parameters of one account, so that a caller in a loop does not fill the memory.
const MAX_PARAMETERS: usize = 10_000;
/// Most versions of one parameter, for the same reason.
const MAX_VERSIONS: usize = 1_000;

/// What a value can be held against (API reference of CreateParameter).
const CONSTRAINTS: &[&str] = &["AllowedValues", "AllowedPattern", "MinLength", "MaxLength"];

/// What the actions of the parameter store do, and to what: each of these to each, secret or not.
const VERBS: [&str; 5] = ["create", "get", "update", "delete", "list"];
const NOUNS: [&str; 4] = [
    "parameter",
    "parameters",
    "parameterversions",
    "parametersbypath",
];

/// Whether an action is one of the parameter store's.
pub(in crate::oos) fn is_store_action(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let nouns = VERBS.iter().filter_map(|verb| action.strip_prefix(verb));
    let mut plain = nouns.map(|noun| noun.strip_prefix("secret").unwrap_or(noun));
    plain.any(|noun| NOUNS.contains(&noun))
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
            key_id: match secret {
                true => optional_text(params, "KeyId")?.unwrap_or_default(),
                false => String::new(),
            },
            resource_group: optional_text(params, "ResourceGroupId")?.unwrap_or_default(),
            tags: tags(params, "Tags")?.unwrap_or_default(),
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
        if !secret {
            return;
        }
        // What a text says that is JSON shows wherever it is read as such: in loops, in outputs of type Json.
        for text in members(&value).into_iter().chain([value]) {
            // An execution is told by its id, which nobody made up.
            let kind = match self.executions.contains_key(&text) {
                true => Kind::Known,
                false => host.meaning(&text),
            };
            host.keep_secret(&text, kind);
            self.store.secrets.add(&text, kind);
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
        let (description, tags) = (description(params)?, tags(params, "Tags")?);
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
    let wrong = |e: String| bad_parameter("Constraints", &e);
    let Value::Object(rules) =
        exact::read(constraints).map_err(|e| wrong(format!("must be a JSON object: {e}")))?
    else {
        return Err(wrong("must be a JSON object".to_owned()));
    };
    only(&rules, &[CONSTRAINTS], "the object").map_err(wrong)?;
    let declaration = Declaration::parse("Value", &Value::Object(rules)).map_err(wrong)?;
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

pub(super) fn flag(params: &Params, name: &str) -> Result<bool, ApiError> {
    match optional_text(params, name)?.as_deref() {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(bad_parameter(name, "must be true or false")),
    }
}

pub(super) fn missing(name: &str) -> ApiError {
    ApiError::new(
        400,
        "MissingParameter",
        format!("{name} is mandatory for this action."),
    )
}

pub(super) fn not_there(name: &str) -> ApiError {
    ApiError::new(
        404,
        "EntityNotExists.Parameter",
        format!("The specified parameter {name} does not exist."),
    )
}
