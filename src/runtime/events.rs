//! Kubernetes Events. A failure to publish one is logged and nothing else.

use std::{future::Future, pin::Pin, time::Duration};

use ess_rollout_api::v1alpha1::RollingUpdateTask;
use ess_rollout_core::rollout::{Event, EventKind};
use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{self, EventType, Recorder, Reporter},
};

/// The apiserver's bound on `note` (events.k8s.io/v1), in bytes.
const NOTE_MAX: usize = 1024;
/// Its bound on `reason` and `action`.
const WORD_MAX: usize = 128;
/// An Event is not worth waiting for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where Events about tasks go.
pub trait Events: Send + Sync {
    /// Publishes one, or logs why not.
    fn publish<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Publishes through the events.k8s.io API. Needs `create` and `patch` there: repeats of an Event
/// within six minutes become a series.
pub struct Publisher(Recorder);

impl Publisher {
    /// One for the process: the cache of series is in it. `instance` is the pod's name.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        Self(Recorder::new(
            client,
            Reporter {
                controller: "ess-rollout.io/operator".to_owned(),
                instance: instance.map(|name| cut(&name, WORD_MAX)),
            },
        ))
    }
}

impl Events for Publisher {
    fn publish<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
        event: &'a Event,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let Event {
                kind,
                reason,
                action,
                note,
            } = event;
            let published = events::Event {
                type_: match kind {
                    EventKind::Normal => EventType::Normal,
                    EventKind::Warning => EventType::Warning,
                },
                reason: cut(reason, WORD_MAX),
                note: Some(cut(note, NOTE_MAX)),
                action: cut(action, WORD_MAX),
                secondary: None,
            };
            let reference = task.object_ref(&());
            let published = self.0.publish(&published, &reference);
            match tokio::time::timeout(TIMEOUT, published).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(name = task.name_any(), reason, %error, "Event not published");
                }
                Err(_) => {
                    tracing::warn!(
                        name = task.name_any(),
                        reason,
                        "Event not published in time"
                    );
                }
            }
        })
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
