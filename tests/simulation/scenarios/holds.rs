//! What holds a batch besides a person: soaks, checks and windows.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::neighbours::refresh;
use crate::scenario::{
    Act::{self, Annotate, Change, Console, Create, Delete, Edit, Wait},
    GROUP, Scenario,
    When::{Field, Later, Paused, Stalled, State},
    attached, group, image, object, rule_that_becomes, script, with,
};
use crate::world::{OPERATOR, REGION, begin};

/// Of one instance each: however a cloud divides them, there is none that is empty.
fn soaking(more: Value) -> Value {
    with(json!({"batches": 4, "gates": {"soakSeconds": 90}}), more)
}

/// Open from so many seconds after the beginning, and for so many.
fn open(from: i64, seconds: i64) -> Value {
    span("Allow", from, seconds)
}

fn span(kind: &str, from: i64, seconds: i64) -> Value {
    let at = |second| (begin() + SignedDuration::from_secs(second)).to_string();
    json!({"kind": kind, "reason": "patches", "start": at(from), "end": at(from + seconds)})
}

/// What a person does to the group in the console.
fn of_group(action: &'static str) -> Act {
    Console {
        of: "web",
        service: "ESS",
        action,
        params: json!({"RegionId": REGION, "ScalingGroupId": GROUP}),
    }
}

/// A window that several objects share.
fn shared(name: &str, spec: Value) -> Value {
    object("MaintenanceWindow", name, spec)
}

