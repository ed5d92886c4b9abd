//! Requests for sets: all that failed, a whole batch. One entry, and few writes.

use ess_rollout_api::v1alpha1::ActionState;
use ess_rollout_cloud::{ErrorClass, NotifyType};
use serde_json::json;

use crate::builders::script_task;
use crate::cloud::{Cloud, Fate};
use crate::world::{Crash, World};

/// So many instances in one batch, each of which fails once.
fn all_failed(count: usize) -> World {
    let mut cloud = Cloud::with_instances(count);
    cloud.failing = (1..=count).map(|n| (format!("i-{n:04}"), 1)).collect();
    let mut world = World::new(script_task(json!({"batches": 1})), cloud);
    world.run_to_state("FailureSuspended");
    world
}

#[test]
fn three_hundred_failed_instances_are_one_entry_and_a_handful_of_writes() {
    let mut world = all_failed(300);
    let writes = world.task_writes;
    world.annotated("retry", "failed@1");
    world.run_until(60, "settled", |w| {
        w.status().actions[0].state == ActionState::Applied
    });
    assert_eq!(world.cloud.count("NotifyExecution"), 300);
    // Accepted, three times a hundred calls, settled.
    let spent = world.task_writes - writes;
    assert!(spent <= 6, "{spent} writes");
    let action = &world.status().actions[0];
    assert_eq!(world.status().actions.len(), 1);
    assert_eq!(action.targets, ["failed"]);
    assert_eq!(action.message, "300 instances");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.count("NotifyExecution"), 300);
}

#[test]
fn a_batch_is_a_set_of_those_that_the_verb_can_be_for() {
    let mut cloud = Cloud::with_instances(6);
    cloud.failing.insert("i-0001".into(), 9);
    let mut world = World::new(script_task(json!({"batches": 3})), cloud);
    world.run_to_state("FailureSuspended");
    for (verb, value, reason) in [
        ("retry", "batch-2@1", "InstanceNotFailed"),
        ("retry", "batch-9@1", "UnknownBatch"),
    ] {
        world.annotated(verb, value);
        world.run_for(2);
        assert_eq!(world.status().actions.last().unwrap().reason, reason);
    }
    world.annotated("skip", "batch-2@1");
    world.run_for(5);
    world.annotated("cancel-instances", "batch-1@1");
    world.run_to_rest();
    let met: Vec<(NotifyType, &str)> = world
        .cloud
        .notified
        .iter()
        .map(|(verb, instance, _)| (*verb, instance.as_str()))
        .collect();
    assert_eq!(
        met,
        [
            (NotifyType::SkipTask, "i-0003"),
            (NotifyType::SkipTask, "i-0004"),
            (NotifyType::CancelTask, "i-0001"),
        ]
    );
}

#[test]
fn calls_that_were_on_record_are_looked_at_before_they_are_repeated() {
    for crash in [Crash::Status, Crash::Mutation] {
        let mut world = all_failed(150);
        world.annotated("retry", "failed@1");
        // Accepted with the first decision, on record with the second.
        world.pass_with(Some((1, crash)));
        let before = world.cloud.notified.len();
        assert!(before <= 1);
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        let mut met = world.cloud.notified.clone();
        met.sort_by_key(|(_, instance, attempt)| (instance.clone(), *attempt));
        met.dedup();
        assert_eq!(met.len(), 150, "each once");
        assert_eq!(world.cloud.notified.len(), 150, "each once");
    }
}

#[test]
fn what_is_in_the_way_of_one_call_is_in_the_way_of_the_rest() {
    let mut world = all_failed(50);
    world.cloud.fates = vec![
        Fate::Answered,
        Fate::Refused(ErrorClass::Throttled),
        Fate::Lost,
    ];
    world.annotated("retry", "failed@1");
    world.pass();
    let sent = world.cloud.count("NotifyExecution");
    assert_eq!(sent, 2, "none after the one that was throttled");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.notified.len(), 50);
}
