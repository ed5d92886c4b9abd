//! The calls behind requests on single instances: how they are addressed, and what becomes of them
//! when they are lost, late, refused or cut off by a crash.

use ess_rollout_api::v1alpha1::{ActionState, InstanceState, condition};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus, NotifyType};
use serde_json::json;

use crate::cloud::{Fate, Oos};
use crate::instances::{failed, failed_in};
use crate::world::{Crash, World};

#[test]
fn whatever_becomes_of_the_call_there_is_one_effect_and_it_is_on_the_attempt_named() {
    let fates = [
        vec![],
        vec![Fate::AnswerLost],
        vec![Fate::Late(59)],
        vec![Fate::Lost],
        vec![Fate::Lost, Fate::AnswerLost],
        vec![Fate::Refused(ErrorClass::Throttled)],
        vec![Fate::Refused(ErrorClass::Retry)],
        vec![Fate::Refused(ErrorClass::Denied)],
        vec![Fate::Refused(ErrorClass::Conflict)],
        vec![Fate::Refused(ErrorClass::Invalid)],
    ];
    for verb in ["retry", "skip", "cancel-instances"] {
        for fates in &fates {
            for (child_waits, lag) in [(false, 0), (true, 0), (false, 15)] {
                let mut world = failed_in(1, json!({}), |cloud| {
                    cloud.oos.child_waits = child_waits;
                    cloud.lag = lag;
                });
                world.cloud.fates.clone_from(fates);
                world.annotated(verb, "i-0001@n1");
                let what = format!("{verb} {fates:?} child waits {child_waits} lag {lag}");
                world.run_until(900, &what, World::at_rest);
                assert_eq!(world.state(), "Succeeded", "{what}");
                let ledger = world.ledger();
                assert!(ledger[0].contains("Applied"), "{what}: {ledger:?}");
                let effects: Vec<_> = world.cloud.notified.iter().map(|n| (&*n.1, n.2)).collect();
                assert_eq!(effects, [("i-0001", 1)], "{what}");
            }
        }
    }
}

