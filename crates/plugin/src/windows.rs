//! `windows`: the MaintenanceWindows, and what they hold.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use ess_rollout_api::v1alpha1::{MaintenanceWindow, MaintenanceWindowStatus, condition};
use ess_rollout_core::task::reason::Reason;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::cli::{Output, WindowsArgs};
use crate::cluster::{Cluster, Scope};
use crate::conditions;
use crate::exit::End;
use crate::get::conditions_of;
use crate::kind::Kind;
use crate::object::Object;
use crate::output;
use crate::screen::page::{Mood, age};
use crate::screen::table::{Row, table};
use crate::terminal::{print, style};

/// Lists them.
///
/// # Errors
/// When they, or the objects that they may hold, cannot be listed, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &WindowsArgs) -> Result<End> {
    let scope = cluster.scope(args.all_namespaces);
    let place = match scope {
        Scope::Namespace(namespace) => format!("in {namespace}"),
        Scope::All => "in all namespaces".to_owned(),
    };
    let client = cluster.client().clone();
    let api: Api<MaintenanceWindow> = match scope {
        Scope::Namespace(namespace) => Api::namespaced(client, namespace),
        Scope::All => Api::all(client),
    };
    let mut windows: Vec<MaintenanceWindow> = Vec::new();
    let each = |window| {
        windows.push(window);
        Ok(())
    };
    let listed = cluster.list(&api, &ListParams::default(), each).await;
    listed.with_context(|| format!("cannot list MaintenanceWindows {place}"))?;
    windows.sort_by_key(|window| (window.namespace(), window.name_any()));
    match args.output.output {
        Some(form @ (Output::Json | Output::Yaml)) => {
            output::list(windows.iter().map(|window| json!(window)).collect(), form)?;
            return Ok(End::Wanted);
        }
        Some(Output::Name) => {
            let name = |window: &MaintenanceWindow| {
                let group = ess_rollout_api::GROUP;
                format!("maintenancewindow.{group}/{}", window.name_any())
            };
            print(&windows.iter().map(name).collect::<Vec<_>>())?;
            return Ok(End::Wanted);
        }
        Some(Output::Wide) | None => {}
    }
    let held = held(cluster, scope, &place).await?;
    let elsewhere: Vec<String> = of_elsewhere(&windows, &held)
        .map(|(window, objects)| match objects {
            1 => format!("MaintenanceWindow {window} holds 1 object {place}"),
            _ => format!("MaintenanceWindow {window} holds {objects} objects {place}"),
        })
        .collect();
    if windows.is_empty() {
        eprintln!("there is no MaintenanceWindow {place}");
        print(&elsewhere)?;
        return Ok(End::Wanted);
    }
    let now = Timestamp::now();
    let rows: Vec<Row> = windows
        .iter()
        .map(|w| row(args.all_namespaces, w, &held, now))
        .collect();
    let mut header = vec!["NAME", "KIND", "OPEN", "NEXT", "IN", "HOLDS", "REASON"];
    if args.all_namespaces {
        header.insert(0, "NAMESPACE");
    }
    let mut lines = table(&header, &rows, style(false));
    lines.extend(elsewhere);
    print(&lines)?;
    Ok(End::Wanted)
}

/// How many objects each window holds, by the window's `namespace/name`: as each object is told.
async fn held(cluster: &Cluster, scope: Scope<'_>, place: &str) -> Result<BTreeMap<String, usize>> {
    let mut held = BTreeMap::new();
    for kind in Kind::ALL {
        let api = cluster.api(kind, scope);
        let each = |raw| {
            let object = Object::read(kind, raw)?;
            let ready = conditions::condition(conditions_of(&object), condition::READY);
            if let Some(ready) = ready.filter(|_| object.end().is_none()) {
                count(&mut held, &ready.message);
            }
            Ok(())
        };
        let listed = cluster.list(&api, &ListParams::default(), each).await;
        listed.with_context(|| format!("cannot list {}s {place}", kind.name()))?;
    }
    Ok(held)
}

/// Counts an object at each window that it is told it waits for.
fn count(held: &mut BTreeMap<String, usize>, said: &str) {
    for name in named(said) {
        *held.entry(name.to_owned()).or_default() += 1;
    }
}

/// The windows, as `namespace/name`, that somebody is told he waits for.
fn named(said: &str) -> BTreeSet<&str> {
    let of_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c);
    let after = said.split("MaintenanceWindow ").skip(1);
    after
        .filter_map(|text| text.split(|c| !of_a_name(c)).next())
        // A name ends with a letter or a digit, a sentence with a full stop.
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| name.contains('/'))
        .collect()
}

