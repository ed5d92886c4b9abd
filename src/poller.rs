//! The one batched reader of executions: one list for each account and region, whatever the number
//! of tasks. It decides nothing: it wakes the tasks whose execution moved.
//!
//! What it remembers may be lost at any moment: a task is looked at every few polls anyway, by a
//! timer of its own, so that not all of them are looked at at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use ess_rollout_cloud::{Answer, CloudError, Execution, ExecutionFilter, Query, Turn, Urgency};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use ess_rollout_core::identity;

use crate::{
    clouds::Clouds,
    kubernetes::ObjectKey,
    runtime::{clock::Clock, dispatcher::Triggers, metrics::Metrics, shutdown::Shutdown},
    tasks::{ActiveTask, CredentialsScope, TaskIndex},
};

/// After so many polls a running task is looked at, moved or not: lists lag behind, and whether an
/// execution moves with its children is not documented.
pub const EVERY: u32 = 5;
/// Between two tasks that one poll wakes: each is three reads of a rate of about ten a second.
const APART: Duration = Duration::from_millis(500);
/// Accounts and regions that are listed side by side: bounds memory. One that does not answer keeps
/// its turn for [`LIST_TIMEOUT`], and must not be able to hold up the others with a few like it.
const SIDE_BY_SIDE: usize = 16;
/// How long one list may take, all its pages.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// How far before the oldest active execution the list begins: dates have whole seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// What the poller works with.
pub struct Poller {
    /// Which tasks are active.
    pub tasks: Arc<TaskIndex>,
    /// Whom to ask.
    pub clouds: Arc<dyn Clouds>,
    /// Whom to wake.
    pub triggers: Arc<Triggers<ObjectKey>>,
    /// Where a poll is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// From one poll to the next.
    pub interval: Duration,
}

/// Whose executions one list holds.
type Place = (CredentialsScope, String);

/// What was last seen of each active execution.
#[derive(Default)]
struct Seen {
    fingerprints: HashMap<(Place, String), u64>,
    /// Places whose last list failed: said once, not at every poll.
    failing: HashMap<Place, String>,
    /// Places whose list has not come in yet.
    listing: BTreeSet<Place>,
}

/// A list that came in, and the tasks that it was made for.
struct Listed {
    place: Place,
    tasks: Vec<ActiveTask>,
    list: Result<Vec<Execution>, String>,
}

/// The lists that are under way. Each is handled when it comes in: one account that does not answer
/// holds nobody else up, in this poll or the next ones.
type Lists<'a> = FuturesUnordered<BoxFuture<'a, Listed>>;

impl Poller {
    /// Polls until the word to stop.
    pub async fn run(self, mut shutdown: Shutdown) {
        let mut seen = Seen::default();
        let turns = Semaphore::new(SIDE_BY_SIDE);
        let mut lists = Lists::new();
        let mut next = self.clock.sleep(self.interval);
        loop {
            // In this order, so that the same events give the same calls.
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                Some(listed) = lists.next() => self.take(&mut seen, listed),
                () = &mut next => {
                    self.begin(&mut seen, &turns, &mut lists);
                    next = self.clock.sleep(self.interval);
                }
            }
        }
    }

    /// Begins a poll: a list of every place with active tasks, but those whose last list has not
    /// come in. Without active tasks it calls nobody.
    fn begin<'a>(&'a self, seen: &mut Seen, turns: &'a Semaphore, lists: &mut Lists<'a>) {
        let mut places: BTreeMap<Place, Vec<ActiveTask>> = BTreeMap::new();
        for task in self.tasks.active() {
            let place = (task.scope.clone(), task.region.clone());
            places.entry(place).or_default().push(task);
        }
        seen.forget_all_but(&places);
        self.metrics.polls_fail(seen.failing.len());
        if places.is_empty() {
            self.metrics.polled(self.clock.now().as_second());
        }
        for (place, tasks) in places {
            if !seen.listing.insert(place.clone()) {
                continue;
            }
            let listed = async move {
                // Fails only if it is closed, which nobody does.
                let _turn = turns.acquire().await;
                let list = self.list(&place, &tasks).await;
                Listed { place, tasks, list }
            };
            lists.push(listed.boxed());
        }
    }

    /// Wakes those whose execution moved.
    fn take(&self, seen: &mut Seen, Listed { place, tasks, list }: Listed) {
        seen.listing.remove(&place);
        match list {
            Ok(executions) => {
                seen.failing.remove(&place);
                self.metrics.polled(self.clock.now().as_second());
                let moved = seen.moved(&place, &tasks, &executions);
                let apart = self.apart(moved.len());
                let mut wait = Duration::ZERO;
                for key in moved {
                    self.triggers.trigger_after(key, wait);
                    wait += apart;
                }
            }
            Err(error) => seen.failed(&place, &error),
        }
        self.metrics.polls_fail(seen.failing.len());
    }

    /// How far apart so many tasks are woken: before the next poll, and otherwise far enough that
    /// their reads leave tokens of the account's rate to what a person asks for meanwhile.
    fn apart(&self, tasks: usize) -> Duration {
        let tasks = u32::try_from(tasks).unwrap_or(u32::MAX).max(1);
        APART.min(self.interval / tasks)
    }

    async fn list(
        &self,
        (scope, region): &Place,
        tasks: &[ActiveTask],
    ) -> Result<Vec<Execution>, String> {
        let (key, value) = identity::TAG_MANAGED_BY;
        let query = Query::Executions(ExecutionFilter::Tagged {
            tags: vec![(key.to_owned(), value.to_owned())],
            started_after: begin(tasks),
        });
        // Without it nobody knows when to look.
        let turn = Turn {
            urgency: Urgency::Shared,
            ..Turn::default()
        };
        let listed = async {
            let cloud = self.clouds.open(scope).await?;
            let answer = cloud.query(region, &query, turn).await;
            if matches!(&answer, Err(error) if error.class == ess_rollout_cloud::ErrorClass::Unauthenticated)
            {
                self.clouds.rejected(scope);
            }
            answer
        };
        tokio::select! {
            answer = listed => match answer {
                Ok(Answer::Executions(executions)) => Ok(executions),
                Ok(_) => Err("the answer is of another kind".to_owned()),
                Err(error @ CloudError { .. }) => Err(error.to_string()),
            },
            () = self.clock.sleep(LIST_TIMEOUT) => Err(format!("no list within {LIST_TIMEOUT:?}")),
        }
    }
}

