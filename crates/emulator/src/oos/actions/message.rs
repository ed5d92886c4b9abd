//! `ACS::Notify`: what it would send goes into the journal. Nothing leaves the machine.

use serde_json::{Map, Value};

use super::Outcome;
use crate::oos::engine::Engine;
use crate::oos::host::Host;
use crate::oos::tokens::is_telling;

/// What stands in place of a password or token.
const HIDDEN: &str = "***";

impl Engine {
    pub(super) fn notify(&mut self, host: &mut dyn Host, id: &str, properties: &Value) -> Outcome {
        let kind = properties
            .get("NotifyType")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // The properties of each type, and those that it needs (OOS help on ACS::Notify).
        let (section, needed): (&str, &[&str]) = match kind.to_ascii_lowercase().as_str() {
            "webhook" => ("WebHook", &["URI", "Content"]),
            "mail" => ("Mail", &["Host", "Receivers"]),
            "sms" => ("SMS", &[]),
            _ => return Outcome::Failed("NotifyType must be WebHook, Mail or SMS".to_owned()),
        };
        let Some(Value::Object(message)) = properties.get(section) else {
            return Outcome::Failed(format!("{section} is missing or not an object"));
        };
        let is_missing = |name: &&&str| {
            !message
                .iter()
                .any(|(own, value)| own.eq_ignore_ascii_case(name) && !value.is_null())
        };
        if let Some(name) = needed.iter().find(is_missing) {
            return Outcome::Failed(format!("{section} needs {name}"));
        }
        let Value::Object(mut shown) = properties.clone() else {
            return Outcome::Failed("Properties is not an object".to_owned());
        };
        shown.values_mut().for_each(without_secrets);
        let execution = &self.executions[id];
        host.notified(&execution.acting, &execution.region, &shown);
        Outcome::Done(Value::Object(Map::new()))
    }
}

/// An address without the name and the password before its host.
fn without_user(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{HIDDEN}{}", &rest[at..]),
        None => address.to_owned(),
    }
}

/// Passwords, and what an address carries behind its `?`: the token of a webhook.
fn without_secrets(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let is_secret = is_telling(name);
                let name = name.to_ascii_lowercase();
                match value {
                    Value::String(text) if is_secret => HIDDEN.clone_into(text),
                    Value::String(text) if matches!(name.as_str(), "uri" | "url") => {
                        if let Some((address, _)) = text.split_once('?') {
                            *text = format!("{address}?{HIDDEN}");
                        }
                        *text = without_user(text);
                    }
                    other => without_secrets(other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_secrets),
        _ => {}
    }
}
