//! What holds a batch besides a person: a soak, a window, a time.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_core::rollout::Next;
use ess_rollout_core::windows::{Window, evaluate};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::builders::{image, script};
use crate::seeded;
use crate::world::World;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A window of this task that is open from so many seconds after the test's beginning, and for so long.
pub fn open(world: &World, from: i64, seconds: i64) -> Value {
    span(world, "Allow", from, seconds)
}

fn span(world: &World, kind: &str, from: i64, seconds: i64) -> Value {
    let start = world.cloud.time() + SignedDuration::from_secs(from);
    let end = start + SignedDuration::from_secs(seconds);
    json!({"kind": kind, "reason": "weekly patch slot", "start": start.to_string(), "end": end.to_string()})
}

/// The same update with these fields of the spec, written before anybody has looked at it.
pub fn written(mut world: World, spec: &Value) -> World {
    let mut all = serde_json::to_value(&world.task.spec).unwrap();
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    world.task.spec = serde_json::from_value(all).unwrap();
    world
}

/// When each batch began, in the world's seconds.
pub fn begun(world: &World) -> Vec<i64> {
    let batches = &world.status().batches;
    let times = batches.iter().filter_map(|b| b.start_time.as_ref());
    times.map(|time| time.0.as_second()).collect()
}

/// When each batch was over.
pub fn over(world: &World) -> Vec<i64> {
    let batches = &world.status().batches;
    let times = batches.iter().filter_map(|b| b.end_time.as_ref());
    times.map(|time| time.0.as_second()).collect()
}

fn soaking(spec: Value) -> World {
    let world = script(json!({"batches": 4, "gates": {"soakSeconds": 300}}));
    written(world, &spec)
}

#[test]
fn a_batch_is_in_service_for_as_long_as_it_soaks_before_the_next_one_begins() {
    let mut world = soaking(json!({}));
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved, [1, 2, 3]);
    let (begun, over) = (begun(&world), over(&world));
    for (over, begun) in over.iter().zip(&begun[1..]) {
        // It is seen a little after it is over, and the next one begins a little after it is let go on.
        let soaked = begun - over;
        assert!((300..=330).contains(&soaked), "{soaked} s");
    }
    assert!(world.states.contains(&"BatchHeld".to_owned()));
    assert!(!world.states.contains(&"BatchSuspended".to_owned()));
}

#[test]
fn a_soak_says_what_it_waits_for_and_alarms_nobody() {
    let mut world = soaking(json!({}));
    world.run_to_state("BatchHeld");
    assert_eq!(world.said(condition::PAUSED), "True Soaking");
    assert_eq!(world.said(condition::READY), "Unknown Soaking");
    assert_eq!(world.said(condition::STALLED), "-");
    let said = world.pause_message();
    assert!(said.contains("spec.gates.soakSeconds"), "{said}");
    assert!(said.contains("ess-rollout.io/continue=1"), "{said}");
    let held = world.events.iter().filter(|e| e.reason == "BatchHeld");
    assert_eq!(held.count(), 1);
}

/// Nothing else tells that it is over.
#[test]
fn the_end_of_a_soak_is_looked_at_when_it_comes() {
    let mut world = soaking(json!({"gates": {"soakSeconds": 3600}}));
    world.run_to_state("BatchHeld");
    world.run_for(HOUR - 5 * MINUTE);
    let since = world.status().pause.as_ref().unwrap().since.0;
    let left = (since + SignedDuration::from_secs(3600)).duration_since(world.cloud.time());
    world.pass();
    let Next::After(wait) = world.next else {
        panic!("{:?}", world.next);
    };
    assert!(wait <= left.unsigned_abs(), "{wait:?}, {left:?}");
}

#[test]
fn a_person_who_says_continue_does_not_wait_for_the_soak() {
    let mut world = soaking(json!({"gates": {"soakSeconds": 3600}}));
    world.run_to_state("BatchHeld");
    world.annotated("continue", "1");
    world.run_for(2 * MINUTE);
    assert_eq!(world.cloud.approved, [1]);
    assert_eq!(world.ledger(), ["Continue Applied Continued"]);
    // For that pause alone.
    world.run_for(20 * MINUTE);
    assert_eq!(world.cloud.approved, [1]);
    assert_eq!(world.state(), "BatchHeld");
}

