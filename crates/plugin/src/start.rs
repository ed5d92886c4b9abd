//! `plan`, `run` and `rollback`: what is created or started, and then looked at.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{DesiredState, condition};
use jiff::Timestamp;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::{Map, Value, json};

use crate::cli::{DryRun, FollowArgs, PlanArgs, RollbackArgs, RunArgs};
use crate::cluster::{Cluster, Found, Scope};
use crate::conditions;
use crate::exit::End;
use crate::kind::{Kind, Target, api_version};
use crate::manifest::{self, Manifest};
use crate::object::{Object, document};
use crate::output;
use crate::rollout::Rollout;
use crate::screen::{plan, screen};
use crate::status;
use crate::terminal::{print, style};
use crate::unfinished::Unfinished;

/// `plan`.
///
/// # Errors
/// When it cannot be created or read, or is not planned.
pub async fn plan(cluster: &Cluster, flag: Option<&str>, args: &PlanArgs) -> Result<End> {
    let (found, created) = match (&args.of.file, &args.of.name) {
        (Some(file), _) => planned(cluster, flag, file).await?,
        (None, name) => (cluster.named(name.as_deref().unwrap_or_default())?, false),
    };
    let is_left = (args.rm && created).then(|| {
        let (target, namespace) = (found.target(), found.namespace());
        Unfinished::new(format!("the {target} in {namespace} is left, planned"))
    });
    let shown = show_plan(&found, args).await;
    if let Some(mut left) = is_left {
        let scope = Scope::Namespace(found.namespace());
        let target = found.target();
        let api = cluster.api(target.kind, scope);
        let params = DeleteParams::default();
        let deleted = cluster.call(api.delete(&target.name, &params)).await;
        deleted.with_context(|| format!("cannot delete the {target} again"))?;
        left.is_over();
    }
    shown
}

/// Creates it, so that it is planned and nothing more; whether it was not there yet.
async fn planned<'c>(
    cluster: &'c Cluster,
    flag: Option<&str>,
    file: &Path,
) -> Result<(Found<'c>, bool)> {
    let mut manifest = manifest::read_one(file)?;
    let kind = manifest.kind;
    ensure!(
        kind != Kind::ImageUpdate,
        "an ImageUpdateTask has no batches to plan"
    );
    let namespace = manifest.namespace(cluster, flag)?.to_owned();
    let name = manifest.name().to_owned();
    let found = cluster.found(&namespace, Target { kind, name });
    match found.raw().await {
        Ok(_) => {
            let object = found.get().await?;
            let state = object.state();
            let is_plan = object.rollout().is_some_and(is_planned);
            ensure!(
                is_plan,
                "the {} is there already, and it is {state}: kubectl ess-rollout diff shows what differs",
                found.target()
            );
            eprintln!(
                "the {} is planned already: this is its plan",
                found.target()
            );
            return Ok((found, false));
        }
        Err(failure) if failure.is_not_found() => {}
        Err(failure) => {
            return Err(failure).with_context(|| format!("cannot read the {}", found.target()));
        }
    }
    set(
        &mut manifest.object,
        "desiredState",
        json!(DesiredState::Plan),
    );
    create(cluster, &namespace, manifest, DryRun::None).await?;
    Ok((found, true))
}

fn is_planned(rollout: &Rollout) -> bool {
    rollout.policy.desired_state == DesiredState::Plan && rollout.status.result.is_none()
}

/// Whether the operator has said what it thinks of it as it is now: it may start, or something stands against it, if only that
/// somebody else has the group.
fn is_judged(object: &Object, rollout: &Rollout) -> bool {
    let seen = rollout.status.observed_generation == object.metadata().generation;
    let ready = conditions::condition(&rollout.status.conditions, condition::READY);
    seen && ready.is_some_and(|ready| ready.reason != "Accepted")
}

