//! Where a rollback goes back to: an update of the same kind, with the old payload.

use ess_rollout_api::v1alpha1::{
    ContainerGroupUpdate, ImageUpdate, PackageAction, PackageUpdate, Plan, RollbackMethod,
    RollbackPayload, ScriptType, ScriptUpdate, Update,
};

use crate::problem::Problem;

/// The update that undoes the update of a task: what `spec.to` says, else what the task says, else
/// for an image what all instances ran before.
pub(super) fn of_task(
    update: &Update,
    plan: &Plan,
    to: Option<&RollbackPayload>,
) -> Result<Update, Problem> {
    let none = RollbackPayload::default();
    let to = to.unwrap_or(&none);
    mismatch(update, to)?;
    if let Some(image) = &update.image {
        let target = to
            .image_id
            .as_ref()
            .or(image.rollback_image_id.as_ref())
            .or(plan.source_image_id.as_ref());
        let target = target.ok_or_else(|| {
            missing("the instances ran different images before: name the one to go back to by spec.to.imageId in a new rollback")
        })?;
        return Ok(Update {
            image: Some(ImageUpdate {
                image_id: target.clone(),
                rollback_image_id: Some(image.image_id.clone()),
                update_scaling_configuration: image.update_scaling_configuration,
            }),
            ..Update::default()
        });
    }
    if let Some(script) = &update.script {
        let back = to.script.as_ref().or(script.rollback.as_ref());
        let back = back.ok_or_else(|| {
            missing("the task has no spec.update.script.rollback: give the script that undoes it by spec.to.script in a new rollback")
        })?;
        return Ok(Update {
            script: Some(ScriptUpdate {
                script_type: script.script_type,
                run: back.clone(),
                rollback: None,
            }),
            ..Update::default()
        });
    }
    if let Some(package) = &update.package {
        return package_back(package, to);
    }
    let Some(group) = &update.container_group else {
        return Err(missing("the task names no update"));
    };
    let containers = to
        .containers
        .clone()
        .unwrap_or_else(|| group.rollback_containers.clone());
    if containers.is_empty() {
        return Err(missing(
            "the task has no spec.update.containerGroup.rollbackContainers: give them by spec.to.containers in a new rollback",
        ));
    }
    Ok(Update {
        container_group: Some(ContainerGroupUpdate {
            containers,
            rollback_containers: group.containers.clone(),
            update_type: group.update_type,
        }),
        ..Update::default()
    })
}

/// The opposite action, of the version to go back to.
fn package_back(package: &PackageUpdate, to: &RollbackPayload) -> Result<Update, Problem> {
    let version = to
        .package_version
        .as_ref()
        .or(package.rollback_version.as_ref());
    let (action, version) = match (package.action, version) {
        (_, Some(version)) => (PackageAction::Install, Some(version.clone())),
        (PackageAction::Install, None) => (PackageAction::Uninstall, None),
        (PackageAction::Uninstall, None) => (PackageAction::Install, package.version.clone()),
    };
    Ok(Update {
        package: Some(PackageUpdate {
            name: package.name.clone(),
            version,
            action,
            rollback_version: None,
        }),
        ..Update::default()
    })
}

/// `spec.to` of another kind than the update.
fn mismatch(update: &Update, to: &RollbackPayload) -> Result<(), Problem> {
    let wrong = [
        ("imageId", to.image_id.is_some(), update.image.is_some()),
        ("script", to.script.is_some(), update.script.is_some()),
        (
            "packageVersion",
            to.package_version.is_some(),
            update.package.is_some(),
        ),
        (
            "containers",
            to.containers.is_some(),
            update.container_group.is_some(),
        ),
    ];
    match wrong.iter().find(|(_, given, fits)| *given && !fits) {
        Some((field, ..)) => Err(Problem::blocked(
            "PayloadMismatch",
            format!("spec.to.{field} does not fit: the update that is undone is of another kind"),
        )),
        None => Ok(()),
    }
}

fn missing(message: &str) -> Problem {
    Problem::blocked("NoRollbackPayload", message.to_owned())
}

/// The public template runs every rollback script as a shell script.
pub(super) fn method(update: &Update) -> RollbackMethod {
    let windows = update
        .script
        .as_ref()
        .is_some_and(|script| script.script_type != ScriptType::LinuxShell);
    if windows {
        RollbackMethod::Invoke
    } else {
        RollbackMethod::Template
    }
}
