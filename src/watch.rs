//! The watches: what changed goes into the index and the queue, nothing else.

use std::{fmt::Debug, sync::Arc, time::Duration};

use ess_rollout_api::v1alpha1::MaintenanceWindow;
use ess_rollout_cloud::Urgency;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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
    runtime::{
        dispatcher::Triggers, health::Readiness, metrics::Metrics, shutdown::Shutdown,
        telemetry::chain,
    },
    tasks::{Change, Leftovers, ObjectView, RecordView, References, TaskIndex, Unfinished, Viewed},
    windows::{Changed, Windows},
};

/// Objects per page of the first list. A task's status can hold a thousand instances, and a page
/// is in memory at once.
const PAGE: u32 = 50;
/// How long after a restart those are looked at that only run, where the poller has not told of them until then: it does so
/// once it has seen how far they are, and a look before that shows nothing.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// How long the first look at an object waits after a restart, or after another process has looked after it.
pub fn first_look(only_runs: bool) -> Duration {
    match only_runs {
        true => FIRST_LOOK,
        false => Duration::ZERO,
    }
}

/// For how many seconds a watch is asked for. The apiserver ends it then, and it is begun anew from where it was; what is
/// not ended is dead, and is given up five seconds later (kube-runtime's margin). So a new object is seen within half a
/// minute of the moment at which a connection died without a word.
pub const SECONDS: u32 = 18;

/// Everything that a watch feeds.
#[derive(Clone)]
pub struct Feed {
    /// The index of tasks.
    pub tasks: Arc<TaskIndex>,
    /// What the records list as left.
    pub leftovers: Arc<Leftovers>,
    /// Which Secrets of the operator's namespace are still referred to.
    pub references: Arc<References>,
    /// The MaintenanceWindows.
    pub windows: Arc<Windows>,
    /// The queue of passes.
    pub triggers: Arc<Triggers<ObjectKey>>,
    /// Where the first complete list is reported.
    pub readiness: Arc<Readiness>,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
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
    let strange = |metadata: ObjectMeta| {
        feed.references.one_is_unknown();
        // A pass reads it whole, finds what is not understood, and says so on it.
        let key = ObjectKey {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            kind: K::KIND,
        };
        let version = metadata.resource_version.unwrap_or_default();
        feed.triggers.changed(key, version, Urgency::Due);
    };
    follow(api, &gate, &feed, shutdown, strange, |event| {
        match &event {
            Event::Init | Event::InitDone => {}
            Event::InitApply(view) | Event::Apply(view) => {
                feed.references
                    .put(view.key().to_string(), view.references());
            }
            Event::Delete(view) => feed.references.remove(&view.key().to_string()),
        }
        // What a list brings after a restart is no news for which anybody waits.
        let urgency = match &event {
            Event::Apply(_) => Urgency::Asked,
            _ => Urgency::Due,
        };
        for change in feed.tasks.apply(source, event) {
            match change {
                Change::Present(key, version) => feed.triggers.changed(key, version, urgency),
                Change::Runs(key, version) => {
                    feed.triggers
                        .changed_after(key, version, urgency, FIRST_LOOK);
                }
                Change::Concerns(key) => feed.triggers.trigger(key),
                Change::Gone(key) => feed.triggers.forget(&key),
            }
        }
    })
    .await;
}

/// Watches MaintenanceWindows until the word to stop. One that is changed concerns the unfinished objects that it is for, or was.
pub async fn windows(
    api: Api<DeserializeGuard<MaintenanceWindow>>,
    source: usize,
    gate: String,
    feed: Feed,
    shutdown: Shutdown,
) {
    let concerns = |changed: Vec<Changed>| {
        for changed in changed {
            let (old, new) = (changed.old.as_deref(), changed.new.as_deref());
            let operator = feed.windows.operator_namespace();
            for key in feed.tasks.held_by(old.into_iter().chain(new), operator) {
                feed.triggers.trigger(key);
            }
        }
    };
    let strange = |metadata| concerns(feed.windows.put_strange(source, metadata));
    follow(api, &gate, &feed, shutdown, strange, |event| {
        concerns(feed.windows.apply(source, event));
    })
    .await;
}

/// Watches records until the word to stop: a group that becomes free, or something that is left to
/// put back, concerns every unfinished task of that group; a run that no object looks after concerns
/// the record itself.
pub async fn records(
    api: Api<DeserializeGuard<RecordView>>,
    gate: String,
    feed: Feed,
    shutdown: Shutdown,
) {
    let touched = |record: RecordView, is_news: bool| {
        let (region, _) = record.group();
        if record.needs_look(|uid| feed.tasks.is_in(uid, region)) || record.summary_is_off() {
            let key = ObjectKey::record(record.name());
            feed.triggers
                .changed(key, record.version().to_owned(), Urgency::Due);
        }
        let (region, group) = record.group();
        for Unfinished { key, only_runs } in feed.tasks.unfinished_of(region, group) {
            let version = record.version().to_owned();
            let wait = first_look(only_runs && !is_news);
            feed.triggers
                .changed_after(key, version, Urgency::Due, wait);
        }
    };
    // Who needs it finds it unreadable, and says so.
    let strange = |_| feed.references.one_is_unknown();
    follow(api, &gate, &feed, shutdown, strange, |event| {
        match &event {
            Event::Init | Event::InitDone => {}
            Event::InitApply(record) | Event::Apply(record) => {
                let name = record.name().to_owned();
                feed.references.put(name, record.references());
            }
            Event::Delete(record) => feed.references.remove(record.name()),
        }
        feed.leftovers.apply(&event);
        match event {
            Event::Init | Event::InitDone => {}
            // A list that is made again may hold what happened while nobody watched.
            Event::InitApply(record) => touched(record, false),
            Event::Apply(record) => touched(record, true),
            Event::Delete(record) => {
                let key = ObjectKey::record(record.name());
                touched(record, true);
                feed.triggers.forget(&key);
            }
        }
    })
    .await;
}

