//! Kubernetes Events. A failure to publish one is logged and nothing else.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ess_rollout_api::v1alpha1::ScalingGroupRecord;
use ess_rollout_core::identity;
use ess_rollout_core::rollout::{
    ACTION_APPLIED, ACTION_REJECTED, Event, EventKind, RECORD_NOT_WRITTEN,
};
use ess_rollout_core::task::reason::Reason;
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1 as wire},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{metrics::Metrics, telemetry::chain};
use crate::kubernetes::{KubeError, Object};

/// The apiserver's bound on `note` (events.k8s.io/v1), in bytes.
const NOTE_MAX: usize = 1024;
/// Its bound on `reason` and `action`.
const WORD_MAX: usize = 128;
/// An Event is not worth waiting for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// For how long a repeat is counted on the first one rather than published anew (events.k8s.io:
/// a series ends after six minutes without another).
const SERIES: Duration = Duration::from_secs(360);
/// `reportingController`.
const CONTROLLER: &str = "ess-rollout.io/operator";

/// Where Events about objects go.
pub trait Events: Send + Sync {
    /// Publishes one, or logs why not.
    fn publish<'a>(
        &'a self,
        object: &'a Object,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// The same, about a record.
    fn publish_on_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// What an Event is about.
struct Regarding {
    namespace: String,
    name: String,
    uid: String,
    reference: ObjectReference,
    /// Of an object: its scaling group, and the region if that is known.
    group: Option<(String, Option<String>)>,
}

impl Regarding {
    /// `Kind namespace/name`.
    fn key(&self) -> String {
        let kind = self.reference.kind.as_deref().unwrap_or_default();
        format!("{kind} {}/{}", self.namespace, self.name)
    }
}

impl From<&Object> for Regarding {
    fn from(object: &Object) -> Self {
        let key = object.key();
        Self {
            namespace: key.namespace,
            name: key.name,
            uid: object.metadata().uid.clone().unwrap_or_default(),
            reference: object.reference(),
            group: group_of(object),
        }
    }
}

impl From<&ScalingGroupRecord> for Regarding {
    fn from(record: &ScalingGroupRecord) -> Self {
        let metadata = record.metadata.clone();
        Self {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            reference: record.object_ref(&()),
            group: None,
        }
    }
}

/// Publishes through the events.k8s.io API. Needs `create` and `patch` there.
///
/// Not through kube's `Recorder`: for that two Events of one reason are one series, whatever they
/// say, so that the end of the second batch would be lost in the series of the first.
pub struct Publisher {
    client: Client,
    instance: String,
    /// Where records are, and the region of objects that name none.
    records: Option<(String, Option<String>)>,
    series: Mutex<HashMap<Said, Series>>,
}

/// What makes an Event the same as another: the object's uid, the reason, the action, the note.
type Said = (String, String, String, String);

struct Series {
    name: String,
    count: i32,
    last: Instant,
}

impl Publisher {
    /// One for the process: the memory of series is in it. `instance` is the pod's name.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let instance = instance.unwrap_or_else(|| CONTROLLER.to_owned());
        Self {
            client,
            instance: cut(&instance, WORD_MAX),
            records: None,
            series: Mutex::default(),
        }
    }

    /// Publishes Events about objects whose namespace is being deleted, in which none can be created, about the record of
    /// their group in this namespace. `region` is that of objects that name none.
    #[must_use]
    pub fn beside_records(self, own_namespace: &str, region: Option<String>) -> Self {
        Self {
            records: Some((own_namespace.to_owned(), region)),
            ..self
        }
    }

