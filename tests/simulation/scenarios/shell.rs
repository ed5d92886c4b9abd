//! What stands between the operator and its objects: CRDs of another version.

use serde_json::json;

use crate::scenario::{
    Act::{Annotate, Crd, Delete, Wait},
    Scenario,
    When::{Field, Gone, Paused, Stalled},
    image, script, with,
};

const TASKS: &str = "rollingupdatetasks";
const RECORDS: &str = "scalinggrouprecords";
/// The reason of the condition `Ready`, which is the second.
const READY: &str = "/status/conditions/1/reason";

pub fn all() -> Vec<Scenario> {
    let pausing = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let keyed = with(pausing(), json!({"runKey": "release-1"}));
    vec![
        // Without the intent nothing is started; each try would start anew if that were not on record.
        Scenario::new("older-crds-at-the-start", script("web", json!({})))
            .first(Crd(TASKS, &["status.start"]))
            .then(Stalled("web", "CRDOutdated"), Crd(TASKS, &[]))
            .ends("web", &["Succeeded"]),
        // The intent to approve is on record before the Approve is sent.
        Scenario::new("older-crds-at-a-pause", script("web", pausing()))
            .first(Crd(TASKS, &["status.pause.approval"]))
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .then(Stalled("web", "CRDOutdated"), Crd(TASKS, &[]))
            .ends("web", &["Succeeded"]),
        // What puts the group back is not done before it can be noted.
        Scenario::new("older-crds-at-the-end", image("web", pausing()))
            .first(Crd(TASKS, &["status.restore.quietSince"]))
            .then(Paused("web", 1), Annotate("web", "cancel", "enough"))
            .then(Stalled("web", "CRDOutdated"), Crd(TASKS, &[]))
            .ends("web", &["Cancelled"]),
        Scenario::new("older-crd-of-records", image("web", json!({})))
            .first(Crd(RECORDS, &["status.baseline"]))
            .then(Stalled("web", "CRDOutdated"), Crd(RECORDS, &[]))
            .ends("web", &["Succeeded"]),
        // The group is let go when that can be noted, and the result is on show again.
        Scenario::new("older-crd-of-records-at-the-end", image("web", json!({})))
            .first(Crd(RECORDS, &["status.current"]))
            .then(Stalled("web", "CRDOutdated"), Crd(RECORDS, &[]))
            .then(Field("web", READY, "Updated".into()), Wait)
            .ends("web", &["Succeeded"]),
        // That of a run key is noted when the group is let go.
        Scenario::new("older-crd-of-records-at-a-deletion", image("web", keyed))
            .first(Crd(RECORDS, &["status.runKeys.outcome"]))
            .then(Paused("web", 1), Delete("web"))
            .then(Stalled("web", "CRDOutdated"), Crd(RECORDS, &[]))
            .ends("web", &["Gone"]),
        // Whoever gives up instead can.
        Scenario::new("older-crds-given-up", script("web", json!({})))
            .first(Crd(TASKS, &["status.start"]))
            .then(Stalled("web", "CRDOutdated"), Delete("web"))
            .then(Gone("web"), Crd(TASKS, &[]))
            .ends("web", &["Gone"]),
    ]
}
