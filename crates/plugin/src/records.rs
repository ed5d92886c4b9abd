//! `groups`, `leftovers` and `history`: what the operator remembers of scaling groups.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ess_rollout_api::v1alpha1::{Outcome, RunTrigger, ScalingGroupRecord};
use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::cli::{GroupsArgs, HistoryArgs, Output, RecordsArgs};
use crate::cluster::{Cluster, Failure};
use crate::exit::End;
use crate::kind::Kind;
use crate::object::{Object, View};
use crate::output;
use crate::screen::page::{Mood, age};
use crate::screen::table::{Row, table};
use crate::terminal::{print, style};

/// The records of these groups, of all if none is named.
///
/// # Errors
/// When they cannot be listed.
pub async fn records(
    cluster: &Cluster,
    args: &RecordsArgs,
    groups: &[String],
) -> Result<Vec<ScalingGroupRecord>> {
    let client = cluster.client().clone();
    let api: Api<ScalingGroupRecord> = match &args.operator_namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut params = ListParams::default();
    if let [group] = groups {
        params = params.fields(&format!("spec.scalingGroupId={group}"));
    }
    let mut records = Vec::new();
    let each = |record: ScalingGroupRecord| {
        if groups.is_empty() || groups.contains(&record.spec.scaling_group_id) {
            records.push(record);
        }
        Ok(())
    };
    let listed = cluster.list(&api, &params, each).await;
    listed.with_context(|| unreadable(args))?;
    Ok(records)
}

fn unreadable(args: &RecordsArgs) -> String {
    match &args.operator_namespace {
        Some(namespace) => format!("cannot list ScalingGroupRecords in {namespace}"),
        None => "cannot list ScalingGroupRecords in all namespaces (with --operator-namespace NAME it takes rights in that one alone)".to_owned(),
    }
}

/// Whether a failed list is for lack of rights: what else there is can be shown.
fn is_forbidden(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(Failure::is_forbidden)
}

fn named<T>(value: Option<T>) -> String
where
    T: ToString,
{
    value.map_or(String::new(), |value| value.to_string())
}

/// `groups`.
///
/// # Errors
/// When they cannot be listed, or nobody reads what is printed.
pub async fn groups(cluster: &Cluster, args: &GroupsArgs) -> Result<End> {
    let records = records(cluster, &args.records, &args.groups).await?;
    if let Some(form) = output::is_document(args.output.output) {
        output::list(records.iter().map(|record| json!(record)).collect(), form)?;
        return Ok(End::Wanted);
    }
    if args.output.output == Some(Output::Name) {
        let name = |record: &ScalingGroupRecord| {
            let name = named(record.metadata.name.as_ref());
            format!("scalinggrouprecord.{}/{name}", ess_rollout_api::GROUP)
        };
        print(&records.iter().map(name).collect::<Vec<_>>())?;
        return Ok(End::Wanted);
    }
    let now = Timestamp::now();
    let row = |record: &ScalingGroupRecord| {
        let status = record.status.clone().unwrap_or_default();
        let holder = status.holder.as_ref();
        let current = status.current.as_ref();
        let left = status.leftovers.iter().filter(|left| !left.kept).count();
        let mood = match (left > 0, holder.is_some()) {
            (true, _) => Mood::Bad,
            (false, true) => Mood::Moving,
            (false, false) => Mood::Good,
        };
        let cells = vec![
            record.spec.scaling_group_id.clone(),
            record.spec.region_id.clone(),
            named(holder.map(|of| format!("{} {}/{}", of.kind, of.namespace, of.name))),
            named(holder.map(|of| age(now, of.since.0))),
            named(current.map(|current| &current.what)),
            named(current.map(|current| age(now, current.time.0))),
            named(status.leftovers_summary),
        ];
        Row {
            mood: Some(mood),
            cells,
        }
    };
    let mut rows: Vec<Row> = records.iter().map(row).collect();
    rows.sort_by(|a, b| a.cells.cmp(&b.cells));
    if rows.is_empty() {
        eprintln!("no scaling group is on record");
        return Ok(End::Wanted);
    }
    let header = [
        "SCALING-GROUP",
        "REGION",
        "HOLDER",
        "FOR",
        "CURRENT",
        "SINCE",
        "LEFT",
    ];
    print(&table(&header, &rows, style(false)))?;
    Ok(End::Wanted)
}

