//! Objects in which fields mean something. One covers the fields that its spec names, so each names those that make a
//! difference to what happens to it; what it leaves out is as the schema fills it.

mod image_updates;
mod rollbacks;
mod tasks;

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::operator::ACCESS_KEY;
use crate::scenario::{Act, Name, Scenario, Step, When, attached, object, rule_that_becomes, with};
use crate::world::NAMESPACE;

/// What the rule of the cloud does, as a number: 0 where it is OK, 1 in ALARM.
fn measured(limits: Value) -> Value {
    with(
        json!({"name": "errors", "source": "prod", "query": "rule-web"}),
        limits,
    )
}

/// Neither well nor not for too long.
fn in_doubt(limits: Value) -> Value {
    json!({"gates": {
        "metrics": [measured(limits)], "timeoutSeconds": 60, "onInconclusive": "Fail", "onFailed": "Cancel",
    }})
}

/// In the first pause of an execution load balancers begin to find this instance unhealthy.
fn becomes_unhealthy(instance: &str) -> Value {
    let rule = json!({"instance": instance, "status": "abnormal"});
    json!({"events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"backendHealth": rule}}]})
}

/// An object, what surrounds it, and what people do until and after a field of it is something else.
#[derive(Debug, Clone)]
pub struct Base {
    pub name: &'static str,
    pub plural: &'static str,
    /// The object, as people name it.
    pub about: Name,
    cloud: Value,
    before: Vec<Step>,
    pub spec: Value,
    after: Vec<Step>,
    /// States in which its spec is edited: after so many of the steps that follow the creation, once this holds.
    moments: Vec<(&'static str, usize, When)>,
    bound: Duration,
    rest: Duration,
    /// `status.state` at the end, as it is; empty: it is gone; `None`: it goes on.
    pub ends: Option<&'static str>,
}

impl Base {
    fn new(name: &'static str, plural: &'static str, about: Name, spec: Value) -> Self {
        Self {
            name,
            plural,
            about,
            cloud: json!({}),
            before: Vec::new(),
            spec,
            after: Vec::new(),
            moments: Vec::new(),
            bound: Duration::from_secs(1200),
            rest: Duration::from_secs(150),
            ends: Some("Succeeded"),
        }
    }

    fn cloud(mut self, more: Value) -> Self {
        self.cloud = with(self.cloud, more);
        self
    }

    /// Before the object is created a person does that.
    fn first(mut self, when: When, act: Act) -> Self {
        self.before.push(Step { when, act });
        self
    }

    fn then(mut self, when: When, act: Act) -> Self {
        self.after.push(Step { when, act });
        self
    }

    /// Here, in this state, its spec is edited.
    fn moment(mut self, state: &'static str, when: When) -> Self {
        self.moments.push((state, self.after.len(), when));
        self
    }

    /// It is looked at for so many seconds once people have done all that they do.
    fn rests(mut self, seconds: u64) -> Self {
        self.rest = Duration::from_secs(seconds);
        self.bound += self.rest;
        self
    }

    fn ends(mut self, state: &'static str) -> Self {
        self.ends = Some(state);
        self
    }

    fn goes_on(mut self) -> Self {
        self.ends = None;
        self
    }

    /// How long it is looked at once people have done all that they do.
    pub fn rest(&self) -> Duration {
        self.rest
    }

    /// The states in which its spec is edited.
    pub fn states(&self) -> impl Iterator<Item = &'static str> {
        self.moments.iter().map(|(state, ..)| *state)
    }

    fn kind(&self) -> &'static str {
        match self.plural {
            "rollbacks" => "Rollback",
            "imageupdatetasks" => "ImageUpdateTask",
            _ => "RollingUpdateTask",
        }
    }

    /// The object with this spec.
    pub fn object(&self, spec: &Value) -> Value {
        let (_, name) = crate::person::parts(self.about);
        object(self.kind(), name, spec.clone())
    }

    /// It is created with this spec, and in this state a person does that.
    pub fn scenario(&self, spec: &Value, edit: Option<(&str, Act)>) -> Scenario {
        let mut scenario = self.scene();
        let create = Act::Create(self.object(spec));
        let when = self.created_when();
        scenario.steps.push(Step { when, act: create });
        let moment = edit.and_then(|(state, act)| {
            let moment = self.moments.iter().find(|(one, ..)| *one == state)?;
            Some((moment.1, moment.2.clone(), act))
        });
        self.go_on(&mut scenario, moment);
        scenario
    }

    /// It is created with a wrong spec; some time later that is mended. `by_edit`: in the object, otherwise by another
    /// object of the same name.
    pub fn mended(&self, wrong: &Value, by_edit: Option<Value>, after: u64) -> Scenario {
        let mut scenario = self.scene();
        let mut step = |when, act| scenario.steps.push(Step { when, act });
        step(self.created_when(), Act::Create(self.object(wrong)));
        match by_edit {
            Some(patch) => step(When::Later(after), Act::Edit(self.about, patch)),
            None => {
                step(When::Later(after), Act::Delete(self.about));
                step(When::Gone(self.about), Act::Create(self.object(&self.spec)));
            }
        }
        self.go_on(&mut scenario, None);
        scenario.bound += Duration::from_secs(after) + self.rest;
        scenario
    }

    fn created_when(&self) -> When {
        match self.before.is_empty() {
            true => When::Now,
            // What was created first is seen first.
            false => When::Later(1),
        }
    }

    fn scene(&self) -> Scenario {
        let mut scenario = Scenario::new(self.name, json!({})).cloud(self.cloud.clone());
        scenario.steps = self.before.clone();
        scenario.bound = self.bound;
        scenario
    }

    fn go_on(&self, scenario: &mut Scenario, mut edit: Option<(usize, When, Act)>) {
        for index in 0..=self.after.len() {
            if let Some((_, when, act)) = edit.take_if(|edit| edit.0 == index) {
                scenario.steps.push(Step { when, act });
            }
            scenario.steps.extend(self.after.get(index).cloned());
        }
    }
}

/// A Secret with the operator's AccessKey.
fn credentials() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "cloud", "namespace": NAMESPACE},
        "stringData": {"accessKeyId": ACCESS_KEY.0, "accessKeySecret": ACCESS_KEY.1},
    })
}

