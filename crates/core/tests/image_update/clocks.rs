//! The operator's clock is wrong for a while, and is set right.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use crate::seeded;
use crate::world::{World, at, cron};

const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

/// How many runs each time of the schedule led to, of those after this one.
fn runs_of(world: &World, after: i64) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    let all = world.status().history.iter();
    for run in all.filter(|run| run.number > after) {
        let due = run.schedule_time.as_ref().map(|time| time.0.to_string());
        *runs.entry(due.unwrap_or_default()).or_default() += 1;
    }
    runs
}

fn hourly() -> World {
    cron("0 * * * *", json!({"successfulRunsHistoryLimit": 50}))
}

#[test]
fn a_clock_that_was_a_year_ahead_for_a_minute_costs_no_later_run() {
    let mut world = hourly();
    world.run_to("2026-01-05T12:30:00Z");
    world.skew = YEAR;
    world.pass();
    world.cloud.advance(60);
    world.pass();
    world.skew = 0;
    world.run_to("2026-01-06T00:30:00Z");
    let runs = runs_of(&world, 0);
    for hour in 14..24 {
        let due = format!("2026-01-05T{hour}:00:00Z");
        assert_eq!(runs.get(&due), Some(&1), "{due}: {runs:?}");
    }
    let next = world.status().next_schedule_time.as_ref().unwrap().0;
    assert_eq!(next, at("2026-01-06T01:00:00Z"));
    assert_eq!(world.state(), "Scheduled");
}

#[test]
fn a_run_that_was_made_a_little_early_is_not_made_twice() {
    let mut world = hourly();
    world.run_to("2026-01-05T12:50:00Z");
    world.skew = 900;
    world.run_to("2026-01-05T12:51:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    world.skew = 0;
    world.run_to("2026-01-05T14:30:00Z");
    let runs = runs_of(&world, 0);
    let one = |due: &str| (due.to_owned(), 1);
    let wanted = ["2026-01-05T13:00:00Z", "2026-01-05T14:00:00Z"].map(one);
    assert_eq!(runs, BTreeMap::from(wanted));
}

#[test]
fn a_single_time_is_one_run_whatever_the_clock_has_shown() {
    let schedule = json!({"schedule": {"at": "2026-03-05T14:00:00Z"}});
    let mut world = crate::world::building(schedule);
    world.run_to("2026-01-05T12:30:00Z");
    world.skew = YEAR;
    world.run_to("2026-01-05T12:45:00Z");
    world.skew = 0;
    world.run_to("2026-03-06T12:00:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    // Another one is another run.
    world.edited(|t| {
        let time = json!("2026-03-07T14:00:00Z");
        t.spec.schedule.as_mut().unwrap().at = serde_json::from_value(time).unwrap();
    });
    world.run_to("2026-03-07T15:00:00Z");
    assert_eq!(world.cloud.runs.len(), 2);
}

#[test]
fn what_was_waited_for_is_not_waited_for_until_a_time_that_was_never_near() {
    let mut world = hourly();
    world.cloud.instance = None;
    world.skew = YEAR;
    world.run_to("2026-01-05T12:10:00Z");
    world.skew = 0;
    world.cloud.instance = crate::cloud::Cloud::at(0).instance;
    world.run_to("2026-01-05T13:20:00Z");
    assert_eq!(world.cloud.runs.len(), 1, "{:#?}", world.status());
}

proptest! {
    #![proptest_config(seeded::config(48))]

    /// Whatever the clock showed meanwhile, once it is right each time leads to one run again.
    #[test]
    fn after_the_clock_was_wrong_each_time_is_one_run(
        jumps in prop::collection::vec(
            (prop_oneof![-2 * YEAR..2 * YEAR, -2 * DAY..2 * DAY, -4000i64..4000], 1i64..7000),
            1..8,
        ),
    ) {
        let mut world = hourly();
        world.run_to("2026-01-05T12:01:00Z");
        for (skew, seconds) in jumps {
            world.skew = skew;
            let end = world.cloud.now + seconds;
            loop {
                world.pass();
                if world.cloud.now >= end {
                    break;
                }
                let wait = world.wait_seconds().min(end - world.cloud.now);
                world.cloud.advance(wait);
            }
        }
        world.skew = 0;
        // What was under way ends, and what was known of a time that is now ahead by one is made.
        let settled = world.cloud.now + 3 * 3600;
        world.run_to(&jiff::Timestamp::from_second(settled).unwrap().to_string());
        let before = world.status().last_run.unwrap_or(0);
        let from = world.clock();
        let until = jiff::Timestamp::from_second(world.cloud.now + 5 * 3600).unwrap();
        world.run_to(&until.to_string());
        let mut due = from.as_second().div_euclid(3600) * 3600 + 3600;
        while due + 1800 < until.as_second() {
            let time = jiff::Timestamp::from_second(due).unwrap().to_string();
            let runs = runs_of(&world, before).get(&time).copied().unwrap_or(0);
            prop_assert_eq!(runs, 1, "{} after run {}", time, before);
            due += 3600;
        }
    }
}
