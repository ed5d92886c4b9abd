//! What may start, and when: denied starts, rollbacks of another run, plans that changed, deadlines.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::console;
use super::neighbours::refresh;
use crate::scenario::{
    Act::{Annotate, Change, Create, Delete, Edit, Replica, Wait},
    GROUP, Scenario,
    When::{Boundary, Field, Gone, Later, Now, Paused, State},
    config_map, image, object, script, script_from_config_map,
};
use crate::world::{NAMESPACE, OPERATOR, begin};

const UNDO: &str = "rollbacks/undo";
/// The boundary at which the processes of `fails-and-the-next-begins` are resumed.
const RESUMED: usize = 28;

/// The next starts are refused for lack of a permission.
fn denied(times: usize) -> Value {
    json!({"faults": [{
        "service": "OOS", "action": "StartExecution", "count": times,
        "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
    }]})
}

/// Starts are refused for that for so many seconds.
fn denied_for(seconds: u32) -> Value {
    let mut cloud = denied(0);
    cloud["faults"][0]["forSeconds"] = seconds.into();
    cloud
}

/// As many run keys as a record takes, `v0` and so on; under the last one nothing ran.
fn keys() -> Value {
    let key = |number: usize| {
        json!({
            "key": format!("v{number}"), "specHash": "0".repeat(64), "by": format!("{NAMESPACE}/web-{number}"),
            "uid": format!("00000000-0000-4000-9000-{number:012}"), "outcome": "Succeeded", "neverRan": number == 499,
            "time": begin().to_string(),
        })
    };
    (0..500).map(key).collect()
}

fn undo() -> Value {
    let spec = json!({"taskRef": {"name": "web"}, "batches": 2});
    object("Rollback", "undo", spec)
}

fn plan_only() -> Value {
    json!({"desiredState": "Plan"})
}

