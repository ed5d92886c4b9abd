//! Calls that the service throttles, on paused time.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::time::Instant as Moment;

use super::*;
use crate::{
    config::MutationGuard,
    credentials::StaticCredentials,
    endpoints::Endpoints,
    limits::{Limiter, Limits},
    transport::{WireFuture, WireResponse},
};

/// Until an answer comes in.
const ANSWER: Duration = Duration::from_millis(100);

/// Throttles the first calls, and answers the others.
struct Busy {
    throttles: usize,
    /// In milliseconds, as the service says it.
    retry_after: &'static str,
    calls: AtomicUsize,
}

impl Transport for Busy {
    fn send(&self, _: WireRequest) -> WireFuture<'_> {
        let nth = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut headers = HeaderMap::new();
        let wait = HeaderValue::from_static(self.retry_after);
        headers.insert("x-acs-retry-after", wait);
        let (status, body) = match nth < self.throttles {
            true => (429, r#"{"RequestId": "r", "Code": "Throttling.User"}"#),
            false => (200, r#"{"RequestId": "r"}"#),
        };
        let body = body.into();
        Box::pin(async move {
            tokio::time::sleep(ANSWER).await;
            Ok(WireResponse {
                status,
                headers,
                body,
            })
        })
    }
}

/// One call: its error, the calls that it took, and for how long.
async fn call(
    lane: Lane,
    throttles: usize,
    retry_after: &'static str,
) -> (Option<CloudError>, usize, Duration) {
    guarded_call(lane, throttles, retry_after, None).await
}

/// Of a process that may go on for so long.
struct Guard(Option<Duration>);

impl MutationGuard for Guard {
    fn allows(&self) -> Option<Duration> {
        self.0
    }
}

async fn guarded_call(
    lane: Lane,
    throttles: usize,
    retry_after: &'static str,
    guard: Option<Arc<dyn MutationGuard>>,
) -> (Option<CloudError>, usize, Duration) {
    let service = Arc::new(Busy {
        throttles,
        retry_after,
        calls: AtomicUsize::new(0),
    });
    let limits = Limits {
        longest_wait_of_reads: Duration::from_secs(60),
        ..Limits::default()
    };
    let config = ClientConfig {
        limiter: Arc::new(Limiter::new(limits)),
        // Of one service alone: STS is not asked then.
        endpoints: Endpoints::standard()
            .with(Service::Oos, "http://127.0.0.1:1")
            .unwrap(),
        guard,
        ..ClientConfig::default()
    };
    let key = Arc::new(StaticCredentials::new("ak", "secret", None).unwrap());
    let client = Client::with_transport(config, key, service.clone());
    let action = match lane {
        Lane::Read => "ListExecutions",
        Lane::Mutation => "NotifyExecution",
    };
    let call = Call::new(Service::Oos, action, lane, "cn-hangzhou");
    let began = Moment::now();
    let error = client.send(&call).await.err();
    (error, service.calls.load(Ordering::SeqCst), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_throttled_goes_again_when_the_service_asks_for_it() {
    let (error, calls, took) = call(Lane::Read, 2, "7000").await;
    assert!(error.is_none() && calls == 3, "{error:?} {calls}");
    assert!((14..20).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_throttled_again_and_again_is_given_up() {
    let (error, calls, took) = call(Lane::Read, usize::MAX, "1000").await;
    let error = error.unwrap();
    assert_eq!((error.class, calls), (ErrorClass::Throttled, 9));
    assert_eq!(error.request_id.as_deref(), Some("r"));
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_to_be_left_alone_for_longer_than_a_read_waits_is() {
    let (error, calls, took) = call(Lane::Read, usize::MAX, "90000").await;
    assert_eq!((error.unwrap().class, calls), (ErrorClass::Throttled, 1));
    assert_eq!(took, ANSWER);
}

/// What it is about is on record with its time.
#[tokio::test(start_paused = true)]
async fn a_mutation_that_is_throttled_is_told_so_at_once() {
    let (error, calls, took) = call(Lane::Mutation, 1, "1000").await;
    assert_eq!((error.unwrap().class, calls), (ErrorClass::Throttled, 1));
    assert_eq!(took, ANSWER);
}

#[tokio::test(start_paused = true)]
async fn a_mutation_is_not_sent_where_the_guard_forbids_it_and_given_up_where_its_time_is_over() {
    let guard = |allows| Some(Arc::new(Guard(allows)) as Arc<dyn MutationGuard>);
    let (error, calls, took) = guarded_call(Lane::Mutation, 0, "0", guard(None)).await;
    let error = error.unwrap();
    assert_eq!(
        (error.outcome, error.code.as_str()),
        (Outcome::NoEffect, "not-leading")
    );
    assert_eq!((calls, took), (0, Duration::ZERO));
    let short = guard(Some(ANSWER / 2));
    let (error, calls, took) = guarded_call(Lane::Mutation, 0, "0", short).await;
    assert_eq!(error.unwrap().outcome, Outcome::Unknown);
    assert_eq!((calls, took), (1, ANSWER / 2));
    let (error, _, _) = guarded_call(Lane::Mutation, 0, "0", guard(Some(ANSWER * 2))).await;
    assert!(error.is_none());
    let (error, calls, _) = guarded_call(Lane::Read, 0, "0", guard(None)).await;
    assert!(error.is_none() && calls == 1);
}
