//! The group as it was found, whatever became of the run; what cannot be put back, and who takes it
//! up.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{RestoreKind, RestoreState, condition};
use ess_rollout_cloud::{EcsStatus, ErrorClass, LifecycleState, Process};
use serde_json::{Value, json};

use crate::builders::{image, image_task, script_task};
use crate::cloud::{Cloud, Fate, NEW_IMAGE, OLD_IMAGE, mutation_name};
use crate::ending::cut_off;
use crate::world::{Crash, World};

/// What acceptance compares: suspended processes, the configuration's image, and of each instance
/// its lifecycle state, load-balancer weight and the state of its ECS instance.
type Found = (
    Vec<String>,
    String,
    BTreeMap<String, (String, Option<i64>, String)>,
);

fn found(cloud: &Cloud) -> Found {
    let instances = cloud.instances.iter().map(|instance| {
        let ecs = cloud.ecs.iter().find(|ecs| ecs.id == instance.id).unwrap();
        let state = (
            instance.state.to_string(),
            instance.load_balancer_weight,
            ecs.status.to_string(),
        );
        (instance.id.clone(), state)
    });
    (
        cloud.suspended().into_iter().collect(),
        cloud.configuration_image.clone(),
        instances.collect(),
    )
}

/// An image update of four instances, one of them Protected, one process suspended by a person.
fn update(spec: Value) -> (World, Found) {
    let mut all = json!({"lifecycleStates": ["InService", "Protected"]});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut world = image(all);
    world.cloud.group.as_mut().unwrap().suspended_processes = vec![Process::AlarmNotification];
    world.cloud.instances[1].state = LifecycleState::Protected;
    let found = found(&world.cloud);
    (world, found)
}

/// The next task on the group that another run was on.
fn next(world: &World, mut task: ess_rollout_api::v1alpha1::RollingUpdateTask) -> World {
    task.metadata.uid = Some("uid-2".into());
    task.metadata.name = Some("next".into());
    let mut next = World::new(task, world.cloud.clone());
    next.record = world.record.clone();
    next.cloud.broken.clear();
    next
}

fn cancelled(world: &mut World) {
    world.run_to_state("Running");
    world.cloud.advance(5);
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
}

#[test]
fn after_a_cancelled_a_failed_and_a_skipped_update_the_group_is_as_before() {
    type Ending = fn(&mut World);
    let endings: [(&str, Value, Ending); 3] = [
        ("Cancelled", json!({}), cancelled),
        ("Failed", json!({"onFailure": "Fail"}), |world| {
            world.cloud.failing.insert("i-0002".into(), 9);
            world.run_to_rest();
        }),
        ("Succeeded", json!({}), |world| {
            world.cloud.failing.insert("i-0002".into(), 9);
            world.run_to_state("FailureSuspended");
            world.cloud.skip_in_console("i-0002");
            world.run_to_rest();
        }),
    ];
    for (state, spec, ending) in endings {
        let mut spec = spec;
        spec["failedInstancePolicy"] = json!("ReturnToService");
        let (mut world, mut before) = update(spec);
        ending(&mut world);
        assert_eq!(world.state(), state);
        if state == "Succeeded" {
            before.1 = NEW_IMAGE.to_owned();
        }
        assert_eq!(found(&world.cloud), before, "{state}");
        assert_eq!(world.said(condition::RESTORED), "True Restored", "{state}");
        let items = &world.status().restore.as_ref().unwrap().items;
        assert!(items.iter().all(|i| i.state == RestoreState::Restored));
        let of_kind = |kind| items.iter().filter(|i| i.kind == kind).count();
        assert!(of_kind(RestoreKind::Standby) >= 1, "{state}: {items:#?}");
        assert_eq!(of_kind(RestoreKind::Protection), 1, "{state}: {items:#?}");
        assert!(world.record_status().leftovers.is_empty());
    }
}

