//! The services besides OOS: what each action answers and does.

pub(crate) mod action;
pub(crate) mod args;
mod balancers;
mod catalogue;
pub(crate) mod cms;
mod disk_sizes;
pub(crate) mod eci;
pub(crate) mod ecs;
mod effects;
pub(crate) mod ess;
pub(crate) mod ids;
pub(crate) mod parameters;
pub(crate) mod planned;
pub(crate) mod policies;
mod regions;
mod repeated;
pub(crate) mod server_groups;
mod shapes;
pub(crate) mod slb;
pub(crate) mod sts;
mod table;
pub(crate) mod template_names;
pub(crate) mod variables;

use serde_json::Value;

use self::action::{Action, Run};
pub use self::catalogue::catalogue;
pub(crate) use self::catalogue::listed;
pub(crate) use self::effects::INSTANCES;
#[cfg(test)]
pub(crate) use self::shapes::is_json;
pub use self::table::actions;
use self::table::find;
pub(crate) use self::table::{honours, spelling};
use crate::client_tokens;
use crate::error::ApiError;
use crate::state::behaviour::UnsupportedParameters;
use crate::state::call::{Call, Service};
use crate::state::queue::Event;
use crate::state::world::World;

/// Actions that need no permission.
pub(crate) fn open_to_all(service: Service, action: &str) -> bool {
    match service {
        // The first is not signed; the role's trust decides. The second is allowed to everybody.
        Service::Sts => ["AssumeRoleWithOIDC", "GetCallerIdentity"].contains(&action),
        // An action that does not exist is not found rather than denied.
        other => honours(other).all(|(known, _)| known != action),
    }
}

/// Actions whose `RegionId` is mandatory (API reference). The others take the region of the
/// endpoint, or the default region of the emulator.
const REGIONAL: &[&str] = &[
    "DescribeScalingGroups",
    "DescribeScalingInstances",
    "DescribeScalingActivities",
    "DescribeInstanceRefreshes",
    "DescribeLifecycleHooks",
    "DescribeScalingGroupDiagnoseDetails",
    "DescribeScalingConfigurations",
    "DescribeEciScalingConfigurations",
    "DescribeContainerGroups",
    "UpdateContainerGroup",
    "DescribeLifecycleHooks",
    "DescribeScalingRules",
    "ListTagKeys",
    "ListTagValues",
    "DescribeInstances",
    "DescribeDisks",
    "DescribeImages",
    "DescribeSnapshots",
    "CreateImage",
    "CopyImage",
    "CancelCopyImage",
    "DeleteImage",
    "DescribeImageFromFamily",
    "DescribeImageSharePermission",
    "ModifyImageAttribute",
    "ModifyImageSharePermission",
    "CreateDisk",
    "RunInstances",
    "CreateInstance",
    "AddTags",
    "RemoveTags",
    "CreateCommand",
    "InvokeCommand",
    "DeleteCommand",
    "DescribeCommands",
    "ModifyCommand",
    "StopInvocation",
    "SendFile",
    "DescribeSendFileResults",
    "RunCommand",
    "DescribeInvocations",
    "DescribeInvocationResults",
    "TagResources",
    "UntagResources",
    "DescribeTags",
    "DescribeInstanceStatus",
    "DescribeCloudAssistantStatus",
    "StopInstances",
    "StartInstances",
    "RebootInstances",
    "DeleteInstances",
    "DescribeLaunchTemplates",
    "DescribeLaunchTemplateVersions",
    "DescribeLoadBalancers",
    "DescribeVServerGroups",
    "DescribeVServerGroupAttribute",
    "SetVServerGroupAttribute",
    "DescribeAlarms",
    "EnableAlarm",
    "DisableAlarm",
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

/// `Err` for a parameter that the action has and the emulator does not, unless the switch says that
/// such ones are ignored, for one that is given in another shape than the action has it in, and for an
/// entry that is twice in a list.
/// Gives the names that make no difference.
pub(crate) fn check_parameters(world: &World, call: &Call) -> Result<Vec<String>, ApiError> {
    let parameters::Idle {
        unsupported,
        unknown,
    } = parameters::idle(call);
    check_plurals(call)?;
    if unsupported.is_empty() {
        shapes::check(call)?;
        repeated::check(call)?;
        return Ok(unknown);
    }
    let names = unsupported.join(", ");
    if world.switches.unsupported_parameters == UnsupportedParameters::Refuse {
        return Err(ApiError::new(
            400,
            "UnsupportedParameter",
            format!(
                "The emulator does not support {names} of {}. Leave it out, or let the emulator \
                 ignore such parameters with --unsupported-parameters ignore.",
                call.action
            ),
        ));
    }
    tracing::warn!(
        service = call.service.name(),
        action = call.action,
        parameters = names,
        "parameters are ignored that the emulator does not support"
    );
    shapes::check(call)?;
    repeated::check(call)?;
    Ok(unsupported.into_iter().chain(unknown).collect())
}

/// Parameters that an action has in the singular and in the plural, and of which both count: one task
/// beside further ones.
const BOTH_COUNT: &[(&str, &str)] = &[("NotifyExecution", "TaskExecutionId")];

/// `Err` for a parameter that is given in the singular and in the plural (`LifecycleState`,
/// `LifecycleStates.N`): what both of them together mean is not documented, and a narrow filter would
/// be widened by the other one.
fn check_plurals(call: &Call) -> Result<(), ApiError> {
    let is_given = |name: &str| {
        call.params.get(name).is_some_and(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Number(_) | Value::Bool(_) | Value::Object(_) => true,
        })
    };
    let is_known = |name: &str| parameters::is_of(call, name);
    for name in call.params.keys() {
        let several = args::plural(name);
        let both_count = BOTH_COUNT.contains(&(call.action.as_str(), name.as_str()));
        if !both_count
            && is_given(name)
            && is_given(&several)
            && is_known(name)
            && is_known(&several)
        {
            return Err(ApiError::new(
                400,
                "InvalidParameter",
                format!(
                    "The parameters {name} and {several} exclude each other: give all values in \
                     {several}."
                ),
            ));
        }
    }
    Ok(())
}

