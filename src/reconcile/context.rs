//! What a pass works with, and what bounds it.

use std::{sync::Arc, time::Duration};

use ess_rollout_cloud::{Answer, CloudError, Query};
use ess_rollout_core::rollout::{Input, Next, Settings, Step};

use super::counting::Counting;
use crate::{
    clouds::Clouds,
    endpoints::Shared,
    kubernetes::{Kubernetes, ObjectKey, Schemas, Vouching},
    recent::Recent,
    runtime::{clock::Clock, events::Events, pace::Pace, queue::Again},
    seen::{Place, Sightings},
    tasks::TaskIndex,
    windows::Windows,
};

/// How a decision about a rolling update is made: [`ess_rollout_core::rollout::step`], or a script in
/// tests.
pub type StepFn = Arc<dyn for<'a> Fn(Input<'a>) -> Step + Send + Sync>;

/// What a pass works with.
#[derive(Clone)]
pub struct Context {
    /// The apiserver.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// The cloud, by credentials.
    pub clouds: Arc<dyn Clouds>,
    /// Where Events go.
    pub events: Arc<dyn Events>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The queue of each group.
    pub tasks: Arc<TaskIndex>,
    /// The MaintenanceWindows.
    pub windows: Arc<Windows>,
    /// The turns of those who start.
    pub pace: Arc<Pace<Place, ObjectKey>>,
    /// What the poller has seen.
    pub sightings: Arc<Sightings>,
    /// What all who ask for the same share.
    pub recent: Arc<Recent<(Place, Query), Result<Answer, CloudError>>>,
    /// What checks ask besides the cloud.
    pub endpoints: Arc<Shared>,
    /// What the operator's configuration says about every task.
    pub settings: Settings,
    /// What bounds a pass.
    pub limits: Limits,
    /// What is known of the CRDs.
    pub schemas: Arc<Schemas>,
    /// Where the names in requests are verified.
    pub vouching: Arc<Vouching>,
    /// Where what comes on record is counted.
    pub counting: Arc<Counting>,
    /// The decision.
    pub step: StepFn,
}

impl Context {
    /// When a pass over this object is to be followed by another one.
    pub fn again(&self, key: &ObjectKey, next: Next) -> Again {
        match next {
            Next::Now => Again::Now,
            Next::After(wait) if self.pace.is_to_come(key) => Again::InTurn(wait),
            Next::After(wait) => Again::After(wait),
            Next::OnChange => Again::OnChange,
        }
    }
}

/// What bounds a pass.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long the cloud is read from for one decision, the turns that reads wait for included. What is not answered by
    /// then is answered as a timeout. Each call has a timeout of its own.
    pub reading: Duration,
    /// How many times a step may ask for more before it decides.
    pub rounds: usize,
    /// How many decisions are carried out before other tasks get their turn.
    pub decisions: usize,
    /// How many times in a row a pass starts over because somebody else wrote first. More is no
    /// race but an object that the apiserver will not take.
    pub conflicts: usize,
    /// How old a decision may be when its mutation is sent. The bound on lateness is counted from
    /// times that the decision put on record, so slow writes must not stretch it.
    pub decision_age: Duration,
    /// For how long an object that a pass has written is as good as one that is read, and how long the cloud may be read
    /// before the object and its group's record are read once more.
    pub fresh: Duration,
    /// How long the cloud is read from before the object says that what it shows is not fresh.
    pub late: Duration,
    /// How old what the poller has seen may be to show how far an update is.
    pub sighting_age: Duration,
    /// How long a mutation may then wait for its turn under the account's rate limit: one answer sends off all who have
    /// waited for it, some forty starts at eight a second, and who is held back begins anew.
    pub turn: Duration,
}

impl Limits {
    /// For calls that may take this long: a decision is acted on within half of that time, and its
    /// call waits for its turn within a quarter of it and no longer than by default.
    pub fn for_calls(timeout: Duration) -> Self {
        Self {
            decision_age: timeout / 2,
            turn: (timeout / 4).min(Self::default().turn),
            ..Self::default()
        }
    }

    /// How long after the time that a decision put on record its call may last be under way. The
    /// bound on lateness begins there.
    pub fn call_time(&self, timeout: Duration) -> Duration {
        self.decision_age + self.turn + timeout
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reading: Duration::from_secs(600),
            rounds: 8,
            decisions: 25,
            conflicts: 5,
            decision_age: Duration::from_secs(15),
            fresh: Duration::from_secs(1),
            late: Duration::from_secs(60),
            sighting_age: Duration::from_secs(30),
            turn: Duration::from_secs(6),
        }
    }
}
