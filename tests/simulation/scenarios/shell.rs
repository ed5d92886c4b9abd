//! What stands between the operator and its objects: CRDs of another version.

use serde_json::json;

use crate::scenario::{
    Act::{Annotate, Crd, Delete},
    Scenario,
    When::{Gone, Paused, Stalled},
    image, script,
};

const TASKS: &str = "rollingupdatetasks";
const RECORDS: &str = "scalinggrouprecords";

pub fn all() -> Vec<Scenario> {
    let pausing = || json!({"suspensionPolicy": "SuspendFirstBatch"});
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
        // Whoever gives up instead can.
        Scenario::new("older-crds-given-up", script("web", json!({})))
            .first(Crd(TASKS, &["status.start"]))
            .then(Stalled("web", "CRDOutdated"), Delete("web"))
            .then(Gone("web"), Crd(TASKS, &[]))
            .ends("web", &["Gone"]),
    ]
}
