//! What would stand against an update that waits for its time is said while it waits.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::ErrorClass;
use jiff::SignedDuration;
use serde_json::json;

use crate::builders::image;
use crate::cloud::Cloud;
use crate::gating::asked;
use crate::holding::{begun, open, written};
use crate::rolling_back::{finished_image, rollback};
use crate::world::World;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// An image update whose window opens so many seconds from now on, and is open for three hours.
fn waiting(from: i64) -> World {
    let world = image(json!({"batches": 2}));
    let window = open(&world, from, 3 * HOUR);
    written(world, &json!({"window": window}))
}

fn has_its_image(world: &mut World) {
    world.cloud.images = Cloud::with_instances(4).images;
}

/// How often the template was looked up while this time passes: it is once in each look.
fn looks(world: &mut World, seconds: i64) -> usize {
    let before = asked(world, "Template");
    world.run_for(seconds);
    asked(world, "Template") - before
}

#[test]
fn an_image_that_is_missing_is_said_days_before_the_window_opens() {
    let mut world = waiting(3 * DAY).without_its_image();
    let opens = world.cloud.now + 3 * DAY;
    world.run_for(60);
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::STALLED), "True ImageNotFound");
    assert_eq!(world.said(condition::PREFLIGHT), "False ImageNotFound");
    let said = world.ready();
    assert!(said.starts_with("spec.update.image.imageId: "), "{said}");
    assert!(
        said.contains("spec.window (weekly patch slot) is closed until"),
        "{said}"
    );
    assert!(!world.holds() && world.cloud.sent.is_empty());
    let held = world.status().start_blocked.clone().unwrap();
    assert_eq!(held.held_until.unwrap().0.as_second(), opens);

    // It is mended, which is seen within the hour.
    has_its_image(&mut world);
    world.run_for(HOUR);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    assert_eq!(world.said(condition::STALLED), "-");
    let said = world.ready();
    assert!(
        said.contains("; nothing else stood against it at "),
        "{said}"
    );
    world.run_until(4 * DAY, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    let took = begun(&world)[0] - opens;
    assert!((0..120).contains(&took), "began {took} s after it opened");
    assert_eq!(world.status().preflight_check, None);
}

#[test]
fn the_starting_deadline_begins_when_the_window_opens() {
    let mut world = waiting(3 * DAY).without_its_image();
    world.run_for(3 * DAY - 60);
    assert_eq!(world.state(), "Blocked");
    // By then it is the image alone that keeps it.
    world.task.spec.policy.starting_deadline_seconds = Some(600);
    world.run_for(300);
    assert_eq!(world.state(), "Blocked");
    assert!(!world.ready().contains("spec.window"), "{}", world.ready());
    world.run_for(600);
    let ended = "False StartingDeadlineExceeded";
    assert_eq!(world.said(condition::SUCCEEDED), ended);
}

#[test]
fn what_waits_is_looked_at_when_it_is_written_and_before_its_window_opens() {
    let mut world = waiting(3 * DAY);
    assert_eq!(looks(&mut world, 60), 1);
    let writes = world.task_writes;
    assert_eq!(looks(&mut world, 3 * DAY - HOUR - 120), 0);
    assert_eq!(world.task_writes, writes, "written while it waits");
    assert!(looks(&mut world, HOUR / 2) <= 1);
    // What has gone wrong since is known half an hour before, at the least.
    let mut world = waiting(3 * DAY);
    world.run_for(HOUR);
    let mut world = world.without_its_image();
    world.run_for(3 * DAY - HOUR - HOUR / 2 + 60);
    assert_eq!(world.said(condition::STALLED), "True ImageNotFound");
}

#[test]
fn what_is_wrong_for_long_is_looked_at_ever_less() {
    let mut world = waiting(10 * DAY).without_its_image();
    world.run_for(DAY);
    let looked = looks(&mut world, DAY);
    assert!((23..=25).contains(&looked), "{looked} looks in a day");
}

/// When windows open for many, these are not all looked at in one minute.
#[test]
fn looks_before_one_and_the_same_time_are_spread() {
    let looked_at = |number: usize| {
        let mut world = waiting(DAY);
        world.task.metadata.uid = Some(format!("0f0f-{number}"));
        world.run_for(60);
        let first = world.status().preflight_check.clone().unwrap().time;
        world.run_for(DAY - HOUR / 2);
        let second = world.status().preflight_check.clone().unwrap().time;
        let before = DAY + first.0.as_second() - second.0.as_second();
        assert!((HOUR / 2..HOUR + 60).contains(&before), "{before} s before");
        second
    };
    let mut times: Vec<_> = (0..8).map(looked_at).collect();
    times.sort();
    times.dedup();
    assert!(times.len() >= 6, "{times:?}");
}

#[test]
fn a_permission_that_is_missing_is_said_and_what_passes_by_itself_is_not() {
    let mut world = waiting(DAY);
    world
        .cloud
        .broken
        .insert("ScalingGroup", ErrorClass::Denied);
    world.run_for(60);
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::STALLED), "True AccessDenied");
    assert!(
        world.ready().contains("weekly patch slot"),
        "{}",
        world.ready()
    );

    let mut world = waiting(DAY);
    world.cloud.broken.insert("ScalingGroup", ErrorClass::Retry);
    world.run_for(10 * 60);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    assert!(
        !world.ready().contains("nothing else stood"),
        "{}",
        world.ready()
    );
    world.cloud.broken.clear();
    world.run_for(HOUR);
    assert!(
        world.ready().contains("nothing else stood"),
        "{}",
        world.ready()
    );
}

/// Hundreds that wait for a window leave the rate to what is under way.
#[test]
fn while_the_rate_is_spent_nobody_looks_twice_a_minute() {
    let mut world = waiting(DAY);
    world.cloud.broken.insert("Template", ErrorClass::Throttled);
    let looked = looks(&mut world, 10 * 60);
    assert!((5..=11).contains(&looked), "{looked} looks");
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
}

#[test]
fn before_spec_not_before_it_is_the_same() {
    let world = image(json!({})).without_its_image();
    let time = world.cloud.time() + SignedDuration::from_hours(5);
    let mut world = written(world, &json!({"notBefore": time.to_string()}));
    world.run_for(60);
    assert_eq!(world.said(condition::STALLED), "True ImageNotFound");
    assert!(
        world.ready().contains("(spec.notBefore)"),
        "{}",
        world.ready()
    );
    has_its_image(&mut world);
    world.run_until(DAY, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

/// Nothing lifts that any more: it is of no use to wait for the window.
#[test]
fn a_rollback_of_what_was_updated_since_ends_before_its_window_opens() {
    let mut update = finished_image();
    let window = open(&update, DAY, 3 * HOUR);
    let mut back = rollback(&mut update, json!({"window": window}));
    back.run_for(60);
    assert_eq!(back.said(condition::READY), "Unknown WindowClosed");
    let mut later = back.cloud.executions[0].clone();
    later.id = "exec-later".into();
    later.start = Some(back.cloud.time());
    later.tags.clear();
    back.cloud.executions.push(later);
    back.run_for(DAY - HOUR / 2);
    assert_eq!(back.said(condition::SUCCEEDED), "False NotLatest");
    assert_eq!(back.cloud.count("StartExecution"), 1, "that of the update");
}
