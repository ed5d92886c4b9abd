//! Updates that nobody watches: one whose errors rise undoes itself, another waits for its window, passes its checks, and lets its
//! group scale meanwhile. A real
//! Prometheus measures a program whose errors follow from what the instances of the emulated cloud run.

use std::time::Duration;

use anyhow::{Context, Result};
use axum::{Router, extract::State, routing::get};
use ess_rollout_test_support::{Emulator, Prometheus, source_root};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::stage::{Demo, TASK, Watched};
use super::{nothing, title};

/// From so many instances with the new image on its errors show.
const TOO_MANY: usize = 3;

/// The endpoints that checks may ask, and what is behind them.
pub struct Measured {
    pub endpoints: Value,
    _prometheus: Prometheus,
}

impl Measured {
    /// Starts the program and the Prometheus that scrapes it.
    pub async fn start(emulator: &Emulator) -> Result<Self> {
        let state = emulator.url("state");
        let client = reqwest::Client::builder().no_proxy().build()?;
        let page = Router::new()
            .route("/metrics", get(metrics))
            .with_state((client, state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { axum::serve(listener, page).await });
        println!("Starting Prometheus ...");
        let rules = source_root().join("config/prometheus/rules.yaml");
        let prometheus = Prometheus::start(&[address], &rules).await?;
        while prometheus.query("web_error_ratio").await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let endpoints = json!([{"name": "prod", "kind": "Prometheus", "url": prometheus.url()}]);
        Ok(Self {
            endpoints,
            _prometheus: prometheus,
        })
    }
}

async fn metrics(State((client, url)): State<(reqwest::Client, String)>) -> String {
    let state = async { client.get(url).send().await?.json::<Value>().await };
    let state = state.await.unwrap_or_default();
    let instances = state["instances"].as_array().into_iter().flatten();
    let new = instances.filter(|instance| instance["imageId"] == "m-web-v2");
    let errors = if new.count() > TOO_MANY { 0.3 } else { 0.002 };
    format!("# TYPE web_error_ratio gauge\nweb_error_ratio {errors}\n")
}

pub async fn gates(demo: &mut Demo, rising: &str, windowed: &str) -> Result<()> {
    title("An image whose errors show in the second batch: nobody watches, and it is undone");
    demo.apply("web-v2", rising)?;
    demo.watch_cancelled(TASK("web-v2"))?;
    let task = demo.object(TASK("web-v2"))?;
    let status = &task["status"];
    println!("  why: {}", status["automaticRollback"]["message"]);
    let name = status["automaticRollback"]["name"].as_str();
    let name = name.context("no rollback was created")?.to_owned().leak();
    demo.watch(&[Watched("rollback", name)], nothing)?;
    demo.show(&[
        "get",
        "rollbacks",
        "--selector",
        "ess-rollout.io/automatic=true",
    ])?;
    demo.print_groups().await?;

    title(
        "A script that waits for its window, and passes its checks; in the pause between them the group scales",
    );
    let now = Timestamp::now();
    let (start, end) = (now + 10.seconds(), now + 1.hour());
    let whole = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let windowed = windowed
        .replace("$START", &whole(start))
        .replace("$END", &whole(end));
    demo.apply("api-restart", &windowed)?;
    demo.watch(&[TASK("api-restart")], nothing)?;
    for reason in ["ProcessesResumed", "ProcessesSuspended"] {
        demo.show(&[
            "get",
            "events",
            "--field-selector",
            &format!("involvedObject.name=api-restart,reason={reason}"),
            "--output",
            "custom-columns=REASON:.reason,MESSAGE:.message",
        ])?;
    }
    Ok(())
}
