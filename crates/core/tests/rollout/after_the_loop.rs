//! A task of the execution itself fails: before the instances or after them.

use ess_rollout_api::v1alpha1::{ActionState, PauseKind};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus, TaskExecution};
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::Fate;
use crate::world::World;

const POLICIES: [&str; 3] = ["Automatic", "SuspendFirstBatch", "SuspendEachBatch"];

/// An update of four instances in two batches that OOS may not tag.
fn untagged(policy: &str, lag: i64) -> World {
    untagged_in(policy, (lag, 0, 0))
}

fn untagged_in(policy: &str, (lag, lag_of_parts, lag_of_tasks): (i64, i64, i64)) -> World {
    let mut world = image(json!({"suspensionPolicy": policy, "approvedBatches": 101}));
    world.cloud.tagging_denied = true;
    (world.cloud.lag, world.cloud.lag_of_parts) = (lag, lag_of_parts);
    world.cloud.lag_of_tasks = lag_of_tasks;
    world.run_to_state("FailureSuspended");
    world
}

#[test]
fn it_is_a_failure_pause_with_its_text_and_nothing_is_approved_after_the_last_batch() {
    for policy in POLICIES {
        for lag in [
            (0, 0, 0),
            (20, 0, 0),
            (45, 0, 0),
            (20, 45, 0),
            (0, 0, 20),
            (0, 0, 50),
            (0, 20, 50),
        ] {
            let mut world = untagged_in(policy, lag);
            let pause = world.status().pause.clone().unwrap();
            assert_eq!(pause.kind, PauseKind::Failure);
            for text in [
                "task tagInstance failed for 4 of 4 items: ECS TagResources Forbidden.RAM",
                "ess-rollout.io/retry=task:tagInstance@$(date +%s)",
                "ess-rollout.io/skip=task:tagInstance@$(date +%s)",
            ] {
                assert!(pause.message.contains(text), "{}", pause.message);
            }
            assert_eq!(world.table(), ["Unknown", "False", "-", "True", "True"]);
            let (sent, writes) = (world.cloud.sent.len(), world.task_writes);
            world.run_for(900);
            assert_eq!(world.cloud.sent.len(), sent, "{policy} lag {lag:?}");
            assert!(world.task_writes <= writes + 1, "{policy} lag {lag:?}");
            let pauses: &[i32] = match policy {
                "Automatic" => &[],
                _ => &[1],
            };
            assert_eq!(world.cloud.approved, pauses, "{policy} lag {lag:?}");
            let told = world.cloud.count("NotifyExecution");
            assert_eq!(told, pauses.len(), "{policy} lag {lag:?}");
        }
    }
}

#[test]
fn it_is_retried_and_skipped_by_request() {
    for (verb, lag, allowed) in [
        ("retry", 0, true),
        ("retry", 30, true),
        ("skip", 0, false),
        ("skip", 30, false),
    ] {
        let mut world = untagged("SuspendEachBatch", lag);
        world.cloud.tagging_denied = !allowed;
        world.annotated(verb, "task:tagInstance@1");
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded", "{verb}");
        let action = world.status().actions.last().unwrap();
        assert_eq!(action.targets, ["task:tagInstance"]);
        assert_eq!(action.message, "4 instances");
        // One Approve, and one call for each item.
        assert_eq!(world.cloud.count("NotifyExecution"), 1 + 4, "{verb}");
        assert!(world.cloud.suspended().is_empty());
    }
}

#[test]
fn a_retry_that_fails_again_is_settled_and_the_task_can_be_asked_for_again() {
    let mut world = untagged("Automatic", 0);
    world.annotated("retry", "task:tagInstance@1");
    world.run_for(200);
    assert_eq!(world.ledger(), ["Retry Applied Retried"]);
    assert_eq!(world.state(), "FailureSuspended");
    world.cloud.tagging_denied = false;
    world.annotated("retry", "task:tagInstance@2");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.count("NotifyExecution"), 8);
}

