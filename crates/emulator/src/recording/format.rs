//! The file of a recording.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scene::Scene;
use crate::fixture::FixtureError;
use crate::state::journal::Entry;
use crate::state::recorder::{Answer, Aside, Control};
use crate::state::time::LONGEST_SCENE;

/// Of the format that is written. Older ones are read.
pub(super) const VERSION: u32 = 1;

/// No file above this is read.
const LARGEST: u64 = 512 * 1024 * 1024;

/// A call and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    /// As the journal has it.
    #[serde(flatten)]
    pub call: Entry,
    /// Of a call by a client that succeeded.
    #[serde(flatten)]
    pub answer: Option<Answer>,
    /// What the journal does not have.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub aside: Aside,
}

fn is_nothing(aside: &Aside) -> bool {
    *aside == Aside::default()
}

/// What was called, from which scene, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Of the format.
    pub version: u32,
    /// The version of the program that wrote it.
    pub emulator: String,
    /// Where it starts.
    pub scene: Scene,
    /// What the control API changed.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// All calls, those of executions and of the fixture's events among them.
    pub calls: Vec<Recorded>,
    /// What is otherwise at the end than at the start: by kind and id what it is at the end, `null` if
    /// it is gone.
    pub changes: BTreeMap<String, BTreeMap<String, Value>>,
    /// Virtual time of the end.
    pub end: Timestamp,
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file is not there, or cannot be read or written.
    #[error("cannot read or write {0}: {1}")]
    File(String, std::io::Error),
    /// More than is read.
    #[error("{0} has more than {limit} MiB: no recording is as large", limit = LARGEST / 1024 / 1024)]
    TooLarge(String),
    /// No JSON, cut off, or edited.
    #[error("{0} is no recording of ess-emulator --record: {1}")]
    NotOne(String, String),
    /// Made by a later version.
    #[error(
        "{file} is a recording of format {version}, written by ess-emulator {emulator}; this one ({own}) reads formats up to {VERSION}: take that version or a later one, or record again with this one",
        own = env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file.
        file: String,
        /// Of its format.
        version: u64,
        /// Of the program that wrote it.
        emulator: String,
    },
    /// Times that no run can have.
    #[error("call {seq} is at {time}, {why}: the recording was edited")]
    Times {
        /// The call, or that after which the control API was used.
        seq: usize,
        /// Its virtual time.
        time: Timestamp,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The journal has let calls go.
    #[error("there were more calls than are kept (200000): record shorter runs")]
    TooManyCalls,
    /// Its fixture is refused.
    #[error("the recording cannot be replayed")]
    Fixture(#[from] FixtureError),
    /// One of its templates is refused.
    #[error("the template {0} of the recording: {1}")]
    Template(String, String),
    /// A call of the control API that was taken when it was recorded.
    #[error(
        "{0} of the recording, at {1}, is refused by this version: {2}. Take the version that recorded it, or record again"
    )]
    Control(String, Timestamp, String),
    /// Another fixture than that of the recording.
    #[error(
        "{0} is not the fixture that was recorded with: its SHA-256 is {1}, that of the recording {2}. Leave --fixture out to replay with the recorded one, or record again"
    )]
    OtherFixture(String, String, String),
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    emulator: String,
}

/// Reads a file of at most 512 MiB whole.
pub(super) fn text(file: &Path) -> Result<String, RecordingError> {
    let name = || file.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(file)
        .and_then(|open| open.take(LARGEST + 1).read_to_string(&mut text))
        .map_err(|error| RecordingError::File(name(), error))?;
    if read as u64 > LARGEST {
        return Err(RecordingError::TooLarge(name()));
    }
    Ok(text)
}

/// Refuses what a later version wrote.
pub(super) fn check_version(name: &str, text: &str) -> Result<(), RecordingError> {
    let head: Head = serde_json::from_str(text)
        .map_err(|error| RecordingError::NotOne(name.to_owned(), error.to_string()))?;
    if head.version > u64::from(VERSION) {
        return Err(RecordingError::Newer {
            file: name.to_owned(),
            version: head.version,
            emulator: head.emulator.chars().take(64).collect(),
        });
    }
    Ok(())
}

/// Reads a recording.
///
/// # Errors
/// When it is none, or one that this version cannot replay.
pub fn read(file: &Path) -> Result<Recording, RecordingError> {
    let name = file.display().to_string();
    let text = text(file)?;
    check_version(&name, &text)?;
    serde_json::from_str(&text).map_err(|error| RecordingError::NotOne(name, error.to_string()))
}

impl Recording {
    /// Writes it whole, or leaves what is there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), RecordingError> {
        let failed = |error| RecordingError::File(file.display().to_string(), error);
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = Path::new(&part);
        let written = (|| {
            let mut out = std::io::BufWriter::new(std::fs::File::create(part)?);
            serde_json::to_writer_pretty(&mut out, self)?;
            out.write_all(b"\n")?;
            out.into_inner()?.sync_all()?;
            std::fs::rename(part, file)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(part);
        }
        written.map_err(failed)
    }

    /// Whether its times are those of a run that can be replayed.
    pub(super) fn check_times(&self, start: Timestamp) -> Result<(), RecordingError> {
        let mut before = start;
        let calls = self.calls.iter().map(|r| (r.call.seq, r.call.time));
        let last = self.calls.last().map_or(0, |r| r.call.seq);
        for (seq, time) in calls.chain([(last, self.end)]) {
            let why = match time {
                _ if time < before => "before what came before it",
                // Schedules would run for too long.
                _ if time.duration_since(start) > LONGEST_SCENE => {
                    "more than a year after the start"
                }
                _ => {
                    before = time;
                    continue;
                }
            };
            return Err(RecordingError::Times { seq, time, why });
        }
        Ok(())
    }
}
