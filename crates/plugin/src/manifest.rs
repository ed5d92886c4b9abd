//! Manifests from files and stdin.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::kind::{Kind, api_version};

/// The most bytes of a file: manifests are written by people.
const SIZE_MAX: u64 = 16 << 20;

/// An object of ours in a file.
pub struct Manifest {
    /// Its kind.
    pub kind: Kind,
    /// The object.
    pub object: DynamicObject,
}

impl Manifest {
    /// Its name.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Where it goes: as it says itself, or as the flags and the kubeconfig do. As for kubectl, they must not disagree.
    ///
    /// # Errors
    /// When they do.
    pub fn namespace<'a>(&'a self, cluster: &'a Cluster, flag: Option<&str>) -> Result<&'a str> {
        let own = self.object.metadata.namespace.as_deref();
        if let (Some(own), Some(flag)) = (own, flag) {
            ensure!(
                own == flag,
                "{} has metadata.namespace {own}, and --namespace is {flag}",
                self.name()
            );
        }
        Ok(own.unwrap_or_else(|| cluster.namespace()))
    }
}

fn text(file: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        let mut stdin = std::io::stdin().lock().take(SIZE_MAX);
        stdin.read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file);
        opened.and_then(|opened| opened.take(SIZE_MAX).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text)
}

/// The objects of ours in a file; others are left out.
///
/// # Errors
/// When it cannot be read, or has none.
pub fn read(file: &Path) -> Result<Vec<Manifest>> {
    let text = text(file)?;
    let place = || format!("{} is no manifest", file.display());
    // JSON is YAML.
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).with_context(place)?;
    let mut found = Vec::new();
    for document in documents {
        let items = match document.get("kind").and_then(Value::as_str) {
            Some("List") => document.get("items").and_then(Value::as_array).cloned(),
            _ => None,
        };
        for item in items.unwrap_or_else(|| vec![document]) {
            found.extend(of_document(item).with_context(place)?);
        }
    }
    ensure!(
        !found.is_empty(),
        "{} has no RollingUpdateTask, Rollback or ImageUpdateTask in it",
        file.display()
    );
    Ok(found)
}

/// The one object in a file.
///
/// # Errors
/// When there is none, or there are several.
pub fn read_one(file: &Path) -> Result<Manifest> {
    let mut all = read(file)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => bail!(
            "{} has several objects in it: name a file with one",
            file.display()
        ),
    }
}

fn of_document(document: Value) -> Result<Option<Manifest>> {
    let word = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (version, kind) = (word("apiVersion"), word("kind"));
    if version.split('/').next() != Some(ess_rollout_api::GROUP) {
        return Ok(None);
    }
    let Some(kind) = Kind::of_manifest(kind) else {
        bail!("nobody applies a {kind}");
    };
    ensure!(
        version == api_version(),
        "{version}: the API version is {}",
        api_version()
    );
    let object: DynamicObject = serde_json::from_value(document)?;
    ensure!(
        object.metadata.name.is_some(),
        "a {} has no metadata.name",
        kind.name()
    );
    Ok(Some(Manifest { kind, object }))
}
