//! What becomes of the parameters of a call. Those that the published metadata of an action has are
//! honoured or refused; other names change nothing, in the cloud as here, so a filter that is
//! misspelt selects everything. That is why the journal keeps such names.
//!
//! Templates do not spell parameters as the wire does: the dots are left out (`SystemDiskSize`,
//! `InstanceId1`), and lists go by their plural (`ResourceIds`, `Tags`). Both spellings are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::args::plural;
use super::table::honours;
use crate::api::{Api, covers};
use crate::params::Params;
use crate::state::call::{Call, EssVersion, Service};

/// Parameters that every action takes. A region is looked at before the action is; an owner must
/// be the account of the caller, in which all that a call reaches is.
const COMMON: &[&str] = &["RegionId", "OwnerId", "ResourceOwnerId"];

/// Of those, the ones that name an account.
const OWNERS: &[&str] = &["OwnerId", "ResourceOwnerId"];

/// What lists of templates add to a call by themselves, whether its action has it or not.
const PAGING: &[&str] = &["PageNumber", "PageSize", "MaxResults", "NextToken"];

/// A parameter that an action has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// As it travels; see [`crate::api`].
    pub path: &'static str,
    /// Refused otherwise.
    pub honoured: bool,
}

type Vocabulary = BTreeMap<Api, BTreeMap<&'static str, Vec<Parameter>>>;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let mut all = Vocabulary::new();
    for service in Service::ALL {
        for (action, honours) in honours(service) {
            for api in apis(service) {
                let own = all.entry(*api).or_default();
                own.insert(action, parameters(*api, action, honours));
            }
        }
    }
    all
});

/// The versions in which a service answers, the current one first.
pub fn apis(service: Service) -> &'static [Api] {
    match service {
        Service::Ess => &[Api::Ess2022, Api::Ess2014],
        Service::Ecs => &[Api::Ecs],
        Service::Oos => &[Api::Oos],
        Service::Eci => &[Api::Eci],
        Service::Sts => &[Api::Sts],
    }
}

/// The API that a call is made to.
fn api(service: Service, version: EssVersion) -> Api {
    match (service, version) {
        (Service::Ess, EssVersion::V2014) => Api::Ess2014,
        _ => apis(service)[0],
    }
}

/// What an action has in one version, by the metadata and by what is honoured here, which is in the
/// spelling of ESS 2014.
fn parameters(api: Api, action: &str, honours: &'static [&'static str]) -> Vec<Parameter> {
    let own = api.parameters(action);
    let published = own.or_else(|| {
        // Templates call ESS 2014 for actions that only the newer version publishes.
        (api == Api::Ess2014).then(|| Api::Ess2022.parameters(action))?
    });
    let published = published.unwrap_or_default();
    let is_honoured = |path: &str| {
        COMMON.contains(&path)
            || api == Api::Ecs && path == "DryRun"
            || honours.iter().any(|name| same(name, path))
    };
    let mut found: Vec<Parameter> = published
        .iter()
        .map(|path| Parameter {
            path,
            honoured: is_honoured(path),
        })
        .filter(|parameter| own.is_some() || !parameter.honoured)
        .collect();
    // Those that the metadata of this version leaves out.
    let of_another = |name: &str| {
        api == Api::Ess2022
            && Api::Ess2014
                .parameters(action)
                .is_some_and(|old| old.iter().any(|path| same(name, path)))
    };
    for name in honours {
        let known = own.is_some() && published.iter().any(|path| same(name, path));
        if !known && !of_another(name) {
            found.push(Parameter {
                path: name,
                honoured: true,
            });
        }
    }
    found
}

/// Whether a published parameter is the one that is honoured by this name, or lies in it. The 2022
/// version of ESS has lists in the plural.
pub fn same(name: &str, path: &str) -> bool {
    let mut names = name.split('.').peekable();
    let mut parts = path.split('.');
    while let Some(name) = names.next() {
        let Some(part) = parts.next() else {
            return false;
        };
        let is_list = names.peek() == Some(&"N");
        if part != name && !(is_list && part == plural(name)) {
            return false;
        }
    }
    true
}

