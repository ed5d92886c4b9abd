//! Of ImageUpdateTasks. Time begins at 08:00.

use serde_json::{Value, json};

use super::{Base, credentials};
use crate::scenario::{
    Act::{Annotate, Create, Edit, Wait},
    GROUP,
    When::{Field, Later, Now, Paused, State},
    script, with,
};

const NIGHTLY: &str = "imageupdatetasks/nightly";

fn base(name: &'static str, more: Value) -> Base {
    let spec = json!({"scalingGroupId": GROUP});
    Base::new(name, "imageupdatetasks", NIGHTLY, with(spec, more))
}

fn building(name: &'static str, more: Value) -> Base {
    base(name, with(json!({"source": {"instanceId": "i-web-01", "imageName": "nightly"}}), more))
}

pub fn all() -> Vec<Base> {
    let succeeded = || State(NIGHTLY, "Succeeded");
    let every = |minutes: u32| json!({"schedule": {"cron": format!("*/{minutes} * * * *")}});
    vec![
        building(
            "built",
            json!({
                "regionId": "cn-hangzhou", "description": "nightly", "scalingConfigurationIds": ["asc-web"],
                "source": {"tags": [{"key": "team", "value": "web"}]},
            }),
        )
        .then(succeeded(), Wait),
        base("given", json!({"imageId": "m-v2"})).then(succeeded(), Wait),
        building("at", json!({"schedule": {"at": "2026-01-05T08:10:00Z"}}))
            .moment("Scheduled", State(NIGHTLY, "Scheduled"))
            .lasts(1500),
        building(
            "cron",
            json!({"schedule": {
                "cron": "*/10 * * * *", "timeZone": "Asia/Shanghai",
                "notBefore": "2026-01-05T08:15:00Z", "notAfter": "2026-01-05T08:35:00Z",
            }, "description": "nightly", "source": {"tags": [{"key": "team", "value": "web"}]}, "ramRole": "OOSServiceRole",
            "credentialsRef": {"name": "cloud"}, "scalingConfigurationIds": ["asc-web"]}),
        )
        .first(Now, Create(credentials()))
        .moment("Scheduled", State(NIGHTLY, "Scheduled"))
        .moment("Running", State(NIGHTLY, "Running"))
        .moment("Ended", Field(NIGHTLY, "/status/lastRun", 1.into()))
        .lasts(2700),
        building("one-after-the-other", with(every(1), json!({"concurrencyPolicy": "Forbid"})))
            .cloud(json!({"durations": {"createImage": 150}}))
            .moment("Running", State(NIGHTLY, "Running"))
            .lasts(600),
        building(
            "remembered",
            with(every(2), json!({"successfulRunsHistoryLimit": 1, "failedRunsHistoryLimit": 0})),
        )
        .moment("Running", State(NIGHTLY, "Running"))
        .lasts(900),
        building("failing", with(every(2), json!({"failedRunsHistoryLimit": 1})))
            .cloud(json!({"faults": [{
                "service": "ECS", "action": "CreateImage", "caller": "oos", "count": 0,
                "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
            }]}))
            .lasts(900),
        building("suspended", with(every(5), json!({"suspend": true})))
            .moment("Suspended", State(NIGHTLY, "Suspended"))
            .then(Later(400), Edit(NIGHTLY, json!({"suspend": false})))
            .lasts(1200),
        building("queued", json!({"startingDeadlineSeconds": 600}))
            .first(Now, Create(script("first", json!({"suspensionPolicy": "SuspendFirstBatch"}))))
            .first(Paused("first", 1), Wait)
            .moment("Waiting", Later(30))
            .then(Later(400), Annotate("first", "continue", "1"))
            .then(succeeded(), Wait)
            .lasts(1500),
        building("blocked", json!({"startingDeadlineSeconds": 600, "scalingConfigurationIds": ["asc-none"]}))
            .moment("Blocked", State(NIGHTLY, "Blocked"))
            .lasts(1000),
    ]
}
