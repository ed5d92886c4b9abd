//! Going back to containers.

use ess_rollout_api::v1alpha1::{
    self as api, ContainerGroupUpdate, ContainerUpdateType, RollbackPayload, Update,
};
use ess_rollout_cloud::{Container, Execution};
use serde_json::Value;

use crate::problem::Problem;
use crate::rollout::containers::to_spec;
use crate::rollout::kind::undo::{Before, missing};
use crate::rollout::parameters::text;

pub(super) fn way_back(
    update: &ContainerGroupUpdate,
    before: &Before<'_>,
    to: &RollbackPayload,
) -> Result<Update, Problem> {
    let (containers, update_type) = match (&to.containers, &before.plan.source_container_group) {
        (Some(given), _) => (given, update.update_type),
        (None, _) if !update.rollback_containers.is_empty() => {
            (&update.rollback_containers, update.update_type)
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
            rollback_containers: update.containers.clone(),
            update_type,
        }),
        ..Update::default()
    })
}

pub(in crate::rollout::kind) fn of_execution(root: &Execution) -> Result<Update, Problem> {
    let renew = text(root, "updateType") == Some("RenewUpdate");
    Ok(Update {
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
    })
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