/// `leftovers`.
///
/// # Errors
/// When they cannot be listed, or nobody reads what is printed.
pub async fn leftovers(cluster: &Cluster, args: &GroupsArgs) -> Result<End> {
    let records = records(cluster, &args.records, &args.groups).await?;
    let now = Timestamp::now();
    let (mut documents, mut rows, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for record in &records {
        let group = &record.spec.scaling_group_id;
        let status = record.status.clone().unwrap_or_default();
        let of_group = |mut document: Value| {
            document["scalingGroupId"] = json!(group);
            document["regionId"] = json!(record.spec.region_id);
            document
        };
        let let_go = status.runs.iter().filter(|run| run.let_go.is_some());
        for run in let_go {
            names.extend(run.execution_id.clone());
            // Looked for by its tag until its id is known.
            let execution = run.execution_id.as_deref().unwrap_or("not known yet");
            let by = format!("{}/{}", run.namespace, run.name);
            documents.push(of_group(json!({
                "kind": "Execution", "target": execution, "wanted": "ended", "letGo": run.let_go,
                "since": run.since, "by": by, "message": run.message,
            })));
            rows.push(Row {
                mood: Some(Mood::Bad),
                cells: vec![
                    group.clone(),
                    "Execution".to_owned(),
                    execution.to_owned(),
                    "ended".to_owned(),
                    String::new(),
                    age(now, run.since.0),
                    by,
                    run.message.clone(),
                ],
            });
        }
        for left in &status.leftovers {
            documents.push(of_group(json!(left)));
            names.push(left.target.clone());
            let on_purpose = if left.kept { "yes" } else { "" };
            rows.push(Row {
                mood: Some(if left.kept { Mood::Waiting } else { Mood::Bad }),
                cells: vec![
                    group.clone(),
                    format!("{:?}", left.kind),
                    left.target.clone(),
                    left.wanted.clone(),
                    on_purpose.to_owned(),
                    age(now, left.since.0),
                    left.by.clone(),
                    left.message.clone(),
                ],
            });
        }
    }
    match args.output.output {
        Some(form @ (Output::Json | Output::Yaml)) => output::list(documents, form)?,
        Some(Output::Name) => print(&names)?,
        Some(Output::Wide) | None if rows.is_empty() => eprintln!("nothing is left"),
        Some(Output::Wide) | None => {
            let header = [
                "SCALING-GROUP",
                "KIND",
                "TARGET",
                "TO-BE",
                "ON-PURPOSE",
                "FOR",
                "BY",
                "WHY",
            ];
            print(&table(&header, &rows, style(false)))?;
        }
    }
    Ok(End::Wanted)
}

/// One run on a group.
#[derive(Default)]
struct Run {
    time: Option<Timestamp>,
    end: Option<Timestamp>,
    by: String,
    what: String,
    state: String,
    progress: String,
    run_key: String,
    execution: String,
    people: Vec<String>,
}

/// `history`: the objects that are there, and of those that are gone what the record keeps.
///
/// # Errors
/// When nothing of it can be listed, or nobody reads what is printed.
pub async fn history(cluster: &Cluster, args: &HistoryArgs) -> Result<End> {
    let group = std::slice::from_ref(&args.group);
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    match records(cluster, &args.records, group).await {
        Ok(records) => of_records(&records, &mut runs),
        Err(error) if is_forbidden(&error) => {
            eprintln!("objects that are gone are not shown: {error:#}");
        }
        Err(error) => return Err(error),
    }
    of_objects(cluster, args, &mut runs).await?;
    let mut runs: Vec<Run> = runs.into_values().collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.time));
    shown(&runs, args)
}

fn of_records(records: &[ScalingGroupRecord], runs: &mut BTreeMap<String, Run>) {
    for record in records {
        for key in record.status.iter().flat_map(|status| &status.run_keys) {
            let execution = key.execution_id.clone().unwrap_or_default();
            let state = match (key.outcome, key.never_ran) {
                (Some(Outcome::Succeeded), _) => "Succeeded",
                (Some(Outcome::Failed), _) => "Failed",
                (Some(Outcome::Cancelled), _) => "Cancelled",
                (None, true) => "NeverRan",
                (None, false) => "",
            };
            let run = Run {
                time: Some(key.time.0),
                by: key.by.clone(),
                state: state.to_owned(),
                run_key: key.key.clone(),
                execution: execution.clone(),
                ..Run::default()
            };
            // The object itself, where it is there, says more.
            runs.insert(format!("{}#{}", key.by, key.uid), run);
        }
    }
}

async fn of_objects(
    cluster: &Cluster,
    args: &HistoryArgs,
    runs: &mut BTreeMap<String, Run>,
) -> Result<()> {
    let scope = cluster.scope(args.all_namespaces);
    let of_group = ListParams::default().fields(&format!("spec.scalingGroupId={}", args.group));
    for kind in Kind::ALL {
        // A rollback has the group of the task that it undoes, in its status: nothing to select by.
        let params = match kind {
            Kind::Task | Kind::ImageUpdate => of_group.clone(),
            Kind::Rollback => ListParams::default(),
        };
        let api = cluster.api(kind, scope);
        let each = |raw| {
            let object = Object::read(kind, raw)?;
            of_object(&object, &args.group, runs);
            Ok(())
        };
        let listed = cluster.list(&api, &params, each).await;
        listed.with_context(|| format!("cannot list {}s", kind.name()))?;
    }
    Ok(())
}

