//! The parameter store: common parameters (`{{ oos:name }}`) and encrypted ones
//! (`{{ oos-secret:name }}`), with the fields of the OOS API as its SDK (3.7.0) has them.

mod api;
mod reads;

pub(in crate::oos) use api::is_store_action;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cut::cut;
use super::execution::time_text;
use super::host::Host;
use super::members::members;
use super::parameters::keep;
use crate::secrets::{Common, HIDDEN, Kind, SHORT, Secrets, encoded};

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
    secrets: Secrets,
    /// How many of them functions made.
    derived: usize,
    /// Those that the journal does not know of yet.
    untold: Vec<String>,
    /// Values of parameters with `NoEcho`: executions show them, messages do not.
    unsaid: Secrets,
    /// Those of them that the journal does not know of yet.
    unsaid_untold: Vec<String>,
}

/// Most texts that functions may make of encrypted values: each is looked for in whatever is shown.
const MAX_DERIVED: usize = 1_000;

/// Members of answers that hold executions, tasks and lines of logs.
const ROWS: &[&str] = &[
    "Execution",
    "Executions",
    "TaskExecutions",
    "CurrentTasks",
    "ExecutionLogs",
    "Invocations",
];

/// Members of these that no template computes.
const PLAIN: &[&str] = &[
    "AccountId",
    "Category",
    "ExecutedBy",
    "ExecutionId",
    "LoopMode",
    "Mode",
    "ParentExecutionId",
    "ParentTaskExecutionId",
    "ResourceStatus",
    "SafetyCheck",
    "Status",
    "TaskAction",
    "TaskExecutionId",
    "TaskName",
    "TemplateId",
    "TemplateName",
    "TemplateVersion",
    "WaitingStatus",
];

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
        self.secrets.is_in(value)
    }

    /// Notes what was made of an encrypted value, so that it shows nowhere either.
    pub(super) fn add_derived(
        &mut self,
        host: &dyn Host,
        texts: BTreeSet<String>,
    ) -> Result<(), String> {
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
            self.secrets.add(&text, host.meaning(&text));
            self.untold.push(text);
        }
        Ok(())
    }

    /// As `add_derived`, for a value that was read as one of another type.
    pub(super) fn add_converted(
        &mut self,
        host: &dyn Host,
        given: &Value,
        made: &Value,
    ) -> Result<(), String> {
        match given != made && self.is_in(given) {
            true => self.add_derived(host, derived(given, made)),
            false => Ok(()),
        }
    }

    /// Whether what is encrypted in a text is found when the text is shown, so that the rest of it may
    /// show.
    pub(super) fn takes_apart(&self, text: &str) -> bool {
        let mut shown = json!(text);
        self.secrets
            .replace(&mut shown, Common::Each, &|_| HIDDEN.to_owned())
    }

    /// A message as it is kept and answered: without encrypted values, and with long ones cut off.
    pub(super) fn told(&self, message: &str) -> String {
        let mut message = json!(message);
        self.secrets.hide(&mut message, Common::Said);
        self.unsaid.hide(&mut message, Common::Said);
        cut(message.as_str().unwrap_or_default())
    }

    /// Notes the value of a parameter with `NoEcho`.
    pub(super) fn add_unsaid(&mut self, value: &Value) {
        keep(value, &mut |text| {
            if !self.unsaid.contains(text) {
                self.unsaid.add(text, Kind::Rare);
                self.unsaid_untold.push(text.to_owned());
            }
        });
    }

    pub(super) fn take_unsaid(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unsaid_untold)
    }

    pub(super) fn take_untold(&mut self) -> Vec<String> {
        std::mem::take(&mut self.untold)
    }

    /// Takes every encrypted value out of what an answer shows. By some members clients go on: a secret
    /// that is an ordinary word is not meant there.
    pub(super) fn hide(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.hide(value)),
            Value::Object(map) => {
                for (name, value) in map {
                    match name.as_str() {
                        name if ROWS.contains(&name) => self.hide(value),
                        name if PLAIN.contains(&name) => self.secrets.hide(value, Common::Stays),
                        _ => self.secrets.hide(value, Common::Each),
                    }
                }
            }
            value => self.secrets.hide(value, Common::Each),
        }
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
