//! The tasks and records of a site as the apiserver tells of them, so that many people can look at them all the time.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;

type Key = (&'static str, String);

#[derive(Debug)]
pub struct Objects {
    all: Mutex<HashMap<Key, Value>>,
    changed: watch::Sender<()>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            changed: watch::channel(()).0,
        }
    }
}

impl Objects {
    /// Follows the objects of a kind for ever.
    pub async fn follow(self: Arc<Self>, kind: &'static str, api: Api<DynamicObject>) {
        let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                let key = (kind, object.name_any());
                let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(key, json!(object));
                self.changed.send_replace(());
            }
        }
    }

    pub fn get(&self, kind: &'static str, name: &str) -> Value {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(&(kind, name.to_owned()));
        found.cloned().unwrap_or_default()
    }

    /// Looks with each change until `look` gives something; `None`: it has not, within the time.
    pub async fn until<T>(
        &self,
        bound: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.changed.subscribe();
        let looks = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look(self) {
                    return found;
                }
                // The sender is here: it cannot be gone.
                drop(changes.changed().await);
            }
        };
        tokio::time::timeout(bound, looks).await.ok()
    }
}
