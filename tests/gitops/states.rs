//! Every kind in every state, live.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{Scene, Setup, condition, fixture, group, task, with};
use crate::tools::{self, Waited};

pub const KINDS: [&str; 3] = ["RollingUpdateTask", "Rollback", "ImageUpdateTask"];
const TASK: &str = KINDS[0];
const BACK: &str = KINDS[1];
const IMAGE: &str = KINDS[2];

/// Seconds in which a program sees what there is, on any machine.
const ENOUGH: u32 = 60;
/// Programs that are asked at the same time.
const ASKED: usize = 6;

/// A live object, and what came of waiting for it while it was so.
pub struct Case {
    pub kind: &'static str,
    /// Its name in the repository: the state, or what else it shows.
    pub name: &'static str,
    pub object: Value,
    pub kubectl_wait: Waited,
    pub plugin_wait: Waited,
}

/// What there is besides a case for each state.
pub const MORE: [(&str, &str); 5] = [
    ("not-looked-at", "any, not looked at yet"),
    ("cloud-unavailable", "the cloud cannot be reached"),
    ("stalled", "`Running`, nothing moves"),
    ("credentials-rejected", "`Blocked`, credentials refused"),
    ("deleting", "being deleted"),
];

/// The name of the case of a state.
pub fn case_of(state: &str) -> String {
    let mut name = String::new();
    for letter in state.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// A scene with objects of all kinds.
pub struct Live {
    pub scene: Scene,
}

impl Live {
    pub async fn start(groups: &[&str], more: Value, values: Value) -> Self {
        let groups = groups.iter().map(|name| group(&format!("asg-{name}"), 2));
        let groups: Vec<Value> = groups.collect();
        Self::with(with(json!({"scalingGroups": groups}), more), values).await
    }

    /// With more in the fixture, and these values of the chart.
    pub async fn with(more: Value, values: Value) -> Self {
        let setup = Setup {
            fixture: with(fixture(), more),
            values,
            ..Setup::default()
        };
        Self {
            scene: Scene::with(setup).await,
        }
    }

    /// The object with its kind, as lists and single reads do not give it the same way.
    pub async fn get(&self, kind: &str, name: &str) -> Value {
        json!(
            self.scene
                .api(&self.scene.namespace, kind)
                .get(name)
                .await
                .unwrap()
        )
    }

    pub async fn create(&self, kind: &str, name: &str, spec: Value) {
        self.create_in(&self.scene.namespace, kind, name, spec)
            .await;
    }

    async fn create_in(&self, namespace: &str, kind: &str, name: &str, spec: Value) {
        let manifest = with(task(name, spec), json!({"kind": kind}));
        let object = serde_json::from_value(manifest).unwrap();
        self.scene
            .api(namespace, kind)
            .create(&Default::default(), &object)
            .await
            .unwrap();
    }

    pub async fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("{kind} {name}: {what}");
        self.scene
            .eventually(&what, async || {
                Some(self.get(kind, name).await).filter(&wanted)
            })
            .await
    }

    pub async fn until_state(&self, kind: &str, name: &str, state: &str) -> Value {
        self.until(kind, name, state, |object| {
            object["status"]["state"] == state
        })
        .await
    }

    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let api = self.scene.api(&self.scene.namespace, kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    async fn annotate(&self, kind: &str, name: &str, verb: &str, value: &str) {
        let key = format!("ess-rollout.io/{verb}");
        self.patch(
            kind,
            name,
            json!({"metadata": {"annotations": {key: value}}}),
        )
        .await;
    }

    /// Between two tries of a call that fails an object says that it tries: takes it as it is otherwise.
    async fn until_hindered(&self, cases: &mut [Case], names: &[&str]) {
        for case in cases.iter_mut().filter(|case| names.contains(&case.name)) {
            let name = case.object["metadata"]["name"].as_str().unwrap().to_owned();
            let state = case.object["status"]["state"].clone();
            let hindered = self.until(case.kind, &name, "what hinders it", |object| {
                object["status"]["state"] == state
                    && condition(object, "Ready")["reason"] == "CloudUnavailable"
            });
            case.object = hindered.await;
        }
    }

    /// Objects as they are, with what comes of waiting for each.
    async fn take(&self, wanted: &[(&'static str, &'static str, &str)]) -> Vec<Case> {
        let namespace = self.scene.namespace.clone();
        self.take_in(&namespace, wanted).await
    }

    async fn take_in(
        &self,
        namespace: &str,
        wanted: &[(&'static str, &'static str, &str)],
    ) -> Vec<Case> {
        let kubectl = &self.scene.kubectl;
        let (next, waited) = (AtomicUsize::new(0), Mutex::new(vec![None; wanted.len()]));
        std::thread::scope(|scope| {
            for _ in 0..ASKED {
                scope.spawn(|| {
                    while let Some((index, (kind, _, name))) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        wanted.get(index).map(|wanted| (index, wanted))
                    } {
                        let by_kubectl = tools::kubectl_wait(kubectl, kind, namespace, name, 1);
                        let by_plugin = tools::plugin_wait(kubectl, kind, namespace, name, 1);
                        waited.lock().unwrap()[index] = Some((by_kubectl, by_plugin));
                    }
                });
            }
        });
        let mut cases = Vec::new();
        for ((kind, case, name), waited) in wanted.iter().zip(waited.into_inner().unwrap()) {
            let object = json!(self.scene.api(namespace, kind).get(name).await.unwrap());
            let (mut kubectl_wait, mut plugin_wait) = waited.unwrap();
            // On a slow machine a second may not be enough to see what is there.
            let is = |name: &str, statuses: &[&str]| {
                statuses
                    .iter()
                    .any(|status| condition(&object, name)["status"] == *status)
            };
            if kubectl_wait == Waited::GoesOn && is("Succeeded", &["True"]) {
                kubectl_wait = tools::kubectl_wait(kubectl, kind, namespace, name, ENOUGH);
            }
            let ended =
                is("Succeeded", &["True", "False"]) || object["status"]["state"] == "Finished";
            if plugin_wait == Waited::GoesOn && (ended || is("Paused", &["True"])) {
                plugin_wait = tools::plugin_wait(kubectl, kind, namespace, name, ENOUGH);
            }
            cases.push(Case {
                kind,
                name: case,
                object,
                kubectl_wait,
                plugin_wait,
            });
        }
        cases
    }
}

