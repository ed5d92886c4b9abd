//! What a scrape of `/metrics` counts when it is asked for.

use std::sync::Arc;

use crate::{
    kubernetes::{Heard, ObjectKey, Schemas},
    runtime::{
        clock::Clock,
        dispatcher::Triggers,
        lease::Fence,
        metrics::{Metrics, Scrape},
        pace::Pace,
    },
    seen::{Place, Sightings},
    tasks::{Leftovers, TaskIndex},
    windows::Windows,
};

/// Where it is counted. What it costs grows with the objects that something is done for, not with those that have ended.
pub struct Sources {
    /// The counters, and where the text comes from.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The index of objects.
    pub tasks: Arc<TaskIndex>,
    /// The MaintenanceWindows.
    pub windows: Arc<Windows>,
    /// What the records list as left.
    pub leftovers: Arc<Leftovers>,
    /// The queue.
    pub triggers: Arc<Triggers<ObjectKey>>,
    /// What the poller has seen.
    pub sightings: Arc<Sightings>,
    /// The turns of those who start.
    pub pace: Arc<Pace<Place, ObjectKey>>,
    /// What is known of the CRDs.
    pub schemas: Arc<Schemas>,
    /// When watches were last answered.
    pub heard: Arc<Heard>,
    /// Whether this process leads.
    pub fence: Fence,
    /// The name of the Lease; `None`: this process is alone.
    pub lease: Option<String>,
}

impl Sources {
    /// The text of a scrape.
    pub fn text(&self) -> String {
        let leads = self.fence.leads();
        let here = Scrape {
            election: self.lease.clone().map(|lease| (lease, leads)),
            watches: self.heard.times(),
            missing_fields: self.schemas.missing(),
            ..Scrape::default()
        };
        // What one process tells of all objects is not to be added up with what another does.
        self.metrics.render(&match leads {
            false => here,
            true => Scrape {
                tasks: self.tasks.by_state(),
                active: self.tasks.shown(),
                instances: self.tasks.instances(),
                leftovers: self.leftovers.by_kind(),
                frozen: self.frozen(),
                windows: self.windows.open(self.clock.now()),
                backlog: self.triggers.backlog(),
                under_way: self.triggers.under_way(),
                lateness: self.triggers.lateness(),
                starts: self.pace.waiting(),
                seen: (self.sightings.nested(), self.sightings.dropped()),
                ..here
            },
        })
    }

    fn frozen(&self) -> std::collections::BTreeMap<(&'static str, String, String), i64> {
        let now = self.clock.now();
        // Of an object and of a run of an earlier one of the same name, the latter is in the way.
        let frozen = self
            .tasks
            .frozen()
            .into_iter()
            .chain(self.leftovers.frozen());
        let frozen = frozen.map(|(key, since)| {
            let seconds = now.duration_since(since).as_secs();
            ((key.kind.name(), key.namespace, key.name), seconds)
        });
        frozen.collect()
    }
}
