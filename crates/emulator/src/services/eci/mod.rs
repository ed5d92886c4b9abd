//! Elastic Container Instance, API version 2018-08-08: what rolling updates touch.

mod groups;
mod update;

pub use groups::vanish;
pub use update::settle;

use serde_json::Value;

use super::args::{Args, unknown_action};
use crate::error::ApiError;
use crate::state::call::Call;
use crate::state::world::World;

pub const ACTIONS: &[&str] = &["DescribeContainerGroups", "UpdateContainerGroup"];

pub fn run(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let args = Args::new(&call.params, call.version);
    match call.action.as_str() {
        "DescribeContainerGroups" => groups::describe(world, call, args),
        "UpdateContainerGroup" => update::update(world, call, args),
        other => Err(unknown_action(other)),
    }
}
