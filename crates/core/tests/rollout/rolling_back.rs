//! Rollbacks: what they undo, which call does it, what they refuse, and how a group goes from a
//! suspended update to them.

use ess_rollout_api::v1alpha1::{RollbackMethod, RollingUpdateTask, condition};
use ess_rollout_cloud::{LifecycleState, Mutation, Process};
use ess_rollout_core::ask::{Ask, Reply};
use serde_json::{Value, json};

use crate::builders::{image, script_task};
use crate::cloud::{Fate, GROUP, NEW_IMAGE, OLD_IMAGE};
use crate::world::{Crash, RollingBack, World};

/// A rollback of the update of this world, in a copy of its cloud and with its record.
pub fn rollback(update: &mut World, spec: Value) -> World {
    let mut all = json!({"batches": 2});
    if spec.get("executionId").is_none() {
        all["taskRef"] = json!({"name": "web"});
    }
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut carrier = script_task(json!({}));
    carrier.metadata.name = Some("back".into());
    carrier.metadata.uid = Some("uid-2".into());
    let mut world = World::new(carrier, update.cloud.clone());
    world.record = update.record.clone();
    world.rolling_back = Some(RollingBack {
        spec: serde_json::from_value(all).unwrap(),
        source: Some(update.task.clone()),
    });
    world
}

/// Hands cloud and record over to the other world, and shows a rollback its source as it is now.
pub fn swap(from: &mut World, to: &mut World) {
    std::mem::swap(&mut from.cloud, &mut to.cloud);
    to.record.clone_from(&from.record);
    if let Some(back) = &mut to.rolling_back {
        back.source = Some(from.task.clone());
    }
}

/// Both objects are looked at in turn until both are at rest.
pub fn run_both(update: &mut World, back: &mut World) {
    for _ in 0..400 {
        back.pass();
        swap(back, update);
        update.pass();
        update.cloud.advance(2);
        swap(update, back);
        if update.at_rest() && back.at_rest() {
            return;
        }
    }
    panic!(
        "not at rest: {} {:#?}, {} {:#?}",
        update.state(),
        update.status().conditions,
        back.state(),
        back.status().conditions
    );
}

pub fn finished_image() -> World {
    let mut update = image(json!({}));
    update.run_to_rest();
    assert_eq!(update.state(), "Succeeded");
    assert_eq!(update.cloud.configuration_image, NEW_IMAGE);
    update
}

pub fn started(world: &World) -> &ess_rollout_cloud::StartExecution {
    let mut starts = world.cloud.sent.iter().filter_map(|m| match m {
        Mutation::StartExecution(start) => Some(start),
        _ => None,
    });
    starts.next_back().unwrap()
}

