//! Objects that go before their run has ended: orphans, forced deletions, finalizers taken by hand. Each run is seen to its
//! end, what it left is listed, and the next run puts it back.

use serde_json::json;

use crate::scenario::{
    Act::{Annotate, Change, Console, Crd, Create, Delete, Wait},
    Name, Scenario,
    When::{Field, Gone, Later, Named, Now, Paused, State},
    image, script,
};
use crate::scenarios::failing;
use crate::world::REGION;

const RECORD: Name = "scalinggrouprecords/cn-hangzhou.asg-web";

/// A person ends the execution that nobody looks after, a while after it was let go.
fn ended_by_hand(scenario: Scenario) -> Scenario {
    let cancel = Console {
        of: RECORD,
        service: "OOS",
        action: "CancelExecution",
        params: json!({"RegionId": REGION, "ExecutionId": "$execution"}),
    };
    // There is nothing to end before a look went well, and one that did not is made again after ten minutes.
    scenario.then(Later(700), Wait).then(Named(RECORD), cancel)
}

pub fn all() -> Vec<Scenario> {
    let first = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let orphan = || json!({"deletionPolicy": "Orphan", "suspensionPolicy": "SuspendFirstBatch"});
    let let_go = |why: &str| Field(RECORD, "/status/runs/0/letGo", why.into());
    vec![
        Scenario::new(
            "orphan-that-fails-later",
            script(
                "web",
                json!({"deletionPolicy": "Orphan", "onFailure": "Fail"}),
            ),
        )
        .cloud(failing())
        .then(State("web", "Running"), Delete("web"))
        .ends("web", &["Gone"]),
        // Nobody continues it any more; the next one waits, and puts back what it leaves.
        ended_by_hand(
            Scenario::new("orphan-that-waits-before-the-next", image("web", orphan()))
                .then(Paused("web", 1), Delete("web"))
                .then(Gone("web"), Create(script("next", json!({})))),
        )
        .ends("web", &["Gone"])
        .ends("next", &["Succeeded"]),
        // Its one CancelExecution may get lost: a person does what the next one says, then.
        ended_by_hand(
            Scenario::new("forced-deletion-before-the-next", image("web", first()))
                .then(Paused("web", 1), Annotate("web", "force-delete", "true"))
                .then(Now, Delete("web"))
                .then(Gone("web"), Create(script("next", json!({})))),
        )
        .ends("web", &["Gone"])
        .ends("next", &["Succeeded"]),
        // It does not wait for a record that cannot be written either: the run is found there once it can.
        ended_by_hand(
            Scenario::new("forced-deletion-with-older-crds", image("web", first()))
                .then(
                    Paused("web", 1),
                    Crd("scalinggrouprecords", &["status.runs"]),
                )
                .then(Now, Annotate("web", "force-delete", "true"))
                .then(Now, Delete("web"))
                .then(Gone("web"), Crd("scalinggrouprecords", &[]))
                .then(let_go("HolderVanished"), Wait),
        )
        .ends("web", &["Gone"]),
        // As somebody does whose namespace hangs in Terminating.
        ended_by_hand(
            Scenario::new("holder-that-vanished", image("web", first()))
                .then(
                    Paused("web", 1),
                    Change("web", json!({"metadata": {"finalizers": null}})),
                )
                .then(Now, Delete("web"))
                .then(let_go("HolderVanished"), Wait)
                .then(Now, Create(script("next", json!({})))),
        )
        .ends("web", &["Gone"])
        .ends("next", &["Succeeded"]),
    ]
}