#[test]
fn requests_for_tasks_that_cannot_be_are_refused_in_words() {
    let mut world = untagged("Automatic", 0);
    for (verb, value, reason) in [
        ("retry", "task:resumeProcess@1", "TaskNotFailed"),
        ("cancel-instances", "task:tagInstance@1", "Unsupported"),
        ("retry", "failed@1", "InstanceNotFailed"),
        ("continue", "2@1", "FailurePause"),
    ] {
        world.annotated(verb, value);
        world.run_for(2);
        let last = world.status().actions.last().unwrap();
        assert_eq!(last.reason, reason, "{verb}={value}: {}", last.message);
    }
    let named = &world.status().actions[0].message;
    assert!(named.contains("tagInstance"), "{named}");
}

#[test]
fn a_refused_retry_of_a_task_is_not_repeated_for_ever() {
    let mut world = untagged("Automatic", 0);
    world
        .cloud
        .broken
        .insert("NotifyExecution", ErrorClass::Conflict);
    world.annotated("retry", "task:tagInstance@1");
    world.run_for(1200);
    assert_eq!(world.ledger(), ["Retry Rejected Refused"]);
    assert_eq!(world.cloud.count("NotifyExecution"), 2 * 4);
}

#[test]
fn two_failures_of_which_one_is_tolerated_are_both_named() {
    let failing = |world: &mut World| {
        for id in ["i-0001", "i-0003"] {
            world.cloud.failing.insert(id.into(), 9);
        }
    };
    let mut world = image(json!({"maxErrors": 1, "onFailure": "Fail"}));
    failing(&mut world);
    world.run_until(900, "failed", |w| w.status().result.is_some());
    let message = &world.status().result.as_ref().unwrap().message;
    for text in [
        "2 instances failed, and spec.maxErrors tolerates 1",
        "instance i-0001 failed in batch 1",
        "instance i-0003 failed in batch 2",
    ] {
        assert!(message.contains(text), "{message}");
    }
    let mut world = image(json!({"maxErrors": 1}));
    failing(&mut world);
    world.run_to_state("FailureSuspended");
    let message = world.pause_message();
    let text = "instances i-0001, i-0003 failed, 1 of them tolerated by spec.maxErrors";
    assert!(message.contains(text), "{message}");
}

#[test]
fn a_wait_that_nothing_explains_names_what_it_is_at() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.cloud.frozen = true;
    world.cloud.end_children();
    world.cloud.root().status = ess_rollout_cloud::ExecutionStatus::Waiting;
    world.cloud.root().current_actions = vec!["ACS::WaitFor".into()];
    world.run_for(200);
    assert!(world.pause_message().contains("at ACS::WaitFor"));
}

/// A list that leaves the task out once says nothing of the call that was made for it.
#[test]
fn a_call_for_a_task_that_a_list_leaves_out_is_not_taken_for_nothing() {
    for back in [true, false] {
        let mut world = untagged("Automatic", 0);
        world.cloud.tagging_denied = false;
        let is_failed = |task: &&TaskExecution| task.status == ExecutionStatus::Failed;
        let tasks: Vec<String> = world
            .cloud
            .tasks
            .values()
            .flatten()
            .filter(is_failed)
            .map(|task| task.id.clone())
            .collect();
        world.cloud.fates = vec![Fate::AnswerLost];
        world.annotated("retry", "task:tagInstance@1");
        world.run_until(60, "a call", |world| {
            world.cloud.count("NotifyExecution") > 0
        });
        world
            .cloud
            .hidden
            .extend(tasks.into_iter().map(|id| ("TaskExecutions", id)));
        world.run_for(20);
        if back {
            world.cloud.hidden.clear();
        }
        world.run_to_rest();
        let action = &world.status().actions[0];
        let all = action.instances.iter().map(|one| one.state);
        let all: Vec<ActionState> = all.collect();
        assert_eq!(all, [ActionState::Applied; 4], "{back}");
    }
}