#[test]
fn a_finished_image_update_is_undone_the_scaling_configuration_included() {
    let mut update = finished_image();
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();

    assert_eq!(back.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(back.said(condition::VERIFIED), "True AsWanted");
    assert!(back.cloud.ecs.iter().all(|ecs| ecs.image == OLD_IMAGE));
    assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
    assert!(back.cloud.suspended().is_empty());
    let start = started(&back);
    assert_eq!(start.parameters["invokeType"], "rollback");
    assert_eq!(start.parameters["sourceExecutionId"], "exec-1");
    assert_eq!(start.parameters["sourceImageId"], OLD_IMAGE);
    assert!(start.tags.contains(&(
        "ess-rollout/source-execution".to_owned(),
        "exec-1".to_owned()
    )));
}

#[test]
fn where_to_go_back_to_can_be_said() {
    let mut update = finished_image();
    let mut images = update.cloud.images.clone();
    images[0].id = "m-older".into();
    update.cloud.images.extend(images.into_iter().take(1));
    let mut back = rollback(&mut update, json!({"to": {"imageId": "m-older"}}));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    assert!(back.cloud.ecs.iter().all(|ecs| ecs.image == "m-older"));
    assert_eq!(back.cloud.configuration_image, "m-older");
}

#[test]
fn a_script_update_is_undone_by_its_rollback_script() {
    let update = json!({"script": {"run": {"inline": "new"}, "rollback": {"inline": "old"}}});
    let mut update = World::new(
        crate::builders::task(update, json!({})),
        crate::cloud::Cloud::with_instances(4),
    );
    update.run_to_rest();
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    let start = started(&back);
    assert_eq!(start.parameters["rollbackScript"], "old");
    assert!(!start.parameters.contains_key("invokeScript"));
}

#[test]
fn windows_scripts_are_undone_by_a_fresh_update() {
    let update = json!({"script": {"type": "WindowsBat", "run": {"inline": "new"}, "rollback": {"inline": "old"}}});
    let mut cloud = crate::cloud::Cloud::with_instances(4);
    for ecs in &mut cloud.ecs {
        ecs.os_type = "windows".into();
    }
    let mut update = World::new(crate::builders::task(update, json!({})), cloud);
    update.run_to_rest();
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    let start = started(&back);
    assert_eq!(start.parameters["invokeType"], "invoke");
    assert_eq!(start.parameters["invokeScript"], "old");
    assert_eq!(start.parameters["commandType"], "RunBatScript");
}

/// The template would resume what a person has suspended since the update.
#[test]
fn processes_that_people_suspended_since_stay_so() {
    let mut update = finished_image();
    let group = update.cloud.group.as_mut().unwrap();
    group.suspended_processes = vec![Process::ScaleIn];
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    let source = back.status().source.as_ref().unwrap();
    assert_eq!(source.method, RollbackMethod::Invoke);
    let start = started(&back);
    assert_eq!(start.parameters["invokeType"], "invoke");
    assert_eq!(start.parameters["imageId"], OLD_IMAGE);
    assert_eq!(start.parameters["scalingConfigurationId"], "");
    assert_eq!(
        back.cloud.suspended().into_iter().collect::<Vec<_>>(),
        ["ScaleIn"]
    );
    assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
}

/// The other way round: the template leaves suspended what the source found so, and a person has
/// resumed it since.
#[test]
fn processes_that_people_resumed_since_run_again() {
    let mut update = image(json!({}));
    let group = update.cloud.group.as_mut().unwrap();
    group.suspended_processes = vec![Process::ScaleIn];
    update.run_to_rest();
    assert_eq!(update.cloud.suspended().len(), 1);
    update.cloud.group.as_mut().unwrap().suspended_processes = Vec::new();
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(started(&back).parameters["invokeType"], "rollback");
    assert!(back.cloud.suspended().is_empty());
}

#[test]
fn a_fresh_update_that_would_reach_others_is_refused_unless_all_are_meant() {
    for (scope, state) in [("Updated", "Failed"), ("AllInService", "Succeeded")] {
        let mut update = finished_image();
        let mut joined = update.cloud.instances[0].clone();
        joined.id = "i-0009".into();
        update.cloud.instances.push(joined);
        let mut ecs = update.cloud.ecs[0].clone();
        ecs.id = "i-0009".into();
        update.cloud.ecs.push(ecs);
        update.cloud.group.as_mut().unwrap().suspended_processes = vec![Process::ScaleIn];
        let mut back = rollback(&mut update, json!({"scope": scope}));
        back.run_to_state(state);
        if state == "Failed" {
            assert_eq!(back.said(condition::PREFLIGHT), "False ScopeTooNarrow");
            assert!(!back.holds());
        } else {
            assert!(back.cloud.ecs.iter().all(|ecs| ecs.image == OLD_IMAGE));
        }
    }
}

#[test]
fn only_those_that_the_update_touched_are_rolled_back() {
    let mut update = finished_image();
    let mut joined = update.cloud.instances[0].clone();
    joined.id = "i-0009".into();
    update.cloud.instances.push(joined);
    let mut ecs = update.cloud.ecs[0].clone();
    ecs.id = "i-0009".into();
    update.cloud.ecs.push(ecs);
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.status().summary.as_ref().unwrap().total, 4);
    assert_eq!(back.cloud.ecs[4].image, NEW_IMAGE);
}

#[test]
fn a_suspended_update_is_cancelled_and_the_group_taken_over_in_one_write() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let mut back = rollback(&mut update, json!({}));
    run_both(&mut update, &mut back);

    assert_eq!(update.said(condition::SUCCEEDED), "False RolledBack");
    assert_eq!(update.said(condition::RESTORED), "Unknown TakenOver");
    assert_eq!(back.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(back.said(condition::RESTORED), "True Restored");
    assert_eq!(back.status().summary.as_ref().unwrap().total, 2);
    assert!(back.cloud.ecs.iter().all(|ecs| ecs.image == OLD_IMAGE));
    assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
    assert!(back.cloud.suspended().is_empty());
    assert_eq!(back.cloud.count("CancelExecution"), 1);
    assert_eq!(back.cloud.count("StartExecution"), 2);
    assert_eq!(back.record_status().holder, None);
}

