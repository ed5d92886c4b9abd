//! Files that Cloud Assistant sends.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::{instance, seconds, tag_rows, wanted};
use super::tags::new_tags;
use super::window::Window;
use super::words::FILE_STATUSES;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, invalid, missing};
use crate::state::call::Call;
use crate::state::file_sends::{FileRun, FileSend};
use crate::state::model::InstanceStatus;
use crate::state::past::make_room;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::world::World;

/// The most that a file may have once it is Base64.
const CONTENT_BYTES: usize = 32 * 1024;

pub const SEND: Action = Action {
    name: "SendFile",
    honours: &[
        "ClientToken",
        "Content",
        "ContentType",
        "Description",
        "FileGroup",
        "FileMode",
        "FileOwner",
        "InstanceId.N",
        "Name",
        "Overwrite",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
        "TargetDir",
        "Timeout",
    ],
    run: Run::Write(send),
};

/// SendFile, to each instance by itself. A file that was sent to the same place before is replaced
/// with `Overwrite` only.
fn send(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let content = args.required("Content")?;
    let content_type = args.word("ContentType", &["PlainText", "Base64"])?;
    let content_type = content_type.unwrap_or_else(|| "PlainText".to_owned());
    let encoded = match content_type.as_str() {
        "PlainText" => STANDARD.encode(&content).len(),
        _ if STANDARD.decode(&content).is_err() => {
            return Err(invalid("Content", "it is not Base64"));
        }
        _ => content.len(),
    };
    if encoded > CONTENT_BYTES {
        return Err(invalid(
            "Content",
            "it has more than 32 KB once it is Base64",
        ));
    }
    let name = args.required("Name")?;
    if name.chars().count() > 255 {
        return Err(invalid("Name", "it must have at most 255 characters"));
    }
    let target_dir = args.required("TargetDir")?;
    let file_mode = args.text("FileMode").unwrap_or_else(|| "0644".to_owned());
    let is_mode = file_mode.len() == 4 && file_mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if !is_mode {
        return Err(invalid("FileMode", "it must be four octal digits"));
    }
    let ids = args.list_up_to("InstanceId", 50)?;
    let ids = ids.ok_or_else(|| missing("InstanceId"))?;
    let timeout = args.number("Timeout", 10, 86_400)?.unwrap_or(60);
    let overwrite = args.flag("Overwrite")?.unwrap_or(false);
    let tags = new_tags(args)?;
    for id in &ids {
        instance(&world.resources, call, id)?;
    }
    let invoke_id = world.ids.id("f-");
    let mut runs = BTreeMap::new();
    for id in ids {
        let place = Place {
            name: &name,
            dir: &target_dir,
            overwrite,
        };
        let (run, seconds) = start(world, &id, &place, timeout);
        if run.verdict.is_some() {
            let event = Event::FileArrives {
                invoke_id: invoke_id.clone(),
                instance_id: id.clone(),
            };
            world.after(seconds, event);
        }
        runs.insert(id, run);
    }
    let root = || "root".to_owned();
    let sent = FileSend {
        invoke_id: invoke_id.clone(),
        account_id: call.caller.account_id.clone(),
        region: call.region.clone(),
        name,
        target_dir,
        description: args.text("Description").unwrap_or_default(),
        content,
        content_type,
        file_owner: args.text("FileOwner").unwrap_or_else(root),
        file_group: args.text("FileGroup").unwrap_or_else(root),
        file_mode,
        overwrite,
        resource_group_id: args.text("ResourceGroupId").unwrap_or_default(),
        tags,
        created: world.now,
        runs,
    };
    let sends = &mut world.resources.file_sends;
    make_room(sends, |sent| {
        // `None` while it is on its way to one of them.
        let ends = sent.runs.values().map(|run| match run.verdict {
            Some(_) => None,
            None => Some(run.finished.unwrap_or(run.started)),
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    });
    sends.insert(invoke_id.clone(), sent);
    Ok(json!({ "InvokeId": invoke_id }))
}

struct Place<'a> {
    name: &'a str,
    dir: &'a str,
    overwrite: bool,
}

/// What becomes of the file on one instance, and when.
fn start(world: &mut World, id: &str, place: &Place<'_>, timeout: i64) -> (FileRun, f64) {
    let now = world.now;
    let ended = |status: &str, code: &str| FileRun {
        status: status.to_owned(),
        error_code: code.to_owned(),
        error_info: format!("The file could not be sent: {code}."),
        started: now,
        finished: Some(now),
        verdict: None,
    };
    let Some(instance) = world.resources.instances.get(id) else {
        return (ended("Failed", "InstanceNotExists"), 0.0);
    };
    if instance.status != InstanceStatus::Running {
        return (ended("Failed", "InstanceNotRunning"), 0.0);
    }
    if !instance.cloud_assistant {
        return (ended("Failed", "ClientNotRunning"), 0.0);
    }
    let attempt = world.images_asked.entry(format!("file:{id}")).or_default();
    *attempt += 1;
    let attempt = *attempt;
    let rule = world.file_outcomes.iter().find(|rule| {
        let fits = |pattern: &Option<String>, own: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| wildcard(pattern, own))
        };
        fits(&rule.instance, id)
            && fits(&rule.name, place.name)
            && rule.attempt.is_none_or(|n| n == attempt)
    });
    let duration = rule
        .and_then(|rule| rule.duration_seconds)
        .unwrap_or(world.durations.send_file);
    #[allow(
        clippy::cast_precision_loss,
        reason = "a time-out is at most a day of seconds"
    )]
    let limit = timeout as f64;
    let failed = |status, code: &str, info: &str| (status, code.to_owned(), info.to_owned());
    let verdict = if let Some(code) = rule.and_then(|rule| rule.error_code.as_deref()) {
        let info = rule.and_then(|rule| rule.error_info.as_deref());
        failed("Failed", code, info.unwrap_or(code))
    } else if duration > limit {
        let info = "The file was not there in time.";
        failed("Timeout", "DeliveryTimeout", info)
    } else if !place.overwrite && is_there(world, id, place) {
        let info = "A file of this name is in the directory already.";
        failed("Failed", "FileAlreadyExists", info)
    } else {
        failed("Success", "", "")
    };
    let run = FileRun {
        status: "Running".to_owned(),
        error_code: String::new(),
        error_info: String::new(),
        started: now,
        finished: None,
        verdict: Some(verdict),
    };
    (run, duration.min(limit))
}

