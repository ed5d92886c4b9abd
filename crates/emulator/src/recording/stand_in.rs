//! What is given for secrets when calls are made again: a recording has none of them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fancy_regex::RegexBuilder;
use serde_json::{Map, Value};

use super::format::Recorded;
use super::scene::{STAND_IN, stand_in};
use crate::params::Params;
use crate::secrets::encoded;
use crate::state::call::Service;
use crate::state::journal::{Entry, MASKED, is_secret};

/// More than any secret parameter may have.
const TOO_LONG: usize = 30_000;

/// No more of a pattern's steps are gone through.
const MAX_STEPS: usize = 10_000;

/// By account, region and name of an encrypted parameter.
type Key = (String, String, String);

/// Gives stand-ins, call by call.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    /// What secrets have got whose usual stand-in would not keep to their constraints, by that one.
    others: BTreeMap<String, String>,
    /// What the values of encrypted parameters must keep to.
    constraints: BTreeMap<Key, Map<String, Value>>,
}

impl StandIns {
    /// The parameters of a call with stand-ins, and whether there are any. `word` gives a word by its
    /// digest.
    pub(super) fn give(
        &mut self,
        recorded: &Recorded,
        word: impl Fn(&str) -> Option<String>,
    ) -> (Params, bool) {
        let entry = &recorded.call;
        let is_parameter = entry.action.contains("SecretParameter");
        let rules = match is_parameter {
            true => self.rules(entry),
            false => Map::new(),
        };
        let mut masked = false;
        let mut params = entry.params.clone();
        for (name, value) in &mut params {
            if !is_secret(&entry.action, name, &entry.params) {
                masked |= self.put(value);
                continue;
            }
            let number = recorded.aside.secrets.get(name).copied();
            let digest = recorded.aside.words.get(name);
            let own = match (digest.and_then(|digest| word(digest)), number) {
                (Some(word), _) => word,
                _ if was_malformed(entry, name) => malformed(entry),
                (None, Some(number)) => fitting(&rules, &stand_in(number)),
                (None, None) => fitting(&rules, STAND_IN),
            };
            masked |= unmask(value, &own);
            let usual = number.map(stand_in);
            if let Some(usual) = usual.filter(|usual| entry.code == "OK" && *usual != own) {
                self.others.insert(usual, own);
            }
        }
        (params, masked)
    }

    /// Puts what secrets have got where a recording has their usual stand-ins, in base64 as well. Gives
    /// whether there are any.
    fn put(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => {
                let mut any = text.contains(STAND_IN);
                let mut put = self.instead(text);
                let words: Vec<(String, String)> = encoded(&put)
                    .filter(|(_, decoded)| decoded.contains(STAND_IN))
                    .map(|(word, decoded)| (word.to_owned(), self.instead(&decoded)))
                    .collect();
                for (word, decoded) in words {
                    any = true;
                    put = put.replace(&word, &STANDARD.encode(decoded));
                }
                *text = put;
                any
            }
            // All of them: `|` goes on where `||` would not.
            Value::Array(items) => items.iter_mut().fold(false, |any, v| self.put(v) | any),
            Value::Object(members) => members.values_mut().fold(false, |any, v| self.put(v) | any),
            _ => false,
        }
    }

    fn instead(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (usual, own) in &self.others {
            // The first is the beginning of the tenth.
            let ends: Vec<usize> = (out.match_indices(usual.as_str()))
                .filter(|(at, _)| {
                    !out[at + usual.len()..].starts_with(|c: char| c.is_ascii_digit())
                })
                .map(|(at, _)| at)
                .collect();
            for at in ends.into_iter().rev() {
                out.replace_range(at..at + usual.len(), own);
            }
        }
        out
    }

    /// The constraints of an encrypted parameter: those of the call, or of the one that made it.
    fn rules(&mut self, entry: &Entry) -> Map<String, Value> {
        let text = |name: &str| entry.params.get(name).and_then(Value::as_str);
        let key = (
            entry.account_id.clone(),
            entry.region.clone(),
            text("Name").unwrap_or_default().to_owned(),
        );
        let given = match entry.params.get("Constraints") {
            Some(Value::String(text)) => serde_json::from_str(text).ok(),
            Some(Value::Object(rules)) => Some(rules.clone()),
            _ => None,
        };
        let is_new = entry.action.starts_with("Create");
        if is_new && entry.code == "OK" {
            self.constraints
                .insert(key.clone(), given.clone().unwrap_or_default());
        }
        let known = || self.constraints.get(&key).cloned();
        given.or_else(known).unwrap_or_default()
    }
}

