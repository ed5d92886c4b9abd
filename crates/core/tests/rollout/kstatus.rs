//! What Flux and others conclude from each state, as docs/gitops.md has it.

use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::builders::{image, script, task};
use crate::cloud::Cloud;
use crate::kstatus_rules::{Seen, kstatus};
use crate::world::World;

fn follow(seen: &Seen, world: World, state: &str) -> World {
    assert_eq!(kstatus(&world.task), "InProgress", "before the first visit");
    follow_on(seen, world, state)
}

fn follow_on(seen: &Seen, mut world: World, state: &str) -> World {
    world.run_until(900, state, |w| {
        seen.look(&w.task);
        w.state() == state
    });
    world
}

#[test]
fn each_state_is_read_as_the_documentation_says() {
    let seen = Seen::against("RollingUpdateTask");
    follow(&seen, script(json!({})), "Succeeded");
    follow(&seen, script(json!({"desiredState": "Plan"})), "Planned");
    let gone = task(json!({"image": {"imageId": "m-gone"}}), json!({}));
    follow(&seen, World::new(gone, Cloud::with_instances(4)), "Blocked");

    let mut waits = script(json!({}));
    waits.cloud.broken.insert("ScalingGroup", ErrorClass::Retry);
    follow(&seen, waits, "Pending");

    let pausing = image(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    let mut world = follow(&seen, pausing, "BatchSuspended");
    world.annotated("cancel", "enough");
    world
        .cloud
        .broken
        .insert("CancelExecution", ErrorClass::Retry);
    let mut world = follow_on(&seen, world, "Cancelling");
    world.cloud.broken.clear();
    world.run_until(900, "the end", |w| {
        seen.look(&w.task);
        w.state() == "Cancelled"
    });

    let soaking = script(json!({"gates": {"soakSeconds": 300}}));
    follow(&seen, soaking, "BatchHeld");

    for (on_failure, state) in [("Suspend", "FailureSuspended"), ("Fail", "Failed")] {
        let mut world = script(json!({"onFailure": on_failure}));
        world.cloud.failing.insert("i-0001".into(), 9);
        follow(&seen, world, state);
    }
    // OOS shows these for what the core's model of the cloud has not.
    assert_eq!(seen.unseen(), ["ApprovalSuspended", "Suspended"]);
}
