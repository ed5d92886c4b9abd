//! Requests, and their verdicts.
//!
//! A request is one annotation, which the operator reads and answers in the ledger (`status.actions`). Another one of the same
//! verb takes the place of one that has not been read yet, so none is made while one stands.

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{Action, ActionState, InstanceState, PauseKind, Verb};
use ess_rollout_core::requests;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::{
    ApproveArgs, CancelArgs, ContinueArgs, DryRun, InstancesArgs, Output, OverrideWindowArgs,
    RequestArgs, RetryGateArgs, RunNowArgs,
};
use crate::cluster::{Cluster, Found};
use crate::exit::End;
use crate::kind::Kind;
use crate::object::Object;
use crate::output;
use crate::rollout::Rollout;
use crate::screen::requests::{key, named, word};
use crate::selection::selected;
use crate::terminal::print;
use crate::unfinished::Unfinished;

/// The reason of a request that was carried out on some of the instances that it named.
const PARTLY: &str = "PartlyApplied";
/// What updates are.
const UPDATES: [Kind; 2] = [Kind::Task, Kind::Rollback];

/// What makes a value another one than that of an earlier request.
fn nonce() -> String {
    Timestamp::now().as_millisecond().to_string()
}

fn of_update(object: &Object) -> Result<&Rollout> {
    object
        .rollout()
        .with_context(|| format!("{} is no update", object.argument()))
}

fn has_failed(rollout: &Rollout) -> bool {
    let mut instances = rollout.status.instances.iter();
    instances.any(|instance| instance.state == InstanceState::Failed)
}

/// `continue`.
///
/// # Errors
/// When it is in no pause that a request can leave, or it cannot be asked.
pub async fn leave_pause(cluster: &Cluster, args: &ContinueArgs) -> Result<End> {
    let fits = |object: &Object| {
        object.rollout().is_some_and(|of| {
            let pause = of.status.pause.as_ref();
            let is_of_batch = pause.is_some_and(|pause| pause.kind == PauseKind::Batch);
            is_of_batch && (of.is_paused() || of.is_held())
        })
    };
    let all = selected(cluster, &args.request, &UPDATES, "continue", fits).await?;
    let value = |object: &Object| {
        let rollout = of_update(object)?;
        let pause = rollout.status.pause.as_ref();
        let Some(pause) = pause.filter(|_| rollout.is_paused() || rollout.is_held()) else {
            bail!(
                "{} is in no pause: it is {}",
                rollout.argument(),
                rollout.state()
            );
        };
        let argument = rollout.argument();
        let go_on = rollout.next_commands().join(", or ");
        ensure!(
            pause.kind == PauseKind::Batch,
            "{argument} waits for something else than a word to continue: {}",
            if go_on.is_empty() {
                &pause.message
            } else {
                &go_on
            }
        );
        let id = args.pause.unwrap_or(pause.id);
        Ok(format!("{id}@{}", nonce()))
    };
    make_all(cluster, &all, &args.request, Verb::Continue, value).await
}

/// `retry`, `skip` and `cancel-instances`.
///
/// # Errors
/// When it names an instance that takes no part, or it cannot be asked.
pub async fn of_instances(cluster: &Cluster, verb: Verb, args: &InstancesArgs) -> Result<End> {
    let fits = |object: &Object| {
        let failed = object.rollout().is_some_and(has_failed);
        object.end().is_none() && (failed || args.batch.is_some() || args.task.is_some())
    };
    let all = selected(cluster, &args.request, &UPDATES, word(verb), fits).await?;
    let value = |object: &Object| {
        Ok(format!(
            "{}@{}",
            targets(of_update(object)?, args)?,
            nonce()
        ))
    };
    make_all(cluster, &all, &args.request, verb, value).await
}

fn targets(rollout: &Rollout, args: &InstancesArgs) -> Result<String> {
    if let Some(batch) = args.batch {
        return Ok(format!("batch-{batch}"));
    }
    if let Some(task) = &args.task {
        return Ok(format!("task:{task}"));
    }
    if args.instances.is_empty() {
        let argument = rollout.argument();
        ensure!(has_failed(rollout), "no instance of {argument} has failed");
        return Ok("failed".to_owned());
    }
    let all = &rollout.status.instances;
    let of = |named: &String| {
        // With the attempt that is seen here: what has been retried meanwhile is not meant.
        let known = all.iter().find(|instance| instance.id == *named);
        match known.map(|instance| instance.attempt) {
            Some(attempt) if attempt > 0 => format!("{named}/{attempt}"),
            _ => named.clone(),
        }
    };
    Ok(args.instances.iter().map(of).collect::<Vec<_>>().join(","))
}

