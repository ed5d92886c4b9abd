//! A real Prometheus on loopback, and promtool.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Process, control_plane, watchdog};

/// How long it may take to begin.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// The directory with `prometheus` and `promtool`, from `hack/control-plane prometheus`; built at the first call on a machine
/// (minutes).
fn programs() -> Result<&'static Path> {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    if let Some(programs) = PROGRAMS.get() {
        return Ok(programs);
    }
    let programs = PathBuf::from(control_plane::script(&["prometheus"])?);
    Ok(PROGRAMS.get_or_init(|| programs))
}

/// Runs promtool; gives what it printed.
///
/// # Errors
/// When it ends with another status than 0; the message is what it said.
pub fn promtool(args: &[&str]) -> Result<String> {
    let output = Command::new(programs()?.join("promtool"))
        .args(args)
        .output()?;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if !output.status.success() {
        bail!("promtool {}: {said}", args.join(" "));
    }
    Ok(said)
}

/// One that scrapes.
#[derive(Debug)]
pub struct Prometheus {
    _process: Process,
    client: reqwest::Client,
    address: String,
    /// Removed with it.
    _directory: TempDir,
}

impl Prometheus {
    /// Scrapes these addresses twice a second, and evaluates these rules each second.
    ///
    /// # Errors
    /// When it does not begin within a minute; the message is what it said.
    pub async fn start(targets: &[String], rules: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-prometheus-")
            .tempdir()?;
        watchdog::add_directory(directory.path())?;
        let file = |name: &str| directory.path().join(name);
        let config = json!({
            "global": {"scrape_interval": "500ms", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "ess-rollout",
                "honor_labels": true,
                "static_configs": [{"targets": targets}],
            }],
        });
        // YAML takes JSON.
        std::fs::write(file("prometheus.yml"), config.to_string())?;
        let log = file("prometheus.log");
        let flag = |name: &str, path: &str| format!("--{name}={}", file(path).display());
        let mut process = Process::new("prometheus", programs()?.join("prometheus"), &log)
            .arg(flag("config.file", "prometheus.yml"))
            .arg(flag("storage.tsdb.path", "data"))
            .arg("--web.listen-address=127.0.0.1:0");
        process.start()?;
        let began = Instant::now();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let address = loop {
            // It listens some time before its store is open, and refuses every query until then.
            if let Some(address) = listens_on(&std::fs::read_to_string(&log)?)
                && is_ready(&client, &address).await
            {
                break address;
            }
            if !process.running() || began.elapsed() > READY_TIMEOUT {
                bail!(
                    "prometheus does not begin: {}",
                    std::fs::read_to_string(&log)?
                );
            }
            tokio::time::sleep(LOOK).await;
        };
        Ok(Self {
            _process: process,
            client,
            address,
            _directory: directory,
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `data` of an answer of its API: `get("query", &[("query", "up")])`.
    ///
    /// # Errors
    /// When it refuses; the message is what it said.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let request = self.client.get(url).query(parameters);
        let answer: Value = request.send().await?.json().await?;
        if answer["status"] != "success" {
            bail!("{path} {parameters:?}: {answer}");
        }
        Ok(answer["data"].clone())
    }

    /// The series that an expression gives now, with a value that is a number.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let found = self.get("query", &[("query", expression)]).await?;
        let all = found["result"].as_array().context("no vector")?.clone();
        let is_number = |series: &Value| {
            let value = series["value"][1].as_str();
            value.is_some_and(|value| value.parse().is_ok_and(f64::is_finite))
        };
        Ok(all.into_iter().filter(is_number).collect())
    }

    /// The series that an expression is about: their names, each with the labels that it is chosen by.
    pub async fn selectors(&self, expression: &str) -> Result<Vec<(String, Vec<String>)>> {
        let tree = self.get("parse_query", &[("query", expression)]).await?;
        let mut found = Vec::new();
        collect(&tree, &mut found);
        Ok(found)
    }
}

async fn is_ready(client: &reqwest::Client, address: &str) -> bool {
    let answer = client.get(format!("http://{address}/-/ready")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// Its log says so.
fn listens_on(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    let (_, address) = line.rsplit_once("address=")?;
    Some(address.trim().to_owned())
}

fn collect(tree: &Value, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
        Value::Object(fields) => {
            if let (Some(name), Some(matchers)) = (
                fields.get("name").and_then(Value::as_str),
                fields.get("matchers"),
            ) {
                let labels = matchers.as_array().into_iter().flatten();
                let labels = labels.filter_map(|matcher| matcher["name"].as_str());
                let labels = labels.filter(|label| *label != "__name__");
                found.push((name.to_owned(), labels.map(str::to_owned).collect()));
            }
            fields.values().for_each(|one| collect(one, found));
        }
        _ => {}
    }
}
