//! `make bench`: the budgets of the operator and of the plugin, measured on the release binaries as processes against
//! a real apiserver and the emulated cloud. One line for each, with the target.

#[path = "../common/mod.rs"]
mod common;
mod plugin;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ess_rollout_test_support as support;
use jiff::Timestamp;
use serde_json::{Value, json};
use support::{ControlPlane, Emulator, Installation, Kubectl, Operator, audit};

use common::{mebibytes, memory, percentile, write_fixture};

/// Tasks whose start and continue are timed, one after the other.
const SAMPLES: usize = 20;
/// Between two samples, none of which is in motion then: the client's own rate limit for OOS gets
/// back to idle, so that what is measured is one update and not a queue of them.
const BREATH: Duration = Duration::from_secs(2);
/// How long an object at rest is watched for writes.
const REST: Duration = Duration::from_secs(20);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// Batches of the image update whose writes are counted, as in the demo.
const IMAGE_BATCHES: usize = 2;

#[tokio::main]
async fn main() -> Result<()> {
    let binary = common::release_binary()?;
    let control_plane = ControlPlane::start()?;
    size(&binary)?;
    writes(&control_plane).await?;
    standby(&control_plane).await?;
    latencies(&control_plane).await?;
    plugin::measure(&control_plane)
}

fn line(what: &str, measured: &str, target: &str) {
    println!("{what:<58} {measured:>22}   target {target}");
}

fn size(binary: &std::path::Path) -> Result<()> {
    line(
        "size of the release binary",
        &mebibytes(fs::metadata(binary)?.len()),
        "<=15 MiB",
    );
    Ok(())
}

/// Resident memory as the kernel accounts it.
fn resident(operator: &mut Operator) -> Result<u64> {
    let pid = operator
        .process()
        .pid()
        .context("the operator does not run")?;
    memory(pid, "VmRSS")
}

struct Scene {
    kubectl: Kubectl,
    emulator: Emulator,
    installation: Installation,
    operator: Operator,
}

impl Scene {
    fn start(
        control_plane: &ControlPlane,
        prefix: &str,
        groups: usize,
        scale: &str,
        poll_seconds: u32,
    ) -> Result<Self> {
        let fixture = fixture(groups)?;
        let emulator = Emulator::start_with(&fixture, &["--clock-scale", scale])?;
        let installation = Installation::new(
            control_plane,
            prefix,
            "cn-hangzhou",
            emulator.endpoint(),
            // Progress is a budget of its own: what is counted here are the writes of the life of a task.
            &json!({
                "pollIntervalSeconds": poll_seconds,
                "extraArgs": ["--progress-interval-seconds=3600"],
            }),
        )?;
        let options = installation
            .operator()
            .access_key("bench-id", "bench-secret");
        Ok(Self {
            kubectl: control_plane.kubectl(),
            emulator,
            operator: Operator::start(&options)?,
            installation,
        })
    }

    fn apply(&self, name: &str, group: usize, spec: &Value) -> Result<()> {
        let mut manifest = json!({
            "apiVersion": "ess-rollout.io/v1alpha1",
            "kind": "RollingUpdateTask",
            "metadata": {"name": name},
            "spec": {"scalingGroupId": format!("asg-bench-{group}")},
        });
        if let (Some(into), Some(from)) = (manifest["spec"].as_object_mut(), spec.as_object()) {
            into.extend(from.clone());
        }
        self.kubectl
            .apply(&self.installation.tasks, &manifest.to_string())?;
        Ok(())
    }

    fn task(&self, name: &str) -> Result<Value> {
        self.kubectl.get(&[
            "rollingupdatetask",
            name,
            "--namespace",
            &self.installation.tasks,
        ])
    }

