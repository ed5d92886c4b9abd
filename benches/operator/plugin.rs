//! The budgets of the plugin.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ess_rollout_test_support as support;
use serde_json::{Value, json};
use support::process::find_program;
use support::{ControlPlane, Kubectl};

use crate::common::{mebibytes, memory, percentile};
use crate::line;

/// Instances of the task that is looked at.
const INSTANCES: usize = 1000;
/// How often it is looked at.
const SAMPLES: usize = 30;

pub fn measure(control_plane: &ControlPlane) -> Result<()> {
    let binary = find_program("kubectl-ess_rollout")?;
    line(
        "size of the plugin",
        &mebibytes(std::fs::metadata(&binary)?.len()),
        "<=8 MiB",
    );
    let kubectl = control_plane.kubectl();
    kubectl.apply_crds(&support::source_root().join("crds"))?;
    let namespace = kubectl.namespace("plugin-bench")?;
    big(&kubectl, &namespace)?;
    let command = |more: &[&str]| {
        let mut command = Command::new(&binary);
        command
            .args(["status", "big", "--namespace", &namespace])
            .args(more)
            .env("KUBECONFIG", control_plane.kubeconfig());
        command
    };
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let began = Instant::now();
        let output = command(&[]).output()?;
        times.push(began.elapsed());
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    times.sort();
    let said = format!("{:.0} ms", percentile(&times, 95).as_secs_f64() * 1000.0);
    line(
        &format!("status of {INSTANCES} instances, 95th percentile of {SAMPLES}"),
        &said,
        "<=300 ms",
    );

    // One that goes on can be looked at.
    let mut child = command(&["--watch"]).stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().context("it prints nothing")?;
    BufReader::new(out).read_line(&mut String::new())?;
    let peak = memory(child.id(), "VmHWM")?;
    child.kill()?;
    child.wait()?;
    line("memory of it, peak", &mebibytes(peak), "<=64 MiB");
    Ok(())
}

/// A task in the middle of its run.
fn big(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let task = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask", "metadata": {"name": "big"},
        "spec": {"scalingGroupId": "asg-big", "update": {"image": {"imageId": "m-v2"}}, "batches": 100},
    });
    kubectl.apply(namespace, &task.to_string())?;
    let time = "2026-11-27T10:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": time});
    let instance = |number: usize| {
        json!({
            "id": format!("i-bp1{number:017}"), "batch": number / 10 + 1, "state": if number < 500 { "Succeeded" } else { "Failed" },
            "attempt": 1, "executionId": format!("exec-{number:016}"), "taskExecutionId": format!("texec-{number:040}"),
            "startTime": time, "endTime": time, "message": "ReplaceSystemDisk: the quota of disks is used up",
            "conditions": [condition("Updated"), condition("InService")],
        })
    };
    let batch = |index: usize| {
        let state = if index <= 50 { "Succeeded" } else { "Failed" };
        json!({"index": index, "size": 10, "state": state, "startTime": time, "endTime": time})
    };
    let instances: Vec<Value> = (0..INSTANCES).map(instance).collect();
    let status = json!({"status": {
        "state": "FailureSuspended", "pause": {"id": 50, "kind": "Failure", "since": time},
        "batches": (1..=100).map(batch).collect::<Vec<_>>(), "instances": instances,
    }});
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("status.json");
    std::fs::write(&file, status.to_string())?;
    let file = file.to_str().context("the path is no text")?;
    kubectl.run(&[
        "patch",
        "rollingupdatetask",
        "big",
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "--patch-file",
        file,
    ])?;
    Ok(())
}
