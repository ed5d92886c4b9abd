//! Runs that no object looks after any more: they stay on the group's record until their end is seen,
//! and what they leave is listed there and put back by the next run.

use ess_rollout_api::v1alpha1::{LetGo, Outcome, RestoreKind, condition};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus, LifecycleState, Process};
use ess_rollout_core::ask::{Ask, Reply};
use ess_rollout_core::decision::Step;
use ess_rollout_core::rollout::{
    Absence, Next, Observation, RunInput, look_at_run, unattended_runs, without_holder,
};
use serde_json::json;

use crate::builders::{image, script, script_task};
use crate::cloud::{Fate, NEW_IMAGE, OLD_IMAGE};
use crate::deleting::broken;
use crate::rolling_back::{finished_image, rollback};
use crate::world::World;

/// Looks at the record as the operator does when no object of the group exists. Gives when to look
/// again.
pub fn look(world: &mut World) -> Next {
    let mut next = Next::OnChange;
    for run in unattended_runs(world.record.as_ref().unwrap()) {
        let mut observation = Observation::default();
        let decision = loop {
            let input = RunInput {
                record: world.record.as_ref().unwrap(),
                uid: &run.uid,
                settings: &world.settings,
                now: world.cloud.time(),
                observation: &observation,
            };
            match look_at_run(input) {
                Step::Decided(decision) => break decision,
                Step::Read(asks) => {
                    for ask in asks {
                        let Ask::Cloud(query) = &ask else {
                            panic!("{ask:?} of a record");
                        };
                        let reply = Reply::Cloud(world.cloud.answer(query));
                        observation.insert(ask, reply);
                    }
                }
            }
        };
        next = decision.next;
        world.events.extend(decision.events.clone());
        world.write_record(decision.status);
    }
    next
}

/// Looks, and waits, until no run is on record. Gives how many looks that took.
pub fn look_to_the_end(world: &mut World) -> usize {
    for looks in 1..=20 {
        let next = look(world);
        if world.record_status().runs.is_empty() {
            return looks;
        }
        let Next::After(wait) = next else {
            panic!("{next:?}, with a run on record");
        };
        world.cloud.advance(i64::try_from(wait.as_secs()).unwrap());
    }
    panic!("still on record: {:#?}", world.record_status().runs);
}

/// The next object of the group.
pub fn next_task(world: &World, more: serde_json::Value) -> World {
    let mut task = script_task(more);
    task.metadata.uid = Some("uid-2".into());
    task.metadata.name = Some("next".into());
    let mut next = World::new(task, world.cloud.clone());
    next.cloud.broken.clear();
    next.record.clone_from(&world.record);
    next
}

pub fn orphaned(mut world: World) -> World {
    world.run_to_state("Running");
    world.cloud.advance(3);
    world.pass();
    world.deleted();
    world.run_until(10, "gone", |w| w.gone);
    let run = &world.record_status().runs[0];
    assert_eq!(run.let_go, Some(LetGo::Orphaned));
    assert!(run.execution_id.is_some());
    assert!(world.record_status().holder.is_none());
    world
}

#[test]
fn what_an_orphan_leaves_that_fails_later_is_listed_and_put_back_by_the_next_run() {
    let mut world = orphaned(image(json!({"deletionPolicy": "Orphan", "runKey": "v1"})));
    let root = world.cloud.root().id.clone();
    world.cloud.end(&root, ExecutionStatus::Failed);
    assert_eq!(world.cloud.suspended().len(), 5);
    look_to_the_end(&mut world);
    let record = world.record_status();
    let of_kind = |kind| record.leftovers.iter().filter(|l| l.kind == kind).count();
    assert_eq!(of_kind(RestoreKind::Process), 5, "{:#?}", record.leftovers);
    assert_eq!(of_kind(RestoreKind::ScalingConfigurationImage), 1);
    assert!(of_kind(RestoreKind::Standby) > 0);
    assert_eq!(record.run_keys[0].outcome, Some(Outcome::Failed));
    assert!(world.events.iter().any(|e| e.reason == "LeftBehind"));
    // None of it is taken for what people want.
    let mut next = next_task(&world, json!({"failedInstancePolicy": "ReturnToService"}));
    // A policy of the first one keeps them, until somebody wants otherwise.
    next.run_to_rest();
    assert_eq!(next.state(), "Succeeded");
    assert!(next.cloud.suspended().is_empty());
    assert_eq!(next.cloud.configuration_image, OLD_IMAGE);
    assert_eq!(next.record_status().leftovers, []);
}

