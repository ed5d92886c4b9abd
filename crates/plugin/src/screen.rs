//! How an update is shown: a pure function of the update, the time and the terminal.
//!
//! What a person has to see comes first: the state and why, what stands still because of it, the command that goes on; then the
//! batches, of each the instances that have failed or are under way; then requests and what is left to put back. An update of
//! twelve instances takes no more than [`LINES`] lines.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Ansi};
use ess_rollout_api::v1alpha1::{
    Action, ActionState, BatchState, BatchStatus, InstanceState, InstanceStatus,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::rollout::Rollout;

/// The most lines of an update of twelve instances: a screen of a terminal as it is opened.
pub const LINES: usize = 24;
/// The most lines that say why.
const WHY_LINES: usize = 3;
/// Requests that are shown, the newest.
const REQUESTS: usize = 3;
/// Lines for batches and their instances; with `-v` all that there are.
const TREE: usize = 13;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Whether it shows colours.
    pub colour: bool,
    /// Whether every instance is listed.
    pub verbose: bool,
}

/// How something fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    Bad,
    Moving,
    Waiting,
    Quiet,
}

impl Mood {
    fn of_batch(state: BatchState) -> Self {
        match state {
            BatchState::Pending => Self::Quiet,
            BatchState::Updating => Self::Moving,
            BatchState::Succeeded => Self::Good,
            BatchState::Failed => Self::Bad,
        }
    }

    fn of_instance(state: InstanceState) -> Self {
        match state {
            InstanceState::Pending => Self::Quiet,
            InstanceState::Updating => Self::Moving,
            InstanceState::Succeeded => Self::Good,
            InstanceState::Failed => Self::Bad,
            InstanceState::Cancelled | InstanceState::Skipped => Self::Waiting,
        }
    }

    fn of(rollout: &Rollout) -> Self {
        match rollout.state() {
            "Succeeded" => Self::Good,
            "Failed" | "FailureSuspended" | "Blocked" => Self::Bad,
            "Cancelled" => Self::Waiting,
            state if state.ends_with("Suspended") => Self::Waiting,
            _ => Self::Moving,
        }
    }

    fn sign(self, unicode: bool) -> char {
        match (self, unicode) {
            (Self::Good, true) => '✔',
            (Self::Bad, true) => '✖',
            (Self::Moving, true) => '◌',
            (Self::Waiting, true) => '◷',
            (Self::Quiet, true) => '·',
            (Self::Good, false) => '+',
            (Self::Bad, false) => 'x',
            (Self::Moving, false) => '~',
            (Self::Waiting, false) => '=',
            (Self::Quiet, false) => '.',
        }
    }

    fn colour(self) -> Ansi {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Moving => AnsiColor::Cyan.on_default(),
            Self::Waiting => AnsiColor::Yellow.on_default(),
            Self::Quiet => Ansi::new().dimmed(),
        }
    }
}

/// Lines in the making. What is put into one is cut to the width of the terminal; colours take no room.
struct Page {
    style: Style,
    now: Timestamp,
    lines: Vec<String>,
}

impl Page {
    fn plain(&mut self, text: &str) {
        let text = cut(text, self.style.width, self.style.unicode);
        self.lines.push(text);
    }

    /// With a sign and a word in the colour of a mood.
    fn marked(&mut self, before: &str, mood: Mood, word: &str, rest: &str) {
        let sign = mood.sign(self.style.unicode);
        let head = format!("{before}{sign} {word}");
        let text = cut(
            &format!("{head}{rest}"),
            self.style.width,
            self.style.unicode,
        );
        let marked = match (self.style.colour, text.strip_prefix(&head)) {
            (true, Some(rest)) => {
                let colour = mood.colour();
                format!("{before}{colour}{sign} {word}{colour:#}{rest}")
            }
            _ => text,
        };
        self.lines.push(marked.trim_end().to_owned());
    }

    fn ago(&self, time: &Time) -> String {
        age(self.now, time.0)
    }
}

/// How long ago, in its two largest units.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, 1..10) if seconds % 60 != 0 => format!("{minutes}m{}s", seconds % 60),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, _, _) => format!("{hours}h{minutes}m"),
        (_, 0, _) => format!("{days}d"),
        _ => format!("{days}d{hours}h"),
    }
}

/// No wider than that, with a mark where something is left out.
fn cut(text: &str, width: usize, unicode: bool) -> String {
    // What others wrote must not move the cursor.
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.width() <= width {
        return text;
    }
    let mark = if unicode { "…" } else { "..." };
    let room = width.saturating_sub(mark.width());
    let (mut used, mut kept) = (0, String::new());
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept + mark
}

