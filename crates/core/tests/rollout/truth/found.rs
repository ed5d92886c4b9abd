//! What is found at the end, whatever OOS said and whatever was captured at the start.

use ess_rollout_api::v1alpha1::{InstanceState, ReadBack, condition};
use ess_rollout_cloud::{EcsStatus, ExecutionStatus, LifecycleState};
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::{NEW_IMAGE, OLD_IMAGE};
use crate::world::World;

pub fn message(world: &World, type_: &str) -> String {
    world.condition(type_).unwrap().message.clone()
}

/// The disks of these are replaced before the run is cut off; OOS calls them cancelled.
pub fn cut_off_with(updated: &[&str]) -> World {
    let mut world = image(json!({"failedInstancePolicy": "ReturnToService", "batches": 1}));
    world.run_to_state("Running");
    world.cloud.advance(5);
    for ecs in &mut world.cloud.ecs {
        if updated.contains(&ecs.id.as_str()) {
            ecs.image = NEW_IMAGE.into();
        }
    }
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
    world
}

pub fn other_active(world: &mut World, image: &str) {
    let configurations = &mut world.cloud.other_configurations;
    configurations.insert("asc-2".into(), image.into());
    let group = world.cloud.group.as_mut().unwrap();
    group.active_scaling_configuration = Some("asc-2".into());
}

#[test]
fn another_active_configuration_is_what_new_instances_come_from() {
    let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    other_active(&mut world, OLD_IMAGE);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(
        world.said(condition::VERIFIED),
        "False ActiveConfigurationDiffers"
    );
    let said = message(&world, condition::VERIFIED);
    for part in ["asc-2", OLD_IMAGE, "asc-1", NEW_IMAGE] {
        assert!(said.contains(part), "{said}");
    }
    // It is somebody's: it is not changed.
    assert_eq!(world.cloud.other_configurations["asc-2"], OLD_IMAGE);
    assert_eq!(world.cloud.count("ModifyScalingConfiguration"), 0);
}

#[test]
fn another_active_configuration_that_carries_the_image_is_as_wanted() {
    let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    other_active(&mut world, NEW_IMAGE);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    assert!(message(&world, condition::VERIFIED).contains("asc-2"));
}

#[test]
fn a_launch_template_that_took_over_is_told_of() {
    let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    let group = world.cloud.group.as_mut().unwrap();
    group.active_scaling_configuration = None;
    group.launch_template = Some("lt-1".into());
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(
        world.said(condition::VERIFIED),
        "False ActiveConfigurationDiffers"
    );
    assert!(message(&world, condition::VERIFIED).contains("lt-1"));
}

/// The image of the configuration is not the update's business.
#[test]
fn an_update_that_leaves_the_configuration_alone_says_nothing_of_it() {
    let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    other_active(&mut world, OLD_IMAGE);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
    assert!(!message(&world, condition::VERIFIED).contains("configuration"));
}

#[test]
fn a_cancelled_run_says_what_the_instances_run() {
    let world = cut_off_with(&["i-0001", "i-0002", "i-0003"]);
    let result = world.status().result.clone().unwrap();
    let counts = ReadBack {
        total: 4,
        updated: 3,
        serving: 3,
        other: 1,
        unknown: 0,
    };
    assert_eq!(result.read_back, Some(counts));
    for said in [result.message, message(&world, condition::VERIFIED)] {
        assert!(
            said.contains("3 of 4 instances run m-new, 3 of them in service"),
            "{said}"
        );
        assert!(said.contains("i-0004 runs image m-old"), "{said}");
    }
    assert_eq!(world.said(condition::VERIFIED), "False PartlyUpdated");
    // Some run it and some do not: new ones get what was there before.
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert!(message(&world, condition::VERIFIED).contains("asc-1, which is active, carries m-old"));
    let first = &world.status().instances[0];
    assert_eq!(first.state, InstanceState::Cancelled);
    let updated = first
        .conditions
        .iter()
        .find(|c| c.type_ == "Updated")
        .unwrap();
    assert_eq!(
        (updated.status.as_str(), updated.reason.as_str()),
        ("True", "FoundUpdated")
    );
}

#[test]
fn a_cancelled_run_that_changed_nothing_says_so() {
    let world = cut_off_with(&[]);
    assert_eq!(world.said(condition::VERIFIED), "False NotUpdated");
    let said = &world.status().result.as_ref().unwrap().message;
    assert!(said.contains("0 of 4 instances run m-new"), "{said}");
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
}

