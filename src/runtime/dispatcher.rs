//! Runs passes: each object by itself, a bounded number side by side.

use std::{
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ess_rollout_cloud::{Turn, Urgency};
use futures::FutureExt;
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{
    metrics::Metrics,
    queue::{Again, WorkQueue},
    shutdown::Shutdown,
};

/// What a pass came to.
#[derive(Debug)]
pub struct Finished {
    /// When to look again.
    pub again: Again,
    /// The versions that it read or wrote.
    pub versions: Vec<String>,
}

/// The queue, and a way to wake who serves it.
pub struct Triggers<K> {
    queue: Mutex<WorkQueue<K>>,
    lane_of: Box<dyn Fn(&K) -> u64 + Send + Sync>,
    wake: Notify,
    metrics: Option<Arc<Metrics>>,
}

impl<K: Clone + Eq + Hash + Ord> Default for Triggers<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash + Ord> Triggers<K> {
    /// An empty one, with one lane.
    pub fn new() -> Self {
        Self::with_lanes(|_| 0)
    }

    /// An empty one, and which lane an object is in.
    pub fn with_lanes(lane_of: impl Fn(&K) -> u64 + Send + Sync + 'static) -> Self {
        Self {
            queue: Mutex::default(),
            lane_of: Box::new(lane_of),
            wake: Notify::new(),
            metrics: None,
        }
    }

    /// The same, counted here.
    pub fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    fn queue(&self) -> MutexGuard<'_, WorkQueue<K>> {
        // Nothing panics while holding it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`WorkQueue::changed`].
    pub fn changed(&self, key: K, version: String, urgency: Urgency) {
        self.changed_after(key, version, urgency, Duration::ZERO);
    }

    /// The same, this much later.
    pub fn changed_after(&self, key: K, version: String, urgency: Urgency, wait: Duration) {
        let lane = (self.lane_of)(&key);
        self.queue()
            .changed(key, version, lane, urgency, Instant::now() + wait);
        self.wake.notify_one();
    }

    /// See [`WorkQueue::trigger`].
    pub fn trigger(&self, key: K) {
        self.trigger_after(key, Duration::ZERO);
    }

    /// The same, this much later.
    pub fn trigger_after(&self, key: K, wait: Duration) {
        let lane = (self.lane_of)(&key);
        self.queue().trigger(key, lane, Instant::now() + wait);
        self.wake.notify_one();
    }

    /// See [`WorkQueue::forget`].
    pub fn forget(&self, key: &K) {
        self.queue().forget(key);
    }

    /// See [`WorkQueue::begin_anew`]. No pass of the term before may be under way any more.
    pub fn begin_anew(&self, wait: impl Fn(&K) -> Option<Duration>) {
        self.queue().begin_anew(Instant::now(), wait);
        self.wake.notify_one();
    }

    /// See [`WorkQueue::pop`].
    pub fn pop(&self, limit: usize, now: Instant) -> Option<(K, Urgency)> {
        let mut queue = self.queue();
        let popped = queue.pop(limit, now);
        if let (Some((key, _)), Some(metrics)) = (&popped, &self.metrics) {
            metrics.queue.waited(queue.waited(key).unwrap_or_default());
        }
        popped
    }

    /// See [`WorkQueue::done`].
    pub fn done(&self, key: K, Finished { again, versions }: Finished) {
        let lane = (self.lane_of)(&key);
        let (now, noise) = (Instant::now(), fastrand::f64());
        let took = self.queue().done(key, again, versions, lane, now, noise);
        if let (Some(took), Some(metrics)) = (took, &self.metrics) {
            metrics.queue.worked(took);
        }
    }

    /// For how long workers have been at what they are at: added up, and the longest. Counts what has gone through the queue
    /// by then.
    pub fn under_way(&self) -> (Duration, Duration) {
        let mut queue = self.queue();
        let flow = queue.flow();
        if let Some(metrics) = &self.metrics {
            metrics.queue.added(flow.added, flow.retried);
        }
        queue.under_way(Instant::now())
    }

    /// How many objects wait for a worker, and how long the first of them has.
    pub fn backlog(&self) -> (usize, Duration) {
        let now = Instant::now();
        let (count, oldest) = self.queue().backlog(now);
        (count, oldest.map_or(Duration::ZERO, |at| now - at))
    }

    /// For how long the look that has been due for longest has been due and has not ended: the time that its pass waits for
    /// turns at the cloud counts as well.
    pub fn lateness(&self) -> Duration {
        let now = Instant::now();
        let since = self.queue().late_since(now);
        since.map_or(Duration::ZERO, |at| now - at)
    }
}

/// How many passes are under way.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    /// Of objects of one account and region. A pass that waits for a rate of theirs waits here, so that this bounds how long
    /// the queue of a rate gets.
    pub in_a_lane: usize,
    /// Together: bounds memory.
    pub in_all: usize,
}