/// `cancel`.
///
/// # Errors
/// When it has ended, or it cannot be asked.
pub async fn cancel(cluster: &Cluster, args: &CancelArgs) -> Result<End> {
    let fits = |object: &Object| object.end().is_none();
    let all = selected(cluster, &args.request, &Kind::ALL, "cancel", fits).await?;
    let value = |object: &Object| {
        let (argument, state) = (object.argument(), object.state());
        ensure!(
            object.end().is_none(),
            "{argument} has ended: it is {state}"
        );
        Ok(nonce())
    };
    make_all(cluster, &all, &args.request, Verb::Cancel, value).await
}

/// `run-now`.
///
/// # Errors
/// When it cannot be asked.
pub async fn run_now(cluster: &Cluster, args: &RunNowArgs) -> Result<End> {
    let name = args.request.name.as_deref();
    // It is for nothing else, so the name alone says it.
    let name = name.map(|name| match name.contains('/') {
        true => name.to_owned(),
        false => format!("image/{name}"),
    });
    let request = RequestArgs {
        name,
        ..args.request.clone()
    };
    let all = selected(cluster, &request, &[Kind::ImageUpdate], "run-now", |_| true).await?;
    make_all(cluster, &all, &request, Verb::RunNow, |_| Ok(nonce())).await
}

/// `retry-gate`.
///
/// # Errors
/// When no check holds it, or it cannot be asked.
pub async fn retry_gate(cluster: &Cluster, args: &RetryGateArgs) -> Result<End> {
    let request = &args.request;
    let fits = |object: &Object| object.rollout().is_some_and(Rollout::is_held_by_checks);
    let all = selected(cluster, request, &UPDATES, word(Verb::RetryGate), fits).await?;
    let value = |object: &Object| {
        let rollout = of_update(object)?;
        ensure!(
            rollout.is_held_by_checks(),
            "no check holds {}: it is {}",
            rollout.argument(),
            rollout.state()
        );
        Ok(nonce())
    };
    make_all(cluster, &all, request, Verb::RetryGate, value).await
}

/// `override-window`.
///
/// # Errors
/// When it has ended, or it cannot be asked.
pub async fn override_window(cluster: &Cluster, args: &OverrideWindowArgs) -> Result<End> {
    let request = &args.request;
    // An image update has runs to come.
    let over = |object: &Object| object.end().is_some() && object.rollout().is_some();
    let fits = |object: &Object| !over(object);
    let verb = Verb::OverrideWindow;
    let all = selected(cluster, request, &Kind::ALL, word(verb), fits).await?;
    ensure!(
        !args.windows.iter().any(|window| window == "all"),
        "all of them are meant where none is named; a MaintenanceWindow of that name is NAMESPACE/all"
    );
    let windows = match args.windows.as_slice() {
        [] => "all".to_owned(),
        windows => windows.join(","),
    };
    let value = |object: &Object| {
        let (argument, state) = (object.argument(), object.state());
        ensure!(!over(object), "{argument} has ended: it is {state}");
        Ok(format!("{windows}@{}", nonce()))
    };
    make_all(cluster, &all, request, verb, value).await
}

/// `approve`: raises `spec.approvedBatches`, which is no annotation, and has its verdict once the operator has seen it.
///
/// # Errors
/// When it has ended, or it cannot be asked.
pub async fn approve(cluster: &Cluster, args: &ApproveArgs) -> Result<End> {
    let level = args.up_to;
    let request = &args.request;
    ensure!(
        request.note.is_none() && request.expires.is_none() && !request.replace,
        "approve changes a field of the spec, which keeps no note and does not expire: leave --message, --expires and --replace out, or use continue"
    );
    let fits = |object: &Object| {
        let seen = object.rollout().map_or(0, approved);
        object.end().is_none() && seen < level
    };
    let all = selected(cluster, &args.request, &UPDATES, "approve", fits).await?;
    let mut ends = Vec::new();
    for found in &all {
        let done = raise(found, args).await;
        ends.push(settle(done, all.len())?);
    }
    Ok(worst(ends))
}

fn approved(rollout: &Rollout) -> i32 {
    let seen = rollout.status.latched.as_ref();
    let seen = seen.map_or(0, |latched| latched.approved_batches);
    seen.max(rollout.policy.approved_batches.unwrap_or(0))
}

