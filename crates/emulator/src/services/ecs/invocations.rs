//! What became of commands: DescribeInvocations and DescribeInvocationResults.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::{seconds, wanted};
use super::scripts::OUTPUT_BYTES;
use super::window::Window;
use super::words::{COMMAND_TYPES, INVOCATION_STATUSES, REPEATS};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags};
use crate::state::call::Call;
use crate::state::model::{CommandRun, Invocation};
use crate::state::world::World;

/// The older status per instance and for the whole: a command that ran to its end is Finished,
/// whatever its exit code.
fn record_status(run: &CommandRun) -> &'static str {
    match run.status.as_str() {
        "Running" => "Running",
        "Terminated" => "Stopped",
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
    } else if records.contains(&"Stopped") {
        ("Stopped", "Terminated")
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
    (text, bytes.len() - kept.len() + run.output_lost)
}

fn plain(args: Args<'_>) -> Result<bool, ApiError> {
    let encoding = args.word("ContentEncoding", &["PlainText", "Base64"])?;
    Ok(encoding.is_some_and(|encoding| encoding == "PlainText"))
}

fn run_row(
    invocation: &Invocation,
    id: &str,
    run: &CommandRun,
    plain: bool,
    with_output: bool,
) -> Value {
    let (text, dropped) = output(run, plain);
    let stopped = run.finished.filter(|_| run.status == "Terminated");
    let stopped = stopped.map_or(String::new(), seconds);
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
        "StopTime": stopped,
    });
    if let Some(code) = run.exit_code {
        row["ExitCode"] = json!(code);
    }
    if with_output {
        row["Output"] = json!(text);
    }
    row
}

pub const DESCRIBE: Action = Action {
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
    run: Run::Read(describe),
};

/// DescribeInvocations.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let invoke_id = args.text("InvokeId");
    let instance_id = args.text("InstanceId");
    let name = args.text("CommandName");
    let status = args.word("InvokeStatus", INVOCATION_STATUSES)?;
    let (command, kind) = (
        args.text("CommandId"),
        args.word("CommandType", COMMAND_TYPES)?,
    );
    let (repeat, group) = (
        args.word("RepeatMode", REPEATS)?,
        args.text("ResourceGroupId"),
    );
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
            let mut row = json!({
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
            });
            if let Some(mode) = &i.termination_mode {
                row["TerminationMode"] = json!(mode);
            }
            row
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
    let status = args.word("InvokeRecordStatus", INVOCATION_STATUSES)?;
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