#[test]
fn the_next_task_sees_the_end_of_an_orphan_by_itself() {
    let mut world = orphaned(image(json!({"deletionPolicy": "Orphan"})));
    let root = world.cloud.root().id.clone();
    let mut next = next_task(&world, json!({}));
    next.run_for(15);
    assert_eq!(next.said(condition::PREFLIGHT), "Unknown UnattendedRun");
    let message = next
        .condition(condition::PREFLIGHT)
        .unwrap()
        .message
        .clone();
    for words in [
        root.as_str(),
        "RollingUpdateTask shop/web",
        "deletionPolicy Orphan",
        &format!("aliyun oos CancelExecution --RegionId cn-hangzhou --ExecutionId {root}"),
    ] {
        assert!(message.contains(words), "{message}");
    }
    next.cloud.end(&root, ExecutionStatus::Failed);
    next.run_until(2000, "at rest", World::at_rest);
    assert_eq!(next.state(), "Succeeded");
    assert!(next.cloud.suspended().is_empty());
    assert_eq!(next.cloud.configuration_image, OLD_IMAGE);
    assert_eq!(next.record_status().runs, []);
}

#[test]
fn an_orphan_that_ends_well_leaves_nothing() {
    let mut world = orphaned(image(json!({"deletionPolicy": "Orphan", "runKey": "v1"})));
    world.cloud.advance(600);
    look_to_the_end(&mut world);
    let record = world.record_status();
    assert_eq!(record.leftovers, []);
    assert_eq!(record.baseline, None);
    assert_eq!(record.run_keys[0].outcome, Some(Outcome::Succeeded));
    assert_eq!(record.current.unwrap().what, NEW_IMAGE);
}