async fn raise(found: &Found<'_>, args: &ApproveArgs) -> Result<End> {
    let (level, request) = (args.up_to, &args.request);
    let patch = |object: &Object| {
        let rollout = of_update(object)?;
        let (argument, before) = (rollout.argument(), approved(rollout));
        let state = rollout.state();
        ensure!(
            rollout.end().is_none(),
            "{argument} has ended: it is {state}"
        );
        refuse_if_standing(object)?;
        ensure!(
            before <= level,
            "{argument} is approved up to batch {before} already, and that cannot be taken back"
        );
        Ok((json!({"spec": {"approvedBatches": level}}), argument))
    };
    let (argument, _) = found.change(request.dry_run, patch).await?;
    let up_to = match level {
        101 => "the end".to_owned(),
        batch => format!("batch {batch}"),
    };
    let what = format!("approve {argument} up to {up_to}");
    if request.dry_run != DryRun::None || request.timeout.is_zero() {
        print(&[format!("{what}{}", begun(request))])?;
        return Ok(End::Wanted);
    }
    let mut standing = stands(&what);
    let seen = async {
        let mut changes = found.follow();
        loop {
            let object = changes.next_seen().await?;
            let latched = of_update(&object)?.status.latched.as_ref();
            if latched.is_some_and(|of| of.approved_batches >= level) {
                standing.is_over();
                print(&[format!("{what}: Applied")])?;
                return Ok(End::Wanted);
            }
            let state = object.state();
            ensure!(
                object.end().is_none(),
                "{argument} has ended: it is {state}"
            );
        }
    };
    within(request, found, seen).await
}

/// What is said of something that has been asked for, or would have been.
fn begun(args: &RequestArgs) -> &'static str {
    match args.dry_run {
        DryRun::None => " is asked for",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    }
}

