//! Whether what is due later could begin as things are: looked at while it waits for its time, so that what will keep it from
//! being done is known before the night on which it was to be.
//!
//! Bounded by what changes: once when it is asked for or changed, once before it is due, and where something stands
//! against it ever less often.

use std::time::Duration;

use ess_rollout_api::v1alpha1::PreflightCheck;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::closed::{Held, look as look_again};
use super::cloud_failure::Failure;
use super::conditions::{MESSAGE_MAX, shorten};
use super::object::Object;
use super::observation::{Known, Missing};
use super::problem::{Checked, Problem, Stop};
use super::reason::Reason;
use crate::identity::hash_text;

/// How long before it is due it is looked at again, at the least. At the most it is twice as long: of what is due at the same
/// time, when a window opens for hundreds, not all is looked at in the same minute.
const LEAD: SignedDuration = SignedDuration::from_mins(30);
/// The first wait before something that stands against it is looked at again, and the longest.
const AGAIN: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
/// The most of a problem's message that is said together with the time that is waited for, for which there has to be room in a condition.
const BESIDE: usize = 640;

/// What looks are about.
pub(crate) struct Ahead<'a> {
    pub(crate) object: &'a Object<'a>,
    /// A hash of what is asked for: another is looked at at once.
    pub(crate) asked: String,
}

impl Ahead<'_> {
    /// Looks, if it is time to; `due`: when it is to begin. Gives when to look again, and what was found against it in this look.
    pub(crate) fn check(
        &self,
        known: &mut Option<PreflightCheck>,
        due: Timestamp,
        look: impl FnOnce() -> Checked<()>,
    ) -> Known<(Duration, Option<Problem>)> {
        let mut found = None;
        if self.when(known.as_ref(), due) <= self.object.now() {
            found = match look() {
                Ok(()) => None,
                Err(Stop::Problem(problem)) => Some(problem),
                Err(Stop::Missing(Missing::Failed(error))) => match Failure::of(&error) {
                    Some(failure) => Some(Problem {
                        passes: !failure.needs_person,
                        ..Problem::blocked(failure.reason, failure.message)
                    }),
                    // The rate is spent: it is for what is under way.
                    None => {
                        let asked = error.retry_after.unwrap_or_default();
                        return Ok((asked.max(AGAIN.0.unsigned_abs()), None));
                    }
                },
                Err(Stop::Missing(read)) => return Err(read),
            };
            self.note(known, found.as_ref());
        }
        Ok((self.left(known.as_ref(), due), found))
    }

    /// How long it is until the next look.
    pub(crate) fn left(&self, known: Option<&PreflightCheck>, due: Timestamp) -> Duration {
        self.object.waits().left(self.when(known, due))
    }

    /// What is said while its windows hold it, together with what would stand against it besides; and when to look again.
    pub(crate) fn while_held(
        &self,
        known: &mut Option<PreflightCheck>,
        held: &Held,
        look: impl FnOnce() -> Checked<()>,
    ) -> Known<(Problem, Duration)> {
        let mut problem = held.problem();
        let Some(begins) = held.until else {
            // Nothing is due until that is mended.
            *known = None;
            return Ok((problem, look_again(None)));
        };
        let (again, seen) = self.check(known, begins, look)?;
        let left = self.object.waits().left(begins);
        let again = again.min(look_again(Some(left)));
        if let Some(seen) = seen.filter(|seen| seen.is_final) {
            return Ok((seen, again));
        }
        match (found(known.as_ref()), known.as_ref()) {
            (Some(found), _) if !found.passes => {
                let why = shorten(&found.message, BESIDE);
                let message = format!("{why}; {}", problem.message);
                problem = Problem {
                    // What keeps it from beginning now is the time: the deadline is for what does when that has come.
                    counts: false,
                    ..Problem::blocked(Reason::recorded(&found.reason), message)
                };
            }
            (None, Some(clear)) => {
                let said = format!("; nothing else stood against it at {}", clear.time.0);
                problem.message.push_str(&said);
            }
            _ => {}
        }
        Ok((problem, again))
    }

    /// When to look next.
    fn when(&self, known: Option<&PreflightCheck>, due: Timestamp) -> Timestamp {
        let Some(check) = known.filter(|check| check.hash == self.asked) else {
            return self.object.now();
        };
        let again = check.failing_since.as_ref().map(|since| {
            let stood = check.time.0.duration_since(since.0);
            check.time.0 + stood.clamp(AGAIN.0, AGAIN.1)
        });
        // What was begun, or looked at, since then was looked at as well.
        let before = Some(due - lead(&self.object.uid)).filter(|lead| check.time.0 < *lead);
        again.into_iter().chain(before).min().unwrap_or(due)
    }

    /// Takes note of what was found.
    pub(crate) fn note(&self, known: &mut Option<PreflightCheck>, problem: Option<&Problem>) {
        let time = Time(self.object.now());
        let before = known.take().filter(|before| before.hash == self.asked);
        let since = before.and_then(|before| before.failing_since);
        *known = Some(PreflightCheck {
            failing_since: problem.map(|_| since.unwrap_or_else(|| time.clone())),
            time,
            hash: self.asked.clone(),
            reason: problem.map_or_else(String::new, |problem| problem.reason.into()),
            message: problem.map_or_else(String::new, |problem| {
                shorten(&problem.message, MESSAGE_MAX)
            }),
            passes: problem.is_some_and(|problem| problem.passes),
        });
    }

    /// The same of what is looked at without being noted each time.
    pub(crate) fn note_news(&self, known: &mut Option<PreflightCheck>, problem: &Problem) {
        let is_known = found(known.as_ref()).is_some_and(|known| {
            known.hash == self.asked
                && known.reason == problem.reason
                && known.passes == problem.passes
        });
        if !is_known {
            self.note(known, Some(problem));
        }
    }
}

/// What stands against it, by the last look.
pub(crate) fn found(known: Option<&PreflightCheck>) -> Option<&PreflightCheck> {
    known.filter(|check| !check.reason.is_empty())
}

/// How long before it is due an object's start is looked at again: for each another, and always the same.
fn lead(uid: &str) -> SignedDuration {
    let hash = hash_text(uid);
    let start = hash.get(..8).unwrap_or_default();
    let number = i64::from_str_radix(start, 16).unwrap_or_default();
    LEAD + SignedDuration::from_secs(number % LEAD.as_secs())
}
