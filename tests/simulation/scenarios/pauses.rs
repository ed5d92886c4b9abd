//! Pauses: tasks of the execution itself that fail, requests for sets, lists that are behind.

use serde_json::{Value, json};

use crate::scenario::{
    Act::{Annotate, Console},
    Scenario,
    When::{Later, Paused, State},
    image, script, with,
};
use crate::world::{OPERATOR, REGION};

/// OOS may not tag the instances after the last batch, the first so many times; 0: ever.
fn untagged(times: u32) -> Value {
    json!({"faults": [{
        "service": "ECS", "action": "TagResources", "caller": "oos", "count": times,
        "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
    }]})
}

/// The script ends with 7 on these instances, the first time.
fn failing(instances: &[&str]) -> Value {
    let all = instances.iter().map(|instance| {
        json!({"instance": instance, "attempt": 1, "exitCode": 7, "output": "disk full"})
    });
    json!({"commands": all.collect::<Vec<_>>()})
}

pub fn all() -> Vec<Scenario> {
    let each = |more: Value| with(json!({"suspensionPolicy": "SuspendEachBatch"}), more);
    let failed = || State("web", "FailureSuspended");
    vec![
        // Approved for more pauses than there are: none is after the last batch.
        Scenario::new(
            "untagged-and-retried",
            image("web", each(json!({"approvedBatches": 101}))),
        )
        .cloud(untagged(4))
        .then(failed(), Annotate("web", "retry", "task:tagInstance@one"))
        // What was not shown is not meant.
        .whenever(
            failed(),
            Annotate("web", "retry", "task:tagInstance@again-$n"),
        )
        .ends("web", &["Succeeded"]),
        Scenario::new("untagged-and-skipped", image("web", json!({})))
            .cloud(untagged(0))
            .then(failed(), Annotate("web", "continue", "2"))
            .then(Later(5), Annotate("web", "skip", "task:tagInstance@one"))
            .whenever(
                failed(),
                Annotate("web", "skip", "task:tagInstance@again-$n"),
            )
            .ends("web", &["Succeeded"]),
        // Before any instance is touched.
        Scenario::new("not-suspended-and-retried", image("web", json!({})))
            .cloud(json!({"faults": [{
                "service": "ESS", "action": "SuspendProcesses", "caller": "oos", "count": 1,
                "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
            }]}))
            .then(
                failed(),
                Annotate("web", "retry", "task:suspendProcess@one"),
            )
            .ends("web", &["Succeeded"]),
        // A retry has no answer, and the list after its effect leaves the task out.
        Scenario::new("not-suspended-and-retried-and-left-out", image("web", json!({})))
            .cloud(json!({"faults": [
                {
                    "service": "ESS", "action": "SuspendProcesses", "caller": "oos", "count": 1,
                    "effect": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
                },
                {
                    "service": "OOS", "action": "NotifyExecution", "principal": OPERATOR,
                    "effect": {"kind": "effectLate", "afterSeconds": 5},
                },
                {
                    "service": "OOS", "action": "ListTaskExecutions", "principal": OPERATOR, "count": 0,
                    "afterSeconds": 14, "forSeconds": 16,
                    "effect": {"kind": "omit", "entries": ["*"]},
                },
            ]}))
            .then(
                failed(),
                Annotate("web", "retry", "task:suspendProcess@one"),
            )
            .whenever(
                failed(),
                Annotate("web", "retry", "task:suspendProcess@again-$n"),
            )
            .ends("web", &["Succeeded"]),
        Scenario::new("all-retried", script("web", json!({"batches": 1})))
            .cloud(failing(&["i-web-01", "i-web-02", "i-web-04"]))
            .then(failed(), Annotate("web", "retry", "failed@one"))
            .ends("web", &["Succeeded"]),
        // The pauses before and after the batch look alike.
        Scenario::new(
            "a-batch-skipped",
            script("web", each(json!({"batches": 4}))),
        )
        .then(Paused("web", 1), Annotate("web", "skip", "batch-2@one"))
        .then(Later(40), Annotate("web", "continue", "1@two"))
        .then(Paused("web", 2), Annotate("web", "continue", "2"))
        .then(Paused("web", 3), Annotate("web", "continue", "3@three"))
        .ends("web", &["Succeeded"]),
        // Lateness and lag: one word leaves one pause.
        Scenario::new("lists-behind", script("web", each(json!({"batches": 4}))))
            .lists_behind(45)
            // Further than the bound: that is more than is promised as soon as something else goes wrong.
            .one_fault()
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .then(Paused("web", 2), Annotate("web", "continue", "current@two"))
            .then(Paused("web", 3), Annotate("web", "continue", "3"))
            .ends("web", &["Succeeded"]),
        // OOS does not let the operator go on; a person does in the console.
        Scenario::new("refused-to-go-on", script("web", json!({"suspensionPolicy": "SuspendFirstBatch"})))
            .cloud(json!({"faults": [{
                "service": "OOS", "action": "NotifyExecution", "principal": OPERATOR, "count": 0,
                "effect": {"kind": "error", "status": 400, "code": "Execution.Status.InvalidNotify"},
            }]}))
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .then(Later(900), Console {
                of: "web",
                service: "OOS",
                action: "NotifyExecution",
                params: json!({"RegionId": REGION, "ExecutionId": "$execution", "NotifyType": "Approve"}),
            })
            .ends("web", &["Succeeded"]),
        // The same where the execution itself shows that it has gone on.
        Scenario::new("tasks-behind", script("web", each(json!({"batches": 4}))))
            .tasks_behind(92)
            .one_fault()
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .then(Paused("web", 2), Annotate("web", "continue", "2"))
            .then(Paused("web", 3), Annotate("web", "continue", "3"))
            .ends("web", &["Succeeded"]),
        // What looks like the pause after the last batch may be something that has failed.
        Scenario::new(
            "untagged-and-tasks-are-behind",
            image("web", each(json!({"approvedBatches": 101}))),
        )
        .cloud(untagged(4))
        .tasks_behind(15)
        .whenever(
            failed(),
            Annotate("web", "retry", "task:tagInstance@again-$n"),
        )
        .ends("web", &["Succeeded"]),
        // With the skip the update is over, and the tasks do not show it yet.
        Scenario::new("skipped-at-last-and-tasks-are-behind", script("web", json!({})))
            .cloud(failing(&["i-web-04"]))
            .tasks_behind(15)
            .then(failed(), Annotate("web", "skip", "i-web-04@one"))
            .whenever(failed(), Annotate("web", "skip", "i-web-04@again-$n"))
            .ends("web", &["Succeeded"]),
        // One of two is given up, and the update waits for the other.
        Scenario::new("two-fail-and-one-is-given-up", script("web", json!({})))
            .cloud(failing(&["i-web-01", "i-web-02"]))
            .then(failed(), Annotate("web", "cancel-instances", "i-web-02@one"))
            .then(Later(150), Annotate("web", "retry", "i-web-01@two"))
            .ends("web", &["Succeeded", "Failed"]),
        // What waits after the last batch waits for a person, however late it shows that something failed.
        Scenario::new(
            "fails-in-the-last-batch-and-lists-are-behind",
            script("web", json!({"gates": {"soakSeconds": 30}})),
        )
        .cloud(json!({"commands": [{"instance": "i-web-04", "attempt": 1, "exitCode": 7}]}))
        .lists_behind(15)
        .then(
            State("web", "FailureSuspended"),
            Annotate("web", "retry", "i-web-04@one"),
        )
        .ends("web", &["Succeeded"]),
    ]
}
