//! Scripts, wherever their text is: in the spec, in a ConfigMap, or on record with the intent to start.
//!
//! A ConfigMap is looked at until the start. Then the text is fixed: it goes on record with the
//! intent, so that a call that has to be sent again is the same call, and its hash stays. OOS is given
//! the rollback script too, so nothing is lost with the ConfigMap.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::v1alpha1::{
    ConfigMapKeyRef, RollingUpdateTaskSpec, RollingUpdateTaskStatus, ScriptHashes, ScriptSource,
    ScriptTexts, ScriptUpdate,
};

use crate::identity::{self, hash_text};
use crate::task::ask::ConfigMap;
use crate::task::observation::{Fact, Observation, both};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// The most bytes of a script: what Cloud Assistant takes (24 KB once Base64-encoded), with room.
const SCRIPT_MAX: usize = 16 * 1024;

/// What was found of the ConfigMaps that a spec names, by their names.
pub(super) type Texts<'a> = BTreeMap<&'a str, &'a ConfigMap>;

/// Asks for the ConfigMaps that a spec names: for none once the start is on record.
pub(super) fn texts<'a>(
    observation: &'a Observation,
    namespace: &str,
    spec: &'a RollingUpdateTaskSpec,
    status: Option<&RollingUpdateTaskStatus>,
) -> Fact<Texts<'a>> {
    let begun =
        status.is_some_and(|s| s.start.is_some() || s.execution.is_some() || s.result.is_some());
    let script = spec.update.script.iter().filter(|_| !begun);
    let keys = script.flat_map(keys).filter(|key| is_name(&key.name));
    let names: BTreeSet<&str> = keys.map(|key| key.name.as_str()).collect();
    let told = Ok(Texts::new());
    names.into_iter().fold(told, |told, name| {
        let (mut texts, found) = both(told, observation.config_map(namespace, name))?;
        texts.insert(name, found);
        Ok(texts)
    })
}

/// The text under a key, if it is there.
fn text_of<'a>(texts: &Texts<'a>, key: &ConfigMapKeyRef) -> Option<&'a String> {
    match texts.get(key.name.as_str()) {
        Some(ConfigMap::Data(data)) => data.get(&key.key),
        _ => None,
    }
}

/// Whether an object can have this name. It becomes part of a path: with a `/` in it another object
/// would be read, a Secret for one.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    !name.contains("..") && name.chars().all(plain)
}

fn keys(script: &ScriptUpdate) -> impl Iterator<Item = &ConfigMapKeyRef> {
    let sources = std::iter::once(&script.run).chain(&script.rollback);
    sources.filter_map(|source| source.config_map_key_ref.as_ref())
}

/// Whether a text of the spec is in a ConfigMap.
pub(super) fn from_config_maps(spec: &RollingUpdateTaskSpec) -> bool {
    let script = spec.update.script.as_ref();
    script.is_some_and(|script| keys(script).next().is_some())
}

/// The scripts of an update, each with its text or with what stands against it.
pub(super) struct Scripts<'a> {
    update: &'a ScriptUpdate,
    run: Result<&'a str, Problem>,
    rollback: Option<Result<&'a str, Problem>>,
}

impl<'a> Scripts<'a> {
    /// `name_of` gives the name by which people know a field of the update.
    pub(super) fn of(
        update: &'a ScriptUpdate,
        status: Option<&'a RollingUpdateTaskStatus>,
        texts: &Texts<'a>,
        name_of: impl Fn(&str) -> String,
    ) -> Self {
        let frozen = status.and_then(|s| s.start.as_ref()?.scripts.as_ref());
        let run = frozen.and_then(|frozen| frozen.run.as_deref());
        let rollback = frozen.and_then(|frozen| frozen.rollback.as_deref());
        let of_rollback = |source| text(&name_of("rollback"), source, rollback, texts);
        Self {
            update,
            run: text(&name_of("run"), &update.run, run, texts),
            rollback: update.rollback.as_ref().map(of_rollback),
        }
    }

