//! Where a rollback goes back to: an update of the same kind, with the old payload.

use ess_rollout_api::v1alpha1::{
    ContainerGroupUpdate, ImageUpdate, PackageAction, PackageState, PackageUpdate, Plan,
    RollbackMethod, RollbackPayload, ScriptSource, ScriptType, ScriptUpdate, Update,
};

use crate::problem::Problem;

/// The update that undoes the update of a task: what `spec.to` says, else what the task says, else
/// for images, packages and containers what all instances had before. `given` is the rollback script
/// that OOS was given at the start: what the ConfigMap that it came from holds by now does not
/// matter.
pub(super) fn of_task(
    update: &Update,
    plan: &Plan,
    given: Option<&str>,
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
        let run = match (&to.script, &back.config_map_key_ref) {
            (None, Some(_)) => ScriptSource {
                inline: Some(given.map(str::to_owned).ok_or_else(|| {
                    missing("OOS does not show the rollback script that the update was started with: give it by spec.to.script in a new rollback")
                })?),
                config_map_key_ref: None,
            },
            // In the spec; or in a ConfigMap that the rollback itself names, and that is looked at
            // until it starts.
            (_, _) => back.clone(),
        };
        return Ok(Update {
            script: Some(ScriptUpdate {
                script_type: script.script_type,
                run,
                rollback: None,
            }),
            ..Update::default()
        });
    }
    if let Some(package) = &update.package {
        return Ok(Update {
            package: Some(package_back(package, plan.source_package.as_ref(), to)?),
            ..Update::default()
        });
    }
    let Some(group) = &update.container_group else {
        return Err(missing("the task names no update"));
    };
    let (containers, update_type) = match (&to.containers, &plan.source_container_group) {
        (Some(given), _) => (given, group.update_type),
        (None, _) if !group.rollback_containers.is_empty() => {
            (&group.rollback_containers, group.update_type)
        }
        (None, Some(way)) => (&way.containers, way.update_type),
        (None, None) => {
            return Err(missing(
                "the task has no spec.update.containerGroup.rollbackContainers, and the container groups ran different containers before, or what spec.to cannot say: give the containers to go back to by spec.to.containers in a new rollback",
            ));
        }
    };
    Ok(Update {
        container_group: Some(ContainerGroupUpdate {
            containers: containers.clone(),
            rollback_containers: group.containers.clone(),
            update_type,
        }),
        ..Update::default()
    })
}

/// The version to go back to is installed; where none of the instances had the package before, it is
/// uninstalled. What was there is never guessed: going back from version 3 to nothing is an outage.
fn package_back(
    package: &PackageUpdate,
    before: Option<&PackageState>,
    to: &RollbackPayload,
) -> Result<PackageUpdate, Problem> {
    let named = to.package_version.as_ref();
    let named = named.or(package.rollback_version.as_ref());
    let (action, version) = match (named, before, package.action) {
        (Some(version), _, _) => (PackageAction::Install, Some(version)),
        (
            None,
            Some(PackageState {
                version: Some(found),
            }),
            _,
        ) => (PackageAction::Install, Some(found)),
        (None, Some(PackageState { version: None }), PackageAction::Install) => {
            (PackageAction::Uninstall, None)
        }
        (None, Some(PackageState { version: None }), PackageAction::Uninstall) => {
            return Err(missing(
                "no instance had the package installed before it was uninstalled: to install it all the same name a version by spec.to.packageVersion in a new rollback",
            ));
        }
        (None, None, PackageAction::Uninstall) => {
            let version = package.version.as_ref().ok_or_else(|| {
                missing("which version was installed before is not known, or differed: name the one to install by spec.to.packageVersion in a new rollback")
            })?;
            (PackageAction::Install, Some(version))
        }
        (None, None, PackageAction::Install) => {
            return Err(missing(
                "which version was installed before is not known, or differed: name the one to go back to by spec.to.packageVersion in a new rollback, or uninstall the package by a new RollingUpdateTask",
            ));
        }
    };
    Ok(PackageUpdate {
        name: package.name.clone(),
        version: version.cloned(),
        action,
        rollback_version: None,
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
