//! `get`: many objects, a line each.

use anyhow::{Context, Result, ensure};
use ess_rollout_api::v1alpha1::condition;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use crate::cli::{GetArgs, Output};
use crate::cluster::{Cluster, Scope};
use crate::conditions;
use crate::exit::End;
use crate::kind::{Kind, Target};
use crate::object::{Object, View, document};
use crate::output;
use crate::screen::mood;
use crate::screen::page::age;
use crate::screen::table::{Row, table};
use crate::terminal::{print, style};

/// What is asked for.
struct Asked {
    kinds: Vec<Kind>,
    targets: Vec<Target>,
}

impl Asked {
    fn parse(words: &[String]) -> Result<Self> {
        let (mut kinds, mut targets) = (Vec::new(), Vec::new());
        for word in words.iter().flat_map(|words| words.split(',')) {
            let kind = Kind::of_word(word).filter(|_| !word.contains('/'));
            match kind {
                Some(kind) => kinds.push(kind),
                None if word == "all" => kinds.extend(Kind::ALL),
                None => targets.push(Target::parse(word)?),
            }
        }
        // `get rollback back`, as kubectl has it.
        if let ([kind], false) = (kinds.as_slice(), targets.is_empty()) {
            for target in &mut targets {
                target.kind = *kind;
            }
            kinds.clear();
        }
        ensure!(
            kinds.is_empty() || targets.is_empty(),
            "either kinds or names: {}",
            words.join(" ")
        );
        if kinds.is_empty() && targets.is_empty() {
            kinds.extend(Kind::ALL);
        }
        Ok(Self { kinds, targets })
    }
}

/// Lists them.
///
/// # Errors
/// When they cannot be listed, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &GetArgs) -> Result<End> {
    let asked = Asked::parse(&args.what)?;
    ensure!(
        asked.targets.is_empty() || (args.selector.is_none() && !args.all_namespaces),
        "an object is named: --selector and --all-namespaces go with kinds"
    );
    let mut listing = Listing::new(args);
    for target in &asked.targets {
        let found = cluster.found(cluster.namespace(), target.clone());
        let raw = found.raw().await;
        let raw =
            raw.with_context(|| format!("cannot read the {target} in {}", found.namespace()))?;
        listing.add(target.kind, raw)?;
    }
    let scope = cluster.scope(args.all_namespaces);
    let mut params = ListParams::default();
    params.label_selector.clone_from(&args.selector);
    for kind in &asked.kinds {
        let api = cluster.api(*kind, scope);
        let listed = cluster.list(&api, &params, |raw| listing.add(*kind, raw));
        let listed = listed.await;
        let place = match scope {
            Scope::Namespace(namespace) => format!("in {namespace}"),
            Scope::All => "in all namespaces".to_owned(),
        };
        listed.with_context(|| format!("cannot list {}s {place}", kind.name()))?;
    }
    let one = args.what.len() == 1 && asked.targets.len() == 1;
    listing.print(args, cluster.namespace(), one)
}

/// What is printed, as little of each object as that takes.
struct Listing<'a> {
    args: &'a GetArgs,
    now: Timestamp,
    documents: Vec<Value>,
    names: Vec<String>,
    rows: Vec<(Key, Row)>,
}

/// Where a row stands: what has not ended comes first, and of that what waits for a person; then the newest.
type Key = (bool, bool, std::cmp::Reverse<Option<Timestamp>>, String);

