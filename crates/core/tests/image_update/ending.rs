//! How runs end: noticed at once, read back, and said what is left.

use ess_rollout_api::v1alpha1::{ActionState, RunOutcome};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus};
use serde_json::json;

use crate::cloud::{BUILD_SECONDS, Fate, OLD_IMAGE};
use crate::world::{World, building, cron, task};

#[test]
fn an_image_that_fails_is_noticed_at_once_and_not_after_a_day() {
    let mut world = building(json!({}));
    world.cloud.images_fail = true;
    let began = world.cloud.now;
    world.run_to_rest();
    assert!(
        world.cloud.now - began < BUILD_SECONDS + 180,
        "{} s",
        world.cloud.now - began
    );
    assert_eq!(world.cloud.count("CancelExecution"), 1);
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.condition("Stalled"), "True/ImageCreationFailed");
    assert_eq!(world.condition("Succeeded"), "False/ImageCreationFailed");
    assert_eq!(world.condition("Verified"), "False/NotUpdated");
    assert!(
        world.newest().message.contains("m-1 is CreateFailed"),
        "{}",
        world.newest().message
    );
    assert_eq!(world.newest().image_id.as_deref(), Some("m-1"));
    assert_eq!(world.status().image_id, None);
    assert_eq!(world.cloud.carried("asc-1"), OLD_IMAGE);
    assert_eq!(world.reasons(), ["RunStarted", "Cancelling", "RunFailed"]);
}

#[test]
fn an_image_that_is_deleted_while_it_is_made_ends_the_run_soon() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    // Not listed yet: it is as if it had been late.
    let image = world.cloud.images.remove("m-1").unwrap();
    world.cloud.advance(30);
    world.pass();
    // It is looked for again soon: an answer that leaves it out much later is another one.
    world.cloud.images.insert("m-1".into(), image);
    world.run_until(15, "a look that finds it", |world| {
        let active = world.status().active.as_ref();
        active.unwrap().image_missing_since.is_none()
    });

    world.cloud.images.remove("m-1");
    let deleted = world.cloud.now;
    world.run_to_rest();
    assert!(world.cloud.now - deleted < 200);
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.condition("Stalled"), "True/ImageCreationFailed");
    let told = &world.newest().message;
    assert!(told.contains("m-1") && told.contains("deleted"), "{told}");
}

#[test]
fn a_source_that_vanished_is_said_to_be_gone() {
    let mut world = building(json!({}));
    // Between the preflight and the start.
    world.pass_with(Some((1, crate::world::Crash::Status)));
    world.cloud.instance = None;
    world.run_to_rest();
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.condition("Stalled"), "True/SourceInstanceNotFound");
    assert!(world.newest().message.contains("spec.source.instanceId"));
}

#[test]
fn what_oos_says_was_done_is_read_back() {
    let mut world = building(json!({"scalingConfigurationIds": ["asc-1", "asc-2"]}));
    world.cloud.deaf = vec!["asc-2".into()];
    world.run_to_rest();
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.condition("Verified"), "False/NotUpdated");
    assert_eq!(world.condition("Succeeded"), "False/NotUpdated");
    let read: Vec<_> = world
        .status()
        .configurations
        .iter()
        .map(|c| (c.id.as_str(), c.image_id.as_deref().unwrap(), c.updated))
        .collect();
    assert_eq!(read, [("asc-1", "m-1", true), ("asc-2", OLD_IMAGE, false)]);
    assert!(world.message("Verified").contains("asc-2 carries m-old"));
}

#[test]
fn a_cancelled_run_says_what_carries_its_image_and_how_to_go_back() {
    let mut world = building(json!({"scalingConfigurationIds": ["asc-1", "asc-2"]}));
    world.run_to_state("Running");
    world.cloud.advance(60);
    world.pass();
    // OOS has come as far as the first configuration when it is cancelled.
    world.cloud.configurations.get_mut("asc-1").unwrap().1 = "m-1".into();
    world.annotated("cancel", "1");
    let asked = world.cloud.now;
    world.run_to_rest();
    assert!(
        world.cloud.now - asked > 60,
        "a late call of OOS would meet the next holder"
    );
    assert_eq!(world.state(), "Cancelled");
    assert_eq!(world.action("Cancel").state, ActionState::Applied);
    let run = world.newest();
    assert_eq!(
        (run.outcome, run.reason.as_str()),
        (RunOutcome::Cancelled, "Cancelled")
    );
    assert!(
        run.message.contains("asc-1 carry the new image m-1"),
        "{}",
        run.message
    );
    assert!(
        run.message.contains("set spec.imageId to m-old"),
        "{}",
        run.message
    );
    assert!(!world.status().configurations[1].updated);
    assert_eq!(world.status().image_id.as_deref(), Some("m-1"));
}