/// MaintenanceWindows: those that select an update, those that it names, and what people do to them meanwhile.
fn shared_windows() -> Vec<Scenario> {
    let two = |more: Value| with(json!({"batches": 2, "finishBy": "Off"}), more);
    let freeze = || shared("sale", span("Freeze", 20, 900));
    vec![
        Scenario::new("selected-before-its-window", script("web", two(json!({}))))
            .first(Create(shared("nights", open(300, 3600))))
            .ends("web", &["Succeeded"]),
        // Whether it is for this group is asked of the cloud, and what is not known lets nothing begin.
        Scenario::new(
            "selected-by-the-tags-of-its-group",
            image("web", two(json!({}))),
        )
        .cloud(json!({"scalingGroups": [with(group(GROUP, 4), json!({"tags": {"env": "prod"}}))]}))
        .first(Create(shared(
            "nights",
            with(
                open(300, 3600),
                json!({"selector": {"groups": {"tags": {"env": "prod"}}}}),
            ),
        )))
        .ends("web", &["Succeeded"]),
        // It would wait for an hour; somebody thinks better of it.
        Scenario::new("freeze-ends-early", image("web", two(json!({}))))
            .first(Create(shared("sale", span("Freeze", 20, 3000))))
            .then(
                State("web", "BatchHeld"),
                Change(
                    "maintenancewindows/sale",
                    json!({"spec": {"end": "2026-01-05T08:05:00Z"}}),
                ),
            )
            .ends("web", &["Succeeded"]),
        // It cannot wait for an hour, and somebody who may says so: before the start, and of its own window in a pause.
        Scenario::new("freeze-is-overridden", image("web", two(json!({}))))
            .first(Create(shared("sale", span("Freeze", 0, 3000))))
            .then(Later(30), Annotate("web", "override-window", "sale@1"))
            .ends("web", &["Succeeded"]),
        // The other one still holds it.
        Scenario::new("one-of-two-is-overridden", image("web", two(json!({}))))
            .first(Create(shared("nights", open(600, 3000))))
            .first(Create(shared("sale", span("Freeze", 0, 3000))))
            .then(Later(30), Annotate("web", "override-window", "sale@1"))
            .ends("web", &["Succeeded"]),
        // Whoever has no window does not wait for it.
        Scenario::new(
            "another-is-next-while-it-waits-for-its-window",
            script("web", two(json!({"window": open(7200, 3600)}))),
        )
        .then(Later(30), Create(script("next", two(json!({})))))
        .then(State("next", "Succeeded"), Delete("web"))
        .in_order(&["next", "web"])
        .ends("web", &["Gone"])
        .ends("next", &["Succeeded"]),
        // It has a place in the queue of its group, until its window closes.
        Scenario::new(
            "its-window-closes-while-it-waits-for-the-group",
            script("web", two(json!({"window": span("Freeze", 60, 7200)}))),
        )
        .cloud(refresh("InProgress", 93))
        .then(Later(30), Create(script("next", two(json!({})))))
        .then(State("next", "Succeeded"), Delete("web"))
        .in_order(&["next", "web"])
        .ends("web", &["Gone"])
        .ends("next", &["Succeeded"]),
        Scenario::new(
            "overridden-in-a-pause",
            script("web", two(json!({"window": span("Freeze", 20, 3000)}))),
        )
        .then(
            State("web", "BatchHeld"),
            Annotate("web", "override-window", "all@1"),
        )
        .ends("web", &["Succeeded"]),
        Scenario::new("freeze-is-deleted", script("web", two(json!({}))))
            .first(Create(shared("sale", span("Freeze", 5, 3000))))
            .then(State("web", "BatchHeld"), Delete("maintenancewindows/sale"))
            .ends("web", &["Succeeded"]),
        // What a person says is for the pause; when the next batch may begin is for the window.
        Scenario::new(
            "continued-while-its-window-is-closed",
            script(
                "web",
                two(json!({
                    "suspensionPolicy": "SuspendFirstBatch",
                    "window": {"schedule": "*/30 * * * *", "durationMinutes": 10, "timeZone": "UTC"},
                })),
            ),
        )
        .then(Paused("web", 1), Wait)
        .then(Later(900), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        // Its own window opens early, the one that it names late.
        Scenario::new(
            "named-and-its-own",
            script(
                "web",
                two(json!({"windowRefs": ["nights"], "window": open(60, 3600)})),
            ),
        )
        .then(Later(30), Create(shared("nights", open(240, 3600))))
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "named-and-not-there",
            script("web", two(json!({"windowRefs": ["nights"]}))),
        )
        .then(
            State("web", "Blocked"),
            Create(shared("nights", open(0, 7200))),
        )
        .then(State("web", "Running"), Delete("maintenancewindows/nights"))
        // In the pause or, where the start did not come about before it was deleted, before that.
        .then(Later(60), Create(shared("nights", open(0, 7200))))
        .ends("web", &["Succeeded"]),
        // Nothing can be made of it, until somebody mends it.
        Scenario::new(
            "selected-by-what-nobody-can-read",
            script("web", two(json!({}))),
        )
        .first(Create(shared(
            "weekly",
            json!({"schedule": "0 22 * * 9", "durationMinutes": 60, "timeZone": "UTC"}),
        )))
        .then(
            Stalled("web", "WindowUnreadable"),
            Change(
                "maintenancewindows/weekly",
                json!({"spec": {"schedule": "0 * * * *"}}),
            ),
        )
        .ends("web", &["Succeeded"]),
        // No batch fits into a minute: that is said before it opens, and somebody makes it longer and earlier.
        Scenario::new(
            "selected-by-what-is-too-short",
            script("web", json!({"batches": 2})),
        )
        .first(Create(shared("nights", open(5400, 60))))
        .then(
            Stalled("web", "WindowTooShort"),
            Change(
                "maintenancewindows/nights",
                json!({"spec": {"start": "2026-01-05T08:15:00Z", "end": "2026-01-05T12:00:00Z"}}),
            ),
        )
        .ends("web", &["Succeeded"]),
        // It came too late for this one, and holds the next.
        Scenario::new("freeze-after-the-start", image("web", two(json!({}))))
            .then(State("web", "Running"), Create(freeze()))
            .then(
                State("web", "Succeeded"),
                Create(script("next", two(json!({})))),
            )
            .ends("web", &["Succeeded"])
            .ends("next", &["Succeeded"]),
        // What was decided before the freeze did not come about: it does not in the freeze.
        Scenario::new("freeze-before-the-start-came-about", image("web", two(json!({}))))
            .cloud(json!({"faults": [{
                "service": "OOS", "action": "StartExecution", "principal": OPERATOR, "count": 0, "forSeconds": 300,
                "effect": {"kind": "lostBefore"},
            }]}))
            .then(Later(3), Create(freeze()))
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "rolled-back-in-a-freeze",
            image("web", json!({"batches": 1})),
        )
        .then(
            State("web", "Succeeded"),
            Create(shared("sale", span("Freeze", 0, 7200))),
        )
        .then(
            Later(10),
            Create(object(
                "Rollback",
                "back",
                json!({"taskRef": {"name": "web"}, "batches": 2}),
            )),
        )
        .ends("web", &["Succeeded"])
        .ends("rollbacks/back", &["Succeeded"]),
    ]
}

