//! Elastic Container Instance, API version 2018-08-08: what rolling updates touch.

mod groups;
mod update;

pub use update::settle;

use serde_json::Value;

use super::args::Args;
use crate::cloud::call::Call;
use crate::cloud::container_groups::ContainerGroup;
use crate::cloud::model::Resources;
use crate::cloud::world::World;
use crate::error::ApiError;

pub const ACTIONS: &[&str] = &["DescribeContainerGroups", "UpdateContainerGroup"];

pub fn run(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let args = Args::new(&call.params, call.version);
    match call.action.as_str() {
        "DescribeContainerGroups" => groups::describe(world, call, args),
        "UpdateContainerGroup" => update::update(world, call, args),
        other => Err(super::unknown_action(other)),
    }
}

fn no_group(id: &str) -> ApiError {
    ApiError::new(
        404,
        "InvalidContainerGroupId.NotFound",
        format!("The specified container group {id} does not exist."),
    )
}

/// The container group that a call names, if it is in the caller's account and in the region.
fn group<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a ContainerGroup, ApiError> {
    resources
        .container_groups
        .get(id)
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .ok_or_else(|| no_group(id))
}

/// The container group is released behind the back of ESS.
pub fn vanish(world: &mut World, id: &str) -> Result<(), ApiError> {
    world
        .resources
        .container_groups
        .remove(id)
        .ok_or_else(|| no_group(id))?;
    notice(world, id);
    Ok(())
}

/// Lets ESS look at the scaling group of a container group whose health may have changed.
fn notice(world: &mut World, id: &str) {
    let group = world.resources.members.get(id);
    if let Some(group) = group.map(|m| m.scaling_group_id.clone()) {
        super::ess::check_soon(world, &group);
    }
}