#[test]
fn what_the_policy_keeps_is_all_that_differs_and_it_is_listed() {
    let (mut world, before) = update(json!({}));
    cancelled(&mut world);
    let after = found(&world.cloud);
    assert_eq!((&after.0, &after.1), (&before.0, &before.1));
    let differ: Vec<&String> = before
        .2
        .iter()
        .filter(|(id, state)| after.2[*id] != **state)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(differ, ["i-0001", "i-0002"]);
    let left = world.record_status().leftovers;
    let lines: Vec<(RestoreKind, &str)> =
        left.iter().map(|l| (l.kind, l.target.as_str())).collect();
    assert_eq!(
        lines,
        [
            (RestoreKind::Standby, "i-0001"),
            (RestoreKind::Standby, "i-0002"),
            (RestoreKind::Protection, "i-0002"),
        ]
    );
    assert!(left[0].kept && left[0].message.contains("Stopped"));
    let events = world.events.iter().filter(|e| e.reason == "LeftBehind");
    assert_eq!(events.count(), 3, "one for each");
}

#[test]
fn the_operator_may_die_between_any_two_effects_of_putting_back() {
    for number in 0..12 {
        for crash in [Crash::Record, Crash::Status, Crash::Mutation] {
            let (mut world, before) = update(json!({"failedInstancePolicy": "ReturnToService"}));
            world.run_to_state("Running");
            world.cloud.advance(5);
            world.annotated("cancel", "n1");
            world.run_to_state("Restoring");
            for _ in 0..3 {
                world.cloud.advance(61);
                world.pass_with(Some((number, crash)));
            }
            world.run_to_rest();
            assert_eq!(found(&world.cloud), before, "{number} {crash:?}");
            assert_eq!(world.cloud.count("StartInstance"), 2);
        }
    }
}

#[test]
fn an_instance_that_cannot_be_started_is_listed_and_the_rest_is_put_back() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world
        .cloud
        .broken
        .insert("StartInstance", ErrorClass::Denied);
    world.run_until(7200, "at rest", World::at_rest);
    assert_eq!(world.cloud.suspended(), ["ScaleIn".to_owned()].into());
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    assert_eq!(world.cloud.count("StartInstance"), 2 * 10);
    let items = world.status().restore.clone().unwrap().items;
    for kind in [RestoreKind::StoppedInstance, RestoreKind::Standby] {
        let left = items.iter().find(|i| i.kind == kind).unwrap();
        assert_eq!(left.state, RestoreState::Left);
        assert!(!left.message.is_empty() && !left.kept, "{left:?}");
    }
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
}

#[test]
fn one_that_was_stopped_before_the_run_is_not_started() {
    let (mut world, _) = update(json!({"failedInstancePolicy": "ReturnToService"}));
    world.cloud.set_ecs("i-0001", EcsStatus::Stopped);
    cancelled(&mut world);
    assert_eq!(world.cloud.count("StartInstance"), 1, "the other one");
    let left = world.record_status().leftovers;
    assert!(left[0].message.contains("before the run"), "{left:?}");
}

#[test]
fn an_instance_on_its_way_is_waited_for_and_not_for_ever() {
    for comes in [true, false] {
        let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
        world.run_to_state("Restoring");
        world.cloud.set_ecs("i-0001", EcsStatus::Starting);
        world.run_for(200);
        assert!(world.holds());
        if comes {
            world.cloud.set_ecs("i-0001", EcsStatus::Running);
        }
        world.run_to_rest();
        let served = world.cloud.instances[0].state == LifecycleState::InService;
        assert_eq!(served, comes);
        assert_eq!(world.record_status().leftovers.is_empty(), comes);
    }
}

#[test]
fn a_denied_restoration_does_not_hold_up_the_others_and_ends() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world
        .cloud
        .broken
        .insert("ResumeProcesses", ErrorClass::Denied);
    world.run_until(400, "the rest is put back", |w| {
        let serve = |i: &ess_rollout_cloud::ScalingInstance| i.state == LifecycleState::InService;
        w.cloud.configuration_image == OLD_IMAGE && w.cloud.instances.iter().all(serve)
    });
    world.run_for(30);
    assert_eq!(world.table(), ["Unknown", "False", "-", "True", "False"]);
    assert!(world.holds());
    // Mended in time, it goes on by itself.
    let mut mended = World::new(world.task.clone(), world.cloud.clone());
    mended.record = world.record.clone();
    mended.cloud.broken.clear();
    mended.run_to_rest();
    assert_eq!(mended.said(condition::RESTORED), "True Restored");
    // Not mended, the group is let go all the same, after a bounded number of tries.
    world.run_until(3600, "at rest", World::at_rest);
    assert_eq!(world.cloud.count("ResumeProcesses"), 10);
    let left = world.record_status();
    assert_eq!(left.leftovers.len(), 4);
    assert!(left.leftovers[0].message.contains("Denied"));
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
    assert_eq!(world.said(condition::VERIFIED), "False Different");
}

