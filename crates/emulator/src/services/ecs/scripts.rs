//! Commands on instances, whose ends the fixture chooses per instance and attempt.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::answers::instance;
use super::packages;
use super::tags::new_tags;
use super::words::{COMMAND_TYPES, REPEATS};
use crate::error::ApiError;
use crate::services::args::{Args, has_tags, invalid, missing};
use crate::state::call::Call;
use crate::state::model::{CommandRun, InstanceStatus, Invocation};
use crate::state::past::make_room;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::time;
use crate::state::world::World;

/// The most that a command may have once it is Base64.
const CONTENT_BYTES: usize = 24 * 1024;

/// Outputs are cut here (API reference); `Dropped` says how many bytes were lost.
pub(super) const OUTPUT_BYTES: usize = 24 * 1024;

/// A command as it is run: given with RunCommand, or kept before.
pub(super) struct Script {
    pub(super) command_id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) kind: String,
    pub(super) content: String,
    pub(super) working_dir: String,
    pub(super) timeout: i64,
    pub(super) enable_parameter: bool,
}

/// `Type`, one of those that there are.
pub(super) fn kind(args: Args<'_>) -> Result<String, ApiError> {
    args.required("Type")?;
    let kind = args.word("Type", COMMAND_TYPES)?;
    kind.ok_or_else(|| missing("Type"))
}

/// `CommandContent`, decoded. What is not said to be Base64 is plain for RunCommand, and Base64 for
/// CreateCommand (API reference).
pub(super) fn content(args: Args<'_>, plain: bool) -> Result<String, ApiError> {
    let content = args.required("CommandContent")?;
    let is_plain = match args.text("ContentEncoding").as_deref() {
        None => plain,
        Some("PlainText") => true,
        Some("Base64") => false,
        Some(_) => return Err(invalid("ContentEncoding", "it must be PlainText or Base64")),
    };
    checked(content, is_plain)
}

/// The content of a command, decoded and not too long.
pub(super) fn checked(content: String, is_plain: bool) -> Result<String, ApiError> {
    let (content, encoded) = if is_plain {
        let encoded = STANDARD.encode(&content).len();
        (content, encoded)
    } else {
        let bytes = STANDARD
            .decode(&content)
            .map_err(|_| invalid("CommandContent", "it is not Base64"))?;
        (String::from_utf8_lossy(&bytes).into_owned(), content.len())
    };
    if encoded > CONTENT_BYTES {
        return Err(ApiError::new(
            400,
            "CommandContent.ExceedLimit",
            "The length of the command content exceeds the limit of 24 KB after Base64 encoding.",
        ));
    }
    Ok(content)
}

