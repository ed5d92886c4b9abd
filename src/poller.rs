//! The one batched reader of executions: one list for each account and region, whatever the number
//! of tasks. It decides nothing: it wakes the tasks whose execution moved.
//!
//! What it remembers may be lost at any moment: a task is looked at every few polls anyway, by a
//! timer of its own, so that not all of them are looked at at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use ess_rollout_cloud::{
    Answer, CloudError, ErrorClass, Execution, ExecutionFilter, Query, Turn, Urgency,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Semaphore, time::Instant};

use ess_rollout_core::identity;

use crate::{
    clouds::Clouds,
    kubernetes::ObjectKey,
    runtime::{clock::Clock, dispatcher::Triggers, metrics::Metrics, shutdown::Shutdown},
    seen::{Place, Poll, Sightings},
    tasks::{ActiveTask, TaskIndex},
};

/// After so many polls a running task is looked at, moved or not: lists lag behind, and whether an
/// execution moves with its children is not documented.
pub const EVERY: u32 = 5;
/// Between two tasks that one poll wakes: each is three reads of a rate of about ten a second.
const APART: Duration = Duration::from_millis(500);
/// Accounts and regions that are listed side by side: bounds memory. One that does not answer keeps
/// its turn for [`LIST_TIMEOUT`], and must not be able to hold up the others with a few like it.
const SIDE_BY_SIDE: usize = 16;
/// How long one list may take, all its pages, where every other call is throttled.
const LIST_TIMEOUT: Duration = Duration::from_secs(180);
/// How long after the start the first poll is at most: watches have just listed what there is.
const FIRST: Duration = Duration::from_secs(1);
/// How far before the oldest active execution the list begins: dates have whole seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// What the poller works with.
pub struct Poller {
    /// Which tasks are active.
    pub tasks: Arc<TaskIndex>,
    /// Where what was seen is kept.
    pub sightings: Arc<Sightings>,
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

/// How the lists go.
#[derive(Default)]
struct Listing {
    /// Places whose last list failed: said once, not at every poll.
    failing: HashMap<Place, String>,
    /// Places whose list has not come in yet.
    under_way: BTreeSet<Place>,
}

/// A list that came in, and the tasks that it was made for.
struct Listed {
    place: Place,
    tasks: Vec<ActiveTask>,
    began: Instant,
    list: Result<List, Failed>,
}

/// Why a list has not come in.
struct Failed {
    message: String,
    /// Of the answer that said so.
    request_id: Option<String>,
    /// It has not had its turn under the rate of the account.
    throttled: bool,
}

/// What a poll has brought in.
struct List {
    roots: Arc<Vec<Execution>>,
    /// `None`: not asked for.
    nested: Option<(Timestamp, Arc<Vec<Execution>>)>,
}

/// The lists that are under way. Each is handled when it comes in: one account that does not answer
/// holds nobody else up, in this poll or the next ones.
type Lists<'a> = FuturesUnordered<BoxFuture<'a, Listed>>;

impl Poller {
    /// Polls until the word to stop.
    pub async fn run(self, mut shutdown: Shutdown) {
        let mut listing = Listing::default();
        let turns = Semaphore::new(SIDE_BY_SIDE);
        let mut lists = Lists::new();
        // What was under way before a restart is not to wait for a whole interval.
        let mut next = self.clock.sleep(self.interval.min(FIRST));
        loop {
            // In this order, so that the same events give the same calls.
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                Some(listed) = lists.next() => self.take(&mut listing, listed),
                () = &mut next => {
                    self.begin(&mut listing, &turns, &mut lists);
                    next = self.clock.sleep(self.interval);
                }
            }
        }
    }

