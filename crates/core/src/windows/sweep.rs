//! From one change to the next, through the occurrences of all windows at once.

use ess_rollout_api::v1alpha1::WindowKind;

use super::cursor::Cursor;
use super::occurrences;
use super::window::Window;

/// How much is looked at in one evaluation: occurrences that are passed, and windows that are looked at
/// for each. A few milliseconds.
const WORK_MAX: u64 = 400_000;

/// All windows of a task at a time that only goes forward. Times are seconds since 1970.
pub(super) struct Sweep<'a> {
    cursors: Vec<Cursor<'a>>,
    at: i64,
    horizon: i64,
    work: u64,
}

/// What is so at a time, and for how long at least.
#[derive(Clone, Copy)]
pub(super) enum Moment<'a> {
    Open {
        until: i64,
        by: Option<&'a Window>,
    },
    Closed {
        until: i64,
        freeze: Option<&'a Window>,
    },
}

/// A time for which it is open, or closed, throughout.
pub(super) struct Stretch<'a> {
    pub(super) first: Moment<'a>,
    pub(super) end: i64,
    /// What comes then. `None`: the stretch may go on, but no more was looked at.
    pub(super) next: Option<Moment<'a>>,
}

impl Moment<'_> {
    fn until(&self) -> i64 {
        match self {
            Self::Open { until, .. } | Self::Closed { until, .. } => *until,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

impl<'a> Sweep<'a> {
    pub(super) fn new(windows: impl IntoIterator<Item = &'a Window>, at: i64) -> Self {
        let horizon = occurrences::horizon(at);
        let cursors = windows.into_iter();
        Self {
            cursors: cursors
                .map(|window| Cursor::new(window, at, horizon))
                .collect(),
            at,
            horizon,
            work: 0,
        }
    }

    /// The stretch that begins where the last one ended.
    pub(super) fn stretch(&mut self) -> Stretch<'a> {
        let first = self.moment();
        let mut moment = first;
        loop {
            self.at = moment.until().min(self.horizon);
            let (end, enough) = (self.at, self.work > WORK_MAX);
            if end >= self.horizon || enough {
                let next = None;
                return Stretch { first, end, next };
            }
            moment = self.moment();
            if moment.is_open() != first.is_open() {
                let next = Some(moment);
                return Stretch { first, end, next };
            }
        }
    }

    /// What is so now.
    fn moment(&mut self) -> Moment<'a> {
        let mut allows = false;
        let (mut allow, mut freeze): (Option<Active>, Option<Active>) = (None, None);
        let (mut next_allow, mut next_freeze) = (i64::MAX, i64::MAX);
        for cursor in &mut self.cursors {
            self.work += 1 + cursor.go_to(self.at);
            let (active, next) = match cursor.window.kind() {
                WindowKind::Allow => {
                    allows = true;
                    (&mut allow, &mut next_allow)
                }
                WindowKind::Freeze => (&mut freeze, &mut next_freeze),
            };
            *next = cursor.next_start().unwrap_or(i64::MAX).min(*next);
            let later = |end| active.as_ref().is_none_or(|other| end > other.end);
            if let Some(end) = cursor.active_until(self.at).filter(|end| later(*end)) {
                let window = cursor.window;
                *active = Some(Active { end, window });
            }
        }
        match (freeze, allow) {
            (Some(freeze), _) => Moment::Closed {
                until: freeze.end,
                freeze: Some(freeze.window),
            },
            (None, None) if allows => Moment::Closed {
                until: next_allow,
                freeze: None,
            },
            (None, allow) => Moment::Open {
                until: allow
                    .as_ref()
                    .map_or(i64::MAX, |allow| allow.end)
                    .min(next_freeze),
                by: allow.map(|allow| allow.window),
            },
        }
    }
}

/// The window of a kind whose present occurrence ends last.
struct Active<'a> {
    end: i64,
    window: &'a Window,
}
