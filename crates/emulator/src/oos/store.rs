//! The parameter store: common parameters (`{{ oos:name }}`) and encrypted ones
//! (`{{ oos-secret:name }}`), with the fields of the OOS API as its SDK (3.7.0) has them.

mod api;
mod reads;

pub(in crate::oos) use api::is_store_action;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::cut::{CUT, KEPT, cut};
use super::execution::time_text;

/// What stands in place of an encrypted value.
pub(super) const HIDDEN: &str = "******";

/// One value that a parameter had.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    value: String,
    updated: Timestamp,
    updated_by: String,
}

/// A parameter with all its versions, oldest first and counted from 1.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    id: String,
    secret: bool,
    kind: String,
    description: String,
    constraints: String,
    key_id: String,
    resource_group: String,
    tags: Map<String, Value>,
    created: Timestamp,
    created_by: String,
    versions: Vec<Stored>,
}

/// The parameters of an account, by region, kind and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    parameters: BTreeMap<(String, bool, String), Parameter>,
    /// Every encrypted value there ever was, and what functions made of one: none may show.
    secrets: BTreeSet<String>,
    /// How many of them functions made.
    derived: usize,
    /// Those that the journal does not know of yet.
    untold: Vec<String>,
}

/// Most texts that functions may make of encrypted values: each is looked for in whatever is shown.
const MAX_DERIVED: usize = 1_000;

impl Store {
    /// The tags of the ordinary or the encrypted parameters of a region, by name.
    pub(super) fn tagged(&self, region: &str, secret: bool) -> Vec<(&str, &Map<String, Value>)> {
        let of = |key: &(String, bool, String)| key.0 == region && key.1 == secret;
        let all = self.parameters.iter().filter(|(key, _)| of(key));
        all.map(|((_, _, name), p)| (name.as_str(), &p.tags))
            .collect()
    }

    /// The name of a parameter that is named by it, or by its id.
    pub(super) fn named(&self, region: &str, secret: bool, id: &str) -> Option<String> {
        let is_it = |key: &(String, bool, String), parameter: &Parameter| {
            key.0 == region && key.1 == secret && (key.2 == id || parameter.id == id)
        };
        let mut all = self.parameters.iter();
        let found = all.find(|(key, parameter)| is_it(key, parameter));
        found.map(|((_, _, name), _)| name.clone())
    }

    pub(super) fn tags_mut(
        &mut self,
        region: &str,
        secret: bool,
        name: &str,
    ) -> Option<&mut Map<String, Value>> {
        let key = (region.to_owned(), secret, name.to_owned());
        Some(&mut self.parameters.get_mut(&key)?.tags)
    }

    /// The value that a reference stands for: `oos:name` or `oos-secret:name`, each with `:version`
    /// or without. `None` for a reference of another kind.
    pub(super) fn look_up(&self, region: &str, reference: &str) -> Option<Result<Value, String>> {
        let (kind, rest) = reference.split_once(':')?;
        let secret = match kind.trim().to_ascii_lowercase().as_str() {
            "oos" => false,
            "oos-secret" => true,
            _ => return None,
        };
        let (name, version) = match rest.split_once(':') {
            Some((name, version)) => (name.trim(), Some(version.trim())),
            None => (rest.trim(), None),
        };
        Some(self.value(region, secret, name, version))
    }

    fn value(
        &self,
        region: &str,
        secret: bool,
        name: &str,
        version: Option<&str>,
    ) -> Result<Value, String> {
        let what = if secret {
            "secret parameter"
        } else {
            "parameter"
        };
        let key = (region.to_owned(), secret, name.to_owned());
        let parameter = self.parameters.get(&key).ok_or_else(|| {
            format!("there is no {what} {name} in the parameter store of {region}")
        })?;
        let stored = match version {
            None => parameter.versions.last(),
            Some(version) => version
                .parse::<usize>()
                .ok()
                .and_then(|n| parameter.versions.get(n.checked_sub(1)?)),
        };
        stored
            .map(|stored| json!(stored.value))
            .ok_or_else(|| format!("the {what} {name} has no version {}", version.unwrap_or("")))
    }

    /// Whether an encrypted value, or what was made of one, is in a value, also as base64.
    pub(super) fn is_in(&self, value: &Value) -> bool {
        are_in(&self.secrets, value)
    }

    /// Notes what was made of an encrypted value, so that it shows nowhere either.
    pub(super) fn add_derived(&mut self, texts: BTreeSet<String>) -> Result<(), String> {
        // A text may be a list or a structure in JSON, which is then read as one.
        let within: Vec<String> = texts.iter().flat_map(|text| members(text)).collect();
        for text in texts.into_iter().chain(within) {
            if self.secrets.contains(&text) {
                continue;
            }
            if self.derived >= MAX_DERIVED {
                return Err(format!(
                    "more than {MAX_DERIVED} texts were made of encrypted parameters"
                ));
            }
            self.derived += 1;
            self.untold.push(text.clone());
            self.secrets.insert(text);
        }
        Ok(())
    }