#[test]
fn the_next_run_takes_up_what_was_left() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    for call in [
        "ResumeProcesses",
        "ModifyScalingConfiguration",
        "StartInstance",
    ] {
        world.cloud.broken.insert(call, ErrorClass::Denied);
    }
    world.run_until(7200, "at rest", World::at_rest);
    assert_eq!(world.record_status().leftovers.len(), 4 + 1 + 2 * 2);
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);

    // A script update of the two that are in service: the image is none of its own business.
    let mut after = next(&world, script_task(json!({})));
    after.run_to_rest();
    assert_eq!(after.state(), "Succeeded");
    assert_eq!(after.cloud.suspended(), ["ScaleIn".to_owned()].into());
    assert_eq!(after.cloud.configuration_image, OLD_IMAGE);
    let (_, _, instances) = found(&after.cloud);
    let served = ("InService".to_owned(), Some(50), "Running".to_owned());
    assert!(instances.values().all(|state| *state == served));
    assert!(after.record_status().leftovers.is_empty());
    assert!(after.record_status().baseline.is_none());
    assert_eq!(after.said(condition::RESTORED), "True Restored");
}

#[test]
fn what_was_kept_on_purpose_stays_until_a_policy_or_a_person_says_otherwise() {
    let mut world = cut_off(json!({}));
    world.run_to_rest();
    let since = world.record_status().leftovers[0].since.clone();
    let mut after = next(&world, script_task(json!({})));
    after.run_to_rest();
    let left = after.record_status().leftovers;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|l| l.by == "shop/web" && l.since == since));
    assert_eq!(after.said(condition::RESTORED), "True Restored");
    let task = script_task(json!({"failedInstancePolicy": "ReturnToService"}));
    let mut after = next(&after, task);
    after.task.metadata.uid = Some("uid-3".into());
    after.run_to_rest();
    assert!(after.record_status().leftovers.is_empty());
    assert!(
        after
            .cloud
            .instances
            .iter()
            .all(|i| i.state == LifecycleState::InService)
    );
}

#[test]
fn an_image_that_somebody_changed_since_is_not_overwritten_by_the_next_run() {
    let mut world = cut_off(json!({}));
    world
        .cloud
        .broken
        .insert("ModifyScalingConfiguration", ErrorClass::Denied);
    world.run_until(7200, "at rest", World::at_rest);
    let mut after = next(&world, script_task(json!({})));
    after.cloud.configuration_image = "m-theirs".into();
    after.run_to_rest();
    assert_eq!(after.cloud.configuration_image, "m-theirs");
}

#[test]
fn a_failed_run_after_a_successful_one_goes_back_to_what_that_one_brought() {
    // An instance that was skipped and cannot return leaves a line; the image is the new one.
    let mut world = image(json!({"maxErrors": 1}));
    world.cloud.failing.insert("i-0002".into(), 9);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.record_status().leftovers.len(), 1);
    let mut task = image_task(json!({"onFailure": "Fail"}));
    task.spec.update.image.as_mut().unwrap().image_id = "m-3".into();
    let mut after = next(&world, task);
    let mut third = after.cloud.images[0].clone();
    third.id = "m-3".into();
    after.cloud.images.push(third);
    after.cloud.failing.insert("i-0001".into(), 9);
    after.run_to_rest();
    assert_eq!(after.state(), "Failed");
    assert_eq!(after.cloud.configuration_image, NEW_IMAGE);
}

#[test]
fn the_group_is_not_let_go_while_a_lost_call_may_take_effect() {
    let mut world = cut_off(json!({}));
    world.run_to_state("Restoring");
    world.cloud.fates = vec![Fate::Answered, Fate::Late(50)];
    world.run_until(200, "lost", |w| w.cloud.count("ResumeProcesses") == 1);
    let lost = world.cloud.now;
    world.run_to_rest();
    assert!(world.cloud.now - lost > 60);
    // What is done without a loss is let go at once.
    let mut world = cut_off(json!({}));
    world.run_until(400, "put back", |w| w.cloud.count("ResumeProcesses") == 1);
    let done = world.cloud.now;
    world.run_to_rest();
    assert!(world.cloud.now - done < 10);
}

