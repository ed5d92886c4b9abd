//! Completion: scripts for shells, and the program that kubectl asks for candidates of a plugin.
//!
//! kubectl runs `kubectl_complete-ess_rollout` with the words that were typed, of which the last may be empty, and reads a
//! candidate from each line, a description behind a tab, and from the last line a directive of Cobra: `:4`, no names of files
//! but those that are given, and 2 more for no blank behind it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use ess_rollout_api::v1alpha1::InstanceState;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::config::Kubeconfig;

use crate::cli::{Cli, CompletionArgs, CompletionOf, Connection};
use crate::cluster::{Cluster, Scope};
use crate::exit::End;
use crate::kind::Kind;
use crate::object::Object;
use crate::rollout::Rollout;
use crate::screen::in_a_line;
use crate::terminal::print;

/// The program that kubectl asks.
pub const PROGRAM: &str = "kubectl_complete-ess_rollout";
/// How long somebody who has pressed Tab waits for the apiserver.
const BUDGET: Duration = Duration::from_secs(2);
/// The most objects that are asked for.
const OBJECTS: u32 = 200;

/// Prints a script, or links the program.
///
/// # Errors
/// When it cannot be linked, or nobody reads what is printed.
pub fn run(args: &CompletionArgs) -> Result<End> {
    let shell = match &args.of {
        CompletionOf::Install { dir } => {
            install(dir.as_deref())?;
            return Ok(End::Wanted);
        }
        CompletionOf::Bash => Shell::Bash,
        CompletionOf::Zsh => Shell::Zsh,
        CompletionOf::Fish => Shell::Fish,
        CompletionOf::PowerShell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut Cli::command(),
        "kubectl-ess_rollout",
        &mut script,
    );
    print(&[String::from_utf8(script)?])?;
    Ok(End::Wanted)
}

/// Where this program is by the name by which it was found on the `PATH`: what krew and others put there is a link, which outlasts
/// a new version.
fn program() -> Result<PathBuf> {
    let called = std::env::args_os().next().map(PathBuf::from);
    match called.filter(|called| called.is_absolute() && called.exists()) {
        Some(called) => Ok(called),
        None => std::env::current_exe().context("cannot find this program"),
    }
}

fn install(dir: Option<&Path>) -> Result<()> {
    let program = program()?;
    let own = program.parent();
    let own = own.context("cannot find the directory of this program")?;
    let dir = dir.unwrap_or(own);
    let link = dir.join(PROGRAM);
    // Beside it, and so wherever both are.
    let target = match (dir == own, program.file_name()) {
        (true, Some(name)) => PathBuf::from(name),
        _ => program.clone(),
    };
    match std::fs::read_link(&link) {
        Ok(there) if there == target => {
            return print(&[format!("{} is there already", link.display())]);
        }
        // A link to where this program was before.
        Ok(_) => {
            let removed = std::fs::remove_file(&link);
            removed.with_context(|| format!("cannot replace {}", link.display()))?;
        }
        Err(_) if link.exists() => bail!(
            "{} is there, and is no link: it is left alone",
            link.display()
        ),
        Err(_) => {}
    }
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(&target, &link);
    #[cfg(not(unix))]
    let linked = std::fs::copy(&program, &link).map(|_| ());
    linked.with_context(|| format!("cannot write {}", link.display()))?;
    print(&[format!("{} completes for kubectl", link.display())])
}

/// Whether this program was called by the name by which kubectl asks for candidates.
pub fn is_asked(program: Option<&OsStr>) -> bool {
    let name = program.map(Path::new).and_then(Path::file_stem);
    name == Some(OsStr::new(PROGRAM))
}

