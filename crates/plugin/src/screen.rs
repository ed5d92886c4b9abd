//! How things are shown: pure functions of an object, the time and the terminal.
//!
//! What a person has to see comes first: the state and why, what stands still because of it, the commands that go on; then the
//! batches, of each the instances that have failed or are under way; then requests and what is left to put back. An update of
//! twelve instances takes no more than [`LINES`] lines.

pub mod image_update;
pub mod page;
pub mod plan;
pub mod requests;
pub mod rollout;
pub mod table;

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::exit::End;
use crate::object::{Object, View};
use crate::rollout::Rollout;
use page::{Mood, Style};

/// The most lines of an update of twelve instances: a screen of a terminal as it is opened.
pub const LINES: usize = 24;

/// The whole of an object.
pub fn screen(object: &Object, now: Timestamp, style: Style) -> Vec<String> {
    match &object.view {
        View::Rollout(rollout) => rollout::screen(rollout, now, style),
        View::ImageUpdate(update) => image_update::screen(update, now, style),
    }
}

/// How an object fares.
pub fn mood(object: &Object) -> Mood {
    match &object.view {
        View::Rollout(rollout) => rollout::mood(rollout),
        View::ImageUpdate(update) => image_update::mood(update),
    }
}

/// One line that changes when something worth telling does.
pub fn in_a_line(object: &Object) -> String {
    let mut line = format!("{} {}", object.argument(), object.state());
    match &object.view {
        View::Rollout(rollout) => progress(&mut line, rollout),
        View::ImageUpdate(update) => {
            if let Some(run) = &update.status.active {
                let _ = write!(line, ", run {}", run.number);
            }
            if let Some(image) = &update.status.image_id {
                let _ = write!(line, ", image {image}");
            }
        }
    }
    let why = match &object.view {
        View::Rollout(rollout) => rollout.why(),
        View::ImageUpdate(update) => update.why(),
    };
    if object.end().is_some_and(|end| end != End::Wanted) && !why.is_empty() {
        let _ = write!(line, ": {}", page::printable(why));
    }
    line
}

fn progress(line: &mut String, rollout: &Rollout) {
    if let Some(summary) = &rollout.status.summary {
        let (progress, batch) = (&summary.progress, &summary.batch);
        let _ = write!(line, ", {progress} instances, batch {batch}");
        if summary.failed > 0 {
            let _ = write!(line, ", {} failed", summary.failed);
        }
    }
    let pause = rollout.status.pause.as_ref();
    if let Some(pause) = pause.filter(|_| rollout.is_paused()) {
        let _ = write!(line, ", paused {}", rollout::paused(pause));
    } else if let Some(pause) = pause.filter(|_| rollout.is_held()) {
        let _ = write!(line, ", held {}", rollout::paused(pause));
    }
}

#[cfg(test)]
mod tests;
