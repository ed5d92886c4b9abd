//! Windows drawn at random: each as a manifest has it, and as the oracle knows it.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::oracle::{Day, FIRST, Minutes, YEAR_BEGINS, Zone};

/// One window, both ways.
pub struct Drawn {
    pub spec: Value,
    pub freeze: bool,
    /// When it is active.
    pub active: Minutes,
}

/// A field of a cron expression: its text, and the values that it names.
struct Field {
    text: String,
    values: Vec<u32>,
}

impl Field {
    fn any(least: u32, most: u32) -> Self {
        Self {
            text: "*".to_owned(),
            values: (least..=most).collect(),
        }
    }

    fn every(rng: &mut Rng, least: u32, most: u32, steps: &[u32]) -> Self {
        let step = *rng.choice(steps).unwrap();
        Self {
            text: format!("*/{step}"),
            values: (least..=most).step_by(step as usize).collect(),
        }
    }

    fn list(rng: &mut Rng, least: u32, most: u32) -> Self {
        let values: Vec<u32> = (0..rng.u32(1..=3)).map(|_| rng.u32(least..=most)).collect();
        let text: Vec<String> = values.iter().map(u32::to_string).collect();
        Self {
            text: text.join(","),
            values,
        }
    }

    fn range(rng: &mut Rng, least: u32, most: u32) -> Self {
        let first = rng.u32(least..=most);
        let last = rng.u32(first..=most);
        let step = rng.choice([1, 1, 2, 3]).unwrap();
        let suffix = if step == 1 {
            String::new()
        } else {
            format!("/{step}")
        };
        Self {
            text: format!("{first}-{last}{suffix}"),
            values: (first..=last).step_by(step as usize).collect(),
        }
    }

    fn is_star(&self) -> bool {
        self.text.starts_with('*')
    }

    fn has(&self, value: u32) -> bool {
        self.values.contains(&value)
    }
}

/// A field that is `*` so many times of ten.
fn drawn(rng: &mut Rng, least: u32, most: u32, stars: u32) -> Field {
    if rng.u32(0..10) < stars {
        return Field::any(least, most);
    }
    match rng.u32(0..4) {
        0 => Field::every(rng, least, most, &[2, 3, 5]),
        1 => Field::range(rng, least, most),
        _ => Field::list(rng, least, most),
    }
}

fn hours(rng: &mut Rng) -> Field {
    match rng.u32(0..8) {
        // Where clocks change.
        0..=3 => Field::list(rng, 0, 3),
        4 => Field::list(rng, 0, 23),
        5 => Field::range(rng, 0, 23),
        6 => Field::every(rng, 0, 23, &[4, 6, 8, 12]),
        _ => Field::list(rng, 20, 23),
    }
}

/// A schedule in a zone.
fn recurring(rng: &mut Rng, zone: &Zone, freeze: bool) -> (Value, Minutes) {
    // Seldom many times an hour, all day long: each change is looked at.
    let busy = rng.u32(0..500) == 0;
    let minute = match rng.u32(0..10) {
        _ if busy => Field::every(rng, 0, 59, &[1, 6, 10, 15]),
        0 => Field::every(rng, 0, 59, &[20, 30]),
        1 => Field::range(rng, 55, 59),
        _ => Field::list(rng, 0, 59),
    };
    let hour = if busy { Field::any(0, 23) } else { hours(rng) };
    let day = drawn(rng, 1, 31, 6);
    let month = drawn(rng, 1, 12, 8);
    let weekday = drawn(rng, 0, 7, 4);
    let minutes = match rng.u32(0..3) {
        0 => rng.i64(5..600),
        1 => rng
            .choice([5, 15, 30, 60, 61, 120, 1380, 1440, 1441, 1500])
            .unwrap(),
        _ => rng.choice([5, 60, 240, 2880, 10_080]).unwrap(),
    };
    let except: Vec<(u32, u32, u32, u32)> = (0..rng.u32(0..=3).saturating_sub(1))
        .map(|_| {
            let (month, day) = (rng.u32(1..=12), rng.u32(1..=28));
            (month, day, month, rng.u32(day..=28))
        })
        .collect();

    let named = |today: &Day| {
        let excepted = except.iter().any(|(month, first, _, last)| {
            today.year == 2027 && today.month == *month && (*first..=*last).contains(&today.day)
        });
        let on_weekday = weekday.has(today.weekday) || (today.weekday == 0 && weekday.has(7));
        let on_day = match day.is_star() || weekday.is_star() {
            true => day.has(today.day) && on_weekday,
            false => day.has(today.day) || on_weekday,
        };
        month.has(today.month) && on_day && !excepted
    };
    let mut times = [false; 1440];
    for hour in &hour.values {
        for minute in &minute.values {
            times[(hour * 60 + minute) as usize] = true;
        }
    }
    let mut active = Minutes::none();
    let mut end = 0;
    for start in zone.starts(named, &times) {
        // What is covered already need not be covered again.
        let last = start + minutes as usize;
        active.add(start.max(end)..last);
        end = last;
    }
    let fields = [minute, hour, day, month, weekday].map(|field| field.text);
    let except: Vec<String> = except
        .iter()
        .map(|(month, first, until, last)| match first == last {
            true => format!("2027-{month:02}-{first:02}"),
            false => format!("2027-{month:02}-{first:02}/2027-{until:02}-{last:02}"),
        })
        .collect();
    let spec = json!({
        "kind": if freeze { "Freeze" } else { "Allow" },
        "schedule": fields.join(" "),
        "timeZone": zone.name,
        "durationMinutes": minutes,
        "except": except,
    });
    (spec, active)
}

fn once(rng: &mut Rng, freeze: bool) -> (Value, Minutes) {
    let start = rng.i64(0..365 * 1440);
    let end = start + rng.i64(1..30 * 1440);
    let mut active = Minutes::none();
    let index = |minute: i64| (YEAR_BEGINS - FIRST + minute) as usize;
    active.add(index(start)..index(end));
    let time = |minute: i64| {
        let time = jiff::Timestamp::from_second((YEAR_BEGINS + minute) * 60).unwrap();
        time.to_string()
    };
    let spec = json!({
        "kind": if freeze { "Freeze" } else { "Allow" },
        "start": time(start),
        "end": time(end),
    });
    (spec, active)
}

/// One to five windows, in any zones.
pub fn windows(rng: &mut Rng, zones: &[Zone]) -> Vec<Drawn> {
    let count = rng.u32(1..=5);
    let windows = (0..count).map(|_| {
        let freeze = rng.u32(0..3) == 0;
        let zone = rng.choice(zones).unwrap();
        let (spec, active) = match rng.u32(0..7) {
            0 => once(rng, freeze),
            _ => recurring(rng, zone, freeze),
        };
        Drawn {
            spec,
            freeze,
            active,
        }
    });
    windows.collect()
}
