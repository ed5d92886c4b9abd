//! Maintenance windows: when updates may begin and go on.
//!
//! One rule: it is open when no Freeze is active, and no window is an Allow or one that is is active.
//! Allows add up, a Freeze always wins. A window that is for a task and never active still closes it, if
//! it is an Allow.
//!
//! Windows hold what has not begun: the start, and each batch. What is under way goes on past the end.
//!
//! Spans are half open: a window is active at the second at which it begins, and is not at the one at
//! which it ends. So windows that follow each other without a gap are one, and whoever looks again at
//! the time that he was told finds the other state, never the same one for a moment.
//!
//! - [`Window`]: one window, read; [`is_never_due`]: whether it ever does anything
//! - [`evaluate`], [`next_fit`]: what a set of them says
//! - [`may_begin`]: whether a batch begins that has to be over in time
//! - [`selects`]: which tasks a window is for
//! - [`object_status`]: what is shown of a `MaintenanceWindow`

mod cursor;
mod dates;
mod finish_by;
mod occurrences;
mod selection;
mod status;
mod sweep;
mod window;

use jiff::{SignedDuration, Timestamp};

pub use crate::cron::Invalid;
pub use finish_by::{Begin, Hold, batches_that_fit, may_begin};
pub use occurrences::HORIZON_DAYS;
pub use selection::{Subject, asks_for_tags, may_select, selects};
pub use status::{ObjectStatus, check_spec, object_status};
pub use window::{Named, Window};

use cursor::Cursor;
use occurrences::horizon;
use sweep::{Moment, Sweep};
use window::Times;

/// What the windows of a task say at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Open or closed, and when that changes.
    pub state: State,
    /// When to look again: at the change, or where none was found at the end of what was looked at.
    /// Until then it stays as it is. Always later than the time that was asked about, except at the end
    /// of time.
    pub look_again: Timestamp,
    /// Whether that is the end of the four years that are looked at: a change that was not found by then
    /// is none. Otherwise it was given up, as finding it takes too much work, and nothing follows from it.
    pub looked_through: bool,
}

/// Open or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Updates may begin and go on.
    Open {
        /// When that is over. `None`: no end was found before [`Evaluation::look_again`].
        until: Option<Timestamp>,
        /// What ends it. `None` where `until` is.
        closed_by: Option<Cause>,
        /// The Allow that is active; of several the one whose occurrence ends last. `None`: no window
        /// is an Allow.
        by: Option<Named>,
    },
    /// They may not.
    Closed {
        /// When that is over. `None`: no end was found before [`Evaluation::look_again`].
        opens: Option<Timestamp>,
        /// What closes it now.
        why: Cause,
        /// The Allow that is active at `opens`. `None` where `opens` is, or no window is an Allow.
        opened_by: Option<Named>,
    },
}

/// What closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// This Freeze is active; of several the one whose occurrence ends last.
    Freeze(Named),
    /// There are windows that are Allow, and none of them is active.
    OutsideAllow,
}

impl Evaluation {
    /// Whether updates may begin and go on.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

/// What these windows say at a time: all that are for one task, and no other.
///
/// The work is bounded whatever the windows are. Where they change so often, and cancel each other out
/// so thoroughly, that the next change is not found with it, `look_again` comes earlier than in four
/// years: days later at least, for 50 windows.
pub fn evaluate<'a>(windows: impl IntoIterator<Item = &'a Window>, at: Timestamp) -> Evaluation {
    let mut sweep = Sweep::new(windows, at.as_second());
    let stretch = sweep.stretch();
    let change = stretch.next.and_then(|_| time(stretch.end));
    let state = match (stretch.first, stretch.next) {
        (Moment::Open { by, .. }, next) => State::Open {
            until: change,
            closed_by: next.map(|next| cause(&next)),
            by: by.map(Window::named),
        },
        (first, next) => State::Closed {
            opens: change,
            why: cause(&first),
            opened_by: match next {
                Some(Moment::Open { by, .. }) => by.map(Window::named),
                _ => None,
            },
        },
    };
    Evaluation {
        state,
        look_again: time(stretch.end).unwrap_or(Timestamp::MAX),
        looked_through: stretch.end >= horizon(at.as_second()),
    }
}

/// Where a time was looked for at which something fits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// From here on.
    At(Timestamp),
    /// There is none in the next four years.
    Never,
    /// None was found up to here with a bounded amount of work.
    NotBefore(Timestamp),
}

/// The first time, from this one on, at which these windows are open and stay so for this long.
pub fn next_fit<'a>(
    windows: impl IntoIterator<Item = &'a Window>,
    from: Timestamp,
    takes: SignedDuration,
) -> Fit {
    let mut sweep = Sweep::new(windows, from.as_second());
    let mut begins = from;
    loop {
        let stretch = sweep.stretch();
        let Some(end) = time(stretch.end) else {
            return Fit::Never;
        };
        let open = matches!(stretch.first, Moment::Open { .. });
        if open && end.duration_since(begins) >= takes {
            return Fit::At(begins);
        }
        if stretch.next.is_none() {
            return match stretch.end >= horizon(from.as_second()) {
                true => Fit::Never,
                false => Fit::NotBefore(end),
            };
        }
        begins = end;
    }
}

/// Whether a window has no occurrence that begins in the four years after this time: there is no 30
/// February; or its one span is over. People should know: an Allow of this kind keeps its tasks closed,
/// and a Freeze does nothing.
pub fn is_never_due(window: &Window, time: Timestamp) -> bool {
    let at = time.as_second();
    match window.times() {
        Times::Once(block) => block.end <= at,
        Times::Recurring(_) => {
            let mut cursor = Cursor::new(window, at, horizon(at));
            cursor.go_to(at);
            cursor.next_start().is_none()
        }
    }
}

fn cause(moment: &Moment) -> Cause {
    match moment {
        Moment::Closed {
            freeze: Some(freeze),
            ..
        } => Cause::Freeze(freeze.named()),
        _ => Cause::OutsideAllow,
    }
}

fn time(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}
