//! The proxy between an operator and a server, and its network.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use ess_rollout_test_support::proxy::{Cut, Forwarder, Gate, Proxy, Request, Upstream};
use futures::future::BoxFuture;
use tokio::net::TcpListener;

/// What nobody answers takes longer.
const PATIENCE: Duration = Duration::from_millis(300);

struct Open;

impl Gate for Open {
    fn pass(
        self: Arc<Self>,
        request: Request,
        server: Forwarder,
    ) -> BoxFuture<'static, Option<Response>> {
        Box::pin(async move { server.forward(&request).await })
    }
}

async fn proxy() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(|| async { "here" });
    tokio::spawn(async move { axum::serve(listener, app).await });
    Proxy::start(Upstream::Cloud, &server, None, Arc::new(Open))
        .await
        .unwrap()
}

/// `None`: nobody answered in time; `Some(false)`: the connection was ended.
async fn ask(client: &reqwest::Client, proxy: &Proxy) -> Option<bool> {
    let answer = client.get(proxy.url()).timeout(PATIENCE).send().await;
    match answer {
        Ok(answer) => Some(answer.text().await.unwrap() == "here"),
        Err(error) if error.is_timeout() => None,
        Err(_) => Some(false),
    }
}

#[tokio::test]
async fn a_cut_network_refuses_or_is_silent_and_can_be_mended() {
    ess_rollout_test_support::install_crypto_provider();
    let proxy = proxy().await;
    // Its connection is kept for what it asks next.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(ask(&client, &proxy).await, Some(true));
    for (how, answer) in [(Cut::Refused, Some(false)), (Cut::Silent, None)] {
        proxy.network().cut(how);
        for _ in 0..2 {
            assert_eq!(ask(&client, &proxy).await, answer, "{how:?}");
        }
        proxy.network().mend();
        // A connection from before is at its end: who has one begins another.
        let again = async { while ask(&client, &proxy).await != Some(true) {} };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_into_a_silent_network_never_arrives() {
    ess_rollout_test_support::install_crypto_provider();
    let proxy = proxy().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    proxy.network().cut(Cut::Silent);
    let sent = tokio::spawn(client.get(proxy.url()).send());
    tokio::time::sleep(PATIENCE).await;
    assert!(!sent.is_finished());
    proxy.network().mend();
    let answer = tokio::time::timeout(PATIENCE, sent).await.unwrap();
    assert!(answer.unwrap().is_err(), "its connection has ended");
}