fn script(group: &str) -> Value {
    json!({
        "scalingGroupId": format!("asg-{group}"),
        "update": {"script": {"run": {"inline": "true"}, "rollback": {"inline": "undo"}}},
        "batches": 2,
    })
}

fn image(group: &str) -> Value {
    json!({"scalingGroupId": format!("asg-{group}"), "update": {"image": {"imageId": "m-v2"}}, "batches": 2})
}

fn building(group: &str) -> Value {
    json!({
        "scalingGroupId": format!("asg-{group}"),
        "source": {"instanceId": format!("i-{group}-01"), "imageName": "nightly"},
    })
}

fn of(source: &str) -> Value {
    json!({"taskRef": {"name": source}, "batches": 2})
}

fn pausing() -> Value {
    json!({"suspensionPolicy": "SuspendFirstBatch"})
}

/// Creates an object whose execution somebody else starts, with everything that the operator gives it, and a pause besides: OOS
/// waits, and the operator does not know for what.
async fn create_with_a_pause_of_others(
    live: &Live,
    kind: &str,
    name: &str,
    group: &str,
    spec: Value,
) {
    let emulator = &live.scene.emulator;
    let fault = json!({
        "service": "OOS", "action": "StartExecution", "principal": "operator", "params": {"Parameters": format!("*asg-{group}\"*")},
        "count": 0, "effect": {"kind": "lostBefore"},
    });
    let fault = emulator.add_fault(&fault).await.unwrap();
    live.create(kind, name, spec).await;
    let lost = live
        .scene
        .eventually("a start that is lost", async || {
            let calls = emulator.journal("OOS", "StartExecution").await.unwrap();
            calls.into_iter().find(|call| {
                let parameters = call["params"]["Parameters"].as_str().unwrap_or_default();
                call["fault"] == "lostBefore" && parameters.contains(&format!("asg-{group}\""))
            })
        })
        .await;
    let mut params = lost["params"].clone();
    let mut parameters: Value =
        serde_json::from_str(params["Parameters"].as_str().unwrap()).unwrap();
    parameters["batchPauseOption"] = json!("FirstBatchPause");
    params["Parameters"] = json!(parameters.to_string());
    params.as_object_mut().unwrap().remove("ClientToken");
    live.scene.console("OOS", "StartExecution", params).await;
    emulator.delete(&format!("faults/{fault}")).await.unwrap();
}