/// Broken between words, into no more lines than that: the last takes the rest, and is cut where it is put down.
fn wrapped(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let full = wrapped.len() == lines;
        match wrapped.last_mut() {
            Some(line) if full || line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => wrapped.push(word.to_owned()),
        }
    }
    wrapped
}

/// One line that changes when something worth telling does.
pub fn in_a_line(rollout: &Rollout) -> String {
    let mut line = format!("{} {}", rollout.argument(), rollout.state());
    if let Some(summary) = &rollout.status.summary {
        let _ = write!(
            line,
            ", {} instances, batch {}",
            summary.progress, summary.batch
        );
        if summary.failed > 0 {
            let _ = write!(line, ", {} failed", summary.failed);
        }
    }
    if let Some(pause) = rollout
        .status
        .pause
        .as_ref()
        .filter(|_| rollout.is_paused())
    {
        let _ = write!(line, ", paused after batch {}", pause.id);
    }
    line
}

/// The whole of it.
pub fn screen(rollout: &Rollout, now: Timestamp, style: Style) -> Vec<String> {
    let mut page = Page {
        style,
        now,
        lines: Vec::new(),
    };
    head(&mut page, rollout);
    tree(&mut page, rollout);
    requests(&mut page, &rollout.status.actions);
    left(&mut page, rollout);
    page.lines
}

fn head(page: &mut Page, rollout: &Rollout) {
    let status = &rollout.status;
    let name = format!("{}/{}", rollout.namespace(), rollout.name());
    let created = rollout.metadata.creation_timestamp.as_ref();
    let created = created.map_or(String::new(), |time| {
        format!(", created {} ago", page.ago(time))
    });
    let rest = format!("  {} {name}{created}", rollout.kind);
    page.marked("", Mood::of(rollout), rollout.state(), &rest);
    let mut facts = vec![rollout.what.clone()];
    facts.extend(
        rollout
            .group
            .as_ref()
            .map(|group| format!("scaling group {group}")),
    );
    if let Some(summary) = &status.summary {
        facts.push(format!(
            "{} instances, {} %",
            summary.progress, summary.percent
        ));
    }
    facts.extend(
        status
            .execution
            .as_ref()
            .map(|execution| execution.id.clone()),
    );
    page.plain(&format!("  {}", facts.join(", ")));
    let width = page.style.width.saturating_sub(2);
    for line in wrapped(rollout.why(), width, WHY_LINES) {
        page.plain(&format!("  {line}"));
    }
    if let Some(pause) = status.pause.as_ref().filter(|_| rollout.is_paused()) {
        let since = page.ago(&pause.since);
        page.plain(&format!("  paused for {since}, after batch {}", pause.id));
    }
    if let Some(freeze) = &status.freeze {
        let since = page.ago(&freeze.since);
        let processes = freeze.processes.join(", ");
        page.plain(&format!(
            "  the group stands still for {since}: {processes}"
        ));
    }
    if let Some(next) = rollout.next_command() {
        // Not cut: it is there to be copied.
        page.lines.push(format!("  to go on: {next}"));
    }
}

/// What is listed of an instance unless all are: what a person has to see.
fn stands_out(instance: &InstanceStatus) -> bool {
    use InstanceState::{Failed, Updating};
    matches!(instance.state, Failed | Updating)
}

/// Failures first, then what is under way.
fn rank(instance: &InstanceStatus) -> u8 {
    match instance.state {
        InstanceState::Failed => 0,
        InstanceState::Updating => 1,
        InstanceState::Cancelled | InstanceState::Skipped => 2,
        InstanceState::Pending => 3,
        InstanceState::Succeeded => 4,
    }
}