/// A pass panicked.
#[derive(Debug, thiserror::Error)]
#[error("a pass panicked")]
pub struct Panicked(#[source] JoinError);

/// Serves the queue until the word to stop, then lets the passes that are under way finish: a call
/// to the cloud that is cut off would have an unknown outcome.
///
/// # Errors
/// When a pass panicked; the others finish first. The operator's passes contain their panics: what
/// gets here is a defect of the machinery around them.
pub async fn run<K, F, P>(
    triggers: &Triggers<K>,
    workers: Workers,
    mut shutdown: Shutdown,
    pass: F,
) -> Result<(), Panicked>
where
    K: Clone + Eq + Hash + Ord + Send + 'static,
    F: Fn(K, Turn) -> P,
    P: Future<Output = Finished> + Send + 'static,
{
    let mut running: JoinSet<(K, Finished)> = JoinSet::new();
    let mut panicked = None;
    let mut number = 0;
    loop {
        let stopping = panicked.is_some() || shutdown.requested();
        while !stopping && running.len() < workers.in_all {
            let Some((key, urgency)) = triggers.pop(workers.in_a_lane, Instant::now()) else {
                break;
            };
            number += 1;
            let future = pass(key.clone(), Turn { urgency, number });
            // An async block would have room for it twice.
            running.spawn(future.map(|finished| (key, finished)));
        }
        if stopping && running.is_empty() {
            return match panicked {
                Some(error) => Err(Panicked(error)),
                None => Ok(()),
            };
        }
        let due = match !stopping && running.len() < workers.in_all {
            true => triggers.queue().next_due(workers.in_a_lane),
            false => None,
        };
        // In this order, so that the same events give the same passes. Nobody is starved by it: the
        // other branches only begin the next turn, which looks at everything that they tell of.
        tokio::select! {
            biased;
            Some(joined) = running.join_next(), if !running.is_empty() => match joined {
                Ok((key, finished)) => triggers.done(key, finished),
                Err(error) => panicked = Some(error),
            },
            () = triggers.wake.notified() => {}
            () = async { match due { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {}
            () = shutdown.wait(), if !stopping => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::runtime::shutdown;

    fn workers(number: usize) -> Workers {
        Workers {
            in_a_lane: number,
            in_all: number,
        }
    }

    fn finished(again: Again) -> Finished {
        Finished {
            again,
            versions: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_under_way_finish_and_no_new_ones_begin_after_the_word_to_stop() {
        let triggers = Arc::new(Triggers::new());
        let ended = Arc::new(AtomicUsize::new(0));
        for key in 0..5 {
            triggers.trigger(key);
        }
        let (stop, shutdown) = shutdown::channel();
        let (counter, served) = (ended.clone(), triggers.clone());
        let serving = tokio::spawn(async move {
            run(&served, workers(2), shutdown, |_, _| {
                let counter = counter.clone();
                async move {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    counter.fetch_add(1, Ordering::SeqCst);
                    finished(Again::OnChange)
                }
            })
            .await
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.stop();
        assert!(serving.await.is_ok_and(|result| result.is_ok()));
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_late_while_its_pass_waits_for_its_turn() {
        let triggers = Arc::new(Triggers::new());
        triggers.trigger("a");
        triggers.trigger_after("b", Duration::from_secs(10));
        let (stop, shutdown) = shutdown::channel();
        let served = triggers.clone();
        let serving = tokio::spawn(async move {
            run(&served, workers(1), shutdown, |_, _| async {
                // As at a rate that is spent.
                tokio::time::sleep(Duration::from_secs(40)).await;
                finished(Again::OnChange)
            })
            .await
        });
        let (begin, mut late) = (Instant::now(), Vec::new());
        for second in [15, 35, 55, 75, 95] {
            sleep_until(begin + Duration::from_secs(second)).await;
            let (_, waited) = triggers.backlog();
            late.push((triggers.lateness().as_secs(), waited.as_secs()));
        }
        // The first has a worker all the time; the second waits for it from the tenth second to the fortieth.
        assert_eq!(late, [(15, 5), (35, 25), (45, 0), (65, 0), (0, 0)]);
        stop.stop();
        assert!(serving.await.is_ok_and(|result| result.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_through_the_queue_is_counted() {
        let metrics = Arc::new(Metrics::new());
        let triggers = Triggers::new().counted(metrics.clone());
        let began = Instant::now();
        let second = |number| began + Duration::from_secs(number);
        triggers.trigger("a");
        // Of what waits already nothing is added.
        triggers.trigger("a");
        triggers.trigger("b");
        sleep_until(second(2)).await;
        assert!(triggers.pop(9, second(2)).is_some());
        sleep_until(second(3)).await;
        assert!(triggers.pop(9, second(3)).is_some());
        sleep_until(second(7)).await;
        let (all, longest) = triggers.under_way();
        assert_eq!((all.as_secs(), longest.as_secs()), (9, 5));
        triggers.done("a", finished(Again::Failed));
        triggers.done("b", finished(Again::OnChange));
        assert_eq!(triggers.under_way(), (Duration::ZERO, Duration::ZERO));
        let text = metrics.render(&Default::default());
        for (name, value) in [
            ("adds_total", "3"),
            ("retries_total", "1"),
            ("queue_duration_seconds_sum", "5.0"),
            ("work_duration_seconds_sum", "9.0"),
            ("work_duration_seconds_count", "2"),
        ] {
            let line = format!("workqueue_{name}{{name=\"ess-rollout\"}} {value}");
            assert!(text.contains(&line), "{line} is missing in:\n{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_it_with_an_error() {
        let triggers = Triggers::new();
        triggers.trigger("a");
        let (_stop, shutdown) = shutdown::channel();
        let result = run(&triggers, workers(2), shutdown, |_, _| async {
            panic!("no")
        })
        .await;
        assert!(result.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_requeue_comes_due_and_workers_bound_what_runs_side_by_side() {
        let triggers = Arc::new(Triggers::new());
        let (running, most, passes) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        for key in 0..10 {
            triggers.trigger(key);
        }
        let (stop, shutdown) = shutdown::channel();
        let (r, m, p, served) = (running, most.clone(), passes.clone(), triggers.clone());
        let serving = tokio::spawn(async move {
            run(&served, workers(3), shutdown, |_, _| {
                let (r, m, p) = (r.clone(), m.clone(), p.clone());
                async move {
                    m.fetch_max(r.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    r.fetch_sub(1, Ordering::SeqCst);
                    p.fetch_add(1, Ordering::SeqCst);
                    finished(Again::After(Duration::from_secs(60)))
                }
            })
            .await
        });
        tokio::time::sleep(Duration::from_secs(90)).await;
        stop.stop();
        assert!(serving.await.is_ok_and(|result| result.is_ok()));
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert_eq!(passes.load(Ordering::SeqCst), 20);
    }
}

#[cfg(test)]
#[path = "dispatcher_turns.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod turns;