/// What stands still while the cloud goes on.
pub async fn at_rest() -> (Live, Vec<Case>) {
    let groups = [
        "pause",
        "soak",
        "blocked",
        "planned",
        "fail-a",
        "fail-b",
        "fail-c",
        "approval",
        "unknown",
        "done",
        "broken",
        "stopped",
        "b-blocked",
        "b-planned",
        "b-pause",
        "b-soak",
        "fail-d",
        "fail-e",
        "fail-f",
        "b-approval",
        "b-unknown",
        "b-done",
        "b-broken",
        "b-stopped",
        "i-done",
        "i-broken",
        "i-verify",
        "i-plan",
    ];
    let fixture = json!({
        "switches": {"oos": {"safetyCheckDefault": "ConfirmEveryHighRiskAction"}},
        "durations": {"createImage": 300},
        "commands": [
            // Of updates, and of the undoing of updates.
            {"instance": "i-fail-a-01", "attempt": 1, "exitCode": 7, "output": "disk full"},
            {"instance": "i-fail-b-01", "attempt": 1, "exitCode": 7, "output": "disk full"},
            {"instance": "i-fail-c-01", "attempt": 1, "exitCode": 7, "output": "disk full"},
            {"instance": "i-broken-01", "exitCode": 7, "output": "disk full"},
            {"instance": "i-fail-d-01", "exitCode": 7, "contentContains": "undo", "output": "disk full"},
            {"instance": "i-fail-e-01", "exitCode": 7, "contentContains": "undo", "output": "disk full"},
            {"instance": "i-fail-f-01", "exitCode": 7, "contentContains": "undo", "output": "disk full"},
            {"instance": "i-b-broken-01", "exitCode": 7, "contentContains": "undo", "output": "disk full"},
        ],
        "imageCreations": [{"instance": "i-i-broken-01", "status": "CreateFailed"}],
    });
    // Who asks is checked, and names are not written for him. The roles for people come along.
    let policies = json!({"policies": {"enabled": true}, "stampRequester": false});
    let checked = json!({"admission": policies, "rbac": {"aggregate": true}});
    let live = Live::start(&groups, fixture, checked).await;

    // What is rolled back.
    let sources = [
        "planned", "pause", "soak", "unknown", "done", "broken", "stopped",
    ];
    for name in sources {
        live.create(TASK, &format!("of-{name}"), script(&format!("b-{name}")))
            .await;
    }
    for name in ["fail-d", "fail-e", "fail-f"] {
        live.create(TASK, &format!("of-{name}"), script(name)).await;
    }
    for name in ["blocked", "approval"] {
        let spec = with(image(&format!("b-{name}")), json!({"onFailure": "Fail"}));
        live.create(TASK, &format!("of-{name}"), spec).await;
    }

    live.create(TASK, "batch-suspended", with(script("pause"), pausing()))
        .await;
    let soaking = json!({"batches": 2, "gates": {"soakSeconds": 172_800}});
    live.create(TASK, "batch-held", with(script("soak"), soaking.clone()))
        .await;
    live.create(
        TASK,
        "blocked",
        with(
            image("blocked"),
            json!({"update": {"image": {"imageId": "m-gone"}}}),
        ),
    )
    .await;
    live.create(
        TASK,
        "planned",
        with(image("planned"), json!({"desiredState": "Plan"})),
    )
    .await;
    for name in ["fail-a", "fail-b", "fail-c"] {
        live.create(TASK, name, script(name)).await;
    }
    live.create(TASK, "approval-suspended", image("approval"))
        .await;
    live.create(TASK, "succeeded", script("done")).await;
    live.create(
        TASK,
        "failed",
        with(script("broken"), json!({"onFailure": "Fail"})),
    )
    .await;
    live.create(TASK, "cancelled", with(script("stopped"), pausing()))
        .await;
    live.scene
        .create_secret(
            "wrong",
            json!({"accessKeyId": "nobody", "accessKeySecret": "nothing"}),
        )
        .await;
    let wrong = json!({"credentialsRef": {"name": "wrong"}});
    live.create(
        TASK,
        "credentials-rejected",
        with(script("i-plan"), wrong.clone()),
    )
    .await;
    create_with_a_pause_of_others(&live, TASK, "suspended", "unknown", script("unknown")).await;

    // What changes scaling configurations.
    let late = json!({"schedule": {"cron": "0 2 1 1 *"}});
    live.create(IMAGE, "scheduled", with(building("i-plan"), late.clone()))
        .await;
    live.create(
        IMAGE,
        "suspended",
        with(building("i-plan"), with(late, json!({"suspend": true}))),
    )
    .await;
    live.create(
        IMAGE,
        "blocked",
        with(
            building("i-plan"),
            json!({"source": {"instanceId": "i-gone"}}),
        ),
    )
    .await;
    live.create(
        IMAGE,
        "credentials-rejected",
        with(building("i-plan"), wrong),
    )
    .await;
    live.create(
        IMAGE,
        "succeeded",
        json!({"scalingGroupId": "asg-i-done", "imageId": "m-v2"}),
    )
    .await;
    live.create(IMAGE, "failed", building("i-broken")).await;
    live.create(
        IMAGE,
        "finished",
        with(
            building("i-plan"),
            json!({"schedule": {"cron": "0 2 * * *", "notAfter": "2026-01-01T00:00:00Z"}}),
        ),
    )
    .await;
    // Not before it cannot be read any more.
    live.scene.stop_time(true).await;
    live.create(IMAGE, "verifying", building("i-verify")).await;
    live.until_state(IMAGE, "verifying", "Running").await;
    let unreadable = json!({
        "service": "ESS", "action": "DescribeScalingConfigurations", "params": {"ScalingConfigurationIds": "asc-i-verify"}, "count": 0,
        "effect": {"kind": "error", "status": 503, "code": "ServiceUnavailable", "message": "Try later."},
    });
    live.scene.emulator.add_fault(&unreadable).await.unwrap();
    live.scene.stop_time(false).await;

    live.until_state(TASK, "batch-suspended", "BatchSuspended")
        .await;
    live.create(TASK, "pending", script("pause")).await;
    live.create(
        IMAGE,
        "waiting",
        json!({"scalingGroupId": "asg-pause", "imageId": "m-v2"}),
    )
    .await;
    live.until_state(TASK, "cancelled", "BatchSuspended").await;
    live.patch(
        TASK,
        "cancelled",
        json!({"spec": {"desiredState": "Cancelled"}}),
    )
    .await;

    for name in ["blocked", "approval"]
        .iter()
        .chain(&sources)
        .chain(&["fail-d", "fail-e", "fail-f"])
    {
        live.until_state(TASK, &format!("of-{name}"), "Succeeded")
            .await;
    }
    live.create(
        BACK,
        "blocked",
        with(of("of-blocked"), json!({"to": {"imageId": "m-gone"}})),
    )
    .await;
    live.create(
        BACK,
        "planned",
        with(of("of-planned"), json!({"desiredState": "Plan"})),
    )
    .await;
    live.create(BACK, "batch-suspended", with(of("of-pause"), pausing()))
        .await;
    live.create(BACK, "batch-held", with(of("of-soak"), soaking))
        .await;
    for name in ["fail-d", "fail-e", "fail-f"] {
        live.create(BACK, name, of(&format!("of-{name}"))).await;
    }
    live.create(BACK, "approval-suspended", of("of-approval"))
        .await;
    live.create(BACK, "succeeded", of("of-done")).await;
    live.create(
        BACK,
        "failed",
        with(of("of-broken"), json!({"onFailure": "Fail"})),
    )
    .await;
    live.create(BACK, "cancelled", with(of("of-stopped"), pausing()))
        .await;
    let spec = of("of-unknown");
    create_with_a_pause_of_others(&live, BACK, "suspended", "b-unknown", spec).await;
    live.until_state(BACK, "cancelled", "BatchSuspended").await;
    live.patch(
        BACK,
        "cancelled",
        json!({"spec": {"desiredState": "Cancelled"}}),
    )
    .await;

    let states: Vec<(&'static str, &'static str, &str, &str)> = vec![
        (TASK, "pending", "pending", "Pending"),
        (TASK, "blocked", "blocked", "Blocked"),
        (TASK, "planned", "planned", "Planned"),
        (TASK, "batch-suspended", "batch-suspended", "BatchSuspended"),
        (TASK, "batch-held", "batch-held", "BatchHeld"),
        (TASK, "failure-suspended", "fail-a", "FailureSuspended"),
        (
            TASK,
            "approval-suspended",
            "approval-suspended",
            "ApprovalSuspended",
        ),
        (TASK, "suspended", "suspended", "Suspended"),
        (TASK, "succeeded", "succeeded", "Succeeded"),
        (TASK, "failed", "failed", "Failed"),
        (TASK, "cancelled", "cancelled", "Cancelled"),
        (
            TASK,
            "credentials-rejected",
            "credentials-rejected",
            "Blocked",
        ),
        (BACK, "blocked", "blocked", "Blocked"),
        (BACK, "planned", "planned", "Planned"),
        (BACK, "batch-suspended", "batch-suspended", "BatchSuspended"),
        (BACK, "batch-held", "batch-held", "BatchHeld"),
        (BACK, "failure-suspended", "fail-d", "FailureSuspended"),
        (
            BACK,
            "approval-suspended",
            "approval-suspended",
            "ApprovalSuspended",
        ),
        (BACK, "suspended", "suspended", "Suspended"),
        (BACK, "succeeded", "succeeded", "Succeeded"),
        (BACK, "failed", "failed", "Failed"),
        (BACK, "cancelled", "cancelled", "Cancelled"),
        (IMAGE, "scheduled", "scheduled", "Scheduled"),
        (IMAGE, "suspended", "suspended", "Suspended"),
        (IMAGE, "blocked", "blocked", "Blocked"),
        (
            IMAGE,
            "credentials-rejected",
            "credentials-rejected",
            "Blocked",
        ),
        (IMAGE, "waiting", "waiting", "Waiting"),
        (IMAGE, "verifying", "verifying", "Verifying"),
        (IMAGE, "succeeded", "succeeded", "Succeeded"),
        (IMAGE, "finished", "finished", "Finished"),
        (IMAGE, "failed", "failed", "Failed"),
    ];
    for (kind, _, name, state) in &states {
        live.until_state(kind, name, state).await;
    }
    // The failure is seen before what it left is.
    for (kind, name) in [
        (TASK, "fail-b"),
        (TASK, "fail-c"),
        (BACK, "fail-e"),
        (BACK, "fail-f"),
    ] {
        live.until_state(kind, name, "FailureSuspended").await;
    }
    // It says so once the task has given up to read the configurations at once.
    live.until(IMAGE, "verifying", "what it waits for", |object| {
        condition(object, "Ready")["reason"] == "CloudUnavailable"
    })
    .await;
    let wanted: Vec<_> = states
        .iter()
        .map(|(kind, case, name, _)| (*kind, *case, *name))
        .collect();
    let mut cases = live.take(&wanted).await;
    live.until_hindered(&mut cases, &["verifying"]).await;

    // Nobody looks after this namespace.
    let elsewhere = live.scene.kubectl.namespace("elsewhere").unwrap();
    live.create_in(&elsewhere, TASK, "new", script("done"))
        .await;
    live.create_in(&elsewhere, BACK, "new", of("of-done")).await;
    live.create_in(&elsewhere, IMAGE, "new", building("i-plan"))
        .await;
    let new = KINDS.map(|kind| (kind, "not-looked-at", "new"));
    cases.extend(live.take_in(&elsewhere, &new).await);
    (live, cases)
}

