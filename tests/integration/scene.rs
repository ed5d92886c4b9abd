//! What every test stands on: a namespace, an emulated cloud and an operator of its own, on the control plane that
//! the test run shares. The operator has the rights that the chart gives it, and no more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ess_rollout_test_support as support;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use support::{ControlPlane, Emulator, Installation, Kubectl, Operator, Options};

/// How long something may take before the test fails. Everything here takes a second or two; a machine that compiles at
/// the same time needs many times that.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two of the operator's polls; what must not happen is waited for by the count of these.
pub const POLL: Duration = Duration::from_millis(300);
/// The group of [`fixture`]; its instances are `i-web-01` to `i-web-06`.
pub const GROUP: &str = "asg-web";
pub const CONFIGURATION: &str = "asc-web";
/// The AccessKey of the operator's own credentials in [`fixture`].
const OWN_KEY: (&str, &str) = ("operator-key", "operator-secret");

/// A group of six instances whose `ScheduledAction` a person has suspended, two images, somebody with a console.
pub fn fixture() -> Value {
    json!({
        "durations": {"command": 10, "healthCheck": 600},
        "principals": [
            {"name": "operator", "accessKeyId": OWN_KEY.0, "accessKeySecret": OWN_KEY.1,
             "allow": ["ess:*", "ecs:*", "eci:*", "oos:*", "cms:*", "slb:*", "alb:*", "nlb:*", "ram:PassRole"]},
            {"name": "alice", "accessKeyId": "alice-key", "accessKeySecret": "alice-secret", "allow": ["*"]},
        ],
        "roles": [{"name": "OOSServiceRole", "trustsOos": true, "allow": ["ess:*", "ecs:*", "oos:*"]}],
        "images": [{"imageId": "m-v1"}, {"imageId": "m-v2"}],
        "scalingGroups": [group(GROUP, 6)],
    })
}

/// `asg-NAME` with the configuration `asc-NAME` and so many instances `i-NAME-NN`.
pub fn group(id: &str, instances: usize) -> Value {
    let name = id.trim_start_matches("asg-");
    let instances = match instances {
        0 => json!([]),
        count => json!({"count": count}),
    };
    json!({
        "scalingGroupId": id,
        "maxSize": 20,
        "suspendedProcesses": ["ScheduledAction"],
        "configurations": [{"scalingConfigurationId": format!("asc-{name}"), "imageId": "m-v1"}],
        "instances": instances,
    })
}

/// A task of [`GROUP`] that runs a script.
pub fn script_task() -> Value {
    json!({
        "scalingGroupId": GROUP,
        "update": {"script": {"run": {"inline": "systemctl restart my-agent"}}},
        "batches": 3,
    })
}

/// A task of [`GROUP`] that rolls out `m-v2`.
pub fn image_task() -> Value {
    json!({"scalingGroupId": GROUP, "update": {"image": {"imageId": "m-v2"}}, "batches": 3})
}

/// The object with more fields, or other values of those that it has.
pub fn with(mut object: Value, more: Value) -> Value {
    merge(&mut object, more);
    object
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// What differs from one test to the next.
pub struct Setup {
    pub fixture: Value,
    /// Virtual seconds per second.
    pub clock_scale: f64,
    /// Values of the chart.
    pub values: Value,
    /// Seconds between two writes of nothing but progress.
    pub progress_interval: f64,
    /// What checks between batches may ask, as the file of `--gate-endpoints` has it.
    pub endpoints: Value,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            fixture: fixture(),
            clock_scale: 100.0,
            values: json!({}),
            progress_interval: 0.5,
            endpoints: json!([]),
        }
    }
}

