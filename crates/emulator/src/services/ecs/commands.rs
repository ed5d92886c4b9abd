//! Cloud Assistant: commands are run, end, and are stopped.

use serde_json::{Value, json};

use super::scripts::{Script, content, kind, launch};
use super::{packages, saved_commands};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::state::call::Call;
use crate::state::world::World;

pub const RUN: Action = Action {
    name: "RunCommand",
    honours: &[
        "ClientToken",
        "CommandContent",
        "ContentEncoding",
        "Description",
        "EnableParameter",
        "InstanceId.N",
        "KeepCommand",
        "Name",
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
        "Type",
        "Username",
        "WindowsPasswordName",
        "WorkingDir",
    ],
    run: Run::Write(run),
};

/// RunCommand: one run per instance, each with its own end. With `KeepCommand` the command can be
/// invoked again.
fn run(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let kind = kind(args)?;
    let content = content(args, true)?;
    let keeps = args.flag("KeepCommand")?.unwrap_or(false);
    let script = Script {
        command_id: String::new(),
        name: args.text("Name").unwrap_or_default(),
        description: args.text("Description").unwrap_or_default(),
        kind,
        content,
        working_dir: args.text("WorkingDir").unwrap_or_default(),
        timeout: 60,
        enable_parameter: args.flag("EnableParameter")?.unwrap_or(false),
    };
    if keeps {
        saved_commands::check_room(world, call)?;
    }
    let (invoke_id, script) = launch(world, call, args, script)?;
    let command_id = script.command_id.clone();
    if keeps {
        saved_commands::keep(world, call, args, script);
    }
    Ok(json!({ "CommandId": command_id, "InvokeId": invoke_id }))
}

/// A command ends on one instance.
pub fn command_ends(world: &mut World, invoke_id: &str, instance_id: &str) {
    let Some(invocation) = world.resources.invocations.get_mut(invoke_id) else {
        return;
    };
    if let Some(run) = invocation.runs.get_mut(instance_id)
        && let Some(verdict) = run.verdict.take()
    {
        *run = *verdict;
        if run.exit_code == Some(0) {
            let content = invocation.command_content.clone();
            packages::take_effect(world, instance_id, &content);
        }
    }
}

/// The instance stops or is gone: what runs on it is cut off.
pub fn interrupt(world: &mut World, instance_id: &str) {
    let now = world.now;
    for invocation in world.resources.invocations.values_mut() {
        if let Some(run) = invocation.runs.get_mut(instance_id)
            && run.verdict.take().is_some()
        {
            run.status = "Failed".into();
            run.error_code = "ExecutionInterrupted".into();
            run.error_info = "The instance was stopped while the command ran.".into();
            run.finished = Some(now);
        }
    }
}

pub const STOP: Action = Action {
    name: "StopInvocation",
    honours: &["InstanceId.N", "InvokeId"],
    run: Run::Write(stop),
};

/// StopInvocation: on the named instances, or on all of them, what still runs is Terminated. What
/// has ended stays as it is.
fn stop(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InvokeId")?;
    let only = args.list_up_to("InstanceId", 100)?;
    let now = world.now;
    let found =
        world.resources.invocations.get_mut(&id).filter(|found| {
            found.account_id == call.caller.account_id && found.region == call.region
        });
    let invocation = found.ok_or_else(|| {
        ApiError::new(
            404,
            "InvalidInvokeId.NotFound",
            "The specified invoke ID does not exist.",
        )
    })?;
    let is_meant = |id: &String| only.as_ref().is_none_or(|only| only.contains(id));
    for (_, run) in invocation.runs.iter_mut().filter(|(id, _)| is_meant(id)) {
        if run.verdict.take().is_some() {
            run.status = "Terminated".into();
            run.finished = Some(now);
        }
    }
    Ok(json!({}))
}
