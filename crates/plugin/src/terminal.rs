//! The terminal, or whatever reads what is printed.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Result;

use crate::screen::page::Style;

/// Where there is no terminal nothing is cut: whoever reads it searches in it.
const WIDTH: usize = 10_000;

/// Whether lines can be written over, and coloured.
pub fn is_rewritten() -> bool {
    stdout().is_terminal() && std::env::var("TERM").as_deref() != Ok("dumb")
}

/// How the terminal shows things.
pub fn style(verbose: bool) -> Style {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
    let locale = locale
        .into_iter()
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let terminal = is_rewritten();
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = variable("COLUMNS").parse().ok().filter(|width| *width > 0);
    Style {
        width: width.filter(|_| terminal).or(columns).unwrap_or(WIDTH),
        unicode: locale.to_uppercase().replace('-', "").ends_with("UTF8"),
        // NO_COLOR counts when it is there and not empty (no-color.org).
        colour: terminal && variable("NO_COLOR").is_empty(),
        verbose,
    }
}

/// Prints lines.
///
/// # Errors
/// When nobody reads them.
pub fn print(lines: &[String]) -> Result<()> {
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Writes the lines over those of before, as far as they differ.
///
/// # Errors
/// When nobody reads them.
pub fn redraw(before: &[String], lines: Vec<String>) -> Result<Vec<String>> {
    let mut out = stdout().lock();
    let mut text = String::new();
    if !before.is_empty() {
        text.push_str(&format!("\x1b[{}A", before.len()));
    }
    for number in 0..lines.len().max(before.len()) {
        match (lines.get(number), before.get(number)) {
            (Some(line), Some(old)) if line == old => {}
            (Some(line), _) => text.push_str(&format!("\r\x1b[2K{line}")),
            (None, _) => text.push_str("\r\x1b[2K"),
        }
        text.push('\n');
    }
    let gone = before.len().saturating_sub(lines.len());
    if gone > 0 {
        text.push_str(&format!("\x1b[{gone}A"));
    }
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(lines)
}
