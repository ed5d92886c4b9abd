//! What a rollback makes its own: a group that others may have updated since, what a suspended update
//! has left, and what was on record of the group before that.

use ess_rollout_api::v1alpha1::{
    Baseline, Holder, Leftover, RestoreKind, ScalingGroupRecord, ScalingGroupRecordSpec,
    ScalingGroupRecordStatus, condition,
};
use ess_rollout_cloud::{ErrorClass, LifecycleState, Mutation, Process};
use ess_rollout_core::ask::QueueEntry;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::builders::{image, image_task, script};
use crate::cloud::{Cloud, GROUP, NEW_IMAGE, OLD_IMAGE};
use crate::rolling_back::{finished_image, rollback, run_both, started, swap};
use crate::world::{Crash, World};

fn ahead() -> Option<QueueEntry> {
    Some(QueueEntry {
        kind: "RollingUpdateTask".into(),
        namespace: "shop".into(),
        name: "earlier".into(),
    })
}

/// A rollback that has found what it undoes and waits in the queue.
fn waiting(update: &mut World, uid: &str) -> World {
    let mut back = rollback(update, json!({}));
    back.task.metadata.uid = Some(uid.into());
    back.ahead = ahead();
    back.run_for(30);
    assert!(back.status().source.is_some());
    assert_eq!(
        back.said(condition::PREFLIGHT),
        "Unknown WaitingForScalingGroup"
    );
    back
}

/// Goes on with the cloud and the record of another world.
fn after(world: &mut World, other: &World) {
    world.cloud = other.cloud.clone();
    world.record.clone_from(&other.record);
    world.ahead = None;
}

#[test]
fn of_two_rollbacks_that_wait_for_the_same_group_one_runs() {
    let mut update = finished_image();
    let mut second = waiting(&mut update, "uid-3");
    let mut first = rollback(&mut update, json!({}));
    first.run_to_rest();
    assert_eq!(first.state(), "Succeeded");
    after(&mut second, &first);
    second.run_to_state("Failed");
    assert_eq!(second.said(condition::PREFLIGHT), "False AlreadyRolledBack");
    assert_eq!(second.cloud.count("StartExecution"), 2);
    assert!(!second.holds());
}

#[test]
fn what_was_updated_while_a_rollback_waited_is_not_undone() {
    let mut update = finished_image();
    let mut back = waiting(&mut update, "uid-2");
    let mut task = image_task(json!({}));
    task.metadata.uid = Some("uid-9".into());
    task.metadata.name = Some("later".into());
    let mut later = World::new(task, back.cloud.clone());
    later.record.clone_from(&update.record);
    later.run_to_rest();
    assert_eq!(later.state(), "Succeeded");
    after(&mut back, &later);
    back.run_to_state("Failed");
    assert_eq!(back.said(condition::PREFLIGHT), "False NotLatest");
    assert_eq!(back.cloud.count("StartExecution"), 2);
}

/// An image update of eight in two batches that waits because the first of them failed.
fn failed_of_eight(spec: Value) -> World {
    let mut update = World::new(image_task(spec), Cloud::with_instances(8));
    update.cloud.failing.insert("i-0001".into(), 1);
    update.run_to_state("FailureSuspended");
    update.cloud.failing.clear();
    update
}

/// A fresh update takes those in service: not the one that the update had left in Standby.
#[test]
fn what_the_update_left_in_standby_is_put_back_though_the_rollback_does_not_reach_it() {
    for (policy, restored, left) in [
        ("KeepInStandby", "False LeftBehind", 1),
        ("ReturnToService", "True Restored", 0),
    ] {
        let mut update = failed_of_eight(json!({}));
        let spec = json!({"scope": "AllInService", "failedInstancePolicy": policy});
        let mut back = rollback(&mut update, spec);
        run_both(&mut update, &mut back);
        assert_eq!(started(&back).parameters["invokeType"], "invoke");
        assert_eq!(back.state(), "Succeeded");
        assert_eq!(back.status().summary.as_ref().unwrap().total, 7);
        assert_eq!(back.said(condition::RESTORED), restored);
        let leftovers = back.record_status().leftovers;
        let lines: Vec<&str> = leftovers.iter().map(|l| l.target.as_str()).collect();
        assert_eq!(lines, &["i-0001"][..left]);
        let parked = |state: &LifecycleState| *state == LifecycleState::Standby;
        let parked = back.cloud.instances.iter().filter(|i| parked(&i.state));
        assert_eq!(parked.count(), left);
    }
}

