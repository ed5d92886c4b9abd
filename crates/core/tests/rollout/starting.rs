//! The intent is on record: exactly one execution comes of it, whatever becomes of the call.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::{ErrorClass, ExecutionStatus};
use serde_json::json;

use crate::builders::script;
use crate::cloud::{Fate, execution};
use crate::world::{Crash, World};
use ess_rollout_core::rollout::Next;

fn started(fates: &[Fate]) -> World {
    let mut world = script(json!({}));
    world.cloud.fates = fates.to_vec();
    world
}

#[test]
fn whatever_becomes_of_the_call_one_execution_comes_of_it() {
    for fates in [
        vec![Fate::Answered],
        vec![Fate::AnswerLost],
        vec![Fate::Late(1)],
        vec![Fate::Late(59)],
        vec![Fate::Lost],
        vec![Fate::Lost, Fate::Late(30), Fate::Lost],
        vec![Fate::Refused(ErrorClass::Throttled)],
        vec![Fate::Refused(ErrorClass::Denied)],
        vec![Fate::Late(50), Fate::Refused(ErrorClass::Throttled)],
    ] {
        for lag in [0, 20] {
            let mut world = started(&fates);
            world.cloud.lag = lag;
            world.run_to_rest();
            assert_eq!(world.state(), "Succeeded", "{fates:?}");
            assert_eq!(world.cloud.runs.len(), 1, "{fates:?}");
        }
    }
}

/// A service that does not know a filter leaves it aside.
#[test]
fn what_is_listed_without_its_tags_is_nobodys_own() {
    for fate in [Fate::AnswerLost, Fate::Lost] {
        let mut world = started(&[fate]);
        world.cloud.tags_ignored = true;
        let template = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
        let mut strangers = execution("exec-strangers", None, template, world.cloud.time());
        strangers.status = ExecutionStatus::Success;
        world.cloud.executions.push(strangers);
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        let own = world.status().execution.clone().unwrap().id;
        assert_ne!(own, "exec-strangers");
        assert_eq!(world.cloud.runs.len(), 1);
    }
}

#[test]
fn a_status_that_cannot_be_is_named_and_nothing_is_sent() {
    let mut world = started(&[Fate::Lost]);
    world.pass();
    let status = world.task.status.as_mut().unwrap();
    assert!(status.start.is_some() && status.execution.is_none());
    status.plan = None;
    for _ in 0..5 {
        world.pass();
        let stalled = world.condition(condition::STALLED).unwrap();
        assert_eq!(stalled.reason, "StatusContradiction");
        assert!(
            stalled.message.contains("status.plan is not"),
            "{}",
            stalled.message
        );
        assert!(
            matches!(world.next, Next::After(wait) if wait.as_secs() >= 60),
            "{:?}",
            world.next
        );
        world.wait();
    }
    assert_eq!(world.cloud.count("StartExecution"), 1);
    world.deleted();
    world.run_until(7200, "gone", |w| w.gone);
}

#[test]
fn the_operator_may_die_between_any_two_effects() {
    for crash in [
        Crash::Finalizer,
        Crash::Record,
        Crash::Status,
        Crash::Mutation,
    ] {
        for decision in 0..4 {
            let mut world = script(json!({}));
            world.pass_with(Some((decision, crash)));
            world.run_to_rest();
            assert_eq!(world.state(), "Succeeded");
            assert_eq!(world.cloud.runs.len(), 1);
        }
    }
}

#[test]
fn after_half_an_hour_a_new_token_is_used_once_two_look_ups_were_empty() {
    let mut world = started(&[]);
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Retry);
    world.run_for(31 * 60);
    let first = world.status().start.clone().unwrap();
    assert_eq!(first.attempt, 1);
    world.run_for(4 * 60);
    let second = world.status().start.clone().unwrap();
    assert_eq!(second.attempt, 2);
    assert_ne!(first.client_token, second.client_token);
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.cloud.runs.len(), 1);
}

