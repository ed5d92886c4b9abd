//! An update that a failed check undoes by itself.

use ess_rollout_api::v1alpha1::{RollbackSpec, SuspensionPolicy, condition};
use ess_rollout_cloud::AlarmState;
use serde_json::{Value, json};

use crate::builders::{image, script};
use crate::cloud::{NEW_IMAGE, OLD_IMAGE};
use crate::gating::alarm;
use crate::rolling_back::{rollback, run_both};
use crate::world::{Crash, World};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn gates(more: Value) -> Value {
    let mut gates =
        json!({"alarms": {"ruleIds": ["rule-1"]}, "intervalSeconds": 15, "onFailed": "Rollback"});
    for (name, value) in more.as_object().unwrap() {
        gates[name] = value.clone();
    }
    json!({"batches": 2, "gates": gates})
}

/// An image update of four in two batches that one alarm undoes.
fn update(more: Value) -> World {
    let mut world = image(gates(more));
    world.cloud.metric_rules = vec![alarm("rule-1", AlarmState::Ok)];
    world
}

fn goes_off(world: &mut World) {
    world.cloud.metric_rules[0].state = AlarmState::Alarm;
}

/// The rollback that was created, as a world of its own.
fn created(update: &mut World) -> World {
    let [created] = update.rollbacks.as_slice() else {
        panic!("one rollback is created: {:?}", update.rollbacks);
    };
    let (name, spec) = (created.metadata.name.clone(), created.spec.clone());
    let recorded = update.status().automatic_rollback.clone().unwrap();
    assert_eq!(Some(&recorded.name), name.as_ref());
    let mut back = rollback(update, json!({}));
    back.task.metadata.name = name;
    back.rolling_back.as_mut().unwrap().spec = spec;
    back
}

fn ran_back(update: &mut World, back: &mut World) {
    run_both(update, back);
    assert_eq!(back.state(), "Succeeded");
    let images: Vec<&str> = back
        .cloud
        .ecs
        .iter()
        .map(|ecs| ecs.image.as_str())
        .collect();
    assert_eq!(images, [OLD_IMAGE; 4]);
    assert!(back.cloud.suspended().is_empty());
}

#[test]
fn in_a_pause_the_rollback_takes_the_group_over() {
    let mut update = update(json!({"soakSeconds": 600}));
    update.run_to_state("BatchHeld");
    goes_off(&mut update);
    update.run_for(MINUTE);
    assert_eq!(update.said(condition::PAUSED), "True GateFailed");
    assert!(update.status().cancellation.is_none());
    let said = update
        .events
        .iter()
        .find(|e| e.reason == "GateFailed")
        .unwrap();
    assert!(
        said.note.contains("Rollback web-rollback-"),
        "{}",
        said.note
    );
    let new = update.cloud.ecs.iter().filter(|ecs| ecs.image == NEW_IMAGE);
    assert_eq!(new.count(), 2);

    let mut back = created(&mut update);
    ran_back(&mut update, &mut back);
    assert_eq!(update.state(), "Cancelled");
    assert_eq!(update.cloud.approved, [] as [i32; 0]);
    let (why, gate) = (&update.status().automatic_rollback, &update.status().gate);
    assert!(why.as_ref().unwrap().message.contains("rule-1"));
    assert_eq!(
        gate.as_ref().unwrap().pause_id,
        1,
        "what led to it is still there"
    );
}

#[test]
fn in_the_middle_of_a_batch_the_update_is_cancelled_first() {
    let mut update = update(json!({}));
    update.run_until(HOUR, "under way", |world| {
        world.state() == "Running" && !world.status().batches.is_empty()
    });
    goes_off(&mut update);
    update.run_until(2 * MINUTE, "cancelled", |world| {
        world.status().cancellation.is_some()
    });
    assert_eq!(
        update.status().cancellation.as_ref().unwrap().reason,
        "GateFailed"
    );
    let mut back = created(&mut update);
    ran_back(&mut update, &mut back);
    assert_eq!(update.state(), "Cancelled");
}

#[test]
fn after_the_last_batch_an_update_that_succeeded_is_undone() {
    let mut update = update(json!({"finalSoakSeconds": 3600}));
    update.run_until(3 * HOUR, "watched", |world| {
        let ready = world.condition(condition::READY);
        ready.is_some_and(|ready| ready.message.contains("watched until"))
    });
    assert!(update.rollbacks.is_empty());
    goes_off(&mut update);
    update.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(update.said(condition::VERIFIED), "False GateFailed");
    let mut back = created(&mut update);
    ran_back(&mut update, &mut back);
}

