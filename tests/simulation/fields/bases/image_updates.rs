//! Of ImageUpdateTasks. Time begins at 08:00.

use serde_json::{Value, json};

use super::{Base, credentials};
use crate::scenario::{
    Act::{Annotate, Create, Edit, Wait},
    GROUP,
    When::{Field, Later, Now, Paused, State},
    group, object, script, with,
};

const NIGHTLY: &str = "imageupdatetasks/nightly";

fn base(name: &'static str, more: Value) -> Base {
    let spec = json!({"scalingGroupId": GROUP});
    Base::new(name, "imageupdatetasks", NIGHTLY, with(spec, more))
}

fn building(name: &'static str, more: Value) -> Base {
    base(
        name,
        with(
            json!({"source": {"instanceId": "i-web-01", "imageName": "nightly"}}),
            more,
        ),
    )
}

/// Every other minute a run is due, and each takes longer than that.
fn repeated(name: &'static str, more: Value) -> Base {
    building(
        name,
        with(json!({"schedule": {"cron": "*/2 8 * * *"}}), more),
    )
    .cloud(json!({"durations": {"createImage": 130}}))
    .goes_on()
}

/// Where no image can be built.
fn failing(name: &'static str, more: Value) -> Base {
    repeated(name, more).cloud(json!({"faults": [{
        "service": "ECS", "action": "CreateImage", "caller": "oos", "count": 0,
        "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
    }]}))
}

fn suspended(base: Base) -> Base {
    base.moment("Suspended", State(NIGHTLY, "Suspended"))
        .then(Later(150), Edit(NIGHTLY, json!({"suspend": false})))
        .rests(620)
}

fn queued(base: Base) -> Base {
    base.first(
        Now,
        Create(script(
            "first",
            json!({"suspensionPolicy": "SuspendFirstBatch"}),
        )),
    )
    .first(Paused("first", 1), Wait)
    .then(State(NIGHTLY, "Waiting"), Wait)
    .moment("Waiting", Later(30))
    .then(Later(150), Annotate("first", "continue", "1"))
    .rests(620)
}

fn blocked(base: Base) -> Base {
    base.moment("Blocked", State(NIGHTLY, "Blocked"))
        .then(
            Later(150),
            Edit(NIGHTLY, json!({"source": {"instanceId": "i-web-01"}})),
        )
        .rests(620)
}

fn going_on(base: Base) -> Base {
    base.moment("Scheduled", State(NIGHTLY, "Scheduled"))
        .moment("Running", State(NIGHTLY, "Running"))
        .moment("Ended", Field(NIGHTLY, "/status/lastRun", 1.into()))
        .then(Field(NIGHTLY, "/status/lastRun", 1.into()), Wait)
        .rests(420)
}

