//! A short answer begins nothing, forgets nothing and writes nothing.

use ess_rollout_api::v1alpha1::{InstanceState, condition};
use ess_rollout_cloud::ExecutionStatus;
use serde_json::json;

use super::found::message;
use crate::builders::{image, script};
use crate::cloud::{GROUP, NEW_IMAGE, OLD_IMAGE};
use crate::containers::incremental;
use crate::rolling_back::{by_hand, finished_image, rollback};
use crate::world::World;

const CONFIGURATION: [&str; 2] = ["ScalingConfiguration", "ScalingConfigurationInGroup"];

/// It waits for that reason, naming this, and starts nothing; then the answers are whole, and it succeeds.
fn waits_for(mut world: World, reason: &str, named: &[&str]) {
    world.run_for(60);
    assert_eq!(
        world.said(condition::PREFLIGHT),
        format!("Unknown {reason}")
    );
    let said = message(&world, condition::PREFLIGHT);
    for part in named {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(world.cloud.sent.len(), started_before(&world));
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
}

/// Of a rollback: what its source sent.
fn started_before(world: &World) -> usize {
    usize::from(world.rolling_back.is_some())
}

fn gives_up(mut world: World) {
    world.run_for(300);
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
    assert_eq!(world.cloud.count("StartExecution"), started_before(&world));
}

#[test]
fn a_rollback_waits_for_the_list_of_what_its_source_did() {
    let mut update = finished_image();
    for (hidden, named) in [("*", "i-0001"), ("exec-1-i-0003-1", "i-0003")] {
        let mut back = rollback(&mut update, json!({}));
        back.hide(&["Children"], hidden);
        waits_for(back, "SourceExecutionNotListed", &["exec-1", named]);
    }
    let mut back = rollback(&mut update, json!({"startingDeadlineSeconds": 120}));
    back.hide(&["Children"], "*");
    gives_up(back);
}

/// No object tells what the execution has touched; its own tasks do.
#[test]
fn a_rollback_of_an_execution_without_an_object_waits_for_that_list_as_well() {
    let mut update = by_hand();
    let spec = json!({"executionId": "exec-1", "scalingGroupId": GROUP});
    let mut back = rollback(&mut update, spec);
    back.rolling_back.as_mut().unwrap().source = None;
    back.hide(&["Children"], "*");
    waits_for(back, "SourceExecutionNotListed", &["exec-1"]);
}

#[test]
fn an_update_does_not_begin_on_a_short_list_of_instances() {
    let short = |spec| {
        let mut world = script(spec);
        for id in ["i-0002", "i-0003", "i-0004"] {
            world.hide(&["ScalingInstances"], id);
        }
        world
    };
    let named = ["counts 4 instances", "lists 1 of them"];
    waits_for(short(json!({})), "InstancesNotListed", &named);
    gives_up(short(json!({"startingDeadlineSeconds": 120})));
}

#[test]
fn an_instance_that_no_answer_shows_is_no_hole_in_the_plan() {
    for (mut world, query) in [
        (image(json!({})), "EcsInstances"),
        (script(json!({})), "EcsInstances"),
    ] {
        world.hide(&[query], "i-0003");
        waits_for(world, "NotShown", &["i-0003"]);
    }
    let mut world = image(json!({"startingDeadlineSeconds": 120}));
    world.hide(&["EcsInstances"], "i-0003");
    gives_up(world);
}

/// What it carries is the way back.
#[test]
fn an_active_configuration_that_no_answer_shows_is_waited_for() {
    let mut world = image(json!({}));
    world.hide(&CONFIGURATION, "asc-1");
    waits_for(world, "NotShown", &["asc-1"]);
    // A script changes nothing there.
    let mut world = script(json!({}));
    world.hide(&CONFIGURATION, "asc-1");
    world.run_to_state("Running");
}

/// Of container groups both are said to be missing, and waited for as well.
#[test]
fn a_container_group_or_its_configuration_that_is_not_shown_begins_nothing() {
    let both = ["EciScalingConfiguration", "EciScalingConfigurationInGroup"];
    for (queries, id, said) in [
        (
            &["ContainerGroups"][..],
            "i-0003",
            "False ContainerGroupNotFound",
        ),
        (&both[..], "asc-1", "False ScalingConfigurationNotFound"),
    ] {
        let mut world = incremental(json!({}));
        world.hide(queries, id);
        world.run_for(60);
        assert_eq!(world.said(condition::PREFLIGHT), said);
        assert!(world.cloud.sent.is_empty());
        world.cloud.hidden.clear();
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    }
    // Asked for in another way, it is there.
    let mut world = incremental(json!({}));
    world.hide(&both[..1], "asc-1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
}

/// How far each instance is, and what is known of its attempt.
fn attempts(world: &World) -> Vec<(String, InstanceState, i32, Option<String>, bool)> {
    let instances = world.status().instances.iter();
    instances
        .map(|i| {
            let failed = i.failure_time.is_some();
            (
                i.id.clone(),
                i.state,
                i.attempt,
                i.execution_id.clone(),
                failed,
            )
        })
        .collect()
}

#[test]
fn what_is_on_record_of_an_attempt_outlives_an_answer_that_leaves_it_out() {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0002".into(), 1);
    world.run_to_state("FailureSuspended");
    let known = attempts(&world);
    assert_eq!(known[1].1, InstanceState::Failed);
    for hidden in ["exec-1-i-0002-1", "*"] {
        world.hide(&["Children"], hidden);
        world.run_for(200);
        assert_eq!(attempts(&world), known, "without {hidden}");
    }
    world.cloud.hidden.clear();
    world.annotated("retry", "i-0002@1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
}

/// One that joined the group between the plan and the start is on no plan.
#[test]
fn an_attempt_on_an_instance_of_no_plan_is_not_forgotten_either() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.edited(|task| {
        let plan = task.status.as_mut().unwrap().plan.as_mut().unwrap();
        plan.members.retain(|member| member.id != "i-0001");
    });
    world.run_for(10);
    world.hide(&["Children"], "*");
    world.run_for(10);
    assert!(attempts(&world).iter().any(|attempt| attempt.0 == "i-0001"));
}

/// Both batches ran while nobody looked, and then the nested executions are missing from an answer.
#[test]
fn a_success_of_which_the_list_lags_is_waited_for() {
    for kind in [image, script] {
        let mut world = kind(json!({}));
        world.run_to_state("Running");
        world.cloud.advance(200);
        assert_eq!(world.cloud.root().status, ExecutionStatus::Success);
        // By whatever clock.
        let end = world.cloud.time() - jiff::SignedDuration::from_hours(9);
        world.cloud.root().end = Some(end);
        world.hide(&["Children"], "*");
        world.run_for(30);
        assert!(world.status().result.is_none());
        world.cloud.hidden.clear();
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
        let said = message(&world, condition::SUCCEEDED);
        assert!(said.contains("4 of 4 instances"), "{said}");
    }
}

/// Nobody is under way in an execution that has ended: the list is short, and will not be so for long.
#[test]
fn nobody_stays_under_way_in_an_end_of_which_the_list_lags() {
    let mut world = image(json!({"failedInstancePolicy": "ReturnToService"}));
    world.run_to_state("Running");
    world.cloud.advance(3);
    world.pass();
    world.hide(&["Children"], "*");
    world.annotated("cancel", "n1");
    world.run_for(30);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    let states: Vec<InstanceState> = attempts(&world).iter().map(|a| a.1).collect();
    assert!(!states.contains(&InstanceState::Updating), "{states:?}");
}

/// Whom the lists leave out for good has left the group before its turn.
#[test]
fn one_that_left_before_its_turn_does_not_hold_the_end_up() {
    let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    world.cloud.instances.retain(|i| i.id != "i-0004");
    world.hide(&["Children"], "exec-1-i-0004-1");
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
}

/// That nothing is listed of what a run has done is not that it has done nothing.
#[test]
fn a_success_of_which_nothing_is_ever_listed_has_not_failed() {
    let mut world = image(json!({}));
    world.hide(&["Children"], "*");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
}

/// The disks of these were replaced before the update was cancelled; the group is not put back yet.
fn cancelled_with(updated: &[&str]) -> World {
    let mut world = image(json!({"failedInstancePolicy": "ReturnToService", "batches": 1}));
    world.run_to_state("Running");
    world.cloud.advance(5);
    for ecs in &mut world.cloud.ecs {
        if updated.contains(&ecs.id.as_str()) {
            ecs.image = NEW_IMAGE.into();
        }
    }
    world.annotated("cancel", "n1");
    world.run_to_state("Restoring");
    world
}

#[test]
fn one_answer_without_an_instance_does_not_put_the_old_image_back() {
    let mut world = cancelled_with(&["i-0001", "i-0002", "i-0003", "i-0004"]);
    world.hide(&["EcsInstances"], "i-0003");
    world.run_for(100);
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.cloud.count("ModifyScalingConfiguration"), 0);
}

/// Nor does it keep the new one there: the one that it leaves out runs the old.
#[test]
fn one_answer_without_an_instance_does_not_keep_the_new_image() {
    let mut world = cancelled_with(&["i-0001", "i-0002", "i-0003"]);
    for instance in &mut world.cloud.instances {
        instance.state = ess_rollout_cloud::LifecycleState::InService;
    }
    for ecs in &mut world.cloud.ecs {
        ecs.status = ess_rollout_cloud::EcsStatus::Running;
    }
    world.hide(&["EcsInstances"], "i-0004");
    world.run_until(300, "put back", |w| w.cloud.count("ResumeProcesses") > 0);
    world.run_for(20);
    world.cloud.hidden.clear();
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert_eq!(world.said(condition::VERIFIED), "False PartlyUpdated");
}