/// The windows that hold objects and are not among those listed, each with how many: those of the operator's namespace are for all,
/// and who works in a namespace of his own may not be allowed to list them.
fn of_elsewhere<'h>(
    listed: &[MaintenanceWindow],
    held: &'h BTreeMap<String, usize>,
) -> impl Iterator<Item = (&'h String, &'h usize)> {
    let listed: BTreeSet<String> = listed.iter().map(full_name).collect();
    held.iter().filter(move |(name, _)| !listed.contains(*name))
}

fn full_name(window: &MaintenanceWindow) -> String {
    format!(
        "{}/{}",
        window.namespace().unwrap_or_default(),
        window.name_any()
    )
}

fn row(
    all_namespaces: bool,
    window: &MaintenanceWindow,
    held: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Row {
    let none = MaintenanceWindowStatus::default();
    let status = window.status.as_ref().unwrap_or(&none);
    let (namespace, name) = (window.namespace().unwrap_or_default(), window.name_any());
    let (mood, open) = match status.open {
        Some(true) => (Mood::Good, "yes"),
        // It will not open any more.
        Some(false) if is_never_due(status) => (Mood::Bad, "never"),
        Some(false) => (Mood::Waiting, "no"),
        // The operator has not seen it yet.
        None if status.conditions.is_empty() => (Mood::Moving, "?"),
        None => (Mood::Bad, "unreadable"),
    };
    let next = status.next_change.as_ref().map(|next| next.0);
    let holds = held.get(&full_name(window)).copied().unwrap_or_default();
    let mut cells = vec![
        name.clone(),
        format!("{:?}", window.spec.window.kind),
        open.to_owned(),
        next.map_or(String::new(), |next| next.to_string()),
        next.map_or(String::new(), |next| age(next, now)),
        holds.to_string(),
        status.reason.clone().unwrap_or_default(),
    ];
    if all_namespaces {
        cells.insert(0, namespace);
    }
    Row {
        mood: Some(mood),
        cells,
    }
}

fn is_never_due(status: &MaintenanceWindowStatus) -> bool {
    let ready = conditions::condition(&status.conditions, condition::READY);
    ready.is_some_and(|ready| ready.reason == Reason::NeverDue.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_does_not_open_any_more_is_told_from_one_that_is_closed() {
        let window = |open: bool, reason: &str| -> MaintenanceWindow {
            let condition = json!({"type": "Ready", "status": "True", "reason": reason, "message": "m",
                "lastTransitionTime": "2026-11-01T00:00:00Z"});
            let window = json!({
                "apiVersion": "ess-rollout.io/v1alpha1", "kind": "MaintenanceWindow",
                "metadata": {"name": "nights", "namespace": "shop"},
                "spec": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
                "status": {"open": open, "conditions": [condition]},
            });
            serde_json::from_value(window).unwrap()
        };
        let now = Timestamp::UNIX_EPOCH;
        let shown = |open, reason| {
            row(false, &window(open, reason), &BTreeMap::new(), now).cells[2].clone()
        };
        assert_eq!(shown(false, "NeverDue"), "never");
        assert_eq!(shown(false, "Scheduled"), "no");
        // A Freeze that is over holds nothing.
        assert_eq!(shown(true, "NeverDue"), "yes");
    }

    #[test]
    fn a_window_holds_who_is_told_of_it_by_its_whole_name() {
        let said = "MaintenanceWindow shop/nights (patches) is closed until then, and MaintenanceWindow shop/sale-2.";
        assert_eq!(named(said), BTreeSet::from(["shop/nights", "shop/sale-2"]));
        assert_eq!(named("no MaintenanceWindow is open"), BTreeSet::new());
    }

    #[test]
    fn a_window_of_another_namespace_is_named_with_how_many_it_holds() {
        let window = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "MaintenanceWindow",
            "metadata": {"name": "nights", "namespace": "shop"}, "spec": {},
        });
        let listed = [serde_json::from_value(window).unwrap()];
        let mut held = BTreeMap::new();
        for said in [
            "MaintenanceWindow shop/nights is closed, and MaintenanceWindow ops/freeze begins",
            "MaintenanceWindow ops/freeze begins: MaintenanceWindow ops/freeze",
        ] {
            count(&mut held, said);
        }
        let found: Vec<_> = of_elsewhere(&listed, &held).collect();
        assert_eq!(found, [(&"ops/freeze".to_owned(), &2)]);
    }
}