async fn show_plan(found: &Found<'_>, args: &PlanArgs) -> Result<End> {
    let mut object = found.get().await?;
    let argument = object.argument();
    let judged = async {
        let mut changes = found.follow();
        loop {
            let Some(rollout) = object.rollout() else {
                bail!("{argument} has no batches to plan");
            };
            if rollout.status.plan.is_some() || is_judged(&object, rollout) {
                return Ok(object);
            }
            object = changes.next_seen().await?;
        }
    };
    let Ok(judged) = tokio::time::timeout(args.timeout, judged).await else {
        eprintln!(
            "the operator has not planned it within {} s: is it running?",
            args.timeout.as_secs()
        );
        return Ok(End::TimedOut);
    };
    let object = judged?;
    if let Some(form) = output::is_document(args.output.output) {
        let plan = object.rollout().map(|of| json!(of.status.plan));
        output::document(&plan.unwrap_or_default(), form)?;
    } else {
        let (now, style) = (Timestamp::now(), style(args.verbose));
        let mut lines = screen(&object, now, style);
        if let Some(rollout) = object.rollout() {
            // The batches are those of the plan, with names.
            lines.retain(|line| !is_batch(line));
            lines.extend(plan::screen(rollout, now, style));
        }
        print(&lines)?;
    }
    // What could not start is no plan: a script has to know.
    let status = object.rollout().map(|of| &of.status);
    let preflight = status.and_then(|status| {
        let all = &status.conditions;
        conditions::condition(all, condition::PREFLIGHT)
    });
    let fails = preflight.is_some_and(|preflight| preflight.status == "False");
    let has_plan = status.is_some_and(|status| status.plan.is_some());
    Ok(match has_plan && !fails {
        true => End::Wanted,
        false => End::Failed,
    })
}

fn is_batch(line: &str) -> bool {
    ["├─", "└─", "|-", "`-"]
        .iter()
        .any(|branch| line.starts_with(branch))
}

/// `run`.
///
/// # Errors
/// When it cannot be created or started, or it cannot be followed.
pub async fn run(cluster: &Cluster, flag: Option<&str>, args: &RunArgs) -> Result<End> {
    let Some(file) = &args.of.file else {
        let found = cluster.named(args.of.name.as_deref().unwrap_or_default())?;
        return release(&found, &args.follow).await;
    };
    let manifest = manifest::read_one(file)?;
    let (kind, name) = (manifest.kind, manifest.name().to_owned());
    let namespace = manifest.namespace(cluster, flag)?.to_owned();
    let found = cluster.found(&namespace, Target { kind, name });
    let object = create(cluster, &namespace, manifest, args.follow.dry_run).await?;
    begun(&found, &object, "created", &args.follow).await
}

/// Starts what is planned.
async fn release(found: &Found<'_>, args: &FollowArgs) -> Result<End> {
    let patch = |object: &Object| {
        let argument = object.argument();
        let Some(rollout) = object.rollout() else {
            bail!(
                "{argument} is not planned: kubectl ess-rollout run-now {argument} has it make a run"
            );
        };
        ensure!(
            is_planned(rollout),
            "{argument} is not planned: it is {}",
            rollout.state()
        );
        Ok((json!({"spec": {"desiredState": DesiredState::Run}}), ()))
    };
    let ((), raw) = found.change(args.dry_run, patch).await?;
    begun(found, &raw, "started", args).await
}

