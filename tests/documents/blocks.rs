//! Every fenced block of every page: manifests are taken by a real apiserver, commands are typed by a test. What cannot be is
//! listed here with the reason, and an entry that is about nothing any more fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_test_support::chart::render_chart;
use ess_rollout_test_support::pages::{self, Block};
use ess_rollout_test_support::{shared, source_root};
use regex::Regex;
use serde_json::Value;

/// Where pages are typed.
const TYPISTS: &[&str] = &[
    "tests/integration",
    "tests/documents",
    "crates/plugin/tests",
    "crates/emulator-cli/tests",
];

/// Blocks of commands that no test types: the page, or a folder with `/` at its end, how the block begins, why. A shell has to
/// understand them all the same.
const NOT_TYPED: &[(&str, &str, &str)] = &[
    (
        "README.md",
        "make demo",
        "tests/demo.rs runs the program that it starts; the build before it is the test's own",
    ),
    ("README.md", "make test", "is what runs these tests"),
    ("docs/start.md", "make demo", "as in the README"),
    (
        "docs/gates.md",
        "kubectl get rollbacks --selector",
        "examples/demo/gates.rs types it",
    ),
    (
        "docs/gates.md",
        "kubectl ess-rollout retry-gate",
        "crates/plugin/tests/plugin/flow.rs types it of an update of its own",
    ),
    (
        "docs/windows.md",
        "kubectl ess-rollout override-window",
        "crates/plugin/tests/plugin/table.rs types it of an update of its own",
    ),
    (
        "docs/windows.md",
        "kubectl ess-rollout windows",
        "crates/plugin/tests/plugin/table.rs types it",
    ),
    (
        "docs/by-hand.md",
        "cargo build --locked --workspace --bins",
        "what is typed below it has these programs and this shell",
    ),
    (
        "crates/emulator/README.md",
        "docker run --publish",
        "needs a container engine, which the tests do without",
    ),
    (
        "docs/cloudmonitor.md",
        "kubectl ess-rollout alerts",
        "crates/plugin/tests has the command",
    ),
    (
        "docs/gitops.md",
        "kubectl -n argocd patch configmap",
        "needs Argo CD: the tests of config/argocd run what the file holds",
    ),
    (
        "docs/gitops.md",
        "sed 's/system:serviceaccount:argocd",
        "likewise, for another ServiceAccount",
    ),
    (
        "docs/logs.md",
        "kubectl -n ess-rollout logs",
        "needs jq, and the log of a pod: there are no nodes in the tests",
    ),
    (
        "docs/releases.md",
        "cd target/dist && sha256sum",
        "needs `make dist`, which checks the same sums",
    ),
    (
        "docs/runbooks/",
        "kubectl",
        "tests/integration/signals.rs types them, all but what reads pods and their logs: there are no nodes in the tests",
    ),
    (
        "docs/approvals.md",
        "jq -c 'select(.annotations)",
        "needs jq, and an audit log that the cluster writes",
    ),
    (
        "crates/emulator/README.md",
        "cargo run -p ess-emulator-cli",
        "builds; the program is started so by crates/emulator/tests",
    ),
    (
        "crates/emulator/README.md",
        "aliyun oos StartExecution",
        "needs the aliyun command line; tests/sdk makes this call with the official SDK",
    ),
];

/// Manifests of kinds that the control plane of the tests does not have: the kind, what checks them instead.
const NOT_INSTALLED: &[(&str, &str)] = &[(
    "Kustomization",
    "kustomize reads it, and no apiserver: the tests of config/flux build it",
)];

/// Blocks of YAML that are neither manifests nor values of the chart: the page, how the block begins, what it is. They are read as YAML.
const FRAGMENTS: &[(&str, &str, &str)] = &[
    (
        "docs/approvals.md",
        "components:",
        "lines of an overlay: config/site has them as comments, and tests/integration/installed.rs applies it",
    ),
    (
        "docs/emulator.md",
        "accountId:",
        "a fixture: tests/integration/newcomer.rs starts the emulator with it",
    ),
    (
        "docs/alerts.md",
        "rule_files:",
        "a part of the configuration of Prometheus",
    ),
    ("crates/emulator/README.md", "events:", "parts of a fixture"),
    (
        "crates/emulator/README.md",
        "durations:",
        "most of a fixture: crates/emulator/tests/behaviour/balancers.rs adds the rest",
    ),
];

fn all() -> Result<Vec<Block>> {
    let root = source_root();
    let mut all = Vec::new();
    for name in pages::names(&root)? {
        all.extend(pages::read(&root, &name)?.blocks);
    }
    Ok(all)
}

