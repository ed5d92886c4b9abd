//! `status`: an update, once or until it has ended.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Result;
use futures::StreamExt;
use jiff::Timestamp;

use crate::cli::StatusArgs;
use crate::cluster::Cluster;
use crate::exit::End;
use crate::screen::{Style, in_a_line, screen};

/// Where there is no terminal to ask.
const WIDTH: usize = 120;

/// How the terminal shows things.
fn style(verbose: bool) -> Style {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
    let locale = locale
        .into_iter()
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let terminal = stdout().is_terminal() && variable("TERM") != "dumb";
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Style {
        width: width.filter(|_| terminal).unwrap_or(WIDTH),
        unicode: locale.to_uppercase().replace('-', "").ends_with("UTF8"),
        // NO_COLOR counts when it is there and not empty (no-color.org).
        colour: terminal && variable("NO_COLOR").is_empty(),
        verbose,
    }
}

/// Shows it.
///
/// # Errors
/// When there is none, or it cannot be read, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &StatusArgs) -> Result<End> {
    let found = cluster.named(&args.named)?;
    let style = style(args.verbose);
    let mut shown = found.get().await?;
    if !args.watch {
        print(&screen(&shown, Timestamp::now(), style))?;
        return Ok(End::Wanted);
    }
    let rewrites = stdout().is_terminal() && std::env::var("TERM").as_deref() != Ok("dumb");
    let mut before = Vec::new();
    let mut line = String::new();
    let mut changes = found.follow();
    // Ages go on between two changes.
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        if rewrites {
            before = redraw(&before, screen(&shown, Timestamp::now(), style))?;
        } else if in_a_line(&shown) != line {
            line = in_a_line(&shown);
            print(std::slice::from_ref(&line))?;
        }
        if let Some(end) = shown.end() {
            return Ok(end);
        }
        tokio::select! {
            change = changes.next() => match change {
                Some(Some(rollout)) => shown = rollout,
                Some(None) => anyhow::bail!("{} is gone", shown.argument()),
                None => anyhow::bail!("the watch of {} has ended", shown.argument()),
            },
            _ = ticks.tick(), if rewrites => {}
        }
    }
}

fn print(lines: &[String]) -> Result<()> {
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Writes the lines over those of before, as far as they differ.
fn redraw(before: &[String], lines: Vec<String>) -> Result<Vec<String>> {
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
