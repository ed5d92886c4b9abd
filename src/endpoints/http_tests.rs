//! Endpoints on a real wire: what each kind of answer comes to, and what is not done for any.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode, Uri},
};
use ess_rollout_core::endpoints::{EndpointAnswer, EndpointQuery, WebhookCall, WebhookVerdict};
use futures::future::join_all;
use tokio::net::TcpListener;

use super::super::config::EndpointConfig;
use super::super::{Endpoints, HttpEndpoints, Told};
use super::*;

/// What it was asked: the path with its query, the headers, the body.
type Asked = (String, BTreeMap<String, String>, String);

/// What it does with a request.
type Answer = Arc<dyn Fn(usize) -> Reply + Send + Sync>;

enum Reply {
    Now(u16, String),
    Slow(Duration, String),
    Never,
    To(String),
    Long,
}

#[derive(Clone)]
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Shared(Server, Answer);

async fn serve(
    State(Shared(server, answer)): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let number = {
        let headers = headers.iter().map(|(name, value)| {
            let value = value.to_str().unwrap().to_owned();
            (name.as_str().to_owned(), value)
        });
        let body = String::from_utf8(body.to_vec()).unwrap();
        let mut asked = server.asked.lock().unwrap();
        asked.push((uri.to_string(), headers.collect(), body));
        asked.len()
    };
    let under_way = server.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    server.most.fetch_max(under_way, Ordering::SeqCst);
    let (status, body, to) = match answer(number) {
        Reply::Now(status, body) => (status, body, None),
        Reply::Slow(time, body) => {
            tokio::time::sleep(time).await;
            (200, body, None)
        }
        Reply::Never => std::future::pending().await,
        Reply::To(url) => (302, String::new(), Some(url)),
        Reply::Long => (200, "x".repeat(LONGEST + 1), None),
    };
    server.under_way.fetch_sub(1, Ordering::SeqCst);
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    let response = match to {
        Some(url) => response.header("location", url),
        None => response,
    };
    response.body(Body::from(body)).unwrap()
}

impl Server {
    async fn start(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        // Another test may have done so.
        _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            under_way: Arc::default(),
            most: Arc::default(),
        };
        let shared = Shared(server.clone(), Arc::new(answer));
        let router = Router::new().fallback(serve).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// One endpoint there, with these fields besides.
    fn endpoints(&self, kind: &str, path: &str, more: serde_json::Value) -> HttpEndpoints {
        let mut config = json!({
            "name": "e", "kind": kind, "url": format!("http://{}{path}", self.address), "timeoutSeconds": 1,
        });
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let config: EndpointConfig = serde_json::from_value(config).unwrap();
        HttpEndpoints::new(&[config]).unwrap()
    }
}

fn metric() -> EndpointQuery {
    EndpointQuery::Metric {
        endpoint: "e".to_owned(),
        query: "sum(up) > 1".to_owned(),
    }
}

fn webhook() -> EndpointQuery {
    EndpointQuery::Webhook(Box::new(WebhookCall {
        endpoint: "e".to_owned(),
        key: "uid-1/smoke/2".to_owned(),
        kind: "RollingUpdateTask".to_owned(),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        region: "cn-hangzhou".to_owned(),
        scaling_group: "asg-1".to_owned(),
        batch: 2,
        batches: 4,
        instances: vec!["i-1".to_owned()],
    }))
}

fn vector(values: &[&str]) -> String {
    let result: Vec<_> = values
        .iter()
        .map(|value| json!({"metric": {}, "value": [1, value]}))
        .collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
}

fn shown(told: &Told) -> String {
    match told {
        Ok(EndpointAnswer::Measured { values, series, .. }) => format!("{series}: {values:?}"),
        Ok(EndpointAnswer::Said { verdict, .. }) => format!("{verdict:?}"),
        Err(error) if error.needs_person => format!("{}!", error.code),
        Err(error) => error.code.clone(),
    }
}

