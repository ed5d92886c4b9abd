//! Why an execution failed, in the words of a result.

use ess_rollout_api::v1alpha1::{InstanceState, InstanceStatus, RollingUpdateTaskStatus};
use ess_rollout_cloud::{Execution, ExecutionStatus, TaskExecution};

use super::{pause, tolerance};
use crate::rollout::context::Context;
use crate::task::conditions;

/// How many failed instances a result names, each with why.
const FAILURES_SHOWN: usize = 5;
/// The most bytes of the reason of each: all of them fit the result.
const WHY_MAX: usize = 320;

/// What failed: the failed instances, and how many of them were tolerated, or the task of the root
/// itself.
pub(in crate::rollout) fn describe(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    root: &Execution,
    tasks: &[TaskExecution],
) -> String {
    let mut failed: Vec<&InstanceStatus> = status
        .instances
        .iter()
        .filter(|i| i.state == InstanceState::Failed)
        .collect();
    failed.sort_by_key(|i| (i.end_time.as_ref().map(|time| time.0), i.batch));
    let tolerated = tolerance::tolerated(ctx);
    let why = |i: &InstanceStatus| {
        let why = conditions::shorten(&i.message, WHY_MAX);
        format!("instance {} failed in batch {}: {why}", i.id, i.batch)
    };
    if failed.len() > tolerated {
        let shown: Vec<String> = failed.iter().take(FAILURES_SHOWN).map(|i| why(i)).collect();
        let mut message = shown.join("; ");
        if tolerated > 0 {
            message = format!(
                "{} instances failed, and spec.maxErrors tolerates {tolerated}: {message}",
                failed.len()
            );
        }
        if failed.len() > FAILURES_SHOWN {
            message.push_str(&format!(
                "; and {} more (see status.instances)",
                failed.len() - FAILURES_SHOWN
            ));
        }
        return message;
    }
    // As many as are tolerated end nothing: what did is a task after the instances.
    if let Some(task) = pause::tasks::failed(tasks).first()
        && let Some(part) = task.parts.first()
    {
        return format!(
            "task {} of execution {} failed: {}",
            task.name, root.id, part.status_message
        );
    }
    let task = tasks
        .iter()
        .find(|task| task.status == ExecutionStatus::Failed);
    match task {
        Some(task) => format!(
            "task {} of execution {} failed: {}",
            task.name, root.id, task.status_message
        ),
        None => format!("execution {} failed: {}", root.id, root.status_message),
    }
}
