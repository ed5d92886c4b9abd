//! Cron expressions in time zones: what the schedules of image updates and maintenance windows are made of.
//!
//! The crate that reads cron expressions is asked once which minutes, hours, months and days one names;
//! going from one time to the next is done here, on what a wall clock shows, and so is placing that in
//! time. So the days on which clocks change are what the CRDs say, a time in the gap is when the gap
//! ends, one that comes twice is the first of the two; and a search is short, whatever it looks for. Time
//! zones come from the database that is built in: a decision reads no files, and the container has none.

use std::sync::{LazyLock, OnceLock};

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::task::reason::Reason;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The last year in which an expression has times: a search goes on for four years, and there is no
/// year 10000.
const YEAR_MAX: i16 = 9990;

/// How far ahead a search goes. There is a 29 February in it, except around the year 2100.
pub(crate) const YEARS_AHEAD: i32 = 4;

/// What a person wrote and nobody can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// One CamelCase word.
    pub reason: Reason,
    /// The field, what is wrong with it, and the cure.
    pub message: String,
}

/// A cron expression: five fields, or a word such as `@daily`.
#[derive(Debug, Clone)]
pub(crate) struct Cron {
    /// Bit n: minute n of an hour.
    minutes: u64,
    /// Bit n: hour n of a day.
    hours: u32,
    /// Bit n: month n of a year.
    months: u16,
    days: Days,
}

/// Which days of a month the expression names. That depends on how long the month is and on the weekday
/// that it begins with: of 28 kinds of months, those that were looked at.
#[derive(Debug, Clone)]
struct Days {
    /// The fields for days, in every month.
    fields: Box<Crontab>,
    /// Bit n: day n of the month.
    known: [OnceLock<u32>; 28],
}

impl Cron {
    /// Reads an expression. `field`: the path of the field that it stands in.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let invalid = |why: &str| Invalid {
            reason: Reason::InvalidSchedule,
            message: format!(
                "{field}: {text:?} {why}; write minute, hour, day of month, month and day of week, for instance \"0 2 * * 1-5\""
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
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(invalid(&format!("has {} fields and not 5", fields.len())));
        };
        let read = |fields: [&str; 5]| {
            crontab(&fields.join(" "))
                .map_err(|why| invalid(&format!("is no cron expression ({why})")))
        };
        // First as a whole, since what is wrong with it is said with a look at all of it.
        read([minute, hour, day, month, weekday])?;
        let minutes = read([minute, "*", "*", "*", "*"])?;
        let hours = read(["*", hour, "*", "*", "*"])?;
        let months = read(["*", "*", "*", month, "*"])?;
        let days = read(["*", "*", day, "*", weekday])?;
        let any = Date::constant(2000, 1, 1);
        let in_month = |month: i8| Date::new(2000, month, 1).ok();
        Ok(Self {
            minutes: (0..60)
                .filter(|minute| names(&minutes, any.at(0, *minute, 0, 0)))
                .fold(0, |bits, minute| bits | 1 << minute),
            hours: (0..24)
                .filter(|hour| names(&hours, any.at(*hour, 0, 0, 0)))
                .fold(0, |bits, hour| bits | 1 << hour),
            months: (1..=12)
                .filter(|month| in_month(*month).is_some_and(|date| names(&months, date.into())))
                .fold(0, |bits, month| bits | 1 << month),
            days: Days {
                fields: Box::new(days),
                known: [const { OnceLock::new() }; 28],
            },
        })
    }

    /// The minutes of each day that it names, in order, from 0 to 1439.
    pub(crate) fn minutes_of_day(&self) -> impl Iterator<Item = u16> {
        (0..24 * 60).filter(|minute| {
            self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1
        })
    }

    /// The first date after this one that it names, up to and including `last`.
    pub(crate) fn date_after(&self, date: Date, last: Date) -> Option<Date> {
        let (mut month, mut day) = (date.first_of_month(), date.day());
        while month <= last {
            let later = self.days_of(month) & (u64::MAX << (day + 1));
            if later != 0 {
                let day = i8::try_from(later.trailing_zeros()).ok()?;
                let found = Date::new(month.year(), month.month(), day).ok()?;
                return (found <= last).then_some(found);
            }
            (month, day) = (month.checked_add(1.month()).ok()?, 0);
        }
        None
    }

    /// The days of a month that it names, bit n for day n.
    fn days_of(&self, first: Date) -> u64 {
        if self.months >> first.month() & 1 == 0 {
            return 0;
        }
        u64::from(self.days.of(first.days_in_month(), first.weekday()))
    }

    /// What a wall clock shows the next time that it shows what the expression says, within four years.
    fn next(&self, after: DateTime) -> Option<DateTime> {
        let end = after.checked_add(YEARS_AHEAD.years()).ok()?;
        let from = after.with().second(0).subsec_nanosecond(0).build().ok()?;
        let from = from.checked_add(1.minute()).ok()?;
        let today = from.date();
        let before = today.yesterday().ok()?;
        let mut date = self.date_after(before, end.date())?;
        let now = i32::from(from.hour()) * 60 + i32::from(from.minute());
        let mut minute = self.minute_from(if date == today { now } else { 0 });
        if minute.is_none() {
            date = self.date_after(date, end.date())?;
            minute = self.minute_from(0);
        }
        let minute = minute?;
        let hour = i8::try_from(minute / 60).ok()?;
        let next = date.at(hour, i8::try_from(minute % 60).ok()?, 0, 0);
        (next <= end).then_some(next)
    }

    /// The first minute of a day that it names, from this one on.
    fn minute_from(&self, first: i32) -> Option<i32> {
        let hours = (first / 60)..24;
        hours
            .filter(|hour| self.hours >> hour & 1 == 1)
            .find_map(|hour| {
                let from = (first - hour * 60).max(0);
                let later = self.minutes & (u64::MAX << from);
                let minute = i32::try_from(later.trailing_zeros()).ok()?;
                (later != 0).then_some(hour * 60 + minute)
            })
    }

    /// The first time after `from` at which the wall clock of the zone shows what the expression says.
    pub(crate) fn next_after(&self, zone: &TimeZone, from: Timestamp) -> Option<Timestamp> {
        let mut shown = zone.to_datetime(from);
        loop {
            if shown.year() > YEAR_MAX {
                return None;
            }
            shown = self.next(shown)?;
            let at = placed(zone, shown)?;
            // After clocks went back the same times are shown again, and were due before. Each round is
            // one of them, so the loop is no longer than what clocks go back by.
            if at > from {
                return Some(at);
            }
        }
    }
}

