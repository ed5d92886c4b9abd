//! What a scenario is made of: a cloud, objects, what people do, and how it ends. Data only; [`crate::scenarios`] has them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::canaries::ENVIRONMENT;
use crate::operator::ACCESS_KEY;
use crate::others::THIRD_IMAGE;
use crate::world::{ELSEWHERE, NAMESPACE, OPERATOR, PERSON, REGION};

/// The group of [`Scenario::new`]: four instances `i-web-01` to `i-web-04`, `ScheduledAction` suspended by a person.
pub const GROUP: &str = "asg-web";
pub const OLD_IMAGE: &str = "m-v1";
pub const NEW_IMAGE: &str = "m-v2";

/// One story.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    /// For the emulator.
    pub fixture: Value,
    pub steps: Vec<Step>,
    /// What people do whenever something holds, once all steps are done: people who are waited for look again.
    pub whenever: Vec<Step>,
    pub endings: Vec<Ending>,
    /// Virtual time within which it ends, faults and all.
    pub bound: Duration,
    /// Random schedules do not let ESS and ECS show an older state.
    pub fresh_reads: bool,
    /// It meets one fault at a time: several would make of it what it is not about.
    pub one_fault: bool,
    /// By so many seconds, and no more, what OOS lists is behind.
    pub lists_behind: u64,
    /// By so many seconds, and no more, nested executions and tasks are behind at first, and the execution itself is not.
    pub tasks_behind: u64,
    /// The cloud leaves something out for longer than it may: what others do meanwhile is decided by that.
    pub leaves_out: bool,
    /// Processes, instances and configurations that somebody else changes: not held against the operator.
    pub changed_by_others: Vec<&'static str>,
    /// Where nothing goes wrong the runs of these objects begin in this order.
    pub in_order: Vec<Name>,
}

/// Something that a person does once something holds. Steps are done in their order.
#[derive(Debug, Clone)]
pub struct Step {
    pub when: When,
    pub act: Act,
}

/// Objects are named `name` (a RollingUpdateTask) or `plural/name`.
pub type Name = &'static str;

