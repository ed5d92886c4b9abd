//! `events`: what was told of an object.

use anyhow::{Context, Result};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::cli::{EventsArgs, Output};
use crate::cluster::{Cluster, Found};
use crate::exit::End;
use crate::output;
use crate::screen::page::{Mood, age, printable};
use crate::screen::table::{Row, table};
use crate::terminal::{print, style};

fn selector(found: &Found<'_>) -> String {
    let target = found.target();
    format!(
        "involvedObject.kind={},involvedObject.name={}",
        target.kind.name(),
        target.name
    )
}

fn time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    let series = series.and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|time| time.0)
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0))
}

/// The Events of an object, the oldest first.
///
/// # Errors
/// When they cannot be listed.
pub async fn events(cluster: &Cluster, found: &Found<'_>) -> Result<Vec<Event>> {
    let api: Api<Event> = Api::namespaced(cluster.client().clone(), found.namespace());
    let params = ListParams::default().fields(&selector(found));
    let events = cluster.call(api.list(&params)).await;
    let events = events.with_context(|| {
        let (target, namespace) = (found.target(), found.namespace());
        format!("cannot list the Events of the {target} in {namespace}")
    })?;
    let mut events = events.items;
    events.sort_by_key(time);
    Ok(events)
}

fn row(event: &Event, now: Timestamp) -> Row {
    let count = event.series.as_ref().and_then(|series| series.count);
    let count = count.or(event.count).filter(|count| *count > 1);
    let warns = event.type_.as_deref() == Some("Warning");
    Row {
        mood: Some(if warns { Mood::Bad } else { Mood::Quiet }),
        cells: vec![
            time(event).map_or(String::new(), |time| age(now, time)),
            count.map_or(String::new(), |count| format!("{count}x")),
            event.reason.clone().unwrap_or_default(),
            event.action.clone().unwrap_or_default(),
            event.message.clone().unwrap_or_default(),
        ],
    }
}

/// Prints them.
///
/// # Errors
/// When they cannot be read, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &EventsArgs) -> Result<End> {
    let found = cluster.named(&args.named.name)?;
    let events = events(cluster, &found).await?;
    if events.is_empty() {
        // No Events of what is not there are no answer.
        found.get().await?;
    }
    if args.watch {
        return watch(cluster, &found, args.output.output).await;
    }
    match args.output.output {
        Some(form @ (Output::Json | Output::Yaml)) => {
            output::list(events.iter().map(|event| json!(event)).collect(), form)?;
        }
        Some(Output::Name) => {
            let name = |event: &Event| {
                format!(
                    "event/{}",
                    event.metadata.name.as_deref().unwrap_or_default()
                )
            };
            print(&events.iter().map(name).collect::<Vec<_>>())?;
        }
        Some(Output::Wide) | None if events.is_empty() => {
            eprintln!("no Events: the apiserver keeps them for an hour by default");
        }
        Some(Output::Wide) | None => {
            let now = Timestamp::now();
            let rows: Vec<Row> = events.iter().map(|event| row(event, now)).collect();
            let header = ["AGO", "", "REASON", "ACTION", "MESSAGE"];
            print(&table(&header, &rows, style(false)))?;
        }
    }
    Ok(End::Wanted)
}

async fn watch(cluster: &Cluster, found: &Found<'_>, form: Option<Output>) -> Result<End> {
    let api: Api<Event> = Api::namespaced(cluster.client().clone(), found.namespace());
    let config = watcher::Config::default().fields(&selector(found));
    let events = watcher(api, config).default_backoff().applied_objects();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        // What failed is tried again; the list before has shown that it may be read.
        let Ok(event) = event else { continue };
        match output::is_document(form) {
            Some(form) => output::next_document(&json!(event), form)?,
            None => {
                let row = row(&event, Timestamp::now());
                // It is read later: when, and not how long ago.
                let when = time(&event).map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
                let cells = row
                    .cells
                    .into_iter()
                    .skip(1)
                    .filter(|cell| !cell.is_empty());
                let cells: Vec<String> = when.into_iter().chain(cells).collect();
                print(&[printable(&cells.join("  "))])?;
            }
        }
    }
    Ok(End::Wanted)
}
