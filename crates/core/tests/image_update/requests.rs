//! What people ask for by annotation, and what becomes of it in the ledger.

use ess_rollout_api::v1alpha1::{ActionState, RunOutcome, RunTrigger};
use serde_json::json;

use crate::world::{World, building, cron};

fn settled(world: &World, verb: &str) -> (ActionState, String) {
    let action = world.action(verb);
    (action.state, action.reason.clone())
}

#[test]
fn a_run_is_made_now_whatever_the_schedule_says() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-05T13:00:00Z");
    world.annotated("run-now", "2026-01-05T13:00:00Z");
    world.annotated("requested-by", "sam");
    world.annotated("request-note", "before the holidays");
    world.run_to_rest();
    assert_eq!(
        (world.newest().number, world.newest().trigger),
        (1, RunTrigger::RunNow)
    );
    assert_eq!(
        settled(&world, "RunNow"),
        (ActionState::Applied, "Started".into())
    );
    let action = world.action("RunNow");
    let kept = (action.requested_by.as_str(), action.note.as_str());
    assert_eq!(kept, ("sam", "before the holidays"));
    assert_eq!(
        world.reasons(),
        ["ActionApplied", "RunStarted", "RunSucceeded"]
    );
    // The same value again is the same request, also after it was taken away.
    world.task.metadata.annotations = None;
    world.run_to("2026-01-05T15:00:00Z");
    world.annotated("run-now", "2026-01-05T13:00:00Z");
    world.run_to("2026-01-05T16:00:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    // And the schedule is none the wiser.
    world.run_to("2026-01-06T03:00:00Z");
    assert_eq!(
        (world.cloud.runs.len(), world.status().missed_runs),
        (2, None)
    );
}

#[test]
fn a_run_that_was_asked_for_until_before_it_was_seen_is_not_made() {
    let mut world = cron("0 2 * * *", json!({}));
    world.names_verified = false;
    world.run_to("2026-01-05T13:00:00Z");
    world.annotated("requested-by", "sam");
    world.annotated("request-expires", "2026-01-05T12:59:00Z");
    world.annotated("run-now", "1");
    world.run_to("2026-01-05T13:10:00Z");
    assert_eq!(
        settled(&world, "RunNow"),
        (ActionState::Rejected, "Expired".into())
    );
    assert_eq!(world.action("RunNow").requested_by, "unverified:sam");
    assert!(world.cloud.runs.is_empty());

    world.annotated("request-expires", "2026-01-05T18:00:00+04:00");
    world.annotated("run-now", "2");
    world.run_to_rest();
    assert_eq!(
        settled(&world, "RunNow"),
        (ActionState::Applied, "Started".into())
    );
}

#[test]
fn while_a_run_is_under_way_another_is_refused_or_takes_its_place() {
    let mut forbid = building(json!({}));
    forbid.run_to_state("Running");
    forbid.annotated("run-now", "1");
    forbid.run_to_rest();
    assert_eq!(
        settled(&forbid, "RunNow"),
        (ActionState::Rejected, "RunActive".into())
    );
    assert_eq!(forbid.cloud.runs.len(), 1);
    assert!(forbid.reasons().contains(&"ActionRejected"));

    let mut replace = building(json!({"concurrencyPolicy": "Replace"}));
    replace.run_to_state("Running");
    replace.annotated("run-now", "1");
    replace.run_until(7200, "two runs", |w| w.status().history.len() == 2);
    assert_eq!(
        replace.outcomes(),
        [(2, RunOutcome::Succeeded), (1, RunOutcome::Cancelled)]
    );
    assert_eq!(
        settled(&replace, "RunNow"),
        (ActionState::Applied, "Started".into())
    );
}

