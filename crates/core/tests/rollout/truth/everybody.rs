//! What a result says is held against every instance, however OOS calls the end.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::{EcsStatus, ErrorClass};
use serde_json::{Value, json};

use super::found::{cut_off_with, message, other_active};
use crate::builders::{image, script};
use crate::cloud::{NEW_IMAGE, OLD_IMAGE};
use crate::world::World;

const ALL: [&str; 4] = ["i-0001", "i-0002", "i-0003", "i-0004"];

fn failing(mut world: World, ids: &[&str]) -> World {
    for id in ids {
        world.cloud.failing.insert((*id).to_owned(), 9);
    }
    world
}

fn one_batch(max_errors: usize) -> Value {
    json!({"batches": 1, "maxErrors": max_errors, "onFailure": "Fail"})
}

/// OOS tolerates every failure, and calls that a success.
#[test]
fn an_update_that_was_done_to_nobody_has_failed() {
    let mut world = failing(image(one_batch(4)), &ALL);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False NotUpdated");
    let said = message(&world, condition::SUCCEEDED);
    assert!(
        said.contains("none of 4 instances") && said.contains("4 failed"),
        "{said}"
    );
    assert_eq!(world.said(condition::VERIFIED), "False NotUpdated");
    // New instances get what the others run.
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert_eq!(world.record_status().current, None);

    // A script tolerates none: a person passes over them.
    let mut world = failing(script(json!({"batches": 1})), &ALL);
    world.run_to_state("FailureSuspended");
    world.annotated("skip", "failed@1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False NotUpdated");
    assert_eq!(world.said(condition::VERIFIED), "Unknown NotSucceeded");
}

fn partly(mut world: World, named: &[&str]) {
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.said(condition::VERIFIED), "False PartlyUpdated");
    let said = message(&world, condition::VERIFIED);
    let count = format!("{} of 4 instances were not updated", named.len());
    for part in named.iter().copied().chain([count.as_str()]) {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn an_update_that_a_tolerated_failure_left_out_of_is_not_verified() {
    partly(
        failing(image(one_batch(1)), &["i-0002"]),
        &["i-0002 (Failed)"],
    );
}

#[test]
fn an_update_that_somebody_was_passed_over_in_is_not_verified() {
    for (verb, state) in [("skip", "Skipped"), ("cancel-instances", "Cancelled")] {
        for world in [image(json!({})), script(json!({}))] {
            let mut world = failing(world, &["i-0002"]);
            world.run_to_state("FailureSuspended");
            world.annotated(verb, "i-0002@1");
            partly(world, &[&format!("i-0002 ({state})")]);
        }
    }
}

#[test]
fn an_update_of_which_a_batch_was_skipped_is_not_verified() {
    let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    world.annotated("skip", "batch-2@1");
    world.run_until(200, "skipped", |w| w.ledger() == ["Skip Applied Skipped"]);
    world.annotated("continue", "1");
    partly(world, &["i-0003 (Skipped)", "i-0004 (Skipped)"]);
}

/// The image is on all of them; the one that was passed over stands in Standby, and cannot be put back.
#[test]
fn one_that_was_passed_over_and_never_came_back_does_not_serve() {
    let mut world = failing(image(json!({})), &["i-0002"]);
    world.run_to_state("FailureSuspended");
    let passed_over = world.cloud.ecs.iter_mut().find(|ecs| ecs.id == "i-0002");
    passed_over.unwrap().image = NEW_IMAGE.to_owned();
    world.cloud.broken.insert("ExitStandby", ErrorClass::Denied);
    world.annotated("skip", "i-0002@1");
    world.run_until(7200, "at rest", World::at_rest);
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let said = message(&world, condition::VERIFIED);
    assert!(said.contains("i-0002 is Standby"), "{said}");
}

/// It is not the group's any more, so that nothing of the group differs.
#[test]
fn one_that_was_passed_over_and_has_left_the_group_is_not_missed() {
    let mut world = failing(script(json!({})), &["i-0002"]);
    world.run_to_state("FailureSuspended");
    world.annotated("skip", "i-0002@1");
    world.cloud.instances.retain(|i| i.id != "i-0002");
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
}

#[test]
fn what_a_script_has_done_is_said_to_be_as_reported_and_not_as_read_back() {
    let mut world = script(json!({}));
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
    let said = message(&world, condition::VERIFIED);
    assert!(
        said.contains("what a script has done to an instance cannot be read back"),
        "{said}"
    );
    assert_eq!(world.status().result.as_ref().unwrap().read_back, None);
}

/// All run the new image when the update is cancelled, so that new instances are to get it as well.
#[test]
fn after_a_cancellation_that_all_were_updated_before_the_active_configuration_counts() {
    for (carries, verified) in [
        (OLD_IMAGE, "False ActiveConfigurationDiffers"),
        (NEW_IMAGE, "True AsWanted"),
    ] {
        let mut world = image(json!({"failedInstancePolicy": "ReturnToService", "batches": 1}));
        world.run_to_state("Running");
        world.cloud.advance(5);
        for ecs in &mut world.cloud.ecs {
            ecs.image = NEW_IMAGE.into();
        }
        other_active(&mut world, carries);
        world.annotated("cancel", "n1");
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
        assert_eq!(world.said(condition::VERIFIED), verified);
        let said = message(&world, condition::VERIFIED);
        assert!(
            said.contains("asc-2, which is active") || said.contains("asc-2 is active"),
            "{said}"
        );
    }
}

/// It goes back to what the others run, whatever is active.
#[test]
fn after_a_cancellation_half_way_the_active_configuration_is_a_note() {
    let world = cut_off_with(&["i-0001"]);
    assert_eq!(world.said(condition::VERIFIED), "False PartlyUpdated");
}

/// Updated, back in service, and stopped since.
fn stopped_after_its_update(mut world: World) -> World {
    world.run_to_state("BatchSuspended");
    world.cloud.set_ecs("i-0001", EcsStatus::Stopped);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    world
}

#[test]
fn an_instance_in_service_that_is_stopped_does_not_serve() {
    let world = stopped_after_its_update(image(json!({"suspensionPolicy": "SuspendFirstBatch"})));
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let said = message(&world, condition::VERIFIED);
    assert!(said.contains("of i-0001 is Stopped"), "{said}");
    let read_back = world
        .status()
        .result
        .as_ref()
        .unwrap()
        .read_back
        .clone()
        .unwrap();
    assert_eq!((read_back.updated, read_back.serving), (4, 3));
    let first = &world.status().instances[0];
    let serves = first
        .conditions
        .iter()
        .find(|c| c.type_ == "InService")
        .unwrap();
    assert_eq!(
        (serves.status.as_str(), serves.reason.as_str()),
        ("False", "NotInService")
    );
    assert!(serves.message.contains("Stopped"), "{}", serves.message);

    let world = stopped_after_its_update(script(json!({"suspensionPolicy": "SuspendFirstBatch"})));
    assert_eq!(world.said(condition::VERIFIED), "False Different");
}

#[test]
fn an_instance_that_was_stopped_before_the_update_may_be_so_after_it() {
    let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.cloud.set_ecs("i-0001", EcsStatus::Stopped);
    let world = stopped_after_its_update(world);
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
}
