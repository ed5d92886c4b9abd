//! Going back to a version of a package, or to none.

use ess_rollout_api::v1alpha1::{PackageAction, PackageUpdate, RollbackPayload, Update};
use ess_rollout_cloud::Execution;

use crate::rollout::kind::update_kind::{Before, missing};
use crate::rollout::parameters::text;
use crate::task::problem::Problem;

/// The version to go back to is installed; where none of the instances had the package before, it is uninstalled. What
/// was there is never guessed: going back from version 3 to nothing is an outage.
pub(super) fn way_back(
    update: &PackageUpdate,
    before: &Before<'_>,
    to: &RollbackPayload,
) -> Result<Update, Problem> {
    let named = to.package_version.as_ref();
    let named = named.or(update.rollback_version.as_ref());
    let found = before.plan.source_package.as_ref();
    let found = found.map(|package| package.version.as_ref());
    let (action, version) = match (named, found, update.action) {
        (Some(version), _, _) => (PackageAction::Install, Some(version)),
        (None, Some(Some(version)), _) => (PackageAction::Install, Some(version)),
        (None, Some(None), PackageAction::Install) => (PackageAction::Uninstall, None),
        (None, Some(None), PackageAction::Uninstall) => {
            return Err(missing(
                "no instance had the package installed before it was uninstalled: to install it all the same name a version by spec.to.packageVersion in a new rollback",
            ));
        }
        (None, None, PackageAction::Uninstall) => {
            let version = update.version.as_ref().ok_or_else(|| {
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
    Ok(Update {
        package: Some(PackageUpdate {
            name: update.name.clone(),
            version: version.cloned(),
            action,
            rollback_version: None,
        }),
        ..Update::default()
    })
}

pub(in crate::rollout::kind) fn of_execution(root: &Execution) -> Result<Update, Problem> {
    Ok(Update {
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
    })
}