    /// As `add_derived`, for a value that was read as one of another type.
    pub(super) fn add_converted(&mut self, given: &Value, made: &Value) -> Result<(), String> {
        match given != made && self.is_in(given) {
            true => self.add_derived(derived(given, made)),
            false => Ok(()),
        }
    }

    /// Whether what is encrypted in a text is found when the text is shown, so that the rest of it may
    /// show.
    pub(super) fn takes_apart(&self, text: &str) -> bool {
        let mut shown = json!(text);
        self.hide(&mut shown);
        shown != json!(text)
    }

    /// A message as it is kept and answered: without encrypted values, and with long ones cut off.
    pub(super) fn told(&self, message: &str) -> String {
        let mut message = json!(message);
        self.hide(&mut message);
        cut(message.as_str().unwrap_or_default())
    }

    pub(super) fn take_untold(&mut self) -> Vec<String> {
        std::mem::take(&mut self.untold)
    }

    /// Takes every encrypted value out of what an answer shows.
    pub(super) fn hide(&self, value: &mut Value) {
        hide(&self.secrets, value);
    }
}

/// Whether one of some texts is in a value, also as base64. A short one only counts as the whole.
pub(super) fn are_in(secrets: &BTreeSet<String>, value: &Value) -> bool {
    if secrets.is_empty() {
        return false;
    }
    let holds = |text: &str| {
        let is_part = |secret: &String| {
            text == secret || (secret.len() >= SHORT && text.contains(secret.as_str()))
        };
        secrets.iter().any(is_part)
    };
    texts(value)
        .iter()
        .any(|text| holds(text) || encoded(text).any(|(_, decoded)| holds(&decoded)))
}

/// All texts in a value, long numbers and names of members included.
fn texts(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => {
                found.insert(text.clone());
            }
            // A short number says too little, and would hide counters.
            Value::Number(number) if number.to_string().len() >= SHORT => {
                found.insert(number.to_string());
            }
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                found.extend(map.keys().cloned());
                open.extend(map.values());
            }
            _ => {}
        }
    }
    found
}

/// The texts and long numbers in a text that is a list or a structure in JSON. Names of members say too little to be hidden, and so
/// does what is short.
pub(super) fn members(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Value> = match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => vec![value],
        _ => return found,
    };
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => open.extend(map.into_iter().map(|(_, value)| value)),
            Value::String(text) => found.extend([text]),
            Value::Number(number) => found.extend([number.to_string()]),
            Value::Bool(_) | Value::Null => {}
        }
    }
    found.retain(|text| text.len() >= SHORT);
    found
}

/// The texts of `made` that were computed from `given`: those that it did not hold already. What says
/// no more than yes or no is not counted.
pub(super) fn derived(given: &Value, made: &Value) -> BTreeSet<String> {
    let known = texts(given);
    let says_nothing = |text: &str| matches!(text, "" | "true" | "false" | "null");
    texts(made)
        .into_iter()
        .filter(|text| !known.contains(text) && !says_nothing(text))
        .collect()
}

/// Replaces whatever of `secrets` is in the texts of a value. A short secret is replaced where it is
/// a whole text, also inside of JSON: anywhere else it would take words apart that are none.
pub(crate) fn hide(secrets: &BTreeSet<String>, value: &mut Value) {
    if secrets.is_empty() {
        return;
    }
    // A part of a value may be among them: it must not take the value apart before the value is found.
    let mut ordered: Vec<&str> = secrets.iter().map(String::as_str).collect();
    ordered.sort_by_key(|secret| Reverse(secret.len()));
    hide_all(&ordered, value);
}

fn hide_all(secrets: &[&str], value: &mut Value) {
    match value {
        Value::String(text) => {
            let json = text.starts_with(['{', '[']).then(|| text.clone());
            for secret in secrets {
                hide_one(secret, text);
            }
            // A number, or a truth, stands there without quotes: clients read the rest of it as JSON.
            if let Some(before) = json
                && *text != before
                && serde_json::from_str::<IgnoredAny>(text).is_err()
                && let Ok(mut parsed) = serde_json::from_str::<Value>(&before)
            {
                hide_all(secrets, &mut parsed);
                *text = parsed.to_string();
            }
            if text.contains(CUT) {
                for secret in secrets {
                    hide_beginning(secret, text);
                }
            }
            hide_encoded(secrets, text);
        }
        Value::Number(number) => {
            let text = number.to_string();
            if text.len() >= SHORT && secrets.contains(&text.as_str()) {
                *value = json!(HIDDEN);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| hide_all(secrets, value)),
        Value::Object(map) => {
            let named = map
                .keys()
                .any(|key| secrets.iter().any(|secret| key.contains(secret)));
            if named {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(mut key, value)| {
                        secrets.iter().for_each(|secret| hide_one(secret, &mut key));
                        (key, value)
                    })
                    .collect();
            }
            map.values_mut().for_each(|value| hide_all(secrets, value));
        }
        _ => {}
    }
}

