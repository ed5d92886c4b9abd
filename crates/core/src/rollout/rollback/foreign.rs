//! A rolling update that was started in the console or by the command line: what it did is read off
//! its execution.

use ess_rollout_api::v1alpha1::{EligibleState, Plan, RollbackMethod, RollbackSpec, Source};
use ess_rollout_cloud::{Execution, ExecutionStatus};

use super::checks;
use crate::identity;
use crate::rollout::context::Context;
use crate::rollout::kind::content::ConfigurationContent;
use crate::rollout::kind::{self, Before};
use crate::rollout::parameters::{list, text};
use crate::task::problem::{Checked, Problem};
use crate::task::reason::Reason;

/// What is undone, or why it cannot be.
pub(super) fn find(ctx: &Context<'_>, spec: &RollbackSpec, id: &str) -> Checked<Source> {
    let root = checks::root(ctx, id)?;
    be_fit(ctx, root)?;
    let suspended = standing(root)?;
    checks::be_latest(ctx, root)?;
    Ok(describe(ctx, spec, root, suspended)?)
}

/// Whether this execution can be rolled back at all.
fn be_fit(ctx: &Context<'_>, root: &Execution) -> Result<(), Problem> {
    let id = &root.id;
    let group = text(root, "scalingGroupId").unwrap_or_default();
    let (reason, message) = if let Some(task) = root.tags.get(identity::TAG_TASK) {
        (
            Reason::UseTaskRef,
            format!(
                "execution {id} is of {task}: name it by spec.taskRef in its namespace, so that what it left can be taken over"
            ),
        )
    } else if text(root, "invokeType") == Some("rollback") || checks::undone_by(root).is_some() {
        (
            Reason::RollbackOfRollback,
            format!("execution {id} is a rollback itself: start a new update instead"),
        )
    } else if group != ctx.group {
        (
            Reason::OtherScalingGroup,
            format!(
                "execution {id} is of scaling group {group:?}, and spec.scalingGroupId is {}",
                ctx.group
            ),
        )
    } else {
        return Ok(());
    };
    Err(Problem::refused(reason, message))
}

/// Whether it is suspended rather than finished.
pub(super) fn standing(root: &Execution) -> Result<bool, Problem> {
    match &root.status {
        status if status.is_final() => Ok(false),
        ExecutionStatus::Waiting => Ok(true),
        status => Err(Problem::blocked(
            Reason::SourceRunning,
            format!(
                "execution {} is {status}: the rollback starts once it is suspended or finished",
                root.id
            ),
        )),
    }
}

fn describe(
    ctx: &Context<'_>,
    spec: &RollbackSpec,
    root: &Execution,
    suspended: bool,
) -> Result<Source, Problem> {
    let update = kind::of_execution(root)?;
    let plan = Plan {
        source_image_id: text(root, "sourceImageId").map(str::to_owned),
        ..Plan::default()
    };
    let image = update.image.as_ref().map(|image| image.image_id.clone());
    let before = Before {
        plan: &plan,
        script: None,
    };
    let source = kind::of_update(&update);
    let update = kind::way_back(source.as_ref(), &before, spec.to.as_ref())?;
    // No admission has seen it.
    if let Some(problem) = kind::of_update(&update).check_spec() {
        return Err(Problem {
            message: format!(
                "execution {} cannot be rolled back: {}",
                root.id, problem.message
            ),
            is_final: true,
            ..problem
        });
    }
    let target = update.image.as_ref().map(|image| image.image_id.clone());
    let configuration = text(root, "scalingConfigurationId").map(str::to_owned);
    let enter = list(root, "enterProcess");
    let states = list(root, "lifecycleState").unwrap_or_default();
    let mut lifecycle_states = vec![EligibleState::InService];
    if states.iter().any(|state| state == "Protected") {
        lifecycle_states.push(EligibleState::Protected);
    }
    let mut found = Source {
        region_id: spec.region_id.clone(),
        updated_image_id: image,
        scaling_configuration_id: configuration,
        lifecycle_states,
        exit_processes: list(root, "exitProcess")
            .unwrap_or_else(|| kind::processes_but::<&str>(&[])),
        ..checks::source(ctx, root.id.clone(), update, suspended)
    };
    // The public template's rollback calls SuspendProcesses with the source's list, empty or not.
    if enter.is_some_and(|enter| enter.is_empty()) {
        found.method = RollbackMethod::Invoke;
    }
    // What the configuration carried before is not known: it gets what the instances go back to.
    let target = target.filter(|_| found.scaling_configuration_id.is_some());
    if let Some(image) = target {
        ConfigurationContent::Image(image).record(&mut found);
    }
    Ok(found)
}
