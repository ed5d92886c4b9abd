//! Requests on single instances: retry, skip, cancel-instances.

use ess_rollout_api::v1alpha1::{ActionState, InstanceState, condition};
use ess_rollout_cloud::{ErrorClass, LifecycleState, NotifyType};
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::{Cloud, Fate, ITEM_SECONDS};
use crate::world::World;

/// A script update of which the first of four instances, in two batches, fails so many times, in its
/// failure pause.
pub fn failed(times: u32) -> World {
    failed_in(times, json!({}), |_| {})
}

pub fn failed_in(times: u32, spec: serde_json::Value, change: impl FnOnce(&mut Cloud)) -> World {
    let mut world = script(spec);
    world.cloud.failing.insert("i-0001".into(), times);
    change(&mut world.cloud);
    world.run_to_state("FailureSuspended");
    world
}

impl World {
    pub fn settled(&mut self) {
        self.run_until(400, "every request has ended", |w| {
            let actions = &w.status().actions;
            actions.iter().all(|a| a.state != ActionState::Accepted)
        });
    }

    pub fn instance(&self, id: &str) -> &ess_rollout_api::v1alpha1::InstanceStatus {
        let all = self.status().instances.iter();
        all.clone().find(|i| i.id == id).unwrap()
    }

    /// The outcome of each instance of the newest request.
    fn outcomes(&self) -> Vec<String> {
        let newest = self.status().actions.last().unwrap();
        let all = newest.instances.iter();
        all.map(|t| format!("{} {:?} {}", t.instance, t.state, t.reason))
            .collect()
    }
}

#[test]
fn a_retry_runs_the_failed_attempt_again_and_the_update_goes_on() {
    let mut world = failed(1);
    assert_eq!(world.instance("i-0001").attempt, 1);
    world.annotated("retry", "i-0001/1@n1");
    world.settled();
    assert_eq!(world.ledger(), ["Retry Applied Retried"]);
    assert_eq!(world.status().actions[0].targets, ["i-0001/1"]);
    assert_eq!(
        world.cloud.notified,
        [(NotifyType::RetryTask, "i-0001".to_owned(), 1)]
    );
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.instance("i-0001").attempt, 2);
    // The same value still stands there, and is no new request.
    world.annotated("retry", "i-0001/1@n1");
    world.run_for(60);
    assert_eq!(world.cloud.count("NotifyExecution"), 1);
}

#[test]
fn a_retry_that_fails_again_needs_another_request_for_the_new_attempt() {
    let mut world = failed(2);
    world.annotated("retry", "i-0001@a");
    world.settled();
    world.run_until(100, "failed again", |w| {
        w.instance("i-0001").attempt == 2 && w.state() == "FailureSuspended"
    });
    world.annotated("retry", "i-0001/1@b");
    world.settled();
    assert_eq!(world.outcomes(), ["i-0001 Rejected StaleAttempt"]);
    world.annotated("retry", "i-0001/2@c");
    world.settled();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.cloud.notified.len(), 2);
}

#[test]
fn a_skipped_instance_returns_to_service_at_the_end() {
    for skipped_as_success in [false, true] {
        let mut world = failed(9);
        world.cloud.oos.skipped_as_success = skipped_as_success;
        world.annotated("skip", "i-0001@n1");
        world.settled();
        assert_eq!(world.ledger(), ["Skip Applied Skipped"]);
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
        assert_eq!(world.instance("i-0001").state, InstanceState::Skipped);
        assert_eq!(world.cloud.count("ExitStandby"), 1);
        assert_eq!(world.cloud.instances[0].state, LifecycleState::InService);
    }
}

#[test]
fn a_given_up_instance_is_told_from_a_failed_one_and_holds_nothing_up() {
    let spec = json!({"suspensionPolicy": "SuspendEachBatch"});
    let mut world = failed_in(9, spec, |_| {});
    world.annotated("cancel-instances", "i-0001@n1");
    world.settled();
    assert_eq!(world.ledger(), ["CancelInstances Applied Cancelled"]);
    // OOS goes on showing it as failed; the pause at the end of the batch is a batch pause.
    world.run_to_state("BatchSuspended");
    assert_eq!(world.instance("i-0001").state, InstanceState::Cancelled);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.status().summary.as_ref().unwrap().cancelled, 1);
    assert_eq!(world.cloud.instances[0].state, LifecycleState::Standby);
    assert_eq!(world.record_status().leftovers.len(), 1);
}

