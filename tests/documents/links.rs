//! Every link and picture of every page leads to something, as a forge shows it. `hack/book` holds the same of the book, in which
//! links to what is outside of it are plain text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ess_rollout_test_support::pages::{self, Page};
use ess_rollout_test_support::source_root;

/// Where the book is.
const BOOK: &str = "docs";

fn all() -> Result<BTreeMap<String, Page>> {
    let root = source_root();
    let names = pages::names(&root)?.into_iter();
    names
        .map(|name| Ok((name.clone(), pages::read(&root, &name)?)))
        .collect()
}

/// `docs/zh` and `../start.md` are `docs/start.md`; nothing where it leads out of the source tree.
fn joined(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = folder.to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// What is wrong with a link of a page.
fn fault(all: &BTreeMap<String, Page>, page: &Page, link: &str) -> Option<String> {
    let elsewhere = ["https://", "http://", "mailto:"];
    if elsewhere.iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (file, anchor) = link
        .split_once('#')
        .map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let folder = Path::new(&page.name).parent().unwrap_or(Path::new(""));
    let target = match file {
        "" => PathBuf::from(&page.name),
        file => match joined(folder, file) {
            Some(target) => target,
            None => return Some("it leads out of the source tree".to_owned()),
        },
    };
    if !source_root().join(&target).exists() {
        return Some(format!("there is no {}", target.display()));
    }
    let name = target.to_string_lossy().into_owned();
    match (anchor, all.get(&name)) {
        (Some(anchor), Some(target)) if !target.anchors.iter().any(|there| there == anchor) => {
            Some(format!("{name} has no heading {anchor:?}"))
        }
        (Some(_), None) => Some(format!("{name} is no page, and has no headings")),
        _ => None,
    }
}

#[test]
fn every_link_and_picture_leads_to_something() -> Result<()> {
    let all = all()?;
    let mut links = 0;
    let mut faults = Vec::new();
    for page in all.values() {
        for (line, link) in &page.links {
            links += 1;
            let fault = fault(&all, page, link);
            faults.extend(fault.map(|fault| format!("{}:{line}: {link}: {fault}", page.name)));
        }
    }
    ensure!(links > 100, "found {links} links");
    ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

#[test]
fn the_check_of_links_finds_what_is_wrong() -> Result<()> {
    let all = all()?;
    let page = all
        .get("docs/states.md")
        .context("there is no docs/states.md")?;
    for (link, said) in [
        ("nowhere.md", "there is no docs/nowhere.md"),
        ("#nothing", "has no heading"),
        ("gitops.md#nothing", "has no heading"),
        ("../NOWHERE.md", "there is no NOWHERE.md"),
        ("../../elsewhere.md", "out of the source tree"),
        ("/docs/states.md", "out of the source tree"),
    ] {
        let found = fault(&all, page, link).with_context(|| format!("{link} is taken"))?;
        ensure!(found.contains(said), "{link}: {found}");
    }
    ensure!(fault(&all, page, "gitops.md").is_none());
    Ok(())
}

/// A page that is not in the summary is not in the book.
#[test]
fn the_summary_has_every_page_once() -> Result<()> {
    let all = all()?;
    let summary = format!("{BOOK}/SUMMARY.md");
    let listed = &all.get(&summary).context("no summary")?.links;
    let mut seen = BTreeSet::new();
    for (_, link) in listed {
        ensure!(
            seen.insert(format!("{BOOK}/{link}")),
            "{link} is there twice"
        );
    }
    let in_book = all.keys().filter(|name| name.starts_with("docs/"));
    let missing: Vec<_> = in_book
        .filter(|name| **name != summary && !seen.contains(*name))
        .collect();
    ensure!(missing.is_empty(), "{summary} does not have {missing:?}");
    Ok(())
}
