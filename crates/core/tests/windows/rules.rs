//! What is open when, rule by rule.

use ess_rollout_core::windows::{
    Cause, Fit, Named, State, Window, evaluate, is_never_due, next_fit,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{at, window};

/// A schedule, with these fields besides.
fn schedule(name: &str, cron: &str, zone: &str, minutes: i32, more: Value) -> Window {
    let mut spec = json!({"schedule": cron, "timeZone": zone, "durationMinutes": minutes});
    let fields = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    window(name, spec)
}

fn allow(cron: &str, zone: &str, minutes: i32) -> Window {
    schedule(
        "slot",
        cron,
        zone,
        minutes,
        json!({"reason": "weekly patch slot"}),
    )
}

fn freeze(cron: &str, zone: &str, minutes: i32) -> Window {
    let more = json!({"kind": "Freeze", "reason": "year-end closing"});
    schedule("closing", cron, zone, minutes, more)
}

/// From when to when it is open, from this time on: the first so many.
fn open_times(set: &[Window], from: &str, count: usize) -> Vec<String> {
    let mut now = at(from);
    let mut found = Vec::new();
    while found.len() < count {
        match evaluate(set, now).state {
            State::Open { until, .. } => {
                let until = until.map_or("no end".to_owned(), |until| until.to_string());
                found.push(format!("{now} {until}"));
                let Ok(until) = until.parse() else { break };
                now = until;
            }
            State::Closed { opens, .. } => {
                let Some(opens) = opens else { break };
                now = opens;
            }
        }
    }
    found
}

fn named(window: &str, reason: &str) -> Named {
    Named {
        window: window.to_owned(),
        reason: reason.to_owned(),
    }
}

#[test]
fn without_windows_it_is_open_for_good() {
    let found = evaluate(&[] as &[Window], at("2026-11-28T12:00:00Z"));
    assert_eq!(
        found.state,
        State::Open {
            until: None,
            closed_by: None,
            by: None
        }
    );
    assert_eq!(found.look_again, at("2030-11-28T12:00:00Z"));
}

#[test]
fn a_slot_is_open_from_its_first_second_and_closed_from_its_last() {
    let slot = [allow("0 22 * * 6", "Asia/Shanghai", 240)];
    let look = |time: &str| evaluate(&slot, at(time));
    let opens = at("2026-11-28T14:00:00Z");
    let before = look("2026-11-28T13:59:59.999999999Z");
    assert_eq!(before.look_again, opens);
    assert_eq!(
        before.state,
        State::Closed {
            opens: Some(opens),
            why: Cause::OutsideAllow,
            opened_by: Some(named("slot", "weekly patch slot")),
        }
    );
    let open = State::Open {
        until: Some(at("2026-11-28T18:00:00Z")),
        closed_by: Some(Cause::OutsideAllow),
        by: Some(named("slot", "weekly patch slot")),
    };
    assert_eq!(look("2026-11-28T14:00:00Z").state, open);
    assert_eq!(look("2026-11-28T17:59:59.999999999Z").state, open);
    assert!(!look("2026-11-28T18:00:00Z").is_open());
}

#[test]
fn allows_add_up_and_a_freeze_always_wins() {
    let set = [
        allow("0 0 * * *", "UTC", 120),
        allow("0 1 * * *", "UTC", 120),
        freeze("30 1 * * *", "UTC", 30),
    ];
    assert_eq!(
        open_times(&set, "2026-11-28T00:30:00Z", 3),
        [
            "2026-11-28T00:30:00Z 2026-11-28T01:30:00Z",
            "2026-11-28T02:00:00Z 2026-11-28T03:00:00Z",
            "2026-11-29T00:00:00Z 2026-11-29T01:30:00Z",
        ]
    );
    let frozen = Cause::Freeze(named("closing", "year-end closing"));
    let State::Open { closed_by, .. } = evaluate(&set, at("2026-11-28T00:30:00Z")).state else {
        panic!("it is closed");
    };
    assert_eq!(closed_by, Some(frozen.clone()));
    let State::Closed { why, .. } = evaluate(&set, at("2026-11-28T01:45:00Z")).state else {
        panic!("it is open");
    };
    assert_eq!(why, frozen);
}

#[test]
fn of_several_the_one_is_named_that_ends_last() {
    let more = |kind: &str| json!({"kind": kind, "reason": "r"});
    let set = |kind: &str| {
        ["short", "long", "shorter"].map(|name| {
            let minutes = i32::try_from(name.len()).unwrap() * 10;
            let minutes = if name == "long" { 240 } else { minutes };
            schedule(name, "0 0 * * *", "UTC", minutes, more(kind))
        })
    };
    let now = at("2026-11-28T00:10:00Z");
    let State::Open { by, .. } = evaluate(&set("Allow"), now).state else {
        panic!("it is closed");
    };
    assert_eq!(by, Some(named("long", "r")));
    let State::Closed { why, .. } = evaluate(&set("Freeze"), now).state else {
        panic!("it is open");
    };
    assert_eq!(why, Cause::Freeze(named("long", "r")));
}

/// Where there is only a Freeze, it is open whenever that is not active.
#[test]
fn a_freeze_alone_closes_nothing_else() {
    let set = [freeze("0 0 24 12 *", "Europe/Berlin", 10_080)];
    assert_eq!(
        open_times(&set, "2026-11-28T00:00:00Z", 2),
        [
            "2026-11-28T00:00:00Z 2026-12-23T23:00:00Z",
            "2026-12-30T23:00:00Z 2027-12-23T23:00:00Z",
        ]
    );
}

#[test]
fn what_overlaps_or_adjoins_is_one() {
    for minutes in [60, 61, 600] {
        let hourly = [allow("0 22-23 * * *", "UTC", minutes)];
        let found = open_times(&hourly, "2026-11-28T12:00:00Z", 1);
        let end = at("2026-11-28T23:00:00Z") + SignedDuration::from_mins(minutes.into());
        assert_eq!(found, [format!("2026-11-28T22:00:00Z {end}")]);
    }
    // Of two windows, too, and of two days.
    let set = [
        allow("0 0 * * *", "UTC", 720),
        allow("0 12 * * *", "UTC", 720),
    ];
    assert_eq!(
        open_times(&set, "2026-11-28T06:00:00Z", 1),
        ["2026-11-28T06:00:00Z no end"]
    );
}

#[test]
fn a_time_that_summer_time_leaves_out_is_when_the_gap_ends_and_lasts_as_long_as_ever() {
    let berlin = [allow("30 2 * * *", "Europe/Berlin", 60)];
    assert_eq!(
        open_times(&berlin, "2026-03-28T12:00:00Z", 2),
        [
            "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z",
            "2026-03-30T00:30:00Z 2026-03-30T01:30:00Z",
        ]
    );
    // Over the change: elapsed time, whatever the clock shows.
    let across = [allow("0 1 * * *", "Europe/Berlin", 180)];
    assert_eq!(
        open_times(&across, "2026-03-28T12:00:00Z", 1),
        ["2026-03-29T00:00:00Z 2026-03-29T03:00:00Z"]
    );
    let lord_howe = [allow("15 2 * * *", "Australia/Lord_Howe", 30)];
    assert_eq!(
        open_times(&lord_howe, "2026-10-03T12:00:00Z", 1),
        ["2026-10-03T15:30:00Z 2026-10-03T16:00:00Z"]
    );
}

#[test]
fn a_time_that_comes_twice_is_the_first_of_the_two() {
    let berlin = [allow("30 2 * * *", "Europe/Berlin", 30)];
    assert_eq!(
        open_times(&berlin, "2026-10-24T12:00:00Z", 2),
        [
            "2026-10-25T00:30:00Z 2026-10-25T01:00:00Z",
            "2026-10-26T01:30:00Z 2026-10-26T02:00:00Z",
        ]
    );
}

/// Of a gap over midnight: the date is the one that the schedule names, not the one that the clock shows
/// in its place.
#[test]
fn an_excepted_date_is_that_of_the_schedule() {
    let nuuk = |except: Value| {
        let except = json!({"except": except});
        [schedule("slot", "30 23 * * *", "America/Nuuk", 60, except)]
    };
    // On Saturday 28 March 2026 the hour from 23:00 is left out.
    let moved = "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z";
    let first = |except| open_times(&nuuk(except), "2026-03-28T12:00:00Z", 1).remove(0);
    assert_eq!(first(json!([])), moved);
    assert_eq!(first(json!(["2026-03-29"])), moved);
    assert_eq!(
        first(json!(["2026-03-28"])),
        "2026-03-30T00:30:00Z 2026-03-30T01:30:00Z"
    );
}

#[test]
fn on_an_excepted_date_nothing_begins_and_what_has_begun_goes_on() {
    let except = json!({"except": ["2026-10-01/2026-10-08", "2026-10-10"]});
    let nightly = [schedule("slot", "0 22 * * *", "Asia/Shanghai", 240, except)];
    assert_eq!(
        open_times(&nightly, "2026-09-30T12:00:00Z", 3),
        [
            "2026-09-30T14:00:00Z 2026-09-30T18:00:00Z",
            "2026-10-09T14:00:00Z 2026-10-09T18:00:00Z",
            "2026-10-11T14:00:00Z 2026-10-11T18:00:00Z",
        ]
    );
}

#[test]
fn a_span_is_open_once_and_a_task_with_an_allow_that_is_over_stays_closed() {
    let once = json!({"start": "2026-12-01T10:00:00.7+08:00", "end": "2026-12-01T12:00:00+08:00"});
    let once = [window("once", once)];
    let look = |time: &str| evaluate(&once, at(time));
    assert_eq!(
        look("2026-11-28T00:00:00Z").look_again,
        at("2026-12-01T02:00:00Z")
    );
    assert!(look("2026-12-01T02:00:00Z").is_open());
    let over = look("2026-12-01T04:00:00Z");
    assert_eq!(
        over.state,
        State::Closed {
            opens: None,
            why: Cause::OutsideAllow,
            opened_by: None,
        }
    );
    assert!(!is_never_due(&once[0], at("2026-12-01T03:59:59Z")));
    assert!(is_never_due(&once[0], at("2026-12-01T04:00:00Z")));
}

#[test]
fn a_schedule_that_has_no_date_is_known_as_one() {
    let never = allow("0 0 30 2 *", "UTC", 60);
    let now = at("2026-11-28T00:00:00Z");
    assert!(is_never_due(&never, now));
    assert!(!is_never_due(&allow("0 0 29 2 *", "UTC", 60), now));
    let found = evaluate([&never], now);
    assert!(!found.is_open());
    assert_eq!(found.look_again, at("2030-11-28T00:00:00Z"));
    assert!(found.looked_through);
}

#[test]
fn a_batch_that_takes_long_is_told_when_a_window_is_long_enough() {
    let set = [
        allow("0 22 * * 1-5", "UTC", 60),
        allow("0 22 * * 6", "UTC", 240),
    ];
    let friday = at("2026-11-27T22:10:00Z");
    let fit = |minutes| next_fit(&set, friday, SignedDuration::from_mins(minutes));
    assert_eq!(fit(50), Fit::At(friday));
    assert_eq!(fit(51), Fit::At(at("2026-11-28T22:00:00Z")));
    assert_eq!(fit(240), Fit::At(at("2026-11-28T22:00:00Z")));
    assert_eq!(fit(241), Fit::Never);
}

#[test]
fn what_cannot_be_read_is_told_with_the_field_and_the_cure() {
    let good =
        json!({"schedule": "0 22 * * 6", "timeZone": "Asia/Shanghai", "durationMinutes": 240});
    for (changes, said) in [
        (
            json!({"schedule": "0 25 * * 6"}),
            "spec.schedule: \"0 25 * * 6\" is no cron expression",
        ),
        (
            json!({"schedule": "0 22 * *"}),
            "spec.schedule: \"0 22 * *\" has 4 fields and not 5; write minute",
        ),
        (
            json!({"schedule": "@reboot"}),
            "spec.schedule: \"@reboot\" is none of @hourly",
        ),
        (
            json!({"timeZone": null}),
            "spec.timeZone is missing; set the zone",
        ),
        (
            json!({"timeZone": "Mars/Olympus"}),
            "spec.timeZone: \"Mars/Olympus\" is no time zone of the IANA database; use",
        ),
        (
            json!({"durationMinutes": null}),
            "spec.durationMinutes is 0; set 5 to 10080",
        ),
        (
            json!({"durationMinutes": -60}),
            "spec.durationMinutes is -60; set 5 to 10080",
        ),
        (
            json!({"schedule": null}),
            "spec says not when; set schedule",
        ),
        (
            json!({"start": "2026-12-01T10:00:00Z"}),
            "spec says not when; set schedule",
        ),
        (
            json!({"schedule": null, "end": "2026-12-01T10:00:00Z"}),
            "spec says not when; set schedule",
        ),
        (
            json!({"schedule": null, "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T10:00:00.5Z"}),
            "spec.end is not after start; set a later one",
        ),
        (
            json!({"except": ["2026-10-01", "2026-02-30"]}),
            "spec.except[1]: \"2026-02-30\" has no date of the calendar; write a date such as",
        ),
        (
            json!({"except": ["20261001"]}),
            "spec.except[0]: \"20261001\" has no date",
        ),
        (
            json!({"except": ["2026-10-08/2026-10-01"]}),
            "spec.except[0]: \"2026-10-08/2026-10-01\" ends before it begins",
        ),
    ] {
        let mut spec = good.clone();
        let fields = changes.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(fields);
        let spec = serde_json::from_value(spec).unwrap();
        let message = Window::parse("slot", "spec", &spec).unwrap_err().message;
        assert!(message.contains(said), "{message}");
    }
}

/// Nothing of it is of the kind that a person writes; it must not be what ends the operator either.
#[test]
fn the_ends_of_time_are_times_like_others() {
    let set = [
        allow("0 0 * * *", "Europe/Berlin", 60),
        freeze("* * * * *", "Australia/Lord_Howe", 10_080),
        window(
            "once",
            json!({"start": "0001-01-01T00:00:00Z", "end": "9999-12-30T00:00:00Z"}),
        ),
    ];
    for time in [
        jiff::Timestamp::MIN,
        jiff::Timestamp::MAX,
        at("9999-12-29T12:00:00Z"),
    ] {
        for windows in [&set[..], &set[..1], &set[1..2], &set[2..]] {
            let found = evaluate(windows, time);
            assert!(found.look_again >= time);
            next_fit(windows, time, SignedDuration::MAX);
        }
    }
}