/// The update had taken the protection away and stopped the instance: so the rollback finds it.
#[test]
fn protection_and_power_go_back_to_what_they_were_before_the_update() {
    let mut cloud = Cloud::with_instances(4);
    cloud.set_state("i-0001", LifecycleState::Protected);
    let spec = json!({"lifecycleStates": ["InService", "Protected"]});
    let mut update = World::new(image_task(spec), cloud);
    update.cloud.failing.insert("i-0001".into(), 1);
    update.run_to_state("FailureSuspended");
    let spec = json!({"failedInstancePolicy": "ReturnToService", "onFailure": "Fail"});
    let mut back = rollback(&mut update, spec);
    run_both(&mut update, &mut back);
    assert_eq!(back.state(), "Failed");
    assert_eq!(back.said(condition::RESTORED), "True Restored");
    assert_eq!(back.cloud.instances[0].state, LifecycleState::Protected);
}

#[test]
fn a_rollback_that_is_given_up_after_it_took_over_lists_what_the_update_had_left() {
    let mut update = failed_of_eight(json!({}));
    let mut back = rollback(&mut update, json!({}));
    back.run_until(30, "taken over", World::holds);
    back.cloud
        .broken
        .insert("CancelExecution", ErrorClass::Denied);
    back.deleted();
    back.annotated("force-delete", "true");
    back.run_until(60, "gone", |w| w.gone);
    let left = back.record_status().leftovers;
    let has = |kind, target: &str| left.iter().any(|l| l.kind == kind && l.target == target);
    assert!(has(RestoreKind::Standby, "i-0001"), "{left:?}");
    assert!(has(RestoreKind::Process, "ScaleIn"), "{left:?}");
    assert!(!has(RestoreKind::Standby, "i-0005"), "{left:?}");

    // The update is not left waiting for the rollback.
    back.cloud.broken.clear();
    swap(&mut back, &mut update);
    update.run_to_rest();
    assert_eq!(update.said(condition::SUCCEEDED), "False RolledBack");
    assert!(update.cloud.executions.iter().all(|e| e.status.is_final()));
}

#[test]
fn an_update_whose_rollback_vanished_has_its_group_again() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let mut back = rollback(&mut update, json!({}));
    back.cloud
        .broken
        .insert("CancelExecution", ErrorClass::Denied);
    back.run_until(30, "taken over", World::holds);
    back.cloud.broken.clear();
    swap(&mut back, &mut update);
    update.holder_gone = true;
    update.pass();
    assert!(update.holds());
    update.holder_gone = false;
    update.annotated("continue", "1");
    update.run_to_rest();
    assert_eq!(update.state(), "Succeeded");
    assert!(update.cloud.suspended().is_empty());
}

/// The record names the rollback, and its own status does not say so yet.
#[test]
fn an_operator_that_dies_in_the_takeover_forgets_nothing_of_the_update() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let dead = |number| {
        let mut back = rollback(&mut update, json!({}));
        back.pass_with(Some((number, Crash::Record)));
        back
    };
    let taken = |back: &World| back.holds() && back.status().plan.is_none();
    let mut back = (0..12).map(dead).find(taken).unwrap();
    back.annotated("cancel", "n1");
    run_both(&mut update, &mut back);
    assert_eq!(
        back.said(condition::SUCCEEDED),
        "False CancelledBeforeStart"
    );
    assert_eq!(back.said(condition::RESTORED), "True Restored");
    assert!(back.cloud.suspended().is_empty());
    assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
}