/// What new instances get follows what the others run.
#[test]
fn the_configuration_keeps_the_image_that_all_instances_run() {
    let world = cut_off_with(&["i-0001", "i-0002", "i-0003", "i-0004"]);
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    let said = message(&world, condition::VERIFIED);
    assert!(
        said.contains("asc-1, which is active, carries m-new"),
        "{said}"
    );
    assert!(world.status().restore.as_ref().unwrap().all_updated);
}

/// Cancelled between the image and the start: all run the new one, and who was left in Standby serves nobody.
#[test]
fn whoever_runs_the_new_image_in_standby_is_not_as_wanted() {
    let mut world = image(json!({"batches": 2}));
    world.run_to_state("Running");
    world.cloud.advance(5);
    world.annotated("cancel", "n1");
    world.run_to_state("Restoring");
    for ecs in &mut world.cloud.ecs {
        ecs.image = NEW_IMAGE.to_owned();
    }
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let said = message(&world, condition::VERIFIED);
    assert!(said.contains("i-0001 is Standby"), "{said}");
    assert!(
        said.contains("4 of 4 instances run m-new, 2 of them in service"),
        "{said}"
    );
}

/// A failure after the last instance: OOS says that it failed, and all run the new image.
#[test]
fn a_run_that_failed_after_its_last_instance_keeps_what_all_run() {
    let mut world = image(json!({"batches": 1}));
    world.run_to_state("Running");
    world.cloud.advance(5);
    world.cloud.frozen = true;
    for ecs in &mut world.cloud.ecs {
        ecs.image = NEW_IMAGE.into();
        ecs.status = EcsStatus::Running;
    }
    for id in ["i-0001", "i-0002", "i-0003", "i-0004"] {
        world.cloud.set_state(id, LifecycleState::InService);
    }
    world.cloud.end("exec-1", ExecutionStatus::Failed);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False ExecutionFailed");
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
}

/// Somebody put a third image there meanwhile.
#[test]
fn a_configuration_that_somebody_changed_is_left_to_them_here_too() {
    let mut world = image(json!({"failedInstancePolicy": "ReturnToService", "batches": 1}));
    world.run_to_state("Running");
    world.cloud.advance(5);
    for ecs in &mut world.cloud.ecs {
        ecs.image = NEW_IMAGE.into();
    }
    world.annotated("cancel", "n1");
    world.run_to_state("Restoring");
    world.cloud.configuration_image = "m-theirs".into();
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, "m-theirs");
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
}

/// What a script did to an instance cannot be read, and nothing is made up.
#[test]
fn what_cannot_be_read_is_not_counted() {
    let mut world = script(json!({"onFailure": "Fail"}));
    world.cloud.failing.insert("i-0001".into(), 9);
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "Unknown NotSucceeded");
    assert_eq!(world.status().result.as_ref().unwrap().read_back, None);
}

#[test]
fn completion_is_the_end_of_everything() {
    let mut world = image(json!({"onFailure": "Fail"}));
    world.cloud.failing.insert("i-0002".into(), 9);
    world.run_to_state("Restoring");
    assert!(world.status().completion_time.is_none());
    world.run_to_rest();
    let completed = world.status().completion_time.clone().unwrap();
    assert!(completed > world.status().result.as_ref().unwrap().time);
    world.run_for(60);
    assert_eq!(world.status().completion_time, Some(completed));

    let mut world = script(json!({}));
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert!(world.status().completion_time.is_some());
}

/// One answer that leaves an instance out says nothing good of it; it is read again.
#[test]
fn an_instance_that_cannot_be_read_is_not_verified() {
    for comes_back in [true, false] {
        let mut world = image(json!({}));
        world.run_to_state("Running");
        let hidden = ("EcsInstances", "i-0003".to_owned());
        world.cloud.hidden.insert(hidden.clone());
        world.cloud.advance(100);
        world.run_for(20);
        assert!(!world.at_rest());
        if comes_back {
            world.cloud.hidden.remove(&hidden);
        }
        world.run_to_rest();
        let said = if comes_back {
            "True AsWanted"
        } else {
            "False Different"
        };
        assert_eq!(world.said(condition::VERIFIED), said);
    }
}
