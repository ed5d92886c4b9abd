//! Run keys: one run for each, however often the object is created again.

use ess_rollout_api::v1alpha1::condition;
use serde_json::json;

use crate::builders::{script, script_task};
use crate::world::World;

#[test]
fn a_run_key_is_used_once_for_one_spec() {
    let mut world = script(json!({"runKey": "v1"}));
    world.run_to_rest();
    let record = world.record.clone();
    let mut again = script_task(json!({"runKey": "v1"}));
    again.metadata.uid = Some("uid-2".into());
    let mut second = World::new(again, world.cloud.clone());
    second.record = record.clone();
    second.run_to_rest();
    assert_eq!(second.said(condition::SUCCEEDED), "True AlreadyRun");
    assert_eq!(second.cloud.count("StartExecution"), 1);

    let mut other = script_task(json!({"runKey": "v1", "batches": 3}));
    other.metadata.uid = Some("uid-3".into());
    let mut third = World::new(other, world.cloud.clone());
    third.record = record;
    third.run_to_rest();
    assert_eq!(third.said(condition::SUCCEEDED), "False RunKeyConflict");
}

#[test]
fn a_run_key_whose_run_was_lost_sight_of_is_not_run_again_by_a_namesake() {
    let mut world = script(
        json!({"runKey": "v1", "suspensionPolicy": "SuspendEachBatch", "deletionPolicy": "Orphan"}),
    );
    world.run_to_state("BatchSuspended");
    world.deleted();
    world.run_to_rest();
    assert!(world.gone);
    let mut again = world.task.clone();
    again.metadata.uid = Some("uid-2".into());
    again.metadata.deletion_timestamp = None;
    again.metadata.finalizers = None;
    again.metadata.annotations = None;
    again.status = serde_json::from_value(json!({"observedGeneration": -1})).ok();
    world.cloud.approve_in_console();
    world.cloud.advance(100);
    let mut second = World::new(again, world.cloud.clone());
    second.record = world.record.clone();
    // Once OOS has forgotten it, its result is not known.
    let mut forgotten = World::new(second.task.clone(), world.cloud.clone());
    forgotten.record = world.record.clone();
    forgotten.cloud.executions.clear();
    forgotten.run_to_rest();
    assert_eq!(forgotten.said(condition::SUCCEEDED), "False RunKeyConflict");
    second.run_to_rest();
    assert_eq!(second.said(condition::SUCCEEDED), "True AlreadyRun");
    for world in [second, forgotten] {
        assert_eq!(world.cloud.count("StartExecution"), 1);
    }
}