#[test]
fn a_request_that_was_there_before_the_task_was_seen_is_not_carried_out() {
    let mut world = cron("0 2 * * *", json!({}));
    world.annotated("run-now", "1");
    world.annotated("cancel", "1");
    world.annotated("continue", "1");
    world.annotated("run-mow", "1");
    world.run_to("2026-01-05T13:00:00Z");
    assert!(world.cloud.sent.is_empty());
    assert_eq!(settled(&world, "RunNow").1, "PresentAtCreation");
    assert_eq!(settled(&world, "Cancel").1, "NoRun");
    assert_eq!(
        world.status().unknown_annotations,
        ["ess-rollout.io/run-mow"]
    );
    assert!(world.reasons().contains(&"UnknownAnnotation"));
    let open = world
        .status()
        .actions
        .iter()
        .any(|a| a.state == ActionState::Accepted);
    assert!(!open, "every request is settled");

    // Of one that would begin at once the cancellation is honoured.
    let mut now = building(json!({}));
    now.annotated("cancel", "1");
    now.run_to("2026-01-06T13:00:00Z");
    assert!(now.cloud.sent.is_empty());
    assert_eq!(
        settled(&now, "Cancel"),
        (ActionState::Applied, "CancelledBeforeStart".into())
    );
    assert_eq!(
        (now.state(), now.condition("Succeeded").as_str()),
        ("Cancelled", "False/CancelledBeforeStart")
    );
}

#[test]
fn the_only_run_of_a_schedule_may_be_cancelled_before_it_begins() {
    for given in [None, Some("m-given")] {
        let mut world = building(json!({}));
        let image = crate::cloud::image("m-given", ess_rollout_cloud::ImageStatus::Available);
        world.cloud.images.insert("m-given".into(), image);
        // With a run before, and without one.
        if given.is_some() {
            world.run_to_rest();
        }
        world.held_by(Some("other"));
        world.edited(|t| {
            let schedule = json!({"at": "2026-01-05T14:00:00Z"});
            t.spec.schedule = serde_json::from_value(schedule).unwrap();
            t.spec.image_id = given.map(str::to_owned);
        });
        world.run_to("2026-01-05T14:05:00Z");
        assert_eq!(world.state(), "Waiting");
        world.annotated("cancel", "1");
        world.pass();
        assert_eq!(
            settled(&world, "Cancel"),
            (ActionState::Applied, "CancelledBeforeStart".into())
        );
        world.held_by(None);
        world.run_to("2026-01-06T14:00:00Z");
        assert_eq!(
            (world.state(), world.condition("Succeeded").as_str()),
            ("Cancelled", "False/CancelledBeforeStart")
        );
        assert_eq!(world.cloud.count("ModifyScalingConfiguration"), 0);
        assert_eq!(world.cloud.runs.len(), usize::from(given.is_some()));
    }
}

#[test]
fn a_run_that_waits_may_be_cancelled_too() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-06T01:00:00Z");
    world.held_by(Some("other"));
    world.run_to("2026-01-06T02:05:00Z");
    world.annotated("cancel", "1");
    world.run_to("2026-01-06T02:10:00Z");
    assert_eq!(
        settled(&world, "Cancel"),
        (ActionState::Applied, "CancelledBeforeStart".into())
    );
    assert_eq!(
        (world.state(), world.status().missed_runs),
        ("Scheduled", Some(1))
    );
    // One that was asked for goes with it.
    world.annotated("run-now", "1");
    world.run_to("2026-01-06T02:12:00Z");
    assert_eq!(world.state(), "Waiting");
    world.annotated("run-now", "2");
    world.run_to("2026-01-06T02:13:00Z");
    assert_eq!(
        settled(&world, "RunNow"),
        (ActionState::Rejected, "RunWaiting".into())
    );
    world.annotated("cancel", "2");
    world.run_to("2026-01-06T02:14:00Z");
    world.held_by(None);
    world.run_to("2026-01-06T12:00:00Z");
    assert!(world.cloud.sent.is_empty());
    assert_eq!(world.state(), "Scheduled");
}

#[test]
fn what_is_no_request_of_this_kind_is_rejected() {
    let mut world = building(json!({}));
    world.run_to_rest();
    for (key, value, verb, reason) in [
        ("run-now", "no nonce", "RunNow", "Malformed"),
        ("cancel", "", "Cancel", "Malformed"),
        ("cancel", "1", "Cancel", "NoRun"),
        ("retry", "i-1@1", "Retry", "Unsupported"),
    ] {
        world.annotated(key, value);
        world.run_to_rest();
        assert_eq!(
            settled(&world, verb),
            (ActionState::Rejected, reason.into()),
            "{key}: {value}"
        );
    }
    assert_eq!(world.cloud.runs.len(), 1);
}