/// Makes a request of each of these objects; each has a verdict of its own.
async fn make_all(
    cluster: &Cluster,
    all: &[Found<'_>],
    args: &RequestArgs,
    verb: Verb,
    value: impl Fn(&Object) -> Result<String>,
) -> Result<End> {
    let user = cluster.user().await;
    let mut made = Vec::new();
    let mut ends = Vec::new();
    for found in all {
        match make(found, args, verb, user.as_deref(), &value).await {
            Ok(Some(request)) => made.push((found, request)),
            Ok(None) => ends.push(End::Wanted),
            Err(error) => ends.push(settle(Err(error), all.len())?),
        }
    }
    // Not one after the other: each may take as long as `--timeout`.
    let verdicts = made.iter().map(|(found, (argument, id))| {
        let what = format!("{} of {argument}", word(verb));
        within(
            args,
            found,
            verdict(found, (argument, id), what, args.output.output),
        )
    });
    for end in futures::future::join_all(verdicts).await {
        ends.push(settle(end, all.len())?);
    }
    Ok(worst(ends))
}

/// Of one object among many an error does not end the others.
fn settle(end: Result<End>, of: usize) -> Result<End> {
    match end {
        Err(error) if of > 1 && !crate::exit::pipe_is_closed(&error) => {
            eprintln!("error: {error:#}");
            Ok(End::Error)
        }
        end => end,
    }
}

/// What a script has to know of many ends.
fn worst(ends: Vec<End>) -> End {
    let order = [End::Error, End::Rejected, End::TimedOut];
    let found = order.into_iter().find(|end| ends.contains(end));
    found.unwrap_or(End::Wanted)
}

/// Makes a request whose value follows from how the object is: what it is known by, and the id of its entry in the ledger, where
/// that is waited for.
async fn make(
    found: &Found<'_>,
    args: &RequestArgs,
    verb: Verb,
    user: Option<&str>,
    value: impl Fn(&Object) -> Result<String>,
) -> Result<Option<(String, String)>> {
    let change = |object: &Object| {
        let taken_back = match args.replace || has_expired(object) {
            true => object.standing(),
            false => {
                refuse_if_standing(object)?;
                Vec::new()
            }
        };
        let value = value(object)?;
        let argument = match args.all_namespaces {
            true => format!("{}/{}", object.namespace(), object.argument()),
            false => object.argument(),
        };
        let patch = patch((verb, &value), &taken_back, user, args);
        Ok((patch, (argument, value)))
    };
    let ((argument, value), _) = found.change(args.dry_run, change).await?;
    let what = format!("{} of {argument}", word(verb));
    match (args.dry_run, args.timeout.is_zero()) {
        (DryRun::None, false) => {
            return Ok(Some((argument, requests::action_id(verb, &value))));
        }
        (DryRun::None, true) => print(&[format!("{what}{}", begun(args))])?,
        _ => print(&[format!("{what}: {}={value}{}", key(verb), begun(args))])?,
    }
    Ok(None)
}

/// Another request would take the place of one that has not been read, or go under its name.
fn refuse_if_standing(object: &Object) -> Result<()> {
    let standing: Vec<&str> = object.standing().into_iter().map(word).collect();
    let annotations = object.metadata().annotations.as_ref();
    let by = annotations.and_then(|all| all.get(keys::REQUESTED_BY));
    let by = by.map_or(String::new(), |by| format!(" by {by}"));
    ensure!(
        standing.is_empty(),
        "the operator has not read what was last asked of {}{by} yet ({}): is it running? --replace takes that back",
        object.argument(),
        standing.join(", ")
    );
    Ok(())
}

/// Whether what stands can only be rejected.
fn has_expired(object: &Object) -> bool {
    let annotations = object.metadata().annotations.as_ref();
    let expires = annotations.and_then(|all| all.get(keys::REQUEST_EXPIRES));
    let expires = expires.and_then(|time| time.parse::<Timestamp>().ok());
    expires.is_some_and(|expires| expires < Timestamp::now())
}

/// What is said when somebody does not wait for the verdict.
fn stands(what: &str) -> Unfinished {
    Unfinished::new(format!("{what} is asked for, and stands"))
}

/// What is written. Name, note and time of an earlier request go.
fn patch(
    (verb, value): (Verb, &str),
    taken_back: &[Verb],
    user: Option<&str>,
    args: &RequestArgs,
) -> Value {
    let expires = args.expires.map(|time| {
        let time = Timestamp::now().saturating_add(time);
        time.unwrap_or(Timestamp::MAX)
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    });
    let mut annotations = json!({
        keys::REQUESTED_BY: user,
        keys::REQUEST_NOTE: args.note,
        keys::REQUEST_EXPIRES: expires,
    });
    for verb in taken_back {
        annotations[key(*verb)] = Value::Null;
    }
    annotations[key(verb)] = json!(value);
    json!({"metadata": {"annotations": annotations}})
}

/// Waits as long as it may take, at most; 0: not at all.
async fn within(
    args: &RequestArgs,
    found: &Found<'_>,
    verdict: impl Future<Output = Result<End>>,
) -> Result<End> {
    if args.timeout.is_zero() {
        return Ok(End::Wanted);
    }
    match tokio::time::timeout(args.timeout, verdict).await {
        Ok(verdict) => verdict,
        Err(_) => {
            eprintln!(
                "no verdict within {} s: see kubectl ess-rollout status {} -n {}",
                args.timeout.as_secs(),
                found.target().argument(),
                found.namespace()
            );
            Ok(End::TimedOut)
        }
    }
}

/// Waits until the operator has settled a request, and says how.
async fn verdict(
    found: &Found<'_>,
    (argument, id): (&str, &str),
    what: String,
    output: Option<Output>,
) -> Result<End> {
    let mut standing = stands(&what);
    let mut changes = found.follow();
    loop {
        let object = changes.next_seen().await?;
        let mut actions = object.actions().iter();
        let Some(action) = actions.find(|action| action.id == id) else {
            continue;
        };
        let end = match action.state {
            ActionState::Accepted => continue,
            // What was asked for has not been done to all that were named.
            ActionState::Applied if action.reason == PARTLY => End::Rejected,
            ActionState::Applied => End::Wanted,
            ActionState::Rejected => End::Rejected,
        };
        standing.is_over();
        match (output::is_document(output), output) {
            (Some(form), _) => output::next_document(&json!(action), form)?,
            (None, Some(Output::Name)) => print(&[object.target().qualified()])?,
            (None, _) => print(&[said(argument, action)])?,
        }
        return Ok(end);
    }
}

fn said(argument: &str, action: &Action) -> String {
    let mut what = vec![word(action.verb)];
    what.extend(action.targets.iter().map(|target| named(target)));
    let said = [action.reason.as_str(), action.message.as_str()];
    let said = said.into_iter().filter(|text| !text.is_empty());
    let said = said.collect::<Vec<_>>().join(": ");
    let (what, state) = (what.join(" "), action.state);
    format!("{argument}: {what}: {state:?}: {said}")
}
