//! The apiserver: requests, watches, the Lease, the CRDs.

use std::time::Duration;

use super::{
    catalogue::{Buckets, Catalogue, Counters, Gauges, Histograms, Lasts},
    scraped::Scrape,
};

/// Upper bounds in seconds; a call is given up after ten.
const CALLS: Buckets = Buckets(&[0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0]);

/// What a request has for a code that got no answer, as client-go has it.
const NO_ANSWER: &str = "<error>";
/// What it has for a method that is none of these.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Counts requests and watches.
pub struct Cluster {
    requests: Counters<2>,
    time: Histograms<1>,
    leads: Gauges<1>,
    watches: Gauges<2>,
    watch_failures: Counters<1>,
    missing_fields: Gauges<1>,
}

impl Cluster {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        Self {
            requests: all.counters(
                (
                    "rest_client_requests_total",
                    Lasts::Process,
                    "Requests to the apiserver, those of watches and of the Lease included",
                ),
                [
                    ("code", "of the answer, or `<error>` where there was none"),
                    ("method", "of HTTP"),
                ],
            ),
            time: all.histograms(
                (
                    "rest_client_request_duration_seconds",
                    Lasts::Process,
                    "Until the apiserver's answer began",
                ),
                [("verb", "the method of HTTP")],
                CALLS,
            ),
            leads: all.gauges(
                (
                    "leader_election_master_status",
                    Lasts::AsItIs,
                    "1: this process leads. Without leader election there is none. What is about objects, queue, starts and executions is told by the leader alone",
                ),
                [("name", "of the Lease")],
            ),
            watches: all.gauges(
                (
                    "ess_rollout_watch_last_answer_timestamp_seconds",
                    Lasts::Process,
                    "When the apiserver last answered a list or a watch; every watch is asked for anew after 18 seconds",
                ),
                [("resource", ""), ("namespace", "empty: all")],
            ),
            watch_failures: all.counters(
                (
                    "ess_rollout_watch_failures_total",
                    Lasts::Process,
                    "Watches that failed and were begun anew",
                ),
                [("resource", "")],
            ),
            missing_fields: all.gauges(
                (
                    "ess_rollout_crd_missing_fields",
                    Lasts::AsItIs,
                    "Fields of this version that the CustomResourceDefinitions of the cluster do not have; anything but 0 needs them updated",
                ),
                [("kind", "")],
            ),
        }
    }

    /// A request was answered with this code after so long; `None`: it was not answered.
    pub fn requested(&self, method: &str, code: Option<u16>, duration: Duration) {
        let method = match METHODS.contains(&method) {
            true => method,
            false => "other",
        };
        let code = code.map_or_else(|| NO_ANSWER.to_owned(), |code| code.to_string());
        self.requests.with([&code, method], |all| all.inc());
        self.time
            .with([method], |time| time.observe(duration.as_secs_f64()));
    }

    /// The watch of a resource failed.
    pub fn watch_failed(&self, resource: &str) {
        self.watch_failures.with([resource], |all| all.inc());
    }

    pub(super) fn set(&self, scrape: &Scrape) {
        let leads = scrape.election.iter();
        self.leads
            .set_all(leads.map(|(name, leads)| ([name.as_str()], i64::from(*leads))));
        let watches = scrape.watches.iter();
        self.watches.set_all(
            watches.map(|((resource, namespace), time)| {
                ([resource.as_str(), namespace.as_str()], *time)
            }),
        );
        let missing = scrape.missing_fields.iter();
        self.missing_fields
            .set_all(missing.map(|(kind, count)| ([kind.as_str()], *count)));
    }
}
