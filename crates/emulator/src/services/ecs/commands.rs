//! Cloud Assistant: commands, whose ends the fixture chooses per instance and attempt.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::answers::{instance, seconds, wanted};
use super::packages;
use super::window::Window;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid, missing};
use crate::state::call::Call;
use crate::state::model::{CommandRun, InstanceStatus, Invocation};
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::time;
use crate::state::world::World;

/// Outputs are cut here; `Dropped` says how many bytes were lost.
const OUTPUT_BYTES: usize = 24 * 1024;
/// The most that a command may have once it is Base64.
const CONTENT_BYTES: usize = 24 * 1024;

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

/// The kinds of commands. The first three run in what the operating system brings along.
const TYPES: [&str; 5] = [
    "RunShellScript",
    "RunBatScript",
    "RunPowerShellScript",
    "RunPythonScript",
    "RunPerlScript",
];

/// RunCommand: one run per instance, each with its own end.
fn run(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let kind = args.required("Type")?;
    if !TYPES.contains(&kind.as_str()) {
        return Err(invalid(
            "Type",
            &format!("it must be one of {}", TYPES.join(", ")),
        ));
    }
    let content = args.required("CommandContent")?;
    let (content, encoded) = match args.text("ContentEncoding").as_deref() {
        None | Some("PlainText") => {
            let encoded = STANDARD.encode(&content).len();
            (content, encoded)
        }
        Some("Base64") => {
            let bytes = STANDARD
                .decode(&content)
                .map_err(|_| invalid("CommandContent", "it is not Base64"))?;
            (String::from_utf8_lossy(&bytes).into_owned(), content.len())
        }
        Some(_) => return Err(invalid("ContentEncoding", "it must be PlainText or Base64")),
    };
    if encoded > CONTENT_BYTES {
        return Err(ApiError::new(
            400,
            "CommandContent.ExceedLimit",
            "The length of the command content exceeds the limit of 24 KB after Base64 encoding.",
        ));
    }
    how(args)?;
    let parameters = parameters(args)?;
    let filled = fill(&content, &parameters);
    let ids = targets(world, call, args)?;
    let timeout = args.number("Timeout", 1, 86_400)?.unwrap_or(60);
    for id in &ids {
        instance(&world.resources, call, id)?;
    }
    let invoke_id = world.ids.id("t-");
    let command_id = world.ids.id("c-");
    let mut runs = BTreeMap::new();
    for id in ids {
        let run = start(world, &id, &kind, &filled, timeout);
        if let Some(verdict) = &run.verdict {
            let at = verdict.finished.unwrap_or(world.now);
            let event = Event::CommandEnds {
                invoke_id: invoke_id.clone(),
                instance_id: id.clone(),
            };
            world.queue.push(at, event);
        }
        runs.insert(id, run);
    }
    let invocation = Invocation {
        invoke_id: invoke_id.clone(),
        command_id: command_id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        name: args.text("Name").unwrap_or_default(),
        command_type: kind,
        command_content: content,
        timeout_seconds: timeout,
        description: args.text("Description").unwrap_or_default(),
        working_dir: args.text("WorkingDir").unwrap_or_default(),
        username: args.text("Username").unwrap_or_default(),
        parameters,
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags: args
            .pairs("Tag", "Key", "Value")
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect(),
        created: world.now,
        runs,
    };
    world
        .resources
        .invocations
        .insert(invoke_id.clone(), invocation);
    Ok(json!({ "CommandId": command_id, "InvokeId": invoke_id }))
}

/// How a command is to run: once, and at once. What is kept of it, and how it is ended at its time-out,
/// cannot be seen here.
fn how(args: Args<'_>) -> Result<(), ApiError> {
    args.flag("KeepCommand")?;
    // The name of a secret, never the secret itself.
    args.text("WindowsPasswordName");
    let one_of = |name: &str, known: &[&str]| match args.text(name) {
        Some(value) if !known.contains(&value.as_str()) => Err(invalid(
            name,
            &format!("it must be one of {}", known.join(", ")),
        )),
        _ => Ok(()),
    };
    one_of("TerminationMode", &["Process", "ProcessTree"])?;
    let repeats = args.text("RepeatMode").is_some_and(|mode| mode != "Once");
    if repeats || args.flag("Timed")?.unwrap_or(false) {
        return Err(ApiError::new(
            400,
            "UnsupportedParameter",
            "The emulator runs commands once: it does not support other values of RepeatMode than \
             Once, and Timed=true.",
        ));
    }
    Ok(())
}

