//! Refusals, silence, rejected keys, rate limits.

use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ess_rollout_aliyun::{
    CallObserver, Client, ClientConfig, Credentials, CredentialsProvider, Endpoints, ObservedCall,
    Timeouts,
    credentials::{CredentialsFuture, StaticCredentials},
};
use ess_rollout_cloud::{
    Answer, Cloud, ErrorClass, Mutation, NotifyType, Outcome, Query, Turn, Urgency,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    fake::{Canned, Fake, REGION, SECRET, client, ok, raw, refuse},
    mutations::start,
};

fn approve() -> Mutation {
    Mutation::NotifyExecution {
        execution: "exec-1".into(),
        notify: NotifyType::Approve,
        task_execution: None,
        loop_item: None,
        note: String::new(),
    }
}

fn group() -> Query {
    Query::ScalingGroup {
        group: "asg-1".into(),
    }
}

fn static_key() -> Arc<StaticCredentials> {
    Arc::new(StaticCredentials::new("ak", SECRET, None).unwrap())
}

fn client_of(address: &str, timeouts: Timeouts) -> Client {
    let config = ClientConfig {
        endpoints: Endpoints::standard().with_all(address).unwrap(),
        timeouts,
        ..ClientConfig::default()
    };
    client(config, static_key())
}

#[tokio::test]
async fn a_gateway_that_answers_in_xml_is_understood() {
    let xml = "<Error><RequestId>R</RequestId><Code>ServiceUnavailable</Code></Error>";
    let fake = Fake::start([raw(503, xml)]).await;
    let error = fake.client().mutate(REGION, &start()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome),
        (ErrorClass::Retry, Outcome::Unknown)
    );
    assert_eq!(error.code, "ServiceUnavailable");
    assert_eq!(error.call, "OOS StartExecution");
}

#[tokio::test]
async fn silence_ends_in_a_timeout_whose_outcome_is_open() {
    let fake = Fake::start([Canned {
        delay: Duration::from_secs(60),
        ..ok(json!({}))
    }])
    .await;
    let timeouts = Timeouts {
        request: Duration::from_secs(1),
        ..Timeouts::default()
    };
    let error = client_of(&fake.url, timeouts)
        .mutate(REGION, &approve())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.outcome),
        (ErrorClass::Retry, Outcome::Unknown)
    );
    assert_eq!(error.code, "timeout");
    assert_eq!(fake.received().len(), 1, "never sent twice");
}

#[tokio::test]
async fn a_closed_door_means_that_nothing_happened() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client_of(&address, Timeouts::default())
        .mutate(REGION, &approve())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.outcome),
        (ErrorClass::Retry, Outcome::NoEffect)
    );
    assert_eq!(error.code, "connection");
}

/// The request arrived; the answer broke off in its headers, or in its body.
#[tokio::test]
async fn a_broken_answer_leaves_the_outcome_open_and_is_not_sent_again() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"RequestId\"",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = vec![0; 64 * 1024];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        let error = client_of(&address, Timeouts::default())
            .mutate(REGION, &approve())
            .await
            .unwrap_err();
        assert_eq!(
            (error.class, error.outcome),
            (ErrorClass::Retry, Outcome::Unknown)
        );
        assert_eq!(error.code, "connection");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::start([
        Canned {
            headers: vec![("location", "/elsewhere")],
            ..raw(307, "")
        },
        ok(json!({})),
    ])
    .await;
    let error = fake
        .client()
        .query(REGION, &group(), Turn::default())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_reported_without_what_was_signed() {
    let fake = Fake::start([]).await;
    let wrong = Arc::new(StaticCredentials::new("ak", "another-secret", None).unwrap());
    let error = client(fake.config(), wrong)
        .mutate(REGION, &approve())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert_eq!(error.outcome, Outcome::NoEffect);
    assert_eq!(error.code, "SignatureDoesNotMatch");
    for echoed in ["x-acs-action", "POST", "another-secret"] {
        assert!(!error.to_string().contains(echoed), "{error}");
    }
}

#[tokio::test]
async fn a_region_that_is_none_is_never_sent() {
    let fake = Fake::start([]).await;
    let error = fake
        .client()
        .query("evil.example/", &group(), Turn::default())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(fake.received().is_empty());
}

/// A throttled answer closes the bucket: the next call is not sent before it opens.
#[tokio::test]
async fn throttling_is_heeded() {
    let throttled = Canned {
        headers: vec![("x-acs-retry-after", "30000")],
        ..refuse(429, "Throttling.User")
    };
    let fake = Fake::start([throttled]).await;
    let (client, query) = (fake.client(), group());
    for again in [false, true] {
        let asked = client.query(REGION, &query, Turn::default());
        let waited = tokio::time::timeout(Duration::from_millis(300), asked).await;
        assert!(waited.is_err(), "it waits for its turn: {again}");
    }
    assert_eq!(fake.received().len(), 1);
}