/// Lists of tags and of filters by tag: a value without a key would select whatever there is.
const TAG_LISTS: [&str; 3] = ["Tag", "Tags", "ResourceTag"];

fn check_tags(call: &Call) -> Result<(), ApiError> {
    for name in TAG_LISTS {
        let items = call.params.get(name).and_then(Value::as_array);
        for (number, item) in items.into_iter().flatten().enumerate() {
            let given = |name| args::member(item, name).and_then(args::scalar);
            if given("Value").is_some() && given("Key").is_none() {
                return Err(args::missing(&format!("{name}.{}.Key", number + 1)));
            }
        }
    }
    Ok(())
}

/// Carries out a call to any service but OOS.
pub(crate) fn run(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let Some(action) = find(call.service, &call.action) else {
        return Err(unknown_action(call.service, &call.action));
    };
    check_tags(call)?;
    let args = args::Args::new(&call.params, call.version);
    // Templates run in a region, which need not be among the parameters.
    if REGIONAL.contains(&action.name) && !call.by_oos {
        args.required("RegionId")?;
    }
    let has_dry_run = || parameters::has(call.service, action.name, "DryRun");
    if has_dry_run() && args.flag("DryRun")?.unwrap_or(false) {
        return dry_run(world, call, action);
    }
    let token = action
        .honours
        .contains(&"ClientToken")
        .then(|| args.text("ClientToken"))
        .flatten()
        .map(|token| {
            let account = &call.caller.account_id;
            let key = format!("{account}/{}/{}", call.region, call.action);
            ((key, token), client_tokens::fingerprint(call.params.iter()))
        });
    let known = token.as_ref();
    if let Some((is_same, answer)) =
        known.and_then(|(key, asked)| world.client_tokens.answer(key, asked))
    {
        return if is_same {
            Ok(answer.clone())
        } else {
            Err(ApiError::new(
                400,
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request.",
            ))
        };
    }
    let answer = match action.run {
        Run::Read(read) => read(world, call, args),
        Run::Write(write) => write(world, call, args),
    }?;
    if let Some((key, asked)) = token {
        world.client_tokens.keep(key, asked, answer.clone());
    }
    Ok(answer)
}

/// A call with `DryRun`: all is checked and nothing is done. The answer to a request that would go
/// through is an error, too.
fn dry_run(world: &mut World, call: &Call, action: &Action) -> Result<Value, ApiError> {
    let args = args::Args::new(&call.params, call.version);
    match action.run {
        Run::Read(read) => read(world, call, args),
        Run::Write(write) => world.rehearse(|world| write(world, call, args)),
    }?;
    Err(ApiError::new(
        400,
        "DryRunOperation",
        "Request validation has been passed with DryRun flag set.",
    ))
}

/// The error of every service for an action that it does not have. The message says whether the
/// cloud has it.
pub(crate) fn unknown_action(service: Service, action: &str) -> ApiError {
    let published = parameters::apis(service)
        .iter()
        .any(|api| api.parameters(action).is_some());
    let why = match published {
        true => format!(" {} has it, the emulator does not.", service.name()),
        false => String::new(),
    };
    ApiError::new(
        404,
        "InvalidAction.NotFound",
        format!("Specified api is not found, please check your url and method: {action}.{why}"),
    )
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
        Event::DiskSettles { disk_id } => ecs::disk_settles(world, &disk_id),
        Event::SnapshotSettles {
            snapshot_id,
            status,
        } => ecs::snapshot_settles(world, &snapshot_id, &status),
        Event::SnapshotExpires { snapshot_id } => ecs::snapshot_expires(world, &snapshot_id),
        // It may have been started or released meanwhile.
        Event::InstanceStarts { instance_id } => {
            ecs::start_instance(world, &instance_id).ok();
        }
        Event::FileArrives {
            invoke_id,
            instance_id,
        } => ecs::file_arrives(world, &invoke_id, &instance_id),
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
        Event::WakeEngine { .. }
        | Event::LateCall { .. }
        | Event::Scripted { .. }
        | Event::AlarmChanges { .. } => {}
    }
}
