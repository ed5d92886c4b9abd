//! Answers that leave something out that is there.

use ess_rollout_api::v1alpha1::{RestoreKind, RestoreState, condition};
use ess_rollout_cloud::{EcsStatus, ErrorClass, LifecycleState};
use serde_json::json;

use crate::builders::{image, script_task};
use crate::cloud::{GROUP, NEW_IMAGE, OLD_IMAGE};
use crate::ending::cut_off;
use crate::world::World;

const BY_ID: &str = "ScalingGroup";
const IN_LIST: &str = "ScalingGroupInList";

impl World {
    /// From now on these queries leave this out.
    pub fn hide(&mut self, queries: &[&'static str], id: &str) {
        let hidden = queries.iter().map(|query| (*query, id.to_owned()));
        self.cloud.hidden.extend(hidden);
    }

    /// Another object on the same group, later.
    pub fn followed_by(&self, mut task: ess_rollout_api::v1alpha1::RollingUpdateTask) -> World {
        task.metadata.uid = Some("uid-2".into());
        task.metadata.name = Some("next".into());
        let mut next = World::new(task, self.cloud.clone());
        next.record.clone_from(&self.record);
        next.cloud.hidden.clear();
        next
    }
}

/// The group is there for whoever asks in another way: nothing is even held up.
#[test]
fn a_group_that_one_list_leaves_out_is_put_back_all_the_same() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world.run_to_state("Restoring");
    world.hide(&[BY_ID], GROUP);
    world.run_to_rest();
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(world.cloud.suspended(), ["ScaleIn".to_owned()].into());
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
}

#[test]
fn a_group_that_no_answer_shows_for_a_while_is_waited_for_and_put_back() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world.run_to_state("Restoring");
    world.hide(&[BY_ID, IN_LIST], GROUP);
    world.run_until(200, "missed", |w| {
        let items = &w.status().restore.as_ref().unwrap().items;
        items.iter().any(|item| item.missing_since.is_some())
    });
    world.run_for(30);
    assert!(!world.at_rest() && world.holds());
    let message = &world.condition(condition::RECONCILING).unwrap().message;
    assert!(message.contains("looking again for"), "{message}");
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(world.cloud.suspended(), ["ScaleIn".to_owned()].into());
    assert!(world.record_status().leftovers.is_empty());
}

/// Nobody's retry is refused for what one answer leaves out.
#[test]
fn an_execution_that_waits_in_no_task_is_looked_at_again_before_a_request_is_judged() {
    let mut world = crate::builders::script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    let root = world.cloud.root().id.clone();
    world.hide(&["TaskExecutions"], &root);
    world.annotated("retry", "i-0001@one");
    world.run_for(30);
    assert_eq!(world.state(), "FailureSuspended");
    assert!(world.status().actions.is_empty());
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn an_execution_that_waits_in_no_task_can_be_cancelled() {
    let mut world = crate::builders::script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    let root = world.cloud.root().id.clone();
    world.hide(&["TaskExecutions"], &root);
    world.annotated("cancel", "enough");
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
}

/// A refusal of a rollback is final: one answer is no ground for it.
#[test]
fn a_rollback_is_not_refused_for_an_execution_that_one_list_leaves_out() {
    let mut update = crate::rolling_back::finished_image();
    let mut back = crate::rolling_back::rollback(&mut update, json!({}));
    back.cloud.advance(3600);
    let source = back.cloud.root().id.clone();
    back.hide(&["Execution"], &source);
    back.run_to_state("Running");
    back.cloud.hidden.clear();
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
}

/// Neither by its id nor among all, and again after the bound on lateness: it may have been deleted, or
/// the credentials see less than they did. What is on record stays there, and the next run takes it up.
#[test]
fn a_group_that_stays_out_of_every_answer_clears_nothing() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world.run_to_state("Restoring");
    world.hide(&[BY_ID, IN_LIST], GROUP);
    let hidden = world.cloud.now;
    world.run_to_rest();
    assert!(world.cloud.now - hidden > 2 * 60);
    assert_eq!(
        world.said(condition::VERIFIED),
        "False ScalingGroupNotFound"
    );
    assert_eq!(
        world.said(condition::RESTORED),
        "Unknown ScalingGroupNotFound"
    );
    let left = world.record_status().leftovers;
    let processes = left.iter().filter(|l| l.kind == RestoreKind::Process);
    assert_eq!(processes.count(), 4);
    let image = left
        .iter()
        .find(|l| l.kind == RestoreKind::ScalingConfigurationImage);
    assert_eq!(image.unwrap().wanted, OLD_IMAGE);
    assert!(world.record_status().baseline.is_some());
    // What was ScaleIn's person's stays so; the rest is put back.
    let mut next = world.followed_by(script_task(json!({})));
    next.cloud
        .instances
        .iter_mut()
        .for_each(|i| i.state = LifecycleState::InService);
    for ecs in &mut next.cloud.ecs {
        ecs.status = EcsStatus::Running;
    }
    next.run_to_rest();
    assert_eq!(next.cloud.suspended(), ["ScaleIn".to_owned()].into());
    assert_eq!(next.cloud.configuration_image, OLD_IMAGE);
}

