//! `make demo`: the main job on a bare machine. A control plane, the emulated cloud and the
//! operator are started; tasks are applied with kubectl, continued by annotation and by
//! `approvedBatches`, a failing instance is retried and another passed over, an update is undone, and
//! all are watched to their end. What is printed is read from the objects and from
//! the emulator's journal of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_test_support as support;
use serde_json::{Value, json};
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
    demo.watch(&[TASK("restart-agent")], Demo::continue_pause)?;

    title("A script that fails on two instances: one is retried, the other is passed over");
    demo.apply("rotate-certificates", FAILING)?;
    demo.watch(&[TASK("rotate-certificates")], Demo::retry_then_skip)?;

    title("An image, half of the group at a time, with a pause after each batch");
    demo.apply("web-v2", IMAGE)?;
    demo.watch(&[TASK("web-v2")], Demo::approve)?;
    demo.print_groups().await?;

    title("The image update is undone");
    demo.apply("web-v2-undo", ROLLBACK)?;
    demo.watch(&[Watched("rollback", "web-v2-undo")], |_, _, _| Ok(()))?;
    demo.print_groups().await?;

    title("Two updates of one group, applied at the same instant, run one after the other");
    demo.apply("api-script and api-v2", TWINS)?;
    demo.watch(&[TASK("api-script"), TASK("api-v2")], Demo::continue_pause)?;

    title("What people see");
    demo.show(&["get", "rollingupdatetasks"])?;
    demo.show(&["get", "rollbacks"])?;
    demo.show(&["get", "scalinggrouprecords", "--namespace", SYSTEM])?;
    println!("\nScaling groups, after:");
    demo.print_groups().await?;
    demo.close(began).await
}

fn title(text: &str) {
    println!("\n== {text}");
}

/// Kind and name of an object that is watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Watched(&'static str, &'static str);

const TASK: fn(&'static str) -> Watched = |name| Watched("rollingupdatetask", name);

struct Demo {
    kubectl: Kubectl,
    emulator: Emulator,
    ended: Vec<Watched>,
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
            ended: Vec::new(),
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

    /// Prints the progress of objects until all have ended. Each time that one waits for a person
    /// it calls `answer` with its status, once.
    fn watch(
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

    fn object(&self, Watched(kind, name): Watched) -> Result<Value> {
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

    fn continue_pause(&self, object: Watched, status: &Value) -> Result<()> {
        self.annotate(object, "continue", &status["pause"]["id"].to_string())
    }

    /// The first instance that fails gets another try, the others are left as they are.
    fn retry_then_skip(&self, object: Watched, status: &Value) -> Result<()> {
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

    fn approve(&self, Watched(kind, name): Watched, status: &Value) -> Result<()> {
        let batches = status["pause"]["id"].as_i64().unwrap_or_default() + 1;
        let patch = format!("{{\"spec\":{{\"approvedBatches\":{batches}}}}}");
        println!("$ kubectl patch {kind} {name} --type=merge -p '{patch}'");
        self.kubectl.run(&[
            "patch",
            kind,
            name,
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
        // The fixture has a group of container groups as well, which no scene is about.
        let groups = rows("scalingGroups").into_iter();
        for group in groups.filter(|group| group["groupType"] != "ECI") {
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
        for ended in &self.ended {
            let (object, name) = (self.object(*ended)?, ended.1);
            let done = condition(&object["status"], "Succeeded")["status"] == "True";
            let verified = condition(&object["status"], "Verified")["status"] == "True";
            ensure!(
                !done || verified,
                "{name} succeeded and was not verified: {}",
                object["status"]
            );
            succeeded += usize::from(done);
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
        if succeeded != tasks || starts != tasks || suspended != tasks || resumed != tasks {
            bail!(
                "each task must succeed with one StartExecution, one SuspendProcesses and one ResumeProcesses"
            );
        }
        Ok(())
    }
}

/// The instances that wait for a word about their failure.
fn failed(status: &Value) -> Vec<Value> {
    let all = status["instances"].as_array().into_iter().flatten();
    all.filter(|instance| instance["state"] == "Failed")
        .cloned()
        .collect()
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
            Some("Skipped") => '~',
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

/// As the emulator's fixture has it: this one fails at first, another always.
const RETRIED: &str = "i-demo-web-02";

const FAILING: &str = "\
apiVersion: ess-rollout.io/v1alpha1
kind: RollingUpdateTask
metadata:
  name: rotate-certificates
spec:
  scalingGroupId: asg-demo-web
  update:
    script:
      run:
        inline: rotate-certificates --now
  batches: 3
";

const ROLLBACK: &str = "\
apiVersion: ess-rollout.io/v1alpha1
kind: Rollback
metadata:
  name: web-v2-undo
spec:
  taskRef:
    name: web-v2
  batches: 2
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