fn gates(more: Value) -> Value {
    json!({"batches": 4, "gates": with(json!({"soakSeconds": 60, "alarms": {"ruleIds": ["rule-web"]}}), more)})
}

/// A rule that is in ALARM so many seconds after an execution first has this status.
fn alarmed_after(status: &str, seconds: u32) -> Value {
    json!({
        "metricRules": [{"ruleId": "rule-web", "state": "OK"}],
        "events": [{
            "when": {"execution": {"status": status}}, "delaySeconds": seconds,
            "do": {"alarmState": {"id": "rule-web", "state": "ALARM"}},
        }],
    })
}

/// Checks of alarms.
fn gated() -> Vec<Scenario> {
    let doubtful = json!({"metricRules": [{"ruleId": "rule-web", "state": "OK", "states": [
        {"afterSeconds": 60, "state": "INSUFFICIENT_DATA"}, {"afterSeconds": 400, "state": "OK"},
    ]}]});
    let undoes_itself = || {
        let gates = gates(json!({"onFailed": "Rollback", "intervalSeconds": 15}));
        image("web", gates)
    };
    let mut group_of_rules = crate::scenario::group(crate::scenario::GROUP, 4);
    group_of_rules["monitorGroupId"] = json!("7301");
    vec![
        Scenario::new("gated", script("web", gates(json!({}))))
            .cloud(rule_that_becomes("OK"))
            .ends("web", &["Succeeded"]),
        // A person looks at it, and says go on, in each pause.
        Scenario::new("gated-and-alarmed", image("web", gates(json!({}))))
            .cloud(rule_that_becomes("ALARM"))
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .then(Paused("web", 2), Annotate("web", "continue", "2"))
            .then(Paused("web", 3), Annotate("web", "continue", "3"))
            .ends("web", &["Succeeded"]),
        // It has it checked again, too early, and once more.
        Scenario::new("gated-and-retried", script("web", gates(json!({}))))
            .cloud(json!({"metricRules": [{"ruleId": "rule-web", "state": "OK", "states": [
                {"afterSeconds": 60, "state": "ALARM"}, {"afterSeconds": 400, "state": "OK"},
            ]}]}))
            .then(State("web", "BatchSuspended"), Annotate("web", "retry-gate", "again"))
            .then(Later(500), Annotate("web", "retry-gate", "once-more"))
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "gated-and-alarmed-and-cancelled",
            image("web", gates(json!({"onFailed": "Cancel"}))),
        )
        .cloud(rule_that_becomes("ALARM"))
        .ends("web", &["Cancelled"]),
        Scenario::new("gated-without-data", script("web", gates(json!({}))))
            .cloud(doubtful)
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "gated-by-the-group",
            script(
                "web",
                gates(json!({"alarms": {"ruleIds": null, "fromScalingGroup": true}, "onInconclusive": "Fail", "timeoutSeconds": 60, "onFailed": "Cancel"})),
            ),
        )
        .cloud(rule_that_becomes("INSUFFICIENT_DATA"))
        .cloud(json!({
            "scalingGroups": [group_of_rules],
            "metricRules": [{"ruleId": "rule-web", "groupId": "7301"}],
            "alarms": [{"alarmTaskId": "asg-alarm-1", "scalingGroupId": crate::scenario::GROUP}],
        }))
        .ends("web", &["Cancelled"]),
        // A rule that is well when the update begins, in the interval in which the batch ends, and is not then.
        Scenario::new(
            "gated-in-one-interval-and-cancelled",
            script(
                "web",
                gates(json!({"onFailed": "Cancel", "intervalSeconds": 600, "consecutivePasses": 1, "soakSeconds": 30})),
            ),
        )
        .cloud(rule_that_becomes("ALARM"))
        .one_fault()
        .ends("web", &["Cancelled"]),
        // Well for two and a half minutes, and it has to be for three.
        Scenario::new(
            "gated-until-it-has-been-well-often-enough",
            script(
                "web",
                with(
                    gates(json!({"onFailed": "Cancel", "intervalSeconds": 60, "consecutivePasses": 4, "soakSeconds": null})),
                    json!({"batches": 2}),
                ),
            ),
        )
        .cloud(alarmed_after("Waiting", 150))
        .ends("web", &["Cancelled"]),
        // All was well when they were asked last. A person lets it go on by a level, and does not know what it is since.
        Scenario::new(
            "gated-and-well-long-ago",
            script(
                "web",
                with(
                    gates(json!({"onFailed": "Cancel"})),
                    json!({"suspensionPolicy": "SuspendFirstBatch"}),
                ),
            ),
        )
        .cloud(alarmed_after("Waiting", 300))
        .then(Paused("web", 1), Wait)
        .then(Later(700), Edit("web", json!({"approvedBatches": 2})))
        .ends("web", &["Cancelled"]),
        // The rollback that the operator creates takes the group over from the pause.
        Scenario::new(
            "gated-and-rolled-back",
            image("web", gates(json!({"onFailed": "Rollback"}))),
        )
        .cloud(rule_that_becomes("ALARM"))
        .ends("web", &["Cancelled"])
        .ends("rollbacks/web-rollback-*", &["Succeeded"]),
        // It waits for the end of the update, which is cancelled in the middle of a batch.
        Scenario::new(
            "gated-and-rolled-back-in-a-batch",
            undoes_itself(),
        )
        .cloud(alarmed_after("Running", 20))
        .ends("web", &["Cancelled"])
        .ends("rollbacks/web-rollback-*", &["Succeeded"]),
        // Somebody cancels it in the moment in which the alarm goes off.
        Scenario::new(
            "gated-and-cancelled-beside-an-alarm",
            undoes_itself(),
        )
        .cloud(alarmed_after("Running", 20))
        .then(State("web", "Running"), Wait)
        .then(Later(28), Annotate("web", "cancel", "enough"))
        .ends("web", &["Cancelled"]),
        // Whoever deletes the rollback does not want it.
        Scenario::new(
            "gated-and-its-rollback-deleted",
            undoes_itself(),
        )
        .cloud(alarmed_after("Running", 20))
        .then(
            State("rollbacks/web-rollback-*", "Pending"),
            Delete("rollbacks/web-rollback-*"),
        )
        // In a pause it is not cancelled, and goes on if somebody says so.
        .ends("web", &["Cancelled", "Succeeded"])
        .ends("rollbacks/web-rollback-*", &["Gone"]),
        // An update that has succeeded is undone because of what the last soak shows.
        Scenario::new(
            "gated-and-rolled-back-at-the-end",
            image(
                "web",
                gates(json!({"onFailed": "Rollback", "finalSoakSeconds": 200, "soakSeconds": null})),
            ),
        )
        .cloud(alarmed_after("Success", 60))
        .ends("web", &["Succeeded"])
        .ends("rollbacks/web-rollback-*", &["Succeeded"]),
        // An alarm in the last soak: it is not Verified.
        Scenario::new(
            "gated-and-watched-to-the-end",
            script("web", gates(json!({"finalSoakSeconds": 200, "soakSeconds": null}))),
        )
        .cloud(alarmed_after("Success", 60))
        .ends("web", &["Succeeded"]),
        Scenario::new("gated-on-the-way-back", image("web", json!({"batches": 1})))
            .cloud(rule_that_becomes("OK"))
            .then(
                State("web", "Succeeded"),
                Create(object(
                    "Rollback",
                    "back",
                    with(gates(json!({})), json!({"taskRef": {"name": "web"}})),
                )),
            )
            .ends("web", &["Succeeded"])
            .ends("rollbacks/back", &["Succeeded"]),
    ]
}