const SHORT: usize = 4;

/// Messages are cut off once or twice; whoever writes many marks gets no more work done for them.
const MARKS: usize = 16;

fn hide_one(secret: &str, text: &mut String) {
    if text == secret {
        HIDDEN.clone_into(text);
        return;
    }
    // As JSON spells it, once and in a text of JSON inside of another.
    let quoted = json!(secret).to_string();
    let twice = json!(quoted).to_string();
    let twice = &twice[1..twice.len() - 1];
    let hidden_twice = json!(json!(HIDDEN).to_string()).to_string();
    for (from, to) in [
        (twice, &hidden_twice[1..hidden_twice.len() - 1]),
        (quoted.as_str(), json!(HIDDEN).to_string().as_str()),
    ] {
        if text.contains(from) {
            *text = text.replace(from, to);
        }
    }
    if secret.len() >= SHORT {
        for form in [
            twice.trim_matches(['\\', '"']),
            quoted.trim_matches('"'),
            secret,
        ] {
            if !form.is_empty() && text.contains(form) {
                *text = text.replace(form, HIDDEN);
            }
        }
    }
}

/// The same where a text was cut off within the secret: its beginning stands before the mark.
fn hide_beginning(secret: &str, text: &mut String) {
    let quoted = json!(secret).to_string();
    let twice = json!(quoted).to_string();
    let forms = [
        secret,
        quoted[1..quoted.len() - 1].trim_end_matches('"'),
        twice[1..twice.len() - 1].trim_matches(['\\', '"']),
    ];
    // From the end, so that what is replaced moves no mark that is still to come.
    let marks: Vec<usize> = text
        .rmatch_indices(CUT)
        .take(MARKS)
        .map(|(at, _)| at)
        .collect();
    for at in marks {
        let head = &text[..at];
        let beginnings = forms.iter().flat_map(|form| {
            let ends = form
                .char_indices()
                .take(KEPT)
                .map(|(i, c)| i + c.len_utf8());
            ends.map(move |end| &form[..end])
        });
        let shown = beginnings
            .filter(|beginning| beginning.len() >= SHORT && head.ends_with(beginning))
            .map(str::len)
            .max();
        if let Some(shown) = shown {
            text.replace_range(at - shown..at, HIDDEN);
        }
    }
}

/// Whatever of a text is base64 of another one, with that.
fn encoded(text: &str) -> impl Iterator<Item = (&str, String)> {
    let is_of_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let words: BTreeSet<&str> = text
        .split(move |c| !is_of_base64(c))
        .filter(|word| word.len() >= SHORT && word.len().is_multiple_of(4))
        .collect();
    words.into_iter().filter_map(|word| {
        let decoded = String::from_utf8(STANDARD.decode(word).ok()?).ok()?;
        Some((word, decoded))
    })
}

/// The same in whatever of a text is base64 of another, as commands, files and user data travel.
fn hide_encoded(secrets: &[&str], text: &mut String) {
    let hidden: Vec<(String, String)> = encoded(text)
        .filter_map(|(word, decoded)| Some((word.to_owned(), hide_decoded(secrets, decoded)?)))
        .collect();
    for (word, hidden) in hidden {
        *text = text.replace(&word, &hidden);
    }
}

fn hide_decoded(secrets: &[&str], mut decoded: String) -> Option<String> {
    let before = decoded.clone();
    for secret in secrets {
        hide_one(secret, &mut decoded);
    }
    (decoded != before).then(|| STANDARD.encode(decoded))
}

impl Parameter {
    fn show(&self, name: &str, with_value: Option<bool>, version: Option<usize>) -> Option<Value> {
        let number = version.unwrap_or(self.versions.len());
        let stored = self.versions.get(number.checked_sub(1)?)?;
        let mut shown = json!({
            "Id": self.id, "Name": name, "Type": self.kind, "Description": self.description,
            "Constraints": self.constraints, "ParameterVersion": number,
            "ResourceGroupId": self.resource_group, "ShareType": "Private", "Tags": self.tags,
            "CreatedBy": self.created_by, "CreatedDate": time_text(self.created),
            "UpdatedBy": stored.updated_by, "UpdatedDate": time_text(stored.updated),
        });
        if self.secret {
            shown["KeyId"] = json!(self.key_id);
        }
        if let Some(clear) = with_value {
            shown["Value"] = json!(if clear { &stored.value } else { HIDDEN });
        }
        Some(shown)
    }
}