#[test]
fn one_given_up_in_the_console_does_not_look_like_a_failure_pause_for_ever() {
    let mut world = failed(9);
    world.cloud.cancel_in_console("i-0001");
    world.run_until(60, "goes on", |w| w.state() == "Running");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert!(!world.states.iter().any(|s| s == "Suspended"));
}

#[test]
fn each_instance_of_a_request_has_an_outcome_of_its_own() {
    let mut world = script(json!({}));
    for id in ["i-0001", "i-0002"] {
        world.cloud.failing.insert(id.into(), 1);
    }
    world.run_to_state("FailureSuspended");
    world.annotated("retry", "i-0001,i-0003,i-9,i-0002/7@n1");
    world.settled();
    assert_eq!(world.ledger(), ["Retry Applied PartlyApplied"]);
    assert_eq!(
        world.outcomes(),
        [
            "i-0001 Applied Retried",
            "i-0003 Rejected InstanceNotFailed",
            "i-9 Rejected UnknownInstance",
            "i-0002 Rejected StaleAttempt",
        ]
    );
    let message = &world.status().actions[0].message;
    assert!(message.contains("i-9: UnknownInstance"), "{message}");
    world.annotated("retry", "i-0002,i-9@n2");
    world.settled();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.cloud.notified.len(), 2);
}

#[test]
fn several_instances_are_told_one_after_the_other() {
    let mut world = script(json!({"batches": 1}));
    for n in 1..=4 {
        world.cloud.failing.insert(format!("i-{n:04}"), 1);
    }
    world.run_to_state("FailureSuspended");
    world.annotated("retry", "i-0001,i-0002,i-0003,i-0004@n1");
    world.settled();
    assert_eq!(world.ledger(), ["Retry Applied Retried"]);
    assert_eq!(world.cloud.notified.len(), 4);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
}

#[test]
fn instances_that_have_not_begun_are_passed_over_when_their_turn_comes() {
    for (verb, reason, state) in [
        ("skip", "Skipped", InstanceState::Skipped),
        ("cancel-instances", "Cancelled", InstanceState::Cancelled),
    ] {
        let mut world = failed(1);
        world.annotated(verb, "i-0004@n1");
        world.settled();
        assert_eq!(world.outcomes(), [format!("i-0004 Applied {reason}")]);
        assert_eq!(world.status().pause.as_ref().unwrap().id, 1);
        world.annotated(verb, "i-0004@again");
        world.settled();
        assert_eq!(world.outcomes(), ["i-0004 Rejected InstanceFinished"]);
        world.annotated("retry", "i-0001@n1");
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
        assert_eq!(world.instance("i-0004").state, state);
        assert_eq!(world.cloud.instances[3].state, LifecycleState::InService);
        assert_eq!(world.cloud.notified.len(), 2);
    }
}

#[test]
fn one_that_has_not_begun_and_cannot_be_named_waits_until_it_can() {
    let mut world = failed_in(1, json!({}), |cloud| cloud.oos.by_item = false);
    world.cloud.failing.insert("i-0004".into(), 9);
    world.annotated("skip", "i-0004@n1");
    world.run_for(200);
    assert_eq!(world.ledger(), ["Skip Accepted"]);
    assert!(world.cloud.count("NotifyExecution") <= 2, "tried in vain");
    world.annotated("retry", "i-0001@n1");
    world.run_until(400, "skipped", |w| w.ledger()[0] == "Skip Applied Skipped");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(
        world.cloud.notified,
        [
            (NotifyType::RetryTask, "i-0001".to_owned(), 1),
            (NotifyType::SkipTask, "i-0004".to_owned(), 1),
        ]
    );
}

#[test]
fn one_in_motion_waits_for_a_pause_or_its_own_end() {
    let mut world = script(json!({}));
    world.cloud.slow.insert("i-0001".into(), 200);
    world.run_until(60, "in motion", |w| {
        w.status().summary.as_ref().is_some_and(|s| s.updating > 0)
    });
    world.annotated("skip", "i-0001@n1");
    world.run_for(30);
    assert_eq!(world.ledger(), ["Skip Accepted"]);
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
    let waits = &world.status().actions[0].instances[0].message;
    assert!(waits.contains("suspended"), "{waits}");
    world.run_until(300, "ended", |w| {
        w.ledger() == ["Skip Rejected InstanceFinished"]
    });

    for verb in ["skip", "cancel-instances"] {
        let mut world = script(json!({}));
        world.cloud.slow.insert("i-0001".into(), 200);
        world.cloud.failing.insert("i-0002".into(), 1);
        world.run_to_state("FailureSuspended");
        world.annotated(verb, "i-0001@n1");
        world.settled();
        assert_eq!(world.status().actions[0].state, ActionState::Applied);
        world.annotated("retry", "i-0002@n1");
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    }
}

