//! A run that is due and cannot begin: until when it may, what is given back meanwhile, and that it is never
//! forgotten without a word.

use ess_rollout_api::v1alpha1::RunOutcome;
use ess_rollout_cloud::{ErrorClass, ImageStatus};
use serde_json::json;

use crate::cloud::{Cloud, Fate, image};
use crate::world::{World, at, building, cron, task};

fn given(more: serde_json::Value) -> World {
    let mut spec = json!({"imageId": "m-given"});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    let mut world = World::new(task(spec));
    let found = image("m-given", ImageStatus::Available);
    world.cloud.images.insert("m-given".into(), found);
    world
}

#[test]
fn a_denied_start_gives_the_group_back_is_tried_ever_less_often_and_ends() {
    let mut world = building(json!({}));
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    world.run_to("2026-01-05T12:00:30Z");
    assert_eq!(world.state(), "Blocked");
    assert!(!world.states.contains(&"Running".to_owned()));
    assert_eq!(world.holder(), None);
    assert!(world.status().active.is_none());
    let told = world.message("Preflight");
    assert!(told.contains("grant the action"), "{told}");
    world.run_to("2026-01-06T11:59:00Z");
    let sent = world.cloud.count("StartExecution");
    assert!((10..=32).contains(&sent), "{sent} starts in a day");
    assert_eq!(world.state(), "Blocked");
    world.run_to("2026-01-06T13:00:00Z");
    assert_eq!(world.state(), "Failed");
    assert_eq!(
        world.condition("Succeeded"),
        "False/StartingDeadlineExceeded"
    );
    assert!(world.message("Succeeded").contains("grant the action"));
    assert!(world.reasons().contains(&"RunMissed"));
    world.cloud.broken.clear();
    let sent = world.cloud.count("StartExecution");
    world.run_to("2026-01-20T12:00:00Z");
    assert_eq!(world.cloud.count("StartExecution"), sent, "fires later");
    world.annotated("run-now", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_denial_after_a_start_that_was_lost_waits_until_that_cannot_have_begun_it() {
    let mut world = building(json!({}));
    world.cloud.fates = vec![Fate::Lost, Fate::Refused(ErrorClass::Denied)];
    let due = world.cloud.now;
    world.run_until(600, "begun anew", |w| !w.cloud.runs.is_empty());
    assert!(world.cloud.now - due > 60, "{}", world.cloud.now - due);
    assert!(world.states.contains(&"Blocked".to_owned()));
    world.run_to_state("Succeeded");
    let sent = world.cloud.count("StartExecution");
    assert_eq!((world.cloud.runs.len(), sent), (1, 3));
    // One that comes late after all is the run.
    let mut late = building(json!({}));
    late.cloud.fates = vec![Fate::Late(40), Fate::Refused(ErrorClass::Denied)];
    late.run_to_state("Succeeded");
    assert_eq!(late.cloud.runs.len(), 1);
}

#[test]
fn somebody_who_asks_is_not_kept_waiting_by_a_refusal() {
    let mut world = building(json!({}));
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    world.run_to("2026-01-05T20:00:00Z");
    world.cloud.broken.clear();
    world.annotated("run-now", "1");
    world.run_to("2026-01-05T20:00:10Z");
    assert_eq!(world.state(), "Running");
    world.run_to_rest();
    assert_eq!((world.state(), world.cloud.runs.len()), ("Succeeded", 1));
}

#[test]
fn a_denied_change_of_a_configuration_gives_the_group_back_too() {
    let mut world = given(json!({}));
    world
        .cloud
        .broken
        .insert("ModifyScalingConfiguration", ErrorClass::Denied);
    world.run_to("2026-01-05T12:00:30Z");
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.holder(), None);
    world.run_to("2026-01-05T18:00:00Z");
    let sent = world.cloud.count("ModifyScalingConfiguration");
    assert!(sent <= 12, "{sent} calls");
    world.cloud.broken.clear();
    world.run_to("2026-01-05T19:05:00Z");
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.carried("asc-1"), "m-given");
}