#[test]
fn a_run_that_ended_first_cannot_be_cancelled_and_one_cancelled_elsewhere_is_over() {
    let mut world = building(json!({}));
    world.run_to_state("Running");
    world.cloud.advance(2 * BUILD_SECONDS);
    world.annotated("cancel", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    let action = world.action("Cancel");
    assert_eq!(
        (action.state, action.reason.as_str()),
        (ActionState::Rejected, "RunFinished")
    );

    let mut elsewhere = cron("0 2 * * *", json!({}));
    elsewhere.run_to("2026-01-06T02:05:00Z");
    elsewhere.cloud.end("exec-1", ExecutionStatus::Cancelled);
    elsewhere.run_to_rest();
    assert_eq!(elsewhere.newest().reason, "CancelledElsewhere");
    assert_eq!(elsewhere.state(), "Scheduled", "the schedule goes on");
}

#[test]
fn a_cancellation_is_sent_until_it_has_its_effect() {
    for fates in [
        vec![Fate::Lost],
        vec![Fate::AnswerLost],
        vec![Fate::Refused(ErrorClass::Throttled), Fate::Lost],
    ] {
        let mut world = building(json!({}));
        world.run_to_state("Running");
        world.cloud.advance(60);
        world.pass();
        world.cloud.fates = fates;
        world.annotated("cancel", "1");
        world.run_to_rest();
        assert_eq!(world.state(), "Cancelled");
        assert_eq!(world.action("Cancel").state, ActionState::Applied);
    }
}

#[test]
fn an_unreadable_cloud_changes_nothing_about_a_run() {
    for (call, class, type_, reason) in [
        (
            "Execution",
            ErrorClass::Retry,
            "Reconciling",
            "True/CloudUnavailable",
        ),
        (
            "Children",
            ErrorClass::Denied,
            "Stalled",
            "True/AccessDenied",
        ),
    ] {
        let mut world = building(json!({}));
        world.run_to_state("Running");
        world.cloud.broken.insert(call, class);
        world.run_to("2026-01-05T12:05:00Z");
        assert_eq!(
            (world.state(), world.condition(type_).as_str()),
            ("Running", reason)
        );
        assert_eq!(world.condition("Succeeded"), "Unknown/Running");
        world.cloud.broken.clear();
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
    }
}

fn given() -> World {
    let mut world = World::new(task(json!({
        "imageId": "m-given", "scalingConfigurationIds": ["asc-1", "asc-2"],
    })));
    let image = crate::cloud::image("m-given", ess_rollout_cloud::ImageStatus::Available);
    world.cloud.images.insert("m-given".into(), image);
    world
}

#[test]
fn a_given_image_is_put_into_place_whatever_becomes_of_the_calls() {
    use crate::world::Crash::{Finalizer, Mutation, Record, Status};
    for fate in [
        Fate::AnswerLost,
        Fate::Lost,
        Fate::Late(30),
        Fate::Refused(ErrorClass::Throttled),
    ] {
        for effect in [
            None,
            Some(Finalizer),
            Some(Record),
            Some(Status),
            Some(Mutation),
        ] {
            for number in 0..4 {
                let mut world = given();
                world.cloud.fates = vec![fate];
                world.pass_with(effect.map(|effect| (number, effect)));
                world.run_to_rest();
                assert_eq!(world.state(), "Succeeded");
                assert_eq!(world.cloud.carried("asc-1"), "m-given");
                assert_eq!(world.cloud.carried("asc-2"), "m-given");
                assert_eq!(world.status().last_run, Some(1));
            }
        }
    }
    let mut refused = given();
    refused.cloud.fates = vec![Fate::Refused(ErrorClass::Invalid)];
    refused.run_to_rest();
    assert_eq!(refused.state(), "Failed");
    assert_eq!(refused.condition("Stalled"), "True/Refused");
    let mut denied = given();
    denied
        .cloud
        .broken
        .insert("ModifyScalingConfiguration", ErrorClass::Denied);
    denied.run_to("2026-01-05T12:05:00Z");
    assert_eq!(denied.condition("Stalled"), "True/AccessDenied");
    denied.annotated("cancel", "1");
    denied.run_to_rest();
    assert_eq!(denied.state(), "Cancelled");
}
