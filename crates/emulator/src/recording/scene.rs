//! What a recording starts from: the fixture without its secrets, and templates from outside.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::plain;
use crate::fixture::{self, Fixture, FixtureError};
use crate::oos::tokens;
use crate::secrets::{Common, Kind, Secrets, without_tokens};
use crate::state::journal::{MASKED, given_secrets, is_secret};
use crate::state::recorder;

/// What stands for secrets that no call has as a parameter.
pub(super) const STAND_IN: &str = "secret-of-the-recording";

/// What is given for the secret of this number: another for each.
pub(super) fn stand_in(number: usize) -> String {
    format!("{STAND_IN}-{number}")
}

/// A template or action that every account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// `ACS::ECS::MyAction`.
    pub name: String,
    /// As it was read.
    pub content: String,
}

/// Where a recording starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scene {
    /// SHA-256 of the file, in hexadecimal digits.
    pub fixture_digest: String,
    /// The fixture with what was given at the start in its place, without secrets.
    pub fixture: Value,
    /// How scalars of it were spelled, by their places, where a field may read another text in the
    /// value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plain: BTreeMap<String, String>,
    /// Those of `--actions`.
    #[serde(default)]
    pub templates: Vec<Template>,
}

impl Scene {
    /// The scene of a fixture's text. `made` is what was made of it: its start, clock and switches
    /// count.
    ///
    /// # Errors
    /// When the text is no fixture.
    pub fn new(text: &str, made: &Fixture, start: Timestamp) -> Result<Self, FixtureError> {
        let mut own: Value = fixture::read(text)?;
        let given = own.clone();
        let mut plain = plain::of(text, &given);
        hide(&mut own);
        own["startTime"] = json!(start);
        own["clockScale"] = json!(made.clock_scale);
        own["switches"] = json!(made.switches);
        // Of a secret, and of what was given at the start, nothing is kept.
        plain.retain(|place, _| own.pointer(place) == given.pointer(place));
        Ok(Self {
            fixture_digest: digest(text),
            fixture: own,
            plain,
            templates: Vec::new(),
        })
    }
}

impl Scene {
    /// As it is written: without what templates have that is no matter of everybody.
    pub(super) fn shown(&self) -> Self {
        let mut shown = self.clone();
        for template in &mut shown.templates {
            let mut content = Value::String(std::mem::take(&mut template.content));
            without_tokens_of_messages(&mut content);
            template.content = content.as_str().unwrap_or_default().to_owned();
        }
        shown
    }
}

/// Takes tokens in addresses, and passwords and headers of messages, out of the text of a template.
fn without_tokens_of_messages(content: &mut Value) {
    let mut secrets = Secrets::default();
    for token in content.as_str().map(tokens).unwrap_or_default() {
        secrets.add(&token, Kind::Rare);
    }
    without_tokens(content);
    secrets.replace(content, Common::Stays, &|_| MASKED.to_owned());
}

/// By which a fixture is told from another.
pub(crate) fn digest(text: &str) -> String {
    recorder::digest(text.as_bytes())
}

/// Takes secrets out of a fixture: of AccessKeys, of temporary credentials, of OIDC providers and of calls
/// that its events make. Those that calls have are numbered in their order, as the recorder does.
fn hide(fixture: &mut Value) {
    let mut tokens = BTreeSet::new();
    for provider in list(fixture, "oidcProviders") {
        let own = list(provider, "tokens");
        tokens.extend(own.filter_map(|token| token["token"].as_str().map(str::to_owned)));
    }
    for call in calls(fixture) {
        if let (Some(action), Some(params)) = (call["action"].as_str(), call["params"].as_object())
        {
            tokens.extend(given_secrets(action, params));
        }
    }
    for principal in list(fixture, "principals") {
        for name in ["accessKeySecret", "securityToken"] {
            replace(principal, name);
        }
    }
    for provider in list(fixture, "oidcProviders") {
        for token in list(provider, "tokens") {
            let nth = tokens.iter().position(|known| token["token"] == **known);
            if let Some(nth) = nth {
                token["token"] = json!(stand_in(nth + 1));
            }
        }
    }
    let number = |secret: &str| tokens.iter().position(|known| known == secret);
    for call in calls(fixture) {
        let action = call["action"].as_str().unwrap_or_default().to_owned();
        let Some(params) = call.get_mut("params").and_then(Value::as_object_mut) else {
            continue;
        };
        let given = params.clone();
        for (name, value) in params {
            match is_secret(&action, name, &given) {
                true => replace_all(value, &number),
                false => without_tokens_of_messages(value),
            }
        }
    }
}

/// The calls that events of a fixture make.
fn calls(fixture: &mut Value) -> impl Iterator<Item = &mut Value> {
    list(fixture, "events").filter_map(|event| event.get_mut("do")?.get_mut("call"))
}

/// Puts the stand-in of each secret for it.
fn replace_all(value: &mut Value, number: &dyn Fn(&str) -> Option<usize>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => {
            *text = number(text).map_or_else(|| STAND_IN.to_owned(), |nth| stand_in(nth + 1));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| replace_all(value, number)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|value| replace_all(value, number)),
        other => *other = json!(STAND_IN),
    }
}

fn list<'a>(of: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    of.get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

fn replace(of: &mut Value, name: &str) {
    if let Some(value) = of.get_mut(name) {
        *value = json!(STAND_IN);
    }
}
