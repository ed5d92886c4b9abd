//! One run for one object, whatever becomes of the object: created again, restored from backup
//! without its status, copied, or applied to two clusters.

use ess_rollout_api::EXECUTION_ID_ANNOTATION;
use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::{ExecutionStatus, Process};
use serde_json::{Value, json};

use crate::builders::{image, script, script_task};
use crate::cloud::{Fate, OLD_IMAGE};
use crate::world::{Crash, World};

fn annotation(world: &World) -> Option<String> {
    let annotations = world.task.metadata.annotations.as_ref()?;
    annotations.get(EXECUTION_ID_ANNOTATION).cloned()
}

/// What a backup brings back: the object without its status, under another uid.
pub fn restored(world: &World, with_record: bool) -> World {
    let mut task = world.task.clone();
    task.metadata.uid = Some("uid-2".into());
    task.metadata.deletion_timestamp = None;
    task.status = serde_json::from_value(json!({"observedGeneration": -1})).ok();
    let mut restored = World::new(task, world.cloud.clone());
    if with_record {
        restored.record = world.record.clone();
        // The object that holds the group, if any, is not there any more.
        restored.holder_gone = world.holds();
    }
    restored
}

/// Another cluster: the same manifest, the same cloud, nothing else.
fn elsewhere(world: &World, spec: Value) -> World {
    let mut task = script_task(spec);
    task.metadata.uid = Some("uid-b".into());
    let mut other = World::new(task, world.cloud.clone());
    other.cloud.fates.clear();
    other
}

#[test]
fn the_execution_is_in_metadata_too_bound_to_its_object() {
    let mut world = script(json!({}));
    world.annotated("continue", "9");
    world.run_to_state("Running");
    let hash = &world.status().start.as_ref().unwrap().spec_hash;
    let value = format!("shop/web/{hash}/exec-1");
    assert_eq!(annotation(&world), Some(value.clone()));
    // Somebody takes it away, as `kubectl replace` does.
    world.task.metadata.annotations = None;
    world.run_to_rest();
    assert_eq!(annotation(&world), Some(value));
}