#[test]
fn wherever_the_operator_dies_there_is_one_effect_and_every_request_ends() {
    // Requests write neither finalizer nor record.
    let crashes = [Crash::Status, Crash::Mutation];
    for verb in ["retry", "skip", "cancel-instances"] {
        for number in 0..4 {
            for crash in crashes {
                for fate in [Fate::Answered, Fate::Late(50)] {
                    let mut world = failed(1);
                    world.cloud.fates = vec![fate];
                    world.annotated(verb, "i-0001,i-0003@n1");
                    world.pass_with(Some((number, crash)));
                    world.cloud.advance(1);
                    // Dies once more, on its way back.
                    world.pass_with(Some((0, crash)));
                    let what = format!("{verb} {number} {crash:?} {fate:?}");
                    world.run_until(900, &what, World::at_rest);
                    let ledger = world.ledger();
                    assert!(ledger[0].contains("Applied"), "{what}: {ledger:?}");
                    let mut effects = world.cloud.notified.clone();
                    effects.retain(|(_, id, _)| id == "i-0001");
                    assert_eq!(effects.len(), 1, "{what}");
                    assert_eq!(effects[0].2, 1, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_call_that_may_come_late_keeps_others_away_from_the_instance() {
    let mut world = failed(2);
    world.cloud.fates = vec![Fate::Late(50)];
    world.annotated("skip", "i-0001@n1");
    world.pass();
    world.annotated("retry", "i-0001@n1");
    world.run_to_rest();
    // The skip came; a retry in between would have made an attempt that it was not meant for.
    assert_eq!(
        world.cloud.notified,
        [(NotifyType::SkipTask, "i-0001".to_owned(), 1)]
    );
    assert_eq!(
        world.ledger(),
        [
            "Skip Applied AlreadyEffective",
            "Retry Rejected InstanceFinished"
        ]
    );
}

/// The retry is answered, and what it has begun is not listed yet: whoever asks again means the attempt that they see.
#[test]
fn a_request_meets_no_attempt_that_is_not_listed_yet() {
    for (verb, verdict) in [
        ("skip", "Skip Rejected StaleAttempt"),
        ("cancel-instances", "CancelInstances Rejected StaleAttempt"),
        ("retry", "Retry Rejected InstanceNotFailed"),
    ] {
        for named in ["i-0001", "i-0001/1"] {
            let mut world = failed_in(2, json!({}), |cloud| cloud.lag = 45);
            world.annotated("retry", "i-0001@n1");
            world.run_until(60, "retried", |w| w.ledger() == ["Retry Applied Retried"]);
            // By then the second attempt has failed, too.
            world.run_for(30);
            assert_eq!(world.instance("i-0001").attempt, 1);
            world.annotated(verb, &format!("{named}@n2"));
            world.run_for(120);
            assert_eq!(world.instance("i-0001").attempt, 2, "{verb} {named}");
            assert_eq!(
                world.cloud.notified,
                [(NotifyType::RetryTask, "i-0001".to_owned(), 1)],
                "{verb} {named}"
            );
            assert_eq!(world.ledger(), ["Retry Applied Retried", verdict]);
        }
    }
}

#[test]
fn a_decision_in_the_console_settles_the_request() {
    let mut world = failed(1);
    world.cloud.fates = vec![Fate::Lost];
    world.annotated("retry", "i-0001@n1");
    world.pass();
    world.cloud.retry_in_console("i-0001");
    world.run_for(30);
    assert_eq!(world.ledger(), ["Retry Applied AlreadyEffective"]);
    world.run_to_rest();
    assert!(world.cloud.notified.is_empty(), "nothing but the console");
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
}

#[test]
fn a_call_that_was_lost_is_not_sent_again_for_a_later_attempt() {
    for child_waits in [false, true] {
        for (verb, verdict) in [
            ("retry", "Retry Applied AlreadyEffective"),
            ("skip", "Skip Rejected StaleAttempt"),
            ("cancel-instances", "CancelInstances Rejected StaleAttempt"),
        ] {
            let mut world = failed_in(2, json!({}), |cloud| cloud.oos.child_waits = child_waits);
            world.cloud.fates = vec![Fate::Lost];
            world.annotated(verb, "i-0001@n1");
            world.pass();
            world.cloud.retry_in_console("i-0001");
            // It is told when the call can have no effect any more.
            world.run_for(200);
            let what = format!("{verb} child waits {child_waits}");
            assert_eq!(world.instance("i-0001").attempt, 2, "{what}");
            assert_eq!(world.ledger(), [verdict], "{what}");
            assert!(world.cloud.notified.is_empty(), "{what}");
        }
    }
}

#[test]
fn a_denied_request_is_not_hammered_and_goes_on_once_it_is_granted() {
    let mut world = failed(1);
    world
        .cloud
        .broken
        .insert("NotifyExecution", ErrorClass::Denied);
    world.annotated("retry", "i-0001@n1");
    world.run_for(30);
    assert_eq!(world.said(condition::STALLED), "True AccessDenied");
    let (sent, writes) = (world.cloud.count("NotifyExecution"), world.task_writes);
    world.run_for(600);
    assert!(world.cloud.count("NotifyExecution") - sent <= 11);
    assert!(
        world.task_writes - writes <= 22,
        "{}",
        world.task_writes - writes
    );
    world.cloud.broken.clear();
    world.run_until(310, "retried", |w| w.ledger() == ["Retry Applied Retried"]);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn an_answer_is_not_lost_with_the_reads_that_follow_it() {
    let mut world = failed(1);
    world.cloud.lag = 0;
    world.annotated("retry", "i-0001@n1");
    // Accepted, and then the lists cannot be read any more.
    world.pass_with(Some((0, Crash::Status)));
    assert_eq!(world.ledger(), ["Retry Accepted"]);
    world.pass();
    world.cloud.broken.insert("Children", ErrorClass::Retry);
    world.run_for(20);
    assert_eq!(world.ledger(), ["Retry Applied Retried"]);
}

#[test]
fn a_request_is_on_record_before_anything_is_done_about_it() {
    let mut world = failed(1);
    world.annotated("retry", "i-0001@n1");
    world.pass_with(Some((0, Crash::Status)));
    let action = &world.status().actions[0];
    assert_eq!(action.state, ActionState::Accepted);
    assert_eq!(action.instances[0].attempt, 1);
    assert_eq!(
        action.instances[0].execution_id,
        world.instance("i-0001").execution_id
    );
    assert_eq!(
        world.status().handled_actions.retry.as_deref(),
        Some("i-0001@n1")
    );
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
}

#[test]
fn each_way_to_address_an_instance_is_tried() {
    for (by_task, by_item, by_child) in [
        (true, false, false),
        (false, true, false),
        (false, false, true),
    ] {
        for child_waits in [false, true] {
            for verb in ["retry", "skip", "cancel-instances"] {
                let mut world = failed_in(1, json!({}), |cloud| {
                    cloud.oos = Oos {
                        by_task,
                        by_item,
                        by_child,
                        child_waits,
                        ..Oos::default()
                    };
                });
                world.annotated(verb, "i-0001@n1");
                world.settled();
                let what = format!("{verb} {by_task} {by_item} {by_child} {child_waits}");
                assert_eq!(
                    world.status().actions[0].state,
                    ActionState::Applied,
                    "{what}"
                );
                assert_eq!(world.cloud.notified.len(), 1, "{what}");
                world.run_to_rest();
                assert_eq!(world.state(), "Succeeded", "{what}");
            }
        }
    }
}

#[test]
fn a_skip_that_goes_on_inside_the_nested_execution_is_a_skip_all_the_same() {
    for fate in [Fate::Answered, Fate::AnswerLost] {
        let mut world = failed_in(1, json!({}), |cloud| {
            cloud.oos = Oos {
                by_task: false,
                by_item: false,
                by_child: true,
                child_waits: true,
                skip_inside: true,
                ..Oos::default()
            };
        });
        // The root is tried first, and refuses.
        world.cloud.fates = vec![Fate::Answered, fate];
        world.annotated("skip", "i-0001@n1");
        world.run_to_rest();
        let ledger = world.ledger();
        assert!(ledger[0].contains("Skip Applied"), "{fate:?}: {ledger:?}");
        assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
        assert_eq!(world.instance("i-0001").state, InstanceState::Skipped);
        assert_eq!(world.cloud.notified.len(), 1, "{fate:?}");
    }
}

#[test]
fn those_that_have_not_begun_are_decided_about_before_the_update_goes_on() {
    let mut world = failed(9);
    world.annotated("skip", "i-0001,i-0004@n1");
    world.settled();
    let order: Vec<_> = world.cloud.notified.iter().map(|n| &*n.1).collect();
    assert_eq!(order, ["i-0004", "i-0001"]);
}

#[test]
fn a_request_that_oos_takes_in_no_way_ends_with_what_it_said() {
    let mut world = failed_in(1, json!({}), |cloud| {
        (cloud.oos.by_task, cloud.oos.by_item) = (false, false);
    });
    world.annotated("retry", "i-0001@n1");
    world.settled();
    assert_eq!(world.ledger(), ["Retry Rejected Refused"]);
    assert!(world.status().actions[0].message.contains("as scripted"));
    // Both addresses, twice, a bound on lateness apart.
    assert_eq!(world.cloud.count("NotifyExecution"), 4);
    assert_eq!(world.state(), "FailureSuspended");
}

/// What a call without an answer came to is told by lists that are not of the same moment: the run is over in one of them while the
/// others show the instance as it was before.
#[test]
fn a_call_without_an_answer_counts_however_far_the_lists_lag() {
    for verb in ["skip", "cancel-instances"] {
        for fate in [Fate::AnswerLost, Fate::Late(20)] {
            for (child_waits, lag, lag_of_parts, lag_of_tasks) in [
                (false, 0, 0, 20),
                (false, 0, 20, 45),
                (false, 20, 0, 45),
                (true, 0, 0, 20),
                (true, 0, 20, 0),
                (true, 0, 20, 45),
            ] {
                let mut world = failed_in(1, json!({}), |cloud| {
                    cloud.oos.child_waits = child_waits;
                    (cloud.lag, cloud.lag_of_parts) = (lag, lag_of_parts);
                    cloud.lag_of_tasks = lag_of_tasks;
                });
                world.cloud.fates = vec![fate];
                world.annotated(verb, "i-0001@n1");
                let lags = (lag, lag_of_parts, lag_of_tasks);
                let what = format!("{verb} {fate:?} child waits {child_waits} lags {lags:?}");
                world.run_until(900, &what, World::at_rest);
                let ledger = world.ledger();
                assert!(ledger[0].contains("Applied"), "{what}: {ledger:?}");
                assert_eq!(world.cloud.notified.len(), 1, "{what}");
                let state = match verb {
                    "skip" => InstanceState::Skipped,
                    _ => InstanceState::Cancelled,
                };
                assert_eq!(world.instance("i-0001").state, state, "{what}");
            }
        }
    }
}

/// A look in between may have taken the instance for one that goes on, which counts as another attempt.
#[test]
fn a_skip_without_an_answer_counts_for_an_instance_that_seemed_to_go_on() {
    let mut world = failed_in(1, json!({}), |cloud| cloud.oos.child_waits = true);
    world.cloud.fates = vec![Fate::Late(20)];
    world.annotated("skip", "i-0001@n1");
    world.run_until(60, "the call", |world| {
        world.cloud.count("NotifyExecution") == 1
    });
    let child = world.instance("i-0001").execution_id.clone().unwrap();
    let status = |world: &mut World, status: ExecutionStatus| {
        let mut all = world.cloud.executions.iter_mut();
        all.find(|e| e.id == child).unwrap().status = status.clone();
        for task in world.cloud.tasks.get_mut(&child).unwrap() {
            task.status = match status {
                ExecutionStatus::Running => ExecutionStatus::Running,
                _ => ExecutionStatus::Failed,
            };
        }
    };
    status(&mut world, ExecutionStatus::Running);
    world.run_until(15, "another attempt", |world| {
        world.instance("i-0001").attempt == 2
    });
    status(&mut world, ExecutionStatus::Waiting);
    world.run_to_rest();
    assert_eq!(world.instance("i-0001").state, InstanceState::Skipped);
    let ledger = world.ledger();
    assert!(ledger[0].contains("Skip Applied"), "{ledger:?}");
    assert_eq!(world.cloud.notified.len(), 1);
}
