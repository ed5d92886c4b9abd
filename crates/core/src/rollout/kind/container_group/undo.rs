//! Going back to containers.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{
    self as api, ContainerGroupUpdate, ContainerUpdateType, RollbackPayload, Update,
};
use ess_rollout_cloud::{Container, ContainerGroup, Execution, ScalingInstance};
use serde_json::Value;

use super::update::{CONTAINERS_MAX, ContainerGroups, power, specs};
use crate::rollout::compute::Power;
use crate::rollout::containers::{self, to_spec};
use crate::rollout::kind::update_kind::{Before, missing};
use crate::rollout::parameters::text;
use crate::task::observation::{Known, Observation};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

impl ContainerGroups<'_> {
    /// The update that undoes this one, where all container groups run the same. An error is why it
    /// cannot be kept, for people.
    pub(super) fn undone_by(
        &self,
        observation: &Observation,
        ids: &[String],
    ) -> Known<Result<Option<ContainerGroupUpdate>, String>> {
        if ids.is_empty() {
            return Ok(Ok(None));
        }
        let found = observation.container_groups(ids)?;
        let way_back = |group| containers::way_back(self.update, &specs(group));
        let mut ways = found.iter().map(way_back);
        let Some(way) = ways.next().flatten() else {
            return Ok(Err(
                "the containers that run now have something that an update cannot say (probes, a security context, variables that come from fields) or more than it takes, so what they are cannot be kept as the way back: a Rollback will have to name the containers to go back to in spec.to.containers".to_owned(),
            ));
        };
        if !ways.all(|other| other.as_ref() == Some(&way)) {
            return Ok(Ok(None));
        }
        let text = containers::write(&containers::of_specs(&way.containers));
        // As in a spec: OOS would read it as a reference to a template parameter, in the start of the
        // update, too, which has the way back among its parameters.
        let why = if text.contains("{{") {
            "contain {{, which OOS would read as a reference to a template parameter"
        } else if text.len() > CONTAINERS_MAX {
            "are too large to be kept on record"
        } else {
            return Ok(Ok(Some(way)));
        };
        Ok(Err(format!(
            "the containers that run now {why}: a Rollback will have to name those to go back to in spec.to.containers"
        )))
    }
}

/// Why the public template's rollback would go wrong.
pub(super) fn template_cannot(
    observation: &Observation,
    children: &[&str],
    members: &[ScalingInstance],
) -> Known<Option<String>> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = children.iter().find(|id| !seen.insert(**id)) {
        return Ok(Some(format!(
            "{twice} was tried more than once, and the public template's rollback would update it as often, at the same time"
        )));
    }
    let is_gone = |id: &str| members.iter().all(|member| member.id != id);
    if let Some(gone) = seen.iter().find(|id| is_gone(id)) {
        return Ok(Some(format!(
            "{gone} has left the group, and the public template's rollback would fail at it"
        )));
    }
    let ids: Vec<String> = seen.iter().map(|id| (*id).to_owned()).collect();
    if ids.is_empty() {
        return Ok(None);
    }
    // One that no answer shows is waited for before anything starts: that it is broken has to be seen, or one incomplete
    // answer would end a rollback.
    let found = observation.container_groups(&ids)?;
    let is_broken = |group: &&ContainerGroup| matches!(power(group), Power::Broken(_));
    Ok(found.iter().find(is_broken).map(|group| {
        let id = &group.id;
        format!("container group {id} can be updated no more, and the public template's rollback would fail at it")
    }))
}

pub(super) fn way_back(
    update: &ContainerGroupUpdate,
    before: &Before<'_>,
    to: &RollbackPayload,
) -> Result<Update, Problem> {
    let own = Some(&update.rollback_containers).filter(|own| !own.is_empty());
    let given = to.containers.as_ref().or(own);
    let back = match (given, &before.plan.source_container_group) {
        (Some(given), _) => Ok((given, update.update_type)),
        (None, Some(way)) => Ok((&way.containers, way.update_type)),
        (None, None) if before.plan.kept_source_container_group.is_some() => Err(
            "the Secret in the operator's namespace that kept what the container groups ran before (status.plan.keptSourceContainerGroup of the task) is missing: give the containers to go back to by spec.to.containers in a new rollback",
        ),
        (None, None) => Err(
            "the task has no spec.update.containerGroup.rollbackContainers, and the container groups ran different containers before, or what spec.to cannot say: give the containers to go back to by spec.to.containers in a new rollback",
        ),
    };
    let (containers, update_type) = back.map_err(missing)?;
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
    Ok(Update {
        container_group: Some(ContainerGroupUpdate {
            containers: in_parameter(root, "containerConfigure")?,
            rollback_containers: in_parameter(root, "sourceContainerConfigure")?,
            update_type: match text(root, "updateType") {
                Some("RenewUpdate") => ContainerUpdateType::Renew,
                _ => ContainerUpdateType::Incremental,
            },
        }),
        ..Update::default()
    })
}

/// Containers in a parameter, as far as a spec can say them.
fn in_parameter(root: &Execution, name: &str) -> Result<Vec<api::Container>, Problem> {
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
        let message = format!(
            "parameter {name} of execution {} has containers that spec.to.containers could not say: start a new RollingUpdateTask with what you want to go back to",
            root.id
        );
        Problem::blocked(Reason::NoRollbackPayload, message)
    })
}