#[test]
fn requests_seen_at_once_take_effect_in_their_order() {
    let mut world = failed_in(
        9,
        json!({"suspensionPolicy": "SuspendEachBatch"}),
        |cloud| {
            cloud.failing.insert("i-0002".into(), 1);
        },
    );
    world.annotated("retry", "i-0001,i-0002@n1");
    world.annotated("skip", "i-0001@n1");
    world.annotated("cancel-instances", "i-0003@n1");
    world.annotated("continue", "current@n1");
    world.settled();
    let order: Vec<_> = world.cloud.notified.iter().map(|n| n.0).collect();
    use NotifyType::{CancelTask, RetryTask, SkipTask};
    assert_eq!(order, [CancelTask, SkipTask, RetryTask]);
    assert_eq!(
        world.ledger(),
        [
            "CancelInstances Applied Cancelled",
            "Skip Applied Skipped",
            "Retry Applied PartlyApplied",
            "Continue Rejected FailurePause",
        ]
    );
}

#[test]
fn after_a_cancellation_they_are_superseded_and_after_the_end_too_late() {
    let mut world = failed(1);
    world.annotated("retry", "i-0001@n1");
    world.annotated("skip", "i-0003@n1");
    world.annotated("cancel", "n1");
    world.settled();
    assert_eq!(
        world.ledger(),
        [
            "Cancel Applied Cancelled",
            "Skip Rejected Superseded",
            "Retry Rejected Superseded",
        ]
    );
    world.run_to_rest();
    world.annotated("retry", "i-0001@n2");
    world.settled();
    assert_eq!(
        world.ledger().last().unwrap(),
        "Retry Rejected TaskFinished"
    );
    assert!(world.cloud.notified.is_empty());

    // One that was open when the cancellation came.
    let mut world = failed(1);
    world.cloud.fates = vec![Fate::Lost];
    world.annotated("retry", "i-0001@n1");
    world.pass();
    world.annotated("cancel", "n1");
    world.settled();
    assert_eq!(world.ledger()[0], "Retry Rejected Superseded");
}

#[test]
fn one_that_is_open_when_the_update_ends_is_settled() {
    let mut world = script(json!({"batches": 1}));
    world.run_until(60, "in motion", |w| {
        w.status().summary.as_ref().is_some_and(|s| s.updating > 0)
    });
    world.annotated("skip", "i-0001@n1");
    world.pass();
    world.run_to_rest();
    assert_eq!(world.ledger(), ["Skip Rejected InstanceFinished"]);
}

#[test]
fn where_oos_does_not_suspend_nothing_can_be_retried() {
    let mut world = script(json!({"onFailure": "Fail"}));
    world.cloud.failing.insert("i-0003".into(), 9);
    world.run_to_state("Running");
    for verb in ["retry", "skip", "cancel-instances"] {
        world.annotated(verb, "i-0001@n1");
        world.run_for(2);
        let last = world.status().actions.last().unwrap();
        assert_eq!(last.reason, "NotSuspended", "{verb}");
        assert!(last.message.contains("spec.onFailure is Fail"));
    }
    world.run_to_rest();
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
}

#[test]
fn a_tolerated_failure_cannot_be_retried_while_the_update_goes_on() {
    let mut world = image(json!({"maxErrors": 1}));
    world.cloud.failing.insert("i-0001".into(), 9);
    world.run_until(60, "failed", |w| {
        w.status().summary.as_ref().is_some_and(|s| s.failed == 1)
    });
    world.annotated("retry", "i-0001@n1");
    world.settled();
    assert_eq!(world.ledger(), ["Retry Rejected NotPaused"]);
    assert!(world.status().actions[0].message.contains("maxErrors"));
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
}