/// It goes on without a person and without what ended the update, and where that ran.
#[test]
fn the_rollback_asks_nobody() {
    let mut update = update(json!({}));
    let policy = &mut update.task.spec.policy;
    policy.suspension_policy = SuspensionPolicy::SuspendEachBatch;
    policy.run_key = Some("r1".to_owned());
    update.run_to_state("BatchSuspended");
    goes_off(&mut update);
    update.run_for(MINUTE);
    let RollbackSpec {
        task_ref, policy, ..
    } = update.rollbacks[0].spec.clone();
    assert_eq!(task_ref.unwrap().name, "web");
    assert_eq!(policy.suspension_policy, SuspensionPolicy::Automatic);
    assert_eq!(policy.batches, Some(2));
    assert_eq!((policy.gates, policy.run_key), (None, None));
    let metadata = &update.rollbacks[0].metadata;
    assert_eq!(metadata.namespace.as_deref(), Some("shop"));
    assert_eq!(
        metadata.labels.as_ref().unwrap()["ess-rollout.io/automatic"],
        "true"
    );
    assert!(metadata.owner_references.is_none());
}

/// Whoever deletes it does not want it, and decides about the pause himself.
#[test]
fn one_that_is_deleted_is_not_created_again() {
    let mut update = update(json!({}));
    update.run_to_state("BatchHeld");
    goes_off(&mut update);
    update.run_for(MINUTE);
    update.rollbacks.clear();
    update.cloud.metric_rules[0].state = AlarmState::Ok;
    update.run_for(HOUR);
    assert!(update.rollbacks.is_empty());
    assert_eq!(update.said(condition::PAUSED), "True GateFailed");
    update.annotated("continue", "1");
    update.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(update.state(), "Succeeded");
}

/// It is created before that is on record: whoever dies in between creates no second one.
#[test]
fn a_death_in_between_leads_to_no_second_one() {
    let mut update = update(json!({"soakSeconds": 600}));
    update.run_to_state("BatchHeld");
    goes_off(&mut update);
    let mut died = false;
    while update.rollbacks.is_empty() {
        update.pass_with(Some((0, Crash::Rollback)));
        died = update.status().automatic_rollback.is_none();
        update.wait();
    }
    assert!(died, "the status was not written");
    update.run_for(2 * MINUTE);
    assert_eq!(update.rollbacks.len(), 1);
    assert!(update.status().automatic_rollback.is_some());
}

#[test]
fn what_people_end_is_not_rolled_back() {
    for annotation in ["cancel", "continue"] {
        let mut update = update(json!({"onInconclusive": "Hold", "timeoutSeconds": 60}));
        update.run_to_state("BatchHeld");
        update.cloud.metric_rules[0].state = AlarmState::InsufficientData;
        update.run_for(3 * MINUTE);
        assert_eq!(update.said(condition::PAUSED), "True GateInconclusive");
        update.annotated(annotation, if annotation == "cancel" { "n1" } else { "1" });
        update.run_for(5 * MINUTE);
        goes_off(&mut update);
        if annotation == "cancel" {
            update.run_until(HOUR, "at rest", World::at_rest);
            assert_eq!(update.state(), "Cancelled");
        }
        assert!(update.rollbacks.is_empty());
    }
}

/// Whoever cancels says himself what becomes of it, also where an alarm goes off in the same moment.
#[test]
fn an_alarm_beside_a_persons_cancellation_creates_no_rollback() {
    for seconds in [0, 1, 5] {
        let mut update = update(json!({}));
        update.run_until(HOUR, "under way", |world| {
            world.state() == "Running" && !world.status().batches.is_empty()
        });
        update.annotated("cancel", "n1");
        update.run_for(seconds);
        goes_off(&mut update);
        update.run_until(HOUR, "at rest", World::at_rest);
        assert_eq!(update.state(), "Cancelled");
        let cancellation = update.status().cancellation.as_ref().unwrap();
        assert_ne!(cancellation.reason, "GateFailed");
        assert!(update.rollbacks.is_empty(), "{seconds} s");
    }
}

#[test]
fn an_update_whose_way_back_is_not_known_does_not_begin() {
    let mut of_script = script(gates(json!({})));
    of_script.cloud.metric_rules = vec![alarm("rule-1", AlarmState::Ok)];
    of_script.run_for(10 * MINUTE);
    assert_eq!(of_script.said(condition::READY), "False GateUnusable");
    let said = of_script
        .condition(condition::READY)
        .unwrap()
        .message
        .clone();
    assert!(said.contains("spec.gates.onFailed is Rollback"), "{said}");
    assert!(said.contains("spec.update.script.rollback"), "{said}");

    let mut mixed = update(json!({}));
    mixed.cloud.ecs[0].image = "m-another".to_owned();
    mixed.run_for(10 * MINUTE);
    assert_eq!(mixed.said(condition::READY), "False GateUnusable");
    assert!(mixed.status().execution.is_none());
}
