//! `report`: what is known of an object, in one file for those who help.
//!
//! Everything in it has been through [`redacted`]: scripts, values of environment variables, outputs of instances and annotations
//! of others, copies of manifests among them, are not in it.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::{Output, ReportArgs};
use crate::cluster::{Cluster, Found};
use crate::events::events;
use crate::exit::End;
use crate::kind::{Kind, Target};
use crate::object::Object;
use crate::output;
use crate::records::records;
use crate::screen::page::Style;
use crate::screen::{plan, screen};

/// Fields that hold text which runs on instances, comes from them, or may be a secret: by their names, wherever they are.
const SECRET_FIELDS: [&str; 6] = ["inline", "outputTail", "value", "command", "arg", "scripts"];

/// What stands before the last words of a script in messages.
const LAST_WORDS: &str = ", and with: ";

/// A text without what a script has said.
fn without_output(text: &str) -> String {
    match text.split_once(LAST_WORDS) {
        Some((before, _)) => format!("{before}{LAST_WORDS}(left out)"),
        None => text.to_owned(),
    }
}

/// Annotations may hold anything; ours hold nothing that is secret.
fn annotations(all: &serde_json::Map<String, Value>) -> Value {
    let kept = all.iter().map(|(name, value)| {
        let ours = name.starts_with(&format!("{}/", ess_rollout_api::GROUP));
        let value = if ours { value.clone() } else { left_out(value) };
        (name.clone(), value)
    });
    Value::Object(kept.collect())
}

/// What stands in the place of text that is left out. Everything keeps its type: what is left can be read as an object.
fn left_out(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(format!("(left out: {} bytes)", text.len())),
        Value::Array(items) => Value::Array(items.iter().map(left_out).collect()),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), left_out(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// Without what may be a secret.
pub fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, value)| {
                // Hashes of scripts are objects of strings, and tell two scripts apart without saying what they are.
                let is_secret = SECRET_FIELDS.contains(&name.as_str()) && !is_hashes(value);
                let value = match (name.as_str(), value) {
                    ("annotations", Value::Object(all)) => annotations(all),
                    _ if is_secret => left_out(value),
                    _ => redacted(value),
                };
                (name.clone(), value)
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::String(text) => Value::String(without_output(text)),
        other => other.clone(),
    }
}

fn is_hashes(value: &Value) -> bool {
    let is_hash = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    let fields = value.as_object();
    fields.is_some_and(|fields| !fields.is_empty() && fields.values().all(is_hash))
}

/// Files of an archive, each with a name.
struct Bundle {
    folder: String,
    now: Timestamp,
    archive: tar::Builder<GzEncoder<Vec<u8>>>,
    problems: Vec<String>,
}

impl Bundle {
    fn add(&mut self, name: &str, content: &str) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(content.len())?);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(self.now.as_second()).unwrap_or_default());
        header.set_cksum();
        let path = format!("{}/{name}", self.folder);
        let added = self
            .archive
            .append_data(&mut header, path, content.as_bytes());
        added.with_context(|| format!("cannot add {name}"))
    }

    fn document(&mut self, name: &str, document: &Value) -> Result<()> {
        let text = output::text(&redacted(document), Output::Yaml)?;
        self.add(name, &text)
    }

    /// What cannot be read is said in the bundle, and the rest is there.
    fn unless_failed(&mut self, name: &str, document: Result<Value>) -> Result<()> {
        match document {
            Ok(document) => self.document(name, &document),
            Err(error) => {
                self.problems.push(format!("{name}: {error:#}"));
                Ok(())
            }
        }
    }
}

/// Writes it.
///
/// # Errors
/// When the object cannot be read, or the file cannot be written.
pub async fn run(cluster: &Cluster, args: &ReportArgs) -> Result<End> {
    let found = cluster.named(&args.named.name)?;
    let object = found.get().await?;
    let now = Timestamp::now();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let folder = format!("ess-rollout-{}-{stamp}", found.target().name);
    let mut bundle = Bundle {
        folder: folder.clone(),
        now,
        archive: tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default())),
        problems: Vec::new(),
    };
    about(&mut bundle, cluster, &found, &object, args).await?;
    related(&mut bundle, cluster, &found, &object).await?;
    if !bundle.problems.is_empty() {
        let problems = bundle.problems.join("\n") + "\n";
        bundle.add("problems.txt", &problems)?;
    }
    let bytes = bundle.archive.into_inner()?.finish()?;
    let file = args.file.clone();
    let file = file.unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    if file == Path::new("-") {
        let mut out = stdout().lock();
        out.write_all(&bytes)?;
        out.flush()?;
        return Ok(End::Wanted);
    }
    // Others on this machine need not read it, and a report is not written over another.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&file)
        .and_then(|mut file| file.write_all(&bytes));
    written.with_context(|| {
        let file = file.display();
        format!("cannot write {file}, and nothing is written over: -f names another file")
    })?;
    eprintln!(
        "{} is written, without scripts, values, outputs and annotations of others: look through it before it leaves your hands",
        file.display()
    );
    Ok(End::Wanted)
}