/// Measurements and webhooks, at endpoints that say what the alert rule does which the query names.
fn measured() -> Vec<Scenario> {
    let metric =
        json!([{"name": "errors", "source": "prod", "query": "rule-web", "failAbove": "0.5"}]);
    let webhook = json!([{"name": "smoke", "target": "qa"}]);
    let asks = |more: Value| json!({"batches": 4, "gates": with(json!({"soakSeconds": 60}), more)});
    vec![
        Scenario::new(
            "measured",
            script("web", asks(json!({"metrics": metric, "webhooks": webhook}))),
        )
        .cloud(rule_that_becomes("OK"))
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "measured-and-unwell-and-cancelled",
            image(
                "web",
                asks(json!({"metrics": metric, "onFailed": "Cancel"})),
            ),
        )
        .cloud(rule_that_becomes("ALARM"))
        .ends("web", &["Cancelled"]),
        // What has to be less is not, and nothing is said of what is too much.
        Scenario::new(
            "measured-and-not-passed-and-cancelled",
            script(
                "web",
                asks(json!({
                    "metrics": [{"name": "errors", "source": "prod", "query": "rule-web", "passBelow": "0.5"}],
                    "onFailed": "Cancel",
                })),
            ),
        )
        .cloud(rule_that_becomes("ALARM"))
        .ends("web", &["Cancelled"]),
        // A rule that is well when the update begins, in the interval in which the batch ends, and is not then.
        Scenario::new(
            "measured-in-one-interval-and-cancelled",
            script(
                "web",
                asks(json!({"metrics": metric, "onFailed": "Cancel", "intervalSeconds": 600, "consecutivePasses": 1})),
            ),
        )
        .cloud(rule_that_becomes("ALARM"))
        .one_fault()
        .ends("web", &["Cancelled"]),
        Scenario::new(
            "measured-of-a-part",
            script(
                "web",
                asks(json!({
                    "metrics": [with(metric[0].clone(), json!({"query": "rule-web of a part"}))],
                    "onInconclusive": "Fail", "timeoutSeconds": 60, "onFailed": "Cancel",
                })),
            ),
        )
        .cloud(rule_that_becomes("OK"))
        .ends("web", &["Cancelled"]),
        Scenario::new(
            "asked-and-unwell-and-cancelled",
            script(
                "web",
                asks(json!({"webhooks": webhook, "onFailed": "Cancel"})),
            ),
        )
        .cloud(rule_that_becomes("ALARM"))
        .ends("web", &["Cancelled"]),
        Scenario::new(
            "asked-and-unwell",
            script("web", asks(json!({"webhooks": webhook}))),
        )
        .cloud(rule_that_becomes("ALARM"))
        .then(Paused("web", 1), Annotate("web", "continue", "1"))
        .then(Paused("web", 2), Annotate("web", "continue", "2"))
        .then(Paused("web", 3), Annotate("web", "continue", "3"))
        .ends("web", &["Succeeded"]),
    ]
}