/// Where the list has to begin to hold all of these; `None`: the start of one is not known.
fn begin(tasks: &[ActiveTask]) -> Option<Timestamp> {
    let mut oldest = None;
    for task in tasks {
        let started = task.started?;
        oldest = Some(oldest.map_or(started, |oldest: Timestamp| oldest.min(started)));
    }
    oldest.map(|oldest| oldest.saturating_sub(MARGIN).unwrap_or(oldest))
}

impl Seen {
    /// The tasks whose execution differs from the last list, or is not in this one.
    fn moved(
        &mut self,
        place: &Place,
        tasks: &[ActiveTask],
        executions: &[Execution],
    ) -> Vec<ObjectKey> {
        let by_id: HashMap<&str, &Execution> = executions
            .iter()
            .map(|execution| (execution.id.as_str(), execution))
            .collect();
        let mut moved = Vec::new();
        for task in tasks {
            let slot = (place.clone(), task.execution.clone());
            let unchanged = match by_id.get(task.execution.as_str()) {
                None => false,
                Some(execution) => {
                    let print = fingerprint(execution);
                    self.fingerprints.insert(slot, print) == Some(print)
                }
            };
            if !unchanged {
                moved.push(task.key.clone());
            }
        }
        moved
    }

    fn failed(&mut self, place: &Place, error: &str) {
        let (scope, region) = place;
        // Request ids differ each time: the word before them is what tells a new problem.
        let kind = error
            .split(" (request id")
            .next()
            .unwrap_or(error)
            .to_owned();
        if self.failing.get(place) != Some(&kind) {
            tracing::warn!(
                namespace = scope.namespace,
                secret = scope.secret,
                region,
                error,
                "executions cannot be listed, trying again"
            );
        }
        self.failing.insert(place.clone(), kind);
    }

    fn forget_all_but(&mut self, places: &BTreeMap<Place, Vec<ActiveTask>>) {
        self.failing.retain(|place, _| places.contains_key(place));
        self.fingerprints.retain(|(place, execution), _| {
            places
                .get(place)
                .is_some_and(|tasks| tasks.iter().any(|task| task.execution == *execution))
        });
    }
}

/// What tells that an execution moved.
fn fingerprint(execution: &Execution) -> u64 {
    let mut hasher = DefaultHasher::new();
    execution.status.as_str().hash(&mut hasher);
    execution.waiting_status.hash(&mut hasher);
    execution.updated.hash(&mut hasher);
    execution.end.hash(&mut hasher);
    execution.current_actions.hash(&mut hasher);
    for (name, value) in &execution.counters {
        name.hash(&mut hasher);
        value.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
#[path = "poller_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