pub fn all() -> Vec<Base> {
    let succeeded = || State(NIGHTLY, "Succeeded");
    let from_none = || json!({"source": {"instanceId": "i-none"}});
    let keyed = |more: Value| {
        with(
            json!({"source": {"tags": [{"key": "team", "value": "web"}]}}),
            more,
        )
    };
    let mut two = group(GROUP, 4);
    two["configurations"] = json!([
        {"scalingConfigurationId": "asc-web", "imageId": "m-v1"},
        {"scalingConfigurationId": "asc-other", "imageId": "m-v1"},
    ]);
    vec![
        building(
            "built",
            keyed(json!({
                "regionId": "cn-hangzhou", "description": "nightly", "scalingConfigurationIds": ["asc-other"],
            })),
        )
        .cloud(json!({"scalingGroups": [two.clone()]}))
        .then(succeeded(), Wait),
        base("given", json!({"imageId": "m-v2"})).then(succeeded(), Wait),
        // And held up when it is due.
        building("at", json!({"schedule": {"at": "2026-01-05T08:03:00Z"}}))
            .first(Now, Create(script("first", json!({"suspensionPolicy": "SuspendFirstBatch"}))))
            .first(Paused("first", 1), Wait)
            .moment("Scheduled", State(NIGHTLY, "Scheduled"))
            .then(Later(300), Annotate("first", "continue", "1"))
            .then(succeeded(), Wait),
        // It has closed by then.
        building(
            "in-its-window",
            json!({
                "schedule": {"at": "2026-01-05T08:06:30Z"},
                "window": {
                    "kind": "Allow", "reason": "each morning", "schedule": "0 8 * * *", "durationMinutes": 6, "timeZone": "UTC",
                },
            }),
        )
        .then(Later(480), Wait)
        .ends("Pending"),
        building(
            "on-a-holiday",
            json!({"window": {
                "schedule": "0 16 * * *", "durationMinutes": 60, "timeZone": "Asia/Shanghai", "except": ["2026-01-05"],
            }}),
        )
        .then(Later(150), Wait)
        .ends("Pending"),
        building("once", json!({"window": {"start": "2026-01-05T08:01:00Z", "end": "2026-01-05T08:30:00Z"}}))
            .then(succeeded(), Wait),
        building(
            "over",
            json!({
                "schedule": {"at": "2026-01-05T08:05:00Z"},
                "window": {"start": "2026-01-05T08:01:00Z", "end": "2026-01-05T08:03:00Z"},
            }),
        )
        .then(Later(330), Wait)
        .ends("Blocked"),
        // It closes half a minute later.
        building(
            "in-a-longer-window",
            json!({
                "schedule": {"at": "2026-01-05T08:06:30Z"},
                "window": {"schedule": "0 8 * * *", "durationMinutes": 7, "timeZone": "UTC"},
            }),
        )
        .then(succeeded(), Wait),
        building("in-a-window-that-it-names", json!({"windowRefs": ["mornings"]}))
            .first(
                Now,
                Create(object(
                    "MaintenanceWindow",
                    "mornings",
                    json!({"schedule": "3 8 * * *", "durationMinutes": 60, "timeZone": "UTC", "selector": {"namespaces": ["nowhere"]}}),
                )),
            )
            .then(succeeded(), Wait),
        // And held up when it may begin again.
        building("suspended-once", json!({"suspend": true}))
            .first(
                Now,
                Create(script(
                    "first",
                    json!({"suspensionPolicy": "SuspendFirstBatch"}),
                )),
            )
            .first(Paused("first", 1), Wait)
            .moment("Suspended", State(NIGHTLY, "Suspended"))
            .then(Later(60), Edit(NIGHTLY, json!({"suspend": false})))
            .then(Later(200), Annotate("first", "continue", "1"))
            .then(succeeded(), Wait),
        building("blocked-once", from_none())
            .moment("Blocked", State(NIGHTLY, "Blocked"))
            .then(Later(150), Edit(NIGHTLY, json!({"source": {"instanceId": "i-web-01"}})))
            .then(succeeded(), Wait),
        going_on(
            building(
                "on-a-schedule",
                keyed(json!({
                    "schedule": {
                        "cron": "*/2 16 * * *", "timeZone": "Asia/Shanghai",
                        "notBefore": "2026-01-05T08:03:00Z", "notAfter": "2026-01-05T08:08:00Z",
                    },
                    "description": "nightly", "ramRole": "OOSServiceRole", "credentialsRef": {"name": "cloud"},
                    "scalingConfigurationIds": ["asc-other"],
                })),
            )
            .cloud(json!({"scalingGroups": [two], "durations": {"createImage": 30}}))
            .first(Now, Create(credentials())),
        ),
        going_on(
            repeated("remembered", json!({"successfulRunsHistoryLimit": 1}))
                .cloud(json!({"durations": {"createImage": 5}})),
        ),
        going_on(repeated("one-after-the-other", json!({"concurrencyPolicy": "Forbid"}))),
        going_on(failing("failing", json!({"failedRunsHistoryLimit": 2}))),
        suspended(repeated("suspended", json!({"suspend": true, "successfulRunsHistoryLimit": 1}))),
        suspended(failing("suspended-and-failing", json!({"suspend": true}))),
        queued(repeated("queued", json!({"successfulRunsHistoryLimit": 1}))),
        queued(failing("queued-and-failing", json!({}))),
        building("queued-for-too-long", json!({"startingDeadlineSeconds": 100}))
            .first(Now, Create(script("first", json!({"suspensionPolicy": "SuspendFirstBatch"}))))
            .first(Paused("first", 1), Wait)
            .moment("Waiting", Later(30))
            .rests(250)
            .ends("Failed"),
        blocked(repeated("blocked", with(from_none(), json!({"successfulRunsHistoryLimit": 1})))),
        blocked(failing("blocked-and-failing", from_none())),
        building("blocked-for-too-long", with(from_none(), json!({"startingDeadlineSeconds": 100})))
            .moment("Blocked", State(NIGHTLY, "Blocked"))
            .rests(250)
            .ends("Failed"),
    ]
}
