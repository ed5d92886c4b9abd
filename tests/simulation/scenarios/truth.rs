//! Answers that leave something out, and a cloud that others change under a run: what is said afterwards is how it is.

use serde_json::{Value, json};

use super::{another_active, omit, suspended_first};
use crate::scenario::{
    Act::{Annotate, Create, Wait},
    GROUP, NEW_IMAGE, OLD_IMAGE, Scenario,
    When::{Later, Paused, True},
    group, image, object, script, with,
};
use crate::world::OPERATOR;

/// A task that waits after its first batch.
fn paused(more: Value) -> Value {
    image("web", suspended_first(more))
}

/// From the operator's first CancelExecution on, for so long, or for good.
fn from_the_cancellation(seconds: Option<u32>, mut fault: Value) -> Value {
    fault["count"] = 0.into();
    if let Some(seconds) = seconds {
        fault["forSeconds"] = seconds.into();
    }
    json!({"events": [
        {"when": {"call": {"service": "OOS", "action": "CancelExecution"}}, "do": {"fault": fault}},
    ]})
}

pub fn all() -> Vec<Scenario> {
    let cancelled = |name, more: Value| {
        Scenario::new(name, paused(more))
            .then(Paused("web", 1), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"])
    };
    let returns = || json!({"failedInstancePolicy": "ReturnToService"});
    let not_resumed = || {
        let refused = json!({
            "action": "ResumeProcesses", "principal": OPERATOR,
            "effect": {"kind": "error", "status": 503, "code": "ServiceUnavailable"},
        });
        from_the_cancellation(Some(120), refused)
    };
    let left_out = || {
        let mut web = group(GROUP, 4);
        web["instances"] = json!([
            {"count": 3},
            {"instanceId": "i-web-p", "lifecycleState": "Protected"},
        ]);
        json!({"scalingGroups": [web]})
    };
    vec![
        Scenario::new(
            "another-configuration-with-the-old-image",
            paused(json!({})),
        )
        .cloud(another_active("asc-next", OLD_IMAGE))
        .then(Paused("web", 1), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        Scenario::new(
            "another-configuration-with-the-new-image",
            paused(json!({})),
        )
        .cloud(another_active("asc-next", NEW_IMAGE))
        .then(Paused("web", 1), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
        // Longer than the execution is waited for, and shorter than a group is looked for again.
        cancelled("the-group-is-not-listed-for-a-while", json!({})).cloud(from_the_cancellation(
            Some(60),
            omit("DescribeScalingGroups", &[GROUP]),
        )),
        // Whoever asks for them by their ids is told nothing, and they are there.
        cancelled("the-group-is-not-found-by-its-id", json!({})).cloud(from_the_cancellation(
            None,
            with(
                omit("DescribeScalingGroups", &[GROUP]),
                json!({"params": {"ScalingGroupIds": GROUP}}),
            ),
        ))
        .then(True("web", "Restored"), Wait),
        cancelled("a-configuration-is-not-found-by-its-id", json!({})).cloud(
            from_the_cancellation(
                None,
                with(
                    omit("DescribeScalingConfigurations", &["asc-web"]),
                    json!({"params": {"ScalingConfigurationIds": "asc-web"}}),
                ),
            ),
        )
        .then(True("web", "Restored"), Wait),
        // What is refused for two minutes is tried for longer than that.
        cancelled("the-group-cannot-be-put-back-for-a-while", json!({}))
            .cloud(not_resumed())
            .then(True("web", "Restored"), Wait),
        cancelled("the-group-is-never-listed-again", json!({})).cloud(from_the_cancellation(
            None,
            omit("DescribeScalingGroups", &[GROUP]),
        ))
        .leaves_out(),
        cancelled("an-instance-is-not-listed-for-a-while", returns()).cloud(from_the_cancellation(
            Some(60),
            omit("DescribeScalingInstances", &["i-web-03"]),
        )),
        cancelled("a-configuration-is-not-listed-for-a-while", json!({})).cloud(
            from_the_cancellation(
                Some(60),
                omit("DescribeScalingConfigurations", &["asc-web"]),
            ),
        ),
        cancelled("executions-are-not-listed-for-a-while", json!({})).cloud(from_the_cancellation(
            Some(60),
            omit("ListExecutions", &["*"]),
        )),
        // Not those of STS: an access key belongs to one account for good. Shorter than what is not known there has to be
        // listed nowhere before it is taken for gone: the call to cancel it may be one of those.
        cancelled("executions-of-another-account-for-a-while", json!({})).cloud(
            from_the_cancellation(
                Some(35),
                json!({"service": "OOS", "effect": {"kind": "elsewhere", "accountId": "9999999999999999"}}),
            ),
        ),
        // What is updated in between could not be undone by it.
        cancelled("a-rollback-goes-first", json!({}))
            .cloud(not_resumed())
            .then(Later(20), Create(script("next", json!({"batches": 1}))))
            .then(Later(7), Create(object("Rollback", "undo", json!({"taskRef": {"name": "web"}, "batches": 2}))))
            .in_order(&["web", "rollbacks/undo", "next"])
            // Asked for when the next has begun, where one thing or another was late.
            .ends("rollbacks/undo", &["Succeeded", "Failed"])
            .ends("next", &["Succeeded"]),
        // Neither known nor listed for less time than an effect may take, and running: the next waits for its end.
        Scenario::new("not-known-for-a-moment", script("web", suspended_first(json!({}))))
            .cloud(json!({"events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"fault": {
                "service": "OOS", "principal": OPERATOR, "count": 0, "afterSeconds": 20, "forSeconds": 12,
                "effect": {"kind": "elsewhere", "accountId": "9999999999999999"},
            }}}]}))
            .then(Paused("web", 1), Create(script("next", json!({"batches": 1}))))
            .then(Later(21), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"])
            .ends("next", &["Succeeded"]),
        // Taken for gone, and there again before the group is put back: nobody else would end it.
        Scenario::new("taken-for-gone-and-there-again", script("web", suspended_first(json!({}))))
            .cloud(json!({"events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"fault": {
                "service": "OOS", "principal": OPERATOR, "count": 0, "afterSeconds": 20, "forSeconds": 66,
                "effect": {"kind": "elsewhere", "accountId": "9999999999999999"},
            }}}]}))
            .then(Paused("web", 1), Wait)
            .then(Later(21), Annotate("web", "cancel", "enough"))
            // As another account answers for a time that others would have begin in the midst of the start.
            .one_fault()
            .ends("web", &["Cancelled"]),
        Scenario::new("a-protected-instance-is-left-out", script("web", json!({})))
            .cloud(left_out())
            .ends("web", &["Succeeded"]),
    ]
}
