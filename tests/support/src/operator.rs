//! The operator as a process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::{Process, find_program};
use crate::watchdog;

const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// What a test says about the operator that it runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose rights it has.
    pub kubeconfig: PathBuf,
    /// Its own namespace, where the records are.
    pub namespace: String,
    /// The namespaces it watches; empty: all.
    pub watch_namespaces: Vec<String>,
    pub region: String,
    /// Where all cloud services are, for instance [`crate::Emulator::endpoint`].
    pub endpoint: String,
    /// AccessKey id and secret of the operator's own credentials.
    pub access_key: Option<(String, String)>,
    /// Further flags and variables.
    pub flags: Vec<String>,
    pub envs: Vec<(String, String)>,
}

/// An `ess-rollout run`. Start, kill and restart it through [`Operator::process`]; the health port is new after each start.
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
            find_program("ess-rollout")?,
            directory.path().join("operator.log"),
        )
        .arg("run")
        .args(["--namespace", &options.namespace])
        .args(["--region", &options.region])
        .args(["--endpoint", &format!("all={}", options.endpoint)])
        .args(["--health-addr", "127.0.0.1:0", "--ready-file"])
        .arg(&ready_file)
        .args(["--log-format", "text"])
        .args(&options.flags)
        .env("KUBECONFIG", &options.kubeconfig);
        if !options.watch_namespaces.is_empty() {
            process = process.args(["--watch-namespaces", &options.watch_namespaces.join(",")]);
        }
        if let Some((id, secret)) = &options.access_key {
            process = process
                .env("ALIBABA_CLOUD_ACCESS_KEY_ID", id)
                .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret);
        }
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