/// Fields are dropped from the top: the operator ends first.
pub struct Scene {
    pub operator: Operator,
    pub emulator: Emulator,
    /// As the admin.
    pub kubectl: Kubectl,
    /// Where the tasks are.
    pub namespace: String,
    pub installation: Installation,
    /// How the operator was started, for another one.
    pub options: Options,
    /// What the programs were told in files.
    _files: tempfile::TempDir,
    client: Client,
    control_plane: &'static ControlPlane,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with_fixture(fixture: Value) -> Self {
        Self::with(Setup {
            fixture,
            ..Setup::default()
        })
        .await
    }

    pub async fn with(setup: Setup) -> Self {
        Self::on(control_plane(), setup).await
    }

    /// The same on another control plane.
    pub async fn on(control_plane: &'static ControlPlane, setup: Setup) -> Self {
        let files = tempfile::tempdir().unwrap();
        let fixture = files.path().join("fixture.yaml");
        std::fs::write(&fixture, setup.fixture.to_string()).unwrap();
        let scale = setup.clock_scale.to_string();
        let emulator = Emulator::start_with(&fixture, &["--clock-scale", &scale]).unwrap();
        let values = json!({
            "crds": {"enabled": false},
            "rbac": {"aggregate": false},
            // After a failure or a cancellation this, and the time that calls may take, is waited out in real time. Nothing
            // comes late here that a test does not make late.
            "settleSeconds": 0,
        });
        let values = with(values, setup.values);
        let installation = Installation::new(
            control_plane,
            "it",
            "cn-hangzhou",
            emulator.endpoint(),
            &values,
        )
        .unwrap();
        let options = installation.operator().access_key(OWN_KEY.0, OWN_KEY.1);
        let options = options
            .flag("--call-timeout-seconds=2")
            // Shorter than the chart lets anybody have against the real cloud.
            .setting("--poll-interval-seconds", POLL.as_secs_f64())
            // Such polls alone would take most of what an account has.
            .flag("--oos-reads-per-second=200")
            .flag(format!(
                "--progress-interval-seconds={}",
                setup.progress_interval
            ));
        // Earlier versions, which take turns with this one in some tests, do not have the flag.
        let options = match setup.endpoints.as_array() {
            Some(all) if !all.is_empty() => {
                let file = files.path().join("endpoints.json");
                std::fs::write(&file, setup.endpoints.to_string()).unwrap();
                options.flag(format!("--gate-endpoints={}", file.display()))
            }
            _ => options,
        };
        let operator = Operator::start(&options).unwrap();
        Self {
            _files: files,
            operator,
            emulator,
            kubectl: control_plane.kubectl(),
            namespace: installation.tasks.clone(),
            installation,
            options,
            client: control_plane.client().await.unwrap(),
            control_plane,
        }
    }

    pub fn control_plane(&self) -> &'static ControlPlane {
        self.control_plane
    }

    // --- Objects

    pub fn api(&self, namespace: &str, kind: &str) -> Api<DynamicObject> {
        api(self.client.clone(), namespace, kind)
    }

    /// Creates a task.
    pub async fn create(&self, name: &str, spec: Value) -> Value {
        self.try_create(name, spec).await.unwrap()
    }

    pub async fn try_create(&self, name: &str, spec: Value) -> Result<Value, kube::Error> {
        let object = serde_json::from_value(task(name, spec)).unwrap();
        let created = self
            .api(&self.namespace, "RollingUpdateTask")
            .create(&Default::default(), &object)
            .await;
        created.map(|object| json!(object))
    }

    pub async fn task(&self, name: &str) -> Value {
        self.find_task(name)
            .await
            .unwrap_or_else(|| panic!("there is no task {name}"))
    }

    pub async fn find_task(&self, name: &str) -> Option<Value> {
        let found = self
            .api(&self.namespace, "RollingUpdateTask")
            .get_opt(name)
            .await
            .unwrap();
        found.map(|object| json!(object))
    }

    /// The record of a group.
    pub async fn record(&self, group: &str) -> Value {
        let name = format!("cn-hangzhou.{group}");
        json!(
            self.api(&self.installation.namespace, "ScalingGroupRecord")
                .get(&name)
                .await
                .unwrap()
        )
    }

    /// Changes fields of the spec.
    pub async fn patch_spec(&self, name: &str, spec: Value) {
        self.patch(name, json!({ "spec": spec })).await;
    }

    /// Sets an annotation `ess-rollout.io/VERB`.
    pub async fn request(&self, name: &str, verb: &str, value: &str) {
        let key = format!("ess-rollout.io/{verb}");
        self.patch(name, json!({"metadata": {"annotations": {key: value}}}))
            .await;
    }

    /// Makes the operator look at a task now rather than at its next look, which after a refusal is a minute away.
    pub async fn poke(&self, name: &str) {
        let now = format!("{:?}", Instant::now());
        self.patch(name, json!({"metadata": {"annotations": {"poke": now}}}))
            .await;
    }

    async fn patch(&self, name: &str, patch: Value) {
        let patch = kube::api::Patch::Merge(patch);
        let api = self.api(&self.namespace, "RollingUpdateTask");
        api.patch(name, &Default::default(), &patch).await.unwrap();
    }

    pub async fn delete(&self, name: &str) {
        let api = self.api(&self.namespace, "RollingUpdateTask");
        api.delete(name, &Default::default()).await.unwrap();
    }

    pub async fn create_secret(&self, name: &str, data: Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        self.kubectl
            .apply_server_side(&self.namespace, &secret.to_string())
            .unwrap();
    }

    /// The reasons of the Events of a task, in no order.
    pub async fn event_reasons(&self, task: &str) -> Vec<String> {
        let events = self
            .api(&self.namespace, "Event")
            .list(&ListParams::default())
            .await
            .unwrap();
        let of_task = events
            .items
            .iter()
            .filter(|event| event.data["regarding"]["name"] == task);
        of_task
            .filter_map(|event| Some(event.data["reason"].as_str()?.to_owned()))
            .collect()
    }

    // --- Waiting

    /// Looks until `look` gives something.
    pub async fn eventually<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if began.elapsed() > PATIENCE {
                let tasks = self
                    .api(&self.namespace, "RollingUpdateTask")
                    .list(&ListParams::default())
                    .await;
                for task in tasks.iter().flat_map(|tasks| &tasks.items) {
                    eprintln!(
                        "{}",
                        serde_json::to_string_pretty(&task.data["status"]).unwrap_or_default()
                    );
                }
                panic!("after {PATIENCE:?} there is still not: {what}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks at a task until it is as wanted, and gives it.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.eventually(&format!("{name}: {what}"), async || {
            Some(self.task(name).await).filter(&wanted)
        })
        .await
    }

    pub async fn until_state(&self, name: &str, state: &str) -> Value {
        self.until(name, state, |task| task["status"]["state"] == state)
            .await
    }

    /// Waits until a condition has a status and a reason.
    pub async fn until_condition(
        &self,
        name: &str,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> Value {
        self.until(name, &format!("{kind}={status} {reason}"), |task| {
            let found = condition(task, kind);
            found["status"] == status && found["reason"] == reason
        })
        .await
    }

    pub async fn until_paused(&self, name: &str, pause: i64) -> Value {
        self.until(name, &format!("pause {pause}"), |task| {
            task["status"]["state"] == "BatchSuspended" && task["status"]["pause"]["id"] == pause
        })
        .await
    }

    /// Waits until a request with this value has been judged, and gives its entry in the ledger.
    pub async fn until_settled(&self, name: &str, verb: &str, value: &str) -> Value {
        let field = verb.to_owned();
        let task = self
            .until(name, &format!("{verb} {value} is settled"), |task| {
                let newest = task["status"]["actions"]
                    .as_array()
                    .and_then(|actions| actions.last());
                task["status"]["handledActions"][&field] == value
                    && newest.is_some_and(|action| action["state"] != "Accepted")
            })
            .await;
        task["status"]["actions"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone()
    }

    /// Waits until the operator has polled the emulator so many times more.
    pub async fn polls(&self, count: usize) {
        let polled = async || {
            self.emulator
                .calls()
                .await
                .unwrap()
                .iter()
                .filter(|call| is_poll(call))
                .count()
        };
        let before = polled().await;
        self.eventually("the operator polls", async || {
            (polled().await >= before + count).then_some(())
        })
        .await;
    }

    // --- The cloud

    /// Stops the cloud's clock, or lets it go on: what a test looks at meanwhile does not pass by.
    pub async fn stop_time(&self, stopped: bool) {
        self.emulator
            .post("clock", &json!({"paused": stopped}))
            .await
            .unwrap();
    }

    /// How many calls of an action had an effect, by clients or by executions.
    pub async fn effects(&self, action: &str) -> usize {
        let calls = self.emulator.calls().await.unwrap();
        calls
            .iter()
            .filter(|call| call["action"] == action && call["code"] == "OK")
            .count()
    }

    /// How many times the operator called an action, whatever came of it.
    pub async fn asked(&self, service: &str, action: &str) -> usize {
        self.emulator.journal(service, action).await.unwrap().len()
    }

    /// How many executions the operator asked for. A call whose answer was late is sent again with the same token, and
    /// counts once.
    pub async fn starts(&self) -> usize {
        let sent = self
            .emulator
            .journal("OOS", "StartExecution")
            .await
            .unwrap();
        let tokens = sent
            .iter()
            .map(|call| call["params"]["ClientToken"].to_string());
        tokens.collect::<BTreeSet<_>>().len()
    }

    /// Notifications of a kind that the operator sent.
    pub async fn notifications(&self, kind: &str) -> usize {
        let sent = self
            .emulator
            .journal("OOS", "NotifyExecution")
            .await
            .unwrap();
        sent.iter()
            .filter(|call| call["params"]["NotifyType"] == kind)
            .count()
    }

    /// Instances of a group as the emulator holds them: id and one field.
    pub async fn instances(&self, group: &str, field: &str) -> Vec<(String, Value)> {
        let state = self.emulator.get("state").await.unwrap();
        // What the group knows of an instance, and what ECS knows of it.
        let members = state["scalingInstances"].as_array().unwrap().iter();
        let members: Vec<&Value> = members
            .filter(|member| member["scalingGroupId"] == group)
            .collect();
        members
            .into_iter()
            .map(|member| {
                let ecs = state["instances"].as_array().unwrap().iter();
                let ecs = ecs
                    .clone()
                    .find(|ecs| ecs["instanceId"] == member["instanceId"]);
                let value = member
                    .get(field)
                    .or_else(|| ecs?.get(field))
                    .unwrap_or(&Value::Null);
                (
                    member["instanceId"].as_str().unwrap().to_owned(),
                    value.clone(),
                )
            })
            .collect()
    }

    /// Whether a field has the same value for all instances of a group.
    pub async fn all_instances(&self, group: &str, field: &str, value: &str) -> bool {
        self.instances(group, field)
            .await
            .iter()
            .all(|(_, found)| found == value)
    }

    pub async fn suspended_processes(&self, group: &str) -> Value {
        let state = self.emulator.get("state").await.unwrap();
        let groups = state["scalingGroups"].as_array().unwrap();
        groups
            .iter()
            .find(|found| found["scalingGroupId"] == group)
            .unwrap()["suspendedProcesses"]
            .clone()
    }

    pub async fn configuration_image(&self, configuration: &str) -> Value {
        let state = self.emulator.get("state").await.unwrap();
        let all = state["scalingConfigurations"].as_array().unwrap();
        all.iter()
            .find(|found| found["scalingConfigurationId"] == configuration)
            .unwrap()["imageId"]
            .clone()
    }

    /// A call by somebody in the console; gives the body of the answer.
    pub async fn console(&self, service: &str, action: &str, params: Value) -> Value {
        let call = json!({"as": "alice", "service": service, "action": action, "params": params});
        let answer = self.emulator.post("calls", &call).await.unwrap();
        assert_eq!(answer["status"], 200, "{action}: {answer}");
        answer["body"].clone()
    }
}

/// The operator's look at all of its executions at once: a list by the tag that all of them carry, and nothing else.
fn is_poll(call: &Value) -> bool {
    let tags = call["params"]["Tags"].as_str().unwrap_or_default();
    let tags: Value = serde_json::from_str(tags).unwrap_or_default();
    call["service"] == "OOS"
        && call["action"] == "ListExecutions"
        && call["byOos"] == false
        && tags == json!({"managed-by": "ess-rollout"})
}

/// The control plane of this run, with the CRDs installed.
pub fn control_plane() -> &'static ControlPlane {
    static CRDS: std::sync::Once = std::sync::Once::new();
    let control_plane = support::shared();
    CRDS.call_once(|| {
        control_plane
            .kubectl()
            .apply_crds(&support::source_root().join("crds"))
            .unwrap();
    });
    control_plane
}

