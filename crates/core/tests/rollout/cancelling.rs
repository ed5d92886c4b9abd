//! Cancellation from each side, at each stage.

use ess_rollout_api::v1alpha1::{DesiredState, condition};
use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::builders::script;
use crate::cloud::Fate;
use crate::world::World;

fn running() -> World {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.cloud.advance(5);
    world
}

#[test]
fn each_source_cancels_and_the_group_is_put_back() {
    type Cancel = fn(&mut World);
    let sources: [(Cancel, &str); 2] = [
        (|w| w.annotated("cancel", "n1"), "Request"),
        (
            |w| w.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled),
            "DesiredState",
        ),
    ];
    for (cancel, reason) in sources {
        let mut world = running();
        cancel(&mut world);
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
        assert_eq!(world.status().cancellation.as_ref().unwrap().reason, reason);
        assert_eq!(world.cloud.count("CancelExecution"), 1);
        assert!(world.cloud.suspended().is_empty());
    }
}

#[test]
fn a_cancellation_is_final_whatever_git_says_later() {
    let mut world = running();
    world.cloud.failing = (1..=4).map(|n| (format!("i-{n:04}"), 9)).collect();
    world.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled);
    world.cloud.fates = vec![Fate::Lost];
    world.pass();
    world.edited(|t| t.spec.policy.desired_state = DesiredState::Run);
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
}

#[test]
fn before_the_start_it_ends_at_once() {
    let mut world = script(json!({}));
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False CancelledBeforeStart"
    );
    assert_eq!(world.ledger(), ["Cancel Applied Cancelled"]);
    assert!(world.cloud.sent.is_empty());
}

#[test]
fn what_is_asked_for_together_with_it_is_superseded() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world.annotated("cancel", "n1");
    world.annotated("continue", "1");
    world.pass();
    assert_eq!(world.ledger()[1], "Continue Rejected Superseded");
    world.run_to_rest();
    assert!(world.cloud.approved.is_empty());
}

#[test]
fn a_throttled_cancel_is_tried_again_soon_and_a_denied_one_is_not_hammered() {
    let mut world = running();
    world.cloud.fates = vec![Fate::Refused(ErrorClass::Throttled)];
    world.annotated("cancel", "n1");
    world.run_for(10);
    assert_eq!(world.cloud.count("CancelExecution"), 2);

    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::Denied);
    world.annotated("cancel", "n1");
    world.run_for(30);
    let (sent, writes) = (world.cloud.count("CancelExecution"), world.task_writes);
    assert_eq!(world.table(), ["Unknown", "False", "-", "True", "False"]);
    world.run_for(600);
    assert!(world.cloud.count("CancelExecution") - sent <= 11);
    assert!(
        world.task_writes - writes <= 22,
        "{}",
        world.task_writes - writes
    );
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
}

#[test]
fn a_lost_cancel_is_repeated() {
    let mut world = running();
    world.cloud.fates = vec![Fate::Lost];
    world.cloud.failing = (1..=4).map(|n| (format!("i-{n:04}"), 9)).collect();
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    assert_eq!(world.cloud.count("CancelExecution"), 2);
}

#[test]
fn a_cancel_that_came_too_late_says_so() {
    let mut world = running();
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::Retry);
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.ledger(), ["Cancel Rejected TaskFinished"]);
}

#[test]
fn lists_that_cannot_be_read_do_not_stand_in_the_way() {
    for list in ["Children", "TaskExecutions", "Execution"] {
        let mut world = running();
        world.cloud.broken.insert(list, ErrorClass::Denied);
        world.annotated("cancel", "n1");
        world.run_for(70);
        assert!(world.cloud.count("CancelExecution") >= 1, "{list}");
    }
}

#[test]
fn a_cancellation_in_the_console_is_told_apart() {
    let mut world = running();
    world
        .cloud
        .end("exec-1", ess_rollout_cloud::ExecutionStatus::Cancelled);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False CancelledElsewhere");
    assert!(world.cloud.suspended().is_empty());
}

/// A call that a person has to grant: soon again at first, then ever more rarely, and within five minutes of the grant.
#[test]
fn a_cancellation_that_is_denied_is_tried_ever_more_rarely_and_soon_after_it_is_granted() {
    let mut world = running();
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::Denied);
    world.cloud.frozen = true;
    world.annotated("cancel", "n1");
    world.run_until(30, "denied", |w| w.cloud.count("CancelExecution") == 1);
    let (writes, first) = (world.task_writes, world.cloud.now);
    world.run_until(130, "again", |w| w.cloud.count("CancelExecution") == 2);
    world.run_for(3600 - (world.cloud.now - first));
    let count = world.cloud.count("CancelExecution");
    assert!((10..=15).contains(&count), "{count}");
    assert!(
        world.task_writes - writes <= 40,
        "{}",
        world.task_writes - writes
    );
    world.cloud.broken.clear();
    world.run_until(310, "granted", |w| w.cloud.count("CancelExecution") > count);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
}

#[test]
fn one_that_cannot_be_cancelled_is_not_looked_at_each_second() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    let broken = &mut world.cloud.broken;
    broken.insert("CancelExecution", ErrorClass::Retry);
    world.annotated("cancel", "n1");
    world.run_for(120);
    world.asked.borrow_mut().clear();
    world.run_for(300);
    let reads = world.asked.borrow().len();
    assert!(reads <= 300, "{reads} reads in five minutes");
}
