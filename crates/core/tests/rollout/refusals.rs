//! No call is repeated without a bound and without a word.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::builders::script;
use crate::world::World;

/// In a failure pause.
fn failed() -> World {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    world
}

/// How many calls and writes an hour takes.
fn an_hour(world: &mut World, call: &str) -> (usize, usize) {
    let (sent, writes) = (world.cloud.count(call), world.task_writes);
    world.run_for(3600);
    (world.cloud.count(call) - sent, world.task_writes - writes)
}

#[test]
fn a_call_that_has_no_effect_is_repeated_at_longer_and_longer_intervals() {
    for class in [ErrorClass::Retry, ErrorClass::Throttled] {
        let mut world = failed();
        world.cloud.broken.insert("NotifyExecution", class);
        world.annotated("retry", "i-0001@1");
        let (sent, writes) = an_hour(&mut world, "NotifyExecution");
        assert!(sent <= 65, "{class:?}: {sent} calls");
        // Each on record before it is sent, and what became of it.
        assert!(writes <= 2 * sent + 2, "{class:?}: {writes} writes");
        if class == ErrorClass::Retry {
            let said = world.condition(condition::STALLED).unwrap();
            assert_eq!(said.reason, "FailurePaused");
        }
        world.cloud.broken.clear();
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
    }
}

#[test]
fn an_approve_that_has_no_effect_is_repeated_at_longer_and_longer_intervals() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world
        .cloud
        .broken
        .insert("NotifyExecution", ErrorClass::Retry);
    world.annotated("continue", "1");
    let (sent, _) = an_hour(&mut world, "NotifyExecution");
    assert!(sent <= 65, "{sent} calls");
    assert_eq!(world.said(condition::RECONCILING), "True CloudUnavailable");
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn a_refused_cancellation_is_said_and_repeated_at_longer_and_longer_intervals() {
    for class in [
        ErrorClass::Conflict,
        ErrorClass::NotFound,
        ErrorClass::Retry,
        ErrorClass::Denied,
    ] {
        let mut world = failed();
        world.cloud.broken.insert("CancelExecution", class);
        world.annotated("cancel", "n");
        let (sent, writes) = an_hour(&mut world, "CancelExecution");
        let bound = match class {
            ErrorClass::Conflict | ErrorClass::NotFound => 10,
            _ => 65,
        };
        assert!(sent <= bound, "{class:?}: {sent} calls");
        assert!(
            writes <= 3 * sent,
            "{class:?}: {writes} writes for {sent} calls"
        );
        if class != ErrorClass::Denied {
            let said = &world.condition(condition::RECONCILING).unwrap().message;
            assert!(said.contains("had no effect"), "{class:?}: {said}");
        }
        world.cloud.broken.clear();
        world.run_to_rest();
        assert_eq!(world.state(), "Cancelled");
    }
}