/// Checks of load balancers.
fn balanced() -> Vec<Scenario> {
    let gates =
        |gates: Value| json!({"batches": 4, "gates": with(json!({"loadBalancer": {}}), gates)});
    let unhealthy = json!({"instance": "i-web-02", "attempt": 1, "status": "abnormal", "loadBalancer": "alb-*"});
    let strict = json!({"onInconclusive": "Fail", "timeoutSeconds": 60, "onFailed": "Cancel"});
    let for_a_minute = with(
        unhealthy.clone(),
        json!({"forSeconds": 60, "loadBalancer": "lb-web"}),
    );
    let last_for_a_while = with(
        unhealthy.clone(),
        json!({"forSeconds": 60, "instance": "i-web-04"}),
    );
    vec![
        Scenario::new("balanced", script("web", gates(json!({}))))
            .cloud(attached(json!([for_a_minute])))
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "balanced-and-unhealthy",
            image(
                "web",
                gates(json!({"loadBalancer": {"gracePeriodSeconds": 60}})),
            ),
        )
        .cloud(attached(json!([unhealthy])))
        .then(Paused("web", 2), Annotate("web", "continue", "2"))
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "balanced-and-unhealthy-and-cancelled",
            script(
                "web",
                gates(json!({"onFailed": "Cancel", "loadBalancer": {"scope": "Group"}})),
            ),
        )
        .cloud(attached(json!([unhealthy])))
        .ends("web", &["Cancelled"]),
        // For two looks the group lists nobody in service: that is not that all of them are healthy.
        Scenario::new(
            "balanced-and-nobody-is-listed",
            script(
                "web",
                gates(json!({"onFailed": "Cancel", "loadBalancer": {"scope": "Group"}})),
            ),
        )
        .cloud(with(
            attached(json!([unhealthy])),
            json!({"faults": [{
                "service": "ESS", "action": "DescribeScalingInstances", "principal": OPERATOR, "count": 0,
                "afterSeconds": 121, "forSeconds": 80,
                "effect": {"kind": "omit", "entries": ["*"]},
            }]}),
        ))
        .ends("web", &["Cancelled"]),
        // All are healthy when it begins, in the interval in which the batch ends.
        Scenario::new(
            "balanced-in-one-interval-and-cancelled",
            script(
                "web",
                gates(json!({
                    "onFailed": "Cancel", "intervalSeconds": 600, "consecutivePasses": 1,
                    "loadBalancer": {"gracePeriodSeconds": 0},
                })),
            ),
        )
        .cloud(attached(json!([unhealthy])))
        // What is not shown yet, or not understood, is not looked for again in that interval.
        .fresh_reads()
        .one_fault()
        .ends("web", &["Cancelled"]),
        // Somebody has the load balancer send no requests to an instance of the batch.
        Scenario::new(
            "balanced-and-weight-nought",
            script("web", gates(strict.clone())),
        )
        .cloud(attached(json!([])))
        .then(
            Paused("web", 1),
            Console {
                of: "web",
                service: "SLB",
                action: "SetBackendServers",
                params: json!({
                    "RegionId": REGION, "LoadBalancerId": "lb-web",
                    "BackendServers": json!([{"ServerId": "i-web-01", "Weight": "0"}]).to_string(),
                }),
            },
        )
        .ends("web", &["Cancelled"]),
        // Nothing says how those are to which no listener forwards.
        Scenario::new("balanced-and-no-listener", script("web", gates(strict)))
            .cloud(attached(json!([])))
            .cloud(json!({"loadBalancers": [{"loadBalancerId": "lb-web", "listeners": []}]}))
            .ends("web", &["Cancelled"]),
        // No check is asked for.
        Scenario::new("balanced-unasked", script("web", json!({"batches": 2})))
            .cloud(attached(json!([last_for_a_while])))
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "balanced-unasked-and-unhealthy",
            image("web", json!({"batches": 2})),
        )
        .cloud(attached(json!([unhealthy])))
        .ends("web", &["Succeeded"]),
    ]
}

