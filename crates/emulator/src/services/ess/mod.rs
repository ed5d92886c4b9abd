//! Auto Scaling, API versions 2014-08-28 and 2022-02-22.

mod activities;
mod answers;
mod configurations;
mod eci_configurations;
mod groups;
mod health;
mod hooks;
mod instances;
mod lifecycle_actions;
mod members;
mod processes;
mod refreshes;
mod replacement;
mod standby;

pub use activities::{activity_ends, scale_in, scale_out};
pub use health::{check_all_groups, check_soon};
pub use lifecycle_actions::times_out as lifecycle_timeout;
pub use refreshes::{begin as begin_instance_refresh, ends as instance_refresh_ends};
pub use replacement::check_group;

use serde_json::Value;

use super::args::{Args, unknown_action};
use crate::error::ApiError;
use crate::state::call::Call;
use crate::state::world::World;

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
        "DescribeLifecycleActions" => lifecycle_actions::describe(world, call, args),
        "CompleteLifecycleAction" => lifecycle_actions::complete(world, call, args),
        "StartInstanceRefresh" => refreshes::start(world, call, args),
        "SuspendInstanceRefresh" => refreshes::change(world, call, args, "Paused"),
        "ResumeInstanceRefresh" => refreshes::change(world, call, args, "InProgress"),
        "CancelInstanceRefresh" => refreshes::change(world, call, args, "Cancelled"),
        "DescribeInstanceRefreshes" => refreshes::describe(world, call, args),
        "DescribeScalingGroupDiagnoseDetails" => refreshes::diagnosis(world, call, args),
        other => Err(unknown_action(other)),
    }
}
