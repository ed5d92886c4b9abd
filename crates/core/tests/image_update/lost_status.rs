//! A status that somebody has wiped: what OOS knows of the object's runs is found again.

use ess_rollout_api::v1alpha1::{ImageUpdateTaskStatus, RunOutcome};
use serde_json::json;

use crate::world::{World, building, cron};

/// As `kubectl replace --subresource=status` with nothing, or a restore from a backup that leaves statuses out.
fn wiped(world: &mut World) {
    world.task.status = Some(ImageUpdateTaskStatus {
        observed_generation: Some(-1),
        ..ImageUpdateTaskStatus::default()
    });
    world.task_writes += 1;
}

#[test]
fn a_run_under_way_is_taken_up_again_and_seen_to_its_end() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    wiped(&mut world);
    world.run_to_rest();
    assert_eq!(world.outcomes(), [(1, RunOutcome::Succeeded)]);
    assert_eq!(world.condition("Verified"), "True/AsWanted");
    assert_eq!(world.cloud.count("StartExecution"), 1);
    assert_eq!(world.holder(), None);
}

#[test]
fn it_can_be_cancelled() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    wiped(&mut world);
    world.pass();
    world.annotated("cancel", "enough");
    world.run_to_rest();
    assert_eq!(world.outcomes(), [(1, RunOutcome::Cancelled)]);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
}

#[test]
fn a_deletion_cancels_it() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    wiped(&mut world);
    world.deleted();
    world.run_until(7200, "gone", |world| world.gone);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    assert_eq!(world.holder(), None);
}

/// The group's record went, too: before anything begins OOS is asked.
#[test]
fn nothing_is_built_beside_it_without_a_record_either() {
    let mut world = cron("0 13 * * *", json!({}));
    world.run_to_state("Running");
    wiped(&mut world);
    world.record = None;
    world.task.metadata.annotations = None;
    world.run_until(7200, "the end of the run", |world| {
        !world.status().history.is_empty()
    });
    assert_eq!(world.outcomes(), [(1, RunOutcome::Succeeded)]);
    assert_eq!(world.cloud.count("StartExecution"), 1);
    let due = world.status().last_schedule_time.clone().unwrap();
    assert_eq!(due.0.to_string(), "2026-01-05T13:00:00Z");
}

/// The time that it was for is not due a second time, and the next run is not taken for one that OOS knows by its number.
#[test]
fn runs_of_before_are_not_made_again_and_their_numbers_not_given_twice() {
    let mut world = cron("0 13 * * *", json!({}));
    world.run_to_state("Running");
    world.run_until(7200, "the end of the run", |world| {
        !world.status().history.is_empty()
    });
    wiped(&mut world);
    world.run_to("2026-01-05T18:00:00Z");
    assert_eq!(world.cloud.count("StartExecution"), 1);
    world.annotated("run-now", "again");
    world.run_until(7200, "the end of the run", |world| {
        !world.status().history.is_empty()
    });
    assert_eq!(world.outcomes(), [(2, RunOutcome::Succeeded)]);
    assert_eq!(world.cloud.count("StartExecution"), 2);
}
