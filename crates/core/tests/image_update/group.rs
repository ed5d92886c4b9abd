//! One object at a time on a group, and what becomes of a task that is deleted.

use ess_rollout_api::v1alpha1::{Baseline, Current, Leftover, RestoreKind};
use ess_rollout_cloud::ErrorClass;
use ess_rollout_core::ask::QueueEntry;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::cloud::Fate;
use crate::world::{Crash, World, building, cron};

fn other() -> QueueEntry {
    QueueEntry {
        kind: "RollingUpdateTask".into(),
        namespace: "shop".into(),
        name: "web".into(),
    }
}

#[test]
fn a_run_waits_while_another_holds_the_group_and_names_it() {
    let mut world = building(json!({}));
    world.held_by(Some("web"));
    world.run_to("2026-01-05T13:00:00Z");
    assert_eq!(world.state(), "Waiting");
    assert_eq!(
        world.condition("Preflight"),
        "Unknown/WaitingForScalingGroup"
    );
    assert_eq!(
        world.condition("Reconciling"),
        "True/WaitingForScalingGroup"
    );
    assert!(
        world
            .message("Preflight")
            .contains("RollingUpdateTask shop/web holds")
    );
    assert!(world.cloud.sent.is_empty());
    // Whoever came earlier is next.
    world.held_by(None);
    world.ahead = Some(other());
    world.run_to("2026-01-05T13:10:00Z");
    assert_eq!(world.state(), "Waiting");
    assert!(
        world
            .message("Preflight")
            .contains("shop/web was created earlier")
    );
    world.ahead = None;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn what_a_rolling_update_left_in_the_record_stays_as_it_is() {
    let mut world = building(json!({}));
    let mut record = world.record_status();
    record.leftovers.push(Leftover {
        containers: None,
        kind: RestoreKind::Process,
        target: "ScaleIn".into(),
        wanted: "Running".into(),
        found: None,
        kept: false,
        since: Time(world.cloud.time()),
        by: "shop/web".into(),
        message: "could not be resumed".into(),
    });
    record.current = Some(Current {
        what: "m-old".into(),
        by: "shop/web".into(),
        time: Time(world.cloud.time()),
    });
    record.baseline = Some(Baseline {
        inherited: false,
        containers: None,
        time: Time(world.cloud.time()),
        suspended_processes: vec!["ScaleIn".into()],
        scaling_configuration_id: Some("asc-1".into()),
        image_id: Some("m-old".into()),
    });
    world.write_record(record.clone());
    world.run_to_state("Running");
    assert_eq!(world.holder().as_deref(), Some("nightly"));
    world.run_to_rest();
    assert_eq!(world.record_status(), record);
}

#[test]
fn a_holder_that_vanished_is_passed_over_and_put_back_for_the_next_rolling_update() {
    for crash in [
        None,
        Some(Crash::Record),
        Some(Crash::Status),
        Some(Crash::Mutation),
    ] {
        let mut world = building(json!({}));
        world.held_by(Some("web"));
        let mut record = world.record_status();
        record.baseline = Some(Baseline {
            inherited: false,
            containers: None,
            time: Time(world.cloud.time()),
            suspended_processes: Vec::new(),
            scaling_configuration_id: Some("asc-1".into()),
            image_id: Some("m-old".into()),
        });
        world.write_record(record.clone());
        world.vanished = Some("web");
        world.pass_with(crash.map(|crash| (2, crash)));
        world.run_to_state("Running");
        assert_eq!(world.holder().as_deref(), Some("nightly"));
        world.run_to_rest();
        assert_eq!(world.record_status(), record, "{crash:?}");
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(world.status().vanished_holder, None);
    }
}

#[test]
fn a_record_that_somebody_deletes_is_taken_again() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    world.record = None;
    world.pass();
    assert_eq!(world.holder().as_deref(), Some("nightly"));
    world.run_to_rest();
    assert_eq!(world.cloud.runs.len(), 1);

    // Unless another was quicker.
    let mut lost = building(json!({}));
    lost.run_to_state("Running");
    lost.held_by(Some("web"));
    lost.run_to_rest();
    assert_eq!(lost.holder().as_deref(), Some("web"));
    assert_eq!(lost.newest().reason, "ScalingGroupLost");
    assert_eq!(lost.cloud.count("CancelExecution"), 1);
}

#[test]
fn between_two_runs_the_others_have_their_turn() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    world.edited(|t| t.spec.scaling_configuration_ids = vec!["asc-2".into()]);
    world.ahead = Some(other());
    world.run_to_state("Waiting");
    assert_eq!(world.holder(), None);
    world.ahead = None;
    world.run_to_rest();
    assert_eq!(world.cloud.runs.len(), 2);
}

fn deleted_while(state: &str) -> World {
    let mut world = building(json!({}));
    if state == "Verifying" {
        world.cloud.deaf = vec!["asc-1".into()];
    }
    world.run_to_state(state);
    world.deleted();
    world
}