/// The candidates for the last of these words. What goes wrong leaves none: nobody reads an error in the middle of a line.
pub fn candidates(words: &[OsString]) -> Vec<String> {
    let mut typed = vec![OsString::from("kubectl-ess_rollout")];
    typed.extend(words.iter().cloned());
    let seen = Typed::read(&typed);
    let mut command = Cli::command();
    let names: Vec<String> = command
        .get_subcommands()
        .map(|of| of.get_name().to_owned())
        .collect();
    // The flags that all have are those of the program itself.
    command = with_completers(command, "", &seen);
    for name in names {
        command = command.mut_subcommand(&name, |of| with_completers(of, &name, &seen));
    }
    let last = typed.len() - 1;
    let asks_flags = words
        .last()
        .is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let here = std::env::current_dir().ok();
    let mut found = complete(&mut command, typed, last, here.as_deref()).unwrap_or_default();
    let is_flag = |of: &CompletionCandidate| of.get_value().to_string_lossy().starts_with('-');
    // As for kubectl's own commands: flags are offered to who asks for one.
    if !asks_flags && !found.iter().all(is_flag) {
        found.retain(|candidate| !is_flag(candidate));
    }
    let line = |candidate: &CompletionCandidate| {
        let value = candidate.get_value().to_string_lossy().into_owned();
        match candidate.get_help() {
            // The first line of it says what it is.
            Some(help) => {
                let help = help.to_string();
                format!("{value}\t{}", help.lines().next().unwrap_or_default())
            }
            None => value,
        }
    };
    let mut lines: Vec<String> = found.iter().map(line).collect();
    // After a directory no blank: what is in it comes next.
    let is_directory = |line: &String| line.ends_with('/');
    let directive = match !lines.is_empty() && lines.iter().all(is_directory) {
        true => ":6",
        false => ":4",
    };
    lines.push(directive.to_owned());
    lines
}

/// What of a line is there already.
#[derive(Clone, Default)]
struct Typed {
    connection: Connection,
    name: Option<String>,
}

impl Typed {
    fn read(words: &[OsString]) -> Self {
        let before = words.get(..words.len() - 1).unwrap_or_default();
        let command = Cli::command().ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from(before) else {
            return Self::default();
        };
        let of = matches.subcommand().map_or(&matches, |(_, of)| of);
        Self {
            connection: Connection::from_arg_matches(of).unwrap_or_default(),
            name: string(of, "name"),
        }
    }
}

fn string(matches: &ArgMatches, id: &str) -> Option<String> {
    matches.try_get_one::<String>(id).ok().flatten().cloned()
}

/// What a command is for.
#[derive(Clone, Copy)]
struct Of {
    kinds: &'static [Kind],
    fits: fn(&Object) -> bool,
}

fn of_command(name: &str) -> Of {
    let kinds: &'static [Kind] = match name {
        "rollback" => &[Kind::Task],
        "run-now" => &[Kind::ImageUpdate],
        "continue" | "approve" | "retry" | "skip" | "cancel-instances" | "retry-gate" | "plan"
        | "run" | "logs" => &[Kind::Task, Kind::Rollback],
        _ => &Kind::ALL,
    };
    let fits: fn(&Object) -> bool = match name {
        "continue" => Object::is_paused,
        "retry-gate" => |object| object.rollout().is_some_and(Rollout::is_held_by_checks),
        "approve" | "retry" | "skip" | "cancel-instances" | "cancel" | "override-window" => {
            |object| object.end().is_none()
        }
        "run" => |object| object.state() == "Planned",
        _ => |_| true,
    };
    Of { kinds, fits }
}

fn with_completers(mut command: clap::Command, name: &str, typed: &Typed) -> clap::Command {
    let of = of_command(name);
    let ids: Vec<String> = command
        .get_arguments()
        .map(|arg| arg.get_id().to_string())
        .collect();
    for id in ids {
        let typed = typed.clone();
        let completer = match id.as_str() {
            "name" | "what" => {
                ArgValueCompleter::new(move |word: &OsStr| objects(&typed, of, word))
            }
            "group" | "groups" => ArgValueCompleter::new(move |word: &OsStr| groups(&typed, word)),
            "instances" => ArgValueCompleter::new(move |word: &OsStr| instances(&typed, word)),
            "namespace" => ArgValueCompleter::new(move |word: &OsStr| namespaces(&typed, word)),
            "context" => ArgValueCompleter::new(move |word: &OsStr| contexts(&typed, word)),
            _ => continue,
        };
        command = command.mut_arg(id, |arg| arg.add(completer));
    }
    command
}

