//! Renewal on virtual time against a fake STS.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    config::Clock,
    transport::{TransportError, WireFuture, WireResponse},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The wall clock that goes with paused time.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        "2024-05-06T07:00:00Z".parse::<Timestamp>().unwrap() + self.0.elapsed()
    }
}

enum Say {
    /// A session of an hour, after a second of thinking.
    Yes,
    No(u16, &'static str),
    Nothing,
}

struct FakeSts {
    clock: Arc<Virtual>,
    script: Mutex<VecDeque<Say>>,
    calls: AtomicUsize,
    seen: Mutex<Vec<WireRequest>>,
}

impl FakeSts {
    fn answer(&self, call: usize) -> Result<WireResponse, TransportError> {
        let (status, body) = match self.script.lock().unwrap().pop_front().unwrap_or(Say::Yes) {
            Say::Yes => {
                let end = self.clock.now() + 60 * MINUTE;
                let credentials = json!({"AccessKeyId": format!("STS.{call}"), "AccessKeySecret": "s",
                    "SecurityToken": "t", "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
                (200, json!({"RequestId": "R", "Credentials": credentials}))
            }
            Say::No(status, code) => (
                status,
                json!({"RequestId": "R-NO", "Code": code, "Message": "no, jwt-1"}),
            ),
            Say::Nothing => {
                return Err(TransportError::NotConnected("no route".to_owned()));
            }
        };
        Ok(WireResponse {
            status,
            headers: HeaderMap::new(),
            body: body.to_string().into_bytes(),
        })
    }
}

impl Transport for FakeSts {
    fn send(&self, request: WireRequest) -> WireFuture<'_> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            self.seen.lock().unwrap().push(request);
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.answer(call)
        })
    }
}

struct World {
    sts: Arc<FakeSts>,
    provider: Arc<OidcCredentials>,
    token: tempfile::NamedTempFile,
}

fn world(script: impl IntoIterator<Item = Say>) -> World {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "jwt-1\n").unwrap();
    let clock = Arc::new(Virtual(Instant::now()));
    let sts = Arc::new(FakeSts {
        clock: clock.clone(),
        script: Mutex::new(script.into_iter().collect()),
        calls: AtomicUsize::new(0),
        seen: Mutex::default(),
    });
    let role = OidcRole {
        role_arn: "acs:ram::1:role/op".to_owned(),
        provider_arn: "acs:ram::1:oidc-provider/ack".to_owned(),
        token_file: token.path().to_owned(),
        session_name: "op".to_owned(),
        sts_region: Some("cn-hangzhou".to_owned()),
        sts_endpoint: None,
        vpc: true,
    };
    let config = ClientConfig {
        clock,
        ..ClientConfig::default()
    };
    let provider = OidcCredentials::with_transport(role, &config, sts.clone()).unwrap();
    World {
        sts,
        provider: Arc::new(provider),
        token,
    }
}

impl World {
    fn calls(&self) -> usize {
        self.sts.calls.load(Ordering::SeqCst)
    }

