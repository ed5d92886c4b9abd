//! A rollback is about what was there when it was created, and what only another world could lift ends it.

use ess_rollout_api::v1alpha1::condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::builders::{image, image_task};
use crate::rolling_back::{finished_image, rollback};
use crate::world::World;

/// A rollback that is created now.
fn created(update: &mut World, spec: Value) -> World {
    let mut back = rollback(update, spec);
    back.task.metadata.creation_timestamp = Some(Time(back.cloud.time()));
    back
}

fn refused(mut back: World, reason: &str, named: &str) -> World {
    back.run_for(2);
    assert_eq!(back.said(condition::SUCCEEDED), format!("False {reason}"));
    assert_eq!(back.said(condition::PREFLIGHT), format!("False {reason}"));
    let message = &back.condition(condition::SUCCEEDED).unwrap().message;
    assert!(message.contains(named), "{message}");
    assert_eq!(back.state(), "Failed");
    assert!(back.status().result.is_some() && back.at_rest());
    back
}

#[test]
fn a_task_that_is_created_after_the_rollback_is_never_undone() {
    let mut none = image(json!({}));
    let mut back = created(&mut none, json!({}));
    back.rolling_back.as_mut().unwrap().source = None;
    let mut back = refused(back, "SourceNotFound", "spec.taskRef.name");
    let mut update = finished_image();
    update.task.metadata.creation_timestamp = Some(Time(back.cloud.time()));
    back.cloud = update.cloud.clone();
    back.record.clone_from(&update.record);
    back.rolling_back.as_mut().unwrap().source = Some(update.task.clone());
    back.run_for(600);
    assert_eq!(back.cloud.sent, update.cloud.sent);

    // The operator was away all the time.
    let mut late = rollback(&mut update, json!({}));
    late.task.metadata.creation_timestamp = Some(Time(update.cloud.time()));
    let source = late.rolling_back.as_mut().unwrap().source.as_mut().unwrap();
    let later = late.cloud.time() + jiff::SignedDuration::from_secs(1);
    source.metadata.creation_timestamp = Some(Time(later));
    let late = refused(late, "SourceIsNewer", "create a new rollback");
    assert_eq!(late.cloud.sent, update.cloud.sent);
}

/// The task is there first, and begins its run when the rollback is there already.
#[test]
fn objects_that_are_applied_together_do_not_undo_each_other() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    let applied = Time(update.cloud.time());
    update.task.metadata.creation_timestamp = Some(applied.clone());
    for seconds in [0, 1] {
        let mut update = update.clone();
        update.pass_with(Some((0, crate::world::Crash::Status)));
        update.cloud.advance(seconds);
        update.run_to_state("BatchSuspended");
        let mut back = rollback(&mut update, json!({}));
        back.task.metadata.creation_timestamp = Some(applied.clone());
        let back = refused(back, "SourceIsNewer", "began its run");
        assert_eq!(back.cloud.count("CancelExecution"), 0);
    }
}

#[test]
fn a_task_that_has_started_nothing_leaves_nothing_to_undo() {
    let mut update = image(json!({"desiredState": "Plan"}));
    update.run_to_state("Planned");
    let back = created(&mut update, json!({}));
    refused(back, "NothingToRollBack", "has started nothing");
}

/// Delete and re-create the task: the rollback of the old one does not undo the new run.
#[test]
fn a_rollback_that_was_not_the_latest_stays_refused() {
    let mut update = finished_image();
    let mut later = image_task(json!({}));
    later.metadata.uid = Some("uid-3".into());
    let mut other = World::new(later, update.cloud.clone());
    other.record = update.record.clone();
    other.run_to_rest();
    update.cloud = other.cloud.clone();
    update.record.clone_from(&other.record);
    let back = created(&mut update, json!({}));
    let mut back = refused(back, "NotLatest", "only the latest update");
    back.rolling_back.as_mut().unwrap().source = Some(other.task.clone());
    back.run_for(600);
    assert_eq!(back.cloud.sent, other.cloud.sent);
}

#[test]
fn an_execution_that_oos_does_not_list_yet_is_waited_for_and_no_longer() {
    let mut update = finished_image();
    let mut back = created(&mut update, json!({}));
    back.cloud.executions.clear();
    back.run_for(30);
    assert_eq!(
        back.said(condition::PREFLIGHT),
        "Unknown SourceExecutionNotListed"
    );
    back.run_for(60);
    refused(back, "SourceExecutionGone", "start a new RollingUpdateTask");
}

#[test]
fn what_is_undone_may_still_run_when_the_rollback_is_created() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_until(60, "runs", |w| w.status().execution.is_some());
    update.cloud.advance(3);
    update.pass();
    let mut back = created(&mut update, json!({}));
    back.run_for(5);
    assert_eq!(back.said(condition::PREFLIGHT), "False SourceRunning");
    crate::rolling_back::swap(&mut back, &mut update);
    update.run_to_state("BatchSuspended");
    crate::rolling_back::swap(&mut update, &mut back);
    crate::rolling_back::run_both(&mut update, &mut back);
    assert_eq!(back.state(), "Succeeded");
}
