//! What becomes of the parameters of a call. Those that the published metadata of an action has are
//! honoured or refused; other names change nothing, in the cloud as here, so a filter that is
//! misspelt selects everything. That is why the journal keeps such names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::args::plural;
use super::table::honours;
use crate::api::{Api, covers};
use crate::state::call::{Call, EssVersion, Service};

/// Parameters that every action takes. A region is looked at before the action is; an owner must
/// be the account of the caller, in which all that a call reaches is.
pub(super) const COMMON: &[&str] = &[
    "RegionId",
    "OwnerId",
    "OwnerAccount",
    "ResourceOwnerId",
    "ResourceOwnerAccount",
];

/// Of those, the ones that name an account. The only name that an account has here is its id.
const OWNERS: &[&str] = &[
    "OwnerId",
    "OwnerAccount",
    "ResourceOwnerId",
    "ResourceOwnerAccount",
];

/// What lists of templates add to a call by themselves, whether its action has it or not.
pub(super) const PAGING: &[&str] = &["PageNumber", "PageSize", "MaxResults", "NextToken"];

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
        Service::Slb => &[Api::Slb],
        Service::Alb => &[Api::Alb],
        Service::Nlb => &[Api::Nlb],
        Service::Cms => &[Api::Cms],
    }
}

/// The API that a call is made to.
pub(super) fn api(service: Service, version: EssVersion) -> Api {
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
        COMMON.contains(&path) || path == "DryRun" || honours.iter().any(|name| same(name, path))
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

/// Whether the metadata of an action has a parameter.
pub fn has(service: Service, action: &str, name: &str) -> bool {
    apis(service)
        .iter()
        .filter_map(|api| api.parameters(action))
        .any(|published| published.contains(&name))
}

/// Whether a parameter, or the list or structure of that name, is one of the action that is called.
pub fn is_of(call: &Call, name: &str) -> bool {
    let known = of_action(api(call.service, call.version), &call.action);
    let mut heads = known
        .into_iter()
        .flatten()
        .map(|own| own.path.split('.').next());
    heads.any(|head| head == Some(name))
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
            Some(_) if gives_default(call, &path) => {}
            Some(_) => idle.unsupported.push(path),
            None if PAGING.contains(&path.as_str()) && call.by_oos => {}
            None => idle.unknown.push(path),
        }
    }
    idle
}

/// Flags that are refused, with the defaults that the SDK models document. Giving the default changes
/// nothing. Filters are not among them: they have none.
const DEFAULTS: &[(&str, bool)] = &[
    ("AllowMigrateAcrossZone", false),
    ("Async", false),
    ("AutoMatchImageCache", false),
    ("AutoPay", true),
    ("AutoRebalance", false),
    ("AutoRenew", false),
    ("Bootable", false),
    ("CostOptimization", false),
    ("DataCacheBurstingEnabled", false),
    ("DecreaseDesiredCapacity", true),
    ("DisableScaleIn", false),
    ("EnableInstanceIdDnsAAAARecord", false),
    ("EnableInstanceIdDnsARecord", false),
    ("EnableIpDnsARecord", false),
    ("EnableIpDnsPtrRecord", false),
    ("EnableJumboFrame", true),
    ("Encrypted", false),
    ("Force", false),
    ("IgnoreInvalidInstance", false),
    ("InitLocalDisk", false),
    ("IsPublic", false),
    ("LoginAsNonRoot", false),
    ("Stdin", false),
    ("SyncActivity", false),
    ("TerminateSubscription", false),
    ("Tty", false),
];

/// Whether what is given to a refused flag is its default.
fn gives_default(call: &Call, path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    let default = DEFAULTS.iter().find(|(known, _)| *known == name);
    let Some((_, default)) = default else {
        return false;
    };
    let mut parts = path.split('.');
    let first = parts.next().and_then(|first| call.params.get(first));
    first.is_some_and(|value| {
        all(value, &parts.collect::<Vec<_>>(), &|leaf| match leaf {
            Value::Bool(flag) => flag == default,
            Value::String(text) => text.eq_ignore_ascii_case(&default.to_string()),
            Value::Null => true,
            Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        })
    })
}

/// Whether all values at a path pass a test.
fn all(value: &Value, path: &[&str], test: &dyn Fn(&Value) -> bool) -> bool {
    match (path, value) {
        ([], leaf) => test(leaf),
        (["N", rest @ ..], Value::Array(items)) => items.iter().all(|item| all(item, rest, test)),
        ([name, rest @ ..], Value::Object(members)) => members
            .get(*name)
            .is_none_or(|member| all(member, rest, test)),
        _ => false,
    }
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

/// The member of a structure as the metadata spells it: older clients send `Tag.1.key`.
pub(super) fn member_name(path: &str, name: &str) -> String {
    match name.strip_prefix(|c: char| c.is_ascii_lowercase()) {
        Some(rest) if path.ends_with(".N") => {
            format!("{}{rest}", name[..1].to_ascii_uppercase())
        }
        _ => name.to_owned(),
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
                paths(&format!("{path}.{}", member_name(path, name)), value, into);
            }
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            if !into.contains(path) {
                into.insert(path.to_owned());
            }
        }
    }
}