/// The one table of what can come back, for both kinds.
#[tokio::test]
async fn whatever_comes_back_has_a_verdict_and_none_of_it_is_shown() {
    type Case = (
        Box<dyn Fn(usize) -> Reply + Send + Sync>,
        &'static str,
        &'static str,
    );
    fn now(status: u16, body: &str) -> Box<dyn Fn(usize) -> Reply + Send + Sync> {
        let body = body.to_owned();
        Box::new(move |_| Reply::Now(status, body.clone()))
    }
    let pass = r#"{"verdict":"Pass"}"#;
    let cases: Vec<Case> = vec![
        (now(200, &vector(&["0.5"])), "1: [0.5]", "bad-answer"),
        (now(200, &vector(&[])), "0: []", "bad-answer"),
        (now(200, &vector(&["NaN"])), "1: [NaN]", "bad-answer"),
        (
            now(200, &vector(&["1", "2", "3"])),
            "3: [1.0, 2.0]",
            "bad-answer",
        ),
        (now(200, pass), "bad-answer", "Pass"),
        (
            now(200, r#"{"verdict":"Fail","reason":"hush"}"#),
            "bad-answer",
            "Fail",
        ),
        (now(200, r#"{"verdict":"Wait"}"#), "bad-answer", "Wait"),
        (now(401, "hush"), "http-401!", "http-401!"),
        (now(503, "hush"), "http-503", "http-503"),
        (now(404, "hush"), "http-404!", "http-404!"),
        (now(200, "hush {{{"), "bad-answer", "bad-answer"),
        (Box::new(|_| Reply::Never), "timeout", "timeout"),
        (Box::new(|_| Reply::Long), "too-long", "too-long"),
        (
            Box::new(move |_| Reply::Slow(Duration::from_millis(300), pass.to_owned())),
            "bad-answer",
            "Pass",
        ),
    ];
    for (number, (answer, of_prometheus, of_webhook)) in cases.into_iter().enumerate() {
        let server = Server::start(answer).await;
        let prometheus = server.endpoints("Prometheus", "/", json!({}));
        let webhooks = server.endpoints("Webhook", "/", json!({}));
        let (metric, webhook) = (metric(), webhook());
        let (measured, said) = tokio::join!(prometheus.ask(&metric), webhooks.ask(&webhook));
        assert_eq!(shown(&measured), of_prometheus, "case {number}");
        assert_eq!(shown(&said), of_webhook, "case {number}");
        for told in [measured, said] {
            let text = told.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                !text.contains("hush") && !text.contains("127.0.0.1"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let server = Server::start(|_| Reply::Never).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let endpoints = server.endpoints("Webhook", "/", json!({"url": url}));
    assert_eq!(shown(&endpoints.ask(&webhook()).await), "connection");
}

#[tokio::test]
async fn what_is_sent_is_what_the_apis_take() {
    let server = Server::start(|_| Reply::Now(200, vector(&["1"]))).await;
    let prometheus = server.endpoints("Prometheus", "/p/base/", json!({}));
    prometheus.ask(&metric()).await.unwrap();
    let webhooks = server.endpoints("Webhook", "/verdict?team=web", json!({}));
    _ = webhooks.ask(&webhook()).await;
    let [(path, headers, body), (hook, hook_headers, hook_body)] =
        <[Asked; 2]>::try_from(server.asked()).unwrap();
    assert_eq!(path, "/p/base/api/v1/query");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(body, "query=sum%28up%29+%3E+1&timeout=1s");
    assert!(!headers.contains_key("authorization"));
    assert_eq!(hook, "/verdict?team=web");
    assert_eq!(hook_headers["idempotency-key"], "uid-1/smoke/2");
    let told: serde_json::Value = serde_json::from_str(&hook_body).unwrap();
    assert_eq!(
        told,
        json!({
            "kind": "RollingUpdateTask", "namespace": "shop", "name": "web", "regionId": "cn-hangzhou", "scalingGroupId": "asg-1",
            "batch": 2, "batches": 4, "instances": ["i-1"],
        })
    );
}

/// A secret is read for each request, so that it may change, and goes to no host that a redirect names.
#[tokio::test]
async fn secrets_are_sent_to_the_endpoint_alone() {
    let elsewhere = Server::start(|_| Reply::Now(200, vector(&["1"]))).await;
    let to = format!("http://{}/", elsewhere.address);
    let server = Server::start(move |_| Reply::To(to.clone())).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let cases = [
        (json!({"bearerTokenFile": path}), "Bearer hush"),
        (json!({"authorizationFile": path}), "hush"),
        (
            json!({"basic": {"usernameFile": path, "passwordFile": path}}),
            "Basic aHVzaDpodXNo",
        ),
    ];
    writeln!(file, "hush").unwrap();
    for (auth, sent) in cases {
        let endpoints = server.endpoints("Prometheus", "/", json!({"auth": auth}));
        let error = endpoints.ask(&metric()).await.unwrap_err();
        assert_eq!(error.code, "http-302");
        assert!(!format!("{error} {error:?}").contains("hush"));
        let (_, headers, _) = server.asked().pop().unwrap();
        assert_eq!(headers["authorization"], sent);
    }
    assert!(elsewhere.asked().is_empty());
    let endpoints = server.endpoints(
        "Prometheus",
        "/",
        json!({"auth": {"bearerTokenFile": path}}),
    );
    file.as_file().set_len(0).unwrap();
    let error = endpoints.ask(&metric()).await.unwrap_err();
    assert!(
        error.needs_person && error.message.contains("is empty"),
        "{error}"
    );
    file.close().unwrap();
    let error = endpoints.ask(&metric()).await.unwrap_err();
    assert!(error.message.contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn no_more_than_a_few_are_under_way_at_once() {
    let server = Server::start(|_| {
        let body = r#"{"verdict":"Pass"}"#.to_owned();
        Reply::Slow(Duration::from_millis(50), body)
    })
    .await;
    let endpoints = server.endpoints("Webhook", "/", json!({"timeoutSeconds": 10}));
    let query = webhook();
    let told = join_all((0..12).map(|_| endpoints.ask(&query))).await;
    let pass = |told: &Told| {
        matches!(
            told,
            Ok(EndpointAnswer::Said {
                verdict: WebhookVerdict::Pass,
                ..
            })
        )
    };
    assert!(told.iter().all(pass));
    assert_eq!(server.most.load(Ordering::SeqCst), AT_ONCE);
}

#[tokio::test]
async fn one_that_does_not_answer_is_left_alone() {
    let server = Server::start(|_| Reply::Now(500, String::new())).await;
    let endpoints = server.endpoints("Webhook", "/", json!({}));
    let query = webhook();
    let mut told = Vec::new();
    for _ in 0..8 {
        told.push(shown(&endpoints.ask(&query).await));
    }
    assert_eq!(told[..5], ["http-500"; 5]);
    assert_eq!(told[5..], ["resting"; 3]);
    assert_eq!(server.asked().len(), 5);
}
