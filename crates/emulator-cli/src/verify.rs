//! `ess-emulator verify`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ess_emulator::recording::{self, Difference, calls, replay};

/// More differences than these are counted, and not told.
const TOLD: usize = 20;

/// What is verified, and how.
#[derive(Debug, Args)]
pub struct Verifying {
    /// What `ess-emulator --record` wrote; with --calls a saved `GET /_emulator/journal` will do
    recording: PathBuf,
    /// The fixture in use, to notice that it is not the recorded one any more
    #[arg(long, value_name = "FILE", conflicts_with = "calls")]
    fixture: Option<PathBuf>,
    /// Instead of making the calls again: the recording or journal of another run, which must have made the same changes. Their
    /// order counts for each resource; made-up ids, nonces and throttled calls do not
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// The other run must also have made the same reads, in whatever order and number
    #[arg(long, requires = "calls")]
    reads: bool,
    /// Parameters that may differ in the other run, by commas
    #[arg(long, requires = "calls", value_delimiter = ',', value_name = "NAME")]
    ignore: Vec<String>,
}

/// Verifies, and tells what is otherwise: 0 nothing, 1 something, 2 it cannot be said.
pub fn run(options: &Verifying) -> ExitCode {
    let found = match &options.calls {
        Some(file) => against(options, file),
        None => again(options),
    };
    let (text, differences) = match found {
        Ok(found) => found,
        Err(error) => {
            eprintln!("Error: {error:#}");
            return ExitCode::from(2);
        }
    };
    let mut page = text;
    // Writing to a text cannot fail.
    for difference in differences.iter().take(TOLD) {
        let _ = writeln!(page, "- {difference}");
    }
    if differences.len() > TOLD {
        let _ = writeln!(page, "- and {} more", differences.len() - TOLD);
    }
    if let Err(error) = std::io::stdout().write_all(page.as_bytes()) {
        eprintln!("Error: cannot write to the standard output: {error}");
        return ExitCode::from(2);
    }
    match differences.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

fn again(options: &Verifying) -> anyhow::Result<(String, Vec<Difference>)> {
    let recording = recording::read(&options.recording)?;
    if let Some(file) = &options.fixture {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the fixture {name}"))?;
        replay::check_fixture(&recording, &name, &text)?;
    }
    let found = replay::replay(&recording)?;
    let mut page = format!(
        "{} calls were made again as in {}: {}\n",
        found.replayed,
        options.recording.display(),
        sum(&found.differences)
    );
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            let _ = writeln!(page, "({count} {what})");
        }
    };
    note(
        found.refused,
        "requests were refused before it was known who called what; they are not made again",
    );
    note(
        found.masked.len(),
        "calls had secrets, which are not recorded; they were made with a stand-in",
    );
    note(
        found.unknown_answers,
        "answers are too large to be in the recording, which another version wrote; they are not compared",
    );
    Ok((page, found.differences))
}

fn against(
    options: &Verifying,
    file: &std::path::Path,
) -> anyhow::Result<(String, Vec<Difference>)> {
    let recorded = calls::read(&options.recording)?;
    let new = calls::read(file)?;
    let what = calls::Options {
        reads: options.reads,
        ignored: options.ignore.iter().cloned().collect::<BTreeSet<_>>(),
    };
    let found = calls::compare(&recorded, &new, &what);
    let page = format!(
        "{} calls of {} against {} of {}: {}\n",
        found.new,
        file.display(),
        found.recorded,
        options.recording.display(),
        sum(&found.differences)
    );
    Ok((page, found.differences))
}

fn sum(differences: &[Difference]) -> String {
    match differences.len() {
        0 => "nothing is otherwise".to_owned(),
        1 => "1 difference".to_owned(),
        more => format!("{more} differences"),
    }
}
