//! Scaling configurations of groups of type ECI.

use serde_json::{Value, json};

use super::answers::minutes;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::{Call, EssVersion};
use crate::state::container_groups::{EciConfiguration, RESTART_POLICIES};
use crate::state::containers::{Container, UpdateType};
use crate::state::model::InstanceSource;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeEciScalingConfigurations",
    honours: &[
        "PageNumber",
        "PageSize",
        "ScalingConfigurationId.N",
        "ScalingConfigurationName.N",
        "ScalingGroupId",
    ],
    run: Run::Read(describe),
};

/// DescribeEciScalingConfigurations. Its lists are plain in both versions of the API, and the
/// containers have their lists in the plural (`EnvironmentVars`), unlike in requests.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.text("ScalingGroupId");
    let ids = args.ess_list("ScalingConfigurationId", 10)?;
    let names = args.ess_list("ScalingConfigurationName", 10)?;
    let page = args.page(10, 50)?;
    let seen = world.seen();
    let found: Vec<&EciConfiguration> = seen
        .eci_configurations
        .values()
        .filter(|c| c.account_id == call.caller.account_id && c.region == call.region)
        .filter(|c| group_id.as_ref().is_none_or(|id| *id == c.scaling_group_id))
        .filter(|c| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&c.scaling_configuration_id))
        })
        .filter(|c| names.as_ref().is_none_or(|names| names.contains(&c.name)))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|c| {
            let active = seen.groups.get(&c.scaling_group_id).is_some_and(|g| {
                matches!(&g.source, InstanceSource::Configuration(id) if *id == c.scaling_configuration_id)
            });
            json!({
                "ScalingConfigurationId": c.scaling_configuration_id,
                "ScalingConfigurationName": c.name,
                "ScalingGroupId": c.scaling_group_id,
                "RegionId": c.region,
                "LifecycleState": if active { "Active" } else { "Inactive" },
                "ContainerGroupName": c.container_group_name,
                "RestartPolicy": c.restart_policy,
                "Cpu": c.cpu,
                "Memory": c.memory,
                "Containers": c
                    .containers
                    .iter()
                    .map(|container| Value::Object(container.shown_flat()))
                    .collect::<Vec<_>>(),
                "InitContainers": [],
                "Volumes": [],
                "CreationTime": minutes(c.created),
                "Tags": [],
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "ScalingConfigurations": rows,
    }))
}

pub const MODIFY: Action = Action {
    name: "ModifyEciScalingConfiguration",
    honours: &[
        "Container.N.Arg.N",
        "Container.N.Command.N",
        "Container.N.Cpu",
        "Container.N.EnvironmentVar.N",
        "Container.N.Gpu",
        "Container.N.Image",
        "Container.N.ImagePullPolicy",
        "Container.N.LivenessProbe",
        "Container.N.Memory",
        "Container.N.Name",
        "Container.N.Port.N",
        "Container.N.ReadinessProbe",
        "Container.N.SecurityContext",
        "Container.N.Stdin",
        "Container.N.StdinOnce",
        "Container.N.Tty",
        "Container.N.VolumeMount.N",
        "Container.N.WorkingDir",
        "ContainerGroupName",
        "ContainersUpdateType",
        "Cpu",
        "Memory",
        "RestartPolicy",
        "ScalingConfigurationId",
        "ScalingConfigurationName",
    ],
    run: Run::Write(modify),
};

/// ModifyEciScalingConfiguration: `Container.N.EnvironmentVar.N` in 2014,
/// `Containers.N.EnvironmentVars.N` in 2022. Container groups that exist are not touched.
pub fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingConfigurationId")?;
    let found = world
        .resources
        .eci_configurations
        .get(&id)
        .filter(|c| c.account_id == call.caller.account_id && c.region == call.region)
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidScalingConfigurationId.NotFound",
                format!("The specified scaling configuration {id} does not exist."),
            )
        })?;
    let update_type = match args.text("ContainersUpdateType") {
        None => UpdateType::Renew,
        Some(text) => UpdateType::parse(&text).ok_or_else(|| {
            invalid(
                "ContainersUpdateType",
                "it must be RenewUpdate or IncrementalUpdate",
            )
        })?,
    };
    let (name, given): (_, Result<Vec<Container>, String>) = match call.version {
        EssVersion::V2014 => {
            let given = args.structures("Container");
            ("Container", given.iter().map(Container::given).collect())
        }
        EssVersion::V2022 => {
            let given = args.structures("Containers");
            let given = given.iter().map(Container::given_in_plural).collect();
            ("Containers", given)
        }
    };
    let given = given.map_err(|problem| invalid(name, &problem))?;
    let containers = if given.is_empty() {
        None
    } else {
        let new = update_type
            .apply(&found.containers, given)
            .map_err(|problem| invalid(name, &problem))?;
        Some(new)
    };
    let restart_policy = args.word("RestartPolicy", RESTART_POLICIES)?;
    let cpu = args.decimal("Cpu")?;
    let memory = args.decimal("Memory")?;
    if let Some(configuration) = world.resources.eci_configurations.get_mut(&id) {
        configuration.cpu = cpu.unwrap_or(configuration.cpu);
        configuration.memory = memory.unwrap_or(configuration.memory);
        if let Some(containers) = containers {
            configuration.containers = containers;
        }
        if let Some(name) = args.text("ScalingConfigurationName") {
            configuration.name = name;
        }
        if let Some(name) = args.text("ContainerGroupName") {
            configuration.container_group_name = name;
        }
        if let Some(policy) = restart_policy {
            configuration.restart_policy = policy;
        }
    }
    Ok(json!({}))
}