fn of<'a>(all: &'a [Block], language: &'a str) -> impl Iterator<Item = &'a Block> {
    all.iter().filter(move |block| block.language == language)
}

/// The sources of the tests that type pages.
fn sources(folder: &Path, into: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// What is typed: page, heading and, where only one block below it is, which.
fn typed() -> Result<BTreeSet<(String, String, Option<usize>)>> {
    let root = source_root();
    let mut source = String::new();
    for folder in TYPISTS {
        sources(&root.join(folder), &mut source)?;
    }
    let call = Regex::new(
        r#"(follows|begins|blocks)\(\s*"([^"]+\.md)",\s*"([^"]+)",?\s*\)(?:\[(\d+)\])?"#,
    )?;
    let mut typed = BTreeSet::new();
    for found in call.captures_iter(&source) {
        let page = match &found[2] {
            page if page.contains('/') || page == "README.md" => page.to_owned(),
            page => format!("docs/{page}"),
        };
        let index = match (&found[1], found.get(4)) {
            ("begins", _) => Some(0),
            (_, Some(index)) => Some(index.as_str().parse()?),
            _ => None,
        };
        typed.insert((page, found[3].to_owned(), index));
    }
    ensure!(typed.len() >= 10, "found {typed:?}");
    Ok(typed)
}

/// Those of the blocks that a test types.
fn typed_blocks(all: &[Block]) -> Result<Vec<&Block>> {
    let mut found = Vec::new();
    for (page, heading, index) in typed()? {
        let below: Vec<&Block> = of(all, "sh")
            .filter(|block| block.page == page && block.is_below(&heading))
            .collect();
        ensure!(
            !below.is_empty(),
            "a test types what is below {heading:?} of {page}, and there is nothing"
        );
        match index {
            None => found.extend(below),
            Some(index) => found.push(*below.get(index).with_context(|| {
                format!(
                    "a test types block {index} below {heading:?} of {page}, which is not there"
                )
            })?),
        }
    }
    Ok(found)
}

#[test]
fn every_command_is_typed_by_a_test_or_listed_with_the_reason() -> Result<()> {
    let all = all()?;
    let typed = typed_blocks(&all)?;
    let texts: BTreeSet<&str> = typed.iter().map(|block| block.text.as_str()).collect();
    let commands: BTreeSet<String> = typed.iter().flat_map(|block| block.commands()).collect();
    let mut used = vec![false; NOT_TYPED.len()];
    let mut faults = Vec::new();
    for block in all
        .iter()
        .filter(|block| ["sh", "console"].contains(&block.language.as_str()))
    {
        let mut own = block.commands().into_iter().peekable();
        let known = texts.contains(block.text.as_str())
            || own.peek().is_some() && own.all(|command| commands.contains(&command));
        let listed = NOT_TYPED.iter().position(|(page, begins, _)| {
            let there = *page == block.page || page.ends_with('/') && block.page.starts_with(page);
            there && block.text.trim_start_matches("$ ").starts_with(begins)
        });
        match (known, listed) {
            (true, Some(entry)) if NOT_TYPED[entry].0.ends_with('/') => {}
            (true, Some(entry)) => faults.push(format!(
                "{}: is typed, and listed: {}",
                block.place(),
                NOT_TYPED[entry].1
            )),
            (true, None) => {}
            (false, Some(entry)) => {
                used[entry] = true;
                if !is_shell(block)? {
                    faults.push(format!("{}: no shell understands this", block.place()));
                }
            }
            (false, None) => {
                faults.push(format!("{}: no test types\n{}", block.place(), block.text))
            }
        }
    }
    if typed.len() < 40 {
        faults.push(format!("found {} blocks that are typed", typed.len()));
    }
    for ((page, begins, reason), used) in NOT_TYPED.iter().zip(used) {
        if !used {
            faults.push(format!(
                "NOT_TYPED has {begins:?} of {page}, which is not there"
            ));
        }
        if reason.len() < 10 {
            faults.push(format!("NOT_TYPED does not say why {begins:?} of {page}"));
        }
    }
    ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

/// Whether a shell would begin with it.
fn is_shell(block: &Block) -> Result<bool> {
    let commands = match block.language.as_str() {
        "console" => block.commands().join("\n"),
        _ => block.text.clone(),
    };
    let checked = std::process::Command::new("bash")
        .args(["-n", "-c", &commands])
        .output()
        .context("running bash")?;
    Ok(checked.status.success())
}

/// Server-side, each on its own: the schemas, the rules and the defaults of a real apiserver.
#[test]
fn every_manifest_is_taken_by_the_apiserver() -> Result<()> {
    let kubectl = shared().kubectl();
    kubectl.apply_crds(&source_root().join("crds"))?;
    let namespace = kubectl.namespace("pages")?;
    let all = all()?;
    let chart = source_root().join("charts/ess-rollout/values.yaml");
    let chart: Value = serde_saphyr::from_str(&fs::read_to_string(chart)?)?;
    let mut kinds = BTreeMap::new();
    let mut fragments = vec![false; FRAGMENTS.len()];
    for block in of(&all, "yaml") {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&block.text)
            .with_context(|| format!("{} is no YAML", block.place()))?;
        for mut document in documents {
            let kind = document["kind"].as_str().unwrap_or_default().to_owned();
            if kind.is_empty() || !document["apiVersion"].is_string() {
                // Values of the chart: the real helm renders it with them.
                let values = document.as_object().filter(|parts| {
                    !parts.is_empty() && parts.keys().all(|key| chart.get(key).is_some())
                });
                if values.is_some() {
                    render_chart(&document).with_context(|| {
                        format!("{}: the chart does not take\n{}", block.place(), block.text)
                    })?;
                    continue;
                }
                let listed = FRAGMENTS.iter().position(|(page, begins, _)| {
                    *page == block.page && block.text.starts_with(begins)
                });
                let Some(entry) = listed else {
                    bail!(
                        "{}: no manifest, and not in FRAGMENTS:\n{}",
                        block.place(),
                        block.text
                    )
                };
                fragments[entry] = true;
                continue;
            }
            *kinds.entry(kind.clone()).or_insert(0) += 1;
            if NOT_INSTALLED.iter().any(|(listed, _)| *listed == kind) {
                // What kustomize reads has no name, and says what it is made of.
                let made_of = ["resources", "components"].map(|key| document[key].is_array());
                ensure!(
                    document["metadata"]["name"].is_string() || made_of.contains(&true),
                    "{}: neither a name nor what it is made of",
                    block.place()
                );
                continue;
            }
            if let Some(metadata) = document["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
            kubectl
                .run_with_input(
                    &[
                        "-n",
                        &namespace,
                        "apply",
                        "--server-side",
                        "--dry-run=server",
                        "-f",
                        "-",
                    ],
                    Some(&document.to_string()),
                )
                .with_context(|| format!("{}:\n{}", block.place(), block.text))?;
        }
    }
    for ((page, begins, _), used) in FRAGMENTS.iter().zip(fragments) {
        ensure!(
            used,
            "FRAGMENTS has {begins:?} of {page}, which is not there"
        );
    }
    for (kind, _) in NOT_INSTALLED {
        ensure!(
            kinds.contains_key(*kind),
            "NOT_INSTALLED has {kind}, of which no page has one"
        );
    }
    ensure!(
        kinds
            .get("RollingUpdateTask")
            .is_some_and(|count| *count >= 4),
        "{kinds:?}"
    );
    Ok(())
}

#[test]
fn every_json_block_is_json() -> Result<()> {
    for block in of(&all()?, "json") {
        serde_json::from_str::<Value>(&block.text).with_context(|| block.place())?;
    }
    Ok(())
}

#[test]
fn blocks_are_found_where_they_are_and_are_told_apart() -> Result<()> {
    let text = "# One\n\n1. Save it as `web.yaml`, beside `other.yaml` of before:\n\n   ```yaml\n   a: 1\n   ```\n\n## Two\n\nText.\n\n\
                ```sh\n# why\nkubectl get pods \\\n  --watch\n```\n\n## Two\n\n```console\n$ kubectl version\nv1\n```\n";
    let page = pages::parse("docs/page.md", text);
    let [manifest, typed, shown] = page.blocks.as_slice() else {
        bail!("{:?}", page.blocks);
    };
    ensure!(
        manifest.text == "a: 1\n" && manifest.line == 5,
        "{manifest:?}"
    );
    ensure!(
        manifest.is_below("One") && !manifest.is_below("Two"),
        "{manifest:?}"
    );
    ensure!(
        manifest.saved_as.as_deref() == Some("web.yaml"),
        "{manifest:?}"
    );
    ensure!(typed.is_below("One") && typed.is_below("Two"), "{typed:?}");
    ensure!(typed.saved_as.is_none(), "{typed:?}");
    ensure!(
        typed.commands() == ["kubectl get pods --watch"],
        "{typed:?}"
    );
    ensure!(shown.commands() == ["kubectl version"], "{shown:?}");
    ensure!(
        page.anchors == ["one", "two", "two-1"],
        "{:?}",
        page.anchors
    );
    Ok(())
}