/// An update that was cut off is being put back, and the operator has died right after this call.
fn died_over(call: &str) -> World {
    let mut restoring = cut_off(json!({}));
    restoring.run_to_state("Restoring");
    restoring.cloud.advance(61);
    let up_to = |number| {
        let mut world = restoring.clone();
        world.pass_with(Some((number, Crash::Mutation)));
        world
    };
    let called = |world: &World| world.cloud.count(call) == 1;
    (0..12).map(up_to).find(called).unwrap()
}

/// Nobody has its answer.
#[test]
fn the_group_is_not_let_go_while_a_call_over_which_the_operator_died_may_take_effect() {
    let mut world = died_over("ResumeProcesses");
    assert!(!world.at_rest());
    let died = world.cloud.now;
    world.run_to_rest();
    assert!(world.cloud.now - died > 60);
}

#[test]
fn an_outcome_that_shows_late_is_read_again() {
    for comes in [true, false] {
        let mut world = image(json!({}));
        world.run_to_state("Running");
        world.cloud.advance(100);
        world.cloud.ecs[0].image = OLD_IMAGE.into();
        world.run_for(20);
        assert!(!world.at_rest());
        if comes {
            world.cloud.ecs[0].image = NEW_IMAGE.into();
        }
        world.run_to_rest();
        let said = if comes {
            "True AsWanted"
        } else {
            "False Different"
        };
        assert_eq!(world.said(condition::VERIFIED), said);
    }
}

/// An instance that is added meanwhile has the right image, and one that is put back is not removed meanwhile.
#[test]
fn the_configuration_is_put_back_first_and_processes_last() {
    let mut world = cut_off(json!({"failedInstancePolicy": "ReturnToService"}));
    world.run_to_rest();
    let sent: Vec<&str> = world.cloud.sent.iter().map(mutation_name).collect();
    let at = |name: &str| sent.iter().position(|sent| *sent == name).unwrap();
    assert!(
        at("ModifyScalingConfiguration") < at("ExitStandby"),
        "{sent:?}"
    );
    assert!(at("ExitStandby") < at("ResumeProcesses"), "{sent:?}");
}

/// The old image was put back, and then all instances are seen to carry the new one, so that this is wanted. An answer that is
/// older than the call shows it there, and it is not.
#[test]
fn what_is_wanted_since_the_last_call_is_not_taken_for_put_back_by_an_older_answer() {
    let mut world = died_over("ModifyScalingConfiguration");
    assert_eq!(world.cloud.configuration_image, OLD_IMAGE);
    for ecs in &mut world.cloud.ecs {
        ecs.image = NEW_IMAGE.into();
    }
    world.cloud.configuration_image = NEW_IMAGE.into();
    world.run_for(15);
    assert!(!world.at_rest());
    let items = world.status().restore.clone().unwrap().items;
    let mut of_configuration = items
        .iter()
        .filter(|item| item.kind == RestoreKind::ScalingConfigurationImage);
    assert!(
        of_configuration.all(|item| item.state != RestoreState::Restored),
        "{items:#?}"
    );
    world.cloud.configuration_image = OLD_IMAGE.into();
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.cloud.count("ModifyScalingConfiguration"), 2);
}

/// It may be in Standby by another word: what is taken for serving is neither put back nor listed.
#[test]
fn a_lifecycle_state_in_a_word_that_nobody_knows_is_not_taken_for_serving() {
    let unknown = || LifecycleState::from("Hibernating");
    for comes_back in [false, true] {
        let (mut world, _) = update(json!({
            "onFailure": "Fail", "failedInstancePolicy": "ReturnToService",
        }));
        world.cloud.failing.insert("i-0001".into(), 9);
        world.run_to_state("Running");
        while !world.cloud.root().status.is_final() {
            world.cloud.advance(1);
        }
        world.cloud.set_state("i-0001", unknown());
        world.run_to_state("Restoring");
        if comes_back {
            world.cloud.set_state("i-0001", LifecycleState::Standby);
        }
        world.run_to_rest();
        let left = world.record_status().leftovers;
        if comes_back {
            assert_eq!(world.said(condition::RESTORED), "True Restored");
            assert!(left.is_empty(), "{left:#?}");
            continue;
        }
        assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
        assert_eq!(left.len(), 1, "{left:#?}");
        assert_eq!(left[0].target, "i-0001");
        assert!(left[0].message.contains("\"Hibernating\""), "{left:#?}");
    }
}
