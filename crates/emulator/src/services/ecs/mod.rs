//! Elastic Compute Service, API version 2014-05-26: what rolling updates touch.

mod answers;
mod commands;
mod images;
mod instances;
mod launch_templates;
mod packages;
mod tags;
mod window;

pub use commands::command_ends;
pub use images::image_settles;
pub use instances::{disk_ready, settle, stop, vanish};

use serde_json::Value;

use super::args::{Args, unknown_action};
use crate::error::ApiError;
use crate::state::call::Call;
use crate::state::world::World;

pub const ACTIONS: &[&str] = &[
    "DescribeInstances",
    "StopInstance",
    "StartInstance",
    "ReplaceSystemDisk",
    "DescribeDisks",
    "ModifyInstanceAttribute",
    "DescribeImages",
    "CreateImage",
    "DescribeSnapshots",
    "RunCommand",
    "DescribeInvocations",
    "DescribeInvocationResults",
    "TagResources",
    "DescribeLaunchTemplates",
    "DescribeLaunchTemplateVersions",
];

pub fn run(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let args = Args::new(&call.params, call.version);
    match call.action.as_str() {
        "DescribeInstances" => instances::describe(world, call, args),
        "StopInstance" => instances::stop_call(world, call, args),
        "StartInstance" => instances::start_call(world, call, args),
        "ReplaceSystemDisk" => instances::replace_system_disk(world, call, args),
        "DescribeDisks" => instances::describe_disks(world, call, args),
        "ModifyInstanceAttribute" => instances::modify_attribute(world, call, args),
        "DescribeImages" => images::describe(world, call, args),
        "CreateImage" => images::create(world, call, args),
        "DescribeSnapshots" => images::snapshots(world, call, args),
        "RunCommand" => commands::run(world, call, args),
        "DescribeInvocations" => commands::invocations(world, call, args),
        "DescribeInvocationResults" => commands::results(world, call, args),
        "TagResources" => tags::tag(world, call, args),
        "DescribeLaunchTemplates" => launch_templates::describe(world, call, args),
        "DescribeLaunchTemplateVersions" => launch_templates::versions(world, call, args),
        other => Err(unknown_action(other)),
    }
}
