//! Windows that count together, and what is said of them while they let nothing begin.

use std::time::Duration;

use ess_rollout_api::v1alpha1::WindowKind;
use jiff::{SignedDuration, Timestamp};

use super::problem::Problem;
use super::reason::Reason;
use super::windows_of::{FIELD, Unknown, Whose, Windows};
use crate::windows::{self, Cause, Evaluation, Fit, Named, State, Window};

/// How soon a group is read again whose tags could not be read.
const TAGS_AGAIN: Duration = Duration::from_secs(60);

/// How long nobody looks at what waits for a window, at the least and at the most. See [`look`].
const LOOK: (Duration, Duration) = (Duration::from_secs(600), Duration::from_hours(6));

/// After how much of a wait it is looked at again, as a clock may jump: after half of it. A look costs no call of the cloud, and
/// reads the object and the record of its group, so that a thousand objects that wait for days are not looked at all the time. What
/// begins too late because of a jump does so after a jump over more than half of its wait.
pub(crate) fn look(left: Option<Duration>) -> Duration {
    left.map_or(LOOK.1, |left| (left / 2).clamp(LOOK.0, LOOK.1).min(left))
}

/// Why something may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) reason: Reason,
    /// A sentence without its end.
    pub(crate) message: String,
    /// When to look again; `None`: the windows, as they are written, never let it begin.
    pub(crate) until: Option<Timestamp>,
    /// Where nothing but a change lets it begin: whose.
    pub(crate) mended_by: Option<Mended>,
}

/// What lets it begin that the windows, as they are written, never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mended {
    /// Nothing: what is written in the object stays as it is.
    Never,
    /// A change of a window that the object names.
    ByNamed,
    /// A change of another window that is for it.
    BySelecting,
}

impl Held {
    /// What stands against a start: the time, or what somebody has to change. What is wrong with a window of which whoever wrote the
    /// object need not know is not counted against its deadline.
    pub(crate) fn problem(&self) -> Problem {
        match self.until {
            Some(_) => {
                let message = format!("{}; nothing is taken until then", self.message);
                Problem::wait(self.reason, message)
            }
            None => Problem {
                counts: self.mended_by != Some(Mended::BySelecting),
                ..Problem::blocked(self.reason, self.message.clone())
            },
        }
    }

    /// As it is not known what a window says.
    pub(crate) fn by_unknown(unknown: &Unknown, now: Timestamp) -> Self {
        Self {
            reason: unknown.reason,
            message: unknown.message.clone(),
            until: (unknown.whose == Whose::Cloud).then(|| now + TAGS_AGAIN),
            mended_by: match unknown.whose {
                Whose::Spec => Some(Mended::Never),
                Whose::Named => Some(Mended::ByNamed),
                Whose::Selecting => Some(Mended::BySelecting),
                Whose::Cloud => None,
            },
        }
    }
}

/// Windows that count together.
pub(crate) struct Union<'w> {
    pub(crate) windows: &'w [Window],
    /// The names of those that the spec of the object names.
    named: &'w [String],
    /// Whether the window in the spec of the object stays as it was written.
    is_fixed: bool,
}

impl<'w> Union<'w> {
    /// Of all that are for an object.
    pub(crate) fn of(found: &'w Windows) -> Self {
        Self {
            windows: &found.all,
            named: &found.named,
            is_fixed: found.is_fixed,
        }
    }

    /// Of these, whosoever they are.
    pub(crate) fn new(windows: &'w [Window]) -> Self {
        Self {
            windows,
            named: &[],
            is_fixed: true,
        }
    }

    /// Those that keep the others from ever being of use: where there are any that let something begin, these.
    fn guilty(&self) -> Vec<&Window> {
        let allows = |window: &&Window| window.kind() == WindowKind::Allow;
        let allows: Vec<&Window> = self.windows.iter().filter(allows).collect();
        match allows.is_empty() {
            true => self.windows.iter().collect(),
            false => allows,
        }
    }

