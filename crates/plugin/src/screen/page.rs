//! Lines in the making, for a terminal of some width that can show more or less.

use anstyle::{AnsiColor, Style as Ansi};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
pub enum Mood {
    /// Done.
    Good,
    /// A person has to act.
    Bad,
    /// Under way.
    Moving,
    /// It waits, or was given up.
    Waiting,
    /// Not begun.
    Quiet,
}

impl Mood {
    /// Of one column.
    pub fn sign(self, unicode: bool) -> char {
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

    /// Red is for what a person has to see.
    pub fn colour(self) -> Ansi {
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
pub struct Page {
    /// What it is shown on.
    pub style: Style,
    /// When it is shown.
    pub now: Timestamp,
    /// What there is by now.
    pub lines: Vec<String>,
}

impl Page {
    /// An empty one.
    pub fn new(now: Timestamp, style: Style) -> Self {
        let lines = Vec::new();
        Self { style, now, lines }
    }

    /// A line without colours.
    pub fn plain(&mut self, text: &str) {
        let text = cut(text, self.style.width, self.style.unicode);
        self.lines.push(text);
    }

    /// A line with a sign and a word in the colour of a mood.
    pub fn marked(&mut self, before: &str, mood: Mood, word: &str, rest: &str) {
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

    /// How long ago that was.
    pub fn ago(&self, time: &Time) -> String {
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

/// `1 instance`, `2 batches`.
pub fn counted(count: usize, what: &str) -> String {
    let ending = match (count, what.ends_with("ch")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
}

/// What others wrote must not move the cursor, nor change colours.
pub fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// No wider than that, with a mark where something is left out.
pub fn cut(text: &str, width: usize, unicode: bool) -> String {
    let text = printable(text);
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
pub fn wrapped(text: &str, width: usize, lines: usize) -> Vec<String> {
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
