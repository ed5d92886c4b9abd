//! ModifyInstanceAttribute.

use serde_json::{Value, json};

use super::answers::instance;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::world::World;

pub const MODIFY: Action = Action {
    name: "ModifyInstanceAttribute",
    honours: &[
        "DeletionProtection",
        "Description",
        "HostName",
        "InstanceId",
        "InstanceName",
        "SecurityGroupIds.N",
        "UserData",
    ],
    run: Run::Write(modify),
};

/// ModifyInstanceAttribute. What is left out stays as it is. An instance that is protected from
/// deletion cannot be deleted by DeleteInstance.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    let mut changed = instance(&world.resources, call, &id)?.clone();
    let own = &mut changed.attributes;
    let length = |name: &str, least: usize, most: usize| -> Result<Option<String>, ApiError> {
        let text = args.text(name);
        match text.as_ref().map(|text| text.chars().count()) {
            Some(count) if !(least..=most).contains(&count) => Err(invalid(
                name,
                &format!("it must have {least} to {most} characters"),
            )),
            _ => Ok(text),
        }
    };
    if let Some(name) = length("InstanceName", 2, 128)? {
        own.instance_name = Some(name);
    }
    if let Some(name) = length("HostName", 2, 64)? {
        own.host_name = Some(name);
    }
    if let Some(text) = length("Description", 2, 256)? {
        own.description = text;
    }
    if let Some(protected) = args.flag("DeletionProtection")? {
        own.deletion_protection = protected;
    }
    if let Some(groups) = args.list_up_to("SecurityGroupIds", 16)? {
        own.security_group_ids = groups;
    }
    if let Some(data) = args.text("UserData") {
        changed.user_data = Some(data);
    }
    world.resources.instances.insert(id, changed);
    Ok(json!({}))
}
