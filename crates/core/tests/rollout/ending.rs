//! After the result: the group put back, read back, let go.

use ess_rollout_api::v1alpha1::{InstanceState, RestoreKind, condition};
use ess_rollout_cloud::{EcsStatus, Execution, LifecycleState, Process};
use serde_json::{Value, json};

use crate::builders::image;
use crate::cloud::{GROUP, NEW_IMAGE, OLD_IMAGE, execution};
use crate::world::World;

/// An image update of which the first of two batches is cut off.
pub fn cut_off(spec: Value) -> World {
    let mut world = image(spec);
    world.cloud.group.as_mut().unwrap().suspended_processes = vec![Process::ScaleIn];
    world.run_to_state("Running");
    world.cloud.advance(5);
    world.annotated("cancel", "n1");
    world
}

#[test]
fn after_a_cancellation_everything_is_as_found_but_for_what_the_policy_keeps() {
    let mut world = cut_off(json!({}));
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    assert_eq!(world.cloud.suspended(), ["ScaleIn".to_owned()].into());
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert_eq!(world.cloud.count("ResumeProcesses"), 1);
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
    let left = world.record_status().leftovers;
    assert_eq!(left.len(), 2, "two instances stay in Standby");
    assert!(left.iter().all(|l| l.kind == RestoreKind::Standby));
    let event = world
        .events
        .iter()
        .find(|e| e.reason == "LeftBehind")
        .unwrap();
    assert!(event.note.contains("i-0001"));
}

#[test]
fn manual_restores_nothing_and_lists_everything() {
    let mut world = cut_off(json!({"restorePolicy": "Manual"}));
    world.run_to_rest();
    assert_eq!(world.cloud.suspended().len(), 5);
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.cloud.count("ResumeProcesses"), 0);
    let left = world.record_status();
    assert_eq!(left.leftovers.len(), 4 + 1 + 2);
    assert!(left.baseline.is_some(), "kept for the next run");
}

#[test]
fn a_failed_run_names_the_instance_and_is_put_back() {
    let mut world = image(json!({"onFailure": "Fail"}));
    world.cloud.failing.insert("i-0002".into(), 9);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False ExecutionFailed");
    let message = &world.condition(condition::SUCCEEDED).unwrap().message;
    assert!(
        message.contains("i-0002") && message.contains("nested action failed"),
        "{message}"
    );
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert!(world.cloud.suspended().is_empty());
}

#[test]
fn what_oos_lists_after_the_end_counts() {
    let mut world = image(json!({"onFailure": "Fail"}));
    world.cloud.failing.insert("i-0003".into(), 9);
    world.run_to_state("Running");
    world.cloud.advance(600);
    let of_it = |e: &Execution| e.parameters.get("instanceId") == Some(&json!("i-0003"));
    let (late, listed) = std::mem::take(&mut world.cloud.executions)
        .into_iter()
        .partition(of_it);
    world.cloud.executions = listed;
    world.run_to_state("Restoring");
    let state = |world: &World| {
        let instances = &world.status().instances;
        instances.iter().find(|i| i.id == "i-0003").unwrap().state
    };
    assert_eq!(state(&world), InstanceState::Pending);
    world.cloud.executions.extend::<Vec<_>>(late);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False ExecutionFailed");
    assert_eq!(state(&world), InstanceState::Failed);
    let message = &world.condition(condition::SUCCEEDED).unwrap().message;
    assert!(message.contains("i-0003"), "{message}");
}

#[test]
fn protection_is_given_back() {
    let mut world = image(json!({"lifecycleStates": ["InService", "Protected"]}));
    world.cloud.instances[0].state = LifecycleState::Protected;
    world.run_to_rest();
    assert_eq!(world.cloud.instances[0].state, LifecycleState::Protected);
    assert_eq!(world.cloud.count("SetInstancesProtection"), 1);
}

#[test]
fn the_group_is_touched_only_after_the_bound_on_lateness() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    let ended = world.cloud.now;
    world.run_until(200, "put back", |w| w.cloud.count("ResumeProcesses") == 1);
    assert!(world.cloud.now - ended >= 60);
}

#[test]
fn a_run_of_somebody_else_is_not_disturbed() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
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
    world.run_for(300);
    assert_eq!(world.cloud.count("ResumeProcesses"), 0);
    assert!(
        world
            .condition(condition::RECONCILING)
            .unwrap()
            .message
            .contains("exec-z")
    );
    world.cloud.executions.pop();
    world.run_to_rest();
    assert!(world.cloud.suspended().contains("ScaleIn") && world.cloud.suspended().len() == 1);
}

#[test]
fn nothing_to_put_back_does_not_wait_for_somebody_else() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
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
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_configuration_that_somebody_changed_is_left_to_them() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    world.cloud.configuration_image = "m-theirs".into();
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, "m-theirs");
    let left = world.record_status().leftovers;
    assert!(
        left.iter()
            .any(|l| l.message.contains("somebody changed it"))
    );
}

#[test]
fn what_differs_is_reported() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
    world.run_until(200, "ended", |w| {
        w.status().result.is_some() || w.cloud.runs[0].batch == 2
    });
    world.cloud.ecs[0].image = "m-else".into();
    world.cloud.instances[1].load_balancer_weight = Some(0);
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let message = &world.condition(condition::VERIFIED).unwrap().message;
    assert!(
        message.contains("m-else") && message.contains("weight 0"),
        "{message}"
    );
}

#[test]
fn a_group_that_is_gone_does_not_keep_the_task() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    world.cloud.group = None;
    world.run_to_rest();
    assert_eq!(
        world.said(condition::VERIFIED),
        "False ScalingGroupNotFound"
    );
}

#[test]
fn leftovers_that_somebody_put_right_are_forgotten_by_the_next_run() {
    let mut world = cut_off(json!({}));
    world.run_to_rest();
    assert_eq!(world.record_status().leftovers.len(), 2);
    world.cloud.set_state("i-0001", LifecycleState::InService);
    world.cloud.set_ecs("i-0001", EcsStatus::Running);
    let mut task = crate::builders::script_task(json!({}));
    task.metadata.uid = Some("uid-2".into());
    let mut next = World::new(task, world.cloud.clone());
    next.record = world.record.clone();
    next.run_to_rest();
    assert_eq!(next.state(), "Succeeded");
    let left = next.record_status().leftovers;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].target, "i-0002");
}

/// What a policy leaves to people is not waited for.
#[test]
fn an_update_of_others_does_not_hold_up_an_end_with_nothing_to_put_back() {
    let mut world = image(json!({"onFailure": "Fail", "restorePolicy": "Manual"}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_until(200, "ended", |w| w.status().result.is_some());
    let now = world.cloud.time();
    let mut other = execution("exec-other", None, "ACS-ESS-RollingUpdateOther", now);
    other
        .parameters
        .insert("scalingGroupId".into(), json!(GROUP));
    world.cloud.executions.push(other);
    world.run_to_rest();
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
}
