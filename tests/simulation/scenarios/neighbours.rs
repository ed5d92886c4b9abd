//! What else is at work on the group, and rights that come and go under a run.

use serde_json::{Value, json};

use super::{another_active, omit, suspended_first, tags_denied};
use crate::scenario::{
    Act::{Annotate, Wait},
    GROUP, OLD_IMAGE, Scenario,
    When::{Later, Paused, State},
    group, image, script, with,
};

/// From the first time that the execution waits, for so many seconds.
fn from_the_pause(seconds: u32, mut fault: Value) -> Value {
    fault["count"] = 0.into();
    fault["forSeconds"] = seconds.into();
    json!({"events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"fault": fault}}]})
}

/// The group with an instance refresh that was there before.
fn refresh(status: &str, seconds_left: u32) -> Value {
    let refresh = json!([{
        "instanceRefreshTaskId": "ir-1", "status": status, "secondsLeft": seconds_left,
    }]);
    let web = with(group(GROUP, 4), json!({"instanceRefreshes": refresh}));
    json!({"scalingGroups": [web]})
}

pub fn all() -> Vec<Scenario> {
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