#[test]
fn a_level_stands_for_the_person_and_not_for_the_soak() {
    let each = json!({"suspensionPolicy": "SuspendEachBatch"});
    let mut world = soaking(each);
    world.run_to_state("BatchSuspended");
    let said = world.pause_message();
    assert!(said.contains("spec.approvedBatches to 2"), "{said}");
    world.edited(|task| task.spec.policy.approved_batches = Some(2));
    world.run_for(MINUTE);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert_eq!(world.state(), "BatchHeld");
    world.run_for(5 * MINUTE);
    assert_eq!(world.cloud.approved, [1]);
    // The soak of the second is over, and nobody has said anything.
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [1]);
    assert_eq!(world.state(), "BatchSuspended");
    world.edited(|task| task.spec.policy.approved_batches = Some(3));
    world.run_for(2 * MINUTE);
    assert_eq!(world.cloud.approved, [1, 2]);
}

#[test]
fn after_the_last_batch_there_is_nothing_to_soak_for() {
    let mut world = soaking(json!({"batches": 1}));
    world.cloud.pause_after_last = true;
    world.run_until(5 * MINUTE, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn nothing_is_taken_before_the_window_opens() {
    let world = script(json!({}));
    let window = open(&world, 2 * HOUR, 4 * HOUR);
    let mut world = written(world, &json!({"window": window}));
    let opens = world.cloud.now + 2 * HOUR;
    world.run_for(HOUR);
    assert_eq!(world.state(), "Pending");
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    assert_eq!(world.said(condition::STALLED), "-");
    assert!(world.cloud.sent.is_empty());
    assert!(!world.holds());
    let said = &world.condition(condition::READY).unwrap().message;
    assert!(said.contains("weekly patch slot"), "{said}");
    // Nor a place in the queue.
    let held = world.status().start_blocked.clone().unwrap();
    assert_eq!(held.held_until.unwrap().0.as_second(), opens);
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    let started = begun(&world)[0];
    assert!((opens..opens + 2 * MINUTE).contains(&started));
}

#[test]
fn what_does_not_fit_into_one_window_goes_on_in_the_next() {
    let mut world = script(json!({"batches": 4}));
    // It is open for ten minutes of each hour, and the next hour begins within one.
    let begin = world.cloud.now;
    let window = json!({"schedule": "0 * * * *", "durationMinutes": 10, "timeZone": "UTC"});
    world = written(
        world,
        &json!({"window": window, "gates": {"soakSeconds": 120}}),
    );
    world.run_until(6 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved, [1, 2, 3]);
    let begun = begun(&world);
    for time in &begun {
        let into = Timestamp::from_second(*time).unwrap().as_second() % HOUR;
        // Of the ten minutes four are for the batch and two for the soak.
        assert!(into <= 4 * MINUTE + 30, "{into} s into the hour");
    }
    assert!(begun[3] - begin > HOUR, "{begun:?}");
    assert!(world.states.contains(&"BatchHeld".to_owned()));
}

#[test]
fn a_person_cannot_open_a_window() {
    let world = script(json!({"batches": 2, "finishBy": "Off"}));
    let begin = world.cloud.now;
    let window = open(&world, -HOUR, HOUR + MINUTE);
    let mut world = written(world, &json!({"window": window}));
    world.cloud.slow.insert("i-0001".into(), 120);
    world.run_to_state("BatchSuspended");
    // One span, and that is over.
    assert_eq!(world.said(condition::PAUSED), "True BatchSuspended");
    let said = world.pause_message().to_owned();
    assert!(said.contains("never opens any more"), "{said}");
    assert!(said.contains("ess-rollout.io/cancel="), "{said}");
    world.annotated("continue", "1");
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert!(world.cloud.now > begin + HOUR);
    world.annotated("cancel", "1");
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Cancelled");
}

#[test]
fn a_freeze_lets_nothing_begin_and_what_is_under_way_end() {
    let world = script(json!({"batches": 2}));
    let freeze = span(&world, "Freeze", 30, HOUR);
    let thaws = world.cloud.now + 30 + HOUR;
    let mut world = written(world, &json!({"window": freeze, "finishBy": "Off"}));
    world.cloud.slow.insert("i-0001".into(), 120);
    world.run_to_state("BatchHeld");
    assert_eq!(world.said(condition::PAUSED), "True WindowClosed");
    assert_eq!(over(&world).len(), 1);
    world.run_until(2 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert!(begun(&world)[1] >= thaws);
}

#[test]
fn a_window_that_is_too_short_for_a_batch_starts_nothing_and_says_so() {
    let world = image(json!({}));
    let begin = world.cloud.now;
    // An image takes eight minutes at least, and no more than twice that is expected.
    let window = open(&world, 0, 15 * MINUTE);
    let mut world = written(world, &json!({"window": window}));
    world.pass();
    world.pass();
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::STALLED), "True WindowTooShort");
    let said = &world.condition(condition::READY).unwrap().message;
    assert!(said.contains("spec.finishBy to BestEffort"), "{said}");
    assert!(said.contains("16 min"), "{said}");
    // A late start is not made up for.
    assert!(world.cloud.sent.is_empty());
    assert!(world.cloud.now < begin + MINUTE);
    let best_effort = image(json!({"finishBy": "BestEffort"}));
    let window = open(&best_effort, 0, 15 * MINUTE);
    let mut best_effort = written(best_effort, &json!({"window": window, "batches": 1}));
    best_effort.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(best_effort.state(), "Succeeded");
}

/// Whoever writes it on a Monday need not wait for Friday night to learn it.
#[test]
fn a_window_that_will_be_too_short_is_told_of_before_it_opens() {
    let later = |finish: &str| {
        let world = image(json!({}));
        let window = open(&world, 100 * HOUR, 15 * MINUTE);
        let mut world = written(world, &json!({"window": window, "finishBy": finish}));
        world.pass();
        world.pass();
        world
    };
    let required = later("Required");
    assert_eq!(required.state(), "Blocked");
    assert_eq!(required.said(condition::STALLED), "True WindowTooShort");
    let said = &required.condition(condition::READY).unwrap().message;
    assert!(
        said.contains("spec.window (weekly patch slot) is never open for the 16 min"),
        "{said}"
    );
    assert!(said.contains("spec.finishBy to BestEffort"), "{said}");
    assert_eq!(later("Off").state(), "Pending");
    // Each day, and each time for less.
    let daily = json!({"schedule": "0 3 * * *", "durationMinutes": 15, "timeZone": "UTC"});
    let mut daily = written(image(json!({})), &json!({"window": daily}));
    daily.run_to_state("Blocked");
    assert_eq!(daily.said(condition::STALLED), "True WindowTooShort");
}

#[test]
fn an_update_that_would_leave_its_group_frozen_until_next_week_does_not_begin() {
    // Of twenty minutes each day four batches of four minutes fit, and five do not.
    let daily = json!({"schedule": "13 22 * * *", "durationMinutes": 20, "timeZone": "UTC"});
    let world = |batches: i32, more: Value| {
        let world = written(
            script(json!({})),
            &json!({"window": daily, "batches": batches}),
        );
        let mut world = written(world, &more);
        world.cloud.instances.clear();
        world.cloud.ecs.clear();
        let many = crate::cloud::Cloud::with_instances(6);
        (world.cloud.instances, world.cloud.ecs) = (many.instances, many.ecs);
        world
    };
    let mut too_long = world(6, json!({}));
    too_long.run_until(600, "Blocked", |w| w.state() == "Blocked");
    assert_eq!(too_long.said(condition::STALLED), "True WindowTooShort");
    let said = &too_long.condition(condition::READY).unwrap().message;
    assert!(said.contains("spec.maxFrozenSeconds"), "{said}");
    assert!(too_long.cloud.sent.is_empty());
    // A plan says it before the window is open.
    let later = json!({"schedule": "13 23 * * *", "durationMinutes": 20, "timeZone": "UTC"});
    let mut later = world(6, json!({"window": later, "desiredState": "Plan"}));
    later.run_for(MINUTE);
    assert_eq!(later.said(condition::PREFLIGHT), "False WindowTooShort");
    let said = &later.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        said.contains("ends at 2023-11-14T23:33:00Z, and 5 of 6 batches"),
        "{said}"
    );
    for (batches, more) in [
        (4, json!({})),
        (6, json!({"maxFrozenSeconds": 100_000})),
        (6, json!({"finishBy": "Off"})),
    ] {
        let mut fits = world(batches, more);
        fits.run_until(600, "Running", |w| w.cloud.count("StartExecution") == 1);
    }
}