async fn follow<K>(
    api: Api<DeserializeGuard<K>>,
    gate: &str,
    Feed {
        readiness, metrics, ..
    }: &Feed,
    mut shutdown: Shutdown,
    mut strange: impl FnMut(ObjectMeta),
    mut take: impl FnMut(Event<K>),
) where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    readiness.waiting(gate, "the first list has not come in");
    let config = watcher::Config::default().page_size(PAGE).timeout(SECONDS);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.wait() => return,
            event = events.next() => event,
        };
        match event {
            None => return,
            Some(Err(error)) => {
                let reason = explain::<K>(&error);
                tracing::warn!(gate, error = reason, "watch failed, trying again");
                metrics.cluster.watch_failed(&K::plural(&()));
                readiness.waiting(gate, reason);
            }
            Some(Ok(event)) => {
                let complete = matches!(event, Event::InitDone);
                if let Some(event) = decoded(event, &mut strange) {
                    take(event);
                }
                if complete {
                    readiness.open(gate);
                }
            }
        }
    }
}

/// Sorts out what cannot be decoded: one such object must not stop the others.
fn decoded<K: Resource<DynamicType = ()>>(
    event: Event<DeserializeGuard<K>>,
    strange: &mut impl FnMut(ObjectMeta),
) -> Option<Event<K>> {
    let mut open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            tracing::warn!(
                kind = %K::kind(&()),
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = crate::kubernetes::explain(&invalid.error),
                "object cannot be decoded: a newer version of the operator, or of its CRDs, wrote it"
            );
            strange(invalid.metadata);
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
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => match status.code {
            403 => format!(
                "{}; give the operator's ServiceAccount this right",
                status.message
            ),
            _ => status.message.clone(),
        },
        other => chain(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use axum::body::Body as AnswerBody;
    use ess_rollout_api::v1alpha1::RollingUpdateTask;
    use ess_rollout_test_support::apiserver::{FakeApiserver, Kinds};
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;
    use crate::runtime::shutdown;

    fn apiserver() -> FakeApiserver {
        let kinds = Kinds::of_this_tree().unwrap();
        FakeApiserver::new(Arc::new(kinds), Arc::new(|| jiff::Timestamp::UNIX_EPOCH))
    }

    fn create(apiserver: &FakeApiserver, name: &str) {
        let task: Value = json!({"metadata": {"name": name}, "spec": {"scalingGroupId": "asg-1",
            "update": {"script": {"run": {"inline": "true"}}}}});
        let request =
            Request::post("/apis/ess-rollout.io/v1alpha1/namespaces/shop/rollingupdatetasks");
        let request = request.body(task.to_string().into_bytes()).unwrap();
        assert_eq!(apiserver.answer("person", &request).status(), 201);
    }

    /// A way to the apiserver on which the first so many watches are silent, as after a firewall has forgotten their
    /// connections.
    fn silent(apiserver: &FakeApiserver, watches: usize) -> (kube::Client, Arc<AtomicUsize>) {
        let (apiserver, seen) = (apiserver.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = seen.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (apiserver, counted) = (apiserver.clone(), counted.clone());
            async move {
                let watch = request
                    .uri()
                    .query()
                    .is_some_and(|q| q.contains("watch=true"));
                if watch && counted.fetch_add(1, Ordering::SeqCst) < watches {
                    let nothing = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
                    return Ok(Response::new(AnswerBody::from_stream(nothing)));
                }
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default().to_vec();
                Ok::<_, std::convert::Infallible>(
                    apiserver.answer("operator", &Request::from_parts(parts, body)),
                )
            }
        });
        (kube::Client::new(service, "shop"), seen)
    }

    fn feed() -> Feed {
        Feed {
            references: Arc::default(),
            tasks: Arc::new(TaskIndex::new(None)),
            windows: Arc::new(Windows::new("ess-rollout")),
            leftovers: Arc::default(),
            triggers: Arc::new(Triggers::new()),
            readiness: Arc::new(Readiness::new(["tasks".to_owned()])),
            metrics: Arc::new(Metrics::new()),
        }
    }

    async fn next(triggers: &Triggers<ObjectKey>) -> ObjectKey {
        loop {
            if let Some((key, _)) = triggers.pop(usize::MAX, Instant::now()) {
                return key;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_object_is_seen_within_half_a_minute_of_a_connection_that_died_without_a_word() {
        let (apiserver, feed) = (apiserver(), feed());
        let (client, watches) = silent(&apiserver, 1);
        let (stop, shutdown) = shutdown::channel();
        let api = Api::all(client);
        let watching = tokio::spawn(objects::<RollingUpdateTask>(
            api,
            0,
            "tasks".to_owned(),
            feed.clone(),
            shutdown,
        ));
        feed.readiness.wait().await;
        while watches.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        create(&apiserver, "new");
        let created = Instant::now();
        assert_eq!(next(&feed.triggers).await, ObjectKey::task("shop", "new"));
        let took = created.elapsed();
        assert!(took <= Duration::from_secs(30), "{took:?}");
        stop.stop();
        watching.await.unwrap();
    }
}