pub fn all() -> Vec<Scenario> {
    let mut all = held();
    all.extend(gated());
    all.extend(shared_windows());
    all.extend(measured());
    all.extend(balanced());
    all.extend(thawed());
    all
}

/// The group scales while the update waits after a batch.
fn thawed() -> Vec<Scenario> {
    let waits = |more: Value| {
        with(
            json!({"suspensionPolicy": "SuspendFirstBatch", "batches": 2, "thawWhilePaused": true}),
            more,
        )
    };
    let scales = || Field("web", "/status/thaw/state", "Resumed".into());
    let execution =
        json!({"RegionId": REGION, "ExecutionId": "$execution", "NotifyType": "Approve"});
    vec![
        // Of one instance each: however a cloud divides them, there is none that is empty.
        Scenario::new(
            "thawed",
            image("web", waits(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}))),
        )
        .then(scales(), Annotate("web", "continue", "1"))
        .then(Paused("web", 2), Wait)
        .then(Later(200), Annotate("web", "continue", "2"))
        .then(Paused("web", 3), Annotate("web", "continue", "3"))
        .ends("web", &["Succeeded"]),
        // Somebody wants one of them to run from now on.
        Scenario::new("thawed-and-one-was-resumed", script("web", waits(json!({}))))
            .then(
                Paused("web", 1),
                Console {
                    of: "web",
                    service: "ESS",
                    action: "ResumeProcesses",
                    params: json!({"RegionId": REGION, "ScalingGroupId": GROUP, "Processes": ["HealthCheck"]}),
                },
            )
            .then(scales(), Annotate("web", "continue", "1"))
            .ends("web", &["Succeeded"]),
        // Continued when the first call has just been made.
        Scenario::new("thawed-and-left-at-once", script("web", waits(json!({}))))
            .then(Paused("web", 1), Wait)
            .then(Later(122), Annotate("web", "continue", "1"))
            .ends("web", &["Succeeded"]),
        // What ESS shows is from before the first call, when all were suspended.
        Scenario::new(
            "thawed-and-left-at-once-and-reads-are-behind",
            script("web", waits(json!({}))),
        )
        .cloud(json!({"switches": {"readLagSeconds": 12}}))
        .then(Paused("web", 1), Wait)
        .then(Later(122), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "thawed-in-a-soak",
            script("web", json!({"batches": 2, "thawWhilePaused": true, "gates": {"soakSeconds": 400}})),
        )
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "thawed-after-too-long",
            image(
                "web",
                waits(json!({"thawWhilePaused": null, "maxFrozenSeconds": 300, "onFrozenTooLong": "Thaw"})),
            ),
        )
        .then(scales(), Edit("web", json!({"approvedBatches": 3})))
        .ends("web", &["Succeeded"]),
        Scenario::new("thawed-and-cancelled", image("web", waits(json!({}))))
            .then(scales(), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        Scenario::new(
            "thawed-and-continued-elsewhere",
            script("web", waits(json!({}))),
        )
        .then(
            scales(),
            Console {
                of: "web",
                service: "OOS",
                action: "NotifyExecution",
                params: execution,
            },
        )
        .ends("web", &["Succeeded"]),
        // The rollback takes over a group that scales.
        Scenario::new(
            "thawed-and-rolled-back",
            image(
                "web",
                with(
                    gates(json!({"onFailed": "Rollback", "soakSeconds": 600})),
                    json!({"thawWhilePaused": true, "batches": 2}),
                ),
            ),
        )
        .cloud(json!({
            "metricRules": [{"ruleId": "rule-web", "state": "OK", "states": [{"afterSeconds": 420, "state": "ALARM"}]}],
        }))
        .ends("web", &["Cancelled"])
        .ends("rollbacks/web-rollback-*", &["Succeeded"]),
    ]
}