    async fn key(&self) -> Result<String, CredentialsError> {
        self.provider
            .current()
            .await
            .map(|found| found.access_key_id)
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_is_unsigned_and_carries_the_token_as_it_is() {
    let world = world([]);
    assert_eq!(world.key().await.unwrap(), "STS.1");
    let request = world.sts.seen.lock().unwrap()[0].clone();
    assert_eq!(
        request.url.host_str(),
        Some("sts-vpc.cn-hangzhou.aliyuncs.com")
    );
    let query = request.url.query().unwrap();
    assert!(query.contains("Action=AssumeRoleWithOIDC&"), "{query}");
    assert!(query.contains("Version=2015-04-01"), "{query}");
    assert!(!query.contains("jwt"), "{query}");
    assert!(
        request.body.contains("OIDCToken=jwt-1&"),
        "{}",
        request.body
    );
    assert!(
        request
            .body
            .contains("RoleArn=acs%3Aram%3A%3A1%3Arole%2Fop")
    );
    assert!(
        request
            .headers
            .iter()
            .all(|(name, _)| *name != "authorization")
    );
}

#[tokio::test(start_paused = true)]
async fn many_callers_make_one_call() {
    let world = world([]);
    let callers = (0..50).map(|_| {
        let provider = world.provider.clone();
        tokio::spawn(async move { provider.current().await.unwrap().access_key_id })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert_eq!(caller.await.unwrap(), "STS.1");
    }
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn renewal_comes_five_to_fifteen_minutes_early_with_the_token_of_then() {
    let world = world([]);
    world.key().await.unwrap();
    std::fs::write(world.token.path(), "jwt-2").unwrap();
    tokio::time::advance(44 * MINUTE).await;
    assert_eq!(world.key().await.unwrap(), "STS.1");
    tokio::time::advance(12 * MINUTE).await;
    assert_eq!(world.key().await.unwrap(), "STS.2");
    assert!(
        world.sts.seen.lock().unwrap()[1]
            .body
            .contains("OIDCToken=jwt-2&")
    );
}

/// While one caller renews, the others go on with what is still valid.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_renewal_that_comes_early() {
    let world = world([]);
    world.key().await.unwrap();
    tokio::time::advance(56 * MINUTE).await;
    let provider = world.provider.clone();
    let renewing = tokio::spawn(async move { provider.current().await.unwrap().access_key_id });
    tokio::task::yield_now().await;
    let before = Instant::now();
    assert_eq!(world.key().await.unwrap(), "STS.1");
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(renewing.await.unwrap(), "STS.2");
}

#[tokio::test(start_paused = true)]
async fn the_old_ones_are_served_while_valid_and_never_after() {
    let failures = (0..100).map(|_| Say::Nothing);
    let world = world(std::iter::once(Say::Yes).chain(failures));
    world.key().await.unwrap();
    tokio::time::advance(56 * MINUTE).await;
    for _ in 0..20 {
        assert_eq!(world.key().await.unwrap(), "STS.1");
    }
    assert_eq!(world.calls(), 2, "STS is left alone after a failure");
    tokio::time::advance(4 * MINUTE).await;
    let error = world.key().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry);
    assert!(error.message.contains("acs:ram::1:role/op"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_for_a_while_and_then_it_is_tried_again() {
    let world = world([Say::No(400, "AuthenticationFail.OIDCToken.Expired")]);
    let error = world.key().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert!(error.message.contains("the token file is stale"), "{error}");
    assert!(!error.message.contains("jwt-1"), "{error}");
    assert_eq!(error.request_id.as_deref(), Some("R-NO"));
    assert_eq!(world.key().await.unwrap_err(), error);
    assert_eq!(world.calls(), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(world.key().await.unwrap(), "STS.2");
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_is_a_matter_of_credentials() {
    let world = world([Say::No(404, "EntityNotExist.Role")]);
    let error = world.key().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert!(error.message.contains("no such role"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn rejected_credentials_are_renewed_but_not_in_a_loop() {
    let world = world([]);
    let first = world.provider.current().await.unwrap();
    assert!(
        world
            .provider
            .refresh_after_rejection(&first)
            .await
            .unwrap()
            .is_none()
    );
    tokio::time::advance(MINUTE).await;
    let second = world
        .provider
        .refresh_after_rejection(&first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.access_key_id, "STS.2");
    // Another caller was rejected with the first ones too.
    let same = world
        .provider
        .refresh_after_rejection(&first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(same.access_key_id, "STS.2");
    assert_eq!(world.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_file_that_is_no_token_says_so() {
    let world = world([]);
    for (content, says) in [
        ("  \n".to_owned(), "is empty"),
        ("x".repeat(30_000), "30000 bytes"),
    ] {
        std::fs::write(world.token.path(), content).unwrap();
        tokio::time::advance(MINUTE).await;
        let error = world.key().await.unwrap_err();
        assert!(error.message.contains(says), "{error}");
    }
    assert_eq!(world.calls(), 0);
}