#[test]
fn a_process_that_was_suspended_before_the_update_stays_so_after_its_rollback() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    let group = update.cloud.group.as_mut().unwrap();
    group.suspended_processes = vec![Process::HealthCheck];
    update.run_to_state("BatchSuspended");
    let mut back = rollback(&mut update, json!({}));
    run_both(&mut update, &mut back);
    assert_eq!(back.state(), "Succeeded");
    assert_eq!(
        back.cloud.suspended().into_iter().collect::<Vec<_>>(),
        ["HealthCheck"]
    );
}

/// What the update left failed is touched by its rollback, and returns to service.
#[test]
fn a_failed_instance_of_the_update_is_rolled_back_with_the_others() {
    let mut update = image(json!({}));
    update.cloud.failing.insert("i-0001".into(), 1);
    update.run_to_state("FailureSuspended");
    update.cloud.failing.clear();
    let mut back = rollback(&mut update, json!({}));
    run_both(&mut update, &mut back);
    assert_eq!(back.state(), "Succeeded");
    assert!(
        back.cloud
            .instances
            .iter()
            .all(|i| i.state == LifecycleState::InService)
    );
}

#[test]
fn a_rollback_that_is_cancelled_after_it_took_over_ends_the_update_itself() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let mut back = rollback(&mut update, json!({}));
    for _ in 0..3 {
        back.pass();
    }
    assert!(back.holds());
    back.annotated("cancel", "n1");
    run_both(&mut update, &mut back);
    assert_eq!(
        back.said(condition::SUCCEEDED),
        "False CancelledBeforeStart"
    );
    assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
    assert!(back.cloud.suspended().is_empty());
    assert_eq!(back.cloud.count("StartExecution"), 1);
}

#[test]
fn what_cannot_be_rolled_back_is_refused_with_the_reason() {
    type Change = fn(&mut World, &mut World);
    let cases: [(&str, Value, Change); 6] = [
        ("False SourceNotFound", json!({}), |_, back| {
            back.rolling_back.as_mut().unwrap().source = None;
        }),
        ("False SourceExecutionGone", json!({}), |_, back| {
            back.cloud.executions.clear();
        }),
        (
            "False PayloadMismatch",
            json!({"to": {"packageVersion": "1"}}),
            |_, _| {},
        ),
        ("False NoRollbackPayload", json!({}), |_, back| {
            let source = back.rolling_back.as_mut().unwrap().source.as_mut().unwrap();
            source
                .status
                .as_mut()
                .unwrap()
                .plan
                .as_mut()
                .unwrap()
                .source_image_id = None;
        }),
        ("False NotLatest", json!({}), |_, back| {
            let mut later = back.cloud.executions[0].clone();
            later.id = "exec-later".into();
            later.start = Some(back.cloud.time());
            later.tags.clear();
            back.cloud.executions.push(later);
        }),
        ("False NothingToRollBack", json!({}), |_, back| {
            let source = back.rolling_back.as_mut().unwrap().source.as_mut().unwrap();
            source.status = None;
        }),
    ];
    for (said, spec, change) in cases {
        let mut update = finished_image();
        let mut back = rollback(&mut update, spec);
        back.cloud.advance(5);
        change(&mut update, &mut back);
        back.run_to_state("Failed");
        assert_eq!(back.said(condition::PREFLIGHT), said);
        assert!(
            !back
                .condition(condition::PREFLIGHT)
                .unwrap()
                .message
                .is_empty()
        );
        assert_eq!(back.cloud.count("StartExecution"), 1, "{said}");
        assert_eq!(back.record_status().holder, None);
    }
}

#[test]
fn a_running_update_is_refused_and_rolled_back_once_it_is_suspended() {
    let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("Running");
    let mut back = rollback(&mut update, json!({}));
    back.run_to_state("Blocked");
    assert_eq!(back.said(condition::PREFLIGHT), "False SourceRunning");
    run_both(&mut update, &mut back);
    assert_eq!(back.state(), "Succeeded");
}

#[test]
fn a_rollback_is_not_repeated_and_one_that_failed_can_be() {
    let mut update = finished_image();
    let mut back = rollback(&mut update, json!({"onFailure": "Fail"}));
    back.cloud.failing = [("i-0001".to_owned(), 1)].into();
    back.run_to_rest();
    assert_eq!(back.state(), "Failed");
    update.cloud = back.cloud.clone();
    update.cloud.failing.clear();
    update.record.clone_from(&back.record);

    let mut again = rollback(&mut update, json!({}));
    again.task.metadata.uid = Some("uid-3".into());
    again.run_to_rest();
    assert_eq!(again.state(), "Succeeded");
    update.cloud = again.cloud.clone();
    update.record.clone_from(&again.record);

    let mut third = rollback(&mut update, json!({}));
    third.task.metadata.uid = Some("uid-4".into());
    third.run_to_state("Failed");
    assert_eq!(third.said(condition::PREFLIGHT), "False AlreadyRolledBack");
}