impl<'a> Listing<'a> {
    fn new(args: &'a GetArgs) -> Self {
        Self {
            args,
            now: Timestamp::now(),
            documents: Vec::new(),
            names: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn add(&mut self, kind: Kind, raw: DynamicObject) -> Result<()> {
        let object = Object::read(kind, raw)?;
        if self.args.active && object.end().is_some() {
            return Ok(());
        }
        let group = object.group().unwrap_or_default();
        if self
            .args
            .group
            .as_deref()
            .is_some_and(|wanted| wanted != group)
        {
            return Ok(());
        }
        match self.args.output.output {
            Some(Output::Json | Output::Yaml) => self.documents.push(document(&object.raw)),
            Some(Output::Name) => self.names.push(object.target().qualified()),
            Some(Output::Wide) | None => {
                let ended = object.end().is_some();
                let created = object.metadata().creation_timestamp.as_ref();
                let created = std::cmp::Reverse(created.map(|time| time.0));
                let key = (ended, !object.is_paused(), created, object.argument());
                let row = self.row(&object, group);
                self.rows.push((key, row));
            }
        }
        Ok(())
    }

    fn row(&self, object: &Object, group: &str) -> Row {
        let ago = |time: Option<&Time>| time.map_or(String::new(), |time| age(self.now, time.0));
        let mut cells = Vec::new();
        if self.args.all_namespaces {
            cells.push(object.namespace().to_owned());
        }
        cells.extend([object.argument(), object.state().to_owned()]);
        let created = ago(object.metadata().creation_timestamp.as_ref());
        match &object.view {
            View::Rollout(rollout) => {
                let status = &rollout.status;
                let summary = status.summary.clone().unwrap_or_default();
                let pause = status.pause.as_ref().filter(|_| rollout.is_paused());
                cells.extend([
                    summary.batch,
                    summary.progress,
                    summary.failed.to_string(),
                    ago(pause.map(|pause| &pause.since)),
                    ago(status.freeze.as_ref().map(|freeze| &freeze.since)),
                ]);
            }
            View::ImageUpdate(_) => cells.extend(std::iter::repeat_n(String::new(), 5)),
        }
        cells.extend([created, group.to_owned(), what(object)]);
        if self.args.output.output == Some(Output::Wide) {
            let conditions = conditions_of(object);
            let ready = conditions::condition(conditions, condition::READY);
            let reason = ready.map(|ready| ready.reason.clone());
            cells.extend([execution(object), reason.unwrap_or_default()]);
        }
        Row {
            mood: Some(mood(object)),
            cells,
        }
    }

    fn print(mut self, args: &GetArgs, namespace: &str, one: bool) -> Result<End> {
        match args.output.output {
            Some(form @ (Output::Json | Output::Yaml)) => {
                match (one, self.documents.len()) {
                    (true, 1) => output::document(&self.documents.remove(0), form)?,
                    _ => output::list(self.documents, form)?,
                }
                return Ok(End::Wanted);
            }
            Some(Output::Name) => print(&self.names)?,
            Some(Output::Wide) | None if self.rows.is_empty() => {
                let place = match args.all_namespaces {
                    true => "all namespaces".to_owned(),
                    false => format!("namespace {namespace}"),
                };
                eprintln!("nothing found in {place}");
            }
            Some(Output::Wide) | None => {
                let mut header = Vec::new();
                if args.all_namespaces {
                    header.push("NAMESPACE");
                }
                header.extend([
                    "NAME",
                    "STATE",
                    "BATCH",
                    "UPDATED",
                    "FAILED",
                    "PAUSED",
                    "FROZEN",
                    "AGE",
                    "SCALING-GROUP",
                    "WHAT",
                ]);
                if args.output.output == Some(Output::Wide) {
                    header.extend(["EXECUTION", "REASON"]);
                }
                self.rows.sort_by(|(a, _), (b, _)| a.cmp(b));
                let rows: Vec<Row> = self.rows.into_iter().map(|(_, row)| row).collect();
                print(&table(&header, &rows, style(false)))?;
            }
        }
        Ok(End::Wanted)
    }
}

fn what(object: &Object) -> String {
    match &object.view {
        View::Rollout(rollout) => rollout.what.clone(),
        View::ImageUpdate(update) => update.what(),
    }
}

fn execution(object: &Object) -> String {
    let execution = match &object.view {
        View::Rollout(rollout) => rollout.status.execution.as_ref(),
        View::ImageUpdate(update) => {
            let active = update.status.active.as_ref();
            active.and_then(|run| run.execution.as_ref())
        }
    };
    execution.map_or(String::new(), |execution| execution.id.clone())
}

/// The conditions of an object.
pub(crate) fn conditions_of(
    object: &Object,
) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
    match &object.view {
        View::Rollout(rollout) => &rollout.status.conditions,
        View::ImageUpdate(update) => &update.status.conditions,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<(Vec<Kind>, Vec<String>)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let asked = Asked::parse(&words)?;
        let names = asked.targets.iter().map(Target::argument).collect();
        Ok((asked.kinds, names))
    }

    #[test]
    fn kinds_or_names() {
        assert_eq!(asked(&[]).unwrap(), (Kind::ALL.to_vec(), vec![]));
        let two = vec![Kind::Task, Kind::Rollback];
        assert_eq!(asked(&["tasks,rollbacks"]).unwrap(), (two, vec![]));
        let names = vec!["web".to_owned(), "rollback/back".to_owned()];
        assert_eq!(asked(&["web", "rollback/back"]).unwrap(), (vec![], names));
        let back = vec!["rollback/back".to_owned()];
        assert_eq!(asked(&["rollbacks", "back"]).unwrap(), (vec![], back));
        assert!(asked(&["tasks", "rollbacks", "web"]).is_err());
        assert!(asked(&["pods/web"]).is_err());
        let typed = Kind::ALL.map(|kind| {
            let name = "web".to_owned();
            Target { kind, name }.qualified()
        });
        for word in &typed {
            let (kinds, names) = asked(&[word]).unwrap();
            assert!(kinds.is_empty() && names.len() == 1, "{word}");
        }
    }
}