/// What the cluster says, if it does so in time.
fn ask<T>(asked: impl Future<Output = Result<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let answer = runtime.block_on(async { tokio::time::timeout(BUDGET, asked).await });
    answer.ok()?.ok()
}

fn objects(typed: &Typed, Of { kinds, fits }: Of, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy().into_owned();
    let only = matches!(kinds, [Kind::ImageUpdate]);
    let asked = async {
        let cluster = Cluster::connect(&typed.connection).await?;
        let mut found = Vec::new();
        for kind in kinds {
            let api = cluster.api(*kind, Scope::Namespace(cluster.namespace()));
            let params = ListParams::default().limit(OBJECTS);
            for raw in cluster.call(api.list(&params)).await?.items {
                let object = Object::read(*kind, raw)?;
                // Where nothing else can be meant the kind is not typed.
                let value = match only {
                    true => object.target().name,
                    false => object.argument(),
                };
                if value.starts_with(&word) && fits(&object) {
                    let help = in_a_line(&object);
                    found.push(CompletionCandidate::new(value).help(Some(help.into())));
                }
            }
        }
        Ok(found)
    };
    ask(asked).unwrap_or_default()
}

fn instances(typed: &Typed, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy().into_owned();
    let asked = async {
        let cluster = Cluster::connect(&typed.connection).await?;
        let name = typed.name.as_deref().unwrap_or_default();
        let object = cluster.named(name)?.get().await?;
        let mut all = object
            .rollout()
            .map_or(Vec::new(), |of| of.status.instances.clone());
        all.sort_by_key(|instance| (instance.state != InstanceState::Failed, instance.id.clone()));
        let fitting = all
            .into_iter()
            .filter(|instance| instance.id.starts_with(&word));
        let candidate = fitting.map(|instance| {
            let help = format!("{:?} {}", instance.state, instance.message);
            CompletionCandidate::new(instance.id).help(Some(help.into()))
        });
        Ok(candidate.collect())
    };
    ask(asked).unwrap_or_default()
}

/// Of tasks in the namespace: records are the operator's, which few may read.
fn groups(typed: &Typed, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy().into_owned();
    let asked = async {
        let cluster = Cluster::connect(&typed.connection).await?;
        let api = cluster.api(Kind::Task, Scope::Namespace(cluster.namespace()));
        let params = ListParams::default().limit(OBJECTS);
        let mut found = BTreeSet::new();
        for raw in cluster.call(api.list(&params)).await?.items {
            let object = Object::read(Kind::Task, raw)?;
            let group = object.group().filter(|group| group.starts_with(&word));
            found.extend(group.map(str::to_owned));
        }
        Ok(found.into_iter().map(CompletionCandidate::new).collect())
    };
    ask(asked).unwrap_or_default()
}

fn namespaces(typed: &Typed, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy().into_owned();
    let asked = async {
        let cluster = Cluster::connect(&typed.connection).await?;
        let api: Api<Namespace> = Api::all(cluster.client().clone());
        let params = ListParams::default().limit(OBJECTS);
        let all = cluster.call(api.list_metadata(&params)).await?;
        let names = all.items.into_iter().filter_map(|of| of.metadata.name);
        let fitting = names.filter(|name| name.starts_with(&word));
        Ok(fitting.map(CompletionCandidate::new).collect())
    };
    ask(asked).unwrap_or_default()
}

fn contexts(typed: &Typed, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy().into_owned();
    let kubeconfig = match &typed.connection.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let Ok(kubeconfig) = kubeconfig else {
        return Vec::new();
    };
    let names = kubeconfig.contexts.into_iter().map(|context| context.name);
    let fitting = names.filter(|name| name.starts_with(&word));
    fitting.map(CompletionCandidate::new).collect()
}