fn held() -> Vec<Scenario> {
    let each = || json!({"suspensionPolicy": "SuspendEachBatch"});
    vec![
        Scenario::new("soaking", script("web", soaking(json!({})))).ends("web", &["Succeeded"]),
        Scenario::new("soaking-and-a-person", image("web", soaking(each())))
            .then(Paused("web", 1), Edit("web", json!({"approvedBatches": 3})))
            .then(Paused("web", 3), Annotate("web", "continue", "3"))
            .ends("web", &["Succeeded"]),
        // Whoever looks at it does not wait for the soak.
        Scenario::new(
            "soak-cut-short",
            script("web", with(soaking(json!({})), json!({"gates": {"soakSeconds": 600}}))),
        )
        .then(State("web", "BatchHeld"), Annotate("web", "continue", "1"))
        .then(Paused("web", 3), Annotate("web", "continue", "3"))
        .ends("web", &["Succeeded"]),
        Scenario::new("soaking-and-cancelled", script("web", soaking(json!({}))))
            .then(State("web", "BatchHeld"), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        Scenario::new("soaking-on-the-way-back", image("web", json!({"batches": 1})))
            .then(
                State("web", "Succeeded"),
                Create(object(
                    "Rollback",
                    "back",
                    soaking(json!({"taskRef": {"name": "web"}, "batches": 4})),
                )),
            )
            .ends("web", &["Succeeded"])
            .ends("rollbacks/back", &["Succeeded"]),
        Scenario::new(
            "before-its-window",
            script("web", json!({"batches": 2, "window": open(300, 3600)})),
        )
        .ends("web", &["Succeeded"]),
        // What stands against it is said and mended before its window opens.
        Scenario::new(
            "blocked-before-its-window",
            script("web", json!({"batches": 2, "window": open(600, 7200)})),
        )
        .first(of_group("DisableScalingGroup"))
        .then(State("web", "Blocked"), of_group("EnableScalingGroup"))
        .ends("web", &["Succeeded"]),
        // That it is mended is said long before, too.
        Scenario::new(
            "mended-long-before-its-window",
            script("web", json!({"batches": 2, "window": open(7200, 7200)})),
        )
        .first(of_group("DisableScalingGroup"))
        .then(State("web", "Blocked"), of_group("EnableScalingGroup"))
        .then(State("web", "Pending"), Delete("web"))
        .ends("web", &["Gone"]),
        // It is said long before, while there is time to mend it.
        Scenario::new(
            "blocked-long-before-its-window",
            script("web", json!({"batches": 2, "window": open(7200, 7200)})),
        )
        .first(of_group("DisableScalingGroup"))
        .then(State("web", "Blocked"), Delete("web"))
        .ends("web", &["Gone"]),
        // Five minutes of each ten; what does not fit goes on in the next, and others go first meanwhile.
        Scenario::new(
            "in-its-windows",
            script(
                "web",
                soaking(json!({
                    "window": {"schedule": "2,12,22,32,42,52 * * * *", "durationMinutes": 5, "timeZone": "UTC"}, "finishBy": "BestEffort",
                    "gates": {"soakSeconds": 200},
                })),
            ),
        )
        .then(
            State("web", "Pending"),
            Create(script("next", json!({"batches": 1}))),
        )
        .ends("web", &["Succeeded"])
        .ends("next", &["Succeeded"]),
        Scenario::new(
            "frozen-meanwhile",
            image(
                "web",
                json!({"batches": 2, "window": span("Freeze", 20, 900), "finishBy": "Off"}),
            ),
        )
        .ends("web", &["Succeeded"]),
        // Nobody comes, and the group has to scale again.
        Scenario::new(
            "frozen-for-too-long",
            image(
                "web",
                with(each(), json!({"maxFrozenSeconds": 300, "onFrozenTooLong": "Cancel"})),
            ),
        )
        .then(State("web", "Cancelled"), Wait)
        .ends("web", &["Cancelled"]),
        // Its batch takes longer than the group may stand still, and it is not because of a pause that it does.
        Scenario::new(
            "busy-for-longer-than-it-may-be-frozen",
            image(
                "web",
                json!({"batches": 1, "maxFrozenSeconds": 300, "onFrozenTooLong": "Cancel"}),
            ),
        )
        .cloud(json!({"durations": {"replaceSystemDisk": 400}}))
        .ends("web", &["Succeeded"]),
        // A request is kept until it opens.
        Scenario::new(
            "asked-while-it-is-closed",
            script(
                "web",
                with(
                    each(),
                    json!({"batches": 2, "window": span("Freeze", 20, 900), "finishBy": "Off", "approvedBatches": 3}),
                ),
            ),
        )
        .then(State("web", "BatchHeld"), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "missed-its-window",
            script(
                "web",
                json!({"window": open(1800, 3600), "notAfter": "2026-01-05T08:10:00Z"}),
            ),
        )
        .then(State("web", "Failed"), Wait)
        .ends("web", &["Failed"]),
    ]
}
