//! Calls to Alibaba Cloud, and what polls show.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::{
    catalogue::{Buckets, Catalogue, Counters, Histograms, Lasts},
    passes::SHORT,
    scraped::{Scrape, whole},
};

/// Upper bounds in seconds of the wait for a turn, which may last minutes.
const TURNS: Buckets = Buckets(&[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0]);

const SERVICE: (&str, &str) = ("service", "`OOS`, `ESS`, `ECS`, `ECI`, `STS`");
const ACTION: (&str, &str) = ("action", "the API");

/// One call to the cloud.
#[derive(Debug, Clone, Copy)]
pub struct CloudCall<'a> {
    /// `ESS`, `ECS`, `OOS`, `STS`.
    pub service: &'a str,
    /// The API name.
    pub action: &'a str,
    /// Why it reads, of a closed set; `None`: it changes something.
    pub reason: Option<&'a str>,
    /// `OK`, or the class of the error.
    pub code: &'a str,
    /// How long it waited for its turn at the rate.
    pub waited: Duration,
    /// Until the answer; `None`: it was not sent.
    pub duration: Option<Duration>,
    /// Whether the account's rate limit, or our own below it, refused it.
    pub throttled: bool,
}

/// Counts calls and polls.
pub struct Cloud {
    requests: Counters<3>,
    reads: Counters<3>,
    questions: Counters<1>,
    shared: Counters<1>,
    time: Histograms<2>,
    throttled: Counters<2>,
    waited: Histograms<1>,
    last_poll: Gauge,
    failing_polls: Gauge,
    nested: Gauge,
    dropped: Gauge,
}

impl Cloud {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        Self {
            requests: all.counters(
                (
                    "ess_rollout_cloud_requests_total",
                    Lasts::Process,
                    "Calls to Alibaba Cloud that were sent",
                ),
                [SERVICE, ACTION, ("code", "`OK` or the class of the error")],
            ),
            reads: all.counters(
                (
                    "ess_rollout_cloud_reads_total",
                    Lasts::Process,
                    "Those of them that read, by why: `poll` (one list for all updates of an account and region), `asked` (somebody has changed the object), `due` (its next look is due)",
                ),
                [SERVICE, ACTION, ("reason", "")],
            ),
            questions: all.counters(
                (
                    "ess_rollout_questions_total",
                    Lasts::Process,
                    "Questions of passes and polls that were answered. One may take several calls, as lists have pages",
                ),
                [ACTION],
            ),
            shared: all.counters(
                (
                    "ess_rollout_shared_reads_total",
                    Lasts::Process,
                    "Those of them that were answered by a read that was made for another one: equal questions that were asked together, and questions about single groups, which go together. `rate(ess_rollout_shared_reads_total[5m]) / rate(ess_rollout_questions_total[5m])` is the part that cost nothing",
                ),
                [ACTION],
            ),
            time: all.histograms(
                (
                    "ess_rollout_cloud_request_duration_seconds",
                    Lasts::Process,
                    "Time of a call",
                ),
                [SERVICE, ACTION],
                SHORT,
            ),
            throttled: all.counters(
                (
                    "ess_rollout_cloud_throttled_total",
                    Lasts::Process,
                    "Calls refused by the account's rate limit, or held back below it",
                ),
                [SERVICE, ACTION],
            ),
            waited: all.histograms(
                (
                    "ess_rollout_cloud_rate_limiter_wait_seconds",
                    Lasts::Process,
                    "For how long a call waited for its turn at the rate of its account and region before it was sent, or sent away",
                ),
                [SERVICE],
                TURNS,
            ),
            last_poll: all.gauge((
                "ess_rollout_last_successful_poll_timestamp_seconds",
                Lasts::Process,
                "When running executions were last listed, or found not to need it; 0 before the first time",
            )),
            failing_polls: all.gauge((
                "ess_rollout_failing_polls",
                Lasts::AsItIs,
                "Accounts and regions whose executions could not be listed the last time",
            )),
            nested: all.gauge((
                "ess_rollout_nested_executions",
                Lasts::AsItIs,
                "Nested executions of those under way that are remembered as last polled",
            )),
            dropped: all.gauge((
                "ess_rollout_nested_executions_dropped",
                Lasts::Process,
                "How often those of an account were forgotten for want of room: each update that moves is then read by itself",
            )),
        }
    }

    /// A call ended.
    pub fn called(&self, call: CloudCall<'_>) {
        let CloudCall {
            service,
            action,
            code,
            ..
        } = call;
        if call.throttled {
            self.throttled.with([service, action], |all| all.inc());
        }
        self.waited.with([service], |waited| {
            waited.observe(call.waited.as_secs_f64())
        });
        if let Some(duration) = call.duration {
            self.time.with([service, action], |time| {
                time.observe(duration.as_secs_f64())
            });
            if let Some(reason) = call.reason {
                self.reads.with([service, action, reason], |all| all.inc());
            }
            self.requests.with([service, action, code], |all| all.inc());
        }
    }

    /// So many questions that this API answers were answered by so many reads.
    pub fn questions_answered(&self, action: &str, questions: u64, reads: u64) {
        self.questions.with([action], |all| all.inc_by(questions));
        let shared = questions.saturating_sub(reads);
        self.shared.with([action], |all| all.inc_by(shared));
    }

    /// So many accounts and regions failed the last time that they were listed.
    pub fn polls_fail(&self, places: usize) {
        self.failing_polls.set(whole(places));
    }

    /// Executions of an account were listed, or none had to be.
    pub fn polled(&self, unix_seconds: i64) {
        self.last_poll.set(unix_seconds);
    }

    pub(super) fn set(&self, scrape: &Scrape) {
        let (nested, dropped) = scrape.seen;
        self.nested.set(whole(nested));
        self.dropped.set(whole(dropped));
    }
}
