//! What is found, and how it is printed.

use std::fmt;
use std::io::Write;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The apiserver or the operator refuses it.
    Fault,
    /// It is taken, and seldom meant.
    Warning,
}

/// Something that is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file as it was named.
    pub file: String,
    /// From 1; 0: it is about the file as a whole.
    pub line: usize,
    /// Of the object; empty: it is about a document that is no object.
    pub kind: String,
    /// Of the object, as it is written.
    pub name: String,
    /// Of the object, as it is written.
    pub namespace: String,
    /// The path of the field; empty: it is about the object as a whole.
    pub field: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and the cure.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.kind.is_empty() {
            write!(f, "{}/{}: ", self.kind, self.name)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that were read or could not be.
    pub files: usize,
    /// Objects of our kinds.
    pub objects: usize,
    /// Objects of others, which are left alone.
    pub others: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|f| f.severity == severity).count()
    }

    /// A line for each finding.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn print_lines(&self, mut to: impl Write) -> std::io::Result<()> {
        let mut findings = self.findings.iter();
        findings.try_for_each(|finding| writeln!(to, "{finding}"))
    }

    /// All findings as a JSON array.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn print_json(&self, mut to: impl Write) -> std::io::Result<()> {
        serde_json::to_writer_pretty(&mut to, &self.findings)?;
        writeln!(to)
    }

    /// `12 objects in 4 files: 3 faults, 1 warning`
    pub fn summary(&self) -> String {
        let count = |number: usize, word: &str| {
            let ending = if number == 1 { "" } else { "s" };
            format!("{number} {word}{ending}")
        };
        let others = match self.others {
            0 => String::new(),
            others => format!(" ({} passed over)", count(others, "other object")),
        };
        format!(
            "{} in {}: {}, {}{others}",
            count(self.objects, "object"),
            count(self.files, "file"),
            count(self.count(Severity::Fault), "fault"),
            count(self.count(Severity::Warning), "warning"),
        )
    }
}
