//! A start that is denied gives the group back, is tried again after growing waits, and ends.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::{ErrorClass, Mutation};
use serde_json::json;

use crate::builders::{image, script, script_task};
use crate::cloud::Fate;
use crate::rolling_back::rollback;
use crate::world::{Crash, World};

fn denied(spec: serde_json::Value) -> World {
    let mut world = script(spec);
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    world
}

fn starts(world: &World) -> usize {
    let start = |m: &&Mutation| matches!(m, Mutation::StartExecution(_));
    world.cloud.sent.iter().filter(start).count()
}

#[test]
fn a_denied_start_gives_the_group_and_the_key_back_and_another_task_runs() {
    let mut world = denied(json!({"runKey": "v1"}));
    world.run_for(10);
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::PREFLIGHT), "False AccessDenied");
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        message.contains("StartExecution") && message.contains("nothing was started"),
        "{message}"
    );
    assert!(!world.holds() && world.status().start.is_none());
    let record = world.record_status();
    assert!(
        record.run_keys.is_empty() && record.runs.is_empty(),
        "{record:#?}"
    );

    let mut task = script_task(json!({"runKey": "v1"}));
    task.metadata.uid = Some("uid-2".into());
    let mut other = World::new(task, world.cloud.clone());
    other.record = world.record.clone();
    other.cloud.broken.clear();
    other.run_to_rest();
    assert_eq!(other.said(condition::SUCCEEDED), "True Updated");
}

#[test]
fn nothing_is_sent_for_a_group_that_was_given_back_before_the_status_said_so() {
    // The operator dies after the record of the refusal.
    let dies = |decision| {
        let mut world = denied(json!({}));
        world.pass_with(Some((decision, Crash::Record)));
        world
    };
    let given_back =
        |world: &World| starts(world) == 1 && !world.holds() && world.status().start.is_some();
    let mut world = (0..20).map(dies).find(given_back).unwrap();
    let mut task = script_task(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    task.metadata.uid = Some("uid-2".into());
    let mut other = World::new(task, world.cloud.clone());
    other.record = world.record.clone();
    other.cloud.broken.clear();
    other.run_to_state("BatchSuspended");
    world.record = other.record.clone();
    world.cloud = other.cloud.clone();
    let sent = starts(&world);
    world.run_for(600);
    assert_eq!(starts(&world), sent);
    assert!(world.status().start.is_none());
}

#[test]
fn it_is_tried_again_after_growing_waits_and_ends_with_the_starting_deadline() {
    let mut world = denied(json!({}));
    world.run_for(3600);
    assert!((6..=12).contains(&starts(&world)), "{}", starts(&world));
    let writes = world.task_writes;
    world.run_for(47 * 3600);
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
    assert!(starts(&world) < 200, "{}", starts(&world));
    assert!(world.task_writes - writes < 800);
    assert!(world.record_status().leftovers.is_empty());
    let restored = world.said(condition::RESTORED);
    assert_eq!(restored, "True NothingChanged");
}

#[test]
fn once_it_is_granted_it_starts_within_the_longest_wait_and_forgets_the_refusals() {
    let mut world = denied(json!({}));
    world.run_for(3600);
    world.cloud.broken.clear();
    world.run_until(660, "started", |w| w.status().execution.is_some());
    assert_eq!(world.status().start_blocked, None);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.runs.len(), 1);
}

/// A look in between, as of a watch event, is no reason to call again.
#[test]
fn nothing_is_sent_before_the_wait_is_over() {
    let mut world = denied(json!({}));
    world.pass();
    let before = starts(&world);
    assert_eq!(before, 1);
    for _ in 0..20 {
        world.cloud.advance(1);
        world.pass();
    }
    assert_eq!(starts(&world), before);
}

/// A call before the denied one, whose answer was lost, may still have started something.
#[test]
fn a_denial_after_a_lost_answer_proves_nothing() {
    let mut world = script(json!({}));
    world.cloud.fates = vec![Fate::Late(55), Fate::Refused(ErrorClass::Denied)];
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.runs.len(), 1);

    let mut world = script(json!({}));
    world.cloud.fates = vec![Fate::Lost, Fate::Refused(ErrorClass::Denied)];
    world.run_until(400, "given back", |w| w.status().start_blocked.is_some());
    assert!(!world.holds());
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.runs.len(), 1);
}

#[test]
fn a_task_that_was_denied_leaves_nothing_when_it_is_deleted() {
    let mut world = denied(json!({"runKey": "v1"}));
    world.run_for(200);
    world.deleted();
    world.run_for(30);
    assert!(world.gone);
    let record = world.record_status();
    assert!(record.leftovers.is_empty() && record.run_keys.is_empty() && record.holder.is_none());
}

/// It keeps the group: only it knows how that was before. At its end that is put back.
#[test]
fn a_rollback_that_took_over_and_is_denied_puts_the_group_back_in_the_end() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let mut back = rollback(&mut update, json!({"startingDeadlineSeconds": 900}));
    back.cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    back.run_until(300, "denied", |w| w.status().start_blocked.is_some());
    assert!(back.holds());
    back.run_until(1200, "ended", |w| w.status().result.is_some());
    back.run_to_rest();
    assert_eq!(
        back.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
    assert!(back.cloud.suspended().is_empty());
}
