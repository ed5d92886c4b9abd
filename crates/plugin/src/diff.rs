//! `diff`: what applying a manifest would change, and whether it may.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ess_rollout_api::crds::immutable;
use serde_json::Value;

use crate::cli::{DiffArgs, DryRun};
use crate::cluster::{Cluster, Found};
use crate::exit::End;
use crate::kind::Target;
use crate::manifest::{self, Manifest};
use crate::terminal::print;

/// Prints it.
///
/// # Errors
/// When a manifest or an object cannot be read, or the apiserver refuses the manifest.
pub async fn run(cluster: &Cluster, flag: Option<&str>, args: &DiffArgs) -> Result<End> {
    let mut differs = false;
    for file in &args.files {
        for manifest in manifest::read(file)? {
            differs |= one(cluster, flag, manifest).await?;
        }
    }
    Ok(match differs && args.exit_code {
        true => End::Error,
        false => End::Wanted,
    })
}

async fn one(cluster: &Cluster, flag: Option<&str>, manifest: Manifest) -> Result<bool> {
    let namespace = manifest.namespace(cluster, flag)?.to_owned();
    let (kind, name) = (manifest.kind, manifest.name().to_owned());
    let found = cluster.found(&namespace, Target { kind, name });
    let argument = found.target().argument();
    let live = match found.raw().await {
        Ok(live) => live,
        Err(failure) if failure.is_not_found() => {
            defaulted(cluster, &found, &manifest, false).await?;
            print(&[format!("{argument} is not there: it would be created")])?;
            return Ok(true);
        }
        Err(failure) => {
            let what = format!("cannot read the {}", found.target());
            return Err(failure).context(what);
        }
    };
    let wanted = defaulted(cluster, &found, &manifest, true).await?;
    let lines = differences(&live.data["spec"], &wanted);
    if lines.is_empty() {
        print(&[format!("{argument} is as the manifest says")])?;
        return Ok(false);
    }
    let mut said = vec![format!("{argument} differs:")];
    for (path, before, after) in &lines {
        let field = path.split(['.', '[']).next().unwrap_or_default();
        let mark = match immutable(kind.name(), field) {
            None => String::new(),
            Some(cure) => format!("   (cannot be changed: {cure})"),
        };
        said.push(format!("  spec.{path}: {before} -> {after}{mark}"));
    }
    print(&said)?;
    Ok(true)
}

/// The spec of a manifest as the apiserver would have it, with its defaults: it is asked to create another one, and not to keep it.
async fn defaulted(
    cluster: &Cluster,
    found: &Found<'_>,
    manifest: &Manifest,
    is_there: bool,
) -> Result<Value> {
    let mut object = manifest.object.clone();
    object.metadata.namespace = None;
    if is_there {
        let name = object.metadata.name.take().unwrap_or_default();
        let end = name.len().min(200);
        object.metadata.generate_name = name.get(..end).map(|name| format!("{name}-"));
    }
    let created = cluster
        .create(found.namespace(), &object, manifest.kind, DryRun::Server)
        .await;
    let mut created = created.with_context(|| format!("the {} is refused", found.target()))?;
    Ok(created.data["spec"].take())
}

/// Each leaf that is not the same, with what is there and what would be.
fn differences(live: &Value, wanted: &Value) -> Vec<(String, String, String)> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(String::new(), live, &mut before);
    leaves(String::new(), wanted, &mut after);
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let text = |value: Option<&&Value>| value.map_or("(none)".to_owned(), |value| short(value));
    let differing = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path));
    let line = |path: &String| (path.clone(), text(before.get(path)), text(after.get(path)));
    differing.map(line).collect()
}

fn leaves<'v>(path: String, value: &'v Value, into: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(format!("{path}{dot}{name}"), value, into);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, value) in items.iter().enumerate() {
                leaves(format!("{path}[{number}]"), value, into);
            }
        }
        leaf => {
            into.insert(path, leaf);
        }
    }
}

/// Values may be secrets, and scripts are long.
fn short(value: &Value) -> String {
    const LENGTH: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LENGTH {
        return text;
    }
    let kept: String = text.chars().take(LENGTH).collect();
    format!("{kept}... ({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_leaf_that_differs_is_named() {
        let live = json!({"batches": 5, "update": {"image": {"imageId": "a"}}, "states": ["x"], "same": 1});
        let wanted = json!({"batches": 3, "update": {"image": {"imageId": "b"}}, "states": ["x", "y"], "same": 1, "runKey": "k"});
        let found = differences(&live, &wanted);
        let paths: Vec<&str> = found.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["batches", "runKey", "states[1]", "update.image.imageId"]
        );
        assert_eq!(found[1].1, "(none)");
        assert!(differences(&live, &live).is_empty());
    }
}