#[test]
fn a_refusal_of_the_only_call_ends_the_task_at_once() {
    let mut world = started(&[Fate::Refused(ErrorClass::Invalid)]);
    let before = world.cloud.now;
    world.run_to_rest();
    assert!(world.cloud.now - before < 5);
    assert_eq!(world.said(condition::SUCCEEDED), "False StartRefused");
    assert_eq!(world.said(condition::RESTORED), "True NothingChanged");
    assert!(
        world
            .condition(condition::SUCCEEDED)
            .unwrap()
            .message
            .contains("req-1")
    );
}

#[test]
fn a_refusal_after_a_lost_answer_does_not_prove_that_nothing_ran() {
    let mut world = started(&[Fate::Late(55), Fate::Refused(ErrorClass::Invalid)]);
    world.run_to_rest();
    assert_eq!(world.cloud.runs.len(), 1);
    assert_eq!(
        world.state(),
        "Succeeded",
        "the late start is found and followed"
    );

    let mut world = started(&[Fate::Lost, Fate::Refused(ErrorClass::Invalid)]);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False StartRefused");
    assert_eq!(world.cloud.runs.len(), 0);
}

#[test]
fn a_token_that_was_used_is_looked_up_without_hammering_the_service() {
    let mut world = started(&[Fate::AnswerLost]);
    world.cloud.lag = 40;
    world.pass();
    // As a newer operator would send it.
    world
        .cloud
        .root()
        .parameters
        .insert("batchNumber".into(), json!(7));
    world.run_for(60);
    assert!(
        world.cloud.count("StartExecution") <= 3,
        "{}",
        world.cloud.count("StartExecution")
    );
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.runs.len(), 1);
}

#[test]
fn a_used_token_whose_execution_never_shows_is_not_followed_by_another_start() {
    let mut world = started(&[Fate::Refused(ErrorClass::TokenMismatch)]);
    world.run_until(3600, "ended", World::at_rest);
    assert_eq!(world.said(condition::SUCCEEDED), "False ExecutionNotFound");
    assert_eq!(world.cloud.count("StartExecution"), 1);
}

#[test]
fn a_cancellation_waits_until_a_lost_start_can_no_longer_take_effect() {
    let mut world = started(&[Fate::Late(45)]);
    world.pass();
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    assert_eq!(world.cloud.runs.len(), 1);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    assert!(world.cloud.suspended().is_empty());

    let mut world = started(&[Fate::Lost]);
    world.pass();
    world.annotated("cancel", "n1");
    let before = world.cloud.now;
    world.run_to_rest();
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False CancelledBeforeStart"
    );
    assert!(world.cloud.now - before > 60);
    assert_eq!(
        world.cloud.count("StartExecution"),
        1,
        "nothing is sent any more"
    );
}

#[test]
fn an_ignored_filter_does_not_make_a_strangers_execution_ours() {
    let mut world = started(&[Fate::Lost]);
    let mut stranger = execution(
        "exec-x",
        None,
        "ACS-ESS-RollingUpdateByX",
        world.cloud.time(),
    );
    stranger.status = ExecutionStatus::Success;
    let uid = "ess-rollout/uid";
    stranger.tags.insert(uid.into(), "uid-1".into());
    stranger
        .tags
        .insert("scaling_group".into(), "asg-example".into());
    stranger
        .tags
        .insert("ess-rollout/spec-hash".into(), "another".into());
    world.cloud.executions.push(stranger);
    world.run_to_rest();
    assert_ne!(world.status().execution.as_ref().unwrap().id, "exec-x");
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_run_that_somebody_started_at_the_same_time_is_reported() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.pass_with(Some((1, Crash::Mutation)));
    let mut other = execution(
        "exec-z",
        None,
        "ACS-ESS-RollingUpdateByX",
        world.cloud.time(),
    );
    other
        .parameters
        .insert("scalingGroupId".into(), json!("asg-example"));
    world.cloud.executions.push(other);
    world.run_to_state("BatchSuspended");
    let clash: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.reason == "ForeignExecution")
        .collect();
    assert_eq!(clash.len(), 1);
    assert!(clash[0].note.contains("exec-z"));
}