/// What a person waits for.
#[derive(Debug, Clone)]
pub enum When {
    /// At once, after the step before.
    Now,
    /// So many seconds after the step before.
    Later(u64),
    /// `status.state` is this.
    State(Name, &'static str),
    /// It waits after this batch.
    Paused(Name, i64),
    /// The field at this JSON pointer is this.
    Field(Name, &'static str, Value),
    /// The condition `Stalled` has this reason.
    Stalled(Name, &'static str),
    /// The condition of this type is True.
    True(Name, &'static str),
    /// The object is gone.
    Gone(Name),
    /// This record names the execution of its first run, or has no run any more.
    Named(Name),
    /// The operator has passed so many boundaries.
    Boundary(usize),
}

/// What a person does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Nothing: the next step follows.
    Wait,
    Create(Value),
    /// Sets annotations below `ess-rollout.io/`. `$uid` and the like are not known: values are as given.
    Annotate(Name, &'static str, &'static str),
    /// Merges into the spec.
    Edit(Name, Value),
    /// Tries to merge each of these into the spec, one after the other, and keeps the answers.
    Try(Name, Vec<Value>),
    /// Merges into the object.
    Change(Name, Value),
    Delete(Name),
    /// From now on the CRD of the kind with this plural name is without these fields of the status.
    Crd(&'static str, &'static [&'static str]),
    /// Merges into the status what another replica of the operator had written there.
    Replica(Name, Value),
    /// A call in the cloud. `$execution` in a text is the execution of this object.
    Console {
        of: Name,
        service: &'static str,
        action: &'static str,
        params: Value,
    },
}

/// How an object ends.
#[derive(Debug, Clone)]
pub struct Ending {
    pub object: Name,
    /// `Gone`, or a value of `status.state`: any of these.
    pub states: Vec<&'static str>,
    /// The same where an answer of the cloud was wrong.
    pub misled: Vec<&'static str>,
    /// The reason of `Succeeded`, if it matters.
    pub reason: Option<&'static str>,
}

/// The value with more fields, or other values of those that it has.
pub fn with(mut value: Value, more: Value) -> Value {
    json_patch::merge(&mut value, &more);
    value
}

/// A cloud with these groups.
pub fn fixture(groups: Vec<Value>) -> Value {
    json!({
        "regions": [REGION, ELSEWHERE],
        "durations": {"command": 8, "stopInstance": 5, "startInstance": 5, "replaceSystemDisk": 5, "healthCheck": 600},
        "principals": [
            {"name": OPERATOR, "accessKeyId": ACCESS_KEY.0, "accessKeySecret": ACCESS_KEY.1, "allow": ["*"]},
            {"name": PERSON, "accessKeyId": "person-key", "accessKeySecret": "person-secret", "allow": ["*"]},
        ],
        "roles": [{"name": "OOSServiceRole", "trustsOos": true, "allow": ["*"]}],
        "images": [{"imageId": OLD_IMAGE}, {"imageId": NEW_IMAGE}, {"imageId": THIRD_IMAGE}],
        "scalingGroups": groups,
    })
}

/// `asg-NAME` with the configuration `asc-NAME` and so many instances `i-NAME-NN`.
pub fn group(id: &str, instances: usize) -> Value {
    let name = id.trim_start_matches("asg-");
    json!({
        "scalingGroupId": id,
        "maxSize": 20,
        "suspendedProcesses": ["ScheduledAction"],
        "configurations": [{"scalingConfigurationId": format!("asc-{name}"), "imageId": OLD_IMAGE}],
        "instances": if instances == 0 { json!([]) } else { json!({"count": instances}) },
    })
}

/// The same of type ECI: container groups `eci-NAME-NN` of an `app` and a `log`.
pub fn eci_group(id: &str, container_groups: usize) -> Value {
    let name = id.trim_start_matches("asg-");
    json!({
        "scalingGroupId": id,
        "groupType": "ECI",
        "maxSize": 20,
        "suspendedProcesses": ["ScheduledAction"],
        "eciConfigurations": [{
            "scalingConfigurationId": format!("asc-{name}"),
            "containers": [
                {"Name": "app", "Image": "registry/app:v1", "Cpu": 1,
                    "EnvironmentVar": [{"Key": "DB_PASSWORD", "Value": ENVIRONMENT}]},
                {"Name": "log", "Image": "registry/log:v1", "Arg": ["--token", ENVIRONMENT]},
            ],
        }],
        "containerGroups": {"count": container_groups},
    })
}

/// A rule of CloudMonitor that gets to this state in the first pause of an execution.
pub fn rule_that_becomes(state: &str) -> Value {
    json!({
        "metricRules": [{"ruleId": "rule-web", "ruleName": "web errors", "state": "OK"}],
        "events": [{"when": {"execution": {"status": "Waiting"}}, "do": {"alarmState": {"id": "rule-web", "state": state}}}],
    })
}

/// A group that is attached to load balancers of each product, and what health checks find.
pub fn attached(rules: Value) -> Value {
    let mut group = group(GROUP, 4);
    group["loadBalancerIds"] = json!(["lb-web"]);
    group["albServerGroups"] = json!([{"albServerGroupId": "sgp-web", "port": 8080}]);
    group["serverGroups"] = json!([{"serverGroupId": "sgp-tcp", "type": "NLB", "port": 9000}]);
    json!({"scalingGroups": [group], "durations": {"backendHealthCheck": 20}, "backendHealth": rules})
}

/// A ConfigMap `scripts` with the keys `run` and `rollback`.
pub fn config_map(run: &str, rollback: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "scripts", "namespace": NAMESPACE},
        "data": {"run": run, "rollback": rollback},
    })
}

/// An object of a kind of ours.
pub fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    })
}

fn task(name: &str, update: Value, more: Value) -> Value {
    let spec = json!({"scalingGroupId": GROUP, "batches": 2, "update": update});
    object("RollingUpdateTask", name, with(spec, more))
}

/// A task of [`GROUP`] that runs a script in two batches.
pub fn script(name: &str, more: Value) -> Value {
    task(
        name,
        json!({"script": {"run": {"inline": "systemctl restart agent"}}}),
        more,
    )
}

/// A task of [`GROUP`] that rolls out [`NEW_IMAGE`] in two batches.
pub fn image(name: &str, more: Value) -> Value {
    task(name, json!({"image": {"imageId": NEW_IMAGE}}), more)
}

/// A task of [`GROUP`], of type ECI, that changes the image of one container in two batches.
pub fn containers(name: &str, more: Value) -> Value {
    let app = json!({"name": "app", "image": "registry/app:v2"});
    task(name, json!({"containerGroup": {"containers": [app]}}), more)
}

