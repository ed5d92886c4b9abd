//! Cron expressions as OOS takes them: with seconds first and `?`, days of the week from 1 for
//! Sunday, and `L`, `W` and `#`, which is Quartz's dialect. Crates that read cron know the other one.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// How far ahead a next time is looked for, in days: eight years hold every 29 February.
const MAX_DAYS: usize = 8 * 366;

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One way to choose a day that depends on its month.
#[derive(Debug, Clone, PartialEq)]
enum Special {
    /// `L`: the last day of the month; `L-3`: three days before.
    Last(i64),
    /// `LW`: the last working day.
    LastWorking,
    /// `15W`: the working day nearest to the 15th.
    Nearest(i8),
    /// `L` among weekdays: this day of each week.
    Day(u32),
    /// `6L`: the last Friday.
    LastOf(u32),
    /// `6#3`: the third Friday.
    Nth(u32, u32),
}

/// A cron expression that has been read.
#[derive(Debug, Clone)]
pub(super) struct Cron {
    seconds: BTreeSet<u32>,
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: Days,
    months: BTreeSet<u32>,
    weekdays: Days,
    years: Option<BTreeSet<u32>>,
}

#[derive(Debug, Clone)]
struct Days {
    /// `*` or `?`: says nothing.
    any: bool,
    set: BTreeSet<u32>,
    special: Vec<Special>,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let wrong = |what: &str| format!("the cron expression {text:?} {what}");
        let (fields, years) = match fields.as_slice() {
            [fields @ .., years] if fields.len() == 6 => (fields, Some(*years)),
            fields if fields.len() == 6 => (fields, None),
            _ => {
                return Err(wrong(
                    "must have the six fields second, minute, hour, day, month and weekday",
                ));
            }
        };
        let set = |i: usize, low: u32, high: u32, names: &[&str]| {
            numbers(fields[i], low, high, names).map_err(|e| wrong(&e))
        };
        let days = read_days(fields[3], (1, 31, &[]), of_month).map_err(|e| wrong(&e))?;
        let weekdays = read_days(fields[5], (1, 7, DAYS), of_week).map_err(|e| wrong(&e))?;
        if !days.any && !weekdays.any {
            return Err(wrong("names both days and weekdays; one of them must be ?"));
        }
        Ok(Self {
            seconds: set(0, 0, 59, &[])?,
            minutes: set(1, 0, 59, &[])?,
            hours: set(2, 0, 23, &[])?,
            days,
            months: set(4, 1, 12, MONTHS)?,
            weekdays,
            years: match years {
                None | Some("*") => None,
                Some(years) => Some(numbers(years, 1970, 2099, &[]).map_err(|e| wrong(&e))?),
            },
        })
    }

    /// The next time after a moment, in a time zone. `None` if there is none for years.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = after.to_zoned(zone.clone()).date();
        for _ in 0..MAX_DAYS {
            if self.takes(date) {
                for hour in &self.hours {
                    // A whole hour that has passed is not gone through.
                    let end = at(date, *hour, 59, 59, zone)?;
                    if end <= after {
                        continue;
                    }
                    for minute in &self.minutes {
                        // Nor is a minute: whoever fires each second asks each second.
                        if at(date, *hour, *minute, 59, zone)? <= after {
                            continue;
                        }
                        for second in &self.seconds {
                            let time = at(date, *hour, *minute, *second, zone)?;
                            if time > after {
                                return Some(time);
                            }
                        }
                    }
                }
            }
            date = date.checked_add(Span::new().days(1)).ok()?;
        }
        None
    }

    fn takes(&self, date: Date) -> bool {
        let year = u32::try_from(date.year()).unwrap_or_default();
        let month = u32::from(date.month().unsigned_abs());
        self.months.contains(&month)
            && self
                .years
                .as_ref()
                .is_none_or(|years| years.contains(&year))
            && self.days.takes(date, u32::from(date.day().unsigned_abs()))
            && self.weekdays.takes(date, weekday(date))
    }
}

fn weekday(date: Date) -> u32 {
    u32::from(date.weekday().to_sunday_one_offset().unsigned_abs())
}

fn at(date: Date, hour: u32, minute: u32, second: u32, zone: &TimeZone) -> Option<Timestamp> {
    let part = |n: u32| i8::try_from(n).ok();
    let time = Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()?;
    let zoned = zone
        .to_ambiguous_zoned(date.to_datetime(time))
        .compatible()
        .ok()?;
    Some(zoned.timestamp())
}

impl Days {
    fn takes(&self, date: Date, number: u32) -> bool {
        self.any
            || self.set.contains(&number)
            || self.special.iter().any(|special| special.takes(date))
    }
}

