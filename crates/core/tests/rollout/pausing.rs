//! Pauses: told apart, left once each, and only by somebody who may.

use ess_rollout_api::v1alpha1::{PauseKind, condition};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus, TaskExecution};
use serde_json::{Map, json};

use crate::builders::{image, script};
use crate::cloud::{Cloud, Fate};
use crate::world::{Crash, World};

fn paused() -> World {
    paused_in(|_| {})
}

fn paused_in(change: impl FnOnce(&mut Cloud)) -> World {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    change(&mut world.cloud);
    world.run_to_state("BatchSuspended");
    assert_eq!(world.status().pause.as_ref().unwrap().id, 1);
    world
}

#[test]
fn a_continue_leaves_the_pause_that_it_names_and_no_other() {
    let mut world = paused();
    world.annotated("continue", "2");
    world.run_for(20);
    assert_eq!(world.ledger(), ["Continue Rejected NotPaused"]);
    world.annotated("continue", "1");
    world.run_until(100, "pause 2", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
    assert_eq!(world.ledger().last().unwrap(), "Continue Applied Continued");
    // The same value still stands there, and is no new request.
    world.run_for(60);
    assert_eq!(world.cloud.approved, [1]);
    world.task.metadata.annotations = None;
    world.run_for(20);
    world.annotated("continue", "1");
    world.run_for(20);
    assert_eq!(
        world.cloud.approved,
        [1],
        "removing and adding it again is no request either"
    );
    world.annotated("continue", "current@1");
    world.run_until(100, "pause 3", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 3)
    });
    assert_eq!(world.cloud.approved, [1, 2]);
    world.annotated("continue", "1");
    world.run_for(20);
    assert_eq!(
        world.ledger().last().unwrap(),
        "Continue Rejected StalePause"
    );
    assert_eq!(world.cloud.count("NotifyExecution"), 2);
}

#[test]
fn a_request_that_was_there_first_does_nothing() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.annotated("continue", "1");
    world.run_to_state("BatchSuspended");
    assert_eq!(world.ledger(), ["Continue Rejected PresentAtCreation"]);
    world.run_for(60);
    assert!(world.cloud.approved.is_empty());
}

#[test]
fn requests_that_cannot_be_are_refused_in_words() {
    let mut world = script(json!({"batches": 4}));
    world.run_to_state("Running");
    for (key, value, reason) in [
        ("continue", "1", "NotPaused"),
        ("continue", "yes", "Malformed"),
        ("retry", "i-1@n", "UnknownInstance"),
        ("skip", "i-1", "Malformed"),
        ("cancel-instances", "", "Malformed"),
        ("cancel", "a b", "Malformed"),
    ] {
        world.annotated(key, value);
        world.run_for(2);
        let last = world.status().actions.last().unwrap();
        assert_eq!(last.reason, reason, "{key}={value}");
    }
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    world.annotated("continue", "9");
    world.pass();
    assert_eq!(
        world.ledger().last().unwrap(),
        "Continue Rejected TaskFinished"
    );
}

#[test]
fn a_flood_of_requests_never_grows_the_ledger_beyond_its_bound() {
    let mut world = paused();
    world
        .cloud
        .broken
        .insert("NotifyExecution", ErrorClass::Denied);
    for n in 0..60 {
        world.annotated("continue", &format!("current@{n}"));
        world.run_for(2);
    }
    assert!(world.status().actions.len() <= 40);
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::Denied);
    for n in 0..60 {
        world.annotated("cancel", &format!("n{n}"));
        world.run_for(2);
    }
    assert!(world.status().cancellation.is_some());
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
}

#[test]
fn each_suspension_policy_pauses_where_it_says() {
    for (policy, pauses) in [
        ("Automatic", 0),
        ("SuspendFirstBatch", 1),
        ("SuspendEachBatch", 3),
    ] {
        let mut world =
            image(json!({"suspensionPolicy": policy, "batches": 4, "approvedBatches": 9}));
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(world.cloud.approved.len(), pauses, "{policy}");
    }
}

#[test]
fn approved_batches_let_so_many_run_and_only_ever_rise() {
    let mut world =
        script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4, "approvedBatches": 2}));
    world.run_until(200, "pause 2", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
    assert_eq!(world.cloud.approved, [1]);
    world.edited(|t| t.spec.policy.approved_batches = Some(1));
    world.run_for(30);
    assert_eq!(world.status().observed_generation, Some(2));
    world.edited(|t| t.spec.policy.approved_batches = Some(3));
    world.run_until(200, "pause 3", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 3)
    });
    world.edited(|t| t.spec.policy.approved_batches = None);
    world.run_for(60);
    assert_eq!(world.cloud.approved, [1, 2]);
}

#[test]
fn a_pause_after_the_last_batch_is_left_too() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 3}));
    world.cloud.pause_after_last = true;
    world.run_to_rest();
    assert_eq!(world.cloud.approved, [1, 2]);
}

