//! What else is at work on the group, and rights that come and go under a run.

use serde_json::{Value, json};

use super::{another_active, omit, suspended_first, tags_denied};
use crate::scenario::{
    Act::{self, Annotate, Console, Wait},
    GROUP, OLD_IMAGE, Scenario,
    When::{Later, Paused, State},
    group, image, script, with,
};
use crate::world::REGION;

/// From the first time that the execution waits, for so many seconds.
fn from_the_pause(seconds: u32, mut fault: Value) -> Value {
    fault["count"] = 0.into();
    fault["forSeconds"] = seconds.into();
    json!({"events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"fault": fault}}]})
}

/// The group with an instance refresh that was there before.
pub(super) fn refresh(status: &str, seconds_left: u32) -> Value {
    let refresh = json!([{
        "instanceRefreshTaskId": "ir-1", "status": status, "secondsLeft": seconds_left,
    }]);
    let web = with(group(GROUP, 4), json!({"instanceRefreshes": refresh}));
    json!({"scalingGroups": [web]})
}

/// Another rolling update of the group begins, which looks at nothing of ours: of the console, or of the operator of another cluster.
fn another_begins(pauses: &str, tags: Value) -> Act {
    let processes = ["ScaleIn", "ScaleOut", "HealthCheck", "AlarmNotification"];
    let parameters = json!({
        "scalingGroupId": GROUP, "batchNumber": 2, "batchPauseOption": pauses, "commandType": "RunShellScript",
        "invokeScript": "systemctl restart other", "invokeType": "invoke", "rollbackScript": "", "lifecycleState": ["InService"],
        "enterProcess": processes, "exitProcess": processes, "OOSAssumeRole": "",
    });
    Console {
        of: "web",
        service: "OOS",
        action: "StartExecution",
        params: json!({
            "RegionId": REGION, "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Mode": "Automatic",
            "Parameters": parameters.to_string(), "Tags": tags.to_string(),
        }),
    }
}

/// Tags as the operator of another cluster sets them.
fn of_another_cluster() -> Value {
    json!({
        "managed-by": "ess-rollout", "scaling_group": GROUP, "ess-rollout/task": "shop/web",
        "ess-rollout/uid": "11111111-0000-4000-8000-000000000001",
    })
}

/// Rolling updates of others that begin while ours is under way: both suspend processes and move instances, and neither knows
/// what the other has done.
fn beside_others() -> Vec<Scenario> {
    let theirs = [
        "ScaleIn",
        "ScaleOut",
        "HealthCheck",
        "AlarmNotification",
        "ScheduledAction",
        "i-web-01",
        "i-web-02",
        "i-web-03",
        "i-web-04",
    ];
    let beside = |name, object: Value, other: Act| {
        Scenario::new(name, object)
            .then(Paused("web", 1), other)
            .whenever(
                State("web", "FailureSuspended"),
                Annotate("web", "retry", "failed@again-$n"),
            )
            .others_change(&theirs)
    };
    let first = || suspended_first(json!({}));
    vec![
        // One after the other, by chance.
        beside(
            "another-begins-in-the-pause",
            image("web", first()),
            another_begins("Automatic", json!({})),
        )
        .then(Later(300), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        // Both at once.
        beside(
            "another-begins-and-both-go-on",
            script("web", first()),
            another_begins("Automatic", of_another_cluster()),
        )
        .then(Later(1), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        // The group is put back when the other one has ended, and not before.
        beside(
            "another-begins-and-ours-is-cancelled",
            image("web", first()),
            another_begins("Automatic", of_another_cluster()),
        )
        .then(Later(1), Annotate("web", "cancel", "enough"))
        .ends("web", &["Cancelled"]),
    ]
}

pub fn all() -> Vec<Scenario> {
    let mut all = beside_others();
    all.extend(alone());
    all
}

fn alone() -> Vec<Scenario> {
    let continued = |name, object| {
        Scenario::new(name, object).then(Paused("web", 1), Annotate("web", "continue", "1"))
    };
    vec![
        // Longer than an execution is looked for before it counts as gone.
        continued(
            "run-left-out-of-lists",
            image("web", suspended_first(json!({}))),
        )
        .cloud(from_the_pause(90, omit("ListExecutions", &["*"])))
        .ends("web", &["Succeeded"]),
        continued(
            "instances-left-out-of-lists",
            image("web", suspended_first(json!({}))),
        )
        .cloud(from_the_pause(
            600,
            omit("DescribeScalingInstances", &["*"]),
        ))
        .leaves_out()
        .ends("web", &["Succeeded"]),
        continued(
            "may-not-notify-for-a-while",
            script("web", suspended_first(json!({}))),
        )
        .cloud(from_the_pause(
            300,
            json!({"service": "OOS", "action": "NotifyExecution", "effect": {"kind": "deny"}}),
        ))
        .ends("web", &["Succeeded"]),
        // The run cannot mark what it has updated: it fails after its loop, and a person gives it up.
        Scenario::new("tags-denied", image("web", json!({})))
            .cloud(json!({"faults": [tags_denied()]}))
            .then(
                State("web", "FailureSuspended"),
                Annotate("web", "cancel", "untagged"),
            )
            .ends("web", &["Cancelled"]),
        continued(
            "others-change-the-configuration",
            image("web", suspended_first(json!({}))),
        )
        .cloud(with(
            another_active("asc-third", "m-v3"),
            json!({"images": [{"imageId": OLD_IMAGE}, {"imageId": "m-v2"}, {"imageId": "m-v3"}]}),
        ))
        .ends("web", &["Succeeded"]),
        Scenario::new("after-an-instance-refresh", image("web", json!({})))
            .cloud(refresh("InProgress", 90))
            .ends("web", &["Succeeded"]),
        // It stays where it is: the update waits until a person gives it up.
        Scenario::new("beside-an-instance-refresh", image("web", json!({})))
            .cloud(refresh("CheckpointPause", 90))
            .then(State("web", "Pending"), Wait)
            .then(Later(60), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
    ]
}
