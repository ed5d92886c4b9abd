//! Requests to the endpoints that checks between batches ask.

use std::time::Duration;

use super::catalogue::{Buckets, Catalogue, Counters, Histograms, Lasts};

/// Upper bounds in seconds; a request may take a minute, and wait as long for its turn.
const TIMES: Buckets = Buckets(&[0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0]);

const ENDPOINT: (&str, &str) = (
    "endpoint",
    "its name in the operator's configuration (chart value `gateEndpoints`)",
);

/// Counts questions to endpoints.
pub struct Endpoints {
    requests: Counters<2>,
    time: Histograms<1>,
}

impl Endpoints {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        Self {
            requests: all.counters(
                (
                    "ess_rollout_endpoint_requests_total",
                    Lasts::Process,
                    "Questions to the endpoints that `spec.gates.metrics` and `spec.gates.webhooks` name. One for each interval serves all who ask the same",
                ),
                [
                    ENDPOINT,
                    (
                        "code",
                        "`OK`, or why there was no answer: `timeout`, `connection`, `http-503`, `bad-query`, `resting` (it has not answered of late, and was not asked)",
                    ),
                ],
            ),
            time: all.histograms(
                (
                    "ess_rollout_endpoint_request_duration_seconds",
                    Lasts::Process,
                    "Until the answer, or until it was given up, the wait for its turn included",
                ),
                [ENDPOINT],
                TIMES,
            ),
        }
    }

    /// An endpoint was asked. The codes of an endpoint are few: words of ours, and statuses of HTTP.
    pub fn asked(&self, endpoint: &str, code: &str, took: Duration) {
        self.requests.with([endpoint, code], |all| all.inc());
        self.time.with([endpoint], |time| {
            time.observe(took.as_secs_f64());
        });
    }
}