/// A task of [`GROUP`] that installs the newest version of a package in two batches.
pub fn package(name: &str, more: Value) -> Value {
    task(name, json!({"package": {"name": "agent"}}), more)
}

/// A task of [`GROUP`] whose scripts come from the ConfigMap of [`config_map`].
pub fn script_from_config_map(name: &str, more: Value) -> Value {
    let source = |key: &str| json!({"configMapKeyRef": {"name": "scripts", "key": key}});
    let script = json!({"run": source("run"), "rollback": source("rollback")});
    task(name, json!({ "script": script }), more)
}

impl Scenario {
    /// One group of four instances, and this object created at the start.
    pub fn new(name: &'static str, object: Value) -> Self {
        Self {
            name,
            fixture: fixture(vec![group(GROUP, 4)]),
            steps: vec![Step {
                when: When::Now,
                act: Act::Create(object),
            }],
            whenever: Vec::new(),
            endings: Vec::new(),
            bound: Duration::from_secs(3600),
            fresh_reads: false,
            one_fault: false,
            lists_behind: 0,
            tasks_behind: 0,
            leaves_out: false,
            changed_by_others: Vec::new(),
            in_order: Vec::new(),
        }
    }

    /// Another cloud, or more of it.
    pub fn cloud(mut self, more: Value) -> Self {
        self.fixture = with(self.fixture, more);
        self
    }

    /// OOS behaves in this undocumented way.
    pub fn oos(self, switches: Value) -> Self {
        self.cloud(json!({"switches": {"oos": switches}}))
    }

    /// What was done first is so many seconds ago when the object is created.
    pub fn created_after(mut self, seconds: u64) -> Self {
        let creations = |step: &&mut Step| matches!(step.act, Act::Create(_));
        if let Some(step) = self.steps.iter_mut().find(creations) {
            step.when = When::Later(seconds);
        }
        self
    }

    /// Before everything else a person does that.
    pub fn first(mut self, act: Act) -> Self {
        let when = When::Now;
        self.steps.insert(0, Step { when, act });
        self
    }

    /// Then, once this holds, a person does that.
    pub fn then(mut self, when: When, act: Act) -> Self {
        self.steps.push(Step { when, act });
        self
    }

    /// From then on, whenever this holds, a person does that: every two minutes at most. `$n` in the value of an annotation
    /// is another number each time.
    pub fn whenever(mut self, when: When, act: Act) -> Self {
        self.whenever.push(Step { when, act });
        self
    }

    /// An object ends in one of these states.
    pub fn ends(mut self, object: Name, states: &[&'static str]) -> Self {
        self.endings.push(Ending {
            object,
            states: states.to_vec(),
            misled: Vec::new(),
            reason: None,
        });
        self
    }

    /// The last ending may be one of these instead, where an answer was wrong about something for which there is no second way
    /// to ask.
    pub fn or_misled(mut self, states: &[&'static str]) -> Self {
        if let Some(ending) = self.endings.last_mut() {
            ending.misled = states.to_vec();
        }
        self
    }

    /// The last ending has this reason.
    pub fn because(mut self, reason: &'static str) -> Self {
        if let Some(ending) = self.endings.last_mut() {
            ending.reason = Some(reason);
        }
        self
    }

    /// What ESS and ECS show is what there is, in random schedules, too.
    pub fn fresh_reads(mut self) -> Self {
        self.fresh_reads = true;
        self
    }

    /// Several faults would make of it what it is not about.
    pub fn one_fault(mut self) -> Self {
        self.one_fault = true;
        self
    }

    /// The cloud leaves something out for longer than it may.
    pub fn leaves_out(mut self) -> Self {
        self.leaves_out = true;
        self
    }

    /// Executions, their nested ones and their tasks show as they were up to so many seconds ago.
    pub fn lists_behind(mut self, seconds: u64) -> Self {
        self.lists_behind = seconds;
        self
    }

    /// The same of nested executions and tasks alone.
    pub fn tasks_behind(mut self, seconds: u64) -> Self {
        self.tasks_behind = seconds;
        self
    }

    /// Somebody else changes these.
    pub fn others_change(mut self, targets: &[&'static str]) -> Self {
        self.changed_by_others = targets.to_vec();
        self
    }

    /// Where nothing goes wrong their runs begin in this order.
    pub fn in_order(mut self, objects: &[Name]) -> Self {
        self.in_order = objects.to_vec();
        self
    }
}
