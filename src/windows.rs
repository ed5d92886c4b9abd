//! The MaintenanceWindows of the cluster, as watches show them: told to passes, and shown on themselves.
//!
//! What a window says depends on the time alone, so nothing is asked of anybody: an object that a window holds is looked at when
//! that opens, and the objects that a window is for when it is changed. Its own status is for people, and nothing is decided by it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ess_rollout_api::v1alpha1::{
    MaintenanceWindow, MaintenanceWindowSpec, MaintenanceWindowStatus,
};
use ess_rollout_core::{
    ask::{SeenWindow, SeenWindows},
    windows::object_status,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::Event;
use tokio::sync::Notify;

use crate::{
    kubernetes::{ErrorClass, KubeApi},
    runtime::{clock::Clock, shutdown::Shutdown, telemetry::chain},
};

/// A clock may jump: what is shown is compared with the time this often.
const LOOK: Duration = Duration::from_secs(600);
/// How long after a status could not be written that is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How many windows have a series of their own.
const SERIES_MAX: usize = 500;

/// Namespace and name.
type WindowKey = (String, String);

/// All that are watched. Each watch (one for each namespace, or one for all) owns what it brought in.
pub struct Windows {
    operator_namespace: String,
    kept: Mutex<Kept>,
    changed: Notify,
}

#[derive(Default)]
struct Kept {
    windows: HashMap<WindowKey, KeptWindow>,
    /// The watches whose first list is complete.
    listed: Vec<usize>,
}

struct KeptWindow {
    source: usize,
    /// Set while a new list is coming in: what is not listed again is gone.
    unconfirmed: bool,
    seen: Arc<SeenWindow>,
    generation: Option<i64>,
    version: Option<String>,
    status: Option<MaintenanceWindowStatus>,
}

/// A window that says something else than before, or of other objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// As it was; `None`: it is new.
    pub old: Option<Arc<SeenWindow>>,
    /// As it is; `None`: it is gone.
    pub new: Option<Arc<SeenWindow>>,
}

/// A status that has to be written.
struct Due {
    key: WindowKey,
    version: Option<String>,
    old: Option<MaintenanceWindowStatus>,
    new: MaintenanceWindowStatus,
}