#[test]
fn what_has_not_begun_in_time_ends() {
    let world = script(json!({}));
    let after = world.cloud.time() + SignedDuration::from_secs(HOUR);
    let window = open(&world, 2 * HOUR, HOUR);
    let mut world = written(
        world,
        &json!({"window": window, "notAfter": after.to_string(), "runKey": "v1"}),
    );
    world.run_for(HOUR - MINUTE);
    assert_eq!(world.state(), "Pending");
    world.run_for(2 * MINUTE);
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.said(condition::SUCCEEDED), "False WindowMissed");
    world.run_for(3 * HOUR);
    assert!(world.cloud.sent.is_empty());
    assert!(world.record_status().run_keys.is_empty());
}

#[test]
fn what_has_begun_in_time_misses_nothing() {
    let world = soaking(json!({}));
    let after = world.cloud.time() + SignedDuration::from_secs(5 * MINUTE);
    let mut world = written(world, &json!({"notAfter": after.to_string()}));
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn it_begins_no_earlier_than_it_is_told_to() {
    let world = script(json!({}));
    let before = world.cloud.time() + SignedDuration::from_secs(HOUR);
    let mut world = written(world, &json!({"notBefore": before.to_string()}));
    world.run_for(HOUR - MINUTE);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    assert!(world.cloud.sent.is_empty());
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert!(begun(&world)[0] >= before.as_second());
}

#[test]
fn a_plan_says_when_it_would_begin() {
    let world = script(json!({"desiredState": "Plan", "batches": 2}));
    let window = open(&world, HOUR, 10 * MINUTE);
    let mut world = written(world, &json!({"window": window}));
    world.run_to_state("Planned");
    let said = world
        .condition(condition::PREFLIGHT)
        .unwrap()
        .message
        .clone();
    assert!(said.contains("opens at"), "{said}");
    world.run_for(HOUR + 2 * MINUTE);
    assert_eq!(world.state(), "Planned");
    let said = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(said.contains("2 of 2 batches"), "{said}");
    // The second one may not be over by then, and what may begin no more it would never get.
    world.run_for(5 * MINUTE);
    assert_eq!(world.state(), "Blocked");
    let said = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(said.contains("after that none begins any more"), "{said}");
}

proptest! {
    #![proptest_config(seeded::config(64))]

    /// Whatever the windows, the soak, the lags and people's requests are: a batch is let go on when nothing holds it.
    #[test]
    fn no_batch_begins_while_something_holds_it(
        minutes in 5i32..=50,
        freeze in any::<bool>(),
        soak in 0i32..=900,
        lag in 0i64..=60,
        lag_of_parts in 0i64..=60,
        each in any::<bool>(),
        levels in prop::collection::vec((0i64..4 * HOUR, 1i32..=5), 0..3),
        continues in prop::collection::vec((0i64..4 * HOUR, 1i32..=4), 0..3),
    ) {
        let policy = if each { "SuspendEachBatch" } else { "Automatic" };
        let kind = if freeze { "Freeze" } else { "Allow" };
        let spec = json!({
            "window": {"kind": kind, "reason": "r", "schedule": "0 * * * *", "durationMinutes": minutes, "timeZone": "UTC"},
            "finishBy": "Off", "gates": {"soakSeconds": soak}, "suspensionPolicy": policy, "batches": 4,
        });
        let mut world = written(script(json!({})), &spec);
        (world.cloud.lag, world.cloud.lag_of_parts) = (lag, lag_of_parts);
        let written = world.task.spec.policy.windows.window.clone().unwrap();
        let window = Window::parse("spec.window", "spec.window", &written).unwrap();
        let begin = world.cloud.now;
        let (mut level, mut asked) = (0, Vec::new());
        let mut times: Vec<(i64, bool, i32)> = levels.iter().map(|(at, n)| (*at, true, *n))
            .chain(continues.iter().map(|(at, n)| (*at, false, *n))).collect();
        times.sort_unstable();
        let mut times = times.into_iter().peekable();
        while world.cloud.now < begin + 6 * HOUR && !world.at_rest() {
            if let Some((_, is_level, n)) = times.next_if(|(at, ..)| begin + at <= world.cloud.now) {
                if is_level {
                    level = level.max(n);
                    world.edited(|task| task.spec.policy.approved_batches = Some(level));
                } else {
                    asked.push(n);
                    let nonce = world.cloud.now;
                    world.annotated("continue", &format!("{n}@{nonce}"));
                }
            }
            let (now, before) = (world.cloud.time(), world.cloud.approved.len());
            let since = world.status().pause.as_ref().map(|pause| pause.since.0);
            let starts = world.cloud.count("StartExecution");
            world.pass();
            let is_open = evaluate([&window], now).is_open();
            if world.cloud.count("StartExecution") > starts {
                prop_assert!(is_open, "started at {now}");
            }
            for pause in world.cloud.approved[before..].iter().copied() {
                // After the last one nothing is held.
                if pause == 4 {
                    continue;
                }
                let soaked = since.is_some_and(|since| now.duration_since(since).as_secs() >= i64::from(soak));
                prop_assert!(is_open, "batch {pause} was left at {now}");
                prop_assert!(soaked || asked.contains(&pause), "after batch {pause} nothing soaked");
                prop_assert!(!each || level > pause || asked.contains(&pause), "nobody approved batch {pause}");
            }
            world.wait();
        }
        if !each {
            prop_assert_eq!(world.state(), "Succeeded");
        }
    }
}