    /// Whether nothing but the window in the object's own spec keeps it.
    pub(crate) fn is_own(&self) -> bool {
        self.guilty().iter().all(|window| window.name() == FIELD)
    }

    /// What they say at a time.
    pub(crate) fn at(&self, time: Timestamp) -> Evaluation {
        windows::evaluate(self.windows, time)
    }

    /// The first time, from this one on, at which they are open for so long.
    pub(crate) fn fits(&self, takes: Duration, from: Timestamp) -> Fit {
        windows::next_fit(
            self.windows,
            from,
            takes.try_into().unwrap_or(SignedDuration::MAX),
        )
    }

    /// All of them, for people.
    pub(crate) fn named(&self) -> String {
        let named: Vec<String> = self.windows.iter().map(of_window).collect();
        named.join(" and ")
    }

    /// What to do about windows that never let anything begin.
    pub(crate) fn cure(&self) -> (&'static str, Mended) {
        let guilty = self.guilty();
        let own = |window: &&Window| window.name() == FIELD;
        let named =
            |window: &&Window| own(window) || self.named.iter().any(|name| name == window.name());
        let fixed = self.is_fixed && guilty.iter().any(own);
        match (fixed, guilty.iter().all(own), guilty.iter().all(named)) {
            (true, true, _) => ("write another one in a new object", Mended::Never),
            (true, false, _) => (
                "change the MaintenanceWindow, or create the object anew with another spec.window",
                Mended::ByNamed,
            ),
            (false, _, true) => ("change it", Mended::ByNamed),
            (false, _, false) => ("change it", Mended::BySelecting),
        }
    }

    /// Why nothing begins while they are closed.
    pub(crate) fn closed(&self, evaluation: &Evaluation, opens: Option<Timestamp>) -> Held {
        let (why, opened_by) = match &evaluation.state {
            State::Closed { why, opened_by, .. } => (Some(why), opened_by.as_ref()),
            State::Open { .. } => (None, None),
        };
        let Some(opens) = opens else {
            if !evaluation.looked_through {
                let time = evaluation.look_again;
                return Held {
                    reason: Reason::WindowClosed,
                    message: format!("{} is closed until {time} at least", self.named()),
                    until: Some(time),
                    mended_by: None,
                };
            }
            let (cure, mended_by) = self.cure();
            let guilty: Vec<String> = self.guilty().into_iter().map(of_window).collect();
            let named = guilty.join(" and ");
            return Held {
                reason: Reason::NeverDue,
                message: format!("{named} never opens any more: {cure}"),
                until: None,
                mended_by: Some(mended_by),
            };
        };
        let message = match (why, opened_by) {
            (Some(Cause::Freeze(freeze)), Some(allow)) => format!(
                "{} lets nothing begin, and {} is closed until {opens}",
                of(freeze),
                of(allow)
            ),
            (Some(Cause::Freeze(freeze)), None) => {
                format!("{} lets nothing begin until {opens}", of(freeze))
            }
            (_, Some(allow)) => format!("{} is closed until {opens}", of(allow)),
            (_, None) => format!("{} is closed until {opens}", self.named()),
        };
        Held {
            reason: Reason::WindowClosed,
            message,
            until: Some(opens),
            mended_by: None,
        }
    }

    /// What is waited for while it is closed.
    pub(crate) fn opened(&self, evaluation: &Evaluation) -> String {
        match &evaluation.state {
            State::Closed {
                opened_by: Some(allow),
                ..
            } => of(allow),
            State::Closed {
                why: Cause::Freeze(freeze),
                ..
            } => of(freeze),
            _ => self.named(),
        }
    }
}

/// A window and why it is there.
fn of_window(window: &Window) -> String {
    with_reason(window.name(), window.reason())
}

/// The same of one that opens or closes something.
pub(crate) fn of(named: &Named) -> String {
    with_reason(&named.window, &named.reason)
}

fn with_reason(name: &str, reason: &str) -> String {
    match reason {
        "" => name.to_owned(),
        reason => format!("{name} ({reason})"),
    }
}