/// All of them, made once.
pub fn all() -> &'static [Base] {
    static ALL: LazyLock<Vec<Base>> = LazyLock::new(|| {
        let mut all = tasks::all();
        all.extend(rollbacks::all());
        all.extend(image_updates::all());
        all
    });
    &ALL
}

/// A container with every field, at a version of its image.
fn full_container(version: &str) -> Value {
    json!({
        "name": "app", "image": format!("registry/app:{version}"), "imagePullPolicy": "Always", "cpu": "0.5", "memory": "1",
        "command": ["serve"], "arg": ["--verbose"], "workingDir": "/srv",
        "environmentVar": [{"key": "MODE", "value": version}],
        "port": [{"port": 80, "protocol": "TCP"}],
        "volumeMount": [{
            "name": "data", "mountPath": "/data", "subPath": "app", "readOnly": true, "mountPropagation": "None",
        }],
    })
}

/// What an update does, by what its script has in it, that of nothing else.
pub struct Way {
    /// The text of the script.
    pub script: &'static str,
    /// A cloud that has this fault once the update may start.
    pub fault: fn(Value) -> Value,
}

/// What both kinds of runs have in common. `base` makes an object whose spec runs a script in two batches, with this in it, too.
fn of_policy(base: &dyn Fn(&'static str, Value) -> Base, way: &Way) -> Vec<Base> {
    let web = base("", json!({})).about;
    let ended = || When::Field(web, "/status/restore/done", true.into());
    let each = |more: Value| with(json!({"suspensionPolicy": "SuspendEachBatch"}), more);
    let command = |more: Value| {
        let command = with(json!({"contentContains": way.script}), more);
        json!({"commands": [command]})
    };
    let faulty = || command(json!({"instance": "i-web-02", "exitCode": 7, "output": "disk full"}));
    let denied = |action: &str, seconds: u64| {
        (way.fault)(json!({
            "service": "OOS", "action": action, "principal": "operator", "count": 0, "forSeconds": seconds,
            "effect": {"kind": "deny"},
        }))
    };
    let ever = 1_000_000;
    let slow_to_cancel = || json!({"switches": {"oos": {"cancelDelaySeconds": 2000}}});
    vec![
        base(
            "running",
            json!({
                "description": "release 7", "batches": 2, "suspensionPolicy": "Automatic", "onFailure": "Suspend",
                "runKey": "release-7", "desiredState": "Run",
            }),
        )
        .moment("Running", When::State(web, "Running"))
        .then(ended(), Act::Wait)
        .moment("Ended", When::Later(30)),
        base("by-size", json!({"batches": null, "batchSize": "50%"})).then(ended(), Act::Wait),
        base(
            "failing",
            json!({
                "onFailure": "Fail", "failedInstancePolicy": "KeepInStandby", "restorePolicy": "Restore",
            }),
        )
        .cloud(faulty())
        .then(ended(), Act::Wait)
        .moment("Ended", When::Later(30))
        .ends("Failed"),
        // The pause after the failure, and the one after the batch.
        base("failing-in-a-pause", each(json!({"onFailure": "Suspend"})))
            .cloud(faulty())
            .moment("Running", When::State(web, "Running"))
            .then(When::State(web, "FailureSuspended"), Act::Wait)
            .moment("FailureSuspended", When::Now)
            .then(When::Later(60), Act::Annotate(web, "skip", "i-web-02@one"))
            .ends("BatchSuspended"),
        base("pausing", each(json!({"batches": 4, "approvedBatches": 2})))
            .moment("Pending", When::Now)
            .moment("Running", When::State(web, "Running"))
            .then(When::Paused(web, 2), Act::Wait)
            .moment("BatchSuspended", When::Now)
            .ends("BatchSuspended"),
        base("queued", each(json!({})))
            .first(
                When::Now,
                Act::Create(object(
                    "ImageUpdateTask",
                    "first",
                    json!({"scalingGroupId": crate::scenario::GROUP, "source": {"instanceId": "i-web-01"}}),
                )),
            )
            .moment("Pending", When::State(web, "Pending"))
            .then(When::Paused(web, 1), Act::Wait)
            .ends("BatchSuspended"),
        base("blocked-for-too-long", json!({"startingDeadlineSeconds": 150}))
            .cloud(denied("StartExecution", ever))
            .moment("Pending", When::Now)
            .moment("Blocked", When::State(web, "Blocked"))
            .rests(250)
            .ends("Failed"),
        base("blocked", each(json!({})))
            .cloud(with(denied("StartExecution", 200), slow_to_cancel()))
            .moment("Pending", When::Now)
            .moment("Blocked", When::State(web, "Blocked"))
            .then(When::Paused(web, 1), Act::Wait)
            .then(When::Later(30), Act::Delete(web))
            .rests(100)
            .ends("Cancelling"),
        base("planned-and-blocked", json!({"desiredState": "Plan"}))
            .cloud(denied("StartExecution", 300))
            .moment("Planned", When::State(web, "Planned"))
            .then(When::Later(20), Act::Edit(web, json!({"desiredState": "Run"})))
            .then(ended(), Act::Wait),
        base("planned", each(json!({"desiredState": "Plan"})))
            .moment("Planned", When::State(web, "Planned"))
            .cloud(slow_to_cancel())
            .then(When::Later(120), Act::Edit(web, json!({"desiredState": "Run"})))
            .then(When::Paused(web, 1), Act::Wait)
            .then(When::Later(30), Act::Delete(web))
            .rests(100)
            .ends("Cancelling"),
        base("kept-for-a-while", json!({"ttlSecondsAfterFinished": 100, "runKey": "release-8"}))
            .then(ended(), Act::Wait)
            .moment("Ended", When::Later(30))
            .rests(250)
            .ends(""),
        base("deleted", each(json!({"deletionPolicy": "Cancel", "deletionTimeoutSeconds": 150})))
            .cloud(slow_to_cancel())
            .moment("Running", When::State(web, "Running"))
            .then(When::Paused(web, 1), Act::Wait)
            .moment("BatchSuspended", When::Now)
            .then(When::Later(30), Act::Delete(web))
            .moment("Deleting", When::Later(30))
            .then(When::Later(60), Act::Wait)
            .rests(250)
            .ends(""),
        base("failing-and-deleted", json!({"deletionTimeoutSeconds": 150}))
            .cloud(with(faulty(), slow_to_cancel()))
            .then(When::State(web, "FailureSuspended"), Act::Wait)
            .moment("FailureSuspended", When::Now)
            .then(When::Later(30), Act::Delete(web))
            .rests(250)
            .ends(""),
        base("stuck", json!({"progressDeadlineSeconds": 120}))
            .cloud(command(json!({"durationSeconds": 900})))
            .then(When::State(web, "Running"), Act::Wait)
            .rests(250)
            .ends("Running"),
        base("soaking", json!({"gates": {"soakSeconds": 60}}))
            .then(ended(), Act::Wait),
        base(
            "gated",
            json!({"gates": {"alarms": {"ruleIds": ["rule-web"]}, "intervalSeconds": 40, "consecutivePasses": 3}}),
        )
        .cloud(rule_that_becomes("OK"))
        .then(ended(), Act::Wait),
        base(
            "gated-by-the-group",
            json!({"gates": {"alarms": {"fromScalingGroup": true}, "onFailed": "Cancel"}}),
        )
        .cloud(with(
            rule_that_becomes("ALARM"),
            json!({"alarms": [{"alarmTaskId": "rule-web", "scalingGroupId": crate::scenario::GROUP}], "metricRules": null}),
        ))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "gated-without-data",
            json!({"gates": {"alarms": {"ruleIds": ["rule-web"], "insufficientData": "Pass"}}}),
        )
        .cloud(rule_that_becomes("INSUFFICIENT_DATA"))
        .then(ended(), Act::Wait),
        base(
            "gated-in-doubt",
            json!({"gates": {
                "alarms": {"ruleIds": ["rule-web"]}, "timeoutSeconds": 100, "onInconclusive": "Fail", "onFailed": "Cancel",
            }}),
        )
        .cloud(rule_that_becomes("INSUFFICIENT_DATA"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "watched-to-the-end",
            json!({"gates": {"alarms": {"ruleIds": ["rule-web"]}, "finalSoakSeconds": 100, "soakSeconds": 20}}),
        )
        .cloud(rule_that_becomes("OK"))
        .then(ended(), Act::Wait),
        base(
            "measured",
            json!({"gates": {
                "metrics": [measured(json!({"failAbove": "0.6", "initialDelaySeconds": 20}))], "onFailed": "Cancel",
            }}),
        )
        .cloud(rule_that_becomes("ALARM"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "measured-before-the-start",
            json!({"gates": {"metrics": [measured(json!({"failBelow": "0.5"}))]}}),
        )
        .cloud(rule_that_becomes("OK"))
        .then(When::Later(150), Act::Wait)
        .ends("Pending"),
        base(
            "measured-in-between",
            in_doubt(json!({"passBelow": "-1", "failAbove": "2"})),
        )
        .cloud(rule_that_becomes("OK"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "measured-in-between-from-below",
            in_doubt(json!({"passAbove": "0.5", "failBelow": "-1"})),
        )
        .cloud(rule_that_becomes("OK"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "asked",
            json!({"gates": {"webhooks": [{"name": "smoke", "target": "qa"}], "onFailed": "Cancel"}}),
        )
        .cloud(rule_that_becomes("ALARM"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "balanced",
            json!({"gates": {"loadBalancer": {"gracePeriodSeconds": 90}, "intervalSeconds": 40, "onFailed": "Cancel"}}),
        )
        .cloud(attached(json!([])))
        .cloud(becomes_unhealthy("i-web-01"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        base(
            "balanced-by-all",
            json!({"gates": {"loadBalancer": {"scope": "Group"}, "onFailed": "Cancel"}}),
        )
        .cloud(attached(json!([])))
        .cloud(becomes_unhealthy("i-web-04"))
        .then(ended(), Act::Wait)
        .ends("Cancelled"),
        // Its soak ends when the window does; runs begin at 08:00.
        base(
            "in-its-window",
            json!({
                "gates": {"soakSeconds": 340}, "finishBy": "BestEffort", "maxFrozenSeconds": 100_000,
                "window": {
                    "kind": "Allow", "reason": "each morning", "schedule": "0 8 * * *", "durationMinutes": 6, "timeZone": "UTC",
                },
            }),
        )
        .then(When::Paused(web, 1), Act::Wait)
        .rests(600)
        .ends("BatchHeld"),
        base("frozen", each(json!({"maxFrozenSeconds": 120, "onFrozenTooLong": "Cancel"})))
            .then(ended(), Act::Wait)
            .ends("Cancelled"),
        base("thawed", each(json!({"thawWhilePaused": true})))
            .then(When::Paused(web, 1), Act::Wait)
            .rests(600)
            .ends("BatchSuspended"),
        base(
            "on-a-holiday",
            json!({"window": {
                "schedule": "0 16 * * *", "durationMinutes": 60, "timeZone": "Asia/Shanghai", "except": ["2026-01-05"],
            }}),
        )
        .then(When::Later(150), Act::Wait)
        .ends("Pending"),
        base(
            "once",
            json!({
                "window": {"start": "2026-01-05T08:01:00Z", "end": "2026-01-05T08:30:00Z"}, "notBefore": "2026-01-05T08:02:00Z",
            }),
        )
        .then(ended(), Act::Wait),
        base(
            "missed",
            json!({
                "window": {"start": "2026-01-05T09:00:00Z", "end": "2026-01-05T10:00:00Z"}, "notAfter": "2026-01-05T08:02:00Z",
            }),
        )
        .then(ended(), Act::Wait)
        .ends("Failed"),
        base("in-a-window-that-it-names", each(json!({"windowRefs": ["mornings"]})))
            .first(
                When::Now,
                Act::Create(object(
                    "MaintenanceWindow",
                    "mornings",
                    json!({"schedule": "0 8 * * *", "durationMinutes": 60, "timeZone": "UTC", "selector": {"namespaces": ["nowhere"]}}),
                )),
            )
            .then(When::Paused(web, 1), Act::Wait)
            .ends("BatchSuspended"),
        base("with-credentials", json!({"credentialsRef": {"name": "cloud"}, "ramRole": "OOSServiceRole"}))
            .first(When::Now, Act::Create(credentials()))
            .then(ended(), Act::Wait),
    ]
}
