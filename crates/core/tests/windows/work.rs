//! How much one evaluation costs, whatever the windows are. Printed with `--nocapture`.

use std::time::{Duration, Instant};

use ess_rollout_core::windows::{Evaluation, Window, evaluate};
use serde_json::json;

use crate::{at, window};

fn schedule(kind: &str, cron: &str, zone: &str, minutes: i32) -> Window {
    let reason = "measured";
    window(
        cron,
        json!({"kind": kind, "reason": reason, "schedule": cron, "timeZone": zone, "durationMinutes": minutes}),
    )
}

fn fifty(mut window: impl FnMut(i32) -> Window) -> Vec<Window> {
    (0..50).map(&mut window).collect()
}

/// Zones whose offsets have nothing in common.
const ZONES: [&str; 5] = [
    "Asia/Shanghai",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Europe/Berlin",
];

fn measured(what: &str, set: impl Fn() -> Vec<Window>) -> (Evaluation, Duration) {
    let now = at("2026-11-28T12:34:56Z");
    let began = Instant::now();
    let windows = set();
    let read = began.elapsed();
    let began = Instant::now();
    let found = evaluate(&windows, now);
    let first = began.elapsed();
    let began = Instant::now();
    assert_eq!(evaluate(&windows, now), found);
    let again = began.elapsed();
    println!("{what}: read {read:?}, evaluated {first:?}, again {again:?}: {found:?}");
    (found, first)
}

#[test]
fn an_evaluation_is_cheap_whatever_the_windows_are() {
    let zone = |index: i32| ZONES[index as usize % ZONES.len()];
    let every_minute = |index: i32| schedule("Allow", "* * * * *", zone(index), 10_080 - index);
    let never = |index: i32| schedule("Allow", "0 0 30 2 *", zone(index), 60 + index);
    let weekly = |index: i32| {
        let cron = format!("{} {} * * {}", index, index % 24, index % 7);
        schedule(
            if index % 5 == 0 { "Freeze" } else { "Allow" },
            &cron,
            zone(index),
            240,
        )
    };
    // Every few minutes an Allow, and always a Freeze, which is 40 others taken together.
    let opposed = |index: i32| match index {
        0..10 => schedule("Allow", "*/6 * * * *", zone(index), 5),
        _ => {
            let from = index % 6;
            schedule("Freeze", &format!("{from}-59/6 * * * *"), zone(index), 5)
        }
    };
    let mut slowest = Duration::ZERO;
    let mut measure = |what, set: &dyn Fn() -> Vec<Window>| {
        let (found, took) = measured(what, set);
        slowest = slowest.max(took);
        found
    };
    measure("one slot a week", &|| {
        vec![schedule("Allow", "0 22 * * 6", "Asia/Shanghai", 240)]
    });
    measure("50 slots a week", &|| fifty(weekly));
    let open = measure("50 times each minute for a week", &|| fifty(every_minute));
    assert!(open.is_open());
    assert!(open.look_again > at("2029-11-28T12:34:56Z"), "{open:?}");
    let closed = measure("50 that never are", &|| fifty(never));
    assert!(!closed.is_open());
    assert_eq!(closed.look_again, at("2030-11-28T12:34:56Z"));
    let opposed = measure("50 that cancel each other out", &|| fifty(opposed));
    assert!(!opposed.is_open());
    // As far as it got: nobody needs to look again soon.
    assert!(
        opposed.look_again > at("2026-12-01T00:00:00Z"),
        "{opposed:?}"
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