pub fn api(client: Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = match kind {
        "Event" => ("events.k8s.io", "v1"),
        _ => ("ess-rollout.io", "v1alpha1"),
    };
    Api::namespaced_with(
        client,
        namespace,
        &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)),
    )
}

/// The manifest of a task.
pub fn task(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": "RollingUpdateTask",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A condition of a task or of one of its instances; null when there is none.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let holder = if object["status"].is_object() {
        &object["status"]
    } else {
        object
    };
    let all = holder["conditions"].as_array();
    all.and_then(|all| all.iter().find(|found| found["type"] == kind))
        .unwrap_or(&Value::Null)
}

#[track_caller]
pub fn assert_condition(object: &Value, kind: &str, status: &str, reason: &str) {
    let found = condition(object, kind);
    assert!(
        found["status"] == status && found["reason"] == reason,
        "{kind} is {found}"
    );
}

#[track_caller]
pub fn assert_says(text: &Value, parts: &[&str]) {
    for part in parts {
        assert!(
            text.as_str().is_some_and(|text| text.contains(part)),
            "{part:?} is not in {text}"
        );
    }
}

/// What `kstatus`, and with it Argo CD, Flux and `kubectl wait` wrappers, make of an object.
pub fn kstatus(object: &Value) -> &'static str {
    let is = |kind: &str, status: &str| condition(object, kind)["status"] == status;
    if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
        "InProgress"
    } else if is("Stalled", "True") {
        "Failed"
    } else if is("Reconciling", "True") || is("Ready", "False") || is("Ready", "Unknown") {
        "InProgress"
    } else {
        "Current"
    }
}
