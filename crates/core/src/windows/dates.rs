//! Local dates on which no occurrence begins.

use jiff::civil::Date;

use crate::cron::Invalid;
use crate::task::reason::Reason;

/// Spans of dates, the first and the last of each included.
#[derive(Debug, Clone, Default)]
pub(super) struct Dates(Vec<(Date, Date)>);

impl Dates {
    /// Reads `2026-10-01` and `2026-10-01/2026-10-08`. `field`: the path of the list.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(super) fn parse(field: &str, spans: &[String]) -> Result<Self, Invalid> {
        let spans = spans.iter().enumerate().map(|(index, text)| {
            let invalid = |why: &str| Invalid {
                reason: Reason::InvalidSchedule,
                message: format!(
                    "{field}[{index}]: {text:?} {why}; write a date such as 2026-10-01, or the first and the last of several as 2026-10-01/2026-10-08"
                ),
            };
            let (first, last) = text.split_once('/').unwrap_or((text, text));
            let date = |text: &str| {
                // The crate takes a time of day after it, and other ways to write a date.
                let date = text.parse::<Date>().ok();
                date.filter(|date| date.to_string() == text)
                    .ok_or_else(|| invalid("has no date of the calendar"))
            };
            let (first, last) = (date(first)?, date(last)?);
            if last < first {
                return Err(invalid("ends before it begins"));
            }
            Ok((first, last))
        });
        Ok(Self(spans.collect::<Result<_, _>>()?))
    }

    /// The last date of a span that this one is in; `None`: it is in none.
    pub(super) fn until(&self, date: Date) -> Option<Date> {
        let mut spans = self.0.iter();
        let span = spans.find(|(first, last)| (*first..=*last).contains(&date));
        span.map(|(_, last)| *last)
    }
}
