//! What is said is what is: where a run takes place, what an answer leaves out, when everything is over.

use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::cloud::{BUILD_SECONDS, OLD_IMAGE};
use crate::world::{World, building, cron, task};

/// A task that puts a given image into place.
fn given() -> World {
    let mut world = World::new(task(json!({"imageId": "m-given"})));
    let mut image = world.cloud.images.values().next().unwrap().clone();
    image.id = "m-given".into();
    world.cloud.images.insert("m-given".into(), image);
    world
}

#[test]
fn there_is_a_time_to_wait_for_good_or_bad() {
    for fails in [false, true] {
        let mut world = building(json!({}));
        world.cloud.images_fail = fails;
        world.run_to_state("Running");
        assert_eq!(world.status().completion_time, None);
        world.run_to_rest();
        let first = world.status().completion_time.clone();
        assert!(first.is_some(), "{}", world.state());
        world.cloud.images_fail = false;
        world.annotated("run-now", "again");
        world.run_to_state("Running");
        assert_eq!(world.status().completion_time, None);
        world.run_to_rest();
        assert!(world.status().completion_time > first);
    }
}

/// It is never over while a schedule has another time.
#[test]
fn a_schedule_that_goes_on_is_not_completed() {
    let mut world = cron("0 2 * * *", json!({}));
    world.pass();
    assert_eq!(world.state(), "Scheduled");
    assert_eq!(world.status().completion_time, None);
    world.annotated("run-now", "once");
    world.run_to_state("Running");
    world.run_to_state("Scheduled");
    assert_eq!(world.status().completion_time, None);
}

#[test]
fn credentials_of_another_account_stop_a_run_and_say_so() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    let place = world.status().active.as_ref().unwrap().place.clone();
    let place = place.unwrap();
    assert_eq!(place.region_id, "cn-hangzhou");
    assert_eq!(place.account_id.as_deref(), Some("1001"));
    world.cloud.account = Some("2002".into());
    world.annotated("cancel", "1");
    for _ in 0..10 {
        world.pass();
        world.cloud.advance(60);
    }
    assert_eq!(world.condition("Stalled"), "True/AccountChanged");
    assert_eq!(world.cloud.count("CancelExecution"), 0);
    // OOS went on meanwhile, and had built the image before it could be told to stop.
    world.cloud.account = Some("1001".into());
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.condition("Verified"), "True/AsWanted");
}

/// Neither not put into place nor told to be gone.
#[test]
fn a_configuration_that_one_answer_leaves_out_gets_its_image() {
    let mut world = given();
    world.cloud.empty.insert("ScalingConfiguration");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.condition("Verified"), "True/AsWanted");
    assert_ne!(world.cloud.carried("asc-1"), OLD_IMAGE);
}

#[test]
fn an_execution_is_taken_for_gone_only_when_it_is_so_twice() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    let executions = std::mem::take(&mut world.cloud.executions);
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::NotFound);
    world.annotated("cancel", "1");
    for _ in 0..4 {
        world.pass();
        world.cloud.now += 10;
    }
    let run = world.status().active.as_ref().unwrap();
    assert!(run.cancellation.as_ref().unwrap().missing_since.is_some());
    assert!(run.end.is_none());
    // It was a lapse.
    world.cloud.executions = executions;
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    assert_ne!(world.newest().reason, "ExecutionGone");
}

/// Somebody makes another configuration active while the image is built.
fn other_active_meanwhile(mut world: World, carries: Option<&str>) -> World {
    world.run_to_state("Running");
    let group = world.cloud.group.as_mut().unwrap();
    group.active_scaling_configuration = Some("asc-2".into());
    if let Some(image) = carries {
        let other = world.cloud.configurations.get_mut("asc-2").unwrap();
        other.1 = image.into();
    }
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.carried("asc-1"), "m-1");
    world
}

/// New instances do not get what was built.
#[test]
fn another_configuration_that_is_active_by_the_end_is_not_as_wanted() {
    let world = other_active_meanwhile(building(json!({})), None);
    assert_eq!(
        world.condition("Verified"),
        "False/ActiveConfigurationDiffers"
    );
    for said in [world.message("Verified"), &world.newest().message] {
        for part in ["asc-2", OLD_IMAGE] {
            assert!(said.contains(part), "{said}");
        }
    }
    // It is somebody's: it is not changed.
    assert_eq!(world.cloud.carried("asc-2"), OLD_IMAGE);
}

#[test]
fn another_active_configuration_that_carries_the_image_is_as_wanted() {
    let world = other_active_meanwhile(building(json!({})), Some("m-1"));
    assert_eq!(world.condition("Verified"), "True/AsWanted");
    assert!(!world.newest().message.contains("asc-2"));
}

/// The spec names the configurations that are meant, active or not.
#[test]
fn configurations_that_the_spec_names_need_not_be_active_and_the_active_one_is_named() {
    let spec = json!({"scalingConfigurationIds": ["asc-1"]});
    let world = other_active_meanwhile(building(spec), None);
    assert_eq!(world.condition("Verified"), "True/AsWanted");
    assert!(world.message("Verified").contains("asc-2"));
    assert!(world.newest().message.contains("asc-2"));
}

/// A call that a person has to grant is not sent at the same pace for as long as nobody does.
#[test]
fn a_cancellation_that_is_denied_is_tried_ever_more_rarely() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::Denied);
    world.annotated("cancel", "1");
    let end = world.cloud.now + BUILD_SECONDS - 60;
    while world.cloud.now < end {
        world.pass();
        world.cloud.advance(5);
    }
    let count = world.cloud.count("CancelExecution");
    assert!((3..=4).contains(&count), "{count}");
    assert_eq!(world.condition("Stalled"), "True/AccessDenied");
}