/// Runs a command as the call says. Gives the id of the invocation, and the command with its id.
pub(super) fn launch(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
    mut script: Script,
) -> Result<(String, Script), ApiError> {
    let termination_mode = how(args)?;
    let parameters = parameters(args, script.enable_parameter)?;
    if script.enable_parameter {
        check_keys(&script.content, &parameters)?;
    }
    let filled = fill(&script.content, &parameters);
    let ids = targets(world, call, args)?;
    let timeout = args.number("Timeout", 1, 86_400)?;
    script.timeout = timeout.unwrap_or(script.timeout);
    let tags = new_tags(args)?;
    for id in &ids {
        instance(&world.resources, call, id)?;
    }
    let invoke_id = world.ids.id("t-");
    if script.command_id.is_empty() {
        script.command_id = world.ids.id("c-");
    }
    let mut runs = BTreeMap::new();
    for id in ids {
        let run = start(world, &id, &script.kind, &filled, script.timeout);
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
    let working_dir = args.text("WorkingDir");
    let invocation = Invocation {
        invoke_id: invoke_id.clone(),
        command_id: script.command_id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        name: script.name.clone(),
        command_type: script.kind.clone(),
        command_content: script.content.clone(),
        timeout_seconds: script.timeout,
        description: script.description.clone(),
        working_dir: working_dir.unwrap_or_else(|| script.working_dir.clone()),
        username: args.text("Username").unwrap_or_default(),
        termination_mode,
        parameters,
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags,
        created: world.now,
        runs,
    };
    let invocations = &mut world.resources.invocations;
    make_room(invocations, |invocation| {
        // `None` while it runs on one of them.
        let ends = invocation.runs.values().map(|run| match run.verdict {
            Some(_) => None,
            None => Some(run.finished.unwrap_or(run.started)),
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    });
    invocations.insert(invoke_id.clone(), invocation);
    Ok((invoke_id, script))
}

/// How a command is to run: once, and at once. How it is ended at its time-out is only shown.
fn how(args: Args<'_>) -> Result<Option<String>, ApiError> {
    // The name of a secret, never the secret itself.
    args.text("WindowsPasswordName");
    let mode = args.word("TerminationMode", &["Process", "ProcessTree"])?;
    let repeats = args.word("RepeatMode", REPEATS)?;
    let repeats = repeats.is_some_and(|mode| mode != "Once");
    if repeats || args.flag("Timed")?.unwrap_or(false) {
        return Err(ApiError::new(
            400,
            "UnsupportedParameter",
            "The emulator runs commands once: it does not support other values of RepeatMode than \
             Once, and Timed=true.",
        ));
    }
    Ok(mode)
}

/// Each parameter that is given must be a placeholder of the command, and each placeholder must have
/// a value.
fn check_keys(content: &str, given: &Map<String, Value>) -> Result<(), ApiError> {
    let names = placeholders(content);
    let fits = given.keys().all(|key| names.contains(key))
        && names.iter().all(|name| given.contains_key(name));
    if fits {
        return Ok(());
    }
    Err(ApiError::new(
        400,
        "InvalidParameters.KeyNotMatch",
        format!(
            "The keys in the parameter Parameters do not match those defined when creating the \
             command: {}.",
            names.join(", ")
        ),
    ))
}

/// The names in `{{name}}`, without those that Cloud Assistant fills in by itself, each once.
pub(super) fn placeholders(content: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in content.split("{{").skip(1) {
        let Some((name, _)) = part.split_once("}}") else {
            continue;
        };
        let name = name.trim();
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if is_name && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The values of the placeholders in the content, if the command has any: ten at most, with names
/// of at most 64 characters (API reference).
fn parameters(args: Args<'_>, enabled: bool) -> Result<Map<String, Value>, ApiError> {
    let given = match args.json("Parameters")? {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(invalid("Parameters", "it must be a JSON object")),
    };
    if !enabled && !given.is_empty() {
        return Err(invalid(
            "Parameters",
            "the command takes none: its EnableParameter is not true",
        ));
    }
    let refused = |code: &str, message: &str| Err(ApiError::new(403, code, message));
    if given.len() > 10 {
        return refused(
            "InvalidParameters.CountLimitExceeded",
            "The count of the parameter Parameters exceeds the limit of 10.",
        );
    }
    if given.keys().any(|key| key.chars().count() > 64) {
        return refused(
            "InvalidParameters.KeyLengthLimitExceeded",
            "The length of the key in the parameter Parameters exceeds the limit of 64 characters.",
        );
    }
    if given.values().any(|v| v.is_object() || v.is_array()) {
        return refused(
            "InvalidParameters.ValueTypeUnsupported",
            "The type of the value in the parameter Parameters is not supported.",
        );
    }
    Ok(given)
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
        check_once(&ids)?;
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

/// An instance is named once: there is one run for each. The code of the refusal is not documented.
fn check_once(ids: &[String]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(*id)) {
        Some(id) => Err(invalid("InstanceId", &format!("{id} is named twice"))),
        None => Ok(()),
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
        output_lost: 0,
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
        if let Some(rule) = rule {
            (verdict.output, verdict.output_lost) = repeated(&rule.output, rule.output_times);
        }
        if let Some(why) = packages::refusal(world, id, content).filter(|_| exit_code == 0) {
            exit_code = 1;
            (verdict.output, verdict.output_lost) = (why, 0);
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

/// As much of a repeated output as can be shown, up to the end of a letter, and how many bytes of it
/// are not kept.
fn repeated(output: &str, times: usize) -> (String, usize) {
    let whole = output.len().saturating_mul(times);
    if whole == 0 {
        return (String::new(), 0);
    }
    let needed = OUTPUT_BYTES.div_ceil(output.len()).min(times);
    let mut kept = match needed {
        1 => String::new(),
        _ => output.repeat(needed - 1),
    };
    let left = OUTPUT_BYTES.saturating_sub(kept.len());
    let end = (left..output.len()).find(|i| output.is_char_boundary(*i));
    kept.push_str(&output[..end.unwrap_or(output.len())]);
    let lost = whole - kept.len();
    (kept, lost)
}

fn failed(mut run: CommandRun, status: &str, error_code: &str) -> CommandRun {
    run.status = status.into();
    run.error_code = error_code.into();
    run.error_info = format!("The command could not be carried out: {error_code}.");
    run.finished = Some(run.started);
    run
}
