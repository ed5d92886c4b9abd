//! Deletion at each stage: the finalizer goes, neither too early nor never.

use ess_rollout_api::FINALIZER;
use ess_rollout_api::v1alpha1::RestoreKind;
use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::Fate;
use crate::world::{Crash, World};

fn goes(mut world: World) -> World {
    world.deleted();
    world.run_until(7200, "gone", |w| w.gone);
    assert!(
        !world.holds(),
        "the group is still held by an object that is gone"
    );
    world
}

#[test]
fn an_object_that_was_never_visited_goes() {
    let world = goes(script(json!({})));
    assert!(world.cloud.sent.is_empty());
}

#[test]
fn an_object_goes_that_got_its_finalizer_and_nothing_more() {
    let mut world = script(json!({}));
    world.pass_with(Some((1, Crash::Finalizer)));
    assert!(world.has_finalizer());
    let world = goes(world);
    assert!(world.cloud.sent.is_empty());
}

/// `kubectl delete`, of the object, its namespace or everything, with the operator uninstalled: nothing
/// is there that could take a finalizer away.
#[test]
fn the_finalizer_is_there_while_there_is_something_to_put_back_and_no_longer() {
    // Not looked at yet, planned, refused.
    let mut planned = script(json!({"desiredState": "Plan"}));
    planned.run_for(30);
    assert_eq!(
        (planned.state(), planned.has_finalizer()),
        ("Planned", false)
    );
    let mut blocked = script(json!({}));
    blocked.cloud.template = None;
    blocked.run_for(30);
    assert_eq!(
        (blocked.state(), blocked.has_finalizer()),
        ("Blocked", false)
    );
    // Running, at every look, and then finished, however it ended.
    for cancelled in [false, true] {
        let mut world = image(json!({}));
        world.run_to_state("Running");
        while !world.at_rest() {
            assert!(world.has_finalizer(), "{}", world.state());
            if cancelled {
                world.annotated("cancel", "1");
            }
            world.pass();
            world.wait();
        }
        world.run_for(10);
        assert!(!world.has_finalizer());
        // An older version left it there: it goes at the next look, with one write.
        world.task.metadata.finalizers = Some(vec![FINALIZER.into()]);
        let (writes, records) = (world.task_writes, world.record_writes);
        world.run_for(600);
        assert!(!world.has_finalizer());
        assert_eq!((world.task_writes, world.record_writes), (writes, records));
    }
}

#[test]
fn a_deletion_that_waits_says_how_long_and_how_to_end_that() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
    broken(&mut world);
    world.deleted();
    world.run_for(120);
    let shown = world.status().conditions.iter();
    let mut shown = shown.filter(|c| ["Stalled", "Reconciling"].contains(&c.type_.as_str()));
    let shown = shown.next().unwrap();
    for words in [
        "spec.deletionTimeoutSeconds",
        "kubectl -n shop annotate rollingupdatetask web ess-rollout.io/force-delete=true --overwrite",
    ] {
        assert!(shown.message.contains(words), "{}", shown.message);
    }
}

#[test]
fn a_waiting_object_goes_at_once() {
    let mut world = script(json!({}));
    world.cloud.template = None;
    world.run_for(10);
    let before = world.cloud.now;
    let world = goes(world);
    assert!(world.cloud.now - before < 5);
}

#[test]
fn an_unresolved_start_is_waited_out() {
    let mut world = script(json!({}));
    world.cloud.fates = vec![Fate::Late(50)];
    world.pass();
    let world = goes(world);
    assert_eq!(world.cloud.runs.len(), 1);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    assert!(world.cloud.suspended().is_empty());
}

#[test]
fn a_running_update_is_cancelled_and_the_group_put_back_first() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
    world.cloud.advance(3);
    let world = goes(world);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    assert!(world.cloud.suspended().is_empty());
    assert_eq!(world.cloud.configuration_image, crate::cloud::OLD_IMAGE);
    assert!(
        world
            .record_status()
            .leftovers
            .iter()
            .all(|l| l.kind == RestoreKind::Standby)
    );
}

#[test]
fn an_orphan_runs_on() {
    let mut world = script(json!({"deletionPolicy": "Orphan"}));
    world.run_to_state("Running");
    let before = world.cloud.now;
    let mut world = goes(world);
    assert!(world.cloud.now - before < 5);
    assert_eq!(world.cloud.count("CancelExecution"), 0);
    world.cloud.advance(100);
    assert!(world.cloud.suspended().is_empty());
}

