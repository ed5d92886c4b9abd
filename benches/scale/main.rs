//! `make bench SCALE=1`: many updates at once, measured on the release binary as a process against a real apiserver and the
//! emulated cloud at real speed, with the chart's defaults. Writes `docs/scale.md`.
//!
//! `SCALE="100 throttled"` measures these scenes alone. The report is made of what was measured last of each scene on this
//! machine, and each says of which commit that was.

#[path = "../common/mod.rs"]
mod common;

mod audit;
mod cloud;
mod flow;
mod idle;
mod journal;
mod large;
mod many;
mod people;
mod process;
mod report;
mod rest;
mod scene;
mod seen;
mod throttled;

use std::fmt::Write;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_test_support::{ControlPlane, source_root};
use jiff::Zoned;

use report::{Sheet, table};

const ALL: &str = "idle 10 100 300 1000 throttled large finished schedules";
const COMMAND: &str = "make bench SCALE=1";

/// What is measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Idle,
    Many(usize),
    Throttled,
    Large,
    Finished,
    Schedules,
}

impl Part {
    fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            "idle" => Self::Idle,
            "throttled" => Self::Throttled,
            "large" => Self::Large,
            "finished" => Self::Finished,
            "schedules" => Self::Schedules,
            number => match number.parse() {
                Ok(tasks @ 2..=5000) => Self::Many(tasks),
                _ => bail!(
                    "SCALE: {word:?} is neither 1, a number of tasks from 2 to 5000, nor one of {ALL}"
                ),
            },
        })
    }

    fn is_many(self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// The heading of its table, or of its column.
    fn title(self) -> String {
        match self {
            Self::Idle => "Idle".to_owned(),
            Self::Many(tasks) => format!("{tasks} tasks"),
            Self::Throttled => {
                "300 tasks, and half of all calls to OOS throttled for ten minutes".to_owned()
            }
            Self::Large => "One group of 1,000 instances in 100 batches".to_owned(),
            Self::Finished => "10,000 finished tasks of 10 instances".to_owned(),
            Self::Schedules => "1,000 image updates on a schedule".to_owned(),
        }
    }

    async fn measure(self, control_plane: &ControlPlane, sheet: &mut Sheet) -> Result<()> {
        match self {
            Self::Idle => idle::measure(control_plane, sheet).await,
            Self::Many(tasks) => many::measure(control_plane, tasks, sheet).await,
            Self::Throttled => throttled::measure(control_plane, sheet).await,
            Self::Large => large::measure(control_plane, sheet).await,
            Self::Finished => rest::finished(control_plane, sheet).await,
            Self::Schedules => rest::schedules(control_plane, sheet).await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    common::release_binary()?;
    let asked = std::env::var("SCALE").unwrap_or_default();
    let whole = matches!(asked.trim(), "" | "1");
    let words = if whole { ALL } else { asked.as_str() };
    let parts: Vec<Part> = words
        .split_whitespace()
        .map(Part::parse)
        .collect::<Result<_>>()?;
    let control_plane = ControlPlane::start()?;
    let store = std::env::current_exe()?;
    let store = store.ancestors().nth(3).context("no target directory")?;
    let store = store.join("scale");
    let (day, mut failed) = (Zoned::now().strftime("%Y-%m-%d").to_string(), 0);
    for (word, part) in words.split_whitespace().zip(parts) {
        let mut sheet = Sheet::new(part.title());
        sheet.note("commit", commit()?);
        sheet.note("day", &day);
        if let Err(error) = part.measure(&control_plane, &mut sheet).await {
            eprintln!("{}: {error:#}", sheet.title);
            sheet.fail(&format!("{error:#}"));
        }
        println!("\n{}", table(&[&sheet]));
        sheet.store(&store, word)?;
        failed += usize::from(sheet.failed());
    }
    let mut sheets: Vec<(Part, Sheet)> = Vec::new();
    for word in ALL.split_whitespace() {
        if let Some(sheet) = Sheet::stored(&store, word)? {
            sheets.push((Part::parse(word)?, sheet));
        }
    }
    if sheets.len() == ALL.split_whitespace().count() {
        let text = document(&sheets)?;
        let path = source_root().join("docs/scale.md");
        std::fs::write(&path, &text).with_context(|| format!("{}", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    ensure!(failed == 0, "{failed} scenes did not come to their end");
    Ok(())
}

/// The report.
fn document(sheets: &[(Part, Sheet)]) -> Result<String> {
    let mut text = format!(
        "# Many updates at once\n\n\
         Made by `{COMMAND}` on a machine with {} cores that ran the operator, kube-apiserver, etcd, the \
         emulated cloud and the harness side by side. Release binaries, the chart's defaults (rates, 10 s between polls and \
         between writes of progress), the emulated cloud at real speed. Change nothing here by hand: run the command.\n\n\
         Times are by the clock of the harness: when the apiserver has answered it or its watch has brought an object, and \
         when a call has arrived at the emulator, by how far that one's clock is behind when it is asked for its calls. \
         Requests to the apiserver are the operator's, without watches and Events, from the audit log. What misses its target \
         is in bold.\n\n",
        std::thread::available_parallelism()?,
    );
    let many: Vec<&Sheet> = sheets
        .iter()
        .filter(|(part, _)| part.is_many())
        .map(|(_, sheet)| sheet)
        .collect();
    if !many.is_empty() {
        text.push_str(
            "## Many tasks\n\n\
             Each on its own group of 50 instances in 50 batches, a script of 60 s on each, a pause after the first batch. All \
             are created at once, paused, continued, and run; then the operator is killed and 75 s later started again.\n\n",
        );
        text.push_str(&table(&many));
        text.push('\n');
    }
    for (_, sheet) in sheets.iter().filter(|(part, _)| !part.is_many()) {
        let _ = writeln!(text, "## {}\n\n{}", sheet.title, table(&[sheet]));
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn commit() -> Result<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(source_root())
        .output()?;
    ensure!(output.status.success(), "git does not know the commit");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
