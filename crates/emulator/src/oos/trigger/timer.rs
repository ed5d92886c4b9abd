//! When an `ACS::TimerTrigger` is due.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::cron::Cron;

/// The properties of `ACS::TimerTrigger` (OOS help on it).
#[derive(Debug, Clone)]
pub(super) struct Timer {
    when: When,
    zone: TimeZone,
    /// When the schedule ends.
    pub(super) end: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum When {
    At(Timestamp),
    Rate(SignedDuration),
    Cron(Box<Cron>),
}

impl Timer {
    pub(super) fn read(properties: &Value) -> Result<Self, String> {
        let text = |name: &str| match properties.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(_) => Err(format!("{name} must be a text")),
        };
        let kind = text("Type")?.ok_or("Type is missing: cron, rate or at")?;
        let expression = text("Expression")?.ok_or("Expression is missing")?;
        let zone = match text("TimeZone")? {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("TimeZone {name:?} is none; it must be a name such as Asia/Shanghai")
            })?,
        };
        let when = match kind.to_ascii_lowercase().as_str() {
            "at" => When::At(moment(expression, &zone).ok_or_else(|| {
                format!("Expression {expression:?} must be a time such as 2030-01-31T02:00:00Z")
            })?),
            "rate" => When::Rate(rate(expression)?),
            "cron" => When::Cron(Box::new(Cron::parse(expression)?)),
            _ => return Err(format!("Type {kind:?} must be cron, rate or at")),
        };
        let end = match text("EndDate")? {
            None if kind.eq_ignore_ascii_case("at") => None,
            None => return Err("EndDate is missing".to_owned()),
            Some(end) => Some(moment(end, &TimeZone::UTC).ok_or_else(|| {
                format!("EndDate {end:?} must be a UTC date or time such as 2030-01-31T02:00:00Z")
            })?),
        };
        Ok(Self { when, zone, end })
    }

    /// The next time after `after` and before the end. `start` is when the schedule began.
    pub(super) fn next(&self, start: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let next = match &self.when {
            When::At(time) => Some(*time).filter(|time| *time > after),
            When::Rate(every) => {
                let seconds = every.as_secs();
                let passed = after.duration_since(start).as_secs();
                let ahead = (passed / seconds + 1).checked_mul(seconds)?;
                start.checked_add(SignedDuration::from_secs(ahead)).ok()
            }
            When::Cron(cron) => cron.next(after, &self.zone),
        };
        next.filter(|next| self.end.is_none_or(|end| *next < end))
    }
}

/// A time, or a date for its beginning. Without an offset it is in the zone.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.to_ascii_uppercase();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // Minute precision, as the console writes it.
    if let Some(minutes) = text.strip_suffix('Z').filter(|text| text.len() == 16) {
        return format!("{minutes}:00Z").parse().ok();
    }
    let time: DateTime = text.parse().ok()?;
    zone.to_ambiguous_zoned(time)
        .compatible()
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// `30 minutes`, `1 hour`, `2 days`.
fn rate(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("Expression {text:?} must be a rate such as 30 minutes");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let seconds = match unit.trim_end_matches('s') {
        "second" | "sec" => 1,
        "minute" | "min" | "m" => 60,
        "hour" | "h" => 3600,
        "day" | "d" => 86_400,
        "week" | "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(seconds)
        .filter(|seconds| (1..=366 * 86_400).contains(seconds))
        .map(SignedDuration::from_secs)
        .ok_or_else(wrong)
}
