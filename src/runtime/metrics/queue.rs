//! The queue that passes are served from, under the names that dashboards of client-go know, and how late looks are.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::{
    catalogue::{Catalogue, Counters, Gauges, Histograms, Lasts},
    passes::SHORT,
    scraped::{Scrape, whole},
};

/// The name of the one queue, which serves all kinds.
const QUEUE: &str = "ess-rollout";
const NAME: (&str, &str) = ("name", "`ess-rollout`: one queue serves all kinds");

/// Counts what goes through the queue.
pub struct Queue {
    depth: Gauges<1>,
    adds: Counters<1>,
    waited: Histograms<1>,
    worked: Histograms<1>,
    unfinished: Gauges<1>,
    longest: Gauges<1>,
    retries: Counters<1>,
    age: Gauges<1>,
    lateness: Gauge,
    starts_waiting: Gauge,
    starts_wait: Gauge,
}

impl Queue {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        Self {
            depth: all.gauges(
                ("workqueue_depth", Lasts::AsItIs, "Objects that wait for a worker"),
                [NAME],
            ),
            adds: all.counters(
                (
                    "workqueue_adds_total",
                    Lasts::Process,
                    "How often an object was put into the queue, at once or for later",
                ),
                [NAME],
            ),
            waited: all.histograms(
                (
                    "workqueue_queue_duration_seconds",
                    Lasts::Process,
                    "For how long an object that was due waited for a worker",
                ),
                [NAME],
                SHORT,
            ),
            worked: all.histograms(
                (
                    "workqueue_work_duration_seconds",
                    Lasts::Process,
                    "For how long a worker was at an object",
                ),
                [NAME],
                SHORT,
            ),
            unfinished: all.gauges(
                (
                    "workqueue_unfinished_work_seconds",
                    Lasts::AsItIs,
                    "For how long the workers have been at what they are at, added up",
                ),
                [NAME],
            ),
            longest: all.gauges(
                (
                    "workqueue_longest_running_processor_seconds",
                    Lasts::AsItIs,
                    "The longest of these times",
                ),
                [NAME],
            ),
            retries: all.counters(
                (
                    "workqueue_retries_total",
                    Lasts::Process,
                    "How often an object was put into the queue because its pass had stopped short",
                ),
                [NAME],
            ),
            age: all.gauges(
                (
                    "ess_rollout_queue_age_seconds",
                    Lasts::AsItIs,
                    "For how long the object that has been due for longest has waited for a worker",
                ),
                [NAME],
            ),
            lateness: all.gauge((
                "ess_rollout_look_lateness_seconds",
                Lasts::AsItIs,
                "For how long the look that has been due for longest has been due and has not ended: waiting for a worker, and from then on for turns at the rates of the account, and for answers",
            )),
            starts_waiting: all.gauge((
                "ess_rollout_starts_waiting",
                Lasts::AsItIs,
                "Starts that wait for their turn, as `--oos-starts-per-second` spreads them",
            )),
            starts_wait: all.gauge((
                "ess_rollout_starts_wait_seconds",
                Lasts::AsItIs,
                "How long it is until the last of them has its turn",
            )),
        }
    }

    /// Objects were put into the queue so many times, of which so many because their passes had stopped short.
    pub fn added(&self, times: u64, retries: u64) {
        self.adds.with([QUEUE], |adds| adds.inc_by(times));
        self.retries.with([QUEUE], |all| all.inc_by(retries));
    }

    /// An object had waited this long when a worker took it.
    pub fn waited(&self, duration: Duration) {
        self.waited
            .with([QUEUE], |waited| waited.observe(duration.as_secs_f64()));
    }

    /// A worker was at an object for this long.
    pub fn worked(&self, duration: Duration) {
        self.worked
            .with([QUEUE], |worked| worked.observe(duration.as_secs_f64()));
    }

    pub(super) fn set(&self, scrape: &Scrape) {
        let (depth, age) = scrape.backlog;
        self.depth.with([QUEUE], |gauge| gauge.set(whole(depth)));
        self.age
            .with([QUEUE], |gauge| gauge.set(whole(age.as_secs())));
        let (unfinished, longest) = scrape.under_way;
        let seconds = [(&self.unfinished, unfinished), (&self.longest, longest)];
        for (gauges, time) in seconds {
            gauges.with([QUEUE], |gauge| gauge.set(whole(time.as_secs())));
        }
        self.lateness.set(whole(scrape.lateness.as_secs()));
        let (waiting, last) = scrape.starts;
        self.starts_waiting.set(whole(waiting));
        self.starts_wait.set(whole(last.as_secs()));
    }
}
