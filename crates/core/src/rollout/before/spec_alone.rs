//! What can be said against a spec without the operator's settings, the cluster and the cloud.

use ess_rollout_api::v1alpha1::{
    ContainerGroupUpdate, ContainerUpdateType, ImageUpdate, RollbackPayload, RollbackSpec,
    RollingUpdateTaskSpec, ScriptType, ScriptUpdate, Update, WindowPolicy,
};

use crate::rollout::kind::{self, Author};
use crate::rollout::rollback::source;
use crate::task::refusal::Refusal;
use crate::task::windows_of;
use crate::windows::Invalid;

/// What Preflight refuses of a task by its spec alone. Of a region that is missing and of credentials nothing is said: that
/// depends on the operator's settings; nor of scripts in ConfigMaps.
pub fn check_task(spec: &RollingUpdateTaskSpec) -> Option<Refusal> {
    let by_kind = kind::of_update(&spec.update).check_spec();
    by_kind
        .map(Into::into)
        .or_else(|| of_window(&spec.policy.windows))
}

/// The same of a rollback: what it says of where to go back to.
pub fn check_rollback(spec: &RollbackSpec) -> Option<Refusal> {
    if let Some(refusal) = of_window(&spec.policy.windows) {
        return Some(refusal);
    }
    // Without it, where to go back to is the source's to say, and so is the kind.
    let update = update_to(spec.to.as_ref()?)?;
    let by_kind = kind::of_update_by(&update, Author::OfRollback).check_spec();
    let problem = by_kind.or_else(|| source::intolerant(spec, &update));
    problem.map(Into::into)
}

/// What is wrong with the window in a spec.
fn of_window(policy: &WindowPolicy) -> Option<Refusal> {
    let Invalid { reason, message } = windows_of::in_spec(policy.window.as_ref()).err()?;
    Some(Refusal { reason, message })
}

/// The update that a rollback to this would be, as far as that says so. `None`: of a package only the version is known.
fn update_to(to: &RollbackPayload) -> Option<Update> {
    let image = to.image_id.clone().map(|image_id| ImageUpdate {
        image_id,
        rollback_image_id: None,
        update_scaling_configuration: true,
    });
    let script = to.script.clone().map(|run| ScriptUpdate {
        script_type: ScriptType::default(),
        run,
        rollback: None,
    });
    let containers = to.containers.clone();
    let container_group = containers.map(|containers| ContainerGroupUpdate {
        containers,
        rollback_containers: Vec::new(),
        // That of the update which is undone. The other refuses more.
        update_type: ContainerUpdateType::Incremental,
    });
    let update = Update {
        image,
        script,
        package: None,
        container_group,
    };
    (update != Update::default()).then_some(update)
}
