//! Everything on the stage: the control plane, the emulated cloud, the operator, and what is done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_test_support as support;
use serde_json::{Value, json};
use support::{ControlPlane, Emulator, Kubectl, Operator, operator, source_root};

use crate::gates::Measured;
use crate::show::{condition, failed, images, progress, words};

/// Where the operator's own objects are.
pub const SYSTEM: &str = "ess-rollout";
/// Where the tasks are; it may use the operator's credentials.
pub const TEAM: &str = "team-web";
/// Virtual seconds per second: an image takes minutes to roll out, and nobody waits for a demo.
const CLOCK_SCALE: &str = "60";
/// As the emulator's fixture has it: this one fails at first, another always.
const RETRIED: &str = "i-demo-web-02";
/// The longest that one scene may take.
const PATIENCE: Duration = Duration::from_secs(480);

/// Kind and name of an object that is watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched(pub &'static str, pub &'static str);

pub const TASK: fn(&'static str) -> Watched = |name| Watched("rollingupdatetask", name);

pub struct Demo {
    kubectl: Kubectl,
    emulator: Emulator,
    ended: Vec<Watched>,
    /// How many of them are cancelled, and are to be.
    cancelled: usize,
    _measured: Option<Measured>,
    /// Last, because fields are dropped in order and the operator is to end first.
    _operator: Operator,
    _control_plane: ControlPlane,
}

impl Demo {
    /// `measures`: checks may ask a Prometheus.
    pub async fn start(measures: bool) -> Result<Self> {
        let root = source_root();
        println!("Starting etcd, kube-apiserver and kube-controller-manager ...");
        let control_plane = ControlPlane::start()?;
        let kubectl = control_plane.kubectl();
        kubectl.apply_crds(&root.join("crds"))?;
        for namespace in [SYSTEM, TEAM] {
            kubectl.run(&["create", "namespace", namespace])?;
        }
        let rbac = root.join("config/rbac");
        kubectl.run(&["apply", "-k", &rbac.display().to_string()])?;
        let kubeconfig = scratch("operator.kubeconfig")?;
        let token = kubectl.service_account_token(SYSTEM, "ess-rollout")?;
        control_plane.write_kubeconfig(&kubeconfig, &token)?;

        println!("Starting the emulated cloud, its clock {CLOCK_SCALE} times as fast ...");
        let fixture = root.join("crates/emulator/fixtures/demo.yaml");
        let emulator = Emulator::start_with(&fixture, &["--clock-scale", CLOCK_SCALE])?;

        let measured = match measures {
            true => Some(Measured::start(&emulator).await?),
            false => None,
        };

        println!("Starting the operator, with the rights of its ServiceAccount ...");
        let endpoint = format!("all={}", emulator.endpoint());
        let flags = [
            ("--namespace", SYSTEM),
            ("--region", "cn-hangzhou"),
            ("--endpoint", &endpoint),
            ("--own-credentials-namespaces", TEAM),
            ("--poll-interval-seconds", "0.5"),
            ("--progress-interval-seconds", "1"),
            ("--settle-seconds", "2"),
            ("--call-timeout-seconds", "5"),
        ];
        let mut flags: Vec<String> = flags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if let Some(measured) = &measured {
            let file = scratch("endpoints.json")?;
            std::fs::write(&file, measured.endpoints.to_string())?;
            flags.push(format!("--gate-endpoints={}", file.display()));
        }
        let options = operator::Options {
            kubeconfig,
            flags,
            envs: Vec::new(),
            program: None,
        };
        let operator =
            Operator::start(&options.access_key("demo-access-key-id", "demo-access-key-secret"))?;
        Ok(Self {
            kubectl,
            emulator,
            ended: Vec::new(),
            cancelled: 0,
            _measured: measured,
            _operator: operator,
            _control_plane: control_plane,
        })
    }

    /// kubectl, and the kubeconfig of somebody who may everything.
    pub fn kubectl(&self) -> (PathBuf, PathBuf) {
        let (program, kubeconfig) = (self.kubectl.program(), self.kubectl.kubeconfig());
        (program.to_path_buf(), kubeconfig.to_path_buf())
    }

    /// Something goes wrong in the cloud.
    pub async fn fault(&self, fault: &Value) -> Result<()> {
        self.emulator.add_fault(fault).await.map(drop)
    }

    /// An object has ended, and counts at the end.
    pub fn count(&mut self, kind: &'static str, name: &'static str) {
        self.ended.push(Watched(kind, name));
    }

    pub fn apply(&mut self, what: &str, manifest: &str) -> Result<()> {
        println!("$ kubectl apply -f -   # {what}");
        for line in manifest.lines() {
            println!("    {line}");
        }
        for line in self.kubectl.apply(TEAM, manifest)?.lines() {
            println!("{line}");
        }
        Ok(())
    }

    /// Prints the progress of objects until all have ended. Each time that one waits for a person
    /// it calls `answer` with its status, once.
    pub fn watch(
        &mut self,
        objects: &[Watched],
        answer: impl Fn(&Self, Watched, &Value) -> Result<()>,
    ) -> Result<()> {
        let began = Instant::now();
        let mut shown: BTreeMap<Watched, String> = BTreeMap::new();
        let mut answered: BTreeMap<Watched, Value> = BTreeMap::new();
        let mut ended = Vec::new();
        while ended.len() < objects.len() {
            ensure!(
                began.elapsed() < PATIENCE,
                "{:?} did not end within {PATIENCE:?}",
                objects.iter().map(|object| object.1).collect::<Vec<_>>()
            );
            for object in objects {
                let found = self.object(*object)?;
                let status = &found["status"];
                let line = progress(object.1, status);
                if shown.get(object) != Some(&line) {
                    println!("{line}");
                    shown.insert(*object, line);
                }
                let waits = json!([status["pause"]["id"], failed(status)]);
                if status["pause"].is_object()
                    && answered.insert(*object, waits.clone()) != Some(waits)
                {
                    answer(self, *object, status)?;
                }
                let over = ["True", "False"]
                    .iter()
                    .any(|s| condition(status, "Succeeded")["status"] == **s);
                if over && !ended.contains(object) {
                    ended.push(*object);
                    self.ended.push(*object);
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The same of one that is to be cancelled, without anybody who asks for it.
    pub fn watch_cancelled(&mut self, object: Watched) -> Result<()> {
        self.watch(&[object], |_, _, _| Ok(()))?;
        let state = self.object(object)?["status"]["state"].clone();
        ensure!(state == "Cancelled", "{} is {state}", object.1);
        self.cancelled += 1;
        Ok(())
    }

    pub fn object(&self, Watched(kind, name): Watched) -> Result<Value> {
        self.kubectl.get(&[kind, name, "--namespace", TEAM])
    }

    fn annotate(&self, Watched(kind, name): Watched, verb: &str, value: &str) -> Result<()> {
        let annotation = format!("ess-rollout.io/{verb}={value}");
        println!("$ kubectl annotate {kind} {name} {annotation} --overwrite");
        self.kubectl.run(&[
            "annotate",
            kind,
            name,
            &annotation,
            "--overwrite",
            "--namespace",
            TEAM,
        ])?;
        Ok(())
    }

    pub fn continue_pause(&self, object: Watched, status: &Value) -> Result<()> {
        self.annotate(object, "continue", &status["pause"]["id"].to_string())
    }

    /// The first instance that fails gets another try, the others are left as they are.
    pub fn retry_then_skip(&self, object: Watched, status: &Value) -> Result<()> {
        for instance in failed(status) {
            let id = instance["id"].as_str().unwrap_or_default();
            println!(
                "  {id}: exit code {}, output {}",
                instance["exitCode"], instance["outputTail"]
            );
            let verb = if id == RETRIED { "retry" } else { "skip" };
            let value = format!("{id}/{}@demo", instance["attempt"]);
            self.annotate(object, verb, &value)?;
        }
        Ok(())
    }

    pub fn approve(&self, object: Watched, status: &Value) -> Result<()> {
        let batches = status["pause"]["id"].as_i64().unwrap_or_default() + 1;
        let patch = format!("{{\"spec\":{{\"approvedBatches\":{batches}}}}}");
        self.patch(object, &patch)
    }

    pub fn patch(&self, Watched(kind, name): Watched, patch: &str) -> Result<()> {
        println!("$ kubectl patch {kind} {name} --type=merge -p '{patch}'");
        let args = ["patch", kind, name, "--type=merge", "-p", patch];
        self.kubectl
            .run(&[&args[..], &["--namespace", TEAM]].concat())?;
        Ok(())
    }

    /// Waits until a field of an object, named by a JSON pointer, has a value.
    pub fn until(&self, object: Watched, field: &str, value: &str) -> Result<()> {
        let began = Instant::now();
        while self.object(object)?.pointer(field).and_then(Value::as_str) != Some(value) {
            ensure!(
                began.elapsed() < PATIENCE,
                "{field} of {} is not {value} within {PATIENCE:?}",
                object.1
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        println!("  {} has {field} {value}", object.1);
        Ok(())
    }

    /// `kubectl get` of each kind that was shown.
    pub fn show_objects(&self) -> Result<()> {
        let kinds: BTreeSet<&str> = self.ended.iter().map(|object| object.0).collect();
        for kind in kinds {
            self.show(&["get", &format!("{kind}s")])?;
        }
        Ok(())
    }

    pub fn show(&self, args: &[&str]) -> Result<()> {
        println!("$ kubectl {}", args.join(" "));
        let mut args = args.to_vec();
        if !args.contains(&"--namespace") {
            args.extend(["--namespace", TEAM]);
        }
        print!("{}", self.kubectl.run(&args)?);
        Ok(())
    }

    pub async fn print_groups(&self) -> Result<()> {
        let state = self.emulator.get("state").await?;
        let rows = |name: &str| state[name].as_array().cloned().unwrap_or_default();
        for group in rows("scalingGroups") {
            let id = group["scalingGroupId"]
                .as_str()
                .context("a scaling group without an id")?;
            let members: Vec<Value> = rows("scalingInstances");
            let members = members.iter().filter(|m| m["scalingGroupId"] == id);
            let mut runs = BTreeSet::new();
            let mut states = BTreeSet::new();
            for member in members {
                states.insert(member["lifecycleState"].as_str().unwrap_or("?").to_owned());
                let of = |row: &Value, key: &str| row[key] == member["instanceId"];
                let (ecs, eci) = (rows("instances"), rows("containerGroups"));
                let ecs = ecs.iter().find(|row| of(row, "instanceId"));
                let eci = eci.iter().find(|row| of(row, "containerGroupId"));
                runs.insert(match (ecs, eci) {
                    (Some(row), _) => row["imageId"].as_str().unwrap_or("?").to_owned(),
                    (_, Some(row)) => images(&row["containers"]),
                    _ => "?".to_owned(),
                });
            }
            let of_group = |name: &str| {
                let all = rows(name);
                all.into_iter().find(|row| row["scalingGroupId"] == id)
            };
            let configured = of_group("scalingConfigurations")
                .and_then(|row| row["imageId"].as_str().map(str::to_owned))
                .or_else(|| {
                    of_group("eciScalingConfigurations").map(|row| images(&row["containers"]))
                });
            println!(
                "  {id}: instances run {}, are {}; new ones get {}; suspended processes {}",
                words(&runs),
                words(&states),
                configured.as_deref().unwrap_or("?"),
                group["suspendedProcesses"],
            );
        }
        Ok(())
    }

    /// Counts in the journal what must have happened once, and closes.
    pub async fn close(&self, began: Instant) -> Result<()> {
        let starts = self.emulator.journal("OOS", "StartExecution").await?.len();
        let calls = self.emulator.calls().await?;
        let count = |action: &str| {
            calls
                .iter()
                .filter(|c| c["action"] == action && c["code"] == "OK")
                .count()
        };
        let (suspended, resumed) = (count("SuspendProcesses"), count("ResumeProcesses"));
        let mut succeeded = 0;
        let mut rolling = 0;
        for ended in &self.ended {
            let (object, name) = (self.object(*ended)?, ended.1);
            let done = condition(&object["status"], "Succeeded")["status"] == "True";
            let verified = condition(&object["status"], "Verified");
            // Of one in which an instance was passed over it has to be said that it was not done to all.
            let skipped = object["status"]["summary"]["skipped"].as_i64() > Some(0);
            let as_it_is = match skipped {
                true => verified["reason"] == "PartlyUpdated",
                false => verified["status"] == "True",
            };
            ensure!(
                !done || as_it_is,
                "{name} succeeded, and what is said of it is not so: {}",
                object["status"]
            );
            succeeded += usize::from(done);
            rolling += usize::from(ended.0 != "imageupdatetask");
        }
        let tasks = self.ended.len();
        println!(
            "\nThe emulator's journal: SuspendProcesses={suspended} ResumeProcesses={resumed}"
        );
        println!(
            "demo: {tasks} tasks, {succeeded} succeeded, {} failed, StartExecution={starts}, {:.0} s",
            tasks - succeeded,
            began.elapsed().as_secs_f64()
        );
        let as_wanted = succeeded + self.cancelled == tasks && starts == tasks;
        if self.cancelled > 0 {
            ensure!(
                as_wanted,
                "one is cancelled, and all others must succeed with one StartExecution each"
            );
            return Ok(());
        }
        if !as_wanted || suspended != rolling || resumed != rolling {
            bail!(
                "each task must succeed with one StartExecution, and each rolling update with one SuspendProcesses and one ResumeProcesses"
            );
        }
        Ok(())
    }
}

/// A file that goes away with the machine's temporary files; the token in it lives an hour and is
/// for a control plane that ends with the demo.
fn scratch(name: &str) -> Result<PathBuf> {
    let directory = tempfile::Builder::new()
        .prefix("ess-rollout-demo-")
        .tempdir()?;
    support::watchdog::add_directory(directory.path())?;
    Ok(directory.keep().join(name))
}