/// Whether a file was sent to this place before.
fn is_there(world: &World, id: &str, place: &Place<'_>) -> bool {
    world.resources.file_sends.values().any(|sent| {
        sent.name == place.name
            && sent.target_dir == place.dir
            && sent.runs.get(id).is_some_and(|run| run.status == "Success")
    })
}

/// A file is on an instance, or is not.
pub fn arrives(world: &mut World, invoke_id: &str, instance_id: &str) {
    let now = world.now;
    let Some(sent) = world.resources.file_sends.get_mut(invoke_id) else {
        return;
    };
    if let Some(run) = sent.runs.get_mut(instance_id)
        && let Some((status, code, info)) = run.verdict.take()
    {
        status.clone_into(&mut run.status);
        run.error_code = code;
        run.error_info = info;
        run.finished = Some(now);
    }
}

pub const RESULTS: Action = Action {
    name: "DescribeSendFileResults",
    honours: &[
        "InstanceId",
        "InvocationStatus",
        "InvokeId",
        "MaxResults",
        "Name",
        "NextToken",
        "PageNumber",
        "PageSize",
        "ResourceGroupId",
        "Tag.N.Key",
        "Tag.N.Value",
    ],
    run: Run::Read(results),
};

/// The status of the whole: of all instances together.
fn overall(sent: &FileSend) -> &'static str {
    let count = |status: &str| sent.runs.values().filter(|r| r.status == status).count();
    let good = count("Success");
    if count("Running") > 0 {
        "Running"
    } else if good == sent.runs.len() {
        "Success"
    } else if good > 0 {
        "PartialFailed"
    } else {
        "Failed"
    }
}

/// DescribeSendFileResults.
fn results(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (id, name) = (args.text("InvokeId"), args.text("Name"));
    let of = args.text("InstanceId");
    let status = args.word("InvocationStatus", FILE_STATUSES)?;
    let group = args.text("ResourceGroupId");
    let tags = args.pairs("Tag", "Key", "Value");
    let window = Window::of(args, 10, 1..=50)?;
    let found: Vec<&FileSend> = world
        .seen()
        .file_sends
        .values()
        .filter(|f| f.account_id == call.caller.account_id && f.region == call.region)
        .filter(|f| wanted(&id, &f.invoke_id) && wanted(&name, &f.name))
        .filter(|f| of.as_ref().is_none_or(|of| f.runs.contains_key(of)))
        .filter(|f| wanted(&status, overall(f)) && wanted(&group, &f.resource_group_id))
        .filter(|f| has_tags(&f.tags, &tags))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows.into_iter().map(row).collect();
    answer.insert("Invocations".into(), json!({ "Invocation": rows }));
    Ok(answer.into())
}

fn row(f: &FileSend) -> Value {
    let runs: Vec<Value> = f
        .runs
        .iter()
        .map(|(id, run)| {
            json!({
                "InstanceId": id,
                "InvocationStatus": run.status,
                "ErrorCode": run.error_code,
                "ErrorInfo": run.error_info,
                "CreationTime": seconds(f.created),
                "StartTime": seconds(run.started),
                "FinishTime": run.finished.map_or(String::new(), seconds),
                "UpdateTime": seconds(run.finished.unwrap_or(run.started)),
            })
        })
        .collect();
    json!({
        "InvokeId": f.invoke_id,
        "InvocationStatus": overall(f),
        "Name": f.name,
        "TargetDir": f.target_dir,
        "Description": f.description,
        "Content": f.content,
        "ContentType": f.content_type,
        "FileOwner": f.file_owner,
        "FileGroup": f.file_group,
        "FileMode": f.file_mode,
        "Overwrite": f.overwrite.to_string(),
        "VmCount": f.runs.len(),
        "CreationTime": seconds(f.created),
        "InvokeInstances": { "InvokeInstance": runs },
        "Tags": tag_rows(&f.tags),
    })
}
