//! What people and tools read.

use ess_rollout_api::v1alpha1::{DesiredState, InstanceState, condition};
use serde_json::json;

use crate::builders::{image_task, script};
use crate::cloud::Cloud;
use crate::world::World;

#[test]
fn conditions_follow_the_table() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    let running = ["Unknown", "Unknown", "True", "-", "False"];
    world.run_to_state("Running");
    assert_eq!(world.table(), running);
    world.run_to_state("BatchSuspended");
    assert_eq!(world.table(), ["Unknown", "Unknown", "True", "-", "True"]);
    assert_eq!(world.said(condition::RECONCILING), "True BatchSuspended");
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.table(), ["True", "True", "-", "-", "False"]);

    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 9);
    world.run_to_state("FailureSuspended");
    assert_eq!(world.table(), ["Unknown", "False", "-", "True", "True"]);
    assert_eq!(world.said(condition::STALLED), "True FailurePaused");
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.table(), ["False", "False", "-", "True", "False"]);
}

#[test]
fn the_transition_time_stays_while_the_status_does() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    let since = world
        .condition(condition::RECONCILING)
        .unwrap()
        .last_transition_time
        .clone();
    world.run_for(15);
    let now = &world
        .condition(condition::RECONCILING)
        .unwrap()
        .last_transition_time;
    assert_eq!(now, &since);
}

#[test]
fn a_change_of_the_spec_after_the_end_is_observed() {
    let mut world = script(json!({}));
    world.run_to_rest();
    world.edited(|t| t.spec.policy.ttl_seconds_after_finished = Some(60));
    world.pass();
    assert_eq!(
        world.status().observed_generation,
        Some(2),
        "or waiters wait for ever"
    );
}

#[test]
fn a_thousand_instances_stay_within_the_budget_and_at_rest() {
    let mut cloud = Cloud::with_instances(1000);
    for n in 1..=1000 {
        cloud.failing.insert(format!("i-{n:04}"), 9);
    }
    let mut world = World::new(image_task(json!({"maxErrors": 1000})), cloud);
    world.run_to_rest();
    let bytes = serde_json::to_vec(world.status()).unwrap().len();
    assert!(bytes <= 900 * 1024, "{bytes}");
    assert_eq!(world.status().plan.as_ref().unwrap().members.len(), 1000);
    assert_eq!(world.status().summary.as_ref().unwrap().failed, 1000);
}

#[test]
fn a_status_that_had_to_be_trimmed_is_not_written_at_each_look() {
    let spec = json!({"maxErrors": 1000, "suspensionPolicy": "SuspendFirstBatch"});
    let mut cloud = Cloud::with_instances(1000);
    for n in 1..=499 {
        cloud.failing.insert(format!("i-{n:04}"), 9);
    }
    let mut world = World::new(image_task(spec), cloud);
    world.run_until(200, "paused", |w| w.status().pause.is_some());
    // As long as they may be, and more than the budget holds.
    for e in &mut world.cloud.executions {
        e.status_message = "é".repeat(400);
    }
    world.task.status.as_mut().unwrap().instances.clear();
    world.run_for(30);
    let bytes = serde_json::to_vec(world.status()).unwrap().len();
    assert!(bytes <= 900 * 1024, "{bytes}");
    let failed = world
        .status()
        .instances
        .iter()
        .filter(|i| i.state == InstanceState::Failed);
    assert_eq!(failed.count(), 499);
    let writes = world.task_writes;
    world.run_for(120);
    assert_eq!(world.task_writes, writes);
}

#[test]
fn events_tell_the_story_once() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world.annotated("continue", "1");
    world.run_to_rest();
    let reasons: Vec<_> = world.events.iter().map(|e| e.reason.word()).collect();
    assert_eq!(
        reasons,
        [
            "Started",
            "BatchSuspended",
            "BatchEnded",
            "ActionApplied",
            "Restoring",
            "BatchEnded",
            "Succeeded"
        ]
    );
    assert!(
        world
            .events
            .iter()
            .all(|e| e.reason.word().len() <= 128 && !e.note.is_empty())
    );
}

#[test]
fn lowering_what_only_rises_is_said_to_do_nothing() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 1}));
    world.run_to_state("BatchSuspended");
    world.edited(|t| t.spec.policy.approved_batches = None);
    world.run_for(30);
    let said: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.reason == "LoweringIgnored")
        .collect();
    assert_eq!(said.len(), 1);
}

#[test]
fn each_request_that_ends_is_told_of_once() {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 2);
    world.run_to_state("FailureSuspended");
    let told = |world: &World, reason: &str| {
        let events = world.events.iter();
        events.filter(|e| e.reason == reason).count()
    };
    // A value that comes back after another is a request of its own.
    for (value, rejected) in [("i-9@a", 1), ("i-8@b", 2), ("i-9@a", 3)] {
        world.annotated("retry", value);
        world.run_for(40);
        assert_eq!(told(&world, "ActionRejected"), rejected, "{value}");
    }
    world.annotated("retry", "i-0001@c");
    world.run_for(40);
    world.annotated("skip", "i-0001@d");
    world.run_to_rest();
    assert_eq!(told(&world, "ActionApplied"), 2);
    assert_eq!(told(&world, "ActionRejected"), 3);
    let applied = world.events.iter().find(|e| e.reason == "ActionApplied");
    let note = &applied.unwrap().note;
    assert!(note.contains("Retry i-0001/1"), "{note}");
}

#[test]
fn an_annotation_that_means_nothing_is_told_of_once() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.annotated("contniue", "1");
    world.annotated("requested-by", "alice");
    world.annotated("execution-id", "shop/web/0/exec-0");
    world.run_to_state("BatchSuspended");
    world.annotated("retry-all", "x");
    world.run_for(60);
    world.annotated("retry-all", "y");
    let annotations = world.task.metadata.annotations.as_mut().unwrap();
    annotations.insert("example.com/retry".into(), "x".into());
    annotations.insert("ess-rollout.iodine/x".into(), "x".into());
    world.run_for(60);
    let told: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.reason == "UnknownAnnotation")
        .collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].note.contains("ess-rollout.io/contniue"));
    assert!(told[0].note.contains("ess-rollout.io/continue"), "the cure");
    assert!(told[1].note.contains("ess-rollout.io/retry-all"));
    for n in 0..50 {
        world.annotated(&format!("unknown-{n}"), "x");
    }
    world.run_for(30);
    assert!(world.status().unknown_annotations.len() <= 16);
}

#[test]
fn taking_a_cancellation_back_is_said_to_do_nothing() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled);
    world.run_for(5);
    world.edited(|t| t.spec.policy.desired_state = DesiredState::Run);
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    let said: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.reason == "CancellationIsFinal")
        .collect();
    assert_eq!(said.len(), 1);
}

#[test]
fn the_pause_after_the_hundredth_batch_can_be_approved_beforehand() {
    let mut cloud = Cloud::with_instances(100);
    cloud.pause_after_last = true;
    let spec =
        json!({"batches": 100, "suspensionPolicy": "SuspendEachBatch", "approvedBatches": 101});
    let mut world = World::new(crate::builders::script_task(spec), cloud);
    world.run_until(8000, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved.len(), 100);
}