impl Days {
    /// Those of a month of this length that begins with this weekday.
    fn of(&self, length: i8, first: Weekday) -> u32 {
        let kind = (length - 28) * 7 + first.to_monday_zero_offset();
        let look = || {
            // Any month of this kind will do, but for December: the crate finds no last day in one.
            let month = match length {
                31 => 1,
                30 => 4,
                _ => 2,
            };
            let mut months = (2000..2028).filter_map(|year| Date::new(year, month, 1).ok());
            let alike =
                months.find(|date| date.days_in_month() == length && date.weekday() == first);
            let days = alike.into_iter().flat_map(|date| date.series(1.day()));
            days.take(usize::try_from(length).unwrap_or(0))
                .filter(|date| names(&self.fields, (*date).into()))
                .fold(0, |bits, date| bits | 1 << date.day())
        };
        let known = usize::try_from(kind)
            .ok()
            .and_then(|kind| self.known.get(kind));
        known.map_or(0, |known| *known.get_or_init(look))
    }
}

fn crontab(text: &str) -> Result<Crontab, String> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(text, options).map_err(|error| {
        let why = error.to_string();
        why.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// Whether an expression names what a wall clock shows.
fn names(fields: &Crontab, shown: DateTime) -> bool {
    // As if it were UTC: a clock that never changes.
    let plain = TimeZone::UTC.to_timestamp(shown);
    plain.is_ok_and(|plain| fields.matches(plain).unwrap_or(false))
}

/// The time zone of a name. `field`: the path of the field that it stands in.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn zone(field: &str, name: &str) -> Result<TimeZone, Invalid> {
    ZONES.get(name).map_err(|_| Invalid {
        reason: Reason::InvalidTimeZone,
        message: format!(
            "{field}: {name:?} is no time zone of the IANA database; use a name such as Asia/Shanghai or UTC"
        ),
    })
}

/// When a wall clock shows this.
pub(crate) fn placed(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(shown);
    if !matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return ambiguous.earlier().ok();
    }
    // In the gap: both offsets give times beside it, the earlier one before the change.
    let before = ambiguous.earlier().ok()?;
    zone.following(before).next().map(|gap| gap.timestamp())
}

/// A time of a manifest as a status can hold it. A manifest may have a fraction of a second, and a status
/// loses it: the time on record would be before the one asked for, which would be due for ever.
pub(crate) fn whole_seconds(time: &Time) -> Timestamp {
    let second = time.0.as_second() - i64::from(time.0.subsec_nanosecond() < 0);
    Timestamp::from_second(second).unwrap_or(time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(expression: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse("schedule", expression).unwrap();
        let first: Date = from.parse().unwrap();
        let last = Date::constant(2099, 12, 31);
        let dates = std::iter::successors(cron.date_after(first, last), |date| {
            cron.date_after(*date, last)
        });
        dates.take(count).map(|date| date.to_string()).collect()
    }

    #[test]
    fn the_last_day_of_the_year_is_the_last_of_its_month() {
        assert_eq!(
            dates("0 0 L * *", "2026-11-01", 3),
            ["2026-11-30", "2026-12-31", "2027-01-31"]
        );
        assert_eq!(
            dates("0 0 * * 5L", "2026-11-01", 3),
            ["2026-11-27", "2026-12-25", "2027-01-29"]
        );
    }

    #[test]
    fn both_fields_for_days_are_read_as_cron_reads_them() {
        // One or the other, where neither is a star.
        assert_eq!(
            dates("0 0 13 * 5", "2026-11-01", 4),
            ["2026-11-06", "2026-11-13", "2026-11-20", "2026-11-27"]
        );
        // Both, where one begins with a star.
        assert_eq!(dates("0 0 29 2 */7", "2026-11-01", 1), ["2032-02-29"]);
        assert_eq!(dates("0 0 30 2 *", "2026-11-01", 1), [] as [&str; 0]);
    }
}