/// The values of the placeholders in the content, if the command has any.
fn parameters(args: Args<'_>) -> Result<Map<String, Value>, ApiError> {
    let enabled = args.flag("EnableParameter")?.unwrap_or(false);
    let given = match args.json("Parameters")? {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(invalid("Parameters", "it must be a JSON object")),
    };
    Ok(if enabled { given } else { Map::new() })
}

/// The content with its placeholders `{{name}}` filled in.
fn fill(content: &str, parameters: &Map<String, Value>) -> String {
    let mut filled = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let found = after.split_once("}}").and_then(|(name, after)| {
            let value = parameters.get(name.trim())?;
            Some((value, after))
        });
        match found {
            Some((Value::String(text), after)) => {
                filled.push_str(text);
                rest = after;
            }
            Some((value, after)) => {
                filled.push_str(&value.to_string());
                rest = after;
            }
            None => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The instances that a command is for: those that are named, else those with the tags.
fn targets(world: &World, call: &Call, args: Args<'_>) -> Result<Vec<String>, ApiError> {
    let tags = args.pairs("ResourceTag", "Key", "Value");
    if let Some(ids) = args.list_up_to("InstanceId", 100)? {
        return Ok(ids);
    }
    let found: Vec<String> = world
        .resources
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| !tags.is_empty() && has_tags(&i.tags, &tags))
        .map(|i| i.instance_id.clone())
        .collect();
    match found.is_empty() {
        true => Err(missing("InstanceId")),
        false => Ok(found),
    }
}

fn start(world: &mut World, id: &str, kind: &str, content: &str, timeout: i64) -> CommandRun {
    let now = world.now;
    let mut run = CommandRun {
        status: "Running".into(),
        exit_code: None,
        error_code: String::new(),
        error_info: String::new(),
        output: String::new(),
        started: now,
        finished: None,
        verdict: None,
    };
    let Some(instance) = world.resources.instances.get_mut(id) else {
        return failed(run, "Aborted", "InstanceNotExists");
    };
    instance.commands_sent += 1;
    let attempt = instance.commands_sent;
    let windows = instance.os_type.name() == "windows";
    if instance.status != InstanceStatus::Running {
        return failed(run, "Aborted", "InstanceNotRunning");
    }
    if !instance.cloud_assistant {
        return failed(run, "Aborted", "ClientNotRunning");
    }
    let fits = match kind {
        "RunShellScript" => !windows,
        "RunBatScript" | "RunPowerShellScript" => windows,
        _ => true,
    };
    if !fits {
        return failed(run, "Invalid", "CommandNotApplicable");
    }
    let rule = world.command_outcomes.iter().find(|rule| {
        rule.instance
            .as_ref()
            .is_none_or(|pattern| wildcard(pattern, id))
            && rule.attempt.is_none_or(|n| n == attempt)
            && rule
                .content_contains
                .as_ref()
                .is_none_or(|part| content.contains(part.as_str()))
    });
    let duration = rule
        .and_then(|r| r.duration_seconds)
        .unwrap_or(world.durations.command);
    let mut verdict = run.clone();
    #[allow(
        clippy::cast_precision_loss,
        reason = "a timeout is at most a day of seconds"
    )]
    let limit = timeout as f64;
    if let Some(code) = rule.and_then(|r| r.error_code.as_deref()) {
        verdict = failed(verdict, "Failed", code);
        verdict.error_info = rule
            .and_then(|r| r.error_info.clone())
            .unwrap_or_else(|| code.to_owned());
        verdict.finished = Some(time::later(now, time::seconds(duration)));
    } else if duration > limit {
        verdict = failed(verdict, "Timeout", "ExecutionTimeout");
        verdict.finished = Some(time::later(now, time::seconds(limit)));
    } else {
        let mut exit_code = rule.map_or(0, |r| r.exit_code);
        verdict.output = rule.map_or(String::new(), |r| r.output.repeat(r.output_times));
        if let Some(why) = packages::refusal(world, id, content).filter(|_| exit_code == 0) {
            exit_code = 1;
            verdict.output = why;
        }
        verdict.exit_code = Some(exit_code);
        verdict.status = if exit_code == 0 { "Success" } else { "Failed" }.into();
        if exit_code != 0 {
            verdict.error_code = "ExitCodeNonzero".into();
            verdict.error_info = format!("The exit code of the command is {exit_code}.");
        }
        verdict.finished = Some(time::later(now, time::seconds(duration)));
    }
    run.verdict = Some(Box::new(verdict));
    run
}

