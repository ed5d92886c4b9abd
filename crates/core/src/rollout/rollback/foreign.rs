//! A rolling update that was started in the console or by the command line: what it did is read off
//! its execution.

use ess_rollout_api::v1alpha1::{
    self as api, ContainerGroupUpdate, ContainerUpdateType, EligibleState, ImageUpdate,
    PackageAction, PackageUpdate, Plan, RollbackMethod, RollbackSpec, ScriptSource, ScriptType,
    ScriptUpdate, Source, Update,
};
use ess_rollout_cloud::{Container, Execution, ExecutionStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::{payload, source};
use crate::identity;
use crate::observation::Known;
use crate::problem::Problem;
use crate::rollout::containers::to_spec;
use crate::rollout::context::Context;
use crate::rollout::kind;

/// What is undone, or why it cannot be.
pub(super) fn find(
    ctx: &Context<'_>,
    spec: &RollbackSpec,
    id: &str,
) -> Known<Result<Source, Problem>> {
    let root = match source::root(ctx, id)? {
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
    if let Some(problem) = source::not_latest(ctx, root)? {
        return Ok(Err(problem));
    }
    Ok(describe(ctx, spec, root, suspended))
}

/// Why this execution cannot be rolled back at all.
fn unfit(ctx: &Context<'_>, root: &Execution) -> Option<Problem> {
    let id = &root.id;
    if let Some(task) = root.tags.get(identity::TAG_TASK) {
        return Some(Problem::blocked(
            "UseTaskRef",
            format!(
                "execution {id} is of {task}: name it by spec.taskRef in its namespace, so that what it left can be taken over"
            ),
        ));
    }
    if text(root, "invokeType") == Some("rollback") || source::undone_by(root).is_some() {
        return Some(Problem::blocked(
            "RollbackOfRollback",
            format!("execution {id} is a rollback itself: start a new update instead"),
        ));
    }
    let group = text(root, "scalingGroupId").unwrap_or_default();
    if group != ctx.group {
        return Some(Problem::blocked(
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
    let update = update(root)?;
    let plan = Plan {
        source_image_id: text(root, "sourceImageId").map(str::to_owned),
        ..Plan::default()
    };
    let image = update.image.as_ref().map(|image| image.image_id.clone());
    let update = payload::of_task(&update, &plan, None, spec.to.as_ref())?;
    if let Some(problem) = kind::check_foreign(&update) {
        return Err(Problem {
            message: format!(
                "execution {} cannot be rolled back: {}",
                root.id, problem.message
            ),
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
    Ok(Source {
        time: Time(ctx.now()),
        name: String::new(),
        uid: String::new(),
        execution_id: root.id.clone(),
        scaling_group_id: ctx.group.clone(),
        region_id: spec.region_id.clone(),
        // The public template's rollback calls SuspendProcesses with the source's list, empty or not.
        method: match enter.is_some_and(|enter| enter.is_empty()) {
            true => RollbackMethod::Invoke,
            false => payload::method(&update),
        },
        update,
        updated_image_id: image,
        // What the configuration carried before is not known: it gets what the instances go back to.
        scaling_configuration_image_id: target.filter(|_| configuration.is_some()),
        scaling_configuration_containers: None,
        scaling_configuration_id: configuration,
        lifecycle_states,
        exit_processes: list(root, "exitProcess")
            .unwrap_or_else(|| kind::processes_but::<&str>(&[])),
        ram_role: None,
        credentials_ref: None,
        suspended,
        cancel_time: None,
        quiet_since: None,
        fingerprint: String::new(),
        taken_over_time: None,
        members: Vec::new(),
    })
}

/// The update that the execution ran, with what it knows of the way back.
fn update(root: &Execution) -> Result<Update, Problem> {
    let template = root.template_name.as_str();
    if template == kind::IMAGE_TEMPLATE {
        return Ok(Update {
            image: Some(ImageUpdate {
                image_id: text(root, "imageId").unwrap_or_default().to_owned(),
                rollback_image_id: text(root, "sourceImageId").map(str::to_owned),
                update_scaling_configuration: text(root, "scalingConfigurationId").is_some(),
            }),
            ..Update::default()
        });
    }
    if template == kind::SCRIPT_TEMPLATE {
        let script = |name: &str| {
            text(root, name).map(|text| ScriptSource {
                inline: Some(text.to_owned()),
                ..ScriptSource::default()
            })
        };
        return Ok(Update {
            script: Some(ScriptUpdate {
                script_type: match text(root, "commandType") {
                    Some("RunBatScript") => ScriptType::WindowsBat,
                    Some("RunPowerShellScript") => ScriptType::WindowsPowerShell,
                    _ => ScriptType::LinuxShell,
                },
                run: script("invokeScript").unwrap_or_default(),
                rollback: script("rollbackScript"),
            }),
            ..Update::default()
        });
    }
    if template == kind::CONTAINER_TEMPLATE {
        let renew = text(root, "updateType") == Some("RenewUpdate");
        return Ok(Update {
            container_group: Some(ContainerGroupUpdate {
                containers: containers(root, "containerConfigure")?,
                rollback_containers: containers(root, "sourceContainerConfigure")?,
                update_type: if renew {
                    ContainerUpdateType::Renew
                } else {
                    ContainerUpdateType::Incremental
                },
            }),
            ..Update::default()
        });
    }
    if template == kind::PACKAGE_TEMPLATE {
        return Ok(Update {
            package: Some(PackageUpdate {
                name: text(root, "packageName").unwrap_or_default().to_owned(),
                version: text(root, "packageVersion").map(str::to_owned),
                action: match text(root, "action") {
                    Some("uninstall") => PackageAction::Uninstall,
                    _ => PackageAction::Install,
                },
                rollback_version: None,
            }),
            ..Update::default()
        });
    }
    Err(Problem::blocked(
        "NotYetSupported",
        format!(
            "execution {} is of template {template}, which this version of the operator cannot roll back",
            root.id
        ),
    ))
}

/// Containers in a parameter, as far as a spec can say them.
fn containers(root: &Execution, name: &str) -> Result<Vec<api::Container>, Problem> {
    let items = match root.parameters.get(name) {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Vec::new(),
    };
    let container = |item: &Value| {
        let fields = item.as_object()?.clone();
        let name = fields.get("Name")?.as_str()?.to_owned();
        let fields = fields.into_iter().filter(|(field, _)| field != "Name");
        to_spec(&Container::new(name, fields))
    };
    let all: Option<Vec<api::Container>> = items.iter().map(container).collect();
    all.ok_or_else(|| {
        Problem::blocked(
            "NoRollbackPayload",
            format!(
                "parameter {name} of execution {} has containers that spec.to.containers could not say: start a new RollingUpdateTask with what you want to go back to",
                root.id
            ),
        )
    })
}

/// A parameter; an empty one counts as none, as the templates have it.
pub(super) fn text<'a>(root: &'a Execution, name: &str) -> Option<&'a str> {
    root.parameters
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn list(root: &Execution, name: &str) -> Option<Vec<String>> {
    let items = root.parameters.get(name)?.as_array()?;
    let texts = items.iter().filter_map(Value::as_str).map(str::to_owned);
    Some(texts.collect())
}