#[test]
fn one_approve_leaves_each_pause_whatever_becomes_of_the_call() {
    for fates in [
        vec![Fate::AnswerLost],
        vec![Fate::Late(59)],
        vec![Fate::Lost],
        vec![Fate::Lost, Fate::Lost],
        vec![Fate::Refused(ErrorClass::Throttled)],
        vec![Fate::Refused(ErrorClass::Conflict)],
        vec![Fate::Refused(ErrorClass::Denied)],
    ] {
        for (lag, moves) in [(0, true), (0, false), (15, true)] {
            let mut world = paused_in(|c| (c.lag, c.update_date_moves) = (lag, moves));
            world.cloud.fates = fates.clone();
            world.annotated("continue", "1");
            let what = format!("pause 2 {fates:?} lag {lag} moves {moves}");
            world.run_until(400, &what, |w| {
                w.status().pause.as_ref().is_some_and(|p| p.id == 2)
            });
            world.run_for(200);
            assert_eq!(
                world.cloud.approved,
                [1],
                "{fates:?} lag {lag} moves {moves}"
            );
        }
    }
}

#[test]
fn a_lost_approve_is_repeated_only_after_the_bound_on_lateness() {
    let mut world = paused();
    world.cloud.fates = vec![Fate::Lost];
    world.annotated("continue", "1");
    // The time within which it may take effect, and that by which lists may be behind.
    world.run_for(115);
    assert_eq!(world.cloud.count("NotifyExecution"), 1);
    world.run_for(20);
    assert_eq!(world.cloud.count("NotifyExecution"), 2);
}

#[test]
fn an_approve_that_was_never_sent_is_sent_although_a_list_once_went_backwards() {
    let mut world = paused();
    world.annotated("continue", "1");
    world.pass_with(Some((0, Crash::Status)));
    assert!(world.cloud.sent.len() == 1, "the start, and no Approve");
    // One read shows the root as it was before the pause.
    world.cloud.root().status = ExecutionStatus::Running;
    world.pass();
    world.cloud.root().status = ExecutionStatus::Waiting;
    world.run_until(400, "pause 2", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn an_approve_is_repeated_although_the_update_date_was_behind_when_it_was_recorded() {
    let mut world = paused();
    world.cloud.root().updated = None;
    world.annotated("continue", "1");
    world.pass_with(Some((0, Crash::Status)));
    let time = world.cloud.time();
    world.cloud.root().updated = Some(time);
    world.run_until(400, "pause 2", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn a_pause_that_was_left_is_not_approved_again_through_a_stale_list() {
    let mut world = paused();
    let stale = (world.cloud.executions.clone(), world.cloud.tasks.clone());
    world.annotated("continue", "1");
    world.pass();
    assert_eq!(world.cloud.approved, [1]);
    let now = (world.cloud.executions.clone(), world.cloud.tasks.clone());
    // The lists go back and forth between before and after.
    for _ in 0..10 {
        (world.cloud.executions, world.cloud.tasks) = stale.clone();
        world.pass();
        (world.cloud.executions, world.cloud.tasks) = now.clone();
        world.pass();
        world.cloud.now += 5;
    }
    assert_eq!(world.cloud.count("NotifyExecution"), 1);
}

#[test]
fn a_denied_approve_is_not_hammered() {
    for spec in [json!({"approvedBatches": 3}), json!({})] {
        let mut spec = spec;
        spec["suspensionPolicy"] = json!("SuspendEachBatch");
        let mut world = script(spec);
        world
            .cloud
            .broken
            .insert("NotifyExecution", ErrorClass::Denied);
        world.run_to_state("BatchSuspended");
        world.annotated("continue", "1");
        world.run_for(30);
        assert_eq!(world.table()[3], "True", "stalled");
        let (sent, writes) = (world.cloud.count("NotifyExecution"), world.task_writes);
        world.run_for(600);
        // Ever more rarely, to a bound within which whoever grants the right sees it go on.
        assert!(world.cloud.count("NotifyExecution") - sent <= 4);
        assert!(
            world.task_writes - writes <= 8,
            "{}",
            world.task_writes - writes
        );
        world.cloud.broken.clear();
        world.run_until(310, "left", |w| w.cloud.approved == [1]);
    }
}

#[test]
fn an_approve_in_the_console_settles_the_request() {
    let mut world = paused();
    world.cloud.fates = vec![Fate::Lost];
    world.annotated("continue", "1");
    world.pass();
    world.cloud.approve_in_console();
    world.run_for(20);
    assert_eq!(world.ledger(), ["Continue Applied AlreadyEffective"]);
    world.run_for(200);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn a_failure_comes_before_a_batch_pause_and_cannot_be_continued() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 2}));
    world.cloud.failing.insert("i-0002".into(), 9);
    world.run_to_state("FailureSuspended");
    assert_eq!(world.table(), ["Unknown", "False", "-", "True", "True"]);
    world.annotated("continue", "1");
    world.run_for(20);
    assert_eq!(world.ledger(), ["Continue Rejected FailurePause"]);
    assert!(world.cloud.count("NotifyExecution") == 0);
}

#[test]
fn a_child_that_waits_because_its_task_failed_is_a_failure() {
    for root in [ExecutionStatus::Waiting, ExecutionStatus::Running] {
        let mut world = script(json!({}));
        world.cloud.failing.insert("i-0001".into(), 9);
        world.run_to_state("FailureSuspended");
        let mut world = World::new(world.task.clone(), {
            let mut cloud = world.cloud.clone();
            cloud.root().status = root.clone();
            for e in cloud
                .executions
                .iter_mut()
                .filter(|e| e.status == ExecutionStatus::Failed)
            {
                (e.status, e.end) = (ExecutionStatus::Waiting, None);
            }
            for t in cloud.tasks.get_mut("exec-1").unwrap() {
                if t.status == ExecutionStatus::Failed {
                    t.status = ExecutionStatus::Waiting;
                }
            }
            let mut inner: TaskExecution = cloud.tasks["exec-1"][0].clone();
            inner.id = "inner".into();
            inner.child_execution = None;
            inner.loop_batch = None;
            inner.status = ExecutionStatus::Failed;
            inner.status_message = "exit code 1".into();
            inner.outputs = Map::new();
            cloud.tasks.insert("exec-1-i-0001-1".into(), vec![inner]);
            cloud
        });
        world.task.status.as_mut().unwrap().instances.clear();
        world.cloud.now += 11;
        world.pass();
        assert_eq!(world.state(), "FailureSuspended", "root {root}");
        assert_eq!(
            world.status().pause.as_ref().unwrap().kind,
            PauseKind::Failure
        );
        let failed = &world.status().instances[0];
        assert!(failed.conditions[0].message.contains("exit code 1"));
    }
}

#[test]
fn a_failure_that_is_tolerated_but_waited_upon_is_a_failure_pause() {
    let mut world = image(json!({"maxErrors": 2}));
    world.cloud.failing.insert("i-0001".into(), 9);
    world.run_until(60, "failed", |w| {
        w.status().summary.as_ref().is_some_and(|s| s.failed == 1)
    });
    world.cloud.root().status = ExecutionStatus::Waiting;
    for e in world
        .cloud
        .executions
        .iter_mut()
        .filter(|e| e.status == ExecutionStatus::Running)
    {
        e.status = ExecutionStatus::Success;
    }
    world.pass();
    assert_eq!(world.state(), "FailureSuspended");
}

#[test]
fn a_task_of_the_root_that_failed_is_a_failure_pause_that_names_it() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    let mut task = world.cloud.tasks["exec-1"][0].clone();
    task.id = "exec-1.t0002".into();
    task.name = "suspendProcesses".into();
    task.status = ExecutionStatus::Failed;
    task.status_message = "ESS SuspendProcesses Forbidden.RAM".into();
    (task.parent, task.child_execution, task.loop_batch) = (None, None, None);
    world.cloud.frozen = true;
    world.cloud.tasks.insert("exec-1".into(), vec![task]);
    world.cloud.executions.retain(|e| e.parent.is_none());
    world.cloud.root().status = ExecutionStatus::Waiting;
    world.run_to_state("FailureSuspended");
    let message = &world.status().pause.as_ref().unwrap().message;
    assert!(
        message.contains("SuspendProcesses Forbidden.RAM"),
        "{message}"
    );
}

