//! The region and the account of a run do not change under it.

use ess_rollout_api::v1alpha1::{Place, condition};
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::{Fate, OLD_IMAGE};
use crate::ending::cut_off;
use crate::world::World;

fn moved(world: &mut World) {
    world.settings.default_region = Some("cn-beijing".into());
}

#[test]
fn a_default_region_that_changes_under_a_run_does_not_move_it() {
    let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    let place = Place {
        region_id: "cn-hangzhou".into(),
        account_id: Some("1001".into()),
    };
    assert_eq!(world.status().place, Some(place));
    moved(&mut world);
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert!(world.cloud.suspended().is_empty());
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert!(world.record_status().holder.is_none());
}

/// Before anything is on record the default of the day is what counts.
#[test]
fn a_task_that_waits_follows_the_default_region() {
    let mut world = script(json!({}));
    world.cloud.template = None;
    world.run_for(5);
    assert_eq!(world.status().place, None);
    moved(&mut world);
    world.cloud.template = Some(ess_rollout_cloud::Template {
        name: String::new(),
        version: "v3".into(),
    });
    world.run_for(120);
    assert_eq!(
        world.said(condition::PREFLIGHT),
        "False ScalingGroupNotFound"
    );
}

#[test]
fn credentials_of_another_account_stop_everything_and_say_so() {
    for state in ["BatchSuspended", "Restoring"] {
        let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch"}));
        world.run_to_state("BatchSuspended");
        if state == "Restoring" {
            world.annotated("cancel", "n1");
            world.run_to_state(state);
        }
        world.cloud.account = Some("2002".into());
        let group = world.cloud.group.take();
        let executions = std::mem::take(&mut world.cloud.executions);
        world.annotated("cancel", "n1");
        let sent = world.cloud.sent.len();
        world.run_for(1000);
        assert_eq!(world.said(condition::STALLED), "True AccountChanged");
        let message = &world.condition(condition::STALLED).unwrap().message;
        assert!(
            message.contains("1001") && message.contains("2002"),
            "{message}"
        );
        assert_eq!(world.cloud.sent.len(), sent);
        assert!(world.holds());
        (world.cloud.group, world.cloud.executions) = (group, executions);
        world.cloud.account = Some("1001".into());
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
        assert_eq!(world.said(condition::RESTORED), "True Restored");
        assert!(world.cloud.suspended().is_empty());
    }
}

/// A start without an answer is not made again in another account.
#[test]
fn a_start_is_not_repeated_in_another_account() {
    let mut world = script(json!({}));
    world.cloud.fates = vec![Fate::Lost];
    world.pass();
    assert_eq!(world.cloud.count("StartExecution"), 1);
    world.cloud.account = Some("2002".into());
    world.run_for(600);
    assert_eq!(world.cloud.count("StartExecution"), 1);
    assert_eq!(world.said(condition::STALLED), "True AccountChanged");
}

#[test]
fn a_deletion_that_may_not_wait_does_not_wait_for_credentials() {
    let mut world = cut_off(json!({"deletionTimeoutSeconds": 120}));
    world.run_to_state("Restoring");
    world.cloud.account = Some("2002".into());
    world.deleted();
    world.run_until(600, "gone", |w| w.gone);
    assert!(!world.record_status().leftovers.is_empty());
}

/// STS was out of reach at the start. What other credentials do not show later says nothing, either.
#[test]
fn an_account_that_could_not_be_told_at_the_start_is_noted_with_the_next_look_at_the_run() {
    let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.cloud.account = None;
    world.run_to_state("BatchSuspended");
    world.cloud.account = Some("1001".into());
    world.run_for(120);
    let place = world.status().place.clone().unwrap();
    assert_eq!(place.account_id.as_deref(), Some("1001"));
    world.cloud.account = Some("2002".into());
    world.cloud.executions.clear();
    world.annotated("cancel", "n1");
    world.run_for(1000);
    assert_eq!(world.said(condition::STALLED), "True AccountChanged");
    assert!(world.holds());
}

/// STS out of reach, or an object from before this was on record: everything goes on.
#[test]
fn what_cannot_be_told_holds_nothing_up() {
    let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.cloud.account = None;
    world.run_to_state("BatchSuspended");
    assert_eq!(world.status().place.as_ref().unwrap().account_id, None);
    world.cloud.account = Some("2002".into());
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::RESTORED), "True Restored");

    let mut world = cut_off(json!({}));
    world.pass();
    world.edited(|task| {
        let status = task.status.as_mut().unwrap();
        status.place = None;
        status.plan.as_mut().unwrap().left_out = None;
    });
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    assert!(world.status().completion_time.is_some());
}
