//! The occurrences of one window, one after the other.
//!
//! A day on which no clocks change has its occurrences at the same distances from its midnight as any
//! other: they are worked out once for the window, and a day is one addition. On the days on which
//! clocks change each time is placed by itself.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::occurrences::{Block, blocks};
use super::window::{Recurring, Times, Window};
use crate::cron;

const DAY: i64 = 24 * 60 * 60;

/// Where in its occurrences a window is.
pub(super) struct Cursor<'a> {
    pub(super) window: &'a Window,
    /// When the latest occurrence that has begun ends. All of a window are equally long, so none of
    /// those before it ends later.
    latest_end: Option<i64>,
    ahead: Ahead<'a>,
}

/// What has not begun.
enum Ahead<'a> {
    Nothing,
    Once(Block),
    Days(Days<'a>),
}

impl<'a> Cursor<'a> {
    /// At this time or before, so that [`Self::go_to`] finds what is active at it.
    pub(super) fn new(window: &'a Window, at: i64, horizon: i64) -> Self {
        let ahead = match window.times() {
            Times::Once(block) => Ahead::Once(*block),
            Times::Recurring(recurring) => Ahead::Days(Days::new(recurring, at, horizon)),
        };
        Self {
            window,
            latest_end: None,
            ahead,
        }
    }

    /// When the next occurrence begins.
    pub(super) fn next_start(&self) -> Option<i64> {
        match &self.ahead {
            Ahead::Nothing => None,
            Ahead::Once(block) => Some(block.start),
            Ahead::Days(days) => days.next_start(),
        }
    }

    /// When the occurrence ends that is active; `None`: none is.
    pub(super) fn active_until(&self, at: i64) -> Option<i64> {
        self.latest_end.filter(|end| *end > at)
    }

    /// Goes forward to this time. Gives how much was looked at.
    pub(super) fn go_to(&mut self, at: i64) -> u64 {
        let mut work = 0;
        while self.next_start().is_some_and(|start| start <= at) {
            self.latest_end = match &mut self.ahead {
                Ahead::Nothing => None,
                Ahead::Once(block) => Some(block.end),
                Ahead::Days(days) => {
                    let end = days.pass(at);
                    work += days.looked_at();
                    end
                }
            };
            if let Ahead::Once(_) = self.ahead {
                self.ahead = Ahead::Nothing;
            }
        }
        work
    }
}

/// The days of a schedule, from one that it names to the next.
struct Days<'a> {
    recurring: &'a Recurring,
    clock: Clock<'a>,
    /// The day whose occurrences are `blocks`.
    date: Date,
    last: Date,
    /// What the blocks count from.
    base: i64,
    blocks: Cow<'a, [Block]>,
    /// The first block that has not begun.
    index: usize,
    looked_at: u64,
}

impl<'a> Days<'a> {
    fn new(recurring: &'a Recurring, at: i64, horizon: i64) -> Self {
        let zone = &recurring.zone;
        // What began as long ago as it lasts may be active. A day more, for clocks that go back.
        let begun = instant(at.saturating_sub(recurring.duration));
        let date = zone.to_datetime(begun).date();
        let mut days = Self {
            recurring,
            clock: Clock::at(zone, begun),
            date: date.saturating_sub(2.days()),
            last: zone.to_datetime(instant(horizon)).date(),
            base: 0,
            blocks: Cow::Borrowed(&[]),
            index: 0,
            looked_at: 0,
        };
        days.load();
        days
    }

    fn next_start(&self) -> Option<i64> {
        Some(self.base + self.blocks.get(self.index)?.start)
    }

    /// Passes the blocks of the day that have begun. Gives when the last of them ends.
    fn pass(&mut self, at: i64) -> Option<i64> {
        let ahead = self.blocks.get(self.index..)?;
        self.index += ahead.partition_point(|block| self.base + block.start <= at);
        self.looked_at += 1;
        let latest = self.blocks.get(self.index.checked_sub(1)?)?;
        let end = self.base + latest.end;
        if self.index == self.blocks.len() {
            self.load();
        }
        Some(end)
    }

    fn looked_at(&mut self) -> u64 {
        std::mem::take(&mut self.looked_at)
    }

    /// Goes to the next day with occurrences; none: there are no blocks.
    fn load(&mut self) {
        self.index = 0;
        loop {
            self.looked_at += 1;
            let next = self.recurring.cron.date_after(self.date, self.last);
            let Some(date) = next else {
                self.blocks = Cow::Borrowed(&[]);
                return;
            };
            self.date = date;
            if let Some(until) = self.recurring.except.until(date) {
                self.date = until;
                continue;
            }
            if let Some(base) = self.clock.midnight(date) {
                (self.base, self.blocks) = (base, Cow::Borrowed(&self.recurring.blocks[..]));
                return;
            }
            self.base = 0;
            self.blocks = Cow::Owned(placed(self.recurring, date));
            self.looked_at += 1 + self.recurring.minutes.len() as u64;
            if !self.blocks.is_empty() {
                return;
            }
        }
    }
}

/// The occurrences of a day on which clocks change.
fn placed(recurring: &Recurring, date: Date) -> Vec<Block> {
    let starts = recurring.minutes.iter().filter_map(|minute| {
        let (hour, minute) = (
            i8::try_from(minute / 60).ok()?,
            i8::try_from(minute % 60).ok()?,
        );
        let start = cron::placed(&recurring.zone, date.at(hour, minute, 0, 0))?;
        Some(start.as_second())
    });
    blocks(starts, recurring.duration)
}

/// What a zone's clocks are ahead of UTC by, between two changes.
struct Clock<'a> {
    zone: &'a TimeZone,
    offset: i64,
    /// The first wall-clock time, in seconds as if it were UTC, that belongs to this offset alone.
    first: i64,
    /// The second at which the offset changes.
    change: i64,
}

impl<'a> Clock<'a> {
    fn at(zone: &'a TimeZone, time: Timestamp) -> Self {
        let offset = offset(zone, time);
        let just_after = time.saturating_add(SignedDuration::from_secs(1));
        let before = zone.preceding(just_after.unwrap_or(time)).next();
        let first = before.map(|change| {
            let change = change.timestamp();
            let just_before = change.saturating_sub(SignedDuration::from_secs(1));
            let earlier = just_before.map_or(offset, |time| self::offset(zone, time));
            change.as_second() + offset.max(earlier)
        });
        let change = zone.following(time).next();
        Self {
            zone,
            offset,
            first: first.unwrap_or(i64::MIN),
            change: change.map_or(i64::MAX, |change| change.timestamp().as_second()),
        }
    }

    /// The midnight with which a day begins on which no clocks change: its times are at their distances
    /// from that. `None`: they do.
    fn midnight(&mut self, date: Date) -> Option<i64> {
        let shown = TimeZone::UTC.to_timestamp(date.into()).ok()?.as_second();
        if let Some(midnight) = self.same_all_day(shown) {
            return Some(midnight);
        }
        *self = Self::at(self.zone, instant(shown - self.offset));
        self.same_all_day(shown)
    }

    fn same_all_day(&self, shown: i64) -> Option<i64> {
        let midnight = shown - self.offset;
        (shown >= self.first && midnight.saturating_add(DAY) <= self.change).then_some(midnight)
    }
}

fn offset(zone: &TimeZone, time: Timestamp) -> i64 {
    i64::from(zone.to_offset(time).seconds())
}

/// The time of a second, or the nearest that there is.
fn instant(second: i64) -> Timestamp {
    let bounded = second.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(bounded).unwrap_or(Timestamp::UNIX_EPOCH)
}
