//! A cloud as it was at the start of a recording, and what has changed since.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::RecordingError;
use super::plain;
use super::scene::Scene;
use crate::cloud::Cloud;
use crate::control;
use crate::fixture::Fixture;
use crate::secrets::Common;

/// By kind and id.
pub(super) type Rows = BTreeMap<String, BTreeMap<String, Value>>;

/// What rows of a kind are known by where it is not the first of their members that ends in `Id`.
const KEYS: &[(&str, &str)] = &[
    ("scalingActivities", "scalingActivityId"),
    ("lifecycleActions", "lifecycleActionToken"),
    ("snapshots", "snapshotId"),
    ("invocations", "invokeId"),
    ("executions", "ExecutionId"),
];

/// The cloud of a scene, before the first call.
pub(super) fn cloud(scene: &Scene) -> Result<Cloud, RecordingError> {
    let fixture = Fixture::parse(&plain::spell(&scene.fixture, &scene.plain))?;
    let mut cloud = Cloud::new(&fixture)?;
    for template in &scene.templates {
        let added = cloud.world.library.add(&template.name, &template.content);
        added.map_err(|why| RecordingError::Template(template.name.clone(), why))?;
    }
    Ok(cloud)
}

/// What is otherwise in `end`: `null` for what is gone.
pub(super) fn changes(start: &mut Cloud, end: &mut Cloud) -> Rows {
    let mut before = rows(start);
    let mut changed = Rows::new();
    for (kind, rows) in rows(end) {
        let mut old = before.remove(&kind).unwrap_or_default();
        let mut new: BTreeMap<String, Value> = rows
            .into_iter()
            .filter(|(id, row)| old.remove(id).as_ref() != Some(row))
            .collect();
        new.extend(old.into_keys().map(|id| (id, Value::Null)));
        // What is compared is what there is: the start knows nothing of secrets.
        let mut new: BTreeMap<String, Value> = new
            .into_iter()
            .map(|(id, row)| (end.world.journal.name(&id), row))
            .collect();
        for row in new.values_mut() {
            // OOS has taken out by itself what executions have of a secret that is a word.
            end.world.journal.hide(row, Common::Whole);
        }
        if !new.is_empty() {
            changed.insert(kind, new);
        }
    }
    changed
}

fn rows(cloud: &mut Cloud) -> Rows {
    let executions = cloud.root_executions();
    let mut state = control::state(&cloud.world.resources, cloud.now());
    state["executions"] = Value::Array(executions);
    let Value::Object(kinds) = state else {
        return Rows::new();
    };
    let mut all = Rows::new();
    for (kind, list) in kinds {
        let Value::Array(list) = list else { continue };
        let rows = all.entry(kind.clone()).or_default();
        for row in list {
            let mut id = id(&kind, &row);
            while rows.contains_key(&id) {
                id.push('\'');
            }
            rows.insert(id, row);
        }
    }
    all
}

fn id(kind: &str, row: &Value) -> String {
    let known = KEYS.iter().find(|(of, _)| *of == kind);
    let key = match known {
        Some((_, key)) => Some(*key),
        None => {
            let singular = kind.strip_suffix('s').unwrap_or(kind);
            let own = format!("{singular}Id");
            let members = row.as_object();
            members.and_then(|members| {
                let mut names = members.keys().map(String::as_str);
                let own = names.clone().find(|name| *name == own);
                own.or_else(|| names.find(|name| name.ends_with("Id") && *name != "accountId"))
            })
        }
    };
    key.and_then(|key| row[key].as_str())
        .unwrap_or_default()
        .to_owned()
}
