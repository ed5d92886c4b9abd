//! What windows say, found out the slow way: what the wall clock of each zone shows in each minute of a
//! year, and which of these minutes a window begins at. Nothing here asks a library what time it is
//! anywhere, or what a cron expression means.

use std::ops::Range;

/// Minutes since 1970.
pub type Minute = i64;

/// The first minute that is looked at: 2026-12-20T00:00Z, so that what began a week before the year is
/// seen.
pub const FIRST: Minute = 29_962_080;
/// 2027-01-01T00:00Z.
pub const YEAR_BEGINS: Minute = FIRST + 12 * 1440;
/// 2028-01-01T00:00Z.
pub const YEAR_ENDS: Minute = YEAR_BEGINS + 365 * 1440;
/// How many minutes are looked at.
const MINUTES: usize = 377 * 1440;

/// A zone of the oracle: its name, its offset in minutes when the time that is looked at begins, and the
/// changes of 2027, by the rules of each: the minute of the year (UTC) and the offset from then on.
struct Rules {
    name: &'static str,
    offset: i64,
    changes: [(Minute, i64); 2],
}

/// A minute of 2027, by the day of the year from 0.
const fn on(day: i64, hour: i64, minute: i64) -> Minute {
    YEAR_BEGINS + day * 1440 + hour * 60 + minute
}

const RULES: [Rules; 3] = [
    // From the second Sunday of March, 14 March, 02:00 EST, to the first of November, the 7th, 02:00 EDT.
    Rules {
        name: "America/New_York",
        offset: -300,
        changes: [(on(72, 7, 0), -240), (on(310, 6, 0), -300)],
    },
    // From the last Sunday of March, the 28th, to that of October, the 31st, both at 01:00 UTC.
    Rules {
        name: "Europe/Berlin",
        offset: 60,
        changes: [(on(86, 1, 0), 120), (on(303, 1, 0), 60)],
    },
    // Half an hour, in the south: to the first Sunday of April, the 4th, 02:00, and from that of October,
    // the 3rd, 02:00.
    Rules {
        name: "Australia/Lord_Howe",
        offset: 660,
        changes: [(on(92, 15, 0), 630), (on(274, 15, 30), 660)],
    },
];

/// A local date.
#[derive(Clone, Copy)]
pub struct Day {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    /// 0 is Sunday.
    pub weekday: u32,
}

/// What the wall clock of a zone shows, minute by minute.
pub struct Zone {
    pub name: &'static str,
    /// The local dates, the first of which is 2026-12-19.
    pub days: Vec<Day>,
    /// For each local date the minutes that show it, counted from [`FIRST`].
    minutes: Vec<Range<usize>>,
    /// For each minute the time of day that it shows, in minutes; `None`: it has been shown before.
    shown: Vec<Option<u32>>,
    /// Times of day that no minute shows, with the index of their date and the minute that comes
    /// instead.
    skipped: Vec<(usize, u32, usize)>,
}

pub fn zones() -> Vec<Zone> {
    RULES.iter().map(Zone::new).collect()
}

impl Zone {
    fn new(rules: &Rules) -> Self {
        let days = days();
        // Local minutes are counted from the beginning of the first of the dates.
        let origin = FIRST - 1440;
        let mut minutes = vec![0..0; days.len()];
        let mut shown = Vec::new();
        let mut skipped = Vec::new();
        let mut latest = None;
        for index in 0..MINUTES {
            let now = FIRST + index as i64;
            let offset = rules
                .changes
                .iter()
                .rev()
                .find(|(change, _)| now >= *change);
            let offset = offset.map_or(rules.offset, |(_, offset)| *offset);
            let local = now + offset - origin;
            let (date, time) = ((local / 1440) as usize, (local % 1440) as u32);
            let before = latest.unwrap_or(local - 1);
            for gap in before + 1..local {
                skipped.push(((gap / 1440) as usize, (gap % 1440) as u32, index));
            }
            shown.push((local > before).then_some(time));
            latest = Some(before.max(local));
            let of_date = &mut minutes[date];
            if of_date.start == of_date.end {
                *of_date = index..index;
            }
            of_date.end = index + 1;
        }
        Self {
            name: rules.name,
            days,
            minutes,
            shown,
            skipped,
        }
    }

    /// The minutes at which the occurrences of a schedule begin.
    pub fn starts(&self, dates: impl Fn(&Day) -> bool, times: &[bool; 1440]) -> Vec<usize> {
        let mut starts = Vec::new();
        for (day, minutes) in self.days.iter().zip(&self.minutes) {
            if dates(day) {
                let shown = &self.shown;
                starts.extend(
                    minutes
                        .clone()
                        .filter(|minute| shown[*minute].is_some_and(|time| times[time as usize])),
                );
            }
        }
        for (date, time, instead) in &self.skipped {
            if dates(&self.days[*date]) && times[*time as usize] {
                starts.push(*instead);
            }
        }
        starts.sort_unstable();
        starts
    }
}

/// The dates from 2026-12-19, a Saturday, on.
fn days() -> Vec<Day> {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut today = Day {
        year: 2026,
        month: 12,
        day: 19,
        weekday: 6,
    };
    let mut days = Vec::new();
    for _ in 0..380 {
        days.push(today);
        today.weekday = (today.weekday + 1) % 7;
        today.day += 1;
        if today.day > lengths[today.month as usize - 1] {
            (today.day, today.month) = (1, today.month + 1);
        }
        if today.month > 12 {
            (today.month, today.year) = (1, today.year + 1);
        }
    }
    days
}

/// Minutes that something is so in, a bit for each.
#[derive(Clone)]
pub struct Minutes(Vec<u64>);

impl Minutes {
    pub fn none() -> Self {
        Self(vec![0; MINUTES.div_ceil(64)])
    }

    pub fn all() -> Self {
        Self(vec![u64::MAX; MINUTES.div_ceil(64)])
    }

    pub fn add(&mut self, minutes: Range<usize>) {
        let mut from = minutes.start;
        let end = minutes.end.min(MINUTES);
        while from < end {
            let (word, bit) = (from / 64, from % 64);
            let count = (64 - bit).min(end - from);
            self.0[word] |= (u64::MAX >> (64 - count)) << bit;
            from += count;
        }
    }

    pub fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub fn without(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
    }

    /// Whether it is so in this minute since 1970.
    pub fn has(&self, minute: Minute) -> bool {
        let index = (minute - FIRST) as usize;
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    /// The first minute after this one in which it is not as in this one; the end of what is looked at:
    /// there is none.
    pub fn change_after(&self, minute: Minute) -> Minute {
        let so = self.has(minute);
        let mut index = (minute - FIRST) as usize + 1;
        while index < MINUTES {
            let word = self.0[index / 64];
            let differs = (if so { !word } else { word }) >> (index % 64);
            if differs != 0 {
                index += differs.trailing_zeros() as usize;
                break;
            }
            index = (index / 64 + 1) * 64;
        }
        FIRST + index.min(MINUTES) as i64
    }

    /// The first minute from `from` on, and before `end`, in which the two differ.
    pub fn difference(&self, other: &Self, from: Minute, end: Minute) -> Option<Minute> {
        let mut both = self.clone();
        both.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a ^= b);
        let differs = if both.has(from) {
            from
        } else {
            both.change_after(from)
        };
        (differs < end).then_some(differs)
    }
}
