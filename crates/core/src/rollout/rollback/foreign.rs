//! A rolling update that was started in the console or by the command line: what it did is read off
//! its execution.

use ess_rollout_api::v1alpha1::{EligibleState, Plan, RollbackMethod, RollbackSpec, Source};
use ess_rollout_cloud::{Execution, ExecutionStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::checks;
use crate::identity;
use crate::rollout::context::Context;
use crate::rollout::kind::content::ConfigurationContent;
use crate::rollout::kind::{self, Before};
use crate::rollout::parameters::{list, text};
use crate::task::observation::Known;
use crate::task::problem::Problem;

/// What is undone, or why it cannot be.
pub(super) fn find(
    ctx: &Context<'_>,
    spec: &RollbackSpec,
    id: &str,
) -> Known<Result<Source, Problem>> {
    let root = match checks::root(ctx, id)? {
        Ok(root) => root,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Some(problem) = unfit(ctx, root) {
        return Ok(Err(problem));
    }
    let suspended = match standing(root) {
        Ok(suspended) => suspended,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Some(problem) = checks::not_latest(ctx, root)? {
        return Ok(Err(problem));
    }
    Ok(describe(ctx, spec, root, suspended))
}

/// Why this execution cannot be rolled back at all.
fn unfit(ctx: &Context<'_>, root: &Execution) -> Option<Problem> {
    let id = &root.id;
    if let Some(task) = root.tags.get(identity::TAG_TASK) {
        return Some(Problem::refused(
            "UseTaskRef",
            format!(
                "execution {id} is of {task}: name it by spec.taskRef in its namespace, so that what it left can be taken over"
            ),
        ));
    }
    if text(root, "invokeType") == Some("rollback") || checks::undone_by(root).is_some() {
        return Some(Problem::refused(
            "RollbackOfRollback",
            format!("execution {id} is a rollback itself: start a new update instead"),
        ));
    }
    let group = text(root, "scalingGroupId").unwrap_or_default();
    if group != ctx.group {
        return Some(Problem::refused(
            "OtherScalingGroup",
            format!(
                "execution {id} is of scaling group {group:?}, and spec.scalingGroupId is {}",
                ctx.group
            ),
        ));
    }
    None
}

/// Whether it is suspended rather than finished.
pub(super) fn standing(root: &Execution) -> Result<bool, Problem> {
    match &root.status {
        status if status.is_final() => Ok(false),
        ExecutionStatus::Waiting => Ok(true),
        status => Err(Problem::blocked(
            "SourceRunning",
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
    let states = list(root, "lifecycleState");
    let protected = states
        .as_ref()
        .is_some_and(|s| s.contains(&"Protected".to_owned()));
    let mut lifecycle_states = vec![EligibleState::InService];
    if protected {
        lifecycle_states.push(EligibleState::Protected);
    }
    let mut found = Source {
        time: Time(ctx.now()),
        name: String::new(),
        uid: String::new(),
        execution_id: root.id.clone(),
        scaling_group_id: ctx.group.clone(),
        region_id: spec.region_id.clone(),
        // The public template's rollback calls SuspendProcesses with the source's list, empty or not.
        method: match enter.is_some_and(|enter| enter.is_empty()) {
            true => RollbackMethod::Invoke,
            false => checks::method(&update),
        },
        update,
        kept_update: None,
        updated_image_id: image,
        scaling_configuration_image_id: None,
        scaling_configuration_containers: None,
        scaling_configuration_id: configuration,
        lifecycle_states,
        exit_processes: list(root, "exitProcess")
            .unwrap_or_else(|| kind::processes_but::<&str>(&[])),
        ram_role: None,
        credentials_ref: None,
        suspended,
        cancel_time: None,
        cancel_retry_time: None,
        cancel_failures: 0,
        quiet_since: None,
        fingerprint: String::new(),
        taken_over_time: None,
        members: Vec::new(),
    };
    // What the configuration carried before is not known: it gets what the instances go back to.
    let target = target.filter(|_| found.scaling_configuration_id.is_some());
    if let Some(image) = target {
        ConfigurationContent::Image(image).record(&mut found);
    }
    Ok(found)
}