fn tree(page: &mut Page, rollout: &Rollout) {
    let status = &rollout.status;
    let mut room = if page.style.verbose { usize::MAX } else { TREE };
    let mut batches = status.batches.as_slice();
    let mut left_out = 0;
    while let Some(first) = batches.first() {
        let listed = |batch: &BatchStatus| -> Vec<&InstanceStatus> {
            let of_batch = status
                .instances
                .iter()
                .filter(|one| one.batch == batch.index);
            let mut of_batch: Vec<_> = of_batch
                .filter(|one| page.style.verbose || stands_out(one))
                .collect();
            of_batch.sort_by_key(|one| (rank(one), one.id.clone()));
            of_batch
        };
        // Batches in a row that fare alike, and have nothing that stands out, are one line.
        let alike = |batch: &&BatchStatus| batch.state == first.state && listed(batch).is_empty();
        let run = match listed(first).is_empty() {
            true => batches.iter().take_while(alike).count().max(1),
            false => 1,
        };
        let (these, rest) = batches.split_at(run);
        let instances = listed(first);
        batches = rest;
        if room == 0 {
            left_out += run;
            continue;
        }
        batch_line(page, these, rest.is_empty());
        room -= 1;
        // A line is kept for each batch that comes, and one for those left out.
        let shown = instances.len().min(room.saturating_sub(rest.len().min(3)));
        for instance in &instances[..shown] {
            instance_line(page, instance);
        }
        room -= shown;
        if shown < instances.len() {
            let more = instances.len() - shown;
            page.plain(&format!(
                "      and {more} more of this batch: -v lists them"
            ));
            room = room.saturating_sub(1);
        }
    }
    if left_out > 0 {
        page.plain(&format!("  and {left_out} more batches: -v lists them"));
    }
    if let Some(truncated) = status.instances_truncated.filter(|count| *count > 0) {
        page.plain(&format!(
            "  {truncated} instances are not in the status, which has no room for them"
        ));
    }
}

fn batch_line(page: &mut Page, batches: &[BatchStatus], last: bool) {
    let (Some(first), Some(end)) = (batches.first(), batches.last()) else {
        return;
    };
    let size: i32 = batches.iter().map(|batch| batch.size).sum();
    let name = match batches.len() {
        1 => format!("batch {}", first.index),
        _ => format!("batches {} to {}", first.index, end.index),
    };
    let times = (first.start_time.as_ref(), end.end_time.as_ref());
    let took = match times {
        (Some(start), Some(end)) => format!(", took {}", age(end.0, start.0)),
        (Some(start), None) => format!(", for {}", page.ago(start)),
        (None, _) => String::new(),
    };
    let branch = match (page.style.unicode, last) {
        (true, true) => "└─",
        (true, false) => "├─",
        (false, true) => "`-",
        (false, false) => "|-",
    };
    let word = format!("{name} {:?}", first.state);
    let rest = format!(", {size} instances{took}");
    page.marked(branch, Mood::of_batch(first.state), &word, &rest);
}

fn instance_line(page: &mut Page, instance: &InstanceStatus) {
    let mut rest = String::new();
    if instance.attempt > 1 {
        let _ = write!(rest, ", attempt {}", instance.attempt);
    }
    match (&instance.start_time, &instance.end_time) {
        (Some(start), Some(end)) => {
            let _ = write!(rest, ", took {}", age(end.0, start.0));
        }
        (Some(start), None) => {
            let _ = write!(rest, ", for {}", page.ago(start));
        }
        (None, _) => {}
    }
    if let Some(code) = instance.exit_code.filter(|code| *code != 0) {
        let _ = write!(rest, ", exit code {code}");
    }
    if !instance.message.is_empty() {
        let _ = write!(rest, ": {}", instance.message);
    }
    let word = format!("{} {:?}", instance.id, instance.state);
    page.marked("     ", Mood::of_instance(instance.state), &word, &rest);
}

fn requests(page: &mut Page, actions: &[Action]) {
    for action in actions.iter().rev().take(REQUESTS).rev() {
        let mood = match action.state {
            ActionState::Accepted => Mood::Moving,
            ActionState::Applied => Mood::Good,
            ActionState::Rejected => Mood::Bad,
        };
        let targets = action.targets.join(", ");
        let by = match action.requested_by.as_str() {
            "" => String::new(),
            by => format!(" by {by}"),
        };
        let why = match (action.state, action.message.as_str()) {
            (ActionState::Applied, _) | (_, "") => String::new(),
            (_, message) => format!(": {message}"),
        };
        let word = format!("{:?} {targets} {:?}", action.verb, action.state);
        let rest = format!("{by}, {} ago{why}", page.ago(&action.time));
        page.marked("  ", mood, &word, &rest);
    }
}

/// What was changed and is not put back.
fn left(page: &mut Page, rollout: &Rollout) {
    let Some(restore) = &rollout.status.restore else {
        return;
    };
    if restore.done || rollout.status.result.is_none() {
        return;
    }
    let open = restore.items.iter().filter(|item| item.message.is_empty());
    let open = open.count();
    let stuck = restore.items.iter().filter(|item| !item.message.is_empty());
    for item in stuck.take(REQUESTS) {
        page.plain(&format!(
            "  not put back: {}: {}",
            item.target, item.message
        ));
    }
    if open > 0 {
        page.plain(&format!(
            "  {open} things about the group are being put back"
        ));
    }
}

#[cfg(test)]
mod tests;