fn of_object(object: &Object, group: &str, runs: &mut BTreeMap<String, Run>) {
    let uid = object.metadata().uid.clone().unwrap_or_default();
    let by = format!("{}/{}", object.namespace(), object.argument());
    let name = object.metadata().name.clone().unwrap_or_default();
    let known = runs.remove(&format!("{}/{name}#{uid}", object.namespace()));
    let mut people: Vec<String> = object
        .actions()
        .iter()
        .map(|action| action.requested_by.clone())
        .filter(|by| !by.is_empty())
        .collect();
    people.sort();
    people.dedup();
    match &object.view {
        View::Rollout(rollout) if rollout.group.as_deref() == Some(group) => {
            let status = &rollout.status;
            let execution = status.execution.as_ref();
            let started = execution.and_then(|execution| execution.start_time.as_ref());
            let created = object.metadata().creation_timestamp.as_ref();
            let run = Run {
                time: started.or(created).map(|time| time.0),
                end: status.completion_time.as_ref().map(|time| time.0),
                by,
                what: rollout.what.clone(),
                state: object.state().to_owned(),
                progress: named(status.summary.as_ref().map(|of| &of.progress)),
                run_key: known.map(|known| known.run_key).unwrap_or_default(),
                execution: named(execution.map(|execution| &execution.id)),
                people,
            };
            runs.insert(format!("{uid}#"), run);
        }
        View::Rollout(_) => {}
        View::ImageUpdate(update) => {
            for ended in &update.status.history {
                let run = Run {
                    time: Some(ended.start_time.0),
                    end: Some(ended.end_time.0),
                    by: by.clone(),
                    what: format!(
                        "configuration image {}",
                        ended.image_id.as_deref().unwrap_or("none")
                    ),
                    state: format!("{:?}", ended.outcome),
                    execution: named(ended.execution_id.as_ref()),
                    // The others began by themselves.
                    people: match ended.trigger {
                        RunTrigger::RunNow => people.clone(),
                        RunTrigger::Now | RunTrigger::Schedule => Vec::new(),
                    },
                    ..Run::default()
                };
                runs.insert(format!("{uid}#{}", ended.number), run);
            }
        }
    }
}

fn shown(runs: &[Run], args: &HistoryArgs) -> Result<End> {
    let now = Timestamp::now();
    let took = |run: &Run| match (run.time, run.end) {
        (Some(start), Some(end)) => age(end, start),
        _ => String::new(),
    };
    match args.output.output {
        Some(form @ (Output::Json | Output::Yaml)) => {
            let document = |run: &Run| -> Value {
                json!({
                    "startTime": run.time, "completionTime": run.end, "object": run.by, "what": run.what,
                    "state": run.state, "progress": run.progress, "runKey": run.run_key,
                    "executionId": run.execution, "requestedBy": run.people,
                })
            };
            output::list(runs.iter().map(document).collect(), form)?;
        }
        Some(Output::Name) => {
            print(&runs.iter().map(|run| run.by.clone()).collect::<Vec<_>>())?;
        }
        Some(Output::Wide) | None if runs.is_empty() => {
            let hint = match args.all_namespaces {
                true => "",
                false => ": -A looks at objects of all namespaces",
            };
            eprintln!("nothing that was run on {} is known{hint}", args.group);
        }
        Some(Output::Wide) | None => {
            let row = |run: &Run| {
                let mood = match run.state.as_str() {
                    "Succeeded" => Mood::Good,
                    "Failed" => Mood::Bad,
                    "FailureSuspended" | "Blocked" => Mood::Bad,
                    "Cancelled" | "NeverRan" | "" => Mood::Waiting,
                    _ => Mood::Moving,
                };
                let cells = vec![
                    named(run.time.map(|time| age(now, time))),
                    took(run),
                    run.by.clone(),
                    run.what.clone(),
                    run.state.clone(),
                    run.progress.clone(),
                    run.execution.clone(),
                    run.run_key.clone(),
                    run.people.join(", "),
                ];
                Row {
                    mood: Some(mood),
                    cells,
                }
            };
            let header = [
                "AGO",
                "TOOK",
                "BY",
                "WHAT",
                "STATE",
                "UPDATED",
                "EXECUTION",
                "RUN-KEY",
                "ASKED",
            ];
            let rows: Vec<Row> = runs.iter().map(row).collect();
            print(&table(&header, &rows, style(false)))?;
        }
    }
    Ok(End::Wanted)
}