#[test]
fn a_finished_task_goes_at_once() {
    let mut world = script(json!({}));
    world.run_to_rest();
    let before = world.cloud.now;
    let world = goes(world);
    assert_eq!(world.cloud.now, before);
}

/// Every read and write of the cloud fails, as with credentials that are gone.
pub fn broken(world: &mut World) {
    for call in [
        "ScalingGroup",
        "ScalingInstances",
        "Activities",
        "ScalingConfiguration",
        "Image",
        "EcsInstances",
        "ForeignExecutions",
        "Children",
        "TaggedExecutions",
        "Execution",
        "TaskExecutions",
        "Template",
        "StartExecution",
        "NotifyExecution",
        "CancelExecution",
        "ResumeProcesses",
        "ExitStandby",
        "ModifyScalingConfiguration",
    ] {
        world.cloud.broken.insert(call, ErrorClass::Unauthenticated);
    }
}

#[test]
fn without_credentials_an_object_goes_when_its_time_is_up_at_every_stage() {
    type Stage = fn() -> World;
    let stages: Vec<(&str, Stage)> = vec![
        ("pending", || {
            let mut world = script(json!({}));
            world.cloud.template = None;
            world.run_for(10);
            world
        }),
        ("taken", || {
            let mut world = script(json!({}));
            world.pass_with(Some((1, Crash::Record)));
            world
        }),
        ("starting", || {
            let mut world = script(json!({}));
            world.cloud.fates = vec![Fate::Lost];
            world.pass();
            world
        }),
        ("running", || {
            let mut world = image(json!({}));
            world.run_to_state("Running");
            world
        }),
        ("ending", || {
            let mut world = image(json!({}));
            world.run_to_state("Running");
            world.annotated("cancel", "n");
            world.run_to_state("Restoring");
            world
        }),
        ("finished", || {
            let mut world = script(json!({}));
            world.run_to_rest();
            world
        }),
    ];
    for (name, stage) in &stages {
        for forced in [false, true] {
            let mut world = stage();
            broken(&mut world);
            world.deleted();
            let before = world.cloud.now;
            if forced {
                world.run_for(30);
                world.annotated("force-delete", "true");
                world.run_until(30, "gone by force", |w| w.gone);
            } else {
                world.run_until(3700, "gone in time", |w| w.gone);
            }
            assert!(!world.holds(), "{name}");
            assert!(world.cloud.now - before <= 3700);
            if ["running", "ending"].contains(name) {
                let left = world.record_status().leftovers;
                assert!(
                    left.iter().any(|l| l.kind == RestoreKind::Process),
                    "{name}: {left:?}"
                );
                assert!(
                    left.iter()
                        .any(|l| l.kind == RestoreKind::ScalingConfigurationImage),
                    "{name}: {left:?}"
                );
            }
        }
    }
}

#[test]
fn a_deletion_that_may_not_wait_still_asks_for_the_cancellation() {
    let mut world = script(json!({"deletionTimeoutSeconds": 0}));
    world.run_to_state("Running");
    let world = goes(world);
    assert_eq!(world.cloud.count("CancelExecution"), 1);
}

#[test]
fn a_finalizer_that_somebody_took_away_does_not_leave_the_group_held() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    // Another finalizer keeps the object.
    world.task.metadata.finalizers = Some(vec!["example.com/other".into()]);
    world.deleted();
    world.gone = false;
    world.run_until(600, "released", |w| !w.holds());
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    let finalizers = world.task.metadata.finalizers.clone().unwrap();
    assert!(!finalizers.contains(&FINALIZER.to_owned()));
}

#[test]
fn an_object_that_waits_its_turn_goes_at_once() {
    let mut world = crate::pending::held_by_another();
    world.run_for(10);
    let before = world.cloud.now;
    world.deleted();
    world.run_until(10, "gone", |w| w.gone);
    assert!(world.cloud.now - before < 5);
    assert!(world.cloud.sent.is_empty());
    let holder = world.record_status().holder.unwrap();
    assert_ne!(holder.uid, "uid-1", "the other one still holds the group");
}

