//! The operator as a process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::{Process, find_program};
use crate::watchdog;

const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// A process that is stopped takes connections and answers nothing.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// How to run an operator. [`crate::Installation::operator`] makes one from the chart; change what the test is about.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose rights it has.
    pub kubeconfig: PathBuf,
    /// The flags after `run`, without those that say where it serves its health.
    pub flags: Vec<String>,
    /// Variables besides KUBECONFIG: POD_NAMESPACE, credentials.
    pub envs: Vec<(String, String)>,
    /// Another version of it; else that of this workspace.
    pub program: Option<PathBuf>,
}

impl Options {
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Whose rights it has, and which way to the apiserver.
    pub fn kubeconfig(mut self, file: PathBuf) -> Self {
        self.kubeconfig = file;
        self
    }

    /// The flag with this value, in place of what it had.
    pub fn setting(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.flags
            .retain(|flag| flag.split('=').next() != Some(name));
        self.flag(format!("{name}={value}"))
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The operator's own credentials.
    pub fn access_key(self, id: &str, secret: &str) -> Self {
        self.env("ALIBABA_CLOUD_ACCESS_KEY_ID", id)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret)
    }
}

/// An `ess-rollout run`. Kill it through [`Operator::process`]; the health port is a new one after each start.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    ready_file: PathBuf,
    /// Removed with the operator.
    _directory: TempDir,
}

impl Operator {
    /// Describes an operator without starting it.
    pub fn new(options: &Options) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-operator-")
            .tempdir()?;
        watchdog::add_directory(directory.path())?;
        let ready_file = directory.path().join("ready.json");
        let mut process = Process::new(
            "ess-rollout",
            match &options.program {
                Some(program) => program.clone(),
                None => find_program("ess-rollout")?,
            },
            directory.path().join("operator.log"),
        )
        .arg("run")
        .args(&options.flags)
        .args(["--health-addr", "127.0.0.1:0", "--ready-file"])
        .arg(&ready_file)
        .env("KUBECONFIG", &options.kubeconfig)
        // Flags win: one process that is started again is not to wait for its own lease.
        .env("ESS_ROLLOUT_LEADER_ELECT", "false")
        // What the machine of whoever runs the tests has is nobody's credentials.
        .env("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")
        .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        // It waits for calls that are under way.
        .grace(Duration::from_secs(60));
        for (name, value) in &options.envs {
            process = process.env(name, value);
        }
        Ok(Self {
            process,
            ready_file,
            _directory: directory,
        })
    }

    /// Starts it and waits until it is ready.
    pub fn start(options: &Options) -> Result<Self> {
        let mut operator = Self::new(options)?;
        operator.launch()?;
        operator.wait_ready()?;
        Ok(operator)
    }

    /// Starts it without waiting.
    pub fn launch(&mut self) -> Result<()> {
        // One that an earlier start left would be taken for this one's.
        if self.ready_file.exists() {
            std::fs::remove_file(&self.ready_file)?;
        }
        self.process.start()
    }

    /// Waits for the ready file; gives the health address, `127.0.0.1:PORT`.
    pub fn wait_ready(&mut self) -> Result<String> {
        let ready = self
            .process
            .wait_for_ready_file(&self.ready_file, READY_TIMEOUT)?;
        let health = ready["health"].as_str();
        Ok(health
            .with_context(|| format!("the operator's ready file has no health: {ready}"))?
            .to_owned())
    }

    /// A line of `/metrics`, by its name and labels; `None`: there is none, or nobody answers.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        self.health().ok()?.metric(series).await
    }

    /// Where it serves its health and its metrics, `127.0.0.1:PORT`.
    pub fn address(&self) -> Result<String> {
        let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(&self.ready_file)?)?;
        let health = ready["health"].as_str();
        Ok(health.context("the ready file has no health")?.to_owned())
    }

    /// For whoever asks while somebody else has the process.
    pub fn health(&self) -> Result<Health> {
        Ok(Health {
            ready_file: self.ready_file.clone(),
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(HEALTH_TIMEOUT)
                .build()?,
        })
    }

    /// `kill -9`, then a start with the same flags, without waiting.
    pub fn kill_and_relaunch(&mut self) -> Result<()> {
        self.process.kill()?;
        self.launch()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub fn ready_file(&self) -> &Path {
        &self.ready_file
    }
}

/// What an operator says of itself, after whichever start.
#[derive(Debug, Clone)]
pub struct Health {
    ready_file: PathBuf,
    client: reqwest::Client,
}

impl Health {
    /// A line of `/metrics`, by its name and labels; `None`: there is none, or nobody answers.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let ready: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&self.ready_file).ok()?).ok()?;
        let url = format!("http://{}/metrics", ready["health"].as_str()?);
        let answer = self.client.get(url).send().await.ok()?;
        let text = answer.text().await.ok()?;
        let line = text.lines().find(|line| {
            line.rsplit_once(' ')
                .is_some_and(|(name, _)| name == series)
        })?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}