    fn wait_for(&self, name: &str, state: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let task = self.task(name)?;
            if task["status"]["state"] == state {
                return Ok(());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{name} is not {state} after {PATIENCE:?}: {}",
                task["status"]
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn writes(&self, control_plane: &ControlPlane) -> Result<Vec<audit::Entry>> {
        let user = self.installation.user();
        // Events are not part of the budget.
        control_plane
            .audit_log()
            .writes(|entry| entry.user.username == user && entry.resource() != "events")
    }
}

/// A file with `groups` scaling groups of four instances.
fn fixture(groups: usize) -> Result<std::path::PathBuf> {
    let scaling_groups: Vec<Value> = (0..groups)
        .map(|group| {
            json!({
                "scalingGroupId": format!("asg-bench-{group}"), "minSize": 1, "maxSize": 8,
                "configurations": [{"scalingConfigurationId": format!("asc-bench-{group}"), "imageId": "m-v1"}],
                "instances": {"count": 4},
            })
        })
        .collect();
    let fixture = json!({
        "accountId": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "durations": {"command": 2},
        "principals": [{
            "name": "bench", "accessKeyId": "bench-id", "accessKeySecret": "bench-secret", "allow": ["*"],
        }],
        "images": [{"imageId": "m-v1", "name": "v1"}, {"imageId": "m-v2", "name": "v2"}],
        "scalingGroups": scaling_groups,
    });
    write_fixture(&fixture)
}

/// Memory when idle, writes over the life of a task, writes at rest.
async fn writes(control_plane: &ControlPlane) -> Result<()> {
    let mut scene = Scene::start(control_plane, "bench-writes", 1, "60", 1)?;
    line(
        "memory of the operator when idle (RSS)",
        &mebibytes(resident(&mut scene.operator)?),
        "<=15 MiB",
    );

    let image = json!({
        "update": {"image": {"imageId": "m-v2"}}, "batches": IMAGE_BATCHES, "suspensionPolicy": "SuspendEachBatch",
    });
    scene.apply("image", 0, &image)?;
    scene.wait_for("image", "BatchSuspended")?;
    annotate(&scene, "image", "1")?;
    scene.wait_for("image", "Succeeded")?;
    let counted = settled(&scene, control_plane)?;
    let target = format!("<={}", 4 * IMAGE_BATCHES + 12);
    line(
        "writes over the life of an image update in 2 batches",
        &counted.to_string(),
        &target,
    );

    let before = scene.writes(control_plane)?.len();
    std::thread::sleep(REST);
    let after = scene.writes(control_plane)?.len();
    let per_minute = (after - before) as f64 * 60.0 / REST.as_secs_f64();
    line(
        "writes per minute for a task at rest",
        &format!("{per_minute}"),
        "0",
    );
    Ok(())
}

/// Two replicas at rest: their memory, and what the one that does not lead asks the apiserver for.
async fn standby(control_plane: &ControlPlane) -> Result<()> {
    let emulator = Emulator::start_with(&fixture(1)?, &["--clock-scale", "1"])?;
    let values = json!({"replicaCount": 2, "leaderElection": {"enabled": true}});
    let endpoint = emulator.endpoint();
    let installation = Installation::new(
        control_plane,
        "bench-standby",
        "cn-hangzhou",
        endpoint,
        &values,
    )?;
    let options = installation
        .operator()
        .access_key("bench-id", "bench-secret");
    let mut leader = Operator::start(&options)?;
    let series = "leader_election_master_status{name=\"ess-rollout\"}";
    let began = Instant::now();
    while leader.metric(series).await != Some(1.0) {
        ensure!(
            began.elapsed() < PATIENCE,
            "the first operator does not lead"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut standby = Operator::start(&options)?;
    tokio::time::sleep(REST).await;
    let before = leases(control_plane, &installation)?;
    tokio::time::sleep(REST).await;
    let asked = leases(control_plane, &installation)? - before;
    ensure!(
        standby.metric(series).await == Some(0.0),
        "the second one leads"
    );
    let leaders = resident(&mut leader)?;
    line(
        "memory of a standby (RSS)",
        &mebibytes(resident(&mut standby)?),
        &format!("<={} (the leader, idle)", mebibytes(leaders)),
    );
    line(
        "requests for the Lease by both, in a second",
        &format!("{:.2}", asked as f64 / REST.as_secs_f64()),
        "<=1: each once in two seconds",
    );
    Ok(())
}

/// What the operators of an installation have asked the apiserver for about Leases, watches aside.
fn leases(control_plane: &ControlPlane, installation: &Installation) -> Result<usize> {
    let user = installation.user();
    let entries = control_plane.audit_log().entries()?;
    let theirs = entries.iter().filter(|entry| {
        entry.user.username == user && entry.resource() == "leases" && entry.verb != "watch"
    });
    Ok(theirs.count())
}

/// The number of writes once the record is released, which is the last of them.
fn settled(scene: &Scene, control_plane: &ControlPlane) -> Result<usize> {
    let began = Instant::now();
    loop {
        let records = scene.kubectl.get(&[
            "scalinggrouprecords",
            "--namespace",
            &scene.installation.namespace,
        ])?;
        let held = records["items"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|r| !r["status"]["holder"].is_null());
        if !held {
            return Ok(scene.writes(control_plane)?.len());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "the record is not released after {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn annotate(scene: &Scene, name: &str, pause: &str) -> Result<()> {
    let value = format!("ess-rollout.io/continue={pause}");
    let namespace = &scene.installation.tasks;
    scene.kubectl.run(&[
        "annotate",
        "rollingupdatetask",
        name,
        &value,
        "--namespace",
        namespace,
    ])?;
    Ok(())
}

/// From the apiserver's answer to a person until the emulator receives the call. The emulator's
/// clock runs at real speed from the real time, so its journal and ours are one clock.
async fn latencies(control_plane: &ControlPlane) -> Result<()> {
    let scene = Scene::start(control_plane, "bench-latency", SAMPLES, "1", 2)?;
    let script = json!({
        "update": {"script": {"run": {"inline": "true"}}}, "batches": 2, "suspensionPolicy": "SuspendFirstBatch",
    });
    let mut starts = Vec::new();
    for sample in 0..SAMPLES {
        let name = format!("sample-{sample}");
        tokio::time::sleep(BREATH).await;
        scene.apply(&name, sample, &script)?;
        starts.push(
            latency(
                &scene,
                "StartExecution",
                sample,
                "create",
                &name,
                control_plane,
            )
            .await?,
        );
        scene.wait_for(&name, "BatchSuspended")?;
    }
    report("create -> StartExecution", starts);
    let mut continues = Vec::new();
    for sample in 0..SAMPLES {
        let name = format!("sample-{sample}");
        tokio::time::sleep(BREATH).await;
        annotate(&scene, &name, "1")?;
        continues.push(
            latency(
                &scene,
                "NotifyExecution",
                sample,
                "patch",
                &name,
                control_plane,
            )
            .await?,
        );
        scene.wait_for(&name, "Succeeded")?;
    }
    report("annotation -> NotifyExecution", continues);
    Ok(())
}

/// Waits until the journal holds one more call of an action, and gives the time since the write of
/// the person that caused it, as the apiserver's audit log has it.
async fn latency(
    scene: &Scene,
    action: &str,
    earlier: usize,
    verb: &str,
    name: &str,
    control_plane: &ControlPlane,
) -> Result<Duration> {
    let began = Instant::now();
    let arrived = loop {
        let calls = scene.emulator.journal("OOS", action).await?;
        if let Some(call) = calls.get(earlier) {
            break call["time"]
                .as_str()
                .context("a call without a time")?
                .parse::<Timestamp>()?;
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "no {action} for {name} after {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let user = scene.installation.user();
    let asked = control_plane
        .audit_log()
        .writes(|e| {
            e.user.username != user
                && e.verb == verb
                && e.name() == name
                && e.resource() == "rollingupdatetasks"
        })?
        .last()
        .with_context(|| format!("the audit log has no {verb} of {name}"))?
        .stage_timestamp
        .parse::<Timestamp>()?;
    Ok(Duration::try_from(arrived.duration_since(asked)).unwrap_or_default())
}

fn report(what: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let at = |percent: usize| percentile(&samples, percent).as_millis();
    line(
        &format!("{what}, p50 and p99 of {}", samples.len()),
        &format!("{} ms, {} ms", at(50), at(99)),
        "p99 <=500 ms",
    );
}
