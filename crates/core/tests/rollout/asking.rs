//! Who asked, why, and until when it was meant: what the ledger keeps beside a request.

use ess_rollout_api::v1alpha1::{Action, ActionState};
use jiff::SignedDuration;
use serde_json::json;

use crate::builders::script;
use crate::rolling_back::rollback;
use crate::world::World;

fn paused() -> World {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    world.run_to_state("BatchSuspended");
    world
}

impl World {
    fn newest_action(&self) -> &Action {
        self.status().actions.last().unwrap()
    }

    /// The operator's clock, so many seconds from now.
    fn in_seconds(&self, seconds: i64) -> String {
        (self.cloud.time() + SignedDuration::from_secs(seconds)).to_string()
    }
}

/// `(state, reason)` of the request that was made last.
fn verdict(world: &World) -> (ActionState, &str) {
    let action = world.newest_action();
    (action.state, &action.reason)
}

#[test]
fn a_name_is_taken_for_somebodys_only_where_a_policy_makes_sure_of_it() {
    for (verified, expected) in [(true, "alice"), (false, "unverified:alice")] {
        let mut world = paused();
        world.names_verified = verified;
        world.annotated("requested-by", "alice");
        world.annotated("request-note", "looks good: \u{1b}[31m\nship it");
        world.annotated("continue", "1");
        world.run_for(30);
        let action = world.newest_action();
        assert_eq!(action.requested_by, expected);
        assert_eq!(action.note, "looks good:  [31m ship it");
    }
    // Nobody has said his name.
    let mut world = paused();
    world.names_verified = false;
    world.annotated("continue", "1");
    world.run_for(30);
    assert_eq!(world.newest_action().requested_by, "");
    assert_eq!(world.newest_action().note, "");
}

/// What the schema refuses would end all progress.
#[test]
fn names_and_notes_of_any_length_fit_the_status() {
    let mut world = paused();
    world.names_verified = false;
    world.annotated("requested-by", &"ü".repeat(5000));
    world.annotated("request-note", &"语".repeat(300));
    world.annotated("continue", "1");
    world.run_for(30);
    let action = world.newest_action();
    assert!(action.requested_by.len() <= 128, "{}", action.requested_by);
    assert!(action.requested_by.starts_with("unverified:ü"));
    assert_eq!(action.note.chars().count(), 256);
    assert!(action.note.ends_with("语..."), "{}", action.note);
}

#[test]
fn a_request_that_was_meant_until_before_it_was_seen_is_rejected() {
    let mut world = paused();
    let past = world.in_seconds(-1);
    world.annotated("request-expires", &past);
    world.annotated("continue", "1");
    world.run_for(30);
    assert_eq!(verdict(&world), (ActionState::Rejected, "Expired"));
    let message = world.newest_action().message.clone();
    assert!(
        message.contains(&past) && message.contains("request-expires"),
        "{message}"
    );
    assert_eq!(world.state(), "BatchSuspended");

    // The time alone asks for nothing; another value does, and is in time.
    let later = world.in_seconds(3600);
    world.annotated("request-expires", &later);
    world.run_for(30);
    assert_eq!(world.status().actions.len(), 1);
    world.annotated("continue", "1@again");
    world.run_for(30);
    assert_eq!(verdict(&world), (ActionState::Applied, "Continued"));
}

#[test]
fn what_was_accepted_in_time_does_not_expire() {
    let mut world = paused();
    world.cloud.failing.insert("i-0002".into(), 9);
    world.annotated("continue", "1");
    world.run_to_state("FailureSuspended");
    // A first attempt of an instance that has not begun: it stays open for long.
    let soon = world.in_seconds(30);
    world.annotated("request-expires", &soon);
    world.annotated("retry", "i-0002@n1");
    world.run_to_state("FailureSuspended");
    world.run_for(120);
    assert_ne!(verdict(&world), (ActionState::Rejected, "Expired"));
    assert_eq!(world.newest_action().id, {
        let verb = ess_rollout_api::v1alpha1::Verb::Retry;
        ess_rollout_core::requests::action_id(verb, "i-0002@n1")
    });
}

#[test]
fn a_time_that_cannot_be_read_rejects_with_the_cure() {
    for wrong in ["tomorrow", "", "2026-11-27", "18:00", &"9".repeat(4000)] {
        let mut world = paused();
        world.annotated("request-expires", wrong);
        world.annotated("cancel", "n1");
        world.run_for(30);
        assert_eq!(
            verdict(&world),
            (ActionState::Rejected, "Malformed"),
            "{wrong}"
        );
        let message = &world.newest_action().message;
        assert!(message.contains("2026-11-27T18:00:00Z"), "{message}");
        assert!(world.status().cancellation.is_none());
    }
}

/// A cancellation is honoured although it was there before the task: not one that was meant until before that.
#[test]
fn a_cancellation_in_an_old_manifest_does_not_outlive_its_time() {
    let mut world = script(json!({}));
    let past = world.in_seconds(-3600);
    world.annotated("request-expires", &past);
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.status().actions[0].reason, "Expired");
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_rollback_keeps_who_and_why_too() {
    let mut update = script(json!({}));
    update.run_to_rest();
    let to = json!({"script": {"inline": "echo back"}});
    let mut back = rollback(
        &mut update,
        json!({"to": to, "suspensionPolicy": "SuspendFirstBatch"}),
    );
    back.run_to_state("BatchSuspended");
    back.names_verified = false;
    back.annotated("requested-by", "bob");
    back.annotated("request-note", "still wrong");
    back.annotated("continue", "1");
    back.run_for(60);
    let action = back.newest_action();
    let kept = (action.requested_by.as_str(), action.note.as_str());
    assert_eq!(kept, ("unverified:bob", "still wrong"));
}
