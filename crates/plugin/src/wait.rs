//! `wait`: until an object has come to something.

use anyhow::Result;

use crate::cli::{For, WaitArgs};
use crate::cluster::Cluster;
use crate::exit::End;
use crate::object::Object;
use crate::screen::in_a_line;
use crate::terminal::print;

/// To what end the waiting comes with this; `None`: it goes on.
fn verdict(object: &Object, wanted: For) -> Option<End> {
    if let Some(end) = object.end() {
        return Some(match wanted {
            For::Finished => End::Wanted,
            // The end is no pause; one that is good is what people wait for in the end.
            For::Succeeded | For::Paused => end,
        });
    }
    if !object.standing().is_empty() {
        // What was asked for may end the pause.
        return None;
    }
    match wanted {
        For::Paused if object.is_paused() => Some(End::Wanted),
        // Nobody comes to a pipeline: it is told at once.
        For::Succeeded | For::Finished if object.is_paused() => Some(End::Paused),
        For::Succeeded | For::Finished | For::Paused => None,
    }
}

/// Waits.
///
/// # Errors
/// When there is no such object, or it cannot be read.
pub async fn run(cluster: &Cluster, args: &WaitArgs) -> Result<End> {
    let found = cluster.named(&args.named.name)?;
    let mut last = None;
    let waited = async {
        let mut seen = found.get().await?;
        let mut changes = found.follow();
        loop {
            let end = verdict(&seen, args.wanted);
            last = Some(in_a_line(&seen));
            if let Some(end) = end {
                return anyhow::Ok(end);
            }
            seen = changes.next_seen().await?;
        }
    };
    let end = match args.timeout.is_zero() {
        true => waited.await?,
        false => match tokio::time::timeout(args.timeout, waited).await {
            Ok(end) => end?,
            Err(_) => End::TimedOut,
        },
    };
    print(&last.into_iter().collect::<Vec<_>>())?;
    Ok(end)
}
