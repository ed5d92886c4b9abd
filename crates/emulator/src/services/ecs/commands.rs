//! Cloud Assistant: commands, whose ends the fixture chooses per instance and attempt.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::{instance, seconds};
use super::packages;
use super::window::Window;
use crate::error::ApiError;
use crate::services::args::{Args, invalid, missing};
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

/// RunCommand: one run per instance, each with its own end.
pub fn run(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let kind = args.required("Type")?;
    if !["RunShellScript", "RunBatScript", "RunPowerShellScript"].contains(&kind.as_str()) {
        return Err(invalid(
            "Type",
            "it must be RunShellScript, RunBatScript or RunPowerShellScript",
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
    let ids = args
        .list_up_to("InstanceId", 100)?
        .ok_or_else(|| missing("InstanceId"))?;
    let timeout = args.number("Timeout", 1, 86_400)?.unwrap_or(60);
    for id in &ids {
        instance(&world.resources, call, id)?;
    }
    let invoke_id = world.ids.id("t-");
    let command_id = world.ids.id("c-");
    let mut runs = BTreeMap::new();
    for id in ids {
        let run = start(world, &id, &kind, &content, timeout);
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
        created: world.now,
        runs,
    };
    world
        .resources
        .invocations
        .insert(invoke_id.clone(), invocation);
    Ok(json!({ "CommandId": command_id, "InvokeId": invoke_id }))
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
    if windows == (kind == "RunShellScript") {
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

/// DescribeInvocations.
pub fn invocations(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let invoke_id = args.text("InvokeId");
    let instance_id = args.text("InstanceId");
    let name = args.text("CommandName");
    let status = args.text("InvokeStatus");
    let with_output = args.flag("IncludeOutput")?.unwrap_or(false);
    let plain = plain(args)?;
    let window = Window::of(args, 10, 50)?;
    let found: Vec<&Invocation> = of_call(world, call)
        .filter(|i| invoke_id.as_ref().is_none_or(|id| *id == i.invoke_id))
        .filter(|i| {
            instance_id
                .as_ref()
                .is_none_or(|id| i.runs.contains_key(id))
        })
        .filter(|i| name.as_ref().is_none_or(|n| *n == i.name))
        .filter(|i| status.as_ref().is_none_or(|s| s == overall(i).0))
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

/// DescribeInvocationResults: one row per instance; the output is Base64 unless asked otherwise.
pub fn results(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let invoke_id = args.text("InvokeId");
    let instance_id = args.text("InstanceId");
    let plain = plain(args)?;
    let window = Window::of(args, 10, 50)?;
    let found: Vec<(&Invocation, &String, &CommandRun)> = of_call(world, call)
        .filter(|i| invoke_id.as_ref().is_none_or(|id| *id == i.invoke_id))
        .flat_map(|i| i.runs.iter().map(move |(id, run)| (i, id, run)))
        .filter(|(_, id, _)| instance_id.as_ref().is_none_or(|wanted| wanted == *id))
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
