//! `logs`: what instances said where they failed.
//!
//! The status keeps the end of a failed script's output (`status.instances[].outputTail`) and why an instance failed; all of it
//! is in the OOS console, to which this points.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ess_rollout_api::v1alpha1::{InstanceState, InstanceStatus};

use crate::cli::LogsArgs;
use crate::cluster::Cluster;
use crate::exit::End;
use crate::rollout::Rollout;
use crate::screen::page::printable;
use crate::terminal::print;

/// What is said of one instance; `None`: nothing yet.
fn lines(instance: &InstanceStatus) -> Option<Vec<String>> {
    let output = instance.output_tail.as_deref().unwrap_or_default();
    if output.is_empty() && instance.message.is_empty() {
        return None;
    }
    let mut head = format!("{:?}, attempt {}", instance.state, instance.attempt);
    if let Some(code) = instance.exit_code {
        head.push_str(&format!(", exit code {code}"));
    }
    let mut lines = vec![head];
    if !instance.message.is_empty() {
        lines.push(printable(&instance.message));
    }
    lines.extend(output.lines().map(printable));
    let id = &instance.id;
    let prefixed = lines.iter().map(|line| format!("[{id}] {line}"));
    Some(prefixed.collect())
}

/// Prints it.
///
/// # Errors
/// When there is no such update or instance, or it cannot be read, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &LogsArgs) -> Result<End> {
    let found = cluster.named(&args.named.name)?;
    let mut object = found.get().await?;
    let argument = object.argument();
    let mut changes = args.follow.then(|| found.follow());
    let mut printed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        let rollout = object.rollout();
        ensure!(
            rollout.is_some(),
            "{argument} updates no instance: kubectl ess-rollout status {argument} shows its runs"
        );
        if let Some(rollout) = rollout {
            check_names(rollout, &args.instances)?;
            say(rollout, args, &mut printed)?;
        }
        let end = object.end();
        match (&mut changes, end) {
            (None, _) | (_, Some(_)) => {
                if printed.is_empty() {
                    eprintln!(
                        "no instance of {argument} has said anything: only failures are kept"
                    );
                }
                let url = object.rollout().and_then(|of| of.status.execution.as_ref());
                if let Some(execution) = url.filter(|of| !of.url.is_empty()) {
                    eprintln!("all output is at {}", execution.url);
                }
                return Ok(end.filter(|_| args.follow).unwrap_or(End::Wanted));
            }
            (Some(changes), None) => object = changes.next_seen().await?,
        }
    }
}

fn check_names(rollout: &Rollout, names: &[String]) -> Result<()> {
    let known = |name: &String| rollout.status.instances.iter().any(|of| of.id == *name);
    for name in names {
        ensure!(
            rollout.status.instances.is_empty() || known(name),
            "{name} takes no part in {}",
            rollout.argument()
        );
    }
    Ok(())
}

fn say(
    rollout: &Rollout,
    args: &LogsArgs,
    printed: &mut BTreeMap<String, Vec<String>>,
) -> Result<()> {
    for instance in &rollout.status.instances {
        let wanted = args.instances.is_empty() || args.instances.contains(&instance.id);
        let failed = instance.state == InstanceState::Failed;
        if !wanted || (args.failed && !failed) {
            continue;
        }
        if let Some(lines) = lines(instance)
            && printed.get(&instance.id) != Some(&lines)
        {
            print(&lines)?;
            printed.insert(instance.id.clone(), lines);
        }
    }
    Ok(())
}
