//! The shapes of parameters: one value, a list or a structure. What is given in another shape than
//! an action reads would count as absent, and a filter that is absent selects everything.

use serde_json::Value;

use super::args::invalid;
use super::parameters::{COMMON, PAGING, api, apis, member_name, of_action};
use crate::error::ApiError;
use crate::state::call::{Call, Service};

/// Parameters that travel as JSON in one text, by the service. Templates give the value that the text
/// spells, so any shape passes here; who reads them looks at it.
const JSON: &[(Service, &[&str])] = &[
    (Service::Ess, &["LoadBalancerIds", "Tags"]),
    (
        Service::Ecs,
        &[
            "DiskIds",
            "EipAddresses",
            "InnerIpAddresses",
            "InstanceIds",
            "Parameters",
            "PrivateIpAddresses",
            "PublicIpAddresses",
            "RdmaIpAddresses",
            "SnapshotIds",
        ],
    ),
    (Service::Eci, &["ContainerGroupIds"]),
    (Service::Slb, &["BackendServers"]),
];

/// Whether a parameter travels as JSON in one text.
pub(crate) fn is_json(service: Service, name: &str) -> bool {
    JSON.iter()
        .any(|(own, names)| *own == service && names.contains(&name))
}

/// The paths that an action has; see [`crate::api`].
struct Paths<'p>(Vec<&'p str>);

/// What follows a path in one that lies below it.
fn below<'p>(whole: &'p str, path: &str) -> Option<&'p str> {
    whole.strip_prefix(path)?.strip_prefix('.')
}

impl Paths<'_> {
    fn of(call: &Call) -> Option<Self> {
        let known = of_action(api(call.service, call.version), &call.action)?;
        // The engine of OOS looks at the shapes of its own parameters.
        let own = known.iter().filter(|_| call.service != Service::Oos);
        let mut paths: Vec<&'static str> = own.map(|parameter| parameter.path).collect();
        // A structure that another version alone publishes is honoured as a whole.
        let others: Vec<&str> = apis(call.service)
            .iter()
            .filter_map(|api| api.parameters(&call.action))
            .flatten()
            .copied()
            .filter(|other| paths.iter().any(|path| below(other, path).is_some()))
            .collect();
        paths.extend(others);
        paths.extend(COMMON);
        if call.by_oos {
            paths.extend(PAGING);
        }
        Some(Self(paths))
    }

    fn is_value(&self, path: &str) -> bool {
        self.0.contains(&path)
    }

    fn is_list(&self, path: &str) -> bool {
        let first = |rest: &str| rest.split('.').next() == Some("N");
        self.0
            .iter()
            .any(|whole| below(whole, path).is_some_and(first))
    }

    fn is_structure(&self, path: &str) -> bool {
        let first = |rest: &str| rest.split('.').next() != Some("N");
        self.0
            .iter()
            .any(|whole| below(whole, path).is_some_and(first))
    }

    /// What is wrong with the shape of a value: the name as it was given, and why.
    fn misfit(&self, path: &str, shown: &str, value: &Value) -> Option<(String, String)> {
        let wrong = |why: String| Some((shown.to_owned(), why));
        let as_list = || format!("it is a list: {shown}.1 is its first member");
        match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::Array(items) if self.is_list(path) => {
                let path = format!("{path}.N");
                let mut all = items.iter().enumerate();
                all.find_map(|(i, item)| self.misfit(&path, &format!("{shown}.{}", i + 1), item))
            }
            Value::Array(_) if self.is_value(path) => wrong("it is one value, not a list".into()),
            Value::Array(_) if self.is_structure(path) => {
                wrong("it is a structure, not a list".into())
            }
            Value::Object(members) if self.is_structure(path) => {
                members.iter().find_map(|(name, value)| {
                    let path = format!("{path}.{}", member_name(path, name));
                    self.misfit(&path, &format!("{shown}.{name}"), value)
                })
            }
            Value::Object(_) if self.is_list(path) => wrong(as_list()),
            Value::Object(_) if self.is_value(path) => {
                wrong("it is one value, not a structure".into())
            }
            Value::Array(_) | Value::Object(_) => None,
            Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                if self.is_value(path) {
                    None
                } else if self.is_list(path) {
                    wrong(as_list())
                } else if self.is_structure(path) {
                    wrong("it is a structure: give its members by their names".into())
                } else {
                    None
                }
            }
        }
    }
}

/// `Err` for a parameter that the action has in another shape than it is given in.
pub(super) fn check(call: &Call) -> Result<(), ApiError> {
    let Some(paths) = Paths::of(call) else {
        return Ok(());
    };
    for (name, value) in &call.params {
        if is_json(call.service, name) && paths.is_value(name) {
            continue;
        }
        if let Some((name, why)) = paths.misfit(name, name, value) {
            return Err(invalid(&name, &why));
        }
    }
    Ok(())
}
