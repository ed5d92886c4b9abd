//! `status`: an update, once or until it has ended.

use anyhow::Result;
use jiff::Timestamp;

use crate::cli::StatusArgs;
use crate::cluster::Cluster;
use crate::exit::End;
use crate::screen::{in_a_line, screen};
use crate::terminal::{is_rewritten, print, redraw, style};

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
    let rewrites = is_rewritten();
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
            changed = changes.next() => shown = changed?,
            _ = ticks.tick(), if rewrites => {}
        }
    }
}
