//! The scenarios. To add one: a name, the object, what people do and when, how it ends.

mod deletion;
mod found;
mod holds;
mod images;
mod neighbours;
mod pauses;
mod secrets;
mod shell;
mod starts;
mod truth;

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::canaries;
use crate::scenario::{
    Act::{self, Annotate, Change, Console, Create, Delete, Edit},
    GROUP, OLD_IMAGE, Scenario,
    When::{Boundary, Field, Gone, Later, Now, Paused, State},
    config_map, containers, eci_group, fixture, group, image, object, package, script,
    script_from_config_map, with,
};
use crate::world::{LATE_SECONDS, OPERATOR, PERSON};

/// The second instance: of the first batch.
const BAD: &str = "i-web-02";

/// The script ends with 7 on one instance.
pub(crate) fn failing() -> Value {
    json!({"commands": [{"instance": BAD, "exitCode": 7, "output": "disk full"}]})
}

/// The disk of this instance cannot be replaced; of any, for `*`.
fn disk_not_replaced(instance: &str) -> Value {
    json!({
        "service": "ECS", "action": "ReplaceSystemDisk", "params": {"InstanceId": instance}, "caller": "oos", "count": 0,
        "effect": {"kind": "error", "status": 403, "code": "OperationDenied.ImageNotValid"},
    })
}

/// One instance cannot leave Standby, as the one or the other version of the API names it.
fn not_put_back(parameter: &str) -> Value {
    json!({
        "service": "ESS", "action": "ExitStandby", "params": {parameter: BAD}, "caller": "any", "count": 0,
        "effect": {"kind": "error", "status": 403, "code": "IncorrectInstanceStatus"},
    })
}

/// The disk of one instance cannot be replaced.
fn bad_disk() -> Value {
    json!({"faults": [disk_not_replaced(BAD)]})
}

/// OOS may not tag the instances after the last batch.
fn tags_denied() -> Value {
    json!({
        "service": "ECS", "action": "TagResources", "caller": "oos", "count": 0,
        "effect": {"kind": "deny"},
    })
}

/// Answers to the operator leave these entries out.
fn omit(action: &str, entries: &[&str]) -> Value {
    json!({
        "action": action, "principal": OPERATOR, "effect": {"kind": "omit", "entries": entries},
    })
}

/// A second configuration of the group, which somebody makes the active one in the first pause.
fn another_active(id: &str, carries: &str) -> Value {
    let mut web = group(GROUP, 4);
    web["configurations"] = json!([
        {"scalingConfigurationId": "asc-web", "imageId": OLD_IMAGE},
        {"scalingConfigurationId": id, "imageId": carries},
    ]);
    let call = json!({
        "as": PERSON, "service": "ESS", "action": "ModifyScalingGroup",
        "params": {"ScalingGroupId": GROUP, "ActiveScalingConfigurationId": id},
    });
    json!({
        "scalingGroups": [web],
        "events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"call": call}}],
    })
}

/// A spec that waits after its first batch.
fn suspended_first(more: Value) -> Value {
    with(json!({"suspensionPolicy": "SuspendFirstBatch"}), more)
}

/// The same, the first time.
fn bad_disk_once() -> Value {
    let mut cloud = bad_disk();
    cloud["faults"][0]["count"] = 1.into();
    cloud
}

/// A call by hand.
fn console(of: &'static str, action: &'static str, params: Value) -> Act {
    let oos = action.ends_with("Execution");
    Console {
        of,
        service: if oos { "OOS" } else { "ESS" },
        action,
        params,
    }
}

/// All of them, made once.
pub fn shared() -> &'static [Arc<Scenario>] {
    static ALL: LazyLock<Vec<Arc<Scenario>>> =
        LazyLock::new(|| all().into_iter().map(Arc::new).collect());
    &ALL
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let mut all = running();
    all.extend(ending_early());
    all.extend(with_others());
    all.extend(deciding());
    all.extend(going_back());
    all.extend(images::all());
    all.extend(pauses::all());
    all.extend(holds::all());
    all.extend(shell::all());
    all.extend(truth::all());
    all.extend(neighbours::all());
    all.extend(found::all());
    all.extend(starts::all());
    all.extend(deletion::all());
    all.extend(packages());
    all.extend(config_maps());
    all.extend(container_groups());
    all.extend(secrets::all());
    all
}