/// Not being able to ask in another way says nothing either; credentials that may never list all groups
/// do not keep the object for ever.
#[test]
fn what_cannot_be_asked_for_in_another_way_clears_nothing() {
    for (class, ends) in [(ErrorClass::Retry, false), (ErrorClass::Denied, true)] {
        let mut world = cut_off(json!({}));
        world.run_to_state("Restoring");
        world.hide(&[BY_ID], GROUP);
        world.cloud.broken.insert(IN_LIST, class);
        world.run_for(900);
        assert_eq!(world.at_rest(), ends);
        let left = world.record_status().leftovers;
        let processes = left.iter().filter(|l| l.kind == RestoreKind::Process);
        assert_eq!(processes.count(), if ends { 4 } else { 0 });
        assert_ne!(world.said(condition::RESTORED), "True Restored");
    }
}

#[test]
fn an_instance_that_a_list_leaves_out_is_taken_back_to_service() {
    for queries in [
        vec!["ScalingInstances"],
        vec!["ScalingInstances", "ScalingInstancesById"],
    ] {
        let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
        world.run_to_state("Restoring");
        world.hide(&queries, "i-0001");
        world.run_for(100);
        world.cloud.hidden.clear();
        world.run_to_rest();
        assert_eq!(world.said(condition::RESTORED), "True Restored");
        let serves = |i: &ess_rollout_cloud::ScalingInstance| i.state == LifecycleState::InService;
        assert!(world.cloud.instances.iter().all(serves), "{queries:?}");
    }
}

#[test]
fn an_instance_that_has_left_the_group_is_let_go_after_a_second_look() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    world.cloud.instances.retain(|i| i.id != "i-0001");
    world.run_to_rest();
    let items = &world.status().restore.as_ref().unwrap().items;
    let gone = items.iter().find(|item| item.target == "i-0001").unwrap();
    assert_eq!(gone.state, RestoreState::Restored);
    assert!(gone.missing_since.is_some());
    let left = world.record_status().leftovers;
    assert_eq!(left.len(), 1, "i-0002 stays in Standby");
}

/// A line that a policy keeps: dropped once its instance is gone for good, not when an answer leaves it
/// out.
#[test]
fn lines_of_the_record_outlive_an_answer_that_leaves_them_out() {
    let mut world = cut_off(json!({}));
    world.run_to_rest();
    assert_eq!(world.record_status().leftovers.len(), 2);
    let mut next = world.followed_by(script_task(json!({})));
    next.run_to_state("Running");
    next.hide(&["ScalingInstances"], "i-0001");
    next.run_to_rest();
    assert_eq!(next.record_status().leftovers.len(), 2);
    let mut last = next.followed_by(script_task(json!({})));
    last.task.metadata.uid = Some("uid-3".into());
    last.cloud.instances.retain(|i| i.id != "i-0001");
    last.run_to_rest();
    let left = last.record_status().leftovers;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].target, "i-0002");
}

#[test]
fn a_configuration_that_an_answer_leaves_out_is_put_back() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    world.hide(
        &["ScalingConfiguration", "ScalingConfigurationInGroup"],
        "asc-1",
    );
    world.run_for(100);
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    world
        .cloud
        .hidden
        .remove(&("ScalingConfigurationInGroup", "asc-1".to_owned()));
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
}

#[test]
fn an_execution_that_a_list_leaves_out_is_cancelled_and_waited_for() {
    let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world.hide(&["Execution"], "exec-1");
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
    assert!(world.cloud.suspended().is_empty());
}

/// Told by OOS that there is no such execution, and listing none: it is asked again after the bound.
#[test]
fn an_execution_is_taken_for_gone_only_when_it_is_so_twice() {
    let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    let lists = ["Execution", "ForeignExecutions", "NewestExecutions"];
    world.hide(&lists, "exec-1");
    let not_found = ErrorClass::NotFound;
    world.cloud.broken.insert("CancelExecution", not_found);
    world.annotated("cancel", "n1");
    world.run_for(40);
    assert!(world.status().result.is_none());
    assert!(
        world
            .status()
            .cancellation
            .as_ref()
            .unwrap()
            .missing_since
            .is_some()
    );
    // It was a lapse.
    world.cloud.hidden.clear();
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
    assert_eq!(world.cloud.count("CancelExecution"), 2);
}
