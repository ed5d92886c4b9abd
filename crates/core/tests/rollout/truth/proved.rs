//! A left-over is what was really changed: proved by an effect, never by an intent.

use ess_rollout_api::v1alpha1::RestoreKind;
use ess_rollout_cloud::{ErrorClass, Process};
use serde_json::json;

use crate::builders::image;
use crate::cloud::{NEW_IMAGE, OLD_IMAGE};
use crate::ending::cut_off;
use crate::world::World;

fn forced(world: &mut World) {
    world.annotated("force-delete", "true");
    world.deleted();
    world.run_until(600, "gone", |w| w.gone);
}

/// Every start is refused for lack of a permission: nothing was changed, whatever people change.
#[test]
fn a_start_that_was_denied_leaves_nothing_on_record() {
    let mut world = image(json!({"runKey": "release-7"}));
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    world.run_for(300);
    assert!(world.cloud.count("StartExecution") > 0);
    // People set another image, and suspend a process.
    world.cloud.configuration_image = NEW_IMAGE.into();
    world.cloud.group.as_mut().unwrap().suspended_processes = vec![Process::ScaleIn];
    forced(&mut world);
    assert_eq!(world.record_status().leftovers, []);
}

/// What is still changed when the object has to go, and no more than that.
#[test]
fn a_forced_deletion_lists_what_is_found_changed() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world.run_to_state("Restoring");
    // Somebody has put the image back already.
    world.cloud.configuration_image = OLD_IMAGE.into();
    forced(&mut world);
    let left = world.record_status().leftovers;
    let kinds = |kind| left.iter().filter(|l| l.kind == kind).count();
    assert_eq!(kinds(RestoreKind::Process), 4);
    assert_eq!(kinds(RestoreKind::ScalingConfigurationImage), 0);
}

/// Nothing can be read: what may be changed is listed, for whoever comes next to look at.
#[test]
fn a_forced_deletion_without_a_look_lists_what_may_be_changed() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    world
        .cloud
        .broken
        .insert("ScalingGroup", ErrorClass::Unauthenticated);
    forced(&mut world);
    let left = world.record_status().leftovers;
    assert!(
        left.iter()
            .any(|l| l.kind == RestoreKind::ScalingConfigurationImage)
    );
}
