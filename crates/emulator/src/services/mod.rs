//! The services besides OOS: what each action answers and does.

pub(crate) mod args;
pub(crate) mod eci;
pub(crate) mod ecs;
pub(crate) mod ess;
pub(crate) mod parameters;
pub(crate) mod sts;

use serde_json::Value;

use crate::error::ApiError;
use crate::state::call::{Call, Service};
use crate::state::queue::Event;
use crate::state::world::World;

/// The actions that a service answers, as the API reference spells them.
pub fn actions(service: Service) -> &'static [&'static str] {
    match service {
        Service::Ess => ess::ACTIONS,
        Service::Ecs => ecs::ACTIONS,
        Service::Sts => sts::ACTIONS,
        Service::Eci => eci::ACTIONS,
        // The engine knows its own.
        Service::Oos => &[],
    }
}

/// `action` in its documented spelling. Callers are matched whatever their case, because templates
/// spell `ExitStandBy`.
pub(crate) fn spelling(service: Service, action: &str) -> String {
    actions(service)
        .iter()
        .find(|known| known.eq_ignore_ascii_case(action))
        .map_or_else(|| action.to_owned(), |known| (*known).to_owned())
}

/// Actions that need no permission.
pub(crate) fn open_to_all(service: Service, action: &str) -> bool {
    match service {
        // The first is not signed; the role's trust decides. The second is allowed to everybody.
        Service::Sts => ["AssumeRoleWithOIDC", "GetCallerIdentity"].contains(&action),
        // An action that does not exist is not found rather than denied. The engine knows the
        // actions of OOS.
        Service::Oos => false,
        other => !actions(other).contains(&action),
    }
}

/// Actions that take a client token (API reference); the same token gives the same answer.
const IDEMPOTENT: &[&str] = &[
    "SuspendProcesses",
    "ResumeProcesses",
    "EnterStandby",
    "ExitStandby",
    "RunCommand",
    "CreateImage",
    "ReplaceSystemDisk",
    "UpdateContainerGroup",
];

/// Actions whose `RegionId` is mandatory (API reference). The others take the region of the
/// endpoint, or the default region of the emulator.
const REGIONAL: &[&str] = &[
    "DescribeScalingGroups",
    "DescribeScalingInstances",
    "DescribeScalingActivities",
    "DescribeInstanceRefreshes",
    "DescribeScalingGroupDiagnoseDetails",
    "DescribeScalingConfigurations",
    "DescribeEciScalingConfigurations",
    "DescribeContainerGroups",
    "UpdateContainerGroup",
    "DescribeInstances",
    "DescribeDisks",
    "DescribeImages",
    "DescribeSnapshots",
    "CreateImage",
    "RunCommand",
    "DescribeInvocations",
    "DescribeInvocationResults",
    "TagResources",
    "DescribeLaunchTemplates",
    "DescribeLaunchTemplateVersions",
];

/// `Err` for a region that the scene does not have.
pub(crate) fn check_region(world: &World, call: &Call) -> Result<(), ApiError> {
    if call.service == Service::Sts || world.regions.contains(&call.region) {
        return Ok(());
    }
    Err(ApiError::new(
        404,
        "InvalidRegionId.NotFound",
        "The specified region does not exist.",
    ))
}

/// Carries out a call to ESS, ECS, ECI or STS.
pub(crate) fn run(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    if !actions(call.service).contains(&call.action.as_str()) {
        return Err(args::unknown_action(&call.action));
    }
    // Templates run in a region, which need not be among the parameters.
    if REGIONAL.contains(&call.action.as_str()) && !call.by_oos {
        args::Args::new(&call.params, call.version).required("RegionId")?;
    }
    let token = call
        .params
        .get("ClientToken")
        .and_then(Value::as_str)
        .filter(|token| !token.is_empty() && IDEMPOTENT.contains(&call.action.as_str()))
        .map(|token| {
            let account = &call.caller.account_id;
            (
                format!("{account}/{}/{}", call.region, call.action),
                token.to_owned(),
            )
        });
    if let Some(known) = token.as_ref().and_then(|key| world.client_tokens.get(key)) {
        return if known.0 == call.params {
            Ok(known.1.clone())
        } else {
            Err(ApiError::new(
                400,
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request.",
            ))
        };
    }
    let answer = match call.service {
        Service::Ess => ess::run(world, call),
        Service::Ecs => ecs::run(world, call),
        Service::Sts => sts::run(world, call),
        Service::Eci => eci::run(world, call),
        Service::Oos => Err(args::unknown_action(&call.action)),
    }?;
    if let Some(key) = token {
        world
            .client_tokens
            .insert(key, (call.params.clone(), answer.clone()));
    }
    Ok(answer)
}

/// An ECS instance or container group is released behind the back of ESS.
pub(crate) fn vanish(world: &mut World, id: &str) -> Result<(), ApiError> {
    if world.resources.container_groups.contains_key(id) {
        return eci::vanish(world, id);
    }
    ecs::vanish(world, id)
}

/// Lets something happen whose time has come.
pub(crate) fn happen(world: &mut World, event: Event) {
    match event {
        Event::InstanceSettles { instance_id } => ecs::settle(world, &instance_id),
        Event::DiskReady {
            instance_id,
            disk_id,
        } => ecs::disk_ready(world, &instance_id, &disk_id),
        Event::CommandEnds {
            invoke_id,
            instance_id,
        } => {
            ecs::command_ends(world, &invoke_id, &instance_id);
        }
        Event::ImageSettles { image_id, status } => ecs::image_settles(world, &image_id, &status),
        Event::ContainerGroupSettles {
            container_group_id,
            update,
        } => eci::settle(world, &container_group_id, update),
        Event::ActivityEnds { activity_id } => ess::activity_ends(world, &activity_id),
        Event::LifecycleTimeout { token } => ess::lifecycle_timeout(world, &token),
        Event::InstanceRefreshEnds { id } => ess::instance_refresh_ends(world, &id),
        Event::GroupCheck { group_id } => ess::check_group(world, &group_id),
        // `cloud` keeps these to itself.
        Event::WakeEngine { .. } | Event::LateCall { .. } | Event::Scripted { .. } => {}
    }
}