#[test]
fn a_failure_beyond_those_tolerated_suspends_and_can_be_retried() {
    let mut world = image(json!({"maxErrors": 1}));
    for n in 1..=2 {
        world.cloud.failing.insert(format!("i-{n:04}"), 1);
    }
    world.run_to_state("FailureSuspended");
    world.annotated("retry", "i-0002@n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.status().summary.as_ref().unwrap().failed, 1);
    assert_eq!(world.cloud.notified.len(), 1);
}

#[test]
fn one_that_was_there_first_or_is_malformed_does_nothing() {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 9);
    world.annotated("retry", "i-0001@n1");
    world.run_to_state("FailureSuspended");
    assert_eq!(world.ledger(), ["Retry Rejected PresentAtCreation"]);
    let many: Vec<String> = (0..101).map(|n| format!("i-{n}")).collect();
    for (value, reason) in [
        ("i-0001", "Malformed"),
        ("i-0001/0@n", "Malformed"),
        (&format!("{}@n", many.join(",")), "TooManyTargets"),
        ("i-5@n", "UnknownInstance"),
        ("i-0002@n", "InstanceNotFailed"),
        ("i-0003@n", "InstanceNotFailed"),
        ("i-0001/2@n", "StaleAttempt"),
        ("i-0003/1@n", "StaleAttempt"),
    ] {
        world.annotated("retry", value);
        world.run_for(3);
        let last = world.status().actions.last().unwrap();
        assert_eq!(last.reason, reason, "{value}");
    }
    world.annotated("skip", "i-0002@n");
    world.run_for(3);
    assert_eq!(world.outcomes(), ["i-0002 Rejected InstanceFinished"]);
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
    // Removed and set again, with another one between: a request of its own, with one effect.
    world.annotated("retry", "i-0001@x");
    world.settled();
    assert_eq!(world.cloud.notified.len(), 1);
}

#[test]
fn a_flood_of_requests_on_instances_stays_within_bounds() {
    let mut cloud = Cloud::with_instances(100);
    for n in 1..=90 {
        cloud.failing.insert(format!("i-{n:04}"), 9);
    }
    let task = crate::builders::script_task(json!({"batches": 1}));
    let mut world = World::new(task, cloud);
    world.run_to_state("FailureSuspended");
    world
        .cloud
        .broken
        .insert("NotifyExecution", ErrorClass::Retry);
    let all: Vec<String> = (1..=90).map(|n| format!("i-{n:04}")).collect();
    for verb in ["retry", "skip", "cancel-instances"] {
        for n in 0..20 {
            world.annotated(verb, &format!("{}@{n}", all.join(",")));
            world.run_for(2);
        }
    }
    let bytes = serde_json::to_vec(&world.status().actions).unwrap().len();
    assert!(bytes < 200 * 1024, "{bytes}");
    let refused = world.status().actions.iter();
    assert!(refused.clone().any(|a| a.reason == "TooManyRequests"));
}

/// OOS retries within the nested execution, where a failure that nobody has read leaves nothing to be
/// seen: the request means the attempt that there is.
#[test]
fn a_retry_that_nobody_could_see_is_not_counted() {
    let mut world = script(json!({}));
    (world.cloud.oos.child_waits, world.cloud.oos.by_child) = (true, true);
    world.cloud.failing.insert("i-0001".into(), 2);
    world.run_for(10);
    world.cloud.advance(ITEM_SECONDS);
    world.cloud.retry_in_console("i-0001");
    world.annotated("skip", "i-0001@n");
    world.settled();
    assert_eq!(world.outcomes(), ["i-0001 Applied Skipped"]);
    assert_eq!(
        world.cloud.notified,
        [(NotifyType::SkipTask, "i-0001".to_owned(), 2)]
    );
    assert_eq!(world.instance("i-0001").attempt, 1);
    // One that shows is another attempt, and no request on the one before meets it.
    let mut world = failed_in(2, json!({}), |cloud| cloud.oos.child_waits = true);
    world.cloud.retry_in_console("i-0001");
    world.cloud.advance(ITEM_SECONDS);
    world.annotated("skip", "i-0001/1@n");
    world.settled();
    assert_eq!(world.outcomes(), ["i-0001 Rejected StaleAttempt"]);
    assert_eq!(world.cloud.notified, []);
}

/// The same value again, after another, while the first is open.
#[test]
fn an_open_request_that_is_made_again_is_the_same_one() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    for value in ["i-0003@a", "i-0004@b", "i-0003@a"] {
        world.annotated("skip", value);
        world.pass();
        world.cloud.advance(1);
    }
    let actions = &world.status().actions;
    let targets: Vec<_> = actions.iter().map(|a| a.targets.join(",")).collect();
    assert_eq!(targets, ["i-0003", "i-0004"]);
    assert!(actions[0].time.0 < actions[1].time.0);
    assert_eq!(
        world.status().handled_actions.skip.as_deref(),
        Some("i-0003@a")
    );
}
