//! Elastic Compute Service, API version 2014-05-26: what rolling updates touch.

mod commands;
mod images;
mod instances;
mod launch_templates;
mod packages;
mod tags;

pub use commands::command_ends;
pub use images::image_settles;
pub use instances::{disk_ready, settle, stop, vanish};

use jiff::Timestamp;
use serde_json::Value;

use super::args::Args;
use crate::cloud::call::Call;
use crate::cloud::model::{Instance, Resources};
use crate::cloud::world::World;
use crate::error::ApiError;

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
        other => Err(super::unknown_action(other)),
    }
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn no_instance() -> ApiError {
    ApiError::new(
        404,
        "InvalidInstanceId.NotFound",
        "The specified InstanceId does not exist.",
    )
}

/// The instance that a call names, if it is in the caller's account and in the region.
fn instance<'a>(resources: &'a Resources, call: &Call, id: &str) -> Result<&'a Instance, ApiError> {
    resources
        .instances
        .get(id)
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .ok_or_else(no_instance)
}

/// The window of a listing that is paged by `MaxResults` and `NextToken`; the token is the number
/// of rows seen so far.
fn token_page(args: Args<'_>, default: i64, most: i64) -> Result<(usize, usize), ApiError> {
    let size = args.number("MaxResults", 1, most)?.unwrap_or(default);
    let start = match args.text("NextToken") {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| super::args::invalid("NextToken", "it was not given out by this API"))?,
    };
    Ok((start, usize::try_from(size).unwrap_or(usize::MAX)))
}
