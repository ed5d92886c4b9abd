//! What people copy: the manifests in the README and the samples are taken by a real apiserver,
//! and what the README tells people to type exists. [`links`]: every link leads somewhere. [`blocks`]: every command and every
//! manifest of every page is typed or applied.

mod blocks;
mod links;
mod logs;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use ess_rollout_core::task::reason::Reason;
use ess_rollout_test_support::chart::{documents, kind};
use ess_rollout_test_support::{pages, shared, source_root};

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
    let window = format!("{samples}/maintenance-window.yaml");
    kubectl.run(&["apply", "--namespace", &namespace, "-f", &window])?;
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

/// What each reason means is on the page of states; what to do about it, on that of troubleshooting.
#[test]
fn the_page_of_troubleshooting_has_a_cure_for_each_reason() -> Result<()> {
    let page = fs::read_to_string(source_root().join("docs/troubleshooting.md"))?;
    let (_, by_reason) = page
        .split_once("\n## By reason\n")
        .context("no heading By reason")?;
    let mut cured = BTreeSet::new();
    let rows = by_reason
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|row| row.trim_matches(['|', ' ']).split_once(" | "));
    for (reasons, cure) in rows {
        ensure!(cure.trim().len() >= 7, "{reasons} has no cure");
        for word in reasons
            .split(['`', ',', ' '])
            .filter(|word| !word.is_empty())
        {
            ensure!(cured.insert(word), "{word} is there twice");
        }
    }
    let all: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    let missing: Vec<_> = all.difference(&cured).collect();
    ensure!(missing.is_empty(), "no cure for {missing:?}");
    let unknown: Vec<_> = cured.difference(&all).collect();
    ensure!(unknown.is_empty(), "there are no reasons {unknown:?}");
    Ok(())
}

/// In another language the words differ, and what is typed does not.
#[test]
fn the_pages_in_chinese_type_what_the_english_ones_do() -> Result<()> {
    let root = source_root();
    let typed = |page: &str| -> Result<Vec<String>> {
        let mut typed = Vec::new();
        for block in pages::read(&root, page)?.blocks {
            match block.language.as_str() {
                "sh" => typed.extend(block.commands()),
                "yaml" => typed.push(block.text),
                _ => {}
            }
        }
        Ok(typed)
    };
    for (chinese, english, least) in [
        ("docs/zh/install.md", "docs/install.md", 4),
        ("docs/zh/first-update.md", "docs/start.md", 8),
    ] {
        let own = typed(chinese)?;
        ensure!(own.len() >= least, "{chinese} has {} commands", own.len());
        let mut original = typed(english)?.into_iter();
        for typed in own {
            // In the same order.
            ensure!(
                original.any(|there| there == typed),
                "{chinese}: not in {english}, or not in this order:\n{typed}"
            );
        }
    }
    Ok(())
}
