//! When runs are due: cron in a time zone, or one time.

use ess_rollout_api::v1alpha1::Schedule as Spec;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cron::{self, Cron, whole_seconds};

pub use crate::cron::Invalid;

/// How many times that were due are counted one by one. Of more it is only known that there are
/// more.
pub const COUNTED_MAX: u32 = 1000;

/// When runs are due.
#[derive(Debug, Clone)]
pub struct Schedule {
    times: Times,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Times {
    Once(Timestamp),
    Cron(Box<Cron>, TimeZone),
}

/// The times of a span that were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// How many; no more than [`COUNTED_MAX`] are counted.
    pub count: u32,
    /// The newest.
    pub newest: Option<Timestamp>,
    /// The first one after the span.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// Reads a schedule. `None`: it names neither a time nor a cron expression.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(spec: &Spec) -> Result<Option<Self>, Invalid> {
        let times = match (&spec.at, &spec.cron) {
            (Some(at), _) => Times::Once(whole_seconds(at)),
            (None, Some(text)) => {
                let zone = match spec.time_zone.as_deref() {
                    Some(name) => cron::zone("spec.schedule.timeZone", name)?,
                    None => TimeZone::UTC,
                };
                Times::Cron(Box::new(Cron::parse("spec.schedule.cron", text)?), zone)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Self {
            times,
            not_before: spec.not_before.as_ref().map(|time| time.0),
            not_after: spec.not_after.as_ref().map(|time| time.0),
        }))
    }

    /// The first time after this one that is due. `None`: there is none in the next four years, or
    /// they are beyond the year 9990.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        // notBefore and notAfter themselves may be due.
        let from = self.not_before.map_or(time, |first| {
            let before = first.saturating_sub(SignedDuration::from_nanos(1));
            time.max(before.unwrap_or(first))
        });
        let next = match &self.times {
            Times::Once(at) => Some(*at).filter(|at| *at > from),
            Times::Cron(cron, zone) => cron.next_after(zone, from),
        };
        next.filter(|next| self.not_after.is_none_or(|last| *next <= last))
    }

    /// Whether the cron expression itself has no time in the four years after this one: there is no
    /// 30 February.
    pub fn is_never_due(&self, time: Timestamp) -> bool {
        match &self.times {
            Times::Once(_) => false,
            Times::Cron(cron, zone) => cron.next_after(zone, time).is_none(),
        }
    }

    /// The times after this one that are due.
    fn times_after(&self, time: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(time), |time| self.next_after(*time))
    }

    /// What was due after `after`, up to and including `until`.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> Due {
        let mut due = Due {
            next: self.next_after(after),
            ..Due::default()
        };
        while let Some(next) = due.next.filter(|next| *next <= until) {
            due.count += 1;
            due.newest = Some(next);
            if due.count == COUNTED_MAX {
                due.newest = Some(self.newest(next, until));
                due.next = self.next_after(until);
                break;
            }
            due.next = self.next_after(next);
        }
        due
    }

    /// The newest time that is due in a span with very many: looked for from its end.
    fn newest(&self, known: Timestamp, until: Timestamp) -> Timestamp {
        const HOURS: [i64; 3] = [1, 24, 32 * 24];
        let until = self.not_after.map_or(until, |last| last.min(until));
        let start = |hours| until.saturating_sub(SignedDuration::from_hours(hours));
        let starts = HOURS.map(|hours| start(hours).unwrap_or(known).max(known));
        let newest = |start| {
            let times = self.times_after(start);
            times.take_while(|time| *time <= until).last()
        };
        let mut newest = starts.into_iter().chain([known]).filter_map(newest);
        newest.next().unwrap_or(known)
    }
}