/// Runs that come to their end.
fn running() -> Vec<Scenario> {
    let each = |more: Value| with(json!({"suspensionPolicy": "SuspendEachBatch"}), more);
    let first = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let approve = json!({"ExecutionId": "$execution", "NotifyType": "Approve"});
    vec![
        Scenario::new("script", script("web", json!({}))).ends("web", &["Succeeded"]),
        Scenario::new("image", image("web", json!({}))).ends("web", &["Succeeded"]),
        Scenario::new(
            "script-continued",
            script("web", each(json!({"batches": 4}))),
        )
        .then(Paused("web", 1), Annotate("web", "continue", "1"))
        .then(Paused("web", 2), Edit("web", json!({"approvedBatches": 3})))
        .then(
            Paused("web", 3),
            Annotate("web", "continue", "current@three"),
        )
        .ends("web", &["Succeeded"]),
        Scenario::new("image-continued", image("web", first()))
            .then(Paused("web", 1), Annotate("web", "continue", "current@one"))
            .ends("web", &["Succeeded"]),
        // What was started does not show at once.
        Scenario::new("lagging", script("web", first()))
            .oos(json!({"listLagSeconds": 40, "tagLagSeconds": 50, "updateDateLagSeconds": 20}))
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "approved-ahead",
            script("web", each(json!({"batches": 4, "approvedBatches": 3}))),
        )
        .then(Paused("web", 3), Annotate("web", "continue", "3"))
        .ends("web", &["Succeeded"]),
        // A request for a pause that is over, and one for a pause that is not there yet.
        Scenario::new(
            "stale-requests",
            script("web", each(json!({"batches": 4, "approvedBatches": 2}))),
        )
        .then(Paused("web", 2), Annotate("web", "continue", "1"))
        .then(Later(30), Annotate("web", "continue", "3"))
        .then(Later(30), Annotate("web", "continue", "2"))
        .then(Paused("web", 3), Annotate("web", "continue", "current@x"))
        .ends("web", &["Succeeded"]),
        Scenario::new("left-in-the-console", image("web", first()))
            .then(
                Paused("web", 1),
                console("web", "NotifyExecution", approve.clone()),
            )
            .ends("web", &["Succeeded"]),
        // The person in the console and the one at kubectl leave the same pause.
        Scenario::new("left-by-two", script("web", each(json!({"batches": 4}))))
            .then(Paused("web", 1), Annotate("web", "continue", "1"))
            .then(Later(0), console("web", "NotifyExecution", approve))
            .then(Paused("web", 2), Edit("web", json!({"approvedBatches": 4})))
            .ends("web", &["Succeeded"]),
        Scenario::new("empty-group", script("web", json!({})))
            .cloud(json!({"scalingGroups": [group(GROUP, 0)]}))
            .ends("web", &["Succeeded"]),
        Scenario::new(
            "plan-then-run",
            image("web", json!({"desiredState": "Plan"})),
        )
        .then(
            State("web", "Planned"),
            Edit("web", json!({"desiredState": "Run"})),
        )
        .ends("web", &["Succeeded"]),
    ]
}