pub fn all() -> Vec<Scenario> {
    let changed = json!({"data": {"run": "rm -rf /", "rollback": "restart old"}});
    let as_planned = json!({"data": {"run": "restart new", "rollback": "restart old"}});
    vec![
        // The group goes to the next meanwhile.
        Scenario::new("start-denied-then-next", script("web", json!({})))
            .cloud(denied(1))
            .then(Later(2), Create(script("next", json!({"batches": 1}))))
            .ends("next", &["Succeeded"])
            .ends("web", &["Succeeded"]),
        // By the clock of the replica to which it was denied, that is to come.
        Scenario::new("start-denied-at-a-time-to-come", script("web", json!({})))
            .cloud(denied(1))
            .then(
                State("web", "Blocked"),
                Replica("web", json!({"startBlocked": {"lastDeniedTime": (begin() + SignedDuration::from_hours(4)).to_string()}})),
            )
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "start-denied-for-good",
            image(
                "web",
                json!({"startingDeadlineSeconds": 300, "runKey": "v2"}),
            ),
        )
        .cloud(denied(0))
        .ends("web", &["Failed"])
        .because("StartingDeadlineExceeded"),
        // What started nothing has not used its key up.
        Scenario::new(
            "start-denied-and-deleted-then-the-same-key",
            script("web", json!({"runKey": "v2"})),
        )
        .cloud(denied_for(20))
        .then(Later(3), Delete("web"))
        .then(
            Gone("web"),
            Create(script("next", json!({"batches": 1, "runKey": "v2"}))),
        )
        .ends("web", &["Gone"])
        .ends("next", &["Succeeded"]),
        // What is sent again is not taken as it is, which says nothing of the call before it.
        Scenario::new("start-refused-when-sent-again", script("web", json!({})))
            .cloud(json!({"faults": [{
                "service": "OOS", "action": "StartExecution", "nth": 2, "count": 0,
                "effect": {"kind": "error", "status": 400, "code": "InvalidParameter"},
            }]}))
            .ends("web", &["Succeeded", "Failed"]),
        // Nobody needs it any more when its start is under way, and lists do not show yet what was started.
        Scenario::new("cancelled-as-it-starts", script("web", json!({})))
            .oos(json!({"listLagSeconds": 24}))
            .one_fault()
            .then(Boundary(4), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled", "Succeeded"]),
        Scenario::new("deleted-as-it-starts", script("web", json!({})))
            .oos(json!({"listLagSeconds": 24}))
            .one_fault()
            .then(Boundary(4), Delete("web"))
            .then(Gone("web"), Create(script("next", json!({"batches": 1}))))
            .ends("web", &["Gone"])
            .ends("next", &["Succeeded"]),
        // Who was created first begins first, whoever looks first when the group is free.
        Scenario::new(
            "three-wait-for-the-group",
            script("web", json!({"batches": 1})),
        )
        .cloud(refresh("InProgress", 93))
        .then(Later(3), Create(script("next", json!({"batches": 1}))))
        .then(Later(3), Create(script("last", json!({"batches": 1}))))
        .in_order(&["web", "next", "last"])
        .ends("web", &["Succeeded"])
        .ends("next", &["Succeeded"])
        .ends("last", &["Succeeded"]),
        // What is put back late would meet the batches of the next.
        Scenario::new(
            "cancelled-and-the-next-begins",
            script("web", json!({"suspensionPolicy": "SuspendFirstBatch"})),
        )
        // What was sent for the first and comes late would meet the next in its batch.
        .cloud(json!({"durations": {"command": 300}}))
        .then(
            Paused("web", 1),
            Create(script("next", json!({"batches": 1}))),
        )
        .then(
            State("next", "Pending"),
            Annotate("web", "cancel", "enough"),
        )
        .ends("web", &["Cancelled"])
        .ends("next", &["Succeeded"]),
        // The same of one that ended long before, and a person does what the operator has just asked for.
        Scenario::new(
            "fails-and-the-next-begins",
            script("web", json!({"onFailure": "Fail", "batches": 1})),
        )
        .cloud(json!({
            "commands": [{"instance": "i-web-02", "attempt": 1, "exitCode": 7}], "durations": {"command": 100},
            "events": [{"when": {"execution": {"status": "Failed"}}, "do": {"fault": {
                "action": "ResumeProcesses", "principal": OPERATOR, "count": 0, "forSeconds": 120,
                "effect": {"kind": "error", "status": 400, "code": "IncorrectScalingGroupStatus"},
            }}}],
        }))
        .then(
            State("web", "Running"),
            Create(script("next", json!({"batches": 1}))),
        )
        .then(Boundary(RESUMED), console("web", "ResumeProcesses", json!({
            "ScalingGroupId": GROUP, "Processes": ["ScaleIn", "ScaleOut", "HealthCheck", "AlarmNotification"],
        })))
        .whenever(
            State("next", "FailureSuspended"),
            Annotate("next", "retry", "failed@again-$n"),
        )
        .ends("web", &["Failed"])
        // Its start may come so late that the next one is the first to run the script.
        .or_misled(&["Succeeded"])
        .ends("next", &["Succeeded"]),
        // There is room for one more key at the cost of one under which nothing ran, and of no other.
        Scenario::new("keys-without-room", script("web", json!({"batches": 1})))
            .then(
                Field("web", "/status/restore/done", true.into()),
                Replica("scalinggrouprecords/cn-hangzhou.asg-web", json!({"runKeys": keys()})),
            )
            .then(Now, Create(script("next", json!({"batches": 1, "runKey": "new"}))))
            .then(
                State("next", "Succeeded"),
                Create(script("last", json!({"batches": 1, "runKey": "v0"}))),
            )
            .ends("web", &["Succeeded"])
            .ends("next", &["Succeeded"])
            .ends("last", &["Failed"])
            .because("RunKeyConflict"),
        // The name comes back, and what ran under it before does not.
        Scenario::new("rollback-before-its-task", image("web", plan_only()))
            .then(State("web", "Planned"), Delete("web"))
            .then(Gone("web"), Create(undo()))
            .then(State(UNDO, "Failed"), Create(image("web", json!({}))))
            .ends("web", &["Succeeded"])
            .ends(UNDO, &["Failed"])
            .because("SourceNotFound"),
        Scenario::new("rollback-of-a-recreated-task", image("web", json!({})))
            .then(
                Field("web", "/status/restore/done", true.into()),
                Delete("web"),
            )
            .then(Gone("web"), Create(undo()))
            .then(Now, Create(image("web", json!({"batches": 1}))))
            .ends("web", &["Succeeded"])
            .ends(UNDO, &["Failed"]),
        Scenario::new(
            "planned-text-changed",
            script_from_config_map("web", plan_only()),
        )
        .first(Create(config_map("restart new", "restart old")))
        .then(
            State("web", "Planned"),
            Change("configmaps/scripts", changed),
        )
        .then(Now, Edit("web", json!({"desiredState": "Run"})))
        .then(
            State("web", "Blocked"),
            Change("configmaps/scripts", as_planned),
        )
        .then(State("web", "Running"), Wait)
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "blocked-for-too-long",
            image(
                "web",
                json!({"startingDeadlineSeconds": 120, "update": {"image": {"imageId": "m-none"}}}),
            ),
        )
        .ends("web", &["Failed"])
        .because("StartingDeadlineExceeded"),
    ]
}
