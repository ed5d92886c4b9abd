//! A task that is done: how long it is kept, and what can still be read of it.

use ess_rollout_api::v1alpha1::{InstanceState, condition};
use serde_json::json;

use crate::builders::{image, script};
use crate::world::{Crash, World};

fn warned(world: &World) -> usize {
    world
        .events
        .iter()
        .filter(|e| e.reason == "MayRunAgain")
        .count()
}

#[test]
fn a_finished_task_is_deleted_when_its_time_is_up_and_its_group_released() {
    let mut world = script(json!({"ttlSecondsAfterFinished": 300}));
    world.run_to_rest();
    let end = world.status().result.as_ref().unwrap().time.0.as_second();
    world.run_until(400, "gone", |w| w.gone);
    assert!(!world.holds());
    assert!(
        (300..330).contains(&(world.cloud.now - end)),
        "{}",
        world.cloud.now - end
    );
    assert_eq!(warned(&world), 1, "once");
    // Not earlier than the group is released, however short the time.
    let mut world = image(json!({"ttlSecondsAfterFinished": 0, "runKey": "v1"}));
    world.run_to_state("Running");
    world.annotated("cancel", "1");
    world.run_until(900, "gone", |w| w.gone);
    assert!(world.cloud.suspended().is_empty());
    assert_eq!(warned(&world), 0);
}

#[test]
fn the_time_may_be_set_while_it_runs_and_taken_back() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.edited(|task| task.spec.policy.ttl_seconds_after_finished = Some(100));
    world.run_to_rest();
    assert_eq!(warned(&world), 1);
    world.edited(|task| task.spec.policy.ttl_seconds_after_finished = None);
    world.run_for(1000);
    assert!(!world.gone);
    world.edited(|task| task.spec.policy.ttl_seconds_after_finished = Some(100));
    world.run_until(5, "gone", |w| w.gone);
}

#[test]
fn the_operator_may_die_while_it_is_deleted() {
    for crash in [Crash::Finalizer, Crash::Status] {
        let mut world = script(json!({"ttlSecondsAfterFinished": 0}));
        world.run_to_state("Running");
        world.cloud.advance(100);
        for number in 0..6 {
            if world.gone {
                break;
            }
            world.pass_with(Some((number, crash)));
        }
        world.run_until(60, "gone", |w| w.gone);
        assert!(!world.holds());
    }
}

#[test]
fn what_became_of_a_large_run_can_be_read_afterwards() {
    let mut world = World::new(
        crate::builders::image_task(json!({"batches": 2, "maxErrors": 900})),
        crate::cloud::Cloud::with_instances(900),
    );
    for n in 1..=800 {
        world.cloud.failing.insert(format!("i-{n:04}"), 9);
    }
    world.run_to_rest();
    let status = world.status();
    let execution = status.execution.as_ref().unwrap();
    assert!(execution.start_time.is_some() && execution.end_time.is_some());
    assert!(status.result.is_some());
    assert_eq!(status.summary.as_ref().unwrap().failed, 800);
    let failed = status
        .instances
        .iter()
        .filter(|i| i.state == InstanceState::Failed);
    let told =
        failed.filter(|i| i.attempt == 1 && i.execution_id.is_some() && i.start_time.is_some());
    assert_eq!(told.count(), 800);
    assert_eq!(status.plan.as_ref().unwrap().members.len(), 900);
    assert_eq!(status.restore.as_ref().unwrap().items.len(), 800 + 6);
    assert!(world.said(condition::RESTORED).starts_with("False"));
}