fn failed(mut run: CommandRun, status: &str, error_code: &str) -> CommandRun {
    run.status = status.into();
    run.error_code = error_code.into();
    run.error_info = format!("The command could not be carried out: {error_code}.");
    run.finished = Some(run.started);
    run
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

/// The older status per instance and for the whole: a command that ran to its end is Finished,
/// whatever its exit code.
fn record_status(run: &CommandRun) -> &'static str {
    match run.status.as_str() {
        "Running" => "Running",
        _ if run.exit_code.is_some() => "Finished",
        _ => "Failed",
    }
}

fn overall(invocation: &Invocation) -> (&'static str, &'static str) {
    let has = |status: &str| invocation.runs.values().any(|r| r.status == status);
    let records: Vec<_> = invocation.runs.values().map(record_status).collect();
    let all = |status: &str| records.iter().all(|r| *r == status);
    if records.contains(&"Running") {
        ("Running", "Running")
    } else if all("Finished") {
        (
            "Finished",
            if has("Failed") && has("Success") {
                "PartialFailed"
            } else if has("Failed") {
                "Failed"
            } else {
                "Success"
            },
        )
    } else if all("Failed") {
        ("Failed", "Failed")
    } else {
        ("PartialFailed", "PartialFailed")
    }
}

fn of_call<'a>(world: &'a World, call: &'a Call) -> impl Iterator<Item = &'a Invocation> {
    world
        .resources
        .invocations
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
}

/// The output as the API shows it: (text, bytes lost).
fn output(run: &CommandRun, plain: bool) -> (String, usize) {
    let bytes = run.output.as_bytes();
    let kept = &bytes[..bytes.len().min(OUTPUT_BYTES)];
    let text = if plain {
        String::from_utf8_lossy(kept).into_owned()
    } else {
        STANDARD.encode(kept)
    };
    (text, bytes.len() - kept.len())
}

fn plain(args: Args<'_>) -> Result<bool, ApiError> {
    match args.text("ContentEncoding").as_deref() {
        None | Some("Base64") => Ok(false),
        Some("PlainText") => Ok(true),
        Some(_) => Err(invalid("ContentEncoding", "it must be PlainText or Base64")),
    }
}

fn run_row(
    invocation: &Invocation,
    id: &str,
    run: &CommandRun,
    plain: bool,
    with_output: bool,
) -> Value {
    let (text, dropped) = output(run, plain);
    let mut row = json!({
        "InstanceId": id,
        "InvokeId": invocation.invoke_id,
        "CommandId": invocation.command_id,
        "InvocationStatus": run.status,
        "InvokeRecordStatus": record_status(run),
        "InstanceInvokeStatus": record_status(run),
        "ErrorCode": run.error_code,
        "ErrorInfo": run.error_info,
        "Dropped": dropped,
        "Repeats": 1,
        "StartTime": seconds(run.started),
        "FinishedTime": run.finished.map_or(String::new(), seconds),
        "FinishTime": run.finished.map_or(String::new(), seconds),
        "StopTime": "",
    });
    if let Some(code) = run.exit_code {
        row["ExitCode"] = json!(code);
    }
    if with_output {
        row["Output"] = json!(text);
    }
    row
}

pub const INVOCATIONS: Action = Action {
    name: "DescribeInvocations",
    honours: &[
        "CommandId",
        "CommandName",
        "CommandType",
        "ContentEncoding",
        "IncludeOutput",
        "InstanceId",
        "InvokeId",
        "InvokeStatus",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "RepeatMode",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
        "Timed",
    ],
    run: Run::Read(invocations),
};

