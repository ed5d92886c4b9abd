//! Runs that no object looks after any more: what they left is not lost with them, and neither are they.

use ess_rollout_api::v1alpha1::{GroupRun, Place, RestoreKind};
use ess_rollout_cloud::{ExecutionStatus, LifecycleState};
use serde_json::json;

use crate::builders::image;
use crate::unattended::{look, look_to_the_end, orphaned};
use crate::world::World;

const LISTS: [&str; 3] = ["Execution", "ForeignExecutions", "NewestExecutions"];

fn orphan() -> World {
    orphaned(image(json!({"deletionPolicy": "Orphan", "runKey": "v1"})))
}

fn run(world: &World) -> GroupRun {
    world.record_status().runs[0].clone()
}

fn targets(world: &World, kind: RestoreKind) -> Vec<String> {
    let left = world.record_status().leftovers.into_iter();
    left.filter(|line| line.kind == kind)
        .map(|line| line.target)
        .collect()
}

/// Looks until the end of the run is seen but for what no answer shows.
fn look_until_unseen(world: &mut World) {
    for _ in 0..20 {
        look(world);
        if run(world).unseen_since.is_some() {
            return;
        }
        world.cloud.advance(30);
    }
    panic!("nothing is missed: {:#?}", run(world));
}

#[test]
fn what_one_answer_leaves_out_at_the_end_of_an_orphan_is_not_lost() {
    let configuration = ["ScalingConfiguration", "ScalingConfigurationInGroup"];
    let members = ["ScalingInstances", "ScalingInstancesById"];
    for (queries, id) in [(configuration, "asc-1"), (members, "i-0001")] {
        let mut world = orphan();
        let root = world.cloud.root().id.clone();
        world.cloud.end(&root, ExecutionStatus::Failed);
        world.hide(&queries, id);
        look_until_unseen(&mut world);
        assert!(run(&world).message.contains(id), "{}", run(&world).message);
        world.cloud.hidden.clear();
        world.cloud.advance(60);
        look_to_the_end(&mut world);
        assert_eq!(
            targets(&world, RestoreKind::ScalingConfigurationImage),
            ["asc-1"]
        );
        assert_eq!(targets(&world, RestoreKind::Standby), ["i-0001", "i-0002"]);
    }
}

/// It has left the group: the second look, a bound on lateness later, says the same.
#[test]
fn what_two_looks_leave_out_does_not_keep_an_orphan_on_record() {
    let mut world = orphan();
    let root = world.cloud.root().id.clone();
    world.cloud.end(&root, ExecutionStatus::Failed);
    world.cloud.instances.retain(|i| i.id != "i-0001");
    look_until_unseen(&mut world);
    let since = world.cloud.now;
    look_to_the_end(&mut world);
    assert!((60..=120).contains(&(world.cloud.now - since)));
    assert_eq!(targets(&world, RestoreKind::Standby), ["i-0002"]);
    assert_eq!(targets(&world, RestoreKind::Process).len(), 5);
}

/// An instance that the run never reached is in Standby because somebody put it there.
#[test]
fn what_an_orphan_has_not_reached_is_not_listed_as_left_by_it() {
    let mut world = orphan();
    let root = world.cloud.root().id.clone();
    world.cloud.end(&root, ExecutionStatus::Failed);
    world.cloud.set_state("i-0004", LifecycleState::Standby);
    look_to_the_end(&mut world);
    assert_eq!(targets(&world, RestoreKind::Standby), ["i-0001", "i-0002"]);
}

/// Asked for in another way, it is there.
#[test]
fn an_orphan_that_is_not_listed_by_its_id_is_found_in_other_lists() {
    let mut world = orphan();
    world.hide(&["Execution"], "exec-1");
    for _ in 0..5 {
        look(&mut world);
        assert_eq!(run(&world).missing_since, None);
        assert!(
            run(&world).message.contains("exec-1"),
            "{}",
            run(&world).message
        );
        world.cloud.advance(1);
    }
    world.cloud.end("exec-1", ExecutionStatus::Failed);
    look_to_the_end(&mut world);
    assert_eq!(targets(&world, RestoreKind::Process).len(), 5);
    let keys = world.record_status().run_keys;
    assert_eq!(
        keys[0].outcome,
        Some(ess_rollout_api::v1alpha1::Outcome::Failed)
    );
}

/// The same of a run that makes an image: it is listed by the name of another template.
#[test]
fn an_orphan_that_makes_an_image_is_found_in_other_lists() {
    let mut world = orphan();
    world.cloud.frozen = true;
    let root = world.cloud.root();
    root.template_name = "ACS-ESS-CreateImageAndUpdateScalingConfiguration".into();
    let mut record = world.record_status();
    record.runs[0].kind = "ImageUpdateTask".into();
    world.write_record(record);
    world.hide(&["Execution"], "exec-1");
    look(&mut world);
    assert_eq!(run(&world).missing_since, None);
}

/// OOS keeps its history for months: minutes without it are no proof of its end.
#[test]
fn an_orphan_that_no_list_shows_for_a_while_is_not_taken_for_forgotten() {
    let mut world = orphan();
    world.cloud.frozen = true;
    world.hide(&LISTS, "exec-1");
    for _ in 0..11 {
        look(&mut world);
        assert!(run(&world).message.contains("looking again"));
        world.cloud.advance(300);
    }
    world.cloud.hidden.clear();
    look(&mut world);
    assert_eq!(run(&world).missing_since, None);
    // Another hour begins anew, and one that goes by without it is enough.
    world.hide(&LISTS, "exec-1");
    look(&mut world);
    let since = world.cloud.now;
    look_to_the_end(&mut world);
    assert!((3600..=3900).contains(&(world.cloud.now - since)));
    assert_eq!(targets(&world, RestoreKind::Process).len(), 5);
}

#[test]
fn a_record_knows_the_account_of_its_runs_and_credentials_of_another_judge_none() {
    let mut world = orphan();
    let place = Place {
        region_id: "cn-hangzhou".into(),
        account_id: Some("1001".into()),
    };
    assert_eq!(run(&world).place, Some(place));
    world.cloud.account = Some("2002".into());
    let there = world.cloud.clone();
    world.cloud.executions.clear();
    world.cloud.group = None;
    world.cloud.instances.clear();
    for _ in 0..30 {
        look(&mut world);
        let message = run(&world).message;
        assert!(
            message.contains("1001") && message.contains("2002"),
            "{message}"
        );
        world.cloud.advance(300);
    }
    let now = world.cloud.now;
    world.cloud = there;
    world.cloud.now = now;
    world.cloud.account = Some("1001".into());
    world.cloud.end("exec-1", ExecutionStatus::Failed);
    look_to_the_end(&mut world);
    assert_eq!(targets(&world, RestoreKind::Process).len(), 5);
}

/// It is on record before the start, so that a holder that vanishes leaves it there.
#[test]
fn the_account_of_a_run_is_on_record_from_its_start() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
    let place = run(&world).place.unwrap();
    assert_eq!(place.account_id.as_deref(), Some("1001"));
}

/// A run that began before records knew accounts gets its own when its object goes.
#[test]
fn a_run_on_a_record_without_an_account_gets_it_when_it_is_let_go() {
    let mut world = image(json!({"deletionPolicy": "Orphan"}));
    world.run_to_state("Running");
    let mut record = world.record_status();
    record.runs[0].place = None;
    world.write_record(record);
    let world = orphaned(world);
    let place = run(&world).place.unwrap();
    assert_eq!(place.account_id.as_deref(), Some("1001"));
}
