//! `make demo`: the main job on a bare machine. A control plane, the emulated cloud and the
//! operator are started; tasks are applied with kubectl, continued by annotation and by
//! `approvedBatches`, and watched to their end. What is printed is read from the objects and from
//! the emulator's journal of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_test_support as support;
use serde_json::Value;
use support::{ControlPlane, Emulator, Kubectl, Operator, operator, source_root};

/// Where the operator's own objects are.
const SYSTEM: &str = "ess-rollout";
/// Where the tasks are; it may use the operator's credentials.
const TEAM: &str = "team-web";
/// Virtual seconds per second: an image takes minutes to roll out, and nobody waits for a demo.
const CLOCK_SCALE: &str = "60";
/// The longest that one scene may take.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let began = Instant::now();
    let mut demo = Demo::start()?;
    println!("\nScaling groups, before:");
    demo.print_groups().await?;

    title("A script, in three batches, with a pause after the first");
    demo.apply("restart-agent", SCRIPT)?;
    demo.watch(&["restart-agent"], |demo, task, pause| {
        demo.continue_pause(task, pause)
    })?;

    title("An image, half of the group at a time, with a pause after each batch");
    demo.apply("web-v2", IMAGE)?;
    demo.watch(&["web-v2"], |demo, task, pause| {
        demo.approve(task, pause + 1)
    })?;

    title("Two updates of one group, applied at the same instant, run one after the other");
    demo.apply("api-script and api-v2", TWINS)?;
    demo.watch(&["api-script", "api-v2"], |demo, task, pause| {
        demo.continue_pause(task, pause)
    })?;

    title("What people see");
    demo.show(&["get", "rollingupdatetasks"])?;
    demo.show(&["get", "scalinggrouprecords", "--namespace", SYSTEM])?;
    println!("\nScaling groups, after:");
    demo.print_groups().await?;
    demo.close(began).await
}

fn title(text: &str) {
    println!("\n== {text}");
}

struct Demo {
    kubectl: Kubectl,
    emulator: Emulator,
    tasks: Vec<String>,
    /// Last, because fields are dropped in order and the operator is to end first.
    _operator: Operator,
    _control_plane: ControlPlane,
}

impl Demo {
    fn start() -> Result<Self> {
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
        let options = operator::Options {
            kubeconfig,
            flags: flags
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            envs: Vec::new(),
        };
        let operator =
            Operator::start(&options.access_key("demo-access-key-id", "demo-access-key-secret"))?;
        Ok(Self {
            kubectl,
            emulator,
            tasks: Vec::new(),
            _operator: operator,
            _control_plane: control_plane,
        })
    }

    fn apply(&mut self, what: &str, manifest: &str) -> Result<()> {
        println!("$ kubectl apply -f -   # {what}");
        for line in manifest.lines() {
            println!("    {line}");
        }
        for line in self.kubectl.apply(TEAM, manifest)?.lines() {
            println!("{line}");
        }
        Ok(())
    }