#[test]
fn a_restored_object_follows_its_execution_and_never_starts_another() {
    for with_record in [false, true] {
        for at in ["Running", "BatchSuspended", "Succeeded"] {
            for image_update in [false, true] {
                let spec = json!({"suspensionPolicy": "SuspendFirstBatch", "approvedBatches": 0});
                let mut world = if image_update {
                    image(spec)
                } else {
                    script(spec)
                };
                let group = world.cloud.group.as_mut().unwrap();
                group.suspended_processes = vec![Process::AlarmNotification];
                world.run_to_state(if at == "Succeeded" {
                    "BatchSuspended"
                } else {
                    at
                });
                if at == "Succeeded" {
                    world.annotated("continue", "1");
                    world.run_to_rest();
                    world
                        .task
                        .metadata
                        .annotations
                        .as_mut()
                        .unwrap()
                        .remove("ess-rollout.io/continue");
                }
                assert!(annotation(&world).is_some());
                let mut again = restored(&world, with_record);
                again.run_until(900, "followed", |w| w.status().execution.is_some());
                assert_eq!(again.status().execution.as_ref().unwrap().id, "exec-1");
                if at != "Succeeded" {
                    assert!(again.holds());
                    again.run_to_state("BatchSuspended");
                    again.annotated("cancel", "x");
                }
                again.run_to_rest();
                let state = if at == "Succeeded" { at } else { "Cancelled" };
                assert_eq!(again.state(), state);
                assert_eq!(again.cloud.runs.len(), 1);
                assert_eq!(
                    again.cloud.suspended(),
                    ["AlarmNotification".to_owned()].into()
                );
                if image_update && at != "Succeeded" {
                    let left = again.record_status().leftovers;
                    if with_record {
                        assert_eq!(again.cloud.configuration_image, OLD_IMAGE);
                    } else {
                        assert!(left[0].message.contains("not on record"), "{left:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_restored_object_whose_operator_dies_still_starts_nothing() {
    for number in 0..5 {
        for crash in [
            Crash::Finalizer,
            Crash::Annotation,
            Crash::Record,
            Crash::Status,
        ] {
            let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
            world.run_to_state("BatchSuspended");
            let mut again = restored(&world, true);
            again.pass_with(Some((number, crash)));
            again.run_to_state("BatchSuspended");
            again.annotated("continue", "current@1");
            again.run_to_rest();
            assert_eq!(again.state(), "Succeeded");
            assert_eq!(again.cloud.runs.len(), 1);
        }
    }
}

/// What follows is final: one answer is no ground for it.
#[test]
fn a_restored_object_follows_an_execution_that_one_list_leaves_out() {
    let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    let mut again = restored(&world, true);
    again.cloud.advance(3600);
    let id = again.cloud.root().id.clone();
    again.cloud.hidden.insert(("Execution", id));
    again.run_to_state("BatchSuspended");
    assert_eq!(again.cloud.runs.len(), 1);
}

#[test]
fn a_restored_object_whose_execution_is_forgotten_says_so() {
    let mut world = script(json!({}));
    world.run_to_rest();
    world.cloud.executions.clear();
    let mut again = restored(&world, true);
    let now = again.cloud.time();
    again.task.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    again.run_for(50);
    assert_eq!(again.state(), "Pending", "lists may lag behind");
    again.run_to_rest();
    assert_eq!(again.said(condition::SUCCEEDED), "False ExecutionNotFound");
    assert_eq!(again.cloud.count("StartExecution"), 1);
}

#[test]
fn a_restored_object_can_be_deleted_without_credentials() {
    let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    let mut again = restored(&world, true);
    again
        .cloud
        .broken
        .insert("Execution", ess_rollout_cloud::ErrorClass::Unauthenticated);
    again.run_for(30);
    again.deleted();
    again.run_until(3700, "gone", |w| w.gone);
    assert_eq!(again.cloud.count("StartExecution"), 1);
}

#[test]
fn a_copied_manifest_is_an_object_of_its_own() {
    let mut world = script(json!({}));
    world.run_to_rest();
    type Change = fn(&mut World);
    let changes: [Change; 3] = [
        |w| w.task.metadata.name = Some("copy".into()),
        |w| {
            w.task.metadata.namespace = Some("other".into());
            w.settings.own_credentials_namespaces.insert("other".into());
        },
        |w| w.task.spec.policy.batches = Some(4),
    ];
    for change in changes {
        let mut copy = restored(&world, true);
        change(&mut copy);
        copy.run_to_rest();
        assert_eq!(copy.state(), "Succeeded");
        assert_eq!(copy.status().execution.as_ref().unwrap().id, "exec-2");
        assert!(annotation(&copy).unwrap().ends_with("/exec-2"));
    }
}

#[test]
fn an_annotation_that_names_somebody_elses_execution_is_not_believed() {
    let mut world = script(json!({}));
    world.run_to_rest();
    world
        .cloud
        .root()
        .tags
        .insert("ess-rollout/task".into(), "shop/theirs".into());
    let mut forged = restored(&world, true);
    forged.run_for(100);
    assert_eq!(
        forged.said(condition::PREFLIGHT),
        "False ExecutionIdMismatch"
    );
    assert_eq!(forged.cloud.count("StartExecution"), 1);
    assert_eq!(forged.cloud.count("CancelExecution"), 0);
    forged.task.metadata.annotations = None;
    forged.run_to_rest();
    assert_eq!(forged.state(), "Succeeded");
}

#[test]
fn a_second_cluster_waits_for_the_run_of_the_first_and_takes_its_result_for_its_own() {
    let spec = json!({"runKey": "v1", "suspensionPolicy": "SuspendFirstBatch"});
    let mut first = script(spec.clone());
    first.run_to_state("BatchSuspended");
    let mut second = elsewhere(&first, spec);
    second.run_for(200);
    assert_eq!(
        second.said(condition::PREFLIGHT),
        "Unknown RunKeyInProgress"
    );
    assert!(!second.holds());
    for (status, said) in [
        (ExecutionStatus::Success, "True AlreadyRun"),
        (ExecutionStatus::Failed, "False AlreadyRun"),
        (ExecutionStatus::Cancelled, "False AlreadyRun"),
    ] {
        let mut second = elsewhere(&first, second_spec());
        second.cloud.end("exec-1", status);
        second.run_to_rest();
        assert_eq!(second.said(condition::SUCCEEDED), said);
        assert_eq!(
            second.cloud.sent.len(),
            first.cloud.sent.len(),
            "not touched"
        );
    }
    // Cancelled meanwhile, it ends and leaves the other one alone.
    second.annotated("cancel", "1");
    second.run_to_rest();
    assert_eq!(
        second.said(condition::SUCCEEDED),
        "False CancelledBeforeStart"
    );
    assert_eq!(second.cloud.count("CancelExecution"), 0);
    // Another update under the same key is refused.
    let mut other = elsewhere(&first, json!({"runKey": "v1", "batches": 4}));
    other.run_to_rest();
    assert_eq!(other.said(condition::SUCCEEDED), "False RunKeyConflict");
}

fn second_spec() -> Value {
    json!({"runKey": "v1", "suspensionPolicy": "SuspendFirstBatch"})
}

#[test]
fn two_clusters_that_start_at_the_same_moment_start_one_execution() {
    for same_answer in [true, false] {
        let mut first = script(json!({"runKey": "v1"}));
        first.cloud.lag = 30;
        first.pass();
        assert_eq!(first.cloud.runs.len(), 1);
        // The other one does not see it yet: neither by tags nor as an update of others.
        let mut second = elsewhere(&first, json!({"runKey": "v1"}));
        if !same_answer {
            // OOS compares all that came with the token, as its documentation has it.
            second.cloud.fates = vec![Fate::Refused(ess_rollout_cloud::ErrorClass::TokenMismatch)];
        }
        second.run_to_rest();
        assert_eq!(second.cloud.runs.len(), 1, "{same_answer}");
        assert_eq!(second.said(condition::SUCCEEDED), "True AlreadyRun");
        assert_eq!(second.cloud.count("CancelExecution"), 0);
    }
}

#[test]
fn a_record_that_was_lost_does_not_make_a_run_key_free() {
    let mut world = script(json!({"runKey": "v1"}));
    world.run_to_rest();
    let mut again = elsewhere(&world, json!({"runKey": "v1"}));
    again.run_to_rest();
    assert_eq!(again.said(condition::SUCCEEDED), "True AlreadyRun");
    assert_eq!(again.cloud.count("StartExecution"), 1);
}
