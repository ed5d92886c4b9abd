//! What Flux and others conclude from each state, as docs/gitops.md has it.

use serde_json::json;

use crate::kstatus_rules::{Seen, kstatus};
use crate::world::{World, building, cron};

fn follow(seen: &Seen, mut world: World, state: &str) -> World {
    assert_eq!(kstatus(&world.task), "InProgress", "before the first visit");
    world.run_until(7200, state, |w| {
        seen.look(&w.task);
        w.state() == state
    });
    world
}

#[test]
fn each_state_is_read_as_the_documentation_says() {
    let seen = Seen::against("ImageUpdateTask");
    follow(&seen, building(json!({})), "Succeeded");
    follow(&seen, cron("0 2 * * *", json!({})), "Scheduled");
    let suspended = cron("0 2 * * *", json!({"suspend": true}));
    follow(&seen, suspended, "Suspended");
    let mut failing = building(json!({}));
    failing.cloud.images_fail = true;
    follow(&seen, failing, "Failed");
    let mut world = follow(&seen, building(json!({})), "Running");
    world.annotated("cancel", "enough");
    world.run_until(7200, "the end", |w| {
        seen.look(&w.task);
        w.state() == "Cancelled"
    });
    let mut waiting = building(json!({}));
    waiting.held_by(Some("another"));
    follow(&seen, waiting, "Waiting");
    let elsewhere = building(json!({"ramRole": "AnotherRole"}));
    follow(&seen, elsewhere, "Blocked");
    let over = json!({"notAfter": "2026-01-05T00:00:00Z", "cron": "0 2 * * *"});
    follow(&seen, building(json!({"schedule": over})), "Finished");
    // A run is due for a moment only.
    let unseen = seen.unseen();
    assert!(
        unseen
            .iter()
            .all(|state| ["Pending", "Cancelling", "Verifying"].contains(&&**state)),
        "{unseen:?}"
    );
}
