//! UpdateContainerGroup: containers are exchanged in place; id and address stay.

use serde_json::{Value, json};

use super::groups::{group, notice};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::container_groups::{
    ContainerGroup, ContainerGroupStatus, ContainerState, RESTART_POLICIES, RunningContainer,
};
use crate::state::containers::{Container, UpdateType};
use crate::state::outcomes::ContainerUpdateOutcome;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::world::World;

pub const UPDATE: Action = Action {
    name: "UpdateContainerGroup",
    honours: &[
        "AcrRegistryInfo.N",
        "ClientToken",
        "Cpu",
        "ImageRegistryCredential.N",
        "Memory",
        "Tag.N.Key",
        "Tag.N.Value",
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
        "ContainerGroupId",
        "RestartPolicy",
        "UpdateType",
    ],
    run: Run::Write(update),
};

/// Only a group that is Pending or Running can be updated. It is Updating until the virtual clock
/// has moved on, and then what the fixture says.
pub fn update(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ContainerGroupId")?;
    let update_type = match args.text("UpdateType") {
        // The templates always send one.
        None => UpdateType::Renew,
        Some(text) => UpdateType::parse(&text)
            .ok_or_else(|| invalid("UpdateType", "it must be RenewUpdate or IncrementalUpdate"))?,
    };
    let given = args.structures("Container");
    let given: Result<Vec<Container>, String> = given.iter().map(Container::given).collect();
    let given = given.map_err(|problem| invalid("Container", &problem))?;
    if given.is_empty() && update_type == UpdateType::Renew {
        return Err(missing("Container"));
    }
    let restart_policy = args.word("RestartPolicy", RESTART_POLICIES)?;
    let cpu = args.decimal("Cpu")?;
    let memory = args.decimal("Memory")?;
    let tags = args.pairs("Tag", "Key", "Value");
    registries(args)?;
    let found = group(&world.resources, call, &id)?;
    let updatable = matches!(
        found.status,
        ContainerGroupStatus::Pending | ContainerGroupStatus::Running
    );
    if !updatable {
        return Err(ApiError::new(
            400,
            "IncorrectStatus",
            format!(
                "The current status {} of container group {id} does not support this operation.",
                found.status.name()
            ),
        ));
    }
    let containers = update_type
        .apply(&found.specs(), given)
        .map_err(|problem| invalid("Container", &problem))?;
    let now = world.now;
    let Some(group) = world.resources.container_groups.get_mut(&id) else {
        return Ok(json!({}));
    };
    group.updates += 1;
    group.status = ContainerGroupStatus::Updating;
    group.cpu = cpu.unwrap_or(group.cpu);
    group.memory = memory.unwrap_or(group.memory);
    if !tags.is_empty() {
        let tags = tags.into_iter();
        group.tags = tags.map(|(k, v)| (k, v.unwrap_or_default())).collect();
    }
    group.restart_policy = restart_policy.unwrap_or_else(|| group.restart_policy.clone());
    let old = std::mem::take(&mut group.containers);
    group.containers = containers
        .into_iter()
        .map(|spec| {
            let before = old.iter().find(|c| c.spec.name() == spec.name());
            match before {
                Some(same) if same.spec == spec && same.ready => same.clone(),
                before => RunningContainer {
                    spec,
                    ready: false,
                    restart_count: before.map_or(0, |c| c.restart_count + 1),
                    current: ContainerState::waiting("ContainerCreating", "", now),
                    previous: before.map(|c| c.current.clone()),
                },
            }
        })
        .collect();
    let update = group.updates;
    let rule = rule(world, &id);
    if rule.is_none_or(|r| r.status != ContainerGroupStatus::Updating) {
        let duration = rule
            .and_then(|r| r.duration_seconds)
            .unwrap_or(world.durations.update_container_group);
        world.after(
            duration,
            Event::ContainerGroupSettles {
                container_group_id: id,
                update,
            },
        );
    }
    Ok(json!({}))
}

/// Where images come from: every image is there for everybody here, so only the form is looked at.
fn registries(args: Args<'_>) -> Result<(), ApiError> {
    for credential in args.structures("ImageRegistryCredential") {
        for name in ["Server", "UserName", "Password"] {
            if credential[name].as_str().is_none_or(str::is_empty) {
                return Err(missing(&format!("ImageRegistryCredential.N.{name}")));
            }
        }
    }
    for registry in args.structures("AcrRegistryInfo") {
        if registry["InstanceId"].as_str().is_none_or(str::is_empty) {
            return Err(missing("AcrRegistryInfo.N.InstanceId"));
        }
    }
    Ok(())
}

/// The rule of the fixture for the update that the group is in.
fn rule<'a>(world: &'a World, id: &str) -> Option<&'a ContainerUpdateOutcome> {
    let group = world.resources.container_groups.get(id)?;
    world.container_update_outcomes.iter().find(|rule| {
        rule.container_group
            .as_ref()
            .is_none_or(|pattern| wildcard(pattern, id))
            && rule.attempt.is_none_or(|n| n == group.updates)
            && rule.image_contains.as_ref().is_none_or(|part| {
                group
                    .containers
                    .iter()
                    .any(|c| c.spec.image().contains(part.as_str()))
            })
    })
}

/// An update ends. One that was overtaken, because the group is gone, ends without effect.
pub fn settle(world: &mut World, id: &str, update: u32) {
    let rule = rule(world, id).cloned();
    let now = world.now;
    let Some(group) = world.resources.container_groups.get_mut(id) else {
        return;
    };
    if group.updates != update || group.status != ContainerGroupStatus::Updating {
        return;
    }
    match rule {
        Some(rule) if rule.status != ContainerGroupStatus::Running || rule.ready == Some(false) => {
            end_badly(group, &rule, now);
        }
        _ => group.come_up(now),
    }
    notice(world, id);
}

/// The containers that the update touched do not come up, or run without getting ready.
fn end_badly(group: &mut ContainerGroup, rule: &ContainerUpdateOutcome, now: jiff::Timestamp) {
    group.status = rule.status;
    let reason = rule.reason.clone().unwrap_or_else(|| "Error".to_owned());
    let message = rule.message.clone().unwrap_or_default();
    for container in group.containers.iter_mut().filter(|c| !c.ready) {
        container.current = match (rule.status, rule.exit_code) {
            (ContainerGroupStatus::Running, None) if rule.reason.is_none() => {
                ContainerState::running(now)
            }
            (_, Some(code)) => ContainerState {
                state: "Terminated",
                reason: reason.clone(),
                message: message.clone(),
                exit_code: Some(code),
                since: now,
            },
            _ => ContainerState::waiting(&reason, &message, now),
        };
        container.ready = rule.ready.unwrap_or(false);
    }
    group.events.push((now, reason, message));
}