/// An update that somebody started by the command line, waiting after its first batch, and its rollback.
fn of_another(record: Option<ScalingGroupRecordStatus>) -> World {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    for execution in &mut update.cloud.executions {
        execution.tags.clear();
    }
    let spec = ScalingGroupRecordSpec {
        scaling_group_id: GROUP.into(),
        region_id: "cn-hangzhou".into(),
    };
    update.record = record.map(|status| {
        let mut record = ScalingGroupRecord::new("cn-hangzhou.asg-example", spec);
        record.status = Some(status);
        record
    });
    let spec = json!({"executionId": "exec-1", "scalingGroupId": GROUP});
    let mut back = rollback(&mut update, spec);
    back.rolling_back.as_mut().unwrap().source = None;
    back
}

fn baseline(suspended: &[&str]) -> Baseline {
    serde_json::from_value(json!({
        "time": "2023-11-14T00:00:00Z", "suspendedProcesses": suspended,
        "scalingConfigurationId": "asc-1", "imageId": OLD_IMAGE,
    }))
    .unwrap()
}

#[test]
fn processes_that_an_update_from_elsewhere_suspended_run_again() {
    let left = Leftover {
        kind: RestoreKind::Standby,
        target: "i-0003".into(),
        wanted: "InService".into(),
        found: None,
        containers: None,
        kept: true,
        since: Time("2023-11-14T00:00:00Z".parse().unwrap()),
        by: "shop/before".into(),
        message: "kept".into(),
    };
    // An earlier run that left something had found a process suspended.
    let older = ScalingGroupRecordStatus {
        baseline: Some(baseline(&["HealthCheck"])),
        leftovers: vec![left],
        ..ScalingGroupRecordStatus::default()
    };
    for record in [None, Some(older)] {
        let mut back = of_another(record);
        back.run_to_rest();
        assert_eq!(back.state(), "Succeeded");
        assert_eq!(back.said(condition::RESTORED), "True Restored");
        assert!(back.cloud.suspended().is_empty());
        assert!(back.cloud.ecs.iter().all(|ecs| ecs.image == OLD_IMAGE));
        assert_eq!(back.record_status().baseline, None);
    }
}

/// Those before it in the queue wait for the end of that very run.
#[test]
fn a_suspended_update_from_elsewhere_is_rolled_back_ahead_of_the_queue() {
    let mut back = of_another(None);
    back.ahead = ahead();
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
}

#[test]
fn a_rollback_that_is_blocked_after_it_took_over_is_not_written_again_and_again() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let mut back = rollback(&mut update, json!({}));
    back.cloud.images.retain(|image| image.id == NEW_IMAGE);
    back.run_to_state("Blocked");
    back.run_for(70);
    let writes = back.task_writes;
    back.run_for(300);
    assert_eq!(back.task_writes, writes);
}

/// A group whose processes a task has suspended that does not exist any more.
fn of_the_vanished(mut world: World) -> World {
    let status = ScalingGroupRecordStatus {
        holder: Some(Holder {
            kind: "RollingUpdateTask".into(),
            namespace: "shop".into(),
            name: "vanished".into(),
            uid: "uid-0".into(),
            since: Time("2023-11-14T00:00:00Z".parse().unwrap()),
            taken_over_from: None,
        }),
        baseline: Some(baseline(&["ScaleIn"])),
        ..ScalingGroupRecordStatus::default()
    };
    let spec = ScalingGroupRecordSpec {
        scaling_group_id: GROUP.into(),
        region_id: "cn-hangzhou".into(),
    };
    let mut record = ScalingGroupRecord::new("cn-hangzhou.asg-example", spec);
    record.status = Some(status);
    world.record = Some(record);
    world.holder_gone = true;
    let group = world.cloud.group.as_mut().unwrap();
    group.suspended_processes = Process::ALL.to_vec();
    world
}

#[test]
fn what_a_vanished_run_suspended_is_resumed_by_the_next_whatever_that_comes_to() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 3] = [
        ("True Updated", |_| {}),
        ("True NoInstances", |w| w.cloud.instances.clear()),
        ("False StartRefused", |w| {
            w.cloud.broken.insert("StartExecution", ErrorClass::Invalid);
        }),
    ];
    for (said, change) in cases {
        let mut world = of_the_vanished(script(json!({})));
        change(&mut world);
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), said);
        let suspended: Vec<String> = world.cloud.suspended().into_iter().collect();
        assert_eq!(suspended, ["ScaleIn"], "{said}");
        assert_eq!(world.record_status().baseline, None, "{said}");
    }
}