    /// Begins a poll: a list of every place with active tasks, but those whose last list has not
    /// come in. Without active tasks it calls nobody.
    fn begin<'a>(&'a self, listing: &mut Listing, turns: &'a Semaphore, lists: &mut Lists<'a>) {
        let mut places: BTreeMap<Place, Vec<ActiveTask>> = BTreeMap::new();
        for task in self.tasks.active() {
            let place = (task.scope.clone(), task.region.clone());
            places.entry(place).or_default().push(task);
        }
        let active: HashSet<(&Place, &str)> = places
            .iter()
            .flat_map(|(place, tasks)| tasks.iter().map(move |t| (place, t.execution.as_str())))
            .collect();
        self.sightings
            .retain(|place, execution| active.contains(&(place, execution)));
        listing
            .failing
            .retain(|place, _| places.contains_key(place));
        self.metrics.cloud.polls_fail(listing.failing.len());
        if places.is_empty() {
            self.metrics.cloud.polled(self.clock.now().as_second());
        }
        for (place, tasks) in places {
            if !listing.under_way.insert(place.clone()) {
                continue;
            }
            let listed = async move {
                // Fails only if it is closed, which nobody does.
                let _turn = turns.acquire().await;
                let began = Instant::now();
                let list = self.list(&place, &tasks).await;
                Listed {
                    place,
                    tasks,
                    began,
                    list,
                }
            };
            lists.push(listed.boxed());
        }
    }

    /// Wakes those whose execution moved, or was not in the list.
    fn take(&self, listing: &mut Listing, listed: Listed) {
        let place = listed.place;
        listing.under_way.remove(&place);
        match listed.list {
            Ok(list) => {
                listing.failing.remove(&place);
                self.metrics.cloud.polled(self.clock.now().as_second());
                let tasks = listed.tasks.iter();
                let active: HashSet<&str> = tasks.map(|task| task.execution.as_str()).collect();
                let moved = self.sightings.polled(
                    &place,
                    &Poll {
                        active: &active,
                        began: listed.began,
                        roots: &list.roots,
                        nested: list.nested.as_ref().map(|(since, all)| (*since, &all[..])),
                    },
                );
                let moved: HashSet<String> = moved.into_iter().collect();
                let woken = listed.tasks.into_iter();
                let woken: Vec<_> = woken.filter(|t| moved.contains(&t.execution)).collect();
                let apart = self.apart(woken.len());
                let mut wait = Duration::ZERO;
                for task in woken {
                    self.triggers.trigger_after(task.key, wait);
                    wait += apart;
                }
            }
            Err(error) => {
                if !error.throttled {
                    self.sightings.failed(&place);
                }
                listing.failed(&place, &error);
            }
        }
        self.metrics.cloud.polls_fail(listing.failing.len());
    }

    /// How far apart so many tasks are woken: before the next poll, and otherwise far enough that
    /// their reads leave tokens of the account's rate to what a person asks for meanwhile.
    fn apart(&self, tasks: usize) -> Duration {
        let tasks = u32::try_from(tasks).unwrap_or(u32::MAX).max(1);
        APART.min(self.interval / tasks)
    }

    /// Roots first: what is seen of the nested ones is then the newer.
    async fn list(&self, place: &Place, tasks: &[ActiveTask]) -> Result<List, Failed> {
        let (key, value) = identity::TAG_MANAGED_BY;
        let roots = ExecutionFilter::TaggedProgress {
            tags: vec![(key.to_owned(), value.to_owned())],
            started_after: begin(tasks),
        };
        let listed = async {
            let roots = self.executions(place, roots).await?;
            let on_record = tasks.iter().filter_map(|task| task.latest).min();
            let now = self.clock.now();
            let window = self.sightings.window(place, &roots, on_record, now);
            let nested = match window {
                Some(since) => {
                    let nested = self.executions(place, ExecutionFilter::NestedSince(since));
                    let nested = nested.await.inspect_err(|error| {
                        if error.class != ErrorClass::Throttled {
                            self.sightings.missed(place);
                        }
                    });
                    Some((since, nested?))
                }
                None => None,
            };
            Ok(List { roots, nested })
        };
        tokio::select! {
            biased;
            list = listed => list.map_err(|error: CloudError| Failed {
                throttled: error.class == ErrorClass::Throttled,
                message: error.to_string(),
                request_id: error.request_id,
            }),
            () = self.clock.sleep(LIST_TIMEOUT) => Err(Failed {
                message: format!("no list within {LIST_TIMEOUT:?}"),
                request_id: None,
                throttled: false,
            }),
        }
    }

    async fn executions(
        &self,
        (scope, region): &Place,
        filter: ExecutionFilter,
    ) -> Result<Arc<Vec<Execution>>, CloudError> {
        // Without it nobody knows when to look.
        let turn = Turn {
            urgency: Urgency::Shared,
            ..Turn::default()
        };
        let cloud = self.clouds.open(scope).await?;
        let answer = cloud.query(region, &Query::Executions(filter), turn).await;
        if matches!(&answer, Err(error) if error.class == ErrorClass::Unauthenticated) {
            self.clouds.rejected(scope);
        }
        match answer? {
            Answer::Executions(executions) => Ok(executions),
            _ => Ok(Arc::default()),
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

impl Listing {
    fn failed(&mut self, place: &Place, failed: &Failed) {
        let (scope, region) = place;
        let error = failed.message.as_str();
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
                requestId = failed.request_id,
                "executions cannot be listed, trying again"
            );
        }
        self.failing.insert(place.clone(), kind);
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
pub(crate) mod tests;