#[test]
fn high_risk_confirmations_and_unknown_waits_are_shown_and_left_alone() {
    let mut world = script(json!({"approvedBatches": 9}));
    world.run_to_state("Running");
    world.cloud.root().status = ExecutionStatus::Waiting;
    world.cloud.root().current_actions = vec!["ACS::Approve".into()];
    world.run_for(20);
    assert_eq!(world.state(), "ApprovalSuspended");
    world.cloud.end_children();
    world.cloud.root().status = ExecutionStatus::Waiting;
    world.cloud.root().current_actions.clear();
    world.cloud.root().waiting_status = "x".repeat(5000);
    world.run_for(20);
    assert_eq!(world.state(), "Suspended");
    assert_eq!(world.said(condition::PAUSED), "True Suspended");
    world.annotated("continue", "current@1");
    world.pass();
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
}

/// OOS may list an instance that was passed over as soon as it is told so, before its batch begins.
#[test]
fn an_instance_that_was_passed_over_early_does_not_move_the_number_of_the_pause() {
    let mut world = paused();
    let id = "exec-1.i-0003".to_owned();
    let mut item = world.cloud.tasks["exec-1"][0].clone();
    (item.id, item.child_execution, item.loop_batch) = (id, None, Some(3));
    (item.status, item.loop_item) = (ExecutionStatus::Skipped, Some("i-0003".into()));
    world.cloud.tasks.get_mut("exec-1").unwrap().push(item);
    world.run_for(30);
    assert_eq!(world.status().pause.as_ref().unwrap().id, 1);
    world.annotated("continue", "1");
    world.run_until(100, "pause 2", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
    world.run_for(200);
    assert_eq!(world.cloud.approved, [1]);
}
