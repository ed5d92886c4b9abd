//! The list of actions and parameters for the documentation.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::parameters::{self, Parameter};
use super::table::actions;
use crate::api::{Api, covers};
use crate::state::call::Service;

/// The actions and what becomes of their parameters, in Markdown: one table for each version of
/// an API, and what the published metadata has besides.
pub fn catalogue() -> String {
    let mut page = String::new();
    for service in Service::ALL {
        for api in parameters::apis(service) {
            section(&mut page, service, *api);
        }
    }
    page
}

/// The actions and what becomes of their parameters, one entry for each action in each version.
pub(crate) fn listed() -> Vec<Value> {
    let mut all = Vec::new();
    for service in Service::ALL {
        for api in parameters::apis(service) {
            for action in actions(service) {
                let known = parameters::of_action(*api, action).unwrap_or_default();
                let paths = |honoured: bool| -> Vec<&str> {
                    let of_kind = known.iter().filter(|p| p.honoured == honoured);
                    of_kind.map(|p| p.path).collect()
                };
                all.push(json!({
                    "service": service,
                    "version": api.name().rsplit_once(' ').map(|(_, version)| version),
                    "action": action,
                    "honoured": paths(true),
                    "refused": paths(false),
                }));
            }
        }
    }
    all
}

fn section(page: &mut String, service: Service, api: Api) {
    let mut actions = actions(service);
    actions.sort_unstable();
    // Writing to a text cannot fail.
    let _ = writeln!(page, "## {}\n\nNames from {}.\n", api.name(), api.source());
    page.push_str("| action | honoured | refused |\n|---|---|---|\n");
    let missing: Vec<&str> = api
        .actions()
        .filter(|name| !actions.contains(name))
        .collect();
    for action in actions {
        let known = parameters::of_action(api, action).unwrap_or_default();
        let note = match api.parameters(action) {
            Some(_) => "",
            None => " (not published in this version)",
        };
        let _ = writeln!(
            page,
            "| `{action}`{note} | {} | {} |",
            names(known, true),
            names(known, false)
        );
    }
    if missing.is_empty() {
        page.push_str("\nThese are all actions of the API.\n\n");
    } else {
        let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "\nNot there: {}.\n", missing.join(", "));
    }
}

/// Parameters of one kind. A structure of which nothing is of the other kind goes by its own name.
fn names(known: &[Parameter], honoured: bool) -> String {
    let mut shown: Vec<String> = Vec::new();
    for parameter in known.iter().filter(|p| p.honoured == honoured) {
        let whole = wholes(parameter.path).find(|whole| {
            known
                .iter()
                .all(|p| !covers(whole, p.path) || p.honoured == honoured)
        });
        let name = match whole {
            Some(whole) => format!("`{whole}.*`"),
            None => format!("`{}`", parameter.path),
        };
        if !shown.contains(&name) {
            shown.push(name);
        }
    }
    shown.sort_unstable_by(|a, b| a.trim_matches('`').cmp(b.trim_matches('`')));
    shown.join(", ")
}

/// The structures that a parameter lies in, the outermost first.
fn wholes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.')
        .map(|(at, _)| &path[..at])
        .filter(move |whole| {
            let rest = &path[whole.len()..];
            rest != ".N" && !rest.starts_with(".N.")
        })
}