#[test]
fn one_that_is_denied_halfway_ends_and_says_what_carries_what() {
    let ids = json!({"scalingConfigurationIds": ["asc-1", "asc-2"]});
    let mut world = given(ids);
    world.cloud.fates = vec![Fate::Answered, Fate::Refused(ErrorClass::Denied)];
    world.run_to_rest();
    assert_eq!(world.state(), "Failed");
    let told = world.message("Succeeded");
    assert!(told.contains("asc-1 carry the new image"), "{told}");
    assert!(told.contains("scaling configuration asc-2"), "{told}");
    assert_eq!(world.holder(), None);
}

#[test]
fn a_scheduled_run_that_is_denied_is_made_up_for_within_a_day() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-06T01:59:00Z");
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    world.run_to("2026-01-06T05:00:00Z");
    assert_eq!(world.state(), "Blocked");
    world.cloud.broken.clear();
    world.run_to("2026-01-06T07:00:00Z");
    assert_eq!(world.state(), "Scheduled");
    let due = world.newest().schedule_time.as_ref().unwrap().0;
    assert_eq!(due, at("2026-01-06T02:00:00Z"));
    assert_eq!(world.status().missed_runs, None);
    // Of those that nobody mended in time each is told of.
    world
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    world.run_to("2026-01-10T01:00:00Z");
    assert!(world.status().missed_runs >= Some(2));
    world.cloud.broken.clear();
    world.run_to("2026-01-10T03:00:00Z");
    assert_eq!(world.state(), "Scheduled");
    // The newest is made as soon as it can be, within its day.
    assert_eq!(world.status().missed_runs, Some(2));
}

#[test]
fn what_was_blocked_for_a_day_does_not_begin_a_week_later() {
    let mut now = building(json!({}));
    now.cloud.instance = None;
    now.run_to("2026-01-05T18:00:00Z");
    assert_eq!(now.state(), "Blocked");
    now.run_to("2026-01-06T13:00:00Z");
    assert_eq!(now.state(), "Failed");
    assert_eq!(now.status().last_outcome, Some(RunOutcome::Failed));
    let told = now.message("Succeeded");
    assert!(told.contains("spec.source.instanceId"), "{told}");
    now.cloud.instance = Cloud::at(0).instance;
    now.run_to("2026-01-13T12:00:00Z");
    assert!(now.cloud.sent.is_empty(), "fires later");

    // One that was mended within it begins.
    let mut mended = building(json!({}));
    mended.cloud.instance = None;
    mended.run_to("2026-01-06T11:00:00Z");
    mended.cloud.instance = Cloud::at(0).instance;
    mended.run_to("2026-01-06T11:30:00Z");
    assert_eq!(mended.state(), "Succeeded");

    let mut weekly = cron("0 2 * * 1", json!({}));
    weekly.run_to("2026-01-12T01:00:00Z");
    weekly.cloud.instance = None;
    weekly.run_to("2026-01-13T03:00:00Z");
    assert_eq!(weekly.status().missed_runs, Some(1));
    weekly.cloud.instance = Cloud::at(0).instance;
    weekly.run_to("2026-01-18T12:00:00Z");
    assert!(weekly.cloud.sent.is_empty(), "fires later");
    assert_eq!(weekly.state(), "Scheduled");
}

#[test]
fn a_wait_for_the_group_has_no_end_by_default_and_has_one_that_is_asked_for() {
    let mut world = building(json!({}));
    world.held_by(Some("web"));
    world.run_to("2026-01-08T12:00:00Z");
    assert_eq!(world.state(), "Waiting");
    world.held_by(None);
    world.run_to("2026-01-08T13:00:00Z");
    assert_eq!(world.state(), "Succeeded");

    let mut own = building(json!({"startingDeadlineSeconds": 600}));
    own.held_by(Some("web"));
    own.run_to("2026-01-05T12:09:00Z");
    assert_eq!(own.state(), "Waiting");
    own.run_to("2026-01-05T12:12:00Z");
    assert_eq!(own.state(), "Failed");
    own.held_by(None);
    own.run_to("2026-01-05T18:00:00Z");
    assert!(own.cloud.sent.is_empty(), "fires later");
}

