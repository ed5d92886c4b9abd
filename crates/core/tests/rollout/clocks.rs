//! The operator's clock is wrong for a moment: no wait is longer for it than the rule that made it.

use ess_rollout_api::v1alpha1::condition;
use serde_json::json;

use crate::builders::{image, script};
use crate::rolling_back::rollback;
use crate::world::World;

const DAY: i64 = 24 * 3600;

/// One pass under a clock that is so far ahead, after so many under one that is right.
fn ahead_once(mut world: World, at: usize, skew: i64) -> World {
    for number in 0..=at {
        world.skew = if number == at { skew } else { 0 };
        if !world.gone {
            world.pass();
            world.cloud.advance(3);
        }
    }
    world.skew = 0;
    world
}

/// However far it was ahead, and whichever look that was, the run ends as soon as any other.
fn ends_in_time(name: &str, begin: impl Fn() -> World, end: impl Fn(&World) -> bool) {
    for skew in [120, 5 * DAY, 365 * DAY] {
        for at in (0..30).step_by(2) {
            let mut world = ahead_once(begin(), at, skew);
            world.run_until(600, &format!("{name} {skew} {at}"), &end);
            assert!(world.cloud.runs.len() <= 2, "{name} {skew} {at}");
        }
    }
}

#[test]
fn a_run_ends_in_time() {
    ends_in_time("script", || script(json!({})), World::at_rest);
}

#[test]
fn a_cancelled_run_is_put_back_in_time() {
    let cancelled = || {
        let mut world = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
        world.run_to_state("BatchSuspended");
        world.annotated("cancel", "enough");
        world
    };
    ends_in_time("cancelled", cancelled, |world| {
        world.at_rest() && world.said(condition::RESTORED) == "True Restored"
    });
}

#[test]
fn a_pause_is_left_in_time() {
    let continued = || {
        let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch"}));
        world.run_to_state("BatchSuspended");
        world.annotated("continue", "1");
        world
    };
    ends_in_time("continued", continued, World::at_rest);
}

#[test]
fn a_failed_instance_is_retried_in_time() {
    let failed = || {
        let mut world = script(json!({}));
        world.cloud.failing.insert("i-0001".into(), 1);
        world.run_to_state("FailureSuspended");
        world.annotated("retry", "i-0001@one");
        world
    };
    ends_in_time("retried", failed, World::at_rest);
}

#[test]
fn a_suspended_update_is_rolled_back_in_time() {
    let back = || {
        let mut update = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
        update.run_to_state("BatchSuspended");
        rollback(&mut update, json!({}))
    };
    ends_in_time("rolled back", back, World::at_rest);
}
