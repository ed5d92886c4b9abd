//! What people copy: the manifests in the README and the samples are taken by a real apiserver,
//! and what the README tells people to type exists.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use ess_rollout_core::task::reason::Reason;
use ess_rollout_test_support::chart::{documents, kind};
use ess_rollout_test_support::{shared, source_root};

/// The fenced blocks of a language in a Markdown text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(&opening)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect()
}

#[test]
fn the_manifests_in_the_readme_are_accepted_by_the_apiserver() -> Result<()> {
    let control_plane = shared();
    let kubectl = control_plane.kubectl();
    kubectl.apply_crds(&source_root().join("crds"))?;
    let namespace = kubectl.namespace("readme")?;
    let readme = fs::read_to_string(source_root().join("README.md"))?;
    let manifests = blocks(&readme, "yaml");
    ensure!(
        manifests.len() >= 2,
        "the README shows {} manifests",
        manifests.len()
    );
    for manifest in manifests {
        kubectl
            .apply(&namespace, manifest)
            .with_context(|| format!("from the README:\n{manifest}"))?;
    }
    Ok(())
}

#[test]
fn the_samples_are_accepted_by_the_apiserver() -> Result<()> {
    let control_plane = shared();
    let kubectl = control_plane.kubectl();
    kubectl.apply_crds(&source_root().join("crds"))?;
    let namespace = kubectl.namespace("samples")?;
    let samples = source_root().join("config/samples");
    let samples = samples
        .to_str()
        .context("the source tree has a path that is no text")?;
    let applied = kubectl.run(&["apply", "--namespace", &namespace, "-k", samples])?;
    // What is not applied together with the others.
    let rollback = format!("{samples}/rollback.yaml");
    kubectl.run(&["apply", "--namespace", &namespace, "-f", &rollback])?;
    ensure!(
        applied.lines().count() >= 2,
        "kustomize applied {applied:?}"
    );
    Ok(())
}

/// `kubectl apply -k config/samples` is what people try first: nothing in it waits for, cancels or undoes anything else in it.
#[test]
fn the_samples_that_are_applied_together_are_each_about_a_group_of_its_own() -> Result<()> {
    let samples = source_root().join("config/samples");
    let samples = samples.to_str().context("a path that is no text")?;
    let rendered = shared().kubectl().run(&["kustomize", samples])?;
    let objects = documents(&rendered)?;
    let mut groups = BTreeSet::new();
    for object in &objects {
        ensure!(
            kind(object) != "Rollback",
            "a Rollback undoes another sample"
        );
        if let Some(group) = object["spec"]["scalingGroupId"].as_str() {
            ensure!(groups.insert(group), "two samples are about {group}");
        }
    }
    ensure!(groups.len() >= 7, "found {groups:?}");
    Ok(())
}

#[test]
fn what_the_readme_tells_people_to_type_exists() -> Result<()> {
    let root = source_root();
    let readme = fs::read_to_string(root.join("README.md"))?;
    let makefile = fs::read_to_string(root.join("Makefile"))?;
    let mut targets = 0;
    for word in readme.split("make ").skip(1) {
        let target: String = word
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '-')
            .collect();
        // Prose uses the word too; what is typed stands in code.
        let typed = readme.contains(&format!("`make {target}`"))
            || readme.contains(&format!("\nmake {target}\n"));
        if typed && !target.is_empty() {
            ensure!(
                makefile.contains(&format!("\n{target}: ")),
                "there is no target {target}"
            );
            targets += 1;
        }
    }
    ensure!(targets >= 4, "found {targets} targets in the README");
    for link in readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        let there = link.starts_with("http") || root.join(link).exists();
        ensure!(there, "the README links to {link}, which does not exist");
    }
    // The values that the README sets are ones that the chart has.
    let values = fs::read_to_string(root.join("charts/ess-rollout/values.yaml"))?;
    for name in [
        "repository:",
        "region:",
        "existingSecret:",
        "namespaces:",
        "roleName:",
        "ramRoles:",
    ] {
        ensure!(values.contains(name), "the chart has no value {name}");
    }
    Ok(())
}

#[test]
fn the_page_of_states_has_each_reason_and_no_other() -> Result<()> {
    let page = fs::read_to_string(source_root().join("docs/states.md"))?;
    let sections = page
        .split("\n## ")
        .filter(|section| section.starts_with("Reasons"));
    let rows = sections
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split(" | ").next());
    let documented: BTreeSet<&str> = first
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .filter(|word| !word.is_empty())
        .collect();
    let all: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    let missing: Vec<_> = all.difference(&documented).collect();
    ensure!(
        missing.is_empty(),
        "docs/states.md does not have {missing:?}"
    );
    let unknown: Vec<_> = documented.difference(&all).collect();
    ensure!(
        unknown.is_empty(),
        "docs/states.md has reasons that there are not: {unknown:?}"
    );
    Ok(())
}

/// The arguments of each line of the log in a source file, spans among them. What only tests log is left out.
fn log_lines(source: &str) -> Vec<Vec<String>> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut lines = Vec::new();
    for level in ["error", "warn", "info", "debug", "trace", "info_span"] {
        for rest in source.split(&format!("tracing::{level}!(")).skip(1) {
            let (mut depth, mut quoted, mut escaped) = (1, false, false);
            let mut arguments = vec![String::new()];
            for c in rest.chars() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' if quoted => escaped = true,
                    '"' => quoted = !quoted,
                    _ if quoted => {}
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth -= 1,
                    ',' if depth == 1 => {
                        arguments.push(String::new());
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                if let Some(last) = arguments.last_mut() {
                    last.push(c);
                }
            }
            let code = |argument: String| {
                let lines = argument.lines().map(str::trim);
                let code = lines.filter(|line| !line.starts_with("//"));
                code.collect::<Vec<_>>().join(" ").trim().to_owned()
            };
            let arguments = arguments.into_iter().map(code);
            lines.push(arguments.filter(|a| !a.is_empty()).collect());
        }
    }
    lines
}

fn sources(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn the_page_of_logs_has_each_key_and_no_other_and_a_message_is_constant() -> Result<()> {
    let root = source_root();
    let mut files = Vec::new();
    for directory in ["src", "crates/aliyun/src"] {
        sources(&root.join(directory), &mut files)?;
    }
    // Of every line.
    let mut keys: BTreeSet<String> = ["ts", "level", "msg", "target"].map(str::to_owned).into();
    let mut lines = 0;
    for file in files.iter().filter(|f| !f.ends_with("tests.rs")) {
        for arguments in log_lines(&fs::read_to_string(file)?) {
            lines += 1;
            for argument in arguments {
                if argument.starts_with('"') {
                    ensure!(
                        !argument.contains('{'),
                        "{}: something is put into the message {argument}",
                        file.display()
                    );
                    continue;
                }
                let key = argument.split(" = ").next().unwrap_or_default();
                keys.insert(key.trim_start_matches(['%', '?']).to_owned());
            }
        }
    }
    ensure!(lines > 40, "found {lines} lines of the log");
    let page = fs::read_to_string(root.join("docs/logs.md"))?;
    let table = page.split("\n## Keys").nth(1).unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split(" | ").next());
    let documented: BTreeSet<String> = first
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    ensure!(
        keys == documented,
        "docs/logs.md lacks {:?} and has {:?}, which there are not",
        keys.difference(&documented).collect::<Vec<_>>(),
        documented.difference(&keys).collect::<Vec<_>>()
    );
    Ok(())
}
