//! When runs are due, beside a plain reading of the calendar.

use std::time::Instant;

use ess_rollout_api::v1alpha1::Schedule as Spec;
use ess_rollout_core::image_update::schedule::{COUNTED_MAX, Due, Schedule};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::at;

fn schedule(spec: Value) -> Schedule {
    let spec: Spec = serde_json::from_value(spec).unwrap();
    Schedule::parse(&spec).unwrap().unwrap()
}

fn cron(cron: &str, zone: &str) -> Schedule {
    schedule(json!({"cron": cron, "timeZone": zone}))
}

/// The times of a span, each as it is written in UTC.
fn times(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    let (mut time, until) = (at(from), at(until));
    let mut found = Vec::new();
    while let Some(next) = schedule.next_after(time).filter(|next| *next <= until) {
        found.push(next.to_string());
        time = next;
    }
    found
}

#[test]
fn a_time_that_summer_time_leaves_out_is_due_when_the_gap_ends() {
    let berlin = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        times(&berlin, "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
        [
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z"
        ]
    );
    // Several in one gap are one run, and the one that was due at its end anyway is the same.
    let quarters = cron("*/15 2,3 29 3 *", "Europe/Berlin");
    assert_eq!(
        times(&quarters, "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
        [
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:15:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T01:45:00Z"
        ]
    );
    // Half an hour, and a whole day.
    let lord_howe = cron("15 2 4 10 *", "Australia/Lord_Howe");
    let found = times(&lord_howe, "2026-10-01T00:00:00Z", "2026-10-31T00:00:00Z");
    assert_eq!(found, ["2026-10-03T15:30:00Z"]);
    let apia = cron("0 12 30 12 *", "Pacific/Apia");
    let found = times(&apia, "2011-12-01T00:00:00Z", "2012-01-31T00:00:00Z");
    assert_eq!(found, ["2011-12-30T10:00:00Z"]);
}

#[test]
fn a_time_that_comes_twice_is_due_the_first_time() {
    let berlin = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        times(&berlin, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    let new_york = cron("30 1 * * *", "America/New_York");
    assert_eq!(
        times(&new_york, "2026-11-01T00:00:00Z", "2026-11-02T12:00:00Z"),
        ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
    );
    // Asked for in the repeated hour, too.
    assert_eq!(
        new_york.next_after(at("2026-11-01T06:10:00Z")),
        Some(at("2026-11-02T06:30:00Z"))
    );
    let often = cron("*/20 * * * *", "America/New_York");
    assert_eq!(
        times(&often, "2026-11-01T05:15:00Z", "2026-11-01T07:20:00Z"),
        [
            "2026-11-01T05:20:00Z",
            "2026-11-01T05:40:00Z",
            "2026-11-01T07:00:00Z",
            "2026-11-01T07:20:00Z"
        ]
    );
}

#[test]
fn daily_from_the_21st_to_the_25th_by_its_bounds_or_by_its_days() {
    let want: Vec<String> = (21..=25)
        .map(|day| format!("2026-01-{}T18:00:00Z", day - 1))
        .collect();
    let bounded = schedule(json!({
        "cron": "0 2 * * *", "timeZone": "Asia/Shanghai",
        "notBefore": "2026-01-21T00:00:00+08:00", "notAfter": "2026-01-25T23:59:59+08:00",
    }));
    assert_eq!(
        times(&bounded, "2026-01-05T12:00:00Z", "2027-01-05T12:00:00Z"),
        want
    );
    let monthly = cron("0 2 21-25 * *", "Asia/Shanghai");
    assert_eq!(
        times(&monthly, "2026-01-05T12:00:00Z", "2026-02-05T12:00:00Z"),
        want
    );
    // The bounds themselves are within.
    let exact = schedule(json!({
        "cron": "0 2 * * *",
        "notBefore": "2026-01-21T02:00:00Z", "notAfter": "2026-01-22T02:00:00Z",
    }));
    let found = times(&exact, "2026-01-05T12:00:00Z", "2026-02-05T12:00:00Z");
    assert_eq!(found, ["2026-01-21T02:00:00Z", "2026-01-22T02:00:00Z"]);
}

#[test]
fn expressions_mean_what_cron_has_them_mean() {
    let first = |expression: &str| {
        let next = cron(expression, "UTC").next_after(at("2026-01-05T12:00:00Z"));
        next.map(|next| next.to_string())
    };
    for (expression, next) in [
        ("@hourly", "2026-01-05T13:00:00Z"),
        ("@daily", "2026-01-06T00:00:00Z"),
        ("@Midnight", "2026-01-06T00:00:00Z"),
        ("@weekly", "2026-01-11T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("0 2 * * MON-FRI", "2026-01-06T02:00:00Z"),
        ("0 2 * * 7", "2026-01-11T02:00:00Z"),
        // Either day, as neither is a star; both, as one is.
        ("0 2 13 * 5", "2026-01-09T02:00:00Z"),
        ("0 2 */31 * 5", "2026-05-01T02:00:00Z"),
        ("0 2 29 2 *", "2028-02-29T02:00:00Z"),
        ("0 2 ? * 1", "2026-01-12T02:00:00Z"),
        ("0 2 1 * ?", "2026-02-01T02:00:00Z"),
        ("  5   4  *  *  * ", "2026-01-06T04:05:00Z"),
    ] {
        assert_eq!(first(expression).as_deref(), Some(next), "{expression}");
    }
}

#[test]
fn what_can_never_be_due_is_found_to_be_so_at_once() {
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(
            cron("0 0 30 2 *", "Europe/Berlin").next_after(at("2026-01-05T12:00:00Z")),
            None
        );
    }
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn of_very_many_times_the_newest_is_found_and_no_more_than_a_thousand_are_counted() {
    let (from, until) = (at("2020-01-05T12:00:00Z"), at("2026-01-05T12:00:30Z"));
    for (expression, newest) in [
        ("* * * * *", "2026-01-05T12:00:00Z"),
        ("*/10 * * * *", "2026-01-05T12:00:00Z"),
        ("* 3 1 * *", "2026-01-01T03:59:00Z"),
        ("*/30 * 1 1 *", "2026-01-01T23:30:00Z"),
        ("* * 3 3 *", "2025-03-03T23:59:00Z"),
    ] {
        let due = cron(expression, "UTC").between(from, until);
        let count = due.count;
        assert!(count <= COUNTED_MAX);
        assert_eq!(due.newest, Some(at(newest)), "{expression}");
    }
    let few =
        cron("0 2 * * *", "UTC").between(at("2026-01-01T02:00:00Z"), at("2026-01-05T02:00:00Z"));
    let (newest, next) = (
        Some(at("2026-01-05T02:00:00Z")),
        Some(at("2026-01-06T02:00:00Z")),
    );
    assert_eq!(
        few,
        Due {
            count: 4,
            newest,
            next
        }
    );
}

#[test]
fn the_newest_of_very_many_is_found_at_once_when_the_last_is_long_over() {
    let over = schedule(json!({"cron": "* * * * *", "notAfter": "2025-01-05T12:00:00Z"}));
    let began = Instant::now();
    let due = over.between(at("2020-01-05T12:00:00Z"), at("2026-01-05T12:00:00Z"));
    assert_eq!(
        (due.newest, due.next),
        (Some(at("2025-01-05T12:00:00Z")), None)
    );
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn one_time_is_due_once() {
    let once = schedule(json!({"at": "2026-01-21T02:00:00+08:00"}));
    let time = at("2026-01-20T18:00:00Z");
    assert_eq!(once.next_after(at("2026-01-05T12:00:00Z")), Some(time));
    assert_eq!(once.next_after(time), None);
    assert_eq!(once.between(at("2026-01-05T12:00:00Z"), time).count, 1);
}

#[test]
fn one_time_has_whole_seconds_as_a_status_has() {
    for (written, due) in [
        ("2026-01-20T18:00:00.5Z", "2026-01-20T18:00:00Z"),
        ("2026-01-20T18:00:00.999999999Z", "2026-01-20T18:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
    ] {
        let once = schedule(json!({"at": written}));
        let time = at(due);
        assert_eq!(once.next_after(at("1960-01-05T12:00:00Z")), Some(time));
        assert_eq!(once.next_after(time), None, "{written}");
    }
}

#[test]
fn what_is_no_schedule_is_refused_with_the_field_the_reason_and_the_cure() {
    let refused = |spec: Value| {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        Schedule::parse(&spec).unwrap_err()
    };
    for bad in [
        "",
        "* * * *",
        "* * * * * *",
        "0 2 * * * UTC",
        "61 * * * *",
        "0 24 * * *",
        "0 2 0 * *",
        "0 2 * 13 *",
        "0 2 * * 8",
        "@every 1h",
        "@reboot",
        "H 2 * * *",
        "a b c d e",
        "*/0 * * * *",
        "5-1 * * * *",
        "CRON_TZ=UTC 0 2 * * *",
        "0 2 * * é",
    ] {
        let found = refused(json!({"cron": bad}));
        assert_eq!(found.reason, "InvalidSchedule", "{bad}");
        assert!(
            found.message.starts_with("spec.schedule.cron: "),
            "{}",
            found.message
        );
        assert!(found.message.contains("for instance"), "{}", found.message);
        assert!(!found.message.contains('\n'), "{}", found.message);
    }
    for bad in ["Mars/Olympus", "", "../etc/passwd", "Asia/Shanghai "] {
        let found = refused(json!({"cron": "0 2 * * *", "timeZone": bad}));
        assert_eq!(found.reason, "InvalidTimeZone", "{bad}");
        assert!(found.message.starts_with("spec.schedule.timeZone: "));
    }
}

/// Any time that can be written down, the outermost often.
fn date() -> impl Strategy<Value = Timestamp> {
    let (min, max) = (Timestamp::MIN, Timestamp::MAX);
    prop_oneof![
        2 => Just(min),
        2 => Just(max),
        4 => (min.as_second()..=max.as_second()).prop_map(|s| Timestamp::from_second(s).unwrap()),
        // The last ten years.
        4 => (max.as_second() - 316_000_000..=max.as_second())
            .prop_map(|s| Timestamp::new(s, 500_000_000).unwrap_or(Timestamp::MAX)),
        1 => (0i64..4_000_000_000).prop_map(|s| Timestamp::from_second(s).unwrap()),
    ]
}

proptest! {
    #![proptest_config(crate::seeded::config(256))]

    #[test]
    fn no_expression_makes_it_panic_or_hang(
        expression in "[-0-9*/,LW#@ ?A-Za-z]{0,24}|([0-9*/,-]{1,6} ){4}[0-9*/,-]{1,6}",
        second in 0i64..4_000_000_000,
    ) {
        let spec: Spec = serde_json::from_value(json!({"cron": expression, "timeZone": "Europe/Berlin"})).unwrap();
        if let Ok(Some(schedule)) = Schedule::parse(&spec) {
            let time = Timestamp::from_second(second).unwrap();
            if let Some(next) = schedule.next_after(time) {
                prop_assert!(next > time);
                // Nothing was passed over on the way there.
                prop_assert_eq!(schedule.between(time, next).count, 1);
            }
        }
    }

    #[test]
    fn no_date_makes_it_panic_or_hang(
        expression in prop::sample::select(vec!["* * * * *", "0 2 * * *", "0 2 29 2 *", "0 0 30 2 *", "@yearly"]),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]),
        not_before in prop::option::of(date()),
        not_after in prop::option::of(date()),
        once in date(),
        from in date(),
        span in 0i64..200_000_000,
    ) {
        let all: Spec = serde_json::from_value(json!({"cron": expression, "timeZone": zone})).unwrap();
        let bounded = Spec { not_before: not_before.map(Time), not_after: not_after.map(Time), ..all };
        let once = Spec { at: Some(Time(once)), ..Spec::default() };
        for spec in [bounded, once] {
            let schedule = Schedule::parse(&spec).unwrap().unwrap();
            schedule.is_never_due(from);
            let until = from.saturating_add(SignedDuration::from_secs(span)).unwrap();
            let due = schedule.between(from, until);
            prop_assert!(due.newest.is_none_or(|newest| from < newest && newest <= until));
            prop_assert!(due.next.is_none_or(|next| next > from));
            if let (Some(next), true) = (due.next, spec.cron.is_some()) {
                prop_assert!(not_before.is_none_or(|first| next >= first));
                prop_assert!(not_after.is_none_or(|last| next <= last));
            }
        }
    }
}
