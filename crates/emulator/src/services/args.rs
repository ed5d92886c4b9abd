//! Reading the parameters of a call, with the errors that the services give for bad ones.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ApiError;
use crate::params::{self, Params};
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

/// The name of a list in the plural, as templates and the 2022 version of ESS have it.
pub fn plural(singular: &str) -> String {
    let of_key = |stem: &&str| !stem.ends_with(['a', 'e', 'i', 'o', 'u']);
    if let Some(stem) = singular.strip_suffix('y').filter(of_key) {
        return format!("{stem}ies");
    }
    let ending = if singular.ends_with("ss") { "es" } else { "s" };
    format!("{singular}{ending}")
}

fn no_word(name: &str, known: &[&str]) -> ApiError {
    invalid(name, &format!("it must be one of {}", known.join(", ")))
}

/// `Err` for a word that is none of those that the API has for a parameter.
pub(super) fn check_word(name: &str, word: &str, known: &[&str]) -> Result<(), ApiError> {
    match known.contains(&word) {
        true => Ok(()),
        false => Err(no_word(name, known)),
    }
}

/// A flag that was given: `true` or `false` on the wire, in any case of letters (Python writes `True`);
/// a template may give the value that it spells. Empty counts as absent.
pub(super) fn flag_of(name: &str, value: &Value) -> Result<Option<bool>, ApiError> {
    match scalar(value).map(|t| t.to_ascii_lowercase()).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(invalid(name, "it must be true or false")),
    }
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
    .filter(|text| !text.is_empty())
}

/// Whether something has all of these tags. A tag without a value asks for the key alone.
pub fn has_tags(own: &BTreeMap<String, String>, wanted: &[(String, Option<String>)]) -> bool {
    wanted.iter().all(|(key, value)| {
        let own = own.get(key);
        own.is_some_and(|own| value.as_ref().is_none_or(|value| value == own))
    })
}

/// A member of a structure: by its own name first, then whatever its case.
pub(super) fn member<'v>(item: &'v Value, name: &str) -> Option<&'v Value> {
    let members = item.as_object()?;
    members.get(name).or_else(|| {
        let mut all = members.iter();
        all.find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

impl<'a> Args<'a> {
    pub fn new(params: &'a Params, version: EssVersion) -> Self {
        Self { params, version }
    }

    /// The value of `Name` or, for members of a structure, `Name.Member`.
    fn get(&self, name: &str) -> Option<&'a Value> {
        params::read(format_args!("{name}"));
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

    /// `true` or `false`: `None` when absent.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            Some(value) => flag_of(name, value),
            None => Ok(None),
        }
    }

    /// One of the words that the API has for a parameter. Whether the services refuse others or
    /// find nothing by them is not documented for each: a word that is misspelt is refused.
    pub fn word(&self, name: &str, known: &[&str]) -> Result<Option<String>, ApiError> {
        let Some(word) = self.text(name) else {
            return Ok(None);
        };
        check_word(name, &word, known).map(|()| Some(word))
    }

    /// As `word` in any case of letters; gives it as the API spells it.
    pub fn word_in_any_case(
        &self,
        name: &str,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, ApiError> {
        let Some(word) = self.text(name) else {
            return Ok(None);
        };
        let mut all = known.iter();
        let found = all.find(|known| known.eq_ignore_ascii_case(&word));
        found.copied().map(Some).ok_or_else(|| no_word(name, known))
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

    /// A number that is not negative.
    pub fn decimal(&self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse::<f64>()
            .ok()
            .filter(|n| n.is_finite() && *n >= 0.0)
            .map(Some)
            .ok_or_else(|| invalid(name, "it must be a number that is not negative"))
    }

    /// `Name.1`, `Name.2`, ...: `None` when absent or empty.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        params::read(format_args!("{name}.N"));
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
            EssVersion::V2022 => plural(singular),
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
        params::read_json(name);
        let parsed: Vec<String> = match self.params.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        Err(invalid(name, "it must be a JSON array of texts"))
                    }
                    item => Ok(scalar(item)),
                })
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?,
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

    /// What travels as JSON in one text; templates give the value that it spells.
    pub fn json(&self, name: &str) -> Result<Option<Value>, ApiError> {
        params::read_json(name);
        match self.params.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => params::exact::read(text)
                .map(Some)
                .map_err(|e| invalid(name, &format!("it must be JSON: {e}"))),
            Some(other) => Ok(Some(other.clone())),
        }
    }

    /// `Name.N.Member`: a list of structures; empty when absent.
    pub fn structures(&self, name: &str) -> &'a [Value] {
        params::read(format_args!("{name}.N"));
        self.params
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// `Tag.N.Key` and `Tag.N.Value`. The members are found in either case, because older clients
    /// send `Tag.1.key`.
    pub fn pairs(&self, name: &str, key: &str, value: &str) -> Vec<(String, Option<String>)> {
        params::read(format_args!("{name}.N.{key}"));
        params::read(format_args!("{name}.N.{value}"));
        let Some(items) = self.params.get(name).and_then(Value::as_array) else {
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| {
                let key = member(item, key).and_then(scalar)?;
                Some((key, member(item, value).and_then(scalar)))
            })
            .collect()
    }

    /// The tags of an ESS call: `Tag.N` in 2014, `Tags.N` in 2022.
    pub fn ess_tags(&self) -> Vec<(String, Option<String>)> {
        self.pairs(&self.ess_list_name("Tag"), "Key", "Value")
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
