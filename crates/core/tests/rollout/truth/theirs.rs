//! What people do to the group while an update runs is left to them, and what keeps what the update put
//! there is said.

use ess_rollout_api::v1alpha1::{RestoreKind, condition};
use ess_rollout_cloud::{LifecycleState, Mutation};
use serde_json::{Value, json};

use super::found::message;
use crate::builders::{image, script};
use crate::cloud::{NEW_IMAGE, OLD_IMAGE};
use crate::rolling_back::{finished_image, rollback};
use crate::world::World;

fn first(more: Value) -> Value {
    let mut all = json!({"suspensionPolicy": "SuspendFirstBatch"});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

fn state_of(world: &World, id: &str) -> LifecycleState {
    let mut instances = world.cloud.instances.iter();
    instances.find(|i| i.id == id).unwrap().state.clone()
}

/// The instances that were ever taken out of Standby.
fn taken_out(world: &World) -> Vec<String> {
    let sent = world
        .cloud
        .sent
        .iter()
        .filter_map(|mutation| match mutation {
            Mutation::ExitStandby { instances, .. } => Some(instances.clone()),
            _ => None,
        });
    sent.flatten().collect()
}

#[test]
fn an_update_that_succeeded_names_what_is_not_as_it_was_found() {
    let mut world = image(json!({}));
    world.run_to_rest();
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(
        message(&world, condition::RESTORED),
        "the scaling group is as it was found, but for scaling configuration asc-1, which carries m-new now"
    );
    let mut world = script(json!({}));
    world.run_to_rest();
    assert_eq!(
        message(&world, condition::RESTORED),
        "the scaling group is as it was found"
    );
    let mut world = image(first(json!({"failedInstancePolicy": "ReturnToService"})));
    world.run_to_state("BatchSuspended");
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(
        message(&world, condition::RESTORED),
        "the scaling group is as it was found"
    );
}

/// The next batch was still to come when somebody took one of its instances out of service.
#[test]
fn an_instance_that_the_run_has_not_reached_stays_in_the_standby_that_somebody_put_it_into() {
    for policy in ["ReturnToService", "KeepInStandby"] {
        let mut world = image(first(json!({"failedInstancePolicy": policy})));
        world.run_to_state("BatchSuspended");
        world.cloud.set_state("i-0004", LifecycleState::Standby);
        world.annotated("cancel", "n1");
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
        assert_eq!(
            state_of(&world, "i-0004"),
            LifecycleState::Standby,
            "{policy}"
        );
        assert_eq!(taken_out(&world), Vec::<String>::new(), "{policy}");
        assert_eq!(world.record_status().leftovers, [], "{policy}");
        assert_eq!(world.said(condition::RESTORED), "True Restored");
    }
}

/// It began between the last look and the cancellation, and the list that told of it was short once.
#[test]
fn an_instance_that_began_when_nobody_looked_is_taken_back_to_service() {
    let mut world = image(first(json!({"failedInstancePolicy": "ReturnToService"})));
    world.run_to_state("BatchSuspended");
    world.cloud.approve_in_console();
    world.cloud.advance(3);
    world.hide(&["Children"], "exec-1-i-0003-1");
    world.hide(&["Children"], "exec-1-i-0004-1");
    world.annotated("cancel", "n1");
    world.run_to_state("Restoring");
    let third = world.status().instances.iter().find(|i| i.id == "i-0003");
    assert_eq!(third.unwrap().execution_id, None);
    assert_eq!(state_of(&world, "i-0003"), LifecycleState::Standby);
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(state_of(&world, "i-0003"), LifecycleState::InService);
    assert_eq!(state_of(&world, "i-0004"), LifecycleState::InService);
    assert_eq!(world.said(condition::RESTORED), "True Restored");
}

fn left_to_them(world: &World, wanted: &str) {
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.cloud.configuration_image, "m-theirs");
    assert_eq!(world.cloud.count("ModifyScalingConfiguration"), 0);
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let said = message(world, condition::VERIFIED);
    assert!(said.contains("asc-1") && said.contains(wanted), "{said}");
    let left = world.record_status().leftovers;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].kind, RestoreKind::ScalingConfigurationImage);
    assert!(left[0].message.contains("somebody changed it"));
}

#[test]
fn a_third_image_in_the_configuration_outlives_an_update_that_succeeds() {
    let mut world = image(first(json!({})));
    world.run_to_state("BatchSuspended");
    world.cloud.configuration_image = "m-theirs".into();
    world.annotated("continue", "1");
    world.run_to_rest();
    left_to_them(&world, NEW_IMAGE);
}

#[test]
fn a_third_image_in_the_configuration_outlives_a_rollback_that_succeeds() {
    let mut update = finished_image();
    let mut back = rollback(&mut update, first(json!({})));
    back.run_to_state("BatchSuspended");
    back.cloud.configuration_image = "m-theirs".into();
    back.annotated("continue", "1");
    back.run_to_rest();
    left_to_them(&back, OLD_IMAGE);
}

/// The template has not got as far as that: it is as the update found it, and gets the image.
#[test]
fn a_configuration_that_is_as_it_was_found_gets_the_image_of_an_update_that_succeeded() {
    let mut world = image(first(json!({})));
    world.run_to_state("BatchSuspended");
    world.cloud.configuration_image = OLD_IMAGE.into();
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
}
