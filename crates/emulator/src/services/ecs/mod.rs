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
use serde_json::{Map, Value};

use super::args::{Args, Page};
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

/// The part of a listing that is asked for: by `MaxResults` and `NextToken`, or by `PageNumber` and
/// `PageSize`, as older clients do. Where both are given the token decides.
struct Window {
    page: Page,
    start: usize,
    by_number: bool,
}

impl Window {
    /// With the API's own default and maximum, which are the same for both ways.
    fn of(args: Args<'_>, default: usize, most: usize) -> Result<Self, ApiError> {
        let given = |names: [&str; 2]| names.iter().any(|name| args.text(name).is_some());
        let by_number = given(["PageNumber", "PageSize"]) && !given(["MaxResults", "NextToken"]);
        if by_number {
            let page = args.page(default, most)?;
            return Ok(Self {
                start: page.size.saturating_mul(page.number.saturating_sub(1)),
                page,
                by_number,
            });
        }
        let size = args.number("MaxResults", 1, i64::try_from(most).unwrap_or(i64::MAX))?;
        // The token is the number of rows seen so far.
        let start = args
            .text("NextToken")
            .map(|token| token.parse())
            .transpose();
        let start = start
            .map_err(|_| super::args::invalid("NextToken", "it was not given out by this API"))?;
        Ok(Self {
            page: Page {
                number: 1,
                size: size
                    .and_then(|size| usize::try_from(size).ok())
                    .unwrap_or(default),
            },
            start: start.unwrap_or(0),
            by_number,
        })
    }

    /// The rows of the window, and what says where it is: the fields beside the list.
    fn cut<T>(&self, found: Vec<T>) -> (Vec<T>, Map<String, Value>) {
        let total = found.len();
        let rows: Vec<T> = found
            .into_iter()
            .skip(self.start)
            .take(self.page.size)
            .collect();
        let mut place = Map::new();
        place.insert("TotalCount".into(), total.into());
        place.insert("PageNumber".into(), self.page.number.into());
        place.insert("PageSize".into(), self.page.size.into());
        if !self.by_number {
            let end = self.start.saturating_add(rows.len());
            let next = if end < total {
                end.to_string()
            } else {
                String::new()
            };
            place.insert("NextToken".into(), next.into());
        }
        (rows, place)
    }
}
