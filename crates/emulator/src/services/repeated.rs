//! Entries that a call gives twice: of two instances, tags or disks of the same name one would count,
//! and nothing would tell which. Filters are left alone: to ask twice for one thing is to ask for it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::Run;
use super::args::{invalid, member, plural, scalar};
use super::parameters::is_of;
use super::shapes::is_json;
use super::table::find;
use crate::error::ApiError;
use crate::params;
use crate::state::call::Call;

/// Lists of values that say something by their place, or in their order.
const ORDERED: &[&str] = &["Arg", "Command", "LoadBalancerWeight"];

/// What tells the entries of a list of structures apart.
const TOLD_APART_BY: &[(&str, &[&str])] = &[
    ("BackendServer", &["ServerId", "Port"]),
    ("Container", &["Name"]),
    ("DataDisk", &["Device"]),
    ("EnvironmentVar", &["Key"]),
    ("Server", &["ServerId", "Port"]),
    ("SpotPriceLimit", &["InstanceType"]),
    ("Tag", &["Key"]),
];

/// Those that an action tells apart by something else. What is removed may be several values of one tag,
/// and the listeners of CLB say the ports of its default server group.
const BY_ACTION: &[(&str, &[&str])] = &[
    ("AddBackendServers", &["ServerId"]),
    ("RemoveBackendServers", &["ServerId"]),
    ("RemoveTags", &["Key", "Value"]),
    ("SetBackendServers", &["ServerId"]),
];

/// Whether a list is the one of this name, in the singular or in the plural.
fn is_called(list: &str, name: &str) -> bool {
    list == name || list == plural(name)
}

fn told_apart_by(action: &str, list: &str) -> Option<&'static [&'static str]> {
    let (_, usual) = TOLD_APART_BY
        .iter()
        .find(|(name, _)| is_called(list, name))?;
    let own = BY_ACTION.iter().find(|(name, _)| *name == action);
    // Each of them has one list of structures.
    Some(own.map_or(*usual, |(_, own)| *own))
}

/// What an entry is the entry of; `None` for one that says nothing of it.
fn identity(action: &str, list: &str, entry: &Value) -> Option<String> {
    if let Some(value) = scalar(entry) {
        let is_ordered = ORDERED.iter().any(|name| is_called(list, name));
        return (!is_ordered).then_some(value);
    }
    let mut names = told_apart_by(action, list)?.iter();
    let first = member(entry, names.next()?).and_then(scalar)?;
    let rest = names.filter_map(|name| member(entry, name).and_then(scalar));
    let all: Vec<String> = std::iter::once(first).chain(rest).collect();
    Some(all.join(" "))
}

/// Looks through a parameter, `list` being the name of what is looked at and `shown` where it stands.
fn look(action: &str, list: &str, shown: &str, value: &Value) -> Result<(), ApiError> {
    match value {
        Value::Array(entries) => {
            let mut seen = BTreeMap::new();
            for (n, entry) in entries.iter().enumerate() {
                let shown = format!("{shown}.{}", n + 1);
                if let Some(id) = identity(action, list, entry)
                    && let Some(before) = seen.insert(id.clone(), shown.clone())
                {
                    let why = format!(
                        "{id} is there already, as {before}, and only one of the two would count; \
                         leave one of them out"
                    );
                    return Err(invalid(&shown, &why));
                }
                look(action, list, &shown, entry)?;
            }
            Ok(())
        }
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, value)| look(action, name, &format!("{shown}.{name}"), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// `Err` for an entry that is twice in a list of a call that changes something.
pub(super) fn check(call: &Call) -> Result<(), ApiError> {
    let action = find(call.service, &call.action);
    let Some(Run::Write(_)) = action.map(|action| action.run) else {
        return Ok(());
    };
    for (name, value) in &call.params {
        if !is_of(call, name) {
            continue;
        }
        match value {
            // Who reads it refuses what is no JSON.
            Value::String(text) if is_json(call.service, name) => {
                let value = params::exact::read(text).unwrap_or_default();
                look(&call.action, name, name, &value)?;
            }
            value => look(&call.action, name, name, value)?,
        }
    }
    Ok(())
}
