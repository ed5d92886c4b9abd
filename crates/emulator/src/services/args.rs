//! Reading the parameters of a call, with the errors that the services give for bad ones.

use serde_json::Value;

use crate::error::ApiError;
use crate::params::Params;
use crate::state::call::EssVersion;

/// The parameters of one call. Names are case-sensitive, and names that no one asks for are
/// ignored, as the services do.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    params: &'a Params,
    version: EssVersion,
}

pub fn missing(name: &str) -> ApiError {
    ApiError::new(
        400,
        "MissingParameter",
        format!(
            "The input parameter \"{name}\" that is mandatory for processing this request is not supplied."
        ),
    )
}

pub fn invalid(name: &str, why: &str) -> ApiError {
    ApiError::new(
        400,
        "InvalidParameter",
        format!("The specified value of parameter \"{name}\" is not valid: {why}."),
    )
}

/// The error of every service for an action that it does not have.
pub fn unknown_action(action: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidAction.NotFound",
        format!("Specified api is not found, please check your url and method: {action}."),
    )
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
    .filter(|text| !text.is_empty())
}

impl<'a> Args<'a> {
    pub fn new(params: &'a Params, version: EssVersion) -> Self {
        Self { params, version }
    }

    /// The value of `Name` or, for members of a structure, `Name.Member`.
    fn get(&self, name: &str) -> Option<&'a Value> {
        let mut path = name.split('.');
        let first = self.params.get(path.next()?)?;
        path.try_fold(first, |value, member| value.get(member))
    }

    /// A text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(scalar)
    }

    pub fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| missing(name))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name).map(|t| t.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name, "it must be true or false")),
        }
    }

    /// A whole number within bounds (both included).
    pub fn number(&self, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .ok()
            .filter(|n| (low..=high).contains(n))
            .map(Some)
            .ok_or_else(|| invalid(name, &format!("it must be a number from {low} to {high}")))
    }

    /// `Name.1`, `Name.2`, ...: `None` when absent or empty.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let items = self.params.get(name)?.as_array()?;
        let texts: Vec<String> = items.iter().filter_map(scalar).collect();
        (!texts.is_empty()).then_some(texts)
    }

    /// A list of at most `most` items, for which 400 is answered when there are more.
    pub fn list_up_to(&self, name: &str, most: usize) -> Result<Option<Vec<String>>, ApiError> {
        match self.list(name) {
            Some(items) if items.len() > most => {
                Err(invalid(name, &format!("at most {most} items are allowed")))
            }
            other => Ok(other),
        }
    }

    /// The ESS name of a list parameter in the version of the call: `InstanceId` or `InstanceIds`.
    pub fn ess_list_name(&self, singular: &str) -> String {
        match self.version {
            EssVersion::V2014 => singular.to_owned(),
            EssVersion::V2022 => super::parameters::plural(singular),
        }
    }

    /// An ESS list filter; absent in the other version's spelling.
    pub fn ess_list(&self, singular: &str, most: usize) -> Result<Option<Vec<String>>, ApiError> {
        self.list_up_to(&self.ess_list_name(singular), most)
    }

    /// An ESS list that must not be empty.
    pub fn ess_list_required(&self, singular: &str, most: usize) -> Result<Vec<String>, ApiError> {
        self.ess_list(singular, most)?
            .ok_or_else(|| missing(&self.ess_list_name(singular)))
    }

    /// A list that travels as a JSON array in one text (`InstanceIds` of ECS). Templates give it
    /// as an array.
    pub fn json_list(&self, name: &str, most: usize) -> Result<Option<Vec<String>>, ApiError> {
        let parsed: Vec<String> = match self.params.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map_err(|_| invalid(name, "it must be a JSON array of texts"))?,
            Some(_) => return Err(invalid(name, "it must be a JSON array of texts")),
        };
        if parsed.len() > most {
            return Err(invalid(name, &format!("at most {most} items are allowed")));
        }
        Ok(Some(parsed))
    }

    /// `Name.N.Member`: a list of structures; empty when absent.
    pub fn structures(&self, name: &str) -> &'a [Value] {
        self.params
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// `Tag.N.Key` and `Tag.N.Value`; 2022 spells `Tags.N`.
    pub fn pairs(&self, name: &str, key: &str, value: &str) -> Vec<(String, Option<String>)> {
        let Some(items) = self.params.get(name).and_then(Value::as_array) else {
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| {
                let key = item.get(key).and_then(scalar)?;
                Some((key, item.get(value).and_then(scalar)))
            })
            .collect()
    }

    /// `PageNumber` and `PageSize` with the API's own maximum and default.
    pub fn page(&self, default: usize, most: usize) -> Result<Page, ApiError> {
        let number = self
            .number("PageNumber", 1, i64::from(i32::MAX))?
            .unwrap_or(1);
        let size = self.number("PageSize", 1, i64::try_from(most).unwrap_or(i64::MAX))?;
        Ok(Page {
            number: usize::try_from(number).unwrap_or(1),
            size: size
                .and_then(|s| usize::try_from(s).ok())
                .unwrap_or(default),
        })
    }
}

/// One page of a numbered listing.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub number: usize,
    pub size: usize,
}

impl Page {
    pub fn cut<T>(self, items: Vec<T>) -> Vec<T> {
        let skip = self.size.saturating_mul(self.number.saturating_sub(1));
        items.into_iter().skip(skip).take(self.size).collect()
    }
}