/// Hands out `old` until it is rejected, then `new`.
struct Renewing(AtomicUsize);

impl CredentialsProvider for Renewing {
    fn account(&self) -> &str {
        "acs:ram::1:role/r"
    }

    fn current(&self) -> CredentialsFuture<'_, Credentials> {
        Box::pin(ready(Ok(Credentials::new("old", SECRET, Some("t".into())))))
    }

    fn refresh_after_rejection<'a>(
        &'a self,
        rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>> {
        assert_eq!(rejected.access_key_id, "old");
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(ready(Ok(Some(Credentials::new(
            "new",
            SECRET,
            Some("t".into()),
        )))))
    }
}

/// Refused at the door, so even a mutation may go again; but once only.
#[tokio::test]
async fn rejected_credentials_are_renewed_once() {
    let fake = Fake::start([refuse(403, "InvalidSecurityToken.Expired"), ok(json!({}))]).await;
    let client_ = client(fake.config(), Arc::new(Renewing(AtomicUsize::new(0))));
    client_.mutate(REGION, &approve()).await.unwrap();
    let keys: Vec<_> = fake
        .received()
        .into_iter()
        .map(|request| request.key)
        .collect();
    assert_eq!(keys, ["old", "new"]);

    let stubborn = Fake::start((0..3).map(|_| refuse(404, "InvalidAccessKeyId.NotFound"))).await;
    let provider = Arc::new(Renewing(AtomicUsize::new(0)));
    let error = client(stubborn.config(), provider.clone())
        .mutate(REGION, &approve())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert_eq!(stubborn.received().len(), 2);
    assert_eq!(provider.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_used_nonce_is_replaced_for_reads_and_an_open_outcome_for_mutations() {
    let fake = Fake::start([
        refuse(400, "SignatureNonceUsed"),
        ok(json!({"ScalingGroups": [{"ScalingGroupId": "asg-1"}]})),
    ])
    .await;
    let answer = fake
        .client()
        .query(REGION, &group(), Turn::default())
        .await
        .unwrap();
    assert!(matches!(answer, Answer::ScalingGroup(Some(_))));
    let received = fake.received();
    assert_ne!(received[0].nonce, received[1].nonce);

    let fake = Fake::start([refuse(400, "SignatureNonceUsed"), ok(json!({}))]).await;
    let error = fake.client().mutate(REGION, &approve()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome),
        (ErrorClass::Retry, Outcome::Unknown)
    );
    assert_eq!(fake.received().len(), 1);
}

#[derive(Default)]
struct Meter(Mutex<Vec<(String, Option<ErrorClass>, bool)>>);

impl CallObserver for Meter {
    fn observed(&self, call: ObservedCall<'_>) {
        let name = format!("{} {}", call.service, call.action);
        self.0
            .lock()
            .unwrap()
            .push((name, call.class, call.held_back));
    }
}

/// What reads are for.
#[derive(Default)]
struct Reasons(Mutex<Vec<Option<Urgency>>>);

impl CallObserver for Reasons {
    fn observed(&self, call: ObservedCall<'_>) {
        self.0.lock().unwrap().push(call.urgency);
    }
}

#[tokio::test]
async fn it_is_told_why_a_read_was_made() {
    let found = || ok(json!({"ScalingGroups": [{"ScalingGroupId": "asg-1"}]}));
    let fake = Fake::start([found(), found(), ok(json!({}))]).await;
    let reasons = Arc::new(Reasons::default());
    let config = ClientConfig {
        observer: Some(reasons.clone()),
        ..fake.config()
    };
    let client = client(config, static_key());
    for urgency in [Urgency::Shared, Urgency::Asked] {
        let turn = Turn { urgency, number: 1 };
        client.query(REGION, &group(), turn).await.unwrap();
    }
    client.mutate(REGION, &approve()).await.unwrap();
    assert_eq!(
        *reasons.0.lock().unwrap(),
        [Some(Urgency::Shared), Some(Urgency::Asked), None]
    );
}

#[tokio::test]
async fn every_call_is_metered_those_held_back_too() {
    let throttled = Canned {
        headers: vec![("x-acs-retry-after", "30000")],
        ..refuse(429, "Throttling")
    };
    let fake = Fake::start([ok(json!({})), throttled]).await;
    let meter = Arc::new(Meter::default());
    let config = ClientConfig {
        observer: Some(meter.clone()),
        ..fake.config()
    };
    let client = client(config, static_key());
    client.mutate(REGION, &approve()).await.unwrap();
    client.mutate(REGION, &start()).await.unwrap_err();
    client.mutate(REGION, &start()).await.unwrap_err();
    let throttled = Some(ErrorClass::Throttled);
    assert_eq!(
        *meter.0.lock().unwrap(),
        [
            ("OOS NotifyExecution".to_owned(), None, false),
            ("OOS StartExecution".to_owned(), throttled, false),
            ("OOS StartExecution".to_owned(), throttled, true),
        ]
    );
}
