//! Kubernetes Events. A failure to publish one is logged and nothing else.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ess_rollout_api::v1alpha1::ScalingGroupRecord;
use ess_rollout_core::rollout::{
    ACTION_APPLIED, ACTION_REJECTED, Event, EventKind, RECORD_NOT_WRITTEN,
};
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
}

impl From<&Object> for Regarding {
    fn from(object: &Object) -> Self {
        let key = object.key();
        Self {
            namespace: key.namespace,
            name: key.name,
            uid: object.metadata().uid.clone().unwrap_or_default(),
            reference: object.reference(),
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
            series: Mutex::default(),
        }
    }

    async fn send(&self, about: Regarding, event: &Event) -> Result<(), kube::Error> {
        let Regarding {
            namespace,
            name,
            uid,
            reference,
        } = about;
        let events: Api<wire::Event> = Api::namespaced(self.client.clone(), &namespace);
        let said = (
            uid,
            event.reason.clone(),
            event.action.clone(),
            event.note.clone(),
        );
        if let Some((name, count)) = self.repeated(&said) {
            let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(Timestamp::now())}});
            let patched = events
                .patch(&name, &PatchParams::default(), &Patch::Merge(series))
                .await;
            return patched.map(drop);
        }
        let now = Timestamp::now();
        let name = format!("{name}.{:x}", now.as_nanosecond());
        let object = wire::Event {
            metadata: ObjectMeta {
                namespace: Some(namespace.clone()),
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some(match event.kind {
                EventKind::Normal => "Normal".to_owned(),
                EventKind::Warning => "Warning".to_owned(),
            }),
            reason: Some(cut(&event.reason, WORD_MAX)),
            action: Some(cut(&event.action, WORD_MAX)),
            note: Some(cut(&event.note, NOTE_MAX)),
            regarding: Some(reference),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..wire::Event::default()
        };
        events.create(&PostParams::default(), &object).await?;
        let last = Instant::now();
        self.series().insert(
            said,
            Series {
                name,
                count: 1,
                last,
            },
        );
        Ok(())
    }

    async fn try_to_send(&self, about: Regarding, event: &Event) {
        let reason = &event.reason;
        let kind = about.reference.kind.clone().unwrap_or_default();
        let key = format!("{kind} {}/{}", about.namespace, about.name);
        match tokio::time::timeout(TIMEOUT, self.send(about, event)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = chain(&KubeError::of("publish an Event", error));
                tracing::warn!(object = %key, reason, error, "Event not published");
            }
            Err(_) => {
                tracing::warn!(
                    object = %key,
                    reason,
                    timeout = ?TIMEOUT,
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
        match event.reason.as_str() {
            ACTION_APPLIED => self.metrics.action_settled(&event.action, "Applied"),
            ACTION_REJECTED => self.metrics.action_settled(&event.action, "Rejected"),
            RECORD_NOT_WRITTEN => self.metrics.record_not_written(),
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
    use super::*;

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
