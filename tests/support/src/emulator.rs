//! The emulator as a process, and its control API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, find_program};
use crate::watchdog;

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const CERTIFICATE: &str = "ca.pem";

/// An `ess-emulator` that runs on random ports, and a client of its control API.
#[derive(Debug)]
pub struct Emulator {
    process: Process,
    http: String,
    https: Option<String>,
    client: reqwest::Client,
    directory: TempDir,
}

impl Emulator {
    /// Starts the emulator with a fixture file and waits until it serves.
    pub fn start(fixture: &Path) -> Result<Self> {
        Self::start_with(fixture, &[])
    }

    /// The same with more flags.
    pub fn start_with(fixture: &Path, flags: &[&str]) -> Result<Self> {
        crate::install_crypto_provider();
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-emulator-")
            .tempdir()?;
        watchdog::add_directory(directory.path())?;
        let ready_file = directory.path().join("ready.json");
        let mut process = Process::new(
            "ess-emulator",
            find_program("ess-emulator")?,
            directory.path().join("emulator.log"),
        )
        .arg("--fixture")
        .arg(fixture)
        .args([
            "--http",
            "127.0.0.1:0",
            "--https",
            "127.0.0.1:0",
            "--tls-cert-out",
        ])
        .arg(directory.path().join(CERTIFICATE))
        .arg("--ready-file")
        .arg(&ready_file)
        .args(flags.iter().copied());
        process.start()?;
        let ready = process.wait_for_ready_file(&ready_file, READY_TIMEOUT)?;
        // URLs, as the emulator writes them.
        let address = |scheme: &str| ready[scheme].as_str().map(str::to_owned);
        let http = address("http")
            .with_context(|| format!("the emulator's ready file has no http: {ready}"))?;
        let https = address("https");
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self {
            process,
            http,
            https,
            client,
            directory,
        })
    }

    /// `http://127.0.0.1:PORT`, for `--endpoint`.
    pub fn endpoint(&self) -> &str {
        &self.http
    }

    /// `https://127.0.0.1:PORT`, when it serves HTTPS.
    pub fn https_endpoint(&self) -> Option<&str> {
        self.https.as_deref()
    }

    /// PEM of the authority that HTTPS clients must trust.
    pub fn certificate_authority(&self) -> PathBuf {
        self.directory.path().join(CERTIFICATE)
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A directory that goes away with the emulator.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }

    /// Reads from the control API: `get("clock")` is `GET /_emulator/clock`.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.answer(self.client.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.answer(self.client.post(self.url(path)).json(body))
            .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.answer(self.client.put(self.url(path)).json(body))
            .await
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.answer(self.client.delete(self.url(path))).await
    }

    /// Every call that the emulator received, in order; `byOos` tells those that executions made.
    pub async fn calls(&self) -> Result<Vec<Value>> {
        self.entries("journal").await
    }

    /// The calls of one action by clients (not those of executions): `journal("OOS", "StartExecution")`.
    pub async fn journal(&self, service: &str, action: &str) -> Result<Vec<Value>> {
        self.entries(&format!(
            "journal?service={service}&action={action}&byOos=false"
        ))
        .await
    }

    async fn entries(&self, path: &str) -> Result<Vec<Value>> {
        let journal = self.get(path).await?;
        let entries = journal["entries"].as_array();
        entries
            .cloned()
            .with_context(|| format!("the emulator's journal holds no entries: {journal}"))
    }

    /// A call by somebody that the fixture names, without a signature; gives the body of the answer.
    pub async fn call_as(
        &self,
        principal: &str,
        service: &str,
        action: &str,
        params: &Value,
    ) -> Result<Value> {
        let call = json!({"as": principal, "service": service, "action": action, "params": params});
        let answer = self.post("calls", &call).await?;
        if answer["status"] != 200 {
            bail!("{service} {action} was answered {answer}");
        }
        Ok(answer["body"].clone())
    }

    /// Lets virtual time pass at once.
    pub async fn advance(&self, by: Duration) -> Result<()> {
        self.post("clock", &json!({ "advanceSeconds": by.as_secs_f64() }))
            .await
            .map(drop)
    }

    /// Virtual seconds per real second from now on.
    pub async fn scale_clock(&self, scale: f64) -> Result<()> {
        self.post("clock", &json!({ "scale": scale }))
            .await
            .map(drop)
    }

    /// Adds a fault and gives its id: `{"service": "OOS", "action": "StartExecution", "effect": …}`.
    pub async fn add_fault(&self, fault: &Value) -> Result<u64> {
        let added = self.post("faults", fault).await?;
        added["id"]
            .as_u64()
            .with_context(|| format!("the emulator gave the fault no id: {added}"))
    }

    /// Where that is read: `url("state")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/_emulator/{path}", self.http)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = request.send().await?;
        let (status, url) = (response.status(), response.url().to_string());
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{url} answered no JSON: {text}"))
    }
}
