//! Commands of Cloud Assistant that are kept, to be invoked by their ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::{put, seconds, tag_rows, wanted};
use super::scripts::{Script, checked, content, kind, launch, placeholders};
use super::tags::new_tags;
use super::window::Window;
use super::words::COMMAND_TYPES;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid};
use crate::state::call::Call;
use crate::state::commands::SavedCommand;
use crate::state::ram::wildcard;
use crate::state::world::World;

/// Commands that an account may have in a region. None is over by itself, so one more is refused; by how many the
/// services go depends on the account.
const COMMANDS: usize = 5_000;

/// `Err` when no further command can be kept.
pub(super) fn check_room(world: &World, call: &Call) -> Result<(), ApiError> {
    let own = world.resources.commands.values();
    let own = own.filter(|c| c.account_id == call.caller.account_id && c.region == call.region);
    match own.count() < COMMANDS {
        true => Ok(()),
        false => Err(ApiError::new(
            400,
            "CmdCount.ExceedQuota",
            "The total number of commands in the current region exceeds the quota.",
        )),
    }
}

/// Keeps what RunCommand was given.
pub(super) fn keep(world: &mut World, call: &Call, args: Args<'_>, script: Script) {
    let saved = SavedCommand {
        command_id: script.command_id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        name: script.name,
        description: script.description,
        command_type: script.kind,
        content: script.content,
        working_dir: script.working_dir,
        timeout_seconds: script.timeout,
        enable_parameter: script.enable_parameter,
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags: new_tags(args).unwrap_or_default(),
        created: world.now,
        invoke_times: 1,
    };
    world.resources.commands.insert(script.command_id, saved);
}

/// The command of the caller that a call names.
fn saved<'a>(world: &'a World, call: &Call, id: &str) -> Result<&'a SavedCommand, ApiError> {
    world
        .resources
        .commands
        .get(id)
        .filter(|c| c.account_id == call.caller.account_id && c.region == call.region)
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidCmdId.NotFound",
                "The specified command ID does not exist.",
            )
        })
}

/// A name of at most 128 characters.
fn name(args: Args<'_>) -> Result<Option<String>, ApiError> {
    match args.text("Name") {
        Some(name) if name.chars().count() > 128 => {
            Err(invalid("Name", "it must have at most 128 characters"))
        }
        other => Ok(other),
    }
}

pub const CREATE: Action = Action {
    name: "CreateCommand",
    honours: &[
        "ClientToken",
        "CommandContent",
        "ContentEncoding",
        "Description",
        "EnableParameter",
        "Name",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
        "Timeout",
        "Type",
        "WorkingDir",
    ],
    run: Run::Write(create),
};

/// CreateCommand. The content is Base64 unless `ContentEncoding` says otherwise.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    args.required("Name")?;
    check_room(world, call)?;
    let command = SavedCommand {
        name: name(args)?.unwrap_or_default(),
        description: args.text("Description").unwrap_or_default(),
        command_type: kind(args)?,
        content: content(args, false)?,
        working_dir: args.text("WorkingDir").unwrap_or_default(),
        timeout_seconds: args.number("Timeout", 1, 86_400)?.unwrap_or(60),
        enable_parameter: args.flag("EnableParameter")?.unwrap_or(false),
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags: new_tags(args)?,
        command_id: world.ids.id("c-"),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        created: world.now,
        invoke_times: 0,
    };
    let id = command.command_id.clone();
    world.resources.commands.insert(id.clone(), command);
    Ok(json!({ "CommandId": id }))
}

pub const INVOKE: Action = Action {
    name: "InvokeCommand",
    honours: &[
        "ClientToken",
        "CommandId",
        "InstanceId.N",
        "Parameters",
        "RepeatMode",
        "ResourceGroupId",
        "ResourceTag.N.Key",
        "ResourceTag.N.Value",
        "Tag.N.Key",
        "Tag.N.Value",
        "TerminationMode",
        "Timed",
        "Timeout",
        "Username",
        "WindowsPasswordName",
        "WorkingDir",
    ],
    run: Run::Write(invoke),
};

