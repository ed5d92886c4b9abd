//! Whether a batch begins that has to be over before its window is.

use std::time::Duration;

use ess_rollout_api::v1alpha1::FinishBy;
use jiff::{SignedDuration, Timestamp};

use super::{Evaluation, State};

/// Whether a batch may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// It may.
    Yes {
        /// By how much it is expected to run past the end of the window. `None`: it is not, or nobody
        /// wants to know.
        overrun: Option<Duration>,
    },
    /// It may not.
    No(Hold),
}

/// Why a batch may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It is closed.
    Closed {
        /// When it opens. `None`: not within what was looked at.
        opens: Option<Timestamp>,
    },
    /// It was open when it was evaluated, and that is over: evaluate it again.
    Over,
    /// The batch would not be over in time.
    TooShort {
        /// When the window ends.
        until: Timestamp,
        /// What is missing.
        short_by: Duration,
    },
    /// The window ends, and nobody knows how long the batch takes.
    DurationUnknown {
        /// When the window ends.
        until: Timestamp,
    },
}

/// Whether a batch may begin now that takes this long, with all that comes before the next: soaking,
/// gates. `None`: nobody knows. A batch may end at the very time at which its window does.
///
/// Whatever the policy is, nothing begins while it is closed.
pub fn may_begin(
    evaluation: &Evaluation,
    now: Timestamp,
    takes: Option<Duration>,
    policy: FinishBy,
) -> Begin {
    let until = match &evaluation.state {
        State::Closed { opens, .. } => return Begin::No(Hold::Closed { opens: *opens }),
        State::Open { until, .. } => *until,
    };
    if now >= evaluation.look_again {
        return Begin::No(Hold::Over);
    }
    let fine = Begin::Yes { overrun: None };
    // No end in sight is none that a batch could reach.
    let (FinishBy::Required | FinishBy::BestEffort, Some(until)) = (policy, until) else {
        return fine;
    };
    let overrun = takes.map(|takes| overrun(now, takes, until));
    match (policy, overrun) {
        (_, Some(overrun)) if overrun.is_zero() => fine,
        (FinishBy::Required, Some(short_by)) => Begin::No(Hold::TooShort { until, short_by }),
        (FinishBy::Required, None) => Begin::No(Hold::DurationUnknown { until }),
        (_, overrun) => Begin::Yes { overrun },
    }
}

/// How many batches of this length, of so many that are left, are over before the window is, one after
/// the other. None while it is closed; all where no end is in sight.
pub fn batches_that_fit(
    evaluation: &Evaluation,
    now: Timestamp,
    takes: Duration,
    left: u32,
) -> u32 {
    let until = match &evaluation.state {
        State::Closed { .. } => return 0,
        State::Open { until, .. } => *until,
    };
    let Some(until) = until else {
        return left;
    };
    let room = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    let fit = room.as_millis().checked_div(takes.as_millis());
    let fit = fit.map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX));
    fit.min(left)
}

/// What is left to do of the batch when the window ends.
fn overrun(now: Timestamp, takes: Duration, until: Timestamp) -> Duration {
    let takes = SignedDuration::try_from(takes).unwrap_or(SignedDuration::MAX);
    let over = takes.saturating_sub(until.duration_since(now));
    Duration::try_from(over).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Cause;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn open(until: Option<&str>) -> Evaluation {
        let until = until.map(at);
        let state = State::Open {
            until,
            closed_by: until.map(|_| Cause::OutsideAllow),
            by: None,
        };
        Evaluation {
            state,
            look_again: until.unwrap_or(Timestamp::MAX),
            looked_through: until.is_none(),
        }
    }

    fn closed() -> Evaluation {
        let opens = at("2026-03-01T22:00:00Z");
        Evaluation {
            state: State::Closed {
                opens: Some(opens),
                why: Cause::OutsideAllow,
                opened_by: None,
            },
            look_again: opens,
            looked_through: false,
        }
    }

    fn twenty_minutes_at(now: &str, policy: FinishBy) -> Begin {
        let window = open(Some("2026-03-01T02:00:00Z"));
        may_begin(&window, at(now), Some(20 * MINUTE), policy)
    }

    #[test]
    fn a_batch_may_end_with_its_window_and_no_later() {
        let fine = Begin::Yes { overrun: None };
        let required = |now| twenty_minutes_at(now, FinishBy::Required);
        assert_eq!(required("2026-03-01T01:40:00Z"), fine);
        assert_eq!(
            required("2026-03-01T01:40:01Z"),
            Begin::No(Hold::TooShort {
                until: at("2026-03-01T02:00:00Z"),
                short_by: Duration::from_secs(1),
            })
        );
    }

    #[test]
    fn one_that_runs_past_the_end_begins_where_that_is_allowed_and_says_so_where_it_is_wanted() {
        let late = "2026-03-01T01:55:00Z";
        assert_eq!(
            twenty_minutes_at(late, FinishBy::BestEffort),
            Begin::Yes {
                overrun: Some(15 * MINUTE)
            }
        );
        assert_eq!(
            twenty_minutes_at(late, FinishBy::Off),
            Begin::Yes { overrun: None }
        );
    }

    #[test]
    fn nothing_begins_while_it_is_closed_or_once_it_is_over() {
        for policy in [FinishBy::Required, FinishBy::BestEffort, FinishBy::Off] {
            assert_eq!(
                may_begin(&closed(), at("2026-03-01T12:00:00Z"), Some(MINUTE), policy),
                Begin::No(Hold::Closed {
                    opens: Some(at("2026-03-01T22:00:00Z"))
                })
            );
            assert_eq!(
                twenty_minutes_at("2026-03-01T02:00:00Z", policy),
                Begin::No(Hold::Over)
            );
        }
    }

    #[test]
    fn of_a_batch_of_unknown_length_nobody_can_say_that_it_ends_in_time() {
        let (now, until) = (at("2026-03-01T00:00:00Z"), "2026-03-01T02:00:00Z");
        let unknown = |window: &Evaluation, policy| may_begin(window, now, None, policy);
        let fine = Begin::Yes { overrun: None };
        assert_eq!(
            unknown(&open(Some(until)), FinishBy::Required),
            Begin::No(Hold::DurationUnknown { until: at(until) })
        );
        assert_eq!(unknown(&open(Some(until)), FinishBy::BestEffort), fine);
        assert_eq!(unknown(&open(None), FinishBy::Required), fine);
    }

    #[test]
    fn it_is_known_before_the_start_how_many_batches_a_window_is_long_enough_for() {
        let now = at("2026-03-01T00:00:00Z");
        let window = open(Some("2026-03-01T02:00:00Z"));
        assert_eq!(batches_that_fit(&window, now, 20 * MINUTE, 9), 6);
        assert_eq!(batches_that_fit(&window, now, 20 * MINUTE, 4), 4);
        assert_eq!(batches_that_fit(&window, now, 121 * MINUTE, 9), 0);
        assert_eq!(batches_that_fit(&window, now, Duration::ZERO, 9), 9);
        assert_eq!(batches_that_fit(&open(None), now, 20 * MINUTE, 9), 9);
        assert_eq!(batches_that_fit(&closed(), now, MINUTE, 9), 0);
    }
}
