//! `spec.startingDeadlineSeconds`: what is Blocked for too long ends, what waits does not.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::NEW_IMAGE;
use crate::pending::held_by_another;
use crate::rolling_back::rollback;
use crate::world::World;

const DAY: i64 = 24 * 3600;

fn without_its_image(spec: serde_json::Value) -> World {
    image(spec).without_its_image()
}

fn exceeded(world: &World, named: &str) {
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
    assert_eq!(world.state(), "Failed");
    let message = &world.condition(condition::SUCCEEDED).unwrap().message;
    assert!(message.contains(named), "{message}");
    assert!(
        message.contains("spec.startingDeadlineSeconds"),
        "{message}"
    );
    let ended = |e: &ess_rollout_core::rollout::Event| e.reason == "Failed";
    assert!(world.events.iter().any(ended));
}

#[test]
fn what_is_blocked_for_a_day_ends_and_does_not_start_later() {
    let mut world = without_its_image(json!({"runKey": "v1"}));
    let images = image(json!({})).cloud.images;
    world.run_for(DAY - 120);
    assert_eq!(world.state(), "Blocked");
    let writes = world.task_writes;
    world.run_for(300);
    exceeded(&world, NEW_IMAGE);
    assert!(world.task_writes - writes <= 2);
    world.cloud.images = images;
    world.run_for(3600);
    assert!(world.cloud.sent.is_empty());
    // Nothing was started, so the key is free.
    assert!(world.record_status().run_keys.is_empty());
}

#[test]
fn the_deadline_can_be_set_and_is_no_part_of_what_the_run_is() {
    let mut world = without_its_image(json!({"startingDeadlineSeconds": 600}));
    world.run_for(300);
    world.edited(|task| task.spec.policy.starting_deadline_seconds = Some(900));
    world.run_for(500);
    assert_eq!(world.state(), "Blocked");
    world.run_for(200);
    exceeded(&world, "900 s");
}

/// An operator that was away comes back: the image is there by then.
#[test]
fn a_deadline_that_passed_while_nobody_looked_is_kept() {
    let mut world = without_its_image(json!({}));
    let images = image(json!({})).cloud.images;
    world.run_for(60);
    world.cloud.advance(DAY);
    world.cloud.images = images;
    world.run_for(60);
    exceeded(&world, NEW_IMAGE);
    assert!(world.cloud.sent.is_empty());
}

#[test]
fn waiting_for_the_group_has_no_deadline_and_interrupts_the_count() {
    let mut world = held_by_another();
    world.run_for(3 * DAY);
    assert_eq!(world.state(), "Pending");
    world
        .record
        .as_mut()
        .unwrap()
        .status
        .as_mut()
        .unwrap()
        .holder = None;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");

    let mut world = without_its_image(json!({"startingDeadlineSeconds": 600}));
    let images = image(json!({})).cloud.images;
    world.run_for(300);
    world.record = held_by_another().record;
    world.run_for(3000);
    assert_eq!(world.state(), "Pending");
    world.record = None;
    world.cloud.images = images;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn what_was_blocked_before_counts_again_when_it_is_blocked_again() {
    let mut world = without_its_image(json!({"startingDeadlineSeconds": 600}));
    world.run_for(400);
    world.record = held_by_another().record;
    world.run_for(3000);
    world.record = None;
    world.run_for(150);
    assert_eq!(world.state(), "Blocked");
    world.run_for(150);
    exceeded(&world, NEW_IMAGE);
}

#[test]
fn every_way_to_be_blocked_counts_and_planning_does_not() {
    let short = json!({"startingDeadlineSeconds": 600});
    let mut of_spec = script(short.clone());
    of_spec.settings.own_credentials_namespaces.clear();
    let mut denied = script(short.clone());
    denied
        .cloud
        .broken
        .insert("ScalingGroup", ErrorClass::Denied);
    for mut world in [of_spec, denied] {
        world.run_until(660, "ended", |w| w.state() == "Failed");
        exceeded(&world, "");
    }
    let mut planned = without_its_image(json!({
        "startingDeadlineSeconds": 600, "desiredState": "Plan",
    }));
    planned.run_for(3000);
    assert_eq!(planned.state(), "Blocked");
}

/// The group that a rollback took over is put back at its end.
#[test]
fn a_rollback_ends_too_and_puts_back_what_it_took_over() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let images = update.cloud.images.clone();
    let mut back = rollback(&mut update, json!({"startingDeadlineSeconds": 600}));
    back.run_until(60, "taken over", World::holds);
    back.cloud.images.clear();
    back.run_until(900, "ends", |w| w.status().result.is_some());
    back.cloud.images = images;
    back.run_to_rest();
    exceeded(&back, "m-old");
    assert!(back.cloud.suspended().is_empty());
}
