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
    let all = status.instances.iter();
    let mut failed: Vec<_> = all.filter(|i| i.state == InstanceState::Failed).collect();
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
        if let more @ 1.. = failed.len().saturating_sub(FAILURES_SHOWN) {
            message.push_str(&format!("; and {more} more (see status.instances)"));
        }
        return message;
    }
    // As many as are tolerated end nothing: what did is a task after the instances.
    let by_itself = pause::tasks::failed(tasks).into_iter().next();
    let by_itself = by_itself.and_then(|task| Some((task.name, *task.parts.first()?)));
    let listed = || {
        let task = tasks.iter().find(|t| t.status == ExecutionStatus::Failed)?;
        Some((task.name.as_str(), task))
    };
    match by_itself.or_else(listed) {
        Some((name, task)) => format!(
            "task {name} of execution {} failed: {}",
            root.id, task.status_message
        ),
        None => format!("execution {} failed: {}", root.id, root.status_message),
    }
}