/// An update that somebody ran by the command line, as its execution shows it.
pub fn by_hand() -> World {
    let mut update = finished_image();
    for execution in &mut update.cloud.executions {
        execution.tags.clear();
    }
    update.record = None;
    update
}

#[test]
fn an_execution_that_was_started_elsewhere_is_rolled_back() {
    let mut update = by_hand();
    let spec = json!({"executionId": "exec-1", "scalingGroupId": GROUP});
    let mut back = rollback(&mut update, spec);
    back.rolling_back.as_mut().unwrap().source = None;
    back.run_to_rest();
    assert_eq!(back.said(condition::SUCCEEDED), "True Updated");
    assert!(back.cloud.ecs.iter().all(|ecs| ecs.image == OLD_IMAGE));
    assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
}

#[test]
fn an_execution_without_processes_goes_back_by_a_fresh_update() {
    let mut update = by_hand();
    update.cloud.executions[0].parameters["enterProcess"] = json!([]);
    let spec = json!({"executionId": "exec-1", "scalingGroupId": GROUP});
    let mut back = rollback(&mut update, spec);
    back.rolling_back.as_mut().unwrap().source = None;
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    assert_eq!(started(&back).parameters["invokeType"], "invoke");
}

#[test]
fn a_rollback_or_anothers_execution_is_refused() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 3] = [
        ("False RollbackOfRollback", |w| {
            w.cloud.executions[0].parameters["invokeType"] = json!("rollback");
        }),
        ("False UseTaskRef", |w| {
            let tags = &mut w.cloud.executions[0].tags;
            tags.insert("ess-rollout/task".into(), "shop/web".into());
        }),
        ("False OtherScalingGroup", |w| {
            w.cloud.executions[0].parameters["scalingGroupId"] = json!("asg-other");
        }),
    ];
    for (said, change) in cases {
        let mut update = by_hand();
        change(&mut update);
        let spec = json!({"executionId": "exec-1", "scalingGroupId": GROUP});
        let mut back = rollback(&mut update, spec);
        back.rolling_back.as_mut().unwrap().source = None;
        back.run_to_state("Failed");
        assert_eq!(back.said(condition::PREFLIGHT), said);
    }
}

/// Between any two effects of the takeover and the start.
#[test]
fn the_operator_may_die_anywhere_on_the_way() {
    for number in 0..12 {
        for at in [
            Crash::Finalizer,
            Crash::Record,
            Crash::Status,
            Crash::Mutation,
        ] {
            let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
            update.run_to_state("BatchSuspended");
            let mut back = rollback(&mut update, json!({}));
            back.pass_with(Some((number, at)));
            run_both(&mut update, &mut back);
            assert_eq!(back.state(), "Succeeded", "{number} {at:?}");
            assert_eq!(back.cloud.count("StartExecution"), 2, "{number} {at:?}");
            assert!(back.cloud.suspended().is_empty());
            assert_eq!(back.cloud.configuration_image, OLD_IMAGE);
        }
    }
}

#[test]
fn a_lost_start_of_a_rollback_is_found_again() {
    for fate in [Fate::AnswerLost, Fate::Late(50), Fate::Lost] {
        let mut update = finished_image();
        let mut back = rollback(&mut update, json!({}));
        back.cloud.fates = vec![fate];
        back.run_to_rest();
        assert_eq!(back.state(), "Succeeded", "{fate:?}");
        assert_eq!(back.cloud.runs.len(), 2, "{fate:?}");
    }
}

#[test]
fn a_task_names_the_rollback_that_undoes_it() {
    let update = finished_image();
    let by = ess_rollout_api::v1alpha1::RollbackRef {
        name: "back".into(),
        uid: "uid-2".into(),
    };
    let mut task: RollingUpdateTask = update.task.clone();
    let mut observation = ess_rollout_core::rollout::Observation::default();
    observation.insert(Ask::RolledBackBy, Reply::RolledBackBy(Some(by.clone())));
    let step = update.step(&update.task, &mut observation, None, None);
    let ess_rollout_core::rollout::Step::Decided(decision) = step else {
        panic!("nothing has to be read");
    };
    task.status = Some(decision.status);
    assert_eq!(task.status.unwrap().rolled_back_by, Some(by));
}