impl Special {
    fn takes(&self, date: Date) -> bool {
        let last = date.last_of_month();
        let works = |date: Date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        match self {
            Self::Last(before) => i64::from(date.day()) == i64::from(last.day()) - before,
            Self::LastWorking => {
                let step = |back: i64| last.checked_sub(Span::new().days(back)).ok();
                (0..3).filter_map(step).find(|day| works(*day)) == Some(date)
            }
            Self::Nearest(day) => {
                let Ok(wanted) = Date::new(date.year(), date.month(), *day) else {
                    return false;
                };
                // Never in another month.
                [0, -1, 1, 2, -2]
                    .into_iter()
                    .filter_map(|by: i64| wanted.checked_add(Span::new().days(by)).ok())
                    .find(|day| day.month() == wanted.month() && works(*day))
                    == Some(date)
            }
            Self::Day(day) => weekday(date) == *day,
            Self::LastOf(day) => weekday(date) == *day && date.day() + 7 > last.day(),
            Self::Nth(day, nth) => {
                weekday(date) == *day && (u32::from(date.day().unsigned_abs()) - 1) / 7 + 1 == *nth
            }
        }
    }
}

/// Reads a field of days. `special` takes a part of it that is more than numbers.
fn read_days(
    field: &str,
    (low, high, names): (u32, u32, &[&str]),
    special: impl Fn(&str) -> Option<Special>,
) -> Result<Days, String> {
    let mut out = Days {
        any: matches!(field, "*" | "?"),
        set: BTreeSet::new(),
        special: Vec::new(),
    };
    if out.any {
        return Ok(out);
    }
    for part in field.split(',') {
        match special(&part.to_ascii_uppercase()) {
            Some(special) => out.special.push(special),
            None => out.set.extend(numbers(part, low, high, names)?),
        }
    }
    Ok(out)
}

fn of_month(part: &str) -> Option<Special> {
    let number = |text: &str| text.parse::<i8>().ok().filter(|n| (1..=31).contains(n));
    match part {
        "L" => Some(Special::Last(0)),
        "LW" => Some(Special::LastWorking),
        other => match (other.strip_prefix("L-"), other.strip_suffix('W')) {
            (Some(before), _) => number(before).map(|n| Special::Last(i64::from(n))),
            (_, Some(day)) => number(day).map(Special::Nearest),
            _ => None,
        },
    }
}

fn of_week(part: &str) -> Option<Special> {
    if let Some((day, nth)) = part.split_once('#') {
        let nth = nth.parse().ok().filter(|n| (1..=5).contains(n));
        return one(day, 1, 7, DAYS)
            .zip(nth)
            .map(|(day, nth)| Special::Nth(day, nth));
    }
    match part.strip_suffix('L')? {
        // The last day of the week is Saturday.
        "" => Some(Special::Day(7)),
        day => one(day, 1, 7, DAYS).map(Special::LastOf),
    }
}

fn one(text: &str, low: u32, high: u32, names: &[&str]) -> Option<u32> {
    let named = names
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name));
    match named {
        Some(i) => u32::try_from(i).ok().map(|i| i + low),
        None => text.parse().ok().filter(|n| (low..=high).contains(n)),
    }
}

/// A field of numbers: `*`, `5`, `1-5`, `22-2`, `*/15`, `3/10`, `MON-FRI`, and lists of them.
fn numbers(field: &str, low: u32, high: u32, names: &[&str]) -> Result<BTreeSet<u32>, String> {
    let mut out = BTreeSet::new();
    for part in field.split(',') {
        let wrong = || format!("has {part:?}, which is no number from {low} to {high}");
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: u32 = step.parse().map_err(|_| wrong())?;
                (
                    range,
                    Some(step).filter(|step| *step > 0).ok_or_else(wrong)?,
                )
            }
            None => (part, 1),
        };
        let (from, to) = match range {
            "*" | "?" => (low, high),
            range => match range.split_once('-') {
                Some((from, to)) => (
                    one(from, low, high, names).ok_or_else(wrong)?,
                    one(to, low, high, names).ok_or_else(wrong)?,
                ),
                None => {
                    let from = one(range, low, high, names).ok_or_else(wrong)?;
                    (from, if part.contains('/') { high } else { from })
                }
            },
        };
        if from <= to {
            out.extend((from..=to).step_by(step as usize));
        } else {
            // Over the end and on from the beginning.
            let all = (from..=high).chain(low..=to);
            out.extend(all.step_by(step as usize));
        }
    }
    Ok(out)
}