/// What blocks it is looked at ever less often; when it may no longer begin is said when that is so.
#[test]
fn a_blocked_run_that_may_no_longer_begin_is_given_up_in_time() {
    let mut world =
        building(json!({"startingDeadlineSeconds": 250, "scalingConfigurationIds": ["asc-none"]}));
    world.run_to("2026-01-05T12:04:00Z");
    assert_eq!(world.state(), "Blocked");
    world.run_to("2026-01-05T12:04:20Z");
    assert_eq!(world.state(), "Failed");
    assert_eq!(
        world.condition("Succeeded"),
        "False/StartingDeadlineExceeded"
    );
}

#[test]
fn a_run_that_waits_is_not_forgotten_when_the_schedule_is_edited() {
    let edits: [fn(&mut World); 3] = [
        |w| w.edited(|t| t.spec.schedule.as_mut().unwrap().cron = Some("0 11 * * *".into())),
        |w| w.edited(|t| t.spec.image_id = Some("m-old".into())),
        |w| {
            w.edited(|t| t.spec.suspend = true);
            w.run_to("2026-01-06T04:00:00Z");
            w.edited(|t| t.spec.schedule.as_mut().unwrap().cron = Some("0 11 * * *".into()));
        },
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut world = cron("0 2 * * *", json!({}));
        world.held_by(Some("web"));
        world.run_to("2026-01-06T03:00:00Z");
        assert_eq!(world.state(), "Waiting");
        edit(&mut world);
        world.run_to("2026-01-06T05:00:00Z");
        assert_eq!(world.status().missed_runs, Some(1), "edit {number}");
        let event = world.events.iter().find(|e| e.reason == "RunMissed");
        let note = &event.unwrap().note;
        assert!(note.contains("2026-01-06T02:00:00Z"), "{note}");
        assert!(note.contains("spec.schedule was changed"), "{note}");
    }
}

#[test]
fn a_given_image_is_not_put_into_place_again_after_a_restore() {
    for schedule in [json!({}), json!({"schedule": {"cron": "0 2 * * *"}})] {
        let mut world = given(json!({"source": {"instanceId": "i-source"}}));
        if let Some(schedule) = schedule.get("schedule") {
            world.task.spec.schedule = serde_json::from_value(schedule.clone()).unwrap();
        }
        world.run_to_rest();
        assert_eq!(world.cloud.carried("asc-1"), "m-given");
        let mut restored = given(json!({"source": {"instanceId": "i-source"}}));
        restored.task.spec = world.task.spec.clone();
        let annotations = &world.task.metadata.annotations;
        restored.task.metadata.annotations.clone_from(annotations);
        restored.task.metadata.uid = Some("uid-2".into());
        // People had gone on to another.
        let newer = &mut restored.cloud.configurations.get_mut("asc-1").unwrap().1;
        "m-newer".clone_into(newer);
        restored.run_to("2026-01-05T18:00:00Z");
        assert_eq!(restored.cloud.carried("asc-1"), "m-newer");
        assert_eq!(restored.state(), "Finished");
        // Another one is another thing.
        restored.edited(|t| t.spec.image_id = Some("m-old".into()));
        restored.run_to_state("Succeeded");
        assert_eq!(restored.cloud.carried("asc-1"), "m-old");
    }
}

#[test]
fn the_image_of_a_build_that_is_given_up_is_named() {
    let mut world = building(json!({}));
    world.run_until(60, "an image", |w| {
        let run = w.status().active.as_ref();
        run.is_some_and(|run| run.image_id.is_some())
    });
    world.deleted();
    world.run_until(900, "gone", |w| w.gone);
    let event = world.events.iter().find(|e| e.reason == "RunCancelled");
    let note = &event.unwrap().note;
    assert!(note.contains("image m-1"), "{note}");
    assert_eq!(world.newest().image_id.as_deref(), Some("m-1"));
}

#[test]
fn a_configuration_that_one_answer_leaves_out_is_looked_for() {
    let mut late = given(json!({}));
    late.cloud.hidden_until = late.cloud.now + 30;
    late.cloud.hidden = Some("asc-1".into());
    late.cloud.hidden_from = late.cloud.now + 1;
    late.cloud.fates = vec![Fate::Lost];
    late.run_to_rest();
    assert_eq!(late.state(), "Succeeded", "{}", late.message("Succeeded"));
    assert_eq!(late.cloud.carried("asc-1"), "m-given");
}