    async fn send(&self, about: &Regarding, event: &Event) -> Result<(), kube::Error> {
        let said = (
            about.uid.clone(),
            event.reason.word().to_owned(),
            event.action.clone(),
            event.note.clone(),
        );
        if let Some((name, count)) = self.repeated(&said) {
            let events: Api<wire::Event> = Api::namespaced(self.client.clone(), &about.namespace);
            let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(Timestamp::now())}});
            let patched = events
                .patch(&name, &PatchParams::default(), &Patch::Merge(series))
                .await;
            return patched.map(drop);
        }
        match self.create(about, event, &event.note).await {
            Ok(name) => {
                let last = Instant::now();
                let count = 1;
                self.series().insert(said, Series { name, count, last });
                Ok(())
            }
            Err(error) if is_terminating(&error) => match self.record_of(about).await? {
                Some(record) => {
                    let note = format!("{}: {}", about.key(), event.note);
                    let record = Regarding::from(&record);
                    self.create(&record, event, &note).await.map(drop)
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The record of the group that an object is about.
    async fn record_of(
        &self,
        about: &Regarding,
    ) -> Result<Option<ScalingGroupRecord>, kube::Error> {
        let (Some((namespace, default_region)), Some((group, region))) =
            (&self.records, &about.group)
        else {
            return Ok(None);
        };
        let Some(region) = region.as_deref().or(default_region.as_deref()) else {
            return Ok(None);
        };
        let records: Api<ScalingGroupRecord> = Api::namespaced(self.client.clone(), namespace);
        records.get_opt(&identity::record_name(region, group)).await
    }

    /// Creates an Event beside what it is about; gives its name.
    async fn create(
        &self,
        about: &Regarding,
        event: &Event,
        note: &str,
    ) -> Result<String, kube::Error> {
        let events: Api<wire::Event> = Api::namespaced(self.client.clone(), &about.namespace);
        let now = Timestamp::now();
        let name = format!("{}.{:x}", about.name, now.as_nanosecond());
        let object = wire::Event {
            metadata: ObjectMeta {
                namespace: Some(about.namespace.clone()),
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some(match event.kind {
                EventKind::Normal => "Normal".to_owned(),
                EventKind::Warning => "Warning".to_owned(),
            }),
            reason: Some(cut(event.reason.word(), WORD_MAX)),
            action: Some(cut(&event.action, WORD_MAX)),
            note: Some(cut(note, NOTE_MAX)),
            regarding: Some(about.reference.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..wire::Event::default()
        };
        events.create(&PostParams::default(), &object).await?;
        Ok(name)
    }

    async fn try_to_send(&self, about: Regarding, event: &Event) {
        let reason = event.reason.word();
        let key = about.key();
        match tokio::time::timeout(TIMEOUT, self.send(&about, event)).await {
            Ok(Ok(())) => {}
            // Its record does not exist any more either: there is nobody left to read it.
            Ok(Err(error)) if is_terminating(&error) => {
                tracing::debug!(object = %key, reason, "Event not published, the namespace is being deleted");
            }
            Ok(Err(error)) => {
                let error = chain(&KubeError::of("publish an Event", error));
                tracing::warn!(object = %key, reason, error, "Event not published");
            }
            Err(_) => {
                tracing::warn!(
                    object = %key,
                    reason,
                    timeout = TIMEOUT.as_secs_f64(),
                    "Event not published: the apiserver did not answer in time"
                );
            }
        }
    }

    /// The Event that this one repeats, and how many there are with it.
    fn repeated(&self, said: &Said) -> Option<(String, i32)> {
        let mut all = self.series();
        all.retain(|_, series| series.last.elapsed() < SERIES);
        let series = all.get_mut(said)?;
        series.count = series.count.saturating_add(1);
        series.last = Instant::now();
        Some((series.name.clone(), series.count))
    }

    fn series(&self) -> std::sync::MutexGuard<'_, HashMap<Said, Series>> {
        // Nothing panics while holding it.
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Publisher {
    fn publish<'a>(
        &'a self,
        object: &'a Object,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.try_to_send(Regarding::from(object), event))
    }

    fn publish_on_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.try_to_send(Regarding::from(record), event))
    }
}

/// The scaling group of an object, and its region if that is known.
fn group_of(object: &Object) -> Option<(String, Option<String>)> {
    let (group, region) = match object {
        Object::Task(task) => (
            Some(&task.spec.scaling_group_id),
            task.spec.region_id.as_ref(),
        ),
        Object::ImageUpdate(task) => (
            Some(&task.spec.scaling_group_id),
            task.spec.region_id.as_ref(),
        ),
        Object::Rollback(rollback) => {
            let source = rollback.status.as_ref().and_then(|s| s.source.as_ref());
            match source {
                Some(source) => (Some(&source.scaling_group_id), source.region_id.as_ref()),
                None => (
                    rollback.spec.scaling_group_id.as_ref(),
                    rollback.spec.region_id.as_ref(),
                ),
            }
        }
    };
    Some((group?.clone(), region.cloned()))
}

/// Whether it was refused because its namespace is being deleted, in which nothing can be created.
fn is_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let details = status.details.iter();
    let mut causes = details.flat_map(|details| &details.causes);
    status.code == 403 && causes.any(|cause| cause.reason == "NamespaceTerminating")
}

/// Counts the requests that Events tell the end of, and passes all on.
pub struct Counted<E> {
    /// Where they go.
    pub events: E,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
}

impl<E: Events> Events for Counted<E> {
    fn publish<'a>(
        &'a self,
        object: &'a Object,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match event.reason {
            ACTION_APPLIED => self
                .metrics
                .updates
                .action_settled(&event.action, "Applied"),
            ACTION_REJECTED => self
                .metrics
                .updates
                .action_settled(&event.action, "Rejected"),
            RECORD_NOT_WRITTEN => self.metrics.updates.record_not_written(),
            Reason::Adopted => self.metrics.updates.adopted(object.key().kind.name()),
            _ => {}
        }
        self.events.publish(object, event)
    }

    fn publish_on_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.events.publish_on_record(record, event)
    }
}

