//! The watches: what changed goes into the index and the queue, nothing else.

use std::{fmt::Debug, sync::Arc};

use futures::StreamExt;
use kube::{
    Api, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use crate::{
    kubernetes::ObjectKey,
    runtime::{dispatcher::Triggers, health::Readiness, shutdown::Shutdown, telemetry::chain},
    tasks::{Change, Leftovers, ObjectView, RecordView, TaskIndex, Viewed},
};

/// Objects per page of the first list. A task's status can hold a thousand instances, and a page
/// is in memory at once.
const PAGE: u32 = 50;

/// Everything that a watch feeds.
#[derive(Clone)]
pub struct Feed {
    /// The index of tasks.
    pub tasks: Arc<TaskIndex>,
    /// What the records list as left.
    pub leftovers: Arc<Leftovers>,
    /// The queue of passes.
    pub triggers: Arc<Triggers<ObjectKey>>,
    /// Where the first complete list is reported.
    pub readiness: Arc<Readiness>,
}

/// Watches the objects of one kind until the word to stop. `source` tells the watches of kinds and
/// namespaces apart.
pub async fn objects<K>(
    api: Api<DeserializeGuard<ObjectView<K>>>,
    source: usize,
    gate: String,
    feed: Feed,
    shutdown: Shutdown,
) where
    K: Viewed + Debug + Clone + 'static,
{
    follow(api, &gate, &feed.readiness, shutdown, |event| {
        for change in feed.tasks.apply(source, event) {
            match change {
                Change::Present(key, version) => feed.triggers.changed(key, version),
                Change::Concerns(key) => feed.triggers.trigger(key),
                Change::Gone(key) => feed.triggers.forget(&key),
            }
        }
    })
    .await;
}

/// Watches records until the word to stop: a group that becomes free, or something that is left to
/// put back, concerns every unfinished task of that group.
pub async fn records(
    api: Api<DeserializeGuard<RecordView>>,
    gate: String,
    feed: Feed,
    shutdown: Shutdown,
) {
    let touched = |record: RecordView| {
        let (region, group) = record.group();
        for key in feed.tasks.unfinished_of(region, group) {
            feed.triggers.changed(key, record.version().to_owned());
        }
    };
    follow(api, &gate, &feed.readiness, shutdown, |event| {
        feed.leftovers.apply(&event);
        match event {
            Event::Init | Event::InitDone => {}
            // A list that is made again may hold what happened while nobody watched.
            Event::InitApply(record) | Event::Apply(record) | Event::Delete(record) => {
                touched(record);
            }
        }
    })
    .await;
}

async fn follow<K>(
    api: Api<DeserializeGuard<K>>,
    gate: &str,
    readiness: &Readiness,
    mut shutdown: Shutdown,
    mut take: impl FnMut(Event<K>),
) where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    readiness.waiting(gate, "the first list has not come in");
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = shutdown.wait() => return,
        };
        match event {
            None => return,
            Some(Err(error)) => {
                let reason = explain::<K>(&error);
                tracing::warn!(gate, error = reason, "watch failed, trying again");
                readiness.waiting(gate, reason);
            }
            Some(Ok(event)) => {
                let complete = matches!(event, Event::InitDone);
                if let Some(event) = decoded(event) {
                    take(event);
                }
                if complete {
                    readiness.open(gate);
                }
            }
        }
    }
}

/// Drops what cannot be decoded: one such object must not stop the others.
fn decoded<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            tracing::warn!(
                kind = %K::kind(&()),
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = invalid.error,
                "object cannot be decoded and is left alone"
            );
            None
        }
    };
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(guard) => Event::InitApply(open(guard)?),
        Event::Apply(guard) => Event::Apply(open(guard)?),
        Event::Delete(guard) => Event::Delete(open(guard)?),
    })
}

fn explain<K: Resource<DynamicType = ()>>(error: &watcher::Error) -> String {
    let absent = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            // The answer for an unknown path is plain text, so there is no reason to go by.
            status.code == 404
        }
        _ => false,
    };
    if absent {
        return format!(
            "the CustomResourceDefinition {}.{} is not installed; `ess-rollout crds` prints it",
            K::plural(&()),
            K::group(&())
        );
    }
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.message.clone(),
        other => chain(other),
    }
}
