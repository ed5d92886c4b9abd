//! Functions over times.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use super::arguments::{as_list, as_number, as_text, number, positional};

pub(super) fn apply(name: &str, argument: &Value, now: Timestamp) -> Result<Value, String> {
    match name {
        // [format, hours] from now, or [time, hours, format].
        "AddHour" => {
            let list = as_list(argument)?;
            let (from, hours, format) = match list.as_slice() {
                [format, hours] => (now, hours, as_text(format)?),
                [from, hours, format] => (parse(&as_text(from)?)?, hours, as_text(format)?),
                _ => return Err("takes [format, hours] or [time, hours, format]".to_owned()),
            };
            let hours = as_number(hours)?;
            let limit = 24.0 * 366.0 * 100.0;
            if hours.abs() > limit {
                return Err(format!("{hours} hours are out of range"));
            }
            let seconds = (hours * 3600.0) as i64;
            let time = from
                .checked_add(Span::new().seconds(seconds))
                .map_err(|e| e.to_string())?;
            print(time, &format)
        }
        "FormatUTCTime" => {
            let [time, format] = positional(argument)?;
            print(parse(&as_text(time)?)?, &as_text(format)?)
        }
        "DurationBetween" => {
            let [from, to] = positional(argument)?;
            let seconds = parse(&as_text(to)?)?.as_second() - parse(&as_text(from)?)?.as_second();
            Ok(number(seconds as f64))
        }
        _ => Err("is not supported by this emulator".to_owned()),
    }
}

fn parse(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        // Minute precision, as ESS writes it.
        17 if text.ends_with('Z') => format!("{}:00Z", &text[..16]),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    };
    full.parse().map_err(|_| format!("{text:?} is no time"))
}

/// Writes a time in a `%Y-%m-%d`-like format.
fn print(time: Timestamp, format: &str) -> Result<Value, String> {
    const MAX: usize = 256;
    if format.len() > MAX {
        return Err(format!("the format is longer than {MAX} bytes"));
    }
    jiff::fmt::strtime::format(format, &time.to_zoned(TimeZone::UTC))
        .map(|text| json!(text))
        .map_err(|e| format!("the format {format:?} is invalid: {e}"))
}