/// InvokeCommand.
fn invoke(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("CommandId")?;
    let command = saved(world, call, &id)?;
    let script = Script {
        command_id: id.clone(),
        name: command.name.clone(),
        description: command.description.clone(),
        kind: command.command_type.clone(),
        content: command.content.clone(),
        working_dir: command.working_dir.clone(),
        timeout: command.timeout_seconds,
        enable_parameter: command.enable_parameter,
    };
    let (invoke_id, _) = launch(world, call, args, script)?;
    if let Some(command) = world.resources.commands.get_mut(&id) {
        command.invoke_times += 1;
    }
    Ok(json!({ "InvokeId": invoke_id }))
}

pub const DELETE: Action = Action {
    name: "DeleteCommand",
    honours: &["CommandId"],
    run: Run::Write(|world, call, args| {
        let id = args.required("CommandId")?;
        saved(world, call, &id)?;
        // What was invoked goes on.
        world.resources.commands.remove(&id);
        Ok(json!({}))
    }),
};

pub const MODIFY: Action = Action {
    name: "ModifyCommand",
    honours: &[
        "CommandContent",
        "CommandId",
        "Description",
        "Name",
        "Timeout",
        "WorkingDir",
    ],
    run: Run::Write(modify),
};

/// ModifyCommand. What is left out stays as it is. `CommandContent` is Base64 (API reference).
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("CommandId")?;
    let mut changed = saved(world, call, &id)?.clone();
    put(&mut changed.name, name(args)?);
    put(&mut changed.description, args.text("Description"));
    put(&mut changed.working_dir, args.text("WorkingDir"));
    if let Some(content) = args.text("CommandContent") {
        changed.content = checked(content, false)?;
    }
    if let Some(timeout) = args.number("Timeout", 1, 86_400)? {
        changed.timeout_seconds = timeout;
    }
    world.resources.commands.insert(id, changed);
    Ok(json!({}))
}

pub const DESCRIBE: Action = Action {
    name: "DescribeCommands",
    honours: &[
        "CommandId",
        "ContentEncoding",
        "Description",
        "Latest",
        "MaxResults",
        "Name",
        "NextToken",
        "PageNumber",
        "PageSize",
        "Provider",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
        "Type",
    ],
    run: Run::Read(describe),
};

/// DescribeCommands. `Name` and `Description` may have `*`. Of public commands, which `Provider`
/// asks for, there are none.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (id, kind) = (args.text("CommandId"), args.word("Type", COMMAND_TYPES)?);
    let (name, description) = (args.text("Name"), args.text("Description"));
    let group = args.text("ResourceGroupId");
    let provider = args.text("Provider").filter(|provider| provider != "User");
    // Versions are of public commands.
    args.flag("Latest")?;
    let tags = args.pairs("Tag", "Key", "Value");
    let plain = match args.text("ContentEncoding").as_deref() {
        None | Some("Base64") => false,
        Some("PlainText") => true,
        Some(_) => return Err(invalid("ContentEncoding", "it must be PlainText or Base64")),
    };
    let window = Window::of(args, 10, 1..=50)?;
    let fits = |filter: &Option<String>, own: &str| {
        filter.as_ref().is_none_or(|filter| wildcard(filter, own))
    };
    let found: Vec<&SavedCommand> = world
        .seen()
        .commands
        .values()
        .filter(|c| c.account_id == call.caller.account_id && c.region == call.region)
        .filter(|c| wanted(&id, &c.command_id) && wanted(&kind, &c.command_type))
        .filter(|c| fits(&name, &c.name) && fits(&description, &c.description))
        .filter(|c| wanted(&group, &c.resource_group_id) && provider.is_none())
        .filter(|c| has_tags(&c.tags, &tags))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows.into_iter().map(|c| row(c, plain)).collect();
    answer.insert("Commands".into(), json!({ "Command": rows }));
    Ok(answer.into())
}

fn row(c: &SavedCommand, plain: bool) -> Value {
    let names = match c.enable_parameter {
        true => placeholders(&c.content),
        false => Vec::new(),
    };
    json!({
        "CommandId": c.command_id,
        "Name": c.name,
        "Description": c.description,
        "Type": c.command_type,
        "CommandContent": if plain { c.content.clone() } else { STANDARD.encode(&c.content) },
        "WorkingDir": c.working_dir,
        "Timeout": c.timeout_seconds,
        "EnableParameter": c.enable_parameter,
        "ParameterNames": { "ParameterName": names },
        "Provider": "User",
        "Version": 1,
        "Latest": true,
        "InvokeTimes": c.invoke_times,
        "ResourceGroupId": c.resource_group_id,
        "CreationTime": seconds(c.created),
        "Tags": tag_rows(&c.tags),
    })
}