#[test]
fn an_orphan_that_waits_for_nobody_is_looked_at_rarely_and_says_how_to_end_it() {
    let mut world = image(json!({"deletionPolicy": "Orphan",
        "suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world.deleted();
    world.run_until(10, "gone", |w| w.gone);
    look(&mut world);
    let writes = world.record_writes;
    for _ in 0..10 {
        let Next::After(wait) = look(&mut world) else {
            panic!("no later look");
        };
        assert!(wait.as_secs() >= 300);
        world.cloud.advance(300);
    }
    assert_eq!(world.record_writes, writes, "nothing new");
    let message = &world.record_status().runs[0].message;
    assert!(
        message.contains("waits for a person; to end it: aliyun oos CancelExecution"),
        "{message}"
    );
}

#[test]
fn an_execution_that_a_forced_deletion_leaves_waiting_stays_on_record() {
    let mut world = image(json!({"suspensionPolicy": "SuspendEachBatch", "runKey": "v1"}));
    world.run_to_state("BatchSuspended");
    broken(&mut world);
    world.deleted();
    world.annotated("force-delete", "true");
    world.run_until(60, "gone", |w| w.gone);
    let root = world.cloud.root().id.clone();
    let record = world.record_status();
    assert_eq!(record.runs[0].let_go, Some(LetGo::Abandoned));
    assert_eq!(record.runs[0].execution_id.as_ref(), Some(&root));
    // What it may leave is listed meanwhile, and judged once it has ended.
    assert!(!record.leftovers.is_empty());
    let mut next = next_task(&world, json!({}));
    next.run_for(60);
    assert_eq!(next.said(condition::PREFLIGHT), "Unknown UnattendedRun");
    // Somebody approves it in the console, and it ends well.
    next.cloud.approve_in_console();
    next.run_until(3000, "at rest", World::at_rest);
    let record = next.record_status();
    assert_eq!(record.runs, []);
    assert_eq!(record.leftovers, []);
    assert_eq!(record.run_keys[0].outcome, Some(Outcome::Succeeded));
    assert_eq!(next.cloud.configuration_image, NEW_IMAGE);
    assert!(next.cloud.suspended().is_empty());
}

#[test]
fn a_start_that_never_took_effect_leaves_nothing_on_record_after_a_forced_deletion() {
    for (fate, ran) in [(Fate::Lost, false), (Fate::Late(50), true)] {
        let mut world = image(json!({"runKey": "v1"}));
        // People changed these meanwhile: nothing of it is the run's.
        world.cloud.group.as_mut().unwrap().suspended_processes = vec![Process::ScaleIn];
        world.cloud.fates = vec![fate];
        world.pass();
        world.deleted();
        world.annotated("force-delete", "true");
        world.run_until(30, "gone", |w| w.gone);
        assert_eq!(world.record_status().leftovers, [], "{fate:?}");
        assert_eq!(world.record_status().runs.len(), 1);
        world.cloud.advance(900);
        look_to_the_end(&mut world);
        let record = world.record_status();
        assert_eq!(record.leftovers, [], "{fate:?}");
        assert_eq!(record.run_keys.len(), usize::from(ran), "{fate:?}");
    }
}

#[test]
fn the_run_of_a_holder_that_vanished_is_seen_to_its_end() {
    for protected in [false, true] {
        let mut world = image(json!({"lifecycleStates": ["InService", "Protected"]}));
        if protected {
            world.cloud.instances[0].state = LifecycleState::Protected;
        }
        world.run_to_state("Running");
        world.cloud.advance(3);
        world.pass();
        // Its finalizer is taken by hand, and it is deleted.
        let (without, _) = without_holder(&world.record_status(), &Absence::Gone).unwrap();
        world.write_record(without);
        world.gone = true;
        assert_eq!(
            world.record_status().runs[0].let_go,
            Some(LetGo::HolderVanished)
        );
        let root = world.cloud.root().id.clone();
        world.cloud.end(&root, ExecutionStatus::Cancelled);
        look_to_the_end(&mut world);
        let record = world.record_status();
        let targets = |kind| {
            let all = record.leftovers.iter().filter(|l| l.kind == kind);
            all.map(|l| l.target.clone()).collect::<Vec<_>>()
        };
        assert_eq!(targets(RestoreKind::Process).len(), 5);
        let in_standby = world.cloud.instances.iter();
        let in_standby = in_standby.filter(|i| i.state == LifecycleState::Standby);
        assert_eq!(targets(RestoreKind::Standby).len(), in_standby.count());
        let mut next = next_task(&world, json!({"failedInstancePolicy": "ReturnToService"}));
        next.run_to_rest();
        assert!(next.cloud.suspended().is_empty());
        assert!(
            next.cloud
                .instances
                .iter()
                .all(|i| i.state != LifecycleState::Standby),
            "{:?}",
            next.cloud.instances
        );
        let first = &next.cloud.instances[0].state;
        assert_eq!(*first == LifecycleState::Protected, protected);
    }
}

#[test]
fn an_orphan_whose_record_was_just_deleted_is_on_record_all_the_same() {
    let mut world = script(json!({"deletionPolicy": "Orphan", "runKey": "v1"}));
    world.run_to_state("Running");
    world.record = None;
    world.deleted();
    world.run_until(10, "gone", |w| w.gone);
    let record = world.record_status();
    assert_eq!(record.runs[0].let_go, Some(LetGo::Orphaned));
    assert_eq!(record.run_keys[0].key, "v1");
    assert!(record.run_keys[0].execution_id.is_some());
    assert!(record.holder.is_none());
}

/// Asked for in another way, it is there.
#[test]
fn an_answer_that_leaves_the_group_out_holds_nothing_up() {
    let mut world = orphaned(script(json!({"deletionPolicy": "Orphan"})));
    let root = world.cloud.root().id.clone();
    world.cloud.end(&root, ExecutionStatus::Failed);
    let hidden = ("ScalingGroup", crate::cloud::GROUP.to_owned());
    world.cloud.hidden.insert(hidden);
    look_to_the_end(&mut world);
    assert!(!world.record_status().leftovers.is_empty());
}

#[test]
fn one_answer_that_leaves_the_group_out_clears_nothing() {
    let mut world = orphaned(image(json!({"deletionPolicy": "Orphan"})));
    let root = world.cloud.root().id.clone();
    world.cloud.end(&root, ExecutionStatus::Failed);
    let group = world.cloud.group.take();
    for _ in 0..10 {
        look(&mut world);
        world.cloud.advance(600);
    }
    assert_eq!(world.record_status().runs.len(), 1);
    world.cloud.group = group;
    look_to_the_end(&mut world);
    assert!(!world.record_status().leftovers.is_empty());
}

#[test]
fn a_restored_object_that_is_deleted_before_its_first_visit_ends_its_execution() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
    let mut restored = World::new(world.task.clone(), world.cloud.clone());
    restored.record.clone_from(&world.record);
    restored.holder_gone = true;
    restored.task.metadata.uid = Some("uid-3".into());
    restored.task.status = Some(serde_json::from_value(json!({"observedGeneration": -1})).unwrap());
    restored.deleted();
    assert!(!restored.gone, "its finalizer came back with it");
    restored.run_until(10, "cancelled", |w| w.cloud.count("CancelExecution") == 1);
    restored.holder_gone = false;
    restored.run_until(900, "gone", |w| w.gone);
    assert!(restored.cloud.suspended().is_empty());
    assert_eq!(restored.cloud.configuration_image, OLD_IMAGE);
}

#[test]
fn a_forced_deletion_does_not_wait_for_a_record_that_cannot_be_written() {
    for namespace_gone in [false, true] {
        let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
        world.run_to_state("BatchSuspended");
        broken(&mut world);
        world.record_refused = true;
        if namespace_gone {
            world.record = None;
        }
        world.deleted();
        world.run_for(120);
        assert!(!world.gone, "its time is not up");
        world.annotated("force-delete", "true");
        world.run_until(60, "gone", |w| w.gone);
        let mut said = world
            .events
            .iter()
            .filter(|e| e.reason == "RecordNotWritten");
        let said = &said.next().unwrap().note;
        let root = world.cloud.root().id.clone();
        for words in [
            root.as_str(),
            "Process ScaleIn -> Resumed",
            "m-old",
            "403 Forbidden",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn what_a_deletion_cannot_put_back_is_listed_at_once_and_no_longer_than_that_is_so() {
    let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    for call in [
        "CancelExecution",
        "ResumeProcesses",
        "ModifyScalingConfiguration",
    ] {
        world.cloud.broken.insert(call, ErrorClass::Denied);
    }
    world.deleted();
    world.run_for(30);
    let record = world.record_status();
    let kinds: Vec<RestoreKind> = record.leftovers.iter().map(|l| l.kind).collect();
    assert!(kinds.contains(&RestoreKind::Process), "{kinds:?}");
    assert!(
        kinds.contains(&RestoreKind::ScalingConfigurationImage),
        "{kinds:?}"
    );
    assert!(record.runs[0].execution_id.is_some());
    let waits: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.reason == "DeletionWaits")
        .collect();
    assert_eq!(waits.len(), 1, "said once");
    assert!(waits[0].note.contains("ess-rollout.io/force-delete=true"));
    // Somebody grants it again.
    world.cloud.broken.clear();
    world.run_until(1200, "gone", |w| w.gone);
    assert_eq!(world.record_status().leftovers, []);
    assert_eq!(world.record_status().runs, []);
    assert!(world.cloud.suspended().is_empty());
}

/// What a rollback undoes is not known any more once its status is lost; that its run holds the group is.
#[test]
fn the_run_of_a_rollback_whose_status_was_wiped_is_seen_to_its_end() {
    for deleted in [false, true] {
        let mut update = finished_image();
        let mut back = rollback(&mut update, json!({}));
        back.run_to_state("Running");
        back.pass();
        back.task.status = Some(serde_json::from_value(json!({"observedGeneration": -1})).unwrap());
        if deleted {
            back.deleted();
        }
        back.run_for(30);
        let run = &back.record_status().runs[0];
        assert_eq!(run.let_go, Some(LetGo::HolderVanished));
        assert_eq!(back.record_status().holder, None);
        let root = run.execution_id.clone().unwrap();
        back.cloud.end(&root, ExecutionStatus::Cancelled);
        look_to_the_end(&mut back);
        let left = back.record_status().leftovers;
        let processes = left.iter().filter(|l| l.kind == RestoreKind::Process);
        assert_eq!(processes.count(), back.cloud.suspended().len());
        assert_eq!(back.cloud.count("StartExecution"), 2);
    }
}