/// Runs that fail, are cancelled, or lose their object.
fn ending_early() -> Vec<Scenario> {
    let first = |more: Value| with(json!({"suspensionPolicy": "SuspendFirstBatch"}), more);
    vec![
        Scenario::new("cancelled-in-a-pause", image("web", first(json!({}))))
            .then(Paused("web", 1), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        Scenario::new("cancelled-while-running", image("web", json!({})))
            .then(
                State("web", "Running"),
                Edit("web", json!({"desiredState": "Cancelled"})),
            )
            // Nobody runs while it would have been time.
            .ends("web", &["Cancelled", "Succeeded"]),
        Scenario::new("cancelled-in-the-console", image("web", first(json!({}))))
            .then(
                Paused("web", 1),
                console(
                    "web",
                    "CancelExecution",
                    json!({"ExecutionId": "$execution"}),
                ),
            )
            .ends("web", &["Cancelled"])
            .because("CancelledElsewhere"),
        Scenario::new("fails", script("web", json!({"onFailure": "Fail"})))
            .cloud(failing())
            .ends("web", &["Failed"]),
        Scenario::new(
            "fails-and-returns",
            script(
                "web",
                json!({"onFailure": "Fail", "failedInstancePolicy": "ReturnToService"}),
            ),
        )
        .cloud(failing())
        .ends("web", &["Failed"]),
        Scenario::new("failure-pause-cancelled", script("web", json!({})))
            .cloud(failing())
            .then(
                State("web", "FailureSuspended"),
                Annotate("web", "continue", "current@no"),
            )
            .then(Later(60), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        Scenario::new("image-fails", image("web", json!({"onFailure": "Fail"})))
            .cloud(bad_disk())
            .ends("web", &["Failed"]),
        Scenario::new(
            "max-errors",
            image("web", json!({"onFailure": "Fail", "maxErrors": 1})),
        )
        .cloud(bad_disk())
        .ends("web", &["Succeeded"])
        .because("PartlyUpdated"),
        Scenario::new(
            "cancelled-and-not-restored",
            image("web", first(json!({"restorePolicy": "Manual"}))),
        )
        .then(Paused("web", 1), Annotate("web", "cancel", "enough"))
        .ends("web", &["Cancelled"]),
        Scenario::new(
            "cancelled-before-the-start",
            image("web", json!({"desiredState": "Plan"})),
        )
        .then(
            State("web", "Planned"),
            Edit("web", json!({"desiredState": "Cancelled"})),
        )
        .ends("web", &["Cancelled"]),
        Scenario::new("failure-pause-deleted", image("web", json!({})))
            .cloud(bad_disk())
            .then(State("web", "FailureSuspended"), Delete("web"))
            .ends("web", &["Gone"]),
        // `kubectl replace --force`: another object of the same name, while the old one is on its way out.
        Scenario::new("replaced", script("web", first(json!({}))))
            .then(Paused("web", 1), Delete("web"))
            .then(Gone("web"), Create(script("web", json!({}))))
            .ends("web", &["Succeeded"]),
        Scenario::new("deleted", image("web", first(json!({}))))
            .then(Paused("web", 1), Delete("web"))
            .ends("web", &["Gone"]),
        // Between the intent to start and the call.
        Scenario::new("deleted-at-the-start", script("web", json!({})))
            .then(Boundary(4), Delete("web"))
            .ends("web", &["Gone"]),
        Scenario::new(
            "orphaned",
            script("web", json!({"deletionPolicy": "Orphan"})),
        )
        .then(State("web", "Running"), Delete("web"))
        .ends("web", &["Gone"]),
        Scenario::new("finished-and-deleted", script("web", json!({})))
            .then(
                Field("web", "/status/restore/done", true.into()),
                Delete("web"),
            )
            .ends("web", &["Gone"]),
    ]
}

/// Runs that meet others.
fn with_others() -> Vec<Scenario> {
    let first = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let keyed = || json!({"runKey": "release-7"});
    vec![
        Scenario::new("two-on-one-group", script("first", first()))
            .then(Later(1), Create(image("second", json!({}))))
            .then(Paused("first", 1), Annotate("first", "continue", "1"))
            .ends("first", &["Succeeded"])
            .ends("second", &["Succeeded"]),
        Scenario::new("two-groups", script("web", json!({})))
            .cloud(fixture(vec![group(GROUP, 4), group("asg-api", 2)]))
            .then(
                Later(1),
                Create(script("api", json!({"scalingGroupId": "asg-api"}))),
            )
            .ends("web", &["Succeeded"])
            .ends("api", &["Succeeded"]),
        Scenario::new("the-first-is-deleted", script("first", first()))
            .then(Later(1), Create(script("second", json!({}))))
            .then(Paused("first", 1), Delete("first"))
            .ends("first", &["Gone"])
            .ends("second", &["Succeeded"]),
        // Cancelled while it waits for the other.
        Scenario::new("cancelled-in-the-queue", script("first", first()))
            .then(Later(1), Create(image("second", json!({}))))
            .then(Paused("first", 1), Annotate("second", "cancel", "no"))
            .then(
                State("second", "Cancelled"),
                Annotate("first", "continue", "1"),
            )
            .ends("first", &["Succeeded"])
            .ends("second", &["Cancelled"]),
        // The ECS instance goes behind everybody's back.
        Scenario::new(
            "an-instance-vanishes",
            script("web", json!({"onFailure": "Fail"})),
        )
        .cloud(json!({"events": [
            {"when": {"call": {"service": "OOS", "action": "StartExecution"}}, "delaySeconds": 12,
             "do": {"vanish": {"instanceId": "i-web-04"}}},
        ]}))
        .others_change(&["i-web-04"])
        .ends("web", &["Failed"]),
        // A run key runs once, however often its object is created.
        Scenario::new("run-key", script("web", keyed()))
            .then(
                Field("web", "/status/restore/done", true.into()),
                Delete("web"),
            )
            .then(Gone("web"), Create(script("web", keyed())))
            .ends("web", &["Succeeded"])
            .because("AlreadyRun"),
        Scenario::new("run-key-conflict", script("web", keyed()))
            .then(State("web", "Succeeded"), Create(image("other", keyed())))
            .ends("web", &["Succeeded"])
            .ends("other", &["Failed"])
            .because("RunKeyConflict"),
        // Somebody runs the template by hand, long enough ago that every list shows it.
        Scenario::new("after-a-foreign-run", script("late", json!({})))
            .first(console(
                "late",
                "StartExecution",
                json!({
                    "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
                    "Parameters": json!({
                        "invokeType": "invoke", "scalingGroupId": GROUP, "batchNumber": 4,
                        "invokeScript": "true", "OOSAssumeRole": "",
                    }).to_string(),
                    "Tags": json!({"scaling_group": GROUP}).to_string(),
                }),
            ))
            .created_after(41)
            .others_change(&["ScheduledAction"])
            // A run that has ended before it was first seen is not waited for, whatever shows late of it.
            .fresh_reads()
            .ends("late", &["Succeeded"]),
    ]
}

/// The script ends with 7 on one instance, so many times.
fn failing_times(times: u32) -> Value {
    let commands: Vec<Value> = (1..=times)
        .map(|attempt| json!({"instance": BAD, "attempt": attempt, "exitCode": 7, "output": "disk full"}))
        .collect();
    json!({"commands": commands})
}

/// People decide about single instances.
fn deciding() -> Vec<Scenario> {
    let paused = || State("web", "FailureSuspended");
    vec![
        Scenario::new("retried", script("web", json!({})))
            .cloud(failing_times(1))
            .then(paused(), Annotate("web", "retry", "i-web-02@one"))
            .ends("web", &["Succeeded"]),
        // The first retry fails as well; the second names the attempt that it means.
        Scenario::new("retried-twice", script("web", json!({})))
            .cloud(failing_times(2))
            .then(paused(), Annotate("web", "retry", "i-web-02/1@one"))
            .then(
                Field("web", "/status/instances/1/attempt", 2.into()),
                Act::Wait,
            )
            .then(paused(), Annotate("web", "retry", "i-web-02/2@two"))
            .ends("web", &["Succeeded"]),
        // Once is enough: what is said of it again is late, and nothing is done to the second attempt before somebody says so.
        Scenario::new("retried-and-fails-again", script("web", json!({})))
            .cloud(failing_times(2))
            // A call that comes late finds that the second attempt has failed, too.
            .cloud(json!({"durations": {"command": 2}}))
            .then(paused(), Annotate("web", "retry", "i-web-02/1@one"))
            .then(
                Field("web", "/status/instances/1/attempt", 2.into()),
                Act::Wait,
            )
            .then(paused(), Annotate("web", "retry", "i-web-02/1@late"))
            .then(Later(400), Annotate("web", "skip", "i-web-02/1@late"))
            .then(paused(), Annotate("web", "skip", "i-web-02@two"))
            .ends("web", &["Succeeded"]),
        // A second request comes while the first has its effect, which does not show yet.
        Scenario::new("retried-and-skipped-while-it-is", script("web", json!({})))
            .cloud(failing_times(2))
            .cloud(json!({"durations": {"command": 2}}))
            .lists_behind(15)
            .then(paused(), Annotate("web", "retry", "i-web-02/1@one"))
            .then(Later(13), Annotate("web", "skip", "i-web-02/1@two"))
            .whenever(paused(), Annotate("web", "skip", "i-web-02@again-$n"))
            .ends("web", &["Succeeded"]),
        Scenario::new("skipped", script("web", json!({})))
            .cloud(failing())
            .then(paused(), Annotate("web", "skip", "i-web-02@one"))
            .ends("web", &["Succeeded"]),
        Scenario::new("given-up", script("web", json!({})))
            .cloud(failing())
            .then(
                paused(),
                Annotate("web", "cancel-instances", "i-web-02@one"),
            )
            .ends("web", &["Succeeded", "Failed"]),
        Scenario::new("image-retried", image("web", json!({})))
            .cloud(bad_disk_once())
            .then(paused(), Annotate("web", "retry", "i-web-02@one"))
            .ends("web", &["Succeeded"]),
        // All run the new image, and one of them never comes back.
        Scenario::new("updated-and-never-back", image("web", json!({})))
            .cloud(json!({"faults": [not_put_back("InstanceId"), not_put_back("InstanceIds")]}))
            .then(paused(), Annotate("web", "skip", "i-web-02@one"))
            .ends("web", &["Succeeded"]),
        // An instance that has not begun.
        Scenario::new(
            "skipped-before-it-began",
            script("web", json!({"suspensionPolicy": "SuspendFirstBatch"})),
        )
        .then(Paused("web", 1), Annotate("web", "skip", "i-web-04@one"))
        .then(Later(40), Annotate("web", "continue", "1"))
        .ends("web", &["Succeeded"]),
    ]
}

/// A rollback of `web`.
fn back(more: Value) -> Act {
    let spec = with(json!({"taskRef": {"name": "web"}, "batches": 2}), more);
    Create(object("Rollback", "back", spec))
}

/// Rollbacks.
fn going_back() -> Vec<Scenario> {
    let first = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let with_rollback = |more: Value| {
        let way_back =
            json!({"update": {"script": {"rollback": {"inline": "systemctl restart old"}}}});
        script("web", with(way_back, more))
    };
    vec![
        Scenario::new("rolled-back", image("web", json!({})))
            .then(
                Field("web", "/status/restore/done", true.into()),
                back(json!({})),
            )
            .ends("web", &["Succeeded"])
            .ends("rollbacks/back", &["Succeeded"]),
        Scenario::new("suspended-and-rolled-back", image("web", first()))
            .then(Paused("web", 1), back(json!({})))
            .ends("web", &["Cancelled"])
            .ends("rollbacks/back", &["Succeeded"]),
        Scenario::new("script-rolled-back", with_rollback(json!({})))
            .then(
                Field("web", "/status/restore/done", true.into()),
                back(first()),
            )
            .then(
                Paused("rollbacks/back", 1),
                Annotate("rollbacks/back", "continue", "1"),
            )
            .ends("web", &["Succeeded"])
            .ends("rollbacks/back", &["Succeeded"]),
        Scenario::new("failed-and-rolled-back", image("web", json!({})))
            .cloud(bad_disk_once())
            .then(State("web", "FailureSuspended"), back(json!({})))
            .ends("web", &["Cancelled"])
            .ends("rollbacks/back", &["Succeeded"]),
        Scenario::new("rollback-deleted", image("web", json!({})))
            .then(
                Field("web", "/status/restore/done", true.into()),
                back(first()),
            )
            .then(Paused("rollbacks/back", 1), Delete("rollbacks/back"))
            .ends("web", &["Succeeded"])
            .ends("rollbacks/back", &["Gone"]),
    ]
}

/// Container groups.
fn container_groups() -> Vec<Scenario> {
    let eci = || json!({"scalingGroups": [eci_group(GROUP, 3)]});
    let first = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let refused_once = json!({"faults": [{
        "service": "ECI", "action": "UpdateContainerGroup", "params": {"ContainerGroupId": "eci-web-02"}, "caller": "oos", "count": 1,
        "effect": {"kind": "error", "status": 500, "code": "InternalError"},
    }]});
    vec![
        // The template leaves it in Standby.
        Scenario::new("containers-retried", containers("web", json!({})))
            .cloud(with(eci(), refused_once))
            .then(
                State("web", "FailureSuspended"),
                Annotate("web", "retry", "eci-web-02@one"),
            )
            // Where reads lag, the template takes the container group for one in service, and the retry fails as well.
            .whenever(
                State("web", "FailureSuspended"),
                Annotate("web", "retry", "failed@$n"),
            )
            .ends("web", &["Succeeded"]),
        Scenario::new("containers-cancelled", containers("web", first()))
            .cloud(eci())
            .then(Paused("web", 1), Annotate("web", "cancel", "enough"))
            .ends("web", &["Cancelled"]),
        // By then the scaling configuration has the new containers.
        Scenario::new(
            "containers-fail-at-the-end",
            containers("web", json!({"onFailure": "Fail"})),
        )
        .cloud(with(
            eci(),
            json!({"faults": [{
                "service": "ESS", "action": "ResumeProcesses", "caller": "oos", "count": 0,
                "effect": {"kind": "error", "status": 400, "code": "IncorrectScalingGroupStatus"},
            }]}),
        ))
        .ends("web", &["Failed"]),
        Scenario::new("containers-rolled-back", containers("web", json!({})))
            .cloud(eci())
            .then(
                Field("web", "/status/restore/done", true.into()),
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

/// Packages.
fn packages() -> Vec<Scenario> {
    let mut two = group(GROUP, 2);
    two["instances"]["packages"] = json!({"agent": "v1"});
    let packages = json!({"packages": [{"name": "agent", "versions": 2}], "scalingGroups": [two]});
    let at_once = || json!({"batches": 1});
    vec![
        Scenario::new("package-retried", package("web", at_once()))
            .cloud(with(packages.clone(), failing_times(1)))
            .then(
                State("web", "FailureSuspended"),
                Annotate("web", "retry", "i-web-02@one"),
            )
            .ends("web", &["Succeeded"]),
        // The failed command is of an execution within that of the instance, and both wait.
        Scenario::new("package-skipped", package("web", at_once()))
            .cloud(with(packages.clone(), failing()))
            .oos(json!({"childInFailurePause": "waiting"}))
            .then(
                State("web", "FailureSuspended"),
                Annotate("web", "skip", "i-web-02@one"),
            )
            .ends("web", &["Succeeded"]),
        // Its nested execution seems to go on before the call has its effect.
        Scenario::new("package-skipped-late", package("web", at_once()))
            .cloud(with(
                with(packages.clone(), failing()),
                json!({"faults": [{
                    "service": "OOS", "action": "NotifyExecution", "principal": OPERATOR,
                    "effect": {"kind": "effectLate", "afterSeconds": LATE_SECONDS},
                }]}),
            ))
            .oos(json!({"childInFailurePause": "waiting"}))
            .lists_behind(10)
            .then(
                State("web", "FailureSuspended"),
                Annotate("web", "skip", "i-web-02@one"),
            )
            .whenever(
                State("web", "FailureSuspended"),
                Annotate("web", "skip", "i-web-02@again-$n"),
            )
            .ends("web", &["Succeeded"]),
        Scenario::new("package-rolled-back", package("web", at_once()))
            .cloud(packages)
            .then(
                Field("web", "/status/restore/done", true.into()),
                back(at_once()),
            )
            .ends("web", &["Succeeded"])
            // Of which version was installed before.
            .ends("rollbacks/back", &["Succeeded"])
            .or_misled(&["Failed"]),
    ]
}

/// Scripts from ConfigMaps.
fn config_maps() -> Vec<Scenario> {
    let other = json!({"data": {"run": "restart other", "rollback": "restart yet another"}});
    vec![
        // It comes late, changes once the start is on record, and is gone before it is rolled back.
        Scenario::new(
            "script-from-config-map",
            script_from_config_map("web", json!({"batches": 1})),
        )
        // Whatever holds the start up has it meet the change.
        .one_fault()
        .cloud(json!({"scalingGroups": [group(GROUP, 2)]}))
        .then(
            Later(5),
            Create(config_map(canaries::SCRIPT, canaries::SCRIPT)),
        )
        .then(State("web", "Running"), Change("configmaps/scripts", other))
        .then(
            Field("web", "/status/restore/done", true.into()),
            Delete("configmaps/scripts"),
        )
        .then(Now, back(json!({"batches": 1})))
        .ends("web", &["Succeeded"])
        .ends("rollbacks/back", &["Succeeded"]),
    ]
}
