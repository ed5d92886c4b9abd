//! What was measured, beside what it may be, as Markdown.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Something that was measured.
#[derive(Debug, Serialize, Deserialize)]
struct Figure {
    what: Cow<'static, str>,
    value: String,
    /// What it may be; empty where nobody has said.
    target: Cow<'static, str>,
    met: bool,
}

impl Figure {
    fn cell(&self) -> String {
        match self.met {
            true => self.value.clone(),
            false => format!("**{}** (missed)", self.value),
        }
    }
}

/// The figures of one scene, in the order in which they were measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sheet {
    pub title: String,
    figures: Vec<Figure>,
    /// Which calls and requests a figure is made of.
    details: Vec<String>,
    /// Why it did not come to its end.
    failure: Option<String>,
}

impl Sheet {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            figures: Vec::new(),
            details: Vec::new(),
            failure: None,
        }
    }

    /// A figure that has no target.
    pub fn note(&mut self, what: &'static str, value: impl Into<String>) {
        self.hold(what, value, "", true);
    }

    /// A figure and its target.
    pub fn hold(
        &mut self,
        what: &'static str,
        value: impl Into<String>,
        target: &'static str,
        met: bool,
    ) {
        self.figures.push(Figure {
            what: what.into(),
            value: value.into(),
            target: target.into(),
            met,
        });
    }

    pub fn detail(&mut self, text: impl Into<String>) {
        self.details.push(text.into());
    }

    pub fn fail(&mut self, why: &str) {
        self.failure = Some(why.lines().next().unwrap_or_default().to_owned());
    }

    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The one of this name that was measured last; `None`: never on this machine.
    pub fn stored(directory: &Path, name: &str) -> Result<Option<Self>> {
        let path = place(directory, name);
        match path.is_file() {
            true => {
                let text = std::fs::read(&path)?;
                let sheet = serde_json::from_slice(&text);
                sheet.with_context(|| path.display().to_string()).map(Some)
            }
            false => Ok(None),
        }
    }

    /// For [`Self::stored`].
    pub fn store(&self, directory: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(directory)?;
        let path = place(directory, name);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| path.display().to_string())
    }

    fn figure(&self, what: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.what == what)
    }
}

fn place(directory: &Path, name: &str) -> PathBuf {
    directory.join(name).with_extension("json")
}

/// One table with a column for each sheet. Where a figure is missing the scene ended before it.
pub fn table(sheets: &[&Sheet]) -> String {
    let titles: Vec<&str> = sheets.iter().map(|sheet| sheet.title.as_str()).collect();
    let mut text = format!("| figure | {} | target |\n", titles.join(" | "));
    let _ = writeln!(text, "|---|{}---|", "---:|".repeat(sheets.len()));
    for (what, target) in rows(sheets) {
        let cells = sheets.iter().map(|sheet| {
            let figure = sheet.figure(what);
            figure.map_or_else(|| "-".to_owned(), Figure::cell)
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {what} | {} | {target} |", cells.join(" | "));
    }
    if sheets.iter().any(|sheet| sheet.failed()) {
        let failures = sheets
            .iter()
            .map(|sheet| sheet.failure.as_deref().unwrap_or("no").replace('|', "/"));
        let failures: Vec<String> = failures.collect();
        let _ = writeln!(text, "| **did not end** | {} | no |", failures.join(" | "));
    }
    text.push('\n');
    for sheet in sheets {
        for detail in &sheet.details {
            let _ = writeln!(text, "- {}: {detail}", sheet.title);
        }
    }
    text
}

/// The figures that any has, in the order of the sheet that has most of them.
fn rows<'a>(sheets: &[&'a Sheet]) -> Vec<(&'a str, &'a str)> {
    let mut sheets = sheets.to_vec();
    sheets.sort_by_key(|sheet| std::cmp::Reverse(sheet.figures.len()));
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for figure in sheets.into_iter().flat_map(|sheet| &sheet.figures) {
        if rows.iter().all(|(what, _)| *what != figure.what) {
            rows.push((&figure.what, &figure.target));
        }
    }
    rows
}

pub fn seconds(duration: Duration) -> String {
    match duration {
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_millis()),
        long => format!("{:.1} s", long.as_secs_f64()),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a few millions")]
pub fn number(count: usize) -> f64 {
    count as f64
}
