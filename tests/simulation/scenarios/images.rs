//! Image update tasks: built, given, on a schedule, cancelled, beside rolling updates.

use serde_json::{Value, json};

use crate::scenario::{
    Act::{Annotate, Create, Delete, Edit},
    GROUP, Scenario,
    When::{Field, Later, Paused, State},
    object, script, with,
};
use crate::world::OPERATOR;

const NIGHTLY: &str = "imageupdatetasks/nightly";

/// A task of [`GROUP`].
fn task(more: Value) -> Value {
    let spec = with(json!({"scalingGroupId": GROUP}), more);
    object("ImageUpdateTask", "nightly", spec)
}

/// One that builds an image from the first instance.
fn building(more: Value) -> Value {
    task(with(
        json!({"source": {"instanceId": "i-web-01", "imageName": "nightly"}}),
        more,
    ))
}

/// No image is listed for some seconds.
fn left_out(after: u64) -> Value {
    json!({
        "service": "ECS", "action": "DescribeImages", "principal": OPERATOR, "count": 0,
        "afterSeconds": after, "forSeconds": 4,
        "effect": {"kind": "omit", "entries": ["*"]},
    })
}

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("image-built", building(json!({}))).ends(NIGHTLY, &["Succeeded"]),
        // Time begins at 08:00.
        Scenario::new(
            "images-on-a-schedule",
            building(
                json!({"schedule": {"cron": "*/10 * * * *", "notAfter": "2026-01-05T08:25:00Z"}}),
            ),
        )
        .then(
            State(NIGHTLY, "Succeeded"),
            Annotate(NIGHTLY, "run-now", "once-more"),
        )
        .then(
            Field(NIGHTLY, "/status/lastRun", 3.into()),
            crate::scenario::Act::Wait,
        )
        .ends(NIGHTLY, &["Succeeded"]),
        // A freeze holds it, until somebody who may says that it does not.
        Scenario::new("image-in-a-freeze", building(json!({})))
            .created_after(300)
            .first(Create(object(
                "MaintenanceWindow",
                "sale",
                json!({"kind": "Freeze", "reason": "sale", "start": "2026-01-05T07:00:00Z", "end": "2026-01-05T09:00:00Z"}),
            )))
            .then(Later(60), Annotate(NIGHTLY, "override-window", "sale@1"))
            .ends(NIGHTLY, &["Succeeded"]),
        // Two answers, far apart, leave out the image that is being made.
        Scenario::new("image-left-out-twice", building(json!({})))
            .cloud(json!({"faults": [left_out(10), left_out(60)]}))
            .ends(NIGHTLY, &["Succeeded"]),
        // The permission to start is granted after the second refusal.
        Scenario::new("image-build-denied", building(json!({})))
            .cloud(json!({"faults": [{
                "service": "OOS", "action": "StartExecution", "count": 2,
                "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
            }]}))
            .ends(NIGHTLY, &["Succeeded"]),
        // What would keep the run from being made is seen before it is due, and mended.
        Scenario::new(
            "images-checked-before-they-are-due",
            building(json!({
                "scalingConfigurationIds": ["asc-none"],
                "schedule": {"cron": "*/30 * * * *", "notAfter": "2026-01-05T08:35:00Z"},
            })),
        )
        .then(
            State(NIGHTLY, "Blocked"),
            Edit(NIGHTLY, json!({"scalingConfigurationIds": ["asc-web"]})),
        )
        .ends(NIGHTLY, &["Succeeded"]),
        // A given image, by a permission that comes late.
        Scenario::new("image-given-denied", task(json!({"imageId": "m-v2"})))
            .cloud(json!({"faults": [{
                "service": "ESS", "action": "ModifyScalingConfiguration", "count": 2,
                "effect": {"kind": "error", "status": 403, "code": "Forbidden.Unauthorized"},
            }]}))
            .ends(NIGHTLY, &["Succeeded"]),
        Scenario::new("image-build-cancelled", building(json!({})))
            .then(
                State(NIGHTLY, "Running"),
                Annotate(NIGHTLY, "cancel", "enough"),
            )
            .ends(NIGHTLY, &["Cancelled", "Succeeded"]),
        Scenario::new("image-build-deleted", building(json!({})))
            .then(State(NIGHTLY, "Running"), Delete(NIGHTLY))
            .others_change(&["asc-web"])
            .ends(NIGHTLY, &["Gone"]),
        // The group is somebody else's, and then there is an earlier image to go back to.
        Scenario::new(
            "image-given-beside-an-update",
            script("web", json!({"suspensionPolicy": "SuspendFirstBatch"})),
        )
        .then(Later(1), Create(task(json!({"imageId": "m-v2"}))))
        .then(Paused("web", 1), Annotate("web", "continue", "1"))
        .then(
            Field(NIGHTLY, "/status/imageId", "m-v2".into()),
            Edit(NIGHTLY, json!({"imageId": "m-v1"})),
        )
        .then(
            Field(NIGHTLY, "/status/imageId", "m-v1".into()),
            crate::scenario::Act::Wait,
        )
        .ends("web", &["Succeeded"])
        .ends(NIGHTLY, &["Succeeded"]),
    ]
}