impl Windows {
    /// None yet. Those in the operator's namespace are for the objects of all namespaces.
    pub fn new(operator_namespace: impl Into<String>) -> Self {
        Self {
            operator_namespace: operator_namespace.into(),
            kept: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while holding it; if it did, the next list would put it right.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The namespace whose windows are for the objects of all.
    pub fn operator_namespace(&self) -> &str {
        &self.operator_namespace
    }

    /// Those that may be for an object in this namespace.
    pub fn of(&self, namespace: &str) -> SeenWindows {
        let kept = self.lock();
        let all = kept.windows.values().map(|window| &window.seen);
        let here = all.filter(|window| {
            window.namespace == namespace || window.namespace == self.operator_namespace
        });
        let mut windows: Vec<Arc<SeenWindow>> = here.cloned().collect();
        // In the same order each time, as they are named in messages.
        windows.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        SeenWindows {
            operator_namespace: self.operator_namespace.clone(),
            windows,
        }
    }

    /// Takes in an event of the watch with this number. Gives what says something else than before: nothing of a first list, as
    /// nothing has been decided before that is complete.
    pub fn apply(&self, source: usize, event: Event<MaintenanceWindow>) -> Vec<Changed> {
        let mut kept = self.lock();
        let changed = match event {
            Event::Init => {
                let windows = kept.windows.values_mut();
                for window in windows.filter(|window| window.source == source) {
                    window.unconfirmed = true;
                }
                Vec::new()
            }
            Event::InitApply(window) | Event::Apply(window) => {
                let (metadata, status) = (window.metadata, window.status);
                put(&mut kept, source, metadata, Some(window.spec), status)
            }
            Event::Delete(window) => {
                let key = key(window.metadata);
                kept.windows.remove(&key).map(gone).into_iter().collect()
            }
            Event::InitDone => {
                let unlisted = |window: &KeptWindow| window.source == source && window.unconfirmed;
                let gone_with_it = kept.windows.extract_if(|_, window| unlisted(window));
                let changed: Vec<Changed> = gone_with_it.map(|(_, window)| gone(window)).collect();
                if !kept.listed.contains(&source) {
                    kept.listed.push(source);
                }
                changed
            }
        };
        drop(kept);
        self.changed.notify_one();
        changed
    }

    /// Takes in one that cannot be decoded: that there is one is known, and what it says is not.
    pub fn put_strange(&self, source: usize, metadata: ObjectMeta) -> Vec<Changed> {
        put(&mut self.lock(), source, metadata, None, None)
    }

    /// Whether each window is open, taken by itself, by namespace and name: of the first so many in the alphabet.
    pub fn open(&self, now: Timestamp) -> Vec<((String, String), bool)> {
        let kept = self.lock();
        let mut all: Vec<_> = kept.windows.iter().collect();
        all.sort_by_key(|(key, _)| *key);
        let open = all
            .into_iter()
            .take(SERIES_MAX)
            .filter_map(|(key, window)| {
                let spec = window.seen.spec.as_ref()?;
                let open = object_status(spec, None, None, now).status.open?;
                Some((key.clone(), open))
            });
        open.collect()
    }

    /// The statuses that are not as they should be at this time, and until when the others are.
    fn due(&self, now: Timestamp) -> (Vec<Due>, Timestamp) {
        let kept = self.lock();
        let (mut due, mut again) = (Vec::new(), Timestamp::MAX);
        for (key, window) in &kept.windows {
            let Some(spec) = &window.seen.spec else {
                continue;
            };
            let shown = window.status.as_ref();
            let found = object_status(spec, window.generation, shown, now);
            again = again.min(found.look_again);
            if shown != Some(&found.status) {
                due.push(Due {
                    key: key.clone(),
                    version: window.version.clone(),
                    old: window.status.clone(),
                    new: found.status,
                });
            }
        }
        due.sort_by(|a, b| a.key.cmp(&b.key));
        (due, again)
    }

    /// What was written, so that it is not written again before the watch tells of it.
    fn written(&self, key: &WindowKey, window: MaintenanceWindow) {
        if let Some(kept) = self.lock().windows.get_mut(key) {
            kept.version = window.metadata.resource_version;
            kept.status = window.status;
        }
    }
}

fn key(metadata: ObjectMeta) -> WindowKey {
    (
        metadata.namespace.unwrap_or_default(),
        metadata.name.unwrap_or_default(),
    )
}

fn put(
    kept: &mut Kept,
    source: usize,
    metadata: ObjectMeta,
    spec: Option<MaintenanceWindowSpec>,
    status: Option<MaintenanceWindowStatus>,
) -> Vec<Changed> {
    let (generation, version) = (metadata.generation, metadata.resource_version.clone());
    let key = key(metadata);
    let seen = Arc::new(SeenWindow {
        namespace: key.0.clone(),
        name: key.1.clone(),
        spec,
    });
    let old = kept.windows.insert(
        key,
        KeptWindow {
            source,
            unconfirmed: false,
            seen: seen.clone(),
            generation,
            version,
            status,
        },
    );
    let old = old.map(|old| old.seen);
    let is_first_list = !kept.listed.contains(&source);
    let same = old.as_ref() == Some(&seen);
    let changed = (!is_first_list && !same).then_some(Changed {
        old,
        new: Some(seen),
    });
    changed.into_iter().collect()
}

fn gone(window: KeptWindow) -> Changed {
    Changed {
        old: Some(window.seen),
        new: None,
    }
}

/// Writes the statuses of the windows: at their changes, and when one opens or closes.
#[derive(Clone)]
pub struct Teller {
    /// The windows.
    pub windows: Arc<Windows>,
    /// The apiserver.
    pub kubernetes: Arc<KubeApi>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Teller {
    /// Until the word to stop. To be begun once the first lists of all watches are complete.
    pub async fn run(self, mut shutdown: Shutdown) {
        loop {
            let wait = tokio::select! {
                biased;
                () = shutdown.wait() => return,
                wait = self.tell() => wait,
            };
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                () = self.clock.sleep(wait) => {}
                () = self.windows.changed.notified() => {}
            }
        }
    }

    /// Writes what differs; gives when to look again.
    async fn tell(&self) -> Duration {
        let now = self.clock.now();
        let (due, again) = self.windows.due(now);
        let mut wait = Duration::try_from(again.duration_since(now)).map_or(LOOK, |w| w.min(LOOK));
        for due in due {
            let metadata = ObjectMeta {
                namespace: Some(due.key.0.clone()),
                name: Some(due.key.1.clone()),
                resource_version: due.version.clone(),
                ..ObjectMeta::default()
            };
            let writing =
                self.kubernetes
                    .write_window_status(&metadata, due.old.as_ref(), &due.new);
            match writing.await {
                Ok(window) => self.windows.written(&due.key, window),
                // The watch tells of what has become of it.
                Err(error) if matches!(error.class, ErrorClass::Conflict | ErrorClass::Gone) => {}
                Err(error) => {
                    let (namespace, name) = &due.key;
                    tracing::warn!(
                        namespace,
                        name,
                        error = chain(&error),
                        "the status of a MaintenanceWindow cannot be written, trying again"
                    );
                    wait = wait.min(AGAIN);
                }
            }
        }
        wait
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::pin::Pin;

    use ess_rollout_api::v1alpha1::{Rollback, RollingUpdateTask};
    use ess_rollout_test_support::apiserver::{FakeApiserver, Kinds};
    use http::Request;
    use kube::Api;
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;
    use crate::{
        runtime::{
            dispatcher::{Finished, Triggers},
            health::Readiness,
            metrics::Metrics,
            queue::Again,
            shutdown::{self, Stop},
        },
        tasks::TaskIndex,
        watch::{self, Feed},
    };

    const GROUP: &str = "/apis/ess-rollout.io/v1alpha1/namespaces";

    /// Virtual time.
    #[derive(Clone, Copy)]
    struct TokioClock(Timestamp, Instant);

    impl TokioClock {
        fn new(begin: &str) -> Self {
            Self(begin.parse().unwrap(), Instant::now())
        }
    }

    impl Clock for TokioClock {
        fn now(&self) -> Timestamp {
            let elapsed = self.1.elapsed().as_secs();
            self.0 + Duration::from_secs(elapsed)
        }

        fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

    /// An apiserver, and what watches it.
    struct Cluster {
        apiserver: FakeApiserver,
        feed: Feed,
        clock: TokioClock,
        _stop: Stop,
    }

    impl Cluster {
        async fn watched(begin: &str) -> Self {
            let clock = TokioClock::new(begin);
            let kinds = Arc::new(Kinds::of_this_tree().unwrap());
            let apiserver = FakeApiserver::new(kinds, Arc::new(move || clock.now()));
            let gates = ["tasks", "rollbacks", "windows"].map(str::to_owned);
            let feed = Feed {
                references: Arc::default(),
                tasks: Arc::new(TaskIndex::new(None)),
                windows: Arc::new(Windows::new("ess-rollout")),
                leftovers: Arc::default(),
                triggers: Arc::new(Triggers::new()),
                readiness: Arc::new(Readiness::new(gates.clone())),
                metrics: Arc::new(Metrics::new()),
            };
            let (stop, until) = shutdown::channel();
            let client = apiserver.client("operator", "ess-rollout");
            let [tasks, rollbacks, windows] = gates;
            let api = Api::all(client.clone());
            let watching =
                watch::objects::<RollingUpdateTask>(api, 0, tasks, feed.clone(), until.clone());
            tokio::spawn(watching);
            let api = Api::all(client.clone());
            let watching =
                watch::objects::<Rollback>(api, 1, rollbacks, feed.clone(), until.clone());
            tokio::spawn(watching);
            let watching = watch::windows(
                Api::all(client.clone()),
                0,
                windows,
                feed.clone(),
                until.clone(),
            );
            tokio::spawn(watching);
            let teller = Teller {
                windows: feed.windows.clone(),
                kubernetes: Arc::new(KubeApi::new(client, "ess-rollout")),
                clock: Arc::new(clock),
            };
            feed.readiness.wait().await;
            tokio::spawn(teller.run(until));
            Self {
                apiserver,
                feed,
                clock,
                _stop: stop,
            }
        }

        fn send(&self, request: http::request::Builder, body: &Value) {
            let request = request.body(body.to_string().into_bytes()).unwrap();
            let answer = self.apiserver.answer("person", &request);
            assert!(answer.status().is_success(), "{:?}", answer.status());
        }

        fn create(&self, plural: &str, namespace: &str, name: &str, spec: Value) {
            let path = format!("{GROUP}/{namespace}/{plural}");
            let object = json!({"metadata": {"name": name}, "spec": spec});
            self.send(Request::post(path), &object);
        }

        fn task(&self, namespace: &str, name: &str, more: &Value) {
            let mut spec = json!({"scalingGroupId": "asg-1", "update": {"script": {"run": {"inline": "true"}}}});
            json_patch::merge(&mut spec, more);
            self.create("rollingupdatetasks", namespace, name, spec);
        }

        fn patch(&self, namespace: &str, name: &str, patch: &Value) {
            let path = format!("{GROUP}/{namespace}/maintenancewindows/{name}");
            let request =
                Request::patch(path).header("content-type", "application/merge-patch+json");
            self.send(request, patch);
        }

        fn delete(&self, namespace: &str, name: &str) {
            let path = format!("{GROUP}/{namespace}/maintenancewindows/{name}");
            self.send(Request::delete(path), &json!({}));
        }

        /// Who is to be looked at by now.
        async fn looked_at(&self) -> Vec<String> {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut keys = Vec::new();
            while let Some((key, _)) = self.feed.triggers.pop(usize::MAX, Instant::now()) {
                keys.push(format!("{}/{}", key.namespace, key.name));
                let (again, versions) = (Again::OnChange, Vec::new());
                self.feed.triggers.done(key, Finished { again, versions });
            }
            keys.sort();
            keys
        }

        fn status(&self, namespace: &str, name: &str) -> Value {
            let window = self.apiserver.get("maintenancewindows", namespace, name);
            window.unwrap()["status"].clone()
        }

        fn version(&self, namespace: &str, name: &str) -> Value {
            let window = self.apiserver.get("maintenancewindows", namespace, name);
            window.unwrap()["metadata"]["resourceVersion"].clone()
        }
    }

    fn nights() -> Value {
        json!({"schedule": "0 22 * * *", "durationMinutes": 60, "timeZone": "UTC", "reason": "nights"})
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_is_changed_has_those_looked_at_that_it_is_for_and_nobody_else() {
        let cluster = Cluster::watched("2026-11-07T00:00:00Z").await;
        cluster.task("shop", "web", &json!({}));
        cluster.task("shop", "naming", &json!({"windowRefs": ["sale"]}));
        cluster.task("warehouse", "stock", &json!({}));
        let back = json!({"taskRef": {"name": "web"}});
        cluster.create("rollbacks", "shop", "back", back);
        cluster.looked_at().await;

        cluster.create("maintenancewindows", "shop", "nights", nights());
        assert_eq!(cluster.looked_at().await, ["shop/naming", "shop/web"]);
        // Its status is written, which is no news to anybody.
        assert_eq!(cluster.status("shop", "nights")["open"], false);
        assert_eq!(cluster.looked_at().await, [] as [&str; 0]);

        let mut sale = nights();
        sale["selector"] = json!({"namespaces": ["warehouse"]});
        cluster.create("maintenancewindows", "ess-rollout", "sale", sale);
        assert_eq!(
            cluster.looked_at().await,
            ["shop/naming", "warehouse/stock"]
        );
        // Those that it was for, too.
        let other = json!({"spec": {"selector": {"namespaces": ["nowhere"]}}});
        cluster.patch("ess-rollout", "sale", &other);
        assert_eq!(
            cluster.looked_at().await,
            ["shop/naming", "warehouse/stock"]
        );
        cluster.delete("ess-rollout", "sale");
        assert_eq!(cluster.looked_at().await, ["shop/naming"]);
        // An annotation says nothing of when.
        cluster.patch(
            "shop",
            "nights",
            &json!({"metadata": {"annotations": {"a": "b"}}}),
        );
        assert_eq!(cluster.looked_at().await, [] as [&str; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_says_when_it_opens_and_closes_and_is_written_at_no_other_time() {
        let cluster = Cluster::watched("2026-11-07T20:00:00Z").await;
        cluster.create("maintenancewindows", "shop", "nights", nights());
        cluster.looked_at().await;
        let status = cluster.status("shop", "nights");
        assert_eq!(status["open"], false);
        assert_eq!(status["nextChange"], "2026-11-07T22:00:00Z");
        assert_eq!(status["observedGeneration"], 1);
        assert_eq!(status["reason"], "nights");
        let version = cluster.version("shop", "nights");
        tokio::time::sleep(Duration::from_secs(7190)).await;
        assert_eq!(cluster.version("shop", "nights"), version);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let status = cluster.status("shop", "nights");
        assert_eq!(
            (&status["open"], &status["nextChange"]),
            (&json!(true), &json!("2026-11-07T23:00:00Z"))
        );
        let (key, open) = cluster.feed.windows.open(cluster.clock.now()).remove(0);
        assert_eq!(
            (key, open),
            (("shop".to_owned(), "nights".to_owned()), true)
        );

        cluster.patch(
            "shop",
            "nights",
            &json!({"spec": {"timeZone": "Asia/Shangai"}}),
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        let status = cluster.status("shop", "nights");
        assert_eq!(status["conditions"][0]["reason"], "InvalidTimeZone");
        assert_eq!(status["conditions"][0]["status"], "False");
        assert_eq!(
            (&status["open"], &status["nextChange"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(status["observedGeneration"], 2);
    }

    #[test]
    fn a_list_that_is_made_again_takes_away_what_it_does_not_have() {
        let windows = Windows::new("ess-rollout");
        let window = |name: &str| -> MaintenanceWindow {
            serde_json::from_value(
                json!({"apiVersion": "ess-rollout.io/v1alpha1", "kind": "MaintenanceWindow",
                "metadata": {"name": name, "namespace": "shop"}, "spec": nights()}),
            )
            .unwrap()
        };
        let names = || -> Vec<String> {
            let seen = windows.of("shop").windows;
            seen.iter().map(|window| window.name.clone()).collect()
        };
        for event in [
            Event::Init,
            Event::InitApply(window("a")),
            Event::InitApply(window("b")),
        ] {
            // Of a first list nothing is news.
            assert_eq!(windows.apply(0, event), []);
        }
        assert_eq!(windows.apply(0, Event::InitDone), []);
        assert_eq!(names(), ["a", "b"]);
        assert_eq!(windows.of("warehouse").windows, []);
        assert_eq!(windows.apply(0, Event::Init), []);
        assert_eq!(windows.apply(0, Event::InitApply(window("b"))), []);
        assert_eq!(windows.apply(0, Event::InitApply(window("c"))).len(), 1);
        assert_eq!(names(), ["a", "b", "c"]);
        assert_eq!(windows.apply(0, Event::InitDone).len(), 1);
        assert_eq!(names(), ["b", "c"]);
        // What cannot be decoded is there, and says nothing.
        let changed = windows.put_strange(0, window("b").metadata);
        assert_eq!(changed[0].new.as_ref().unwrap().spec, None);
    }
}
