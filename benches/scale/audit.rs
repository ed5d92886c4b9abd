//! What the operator asked of the apiserver, read from the audit log as it grows.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ess_rollout_test_support::audit::Entry;
use jiff::Timestamp;

/// One request, watches left out.
#[derive(Debug, Clone)]
pub struct Request {
    pub at: Timestamp,
    /// `patch rollingupdatetasks/status`.
    pub what: String,
    /// The object's; empty where the audit log does not say, as of what is created.
    pub name: String,
}

impl Request {
    /// Events are not part of any budget.
    pub fn is_event(&self) -> bool {
        self.what.ends_with(" events")
    }
}

/// The requests of one user from when this was made on. The apiserver begins a new file when one has a hundred mebibytes, and
/// renames the old one: read at least once while a file is the current one.
#[derive(Debug)]
pub struct Requests {
    path: PathBuf,
    file: BufReader<File>,
    /// A line that is half written.
    partial: String,
    user: String,
    seen: Vec<Request>,
}

impl Requests {
    pub fn of(path: PathBuf, user: String) -> Result<Self> {
        let mut file = File::open(&path).with_context(|| format!("{}", path.display()))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            path,
            file: BufReader::new(file),
            partial: String::new(),
            user,
            seen: Vec::new(),
        })
    }

    /// Those that came in between these moments.
    pub fn between(
        &mut self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<impl Iterator<Item = &Request>> {
        self.read()?;
        let within = move |request: &&Request| request.at >= from && request.at < to;
        Ok(self.seen.iter().filter(within))
    }

    /// Takes what has been written since.
    pub fn read(&mut self) -> Result<()> {
        self.read_to_end()?;
        let current = fs::metadata(&self.path)?.ino();
        if self.file.get_ref().metadata()?.ino() != current {
            // What was written between the read above and the renaming.
            self.read_to_end()?;
            self.file = BufReader::new(File::open(&self.path)?);
            self.partial.clear();
            self.read_to_end()?;
        }
        Ok(())
    }

    fn read_to_end(&mut self) -> Result<()> {
        while self.file.read_line(&mut self.partial)? > 0 {
            if self.partial.ends_with('\n') {
                let line = std::mem::take(&mut self.partial);
                self.take(&line)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &str) -> Result<()> {
        // Most lines are the harness's own: only those that may be the operator's are parsed.
        if !line.contains(&self.user) {
            return Ok(());
        }
        let entry: Entry =
            serde_json::from_str(line).with_context(|| format!("audit line {line}"))?;
        let ours = entry.user.username == self.user
            && entry.stage == "ResponseComplete"
            && entry.verb != "watch";
        if ours {
            let slash = if entry.subresource().is_empty() {
                ""
            } else {
                "/"
            };
            self.seen.push(Request {
                at: entry.request_received_timestamp.parse()?,
                name: entry.name().to_owned(),
                what: format!(
                    "{} {}{slash}{}",
                    entry.verb,
                    entry.resource(),
                    entry.subresource()
                ),
            });
        }
        Ok(())
    }
}
