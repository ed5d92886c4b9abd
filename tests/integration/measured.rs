//! Checks between batches at endpoints of the operator's configuration: a real Prometheus, and a program that gives verdicts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use ess_rollout_test_support::{Prometheus, install_crypto_provider, source_root};
use serde_json::{Value, json};

use crate::rolling_back::until_state;
use crate::scene::{GROUP, Scene, Setup, assert_condition, assert_says, image_task, with};

/// A program whose errors Prometheus scrapes, and that says whether it is well.
#[derive(Clone, Default)]
struct Program(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// After the second batch, and later; there are none after the first.
    errors: f64,
    verdict: &'static str,
    keys: Vec<String>,
}

impl Program {
    async fn start() -> (Self, SocketAddr) {
        let program = Self::default();
        program.says("Pass");
        let router = Router::new()
            .route("/metrics", get(Self::metrics))
            .route("/verdict", post(Self::verdict))
            .with_state(program.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (program, address)
    }

    fn errors_after_the_second_batch(&self, ratio: f64) {
        self.0.lock().unwrap().errors = ratio;
    }

    fn says(&self, verdict: &'static str) {
        self.0.lock().unwrap().verdict = verdict;
    }

    async fn metrics(State(program): State<Self>) -> String {
        let errors = program.0.lock().unwrap().errors;
        let ratio = |batch: u32, ratio| format!("web_error_ratio{{batch=\"{batch}\"}} {ratio}\n");
        let first = ratio(1, 0.0);
        let second = ratio(2, errors);
        format!("# TYPE web_error_ratio gauge\n{first}{second}")
    }

    async fn verdict(State(program): State<Self>, headers: HeaderMap) -> String {
        let mut state = program.0.lock().unwrap();
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        state.keys.push(key);
        json!({"verdict": state.verdict, "reason": "as the test says"}).to_string()
    }
}

/// An image update in three batches whose checks are made often.
fn gated(gates: Value) -> Value {
    let gates = with(
        json!({"intervalSeconds": 15, "consecutivePasses": 1}),
        gates,
    );
    with(image_task(), json!({ "gates": gates }))
}

async fn measured() -> (Scene, Program, Prometheus) {
    // Before anything asks by TLS, whichever test runs first.
    install_crypto_provider();
    let (program, address) = Program::start().await;
    let rules = source_root().join("config/prometheus/rules.yaml");
    let prometheus = Prometheus::start(&[address.to_string()], &rules)
        .await
        .unwrap();
    let scene = Scene::with(Setup {
        endpoints: json!([
            {"name": "prod", "kind": "Prometheus", "url": prometheus.url()},
            {"name": "qa", "kind": "Webhook", "url": format!("http://{address}/verdict")},
        ]),
        ..Setup::default()
    })
    .await;
    let is_scraped = async || {
        let found = prometheus.query("web_error_ratio").await.unwrap();
        (!found.is_empty()).then_some(())
    };
    scene.eventually("Prometheus has scraped", is_scraped).await;
    (scene, program, prometheus)
}

fn metrics() -> Value {
    json!([{
        "name": "errors", "source": "prod", "query": "max(web_error_ratio{batch=\"$batch\"})", "passBelow": "0.05", "failAbove": "0.2",
    }])
}

#[tokio::test]
async fn an_update_whose_errors_rise_in_the_second_batch_rolls_itself_back() {
    let (scene, program, _prometheus) = measured().await;
    // From the first on: whoever raised them in the pause would race with its check.
    program.errors_after_the_second_batch(0.5);
    let gates = json!({"metrics": metrics(), "onFailed": "Rollback"});
    scene.create("web-v2", gated(gates)).await;
    let task = scene.until_state("web-v2", "Cancelled").await;
    let undone = &task["status"]["automaticRollback"];
    assert_says(
        &undone["message"],
        &["metrics.errors: 0.5 is more than 0.2 (failAbove)"],
    );
    let name = task["status"]["automaticRollback"]["name"]
        .as_str()
        .unwrap();
    let back = until_state(&scene, name, "Succeeded").await;
    assert_eq!(
        back["metadata"]["labels"]["ess-rollout.io/automatic"],
        "true"
    );
    assert_eq!(back["spec"]["taskRef"]["name"], "web-v2");
    assert_condition(&back, "Restored", "True", "Restored");
    assert!(scene.all_instances(GROUP, "imageId", "m-v1").await);
    let reasons = scene.event_reasons("web-v2").await;
    assert!(reasons.contains(&"GateFailed".to_owned()), "{reasons:?}");
    let status = json!([task["status"], back["status"]]).to_string();
    assert!(!status.contains("127.0.0.1"), "an address is shown");
}

#[tokio::test]
async fn an_update_that_is_measured_and_asked_about_goes_on_unattended() {
    let (scene, program, _prometheus) = measured().await;
    let gates = json!({"metrics": metrics(), "webhooks": [{"name": "smoke", "target": "qa"}]});
    scene.create("web-v2", gated(gates)).await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    assert_eq!(scene.notifications("Approve").await, 2);
    assert_eq!(task["status"]["approve"]["by"], "spec.gates");
    let uid = task["metadata"]["uid"].as_str().unwrap();
    let keys = program.0.lock().unwrap().keys.clone();
    for batch in [1, 2] {
        assert!(keys.contains(&format!("{uid}/smoke/{batch}")), "{keys:?}");
    }
}

#[tokio::test]
async fn a_webhook_that_fails_holds_the_next_batch_and_what_there_is_not_is_said_at_once() {
    let (scene, program, _prometheus) = measured().await;
    program.says("Fail");
    let gates = json!({"webhooks": [{"name": "smoke", "target": "qa"}]});
    scene.create("web-v2", gated(gates)).await;
    let task = scene.until_state("web-v2", "BatchSuspended").await;
    assert_condition(&task, "Paused", "True", "GateFailed");
    let said = &task["status"]["pause"]["message"];
    assert_says(said, &["webhooks.smoke: it says Fail: as the test says"]);
    assert_eq!(scene.notifications("Approve").await, 0);

    let nowhere = json!({"webhooks": [{"name": "smoke", "target": "nowhere"}]});
    scene.create("web-v3", gated(nowhere)).await;
    scene.request("web-v2", "cancel", "n1").await;
    let task = scene.until_state("web-v3", "Blocked").await;
    assert_condition(&task, "Preflight", "False", "GateUnusable");

    // One that Prometheus does not understand, in its own words.
    let faulty = json!({"metrics": [{"name": "errors", "source": "prod", "query": "sum(", "failAbove": "1"}]});
    scene.create("web-v4", gated(faulty)).await;
    let task = scene.until_state("web-v4", "Blocked").await;
    let conditions = task["status"]["conditions"].as_array().unwrap();
    let preflight = conditions.iter().find(|c| c["type"] == "Preflight");
    assert_says(
        &preflight.unwrap()["message"],
        &["metrics.errors", "parse error"],
    );
}

/// The apiserver says what is wrong with limits.
#[tokio::test]
async fn limits_that_contradict_each_other_are_refused() {
    let scene = Scene::start().await;
    let with_limits = |limits: Value| {
        let metric = with(
            json!({"name": "m", "source": "prod", "query": "up"}),
            limits,
        );
        gated(json!({"metrics": [metric]}))
    };
    for (limits, said) in [
        (json!({}), "passBelow, passAbove, failBelow, failAbove"),
        (
            json!({"passBelow": "0.2", "failAbove": "0.1"}),
            "both pass and fail",
        ),
        (
            json!({"passAbove": "1", "failBelow": "2"}),
            "both pass and fail",
        ),
        (
            json!({"passAbove": "2", "passBelow": "1"}),
            "no value would pass",
        ),
        (
            json!({"failBelow": "2", "failAbove": "1"}),
            "every value would fail",
        ),
        (json!({"failAbove": "1e3"}), "failAbove"),
    ] {
        let refused = scene.try_create("web-v2", with_limits(limits)).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    scene
        .create(
            "web-v2",
            with_limits(json!({"passBelow": "-0.5", "failAbove": "10"})),
        )
        .await;
}