#[test]
fn a_paused_update_is_cancelled_and_the_group_put_back_first() {
    for failing in [false, true] {
        let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch",
            "failedInstancePolicy": "ReturnToService"}));
        if failing {
            world.cloud.failing.insert("i-0001".into(), 1);
        }
        world.run_to_state(if failing {
            "FailureSuspended"
        } else {
            "BatchSuspended"
        });
        let world = goes(world);
        assert_eq!(world.cloud.count("CancelExecution"), 1);
        assert!(world.cloud.suspended().is_empty());
        assert_eq!(world.cloud.configuration_image, crate::cloud::OLD_IMAGE);
        assert!(world.record_status().leftovers.is_empty());
        let serve = |i: &ess_rollout_cloud::ScalingInstance| {
            i.state == ess_rollout_cloud::LifecycleState::InService
        };
        assert!(world.cloud.instances.iter().all(serve));
    }
}

#[test]
fn a_record_that_somebody_deletes_is_made_again_and_holds_what_is_left() {
    type Stage = fn(&mut World);
    let stages: [Stage; 3] = [
        |w| w.run_to_state("Running"),
        |w| w.run_to_state("BatchSuspended"),
        |w| {
            w.run_to_state("Running");
            w.cloud.advance(3);
            w.annotated("cancel", "1");
            w.run_to_state("Restoring");
        },
    ];
    for stage in stages {
        for orphan in [false, true] {
            let policy = if orphan { "Orphan" } else { "Cancel" };
            let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch",
                "deletionPolicy": policy, "runKey": "v1"}));
            world.cloud.failing.insert("i-0001".into(), 1);
            world.task.spec.policy.max_errors = Some(1);
            stage(&mut world);
            world.record = None;
            world.pass();
            assert!(world.holds());
            world.record = None;
            let restoring = world.state() == "Restoring";
            let world = goes(world);
            if !orphan || restoring {
                assert!(world.record_status().run_keys[0].outcome.is_some());
                assert!(world.cloud.suspended().is_empty());
            }
        }
    }
}

/// Of a namespace that goes, Events and Secrets vanish first, and new objects are refused there: what
/// is left goes to the record, which is elsewhere.
#[test]
fn whatever_is_left_by_a_deletion_is_on_record() {
    for forced in [false, true] {
        let mut world = image(json!({"deletionTimeoutSeconds": 120,
            "lifecycleStates": ["InService", "Protected"]}));
        world.cloud.instances[0].state = ess_rollout_cloud::LifecycleState::Protected;
        world.run_to_state("Running");
        world.cloud.advance(3);
        world.pass();
        broken(&mut world);
        world.deleted();
        if forced {
            world.annotated("force-delete", "true");
        }
        world.run_until(130, "gone", |w| w.gone);
        let left = world.record_status().leftovers;
        let of_kind = |kind| left.iter().filter(|l| l.kind == kind).count();
        assert_eq!(of_kind(RestoreKind::Process), 5);
        assert_eq!(of_kind(RestoreKind::ScalingConfigurationImage), 1);
        assert_eq!(of_kind(RestoreKind::Standby), 2);
        assert_eq!(of_kind(RestoreKind::Protection), 1);
        // The next run, with credentials, puts it back.
        let mut task =
            crate::builders::script_task(json!({"failedInstancePolicy": "ReturnToService"}));
        task.metadata.uid = Some("uid-2".into());
        let mut next = World::new(task, world.cloud.clone());
        next.cloud.broken.clear();
        let root = next.cloud.root().id.clone();
        next.cloud
            .end(&root, ess_rollout_cloud::ExecutionStatus::Cancelled);
        next.record = world.record.clone();
        next.run_to_rest();
        assert_eq!(next.record_status().leftovers, []);
        assert!(next.cloud.suspended().is_empty());
        // Within its time it went on, and came to a good end.
        let wanted = match forced {
            true => crate::cloud::OLD_IMAGE,
            false => crate::cloud::NEW_IMAGE,
        };
        assert_eq!(next.cloud.configuration_image, wanted);
        assert_eq!(
            next.cloud.instances[0].state,
            ess_rollout_cloud::LifecycleState::Protected
        );
    }
}

#[test]
fn no_wait_after_a_refusal_outlasts_the_time_that_the_deletion_has() {
    for class in [ErrorClass::Denied, ErrorClass::Throttled, ErrorClass::Retry] {
        let mut world = script(json!({"deletionTimeoutSeconds": 4,
            "suspensionPolicy": "SuspendFirstBatch"}));
        world.run_to_state("BatchSuspended");
        world.cloud.broken.insert("CancelExecution", class);
        world.deleted();
        let before = world.cloud.now;
        world.run_until(60, "gone", |w| w.gone);
        assert!(world.cloud.now - before <= 6, "{class:?}");
        assert!(!world.record_status().leftovers.is_empty());
    }
}