#[test]
fn a_task_that_runs_is_kept_until_its_execution_has_ended_and_the_group_is_free() {
    let mut world = deleted_while("Running");
    assert!(!world.gone);
    world.run_until(600, "gone", |w| w.gone);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    assert_eq!(world.holder(), None);
    assert_eq!(world.newest().reason, "Deletion");

    let mut read_back = deleted_while("Verifying");
    read_back.run_until(600, "gone", |w| w.gone);
    assert_eq!(read_back.cloud.count("CancelExecution"), 0);

    // At rest it goes without the operator.
    let at_rest = deleted_while("Succeeded");
    assert!(at_rest.gone);
}

#[test]
fn a_task_that_never_started_goes_at_once_and_one_whose_start_is_unknown_waits_it_out() {
    let mut waiting = building(json!({}));
    waiting.held_by(Some("web"));
    waiting.run_to_state("Waiting");
    waiting.deleted();
    assert!(waiting.gone);

    // The finalizer, and the group, of a run that never came to be.
    for crash in [Crash::Finalizer, Crash::Record] {
        let mut begun = building(json!({}));
        begun.pass_with(Some((1, crash)));
        assert!(begun.has_finalizer());
        begun.deleted();
        begun.run_until(10, "gone", |w| w.gone);
        assert_eq!(begun.holder(), None);
        assert!(begun.cloud.sent.is_empty());
    }

    for (fate, runs) in [(Fate::Lost, 0), (Fate::Late(50), 1)] {
        let mut world = building(json!({}));
        world.cloud.fates = vec![fate];
        world.pass();
        world.deleted();
        let asked = world.cloud.now;
        world.run_until(900, "gone", |w| w.gone);
        assert!(world.cloud.now - asked > 60, "{fate:?}");
        assert_eq!(world.cloud.runs.len(), runs);
        assert_eq!(world.cloud.count("CancelExecution"), runs);
        assert_eq!(world.holder(), None);
    }
}

#[test]
fn a_deletion_that_cannot_be_looked_after_is_let_go_by_force_or_in_the_end() {
    let stuck = || {
        let mut world = deleted_while("Running");
        world
            .cloud
            .broken
            .insert("CancelExecution", ErrorClass::Denied);
        world.cloud.broken.insert("Execution", ErrorClass::Denied);
        world.run_until(600, "refused", |w| {
            w.condition("Stalled") == "True/AccessDenied"
        });
        assert!(!world.gone);
        world
    };
    let mut forced = stuck();
    forced.annotated("force-delete", "true");
    forced.run_until(120, "gone", |w| w.gone);
    assert_eq!(forced.holder(), None);
    assert_eq!(forced.newest().reason, "Abandoned");
    // Credentials of another account are not to judge it.
    let record = forced.record.as_ref().unwrap().status.as_ref().unwrap();
    let place = record.runs[0].place.as_ref().unwrap();
    assert_eq!(place.account_id.as_deref(), Some("1001"));

    let mut patient = stuck();
    let asked = patient.cloud.now;
    patient.run_until(4000, "gone", |w| w.gone);
    assert!(patient.cloud.now - asked > 3000);
}

#[test]
fn a_restored_task_does_not_run_again_what_has_run() {
    let mut world = building(json!({}));
    world.run_to_rest();
    let mut restored = building(json!({}));
    restored
        .task
        .metadata
        .annotations
        .clone_from(&world.task.metadata.annotations);
    restored.task.metadata.uid = Some("uid-2".into());
    restored.run_to("2026-01-06T12:00:00Z");
    assert!(restored.cloud.sent.is_empty());
    assert_eq!(
        (restored.state(), restored.condition("Ready").as_str()),
        ("Finished", "True/AlreadyRun")
    );
    // Under another name, or asking for something else, it is another.
    restored.edited(|t| t.spec.scaling_configuration_ids = vec!["asc-2".into()]);
    restored.run_to_rest();
    assert_eq!(restored.cloud.runs.len(), 1);

    let mut scheduled = cron("0 2 * * *", json!({}));
    scheduled.run_to("2026-01-06T12:00:00Z");
    assert!(scheduled.task.metadata.annotations.is_none());
}

/// Whoever cannot begin for another reason stands in nobody's way.
#[test]
fn a_run_has_a_place_in_the_queue_while_it_waits_for_its_turn_and_no_longer() {
    let queued = |world: &World| world.status().waiting.as_ref().is_some_and(|w| w.queued);
    for suspend in [false, true] {
        let mut world = building(json!({}));
        world.ahead = Some(other());
        world.run_to_state("Waiting");
        assert!(queued(&world));
        world.edited(|t| match suspend {
            true => t.spec.suspend = true,
            false => {
                let zone = json!({"cron": "0 2 * * *", "timeZone": "Nowhere/Such"});
                t.spec.schedule = Some(serde_json::from_value(zone).unwrap());
            }
        });
        world.pass();
        assert!(
            !queued(&world),
            "{} {:?}",
            world.state(),
            world.status().waiting
        );
    }
}