    /// Prints the progress of tasks until all have ended, and calls `at_pause` once for each pause.
    fn watch(
        &mut self,
        tasks: &[&str],
        at_pause: impl Fn(&Self, &str, i64) -> Result<()>,
    ) -> Result<()> {
        let began = Instant::now();
        let mut shown: BTreeMap<&str, String> = BTreeMap::new();
        let mut answered: BTreeMap<&str, i64> = BTreeMap::new();
        let mut ended = Vec::new();
        while ended.len() < tasks.len() {
            ensure!(
                began.elapsed() < PATIENCE,
                "{tasks:?} did not end within {PATIENCE:?}"
            );
            for task in tasks {
                let object = self
                    .kubectl
                    .get(&["rollingupdatetask", task, "--namespace", TEAM])?;
                let status = &object["status"];
                let line = progress(task, status);
                if shown.get(task) != Some(&line) {
                    println!("{line}");
                    shown.insert(task, line);
                }
                let paused = status["pause"]["id"]
                    .as_i64()
                    .filter(|_| status["state"] == "BatchSuspended");
                if let Some(pause) = paused
                    && answered.insert(task, pause) != Some(pause)
                {
                    at_pause(self, task, pause)?;
                }
                let over = ["True", "False"]
                    .iter()
                    .any(|s| condition(status, "Succeeded")["status"] == **s);
                if over && !ended.contains(task) {
                    ended.push(task);
                    self.tasks.push((*task).to_owned());
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn continue_pause(&self, task: &str, pause: i64) -> Result<()> {
        let annotation = format!("ess-rollout.io/continue={pause}");
        println!("$ kubectl annotate rollingupdatetask {task} {annotation}");
        self.kubectl.run(&[
            "annotate",
            "rollingupdatetask",
            task,
            &annotation,
            "--overwrite",
            "--namespace",
            TEAM,
        ])?;
        Ok(())
    }

    fn approve(&self, task: &str, batches: i64) -> Result<()> {
        let patch = format!("{{\"spec\":{{\"approvedBatches\":{batches}}}}}");
        println!("$ kubectl patch rollingupdatetask {task} --type=merge -p '{patch}'");
        self.kubectl.run(&[
            "patch",
            "rollingupdatetask",
            task,
            "--type=merge",
            "-p",
            &patch,
            "--namespace",
            TEAM,
        ])?;
        Ok(())
    }

    fn show(&self, args: &[&str]) -> Result<()> {
        println!("$ kubectl {}", args.join(" "));
        let mut args = args.to_vec();
        if !args.contains(&"--namespace") {
            args.extend(["--namespace", TEAM]);
        }
        print!("{}", self.kubectl.run(&args)?);
        Ok(())
    }

    async fn print_groups(&self) -> Result<()> {
        let state = self.emulator.get("state").await?;
        let rows = |name: &str| state[name].as_array().cloned().unwrap_or_default();
        for group in rows("scalingGroups") {
            let id = group["scalingGroupId"]
                .as_str()
                .context("a scaling group without an id")?;
            let members: Vec<Value> = rows("scalingInstances");
            let members = members.iter().filter(|m| m["scalingGroupId"] == id);
            let mut images = BTreeSet::new();
            let mut states = BTreeSet::new();
            for member in members {
                states.insert(member["lifecycleState"].as_str().unwrap_or("?").to_owned());
                let ecs = rows("instances");
                let ecs = ecs.iter().find(|i| i["instanceId"] == member["instanceId"]);
                images.insert(
                    ecs.and_then(|i| i["imageId"].as_str())
                        .unwrap_or("?")
                        .to_owned(),
                );
            }
            let configurations = rows("scalingConfigurations");
            let configured = configurations.iter().find(|c| c["scalingGroupId"] == id);
            println!(
                "  {id}: instances run {}, are {}; new ones get {}; suspended processes {}",
                words(&images),
                words(&states),
                configured
                    .and_then(|c| c["imageId"].as_str())
                    .unwrap_or("?"),
                group["suspendedProcesses"],
            );
        }
        Ok(())
    }

    /// Counts in the journal what must have happened once, and closes.
    async fn close(&self, began: Instant) -> Result<()> {
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
        for task in &self.tasks {
            let object = self
                .kubectl
                .get(&["rollingupdatetask", task, "--namespace", TEAM])?;
            let done = condition(&object["status"], "Succeeded")["status"] == "True";
            let verified = condition(&object["status"], "Verified")["status"] == "True";
            ensure!(
                !done || verified,
                "{task} succeeded and was not verified: {}",
                object["status"]
            );
            succeeded += usize::from(done);
        }
        let tasks = self.tasks.len();
        println!(
            "\nThe emulator's journal: SuspendProcesses={suspended} ResumeProcesses={resumed}"
        );
        println!(
            "demo: {tasks} tasks, {succeeded} succeeded, {} failed, StartExecution={starts}, {:.0} s",
            tasks - succeeded,
            began.elapsed().as_secs_f64()
        );
        if succeeded != tasks || starts != tasks || suspended != tasks || resumed != tasks {
            bail!(
                "each task must succeed with one StartExecution, one SuspendProcesses and one ResumeProcesses"
            );
        }
        Ok(())
    }
}

fn words(set: &BTreeSet<String>) -> String {
    set.iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let all = status["conditions"].as_array();
    all.and_then(|all| all.iter().find(|c| c["type"] == kind))
        .unwrap_or(&Value::Null)
}

/// One line: the state, the batch, each instance as a sign, and what it waits for.
fn progress(task: &str, status: &Value) -> String {
    let state = status["state"].as_str().unwrap_or("-");
    let batch = status["summary"]["batch"].as_str().unwrap_or("-");
    let instances: String = status["instances"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|instance| match instance["state"].as_str() {
            Some("Succeeded") => '#',
            Some("Updating") => '>',
            Some("Failed") => '!',
            Some("Pending") => '.',
            _ => '?',
        })
        .collect();
    let ready = condition(status, "Ready");
    let why = match state {
        "Running" => "",
        _ => ready["message"].as_str().unwrap_or(""),
    };
    format!("  {task:<14} {state:<16} batch {batch:<4} [{instances}] {why}")
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

const SCRIPT: &str = "\
apiVersion: ess-rollout.io/v1alpha1
kind: RollingUpdateTask
metadata:
  name: restart-agent
spec:
  scalingGroupId: asg-demo-web
  update:
    script:
      run:
        inline: systemctl restart my-agent
  batches: 3
  suspensionPolicy: SuspendFirstBatch
";

const IMAGE: &str = "\
apiVersion: ess-rollout.io/v1alpha1
kind: RollingUpdateTask
metadata:
  name: web-v2
spec:
  scalingGroupId: asg-demo-web
  update:
    image:
      imageId: m-web-v2
  batchSize: 50%
  suspensionPolicy: SuspendEachBatch
";

const TWINS: &str = "\
apiVersion: ess-rollout.io/v1alpha1
kind: RollingUpdateTask
metadata:
  name: api-script
spec:
  scalingGroupId: asg-demo-api
  update:
    script:
      run:
        inline: systemctl reload my-api
  batches: 2
---
apiVersion: ess-rollout.io/v1alpha1
kind: RollingUpdateTask
metadata:
  name: api-v2
spec:
  scalingGroupId: asg-demo-api
  update:
    image:
      imageId: m-api-v2
  batches: 2
";