fn unmask(value: &mut Value, own: &str) -> bool {
    match value {
        Value::String(text) if text == MASKED => {
            own.clone_into(text);
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, v| unmask(v, own) | any),
        Value::Object(members) => members
            .values_mut()
            .fold(false, |any, v| unmask(v, own) | any),
        _ => false,
    }
}

/// Whether the call was refused for what its secret looked like.
fn was_malformed(entry: &Entry, name: &str) -> bool {
    match entry.service {
        Some(Service::Sts) => entry.code == format!("InvalidParameter.{name}"),
        _ => entry.action.contains("SecretParameter") && entry.code == "InvalidParameter",
    }
}

/// What is refused in every place.
fn malformed(entry: &Entry) -> String {
    let length = match entry.service {
        Some(Service::Sts) => 1,
        _ => TOO_LONG,
    };
    "x".repeat(length)
}

/// `usual`, or something else that keeps to the constraints of an encrypted parameter, as its value
/// did. A pattern that nothing of the kind keeps to makes the replay refuse the call.
fn fitting(rules: &Map<String, Value>, usual: &str) -> String {
    let number = |name: &str| match rules.get(name) {
        Some(Value::String(text)) => text.parse::<usize>().ok(),
        Some(other) => other.as_u64().and_then(|n| usize::try_from(n).ok()),
        None => None,
    };
    if let Some(Value::Array(allowed)) = rules.get("AllowedValues")
        && let Some(first) = allowed.iter().find_map(Value::as_str)
    {
        return first.to_owned();
    }
    let least = number("MinLength").unwrap_or(1).clamp(1, 4096);
    let most = number("MaxLength").unwrap_or(4096).clamp(least, 4096);
    let pattern = rules.get("AllowedPattern").and_then(Value::as_str);
    let regex = pattern.map(|pattern| {
        RegexBuilder::new(&format!("^(?:{pattern})$"))
            .backtrack_limit(MAX_STEPS)
            .build()
    });
    let fits = |text: &str| {
        (least..=most).contains(&text.len())
            && regex.as_ref().is_none_or(|regex| {
                let regex = regex.as_ref().ok();
                regex.is_some_and(|regex| regex.is_match(text).unwrap_or(false))
            })
    };
    let lengths = least..=most.min(least + 64);
    let made = ["zq", "ZQ", "97", "zQ97", "Zq9-", "Zq9!"]
        .into_iter()
        .flat_map(|letters| {
            let lengths = lengths.clone();
            lengths.map(|length| letters.chars().cycle().take(length).collect::<String>())
        });
    std::iter::once(usual.to_owned())
        .chain(made)
        .find(|text| fits(text))
        .unwrap_or_else(|| usual.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_stands_for_a_secret_keeps_to_its_constraints() {
        let of = |rules: Value| fitting(rules.as_object().unwrap_or(&Map::new()), "usual-one");
        assert_eq!(of(json!({})), "usual-one");
        assert_eq!(of(json!({"AllowedValues": ["a", "b"]})), "a");
        assert_eq!(of(json!({"MaxLength": 5})).len(), 1);
        assert_eq!(of(json!({"MinLength": "12"})).len(), 12);
        let digits = of(json!({"AllowedPattern": "[0-9]{6}"}));
        assert_eq!(digits, "979797");
        assert_eq!(of(json!({"AllowedPattern": "("})), "usual-one");
    }

    #[test]
    fn what_a_secret_has_got_is_put_in_for_its_usual_stand_in_in_base64_as_well() {
        let given = StandIns {
            others: BTreeMap::from([(stand_in(1), "97".to_owned())]),
            ..StandIns::default()
        };
        let text = |first: &str| {
            let inside = STANDARD.encode(format!("echo {first}"));
            json!(format!("a {first} b {} {inside}", stand_in(12)))
        };
        let mut value = text(&stand_in(1));
        assert!(given.put(&mut value));
        assert_eq!(value, text("97"));
        let mut plain = json!(["plain text", 1]);
        assert!(!given.put(&mut plain));
    }
}
