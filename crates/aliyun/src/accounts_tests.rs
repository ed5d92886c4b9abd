//! Two keys of one account, and the limits that they share.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::header::HeaderMap;

use super::*;
use crate::{
    call::Call,
    client::Client,
    config::ClientConfig,
    credentials::StaticCredentials,
    endpoints::{Endpoints, Service},
    limits::{Lane, Limiter, Limits, Rate},
    transport::{Transport, WireFuture, WireRequest, WireResponse},
};

/// Answers every call, and those to STS with this status.
struct Services {
    sts: u16,
    asked: AtomicUsize,
}

impl Transport for Services {
    fn send(&self, request: WireRequest) -> WireFuture<'_> {
        let to_sts = request
            .headers
            .iter()
            .any(|(_, value)| value == "GetCallerIdentity");
        let status = if to_sts { self.sts } else { 200 };
        self.asked.fetch_add(usize::from(to_sts), Ordering::SeqCst);
        Box::pin(async move {
            Ok(WireResponse {
                status,
                headers: HeaderMap::new(),
                body: br#"{"RequestId": "r", "Code": "NoPermission", "AccountId": "1"}"#.to_vec(),
            })
        })
    }
}

/// Clients with two keys, three calls each at once and then no more for a while.
fn clients(services: &Arc<Services>) -> (Client, Client) {
    let ecs = Rate {
        per_second: 0.1,
        burst: 3,
    };
    let limits = Limits {
        ecs,
        longest_wait_of_reads: Duration::ZERO,
        ..Limits::default()
    };
    let config = ClientConfig {
        limiter: Arc::new(Limiter::new(limits)),
        endpoints: Endpoints::standard()
            .with_all("http://127.0.0.1:1")
            .unwrap(),
        ..ClientConfig::default()
    };
    let key = |id| Arc::new(StaticCredentials::new(id, "secret", None).unwrap());
    let one = Client::with_transport(config, key("ak-1"), services.clone());
    let other = one.with_credentials(key("ak-2"));
    (one, other)
}

async fn call(client: &Client) -> bool {
    let call = Call::new(Service::Ecs, "DescribeInstances", Lane::Read, "cn-hangzhou");
    client.send(&call).await.is_ok()
}

/// Lets what goes on in the background come to its end.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_account_share_its_buckets() {
    let services = Arc::new(Services {
        sts: 200,
        asked: AtomicUsize::new(0),
    });
    let (one, other) = clients(&services);
    assert!(call(&one).await);
    settle().await;
    assert_eq!(services.asked.load(Ordering::SeqCst), 0, "one is alone");
    assert!(call(&other).await && call(&one).await);
    settle().await;
    for client in [&one, &other, &one] {
        assert!(call(client).await);
    }
    assert!(!call(&one).await && !call(&other).await);
    assert_eq!(services.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_depends_on_sts() {
    let services = Arc::new(Services {
        sts: 403,
        asked: AtomicUsize::new(0),
    });
    let (one, other) = clients(&services);
    for _ in 0..3 {
        assert!(call(&one).await && call(&other).await);
        settle().await;
    }
    assert!(!call(&one).await && !call(&other).await);
    assert_eq!(services.asked.load(Ordering::SeqCst), 2);
    // It may have been out of reach for a moment only.
    tokio::time::advance(PAUSE).await;
    assert!(call(&one).await);
    settle().await;
    assert_eq!(services.asked.load(Ordering::SeqCst), 3);
}

#[test]
fn an_arn_names_its_account() {
    assert_eq!(of_arn("acs:ram::123:role/operator"), Some("123"));
    for other in [
        "LTAI5t",
        "acs:ram::",
        "acs:ram:::role/r",
        "acs:ram::*:role/r",
    ] {
        assert_eq!(of_arn(other), None, "{other}");
    }
}