/// `rollback`.
///
/// # Errors
/// When there is no such task, or it cannot be created or followed.
pub async fn rollback(cluster: &Cluster, args: &RollbackArgs) -> Result<End> {
    let of = cluster.named(&args.name)?;
    ensure!(
        of.target().kind == Kind::Task,
        "{}: what is undone is a RollingUpdateTask",
        args.name
    );
    let object = of.get().await?;
    let task = of.target().name.clone();
    if let Some(rollout) = object.rollout() {
        ensure!(
            rollout.status.execution.is_some(),
            "{task} has started nothing that could be undone: it is {}",
            rollout.state()
        );
        if let Some(undo) = &rollout.status.rolled_back_by {
            bail!(
                "{task} is rolled back already, by rollback/{}: to go forward again apply a new update",
                undo.name
            );
        }
    }
    let name = args.rollback_name.clone();
    let name = name.unwrap_or_else(|| format!("{task}-undo"));
    let mut spec = Map::new();
    spec.insert("taskRef".to_owned(), json!({"name": task}));
    if let Some(image) = &args.to_image {
        spec.insert("to".to_owned(), json!({"imageId": image}));
    }
    if let Some(version) = &args.to_version {
        spec.insert("to".to_owned(), json!({"packageVersion": version}));
    }
    if let Some(file) = &args.to_script {
        let script = std::fs::read_to_string(file);
        let script = script.with_context(|| format!("cannot read {}", file.display()))?;
        spec.insert("to".to_owned(), json!({"script": {"inline": script}}));
    }
    if args.all_in_service {
        spec.insert("scope".to_owned(), json!("AllInService"));
    }
    if args.plan {
        spec.insert("desiredState".to_owned(), json!(DesiredState::Plan));
    }
    match (args.batches, object.rollout().map(|of| &of.policy)) {
        (Some(batches), _) => {
            spec.insert("batches".to_owned(), json!(batches));
        }
        (None, Some(policy)) => {
            let of_task = [
                ("batches", json!(policy.batches)),
                ("batchSize", json!(policy.batch_size)),
            ];
            let given = of_task.into_iter().filter(|(_, value)| !value.is_null());
            spec.extend(given.map(|(key, value)| (key.to_owned(), value)));
        }
        (None, None) => {}
    }
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": api_version(), "kind": Kind::Rollback.name(),
        "metadata": {"name": name}, "spec": spec,
    }))?;
    let kind = Kind::Rollback;
    let namespace = of.namespace().to_owned();
    let manifest = Manifest { kind, object };
    let object = create(cluster, &namespace, manifest, args.follow.dry_run).await?;
    let found = cluster.found(&namespace, Target { kind, name });
    begun(&found, &object, "created", &args.follow).await
}

/// Says that it has begun, and follows it.
async fn begun(
    found: &Found<'_>,
    object: &DynamicObject,
    what: &str,
    args: &FollowArgs,
) -> Result<End> {
    let dry = match args.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let comes_back = args.no_follow || args.dry_run != DryRun::None;
    match output::is_document(args.output.output) {
        Some(form) if comes_back => output::document(&document(object), form)?,
        Some(_) => {}
        None => print(&[format!("{} is {what}{dry}", found.target().argument())])?,
    }
    if comes_back {
        return Ok(End::Wanted);
    }
    status::follow(found, args.verbose, args.output.output).await
}

async fn create(
    cluster: &Cluster,
    namespace: &str,
    manifest: Manifest,
    dry_run: DryRun,
) -> Result<DynamicObject> {
    let Manifest { kind, mut object } = manifest;
    // For the rule of four eyes. A policy that is in force sees to it that nobody writes another name.
    if let Some(user) = cluster.user().await {
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.insert(keys::CREATED_BY.to_owned(), user);
    }
    if dry_run == DryRun::Client {
        return Ok(object);
    }
    let created = cluster.create(namespace, &object, kind, dry_run).await;
    let cure = match &created {
        Err(failure) if failure.is_conflict() && kind == Kind::Rollback => {
            " (--rollback-name gives it another name)"
        }
        Err(failure) if failure.is_conflict() => {
            " (kubectl ess-rollout run NAME starts one that is planned)"
        }
        _ => "",
    };
    created.with_context(|| {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        format!(
            "cannot create the {} {name} in {namespace}{cure}",
            kind.name()
        )
    })
}

fn set(object: &mut DynamicObject, field: &str, value: Value) {
    if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert(field.to_owned(), value);
    }
}