async fn about(
    bundle: &mut Bundle,
    cluster: &Cluster,
    found: &Found<'_>,
    object: &Object,
    args: &ReportArgs,
) -> Result<()> {
    let style = Style {
        width: 200,
        unicode: true,
        colour: false,
        verbose: true,
    };
    // Of what is left of it: a line is broken, and cut, anywhere.
    let raw = serde_json::from_value(redacted(&object.document()))?;
    let object = &Object::read(found.target().kind, raw)?;
    let mut lines = screen(object, bundle.now, style);
    let plan = object.rollout();
    lines.extend(
        plan.map(|of| plan::screen(of, bundle.now, style))
            .unwrap_or_default(),
    );
    bundle.add("status.txt", &(lines.join("\n") + "\n"))?;
    bundle.document("object.yaml", &object.document())?;
    let events = events(cluster, found).await;
    bundle.unless_failed("events.yaml", events.map(|events| json!(events)))?;
    if let Some(group) = object.group() {
        let records = records(cluster, &args.records, &[group.to_owned()]).await;
        bundle.unless_failed("scaling-group-record.yaml", records.map(|all| json!(all)))?;
    }
    let server = cluster.call(cluster.client().apiserver_version()).await;
    let versions = server.map_err(anyhow::Error::from).map(
        |server| json!({"client": env!("CARGO_PKG_VERSION"), "kubernetes": server.git_version}),
    );
    bundle.unless_failed("versions.yaml", versions)
}

/// The other half of a pair of an update and its rollback.
async fn related(
    bundle: &mut Bundle,
    cluster: &Cluster,
    found: &Found<'_>,
    object: &Object,
) -> Result<()> {
    let Some(rollout) = object.rollout() else {
        return Ok(());
    };
    let undo = rollout.status.rolled_back_by.as_ref();
    let undone = rollout.status.source.as_ref();
    let others = [
        undo.map(|undo| (Kind::Rollback, undo.name.clone())),
        undone.map(|source| (Kind::Task, source.name.clone())),
    ];
    for (kind, name) in others
        .into_iter()
        .flatten()
        .filter(|(_, name)| !name.is_empty())
    {
        let file = format!("{}-{name}.yaml", kind.name().to_lowercase());
        let other = cluster.found(found.namespace(), Target { kind, name });
        let other = other.get().await.map(|other| other.document());
        bundle.unless_failed(&file, other)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_still_an_object() {
        let task = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask", "metadata": {"name": "web"},
            "spec": {"scalingGroupId": "asg-web", "update": {"containerGroup": {"containers": [{
                "name": "app", "command": ["sh", "-c"], "arg": ["x"], "environmentVar": [{"key": "A", "value": "b"}],
            }]}}},
            "status": {"instances": [{"id": "i-1", "batch": 1, "state": "Failed", "outputTail": "x"}]},
        });
        let raw = serde_json::from_value(redacted(&task)).unwrap();
        Object::read(Kind::Task, raw).unwrap();
    }

    #[test]
    fn nothing_that_may_be_a_secret_is_in_it() {
        const CANARY: &str = "hunter2";
        let object = json!({
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY, "example.com/token": CANARY, "ess-rollout.io/continue": "1"}},
            "spec": {"update": {
                "script": {"run": {"inline": CANARY}, "rollback": {"inline": CANARY}},
                "containerGroup": {"containers": [{
                    "name": "app", "command": ["sh", CANARY], "arg": [CANARY],
                    "environmentVar": [{"key": "PASSWORD", "value": CANARY}],
                }]},
            }},
            "status": {
                "instances": [{"id": "i-1", "outputTail": CANARY, "message": format!("the script ended with exit code 7, and with: {CANARY}")}],
                "start": {"scripts": {"run": CANARY}},
                "plan": {"scripts": {"run": "a".repeat(64)}},
            },
        });
        let kept = redacted(&object).to_string();
        assert!(!kept.contains(CANARY), "{kept}");
        for said in [
            "PASSWORD",
            "i-1",
            "example.com/token",
            "exit code 7",
            "ess-rollout.io/continue",
            &"a".repeat(64),
        ] {
            assert!(kept.contains(said), "{said} is not in {kept}");
        }
    }
}