/// At most this many bytes, cut between characters, with an ellipsis where something is missing.
fn cut(text: &str, max: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max - ELLIPSIS.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::reconcile::fake::task;

    /// In `ns` nothing can be created; in `own` there is the record of the group.
    async fn answer(request: Request<Body>, created: Arc<Mutex<Vec<String>>>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (code, body) = if path.contains("/namespaces/ns/events") {
            let message = "events is forbidden: unable to create new content in namespace ns";
            let cause = json!({"reason": "NamespaceTerminating", "message": "namespace ns is being terminated",
                "field": "metadata.namespace"});
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": message, "reason": "Forbidden", "code": 403, "details": {"causes": [cause]}});
            (403, status)
        } else if path.ends_with("/namespaces/own/scalinggrouprecords/cn-hangzhou.asg-1") {
            let record = json!({"apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord",
                "metadata": {"name": "cn-hangzhou.asg-1", "namespace": "own", "uid": "record-uid"},
                "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"}});
            (200, record)
        } else {
            assert!(path.ends_with("/namespaces/own/events"), "{path}");
            let body = request
                .into_body()
                .collect_bytes()
                .await
                .unwrap_or_default();
            let event: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            if let Ok(mut created) = created.lock() {
                created.push(format!("{} {}", event["regarding"]["uid"], event["note"]));
            }
            (201, event)
        };
        let mut response = Response::new(Body::from(body.to_string().into_bytes()));
        *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
        response
    }

    #[tokio::test]
    async fn in_a_namespace_that_is_being_deleted_they_are_about_the_record_of_the_group() {
        let created: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = created.clone();
        let answers = tower::service_fn(move |request: Request<Body>| {
            let into = into.clone();
            async move { Ok::<_, Infallible>(answer(request, into).await) }
        });
        let client = Client::new(answers, "own");
        let event = Event {
            kind: EventKind::Warning,
            reason: Reason::LeftBehind,
            action: "Restore".into(),
            note: "Process ScaleIn is left".into(),
        };
        let object = Object::from(task("ns", "a"));
        let about = Regarding::from(&object);
        let publisher =
            Publisher::new(client.clone(), None).beside_records("own", Some("cn-hangzhou".into()));
        assert!(publisher.send(&about, &event).await.is_ok());
        let all = created.lock().map(|all| all.clone()).unwrap_or_default();
        let wanted = r#""record-uid" "RollingUpdateTask ns/a: Process ScaleIn is left""#;
        assert_eq!(all, [wanted]);
        // Who does not know where records are says so, and fails nothing.
        let error = Publisher::new(client, None).send(&about, &event).await;
        assert!(error.is_err_and(|error| is_terminating(&error)));
    }

    #[test]
    fn texts_are_cut_between_characters_and_never_exceed_the_bound() {
        assert_eq!(cut("short", NOTE_MAX), "short");
        let exact = "x".repeat(NOTE_MAX);
        assert_eq!(cut(&exact, NOTE_MAX), exact);
        for filler in ["x", "é", "界", "🦀"] {
            for lead in 0..4 {
                let text = format!("{}{}", "a".repeat(lead), filler.repeat(NOTE_MAX + 1));
                let short = cut(&text, NOTE_MAX);
                assert!(short.len() <= NOTE_MAX && short.len() > NOTE_MAX - 8);
                assert!(short.ends_with('…'));
            }
        }
    }
}
