//! Auto Scaling, API versions 2014-08-28 and 2022-02-22.

mod activities;
mod configurations;
mod eci_configurations;
mod groups;
mod health;
mod hooks;
mod instances;
mod members;
mod processes;
mod refreshes;
mod standby;

pub use activities::{activity_ends, remove_instances, scale_in, scale_out};
pub use health::{check_all_groups, check_group, check_soon};
pub use hooks::times_out as lifecycle_timeout;
pub use refreshes::{begin as begin_instance_refresh, ends as instance_refresh_ends};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::Args;
use crate::cloud::call::{Call, EssVersion};
use crate::cloud::model::{Group, Resources};
use crate::cloud::world::World;
use crate::error::ApiError;

pub const ACTIONS: &[&str] = &[
    "DescribeScalingGroups",
    "ModifyScalingGroup",
    "DescribeScalingInstances",
    "DescribeScalingActivities",
    "DescribeScalingConfigurations",
    "ModifyScalingConfiguration",
    "DescribeEciScalingConfigurations",
    "ModifyEciScalingConfiguration",
    "SuspendProcesses",
    "ResumeProcesses",
    "EnterStandby",
    "ExitStandby",
    "SetInstancesProtection",
    "EnableScalingGroup",
    "DisableScalingGroup",
    "RemoveInstances",
    "ListTagResources",
    "DescribeLifecycleActions",
    "CompleteLifecycleAction",
    "StartInstanceRefresh",
    "SuspendInstanceRefresh",
    "ResumeInstanceRefresh",
    "CancelInstanceRefresh",
    "DescribeInstanceRefreshes",
    "DescribeScalingGroupDiagnoseDetails",
];

pub fn run(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let args = Args::new(&call.params, call.version);
    match call.action.as_str() {
        "DescribeScalingGroups" => groups::describe(world, call, args),
        "ModifyScalingGroup" => groups::modify(world, call, args),
        "DescribeScalingInstances" => instances::describe(world, call, args),
        "DescribeScalingActivities" => activities::describe(world, call, args),
        "DescribeScalingConfigurations" => configurations::describe(world, call, args),
        "ModifyScalingConfiguration" => configurations::modify(world, call, args),
        "DescribeEciScalingConfigurations" => eci_configurations::describe(world, call, args),
        "ModifyEciScalingConfiguration" => eci_configurations::modify(world, call, args),
        "SuspendProcesses" => processes::suspend(world, call, args),
        "ResumeProcesses" => processes::resume(world, call, args),
        "EnterStandby" => standby::enter(world, call, args),
        "ExitStandby" => standby::exit(world, call, args),
        "SetInstancesProtection" => standby::protect(world, call, args),
        "EnableScalingGroup" => groups::enable(world, call, args, true),
        "DisableScalingGroup" => groups::enable(world, call, args, false),
        "RemoveInstances" => standby::remove(world, call, args),
        "ListTagResources" => groups::tags(world, call, args),
        "DescribeLifecycleActions" => hooks::describe(world, call, args),
        "CompleteLifecycleAction" => hooks::complete(world, call, args),
        "StartInstanceRefresh" => refreshes::start(world, call, args),
        "SuspendInstanceRefresh" => refreshes::change(world, call, args, "Paused"),
        "ResumeInstanceRefresh" => refreshes::change(world, call, args, "InProgress"),
        "CancelInstanceRefresh" => refreshes::change(world, call, args, "Cancelled"),
        "DescribeInstanceRefreshes" => refreshes::describe(world, call, args),
        "DescribeScalingGroupDiagnoseDetails" => refreshes::diagnosis(world, call, args),
        other => Err(super::unknown_action(other)),
    }
}

/// A list in an answer: wrapped in 2014, plain in 2022.
fn list(version: EssVersion, singular: &str, items: Vec<Value>) -> Value {
    match version {
        EssVersion::V2014 => json!({ singular: items }),
        EssVersion::V2022 => Value::Array(items),
    }
}

/// A list of texts that the 2022 version gives as null when it is empty.
fn list_or_null(version: EssVersion, singular: &str, items: Vec<Value>) -> Value {
    match version {
        EssVersion::V2022 if items.is_empty() => Value::Null,
        _ => list(version, singular, items),
    }
}

/// Minutes, as the older fields of ESS have them.
fn minutes(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The group that a call names, if it is in the caller's account and in the region.
fn group<'a>(resources: &'a Resources, call: &Call, id: &str) -> Result<&'a Group, ApiError> {
    resources
        .groups
        .get(id)
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .ok_or_else(|| no_group(id))
}

fn no_group(id: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidScalingGroupId.NotFound",
        format!("The specified scaling group {id} does not exist."),
    )
}

fn no_instance(id: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidInstanceId.NotFound",
        format!("Instance \"{id}\" does not exist."),
    )
}