#[test]
fn what_a_vanished_run_suspended_is_listed_by_one_that_lets_the_group_go_again() {
    let dead = |number| {
        let mut world = of_the_vanished(image(json!({})));
        world.pass_with(Some((number, Crash::Record)));
        world
    };
    let taken = |world: &World| world.holds() && world.status().start.is_none();
    let mut world = (0..12).map(dead).find(taken).unwrap();
    world.holder_gone = false;
    let images = std::mem::take(&mut world.cloud.images);
    world.run_to_state("Blocked");
    assert!(!world.holds());
    let left = world.record_status().leftovers;
    let lines: Vec<&str> = left.iter().map(|l| l.target.as_str()).collect();
    assert_eq!(
        lines,
        [
            "ScaleOut",
            "HealthCheck",
            "AlarmNotification",
            "ScheduledAction"
        ]
    );
    world.cloud.images = images;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    let suspended: Vec<String> = world.cloud.suspended().into_iter().collect();
    assert_eq!(suspended, ["ScaleIn"]);
    assert_eq!(world.record_status().leftovers, []);
    assert_eq!(world.record_status().baseline, None);
}

#[test]
fn failures_are_tolerated_where_a_template_can_only() {
    let update = json!({"script": {"run": {"inline": "new"}, "rollback": {"inline": "old"}}});
    let task = crate::builders::task(update, json!({}));
    let mut update = World::new(task, Cloud::with_instances(4));
    update.run_to_rest();
    let mut back = rollback(&mut update, json!({"maxErrors": 1}));
    back.run_to_state("Failed");
    assert_eq!(back.said(condition::PREFLIGHT), "False InvalidSpec");
    let message = &back.condition(condition::PREFLIGHT).unwrap().message;
    assert!(message.starts_with("spec.maxErrors is 1"), "{message}");
}

#[test]
fn the_scaling_configuration_that_the_update_changed_goes_back_whichever_is_active_by_now() {
    let mut update = finished_image();
    let group = update.cloud.group.as_mut().unwrap();
    group.active_scaling_configuration = Some("asc-2".into());
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    let changed = back.cloud.sent.iter().filter_map(|m| match m {
        Mutation::ModifyScalingConfiguration { configuration, .. } => Some(configuration.as_str()),
        _ => None,
    });
    assert_eq!(changed.collect::<Vec<_>>(), ["asc-1"]);
    let message = &back.condition(condition::PREFLIGHT).unwrap().message;
    assert!(message.contains("asc-2 is active by now"), "{message}");
}

/// As a backup brings it back: without its status, under another uid.
#[test]
fn a_restored_rollback_does_not_say_that_nothing_was_started() {
    type Change = fn(&mut World);
    let cases: [(&str, &str, Change); 2] = [
        ("True AlreadyRun", "Unknown NotLookedAt", |w| {
            w.cloud.advance(400)
        }),
        ("False Cancelled", "Unknown NotLookedAt", |w| {
            w.annotated("cancel", "n2")
        }),
    ];
    for (said, restored, change) in cases {
        let mut update = finished_image();
        let mut back = rollback(&mut update, json!({}));
        back.run_to_state("Running");
        back.pass();
        let mut again = rollback(&mut update, json!({}));
        again.task.metadata.uid = Some("uid-7".into());
        again
            .task
            .metadata
            .annotations
            .clone_from(&back.task.metadata.annotations);
        after(&mut again, &back);
        again.holder_gone = true;
        again.run_to_state("Pending");
        change(&mut again);
        again.run_to_rest();
        assert_eq!(again.said(condition::SUCCEEDED), said);
        assert_eq!(again.said(condition::RESTORED), restored);
        assert_eq!(again.cloud.count("StartExecution"), 2);
    }
}
