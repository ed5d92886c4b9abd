//! When runs are due: cron in a time zone, or one time.
//!
//! The crate that reads cron expressions is asked about wall-clock times alone, and what a wall clock
//! shows is placed in time here. So the days on which clocks change are what the CRD says whatever that
//! crate holds of them: a time in the gap is due when the gap ends, one that comes twice is due the
//! first time. Time zones come from the database that is built in: a decision reads no files, and the
//! container has none.

use std::sync::LazyLock;

use crate::task::reason::Reason;
use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use ess_rollout_api::v1alpha1::Schedule as Spec;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, civil};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How many times that were due are counted one by one. Of more it is only known that there are
/// more.
pub const COUNTED_MAX: u32 = 1000;

/// The last year in which a cron expression has times. The crate that reads them adds four years to
/// where it begins, and panics past the year 9999.
const YEAR_MAX: i16 = 9990;

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
    Cron(Box<Crontab>, TimeZone),
}

/// A schedule that says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// One CamelCase word.
    pub reason: Reason,
    /// The field, what is wrong with it, and the cure.
    pub message: String,
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
            (None, Some(cron)) => {
                let zone = zone(spec.time_zone.as_deref())?;
                Times::Cron(Box::new(crontab(cron)?), zone)
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
            Times::Cron(cron, zone) => next_of(cron, zone, from),
        };
        next.filter(|next| self.not_after.is_none_or(|last| *next <= last))
    }

    /// Whether the cron expression itself has no time in the four years after this one: there is no
    /// 30 February.
    pub fn is_never_due(&self, time: Timestamp) -> bool {
        match &self.times {
            Times::Once(_) => false,
            Times::Cron(cron, zone) => next_of(cron, zone, time).is_none(),
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

/// `schedule.at` as a status can hold it. A manifest may have a fraction of a second, and a status
/// loses it: the time on record would be before the one asked for, which would be due for ever.
pub(super) fn whole_seconds(time: &Time) -> Timestamp {
    let second = time.0.as_second() - i64::from(time.0.subsec_nanosecond() < 0);
    Timestamp::from_second(second).unwrap_or(time.0)
}

fn zone(name: Option<&str>) -> Result<TimeZone, Invalid> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    ZONES.get(name).map_err(|_| Invalid {
        reason: Reason::InvalidTimeZone,
        message: format!(
            "spec.schedule.timeZone: {name:?} is no time zone of the IANA database; use a name such as Asia/Shanghai or UTC"
        ),
    })
}

fn crontab(text: &str) -> Result<Crontab, Invalid> {
    let invalid = |why: &str| Invalid {
        reason: Reason::InvalidSchedule,
        message: format!(
            "spec.schedule.cron: {text:?} {why}; write minute, hour, day of month, month and day of week, for instance \"0 2 * * 1-5\""
        ),
    };
    let plain = match text.trim().to_ascii_lowercase().as_str() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other if other.starts_with('@') => {
            return Err(invalid(
                "is none of @hourly, @daily, @weekly, @monthly, @yearly",
            ));
        }
        _ => text.trim(),
    };
    // CronJob has the two mean the same.
    let same = |field| if field == "?" { "*" } else { field };
    let fields: Vec<&str> = plain.split_whitespace().map(same).collect();
    if fields.len() != 5 {
        return Err(invalid(&format!("has {} fields and not 5", fields.len())));
    }
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(&fields.join(" "), options).map_err(|error| {
        let why = error.to_string();
        let why: Vec<&str> = why.split_whitespace().collect();
        invalid(&format!("is no cron expression ({})", why.join(" ")))
    })
}

/// The first time after `from` at which the wall clock of the zone shows what the expression says.
fn next_of(cron: &Crontab, zone: &TimeZone, from: Timestamp) -> Option<Timestamp> {
    let mut shown = zone.to_datetime(from);
    loop {
        if shown.year() > YEAR_MAX {
            return None;
        }
        // As if it were UTC: a clock that never changes.
        let plain = TimeZone::UTC.to_timestamp(shown).ok()?;
        let next = cron.find_next(plain).ok()?;
        shown = next.datetime();
        let at = placed(zone, shown)?;
        // After clocks went back the same times are shown again, and were due before. Each round is
        // one of them, so the loop is no longer than what clocks go back by.
        if at > from {
            return Some(at);
        }
    }
}

/// When a wall clock shows this.
fn placed(zone: &TimeZone, shown: civil::DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(shown);
    if !matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
        return ambiguous.earlier().ok();
    }
    // In the gap: both offsets give times beside it, the earlier one before the change.
    let before = ambiguous.earlier().ok()?;
    zone.following(before).next().map(|gap| gap.timestamp())
}