/// DescribeInvocations.
fn invocations(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let invoke_id = args.text("InvokeId");
    let instance_id = args.text("InstanceId");
    let name = args.text("CommandName");
    let status = args.text("InvokeStatus");
    let (command, kind) = (args.text("CommandId"), args.text("CommandType"));
    let (repeat, group) = (args.text("RepeatMode"), args.text("ResourceGroupId"));
    let timed = args.flag("Timed")?.unwrap_or(false);
    let tags = args.pairs("Tag", "Key", "Value");
    let with_output = args.flag("IncludeOutput")?.unwrap_or(false);
    let plain = plain(args)?;
    let window = Window::of(args, 10, 1..=50)?;
    let found: Vec<&Invocation> = of_call(world, call)
        .filter(|i| invoke_id.as_ref().is_none_or(|id| *id == i.invoke_id))
        .filter(|i| {
            instance_id
                .as_ref()
                .is_none_or(|id| i.runs.contains_key(id))
        })
        .filter(|i| name.as_ref().is_none_or(|n| *n == i.name))
        .filter(|i| status.as_ref().is_none_or(|s| s == overall(i).0))
        .filter(|i| wanted(&command, &i.command_id) && wanted(&kind, &i.command_type))
        .filter(|i| wanted(&repeat, "Once") && wanted(&group, &i.resource_group_id) && !timed)
        .filter(|i| has_tags(&i.tags, &tags))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|i| {
            let (invoke_status, invocation_status) = overall(i);
            json!({
                "InvokeId": i.invoke_id,
                "CommandId": i.command_id,
                "CommandName": i.name,
                "CommandType": i.command_type,
                "CommandContent": if plain { i.command_content.clone() } else { STANDARD.encode(&i.command_content) },
                "InvokeStatus": invoke_status,
                "InvocationStatus": invocation_status,
                "Timeout": i.timeout_seconds,
                "CommandDescription": i.description,
                "WorkingDir": i.working_dir,
                "Username": i.username,
                "Parameters": Value::Object(i.parameters.clone()).to_string(),
                "Timed": false,
                "Tags": {
                    "Tag": i.tags.iter().map(|(k, v)| json!({"TagKey": k, "TagValue": v})).collect::<Vec<_>>(),
                },
                "RepeatMode": "Once",
                "CreationTime": seconds(i.created),
                "InvokeInstances": {
                    "InvokeInstance": i
                        .runs
                        .iter()
                        .map(|(id, run)| run_row(i, id, run, plain, with_output))
                        .collect::<Vec<_>>(),
                },
            })
        })
        .collect();
    answer.insert("Invocations".into(), json!({ "Invocation": rows }));
    Ok(answer.into())
}

pub const RESULTS: Action = Action {
    name: "DescribeInvocationResults",
    honours: &[
        "CommandId",
        "ContentEncoding",
        "IncludeHistory",
        "InstanceId",
        "InvokeId",
        "InvokeRecordStatus",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Read(results),
};

/// DescribeInvocationResults: one row per instance; the output is Base64 unless asked otherwise.
fn results(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let invoke_id = args.text("InvokeId");
    let instance_id = args.text("InstanceId");
    let (command, group) = (args.text("CommandId"), args.text("ResourceGroupId"));
    let status = args.text("InvokeRecordStatus");
    let tags = args.pairs("Tag", "Key", "Value");
    // Commands run once and have no history.
    args.flag("IncludeHistory")?;
    let plain = plain(args)?;
    let window = Window::of(args, 10, 1..=50)?;
    let found: Vec<(&Invocation, &String, &CommandRun)> = of_call(world, call)
        .filter(|i| invoke_id.as_ref().is_none_or(|id| *id == i.invoke_id))
        .flat_map(|i| i.runs.iter().map(move |(id, run)| (i, id, run)))
        .filter(|(_, id, _)| wanted(&instance_id, id))
        .filter(|(i, _, _)| wanted(&command, &i.command_id) && wanted(&group, &i.resource_group_id))
        .filter(|(_, _, run)| wanted(&status, record_status(run)))
        .filter(|(i, _, _)| has_tags(&i.tags, &tags))
        .collect();
    let (rows, mut invocation) = window.cut(found);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(i, id, run)| run_row(i, id, run, plain, true))
        .collect();
    let rows = json!({ "InvocationResult": rows });
    invocation.insert("InvocationResults".into(), rows);
    Ok(json!({ "Invocation": invocation }))
}