    /// The script to run; empty where there is none.
    pub(super) fn run(&self) -> &'a str {
        self.run.as_ref().copied().unwrap_or_default()
    }

    /// The script that undoes it; empty where there is none.
    pub(super) fn rollback(&self) -> &'a str {
        let text = self.rollback.as_ref().and_then(|text| text.as_ref().ok());
        text.copied().unwrap_or_default()
    }

    /// What stands against a script that is in the spec, or in a ConfigMap.
    pub(super) fn problem(&self, in_config_map: bool) -> Option<&Problem> {
        let rollback = self.update.rollback.as_ref().zip(self.rollback.as_ref());
        let all = std::iter::once((&self.update.run, &self.run)).chain(rollback);
        all.filter(|(source, _)| source.config_map_key_ref.is_some() == in_config_map)
            .find_map(|(_, text)| text.as_ref().err())
    }

    /// What is shown of them.
    pub(super) fn hashes(&self) -> ScriptHashes {
        ScriptHashes {
            run: hash_text(self.run()),
            rollback: self.rollback.as_ref().map(|_| hash_text(self.rollback())),
        }
    }

    /// What is to be put on record with the intent to start. `None`: all of it is in the spec.
    pub(super) fn frozen(&self) -> Option<ScriptTexts> {
        let taken = |source: &ScriptSource, text: &str| {
            source.config_map_key_ref.as_ref().map(|_| text.to_owned())
        };
        let rollback = self.update.rollback.as_ref();
        let frozen = ScriptTexts {
            run: taken(&self.update.run, self.run()),
            rollback: rollback.and_then(|source| taken(source, self.rollback())),
        };
        (frozen != ScriptTexts::default()).then_some(frozen)
    }
}

/// The text of a script, once nothing stands against it.
fn text<'a>(
    path: &str,
    source: &'a ScriptSource,
    frozen: Option<&'a str>,
    texts: &Texts<'a>,
) -> Result<&'a str, Problem> {
    let Some(key) = &source.config_map_key_ref else {
        let text = source.inline.as_deref().unwrap_or_default();
        return check(text, path).map(|()| text);
    };
    if let Some(text) = frozen {
        return Ok(text);
    }
    if let Some(text) = text_of(texts, key) {
        let place = format!("{path}: key {} of ConfigMap {}", key.key, key.name);
        return check(text, &place).map(|()| text.as_str());
    }
    let (name, key) = (&key.name, &key.key);
    let (reason, what) = match texts.get(name.as_str()) {
        Some(ConfigMap::Data(_)) => (
            Reason::ConfigMapKeyNotFound,
            format!("ConfigMap {name} has no key {key} under data: put the script there"),
        ),
        Some(ConfigMap::Refused(why)) => (
            Reason::ConfigMapAccessDenied,
            format!(
                "the operator may not read ConfigMap {name}: let its role get configmaps in this namespace ({why})"
            ),
        ),
        Some(ConfigMap::Missing) | None => {
            let message = format!(
                "{path}.configMapKeyRef: there is no ConfigMap {name} in this namespace: create it with the script under the key {key}"
            );
            return Err(Problem::wait(Reason::ConfigMapNotFound, message));
        }
    };
    let message = format!("{path}.configMapKeyRef: {what}");
    Err(Problem::blocked(reason, message))
}

/// What Cloud Assistant or OOS would make of the text, said before anything is touched.
fn check(text: &str, place: &str) -> Result<(), Problem> {
    let (reason, what) = if text.trim().is_empty() {
        let what = "is empty: there would be nothing to run";
        (Reason::ScriptEmpty, what.to_owned())
    } else if text.len() > SCRIPT_MAX {
        let what = format!(
            "has {} bytes, and Cloud Assistant takes {SCRIPT_MAX}: have it download the rest",
            text.len()
        );
        (Reason::ScriptTooLarge, what)
    } else if text.contains("{{") {
        let what = "contains {{, which OOS would read as a reference to a template parameter: build that text in the script";
        (Reason::ScriptAmbiguous, what.to_owned())
    } else {
        return Ok(());
    };
    Err(Problem::blocked(reason, format!("{place} {what}")))
}

/// The hash of what a task does: with the text of its scripts rather than where that is kept, so that
/// a run key stands for what ran. Once the start is on record it is the one there.
pub(super) fn spec_hash(
    spec: &RollingUpdateTaskSpec,
    status: Option<&RollingUpdateTaskStatus>,
    texts: &Texts<'_>,
    written: &str,
) -> String {
    if !from_config_maps(spec) {
        return written.to_owned();
    }
    if let Some(start) = status.and_then(|status| status.start.as_ref()) {
        return start.spec_hash.clone();
    }
    let mut spec = spec.clone();
    let script = spec.update.script.iter_mut();
    let sources = script.flat_map(|s| std::iter::once(&mut s.run).chain(&mut s.rollback));
    for source in sources {
        let key = source.config_map_key_ref.as_ref();
        if let Some(text) = key.and_then(|key| text_of(texts, key)) {
            *source = ScriptSource {
                inline: Some(text.clone()),
                config_map_key_ref: None,
            };
        }
    }
    identity::spec_hash(&spec)
}