/// What passes: the cloud's clock is stopped.
pub async fn in_passing() -> (Live, Vec<Case>) {
    let groups = [
        "run",
        "cancel",
        "restore",
        "delete",
        "stall",
        "b-run",
        "b-cancel",
        "b-restore",
        "b-delete",
        "b-stall",
        "b-pending",
        "i-run",
        "i-cancel",
        "i-cancelled",
        "i-delete",
        "i-pending",
    ];
    let slow = json!({"durations": {"createImage": 100_000}});
    let live = Live::start(&groups, slow, json!({})).await;
    for name in ["run", "cancel", "delete", "stall", "pending"] {
        live.create(TASK, &format!("of-{name}"), script(&format!("b-{name}")))
            .await;
    }
    live.create(TASK, "of-restore", image("b-restore")).await;
    live.create(TASK, "restoring", with(image("restore"), pausing()))
        .await;
    for name in ["run", "cancel", "delete", "stall", "pending", "restore"] {
        live.until_state(TASK, &format!("of-{name}"), "Succeeded")
            .await;
    }
    live.create(BACK, "restoring", with(of("of-restore"), pausing()))
        .await;
    live.create(IMAGE, "cancelled", building("i-cancelled"))
        .await;
    // What is put back is not, yet.
    for group in ["asg-restore", "asg-b-restore"] {
        let fault = json!({
            "service": "ESS", "action": "ResumeProcesses", "params": {"ScalingGroupId": group}, "count": 0,
            "effect": {"kind": "error", "status": 503, "code": "ServiceUnavailable", "message": "Try later."},
        });
        live.scene.emulator.add_fault(&fault).await.unwrap();
    }
    for kind in [TASK, BACK] {
        live.until_state(kind, "restoring", "BatchSuspended").await;
        live.annotate(kind, "restoring", "cancel", "enough").await;
    }
    live.until_state(IMAGE, "cancelled", "Running").await;
    live.annotate(IMAGE, "cancelled", "cancel", "enough").await;
    for kind in [TASK, BACK] {
        live.until_state(kind, "restoring", "Restoring").await;
    }
    live.until_state(IMAGE, "cancelled", "Cancelled").await;

    live.scene.stop_time(true).await;
    let one = json!({"count": 1});
    let path = "groups/asg-b-pending/scaleOut";
    live.scene.emulator.post(path, &one).await.unwrap();
    let stall = json!({"progressDeadlineSeconds": 60});
    live.create(TASK, "running", script("run")).await;
    live.create(TASK, "cancelling", script("cancel")).await;
    live.create(TASK, "deleting", script("delete")).await;
    live.create(TASK, "stalled", with(script("stall"), stall.clone()))
        .await;
    live.create(BACK, "pending", of("of-pending")).await;
    live.create(BACK, "running", of("of-run")).await;
    live.create(BACK, "cancelling", of("of-cancel")).await;
    live.create(BACK, "deleting", of("of-delete")).await;
    live.create(BACK, "stalled", with(of("of-stall"), stall))
        .await;
    live.create(IMAGE, "running", building("i-run")).await;
    live.create(IMAGE, "cancelling", building("i-cancel")).await;
    live.create(IMAGE, "deleting", building("i-delete")).await;
    for kind in [TASK, BACK] {
        for name in ["running", "cancelling", "deleting", "stalled"] {
            live.until_state(kind, name, "Running").await;
        }
    }
    for name in ["running", "cancelling", "deleting"] {
        live.until_state(IMAGE, name, "Running").await;
    }
    for kind in KINDS {
        live.annotate(kind, "cancelling", "cancel", "enough").await;
        let api = live.scene.api(&live.scene.namespace, kind);
        api.delete("deleting", &DeleteParams::default())
            .await
            .unwrap();
    }
    for kind in KINDS {
        live.until_state(kind, "cancelling", "Cancelling").await;
        live.until(kind, "deleting", "its cancellation", |object| {
            object["status"]["state"] == "Cancelling"
        })
        .await;
    }
    // As if nothing had moved for an hour: the operator goes by its own clock.
    for kind in [TASK, BACK] {
        let past = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let past = json!(
            jiff::Timestamp::from_second(past.as_second())
                .unwrap()
                .to_string()
        );
        let stalled = live.get(kind, "stalled").await;
        let mut status = json!({"progressTime": past});
        if stalled["status"]["start"]["time"].is_string() {
            status["start"] = json!({"time": past});
        }
        let api = live.scene.api(&live.scene.namespace, kind);
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status("stalled", &PatchParams::default(), &patch)
            .await
            .unwrap();
        live.until(kind, "stalled", "ProgressDeadlineExceeded", |object| {
            condition(object, "Stalled")["reason"] == "ProgressDeadlineExceeded"
        })
        .await;
    }
    live.until_state(BACK, "pending", "Pending").await;
    let mut wanted = vec![
        (BACK, "pending", "pending"),
        (IMAGE, "cancelled", "cancelled"),
    ];
    for kind in KINDS {
        wanted.extend([
            (kind, "running", "running"),
            (kind, "cancelling", "cancelling"),
            (kind, "deleting", "deleting"),
        ]);
    }
    for kind in [TASK, BACK] {
        wanted.extend([
            (kind, "restoring", "restoring"),
            (kind, "stalled", "stalled"),
        ]);
    }
    let mut cases = live.take(&wanted).await;
    live.until_hindered(&mut cases, &["restoring"]).await;

    let down = json!({
        "caller": "outside", "count": 0,
        "effect": {"kind": "error", "status": 503, "code": "ServiceUnavailable", "message": "Try later."},
    });
    live.scene.emulator.add_fault(&down).await.unwrap();
    live.create(
        IMAGE,
        "pending",
        json!({"scalingGroupId": "asg-i-pending", "imageId": "m-v2"}),
    )
    .await;
    live.until_state(IMAGE, "pending", "Pending").await;
    for (kind, name) in [
        (TASK, "running"),
        (BACK, "running"),
        (IMAGE, "running"),
        (IMAGE, "pending"),
    ] {
        live.until(kind, name, "CloudUnavailable", |object| {
            condition(object, "Reconciling")["reason"] == "CloudUnavailable"
        })
        .await;
    }
    let mut wanted = vec![(IMAGE, "pending", "pending")];
    wanted.extend(KINDS.map(|kind| (kind, "cloud-unavailable", "running")));
    let mut hindered = live.take(&wanted).await;
    live.until_hindered(&mut hindered, &["pending", "cloud-unavailable"])
        .await;
    cases.extend(hindered);
    (live, cases)
}
