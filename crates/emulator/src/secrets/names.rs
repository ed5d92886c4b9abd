//! Which parameters may hold a secret, by their names and those of their actions. What is misspelt is
//! no less secret, so this errs on the side of hiding wherever nothing published is meant.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use strsim::osa_distance;

use crate::api::Api;

/// Parameters that hold secrets whatever the action.
const SECRET: &[&str] = &[
    "oidctoken",
    "password",
    "securitytoken",
    "xacssecuritytoken",
    "accesskeysecret",
    "imageregistrycredential",
    "imageregistrycredentials",
    "remoteconnectionoptions",
];

/// What the name of a parameter that is not published says when it holds one.
const TELLING: &[&str] = &[
    "secret",
    "password",
    "passwd",
    "credential",
    "privatekey",
    "token",
    "authorization",
];

/// Actions whose `Value` is one.
const WITH_VALUE: &[&str] = &["createsecretparameter", "updatesecretparameter"];

/// So many slips of the pen make no other action.
const SLIPS: usize = 3;

struct Published {
    actions: BTreeSet<String>,
    parameters: BTreeSet<String>,
}

static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
    let mut all = Published {
        actions: BTreeSet::new(),
        parameters: BTreeSet::new(),
    };
    for api in Api::ALL {
        for action in api.actions() {
            all.actions.insert(plain(action));
            let parameters = api.parameters(action).unwrap_or_default();
            all.parameters
                .extend(parameters.iter().map(|name| plain(name)));
        }
    }
    all
});

/// The first part of a name, without case and signs.
fn plain(name: &str) -> String {
    let first = name.split('.').next().unwrap_or_default();
    let letters = first.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether one plain name is so few slips away from another. Most are told apart by their lengths alone: this is asked of every
/// parameter of every call.
fn is_near(name: &str, known: &str, slips: usize) -> bool {
    name.len().abs_diff(known.len()) <= slips && osa_distance(name, known) <= slips
}

/// Whether a parameter may hold a secret, so that it is never kept: by its name, or because it is the
/// value of an encrypted parameter, which is secret before anybody knows that it is one. `others` are
/// the parameters of the call, with those that are texts.
pub(crate) fn may_be_secret<'a>(
    action: &str,
    name: &str,
    others: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> bool {
    let name = plain(name);
    if SECRET.contains(&name.as_str()) {
        return true;
    }
    if !PUBLISHED.parameters.contains(&name) && TELLING.iter().any(|word| name.contains(word)) {
        return true;
    }
    let is_value = is_near(&name, "value", 1)
        || name.ends_with("value")
        || name.ends_with("values")
        || name.starts_with("value");
    is_value && gives_secret(action, others)
}

/// Whether a call may be meant to give the value of an encrypted parameter.
fn gives_secret<'a>(
    action: &str,
    others: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> bool {
    let action = plain(action);
    // An action that there is not may be meant for any other.
    if action.contains("secret") || !PUBLISHED.actions.contains(&action) {
        return true;
    }
    let mut with_value = WITH_VALUE.iter();
    if with_value.any(|known| is_near(&action, known, SLIPS)) {
        return true;
    }
    // Of an ordinary one neither is there.
    action.contains("parameter")
        && others
            .into_iter()
            .any(|(name, value)| match plain(name).as_str() {
                "keyid" | "dkmsinstanceid" => true,
                "type" => value.is_some_and(|kind| {
                    let kind = plain(kind);
                    !["string", "stringlist"].contains(&kind.as_str())
                }),
                _ => false,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_told_by_names_however_they_are_spelt() {
        let is = |action: &str, name: &str, others: &[(&str, &str)]| {
            let others = others.iter().map(|(name, value)| (*name, Some(*value)));
            may_be_secret(action, name, others)
        };
        for (action, name, others) in [
            ("CreateSecretParameter", "Value", &[][..]),
            ("createsecretparameter", "value", &[]),
            ("CreateSecretParamter", "Value", &[]),
            ("UpdateSecretParameter", "VALUE", &[]),
            ("UpdateSecretParameter", "Vaule", &[]),
            ("UpdateSecretParameter", "Value.1", &[]),
            ("PutSecret", "SecretValue", &[]),
            ("CreateParameters", "Value", &[]),
            ("CreateParameter", "Value", &[("Type", "Secret")]),
            ("CreateParameter", "value", &[("type", "SECRET")]),
            ("UpdateParameter", "Value", &[("KeyId", "k")]),
            ("RunInstances", "Password", &[]),
            ("RunInstances", "password", &[]),
            ("RunInstances", "LoginPassword", &[]),
            ("Nonsense", "access_token", &[]),
        ] {
            assert!(is(action, name, others), "{action} {name}");
        }
        for (action, name, others) in [
            ("CreateParameter", "Value", &[("Type", "String")][..]),
            ("CreateParameter", "Value", &[]),
            ("UpdateParameter", "Value", &[]),
            ("CreateSecretParameter", "Name", &[]),
            ("ModifyScalingGroup", "MinSize", &[]),
            ("StartExecution", "ClientToken", &[]),
            ("ListExecutions", "NextToken", &[]),
            ("CompleteLifecycleAction", "LifecycleActionToken", &[]),
            ("RunCommand", "WindowsPasswordName", &[]),
            ("CreateScalingConfiguration", "PasswordInherit", &[]),
            ("TagResources", "Tag.1.Value", &[]),
            ("CreateAlarm", "Values", &[]),
        ] {
            assert!(!is(action, name, others), "{action} {name}");
        }
    }
}