/// The parameters of an action; `None` for one that is not there.
pub fn of_action(api: Api, action: &str) -> Option<&'static [Parameter]> {
    let found = VOCABULARY.get(&api)?.get(action)?;
    Some(found.as_slice())
}

/// What a call gives that has no effect.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// The action has it, the emulator does not.
    pub unsupported: Vec<String>,
    /// The action does not have it.
    pub unknown: Vec<String>,
}

/// Looks at the parameters of a call. One without a value counts as absent.
pub fn idle(call: &Call) -> Idle {
    let mut idle = Idle::default();
    let api = api(call.service, call.version);
    let Some(known) = of_action(api, &call.action) else {
        return idle;
    };
    let mut given = BTreeSet::new();
    for (name, value) in &call.params {
        paths(name, value, &mut given);
    }
    for path in given {
        let found = known.iter().find(|own| covers(own.path, &path));
        match found {
            _ if COMMON.contains(&path.as_str()) => {
                if OWNERS.contains(&path.as_str()) && !names_caller(call, &path) {
                    idle.unsupported.push(path);
                }
            }
            Some(own) if own.honoured => {}
            Some(_) => idle.unsupported.push(path),
            None if PAGING.contains(&path.as_str()) && call.by_oos => {}
            None => idle.unknown.push(path),
        }
    }
    idle
}

fn names_caller(call: &Call, name: &str) -> bool {
    match call.params.get(name) {
        Some(Value::String(text)) => *text == call.caller.account_id,
        // A template may give a number.
        Some(Value::Number(number)) => number.to_string() == call.caller.account_id,
        Some(_) => false,
        None => true,
    }
}

/// The paths of all values in a parameter: `Tag.N.Key`.
fn paths(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Array(items) => {
            let path = format!("{path}.N");
            for item in items {
                paths(&path, item, into);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                // Older clients send `Tag.1.key`.
                let in_list = path.ends_with(".N");
                let name = match name.strip_prefix(|c: char| c.is_ascii_lowercase()) {
                    Some(rest) if in_list => format!("{}{rest}", name[..1].to_ascii_uppercase()),
                    _ => name.clone(),
                };
                paths(&format!("{path}.{name}"), value, into);
            }
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            if !into.contains(path) {
                into.insert(path.to_owned());
            }
        }
    }
}

/// The parameters that a template gives to an action, under the action's own names, and the names
/// that the action does not have.
pub fn of_template(service: Service, action: &str, given: &Params) -> (Params, Vec<String>) {
    let Some(own) = own(service, action) else {
        return (given.clone(), Vec::new());
    };
    let own = own.as_slice();
    let mut named = Params::new();
    let mut ignored = Vec::new();
    // The action's own spelling goes first when both are given.
    let (exact, others): (Vec<_>, Vec<_>) = given.iter().partition(|(name, _)| is_own(own, name));
    for (name, value) in exact.into_iter().chain(others) {
        let found = if is_own(own, name) {
            Some(name.clone())
        } else {
            own_name(own, name).filter(|found| !named.contains_key(found))
        };
        let read = found
            .as_ref()
            .is_some_and(|found| !(is_list(own, found) && is_scalar(value)));
        if !read {
            ignored.push(name.clone());
        }
        named.insert(found.unwrap_or_else(|| name.clone()), value.clone());
    }
    (named, ignored)
}

/// The parameters of an action as templates may name them, in the 2014 spelling of ESS.
fn own(service: Service, action: &str) -> Option<Vec<&'static str>> {
    let known = of_action(api(service, EssVersion::V2014), action)?;
    let mut own: Vec<&str> = known
        .iter()
        .filter(|p| p.honoured)
        .map(|p| p.path)
        .collect();
    own.extend(known.iter().filter(|p| !p.honoured).map(|p| p.path));
    Some(own)
}

fn head(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn is_own(own: &[&str], name: &str) -> bool {
    COMMON.contains(&name)
        || PAGING.contains(&name)
        || own.iter().any(|known| head(known) == head(name))
}

/// Whether the action has `name` as a list and as nothing else.
fn is_list(own: &[&str], name: &str) -> bool {
    !own.contains(&name) && own.iter().any(|known| covers(&format!("{name}.N"), known))
}

/// The list that a parameter is or lies in.
fn list(path: &str) -> Option<&str> {
    let of_structures = path.split_once(".N.").map(|(list, _)| list);
    of_structures.or_else(|| path.strip_suffix(".N"))
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null)
}

/// What `name` is called on the wire.
fn own_name(own: &[&str], name: &str) -> Option<String> {
    own.iter().find_map(|known| match list(known) {
        None => {
            (known.contains('.') && known.replace('.', "") == name).then(|| (*known).to_owned())
        }
        Some(list) => {
            let plural = plural(list);
            if let Some(rest) = name.strip_prefix(&plural)
                && (rest.is_empty() || rest.starts_with('.'))
            {
                return Some(format!("{list}{rest}"));
            }
            let rest = name.strip_prefix(list)?;
            let member = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = rest.strip_suffix(member).filter(|n| !n.is_empty())?;
            match member.trim_start_matches('.') {
                "" => Some(format!("{list}.{number}")),
                member if member.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    Some(format!("{list}.{number}.{member}"))
                }
                _ => None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use serde_json::json;

    fn mapped(action: &str, given: &Value) -> (Value, Vec<String>) {
        let (named, ignored) = of_template(Service::Ecs, action, given.as_object().unwrap());
        (Value::Object(named), ignored)
    }

    #[test]
    fn both_spellings_become_the_actions_own() {
        let documented = json!({"Tags": [{"Key": "a"}], "ResourceIds": ["i-1"], "RegionId": "r"});
        let wire = json!({"Tag": [{"Key": "a"}], "ResourceId": ["i-1"], "RegionId": "r"});
        assert_eq!(mapped("TagResources", &documented), (wire.clone(), vec![]));
        assert_eq!(mapped("TagResources", &wire), (wire, vec![]));
        assert_eq!(
            mapped(
                "TagResources",
                &json!({"Tags.1.Key": "a", "Tag.1.Value": "b", "ResourceId12": "i"})
            )
            .0,
            json!({"Tag.1.Key": "a", "Tag.1.Value": "b", "ResourceId.12": "i"})
        );
        assert_eq!(
            mapped("ReplaceSystemDisk", &json!({"SystemDiskSize": 40})).0,
            json!({"SystemDisk.Size": 40})
        );
        // The name is the action's own already, although it looks like a plural.
        assert_eq!(
            mapped("DescribeInstances", &json!({"InstanceIds": ["i-1"]})),
            (json!({"InstanceIds": ["i-1"]}), vec![])
        );
    }

    #[test]
    fn names_that_select_nothing_are_told() {
        for given in [
            json!({"tags": []}),
            json!({"InstanceNames": ["a"]}),
            json!({"Tag": [], "Tags": []}),
            json!({"TagX1": 1}),
            // A list that is one text is not looked at.
            json!({"Tag": "owner"}),
            json!({"Tags": "owner"}),
        ] {
            let (_, ignored) = mapped("DescribeInstances", &given);
            assert_eq!(ignored.len(), 1, "{given}");
        }
    }

    fn calls(value: &Value, found: &mut Vec<(String, String, Params)>) {
        if let (Some(service), Some(api)) = (value["Service"].as_str(), value["API"].as_str()) {
            let params = value["Parameters"].as_object().cloned().unwrap_or_default();
            found.push((service.to_owned(), api.to_owned(), params));
        }
        match value {
            Value::Object(map) => map.values().for_each(|inner| calls(inner, found)),
            Value::Array(items) => items.iter().for_each(|inner| calls(inner, found)),
            _ => {}
        }
    }

    /// Also tells an action whose parameters nobody listed.
    #[test]
    fn the_bundled_templates_give_no_name_in_vain() {
        let mut found = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            calls(&serde_saphyr::from_str(&text).unwrap(), &mut found);
        }
        assert!(found.len() > 50, "{}", found.len());
        for (service, api, params) in found {
            let service = Service::parse(&service).unwrap();
            let action = crate::services::spelling(service, &api);
            if service != Service::Oos {
                assert!(own(service, &action).is_some(), "{api}");
            }
            // What a placeholder stands for is not known here.
            let params = params
                .into_iter()
                .map(|(name, _)| (name, json!([])))
                .collect();
            assert_eq!(
                of_template(service, &action, &params).1,
                Vec::<String>::new(),
                "{api}"
            );
        }
    }
}
